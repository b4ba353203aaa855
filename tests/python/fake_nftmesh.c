/* A libnftmesh without a world, for the Python module's tests: it is built against the real header,
 * does what it is told by the fake_* functions, and counts. One lock guards all of it. */
#include "sdk/nftmesh.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDLES_MAX 128
#define PEERS_MAX   8

#define FAKE __attribute__((visibility("default")))
FAKE void fake_reset(void);
FAKE void fake_answer(const char *call, int status, const char *sentence);
FAKE void fake_hold(int hold);
FAKE int fake_count(const char *what);
FAKE const char *fake_opened(void);
FAKE void fake_list(int state, const char *urls, int peer_state);
FAKE size_t fake_layout(const char *what);

struct nftmesh {
    int pipe[2];
    nftmesh_change_fn fn;
    void *ctx;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static struct nftmesh *handles[HANDLES_MAX];
static struct {
    int open, registered, peers;
    char sentence[128];
} answer;
static int is_held, held_count, opened_count, closed_count, given_count, freed_count;
static char opened[1024], urls[512];
static int list_state, list_peer_state;
static _Thread_local char last_sentence[128];
static _Thread_local nftmesh_status_t last_status;

static nftmesh_status_t leave(int status)
{
    last_status = (nftmesh_status_t)status;
    snprintf(last_sentence, sizeof last_sentence, "%s", status == 0 ? "" : answer.sentence);
    return last_status;
}

static void poke(struct nftmesh *m)
{
    ssize_t n = write(m->pipe[1], "c", 1);
    (void)n;
}

/* ---- what the tests say ---- */

void fake_reset(void)
{
    pthread_mutex_lock(&lock);
    memset(&answer, 0, sizeof answer);
    is_held = held_count = opened_count = closed_count = given_count = freed_count = 0;
    list_state = NFTMESH_LIST_FRESH;
    list_peer_state = NFTMESH_PEER_VERIFIED;
    opened[0] = urls[0] = '\0';
    pthread_mutex_unlock(&lock);
}

void fake_answer(const char *call, int status, const char *sentence)
{
    pthread_mutex_lock(&lock);
    if (strcmp(call, "open") == 0) answer.open = status;
    if (strcmp(call, "register") == 0) answer.registered = status;
    if (strcmp(call, "peers") == 0) answer.peers = status;
    snprintf(answer.sentence, sizeof answer.sentence, "%s", sentence);
    pthread_mutex_unlock(&lock);
}

void fake_hold(int hold)
{
    pthread_mutex_lock(&lock);
    is_held = hold;
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&lock);
}

int fake_count(const char *what)
{
    pthread_mutex_lock(&lock);
    int count = strcmp(what, "opened") == 0   ? opened_count
                : strcmp(what, "closed") == 0 ? closed_count
                : strcmp(what, "given") == 0  ? given_count
                : strcmp(what, "held") == 0   ? held_count
                                              : freed_count;
    pthread_mutex_unlock(&lock);
    return count;
}

const char *fake_opened(void)
{
    return opened;
}

void fake_list(int state, const char *list, int peer_state)
{
    pthread_mutex_lock(&lock);
    list_state = state;
    list_peer_state = peer_state;
    snprintf(urls, sizeof urls, "%s", list);
    for (size_t i = 0; i < HANDLES_MAX; i++)
        if (handles[i] != NULL) poke(handles[i]);
    pthread_mutex_unlock(&lock);
}

/* sizeof and offsetof as the compiler has them. */
size_t fake_layout(const char *what)
{
#define MEMBER(type, name)                                                                         \
    if (strcmp(what, #type "." #name) == 0) return offsetof(nftmesh_##type##_t, name)
    MEMBER(options, node);
    MEMBER(options, rpc);
    MEMBER(options, dstack);
    MEMBER(options, wallet_key);
    MEMBER(options, token);
    MEMBER(options, rpc_agree);
    MEMBER(options, stale_ms);
    MEMBER(options, dev);
    MEMBER(options, dial_allow);
    MEMBER(options, wallet_password_file);
    MEMBER(peer, url);
    MEMBER(peer, mesh_url);
    MEMBER(peer, name);
    MEMBER(peer, node);
    MEMBER(peer, owner);
    MEMBER(peer, instance);
    MEMBER(peer, token);
    MEMBER(peer, reason);
    MEMBER(peer, explanation);
    MEMBER(peer, state);
    MEMBER(peer, weight);
    MEMBER(peer, verified_block);
    MEMBER(peer, age_ms);
    MEMBER(peer, rtt_ms);
    MEMBER(peers, n);
    MEMBER(peers, peer);
    MEMBER(peers, state);
    MEMBER(peers, block);
    MEMBER(peers, age_ms);
    MEMBER(peers, why);
    if (strcmp(what, "options") == 0) return sizeof(nftmesh_options_t);
    if (strcmp(what, "peer") == 0) return sizeof(nftmesh_peer_t);
    if (strcmp(what, "peers") == 0) return sizeof(nftmesh_peers_t);
    return (size_t)-1;
}

/* ---- the library ---- */

const char *nftmesh_strerror(nftmesh_status_t status)
{
    return status == NFTMESH_OK ? "well" : "a status";
}

const char *nftmesh_error(void)
{
    return last_sentence;
}

nftmesh_status_t nftmesh_last_status(void)
{
    return last_status;
}

const char *nftmesh_version(void)
{
    return "0.1.0";
}

nftmesh_t *nftmesh_open(const char *mesh, const char *url, const nftmesh_options_t *options)
{
    struct nftmesh *m = NULL;
    pthread_mutex_lock(&lock);
    snprintf(opened, sizeof opened, "mesh=%s url=%s rpc=%s dstack=%s key=%s size=%zu", mesh,
             url == NULL ? "-" : url, options->rpc == NULL ? "-" : options->rpc,
             options->dstack == NULL ? "-" : options->dstack,
             options->wallet_key == NULL ? "-" : options->wallet_key, options->size);
    for (size_t i = 0; answer.open == 0 && m == NULL && i < HANDLES_MAX; i++) {
        if (handles[i] != NULL) continue;
        m = calloc(1, sizeof *m);
        if (m == NULL || pipe(m->pipe) != 0) abort();
        handles[i] = m;
        opened_count++;
    }
    leave(answer.open);
    pthread_mutex_unlock(&lock);
    return m;
}

void nftmesh_close(nftmesh_t *m)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < HANDLES_MAX; i++)
        if (handles[i] == m) handles[i] = NULL;
    close(m->pipe[0]);
    close(m->pipe[1]);
    free(m);
    closed_count++;
    pthread_mutex_unlock(&lock);
}

const char *nftmesh_instance_id(nftmesh_t *m)
{
    (void)m;
    leave(0);
    return "1111111111111111111111111111111111111111";
}

uint64_t nftmesh_chain_id(const nftmesh_t *m)
{
    (void)m;
    return 31337;
}

const char *nftmesh_contract(const nftmesh_t *m)
{
    (void)m;
    return "0x";
}

nftmesh_status_t nftmesh_registered(nftmesh_t *m)
{
    (void)m;
    return leave(answer.registered);
}

nftmesh_status_t nftmesh_register(nftmesh_t *m)
{
    (void)m;
    pthread_mutex_lock(&lock);
    held_count++;
    while (is_held)
        pthread_cond_wait(&released, &lock);
    nftmesh_status_t status = leave(answer.registered);
    pthread_mutex_unlock(&lock);
    return status;
}

nftmesh_status_t nftmesh_info(nftmesh_t *m, char out[NFTMESH_INFO_BYTES])
{
    (void)m;
    snprintf(out, NFTMESH_INFO_BYTES, "{\"bundle\":\"%0*d\"}", NFTMESH_INFO_BYTES - 14, 0);
    return leave(answer.registered);
}

static nftmesh_peer_t peer_of(const char *url, size_t index)
{
    nftmesh_peer_t peer;
    memset(&peer, 0, sizeof peer);
    peer.url = url;
    peer.mesh_url = "tcp://127.0.0.1:9470";
    peer.name = "someone";
    peer.node = "02aa";
    peer.owner = "0xOwner";
    peer.instance = "22";
    peer.token = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    peer.reason = list_peer_state == NFTMESH_PEER_UNKNOWN ? "expired" : "";
    peer.explanation = "";
    peer.state = (nftmesh_peer_state_t)list_peer_state;
    peer.weight = (uint32_t)index + 1;
    peer.verified_block = 77;
    peer.age_ms = 1500;
    peer.rtt_ms = -1;
    return peer;
}

/* The list and its texts in one block; the lock is held. */
static nftmesh_peers_t *list_new(void)
{
    struct {
        nftmesh_peers_t head;
        nftmesh_peer_t peer[PEERS_MAX];
        char text[sizeof urls];
    } *list = calloc(1, sizeof *list);
    char *rest;
    if (list == NULL) abort();
    memcpy(list->text, urls, sizeof urls);
    for (char *url = strtok_r(list->text, " ", &rest); url != NULL && list->head.n < PEERS_MAX;
         url = strtok_r(NULL, " ", &rest)) {
        list->peer[list->head.n] = peer_of(url, list->head.n);
        list->head.n++;
    }
    list->head.peer = list->peer;
    list->head.state = (nftmesh_list_state_t)list_state;
    list->head.block = 78;
    list->head.age_ms = 250;
    list->head.why = list_state == NFTMESH_LIST_STALE ? "no endpoint answers" : "";
    return &list->head;
}

nftmesh_peers_t *nftmesh_peers(nftmesh_t *m)
{
    nftmesh_peers_t *list = NULL;
    (void)m;
    pthread_mutex_lock(&lock);
    if (answer.peers == 0) {
        list = list_new();
        given_count++;
    }
    leave(answer.peers);
    pthread_mutex_unlock(&lock);
    return list;
}

void nftmesh_peers_free(nftmesh_peers_t *peers)
{
    pthread_mutex_lock(&lock);
    freed_count++;
    pthread_mutex_unlock(&lock);
    free(peers);
}

int nftmesh_peer_is_usable(const nftmesh_peer_t *peer)
{
    return peer->state >= NFTMESH_PEER_VERIFIED && peer->state <= NFTMESH_PEER_SUSPECT;
}

nftmesh_status_t nftmesh_monitor(nftmesh_t *m, nftmesh_change_fn fn, void *ctx)
{
    pthread_mutex_lock(&lock);
    m->fn = fn;
    m->ctx = ctx;
    if (fn != NULL) poke(m);
    pthread_mutex_unlock(&lock);
    return leave(0);
}

int nftmesh_fd(nftmesh_t *m)
{
    return m->pipe[0];
}

nftmesh_status_t nftmesh_dispatch(nftmesh_t *m, int timeout_ms)
{
    char sink[64];
    (void)timeout_ms;
    if (read(m->pipe[0], sink, sizeof sink) <= 0) return leave(NFTMESH_ERR_TIMEOUT);
    pthread_mutex_lock(&lock);
    nftmesh_peers_t *list = list_new();
    nftmesh_change_fn fn = m->fn;
    pthread_mutex_unlock(&lock);
    if (fn != NULL) fn(m->ctx, m, list);
    free(list);
    return leave(0);
}
