/* A leader that would lead longer: shows its candidates to half of the others and drips them to the
 * rest, says old ones again, and keeps its own SKIP to itself. */
#include "consensus_liar.h"

#define DRIP_MS 3500 /* about T_skip */

static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    if (m->type == CONSENSUS_MSG_VOTE && m->u.vote.vote.kind == BASE_VOTE_SKIP &&
        liar_view(l).leader == l->member)
        return false; /* that it has let go is nobody's business */
    if (m->type != CONSENSUS_MSG_CAND) return true;
    liar_keep(l, m);
    if (liar_is_first_half(l, to)) return true;
    world_send_later(l->w, l->at, to, m, liar_random(l, DRIP_MS) * 1000);
    return false;
}

static void acts(struct world_liar *l)
{
    const struct consensus_message *old = liar_any(l, CONSENSUS_MSG_CAND);
    if (old != NULL) liar_tell(l, liar_peer(l), old);
}

const struct world_liar_kind WORLD_LIAR_LEASE = {
    .name = "lease-liar",
    .lie = "drips candidates, shows them to half, hides its own SKIP",
    .period_ms = 900,
    .says = says,
    .acts = acts,
};
