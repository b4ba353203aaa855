#ifndef NFTMESH_NODE_SEAT_SIGNER_H
#define NFTMESH_NODE_SEAT_SIGNER_H

#include <jansson.h>

#include "chain/contract.h"
#include "node/bundle.h"
#include "node/identity.h"
#include "node/store.h"
#include "node/wallet.h"

/* Who signs for a node's seat with its node key and app proof key: the node that runs on the
 * data-dir, through its control socket, or we ourselves with keys made from that data-dir's seed
 * and the guest agent. Neither key leaves the process that holds it. */
struct node_seat_signer {
    struct node_http_sync *http;
    uint64_t chain_id;
    struct base_eth_address contract;
    const char *data_dir; /* the source's */
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
/* Without keys of our own: for what only has to be handed over. */
void node_seat_signer_attach(struct node_seat_signer *s, const struct node_wallet *w,
                             const struct node_seat_source *source);
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

/* With a contract that stores no keys (node/authority.h). In: token_id, owner, issued block and its
 * hash, not_after. Out: everything but the owner's signature. */
int node_seat_signer_authorisation(struct node_seat_signer *s, struct node_bundle *b, char *why);
/* A whole statement: to the node that runs, which says its verdict and passes it on to all; else
 * into its data-dir, "stored". BASE_EREMOTE: the node refuses it. */
#define NODE_SEAT_VERDICT_BYTES 24
int node_seat_signer_hand_over(struct node_seat_signer *s, char verdict[NODE_SEAT_VERDICT_BYTES],
                               const struct node_bundle *b, char *why);
/* The running node's reference block: number, hash, time; and until when its seat counts, by the
 * block's time (0: it has none). BASE_ENOTFOUND: no node runs. */
int node_seat_signer_reference(struct node_seat_signer *s, struct chain_block *out,
                               uint64_t *counts_until, char *why);

#endif
