#ifndef NFTMESH_NODE_HANDLERS_H
#define NFTMESH_NODE_HANDLERS_H

#include <uv.h>

#include "base/log.h"
#include "node/handler_spec.h"

/* The processes of event handlers (handler_spec.h): /bin/sh -c COMMAND for each event, one at a
 * time for each setting, the others waiting in a queue.
 *
 * Nothing of an event is in the command's text: it comes by environment and standard input only.
 * Changes of several members of one kind that wait behind a running command come to it together,
 * one line each. A command leads a process group of its own; after timeout_ms that group gets
 * SIGTERM, and kill_ms later SIGKILL. Its output goes to the log, line by line, bounded.
 *
 * Loop thread only. Commands are started by uv_spawn alone, never by fork: nng ends a child of fork
 * at its first call. */
#define NODE_HANDLERS_QUEUE_MAX       64    /* events that wait for one setting */
#define NODE_HANDLERS_MEMBERS_MAX     64    /* members that come to a command together */
#define NODE_HANDLERS_INPUT_BYTES_MAX 65536 /* what a pipe takes at once */
#define NODE_HANDLERS_LINES_MAX       50    /* of one command's output that are shown */
#define NODE_HANDLERS_LINE_BYTES_MAX  512

struct node_handlers_config {
    uint64_t timeout_ms; /* 0: 60,000 */
    uint64_t kill_ms;    /* 0: 5,000 */
    void *ctx;
    /* Adds what is the same for every event: who we are. Called before each start. */
    void (*environment)(void *ctx, struct node_handler_env *env);
    /* A line for the log, of a setting's command. */
    void (*log)(void *ctx, enum base_log_level level, const char *ev, const char *command,
                enum node_handler_event event, const char *text);
    /* ok, failed (exit status or signal), timeout, not_started, dropped (the queue was full). */
    void (*count)(void *ctx, const char *result);
};

struct node_handlers;

/* specs are copied. BASE_OK, BASE_ENOMEM. */
int node_handlers_new(struct node_handlers **out, uv_loop_t *loop,
                      const struct node_handler_spec *specs, size_t count,
                      const struct node_handlers_config *config);

/* A member's line (node_handler_member_line) and its key in hex. */
void node_handlers_member(struct node_handlers *h, enum node_handler_event event,
                          struct base_slice line, const char *node_hex);

struct node_handlers_user {
    struct base_slice name, payload;
    uint64_t epoch, sequence;
    const char *node_hex; /* whose event it is */
};
void node_handlers_user(struct node_handlers *h, const struct node_handlers_user *event);

/* Nothing is started any more; what runs gets SIGTERM, and SIGKILL after stop_ms. Frees it all and
 * calls on_closed (may be NULL) when the last process is gone. NULL is fine. Once. */
void node_handlers_close(struct node_handlers *h, uint64_t stop_ms, void (*on_closed)(void *ctx),
                         void *ctx);

#endif
