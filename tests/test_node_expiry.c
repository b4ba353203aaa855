/* When a registration's end is near, and what is said of it: by block time alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "node/expiry.h"

#define NOW UINT64_C(1760000000)
#define DAY UINT64_C(86400)

static void test_levels_at_their_seconds(void **state)
{
    static const struct {
        uint64_t expires_s;
        enum node_expiry level;
    } cases[] = {{NOW + 400 * DAY, NODE_EXPIRY_FAR},
                 {NOW + 14 * DAY + 1, NODE_EXPIRY_FAR},
                 {NOW + 14 * DAY, NODE_EXPIRY_14_DAYS},
                 {NOW + 3 * DAY + 1, NODE_EXPIRY_14_DAYS},
                 {NOW + 3 * DAY, NODE_EXPIRY_3_DAYS},
                 {NOW + DAY + 1, NODE_EXPIRY_3_DAYS},
                 {NOW + DAY, NODE_EXPIRY_1_DAY},
                 {NOW + 1, NODE_EXPIRY_1_DAY},
                 {NOW, NODE_EXPIRY_OVER},
                 {NOW - 1, NODE_EXPIRY_OVER},
                 {1, NODE_EXPIRY_OVER},
                 {UINT64_MAX, NODE_EXPIRY_FAR},
                 {0, NODE_EXPIRY_UNKNOWN}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(node_expiry_judge(cases[i].expires_s, NOW), cases[i].level);
    assert_int_equal(node_expiry_judge(NOW, 0), NODE_EXPIRY_UNKNOWN); /* no block is known */
}

static void test_what_is_left(void **state)
{
    (void)state;
    assert_true(node_expiry_left_s(NOW + 5, NOW) == 5);
    assert_true(node_expiry_left_s(NOW, NOW) == 0);
    assert_true(node_expiry_left_s(NOW - 5, NOW) == -5);
    assert_true(node_expiry_left_s(UINT64_MAX, 1) == INT64_MAX);
    assert_true(node_expiry_left_s(1, UINT64_MAX) == -INT64_MAX);
}

/* The sentence says when, and what to do. */
static void test_sentences(void **state)
{
    static const struct {
        uint64_t expires_s;
        const char *text;
    } cases[] = {
        {NOW + 13 * DAY + 5, "this node's registration ends in 13 days: renew it with `do it`"},
        {NOW + 2 * DAY - 1, "this node's registration ends in 47 hours: renew it with `do it`"},
        {NOW + 7199, "this node's registration ends in 119 minutes: renew it with `do it`"},
        {NOW - 7, "this node's registration has ended: make a new one with `do it`"}};
    char out[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(
            node_expiry_warning(out, sizeof out, "registration", "do it", cases[i].expires_s, NOW));
        assert_string_equal(out, cases[i].text);
    }
    assert_false(
        node_expiry_warning(out, sizeof out, "registration", "do it", NOW + 15 * DAY, NOW));
    assert_string_equal(out, "");
    assert_false(node_expiry_warning(out, sizeof out, "registration", "do it", 0, NOW));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_at_their_seconds),
        cmocka_unit_test(test_what_is_left),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests_name("node_expiry", tests, NULL, NULL);
}
