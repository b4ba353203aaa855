#include "base/u256.h"
#include "node/view.h"

#include "node/expiry.h"
#include <assert.h>
#include <string.h>
#include <strings.h>

#define JSON_INTEGER_MAX      (((uint64_t)1 << 53) - 1)
#define WHY_PREFIX_DIGITS_MIN 4

/* ---- one field ---- */

static void put_key(struct base_buf *out, const char *key)
{
    char before = out->len > 0 ? out->data[out->len - 1] : '{';
    base_buf_printf(out, "%s\"%s\":", before == '{' ? "" : ",", key);
}

static void put_text(struct base_buf *out, const char *key, const char *text)
{
    put_key(out, key);
    base_buf_json_string(out, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static void put_text_or_null(struct base_buf *out, const char *key, const char *text)
{
    if (text != NULL && *text != '\0') {
        put_text(out, key, text);
        return;
    }
    put_key(out, key);
    base_buf_puts(out, "null");
}

static void put_u64(struct base_buf *out, const char *key, uint64_t value)
{
    put_key(out, key);
    base_buf_printf(out, "%llu", (unsigned long long)value);
}

static void put_bool(struct base_buf *out, const char *key, bool value)
{
    put_key(out, key);
    base_buf_puts(out, value ? "true" : "false");
}

static void put_hex(struct base_buf *out, const char *key, const char *prefix, const void *data,
                    size_t len)
{
    put_key(out, key);
    base_buf_printf(out, "\"%s", prefix);
    base_buf_hex(out, data, len);
    base_buf_puts(out, "\"");
}

/* A node key, or null while it is unknown. */
static void put_node(struct base_buf *out, const char *key, const struct base_key33 *node)
{
    if (!base_is_zero(node, sizeof *node)) {
        put_hex(out, key, "", node->bytes, sizeof node->bytes);
        return;
    }
    put_key(out, key);
    base_buf_puts(out, "null");
}

static void put_address(struct base_buf *out, const char *key, const struct base_eth_address *addr)
{
    char text[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(text, addr);
    put_text(out, key, text);
}

static void put_instance(struct base_buf *out, const char *key,
                         const struct base_eth_address *instance)
{
    put_hex(out, key, "", instance->bytes, sizeof instance->bytes);
}

/* Seconds since 1970 with milliseconds. */
static void put_time(struct base_buf *out, const char *key, uint64_t wall_ms)
{
    put_key(out, key);
    base_buf_printf(out, "%llu.%03u", (unsigned long long)(wall_ms / 1000),
                    (unsigned)(wall_ms % 1000));
}

static void put_rtt(struct base_buf *out, double rtt_ms)
{
    put_key(out, "rtt_ms");
    if (rtt_ms >= 0 && rtt_ms < 1e9)
        base_buf_printf(out, "%.3f", rtt_ms);
    else
        base_buf_puts(out, "null");
}

void node_json_u256(struct base_buf *out, const struct base_u256 *value)
{
    char text[BASE_U256_TEXT_BYTES];
    uint64_t small;
    base_u256_format(text, value);
    bool is_small = base_u256_to_u64(&small, value) == 0 && small <= JSON_INTEGER_MAX;
    base_buf_printf(out, is_small ? "%s" : "\"%s\"", text);
}

static void put_token(struct base_buf *out, const struct base_u256 *token)
{
    put_key(out, "token");
    node_json_u256(out, token);
}

/* ---- members, links, refusals ---- */

static void put_tags(struct base_buf *out, const struct node_view_member *member)
{
    put_key(out, "tags");
    base_buf_puts(out, "{");
    for (size_t i = 0; i < member->tag_count; i++) {
        const struct node_view_tag *tag = &member->tags[i];
        if (i > 0) base_buf_puts(out, ",");
        base_buf_json_string(out, tag->key, strlen(tag->key));
        base_buf_puts(out, ":");
        base_buf_json_string(out, tag->value, strlen(tag->value));
    }
    base_buf_puts(out, "}");
}

void node_view_member_json(struct base_buf *out, const struct node_view_member *member)
{
    base_buf_puts(out, "{");
    put_text(out, "name", member->name);
    put_node(out, "node", &member->node);
    put_instance(out, "instance", &member->instance);
    put_token(out, &member->token);
    put_address(out, "owner", &member->owner);
    put_text(out, "url", member->url);
    put_text(out, "app_url", member->app_url);
    put_text(out, "state", node_view_state_name(member->state));
    put_u64(out, "incarnation", member->incarnation);
    put_u64(out, "weight", member->weight);
    put_u64(out, "verified_block", member->verified_block);
    put_rtt(out, member->rtt_ms);
    put_u64(out, "sequence", member->sequence);
    put_text(out, "proved", member->proved_by_session ? "session" : "record");
    put_time(out, "since", member->state_since_ms);
    put_text(out, "version", member->version);
    put_bool(out, "self", member->is_self);
    put_tags(out, member);
    base_buf_puts(out, "}");
}

static void link_json(struct base_buf *out, const struct node_view_link *link)
{
    base_buf_puts(out, "{");
    put_node(out, "node", &link->node);
    put_text(out, "remote", link->remote);
    put_text(out, "state", link->state);
    put_text(out, "direction", link->dialed ? "out" : "in");
    put_time(out, "since", link->since_ms);
    put_u64(out, "received_bytes", link->received_bytes);
    put_u64(out, "sent_bytes", link->sent_bytes);
    put_rtt(out, link->rtt_ms);
    base_buf_puts(out, "}");
}

static void refusal_json(struct base_buf *out, const struct node_view_refusal *refusal)
{
    base_buf_puts(out, "{");
    put_time(out, "time", refusal->time_ms);
    put_text(out, "by", refusal->by_peer ? "peer" : "us");
    put_node(out, "peer", &refusal->peer);
    put_text_or_null(out, "remote", refusal->remote);
    put_text(out, "reason", refusal->reason);
    put_text_or_null(out, "explanation", refusal->explanation);
    put_text_or_null(out, "expected", refusal->expected);
    put_text_or_null(out, "found", refusal->found);
    put_u64(out, "code", refusal->code);
    put_u64(out, "block", refusal->block);
    base_buf_puts(out, "}");
}

static void put_state_counts(struct base_buf *out, const struct node_view *view)
{
    put_key(out, "counts");
    base_buf_puts(out, "{");
    for (int state = NODE_VIEW_ALIVE; state < NODE_VIEW_STATE_COUNT; state++)
        put_u64(out, node_view_state_name((enum node_view_state)state),
                node_view_count(view, (enum node_view_state)state));
    base_buf_puts(out, "}");
}

static void put_block(struct base_buf *out, const struct node_view_self *self)
{
    put_key(out, "block");
    if (!self->has_block) {
        base_buf_puts(out, "null");
        return;
    }
    base_buf_puts(out, "{");
    put_u64(out, "number", self->block_number);
    put_hex(out, "hash", "0x", self->block_hash.bytes, sizeof self->block_hash.bytes);
    put_u64(out, "time", self->block_time_s);
    base_buf_puts(out, "}");
}

void node_view_members_json(struct base_buf *out, const struct node_view *view)
{
    base_buf_puts(out, "{");
    put_key(out, "members");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->member_count; i++) {
        if (i > 0) base_buf_puts(out, ",");
        node_view_member_json(out, &view->members[i]);
    }
    base_buf_puts(out, "]");
    put_state_counts(out, view);
    put_block(out, &view->self);
    base_buf_puts(out, "}");
}

void node_view_links_json(struct base_buf *out, const struct node_view *view)
{
    base_buf_puts(out, "{");
    put_key(out, "peers");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->link_count; i++) {
        if (i > 0) base_buf_puts(out, ",");
        link_json(out, &view->links[i]);
    }
    base_buf_puts(out, "]}");
}

/* ---- status ---- */

static void put_seat(struct base_buf *out, const struct node_view_self *self)
{
    if (self->has_seat) {
        put_token(out, &self->token);
        put_address(out, "owner", &self->owner);
        put_u64(out, "weight", self->weight);
        return;
    }
    put_text_or_null(out, "token", NULL);
    put_text_or_null(out, "owner", NULL);
    put_text_or_null(out, "weight", NULL);
}

/* Days with one decimal, rounded down, so that nobody reads of more time than there is. */
static void put_expiry(struct base_buf *out, const struct node_view_self *self)
{
    if (self->expires_at_s == 0 || !self->has_block) {
        put_text_or_null(out, "registration_expires_at", NULL);
        put_text_or_null(out, "registration_ends_in_days", NULL);
        return;
    }
    int64_t left_s = node_expiry_left_s(self->expires_at_s, self->block_time_s);
    uint64_t tenths = left_s > 0 ? (uint64_t)left_s / 8640 : 0;
    put_u64(out, "registration_expires_at", self->expires_at_s);
    put_key(out, "registration_ends_in_days");
    base_buf_printf(out, "%llu.%llu", (unsigned long long)(tenths / 10),
                    (unsigned long long)(tenths % 10));
}

static void put_warnings(struct base_buf *out, const struct node_view *view)
{
    put_key(out, "warnings");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->warning_count; i++) {
        if (i > 0) base_buf_puts(out, ",");
        base_buf_json_string(out, view->warnings[i], strlen(view->warnings[i]));
    }
    base_buf_puts(out, "]");
}

static void put_rpc(struct base_buf *out, const struct node_view *view)
{
    put_text(out, "rpc_trust", view->self.rpc_trust);
    put_key(out, "rpc");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->rpc_count; i++) {
        const struct node_view_rpc *rpc = &view->rpc[i];
        base_buf_puts(out, i > 0 ? ",{" : "{");
        put_text(out, "endpoint", rpc->origin);
        put_text(out, "state", rpc->state);
        put_u64(out, "head_block", rpc->head_block);
        put_bool(out, "agrees", rpc->agrees);
        put_u64(out, "requests", rpc->requests);
        put_text_or_null(out, "last_error", rpc->last_error);
        base_buf_puts(out, "}");
    }
    base_buf_puts(out, "]");
}

static void put_checks(struct base_buf *out, const struct node_view *view)
{
    put_bool(out, "ready", node_view_is_ready(view));
    put_key(out, "checks");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->check_count; i++) {
        const struct node_view_check *check = &view->checks[i];
        base_buf_puts(out, i > 0 ? ",{" : "{");
        put_text(out, "name", check->name);
        put_bool(out, "ok", check->ok);
        put_text_or_null(out, "reason", check->ok ? NULL : check->reason);
        base_buf_puts(out, "}");
    }
    base_buf_puts(out, "]");
}

static void put_wallet(struct base_buf *out, const struct node_view_wallet *wallet)
{
    put_key(out, "wallet");
    base_buf_puts(out, "{");
    put_bool(out, "busy", wallet->is_busy);
    put_text_or_null(out, "what", wallet->is_busy ? wallet->what : NULL);
    if (wallet->is_busy)
        put_time(out, "since", wallet->since_ms);
    else
        put_text_or_null(out, "since", NULL);
    put_text_or_null(out, "step", wallet->is_busy ? wallet->step : NULL);
    put_text_or_null(out, "last", wallet->last);
    base_buf_puts(out, "}");
}

void node_view_status_json(struct base_buf *out, const struct node_view *view, uint64_t wall_ms)
{
    const struct node_view_self *self = &view->self;
    base_buf_puts(out, "{");
    put_text(out, "name", self->name);
    put_node(out, "node", &self->node);
    put_instance(out, "instance", &self->instance);
    put_seat(out, self);
    put_expiry(out, self);
    put_text(out, "url", self->url);
    put_text(out, "app_url", self->app_url);
    put_text(out, "version", self->version);
    put_u64(out, "incarnation", self->incarnation);
    put_u64(out, "chain_id", self->chain_id);
    put_address(out, "contract", &self->contract);
    put_text(out, "contract_kind", self->contract_kind);
    put_address(out, "kms_root", &self->kms_root);
    put_block(out, self);
    put_rpc(out, view);
    put_text(out, "trust", self->trust);
    put_text(out, "settings", self->settings);
    put_bool(out, "dev", self->dev);
    put_bool(out, "leaving", self->leaving);
    put_checks(out, view);
    put_text_or_null(out, "advice", self->advice);
    put_warnings(out, view);
    put_wallet(out, &self->wallet);
    put_state_counts(out, view);
    put_u64(out, "peers", view->link_count);
    put_time(out, "started", self->start_ms);
    put_time(out, "uptime_s", wall_ms > self->start_ms ? wall_ms - self->start_ms : 0);
    base_buf_puts(out, "}");
}

void node_view_readyz_text(struct base_buf *out, const struct node_view *view, bool verbose)
{
    bool is_ready = node_view_is_ready(view);
    for (size_t i = 0; i < view->check_count; i++) {
        const struct node_view_check *check = &view->checks[i];
        if (check->ok && !verbose) continue;
        base_buf_printf(out, "[%c]%s %s\n", check->ok ? '+' : '-', check->name,
                        check->ok ? "ok" : check->reason);
    }
    for (size_t i = 0; verbose && i < view->warning_count; i++)
        base_buf_printf(out, "[!]%s\n", view->warnings[i]);
    if (view->self.dev) base_buf_puts(out, "[!]dev admission proves nothing\n");
    base_buf_puts(out, is_ready ? "ready\n" : "not ready\n");
}

/* ---- why ---- */

static bool hex_prefix_matches(const void *data, size_t len, const char *id, bool whole)
{
    char text[2 * BASE_KEY33_BYTES + 1];
    size_t id_len = strlen(id);
    assert(2 * len < sizeof text);
    base_hex_encode(text, data, len);
    if (id_len > 2 * len || (whole ? id_len != 2 * len : id_len < WHY_PREFIX_DIGITS_MIN))
        return false;
    return strncasecmp(text, id, id_len) == 0;
}

static bool member_matches(const struct node_view_member *member, const char *id)
{
    char token[80];
    base_u256_format(token, &member->token);
    return hex_prefix_matches(member->node.bytes, sizeof member->node.bytes, id, false) ||
           hex_prefix_matches(member->instance.bytes, sizeof member->instance.bytes, id, true) ||
           strcmp(member->name, id) == 0 || strcmp(token, id) == 0;
}

/* By its own key, or because a member with this key was meant. */
static bool key_matches(const struct node_view *view, const struct base_key33 *node, const char *id)
{
    if (base_is_zero(node, sizeof *node)) return false;
    if (hex_prefix_matches(node->bytes, sizeof node->bytes, id, false)) return true;
    for (size_t i = 0; i < view->member_count; i++)
        if (base_key33_equal(&view->members[i].node, node))
            return member_matches(&view->members[i], id);
    return false;
}

static size_t why_members(struct base_buf *out, const struct node_view *view, const char *id)
{
    size_t count = 0;
    put_key(out, "members");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->member_count; i++) {
        if (!member_matches(&view->members[i], id)) continue;
        if (count++ > 0) base_buf_puts(out, ",");
        node_view_member_json(out, &view->members[i]);
    }
    base_buf_puts(out, "]");
    return count;
}

static size_t why_links(struct base_buf *out, const struct node_view *view, const char *id)
{
    size_t count = 0;
    put_key(out, "peers");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->link_count; i++) {
        const struct node_view_link *link = &view->links[i];
        if (!key_matches(view, &link->node, id) && strcmp(link->remote, id) != 0) continue;
        if (count++ > 0) base_buf_puts(out, ",");
        link_json(out, link);
    }
    base_buf_puts(out, "]");
    return count;
}

static size_t why_refusals(struct base_buf *out, const struct node_view *view, const char *id)
{
    size_t count = 0;
    put_key(out, "refusals");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->refusal_count; i++) {
        const struct node_view_refusal *refusal = &view->refusals[i];
        if (!key_matches(view, &refusal->peer, id) && strcmp(refusal->remote, id) != 0) continue;
        if (count++ > 0) base_buf_puts(out, ",");
        refusal_json(out, refusal);
    }
    base_buf_puts(out, "]");
    return count;
}

void node_view_why_json(struct base_buf *out, const struct node_view *view, const char *id)
{
    if (strncmp(id, "0x", 2) == 0) id += 2;
    base_buf_puts(out, "{");
    put_text(out, "id", id);
    size_t members = why_members(out, view, id);
    size_t links = why_links(out, view, id);
    size_t refusals = why_refusals(out, view, id);
    const char *summary = "a member, by the checks that are listed with it";
    if (members == 0)
        summary = refusals > 0 ? "not a member: refused, the latest reason first"
                  : links > 0  ? "not a member yet: a link is being made"
                               : "nothing is known of it here: no member, link or refusal (the last"
                                 " 256 are kept)";
    else if (members > 1)
        summary = "several members match: give more digits";
    else if (refusals > 0)
        summary = "a member now; it was also refused, the latest reason first";
    put_text(out, "summary", summary);
    put_block(out, &view->self);
    base_buf_puts(out, "}");
}

/* ---- the prototype's routes ---- */

void node_view_health_json(struct base_buf *out, const struct node_view *view, uint64_t wall_ms)
{
    base_buf_puts(out, "{");
    put_text(out, "status", "healthy");
    put_time(out, "timestamp", wall_ms);
    put_bool(out, "sdk_initialized",
             view != NULL && view->self.has_block &&
                 !base_is_zero(&view->self.node, sizeof view->self.node));
    base_buf_puts(out, "}");
}

/* Applications' URLs, as the contract listed them: the own one among them, the dead not. */
void node_view_peers_json(struct base_buf *out, const struct node_view *view, uint64_t wall_ms)
{
    size_t count = 0;
    base_buf_puts(out, "{");
    put_key(out, "peers");
    base_buf_puts(out, "[");
    for (size_t i = 0; i < view->member_count; i++) {
        const struct node_view_member *member = &view->members[i];
        bool is_there = member->state == NODE_VIEW_ALIVE || member->state == NODE_VIEW_SUSPECT;
        if (!is_there || member->app_url[0] == '\0') continue;
        if (count++ > 0) base_buf_puts(out, ",");
        base_buf_json_string(out, member->app_url, strlen(member->app_url));
    }
    base_buf_puts(out, "]");
    put_u64(out, "count", count);
    put_time(out, "timestamp", wall_ms);
    put_instance(out, "instance_id", &view->self.instance);
    base_buf_puts(out, "}");
}

void node_view_info_json(struct base_buf *out, const struct node_view *view, uint64_t wall_ms)
{
    const struct node_view_self *self = &view->self;
    base_buf_puts(out, "{");
    put_instance(out, "instance_id", &self->instance);
    put_text(out, "connection_url", self->app_url);
    put_address(out, "contract_address", &self->contract);
    put_text(out, "rpc_url", view->rpc_count > 0 ? view->rpc[0].origin : "");
    put_bool(out, "registered", self->has_seat);
    put_time(out, "timestamp", wall_ms);
    put_u64(out, "chain_id", self->chain_id);
    put_node(out, "node", &self->node);
    put_text(out, "url", self->url);
    if (self->record_len > 0) {
        put_hex(out, "record", "", self->record, self->record_len);
        put_hex(out, "record_sig", "", self->record_sig.bytes, sizeof self->record_sig.bytes);
    }
    if (self->bundle_len > 0) put_hex(out, "bundle", "", self->bundle, self->bundle_len);
    base_buf_puts(out, "}");
}
