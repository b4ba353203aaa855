#ifndef NFTMESH_CHAIN_TX_H
#define NFTMESH_CHAIN_TX_H

#include "base/buf.h"
#include "base/bytes.h"

/* Transactions: EIP-1559 (type 2) and the older EIP-155 form, encoded, signed, read back. */
enum chain_tx_type { CHAIN_TX_LEGACY = 0, CHAIN_TX_EIP1559 = 2 };
#define CHAIN_TX_BYTES_MAX   ((size_t)128 << 10)
#define CHAIN_TX_ACCESS_MAX  16
#define CHAIN_TX_STORAGE_MAX 16

struct chain_tx_access {
    struct base_eth_address address;
    struct base_hash32 keys[CHAIN_TX_STORAGE_MAX];
    size_t key_count;
};
struct chain_tx {
    enum chain_tx_type type;
    uint64_t chain_id, nonce, gas_limit;
    struct base_u256 max_priority_fee; /* wei per gas; EIP-1559 only */
    struct base_u256 max_fee;          /* wei per gas; gasPrice of a legacy transaction */
    bool has_to;                       /* false: creates a contract */
    struct base_eth_address to;
    struct base_u256 value;
    struct base_slice data;               /* borrowed */
    const struct chain_tx_access *access; /* EIP-1559 only; borrowed */
    size_t access_count;
};

/* What is signed, and its hash. BASE_ETOOBIG (above CHAIN_TX_BYTES_MAX, or no memory). */
int chain_tx_encode_unsigned(struct base_buf *out, const struct chain_tx *tx);
int chain_tx_signing_hash(struct base_hash32 *out, const struct chain_tx *tx);
/* Appends the signed transaction. BASE_EKEY, BASE_ETOOBIG. */
int chain_tx_sign(struct base_buf *raw, struct base_hash32 *tx_hash, const struct chain_tx *tx,
                  const struct base_privkey *key);
/* Reads a signed transaction of either type: out's data is borrowed from raw, its access list
 * written to access[CHAIN_TX_ACCESS_MAX]. from is recovered. BASE_EMALFORMED, BASE_ETOOBIG,
 * BASE_ESIG, BASE_EUNSUPPORTED (another type, or a legacy one without chain id). */
int chain_tx_decode(struct chain_tx *out, struct chain_tx_access *access, struct base_sig65 *sig,
                    struct base_eth_address *from, const void *raw, size_t len);

/* Where a contract made by from's nonce-th transaction stands. */
void chain_tx_create_address(struct base_eth_address *out, const struct base_eth_address *from,
                             uint64_t nonce);

#endif
