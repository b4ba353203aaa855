/* The poller under endpoints that say anything. The input is a script: time passes, an endpoint
 * fails, or answers with raw bytes of the input, or with well-formed results whose values the
 * input chooses, so that rounds get far. Held up: one request in flight an endpoint, references
 * that only rise, snapshots that hang together, and none before K votes have answered. */
#include "base/err.h"
#include "base/json.h"
#include "chain/contract.h"
#include "chain/poll.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENDPOINTS 4
#define STEPS_MAX 400

struct script {
    const uint8_t *data;
    size_t len, pos;
};

static uint8_t next_byte(struct script *s)
{
    return s->pos < s->len ? s->data[s->pos++] : 0;
}

struct pending {
    bool busy;
    uint64_t request_id, sent_ms;
    json_t *body;
};

struct world {
    struct chain_poll *poll;
    struct chain_poll_status before;
    struct pending pending[ENDPOINTS];
    uint32_t answered; /* endpoints that ever gave a body */
    uint64_t now_ms;
    struct chain_poll_actions actions;
};

/* ---- answers ---- */

static void put_hash(struct base_buf *out, uint8_t kind, uint64_t number, uint8_t branch)
{
    uint8_t bytes[32] = {kind, branch};
    base_put_u64be(bytes + 24, number);
    base_buf_puts(out, "\"0x");
    base_buf_hex(out, bytes, sizeof bytes);
    base_buf_puts(out, "\"");
}

/* Blocks of a few branches; a branch is a byte of the hash. */
static void put_block(struct base_buf *out, uint64_t number, uint8_t choice)
{
    if (choice >= 0xf0) {
        base_buf_puts(out, "null");
        return;
    }
    base_buf_printf(out, "{\"number\":\"0x%llx\",\"timestamp\":\"0x%llx\",\"hash\":",
                    (unsigned long long)number,
                    (unsigned long long)(choice >= 0xe0 ? 1 : number * 2 + 100));
    put_hash(out, 1, number, number == 0 ? 0 : choice & 3);
    base_buf_puts(out, ",\"parentHash\":");
    put_hash(out, 1, number > 0 ? number - 1 : 0, choice & 3);
    base_buf_puts(out, "}");
}

static void put_hex(struct base_buf *out, struct base_buf *data)
{
    base_buf_puts(out, "\"0x");
    base_buf_hex(out, data->data, data->len);
    base_buf_puts(out, "\"");
    base_buf_deinit(data);
}

static void put_state(struct base_buf *out, const uint8_t hash[32], uint8_t choice)
{
    struct base_buf data;
    struct chain_cluster_state s = {.root_epoch = 1, .seat_count = choice & 0x3f};
    s.block_number = base_get_u64be(hash + 24);
    s.revision.bytes[0] = choice & 0x40;
    s.parent_hash.bytes[0] = hash[0];
    s.parent_hash.bytes[1] = hash[1];
    base_put_u64be(s.parent_hash.bytes + 24, s.block_number > 0 ? s.block_number - 1 : 0);
    if (choice & 0x80) s.block_number += choice & 1;
    base_buf_init(&data, 1 << 16);
    if (chain_contract_encode_cluster_state(&data, &s) != BASE_OK) abort();
    put_hex(out, &data);
}

static void put_page(struct base_buf *out, uint64_t offset, uint64_t seats, uint8_t choice)
{
    static struct chain_seat page[CHAIN_PAGE_SEATS];
    struct base_buf data;
    size_t count = 0;
    memset(page, 0, sizeof page);
    for (uint64_t i = offset; i < seats && count < CHAIN_PAGE_SEATS; i++, count++) {
        page[count].token_id = base_u256_from_u64(i + 1);
        page[count].has_keys = page[count].active = (choice & 0x10) == 0;
        page[count].node_key.bytes[0] = page[count].proof_key.bytes[0] = 2;
        page[count].node_key.bytes[32] = (uint8_t)(choice & 0x20 ? 1 : i);
        page[count].nonce = choice & 1;
    }
    base_buf_init(&data, 1 << 16);
    if (chain_contract_encode_members(&data, page, count) != BASE_OK) abort();
    put_hex(out, &data);
}

static void put_call(struct base_buf *out, const json_t *params, uint8_t choice)
{
    uint8_t hash[32], call[128];
    size_t len;
    const char *text = NULL;
    if (base_json_get_hex(hash, sizeof hash, json_array_get(params, 1), "blockHash") != BASE_OK)
        abort();
    if (base_json_get_string(&text, &len, json_array_get(params, 0), "data") != BASE_OK) abort();
    if (base_hex_decode_var(call, &len, sizeof call, text) != BASE_OK) abort();
    if (len == 4)
        put_state(out, hash, choice);
    else if (len == 68)
        put_page(out, base_get_u64be(call + 28), choice & 0x3f, choice);
    else
        base_buf_printf(out, "\"0x%064x\"", choice & 1U);
}

static void put_result(struct base_buf *out, const json_t *call, struct script *s)
{
    const char *method = json_string_value(json_object_get(call, "method"));
    const json_t *params = json_object_get(call, "params");
    uint8_t choice = next_byte(s);
    base_buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%lld,",
                    (long long)json_integer_value(json_object_get(call, "id")));
    if (choice == 0xff) {
        base_buf_puts(out, "\"error\":{\"code\":-1,\"message\":\"no\"}}");
        return;
    }
    base_buf_puts(out, "\"result\":");
    if (strcmp(method, "eth_chainId") == 0)
        base_buf_puts(out, choice == 0xfe ? "\"0x1\"" : "\"0x7a69\"");
    else if (strcmp(method, "eth_getCode") == 0)
        base_buf_puts(out, choice == 0xfe ? "\"0x\"" : "\"0x00\"");
    else if (strcmp(method, "eth_blockNumber") == 0)
        base_buf_printf(out, "\"0x%x\"", 1U + (choice & 0x1f));
    else if (strcmp(method, "eth_getBlockByNumber") == 0)
        put_block(out, strtoull(json_string_value(json_array_get(params, 0)), NULL, 16), choice);
    else
        put_call(out, params, choice);
    base_buf_puts(out, "}");
}

static void put_reply(struct base_buf *out, const json_t *body, struct script *s)
{
    if (!json_is_array(body)) {
        put_result(out, body, s);
        return;
    }
    for (size_t i = 0; i < json_array_size(body); i++) {
        base_buf_puts(out, i == 0 ? "[" : ",");
        put_result(out, json_array_get(body, i), s);
    }
    base_buf_puts(out, "]");
}

/* ---- actions ---- */

static void take_request(struct world *w, const struct chain_poll_action *action)
{
    if (action->endpoint >= ENDPOINTS) abort();
    struct pending *p = &w->pending[action->endpoint];
    if (p->busy && w->now_ms - p->sent_ms < CHAIN_POLL_TIMEOUT_MS) abort(); /* two in flight */
    json_decref(p->body);
    *p = (struct pending){.busy = true, .request_id = action->request_id, .sent_ms = w->now_ms};
    p->body = json_loadb(action->body, action->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (p->body == NULL) abort();
}

static uint32_t count_bits(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask != 0; mask &= mask - 1)
        count++;
    return count;
}

static void take_snapshot(struct world *w, struct chain_snapshot *s)
{
    if (count_bits(w->answered) < w->before.agree) abort();
    if (w->before.has_snapshot && s->block.number <= w->before.reference.number) abort();
    if (w->before.has_reference && s->block.time_s < w->before.reference.time_s) abort();
    for (size_t i = 0; i < s->seat_count; i++)
        if (chain_snapshot_find_token(s, &s->seats[i].token_id) != &s->seats[i]) abort();
    for (size_t i = 0; i < s->by_key_count; i++)
        if (!s->seats[s->by_key[i]].has_keys) abort();
    chain_snapshot_free(s);
}

static void step(struct world *w, const struct chain_poll_event *event)
{
    chain_poll_status(w->poll, &w->before);
    if (chain_poll_step(w->poll, w->now_ms, event, &w->actions) != BASE_OK) abort();
    for (size_t i = 0; i < w->actions.count; i++) {
        struct chain_poll_action *action = &w->actions.items[i];
        if (action->kind == CHAIN_POLL_REQUEST) take_request(w, action);
        if (action->kind == CHAIN_POLL_SNAPSHOT) take_snapshot(w, action->snapshot);
    }
    if (chain_poll_deadline_ms(w->poll) <= w->now_ms && event->kind == CHAIN_POLL_TIMER) abort();
}

static void answer(struct world *w, size_t endpoint, bool is_raw, struct script *s)
{
    struct pending *p = &w->pending[endpoint];
    struct base_buf reply;
    if (!p->busy) return;
    base_buf_init(&reply, 1 << 20);
    if (is_raw) {
        size_t len = next_byte(s);
        if (len > s->len - s->pos) len = s->len - s->pos;
        base_buf_append(&reply, s->data + s->pos, len);
        s->pos += len;
    } else {
        put_reply(&reply, p->body, s);
    }
    p->busy = false;
    w->answered |= 1U << endpoint;
    struct chain_poll_event event = {.kind = CHAIN_POLL_REPLY,
                                     .endpoint = endpoint,
                                     .request_id = p->request_id,
                                     .data = reply.data,
                                     .len = reply.len};
    step(w, &event);
    base_buf_deinit(&reply);
}

static void play(struct world *w, struct script *s)
{
    uint8_t op = next_byte(s);
    size_t endpoint = op % ENDPOINTS;
    struct pending *p = &w->pending[endpoint];
    struct chain_poll_event event = {.kind = CHAIN_POLL_TIMER};
    switch (op / ENDPOINTS % 8) {
    case 0: /* to the next deadline */
        if (chain_poll_deadline_ms(w->poll) > w->now_ms)
            w->now_ms = chain_poll_deadline_ms(w->poll);
        step(w, &event);
        return;
    case 1:
        w->now_ms += (uint64_t)next_byte(s) * (op >= 0xe0 ? 60000 : 20);
        step(w, &event);
        return;
    case 2:
        answer(w, endpoint, true, s);
        return;
    case 3:
        if (!p->busy) return;
        event.kind = CHAIN_POLL_FAIL;
        event.endpoint = endpoint;
        event.request_id = p->request_id;
        p->busy = false;
        step(w, &event);
        return;
    case 4:
        event.kind = CHAIN_POLL_WAKE;
        step(w, &event);
        return;
    default:
        answer(w, endpoint, false, s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const urls[ENDPOINTS] = {"https://a.example", "https://b.example",
                                                "https://c.example", "https://d.example"};
    static struct world w;
    struct script s = {.data = data, .len = size};
    uint8_t setting = next_byte(&s);
    struct chain_poll_config config = {.urls = urls,
                                       .url_count = 1U + setting % ENDPOINTS,
                                       .agree = setting & 0x10 ? 1 : 0,
                                       .finality = setting & 0x20 ? CHAIN_FINALITY_SAFE
                                                                  : CHAIN_FINALITY_LATEST,
                                       .confirmations = setting >> 6,
                                       .chain_id = 31337,
                                       .root_count = setting & 0x08 ? 2 : 0};
    memset(&w, 0, sizeof w);
    if (chain_poll_new(&w.poll, &config, 0, NULL) != BASE_OK) abort();
    for (int i = 0; i < STEPS_MAX && s.pos < s.len; i++)
        play(&w, &s);
    if (setting & 0x04) chain_poll_accept(w.poll);
    chain_poll_free(w.poll);
    for (size_t i = 0; i < ENDPOINTS; i++)
        json_decref(w.pending[i].body);
    return 0;
}
