/* Skips every window from its first slot on, and gives a FINAL to each of its slots. */
#include "consensus_liar.h"

static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    const struct base_vote *v = &m->u.vote.vote;
    uint32_t window = l->w->params.window_slots;
    if (m->type != CONSENSUS_MSG_VOTE || v->kind == BASE_VOTE_SKIP) return true;
    struct consensus_message skip = liar_vote(l, BASE_VOTE_SKIP, v->first, NULL);
    struct consensus_message all = liar_vote(l, BASE_VOTE_SKIP, v->first / window * window, NULL);
    if (liar_is_first_half(l, to)) liar_tell(l, to, liar_random(l, 2) == 0 ? &skip : &all);
    return true;
}

/* A FINAL for what it has only heard of. */
static bool hears(struct world_liar *l, size_t from, const struct consensus_message *m)
{
    (void)from;
    if (m->type != CONSENSUS_MSG_VOTE || m->u.vote.vote.kind == BASE_VOTE_SKIP) return true;
    struct consensus_message final =
        liar_vote(l, BASE_VOTE_FINAL, m->u.vote.vote.first, &m->u.vote.vote.hash);
    liar_tell(l, liar_peer(l), &final);
    return true;
}

static void acts(struct world_liar *l)
{
    struct consensus_message skip = liar_vote(l, BASE_VOTE_SKIP, liar_view(l).frontier, NULL);
    liar_tell_all(l, &skip);
}

const struct world_liar_kind WORLD_LIAR_SKIP_AND_FINAL = {
    .name = "skip-and-final",
    .lie = "skips what it gives a FINAL, and the other way round",
    .period_ms = 2500,
    .hears = hears,
    .says = says,
    .acts = acts,
};
