#ifndef NFTMESH_NODE_SEAT_OFFLINE_H
#define NFTMESH_NODE_SEAT_OFFLINE_H

#include "node/seat.h"
#include "node/statement.h"

/* A registration for an owner whose key is on no machine of the mesh: the statement is written
 * here, signed there (a wallet, a hardware key, a multi-signature contract), and sent by anybody
 * who has some ether. */
#define NODE_SEAT_OFFLINE_DEADLINE_S ((uint64_t)6 * 86400) /* the contract takes at most 7 days */

struct node_seat_wanted {
    struct node_seat_plan plan;
    bool has_statement; /* else nothing is left for the owner to sign */
    struct node_statement statement;
    bool has_bind;        /* the owner must send this itself first: nobody can for it */
    struct base_buf bind; /* its calldata, to w->contract; deinit always */
    char bind_what[NODE_WALLET_WHAT_BYTES];
};
/* What is missing, as a statement for owner. w needs no key. The seat must be owner's. */
int node_seat_state(struct node_wallet *w, struct node_seat_wanted *out,
                    const struct node_seat_request *request, const struct base_eth_address *owner,
                    char *why);

/* Changes the address of the seat on which this node's key stands, by the node's own signature: w
 * has a key with some ether, whose ever it is. BASE_EINVAL: the node is on no seat. */
int node_seat_move(struct node_wallet *w, struct node_seat_result *result,
                   const struct node_seat_request *request, char *why);

/* Sends a statement with the owner's signature: 65 bytes of a key, with v 0, 1, 27 or 28, or what
 * the owner's contract takes (EIP-1271), at most CHAIN_OWNER_SIG_BYTES_MAX. w has a key with some
 * ether, whose ever it is. BASE_EINVAL: another mesh's statement, or not the owner's signature.
 * result->stood_already when the chain has it. */
int node_seat_submit(struct node_wallet *w, struct node_seat_result *result,
                     const struct node_statement *statement, const uint8_t *sig, size_t sig_len,
                     char *why);

#endif
