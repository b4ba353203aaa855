/* Digests and repair: what eager push lost, the next probe finds.
 *
 * A digest rides on every ping and ack. Where two differ, the prober asks for the buckets that do
 * (SYNC), gets what is in them (LIST), pulls what is newer there (PULL) and gives what is newer
 * here (UPDATE, repair). Nothing depends on luck, and nobody ships a whole table. */
#include "gossip/gossip_internal.h"

#define GIVE_MAX         64 /* records that a LIST gets from us unasked, when sparse */
#define SAME_MAX         64 /* records pulled at once because sums differ where entries do not */
#define PULL_ARENA_BYTES ((size_t)16 * GOSSIP_FRAME_BYTES_MAX) /* an answer to one PULL */

void gossip__digest(const struct gossip *g, struct gossip_digest *out)
{
    *out = (struct gossip_digest){.count = g->count, .sum = g->sum};
}

void gossip__sync_start(struct gossip *g, struct gossip__member *m, uint64_t mask)
{
    if (g->now_ms >= g->sync_budget_ms) {
        g->sync_budget_ms = g->now_ms + g->cfg.probe_interval_ms;
        g->sync_budget = GOSSIP__SYNCS_MAX;
    }
    if (m->agenda_at != 0) gossip__agenda_open(g, m)->sync_mask = 0;
    if (g->sync_budget == 0 || !m->linked) return;
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    g->sync_budget--;
    g->counters.syncs++;
    a->synced_ms = g->sync_ms = g->now_ms;
    a->sync_mask = mask;
    a->sync_sum = g->sum;
    g->out->type = GOSSIP_FRAME_SYNC;
    g->out->u.sync.mask = mask;
    g->out->u.sync.within = 0;
    /* A newcomer knows itself and whom it talks to: sums would say nothing. */
    g->out->u.sync.sum_count = g->count > 2 ? GOSSIP_BUCKETS : 0;
    for (unsigned i = 0; i < g->out->u.sync.sum_count; i++)
        g->out->u.sync.sums[i] = g->bucket_sums[i];
    g->out->u.sync.id_count = gossip__event_ids(g, g->out->u.sync.ids, GOSSIP_EVENT_IDS_MAX, false);
    gossip__send(g, m, g->out);
}

/* In a large mesh digests differ as long as news are on their way: while they come, and only some
 * are missing, waiting repairs more than asking. But never for ever. */
static bool is_settling(const struct gossip *g, const struct gossip_digest *theirs)
{
    uint64_t gap = theirs->count > g->count ? theirs->count - g->count : g->count - theirs->count;
    uint64_t interval_ms = g->cfg.probe_interval_ms;
    return gossip__is_sparse(g) && gap <= g->count / 8 && g->news_ms != 0 &&
           g->now_ms - g->news_ms < interval_ms && g->now_ms - g->sync_ms < 4 * interval_ms;
}

void gossip__sync_if_differs(struct gossip *g, struct gossip__member *m,
                             const struct gossip_digest *theirs)
{
    if (theirs->count == g->count && theirs->sum == g->sum) return;
    if ((gossip__is_sparse(g) && g->now_ms < g->deep_ms) || is_settling(g, theirs)) return;
    uint64_t synced_ms = gossip__agenda(g, m)->synced_ms;
    if (synced_ms != 0 && g->now_ms - synced_ms < g->cfg.probe_interval_ms / 2) return;
    gossip__sync_start(g, m, UINT64_MAX);
}

/* ---- the answering side ---- */

static struct gossip_entry entry_of(const struct gossip *g, const struct gossip__member *m)
{
    if (m->leave_at != 0)
        return (struct gossip_entry){m->record->key, gossip__leave_incarnation(g, m), 0,
                                     GOSSIP_ENTRY_LEFT};
    return (struct gossip_entry){m->record->key, m->record->incarnation, m->record->sequence,
                                 m->state == GOSSIP_FAILED ? GOSSIP_ENTRY_FAILED : 0};
}

/* <0, 0, >0: is what the entry tells of m older, the same, or newer than what we have? Of who has
 * left only the leave counts, which may be above its record and which no record of its incarnation
 * takes back. */
static int entry_compare(const struct gossip *g, const struct gossip_entry *entry,
                         const struct gossip__member *m)
{
    struct gossip_entry ours = entry_of(g, m);
    bool is_left = (entry->flags & GOSSIP_ENTRY_LEFT) != 0;
    if (entry->incarnation != ours.incarnation)
        return entry->incarnation < ours.incarnation ? -1 : 1;
    if (is_left != (m->leave_at != 0)) return is_left ? 1 : -1;
    if (is_left || entry->sequence == ours.sequence) return 0;
    return entry->sequence < ours.sequence ? -1 : 1;
}

/* Which of the asked buckets differ and fit into one LIST, whole buckets only. */
static uint64_t choose_buckets(const struct gossip *g, bool *more, uint64_t *deep)
{
    uint32_t total = 0;
    uint64_t mask = 0;
    *more = false;
    *deep = 0;
    for (unsigned b = 0; b < GOSSIP_BUCKETS; b++) {
        if ((g->in->u.sync.mask >> b & 1) == 0) continue;
        if (g->in->u.sync.sum_count != 0 && g->in->u.sync.sums[b] == g->bucket_sums[b]) continue;
        if (g->bucket_counts[b] > GOSSIP__DEEP) {
            *deep |= (uint64_t)1 << b;
            continue;
        }
        if (total + g->bucket_counts[b] > GOSSIP_ENTRIES_MAX) {
            *more = true;
            continue;
        }
        total += g->bucket_counts[b];
        mask |= (uint64_t)1 << b;
    }
    return mask;
}

static uint32_t leaf_count(const struct gossip *g, unsigned leaf)
{
    uint32_t count = 0;
    for (uint16_t at = g->leaf_heads[leaf]; at != 0; at = g->members[at - 1].leaf_next)
        count++;
    return count;
}

/* The same for the leaves of one bucket. */
static uint64_t choose_leaves(const struct gossip *g, unsigned bucket)
{
    uint32_t total = 0;
    uint64_t mask = 0;
    for (unsigned i = 0; i < GOSSIP_BUCKETS; i++) {
        unsigned leaf = bucket + GOSSIP_BUCKETS * i;
        if (g->in->u.sync.sum_count != 0 && g->in->u.sync.sums[i] == g->leaf_sums[leaf]) continue;
        uint32_t count = leaf_count(g, leaf);
        if (total + count > GOSSIP_ENTRIES_MAX) continue; /* the next time */
        total += count;
        mask |= (uint64_t)1 << i;
    }
    return mask;
}

static const uint32_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1}; /* Ciura, 2001 */

static void sort_by_key(const struct gossip *g, uint16_t *slots, uint32_t count)
{
    for (size_t k = 0; k < sizeof gaps / sizeof gaps[0]; k++)
        for (uint32_t i = gaps[k]; i < count; i++) {
            uint16_t slot = slots[i];
            uint32_t at = i;
            for (; at >= gaps[k] && base_key33_compare(gossip__key(g, slots[at - gaps[k]]),
                                                       gossip__key(g, slot)) > 0;
                 at -= gaps[k])
                slots[at] = slots[at - gaps[k]];
            slots[at] = slot;
        }
}

static uint32_t leaf_members(const struct gossip *g, unsigned leaf, uint16_t *out)
{
    uint32_t count = 0;
    for (uint16_t at = g->leaf_heads[leaf]; at != 0; at = g->members[at - 1].leaf_next)
        out[count++] = (uint16_t)(at - 1);
    return count;
}

static bool is_leaf_in(unsigned leaf, uint64_t within, uint64_t mask)
{
    unsigned bucket = leaf % GOSSIP_BUCKETS, i = leaf / GOSSIP_BUCKETS;
    if (within != 0) return bucket == within - 1 && (mask >> i & 1) != 0;
    return (mask >> bucket & 1) != 0;
}

/* All members of the buckets in mask, or of these leaves of one, by key: from the leaves when they
 * are few, else from the table, which is in that order already. */
static uint32_t members_of(struct gossip *g, uint64_t within, uint64_t mask)
{
    uint16_t *out = g->shared->slots;
    uint32_t count = 0, total = 0;
    for (unsigned b = 0; b < GOSSIP_BUCKETS && within == 0; b++)
        if ((mask >> b & 1) != 0) total += g->bucket_counts[b];
    if (total > g->count / 4) {
        for (uint32_t i = 0; i < g->count; i++)
            if ((mask >> gossip__bucket(gossip__key(g, g->sorted[i])) & 1) != 0)
                out[count++] = g->sorted[i];
        return count;
    }
    for (unsigned leaf = 0; leaf < GOSSIP__LEAVES; leaf++)
        if (is_leaf_in(leaf, within, mask)) count += leaf_members(g, leaf, out + count);
    sort_by_key(g, out, count);
    return count;
}

void gossip__ids_in(struct gossip *g, struct gossip__member *from,
                    const struct gossip_event_id *ids, uint32_t count)
{
    g->out->type = GOSSIP_FRAME_PULL;
    g->out->u.pull.key_count = 0;
    g->out->u.pull.id_count = gossip__event_missing(g, g->out->u.pull.ids, ids, count);
    if (g->out->u.pull.id_count > 0) gossip__send(g, from, g->out);
}

void gossip__sync_in(struct gossip *g, struct gossip__member *from)
{
    const uint16_t *slots = g->shared->slots;
    g->out->type = GOSSIP_FRAME_LIST;
    uint64_t within = g->in->u.sync.within;
    g->out->u.list.within = within;
    g->out->u.list.deep = 0;
    g->out->u.list.more = false;
    g->out->u.list.mask = within != 0
                              ? choose_leaves(g, (unsigned)within - 1)
                              : choose_buckets(g, &g->out->u.list.more, &g->out->u.list.deep);
    uint32_t count = members_of(g, within, g->out->u.list.mask);
    for (uint32_t i = 0; i < count; i++)
        g->out->u.list.entries[i] = entry_of(g, &g->members[slots[i]]);
    g->out->u.list.entry_count = count;
    gossip__send(g, from, g->out);
    gossip__ids_in(g, from, g->in->u.sync.ids, g->in->u.sync.id_count);
}

static void pull_events(struct gossip *g, struct gossip__member *from)
{
    gossip__repair_begin(g, GOSSIP_FRAME_EVENT);
    for (uint32_t i = 0; i < g->in->u.pull.id_count; i++) {
        const struct gossip__event *event = gossip__event_find(g, &g->in->u.pull.ids[i]);
        if (event == NULL) continue;
        struct gossip_item item = {
            .kind = BASE_STATEMENT_EVENT,
            .body = {event->body, event->body_len},
            .sig = event->sig,
        };
        gossip__repair_add(g, from, &item);
    }
    gossip__repair_end(g, from);
}

void gossip__pull_in(struct gossip *g, struct gossip__member *from)
{
    gossip__repair_begin(g, GOSSIP_FRAME_UPDATE);
    for (uint32_t i = 0; i < g->in->u.pull.key_count; i++) {
        const struct gossip__member *m = gossip__find(g, &g->in->u.pull.keys[i]);
        if (m == NULL) continue;
        if (g->arena_len > PULL_ARENA_BYTES) break; /* the next digest asks for the rest */
        gossip__repair_member(g, from, m);
    }
    gossip__repair_end(g, from);
    pull_events(g, from);
}

/* ---- the asking side ---- */

/* The peer sees it alive: perhaps we can, too. Once a second is enough. */
static void hint_alive(struct gossip *g, struct gossip__member *m)
{
    if (m->linked || m->dialing || gossip__agenda(g, m)->dial_ms <= g->now_ms + 1000) return;
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    a->dial_backoff_ms = 0;
    a->dial_ms = g->now_ms + base_prng_between(&g->prng, 0, 200);
    gossip__arm(g, m);
}

static bool is_theirs_newer(struct gossip *g, const struct gossip__member *from,
                            const struct gossip_entry *entry)
{
    struct gossip__member *m = gossip__find(g, &entry->key);
    if (gossip__is_future(g, entry->incarnation)) return false;
    if (m == NULL)
        return !gossip__is_settled(g, &entry->key, entry->incarnation, entry->sequence, from);
    int order = entry_compare(g, entry, m);
    if (order == 0 && m->state == GOSSIP_FAILED && (entry->flags & GOSSIP_ENTRY_FAILED) == 0)
        hint_alive(g, m);
    return order > 0;
}

/* The peer's own word about its own table; the news of our death may have missed us. */
static bool is_us_failed(const struct gossip *g, const struct gossip_entry *entry)
{
    return (entry->flags & GOSSIP_ENTRY_FAILED) != 0 && entry->incarnation == g->self.incarnation &&
           base_key33_equal(&entry->key, &g->members[0].record->key);
}

static unsigned place_of(const struct base_key33 *key, uint64_t within)
{
    return within == 0 ? gossip__bucket(key) : gossip__leaf(key) / GOSSIP_BUCKETS;
}

/* Which buckets, or leaves, of the list have the same entries here? */
static uint64_t same_places(const struct gossip *g)
{
    uint64_t within = g->in->u.list.within, same = g->in->u.list.mask;
    uint32_t counts[GOSSIP_BUCKETS] = {0};
    for (uint32_t i = 0; i < g->in->u.list.entry_count; i++) {
        const struct gossip_entry *entry = &g->in->u.list.entries[i];
        const struct gossip__member *m = gossip__find(g, &entry->key);
        unsigned place = place_of(&entry->key, within);
        counts[place]++;
        if (m == NULL || entry_compare(g, entry, m) != 0) same &= ~((uint64_t)1 << place);
    }
    for (unsigned i = 0; i < GOSSIP_BUCKETS; i++) {
        uint32_t ours = within == 0 ? g->bucket_counts[i]
                                    : leaf_count(g, (unsigned)within - 1 + GOSSIP_BUCKETS * i);
        if (counts[i] != ours) same &= ~((uint64_t)1 << i);
    }
    return same;
}

/* Sums that differ over the same entries: somebody there has signed two records of one version.
 * Whose they are only the records tell. */
static uint32_t same_pull(const struct gossip *g, struct base_key33 *keys)
{
    uint64_t same = same_places(g);
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->in->u.list.entry_count && count < SAME_MAX; i++) {
        const struct gossip_entry *entry = &g->in->u.list.entries[i];
        if ((same >> place_of(&entry->key, g->in->u.list.within) & 1) == 0) continue;
        if ((entry->flags & GOSSIP_ENTRY_LEFT) == 0) keys[count++] = entry->key;
    }
    return count;
}

/* asked_sum: of our table when we asked; the peer has compared it with its own. */
static void list_pull(struct gossip *g, struct gossip__member *from, uint64_t asked_sum)
{
    uint32_t count = 0;
    g->out->type = GOSSIP_FRAME_PULL;
    g->out->u.pull.id_count = 0;
    for (uint32_t i = 0; i < g->in->u.list.entry_count; i++) {
        const struct gossip_entry *entry = &g->in->u.list.entries[i];
        if (is_theirs_newer(g, from, entry)) g->out->u.pull.keys[count++] = entry->key;
        if (is_us_failed(g, entry)) gossip__self_accused(g);
    }
    /* A newcomer asks without sums, and is told what they would have kept back. */
    if (count == 0 && g->sum == asked_sum && g->count > 2)
        count = same_pull(g, g->out->u.pull.keys);
    g->out->u.pull.key_count = count;
    if (count == 0) return;
    g->counters.records_pulled += count;
    gossip__send(g, from, g->out);
}

/* In the order of their keys, as every honest sender has them already. */
static void entries_sort(struct gossip_entry *entries, uint32_t count)
{
    bool is_sorted = true;
    for (uint32_t i = 1; i < count && is_sorted; i++)
        is_sorted = base_key33_compare(&entries[i - 1].key, &entries[i].key) <= 0;
    for (size_t k = 0; k < sizeof gaps / sizeof gaps[0] && !is_sorted; k++)
        for (uint32_t i = gaps[k]; i < count; i++) {
            struct gossip_entry entry = entries[i];
            uint32_t at = i;
            for (; at >= gaps[k] && base_key33_compare(&entries[at - gaps[k]].key, &entry.key) > 0;
                 at -= gaps[k])
                entries[at] = entries[at - gaps[k]];
            entries[at] = entry;
        }
}

/* Two sorted runs side by side. */
static void list_give(struct gossip *g, struct gossip__member *from)
{
    struct gossip_entry *entries = g->in->u.list.entries;
    uint32_t entry_count = g->in->u.list.entry_count, at = 0;
    uint32_t count = members_of(g, g->in->u.list.within, g->in->u.list.mask);
    uint32_t left = gossip__is_sparse(g) ? GIVE_MAX : count; /* who misses more asks by itself */
    entries_sort(entries, entry_count);
    gossip__repair_begin(g, GOSSIP_FRAME_UPDATE);
    for (uint32_t i = 0; i < count && left > 0 && g->arena_len <= PULL_ARENA_BYTES; i++) {
        const struct gossip__member *m = &g->members[g->shared->slots[i]];
        int order = -1;
        while (at < entry_count &&
               (order = base_key33_compare(&entries[at].key, &m->record->key)) < 0)
            at++;
        if (m == from || (order == 0 && entry_compare(g, &entries[at], m) >= 0)) continue;
        gossip__repair_member(g, from, m);
        left--;
    }
    gossip__repair_end(g, from);
}

/* ---- bucket by bucket ---- */

static void deep_next(struct gossip *g, struct gossip__member *m)
{
    uint8_t bucket = 0;
    if (g->deep_mask == 0) {
        g->deep_ms = 0;
        g->deep_barred = GOSSIP__NONE;
        return;
    }
    while ((g->deep_mask >> bucket & 1) == 0)
        bucket++;
    g->deep_mask &= ~((uint64_t)1 << bucket);
    g->deep_bucket = bucket;
    g->deep_sum = g->sum;
    g->deep_ms = g->now_ms + 2 * (uint64_t)g->cfg.probe_interval_ms;
    if (g->deep_ms > g->deep_end_ms) g->deep_ms = g->deep_end_ms;
    g->out->type = GOSSIP_FRAME_SYNC;
    g->out->u.sync.mask = UINT64_MAX;
    g->out->u.sync.within = bucket + 1u;
    g->out->u.sync.sum_count = GOSSIP_BUCKETS;
    for (unsigned i = 0; i < GOSSIP_BUCKETS; i++)
        g->out->u.sync.sums[i] = g->leaf_sums[bucket + GOSSIP_BUCKETS * i];
    g->out->u.sync.id_count = 0;
    gossip__send(g, m, g->out);
}

/* With one peer at a time: whoever else could tell us, we would hear it twice. Who does not bring
 * it to an end in time is not asked again before another one was, or as much time is over: nobody
 * keeps the rest from repairing us. (A newcomer to a large mesh is not sparse yet.) */
static void deep_start(struct gossip *g, struct gossip__member *m, uint64_t mask)
{
    uint16_t slot = gossip__slot(g, m);
    uint64_t time_ms = GOSSIP__DEEP_TIMES * (uint64_t)g->cfg.probe_interval_ms;
    if (mask == 0 || g->now_ms < g->deep_ms) return;
    if (g->deep_barred == slot && g->now_ms < g->deep_end_ms + time_ms) return;
    g->deep_slot = g->deep_barred = slot; /* until it has come to its end */
    g->deep_mask = mask;
    g->deep_end_ms = g->now_ms + time_ms;
    deep_next(g, m);
}

static void deep_in(struct gossip *g, struct gossip__member *from)
{
    if (g->now_ms >= g->deep_ms || g->deep_slot != gossip__slot(g, from) ||
        g->in->u.list.within != g->deep_bucket + 1u)
        return;
    g->deep_ms = g->now_ms; /* this one is answered */
    list_pull(g, from, g->deep_sum);
    list_give(g, from);
    deep_next(g, from);
}

/* Only an answer to what we asked: nobody makes us give away records by sending LISTs. */
void gossip__list_in(struct gossip *g, struct gossip__member *from)
{
    uint64_t asked = gossip__agenda(g, from)->sync_mask, mask = g->in->u.list.mask;
    if (g->in->u.list.within != 0) {
        deep_in(g, from);
        return;
    }
    if (asked == 0 || (mask & ~asked) != 0) return;
    struct gossip__agenda *a = gossip__agenda_open(g, from);
    a->sync_mask = 0;
    list_pull(g, from, a->sync_sum);
    list_give(g, from);
    deep_start(g, from, g->in->u.list.deep & asked);
    if (g->in->u.list.more && mask != 0 && (asked & ~mask) != 0)
        gossip__sync_start(g, from, asked & ~mask);
}
