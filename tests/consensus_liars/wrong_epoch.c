/* Brings votes, candidates and certificates of an epoch that this one is not: under its own id, and
 * as if they were of this one. */
#include "consensus_liar.h"

static struct base_hash32 other_epoch(const struct world_liar *l)
{
    struct base_hash32 id = l->w->epoch_id;
    id.bytes[31] ^= 1;
    return id;
}

/* The kind of vote that it gave there, truly signed for there. */
static void own_vote_from_there(struct world_liar *l)
{
    enum base_vote_kind kind = (enum base_vote_kind)(BASE_VOTE_NOTAR + liar_random(l, 2));
    struct base_hash32 hash = {{0x77}};
    struct consensus_message m = liar_vote(l, kind, liar_view(l).frontier, &hash);
    m.u.vote.vote.epoch_id = other_epoch(l);
    m.u.vote.sig = world_signature(&l->w->voters[l->member].signer, &m.u.vote.vote);
    if (liar_random(l, 2) == 0) m.u.vote.vote.epoch_id = l->w->epoch_id;
    if (liar_random(l, 2) == 0) m.epoch_id = other_epoch(l);
    liar_tell_all(l, &m);
}

static bool hears(struct world_liar *l, size_t from, const struct consensus_message *m)
{
    (void)from;
    if (m->type == CONSENSUS_MSG_STATUS || liar_random(l, 4) != 0) return true;
    struct consensus_message moved = *m;
    moved.epoch_id = other_epoch(l);
    liar_tell(l, liar_peer(l), &moved);
    if (m->type != CONSENSUS_MSG_VOTE) return true;
    moved.epoch_id = l->w->epoch_id;
    moved.u.vote.vote.epoch_id = other_epoch(l);
    liar_tell(l, liar_peer(l), &moved);
    return true;
}

/* The vote that is due, but signed for there: whoever counts it holds a certificate that is none.
 */
static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    if (m->type != CONSENSUS_MSG_VOTE || liar_random(l, 3) == 0) return true;
    struct consensus_message moved = *m;
    moved.u.vote.vote.epoch_id = other_epoch(l);
    moved.u.vote.sig = world_signature(&l->w->voters[l->member].signer, &moved.u.vote.vote);
    liar_tell(l, to, &moved);
    return false;
}

const struct world_liar_kind WORLD_LIAR_WRONG_EPOCH = {
    .name = "wrong-epoch",
    .lie = "votes, candidates and certificates of another epoch",
    .period_ms = 500,
    .hears = hears,
    .says = says,
    .acts = own_vote_from_there,
};
