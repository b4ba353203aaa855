#include "sdk/authority.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/aead.h"
#include "base/err.h"
#include "chain/poll.h"
#include "node/authority.h"
#include "node/dial_rules.h"
#include "node/info.h"
#include "sdk/handle.h"

struct answer { /* what a seat's address has said; one a seat of raw, in its order */
    struct base_u256 token_id;
    bool asked, in_flight;
    uint64_t asked_ms;
    bool has_bundle; /* one that was judged as well made: it counts, or may */
    struct node_bundle bundle;
    struct node_refusal refusal; /* of what is none; reason NONE: it has not answered yet */
};

struct sdk_authority {
    struct sdk_authority_config c;
    struct node_authority *authority;
    struct node_authority_world world;
    struct sdk_self self;
    struct base_eth_address app_id; /* our own agent's */
    struct chain_snapshot *raw;     /* NULL: none yet */
    struct answer *answers;
    size_t answer_count, in_flight;
    struct node_dial_hints hints;
    bool stopped, moved, settled;
    bool has_began;
    uint64_t began_ms, blocks_answered;
    bool has_own;
    struct node_bundle own;
};

/* ---- the world that it is judged by ---- */

static bool find_block(void *ctx, uint64_t number, struct chain_block *out)
{
    const struct sdk_authority *a = ctx;
    return chain_poll_block(a->c.poll, number, out) == BASE_OK;
}

static void want_block(void *ctx, uint64_t number)
{
    struct sdk_authority *a = ctx;
    struct chain_block known;
    if (chain_poll_block(a->c.poll, number, &known) == BASE_ENOTFOUND)
        (void)chain_poll_want_block(a->c.poll, number);
}

int sdk_authority_new(struct sdk_authority **out, const struct sdk_authority_config *config)
{
    struct sdk_authority *a = calloc(1, sizeof *a);
    *out = NULL;
    if (a == NULL) return BASE_ENOMEM;
    if (node_authority_new(&a->authority) != BASE_OK) {
        free(a);
        return BASE_ENOMEM;
    }
    a->c = *config;
    a->world = (struct node_authority_world){.pins = config->pins,
                                             .domain = config->domain,
                                             .app_ids = config->config->app_ids,
                                             .app_id_count = config->config->app_id_count,
                                             .block = find_block,
                                             .ctx = a};
    base_random(a->hints.key, sizeof a->hints.key);
    *out = a;
    return BASE_OK;
}

void sdk_authority_stop(struct sdk_authority *a)
{
    a->stopped = true;
}

void sdk_authority_free(struct sdk_authority *a)
{
    if (a == NULL) return;
    node_authority_free(a->authority);
    chain_snapshot_free(a->raw);
    free(a->answers);
    free(a);
}

void sdk_authority_self(struct sdk_authority *a, const struct sdk_self *self,
                        const struct base_eth_address *app_id)
{
    a->self = *self;
    if (a->c.config->app_id_count == 0 && app_id != NULL) {
        a->app_id = *app_id;
        a->world.app_ids = &a->app_id;
        a->world.app_id_count = 1;
    }
    chain_poll_set_app_ids(a->c.poll, a->world.app_ids, a->world.app_id_count);
    a->moved = true;
}

struct attest_pins_seen sdk_authority_seen(const struct sdk_authority *a)
{
    return (struct attest_pins_seen){a->raw->kms_root, a->world.app_ids, a->world.app_id_count};
}

/* ---- snapshots ---- */

static struct answer *find(const struct sdk_authority *a, const struct base_u256 *token_id)
{
    size_t low = 0, high = a->answer_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = base_u256_compare(&a->answers[mid].token_id, token_id);
        if (order == 0) return &a->answers[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

int sdk_authority_take(struct sdk_authority *a, struct chain_snapshot *raw)
{
    struct answer *answers = calloc(raw->seat_count + 1, sizeof *answers);
    if (answers == NULL) {
        chain_snapshot_free(raw);
        return BASE_ENOMEM;
    }
    for (size_t i = 0; i < raw->seat_count; i++) {
        const struct answer *known = find(a, &raw->seats[i].token_id);
        if (known != NULL) answers[i] = *known;
        answers[i].token_id = raw->seats[i].token_id;
    }
    free(a->answers);
    chain_snapshot_free(a->raw);
    a->answers = answers;
    a->answer_count = raw->seat_count;
    a->world.raw = a->raw = raw;
    return BASE_OK;
}

int sdk_authority_derive(struct chain_snapshot **out, struct sdk_authority *a)
{
    struct chain_poll_status status;
    chain_poll_status(a->c.poll, &status);
    a->blocks_answered = status.blocks_answered;
    a->moved = false;
    node_authority_renew(a->authority, &a->world);
    node_authority_wants(a->authority, &a->world, want_block, a);
    return node_authority_derive(out, a->authority, &a->world);
}

bool sdk_authority_take_moved(struct sdk_authority *a)
{
    struct chain_poll_status status;
    chain_poll_status(a->c.poll, &status);
    bool moved = a->raw != NULL && (a->moved || status.blocks_answered != a->blocks_answered);
    if (moved) a->moved = false;
    return moved;
}

/* ---- our own ---- */

void sdk_authority_own(struct sdk_authority *a, const struct node_bundle *bundle)
{
    struct node_refusal refusal;
    bool ours = !bundle->revokes && a->self.has_keys &&
                base_key33_equal(&bundle->node_key, &a->self.node_key);
    (void)node_authority_offer(&refusal, a->authority, &a->world, bundle);
    a->moved = true;
    if (!ours || (a->has_own && a->own.issued_block > bundle->issued_block)) return;
    a->own = *bundle;
    a->has_own = true;
}

enum sdk_authority_own sdk_authority_mine(struct node_bundle *out, const struct sdk_authority *a)
{
    const struct node_bundle *counts =
        a->self.has_keys ? node_authority_of_key(a->authority, &a->self.node_key) : NULL;
    if (a->has_own && node_authority_is_aside(a->authority, &a->own)) {
        *out = a->own;
        return SDK_AUTHORITY_WAITS;
    }
    if (counts == NULL) return SDK_AUTHORITY_NONE;
    *out = *counts;
    return SDK_AUTHORITY_COUNTS;
}

/* ---- asking a seat's address ---- */

struct question {
    struct sdk_authority *a;
    struct base_u256 token_id;
};

static void refuse(struct sdk_authority *a, struct answer *answer, const char *why)
{
    node_refusal_set(&answer->refusal, NODE_REASON_NO_AUTHORISATION, a->raw->block.number);
    node_refusal_expect(&answer->refusal, "the owner's authorisation at the seat's address");
    node_refusal_find(&answer->refusal, "%s", why);
}

/* It is of this seat: judged as if anybody had said it. What was known before stands where this is
 * none. */
static void judge(struct sdk_authority *a, struct answer *answer, const struct node_bundle *bundle)
{
    struct node_refusal refusal;
    if (!base_u256_equal(&bundle->token_id, &answer->token_id)) {
        refuse(a, answer, "one of another seat");
        return;
    }
    enum node_authority_verdict verdict =
        node_authority_offer(&refusal, a->authority, &a->world, bundle);
    bool well_made = verdict == NODE_AUTHORITY_ACCEPTED || verdict == NODE_AUTHORITY_SAME ||
                     node_authority_is_aside(a->authority, bundle);
    if (well_made) {
        answer->bundle = *bundle;
        answer->has_bundle = true;
    } else {
        answer->refusal = refusal;
    }
}

static void take_answer(struct sdk_authority *a, struct answer *answer,
                        const struct node_http_answer *http)
{
    struct node_bundle bundle;
    char why[NODE_INFO_WHY_BYTES];
    if (http->err != BASE_OK) {
        refuse(a, answer, http->text);
    } else if (http->status != 200) {
        snprintf(why, sizeof why, "/info answers with HTTP status %d", http->status);
        refuse(a, answer, why);
    } else if (node_info_bundle(&bundle, http->body, http->body_len, why) != BASE_OK) {
        refuse(a, answer, why);
    } else {
        judge(a, answer, &bundle);
    }
}

static void on_info(void *ctx, const struct node_http_answer *http)
{
    struct question question = *(struct question *)ctx;
    struct sdk_authority *a = question.a;
    free(ctx);
    if (a->stopped) return;
    struct answer *answer = find(a, &question.token_id);
    a->in_flight--;
    a->moved = true;
    if (answer == NULL) return; /* the seat is gone */
    answer->in_flight = false;
    take_answer(a, answer, http);
}

static bool allow(void *ctx, const struct sockaddr *address)
{
    struct sdk_authority *a = ctx;
    const struct sdk_config *config = a->c.config;
    if (config->dev) return true;
    return node_dial_address_is_allowed(address, config->dial_allow, config->dial_allow_count) &&
           node_dial_hint_takes_address(&a->hints, sdk_now_ms(), address);
}

static void ask(struct sdk_authority *a, struct answer *answer, const char *url)
{
    struct node_http_request http = {.url = url,
                                     .answer_bytes_max = NODE_INFO_BYTES_MAX,
                                     .timeout_ms = NODE_INFO_TIMEOUT_MS,
                                     .allow = allow,
                                     .allow_ctx = a};
    struct question *question = calloc(1, sizeof *question);
    int rv = question == NULL ? BASE_ENOMEM : BASE_OK;
    if (rv == BASE_OK) {
        *question = (struct question){a, answer->token_id};
        rv = node_http_client_get(a->c.http, NULL, &http, on_info, question);
    }
    answer->in_flight = rv == BASE_OK;
    a->in_flight += answer->in_flight;
    if (rv == BASE_OK) return;
    free(question);
    refuse(a, answer, base_strerror(rv));
    a->moved = true;
}

/* Our own is not, and neither is one that could not count whatever its address says. */
static bool is_asked_for(const struct sdk_authority *a, const struct chain_seat *seat)
{
    bool ours = a->self.has_instance && base_address_equal(&seat->instance, &a->self.instance);
    return seat->active && !ours && !base_is_zero(&seat->instance, sizeof seat->instance);
}

/* When this seat's address may be asked; now: it is. */
static uint64_t visit(struct sdk_authority *a, size_t index, uint64_t now_ms)
{
    struct answer *answer = &a->answers[index];
    char url[NODE_INFO_URL_BYTES];
    if (answer->in_flight || !is_asked_for(a, &a->raw->seats[index]) ||
        !node_info_url(url, &a->raw->seats[index]))
        return UINT64_MAX;
    if (answer->asked && answer->asked_ms + NODE_INFO_GAP_MS > now_ms)
        return answer->asked_ms + NODE_INFO_GAP_MS;
    if (a->in_flight == SDK_AUTHORITY_ASKING_MAX) return UINT64_MAX; /* an answer comes first */
    uint64_t may_ms = node_dial_hint_may_ms(&a->hints, now_ms, url);
    if (may_ms != 0 && may_ms != UINT64_MAX) return may_ms;
    answer->asked = true;
    answer->asked_ms = now_ms;
    if (may_ms == 0) {
        ask(a, answer, url);
    } else {
        refuse(a, answer, "an address that is no URL");
        a->moved = true;
    }
    return now_ms + NODE_INFO_GAP_MS;
}

uint64_t sdk_authority_turn(struct sdk_authority *a, uint64_t now_ms)
{
    uint64_t next_ms = UINT64_MAX;
    if (a->raw == NULL || a->stopped || a->world.app_id_count == 0) return next_ms;
    for (size_t i = 0; i < a->raw->seat_count; i++) {
        uint64_t at_ms = visit(a, i, now_ms);
        if (at_ms < next_ms) next_ms = at_ms;
    }
    if (!a->settled && a->has_began && a->began_ms + SDK_AUTHORITY_FIRST_MS < next_ms)
        next_ms = a->began_ms + SDK_AUTHORITY_FIRST_MS;
    return next_ms;
}

/* ---- what is known of it ---- */

/* Its address has been asked, and the chain for what it takes to judge what came. */
static bool is_known(const struct sdk_authority *a, size_t index)
{
    const struct answer *answer = &a->answers[index];
    struct node_refusal refusal;
    char url[NODE_INFO_URL_BYTES];
    if (!is_asked_for(a, &a->raw->seats[index]) || !node_info_url(url, &a->raw->seats[index]))
        return true;
    if (!answer->asked || answer->in_flight) return false;
    return !answer->has_bundle || node_authority_judge(&refusal, a->authority, &a->world,
                                                       &answer->bundle) != NODE_AUTHORITY_VERIFYING;
}

bool sdk_authority_is_settled(struct sdk_authority *a, uint64_t now_ms, char *why, size_t cap)
{
    struct chain_poll_status status;
    size_t open = 0;
    if (a->settled) return true;
    chain_poll_status(a->c.poll, &status);
    if (status.verifying) {
        snprintf(why, cap,
                 "the seats' transfers of 30 days are being read: %" PRIu64 " of about %" PRIu64
                 " blocks",
                 status.verified_blocks, status.verify_blocks);
        return false;
    }
    if (a->world.app_id_count == 0) {
        snprintf(why, cap,
                 "this contract names no apps, and the guest agent, whose app would "
                 "count, does not answer: set NFTMESH_APP_ID, or DSTACK_SOCKET");
        return false;
    }
    if (!a->has_began) a->began_ms = now_ms;
    a->has_began = true;
    for (size_t i = 0; i < a->raw->seat_count; i++)
        open += !is_known(a, i);
    a->settled = open == 0 || now_ms >= a->began_ms + SDK_AUTHORITY_FIRST_MS;
    snprintf(why, cap, "the addresses of %zu seats are being asked for their keys", open);
    return a->settled;
}

void sdk_authority_explain(void *ctx, struct node_refusal *out, const struct chain_seat *seat)
{
    const struct sdk_authority *a = ctx;
    const struct answer *answer = find(a, &seat->token_id);
    char url[NODE_INFO_URL_BYTES];
    assert(answer != NULL);
    if (!seat->active) {
        node_refusal_set(out, NODE_REASON_INACTIVE, a->raw->block.number);
    } else if (answer->has_bundle) {
        (void)node_authority_judge(out, a->authority, &a->world, &answer->bundle);
        if (out->reason != NODE_REASON_NONE) return;
        node_refusal_set(out, NODE_REASON_NO_AUTHORISATION, a->raw->block.number);
        node_refusal_find(out, "one from a KMS root or an app that is not trusted any more");
    } else if (answer->refusal.reason != NODE_REASON_NONE) {
        *out = answer->refusal;
    } else if (!node_info_url(url, seat)) {
        node_refusal_set(out, NODE_REASON_NO_AUTHORISATION, a->raw->block.number);
        node_refusal_expect(out, "an http or https address, whose /info shows it");
        node_refusal_find(out, "one that only a node can ask: set NFTMESH_HTTP");
    } else {
        node_refusal_set(out, NODE_REASON_VERIFYING, a->raw->block.number);
        node_refusal_find(out, "the seat's address has not answered yet");
    }
}
