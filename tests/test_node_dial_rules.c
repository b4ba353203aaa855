#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/dial_rules.h"

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&out, &v4, sizeof v4);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        memcpy(&out, &v6, sizeof v6);
    }
    return out;
}

static bool allowed(const char *text, const struct node_cidr *allow, size_t count)
{
    struct sockaddr_storage address = address_of(text);
    return node_dial_address_is_allowed((const struct sockaddr *)&address, allow, count);
}

/* Goal: no range is a bit too wide or too narrow. The first and the last address of each, and the
 * neighbours on both sides (NULL: the neighbour is in another range, or there is none). */
static void test_edges_of_each_range(void **state)
{
    static const struct {
        const char *before, *first, *last, *after;
    } ranges[] = {
        {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
        {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
        {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
        {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
        {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
        {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
        {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
        {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
        {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
        {"223.255.255.255", "224.0.0.0", "239.255.255.255", NULL},
        {NULL, "240.0.0.0", "255.255.255.255", NULL},
        {NULL, "::", "::1", "::2"},
        {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
        {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::"},
        {"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        assert_false(allowed(ranges[i].first, NULL, 0));
        assert_false(allowed(ranges[i].last, NULL, 0));
        if (ranges[i].before != NULL) assert_true(allowed(ranges[i].before, NULL, 0));
        if (ranges[i].after != NULL) assert_true(allowed(ranges[i].after, NULL, 0));
    }
}

static void test_ipv4_inside_of_ipv6_is_judged_as_ipv4(void **state)
{
    (void)state;
    assert_false(allowed("::ffff:127.0.0.1", NULL, 0));
    assert_false(allowed("::ffff:169.254.169.254", NULL, 0));
    assert_true(allowed("::ffff:198.51.100.7", NULL, 0));
    assert_false(allowed("64:ff9b::127.0.0.1", NULL, 0));
    assert_false(allowed("64:ff9b::192.168.1.1", NULL, 0));
    assert_true(allowed("64:ff9b::198.51.100.7", NULL, 0));
    assert_true(allowed("64:ff9b:0:0:0:1:a00:1", NULL, 0)); /* another prefix */
    assert_true(allowed("2001:db8::1", NULL, 0));
}

static void test_operators_ranges_win(void **state)
{
    struct node_cidr allow[2];
    (void)state;
    assert_int_equal(node_cidr_parse(&allow[0], "10.1.0.0/16"), BASE_OK);
    assert_int_equal(node_cidr_parse(&allow[1], "fd00::/8"), BASE_OK);
    assert_true(allowed("10.1.255.255", allow, 2));
    assert_true(allowed("::ffff:10.1.0.1", allow, 2));
    assert_false(allowed("10.2.0.0", allow, 2));
    assert_true(allowed("fd12::1", allow, 2));
    assert_false(allowed("fc12::1", allow, 2));
    assert_false(allowed("10.1.0.1", allow, 0));
}

static void test_other_families_are_no_addresses(void **state)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    struct node_dial_hints *hints = calloc(1, sizeof *hints);
    (void)state;
    assert_non_null(hints);
    assert_false(node_dial_address_is_allowed((const struct sockaddr *)&address, NULL, 0));
    assert_false(node_dial_hint_takes_address(hints, 0, (const struct sockaddr *)&address));
    free(hints);
}

static void test_backoff_doubles_within_a_quarter_up_to_its_end(void **state)
{
    static const uint64_t middle[] = {1000, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct base_prng prng;
    (void)state;
    base_prng_init(&prng, 1);
    for (unsigned i = 0; i < 9; i++) {
        for (unsigned n = 0; n < 100; n++) {
            uint64_t ms = node_dial_backoff_ms(&prng, i, 1000, 60000);
            assert_in_range(ms, middle[i] * 3 / 4, middle[i] * 5 / 4);
        }
    }
    assert_in_range(node_dial_backoff_ms(&prng, UINT32_MAX, 1000, 600000), 450000, 750000);
}

/* Goal: many seats with one address do not make many knocks at it. */
static void test_one_dial_a_url_and_ten_an_address(void **state)
{
    struct node_dial_hints *hints = calloc(1, sizeof *hints);
    struct sockaddr_storage a = address_of("198.51.100.7"), b = address_of("198.51.100.8");
    (void)state;
    assert_non_null(hints);
    assert_int_equal(node_dial_hint_may_ms(hints, 5000, "tcp://one.example:1"), 0);
    assert_int_equal(node_dial_hint_may_ms(hints, 5000, "tcp://one.example:1"), 15000);
    assert_int_equal(node_dial_hint_may_ms(hints, 14999, "ws://ONE.example:1/x"), 15000);
    assert_int_equal(node_dial_hint_may_ms(hints, 5000, "tcp://one.example:2"), 0);
    assert_int_equal(node_dial_hint_may_ms(hints, 5000, "tcp://two.example:1"), 0);
    assert_int_equal(node_dial_hint_may_ms(hints, 15000, "tcp://one.example:1"), 0);
    assert_int_equal(node_dial_hint_may_ms(hints, 15000, "no url"), UINT64_MAX);
    for (unsigned i = 0; i < NODE_DIAL_ADDRESS_MAX; i++)
        assert_true(node_dial_hint_takes_address(hints, 1000 + i, (const struct sockaddr *)&a));
    assert_false(node_dial_hint_takes_address(hints, 10999, (const struct sockaddr *)&a));
    assert_true(node_dial_hint_takes_address(hints, 10999, (const struct sockaddr *)&b));
    assert_true(node_dial_hint_takes_address(hints, 11000, (const struct sockaddr *)&a));
    free(hints);
}

static void test_a_full_table_forgets_the_oldest(void **state)
{
    struct node_dial_hints *hints = calloc(1, sizeof *hints);
    char url[64];
    (void)state;
    assert_non_null(hints);
    for (unsigned i = 0; i <= NODE_DIAL_SEEN_MAX; i++) {
        snprintf(url, sizeof url, "tcp://host%u.example:7946", i);
        assert_int_equal(node_dial_hint_may_ms(hints, i + 1, url), 0);
    }
    assert_int_not_equal(node_dial_hint_may_ms(hints, 2000, "tcp://host1.example:7946"), 0);
    assert_int_equal(node_dial_hint_may_ms(hints, 2000, "tcp://host0.example:7946"), 0);
    free(hints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges_of_each_range),
        cmocka_unit_test(test_ipv4_inside_of_ipv6_is_judged_as_ipv4),
        cmocka_unit_test(test_operators_ranges_win),
        cmocka_unit_test(test_other_families_are_no_addresses),
        cmocka_unit_test(test_backoff_doubles_within_a_quarter_up_to_its_end),
        cmocka_unit_test(test_one_dial_a_url_and_ten_an_address),
        cmocka_unit_test(test_a_full_table_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
