#ifndef NFTMESH_NODE_SEAT_H
#define NFTMESH_NODE_SEAT_H

#include "node/view.h"
#include "node/wallet.h"

/* Registering a node's keys for a seat: what `nftmesh register` and `nftmesh node --register` do.
 */
struct node_seat_request { /* strings borrowed */
    bool has_token;        /* else: the token bound to the instance, or a free one */
    struct base_u256 token;
    const char *url;      /* NULL: none is registered */
    uint64_t expires_ms;  /* from the latest block's time */
    const char *data_dir; /* its control socket is asked first */
    const char *dstack;   /* when no node runs there */
    bool dev;
};
struct node_seat_result {
    bool stood_already; /* the contract has these very values: nothing was sent */
    struct base_u256 token;
    struct node_wallet_sent sent; /* of register(); or of registerInstance() in a dry run */
};

/* w has its key, which must own the token. The instance is bound first where it is not; before
 * each step the chain is read anew, so a repeated call never pays twice. BASE_EINVAL with one line
 * in why for what the user can mend, other errors as they come. */
int node_seat_register(struct node_wallet *w, struct node_seat_result *result,
                       const struct node_seat_request *request, char *why);

#endif
