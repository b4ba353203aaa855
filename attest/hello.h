#ifndef NFTMESH_ATTEST_HELLO_H
#define NFTMESH_ATTEST_HELLO_H

#include "base/bytes.h"

/* What a peer shows in its first encrypted message (docs/wire.md, HELLO). The codec and nothing
 * else: node/admission judges. */
#define ATTEST_HELLO_BYTES_MAX    4000
#define ATTEST_RECORD_BYTES_MAX   1024
#define ATTEST_SETTINGS_BYTES_MAX 256
#define ATTEST_WIRE_MINOR         1
#define ATTEST_FEATURES           0u /* feature bits that we know */

/* The owner's word for a node key where the contract stores none; the keys, the seat and the
 * instance that it is about are the HELLO's own. */
struct attest_authorisation {
    uint64_t issued_block;
    struct base_hash32 issued_block_hash;
    uint64_t not_after;                               /* seconds since 1970 */
    struct base_sig65 owner_sig, node_sig, proof_sig; /* by the owner, by N, by D */
};

struct attest_hello { /* slices are borrowed from the decoded bytes */
    uint16_t wire_minor;
    uint64_t features;
    uint64_t chain_id;
    struct base_eth_address contract;
    struct base_slice settings; /* ASCII key=value, one space between */
    struct base_u256 token_id;
    struct base_eth_address instance;
    uint8_t boot_id[16];
    uint64_t start_incarnation;
    struct base_slice record; /* body as signed */
    struct base_sig65 record_sig;
    struct base_key33 proof_key; /* D */
    struct base_eth_address app_id;
    struct base_key33 app_key;
    struct base_sig65 app_sig, kms_sig;
    struct base_sig65 pop;
    bool has_authorisation; /* key 16: only with the prototype's contract, else refused */
    struct attest_authorisation authorisation;
};

/* BASE_EMALFORMED: not one map of ascending integer keys 0..63 without duplicates, a missing key,
 * a wrong length, settings that are not printable ASCII, bytes after the map.
 * BASE_ETOOBIG: above ATTEST_HELLO_BYTES_MAX. Unknown keys (17..63) are skipped. */
int attest_hello_decode(struct attest_hello *out, const void *data, size_t len);
/* BASE_ETOOBIG when cap is too small. */
int attest_hello_encode(void *out, size_t *out_len, size_t cap, const struct attest_hello *hello);

#endif
