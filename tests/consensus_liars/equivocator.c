/* As a leader it makes two candidates of each slot, shows one to each half, and votes for both. */
#include <string.h>

#include "consensus_liar.h"

struct memory {
    uint64_t slot; /* the last one that it made a second candidate for, plus one */
    struct base_hash32 hash;
};

/* The same, but for a byte that means nothing. */
static struct base_hash32 second(struct world_liar *l, const struct consensus_candidate *c,
                                 struct consensus_message *out, uint8_t payload[64])
{
    struct base_vote vote = {
        .epoch_id = l->w->epoch_id, .kind = BASE_VOTE_CAND, .first = c->slot, .last = c->slot};
    *out = liar_message(l, CONSENSUS_MSG_CAND);
    out->u.cand = *c;
    memcpy(payload, c->payload.data, c->payload.len);
    payload[8] ^= 0x80;
    out->u.cand.payload.data = payload;
    consensus_candidate_hash(&vote.hash, &l->w->epoch_id, &out->u.cand);
    out->u.cand.sig = world_signature(&l->w->voters[l->member].signer, &vote);
    return vote.hash;
}

static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    struct memory *memory = l->memory;
    struct consensus_message other;
    uint8_t payload[64];
    if (liar_is_first_half(l, to)) return true;
    if (m->type == CONSENSUS_MSG_CAND && m->u.cand.payload.len <= sizeof payload) {
        struct base_hash32 own;
        struct base_vote vote = {.epoch_id = l->w->epoch_id,
                                 .kind = BASE_VOTE_CAND,
                                 .first = m->u.cand.slot,
                                 .last = m->u.cand.slot};
        consensus_candidate_hash(&own, &l->w->epoch_id, &m->u.cand);
        vote.hash = own;
        if (world_verify(NULL, &vote, &m->u.cand.sig, &l->w->voters[l->member].signer) != 0)
            return true; /* another leader's */
        memory->hash = second(l, &m->u.cand, &other, payload);
        memory->slot = m->u.cand.slot + 1;
        liar_tell(l, to, &other);
        return liar_random(l, 8) == 0; /* sometimes somebody sees both */
    }
    if (m->type != CONSENSUS_MSG_VOTE || m->u.vote.vote.kind == BASE_VOTE_SKIP) return true;
    if (m->u.vote.vote.first + 1 != memory->slot) return true;
    other = liar_vote(l, m->u.vote.vote.kind, m->u.vote.vote.first, &memory->hash);
    liar_tell(l, to, &other);
    return false;
}

const struct world_liar_kind WORLD_LIAR_EQUIVOCATOR = {
    .name = "equivocator",
    .lie = "two candidates for each slot that it leads, one for each half",
    .memory_bytes = sizeof(struct memory),
    .says = says,
};
