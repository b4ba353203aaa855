#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* The prototype's contract, read at one endpoint: which contract it is, then its tokens in two
 * stages, since what the second asks for is in the answers of the first. */

#define RESULT_BYTES_MAX ((size_t)3 << 20) /* of one request: below what a reply may have */

/* digest = keccak256(.. keccak256(result) ..): a revert is the byte 0, data is 1 || data. */
static void hash_result(struct base_hash32 *out, bool success, const void *data, size_t len)
{
    static const uint8_t byte[2] = {0, 1};
    struct base_keccak256 k;
    base_keccak256_init(&k);
    base_keccak256_update(&k, success ? &byte[1] : &byte[0], 1);
    if (success) base_keccak256_update(&k, data, len);
    base_keccak256_final(&k, out);
}

/* ---- which block an answer is of ---- */

/* NUMBER, BLOCKHASH(NUMBER - 1), both returned: run as if it made a contract. Where there is no
 * Multicall3 that is how an answer names its block. */
static const uint8_t where_code[] = {0x43, 0x60, 0x00, 0x52, 0x60, 0x01, 0x43, 0x03, 0x40,
                                     0x60, 0x20, 0x52, 0x60, 0x40, 0x60, 0x00, 0xf3};

static bool is_where(const struct chain__read *read, const uint8_t *number, const uint8_t *parent)
{
    struct base_u256 expected = base_u256_from_u64(read->block.number);
    return memcmp(number, expected.bytes, sizeof expected.bytes) == 0 &&
           memcmp(parent, read->block.parent_hash.bytes, sizeof read->block.parent_hash.bytes) == 0;
}

static bool other_block(struct chain_poll *poll, struct chain__endpoint *e)
{
    chain__lose_vote(poll, e,
                     "answers for another block than the one asked for by hash: ignores EIP-1898, "
                     "or block.number is another chain's");
    return false;
}

/* A server that cannot run code without a contract names no block, and is taken at its word. */
static bool take_where(struct chain_poll *poll, struct chain__endpoint *e,
                       const struct chain_rpc_reply *reply, size_t index)
{
    struct base_buf buf;
    base_buf_init(&buf, 256);
    bool names = chain_rpc_reply_data(&buf, reply, index) == BASE_OK && buf.len == 64;
    const uint8_t *data = (const uint8_t *)buf.data;
    bool ok = !names || is_where(&e->read, data, data + 32);
    base_buf_deinit(&buf);
    return ok ? true : other_block(poll, e);
}

static void add_where(struct chain_multicall *m)
{
    struct base_buf call;
    base_buf_init(&call, CHAIN_ABI_SELECTOR_BYTES);
    chain_multicall_call_block_number(&call);
    chain_multicall_add(m, &chain_multicall_address, call.data, call.len);
    base_buf_clear(&call);
    chain_multicall_call_last_block_hash(&call);
    chain_multicall_add(m, &chain_multicall_address, call.data, call.len);
    base_buf_deinit(&call);
}

/* BASE_EMALFORMED: no such answer. *is_here: is it of our block? */
static int read_where(bool *is_here, const struct chain__read *read,
                      struct chain_multicall_reply *results)
{
    struct base_slice number, parent;
    bool ok_number, ok_parent;
    *is_here = false;
    chain_multicall_reply_next(results, &ok_number, &number);
    int rv = chain_multicall_reply_next(results, &ok_parent, &parent);
    if (rv != BASE_OK) return rv;
    if (!ok_number || !ok_parent || number.len != 32 || parent.len != 32) return BASE_EMALFORMED;
    *is_here = is_where(read, number.data, parent.data);
    return BASE_OK;
}

/* ---- the probe: kmsRootAddress, totalSupply [, Multicall3] [, where] ---- */

static void ask_call(struct chain_poll *poll, struct chain__endpoint *e,
                     const struct base_eth_address *to, struct base_buf *call)
{
    chain_rpc_ask_call_at(&e->request, to, call->data, call->len, &poll->round.block.hash);
    if (call->failed) e->request.buf.failed = true;
    base_buf_clear(call);
}

void chain__ask_probe(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct base_buf call;
    base_buf_init(&call, CHAIN_ABI_CALL_BYTES_MAX);
    chain_prototype_call_kms_root(&call);
    ask_call(poll, e, &poll->contract, &call);
    chain_prototype_call_total_supply(&call);
    ask_call(poll, e, &poll->contract, &call);
    if (e->multicall != CHAIN__MULTICALL_NONE) {
        struct chain_multicall m;
        chain_multicall_init(&m, 2);
        add_where(&m);
        chain_multicall_finish(&m, &call);
        ask_call(poll, e, &chain_multicall_address, &call);
    }
    if (e->multicall != CHAIN__MULTICALL_THERE)
        chain_rpc_ask_create_at(&e->request, where_code, sizeof where_code,
                                &poll->round.block.hash);
    base_buf_deinit(&call);
}

static bool take_multicall(struct chain_poll *poll, struct chain__endpoint *e,
                           const struct chain_rpc_reply *reply, size_t index)
{
    struct chain_multicall_reply results;
    struct base_buf buf;
    bool is_here = false;
    base_buf_init(&buf, 1024);
    int rv = chain_rpc_reply_data(&buf, reply, index);
    if (rv == BASE_OK) rv = chain_multicall_reply_init(&results, buf.data, buf.len, 2);
    if (rv == BASE_OK) rv = read_where(&is_here, &e->read, &results);
    if (rv == BASE_OK) rv = chain_multicall_reply_end(&results);
    base_buf_deinit(&buf);
    e->multicall = rv == BASE_OK ? CHAIN__MULTICALL_THERE : CHAIN__MULTICALL_NONE;
    return rv == BASE_OK && !is_here ? other_block(poll, e) : true;
}

/* What the contract itself answered to call index; *rv the error when it has none. */
static bool get_answer(struct base_buf *buf, int *rv, const struct chain_rpc_reply *reply,
                       size_t index)
{
    base_buf_clear(buf);
    *rv = chain_rpc_reply_data(buf, reply, index);
    return *rv == BASE_OK && buf->len > 0;
}

static bool is_server_error(const struct chain_rpc_reply *reply, size_t index)
{
    struct chain_rpc_error error;
    return chain_rpc_reply_error(&error, reply, index) == BASE_OK &&
           !chain_rpc_error_is_revert(&error);
}

bool chain__has_no_state(const struct chain_rpc_reply *reply)
{
    size_t len;
    int rv = chain_rpc_reply_data_len(&len, reply, 0);
    return (rv == BASE_OK && len == 0) || (rv == BASE_EREMOTE && !is_server_error(reply, 0));
}

/* Neither contract: in words, what is there. */
static void say_neither(struct chain_poll *poll, struct chain__endpoint *e, bool has_root,
                        bool has_supply)
{
    const char *what = "code that answers neither clusterState() nor kmsRootAddress()";
    if (has_root)
        what = "kmsRootAddress() but no totalSupply(), and no clusterState()";
    else if (has_supply)
        what = "a token with totalSupply(), but neither clusterState() nor kmsRootAddress()";
    char why[CHAIN_POLL_TEXT_BYTES];
    snprintf(why, sizeof why,
             "at the contract's address is %s: not our contract nor the prototype's", what);
    chain__lose_vote(poll, e, why);
}

static bool take_probe(struct chain_poll *poll, struct chain__endpoint *e,
                       const struct chain_rpc_reply *reply, size_t index, struct base_buf *buf)
{
    struct chain__read *read = &e->read;
    int rv_root, rv_supply;
    uint64_t supply = 0;
    bool has_root = get_answer(buf, &rv_root, reply, index);
    if (has_root) {
        rv_root = chain_contract_decode_address(&read->state.kms_root, buf->data, buf->len);
        hash_result(&read->root_hash, true, buf->data, buf->len);
    }
    has_root = has_root && rv_root == BASE_OK;
    bool has_supply = get_answer(buf, &rv_supply, reply, index + 1);
    if (has_supply) {
        rv_supply = chain_contract_decode_u64(&supply, buf->data, buf->len);
        hash_result(&read->supply_hash, true, buf->data, buf->len);
    }
    has_supply = has_supply && rv_supply == BASE_OK;
    read->token_count = supply + 1;
    if (has_root && has_supply && supply < CHAIN__TOKENS_MAX) return true;
    if (has_root && has_supply) {
        chain__lose_vote(poll, e, "totalSupply(): more seats than a mesh can hold");
    } else if (is_server_error(reply, index)) {
        chain__lose_block(poll, e, "kmsRootAddress", reply, index);
    } else if (is_server_error(reply, index + 1)) {
        chain__lose_block(poll, e, "totalSupply", reply, index + 1);
    } else {
        say_neither(poll, e, has_root, has_supply);
    }
    return false;
}

static bool seats_stand(const struct chain_poll *poll, const struct chain__read *read)
{
    return poll->round.has_base && !poll->round.read_all &&
           base_hash32_equal(&read->supply_hash, &poll->supply_hash);
}

static void begin_seats(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct chain__read *read = &e->read;
    if (poll->kind == CHAIN_KIND_NFTMESH || seats_stand(poll, read)) {
        read->stage = CHAIN__STAGE_STANDS;
        read->seats_hash = poll->seats_hash;
        return;
    }
    read->stage = CHAIN__STAGE_OWNERS;
    read->token_next = 0;
    base_keccak256_init(&read->digesting);
    read->seats = calloc((size_t)read->token_count, sizeof *read->seats);
    if (read->seats == NULL) chain__endpoint_fail(poll, e, "no memory for its seats");
}

void chain__probe_replied(struct chain_poll *poll, struct chain__endpoint *e,
                          const struct chain_rpc_reply *reply, size_t index)
{
    struct base_buf buf;
    size_t where = index + 2;
    enum chain__multicall asked = e->multicall;
    base_buf_init(&buf, 4096);
    bool ok = take_probe(poll, e, reply, index, &buf);
    base_buf_deinit(&buf);
    if (!ok) return;
    if (asked != CHAIN__MULTICALL_NONE && !take_multicall(poll, e, reply, where++)) return;
    if (asked != CHAIN__MULTICALL_THERE && !take_where(poll, e, reply, where++)) return;
    if (e->logs.barred) {
        chain__lose_vote(poll, e, "shows transfers that the other endpoints deny");
        return;
    }
    e->read.kind = CHAIN_KIND_PROTOTYPE;
    e->read.has_state = true;
    if (poll->kind != CHAIN_KIND_NFTMESH) chain__moves_begin(poll, e);
    begin_seats(poll, e);
    if (e->read.has_state && e->with_logs) chain__logs_up_replied(poll, e, reply, where);
    if (e->read.has_state) chain__prototype_settle(poll, e);
}

/* ---- tokens ---- */

bool chain__wants_seats(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    const struct chain__read *read = &e->read;
    return chain__is_on_block(poll, e) && chain__endpoint_counts(poll, e) && read->has_state &&
           read->kind == CHAIN_KIND_PROTOTYPE && !read->no_vote &&
           (read->stage == CHAIN__STAGE_OWNERS || read->stage == CHAIN__STAGE_URLS);
}

static bool is_asked(const struct chain__read *read, uint64_t token)
{
    const struct base_eth_address *instance = &read->seats[token].instance;
    return read->stage == CHAIN__STAGE_OWNERS ||
           !base_is_zero(instance->bytes, sizeof instance->bytes);
}

/* The two calls about a token in the running stage. */
static void call_token(struct base_buf *out, const struct chain__read *read, uint64_t token,
                       size_t which)
{
    struct base_u256 id = base_u256_from_u64(token);
    const struct base_eth_address *instance = &read->seats[token].instance;
    base_buf_clear(out);
    if (read->stage == CHAIN__STAGE_OWNERS && which == 0)
        chain_prototype_call_owner_of(out, &id);
    else if (read->stage == CHAIN__STAGE_OWNERS)
        chain_prototype_call_token_to_instance(out, &id);
    else if (which == 0)
        chain_prototype_call_active_instances(out, instance);
    else
        chain_prototype_call_instance_to_url(out, instance);
}

/* The next tokens to ask for, at most as many as fit; how many of them are asked for. */
static size_t choose_chunk(struct chain__endpoint *e)
{
    const struct chain__read *read = &e->read;
    uint64_t max =
        e->multicall == CHAIN__MULTICALL_THERE ? CHAIN__CHUNK_MAX : CHAIN__CHUNK_BATCH_MAX;
    size_t count = 0;
    if (e->chunk == 0 || e->chunk > max) e->chunk = max;
    e->chunk_first = e->chunk_last = read->token_next;
    while (e->chunk_last < read->token_count && count < e->chunk)
        count += is_asked(read, e->chunk_last++) ? 1 : 0;
    return count;
}

static void ask_multicall(struct chain_poll *poll, struct chain__endpoint *e, size_t count)
{
    struct chain_multicall m;
    struct base_buf call;
    base_buf_init(&call, CHAIN_ABI_CALL_BYTES_MAX);
    chain_multicall_init(&m, 2 + 2 * count);
    add_where(&m);
    for (uint64_t t = e->chunk_first; t < e->chunk_last; t++)
        for (size_t which = 0; which < 2 && is_asked(&e->read, t); which++) {
            call_token(&call, &e->read, t, which);
            chain_multicall_add(&m, &poll->contract, call.data, call.len);
        }
    base_buf_clear(&call);
    chain_multicall_finish(&m, &call);
    ask_call(poll, e, &chain_multicall_address, &call);
    base_buf_deinit(&call);
}

void chain__ask_seats(struct chain_poll *poll, struct chain__endpoint *e)
{
    size_t count = choose_chunk(e);
    if (e->multicall == CHAIN__MULTICALL_THERE) {
        ask_multicall(poll, e, count);
        return;
    }
    struct base_buf call;
    base_buf_init(&call, 256);
    chain_rpc_ask_create_at(&e->request, where_code, sizeof where_code, &poll->round.block.hash);
    for (uint64_t t = e->chunk_first; t < e->chunk_last; t++)
        for (size_t which = 0; which < 2 && is_asked(&e->read, t); which++) {
            call_token(&call, &e->read, t, which);
            ask_call(poll, e, &poll->contract, &call);
        }
    base_buf_deinit(&call);
}

static int take_token(struct chain__read *read, uint64_t token, size_t which, bool success,
                      struct base_slice data)
{
    struct chain_seat *seat = &read->seats[token];
    struct base_hash32 hash;
    hash_result(&hash, success, data.data, data.len);
    base_keccak256_update(&read->digesting, hash.bytes, sizeof hash.bytes);
    if (!success) return BASE_OK;
    int rv;
    if (read->stage == CHAIN__STAGE_OWNERS && which == 0)
        rv = chain_contract_decode_address(&seat->owner, data.data, data.len);
    else if (read->stage == CHAIN__STAGE_OWNERS)
        rv = chain_prototype_decode_instance(&seat->instance, data.data, data.len);
    else if (which == 0)
        rv = chain_contract_decode_bool(&seat->active, data.data, data.len);
    else
        rv = chain_prototype_decode_url(seat->url, &seat->url_len, &seat->url_too_long, data.data,
                                        data.len);
    return rv == BASE_OK ? BASE_OK : BASE_EMALFORMED;
}

static bool is_unowned(const struct chain_seat *seat)
{
    return base_is_zero(seat->owner.bytes, sizeof seat->owner.bytes);
}

/* All is read: only tokens that exist are seats. */
static void finish_seats(struct chain__endpoint *e)
{
    struct chain__read *read = &e->read;
    size_t count = 0;
    for (uint64_t t = 0; t < read->token_count; t++) {
        if (is_unowned(&read->seats[t])) continue;
        read->seats[count] = read->seats[t];
        read->seats[count].token_id = base_u256_from_u64(t);
        read->seats[count++].weight = 1;
    }
    read->seat_count = count;
    base_keccak256_final(&read->digesting, &read->seats_hash);
    read->stage = CHAIN__STAGE_READ;
    if (e->chunk < CHAIN__CHUNK_MAX) e->chunk *= 2;
}

static void chunk_taken(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct chain__read *read = &e->read;
    read->token_next = e->chunk_last;
    while (true) {
        while (read->token_next < read->token_count && !is_asked(read, read->token_next))
            read->token_next++;
        if (read->token_next < read->token_count) return;
        if (read->stage == CHAIN__STAGE_URLS) break;
        read->stage = CHAIN__STAGE_URLS;
        read->token_next = 0;
    }
    finish_seats(e);
    chain__prototype_settle(poll, e);
}

/* Perhaps it was too much at once: one token's long text must not hide the others'. */
void chain__seats_failed(struct chain__endpoint *e)
{
    if (e->chunk > 1) e->chunk /= 2;
}

/* Out of gas inside of an aggregate looks like a revert without words; ownerOf never reverts so. */
static int check_gas(struct chain_multicall_reply results, const struct chain__endpoint *e,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool success;
        struct base_slice data;
        int rv = chain_multicall_reply_next(&results, &success, &data);
        if (rv != BASE_OK) return rv;
        if (!success && data.len == 0 && e->chunk > 1) return BASE_ETOOBIG;
    }
    return chain_multicall_reply_end(&results);
}

static int take_aggregate(bool *is_here, struct chain__endpoint *e, const struct base_buf *buf)
{
    struct chain_multicall_reply results;
    size_t count = 0;
    for (uint64_t t = e->chunk_first; t < e->chunk_last; t++)
        count += is_asked(&e->read, t) ? 2 : 0;
    int rv = chain_multicall_reply_init(&results, buf->data, buf->len, 2 + count);
    if (rv == BASE_OK) rv = read_where(is_here, &e->read, &results);
    if (rv == BASE_OK && !*is_here) return BASE_OK;
    if (rv == BASE_OK) rv = check_gas(results, e, count);
    for (uint64_t t = e->chunk_first; rv == BASE_OK && t < e->chunk_last; t++) {
        bool asked = is_asked(&e->read, t); /* before its instance is known */
        for (size_t which = 0; rv == BASE_OK && which < 2 && asked; which++) {
            bool success;
            struct base_slice data;
            rv = chain_multicall_reply_next(&results, &success, &data);
            if (rv == BASE_OK) rv = take_token(&e->read, t, which, success, data);
        }
    }
    return rv;
}

static void aggregate_replied(struct chain_poll *poll, struct chain__endpoint *e,
                              const struct chain_rpc_reply *reply)
{
    struct base_buf buf;
    bool is_here = false;
    base_buf_init(&buf, RESULT_BYTES_MAX);
    int rv = chain_rpc_reply_data(&buf, reply, 0);
    if (rv == BASE_OK) rv = take_aggregate(&is_here, e, &buf);
    base_buf_deinit(&buf);
    if (rv == BASE_OK && !is_here) {
        (void)other_block(poll, e);
    } else if (rv == BASE_OK) {
        chunk_taken(poll, e);
    } else if (rv == BASE_ETOOBIG && e->chunk > 1) {
        chain__seats_failed(e); /* asked again, for less */
    } else if (rv == BASE_EREMOTE) {
        chain__seats_failed(e);
        chain__lose_block(poll, e, "aggregate3", reply, 0);
    } else {
        char why[CHAIN_POLL_TEXT_BYTES];
        chain__describe(why, "tokens by aggregate3", rv, reply, 0);
        chain__lose_vote(poll, e, why);
    }
}

/* One call of a batch: an answer, a revert, or an error of the server's. */
static int take_call(struct chain__endpoint *e, const struct chain_rpc_reply *reply, size_t index,
                     uint64_t token, size_t which, struct base_buf *buf)
{
    base_buf_clear(buf);
    int rv = chain_rpc_reply_data(buf, reply, index);
    if (rv == BASE_EREMOTE && is_server_error(reply, index)) return rv;
    if (rv != BASE_OK && rv != BASE_EREMOTE) return rv;
    struct base_slice data = {.data = (const uint8_t *)buf->data, .len = buf->len};
    return take_token(&e->read, token, which, rv == BASE_OK, data);
}

static void batch_replied(struct chain_poll *poll, struct chain__endpoint *e,
                          const struct chain_rpc_reply *reply)
{
    struct base_buf buf;
    size_t index = 1;
    int rv = BASE_OK;
    if (!take_where(poll, e, reply, 0)) return;
    base_buf_init(&buf, RESULT_BYTES_MAX);
    for (uint64_t t = e->chunk_first; rv == BASE_OK && t < e->chunk_last; t++) {
        bool asked = is_asked(&e->read, t); /* before its instance is known */
        for (size_t which = 0; rv == BASE_OK && which < 2 && asked; which++)
            rv = take_call(e, reply, index++, t, which, &buf);
    }
    base_buf_deinit(&buf);
    if (rv == BASE_OK) {
        chunk_taken(poll, e);
    } else if (rv == BASE_EREMOTE) {
        chain__lose_block(poll, e, "a token's eth_call", reply, index - 1);
    } else {
        char why[CHAIN_POLL_TEXT_BYTES];
        chain__describe(why, "a token", rv, reply, index - 1);
        chain__lose_vote(poll, e, why);
    }
}

void chain__seats_replied(struct chain_poll *poll, struct chain__endpoint *e,
                          const struct chain_rpc_reply *reply)
{
    if (e->multicall == CHAIN__MULTICALL_THERE)
        aggregate_replied(poll, e, reply);
    else
        batch_replied(poll, e, reply);
}

/* ---- complete ---- */

void chain__seats_unsettle(struct chain_poll *poll)
{
    if (poll->round.read_all) return;
    poll->round.read_all = true;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        if (e->read.kind != CHAIN_KIND_PROTOTYPE || e->read.stage != CHAIN__STAGE_STANDS) continue;
        e->read.complete = false;
        begin_seats(poll, e);
    }
}

/* digest = keccak256(chain id || contract || block hash || keccak256(0), clusterState's, ||
 * keccak256(1 || kmsRootAddress) || keccak256(1 || totalSupply) || keccak256(tokens' results)). */
static void make_digest(const struct chain_poll *poll, struct chain__read *read)
{
    struct base_u256 chain_id = base_u256_from_u64(poll->chain_id);
    struct base_hash32 reverted;
    struct base_keccak256 k;
    hash_result(&reverted, false, NULL, 0);
    base_keccak256_init(&k);
    base_keccak256_update(&k, chain_id.bytes, sizeof chain_id.bytes);
    base_keccak256_update(&k, poll->contract.bytes, sizeof poll->contract.bytes);
    base_keccak256_update(&k, read->block.hash.bytes, sizeof read->block.hash.bytes);
    base_keccak256_update(&k, reverted.bytes, sizeof reverted.bytes);
    base_keccak256_update(&k, read->root_hash.bytes, sizeof read->root_hash.bytes);
    base_keccak256_update(&k, read->supply_hash.bytes, sizeof read->supply_hash.bytes);
    base_keccak256_update(&k, read->seats_hash.bytes, sizeof read->seats_hash.bytes);
    base_keccak256_final(&k, &read->digest);
}

/* What a node sees as one and the same registry: the same without the block. */
static void make_revision(struct chain__read *read)
{
    struct base_keccak256 k;
    base_keccak256_init(&k);
    base_keccak256_update(&k, read->root_hash.bytes, sizeof read->root_hash.bytes);
    base_keccak256_update(&k, read->supply_hash.bytes, sizeof read->supply_hash.bytes);
    base_keccak256_update(&k, read->seats_hash.bytes, sizeof read->seats_hash.bytes);
    base_keccak256_final(&k, &read->state.revision);
}

void chain__prototype_settle(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct chain__read *read = &e->read;
    bool has_seats = read->stage == CHAIN__STAGE_READ || read->stage == CHAIN__STAGE_STANDS;
    if (read->complete || read->no_vote || !has_seats) return;
    bool has_logs =
        poll->kind == CHAIN_KIND_NFTMESH ||
        (chain__logs_are_read(poll, e) && (!poll->round.is_reorg || poll->round.is_cut));
    if (!has_logs) return;
    make_digest(poll, read);
    make_revision(read);
    read->complete = true;
}
