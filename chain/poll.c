#include "chain/poll.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* ---- new, free ---- */

struct known_chain {
    uint64_t chain_id;
    const char *genesis; /* hash of block 0 */
};
/* Ethereum, Base, Sepolia, Base Sepolia. */
static const struct known_chain known_chains[] = {
    {1, "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"},
    {8453, "f712aa9241cc24369b143cf6dce85f0902a9731e70d66818a3a5845b296c73dd"},
    {11155111, "25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"},
    {84532, "0dcc9e089e30b90ddfc55be9a37dd15bc551aeee999d2e2b51414c54eaf934e4"},
};

static void take_genesis(struct chain_poll *poll, const struct chain_poll_config *config)
{
    poll->has_genesis = config->has_genesis;
    poll->genesis = config->genesis;
    for (size_t i = 0; i < sizeof known_chains / sizeof known_chains[0]; i++) {
        if (known_chains[i].chain_id != config->chain_id) continue;
        int rv = base_hex_decode(poll->genesis.bytes, sizeof poll->genesis.bytes,
                                 known_chains[i].genesis, strlen(known_chains[i].genesis));
        assert(rv == BASE_OK);
        poll->has_genesis = poll->genesis_is_built_in = true;
    }
}

static int refuse(char why[CHAIN_POLL_TEXT_BYTES], const char *what, const char *which)
{
    if (why != NULL) snprintf(why, CHAIN_POLL_TEXT_BYTES, "%s%.120s", what, which);
    return BASE_EINVAL;
}

static int take_endpoints(struct chain_poll *poll, const struct chain_poll_config *config,
                          char why[CHAIN_POLL_TEXT_BYTES])
{
    if (config->url_count == 0 || config->url_count > CHAIN_POLL_ENDPOINTS_MAX)
        return refuse(why, "1 to 16 RPC endpoints are needed", "");
    poll->endpoint_count = config->url_count;
    for (size_t i = 0; i < config->url_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        size_t len = strlen(config->urls[i]);
        if (len > CHAIN_POLL_URL_BYTES_MAX)
            return refuse(why, "RPC URL too long: ", config->urls[i]);
        memcpy(e->url, config->urls[i], len + 1);
        chain_rpc_request_init(&e->request, 0);
        e->due = true;
    }
    size_t bad;
    poll->votes = chain__vote_assign(poll->endpoints, poll->endpoint_count, &bad);
    if (poll->votes == 0) return refuse(why, "not an http or https URL: ", config->urls[bad]);
    poll->agree = config->agree != 0 ? config->agree : poll->votes / 2 + 1;
    if (poll->agree > poll->votes)
        return refuse(why, "more RPC endpoints must agree than have votes", "");
    return BASE_OK;
}

int chain_poll_new(struct chain_poll **out, const struct chain_poll_config *config, uint64_t now_ms,
                   char why[CHAIN_POLL_TEXT_BYTES])
{
    assert(config->root_count <= CHAIN_ROOTS_MAX);
    if (config->chain_id == 0 || config->chain_id > INT64_MAX)
        return refuse(why, "chain id out of range", "");
    struct chain_poll *poll = calloc(1, sizeof *poll);
    if (poll == NULL) return BASE_ENOMEM;
    int rv = take_endpoints(poll, config, why);
    if (rv != BASE_OK) {
        chain_poll_free(poll);
        return rv;
    }
    poll->finality = config->finality;
    poll->confirmations = config->confirmations;
    poll->poll_ms = config->poll_ms;
    poll->chain_id = config->chain_id;
    poll->contract = config->contract;
    chain_poll_set_roots(poll, config->roots, config->root_count);
    chain_poll_set_app_ids(poll, config->app_ids, config->app_id_count);
    take_genesis(poll, config);
    poll->has_reference = config->has_reference;
    poll->reference = config->reference;
    poll->seats_ms = config->seats_ms != 0 ? config->seats_ms : CHAIN_POLL_SEATS_MS;
    rv = chain__moves_new(poll, config->transfers);
    if (rv != BASE_OK) {
        chain_poll_free(poll);
        return rv;
    }
    poll->started_ms = poll->now_ms = poll->next_tick_ms = now_ms;
    poll->next_id = 1;
    *out = poll;
    return BASE_OK;
}

void chain_poll_free(struct chain_poll *poll)
{
    if (poll == NULL) return;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        chain_rpc_request_deinit(&poll->endpoints[i].request);
        chain__read_clear(&poll->endpoints[i].read);
    }
    chain_snapshot_free(poll->snapshot);
    chain__moves_free(poll);
    free(poll->wanted);
    free(poll);
}

void chain_poll_set_roots(struct chain_poll *poll, const struct base_eth_address *roots,
                          size_t count)
{
    assert(count <= CHAIN_ROOTS_MAX);
    poll->root_count = count;
    if (count > 0) memcpy(poll->roots, roots, count * sizeof *roots);
}

void chain_poll_set_app_ids(struct chain_poll *poll, const struct base_eth_address *app_ids,
                            size_t count)
{
    assert(count <= CHAIN_APP_IDS_MAX);
    poll->app_id_count = count;
    if (count > 0) memcpy(poll->app_ids, app_ids, count * sizeof *app_ids);
}

void chain_poll_accept(struct chain_poll *poll)
{
    poll->has_reference = poll->has_refused = false;
    poll->is_stale = poll->stale_noted = poll->went_back = false;
    poll->round.active = false;
    poll->past_count = 0;
    chain__moves_clear(poll);
    chain__blocks_clear(poll);
    chain_snapshot_free(poll->snapshot);
    poll->snapshot = NULL;
    if (!poll->genesis_is_built_in) poll->has_genesis = false;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        chain__read_clear(&e->read);
        e->retry_ms = poll->now_ms;
        e->last_bad[0] = '\0';
    }
}

/* ---- notes, failures ---- */

size_t chain__endpoint_index(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return (size_t)(e - poll->endpoints);
}

/* Room is kept for each endpoint's request and one snapshot. */
#define NOTES_MAX (CHAIN_POLL_ACTIONS_MAX - CHAIN_POLL_ENDPOINTS_MAX - 1)

void chain__note(struct chain_poll *poll, enum chain_poll_note note, size_t endpoint,
                 uint64_t value, const char *format, ...)
{
    if (poll->out->count >= NOTES_MAX) {
        poll->out->notes_dropped++;
        return;
    }
    struct chain_poll_action *action = &poll->out->items[poll->out->count++];
    *action = (struct chain_poll_action){
        .kind = CHAIN_POLL_NOTE, .endpoint = endpoint, .note = note, .value = value};
    va_list args;
    va_start(args, format);
    vsnprintf(action->text, sizeof action->text, format, args);
    va_end(args);
}

/* What an endpoint has finished reading stays: it was checked when it said so. */
static void take_down(struct chain_poll *poll, struct chain__endpoint *e, const char *why)
{
    snprintf(e->last_error, sizeof e->last_error, "%s", why);
    if (e->kind == CHAIN__REQUEST_SEATS) chain__seats_failed(e);
    if (e->kind == CHAIN__REQUEST_LOGS_UP || e->kind == CHAIN__REQUEST_LOGS_DOWN)
        chain__logs_failed(poll, e, NULL);
    e->up = e->has_height = false;
    e->kind = CHAIN__REQUEST_NONE;
    e->due = true;
    e->agreement = CHAIN_POLL_AGREEMENT_UNKNOWN;
    if (!e->read.complete) chain__read_clear(&e->read);
    e->failures++;
    if (e->failures_in_row < 16) e->failures_in_row++;
    uint64_t wait_ms = (uint64_t)1000 << (e->failures_in_row - 1);
    e->retry_ms =
        poll->now_ms + (wait_ms < CHAIN_POLL_BACKOFF_MS ? wait_ms : CHAIN_POLL_BACKOFF_MS);
}

void chain__endpoint_fail(struct chain_poll *poll, struct chain__endpoint *e, const char *why)
{
    if (e->failures_in_row == 0)
        chain__note(poll, CHAIN_POLL_NOTE_ENDPOINT_FAILED, chain__endpoint_index(poll, e), 0, "%s",
                    why);
    take_down(poll, e, why);
}

void chain__endpoint_bad(struct chain_poll *poll, struct chain__endpoint *e, const char *why)
{
    if (strcmp(e->last_bad, why) != 0)
        chain__note(poll, CHAIN_POLL_NOTE_ENDPOINT_BAD, chain__endpoint_index(poll, e), 0, "%s",
                    why);
    snprintf(e->last_bad, sizeof e->last_bad, "%s", why);
    take_down(poll, e, why);
    e->retry_ms = poll->now_ms + CHAIN_POLL_BACKOFF_MS;
}

/* ---- requests ---- */

/* What is asked beside the rounds. */
static enum chain__request aside_kind(const struct chain_poll *poll,
                                      const struct chain__endpoint *e)
{
    if (chain__wants_receipts(poll, e)) return CHAIN__REQUEST_RECEIPTS;
    if (chain__wants_blocks(poll, e)) return CHAIN__REQUEST_BLOCKS;
    if (poll->now_ms >= e->logs.retry_ms && chain__wants_logs_down(poll, e))
        return CHAIN__REQUEST_LOGS_DOWN;
    return CHAIN__REQUEST_NONE;
}

static enum chain__request round_kind(const struct chain_poll *poll,
                                      const struct chain__endpoint *e)
{
    if (chain__wants_pages(poll, e)) return CHAIN__REQUEST_PAGES;
    if (chain__wants_seats(poll, e)) return CHAIN__REQUEST_SEATS;
    if (chain__wants_state(poll, e)) return CHAIN__REQUEST_STATE;
    if (poll->now_ms >= e->logs.retry_ms && chain__wants_logs_up(poll, e))
        return CHAIN__REQUEST_LOGS_UP;
    if (e->due || chain__wants_block(poll, e)) return CHAIN__REQUEST_POLL;
    return CHAIN__REQUEST_NONE;
}

/* An endpoint that takes longer than an interval for an answer always has something to be asked for
 * the round: what waits beside it has its turn after a few. */
static enum chain__request next_kind(struct chain_poll *poll, struct chain__endpoint *e)
{
    enum chain__request kind = round_kind(poll, e);
    if (kind != CHAIN__REQUEST_NONE && e->since_aside++ < CHAIN__ASIDE_AFTER) return kind;
    enum chain__request aside = aside_kind(poll, e);
    if (aside == CHAIN__REQUEST_NONE) return kind;
    e->since_aside = 0;
    return aside;
}

static void push_request(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct base_slice body = chain_rpc_request_finish(&e->request);
    poll->next_id += e->request.count;
    if (body.data == NULL) {
        chain__endpoint_fail(poll, e, "no memory for a request");
        return;
    }
    assert(poll->out->count < CHAIN_POLL_ACTIONS_MAX);
    e->sent_ms = poll->now_ms;
    e->round_serial = poll->round.serial;
    e->requests++;
    poll->out->items[poll->out->count++] =
        (struct chain_poll_action){.kind = CHAIN_POLL_REQUEST,
                                   .endpoint = chain__endpoint_index(poll, e),
                                   .request_id = e->request.first_id,
                                   .body = (const char *)body.data,
                                   .body_len = body.len,
                                   .timeout_ms = CHAIN_POLL_TIMEOUT_MS};
}

static void send_next(struct chain_poll *poll, struct chain__endpoint *e)
{
    if (e->kind != CHAIN__REQUEST_NONE || poll->now_ms < e->retry_ms) return;
    enum chain__request kind = next_kind(poll, e);
    if (kind == CHAIN__REQUEST_NONE) return;
    chain_rpc_request_deinit(&e->request);
    chain_rpc_request_init(&e->request, poll->next_id);
    e->kind = kind;
    switch (kind) {
    case CHAIN__REQUEST_NONE:
        return;
    case CHAIN__REQUEST_POLL:
        chain__ask_poll(poll, e);
        break;
    case CHAIN__REQUEST_STATE:
        chain__ask_state(poll, e);
        break;
    case CHAIN__REQUEST_PAGES:
        chain__ask_pages(poll, e);
        break;
    case CHAIN__REQUEST_SEATS:
        chain__ask_seats(poll, e);
        break;
    case CHAIN__REQUEST_LOGS_UP:
        chain__ask_logs_up(poll, e);
        break;
    case CHAIN__REQUEST_LOGS_DOWN:
        chain__ask_logs_down(poll, e);
        break;
    case CHAIN__REQUEST_RECEIPTS:
        chain__ask_receipts(poll, e);
        break;
    case CHAIN__REQUEST_BLOCKS:
        chain__ask_blocks(poll, e);
        break;
    }
    push_request(poll, e);
}

/* ---- the step ---- */

uint64_t chain__interval_ms(const struct chain_poll *poll)
{
    if (poll->poll_ms != 0) return poll->poll_ms;
    if (poll->block_time_count < CHAIN__BLOCK_TIMES) return CHAIN_POLL_INTERVAL_MS;
    uint64_t shortest = UINT64_MAX;
    for (size_t i = 0; i < CHAIN__BLOCK_TIMES; i++)
        if (poll->block_times_ms[i] < shortest) shortest = poll->block_times_ms[i];
    uint64_t half = shortest / 2;
    if (half < CHAIN_POLL_INTERVAL_MS) return CHAIN_POLL_INTERVAL_MS;
    return half < CHAIN_POLL_INTERVAL_MAX_MS ? half : CHAIN_POLL_INTERVAL_MAX_MS;
}

static bool is_in_flight(const struct chain_poll *poll, const struct chain_poll_event *event)
{
    assert(event->endpoint < poll->endpoint_count);
    const struct chain__endpoint *e = &poll->endpoints[event->endpoint];
    return e->kind != CHAIN__REQUEST_NONE && e->request.first_id == event->request_id;
}

/* Once a reference: strangers must not set our pace. */
static void wake(struct chain_poll *poll)
{
    if (!poll->has_reference) return;
    if (poll->has_woken && poll->woken_at == poll->reference.number) return;
    poll->has_woken = true;
    poll->woken_at = poll->reference.number;
    poll->next_tick_ms = poll->now_ms;
}

static void fail_event(struct chain_poll *poll, const struct chain_poll_event *event)
{
    char why[CHAIN_POLL_TEXT_BYTES];
    const char *reason = event->reason != NULL ? event->reason : "no answer";
    size_t n = 0;
    for (; n < sizeof why - 1 && reason[n] != '\0'; n++)
        why[n] = reason[n] >= 0x20 && reason[n] < 0x7f ? reason[n] : '?';
    why[n] = '\0';
    chain__endpoint_fail(poll, &poll->endpoints[event->endpoint], why);
}

static void handle(struct chain_poll *poll, const struct chain_poll_event *event)
{
    switch (event->kind) {
    case CHAIN_POLL_TIMER:
        return;
    case CHAIN_POLL_REPLY:
        if (is_in_flight(poll, event))
            chain__reply(poll, &poll->endpoints[event->endpoint], event->data, event->len);
        return;
    case CHAIN_POLL_FAIL:
        if (is_in_flight(poll, event)) fail_event(poll, event);
        return;
    case CHAIN_POLL_WAKE:
        wake(poll);
        return;
    }
    assert(false && "an event of ours");
}

static void tick(struct chain_poll *poll)
{
    if (poll->now_ms < poll->next_tick_ms) return;
    poll->next_tick_ms = poll->now_ms + chain__interval_ms(poll);
    for (size_t i = 0; i < poll->endpoint_count; i++)
        poll->endpoints[i].due = true;
    chain__moves_tick(poll);
    chain__blocks_tick(poll);
    chain__round_tick(poll);
}

int chain_poll_step(struct chain_poll *poll, uint64_t now_ms, const struct chain_poll_event *event,
                    struct chain_poll_actions *out)
{
    assert(now_ms >= poll->now_ms);
    poll->now_ms = now_ms;
    poll->out = out;
    poll->error = BASE_OK;
    out->count = 0;
    handle(poll, event);
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        if (e->kind != CHAIN__REQUEST_NONE && now_ms - e->sent_ms >= CHAIN_POLL_TIMEOUT_MS)
            chain__endpoint_fail(poll, e, "no answer in 5 s");
    }
    tick(poll);
    chain__round_advance(poll);
    for (size_t i = 0; i < poll->endpoint_count; i++)
        send_next(poll, &poll->endpoints[i]);
    poll->out = NULL;
    return poll->error;
}

uint64_t chain_poll_deadline_ms(const struct chain_poll *poll)
{
    uint64_t deadline = poll->next_tick_ms;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        uint64_t at = UINT64_MAX;
        if (e->kind != CHAIN__REQUEST_NONE)
            at = e->sent_ms + CHAIN_POLL_TIMEOUT_MS;
        else if (e->due)
            at = e->retry_ms;
        else if (chain__wants_logs_up(poll, e) || chain__wants_logs_down(poll, e))
            at = e->logs.retry_ms > e->retry_ms ? e->logs.retry_ms : e->retry_ms;
        if (at < deadline) deadline = at;
    }
    return deadline;
}
