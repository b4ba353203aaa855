/* What is going on with whom: agendas that come and go, one timer each, and who accuses whom. */
#include <string.h>

#include "gossip/gossip_internal.h"

static const struct gossip__agenda nothing;

const struct gossip__agenda *gossip__agenda(const struct gossip *g, const struct gossip__member *m)
{
    return m->agenda_at != 0 ? gossip__pool_at(&g->agendas, m->agenda_at) : &nothing;
}

struct gossip__agenda *gossip__agenda_open(struct gossip *g, struct gossip__member *m)
{
    if (m->agenda_at != 0) return gossip__pool_at(&g->agendas, m->agenda_at);
    struct gossip__agenda *a = gossip__pool_take(&g->agendas, &m->agenda_at);
    a->slot = gossip__slot(g, m);
    a->used = true;
    return a;
}

static struct gossip__agenda *agenda_of_slot(const struct gossip *g, uint16_t slot)
{
    return gossip__pool_at(&g->agendas, g->members[slot].agenda_at);
}

bool gossip__is_probing(const struct gossip *g, const struct gossip__member *m)
{
    return gossip__agenda(g, m)->probe.phase != GOSSIP__IDLE;
}

void gossip__probe_drop(struct gossip *g, struct gossip__member *m)
{
    if (gossip__is_probing(g, m)) gossip__agenda_open(g, m)->probe.phase = GOSSIP__IDLE;
}

/* A sync that is over says nothing once it is older than what gossip__sync_if_differs() asks. */
static bool is_over(const struct gossip *g, const struct gossip__member *m,
                    const struct gossip__agenda *a)
{
    if (m->state == GOSSIP_SUSPECT || m->dialing || a->probe.phase != GOSSIP__IDLE) return false;
    if (a->accused_ms != 0 || a->accusers_at != 0 || a->push_ms != 0) return false;
    if ((a->dial_ms | a->dial_backoff_ms | a->dial_lost_ms | a->dial_failed_ms) != 0) return false;
    return a->sync_mask == 0 &&
           (a->synced_ms == 0 || g->now_ms - a->synced_ms >= g->cfg.probe_interval_ms / 2);
}

static void agenda_close(struct gossip *g, struct gossip__member *m)
{
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    a->used = false;
    gossip__pool_give(&g->agendas, &m->agenda_at);
}

/* ---- timers: a heap by (due, slot) ---- */

static bool is_before(const struct gossip *g, uint16_t a, uint16_t b)
{
    uint64_t due_a = agenda_of_slot(g, a)->due_ms, due_b = agenda_of_slot(g, b)->due_ms;
    return due_a < due_b || (due_a == due_b && a < b);
}

static void heap_put(struct gossip *g, uint32_t at, uint16_t slot)
{
    g->heap[at] = slot;
    agenda_of_slot(g, slot)->heap_at = at + 1;
}

static void heap_up(struct gossip *g, uint32_t at)
{
    uint16_t slot = g->heap[at];
    while (at > 0 && is_before(g, slot, g->heap[(at - 1) / 2])) {
        heap_put(g, at, g->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(g, at, slot);
}

static void heap_down(struct gossip *g, uint32_t at)
{
    uint16_t slot = g->heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= g->heap_count) break;
        if (child + 1 < g->heap_count && is_before(g, g->heap[child + 1], g->heap[child])) child++;
        if (!is_before(g, g->heap[child], slot)) break;
        heap_put(g, at, g->heap[child]);
        at = child;
    }
    heap_put(g, at, slot);
}

static void heap_remove(struct gossip *g, struct gossip__agenda *a)
{
    if (a->heap_at == 0) return;
    uint32_t at = a->heap_at - 1;
    a->heap_at = 0;
    g->heap_count--;
    if (at == g->heap_count) return;
    uint16_t moved = g->heap[g->heap_count];
    heap_put(g, at, moved);
    heap_up(g, at);
    heap_down(g, agenda_of_slot(g, moved)->heap_at - 1);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0) return b;
    return b == 0 || a < b ? a : b;
}

static uint64_t agenda_due(const struct gossip__member *m, const struct gossip__agenda *a)
{
    uint64_t due = earlier(a->dial_ms, a->push_ms);
    if (a->probe.phase != GOSSIP__IDLE) due = earlier(due, a->probe.due_ms);
    if (m->state == GOSSIP_SUSPECT) {
        due = earlier(earlier(due, a->suspect_end_ms), a->voice_ms);
        if (a->probe.phase == GOSSIP__IDLE) due = earlier(due, a->reprobe_ms);
    }
    if (m->state == GOSSIP_ALIVE && a->probe.phase == GOSSIP__IDLE)
        due = earlier(due, a->reprobe_ms);
    return due;
}

void gossip__arm(struct gossip *g, struct gossip__member *m)
{
    if (m->agenda_at == 0) return;
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    uint64_t due = agenda_due(m, a);
    if (a->heap_at != 0 && due == a->due_ms) return;
    heap_remove(g, a);
    a->due_ms = due;
    if (due == 0) {
        if (is_over(g, m, a)) agenda_close(g, m);
        return;
    }
    g->heap_count++;
    heap_put(g, g->heap_count - 1, gossip__slot(g, m));
    heap_up(g, g->heap_count - 1);
}

struct gossip__member *gossip__due(const struct gossip *g)
{
    return g->heap_count > 0 ? &g->members[g->heap[0]] : NULL;
}

uint64_t gossip__due_ms(const struct gossip *g)
{
    return g->heap_count > 0 ? agenda_of_slot(g, g->heap[0])->due_ms : GOSSIP__NEVER;
}

static void move_on(uint64_t *at_ms, uint64_t lag_ms)
{
    if (*at_ms != 0) *at_ms += lag_ms;
}

static struct gossip__agenda *agenda_by_number(const struct gossip *g, uint32_t i)
{
    return gossip__pool_at(&g->agendas, (uint16_t)(i + 1));
}

void gossip__agendas_move_on(struct gossip *g, uint64_t lag_ms)
{
    for (uint32_t i = 0; i < g->agendas.top; i++) {
        struct gossip__agenda *a = agenda_by_number(g, i);
        if (!a->used) continue;
        move_on(&a->probe.due_ms, lag_ms);
        move_on(&a->probe.started_ms, lag_ms);
        move_on(&a->suspect_ms, lag_ms);
        move_on(&a->suspect_end_ms, lag_ms);
        move_on(&a->accused_ms, lag_ms);
        move_on(&a->reprobe_ms, lag_ms);
        move_on(&a->voice_ms, lag_ms);
        move_on(&a->dial_ms, lag_ms);
        move_on(&a->push_ms, lag_ms);
        if (a->heap_at != 0) a->due_ms = agenda_due(&g->members[a->slot], a);
    }
    for (uint32_t i = g->heap_count / 2; i-- > 0;)
        heap_down(g, i);
}

/* ---- who accuses whom ---- */

static struct gossip__chunk *chunk_at(const struct gossip *g, uint32_t at)
{
    return at != 0 ? &g->chunks[at - 1] : NULL;
}

static struct gossip__chunk *chunk_add(struct gossip *g, struct gossip__agenda *a)
{
    uint32_t at = g->chunk_free_at;
    if (at == 0 && g->chunk_top == g->chunk_max) return NULL;
    if (at == 0)
        at = ++g->chunk_top;
    else
        g->chunk_free_at = g->chunks[at - 1].next;
    struct gossip__chunk *chunk = &g->chunks[at - 1];
    memset(chunk->slots, 0xff, sizeof chunk->slots);
    static_assert(GOSSIP__NONE == 0xffff, "all bits set");
    chunk->next = a->accusers_at;
    a->accusers_at = at;
    return chunk;
}

/* Where slot stands among the accusers; NULL: nowhere. GOSSIP__NONE finds a free place. */
static uint16_t *accuser_find(const struct gossip *g, const struct gossip__agenda *a, uint16_t slot)
{
    for (struct gossip__chunk *c = chunk_at(g, a->accusers_at); c != NULL; c = chunk_at(g, c->next))
        for (size_t i = 0; i < GOSSIP__CHUNK_SLOTS; i++)
            if (c->slots[i] == slot) return &c->slots[i];
    return NULL;
}

bool gossip__is_accuser(const struct gossip *g, const struct gossip__member *m, uint16_t slot)
{
    return accuser_find(g, gossip__agenda(g, m), slot) != NULL;
}

bool gossip__accuser_set(struct gossip *g, struct gossip__member *m, uint16_t slot)
{
    assert(slot != 0); /* our own suspicion is not somebody else's word */
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    uint16_t *place = NULL;
    struct gossip__chunk *first = chunk_at(g, a->accusers_at);
    for (size_t i = 0; first != NULL && i < GOSSIP__CHUNK_SLOTS && place == NULL; i++)
        if (first->slots[i] == GOSSIP__NONE) place = &first->slots[i];
    if (place == NULL) {
        struct gossip__chunk *chunk = chunk_add(g, a);
        if (chunk == NULL) return false;
        place = &chunk->slots[0];
    }
    *place = slot;
    a->accuser_count++;
    a->accused_weight += g->members[slot].weight;
    return true;
}

void gossip__accusers_clear(struct gossip *g, struct gossip__member *m)
{
    if (m->agenda_at == 0) return;
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    for (uint32_t at = a->accusers_at; at != 0;) {
        uint32_t next = g->chunks[at - 1].next;
        g->chunks[at - 1].next = g->chunk_free_at;
        g->chunk_free_at = at;
        at = next;
    }
    a->accusers_at = 0;
    a->accuser_count = 0;
    a->accused_weight = 0;
    a->accused_ms = 0;
    a->reprobe_ms = 0;
    a->voice_ms = 0;
    a->is_said = false;
}

uint64_t gossip__accuser_heaviest(const struct gossip *g, const struct gossip__member *m)
{
    uint64_t heaviest = 0;
    const struct gossip__chunk *c = chunk_at(g, gossip__agenda(g, m)->accusers_at);
    for (; c != NULL; c = chunk_at(g, c->next))
        for (size_t i = 0; i < GOSSIP__CHUNK_SLOTS; i++)
            if (c->slots[i] != GOSSIP__NONE && g->members[c->slots[i]].weight > heaviest)
                heaviest = g->members[c->slots[i]].weight;
    return heaviest;
}

void gossip__accuser_forget(struct gossip *g, uint16_t slot)
{
    for (uint32_t i = 0; i < g->agendas.top; i++) {
        struct gossip__agenda *a = agenda_by_number(g, i);
        uint16_t *place = a->used ? accuser_find(g, a, slot) : NULL;
        if (place == NULL) continue;
        *place = GOSSIP__NONE;
        a->accuser_count--;
        a->accused_weight -= g->members[slot].weight;
    }
}

void gossip__accuser_weighs(struct gossip *g, uint16_t slot, uint64_t weight)
{
    for (uint32_t i = 0; i < g->agendas.top; i++) {
        struct gossip__agenda *a = agenda_by_number(g, i);
        if (a->used && accuser_find(g, a, slot) != NULL)
            a->accused_weight += weight - g->members[slot].weight; /* wraps back when it shrinks */
    }
}

/* The member is about to go. */
void gossip__agenda_forget(struct gossip *g, struct gossip__member *m)
{
    if (m->agenda_at == 0) return;
    gossip__accusers_clear(g, m);
    heap_remove(g, gossip__agenda_open(g, m));
    agenda_close(g, m);
}
