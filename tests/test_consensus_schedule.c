/* Who leads: shares, and what nobody gains anything by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/prng.h"
#include "consensus/schedule.h"

#define MOST 16

static struct base_key33 key_of(uint8_t n)
{
    struct base_key33 key = {{2}};
    key.bytes[32] = n;
    return key;
}

static void fill(struct consensus_lead *leads, size_t count, struct base_prng *prng, uint64_t most)
{
    memset(leads, 0, count * sizeof *leads);
    for (size_t i = 0; i < count; i++) {
        leads[i].key = key_of((uint8_t)(i + 1));
        leads[i].weight = base_prng_between(prng, 1, most);
    }
}

/* |won - t w / W| <= 2 + |start| / W, after every window. */
static void test_shares_follow_weights(void **state)
{
    struct base_prng prng;
    struct base_hash32 block;
    (void)state;
    base_prng_init(&prng, 1);
    for (int run = 0; run < 200; run++) {
        struct consensus_lead leads[MOST];
        struct consensus_schedule s;
        int64_t won[MOST] = {0}, start[MOST];
        size_t count = base_prng_between(&prng, 1, MOST);
        fill(leads, count, &prng, base_prng_between(&prng, 1, 100));
        assert_int_equal(consensus_schedule_init(&s, leads, count), BASE_OK);
        memset(block.bytes, run, sizeof block.bytes);
        consensus_schedule_draw(&s, &block);
        for (size_t i = 0; i < count; i++) {
            start[i] = leads[i].priority;
            assert_in_range(start[i] + (int64_t)s.total, 0, 2 * s.total - 1);
        }
        for (int64_t t = 1; t <= 1000; t++) {
            won[consensus_schedule_next(&s)]++;
            for (size_t i = 0; i < count; i++) {
                int64_t off = won[i] * (int64_t)s.total - t * (int64_t)leads[i].weight;
                assert_true(llabs(off) <= 2 * (int64_t)s.total + llabs(start[i]));
            }
        }
    }
}

static void test_ties_go_to_the_lower_key(void **state)
{
    struct consensus_lead leads[3] = {{.key = key_of(1), .weight = 1},
                                      {.key = key_of(2), .weight = 1},
                                      {.key = key_of(3), .weight = 1}};
    struct consensus_schedule s;
    (void)state;
    assert_int_equal(consensus_schedule_init(&s, leads, 3), BASE_OK);
    for (size_t t = 0; t < 9; t++)
        assert_int_equal(consensus_schedule_next(&s), t % 3);
}

/* Who is suspended leads nothing, and does not save up for later either. */
static void test_who_weighs_nothing_leads_nothing(void **state)
{
    struct consensus_lead leads[3] = {{.key = key_of(1), .weight = 2},
                                      {.key = key_of(2), .weight = 0, .priority = 100},
                                      {.key = key_of(3), .weight = 1}};
    struct consensus_schedule s;
    size_t won[3] = {0};
    (void)state;
    assert_int_equal(consensus_schedule_init(&s, leads, 3), BASE_OK);
    for (int t = 0; t < 30; t++)
        won[consensus_schedule_next(&s)]++;
    assert_int_equal(won[0], 20);
    assert_int_equal(won[1], 0);
    assert_int_equal(won[2], 10);
    assert_int_equal(leads[1].priority, 100);
}

/* The block decides: another one, another order; the same one, the same everywhere. */
static void test_the_founding_block_draws(void **state)
{
    struct consensus_lead a[4], b[4];
    struct consensus_schedule s;
    struct base_prng prng;
    struct base_hash32 one = {{1}}, two = {{2}};
    (void)state;
    base_prng_init(&prng, 3);
    fill(a, 4, &prng, 9);
    memcpy(b, a, sizeof b);
    assert_int_equal(consensus_schedule_init(&s, a, 4), BASE_OK);
    consensus_schedule_draw(&s, &one);
    assert_int_equal(consensus_schedule_init(&s, b, 4), BASE_OK);
    consensus_schedule_draw(&s, &one);
    assert_memory_equal(a, b, sizeof a);
    consensus_schedule_draw(&s, &two);
    assert_memory_not_equal(a, b, sizeof a);
}

/* Who leaves and comes back starts behind everybody else. */
static void test_to_come_back_gains_nothing(void **state)
{
    struct consensus_lead before[3] = {{.key = key_of(1), .weight = 1, .priority = 3},
                                       {.key = key_of(3), .weight = 1, .priority = -1},
                                       {.key = key_of(4), .weight = 6, .priority = -2}};
    struct consensus_lead after[3] = {{.key = key_of(1), .weight = 1},
                                      {.key = key_of(2), .weight = 1},
                                      {.key = key_of(4), .weight = 6}};
    struct consensus_schedule s;
    (void)state;
    assert_int_equal(consensus_schedule_init(&s, after, 3), BASE_OK);
    consensus_schedule_carry(&s, before, 3);
    /* 3, -(8 + 1), -2: their mean of -8/3, rounded down, is taken off. */
    assert_int_equal(after[0].priority, 6);
    assert_int_equal(after[1].priority, -6);
    assert_int_equal(after[2].priority, 1);
}

/* Whatever stood in an epoch of larger weights, nobody leads for ever after. */
static void test_what_is_carried_is_bounded(void **state)
{
    struct consensus_lead before[2] = {{.key = key_of(1), .weight = 1, .priority = 1000000},
                                       {.key = key_of(2), .weight = 1, .priority = -1000000}};
    struct consensus_lead after[2] = {{.key = key_of(1), .weight = 3},
                                      {.key = key_of(2), .weight = 1}};
    struct consensus_schedule s;
    (void)state;
    assert_int_equal(consensus_schedule_init(&s, after, 2), BASE_OK);
    consensus_schedule_carry(&s, before, 2);
    assert_int_equal(after[0].priority, 8);
    assert_int_equal(after[1].priority, -8);
}

/* A window given to somebody is one that it has had. */
static void test_a_window_given_is_paid_for(void **state)
{
    struct consensus_lead leads[4];
    struct consensus_schedule s;
    size_t won[4] = {0};
    (void)state;
    for (uint8_t i = 0; i < 4; i++)
        leads[i] = (struct consensus_lead){.key = key_of((uint8_t)(i + 1)), .weight = 1};
    assert_int_equal(consensus_schedule_init(&s, leads, 4), BASE_OK);
    consensus_schedule_give(&s, 2);
    won[2]++;
    for (int t = 0; t < 7; t++)
        won[consensus_schedule_next(&s)]++;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(won[i], 2);
}

static void test_what_is_no_schedule(void **state)
{
    struct consensus_lead leads[2] = {{.key = key_of(2), .weight = 1},
                                      {.key = key_of(1), .weight = 1}};
    struct consensus_schedule s;
    (void)state;
    assert_int_equal(consensus_schedule_init(&s, leads, 2), BASE_EINVAL); /* not by key */
    leads[1].key = key_of(2);
    assert_int_equal(consensus_schedule_init(&s, leads, 2), BASE_EINVAL); /* one key twice */
    leads[1].key = key_of(3);
    assert_int_equal(consensus_schedule_init(&s, leads, 0), BASE_EINVAL);
    leads[0].weight = leads[1].weight = 0;
    assert_int_equal(consensus_schedule_init(&s, leads, 2), BASE_EINVAL);
    leads[0].weight = (uint64_t)CONSENSUS_WEIGHT_MAX + 1;
    assert_int_equal(consensus_schedule_init(&s, leads, 2), BASE_EINVAL);
    leads[0].weight = CONSENSUS_WEIGHT_MAX;
    assert_int_equal(consensus_schedule_init(&s, leads, 2), BASE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_follow_weights),
        cmocka_unit_test(test_ties_go_to_the_lower_key),
        cmocka_unit_test(test_who_weighs_nothing_leads_nothing),
        cmocka_unit_test(test_the_founding_block_draws),
        cmocka_unit_test(test_to_come_back_gains_nothing),
        cmocka_unit_test(test_what_is_carried_is_bounded),
        cmocka_unit_test(test_a_window_given_is_paid_for),
        cmocka_unit_test(test_what_is_no_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
