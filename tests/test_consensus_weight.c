/* Caps and quorums: against the slow and obvious way, and what safety needs of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "consensus/weight.h"

static uint64_t capped_sum(const uint64_t *weights, size_t count, uint64_t cap)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += weights[i] < cap ? weights[i] : cap;
    return sum;
}

static void test_the_cap_is_the_largest(void **state)
{
    struct base_prng prng;
    (void)state;
    base_prng_init(&prng, 1);
    for (int run = 0; run < 20000; run++) {
        uint64_t weights[12];
        size_t count = base_prng_between(&prng, 4, 12), members = 0;
        uint64_t most = base_prng_between(&prng, 1, 200);
        for (size_t i = 0; i < count; i++) {
            weights[i] = base_prng_between(&prng, run % 3 == 0 ? 0 : 1, most);
            if (weights[i] > 0) members++;
        }
        uint64_t cap = consensus_weight_cap(weights, count);
        if (members < CONSENSUS_MEMBERS_SAFE) {
            assert_int_equal(cap, CONSENSUS_WEIGHT_MAX);
            continue;
        }
        uint64_t sum = capped_sum(weights, count, cap);
        assert_true(cap >= 1 && 3 * cap < sum);
        for (uint64_t c = cap + 1; c <= cap + 1000; c++)
            assert_true(3 * c >= capped_sum(weights, count, c));
        for (size_t i = 0; i < count; i++) /* nobody alone stops anything */
            assert_true(3 * (weights[i] < cap ? weights[i] : cap) < sum);
    }
}

/* Where a sum of 32 bits would wrap round. */
static void test_the_cap_of_large_weights(void **state)
{
    (void)state;
    uint64_t even[4] = {CONSENSUS_WEIGHT_MAX, CONSENSUS_WEIGHT_MAX, CONSENSUS_WEIGHT_MAX,
                        CONSENSUS_WEIGHT_MAX};
    assert_int_equal(consensus_weight_cap(even, 4), CONSENSUS_WEIGHT_MAX);
    uint64_t whale[5] = {CONSENSUS_WEIGHT_MAX, 1, 1, 1, 1};
    assert_int_equal(consensus_weight_cap(whale, 5), 1);
    uint64_t whales[6] = {CONSENSUS_WEIGHT_MAX, CONSENSUS_WEIGHT_MAX, 100, 100, 100, 100};
    assert_int_equal(consensus_weight_cap(whales, 6), 399);
}

/* With fewer than four nobody is capped: one of three is a third whatever it weighs. */
static void test_few_have_no_cap(void **state)
{
    (void)state;
    uint64_t three[5] = {7, 0, 1, 0, 1};
    assert_int_equal(consensus_weight_cap(three, 5), CONSENSUS_WEIGHT_MAX);
    assert_int_equal(consensus_weight_cap(NULL, 0), CONSENSUS_WEIGHT_MAX);
}

/* Two quorums share more than a third; what is missing when none can be reached is more than what
 * may lie; who does not lie can reach one. */
static void test_quorums(void **state)
{
    (void)state;
    for (uint64_t total = 1; total < 5000; total++) {
        uint64_t q = consensus_quorum(total), f = (total - 1) / 3;
        assert_true(3 * (2 * q - total) > total);
        assert_true(total - q + 1 > f);
        assert_true(total - f >= q);
    }
    assert_int_equal(consensus_quorum(0), 1);
    assert_int_equal(consensus_quorum(4), 3);
    assert_int_equal(consensus_quorum(UINT64_C(1024) * CONSENSUS_WEIGHT_MAX),
                     UINT64_C(2048) * CONSENSUS_WEIGHT_MAX / 3 + 1);
}

static void test_fewest_to_halt(void **state)
{
    (void)state;
    uint64_t even[7] = {1, 1, 1, 1, 1, 1, 1};
    assert_int_equal(consensus_fewest_to_halt(even, 7), 3);
    uint64_t uneven[5] = {1, 2, 9, 1, 5};
    assert_int_equal(consensus_fewest_to_halt(uneven, 5), 1);
    assert_int_equal(uneven[0], 9);
    uint64_t none[2] = {0, 0};
    assert_int_equal(consensus_fewest_to_halt(none, 2), 0);
    assert_int_equal(consensus_fewest_to_halt(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cap_is_the_largest),
        cmocka_unit_test(test_the_cap_of_large_weights),
        cmocka_unit_test(test_few_have_no_cap),
        cmocka_unit_test(test_quorums),
        cmocka_unit_test(test_fewest_to_halt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
