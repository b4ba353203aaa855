#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "link_ends.h"
#include "node/nng_shim.h"

#define ATTACKS   500
#define SHORT_MS  200 /* time-outs that are to be reached */
#define FLOOD_MAX 300

static uv_loop_t loop;
static struct end a, b; /* a is attacked, b is a peer in good faith */

static int setup(void **state)
{
    const struct node_links_config config = {.unproved_address_max = 64};
    (void)state;
    ends_loop_open(&loop);
    end_open(&a, &loop, &config);
    end_open(&b, &loop, NULL);
    return 0;
}

static int setup_short(void **state)
{
    const struct node_links_config config = {.unproved_address_max = 64,
                                             .dial_timeout_ms = SHORT_MS};
    (void)state;
    ends_loop_open(&loop);
    end_open(&a, &loop, &config);
    end_open(&b, &loop, &config);
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

/* A peer in good faith still gets in, and is heard. */
static void check_still_open(const char *scheme, uint16_t port)
{
    struct end_link *dialed = end_dial(&b, "%s://127.0.0.1:%u", scheme, (unsigned)port);
    a.habit = END_ECHOES;
    ends_until(&loop, dialed->is_up || dialed->down_count > 0);
    assert_true(dialed->is_up);
    assert_int_equal(node_link_send(b.links, dialed->id, (const uint8_t *)"x", 1), BASE_OK);
    ends_until(&loop, dialed->frame_count == 1);
    node_link_close(b.links, dialed->id, NODE_LINK_WHY_LOCAL);
    ends_until(&loop, dialed->down_count == 1);
}

/* Closing with time 0 to linger sends a reset. */
static void reset(int fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(close(fd), 0);
}

/* Connect, FIN, RST, before a byte is said: one of these ends an nng 1.5 socket's listener. */
static void check_connect_fin_rst(const char *scheme)
{
    char url[64];
    uint16_t port;
    snprintf(url, sizeof url, "%s://127.0.0.1:0", scheme);
    port = end_listen(&a, url);
    for (int i = 0; i < ATTACKS; i++) {
        int fd = raw_connect(port);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        reset(fd);
        if (i % 50 == 49) check_still_open(scheme, port); /* the kernel queues 128 */
    }
}

static void test_connect_fin_rst(void **state)
{
    (void)state;
    check_connect_fin_rst("tcp");
}

static void test_connect_fin_rst_ws(void **state)
{
    (void)state;
    check_connect_fin_rst("ws");
}

/* Five hundred that connect and say nothing: they use none of the strangers' places, and the
 * oldest of them goes for the next one. */
static void test_silent_strangers(void **state)
{
    static int fds[ATTACKS];
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    struct node_links_stats stats;
    (void)state;
    for (int i = 0; i < ATTACKS; i++) {
        fds[i] = raw_connect(port);
        ends_until(&loop, raw_is_readable(fds[i])); /* greeted: it has been accepted */
    }
    check_still_open("tcp", port);
    ends_until(&loop, end_up_count(&a) == 0);
    node_links_stats(a.links, &stats);
    assert_true(stats.refused_budget_count >= ATTACKS - 256);
    assert_null(end_accepted(&a, 1)); /* nobody but the peer was ever up */
    for (int i = 0; i < ATTACKS; i++)
        close(fds[i]);
}

/* Whoever has said nothing, or half a greeting, goes when the time is over. */
static bool is_closed_by_peer(int fd)
{
    uint8_t byte;
    ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

static void test_half_a_greeting_times_out(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    int silent = raw_connect(port), half = raw_connect(port);
    uint8_t greeting[8];
    (void)state;
    assert_int_equal(send(half, "\0SP\0\0", 5, MSG_NOSIGNAL), 5);
    /* Ours comes first: whoever asks knows it anyway. */
    assert_int_equal(fcntl(silent, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(half, F_SETFL, O_NONBLOCK), 0);
    ends_until(&loop, recv(silent, greeting, 8, 0) == 8);
    ends_until(&loop, recv(half, greeting, 8, 0) == 8);
    ends_until(&loop, is_closed_by_peer(silent));
    ends_until(&loop, is_closed_by_peer(half));
    assert_int_equal(a.seen_count, 0);
    close(silent);
    close(half);
}

static void test_greeting_in_single_bytes(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    int fd = raw_connect(port);
    const uint8_t bytes[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0, /* greeting */
                             0, 0,   0,   0, 0, 0,    0, 7, 0x80, 0, 0, 1, 'a', 'b', 'c'};
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(send(fd, bytes + i, 1, MSG_NOSIGNAL), 1);
        for (int turn = 0; turn < 3; turn++)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
    ends_until(&loop, end_accepted(&a, 0) != NULL && end_accepted(&a, 0)->frame_count == 1);
    assert_memory_equal(end_accepted(&a, 0)->last, "abc", 3);
    close(fd);
}

/* What is no greeting of a REQ: the connection is closed, and nobody hears of it. */
static void test_garbage_instead_of_a_greeting(void **state)
{
    static const char *const garbage[] = {
        "GET / HTTP/1.1\r\n\r\n",           /* a browser */
        "\x16\x03\x01\x02\x00\x01\x00\x01", /* TLS */
        "\0SP\0\0\x31\0\0",                 /* REP to REP */
        "\0SP\0\0\x50\0\0",                 /* PUSH */
        "\0SP\1\0\x30\0\0",                 /* another version */
        "\0SP\0\0\x30\0\1",                 /* reserved bytes */
        "\0SQ\0\0\x30\0\0",
    };
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        int fd = raw_connect(port);
        uint8_t greeting[8];
        assert_int_equal(send(fd, garbage[i], 8, MSG_NOSIGNAL), 8);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        ends_until(&loop, recv(fd, greeting, 8, 0) == 8 || is_closed_by_peer(fd));
        ends_until(&loop, is_closed_by_peer(fd));
        close(fd);
    }
    assert_int_equal(a.seen_count, 0);
    check_still_open("tcp", port);
}

/* Messages that cannot be: each closes its link, once, and none is shown. */
static void check_bad_message(uint16_t port, uint64_t length, uint32_t id)
{
    int seen_before = a.seen_count;
    uint8_t head[12];
    struct end_link *link;
    int fd = raw_connect(port);
    base_put_u64be(head, length);
    base_put_u32be(head + 8, id);
    raw_greet(fd, 0x30);
    raw_message(fd, "good", 4);
    assert_int_equal(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    ends_until(&loop, a.seen_count == seen_before + 1);
    link = &a.seen[seen_before];
    ends_until(&loop, link->down_count == 1);
    assert_int_equal(link->why, NODE_LINK_WHY_PROTOCOL);
    assert_int_equal(link->frame_count, 1); /* the good one before it */
    close(fd);
}

static void test_bad_messages_close(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    (void)state;
    check_bad_message(port, 0, 0x80000001u);
    check_bad_message(port, 3, 0x80000001u);
    check_bad_message(port, NODE_LINK_FRAME_BYTES_MAX + 5, 0x80000001u);
    check_bad_message(port, 1ull << 63, 0x80000001u);
    check_bad_message(port, UINT64_MAX, 0x80000001u);
    check_bad_message(port, 8, 1); /* a hop */
    check_still_open("tcp", port);
}

/* Peers that never stop sending, to one that closes at the first frame, from either side. This is
 * where nng's own sockets hang or panic. */
static void fill(int fd)
{
    static const uint8_t frame[4000];
    for (int i = 0; i < 20 && raw_is_writable(fd); i++)
        raw_message(fd, frame, sizeof frame);
}

static void test_floods_into_a_closing_listener(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    (void)state;
    a.habit = END_CLOSES_AT_FRAME;
    for (int i = 0; i < FLOOD_MAX; i++) {
        int fd = raw_connect(port);
        raw_greet(fd, 0x30);
        fill(fd);
        ends_until(&loop, end_accepted(&a, i) != NULL && end_accepted(&a, i)->down_count == 1);
        assert_int_equal(end_accepted(&a, i)->frame_count, 1);
        close(fd);
    }
    check_still_open("tcp", port);
}

static void test_floods_into_a_closing_dialer(void **state)
{
    uint16_t port;
    int listening = raw_listen(&port, 16);
    (void)state;
    b.habit = END_CLOSES_AT_FRAME;
    for (int i = 0; i < FLOOD_MAX; i++) {
        struct end_link *dialed = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
        int fd = accept(listening, NULL, NULL);
        assert_true(fd >= 0);
        raw_greet(fd, 0x31);
        fill(fd);
        ends_until(&loop, dialed->down_count == 1);
        assert_int_equal(dialed->frame_count, 1);
        close(fd);
    }
    close(listening);
}

static void test_floods_over_ws(void **state)
{
    uint16_t port = end_listen(&a, "ws://127.0.0.1:0");
    static const uint8_t frame[4000];
    (void)state;
    a.habit = END_CLOSES_AT_FRAME;
    for (int i = 0; i < FLOOD_MAX / 3; i++) {
        struct end_link *dialed = end_dial(&b, "ws://127.0.0.1:%u", (unsigned)port);
        ends_until(&loop, dialed->is_up);
        for (int n = 0; n < NODE_LINK_QUEUE_MAX; n++)
            assert_int_equal(node_link_send(b.links, dialed->id, frame, sizeof frame), BASE_OK);
        ends_until(&loop, dialed->down_count == 1);
        ends_until(&loop, end_accepted(&a, i) != NULL && end_accepted(&a, i)->down_count == 1);
    }
    a.habit = END_KEEPS;
    check_still_open("ws", port);
}

/* Budgets */

static void test_ninth_stranger_of_one_address(void **state)
{
    struct end_link *dialed[9];
    struct node_links_stats stats;
    uint16_t port;
    (void)state;
    end_close(&a);
    end_open(&a, &loop, &(struct node_links_config){.unproved_address_max = 8});
    port = end_listen(&a, "tcp://127.0.0.1:0");
    for (int i = 0; i < 8; i++) {
        dialed[i] = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
        ends_until(&loop, end_up_count(&a) == i + 1);
    }
    dialed[8] = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    ends_until(&loop, dialed[8]->down_count == 1);
    assert_int_equal(dialed[8]->why, NODE_LINK_WHY_PEER);
    node_links_stats(a.links, &stats);
    assert_int_equal(stats.refused_address_count, 1);
    assert_int_equal(stats.unproved_count, 8);
    assert_int_equal(end_up_count(&a), 8);
    node_links_mark_proved(a.links, end_accepted(&a, 0)->id); /* one is a stranger no more */
    check_still_open("tcp", port);
    node_link_close(b.links, dialed[1]->id, NODE_LINK_WHY_LOCAL);
    ends_until(&loop, end_up_count(&a) == 7);
    node_links_stats(a.links, &stats);
    assert_int_equal(stats.unproved_count, 6);
}

static void test_accepted_links_are_bounded(void **state)
{
    struct end_link *dialed[3];
    uint16_t port;
    (void)state;
    end_close(&a);
    end_open(&a, &loop, &(struct node_links_config){.accepted_max = 2});
    port = end_listen(&a, "tcp://127.0.0.1:0");
    for (int i = 0; i < 3; i++) {
        dialed[i] = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
        ends_until(&loop, end_up_count(&a) == (i < 2 ? i + 1 : 2));
        if (i < 2) node_links_mark_proved(a.links, end_accepted(&a, i)->id);
    }
    ends_until(&loop, dialed[2]->down_count == 1);
    node_link_close(b.links, dialed[0]->id, NODE_LINK_WHY_LOCAL);
    ends_until(&loop, end_up_count(&a) == 1);
    check_still_open("tcp", port);
}

/* Descriptors above the limit are for links that we open: whoever is accepted there goes. */
static void test_descriptors_are_kept_for_dials(void **state)
{
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    uint64_t refused_before = node_nng_shim_accept_refused_count();
    struct node_links_stats stats;
    struct end_link *dialed;
    (void)state;
    assert_true(node_nng_shim_is_active());
    node_links_stats(a.links, &stats);
    node_nng_shim_accept_limit(3);
    dialed = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    ends_until(&loop, dialed->down_count == 1);
    assert_int_equal(dialed->up_count, 0);
    assert_true(node_nng_shim_accept_refused_count() > refused_before);
    node_links_stats(a.links, &stats);
    assert_true(stats.refused_descriptor_count > 0);
    node_nng_shim_accept_limit((int)stats.descriptors_max);
    check_still_open("tcp", port);
}

/* Dials that fail, and say why */

static void check_down(struct end_link *dialed, enum node_link_why why)
{
    ends_until(&loop, dialed->down_count == 1);
    assert_string_equal(node_link_why_name(dialed->why), node_link_why_name(why));
    assert_int_equal(dialed->up_count, 0);
}

static void test_nobody_listens(void **state)
{
    uint16_t port;
    (void)state;
    assert_int_equal(close(raw_listen(&port, 1)), 0);
    check_down(end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port), NODE_LINK_WHY_REFUSED);
    check_down(end_dial(&b, "ws://127.0.0.1:%u", (unsigned)port), NODE_LINK_WHY_REFUSED);
    check_down(end_dial(&b, "tcp://[::1]:%u", (unsigned)port), NODE_LINK_WHY_REFUSED);
}

static void test_mute_peer_times_out(void **state)
{
    uint16_t port;
    int listening = raw_listen(&port, 16);
    struct end_link *tcp, *ws;
    (void)state;
    tcp = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    ws = end_dial(&b, "ws://127.0.0.1:%u", (unsigned)port);
    check_down(tcp, NODE_LINK_WHY_TIMEOUT);
    check_down(ws, NODE_LINK_WHY_TIMEOUT);
    close(listening);
}

/* A port whose queue is full answers no SYN, as a black hole would. */
static void test_black_hole_times_out(void **state)
{
    uint16_t port;
    int listening = raw_listen(&port, 0);
    int fillers[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    check_down(end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port), NODE_LINK_WHY_TIMEOUT);
    check_down(end_dial(&b, "ws://127.0.0.1:%u", (unsigned)port), NODE_LINK_WHY_TIMEOUT);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(listening);
}

static void test_peers_that_are_no_mesh(void **state)
{
    uint16_t port;
    int listening = raw_listen(&port, 16);
    struct end_link *dialed = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    int fd = accept(listening, NULL, NULL);
    (void)state;
    raw_greet(fd, 0x30); /* a REQ, as we are */
    check_down(dialed, NODE_LINK_WHY_PROTOCOL);
    close(fd);
    dialed = end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port);
    fd = accept(listening, NULL, NULL);
    close(fd); /* busy, it seems */
    check_down(dialed, NODE_LINK_WHY_PEER);
    dialed = end_dial(&b, "ws://127.0.0.1:%u/mesh", (unsigned)port);
    fd = accept(listening, NULL, NULL);
    assert_int_equal(send(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45, 0), 45);
    check_down(dialed, NODE_LINK_WHY_REFUSED);
    close(fd);
    dialed = end_dial(&b, "ws://127.0.0.1:%u/mesh", (unsigned)port);
    fd = accept(listening, NULL, NULL);
    assert_int_equal(send(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n", 25, 0), 25);
    check_down(dialed, NODE_LINK_WHY_PROTOCOL);
    close(fd);
    close(listening);
}

static void test_name_that_does_not_resolve(void **state)
{
    struct end_link *dialed = end_dial(&b, "tcp://no-such-host.invalid:7946");
    (void)state;
    ends_until(&loop, dialed->down_count == 1);
    assert_int_equal(dialed->up_count, 0);
    /* A resolver that cannot reach its server may take longer than we wait. */
    if (dialed->why != NODE_LINK_WHY_TIMEOUT) assert_int_equal(dialed->why, NODE_LINK_WHY_NAME);
}

static bool allow_nothing(const struct sockaddr *address)
{
    (void)address;
    return false;
}

static bool allow_ipv4(const struct sockaddr *address)
{
    return address->sa_family == AF_INET;
}

/* A forbidden address is not even knocked at. */
static void test_forbidden_addresses(void **state)
{
    uint16_t port;
    int listening = raw_listen(&port, 16);
    (void)state;
    assert_int_equal(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
    b.allow = allow_nothing;
    check_down(end_dial(&b, "tcp://127.0.0.1:%u", (unsigned)port), NODE_LINK_WHY_FORBIDDEN);
    check_down(end_dial(&b, "tcp://localhost:%u", (unsigned)port), NODE_LINK_WHY_FORBIDDEN);
    check_down(end_dial(&b, "ws://localhost:%u/x", (unsigned)port), NODE_LINK_WHY_FORBIDDEN);
    assert_true(b.allow_count >= 3);
    assert_true(accept(listening, NULL, NULL) < 0 && errno == EAGAIN);
    b.allow = allow_ipv4;
    check_down(end_dial(&b, "tcp://[::1]:%u", (unsigned)port), NODE_LINK_WHY_FORBIDDEN);
    close(listening);
    check_still_open("tcp", end_listen(&a, "tcp://127.0.0.1:0"));
}

/* The operator's own word is not judged. */
static void test_trusted_dial_asks_nobody(void **state)
{
    char url[64];
    node_link_id id;
    uint16_t port = end_listen(&a, "tcp://127.0.0.1:0");
    (void)state;
    b.allow = allow_nothing;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", (unsigned)port);
    assert_int_equal(node_link_dial_trusted(b.links, &id, url), BASE_OK);
    ends_until(&loop, end_link(&b, id)->is_up);
    assert_int_equal(b.allow_count, 0);
}

static void test_dials_in_flight_are_bounded(void **state)
{
    uint16_t port;
    int listening = raw_listen(&port, 16);
    struct end_link *last = NULL;
    char url[64];
    node_link_id id;
    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", (unsigned)port);
    for (int i = 0; i < 64; i++)
        last = end_dial(&b, "%s", url);
    assert_int_equal(node_link_dial(b.links, &id, url), BASE_EFULL);
    node_link_close(b.links, last->id, NODE_LINK_WHY_LOCAL);
    last = end_dial(&b, "%s", url);
    assert_non_null(last);
    close(listening);
}

static void test_bad_urls(void **state)
{
    static const char *const urls[] = {
        "",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:1/path",
        "tcp://user@127.0.0.1:1",
        "ws://u:p@localhost:1/",
        "http://127.0.0.1:1",
        "ipc:///tmp/x",
        "inproc://x",
        "tls+tcp://127.0.0.1:1",
        "ws://localhost:1/a?b",
        "ws://localhost:1/a#b",
        "ws://localhost:1/a b",
        "ws://localhost:1/%2e%2e",
        "ws://localhost:1/\r\nX: y",
        "file:///etc/passwd",
        "ws://localhost:1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    node_link_id id;
    uint16_t port;
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        assert_int_equal(node_link_dial(b.links, &id, urls[i]), BASE_EINVAL);
    assert_int_equal(node_links_listen(a.links, NULL, "wss://127.0.0.1:0"), BASE_EINVAL);
    assert_int_equal(node_links_listen(a.links, NULL, "ipc:///tmp/x"), BASE_EINVAL);
    assert_int_equal(node_links_listen(a.links, NULL, "tcp://192.0.2.1:0"), BASE_EINVAL);
    port = end_listen(&a, "tcp://127.0.0.1:0");
    {
        char url[64];
        snprintf(url, sizeof url, "tcp://127.0.0.1:%u", (unsigned)port);
        assert_int_equal(node_links_listen(b.links, NULL, url), BASE_EEXIST);
    }
}

/* ws keeps the name: the request names it, though the literal address is dialed. */
static void test_ws_request_names_the_host(void **state)
{
    uint16_t port;
    char request[1024] = "", host[64];
    int listening = raw_listen(&port, 16);
    struct end_link *dialed = end_dial(&b, "ws://LocalHost:%u/mesh/x", (unsigned)port);
    int fd;
    ssize_t got;
    (void)state;
    b.allow = allow_ipv4; /* before the name is looked up: localhost may be ::1 too */
    assert_int_equal(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
    ends_until(&loop, (fd = accept(listening, NULL, NULL)) >= 0);
    got = recv(fd, request, sizeof request - 1, 0);
    assert_true(got > 0);
    snprintf(host, sizeof host, "\r\nHost: localhost:%u\r\n", (unsigned)port);
    assert_non_null(strstr(request, host));
    assert_memory_equal(request, "GET /mesh/x HTTP/1.1\r\n", 22);
    assert_non_null(strstr(request, "\r\nSec-WebSocket-Protocol: nftmesh\r\n"));
    node_link_close(b.links, dialed->id, NODE_LINK_WHY_LOCAL);
    close(fd);
    close(listening);
}

int main(void)
{
#define LINK_TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SHORT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_short, teardown)
    const struct CMUnitTest tests[] = {
        LINK_TEST(test_connect_fin_rst),
        LINK_TEST(test_connect_fin_rst_ws),
        LINK_TEST(test_silent_strangers),
        SHORT_TEST(test_half_a_greeting_times_out),
        LINK_TEST(test_greeting_in_single_bytes),
        LINK_TEST(test_garbage_instead_of_a_greeting),
        LINK_TEST(test_bad_messages_close),
        LINK_TEST(test_floods_into_a_closing_listener),
        LINK_TEST(test_floods_into_a_closing_dialer),
        LINK_TEST(test_floods_over_ws),
        LINK_TEST(test_ninth_stranger_of_one_address),
        LINK_TEST(test_accepted_links_are_bounded),
        LINK_TEST(test_descriptors_are_kept_for_dials),
        LINK_TEST(test_nobody_listens),
        SHORT_TEST(test_mute_peer_times_out),
        SHORT_TEST(test_black_hole_times_out),
        LINK_TEST(test_peers_that_are_no_mesh),
        LINK_TEST(test_name_that_does_not_resolve),
        LINK_TEST(test_forbidden_addresses),
        LINK_TEST(test_trusted_dial_asks_nobody),
        LINK_TEST(test_dials_in_flight_are_bounded),
        LINK_TEST(test_bad_urls),
        LINK_TEST(test_ws_request_names_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
