/* A member's budget, in virtual time: what honest members do is never felt, what a flood does is
 * slowed and then ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "node/peer_budget.h"

#define START UINT64_C(5000)

static enum node_peer_verdict judge(struct node_peer_budget *b, uint64_t now_ms)
{
    uint64_t resume_ms;
    return node_peer_budget_judge(b, now_ms, &resume_ms);
}

static void test_a_burst_is_free_and_comes_back(void **state)
{
    static const uint64_t bursts[] = {NODE_PEER_FRAMES_BURST, NODE_PEER_BYTES_BURST,
                                      NODE_PEER_STATEMENTS_BURST};
    (void)state;
    for (unsigned k = 0; k < NODE_PEER_COSTS; k++) {
        struct node_peer_budget b = {0};
        enum node_peer_cost kind = (enum node_peer_cost)k;
        uint64_t now = START, full_ms = bursts[k] * 1000 / node_peer_cost_a_second(kind) + 1;
        for (int i = 0; i < 10; i++, now += full_ms) { /* each time a whole one */
            node_peer_budget_spend(&b, now, kind, bursts[k]);
            assert_int_equal(judge(&b, now), NODE_PEER_OK);
        }
    }
}

/* The rest is as long as it takes to pay, and never longer than a second. */
static void test_over_the_burst_it_rests(void **state)
{
    struct node_peer_budget b = {0};
    uint64_t resume_ms = 0;
    (void)state;
    node_peer_budget_spend(&b, START, NODE_PEER_FRAMES, NODE_PEER_FRAMES_BURST);
    node_peer_budget_spend(&b, START, NODE_PEER_FRAMES, 50);
    assert_int_equal(node_peer_budget_judge(&b, START, &resume_ms), NODE_PEER_REST);
    assert_int_equal(resume_ms, START + 100);
    assert_int_equal(node_peer_budget_judge(&b, START + 99, &resume_ms), NODE_PEER_REST);
    assert_int_equal(resume_ms, START + 100);
    assert_int_equal(judge(&b, START + 100), NODE_PEER_OK);
    for (unsigned k = 0; k < NODE_PEER_COSTS; k++)
        node_peer_budget_spend(&b, START + 100, (enum node_peer_cost)k, UINT64_MAX);
    assert_int_equal(node_peer_budget_judge(&b, START + 100, &resume_ms), NODE_PEER_REST);
    assert_int_equal(resume_ms, START + 100 + NODE_PEER_REST_MS);
}

/* The clock's reading of one step is older than that of a step inside of it: nothing is forgiven
 * for that, and nobody closed. */
static void test_an_older_reading_changes_nothing(void **state)
{
    struct node_peer_budget b = {0};
    uint64_t resume_ms = 0, permille = 0;
    (void)state;
    node_peer_budget_spend(&b, START, NODE_PEER_BYTES, NODE_PEER_BYTES_BURST);
    node_peer_budget_spend(&b, START, NODE_PEER_BYTES, 1024);
    assert_int_equal(node_peer_budget_judge(&b, START - 1, &resume_ms), NODE_PEER_REST);
    assert_int_equal(resume_ms, START + 1);
    node_peer_budget_spend(&b, START - 2, NODE_PEER_BYTES, 1024);
    assert_int_equal(node_peer_budget_most(&b, START - 3, &permille), NODE_PEER_BYTES);
    assert_int_equal(permille, 1000);
    assert_int_equal(node_peer_budget_judge(&b, START, &resume_ms), NODE_PEER_REST);
    assert_int_equal(resume_ms, START + 2);
}

/* A flood that is read as slowly as it may be: over for 30 s, then closed. */
static void test_a_flood_is_closed(void **state)
{
    struct node_peer_budget b = {0};
    uint64_t now = START, resume_ms = 0, first = 0;
    enum node_peer_verdict verdict = NODE_PEER_OK;
    (void)state;
    while (verdict != NODE_PEER_CLOSE && now < START + 200000) {
        node_peer_budget_spend(&b, now, NODE_PEER_STATEMENTS, 80);
        verdict = node_peer_budget_judge(&b, now, &resume_ms);
        if (verdict == NODE_PEER_REST && first == 0) first = now;
        now = verdict == NODE_PEER_REST ? resume_ms : now + 1;
    }
    assert_int_equal(verdict, NODE_PEER_CLOSE);
    assert_in_range(now - first, NODE_PEER_PATIENCE_MS, NODE_PEER_PATIENCE_MS + 2000);
    uint64_t permille = 0;
    assert_int_equal(node_peer_budget_most(&b, now, &permille), NODE_PEER_STATEMENTS);
    assert_in_range(permille, 900, 1100);
}

/* One burst beyond the bucket, and then an honest pace: it is forgiven, and not closed later. */
static void test_one_that_calms_down_is_forgiven(void **state)
{
    struct node_peer_budget b = {0};
    uint64_t now = START;
    (void)state;
    for (int burst = 0; burst < 5; burst++) {
        for (unsigned k = 0; k < NODE_PEER_COSTS; k++)
            node_peer_budget_spend(&b, now, (enum node_peer_cost)k, UINT64_MAX);
        assert_int_equal(judge(&b, now), NODE_PEER_REST);
        for (int s = 0; s < 40; s++, now += 1000) { /* a tenth of what it may */
            for (unsigned k = 0; k < NODE_PEER_COSTS; k++)
                node_peer_budget_spend(&b, now, (enum node_peer_cost)k,
                                       node_peer_cost_a_second((enum node_peer_cost)k) / 10);
            if (s > 0) assert_int_not_equal(judge(&b, now), NODE_PEER_CLOSE);
        }
        assert_int_equal(judge(&b, now), NODE_PEER_OK);
    }
}

/* For ever at the pace itself: no rest, ever. */
static void test_the_pace_may_be_kept_for_ever(void **state)
{
    struct node_peer_budget b = {0};
    (void)state;
    for (uint64_t now = START; now < START + 600000; now += 100) {
        for (unsigned k = 0; k < NODE_PEER_COSTS; k++)
            node_peer_budget_spend(&b, now, (enum node_peer_cost)k,
                                   node_peer_cost_a_second((enum node_peer_cost)k) / 10);
        assert_int_equal(judge(&b, now), NODE_PEER_OK);
    }
}

/* What a node of a mesh of 1000 hears at the worst: everybody restarts at once. One peer brings all
 * records; each is on its signer's account. */
static void test_a_mass_restart_is_not_felt(void **state)
{
    struct node_peer_budget bringer = {0};
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        struct node_peer_budget signer = {0};
        node_peer_budget_spend(&bringer, START + i, NODE_PEER_FRAMES, 4);
        node_peer_budget_spend(&bringer, START + i, NODE_PEER_BYTES, UINT64_C(4) * 2048);
        node_peer_budget_spend(&signer, START + i, NODE_PEER_STATEMENTS, 8);
        assert_int_equal(judge(&bringer, START + i), NODE_PEER_OK);
        assert_int_equal(judge(&signer, START + i), NODE_PEER_OK);
    }
}

static void test_the_bar_doubles_and_is_forgotten(void **state)
{
    struct node_peer_budget b = {0};
    uint64_t now = START;
    static const uint64_t bars[] = {60000, 120000, 240000, 480000, 960000, 960000, 960000};
    (void)state;
    assert_false(node_peer_budget_is_barred(&b, now));
    for (size_t i = 0; i < sizeof bars / sizeof bars[0]; i++) {
        node_peer_budget_spend(&b, now, NODE_PEER_BYTES, UINT64_MAX);
        node_peer_budget_bar(&b, now);
        assert_int_equal(judge(&b, now), NODE_PEER_OK); /* it starts anew */
        assert_true(node_peer_budget_is_barred(&b, now + bars[i] - 1));
        assert_false(node_peer_budget_is_barred(&b, now + bars[i]));
        now += bars[i] + 1000;
    }
    now += NODE_PEER_FORGIVEN_MS;
    node_peer_budget_bar(&b, now);
    assert_false(node_peer_budget_is_barred(&b, now + NODE_PEER_BAR_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_is_free_and_comes_back),
        cmocka_unit_test(test_over_the_burst_it_rests),
        cmocka_unit_test(test_an_older_reading_changes_nothing),
        cmocka_unit_test(test_a_flood_is_closed),
        cmocka_unit_test(test_one_that_calms_down_is_forgiven),
        cmocka_unit_test(test_the_pace_may_be_kept_for_ever),
        cmocka_unit_test(test_a_mass_restart_is_not_felt),
        cmocka_unit_test(test_the_bar_doubles_and_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
