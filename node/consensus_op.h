#ifndef NFTMESH_NODE_CONSENSUS_OP_H
#define NFTMESH_NODE_CONSENSUS_OP_H

#include "base/bytes.h"

/* What a consensus store is told: pure. */
#define NODE_CONSENSUS_BODY_MAX   ((size_t)128 << 10)
#define NODE_CONSENSUS_STATE_MAX  ((size_t)1 << 20)
#define NODE_CONSENSUS_KEY_MAX    64                    /* characters, '!' to '~' */
#define NODE_CONSENSUS_NUMBER_MAX ((uint64_t)INT64_MAX) /* of an epoch, or a slot */

struct node_consensus_row {
    uint64_t epoch;
    uint64_t first, last;   /* the slots that it is about */
    struct base_slice body; /* borrowed */
};

/* Fields that are not named must be zero. */
enum node_consensus_op_kind {
    NODE_CONSENSUS_PUT_VOTE = 1, /* a row at the end of the log; first <= last */
    NODE_CONSENSUS_PUT_EPOCH,    /* epoch, body: replaces what has this number */
    NODE_CONSENSUS_PUT_STATE,    /* epoch, first, body, of at most STATE_MAX: as of the slot before
                                  * first; replaces the state, and drops the votes of lower epochs,
                                  * and of this one those that end before first */
    NODE_CONSENSUS_PUT_META,     /* key, body: replaces what has this key */
    NODE_CONSENSUS_DROP_EPOCHS   /* what PUT_EPOCH put, with a lower number than epoch */
};
struct node_consensus_op { /* borrowed */
    enum node_consensus_op_kind kind;
    struct node_consensus_row row;
    const char *key; /* PUT_META; else NULL */
};

/* BASE_EINVAL: a number above NUMBER_MAX, a bad key, a field that should be zero. BASE_ETOOBIG. */
int node_consensus_op_check(const struct node_consensus_op *op);
size_t node_consensus_op_body_max(enum node_consensus_op_kind kind);
/* SHA-256 of all its fields, and of seq, its number in the store. */
void node_consensus_op_sum(struct base_hash32 *sum, uint64_t seq,
                           const struct node_consensus_op *op);

#endif
