/* What happens to a cluster because of one number. */
#include "consensus_seed.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS       12
#define CALM_STEP_US (2 * SEC)
#define CALM_MAX_US  (60 * SEC) /* twelve seconds were seen */

/* ---- who is in it ---- */

static uint64_t weight_of(const struct world *w, bool byzantine)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < w->members; i++)
        if (!byzantine || world_is_byzantine(w, i)) weight += w->voters[i].weight;
    return weight;
}

static bool may_lie(const struct world *w, size_t at)
{
    return !world_is_byzantine(w, at) &&
           3 * (weight_of(w, true) + w->voters[at].weight) < weight_of(w, false);
}

static const struct world_liar_kind *any_kind(struct world *w, uint32_t kinds)
{
    size_t k = (size_t)world_random(w, WORLD_LIARS_COUNT);
    while ((kinds >> k & 1) == 0)
        k = (k + 1) % WORLD_LIARS_COUNT;
    return WORLD_LIARS[k];
}

/* As many as a third allows, in most seeds; those who weigh nothing lie as well. */
static void add_liars(struct world *w, struct consensus_seed_result *r, uint32_t kinds)
{
    uint32_t order[WORLD_NODES];
    bool is_drawn = kinds == CONSENSUS_SEED_ALL;
    if (is_drawn) kinds = CONSENSUS_SEED_ALL - 1;
    if (kinds == 0 || (is_drawn && world_random(w, 5) == 0)) return;
    base_prng_permute(&w->prng, order, w->members);
    for (size_t i = 0; i < w->members; i++) {
        if (!may_lie(w, order[i])) continue;
        const struct world_liar_kind *kind = any_kind(w, kinds);
        world_make_liar(w, order[i], kind);
        r->lied++;
        for (uint32_t k = 0; k < WORLD_LIARS_COUNT; k++)
            if (WORLD_LIARS[k] == kind) r->liars |= UINT32_C(1) << k;
        if (is_drawn && world_random(w, 4) == 0) return;
    }
}

static void make(struct world *w, struct consensus_seed_result *r,
                 const struct consensus_seed *seed)
{
    static const uint32_t windows[] = {1, 2, 3, 5, 20, 600};
    struct base_prng prng;
    base_prng_init(&prng, seed->seed ^ UINT64_C(0x636f6e73656e7375));
    size_t members = seed->members > 0 ? seed->members : (size_t)base_prng_between(&prng, 4, 10);
    size_t twins = seed->liars != 0 && base_prng_below(&prng, 6) == 0 ? 1 : 0;
    uint32_t window = windows[base_prng_below(&prng, sizeof windows / sizeof windows[0])];
    world_init(w, seed->seed, members, twins, window, base_prng_between(&prng, 1, 9));
    if (members < CONSENSUS_MEMBERS_SAFE || seed->liars == 0) w->count = members;
    r->members = members;
    r->twins = w->count - members;
    if (members >= CONSENSUS_MEMBERS_SAFE) add_liars(w, r, seed->liars);
    w->told = seed->told;
    w->is_twin_blind = world_random(w, 2) == 0;
    w->state_every = (uint32_t)base_prng_between(&w->prng, 1, 20);
    if (world_random(w, 3) == 0) /* early skips: only L2 keeps leases apart then */
        w->params.skip_ms = (uint32_t)base_prng_between(&w->prng, 600, 2500);
    world_start_all(w);
}

/* ---- faults ---- */

static void redraw_net(struct world *w)
{
    static const uint64_t delays[] = {1000, 20000, 150000, 400000};
    w->delay_max_us = delays[world_random(w, 4)];
    w->store_max_us = world_random(w, 4) == 0 ? 500000 : 3000;
    w->loss_percent = (uint32_t)world_random(w, 31);
    w->duplicate_percent = (uint32_t)world_random(w, 21);
    w->late_percent = (uint32_t)world_random(w, 11);
}

static void halves(struct world *w)
{
    uint64_t side = world_random(w, UINT64_C(1) << w->count);
    for (size_t a = 0; a < w->count; a++)
        for (size_t b = 0; b < w->count; b++)
            w->is_cut[a][b] = ((side >> a ^ side >> b) & 1) != 0;
}

static void one_way(struct world *w)
{
    for (size_t k = 0; k <= w->count; k++)
        w->is_cut[world_random(w, w->count)][world_random(w, w->count)] = true;
}

/* What membership says of somebody, true or not, to somebody. */
static void rumour(struct world *w, size_t about)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_DEAD};
    ev.u.dead.voter = w->nodes[about].member;
    ev.u.dead.is_dead = true;
    for (size_t i = 0; i < w->count; i++)
        if (world_random(w, 2) == 0) world_event(w, i, &ev);
}

static void entries(struct world *w, bool has_entries)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_ENTRIES};
    ev.u.has_entries = has_entries;
    for (size_t i = 0; i < w->count; i++)
        if (!has_entries || world_random(w, 2) == 0) world_event(w, i, &ev);
}

static void strike(struct world *w, struct consensus_seed_result *r)
{
    size_t who = (size_t)world_random(w, w->count);
    struct world_node *n = &w->nodes[who];
    switch (world_random(w, 10)) {
    case 0:
        halves(w);
        break;
    case 1:
        one_way(w);
        break;
    case 2:
        memset(w->is_cut, 0, sizeof w->is_cut);
        break;
    case 3:
        n->stall_us = w->now_us + base_prng_between(&w->prng, 1, 8) * SEC;
        break;
    case 4:
    case 5:
        if (n->engine != NULL)
            world_crash(w, who);
        else
            world_start(w, who, world_random(w, 2) == 0);
        break;
    case 6: /* everybody at once, and at once back */
        for (size_t i = 0; i < w->count; i++) {
            if (w->nodes[i].engine != NULL) world_crash(w, i);
            world_start(w, i, world_random(w, 2) == 0);
        }
        r->restarts += w->count;
        break;
    case 7:
        redraw_net(w);
        break;
    case 8:
        rumour(w, world_holder(w) < w->count && world_random(w, 2) == 0 ? world_holder(w) : who);
        break;
    case 9:
        if (world_random(w, 2) == 0)
            entries(w, true);
        else
            world_event(w, who, &(struct consensus_event){.type = CONSENSUS_EV_RESIGN});
        break;
    }
}

/* ---- calm ---- */

static void calm(struct world *w)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_DEAD};
    world_calm(w);
    for (size_t i = 0; i < w->count; i++)
        for (ev.u.dead.voter = 0; ev.u.dead.voter < w->members; ev.u.dead.voter++)
            world_event(w, i, &ev);
    entries(w, false);
}

/* What the model holds final at calm, and something above it, is final for everybody honest. */
static void recover(struct world *w, struct consensus_seed_result *r)
{
    uint64_t top = 0, from = w->now_us;
    struct base_hash32 hash;
    (void)model_top(w->model, &top, &hash);
    while (world_failure(w) == NULL && world_lowest_final(w) <= top) {
        if (w->now_us > from + CALM_MAX_US) {
            check_fail(w->check, "V1 nothing final above slot %llu, %llu s after calm",
                       (unsigned long long)top, (unsigned long long)(CALM_MAX_US / SEC));
            return;
        }
        world_run(w, CALM_STEP_US);
    }
    r->calm_us = w->now_us - from;
}

void consensus_seed_run(struct consensus_seed_result *r, const struct consensus_seed *seed)
{
    static struct world w;
    *r = (struct consensus_seed_result){0};
    make(&w, r, seed);
    redraw_net(&w);
    for (int round = 0; round < ROUNDS && world_failure(&w) == NULL; round++) {
        strike(&w, r);
        world_run(&w, base_prng_between(&w.prng, 100000, 6 * SEC));
    }
    if (world_failure(&w) == NULL) calm(&w);
    if (world_failure(&w) == NULL) recover(&w, r);
    if (world_failure(&w) == NULL) world_compare(&w);
    const char *wrong = model_wrong(w.model);
    if (wrong != NULL) check_fail(w.check, "model: %s", wrong);
    r->ok = world_failure(&w) == NULL;
    if (!r->ok)
        snprintf(r->wrong, sizeof r->wrong, "at %llu ms: %s", (unsigned long long)w.now_us / 1000,
                 world_failure(&w));
    r->trace = w.trace;
    r->steps = w.steps;
    r->finals = w.finals;
    r->faults = w.faults;
    r->skip_certs = w.skip_certs;
    r->leases = w.leases;
    r->states = w.states;
    world_free(&w);
}
