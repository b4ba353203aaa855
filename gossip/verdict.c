/* Records that wait for a verdict, what admission says of them, and the graves of the refused. */
#include <string.h>

#include "gossip/gossip_internal.h"

/* ---- who waits ---- */

struct gossip__pending *gossip__pending_find(struct gossip *g, const struct base_key33 *key)
{
    for (size_t i = 0; i < g->pending_top; i++) {
        struct gossip__pending *p = &g->pending[i];
        if (p->record != NULL && base_key33_equal(&p->record->key, key)) return p;
    }
    return NULL;
}

void gossip__pending_drop(struct gossip *g, struct gossip__pending *p)
{
    if (p == NULL) return;
    gossip__store_release(g->store, p->record);
    p->record = NULL;
    while (g->pending_top > 0 && g->pending[g->pending_top - 1].record == NULL)
        g->pending_top--;
}

static size_t pending_aside_count(const struct gossip *g)
{
    size_t count = 0;
    for (size_t i = 0; i < g->pending_top; i++)
        count += g->pending[i].record != NULL && g->pending[i].aside;
    return count;
}

static void pending_ask(struct gossip *g, struct gossip__pending *p)
{
    p->aside = false;
    g->counters.judged++;
    struct gossip_action *act = gossip__act(g, GOSSIP_ACT_JUDGE, &p->record->key);
    act->u.judge.record = gossip__stored_body(p->record);
    act->u.judge.sig = p->record->sig;
    act->u.judge.proof = gossip__stored_proof(p->record);
}

static struct gossip__pending *pending_room(struct gossip *g, const struct base_key33 *key)
{
    struct gossip__pending *p = gossip__pending_find(g, key);
    if (p != NULL) return p->aside ? p : NULL; /* one question at a time */
    for (size_t i = 0; i < g->pending_top; i++)
        if (g->pending[i].record == NULL) return &g->pending[i];
    if (g->pending_top < GOSSIP__PENDING_MAX) return &g->pending[g->pending_top];
    g->counters.aside_full++;
    return NULL;
}

void gossip__pending_add(struct gossip *g, struct gossip__member *from,
                         const struct gossip_item *item, const struct gossip_record *record)
{
    struct gossip__version version = {record, item->body, item->proof, &item->sig};
    struct gossip__pending *p = pending_room(g, &record->node_key);
    if (p == NULL) return;
    const struct gossip__stored *stored = gossip__store_put(g->store, &version);
    if (stored == NULL) {
        g->counters.aside_full++;
        return;
    }
    gossip__store_release(g->store, p->record);
    *p = (struct gossip__pending){
        .record = stored,
        .repair = g->news_repair,
        .reach = g->news_reach,
        .flags = item->flags,
        .moves_left = 2,
        .from = from->record->key,
    };
    uint32_t top = (uint32_t)(p - g->pending) + 1;
    if (g->pending_top < top) g->pending_top = top;
    pending_ask(g, p);
}

/* ---- graves ---- */

/* One a key: what is refused of somebody again and again takes no other's place. */
static struct gossip__grave *grave_for(struct gossip__graves *graves, const struct base_key33 *key)
{
    for (uint32_t i = 0; i < graves->count; i++)
        if (base_key33_equal(&graves->items[i].key, key)) return &graves->items[i];
    struct gossip__grave *grave = &graves->items[graves->next];
    graves->next = (graves->next + 1) % GOSSIP__GRAVES_MAX;
    if (graves->count < GOSSIP__GRAVES_MAX) graves->count++;
    *grave = (struct gossip__grave){.key = *key};
    return grave;
}

struct gossip__grave *gossip__bury(struct gossip *g, const struct base_key33 *key,
                                   uint64_t incarnation, uint64_t sequence)
{
    struct gossip__grave *grave = grave_for(&g->gone, key);
    grave->incarnation = incarnation;
    grave->sequence = sequence;
    grave->move = g->moves;
    return grave;
}

bool gossip__is_above_max(const struct gossip *g, uint64_t incarnation)
{
    uint64_t max = g->cfg.incarnation_max;
    return max != 0 && incarnation > max + (g->now_ms - g->started_ms) / 1000;
}

bool gossip__is_future(struct gossip *g, uint64_t incarnation)
{
    if (!gossip__is_above_max(g, incarnation)) return false;
    g->counters.statements_future++;
    return true;
}

static bool is_not_newer(uint64_t incarnation, uint64_t sequence, uint64_t than_incarnation,
                         uint64_t than_sequence)
{
    return incarnation < than_incarnation ||
           (incarnation == than_incarnation && sequence <= than_sequence);
}

static bool is_in(const struct gossip *g, const struct gossip__grave *grave,
                  const struct base_key33 *key, uint64_t incarnation, uint64_t sequence)
{
    if (!base_key33_equal(&grave->key, key)) return false;
    if (incarnation <= grave->left_incarnation) return true; /* returns with a higher one only */
    return grave->move == g->moves &&
           is_not_newer(incarnation, sequence, grave->incarnation, grave->sequence);
}

/* The proof beside a record is not under its signature: who brings the record first, with a proof
 * that he has spoiled, has only his own copy refused. After some of them nobody's is judged. */
static bool is_refused_of(const struct gossip__grave *grave, uint16_t from)
{
    if (grave->bringer_count == GOSSIP__BRINGERS_MAX) return true;
    for (uint32_t i = 0; i < grave->bringer_count; i++)
        if (grave->bringers[i] == from) return true;
    return false;
}

static void bury_refused(struct gossip *g, const struct gossip__pending *p)
{
    const struct gossip__member *from = gossip__find(g, &p->from);
    struct gossip__grave *grave = grave_for(&g->refused, &p->record->key);
    uint64_t incarnation = p->record->incarnation, sequence = p->record->sequence;
    /* An older version than one refused already opens nothing again. */
    if (!is_in(g, grave, &p->record->key, incarnation, sequence)) {
        grave->incarnation = incarnation;
        grave->sequence = sequence;
        grave->move = g->moves;
        grave->bringer_count = 0;
    }
    if (grave->bringer_count < GOSSIP__BRINGERS_MAX)
        grave->bringers[grave->bringer_count++] =
            from != NULL ? gossip__slot(g, from) : GOSSIP__NONE;
}

bool gossip__is_settled(struct gossip *g, const struct base_key33 *key, uint64_t incarnation,
                        uint64_t sequence, const struct gossip__member *from)
{
    const struct gossip__pending *p = gossip__pending_find(g, key);
    if (p != NULL && (!p->aside || is_not_newer(incarnation, sequence, p->record->incarnation,
                                                p->record->sequence)))
        return true;
    for (size_t i = 0; i < g->gone.count; i++)
        if (is_in(g, &g->gone.items[i], key, incarnation, sequence)) return true;
    for (size_t i = 0; i < g->refused.count; i++)
        if (is_in(g, &g->refused.items[i], key, incarnation, sequence))
            return is_refused_of(&g->refused.items[i], gossip__slot(g, from));
    return false;
}

/* ---- verdicts ---- */

static void verdict_new(struct gossip *g, const struct gossip__pending *p, uint64_t weight,
                        const struct gossip__version *version, uint16_t except)
{
    struct gossip__member *m = gossip__member_add(g, version);
    if (m == NULL) return;
    if (!g->news_repair) g->news_ms = g->now_ms;
    gossip__member_weight(g, m, weight);
    if (p->leave.len > 0 && p->leave.incarnation >= m->record->incarnation) {
        gossip__leave_store(g, m, &p->leave);
        gossip__state(g, m, GOSSIP_LEFT, GOSSIP_WHY_LEARNED);
        gossip__news_member(g, BASE_STATEMENT_RECORD, m, except);
        gossip__news_member(g, BASE_STATEMENT_LEAVE, m, except);
        return;
    }
    gossip__news_member(g, BASE_STATEMENT_RECORD, m, except);
    if ((p->flags & GOSSIP_ENTRY_FAILED) != 0) {
        gossip__state(g, m, GOSSIP_FAILED, GOSSIP_WHY_LEARNED);
        /* The failed are in nobody's round: a table full of them is large all the same. */
        if (g->count - 1 > g->cfg.links_max) {
            gossip__dial_plan(g, m);
            return;
        }
        gossip__agenda_open(g, m)->dial_ms = g->now_ms; /* look for ourselves, at once */
        gossip__arm(g, m);
        return;
    }
    gossip__state(g, m, GOSSIP_ALIVE, GOSSIP_WHY_LEARNED);
    gossip__dial_soon(g, m);
}

static void verdict_ok(struct gossip *g, const struct gossip__pending *p, struct gossip__member *m,
                       uint64_t weight)
{
    struct gossip_record record;
    gossip__stored_head(&record, p->record);
    struct gossip__version version = {&record, gossip__stored_body(p->record),
                                      gossip__stored_proof(p->record), &p->record->sig};
    struct gossip__member *from = gossip__find(g, &p->from);
    uint16_t except = from != NULL ? gossip__slot(g, from) : 0;
    g->news_reach = p->reach;
    g->news_repair = p->repair;
    if (m == NULL) {
        verdict_new(g, p, weight, &version, except);
        return;
    }
    gossip__member_weight(g, m, weight);
    int order = gossip__compare_version(m, record.incarnation, record.sequence);
    if (order > 0 || (order == 0 && gossip__is_digest_higher(m, &version.body)))
        gossip__record_accept(g, m, &version, p->flags, except);
}

int gossip__verdict(struct gossip *g, const struct gossip_event *ev)
{
    struct gossip__pending *p = gossip__pending_find(g, &ev->key);
    struct gossip__member *m = gossip__find(g, &ev->key);
    if (p == NULL || p->aside) {
        if (m == NULL) return BASE_ENOPEER;
        if (ev->u.verdict.verdict == GOSSIP_OK) gossip__member_weight(g, m, ev->u.verdict.weight);
        return BASE_OK;
    }
    switch (ev->u.verdict.verdict) {
    case GOSSIP_OK:
        verdict_ok(g, p, m, ev->u.verdict.weight);
        break;
    case GOSSIP_UNDECIDED:
    case GOSSIP_UNKNOWN:
        p->aside = m == NULL && pending_aside_count(g) < GOSSIP_ASIDE_MAX;
        if (m == NULL && !p->aside) g->counters.aside_full++;
        break;
    case GOSSIP_REFUSED:
        g->counters.refused++;
        bury_refused(g, p);
        break;
    }
    if (!p->aside) gossip__pending_drop(g, p);
    return BASE_OK;
}

void gossip__snapshot_moved(struct gossip *g)
{
    g->moves++; /* the graves of the snapshot before are open */
    for (size_t i = 0; i < g->pending_top; i++) {
        struct gossip__pending *p = &g->pending[i];
        if (p->record == NULL || !p->aside) continue;
        if (p->moves_left == 0) {
            gossip__pending_drop(g, p);
            continue;
        }
        p->moves_left--;
        pending_ask(g, p);
    }
}

int gossip__evict(struct gossip *g, const struct base_key33 *key)
{
    struct gossip__member *m = gossip__find(g, key);
    struct gossip__pending *p = gossip__pending_find(g, key);
    gossip__pending_drop(g, p);
    if (m == &g->members[0]) return BASE_ESTATE;
    if (m == NULL) return BASE_ENOPEER;
    gossip__state(g, m, GOSSIP_NONE, GOSSIP_WHY_EVICTED);
    gossip__member_remove(g, m);
    return BASE_OK;
}
