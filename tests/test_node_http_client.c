#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

#include "base/err.h"
#include "node/http_client.h"

#define PATIENCE_MS 60000
#define LARGE       (100u * 1024 * 1024)
#define SHORT_MS    200

/* A server in a thread of its own: one connection after the other, answers by path. */
struct server {
    int fd;
    uint16_t port;
    pthread_t thread;
    char unix_path[108];
    atomic_int connection_count;
    char last_request[8192]; /* read it when the answer is there */
};

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void say_until_gone(int fd, const char *chunk)
{
    char byte;
    while (send(fd, chunk, strlen(chunk), MSG_NOSIGNAL) > 0)
        ;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static void wait_until_gone(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

/* A request with its body; false when the other side has closed. */
static bool take_request(struct server *server, int fd)
{
    size_t len = 0;
    const char *body, *length;
    for (;;) {
        ssize_t got =
            recv(fd, server->last_request + len, sizeof server->last_request - 1 - len, 0);
        if (got <= 0) return false;
        len += (size_t)got;
        server->last_request[len] = '\0';
        body = strstr(server->last_request, "\r\n\r\n");
        if (body == NULL) continue;
        length = strstr(server->last_request, "Content-Length: ");
        if (length == NULL || strlen(body + 4) >= strtoul(length + 16, NULL, 10)) return true;
    }
}

static bool asks_for(const struct server *server, const char *path)
{
    const char *at = strchr(server->last_request, ' ');
    return at != NULL && strncmp(at + 1, path, strlen(path)) == 0;
}

/* False: the connection is done with. */
static bool answer(struct server *server, int fd)
{
    char text[8300];
    if (asks_for(server, "/echo")) {
        const char *body = strstr(server->last_request, "\r\n\r\n") + 4;
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
        say(fd, text);
    } else if (asks_for(server, "/missing")) {
        say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    } else if (asks_for(server, "/elsewhere")) {
        snprintf(text, sizeof text,
                 "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/echo\r\n"
                 "Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
                 (unsigned)server->port);
        say(fd, text);
    } else if (asks_for(server, "/endless")) {
        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        say_until_gone(fd, "10\r\naaaaaaaaaaaaaaaa\r\n");
        return false;
    } else if (asks_for(server, "/large")) {
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LARGE);
        say(fd, text);
        say_until_gone(fd, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        return false;
    } else if (asks_for(server, "/slow")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
        wait_until_gone(fd);
        return false;
    } else if (asks_for(server, "/mute")) {
        wait_until_gone(fd);
        return false;
    } else if (asks_for(server, "/broken")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
        return false;
    } else if (asks_for(server, "/nothing")) {
        return false;
    } else if (asks_for(server, "/ssh")) {
        say(fd, "SSH-2.0-OpenSSH_9.2\r\n");
        return false;
    } else {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    return true;
}

static void *serve(void *arg)
{
    struct server *server = arg;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0) return NULL; /* shut down */
        atomic_fetch_add(&server->connection_count, 1);
        while (take_request(server, fd) && answer(server, fd))
            ;
        close(fd);
    }
}

static void server_open(struct server *server, const char *unix_path)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t len = sizeof v4;
    memset(server, 0, sizeof *server);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(unix_path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->fd >= 0);
    if (unix_path != NULL) {
        snprintf(server->unix_path, sizeof server->unix_path, "%s", unix_path);
        snprintf(un.sun_path, sizeof un.sun_path, "%s", unix_path);
        assert_int_equal(bind(server->fd, (struct sockaddr *)&un, sizeof un), 0);
    } else {
        assert_int_equal(bind(server->fd, (struct sockaddr *)&v4, sizeof v4), 0);
        assert_int_equal(getsockname(server->fd, (struct sockaddr *)&v4, &len), 0);
        server->port = ntohs(v4.sin_port);
    }
    assert_int_equal(listen(server->fd, 16), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_close(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    if (server->unix_path[0] != '\0') unlink(server->unix_path);
}

/* What came of a request. */
struct outcome {
    int count;
    int err, status;
    char body[16384];
    size_t body_len;
    char text[NODE_HTTP_TEXT_BYTES];
};

static uv_loop_t loop;
static uv_timer_t guard;
static struct node_http_client *client;
static struct server server;
static char url[NODE_HTTP_URL_BYTES_MAX + 16];

static void on_guard(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop, so that waiting can end */
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &guard), 0);
    assert_int_equal(uv_timer_start(&guard, on_guard, 20, 20), 0);
    uv_unref((uv_handle_t *)&guard);
    assert_int_equal(node_http_client_new(&client, &loop, NULL), BASE_OK);
    server_open(&server, NULL);
    return 0;
}

static void set_true(void *ctx)
{
    *(bool *)ctx = true;
}

static void wait_for(const bool *is_done)
{
    uint64_t start = uv_hrtime();
    while (!*is_done) {
        uv_run(&loop, UV_RUN_ONCE);
        if (uv_hrtime() - start > PATIENCE_MS * 1000000ull) fail_msg("waited in vain");
    }
}

static void close_client(void)
{
    bool is_closed = false;
    node_http_client_close(client, set_true, &is_closed);
    wait_for(&is_closed);
    client = NULL;
}

static int teardown(void **state)
{
    (void)state;
    if (client != NULL) close_client();
    server_close(&server); /* its last connection has ended with the client */
    uv_close((uv_handle_t *)&guard, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    return uv_loop_close(&loop);
}

static void on_answer(void *ctx, const struct node_http_answer *answer_given)
{
    struct outcome *outcome = ctx;
    outcome->count++;
    outcome->err = answer_given->err;
    outcome->status = answer_given->status;
    outcome->body_len = answer_given->body_len;
    assert_true(answer_given->body_len < sizeof outcome->body);
    if (answer_given->body_len > 0)
        memcpy(outcome->body, answer_given->body, answer_given->body_len);
    outcome->body[outcome->body_len] = '\0';
    if (answer_given->err == BASE_OK)
        assert_int_equal(answer_given->body[answer_given->body_len], 0);
    snprintf(outcome->text, sizeof outcome->text, "%s", answer_given->text);
    assert_int_equal(answer_given->text[0] == '\0', answer_given->err == BASE_OK);
}

static void wait_outcome(const struct outcome *outcome)
{
    uint64_t start = uv_hrtime();
    while (outcome->count == 0) {
        uv_run(&loop, UV_RUN_ONCE);
        if (uv_hrtime() - start > PATIENCE_MS * 1000000ull) fail_msg("waited in vain");
    }
}

static const char *url_of(const char *path)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)server.port, path);
    return url;
}

static struct node_http_request request_of(const char *path)
{
    return (struct node_http_request){
        .url = url_of(path), .answer_bytes_max = 8192, .timeout_ms = PATIENCE_MS};
}

static struct outcome get(const struct node_http_request *request)
{
    struct outcome outcome = {.count = 0};
    assert_int_equal(node_http_client_get(client, NULL, request, on_answer, &outcome), BASE_OK);
    assert_int_equal(outcome.count, 0); /* never inside of the call */
    wait_outcome(&outcome);
    return outcome;
}

static struct outcome get_path(const char *path)
{
    struct node_http_request request = request_of(path);
    return get(&request);
}

static void test_get(void **state)
{
    struct node_http_request request = request_of("/ok?x=1");
    struct outcome outcome;
    (void)state;
    request.headers[0] = "X-One: 1";
    request.headers[1] = "X-Two: 2";
    outcome = get(&request);
    assert_int_equal(outcome.err, BASE_OK);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "ok");
    assert_memory_equal(server.last_request, "GET /ok?x=1 HTTP/1.1\r\n", 22);
    assert_non_null(strstr(server.last_request, "\r\nX-One: 1\r\nX-Two: 2\r\n"));
}

static void test_post(void **state)
{
    char body[] = "{\"jsonrpc\":\"2.0\"}";
    struct node_http_request request = request_of("/echo");
    struct outcome outcome = {.count = 0};
    (void)state;
    request.body = body;
    request.body_len = strlen(body);
    assert_int_equal(node_http_client_post(client, NULL, &request, on_answer, &outcome), BASE_OK);
    memset(body, 'x', sizeof body - 1); /* it was copied */
    memset(url, 'x', sizeof url - 1);
    wait_outcome(&outcome);
    assert_int_equal(outcome.err, BASE_OK);
    assert_string_equal(outcome.body, "{\"jsonrpc\":\"2.0\"}");
    assert_non_null(strstr(server.last_request, "\r\nContent-Type: application/json\r\n"));
    assert_null(strstr(server.last_request, "Expect"));
}

static void test_connection_is_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(get_path("/ok").err, BASE_OK);
    assert_int_equal(atomic_load(&server.connection_count), 1);
}

/* A client that has nothing to do does not keep the loop alive: no timer, no watched socket. */
static void test_idle_client_has_no_timers(void **state)
{
    (void)state;
    assert_int_equal(get_path("/ok").err, BASE_OK);
    assert_int_equal(node_http_client_count(client), 0);
    uv_run(&loop, UV_RUN_NOWAIT); /* closes what is on its way out */
    assert_int_equal(uv_loop_alive(&loop), 0);
}

static void test_unix_socket(void **state)
{
    struct server agent;
    struct node_http_request request = {
        .url = "http://dstack/Info", .answer_bytes_max = 100, .timeout_ms = PATIENCE_MS};
    struct outcome outcome;
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "/tmp/test_node_http_client.%d.sock", (int)getpid());
    unlink(path);
    server_open(&agent, path);
    request.unix_socket = path;
    outcome = get(&request);
    assert_int_equal(outcome.err, BASE_OK);
    assert_string_equal(outcome.body, "ok");
    assert_non_null(strstr(agent.last_request, "\r\nHost: dstack\r\n"));
    close_client();
    server_close(&agent);
    assert_int_equal(node_http_client_new(&client, &loop, NULL), BASE_OK);
    outcome = get(&request); /* nobody is there any more */
    assert_int_equal(outcome.err, BASE_EREFUSED);
}

/* What is an answer, and what is none */

static void test_every_status_is_an_answer(void **state)
{
    struct outcome outcome = get_path("/missing");
    (void)state;
    assert_int_equal(outcome.err, BASE_OK);
    assert_int_equal(outcome.status, 404);
    assert_string_equal(outcome.body, "none");
}

static void test_redirect_is_not_followed_and_cookie_not_kept(void **state)
{
    struct outcome outcome = get_path("/elsewhere");
    (void)state;
    assert_int_equal(outcome.err, BASE_OK);
    assert_int_equal(outcome.status, 302);
    assert_int_equal(get_path("/ok").err, BASE_OK);
    assert_null(strstr(server.last_request, "Cookie"));
}

static void test_body_above_the_bound(void **state)
{
    (void)state;
    assert_int_equal(get_path("/endless").err, BASE_ETOOBIG);
    assert_int_equal(get_path("/large").err, BASE_ETOOBIG);
    assert_int_equal(get_path("/ok").err, BASE_OK);
}

/* Bodies without an end */

static size_t bytes_seen;

static void on_bytes(void *ctx, const uint8_t *data, size_t len)
{
    assert_non_null(ctx);
    assert_true(data[0] == 'a' || data[0] == 'o');
    bytes_seen += len;
}

static void test_a_stream_is_handed_over_and_not_kept(void **state)
{
    struct node_http_request request = request_of("/endless");
    struct outcome outcome = {.count = 0};
    uint64_t id;
    (void)state;
    bytes_seen = 0;
    request.answer_bytes_max = 16;
    request.on_bytes = on_bytes;
    assert_int_equal(node_http_client_get(client, &id, &request, on_answer, &outcome), BASE_OK);
    while (bytes_seen < 100000) /* far above the bound */
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(outcome.count, 0);
    node_http_client_cancel(client, id);
    request.url = url_of("/ok");
    outcome = get(&request);
    assert_int_equal(outcome.err, BASE_OK);
    assert_int_equal(outcome.body_len, 0); /* it was handed over */
    request.url = url_of("/missing");      /* not the stream that was asked for: an answer */
    outcome = get(&request);
    assert_int_equal(outcome.status, 404);
    assert_string_equal(outcome.body, "none");
}

static void test_a_silent_stream_ends(void **state)
{
    struct node_http_request request = request_of("/slow");
    (void)state;
    request.on_bytes = on_bytes;
    request.timeout_ms = SHORT_MS; /* a second, since silences are counted in those */
    assert_int_equal(get(&request).err, BASE_ETIMEOUT);
}

static void test_body_at_the_bound(void **state)
{
    struct node_http_request request = request_of("/ok");
    (void)state;
    request.answer_bytes_max = 2;
    assert_int_equal(get(&request).err, BASE_OK);
    request.answer_bytes_max = 1;
    assert_int_equal(get(&request).err, BASE_ETOOBIG);
}

static void test_slow_and_mute_servers_time_out(void **state)
{
    struct node_http_request request = request_of("/slow");
    (void)state;
    request.timeout_ms = SHORT_MS;
    assert_int_equal(get(&request).err, BASE_ETIMEOUT);
    request.url = url_of("/mute");
    assert_int_equal(get(&request).err, BASE_ETIMEOUT);
    request.url = url_of("/endless");
    request.answer_bytes_max = SIZE_MAX / 2;
    request.timeout_ms = 50; /* some MB until then */
    assert_int_equal(get(&request).err, BASE_ETIMEOUT);
}

static void test_broken_answers(void **state)
{
    (void)state;
    assert_int_equal(get_path("/broken").err, BASE_ECLOSED);
    assert_int_equal(get_path("/nothing").err, BASE_ECLOSED);
    assert_int_equal(get_path("/ssh").err, BASE_EMALFORMED);
}

static void test_nobody_listens(void **state)
{
    struct server gone;
    struct node_http_request request = request_of("/");
    struct outcome outcome;
    char expected[64];
    (void)state;
    server_open(&gone, NULL);
    server_close(&gone);
    snprintf(url, sizeof url, "http://user:pass@127.0.0.1:%u/v3/secret?key=secret",
             (unsigned)gone.port);
    outcome = get(&request);
    assert_int_equal(outcome.err, BASE_EREFUSED);
    snprintf(expected, sizeof expected, "http://127.0.0.1:%u: ", (unsigned)gone.port);
    assert_memory_equal(outcome.text, expected, strlen(expected));
    assert_null(strstr(outcome.text, "secret"));
    assert_null(strstr(outcome.text, "pass"));
    assert_null(strstr(outcome.text, "user"));
}

static bool allow_nothing(void *ctx, const struct sockaddr *address)
{
    ++*(int *)ctx;
    assert_int_equal(address->sa_family, AF_INET);
    return false;
}

static void test_forbidden_address_is_not_knocked_at(void **state)
{
    struct node_http_request request = request_of("/ok");
    int asked_count = 0;
    (void)state;
    request.allow = allow_nothing;
    request.allow_ctx = &asked_count;
    assert_int_equal(get(&request).err, BASE_EREFUSED);
    assert_int_equal(asked_count, 1);
    assert_int_equal(atomic_load(&server.connection_count), 0);
}

static void test_no_proxy_from_the_environment(void **state)
{
    struct server proxy;
    char proxy_url[64];
    (void)state;
    server_open(&proxy, NULL);
    snprintf(proxy_url, sizeof proxy_url, "http://127.0.0.1:%u", (unsigned)proxy.port);
    assert_int_equal(setenv("http_proxy", proxy_url, 1), 0);
    assert_int_equal(setenv("ALL_PROXY", proxy_url, 1), 0);
    assert_int_equal(get_path("/ok").err, BASE_OK);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(atomic_load(&proxy.connection_count), 0);
    server_close(&proxy);
}

static void test_bad_requests_are_refused_at_once(void **state)
{
    static const char *const urls[] = {"", "ftp://127.0.0.1/", "file:///etc/passwd",
                                       "gopher://127.0.0.1/", "127.0.0.1:80"};
    struct outcome outcome = {.count = 0};
    struct node_http_request request = request_of("/ok");
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        request.url = urls[i];
        assert_int_equal(node_http_client_get(client, NULL, &request, on_answer, &outcome),
                         BASE_EINVAL);
    }
    request = request_of("/ok");
    request.timeout_ms = 0;
    assert_int_equal(node_http_client_get(client, NULL, &request, on_answer, &outcome),
                     BASE_EINVAL);
    request = request_of("/ok");
    request.headers[0] = "X: y\r\nHost: elsewhere";
    assert_int_equal(node_http_client_get(client, NULL, &request, on_answer, &outcome),
                     BASE_EINVAL);
    request = request_of("/ok");
    memset(url + strlen(url), 'a', NODE_HTTP_URL_BYTES_MAX - strlen(url));
    url[NODE_HTTP_URL_BYTES_MAX] = '\0';
    assert_int_equal(node_http_client_get(client, NULL, &request, on_answer, &outcome),
                     BASE_EINVAL);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(outcome.count, 0);
    assert_int_equal(node_http_client_count(client), 0);
}

/* The end */

static void test_cancelled_requests_are_silent(void **state)
{
    struct node_http_request request = request_of("/mute");
    struct outcome cancelled = {.count = 0};
    uint64_t id;
    (void)state;
    assert_int_equal(node_http_client_get(client, &id, &request, on_answer, &cancelled), BASE_OK);
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    node_http_client_cancel(client, id);
    node_http_client_cancel(client, id);
    assert_int_equal(node_http_client_count(client), 0);
    assert_int_equal(get_path("/ok").err, BASE_OK);
    assert_int_equal(cancelled.count, 0);
}

static void test_closing_ends_what_is_in_flight(void **state)
{
    struct node_http_request request = request_of("/mute");
    struct outcome outcomes[3] = {{.count = 0}};
    bool is_closed = false;
    uint64_t id;
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(node_http_client_get(client, &id, &request, on_answer, &outcomes[i]),
                         BASE_OK);
    uv_run(&loop, UV_RUN_NOWAIT);
    node_http_client_close(client, set_true, &is_closed);
    assert_int_equal(outcomes[0].count, 0);
    assert_int_equal(node_http_client_get(client, NULL, &request, on_answer, &outcomes[0]),
                     BASE_ECLOSED);
    node_http_client_cancel(client, id); /* the third has no interest any more */
    wait_for(&is_closed);
    client = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(outcomes[i].count, 1);
        assert_int_equal(outcomes[i].err, BASE_ECLOSED);
    }
    assert_int_equal(outcomes[2].count, 0);
}

static void test_origins(void **state)
{
    char origin[NODE_HTTP_ORIGIN_BYTES];
    char text[600];
    (void)state;
    node_http_origin(origin, "https://user:pass@rpc.example:8545/v3/key?x=y");
    assert_string_equal(origin, "https://rpc.example:8545");
    node_http_origin(origin, "https://rpc.example:8545?key=1");
    assert_string_equal(origin, "https://rpc.example:8545");
    snprintf(text, sizeof text, "https://rpc.example:8545/%0500d", 7); /* long keys are usual */
    node_http_origin(origin, text);
    assert_string_equal(origin, "https://rpc.example:8545");
    node_http_origin(origin, "file:///etc/passwd");
    assert_string_equal(origin, "?");
    node_http_origin(origin, "");
    assert_string_equal(origin, "?");
}

/* TLS: openssl's own server, with a certificate of a CA made for the occasion. */
static char dir[] = "/tmp/test_node_http_client.XXXXXX";

static int make_certificates(void **state)
{
    char command[1024];
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    snprintf(command, sizeof command,
             "cd %s && for ca in ca other; do openssl req -x509 -newkey rsa:2048 -nodes "
             "-keyout $ca.key -out $ca.pem -days 2 -subj /CN=$ca "
             "-addext basicConstraints=critical,CA:TRUE || exit 1; done 2>/dev/null; "
             "openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=x "
             "2>/dev/null && echo subjectAltName=DNS:localhost > leaf.ext && "
             "openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
             "-extfile leaf.ext -out leaf.pem 2>/dev/null",
             dir);
    return system(command);
}

static int drop_certificates(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static int get_tls(const char *ca, const char *host, unsigned port)
{
    char path[128], tls_url[64];
    struct node_http_request request = {
        .url = tls_url, .answer_bytes_max = 65536, .timeout_ms = PATIENCE_MS};
    close_client();
    snprintf(path, sizeof path, "%s/%s", dir, ca);
    snprintf(tls_url, sizeof tls_url, "https://%s:%u/", host, port);
    assert_int_equal(node_http_client_new(&client, &loop, path), BASE_OK);
    return get(&request).err;
}

static void test_certificates_are_verified(void **state)
{
    char command[512], line[128];
    unsigned port = 0, pid = 0;
    FILE *tls;
    (void)state;
    snprintf(command, sizeof command,
             "cd %s && echo PID $$ && exec openssl s_server -accept 127.0.0.1:0 -cert leaf.pem "
             "-key leaf.key -www -naccept 4 2>/dev/null",
             dir);
    tls = popen(command, "r");
    assert_non_null(tls);
    while (port == 0 && fgets(line, sizeof line, tls) != NULL) {
        if (sscanf(line, "PID %u", &pid) == 1) continue;
        (void)sscanf(line, "ACCEPT 127.0.0.1:%u", &port);
    }
    assert_int_not_equal(port, 0);
    assert_int_equal(get_tls("ca.pem", "localhost", port), BASE_OK);
    assert_int_equal(get_tls("other.pem", "localhost", port), BASE_EAUTH);
    assert_int_equal(get_tls("ca.pem", "127.0.0.1", port), BASE_EAUTH); /* not its name */
    assert_int_equal(get_tls("missing.pem", "localhost", port), BASE_EAUTH);
    snprintf(command, sizeof command, "kill %u 2>/dev/null", pid);
    (void)!system(command);
    pclose(tls);
}

int main(void)
{
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        HTTP_TEST(test_get),
        HTTP_TEST(test_post),
        HTTP_TEST(test_connection_is_kept),
        HTTP_TEST(test_idle_client_has_no_timers),
        HTTP_TEST(test_unix_socket),
        HTTP_TEST(test_every_status_is_an_answer),
        HTTP_TEST(test_redirect_is_not_followed_and_cookie_not_kept),
        HTTP_TEST(test_body_above_the_bound),
        HTTP_TEST(test_a_stream_is_handed_over_and_not_kept),
        HTTP_TEST(test_a_silent_stream_ends),
        HTTP_TEST(test_body_at_the_bound),
        HTTP_TEST(test_slow_and_mute_servers_time_out),
        HTTP_TEST(test_broken_answers),
        HTTP_TEST(test_nobody_listens),
        HTTP_TEST(test_forbidden_address_is_not_knocked_at),
        HTTP_TEST(test_no_proxy_from_the_environment),
        HTTP_TEST(test_bad_requests_are_refused_at_once),
        HTTP_TEST(test_cancelled_requests_are_silent),
        HTTP_TEST(test_closing_ends_what_is_in_flight),
        HTTP_TEST(test_certificates_are_verified),
        cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
