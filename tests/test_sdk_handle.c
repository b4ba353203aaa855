/* A handle and its background thread, against a node and endpoints that do what a test wants.
 * ThreadSanitizer runs these too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rpc_server.h"
#include "sdk/nftmesh.h"

#define SHORT_MS                                                                                   \
    1500 /* deadlines that are to be reached; an answer on loopback takes no such time */
#define CONTRACT "0x5FbDB2315678afecb367f032d93F642f64180aa3"
#define NODE_A   "02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define INST_A   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define INST_US  "cccccccccccccccccccccccccccccccccccccccc"
#define MEMBER(token, state)                                                                       \
    "{\"name\":\"a\",\"node\":\"" NODE_A "\",\"instance\":\"" INST_A "\",\"token\":" token         \
    ",\"owner\":\"" CONTRACT                                                                       \
    "\",\"url\":\"tcp://h:1\",\"app_url\":\"http://a\",\"state\":\"" state                         \
    "\",\"weight\":1,\"verified_block\":7,\"rtt_ms\":0.5,\"self\":false}"
#define STATUS(contract, chain)                                                                    \
    "{\"chain_id\":31337,\"contract\":\"" contract "\",\"instance\":\"" INST_US                    \
    "\",\"block\":{\"number\":9},\"checks\":[{\"name\":\"chain\",\"ok\":" chain                    \
    ",\"reason\":\"no agreed answer\"},{\"name\":\"seat\",\"ok\":true}]}"

/* ---- a node of ours ---- */

struct node {
    pthread_t thread;
    pthread_mutex_t mutex; /* for all below */
    int listener, port;
    int streams[8];
    size_t stream_count;
    const char *status, *members;
    const char *leader; /* NULL: it answers nothing until it is asked to stop */
    int leader_status;
    unsigned leader_after_ms;
    bool stopping;
};

static void say_status(int fd, int status, const char *head, const char *body)
{
    char text[8192];
    int len = snprintf(text, sizeof text, "HTTP/1.1 %d x\r\n%s\r\n%s", status, head, body);
    assert_true(len > 0 && (size_t)len < sizeof text);
    (void)send(fd, text, (size_t)len, MSG_NOSIGNAL);
}

static void say(int fd, const char *head, const char *body)
{
    say_status(fd, 200, head, body);
}

/* Holds the only thread, as a node does whose loop is held up. */
static void answer_leader(struct node *n, int fd)
{
    pthread_mutex_lock(&n->mutex);
    const char *body = n->leader;
    int status = n->leader_status;
    unsigned after_ms = body != NULL ? n->leader_after_ms : SHORT_MS + 500;
    pthread_mutex_unlock(&n->mutex);
    poll(NULL, 0, (int)after_ms);
    if (body != NULL) say_status(fd, status, "Connection: close\r\n", body);
}

static void answer(struct node *n, int fd)
{
    char request[2048];
    ssize_t len = recv(fd, request, sizeof request - 1, 0);
    request[len > 0 ? len : 0] = '\0';
    if (strncmp(request, "GET /v1/leader ", 15) == 0) answer_leader(n, fd);
    pthread_mutex_lock(&n->mutex);
    if (strncmp(request, "GET /v1/events ", 15) == 0 && n->stream_count < 8) {
        say(fd, "Content-Type: text/event-stream\r\n", ": hello\n\n");
        n->streams[n->stream_count++] = fd;
        fd = -1;
    } else if (strncmp(request, "GET /v1/status ", 15) == 0) {
        say(fd, "Connection: close\r\n", n->status);
    } else if (strncmp(request, "GET /v1/members ", 16) == 0) {
        say(fd, "Connection: close\r\n", n->members);
    }
    pthread_mutex_unlock(&n->mutex);
    if (fd >= 0) close(fd);
}

static void *serve(void *arg)
{
    struct node *n = arg;
    for (;;) {
        int fd = accept(n->listener, NULL, NULL);
        pthread_mutex_lock(&n->mutex);
        bool stopping = n->stopping;
        pthread_mutex_unlock(&n->mutex);
        if (stopping) {
            if (fd >= 0) close(fd);
            return NULL;
        }
        if (fd >= 0) answer(n, fd);
    }
}

static void node_start(struct node *n, const char *status, const char *members)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    memset(n, 0, sizeof *n);
    pthread_mutex_init(&n->mutex, NULL);
    n->status = status;
    n->members = members;
    n->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(n->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(n->listener, 16), 0);
    assert_int_equal(getsockname(n->listener, (struct sockaddr *)&at, &len), 0);
    n->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&n->thread, NULL, serve, n), 0);
}

static void node_drop_streams(struct node *n)
{
    pthread_mutex_lock(&n->mutex);
    for (size_t i = 0; i < n->stream_count; i++)
        close(n->streams[i]);
    n->stream_count = 0;
    pthread_mutex_unlock(&n->mutex);
}

static void node_stop(struct node *n)
{
    pthread_mutex_lock(&n->mutex);
    n->stopping = true;
    pthread_mutex_unlock(&n->mutex);
    shutdown(n->listener, SHUT_RDWR);
    pthread_join(n->thread, NULL);
    close(n->listener);
    node_drop_streams(n);
    pthread_mutex_destroy(&n->mutex);
}

static void node_say(struct node *n, const char *members, const char *event)
{
    pthread_mutex_lock(&n->mutex);
    if (members != NULL) n->members = members;
    for (size_t i = 0; i < n->stream_count; i++)
        (void)send(n->streams[i], event, strlen(event), MSG_NOSIGNAL);
    pthread_mutex_unlock(&n->mutex);
}

static nftmesh_t *open_node(const struct node *n, const char *mesh)
{
    nftmesh_options_t o = NFTMESH_OPTIONS_INIT;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", n->port);
    o.node = url;
    o.timeout_ms = 8000;
    nftmesh_t *m = nftmesh_open(mesh, NULL, &o);
    if (m == NULL) fail_msg("open: %s", nftmesh_error());
    return m;
}

/* ---- what callbacks were told ---- */

struct told {
    unsigned calls;
    size_t n;
    nftmesh_list_state_t state;
    nftmesh_peer_state_t first;
    pthread_t thread;
    nftmesh_status_t nested;
};

static void on_change(void *ctx, nftmesh_t *m, const nftmesh_peers_t *peers)
{
    struct told *told = ctx;
    told->calls++;
    told->n = peers->n;
    told->state = peers->state;
    told->first = peers->n > 0 ? peers->peer[0].state : NFTMESH_PEER_UNKNOWN;
    told->thread = pthread_self();
    told->nested = nftmesh_dispatch(m, 0);
    nftmesh_peers_t *again = nftmesh_peers(m); /* the handle may be used from inside */
    assert_non_null(again);
    nftmesh_peers_free(again);
}

static bool readable(nftmesh_t *m, int timeout_ms)
{
    struct pollfd p = {.fd = nftmesh_fd(m), .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

static void test_a_node_is_read_and_its_events_followed(void **state)
{
    struct node n;
    struct told told = {0};
    (void)state;
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[" MEMBER("1", "alive") "]}");
    nftmesh_t *m = open_node(&n, "anvil:" CONTRACT);
    nftmesh_peers_t *peers = nftmesh_peers(m);
    assert_non_null(peers);
    assert_int_equal(peers->n, 1);
    assert_int_equal(peers->state, NFTMESH_LIST_FRESH);
    assert_int_equal(nftmesh_last_status(), NFTMESH_OK);
    assert_string_equal(nftmesh_error(), "");
    nftmesh_peers_free(peers);
    assert_string_equal(nftmesh_instance_id(m), INST_US);
    assert_int_equal(nftmesh_registered(m), NFTMESH_OK);
    assert_int_equal(nftmesh_chain_id(m), 31337);

    assert_int_equal(nftmesh_dispatch(m, 0), NFTMESH_ERR_CONFIG); /* no callback yet */
    assert_false(readable(m, 0));
    assert_int_equal(nftmesh_monitor(m, on_change, &told), NFTMESH_OK);
    assert_true(readable(m, 0)); /* the list as it is known is news */
    assert_int_equal(told.calls, 0);
    assert_int_equal(nftmesh_dispatch(m, 0), NFTMESH_OK);
    assert_int_equal(told.calls, 1);
    assert_true(pthread_equal(told.thread, pthread_self()));
    assert_int_equal(told.nested, NFTMESH_ERR_BUSY);
    assert_false(readable(m, 0));
    assert_int_equal(nftmesh_dispatch(m, 0), NFTMESH_ERR_TIMEOUT);

    node_say(&n, "{\"members\":[" MEMBER("1", "failed") "]}", "event: down\ndata: {}\n\n");
    assert_true(readable(m, 8000));
    assert_int_equal(nftmesh_dispatch(m, 0), NFTMESH_OK);
    assert_int_equal(told.first, NFTMESH_PEER_FAILED);
    /* An event that changes nothing is not told. */
    node_say(&n, NULL, "event: msg\ndata: {}\n\n");
    assert_false(readable(m, 300));
    assert_int_equal(nftmesh_monitor(m, NULL, NULL), NFTMESH_OK);
    assert_int_equal(nftmesh_dispatch(m, 0), NFTMESH_ERR_CONFIG);
    nftmesh_close(m);
    node_stop(&n);
}

static void test_a_node_that_goes_leaves_a_stale_list(void **state)
{
    struct node n;
    struct told told = {0};
    (void)state;
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[" MEMBER("1", "alive") "]}");
    nftmesh_t *m = open_node(&n, CONTRACT); /* the chain is the node's */
    nftmesh_peers_free(nftmesh_peers(m));
    assert_int_equal(nftmesh_chain_id(m), 31337);
    nftmesh_monitor(m, on_change, &told);
    assert_int_equal(nftmesh_dispatch(m, 8000), NFTMESH_OK);
    node_stop(&n);
    assert_int_equal(nftmesh_dispatch(m, 8000), NFTMESH_OK);
    assert_int_equal(told.state, NFTMESH_LIST_STALE);
    assert_int_equal(told.n, 1);
    nftmesh_peers_t *peers = nftmesh_peers(m);
    assert_non_null(peers);
    assert_int_equal(peers->state, NFTMESH_LIST_STALE);
    assert_int_equal(peers->n, 1);
    assert_true(peers->why[0] != '\0');
    assert_int_equal(nftmesh_last_status(), NFTMESH_UNKNOWN);
    nftmesh_peers_free(peers);
    nftmesh_close(m);
}

static void test_a_stream_that_breaks_is_taken_up_again(void **state)
{
    struct node n;
    struct told told = {0};
    (void)state;
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[" MEMBER("1", "alive") "]}");
    nftmesh_t *m = open_node(&n, "anvil:" CONTRACT);
    nftmesh_monitor(m, on_change, &told);
    assert_int_equal(nftmesh_dispatch(m, 8000), NFTMESH_OK);
    node_say(&n, "{\"members\":[]}", ": nothing\n");
    node_drop_streams(&n);
    for (int i = 0; i < 4 && !(told.n == 0 && told.state == NFTMESH_LIST_FRESH); i++)
        assert_int_equal(nftmesh_dispatch(m, 8000), NFTMESH_OK);
    assert_int_equal(told.n, 0); /* what happened meanwhile is seen */
    assert_int_equal(told.state, NFTMESH_LIST_FRESH);
    nftmesh_close(m);
    node_stop(&n);
}

static void test_a_node_that_doubts_the_chain_makes_the_list_stale(void **state)
{
    struct node n;
    (void)state;
    node_start(&n, STATUS(CONTRACT, "false"), "{\"members\":[" MEMBER("1", "alive") "]}");
    nftmesh_t *m = open_node(&n, "anvil:" CONTRACT);
    nftmesh_peers_t *peers = nftmesh_peers(m);
    assert_non_null(peers);
    /* The list and the doubt come one after the other. */
    for (int i = 0; i < 2000 && peers->state != NFTMESH_LIST_STALE; i++) {
        nftmesh_peers_free(peers);
        poll(NULL, 0, 10);
        peers = nftmesh_peers(m);
    }
    assert_int_equal(peers->state, NFTMESH_LIST_STALE);
    assert_non_null(strstr(peers->why, "no agreed answer"));
    nftmesh_peers_free(peers);
    nftmesh_close(m);
    node_stop(&n);
}

static void no_list(nftmesh_t *m, nftmesh_status_t status, const char *word)
{
    nftmesh_peers_t *peers = nftmesh_peers(m);
    assert_null(peers);
    assert_int_equal(nftmesh_last_status(), status);
    if (strstr(nftmesh_error(), word) == NULL) fail_msg("no '%s' in: %s", word, nftmesh_error());
    nftmesh_close(m);
}

static nftmesh_t *open_short(const char *mesh, const char *rpc, const char *node)
{
    nftmesh_options_t o = NFTMESH_OPTIONS_INIT;
    o.rpc = rpc;
    o.node = node;
    o.timeout_ms = SHORT_MS;
    o.dstack = "/nonexistent/dstack.sock";
    nftmesh_t *m = nftmesh_open(mesh, NULL, &o);
    if (m == NULL) fail_msg("open: %s", nftmesh_error());
    return m;
}

static void test_hostile_nodes_give_no_list(void **state)
{
    static const char *const members[] = {"<html>", "{}", "{\"members\":[{}]}", ""};
    char url[64];
    (void)state;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct node n;
        node_start(&n, STATUS(CONTRACT, "true"), members[i]);
        snprintf(url, sizeof url, "http://127.0.0.1:%d", n.port);
        no_list(open_short("anvil:" CONTRACT, NULL, url), NFTMESH_ERR_NODE, "node at");
        node_stop(&n);
    }
}

static void test_a_node_of_another_mesh_is_no_source(void **state)
{
    struct node n;
    (void)state;
    node_start(&n, STATUS("0x33e081c002288F3301f48a5237D6b7e8703C39a3", "true"),
               "{\"members\":[]}");
    no_list(open_node(&n, "anvil:" CONTRACT), NFTMESH_ERR_CONFIG, "another mesh");
    no_list(open_node(&n, "base:" CONTRACT), NFTMESH_ERR_CONFIG, "another mesh");
    node_stop(&n);
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[]}"); /* only its chain differs */
    no_list(open_node(&n, "base:" CONTRACT), NFTMESH_ERR_CONFIG, "another mesh");
    node_stop(&n);
}

static void test_silent_endpoints_are_unknown_not_empty(void **state)
{
    (void)state;
    no_list(open_short("anvil:" CONTRACT, "http://127.0.0.1:1/secret-path", NULL), NFTMESH_UNKNOWN,
            "127.0.0.1:1");
    assert_null(strstr(nftmesh_error(), "secret-path"));
    no_list(open_short(CONTRACT, "http://127.0.0.1:1", NULL), NFTMESH_UNKNOWN, "127.0.0.1:1");
    no_list(open_short("anvil:" CONTRACT, NULL, "http://127.0.0.1:1"), NFTMESH_ERR_NODE,
            "127.0.0.1:1");
}

static void test_endpoints_of_two_chains_do_not_make_a_mesh(void **state)
{
    struct rpc_server *a = rpc_server_new(), *b = rpc_server_new();
    char both[512];
    (void)state;
    rpc_server_set(a, "eth_chainId", "\"result\":\"0x7a69\"");
    rpc_server_set(b, "eth_chainId", "\"result\":\"0x1\"");
    snprintf(both, sizeof both, "%s,%s", rpc_server_url(a), rpc_server_url(b));
    no_list(open_short(CONTRACT, both, NULL), NFTMESH_ERR_CHAIN, "different chains");
    rpc_server_set(b, "eth_chainId", "\"result\":\"0x7a69\"");
    nftmesh_t *m = open_short(CONTRACT, both, NULL);
    nftmesh_peers_free(nftmesh_peers(m)); /* none, but the chain is known now */
    assert_int_equal(nftmesh_chain_id(m), 31337);
    nftmesh_close(m);
    rpc_server_set(a, "eth_chainId", "\"result\":7");
    no_list(open_short(CONTRACT, rpc_server_url(a), NULL), NFTMESH_UNKNOWN, "no chain id");
    rpc_server_free(a);
    rpc_server_free(b);
}

static void *ask_for_peers(void *m)
{
    return nftmesh_peers(m);
}

/* Its own deadline is an hour. */
static void test_an_endpoint_of_another_chain_is_said_at_once(void **state)
{
    struct rpc_server *a = rpc_server_new();
    nftmesh_options_t o = NFTMESH_OPTIONS_INIT;
    pthread_t asking;
    struct timespec end;
    void *peers = NULL;
    (void)state;
    rpc_server_set(a, "eth_chainId", "\"result\":\"0x1\"");
    o.rpc = rpc_server_url(a);
    o.timeout_ms = 3600000; /* not awaited: waiting does not help */
    nftmesh_t *m = nftmesh_open("anvil:" CONTRACT, NULL, &o);
    assert_non_null(m);
    assert_int_equal(pthread_create(&asking, NULL, ask_for_peers, m), 0);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 30;
    assert_int_equal(pthread_timedjoin_np(asking, &peers, &end), 0);
    assert_null(peers);
    no_list(m, NFTMESH_ERR_CHAIN, "chain");
    rpc_server_free(a);
}

static void test_null_handles_are_answered(void **state)
{
    (void)state;
    assert_null(nftmesh_open("anvil:0x1", NULL, NULL));
    assert_int_equal(nftmesh_last_status(), NFTMESH_ERR_CONFIG);
    assert_true(nftmesh_error()[0] != '\0');
    assert_null(nftmesh_peers(NULL));
    assert_null(nftmesh_instance_id(NULL));
    assert_int_equal(nftmesh_register(NULL), NFTMESH_ERR_CONFIG);
    assert_int_equal(nftmesh_registered(NULL), NFTMESH_ERR_CONFIG);
    assert_int_equal(nftmesh_monitor(NULL, NULL, NULL), NFTMESH_ERR_CONFIG);
    assert_int_equal(nftmesh_dispatch(NULL, 0), NFTMESH_ERR_CONFIG);
    assert_int_equal(nftmesh_fd(NULL), -1);
    assert_int_equal(nftmesh_chain_id(NULL), 0);
    assert_string_equal(nftmesh_contract(NULL), "");
    assert_false(nftmesh_peer_is_usable(NULL));
    nftmesh_close(NULL);
}

static void test_registering_says_what_is_missing(void **state)
{
    nftmesh_options_t o = NFTMESH_OPTIONS_INIT;
    (void)state;
    o.rpc = "http://127.0.0.1:1";
    o.timeout_ms = SHORT_MS;
    o.dstack = "/nonexistent/dstack.sock";
    nftmesh_t *m = nftmesh_open("anvil:" CONTRACT, NULL, &o);
    assert_int_equal(nftmesh_register(m), NFTMESH_ERR_CONFIG); /* no url */
    nftmesh_close(m);
    m = nftmesh_open("anvil:" CONTRACT, "http://me.example", &o);
    assert_int_equal(nftmesh_register(m), NFTMESH_ERR_WALLET); /* no key */
    assert_non_null(strstr(nftmesh_error(), "PRIVATE_KEY"));
    nftmesh_close(m);
    o.wallet_key = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    m = nftmesh_open("anvil:" CONTRACT, "http://me.example", &o);
    assert_int_equal(nftmesh_register(m), NFTMESH_ERR_AGENT);
    assert_null(strstr(nftmesh_error(), "ac0974be"));
    nftmesh_close(m);
}

/* Two threads ask while a third's events change the list, and the handle goes in the end. */
static void *ask_often(void *arg)
{
    for (int i = 0; i < 200; i++) {
        nftmesh_peers_t *peers = nftmesh_peers(arg);
        if (peers == NULL || peers->n != 1) return arg;
        nftmesh_peers_free(peers);
        (void)nftmesh_registered(arg);
        (void)nftmesh_error();
    }
    return NULL;
}

static void test_threads_share_a_handle(void **state)
{
    struct node n;
    struct told told = {0};
    pthread_t threads[2];
    (void)state;
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[" MEMBER("1", "alive") "]}");
    nftmesh_t *m = open_node(&n, "anvil:" CONTRACT);
    nftmesh_monitor(m, on_change, &told);
    assert_int_equal(nftmesh_dispatch(m, 8000),
                     NFTMESH_OK); /* the first list, however long it takes */
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, m), 0);
    for (int i = 0; i < 6; i++) {
        node_say(&n,
                 i % 2 == 0 ? "{\"members\":[" MEMBER("1", "suspect") "]}"
                            : "{\"members\":[" MEMBER("1", "alive") "]}",
                 "event: x\ndata: {}\n\n");
        (void)nftmesh_dispatch(m, 200);
    }
    for (size_t i = 0; i < 2; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_true(told.calls > 0);
    nftmesh_close(m);
    node_stop(&n);
}

/* ---- who leads ---- */

#define LEADER(self, lease, left)                                                                  \
    "{\"leader\":{\"name\":\"a\",\"node\":\"" NODE_A "\",\"token\":3},\"self\":" self              \
    ",\"lease\":" lease ",\"lease_remaining_ms\":" left                                            \
    ",\"fencing_token\":8589934598,\"epoch\":2}"
#define NOBODY                                                                                     \
    "{\"leader\":null,\"self\":false,\"lease\":false,\"lease_remaining_ms\":null,"                 \
    "\"fencing_token\":null,\"epoch\":2}"

static void node_lead(struct node *n, int status, const char *leader, unsigned after_ms)
{
    pthread_mutex_lock(&n->mutex);
    n->leader = leader;
    n->leader_status = status;
    n->leader_after_ms = after_ms;
    pthread_mutex_unlock(&n->mutex);
}

/* It may not act, and says whether that is certain; nor does it leave a token to act with. */
static void does_not_lead(nftmesh_t *m, nftmesh_status_t status, const char *word)
{
    uint64_t fencing = 7, left_ms = 7;
    assert_int_equal(nftmesh_is_leader(m, &fencing, &left_ms), 0);
    assert_int_equal(nftmesh_last_status(), status);
    assert_true(fencing == 0 && left_ms == 0);
    if (strstr(nftmesh_error(), word) == NULL) fail_msg("no '%s' in: %s", word, nftmesh_error());
    assert_int_equal(nftmesh_is_leader(m, NULL, NULL), 0);
}

static void nobody_is_told(nftmesh_t *m, nftmesh_status_t status, const char *word)
{
    assert_null(nftmesh_leader(m));
    assert_int_equal(nftmesh_last_status(), status);
    if (strstr(nftmesh_error(), word) == NULL) fail_msg("no '%s' in: %s", word, nftmesh_error());
}

static void test_who_leads_is_asked_of_the_node(void **state)
{
    struct node n;
    uint64_t fencing = 0, left_ms = 0;
    (void)state;
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[]}");
    nftmesh_t *m = open_node(&n, "anvil:" CONTRACT);
    node_lead(&n, 200, LEADER("true", "true", "60000"), 0);
    nftmesh_leader_t *leader = nftmesh_leader(m);
    if (leader == NULL) fail_msg("%s", nftmesh_error());
    assert_int_equal(nftmesh_last_status(), NFTMESH_OK);
    assert_string_equal(leader->node, NODE_A);
    assert_string_equal(leader->name, "a");
    assert_string_equal(leader->token, "3");
    assert_true(leader->fencing_token == UINT64_C(8589934598) && leader->epoch == 2);
    assert_int_equal(leader->is_self, 1);
    assert_int_equal(nftmesh_is_leader(m, &fencing, &left_ms), 1);
    assert_int_equal(nftmesh_last_status(), NFTMESH_OK);
    assert_true(fencing == leader->fencing_token && left_ms > 50000 && left_ms < 60000);
    assert_int_equal(nftmesh_is_leader(m, NULL, NULL), 1);
    nftmesh_leader_free(leader);
    /* The next answer counts, and not what was said before. */
    node_lead(&n, 200, LEADER("false", "false", "null"), 0);
    does_not_lead(m, NFTMESH_OK, "");
    leader = nftmesh_leader(m);
    assert_int_equal(leader->is_self, 0);
    nftmesh_leader_free(leader);
    node_lead(&n, 200, NOBODY, 0);
    does_not_lead(m, NFTMESH_OK, "");
    nobody_is_told(m, NFTMESH_UNKNOWN, "nobody leads");
    nftmesh_close(m);
    node_stop(&n);
}

static void test_what_a_lease_lost_on_the_way_is_taken_off(void **state)
{
    struct node n;
    uint64_t left_ms = 0;
    (void)state;
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[]}");
    nftmesh_t *m = open_node(&n, "anvil:" CONTRACT);
    nftmesh_peers_free(nftmesh_peers(m));
    node_lead(&n, 200, LEADER("true", "true", "30000"), 400);
    assert_int_equal(nftmesh_is_leader(m, NULL, &left_ms), 1);
    assert_true(left_ms <= 29600);
    /* It was over before the answer came: whether it was renewed the next question tells. */
    node_lead(&n, 200, LEADER("true", "true", "400"), 400);
    does_not_lead(m, NFTMESH_UNKNOWN, "was over");
    node_lead(&n, 200, LEADER("true", "true", "2"), 0); /* less than what clocks may differ by */
    does_not_lead(m, NFTMESH_UNKNOWN, "was over");
    nftmesh_close(m);
    node_stop(&n);
}

static void test_a_node_that_cannot_say_who_leads_makes_nobody_the_leader(void **state)
{
    static const struct {
        int status;
        const char *body;
        nftmesh_status_t told;
        const char *word;
    } cases[] = {
        {404, "{\"detail\":\"takes no part\"}", NFTMESH_ERR_UNSUPPORTED, "takes no part"},
        {503, "{\"detail\":\"no seat yet\"}", NFTMESH_UNKNOWN, "no seat yet"},
        {504, "", NFTMESH_UNKNOWN, "504"},
        {403, "{}", NFTMESH_ERR_REFUSED, "403"},
        {500, LEADER("true", "true", "60000"), NFTMESH_ERR_NODE, "500"},
        {200, "<html>", NFTMESH_ERR_NODE, "node at"},
        {200, "", NFTMESH_ERR_NODE, "node at"},
        {200, "{\"leader\":{\"name\":\"a\",\"no", NFTMESH_ERR_NODE, "node at"}, /* cut short */
        {200, LEADER("false", "true", "60000"), NFTMESH_ERR_NODE, "does not lead"},
        {200, LEADER("true", "true", "60001"), NFTMESH_ERR_NODE, "without its time"},
        {200, LEADER("true", "true", "null"), NFTMESH_ERR_NODE, "without its time"},
    };
    struct node n;
    (void)state;
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[]}");
    nftmesh_t *m = open_node(&n, "anvil:" CONTRACT);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        node_lead(&n, cases[i].status, cases[i].body, 0);
        does_not_lead(m, cases[i].told, cases[i].word);
        nobody_is_told(m, cases[i].told, cases[i].word);
    }
    nftmesh_close(m);
    node_stop(&n);
}

static void test_a_silent_node_is_waited_for_until_the_deadline(void **state)
{
    struct node n;
    char url[64];
    uint64_t fencing = 7;
    (void)state;
    node_start(&n, STATUS(CONTRACT, "true"), "{\"members\":[]}");
    snprintf(url, sizeof url, "http://127.0.0.1:%d", n.port);
    nftmesh_t *m = open_short("anvil:" CONTRACT, NULL, url);
    nftmesh_peers_free(nftmesh_peers(m));
    node_lead(&n, 200, NULL, 0);
    assert_int_equal(nftmesh_is_leader(m, &fencing, NULL), 0);
    assert_int_equal(nftmesh_last_status(), NFTMESH_ERR_TIMEOUT);
    assert_true(fencing == 0);
    nftmesh_close(m);
    node_stop(&n);
}

static void test_who_leads_is_nothing_that_the_chain_or_strangers_know(void **state)
{
    struct node n;
    (void)state;
    nftmesh_t *m = open_short("anvil:" CONTRACT, "http://127.0.0.1:1", NULL);
    does_not_lead(m, NFTMESH_ERR_UNSUPPORTED, "NFTMESH_HTTP");
    nobody_is_told(m, NFTMESH_ERR_UNSUPPORTED, "NFTMESH_HTTP");
    nftmesh_close(m);
    m = open_short("anvil:" CONTRACT, NULL, "http://127.0.0.1:1");
    nobody_is_told(m, NFTMESH_ERR_NODE, "127.0.0.1:1");
    nftmesh_close(m);
    /* It leads, in another mesh. */
    node_start(&n, STATUS("0x33e081c002288F3301f48a5237D6b7e8703C39a3", "true"),
               "{\"members\":[]}");
    node_lead(&n, 200, LEADER("true", "true", "60000"), 0);
    m = open_node(&n, "anvil:" CONTRACT);
    does_not_lead(m, NFTMESH_ERR_CONFIG, "another mesh");
    nobody_is_told(m, NFTMESH_ERR_CONFIG, "another mesh");
    nftmesh_close(m);
    node_stop(&n);
    does_not_lead(NULL, NFTMESH_ERR_CONFIG, "NULL");
    nobody_is_told(NULL, NFTMESH_ERR_CONFIG, "NULL");
    nftmesh_leader_free(NULL);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) count++;
    return count;
}

static void test_opening_and_closing_leaves_nothing(void **state)
{
    (void)state;
    nftmesh_close(open_short("anvil:" CONTRACT, "http://127.0.0.1:1", NULL));
    size_t before = open_descriptors();
    for (int i = 0; i < 20; i++)
        nftmesh_close(open_short("anvil:" CONTRACT, i % 2 == 0 ? "http://127.0.0.1:1" : NULL,
                                 i % 2 == 0 ? NULL : "http://127.0.0.1:1"));
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_is_read_and_its_events_followed),
        cmocka_unit_test(test_a_node_that_goes_leaves_a_stale_list),
        cmocka_unit_test(test_a_stream_that_breaks_is_taken_up_again),
        cmocka_unit_test(test_a_node_that_doubts_the_chain_makes_the_list_stale),
        cmocka_unit_test(test_hostile_nodes_give_no_list),
        cmocka_unit_test(test_a_node_of_another_mesh_is_no_source),
        cmocka_unit_test(test_silent_endpoints_are_unknown_not_empty),
        cmocka_unit_test(test_endpoints_of_two_chains_do_not_make_a_mesh),
        cmocka_unit_test(test_an_endpoint_of_another_chain_is_said_at_once),
        cmocka_unit_test(test_null_handles_are_answered),
        cmocka_unit_test(test_registering_says_what_is_missing),
        cmocka_unit_test(test_threads_share_a_handle),
        cmocka_unit_test(test_who_leads_is_asked_of_the_node),
        cmocka_unit_test(test_what_a_lease_lost_on_the_way_is_taken_off),
        cmocka_unit_test(test_a_node_that_cannot_say_who_leads_makes_nobody_the_leader),
        cmocka_unit_test(test_a_silent_node_is_waited_for_until_the_deadline),
        cmocka_unit_test(test_who_leads_is_nothing_that_the_chain_or_strangers_know),
        cmocka_unit_test(test_opening_and_closing_leaves_nothing),
    };
    char dir[] = "/tmp/nftmesh-sdk-XXXXXX";
    if (mkdtemp(dir) == NULL) return 1;
    setenv("XDG_STATE_HOME", dir, 1);
    unsetenv("PRIVATE_KEY");
    unsetenv("RPC_URL");
    int rv = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? rv : 1;
}
