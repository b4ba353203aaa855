#ifndef NFTMESH_NODE_HANDLER_SPEC_H
#define NFTMESH_NODE_HANDLER_SPEC_H

#include "base/buf.h"
#include "base/bytes.h"

/* Commands that an operator wants run when members come and go, and at user events: the form of
 * the setting, what stands on the command's standard input, and what is in its environment. Pure:
 * node/handlers.h starts the processes.
 *
 * The form is that of serf's event handlers, so that scripts port over. Source: hashicorp/serf,
 * cmd/serf/command/agent/{event_handler,invoke}.go. */
#define NODE_HANDLER_SPECS_MAX       16 /* settings of one node */
#define NODE_HANDLER_COMMAND_BYTES   2048
#define NODE_HANDLER_NAMES_MAX       16 /* user:NAME in one setting */
#define NODE_HANDLER_NAME_BYTES      64
#define NODE_HANDLER_ENV_MAX         512 /* variables of a command */
#define NODE_HANDLER_ENV_VALUE_BYTES 8192

enum node_handler_event {
    NODE_HANDLER_NONE = 0,
    NODE_HANDLER_MEMBER_JOIN,
    NODE_HANDLER_MEMBER_LEAVE,
    NODE_HANDLER_MEMBER_FAILED,
    NODE_HANDLER_MEMBER_UPDATE, /* its name, address or tags changed */
    NODE_HANDLER_MEMBER_REAP,   /* listed no more: evicted, or forgotten long after its end */
    /* Not serf's, and so only when they are named. */
    NODE_HANDLER_LEADER_CHANGE, /* this member leads now */
    NODE_HANDLER_LEASE,         /* we may act as leader from now on */
    NODE_HANDLER_LEASE_LOST,    /* and may not any more */
    NODE_HANDLER_USER
};
/* "member-join" .. "user"; "none". */
const char *node_handler_event_name(enum node_handler_event event);

struct node_handler_spec {
    unsigned events; /* bit 1 << event; a user event of any name has its bit */
    char names[NODE_HANDLER_NAMES_MAX][NODE_HANDLER_NAME_BYTES + 1]; /* of user:NAME */
    size_t name_count;
    char command[NODE_HANDLER_COMMAND_BYTES + 1];
};

/* [event[,event..]=]COMMAND, event one of member-join, member-leave, member-failed, member-update,
 * member-reap, user, user:NAME and *, which is all of these, or leader-change, lease, lease-lost.
 * Without events: *. What stands before the first = is always taken for events.
 * BASE_EINVAL, with half a sentence in why; *out is then undefined. */
int node_handler_spec_parse(struct node_handler_spec *out, const char *text, char *why,
                            size_t why_bytes);
/* name: a user event's, else empty. */
bool node_handler_spec_wants(const struct node_handler_spec *spec, enum node_handler_event event,
                             struct base_slice name);

struct node_handler_tag {
    struct base_slice key, value;
};
/* One line: name, address, role, tags, with tabs between; the role is the tag of that name, the
 * tags are key=value with commas between. A tab or a newline inside becomes \t or \n as two
 * characters, any other control character a question mark: a member can make up no second line. */
void node_handler_member_line(struct base_buf *out, struct base_slice name,
                              struct base_slice address, const struct node_handler_tag *tags,
                              size_t tag_count);
/* A payload as it is, and a newline when it ends with none: shells read lines. */
void node_handler_user_input(struct base_buf *out, struct base_slice payload);

/* ---- the environment of a command ---- */

/* Does a variable of our own environment go to a command? Not those that hold, or may hold, a
 * secret, nor those that node/ sets itself: ours and serf's. */
bool node_handler_env_keeps(const char *variable);

struct node_handler_env {
    char *list[NODE_HANDLER_ENV_MAX + 1]; /* "NAME=value", the last one NULL */
    size_t count;
    bool failed; /* no memory, or too many: not to be used */
};
/* With what is kept of environ. Free it by _deinit, also when it has failed. */
void node_handler_env_init(struct node_handler_env *env, char *const *environ_list);
void node_handler_env_deinit(struct node_handler_env *env);
/* NFTMESH_NAME, and nothing else. Control characters as in a member's line. */
void node_handler_env_put(struct node_handler_env *env, const char *name, struct base_slice value);
/* NFTMESH_NAME and SERF_NAME. */
void node_handler_env_both(struct node_handler_env *env, const char *name, struct base_slice value);
/* NFTMESH_TAG_KEY and SERF_TAG_KEY: the key in upper case, _ for all but letters and digits. */
void node_handler_env_tag(struct node_handler_env *env, const struct node_handler_tag *tag);

#endif
