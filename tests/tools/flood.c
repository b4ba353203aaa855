/* Strangers in a crowd: dials members as often as it was told to, each time as somebody who has no
 * seat, or with the bytes of a join that was somebody else's. For bench/membership; built, never
 * installed. What to do comes as one JSON object on standard input:
 *
 *   chain_id, contract   the mesh
 *   targets              [{"host": IPv4, "port": n, "key": node key}, ..]: dialled in turn
 *   rate, count          so many a second, so many in all
 *   replay               hex of all that a dialler once sent; every second dial sends it again.
 *                        Without: each makes a key of its own and completes the handshake with it
 *
 * Each dial comes from an address of its own in 127.30.0.0/16. Prints one JSON object: how many
 * were tried, how many the member closed, how many it kept for more than 5 s, how many could not
 * connect, and how long it took. */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attest/noise.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "node/link_wire.h"

#define STRANGERS_MAX 8192
#define TARGETS_MAX   256
#define KEPT_NS       5000000000ull
#define REPLAY_MAX    65536
#define READ_MAX      (NODE_LINK_WIRE_GREETING_BYTES + NODE_LINK_WIRE_HEAD_BYTES + ATTEST_ACT2_BYTES)

struct target {
    struct sockaddr_in address;
    struct base_key33 key;
};

struct stranger {
    int fd; /* -1: free */
    bool replays, has_written;
    uint64_t since_ns;
    const struct target *target;
    struct attest_noise noise;
    uint8_t in[READ_MAX];
    size_t in_len;
};

static struct target targets[TARGETS_MAX];
static struct stranger strangers[STRANGERS_MAX];
static uint8_t replay[REPLAY_MAX], prologue[ATTEST_PROLOGUE_BYTES];
static size_t target_count, replay_len;
static unsigned long tried, closed, kept, failed;
static int epoll_fd;

static void fail(const char *what)
{
    fprintf(stderr, "flood: %s\n", what);
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_targets(const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        struct target *t = &targets[target_count];
        const char *host = json_string_value(json_object_get(one, "host"));
        const char *key = json_string_value(json_object_get(one, "key"));
        if (target_count == TARGETS_MAX) fail("too many targets");
        t->address.sin_family = AF_INET;
        t->address.sin_port = htons((uint16_t)json_integer_value(json_object_get(one, "port")));
        if (host == NULL || inet_pton(AF_INET, host, &t->address.sin_addr) != 1 || key == NULL ||
            base_hex_decode_0x(t->key.bytes, sizeof t->key.bytes, key) != BASE_OK)
            fail("targets");
        target_count++;
    }
    if (target_count == 0) fail("targets");
}

static void read_orders(unsigned long *rate, unsigned long *count)
{
    json_error_t error;
    json_t *json = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
    struct base_eth_address contract;
    if (json == NULL) fail(error.text);
    const char *text = json_string_value(json_object_get(json, "contract"));
    if (text == NULL || base_hex_decode_0x(contract.bytes, 20, text) != BASE_OK) fail("contract");
    attest_prologue(prologue, (uint64_t)json_integer_value(json_object_get(json, "chain_id")),
                    &contract);
    text = json_string_value(json_object_get(json, "replay"));
    if (text != NULL) {
        replay_len = strlen(text) / 2;
        if (replay_len > REPLAY_MAX || base_hex_decode_0x(replay, replay_len, text) != BASE_OK)
            fail("replay");
    }
    *rate = (unsigned long)json_integer_value(json_object_get(json, "rate"));
    *count = (unsigned long)json_integer_value(json_object_get(json, "count"));
    if (*rate == 0 || *count == 0) fail("rate, count");
    read_targets(json_object_get(json, "targets"));
    json_decref(json);
}

static void end(struct stranger *s, unsigned long *why)
{
    if (!s->replays) attest_noise_deinit(&s->noise);
    close(s->fd);
    s->fd = -1;
    ++*why;
}

/* What a socket does not take at once is lost: a stranger that stumbles is a stranger still. */
static void say(const struct stranger *s, const void *data, size_t len)
{
    (void)!send(s->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say_act(const struct stranger *s, const uint8_t *act, size_t len)
{
    uint8_t out[NODE_LINK_WIRE_HEAD_BYTES + ATTEST_ACT3_BYTES];
    node_link_wire_head(out, len);
    memcpy(out + NODE_LINK_WIRE_HEAD_BYTES, act, len);
    say(s, out, NODE_LINK_WIRE_HEAD_BYTES + len);
}

static void random_key(struct base_privkey *key)
{
    struct base_key33 pub;
    do
        base_random(key->bytes, sizeof key->bytes);
    while (base_ecdsa_pubkey(&pub, key) != BASE_OK);
}

static void begin(struct stranger *s)
{
    uint8_t greeting[NODE_LINK_WIRE_GREETING_BYTES], act1[ATTEST_ACT1_BYTES];
    struct base_privkey ephemeral;
    s->has_written = true;
    if (s->replays) {
        say(s, replay, replay_len);
        return;
    }
    random_key(&ephemeral);
    if (attest_noise_dial(&s->noise, act1, prologue, sizeof prologue, &s->target->key,
                          &ephemeral) != BASE_OK)
        fail("a target's key");
    node_link_wire_greeting(greeting, NODE_LINK_WIRE_REQ);
    say(s, greeting, sizeof greeting);
    say_act(s, act1, sizeof act1);
}

/* Act 2 is whole: prove a key that stands on no seat. */
static void answer(struct stranger *s)
{
    const uint8_t *act2 = s->in + NODE_LINK_WIRE_GREETING_BYTES + NODE_LINK_WIRE_HEAD_BYTES;
    uint8_t act3[ATTEST_ACT3_BYTES];
    struct attest_noise_keys keys;
    struct base_privkey own;
    if (attest_noise_read_act2(&s->noise, act2, ATTEST_ACT2_BYTES) != BASE_OK) return;
    random_key(&own);
    attest_noise_write_act3(&s->noise, act3, &keys, &own);
    say_act(s, act3, sizeof act3);
    attest_noise_keys_deinit(&keys);
}

static void on_ready(struct stranger *s, uint32_t what)
{
    uint8_t more[4096];
    if (!s->has_written && (what & EPOLLOUT)) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &ev);
        begin(s);
    }
    if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t got = recv(s->fd, more, sizeof more, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
        end(s, s->has_written ? &closed : &failed);
        return;
    }
    size_t had = s->in_len, room = sizeof s->in - s->in_len;
    size_t take = (size_t)got < room ? (size_t)got : room;
    memcpy(s->in + s->in_len, more, take);
    s->in_len += take;
    if (!s->replays && had < sizeof s->in && s->in_len == sizeof s->in) answer(s);
}

static void dial(struct stranger *s)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = s};
    int one = 1;
    from.sin_addr.s_addr = htonl(0x7f1e0000u + 1 + (uint32_t)(tried % 65000));
    s->target = &targets[tried % target_count];
    s->replays = replay_len > 0 && (tried / target_count) % 2 == 1;
    tried++;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) fail("out of sockets");
    s->has_written = false;
    s->in_len = 0;
    s->since_ns = now_ns();
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(s->fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(s->fd, (const struct sockaddr *)&s->target->address, sizeof from) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) != 0)
        end(s, &failed);
}

static struct stranger *free_one(void)
{
    static size_t next;
    for (size_t i = 0; i < STRANGERS_MAX; i++) {
        struct stranger *s = &strangers[next++ % STRANGERS_MAX];
        if (s->fd < 0) return s;
    }
    fail("too many strangers are kept");
    return NULL;
}

/* How many are still there. */
static size_t tire(uint64_t at_ns)
{
    size_t left = 0;
    for (size_t i = 0; i < STRANGERS_MAX; i++) {
        struct stranger *s = &strangers[i];
        if (s->fd < 0) continue;
        if (at_ns - s->since_ns > KEPT_NS)
            end(s, &kept);
        else
            left++;
    }
    return left;
}

int main(void)
{
    unsigned long rate, count;
    struct epoll_event events[256];
    if (base_aead_init() != BASE_OK || base_ecdsa_init() != BASE_OK) fail("start");
    read_orders(&rate, &count);
    for (size_t i = 0; i < STRANGERS_MAX; i++)
        strangers[i].fd = -1;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    uint64_t began_ns = now_ns(), looked_ns = 0;
    size_t left = 0;
    while (tried < count || left > 0) {
        uint64_t at_ns = now_ns();
        unsigned long due = (unsigned long)((double)(at_ns - began_ns) * 1e-9 * (double)rate);
        while (tried < count && tried < due)
            dial(free_one());
        int ready = epoll_wait(epoll_fd, events, 256, 2);
        for (int i = 0; i < ready; i++)
            on_ready(events[i].data.ptr, events[i].events);
        if (at_ns - looked_ns < 100000000u) continue;
        looked_ns = at_ns;
        left = tire(now_ns()); /* not at_ns: some have dialled since */
    }
    printf("{\"tried\":%lu,\"closed\":%lu,\"kept\":%lu,\"failed\":%lu,\"seconds\":%.2f}\n", tried,
           closed, kept, failed, (double)(now_ns() - began_ns) * 1e-9);
    return 0;
}
