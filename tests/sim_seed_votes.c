/* Consensus in a seed's story: what there is of it, what strikes it beside the faults of the mesh,
 * and that it goes on whenever enough of the weight does. */
#include "consensus_liar.h"
#include "sim_seed.h"

#define GO_ON_MS    180000u
#define SETTLE_MS   60000u
#define LIAR_SEEDS  2 /* one seed in so many has members whose consensus lies */
#define LIAR_KINDS  2
#define CLIENTS_MAX 5

/* ---- what there is ---- */

static uint64_t draw_kinds(struct sim *s, const struct sim_seed_options *o)
{
    uint64_t all = o->byzantine & ((UINT64_C(1) << WORLD_LIARS_COUNT) - 1), bits = 0;
    if (!o->draw_byzantine) return all;
    if (sim_random(s, LIAR_SEEDS) != 0) return 0;
    for (uint64_t kinds = 1 + sim_random(s, LIAR_KINDS); kinds > 0; kinds--)
        bits |= UINT64_C(1) << sim_random(s, WORLD_LIARS_COUNT);
    return bits & all;
}

/* Below a quarter: seats of others may be sold. In epochs of more than WORLD_NODES they keep still.
 */
static void place(struct sim *s, const struct sim_seed_options *o, struct sim_seed_result *out)
{
    uint64_t weights[SIM_NODES_MAX], total = 0, lying = 0;
    uint32_t kind = (uint32_t)sim_random(s, WORLD_LIARS_COUNT);
    out->byzantine = draw_kinds(s, o);
    if (out->byzantine == 0) return;
    for (uint32_t i = 0; i < o->nodes; i++)
        weights[i] = sim_weight_of(s, i);
    uint64_t cap = consensus_weight_cap(weights, o->nodes);
    for (uint32_t i = 0; i < o->nodes; i++) {
        if (weights[i] > cap) weights[i] = cap;
        total += weights[i];
    }
    for (uint32_t at = 0; at < o->nodes; at++) {
        uint32_t i = o->nodes - 1 - at;
        if (sim_is_liar(s, i) || 4 * (lying + weights[i]) >= total) continue;
        while ((out->byzantine >> kind % WORLD_LIARS_COUNT & 1) == 0)
            kind++;
        (void)sim_votes_make_liar(s, i, WORLD_LIARS[kind++ % WORLD_LIARS_COUNT]->name);
        lying += weights[i];
        out->byzantine_count++;
    }
}

void sim_seed_votes_prepare(struct sim *s, const struct sim_seed_options *o,
                            struct sim_seed_result *out)
{
    static const uint32_t windows[] = {5, 20, 600};
    struct sim_votes_setup setup = {.window_slots = windows[sim_random(s, 3)],
                                    .lease_ms = 3000,
                                    .skip_ms = 3000,
                                    .gap_s = 4 + (uint32_t)sim_random(s, 10),
                                    .store_max_ms = sim_random(s, 4) == 0 ? 200 : 4};
    if (sim_random(s, 3) == 0) /* early skips: only L2 keeps leases apart then */
        setup.skip_ms = 1000 + (uint32_t)sim_random(s, 2000);
    sim_votes(s, &setup);
    place(s, o, out);
}

/* ---- faults ---- */

void sim_seed_votes_strike(struct sim *s)
{
    uint32_t i = (uint32_t)sim_random(s, sim_node_count(s));
    switch (sim_random(s, 6)) {
    case 0:
        sim_votes_trap(s);
        break;
    case 1:
        sim_votes_resign(s, i);
        break;
    case 2:
    case 3:
        for (uint64_t n = 1 + sim_random(s, CLIENTS_MAX); n > 0; n--)
            sim_votes_count(s, i);
        break;
    default:
        break;
    }
}

/* ---- what must be ---- */

const char *sim_seed_votes_go_on(struct sim *s, struct sim_seed_result *out)
{
    if (!sim_votes_may_go_on(s)) {
        out->halts++;
        return NULL;
    }
    uint64_t since = sim_now_ms(s);
    sim_votes_mark(s);
    if (sim_until(s, sim_votes_go_on, GO_ON_MS)) {
        uint64_t took = sim_now_ms(s) - since;
        if (took > out->go_on_ms) out->go_on_ms = took;
        return NULL;
    }
    /* An epoch may have come in between, of which too few have their votes. */
    if (sim_failure(s) != NULL || sim_votes_may_go_on(s)) return "V1 the log does not go on";
    out->halts++;
    return NULL;
}

/* Everybody comes back, who has sold buys again, and refused logs are moved away. */
const char *sim_seed_votes_end(struct sim *s, const struct sim_seed_options *o,
                               struct sim_seed_result *out)
{
    sim_quiet(s, false);
    for (uint32_t i = 0; i < o->nodes; i++) {
        if (!sim_has_seat(s, i)) sim_seat(s, i, true);
        sim_resume(s, i);
        sim_votes_forget(s, i);
        if (!sim_is_up(s, i)) sim_restart(s, i, (i + 1) % o->nodes);
    }
    if (!sim_until(s, sim_chain_is_settled, SETTLE_MS)) return "the chain never settled";
    if (!sim_until(s, sim_all_right, SETTLE_MS)) return "tables not right after repair";
    const char *wrong = sim_seed_votes_go_on(s, out);
    if (wrong == NULL) sim_votes_judge_end(s);
    return wrong;
}
