#ifndef NFTMESH_NODE_BUNDLE_H
#define NFTMESH_NODE_BUNDLE_H

#include "node/admission.h"

/* What stands for a registration where the contract stores no keys (the prototype's): the owner's
 * authorisation of a node key and an app proof key for one seat, signed by all three, together with
 * that app proof key's signature chain. Or the owner's word that what was authorised before counts
 * no more. The codec and nothing else: node/authority judges.
 *
 * On the wire, in /info and on disk (docs/wire.md, AUTHORITY), numbers big-endian:
 *
 *   version 1 (1) || kind (1) || token id (32) || owner (20)
 *   || issued block (8) || its hash (32) || not after (8) || owner's signature (65)
 *   and for kind 1, an authorisation:
 *   || instance (20) || node key (33) || node key's signature (65) || app proof key's signature
 * (65)
 *   || proof (NODE_PROOF_BYTES)
 *   kind 2 is a revocation and ends before. */
#define NODE_BUNDLE_VERSION          1
#define NODE_BUNDLE_REVOCATION_BYTES 167
#define NODE_BUNDLE_BYTES_MAX        (NODE_BUNDLE_REVOCATION_BYTES + 183 + NODE_PROOF_BYTES)

struct node_bundle {
    bool revokes; /* then everything below owner_sig is zero, as the signed statement has it */
    struct base_u256 token_id;
    struct base_eth_address owner;
    uint64_t issued_block;
    struct base_hash32 issued_block_hash;
    uint64_t not_after; /* seconds since 1970 */
    struct base_sig65 owner_sig;
    struct base_eth_address instance;
    struct base_key33 node_key;
    struct base_sig65 node_sig, proof_sig; /* by N, by D */
    struct node_proof proof;               /* D and where it descends from */
};

/* Returns the length; out holds NODE_BUNDLE_BYTES_MAX. */
size_t node_bundle_encode(uint8_t out[NODE_BUNDLE_BYTES_MAX], const struct node_bundle *bundle);
/* The first bundle of data; *used says how long it was. BASE_EMALFORMED: cut short, or an unknown
 * kind. BASE_EUNSUPPORTED: another version. *out is zeroed then. */
int node_bundle_decode(struct node_bundle *out, size_t *used, const void *data, size_t len);
bool node_bundle_equal(const struct node_bundle *a, const struct node_bundle *b);
/* What owner, N and D sign. */
void node_bundle_digest(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                        const struct node_bundle *bundle);

/* What HELLO shows of one; the rest of it is the owner as the chain knows him and the HELLO's own
 * fields. */
void node_bundle_of_hello(struct node_bundle *out, const struct attest_hello *hello,
                          const struct base_key33 *node_key, const struct base_eth_address *owner);
void node_bundle_for_hello(struct attest_authorisation *out, const struct node_bundle *bundle);

/* Frame AUTHORITY: bundles one after the other, at least one, nothing behind. */
#define NODE_FRAME_AUTHORITY         0x1e
#define NODE_FRAME_AUTHORITY_BYTES   16384
#define NODE_FRAME_AUTHORITY_BUNDLES (NODE_FRAME_AUTHORITY_BYTES / NODE_BUNDLE_REVOCATION_BYTES)

#endif
