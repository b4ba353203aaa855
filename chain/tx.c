#include "chain/tx.h"

#include <assert.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/keccak256.h"
#include "chain/rlp.h"

/* ---- writing ---- */

static void put_access_list(struct base_buf *out, const struct chain_tx *tx)
{
    struct base_buf list;
    base_buf_init(&list, CHAIN_TX_BYTES_MAX);
    for (size_t i = 0; i < tx->access_count; i++) {
        const struct chain_tx_access *access = &tx->access[i];
        struct base_buf entry, keys;
        assert(access->key_count <= CHAIN_TX_STORAGE_MAX);
        base_buf_init(&entry, CHAIN_TX_BYTES_MAX);
        base_buf_init(&keys, CHAIN_TX_BYTES_MAX);
        for (size_t k = 0; k < access->key_count; k++)
            chain_rlp_put_bytes(&keys, access->keys[k].bytes, sizeof access->keys[k].bytes);
        chain_rlp_put_bytes(&entry, access->address.bytes, sizeof access->address.bytes);
        chain_rlp_put_list(&entry, keys.data, keys.len);
        chain_rlp_put_list(&list, entry.data, entry.len);
        if (keys.failed || entry.failed) list.failed = true;
        base_buf_deinit(&keys);
        base_buf_deinit(&entry);
    }
    chain_rlp_put_list(out, list.data, list.len);
    if (list.failed) out->failed = true;
    base_buf_deinit(&list);
}

static void put_to_value_data(struct base_buf *out, const struct chain_tx *tx)
{
    chain_rlp_put_bytes(out, tx->to.bytes, tx->has_to ? sizeof tx->to.bytes : 0);
    chain_rlp_put_u256(out, &tx->value);
    chain_rlp_put_bytes(out, tx->data.data, tx->data.len);
}

static void put_fields(struct base_buf *out, const struct chain_tx *tx)
{
    switch (tx->type) {
    case CHAIN_TX_EIP1559:
        chain_rlp_put_u64(out, tx->chain_id);
        chain_rlp_put_u64(out, tx->nonce);
        chain_rlp_put_u256(out, &tx->max_priority_fee);
        chain_rlp_put_u256(out, &tx->max_fee);
        chain_rlp_put_u64(out, tx->gas_limit);
        put_to_value_data(out, tx);
        put_access_list(out, tx);
        return;
    case CHAIN_TX_LEGACY:
        chain_rlp_put_u64(out, tx->nonce);
        chain_rlp_put_u256(out, &tx->max_fee);
        chain_rlp_put_u64(out, tx->gas_limit);
        put_to_value_data(out, tx);
        return;
    }
    assert(false && "a transaction type of ours");
}

/* r and s are integers: a leading zero byte of theirs is not written. */
static void put_signature(struct base_buf *out, const struct chain_tx *tx,
                          const struct base_sig65 *sig)
{
    struct base_u256 r, s;
    memcpy(r.bytes, sig->bytes, sizeof r.bytes);
    memcpy(s.bytes, sig->bytes + sizeof r.bytes, sizeof s.bytes);
    uint64_t v = sig->bytes[64];
    chain_rlp_put_u64(out, tx->type == CHAIN_TX_LEGACY ? 35 + 2 * tx->chain_id + v : v);
    chain_rlp_put_u256(out, &r);
    chain_rlp_put_u256(out, &s);
}

static void put_for_signing(struct base_buf *out, const struct chain_tx *tx)
{
    if (tx->type != CHAIN_TX_LEGACY) return;
    chain_rlp_put_u64(out, tx->chain_id); /* EIP-155: chain id, 0, 0 where v, r, s will be */
    chain_rlp_put_u64(out, 0);
    chain_rlp_put_u64(out, 0);
}

/* Signed when sig is not NULL. */
static int encode(struct base_buf *out, const struct chain_tx *tx, const struct base_sig65 *sig)
{
    struct base_buf fields;
    assert(tx->chain_id <= (UINT64_MAX - 36) / 2);
    base_buf_init(&fields, CHAIN_TX_BYTES_MAX);
    put_fields(&fields, tx);
    if (sig != NULL)
        put_signature(&fields, tx, sig);
    else
        put_for_signing(&fields, tx);
    if (tx->type == CHAIN_TX_EIP1559) base_buf_append(out, "\x02", 1);
    chain_rlp_put_list(out, fields.data, fields.len);
    bool failed = fields.failed || out->failed;
    base_buf_deinit(&fields);
    return failed ? BASE_ETOOBIG : BASE_OK;
}

int chain_tx_encode_unsigned(struct base_buf *out, const struct chain_tx *tx)
{
    return encode(out, tx, NULL);
}

int chain_tx_signing_hash(struct base_hash32 *out, const struct chain_tx *tx)
{
    struct base_buf buf;
    base_buf_init(&buf, CHAIN_TX_BYTES_MAX);
    int rv = encode(&buf, tx, NULL);
    if (rv == BASE_OK) base_keccak256(out, buf.data, buf.len);
    base_buf_deinit(&buf);
    return rv;
}

int chain_tx_sign(struct base_buf *raw, struct base_hash32 *tx_hash, const struct chain_tx *tx,
                  const struct base_privkey *key)
{
    struct base_hash32 digest;
    struct base_sig65 sig;
    int rv = chain_tx_signing_hash(&digest, tx);
    if (rv == BASE_OK) rv = base_ecdsa_sign(&sig, &digest, key);
    if (rv != BASE_OK) return rv;
    size_t before = raw->len;
    rv = encode(raw, tx, &sig);
    if (rv == BASE_OK) base_keccak256(tx_hash, raw->data + before, raw->len - before);
    return rv;
}

void chain_tx_create_address(struct base_eth_address *out, const struct base_eth_address *from,
                             uint64_t nonce)
{
    /* 20 bytes and a nonce: shorter than a long list, so all of it fits into 40 bytes. */
    uint8_t data[40];
    uint8_t be[8];
    size_t skip = 0, len = 1;
    memset(data, 0, sizeof data);
    data[len++] = 0x80 + BASE_ADDRESS_BYTES;
    memcpy(data + len, from->bytes, BASE_ADDRESS_BYTES);
    len += BASE_ADDRESS_BYTES;
    base_put_u64be(be, nonce);
    while (skip < 8 && be[skip] == 0)
        skip++;
    if (8 - skip != 1 || be[7] >= 0x80) data[len++] = (uint8_t)(0x80 + 8 - skip);
    memcpy(data + len, be + skip, 8 - skip);
    len += 8 - skip;
    data[0] = (uint8_t)(0xc0 + len - 1);
    struct base_hash32 hash;
    base_keccak256(&hash, data, len);
    memcpy(out->bytes, hash.bytes + 12, BASE_ADDRESS_BYTES);
}

/* ---- reading ---- */

struct fields { /* items taken one after the other; the first error stays */
    struct base_slice in;
    int error;
};

static struct chain_rlp_item next_item(struct fields *f)
{
    struct chain_rlp_item item = {0};
    if (f->error == BASE_OK) f->error = chain_rlp_next(&f->in, &item);
    return item;
}

static void next_u64(struct fields *f, uint64_t *out)
{
    struct chain_rlp_item item = next_item(f);
    if (f->error == BASE_OK) f->error = chain_rlp_item_u64(out, &item);
}

static void next_u256(struct fields *f, struct base_u256 *out)
{
    struct chain_rlp_item item = next_item(f);
    if (f->error == BASE_OK) f->error = chain_rlp_item_u256(out, &item);
}

static struct base_slice next_string(struct fields *f)
{
    struct chain_rlp_item item = next_item(f);
    if (f->error == BASE_OK && item.is_list) f->error = BASE_EMALFORMED;
    return (struct base_slice){.data = item.data, .len = item.len};
}

static void next_fixed(struct fields *f, void *out, size_t len)
{
    struct base_slice text = next_string(f);
    if (f->error == BASE_OK && text.len != len) f->error = BASE_EMALFORMED;
    if (f->error == BASE_OK) memcpy(out, text.data, len);
}

static struct fields next_list(struct fields *f)
{
    struct chain_rlp_item item = next_item(f);
    if (f->error == BASE_OK && !item.is_list) f->error = BASE_EMALFORMED;
    return (struct fields){.in = {.data = item.data, .len = item.len}, .error = f->error};
}

static void next_to_value_data(struct fields *f, struct chain_tx *tx)
{
    struct base_slice to = next_string(f);
    if (f->error == BASE_OK && to.len != 0 && to.len != BASE_ADDRESS_BYTES)
        f->error = BASE_EMALFORMED;
    if (f->error == BASE_OK && to.len != 0) {
        tx->has_to = true;
        memcpy(tx->to.bytes, to.data, BASE_ADDRESS_BYTES);
    }
    next_u256(f, &tx->value);
    tx->data = next_string(f);
}

static void next_access_list(struct fields *f, struct chain_tx *tx, struct chain_tx_access *access)
{
    struct fields list = next_list(f);
    while (list.error == BASE_OK && list.in.len > 0) {
        if (tx->access_count == CHAIN_TX_ACCESS_MAX) {
            list.error = BASE_ETOOBIG;
            break;
        }
        struct chain_tx_access *entry = &access[tx->access_count++];
        struct fields pair = next_list(&list);
        entry->key_count = 0;
        next_fixed(&pair, entry->address.bytes, sizeof entry->address.bytes);
        struct fields keys = next_list(&pair);
        while (keys.error == BASE_OK && keys.in.len > 0) {
            if (entry->key_count == CHAIN_TX_STORAGE_MAX)
                keys.error = BASE_ETOOBIG;
            else
                next_fixed(&keys, entry->keys[entry->key_count++].bytes, BASE_HASH32_BYTES);
        }
        if (keys.error == BASE_OK && pair.in.len != 0) keys.error = BASE_EMALFORMED;
        list.error = keys.error;
    }
    if (f->error == BASE_OK) f->error = list.error;
    tx->access = access;
}

static void next_signature(struct fields *f, struct base_sig65 *sig, uint64_t v)
{
    struct base_u256 r, s;
    next_u256(f, &r);
    next_u256(f, &s);
    if (f->error != BASE_OK) return;
    memcpy(sig->bytes, r.bytes, sizeof r.bytes);
    memcpy(sig->bytes + sizeof r.bytes, s.bytes, sizeof s.bytes);
    sig->bytes[64] = (uint8_t)v;
}

static void decode_eip1559(struct fields *f, struct chain_tx *tx, struct chain_tx_access *access,
                           struct base_sig65 *sig)
{
    uint64_t v = 0;
    next_u64(f, &tx->chain_id);
    next_u64(f, &tx->nonce);
    next_u256(f, &tx->max_priority_fee);
    next_u256(f, &tx->max_fee);
    next_u64(f, &tx->gas_limit);
    next_to_value_data(f, tx);
    next_access_list(f, tx, access);
    next_u64(f, &v);
    if (f->error == BASE_OK && v > 1) f->error = BASE_ESIG;
    next_signature(f, sig, v);
}

static void decode_legacy(struct fields *f, struct chain_tx *tx, struct base_sig65 *sig)
{
    uint64_t v = 0;
    next_u64(f, &tx->nonce);
    next_u256(f, &tx->max_fee);
    next_u64(f, &tx->gas_limit);
    next_to_value_data(f, tx);
    next_u64(f, &v);
    if (f->error == BASE_OK && v < 35) f->error = BASE_EUNSUPPORTED; /* before EIP-155 */
    if (f->error != BASE_OK) return;
    tx->chain_id = (v - 35) / 2;
    next_signature(f, sig, (v - 35) % 2);
}

int chain_tx_decode(struct chain_tx *out, struct chain_tx_access *access, struct base_sig65 *sig,
                    struct base_eth_address *from, const void *raw, size_t len)
{
    const uint8_t *bytes = raw;
    struct chain_rlp_item list;
    *out = (struct chain_tx){0};
    if (len == 0) return BASE_EMALFORMED;
    if (len > CHAIN_TX_BYTES_MAX) return BASE_ETOOBIG;
    bool typed = bytes[0] < 0xc0;
    if (typed && bytes[0] != CHAIN_TX_EIP1559) return BASE_EUNSUPPORTED;
    out->type = typed ? CHAIN_TX_EIP1559 : CHAIN_TX_LEGACY;
    int rv = chain_rlp_decode(&list, typed ? bytes + 1 : bytes, typed ? len - 1 : len);
    if (rv != BASE_OK) return rv;
    if (!list.is_list) return BASE_EMALFORMED;
    struct fields f = {.in = {.data = list.data, .len = list.len}, .error = BASE_OK};
    if (typed)
        decode_eip1559(&f, out, access, sig);
    else
        decode_legacy(&f, out, sig);
    if (f.error == BASE_OK && f.in.len != 0) f.error = BASE_EMALFORMED;
    if (f.error != BASE_OK) return f.error;
    if (out->chain_id > (UINT64_MAX - 36) / 2) return BASE_ETOOBIG;
    struct base_hash32 digest;
    rv = chain_tx_signing_hash(&digest, out);
    return rv == BASE_OK ? base_ecdsa_recover_address(from, &digest, sig) : rv;
}
