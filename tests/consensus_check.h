#ifndef NFTMESH_TESTS_CONSENSUS_CHECK_H
#define NFTMESH_TESTS_CONSENSUS_CHECK_H

#include "consensus/engine.h"

/* What must hold after every step of one epoch, told what honest members say and do. Knows nothing
 * of engines: only votes, certificates and what was called final.
 *
 *   I1   one candidate a final slot, and each member's are in order
 *   I2   a final candidate's parent is final, nothing final lies between, all between is skipped
 *   I3   nothing that has a FINAL certificate is skipped; what it descends from may be, notarised
 *        before others skipped it
 *   I4   one notarised candidate a slot
 *   I5   what has a FINAL certificate, or an honest FINAL, has a NOTAR certificate
 *   I6   a certificate is valid, by a count of its own
 *   I7   an honest member never says a pair that is evidence, nor is named in any; restarts, too
 *   I8   it says nothing that is not known to be on its disk
 *   I9   one honest lease at a time, and fencing tokens do not go back
 *   I13  all name the same leader of a window, and each leads its share
 *   I15  no more is held than there are bounds for */
struct check;
struct check_setup { /* borrowed */
    const struct consensus_voter *voters;
    const struct consensus_lead *leads;
    size_t count;
    uint32_t window_slots;
    const struct base_hash32 *epoch_id;
    consensus_verify verify;
    void *verify_ctx;
};
struct check *check_new(const struct check_setup *setup);
void check_free(struct check *c);
/* NULL: all is well. Otherwise the first thing that is not: "I4 ..". */
const char *check_failure(const struct check *c);
void check_fail(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An honest member says this vote (a CAND, too); is_stored: its disk holds it. */
void check_vote(struct check *c, size_t member, const struct base_vote *vote, bool is_stored);
void check_cert(struct check *c, size_t member,
                const struct consensus_cert *cert);              /* it holds it */
void check_fault(struct check *c, size_t named, bool is_honest); /* a member was accused */
void check_final(struct check *c, size_t member, uint64_t slot, uint64_t parent_slot,
                 const struct base_hash32 *hash);
void check_start(struct check *c, size_t member); /* anew: its finals may begin again */
/* It goes on from this state, which others had found final. */
void check_state(struct check *c, size_t member, uint64_t slot, const struct base_hash32 *hash);
/* Everybody honest who holds a lease now, and the windows that they lead; UINT64_MAX: one that has
 * passed to another. */
void check_leases(struct check *c, const size_t *holders, const uint64_t *windows, size_t count);
/* A window up to the one that is active for it. */
void check_leader(struct check *c, size_t member, uint64_t window, size_t leader);

struct check_held {           /* by one engine */
    uint64_t lowest, highest; /* slots */
    size_t slots, windows, finals;
    size_t votes_most; /* of one kind for one slot */
};
void check_held(struct check *c, size_t member, const struct check_held *held);

bool check_is_final(const struct check *c, uint64_t slot, const struct base_hash32 *hash);
bool check_is_skipped(const struct check *c, uint64_t slot);
/* How many candidates of this slot honest members have given a NOTAR. */
size_t check_honest_choices(const struct check *c, uint64_t slot);

#endif
