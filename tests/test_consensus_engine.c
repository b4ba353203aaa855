/* Whole clusters in virtual time: agreement, progress, leases, restarts, and members that lie.
 * A seed names a run: delays, losses, clocks and crashes are drawn from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "consensus_world.h"

#define S UINT64_C(1000000)

static struct world w;

static void begin(uint64_t seed, size_t members, size_t twins, uint32_t window)
{
    world_init(&w, seed, members, twins, window, 1);
    world_start_all(&w);
}

/* After each step the checkers have looked; now the model does. */
static void check_all(void)
{
    world_compare(&w);
    const char *wrong = model_wrong(w.model);
    if (world_failure(&w) != NULL) fail_msg("%s", world_failure(&w));
    if (wrong != NULL) fail_msg("model: %s", wrong);
}

static void run(uint64_t us)
{
    world_run(&w, us);
    check_all();
}

/* ---- stories ---- */

static void test_one_member_leads_itself(void **state)
{
    (void)state;
    begin(1, 1, 0, 600);
    run(10 * S);
    assert_true(w.nodes[0].final_count >= 9);
    assert_true(consensus_engine_has_lease(w.nodes[0].engine, world_clock_ms(&w.nodes[0])));
    check_all();
    world_free(&w);
}

static void test_a_calm_cluster(void **state)
{
    struct consensus_view view;
    (void)state;
    begin(2, 5, 0, 600);
    run(30 * S);
    check_all();
    assert_true(world_lowest_final(&w) >= 27); /* a heartbeat a second */
    assert_true(w.leases > 0);
    for (size_t i = 0; i < 5; i++) {
        consensus_engine_view(&view, w.nodes[i].engine);
        assert_int_equal(view.window, 0); /* nobody was skipped */
        assert_int_equal(view.refused, 0);
    }
    world_free(&w);
}

/* A leader dies: the next one leads within T_skip and a few delays, and not before its lease ends.
 */
static void test_failover(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed, 5, 0, 600);
        run((10 + seed % 7) * S + seed * 37001);
        size_t first = world_holder(&w);
        assert_true(first < w.members);
        world_crash(&w, first);
        uint64_t at = w.now_us;
        while (world_holder(&w) == w.count && w.now_us < at + 10 * S)
            run(10000);
        assert_int_not_equal(world_holder(&w), first);
        assert_in_range(w.now_us - at, 2 * S, 3400000);
        run(5 * S);
        check_all();
        world_free(&w);
    }
}

/* Handed on: a few delays. */
static void test_transfer(void **state)
{
    (void)state;
    begin(3, 5, 0, 600);
    run(10 * S);
    size_t first = world_holder(&w);
    world_event(&w, first, &(struct consensus_event){.type = CONSENSUS_EV_RESIGN});
    uint64_t at = w.now_us;
    assert_int_equal(world_holder(&w), w.count);
    while (world_holder(&w) == w.count && w.now_us < at + 10 * S)
        run(1000);
    assert_true(w.now_us - at <= 60000);
    assert_int_not_equal(world_holder(&w), first);
    check_all();
    world_free(&w);
}

/* Windows pass from one to the next without anybody skipping. */
static void test_short_windows(void **state)
{
    struct consensus_view view;
    (void)state;
    begin(4, 4, 0, 5);
    run(120 * S);
    check_all();
    consensus_engine_view(&view, w.nodes[0].engine);
    assert_true(view.window >= 20);
    assert_true(world_lowest_final(&w) >= 100);
    world_free(&w);
}

/* Both ways. */
static void part(void)
{
    bool was_parted = false;
    uint64_t side = world_random(&w, UINT64_C(1) << w.count);
    for (size_t a = 0; a < w.count; a++)
        for (size_t b = 0; b < w.count; b++)
            was_parted = was_parted || w.is_cut[a][b];
    for (size_t a = 0; a < w.count; a++)
        for (size_t b = 0; b < w.count; b++)
            w.is_cut[a][b] = !was_parted && ((side >> a ^ side >> b) & 1) != 0;
}

static void strike(void)
{
    size_t who = (size_t)world_random(&w, w.count);
    struct world_node *n = &w.nodes[who];
    switch (world_random(&w, 5)) {
    case 0:
        part();
        break;
    case 1:
        n->stall_us = w.now_us + base_prng_between(&w.prng, 1, 8) * S;
        break;
    case 2:
        if (n->engine != NULL) world_crash(&w, who);
        break;
    case 3:
        if (n->engine == NULL) world_start(&w, who, false);
        break;
    default:
        break;
    }
}

/* Loss, halves, stalls and restarts, then calm: nothing contradicts, and it goes on. */
static void wild(uint64_t seed, size_t members, size_t twins)
{
    static const uint32_t windows[] = {3, 5, 20, 600};
    /* One twin weighs less than a third whatever its weight is: the cap. Two may not. */
    world_init(&w, seed, members, twins, windows[seed % 4], twins < 2 ? 1 + seed % 9 : 1);
    w.state_every = 8;
    world_start_all(&w);
    w.delay_max_us = base_prng_between(&w.prng, 1000, 400000);
    w.loss_percent = (uint32_t)world_random(&w, 31);
    for (int round = 0; round < 12; round++) {
        strike();
        run(base_prng_between(&w.prng, 100000, 6 * S));
    }
    world_calm(&w);
    run(150 * S);
    uint64_t before = world_lowest_final(&w);
    run(60 * S);
    if (world_lowest_final(&w) <= before)
        fail_msg("seed %lu: nothing final after %lu", (unsigned long)seed, (unsigned long)before);
    world_free(&w);
}

static void test_wild_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        wild(seed, 4 + seed % 4, 0);
}

/* One member's key in two places: two candidates, two votes. Nobody else is ever accused, and the
 * others agree. */
static void test_twins(void **state)
{
    uint64_t faults = 0;
    (void)state;
    for (uint64_t seed = 1001; seed <= 1060; seed++) {
        wild(seed, seed % 2 == 0 ? 4 : 7, seed % 2 == 0 ? 1 : 2);
        faults += w.faults;
    }
    assert_true(faults > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_member_leads_itself),
        cmocka_unit_test(test_a_calm_cluster),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_short_windows),
        cmocka_unit_test(test_wild_seeds),
        cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
