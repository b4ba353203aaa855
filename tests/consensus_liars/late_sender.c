/* Says everything, a while later: votes after their slot, candidates just before they are skipped.
 */
#include "consensus_liar.h"

#define LATE_MS 9000

static bool says(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    if (liar_random(l, 3) == 0) return true;
    world_send_later(l->w, l->at, to, m, liar_random(l, LATE_MS) * 1000);
    return false;
}

const struct world_liar_kind WORLD_LIAR_LATE_SENDER = {
    .name = "late-sender",
    .lie = "what it has to say comes seconds later",
    .says = says,
};
