/* Says again what it heard long ago: certificates, votes and candidates of windows that are over,
 * to those who were away as well. */
#include "consensus_liar.h"

static bool hears(struct world_liar *l, size_t from, const struct consensus_message *m)
{
    (void)from;
    if (m->type != CONSENSUS_MSG_STATUS) liar_keep(l, m);
    return true;
}

static void acts(struct world_liar *l)
{
    static const enum consensus_message_type types[] = {CONSENSUS_MSG_CERT, CONSENSUS_MSG_VOTE,
                                                        CONSENSUS_MSG_CAND, CONSENSUS_MSG_GET};
    const struct consensus_message *old = liar_any(l, types[liar_random(l, 4)]);
    if (old != NULL) liar_tell_all(l, old);
    struct consensus_message lost = liar_message(l, CONSENSUS_MSG_STATUS);
    lost.u.status = (struct consensus_status){0, CONSENSUS_NO_SLOT, 0, 0};
    if (liar_random(l, 4) == 0) liar_tell(l, liar_peer(l), &lost); /* and makes others speak */
}

const struct world_liar_kind WORLD_LIAR_STALE = {
    .name = "stale-certificate",
    .lie = "certificates, votes and candidates of long ago; asks as if it had none",
    .period_ms = 400,
    .hears = hears,
    .acts = acts,
};
