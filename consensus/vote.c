#include "consensus/vote.h"

#include <stddef.h>

bool consensus_vote_is_valid(const struct base_vote *vote)
{
    static const struct base_hash32 none = {{0}};
    switch (vote->kind) {
    case BASE_VOTE_CAND:
    case BASE_VOTE_NOTAR:
    case BASE_VOTE_FINAL:
        return vote->first == vote->last;
    case BASE_VOTE_SKIP:
        return vote->first <= vote->last && base_hash32_equal(&vote->hash, &none);
    }
    return false;
}

static bool covers(const struct base_vote *skip, uint64_t slot)
{
    return skip->first <= slot && slot <= skip->last;
}

/* a->kind is not above b->kind. */
static enum consensus_fault fault_of(const struct base_vote *a, const struct base_vote *b)
{
    if (b->kind == BASE_VOTE_SKIP)
        return a->kind == BASE_VOTE_FINAL && covers(b, a->first) ? CONSENSUS_E3
                                                                 : CONSENSUS_NO_FAULT;
    if (a->first != b->first || base_hash32_equal(&a->hash, &b->hash)) return CONSENSUS_NO_FAULT;
    if (a->kind == BASE_VOTE_NOTAR && b->kind == BASE_VOTE_FINAL) return CONSENSUS_E5;
    if (a->kind != b->kind) return CONSENSUS_NO_FAULT;
    switch (a->kind) {
    case BASE_VOTE_CAND:
        return CONSENSUS_E1;
    case BASE_VOTE_NOTAR:
        return CONSENSUS_E2;
    case BASE_VOTE_FINAL:
        return CONSENSUS_E4;
    case BASE_VOTE_SKIP:
        break;
    }
    return CONSENSUS_NO_FAULT;
}

enum consensus_fault consensus_vote_fault(const struct base_vote *a, const struct base_vote *b,
                                          uint64_t *slot)
{
    if (a->kind > b->kind) return consensus_vote_fault(b, a, slot);
    if (!base_hash32_equal(&a->epoch_id, &b->epoch_id)) return CONSENSUS_NO_FAULT;
    if (slot != NULL) *slot = a->first; /* of a FINAL and a SKIP the FINAL's */
    return fault_of(a, b);
}

const char *consensus_vote_name(enum base_vote_kind kind)
{
    switch (kind) {
    case BASE_VOTE_CAND:
        return "candidate";
    case BASE_VOTE_NOTAR:
        return "notar";
    case BASE_VOTE_FINAL:
        return "final";
    case BASE_VOTE_SKIP:
        return "skip";
    }
    return "unknown";
}

const char *consensus_fault_name(enum consensus_fault fault)
{
    static const char *const names[] = {"none", "E1", "E2", "E3", "E4", "E5"};
    return (size_t)fault < sizeof names / sizeof names[0] ? names[fault] : "unknown";
}
