/* What happens to a member: added, told of, weighed, changed, removed; and the digest of it all. */
#include <string.h>

#include "gossip/gossip_internal.h"

static bool is_weighed(const struct gossip__member *m)
{
    return m->state != GOSSIP_NONE && m->state != GOSSIP_LEFT;
}

void gossip__member_weight(struct gossip *g, struct gossip__member *m, uint64_t weight)
{
    /* A sum over all members must not wrap. */
    if (weight == 0) weight = 1;
    if (weight > UINT32_MAX) weight = UINT32_MAX;
    if (weight == m->weight) return;
    gossip__accuser_weighs(g, gossip__slot(g, m), weight);
    if (is_weighed(m)) g->weight_total += weight - m->weight;
    m->weight = (uint32_t)weight;
}

/* ---- digest: a tree of sums, the total, buckets, leaves ---- */

unsigned gossip__bucket(const struct base_key33 *key)
{
    return key->bytes[BASE_KEY33_BYTES - 1] % GOSSIP_BUCKETS;
}

unsigned gossip__leaf(const struct base_key33 *key)
{
    return gossip__bucket(key) +
           GOSSIP_BUCKETS * (key->bytes[BASE_KEY33_BYTES - 2] % GOSSIP_BUCKETS);
}

/* As the entries of a LIST: where those are equal, sums are, or nothing would ever settle them. */
static uint64_t digest_of(const struct gossip *g, const struct gossip__member *m)
{
    if (m->state == GOSSIP_NONE) return 0;
    if (m->leave_at == 0) return m->record->digest;
    uint64_t left = gossip__leave_incarnation(g, m);
    return gossip__digest_of(&m->record->key, left, 0, left, NULL);
}

/* After a change: before is what digest_of() said in front of it. */
static void digest_changed(struct gossip *g, const struct gossip__member *m, uint64_t before)
{
    uint64_t by = digest_of(g, m) - before;
    g->sum += by;
    g->bucket_sums[gossip__bucket(&m->record->key)] += by;
    g->leaf_sums[gossip__leaf(&m->record->key)] += by;
}

/* ---- leaves ---- */

const struct gossip__leave *gossip__leave(const struct gossip *g, const struct gossip__member *m)
{
    return m->leave_at != 0 ? gossip__pool_at(&g->leaves, m->leave_at) : NULL;
}

uint64_t gossip__leave_incarnation(const struct gossip *g, const struct gossip__member *m)
{
    return m->leave_at != 0 ? gossip__leave(g, m)->incarnation : 0;
}

void gossip__leave_store(struct gossip *g, struct gossip__member *m,
                         const struct gossip__leave *leave)
{
    uint64_t before = digest_of(g, m);
    struct gossip__leave *kept = m->leave_at != 0 ? gossip__pool_at(&g->leaves, m->leave_at)
                                                  : gossip__pool_take(&g->leaves, &m->leave_at);
    *kept = *leave;
    digest_changed(g, m, before);
}

void gossip__leave_drop(struct gossip *g, struct gossip__member *m)
{
    if (m->leave_at == 0) return;
    uint64_t before = digest_of(g, m);
    gossip__pool_give(&g->leaves, &m->leave_at);
    digest_changed(g, m, before);
}

/* ---- members ---- */

/* Somebody who left, or failed, longest ago; never one with a link. */
static struct gossip__member *find_expendable(struct gossip *g, enum gossip_state state)
{
    struct gossip__member *oldest = NULL;
    for (uint32_t i = 0; i < g->count; i++) {
        struct gossip__member *m = &g->members[g->sorted[i]];
        if (m->state != state || m->linked || gossip__slot(g, m) == 0) continue;
        if (oldest == NULL || m->since_ms < oldest->since_ms) oldest = m;
    }
    return oldest;
}

static bool make_room(struct gossip *g)
{
    struct gossip__member *m = find_expendable(g, GOSSIP_LEFT);
    if (m == NULL) m = find_expendable(g, GOSSIP_FAILED);
    if (m == NULL) return false;
    gossip__state(g, m, GOSSIP_NONE, GOSSIP_WHY_EVICTED);
    gossip__member_remove(g, m);
    return true;
}

/* Evicted and back: its events that we had then are not news now. */
static void events_recall(struct gossip *g, struct gossip__member *m)
{
    for (size_t i = 0; i < g->gone.count; i++) {
        const struct gossip__grave *grave = &g->gone.items[i];
        if (!base_key33_equal(&grave->key, &m->record->key) || grave->heard.window == 0) continue;
        struct gossip__heard *heard = m->heard_at != 0 ? gossip__pool_at(&g->heard, m->heard_at)
                                                       : gossip__pool_take(&g->heard, &m->heard_at);
        if (grave->heard.epoch < heard->epoch ||
            (grave->heard.epoch == heard->epoch && grave->heard.top < heard->top))
            continue;
        *heard = grave->heard;
    }
}

static struct gossip__member *no_room(struct gossip *g, const struct base_key33 *key)
{
    g->counters.table_full++;
    gossip__note(g, GOSSIP_NOTE_TABLE_FULL, key, NULL);
    return NULL;
}

struct gossip__member *gossip__member_add(struct gossip *g, const struct gossip__version *version)
{
    bool is_full = g->free_at == 0 && g->top == g->cfg.members_max;
    if (is_full && !make_room(g)) return no_room(g, &version->record->node_key);
    const struct gossip__stored *record = gossip__store_put(g->store, version);
    if (record == NULL) return no_room(g, &version->record->node_key);
    struct gossip__member *m = gossip__row_add(g, record);
    gossip__store_release(g->store, record);
    events_recall(g, m);
    return m;
}

void gossip__member_remove(struct gossip *g, struct gossip__member *m)
{
    uint16_t slot = gossip__slot(g, m);
    assert(slot != 0 && m->state == GOSSIP_NONE);
    struct gossip__grave *grave =
        gossip__bury(g, &m->record->key, m->record->incarnation, m->record->sequence);
    grave->left_incarnation = gossip__leave_incarnation(g, m);
    if (m->heard_at != 0) {
        grave->heard = *(const struct gossip__heard *)gossip__pool_at(&g->heard, m->heard_at);
        gossip__pool_give(&g->heard, &m->heard_at);
    }
    for (uint32_t i = 0; i < g->news_count; i++)
        if (g->news[i].slot == slot) g->news[i].is_void = true;
    if (g->deep_slot == slot) g->deep_mask = g->deep_ms = 0;
    if (g->deep_barred == slot) g->deep_barred = GOSSIP__NONE;
    gossip__dialing(g, m, false);
    gossip__link(g, m, false);
    gossip__order_remove(g, m);
    gossip__agenda_forget(g, m);
    gossip__errands_forget(g, slot);
    gossip__accuser_forget(g, slot);
    gossip__leave_drop(g, m);
    gossip__row_remove(g, m);
}

bool gossip__member_store(struct gossip *g, struct gossip__member *m,
                          const struct gossip__version *version)
{
    const struct gossip__stored *record = gossip__store_put(g->store, version);
    if (record == NULL) {
        no_room(g, &m->record->key);
        return false;
    }
    if (record->incarnation > m->record->incarnation) gossip__accusers_clear(g, m);
    uint64_t before = digest_of(g, m);
    gossip__store_release(g->store, m->record);
    m->record = record;
    digest_changed(g, m, before);
    return true;
}

/* Everything that hangs on a state follows it: counts, weight, the round, timers. */
void gossip__state(struct gossip *g, struct gossip__member *m, enum gossip_state to,
                   enum gossip_reason reason)
{
    enum gossip_state from = m->state;
    bool was_weighed = is_weighed(m);
    if (from == to) return;
    uint64_t before = digest_of(g, m);
    m->state = to;
    m->since_ms = g->now_ms;
    if (was_weighed && !is_weighed(m)) g->weight_total -= m->weight;
    if (!was_weighed && is_weighed(m)) g->weight_total += m->weight;
    if (from == GOSSIP_ALIVE) g->alive_count--;
    if (to == GOSSIP_ALIVE) g->alive_count++;
    if (from == GOSSIP_SUSPECT) g->suspect_count--;
    if (to == GOSSIP_SUSPECT) g->suspect_count++;
    if (gossip__slot(g, m) != 0) {
        bool is_probed = to == GOSSIP_ALIVE || to == GOSSIP_SUSPECT;
        if (is_probed && m->order_at == 0) gossip__order_insert(g, m);
        if (!is_probed) gossip__order_remove(g, m);
    }
    /* Its weight is gone from the whole, and so it is from what it said. */
    if (to == GOSSIP_LEFT) gossip__accuser_forget(g, gossip__slot(g, m));
    digest_changed(g, m, before);
    gossip__arm(g, m);
    struct gossip_action *act = gossip__act(g, GOSSIP_ACT_STATE, &m->record->key);
    act->u.state.from = from;
    act->u.state.to = to;
    act->u.state.reason = reason;
    act->u.state.incarnation = m->record->incarnation;
}
