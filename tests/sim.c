/* The simulator's machine: virtual time, links, processes. sim_check.c looks over its shoulder. */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/statement.h"
#include "sim_internal.h"

#define DIAL_TIMEOUT_MS   5000
#define SNAPSHOT_LAG_MS   3000
#define REGISTRY_MS       1000
#define TIMER_SPINS_MAX   5000
#define EPOCH_INCARNATION 1000

/* ---- links ---- */

/* A link's old frames belong to nobody any more: their generation has passed. */
static void link_close_at(struct sim *s, uint32_t i, uint32_t j, uint32_t generation)
{
    struct sim__end *end = sim__end_of(s, i, j);
    if (end->generation != generation || !end->is_up) return;
    end->is_up = false;
    if (s->nodes[i].core == NULL) return;
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_DOWN, .key = s->nodes[j].key};
    sim__step(s, i, &ev);
}

/* The close travels behind the frames before it. */
static void send_close(struct sim *s, uint32_t from, uint32_t to, uint32_t generation)
{
    struct sim__event *ev = sim__event_new(SIM__CLOSE, to, from, 0);
    ev->generation = generation;
    sim__way_send(s, ev);
}

/* i closes the link as it says it would: behind what it has sent, and at its own end at once. */
static void drop_link(struct sim *s, uint32_t i, uint32_t j)
{
    uint32_t generation = sim__end_of(s, i, j)->generation;
    struct sim__event *close = sim__event_new(SIM__CLOSE, i, j, 0);
    close->generation = generation;
    sim__event_at(s, close, s->now_ms);
    send_close(s, i, j, generation);
}

void sim_break(struct sim *s, uint32_t i, uint32_t j)
{
    if (i == j) return;
    send_close(s, i, j, sim__link_of(s, i, j)->generation);
    send_close(s, j, i, sim__link_of(s, i, j)->generation);
}

static void dial(struct sim *s, uint32_t i, uint32_t j)
{
    struct sim__event *ev = sim__event_new(SIM__DIAL, i, j, 0);
    ev->process = s->nodes[i].process;
    sim__event_at(s, ev, s->now_ms + sim__delay_ms(s) + 1);
}

static void dial_fails_in(struct sim *s, const struct sim__event *dialed, uint64_t ms)
{
    struct sim__event *ev = sim__event_new(SIM__DIAL_FAILED, dialed->node, dialed->peer, 0);
    ev->process = dialed->process;
    sim__event_at(s, ev, s->now_ms + ms);
}

static bool is_admitted(const struct sim *s, uint32_t by, uint32_t whom)
{
    return s->nodes[by].view[whom] && s->nodes[whom].view[by];
}

static void peer_up(struct sim *s, uint32_t i, uint32_t j,
                    const struct gossip_signed_record *record, bool dialed)
{
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_UP, .key = s->nodes[j].key};
    ev.u.peer_up.record = (struct base_slice){record->body, record->body_len};
    ev.u.peer_up.sig = record->sig;
    ev.u.peer_up.proof = sim__slice("proof");
    ev.u.peer_up.weight = 1;
    ev.u.peer_up.dialed = dialed;
    *sim__end_of(s, i, j) = (struct sim__end){true, sim__link_of(s, i, j)->generation};
    sim__step(s, i, &ev);
}

/* The handshake is through: the dialler is up as it sends READY, the other when it gets it. */
static void link_open(struct sim *s, uint32_t i, uint32_t j)
{
    struct sim__link *link = sim__link_of(s, i, j);
    struct gossip_signed_record theirs;
    if (sim__is_linked(s, j, i)) sim__stuck_at(s, j, i, true); /* unless READY replaces it */
    link->generation++;
    sim__way_drop(sim__way(s, i, j));
    sim__way_drop(sim__way(s, j, i));
    struct sim__event *ready =
        sim__event_new(SIM__READY, j, i, sizeof(struct gossip_signed_record));
    ready->generation = link->generation;
    ready->process = s->nodes[j].process;
    gossip_self_record((struct gossip_signed_record *)(void *)ready->bytes, s->nodes[i].core);
    gossip_self_record(&theirs, s->nodes[j].core);
    sim__way_send(s, ready);
    peer_up(s, i, j, &theirs, true);
}

static void dial_arrives(struct sim *s, const struct sim__event *ev)
{
    uint32_t i = ev->node, j = ev->peer;
    struct sim__node *from = &s->nodes[i], *to = &s->nodes[j];
    if (from->core == NULL || from->process != ev->process) return;
    if (sim__way(s, i, j)->cut || sim__way(s, j, i)->cut || to->is_paused || to->is_host_gone) {
        dial_fails_in(s, ev, DIAL_TIMEOUT_MS);
    } else if (to->core == NULL || !is_admitted(s, i, j) || from->has_left || to->has_left) {
        dial_fails_in(s, ev, sim__delay_ms(s));
    } else if (sim__is_linked(s, i, j) && sim__is_linked(s, j, i)) {
        dial_fails_in(s, ev, 0); /* the session there is stays */
    } else {
        link_open(s, i, j);
    }
}

/* ---- steps ---- */

static void judge(struct sim *s, uint32_t i, const struct base_key33 *key)
{
    struct gossip_event ev = {.type = GOSSIP_EV_VERDICT, .key = *key};
    uint32_t j = sim__index(s, key);
    ev.u.verdict.verdict = j < s->count && s->nodes[i].view[j] ? GOSSIP_OK : GOSSIP_UNKNOWN;
    ev.u.verdict.weight = 1;
    sim__step(s, i, &ev);
}

static void perform_send(struct sim *s, uint32_t i, uint32_t j, const struct gossip_action *act)
{
    struct sim__event *ev = sim__event_new(SIM__FRAME, j, i, act->u.send.body.len);
    ev->type = act->u.send.type;
    ev->generation = sim__end_of(s, i, j)->generation;
    memcpy(ev->bytes, act->u.send.body.data, ev->len);
    s->frames++;
    sim__way_send(s, ev);
}

static void perform(struct sim *s, uint32_t i, const struct gossip_action *act,
                    struct base_key33 *asked, size_t *asked_count)
{
    uint32_t j = sim__index(s, &act->key);
    switch (act->type) {
    case GOSSIP_ACT_SEND:
        perform_send(s, i, j, act);
        break;
    case GOSSIP_ACT_WANT_LINK:
        if (j < s->count) dial(s, i, j);
        break;
    case GOSSIP_ACT_DROP_LINK:
        drop_link(s, i, j);
        break;
    case GOSSIP_ACT_JUDGE:
        asked[(*asked_count)++] = act->key;
        break;
    case GOSSIP_ACT_LEFT:
        s->nodes[i].is_gone = true;
        break;
    case GOSSIP_ACT_SELF:
        s->nodes[i].incarnation = act->u.self.incarnation; /* to its disk */
        break;
    case GOSSIP_ACT_STATE:
    case GOSSIP_ACT_EVENT:
    case GOSSIP_ACT_NOTE:
        break; /* the checkers have read them */
    }
}

static void timer_arm(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    uint64_t due = gossip_deadline_ms(n->core);
    if (due == UINT64_MAX) return;
    due = due > n->skew_ms ? due - n->skew_ms : 0;
    if (due < s->now_ms) due = s->now_ms;
    if (n->timer_armed && n->timer_ms <= due) return;
    n->timer_armed = true;
    n->timer_ms = due;
    struct sim__event *ev = sim__event_new(SIM__TIMER, i, i, 0);
    ev->process = n->process;
    sim__event_at(s, ev, due);
}

static void process_end(struct sim *s, uint32_t i, bool visible)
{
    struct sim__node *n = &s->nodes[i];
    gossip_free(n->core);
    n->core = NULL;
    n->process++;
    n->timer_armed = false;
    n->is_host_gone = !visible;
    while (n->parked != NULL) {
        struct sim__event *ev = n->parked;
        n->parked = ev->next;
        free(ev);
    }
    n->is_paused = false;
    for (uint32_t j = 0; j < s->count; j++) {
        if (j == i) continue;
        bool was_up = sim__is_linked(s, i, j);
        if (visible && was_up) send_close(s, i, j, sim__end_of(s, i, j)->generation);
        sim__end_of(s, i, j)->is_up = false;
        if (!visible && sim__is_linked(s, j, i)) sim__stuck_at(s, j, i, true);
    }
}

int sim__step(struct sim *s, uint32_t i, const struct gossip_event *ev)
{
    struct sim__node *n = &s->nodes[i];
    struct gossip_actions out;
    struct base_key33 asked[GOSSIP_ASIDE_MAX + 64];
    size_t asked_count = 0;
    uint32_t process = n->process;
    if (n->core == NULL) return BASE_ESTATE;
    int rv = gossip_step(n->core, s->now_ms + n->skew_ms, ev, &out);
    s->steps++;
    sim__check_step(s, i, ev, rv, &out);
    for (size_t a = 0; a < out.count; a++)
        perform(s, i, &out.items[a], asked, &asked_count);
    for (size_t a = 0; a < asked_count; a++)
        judge(s, i, &asked[a]);
    if (n->core == NULL || n->process != process) return rv;
    if (n->is_gone) {
        process_end(s, i, true);
        return rv;
    }
    timer_arm(s, i);
    return rv;
}

/* ---- what happens to a node ---- */

static void frame_arrives(struct sim *s, const struct sim__event *ev)
{
    struct sim__node *n = &s->nodes[ev->node];
    const struct sim__end *end = sim__end_of(s, ev->node, ev->peer);
    if (end->generation != ev->generation || !end->is_up) return;
    if (n->is_mute && ev->type == GOSSIP_FRAME_PING_REQ) return;
    struct gossip_event in = {.type = GOSSIP_EV_FRAME, .key = s->nodes[ev->peer].key};
    in.u.frame.type = ev->type;
    in.u.frame.body = (struct base_slice){ev->bytes, ev->len};
    int rv = sim__step(s, ev->node, &in);
    if (rv == BASE_OK || n->core == NULL) return;
    send_close(s, ev->node, ev->peer,
               ev->generation); /* as the session does with a malformed frame */
    link_close_at(s, ev->node, ev->peer, ev->generation);
}

static void snapshot_arrives(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    for (uint32_t j = 0; j < s->count; j++) {
        bool had = n->view[j];
        n->view[j] = s->nodes[j].has_seat;
        if (!had || n->view[j] || j == i || n->core == NULL) continue;
        if (sim__is_linked(s, i, j)) send_close(s, i, j, sim__end_of(s, i, j)->generation);
        sim__end_of(s, i, j)->is_up = false;
        struct gossip_event ev = {.type = GOSSIP_EV_EVICT, .key = s->nodes[j].key};
        sim__step(s, i, &ev);
    }
    struct gossip_event moved = {.type = GOSSIP_EV_SNAPSHOT_MOVED};
    if (n->core != NULL) sim__step(s, i, &moved);
}

static void timer_fires(struct sim *s, const struct sim__event *ev)
{
    struct sim__node *n = &s->nodes[ev->node];
    if (n->process != ev->process || n->timer_ms > s->now_ms) return;
    n->timer_armed = false;
    if (n->spin_ms != s->now_ms) n->spins = 0;
    n->spin_ms = s->now_ms;
    if (++n->spins > TIMER_SPINS_MAX) {
        sim__fail(s, "node %u: its timer spins", ev->node);
        return;
    }
    struct gossip_event in = {.type = GOSSIP_EV_TIMER};
    sim__step(s, ev->node, &in);
}

static void ready_arrives(struct sim *s, const struct sim__event *ev)
{
    const struct sim__node *n = &s->nodes[ev->node];
    if (sim__link_of(s, ev->node, ev->peer)->generation != ev->generation) return; /* superseded */
    if (n->core == NULL || n->process != ev->process || n->has_left) return;
    if (!is_admitted(s, ev->node, ev->peer)) {
        send_close(s, ev->node, ev->peer, ev->generation);
        return;
    }
    peer_up(s, ev->node, ev->peer, (const struct gossip_signed_record *)(const void *)ev->bytes,
            false);
}

static void dial_failed_arrives(struct sim *s, const struct sim__event *ev)
{
    struct gossip_event in = {.type = GOSSIP_EV_DIAL_FAILED, .key = s->nodes[ev->peer].key};
    if (s->nodes[ev->node].process != ev->process) return;
    sim__step(s, ev->node, &in);
}

static void registry_dial_soon(struct sim *s, uint32_t i)
{
    struct sim__event *ev = sim__event_new(SIM__REGISTRY, i, i, 0);
    ev->process = s->nodes[i].process;
    /* Alone, it is in a hurry. */
    uint64_t every = s->nodes[i].seen_count > 1 ? 3 * REGISTRY_MS : REGISTRY_MS;
    sim__event_at(s, ev, s->now_ms + every + sim_random(s, REGISTRY_MS));
}

/* The rim knows every seat from the chain, and now and then dials one that its table lacks. */
static void registry_dial(struct sim *s, const struct sim__event *ev)
{
    const struct sim__node *n = &s->nodes[ev->node];
    if (n->core == NULL || n->process != ev->process) return;
    uint32_t first = (uint32_t)sim_random(s, s->count);
    for (uint32_t at = 0; at < s->count; at++) {
        uint32_t j = (first + at) % s->count;
        if (j == ev->node || !n->view[j] || n->seen[j].state != GOSSIP_NONE) continue;
        dial(s, ev->node, j);
        break;
    }
    registry_dial_soon(s, ev->node);
}

static bool is_for_process(enum sim__what what)
{
    return what != SIM__DIAL && what != SIM__STUCK;
}

static bool is_stalled(struct sim *s, uint32_t i, uint32_t j)
{
    return sim__way(s, i, j)->first != NULL || sim__way(s, j, i)->first != NULL ||
           s->nodes[i].is_paused || s->nodes[j].is_paused;
}

static void stuck(struct sim *s, const struct sim__event *ev)
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

/* A stopped process finds everything when it goes on, in the order in which it came. */
static bool is_parked(struct sim *s, struct sim__event *ev)
{
    struct sim__node *n = &s->nodes[ev->node];
    if (!n->is_paused || !is_for_process(ev->what)) return false;
    ev->next = NULL;
    if (n->parked == NULL)
        n->parked = ev;
    else
        n->parked_last->next = ev;
    n->parked_last = ev;
    if (ev->what == SIM__FRAME) sim__stuck_soon(s, ev->peer, ev->node);
    return true;
}

static void happen(struct sim *s, const struct sim__event *ev)
{
    switch (ev->what) {
    case SIM__TIMER:
        timer_fires(s, ev);
        break;
    case SIM__FRAME:
        frame_arrives(s, ev);
        break;
    case SIM__READY:
        ready_arrives(s, ev);
        break;
    case SIM__CLOSE:
        link_close_at(s, ev->node, ev->peer, ev->generation);
        break;
    case SIM__DIAL:
        dial_arrives(s, ev);
        break;
    case SIM__DIAL_FAILED:
        dial_failed_arrives(s, ev);
        break;
    case SIM__REGISTRY:
        registry_dial(s, ev);
        break;
    case SIM__STUCK:
        stuck(s, ev);
        break;
    case SIM__SNAPSHOT:
        snapshot_arrives(s, ev->node);
        break;
    }
}

static bool run_next(struct sim *s, uint64_t until_ms)
{
    if (s->queue_count == 0 || s->queue[0]->at_ms > until_ms || s->failure[0] != 0) return false;
    struct sim__event *ev = sim__queue_pop(s);
    s->now_ms = ev->at_ms;
    if (is_parked(s, ev)) return true;
    happen(s, ev);
    free(ev);
    return true;
}

void sim_run(struct sim *s, uint64_t ms)
{
    uint64_t until = s->now_ms + ms;
    while (run_next(s, until)) {
    }
    s->now_ms = until;
}

bool sim_until(struct sim *s, bool (*is_so)(struct sim *), uint64_t ms)
{
    uint64_t until = s->now_ms + ms, looked = s->now_ms;
    while (!is_so(s)) {
        /* Look every 10 ms of virtual time: looking costs more than stepping. */
        while (s->now_ms < looked + 10)
            if (!run_next(s, until)) {
                s->now_ms = until;
                return s->failure[0] == 0 && is_so(s);
            }
        looked = s->now_ms;
    }
    return s->failure[0] == 0;
}

/* ---- processes ---- */

static void process_start(struct sim *s, uint32_t i, uint32_t via)
{
    struct sim__node *n = &s->nodes[i];
    struct gossip_config cfg;
    struct gossip_crypto crypto = sim_crypto(i);
    assert(n->core == NULL);
    n->incarnation++;
    sim_config_of(&cfg, i, n->incarnation);
    cfg.seed = base_prng_u64(&s->prng);
    cfg.members_max = s->count + 4;
    if (s->links_max > 0) cfg.links_max = s->links_max;
    cfg.weight = 1;
    n->started_incarnation = n->incarnation;
    n->has_left = n->is_gone = n->is_host_gone = false;
    for (uint32_t j = 0; j < s->count; j++)
        n->view[j] = s->nodes[j].has_seat;
    sim__check_reset(s, i);
    int rv = gossip_new(&n->core, &cfg, &crypto, s->now_ms + n->skew_ms);
    assert(rv == BASE_OK);
    timer_arm(s, i);
    if (via != i) dial(s, i, via);
    registry_dial_soon(s, i);
}

void sim_links_max(struct sim *s, uint32_t links_max)
{
    s->links_max = links_max;
}

void sim_start(struct sim *s, uint32_t i, uint32_t via)
{
    process_start(s, i, via);
}

void sim_start_all(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        process_start(s, i, 0);
        sim_run(s, 10);
    }
}

void sim_crash(struct sim *s, uint32_t i, bool visible)
{
    if (s->nodes[i].core != NULL) process_end(s, i, visible);
}

void sim_restart(struct sim *s, uint32_t i, uint32_t via)
{
    sim_crash(s, i, true);
    process_start(s, i, via);
}

void sim_pause(struct sim *s, uint32_t i)
{
    if (s->nodes[i].core != NULL) s->nodes[i].is_paused = true;
}

void sim_resume(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    if (!n->is_paused) return;
    n->is_paused = false;
    while (n->parked != NULL) {
        struct sim__event *ev = n->parked;
        n->parked = ev->next;
        sim__event_at(s, ev, s->now_ms);
    }
}

void sim_leave(struct sim *s, uint32_t i)
{
    struct gossip_event ev = {.type = GOSSIP_EV_LEAVE};
    if (s->nodes[i].core == NULL || s->nodes[i].is_paused) return;
    s->nodes[i].has_left = true;
    sim__step(s, i, &ev);
}

/* ---- chain ---- */

void sim_seat(struct sim *s, uint32_t i, bool has)
{
    s->nodes[i].has_seat = has;
    for (uint32_t j = 0; j < s->count; j++)
        sim__event_at(s, sim__event_new(SIM__SNAPSHOT, j, j, 0),
                      s->now_ms + sim_random(s, SNAPSHOT_LAG_MS));
}

/* ---- applications ---- */

int sim_event(struct sim *s, uint32_t i, const char *name)
{
    struct gossip_event ev = {.type = GOSSIP_EV_USER_EVENT};
    ev.u.user_event.name = sim__slice(name);
    ev.u.user_event.payload = sim__slice("payload");
    return s->nodes[i].is_paused ? BASE_ESTATE : sim__step(s, i, &ev);
}

void sim_tag(struct sim *s, uint32_t i, const char *value)
{
    struct gossip_event ev = {.type = GOSSIP_EV_UPDATE};
    sim__record_fields(&ev.u.update, i, 0);
    ev.u.update.tags[0] = (struct gossip_tag){sim__slice("role"), sim__slice(value)};
    ev.u.update.tag_count = 1;
    if (!s->nodes[i].is_paused) sim__step(s, i, &ev);
}

/* ---- liars ---- */

bool sim_inject_bytes(struct sim *s, uint32_t from, uint32_t to, uint8_t type, const void *body,
                      size_t len)
{
    if (!sim__is_linked(s, from, to)) return false;
    struct sim__event *ev = sim__event_new(SIM__FRAME, to, from, len);
    ev->type = type;
    ev->generation = sim__end_of(s, from, to)->generation;
    if (len > 0) memcpy(ev->bytes, body, len);
    sim__way_send(s, ev);
    return true;
}

bool sim_inject(struct sim *s, uint32_t from, uint32_t to, const struct gossip_frame *frame)
{
    uint8_t body[GOSSIP_FRAME_BYTES_MAX];
    size_t len = 0;
    int rv = gossip_frame_encode(body, &len, sizeof body, frame);
    assert(rv == BASE_OK);
    return sim_inject_bytes(s, from, to, frame->type, body, len);
}

void sim_accuse(struct sim *s, uint32_t liar, uint32_t target, enum base_statement kind)
{
    static struct gossip_frame frame;
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct gossip_accusation accusation = {s->nodes[target].key, sim_incarnation(s, target),
                                           s->nodes[liar].key};
    frame.type = GOSSIP_FRAME_UPDATE;
    frame.u.news.reach = s->count;
    frame.u.news.repair = false;
    frame.u.news.item_count = 1;
    frame.u.news.items[0] = (struct gossip_item){.kind = kind};
    frame.u.news.items[0].body =
        (struct base_slice){body, gossip_accusation_encode(body, &accusation)};
    sim_sign(liar, kind, body, frame.u.news.items[0].body.len, &frame.u.news.items[0].sig);
    for (uint32_t j = 0; j < s->count; j++)
        if (j != liar && j != target) sim_inject(s, liar, j, &frame);
}

void sim_mute(struct sim *s, uint32_t i, bool mute)
{
    s->nodes[i].is_mute = mute;
}

/* ---- life ---- */

struct sim *sim_new(uint64_t seed, uint32_t nodes, const struct sim_net *net)
{
    struct sim *s = calloc(1, sizeof *s);
    assert(s != NULL && nodes >= 1 && nodes <= SIM_NODES_MAX);
    s->count = nodes;
    s->net = *net;
    s->now_ms = 1000;
    s->nodes = calloc(nodes, sizeof *s->nodes);
    s->ways = calloc((size_t)nodes * nodes, sizeof *s->ways);
    s->links = calloc((size_t)nodes * nodes, sizeof *s->links);
    assert(s->nodes != NULL && s->ways != NULL && s->links != NULL);
    base_prng_init(&s->prng, seed);
    for (uint32_t i = 0; i < nodes; i++) {
        struct sim__node *n = &s->nodes[i];
        n->key = sim_key_of(i);
        n->has_seat = true;
        n->incarnation = EPOCH_INCARNATION;
        n->skew_ms = sim_random(s, 100000); /* no two clocks agree */
        n->view = calloc(nodes, sizeof *n->view);
        n->seen = calloc(nodes, sizeof *n->seen);
        assert(n->view != NULL && n->seen != NULL);
    }
    sim__index_build(s);
    return s;
}

void sim_free(struct sim *s)
{
    if (s == NULL) return;
    for (uint32_t i = 0; i < s->count; i++) {
        struct sim__node *n = &s->nodes[i];
        if (n->core != NULL) process_end(s, i, false);
        free(n->view);
        free(n->seen);
        free(n->delivered);
    }
    while (s->queue_count > 0)
        free(sim__queue_pop(s));
    for (size_t w = 0; w < (size_t)s->count * s->count; w++)
        sim__way_drop(&s->ways[w]);
    free(s->queue);
    free(s->nodes);
    free(s->ways);
    free(s->links);
    free(s->by_key);
    free(s);
}
