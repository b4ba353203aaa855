/* RLP and signed transactions. What is accepted has one encoding: written back, the same bytes. */
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/keccak256.h"
#include "chain/rlp.h"
#include "chain/tx.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_item(struct base_buf *out, const struct chain_rlp_item *item)
{
    if (!item->is_list) {
        chain_rlp_put_bytes(out, item->data, item->len);
        return;
    }
    struct base_buf items;
    struct base_slice in = {.data = item->data, .len = item->len};
    base_buf_init(&items, (size_t)8 << 20);
    while (in.len > 0) {
        struct chain_rlp_item child;
        if (chain_rlp_next(&in, &child) != BASE_OK) abort();
        put_item(&items, &child);
    }
    chain_rlp_put_list(out, items.data, items.len);
    base_buf_deinit(&items);
}

static void check_rlp(const uint8_t *data, size_t size)
{
    struct chain_rlp_item item;
    struct base_buf buf;
    if (chain_rlp_decode(&item, data, size) != BASE_OK) return;
    base_buf_init(&buf, (size_t)8 << 20);
    put_item(&buf, &item);
    if (buf.failed || buf.len != size || memcmp(buf.data, data, size) != 0) abort();
    base_buf_deinit(&buf);
}

/* The fields of an accepted transaction give the hash that its signature recovers over. */
static void check_tx(const uint8_t *data, size_t size)
{
    struct chain_tx tx;
    struct chain_tx_access access[CHAIN_TX_ACCESS_MAX];
    struct base_sig65 sig;
    struct base_eth_address from, again;
    struct base_hash32 hash;
    if (chain_tx_decode(&tx, access, &sig, &from, data, size) != BASE_OK) return;
    if (chain_tx_signing_hash(&hash, &tx) != BASE_OK) abort();
    if (base_ecdsa_recover_address(&again, &hash, &sig) != BASE_OK) abort();
    if (!base_address_equal(&from, &again)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (base_ecdsa_init() != BASE_OK) abort();
    check_rlp(data, size);
    check_tx(data, size);
    return 0;
}
