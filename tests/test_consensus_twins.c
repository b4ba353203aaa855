/* Scenarios with one identity in two places: some thousands, always the same.
 * build/tests/nftmesh-twins runs as many as you like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "consensus_twins.h"

#define SCENARIOS 1000
#define STEPS_MAX 60000 /* enough for these; far too many take minutes */
#define NAMED_MAX 10000

static void test_scenarios(void **state)
{
    struct twins_plan plan;
    struct twins_result r;
    size_t finals = 0, proofs = 0, skips = 0, choices = 0;
    (void)state;
    for (uint64_t at = 0; at < SCENARIOS; at++) {
        twins_plan(&plan, 7, at);
        plan.steps_max = STEPS_MAX;
        twins_run(&r, &plan, NULL);
        if (!r.ok) {
            twins_plan_print(&plan, stdout);
            fail_msg("nftmesh-twins --seed 7 --only %lu: %s", (unsigned long)at, r.wrong);
        }
        finals += r.is_final_while_parted;
        proofs += r.has_proof;
        skips += r.has_skip_cert;
        choices += r.has_half;
    }
    /* They reach what they are for. */
    assert_true(finals > SCENARIOS / 2 && skips > SCENARIOS / 2);
    assert_true(proofs > SCENARIOS / 4 && choices > SCENARIOS / 8);
}

/* The same number, the same history. */
static void test_a_scenario_can_be_repeated(void **state)
{
    struct twins_plan plan, again;
    struct twins_result a, b;
    (void)state;
    twins_plan(&plan, 7, 11);
    twins_plan(&again, 7, 11);
    assert_memory_equal(&plan, &again, sizeof plan);
    twins_run(&a, &plan, NULL);
    twins_run(&b, &again, NULL);
    assert_true(a.trace == b.trace && a.steps == b.steps);
}

static void run_one(uint64_t seed, uint64_t number)
{
    struct twins_plan plan;
    struct twins_result r;
    twins_plan(&plan, seed, number);
    plan.steps_max = NAMED_MAX;
    twins_run(&r, &plan, NULL);
    if (!r.ok)
        fail_msg("nftmesh-twins --seed %lu --only %lu: %s", (unsigned long)seed,
                 (unsigned long)number, r.wrong);
}

/* Whoever leads is in two places, and contradicts itself in each window; what the partitions
 * stopped is lost. They took up to a million steps, or never came to an end. */
static void test_all_leaders_contradict_themselves(void **state)
{
    static const uint64_t named[][2] = {{1, 371953}, {1, 178881}, {1000001, 962}};
    struct twins_plan plan;
    (void)state;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        twins_plan(&plan, named[i][0], named[i][1]);
        for (size_t m = plan.twins; m < plan.members; m++)
            assert_int_equal(plan.lead_weight[m], 0);
        run_one(named[i][0], named[i][1]);
    }
}

/* Where it matters that no slot is jumped over that is not skipped: that is rare. */
static void test_a_gap(void **state)
{
    (void)state;
    run_one(6, 435);
    run_one(7, 2447);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios), cmocka_unit_test(test_all_leaders_contradict_themselves),
        cmocka_unit_test(test_a_gap), cmocka_unit_test(test_a_scenario_can_be_repeated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
