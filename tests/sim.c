/* The simulator's machine: what is due next in virtual time, and one step of a core. sim_check.c
 * looks over its shoulder; sim_internal.h lists the other files. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/statement.h"
#include "sim_internal.h"

#define TIMER_SPINS_MAX 5000

/* ---- steps ---- */

static void perform_send(struct sim *s, uint32_t i, uint32_t j, const struct gossip_action *act)
{
    struct sim_liar *l = s->nodes[i].liar;
    const struct base_slice *body = &act->u.send.body;
    if (l != NULL && l->kind->says != NULL &&
        !l->kind->says(l, j, act->u.send.type, body->data, body->len))
        return;
    struct sim__event *ev = sim__event_new(SIM__FRAME, j, i, body->len);
    ev->type = act->u.send.type;
    ev->kind = act->u.send.kind;
    ev->generation = sim__end_of(s, i, j)->generation;
    memcpy(ev->bytes, body->data, ev->len);
    s->frames++;
    sim__way_send(s, ev);
}

struct verdicts { /* of what one step asked; given when all of its actions are performed */
    struct {
        struct base_key33 key;
        enum gossip_verdict verdict;
    } * list;
    size_t count;
};

static void perform(struct sim *s, uint32_t i, const struct gossip_action *act,
                    struct verdicts *verdicts)
{
    uint32_t j = sim__index(s, &act->key);
    switch (act->type) {
    case GOSSIP_ACT_SEND:
        perform_send(s, i, j, act);
        break;
    case GOSSIP_ACT_WANT_LINK:
        if (j < s->count) sim__dial(s, i, j);
        break;
    case GOSSIP_ACT_DROP_LINK:
        sim__link_drop(s, i, j);
        break;
    case GOSSIP_ACT_JUDGE:
        verdicts->list[verdicts->count].key = act->key;
        verdicts->list[verdicts->count++].verdict = sim__judge_member(s, i, act);
        break;
    case GOSSIP_ACT_LEFT:
        s->nodes[i].is_gone = true;
        break;
    case GOSSIP_ACT_SELF:
        s->nodes[i].incarnation = s->nodes[i].disk_incarnation = act->u.self.incarnation;
        break;
    case GOSSIP_ACT_STATE:
        sim__votes_member(s, i, act);
        break;
    case GOSSIP_ACT_EVENT:
    case GOSSIP_ACT_NOTE:
        break; /* the checkers have read them */
    }
}

static void verdicts_begin(struct verdicts *verdicts, const struct gossip_actions *out)
{
    size_t asked = 0;
    for (size_t a = 0; a < out->count; a++)
        asked += out->items[a].type == GOSSIP_ACT_JUDGE;
    *verdicts = (struct verdicts){0};
    if (asked == 0) return;
    verdicts->list = malloc(asked * sizeof *verdicts->list);
    assert(verdicts->list != NULL);
}

static void verdicts_give(struct sim *s, uint32_t i, struct verdicts *verdicts)
{
    for (size_t v = 0; v < verdicts->count; v++) {
        struct gossip_event ev = {.type = GOSSIP_EV_VERDICT, .key = verdicts->list[v].key};
        uint32_t j = sim__index(s, &ev.key);
        ev.u.verdict.verdict = verdicts->list[v].verdict;
        ev.u.verdict.weight = j < s->count ? sim__weight_of(s, i, j) : 1;
        sim__step(s, i, &ev);
    }
    free(verdicts->list);
}

void sim__timer_arm(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    uint64_t due = gossip_deadline_ms(n->core);
    if (due == UINT64_MAX) return;
    due = sim__true_ms(s, n, due);
    if (n->timer_armed && n->timer_ms <= due) return;
    n->timer_armed = true;
    n->timer_ms = due;
    struct sim__event *ev = sim__event_new(SIM__TIMER, i, i, 0);
    ev->process = n->process;
    sim__event_at(s, ev, due);
}

int sim__step(struct sim *s, uint32_t i, const struct gossip_event *ev)
{
    struct sim__node *n = &s->nodes[i];
    struct gossip_actions out;
    struct verdicts verdicts;
    uint32_t process = n->process;
    if (n->core == NULL) return BASE_ESTATE;
    int rv = gossip_step(n->core, sim__local_ms(s, n), ev, &out);
    s->steps++;
    sim__check_step(s, i, ev, rv, &out);
    verdicts_begin(&verdicts, &out);
    for (size_t a = 0; a < out.count; a++)
        perform(s, i, &out.items[a], &verdicts);
    verdicts_give(s, i, &verdicts);
    if (n->core == NULL || n->process != process) return rv;
    if (n->is_gone) {
        sim__process_end(s, i, true);
        return rv;
    }
    sim__timer_arm(s, i);
    return rv;
}

/* ---- what happens to a node ---- */

static bool is_hidden(struct sim *s, const struct sim__event *ev)
{
    struct sim__node *n = &s->nodes[ev->node];
    struct sim_liar *l = n->liar;
    if (s->nodes[ev->peer].liar != NULL) s->lies++;
    if (n->is_mute && ev->type == GOSSIP_FRAME_PING_REQ) return true;
    return l != NULL && l->kind->hears != NULL &&
           !l->kind->hears(l, ev->peer, ev->type, ev->bytes, ev->len);
}

static void frame_arrives(struct sim *s, const struct sim__event *ev)
{
    struct sim__node *n = &s->nodes[ev->node];
    const struct sim__end *end = sim__end_of(s, ev->node, ev->peer);
    if (end->generation != ev->generation || !end->is_up) return;
    if (sim__votes_frame(s, ev) || is_hidden(s, ev)) return;
    struct gossip_event in = {.type = GOSSIP_EV_FRAME, .key = s->nodes[ev->peer].key};
    in.u.frame.type = ev->type;
    in.u.frame.body = (struct base_slice){ev->bytes, ev->len};
    int rv = sim__step(s, ev->node, &in);
    if (rv == BASE_OK || n->core == NULL) return;
    /* as the session does with a malformed frame */
    sim__send_close(s, ev->node, ev->peer, ev->generation);
    sim__link_close(s, ev->node, ev->peer, ev->generation);
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

static void liar_acts(struct sim *s, uint32_t i)
{
    struct sim_liar *l = s->nodes[i].liar;
    if (sim_is_up(s, i) && !s->nodes[i].is_paused) l->kind->acts(l);
    sim__event_at(s, sim__event_new(SIM__LIAR, i, i, 0), s->now_ms + l->kind->period_ms);
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
        sim__ready_arrives(s, ev);
        break;
    case SIM__CLOSE:
        sim__link_close(s, ev->node, ev->peer, ev->generation);
        break;
    case SIM__DIAL:
        sim__dial_arrives(s, ev);
        break;
    case SIM__DIAL_FAILED:
        sim__dial_failed_arrives(s, ev);
        break;
    case SIM__REGISTRY:
        sim__registry_dial(s, ev);
        break;
    case SIM__STUCK:
        sim__stuck(s, ev);
        break;
    case SIM__SNAPSHOT:
        sim__snapshot_arrives(s, ev);
        break;
    case SIM__BLOCK:
        sim__block_due(s);
        break;
    case SIM__LIAR:
        liar_acts(s, ev->node);
        break;
    case SIM__VOTES_TIMER:
    case SIM__VOTES_STORED:
    case SIM__VOTES_LATE:
    case SIM__VOTES_LIAR:
    case SIM__VOTES_TRAP:
        sim__votes_happen(s, ev);
        break;
    }
}

static bool run_next(struct sim *s, uint64_t until_ms)
{
    if (s->queue_count == 0 || s->queue[0]->at_ms > until_ms || s->failure[0] != 0) return false;
    struct sim__event *ev = sim__queue_pop(s);
    s->now_ms = ev->at_ms;
    if (sim__is_parked(s, ev)) return true;
    happen(s, ev);
    sim__event_free(ev);
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
        n->local_ms = sim_random(s, 100000); /* no two clocks agree */
        n->view = calloc(nodes, sizeof *n->view);
        n->seen = calloc(nodes, sizeof *n->seen);
        assert(n->view != NULL && n->seen != NULL);
    }
    sim__index_build(s);
    sim__admission_init(s);
    sim__chain_init(s);
    return s;
}

void sim_free(struct sim *s)
{
    if (s == NULL) return;
    for (uint32_t i = 0; i < s->count; i++) {
        struct sim__node *n = &s->nodes[i];
        if (n->core != NULL) sim__process_end(s, i, false);
        sim__block_release(n->reference);
        if (n->liar != NULL) free(n->liar->memory);
        free(n->liar);
        free(n->view);
        free(n->seen);
        free(n->delivered);
    }
    while (s->queue_count > 0)
        sim__event_free(sim__queue_pop(s));
    for (size_t w = 0; w < (size_t)s->count * s->count; w++)
        sim__way_drop(&s->ways[w]);
    sim__votes_free(s);
    sim__chain_free(s);
    free(s->queue);
    free(s->nodes);
    free(s->ways);
    free(s->links);
    free(s->by_key);
    free(s);
}
