#ifndef NFTMESH_NODE_SEAT_SIGNER_H
#define NFTMESH_NODE_SEAT_SIGNER_H

#include <jansson.h>

#include "chain/contract.h"
#include "node/identity.h"
#include "node/store.h"
#include "node/wallet.h"

/* Who signs for a node's seat with its node key and app proof key: the node that runs on the
 * data-dir, through its control socket, or we ourselves with keys made from that data-dir's seed
 * and the guest agent. Neither key leaves the process that holds it. */
struct node_seat_signer {
    struct node_http_sync *http;
    char control[NODE_STORE_PATH_BYTES];
    bool running;
    struct node_identity identity; /* when no node runs */
};
struct node_seat_source { /* borrowed */
    const char *data_dir; /* its control socket is asked first */
    const char *dstack;   /* the guest agent's socket, when no node runs there */
    bool dev;             /* the simulator will do */
};

/* why: one line of NODE_WALLET_WHY_BYTES. w gives chain id, contract and the HTTP client, and must
 * stay open. _close zeroes the keys, also after an error. */
int node_seat_signer_open(struct node_seat_signer *s, const struct node_wallet *w,
                          const struct node_seat_source *source, char *why);
void node_seat_signer_close(struct node_seat_signer *s);

/* The statement of body, signed by N and D: node/binding.h has both forms. The caller decrefs. */
int node_seat_signer_ask(struct node_seat_signer *s, json_t **out, const char *body, char *why);
/* In: token_id, owner, url, nonce, expires_at, deadline. Out: instance and keys, and everything of
 * args but the owner's signature. */
int node_seat_signer_binding(struct node_seat_signer *s, struct base_binding *b,
                             struct chain_register *args, char *why);
/* In: token_id, url, nonce, deadline. Out: node_key, and its signature. */
int node_seat_signer_endpoint(struct node_seat_signer *s, struct base_endpoint *e,
                              struct base_sig65 *sig, char *why);

#endif
