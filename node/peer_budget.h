#ifndef NFTMESH_NODE_PEER_BUDGET_H
#define NFTMESH_NODE_PEER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* How much of this node a member may use: frames and bytes that it sends on a link to us, and
 * statements that it signed and that we had to verify, whoever brought them. Pure; monotonic time
 * is passed in. docs/decisions/0019-a-budget-for-each-member.md says where the figures come from.
 *
 * Each kind is a token bucket. A member that has used one up is read more slowly: its link rests
 * until the bucket has something again, a second at most. One that never comes back to half a
 * bucket for NODE_PEER_PATIENCE_MS is too much: its link is closed, and no other is taken for a
 * while.
 *
 * What a member relays for others costs its own frames and bytes; the signatures in it are on their
 * signers' account. A signature that does not verify, or is of no member, is on the account of who
 * brought it. */
enum node_peer_cost {
    NODE_PEER_FRAMES = 0,
    NODE_PEER_BYTES,
    NODE_PEER_STATEMENTS, /* signatures verified */
    NODE_PEER_COSTS       /* how many kinds */
};

#define NODE_PEER_FRAMES_A_SECOND     500
#define NODE_PEER_FRAMES_BURST        10000
#define NODE_PEER_BYTES_A_SECOND      ((uint64_t)1 << 20)
#define NODE_PEER_BYTES_BURST         ((uint64_t)16 << 20)
#define NODE_PEER_STATEMENTS_A_SECOND 250
#define NODE_PEER_STATEMENTS_BURST    5000
#define NODE_PEER_FORGERY_COST        16 /* statements; honest members bring none */
#define NODE_PEER_REST_MS             1000
#define NODE_PEER_PATIENCE_MS         30000
#define NODE_PEER_BAR_MS              60000  /* doubled each time */
#define NODE_PEER_BAR_MAX_MS          960000 /* 16 min */
#define NODE_PEER_FORGIVEN_MS         3600000

struct node_peer_budget {           /* zeroed memory is a member that has used nothing */
    uint64_t used[NODE_PEER_COSTS]; /* in thousandths */
    uint64_t at_ms;                 /* used is of then */
    uint64_t over_since_ms;         /* 0: not over */
    uint64_t barred_until_ms;       /* 0: never was */
    unsigned bars;
};

enum node_peer_verdict {
    NODE_PEER_OK = 0,
    NODE_PEER_REST, /* read nothing of it before *resume_ms */
    NODE_PEER_CLOSE /* over its budget for too long: close, and bar */
};

void node_peer_budget_spend(struct node_peer_budget *b, uint64_t now_ms, enum node_peer_cost kind,
                            uint64_t amount);
/* resume_ms: set with NODE_PEER_REST. */
enum node_peer_verdict node_peer_budget_judge(struct node_peer_budget *b, uint64_t now_ms,
                                              uint64_t *resume_ms);
/* The kind that is used up most, and how far, in thousandths of its bucket. */
enum node_peer_cost node_peer_budget_most(struct node_peer_budget *b, uint64_t now_ms,
                                          uint64_t *permille);
/* Its link has been closed for it: no other until the time is over. Starts with a new budget then.
 */
void node_peer_budget_bar(struct node_peer_budget *b, uint64_t now_ms);
bool node_peer_budget_is_barred(const struct node_peer_budget *b, uint64_t now_ms);

const char *node_peer_cost_name(enum node_peer_cost kind); /* "frames" .. */
uint64_t node_peer_cost_a_second(enum node_peer_cost kind);

#endif
