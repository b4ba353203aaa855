#ifndef NFTMESH_NODE_AUTHORISE_H
#define NFTMESH_NODE_AUTHORISE_H

#include <jansson.h>

#include "base/buf.h"
#include "node/authority.h"

/* How an authorisation comes into being: a node puts N's and D's signatures on it, its owner's
 * wallet signs the same typed data, wherever that wallet is. Pure. */
#define NODE_AUTHORISE_BYTES_MAX                                                                   \
    ((size_t)16 << 10) /* of what is printed for a wallet elsewhere                                \
                        */
#define NODE_AUTHORISE_WHY_BYTES 256

/* What `nftmesh authorize` asks of a node, so that neither key leaves the process that holds it.
 *
 * body  {"token":N,"owner":"0x..","issued_block":N,"issued_block_hash":"..","not_after":s}.
 *       Instance and keys are this node's own, the contract is its own: nothing else is ever
 * signed. json  gets {"bundle":"<hex>"}: a bundle that lacks the owner's signature (zeros).
 * BASE_EINVAL with one line in why; BASE_EKEY. */
int node_authorise_answer(struct base_buf *json, const struct node_identity *identity,
                          const json_t *body, char *why, size_t cap);
/* The bundle in {"bundle":"<hex>"}, as it is. BASE_EINVAL with one line in why. */
int node_authorise_bundle(struct node_bundle *out, const json_t *body, char *why, size_t cap);

/* For a wallet elsewhere: EIP-712 typed data as eth_signTypedData_v4 takes it, with one member
 * more, "nftmesh", that holds the bundle and that wallets leave aside. */
void node_authorise_print(struct base_buf *out, uint64_t chain_id,
                          const struct base_eth_address *contract,
                          const struct node_bundle *bundle);
/* Back again. BASE_EMALFORMED, BASE_ETOOBIG, BASE_EINVAL (of another mesh) with why. */
int node_authorise_read(struct node_bundle *out, uint64_t chain_id,
                        const struct base_eth_address *contract, const void *data, size_t len,
                        char why[NODE_AUTHORISE_WHY_BYTES]);
/* The owner's signature (v 0, 1, 27 or 28) into the bundle. BASE_ESIG: not the owner's, or not over
 * this. */
int node_authorise_sign(struct node_bundle *bundle, const struct base_eip712_domain *domain,
                        const struct base_sig65 *sig);

#endif
