#include "node/handler_spec.h"

#include "base/err.h"
#include "base/utf8.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_ALL                                                                                 \
    (1u << NODE_HANDLER_MEMBER_JOIN | 1u << NODE_HANDLER_MEMBER_LEAVE |                            \
     1u << NODE_HANDLER_MEMBER_FAILED | 1u << NODE_HANDLER_MEMBER_UPDATE |                         \
     1u << NODE_HANDLER_MEMBER_REAP | 1u << NODE_HANDLER_USER)
#define USER_PREFIX "user:"

const char *node_handler_event_name(enum node_handler_event event)
{
    switch (event) {
    case NODE_HANDLER_NONE:
        return "none";
    case NODE_HANDLER_MEMBER_JOIN:
        return "member-join";
    case NODE_HANDLER_MEMBER_LEAVE:
        return "member-leave";
    case NODE_HANDLER_MEMBER_FAILED:
        return "member-failed";
    case NODE_HANDLER_MEMBER_UPDATE:
        return "member-update";
    case NODE_HANDLER_MEMBER_REAP:
        return "member-reap";
    case NODE_HANDLER_LEADER_CHANGE:
        return "leader-change";
    case NODE_HANDLER_LEASE:
        return "lease";
    case NODE_HANDLER_LEASE_LOST:
        return "lease-lost";
    case NODE_HANDLER_USER:
        return "user";
    }
    return "none";
}

/* ---- the setting ---- */

static int refuse(char *why, size_t why_bytes, const char *half)
{
    snprintf(why, why_bytes, "%s", half);
    return BASE_EINVAL;
}

static bool is_word(const char *word, size_t len, const char *what)
{
    return strlen(what) == len && memcmp(word, what, len) == 0;
}

static int take_user_name(struct node_handler_spec *out, const char *name, size_t len, char *why,
                          size_t why_bytes)
{
    if (len == 0 || len > NODE_HANDLER_NAME_BYTES || !base_utf8_is_valid(name, len))
        return refuse(why, why_bytes,
                      "has a user event without a name of 1 to 64 bytes: write "
                      "user:NAME, or user for all of them");
    if (out->name_count == NODE_HANDLER_NAMES_MAX)
        return refuse(why, why_bytes, "names more than 16 user events: write user for all of them");
    memcpy(out->names[out->name_count], name, len);
    out->names[out->name_count++][len] = '\0';
    return BASE_OK;
}

static int take_event(struct node_handler_spec *out, const char *word, size_t len, char *why,
                      size_t why_bytes)
{
    const size_t prefix = strlen(USER_PREFIX);
    if (is_word(word, len, "*")) {
        out->events |= EVENTS_ALL;
        return BASE_OK;
    }
    for (unsigned e = NODE_HANDLER_MEMBER_JOIN; e <= NODE_HANDLER_USER; e++) {
        if (!is_word(word, len, node_handler_event_name((enum node_handler_event)e))) continue;
        out->events |= 1u << e;
        return BASE_OK;
    }
    if (len >= prefix && memcmp(word, USER_PREFIX, prefix) == 0)
        return take_user_name(out, word + prefix, len - prefix, why, why_bytes);
    snprintf(
        why, why_bytes,
        "names no event: `%.*s` is none of member-join, -leave, -failed, -update, -reap, user, "
        "user:NAME, leader-change, lease, lease-lost, * (write *=COMMAND for a command with a = in "
        "it)",
        (int)(len < 64 ? len : 64), word);
    return BASE_EINVAL;
}

static int take_events(struct node_handler_spec *out, const char *text, size_t len, char *why,
                       size_t why_bytes)
{
    const char *end = text + len;
    for (;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma != NULL ? comma : end;
        int rv = take_event(out, text, (size_t)(stop - text), why, why_bytes);
        if (rv != BASE_OK || comma == NULL) return rv;
        text = comma + 1;
    }
}

int node_handler_spec_parse(struct node_handler_spec *out, const char *text, char *why,
                            size_t why_bytes)
{
    assert(out != NULL && text != NULL && why != NULL);
    const char *equals = strchr(text, '='), *command = equals != NULL ? equals + 1 : text;
    memset(out, 0, sizeof *out);
    if (equals == NULL) {
        out->events = EVENTS_ALL;
    } else {
        int rv = take_events(out, text, (size_t)(equals - text), why, why_bytes);
        if (rv != BASE_OK) return rv;
    }
    size_t len = strlen(command);
    if (strspn(command, " ") == len)
        return refuse(why, why_bytes, "has no command: write member-join,member-failed=/path/to/x");
    if (len > NODE_HANDLER_COMMAND_BYTES)
        return refuse(why, why_bytes, "has a command longer than 2048 bytes: put it into a script");
    memcpy(out->command, command, len + 1);
    return BASE_OK;
}

bool node_handler_spec_wants(const struct node_handler_spec *spec, enum node_handler_event event,
                             struct base_slice name)
{
    if ((spec->events & 1u << event) != 0) return true;
    if (event != NODE_HANDLER_USER) return false;
    for (size_t i = 0; i < spec->name_count; i++) {
        if (strlen(spec->names[i]) == name.len && memcmp(spec->names[i], name.data, name.len) == 0)
            return true;
    }
    return false;
}

/* ---- standard input ---- */

static void put_clean(struct base_buf *out, struct base_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)text.data[i];
        if (c == '\t')
            base_buf_puts(out, "\\t");
        else if (c == '\n')
            base_buf_puts(out, "\\n");
        else if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            base_buf_puts(out, "?");
        else
            base_buf_append(out, &c, 1);
    }
}

void node_handler_member_line(struct base_buf *out, struct base_slice name,
                              struct base_slice address, const struct node_handler_tag *tags,
                              size_t tag_count)
{
    put_clean(out, name);
    base_buf_puts(out, "\t");
    put_clean(out, address);
    base_buf_puts(out, "\t");
    for (size_t i = 0; i < tag_count; i++) {
        if (is_word((const char *)tags[i].key.data, tags[i].key.len, "role"))
            put_clean(out, tags[i].value);
    }
    base_buf_puts(out, "\t");
    for (size_t i = 0; i < tag_count; i++) {
        if (i > 0) base_buf_puts(out, ",");
        put_clean(out, tags[i].key);
        base_buf_puts(out, "=");
        put_clean(out, tags[i].value);
    }
    base_buf_puts(out, "\n");
}

void node_handler_user_input(struct base_buf *out, struct base_slice payload)
{
    base_buf_append(out, payload.data, payload.len);
    if (payload.len == 0 || payload.data[payload.len - 1] != '\n') base_buf_puts(out, "\n");
}

/* ---- environment ---- */

static bool holds(const char *text, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    for (size_t i = 0; i + word_len <= len; i++)
        if (memcmp(text + i, word, word_len) == 0) return true;
    return false;
}

/* A URL with a user in it, who seldom comes without a password. */
static bool holds_user(const char *value)
{
    for (const char *at = value; (at = strstr(at, "://")) != NULL;) {
        at += 3;
        if (memchr(at, '@', strcspn(at, "/")) != NULL) return true;
    }
    return false;
}

bool node_handler_env_keeps(const char *variable)
{
    static const char *const words[] = {"KEY",   "PASS",   "SECRET", "TOKEN", "MNEMONIC",
                                        "CREDE", "WALLET", "SEED",   "AUTH",  "RPC"};
    static const char *const own[] = {"NFTMESH_", "SERF_"};
    size_t len = strcspn(variable, "=");
    char upper[256];
    if (variable[len] == '\0' || len == 0 || len >= sizeof upper) return false;
    for (size_t i = 0; i < len; i++)
        upper[i] =
            (char)(variable[i] >= 'a' && variable[i] <= 'z' ? variable[i] - 32 : variable[i]);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strncmp(variable, own[i], strlen(own[i])) == 0) return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (holds(upper, len, words[i])) return false;
    return !holds_user(variable + len + 1);
}

static void env_add(struct node_handler_env *env, char *text)
{
    if (text == NULL || env->count == NODE_HANDLER_ENV_MAX) {
        free(text);
        env->failed = true;
        return;
    }
    env->list[env->count++] = text;
    env->list[env->count] = NULL;
}

void node_handler_env_init(struct node_handler_env *env, char *const *environ_list)
{
    env->count = 0;
    env->failed = false;
    env->list[0] = NULL;
    /* Room is left for our own: a crowded environment is cut, a handler is not lost by it. */
    for (; environ_list != NULL && *environ_list != NULL; environ_list++) {
        if (env->count == NODE_HANDLER_ENV_MAX / 2) return;
        if (node_handler_env_keeps(*environ_list)) env_add(env, strdup(*environ_list));
    }
}

void node_handler_env_deinit(struct node_handler_env *env)
{
    for (size_t i = 0; i < env->count; i++)
        free(env->list[i]);
    env->count = 0;
}

static void env_put(struct node_handler_env *env, const char *prefix, const char *name,
                    struct base_slice value)
{
    struct base_buf text;
    base_buf_init(&text, NODE_HANDLER_ENV_VALUE_BYTES);
    base_buf_printf(&text, "%s%s=", prefix, name);
    put_clean(&text, value);
    env_add(env, text.failed ? NULL : strndup(text.data, text.len));
    base_buf_deinit(&text);
}

void node_handler_env_put(struct node_handler_env *env, const char *name, struct base_slice value)
{
    env_put(env, "NFTMESH_", name, value);
}

void node_handler_env_both(struct node_handler_env *env, const char *name, struct base_slice value)
{
    env_put(env, "NFTMESH_", name, value);
    env_put(env, "SERF_", name, value);
}

void node_handler_env_tag(struct node_handler_env *env, const struct node_handler_tag *tag)
{
    char name[4 + 128] = "TAG_";
    size_t at = strlen(name);
    for (size_t i = 0; i < tag->key.len && at + 1 < sizeof name; i++) {
        char c = (char)tag->key.data[i];
        if (c >= 'a' && c <= 'z') c = (char)(c - 32);
        name[at++] = (char)((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_');
    }
    name[at] = '\0';
    node_handler_env_both(env, name, tag->value);
}
