/* The wide simulator's machine: steps, links, deaths, and what is counted of them. */
#include "sim_wide.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim.h"

#define TIMER_FAR_MS  4000 /* a timer further away than this is looked at again on the way */
#define ASKED_MAX     128  /* verdicts that one step asks for */
#define INCARNATION_0 1000

int wide_new(struct wide *w, uint64_t seed, uint32_t count, uint32_t links_max)
{
    *w = (struct wide){.seed = seed, .count = count, .links_max = links_max, .victim = count};
    base_prng_init(&w->prng, seed);
    w->now_ms = 1;
    w->net = wide_net_new();
    w->nodes = calloc(count, sizeof *w->nodes);
    if (w->net == NULL || w->nodes == NULL) return BASE_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        w->nodes[i].key = sim_key_of(i);
    wide_net_index(w);
    return gossip_shared_new(&w->shared, 2 * (size_t)count + 1024, seed);
}

void wide_free(struct wide *w)
{
    for (uint32_t i = 0; w->nodes != NULL && i < w->count; i++) {
        gossip_free(w->nodes[i].core);
        free(w->nodes[i].links);
    }
    gossip_shared_free(w->shared);
    wide_net_free(w->net);
    free(w->nodes);
}

/* ---- links ---- */

static struct wide_link *link_find(struct wide *w, uint32_t i, uint32_t j)
{
    struct wide_node *n = &w->nodes[i];
    for (size_t at = 0; at < n->link_count; at++)
        if (n->links[at].peer == j) return &n->links[at];
    return NULL;
}

static void link_add(struct wide *w, uint32_t i, uint32_t j, uint32_t serial)
{
    struct wide_node *n = &w->nodes[i];
    if (n->link_count == n->link_cap) {
        n->link_cap = (uint16_t)(n->link_cap == 0 ? 16 : 2 * n->link_cap);
        n->links = realloc(n->links, n->link_cap * sizeof *n->links);
        assert(n->links != NULL);
    }
    n->links[n->link_count++] = (struct wide_link){(uint16_t)j, serial};
}

/* One end is up: the other's record as its session showed it. */
static void peer_up(struct wide *w, uint32_t i, uint32_t j, uint32_t serial, bool dialed)
{
    static const uint8_t proof[WIDE_PROOF_SIZE];
    struct gossip_signed_record record;
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_UP, .key = w->nodes[j].key};
    gossip_self_record(&record, w->nodes[j].core);
    ev.u.peer_up.record = (struct base_slice){record.body, record.body_len};
    ev.u.peer_up.sig = record.sig;
    ev.u.peer_up.proof = (struct base_slice){proof, sizeof proof};
    ev.u.peer_up.weight = 1;
    ev.u.peer_up.dialed = dialed;
    link_add(w, i, j, serial);
    int rv = wide_step(w, i, &ev, 0);
    assert(rv == BASE_OK);
    (void)rv;
}

static void event_at(struct wide *w, uint64_t in_ms, enum wide_what what, uint32_t node,
                     uint32_t peer, uint32_t serial)
{
    wide_net_put(w, w->now_ms + in_ms,
                 (struct wide_event){.what = (uint8_t)what,
                                     .node = (uint16_t)node,
                                     .peer = (uint16_t)peer,
                                     .serial = serial});
}

void wide_dial(struct wide *w, uint32_t i, uint32_t j)
{
    w->counts.dials++;
    event_at(w, wide_delay_ms(w, i, j), WIDE_DIAL, i, j, 0);
}

/* A connection, three acts, HELLO and READY: two round trips. */
static void dial_arrives(struct wide *w, uint32_t i, uint32_t j)
{
    bool is_refused = w->nodes[j].core == NULL || link_find(w, i, j) != NULL;
    uint64_t delay_ms = wide_delay_ms(w, i, j);
    event_at(w, is_refused ? delay_ms : 3 * delay_ms, is_refused ? WIDE_FAILED : WIDE_READY, i, j,
             0);
}

static void dial_failed(struct wide *w, uint32_t i, uint32_t j)
{
    struct gossip_event ev = {.type = GOSSIP_EV_DIAL_FAILED, .key = w->nodes[j].key};
    wide_step(w, i, &ev, 0);
}

static void handshake_done(struct wide *w, uint32_t i, uint32_t j)
{
    if (w->nodes[j].core == NULL || link_find(w, i, j) != NULL || link_find(w, j, i) != NULL) {
        dial_failed(w, i, j);
        return;
    }
    uint32_t serial = ++w->serial;
    event_at(w, wide_delay_ms(w, i, j), WIDE_UP, j, i, serial);
    peer_up(w, i, j, serial, true);
}

static void other_end_up(struct wide *w, const struct wide_event *ev)
{
    if (link_find(w, ev->node, ev->peer) != NULL) { /* both have dialled: the later one goes */
        event_at(w, wide_delay_ms(w, ev->node, ev->peer), WIDE_CLOSE, ev->peer, ev->node,
                 ev->serial);
        return;
    }
    if (w->nodes[ev->peer].core != NULL) peer_up(w, ev->node, ev->peer, ev->serial, false);
}

void wide_connect(struct wide *w, uint32_t i, uint32_t j)
{
    uint32_t serial = ++w->serial;
    if (i == j || link_find(w, i, j) != NULL) return;
    peer_up(w, i, j, serial, true);
    peer_up(w, j, i, serial, false);
}

static void closed(struct wide *w, const struct wide_event *ev)
{
    struct wide_node *n = &w->nodes[ev->node];
    struct wide_link *link = link_find(w, ev->node, ev->peer);
    if (link == NULL || link->serial != ev->serial) return;
    *link = n->links[--n->link_count];
    struct gossip_event down = {.type = GOSSIP_EV_PEER_DOWN, .key = w->nodes[ev->peer].key};
    wide_step(w, ev->node, &down, 0);
}

static void drop_link(struct wide *w, uint32_t i, uint32_t j)
{
    const struct wide_link *link = link_find(w, i, j);
    if (link == NULL) return;
    event_at(w, 0, WIDE_CLOSE, i, j, link->serial);
    event_at(w, wide_delay_ms(w, i, j), WIDE_CLOSE, j, i, link->serial);
}

/* ---- lives ---- */

void wide_start(struct wide *w, uint32_t i)
{
    static const uint8_t proof[WIDE_PROOF_SIZE];
    struct gossip_config cfg;
    struct gossip_crypto crypto = sim_crypto(i);
    struct gossip_event timer = {.type = GOSSIP_EV_TIMER};
    sim_config_of(&cfg, i, INCARNATION_0 + i);
    cfg.seed = base_prng_u64(&w->prng);
    cfg.proof = (struct base_slice){proof, sizeof proof};
    cfg.links_max = w->links_max;
    cfg.members_max = w->count;
    cfg.shared = w->shared;
    int rv = gossip_new(&w->nodes[i].core, &cfg, &crypto, w->now_ms);
    assert(rv == BASE_OK);
    (void)rv;
    wide_step(w, i, &timer, 0);
}

void wide_start_at(struct wide *w, uint32_t i, uint32_t seed_node, uint64_t at_ms)
{
    event_at(w, at_ms - w->now_ms, WIDE_START, i, seed_node, 0);
}

/* The process is gone, its host is not: the kernel closes what was open, and refuses. */
void wide_kill(struct wide *w, uint32_t i)
{
    struct wide_node *n = &w->nodes[i];
    for (size_t at = 0; at < n->link_count; at++)
        event_at(w, wide_delay_ms(w, i, n->links[at].peer), WIDE_CLOSE, n->links[at].peer, i,
                 n->links[at].serial);
    n->link_count = 0;
    if (n->alive == w->alive_target) w->counts.complete--;
    gossip_free(n->core);
    n->core = NULL;
}

/* ---- steps ---- */

static void mix(struct wide *w, uint64_t value)
{
    w->trace = (w->trace ^ value) * 0x100000001b3;
}

static void count_state(struct wide *w, uint32_t i, const struct gossip_action *act)
{
    struct wide_node *n = &w->nodes[i];
    uint32_t j = wide_index(w, &act->key);
    enum gossip_state from = act->u.state.from, to = act->u.state.to;
    if (n->alive == w->alive_target) w->counts.complete--;
    if (from == GOSSIP_ALIVE) n->alive--;
    if (to == GOSSIP_ALIVE) n->alive++;
    if (n->alive == w->alive_target) w->counts.complete++;
    if (to == GOSSIP_SUSPECT) {
        w->counts.suspicions++;
        if (w->counts.first_suspect_ms == 0) w->counts.first_suspect_ms = w->now_ms;
    }
    if (to == GOSSIP_FAILED && w->nodes[j].core != NULL) w->counts.false_failures++;
    if (j != w->victim) return;
    if (to == GOSSIP_FAILED && w->counts.first_failed_ms == 0)
        w->counts.first_failed_ms = w->now_ms;
    if (n->holds_victim_failed != (to == GOSSIP_FAILED))
        w->counts.buried += to == GOSSIP_FAILED ? 1u : UINT32_MAX;
    n->holds_victim_failed = to == GOSSIP_FAILED;
}

static void count_event(struct wide *w, uint32_t i, uint16_t hop)
{
    w->nodes[i].event_hop = hop;
    w->counts.heard++;
    if (hop > w->counts.hops_max) w->counts.hops_max = hop;
}

/* A body that goes to several peers is one blob: the actions point to the same bytes. */
static void send(struct wide *w, uint32_t i, const struct gossip_action *act, uint16_t hop,
                 const uint8_t **last, struct wide_blob **blob)
{
    uint32_t j = wide_index(w, &act->key);
    const struct wide_link *link = link_find(w, i, j);
    assert(link != NULL);
    w->counts.frames++;
    w->counts.bytes += act->u.send.body.len;
    if (*last != act->u.send.body.data) {
        *last = act->u.send.body.data;
        *blob = wide_blob_new(act->u.send.body.data, act->u.send.body.len);
    }
    (*blob)->holds++;
    wide_net_put(w, w->now_ms + wide_delay_ms(w, i, j),
                 (struct wide_event){.what = WIDE_FRAME,
                                     .type = act->u.send.type,
                                     .node = (uint16_t)j,
                                     .peer = (uint16_t)i,
                                     .hop = (uint16_t)(hop + 1),
                                     .serial = link->serial,
                                     .blob = *blob});
}

static size_t perform(struct wide *w, uint32_t i, const struct gossip_actions *out, uint16_t hop,
                      struct base_key33 *asked)
{
    const uint8_t *last = NULL;
    struct wide_blob *blob = NULL;
    size_t asked_count = 0;
    for (size_t at = 0; at < out->count; at++) {
        const struct gossip_action *act = &out->items[at];
        mix(w, (uint64_t)act->type << 56 ^ w->now_ms << 16 ^ i);
        switch (act->type) {
        case GOSSIP_ACT_SEND:
            mix(w, (uint64_t)act->u.send.type << 32 ^ act->u.send.body.len);
            send(w, i, act, hop, &last, &blob);
            break;
        case GOSSIP_ACT_WANT_LINK:
            wide_dial(w, i, wide_index(w, &act->key));
            break;
        case GOSSIP_ACT_DROP_LINK:
            drop_link(w, i, wide_index(w, &act->key));
            break;
        case GOSSIP_ACT_STATE:
            count_state(w, i, act);
            break;
        case GOSSIP_ACT_EVENT:
            count_event(w, i, hop);
            break;
        case GOSSIP_ACT_JUDGE:
            assert(asked_count < ASKED_MAX);
            asked[asked_count++] = act->key;
            break;
        case GOSSIP_ACT_SELF:
        case GOSSIP_ACT_LEFT:
        case GOSSIP_ACT_NOTE:
            break;
        }
    }
    return asked_count;
}

static void timer_arm(struct wide *w, uint32_t i)
{
    struct wide_node *n = &w->nodes[i];
    uint64_t due = gossip_deadline_ms(n->core);
    if (due < w->now_ms) due = w->now_ms;
    if (due > w->now_ms + TIMER_FAR_MS) due = w->now_ms + TIMER_FAR_MS;
    if (n->armed_ms >= w->now_ms && n->armed_ms != 0 && n->armed_ms <= due) return;
    n->armed_ms = due;
    event_at(w, due - w->now_ms, WIDE_TIMER, i, 0, 0);
}

int wide_step(struct wide *w, uint32_t i, const struct gossip_event *ev, uint16_t hop)
{
    struct base_key33 asked[ASKED_MAX];
    struct gossip_actions out;
    struct gossip *core = w->nodes[i].core;
    int rv = gossip_step(core, w->now_ms, ev, &out);
    size_t count = perform(w, i, &out, hop, asked);
    for (size_t at = 0; at < count; at++) { /* everybody has a seat */
        struct gossip_event verdict = {.type = GOSSIP_EV_VERDICT, .key = asked[at]};
        struct base_key33 more[ASKED_MAX];
        verdict.u.verdict.verdict = GOSSIP_OK;
        verdict.u.verdict.weight = 1;
        gossip_step(core, w->now_ms, &verdict, &out);
        size_t more_count = perform(w, i, &out, hop, more);
        assert(more_count == 0);
        (void)more_count;
    }
    timer_arm(w, i);
    return rv;
}

static void timer_due(struct wide *w, uint32_t i)
{
    struct wide_node *n = &w->nodes[i];
    if (n->armed_ms != w->now_ms) return; /* something nearer took its place */
    n->armed_ms = 0;
    struct gossip_event ev = {.type = GOSSIP_EV_TIMER};
    if (gossip_deadline_ms(n->core) <= w->now_ms)
        wide_step(w, i, &ev, 0);
    else
        timer_arm(w, i);
}

static void frame_arrives(struct wide *w, const struct wide_event *event)
{
    const struct wide_link *link = link_find(w, event->node, event->peer);
    if (link == NULL || link->serial != event->serial) return;
    struct gossip_event ev = {.type = GOSSIP_EV_FRAME, .key = w->nodes[event->peer].key};
    ev.u.frame.type = event->type;
    ev.u.frame.body = (struct base_slice){event->blob->bytes, event->blob->len};
    int rv = wide_step(w, event->node, &ev, event->hop);
    assert(rv == BASE_OK);
    (void)rv;
}

static void dispatch(struct wide *w, const struct wide_event *ev)
{
    if (ev->what == WIDE_START) {
        wide_start(w, ev->node);
        wide_dial(w, ev->node, ev->peer);
        return;
    }
    if (w->nodes[ev->node].core == NULL) return;
    switch ((enum wide_what)ev->what) {
    case WIDE_TIMER:
        timer_due(w, ev->node);
        break;
    case WIDE_FRAME:
        frame_arrives(w, ev);
        break;
    case WIDE_DIAL:
        dial_arrives(w, ev->node, ev->peer);
        break;
    case WIDE_READY:
        handshake_done(w, ev->node, ev->peer);
        break;
    case WIDE_UP:
        other_end_up(w, ev);
        break;
    case WIDE_FAILED:
        dial_failed(w, ev->node, ev->peer);
        break;
    case WIDE_CLOSE:
        closed(w, ev);
        break;
    case WIDE_START:
        break;
    }
}

void wide_run_ms(struct wide *w, uint64_t until_ms)
{
    for (;;) {
        struct wide_event *ev;
        while ((ev = wide_net_take(w)) != NULL) {
            dispatch(w, ev);
            wide_net_done(w, ev);
        }
        if (w->now_ms >= until_ms) return;
        w->now_ms++;
    }
}
