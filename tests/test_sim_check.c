/* The simulator's checkers: for each of them a history in which it must speak up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim_internal.h"

static struct sim *formed(uint64_t seed, uint32_t nodes)
{
    struct sim *s = sim_new(seed, nodes, &SIM_LAN);
    sim_start_all(s);
    assert_true(sim_until(s, sim_all_right, 30 * SEC));
    sim_run(s, 5 * SEC);
    if (sim_failure(s) != NULL) fail_msg("%s", sim_failure(s));
    return s;
}

static void assert_speaks(struct sim *s, const char *what)
{
    if (sim_failure(s) == NULL) fail_msg("nobody noticed; `%s` expected", what);
    if (strstr(sim_failure(s), what) == NULL) fail_msg("`%s`, not `%s`", sim_failure(s), what);
    sim_free(s);
}

/* Node 0 of a sound mesh is said to have done this. */
static void check_actions(struct sim *s, const struct gossip_action *act, size_t count)
{
    struct gossip_event ev = {.type = GOSSIP_EV_TIMER};
    struct gossip_actions out = {act, count};
    assert_null(sim_failure(s));
    sim__check_step(s, 0, &ev, BASE_OK, &out);
}

static struct gossip_action state_of(struct sim *s, uint32_t j, enum gossip_state from,
                                     enum gossip_state to)
{
    struct gossip_action act = {.type = GOSSIP_ACT_STATE, .key = *sim_key(s, j)};
    act.u.state.from = from;
    act.u.state.to = to;
    act.u.state.reason = GOSSIP_WHY_TIMEOUT;
    return act;
}

static void test_sound_history_is_silent(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    check_actions(s, NULL, 0);
    assert_null(sim_failure(s));
    sim_free(s);
}

static void test_checker_incarnation_of_another(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    s->nodes[0].seen[1].incarnation++;
    check_actions(s, NULL, 0);
    assert_speaks(s, "incarnation of node 1 went back");
}

static void test_checker_own_incarnation(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action act = {.type = GOSSIP_ACT_SELF};
    (void)state;
    act.u.self.incarnation = sim_incarnation(s, 0) - 1;
    check_actions(s, &act, 1);
    assert_speaks(s, "its own incarnation went back");
}

static void test_checker_listed_without_seat(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action act = state_of(s, 1, GOSSIP_ALIVE, GOSSIP_SUSPECT);
    (void)state;
    s->nodes[0].view[1] = false;
    check_actions(s, &act, 1);
    assert_speaks(s, "lists node 1, which has no seat");
}

static void test_checker_stays_without_seat(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    s->nodes[0].view[1] = false;
    check_actions(s, NULL, 0);
    assert_speaks(s, "lists node 1 without seat");
}

static void test_checker_stranger(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action act = state_of(s, 1, GOSSIP_NONE, GOSSIP_ALIVE);
    (void)state;
    act.key = sim_key_of(99);
    check_actions(s, &act, 1);
    assert_speaks(s, "a stranger in its table");
}

static void test_checker_state_that_was_not(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action act = state_of(s, 1, GOSSIP_FAILED, GOSSIP_ALIVE);
    (void)state;
    check_actions(s, &act, 1);
    assert_speaks(s, "STATE of node 1 from failed, but it was alive");
}

static void test_checker_table_without_state(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    s->nodes[0].seen[2].state = GOSSIP_FAILED;
    check_actions(s, NULL, 0);
    assert_speaks(s, "its table and what it said of node 2 differ");
}

static void test_checker_member_count(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    s->nodes[0].seen_count++;
    check_actions(s, NULL, 0);
    assert_speaks(s, "4 members, but STATE said 5");
}

static void test_checker_own_record(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    s->nodes[0].key.bytes[32] ^= 1;
    check_actions(s, NULL, 0);
    assert_speaks(s, "has lost its own record");
}

static void test_checker_who_it_is(void **state)
{
    struct sim *s = formed(1, 2);
    struct gossip *own = s->nodes[0].core;
    (void)state;
    s->nodes[0].core = s->nodes[1].core;
    check_actions(s, NULL, 0);
    s->nodes[0].core = own;
    assert_speaks(s, "for itself");
}

static void test_checker_links(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    sim__end_of(s, 0, 2)->is_up = false;
    check_actions(s, NULL, 0);
    assert_speaks(s, "link with node 2");
}

static void test_checker_buried_while_healthy(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action act = state_of(s, 1, GOSSIP_ALIVE, GOSSIP_FAILED);
    (void)state;
    sim_quiet(s, true);
    check_actions(s, &act, 1);
    assert_speaks(s, "buries node 1, which is healthy");
}

/* In the same story nobody is blamed for a death that was one. */
static void test_checker_buried_when_dead(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    sim_quiet(s, true);
    sim_crash(s, 1, true);
    sim_run(s, 20 * SEC);
    assert_int_equal(sim_state(s, 0, 1), GOSSIP_FAILED);
    assert_null(sim_failure(s));
    sim_free(s);
}

static void test_checker_dead_for_long(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip *core = s->nodes[1].core;
    (void)state;
    sim_run(s, SIM_DEAD_MS);
    s->nodes[1].core = NULL;
    s->nodes[1].down_ms = 1;
    check_actions(s, NULL, 0);
    s->nodes[1].core = core;
    assert_speaks(s, "node 1 is dead for long and still listed as alive");
}

static void test_checker_event_twice(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action act = {.type = GOSSIP_ACT_EVENT, .key = *sim_key(s, 1)};
    (void)state;
    act.u.event.name = sim__slice("once");
    act.u.event.epoch = 5;
    act.u.event.sequence = 1;
    check_actions(s, &act, 1);
    check_actions(s, &act, 1);
    assert_speaks(s, "an event delivered twice");
}

static struct gossip_action send_of(struct sim *s, uint32_t to, uint8_t type, const char *body,
                                    size_t len)
{
    struct gossip_action act = {.type = GOSSIP_ACT_SEND, .key = *sim_key(s, to)};
    act.u.send.type = type;
    act.u.send.body = (struct base_slice){(const uint8_t *)body, len};
    return act;
}

static void test_checker_frame_format(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action act = send_of(s, 1, GOSSIP_FRAME_PING, "\xc0", 1);
    (void)state;
    check_actions(s, &act, 1);
    assert_speaks(s, "that does not decode");
}

static void test_checker_frame_size(void **state)
{
    static char huge[GOSSIP_FRAME_BYTES_MAX + 1];
    struct sim *s = formed(1, 4);
    struct gossip_action act = send_of(s, 1, GOSSIP_FRAME_PING, huge, sizeof huge);
    (void)state;
    check_actions(s, &act, 1);
    assert_speaks(s, "frame of type 16, 16385 bytes");
}

static void test_checker_frame_without_link(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action act = send_of(s, 0, GOSSIP_FRAME_PING, "\x80", 1);
    (void)state;
    check_actions(s, &act, 1);
    assert_speaks(s, "sends to somebody without a link");
}

/* A frame that is right in everything but in how often it is sent. */
static void test_checker_load(void **state)
{
    struct sim *s = formed(1, 4);
    static struct gossip_frame nack = {.type = GOSSIP_FRAME_NACK};
    static struct gossip_action act[1000];
    uint8_t body[GOSSIP_FRAME_BYTES_MAX];
    size_t len;
    (void)state;
    nack.u.relay.key = *sim_key(s, 2);
    assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &nack), BASE_OK);
    for (size_t a = 0; a < sizeof act / sizeof act[0]; a++)
        act[a] = send_of(s, 1, GOSSIP_FRAME_NACK, (const char *)body, len);
    check_actions(s, act, 100);
    assert_null(sim_failure(s));
    check_actions(s, act, sizeof act / sizeof act[0]);
    assert_speaks(s, "bytes in one second");
}

static void test_checker_queue(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    sim__way(s, 0, 1)->waiting_count = SIM_QUEUE_MAX + 2;
    sim__check_way(s, 0, 1);
    assert_null(sim_failure(s));
    sim__way(s, 0, 1)->waiting_count++;
    sim__check_way(s, 0, 1);
    assert_speaks(s, "frames wait for node 1");
}

static void test_checker_too_many_actions(void **state)
{
    struct sim *s = formed(1, 4);
    struct gossip_action *act = calloc(GOSSIP_ACTIONS_MAX + 1, sizeof *act);
    (void)state;
    assert_non_null(act);
    check_actions(s, act, GOSSIP_ACTIONS_MAX + 1);
    free(act);
    assert_speaks(s, "4097 actions");
}

static void test_checker_timer_spins(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    s->nodes[0].spin_ms = s->nodes[0].timer_ms;
    s->nodes[0].spins = 1000000;
    sim_run(s, 5 * SEC);
    assert_speaks(s, "its timer spins");
}

/* What has been found first is kept: it names the cause, what follows are its effects. */
static void test_checker_first_finding_stays(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    sim__fail(s, "first");
    sim__fail(s, "second");
    sim_run(s, SEC);
    assert_speaks(s, "first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_history_is_silent),
        cmocka_unit_test(test_checker_incarnation_of_another),
        cmocka_unit_test(test_checker_own_incarnation),
        cmocka_unit_test(test_checker_listed_without_seat),
        cmocka_unit_test(test_checker_stays_without_seat),
        cmocka_unit_test(test_checker_stranger),
        cmocka_unit_test(test_checker_state_that_was_not),
        cmocka_unit_test(test_checker_table_without_state),
        cmocka_unit_test(test_checker_member_count),
        cmocka_unit_test(test_checker_own_record),
        cmocka_unit_test(test_checker_who_it_is),
        cmocka_unit_test(test_checker_links),
        cmocka_unit_test(test_checker_buried_while_healthy),
        cmocka_unit_test(test_checker_buried_when_dead),
        cmocka_unit_test(test_checker_dead_for_long),
        cmocka_unit_test(test_checker_event_twice),
        cmocka_unit_test(test_checker_frame_format),
        cmocka_unit_test(test_checker_frame_size),
        cmocka_unit_test(test_checker_frame_without_link),
        cmocka_unit_test(test_checker_load),
        cmocka_unit_test(test_checker_queue),
        cmocka_unit_test(test_checker_too_many_actions),
        cmocka_unit_test(test_checker_timer_spins),
        cmocka_unit_test(test_checker_first_finding_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
