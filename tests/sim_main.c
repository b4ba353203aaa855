/* nftmesh-sim: random faults from one seed a run, then calm; what must be right then, is.
 *
 *   nftmesh-sim [--seed N] [--nodes N] [--count C] [--verbose]
 *
 * Runs C seeds from N on. Prints `sim: C seeds, N nodes, trace hash X`; or the first seed that
 * fails, with what was wrong, and exits 1. The hash is the same for gcc and clang, on any machine.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define FAULTS_MS  60000u
#define CALM_MS    30000u
#define EVENT_MS   10000u
#define DOWN_LIMIT 3 /* one in so many may be down at a time, so that there is a mesh to join */

struct plan { /* swarm testing: each seed draws its own subset of faults */
    bool cuts, one_way, halves, isolation, pauses, crashes, leaves, sales, breaks, slander, tags;
    uint64_t gap_ms;
};

static void plan_draw(struct plan *p, struct sim *s)
{
    bool *const which[] = {&p->cuts,   &p->one_way, &p->halves, &p->isolation,
                           &p->pauses, &p->crashes, &p->leaves, &p->sales,
                           &p->breaks, &p->slander, &p->tags};
    for (size_t i = 0; i < sizeof which / sizeof which[0]; i++)
        *which[i] = sim_random(s, 2) == 0;
    p->gap_ms = 200 + sim_random(s, 4000);
}

static uint32_t any_node(struct sim *s)
{
    return (uint32_t)sim_random(s, sim_node_count(s));
}

static uint32_t down_count(struct sim *s)
{
    uint32_t down = 0;
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        down += !sim_is_up(s, i) || !sim_has_seat(s, i);
    return down;
}

static bool may_go(struct sim *s)
{
    return down_count(s) < sim_node_count(s) / DOWN_LIMIT;
}

static void fault_network(struct sim *s, const struct plan *p)
{
    uint8_t group[SIM_NODES_MAX];
    uint32_t i = any_node(s), j = any_node(s);
    switch (sim_random(s, 6)) {
    case 0:
        if (p->cuts && i != j) {
            sim_cut(s, i, j, true);
            sim_cut(s, j, i, true);
        }
        break;
    case 1:
        if (p->one_way && i != j) sim_cut(s, i, j, true);
        break;
    case 2:
        for (uint32_t n = 0; n < sim_node_count(s); n++)
            group[n] = (uint8_t)sim_random(s, 2);
        if (p->halves) sim_partition(s, group);
        break;
    case 3:
        if (p->isolation) sim_isolate(s, i);
        break;
    case 4:
        if (p->breaks) sim_break(s, i, j);
        break;
    case 5: /* it gets better, too */
        memset(group, 0, sizeof group);
        sim_partition(s, group);
        break;
    }
}

static void fault_node(struct sim *s, const struct plan *p)
{
    uint32_t i = any_node(s);
    switch (sim_random(s, 6)) {
    case 0:
        if (p->pauses) sim_pause(s, i);
        break;
    case 1:
        sim_resume(s, i);
        break;
    case 2:
        if (p->crashes && may_go(s)) sim_crash(s, i, sim_random(s, 2) == 0);
        break;
    case 3:
        if (!sim_is_up(s, i)) sim_restart(s, i, any_node(s));
        break;
    case 4:
        if (p->leaves && may_go(s)) sim_leave(s, i);
        break;
    case 5:
        if (p->sales && (!sim_has_seat(s, i) || may_go(s))) sim_seat(s, i, !sim_has_seat(s, i));
        break;
    }
}

static void fault_application(struct sim *s, const struct plan *p)
{
    uint32_t i = any_node(s), j = any_node(s);
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)sim_random(s, 1000));
    if (p->tags && sim_is_up(s, i)) sim_tag(s, i, text);
    if (sim_is_up(s, j)) sim_event(s, j, text);
    if (p->slander && i != j && sim_is_up(s, i) && sim_is_up(s, j))
        sim_accuse(s, i, j,
                   sim_random(s, 2) == 0 ? BASE_STATEMENT_ACCUSATION : BASE_STATEMENT_CONFIRMATION);
}

static void faults(struct sim *s)
{
    struct plan plan;
    struct sim_net net = {0, 1 + (uint32_t)sim_random(s, 100), (uint32_t)sim_random(s, 300)};
    plan_draw(&plan, s);
    sim_set_net(s, &net);
    uint64_t end = sim_now_ms(s) + FAULTS_MS;
    while (sim_now_ms(s) < end && sim_failure(s) == NULL) {
        sim_run(s, 1 + sim_random(s, plan.gap_ms));
        switch (sim_random(s, 3)) {
        case 0:
            fault_network(s, &plan);
            break;
        case 1:
            fault_node(s, &plan);
            break;
        case 2:
            fault_application(s, &plan);
            break;
        }
    }
}

static bool all_heard(struct sim *s)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        if (sim_is_up(s, i) && sim_has_seat(s, i) && sim_event_count(s, i, "after") != 1)
            return false;
    return true;
}

static uint32_t any_member(struct sim *s)
{
    uint32_t i;
    do {
        i = any_node(s);
    } while (!sim_is_up(s, i) || !sim_has_seat(s, i));
    return i;
}

/* NULL, or what went wrong. */
static const char *run_seed(struct sim *s)
{
    sim_start_all(s);
    if (!sim_until(s, sim_all_right, 30 * SEC))
        return sim_failure(s) != NULL ? sim_failure(s) : "never formed";
    faults(s);
    sim_calm(s);
    if (!sim_until(s, sim_all_right, CALM_MS))
        return sim_failure(s) != NULL ? sim_failure(s) : "tables not right after calm";
    sim_event(s, any_member(s), "after");
    if (!sim_until(s, all_heard, EVENT_MS))
        return sim_failure(s) != NULL ? sim_failure(s) : "an event did not reach everybody";
    return NULL;
}

static void tables_print(struct sim *s)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++) {
        fprintf(stderr, "n%-3u %s%s:", i, sim_is_up(s, i) ? "up" : "down",
                sim_has_seat(s, i) ? "" : ", no seat");
        for (uint32_t j = 0; j < sim_node_count(s); j++)
            fprintf(stderr, " %s", gossip_state_name(sim_state(s, i, j)));
        fprintf(stderr, "\n");
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, count = 1, hash = 0;
    uint32_t nodes = 10;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--nodes") == 0 && i + 1 < argc)
            nodes = (uint32_t)strtoul(argv[++i], NULL, 10);
        else
            nodes = 0;
    }
    if (nodes < 2 || nodes > SIM_NODES_MAX) {
        fprintf(stderr, "usage: nftmesh-sim [--seed N] [--nodes 2..%d] [--count C] [--verbose]\n",
                SIM_NODES_MAX);
        return 2;
    }
    for (uint64_t n = 0; n < count; n++) {
        struct sim *s = sim_new(seed + n, nodes, &SIM_LAN);
        if (verbose) sim_verbose(s, stderr);
        const char *wrong = run_seed(s);
        if (wrong != NULL) {
            tables_print(s);
            fprintf(stderr, "nftmesh-sim --seed %llu --nodes %u: %s\n",
                    (unsigned long long)(seed + n), nodes, wrong);
            return 1;
        }
        hash = (hash ^ sim_trace(s)) * 0x100000001b3;
        sim_free(s);
    }
    printf("sim: %llu seeds, %u nodes, trace hash %016llx\n", (unsigned long long)count, nodes,
           (unsigned long long)hash);
    return 0;
}
