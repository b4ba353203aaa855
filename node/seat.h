#ifndef NFTMESH_NODE_SEAT_H
#define NFTMESH_NODE_SEAT_H

#include "node/seat_plan.h"
#include "node/seat_signer.h"
#include "node/view.h"
#include "node/wallet.h"

/* Registering a node's keys for a seat: what `nftmesh register` and `nftmesh node --register` do.
 * The chain is read, what is missing is planned (node/seat_plan.h), and only that is done, one
 * step after the other, with the chain read anew before each: so a registration that was killed
 * anywhere is completed by the next one, two at once do not harm each other, and nothing is paid
 * twice. Which contract it is decides who does it: the prototype's is node/seat_prototype.h's. */
struct node_bundle;
struct node_seat_request { /* strings borrowed */
    bool has_token;        /* else: the token bound to the instance, or a free one */
    struct base_u256 token;
    bool mint;            /* mint a seat where the wallet has none that is free */
    const char *url;      /* NULL: the one that stands stays */
    uint64_t expires_ms;  /* from the latest block's time */
    const char *data_dir; /* its control socket is asked first */
    const char *dstack;   /* when no node runs there */
    bool dev;
    /* With a contract that stores no keys: until when, by a block's time, the caller knows an
     * authorisation of these keys to count (0: of none). A node that runs is asked instead. */
    uint64_t authorised_until;
    /* .. and is told, when it has been stored or handed over, of one that is issued now: before the
     * seat's address goes onto the chain. May be NULL. */
    void (*authorised)(void *ctx, const struct node_bundle *bundle);
    void *authorised_ctx;
};
struct node_seat_done {
    enum node_seat_step step;
    bool is_guess; /* dry run: no estimate, since the step before it has not happened */
    struct node_wallet_sent sent;
};
struct node_seat_result {
    bool stood_already; /* the contract has these very values: nothing was sent */
    bool has_token;     /* false only in the dry run of a mint */
    struct base_u256 token;
    struct node_seat_plan plan; /* as the chain was at first */
    struct node_seat_done done[NODE_SEAT_STEPS_MAX];
    size_t done_count;
    struct node_wallet_sent sent; /* of the last step */
    uint64_t authorised_until;    /* with a contract that stores no keys: issued now; else 0 */
};

/* w has its key, which must own the token. w->told hears the plan and each step. BASE_EINVAL with
 * one line in why for what the user can mend, other errors as they come; then the chain is as it
 * was or further, never broken, and the same call again goes on. */
int node_seat_register(struct node_wallet *w, struct node_seat_result *result,
                       const struct node_seat_request *request, char *why);

/* ---- for the other verbs ---- */

/* One seat as it stands at the latest block. BASE_EINVAL: no such token. */
int node_seat_read(struct node_wallet *w, struct chain_seat *out, struct chain_cluster_state *state,
                   const struct base_u256 *token, char *why);
/* Mints to an address: free for the contract's owner, else at the exact price of the moment. */
int node_seat_mint(struct node_wallet *w, struct node_wallet_sent *sent,
                   const struct base_eth_address *to, char *why);
#define NODE_SEAT_DEADLINE_S    3600                    /* a statement that is sent at once */
#define NODE_SEAT_EXPIRES_MAX_S (UINT64_C(400) * 86400) /* the contract's bound */
/* When a registration made now shall end. */
uint64_t node_seat_expiry(uint64_t now_s, uint64_t expires_ms);

#endif
