#ifndef NFTMESH_CONSENSUS_WEIGHT_H
#define NFTMESH_CONSENSUS_WEIGHT_H

#include <stddef.h>
#include <stdint.h>

/* What seats weigh in a vote. A weight is a number of tokens, at most CONSENSUS_WEIGHT_MAX; who
 * weighs nothing is no member and may be among them. docs/consensus.md, "Weight". */
#define CONSENSUS_WEIGHT_MAX   UINT32_MAX
#define CONSENSUS_MEMBERS_MAX  1024
#define CONSENSUS_MEMBERS_SAFE 4 /* from so many on a lie of less than a third is borne */

/* The most that one member may count for: the largest c with 3 c < sum of min(weight, c), so that
 * nobody alone is a third. CONSENSUS_WEIGHT_MAX, which caps nobody, for fewer than
 * CONSENSUS_MEMBERS_SAFE members that weigh anything. */
uint64_t consensus_weight_cap(const uint64_t *weights, size_t count);

/* floor(2 W / 3) + 1: two of these share more than a third of W, so an honest member. */
uint64_t consensus_quorum(uint64_t total);

/* How few together hold a third, and so can stop everything: of the capped weights of members, or
 * of owners. weights is sorted, the heaviest first. 0 when there is no weight. */
size_t consensus_fewest_to_halt(uint64_t *weights, size_t count);

#endif
