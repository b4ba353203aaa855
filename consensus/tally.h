#ifndef NFTMESH_CONSENSUS_TALLY_H
#define NFTMESH_CONSENSUS_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consensus/vote.h"
#include "consensus/weight.h"

/* Who votes in an epoch: members by key, each with its capped weight. Borrowed by all below. */
struct consensus_voter {
    struct base_key33 key;
    struct base_eth_address signer; /* key's address: what a vote's signature recovers to */
    uint64_t weight;
};
struct consensus_voters {
    const struct consensus_voter *list;
    size_t count;
    uint64_t total, quorum;
};
/* BASE_EINVAL: not in ascending order of keys, too many, or no weight at all. */
int consensus_voters_init(struct consensus_voters *v, const struct consensus_voter *list,
                          size_t count);
/* Index by key; count when there is none. */
size_t consensus_voter_find(const struct consensus_voters *v, const struct base_key33 *key);

/* Votes of one kind (CAND, NOTAR, FINAL) for one slot, verified before they come here. Two of a
 * voter are kept when they contradict each other, for they are evidence; both weigh, each for its
 * own hash (docs/consensus.md, rule C3). Zeroed memory is an empty one. */
struct consensus_ballot {
    uint16_t voter;
    struct base_hash32 hash;
    struct base_sig65 sig;
};
struct consensus_tally {
    struct consensus_ballot *list; /* in order of arrival; at most two of a voter */
    uint32_t count, cap;
    struct consensus_sum { /* of each hash, so that a vote costs no count of all */
        struct base_hash32 hash;
        uint64_t weight;
    } * sums;
    uint32_t sum_count, sum_cap;
};
enum consensus_taken {
    CONSENSUS_TAKEN = 0,
    CONSENSUS_TAKEN_SECOND, /* and it contradicts the voter's first: *other is that one */
    CONSENSUS_KNOWN,
    CONSENSUS_SURPLUS, /* a third hash of this voter: two prove what there is to prove */
    CONSENSUS_NO_ROOM  /* out of memory: as if it had been lost on the way */
};
enum consensus_taken consensus_tally_add(struct consensus_tally *t,
                                         const struct consensus_voters *v, uint16_t voter,
                                         const struct base_hash32 *hash,
                                         const struct base_sig65 *sig,
                                         const struct consensus_ballot **other);
const struct consensus_ballot *consensus_tally_of(const struct consensus_tally *t, uint16_t voter,
                                                  const struct base_hash32 *hash);
bool consensus_tally_has(const struct consensus_tally *t, uint16_t voter);
uint64_t consensus_tally_weight(const struct consensus_tally *t, const struct base_hash32 *hash);
/* The hash that a quorum has voted for; NULL: none has one. With less than a third lying there is
 * one at most. Borrowed until the next add. */
const struct base_hash32 *consensus_tally_certified(const struct consensus_tally *t,
                                                    const struct consensus_voters *v);
void consensus_tally_free(struct consensus_tally *t);

/* SKIPs of one window, first..last: each voter's covers from its own first slot to the last one of
 * the window, so that voters need not agree on one to certify what they all cover. */
struct consensus_skips {
    uint64_t first, last;
    struct consensus_skip {
        bool is_held;
        uint64_t from;
        struct base_sig65 sig;
    } * list; /* one a voter */
    size_t count;
};
/* BASE_ENOMEM. */
int consensus_skips_init(struct consensus_skips *s, uint64_t first, uint64_t last, size_t voters);
/* The lowest of a voter stays. from is in the window. */
enum consensus_taken consensus_skips_add(struct consensus_skips *s, uint16_t voter, uint64_t from,
                                         const struct base_sig65 *sig);
/* The first slot from which on all to the window's end are certified to be skipped; UINT64_MAX:
 * none is. */
uint64_t consensus_skips_certified(const struct consensus_skips *s,
                                   const struct consensus_voters *v);
/* Of all who skip this slot. */
uint64_t consensus_skips_weight(const struct consensus_skips *s, const struct consensus_voters *v,
                                uint64_t slot);
void consensus_skips_free(struct consensus_skips *s);

#endif
