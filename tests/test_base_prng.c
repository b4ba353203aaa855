/* The seeded generator: the same numbers everywhere, without bias, within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"

/* State 1, 2, 3, 4: the ten numbers that other implementations of xoshiro256** pin as well. */
static void test_known_answers(void **state)
{
    static const uint64_t want[] = {
        11520U,
        0U,
        1509978240U,
        1215971899390074240U,
        1216172134540287360U,
        607988272756665600U,
        16172922978634559625U,
        8476171486693032832U,
        10595114339597558777U,
        2904607092377533576U,
    };
    struct base_prng prng = {{1, 2, 3, 4}};
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_true(base_prng_u64(&prng) == want[i]);
}

/* Seeding is splitmix64's; its first output for 0 is 0xe220a8397b1dcdaf. */
static void test_known_seeds(void **state)
{
    static const struct {
        uint64_t seed, first_state, first[4];
    } want[] = {
        {0,
         0xe220a8397b1dcdaf,
         {0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c}},
        {1,
         0x910a2dec89025cc1,
         {0xb3f2af6d0fc710c5, 0x853b559647364cea, 0x92f89756082a4514, 0x642e1c7bc266a3a7}},
        {UINT64_MAX,
         0xe4d971771b652c20,
         {0x8f5520d52a7ead08, 0xc476a018caa1802d, 0x81de31c0d260469e, 0xbf658d7e065f3c2f}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct base_prng prng;
        base_prng_init(&prng, want[i].seed);
        assert_true(prng.s[0] == want[i].first_state);
        for (size_t j = 0; j < 4; j++)
            assert_true(base_prng_u64(&prng) == want[i].first[j]);
    }
}

static void test_below(void **state)
{
    struct base_prng prng;
    (void)state;
    base_prng_init(&prng, 1);
    for (uint64_t bound = 1; bound <= 70; bound++) {
        bool seen[70] = {false};
        for (size_t i = 0; i < 100 * bound; i++) {
            uint64_t x = base_prng_below(&prng, bound);
            assert_true(x < bound);
            seen[x] = true;
        }
        for (size_t x = 0; x < bound; x++)
            assert_true(seen[x]);
    }
    for (size_t i = 0; i < 1000; i++)
        assert_true(base_prng_below(&prng, UINT64_MAX) < UINT64_MAX);
}

/* With a bound of 3 * 2^62 a plain remainder hits the lowest third twice as often: of 3000
 * numbers 1500, rather than the 1000 we get. */
static void test_below_has_no_bias(void **state)
{
    struct base_prng prng;
    unsigned lowest = 0;
    (void)state;
    base_prng_init(&prng, 2);
    for (size_t i = 0; i < 3000; i++)
        if (base_prng_below(&prng, 3 * (UINT64_C(1) << 62)) < UINT64_C(1) << 62) lowest++;
    assert_in_range(lowest, 900, 1100);
}

static void test_between(void **state)
{
    struct base_prng prng;
    bool low = false, high = false, far = false;
    (void)state;
    base_prng_init(&prng, 3);
    for (size_t i = 0; i < 1000; i++) {
        uint64_t x = base_prng_between(&prng, 5, 9);
        assert_in_range(x, 5, 9);
        low = low || x == 5;
        high = high || x == 9;
        assert_int_equal(base_prng_between(&prng, 7, 7), 7);
        assert_true(base_prng_between(&prng, UINT64_MAX - 1, UINT64_MAX) >= UINT64_MAX - 1);
        far = far || base_prng_between(&prng, 0, UINT64_MAX) > UINT64_MAX / 2;
    }
    assert_true(low && high && far);
}

/* Each index once; and of the 24 orders of four, all come up about as often. */
static void test_permute(void **state)
{
    struct base_prng prng;
    unsigned orders[256] = {0};
    uint32_t indices[100];
    bool seen[100] = {false};
    (void)state;
    base_prng_init(&prng, 4);
    base_prng_permute(&prng, indices, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_true(indices[i] < 100);
        assert_false(seen[indices[i]]);
        seen[indices[i]] = true;
    }
    for (size_t i = 0; i < 24000; i++) {
        base_prng_permute(&prng, indices, 4);
        orders[indices[0] << 6 | indices[1] << 4 | indices[2] << 2 | indices[3]]++;
    }
    unsigned distinct = 0;
    for (size_t i = 0; i < 256; i++) {
        if (orders[i] == 0) continue;
        assert_in_range(orders[i], 850, 1150);
        distinct++;
    }
    assert_int_equal(distinct, 24);
    base_prng_permute(&prng, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_known_seeds),
        cmocka_unit_test(test_below),         cmocka_unit_test(test_below_has_no_bias),
        cmocka_unit_test(test_between),       cmocka_unit_test(test_permute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
