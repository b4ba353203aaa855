/* Dials and handshakes, and links that open, close and hang. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim_internal.h"

#define DIAL_TIMEOUT_MS 5000
#define REGISTRY_MS     1000

/* A link's old frames belong to nobody any more: their generation has passed. */
void sim__link_close(struct sim *s, uint32_t i, uint32_t j, uint32_t generation)
{
    struct sim__end *end = sim__end_of(s, i, j);
    if (end->generation != generation || !end->is_up) return;
    end->is_up = false;
    if (s->nodes[i].core == NULL) return;
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_DOWN, .key = s->nodes[j].key};
    sim__step(s, i, &ev);
    sim__votes_peer(s, i, j, false);
}

/* The close travels behind the frames before it. */
void sim__send_close(struct sim *s, uint32_t from, uint32_t to, uint32_t generation)
{
    struct sim__event *ev = sim__event_new(SIM__CLOSE, to, from, 0);
    ev->generation = generation;
    sim__way_send(s, ev);
}

/* i closes the link as it says it would: behind what it has sent, and at its own end at once. */
void sim__link_drop(struct sim *s, uint32_t i, uint32_t j)
{
    uint32_t generation = sim__end_of(s, i, j)->generation;
    struct sim__event *close = sim__event_new(SIM__CLOSE, i, j, 0);
    close->generation = generation;
    sim__event_at(s, close, s->now_ms);
    sim__send_close(s, i, j, generation);
}

void sim_break(struct sim *s, uint32_t i, uint32_t j)
{
    if (i == j) return;
    sim__send_close(s, i, j, sim__link_of(s, i, j)->generation);
    sim__send_close(s, j, i, sim__link_of(s, i, j)->generation);
}

static void dial(struct sim *s, uint32_t i, uint32_t j, bool again)
{
    struct sim__event *ev = sim__event_new(SIM__DIAL, i, j, 0);
    ev->process = s->nodes[i].process;
    ev->type = again;
    sim__event_at(s, ev, s->now_ms + sim__delay_ms(s) + 1);
}

void sim__dial(struct sim *s, uint32_t i, uint32_t j)
{
    dial(s, i, j, false);
}

/* Of two connections dialled by one end the newer stays. */
void sim_redial(struct sim *s, uint32_t i, uint32_t j)
{
    if (i != j && sim_is_linked(s, i, j)) dial(s, i, j, true);
}

static void dial_fails_in(struct sim *s, const struct sim__event *dialed, uint64_t ms)
{
    if (dialed->type) return; /* nobody waits for this one: the link that stands is unharmed */
    struct sim__event *ev = sim__event_new(SIM__DIAL_FAILED, dialed->node, dialed->peer, 0);
    ev->process = dialed->process;
    sim__event_at(s, ev, s->now_ms + ms);
}

/* Both sides judge, the responder first: act 3, the initiator's HELLO, then the other's. */
static bool is_admitted(struct sim *s, uint32_t dialer, uint32_t other)
{
    struct gossip_signed_record record;
    gossip_self_record(&record, s->nodes[dialer].core);
    if (sim__judge_hello(s, other, dialer, BASE_ROLE_INITIATOR, &record) != NODE_REASON_NONE)
        return false;
    gossip_self_record(&record, s->nodes[other].core);
    return sim__judge_hello(s, dialer, other, BASE_ROLE_RESPONDER, &record) == NODE_REASON_NONE;
}

static void peer_up(struct sim *s, uint32_t i, uint32_t j,
                    const struct gossip_signed_record *record, bool dialed)
{
    uint8_t proof[NODE_PROOF_BYTES];
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_UP, .key = s->nodes[j].key};
    sim__proof_of(proof, j);
    ev.u.peer_up.record = (struct base_slice){record->body, record->body_len};
    ev.u.peer_up.sig = record->sig;
    ev.u.peer_up.proof = (struct base_slice){proof, sizeof proof};
    ev.u.peer_up.weight = sim__weight_of(s, i, j);
    ev.u.peer_up.dialed = dialed;
    *sim__end_of(s, i, j) = (struct sim__end){true, sim__link_of(s, i, j)->generation};
    sim__step(s, i, &ev);
    sim__votes_peer(s, i, j, true);
}

/* The handshake is through: the dialler is up as it sends READY, the other when it gets it. */
static void link_open(struct sim *s, uint32_t i, uint32_t j)
{
    struct sim__link *link = sim__link_of(s, i, j);
    struct gossip_signed_record theirs;
    if (sim_is_linked(s, j, i)) sim__stuck_at(s, j, i, true); /* unless READY replaces it */
    link->generation++;
    for (int way = 0; way < 2; way++) {
        struct sim__way *w = way == 0 ? sim__way(s, i, j) : sim__way(s, j, i);
        sim__way_drop(w);
        if (s->reorders) w->busy_until_ms = 0; /* another connection, another queue on the way */
    }
    struct sim__event *ready =
        sim__event_new(SIM__READY, j, i, sizeof(struct gossip_signed_record));
    ready->generation = link->generation;
    ready->process = s->nodes[j].process;
    gossip_self_record((struct gossip_signed_record *)(void *)ready->bytes, s->nodes[i].core);
    gossip_self_record(&theirs, s->nodes[j].core);
    sim__way_send(s, ready);
    peer_up(s, i, j, &theirs, true);
}

void sim__dial_arrives(struct sim *s, const struct sim__event *ev)
{
    uint32_t i = ev->node, j = ev->peer;
    struct sim__node *from = &s->nodes[i], *to = &s->nodes[j];
    if (from->core == NULL || from->process != ev->process) return;
    if (sim__way(s, i, j)->cut || sim__way(s, j, i)->cut || to->is_paused || to->is_host_gone) {
        dial_fails_in(s, ev, DIAL_TIMEOUT_MS);
    } else if (to->core == NULL || from->has_left || to->has_left) {
        dial_fails_in(s, ev, sim__delay_ms(s));
    } else if (!ev->type && sim_is_linked(s, i, j) && sim_is_linked(s, j, i)) {
        dial_fails_in(s, ev, 0); /* the session there is stays */
    } else if (!is_admitted(s, i, j)) {
        dial_fails_in(s, ev, sim__delay_ms(s));
    } else {
        link_open(s, i, j);
    }
}

void sim__dial_failed_arrives(struct sim *s, const struct sim__event *ev)
{
    struct gossip_event in = {.type = GOSSIP_EV_DIAL_FAILED, .key = s->nodes[ev->peer].key};
    if (s->nodes[ev->node].process != ev->process) return;
    sim__step(s, ev->node, &in);
}

void sim__ready_arrives(struct sim *s, const struct sim__event *ev)
{
    const struct sim__node *n = &s->nodes[ev->node];
    const struct gossip_signed_record *record =
        (const struct gossip_signed_record *)(const void *)ev->bytes;
    if (sim__link_of(s, ev->node, ev->peer)->generation != ev->generation) return; /* superseded */
    if (n->core == NULL || n->process != ev->process || n->has_left) return;
    if (sim__recheck(s, ev->node, ev->peer) != NODE_REASON_NONE) { /* the snapshot has moved */
        sim__send_close(s, ev->node, ev->peer, ev->generation);
        return;
    }
    peer_up(s, ev->node, ev->peer, record, false);
}

void sim__registry_dial_soon(struct sim *s, uint32_t i)
{
    struct sim__event *ev = sim__event_new(SIM__REGISTRY, i, i, 0);
    ev->process = s->nodes[i].process;
    /* Alone, it is in a hurry. */
    uint64_t every = s->nodes[i].seen_count > 1 ? 3 * REGISTRY_MS : REGISTRY_MS;
    sim__event_at(s, ev, s->now_ms + every + sim_random(s, REGISTRY_MS));
}

/* The rim knows every seat from the chain, and now and then dials one that its table lacks. */
void sim__registry_dial(struct sim *s, const struct sim__event *ev)
{
    const struct sim__node *n = &s->nodes[ev->node];
    if (n->core == NULL || n->process != ev->process) return;
    uint32_t first = (uint32_t)sim_random(s, s->count);
    for (uint32_t at = 0; at < s->count; at++) {
        uint32_t j = (first + at) % s->count;
        if (j == ev->node || !n->view[j] || n->seen[j].state != GOSSIP_NONE) continue;
        sim__dial(s, ev->node, j);
        break;
    }
    sim__registry_dial_soon(s, ev->node);
}

static bool is_stalled(struct sim *s, uint32_t i, uint32_t j)
{
    return sim__way(s, i, j)->first != NULL || sim__way(s, j, i)->first != NULL ||
           s->nodes[i].is_paused || s->nodes[j].is_paused;
}

void sim__stuck(struct sim *s, const struct sim__event *ev)
{
    if (ev->type == 0) {
        sim__link_of(s, ev->node, ev->peer)->stuck_armed = false;
        if (!is_stalled(s, ev->node, ev->peer)) return;
    }
    for (int end = 0; end < 2; end++) {
        struct sim__event *close = end == 0 ? sim__event_new(SIM__CLOSE, ev->node, ev->peer, 0)
                                            : sim__event_new(SIM__CLOSE, ev->peer, ev->node, 0);
        close->generation = ev->generation;
        sim__event_at(s, close, s->now_ms);
    }
}
