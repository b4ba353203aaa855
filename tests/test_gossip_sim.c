/* Stories of whole meshes in virtual time. A seed that once failed nftmesh-sim gets a test of its
 * own at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "sim.h"

static void assert_sound(struct sim *s)
{
    if (sim_failure(s) != NULL) fail_msg("%s", sim_failure(s));
}

static void assert_until(struct sim *s, bool (*is_so)(struct sim *), uint64_t ms)
{
    bool in_time = sim_until(s, is_so, ms);
    assert_sound(s);
    assert_true(in_time);
}

static struct sim *formed(uint64_t seed, uint32_t nodes, const struct sim_net *net)
{
    struct sim *s = sim_new(seed, nodes, net);
    sim_start_all(s);
    assert_until(s, sim_all_right, 30 * SEC);
    sim_run(s, 5 * SEC);
    assert_until(s, sim_all_right, 1);
    return s;
}

static uint32_t false_failures(struct sim *s, const bool *is_guilty)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        if (is_guilty == NULL || !is_guilty[i]) count += sim_failed_count(s, i);
    return count;
}

static bool everybody_holds(struct sim *s, uint32_t target, enum gossip_state state)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        if (i != target && sim_is_up(s, i) && sim_state(s, i, target) != state) return false;
    return true;
}

/* ---- formation ---- */

/* Goal: nodes that join one after the other through the first know each other at once.
 * Method: 10 ms between starts; LAN delays; count from the last start. */
static void test_meshes_form(void **state)
{
    static const uint32_t sizes[] = {2, 5, 20, 50};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sim *s = sim_new(1 + i, sizes[i], &SIM_LAN);
        sim_start_all(s);
        assert_until(s, sim_all_right, 2 * SEC);
        sim_run(s, 30 * SEC);
        assert_until(s, sim_all_right, 1);
        assert_int_equal(false_failures(s, NULL), 0);
        sim_free(s);
    }
}

static void test_all_start_at_once(void **state)
{
    (void)state;
    struct sim *s = sim_new(7, 30, &SIM_LAN);
    for (uint32_t i = 0; i < 30; i++)
        sim_start(s, i, i == 0 ? 0 : (i - 1) / 2);
    assert_until(s, sim_all_right, 10 * SEC);
    sim_free(s);
}

/* Goal: no join leaves a table short until some slow repair. Method: fifty seeds, none above 5 s.
 */
static void test_no_join_has_a_tail(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 150; seed++) {
        struct sim *s = sim_new(seed, 20, &SIM_LOSSY);
        sim_start_all(s);
        assert_until(s, sim_all_right, 5 * SEC);
        sim_free(s);
    }
}

static void test_late_joiner_learns_everybody(void **state)
{
    (void)state;
    struct sim *s = sim_new(3, 12, &SIM_LAN);
    for (uint32_t i = 0; i < 11; i++)
        sim_start(s, i, 0);
    assert_until(s, sim_all_right, 10 * SEC);
    sim_run(s, 60 * SEC);
    sim_leave(s, 4);
    sim_crash(s, 5, true);
    sim_run(s, 20 * SEC);
    sim_start(s, 11, 3);
    assert_until(s, sim_all_right, 2 * SEC);
    assert_int_equal(sim_state(s, 11, 4), GOSSIP_LEFT); /* the dead too, as what they are */
    assert_int_equal(sim_state(s, 11, 5), GOSSIP_FAILED);
    sim_free(s);
}

/* ---- death ---- */

/* Goal: a closed link is a strong hint; the death is known everywhere in about a second. */
static void test_death_by_close_is_noticed(void **state)
{
    static const uint32_t sizes[] = {5, 20, 50};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sim *s = formed(20 + i, sizes[i], &SIM_LAN);
        bool guilty[50] = {[1] = true};
        sim_crash(s, 1, true);
        assert_until(s, sim_all_right, 1500);
        assert_true(everybody_holds(s, 1, GOSSIP_FAILED));
        assert_int_equal(false_failures(s, guilty), 0);
        sim_free(s);
    }
}

/* Goal: a hung process, whose links stay open, is found by probes and ended by confirmations
 * rather than by the full suspicion time. */
static void test_silent_death_is_noticed(void **state)
{
    static const uint32_t sizes[] = {5, 20, 50};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (uint64_t seed = 0; seed < 10; seed++) {
            struct sim *s = formed(30 + 100 * i + seed, sizes[i], &SIM_LAN);
            bool guilty[50] = {[2] = true};
            sim_pause(s, 2);
            assert_until(s, sim_all_right, 6 * SEC);
            assert_int_equal(false_failures(s, guilty), 0);
            sim_free(s);
        }
    }
}

/* Goal: a host that vanishes without a packet. */
static void test_vanished_host_is_noticed(void **state)
{
    (void)state;
    struct sim *s = formed(41, 20, &SIM_LAN);
    sim_crash(s, 3, false);
    assert_until(s, sim_all_right, 6 * SEC);
    sim_free(s);
}

/* Goal: survivors of a mass death are not stuck: no third of the weight is left to confirm, and
 * each survivor's own failed probes end in `failed` all the same. */
static void test_survivor_of_four_in_five(void **state)
{
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        struct sim *s = formed(50, 5, &SIM_LAN);
        for (uint32_t i = 1; i < 5; i++)
            sim_crash(s, i, silent == 0);
        assert_until(s, sim_all_right, 30 * SEC);
        for (uint32_t i = 1; i < 5; i++)
            assert_int_equal(sim_state(s, 0, i), GOSSIP_FAILED);
        for (uint32_t i = 1; i < 5; i++)
            sim_restart(s, i, 0);
        assert_until(s, sim_all_right, 10 * SEC);
        sim_free(s);
    }
}

static void test_half_of_the_mesh_dies(void **state)
{
    (void)state;
    struct sim *s = formed(51, 30, &SIM_LAN);
    bool guilty[30] = {false};
    for (uint32_t i = 0; i < 30; i += 2) {
        guilty[i] = true;
        sim_crash(s, i, false);
    }
    assert_until(s, sim_all_right, 30 * SEC);
    assert_int_equal(false_failures(s, guilty), 0);
    sim_free(s);
}

/* ---- return ---- */

static bool all_others_buried_3(struct sim *s)
{
    return everybody_holds(s, 3, GOSSIP_FAILED);
}

/* Goal: a node that was only unreachable refutes its own death by raising its incarnation, and
 * everyone sees it alive again.
 * Method: five nodes; cut one off, let the others bury it, calm the network.
 * Faults may last as long as they like; recovery may not. */
static void test_isolated_node_refutes_its_death(void **state)
{
    (void)state;
    struct sim *s = formed(1, 5, &SIM_LOSSY);
    sim_isolate(s, 3);
    assert_until(s, all_others_buried_3, 60 * SEC);
    sim_calm(s);
    assert_until(s, sim_all_right, 10 * SEC);
    sim_run(s, 5 * SEC); /* who revived it by a session still has it refute to everybody */
    assert_true(sim_incarnation(s, 3) > sim_start_incarnation(s, 3));
    sim_free(s);
}

static void test_paused_node_refutes_its_death(void **state)
{
    (void)state;
    struct sim *s = formed(61, 20, &SIM_LAN);
    bool guilty[20] = {[3] = true};
    sim_pause(s, 3);
    assert_until(s, all_others_buried_3, 10 * SEC);
    sim_run(s, 5 * SEC);
    sim_resume(s, 3);
    assert_until(s, sim_all_right, 2 * SEC);
    assert_true(sim_incarnation(s, 3) > sim_start_incarnation(s, 3));
    sim_run(s, 10 * SEC);
    /* It did not run: that is nobody else's fault. */
    assert_int_equal(false_failures(s, guilty), 0);
    for (uint32_t i = 0; i < 20; i++)
        if (i != 3) assert_int_equal(sim_suspect_count(s, i), 0);
    sim_free(s);
}

/* Goal: healthy members are not accused while some pause, for 5 s or 15 s (G10). */
static void test_pauses_accuse_nobody_else(void **state)
{
    (void)state;
    for (uint32_t pause = 5; pause <= 15; pause += 10) {
        struct sim *s = formed(62, 20, &SIM_LAN);
        sim_pause(s, 4);
        sim_pause(s, 9);
        sim_run(s, (uint64_t)pause * SEC);
        sim_calm(s);
        assert_until(s, sim_all_right, 10 * SEC);
        sim_run(s, 20 * SEC);
        for (uint32_t i = 0; i < 20; i++)
            if (i != 4 && i != 9) assert_int_equal(sim_suspect_count(s, i), 0);
        sim_free(s);
    }
}

static void test_restart_returns(void **state)
{
    (void)state;
    struct sim *s = formed(63, 10, &SIM_LAN);
    sim_crash(s, 6, true);
    assert_until(s, sim_all_right, 2 * SEC);
    sim_run(s, 300 * SEC); /* lost for long: retried ever less often, but it comes by itself */
    sim_restart(s, 6, 2);
    assert_until(s, sim_all_right, 2 * SEC);
    sim_free(s);
}

static void test_quick_restart_is_no_death(void **state)
{
    (void)state;
    struct sim *s = formed(64, 10, &SIM_LAN);
    sim_restart(s, 6, 2);
    assert_until(s, sim_all_right, 2 * SEC);
    assert_int_equal(sim_failed_count(s, 6), 0);
    sim_free(s);
}

static void test_mass_restart(void **state)
{
    (void)state;
    struct sim *s = formed(65, 30, &SIM_LAN);
    for (uint32_t i = 0; i < 30; i++)
        sim_crash(s, i, true);
    sim_run(s, SEC);
    for (uint32_t i = 0; i < 30; i++)
        sim_start(s, i, (i + 1) % 30);
    assert_until(s, sim_all_right, 10 * SEC);
    sim_run(s, 20 * SEC);
    assert_until(s, sim_all_right, 1); /* and no fights about incarnations afterwards */
    sim_free(s);
}

static void test_partition_heals(void **state)
{
    (void)state;
    for (uint64_t minutes = 1; minutes <= 10; minutes += 9) {
        struct sim *s = formed(70, 20, &SIM_LAN);
        uint8_t group[20];
        for (uint32_t i = 0; i < 20; i++)
            group[i] = i % 2;
        sim_partition(s, group);
        sim_run(s, minutes * 60 * SEC);
        for (uint32_t i = 0; i < 20; i++)
            for (uint32_t j = 0; j < 20; j++)
                assert_int_equal(sim_state(s, i, j),
                                 group[i] == group[j] ? GOSSIP_ALIVE : GOSSIP_FAILED);
        sim_calm(s);
        assert_until(s, sim_all_right, 10 * SEC);
        sim_free(s);
    }
}

/* Goal: who cannot be reached directly is alive as long as somebody reaches it.
 * Method: 0 and 1 cannot talk to each other, the eight others can talk to both. */
static void test_indirect_probes_keep_alive(void **state)
{
    (void)state;
    struct sim *s = formed(71, 10, &SIM_LAN);
    sim_cut(s, 0, 1, true);
    sim_cut(s, 1, 0, true);
    sim_run(s, 120 * SEC);
    assert_sound(s);
    assert_int_equal(false_failures(s, NULL), 0);
    assert_int_equal(sim_state(s, 0, 1), GOSSIP_ALIVE);
    assert_int_equal(sim_state(s, 1, 0), GOSSIP_ALIVE);
    sim_free(s);
}

static void test_one_way_cut_is_survived(void **state)
{
    (void)state;
    struct sim *s = formed(72, 10, &SIM_LAN);
    for (uint32_t j = 1; j < 5; j++)
        sim_cut(s, 0, j, true);
    sim_run(s, 120 * SEC);
    assert_sound(s);
    assert_int_equal(false_failures(s, NULL), 0);
    sim_free(s);
}

/* Goal: no false failures at 10 % loss for ten minutes (G8). */
static void test_loss_fails_nobody(void **state)
{
    (void)state;
    struct sim *s = formed(73, 20, &SIM_LOSSY);
    sim_run(s, 600 * SEC);
    assert_sound(s);
    assert_int_equal(false_failures(s, NULL), 0);
    sim_free(s);
}

/* ---- leaving ---- */

static bool all_others_saw_4_leave(struct sim *s)
{
    return everybody_holds(s, 4, GOSSIP_LEFT);
}

static void test_leave_is_seen_and_is_no_failure(void **state)
{
    (void)state;
    struct sim *s = formed(80, 20, &SIM_LAN);
    sim_leave(s, 4);
    assert_until(s, all_others_saw_4_leave, 500);
    sim_run(s, 60 * SEC);
    assert_true(all_others_saw_4_leave(s));
    assert_int_equal(sim_failed_count(s, 4), 0);
    sim_restart(s, 4, 0);
    assert_until(s, sim_all_right, 2 * SEC);
    sim_free(s);
}

/* Goal: leave wins over fail. Method: 4 leaves while cut off from half of the mesh, which buries
 * it; when they meet again, they learn that it went on purpose. */
static void test_leave_wins_over_fail(void **state)
{
    (void)state;
    struct sim *s = formed(81, 10, &SIM_LAN);
    uint8_t group[10] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
    sim_partition(s, group);
    sim_leave(s, 4);
    sim_run(s, 60 * SEC);
    assert_int_equal(sim_state(s, 0, 4), GOSSIP_LEFT);
    assert_int_equal(sim_state(s, 7, 4), GOSSIP_FAILED);
    sim_calm(s);
    assert_until(s, all_others_saw_4_leave, 20 * SEC);
    sim_free(s);
}

/* ---- the chain ---- */

static bool seatless_2_is_gone(struct sim *s)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        if (i != 2 && sim_state(s, i, 2) != GOSSIP_NONE) return false;
    return true;
}

static void test_eviction(void **state)
{
    (void)state;
    struct sim *s = formed(90, 12, &SIM_LAN);
    sim_seat(s, 2, false);
    assert_until(s, seatless_2_is_gone, 4 * SEC); /* the snapshots' own lag is up to 3 s */
    sim_run(s, 60 * SEC);                         /* and gossip does not bring it back */
    assert_sound(s);
    assert_true(seatless_2_is_gone(s));
    sim_seat(s, 2, true); /* bought back */
    assert_until(s, sim_all_right, 30 * SEC);
    sim_free(s);
}

/* ---- lies ---- */

/* Goal: slander by less than a third of the weight changes nothing (B19).
 * Method: three of ten accuse and confirm without end and refuse to relay; everybody stays alive
 * in every honest table, and not even a suspicion is noted. */
static void test_slander_by_a_minority_changes_nothing(void **state)
{
    (void)state;
    struct sim *s = formed(100, 10, &SIM_LAN);
    for (uint32_t i = 0; i < 3; i++)
        sim_mute(s, i, true);
    for (int round = 0; round < 300; round++) {
        for (uint32_t liar = 0; liar < 3; liar++)
            sim_accuse(s, liar, 3 + (uint32_t)sim_random(s, 7),
                       round % 2 ? BASE_STATEMENT_ACCUSATION : BASE_STATEMENT_CONFIRMATION);
        sim_run(s, 100);
    }
    assert_sound(s);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(sim_failed_count(s, i), 0);
        assert_int_equal(sim_suspect_count(s, i), 0);
    }
    sim_free(s);
}

/* Goal: what a minority says does not shorten an honest suspicion either.
 * Method: 9 hangs; nobody but 0, 1, 2 (three of ten) accuses; an honest node's suspicion of it
 * then lasts the full time unless honest ones confirm. Here all honest ones but 3 are cut off. */
static void test_minority_does_not_shorten_a_suspicion(void **state)
{
    (void)state;
    struct sim *s = formed(101, 10, &SIM_LAN);
    uint8_t group[10] = {0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
    sim_partition(s, group); /* 3 sees but the liars, and loses 9 among others */
    uint64_t start = sim_now_ms(s);
    while (sim_state(s, 3, 9) != GOSSIP_FAILED && sim_now_ms(s) < start + 60 * SEC) {
        for (uint32_t liar = 0; liar < 3; liar++)
            sim_accuse(s, liar, 9, BASE_STATEMENT_CONFIRMATION);
        sim_run(s, 50);
        if (sim_state(s, 3, 9) == GOSSIP_ALIVE) start = sim_now_ms(s);
    }
    assert_sound(s);
    assert_int_equal(sim_state(s, 3, 9), GOSSIP_FAILED);
    assert_in_range(sim_now_ms(s) - start, 3900, 16500); /* not sooner; alone, up to four times */
    sim_free(s);
}

/* Goal: it is weight that confirms, not heads.
 * Method: four of ten lie, with one token each, and the six others have three each: four heads are
 * more than a third, their weight is less than a fifth. They confirm 9's death to 4, who has lost
 * it and everybody else; 4's suspicion lasts its full time. */
static void test_heads_do_not_count(void **state)
{
    (void)state;
    struct sim *s = formed(103, 10, &SIM_LAN);
    uint8_t group[10] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
    for (uint32_t i = 4; i < 10; i++)
        sim_weight(s, i, 3);
    sim_run(s, 2 * SEC);
    assert_until(s, sim_chain_is_settled, 20 * SEC);
    sim_partition(s, group);
    uint64_t start = sim_now_ms(s);
    while (sim_state(s, 4, 9) != GOSSIP_FAILED && sim_now_ms(s) < start + 60 * SEC) {
        for (uint32_t liar = 0; liar < 4; liar++)
            sim_accuse(s, liar, 9, BASE_STATEMENT_CONFIRMATION);
        sim_run(s, 50);
        if (sim_state(s, 4, 9) == GOSSIP_ALIVE) start = sim_now_ms(s);
    }
    assert_sound(s);
    assert_int_equal(sim_state(s, 4, 9), GOSSIP_FAILED);
    assert_in_range(sim_now_ms(s) - start, 3900, 16500); /* not sooner; alone, up to four times */
    sim_free(s);
}

/* ---- more members than links ---- */

static bool all_heard_few(struct sim *s)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        if (sim_is_up(s, i) && sim_event_count(s, i, "few") != 1) return false;
    return true;
}

/* Goal: without a full mesh, all of it still holds; links that probes need are dialled then. */
static void test_bounded_links(void **state)
{
    (void)state;
    struct sim *s = sim_new(102, 30, &SIM_LAN);
    sim_links_max(s, 4);
    sim_start_all(s);
    assert_until(s, sim_all_right, 10 * SEC);
    assert_int_equal(sim_event(s, 29, "few"), BASE_OK);
    assert_until(s, all_heard_few, 5 * SEC);
    sim_crash(s, 7, true);
    sim_crash(s, 8, false);
    assert_until(s, sim_all_right, 15 * SEC);
    bool guilty[30] = {[7] = true, [8] = true};
    sim_run(s, 60 * SEC);
    assert_sound(s);
    assert_int_equal(false_failures(s, guilty), 0);
    sim_free(s);
}

/* ---- user events ---- */

static bool all_heard_hello(struct sim *s)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++)
        if (sim_is_up(s, i) && sim_event_count(s, i, "hello") != 1) return false;
    return true;
}

static void test_event_once_to_each(void **state)
{
    (void)state;
    struct sim *s = formed(110, 50, &SIM_LAN);
    sim_run(s, 30 * SEC); /* every link is made */
    assert_int_equal(sim_event(s, 17, "hello"), BASE_OK);
    assert_until(s, all_heard_hello, 20);
    sim_run(s, 60 * SEC);
    assert_sound(s);
    assert_true(all_heard_hello(s));
    sim_free(s);
}

/* Goal: none missed in three hundred at 10 % loss, the worst within 2 s (G2). */
static void test_events_at_loss(void **state)
{
    (void)state;
    struct sim *s = formed(111, 20, &SIM_LOSSY);
    for (int n = 0; n < 300; n++) {
        char name[24];
        snprintf(name, sizeof name, "e%d", n);
        assert_int_equal(sim_event(s, (uint32_t)sim_random(s, 20), name), BASE_OK);
        sim_run(s, 2 * SEC);
        for (uint32_t i = 0; i < 20; i++)
            assert_int_equal(sim_event_count(s, i, name), 1);
    }
    assert_sound(s);
    sim_free(s);
}

/* Goal: digests repair what push could not deliver. Method: an event in one half of a partition
 * arrives in the other half after it has healed. */
static void test_event_survives_a_partition(void **state)
{
    (void)state;
    struct sim *s = formed(112, 10, &SIM_LAN);
    uint8_t group[10] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
    sim_partition(s, group);
    sim_run(s, 60 * SEC);
    assert_int_equal(sim_event(s, 1, "hello"), BASE_OK);
    sim_run(s, 60 * SEC);
    assert_int_equal(sim_event_count(s, 2, "hello"), 1);
    assert_int_equal(sim_event_count(s, 7, "hello"), 0);
    sim_calm(s);
    assert_until(s, all_heard_hello, 20 * SEC);
    sim_free(s);
}

static bool seat_2_is_everywhere(struct sim *s)
{
    return sim_has_seat(s, 2) && sim_all_right(s);
}

/* Goal: who is evicted and comes back brings no old news. Method: 2 says something, its seat is
 * sold and bought back; the others still offer each other what it said. */
static void test_evicted_and_back_is_heard_once(void **state)
{
    (void)state;
    struct sim *s = formed(114, 6, &SIM_LAN);
    assert_int_equal(sim_event(s, 2, "hello"), BASE_OK);
    sim_run(s, SEC);
    sim_seat(s, 2, false);
    sim_run(s, 2 * SEC);
    assert_until(s, seatless_2_is_gone, 4 * SEC);
    sim_seat(s, 2, true);
    assert_until(s, seat_2_is_everywhere, 30 * SEC);
    sim_run(s, 60 * SEC);
    assert_sound(s); /* nothing was delivered twice */
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(sim_event_count(s, i, "hello"), 1);
    sim_free(s);
}

/* The next record of node i, told to one peer of its only. */
static void tell_record(struct sim *s, uint32_t i, uint32_t to, uint64_t sequence)
{
    static struct gossip_frame frame = {.type = GOSSIP_FRAME_UPDATE};
    struct gossip_signed_record record;
    struct gossip_member_view view;
    struct gossip_item *item = &frame.u.news.items[0];
    sim_record_of(&record, i, sim_incarnation(s, i), sequence);
    assert_int_equal(gossip_member_find(&view, sim_core(s, to), sim_key(s, i)), BASE_OK);
    *item = (struct gossip_item){.kind = BASE_STATEMENT_RECORD,
                                 .body = {record.body, record.body_len},
                                 .sig = record.sig,
                                 .proof = view.proof};
    frame.u.news.reach = 1;
    frame.u.news.item_count = 1;
    assert_true(sim_inject(s, i, to, &frame));
}

/* Goal: what an evicted member had said is remembered however much is refused meanwhile.
 * Method: 2 says something; its seat is sold, and 5's, which goes on with one record after the
 * other. 4 has not heard of the sales and passes everything on. Then 2 is bought back, and 4 still
 * offers what it had said. */
static void test_refusals_do_not_erase_memory(void **state)
{
    (void)state;
    struct sim *s = formed(115, 6, &SIM_LAN);
    assert_int_equal(sim_event(s, 2, "hello"), BASE_OK);
    sim_run(s, 100);
    sim_outage(s, 4, true);
    sim_seat(s, 2, false);
    sim_seat(s, 5, false);
    sim_run(s, 5 * SEC);
    assert_int_equal(sim_state(s, 0, 2), GOSSIP_NONE);
    for (uint64_t sequence = 100; sequence < 500; sequence++) {
        tell_record(s, 5, 4, sequence);
        sim_run(s, 20);
    }
    sim_seat(s, 2, true);
    sim_run(s, 20 * SEC);
    assert_sound(s); /* nothing was delivered twice */
    assert_int_equal(sim_state(s, 0, 2), GOSSIP_ALIVE);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(sim_event_count(s, i, "hello"), 1);
    sim_free(s);
}

/* Goal: nobody's events are silenced by what another says of them.
 * Method: 1 tells 3 of events of 0 that are older than 3's process, and far ahead of all that 0 has
 * ever sent; then 0 sends its first. */
static void test_ids_of_a_liar_silence_nobody(void **state)
{
    (void)state;
    struct sim *s = formed(116, 5, &SIM_LAN);
    static struct gossip_frame ping = {.type = GOSSIP_FRAME_PING};
    ping.u.ping.nonce = 1;
    ping.u.ping.id_count = 2;
    for (uint32_t id = 0; id < 2; id++)
        ping.u.ping.ids[id] = (struct gossip_event_id){
            *sim_key(s, 0), sim_start_incarnation(s, 0) + id, 1000, UINT32_MAX};
    assert_true(sim_inject(s, 1, 3, &ping));
    sim_run(s, 100);
    assert_int_equal(sim_event(s, 0, "hello"), BASE_OK);
    assert_until(s, all_heard_hello, 5 * SEC);
    sim_free(s);
}

/* Goal: events from before a process started are not its news. */
static void test_restarted_node_gets_no_old_events(void **state)
{
    (void)state;
    struct sim *s = formed(113, 10, &SIM_LAN);
    assert_int_equal(sim_event(s, 1, "hello"), BASE_OK);
    sim_run(s, 2 * SEC);
    sim_restart(s, 5, 0);
    sim_run(s, 30 * SEC);
    assert_sound(s);
    assert_int_equal(sim_event_count(s, 5, "hello"), 0);
    sim_free(s);
}

/* ---- tags ---- */

static bool all_see_the_tag(struct sim *s)
{
    for (uint32_t i = 0; i < sim_node_count(s); i++) {
        struct gossip_member_view view;
        struct gossip_record r;
        if (gossip_member_find(&view, sim_core(s, i), sim_key(s, 2)) != BASE_OK) return false;
        if (gossip_record_decode(&r, view.record.data, view.record.len) != BASE_OK) return false;
        if (r.tag_count != 1 || r.tags[0].value.len != 6 ||
            memcmp(r.tags[0].value.data, "leader", 6) != 0)
            return false;
    }
    return true;
}

static void test_tags_travel(void **state)
{
    (void)state;
    struct sim *s = formed(120, 20, &SIM_LAN);
    sim_tag(s, 2, "leader");
    assert_until(s, all_see_the_tag, 100);
    assert_int_equal(sim_incarnation(s, 2), sim_start_incarnation(s, 2));
    sim_free(s);
}

/* ---- hostile bytes over a real link ---- */

/* Goal: a malformed frame closes its link and moves nobody. */
static void test_malformed_frame_closes_the_link(void **state)
{
    (void)state;
    struct sim *s = formed(130, 5, &SIM_LAN);
    static const uint8_t junk[] = {0x81, 0x00, 0xc0};
    assert_true(sim_inject_bytes(s, 0, 1, GOSSIP_FRAME_PING, junk, sizeof junk));
    sim_run(s, 10);
    struct gossip_counters counters;
    gossip_counters(&counters, sim_core(s, 1));
    assert_int_equal(counters.frames_malformed, 1);
    assert_until(s, sim_all_right, 5 * SEC);
    assert_int_equal(false_failures(s, NULL), 0);
    sim_free(s);
}

/* ---- the simulator itself ---- */

static void test_same_seed_same_trace(void **state)
{
    uint64_t trace[3];
    (void)state;
    for (int run = 0; run < 3; run++) {
        struct sim *s = formed(run < 2 ? 140 : 141, 8, &SIM_LOSSY);
        sim_crash(s, 2, true);
        sim_run(s, 10 * SEC);
        trace[run] = sim_trace(s);
        sim_free(s);
    }
    assert_int_equal(trace[0], trace[1]);
    assert_int_not_equal(trace[0], trace[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meshes_form),
        cmocka_unit_test(test_all_start_at_once),
        cmocka_unit_test(test_no_join_has_a_tail),
        cmocka_unit_test(test_late_joiner_learns_everybody),
        cmocka_unit_test(test_death_by_close_is_noticed),
        cmocka_unit_test(test_silent_death_is_noticed),
        cmocka_unit_test(test_vanished_host_is_noticed),
        cmocka_unit_test(test_survivor_of_four_in_five),
        cmocka_unit_test(test_half_of_the_mesh_dies),
        cmocka_unit_test(test_isolated_node_refutes_its_death),
        cmocka_unit_test(test_paused_node_refutes_its_death),
        cmocka_unit_test(test_pauses_accuse_nobody_else),
        cmocka_unit_test(test_restart_returns),
        cmocka_unit_test(test_quick_restart_is_no_death),
        cmocka_unit_test(test_mass_restart),
        cmocka_unit_test(test_partition_heals),
        cmocka_unit_test(test_indirect_probes_keep_alive),
        cmocka_unit_test(test_one_way_cut_is_survived),
        cmocka_unit_test(test_loss_fails_nobody),
        cmocka_unit_test(test_leave_is_seen_and_is_no_failure),
        cmocka_unit_test(test_leave_wins_over_fail),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_slander_by_a_minority_changes_nothing),
        cmocka_unit_test(test_minority_does_not_shorten_a_suspicion),
        cmocka_unit_test(test_heads_do_not_count),
        cmocka_unit_test(test_bounded_links),
        cmocka_unit_test(test_event_once_to_each),
        cmocka_unit_test(test_events_at_loss),
        cmocka_unit_test(test_event_survives_a_partition),
        cmocka_unit_test(test_evicted_and_back_is_heard_once),
        cmocka_unit_test(test_refusals_do_not_erase_memory),
        cmocka_unit_test(test_ids_of_a_liar_silence_nobody),
        cmocka_unit_test(test_restarted_node_gets_no_old_events),
        cmocka_unit_test(test_tags_travel),
        cmocka_unit_test(test_malformed_frame_closes_the_link),
        cmocka_unit_test(test_same_seed_same_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
