#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "node/link_budget.h"

static struct node_link_budget budget;

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

static enum node_link_budget_verdict admit(struct node_link_ticket *ticket, uint64_t now_ms,
                                           const char *text)
{
    struct sockaddr_storage address = address_of(text);
    return node_link_budget_admit(&budget, ticket, now_ms, (const struct sockaddr *)&address);
}

static void mark_known(uint64_t now_ms, const char *text)
{
    struct sockaddr_storage address = address_of(text);
    node_link_budget_mark_known(&budget, now_ms, (const struct sockaddr *)&address);
}

/* Fills the budget from `count` different addresses 10.0.x.y. */
static void fill(struct node_link_ticket *tickets, unsigned count,
                 enum node_link_budget_verdict expected)
{
    for (unsigned i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.%u.%u", i / 256, i % 256);
        assert_int_equal(admit(&tickets[i], 0, text), expected);
    }
}

static int setup(void **state)
{
    (void)state;
    node_link_budget_init(&budget, 64, 8);
    return 0;
}

static void test_ninth_link_of_one_address_is_refused(void **state)
{
    struct node_link_ticket tickets[9];
    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(admit(&tickets[i], 0, "192.0.2.1"), NODE_LINK_BUDGET_ADMIT);
    assert_int_equal(admit(&tickets[8], 0, "192.0.2.1"), NODE_LINK_BUDGET_REFUSE_ADDRESS);
    assert_int_equal(admit(&tickets[8], 0, "192.0.2.2"), NODE_LINK_BUDGET_ADMIT);
    node_link_budget_release(&budget, &tickets[0]);
    assert_int_equal(admit(&tickets[0], 0, "192.0.2.1"), NODE_LINK_BUDGET_ADMIT);
}

static void test_addresses_of_one_network_count_together(void **state)
{
    struct node_link_ticket tickets[8], other;
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        char text[40];
        snprintf(text, sizeof text, "2001:db8::%x", i + 1);
        assert_int_equal(admit(&tickets[i], 0, text), NODE_LINK_BUDGET_ADMIT);
    }
    assert_int_equal(admit(&other, 0, "2001:db8::ffff:1:2:3"), NODE_LINK_BUDGET_REFUSE_ADDRESS);
    assert_int_equal(admit(&other, 0, "2001:db8:0:1::1"), NODE_LINK_BUDGET_ADMIT);
}

static void test_mapped_ipv4_counts_as_ipv4(void **state)
{
    struct node_link_ticket tickets[8], other;
    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(admit(&tickets[i], 0, "::ffff:192.0.2.1"), NODE_LINK_BUDGET_ADMIT);
    assert_int_equal(admit(&other, 0, "192.0.2.1"), NODE_LINK_BUDGET_REFUSE_ADDRESS);
    assert_int_equal(admit(&other, 0, "::ffff:192.0.2.2"), NODE_LINK_BUDGET_ADMIT);
}

static void test_no_address_is_refused(void **state)
{
    struct sockaddr_storage none = {.ss_family = AF_UNIX};
    struct node_link_ticket ticket;
    (void)state;
    assert_int_equal(node_link_budget_admit(&budget, &ticket, 0, (const struct sockaddr *)&none),
                     NODE_LINK_BUDGET_REFUSE_ADDRESS);
    assert_false(ticket.is_counted);
}

/* Half of the slots are for addresses where a member was proved: strangers fill the other half,
 * and no more. */
static void test_strangers_take_half(void **state)
{
    struct node_link_ticket strangers[33], known[33];
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%u", i);
        mark_known(1, text);
    }
    fill(strangers, 32, NODE_LINK_BUDGET_ADMIT);
    assert_int_equal(admit(&strangers[32], 2, "198.51.100.1"), NODE_LINK_BUDGET_REFUSE_TOTAL);
    for (unsigned i = 0; i < 32; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%u", i % 8);
        assert_int_equal(admit(&known[i], 2, text), NODE_LINK_BUDGET_ADMIT);
    }
    assert_int_equal(node_link_budget_unproved_count(&budget), 64);
    mark_known(2, "203.0.113.1");
    assert_int_equal(admit(&known[32], 2, "203.0.113.1"), NODE_LINK_BUDGET_REFUSE_TOTAL);
    node_link_budget_release(&budget, &strangers[0]);
    assert_int_equal(admit(&known[32], 2, "203.0.113.1"), NODE_LINK_BUDGET_ADMIT);
}

static void test_known_addresses_fade_after_a_day(void **state)
{
    struct node_link_ticket strangers[32], ticket;
    (void)state;
    mark_known(1000, "192.0.2.1");
    fill(strangers, 32, NODE_LINK_BUDGET_ADMIT);
    assert_int_equal(admit(&ticket, 1000 + NODE_LINK_BUDGET_KNOWN_MS - 1, "192.0.2.1"),
                     NODE_LINK_BUDGET_ADMIT);
    node_link_budget_release(&budget, &ticket);
    assert_int_equal(admit(&ticket, 1000 + NODE_LINK_BUDGET_KNOWN_MS, "192.0.2.1"),
                     NODE_LINK_BUDGET_REFUSE_TOTAL);
}

static void test_release_twice_counts_once(void **state)
{
    struct node_link_ticket a, b;
    (void)state;
    assert_int_equal(admit(&a, 0, "192.0.2.1"), NODE_LINK_BUDGET_ADMIT);
    assert_int_equal(admit(&b, 0, "192.0.2.1"), NODE_LINK_BUDGET_ADMIT);
    node_link_budget_release(&budget, &a);
    node_link_budget_release(&budget, &a);
    assert_int_equal(node_link_budget_unproved_count(&budget), 1);
    node_link_budget_release(&budget, &b);
    assert_int_equal(budget.entry_count, 0); /* nothing is kept for strangers that went */
}

/* However many addresses are proved or come by, the table stays as it is; the oldest proof goes
 * first, and never one whose links are counted. */
static void test_table_is_bounded(void **state)
{
    struct node_link_ticket ticket, last;
    (void)state;
    mark_known(1, "192.0.2.1");
    assert_int_equal(admit(&ticket, 2, "192.0.2.1"), NODE_LINK_BUDGET_ADMIT);
    mark_known(2, "192.0.2.2"); /* the oldest idle one */
    for (unsigned i = 0; i < 4 * NODE_LINK_BUDGET_ADDRESSES; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.%u.%u.1", i / 256, i % 256);
        mark_known(3 + i, text);
    }
    assert_int_equal(budget.entry_count, NODE_LINK_BUDGET_ADDRESSES);
    assert_int_equal(admit(&last, 1 + NODE_LINK_BUDGET_KNOWN_MS - 1, "192.0.2.1"),
                     NODE_LINK_BUDGET_ADMIT);
    assert_false(last.is_stranger);
    assert_int_equal(admit(&last, 10000, "192.0.2.2"), NODE_LINK_BUDGET_ADMIT);
    assert_true(last.is_stranger);
    node_link_budget_release(&budget, &ticket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_ninth_link_of_one_address_is_refused, setup),
        cmocka_unit_test_setup(test_addresses_of_one_network_count_together, setup),
        cmocka_unit_test_setup(test_mapped_ipv4_counts_as_ipv4, setup),
        cmocka_unit_test_setup(test_no_address_is_refused, setup),
        cmocka_unit_test_setup(test_strangers_take_half, setup),
        cmocka_unit_test_setup(test_known_addresses_fade_after_a_day, setup),
        cmocka_unit_test_setup(test_release_twice_counts_once, setup),
        cmocka_unit_test_setup(test_table_is_bounded, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
