/* As a leader it makes two candidates of each slot, shows one to each half, and votes for both. */
#include "consensus_liar.h"

#define PAYLOAD_MAX 512

struct memory {
    uint64_t slot; /* the last one that it made a second candidate for, plus one */
    struct base_hash32 hash;
};

/* The same, but for something that means little. */
static void tell_second(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    struct memory *memory = l->memory;
    struct consensus_message other = *m;
    uint8_t payload[PAYLOAD_MAX];
    size_t len = world_other_payload(l->w, l->at, payload, sizeof payload, &m->u.cand);
    other.u.cand.payload = (struct base_slice){payload, len};
    memory->hash = liar_sign_cand(l, &other.u.cand);
    memory->slot = m->u.cand.slot + 1;
    liar_tell(l, to, &other);
}

static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    const struct memory *memory = l->memory;
    const struct base_vote *v = &m->u.vote.vote;
    if (liar_is_first_half(l, to)) return true;
    if (m->type == CONSENSUS_MSG_CAND) {
        if (!liar_is_own(l, &m->u.cand)) return true;
        tell_second(l, to, m);
        return liar_random(l, 8) == 0; /* sometimes somebody sees both */
    }
    if (m->type != CONSENSUS_MSG_VOTE || v->kind == BASE_VOTE_SKIP) return true;
    if (v->first + 1 != memory->slot) return true;
    struct consensus_message vote = liar_vote(l, v->kind, v->first, &memory->hash);
    liar_tell(l, to, &vote);
    return false;
}

const struct world_liar_kind WORLD_LIAR_EQUIVOCATOR = {
    .name = "equivocator",
    .lie = "two candidates for each slot that it leads, one for each half",
    .memory_bytes = sizeof(struct memory),
    .says = says,
};
