#ifndef NFTMESH_CONSENSUS_SCHEDULE_H
#define NFTMESH_CONSENSUS_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "consensus/weight.h"

/* Who leads which window of an epoch: a weighted round robin, a function of the epoch's record
 * alone, so that all agree on it without a word. Each window every member that leads earns its
 * weight, and the one with most pays all of it together.
 *
 * Over any t windows of an epoch a member leads t w / W of them, within 2 + |start| / W, start
 * being the largest of those who lead. Source: CometBFT, spec/consensus/proposer-selection.md. */
struct consensus_lead {
    struct base_key33 key;
    uint64_t weight;  /* after the cap; 0: does not lead */
    int64_t priority; /* as the epoch's record has it, or as it is after the windows so far */
};

struct consensus_schedule {
    struct consensus_lead *leads; /* the caller's, by key */
    size_t count;                 /* 1..CONSENSUS_MEMBERS_MAX, one of weight at least */
    uint64_t total;               /* W: of those that lead */
};

/* leads: in ascending order of keys, as the epoch's record lists them; kept and changed.
 * BASE_EINVAL: not so, or nobody leads. */
int consensus_schedule_init(struct consensus_schedule *s, struct consensus_lead *leads,
                            size_t count);

/* Priorities of the first epoch: drawn from [-W, W) by the block that founded it. */
void consensus_schedule_draw(struct consensus_schedule *s, const struct base_hash32 *block_hash);

/* Priorities of an epoch that follows one: who was there keeps what it had, who is new starts
 * behind all, so that to leave and come back gains nothing. before: after the last window of the
 * former epoch was paid for; by key. */
void consensus_schedule_carry(struct consensus_schedule *s, const struct consensus_lead *before,
                              size_t before_count);

/* The index of the leader of the next window, which has been paid for then. */
size_t consensus_schedule_next(struct consensus_schedule *s);

/* The next window is this one's, whoever's turn it is: it pays as if it were. */
void consensus_schedule_give(struct consensus_schedule *s, size_t index);

#endif
