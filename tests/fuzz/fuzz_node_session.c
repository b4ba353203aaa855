/* A member gone bad: it has completed the handshake with its own keys, and the input is what it
 * does then. The fixture asserts the rules of actions at every step (UP and DOWN in pairs, nothing
 * after CLOSE, no deadline that does not move); here: nobody comes up without an honest HELLO.
 *
 * Byte 0: bit 0 the puppet is dialled, bit 1 it has joined already. Then operations:
 *   0 type len body..   a sealed frame        5 the link is full / takes again
 *   1 len bytes..       a raw message         6 an honest HELLO
 *   2 n                 n * 50 ms pass        7 the puppet reads what it got
 *   3                   a snapshot            8 a challenge
 *   4 n                 we queue n frames     9 we say goodbye */
#include "base/err.h"
#include "mesh_fixture.h"

#include <stdlib.h>
#include <string.h>

#define OPERATIONS_MAX 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    const uint8_t *data;
    size_t len;
    size_t end; /* the puppet's */
    struct fixture_link link;
    struct puppet puppet;
    bool honest; /* has shown an honest HELLO */
};

static struct mesh_fixture f;

static void check(bool holds)
{
    if (!holds) abort();
}

static uint8_t next(struct run *r)
{
    if (r->len == 0) return 0;
    r->len--;
    return *r->data++;
}

static size_t take(struct run *r, const uint8_t **out)
{
    size_t len = next(r);
    if (len > r->len) len = r->len;
    *out = r->data;
    r->data += len;
    r->len -= len;
    return len;
}

static void read_all(struct run *r)
{
    static uint8_t body[ATTEST_FRAME_BYTES_MAX];
    uint8_t type;
    size_t len;
    while (puppet_recv(&r->puppet, &type, body, &len))
        continue;
}

static void send_sealed(struct run *r)
{
    const uint8_t *body;
    uint8_t type = next(r);
    size_t len = take(r, &body), max = attest_frame_body_max(type);
    puppet_send(&r->puppet, type, body, len < max ? len : max);
}

static void send_raw(struct run *r)
{
    const uint8_t *bytes;
    size_t len = take(r, &bytes);
    fixture_link_put(&r->link, r->end, bytes, len);
    fixture_link_run(&r->link);
}

static void queue(struct run *r)
{
    for (unsigned n = next(r) % 100; n > 0; n--)
        fixture_link_queue(&r->link, 1 - r->end, (uint8_t)(0x10 + n % 32), "frame", 5, n % 3);
}

static void challenge(struct run *r)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_CHALLENGE};
    ev.challenge.timeout_ms = 500;
    fixture_link_step(&r->link, 1 - r->end, &ev);
}

static void goodbye(struct run *r)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_CLOSE};
    ev.close.reason = NODE_REASON_LEAVING;
    fixture_link_step(&r->link, 1 - r->end, &ev);
}

static void toggle_full(struct run *r)
{
    struct fixture_end *us = &r->link.ends[1 - r->end];
    us->hold_sent = !us->hold_sent;
    if (!us->hold_sent) fixture_link_kind(&r->link, 1 - r->end, NODE_SESSION_EV_SENT);
}

static void show_hello(struct run *r)
{
    r->honest = true;
    puppet_hello(&r->puppet, &f.nodes[r->end]);
}

static void operate(struct run *r)
{
    switch (next(r) % 10) {
    case 0:
        send_sealed(r);
        break;
    case 1:
        send_raw(r);
        break;
    case 2:
        fixture_link_advance(&r->link, next(r) * 50u);
        break;
    case 3:
        fixture_link_kind(&r->link, 1 - r->end, NODE_SESSION_EV_SNAPSHOT);
        break;
    case 4:
        queue(r);
        break;
    case 5:
        toggle_full(r);
        break;
    case 6:
        show_hello(r);
        break;
    case 7:
        read_all(r);
        break;
    case 8:
        challenge(r);
        break;
    case 9:
        goodbye(r);
        break;
    }
}

static void begin(struct run *r)
{
    const struct node_keyset *own = &f.nodes[r->end].identity.keys;
    const struct base_key33 *remote = &f.nodes[1 - r->end].identity.keys.node_key;
    /* Each input is a second of its own. */
    memset(&f.nodes[1 - r->end].ephemerals, 0, sizeof f.nodes[0].ephemerals);
    if (r->end == 0) {
        fixture_link_init(&r->link, NULL, &f.nodes[1]);
        fixture_link_open(&r->link, NULL);
        check(puppet_dial(&r->puppet, &r->link, own, remote, FIXTURE_CHAIN_ID, &f.head.contract));
    } else {
        fixture_link_init(&r->link, &f.nodes[0], NULL);
        fixture_link_open(&r->link, &own->node_key);
        check(puppet_accept(&r->puppet, &r->link, own));
    }
}

static void join(struct run *r)
{
    read_all(r);
    show_hello(r);
    read_all(r);
    if (r->end == 0) puppet_send(&r->puppet, ATTEST_FRAME_READY, NULL, 0);
    check(r->link.ends[1 - r->end].ups == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = {.data = data, .len = size};
    if (f.snapshot_count == 0) mesh_fixture_init(&f);
    uint8_t mode = next(&r);
    r.end = mode & 1;
    begin(&r);
    if ((mode & 2) != 0) join(&r);
    for (unsigned i = 0; i < OPERATIONS_MAX && r.len > 0; i++)
        operate(&r);
    const struct fixture_end *us = &r.link.ends[1 - r.end];
    check(r.honest || us->ups == 0);
    check(us->ups == 0 || us->refusals == 0);
    fixture_link_deinit(&r.link);
    return 0;
}
