#include "json_vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/abi.h"
#include "chain/contract.h"

/* Our contract's calls and answers, held against what ethers encodes (contracts/vectors). */

static struct base_u256 number(const json_t *value)
{
    struct base_u256 out;
    assert_int_equal(base_u256_parse(&out, json_string_value(value)), BASE_OK);
    return out;
}

static uint64_t small(const json_t *value)
{
    struct base_u256 wide = number(value);
    uint64_t out;
    assert_int_equal(base_u256_to_u64(&out, &wide), BASE_OK);
    return out;
}

static struct base_eth_address address(const json_t *value)
{
    struct base_eth_address out;
    assert_int_equal(base_address_parse(&out, json_string_value(value)), BASE_OK);
    return out;
}

static void fixed(void *out, size_t len, const json_t *value)
{
    size_t n;
    uint8_t *bytes = json_vectors_decode_new(&n, json_string_value(value));
    assert_int_equal(n, len);
    memcpy(out, bytes, len);
    free(bytes);
}

/* The vectors have v as the contract wants it. */
static struct base_sig65 signature(const json_t *value)
{
    struct base_sig65 out;
    fixed(out.bytes, sizeof out.bytes, value);
    out.bytes[64] = (uint8_t)(out.bytes[64] - 27);
    return out;
}

static const json_t *arg(const json_t *c, size_t index)
{
    return json_array_get(json_object_get(c, "args"), index);
}

static void check_bytes(const struct base_buf *got, const json_t *c, const char *key)
{
    size_t len;
    uint8_t *want = json_vectors_hex_new(&len, c, key);
    assert_false(got->failed);
    assert_int_equal(got->len, len);
    assert_memory_equal(got->data, want, len);
    free(want);
}

/* ---- calls ---- */

static void put_register(struct base_buf *out, const json_t *c)
{
    const json_t *b = arg(c, 0), *chain = arg(c, 3), *url = json_object_get(b, "url");
    struct base_binding binding = {.token_id = number(json_object_get(b, "tokenId")),
                                   .owner = address(json_object_get(b, "owner")),
                                   .instance = address(json_object_get(b, "instance")),
                                   .url = json_string_value(url),
                                   .url_len = json_string_length(url),
                                   .nonce = small(json_object_get(b, "nonce")),
                                   .expires_at = small(json_object_get(b, "expiresAt")),
                                   .deadline = small(json_object_get(b, "deadline"))};
    struct chain_register args = {.app_id = address(json_object_get(chain, "appId")),
                                  .app_sig = signature(json_object_get(chain, "appSig")),
                                  .kms_sig = signature(json_object_get(chain, "kmsSig")),
                                  .node_sig = signature(arg(c, 4)),
                                  .proof_sig = signature(arg(c, 5))};
    fixed(binding.node_key.bytes, 33, json_object_get(b, "nodeKey"));
    fixed(binding.proof_key.bytes, 33, json_object_get(b, "proofKey"));
    fixed(args.node_xy, 64, arg(c, 1));
    fixed(args.proof_xy, 64, arg(c, 2));
    fixed(args.app_xy, 64, json_object_get(chain, "appXY"));
    uint8_t owner_sig[CHAIN_OWNER_SIG_BYTES_MAX];
    args.owner_sig.data = owner_sig;
    assert_int_equal(base_hex_decode_var(owner_sig, &args.owner_sig.len, sizeof owner_sig,
                                         json_string_value(arg(c, 6))),
                     BASE_OK);
    chain_contract_call_register(out, &binding, &args);
}

static void put_renewal(struct base_buf *out, const json_t *c)
{
    const json_t *r = arg(c, 0);
    uint8_t owner_sig[65];
    struct base_slice sig = {owner_sig, sizeof owner_sig};
    fixed(owner_sig, sizeof owner_sig, arg(c, 1));
    struct base_renewal renewal = {.token_id = number(json_object_get(r, "tokenId")),
                                   .nonce = small(json_object_get(r, "nonce")),
                                   .expires_at = small(json_object_get(r, "expiresAt")),
                                   .deadline = small(json_object_get(r, "deadline"))};
    fixed(renewal.node_key.bytes, 33, json_object_get(r, "nodeKey"));
    chain_contract_call_renew(out, &renewal, &sig);
}

static void put_endpoint(struct base_buf *out, const json_t *c)
{
    const json_t *e = arg(c, 0), *url = json_object_get(e, "url");
    struct base_sig65 sig = signature(arg(c, 1));
    struct base_endpoint endpoint = {.token_id = number(json_object_get(e, "tokenId")),
                                     .url = json_string_value(url),
                                     .url_len = json_string_length(url),
                                     .nonce = small(json_object_get(e, "nonce")),
                                     .deadline = small(json_object_get(e, "deadline"))};
    fixed(endpoint.node_key.bytes, 33, json_object_get(e, "nodeKey"));
    chain_contract_call_set_endpoint(out, &endpoint, &sig);
}

/* Calls that nobody here makes by a function of their own. */
static void put_token_to_instance(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "tokenToInstance(uint256)", token_id);
}

static void put_weight_behind(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "weightBehind(uint256)", token_id);
}

static void put_instance_to_token(struct base_buf *out, const struct base_eth_address *instance)
{
    chain_abi_call_address(out, "instanceToToken(address)", instance);
}

static void put_wallet_to_token_id(struct base_buf *out, const struct base_eth_address *wallet)
{
    chain_abi_call_address(out, "walletToTokenId(address)", wallet);
}

/* The calls that differ in their selector and in one or two plain words only. */
static const struct {
    const char *function;
    void (*put)(struct base_buf *out, const struct base_u256 *token_id);
} token_calls[] = {
    {"ownerOf(uint256)", chain_contract_call_owner_of},
    {"nonceOf(uint256)", chain_contract_call_nonce_of},
    {"tokenToInstance(uint256)", put_token_to_instance},
    {"weightBehind(uint256)", put_weight_behind},
    {"deactivateInstance(uint256)", chain_contract_call_deactivate},
    {"cancel(uint256)", chain_contract_call_cancel},
    {"burn(uint256)", chain_contract_call_burn},
    {"unbindWeight(uint256)", chain_contract_call_unbind_weight},
};
static const struct {
    const char *function;
    void (*put)(struct base_buf *out, const struct base_eth_address *address);
} address_calls[] = {
    {"rootEpochOf(address)", chain_contract_call_root_epoch_of},
    {"instanceToToken(address)", put_instance_to_token},
    {"walletToTokenId(address)", put_wallet_to_token_id},
    {"mintNodeAccess(address)", chain_contract_call_mint},
    {"balanceOf(address)", chain_contract_call_balance_of},
    {"setKmsRootAddress(address)", chain_contract_call_set_kms_root},
};
static const struct {
    const char *function;
    void (*put)(struct base_buf *out, const struct base_u256 *token_id,
                const struct base_eth_address *instance);
} token_instance_calls[] = {
    {"registerInstance(uint256,address)", chain_contract_call_register_instance},
    {"bindWeight(uint256,address)", chain_contract_call_bind_weight},
};

/* False for a function that is none of these. */
static bool put_simple_call(struct base_buf *out, const json_t *c, const char *function)
{
    struct base_u256 token;
    struct base_eth_address who;
    if (json_array_size(json_object_get(c, "args")) == 0)
        return chain_abi_call(out, function), true;
    for (size_t i = 0; i < sizeof token_calls / sizeof token_calls[0]; i++)
        if (strcmp(function, token_calls[i].function) == 0) {
            token = number(arg(c, 0));
            return token_calls[i].put(out, &token), true;
        }
    for (size_t i = 0; i < sizeof address_calls / sizeof address_calls[0]; i++)
        if (strcmp(function, address_calls[i].function) == 0) {
            who = address(arg(c, 0));
            return address_calls[i].put(out, &who), true;
        }
    for (size_t i = 0; i < sizeof token_instance_calls / sizeof token_instance_calls[0]; i++)
        if (strcmp(function, token_instance_calls[i].function) == 0) {
            token = number(arg(c, 0));
            who = address(arg(c, 1));
            return token_instance_calls[i].put(out, &token, &who), true;
        }
    return false;
}

static void put_call(struct base_buf *out, const json_t *c)
{
    const char *function = json_vectors_string(c, "function");
    if (strcmp(function, "clusterState()") == 0) {
        chain_contract_call_cluster_state(out);
    } else if (put_simple_call(out, c, function)) {
        return;
    } else if (strcmp(function, "membersPage(uint256,uint256)") == 0) {
        chain_contract_call_members_page(out, small(arg(c, 0)), small(arg(c, 1)));
    } else if (strcmp(function, "transferFrom(address,address,uint256)") == 0) {
        struct base_eth_address from = address(arg(c, 0)), to = address(arg(c, 1));
        struct base_u256 token = number(arg(c, 2));
        chain_contract_call_transfer(out, &from, &to, &token);
    } else if (strcmp(function, "setDevMode(bool)") == 0) {
        chain_contract_call_set_dev_mode(out, json_is_true(arg(c, 0)));
    } else if (strncmp(function, "register(", 9) == 0) {
        put_register(out, c);
    } else if (strncmp(function, "renew(", 6) == 0) {
        put_renewal(out, c);
    } else if (strncmp(function, "setEndpoint(", 12) == 0) {
        put_endpoint(out, c);
    } else {
        fail_msg("%s: nothing here makes it", function);
    }
}

static void test_calldata(void **state)
{
    const json_t *c = *state;
    struct base_buf buf;
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    put_call(&buf, c);
    check_bytes(&buf, c, "calldata");
    base_buf_deinit(&buf);
}

static void test_register_refuses_a_foreign_v(void **state)
{
    (void)state;
    struct base_buf buf;
    struct base_binding binding = {.url = "", .url_len = 0};
    struct chain_register args = {.owner_sig = {NULL, 0}};
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    chain_contract_call_register(&buf, &binding, &args);
    assert_false(buf.failed);
    base_buf_clear(&buf);
    args.app_sig.bytes[64] = 27; /* what an agent must not send */
    chain_contract_call_register(&buf, &binding, &args);
    assert_true(buf.failed);
    base_buf_clear(&buf);
    args.app_sig.bytes[64] = 1;
    static const uint8_t long_sig[CHAIN_OWNER_SIG_BYTES_MAX + 1];
    args.owner_sig = (struct base_slice){long_sig, CHAIN_OWNER_SIG_BYTES_MAX};
    chain_contract_call_register(&buf, &binding, &args);
    assert_false(buf.failed);
    base_buf_clear(&buf);
    args.owner_sig.len++;
    chain_contract_call_register(&buf, &binding, &args);
    assert_true(buf.failed);
    base_buf_deinit(&buf);
}

/* ---- answers ---- */

static void check_cluster_state(const json_t *c, const json_t *v, const uint8_t *data, size_t len)
{
    struct chain_cluster_state s;
    struct base_buf buf;
    struct base_hash32 hash;
    struct base_eth_address root = address(json_array_get(v, 0));
    assert_int_equal(chain_contract_decode_cluster_state(&s, data, len), BASE_OK);
    assert_true(base_address_equal(&s.kms_root, &root));
    assert_int_equal(s.root_epoch, small(json_array_get(v, 1)));
    assert_int_equal(s.app_id_count, json_array_size(json_array_get(v, 2)));
    for (size_t i = 0; i < s.app_id_count; i++) {
        struct base_eth_address id = address(json_array_get(json_array_get(v, 2), i));
        assert_true(base_address_equal(&s.app_ids[i], &id));
    }
    assert_int_equal(s.seat_count, small(json_array_get(v, 3)));
    fixed(hash.bytes, 32, json_array_get(v, 4));
    assert_true(base_hash32_equal(&s.revision, &hash));
    assert_int_equal(s.block_number, small(json_array_get(v, 5)));
    fixed(hash.bytes, 32, json_array_get(v, 6));
    assert_true(base_hash32_equal(&s.parent_hash, &hash));
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    assert_int_equal(chain_contract_encode_cluster_state(&buf, &s), BASE_OK);
    check_bytes(&buf, c, "returndata");
    base_buf_deinit(&buf);
}

static void check_seat(const struct chain_seat *s, const json_t *m)
{
    struct base_u256 token = number(json_object_get(m, "tokenId"));
    struct base_eth_address owner = address(json_object_get(m, "owner"));
    struct base_eth_address bound_by = address(json_object_get(m, "boundBy"));
    struct base_eth_address instance = address(json_object_get(m, "instance"));
    struct base_eth_address app_id = address(json_object_get(m, "appId"));
    assert_true(base_u256_equal(&s->token_id, &token));
    assert_true(base_address_equal(&s->owner, &owner));
    assert_true(base_address_equal(&s->bound_by, &bound_by));
    assert_true(base_address_equal(&s->instance, &instance));
    assert_true(base_address_equal(&s->app_id, &app_id));
    assert_int_equal(s->has_keys, strcmp(json_vectors_string(m, "nodeKey"), "0x") != 0);
    if (s->has_keys) {
        struct base_key33 key;
        fixed(key.bytes, 33, json_object_get(m, "nodeKey"));
        assert_true(base_key33_equal(&s->node_key, &key));
        fixed(key.bytes, 33, json_object_get(m, "proofKey"));
        assert_true(base_key33_equal(&s->proof_key, &key));
    }
    assert_int_equal(s->root_epoch, small(json_object_get(m, "rootEpoch")));
    assert_int_equal(s->expires_at, small(json_object_get(m, "expiresAt")));
    assert_int_equal(s->suspended_until, small(json_object_get(m, "suspendedUntil")));
    assert_int_equal(s->active, json_is_true(json_object_get(m, "active")));
    assert_int_equal(s->weight, small(json_object_get(m, "weight")));
    assert_int_equal(s->nonce, small(json_object_get(m, "nonce")));
    assert_string_equal(s->url, json_vectors_string(m, "url"));
    assert_int_equal(s->url_len, strlen(s->url));
}

static void check_members(const json_t *c, const json_t *v, const uint8_t *data, size_t len)
{
    struct chain_seat seats[CHAIN_PAGE_SEATS];
    struct base_buf buf;
    size_t count;
    assert_int_equal(chain_contract_decode_members(seats, &count, data, len), BASE_OK);
    assert_int_equal(count, json_array_size(json_array_get(v, 0)));
    for (size_t i = 0; i < count; i++)
        check_seat(&seats[i], json_array_get(json_array_get(v, 0), i));
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    assert_int_equal(chain_contract_encode_members(&buf, seats, count), BASE_OK);
    check_bytes(&buf, c, "returndata");
    base_buf_deinit(&buf);
}

static void check_value(const json_t *v, const char *function, const uint8_t *data, size_t len)
{
    if (json_is_boolean(v)) {
        bool got;
        assert_int_equal(chain_contract_decode_bool(&got, data, len), BASE_OK);
        assert_int_equal(got, json_is_true(v));
    } else if (strncmp(json_string_value(v), "0x", 2) == 0) {
        struct base_eth_address got, want = address(v);
        assert_int_equal(chain_contract_decode_address(&got, data, len), BASE_OK);
        assert_true(base_address_equal(&got, &want));
    } else if (strcmp(function, "nonceOf(uint256)") == 0 ||
               strcmp(function, "rootEpochOf(address)") == 0) {
        uint64_t got;
        assert_int_equal(chain_contract_decode_u64(&got, data, len), BASE_OK);
        assert_int_equal(got, small(v));
    } else {
        struct base_u256 got, want = number(v);
        assert_int_equal(chain_contract_decode_u256(&got, data, len), BASE_OK);
        assert_true(base_u256_equal(&got, &want));
    }
}

static void test_returndata(void **state)
{
    const json_t *c = *state, *v = json_object_get(c, "values");
    const char *function = json_vectors_string(c, "function");
    size_t len;
    uint8_t *data = json_vectors_hex_new(&len, c, "returndata");
    if (strcmp(function, "clusterState()") == 0) {
        check_cluster_state(c, v, data, len);
    } else if (strncmp(function, "membersPage(", 12) == 0) {
        check_members(c, v, data, len);
    } else {
        check_value(json_array_get(v, 0), function, data, len);
    }
    free(data);
}

/* Every shorter prefix, and one byte more, is refused: nothing is read past the end or left. */
static void test_cut_and_longer_returndata(void **state)
{
    const json_t *c = *state;
    struct chain_seat seats[CHAIN_PAGE_SEATS];
    struct chain_cluster_state cluster;
    size_t len, count;
    bool is_members = strncmp(json_vectors_string(c, "function"), "membersPage(", 12) == 0;
    uint8_t *data = json_vectors_hex_new(&len, c, "returndata");
    for (size_t cut = 0; cut <= len + 1; cut++) {
        if (cut == len) continue;
        uint8_t *exact = calloc(1, cut > 0 ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, data, cut < len ? cut : len);
        int rv = is_members ? chain_contract_decode_members(seats, &count, exact, cut)
                            : chain_contract_decode_cluster_state(&cluster, exact, cut);
        free(exact);
        assert_int_not_equal(rv, BASE_OK);
    }
    free(data);
}

/* ---- what a seat may not be ---- */

static struct chain_seat valid_seat(void)
{
    struct chain_seat seat = {.has_keys = true, .active = true, .weight = 1};
    seat.node_key.bytes[0] = 2;
    seat.proof_key.bytes[0] = 3;
    memcpy(seat.url, "tcp://a.example:1", 17);
    seat.url_len = 17;
    return seat;
}

/* Encodes one seat, changes a byte at offset from the seat's first word, decodes. */
static int decode_changed(const struct chain_seat *seat, size_t offset, uint8_t value)
{
    struct chain_seat seats[CHAIN_PAGE_SEATS];
    struct base_buf buf;
    size_t count;
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    assert_int_equal(chain_contract_encode_members(&buf, seat, 1), BASE_OK);
    uint8_t *data = (uint8_t *)buf.data;
    assert_true(96 + offset < buf.len);
    data[96 + offset] = value;
    int rv = chain_contract_decode_members(seats, &count, data, buf.len);
    if (rv != BASE_OK) assert_int_equal(count, 0);
    base_buf_deinit(&buf);
    return rv;
}

#define WORD(n)       ((size_t)(n)*32)
#define NODE_KEY_TAIL WORD(14) /* length, then 64 bytes for 33 */
#define PROOF_KEY     (NODE_KEY_TAIL + WORD(3))
#define URL_TAIL      (PROOF_KEY + WORD(3))

static void test_seat_refusals(void **state)
{
    (void)state;
    struct chain_seat seat = valid_seat();
    assert_int_equal(decode_changed(&seat, WORD(0), 0), BASE_OK);
    assert_int_equal(decode_changed(&seat, WORD(1), 1), BASE_EMALFORMED);       /* owner */
    assert_int_equal(decode_changed(&seat, WORD(2), 1), BASE_EMALFORMED);       /* bound by */
    assert_int_equal(decode_changed(&seat, WORD(3), 1), BASE_EMALFORMED);       /* instance */
    assert_int_equal(decode_changed(&seat, WORD(4) + 31, 1), BASE_EMALFORMED);  /* key offset */
    assert_int_equal(decode_changed(&seat, WORD(6) + 31, 1), BASE_EMALFORMED);  /* app id */
    assert_int_equal(decode_changed(&seat, WORD(7) + 23, 1), BASE_EMALFORMED);  /* epoch */
    assert_int_equal(decode_changed(&seat, WORD(8) + 23, 1), BASE_EMALFORMED);  /* expiry */
    assert_int_equal(decode_changed(&seat, WORD(9) + 23, 1), BASE_EMALFORMED);  /* suspension */
    assert_int_equal(decode_changed(&seat, WORD(10) + 31, 2), BASE_EMALFORMED); /* active */
    assert_int_equal(decode_changed(&seat, WORD(11) + 27, 1), BASE_EMALFORMED); /* weight */
    assert_int_equal(decode_changed(&seat, WORD(12) + 23, 1), BASE_EMALFORMED); /* nonce */
    assert_int_equal(decode_changed(&seat, NODE_KEY_TAIL + 31, 32), BASE_EMALFORMED);
    assert_int_equal(decode_changed(&seat, NODE_KEY_TAIL + 31, 34), BASE_ETOOBIG);
    assert_int_equal(decode_changed(&seat, NODE_KEY_TAIL + 32, 4), BASE_EMALFORMED); /* prefix */
    assert_int_equal(decode_changed(&seat, PROOF_KEY + 32, 0), BASE_EMALFORMED);
    assert_int_equal(decode_changed(&seat, PROOF_KEY + 32 + 33, 1), BASE_EMALFORMED); /* padding */
    assert_int_equal(decode_changed(&seat, URL_TAIL + 31, 16), BASE_EMALFORMED); /* padding again */
    assert_int_equal(decode_changed(&seat, URL_TAIL + 30, 2), BASE_ETOOBIG);
}

/* One key without the other: a head with a key of length 0 in front of one of 33. */
static void test_half_a_pair_of_keys_is_refused(void **state)
{
    (void)state;
    struct chain_abi_writer w, list, m;
    struct base_buf buf;
    struct chain_seat seats[CHAIN_PAGE_SEATS];
    size_t count;
    static const uint8_t key[33] = {2};
    for (int with_node_key = 0; with_node_key < 2; with_node_key++) {
        base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
        chain_abi_writer_init(&w, 1);
        chain_abi_writer_init(&list, 1);
        chain_abi_writer_init(&m, 14);
        for (int i = 0; i < 4; i++)
            chain_abi_put_u64(&m, 0);
        chain_abi_put_bytes(&m, key, with_node_key ? 33 : 0);
        chain_abi_put_bytes(&m, key, with_node_key ? 0 : 33);
        for (int i = 0; i < 7; i++)
            chain_abi_put_u64(&m, 0);
        chain_abi_put_bytes(&m, "", 0);
        chain_abi_put_tuple(&list, &m);
        chain_abi_put_array(&w, &list, 1);
        assert_int_equal(chain_abi_writer_finish(&w, &buf), BASE_OK);
        assert_int_equal(chain_contract_decode_members(seats, &count, buf.data, buf.len),
                         BASE_EMALFORMED);
        base_buf_deinit(&buf);
    }
}

/* A seat's owner writes the URL: whatever bytes it holds, the registry stays readable. */
static void test_hostile_url_is_kept_as_bytes(void **state)
{
    (void)state;
    struct chain_seat seat = valid_seat(), seats[CHAIN_PAGE_SEATS];
    struct base_buf buf;
    size_t count;
    seat.url_len = CHAIN_URL_BYTES_MAX;
    for (size_t i = 0; i < seat.url_len; i++)
        seat.url[i] = (char)(unsigned char)i; /* NUL, controls, invalid UTF-8 */
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    assert_int_equal(chain_contract_encode_members(&buf, &seat, 1), BASE_OK);
    assert_int_equal(chain_contract_decode_members(seats, &count, buf.data, buf.len), BASE_OK);
    assert_int_equal(seats[0].url_len, CHAIN_URL_BYTES_MAX);
    assert_memory_equal(seats[0].url, seat.url, seat.url_len);
    assert_int_equal(seats[0].url[CHAIN_URL_BYTES_MAX], '\0');
    base_buf_deinit(&buf);
}

static void test_bounds_of_page_and_state(void **state)
{
    (void)state;
    static struct chain_seat many[CHAIN_PAGE_SEATS + 1];
    struct chain_seat seats[CHAIN_PAGE_SEATS];
    struct chain_cluster_state s = {.app_id_count = CHAIN_APP_IDS_MAX,
                                    .seat_count = CHAIN_SEATS_MAX},
                               got;
    struct base_buf buf;
    size_t count;
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    assert_int_equal(chain_contract_encode_members(&buf, many, CHAIN_PAGE_SEATS), BASE_OK);
    assert_int_equal(chain_contract_decode_members(seats, &count, buf.data, buf.len), BASE_OK);
    assert_int_equal(count, CHAIN_PAGE_SEATS);
    base_buf_clear(&buf);
    assert_int_equal(chain_contract_encode_members(&buf, many, CHAIN_PAGE_SEATS + 1), BASE_OK);
    assert_int_equal(chain_contract_decode_members(seats, &count, buf.data, buf.len), BASE_ETOOBIG);
    base_buf_clear(&buf);
    assert_int_equal(chain_contract_encode_cluster_state(&buf, &s), BASE_OK);
    assert_int_equal(chain_contract_decode_cluster_state(&got, buf.data, buf.len), BASE_OK);
    buf.data[7 * 32 + 31] = CHAIN_APP_IDS_MAX + 1;
    assert_int_equal(chain_contract_decode_cluster_state(&got, buf.data, buf.len), BASE_ETOOBIG);
    assert_true(base_is_zero(&got, sizeof got));
    base_buf_clear(&buf);
    s.seat_count++;
    assert_int_equal(chain_contract_encode_cluster_state(&buf, &s), BASE_OK);
    assert_int_equal(chain_contract_decode_cluster_state(&got, buf.data, buf.len), BASE_ETOOBIG);
    base_buf_clear(&buf);
    s.seat_count = 0;
    assert_int_equal(chain_contract_encode_cluster_state(&buf, &s), BASE_OK);
    buf.data[5 * 32 + 23] = 1; /* a block number of more than 64 bits */
    assert_int_equal(chain_contract_decode_cluster_state(&got, buf.data, buf.len), BASE_ETOOBIG);
    base_buf_deinit(&buf);
}

/* ---- errors ---- */

static void test_error_table_is_the_contracts(void **state)
{
    const json_t *errors = *state;
    const char *signature;
    const json_t *value;
    json_object_foreach((json_t *)errors, signature, value)
    {
        uint8_t selector[4];
        struct chain_abi_revert revert;
        fixed(selector, sizeof selector, value);
        chain_abi_revert_decode(&revert, selector, sizeof selector, chain_contract_errors,
                                chain_contract_error_count);
        if (revert.kind != CHAIN_ABI_REVERT_CUSTOM) fail_msg("%s is not in the table", signature);
        assert_string_equal(revert.custom, signature);
    }
    for (size_t i = 0; i < chain_contract_error_count; i++)
        if (json_object_get(errors, chain_contract_errors[i]) == NULL)
            fail_msg("%s is no error of the contract", chain_contract_errors[i]);
}

static void test_revert(void **state)
{
    const json_t *c = *state;
    struct chain_abi_revert revert;
    size_t len;
    uint8_t *data = json_vectors_hex_new(&len, c, "data");
    chain_abi_revert_decode(&revert, data, len, chain_contract_errors, chain_contract_error_count);
    free(data);
    assert_int_equal(revert.kind, CHAIN_ABI_REVERT_CUSTOM);
    assert_string_equal(revert.custom, json_vectors_string(c, "error"));
    if (strcmp(revert.custom, "NonceDiffers(uint64,uint64)") == 0)
        assert_string_equal(revert.text, "NonceDiffers 0x1 0x0");
}

/* The vectors also have what only people and other contracts call. */
static bool is_ours(const char *function)
{
    static const char *const theirs[] = {"getPeerEndpoints(", "submitEvidence(", "addBaseDomain("};
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++)
        if (strncmp(function, theirs[i], strlen(theirs[i])) == 0) return false;
    return true;
}

/* ---- refusals in words ---- */

static const char *words_of(const char *signature, const void *args, size_t len)
{
    static char words[CHAIN_CONTRACT_WORDS_BYTES];
    uint8_t data[4 + 512];
    chain_abi_selector(data, signature);
    if (len > 0) memcpy(data + 4, args, len);
    return chain_contract_explain(words, data, 4 + len) ? words : NULL;
}

static size_t put_words(struct base_buf *out, uint64_t first, uint64_t second)
{
    struct base_u256 a = base_u256_from_u64(first), b = base_u256_from_u64(second);
    base_buf_clear(out);
    base_buf_append(out, a.bytes, sizeof a.bytes);
    base_buf_append(out, b.bytes, sizeof b.bytes);
    return out->len;
}

static void test_words_hold_the_values(void **state)
{
    (void)state;
    struct base_buf args;
    base_buf_init(&args, 512);
    size_t len = put_words(&args, 7, 9);
    assert_string_equal(words_of("NotTokenOwner(uint256,address)", args.data, len),
                        "token 7 is not of the wallet 0x0000000000000000000000000000000000000009 "
                        "(NotTokenOwner)");
    len = put_words(&args, 0, UINT64_C(250000000000000000));
    assert_string_equal(words_of("MintPrice(uint256,uint256)", args.data, len),
                        "minting costs exactly 0.25 ether, and 0 were sent (MintPrice)");
    /* A string: offset, length, bytes; control characters never reach a terminal. */
    put_words(&args, 32, 5);
    base_buf_append(&args, "a\x1b[2J", 5);
    assert_non_null(strstr(words_of("UrlHost(string)", args.data, args.len), "\"a?[2J\" is no"));
    base_buf_deinit(&args);
}

/* A contract of another mind than ours: values that are missing, offsets to nowhere. */
static void test_words_of_broken_data(void **state)
{
    (void)state;
    struct base_buf args;
    char words[CHAIN_CONTRACT_WORDS_BYTES];
    base_buf_init(&args, 512);
    assert_string_equal(words_of("ClusterFull(uint256)", "", 0),
                        "all ? seats of the cluster are taken: one must be burned, or maxNodes "
                        "raised (ClusterFull)");
    for (size_t i = 0; i < 2; i++) {
        put_words(&args, i == 0 ? UINT64_MAX : 32, UINT64_MAX);
        assert_non_null(strstr(words_of("UrlHost(string)", args.data, args.len), "? is no host"));
        assert_non_null(strstr(words_of("UrlHost(string)", args.data, 33), "? is no host"));
        assert_non_null(strstr(words_of("UrlHost(string)", args.data, 32), "? is no host"));
    }
    assert_null(words_of("NoErrorOfOurs()", "", 0));
    assert_false(chain_contract_explain(words, "abc", 3));
    base_buf_deinit(&args);
}

/* The signature of an error of the ABI file: all types are plain words. */
static void signature_of(char *out, size_t cap, const json_t *error)
{
    const json_t *inputs = json_object_get(error, "inputs");
    size_t at =
        (size_t)snprintf(out, cap, "%s(", json_string_value(json_object_get(error, "name")));
    for (size_t i = 0; i < json_array_size(inputs); i++)
        at +=
            (size_t)snprintf(out + at, cap - at, "%s%s", i > 0 ? "," : "",
                             json_string_value(json_object_get(json_array_get(inputs, i), "type")));
    snprintf(out + at, cap - at, ")");
}

static void test_each_error_of_the_contract_has_a_sentence(void **state)
{
    (void)state;
    static const uint8_t args[4 * 32];
    json_t *abi =
        json_load_file(NFTMESH_TESTS_DIR "/../contracts/abi/DstackMembershipNFT.json", 0, NULL);
    size_t count = 0;
    assert_non_null(abi);
    for (size_t i = 0; i < json_array_size(abi); i++) {
        const json_t *entry = json_array_get(abi, i);
        char signature[160], name[80];
        if (strcmp(json_string_value(json_object_get(entry, "type")), "error") != 0) continue;
        signature_of(signature, sizeof signature, entry);
        const char *words = words_of(signature, args, sizeof args);
        if (words == NULL) fail_msg("%s has no sentence in chain/contract_words.c", signature);
        snprintf(name, sizeof name, " (%.*s)", (int)strcspn(signature, "("), signature);
        assert_non_null(strstr(words, name));
        count++;
    }
    assert_true(count > 40);
    for (size_t i = 0; i < chain_contract_error_count; i++)
        assert_non_null(words_of(chain_contract_errors[i], args, sizeof args));
    json_decref(abi);
}

/* ---- what else is sent ---- */

static void check_hex(const struct base_buf *buf, const char *hex)
{
    uint8_t wanted[1024];
    size_t len;
    assert_false(buf->failed);
    assert_int_equal(base_hex_decode_var(wanted, &len, sizeof wanted, hex), BASE_OK);
    assert_int_equal(buf->len, len);
    assert_memory_equal(buf->data, wanted, len);
}

/* Encoded by ethers 6 from the contract's ABI. */
static void test_renew_and_set_endpoint(void **state)
{
    (void)state;
    static const uint8_t owner_sig[] = {0xab, 0xcd, 0xef};
    struct base_buf buf;
    struct base_sig65 node_sig;
    struct base_slice sig = {owner_sig, sizeof owner_sig};
    struct base_renewal renewal = {
        .token_id = base_u256_from_u64(7), .nonce = 3, .expires_at = 1000, .deadline = 900};
    struct base_endpoint endpoint = {.token_id = base_u256_from_u64(7),
                                     .url = "tcp://a:1",
                                     .url_len = 9,
                                     .nonce = 3,
                                     .deadline = 900};
    memset(renewal.node_key.bytes, 0x11, sizeof renewal.node_key.bytes);
    renewal.node_key.bytes[0] = 2;
    endpoint.node_key = renewal.node_key;
    memset(node_sig.bytes, 0x22, 64);
    node_sig.bytes[64] = 1;
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    chain_contract_call_renew(&buf, &renewal, &sig);
    check_hex(&buf, "ae20137e"
                    "0000000000000000000000000000000000000000000000000000000000000040"
                    "0000000000000000000000000000000000000000000000000000000000000140"
                    "0000000000000000000000000000000000000000000000000000000000000007"
                    "00000000000000000000000000000000000000000000000000000000000000a0"
                    "0000000000000000000000000000000000000000000000000000000000000003"
                    "00000000000000000000000000000000000000000000000000000000000003e8"
                    "0000000000000000000000000000000000000000000000000000000000000384"
                    "0000000000000000000000000000000000000000000000000000000000000021"
                    "0211111111111111111111111111111111111111111111111111111111111111"
                    "1100000000000000000000000000000000000000000000000000000000000000"
                    "0000000000000000000000000000000000000000000000000000000000000003"
                    "abcdef0000000000000000000000000000000000000000000000000000000000");
    base_buf_clear(&buf);
    chain_contract_call_set_endpoint(&buf, &endpoint, &node_sig);
    check_hex(&buf, "34c7f32a"
                    "0000000000000000000000000000000000000000000000000000000000000040"
                    "0000000000000000000000000000000000000000000000000000000000000180"
                    "0000000000000000000000000000000000000000000000000000000000000007"
                    "00000000000000000000000000000000000000000000000000000000000000a0"
                    "0000000000000000000000000000000000000000000000000000000000000100"
                    "0000000000000000000000000000000000000000000000000000000000000003"
                    "0000000000000000000000000000000000000000000000000000000000000384"
                    "0000000000000000000000000000000000000000000000000000000000000021"
                    "0211111111111111111111111111111111111111111111111111111111111111"
                    "1100000000000000000000000000000000000000000000000000000000000000"
                    "0000000000000000000000000000000000000000000000000000000000000009"
                    "7463703a2f2f613a310000000000000000000000000000000000000000000000"
                    "0000000000000000000000000000000000000000000000000000000000000041"
                    "2222222222222222222222222222222222222222222222222222222222222222"
                    "2222222222222222222222222222222222222222222222222222222222222222"
                    "1c00000000000000000000000000000000000000000000000000000000000000");
    base_buf_clear(&buf);
    chain_contract_call_set_endpoint(&buf, &endpoint, NULL);
    check_hex(&buf, "34c7f32a"
                    "0000000000000000000000000000000000000000000000000000000000000040"
                    "0000000000000000000000000000000000000000000000000000000000000180"
                    "0000000000000000000000000000000000000000000000000000000000000007"
                    "00000000000000000000000000000000000000000000000000000000000000a0"
                    "0000000000000000000000000000000000000000000000000000000000000100"
                    "0000000000000000000000000000000000000000000000000000000000000003"
                    "0000000000000000000000000000000000000000000000000000000000000384"
                    "0000000000000000000000000000000000000000000000000000000000000021"
                    "0211111111111111111111111111111111111111111111111111111111111111"
                    "1100000000000000000000000000000000000000000000000000000000000000"
                    "0000000000000000000000000000000000000000000000000000000000000009"
                    "7463703a2f2f613a310000000000000000000000000000000000000000000000"
                    "0000000000000000000000000000000000000000000000000000000000000000");
    base_buf_clear(&buf);
    node_sig.bytes[64] = 27;
    chain_contract_call_set_endpoint(&buf, &endpoint, &node_sig);
    assert_true(buf.failed);
    base_buf_deinit(&buf);
}

static void test_burn_and_weight(void **state)
{
    (void)state;
    struct base_buf buf;
    struct base_u256 token = base_u256_from_u64(7);
    struct base_eth_address instance;
    memset(&instance, 0x33, sizeof instance);
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    chain_contract_call_burn(&buf, &token);
    check_hex(&buf, "42966c68"
                    "0000000000000000000000000000000000000000000000000000000000000007");
    base_buf_clear(&buf);
    chain_contract_call_bind_weight(&buf, &token, &instance);
    check_hex(&buf, "9a94b28d"
                    "0000000000000000000000000000000000000000000000000000000000000007"
                    "0000000000000000000000003333333333333333333333333333333333333333");
    base_buf_clear(&buf);
    chain_contract_call_unbind_weight(&buf, &token);
    check_hex(&buf, "58b6ca6a"
                    "0000000000000000000000000000000000000000000000000000000000000007");
    base_buf_deinit(&buf);
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *root = json_vectors_load("../../contracts/vectors/register-example.json");
    const json_t *calls = json_vectors_array(root, "calls");
    const json_t *reverts = json_vectors_array(root, "reverts");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *c = json_array_get(calls, i);
        const char *function = json_vectors_string(c, "function");
        if (!is_ours(function)) continue;
        json_vectors_add(&tests, test_calldata, c, "call %zu: %.60s", i, function);
        if (!json_vectors_has(c, "returndata")) continue;
        json_vectors_add(&tests, test_returndata, c, "return %zu: %.60s", i, function);
        if (strcmp(function, "clusterState()") == 0 || strncmp(function, "membersPage(", 12) == 0)
            json_vectors_add(&tests, test_cut_and_longer_returndata, c, "cut %zu: %.60s", i,
                             function);
    }
    for (size_t i = 0; i < json_array_size(reverts); i++)
        json_vectors_add(&tests, test_revert, json_array_get(reverts, i), "revert %zu", i);
    json_vectors_add(&tests, test_error_table_is_the_contracts, json_vectors_object(root, "errors"),
                     "error table");
    json_vectors_add(&tests, test_register_refuses_a_foreign_v, NULL, "register: v 27 refused");
    json_vectors_add(&tests, test_seat_refusals, NULL, "seat refusals");
    json_vectors_add(&tests, test_half_a_pair_of_keys_is_refused, NULL, "half a pair of keys");
    json_vectors_add(&tests, test_hostile_url_is_kept_as_bytes, NULL, "hostile URL");
    json_vectors_add(&tests, test_bounds_of_page_and_state, NULL, "bounds");
    json_vectors_add(&tests, test_words_hold_the_values, NULL, "words hold the values");
    json_vectors_add(&tests, test_words_of_broken_data, NULL, "words of broken data");
    json_vectors_add(&tests, test_each_error_of_the_contract_has_a_sentence, NULL,
                     "each error has a sentence");
    json_vectors_add(&tests, test_renew_and_set_endpoint, NULL, "renew, setEndpoint");
    json_vectors_add(&tests, test_burn_and_weight, NULL, "burn, bindWeight, unbindWeight");
    int failed = json_vectors_run(&tests, "chain_contract", NULL);
    json_decref(root);
    return failed;
}
