/* As a leader it builds on what it likes: on a candidate that nobody notarised, on one of long ago,
 * on the genesis. */
#include "consensus_liar.h"

struct memory {
    uint64_t slot; /* the last one that it made a candidate for, plus one */
    uint64_t parent_slot;
    struct base_hash32 parent_hash;
};

static void choose_parent(struct world_liar *l, struct memory *memory,
                          const struct consensus_candidate *own)
{
    const struct consensus_message *any = liar_any(l, CONSENSUS_MSG_CAND);
    *memory = (struct memory){own->slot + 1, own->parent_slot, own->parent_hash};
    if (liar_random(l, 3) == 0) return;
    memory->parent_slot = CONSENSUS_NO_SLOT;
    memory->parent_hash = l->w->genesis;
    if (any == NULL || any->u.cand.slot >= own->slot || liar_random(l, 4) == 0) return;
    memory->parent_slot = any->u.cand.slot;
    consensus_candidate_hash(&memory->parent_hash, &l->w->epoch_id, &any->u.cand);
}

static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    struct memory *memory = l->memory;
    struct consensus_message other = *m;
    if (m->type != CONSENSUS_MSG_CAND || !liar_is_own(l, &m->u.cand)) return true;
    if (memory->slot != m->u.cand.slot + 1) choose_parent(l, memory, &m->u.cand);
    other.u.cand.parent_slot = memory->parent_slot;
    other.u.cand.parent_hash = memory->parent_hash;
    liar_sign_cand(l, &other.u.cand);
    liar_tell(l, to, &other);
    return false;
}

static bool hears(struct world_liar *l, size_t from, const struct consensus_message *m)
{
    (void)from;
    if (m->type == CONSENSUS_MSG_CAND) liar_keep(l, m);
    return true;
}

const struct world_liar_kind WORLD_LIAR_JUMPER = {
    .name = "jumper",
    .lie = "candidates on any parent, notarised or not, skipped in between or not",
    .memory_bytes = sizeof(struct memory),
    .hears = hears,
    .says = says,
};
