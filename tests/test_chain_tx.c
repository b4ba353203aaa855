#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/keccak256.h"
#include "chain/rlp.h"
#include "chain/tx.h"

/* RLP and transactions: every case of rlp-tx.json is a test of its own. */

/* ---- RLP ---- */

static void put_value(struct base_buf *out, const json_t *value)
{
    if (json_is_array(value)) {
        struct base_buf items;
        base_buf_init(&items, 1 << 16);
        for (size_t i = 0; i < json_array_size(value); i++)
            put_value(&items, json_array_get(value, i));
        chain_rlp_put_list(out, items.data, items.len);
        base_buf_deinit(&items);
        return;
    }
    size_t len;
    uint8_t *bytes = json_vectors_decode_new(&len, json_string_value(value));
    chain_rlp_put_bytes(out, bytes, len);
    free(bytes);
}

static void check_value(const struct chain_rlp_item *item, const json_t *value)
{
    assert_int_equal(item->is_list, json_is_array(value));
    if (!item->is_list) {
        size_t len;
        uint8_t *bytes = json_vectors_decode_new(&len, json_string_value(value));
        assert_int_equal(item->len, len);
        if (len > 0) assert_memory_equal(item->data, bytes, len);
        free(bytes);
        return;
    }
    struct base_slice in = {.data = item->data, .len = item->len};
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct chain_rlp_item child;
        assert_int_equal(chain_rlp_next(&in, &child), BASE_OK);
        check_value(&child, json_array_get(value, i));
    }
    assert_int_equal(in.len, 0);
}

static void test_rlp(void **state)
{
    const json_t *c = *state, *value = json_object_get(c, "value");
    struct chain_rlp_item item;
    struct base_buf buf;
    size_t len;
    uint8_t *encoded = json_vectors_hex_new(&len, c, "encoded");
    base_buf_init(&buf, 1 << 16);
    put_value(&buf, value);
    assert_false(buf.failed);
    assert_int_equal(buf.len, len);
    assert_memory_equal(buf.data, encoded, len);
    assert_int_equal(chain_rlp_decode(&item, encoded, len), BASE_OK);
    check_value(&item, value);
    base_buf_deinit(&buf);
    free(encoded);
}

static void test_rlp_invalid(void **state)
{
    const json_t *c = *state;
    struct chain_rlp_item item;
    size_t len;
    uint8_t *encoded = json_vectors_hex_new(&len, c, "encoded");
    assert_int_equal(chain_rlp_decode(&item, encoded, len), BASE_EMALFORMED);
    free(encoded);
}

static void test_rlp_depth(void **state)
{
    (void)state;
    uint8_t nested[CHAIN_RLP_DEPTH_MAX + 2];
    struct chain_rlp_item item;
    for (size_t depth = 1; depth <= sizeof nested; depth++) {
        for (size_t i = 0; i < depth; i++)
            nested[i] = (uint8_t)(0xc0 + depth - 1 - i);
        assert_int_equal(chain_rlp_decode(&item, nested, depth),
                         depth <= CHAIN_RLP_DEPTH_MAX ? BASE_OK : BASE_ETOOBIG);
    }
    assert_int_equal(chain_rlp_decode(&item, nested, 0), BASE_EMALFORMED);
}

static void test_rlp_integers(void **state)
{
    (void)state;
    static const uint8_t padded[] = {0x82, 0x00, 0x01}, nine[] = {0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t list[] = {0xc0}, zero[] = {0x00};
    uint8_t long_one[35] = {0xa1, 1};
    struct chain_rlp_item item;
    struct base_u256 wide;
    uint64_t value;
    assert_int_equal(chain_rlp_decode(&item, padded, sizeof padded), BASE_OK);
    assert_int_equal(chain_rlp_item_u64(&value, &item), BASE_EMALFORMED);
    assert_int_equal(chain_rlp_decode(&item, zero, sizeof zero), BASE_OK);
    assert_int_equal(chain_rlp_item_u64(&value, &item), BASE_EMALFORMED); /* zero is empty */
    assert_int_equal(chain_rlp_decode(&item, nine, sizeof nine), BASE_OK);
    assert_int_equal(chain_rlp_item_u64(&value, &item), BASE_ETOOBIG);
    assert_int_equal(chain_rlp_item_u256(&wide, &item), BASE_OK);
    assert_int_equal(chain_rlp_decode(&item, long_one, 34), BASE_OK);
    assert_int_equal(chain_rlp_item_u256(&wide, &item), BASE_ETOOBIG);
    assert_int_equal(chain_rlp_decode(&item, list, sizeof list), BASE_OK);
    assert_int_equal(chain_rlp_item_u64(&value, &item), BASE_EMALFORMED);
}

/* ---- transactions ---- */

struct loaded { /* a transaction of the vector file, and the memory that it borrows */
    struct chain_tx tx;
    uint8_t *data;
    struct chain_tx_access access[CHAIN_TX_ACCESS_MAX];
};

static struct base_u256 wei(const json_t *fields, const char *key)
{
    struct base_u256 out;
    assert_int_equal(base_u256_parse(&out, json_vectors_string(fields, key)), BASE_OK);
    return out;
}

static void load_access_list(struct loaded *out, const json_t *list)
{
    out->tx.access = out->access;
    out->tx.access_count = json_array_size(list);
    for (size_t i = 0; i < out->tx.access_count; i++) {
        const json_t *entry = json_array_get(list, i);
        const json_t *keys = json_object_get(entry, "storageKeys");
        json_vectors_hex(out->access[i].address.bytes, 20, entry, "address");
        out->access[i].key_count = json_array_size(keys);
        for (size_t k = 0; k < out->access[i].key_count; k++) {
            size_t len;
            uint8_t *key =
                json_vectors_decode_new(&len, json_string_value(json_array_get(keys, k)));
            assert_int_equal(len, 32);
            memcpy(out->access[i].keys[k].bytes, key, len);
            free(key);
        }
    }
}

static void load_tx(struct loaded *out, const json_t *c)
{
    const json_t *f = json_vectors_object(c, "fields");
    memset(out, 0, sizeof *out);
    struct chain_tx *tx = &out->tx;
    tx->type = json_vectors_u64(f, "type") == 2 ? CHAIN_TX_EIP1559 : CHAIN_TX_LEGACY;
    tx->chain_id = json_vectors_u64(f, "chainId");
    tx->nonce = json_vectors_u64(f, "nonce");
    tx->gas_limit = json_vectors_u64(f, "gasLimit");
    tx->value = wei(f, "value");
    tx->has_to = !json_is_null(json_object_get(f, "to"));
    if (tx->has_to) json_vectors_hex(tx->to.bytes, 20, f, "to");
    out->data = json_vectors_hex_new(&tx->data.len, f, "data");
    tx->data.data = out->data;
    if (tx->type == CHAIN_TX_LEGACY) {
        tx->max_fee = wei(f, "gasPrice");
        return;
    }
    tx->max_priority_fee = wei(f, "maxPriorityFeePerGas");
    tx->max_fee = wei(f, "maxFeePerGas");
    load_access_list(out, json_object_get(f, "accessList"));
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

static void test_sign(void **state)
{
    const json_t *c = *state;
    struct loaded l;
    struct base_buf buf;
    struct base_hash32 want, got;
    struct base_privkey key;
    load_tx(&l, c);
    base_buf_init(&buf, CHAIN_TX_BYTES_MAX);
    assert_int_equal(chain_tx_encode_unsigned(&buf, &l.tx), BASE_OK);
    check_bytes(&buf, c, "unsigned");
    json_vectors_hex(want.bytes, 32, c, "signing_hash");
    assert_int_equal(chain_tx_signing_hash(&got, &l.tx), BASE_OK);
    assert_true(base_hash32_equal(&got, &want));
    base_buf_clear(&buf);
    json_vectors_hex(key.bytes, 32, c, "private_key");
    assert_int_equal(chain_tx_sign(&buf, &got, &l.tx, &key), BASE_OK);
    check_bytes(&buf, c, "raw");
    json_vectors_hex(want.bytes, 32, c, "tx_hash");
    assert_true(base_hash32_equal(&got, &want));
    base_buf_deinit(&buf);
    free(l.data);
}

static void check_same(const struct chain_tx *a, const struct chain_tx *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->chain_id, b->chain_id);
    assert_int_equal(a->nonce, b->nonce);
    assert_int_equal(a->gas_limit, b->gas_limit);
    assert_true(base_u256_equal(&a->max_fee, &b->max_fee));
    assert_true(base_u256_equal(&a->max_priority_fee, &b->max_priority_fee));
    assert_true(base_u256_equal(&a->value, &b->value));
    assert_int_equal(a->has_to, b->has_to);
    assert_memory_equal(&a->to, &b->to, sizeof a->to);
    assert_int_equal(a->data.len, b->data.len);
    if (a->data.len > 0) assert_memory_equal(a->data.data, b->data.data, a->data.len);
    assert_int_equal(a->access_count, b->access_count);
    for (size_t i = 0; i < a->access_count; i++) {
        assert_memory_equal(&a->access[i].address, &b->access[i].address, 20);
        assert_int_equal(a->access[i].key_count, b->access[i].key_count);
        assert_memory_equal(a->access[i].keys, b->access[i].keys, 32 * a->access[i].key_count);
    }
}

static void test_decode(void **state)
{
    const json_t *c = *state;
    struct loaded l;
    struct chain_tx tx;
    struct chain_tx_access access[CHAIN_TX_ACCESS_MAX];
    struct base_sig65 sig;
    struct base_eth_address from, want;
    uint8_t part[32];
    size_t len;
    uint8_t *raw = json_vectors_hex_new(&len, c, "raw");
    load_tx(&l, c);
    assert_int_equal(chain_tx_decode(&tx, access, &sig, &from, raw, len), BASE_OK);
    check_same(&tx, &l.tx);
    json_vectors_hex(want.bytes, 20, c, "from");
    assert_true(base_address_equal(&from, &want));
    json_vectors_hex(part, 32, c, "r");
    assert_memory_equal(sig.bytes, part, 32);
    json_vectors_hex(part, 32, c, "s");
    assert_memory_equal(sig.bytes + 32, part, 32);
    assert_int_equal(sig.bytes[64], json_vectors_u64(c, "y_parity"));
    for (size_t cut = 0; cut < len; cut++) { /* no prefix is a transaction */
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, raw, cut);
        assert_int_not_equal(chain_tx_decode(&tx, access, &sig, &from, exact, cut), BASE_OK);
        free(exact);
    }
    free(raw);
    free(l.data);
}

static void test_create_address(void **state)
{
    const json_t *c = *state;
    struct base_eth_address from, want, got;
    json_vectors_hex(from.bytes, 20, c, "from");
    json_vectors_hex(want.bytes, 20, c, "address");
    chain_tx_create_address(&got, &from, json_vectors_u64(c, "nonce"));
    assert_true(base_address_equal(&got, &want));
}

/* ---- refusals ---- */

static int decode(const void *raw, size_t len)
{
    struct chain_tx tx;
    struct chain_tx_access access[CHAIN_TX_ACCESS_MAX];
    struct base_sig65 sig;
    struct base_eth_address from;
    return chain_tx_decode(&tx, access, &sig, &from, raw, len);
}

static void sign_example(struct base_buf *raw, struct chain_tx *tx)
{
    struct base_privkey key = {.bytes = {0}};
    struct base_hash32 hash;
    key.bytes[31] = 7;
    base_buf_init(raw, CHAIN_TX_BYTES_MAX);
    assert_int_equal(chain_tx_sign(raw, &hash, tx, &key), BASE_OK);
    assert_int_equal(decode(raw->data, raw->len), BASE_OK);
}

static void test_refusals(void **state)
{
    (void)state;
    struct base_buf raw;
    struct chain_tx tx = {.type = CHAIN_TX_EIP1559, .chain_id = 31337, .has_to = true};
    sign_example(&raw, &tx);
    raw.data[0] = 1; /* EIP-2930: not ours */
    assert_int_equal(decode(raw.data, raw.len), BASE_EUNSUPPORTED);
    raw.data[0] = 2;
    base_buf_append(&raw, "", 1);
    assert_int_equal(decode(raw.data, raw.len), BASE_EMALFORMED);
    raw.len--;
    raw.data[raw.len - 67] = 2; /* y parity */
    assert_int_equal(decode(raw.data, raw.len), BASE_ESIG);
    raw.data[raw.len - 67] = (char)0x80;
    memset(raw.data + raw.len - 32, 0xff, 32); /* s above n / 2 */
    assert_int_equal(decode(raw.data, raw.len), BASE_ESIG);
    base_buf_deinit(&raw);
}

static void test_bad_key_and_size(void **state)
{
    (void)state;
    struct base_privkey zero = {.bytes = {0}};
    struct base_hash32 hash;
    struct base_buf raw;
    struct chain_tx tx = {.type = CHAIN_TX_EIP1559, .chain_id = 31337};
    base_buf_init(&raw, CHAIN_TX_BYTES_MAX);
    assert_int_equal(chain_tx_sign(&raw, &hash, &tx, &zero), BASE_EKEY);
    assert_int_equal(raw.len, 0);
    uint8_t *big = calloc(1, CHAIN_TX_BYTES_MAX);
    assert_non_null(big);
    tx.data = (struct base_slice){.data = big, .len = CHAIN_TX_BYTES_MAX};
    assert_int_equal(chain_tx_signing_hash(&hash, &tx), BASE_ETOOBIG);
    assert_int_equal(decode(big, CHAIN_TX_BYTES_MAX + 1), BASE_ETOOBIG);
    free(big);
    base_buf_deinit(&raw);
}

static void test_legacy_without_chain_id(void **state)
{
    (void)state;
    struct base_buf fields, raw;
    base_buf_init(&fields, 1024);
    base_buf_init(&raw, 1024);
    for (int i = 0; i < 6; i++)
        chain_rlp_put_u64(&fields, 0);
    chain_rlp_put_u64(&fields, 27);
    chain_rlp_put_u64(&fields, 1);
    chain_rlp_put_u64(&fields, 1);
    chain_rlp_put_list(&raw, fields.data, fields.len);
    assert_int_equal(decode(raw.data, raw.len), BASE_EUNSUPPORTED);
    base_buf_deinit(&fields);
    base_buf_deinit(&raw);
}

/* More entries than we hold, at both levels of an access list. */
static void test_access_list_bounds(void **state)
{
    (void)state;
    struct base_buf fields, list, entry, keys, raw;
    static const uint8_t zeros[32];
    for (int deep = 0; deep < 2; deep++) {
        size_t entries = deep ? 1 : CHAIN_TX_ACCESS_MAX + 1;
        size_t key_count = deep ? CHAIN_TX_STORAGE_MAX + 1 : 0;
        base_buf_init(&fields, 8192);
        base_buf_init(&list, 8192);
        base_buf_init(&raw, 8192);
        for (size_t i = 0; i < entries; i++) {
            base_buf_init(&entry, 8192);
            base_buf_init(&keys, 8192);
            for (size_t k = 0; k < key_count; k++)
                chain_rlp_put_bytes(&keys, zeros, 32);
            chain_rlp_put_bytes(&entry, zeros, 20);
            chain_rlp_put_list(&entry, keys.data, keys.len);
            chain_rlp_put_list(&list, entry.data, entry.len);
            base_buf_deinit(&entry);
            base_buf_deinit(&keys);
        }
        for (int i = 0; i < 8; i++)
            chain_rlp_put_u64(&fields, 0);
        chain_rlp_put_list(&fields, list.data, list.len);
        for (int i = 0; i < 3; i++)
            chain_rlp_put_u64(&fields, 1);
        base_buf_append(&raw, "\x02", 1);
        chain_rlp_put_list(&raw, fields.data, fields.len);
        assert_int_equal(decode(raw.data, raw.len), BASE_ETOOBIG);
        base_buf_deinit(&fields);
        base_buf_deinit(&list);
        base_buf_deinit(&raw);
    }
}

static int setup(void **state)
{
    (void)state;
    return base_ecdsa_init();
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *root = json_vectors_load("rlp-tx.json");
    const json_t *list = json_vectors_array(root, "rlp");
    for (size_t i = 0; i < json_array_size(list); i++)
        json_vectors_add(&tests, test_rlp, json_array_get(list, i), "rlp %zu", i);
    list = json_vectors_array(root, "rlp_invalid");
    for (size_t i = 0; i < json_array_size(list); i++)
        json_vectors_add(&tests, test_rlp_invalid, json_array_get(list, i), "rlp invalid: %s",
                         json_vectors_string(json_array_get(list, i), "why"));
    list = json_vectors_array(root, "transactions");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *c = json_array_get(list, i);
        json_vectors_add(&tests, test_sign, c, "sign: %s", json_vectors_string(c, "name"));
        json_vectors_add(&tests, test_decode, c, "decode: %s", json_vectors_string(c, "name"));
    }
    list = json_vectors_array(root, "create_addresses");
    for (size_t i = 0; i < json_array_size(list); i++)
        json_vectors_add(&tests, test_create_address, json_array_get(list, i), "create %zu", i);
    json_vectors_add(&tests, test_rlp_depth, NULL, "rlp depth");
    json_vectors_add(&tests, test_rlp_integers, NULL, "rlp integers");
    json_vectors_add(&tests, test_refusals, NULL, "transaction refusals");
    json_vectors_add(&tests, test_bad_key_and_size, NULL, "bad key, too big");
    json_vectors_add(&tests, test_legacy_without_chain_id, NULL, "legacy without chain id");
    json_vectors_add(&tests, test_access_list_bounds, NULL, "access list bounds");
    int failed = json_vectors_run(&tests, "chain_tx", setup);
    json_decref(root);
    return failed;
}
