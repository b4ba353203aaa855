/* Scenarios of consensus_twins.h: drawn, run, judged. */
#include "consensus_twins.h"

#include <assert.h>
#include <string.h>

#define SKIP_MS    600
#define LEASE_MS   600
#define SLOT_MS    1000
#define STILL_MS   1500
#define DELAY_US   20000
#define CALM_US    60000 /* a window of one slot has no pace but the network's */
#define STEP_US    10000
#define HOLD_MS    300        /* one to six of these */
#define SETTLED_US (60 * SEC) /* long after the last partition, everything has to be final */

struct parted { /* what a run knows of its plan */
    const struct twins_plan *plan;
    uint64_t since_us[TWINS_SLOTS]; /* when anybody first spoke of the slot; 0: nobody yet */
    bool has_restarted;
};

/* ---- drawing ---- */

/* Any partition into at most three blocks; every third time there is none. */
static void draw_blocks(struct base_prng *p, uint8_t *blocks, size_t count)
{
    uint64_t most = base_prng_below(p, 3) == 0 ? 1 : base_prng_between(p, 2, 3);
    for (size_t i = 0; i < count; i++)
        blocks[i] = (uint8_t)base_prng_below(p, most);
}

static void draw_leads(struct base_prng *p, struct twins_plan *plan)
{
    uint64_t total = 0;
    for (size_t i = 0; i < plan->members; i++) {
        plan->lead_weight[i] = base_prng_below(p, 4);
        plan->priority[i] = (int64_t)base_prng_between(p, 0, 16) - 8;
        total += plan->lead_weight[i];
    }
    if (total == 0) plan->lead_weight[0] = 1;
}

void twins_plan(struct twins_plan *plan, uint64_t seed, uint64_t number)
{
    struct base_prng p;
    memset(plan, 0, sizeof *plan); /* hashed as bytes */
    base_prng_init(&p, seed * UINT64_C(0x9e3779b97f4a7c15) + number);
    plan->seed = base_prng_u64(&p);
    plan->steps_max = TWINS_STEPS_MAX;
    bool is_small = base_prng_below(&p, 5) != 0;
    plan->members = is_small ? 4 : 7;
    plan->twins = is_small ? 1 : 2;
    size_t count = plan->members + plan->twins;
    plan->window = (uint32_t)base_prng_between(&p, 1, 3);
    plan->slots = (uint32_t)base_prng_between(&p, 6, TWINS_SLOTS);
    draw_leads(&p, plan);
    for (uint32_t s = 0; s < plan->slots; s++) {
        draw_blocks(&p, plan->first[s], count);
        if (base_prng_below(&p, 2) == 0)
            memcpy(plan->second[s], plan->first[s], count);
        else
            draw_blocks(&p, plan->second[s], count);
        plan->hold_us[s] = base_prng_between(&p, 1, 6) * HOLD_MS * 1000;
    }
    plan->is_late = base_prng_below(&p, 2) == 0;
    plan->restarted = count;
    if (base_prng_below(&p, 3) == 0)
        plan->restarted = (size_t)base_prng_between(&p, plan->twins, plan->members - 1);
    plan->restart_slot = (uint32_t)base_prng_below(&p, plan->slots);
    plan->restart_us = base_prng_between(&p, 1, 10) * STEP_US;
}

uint64_t twins_plan_hash(const struct twins_plan *plan)
{
    uint64_t hash = 0xcbf29ce484222325;
    const uint8_t *bytes = (const uint8_t *)plan;
    for (size_t i = sizeof plan->seed; i < sizeof *plan; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

static void print_blocks(FILE *to, const uint8_t *blocks, size_t count)
{
    for (uint8_t b = 0; b < 3; b++) {
        bool is_any = false;
        for (size_t i = 0; i < count; i++)
            if (blocks[i] == b) {
                fprintf(to, "%s%zu", is_any ? "," : " {", i);
                is_any = true;
            }
        if (is_any) fprintf(to, "}");
    }
}

void twins_plan_print(const struct twins_plan *plan, FILE *to)
{
    size_t count = plan->members + plan->twins;
    fprintf(to, "%zu members, instances %zu.. are the other places of members 0..; windows of %u\n",
            plan->members, plan->members, plan->window);
    for (size_t i = 0; i < plan->members; i++)
        fprintf(to, "member %zu leads with weight %llu, from priority %lld on\n", i,
                (unsigned long long)plan->lead_weight[i], (long long)plan->priority[i]);
    for (uint32_t s = 0; s < plan->slots; s++) {
        fprintf(to, "slot %u, for %llu ms: CAND, NOTAR", s,
                (unsigned long long)plan->hold_us[s] / 1000);
        print_blocks(to, plan->first[s], count);
        fprintf(to, "; FINAL, SKIP, CERT");
        print_blocks(to, plan->second[s], count);
        fprintf(to, "\n");
    }
    fprintf(to, "what a partition stops is %s\n", plan->is_late ? "late" : "lost");
    if (plan->restarted < count)
        fprintf(to, "member %zu restarts %llu ms after slot %u began\n", plan->restarted,
                (unsigned long long)plan->restart_us / 1000, plan->restart_slot);
}

/* ---- partitions ---- */

static uint64_t slot_of(const struct consensus_message *m, bool *is_first)
{
    *is_first = true;
    switch (m->type) {
    case CONSENSUS_MSG_CAND:
        return m->u.cand.slot;
    case CONSENSUS_MSG_VOTE:
        *is_first = m->u.vote.vote.kind == BASE_VOTE_NOTAR;
        return m->u.vote.vote.first;
    case CONSENSUS_MSG_CERT:
        *is_first = false;
        return m->u.cert.first;
    case CONSENSUS_MSG_GET:
    case CONSENSUS_MSG_STATUS:
        break;
    }
    return UINT64_MAX;
}

static uint64_t holds(struct world *w, size_t from, size_t to, const struct consensus_message *m)
{
    struct parted *parted = w->holds_ctx;
    const struct twins_plan *plan = parted->plan;
    bool is_first;
    uint64_t slot = slot_of(m, &is_first);
    if (slot >= plan->slots) return 0;
    if (parted->since_us[slot] == 0) parted->since_us[slot] = w->now_us + 1;
    const uint8_t *blocks = is_first ? plan->first[slot] : plan->second[slot];
    uint64_t until = parted->since_us[slot] + plan->hold_us[slot];
    if (blocks[from] == blocks[to] || w->now_us >= until) return 0;
    return plan->is_late ? until - w->now_us : UINT64_MAX;
}

/* ---- running ---- */

static void make(struct world *w, struct parted *parted, const struct twins_plan *plan)
{
    world_init(w, plan->seed, plan->members, plan->twins, plan->window, 1);
    w->params.skip_ms = SKIP_MS;
    w->params.skip_max_ms = 8 * SKIP_MS;
    w->params.lease_ms = LEASE_MS;
    w->params.slot_ms = SLOT_MS;
    w->params.standstill_ms = STILL_MS;
    w->params.standstill_max_ms = 2 * STILL_MS;
    w->delay_max_us = DELAY_US;
    w->store_max_us = DELAY_US;
    w->is_twin_blind = true;
    w->holds = holds;
    w->holds_ctx = parted;
    for (size_t i = 0; i < plan->members; i++) {
        w->leads[i].weight = plan->lead_weight[i];
        w->leads[i].priority = plan->priority[i];
    }
    world_start_all(w);
}

/* Has anybody made something final above all partitions? */
static bool is_beyond(const struct world *w, const struct twins_plan *plan)
{
    uint64_t slot = 0;
    struct base_hash32 hash;
    return model_top(w->model, &slot, &hash) && slot >= plan->slots;
}

static bool is_still_parted(const struct world *w, const struct parted *parted)
{
    const struct twins_plan *plan = parted->plan;
    uint64_t since = parted->since_us[plan->slots - 1];
    return since == 0 || w->now_us < since + plan->hold_us[plan->slots - 1];
}

static bool is_restart_due(const struct world *w, const struct parted *parted)
{
    const struct twins_plan *plan = parted->plan;
    uint64_t since = parted->since_us[plan->restart_slot];
    return !parted->has_restarted && plan->restarted < w->count && since != 0 &&
           w->now_us >= since + plan->restart_us;
}

/* Until all honest members have made something final above the slots that were parted. */
static void play(struct world *w, struct twins_result *r, struct parted *parted)
{
    const struct twins_plan *plan = parted->plan;
    while (world_failure(w) == NULL && world_lowest_final(w) < plan->slots) {
        world_run(w, STEP_US);
        if (is_beyond(w, plan)) { /* those behind shall catch up */
            w->delay_min_us = CALM_US / 2;
            w->delay_max_us = CALM_US;
        }
        if (is_restart_due(w, parted)) {
            world_crash(w, plan->restarted);
            world_start(w, plan->restarted, world_random(w, 2) == 0);
            parted->has_restarted = true;
        }
        if (w->finals > 0 && is_still_parted(w, parted)) r->is_final_while_parted = true;
        if (w->now_us > SETTLED_US || w->steps > plan->steps_max)
            check_fail(w->check, "V1 not all is final after %llu ms and %llu steps",
                       (unsigned long long)w->now_us / 1000, (unsigned long long)w->steps);
    }
}

void twins_run(struct twins_result *r, const struct twins_plan *plan, FILE *told)
{
    static struct world w;
    struct parted parted = {.plan = plan};
    *r = (struct twins_result){0};
    make(&w, &parted, plan);
    w.told = told;
    play(&w, r, &parted);
    if (world_failure(&w) == NULL) world_compare(&w);
    const char *wrong = model_wrong(w.model);
    if (wrong != NULL) check_fail(w.check, "model: %s", wrong);
    r->ok = world_failure(&w) == NULL;
    if (!r->ok)
        snprintf(r->wrong, sizeof r->wrong, "at %llu us: %s", (unsigned long long)w.now_us,
                 world_failure(&w));
    r->trace = w.trace;
    r->steps = w.steps;
    r->has_proof = w.faults > 0;
    r->has_skip_cert = w.skip_certs > 0;
    for (uint64_t s = 0; s < plan->slots; s++) {
        if (model_choices(w.model, s) > 1) r->has_two_choices = true;
        if (check_honest_choices(w.check, s) > 1) r->has_half = true;
    }
    world_free(&w);
}
