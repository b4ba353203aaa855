#ifndef NFTMESH_BASE_KECCAK256_H
#define NFTMESH_BASE_KECCAK256_H

#include "base/bytes.h"

/* Ethereum's hash: Keccak[c=512] with the original padding 0x01, which is not SHA3-256.
 * Source: the Keccak reference, section 2; tests/vectors/keccak256.json. */
struct base_keccak256 {
    uint64_t state[25];
    size_t fill; /* bytes absorbed into the current block, below 136 */
};

void base_keccak256_init(struct base_keccak256 *k);
void base_keccak256_update(struct base_keccak256 *k, const void *data, size_t len);
void base_keccak256_final(struct base_keccak256 *k, struct base_hash32 *out);

/* One shot. */
void base_keccak256(struct base_hash32 *out, const void *data, size_t len);

#endif
