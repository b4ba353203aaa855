#include "chain_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/keccak256.h"
#include "chain/prototype.h"

/* The prototype's contract, Multicall3, logs and receipts, as an endpoint of the simulated chain
 * shows them. Encoding is this file's own: what it says is what the poller must understand. */

static void put_word(struct base_buf *out, uint64_t value)
{
    struct base_u256 word = base_u256_from_u64(value);
    base_buf_append(out, word.bytes, sizeof word.bytes);
}

static void put_address(struct base_buf *out, const struct base_eth_address *address)
{
    static const uint8_t zeros[12];
    base_buf_append(out, zeros, sizeof zeros);
    base_buf_append(out, address->bytes, sizeof address->bytes);
}

static void put_bytes(struct base_buf *out, const void *data, size_t len)
{
    static const uint8_t zeros[32];
    put_word(out, len);
    base_buf_append(out, data, len);
    if (len % 32 != 0) base_buf_append(out, zeros, 32 - len % 32);
}

static void put_string(struct base_buf *out, const void *text, size_t len)
{
    put_word(out, 32);
    put_bytes(out, text, len);
}

/* ---- the contract ---- */

static bool is_call_of(const char *signature, const uint8_t *call, size_t len)
{
    uint8_t selector[CHAIN_ABI_SELECTOR_BYTES];
    chain_abi_selector(selector, signature);
    return len >= sizeof selector && memcmp(selector, call, sizeof selector) == 0;
}

static void instance_text(char text[CHAIN_PROTOTYPE_INSTANCE_BYTES + 1],
                          const struct chain_seat *seat)
{
    bool is_none = base_is_zero(seat->instance.bytes, sizeof seat->instance.bytes);
    base_hex_encode(text, seat->instance.bytes, sizeof seat->instance.bytes);
    if (is_none) text[0] = '\0';
}

/* The seat whose instance the string argument of call is. */
static const struct chain_seat *find_instance(size_t *which, const struct sim_state *state,
                                              const uint8_t *call, size_t len)
{
    assert_int_equal(len, 4 + 32 + 32 + 64);
    assert_int_equal(base_get_u64be(call + 4 + 32 + 24), CHAIN_PROTOTYPE_INSTANCE_BYTES);
    for (size_t i = 0; i < state->seat_count; i++) {
        char text[CHAIN_PROTOTYPE_INSTANCE_BYTES + 1];
        instance_text(text, &state->seats[i]);
        *which = i;
        if (memcmp(text, call + 4 + 64, CHAIN_PROTOTYPE_INSTANCE_BYTES) == 0)
            return &state->seats[i];
    }
    fail_msg("an instance that is none");
    return NULL;
}

static bool token_call(struct base_buf *data, const struct sim_state *state,
                       const struct sim_endpoint *e, const uint8_t *call, size_t len)
{
    assert_int_equal(len, 36);
    uint64_t token = base_get_u64be(call + 28);
    bool is_owner = is_call_of("ownerOf(uint256)", call, len);
    if (token >= state->seat_count) {
        static const uint8_t nonexistent[4] = {0x7e, 0x27, 0x32, 0x89};
        if (!is_owner) put_string(data, "", 0); /* a map knows no bounds */
        base_buf_append(data, nonexistent, is_owner ? sizeof nonexistent : 0);
        return !is_owner;
    }
    const struct chain_seat *seat = &state->seats[token];
    char text[CHAIN_PROTOTYPE_INSTANCE_BYTES + 1];
    instance_text(text, seat);
    const char *shown = state->texts[token] != NULL ? state->texts[token] : text;
    struct base_eth_address thief = {{7}};
    if (!is_owner) {
        put_string(data, shown, strlen(shown));
    } else {
        put_address(data, e->manner == SIM_WRONG_OWNER && token == 1 ? &thief : &seat->owner);
        if (e->manner == SIM_BAD_OWNER) data->len--;
    }
    return true;
}

static bool instance_call(struct base_buf *data, const struct sim_state *state, const uint8_t *call,
                          size_t len)
{
    size_t which = 0;
    const struct chain_seat *seat = find_instance(&which, state, call, len);
    if (is_call_of("activeInstances(string)", call, len)) {
        put_word(data, seat->active ? 1 : 0);
        return true;
    }
    size_t bytes = state->url_bytes[which];
    char *text = calloc(1, bytes + 1);
    assert_non_null(text);
    memset(text, 'u', bytes);
    put_string(data, bytes > 0 ? text : seat->url, bytes > 0 ? bytes : seat->url_len);
    free(text);
    return true;
}

bool sim__prototype_call(struct base_buf *data, const struct sim *sim, const struct sim_endpoint *e,
                         const struct sim_block *b, const uint8_t *call, size_t len)
{
    const struct sim_state *state = &sim->states[b->state];
    bool claims = e->manner == SIM_CLAIMS_PROTOTYPE;
    bool has_root = claims || state->kind != CHAIN_KIND_UNKNOWN;
    if (is_call_of("kmsRootAddress()", call, len) && has_root) {
        put_address(data, &state->cluster.kms_root);
        return true;
    }
    if (is_call_of("totalSupply()", call, len)) {
        put_word(data, e->manner == SIM_HUGE_SUPPLY ? 5000 : claims ? 0 : state->seat_count);
        return true;
    }
    if (state->kind != CHAIN_KIND_PROTOTYPE) return false;
    if (is_call_of("ownerOf(uint256)", call, len) ||
        is_call_of("tokenToInstance(uint256)", call, len))
        return token_call(data, state, e, call, len);
    if (is_call_of("activeInstances(string)", call, len) ||
        is_call_of("instanceToConnectionUrl(string)", call, len))
        return instance_call(data, state, call, len);
    return false;
}

/* ---- Multicall3, and code without a contract ---- */

static const struct sim_block *where(const struct sim *sim, const struct sim_endpoint *e,
                                     const struct sim_block *b)
{
    return e->manner == SIM_OTHER_WHERE ? &sim->blocks[b->block.number - 1] : b;
}

void sim__put_where(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                    const struct sim_block *b)
{
    struct base_buf data;
    b = where(sim, e, b);
    if (e->manner == SIM_CANNOT_CREATE) {
        sim__put_error(out, "to is required");
        return;
    }
    base_buf_init(&data, 64);
    put_word(&data, b->block.number);
    base_buf_append(&data, b->block.parent_hash.bytes, 32);
    sim__put_return(out, &data);
}

static bool inner_call(struct base_buf *data, const struct sim *sim, const struct sim_endpoint *e,
                       const struct sim_block *b, struct base_slice call, size_t index)
{
    if (is_call_of("getBlockNumber()", call.data, call.len)) {
        put_word(data, where(sim, e, b)->block.number);
        return true;
    }
    if (is_call_of("getLastBlockHash()", call.data, call.len)) {
        base_buf_append(data, where(sim, e, b)->block.parent_hash.bytes, 32);
        return true;
    }
    if (e->manner == SIM_LITTLE_GAS && index >= 20) return false;
    return sim__prototype_call(data, sim, e, b, call.data, call.len);
}

static void aggregate(struct base_buf *data, const struct sim *sim, const struct sim_endpoint *e,
                      const struct sim_block *b, const uint8_t *call, size_t len)
{
    struct chain_abi_reader args, list;
    struct base_buf tails;
    size_t count;
    base_buf_init(&tails, (size_t)8 << 20);
    chain_abi_reader_init(&args, call + 4, len - 4, 1);
    assert_int_equal(chain_abi_get_array(&args, &list, &count, 1000), BASE_OK);
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
        assert_int_equal(chain_abi_leave(&list, &item), BASE_OK);
        assert_true(may_fail);
        base_buf_init(&result, (size_t)1 << 20);
        bool success = inner_call(&result, sim, e, b, inner, i);
        put_word(data, 32 * count + tails.len);
        put_word(&tails, success ? 1 : 0);
        put_word(&tails, 64);
        put_bytes(&tails, result.data != NULL ? result.data : "", result.len);
        base_buf_deinit(&result);
    }
    base_buf_append(data, tails.data, tails.len);
    base_buf_deinit(&tails);
}

void sim__put_multicall(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                        const struct sim_block *b, const uint8_t *call, size_t len)
{
    struct base_buf data;
    if (!sim->has_multicall) {
        base_buf_puts(out, "\"result\":\"0x\"");
        return;
    }
    if (e->manner == SIM_NO_TOKENS && len > 1000) {
        sim__put_error(out, "too many requests");
        return;
    }
    base_buf_init(&data, (size_t)8 << 20);
    aggregate(&data, sim, e, b, call, len);
    sim__put_return(out, &data);
}

/* ---- logs and receipts ---- */

static void hash_topic(struct base_hash32 *out, const char *signature)
{
    base_keccak256(out, signature, strlen(signature));
}

void sim__log(struct sim *sim, uint32_t token, uint64_t number)
{
    assert_true(sim->log_count < SIM_LOGS_MAX);
    struct chain_rpc_logged *l = &sim->logs[sim->log_count++].logged;
    struct base_u256 id = base_u256_from_u64(token);
    *l = (struct chain_rpc_logged){.log.address = sim->config.contract,
                                   .block_number = number,
                                   .block_hash = sim->blocks[number].block.hash};
    hash_topic(&l->log.topics[0], token == UINT32_MAX ? "PeerRegistered(string,string)"
                                                      : "Transfer(address,address,uint256)");
    l->log.topic_count = token == UINT32_MAX ? 2 : 4;
    memcpy(l->log.topics[3].bytes, id.bytes, sizeof id.bytes);
    base_keccak256(&l->tx_hash, &sim->log_count, sizeof sim->log_count);
}

static void put_hash(struct base_buf *out, const char *key, const struct base_hash32 *hash)
{
    base_buf_printf(out, "\"%s\":\"0x", key);
    base_buf_hex(out, hash->bytes, sizeof hash->bytes);
    base_buf_puts(out, "\"");
}

static void put_log(struct base_buf *out, const struct chain_rpc_logged *l)
{
    base_buf_puts(out, "{\"address\":\"0x");
    base_buf_hex(out, l->log.address.bytes, sizeof l->log.address.bytes);
    base_buf_puts(out, "\",\"topics\":[");
    for (size_t i = 0; i < l->log.topic_count; i++) {
        base_buf_puts(out, i > 0 ? ",\"0x" : "\"0x");
        base_buf_hex(out, l->log.topics[i].bytes, 32);
        base_buf_puts(out, "\"");
    }
    base_buf_printf(out, "],\"data\":\"0x\",\"removed\":false,\"blockNumber\":\"0x%llx\",",
                    (unsigned long long)l->block_number);
    put_hash(out, "blockHash", &l->block_hash);
    base_buf_puts(out, ",");
    put_hash(out, "transactionHash", &l->tx_hash);
    base_buf_puts(out, "}");
}

static bool is_on_chain(const struct sim *sim, const struct chain_rpc_logged *l)
{
    return l->block_number < sim->block_count &&
           base_hash32_equal(&sim->blocks[l->block_number].block.hash, &l->block_hash);
}

/* A transfer that never was: its hash says where. */
static void invent(struct chain_rpc_logged *l, const struct sim *sim, uint64_t number)
{
    *l = (struct chain_rpc_logged){.log.address = sim->config.contract,
                                   .log.topic_count = 4,
                                   .block_number = number,
                                   .block_hash = sim->blocks[number].block.hash};
    hash_topic(&l->log.topics[0], "Transfer(address,address,uint256)");
    l->log.topics[3].bytes[31] = 1;
    memset(l->tx_hash.bytes, 0xee, 24);
    base_put_u64be(l->tx_hash.bytes + 24, number);
}

static uint64_t get_number(const json_t *filter, const char *key)
{
    uint64_t out = 0;
    assert_int_equal(base_json_get_quantity(&out, filter, key), BASE_OK);
    return out;
}

static bool is_wanted(const struct sim *sim, const struct chain_rpc_logged *l, uint64_t from,
                      uint64_t to, const json_t *topics)
{
    struct base_hash32 topic;
    if (l->block_number < from || l->block_number > to || !is_on_chain(sim, l)) return false;
    if (topics == NULL) return true;
    assert_int_equal(json_array_size(topics), 1);
    assert_int_equal(base_hex_decode_0x(topic.bytes, sizeof topic.bytes,
                                        json_string_value(json_array_get(topics, 0))),
                     BASE_OK);
    return base_hash32_equal(&topic, &l->log.topics[0]);
}

static void put_wanted(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                       uint64_t from, uint64_t to, const json_t *topics)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->log_count; i++) {
        if (!is_wanted(sim, &sim->logs[i].logged, from, to, topics)) continue;
        if (count++ > 0) base_buf_puts(out, ",");
        put_log(out, &sim->logs[i].logged);
    }
    struct chain_rpc_logged more;
    bool invents = e->manner == SIM_INVENTS_LOGS || (e->manner == SIM_INVENTS_OLD && to < 50);
    invent(&more, sim, to);
    if (e->manner == SIM_LOGS_OUTSIDE) more.block_number = from > 0 ? from - 1 : to + 1;
    if (e->manner == SIM_OTHER_LOGS) more.log.address.bytes[0] ^= 1;
    if (!invents && e->manner != SIM_OTHER_LOGS && e->manner != SIM_LOGS_OUTSIDE) return;
    if (count > 0) base_buf_puts(out, ",");
    put_log(out, &more);
}

void sim__put_logs(struct base_buf *out, const struct sim *sim, struct sim_endpoint *e,
                   const json_t *filter)
{
    uint64_t from = get_number(filter, "fromBlock"), to = get_number(filter, "toBlock");
    assert_true(from <= to && to < sim->block_count);
    e->log_requests++;
    if (e->manner == SIM_NO_LOGS || (e->logs_max != 0 && to - from >= e->logs_max)) {
        sim__put_error(out, "query exceeds max block range");
        return;
    }
    base_buf_puts(out, "\"result\":[");
    if (e->manner != SIM_HIDES_LOGS && e->manner != SIM_HIDES_ALL)
        put_wanted(out, sim, e, from, to, json_object_get(filter, "topics"));
    base_buf_puts(out, "]");
}

void sim__put_receipt(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                      const char *tx_hash)
{
    struct base_hash32 hash;
    struct chain_rpc_logged invented;
    const struct chain_rpc_logged *found = NULL;
    assert_int_equal(base_hex_decode_0x(hash.bytes, sizeof hash.bytes, tx_hash), BASE_OK);
    for (size_t i = 0; i < sim->log_count; i++)
        if (base_hash32_equal(&sim->logs[i].logged.tx_hash, &hash) &&
            is_on_chain(sim, &sim->logs[i].logged))
            found = &sim->logs[i].logged;
    if (hash.bytes[0] == 0xee && (e->manner == SIM_INVENTS_LOGS || e->manner == SIM_INVENTS_OLD)) {
        invent(&invented, sim, base_get_u64be(hash.bytes + 24));
        found = &invented;
    }
    if (found == NULL || e->manner == SIM_HIDES_ALL) {
        base_buf_puts(out, "\"result\":null");
        return;
    }
    base_buf_printf(out,
                    "\"result\":{\"status\":\"0x1\",\"gasUsed\":\"0x5208\",\"blockNumber\":"
                    "\"0x%llx\",",
                    (unsigned long long)found->block_number);
    put_hash(out, "blockHash", &found->block_hash);
    base_buf_puts(out, ",");
    put_hash(out, "transactionHash", &found->tx_hash);
    base_buf_puts(out, ",\"logs\":[");
    for (int i = 0; i < 40; i++) { /* of somebody else, in front */
        struct chain_rpc_logged other = *found;
        other.log.address.bytes[0] ^= 1;
        put_log(out, &other);
        base_buf_puts(out, ",");
    }
    put_log(out, found);
    base_buf_puts(out, "]}");
}

/* ---- the checker ---- */

static uint64_t newest_transfer(const struct sim *sim, uint64_t token, uint64_t from,
                                const struct chain_block *until)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < sim->log_count; i++) {
        const struct chain_rpc_logged *l = &sim->logs[i].logged;
        if (l->log.topic_count != 4 || base_get_u64be(l->log.topics[3].bytes + 24) != token)
            continue;
        if (l->block_number < from || l->block_number > until->number || !is_on_chain(sim, l))
            continue;
        if (l->block_number > newest) newest = l->block_number;
    }
    return newest;
}

/* Whose block is still canonical knows each transfer that it says it knows. */
static void check_transfers(const struct sim *sim, const struct chain_snapshot *s)
{
    if (s->transfers_from_block == CHAIN_BLOCK_NONE) return;
    if (!base_hash32_equal(&sim->blocks[s->block.number].block.hash, &s->block.hash)) return;
    for (size_t i = 0; i < s->seat_count; i++) {
        uint64_t token, known = s->seats[i].last_transfer_block;
        assert_int_equal(base_u256_to_u64(&token, &s->seats[i].token_id), BASE_OK);
        assert_true(known >= newest_transfer(sim, token, s->transfers_from_block, &s->block));
        if (known != 0) assert_int_equal(known, newest_transfer(sim, token, 0, &s->block));
    }
}

void sim__check_prototype(const struct sim *sim, const struct chain_snapshot *snapshot,
                          const struct sim_state *state)
{
    assert_int_equal(snapshot->app_id_count, sim->config.app_id_count);
    for (size_t i = 0; i < snapshot->seat_count; i++) {
        const struct chain_seat *seat = &snapshot->seats[i], *truth = &state->seats[i];
        bool is_odd = state->texts[i] != NULL;
        uint64_t token = 0;
        assert_int_equal(base_u256_to_u64(&token, &seat->token_id), BASE_OK);
        assert_int_equal(token, i);
        assert_false(seat->has_keys);
        assert_int_equal(seat->weight, 1);
        assert_memory_equal(&seat->owner, &truth->owner, sizeof truth->owner);
        if (is_odd) {
            assert_true(base_is_zero(seat->instance.bytes, sizeof seat->instance.bytes));
            assert_false(seat->active);
            continue;
        }
        assert_memory_equal(&seat->instance, &truth->instance, sizeof truth->instance);
        assert_int_equal(seat->active, truth->active);
        assert_int_equal(seat->url_too_long, state->url_bytes[i] > CHAIN_URL_BYTES_MAX);
        if (state->url_bytes[i] == 0) assert_string_equal(seat->url, truth->url);
        if (seat->url_too_long) assert_int_equal(seat->url_len, 0);
    }
    check_transfers(sim, snapshot);
}

bool sim_until_verified(struct sim *sim, uint64_t ms)
{
    uint64_t until = sim->now_ms + ms;
    while (sim->now_ms < until && (sim->snapshot == NULL || sim_status(sim).verifying))
        sim_run(sim, 100);
    sim_run(sim, 2 * SIM_SEC);
    return sim->snapshot != NULL && !sim_status(sim).verifying;
}

bool sim_until_reference(struct sim *sim, uint64_t number, uint64_t ms)
{
    uint64_t until = sim->now_ms + ms;
    while (sim->now_ms < until && (sim->snapshot == NULL || sim->snapshot->block.number < number))
        sim_run(sim, 50);
    return sim->snapshot != NULL && sim->snapshot->block.number >= number;
}

struct sim *sim_prototype_verified(size_t endpoints, size_t tokens)
{
    struct sim *sim = sim_prototype_new(endpoints, tokens);
    sim_start(sim);
    assert_true(sim_until_verified(sim, 30 * SIM_SEC));
    return sim;
}

uint64_t sim_moved_at(const struct sim *sim, size_t token)
{
    return sim->snapshot->seats[token].last_transfer_block;
}
