/* A seed's story: the mesh forms; faults strike while liars lie; the network calms down, and the
 * tables must be right soon; the liars go on alone, and nobody is buried but who dies; an event
 * reaches everybody, once. */
#include "sim_seed.h"

#include <string.h>

#define FORM_MS     30000u
#define CALM_MS     30000u
#define AFTER_MS    (SIM_STUCK_MS + 2000u) /* what was on its way at the calm, and stuck links */
#define AGAIN_MS    5000u
#define QUIET_MS    15000u
#define DEATH_MS    40000u
#define EVENT_MS    10000u
#define LARGE       100 /* nodes from which on a block comes as seldom as Ethereum's */
#define BLOCK_MS    12000
#define LAG_MS      2000
#define SPARE_PART  6 /* one spare slot for so many nodes */
#define LIARS_SEEDS 2 /* one seed in so many has liars */
#define LIAR_KINDS  3 /* at most, of one seed */

void sim_seed_options_default(struct sim_seed_options *o)
{
    *o = (struct sim_seed_options){.seed = 1,
                                   .nodes = 10,
                                   .minutes = 1,
                                   .draw_faults = true,
                                   .draw_liars = true,
                                   .faults = SIM_ALL,
                                   .liars = SIM_ALL,
                                   .draw_byzantine = true,
                                   .byzantine = SIM_ALL};
}

struct story {
    struct sim *s;
    const struct sim_seed_options *o;
    struct sim_seed_result *out;
    struct sim_faults faults;
};

static void fail(struct story *t, const char *what)
{
    if (t->out->wrong[0] != 0) return;
    if (sim_failure(t->s) != NULL) what = sim_failure(t->s);
    snprintf(t->out->wrong, sizeof t->out->wrong, "%s", what);
}

/* ---- what there is ---- */

static uint64_t draw(struct sim *s, uint64_t allowed, bool draws, uint32_t count)
{
    uint64_t bits = 0;
    for (uint32_t b = 0; b < count; b++)
        if ((allowed >> b & 1) != 0 && (!draws || sim_random(s, 2) == 0)) bits |= UINT64_C(1) << b;
    return bits;
}

static uint64_t draw_liars(struct sim *s, const struct sim_seed_options *o)
{
    uint64_t all = draw(s, o->liars, false, SIM_LIARS_COUNT), bits = 0;
    if (!o->draw_liars) return all;
    if (sim_random(s, LIARS_SEEDS) != 0) return 0;
    for (uint64_t kinds = 1 + sim_random(s, LIAR_KINDS); kinds > 0; kinds--)
        bits |= UINT64_C(1) << sim_random(s, SIM_LIARS_COUNT);
    return bits & all;
}

static void draw_weights(struct story *t)
{
    if (sim_random(t->s, 2) != 0) return;
    for (uint32_t i = 0; i < t->o->nodes; i++) {
        uint32_t weight = 1 + (uint32_t)sim_random(t->s, 3);
        if (weight > 1) sim_weight(t->s, i, weight);
    }
}

/* As many as stay below a third of the weight; never the first node, through which others join. */
static void place_liars(struct story *t)
{
    uint64_t total = 0, lying = 0, most;
    uint32_t kind = 0;
    if (t->out->liars == 0) return;
    for (uint32_t i = 0; i < t->o->nodes; i++)
        total += sim_weight_of(t->s, i);
    most = 1 + sim_random(t->s, total / 3 + 1);
    for (uint32_t i = 1; i < t->o->nodes; i++) {
        uint64_t weight = sim_weight_of(t->s, i);
        if (3 * (lying + weight) >= total || lying + weight > most) continue;
        while ((t->out->liars >> kind % SIM_LIARS_COUNT & 1) == 0)
            kind++;
        sim_make_liar(t->s, i, SIM_LIARS[kind++ % SIM_LIARS_COUNT]->name);
        lying += weight;
        t->out->liar_count++;
    }
    t->out->liar_permille = (uint32_t)(1000 * lying / total);
}

static void prepare(struct story *t)
{
    const struct sim_net *given = t->o->net;
    struct sim_faults *f = &t->faults;
    f->s = t->s;
    f->members = t->o->nodes;
    t->out->faults = draw(t->s, t->o->faults, t->o->draw_faults, SIM_FAULTS_COUNT);
    t->out->liars = draw_liars(t->s, t->o);
    f->which = t->out->faults;
    f->gap_ms = 200 + sim_random(t->s, 4000);
    f->net = SIM_LAN;
    if (given != NULL)
        f->net = *given;
    else
        f->net.delay_max_ms = 1 + (uint32_t)sim_random(t->s, 30);
    sim_set_net(t->s, &f->net);
    for (uint32_t i = t->o->nodes; i < sim_node_count(t->s); i++)
        sim_burn(t->s, i);
    draw_weights(t);
    if (t->o->nodes > LARGE) sim_chain(t->s, BLOCK_MS, LAG_MS); /* each block judges everybody */
    sim_run(t->s, 5 * SEC);                                     /* a few blocks */
    place_liars(t);
    if (t->o->votes) sim_seed_votes_prepare(t->s, t->o, t->out);
}

/* ---- what must be ---- */

static bool all_settled(struct sim *s)
{
    return sim_chain_is_settled(s) && sim_all_right(s);
}

static bool all_heard(struct sim *s)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        if (sim_is_up(s, i) && sim_has_seat(s, i) && !sim_is_liar(s, i) &&
            sim_event_count(s, i, "after") != 1)
            return false;
    return true;
}

/* An honest member at random whose disk never went back; the count of nodes when there is none. */
static uint32_t any_member(struct story *t)
{
    uint32_t count = sim_node_count(t->s), first = (uint32_t)sim_random(t->s, count);
    for (uint32_t at = 0; at < count; at++) {
        uint32_t i = (first + at) % count;
        if (sim_is_up(t->s, i) && sim_has_seat(t->s, i) && !sim_is_liar(t->s, i) &&
            !t->faults.has_old_disk[i])
            return i;
    }
    return count;
}

/* The log, where there is one. */
static void go_on(struct story *t)
{
    const char *wrong =
        t->o->votes && t->out->wrong[0] == 0 ? sim_seed_votes_go_on(t->s, t->out) : NULL;
    if (wrong != NULL) fail(t, wrong);
}

static void form(struct story *t)
{
    for (uint32_t i = 0; i < t->o->nodes; i++) {
        sim_start(t->s, i, 0);
        sim_run(t->s, 10);
    }
    if (!sim_until(t->s, all_settled, FORM_MS)) fail(t, "never formed");
    go_on(t);
}

static void calm(struct story *t)
{
    sim_faults_end(&t->faults);
    if (!sim_until(t->s, sim_chain_is_settled, CALM_MS)) fail(t, "the chain never settled");
    uint64_t since = sim_now_ms(t->s);
    if (!sim_until(t->s, all_settled, CALM_MS)) fail(t, "tables not right after calm");
    t->out->calm_ms = sim_now_ms(t->s) - since;
    sim_run(t->s, AFTER_MS);
    if (!sim_until(t->s, all_settled, AGAIN_MS)) fail(t, "tables wrong again after calm");
    go_on(t);
}

/* The liars are alone with a healthy mesh, and then one of it dies. */
static void quiet(struct story *t)
{
    uint32_t dies = any_member(t);
    sim_quiet(t->s, true);
    sim_run(t->s, QUIET_MS);
    if (!sim_all_right(t->s)) fail(t, "tables not right in quiet");
    if (dies == sim_node_count(t->s) || sim_up_count(t->s) < 3) return;
    sim_crash(t->s, dies, sim_random(t->s, 2) == 0);
    if (!sim_until(t->s, sim_all_right, DEATH_MS)) fail(t, "a death was not noticed");
}

static void last_event(struct story *t)
{
    uint32_t from = any_member(t);
    if (from == sim_node_count(t->s)) return;
    sim_event(t->s, from, "after");
    if (!sim_until(t->s, all_heard, EVENT_MS)) fail(t, "an event did not reach everybody");
}

static void repair(struct story *t)
{
    const char *wrong = t->o->votes ? sim_seed_votes_end(t->s, t->o, t->out) : NULL;
    if (wrong != NULL) fail(t, wrong);
}

static void tables_print(struct sim *s, FILE *to)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++) {
        fprintf(to, "n%-3u %s%s%s:", i, sim_is_up(s, i) ? "up" : "down",
                sim_has_seat(s, i) ? "" : ", no seat", sim_is_liar(s, i) ? ", lies" : "");
        for (uint32_t j = 0; j < sim_node_count(s); j++)
            fprintf(to, " %s", gossip_state_name(sim_state(s, i, j)));
        fprintf(to, "\n");
    }
}

void sim_seed_run(struct sim_seed_result *out, const struct sim_seed_options *o)
{
    void (*const chapters[])(struct story *) = {prepare, form,       NULL,  calm,
                                                quiet,   last_event, repair};
    uint32_t slots = o->nodes + o->nodes / SPARE_PART + 1;
    struct story t = {.o = o, .out = out};
    *out = (struct sim_seed_result){0};
    t.s = sim_new(o->seed, slots < SIM_NODES_MAX ? slots : SIM_NODES_MAX, &SIM_LAN);
    sim_verbose(t.s, o->verbose);
    sim_trace_to(t.s, o->trace);
    for (size_t c = 0; c < sizeof chapters / sizeof chapters[0] && out->wrong[0] == 0; c++) {
        if (chapters[c] != NULL)
            chapters[c](&t);
        else if (out->faults != 0)
            sim_faults_run(&t.faults, (uint64_t)o->minutes * 60 * SEC);
        if (sim_failure(t.s) != NULL) fail(&t, "");
    }
    out->ok = out->wrong[0] == 0;
    if (!out->ok) {
        tables_print(t.s, stderr);
        sim_votes_print(t.s, stderr);
    }
    out->trace = sim_trace(t.s);
    out->refused = sim_refused_count(t.s);
    out->load = sim_load_max(t.s);
    out->votes = sim_votes_figures(t.s);
    sim_free(t.s);
}
