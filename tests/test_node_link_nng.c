/* At the other end is nng itself: its REQ and REP sockets over tcp, and its TLS for wss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>

#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/transport/ws/websocket.h>

#include "base/err.h"
#include "link_ends.h"

static uv_loop_t loop;
static struct end end;
static char dir[] = "/tmp/test_node_link_nng.XXXXXX";

/* Keys and certificates: a CA with a certificate for localhost and one for another name; and a
 * second CA that has signed neither. */
static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char command[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return system(command);
}

static int make_ca(const char *name)
{
    return run("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout %s.key -out %s.pem "
               "-days 2 -subj /CN=%s -addext basicConstraints=critical,CA:TRUE 2>/dev/null",
               dir, name, name, name);
}

static int make_certificate(const char *name)
{
    return run("cd %s && openssl req -newkey rsa:2048 -nodes -keyout %s.key -out %s.csr "
               "-subj /CN=%s 2>/dev/null && printf 'subjectAltName=DNS:%s\\n' > %s.ext && "
               "openssl x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
               "-extfile %s.ext -out %s.crt 2>/dev/null && cat %s.key %s.crt > %s.pem",
               dir, name, name, name, name, name, name, name, name, name, name, name);
}

static int group_setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    if (make_ca("ca") != 0 || make_ca("stranger") != 0) return -1;
    return make_certificate("localhost") != 0 || make_certificate("elsewhere.example") != 0 ? -1
                                                                                            : 0;
}

static int group_teardown(void **state)
{
    (void)state;
    return run("rm -rf %s", dir);
}

static void open_with_ca(const char *ca)
{
    char path[128];
    struct node_links_config config = {.unproved_address_max = 32, .ca_file = path};
    snprintf(path, sizeof path, "%s/%s", dir, ca);
    end_open(&end, &loop, &config);
}

static int setup(void **state)
{
    (void)state;
    ends_loop_open(&loop);
    open_with_ca("ca.pem");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end_close(&end);
    ends_loop_close(&loop);
    return 0;
}

/* A REQ socket sends, and hears from us unasked. */
static void test_nng_req_dials_us(void **state)
{
    char url[64];
    nng_socket req;
    nng_aio *aio;
    nng_msg *msg;
    uint16_t port = end_listen(&end, "tcp://127.0.0.1:0");
    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", (unsigned)port);
    assert_int_equal(nng_req0_open_raw(&req), 0);
    assert_int_equal(nng_dial(req, url, NULL, NNG_FLAG_NONBLOCK), 0);
    assert_int_equal(nng_aio_alloc(&aio, NULL, NULL), 0);
    assert_int_equal(nng_msg_alloc(&msg, 0), 0);
    assert_int_equal(nng_msg_header_append_u32(msg, 0x80000001u), 0);
    assert_int_equal(nng_msg_append(msg, "are you SP?", 11), 0);
    nng_aio_set_msg(aio, msg);
    nng_send_aio(req, aio);
    ends_until(&loop, end_accepted(&end, 0) != NULL && end_accepted(&end, 0)->frame_count == 1);
    assert_memory_equal(end_accepted(&end, 0)->last, "are you SP?", 11);
    nng_aio_wait(aio);
    assert_int_equal(nng_aio_result(aio), 0);
    assert_int_equal(
        node_link_send(end.links, end_accepted(&end, 0)->id, (const uint8_t *)"we are", 6),
        BASE_OK);
    ends_until(&loop, end_accepted(&end, 0)->sent_count == 1);
    assert_int_equal(nng_recvmsg(req, &msg, 0), 0);
    assert_int_equal(nng_msg_len(msg), 6);
    assert_memory_equal(nng_msg_body(msg), "we are", 6);
    nng_msg_free(msg);
    nng_aio_free(aio);
    assert_int_equal(nng_close(req), 0);
    ends_until(&loop, end_accepted(&end, 0)->down_count == 1);
}

static void test_we_dial_nng_rep(void **state)
{
    nng_socket rep;
    nng_listener listener;
    nng_msg *msg;
    int port;
    struct end_link *dialed;
    (void)state;
    assert_int_equal(nng_rep0_open(&rep), 0);
    assert_int_equal(nng_listener_create(&listener, rep, "tcp://127.0.0.1:0"), 0);
    assert_int_equal(nng_listener_start(listener, 0), 0);
    assert_int_equal(nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), 0);
    dialed = end_dial(&end, "tcp://127.0.0.1:%d", port);
    ends_until(&loop, dialed->is_up);
    assert_int_equal(node_link_send(end.links, dialed->id, (const uint8_t *)"ask", 3), BASE_OK);
    ends_until(&loop, dialed->sent_count == 1);
    assert_int_equal(nng_recvmsg(rep, &msg, 0), 0);
    assert_int_equal(nng_msg_len(msg), 3);
    assert_int_equal(nng_sendmsg(rep, msg, 0), 0); /* the answer is the question */
    ends_until(&loop, dialed->frame_count == 1);
    assert_memory_equal(dialed->last, "ask", 3);
    assert_int_equal(nng_close(rep), 0);
    ends_until(&loop, dialed->down_count == 1);
    assert_int_equal(dialed->why, NODE_LINK_WHY_PEER);
}

/* A TLS listener of nng, as a reverse proxy would be one, in front of nothing: it speaks the
 * greeting and echoes what comes, in nng's threads. */
struct tls_server {
    nng_stream_listener *listener;
    nng_stream *stream;
    nng_aio *accept_aio, *receive_aio, *send_aio;
    uint8_t buffer[4096];
    int port;
};

static void server_receive(struct tls_server *server)
{
    nng_iov iov = {.iov_buf = server->buffer, .iov_len = sizeof server->buffer};
    nng_aio_set_iov(server->receive_aio, 1, &iov);
    nng_stream_recv(server->stream, server->receive_aio);
}

static void server_send(struct tls_server *server, size_t len)
{
    nng_iov iov = {.iov_buf = server->buffer, .iov_len = len};
    nng_aio_set_iov(server->send_aio, 1, &iov);
    nng_stream_send(server->stream, server->send_aio);
}

static void server_on_sent(void *arg)
{
    struct tls_server *server = arg;
    if (nng_aio_result(server->send_aio) == 0) server_receive(server);
}

static void server_on_received(void *arg)
{
    struct tls_server *server = arg;
    if (nng_aio_result(server->receive_aio) != 0) return;
    if (memcmp(server->buffer, "\0SP\0\0\x30", 6) == 0) server->buffer[5] = 0x31; /* REP greets */
    server_send(server, nng_aio_count(server->receive_aio));
}

static void server_on_accepted(void *arg)
{
    struct tls_server *server = arg;
    if (nng_aio_result(server->accept_aio) != 0) return;
    server->stream = nng_aio_get_output(server->accept_aio, 0);
    server_receive(server);
}

static void server_open(struct tls_server *server, const char *certificate)
{
    char path[128];
    nng_tls_config *config;
    memset(server, 0, sizeof *server);
    snprintf(path, sizeof path, "%s/%s", dir, certificate);
    assert_int_equal(nng_tls_config_alloc(&config, NNG_TLS_MODE_SERVER), 0);
    assert_int_equal(nng_tls_config_cert_key_file(config, path, NULL), 0);
    assert_int_equal(nng_stream_listener_alloc(&server->listener, "wss://0.0.0.0:0/mesh"), 0);
    assert_int_equal(nng_stream_listener_set_ptr(server->listener, NNG_OPT_TLS_CONFIG, config), 0);
    nng_tls_config_free(config);
    assert_int_equal(
        nng_stream_listener_set_string(server->listener, NNG_OPT_WS_PROTOCOL, "nftmesh"), 0);
    assert_int_equal(nng_aio_alloc(&server->accept_aio, server_on_accepted, server), 0);
    assert_int_equal(nng_aio_alloc(&server->receive_aio, server_on_received, server), 0);
    assert_int_equal(nng_aio_alloc(&server->send_aio, server_on_sent, server), 0);
    assert_int_equal(nng_stream_listener_listen(server->listener), 0);
    assert_int_equal(
        nng_stream_listener_get_int(server->listener, NNG_OPT_TCP_BOUND_PORT, &server->port), 0);
    nng_stream_listener_accept(server->listener, server->accept_aio);
}

static void server_close(struct tls_server *server)
{
    nng_aio_stop(server->accept_aio);
    if (server->stream != NULL) {
        nng_stream_close(server->stream);
        nng_aio_stop(server->receive_aio);
        nng_aio_stop(server->send_aio);
        nng_stream_free(server->stream);
    }
    nng_stream_listener_close(server->listener);
    nng_aio_free(server->accept_aio);
    nng_aio_free(server->receive_aio);
    nng_aio_free(server->send_aio);
    nng_stream_listener_free(server->listener);
}

static void test_wss_with_the_right_ca(void **state)
{
    struct tls_server server;
    struct end_link *dialed;
    static uint8_t frame[NODE_LINK_FRAME_BYTES_MAX];
    (void)state;
    server_open(&server, "localhost.pem");
    dialed = end_dial(&end, "wss://localhost:%d/mesh", server.port);
    ends_until(&loop, dialed->is_up || dialed->down_count > 0);
    assert_true(dialed->is_up);
    assert_int_equal(node_link_send(end.links, dialed->id, (const uint8_t *)"tls", 3), BASE_OK);
    ends_until(&loop, dialed->frame_count == 1);
    assert_memory_equal(dialed->last, "tls", 3);
    assert_int_equal(node_link_send(end.links, dialed->id, frame, sizeof frame), BASE_OK);
    ends_until(&loop, dialed->frame_count == 2);
    assert_int_equal(dialed->last_len, sizeof frame);
    server_close(&server);
    ends_until(&loop, dialed->down_count == 1);
    assert_int_equal(dialed->why, NODE_LINK_WHY_PEER);
}

static void check_wss_refused(const char *certificate, const char *host,
                              enum node_link_why expected)
{
    struct tls_server server;
    struct end_link *dialed;
    server_open(&server, certificate);
    dialed = end_dial(&end, "wss://%s:%d/mesh", host, server.port);
    ends_until(&loop, dialed->down_count == 1);
    assert_int_equal(dialed->up_count, 0);
    assert_string_equal(node_link_why_name(dialed->why), node_link_why_name(expected));
    server_close(&server);
}

static void test_wss_with_another_name_is_refused(void **state)
{
    (void)state;
    check_wss_refused("elsewhere.example.pem", "localhost", NODE_LINK_WHY_TLS);
    check_wss_refused("localhost.pem", "127.0.0.1", NODE_LINK_WHY_TLS); /* no such name in it */
}

static void test_wss_of_another_ca_is_refused(void **state)
{
    (void)state;
    end_close(&end);
    open_with_ca("stranger.pem");
    check_wss_refused("localhost.pem", "localhost", NODE_LINK_WHY_TLS);
}

static void test_wss_without_cas_is_refused(void **state)
{
    (void)state;
    end_close(&end);
    open_with_ca("no-such-file.pem");
    check_wss_refused("localhost.pem", "localhost", NODE_LINK_WHY_TLS);
}

static void test_wss_to_a_port_without_tls(void **state)
{
    struct end_link *dialed;
    uint16_t port = end_listen(&end, "ws://0.0.0.0:0/mesh");
    (void)state;
    dialed = end_dial(&end, "wss://localhost:%u/mesh", (unsigned)port);
    ends_until(&loop, dialed->down_count == 1);
    assert_int_equal(dialed->up_count, 0);
    assert_int_not_equal(dialed->why,
                         NODE_LINK_WHY_PEER); /* the caller shall not think it was up */
}

static void test_closing_while_tls_shakes_hands(void **state)
{
    struct tls_server server;
    (void)state;
    server_open(&server, "localhost.pem");
    for (int i = 0; i < 30; i++) {
        struct end_link *dialed = end_dial(&end, "wss://localhost:%d/mesh", server.port);
        for (int turn = 0; turn < i; turn++)
            uv_run(&loop, UV_RUN_NOWAIT);
        node_link_close(end.links, dialed->id, NODE_LINK_WHY_LOCAL);
        ends_until(&loop, dialed->down_count == 1);
    }
    server_close(&server);
}

int main(void)
{
#define NNG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        NNG_TEST(test_nng_req_dials_us),
        NNG_TEST(test_we_dial_nng_rep),
        NNG_TEST(test_wss_with_the_right_ca),
        NNG_TEST(test_wss_with_another_name_is_refused),
        NNG_TEST(test_wss_of_another_ca_is_refused),
        NNG_TEST(test_wss_without_cas_is_refused),
        NNG_TEST(test_wss_to_a_port_without_tls),
        NNG_TEST(test_closing_while_tls_shakes_hands),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
