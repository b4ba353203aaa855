/* Its votes and certificates go to some only, other ones each time, or to nobody. */
#include "consensus_liar.h"

static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    if (m->type == CONSENSUS_MSG_VOTE && m->u.vote.vote.kind == BASE_VOTE_FINAL)
        return (to + m->u.vote.vote.first) % 3 == 0;
    if (m->type == CONSENSUS_MSG_VOTE || m->type == CONSENSUS_MSG_CERT)
        return liar_random(l, 3) == 0;
    return true;
}

const struct world_liar_kind WORLD_LIAR_WITHHOLDER = {
    .name = "withholder",
    .lie = "votes for some ears only, or for none",
    .says = says,
};
