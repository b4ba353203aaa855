/* A session after HELLO: counters, window, queue, acknowledgements, goodbye, time. */
#include "mesh_fixture.h"

#include "base/err.h"
#include "gossip/frame.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOSSIP    ATTEST_FRAME_GOSSIP
#define CONSENSUS ATTEST_FRAME_CONSENSUS

static struct mesh_fixture f;
static struct fixture_link link_a;
static uint8_t body[ATTEST_FRAME_BYTES_MAX];

static int setup(void **state)
{
    (void)state;
    mesh_fixture_init(&f);
    memset(body, 0, sizeof body);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_link_deinit(&link_a);
    mesh_fixture_deinit(&f);
    return 0;
}

static const struct base_key33 *key_of(size_t node)
{
    return &f.nodes[node].identity.keys.node_key;
}

/* Nodes 0 and 1 are up, and everything is acknowledged. */
static void join(void)
{
    fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
    assert_int_equal(fixture_link_open(&link_a, key_of(1)), BASE_OK);
    assert_int_equal(link_a.ends[0].ups + link_a.ends[1].ups, 2);
    fixture_link_advance(&link_a, 2 * NODE_SESSION_ACK_DELAY_MS);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(node_session_stats(link_a.ends[i].session).unacknowledged, 0);
}

/* Node 0 is a puppet that has dialled node 1 up to act 3. */
static void begin_puppet(struct puppet *p)
{
    fixture_link_init(&link_a, NULL, &f.nodes[1]);
    fixture_link_open(&link_a, NULL);
    assert_true(puppet_dial(p, &link_a, &f.nodes[0].identity.keys, key_of(1), FIXTURE_CHAIN_ID,
                            &f.head.contract));
}

static void join_puppet(struct puppet *p)
{
    uint8_t type;
    size_t len;
    begin_puppet(p);
    puppet_hello(p, &f.nodes[0]);
    assert_true(puppet_recv(p, &type, body, &len));
    assert_int_equal(type, ATTEST_FRAME_HELLO);
    puppet_send(p, ATTEST_FRAME_READY, NULL, 0);
    assert_int_equal(link_a.ends[1].ups, 1);
}

static int queue(size_t end, uint8_t type, const char *text, uint32_t replace)
{
    return fixture_link_queue(&link_a, end, type, text, strlen(text), replace);
}

static void assert_down(size_t end, enum node_reason reason)
{
    assert_int_equal(link_a.ends[end].downs, 1);
    if (link_a.ends[end].down.down.reason != reason)
        fail_msg("down: %s", node_reason_name(link_a.ends[end].down.down.reason));
}

static void assert_protocol_end(size_t end)
{
    assert_down(end, NODE_REASON_PROTOCOL);
    assert_int_equal(link_a.ends[end].close, NODE_REASON_PROTOCOL);
    assert_int_equal(link_a.ends[end].closes, 1);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void test_frames_arrive_both_ways(void **state)
{
    (void)state;
    join();
    assert_int_equal(queue(0, GOSSIP, "ping", 0), BASE_OK);
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 1);
    assert_memory_equal(link_a.ends[1].frame_body, "ping", 4);
    assert_int_equal(queue(1, CONSENSUS + 15, "vote", 0), BASE_OK);
    assert_int_equal(link_a.ends[0].frames[CONSENSUS + 15], 1);
    assert_int_equal(link_a.ends[0].frame_len, 4);
    /* The largest of both kinds. */
    assert_int_equal(fixture_link_queue(&link_a, 0, GOSSIP + 15, body, 16384, 0), BASE_OK);
    assert_int_equal(fixture_link_queue(&link_a, 0, CONSENSUS, body, 61440, 0), BASE_OK);
    assert_int_equal(link_a.ends[1].frame_len, 61440);
    assert_int_equal(link_a.ends[0].downs + link_a.ends[1].downs, 0);
}

static void test_thousands_of_frames_through_key_rotations(void **state)
{
    (void)state;
    join();
    for (unsigned i = 0; i < 2500; i++) {
        assert_int_equal(queue(0, GOSSIP, "x", 0), BASE_OK);
        if (i % 3 == 0) assert_int_equal(queue(1, GOSSIP, "y", 0), BASE_OK);
    }
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 2500);
    assert_int_equal(link_a.ends[0].frames[GOSSIP], 834);
}

static void test_queue_refuses_what_does_not_fit(void **state)
{
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], NULL);
    assert_int_equal(queue(0, GOSSIP, "x", 0), BASE_ESTATE);
    fixture_link_open(&link_a, key_of(1));
    assert_int_equal(queue(0, GOSSIP, "x", 0), BASE_ESTATE); /* not before UP */
    fixture_link_deinit(&link_a);
    join();
    assert_int_equal(queue(0, ATTEST_FRAME_HELLO, "x", 0), BASE_EINVAL);
    assert_int_equal(queue(0, 0x0f, "x", 0), BASE_EINVAL);
    assert_int_equal(queue(0, 0x30, "x", 0), BASE_EINVAL);
    assert_int_equal(fixture_link_queue(&link_a, 0, GOSSIP, body, 16385, 0), BASE_ETOOBIG);
    assert_int_equal(fixture_link_queue(&link_a, 0, CONSENSUS, body, 61441, 0), BASE_ETOOBIG);
    fixture_link_kind(&link_a, 0, NODE_SESSION_EV_GONE);
    assert_int_equal(link_a.ends[0].closes, 1);
}

/* --- queue and window --------------------------------------------------------------------------
 */

static void test_queue_is_bounded_by_frames(void **state)
{
    (void)state;
    join();
    link_a.ends[0].hold_sent = true;
    assert_int_equal(queue(0, GOSSIP, "in flight", 0), BASE_OK);
    for (unsigned i = 0; i < NODE_SESSION_QUEUE_FRAMES; i++)
        assert_int_equal(queue(0, GOSSIP, "waits", i == 5 ? 77 : 0), BASE_OK);
    assert_int_equal(queue(0, GOSSIP, "too many", 0), BASE_EFULL);
    assert_int_equal(queue(0, GOSSIP, "replaces", 77), BASE_OK);
    assert_int_equal(node_session_stats(link_a.ends[0].session).queued, NODE_SESSION_QUEUE_FRAMES);
}

static void test_queue_is_bounded_by_bytes(void **state)
{
    unsigned taken = 0;
    (void)state;
    join();
    link_a.ends[0].hold_sent = true;
    queue(0, GOSSIP, "in flight", 0);
    while (fixture_link_queue(&link_a, 0, CONSENSUS, body, 61440, 0) == BASE_OK)
        taken++;
    assert_int_equal(taken, NODE_SESSION_QUEUE_BYTES_MAX / 61440);
    assert_true(taken < NODE_SESSION_QUEUE_FRAMES);
}

/* A newer frame of its kind takes the place, not the end; the counter is given when it leaves. */
static void test_newer_frame_replaces_older(void **state)
{
    (void)state;
    join();
    link_a.ends[0].hold_sent = true;
    queue(0, GOSSIP, "in flight", 0);
    queue(0, GOSSIP, "old ping", 7);
    queue(0, GOSSIP + 1, "other", 8);
    queue(0, GOSSIP, "new ping!", 7);
    queue(0, GOSSIP + 1, "another", 8); /* the last in the queue is replaced too */
    queue(0, GOSSIP + 2, "plain", 0);
    assert_int_equal(node_session_stats(link_a.ends[0].session).queued, 3);
    fixture_link_kind(&link_a, 0, NODE_SESSION_EV_SENT);
    assert_memory_equal(link_a.ends[1].frame_body, "new ping!", 9);
    fixture_link_kind(&link_a, 0, NODE_SESSION_EV_SENT);
    assert_memory_equal(link_a.ends[1].frame_body, "another", 7);
    fixture_link_kind(&link_a, 0, NODE_SESSION_EV_SENT);
    assert_memory_equal(link_a.ends[1].frame_body, "plain", 5);
    assert_int_equal(link_a.ends[1].downs, 0);
}

/* Nothing leaves while the link has not taken the last. */
static void test_one_message_at_a_time(void **state)
{
    (void)state;
    join();
    unsigned before = link_a.ends[0].sends;
    link_a.ends[0].hold_sent = true;
    for (unsigned i = 0; i < 10; i++)
        queue(0, GOSSIP, "x", 0);
    fixture_link_advance(&link_a, 1000);
    assert_int_equal(link_a.ends[0].sends, before + 1);
}

/* 32 frames without an acknowledgement, then the queue fills until one comes. */
static void test_window_closes_and_opens(void **state)
{
    (void)state;
    join();
    link_a.ends[1].hold_sent = true; /* node 1 cannot acknowledge: its link is full */
    queue(1, GOSSIP, "in flight", 0);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(queue(0, GOSSIP, "x", 0), BASE_OK);
    assert_int_equal(link_a.ends[1].frames[GOSSIP], NODE_SESSION_WINDOW_FRAMES);
    assert_int_equal(node_session_stats(link_a.ends[0].session).queued, 8);
    link_a.ends[1].hold_sent = false;
    fixture_link_kind(&link_a, 1, NODE_SESSION_EV_SENT); /* the ACK leaves */
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 40);
    assert_int_equal(node_session_stats(link_a.ends[0].session).queued, 0);
}

/* --- acknowledgements ---------------------------------------------------------------------------
 */

static void test_bare_ack_after_16_frames_or_100_ms(void **state)
{
    (void)state;
    join();
    uint64_t acks = node_session_stats(link_a.ends[1].session).acks_sent;
    for (unsigned i = 0; i < 15; i++)
        queue(0, GOSSIP, "x", 0);
    assert_int_equal(node_session_stats(link_a.ends[1].session).acks_sent, acks);
    queue(0, GOSSIP, "x", 0);
    assert_int_equal(node_session_stats(link_a.ends[1].session).acks_sent, acks + 1);
    queue(0, GOSSIP, "x", 0);
    fixture_link_advance(&link_a, NODE_SESSION_ACK_DELAY_MS - 1);
    assert_int_equal(node_session_stats(link_a.ends[1].session).acks_sent, acks + 1);
    fixture_link_advance(&link_a, 1);
    assert_int_equal(node_session_stats(link_a.ends[1].session).acks_sent, acks + 2);
    /* An answer acknowledges: no bare one follows. */
    queue(0, GOSSIP, "ping", 0);
    queue(1, GOSSIP, "pong", 0);
    fixture_link_advance(&link_a, 2 * NODE_SESSION_ACK_DELAY_MS);
    assert_int_equal(node_session_stats(link_a.ends[1].session).acks_sent, acks + 2);
}

/* An ACK asks for no ACK, else two idle nodes acknowledge for ever. */
static void test_idle_sessions_fall_silent(void **state)
{
    (void)state;
    join();
    queue(0, GOSSIP, "the last word", 0);
    unsigned sends = link_a.ends[0].sends + link_a.ends[1].sends;
    fixture_link_advance(&link_a, 2 * NODE_SESSION_ACK_DELAY_MS);
    assert_int_equal(link_a.ends[0].sends + link_a.ends[1].sends, sends + 1); /* one bare ACK */
    sends++;
    fixture_link_advance(&link_a, 10 * 3600000);
    assert_int_equal(link_a.ends[0].sends + link_a.ends[1].sends, sends);
    assert_int_equal(link_a.ends[0].downs + link_a.ends[1].downs, 0);
    assert_true(node_session_deadline_ms(link_a.ends[1].session) == UINT64_MAX);
}

/* An answer to a probe waits for what is said next on this link, however long that takes. */
static void test_answers_are_acknowledged_by_the_way(void **state)
{
    (void)state;
    join();
    queue(0, GOSSIP, "ping", 0);
    queue(1, GOSSIP_FRAME_ACK, "pong", 0);
    unsigned sends = link_a.ends[0].sends + link_a.ends[1].sends;
    fixture_link_advance(&link_a, 10 * NODE_SESSION_STUCK_MS);
    assert_int_equal(link_a.ends[0].sends + link_a.ends[1].sends, sends);
    assert_int_equal(link_a.ends[0].downs + link_a.ends[1].downs, 0);
    assert_int_equal(node_session_stats(link_a.ends[1].session).unacknowledged, 1);
    queue(0, GOSSIP, "ping", 0);
    assert_int_equal(node_session_stats(link_a.ends[1].session).unacknowledged, 0);
    /* Sixteen of them are acknowledged all the same: the window must not close. */
    for (unsigned i = 0; i < NODE_SESSION_ACK_FRAMES; i++)
        queue(1, GOSSIP_FRAME_ACK, "pong", 0);
    assert_int_equal(node_session_stats(link_a.ends[1].session).unacknowledged, 0);
    /* One that asks, behind one that does not, has its time from its own beginning. */
    link_a.cut[0] = true;
    queue(1, GOSSIP_FRAME_ACK, "pong", 0);
    fixture_link_advance(&link_a, 2 * NODE_SESSION_STUCK_MS);
    queue(1, GOSSIP, "anybody?", 0);
    fixture_link_advance(&link_a, NODE_SESSION_STUCK_MS - 1);
    assert_int_equal(link_a.ends[1].downs, 0);
    fixture_link_advance(&link_a, 1);
    assert_down(1, NODE_REASON_STUCK);
}

/* A full window of answers is a peer that reads nothing. */
static void test_stuck_on_a_window_of_answers(void **state)
{
    (void)state;
    join();
    link_a.cut[1] = true;
    for (unsigned i = 0; i < NODE_SESSION_WINDOW_FRAMES; i++)
        queue(0, GOSSIP_FRAME_ACK, "pong", 0);
    fixture_link_advance(&link_a, NODE_SESSION_STUCK_MS);
    assert_down(0, NODE_REASON_STUCK);
}

static void test_stuck_without_acknowledgement(void **state)
{
    (void)state;
    join();
    link_a.cut[1] = true;
    queue(0, GOSSIP, "anybody?", 0);
    fixture_link_advance(&link_a, NODE_SESSION_STUCK_MS - 1);
    assert_int_equal(link_a.ends[0].downs, 0);
    fixture_link_advance(&link_a, 1);
    assert_down(0, NODE_REASON_STUCK);
    assert_int_equal(link_a.ends[0].close, NODE_REASON_STUCK);
}

/* Each acknowledgement that moves starts the time anew. */
static void test_slow_peer_is_not_stuck(void **state)
{
    (void)state;
    join();
    for (unsigned i = 0; i < 10; i++) {
        queue(0, GOSSIP, "x", 0);
        fixture_link_advance(&link_a, NODE_SESSION_STUCK_MS - 1000);
    }
    assert_int_equal(link_a.ends[0].downs, 0);
}

static void test_stuck_link_that_takes_nothing(void **state)
{
    (void)state;
    join();
    link_a.ends[1].hold_sent = true;
    queue(0, GOSSIP, "x", 0); /* its ACK stays in node 1's link */
    fixture_link_advance(&link_a, NODE_SESSION_ACK_DELAY_MS);
    fixture_link_advance(&link_a, NODE_SESSION_STUCK_MS);
    assert_down(1, NODE_REASON_STUCK);
}

/* A peer that sends and never hears: 16 of our ACKs stay unanswered by a higher counter. */
static void test_stuck_after_16_unanswered_acks(void **state)
{
    struct puppet p;
    (void)state;
    begin_puppet(&p);
    puppet_hello(&p, &f.nodes[0]);
    puppet_send(&p, ATTEST_FRAME_READY, NULL, 0); /* without reading the responder's HELLO */
    for (unsigned i = 0; i < 16 * NODE_SESSION_ACK_FRAMES - 1; i++) {
        assert_int_equal(link_a.ends[1].downs, 0);
        puppet_send(&p, GOSSIP, NULL, 0);
    }
    assert_int_equal(node_session_stats(link_a.ends[1].session).acks_sent, 16);
    for (unsigned i = 0; i < NODE_SESSION_ACK_FRAMES; i++)
        puppet_send(&p, GOSSIP, NULL, 0);
    assert_down(1, NODE_REASON_STUCK);
}

/* --- rules of counters
 * ---------------------------------------------------------------------------- */

static void test_replayed_frame_closes(void **state)
{
    struct puppet p;
    static uint8_t frame[ATTEST_FRAME_BYTES_MAX];
    (void)state;
    join_puppet(&p);
    size_t len = puppet_seal(&p, frame, GOSSIP, "x", 1);
    fixture_link_put(&link_a, 0, frame, len);
    fixture_link_run(&link_a);
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 1);
    fixture_link_put(&link_a, 0, frame, len);
    fixture_link_run(&link_a);
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 1);
    assert_protocol_end(1);
}

static void test_gap_closes(void **state)
{
    struct puppet p;
    static uint8_t frame[ATTEST_FRAME_BYTES_MAX];
    (void)state;
    join_puppet(&p);
    puppet_seal(&p, frame, GOSSIP, "lost", 4);
    puppet_send(&p, GOSSIP, "x", 1);
    assert_protocol_end(1);
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 0);
}

static void test_any_changed_byte_closes(void **state)
{
    static const size_t where[] = {0, 7, 8, 15, 16, 17, 20, 33};
    (void)state;
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        struct puppet p;
        static uint8_t frame[ATTEST_FRAME_BYTES_MAX];
        join_puppet(&p);
        size_t len = puppet_seal(&p, frame, GOSSIP, "x", 1);
        frame[where[i]] ^= 1;
        fixture_link_put(&link_a, 0, frame, len);
        fixture_link_run(&link_a);
        assert_protocol_end(1);
        fixture_link_deinit(&link_a);
    }
}

static void test_acknowledging_what_was_not_sent_closes(void **state)
{
    struct puppet p;
    (void)state;
    join_puppet(&p);
    p.cipher.recv.next = 1000; /* "I have 999" */
    puppet_send(&p, GOSSIP, "x", 1);
    assert_protocol_end(1);
}

static void test_taking_an_acknowledgement_back_closes(void **state)
{
    struct puppet p;
    (void)state;
    join_puppet(&p); /* READY acknowledged HELLO */
    p.cipher.recv.next = 0;
    puppet_send(&p, GOSSIP, "x", 1);
    assert_protocol_end(1);
}

static void test_oversize_message_closes(void **state)
{
    struct puppet p;
    static uint8_t frame[ATTEST_FRAME_BYTES_MAX + 1];
    (void)state;
    join_puppet(&p);
    fixture_link_put(&link_a, 0, frame, sizeof frame);
    fixture_link_run(&link_a);
    assert_protocol_end(1);
}

/* A good frame whose body is one byte above its type's bound. */
static void test_oversize_body_closes(void **state)
{
    static const struct {
        uint8_t type;
        size_t len;
    } cases[] = {{ATTEST_FRAME_ACK, 1},    {ATTEST_FRAME_BYE, 131}, {ATTEST_FRAME_COPY, 33},
                 {ATTEST_FRAME_ALIVE, 90}, {GOSSIP, 16385},         {CONSENSUS, 61441},
                 {ATTEST_FRAME_COPY, 31},  {ATTEST_FRAME_ALIVE, 88}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct puppet p;
        static uint8_t frame[ATTEST_FRAME_BYTES_MAX];
        size_t len = cases[i].len;
        join_puppet(&p);
        base_put_u64be(frame, p.cipher.send.next);
        base_put_u64be(frame + 8, p.cipher.recv.next - 1);
        memset(frame + 16, 0, len + 1);
        frame[16] = cases[i].type;
        attest_cipher_key_seal(&p.cipher.send, frame + 16, frame, 16, frame + 16, len + 1);
        fixture_link_put(&link_a, 0, frame, len + ATTEST_FRAME_OVERHEAD_BYTES);
        fixture_link_run(&link_a);
        assert_protocol_end(1);
        fixture_link_deinit(&link_a);
    }
}

static void test_short_message_closes(void **state)
{
    struct puppet p;
    (void)state;
    join_puppet(&p);
    fixture_link_put(&link_a, 0, body, 32);
    fixture_link_run(&link_a);
    assert_protocol_end(1);
}

/* More than a window since our last frame: the peer does not wait for acknowledgements. */
static void test_peer_that_ignores_the_window(void **state)
{
    struct puppet p;
    (void)state;
    join_puppet(&p);
    link_a.ends[1].hold_sent = true;
    queue(1, GOSSIP, "in flight", 0);
    for (unsigned i = 0; i < NODE_SESSION_WINDOW_FRAMES; i++)
        puppet_send(&p, GOSSIP, NULL, 0);
    assert_int_equal(link_a.ends[1].downs, 0);
    puppet_send(&p, GOSSIP, NULL, 0);
    assert_protocol_end(1);
}

/* --- types out of their place
 * ---------------------------------------------------------------------- */

static void test_unknown_types_are_counted_and_ignored(void **state)
{
    static const uint8_t types[] = {0, 8, 0x0f, 0x30, 0x7f, 0xff};
    struct puppet p;
    (void)state;
    join_puppet(&p);
    for (size_t i = 0; i < sizeof types; i++)
        puppet_send(&p, types[i], "future", 6);
    assert_int_equal(node_session_stats(link_a.ends[1].session).unknown_types, sizeof types);
    puppet_send(&p, GOSSIP, "x", 1);
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 1);
}

static void test_only_1_to_4_before_ready(void **state)
{
    static const uint8_t types[] = {ATTEST_FRAME_READY,
                                    ATTEST_FRAME_BYE,
                                    ATTEST_FRAME_COPY,
                                    ATTEST_FRAME_ALIVE,
                                    GOSSIP,
                                    CONSENSUS,
                                    0x77,
                                    0};
    (void)state;
    for (size_t i = 0; i < sizeof types; i++) {
        for (int after_hello = 0; after_hello < 2; after_hello++) {
            struct puppet p;
            if (after_hello == 1 && types[i] == ATTEST_FRAME_READY) continue; /* its place */
            begin_puppet(&p);
            if (after_hello == 1) puppet_hello(&p, &f.nodes[0]);
            puppet_send(&p, types[i], NULL, 0);
            assert_int_equal(link_a.ends[1].ups, 0);
            assert_int_equal(link_a.ends[1].refused.refused.refusal.reason, NODE_REASON_PROTOCOL);
            assert_int_equal(link_a.ends[1].closes, 1);
            fixture_link_deinit(&link_a);
        }
    }
}

static void test_ack_is_allowed_before_ready(void **state)
{
    struct puppet p;
    (void)state;
    begin_puppet(&p);
    puppet_send(&p, ATTEST_FRAME_ACK, NULL, 0);
    puppet_hello(&p, &f.nodes[0]);
    puppet_send(&p, ATTEST_FRAME_ACK, NULL, 0);
    puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
    assert_int_equal(link_a.ends[1].ups, 1);
}

static void test_second_hello_closes(void **state)
{
    struct puppet p;
    (void)state;
    begin_puppet(&p);
    puppet_hello(&p, &f.nodes[0]);
    puppet_hello(&p, &f.nodes[0]);
    assert_int_equal(link_a.ends[1].refused.refused.refusal.reason, NODE_REASON_PROTOCOL);
    fixture_link_deinit(&link_a);
    join_puppet(&p);
    puppet_hello(&p, &f.nodes[0]);
    assert_protocol_end(1);
}

static void test_second_ready_closes(void **state)
{
    struct puppet p;
    (void)state;
    join_puppet(&p);
    puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
    assert_protocol_end(1);
}

/* The responder may not be READY, and nothing of the initiator's is skipped: it is one's own type.
 */
static void test_ready_from_the_responder_closes(void **state)
{
    struct puppet p;
    uint8_t type;
    size_t len;
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], NULL);
    fixture_link_open(&link_a, key_of(1));
    assert_true(puppet_accept(&p, &link_a, &f.nodes[1].identity.keys));
    assert_true(puppet_recv(&p, &type, body, &len));
    puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
    assert_int_equal(link_a.ends[0].ups, 0);
    assert_int_equal(link_a.ends[0].refused.refused.refusal.reason, NODE_REASON_PROTOCOL);
}

static void test_refuse_and_bye_must_be_well_formed(void **state)
{
    struct puppet p;
    (void)state;
    begin_puppet(&p);
    puppet_send(&p, ATTEST_FRAME_REFUSE, "\0\0\0\0\0\0", 6);
    assert_int_equal(link_a.ends[1].refused.refused.refusal.reason, NODE_REASON_PROTOCOL);
    assert_false(link_a.ends[1].refused.refused.by_peer);
    fixture_link_deinit(&link_a);
    join_puppet(&p);
    puppet_send(&p, ATTEST_FRAME_BYE, "\x10\x02x", 3);
    assert_protocol_end(1);
}

/* --- goodbye
 * ------------------------------------------------------------------------------------------ */

static int say_goodbye(size_t end, enum node_reason reason, const char *text)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_CLOSE};
    ev.close.reason = reason;
    ev.close.text = text;
    return fixture_link_step(&link_a, end, &ev);
}

static void test_goodbye(void **state)
{
    (void)state;
    join();
    queue(0, GOSSIP, "before", 0);
    say_goodbye(0, NODE_REASON_LEAVING, "see you\nlater");
    assert_down(0, NODE_REASON_LEAVING);
    assert_false(link_a.ends[0].down.down.by_peer);
    assert_down(1, NODE_REASON_LEAVING);
    assert_true(link_a.ends[1].down.down.by_peer);
    assert_int_equal(link_a.ends[1].down.down.code, NODE_CODE_LEAVING);
    assert_string_equal(link_a.ends[1].down.down.text, "see you?later");
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 1);
    assert_int_equal(link_a.ends[0].closes + link_a.ends[1].closes, 2);
}

/* BYE goes out even when the window is closed, and the pipe closes when the peer does not. */
static void test_goodbye_to_a_silent_peer(void **state)
{
    (void)state;
    join();
    link_a.cut[1] = true;
    for (unsigned i = 0; i < 40; i++)
        queue(0, GOSSIP, "x", 0);
    link_a.paused = true;
    say_goodbye(0, NODE_REASON_DUPLICATE, NULL);
    assert_down(0, NODE_REASON_DUPLICATE);
    fixture_link_advance(&link_a, NODE_SESSION_LINGER_MS - 1);
    assert_int_equal(link_a.ends[0].closes, 0);
    fixture_link_advance(&link_a, 1);
    assert_int_equal(link_a.ends[0].closes, 1);
    assert_int_equal(link_a.ends[0].close, NODE_REASON_DUPLICATE);
    link_a.paused = false;
    fixture_link_run(&link_a);
    assert_int_equal(link_a.ends[1].down.down.code, NODE_CODE_DUPLICATE);
}

static void test_close_before_ready_says_nothing(void **state)
{
    struct puppet p;
    uint8_t type;
    size_t len;
    (void)state;
    begin_puppet(&p);
    say_goodbye(1, NODE_REASON_LEAVING, NULL);
    assert_int_equal(link_a.ends[1].closes, 1);
    assert_int_equal(link_a.ends[1].refusals + link_a.ends[1].downs, 0);
    assert_false(puppet_recv(&p, &type, body, &len));
}

static void test_pipe_gone(void **state)
{
    (void)state;
    join();
    fixture_link_kind(&link_a, 0, NODE_SESSION_EV_GONE);
    assert_down(0, NODE_REASON_CLOSED);
    assert_int_equal(link_a.ends[0].closes, 1);
}

/* REFUSE after our READY: the other side, which has not seen READY, changed its mind. */
static void test_refuse_that_crosses_ready(void **state)
{
    struct node_refuse refuse = {.code = NODE_CODE_NO_SEAT};
    uint8_t out[NODE_REFUSE_BYTES_MAX], type;
    struct puppet p;
    size_t len;
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], NULL);
    fixture_link_open(&link_a, key_of(1));
    assert_true(puppet_accept(&p, &link_a, &f.nodes[1].identity.keys));
    assert_true(puppet_recv(&p, &type, body, &len));
    puppet_hello(&p, &f.nodes[1]);
    assert_int_equal(link_a.ends[0].ups, 1);
    puppet_send(&p, ATTEST_FRAME_REFUSE, out, node_refuse_encode(out, &refuse));
    assert_down(0, NODE_REASON_REFUSED);
    assert_int_equal(link_a.ends[0].down.down.code, NODE_CODE_NO_SEAT);
}

/* After REFUSE nothing more is read, and the pipe closes after a second at the latest. */
static void test_refuse_waits_for_the_peer_to_close(void **state)
{
    struct puppet p;
    struct node_refuse refuse;
    uint8_t type;
    size_t len;
    (void)state;
    begin_puppet(&p);
    f.nodes[0].record.sig.bytes[40] ^= 1;
    puppet_hello(&p, &f.nodes[0]);
    assert_true(puppet_recv(&p, &type, body, &len));
    assert_int_equal(type, ATTEST_FRAME_REFUSE);
    assert_int_equal(node_refuse_decode(&refuse, body, len), BASE_OK);
    assert_int_equal(refuse.code, NODE_CODE_NOT_ADMITTED);
    f.nodes[0].record.sig.bytes[40] ^= 1;
    puppet_hello(&p, &f.nodes[0]); /* one attempt a pipe */
    puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
    fixture_link_advance(&link_a, NODE_SESSION_LINGER_MS - 1);
    assert_int_equal(link_a.ends[1].closes, 0);
    fixture_link_advance(&link_a, 1);
    assert_int_equal(link_a.ends[1].closes, 1);
    assert_int_equal(link_a.ends[1].judged + link_a.ends[1].ups, 0);
    assert_false(puppet_recv(&p, &type, body, &len));
}

/* --- snapshots
 * ------------------------------------------------------------------------------------------ */

static void test_eviction_comes_before_the_next_frame(void **state)
{
    (void)state;
    join();
    link_a.paused = true;
    queue(0, GOSSIP, "from a sold seat", 0);
    mesh_fixture_address(&f.seats[0].owner, "buyer");
    mesh_fixture_publish(&f);
    fixture_link_kind(&link_a, 1, NODE_SESSION_EV_SNAPSHOT);
    link_a.paused = false;
    fixture_link_run(&link_a);
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 0);
    assert_down(1, NODE_REASON_EVICTED);
    assert_int_equal(link_a.ends[1].down.down.refusal.reason, NODE_REASON_OWNER_CHANGED);
    assert_int_equal(link_a.ends[1].down.down.refusal.block, f.head.block.number);
    assert_down(0, NODE_REASON_EVICTED);
    assert_true(link_a.ends[0].down.down.by_peer);
    assert_int_equal(link_a.ends[0].down.down.code, NODE_CODE_EVICTED);
}

static void test_snapshot_that_changes_nothing(void **state)
{
    (void)state;
    join();
    mesh_fixture_publish(&f);
    fixture_link_kind(&link_a, 0, NODE_SESSION_EV_SNAPSHOT);
    fixture_link_kind(&link_a, 1, NODE_SESSION_EV_SNAPSHOT);
    f.nodes[1].admission.snapshot = NULL; /* nothing to judge by is no verdict */
    fixture_link_kind(&link_a, 1, NODE_SESSION_EV_SNAPSHOT);
    queue(0, GOSSIP, "x", 0);
    assert_int_equal(link_a.ends[1].frames[GOSSIP], 1);
}

/* Judged, and sold while the mesh looks for a copy, or while READY is awaited. */
static void test_seat_lost_between_verdict_and_ready(void **state)
{
    (void)state;
    for (int admitted = 0; admitted < 2; admitted++) {
        struct puppet p;
        begin_puppet(&p);
        link_a.ends[1].hold_verdict = true;
        puppet_hello(&p, &f.nodes[0]);
        assert_int_equal(link_a.ends[1].judged, 1);
        if (admitted == 1) fixture_link_kind(&link_a, 1, NODE_SESSION_EV_ADMIT);
        f.seats[0].active = false;
        mesh_fixture_publish(&f);
        fixture_link_kind(&link_a, 1, NODE_SESSION_EV_SNAPSHOT);
        assert_int_equal(link_a.ends[1].refused.refused.refusal.reason, NODE_REASON_INACTIVE);
        puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
        assert_int_equal(link_a.ends[1].ups, 0);
        f.seats[0].active = true;
        mesh_fixture_publish(&f);
        fixture_link_deinit(&link_a);
    }
}

/* --- time
 * -----------------------------------------------------------------------------------------------
 */

static void assert_timeout(size_t end)
{
    fixture_link_advance(&link_a, NODE_SESSION_HANDSHAKE_MS - 1);
    assert_int_equal(link_a.ends[end].closes, 0);
    fixture_link_advance(&link_a, 1);
    assert_int_equal(link_a.ends[end].closes, 1);
    assert_int_equal(link_a.ends[end].close, NODE_REASON_TIMEOUT);
    assert_int_equal(link_a.ends[end].ups, 0);
}

static void test_timeouts_of_each_step(void **state)
{
    struct puppet p;
    (void)state;
    fixture_link_init(&link_a, NULL, &f.nodes[1]); /* silence instead of act 1 */
    fixture_link_open(&link_a, NULL);
    assert_timeout(1);
    fixture_link_deinit(&link_a);
    fixture_link_init(&link_a, &f.nodes[0], NULL); /* instead of act 2 */
    fixture_link_open(&link_a, key_of(1));
    assert_timeout(0);
    fixture_link_deinit(&link_a);
    begin_puppet(&p); /* instead of HELLO */
    assert_timeout(1);
    fixture_link_deinit(&link_a);
    begin_puppet(&p); /* instead of READY */
    puppet_hello(&p, &f.nodes[0]);
    assert_timeout(1);
    fixture_link_deinit(&link_a);
    begin_puppet(&p); /* instead of the mesh's verdict */
    link_a.ends[1].hold_verdict = true;
    puppet_hello(&p, &f.nodes[0]);
    assert_timeout(1);
    fixture_link_deinit(&link_a);
    fixture_link_init(&link_a, &f.nodes[0], NULL); /* instead of the responder's HELLO */
    fixture_link_open(&link_a, key_of(1));
    assert_true(puppet_accept(&p, &link_a, &f.nodes[1].identity.keys));
    assert_timeout(0);
}

/* READY that comes too late is too late, even if nobody has called TIMER. */
static void test_late_ready_does_not_join(void **state)
{
    struct puppet p;
    (void)state;
    begin_puppet(&p);
    puppet_hello(&p, &f.nodes[0]);
    link_a.now_ms += NODE_SESSION_HANDSHAKE_MS;
    puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
    assert_int_equal(link_a.ends[1].ups, 0);
    assert_int_equal(link_a.ends[1].close, NODE_REASON_TIMEOUT);
}

/* The dialling side renews once, between 11 and 13 hours. */
static void test_renewal(void **state)
{
    (void)state;
    join();
    fixture_link_advance(&link_a, 11 * 3600000 - 1000);
    assert_int_equal(link_a.ends[0].renewals, 0);
    fixture_link_advance(&link_a, 2 * 3600000 + 2000);
    assert_int_equal(link_a.ends[0].renewals, 1);
    fixture_link_advance(&link_a, 48 * 3600000);
    assert_int_equal(link_a.ends[0].renewals, 1);
    assert_int_equal(link_a.ends[1].renewals, 0);
    assert_int_equal(link_a.ends[0].downs, 0);
}

static void test_bad_entropy_and_bad_keys(void **state)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_OPEN};
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
    assert_int_equal(fixture_link_step(&link_a, 1, &ev), BASE_EKEY); /* zero: draw again */
    memset(ev.open.entropy, 0xff, sizeof ev.open.entropy);
    assert_int_equal(fixture_link_step(&link_a, 1, &ev), BASE_EKEY); /* not below n */
    ev.open.dialed = true;
    memset(ev.open.entropy, 1, sizeof ev.open.entropy);
    assert_int_equal(fixture_link_step(&link_a, 0, &ev), BASE_EKEY); /* no point */
    ev.open.remote = *key_of(1);
    assert_int_equal(fixture_link_step(&link_a, 0, &ev), BASE_OK);
    assert_int_equal(link_a.ends[0].sends, 1);
}

/* --- duplicates
 * ------------------------------------------------------------------------------------------ */

/* Both ends come to the same choice, and exactly one of them closes. */
static void test_duplicate_rule(void **state)
{
    const struct base_key33 low = {{2, 1}}, high = {{2, 2}};
    (void)state;
    for (int old_by_low = 0; old_by_low < 2; old_by_low++) {
        for (int new_by_low = 0; new_by_low < 2; new_by_low++) {
            struct node_duplicate_rule a =
                node_session_duplicate_rule(&low, &high, old_by_low == 1, new_by_low == 1);
            struct node_duplicate_rule b =
                node_session_duplicate_rule(&high, &low, old_by_low == 0, new_by_low == 0);
            assert_int_equal(a.keep, b.keep);
            assert_true(a.we_close && !b.we_close);
            bool keep_new = old_by_low == new_by_low || new_by_low == 1;
            assert_int_equal(a.keep, keep_new ? NODE_DUPLICATE_KEEP_NEW : NODE_DUPLICATE_KEEP_OLD);
        }
    }
}

static void test_younger_process(void **state)
{
    const uint8_t a[16] = {1}, b[16] = {2};
    (void)state;
    assert_true(node_alive_compare(1, b, 2, a) < 0);
    assert_true(node_alive_compare(2, a, 1, b) > 0);
    assert_true(node_alive_compare(1, a, 1, b) < 0);
    assert_true(node_alive_compare(UINT64_MAX, a, 0, a) > 0);
    assert_int_equal(node_alive_compare(1, a, 1, a), 0);
}

/* --- bodies
 * ---------------------------------------------------------------------------------------------- */

static void test_refuse_body(void **state)
{
    struct node_refuse in = {.code = 4, .retry_s = 0x01020304, .text = "why", .has_alive = true};
    struct node_refuse out;
    uint8_t bytes[NODE_REFUSE_BYTES_MAX + 1] = {0};
    (void)state;
    memset(&in.alive, 0x42, sizeof in.alive);
    in.alive.start_incarnation = 7;
    size_t len = node_refuse_encode(bytes, &in);
    assert_int_equal(node_refuse_decode(&out, bytes, len), BASE_OK);
    assert_int_equal(out.retry_s, 0x01020304);
    assert_string_equal(out.text, "why");
    assert_true(out.has_alive && out.alive.start_incarnation == 7);
    for (size_t cut = 0; cut < len; cut++)
        if (cut != 9) assert_int_equal(node_refuse_decode(&out, bytes, cut), BASE_EMALFORMED);
    assert_int_equal(node_refuse_decode(&out, bytes, 9), BASE_OK); /* without ALIVE */
    assert_false(out.has_alive);
    assert_int_equal(node_refuse_decode(&out, bytes, len + 1), BASE_EMALFORMED);
    bytes[0] = 3; /* ALIVE belongs to code 4 only */
    assert_int_equal(node_refuse_decode(&out, bytes, len), BASE_EMALFORMED);
    bytes[0] = 0;
    assert_int_equal(node_refuse_decode(&out, bytes, 9), BASE_EMALFORMED);
    bytes[0] = 200; /* a later version's: shown as it is */
    assert_int_equal(node_refuse_decode(&out, bytes, 9), BASE_OK);
    bytes[6] = 0x1b; /* no escape sequences into anybody's terminal */
    assert_int_equal(node_refuse_decode(&out, bytes, 9), BASE_EMALFORMED);
    bytes[5] = 129;
    assert_int_equal(node_refuse_decode(&out, bytes, 6 + 129), BASE_EMALFORMED);
}

static void test_bye_body(void **state)
{
    struct node_bye in = {.code = 16, .text = "gone"}, out;
    uint8_t bytes[NODE_BYE_BYTES_MAX + 1] = {0};
    (void)state;
    size_t len = node_bye_encode(bytes, &in);
    assert_int_equal(node_bye_decode(&out, bytes, len), BASE_OK);
    assert_string_equal(out.text, "gone");
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(node_bye_decode(&out, bytes, cut), BASE_EMALFORMED);
    assert_int_equal(node_bye_decode(&out, bytes, len + 1), BASE_EMALFORMED);
    bytes[2] = 0x7f;
    assert_int_equal(node_bye_decode(&out, bytes, len), BASE_EMALFORMED);
    memset(in.text, 'x', 128);
    assert_int_equal(node_bye_encode(bytes, &in), NODE_BYE_BYTES_MAX);
    assert_true(NODE_BYE_BYTES_MAX <= attest_frame_body_max(ATTEST_FRAME_BYE));
    assert_true(NODE_REFUSE_BYTES_MAX <= attest_frame_body_max(ATTEST_FRAME_REFUSE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_frames_arrive_both_ways),
        TEST(test_thousands_of_frames_through_key_rotations),
        TEST(test_queue_refuses_what_does_not_fit),
        TEST(test_queue_is_bounded_by_frames),
        TEST(test_queue_is_bounded_by_bytes),
        TEST(test_newer_frame_replaces_older),
        TEST(test_one_message_at_a_time),
        TEST(test_window_closes_and_opens),
        TEST(test_bare_ack_after_16_frames_or_100_ms),
        TEST(test_idle_sessions_fall_silent),
        TEST(test_answers_are_acknowledged_by_the_way),
        TEST(test_stuck_on_a_window_of_answers),
        TEST(test_stuck_without_acknowledgement),
        TEST(test_slow_peer_is_not_stuck),
        TEST(test_stuck_link_that_takes_nothing),
        TEST(test_stuck_after_16_unanswered_acks),
        TEST(test_replayed_frame_closes),
        TEST(test_gap_closes),
        TEST(test_any_changed_byte_closes),
        TEST(test_acknowledging_what_was_not_sent_closes),
        TEST(test_taking_an_acknowledgement_back_closes),
        TEST(test_oversize_message_closes),
        TEST(test_oversize_body_closes),
        TEST(test_short_message_closes),
        TEST(test_peer_that_ignores_the_window),
        TEST(test_unknown_types_are_counted_and_ignored),
        TEST(test_only_1_to_4_before_ready),
        TEST(test_ack_is_allowed_before_ready),
        TEST(test_second_hello_closes),
        TEST(test_second_ready_closes),
        TEST(test_ready_from_the_responder_closes),
        TEST(test_refuse_and_bye_must_be_well_formed),
        TEST(test_goodbye),
        TEST(test_goodbye_to_a_silent_peer),
        TEST(test_close_before_ready_says_nothing),
        TEST(test_pipe_gone),
        TEST(test_refuse_that_crosses_ready),
        TEST(test_refuse_waits_for_the_peer_to_close),
        TEST(test_eviction_comes_before_the_next_frame),
        TEST(test_snapshot_that_changes_nothing),
        TEST(test_seat_lost_between_verdict_and_ready),
        TEST(test_timeouts_of_each_step),
        TEST(test_late_ready_does_not_join),
        TEST(test_renewal),
        TEST(test_bad_entropy_and_bad_keys),
        TEST(test_duplicate_rule),
        TEST(test_younger_process),
        TEST(test_refuse_body),
        TEST(test_bye_body),
    };
    return cmocka_run_group_tests_name("node_session", tests, NULL, NULL);
}
