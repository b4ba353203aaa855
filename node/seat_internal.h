#ifndef NFTMESH_NODE_SEAT_INTERNAL_H
#define NFTMESH_NODE_SEAT_INTERNAL_H

#include "node/seat.h"

/* Shared by seat.c (an owner whose key is here) and seat_offline.c (one whose key is not). */
struct node__seat_work {
    struct node_wallet *w;
    struct node_seat_signer signer;
    struct node_seat_request request;
    struct node_seat_result *result;
    struct node_seat_want want;
    /* as the chain was when it was read last */
    struct chain_cluster_state state;
    struct chain_seat seat;
    bool has_seat;
    bool has_minted; /* request.token is of this run's own mint */
    uint64_t now_s;
};
/* Puts one line into why and returns rv. */
int node__seat_say(char why[NODE_WALLET_WHY_BYTES], int rv, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* k->signer is closed by the caller, also after an error. */
int node__seat_open(struct node__seat_work *k, struct node_wallet *w,
                    struct node_seat_result *result, const struct node_seat_request *request,
                    const struct base_eth_address *owner, char *why);
/* The node's keys and instance tell which seat is meant. */
int node__seat_learn(struct node__seat_work *k, struct chain_register *args, char *why);
int node__seat_read_chain(struct node__seat_work *k, char *why);
/* The contract's own check of the signature chain, with the root and the app ids that it has now:
 * what fails it would fail after the instance was bound and paid for. */
int node__seat_check_chain(const struct node__seat_work *k, const struct chain_register *args,
                           char *why);
/* The contract's rule for addresses (form, devMode, base domains), asked beforehand as well.
 * seat_url.c */
int node__seat_check_url(struct node__seat_work *k, char *why);
/* The host in a URL as the contract reads it; false when it takes none of this form. Stricter than
 * node/url.h, which folds case and knows users and brackets. Source: contracts/src/Url.sol. */
#define NODE__SEAT_HOST_BYTES 254
bool node__seat_url_host(char host[NODE__SEAT_HOST_BYTES], const char *url);

#endif
