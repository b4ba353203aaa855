/* The simulator itself: a look at what each part of the model does, at each fault and each lie by
 * itself, and at seeds. Its checkers: test_sim_check.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/statement.h"
#include "sim_internal.h"
#include "sim_seed.h"

static struct sim *formed(uint64_t seed, uint32_t nodes)
{
    struct sim *s = sim_new(seed, nodes, &SIM_LAN);
    sim_start_all(s);
    assert_true(sim_until(s, sim_all_right, 30 * SEC));
    sim_run(s, 5 * SEC);
    if (sim_failure(s) != NULL) fail_msg("%s", sim_failure(s));
    return s;
}

/* ---- the chain ---- */

static enum node_reason judged(struct sim *s, uint32_t by, uint32_t whom)
{
    struct gossip_signed_record record;
    gossip_self_record(&record, sim_core(s, whom));
    return sim__judge_hello(s, by, whom, BASE_ROLE_INITIATOR, &record);
}

static void settle(struct sim *s)
{
    sim_run(s, 3 * SEC);
    assert_true(sim_until(s, sim_chain_is_settled, 20 * SEC));
}

/* Goal: what happens to a seat on chain is what admission says of it, by the real lines. */
static void test_admission_says_why(void **state)
{
    struct sim *s = formed(2, 8);
    (void)state;
    assert_int_equal(judged(s, 0, 1), NODE_REASON_NONE);
    sim_seat(s, 1, false);
    sim_deactivate(s, 2, false);
    sim_suspend(s, 3, 600);
    sim_expire(s, 4, 1);
    sim_burn(s, 5);
    sim_run(s, 3 * SEC);
    settle(s);
    assert_int_equal(judged(s, 0, 1), NODE_REASON_OWNER_CHANGED);
    assert_int_equal(judged(s, 0, 2), NODE_REASON_INACTIVE);
    assert_int_equal(judged(s, 0, 3), NODE_REASON_SUSPENDED);
    assert_int_equal(judged(s, 0, 4), NODE_REASON_EXPIRED);
    assert_int_equal(judged(s, 0, 5), NODE_REASON_NO_SEAT);
    for (uint32_t j = 1; j < 6; j++) {
        assert_int_equal(sim_state(s, 0, j), GOSSIP_NONE);
        assert_false(sim_has_seat(s, j));
    }
    assert_true(sim_until(s, sim_all_right, 10 * SEC));
    sim_seat(s, 1, true);
    settle(s);
    assert_int_equal(judged(s, 0, 1), NODE_REASON_NONE);
    assert_true(sim_until(s, sim_all_right, 30 * SEC));
    sim_free(s);
}

/* Goal: the lines of curve work are asked, too, and answer no. */
static void test_admission_checks_signatures(void **state)
{
    struct sim *s = formed(3, 3);
    struct gossip_signed_record record;
    struct gossip_action act = {.type = GOSSIP_ACT_JUDGE, .key = *sim_key(s, 1)};
    uint8_t proof[NODE_PROOF_BYTES];
    (void)state;
    gossip_self_record(&record, sim_core(s, 1));
    sim__proof_of(proof, 1);
    act.u.judge.record = (struct base_slice){record.body, record.body_len};
    act.u.judge.sig = record.sig;
    act.u.judge.proof = (struct base_slice){proof, sizeof proof};
    assert_int_equal(sim__judge_member(s, 0, &act), GOSSIP_OK);
    act.u.judge.sig.bytes[0] ^= 1;
    assert_int_equal(sim__judge_member(s, 0, &act), GOSSIP_REFUSED);
    act.u.judge.sig = record.sig;
    for (size_t at = 0; at < sizeof proof; at += 20) { /* version, keys, app id, both signatures */
        proof[at] ^= 1;
        assert_int_equal(sim__judge_member(s, 0, &act), GOSSIP_REFUSED);
        proof[at] ^= 1;
    }
    record.sig.bytes[5] ^= 1;
    assert_int_equal(sim__judge_hello(s, 0, 1, BASE_ROLE_INITIATOR, &record),
                     NODE_REASON_RECORD_SIGNATURE);
    sim_free(s);
}

static void test_rotation_moves_the_seat(void **state)
{
    struct sim *s = sim_new(4, 6, &SIM_LAN);
    (void)state;
    sim_burn(s, 5);
    sim_run(s, 4 * SEC);
    for (uint32_t i = 0; i < 5; i++)
        sim_start(s, i, 0);
    assert_true(sim_until(s, sim_all_right, 10 * SEC));
    sim_rotate(s, 4, 5);
    sim_start(s, 5, 0);
    settle(s);
    assert_false(sim_has_seat(s, 4));
    assert_true(sim_has_seat(s, 5));
    assert_true(sim_until(s, sim_all_right, 20 * SEC));
    assert_int_equal(sim_state(s, 0, 4), GOSSIP_NONE);
    assert_int_equal(sim_state(s, 0, 5), GOSSIP_ALIVE);
    sim_seat(s, 4, true); /* another token, since its first one stands behind node 5 */
    settle(s);
    assert_true(sim_has_seat(s, 4));
    assert_true(sim_until(s, sim_all_right, 20 * SEC));
    sim_free(s);
}

static void test_weights_reach_gossip(void **state)
{
    struct sim *s = formed(5, 4);
    struct gossip_member_view view;
    (void)state;
    sim_weight(s, 2, 7);
    settle(s);
    assert_int_equal(sim_weight_of(s, 2), 7);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(gossip_member_find(&view, sim_core(s, i), sim_key(s, 2)), BASE_OK);
        assert_int_equal(view.weight, 7);
    }
    sim_restart(s, 1, 0); /* and with a new session */
    assert_true(sim_until(s, sim_all_right, 5 * SEC));
    assert_int_equal(gossip_member_find(&view, sim_core(s, 1), sim_key(s, 2)), BASE_OK);
    assert_int_equal(view.weight, 7);
    sim_free(s);
}

/* Goal: a block that is replaced takes its transactions with it, for the simulator's opinion and
 * for admission's; some of them come again. Method: a hundred sales, each in a block that loses. */
static void test_reorganisations_undo(void **state)
{
    struct sim *s = formed(6, 4);
    uint32_t undone = 0, again = 0;
    (void)state;
    for (int round = 0; round < 100; round++) {
        sim_seat(s, 3, false);
        do
            sim_run(s, 100);
        while (sim_has_seat(s, 3));
        sim_reorg(s, 1 + (uint32_t)round % SIM_REORG_MAX);
        settle(s);
        bool has = sim_has_seat(s, 3);
        assert_int_equal(judged(s, 0, 3), has ? NODE_REASON_NONE : NODE_REASON_OWNER_CHANGED);
        undone += has;
        again += !has;
        if (!has) sim_seat(s, 3, true);
        settle(s);
    }
    if (sim_failure(s) != NULL) fail_msg("%s", sim_failure(s));
    assert_true(undone > 0);
    assert_true(again > undone);
    sim_free(s);
}

/* Goal: silent endpoints drop nobody and let nobody in who is not in. */
static void test_outage_drops_nobody(void **state)
{
    struct sim *s = formed(7, 5);
    (void)state;
    sim_crash(s, 4, true);
    sim_run(s, 5 * SEC);
    for (uint32_t i = 0; i < 4; i++)
        sim_outage(s, i, true);
    sim_run(s, 30 * SEC);
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < 4; j++)
            assert_int_equal(sim_state(s, i, j), GOSSIP_ALIVE);
    sim_seat(s, 3, false); /* nobody can know */
    sim_run(s, 10 * SEC);
    assert_int_equal(sim_state(s, 0, 3), GOSSIP_ALIVE);
    sim_outage(s, 4, true);
    sim_start(s, 4, 0);
    sim_run(s, 5 * SEC);
    assert_false(sim_is_up(s, 4)); /* it waits for its first block */
    for (uint32_t i = 0; i < 5; i++)
        sim_outage(s, i, false);
    settle(s);
    assert_true(sim_is_up(s, 4));
    assert_true(sim_until(s, sim_all_right, 10 * SEC));
    assert_int_equal(sim_state(s, 0, 3), GOSSIP_NONE);
    sim_free(s);
}

static void test_blocks_are_seen_at_different_times(void **state)
{
    struct sim *s = formed(8, 10);
    uint32_t differ = 0;
    (void)state;
    sim_chain(s, 4000, 3000);
    for (int n = 0; n < 200; n++) {
        sim_run(s, 100);
        for (uint32_t i = 1; i < 10; i++)
            differ += s->nodes[i].reference != s->nodes[0].reference;
    }
    assert_true(differ > 100);
    sim_free(s);
}

/* ---- network and processes ---- */

static struct sim__event *frame_to(struct sim *s, uint8_t kind, uint8_t mark)
{
    struct sim__event *ev = sim__event_new(SIM__FRAME, 1, 0, 1);
    ev->type = GOSSIP_FRAME_PING;
    ev->kind = kind;
    ev->bytes[0] = mark;
    ev->generation = sim__end_of(s, 0, 1)->generation;
    return ev;
}

/* Goal: what waits for a cut to end is a session's queue: one frame of a kind, so many in all. */
static void test_queue_is_bounded(void **state)
{
    struct sim *s = sim_new(9, 2, &SIM_LAN);
    struct sim__way *way = sim__way(s, 0, 1);
    (void)state;
    sim_cut(s, 0, 1, true);
    sim__way_send(s, frame_to(s, 1, 'a'));
    sim__way_send(s, frame_to(s, 0, 'b'));
    sim__way_send(s, frame_to(s, 1, 'c'));
    assert_int_equal(way->waiting_count, 2);
    assert_int_equal(way->first->bytes[0], 'c');
    assert_int_equal(way->last->bytes[0], 'b');
    for (int n = 0; n < 2 * SIM_QUEUE_MAX; n++)
        sim__way_send(s, frame_to(s, 0, 'd'));
    assert_int_equal(way->waiting_count, SIM_QUEUE_MAX);
    assert_null(sim_failure(s));
    sim_free(s);
}

/* Goal: clocks that run fast or slow still wake a node when its own clock says so. */
static void test_clocks_drift(void **state)
{
    static const int32_t rates[] = {0, 10000, -10000, 137};
    struct sim *s = sim_new(10, 1, &SIM_LAN);
    struct sim__node *n = &s->nodes[0];
    (void)state;
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        uint64_t before = sim__local_ms(s, n);
        sim_clock(s, 0, rates[r], 0);
        assert_int_equal(sim__local_ms(s, n), before);
        for (uint64_t ms = 1; ms < 5000; ms += 7) {
            uint64_t at = sim__true_ms(s, n, before + ms), now = s->now_ms;
            s->now_ms = at;
            assert_true(sim__local_ms(s, n) >= before + ms);
            s->now_ms = at - 1;
            assert_true(sim__local_ms(s, n) < before + ms);
            s->now_ms = now;
        }
        sim_run(s, 100000);
        assert_int_equal(sim__local_ms(s, n) - before, 100000 + rates[r] / 10);
    }
    sim_free(s);
}

/* Goal: a second connection replaces the first, and with it all that was on its way. */
static void test_a_connection_is_replaced(void **state)
{
    struct sim *s = formed(11, 3);
    uint32_t generation = sim__end_of(s, 0, 1)->generation;
    (void)state;
    sim_reorder(s, true);
    sim_redial(s, 0, 1);
    sim_run(s, SEC);
    assert_true(sim__end_of(s, 0, 1)->generation > generation);
    assert_true(sim_is_linked(s, 0, 1) && sim_is_linked(s, 1, 0));
    assert_true(sim_until(s, sim_all_right, SEC));
    assert_int_equal(sim_failed_count(s, 0) + sim_failed_count(s, 1), 0);
    sim_free(s);
}

static void test_ring_and_bridge(void **state)
{
    static const uint8_t group[6] = {0, 0, 0, 1, 1, 1};
    struct sim *s = sim_new(12, 6, &SIM_LAN);
    (void)state;
    sim_ring(s);
    for (uint32_t i = 0; i < 6; i++)
        for (uint32_t j = 0; j < 6; j++)
            if (i != j)
                assert_int_equal(sim__way(s, i, j)->cut, (i + 1) % 6 != j && (j + 1) % 6 != i);
    sim_bridge(s, group, 2);
    assert_false(sim__way(s, 2, 5)->cut || sim__way(s, 5, 2)->cut || sim__way(s, 0, 2)->cut);
    assert_true(sim__way(s, 0, 5)->cut && sim__way(s, 5, 0)->cut);
    sim_free(s);
}

/* Goal: a node whose disk is lost and whose clock went back finds out, and is believed again. */
static void test_rolled_back_node_returns(void **state)
{
    (void)state;
    for (int what = SIM_DISK_LOST; what <= SIM_DISK_OLD; what++) {
        struct sim *s = formed(13, 5);
        uint64_t before = sim_incarnation(s, 3);
        sim_crash(s, 3, true);
        sim_run(s, 10 * SEC);
        sim_clock(s, 3, 0, -500);
        sim_disk(s, 3, (enum sim_disk)what);
        sim_start(s, 3, 0);
        assert_true(sim_start_incarnation(s, 3) < before);
        assert_true(sim_until(s, sim_all_right, 5 * SEC));
        assert_true(sim_incarnation(s, 3) > before);
        sim_run(s, 30 * SEC);
        assert_true(sim_all_right(s));
        sim_free(s);
    }
}

/* ---- liars ---- */

/* What an honest node counts when it has heard the lie; 0 for lies that leave no trace there. */
static uint64_t heard_of(const char *kind, const struct gossip_counters *c)
{
    if (strcmp(kind, "forger") == 0) return c->statements_forged;
    if (strcmp(kind, "replayer") == 0) return c->statements_duplicate + c->statements_stale;
    if (strcmp(kind, "two-faced") == 0) return c->contradictions;
    if (strcmp(kind, "mute") == 0) return c->nacks;
    if (strcmp(kind, "far-future") == 0) return c->statements_stale + c->statements_invalid;
    if (strcmp(kind, "garbage") == 0) return c->frames_malformed;
    return c->frames_in;
}

/* Goal: whatever a third less one of the members says, no honest member is buried or left out, and
 * one that dies is buried in time, by everybody.
 * Method: each kind by itself, three of ten, for a minute; then a silent death. */
static void test_liars_change_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < SIM_LIARS_COUNT; k++) {
        struct sim *s = sim_new(200 + k, 10, &SIM_LAN);
        struct gossip_counters counters;
        uint64_t heard = 0;
        for (uint32_t i = 7; i < 10; i++)
            sim_make_liar(s, i, SIM_LIARS[k]->name);
        sim_start_all(s);
        assert_true(sim_until(s, sim_all_right, 10 * SEC));
        sim_quiet(s, true);
        sim_run(s, 60 * SEC);
        assert_true(sim_until(s, sim_all_right, 1));
        sim_crash(s, 3, false);
        if (!sim_until(s, sim_all_right, 30 * SEC))
            fail_msg("%s: %s", SIM_LIARS[k]->name,
                     sim_failure(s) != NULL ? sim_failure(s) : "a death was not noticed");
        for (uint32_t i = 0; i < 7; i++) {
            if (i == 3) continue;
            gossip_counters(&counters, sim_core(s, i));
            heard += heard_of(SIM_LIARS[k]->name, &counters);
        }
        if (heard == 0) fail_msg("%s: nobody heard a lie", SIM_LIARS[k]->name);
        sim_free(s);
    }
}

/* ---- seeds ---- */

static uint64_t run(uint64_t seed, uint64_t faults, uint64_t liars)
{
    struct sim_seed_options o;
    struct sim_seed_result r;
    sim_seed_options_default(&o);
    o.seed = seed;
    o.nodes = 6;
    o.faults = faults;
    o.liars = liars;
    sim_seed_run(&r, &o);
    if (!r.ok) fail_msg("seed %llu: %s", (unsigned long long)seed, r.wrong);
    return r.trace;
}

static void test_same_seed_same_trace(void **state)
{
    (void)state;
    assert_int_equal(run(1, SIM_ALL, SIM_ALL), run(1, SIM_ALL, SIM_ALL));
    assert_int_not_equal(run(1, SIM_ALL, SIM_ALL), run(2, SIM_ALL, SIM_ALL));
}

/* Goal: each fault can be had alone, does something, and is survived. */
static void test_each_fault_alone(void **state)
{
    (void)state;
    for (size_t f = 0; f < SIM_FAULTS_COUNT; f++) {
        struct sim_seed_options o;
        struct sim_seed_result r;
        sim_seed_options_default(&o);
        o.seed = 300 + f;
        o.nodes = 7;
        o.draw_faults = o.draw_liars = false;
        o.liars = 0;
        o.faults = UINT64_C(1) << f;
        sim_seed_run(&r, &o);
        if (!r.ok) fail_msg("%s: %s", SIM_FAULTS[f].name, r.wrong);
        assert_int_equal(r.faults, o.faults);
        assert_int_equal(r.liar_count, 0);
        uint64_t with = r.trace;
        o.faults = 0;
        sim_seed_run(&r, &o);
        assert_true(r.ok);
        assert_int_not_equal(r.trace, with);
    }
}

static void test_liars_stay_below_a_third(void **state)
{
    uint32_t most = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct sim_seed_options o;
        struct sim_seed_result r;
        sim_seed_options_default(&o);
        o.seed = seed;
        o.draw_faults = o.draw_liars = false;
        o.faults = 0;
        o.liars = 1;
        sim_seed_run(&r, &o);
        if (!r.ok) fail_msg("seed %llu: %s", (unsigned long long)seed, r.wrong);
        assert_true(r.liar_permille < 334);
        if (r.liar_permille > most) most = r.liar_permille;
    }
    assert_true(most > 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_admission_says_why),
        cmocka_unit_test(test_admission_checks_signatures),
        cmocka_unit_test(test_rotation_moves_the_seat),
        cmocka_unit_test(test_weights_reach_gossip),
        cmocka_unit_test(test_reorganisations_undo),
        cmocka_unit_test(test_outage_drops_nobody),
        cmocka_unit_test(test_blocks_are_seen_at_different_times),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_clocks_drift),
        cmocka_unit_test(test_a_connection_is_replaced),
        cmocka_unit_test(test_ring_and_bridge),
        cmocka_unit_test(test_rolled_back_node_returns),
        cmocka_unit_test(test_liars_change_nothing),
        cmocka_unit_test(test_same_seed_same_trace),
        cmocka_unit_test(test_each_fault_alone),
        cmocka_unit_test(test_liars_stay_below_a_third),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
