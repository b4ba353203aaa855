/* Gives a NOTAR and a FINAL to every candidate that it hears of, and to some that there are not. */
#include "consensus_liar.h"

#define KNOWN 32

struct memory { /* what it has voted for: once each, or two of a kind would never end */
    struct base_hash32 known[KNOWN];
    size_t at;
};

static bool is_known(struct memory *memory, const struct base_hash32 *hash)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (base_hash32_equal(&memory->known[i], hash)) return true;
    memory->known[memory->at++ % KNOWN] = *hash;
    return false;
}

static void vote_for(struct world_liar *l, uint64_t slot, const struct base_hash32 *hash)
{
    if (is_known(l->memory, hash)) return;
    struct consensus_message notar = liar_vote(l, BASE_VOTE_NOTAR, slot, hash);
    struct consensus_message final = liar_vote(l, BASE_VOTE_FINAL, slot, hash);
    liar_tell_all(l, &notar);
    liar_tell_all(l, &final);
}

static bool hears(struct world_liar *l, size_t from, const struct consensus_message *m)
{
    struct base_hash32 hash;
    (void)from;
    if (m->type == CONSENSUS_MSG_CAND) {
        consensus_candidate_hash(&hash, &l->w->epoch_id, &m->u.cand);
        vote_for(l, m->u.cand.slot, &hash);
    }
    if (m->type == CONSENSUS_MSG_VOTE && m->u.vote.vote.kind == BASE_VOTE_NOTAR &&
        liar_random(l, 4) == 0)
        vote_for(l, m->u.vote.vote.first, &m->u.vote.vote.hash);
    return true;
}

static void acts(struct world_liar *l)
{
    struct base_hash32 none = {{0xff}};
    none.bytes[31] = (uint8_t)liar_random(l, 256);
    vote_for(l, liar_view(l).frontier + liar_random(l, 4), &none);
}

const struct world_liar_kind WORLD_LIAR_DOUBLE_VOTER = {
    .name = "double-voter",
    .lie = "votes for every candidate of a slot, and for some that there are not",
    .memory_bytes = sizeof(struct memory),
    .period_ms = 700,
    .hears = hears,
    .acts = acts,
};
