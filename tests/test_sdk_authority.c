/* Without a node, on a contract that stores no keys: whom the library asks for the owners'
 * authorisations, how often, and what of the answers counts. */
#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "chain/poll.h"
#include "node/info.h"
#include "sdk/authority.h"

#define US    0 /* indices of seats */
#define PEER  1
#define THIRD 2

/* ---- a seat's address ---- */

static struct {
    pthread_t thread;
    int listener, port;
    char answer[4096];
    pthread_mutex_t mutex; /* for the answer */
    _Atomic unsigned asked;
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        char request[1024];
        int fd = accept(server.listener, NULL, NULL);
        if (fd < 0) return NULL;
        ssize_t len = recv(fd, request, sizeof request - 1, 0);
        request[len > 0 ? len : 0] = '\0';
        if (strncmp(request, "GET /info ", 10) == 0) server.asked++;
        pthread_mutex_lock(&server.mutex);
        (void)send(fd, server.answer, strlen(server.answer), MSG_NOSIGNAL);
        pthread_mutex_unlock(&server.mutex);
        close(fd);
    }
}

static void says(const char *status, const struct node_bundle *bundle)
{
    uint8_t bytes[NODE_BUNDLE_BYTES_MAX];
    char hex[2 * NODE_BUNDLE_BYTES_MAX + 1] = "";
    if (bundle != NULL) base_hex_encode(hex, bytes, node_bundle_encode(bytes, bundle));
    pthread_mutex_lock(&server.mutex);
    snprintf(server.answer, sizeof server.answer,
             "HTTP/1.1 %s\r\nConnection: close\r\nLocation: /info\r\n\r\n{\"bundle\":\"%s\"}",
             status, hex);
    pthread_mutex_unlock(&server.mutex);
}

static void server_start(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server.listener, 16), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&at, &len), 0);
    server.port = ntohs(at.sin_port);
    server.asked = 0;
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void server_stop(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
}

/* ---- a library's worker, without its thread ---- */

static struct mesh_fixture f;
static struct {
    uv_loop_t loop;
    struct node_http_client *http;
    struct chain_poll *poll;
    struct sdk_config config;
    struct sdk_authority *authority;
    struct chain_snapshot *derived;
} w;

static void take(void)
{
    const struct chain_snapshot *raw = f.prototype.world.raw;
    struct chain_snapshot *copy;
    assert_int_equal(chain_snapshot_new(&copy, raw, raw->seats, raw->seat_count), BASE_OK);
    assert_int_equal(sdk_authority_take(w.authority, copy), BASE_OK);
}

static void derive(void)
{
    chain_snapshot_free(w.derived);
    assert_int_equal(sdk_authority_derive(&w.derived, w.authority), BASE_OK);
}

static int setup(void **state)
{
    static const char *const urls[] = {"http://127.0.0.1:1"};
    struct chain_poll_config poll = {.urls = urls, .url_count = 1, .chain_id = FIXTURE_CHAIN_ID};
    char why[CHAIN_POLL_TEXT_BYTES];
    (void)state;
    memset(&w, 0, sizeof w);
    mesh_fixture_init(&f);
    mesh_fixture_to_prototype(&f);
    server_start();
    snprintf(f.seats[PEER].url, sizeof f.seats[PEER].url, "http://127.0.0.1:%d", server.port);
    f.seats[PEER].url_len = strlen(f.seats[PEER].url);
    memcpy(f.seats[US].url, f.seats[PEER].url, sizeof f.seats[US].url);
    f.seats[US].url_len = f.seats[PEER].url_len;
    snprintf(f.seats[THIRD].url, sizeof f.seats[THIRD].url, "tcp://127.0.0.1:%d", server.port);
    f.seats[THIRD].url_len = strlen(f.seats[THIRD].url);
    mesh_fixture_publish(&f);
    poll.contract = f.head.contract;
    assert_int_equal(uv_loop_init(&w.loop), 0);
    assert_int_equal(node_http_client_new(&w.http, &w.loop, NULL), BASE_OK);
    assert_int_equal(chain_poll_new(&w.poll, &poll, 0, why), BASE_OK);
    w.config.dev = true;
    struct sdk_authority_config config = {.http = w.http,
                                          .poll = w.poll,
                                          .pins = &f.pins,
                                          .config = &w.config,
                                          .domain = f.nodes[US].identity.domain};
    const struct node_keyset *keys = &f.nodes[US].identity.keys;
    struct sdk_self self = {true, true, keys->instance, keys->node_key, keys->proof_key};
    assert_int_equal(sdk_authority_new(&w.authority, &config), BASE_OK);
    sdk_authority_self(w.authority, &self, &f.app_id);
    take();
    derive();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sdk_authority_stop(w.authority);
    node_http_client_close(w.http, NULL, NULL);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w.loop), 0);
    sdk_authority_free(w.authority);
    chain_snapshot_free(w.derived);
    chain_poll_free(w.poll);
    server_stop();
    mesh_fixture_deinit(&f);
    return 0;
}

/* Asks whom it is time to ask, and waits for the answers. */
static void turn(uint64_t now_ms)
{
    (void)sdk_authority_turn(w.authority, now_ms);
    while (node_http_client_count(w.http) > 0)
        uv_run(&w.loop, UV_RUN_ONCE);
    derive();
}

static bool has_keys(size_t seat)
{
    const struct base_key33 *key = &f.nodes[seat].identity.keys.node_key;
    return chain_snapshot_find_key(w.derived, key) != NULL;
}

static struct node_bundle issue(size_t node)
{
    struct node_bundle bundle;
    mesh_fixture_bundle(&f, &bundle, &f.nodes[node].identity.keys,
                        f.prototype.world.raw->block.number);
    return bundle;
}

static void explained(size_t seat, enum node_reason reason, const char *word)
{
    struct node_refusal refusal;
    sdk_authority_explain(w.authority, &refusal, &w.derived->seats[seat]);
    if (refusal.reason != reason || (strstr(refusal.found, word) == NULL))
        fail_msg("%s: %s, not %s: %s", node_reason_name(refusal.reason), refusal.found,
                 node_reason_name(reason), word);
}

static bool settled(uint64_t now_ms)
{
    char why[256] = "";
    bool is = sdk_authority_is_settled(w.authority, now_ms, why, sizeof why);
    assert_true(is || why[0] != '\0');
    return is;
}

/* ---- the tests ---- */

static void test_what_a_seat_serves_gives_it_keys(void **state)
{
    struct node_bundle bundle = issue(PEER);
    (void)state;
    says("200 OK", &bundle);
    explained(PEER, NODE_REASON_VERIFYING, "not answered yet");
    assert_false(settled(1000));
    turn(1000);
    assert_true(has_keys(PEER));
    assert_true(settled(1000));
    /* Sold: what counted does not any more, and it is said why. */
    f.seats[PEER].owner.bytes[0] ^= 1;
    mesh_fixture_publish(&f);
    take();
    derive();
    assert_false(has_keys(PEER));
    explained(PEER, NODE_REASON_OWNER_CHANGED, "");
    f.seats[PEER].active = false;
    mesh_fixture_publish(&f);
    take();
    derive();
    explained(PEER, NODE_REASON_INACTIVE, "");
}

static void test_one_seat_is_asked_once_in_ten_minutes(void **state)
{
    (void)state;
    says("200 OK", NULL);
    turn(1000);
    assert_int_equal(server.asked, 1); /* neither ourselves nor the one that has no http address */
    assert_int_equal(sdk_authority_turn(w.authority, 2000), 1000 + NODE_INFO_GAP_MS);
    turn(999 + NODE_INFO_GAP_MS);
    assert_int_equal(server.asked, 1);
    struct node_bundle bundle = issue(PEER);
    says("200 OK", &bundle);
    turn(1000 + NODE_INFO_GAP_MS);
    assert_int_equal(server.asked, 2);
    assert_true(has_keys(PEER));
    /* What is no answer later takes nothing away. */
    says("500 no", NULL);
    turn(1000 + 2 * NODE_INFO_GAP_MS);
    assert_int_equal(server.asked, 3);
    assert_true(has_keys(PEER));
}

static void test_what_is_none_is_refused_and_said(void **state)
{
    struct node_bundle other = issue(THIRD), forged = issue(PEER);
    uint64_t now_ms = 1000;
    (void)state;
    says("200 OK", &other); /* a true one, of another seat */
    turn(now_ms);
    assert_false(has_keys(THIRD));
    explained(PEER, NODE_REASON_NO_AUTHORISATION, "another seat");
    forged.node_sig.bytes[5] ^= 1;
    says("200 OK", &forged);
    turn(now_ms += NODE_INFO_GAP_MS);
    assert_false(has_keys(PEER));
    explained(PEER, NODE_REASON_AUTHORISATION_SIGNATURE, "");
    forged = issue(PEER);
    says("302 elsewhere", &forged);
    turn(now_ms += NODE_INFO_GAP_MS);
    assert_false(has_keys(PEER));
    explained(PEER, NODE_REASON_NO_AUTHORISATION, "302");
    assert_int_equal(server.asked, 3); /* no redirect was followed */
    explained(THIRD, NODE_REASON_NO_AUTHORISATION, "only a node can ask");
    assert_true(settled(now_ms));
}

static void test_where_only_we_can_reach_is_not_asked(void **state)
{
    struct node_bundle bundle = issue(PEER);
    (void)state;
    says("200 OK", &bundle);
    w.config.dev = false;
    turn(1000);
    assert_int_equal(server.asked, 0);
    assert_false(has_keys(PEER));
    explained(PEER, NODE_REASON_NO_AUTHORISATION, "");
    assert_int_equal(node_cidr_parse(&w.config.dial_allow[0], "127.0.0.0/8"), BASE_OK);
    w.config.dial_allow_count = 1;
    turn(1000 + NODE_INFO_GAP_MS);
    assert_int_equal(server.asked, 1);
    assert_true(has_keys(PEER));
}

static void test_our_own_is_never_asked_for(void **state)
{
    struct node_bundle mine, later = issue(US), now = issue(US);
    (void)state;
    assert_int_equal(sdk_authority_mine(&mine, w.authority), SDK_AUTHORITY_NONE);
    sdk_authority_own(w.authority, &now);
    derive();
    assert_int_equal(sdk_authority_mine(&mine, w.authority), SDK_AUTHORITY_COUNTS);
    assert_true(node_bundle_equal(&mine, &now));
    mesh_fixture_bundle(&f, &later, &f.nodes[US].identity.keys, now.issued_block + 1);
    sdk_authority_own(w.authority, &later);
    derive();
    assert_int_equal(sdk_authority_mine(&mine, w.authority), SDK_AUTHORITY_WAITS);
    assert_true(node_bundle_equal(&mine, &later));
    assert_true(has_keys(US)); /* by the one before */
    mesh_fixture_publish(&f);
    take();
    derive();
    assert_int_equal(sdk_authority_mine(&mine, w.authority), SDK_AUTHORITY_COUNTS);
    assert_true(node_bundle_equal(&mine, &later));
}

static void test_a_first_list_waits_so_long_and_no_longer(void **state)
{
    (void)state;
    assert_false(settled(1000));
    assert_false(settled(999 + SDK_AUTHORITY_FIRST_MS));
    assert_true(settled(1000 + SDK_AUTHORITY_FIRST_MS));
    assert_true(settled(0)); /* once shown it stays */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_a_seat_serves_gives_it_keys),
        TEST(test_one_seat_is_asked_once_in_ten_minutes),
        TEST(test_what_is_none_is_refused_and_said),
        TEST(test_where_only_we_can_reach_is_not_asked),
        TEST(test_our_own_is_never_asked_for),
        TEST(test_a_first_list_waits_so_long_and_no_longer),
    };
    if (base_ecdsa_init() != BASE_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
