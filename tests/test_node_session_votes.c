/* Sessions with members whose seat is gone, and whose vote is not: votes go through, and nothing of
 * membership does, in either direction. */
#include "mesh_fixture.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOSSIP    ATTEST_FRAME_GOSSIP
#define AUTHORITY NODE_FRAME_AUTHORITY
#define VOTE      (ATTEST_FRAME_CONSENSUS + 1)
#define SELLER    0
#define OTHER     1

static struct mesh_fixture f;
static struct fixture_link link_a;
static struct base_key33 voters[FIXTURE_NODES];

static int setup(void **state)
{
    (void)state;
    mesh_fixture_init(&f);
    for (size_t i = 0; i < FIXTURE_NODES; i++)
        voters[i] = f.nodes[i].identity.keys.node_key;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_link_deinit(&link_a);
    mesh_fixture_deinit(&f);
    return 0;
}

static void all_vote(void)
{
    for (size_t i = 0; i < FIXTURE_NODES; i++) {
        f.nodes[i].env.voters = voters;
        f.nodes[i].env.voter_count = FIXTURE_NODES;
    }
}

/* Node `from` dials node `to`. */
static void join(size_t from, size_t to)
{
    fixture_link_init(&link_a, &f.nodes[from], &f.nodes[to]);
    assert_int_equal(fixture_link_open(&link_a, &voters[to]), BASE_OK);
}

static void join_up(void)
{
    join(SELLER, OTHER);
    assert_int_equal(link_a.ends[SELLER].ups + link_a.ends[OTHER].ups, 2);
    fixture_link_advance(&link_a, 2 * NODE_SESSION_ACK_DELAY_MS);
}

static void sell(void)
{
    mesh_fixture_address(&f.seats[SELLER].owner, "buyer");
    mesh_fixture_publish(&f);
}

static void look(size_t end)
{
    assert_int_equal(fixture_link_kind(&link_a, end, NODE_SESSION_EV_SNAPSHOT), BASE_OK);
}

static int queue(size_t end, uint8_t type)
{
    return fixture_link_queue(&link_a, end, type, "x", 1, 0);
}

static void assert_up(size_t end, bool for_votes)
{
    assert_int_equal(link_a.ends[end].downs, 0);
    assert_true(node_session_is_up(link_a.ends[end].session));
    assert_int_equal(node_session_is_for_votes(link_a.ends[end].session), for_votes);
}

static void assert_down(size_t end, enum node_reason reason)
{
    assert_int_equal(link_a.ends[end].downs, 1);
    if (link_a.ends[end].down.down.reason != reason)
        fail_msg("down: %s", node_reason_name(link_a.ends[end].down.down.reason));
}

static void test_votes_go_on_and_nothing_else(void **state)
{
    (void)state;
    all_vote();
    join_up();
    sell();
    look(OTHER);
    assert_up(OTHER, true);
    assert_int_equal(link_a.ends[OTHER].votes, 1);
    look(OTHER); /* told once */
    assert_int_equal(link_a.ends[OTHER].votes, 1);
    /* The seller may not know yet: what it says is not heard, and breaks nothing. */
    assert_int_equal(queue(SELLER, GOSSIP), BASE_OK);
    assert_int_equal(queue(SELLER, AUTHORITY), BASE_OK);
    assert_int_equal(queue(SELLER, VOTE), BASE_OK);
    assert_int_equal(link_a.ends[OTHER].frames[GOSSIP], 0);
    assert_int_equal(link_a.ends[OTHER].frames[AUTHORITY], 1); /* it may give the seat back */
    assert_int_equal(link_a.ends[OTHER].frames[VOTE], 1);
    assert_int_equal(node_session_stats(link_a.ends[OTHER].session).unheard, 1);
    assert_int_equal(queue(OTHER, GOSSIP), BASE_ESTATE);
    assert_int_equal(queue(OTHER, AUTHORITY), BASE_OK);
    assert_int_equal(queue(OTHER, VOTE), BASE_OK);
    assert_int_equal(link_a.ends[SELLER].frames[VOTE], 1);
    assert_up(SELLER, false);
    assert_up(OTHER, true);
}

static void test_what_waits_is_not_said_any_more(void **state)
{
    (void)state;
    all_vote();
    join_up();
    link_a.ends[OTHER].hold_sent = true; /* the link takes one, and then nothing */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(queue(OTHER, GOSSIP), BASE_OK);
        assert_int_equal(queue(OTHER, VOTE), BASE_OK);
    }
    assert_int_equal(queue(OTHER, AUTHORITY), BASE_OK); /* perhaps it says why */
    sell();
    look(OTHER);
    assert_int_equal(node_session_stats(link_a.ends[OTHER].session).queued, 4);
    assert_int_equal(queue(OTHER, VOTE), BASE_OK); /* behind them */
    link_a.ends[OTHER].hold_sent = false;
    fixture_link_kind(&link_a, OTHER, NODE_SESSION_EV_SENT);
    assert_int_equal(link_a.ends[SELLER].frames[GOSSIP], 1);
    assert_int_equal(link_a.ends[SELLER].frames[VOTE], 4);
    assert_int_equal(link_a.ends[SELLER].frames[AUTHORITY], 1);
}

/* Who is in no epoch goes at once. */
static void test_who_has_no_vote_is_evicted(void **state)
{
    (void)state;
    f.nodes[OTHER].env.voters = &voters[1]; /* all but the seller */
    f.nodes[OTHER].env.voter_count = FIXTURE_NODES - 1;
    join_up();
    sell();
    look(OTHER);
    assert_down(OTHER, NODE_REASON_EVICTED);
    assert_int_equal(link_a.ends[OTHER].votes, 0);
}

static void test_it_ends_with_the_epoch(void **state)
{
    (void)state;
    all_vote();
    join_up();
    sell();
    look(OTHER);
    assert_up(OTHER, true);
    f.nodes[OTHER].env.voters = &voters[1];
    f.nodes[OTHER].env.voter_count = FIXTURE_NODES - 1;
    look(OTHER);
    assert_down(OTHER, NODE_REASON_EVICTED);
    assert_int_equal(link_a.ends[OTHER].down.down.refusal.reason, NODE_REASON_OWNER_CHANGED);
    assert_down(SELLER, NODE_REASON_EVICTED);
}

/* A seat may be sold, given back, switched off or over. One that is suspended has lied, and what is
 * no more trusted says nothing. */
static void test_only_a_seat_that_is_gone_leaves_a_vote(void **state)
{
    static const enum node_reason reasons[] = {
        NODE_REASON_NO_SEAT,       NODE_REASON_OWNER_CHANGED,     NODE_REASON_INACTIVE,
        NODE_REASON_EXPIRED,       NODE_REASON_SUSPENDED,         NODE_REASON_ROOT_EPOCH,
        NODE_REASON_TOKEN_DIFFERS, NODE_REASON_PROOF_KEY_DIFFERS, NODE_REASON_APP_ID_NOT_ALLOWED,
        NODE_REASON_NONE};
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        assert_int_equal(node_admission_is_seat_gone(reasons[i]), i < 4);
    all_vote();
    join_up();
    f.seats[SELLER].suspended_until = f.head.block.time_s + 3600;
    mesh_fixture_publish(&f);
    look(OTHER);
    assert_down(OTHER, NODE_REASON_EVICTED);
    assert_int_equal(link_a.ends[OTHER].down.down.refusal.reason, NODE_REASON_SUSPENDED);
}

/* The link broke, or the other one was restarted. */
static void test_it_may_come_again_for_its_vote(void **state)
{
    (void)state;
    all_vote();
    sell();
    join(SELLER, OTHER);
    assert_int_equal(link_a.ends[OTHER].ups, 1);
    assert_up(OTHER, true);
    assert_int_equal(link_a.ends[OTHER].votes, 0); /* UP says it */
    assert_int_equal(queue(SELLER, GOSSIP), BASE_OK);
    assert_int_equal(queue(SELLER, VOTE), BASE_OK);
    assert_int_equal(link_a.ends[OTHER].frames[GOSSIP], 0);
    assert_int_equal(link_a.ends[OTHER].frames[VOTE], 1);
    assert_int_equal(queue(OTHER, GOSSIP), BASE_ESTATE);
}

static void test_it_may_be_fetched_for_its_vote(void **state)
{
    (void)state;
    all_vote();
    sell();
    join(OTHER, SELLER); /* end 0 is the other one here */
    assert_int_equal(link_a.ends[0].ups, 1);
    assert_up(0, true);
}

static void test_strangers_do_not_come_for_a_vote(void **state)
{
    (void)state;
    f.nodes[OTHER].env.voters = &voters[1];
    f.nodes[OTHER].env.voter_count = FIXTURE_NODES - 1;
    sell();
    join(SELLER, OTHER);
    assert_int_equal(link_a.ends[OTHER].ups, 0);
    assert_int_equal(link_a.ends[OTHER].refused.refused.refusal.reason, NODE_REASON_OWNER_CHANGED);
}

static void test_liars_do_not_come_for_a_vote(void **state)
{
    (void)state;
    all_vote();
    f.seats[SELLER].suspended_until = f.head.block.time_s + 3600;
    mesh_fixture_publish(&f);
    join(SELLER, OTHER);
    assert_int_equal(link_a.ends[OTHER].ups, 0);
    assert_int_equal(link_a.ends[OTHER].refused.refused.refusal.reason, NODE_REASON_SUSPENDED);
}

/* Sold while the mesh looks for a copy of it, or while READY is awaited. */
static void test_sold_before_it_is_up(void **state)
{
    (void)state;
    all_vote();
    fixture_link_init(&link_a, &f.nodes[SELLER], &f.nodes[OTHER]);
    link_a.ends[OTHER].hold_verdict = true;
    assert_int_equal(fixture_link_open(&link_a, &voters[OTHER]), BASE_OK);
    assert_int_equal(link_a.ends[OTHER].judged, 1);
    sell();
    look(OTHER);
    assert_int_equal(link_a.ends[OTHER].refusals, 0);
    fixture_link_kind(&link_a, OTHER, NODE_SESSION_EV_ADMIT);
    assert_int_equal(link_a.ends[OTHER].ups, 1);
    assert_up(OTHER, true);
}

/* Its own view of the chain says it: it gossips no more, votes, and is no member of others. */
static void test_the_seller_knows_it_itself(void **state)
{
    (void)state;
    all_vote();
    join_up();
    sell();
    f.nodes[SELLER].env.ready = false;
    f.nodes[SELLER].env.votes_only = true;
    look(SELLER);
    assert_up(SELLER, true);
    assert_int_equal(link_a.ends[SELLER].votes, 1);
    assert_int_equal(queue(SELLER, GOSSIP), BASE_ESTATE);
    assert_int_equal(queue(SELLER, VOTE), BASE_OK);
    assert_int_equal(queue(OTHER, GOSSIP), BASE_OK); /* which has not seen it yet */
    assert_int_equal(link_a.ends[SELLER].frames[GOSSIP], 0);
    assert_int_equal(link_a.ends[OTHER].frames[VOTE], 1);
    /* Its vote is over. */
    f.nodes[SELLER].env.votes_only = false;
    look(SELLER);
    assert_down(SELLER, NODE_REASON_LEAVING);
}

static void test_the_seller_dials_for_its_vote(void **state)
{
    (void)state;
    all_vote();
    sell();
    f.nodes[SELLER].env.ready = false;
    f.nodes[SELLER].env.votes_only = true;
    join(SELLER, OTHER);
    assert_up(SELLER, true);
    assert_up(OTHER, true);
}

/* A member that is in no epoch yet has no use for it, nor it for that one. */
static void test_the_seller_leaves_who_does_not_vote(void **state)
{
    (void)state;
    join_up();
    sell();
    f.nodes[SELLER].env.voters = voters; /* itself alone */
    f.nodes[SELLER].env.voter_count = 1;
    f.nodes[SELLER].env.ready = false;
    f.nodes[SELLER].env.votes_only = true;
    look(SELLER);
    assert_down(SELLER, NODE_REASON_LEAVING);
    fixture_link_deinit(&link_a);
    join(SELLER, OTHER);
    assert_int_equal(link_a.ends[SELLER].ups, 0);
}

/* It has bought one again: a whole session, in which both have shown everything. */
static void test_a_seat_that_is_back(void **state)
{
    struct base_eth_address owner = f.seats[SELLER].owner;
    (void)state;
    all_vote();
    join_up();
    sell();
    look(OTHER);
    assert_up(OTHER, true);
    f.seats[SELLER].owner = owner;
    mesh_fixture_publish(&f);
    look(OTHER);
    assert_down(OTHER, NODE_REASON_RENEWED);
    assert_down(SELLER, NODE_REASON_RENEWED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_votes_go_on_and_nothing_else),
        TEST(test_what_waits_is_not_said_any_more),
        TEST(test_who_has_no_vote_is_evicted),
        TEST(test_it_ends_with_the_epoch),
        TEST(test_only_a_seat_that_is_gone_leaves_a_vote),
        TEST(test_it_may_come_again_for_its_vote),
        TEST(test_it_may_be_fetched_for_its_vote),
        TEST(test_strangers_do_not_come_for_a_vote),
        TEST(test_liars_do_not_come_for_a_vote),
        TEST(test_sold_before_it_is_up),
        TEST(test_the_seller_knows_it_itself),
        TEST(test_the_seller_dials_for_its_vote),
        TEST(test_the_seller_leaves_who_does_not_vote),
        TEST(test_a_seat_that_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
