#include "chain_sim.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/keccak256.h"
#include "chain/abi.h"

/* ---- the chain ---- */

static struct base_hash32 hash_of(const char *what, uint64_t a, uint64_t b)
{
    struct base_hash32 out;
    char text[96];
    int len = snprintf(text, sizeof text, "%s %llu %llu", what, (unsigned long long)a,
                       (unsigned long long)b);
    base_keccak256(&out, text, (size_t)len);
    return out;
}

static struct base_eth_address address_of(const char *what, uint64_t n)
{
    struct base_eth_address out;
    struct base_hash32 hash = hash_of(what, n, 0);
    memcpy(out.bytes, hash.bytes, sizeof out.bytes);
    return out;
}

static struct chain_seat seat_of(uint64_t token)
{
    struct chain_seat seat = {.token_id = base_u256_from_u64(token),
                              .owner = address_of("owner", token),
                              .bound_by = address_of("owner", token),
                              .instance = address_of("instance", token),
                              .has_keys = true,
                              .app_id = address_of("app", 0),
                              .root_epoch = 1,
                              .expires_at = 2000000000,
                              .active = true,
                              .weight = 1,
                              .nonce = 1};
    struct base_hash32 x = hash_of("node key", token, 0);
    seat.node_key.bytes[0] = 2;
    memcpy(seat.node_key.bytes + 1, x.bytes, sizeof x.bytes);
    x = hash_of("proof key", token, 0);
    seat.proof_key.bytes[0] = 3;
    memcpy(seat.proof_key.bytes + 1, x.bytes, sizeof x.bytes);
    int len = snprintf(seat.url, sizeof seat.url, "tcp://node%llu.example:7946",
                       (unsigned long long)token);
    seat.url_len = (size_t)len;
    return seat;
}

uint64_t sim_head(const struct sim *sim)
{
    return sim->block_count - 1;
}

static void mine_one(struct sim *sim)
{
    assert_true(sim->history_count < SIM_BLOCKS_MAX);
    uint64_t n = sim->block_count++;
    struct sim_block *b = &sim->blocks[n];
    b->state = sim->state_count - 1;
    b->block.number = n;
    b->block.hash = hash_of("block", n, sim->salt);
    b->block.parent_hash =
        n > 0 ? sim->blocks[n - 1].block.hash : (struct base_hash32){.bytes = {0}};
    b->block.time_s =
        1700000000 + (n > 0 ? sim->blocks[n - 1].block.time_s - 1700000000 : 0) + sim->block_time_s;
    sim->history[sim->history_count++] = *b;
}

void sim_mine(struct sim *sim, size_t blocks)
{
    while (blocks-- > 0)
        mine_one(sim);
}

void sim_cut(struct sim *sim, size_t blocks)
{
    sim->block_count -= blocks;
}

void sim_reorg(struct sim *sim, size_t depth)
{
    sim_cut(sim, depth);
    sim->salt++;
    sim_mine(sim, depth + 1);
}

struct sim_state *sim_change(struct sim *sim)
{
    assert_true(sim->state_count < SIM_STATES_MAX);
    struct sim_state *next = &sim->states[sim->state_count];
    *next = sim->states[sim->state_count - 1];
    next->cluster.revision = hash_of("revision", sim->state_count, sim->salt);
    sim->state_count++;
    return next;
}

/* ---- an endpoint's answers ---- */

static uint64_t visible_head(const struct sim *sim, const struct sim_endpoint *e)
{
    uint64_t head = sim_head(sim);
    if (e->manner == SIM_OLD_BLOCK) return e->frozen_at;
    return head > e->lag_blocks ? head - e->lag_blocks : 0;
}

static void put_hash(struct base_buf *out, const struct base_hash32 *hash)
{
    base_buf_puts(out, "\"0x");
    base_buf_hex(out, hash->bytes, sizeof hash->bytes);
    base_buf_puts(out, "\"");
}

/* The block that was at that number before any reorg. */
static struct chain_block first_of(const struct sim *sim, uint64_t number)
{
    size_t i = 0;
    while (sim->history[i].block.number != number)
        i++;
    return sim->history[i].block;
}

static void put_block(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                      uint64_t number)
{
    uint64_t head = visible_head(sim, e);
    bool is_pruned = e->manner == SIM_PRUNED && number > 0 && number + 10 < head;
    if (number > head || number >= sim->block_count || is_pruned) {
        base_buf_puts(out, "\"result\":null");
        return;
    }
    if (e->manner == SIM_OLDER_TARGET && number == head) number -= 20;
    struct chain_block block = sim->blocks[number].block;
    if (e->manner == SIM_FALSE_HASH && number > 0) block.hash.bytes[5] ^= 1;
    if (e->manner == SIM_FALSE_OLD_HASH && number > 0 && number < head) block.hash.bytes[5] ^= 1;
    if (e->manner == SIM_WRONG_GENESIS && number == 0) block.hash.bytes[5] ^= 1;
    if (e->manner == SIM_OLD_TIME) block.time_s = 1;
    if (e->manner == SIM_TARGET_NUMBER && number > 0 && number + 1 >= head) number++;
    if (e->manner == SIM_OLD_NUMBER && number > 0 && number < sim_head(sim)) number++;
    if (e->manner == SIM_ZERO_NUMBER && number == 0) number++;
    if (e->manner == SIM_CLAIMS_PAST && number < e->frozen_at) block = first_of(sim, number);
    if (e->manner == SIM_LIES_ABOUT_BLOCK && number == 30) block.hash.bytes[5] ^= 1;
    if (e->manner == SIM_FALSE_TIME && number > 0 && number + 10 < head)
        block.time_s -= CHAIN_POLL_TRANSFERS_S;
    base_buf_printf(out, "\"result\":{\"number\":\"0x%llx\",\"timestamp\":\"0x%llx\",\"hash\":",
                    (unsigned long long)number, (unsigned long long)block.time_s);
    put_hash(out, &block.hash);
    base_buf_puts(out, ",\"parentHash\":");
    put_hash(out, &block.parent_hash);
    base_buf_puts(out, ",\"transactions\":[]}");
}

void sim__put_return(struct base_buf *out, struct base_buf *data)
{
    assert_false(data->failed);
    base_buf_puts(out, "\"result\":\"0x");
    base_buf_hex(out, data->data, data->len);
    base_buf_puts(out, "\"");
    base_buf_deinit(data);
}

static size_t seats_shown(const struct sim_state *state, const struct sim_endpoint *e)
{
    return e->manner == SIM_MISSING_MEMBER && state->seat_count > 0 ? state->seat_count - 1
                                                                    : state->seat_count;
}

static void put_cluster_state(struct base_buf *out, const struct sim *sim,
                              const struct sim_endpoint *e, const struct sim_block *b)
{
    struct base_buf data;
    struct chain_cluster_state cluster = sim->states[b->state].cluster;
    cluster.seat_count = seats_shown(&sim->states[b->state], e);
    cluster.block_number = b->block.number;
    cluster.parent_hash = b->block.parent_hash;
    if (e->manner == SIM_STATE_NUMBER) cluster.block_number++;
    if (e->manner == SIM_STATE_PARENT) cluster.parent_hash.bytes[0] ^= 1;
    base_buf_init(&data, 1 << 16);
    assert_int_equal(chain_contract_encode_cluster_state(&data, &cluster), BASE_OK);
    sim__put_return(out, &data);
}

static void put_page(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                     const struct sim_block *b, uint64_t offset, uint64_t limit)
{
    const struct sim_state *state = &sim->states[b->state];
    struct chain_seat seats[CHAIN_PAGE_SEATS];
    struct base_buf data;
    size_t count = 0, shown = seats_shown(state, e);
    assert_true(limit <= CHAIN_PAGE_SEATS);
    for (uint64_t i = offset; i < shown && count < limit; i++)
        seats[count++] = state->seats[i];
    if (e->manner == SIM_WRONG_OWNER && offset == 0 && count > 0)
        seats[0].owner = address_of("thief", 0);
    if (e->manner == SIM_SHORT_PAGE && count > 0) count--;
    base_buf_init(&data, 1 << 16);
    assert_int_equal(chain_contract_encode_members(&data, seats, count), BASE_OK);
    sim__put_return(out, &data);
}

void sim__put_error(struct base_buf *out, const char *message)
{
    base_buf_printf(out, "\"error\":{\"code\":-32000,\"message\":\"%s\"}", message);
}

/* The block that an eth_call is answered for; NULL when its hash is not canonical here. */
static const struct sim_block *called_block(const struct sim *sim, const struct sim_endpoint *e,
                                            const json_t *at)
{
    uint64_t head = visible_head(sim, e);
    struct base_hash32 hash;
    assert_true(json_is_true(json_object_get(at, "requireCanonical")));
    assert_int_equal(base_json_get_hex(hash.bytes, sizeof hash.bytes, at, "blockHash"), BASE_OK);
    if (e->manner == SIM_IGNORES_HASH) return &sim->blocks[head];
    if (e->manner == SIM_FALSE_HASH) hash.bytes[5] ^= 1;
    for (uint64_t n = head + 1; n-- > 0 && head - n < 300;)
        if (n < sim->block_count && base_hash32_equal(&sim->blocks[n].block.hash, &hash))
            return &sim->blocks[n];
    return NULL;
}

static void put_epoch(struct base_buf *out, const struct sim_endpoint *e)
{
    struct base_buf data;
    base_buf_init(&data, 64);
    struct base_u256 epoch = base_u256_from_u64(e->manner == SIM_WRONG_ROOT ? 9 : 1);
    base_buf_append(&data, epoch.bytes, sizeof epoch.bytes - (e->manner == SIM_BAD_EPOCH ? 1 : 0));
    sim__put_return(out, &data);
}

static bool is_call_of(const char *signature, const uint8_t *call, size_t len)
{
    uint8_t selector[CHAIN_ABI_SELECTOR_BYTES];
    chain_abi_selector(selector, signature);
    return len >= sizeof selector && memcmp(selector, call, sizeof selector) == 0;
}

static bool is_prototype(const struct sim *sim, const struct sim_endpoint *e,
                         const struct sim_block *b)
{
    if (e->manner == SIM_CLAIMS_PROTOTYPE) return true;
    return e->manner != SIM_CLAIMS_STATE && sim->states[b->state].kind != CHAIN_KIND_NFTMESH;
}

static void put_contract(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                         const struct sim_block *b, const uint8_t *call, size_t len)
{
    if (is_call_of("clusterState()", call, len) && e->manner == SIM_STATE_FAILS) {
        sim__put_error(out, "backend timed out");
    } else if (is_call_of("ownerOf(uint256)", call, len) && e->manner == SIM_NO_TOKENS) {
        sim__put_error(out, "too many requests");
    } else if (is_call_of("clusterState()", call, len) && !is_prototype(sim, e, b)) {
        put_cluster_state(out, sim, e, b);
    } else if (is_call_of("membersPage(uint256,uint256)", call, len)) {
        put_page(out, sim, e, b, base_get_u64be(call + 28), base_get_u64be(call + 60));
    } else if (is_call_of("rootEpochOf(address)", call, len) && !is_prototype(sim, e, b)) {
        put_epoch(out, e);
    } else {
        struct base_buf data;
        base_buf_init(&data, (size_t)1 << 20);
        if (sim__prototype_call(&data, sim, e, b, call, len)) {
            sim__put_return(out, &data);
            return;
        }
        base_buf_deinit(&data);
        sim__put_error(out, "execution reverted");
    }
}

static void put_call(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                     const json_t *params)
{
    static uint8_t call[1 << 16];
    size_t len;
    const char *text = NULL, *to = NULL;
    const struct sim_block *b = called_block(sim, e, json_array_get(params, 1));
    assert_int_equal(base_json_get_string(&text, &len, json_array_get(params, 0), "data"), BASE_OK);
    assert_int_equal(base_hex_decode_var(call, &len, sizeof call, text), BASE_OK);
    (void)base_json_get_string(&to, NULL, json_array_get(params, 0), "to");
    if (e->manner == SIM_NO_STATE) {
        base_buf_puts(out, "\"result\":null");
    } else if (e->manner == SIM_OTHER_CONTRACT && len == 4) {
        base_buf_puts(out, "\"result\":\"0x\"");
    } else if (b == NULL) {
        sim__put_error(out, "hash is not currently canonical");
    } else if (to == NULL) {
        sim__put_where(out, sim, e, b);
    } else if (strncmp(to, "0xca11bde0", 10) == 0) {
        sim__put_multicall(out, sim, e, b, call, len);
    } else {
        put_contract(out, sim, e, b, call, len);
    }
}

static uint64_t block_param(const struct sim *sim, const struct sim_endpoint *e, const char *text)
{
    uint64_t head = visible_head(sim, e);
    if (strcmp(text, "finalized") == 0 || strcmp(text, "safe") == 0)
        return head > sim->finality_blocks ? head - sim->finality_blocks : 0;
    return strtoull(text, NULL, 16);
}

static void answer(struct base_buf *out, const struct sim *sim, struct sim_endpoint *e,
                   const json_t *call)
{
    const char *method = json_string_value(json_object_get(call, "method"));
    const json_t *params = json_object_get(call, "params");
    base_buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%lld,",
                    (long long)json_integer_value(json_object_get(call, "id")));
    if (e->manner == SIM_ERRORS) {
        sim__put_error(out, "rate limit exceeded");
    } else if (strcmp(method, "eth_chainId") == 0) {
        base_buf_puts(out, e->manner == SIM_WRONG_CHAIN ? "\"result\":\"0x5\""
                                                        : "\"result\":\"0x7a69\"");
    } else if (strcmp(method, "eth_getCode") == 0) {
        base_buf_puts(out,
                      e->manner == SIM_NO_CODE ? "\"result\":\"0x\"" : "\"result\":\"0x6001\"");
    } else if (strcmp(method, "eth_blockNumber") == 0 && e->manner == SIM_NO_HEIGHT) {
        base_buf_puts(out, "\"result\":17");
    } else if (strcmp(method, "eth_blockNumber") == 0) {
        uint64_t claim = visible_head(sim, e) + (e->manner == SIM_FALSE_HEAD ? 1000000 : 0);
        base_buf_printf(out, "\"result\":\"0x%llx\"", (unsigned long long)claim);
    } else if (strcmp(method, "eth_getLogs") == 0) {
        sim__put_logs(out, sim, e, json_array_get(params, 0));
    } else if (strcmp(method, "eth_getTransactionReceipt") == 0) {
        e->receipt_requests++;
        sim__put_receipt(out, sim, e, json_string_value(json_array_get(params, 0)));
    } else if (strcmp(method, "eth_getBlockByNumber") == 0) {
        e->block_requests++;
        put_block(out, sim, e, block_param(sim, e, json_string_value(json_array_get(params, 0))));
    } else {
        assert_string_equal(method, "eth_call");
        put_call(out, sim, e, params);
    }
    base_buf_puts(out, "}");
}

static void serve(struct sim *sim, struct sim_endpoint *e, const char *body, size_t len)
{
    struct base_buf out;
    json_t *root = json_loadb(body, len, 0, NULL);
    assert_non_null(root);
    base_buf_init(&out, (size_t)64 << 20);
    size_t count = json_is_array(root) ? json_array_size(root) : 1;
    e->calls += count;
    if (json_is_array(root)) base_buf_puts(&out, "[");
    for (size_t i = 0; i < count; i++) {
        size_t at = e->manner == SIM_SWAPPED ? count - 1 - i : i;
        if (i > 0) base_buf_puts(&out, ",");
        answer(&out, sim, e, json_is_array(root) ? json_array_get(root, at) : root);
    }
    if (json_is_array(root)) base_buf_puts(&out, "]");
    json_decref(root);
    if (e->manner == SIM_GARBAGE) {
        base_buf_clear(&out);
        base_buf_puts(&out, "<html>502 Bad Gateway</html>");
    }
    if (e->manner == SIM_EMPTY) base_buf_clear(&out);
    assert_false(out.failed);
    e->reply_len = out.len;
    e->reply = malloc(out.len + 1);
    assert_non_null(e->reply);
    memcpy(e->reply, out.data, out.len + 1);
    base_buf_deinit(&out);
}

/* ---- the poller's actions ---- */

static void take_request(struct sim *sim, const struct chain_poll_action *action)
{
    struct sim_endpoint *e = &sim->endpoints[action->endpoint];
    if (e->busy) { /* only after its time-out may another one follow */
        assert_true(e->reply_at_ms > sim->now_ms);
        free(e->reply);
    }
    e->busy = true;
    e->requests++;
    e->request_id = action->request_id;
    e->reply = NULL;
    e->reply_at_ms = sim->now_ms + e->latency_ms;
    if (e->manner == SIM_SILENT) e->reply_at_ms = UINT64_MAX;
    if (e->manner == SIM_DEAD || e->manner == SIM_SILENT) return;
    serve(sim, e, action->body, action->body_len);
}

static const struct chain_seat *find_seat(const struct sim_state *state,
                                          const struct base_u256 *token)
{
    for (size_t i = 0; i < state->seat_count; i++)
        if (base_u256_equal(&state->seats[i].token_id, token)) return &state->seats[i];
    return NULL;
}

static const struct sim_block *find_block(const struct sim *sim, const struct base_hash32 *hash)
{
    for (size_t i = sim->history_count; i-- > 0;)
        if (base_hash32_equal(&sim->history[i].block.hash, hash)) return &sim->history[i];
    return NULL;
}

/* The checker: what was made is what the chain held at that block, all of it. */
static void check_snapshot(const struct sim *sim, const struct chain_snapshot *s)
{
    const struct sim_block *b = find_block(sim, &s->block.hash);
    assert_non_null(b);
    const struct sim_state *state = &sim->states[b->state];
    assert_int_equal(s->block.number, b->block.number);
    assert_int_equal(s->block.time_s, b->block.time_s);
    assert_int_equal(s->seat_count, state->seat_count);
    assert_int_equal(s->kind, state->kind);
    if (s->kind == CHAIN_KIND_PROTOTYPE) {
        sim__check_prototype(sim, s, state);
        return;
    }
    assert_true(base_hash32_equal(&s->revision, &state->cluster.revision));
    assert_true(base_address_equal(&s->kms_root, &state->cluster.kms_root));
    assert_int_equal(s->app_id_count, state->cluster.app_id_count);
    for (size_t i = 0; i < s->root_count; i++)
        assert_int_equal(s->roots[i].epoch, 1);
    for (size_t i = 0; i < s->seat_count; i++) {
        const struct chain_seat *truth = find_seat(state, &s->seats[i].token_id);
        assert_non_null(truth);
        assert_memory_equal(&s->seats[i].owner, &truth->owner, sizeof truth->owner);
        assert_memory_equal(&s->seats[i].node_key, &truth->node_key, sizeof truth->node_key);
        assert_int_equal(s->seats[i].active, truth->active);
    }
}

static void take_snapshot(struct sim *sim, struct chain_snapshot *s)
{
    if (!sim->expect_lies) check_snapshot(sim, s);
    uint64_t age = sim_head(sim) - s->block.number;
    if (age > sim->snapshot_age_max) sim->snapshot_age_max = age;
    chain_snapshot_free(sim->snapshot);
    sim->snapshot = s;
    sim->snapshots++;
}

static void take_note(struct sim *sim, const struct chain_poll_action *action)
{
    assert_true(chain_poll_note_name(action->note)[0] != '\0');
    if (sim->note_count == SIM_NOTES_MAX) return;
    struct sim_note *note = &sim->notes[sim->note_count++];
    *note = (struct sim_note){.note = action->note,
                              .endpoint = action->endpoint,
                              .value = action->value,
                              .at_ms = sim->now_ms};
    memcpy(note->text, action->text, sizeof note->text);
}

static void step(struct sim *sim, const struct chain_poll_event *event)
{
    assert_int_equal(chain_poll_step(sim->poll, sim->now_ms, event, &sim->actions), BASE_OK);
    for (size_t i = 0; i < sim->actions.count; i++) {
        struct chain_poll_action *action = &sim->actions.items[i];
        switch (action->kind) {
        case CHAIN_POLL_REQUEST:
            take_request(sim, action);
            break;
        case CHAIN_POLL_SNAPSHOT:
            take_snapshot(sim, action->snapshot);
            break;
        case CHAIN_POLL_NOTE:
            take_note(sim, action);
            break;
        }
    }
}

/* ---- time ---- */

static void deliver(struct sim *sim, size_t index)
{
    struct sim_endpoint *e = &sim->endpoints[index];
    char *reply = e->reply;
    struct chain_poll_event event = {.kind = reply != NULL ? CHAIN_POLL_REPLY : CHAIN_POLL_FAIL,
                                     .endpoint = index,
                                     .request_id = e->request_id,
                                     .data = reply,
                                     .len = e->reply_len,
                                     .reason = "connection refused"};
    e->busy = false;
    e->reply = NULL;
    step(sim, &event);
    free(reply);
}

/* The earliest of a reply, a block, the poller's deadline; then what is due. */
static void advance(struct sim *sim, uint64_t until_ms)
{
    uint64_t next = chain_poll_deadline_ms(sim->poll);
    size_t replying = SIM_ENDPOINTS;
    if (sim->block_ms != 0 && sim->next_block_ms <= next) next = sim->next_block_ms;
    for (size_t i = 0; i < sim->endpoint_count; i++)
        if (sim->endpoints[i].busy && sim->endpoints[i].reply_at_ms <= next) {
            next = sim->endpoints[i].reply_at_ms;
            replying = i;
        }
    if (next > until_ms) {
        sim->now_ms = until_ms;
        return;
    }
    if (next > sim->now_ms) sim->now_ms = next;
    if (replying < SIM_ENDPOINTS) {
        deliver(sim, replying);
    } else if (sim->block_ms != 0 && sim->next_block_ms <= sim->now_ms) {
        sim_mine(sim, 1);
        sim->next_block_ms += sim->block_ms;
    } else {
        step(sim, &(struct chain_poll_event){.kind = CHAIN_POLL_TIMER});
    }
}

void sim_run(struct sim *sim, uint64_t ms)
{
    uint64_t until = sim->now_ms + ms;
    while (sim->now_ms < until)
        advance(sim, until);
}

bool sim_until_snapshots(struct sim *sim, uint64_t count, uint64_t ms)
{
    uint64_t until = sim->now_ms + ms;
    while (sim->now_ms < until && sim->snapshots < count)
        advance(sim, until);
    return sim->snapshots >= count;
}

bool sim_until_block(struct sim *sim, uint64_t number, uint64_t ms)
{
    uint64_t until = sim->now_ms + ms;
    while (sim->now_ms < until && (sim->snapshot == NULL || sim->snapshot->block.number != number))
        advance(sim, until);
    return sim->snapshot != NULL && sim->snapshot->block.number == number;
}

void sim_wake(struct sim *sim)
{
    step(sim, &(struct chain_poll_event){.kind = CHAIN_POLL_WAKE});
}

/* ---- beginning and end ---- */

static const char *const default_urls[SIM_ENDPOINTS] = {
    "https://rpc0.example", "https://rpc1.example", "https://rpc2.example",
    "https://rpc3.example", "https://rpc4.example", "https://rpc5.example"};

struct sim *sim_new(size_t endpoint_count, size_t seats)
{
    assert_true(endpoint_count <= SIM_ENDPOINTS && seats <= SIM_SEATS_MAX);
    struct sim *sim = calloc(1, sizeof *sim);
    assert_non_null(sim);
    sim->blocks = calloc(SIM_BLOCKS_MAX, sizeof *sim->blocks);
    sim->history = calloc(SIM_BLOCKS_MAX, sizeof *sim->history);
    assert_non_null(sim->history);
    sim->states = calloc(SIM_STATES_MAX, sizeof *sim->states);
    sim->logs = calloc(SIM_LOGS_MAX, sizeof *sim->logs);
    assert_non_null(sim->logs);
    assert_non_null(sim->blocks);
    assert_non_null(sim->states);
    sim->now_ms = 5000;
    sim->block_ms = 2 * SIM_SEC;
    sim->next_block_ms = sim->now_ms + 700;
    sim->block_time_s = 2;
    sim->endpoint_count = endpoint_count;
    for (size_t i = 0; i < endpoint_count; i++)
        sim->endpoints[i].latency_ms = 40 + 7 * i;
    struct sim_state *state = &sim->states[sim->state_count++];
    state->kind = CHAIN_KIND_NFTMESH;
    state->cluster.kms_root = address_of("root", 0);
    state->cluster.root_epoch = 1;
    state->cluster.app_ids[0] = address_of("app", 0);
    state->cluster.app_id_count = 1;
    state->cluster.revision = hash_of("revision", 0, 0);
    for (size_t i = 0; i < seats; i++)
        state->seats[state->seat_count++] = seat_of(i + 1);
    sim_mine(sim, 101);
    sim->config = (struct chain_poll_config){.urls = default_urls,
                                             .url_count = endpoint_count,
                                             .chain_id = 31337,
                                             .contract = address_of("contract", 0)};
    sim->config.roots[0] = address_of("root", 0);
    sim->config.root_count = 1;
    return sim;
}

struct base_eth_address sim_owner(uint64_t n)
{
    return address_of("owner", n);
}

struct sim *sim_prototype_new(size_t endpoint_count, size_t tokens)
{
    struct sim *sim = sim_new(endpoint_count, 0);
    struct sim_state *state = &sim->states[0];
    state->kind = CHAIN_KIND_PROTOTYPE;
    for (size_t i = 0; i < tokens; i++) {
        state->seats[i] = seat_of(i);
        state->seats[i].has_keys = false;
        sim__log(sim, (uint32_t)i, 1);
    }
    state->seat_count = tokens;
    return sim;
}

void sim_transfer(struct sim *sim, uint32_t token, uint64_t n)
{
    struct sim_state *state = sim_change(sim);
    state->seats[token].owner = sim_owner(n);
    sim_mine(sim, 1);
    sim__log(sim, token, sim_head(sim));
}

void sim_touch(struct sim *sim)
{
    sim_mine(sim, 1);
    sim__log(sim, UINT32_MAX, sim_head(sim));
}

void sim_start(struct sim *sim)
{
    char why[CHAIN_POLL_TEXT_BYTES] = "";
    if (chain_poll_new(&sim->poll, &sim->config, sim->now_ms, why) != BASE_OK) fail_msg("%s", why);
    step(sim, &(struct chain_poll_event){.kind = CHAIN_POLL_TIMER});
}

static void forget_replies(struct sim *sim)
{
    for (size_t i = 0; i < sim->endpoint_count; i++) {
        free(sim->endpoints[i].reply);
        sim->endpoints[i].reply = NULL;
        sim->endpoints[i].busy = false;
    }
}

void sim_restart(struct sim *sim)
{
    struct chain_poll_status status = sim_status(sim);
    sim->config.has_reference = status.has_reference;
    sim->config.reference = status.reference;
    sim->config.has_genesis = status.has_genesis;
    sim->config.genesis = status.genesis;
    chain_poll_free(sim->poll);
    sim->poll = NULL;
    forget_replies(sim);
    sim_start(sim);
}

void sim_free(struct sim *sim)
{
    forget_replies(sim);
    chain_poll_free(sim->poll);
    chain_snapshot_free(sim->snapshot);
    free(sim->blocks);
    free(sim->history);
    free(sim->states);
    free(sim->logs);
    free(sim);
}

/* ---- read-outs ---- */

size_t sim_notes(const struct sim *sim, enum chain_poll_note note)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->note_count; i++)
        count += sim->notes[i].note == note ? 1 : 0;
    return count;
}

const struct sim_note *sim_note_last(const struct sim *sim, enum chain_poll_note note)
{
    for (size_t i = sim->note_count; i-- > 0;)
        if (sim->notes[i].note == note) return &sim->notes[i];
    fail_msg("no note %s", chain_poll_note_name(note));
    return NULL;
}

uint64_t sim_requests(const struct sim *sim)
{
    uint64_t count = 0;
    for (size_t i = 0; i < sim->endpoint_count; i++)
        count += sim->endpoints[i].requests;
    return count;
}

struct chain_poll_endpoint sim_endpoint_status(const struct sim *sim, size_t index)
{
    struct chain_poll_endpoint out;
    chain_poll_endpoint(sim->poll, index, &out);
    return out;
}

struct chain_poll_status sim_status(const struct sim *sim)
{
    struct chain_poll_status out;
    chain_poll_status(sim->poll, &out);
    return out;
}
