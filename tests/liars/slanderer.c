/* Says of healthy members that they are dead, and agrees with every such doubt. */
#include "sim_liar.h"

static void acts(struct sim_liar *l)
{
    enum base_statement kind =
        sim_random(l->s, 2) == 0 ? BASE_STATEMENT_ACCUSATION : BASE_STATEMENT_CONFIRMATION;
    uint32_t victim = sim_liar_victim(l);
    if (victim != l->i) sim_accuse(l->s, l->i, victim, kind);
}

const struct sim_liar_kind SIM_LIAR_SLANDERER = {
    .name = "slanderer",
    .lie = "accuses healthy members, and confirms every accusation",
    .period_ms = 150,
    .acts = acts,
};
