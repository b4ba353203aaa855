/* The HTTP surfaces, asked by plain sockets: who may ask what, the writing routes' way to the loop
 * and back, the event stream, and clients that mean no good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/err.h"
#include "node/http.h"

#define TOKEN        "0123456789abcdef-token"
#define TEXT_65      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COMMANDS_MAX 64
#define ANSWER_MAX   ((size_t)8 << 20)
#define PATIENCE_S   20   /* a test that would hang fails after this */
#define SHORT_MS     2000 /* time-outs that are to be reached; a good request takes no such time */

struct fixture {
    char dir[64], control[96], why[NODE_HTTP_WHY_BYTES];
    struct node_view_slot *slot;
    struct node_metrics *metrics;
    struct node_http *http;
    struct node_http_config config;
    struct node_endpoint endpoint;
    _Atomic uint64_t loop_turn_ms;
    /* The loop's inbox. */
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct node_command *commands[COMMANDS_MAX];
    size_t command_count;
    int submit_rv;
};

/* ---- the loop's side ---- */

static int submit(void *ctx, struct node_command *command)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->mutex);
    int rv = f->submit_rv;
    if (rv == BASE_OK) f->commands[f->command_count++] = command;
    pthread_cond_signal(&f->cond);
    pthread_mutex_unlock(&f->mutex);
    return rv;
}

static struct node_command *command_take(struct fixture *f)
{
    struct timespec until;
    struct node_command *command = NULL;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&f->mutex);
    while (f->command_count == 0)
        if (pthread_cond_timedwait(&f->cond, &f->mutex, &until) != 0) break;
    if (f->command_count > 0) command = f->commands[--f->command_count];
    pthread_mutex_unlock(&f->mutex);
    assert_non_null(command);
    return command;
}

static void complete(struct node_command *command, unsigned status, const char *json)
{
    node_http_complete(command, status, json, strlen(json));
}

static void start(struct fixture *f)
{
    int rv = node_http_new(&f->http, &f->config, f->why);
    if (rv != BASE_OK) fail_msg("%s", f->why);
}

static void restart(struct fixture *f)
{
    node_http_free(f->http);
    start(f);
}

static void publish(struct fixture *f, size_t members)
{
    struct node_view *view;
    assert_int_equal(node_view_new(&view), BASE_OK);
    struct node_view_self *self = &view->self;
    self->name = node_view_text(view, "n1");
    self->app_url = node_view_text(view, "https://app.example");
    self->url = node_view_text(view, "tcp://127.0.0.1:9470");
    self->rpc_trust = "majority";
    self->trust = "flags";
    self->contract_kind = "nftmesh";
    self->chain_id = 31337;
    self->has_seat = true;
    self->token = base_u256_from_u64(7);
    self->node.bytes[0] = 2;
    self->has_block = true;
    self->block_number = 123;
    self->block_time_s = 1760000000;
    self->expires_at_s = self->block_time_s + 2 * 86400 + 8639;
    self->weight = 3;
    node_view_add_warning(view, "ends soon");
    self->start_ms = 1732300000000;
    memcpy(self->record, "\x81\x00\x01", 3);
    self->record_len = 3;
    self->record_sig.bytes[0] = 0xaa;
    node_view_add_check(view, "joined", true, "");
    node_view_add_check(view, "chain_fresh", members > 0, "no block for 40 s");
    const struct node_view_rpc rpc = {
        .origin = "https://rpc.example", .state = "ok", .agrees = true};
    node_view_add_rpc(view, &rpc);
    for (size_t i = 0; i < members; i++) {
        char name[32];
        const struct node_view_tag tag = {"zone", "e\"u"};
        struct node_view_member member = {.name = name,
                                          .url = "tcp://10.0.0.7:9470",
                                          .app_url = "https://b.example",
                                          .state = NODE_VIEW_ALIVE,
                                          .weight = 1,
                                          .incarnation = 3,
                                          .verified_block = 123,
                                          .rtt_ms = 0.4,
                                          .tags = &tag,
                                          .tag_count = 1};
        snprintf(name, sizeof name, "member-%zu", i);
        member.node.bytes[0] = 3;
        base_put_u32be(member.node.bytes + 1, (uint32_t)i + 0xabcd0000u);
        member.instance.bytes[19] = (uint8_t)i;
        member.token = base_u256_from_u64(i);
        if (i == 1) {
            member.state = NODE_VIEW_FAILED;
            member.rtt_ms = -1;
            memset(member.token.bytes, 0xff, 32);
        }
        node_view_add_member(view, &member);
    }
    struct node_view_refusal refusal = {.reason = "no_seat",
                                        .explanation = "stands on no seat",
                                        .remote = "tcp://10.9.9.9:1",
                                        .code = 1,
                                        .block = 122,
                                        .time_ms = 1732300001500};
    refusal.peer.bytes[0] = 2;
    refusal.peer.bytes[1] = 0xee;
    refusal.peer.bytes[2] = 0xff;
    node_view_add_refusal(view, &refusal);
    assert_int_equal(node_view_publish(f->slot, view), BASE_OK);
}

static int setup(void **state)
{
    static const char *const hosts[] = {"node1.example"};
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/nftmesh-http-XXXXXX");
    if (base_aead_init() != BASE_OK || mkdtemp(f->dir) == NULL) return -1;
    snprintf(f->control, sizeof f->control, "%s/control.sock", f->dir);
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->cond, NULL);
    if (node_view_slot_new(&f->slot) != BASE_OK || node_metrics_new(&f->metrics) != BASE_OK)
        return -1;
    strcpy(f->endpoint.host, "127.0.0.1");
    f->config = (struct node_http_config){.control_path = f->control,
                                          .http = &f->endpoint,
                                          .bootstrap = &f->endpoint,
                                          .hosts = hosts,
                                          .host_count = 1,
                                          .view = f->slot,
                                          .metrics = f->metrics,
                                          .build = {"0.1.0", "abc", "nftmesh/1", 1732300000000},
                                          .submit = submit,
                                          .ctx = f,
                                          .boot = 0xb007};
    publish(f, 2);
    start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    node_http_free(f->http);
    node_view_slot_free(f->slot);
    node_metrics_free(f->metrics);
    pthread_mutex_destroy(&f->mutex);
    pthread_cond_destroy(&f->cond);
    assert_int_equal(access(f->control, F_OK), -1); /* removed with the server */
    rmdir(f->dir);
    free(f);
    return 0;
}

/* ---- a plain client ---- */

static int dial(const struct fixture *f, const char *where)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    bool is_control = strcmp(where, "control") == 0;
    int fd = socket(is_control ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rv;
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (is_control) {
        memcpy(un.sun_path, f->control, strlen(f->control) + 1);
        rv = connect(fd, (struct sockaddr *)&un, sizeof un);
    } else {
        in.sin_port = htons(strcmp(where, "http") == 0 ? node_http_port(f->http)
                                                       : node_http_bootstrap_port(f->http));
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        rv = connect(fd, (struct sockaddr *)&in, sizeof in);
    }
    if (rv != 0) fail_msg("connect to %s: %s", where, strerror(errno));
    return fd;
}

static void say(int fd, const char *text, size_t len)
{
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Everything until the server closes. */
static char *hear_all(int fd)
{
    char *out = malloc(ANSWER_MAX);
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, out + len, ANSWER_MAX - 1 - len, 0);
        if (n < 0 && errno == ECONNRESET) break;
        if (n < 0) fail_msg("recv: %s after %zu bytes", strerror(errno), len);
        if (n == 0) break;
        len += (size_t)n;
    }
    out[len] = '\0';
    close(fd);
    return out;
}

struct answer {
    int status;
    char *all;
    const char *body;
};

static struct answer hear(int fd)
{
    struct answer a = {.all = hear_all(fd)};
    const char *end = strstr(a.all, "\r\n\r\n");
    if (end == NULL || sscanf(a.all, "HTTP/1.1 %d", &a.status) != 1)
        fail_msg("no answer: \"%s\"", a.all);
    a.body = end + 4;
    return a;
}

static int ask_start(const struct fixture *f, const char *where, const char *method,
                     const char *path, const char *headers, const char *body)
{
    char head[2048];
    int fd = dial(f, where);
    int len =
        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nConnection: close\r\n%s%s", method, path,
                 headers == NULL || strstr(headers, "Host:") == NULL ? "Host: localhost\r\n" : "",
                 headers == NULL ? "" : headers);
    if (body != NULL)
        len += snprintf(head + len, sizeof head - (size_t)len, "Content-Length: %zu\r\n",
                        strlen(body));
    len += snprintf(head + len, sizeof head - (size_t)len, "\r\n");
    /* Head and body in one go: a server that refuses the head may have closed by the next. */
    size_t body_len = body == NULL ? 0 : strlen(body);
    char *text = malloc((size_t)len + body_len + 1);
    memcpy(text, head, (size_t)len);
    if (body_len > 0) memcpy(text + len, body, body_len);
    say(fd, text, (size_t)len + body_len);
    free(text);
    return fd;
}

static struct answer ask(const struct fixture *f, const char *where, const char *method,
                         const char *path, const char *headers, const char *body)
{
    return hear(ask_start(f, where, method, path, headers, body));
}

static void expect(const struct fixture *f, const char *where, const char *method, const char *path,
                   const char *headers, const char *body, int status, const char *said)
{
    struct answer a = ask(f, where, method, path, headers, body);
    if (a.status != status || strstr(a.all, said) == NULL)
        fail_msg("%s %s %s: %d, not %d with \"%s\": %s", where, method, path, a.status, status,
                 said, a.body);
    free(a.all);
}

static json_t *ask_json(const struct fixture *f, const char *where, const char *path)
{
    struct answer a = ask(f, where, "GET", path, NULL, NULL);
    json_error_t error;
    assert_non_null(strstr(a.all, "Content-Type: application/json\r\n"));
    json_t *json = json_loads(a.body, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) fail_msg("%s: %s in %s", path, error.text, a.body);
    free(a.all);
    return json;
}

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (text == NULL) fail_msg("no text %s", key);
    return text;
}

/* ---- reading ---- */

static void test_every_reading_route_is_json(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/",          "/health",     "/peers",    "/info",
                                        "/v1/status", "/v1/members", "/v1/peers", "/v1/why?id=n1"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        json_decref(ask_json(f, "http", paths[i]));
        json_decref(ask_json(f, "control", paths[i]));
    }
}

static void test_status(void **state)
{
    struct fixture *f = *state;
    json_t *json = ask_json(f, "control", "/v1/status");
    assert_string_equal(text_at(json, "name"), "n1");
    assert_string_equal(text_at(json, "rpc_trust"), "majority");
    assert_string_equal(text_at(json, "trust"), "flags");
    assert_int_equal(json_integer_value(json_object_get(json, "token")), 7);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "block"), "number")),
                     123);
    assert_true(json_is_true(json_object_get(json, "ready")));
    assert_int_equal(json_array_size(json_object_get(json, "checks")), 2);
    assert_string_equal(text_at(json_array_get(json_object_get(json, "rpc"), 0), "endpoint"),
                        "https://rpc.example");
    json_decref(json);
}

/* The fields that scripts and benchmarks stand on, with their types. */
static void test_members(void **state)
{
    struct fixture *f = *state;
    json_t *json = ask_json(f, "http", "/v1/members");
    const json_t *members = json_object_get(json, "members");
    assert_int_equal(json_array_size(members), 2);
    const json_t *first = json_array_get(members, 0), *second = json_array_get(members, 1);
    assert_string_equal(text_at(first, "name"), "member-0");
    assert_int_equal(strlen(text_at(first, "node")), 66);
    assert_int_equal(strlen(text_at(first, "instance")), 40);
    assert_int_equal(json_integer_value(json_object_get(first, "token")), 0);
    assert_memory_equal(text_at(first, "owner"), "0x", 2);
    assert_string_equal(text_at(first, "url"), "tcp://10.0.0.7:9470");
    assert_string_equal(text_at(first, "app_url"), "https://b.example");
    assert_string_equal(text_at(first, "state"), "alive");
    assert_int_equal(json_integer_value(json_object_get(first, "incarnation")), 3);
    assert_int_equal(json_integer_value(json_object_get(first, "weight")), 1);
    assert_int_equal(json_integer_value(json_object_get(first, "verified_block")), 123);
    assert_true(json_real_value(json_object_get(first, "rtt_ms")) == 0.4);
    assert_string_equal(text_at(json_object_get(first, "tags"), "zone"), "e\"u");
    assert_string_equal(text_at(second, "state"), "failed");
    assert_true(json_is_null(json_object_get(second, "rtt_ms")));
    assert_string_equal(text_at(second, "token"),
                        "1157920892373161954235709850086879078532699846656"
                        "40564039457584007913129639935");
    json_decref(json);
}

/* Numbers as far as every JSON reader keeps them exactly. */
static void test_large_numbers_are_strings(void **state)
{
    static const struct {
        uint64_t value;
        const char *json;
    } cases[] = {{0, "0"},
                 {9007199254740991, "9007199254740991"},
                 {9007199254740992, "\"9007199254740992\""},
                 {UINT64_MAX, "\"18446744073709551615\""}};
    struct base_buf out;
    (void)state;
    base_buf_init(&out, 256);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct base_u256 value = base_u256_from_u64(cases[i].value);
        base_buf_clear(&out);
        node_json_u256(&out, &value);
        assert_string_equal(out.data, cases[i].json);
    }
    base_buf_deinit(&out);
}

/* The end of the registration by block time, told without failing anything. */
static void test_expiry(void **state)
{
    struct fixture *f = *state;
    json_t *json = ask_json(f, "control", "/v1/status");
    assert_int_equal(json_integer_value(json_object_get(json, "registration_expires_at")),
                     1760000000 + 2 * 86400 + 8639);
    assert_true(json_real_value(json_object_get(json, "registration_ends_in_days")) == 2.0);
    assert_int_equal(json_integer_value(json_object_get(json, "weight")), 3);
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "warnings"), 0)),
                        "ends soon");
    json_decref(json);
    expect(f, "http", "GET", "/readyz?verbose", NULL, NULL, 200, "[!]ends soon\nready\n");
    expect(f, "http", "GET", "/readyz", NULL, NULL, 200, "\r\n\r\nready\n");
    expect(f, "http", "GET", "/metrics", NULL, NULL, 200,
           "nftmesh_registration_expires_seconds 181439\n");
}

static void test_many_members(void **state)
{
    struct fixture *f = *state;
    publish(f, 4096);
    json_t *json = ask_json(f, "http", "/v1/members");
    assert_int_equal(json_array_size(json_object_get(json, "members")), 4096);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "counts"), "alive")),
                     4095);
    json_decref(json);
}

static void test_routes_of_the_prototype(void **state)
{
    struct fixture *f = *state;
    json_t *json = ask_json(f, "http", "/peers");
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 1); /* the dead is not */
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "peers"), 0)),
                        "https://b.example");
    assert_true(json_is_real(json_object_get(json, "timestamp")));
    assert_int_equal(strlen(text_at(json, "instance_id")), 40);
    json_decref(json);
    json = ask_json(f, "http", "/info");
    assert_string_equal(text_at(json, "connection_url"), "https://app.example");
    assert_string_equal(text_at(json, "rpc_url"), "https://rpc.example");
    assert_true(json_is_true(json_object_get(json, "registered")));
    assert_string_equal(text_at(json, "record"), "810001");
    assert_int_equal(strlen(text_at(json, "record_sig")), 130);
    assert_int_equal(strlen(text_at(json, "node")), 66);
    json_decref(json);
    json = ask_json(f, "http", "/health");
    assert_string_equal(text_at(json, "status"), "healthy");
    assert_true(json_is_true(json_object_get(json, "sdk_initialized")));
    json_decref(json);
    json = ask_json(f, "http", "/");
    assert_string_equal(text_at(json, "version"), "0.1.0");
    assert_non_null(json_object_get(json_object_get(json, "endpoints"), "/peers"));
    json_decref(json);
}

/* Reading, but the loop must ask the chain: no token, and whatever it answers. */
static void test_contract_info_is_asked_of_the_loop(void **state)
{
    struct fixture *f = *state;
    static const char *const wheres[] = {"http", "control"};
    for (size_t i = 0; i < 2; i++) {
        int fd = ask_start(f, wheres[i], "GET", "/contract-info", "Origin: http://x\r\n", NULL);
        struct node_command *command = command_take(f);
        assert_int_equal(command->kind, NODE_COMMAND_CONTRACT_INFO);
        complete(command, 503, "{\"detail\":\"no\",\"owner\":null}");
        struct answer a = hear(fd);
        assert_int_equal(a.status, 503);
        assert_string_equal(a.body, "{\"detail\":\"no\",\"owner\":null}");
        free(a.all);
    }
    expect(f, "bootstrap", "GET", "/contract-info", NULL, NULL, 404, "no route");
    expect(f, "http", "POST", "/contract-info", NULL, "{}", 405, "Allow: GET");
}

/* /openapi.json has every route there is, and none besides; each with its answers. */
static void test_openapi_is_the_route_table(void **state)
{
    struct fixture *f = *state;
    json_t *root = ask_json(f, "control", "/"), *spec = ask_json(f, "http", "/openapi.json");
    json_t *routes = json_object_get(root, "endpoints"), *paths = json_object_get(spec, "paths");
    const char *path;
    json_t *method, *operations;
    assert_memory_equal(text_at(spec, "openapi"), "3.", 2);
    json_object_foreach(routes, path, method)
    {
        const char *name = strcmp(json_string_value(method), "GET") == 0 ? "get" : "post";
        json_t *operation = json_object_get(json_object_get(paths, path), name);
        if (operation == NULL) fail_msg("%s is not in openapi.json", path);
        assert_int_equal(json_object_size(json_object_get(paths, path)), 1);
        assert_non_null(json_object_get(json_object_get(operation, "responses"), "200"));
        assert_true(strlen(text_at(operation, "summary")) > 5);
        assert_int_equal(json_array_size(json_object_get(operation, "tags")), 1);
    }
    json_object_foreach(paths, path, operations)
    {
        if (json_object_get(routes, path) == NULL) fail_msg("%s is no route", path);
    }
    json_decref(root);
    json_decref(spec);
}

/* What a route answers has the fields that its schema names: required ones all, others none. */
static void test_openapi_has_the_fields(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][2] = {
        {"/", "Root"},          {"/health", "Health"},    {"/peers", "PeerUrls"},
        {"/info", "Info"},      {"/v1/status", "Status"}, {"/v1/members", "Members"},
        {"/v1/peers", "Links"}, {"/v1/why?id=n1", "Why"}};
    json_t *spec = ask_json(f, "http", "/openapi.json");
    const json_t *schemas = json_object_get(json_object_get(spec, "components"), "schemas");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *answer = ask_json(f, "http", cases[i][0]), *value;
        const json_t *schema = json_object_get(schemas, cases[i][1]);
        const char *key;
        size_t index;
        json_object_foreach(answer, key, value)
        {
            if (json_object_get(json_object_get(schema, "properties"), key) == NULL)
                fail_msg("%s: %s is not in the schema", cases[i][0], key);
        }
        json_array_foreach(json_object_get(schema, "required"), index, value)
        {
            if (json_object_get(answer, json_string_value(value)) == NULL)
                fail_msg("%s: %s is missing", cases[i][0], json_string_value(value));
        }
        json_decref(answer);
    }
    json_decref(spec);
}

/* One page, its script and style under a nonce of this answer alone, nothing from elsewhere. */
static void test_docs(void **state)
{
    struct fixture *f = *state;
    struct answer one = ask(f, "http", "GET", "/docs", NULL, NULL);
    struct answer two = ask(f, "http", "GET", "/docs", NULL, NULL);
    char nonce[33], other[33], needle[64];
    const char *policy = strstr(one.all, "Content-Security-Policy: default-src 'none';");
    assert_int_equal(one.status, 200);
    assert_non_null(strstr(one.all, "Content-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(policy);
    assert_null(strstr(policy + 1, "Content-Security-Policy")); /* one alone */
    assert_null(strstr(one.all, "unsafe"));
    assert_int_equal(sscanf(strstr(policy, "'nonce-"), "'nonce-%32[0-9a-f]'", nonce), 1);
    assert_int_equal(sscanf(strstr(two.all, "'nonce-"), "'nonce-%32[0-9a-f]'", other), 1);
    assert_string_not_equal(nonce, other);
    snprintf(needle, sizeof needle, "<script nonce=\"%s\">", nonce);
    assert_non_null(strstr(one.body, needle));
    snprintf(needle, sizeof needle, "<style nonce=\"%s\">", nonce);
    assert_non_null(strstr(one.body, needle));
    static const char *const nowhere[] = {"@NONCE@", "http://", "https://", "innerHTML", " src="};
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++)
        assert_null(strstr(one.body, nowhere[i]));
    free(one.all);
    free(two.all);
}

/* Nothing here lets another origin read an answer. */
static void test_no_cors(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/v1/status", "/docs", "/openapi.json", "/nowhere"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct answer a = ask(f, "http", "GET", paths[i], "Origin: http://evil.example\r\n", NULL);
        assert_null(strstr(a.all, "Access-Control"));
        assert_non_null(strstr(a.all, "X-Content-Type-Options: nosniff\r\n"));
        free(a.all);
    }
    struct answer a = ask(f, "http", "OPTIONS", "/register", "Origin: http://x\r\n", NULL);
    assert_int_equal(a.status, 404);
    assert_null(strstr(a.all, "Access-Control"));
    free(a.all);
}

static void test_why(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *id;
        size_t members, refusals;
    } cases[] = {{"03abcd0000", 1, 0},
                 {"03ABCD", 2, 0},
                 {"0x03abcd0001", 1, 0},
                 {"member-1", 1, 0},
                 {"0", 1, 0},
                 {"03a", 0, 0},
                 {"02eeff", 0, 1},
                 {"tcp://10.9.9.9:1", 0, 1},
                 {"0000000000000000000000000000000000000001", 1, 0},
                 {"zz", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "/v1/why?id=%s", cases[i].id);
        json_t *json = ask_json(f, "control", path);
        assert_int_equal(json_array_size(json_object_get(json, "members")), cases[i].members);
        assert_int_equal(json_array_size(json_object_get(json, "refusals")), cases[i].refusals);
        json_decref(json);
    }
    json_t *json = ask_json(f, "control", "/v1/why?id=02eeff");
    const json_t *refusal = json_array_get(json_object_get(json, "refusals"), 0);
    assert_string_equal(text_at(refusal, "reason"), "no_seat");
    assert_string_equal(text_at(refusal, "by"), "us");
    assert_int_equal(json_integer_value(json_object_get(refusal, "block")), 122);
    json_decref(json);
    expect(f, "control", "GET", "/v1/why", NULL, NULL, 400, "ask with ?id=");
}

static void test_before_the_first_view(void **state)
{
    struct fixture *f = *state;
    struct node_view_slot *full = f->slot, *empty;
    assert_int_equal(node_view_slot_new(&empty), BASE_OK);
    f->config.view = empty;
    restart(f);
    expect(f, "http", "GET", "/v1/status", NULL, NULL, 503, "still starting");
    expect(f, "http", "GET", "/info", NULL, NULL, 503, "still starting");
    expect(f, "http", "GET", "/readyz", NULL, NULL, 503, "not ready");
    expect(f, "http", "GET", "/livez", NULL, NULL, 200, "ok");
    expect(f, "http", "GET", "/health", NULL, NULL, 200, "\"sdk_initialized\":false");
    expect(f, "http", "GET", "/metrics", NULL, NULL, 200, "nftmesh_build_info");
    struct node_view *early; /* a view, but the chain has not been read */
    assert_int_equal(node_view_new(&early), BASE_OK);
    assert_int_equal(node_view_publish(empty, early), BASE_OK);
    expect(f, "http", "GET", "/peers", NULL, NULL, 503, "{\"detail\":\"the chain has not");
    expect(f, "http", "GET", "/health", NULL, NULL, 200, "\"sdk_initialized\":false");
    f->config.view = full;
    restart(f);
    node_view_slot_free(empty);
}

static void test_readyz(void **state)
{
    struct fixture *f = *state;
    expect(f, "http", "GET", "/readyz", NULL, NULL, 200, "\r\n\r\nready\n");
    expect(f, "http", "GET", "/readyz?verbose", NULL, NULL, 200,
           "[+]joined ok\n[+]chain_fresh ok\n[!]");
    publish(f, 0);
    expect(f, "http", "GET", "/readyz", NULL, NULL, 503,
           "\r\n\r\n[-]chain_fresh no block for 40 s\nnot ready\n");
    expect(f, "http", "GET", "/readyz?verbose", NULL, NULL, 503, "[+]joined ok\n[-]chain_fresh");
}

/* /livez tells the loop's age, whatever the rest says. */
static void test_livez(void **state)
{
    struct fixture *f = *state;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    f->config.loop_turn_ms = &f->loop_turn_ms;
    atomic_store(&f->loop_turn_ms, (uint64_t)ts.tv_sec * 1000 + 60000); /* ahead: young */
    restart(f);
    expect(f, "http", "GET", "/livez", NULL, NULL, 200, "ok\n");
    atomic_store(&f->loop_turn_ms, (uint64_t)ts.tv_sec * 1000 - 5000);
    expect(f, "http", "GET", "/livez", NULL, NULL, 503, "the loop has not turned for ");
}

static void test_metrics_count_requests(void **state)
{
    struct fixture *f = *state;
    expect(f, "http", "GET", "/nowhere", NULL, NULL, 404, "routes");
    expect(f, "http", "GET", "/metrics", NULL, NULL, 200, "text/plain; version=0.0.4");
    expect(f, "http", "GET", "/metrics", NULL, NULL, 200,
           "nftmesh_http_requests_total{listener=\"http\",code=\"404\"} 1\n");
}

static void test_head(void **state)
{
    struct fixture *f = *state;
    struct answer a = ask(f, "http", "HEAD", "/v1/status", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "");
    free(a.all);
    a = ask(f, "http", "HEAD", "/v1/events", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "");
    free(a.all);
}

/* ---- who may ask what ---- */

static void test_hosts(void **state)
{
    struct fixture *f = *state;
    static const char *const good[] = {"localhost",       "localhost:1234", "127.0.0.1",
                                       "127.0.0.1:80",    "[::1]:9464",     "node1.example",
                                       "NODE1.example:80"};
    static const char *const bad[] = {"evil.example",
                                      "localhost.evil.example",
                                      "10.0.0.1",
                                      "node1.example.evil",
                                      "user@localhost",
                                      "localhost/x",
                                      "",
                                      "localhost:x",
                                      "[::1",
                                      "0.0.0.0"};
    char header[128];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(header, sizeof header, "Host: %s\r\n", good[i]);
        expect(f, "http", "GET", "/v1/status", header, NULL, 200, "\"name\"");
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(header, sizeof header, "Host: %s\r\n", bad[i]);
        expect(f, "http", "GET", "/v1/status", header, NULL, 403, "Host header");
        expect(f, "control", "GET", "/v1/status", header, NULL, 200, "\"name\"");
        expect(f, "bootstrap", "GET", "/info", header, NULL, 200, "\"node\"");
    }
    expect(f, "http", "GET", "/v1/status", "Host: localhost\r\nHost: localhost\r\n", NULL, 403,
           "Host header");
    int fd = dial(f, "http");
    say(fd, "GET /v1/status HTTP/1.0\r\n\r\n", 27);
    char *all = hear_all(fd);
    assert_non_null(strstr(all, " 403 "));
    free(all);
}

/* The address that --http names counts as listed, but for "any address". */
static void test_host_as_bound(void **state)
{
    struct fixture *f = *state;
    strcpy(f->endpoint.host, "0.0.0.0");
    restart(f);
    expect(f, "http", "GET", "/v1/status", "Host: 0.0.0.0\r\n", NULL, 403, "Host header");
    expect(f, "http", "GET", "/v1/status", "Host: 127.0.0.1\r\n", NULL, 200, "\"name\"");
}

static void test_unknown_routes_and_methods(void **state)
{
    struct fixture *f = *state;
    json_t *json = ask_json(f, "http", "/v2/<x>");
    assert_true(json_array_size(json_object_get(json, "routes")) > 10);
    json_decref(json);
    expect(f, "http", "GET", "/v1/status/", NULL, NULL, 404, "no route");
    expect(f, "http", "GET", "/v1/../v1/status", NULL, NULL, 404, "no route");
    expect(f, "http", "POST", "/v1/status", NULL, "", 405, "Allow: GET");
    expect(f, "http", "DELETE", "/v1/status", NULL, NULL, 405, "Allow: GET");
    expect(f, "http", "PUT", "/v1/status", NULL, "{}", 405, "Allow: GET");
    expect(f, "http", "OPTIONS", "/v1/status", NULL, NULL, 405, "Allow: GET");
    expect(f, "control", "GET", "/v1/leave", NULL, NULL, 405, "Allow: POST");
}

static void test_bootstrap_serves_info_alone(void **state)
{
    struct fixture *f = *state;
    expect(f, "bootstrap", "GET", "/info", NULL, NULL, 200, "\"record\":\"810001\"");
    static const char *const others[] = {"/",          "/health",    "/peers",
                                         "/metrics",   "/v1/status", "/v1/members",
                                         "/v1/events", "/readyz",    "/livez"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        expect(f, "bootstrap", "GET", others[i], NULL, NULL, 404, "\"routes\":[\"GET /info\"]");
    expect(f, "bootstrap", "POST", "/v1/leave", NULL, "{}", 404, "no route");
}

/* Without a token there is nothing over TCP that changes anything. */
static void test_tcp_reads_only(void **state)
{
    struct fixture *f = *state;
    static const char *const writing[] = {
        "/register", "/register-instance", "/register-peer",   "/mint-nft", "/v1/join",
        "/v1/event", "/v1/leave",          "/v1/trust/accept", "/v1/tags",  "/v1/register",
        "/v1/mint",  "/v1/binding",        "/v1/authorize"};
    for (size_t i = 0; i < sizeof writing / sizeof writing[0]; i++)
        expect(f, "http", "POST", writing[i], "Authorization: Bearer " TOKEN "\r\n", "{}", 404,
               "no route");
    f->config.token = TOKEN;
    restart(f);
    for (size_t i = 4; i < sizeof writing / sizeof writing[0]; i++)
        expect(f, "http", "POST", writing[i], "Authorization: Bearer " TOKEN "\r\n", "{}", 404,
               "no route");
    assert_int_equal(f->command_count, 0);
}

static void test_token(void **state)
{
    struct fixture *f = *state;
    f->config.token = TOKEN;
    restart(f);
    static const char *const bad[] = {"X: y\r\n",
                                      "Authorization: Bearer\r\n",
                                      "Authorization: Bearer \r\n",
                                      "Authorization: Basic " TOKEN "\r\n",
                                      "Authorization: Digest " TOKEN "\r\n",
                                      "Authorization: Bearer 0123456789abcdef-tokem\r\n",
                                      "Authorization: Bearer 0123456789abcdef-toke\r\n",
                                      "Authorization: Bearer " TOKEN "x\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(f, "http", "POST", "/register", bad[i], "{}", 401, "WWW-Authenticate: Bearer");
    expect(f, "http", "POST", "/register",
           "Authorization: Bearer " TOKEN "\r\nOrigin: http://localhost\r\n", "{}", 403, "Origin");
    expect(f, "http", "POST", "/register", "Authorization: Bearer " TOKEN "\r\nHost: evil\r\n",
           "{}", 403, "Host header");
    assert_int_equal(f->command_count, 0);
    int fd = ask_start(f, "http", "POST", "/register", "Authorization: Bearer " TOKEN "\r\n", "{}");
    struct node_command *command = command_take(f);
    assert_int_equal(command->kind, NODE_COMMAND_REGISTER);
    assert_non_null(command->body);
    complete(command, 200, "{\"status\":\"success\"}");
    struct answer a = hear(fd);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "{\"status\":\"success\"}");
    free(a.all);
    expect(f, "http", "GET", "/v1/status", "Origin: http://x\r\n", NULL, 200, "\"name\"");
}

static void test_start_refusals(void **state)
{
    struct fixture *f = *state;
    struct node_http_config config = f->config;
    struct node_http *second = NULL;
    struct node_endpoint taken = f->endpoint, strange = {.host = "host.invalid", .port = 1};
    char path[160];
    config.token = "short";
    assert_int_equal(node_http_new(&second, &config, f->why), BASE_EINVAL);
    assert_non_null(strstr(f->why, "too short"));
    config.token = NULL;
    config.control_path = NULL;
    config.bootstrap = NULL;
    taken.port = node_http_port(f->http);
    config.http = &taken;
    assert_int_equal(node_http_new(&second, &config, f->why), BASE_EIO);
    assert_non_null(strstr(f->why, "--http: cannot listen on 127.0.0.1 port"));
    config.http = NULL;
    config.bootstrap = &strange;
    assert_int_equal(node_http_new(&second, &config, f->why), BASE_EINVAL);
    assert_non_null(strstr(f->why, "--bootstrap-http: host.invalid"));
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    config.bootstrap = NULL;
    config.control_path = path;
    assert_int_equal(node_http_new(&second, &config, f->why), BASE_EINVAL);
    assert_null(second);
}

static void test_control_socket_is_private(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->control, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* ---- writing ---- */

static void test_commands_reach_the_loop(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path, *body;
        enum node_command_kind kind;
    } cases[] = {
        {"/v1/join", "{\"url\":\"https://b.example\"}", NODE_COMMAND_JOIN},
        {"/v1/event", "{\"name\":\"deploy\",\"payload\":\"00ff\"}", NODE_COMMAND_EVENT},
        {"/v1/event", "{\"name\":\"deploy\"}", NODE_COMMAND_EVENT},
        {"/v1/leave", "", NODE_COMMAND_LEAVE},
        {"/v1/leave", "{}", NODE_COMMAND_LEAVE},
        {"/v1/trust/accept", "{}", NODE_COMMAND_TRUST_ACCEPT},
        {"/v1/tags", "{\"set\":{\"a\":\"b\"},\"delete\":[\"c\"]}", NODE_COMMAND_TAGS},
        {"/v1/register", "{\"token\":7}", NODE_COMMAND_REGISTER},
        {"/v1/mint", "{}", NODE_COMMAND_MINT},
        {"/v1/binding", "{}", NODE_COMMAND_BINDING},
        {"/v1/authorize", "{}", NODE_COMMAND_AUTHORIZE},
        {"/mint-nft", "{}", NODE_COMMAND_MINT},
        {"/register-instance", "{}", NODE_COMMAND_REGISTER},
        {"/register-peer", "{}", NODE_COMMAND_REGISTER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = ask_start(f, "control", "POST", cases[i].path, NULL, cases[i].body);
        struct node_command *command = command_take(f);
        assert_int_equal(command->kind, cases[i].kind);
        if (i == 0) assert_string_equal(command->url, "https://b.example");
        if (i == 1) assert_string_equal(command->name, "deploy");
        if (i == 1) assert_memory_equal(command->payload, "\x00\xff", command->payload_len);
        if (i == 2) assert_int_equal(command->payload_len, 0);
        if (i == 6) assert_non_null(json_object_get(command->body, "delete"));
        complete(command, 202, "{\"i\":1}");
        struct answer a = hear(fd);
        assert_int_equal(a.status, 202);
        assert_string_equal(a.body, "{\"i\":1}");
        free(a.all);
    }
}

static void test_bodies_are_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path, *body, *said;
    } cases[] = {
        {"/v1/join", "", "the body needs"},
        {"/v1/join", "{", "not JSON"},
        {"/v1/join", "[]", "must be a JSON object"},
        {"/v1/join", "{\"url\":7}", "the body needs"},
        {"/v1/join", "{\"url\":\"a\",\"url\":\"b\"}", "not JSON"},
        {"/v1/join", "{\"url\":\"ftp://x\"}", "url is not a bootstrap URL"},
        {"/v1/join", "{\"url\":\"mesh://x:1\"}", "url carries no node key"},
        {"/v1/event", "{}", "the body needs"},
        {"/v1/event", "{\"name\":\"\"}", "the body needs"},
        {"/v1/event", "{\"name\":\"a b\"}", "printable ASCII"},
        {"/v1/event", "{\"name\":\"a\\u0007\"}", "printable ASCII"},
        {"/v1/event", "{\"name\":\"a\",\"payload\":\"0\"}", "payload"},
        {"/v1/event", "{\"name\":\"a\",\"payload\":7}", "payload"},
        {"/v1/tags", "{}", "the body needs"},
        {"/v1/tags", "{\"set\":[]}", "the body needs"},
        {"/v1/tags", "{\"set\":{\"a\":1}}", "tags are strings"},
        {"/v1/tags", "{\"set\":{\"\":\"x\"}}", "tags are strings"},
        {"/v1/tags", "{\"delete\":[1]}", "tags are strings"},
        {"/v1/tags", "{\"set\":{\"a\":\"" TEXT_65 "\"}}", "tags are strings"},
        {"/v1/tags", "{\"set\":{\"" TEXT_65 "\":\"a\"}}", "tags are strings"},
        {"/v1/event", "{\"name\":\"" TEXT_65 "\"}", "the body needs"},
        {"/v1/leave", "nonsense", "not JSON"},
        {"/v1/register", "7", "the body"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(f, "control", "POST", cases[i].path, NULL, cases[i].body, 400, cases[i].said);
    expect(f, "control", "POST", "/v1/leave", "Origin: http://x\r\n", "{}", 403, "Origin");
    assert_int_equal(f->command_count, 0);
}

static void test_large_payload_is_refused(void **state)
{
    struct fixture *f = *state;
    char body[1200];
    snprintf(body, sizeof body, "{\"name\":\"a\",\"payload\":\"%01026d\"}", 0);
    expect(f, "control", "POST", "/v1/event", NULL, body, 400, "payload");
}

static void test_oversize_bodies(void **state)
{
    struct fixture *f = *state;
    static const char *const headers[] = {"Content-Length: 65537\r\n",
                                          "Content-Length: 99999999999999999999\r\n"};
    for (size_t i = 0; i < 2; i++) /* refused by its head: no byte of the body is sent */
        expect(f, "control", "POST", "/v1/leave", headers[i], NULL, i == 0 ? 413 : 413, "");
    expect(f, "control", "POST", "/v1/leave", "Transfer-Encoding: chunked\r\n", NULL, 411,
           "Content-Length");
    expect(f, "control", "GET", "/v1/status", "Content-Length: 65537\r\n", NULL, 413, "64 KiB");
    char *body = malloc(65537);
    memset(body, ' ', 65536);
    body[65536] = '\0';
    memcpy(body, "{}", 2);
    int fd = ask_start(f, "control", "POST", "/v1/leave", NULL, body); /* exactly the bound */
    complete(command_take(f), 200, "{}");
    struct answer a = hear(fd);
    assert_int_equal(a.status, 200);
    free(a.all);
    free(body);
}

static void test_oversize_head(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(65536);
    int fd = dial(f, "http");
    int len = snprintf(text, 65536, "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: %060000d", 0);
    (void)!send(fd, text, (size_t)len, MSG_NOSIGNAL);
    free(text);
    char *all = hear_all(fd);
    if (all[0] != '\0') assert_non_null(strstr(all, "HTTP/1.1 4"));
    free(all);
    expect(f, "http", "GET", "/livez", NULL, NULL, 200, "ok");
}

static void test_loop_says_no(void **state)
{
    struct fixture *f = *state;
    int fd = ask_start(f, "control", "POST", "/v1/leave", NULL, "{}");
    node_http_fail(command_take(f), 409, "leaving \"already\"");
    struct answer a = hear(fd);
    assert_int_equal(a.status, 409);
    assert_string_equal(a.body, "{\"detail\":\"leaving \\\"already\\\"\"}");
    free(a.all);
    f->submit_rv = BASE_EFULL;
    expect(f, "control", "POST", "/v1/leave", NULL, "{}", 503, "busy");
}

/* A loop that answers too late: 504, and the late answer hurts nobody. */
static void test_command_time_out(void **state)
{
    struct fixture *f = *state;
    f->config.command_timeout_ms = 30;
    restart(f);
    expect(f, "control", "POST", "/v1/leave", NULL, "{}", 504, "did not answer in time");
    complete(command_take(f), 200, "{}");
    expect(f, "control", "GET", "/livez", NULL, NULL, 200, "ok");
}

static void test_client_gone_before_the_answer(void **state)
{
    struct fixture *f = *state;
    int fd = ask_start(f, "control", "POST", "/v1/leave", NULL, "{}");
    struct node_command *command = command_take(f);
    close(fd);
    complete(command, 200, "{}");
    expect(f, "control", "GET", "/livez", NULL, NULL, 200, "ok");
}

static void test_stop_while_the_loop_holds_a_command(void **state)
{
    struct fixture *f = *state;
    int fd = ask_start(f, "control", "POST", "/v1/leave", NULL, "{}");
    struct node_command *command = command_take(f);
    node_http_free(f->http);
    f->http = NULL;
    free(hear_all(fd));
    complete(command, 200, "{}"); /* after the server's end */
}

/* ---- clients that mean no good ---- */

/* Goal: connections that never finish a request fill a listener for the request's time at most,
 * also when a byte comes now and then, and the control socket is not touched by it.
 * Method: as many as the listener takes; one of them dribbles. */
static void test_slow_clients(void **state)
{
    struct fixture *f = *state;
    int slow[4];
    f->config.connection_max = 4;
    f->config.request_timeout_ms = SHORT_MS;
    restart(f);
    for (size_t i = 0; i < 4; i++) {
        slow[i] = dial(f, "http");
        say(slow[i], "GET /v1/status HTTP/1.1\r\nHost: loc", 34);
    }
    expect(f, "control", "GET", "/livez", NULL, NULL, 200, "ok");
    for (;;) { /* a dribbling header line keeps no connection open */
        struct pollfd pfd = {.fd = slow[0], .events = POLLIN};
        if (poll(&pfd, 1, 20) == 1) break;
        if (send(slow[0], "a", 1, MSG_NOSIGNAL) != 1) break;
    }
    for (size_t i = 0; i < 4; i++) {
        char *all = hear_all(slow[i]);
        assert_null(strstr(all, "200"));
        free(all);
    }
    expect(f, "http", "GET", "/livez", NULL, NULL, 200, "ok"); /* there is room again */
}

/* One more than the listener takes waits, and is served when a place is free. */
static void test_connection_limit(void **state)
{
    struct fixture *f = *state;
    int held[3];
    f->config.connection_max = 3;
    f->config.request_timeout_ms = SHORT_MS;
    restart(f);
    for (size_t i = 0; i < 3; i++)
        held[i] = dial(f, "http");
    expect(f, "http", "GET", "/livez", NULL, NULL, 200, "ok"); /* after the silent ones' time */
    for (size_t i = 0; i < 3; i++)
        free(hear_all(held[i]));
}

static void test_body_that_never_comes(void **state)
{
    struct fixture *f = *state;
    f->config.request_timeout_ms = 200;
    restart(f);
    int fd = ask_start(f, "control", "POST", "/v1/leave", "Content-Length: 100\r\n", NULL);
    char *all = hear_all(fd);
    assert_string_equal(all, "");
    free(all);
    assert_int_equal(f->command_count, 0);
}

static void test_garbage(void **state)
{
    struct fixture *f = *state;
    static const char *const garbage[] = {"\r\n\r\n\r\n",
                                          "GET\r\n\r\n",
                                          "\x16\x03\x01\x02\x00\x01",
                                          "GET / HTTP/9.9\r\n\r\n",
                                          "GET / HTTP/1.1\r\n:\r\n\r\n",
                                          "GET /%00%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                          "POST /v1/leave HTTP/1.1\r\nContent-Length: -1\r\n\r\n"};
    enum { GARBAGE = sizeof garbage / sizeof garbage[0] };
    int fds[GARBAGE];
    f->config.request_timeout_ms = SHORT_MS;
    restart(f);
    for (size_t i = 0; i < GARBAGE; i++) { /* at once: what is no request waits for its time */
        fds[i] = dial(f, "http");
        say(fds[i], garbage[i], strlen(garbage[i]));
    }
    for (size_t i = 0; i < GARBAGE; i++) {
        char *all = hear_all(fds[i]);
        assert_null(strstr(all, "200 OK"));
        free(all);
    }
    expect(f, "http", "GET", "/livez", NULL, NULL, 200, "ok");
}

/* ---- the stream ---- */

static int stream_open(const struct fixture *f, const char *path, const char *headers)
{
    return ask_start(f, "http", "GET", path, headers, NULL);
}

/* Reads until needle was seen; everything so far in out (cleared before). */
static void hear_until(int fd, char *out, size_t cap, const char *needle)
{
    size_t len = 0;
    out[0] = '\0';
    while (strstr(out, needle) == NULL) {
        ssize_t n = recv(fd, out + len, cap - 1 - len, 0);
        if (n <= 0) fail_msg("the stream ended before \"%s\": %s", needle, out);
        len += (size_t)n;
        out[len] = '\0';
    }
}

static void tell(struct fixture *f, const char *type, int n)
{
    char json[64];
    int len = snprintf(json, sizeof json, "{\"n\":%d}", n);
    node_http_event(f->http, type, json, (size_t)len);
}

static void test_stream_in_order(void **state)
{
    struct fixture *f = *state;
    char text[65536], needle[32];
    int one = stream_open(f, "/v1/events", NULL), two = stream_open(f, "/v1/events", NULL);
    hear_until(one, text, sizeof text, ": nftmesh events\nretry: 2000\n\n");
    assert_non_null(strstr(text, "Content-Type: text/event-stream"));
    hear_until(two, text, sizeof text, "retry: 2000\n\n");
    for (int i = 0; i < 100; i++)
        tell(f, "up", i);
    hear_until(two, text, sizeof text, "{\"n\":99}\n\n");
    hear_until(one, text, sizeof text, "{\"n\":99}\n\n");
    const char *at = text;
    for (int i = 0; i < 100; i++) {
        snprintf(needle, sizeof needle, "id: b007-%d\n", i + 1);
        at = strstr(at, needle);
        if (at == NULL) fail_msg("event %d is missing or out of order", i);
        snprintf(needle, sizeof needle, "event: up\ndata: {\"n\":%d}\n\n", i);
        assert_non_null(strstr(at, needle));
    }
    close(one);
    close(two);
}

static void test_stream_resumes(void **state)
{
    struct fixture *f = *state;
    char text[65536];
    for (int i = 1; i <= 10; i++)
        tell(f, "msg", i);
    int fd = stream_open(f, "/v1/events", "Last-Event-ID: b007-7\r\n");
    hear_until(fd, text, sizeof text, "{\"n\":10}\n\n");
    assert_null(strstr(text, "{\"n\":7}"));
    assert_non_null(strstr(text, "id: b007-8\n"));
    assert_null(strstr(text, "gap"));
    close(fd);
    fd = stream_open(f, "/v1/events?last=2", NULL);
    hear_until(fd, text, sizeof text, "{\"n\":10}\n\n");
    assert_null(strstr(text, "{\"n\":8}"));
    assert_non_null(strstr(text, "{\"n\":9}"));
    close(fd);
    fd = stream_open(f, "/v1/events?last=100", NULL); /* more than there is: all */
    hear_until(fd, text, sizeof text, "{\"n\":10}\n\n");
    assert_non_null(strstr(text, "id: b007-1\n"));
    assert_null(strstr(text, "gap"));
    close(fd);
    fd = stream_open(f, "/v1/events", NULL); /* from now on */
    hear_until(fd, text, sizeof text, "retry: 2000\n\n");
    tell(f, "msg", 11);
    hear_until(fd, text, sizeof text, "{\"n\":11}\n\n");
    assert_null(strstr(text, "{\"n\":10}"));
    close(fd);
}

/* What is lost is told: another process's ids, and ids older than the ring. */
static void test_stream_tells_gaps(void **state)
{
    struct fixture *f = *state;
    static char text[1 << 20];
    static const char *const foreign[] = {"Last-Event-ID: b006-1\r\n", "Last-Event-ID: x\r\n",
                                          "Last-Event-ID: b007-999999\r\n",
                                          "Last-Event-ID: b007-\r\n", "Last-Event-ID: b007-1x\r\n"};
    tell(f, "msg", 1);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        int fd = stream_open(f, "/v1/events", foreign[i]);
        hear_until(fd, text, sizeof text, "{\"n\":1}\n\n");
        assert_non_null(strstr(text, "event: gap\ndata: {\"ev\":\"gap\",\"restarted\":true}\n\n"));
        close(fd);
    }
    for (int i = 2; i <= NODE_HTTP_EVENTS_MAX + 10; i++)
        tell(f, "msg", i);
    int fd = stream_open(f, "/v1/events", "Last-Event-ID: b007-1\r\n");
    snprintf(text, 64, "{\"n\":%d}\n\n", NODE_HTTP_EVENTS_MAX + 10);
    char needle[64];
    strcpy(needle, text);
    hear_until(fd, text, sizeof text, needle);
    assert_non_null(strstr(text, "{\"ev\":\"gap\",\"missed\":9}"));
    assert_null(strstr(text, "{\"n\":10}\n"));
    assert_non_null(strstr(text, "{\"n\":11}\n"));
    close(fd);
}

static void test_long_event_is_replaced(void **state)
{
    struct fixture *f = *state;
    char text[65536];
    char *json = malloc(NODE_HTTP_EVENT_BYTES_MAX + 2);
    memset(json, 'x', NODE_HTTP_EVENT_BYTES_MAX + 1);
    node_http_event(f->http, "msg", json, NODE_HTTP_EVENT_BYTES_MAX + 1);
    free(json);
    int fd = stream_open(f, "/v1/events?last=1", NULL);
    hear_until(fd, text, sizeof text, "data: {\"ev\":\"too_long\"}\n\n");
    close(fd);
}

static void test_stream_keep_alive(void **state)
{
    struct fixture *f = *state;
    char text[4096];
    f->config.keepalive_ms = 20;
    restart(f);
    int fd = stream_open(f, "/v1/events", NULL);
    hear_until(fd, text, sizeof text, ": keep-alive\n\n");
    hear_until(fd, text, sizeof text, ": keep-alive\n\n");
    tell(f, "up", 1);
    hear_until(fd, text, sizeof text, "{\"n\":1}\n\n");
    close(fd);
}

/* Streams have a share of the connections, not all; a closed one gives its place back. */
static void test_stream_limit(void **state)
{
    struct fixture *f = *state;
    char text[4096];
    int fds[2];
    f->config.stream_max = 2;
    f->config.keepalive_ms = 10;
    restart(f);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = stream_open(f, "/v1/events", NULL);
        hear_until(fds[i], text, sizeof text, "retry: 2000\n\n");
    }
    expect(f, "http", "GET", "/v1/events", NULL, NULL, 503, "too many event streams");
    expect(f, "http", "GET", "/livez", NULL, NULL, 200, "ok");
    close(fds[0]);
    for (;;) { /* noticed at the next keep-alive */
        int fd = stream_open(f, "/v1/events", NULL);
        hear_until(fd, text, sizeof text, "\r\n\r\n");
        bool is_open = strstr(text, "200 OK") != NULL;
        close(fd);
        if (is_open) break;
    }
    close(fds[1]);
}

static void test_stop_ends_streams(void **state)
{
    struct fixture *f = *state;
    char text[4096];
    int fd = stream_open(f, "/v1/events", NULL);
    hear_until(fd, text, sizeof text, "retry: 2000\n\n");
    node_http_free(f->http);
    f->http = NULL;
    free(hear_all(fd));
}

/* ---- everything at once; for the thread sanitizer ---- */

static void *crowd_client(void *arg)
{
    const struct fixture *f = arg;
    static const char *const paths[] = {"/v1/status",      "/v1/members",   "/metrics",
                                        "/readyz?verbose", "/v1/why?id=n1", "/info",
                                        "/livez"};
    for (size_t i = 0; i < 40; i++) {
        struct answer a = ask(f, i % 2 ? "http" : "control", "GET", paths[i % 7], NULL, NULL);
        assert_int_equal(a.status, 200);
        free(a.all);
    }
    return NULL;
}

static void test_crowd(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    char text[65536];
    int stream = stream_open(f, "/v1/events", NULL);
    hear_until(stream, text, sizeof text, "retry: 2000\n\n");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_client, f), 0);
    for (int i = 0; i < 200; i++) {
        publish(f, (size_t)(i % 5) + 1);
        tell(f, "up", i);
        node_metrics_handshake(f->metrics, i % 3 ? "up" : "junk", 1);
        node_metrics_rpc(f->metrics, "https://a", "eth_call", "ok", 1);
    }
    hear_until(stream, text, sizeof text, "{\"n\":199}\n\n");
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    close(stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_every_reading_route_is_json),
        TEST(test_status),
        TEST(test_members),
        TEST(test_large_numbers_are_strings),
        TEST(test_expiry),
        TEST(test_many_members),
        TEST(test_routes_of_the_prototype),
        TEST(test_contract_info_is_asked_of_the_loop),
        TEST(test_openapi_is_the_route_table),
        TEST(test_openapi_has_the_fields),
        TEST(test_docs),
        TEST(test_no_cors),
        TEST(test_why),
        TEST(test_before_the_first_view),
        TEST(test_readyz),
        TEST(test_livez),
        TEST(test_metrics_count_requests),
        TEST(test_head),
        TEST(test_hosts),
        TEST(test_host_as_bound),
        TEST(test_unknown_routes_and_methods),
        TEST(test_bootstrap_serves_info_alone),
        TEST(test_tcp_reads_only),
        TEST(test_token),
        TEST(test_start_refusals),
        TEST(test_control_socket_is_private),
        TEST(test_commands_reach_the_loop),
        TEST(test_bodies_are_checked),
        TEST(test_large_payload_is_refused),
        TEST(test_oversize_bodies),
        TEST(test_oversize_head),
        TEST(test_loop_says_no),
        TEST(test_command_time_out),
        TEST(test_client_gone_before_the_answer),
        TEST(test_stop_while_the_loop_holds_a_command),
        TEST(test_slow_clients),
        TEST(test_connection_limit),
        TEST(test_body_that_never_comes),
        TEST(test_garbage),
        TEST(test_stream_in_order),
        TEST(test_stream_resumes),
        TEST(test_stream_tells_gaps),
        TEST(test_long_event_is_replaced),
        TEST(test_stream_keep_alive),
        TEST(test_stream_limit),
        TEST(test_stop_ends_streams),
        TEST(test_crowd),
    };
    return cmocka_run_group_tests_name("node_http", tests, NULL, NULL);
}
