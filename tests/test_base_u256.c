/* Fees and balances: sums that stop at the top, and numbers as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/u256.h"

static struct base_u256 number(const char *text)
{
    struct base_u256 value;
    assert_int_equal(base_u256_parse(&value, text), BASE_OK);
    return value;
}

static const char *const top = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

static void assert_is(struct base_u256 value, const char *decimal)
{
    char text[BASE_U256_TEXT_BYTES];
    base_u256_format(text, &value);
    assert_string_equal(text, decimal);
}

static void test_sums_and_products(void **state)
{
    struct base_u256 a = number("18446744073709551615"), b = number("1"), zero = number("0");
    (void)state;
    assert_is(base_u256_add(&a, &b), "18446744073709551616");
    assert_is(base_u256_times(&a, UINT64_MAX), "340282366920938463426481119284349108225");
    assert_is(base_u256_times(&a, 0), "0");
    assert_is(base_u256_sub(&a, &b), "18446744073709551614");
    assert_is(base_u256_sub(&b, &a), "0");
    assert_is(base_u256_sub(&a, &a), "0");
    assert_is(base_u256_add(&zero, &zero), "0");
}

/* Wrapped round, an absurd fee would be a cheap one. */
static void test_the_top_is_the_end(void **state)
{
    struct base_u256 most = number(top), one = number("1"),
                     half = number("0x8000000000000000"
                                   "0000000000000000"
                                   "0000000000000000"
                                   "0000000000000000");
    (void)state;
    assert_true(base_u256_equal(&most, &most));
    struct base_u256 sum = base_u256_add(&most, &one);
    assert_true(base_u256_equal(&sum, &most));
    sum = base_u256_add(&half, &half);
    assert_true(base_u256_equal(&sum, &most));
    sum = base_u256_times(&half, 2);
    assert_true(base_u256_equal(&sum, &most));
    sum = base_u256_times(&half, 3);
    assert_true(base_u256_equal(&sum, &most));
    assert_is(most,
              "115792089237316195423570985008687907853269984665640564039457584007913129639935");
}

static void assert_ether(const char *wei, const char *ether)
{
    struct base_u256 value = number(wei);
    char text[BASE_ETHER_TEXT_BYTES];
    base_ether_format(text, &value);
    assert_string_equal(text, ether);
}

static void test_wei_as_ether(void **state)
{
    (void)state;
    assert_ether("0", "0");
    assert_ether("1", "0.000000000000000001");
    assert_ether("250000000000000000", "0.25");
    assert_ether("1000000000000000000", "1");
    assert_ether("12500000000000000000", "12.5");
    assert_ether("100000000000000000000", "100");
    assert_ether(top,
                 "115792089237316195423570985008687907853269984665640564039457.584007913129639935");
}

static void test_wei_as_gwei(void **state)
{
    struct base_u256 value = number("1500000000");
    char text[BASE_ETHER_TEXT_BYTES];
    (void)state;
    base_gwei_format(text, &value);
    assert_string_equal(text, "1.5");
    value = number("7");
    base_gwei_format(text, &value);
    assert_string_equal(text, "0.000000007");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_and_products),
        cmocka_unit_test(test_the_top_is_the_end),
        cmocka_unit_test(test_wei_as_ether),
        cmocka_unit_test(test_wei_as_gwei),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
