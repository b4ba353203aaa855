#ifndef NFTMESH_NODE_SEAT_PROTOTYPE_H
#define NFTMESH_NODE_SEAT_PROTOTYPE_H

#include "node/bundle.h"
#include "node/seat.h"

/* Seats of the prototype's contract, which stores no keys: reading one, making one a node's, and
 * the owner's authorisation that stands for the registration (node/authority.h). why: one line of
 * NODE_WALLET_WHY_BYTES everywhere. */

/* Which of the two contracts is it? BASE_EINVAL: neither. */
int node_prototype_detect(struct node_wallet *w, bool *is_prototype, char *why);
/* Owner, instance, activity and URL of one token. BASE_EINVAL: no such token. */
int node_prototype_read(struct node_wallet *w, struct chain_seat *out,
                        const struct base_u256 *token, char *why);

struct node_authorise_request {
    struct base_u256 token;
    uint64_t lasts_s; /* from the issued block's time; at most NODE_AUTHORITY_TERM_S */
    bool revoke;
    struct base_eth_address owner; /* whose seat it has to be */
};
/* Everything but the owner's signature: issued at the running node's reference block, so that no
 * reorganisation takes it away, else at the latest. s may be NULL for a revocation without a node.
 * BASE_EINVAL: not the owner's seat, or not this node's instance. */
int node_authorise_make(struct node_wallet *w, struct node_seat_signer *s, struct node_bundle *out,
                        const struct node_authorise_request *request, char *why);
/* The same, right after a mint or a sale: a running node still judges by a block before it, on a
 * chain that is read at `safe` or `finalized` for minutes. That is waited for as long as for a
 * receipt (w->wait_ms), and so is an endpoint that says no (too many requests): what was paid
 * already is of no use without. What has been found out is not asked for again. */
int node_authorise_wait(struct node_wallet *w, struct node_seat_signer *s, struct node_bundle *out,
                        const struct node_authorise_request *request, char *why);
/* w's key signs. BASE_EINVAL: it is not the owner's. */
int node_authorise_with(struct node_wallet *w, struct node_bundle *bundle, char *why);

/* node_seat_register() on this contract: registerInstance and registerPeer where they are missing,
 * and the authorisation where none counts. */
int node_seat_register_prototype(struct node_wallet *w, struct node_seat_result *result,
                                 const struct node_seat_request *request, char *why);

#endif
