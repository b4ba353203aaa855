#ifndef NFTMESH_NODE_CONSENSUS_LOST_H
#define NFTMESH_NODE_CONSENSUS_LOST_H

#include "node/consensus_op.h"

/* What a log says of one before it, whose votes it does not hold: a PUT_META of this key, the first
 * entry of a new log, replaced when the block is known. Pure. */
#define NODE_CONSENSUS_LOST_KEY      "lost"
#define NODE_CONSENSUS_LOST_BYTES    9 /* how (1), block (8, big-endian) */
#define NODE_CONSENSUS_BLOCK_UNKNOWN UINT64_MAX
/* Put before the first vote: from then on the log is not a new one. */
#define NODE_CONSENSUS_VOTED_KEY "voted"

enum node_consensus_loss {
    NODE_CONSENSUS_LOST_MISSING = 1, /* there was one */
    NODE_CONSENSUS_LOST_SHOWN        /* others hold a vote that is not in it */
};
struct node_consensus_lost {
    enum node_consensus_loss how;
    uint64_t block; /* the chain's head, then or later: no lost vote is of an epoch above it */
};

void node_consensus_lost_encode(uint8_t out[NODE_CONSENSUS_LOST_BYTES],
                                const struct node_consensus_lost *lost);
int node_consensus_lost_decode(struct node_consensus_lost *out, const void *data,
                               size_t len); /* BASE_EMALFORMED */
/* The operation that keeps it; body: room for it, borrowed. */
struct node_consensus_op node_consensus_lost_op(uint8_t body[NODE_CONSENSUS_LOST_BYTES],
                                                const struct node_consensus_lost *lost);
struct node_consensus_op node_consensus_voted_op(void);

#endif
