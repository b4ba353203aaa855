/* The poller under endpoints that say anything. The input is a script: time passes, an endpoint
 * fails, or answers with raw bytes of the input, or with well-formed results whose values the
 * input chooses, so that rounds get far. Held up: one request in flight an endpoint, references
 * that only rise, snapshots that hang together, and none before K votes have answered. With
 * confirmations of 3 the contract is the prototype's. */
#include "base/err.h"
#include "base/json.h"
#include "base/keccak256.h"
#include "chain/contract.h"
#include "chain/poll.h"
#include "chain/prototype.h"

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
    bool is_prototype;
    enum chain_kind kind; /* of the snapshots so far */
    uint32_t answered;    /* endpoints that ever gave a body */
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

/* ---- the prototype's contract ---- */

static bool is_call_of(const char *signature, const uint8_t *call, size_t len)
{
    uint8_t selector[CHAIN_ABI_SELECTOR_BYTES];
    chain_abi_selector(selector, signature);
    return len >= sizeof selector && memcmp(selector, call, sizeof selector) == 0;
}

static void put_word(struct base_buf *data, uint64_t value)
{
    struct base_u256 word = base_u256_from_u64(value);
    base_buf_append(data, word.bytes, sizeof word.bytes);
}

static void put_string(struct base_buf *data, const char *text)
{
    static const uint8_t zeros[32];
    size_t len = strlen(text);
    put_word(data, 32);
    put_word(data, len);
    base_buf_append(data, text, len);
    if (len % 32 != 0) base_buf_append(data, zeros, 32 - len % 32);
}

/* False: a revert, with or without data. */
static bool prototype_call(struct base_buf *data, const uint8_t *call, size_t len,
                           const uint8_t hash[32], uint8_t choice)
{
    static const char *const texts[] = {"", "00112233445566778899aabbccddeeff00112233",
                                        "00112233445566778899AABBCCDDEEFF00112233", "junk"};
    if (choice == 0xfa) base_buf_puts(data, "no");
    if (choice >= 0xf8) return choice == 0xf8; /* nothing, which is not even a word */
    if (is_call_of("totalSupply()", call, len))
        put_word(data, choice == 0xf7 ? 5000 : choice & 7);
    else if (is_call_of("tokenToInstance(uint256)", call, len) ||
             is_call_of("instanceToConnectionUrl(string)", call, len))
        put_string(data, texts[choice & 3]);
    else if (is_call_of("getBlockNumber()", call, len))
        put_word(data, base_get_u64be(hash + 24) + (choice == 0xf6 ? 1 : 0));
    else if (is_call_of("getLastBlockHash()", call, len)) {
        uint8_t parent[32];
        memcpy(parent, hash, sizeof parent);
        base_put_u64be(parent + 24, base_get_u64be(hash + 24) - 1);
        base_buf_append(data, parent, sizeof parent);
    } else
        put_word(data, choice & 3);
    if (choice == 0xf5) data->len--;
    return true;
}

static void put_aggregate(struct base_buf *data, const uint8_t *call, size_t len,
                          const uint8_t hash[32], struct script *s)
{
    struct chain_abi_reader args, list;
    struct base_buf tails;
    size_t count;
    base_buf_init(&tails, 1 << 18);
    chain_abi_reader_init(&args, call + 4, len - 4, 1);
    if (chain_abi_get_array(&args, &list, &count, 1000) != BASE_OK) abort();
    put_word(data, 32);
    put_word(data, count);
    for (size_t i = 0; i < count; i++) {
        struct chain_abi_reader item;
        struct base_eth_address to;
        struct base_slice inner;
        struct base_buf result;
        bool may_fail;
        chain_abi_get_tuple(&list, &item, 3);
        chain_abi_get_address(&item, &to);
        chain_abi_get_bool(&item, &may_fail);
        chain_abi_get_bytes(&item, &inner, 4096);
        if (chain_abi_leave(&list, &item) != BASE_OK || !may_fail) abort();
        base_buf_init(&result, 4096);
        bool success = prototype_call(&result, inner.data, inner.len, hash, next_byte(s));
        put_word(data, 32 * count + tails.len);
        put_word(&tails, success ? 1 : 0);
        put_word(&tails, 64);
        put_word(&tails, result.len);
        base_buf_append(&tails, result.data, result.len);
        for (size_t k = result.len; k % 32 != 0; k++)
            base_buf_append(&tails, "", 1);
        base_buf_deinit(&result);
    }
    base_buf_append(data, tails.data, tails.len);
    base_buf_deinit(&tails);
}

static void put_prototype(struct base_buf *out, const char *to, const uint8_t *call, size_t len,
                          const uint8_t hash[32], uint8_t choice, struct script *s)
{
    struct base_buf data;
    base_buf_init(&data, 1 << 18);
    if (to == NULL) { /* where */
        if (choice < 0xf0)
            prototype_call(&data, (const uint8_t *)"\x42\xcb\xb1\x5c", 4, hash, choice);
        if (choice < 0xf0) prototype_call(&data, (const uint8_t *)"\x27\xe8\x6d\x6e", 4, hash, 0);
    } else if (strncmp(to, "0xca11bde0", 10) == 0) {
        if (choice < 0xc0) put_aggregate(&data, call, len, hash, s);
    } else if (!prototype_call(&data, call, len, hash, choice)) {
        base_buf_deinit(&data);
        base_buf_puts(out, "null");
        return;
    }
    if (data.failed) abort();
    put_hex(out, &data);
}

/* A transaction's hash says where it is, so that receipts can agree with logs. */
static void put_log(struct base_buf *out, uint64_t number, uint8_t branch, uint8_t choice)
{
    static const char transfer[] = "Transfer(address,address,uint256)";
    struct base_hash32 topic;
    base_keccak256(&topic, transfer, sizeof transfer - 1);
    base_buf_printf(out, "{\"address\":\"0x%040x\",\"blockNumber\":\"0x%llx\",\"blockHash\":",
                    choice == 0xf0 ? 1U : 0U, (unsigned long long)number);
    put_hash(out, 1, number, branch);
    base_buf_puts(out, ",\"transactionHash\":");
    put_hash(out, choice & 7, number, branch);
    base_buf_puts(out, ",\"topics\":[\"0x");
    base_buf_hex(out, topic.bytes, sizeof topic.bytes);
    base_buf_printf(out, "\",\"0x%064x\",\"0x%064x\",\"0x%064x\"]}", 0U, 0U, choice & 7U);
}

static void put_logs(struct base_buf *out, const json_t *filter, uint8_t choice, struct script *s)
{
    uint64_t from = 0, to = 0;
    if (base_json_get_quantity(&from, filter, "fromBlock") != BASE_OK) abort();
    if (base_json_get_quantity(&to, filter, "toBlock") != BASE_OK || from > to) abort();
    base_buf_puts(out, "[");
    for (unsigned i = 0; i < (choice & 3U); i++) {
        uint8_t which = next_byte(s);
        if (i > 0) base_buf_puts(out, ",");
        put_log(out, from + which % (to - from + 1 + (which == 0xff ? 1U : 0U)), which & 3, which);
    }
    base_buf_puts(out, "]");
}

static void put_receipt(struct base_buf *out, const char *text, uint8_t choice)
{
    uint8_t hash[32];
    if (choice >= 0x80) {
        base_buf_puts(out, "null");
        return;
    }
    if (base_hex_decode_0x(hash, sizeof hash, text) != BASE_OK) abort();
    uint64_t number = base_get_u64be(hash + 24);
    base_buf_printf(out, "{\"status\":\"0x%x\",\"gasUsed\":\"0x1\",\"transactionHash\":\"%s\",",
                    choice == 0x7f ? 0U : 1U, text);
    base_buf_printf(out, "\"blockNumber\":\"0x%llx\",\"blockHash\":", (unsigned long long)number);
    put_hash(out, 1, number, hash[1]);
    base_buf_puts(out, ",\"logs\":[");
    put_log(out, number, hash[1], hash[0]);
    base_buf_puts(out, "]}");
}

static void put_call(struct base_buf *out, const struct world *w, const json_t *params,
                     uint8_t choice, struct script *s)
{
    static uint8_t call[1 << 16];
    uint8_t hash[32];
    size_t len;
    const char *text = NULL, *to = NULL;
    if (base_json_get_hex(hash, sizeof hash, json_array_get(params, 1), "blockHash") != BASE_OK)
        abort();
    if (base_json_get_string(&text, &len, json_array_get(params, 0), "data") != BASE_OK) abort();
    if (base_hex_decode_var(call, &len, sizeof call, text) != BASE_OK) abort();
    (void)base_json_get_string(&to, NULL, json_array_get(params, 0), "to");
    bool is_state = is_call_of("clusterState()", call, len);
    if (is_state && w->is_prototype && choice < 0xf0)
        base_buf_puts(out, "\"0x\"");
    else if (is_state)
        put_state(out, hash, choice);
    else if (w->is_prototype || to == NULL || len == 4 || len > 68)
        put_prototype(out, to, call, len, hash, choice, s);
    else if (len == 68)
        put_page(out, base_get_u64be(call + 28), choice & 0x3f, choice);
    else
        base_buf_printf(out, "\"0x%064x\"", choice & 1U);
}

static void put_result(struct base_buf *out, const struct world *w, const json_t *call,
                       struct script *s)
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
    else if (strcmp(method, "eth_getLogs") == 0)
        put_logs(out, json_array_get(params, 0), choice, s);
    else if (strcmp(method, "eth_getTransactionReceipt") == 0)
        put_receipt(out, json_string_value(json_array_get(params, 0)), choice);
    else
        put_call(out, w, params, choice, s);
    base_buf_puts(out, "}");
}

static void put_reply(struct base_buf *out, const struct world *w, const json_t *body,
                      struct script *s)
{
    if (!json_is_array(body)) {
        put_result(out, w, body, s);
        return;
    }
    for (size_t i = 0; i < json_array_size(body); i++) {
        base_buf_puts(out, i == 0 ? "[" : ",");
        put_result(out, w, json_array_get(body, i), s);
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
    bool may_be_again = s->kind == CHAIN_KIND_PROTOTYPE;
    if (w->before.has_snapshot && s->block.number < w->before.reference.number + !may_be_again)
        abort();
    if (s->kind == CHAIN_KIND_UNKNOWN || (w->kind != CHAIN_KIND_UNKNOWN && s->kind != w->kind))
        abort();
    w->kind = s->kind;
    if (s->transfers_from_block > s->block.number && s->transfers_from_block != CHAIN_BLOCK_NONE)
        abort();
    if (w->before.has_reference && s->block.time_s < w->before.reference.time_s) abort();
    for (size_t i = 0; i < s->seat_count; i++)
        if (chain_snapshot_find_token(s, &s->seats[i].token_id) != &s->seats[i] ||
            s->seats[i].last_transfer_block > s->block.number)
            abort();
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
        put_reply(&reply, w, p->body, s);
    }
    p->busy = false;
    w->answered |= 1U << endpoint;
    for (uint64_t n = 1; n < 4; n++)
        if (w->is_prototype && chain_poll_want_block(w->poll, n) != BASE_OK) abort();
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
    w.is_prototype = setting >> 6 == 3;
    if (w.is_prototype) config.confirmations = 0;
    if (chain_poll_new(&w.poll, &config, 0, NULL) != BASE_OK) abort();
    for (int i = 0; i < STEPS_MAX && s.pos < s.len; i++)
        play(&w, &s);
    if (setting & 0x04) chain_poll_accept(w.poll);
    chain_poll_free(w.poll);
    for (size_t i = 0; i < ENDPOINTS; i++)
        json_decref(w.pending[i].body);
    return 0;
}
