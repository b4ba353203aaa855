/* What may go wrong, one function each, and the hand that deals it out. */
#include <assert.h>
#include <string.h>

#include "sim_seed.h"

#define DOWN_LIMIT      3 /* one in so many may be down at a time, so that there is a mesh to join */
#define LOSS_MAX        501
#define DELAY_MAX_MS    150
#define DELAY_CALM_MS   30
#define FLAP_MIN_MS     1000
#define FLAP_MAX_MS     10000
#define DRIFT_MAX_PPM   10000
#define SKEW_MAX_S      120
#define SEAT_TERM_MAX_S 60
#define WEIGHT_MAX      4
#define BLOCK_MAX_MS    12000
#define LAG_MAX_MS      6000

static uint32_t any_node(struct sim *s)
{
    return (uint32_t)sim_random(s, sim_node_count(s));
}

uint32_t sim_up_count(struct sim *s)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        up += sim_is_up(s, i) && sim_has_seat(s, i) && !sim_is_liar(s, i);
    return up;
}

static bool may_go(const struct sim_faults *f)
{
    uint32_t gone = f->members / DOWN_LIMIT;
    return sim_up_count(f->s) + gone > f->members && sim_up_count(f->s) > 2;
}

/* ---- network ---- */

static void loss(struct sim_faults *f)
{
    f->net.loss_permille = (uint32_t)sim_random(f->s, LOSS_MAX);
    sim_set_net(f->s, &f->net);
}

static void delay(struct sim_faults *f)
{
    f->net.delay_min_ms = (uint32_t)sim_random(f->s, DELAY_MAX_MS / 3);
    f->net.delay_max_ms = f->net.delay_min_ms + (uint32_t)sim_random(f->s, DELAY_MAX_MS);
    sim_set_net(f->s, &f->net);
}

static void duplicate(struct sim_faults *f)
{
    uint32_t i = any_node(f->s), j = any_node(f->s);
    sim_redial(f->s, i, j);
}

static void reorder(struct sim_faults *f)
{
    sim_reorder(f->s, sim_random(f->s, 4) != 0);
    duplicate(f);
}

static void cut(struct sim_faults *f)
{
    uint32_t i = any_node(f->s), j = any_node(f->s);
    if (i == j) return;
    sim_cut(f->s, i, j, true);
    sim_cut(f->s, j, i, true);
}

static void one_way(struct sim_faults *f)
{
    uint32_t i = any_node(f->s), j = any_node(f->s);
    if (i != j) sim_cut(f->s, i, j, true);
}

static void draw_groups(struct sim_faults *f, uint8_t *group)
{
    for (uint32_t i = 0; i < sim_node_count(f->s); i++)
        group[i] = (uint8_t)sim_random(f->s, 2);
}

static void halves(struct sim_faults *f)
{
    uint8_t group[SIM_NODES_MAX];
    draw_groups(f, group);
    sim_partition(f->s, group);
}

static void bridge(struct sim_faults *f)
{
    uint8_t group[SIM_NODES_MAX];
    draw_groups(f, group);
    sim_bridge(f->s, group, any_node(f->s));
}

static void ring(struct sim_faults *f)
{
    sim_ring(f->s);
}

static void isolate(struct sim_faults *f)
{
    sim_isolate(f->s, any_node(f->s));
}

static void flap(struct sim_faults *f)
{
    if (f->flap_count == SIM_FLAPS_MAX) return;
    struct sim_flap *flap = &f->flaps[f->flap_count++];
    *flap = (struct sim_flap){.i = any_node(f->s)};
    flap->j = sim_random(f->s, 2) == 0 ? flap->i : any_node(f->s);
    flap->period_ms = FLAP_MIN_MS + (uint32_t)sim_random(f->s, FLAP_MAX_MS - FLAP_MIN_MS + 1);
}

static void flap_turn(struct sim_faults *f, struct sim_flap *flap, bool is_cut)
{
    flap->is_cut = is_cut;
    flap->next_ms = sim_now_ms(f->s) + flap->period_ms;
    for (uint32_t j = 0; j < sim_node_count(f->s); j++) {
        if (j == flap->i || (flap->j != flap->i && flap->j != j)) continue;
        sim_cut(f->s, flap->i, j, is_cut);
        sim_cut(f->s, j, flap->i, is_cut);
    }
}

static void break_link(struct sim_faults *f)
{
    uint32_t i = any_node(f->s), j = any_node(f->s);
    sim_break(f->s, i, j);
}

/* ---- processes ---- */

static void pause_one(struct sim_faults *f)
{
    sim_pause(f->s, any_node(f->s));
}

static void crash(struct sim_faults *f)
{
    if (may_go(f)) sim_crash(f->s, any_node(f->s), true);
}

static void vanish(struct sim_faults *f)
{
    if (may_go(f)) sim_crash(f->s, any_node(f->s), false);
}

static void restart(struct sim_faults *f)
{
    uint32_t i = any_node(f->s), via = any_node(f->s);
    if (sim_is_up(f->s, i)) sim_restart(f->s, i, via);
}

static void disk(struct sim_faults *f)
{
    uint32_t i = any_node(f->s), via = any_node(f->s);
    if (!sim_is_up(f->s, i)) return;
    sim_crash(f->s, i, sim_random(f->s, 2) == 0);
    sim_disk(f->s, i, sim_random(f->s, 2) == 0 ? SIM_DISK_LOST : SIM_DISK_OLD);
    sim_clock(f->s, i, 0, -(int32_t)sim_random(f->s, SKEW_MAX_S));
    f->has_old_disk[i] = true;
    sim_start(f->s, i, via);
}

static void drift(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    int32_t rate = (int32_t)sim_random(f->s, 2 * DRIFT_MAX_PPM + 1) - DRIFT_MAX_PPM;
    sim_clock(f->s, i, rate, (int32_t)sim_random(f->s, SKEW_MAX_S));
}

static void mass_restart(struct sim_faults *f)
{
    bool ran[SIM_NODES_MAX];
    if (sim_random(f->s, 4) != 0) return; /* rare, since it ends all that goes on */
    for (uint32_t i = 0; i < sim_node_count(f->s); i++) {
        ran[i] = sim_is_up(f->s, i);
        if (ran[i]) sim_crash(f->s, i, true);
    }
    sim_run(f->s, sim_random(f->s, 2000));
    for (uint32_t i = 0; i < sim_node_count(f->s); i++)
        if (ran[i]) sim_start(f->s, i, any_node(f->s));
}

static void mass_death(struct sim_faults *f)
{
    bool visible = sim_random(f->s, 2) == 0;
    if (!may_go(f) || sim_random(f->s, 4) != 0) return;
    for (uint32_t i = 0; i < sim_node_count(f->s); i++) /* four of five at once */
        if (sim_random(f->s, 5) != 0 && sim_up_count(f->s) > 1 + f->members / 6)
            sim_crash(f->s, i, visible);
}

static void leave(struct sim_faults *f)
{
    if (may_go(f)) sim_leave(f->s, any_node(f->s));
}

/* ---- chain ---- */

static void sale(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    if (i >= f->members) return;
    if (!sim_has_seat(f->s, i))
        sim_seat(f->s, i, true);
    else if (may_go(f))
        sim_seat(f->s, i, false);
}

static uint32_t any_spare(struct sim_faults *f)
{
    uint32_t spare = sim_node_count(f->s) - f->members;
    return spare == 0 ? f->members : f->members + (uint32_t)sim_random(f->s, spare);
}

static void enroll(struct sim_faults *f)
{
    uint32_t i = any_spare(f), via = any_node(f->s);
    if (i == sim_node_count(f->s) || sim_is_up(f->s, i)) return;
    sim_seat(f->s, i, true);
    sim_crash(f->s, i, true);
    sim_start(f->s, i, via); /* often before its seat shows */
}

/* Another key, and the process that holds it, in the place of a member's. */
static void rotate(struct sim_faults *f)
{
    uint32_t i = any_node(f->s), j = any_spare(f), via = any_node(f->s);
    if (i >= f->members || j == sim_node_count(f->s)) return;
    if (!sim_is_up(f->s, i) || sim_is_up(f->s, j) || sim_is_liar(f->s, i) || !may_go(f)) return;
    sim_rotate(f->s, i, j);
    sim_crash(f->s, j, true); /* a process that has left runs on */
    sim_start(f->s, j, via);
    if (sim_random(f->s, 2) == 0) sim_crash(f->s, i, true); /* or it stays, without a seat */
}

static void deactivate(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    if (i < f->members && may_go(f)) sim_deactivate(f->s, i, false);
}

static void suspend(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    if (may_go(f)) sim_suspend(f->s, i, 1 + (uint32_t)sim_random(f->s, SEAT_TERM_MAX_S));
}

static void expire(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    if (may_go(f)) sim_expire(f->s, i, 1 + (uint32_t)sim_random(f->s, SEAT_TERM_MAX_S));
}

/* Only the honest get heavier, so that the liars stay below a third. */
static void weight(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    if (!sim_is_liar(f->s, i) && sim_weight_of(f->s, i) < WEIGHT_MAX)
        sim_weight(f->s, i, sim_weight_of(f->s, i) + 1);
}

static void reorg(struct sim_faults *f)
{
    sim_reorg(f->s, 1 + (uint32_t)sim_random(f->s, SIM_REORG_MAX));
}

static void lag(struct sim_faults *f)
{
    uint32_t block_ms = 2000 + (uint32_t)sim_random(f->s, BLOCK_MAX_MS - 2000);
    sim_chain(f->s, block_ms, (uint32_t)sim_random(f->s, LAG_MAX_MS));
}

static void outage(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    sim_outage(f->s, i, sim_random(f->s, 3) != 0);
}

/* ---- applications ---- */

static void tags(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)sim_random(f->s, 1000));
    if (sim_is_up(f->s, i)) sim_tag(f->s, i, text);
}

static void events(struct sim_faults *f)
{
    uint32_t i = any_node(f->s);
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)sim_random(f->s, 1000));
    if (sim_is_up(f->s, i)) sim_event(f->s, i, text);
}

const struct sim_fault SIM_FAULTS[SIM_FAULTS_COUNT] = {
    {"loss", "0 to 50 % of the frames come with a retransmission's delay", loss},
    {"delay", "up to 200 ms one way", delay},
    {"duplicate", "a second connection between two that have one, which it replaces", duplicate},
    {"reorder", "what a new connection carries overtakes what the old one did", reorder},
    {"cut", "two nodes do not reach each other", cut},
    {"one-way", "one does not reach the other", one_way},
    {"halves", "two groups that do not reach each other", halves},
    {"bridge", "two groups, and one node that reaches both", bridge},
    {"ring", "each node reaches two others", ring},
    {"isolate", "one node reaches nobody", isolate},
    {"flap", "a link, or all of a node's, comes and goes every 1 to 10 s", flap},
    {"break", "a link closes", break_link},
    {"pause", "a process stops, and goes on later", pause_one},
    {"crash", "a process dies, its links close", crash},
    {"vanish", "a machine dies without a packet", vanish},
    {"restart", "a process is killed and started at once", restart},
    {"disk", "a restart with a lost or older disk, and a clock that went back", disk},
    {"drift", "clocks run up to 1 % fast or slow, and `date` is off by minutes", drift},
    {"mass-restart", "all processes die and start again", mass_restart},
    {"mass-death", "four of five die at once", mass_death},
    {"leave", "a member leaves gracefully", leave},
    {"sale", "a seat is sold, or bought back", sale},
    {"enroll", "a new seat is registered, and its node joins", enroll},
    {"rotate", "a seat's node key is replaced", rotate},
    {"deactivate", "a seat is deactivated", deactivate},
    {"suspend", "a seat is suspended for up to a minute", suspend},
    {"expire", "a seat expires within a minute", expire},
    {"weight", "another token stands behind a seat", weight},
    {"reorg", "the last 1 to 5 blocks are replaced, some of their transactions lost", reorg},
    {"lag", "other block times (2 to 12 s), and nodes up to 6 s behind each other", lag},
    {"outage", "a node's endpoints are silent, and answer again", outage},
};
_Static_assert(SIM_FAULTS_COUNT <= 64, "one bit each");

/* Beside the faults, in every seed: people use the mesh, and somebody repairs what is broken. */
static void heal(struct sim_faults *f)
{
    static const uint8_t nobody[SIM_NODES_MAX];
    sim_partition(f->s, nobody);
}

static void repair(struct sim_faults *f)
{
    uint32_t i = any_node(f->s), via = any_node(f->s);
    sim_resume(f->s, i);
    if (!sim_is_up(f->s, i) && (i < f->members || sim_has_seat(f->s, i))) sim_restart(f->s, i, via);
}

static void flaps_turn(struct sim_faults *f)
{
    for (uint32_t n = 0; n < f->flap_count; n++)
        if (f->flaps[n].next_ms <= sim_now_ms(f->s))
            flap_turn(f, &f->flaps[n], !f->flaps[n].is_cut);
}

static void strike(struct sim_faults *f)
{
    uint32_t at = (uint32_t)sim_random(f->s, SIM_FAULTS_COUNT);
    switch (sim_random(f->s, 5)) {
    case 0:
        heal(f);
        break;
    case 1:
        repair(f);
        break;
    case 2:
        tags(f);
        events(f);
        break;
    case 3: /* whatever comes first from there on */
    case 4:
        for (uint32_t n = 0; n < SIM_FAULTS_COUNT; n++, at = (at + 1) % SIM_FAULTS_COUNT)
            if ((f->which >> at & 1) != 0) {
                SIM_FAULTS[at].strike(f);
                break;
            }
        break;
    }
}

void sim_faults_run(struct sim_faults *f, uint64_t ms)
{
    uint64_t end = sim_now_ms(f->s) + ms;
    while (sim_now_ms(f->s) < end && sim_failure(f->s) == NULL) {
        sim_run(f->s, 1 + sim_random(f->s, f->gap_ms));
        flaps_turn(f);
        strike(f);
        if (sim_has_votes(f->s)) sim_seed_votes_strike(f->s);
    }
}

void sim_faults_end(struct sim_faults *f)
{
    f->flap_count = 0;
    if (f->net.delay_max_ms > DELAY_CALM_MS) f->net.delay_max_ms = DELAY_CALM_MS;
    if (f->net.delay_min_ms > f->net.delay_max_ms) f->net.delay_min_ms = f->net.delay_max_ms;
    f->net.loss_permille = 0;
    sim_set_net(f->s, &f->net);
    sim_reorder(f->s, false);
    sim_calm(f->s);
    for (uint32_t i = 0; i < sim_node_count(f->s); i++) /* no term that ends by itself */
        sim_seat(f->s, i, sim_has_seat(f->s, i));
}
