#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "link_ends.h"

#define BURST  10000
#define WINDOW 32

static uv_loop_t loop;
static struct end a, b; /* a listens, b dials */

static int setup(void **state)
{
    (void)state;
    ends_loop_open(&loop);
    end_open(&a, &loop, NULL);
    end_open(&b, &loop, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end_close(&b);
    end_close(&a);
    ends_loop_close(&loop);
    return 0;
}

static int send_text(struct end *end, struct end_link *link, const char *text)
{
    return node_link_send(end->links, link->id, (const uint8_t *)text, strlen(text));
}

static bool has_text(const struct end_link *link, const char *text)
{
    return link->last_len == strlen(text) && memcmp(link->last, text, link->last_len) == 0;
}

/* Dials, and says something both ways: the listener first, unasked. */
static void check_both_ways(const char *listen_url, const char *dial_format, const char *remote)
{
    char url[NODE_LINK_URL_BYTES_MAX];
    char expected[NODE_LINK_REMOTE_BYTES];
    struct sockaddr_storage address;
    uint16_t port = end_listen(&a, listen_url);
    struct end_link *dialed, *accepted;
    snprintf(expected, sizeof expected, "%s:%u", remote, (unsigned)port);
    snprintf(url, sizeof url, dial_format, (unsigned)port);
    dialed = end_dial(&b, "%s", url);
    ends_until(&loop, dialed->is_up && end_accepted(&a, 0) != NULL);
    accepted = end_accepted(&a, 0);
    assert_true(dialed->is_dialed);
    assert_string_equal(dialed->remote, expected);
    assert_memory_equal(accepted->remote, remote, strlen(remote));
    assert_true(node_link_remote_address(a.links, accepted->id, &address));
    assert_int_equal(send_text(&a, accepted, "who is there?"), BASE_OK);
    ends_until(&loop, has_text(dialed, "who is there?"));
    assert_int_equal(send_text(&b, dialed, "me"), BASE_OK);
    ends_until(&loop, has_text(accepted, "me"));
    assert_int_equal(send_text(&b, dialed, ""), BASE_OK); /* empty frames are frames */
    ends_until(&loop, accepted->frame_count == 2);
    assert_int_equal(accepted->last_len, 0);
}

static void test_tcp_both_ways(void **state)
{
    (void)state;
    check_both_ways("tcp://127.0.0.1:0", "tcp://127.0.0.1:%u", "127.0.0.1");
}

static void test_ipv6_both_ways(void **state)
{
    (void)state;
    check_both_ways("tcp://[::1]:0", "tcp://[::1]:%u", "[::1]");
}

static void test_ws_both_ways(void **state)
{
    (void)state;
    check_both_ways("ws://127.0.0.1:0", "ws://127.0.0.1:%u", "127.0.0.1");
}

static void test_ws_with_path_over_ipv6(void **state)
{
    (void)state;
    check_both_ways("ws://[::1]:0/mesh/a.b-c_d", "ws://[::1]:%u/mesh/a.b-c_d", "[::1]");
}

static void test_name_is_resolved(void **state)
{
    (void)state;
    check_both_ways("tcp://127.0.0.1:0", "tcp://localhost:%u", "127.0.0.1");
    assert_true(b.allow_count >= 1);
}

static void test_ws_name_is_resolved(void **state)
{
    (void)state;
    check_both_ways("ws://0.0.0.0:0/", "ws://localhost:%u/", "127.0.0.1");
}

/* A listener with several URLs and several peers speaks to the one that it means. */
static void test_frames_go_to_one_peer(void **state)
{
    uint16_t tcp_port = end_listen(&a, "tcp://127.0.0.1:0");
    uint16_t ws_port = end_listen(&a, "ws://127.0.0.1:0");
    struct end_link *dialed[8];
    (void)state;
    a.habit = END_ECHOES;
    for (int i = 0; i < 8; i++)
        dialed[i] = i % 2 == 0 ? end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)tcp_port)
                               : end_dial(&b, "ws://127.0.0.1:%u", (unsigned)ws_port);
    ends_until(&loop, end_up_count(&b) == 8 && end_up_count(&a) == 8);
    for (int i = 0; i < 8; i++) {
        char text[16];
        snprintf(text, sizeof text, "peer %d", i);
        assert_int_equal(send_text(&b, dialed[i], text), BASE_OK);
    }
    for (int i = 0; i < 8; i++) {
        char text[16];
        snprintf(text, sizeof text, "peer %d", i);
        ends_until(&loop, dialed[i]->frame_count > 0);
        assert_true(has_text(dialed[i], text));
        assert_int_equal(dialed[i]->frame_count, 1);
    }
}

static struct end_link *connect_ends(const char *scheme)
{
    char url[64];
    struct end_link *dialed;
    snprintf(url, sizeof url, "%s://127.0.0.1:0", scheme);
    dialed = end_dial(&b, "%s://127.0.0.1:%u", scheme, (unsigned)end_listen(&a, url));
    ends_until(&loop, dialed->is_up && end_accepted(&a, 0) != NULL);
    return dialed;
}

static void send_number(struct end *end, struct end_link *link, uint64_t number)
{
    uint8_t frame[100] = {0};
    base_put_u64be(frame, number);
    assert_int_equal(node_link_send(end->links, link->id, frame, sizeof frame), BASE_OK);
}

/* The session's discipline: the next frame is made when the last one has left. */
static void send_next(struct end *end, struct end_link *link)
{
    (void)end;
    if (link->sent_count < BURST) send_number(end, link, link->sent_count);
}

static void check_dialer_burst(const char *scheme)
{
    struct end_link *dialed = connect_ends(scheme);
    struct end_link *accepted = end_accepted(&a, 0);
    b.on_sent = send_next;
    send_number(&b, dialed, 0);
    ends_until(&loop, accepted->frame_count == BURST && dialed->sent_count == BURST);
    assert_false(accepted->is_out_of_order);
    assert_int_equal(node_link_queued_count(b.links, dialed->id), 0);
}

static void test_burst_from_dialer_loses_nothing(void **state)
{
    (void)state;
    check_dialer_burst("tcp");
}

static void test_burst_from_ws_dialer_loses_nothing(void **state)
{
    (void)state;
    check_dialer_burst("ws");
}

/* A listener's frames are safe within the session's window of 32 only: nng queues 64 for a pipe
 * and drops the rest. */
struct window {
    struct end_link *accepted;
    uint64_t made, acknowledged;
};

static void window_fill(struct end *end, struct window *window)
{
    while (window->made < BURST && window->made - window->acknowledged < WINDOW)
        send_number(end, window->accepted, window->made++);
}

static void on_acknowledgement(struct end *end, struct end_link *link, const uint8_t *frame,
                               size_t len)
{
    struct window *window = end->ctx;
    (void)link;
    assert_int_equal(len, 4);
    window->acknowledged = base_get_u32be(frame);
    window_fill(end, window);
}

static void acknowledge(struct end *end, struct end_link *link, const uint8_t *frame, size_t len)
{
    uint8_t ack[4];
    (void)frame;
    (void)len;
    if (link->frame_count % 16 != 0) return;
    base_put_u32be(ack, (uint32_t)link->frame_count);
    assert_int_equal(node_link_send(end->links, link->id, ack, sizeof ack), BASE_OK);
}

static void test_burst_from_listener_within_window_loses_nothing(void **state)
{
    struct end_link *dialed = connect_ends("tcp");
    static struct window window; /* acknowledgements come in until teardown has closed the ends */
    (void)state;
    window = (struct window){.accepted = end_accepted(&a, 0)};
    a.on_frame = on_acknowledgement;
    a.ctx = &window;
    b.on_frame = acknowledge;
    window_fill(&a, &window);
    ends_until(&loop, dialed->frame_count == BURST);
    assert_false(dialed->is_out_of_order);
}

static void test_queue_is_bounded(void **state)
{
    struct end_link *dialed = connect_ends("tcp");
    struct end_link *accepted = end_accepted(&a, 0);
    uint8_t number[8];
    (void)state;
    for (uint64_t i = 0; i <= NODE_LINK_QUEUE_MAX; i++) {
        base_put_u64be(number, i);
        assert_int_equal(node_link_send(b.links, dialed->id, number, sizeof number), BASE_OK);
    }
    assert_int_equal(node_link_queued_count(b.links, dialed->id), NODE_LINK_QUEUE_MAX + 1);
    assert_int_equal(node_link_send(b.links, dialed->id, number, sizeof number), BASE_EFULL);
    ends_until(&loop, accepted->frame_count == NODE_LINK_QUEUE_MAX + 1);
    assert_false(accepted->is_out_of_order);
    ends_until(&loop, dialed->sent_count == NODE_LINK_QUEUE_MAX + 1);
    assert_int_equal(node_link_send(b.links, dialed->id, number, sizeof number), BASE_OK);
}

static void test_largest_frame_fits_and_a_larger_one_is_refused(void **state)
{
    static uint8_t frame[NODE_LINK_FRAME_BYTES_MAX + 1];
    struct end_link *dialed = connect_ends("tcp");
    struct end_link *accepted = end_accepted(&a, 0);
    (void)state;
    assert_int_equal(node_link_send(b.links, dialed->id, frame, sizeof frame), BASE_ETOOBIG);
    assert_int_equal(node_link_send(b.links, dialed->id, frame, sizeof frame - 1), BASE_OK);
    assert_int_equal(node_link_send(a.links, accepted->id, frame, sizeof frame - 1), BASE_OK);
    ends_until(&loop, accepted->frame_bytes == NODE_LINK_FRAME_BYTES_MAX);
    ends_until(&loop, dialed->frame_bytes == NODE_LINK_FRAME_BYTES_MAX);
}

static void test_largest_frame_fits_through_ws(void **state)
{
    static uint8_t frame[NODE_LINK_FRAME_BYTES_MAX];
    struct end_link *dialed = connect_ends("ws");
    struct end_link *accepted = end_accepted(&a, 0);
    (void)state;
    assert_int_equal(node_link_send(b.links, dialed->id, frame, sizeof frame), BASE_OK);
    assert_int_equal(node_link_send(a.links, accepted->id, frame, sizeof frame), BASE_OK);
    ends_until(&loop, accepted->frame_bytes == NODE_LINK_FRAME_BYTES_MAX);
    ends_until(&loop, dialed->frame_bytes == NODE_LINK_FRAME_BYTES_MAX);
}

static void test_dead_ids_stay_dead(void **state)
{
    struct end_link *first = connect_ends("tcp"), *second;
    struct sockaddr_storage address;
    (void)state;
    node_link_close(b.links, first->id, NODE_LINK_WHY_STUCK);
    assert_int_equal(send_text(&b, first, "too late"), BASE_ECLOSED);
    node_link_close(b.links, first->id, NODE_LINK_WHY_LOCAL); /* nothing happens twice */
    ends_until(&loop, first->down_count == 1);
    assert_int_equal(first->why, NODE_LINK_WHY_STUCK);
    ends_until(&loop, end_accepted(&a, 0)->down_count == 1);
    assert_int_equal(end_accepted(&a, 0)->why, NODE_LINK_WHY_PEER);
    second = connect_ends("tcp");
    assert_int_equal((uint32_t)second->id, (uint32_t)first->id); /* the slot is used again */
    assert_true(second->id != first->id);
    assert_int_equal(send_text(&b, first, "too late"), BASE_ECLOSED);
    assert_string_equal(node_link_remote(b.links, first->id), "");
    assert_false(node_link_remote_address(b.links, first->id, &address));
    assert_int_equal(node_link_queued_count(b.links, first->id), 0);
    assert_int_equal(node_link_send(b.links, 0, (const uint8_t *)"", 0), BASE_ECLOSED);
    assert_int_equal(node_link_send(b.links, UINT64_MAX, (const uint8_t *)"", 0), BASE_ECLOSED);
    node_link_close(b.links, first->id, NODE_LINK_WHY_LOCAL);
    assert_int_equal(send_text(&b, second, "on time"), BASE_OK);
}

static void test_listener_closes_one_of_two(void **state)
{
    struct end_link *first = connect_ends("tcp"), *second;
    (void)state;
    second = connect_ends("ws");
    ends_until(&loop, end_accepted(&a, 1) != NULL);
    node_link_close(a.links, end_accepted(&a, 0)->id, NODE_LINK_WHY_LOCAL);
    ends_until(&loop, first->down_count == 1 && end_accepted(&a, 0)->down_count == 1);
    assert_int_equal(first->why, NODE_LINK_WHY_PEER);
    assert_int_equal(end_accepted(&a, 0)->why, NODE_LINK_WHY_LOCAL);
    assert_int_equal(send_text(&b, second, "still here"), BASE_OK);
    ends_until(&loop, has_text(end_accepted(&a, 1), "still here"));
}

static void test_closing_inside_of_callbacks(void **state)
{
    struct end_link *dialed;
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    (void)state;
    b.habit = END_CLOSES_AT_UP;
    dialed = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    ends_until(&loop, dialed->down_count == 1);
    b.habit = END_KEEPS;
    a.habit = END_CLOSES_AT_UP;
    dialed = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    ends_until(&loop, dialed->down_count == 1);
    a.habit = END_CLOSES_AT_FRAME;
    dialed = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    ends_until(&loop, dialed->is_up);
    for (int i = 0; i < 8; i++)
        assert_int_equal(send_text(&b, dialed, "one is enough"), BASE_OK);
    ends_until(&loop, dialed->down_count == 1);
    ends_until(&loop, end_up_count(&a) == 0);
    for (int i = 0; i < a.seen_count; i++)
        assert_true(a.seen[i].frame_count <= 1);
}

/* Whatever state a link is in when all is closed, its down comes, once, and nothing is left. */
static void test_closing_all_in_every_state(void **state)
{
    uint16_t mute_port;
    int mute = raw_listen(&mute_port, 16);
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    struct end_link *up = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    struct end_link *dialing = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)mute_port);
    struct end_link *closing, *resolving, *fresh;
    (void)state;
    ends_until(&loop, up->is_up && end_accepted(&a, 0) != NULL);
    for (int i = 0; i < NODE_LINK_QUEUE_MAX; i++) {
        assert_int_equal(send_text(&b, up, "on its way"), BASE_OK);
        assert_int_equal(send_text(&a, end_accepted(&a, 0), "on its way"), BASE_OK);
    }
    closing = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    node_link_close(b.links, closing->id, NODE_LINK_WHY_LOCAL);
    resolving = end_dial(&b, "tcp://localhost:%u", (unsigned)port);
    fresh = end_dial(&b, "ws://127.0.0.1:%u", (unsigned)port);
    end_close(&b); /* checks that each has one down */
    assert_int_equal(up->why, NODE_LINK_WHY_LOCAL);
    assert_int_equal(dialing->why, NODE_LINK_WHY_LOCAL);
    assert_int_equal(resolving->why, NODE_LINK_WHY_LOCAL);
    assert_int_equal(fresh->why, NODE_LINK_WHY_LOCAL);
    end_open(&b, &loop, NULL);
    assert_int_equal(close(mute), 0);
}

/* The same, again and again, at moments that differ: under ASan this finds what is freed too
 * early, in nng's threads and in ours. */
static void test_churn(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    (void)state;
    a.habit = END_ECHOES;
    for (int round = 0; round < 40; round++) {
        struct end_link *dialed[5];
        for (int i = 0; i < 5; i++)
            dialed[i] = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
        for (int turn = 0; turn < round % 7; turn++)
            uv_run(&loop, UV_RUN_NOWAIT);
        for (int i = 0; i < 5; i++) {
            if (dialed[i]->is_up) (void)send_text(&b, dialed[i], "hello and good-bye");
        }
        if (round % 3 == 0) ends_until(&loop, end_up_count(&b) == 5);
        for (int i = 0; i < 5; i++)
            node_link_close(b.links, dialed[i]->id, NODE_LINK_WHY_LOCAL);
        ends_until(&loop, end_up_count(&b) == 0);
        ends_until(&loop, dialed[4]->down_count == 1);
    }
    ends_until(&loop, end_up_count(&a) == 0);
}

/* A loop that is busy holds the peers back rather than memory, and loses nothing of theirs. */
static void test_busy_loop_holds_peers_back(void **state)
{
    int fd = raw_connect(end_listen(&a, "tcp://127.0.0.1:0"));
    uint64_t made = 0;
    uint8_t frame[1000] = {0};
    struct end_link *accepted;
    (void)state;
    raw_greet(fd, 0x30);
    ends_until(&loop, end_accepted(&a, 0) != NULL);
    accepted = end_accepted(&a, 0);
    /* The loop stands still: the kernel takes what it likes, and we take 4 kB at most. */
    while (made < 10000 && raw_is_writable(fd)) {
        base_put_u64be(frame, made++);
        raw_message(fd, frame, sizeof frame);
    }
    assert_true(made > 100);
    assert_true(node_inbox_count(a.inbox) <= 2); /* received, and the greeting was sent */
    ends_until(&loop, accepted->frame_count == made);
    assert_false(accepted->is_out_of_order);
    assert_int_equal(close(fd), 0);
    ends_until(&loop, accepted->down_count == 1);
}

/* A link that is held shows nothing, not even what has come in already, and the others go on. Then
 * everything comes, in order. */
static node_link_id held_id;

static void hold_at_the_third(struct end *end, struct end_link *link, const uint8_t *frame,
                              size_t len)
{
    (void)frame;
    (void)len;
    if (link->frame_count != 3 || held_id != 0) return;
    held_id = link->id;
    node_link_hold(end->links, link->id);
}

static void send_burst(const struct end_link *link, uint64_t from, uint64_t count)
{
    uint8_t number[8];
    for (uint64_t i = from; i < from + count; i++) {
        base_put_u64be(number, i);
        assert_int_equal(node_link_send(b.links, link->id, number, sizeof number), BASE_OK);
    }
}

static void test_a_held_link_rests_alone(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    struct end_link *one, *other, *held;
    (void)state;
    held_id = 0;
    a.on_frame = hold_at_the_third;
    one = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    ends_until(&loop, one->is_up && end_accepted(&a, 0) != NULL);
    other = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    ends_until(&loop, other->is_up && end_accepted(&a, 1) != NULL);
    send_burst(one, 0, 40);
    ends_until(&loop, one->sent_count == 40 && held_id != 0);
    held = end_link(&a, held_id);
    send_burst(other, 0, 40);
    ends_until(&loop, end_accepted(&a, 1)->frame_count == 40);
    assert_int_equal(held->frame_count, 3);
    node_link_go_on(a.links, held_id);
    node_link_go_on(a.links, held_id);      /* twice is once */
    assert_int_equal(held->frame_count, 3); /* no callback inside of the call */
    ends_until(&loop, held->frame_count == 40);
    node_link_hold(a.links, held_id);
    node_link_go_on(a.links, held_id); /* while a read is under way */
    send_burst(one, 40, 1);
    ends_until(&loop, held->frame_count == 41);
    assert_false(held->is_out_of_order);
    assert_true(one->is_up && other->is_up);
}

/* Closed meanwhile, by either end. */
static void test_a_held_link_ends(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    (void)state;
    a.on_frame = hold_at_the_third;
    for (int round = 0; round < 3; round++) {
        struct end_link *one = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port), *held;
        held_id = 0;
        ends_until(&loop, one->is_up);
        send_burst(one, 0, 10);
        ends_until(&loop, held_id != 0 && one->sent_count == 10);
        held = end_link(&a, held_id);
        if (round == 2) node_link_close(b.links, one->id, NODE_LINK_WHY_LOCAL);
        if (round >= 1) node_link_go_on(a.links, held_id);
        if (round <= 1) node_link_close(a.links, held_id, NODE_LINK_WHY_LOCAL);
        ends_until(&loop, held->down_count == 1);
        assert_int_equal(held->frame_count, round == 2 ? 10 : 3);
        node_link_hold(a.links, held_id); /* gone: nothing */
        node_link_go_on(a.links, held_id);
    }
}

/* A peer that says why, and closes: the last word is heard before the down. */
static void test_last_word_is_heard(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    (void)state;
    for (int i = 0; i < 100; i++) {
        int fd = raw_connect(port);
        raw_greet(fd, 0x30);
        ends_until(&loop, end_accepted(&a, i) != NULL);
        raw_take_greeting(fd);
        raw_message(fd, "not_ready", 9);
        assert_int_equal(close(fd), 0);
        ends_until(&loop, end_accepted(&a, i)->down_count == 1);
        assert_true(has_text(end_accepted(&a, i), "not_ready"));
    }
}

static void test_stats(void **state)
{
    struct node_links_stats stats;
    struct end_link *dialed = connect_ends("tcp");
    (void)state;
    a.habit = END_ECHOES;
    assert_int_equal(send_text(&b, dialed, "echo"), BASE_OK);
    ends_until(&loop, dialed->frame_count == 1);
    node_links_stats(b.links, &stats);
    assert_int_equal(stats.up_dialed_count, 1);
    assert_int_equal(stats.up_accepted_count, 0);
    assert_int_equal(stats.dialing_count, 0);
    assert_int_equal(stats.frames_in_count, 1);
    assert_int_equal(stats.frames_out_count, 1);
    assert_true(stats.descriptors_open_count > 3);
    assert_true(stats.descriptors_open_count < stats.descriptors_max);
    node_links_stats(a.links, &stats);
    assert_int_equal(stats.up_accepted_count, 1);
    assert_int_equal(stats.unproved_count, 1);
    node_links_mark_proved(a.links, end_accepted(&a, 0)->id);
    node_links_mark_proved(a.links, end_accepted(&a, 0)->id);
    node_links_stats(a.links, &stats);
    assert_int_equal(stats.unproved_count, 0);
}

int main(void)
{
#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LINK_TEST(test_tcp_both_ways),
        LINK_TEST(test_ipv6_both_ways),
        LINK_TEST(test_ws_both_ways),
        LINK_TEST(test_ws_with_path_over_ipv6),
        LINK_TEST(test_name_is_resolved),
        LINK_TEST(test_ws_name_is_resolved),
        LINK_TEST(test_frames_go_to_one_peer),
        LINK_TEST(test_burst_from_dialer_loses_nothing),
        LINK_TEST(test_burst_from_ws_dialer_loses_nothing),
        LINK_TEST(test_burst_from_listener_within_window_loses_nothing),
        LINK_TEST(test_queue_is_bounded),
        LINK_TEST(test_largest_frame_fits_and_a_larger_one_is_refused),
        LINK_TEST(test_largest_frame_fits_through_ws),
        LINK_TEST(test_dead_ids_stay_dead),
        LINK_TEST(test_listener_closes_one_of_two),
        LINK_TEST(test_closing_inside_of_callbacks),
        LINK_TEST(test_closing_all_in_every_state),
        LINK_TEST(test_churn),
        LINK_TEST(test_busy_loop_holds_peers_back),
        LINK_TEST(test_a_held_link_rests_alone),
        LINK_TEST(test_a_held_link_ends),
        LINK_TEST(test_last_word_is_heard),
        LINK_TEST(test_stats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
