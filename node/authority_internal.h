#ifndef NFTMESH_NODE_AUTHORITY_INTERNAL_H
#define NFTMESH_NODE_AUTHORITY_INTERNAL_H

#include "node/authority.h"

/* Shared by authority.c (what is kept, and what follows from it) and authority_judge.c (the lines).
 */
struct holding {
    bool present;
    bool is_signed; /* lines 3 and 9 held once: they do not depend on the block. Else from disk */
    bool counts;
    struct node_bundle bundle;
    struct base_hash32 digest;
    struct base_eth_address root; /* that its chain descends from */
};

struct slot { /* one a token */
    struct base_u256 token_id;
    struct holding kept, aside;
    bool is_news;
    uint64_t changed_block; /* the reference at which it changed last, and how often there */
    unsigned changes;
};

struct early {
    struct node_bundle bundle;
    unsigned age; /* references that it has waited for */
};

struct node_authority {
    struct slot *slots; /* sorted by token id */
    size_t count, cap;
    struct early early[NODE_AUTHORITY_EARLY_MAX]; /* oldest first */
    size_t early_count;
};

/* One judgement under way. */
struct trial {
    const struct node_authority *authority;
    const struct node_authority_world *world;
    const struct node_bundle *bundle;
    struct node_refusal *out;
    const struct slot *slot;       /* of this token; NULL: none */
    const struct chain_seat *seat; /* by line 1 */
    struct base_hash32 digest;
    struct chain_block issued; /* by line 5 */
    bool has_worked;           /* signatures were computed for it */
};

/* NULL: nothing of this token. */
struct slot *node__authority_slot_find(const struct node_authority *a,
                                       const struct base_u256 *token_id);
/* <0: x is the worse. The later issued block, in one block a revocation, then the higher digest. */
int node__authority_compare(const struct node_bundle *x, const struct base_hash32 *x_digest,
                            const struct node_bundle *y, const struct base_hash32 *y_digest);

enum node_authority_verdict node__authority_refuse(struct trial *t,
                                                   enum node_authority_verdict verdict,
                                                   enum node_reason reason);
/* Line 3 */
enum node_authority_verdict node__authority_signatures(struct trial *t);
/* Lines 1 to 8. */
enum node_authority_verdict node__authority_judge(struct trial *t);
/* Line 9; *root is the one that holds. */
bool node__authority_chain_holds(struct trial *t, struct base_eth_address *root);
bool node__authority_app_may_count(const struct node_authority_world *world,
                                   const struct base_eth_address *app_id);
bool node__authority_find_block(const struct node_authority_world *world, uint64_t number,
                                struct chain_block *out);

#endif
