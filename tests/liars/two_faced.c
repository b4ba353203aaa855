/* Signs two records of one incarnation and sequence, and shows each to one half of the mesh, every
 * other time as if to everybody, so that nobody passes it on. */
#include "sim_liar.h"

struct memory {
    uint64_t sequence;
};

static void acts(struct sim_liar *l)
{
    struct memory *m = l->memory;
    struct sim_liar_record face[2];
    uint64_t incarnation = sim_incarnation(l->s, l->i), sequence = 1000 + m->sequence++;
    uint32_t reach = sequence % 2 == 0 ? 1 : sim_node_count(l->s);
    sim_liar_record(&face[0], l, l->i, incarnation, sequence, "white");
    for (uint32_t j = 0; j < sim_node_count(l->s); j += 2)
        sim_liar_tell_reach(l, j, &face[0].item, reach);
    sim_liar_record(&face[1], l, l->i, incarnation, sequence, "black");
    for (uint32_t j = 1; j < sim_node_count(l->s); j += 2)
        sim_liar_tell_reach(l, j, &face[1].item, reach);
}

const struct sim_liar_kind SIM_LIAR_TWO_FACED = {
    .name = "two-faced",
    .lie = "shows each half of the mesh another record of one sequence",
    .memory_bytes = sizeof(struct memory),
    .period_ms = 1000,
    .acts = acts,
};
