#ifndef NFTMESH_CONSENSUS_VOTE_H
#define NFTMESH_CONSENSUS_VOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/eip712.h"

/* What a member signs, and what two of them prove. Digests are EIP-712, so that the contract can
 * check any of them with ecrecover; tests/vectors/votes.json is read by its tests, too. */
enum consensus_fault { /* two votes of one signer that nobody signs who keeps the rules */
                       CONSENSUS_NO_FAULT = 0,
                       CONSENSUS_E1, /* two candidates for a slot */
                       CONSENSUS_E2, /* two NOTARs for a slot */
                       CONSENSUS_E3, /* FINAL of a slot that an own SKIP covers */
                       CONSENSUS_E4, /* two FINALs for a slot */
                       CONSENSUS_E5  /* FINAL of one, NOTAR of another candidate of a slot */
};

/* Of a kind that there is; one slot, or for SKIP a range without a hash. */
bool consensus_vote_is_valid(const struct base_vote *vote);

/* Both valid. slot: of the contradiction; may be NULL. */
enum consensus_fault consensus_vote_fault(const struct base_vote *a, const struct base_vote *b,
                                          uint64_t *slot);

const char *consensus_vote_name(enum base_vote_kind kind);    /* "candidate" .. */
const char *consensus_fault_name(enum consensus_fault fault); /* "E1" .. */

#endif
