/* Digests and repair: what eager push lost, the next probe finds.
 *
 * A digest rides on every ping and ack. Where two differ, the prober asks for the buckets that do
 * (SYNC), gets what is in them (LIST), pulls what is newer there (PULL) and gives what is newer
 * here (UPDATE, repair). Nothing depends on luck, and nobody ships a whole table. */
#include "gossip/gossip_internal.h"

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
    m->sync_mask = 0;
    if (g->sync_budget == 0 || !m->linked) return;
    g->sync_budget--;
    g->counters.syncs++;
    m->synced_ms = g->now_ms;
    m->sync_mask = mask;
    g->out.type = GOSSIP_FRAME_SYNC;
    g->out.u.sync.mask = mask;
    /* A newcomer knows itself and whom it talks to: sums would say nothing. */
    g->out.u.sync.sum_count = g->count > 2 ? GOSSIP_BUCKETS : 0;
    for (unsigned i = 0; i < g->out.u.sync.sum_count; i++)
        g->out.u.sync.sums[i] = g->bucket_sums[i];
    g->out.u.sync.id_count = gossip__event_ids(g, g->out.u.sync.ids, GOSSIP_EVENT_IDS_MAX, false);
    gossip__send(g, m, &g->out);
}

void gossip__sync_if_differs(struct gossip *g, struct gossip__member *m,
                             const struct gossip_digest *theirs)
{
    if (theirs->count == g->count && theirs->sum == g->sum) return;
    if (m->synced_ms != 0 && g->now_ms - m->synced_ms < g->cfg.probe_interval_ms / 2) return;
    gossip__sync_start(g, m, UINT64_MAX);
}

/* ---- the answering side ---- */

static struct gossip_entry entry_of(const struct gossip__member *m)
{
    unsigned flags = 0;
    if (m->state == GOSSIP_LEFT) flags |= GOSSIP_ENTRY_LEFT;
    if (m->state == GOSSIP_FAILED) flags |= GOSSIP_ENTRY_FAILED;
    return (struct gossip_entry){m->key, m->incarnation, m->sequence, (uint8_t)flags};
}

/* Which of the asked buckets differ and fit into one LIST, whole buckets only. */
static uint64_t choose_buckets(const struct gossip *g, bool *more)
{
    uint32_t counts[GOSSIP_BUCKETS] = {0}, total = 0;
    uint64_t mask = 0;
    *more = false;
    for (uint32_t i = 0; i < g->count; i++)
        counts[gossip__bucket(&g->members[g->sorted[i]].key)]++;
    for (unsigned b = 0; b < GOSSIP_BUCKETS; b++) {
        if ((g->in.u.sync.mask >> b & 1) == 0) continue;
        if (g->in.u.sync.sum_count != 0 && g->in.u.sync.sums[b] == g->bucket_sums[b]) continue;
        if (total + counts[b] > GOSSIP_ENTRIES_MAX) {
            *more = true;
            continue;
        }
        total += counts[b];
        mask |= (uint64_t)1 << b;
    }
    return mask;
}

void gossip__ids_in(struct gossip *g, struct gossip__member *from,
                    const struct gossip_event_id *ids, uint32_t count)
{
    g->out.type = GOSSIP_FRAME_PULL;
    g->out.u.pull.key_count = 0;
    g->out.u.pull.id_count = gossip__event_missing(g, g->out.u.pull.ids, ids, count);
    if (g->out.u.pull.id_count > 0) gossip__send(g, from, &g->out);
}

void gossip__sync_in(struct gossip *g, struct gossip__member *from)
{
    uint32_t count = 0;
    g->out.type = GOSSIP_FRAME_LIST;
    g->out.u.list.mask = choose_buckets(g, &g->out.u.list.more);
    for (uint32_t i = 0; i < g->count; i++) {
        const struct gossip__member *m = &g->members[g->sorted[i]];
        if ((g->out.u.list.mask >> gossip__bucket(&m->key) & 1) != 0)
            g->out.u.list.entries[count++] = entry_of(m);
    }
    g->out.u.list.entry_count = count;
    gossip__send(g, from, &g->out);
    gossip__ids_in(g, from, g->in.u.sync.ids, g->in.u.sync.id_count);
}

static void pull_events(struct gossip *g, struct gossip__member *from)
{
    gossip__repair_begin(g, GOSSIP_FRAME_EVENT);
    for (uint32_t i = 0; i < g->in.u.pull.id_count; i++) {
        const struct gossip__event *event = gossip__event_find(g, &g->in.u.pull.ids[i]);
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
    for (uint32_t i = 0; i < g->in.u.pull.key_count; i++) {
        const struct gossip__member *m = gossip__find(g, &g->in.u.pull.keys[i]);
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
    if (m->linked || m->dialing || m->dial_ms <= g->now_ms + 1000) return;
    m->dial_backoff_ms = 0;
    m->dial_ms = g->now_ms + base_prng_between(&g->prng, 0, 200);
    gossip__arm(g, m);
}

static bool is_theirs_newer(struct gossip *g, const struct gossip_entry *entry)
{
    struct gossip__member *m = gossip__find(g, &entry->key);
    if (m == NULL) return !gossip__is_settled(g, &entry->key, entry->incarnation, entry->sequence);
    if (entry->incarnation != m->incarnation) return entry->incarnation > m->incarnation;
    if (entry->sequence != m->sequence) return entry->sequence > m->sequence;
    if (m->state == GOSSIP_FAILED && (entry->flags & GOSSIP_ENTRY_FAILED) == 0) hint_alive(g, m);
    return (entry->flags & GOSSIP_ENTRY_LEFT) != 0 && m->state != GOSSIP_LEFT;
}

/* The peer's own word about its own table; the news of our death may have missed us. */
static bool is_us_failed(const struct gossip *g, const struct gossip_entry *entry)
{
    return (entry->flags & GOSSIP_ENTRY_FAILED) != 0 && entry->incarnation == g->self.incarnation &&
           base_key33_equal(&entry->key, &g->members[0].key);
}

static void list_pull(struct gossip *g, struct gossip__member *from)
{
    uint32_t count = 0;
    g->out.type = GOSSIP_FRAME_PULL;
    g->out.u.pull.id_count = 0;
    for (uint32_t i = 0; i < g->in.u.list.entry_count; i++) {
        const struct gossip_entry *entry = &g->in.u.list.entries[i];
        if (is_theirs_newer(g, entry)) g->out.u.pull.keys[count++] = entry->key;
        if (is_us_failed(g, entry)) gossip__self_accused(g);
    }
    g->out.u.pull.key_count = count;
    if (count == 0) return;
    g->counters.records_pulled += count;
    gossip__send(g, from, &g->out);
}

static const struct gossip_entry *list_find(const struct gossip *g, const struct base_key33 *key)
{
    for (uint32_t i = 0; i < g->in.u.list.entry_count; i++)
        if (base_key33_equal(&g->in.u.list.entries[i].key, key)) return &g->in.u.list.entries[i];
    return NULL;
}

static bool is_ours_newer(const struct gossip__member *m, const struct gossip_entry *entry)
{
    if (entry == NULL) return true;
    if (entry->incarnation != m->incarnation) return entry->incarnation < m->incarnation;
    if (entry->sequence != m->sequence) return entry->sequence < m->sequence;
    return m->state == GOSSIP_LEFT && (entry->flags & GOSSIP_ENTRY_LEFT) == 0;
}

static void list_give(struct gossip *g, struct gossip__member *from)
{
    gossip__repair_begin(g, GOSSIP_FRAME_UPDATE);
    for (uint32_t i = 0; i < g->count && g->arena_len <= PULL_ARENA_BYTES; i++) {
        const struct gossip__member *m = &g->members[g->sorted[i]];
        if (m == from || (g->in.u.list.mask >> gossip__bucket(&m->key) & 1) == 0) continue;
        if (is_ours_newer(m, list_find(g, &m->key))) gossip__repair_member(g, from, m);
    }
    gossip__repair_end(g, from);
}

/* Only an answer to what we asked: nobody makes us give away records by sending LISTs. */
void gossip__list_in(struct gossip *g, struct gossip__member *from)
{
    uint64_t asked = from->sync_mask, mask = g->in.u.list.mask;
    if (asked == 0 || (mask & ~asked) != 0) return;
    from->sync_mask = 0;
    list_pull(g, from);
    list_give(g, from);
    if (g->in.u.list.more && mask != 0 && (asked & ~mask) != 0)
        gossip__sync_start(g, from, asked & ~mask);
}
