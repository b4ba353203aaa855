/* One core and its peers played by the test: each rule of the table, and each refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "gossip_rig.h"

/* ---- ourselves ---- */

static void test_own_up_comes_first(void **state)
{
    (void)state;
    assert_int_equal(gossip_deadline_ms(rig.g), rig.now);
    peer_up(1); /* whatever the first event is */
    assert_int_equal(rig.out.items[0].type, GOSSIP_ACT_STATE);
    assert_true(base_key33_equal(&rig.out.items[0].key, &rig.key[0]));
    assert_int_equal(rig.out.items[0].u.state.from, GOSSIP_NONE);
    assert_int_equal(rig.out.items[0].u.state.to, GOSSIP_ALIVE);
    assert_int_equal(rig.out.items[0].u.state.reason, GOSSIP_WHY_SELF);
    assert_int_equal(find(GOSSIP_ACT_SELF, 0)->u.self.incarnation, 5);
    assert_int_equal(gossip_member_count(rig.g), 2);
}

static void test_configurations_are_checked(void **state)
{
    struct gossip_config cfg;
    struct gossip_crypto crypto = sim_crypto(0);
    struct gossip *g = NULL;
    (void)state;
    sim_config_of(&cfg, 0, 5);
    cfg.members_max = GOSSIP_MEMBERS_MAX + 1;
    assert_int_equal(gossip_new(&g, &cfg, &crypto, 0), BASE_EINVAL);
    sim_config_of(&cfg, 0, 5);
    cfg.self.name = slice("");
    assert_int_equal(gossip_new(&g, &cfg, &crypto, 0), BASE_EINVAL);
    sim_config_of(&cfg, 0, 0); /* nothing is above it when it leaves */
    assert_int_equal(gossip_new(&g, &cfg, &crypto, 0), BASE_EINVAL);
    sim_config_of(&cfg, 0, UINT64_MAX);
    assert_int_equal(gossip_new(&g, &cfg, &crypto, 0), BASE_EINVAL);
    sim_config_of(&cfg, 0, 5);
    cfg.proof.len = GOSSIP_PROOF_BYTES_MAX + 1;
    assert_int_equal(gossip_new(&g, &cfg, &crypto, 0), BASE_EINVAL);
    assert_null(g);
}

static void test_update_grows_the_sequence(void **state)
{
    struct gossip_event ev = {.type = GOSSIP_EV_UPDATE};
    struct gossip_signed_record record;
    struct gossip_record r;
    (void)state;
    mesh(2);
    ev.u.update = (struct gossip_record){.name = slice("new")};
    assert_int_equal(feed(ev), BASE_OK);
    assert_non_null(find(GOSSIP_ACT_SELF, 0));
    assert_true(was_sent(1, GOSSIP_FRAME_UPDATE) && was_sent(2, GOSSIP_FRAME_UPDATE));
    gossip_self_record(&record, rig.g);
    assert_int_equal(gossip_record_decode(&r, record.body, record.body_len), BASE_OK);
    assert_int_equal(r.sequence, 1);
    assert_int_equal(r.incarnation, 5);
    assert_true(base_key33_equal(&r.node_key, &rig.key[0]));
    assert_int_equal(r.instance.bytes[3], 0);
    ev.u.update.name = slice("a\nb");
    assert_int_equal(feed(ev), BASE_EINVAL);
    assert_int_equal(rig.out.count, 0);
}

static void test_accused_self_refutes(void **state)
{
    (void)state;
    mesh(3);
    tell_accusation(1, 0, 5);
    assert_int_equal(gossip_deadline_ms(rig.g), rig.now);
    timer();
    assert_int_equal(find(GOSSIP_ACT_SELF, 0)->u.self.incarnation, 6);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_true(was_sent(i, GOSSIP_FRAME_UPDATE));
        assert_int_equal(sent.u.news.items[0].kind, BASE_STATEMENT_RECORD);
    }
    assert_int_equal(incarnation_of(0), 6);
    tell_accusation(2, 0, 6); /* at once again: answered, but not at once */
    timer();
    assert_int_equal(incarnation_of(0), 6);
    tell_accusation(3, 0, 6); /* the answer is on its way: not even its signature is looked at */
    assert_int_equal(counters().statements_duplicate, 1);
    pass(GOSSIP__REFUTE_GAP_MS);
    assert_int_equal(incarnation_of(0), 7);
}

static void test_wrong_accusations_of_self_do_nothing(void **state)
{
    struct lie forged = {2, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_ACCUSATION};
    struct lie other_kind = {1, BASE_STATEMENT_CONFIRMATION, BASE_STATEMENT_ACCUSATION};
    (void)state;
    mesh(2);
    tell_accusation(1, 0, 4); /* past */
    tell_accusation(1, 0, 6); /* future */
    assert_int_equal(counters().statements_stale, 2);
    tell_accusation_as(1, 1, 0, 5, &forged);
    tell_accusation_as(1, 1, 0, 5, &other_kind);
    assert_int_equal(counters().statements_forged, 2);
    assert_int_equal(find(GOSSIP_ACT_NOTE, 1)->u.note.note, GOSSIP_NOTE_FORGED);
    tell_accusation_as(
        1, 9, 0, 5,
        &(struct lie){9, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_ACCUSATION}); /* no member */
    assert_int_equal(counters().statements_non_member, 1);
    pass(5);
    assert_int_equal(incarnation_of(0), 5);
}

/* A record of ours that is ahead of what we know: the disk was rolled back, or there is a copy. */
static void test_own_record_from_the_future(void **state)
{
    struct gossip_signed_record record;
    (void)state;
    mesh(1);
    tell_record(1, 0, 4, 9); /* of an earlier life: ordinary */
    assert_int_equal(incarnation_of(0), 5);
    sim_record_of(&record, 0, 40, 0);
    record.sig.bytes[0] ^= 1;
    assert_int_equal(feed_record(1, &record, "proof"), BASE_OK);
    assert_int_equal(incarnation_of(0), 5); /* a peer's unsigned claim is ignored */
    tell_record(1, 0, 40, 0);
    assert_int_equal(incarnation_of(0), 41);
    assert_int_equal(find(GOSSIP_ACT_NOTE, 0)->u.note.note, GOSSIP_NOTE_ROLLED_BACK);
    assert_int_equal(find(GOSSIP_ACT_SELF, 0)->u.self.incarnation, 41);
    tell_leave(1, 0, 60, 0, BASE_STATEMENT_LEAVE); /* and a leave of ours */
    assert_int_equal(incarnation_of(0), 61);
    assert_int_equal(state_of(0), GOSSIP_ALIVE);
}

static void test_leave(void **state)
{
    struct gossip_signed_record record;
    struct gossip_event ev = {.type = GOSSIP_EV_LEAVE};
    (void)state;
    mesh(2);
    assert_int_equal(feed(ev), BASE_OK);
    assert_int_equal(find(GOSSIP_ACT_STATE, 0)->u.state.to, GOSSIP_LEFT);
    assert_true(was_sent(1, GOSSIP_FRAME_UPDATE) && was_sent(2, GOSSIP_FRAME_UPDATE));
    assert_int_equal(sent.u.news.items[0].kind, BASE_STATEMENT_LEAVE);
    assert_int_equal(count(GOSSIP_ACT_LEFT), 0); /* it must get out first */
    assert_int_equal(gossip_deadline_ms(rig.g), rig.now + 500);
    rig.now += 500;
    timer();
    assert_int_equal(count(GOSSIP_ACT_LEFT), 1);
    assert_int_equal(gossip_deadline_ms(rig.g), UINT64_MAX);
    sim_record_of(&record, 3, 1, 0);
    assert_int_equal(feed(up_event(3, &record)), BASE_ESTATE);
    ev.type = GOSSIP_EV_USER_EVENT;
    ev.u.user_event.name = slice("late");
    assert_int_equal(feed(ev), BASE_ESTATE);
    tell_accusation(1, 0, 5); /* nothing to defend any more */
    assert_int_equal(incarnation_of(0), 5);
}

static void test_leave_alone_is_at_once(void **state)
{
    (void)state;
    timer();
    feed((struct gossip_event){.type = GOSSIP_EV_LEAVE});
    timer();
    assert_int_equal(count(GOSSIP_ACT_LEFT), 1);
}

/* ---- sessions ---- */

static void test_peer_up_checks(void **state)
{
    struct gossip_signed_record record;
    struct gossip_event ev;
    (void)state;
    timer();
    sim_record_of(&record, 1, 1, 0);
    ev = up_event(2, &record); /* another's record */
    assert_int_equal(feed(ev), BASE_EMALFORMED);
    ev = up_event(1, &record);
    ev.u.peer_up.record.len--;
    assert_int_equal(feed(ev), BASE_EMALFORMED);
    ev = up_event(1, &record);
    ev.u.peer_up.sig.bytes[5] ^= 1;
    assert_int_equal(feed(ev), BASE_ESIG);
    ev = up_event(1, &record);
    ev.u.peer_up.proof.len = GOSSIP_PROOF_BYTES_MAX + 1;
    assert_int_equal(feed(ev), BASE_ETOOBIG);
    sim_record_of(&record, 0, 1, 0);
    assert_int_equal(feed(up_event(0, &record)), BASE_ESTATE);
    assert_int_equal(gossip_member_count(rig.g), 1);
}

static void test_full_table(void **state)
{
    struct gossip_signed_record record;
    (void)state;
    gossip_free(rig.g);
    rig_new(4);
    mesh(3);
    sim_record_of(&record, 4, 1, 0);
    assert_int_equal(feed(up_event(4, &record)), BASE_EFULL);
    assert_int_equal(find(GOSSIP_ACT_NOTE, 4)->u.note.note, GOSSIP_NOTE_TABLE_FULL);
    assert_int_equal(counters().table_full, 1);
    tell_leave(1, 2, 1, 2, BASE_STATEMENT_LEAVE); /* still linked: stays */
    assert_int_equal(feed(up_event(4, &record)), BASE_EFULL);
    assert_int_equal(peer_down(2), BASE_OK);
    assert_int_equal(feed(up_event(4, &record)), BASE_OK); /* who left makes room */
    assert_int_equal(state_of(2), GOSSIP_NONE);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.to, GOSSIP_NONE);
}

static void test_only_linked_peers_speak(void **state)
{
    struct gossip_event ev = {.type = GOSSIP_EV_FRAME};
    (void)state;
    mesh(1);
    frame.type = GOSSIP_FRAME_NACK;
    frame.u.relay.key = rig.key[1];
    frame.u.relay.nonce = 1;
    assert_int_equal(feed_frame(2, &frame), BASE_ENOPEER);
    assert_int_equal(peer_down(1), BASE_OK);
    assert_int_equal(feed_frame(1, &frame), BASE_ENOPEER);
    assert_int_equal(peer_down(1), BASE_ENOPEER);
    assert_int_equal(dial_failed(2), BASE_ENOPEER);
    ev.key = rig.key[0];
    assert_int_equal(feed(ev), BASE_ENOPEER);
}

static void test_unknown_and_malformed_frames(void **state)
{
    struct gossip_event ev = {.type = GOSSIP_EV_FRAME};
    (void)state;
    mesh(2);
    ev.key = rig.key[1];
    ev.u.frame.type = 0x1f;
    assert_int_equal(feed(ev), BASE_OK);
    assert_int_equal(counters().frames_unknown, 1);
    ev.u.frame.type = GOSSIP_FRAME_PING;
    assert_int_equal(feed(ev), BASE_EMALFORMED);
    assert_int_equal(rig.out.count, 0);
    assert_int_equal(counters().frames_malformed, 1);
}

/* A good statement before a bad one in one frame: neither counts. */
static void test_malformed_statement_changes_nothing(void **state)
{
    struct gossip_signed_record record;
    (void)state;
    mesh(2);
    sim_record_of(&record, 2, 9, 0);
    frame.type = GOSSIP_FRAME_UPDATE;
    frame.u.news.reach = 0;
    frame.u.news.repair = false;
    frame.u.news.item_count = 2;
    frame.u.news.items[0] = (struct gossip_item){.kind = BASE_STATEMENT_RECORD,
                                                 .body = {record.body, record.body_len},
                                                 .sig = record.sig,
                                                 .proof = slice("proof")};
    frame.u.news.items[1] =
        (struct gossip_item){.kind = BASE_STATEMENT_LEAVE, .body = slice("junk")};
    assert_int_equal(feed_frame(1, &frame), BASE_EMALFORMED);
    assert_int_equal(incarnation_of(2), 1);
    assert_int_equal(rig.out.count, 0);
}

/* ---- records from gossip ---- */

static void test_learned_member_waits_for_a_verdict(void **state)
{
    (void)state;
    mesh(1);
    tell_record(1, 2, 3, 0);
    const struct gossip_action *act = find(GOSSIP_ACT_JUDGE, 2);
    assert_non_null(act);
    assert_int_equal(act->u.judge.proof.len, 5);
    assert_int_equal(state_of(2), GOSSIP_NONE);
    tell_record(1, 2, 3, 0); /* asked once */
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    assert_int_equal(verdict(2, GOSSIP_OK, 7), BASE_OK);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.to, GOSSIP_ALIVE);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.reason, GOSSIP_WHY_LEARNED);
    struct gossip_member_view view;
    assert_int_equal(gossip_member_find(&view, rig.g, &rig.key[2]), BASE_OK);
    assert_int_equal(view.weight, 7);
    pass(1500);
    assert_true(counters().probes > 0);
}

static void test_full_mesh_wants_a_link(void **state)
{
    (void)state;
    mesh(1);
    bool dialed[8] = {false};
    for (uint32_t i = 2; i < 8; i++) {
        tell_record(1, i, 1, 0);
        verdict(i, GOSSIP_OK, 1);
    }
    uint64_t start = rig.now;
    while (rig.now < start + 1100) {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        for (uint32_t i = 2; i < 8; i++) {
            if (find(GOSSIP_ACT_WANT_LINK, i) == NULL || dialed[i]) continue;
            dialed[i] = true;
            /* The lower key dials at once, the higher one lets it. */
            bool is_lower = base_key33_compare(&rig.key[0], &rig.key[i]) < 0;
            if (is_lower) assert_true(rig.now == start);
        }
    }
    for (uint32_t i = 2; i < 8; i++)
        assert_true(dialed[i]);
}

static void test_forged_record_is_not_judged(void **state)
{
    struct gossip_signed_record record;
    (void)state;
    mesh(1);
    sim_record_of(&record, 2, 3, 0);
    sim_sign(1, BASE_STATEMENT_RECORD, record.body, record.body_len, &record.sig);
    assert_int_equal(feed_record(1, &record, "proof"), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    assert_int_equal(counters().statements_forged, 1);
    sim_sign(2, BASE_STATEMENT_EVENT, record.body, record.body_len, &record.sig); /* other kind */
    assert_int_equal(feed_record(1, &record, "proof"), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    assert_int_equal(counters().statements_forged, 2);
}

static void test_unknown_waits_two_snapshots(void **state)
{
    (void)state;
    mesh(1);
    tell_record(1, 2, 3, 0);
    verdict(2, GOSSIP_UNKNOWN, 0);
    for (int move = 0; move < 2; move++) {
        tell_record(1, 2, 3, 0);
        assert_int_equal(count(GOSSIP_ACT_JUDGE), 0); /* nothing new in it */
        snapshot_moved();
        assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
        verdict(2, GOSSIP_UNKNOWN, 0);
    }
    snapshot_moved();
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    tell_record(1, 2, 3, 0); /* forgotten: asked anew */
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
    verdict(2, GOSSIP_UNKNOWN, 0);
    snapshot_moved();
    verdict(2, GOSSIP_OK, 1);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
}

static void test_aside_is_bounded(void **state)
{
    (void)state;
    mesh(1);
    for (uint32_t i = 0; i < GOSSIP_ASIDE_MAX + 10; i++) {
        struct gossip_signed_record record;
        struct gossip_event ev = {.type = GOSSIP_EV_VERDICT, .key = sim_key_of(100 + i)};
        sim_record_of(&record, 100 + i, 1, 0);
        assert_int_equal(feed_record(1, &record, "proof"), BASE_OK);
        ev.u.verdict.verdict = GOSSIP_UNKNOWN;
        assert_int_equal(feed(ev), BASE_OK);
    }
    assert_int_equal(counters().aside_full, 10);
    snapshot_moved();
    assert_int_equal(count(GOSSIP_ACT_JUDGE), GOSSIP_ASIDE_MAX);
}

static void test_refused_is_not_asked_again_under_this_snapshot(void **state)
{
    (void)state;
    mesh(1);
    tell_record(1, 2, 3, 0);
    verdict(2, GOSSIP_REFUSED, 0);
    tell_record(1, 2, 3, 0);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    tell_record(1, 2, 4, 0); /* it has something new to say */
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
    verdict(2, GOSSIP_REFUSED, 0);
    snapshot_moved();
    tell_record(1, 2, 3, 0);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
    assert_int_equal(verdict(9, GOSSIP_OK, 1), BASE_ENOPEER); /* nobody asked */
}

static void test_newer_records_of_a_member(void **state)
{
    (void)state;
    mesh(2);
    tell_record(1, 2, 1, 4);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0); /* listed, same proof, same instance */
    assert_int_equal(count(GOSSIP_ACT_STATE), 0);
    tell_record(1, 2, 1, 3);
    assert_int_equal(counters().statements_stale, 1);
    struct gossip_member_view view;
    assert_int_equal(gossip_member_find(&view, rig.g, &rig.key[2]), BASE_OK);
    assert_int_equal(view.sequence, 4);
    tell_record(1, 2, 0, 9);
    assert_int_equal(counters().statements_stale, 2);
    assert_int_equal(incarnation_of(2), 1);
}

static void test_another_proof_is_judged(void **state)
{
    struct gossip_signed_record record;
    (void)state;
    mesh(2);
    sim_record_of(&record, 2, 2, 0);
    assert_int_equal(feed_record(1, &record, "other"), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
    assert_int_equal(incarnation_of(2), 1);
    verdict(2, GOSSIP_REFUSED, 0);
    assert_int_equal(incarnation_of(2), 1);
    snapshot_moved();
    assert_int_equal(feed_record(1, &record, "other"), BASE_OK);
    verdict(2, GOSSIP_OK, 1);
    assert_int_equal(incarnation_of(2), 2);
}

static void test_another_instance_is_refused(void **state)
{
    struct gossip_signed_record record;
    struct gossip_record r;
    (void)state;
    mesh(2);
    sim_record_of(&record, 2, 2, 0);
    assert_int_equal(gossip_record_decode(&r, record.body, record.body_len), BASE_OK);
    uint8_t body[GOSSIP_RECORD_BYTES_MAX];
    r.instance.bytes[0] ^= 1;
    assert_int_equal(gossip_record_encode(body, &record.body_len, sizeof body, &r), BASE_OK);
    memcpy(record.body, body, record.body_len);
    sim_sign(2, BASE_STATEMENT_RECORD, record.body, record.body_len, &record.sig);
    assert_int_equal(feed_record(1, &record, "proof"), BASE_OK);
    assert_int_equal(counters().statements_invalid, 1);
    assert_int_equal(incarnation_of(2), 1);
}

/* ---- suspicion ---- */

static void test_accusation_only_starts_our_own_probe(void **state)
{
    (void)state;
    mesh(4);
    tell_accusation(1, 2, 1);
    assert_int_equal(count(GOSSIP_ACT_STATE), 0);
    assert_true(was_sent(2, GOSSIP_FRAME_PING));
    answer(2, sent.u.ping.nonce);
    tell_accusation(1, 2, 1);
    assert_int_equal(counters().statements_duplicate, 1);
    assert_false(was_sent(2, GOSSIP_FRAME_PING)); /* the same word twice is one word */
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
    assert_int_equal(counters().suspicions, 0);
}

static void test_wrong_accusations_start_nothing(void **state)
{
    struct lie forged = {3, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_ACCUSATION};
    struct lie other_kind = {1, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_CONFIRMATION};
    (void)state;
    mesh(4);
    tell_accusation(1, 2, 0);
    tell_accusation(1, 2, 2);
    assert_int_equal(counters().statements_stale, 2);
    tell_accusation_as(1, 1, 2, 1, &forged);
    tell_accusation_as(1, 1, 2, 1, &other_kind);
    assert_int_equal(counters().statements_forged, 2);
    tell_accusation(1, 9, 1); /* about nobody */
    assert_int_equal(counters().statements_non_member, 1);
    tell_accusation(2, 2, 1); /* of oneself */
    assert_int_equal(counters().statements_invalid, 1);
    assert_int_equal(counters().probes, 0);
}

/* The accuser's own link is not needed: its signature is. */
static void test_forwarded_accusation_counts(void **state)
{
    struct lie honest = {3, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_ACCUSATION};
    (void)state;
    mesh(4);
    tell_accusation_as(1, 3, 2, 1, &honest);
    assert_true(was_sent(2, GOSSIP_FRAME_PING));
}

static void test_own_probe_ends_in_failed_after_the_full_time(void **state)
{
    (void)state;
    mesh(1); /* no relay, nobody to confirm */
    assert_true(pass_until(1, GOSSIP_SUSPECT, 10000));
    uint64_t start = rig.now;
    assert_true(was_sent(1, GOSSIP_FRAME_UPDATE)); /* the accused is told */
    assert_int_equal(sent.u.news.items[0].kind, BASE_STATEMENT_ACCUSATION);
    assert_true(pass_until(1, GOSSIP_FAILED, 20000));
    assert_int_equal(rig.now - start, 4000);
    assert_int_equal(find(GOSSIP_ACT_STATE, 1)->u.state.reason, GOSSIP_WHY_TIMEOUT);
}

/* Ten of weight 1: three are less than a third, the fourth makes it more. */
static uint64_t suspicion_with_confirmations(uint32_t confirmers)
{
    mesh(9);
    tell_accusation(1, 9, 1);
    assert_true(pass_until(9, GOSSIP_SUSPECT, 3000));
    uint64_t start = rig.now;
    for (uint32_t i = 2; i <= confirmers; i++)
        tell_accusation(i, 9, 1);
    assert_true(pass_until(9, GOSSIP_FAILED, 20000));
    return rig.now - start;
}

static void test_a_third_does_not_shorten(void **state)
{
    (void)state;
    assert_in_range(suspicion_with_confirmations(3), 4000, 16000);
}

/* We alone say so, over a link that stands, and our own questions are answered late: perhaps it is
 * the path. Up to four times the full time then, and no longer. */
static uint64_t suspicion_alone(uint32_t health, bool is_cut)
{
    mesh(9);
    tell_accusation(1, 9, 1);
    assert_true(pass_until(9, GOSSIP_SUSPECT, 3000));
    uint64_t start = rig.now;
    if (is_cut) peer_down(9);
    while (state_of(9) == GOSSIP_SUSPECT) {
        rig.g->awareness = health;
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        for (uint32_t peer = 1; peer <= 8; peer++) /* the others are well */
            if (was_sent(peer, GOSSIP_FRAME_PING)) answer(peer, sent.u.ping.nonce);
    }
    return rig.now - start;
}

static void test_who_is_alone_and_slow_waits_longer(void **state)
{
    (void)state;
    assert_int_equal(suspicion_alone(8, false), 16000);
}

static void test_who_is_alone_and_less_slow_waits_less(void **state)
{
    (void)state;
    assert_in_range(suspicion_alone(1, false), 8000, 15999);
}

/* .. also when the link has gone meanwhile, which a bad path does, too. */
static void test_who_is_alone_waits_without_a_link_too(void **state)
{
    (void)state;
    assert_int_equal(suspicion_alone(8, true), 16000);
}

/* .. but not when others are not known to be well, who could say the same. */
static void test_no_longer_when_nobody_else_is_left(void **state)
{
    (void)state;
    mesh(9);
    tell_accusation(1, 9, 1);
    assert_true(pass_until(9, GOSSIP_SUSPECT, 3000));
    uint64_t start = rig.now;
    for (uint32_t peer = 1; peer <= 8; peer++) /* they have left */
        tell_leave(peer, peer, 1, peer, BASE_STATEMENT_LEAVE);
    rig.g->awareness = 8;
    assert_true(pass_until(9, GOSSIP_FAILED, 20000));
    assert_int_equal(rig.now - start, 4000);
}

/* Our word went to the links that there were: a new one hears it as well. */
static void test_new_link_hears_of_suspects(void **state)
{
    struct gossip_accusation accusation;
    (void)state;
    mesh(4);
    peer_down(2);
    tell_accusation(1, 4, 1);
    assert_true(pass_until(4, GOSSIP_SUSPECT, 3000));
    peer_up(2);
    assert_true(was_sent(2, GOSSIP_FRAME_UPDATE));
    assert_int_equal(sent.u.news.item_count, 1);
    const struct gossip_item *item = &sent.u.news.items[0];
    assert_int_equal(item->kind, BASE_STATEMENT_CONFIRMATION);
    assert_int_equal(gossip_accusation_decode(&accusation, item->body.data, item->body.len),
                     BASE_OK);
    assert_true(base_key33_equal(&accusation.target, &rig.key[4]));
    assert_true(base_key33_equal(&accusation.accuser, &rig.key[0]));
}

/* A member is asked at least every other interval: by whom it follows in the order of keys. */
static void test_successor_is_asked_every_other_time(void **state)
{
    uint32_t successor = 0, lowest = 1, asked = 0;
    (void)state;
    mesh(7);
    for (uint32_t i = 1; i <= 7; i++) {
        if (base_key33_compare(&rig.key[i], &rig.key[lowest]) < 0) lowest = i;
        if (base_key33_compare(&rig.key[i], &rig.key[0]) < 0) continue;
        if (successor == 0 || base_key33_compare(&rig.key[i], &rig.key[successor]) < 0)
            successor = i;
    }
    if (successor == 0) successor = lowest; /* round the end */
    uint64_t end = rig.now + 20000;
    while (rig.now < end) {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        for (uint32_t peer = 1; peer <= 7; peer++) {
            if (!was_sent(peer, GOSSIP_FRAME_PING)) continue;
            asked += peer == successor;
            answer(peer, sent.u.ping.nonce);
        }
    }
    assert_true(asked >= 10);
}

static void test_exactly_a_third_does_not_shorten(void **state)
{
    (void)state;
    mesh(8); /* nine with ourselves */
    for (uint32_t i = 1; i <= 3; i++)
        tell_accusation(i, 8, 1);
    assert_true(pass_until(8, GOSSIP_SUSPECT, 3000));
    uint64_t start = rig.now;
    assert_true(pass_until(8, GOSSIP_FAILED, 20000));
    assert_true(rig.now - start >= 4000);
}

/* What was said of an incarnation does not count against the next. */
static void test_refutation_clears_the_accusers(void **state)
{
    (void)state;
    mesh(9);
    for (uint32_t i = 1; i <= 6; i++)
        tell_accusation(i, 9, 1);
    tell_record(1, 9, 2, 0);
    assert_int_equal(agenda(9)->probe.phase, GOSSIP__IDLE); /* that was its answer */
    assert_true(pass_until(9, GOSSIP_SUSPECT, 60000));
    uint64_t start = rig.now;
    assert_true(pass_until(9, GOSSIP_FAILED, 20000));
    assert_true(rig.now - start >= 4000);
}

static void test_more_than_a_third_shortens(void **state)
{
    (void)state;
    assert_true(suspicion_with_confirmations(4) <= 1000);
    assert_int_equal(find(GOSSIP_ACT_STATE, 9)->u.state.reason, GOSSIP_WHY_CONFIRMED);
}

/* Weight counts, not heads: one of weight 8 among ten is more than a third alone. */
static void test_weights_decide(void **state)
{
    (void)state;
    mesh(9);
    verdict(1, GOSSIP_OK, 8);
    tell_accusation(1, 9, 1);
    assert_true(pass_until(9, GOSSIP_FAILED, 2500));
    assert_int_equal(counters().suspicions, 1); /* by our own probe, as ever */
    assert_int_equal(find(GOSSIP_ACT_STATE, 9)->u.state.reason, GOSSIP_WHY_CONFIRMED);
}

static void test_weight_that_shrinks_takes_its_word_along(void **state)
{
    (void)state;
    mesh(9);
    verdict(1, GOSSIP_OK, 8);
    tell_accusation(1, 9, 1);
    verdict(1, GOSSIP_OK, 1);
    assert_true(pass_until(9, GOSSIP_SUSPECT, 3000));
    uint64_t start = rig.now;
    assert_true(pass_until(9, GOSSIP_FAILED, 20000));
    assert_true(rig.now - start >= 4000);
}

static void test_evicted_accuser_takes_its_word_along(void **state)
{
    (void)state;
    mesh(9);
    verdict(1, GOSSIP_OK, 8);
    tell_accusation(1, 9, 1);
    assert_int_equal(feed((struct gossip_event){.type = GOSSIP_EV_EVICT, .key = rig.key[1]}),
                     BASE_OK);
    assert_true(pass_until(9, GOSSIP_SUSPECT, 3000));
    uint64_t start = rig.now;
    assert_true(pass_until(9, GOSSIP_FAILED, 20000));
    assert_true(rig.now - start >= 4000);
}

/* Three of ten accuse and leave: they take their weight out of the whole, and their word along. */
static void test_accusers_that_leave_take_their_word_along(void **state)
{
    (void)state;
    mesh(9);
    for (uint32_t i = 1; i <= 3; i++)
        tell_accusation(i, 9, 1);
    for (uint32_t i = 1; i <= 3; i++)
        tell_leave(i, i, 1, i, BASE_STATEMENT_LEAVE);
    assert_int_equal(agenda(9)->accused_weight, 0);
    assert_true(pass_until(9, GOSSIP_SUSPECT, 3000));
    uint64_t start = rig.now;
    assert_true(pass_until(9, GOSSIP_FAILED, 20000));
    assert_true(rig.now - start >= 4000);
}

static void test_refutation_ends_a_suspicion(void **state)
{
    (void)state;
    mesh(3);
    assert_true(pass_until(2, GOSSIP_SUSPECT, 20000));
    tell_record(1, 2, 1, 5); /* only the sequence: says nothing about its life */
    assert_int_equal(state_of(2), GOSSIP_SUSPECT);
    tell_record(1, 2, 2, 0);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.reason, GOSSIP_WHY_REFUTED);
    tell_accusation(3, 2, 1); /* what was said before it is over */
    assert_int_equal(counters().statements_stale, 1);
}

static void test_late_ack_ends_a_suspicion(void **state)
{
    (void)state;
    mesh(3);
    assert_true(pass_until(2, GOSSIP_SUSPECT, 20000));
    assert_true(was_sent(2, GOSSIP_FRAME_UPDATE));
    uint64_t nonce = 0;
    while (nonce == 0) { /* it is asked again while time runs */
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        if (was_sent(2, GOSSIP_FRAME_PING)) nonce = sent.u.ping.nonce;
    }
    answer(2, nonce + 1);
    assert_int_equal(state_of(2), GOSSIP_SUSPECT);
    if (was_sent(2, GOSSIP_FRAME_PING)) nonce = sent.u.ping.nonce;
    answer(2, nonce);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.reason, GOSSIP_WHY_ACK);
}

/* ---- links ---- */

static void test_closed_link_is_a_hint_not_a_verdict(void **state)
{
    (void)state;
    mesh(5);
    assert_int_equal(peer_down(2), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_STATE), 0);
    size_t asked = 0;
    for (uint32_t i = 1; i <= 5; i++)
        asked += was_sent(i, GOSSIP_FRAME_PING_REQ);
    assert_int_equal(asked, 3);
    pass(150);
    assert_int_equal(dial_failed(2), BASE_OK);
    assert_int_equal(state_of(2), GOSSIP_ALIVE); /* the relays have not answered yet */
}

static void test_hopeless_probe_ends_early(void **state)
{
    (void)state;
    uint32_t relays[3];
    uint64_t nonce = 0;
    size_t asked = 0;
    mesh(5);
    peer_down(2);
    for (uint32_t i = 1; i <= 5; i++)
        if (was_sent(i, GOSSIP_FRAME_PING_REQ)) {
            relays[asked++] = i;
            nonce = sent.u.relay.nonce;
        }
    frame.type = GOSSIP_FRAME_NACK;
    frame.u.relay.key = rig.key[2];
    frame.u.relay.nonce = nonce;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(feed_frame(relays[0], &frame), BASE_OK); /* one voice, however often */
        assert_int_equal(state_of(2), GOSSIP_ALIVE);
    }
    assert_int_equal(feed_frame(relays[1], &frame), BASE_OK);
    assert_int_equal(feed_frame(relays[2], &frame), BASE_OK);
    assert_int_equal(state_of(2), GOSSIP_ALIVE); /* our own dial is still out */
    pass(150);
    dial_failed(2);
    assert_int_equal(state_of(2), GOSSIP_SUSPECT);
}

static void test_failed_dial_of_a_live_member_asks_others(void **state)
{
    (void)state;
    mesh(4);
    tell_record(1, 6, 1, 0);
    verdict(6, GOSSIP_OK, 1);
    assert_int_equal(dial_failed(6), BASE_OK);
    size_t asked = 0;
    for (uint32_t i = 1; i <= 4; i++)
        asked += was_sent(i, GOSSIP_FRAME_PING_REQ);
    assert_int_equal(asked, 3);
    assert_int_equal(state_of(6), GOSSIP_ALIVE);
}

/* A hung process goes on: its first bytes are reason enough to ask it. */
static void test_bytes_of_a_failed_member_start_a_probe(void **state)
{
    (void)state;
    mesh(2);
    assert_true(pass_until(2, GOSSIP_FAILED, 60000));
    gossip__probe_drop(rig.g, &rig.g->members[2]);
    frame.type = GOSSIP_FRAME_NACK;
    frame.u.relay.key = rig.key[1];
    frame.u.relay.nonce = 1;
    assert_int_equal(feed_frame(2, &frame), BASE_OK);
    assert_int_equal(state_of(2), GOSSIP_FAILED);
    assert_true(was_sent(2, GOSSIP_FRAME_PING));
    answer(2, sent.u.ping.nonce);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
}

static void test_failed_is_retried_for_ever_with_back_off(void **state)
{
    (void)state;
    mesh(1);
    peer_down(1);
    uint64_t last = 0, gap = 0;
    size_t wants = 0;
    for (uint64_t end = rig.now + 3600000; rig.now < end;) {
        rig.now = gossip_deadline_ms(rig.g) > rig.now ? gossip_deadline_ms(rig.g) : rig.now;
        timer();
        if (find(GOSSIP_ACT_WANT_LINK, 1) == NULL) continue;
        gap = rig.now - last;
        last = rig.now;
        wants++;
        dial_failed(1);
    }
    assert_int_equal(state_of(1), GOSSIP_FAILED);
    assert_in_range(wants, 50, 400);
    assert_in_range(gap, 40000, 80000);
    peer_up(1);
    assert_int_equal(state_of(1), GOSSIP_ALIVE);
    assert_true(was_sent(1, GOSSIP_FRAME_UPDATE)); /* so that it refutes to all */
    assert_int_equal(sent.u.news.items[0].kind, BASE_STATEMENT_ACCUSATION);
}

/* ---- indirect probes ---- */

static int feed_refute(uint32_t from, uint32_t speaker, uint64_t nonce, uint32_t requester,
                       uint32_t signer)
{
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct gossip_refutation refutation = {rig.key[speaker], 1, rig.key[requester], nonce};
    frame.type = GOSSIP_FRAME_REFUTE;
    frame.u.refute.body = (struct base_slice){body, gossip_refutation_encode(body, &refutation)};
    sim_sign(signer, BASE_STATEMENT_REFUTATION, body, frame.u.refute.body.len, &frame.u.refute.sig);
    return feed_frame(from, &frame);
}

/* A relay cannot keep a dead member alive: it can't sign for it. */
static void test_indirect_answer_must_be_the_targets(void **state)
{
    (void)state;
    mesh(2);
    peer_down(2);
    assert_true(was_sent(1, GOSSIP_FRAME_PING_REQ));
    uint64_t nonce = sent.u.relay.nonce;
    assert_int_equal(feed_refute(1, 2, nonce, 0, 1), BASE_OK);
    assert_int_equal(counters().statements_forged, 1);
    assert_int_equal(feed_refute(1, 2, nonce + 1, 0, 2), BASE_OK); /* an old answer */
    assert_int_equal(counters().statements_stale, 1);
    assert_int_equal(feed_refute(1, 9, nonce, 0, 9), BASE_OK);
    assert_int_equal(counters().statements_non_member, 1);
    assert_int_equal(agenda(2)->probe.phase, GOSSIP__INDIRECT);
    assert_int_equal(feed_refute(1, 2, nonce, 0, 2), BASE_OK);
    assert_int_equal(agenda(2)->probe.phase, GOSSIP__IDLE);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
}

static void test_relay_runs_its_errand(void **state)
{
    (void)state;
    mesh(3);
    frame.type = GOSSIP_FRAME_PING_REQ;
    frame.u.relay.key = rig.key[2];
    frame.u.relay.nonce = 77;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(2, GOSSIP_FRAME_CHALLENGE));
    assert_true(base_key33_equal(&sent.u.relay.key, &rig.key[1]));
    assert_int_equal(feed_refute(3, 2, 77, 1, 2), BASE_OK); /* not from the target's link */
    assert_false(was_sent(1, GOSSIP_FRAME_REFUTE));
    assert_int_equal(feed_refute(2, 2, 77, 1, 2), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_REFUTE));
    assert_int_equal(feed_refute(2, 2, 77, 1, 2), BASE_OK); /* once */
    assert_false(was_sent(1, GOSSIP_FRAME_REFUTE));
}

static void test_relay_says_no_in_time(void **state)
{
    (void)state;
    mesh(3);
    frame.type = GOSSIP_FRAME_PING_REQ;
    frame.u.relay.key = rig.key[2];
    frame.u.relay.nonce = 77;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    do {
        assert_true(rig.now < 1400);
        rig.now = gossip_deadline_ms(rig.g);
        timer();
    } while (!was_sent(1, GOSSIP_FRAME_NACK));
    assert_int_equal(rig.now, 1400);
    assert_int_equal(sent.u.relay.nonce, 77);
    assert_int_equal(feed_refute(2, 2, 77, 1, 2), BASE_OK); /* late, and still of use */
    assert_true(was_sent(1, GOSSIP_FRAME_REFUTE));
    frame.u.relay.key = rig.key[9]; /* about nobody: at once */
    frame.u.relay.nonce = 78;
    frame.type = GOSSIP_FRAME_PING_REQ;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_NACK));
}

/* An answer that the target has not signed would be held against the relay. */
static void test_relay_passes_no_forgery_on(void **state)
{
    (void)state;
    mesh(3);
    frame.type = GOSSIP_FRAME_PING_REQ;
    frame.u.relay.key = rig.key[2];
    frame.u.relay.nonce = 77;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_int_equal(feed_refute(2, 2, 77, 1, 3), BASE_OK);
    assert_false(was_sent(1, GOSSIP_FRAME_REFUTE));
    assert_int_equal(counters().statements_forged, 1);
    assert_true(base_key33_equal(&find(GOSSIP_ACT_NOTE, 2)->u.note.peer, &rig.key[2]));
    assert_int_equal(feed_refute(2, 2, 77, 1, 2), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_REFUTE));
}

/* One that asks about everybody takes no other's place. */
static void test_errands_of_one_are_bounded(void **state)
{
    (void)state;
    mesh(20);
    frame.type = GOSSIP_FRAME_PING_REQ;
    for (uint32_t i = 0; i < GOSSIP__ERRANDS_OF + 4; i++) {
        frame.u.relay.key = rig.key[5 + i];
        frame.u.relay.nonce = 77 + i;
        assert_int_equal(feed_frame(1, &frame), BASE_OK);
        assert_int_equal(was_sent(1, GOSSIP_FRAME_NACK), i >= GOSSIP__ERRANDS_OF);
    }
    assert_int_equal(feed_frame(2, &frame), BASE_OK);
    assert_false(was_sent(2, GOSSIP_FRAME_NACK));
    pass(500); /* those are answered, and no longer open */
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_false(was_sent(1, GOSSIP_FRAME_NACK));
}

static void test_errand_ends_with_its_target(void **state)
{
    (void)state;
    mesh(3);
    frame.type = GOSSIP_FRAME_PING_REQ;
    frame.u.relay.key = rig.key[2];
    frame.u.relay.nonce = 77;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    feed((struct gossip_event){.type = GOSSIP_EV_EVICT, .key = rig.key[2]});
    for (uint64_t end = rig.now + 600; gossip_deadline_ms(rig.g) < end;) {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        assert_false(was_sent(1, GOSSIP_FRAME_NACK));
    }
}

static void test_challenge_is_signed_for_members_only(void **state)
{
    (void)state;
    mesh(2);
    frame.type = GOSSIP_FRAME_CHALLENGE;
    frame.u.relay.key = rig.key[2];
    frame.u.relay.nonce = 5;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_REFUTE));
    frame.type = GOSSIP_FRAME_CHALLENGE;
    frame.u.relay.key = rig.key[9];
    frame.u.relay.nonce = 5;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_false(was_sent(1, GOSSIP_FRAME_REFUTE));
}

/* ---- leaves ---- */

static void test_leave_of_a_member(void **state)
{
    (void)state;
    mesh(3);
    tell_leave(1, 2, 1, 1, BASE_STATEMENT_LEAVE);  /* signed by another */
    tell_leave(1, 2, 1, 2, BASE_STATEMENT_RECORD); /* as another kind */
    assert_int_equal(counters().statements_forged, 2);
    tell_leave(1, 2, 0, 2, BASE_STATEMENT_LEAVE); /* of an earlier life */
    assert_int_equal(counters().statements_stale, 1);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
    tell_leave(1, 2, 1, 2, BASE_STATEMENT_LEAVE);
    assert_int_equal(state_of(2), GOSSIP_LEFT);
    tell_leave(1, 2, 1, 2, BASE_STATEMENT_LEAVE);
    assert_int_equal(counters().statements_duplicate, 1);
    tell_accusation(3, 2, 1); /* nobody to suspect */
    assert_int_equal(counters().statements_stale, 2);
    tell_record(1, 2, 1, 9); /* the same life, changed: still gone */
    assert_int_equal(state_of(2), GOSSIP_LEFT);
    peer_down(2);
    pass(20000);
    assert_int_equal(state_of(2), GOSSIP_LEFT);
    tell_record(1, 2, 2, 0); /* a new one */
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
    tell_leave(1, 2, 1, 2, BASE_STATEMENT_LEAVE);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
    tell_leave(1, 2, 5, 2, BASE_STATEMENT_LEAVE); /* of a life that we had not heard of */
    assert_int_equal(state_of(2), GOSSIP_LEFT);
    tell_record(1, 2, 5, 0); /* whose record comes late */
    assert_int_equal(state_of(2), GOSSIP_LEFT);
}

static void test_leave_wins_over_failed(void **state)
{
    (void)state;
    mesh(2);
    assert_true(pass_until(2, GOSSIP_FAILED, 60000));
    tell_leave(1, 2, 1, 2, BASE_STATEMENT_LEAVE);
    assert_int_equal(state_of(2), GOSSIP_LEFT);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.from, GOSSIP_FAILED);
}

static void test_leave_that_overtakes_the_verdict(void **state)
{
    (void)state;
    mesh(1);
    tell_record(1, 2, 3, 0);
    tell_leave(1, 2, 3, 2, BASE_STATEMENT_LEAVE);
    verdict(2, GOSSIP_OK, 1);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.to, GOSSIP_LEFT);
    frame.type = GOSSIP_FRAME_PULL; /* and who asks gets both */
    frame.u.pull.id_count = 0;
    frame.u.pull.key_count = 1;
    frame.u.pull.keys[0] = rig.key[2];
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_UPDATE));
    assert_int_equal(sent.u.news.item_count, 2);
    struct gossip_leave leave;
    assert_int_equal(
        gossip_leave_decode(&leave, sent.u.news.items[1].body.data, sent.u.news.items[1].body.len),
        BASE_OK);
    assert_int_equal(leave.incarnation, 3);
}

/* ---- eviction ---- */

static void test_evicted_stays_out(void **state)
{
    struct gossip_event evict = {.type = GOSSIP_EV_EVICT};
    (void)state;
    mesh(2);
    evict.key = rig.key[2];
    assert_int_equal(feed(evict), BASE_OK);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.to, GOSSIP_NONE);
    assert_int_equal(find(GOSSIP_ACT_STATE, 2)->u.state.reason, GOSSIP_WHY_EVICTED);
    assert_int_equal(state_of(2), GOSSIP_NONE);
    tell_record(1, 2, 1, 0);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    tell_record(1, 2, 2, 0); /* even with something new: only by a verdict */
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
    assert_int_equal(state_of(2), GOSSIP_NONE);
    verdict(2, GOSSIP_REFUSED, 0);
    assert_int_equal(feed(evict), BASE_ENOPEER);
    evict.key = rig.key[0];
    assert_int_equal(feed(evict), BASE_ESTATE);
    peer_up(2); /* a session was admitted: it has a seat again */
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
}

static void test_eviction_while_waiting(void **state)
{
    (void)state;
    mesh(1);
    tell_record(1, 2, 3, 0);
    feed((struct gossip_event){.type = GOSSIP_EV_EVICT, .key = rig.key[2]});
    assert_int_equal(verdict(2, GOSSIP_OK, 1), BASE_ENOPEER); /* about a seat that is gone */
    assert_int_equal(state_of(2), GOSSIP_NONE);
}

/* ---- user events ---- */

static void test_user_event_bounds(void **state)
{
    static uint8_t payload[GOSSIP_EVENT_PAYLOAD_MAX + 1];
    static char name[GOSSIP_EVENT_NAME_MAX + 1];
    struct gossip_event ev = {.type = GOSSIP_EV_USER_EVENT};
    (void)state;
    memset(name, 'n', sizeof name);
    mesh(1);
    ev.u.user_event.name = (struct base_slice){(const uint8_t *)name, GOSSIP_EVENT_NAME_MAX};
    ev.u.user_event.payload = (struct base_slice){payload, GOSSIP_EVENT_PAYLOAD_MAX};
    assert_int_equal(feed(ev), BASE_OK);
    assert_int_equal(find(GOSSIP_ACT_EVENT, 0)->u.event.payload.len, GOSSIP_EVENT_PAYLOAD_MAX);
    assert_true(was_sent(1, GOSSIP_FRAME_EVENT));
    ev.u.user_event.payload.len++;
    assert_int_equal(feed(ev), BASE_ETOOBIG);
    ev.u.user_event.payload.len = 0;
    ev.u.user_event.name.len++;
    assert_int_equal(feed(ev), BASE_ETOOBIG);
    ev.u.user_event.name = slice("");
    assert_int_equal(feed(ev), BASE_EINVAL);
    ev.u.user_event.name = slice("a\xff");
    assert_int_equal(feed(ev), BASE_EINVAL);
    ev.u.user_event.name = slice("a\tb");
    assert_int_equal(feed(ev), BASE_EINVAL);
    assert_int_equal(rig.out.count, 0);
    assert_int_equal(counters().events_sent, 1);
}

static size_t delivered_now(void)
{
    return count(GOSSIP_ACT_EVENT);
}

static void test_event_filter(void **state)
{
    (void)state;
    mesh(3);
    tell_event(1, 2, 1, 1, 1); /* signed by the forwarder */
    assert_int_equal(counters().statements_forged, 1);
    tell_event(1, 9, 1, 1, 9);
    assert_int_equal(counters().statements_non_member, 1);
    tell_event(1, 2, 1, 5, 2);
    assert_int_equal(delivered_now(), 1);
    tell_event(3, 2, 1, 5, 2); /* the other way round */
    assert_int_equal(delivered_now(), 0);
    tell_event(1, 2, 1, 3, 2); /* late, within the window */
    assert_int_equal(delivered_now(), 1);
    tell_event(1, 2, 1, 3, 2);
    assert_int_equal(delivered_now(), 0);
    tell_event(1, 2, 1, 500, 2);
    assert_int_equal(delivered_now(), 1);
    tell_event(1, 2, 1, 400, 2); /* behind the window: had, for all that we know */
    assert_int_equal(delivered_now(), 0);
    tell_event(1, 2, 2, 1, 2); /* its next life counts anew */
    assert_int_equal(delivered_now(), 1);
    tell_event(1, 2, 1, 501, 2); /* and the one before is over */
    assert_int_equal(delivered_now(), 0);
    tell_event(1, 0, 5, 9, 0); /* our own is never news */
    assert_int_equal(delivered_now(), 0);
}

static void test_missing_event_is_pulled(void **state)
{
    (void)state;
    mesh(2);
    rig.now += 20;
    frame.type = GOSSIP_FRAME_PING;
    frame.u.ping.nonce = 3;
    frame.u.ping.digest = (struct gossip_digest){0, 0};
    frame.u.ping.id_count = 2;
    frame.u.ping.ids[0] = (struct gossip_event_id){rig.key[2], 1, 1, 10};
    frame.u.ping.ids[1] = (struct gossip_event_id){rig.key[2], 1, 2, 1000000}; /* before our time */
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_ACK));
    assert_true(was_sent(1, GOSSIP_FRAME_PULL));
    assert_int_equal(sent.u.pull.id_count, 1);
    assert_int_equal(sent.u.pull.ids[0].sequence, 1);
    tell_event(1, 2, 1, 1, 2);
    frame.type = GOSSIP_FRAME_PULL; /* and we give it on */
    frame.u.pull.key_count = 0;
    frame.u.pull.id_count = 1;
    frame.u.pull.ids[0] = (struct gossip_event_id){rig.key[2], 1, 1, 0};
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_EVENT));
    assert_true(sent.u.news.repair);
}

/* ---- digests ---- */

static void test_digest_repair(void **state)
{
    (void)state;
    mesh(4);
    answer_greeting(1, (struct gossip_digest){5, rig.g->sum});
    assert_int_equal(rig.out.count, 0); /* equal: nothing to say */
    answer_greeting(1, (struct gossip_digest){5, rig.g->sum + 1});
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
    assert_int_equal(sent.u.sync.mask, UINT64_MAX);
    frame.type = GOSSIP_FRAME_LIST; /* it lacks 3, has a newer 2, and knows 7 */
    memset(&frame.u, 0, sizeof frame.u);
    frame.u.list.mask = UINT64_MAX;
    frame.u.list.entry_count = 5;
    frame.u.list.entries[0] = (struct gossip_entry){rig.key[0], 5, 0, 0};
    frame.u.list.entries[1] = (struct gossip_entry){rig.key[1], 1, 0, 0};
    frame.u.list.entries[2] = (struct gossip_entry){rig.key[2], 2, 0, 0};
    frame.u.list.entries[3] = (struct gossip_entry){rig.key[4], 1, 0, 0};
    frame.u.list.entries[4] = (struct gossip_entry){rig.key[7], 1, 0, 0};
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_PULL));
    assert_int_equal(sent.u.pull.key_count, 2);
    assert_true(base_key33_equal(&sent.u.pull.keys[0], &rig.key[2]));
    assert_true(base_key33_equal(&sent.u.pull.keys[1], &rig.key[7]));
    assert_true(was_sent(1, GOSSIP_FRAME_UPDATE));
    assert_true(sent.u.news.repair);
    assert_int_equal(sent.u.news.item_count, 1);
    assert_int_equal(feed_frame(1, &frame), BASE_OK); /* an answer that nobody asked for */
    assert_int_equal(rig.out.count, 0);
}

static void ask_for_list(uint32_t peer)
{
    answer_greeting(peer, (struct gossip_digest){0, 0});
    assert_true(was_sent(peer, GOSSIP_FRAME_SYNC));
    frame.type = GOSSIP_FRAME_LIST;
    memset(&frame.u, 0, sizeof frame.u);
    frame.u.list.entry_count = 1;
}

static void test_list_that_says_somebody_left(void **state)
{
    (void)state;
    mesh(4);
    ask_for_list(1);
    frame.u.list.entries[0] = (struct gossip_entry){rig.key[2], 1, 0, GOSSIP_ENTRY_LEFT};
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_PULL));
    assert_int_equal(state_of(2), GOSSIP_ALIVE); /* by its own word only */
}

/* A peer that sees alive whom we hold failed: we try again now, and believe our own dial. */
static void test_list_that_says_somebody_lives(void **state)
{
    (void)state;
    mesh(3);
    peer_down(2);
    dial_failed(2);
    assert_true(pass_until(2, GOSSIP_FAILED, 60000));
    do {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
    } while (find(GOSSIP_ACT_WANT_LINK, 2) == NULL);
    dial_failed(2);
    uint64_t due = agenda(2)->dial_ms;
    assert_true(due > rig.now + 1000);
    ask_for_list(1);
    frame.u.list.entries[0] = (struct gossip_entry){rig.key[2], 1, 0, 0};
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(agenda(2)->dial_ms <= rig.now + 200);
    assert_int_equal(state_of(2), GOSSIP_FAILED);
}

static void test_list_that_says_we_are_dead(void **state)
{
    (void)state;
    mesh(4);
    ask_for_list(1);
    frame.u.list.entries[0] = (struct gossip_entry){rig.key[0], 5, 0, GOSSIP_ENTRY_FAILED};
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    timer();
    assert_int_equal(incarnation_of(0), 6);
}

static void test_answers_to_sync_and_pull(void **state)
{
    (void)state;
    mesh(4);
    frame.type = GOSSIP_FRAME_SYNC;
    memset(&frame.u, 0, sizeof frame.u);
    frame.u.sync.mask = UINT64_MAX;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_LIST));
    assert_int_equal(sent.u.list.entry_count, 5);
    frame.u.sync.sum_count = GOSSIP_BUCKETS;
    memcpy(frame.u.sync.sums, rig.g->bucket_sums, sizeof frame.u.sync.sums);
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_LIST));
    assert_int_equal(sent.u.list.entry_count, 0);
    frame.type = GOSSIP_FRAME_PULL;
    frame.u.pull.id_count = 0;
    frame.u.pull.key_count = 2;
    frame.u.pull.keys[0] = rig.key[3];
    frame.u.pull.keys[1] = rig.key[40]; /* whom we don't know */
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_UPDATE));
    assert_int_equal(sent.u.news.item_count, 1);
}

/* Who learns of a member as failed enters it so, silently dead, and looks for itself at once. */
static void test_failed_hint_is_checked_by_ourselves(void **state)
{
    struct gossip_signed_record record;
    struct gossip_item item = {.kind = BASE_STATEMENT_RECORD, .flags = GOSSIP_ENTRY_FAILED};
    (void)state;
    mesh(1);
    sim_record_of(&record, 2, 1, 0);
    item.body = (struct base_slice){record.body, record.body_len};
    item.sig = record.sig;
    assert_int_equal(feed_item(1, &item), BASE_OK);
    verdict(2, GOSSIP_OK, 1);
    assert_int_equal(state_of(2), GOSSIP_FAILED);
    assert_int_equal(gossip_deadline_ms(rig.g), rig.now);
    timer();
    assert_non_null(find(GOSSIP_ACT_WANT_LINK, 2));
    peer_up(2);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
}

/* Nor do we spread it: others hear of the newcomer, and of its state what they see themselves. */
static void test_failed_hint_is_no_news(void **state)
{
    struct gossip_signed_record record;
    size_t told = 0;
    (void)state;
    mesh(4);
    sim_record_of(&record, 5, 1, 0);
    frame.type = GOSSIP_FRAME_UPDATE;
    frame.u.news.repair = false;
    frame.u.news.reach = 0;
    frame.u.news.item_count = 1;
    frame.u.news.items[0] = (struct gossip_item){.kind = BASE_STATEMENT_RECORD,
                                                 .flags = GOSSIP_ENTRY_FAILED,
                                                 .body = {record.body, record.body_len},
                                                 .sig = record.sig,
                                                 .proof = slice("proof")};
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_int_equal(verdict(5, GOSSIP_OK, 1), BASE_OK);
    assert_int_equal(state_of(5), GOSSIP_FAILED);
    for (uint32_t i = 2; i <= 4; i++)
        if (was_sent(i, GOSSIP_FRAME_UPDATE)) {
            assert_int_equal(sent.u.news.items[0].flags, 0);
            told++;
        }
    assert_int_equal(told, 3);
    memset(&frame.u, 0, sizeof frame.u); /* who asks us is told what we think */
    frame.type = GOSSIP_FRAME_PULL;
    frame.u.pull.key_count = 1;
    frame.u.pull.keys[0] = rig.key[5];
    assert_int_equal(feed_frame(2, &frame), BASE_OK);
    assert_true(was_sent(2, GOSSIP_FRAME_UPDATE));
    assert_int_equal(sent.u.news.items[0].flags, GOSSIP_ENTRY_FAILED);
}

/* ---- news ---- */

static void test_news_that_reached_all_is_not_passed_on(void **state)
{
    struct gossip_signed_record record;
    (void)state;
    mesh(6);
    sim_record_of(&record, 2, 2, 0);
    frame.type = GOSSIP_FRAME_UPDATE;
    frame.u.news.repair = false;
    frame.u.news.item_count = 1;
    frame.u.news.items[0] = (struct gossip_item){.kind = BASE_STATEMENT_RECORD,
                                                 .body = {record.body, record.body_len},
                                                 .sig = record.sig,
                                                 .proof = slice("proof")};
    frame.u.news.reach = 6; /* the pusher and six more: everybody */
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_SEND), 0);
    sim_record_of(&record, 2, 3, 0);
    frame.u.news.items[0].body.len = record.body_len;
    frame.u.news.items[0].sig = record.sig;
    frame.u.news.reach = 2;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_SEND), 4);
    assert_false(was_sent(1, GOSSIP_FRAME_UPDATE));   /* not back to who told us */
    assert_int_equal(feed_frame(1, &frame), BASE_OK); /* first sight only */
    assert_int_equal(count(GOSSIP_ACT_SEND), 0);
}

/* All have been here for long, but who has come after that time. */
static void settle_all(uint32_t count)
{
    for (uint32_t i = 1; i <= count; i++)
        gossip__find(rig.g, &rig.key[i])->since_ms = rig.now - 2 * gossip__suspicion_ms(rig.g);
}

static size_t told_count(uint32_t count)
{
    size_t told = 0;
    for (uint32_t i = 1; i <= count; i++)
        told += was_sent(i, GOSSIP_FRAME_UPDATE);
    return told;
}

/* Who has few links still may be the only one whom an accuser could not tell. */
static void test_newcomers_are_told_of_doubts(void **state)
{
    (void)state;
    mesh(9);
    settle_all(9);
    gossip__find(rig.g, &rig.key[1])->since_ms++; /* it tells us: it knows */
    gossip__find(rig.g, &rig.key[3])->since_ms++;
    tell_accusation(1, 2, 1);
    assert_true(was_sent(3, GOSSIP_FRAME_UPDATE));
    assert_int_equal(sent.u.news.items[0].kind, BASE_STATEMENT_ACCUSATION);
    assert_int_equal(told_count(9), 1);
    tell_record(1, 4, 1, 1); /* digests see to that */
    assert_int_equal(incarnation_of(4), 1);
    assert_int_equal(told_count(9), 0);
    for (uint32_t i = 1; i <= 9; i++)
        gossip__find(rig.g, &rig.key[i])->since_ms = rig.now;
    tell_accusation(5, 6, 1);
    assert_int_equal(told_count(9), rig.g->cfg.fanout_count);
    rig.g->cfg.links_max = 4; /* few links are no sign of a newcomer */
    tell_accusation(7, 8, 1);
    assert_int_equal(told_count(9), 0);
}

/* ---- time ---- */

static void test_own_pause_accuses_nobody(void **state)
{
    (void)state;
    mesh(4);
    pass(999); /* the first probe is out */
    assert_int_equal(counters().probes, 1);
    rig.now += 20000;
    timer();
    assert_int_equal(find(GOSSIP_ACT_NOTE, 0)->u.note.note, GOSSIP_NOTE_PAUSED);
    assert_int_equal(count(GOSSIP_ACT_STATE), 0);
    assert_true(counters().awareness > 0);
    for (uint32_t i = 1; i <= 4; i++)
        assert_int_equal(state_of(i), GOSSIP_ALIVE);
}

/* What waits to be sent of our own is late as well, but moves no clock: a pause is one pause, in
 * however many frames we read before the timer. */
static void test_a_pause_is_one_pause(void **state)
{
    (void)state;
    mesh(4);
    pass(999);
    tell_accusation(1, 0, 5);
    timer();
    tell_accusation(1, 0, 6);
    rig.now += 20000;
    for (int i = 0; i < 5; i++)
        tell_record(1, 2, 1, 0);
    assert_int_equal(counters().pauses, 1);
    assert_true(rig.g->tick_ms <= rig.now + 1500);
    timer();
    assert_int_equal(incarnation_of(0), 7);
}

/* The question went out in the same moment as the pause began: no round trip is below nothing. */
static void test_an_answer_after_a_pause(void **state)
{
    struct gossip_member_view view;
    uint32_t peer = 0;
    (void)state;
    mesh(4);
    while (peer == 0) {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        for (uint32_t i = 1; i <= 4; i++)
            if (was_sent(i, GOSSIP_FRAME_PING)) peer = i;
    }
    peer_up(5); /* its record is to be pushed in some milliseconds: from there the pause counts */
    rig.now += 20000;
    answer(peer, sent.u.ping.nonce);
    assert_int_equal(counters().pauses, 1);
    assert_int_equal(counters().acks, 1);
    assert_int_equal(gossip_member_find(&view, rig.g, &rig.key[peer]), BASE_OK);
    assert_true(view.rtt_ms <= 20000);
    answer(peer, sent.u.ping.nonce); /* it has ended already: no round trip of anything */
    assert_int_equal(counters().acks, 1);
}

/* Lifeguard: silent relays make us doubt ourselves; our own time-outs grow. */
static void test_local_health_scales_time_outs(void **state)
{
    (void)state;
    mesh(5);
    pass(4000);
    uint32_t awareness = counters().awareness;
    assert_true(awareness > 0);
    assert_int_equal(gossip__scaled(rig.g, 500), 500 * (1 + (uint64_t)awareness));
    pass(60000);
    assert_int_equal(counters().awareness, 8);
}

/* Answers that come after the relays were asked: the network is slower than our time-outs. */
static void test_late_answers_lengthen_our_time_outs(void **state)
{
    (void)state;
    mesh(5);
    tell_accusation(1, 2, 1);
    assert_true(was_sent(2, GOSSIP_FRAME_PING));
    uint64_t nonce = sent.u.ping.nonce;
    while (agenda(2)->probe.phase == GOSSIP__DIRECT) {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
    }
    answer(2, nonce);
    assert_int_equal(counters().awareness, 2);
    tell_accusation(3, 2, 1);
    assert_true(was_sent(2, GOSSIP_FRAME_PING));
    answer(2, sent.u.ping.nonce);
    assert_int_equal(counters().awareness, 1);
}

/* Peers 1..n linked for a minute, more than the rig's table holds. */
static void large_mesh(uint32_t n)
{
    struct gossip_config cfg;
    struct gossip_crypto crypto = sim_crypto(0);
    gossip_free(rig.g);
    rig.now += 60000;
    sim_config_of(&cfg, 0, 5);
    cfg.members_max = 256;
    assert_int_equal(gossip_new(&rig.g, &cfg, &crypto, rig.now), BASE_OK);
    for (uint32_t i = 1; i <= n; i++) {
        struct gossip_signed_record record;
        struct gossip_event ev;
        sim_record_of(&record, i, 1, 0);
        ev = up_event(1, &record);
        ev.key = sim_key_of(i);
        assert_int_equal(feed(ev), BASE_OK);
        rig.g->members[i].since_ms -= 60000;
    }
}

/* Who suspects everybody (its own cable is out) does not fill the mesh with it. */
static void test_our_public_accusations_are_bounded(void **state)
{
    size_t pushed = 0, told = 0;
    (void)state;
    large_mesh(99);
    for (uint64_t end = rig.now + 9000; rig.now < end;) {
        rig.g->awareness = 0; /* whoever is late says nothing at all */
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        for (uint32_t i = 1; i < 100; i++) { /* all of them, at once */
            struct gossip__member *m = &rig.g->members[i];
            if (m->state == GOSSIP_ALIVE && !gossip__is_probing(rig.g, m))
                gossip__probe_start(rig.g, m);
        }
        size_t sends = 0;
        for (size_t i = 0; i < rig.out.count; i++)
            sends += rig.out.items[i].type == GOSSIP_ACT_SEND &&
                     rig.out.items[i].u.send.type == GOSSIP_FRAME_UPDATE;
        for (uint32_t i = 1; i < 64; i++)
            if (was_sent(i, GOSSIP_FRAME_UPDATE) && !sent.u.news.repair)
                pushed = pushed > sent.u.news.item_count ? pushed : sent.u.news.item_count;
        told += sends;
    }
    assert_true(counters().suspicions >= 99);
    assert_true(pushed > 0 && pushed <= GOSSIP__VOICES_MAX);
    assert_true(told <= (GOSSIP__VOICES_MAX + 10) * 99);
    assert_true(rig.g->voices < 10);
    rig.g->voices = GOSSIP__VOICES_MAX; /* a hundred have no more than 64, all together */
    gossip__voices_earn(rig.g);
    assert_int_equal(rig.g->voices, GOSSIP__VOICES_MAX / 2);
    rig.g->voices = 0;
    for (rig.g->ticks = 0; rig.g->ticks < 10; rig.g->ticks++)
        gossip__voices_earn(rig.g);
    assert_int_equal(rig.g->voices, 5);
}

/* Where all would see a link close in the same moment, each waits a little before he says so, and
 * what enough have said meanwhile is not said again. */
static void test_voices_of_many_are_spread(void **state)
{
    (void)state;
    large_mesh(159);
    uint64_t start = rig.now;
    for (uint32_t i = 1; i <= 2; i++) {
        gossip__suspect(rig.g, &rig.g->members[i]);
        assert_int_equal(rig.g->news_count, 0);
        const struct gossip__agenda *a = gossip__agenda(rig.g, &rig.g->members[i]);
        assert_in_range(a->voice_ms, start + 1, start + 499);
        assert_int_equal(a->voice_ms, rig.g->voice_ms); /* of all in one frame */
    }
    gossip__agenda_open(rig.g, &rig.g->members[1])->accused_weight = 100; /* by many, meanwhile */
    uint32_t voices = rig.g->voices;
    while (rig.g->voices == voices && rig.now < start + 500) {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
    }
    assert_int_equal(rig.g->voices, voices - 1);
    assert_int_equal(gossip__agenda(rig.g, &rig.g->members[1])->voice_ms, 0);
    assert_int_equal(gossip__agenda(rig.g, &rig.g->members[2])->voice_ms, 0);
}

/* Who is late himself does not go and look at once at everybody who is accused. */
static void test_who_is_late_looks_later(void **state)
{
    (void)state;
    mesh(5);
    rig.g->awareness = 8;
    tell_accusation(1, 2, 1);
    assert_false(was_sent(2, GOSSIP_FRAME_PING));
    assert_int_equal(agenda(2)->probe.phase, GOSSIP__IDLE);
    assert_in_range(agenda(2)->reprobe_ms, rig.now + 1000, rig.now + 11000);
    rig.g->awareness = 4;
    tell_accusation(1, 3, 1);
    assert_true(was_sent(3, GOSSIP_FRAME_PING));
}

/* Where they are many all would look, and what makes one late makes others late. */
static void test_who_is_a_little_late_among_many_looks_later(void **state)
{
    (void)state;
    large_mesh(99);
    rig.g->awareness = 1;
    tell_accusation(1, 2, 1);
    assert_false(was_sent(2, GOSSIP_FRAME_PING));
    assert_in_range(agenda(2)->reprobe_ms, rig.now + 1000, rig.now + 4000);
    rig.g->awareness = 0;
    tell_accusation(1, 3, 1);
    assert_true(was_sent(3, GOSSIP_FRAME_PING));
    rig.g->awareness = 1;
    rig.g->cfg.links_max = 8; /* where links are few, few look */
    assert_true(gossip__is_sparse(rig.g));
    tell_accusation(1, 4, 1);
    assert_true(was_sent(4, GOSSIP_FRAME_PING));
}

/* What more would say than is needed is not even checked, where they are many. */
static void test_many_need_no_more_than_is_enough(void **state)
{
    (void)state;
    large_mesh(99);
    for (uint32_t i = 2; i < 50; i++)
        tell_accusation(i, 1, 1);
    uint64_t duplicate = counters().statements_duplicate;
    assert_int_equal(agenda(1)->accuser_count, 48 - duplicate);
    assert_int_equal(agenda(1)->accuser_count, 99 / 3 + 2); /* a third, and one for who spoke */
}

/* A doubt that nobody has heard of ends without a word: it would be refuted before all. */
static void test_an_unsaid_doubt_ends_in_silence(void **state)
{
    (void)state;
    large_mesh(99);
    for (uint32_t said = 0; said < 2; said++) {
        struct gossip__member *m = gossip__find(rig.g, &rig.key[1 + said]);
        gossip__suspect(rig.g, m);
        while (said && agenda(2)->voice_ms != 0) {
            rig.now = gossip_deadline_ms(rig.g);
            timer();
        }
        gossip__probe_start(rig.g, m);
        answer(1 + said, gossip__agenda(rig.g, m)->probe.nonce);
        assert_int_equal(m->state, GOSSIP_ALIVE);
        assert_int_equal(was_sent(1 + said, GOSSIP_FRAME_UPDATE), said);
    }
}

/* Where they are many a dial in vain was a slow one, and one at a time is enough; but the dead, who
 * are dialled for ever, hold nobody up there either. */
static void test_among_many_a_dial_in_vain_is_a_slow_one(void **state)
{
    (void)state;
    large_mesh(99);
    for (uint32_t i = 1; i <= 3; i++)
        gossip__link(rig.g, gossip__find(rig.g, &rig.key[i]), false);
    gossip__state(rig.g, gossip__find(rig.g, &rig.key[3]), GOSSIP_FAILED, GOSSIP_WHY_TIMEOUT);
    rig.g->dial_paced_ms = rig.now;
    gossip__dial_due(rig.g, gossip__find(rig.g, &rig.key[1]));
    assert_int_equal(rig.g->dial_paced_ms, rig.now + 10000);
    gossip__want_link(rig.g, gossip__find(rig.g, &rig.key[2]));
    gossip__want_link(rig.g, gossip__find(rig.g, &rig.key[3]));
    rig.now += 1500;
    dial_failed(2);
    assert_int_equal(rig.g->dial_paced_ms, rig.now + 16 * 1500);
    rig.now += 100;
    dial_failed(3);
    assert_int_equal(rig.g->dial_paced_ms, rig.now - 100 + 16 * 1500);
    rig.now += 1900;
    dial_failed(1);
    assert_int_equal(rig.g->dial_paced_ms, rig.now + 30000); /* of 56 s */
}

/* A newcomer is not doubted in public where they are many, until its full time is over. */
static void test_newcomers_among_many_are_not_accused(void **state)
{
    (void)state;
    large_mesh(99);
    uint64_t full_ms = gossip__suspicion_ms(rig.g), start = rig.now;
    for (uint32_t i = 1; i <= 2; i++) {
        struct gossip__member *m = gossip__find(rig.g, &rig.key[i]);
        m->since_ms = start - 2 * full_ms + (i == 1);
        gossip__suspect(rig.g, m);
    }
    assert_int_equal(agenda(1)->voice_ms, start + full_ms);
    assert_int_equal(agenda(1)->suspect_end_ms, start + full_ms);
    assert_in_range(agenda(2)->voice_ms, start + 1, start + 499);
    while (rig.now < start + full_ms) {
        assert_false(agenda(1)->is_said);
        rig.g->awareness = 0;
        rig.now = gossip_deadline_ms(rig.g);
        timer();
    }
    assert_int_equal(rig.now, start + full_ms);
    assert_true(was_sent(3, GOSSIP_FRAME_UPDATE) && !sent.u.news.repair);
}

/* Where they are many whoever is late himself accuses nobody, and whoever has no voice left tells
 * not even the accused. */
static void test_who_is_late_among_many_accuses_nobody(void **state)
{
    (void)state;
    large_mesh(99);
    for (uint32_t i = 1; i <= 3; i++) {
        gossip__suspect(rig.g, gossip__find(rig.g, &rig.key[i]));
        rig.g->awareness = i == 1 ? 1 : 0;
        if (i == 3) rig.g->voices = 0;
        while (agenda(i)->voice_ms != 0) {
            rig.now = gossip_deadline_ms(rig.g);
            timer();
        }
        assert_int_equal(agenda(i)->is_said, i == 2);
        assert_int_equal(was_sent(i, GOSSIP_FRAME_UPDATE), i == 2);
    }
}

/* Health that returns in the middle of a probe must not cut short the relays' time. */
static void test_relays_get_their_time(void **state)
{
    (void)state;
    mesh(5);
    rig.g->awareness = 8;
    gossip__probe_start(rig.g, gossip__find(rig.g, &rig.key[2]));
    assert_int_equal(agenda(2)->probe.due_ms, rig.now + 4500);
    uint64_t due = rig.now + 4500;
    while (rig.now < due) {
        rig.g->awareness = 0;
        rig.now = gossip_deadline_ms(rig.g);
        timer();
    }
    assert_int_equal(agenda(2)->probe.phase, GOSSIP__INDIRECT);
    assert_true(agenda(2)->probe.due_ms >= rig.now + 500);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
}

static void test_answers_restore_our_health(void **state)
{
    (void)state;
    mesh(5);
    pass(3000);
    assert_true(counters().awareness > 0);
    for (int i = 0; i < 200 && counters().awareness > 0; i++) {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        for (uint32_t peer = 1; peer <= 5; peer++)
            if (was_sent(peer, GOSSIP_FRAME_PING)) answer(peer, sent.u.ping.nonce);
    }
    assert_int_equal(counters().awareness, 0);
}

static void test_every_peer_is_probed_in_a_round(void **state)
{
    bool probed[8] = {false};
    (void)state;
    mesh(7);
    for (int i = 0; i < 60; i++) {
        rig.now = gossip_deadline_ms(rig.g);
        timer();
        for (uint32_t peer = 1; peer <= 7; peer++)
            if (was_sent(peer, GOSSIP_FRAME_PING)) {
                probed[peer] = true;
                answer(peer, sent.u.ping.nonce);
            }
        if (rig.now > 1000 + 2 * 8 * 1000) break; /* every other question is the successor's */
    }
    for (uint32_t peer = 1; peer <= 7; peer++)
        assert_true(probed[peer]);
    assert_int_equal(counters().suspicions, 0);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(gossip_state_name(GOSSIP_SUSPECT), "suspect");
    assert_string_equal(gossip_reason_name(GOSSIP_WHY_CONFIRMED), "confirmed");
    assert_string_equal(gossip_note_name(GOSSIP_NOTE_ROLLED_BACK), "rolled_back");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(test_own_up_comes_first),
        RIG(test_configurations_are_checked),
        RIG(test_update_grows_the_sequence),
        RIG(test_accused_self_refutes),
        RIG(test_wrong_accusations_of_self_do_nothing),
        RIG(test_own_record_from_the_future),
        RIG(test_leave),
        RIG(test_leave_alone_is_at_once),
        RIG(test_peer_up_checks),
        RIG(test_full_table),
        RIG(test_only_linked_peers_speak),
        RIG(test_unknown_and_malformed_frames),
        RIG(test_malformed_statement_changes_nothing),
        RIG(test_learned_member_waits_for_a_verdict),
        RIG(test_full_mesh_wants_a_link),
        RIG(test_forged_record_is_not_judged),
        RIG(test_unknown_waits_two_snapshots),
        RIG(test_aside_is_bounded),
        RIG(test_refused_is_not_asked_again_under_this_snapshot),
        RIG(test_newer_records_of_a_member),
        RIG(test_another_proof_is_judged),
        RIG(test_another_instance_is_refused),
        RIG(test_accusation_only_starts_our_own_probe),
        RIG(test_wrong_accusations_start_nothing),
        RIG(test_forwarded_accusation_counts),
        RIG(test_own_probe_ends_in_failed_after_the_full_time),
        RIG(test_a_third_does_not_shorten),
        RIG(test_who_is_alone_and_slow_waits_longer),
        RIG(test_who_is_alone_and_less_slow_waits_less),
        RIG(test_who_is_alone_waits_without_a_link_too),
        RIG(test_no_longer_when_nobody_else_is_left),
        RIG(test_new_link_hears_of_suspects),
        RIG(test_successor_is_asked_every_other_time),
        RIG(test_exactly_a_third_does_not_shorten),
        RIG(test_refutation_clears_the_accusers),
        RIG(test_more_than_a_third_shortens),
        RIG(test_weights_decide),
        RIG(test_weight_that_shrinks_takes_its_word_along),
        RIG(test_evicted_accuser_takes_its_word_along),
        RIG(test_accusers_that_leave_take_their_word_along),
        RIG(test_refutation_ends_a_suspicion),
        RIG(test_late_ack_ends_a_suspicion),
        RIG(test_closed_link_is_a_hint_not_a_verdict),
        RIG(test_hopeless_probe_ends_early),
        RIG(test_failed_dial_of_a_live_member_asks_others),
        RIG(test_bytes_of_a_failed_member_start_a_probe),
        RIG(test_failed_is_retried_for_ever_with_back_off),
        RIG(test_indirect_answer_must_be_the_targets),
        RIG(test_relay_runs_its_errand),
        RIG(test_relay_says_no_in_time),
        RIG(test_relay_passes_no_forgery_on),
        RIG(test_errands_of_one_are_bounded),
        RIG(test_errand_ends_with_its_target),
        RIG(test_challenge_is_signed_for_members_only),
        RIG(test_leave_of_a_member),
        RIG(test_leave_wins_over_failed),
        RIG(test_leave_that_overtakes_the_verdict),
        RIG(test_evicted_stays_out),
        RIG(test_eviction_while_waiting),
        RIG(test_user_event_bounds),
        RIG(test_event_filter),
        RIG(test_missing_event_is_pulled),
        RIG(test_digest_repair),
        RIG(test_list_that_says_somebody_left),
        RIG(test_list_that_says_somebody_lives),
        RIG(test_list_that_says_we_are_dead),
        RIG(test_answers_to_sync_and_pull),
        RIG(test_failed_hint_is_checked_by_ourselves),
        RIG(test_failed_hint_is_no_news),
        RIG(test_news_that_reached_all_is_not_passed_on),
        RIG(test_newcomers_are_told_of_doubts),
        RIG(test_own_pause_accuses_nobody),
        RIG(test_a_pause_is_one_pause),
        RIG(test_an_answer_after_a_pause),
        RIG(test_local_health_scales_time_outs),
        RIG(test_late_answers_lengthen_our_time_outs),
        RIG(test_our_public_accusations_are_bounded),
        RIG(test_voices_of_many_are_spread),
        RIG(test_who_is_late_looks_later),
        RIG(test_who_is_a_little_late_among_many_looks_later),
        RIG(test_many_need_no_more_than_is_enough),
        RIG(test_an_unsaid_doubt_ends_in_silence),
        RIG(test_among_many_a_dial_in_vain_is_a_slow_one),
        RIG(test_newcomers_among_many_are_not_accused),
        RIG(test_who_is_late_among_many_accuses_nobody),
        RIG(test_relays_get_their_time),
        RIG(test_answers_restore_our_health),
        RIG(test_every_peer_is_probed_in_a_round),
        RIG(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
