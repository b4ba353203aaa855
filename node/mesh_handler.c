/* Members' comings and goings, and user events, as our operator's commands are told of them. */
#include "node/mesh_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/url.h"

#define LINE_BYTES_MAX 8192

static void tags_of(struct node_handler_tag *out, const struct gossip_record *record)
{
    for (size_t i = 0; i < record->tag_count; i++)
        out[i] = (struct node_handler_tag){record->tags[i].key, record->tags[i].value};
}

/* ---- what every command is told, and what they leave behind ---- */

static void environment(void *ctx, struct node_handler_env *env)
{
    struct mesh *m = ctx;
    struct gossip_record record;
    struct node_handler_tag tags[GOSSIP_TAGS_MAX];
    char path[NODE_STORE_PATH_BYTES], hex[2 * BASE_KEY33_BYTES + 1];
    base_hex_encode(hex, m->identity.keys.node_key.bytes, BASE_KEY33_BYTES);
    node_handler_env_put(env, "NODE", base_slice_text(hex));
    if (node_store_path(path, sizeof path, m->store, "control.sock") == BASE_OK)
        node_handler_env_put(env, "SOCKET", base_slice_text(path));
    node_handler_env_both(env, "SELF_NAME", base_slice_text(m->name));
    if (gossip_record_decode(&record, m->record.body, m->record.body_len) != BASE_OK) return;
    tags_of(tags, &record);
    for (size_t i = 0; i < record.tag_count; i++) {
        if (tags[i].key.len == 4 && memcmp(tags[i].key.data, "role", 4) == 0)
            node_handler_env_both(env, "SELF_ROLE", tags[i].value);
        node_handler_env_tag(env, &tags[i]);
    }
}

static void say(void *ctx, enum base_log_level level, const char *ev, const char *command,
                enum node_handler_event event, const char *text)
{
    struct mesh *m = ctx;
    struct base_log_line line;
    if (!base_log_is_on(&m->log, level)) return;
    base_log_begin(&line, &m->log, level, "handler", ev);
    base_log_strn(&line, "command", command, strnlen(command, 64));
    base_log_str(&line, "event", node_handler_event_name(event));
    base_log_str(&line, "msg", text);
    base_log_end(&line);
}

static void tally(void *ctx, const char *result)
{
    struct mesh *m = ctx;
    node_metric_count(&m->metrics->event_handlers, result, NULL, NULL);
}

int mesh_handler_new(struct mesh *m)
{
    const struct node_handlers_config config = {
        .ctx = m, .environment = environment, .log = say, .count = tally};
    if (m->config->handler_count == 0) return BASE_OK;
    return node_handlers_new(&m->handlers, &m->loop, m->config->handlers, m->config->handler_count,
                             &config);
}

/* ---- members ---- */

/* The host of its first address, as serf's scripts expect; empty when it names none. */
static void address_of(char out[NODE_HOST_BYTES_MAX + 1], const struct gossip_record *record)
{
    char text[NODE_URL_BYTES_MAX + 1];
    struct node_url url;
    out[0] = '\0';
    if (record->url_count == 0 || record->urls[0].len >= sizeof text) return;
    memcpy(text, record->urls[0].data, record->urls[0].len);
    text[record->urls[0].len] = '\0';
    if (node_url_parse(&url, text) == BASE_OK)
        snprintf(out, NODE_HOST_BYTES_MAX + 1, "%s", url.host);
}

/* Its line anew, if its record can be read; false when that says the same as before. */
static bool line_renew(struct mesh_member *member, const struct gossip_member_view *view)
{
    struct gossip_record record;
    struct node_handler_tag tags[GOSSIP_TAGS_MAX];
    char address[NODE_HOST_BYTES_MAX + 1];
    struct base_buf text;
    if (gossip_record_decode(&record, view->record.data, view->record.len) != BASE_OK) return false;
    member->line_incarnation = view->incarnation;
    member->line_sequence = view->sequence;
    tags_of(tags, &record);
    address_of(address, &record);
    base_buf_init(&text, LINE_BYTES_MAX);
    node_handler_member_line(&text, record.name, base_slice_text(address), tags, record.tag_count);
    bool is_new = !text.failed && (member->line == NULL || strcmp(member->line, text.data) != 0);
    if (is_new) {
        free(member->line);
        member->line = strdup(text.data);
    }
    base_buf_deinit(&text);
    return is_new;
}

static void tell(struct mesh *m, enum node_handler_event event, const struct mesh_member *member)
{
    char hex[2 * BASE_KEY33_BYTES + 1];
    if (member->line == NULL) return;
    base_hex_encode(hex, member->key.bytes, sizeof member->key.bytes);
    node_handlers_member(m->handlers, event, base_slice_text(member->line), hex);
}

/* A suspicion, and its end, are no event of serf's. */
static enum node_handler_event event_of(enum gossip_state from, enum gossip_state to)
{
    switch (to) {
    case GOSSIP_ALIVE:
        return from == GOSSIP_SUSPECT ? NODE_HANDLER_NONE : NODE_HANDLER_MEMBER_JOIN;
    case GOSSIP_FAILED:
        return NODE_HANDLER_MEMBER_FAILED;
    case GOSSIP_LEFT:
        return NODE_HANDLER_MEMBER_LEAVE;
    case GOSSIP_NONE:
        return NODE_HANDLER_MEMBER_REAP;
    case GOSSIP_SUSPECT:
        return NODE_HANDLER_NONE;
    }
    return NODE_HANDLER_NONE;
}

void mesh_handler_state(struct mesh *m, const struct gossip_action *a)
{
    enum node_handler_event event = event_of(a->u.state.from, a->u.state.to);
    struct gossip_member_view view;
    struct mesh_member *member;
    if (m->handlers == NULL || event == NODE_HANDLER_NONE) return;
    member = mesh_member_find(m, &a->key);
    if (member == NULL) return;
    if (gossip_member_find(&view, m->gossip, &a->key) == BASE_OK) (void)line_renew(member, &view);
    tell(m, event, member);
}

void mesh_handler_updates(struct mesh *m)
{
    if (m->handlers == NULL || m->gossip == NULL) return;
    for (size_t i = 0; i < gossip_member_count(m->gossip); i++) {
        struct gossip_member_view view;
        struct mesh_member *member;
        gossip_member_at(&view, m->gossip, i);
        member = mesh_member_find(m, &view.key);
        if (member == NULL || member->line == NULL) continue; /* it has not come yet */
        if (member->line_incarnation == view.incarnation && member->line_sequence == view.sequence)
            continue;
        if (line_renew(member, &view)) tell(m, NODE_HANDLER_MEMBER_UPDATE, member);
    }
}

void mesh_handler_leader(struct mesh *m, enum node_handler_event event,
                         const struct base_key33 *key)
{
    struct gossip_member_view view;
    struct mesh_member *member;
    if (m->handlers == NULL || m->gossip == NULL) return;
    member = mesh_member_find(m, key);
    if (member == NULL) return;
    if (member->line == NULL && gossip_member_find(&view, m->gossip, key) == BASE_OK)
        (void)line_renew(member, &view);
    tell(m, event, member);
}

/* ---- user events ---- */

void mesh_handler_user(struct mesh *m, const struct gossip_action *a)
{
    char hex[2 * BASE_KEY33_BYTES + 1];
    struct node_handlers_user event = {.name = a->u.event.name,
                                       .payload = a->u.event.payload,
                                       .epoch = a->u.event.epoch,
                                       .sequence = a->u.event.sequence,
                                       .node_hex = hex};
    if (m->handlers == NULL) return;
    base_hex_encode(hex, a->key.bytes, sizeof a->key.bytes);
    node_handlers_user(m->handlers, &event);
}
