#ifndef NFTMESH_CHAIN_RLP_H
#define NFTMESH_CHAIN_RLP_H

#include "base/buf.h"
#include "base/bytes.h"

/* Recursive Length Prefix, strictly: shortest forms only, nothing after the value, no item past
 * the end of its list. Source: Ethereum yellow paper, appendix B; tests/vectors/rlp-tx.json. */
#define CHAIN_RLP_DEPTH_MAX 16

/* Writing appends; a list is its items, written to a buffer of their own first. */
void chain_rlp_put_bytes(struct base_buf *out, const void *data, size_t len);
void chain_rlp_put_u64(struct base_buf *out, uint64_t value); /* big-endian, no leading zero */
void chain_rlp_put_u256(struct base_buf *out, const struct base_u256 *value);
void chain_rlp_put_list(struct base_buf *out, const void *items, size_t len);

struct chain_rlp_item { /* data: a string's bytes, or a list's items; borrowed */
    bool is_list;
    const uint8_t *data;
    size_t len;
};
/* Takes the first item off in. BASE_EMALFORMED (also when in is empty). */
int chain_rlp_next(struct base_slice *in, struct chain_rlp_item *out);
/* Exactly one item, checked to its leaves, nested at most CHAIN_RLP_DEPTH_MAX deep.
 * BASE_EMALFORMED, BASE_ETOOBIG (nesting). */
int chain_rlp_decode(struct chain_rlp_item *out, const void *data, size_t len);
/* An integer's string: no leading zero. BASE_EMALFORMED, BASE_ETOOBIG. */
int chain_rlp_item_u64(uint64_t *out, const struct chain_rlp_item *item);
int chain_rlp_item_u256(struct base_u256 *out, const struct chain_rlp_item *item);

#endif
