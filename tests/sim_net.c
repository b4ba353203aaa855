/* The network under the links: virtual time, delays, loss, silence. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim_internal.h"

#define RETRANSMIT_MS   200
#define RETRANSMITS_MAX 5
#define HEAL_MS         500 /* until a stalled link's next retransmission */

const struct sim_net SIM_LAN = {0, 2, 0};
const struct sim_net SIM_WAN = {20, 120, 10};
const struct sim_net SIM_LOSSY = {1, 40, 100};

/* ---- the queue of things to come, by (time, order of their making) ---- */

static bool is_sooner(const struct sim__event *a, const struct sim__event *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

static void queue_push(struct sim *s, struct sim__event *ev)
{
    if (s->queue_count == s->queue_cap) {
        s->queue_cap = s->queue_cap == 0 ? 1024 : 2 * s->queue_cap;
        s->queue = realloc(s->queue, s->queue_cap * sizeof(struct sim__event *));
        assert(s->queue != NULL);
    }
    size_t at = s->queue_count++;
    while (at > 0 && is_sooner(ev, s->queue[(at - 1) / 2])) {
        s->queue[at] = s->queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->queue[at] = ev;
}

struct sim__event *sim__queue_pop(struct sim *s)
{
    struct sim__event *top = s->queue[0], *last = s->queue[--s->queue_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= s->queue_count) break;
        if (child + 1 < s->queue_count && is_sooner(s->queue[child + 1], s->queue[child])) child++;
        if (!is_sooner(s->queue[child], last)) break;
        s->queue[at] = s->queue[child];
        at = child;
    }
    if (s->queue_count > 0) s->queue[at] = last;
    return top;
}

struct sim__event *sim__event_new(enum sim__what what, uint32_t node, uint32_t peer, size_t len)
{
    struct sim__event *ev = calloc(1, sizeof *ev + len);
    assert(ev != NULL);
    ev->what = what;
    ev->node = node;
    ev->peer = peer;
    ev->len = len;
    return ev;
}

void sim__event_at(struct sim *s, struct sim__event *ev, uint64_t at_ms)
{
    ev->at_ms = at_ms;
    ev->order = s->order++;
    queue_push(s, ev);
}

void sim__event_free(struct sim__event *ev)
{
    sim__block_release(ev->block);
    free(ev);
}

uint64_t sim_random(struct sim *s, uint64_t bound)
{
    return base_prng_below(&s->prng, bound);
}

/* ---- the network ---- */

struct sim__way *sim__way(struct sim *s, uint32_t from, uint32_t to)
{
    return &s->ways[(size_t)from * s->count + to];
}

struct sim__link *sim__link_of(struct sim *s, uint32_t i, uint32_t j)
{
    return &s->links[i < j ? (size_t)i * s->count + j : (size_t)j * s->count + i];
}

/* As i sees its link with j. */
struct sim__end *sim__end_of(struct sim *s, uint32_t i, uint32_t j)
{
    return &sim__link_of(s, i, j)->ends[i < j ? 0 : 1];
}

bool sim_is_linked(struct sim *s, uint32_t i, uint32_t j)
{
    return sim__end_of(s, i, j)->is_up;
}

uint64_t sim__delay_ms(struct sim *s)
{
    return base_prng_between(&s->prng, s->net.delay_min_ms, s->net.delay_max_ms);
}

static bool is_lost(struct sim *s)
{
    return s->net.loss_permille > 0 && sim_random(s, 1000) < s->net.loss_permille;
}

void sim__stuck_at(struct sim *s, uint32_t i, uint32_t j, bool for_good)
{
    struct sim__event *ev = sim__event_new(SIM__STUCK, i, j, 0);
    ev->generation = sim__end_of(s, i, j)->generation;
    ev->type = for_good;
    sim__event_at(s, ev, s->now_ms + SIM_STUCK_MS + sim_random(s, 1000));
}

void sim__stuck_soon(struct sim *s, uint32_t i, uint32_t j)
{
    struct sim__link *link = sim__link_of(s, i, j);
    if (link->stuck_armed) return;
    link->stuck_armed = true;
    sim__stuck_at(s, i, j, false);
}

/* As a session's queue: a frame of a kind takes the place of the one that waits, and what does not
 * fit is not sent. */
static bool way_takes(struct sim__way *way, struct sim__event *ev)
{
    for (struct sim__event **at = &way->first; ev->kind != 0 && *at != NULL; at = &(*at)->next) {
        struct sim__event *old = *at;
        if (old->what != SIM__FRAME || old->kind != ev->kind || old->generation != ev->generation)
            continue;
        ev->next = old->next;
        if (way->last == old) way->last = ev;
        *at = ev;
        sim__event_free(old);
        return true;
    }
    if (ev->what != SIM__FRAME || way->waiting_count < SIM_QUEUE_MAX) return false;
    sim__event_free(ev);
    return true;
}

static void way_stall(struct sim *s, struct sim__event *ev)
{
    uint32_t from = ev->peer, to = ev->node;
    struct sim__way *way = sim__way(s, from, to);
    sim__stuck_soon(s, from, to);
    if (way_takes(way, ev)) return;
    ev->next = NULL;
    if (way->last == NULL)
        way->first = ev;
    else
        way->last->next = ev;
    way->last = ev;
    way->waiting_count++;
    sim__check_way(s, from, to);
}

/* In order behind what the same direction carries already. A lost one waits for its
 * retransmission and so does all behind it, which then comes along: one loss costs one wait,
 * however much is on the way. */
void sim__way_send(struct sim *s, struct sim__event *ev)
{
    struct sim__way *way = sim__way(s, ev->peer, ev->node);
    if (way->cut || way->first != NULL) {
        way_stall(s, ev);
        return;
    }
    uint64_t at = s->now_ms + sim__delay_ms(s), wait = RETRANSMIT_MS;
    bool recovers = way->busy_until_ms > at;
    for (int i = 0; i < RETRANSMITS_MAX && !recovers && is_lost(s); i++) {
        at += wait;
        wait *= 2;
    }
    if (at < way->busy_until_ms) at = way->busy_until_ms;
    way->busy_until_ms = at;
    sim__event_at(s, ev, at);
}

static void way_release(struct sim *s, uint32_t from, uint32_t to)
{
    struct sim__way *way = sim__way(s, from, to);
    uint64_t at = s->now_ms + sim_random(s, HEAL_MS);
    while (way->first != NULL) {
        struct sim__event *ev = way->first;
        way->first = ev->next;
        if (at < way->busy_until_ms) at = way->busy_until_ms;
        way->busy_until_ms = at;
        sim__event_at(s, ev, at);
    }
    way->last = NULL;
    way->waiting_count = 0;
}

void sim__way_drop(struct sim__way *way)
{
    while (way->first != NULL) {
        struct sim__event *ev = way->first;
        way->first = ev->next;
        sim__event_free(ev);
    }
    way->last = NULL;
    way->waiting_count = 0;
}

void sim_cut(struct sim *s, uint32_t from, uint32_t to, bool cut)
{
    struct sim__way *way = sim__way(s, from, to);
    if (way->cut == cut) return;
    way->cut = cut;
    if (!cut) way_release(s, from, to);
}

void sim_partition(struct sim *s, const uint8_t *group)
{
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t j = 0; j < s->count; j++)
            if (i != j) sim_cut(s, i, j, group[i] != group[j]);
}

void sim_isolate(struct sim *s, uint32_t i)
{
    for (uint32_t j = 0; j < s->count; j++) {
        if (i == j) continue;
        sim_cut(s, i, j, true);
        sim_cut(s, j, i, true);
    }
}

void sim_ring(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t j = 0; j < s->count; j++)
            if (i != j) sim_cut(s, i, j, (i + 1) % s->count != j && (j + 1) % s->count != i);
}

void sim_bridge(struct sim *s, const uint8_t *group, uint32_t bridge)
{
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t j = 0; j < s->count; j++)
            if (i != j) sim_cut(s, i, j, group[i] != group[j] && i != bridge && j != bridge);
}

void sim_reorder(struct sim *s, bool on)
{
    s->reorders = on;
}

void sim_set_net(struct sim *s, const struct sim_net *net)
{
    s->net = *net;
}

void sim_calm(struct sim *s)
{
    s->net.loss_permille = 0;
    s->chain.reorg_depth = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        sim_resume(s, i);
        sim_outage(s, i, false);
        for (uint32_t j = 0; j < s->count; j++)
            if (i != j) sim_cut(s, i, j, false);
    }
}
