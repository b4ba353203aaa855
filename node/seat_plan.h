#ifndef NFTMESH_NODE_SEAT_PLAN_H
#define NFTMESH_NODE_SEAT_PLAN_H

#include "chain/contract.h"

/* What is missing on the chain until a node's registration stands, and in which order it is done.
 * Pure: the same chain and the same wish give the same plan, so a registration that was cut off
 * anywhere goes on where it was. */
enum node_seat_step {
    NODE_SEAT_NONE = 0,
    NODE_SEAT_MINT,     /* the wallet has no free seat */
    NODE_SEAT_BIND,     /* the instance, to the token */
    NODE_SEAT_REGISTER, /* keys, URL and end, under one statement */
    NODE_SEAT_ENDPOINT, /* the URL alone */
    NODE_SEAT_RENEW,    /* the end alone */
    /* With a contract that stores no keys, after NODE_SEAT_BIND (node/seat_prototype.h). */
    NODE_SEAT_PEER,     /* the URL; last */
    NODE_SEAT_AUTHORISE /* the owner's signature on keys: no transaction */
};
#define NODE_SEAT_STEPS_MAX     3
#define NODE_SEAT_BECAUSE_BYTES 96

struct node_seat_want {
    struct base_eth_address owner, instance;
    struct base_key33 node_key, proof_key;
    const char *url;    /* "" for none; borrowed */
    uint64_t expires_s; /* how long it shall stand; renewed when less than half is left */
    bool may_mint;
};
struct node_seat_plan {
    size_t count; /* 0: it stands as wanted */
    struct {
        enum node_seat_step step;
        char because[NODE_SEAT_BECAUSE_BYTES]; /* "no instance is bound" */
    } steps[NODE_SEAT_STEPS_MAX];
};

/* "mint", "registerInstance", "register", "setEndpoint", "renew": the contract's own names; and
 * "registerPeer", "authorize". */
const char *node_seat_step_name(enum node_seat_step step);
/* The token meant among the seats: the one that the instance is bound to, if it is the owner's;
 * else the owner's first that neither holds an instance nor gives weight to another. NULL: none. */
const struct chain_seat *node_seat_choose(const struct node_seat_want *want,
                                          const struct chain_seat *seats, size_t count);
/* seat NULL: there is none; then want->may_mint, else nothing can be done (count 0). root_epoch is
 * the contract's current one, now_s the latest block's time. */
void node_seat_plan(struct node_seat_plan *out, const struct node_seat_want *want,
                    const struct chain_seat *seat, uint64_t root_epoch, uint64_t now_s);

#endif
