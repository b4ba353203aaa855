/* The table: slots, the orders over them, one timer a member, the digest. */
#include <assert.h>
#include <string.h>

#include "base/aead.h"
#include "gossip/gossip_internal.h"

uint16_t gossip__slot(const struct gossip *g, const struct gossip__member *m)
{
    return (uint16_t)(m - g->members);
}

/* ---- sorted by key ---- */

static uint32_t lower_bound(const struct gossip *g, const struct base_key33 *key)
{
    uint32_t low = 0, high = g->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (base_key33_compare(&g->members[g->sorted[mid]].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct gossip__member *gossip__find(const struct gossip *g, const struct base_key33 *key)
{
    uint32_t at = lower_bound(g, key);
    if (at == g->count) return NULL;
    struct gossip__member *m = &g->members[g->sorted[at]];
    return base_key33_equal(&m->key, key) ? m : NULL;
}

static void sorted_insert(struct gossip *g, uint16_t slot)
{
    uint32_t at = lower_bound(g, &g->members[slot].key);
    memmove(&g->sorted[at + 1], &g->sorted[at], (g->count - at) * sizeof *g->sorted);
    g->sorted[at] = slot;
    g->count++;
}

static void sorted_remove(struct gossip *g, uint16_t slot)
{
    uint32_t at = lower_bound(g, &g->members[slot].key);
    assert(at < g->count && g->sorted[at] == slot);
    g->count--;
    memmove(&g->sorted[at], &g->sorted[at + 1], (g->count - at) * sizeof *g->sorted);
}

/* ---- who accuses whom: one set of slots a member ---- */

static uint64_t *accusers_of(const struct gossip *g, const struct gossip__member *m)
{
    return &g->accusers[(size_t)gossip__slot(g, m) * g->words];
}

bool gossip__is_accuser(const struct gossip *g, const struct gossip__member *m, uint16_t slot)
{
    return (accusers_of(g, m)[slot / 64] >> (slot % 64) & 1) != 0;
}

void gossip__accuser_set(struct gossip *g, struct gossip__member *m, uint16_t slot)
{
    assert(slot != 0); /* our own suspicion is not somebody else's word */
    accusers_of(g, m)[slot / 64] |= (uint64_t)1 << (slot % 64);
    m->accused_weight += g->members[slot].weight;
}

void gossip__accusers_clear(struct gossip *g, struct gossip__member *m)
{
    memset(accusers_of(g, m), 0, g->words * sizeof *g->accusers);
    m->accused_weight = 0;
    m->accused_ms = 0;
}

static void accuser_forget(struct gossip *g, uint16_t slot)
{
    for (uint32_t i = 0; i < g->count; i++) {
        struct gossip__member *m = &g->members[g->sorted[i]];
        if (!gossip__is_accuser(g, m, slot)) continue;
        accusers_of(g, m)[slot / 64] &= ~((uint64_t)1 << (slot % 64));
        m->accused_weight -= g->members[slot].weight;
    }
}

static bool is_weighed(const struct gossip__member *m)
{
    return m->state != GOSSIP_NONE && m->state != GOSSIP_LEFT;
}

void gossip__member_weight(struct gossip *g, struct gossip__member *m, uint64_t weight)
{
    uint16_t slot = gossip__slot(g, m);
    /* A sum over 4,096 members must not wrap. */
    if (weight == 0) weight = 1;
    if (weight > UINT32_MAX) weight = UINT32_MAX;
    if (weight == m->weight) return;
    for (uint32_t i = 0; i < g->count; i++) {
        struct gossip__member *other = &g->members[g->sorted[i]];
        if (gossip__is_accuser(g, other, slot))
            other->accused_weight += weight - m->weight; /* wraps back when it shrinks */
    }
    if (is_weighed(m)) g->weight_total += weight - m->weight;
    m->weight = weight;
}

/* ---- timers: one a member, in a heap by (due, slot) ---- */

static bool is_before(const struct gossip *g, uint16_t a, uint16_t b)
{
    uint64_t due_a = g->members[a].due_ms, due_b = g->members[b].due_ms;
    return due_a < due_b || (due_a == due_b && a < b);
}

static void heap_put(struct gossip *g, uint32_t at, uint16_t slot)
{
    g->heap[at] = slot;
    g->members[slot].heap_at = at + 1;
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

static void heap_remove(struct gossip *g, struct gossip__member *m)
{
    if (m->heap_at == 0) return;
    uint32_t at = m->heap_at - 1;
    m->heap_at = 0;
    g->heap_count--;
    if (at == g->heap_count) return;
    heap_put(g, at, g->heap[g->heap_count]);
    heap_up(g, at);
    heap_down(g, g->members[g->heap[at]].heap_at - 1);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0) return b;
    return b == 0 || a < b ? a : b;
}

static uint64_t member_due(const struct gossip__member *m)
{
    uint64_t due = earlier(m->dial_ms, m->push_ms);
    if (m->probe.phase != GOSSIP__IDLE) due = earlier(due, m->probe.due_ms);
    if (m->state == GOSSIP_SUSPECT) {
        due = earlier(due, m->suspect_end_ms);
        if (m->probe.phase == GOSSIP__IDLE) due = earlier(due, m->reprobe_ms);
    }
    return due;
}

void gossip__arm(struct gossip *g, struct gossip__member *m)
{
    uint64_t due = member_due(m);
    if (m->heap_at != 0 && due == m->due_ms) return;
    heap_remove(g, m);
    m->due_ms = due;
    if (due == 0) return;
    g->heap_count++;
    heap_put(g, g->heap_count - 1, gossip__slot(g, m));
    heap_up(g, g->heap_count - 1);
}

/* After all dues have moved at once. */
void gossip__heap_rebuild(struct gossip *g)
{
    for (uint32_t i = 0; i < g->heap_count; i++) {
        struct gossip__member *m = &g->members[g->heap[i]];
        m->due_ms = member_due(m);
    }
    for (uint32_t i = g->heap_count / 2; i-- > 0;)
        heap_down(g, i);
}

/* ---- the round of probes ---- */

static void order_put(struct gossip *g, uint32_t at, uint16_t slot)
{
    g->order[at] = slot;
    g->members[slot].order_at = at + 1;
}

/* A newcomer takes a random place in what is left of the round, as in SWIM, section 4.3. */
static void order_insert(struct gossip *g, uint16_t slot)
{
    uint32_t last = g->order_count++;
    uint32_t at = (uint32_t)base_prng_between(&g->prng, g->order_next, last);
    if (at != last) order_put(g, last, g->order[at]);
    order_put(g, at, slot);
}

static void order_remove(struct gossip *g, struct gossip__member *m)
{
    if (m->order_at == 0) return;
    uint32_t at = m->order_at - 1;
    m->order_at = 0;
    if (at < g->order_next) { /* keep those already asked in front of the cursor */
        g->order_next--;
        if (at != g->order_next) order_put(g, at, g->order[g->order_next]);
        at = g->order_next;
    }
    g->order_count--;
    if (at != g->order_count) order_put(g, at, g->order[g->order_count]);
}

/* ---- links ---- */

static void link_put(struct gossip *g, uint32_t at, uint16_t slot)
{
    g->links[at] = slot;
    g->members[slot].link_at = at + 1;
}

void gossip__link(struct gossip *g, struct gossip__member *m, bool linked)
{
    if (m->linked == linked) return;
    m->linked = linked;
    if (linked) {
        link_put(g, g->link_count++, gossip__slot(g, m));
        return;
    }
    uint32_t at = m->link_at - 1;
    m->link_at = 0;
    g->link_count--;
    if (at != g->link_count) link_put(g, at, g->links[g->link_count]);
}

size_t gossip__pick_links(struct gossip *g, uint16_t *out, size_t count, uint16_t except,
                          uint16_t other)
{
    size_t picked = 0;
    for (uint32_t i = 0; i < g->link_count && picked < count; i++) {
        uint32_t j = (uint32_t)base_prng_between(&g->prng, i, g->link_count - 1);
        uint16_t slot = g->links[j];
        link_put(g, j, g->links[i]);
        link_put(g, i, slot);
        if (slot == except || slot == other || g->members[slot].state == GOSSIP_LEFT) continue;
        out[picked++] = slot;
    }
    return picked;
}

/* ---- digest ---- */

unsigned gossip__bucket(const struct base_key33 *key)
{
    return key->bytes[BASE_KEY33_BYTES - 1] % GOSSIP_BUCKETS;
}

void gossip__digest_update(struct gossip *g, struct gossip__member *m)
{
    uint8_t text[BASE_KEY33_BYTES + 24];
    struct base_hash32 hash;
    uint64_t digest = 0;
    if (m->state != GOSSIP_NONE) {
        memcpy(text, m->key.bytes, sizeof m->key.bytes);
        base_put_u64be(text + BASE_KEY33_BYTES, m->incarnation);
        base_put_u64be(text + BASE_KEY33_BYTES + 8, m->sequence);
        base_put_u64be(text + BASE_KEY33_BYTES + 16, m->leave_incarnation);
        base_sha256(&hash, text, sizeof text);
        digest = base_get_u64be(hash.bytes);
    }
    g->sum += digest - m->digest;
    g->bucket_sums[gossip__bucket(&m->key)] += digest - m->digest;
    m->digest = digest;
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
static void events_recall(const struct gossip *g, struct gossip__member *m)
{
    for (size_t i = 0; i < GOSSIP__GRAVES_MAX; i++) {
        const struct gossip__grave *grave = &g->graves[i];
        if (!grave->used || !base_key33_equal(&grave->key, &m->key)) continue;
        if (grave->event_epoch < m->event_epoch ||
            (grave->event_epoch == m->event_epoch && grave->event_top < m->event_top))
            continue;
        m->event_epoch = grave->event_epoch;
        m->event_top = grave->event_top;
        m->event_window = grave->event_window;
    }
}

struct gossip__member *gossip__member_add(struct gossip *g, const struct base_key33 *key)
{
    if (g->free_count == 0 && !make_room(g)) {
        g->counters.table_full++;
        gossip__note(g, GOSSIP_NOTE_TABLE_FULL, key, NULL);
        return NULL;
    }
    struct gossip__member *m = &g->members[g->free_slots[--g->free_count]];
    memset(m, 0, sizeof *m);
    m->key = *key;
    events_recall(g, m);
    m->used = true;
    m->weight = 1;
    m->since_ms = g->now_ms;
    sorted_insert(g, gossip__slot(g, m));
    gossip__accusers_clear(g, m);
    return m;
}

void gossip__member_remove(struct gossip *g, struct gossip__member *m)
{
    uint16_t slot = gossip__slot(g, m);
    assert(slot != 0 && m->state == GOSSIP_NONE);
    struct gossip__grave *grave = gossip__bury(g, &m->key, m->incarnation, m->sequence);
    grave->event_epoch = m->event_epoch;
    grave->event_top = m->event_top;
    grave->event_window = m->event_window;
    for (uint32_t i = 0; i < g->news_count; i++)
        if (g->news[i].slot == slot) g->news[i].is_void = true;
    gossip__dialing(g, m, false);
    gossip__link(g, m, false);
    order_remove(g, m);
    heap_remove(g, m);
    gossip__errands_forget(g, slot);
    accuser_forget(g, slot);
    gossip__digest_update(g, m);
    sorted_remove(g, slot);
    m->used = false;
    g->free_slots[g->free_count++] = slot;
}

void gossip__member_store(struct gossip *g, struct gossip__member *m,
                          const struct gossip__version *version)
{
    assert(version->body.len <= sizeof m->body && version->proof.len <= sizeof m->proof);
    if (version->record->incarnation > m->incarnation) gossip__accusers_clear(g, m);
    m->instance = version->record->instance;
    m->incarnation = version->record->incarnation;
    m->sequence = version->record->sequence;
    memcpy(m->body, version->body.data, version->body.len);
    m->body_len = (uint16_t)version->body.len;
    if (version->proof.len > 0) memcpy(m->proof, version->proof.data, version->proof.len);
    m->proof_len = (uint16_t)version->proof.len;
    m->sig = *version->sig;
    gossip__digest_update(g, m);
}

/* Everything that hangs on a state follows it: counts, weight, the round, timers. */
void gossip__state(struct gossip *g, struct gossip__member *m, enum gossip_state to,
                   enum gossip_reason reason)
{
    enum gossip_state from = m->state;
    bool was_weighed = is_weighed(m);
    if (from == to) return;
    m->state = to;
    m->since_ms = g->now_ms;
    if (was_weighed && !is_weighed(m)) g->weight_total -= m->weight;
    if (!was_weighed && is_weighed(m)) g->weight_total += m->weight;
    if (from == GOSSIP_ALIVE) g->alive_count--;
    if (to == GOSSIP_ALIVE) g->alive_count++;
    if (gossip__slot(g, m) != 0) {
        bool is_probed = to == GOSSIP_ALIVE || to == GOSSIP_SUSPECT;
        if (is_probed && m->order_at == 0) order_insert(g, gossip__slot(g, m));
        if (!is_probed) order_remove(g, m);
    }
    gossip__digest_update(g, m);
    gossip__arm(g, m);
    struct gossip_action *act = gossip__act(g, GOSSIP_ACT_STATE, &m->key);
    act->u.state.from = from;
    act->u.state.to = to;
    act->u.state.reason = reason;
    act->u.state.incarnation = m->incarnation;
}
