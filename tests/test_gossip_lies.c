/* Members that contradict themselves, speak from the future, or would be back from the dead. */
#include "gossip_rig.h"

#include <string.h>

#include "base/aead.h"
#include "base/err.h"

/* ---- two records of one version ---- */

static void record_named(struct gossip_signed_record *out, const char *name, uint64_t sequence)
{
    struct gossip_signed_record made;
    struct gossip_record r;
    sim_record_of(&made, 2, 2, sequence);
    assert_int_equal(gossip_record_decode(&r, made.body, made.body_len), BASE_OK);
    r.name = slice(name);
    assert_int_equal(gossip_record_encode(out->body, &out->body_len, sizeof out->body, &r),
                     BASE_OK);
    sim_sign(2, BASE_STATEMENT_RECORD, out->body, out->body_len, &out->sig);
}

static void assert_shown(const struct gossip_shown *shown, const struct gossip_signed_record *is)
{
    struct gossip_crypto crypto = sim_crypto(0);
    assert_int_equal(shown->record.len, is->body_len);
    assert_memory_equal(shown->record.data, is->body, is->body_len);
    assert_int_equal(crypto.verify(crypto.ctx, BASE_STATEMENT_RECORD, shown->record.data,
                                   shown->record.len, &shown->sig, &rig.key[2]),
                     BASE_OK);
}

/* Two records of one key, equal in (incarnation, sequence), not in bytes: the same one counts
 * everywhere, and both are there for anybody to check. */
static void test_contradiction(void **state)
{
    struct gossip_signed_record a, b;
    struct gossip_member_view view;
    size_t len[2];
    (void)state;
    record_named(&a, "n2", 0);
    record_named(&b, "evil", 0);
    for (int order = 0; order < 2; order++) {
        const struct gossip_signed_record *first = order == 0 ? &a : &b;
        const struct gossip_signed_record *second = order == 0 ? &b : &a;
        if (order == 1) {
            gossip_free(rig.g);
            rig_new(64);
        }
        mesh(2);
        assert_int_equal(feed_record(1, first, "proof"), BASE_OK);
        assert_null(find(GOSSIP_ACT_NOTE, 2));
        assert_int_equal(feed_record(1, second, "proof"), BASE_OK);
        const struct gossip_action *note = find(GOSSIP_ACT_NOTE, 2);
        assert_int_equal(note->u.note.note, GOSSIP_NOTE_CONTRADICTION);
        assert_shown(&note->u.note.ours, first);
        assert_shown(&note->u.note.theirs, second);
        assert_true(base_key33_equal(&note->u.note.peer, &rig.key[1]));
        assert_int_equal(counters().contradictions, 1);
        assert_int_equal(gossip_member_find(&view, rig.g, &rig.key[2]), BASE_OK);
        len[order] = view.record.len;
    }
    assert_int_equal(len[0], len[1]);
}

static int compare_digests(const struct gossip_signed_record *a,
                           const struct gossip_signed_record *b)
{
    struct base_hash32 of_a, of_b;
    base_sha256(&of_a, a->body, a->body_len);
    base_sha256(&of_b, b->body, b->body_len);
    return memcmp(of_a.bytes, of_b.bytes, sizeof of_a.bytes);
}

/* A proof that we have is not noted again, whoever repeats it how often; a new one is. */
static void test_a_contradiction_is_noted_once(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct gossip_signed_record records[8];
    size_t notes = 0;
    (void)state;
    mesh(3);
    for (size_t i = 0; i < 8; i++) { /* each counts more than those before it */
        record_named(&records[i], names[i], 0);
        for (size_t at = i; at > 0 && compare_digests(&records[at - 1], &records[at]) > 0; at--) {
            struct gossip_signed_record moved = records[at];
            records[at] = records[at - 1];
            records[at - 1] = moved;
        }
    }
    for (size_t i = 0; i < 80; i++) {
        assert_int_equal(feed_record(i % 2 == 0 ? 1 : 3, &records[i % 8], "proof"), BASE_OK);
        notes += count(GOSSIP_ACT_NOTE);
    }
    assert_int_equal(notes, 1);
    assert_int_equal(counters().contradictions, 7);
    rig.now += GOSSIP__PROVED_MS;
    record_named(&records[0], "a", 1);
    record_named(&records[1], "b", 1);
    timer();
    assert_int_equal(feed_record(1, &records[0], "proof"), BASE_OK);
    assert_int_equal(feed_record(1, &records[1], "proof"), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_NOTE), 1);
}

/* Each pair of versions is a proof of its own, and one is enough: the others are counted. */
static void test_contradictions_do_not_flood(void **state)
{
    struct gossip_signed_record a, b;
    size_t notes = 0;
    (void)state;
    mesh(2);
    for (uint64_t sequence = 1; sequence <= 100; sequence++) {
        record_named(&a, "a", sequence);
        record_named(&b, "b", sequence);
        assert_int_equal(feed_record(1, &a, "proof"), BASE_OK);
        notes += count(GOSSIP_ACT_NOTE);
        assert_int_equal(feed_record(1, &b, "proof"), BASE_OK);
        notes += count(GOSSIP_ACT_NOTE);
    }
    assert_int_equal(notes, 1);
    assert_int_equal(counters().contradictions, 100);
}

/* Shown to us in a session, and another to somebody else. */
static void test_contradiction_in_a_session(void **state)
{
    struct gossip_signed_record a, b;
    (void)state;
    mesh(2);
    record_named(&a, "n2", 0);
    record_named(&b, "evil", 0);
    assert_int_equal(feed_record(1, &a, "proof"), BASE_OK);
    peer_down(2);
    assert_int_equal(feed(up_event(2, &b)), BASE_OK);
    assert_shown(&find(GOSSIP_ACT_NOTE, 2)->u.note.theirs, &b);
}

/* The same version in the same bytes is no contradiction, nor is another version. */
static void test_no_contradiction(void **state)
{
    struct gossip_signed_record a, b;
    (void)state;
    mesh(2);
    record_named(&a, "n2", 0);
    record_named(&b, "evil", 1);
    assert_int_equal(feed_record(1, &a, "proof"), BASE_OK);
    assert_int_equal(feed_record(1, &a, "proof"), BASE_OK);
    assert_int_equal(feed_record(1, &b, "proof"), BASE_OK);
    assert_int_equal(feed_record(1, &a, "proof"), BASE_OK);
    b.body[b.body_len - 1] ^= 1; /* not what its key signed */
    assert_int_equal(feed_record(1, &a, "proof"), BASE_OK);
    assert_int_equal(counters().contradictions, 0);
    assert_null(find(GOSSIP_ACT_NOTE, 2));
}

/* ---- the far future ---- */

static int setup_limited(void **state)
{
    struct gossip_config cfg;
    (void)state;
    rig_config(&cfg);
    cfg.incarnation_max = 1000;
    rig_start(&cfg);
    return 0;
}
#define LIMITED(test) cmocka_unit_test_setup_teardown(test, setup_limited, teardown)

static void test_far_future_is_refused(void **state)
{
    struct gossip_signed_record record;
    (void)state;
    mesh(3);
    tell_record(1, 2, 1001, 0);
    assert_int_equal(incarnation_of(2), 1);
    assert_int_equal(counters().statements_future, 1);
    tell_record(1, 9, 1001, 0);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    assert_int_equal(counters().statements_future, 2);
    tell_leave(1, 2, 1001, 2, BASE_STATEMENT_LEAVE);
    assert_int_equal(state_of(2), GOSSIP_ALIVE);
    tell_event(1, 2, 1001, 1, 2);
    assert_int_equal(count(GOSSIP_ACT_EVENT), 0);
    assert_int_equal(counters().statements_future, 4);
    sim_record_of(&record, 8, 1001, 0);
    assert_int_equal(feed(up_event(8, &record)), BASE_EINVAL);
    assert_int_equal(state_of(8), GOSSIP_NONE);
    assert_int_equal(counters().statements_future, 5);
    tell_record(1, 2, 1000, 0);
    assert_int_equal(incarnation_of(2), 1000);
}

/* Clocks move on, and so does what may be. */
static void test_the_future_comes(void **state)
{
    (void)state;
    mesh(2);
    rig.now += 59000;
    tell_record(1, 2, 1060, 0);
    assert_int_equal(counters().statements_future, 1);
    rig.now += 1000;
    tell_record(1, 2, 1060, 0);
    assert_int_equal(incarnation_of(2), 1060);
}

/* A copy of our key that claims the far future would have us follow, where nobody hears us. */
static void test_our_own_far_future(void **state)
{
    (void)state;
    mesh(2);
    tell_record(1, 0, 5000, 0);
    assert_int_equal(incarnation_of(0), 5);
    tell_leave(1, 0, 5000, 0, BASE_STATEMENT_LEAVE);
    assert_int_equal(incarnation_of(0), 5);
    assert_int_equal(counters().statements_future, 2);
}

/* Accused at each new incarnation for an hour: we rise, but slower than what may be. */
static void test_a_slanderer_does_not_outlaw_us(void **state)
{
    (void)state;
    mesh(2);
    uint64_t start = rig.now;
    while (rig.now - start < 3600000) {
        if (rig.g->refute_ms == GOSSIP__NEVER) tell_accusation(1, 0, incarnation_of(0));
        rig.now = rig.g->refute_ms > rig.now ? rig.g->refute_ms : rig.now + 1;
        timer();
        assert_true(incarnation_of(0) <= 5 + (rig.now - start) / 1000 + GOSSIP__REFUTE_BURST);
    }
    assert_true(incarnation_of(0) >= 3000); /* and yet we answer */
}

/* At the top of what may be, our word has to wait until it is heard. */
static void test_no_refutation_above_what_may_be(void **state)
{
    (void)state;
    mesh(2);
    tell_record(1, 0, 999, 0);
    assert_int_equal(incarnation_of(0), 1000);
    tell_record(1, 0, 1000, 0);
    tell_leave(1, 0, 1000, 0, BASE_STATEMENT_LEAVE);
    assert_int_equal(incarnation_of(0), 1000);
    tell_accusation(1, 0, 1000);
    timer();
    assert_int_equal(incarnation_of(0), 1000);
    rig.now = rig.g->refute_ms;
    rig.now += 60000;
    timer();
    assert_int_equal(incarnation_of(0), 1001);
}

/* What would be refused is not asked for. */
static void test_a_list_from_the_future(void **state)
{
    (void)state;
    mesh(2);
    rig.now += 2000;
    answer_greeting(1, (struct gossip_digest){9, 9});
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
    memset(&frame.u, 0, sizeof frame.u);
    frame.type = GOSSIP_FRAME_LIST;
    frame.u.list.mask = UINT64_MAX;
    frame.u.list.entry_count = 2;
    frame.u.list.entries[0] = (struct gossip_entry){rig.key[7], 5000, 0, 0};
    frame.u.list.entries[1] = (struct gossip_entry){rig.key[8], 2, 0, 0};
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_PULL));
    assert_int_equal(sent.u.pull.key_count, 1);
    assert_true(base_key33_equal(&sent.u.pull.keys[0], &rig.key[8]));
}

static void list_of_record(uint32_t from, bool is_changed)
{
    answer_greeting(from, (struct gossip_digest){0, 0});
    assert_true(was_sent(from, GOSSIP_FRAME_SYNC));
    if (is_changed) tell_record(1, 1, 1, rig.now); /* our sum is not the one that was compared */
    memset(&frame.u, 0, sizeof frame.u);
    frame.type = GOSSIP_FRAME_LIST;
    frame.u.list.mask = (uint64_t)1 << gossip__bucket(&rig.key[2]);
    frame.u.list.entry_count = 1;
    frame.u.list.entries[0] = (struct gossip_entry){rig.key[2], 2, 0, 0};
    assert_int_equal(feed_frame(from, &frame), BASE_OK);
    rig.now += 1000;
}

/* One face for each half of a mesh, pushed as if to everybody: sums tell them apart, and the record
 * is pulled though its version is no news. */
static void test_two_faces_are_found(void **state)
{
    struct gossip_signed_record faces[2];
    uint64_t sums[2];
    (void)state;
    record_named(&faces[0], "n2", 0);
    record_named(&faces[1], "evil", 0);
    for (int half = 0; half < 2; half++) {
        if (half == 1) {
            gossip_free(rig.g);
            rig_new(64);
        }
        mesh(3);
        rig.now += 1000;
        assert_int_equal(feed_record(1, &faces[half], "proof"), BASE_OK);
        assert_int_equal(rig.g->bucket_counts[gossip__bucket(&rig.key[2])], 1);
        sums[half] = rig.g->sum;
        list_of_record(3, true);
        assert_false(was_sent(3, GOSSIP_FRAME_PULL));
        list_of_record(3, false);
        assert_true(was_sent(3, GOSSIP_FRAME_PULL));
        assert_int_equal(sent.u.pull.key_count, 1);
        assert_true(base_key33_equal(&sent.u.pull.keys[0], &rig.key[2]));
        assert_int_equal(feed_record(3, &faces[1 - half], "proof"), BASE_OK);
        assert_int_equal(find(GOSSIP_ACT_NOTE, 2)->u.note.note, GOSSIP_NOTE_CONTRADICTION);
    }
    assert_true(sums[0] != sums[1]);
}

/* ---- spoiled proofs ---- */

static int bring(uint32_t from, const char *proof)
{
    struct gossip_signed_record record;
    sim_record_of(&record, 30, 1, 0);
    return feed_record(from, &record, proof);
}

/* The proof is not signed: who spoils it has only his own copy refused. */
static void test_a_spoiled_proof_keeps_nobody_out(void **state)
{
    (void)state;
    mesh(3);
    assert_int_equal(bring(1, "spoiled"), BASE_OK);
    assert_int_equal(verdict(30, GOSSIP_REFUSED, 0), BASE_OK);
    assert_int_equal(bring(1, "spoiled"), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    rig.now += 1000;
    answer_greeting(2, (struct gossip_digest){0, 0});
    memset(&frame.u, 0, sizeof frame.u);
    frame.type = GOSSIP_FRAME_LIST;
    frame.u.list.entry_count = 1;
    frame.u.list.entries[0] = (struct gossip_entry){rig.key[30], 1, 0, 0};
    assert_int_equal(feed_frame(2, &frame), BASE_OK);
    assert_true(was_sent(2, GOSSIP_FRAME_PULL));
    assert_int_equal(bring(2, "proof"), BASE_OK);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
    assert_int_equal(verdict(30, GOSSIP_OK, 1), BASE_OK);
    assert_int_equal(state_of(30), GOSSIP_ALIVE);
}

/* Nor does that make us judge for ever: some bringers, then nobody before the next snapshot. */
static void test_refusals_of_a_record_are_bounded(void **state)
{
    size_t judged = 0;
    (void)state;
    mesh(20);
    for (uint32_t i = 0; i < 60; i++) {
        tell_record(i % 20 + 1, 30, 1, i % 3);
        if (count(GOSSIP_ACT_JUDGE) == 0) continue;
        judged++;
        assert_int_equal(verdict(30, GOSSIP_REFUSED, 0), BASE_OK);
    }
    assert_in_range(judged, GOSSIP__BRINGERS_MAX, 3 * GOSSIP__BRINGERS_MAX);
    tell_record(20, 30, 1, 0);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    assert_int_equal(snapshot_moved(), BASE_OK);
    tell_record(20, 30, 1, 0);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
}

/* ---- two leaves ---- */

static void list_of_leave(uint64_t incarnation)
{
    answer_greeting(1, (struct gossip_digest){0, 0});
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
    memset(&frame.u, 0, sizeof frame.u);
    frame.type = GOSSIP_FRAME_LIST;
    frame.u.list.mask = (uint64_t)1 << gossip__bucket(&rig.key[2]);
    frame.u.list.entry_count = 1;
    frame.u.list.entries[0] = (struct gossip_entry){rig.key[2], incarnation, 0, GOSSIP_ENTRY_LEFT};
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    rig.now += 1000;
}

/* Signed for two incarnations, and given to a half each: the later one is asked for, or given, and
 * both halves say the same then, whatever record they had. */
static void test_two_leaves_are_settled(void **state)
{
    uint64_t sums[2];
    (void)state;
    for (int half = 0; half < 2; half++) {
        if (half == 1) {
            gossip_free(rig.g);
            rig_new(64);
        }
        mesh(3);
        rig.now += 1000;
        if (half == 1) tell_record(1, 2, 1, 9);
        tell_leave(1, 2, 1, 2, BASE_STATEMENT_LEAVE);
        assert_int_equal(state_of(2), GOSSIP_LEFT);
        list_of_leave(2);
        assert_true(was_sent(1, GOSSIP_FRAME_PULL));
        assert_true(base_key33_equal(&sent.u.pull.keys[0], &rig.key[2]));
        tell_leave(1, 2, 2, 2, BASE_STATEMENT_LEAVE);
        list_of_leave(1);
        assert_false(was_sent(1, GOSSIP_FRAME_PULL));
        assert_true(was_sent(1, GOSSIP_FRAME_UPDATE));
        list_of_leave(2);
        assert_int_equal(rig.out.count, 0);
        memset(&frame.u, 0, sizeof frame.u);
        frame.type = GOSSIP_FRAME_SYNC;
        frame.u.sync.mask = (uint64_t)1 << gossip__bucket(&rig.key[2]);
        assert_int_equal(feed_frame(1, &frame), BASE_OK);
        assert_true(was_sent(1, GOSSIP_FRAME_LIST));
        for (uint32_t i = 0; i < sent.u.list.entry_count; i++)
            if (base_key33_equal(&sent.u.list.entries[i].key, &rig.key[2]))
                assert_int_equal(sent.u.list.entries[i].incarnation, 2);
        sums[half] = rig.g->sum;
    }
    assert_true(sums[0] == sums[1]);
}

/* ---- the dead ---- */

static int setup_small(void **state)
{
    (void)state;
    rig_new(4);
    return 0;
}
#define SMALL(test) cmocka_unit_test_setup_teardown(test, setup_small, teardown)

/* Who left and was forgotten to make room: its old record is no newcomer's, not even under later
 * snapshots, and not after any number of refusals; a new life of its is. */
static void test_a_leave_outlives_its_member(void **state)
{
    (void)state;
    mesh(3);
    tell_leave(1, 2, 1, 2, BASE_STATEMENT_LEAVE);
    peer_down(2);
    peer_up(4);
    assert_int_equal(state_of(2), GOSSIP_NONE);
    assert_int_equal(state_of(4), GOSSIP_ALIVE);
    assert_int_equal(snapshot_moved(), BASE_OK);
    for (uint32_t i = 0; i < 2 * GOSSIP__GRAVES_MAX; i++) {
        struct gossip_signed_record record;
        struct gossip_event no = {.type = GOSSIP_EV_VERDICT, .key = sim_key_of(100 + i)};
        sim_record_of(&record, 100 + i, 1, 0);
        assert_int_equal(feed_record(1, &record, "proof"), BASE_OK);
        no.u.verdict.verdict = GOSSIP_REFUSED;
        assert_int_equal(feed(no), BASE_OK);
    }
    tell_record(1, 2, 1, 0);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 0);
    tell_record(1, 2, 2, 0);
    assert_int_equal(count(GOSSIP_ACT_JUDGE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(test_contradiction),
        RIG(test_a_contradiction_is_noted_once),
        RIG(test_contradictions_do_not_flood),
        RIG(test_contradiction_in_a_session),
        RIG(test_no_contradiction),
        LIMITED(test_far_future_is_refused),
        LIMITED(test_the_future_comes),
        LIMITED(test_our_own_far_future),
        LIMITED(test_a_slanderer_does_not_outlaw_us),
        LIMITED(test_no_refutation_above_what_may_be),
        LIMITED(test_a_list_from_the_future),
        RIG(test_two_faces_are_found),
        RIG(test_a_spoiled_proof_keeps_nobody_out),
        RIG(test_refusals_of_a_record_are_bounded),
        RIG(test_two_leaves_are_settled),
        SMALL(test_a_leave_outlives_its_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
