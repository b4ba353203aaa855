/* The table: its memory, and the orders over its rows. */
#include <stdlib.h>
#include <string.h>

#include "gossip/gossip_internal.h"

#define ACCUSERS_PER_MEMBER 256 /* on average; a smaller mesh has room for all of all */
#define SLAB_ALIGN          64
#define GUESS_SPAN          64 /* places around where a key should be among evenly spread ones */

/* ---- memory: one piece, of which pages that nobody touches cost nothing ---- */

static size_t carve(size_t *at, size_t bytes)
{
    size_t start = *at;
    *at += (bytes + SLAB_ALIGN - 1) / SLAB_ALIGN * SLAB_ALIGN;
    return start;
}

int gossip__table_new(struct gossip *g)
{
    size_t max = g->cfg.members_max, at = 0;
    size_t accusers = max * (max < ACCUSERS_PER_MEMBER ? max : ACCUSERS_PER_MEMBER);
    g->chunk_max = (uint32_t)(accusers / GOSSIP__CHUNK_SLOTS + max);
    size_t members = carve(&at, max * sizeof *g->members);
    size_t sorted = carve(&at, (max + 1) * sizeof *g->sorted); /* a spare each, for shifting */
    size_t prefixes = carve(&at, (max + 1) * sizeof *g->prefixes);
    size_t heap = carve(&at, max * sizeof *g->heap);
    size_t links = carve(&at, max * sizeof *g->links);
    size_t order = carve(&at, max * sizeof *g->order);
    size_t leaf_sums = carve(&at, GOSSIP__LEAVES * sizeof *g->leaf_sums);
    size_t leaf_heads = carve(&at, GOSSIP__LEAVES * sizeof *g->leaf_heads);
    size_t agendas = carve(&at, max * sizeof(struct gossip__agenda));
    size_t leaves = carve(&at, max * sizeof(struct gossip__leave));
    size_t heard = carve(&at, max * sizeof(struct gossip__heard));
    size_t chunks = carve(&at, g->chunk_max * sizeof *g->chunks);
    g->slab = calloc(1, at);
    if (g->slab == NULL) return BASE_ENOMEM;
    g->members = (void *)(g->slab + members);
    g->sorted = (void *)(g->slab + sorted);
    g->prefixes = (void *)(g->slab + prefixes);
    g->heap = (void *)(g->slab + heap);
    g->links = (void *)(g->slab + links);
    g->order = (void *)(g->slab + order);
    g->leaf_sums = (void *)(g->slab + leaf_sums);
    g->leaf_heads = (void *)(g->slab + leaf_heads);
    g->agendas = (struct gossip__pool){g->slab + agendas, sizeof(struct gossip__agenda), 0, 0};
    g->leaves = (struct gossip__pool){g->slab + leaves, sizeof(struct gossip__leave), 0, 0};
    g->heard = (struct gossip__pool){g->slab + heard, sizeof(struct gossip__heard), 0, 0};
    g->chunks = (void *)(g->slab + chunks);
    return BASE_OK;
}

void gossip__table_free(struct gossip *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        gossip__store_release(g->store, g->members[g->sorted[i]].record);
    free(g->slab);
}

static size_t pool_bytes(const struct gossip__pool *pool)
{
    return pool->top * pool->item_bytes;
}

size_t gossip__table_bytes(const struct gossip *g)
{
    return g->top * (sizeof *g->members + GOSSIP__PLACES_BYTES) + pool_bytes(&g->agendas) +
           pool_bytes(&g->leaves) + pool_bytes(&g->heard) + g->chunk_top * sizeof *g->chunks +
           GOSSIP__LEAVES * (sizeof *g->leaf_sums + sizeof *g->leaf_heads);
}

void *gossip__pool_at(const struct gossip__pool *pool, uint16_t at)
{
    return pool->items + (size_t)(at - 1u) * pool->item_bytes;
}

void *gossip__pool_take(struct gossip__pool *pool, uint16_t *at)
{
    void *item;
    *at = pool->free_at != 0 ? pool->free_at : ++pool->top;
    item = gossip__pool_at(pool, *at);
    if (pool->free_at != 0) memcpy(&pool->free_at, item, sizeof pool->free_at);
    memset(item, 0, pool->item_bytes);
    return item;
}

void gossip__pool_give(struct gossip__pool *pool, uint16_t *at)
{
    memcpy(gossip__pool_at(pool, *at), &pool->free_at, sizeof pool->free_at);
    pool->free_at = *at;
    *at = 0;
}

/* ---- sorted by key ---- */

uint16_t gossip__slot(const struct gossip *g, const struct gossip__member *m)
{
    return (uint16_t)(m - g->members);
}

const struct base_key33 *gossip__key(const struct gossip *g, uint16_t slot)
{
    return &g->members[slot].record->key;
}

/* In the order of the keys, and nearly always enough to tell two of them apart. */
static uint32_t prefix_of(const struct base_key33 *key)
{
    return base_get_u32be(key->bytes);
}

static bool is_below(const struct gossip *g, uint32_t at, uint32_t prefix,
                     const struct base_key33 *key)
{
    if (g->prefixes[at] != prefix) return g->prefixes[at] < prefix;
    return base_key33_compare(gossip__key(g, g->sorted[at]), key) < 0;
}

/* Keys are spread evenly unless somebody took pains: then all of the table is searched. */
static void narrow(const struct gossip *g, uint32_t prefix, uint32_t *low, uint32_t *high)
{
    if (g->count < 4 * GUESS_SPAN) return;
    uint64_t first = g->prefixes[0], last = g->prefixes[g->count - 1];
    if (prefix <= first || prefix >= last) return;
    uint64_t guess = (prefix - first) * g->count / (last - first);
    if (guess > GUESS_SPAN && g->prefixes[guess - GUESS_SPAN] < prefix)
        *low = (uint32_t)(guess - GUESS_SPAN);
    if (guess + GUESS_SPAN < g->count && g->prefixes[guess + GUESS_SPAN] > prefix)
        *high = (uint32_t)(guess + GUESS_SPAN);
}

static uint32_t lower_bound(const struct gossip *g, const struct base_key33 *key)
{
    uint32_t low = 0, high = g->count, prefix = prefix_of(key);
    narrow(g, prefix, &low, &high);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (is_below(g, mid, prefix, key))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct gossip__member *gossip__find(const struct gossip *g, const struct base_key33 *key)
{
    uint32_t at = lower_bound(g, key);
    if (at == g->count || g->prefixes[at] != prefix_of(key)) return NULL;
    struct gossip__member *m = &g->members[g->sorted[at]];
    return base_key33_equal(&m->record->key, key) ? m : NULL;
}

static void sorted_insert(struct gossip *g, uint16_t slot)
{
    const struct base_key33 *key = gossip__key(g, slot);
    uint32_t at = lower_bound(g, key);
    memmove(&g->sorted[at + 1], &g->sorted[at], (g->count - at) * sizeof *g->sorted);
    memmove(&g->prefixes[at + 1], &g->prefixes[at], (g->count - at) * sizeof *g->prefixes);
    g->sorted[at] = slot;
    g->prefixes[at] = prefix_of(key);
    g->count++;
}

static void sorted_remove(struct gossip *g, uint16_t slot)
{
    uint32_t at = lower_bound(g, gossip__key(g, slot));
    assert(at < g->count && g->sorted[at] == slot);
    g->count--;
    memmove(&g->sorted[at], &g->sorted[at + 1], (g->count - at) * sizeof *g->sorted);
    memmove(&g->prefixes[at], &g->prefixes[at + 1], (g->count - at) * sizeof *g->prefixes);
}

/* ---- by leaf of the digest's tree ---- */

static void leaf_insert(struct gossip *g, struct gossip__member *m)
{
    uint16_t *head = &g->leaf_heads[gossip__leaf(&m->record->key)];
    m->leaf_next = *head;
    *head = (uint16_t)(gossip__slot(g, m) + 1);
    g->bucket_counts[gossip__bucket(&m->record->key)]++;
}

static void leaf_remove(struct gossip *g, struct gossip__member *m)
{
    uint16_t *at = &g->leaf_heads[gossip__leaf(&m->record->key)];
    while (*at != gossip__slot(g, m) + 1)
        at = &g->members[*at - 1].leaf_next;
    *at = m->leaf_next;
    g->bucket_counts[gossip__bucket(&m->record->key)]--;
}

/* ---- rows ---- */

/* Low slots first: what a small mesh never uses is never touched. */
struct gossip__member *gossip__row_add(struct gossip *g, const struct gossip__stored *record)
{
    assert(g->free_at != 0 || g->top < g->cfg.members_max);
    uint16_t at = g->free_at != 0 ? g->free_at : ++g->top;
    struct gossip__member *m = &g->members[at - 1];
    if (g->free_at != 0) g->free_at = m->leaf_next;
    *m = (struct gossip__member){
        .record = gossip__store_hold(record), .weight = 1, .since_ms = g->now_ms};
    sorted_insert(g, (uint16_t)(at - 1));
    leaf_insert(g, m);
    return m;
}

void gossip__row_remove(struct gossip *g, struct gossip__member *m)
{
    sorted_remove(g, gossip__slot(g, m));
    leaf_remove(g, m);
    gossip__store_release(g->store, m->record);
    m->record = NULL;
    m->leaf_next = g->free_at;
    g->free_at = (uint16_t)(gossip__slot(g, m) + 1);
}

/* ---- the round of probes ---- */

static void order_put(struct gossip *g, uint32_t at, uint16_t slot)
{
    g->order[at] = slot;
    g->members[slot].order_at = (uint16_t)(at + 1);
}

/* A newcomer takes a random place in what is left of the round, as in SWIM, section 4.3. */
void gossip__order_insert(struct gossip *g, struct gossip__member *m)
{
    uint32_t last = g->order_count++;
    uint32_t at = (uint32_t)base_prng_between(&g->prng, g->order_next, last);
    if (at != last) order_put(g, last, g->order[at]);
    order_put(g, at, gossip__slot(g, m));
}

void gossip__order_remove(struct gossip *g, struct gossip__member *m)
{
    if (m->order_at == 0) return;
    uint32_t at = m->order_at - 1u;
    m->order_at = 0;
    if (at < g->order_next) { /* keep those already asked in front of the cursor */
        g->order_next--;
        if (at != g->order_next) order_put(g, at, g->order[g->order_next]);
        at = g->order_next;
    }
    g->order_count--;
    if (at != g->order_count) order_put(g, at, g->order[g->order_count]);
}

struct gossip__member *gossip__successor(const struct gossip *g)
{
    uint32_t own = lower_bound(g, &g->members[0].record->key);
    for (uint32_t i = 1; i < g->count; i++) {
        struct gossip__member *m = &g->members[g->sorted[(own + i) % g->count]];
        if (m->state == GOSSIP_ALIVE) return m;
    }
    return NULL;
}

void gossip__order_shuffle(struct gossip *g)
{
    for (uint32_t i = g->order_count; i > 1; i--) {
        uint32_t j = (uint32_t)base_prng_below(&g->prng, i);
        uint16_t slot = g->order[i - 1];
        order_put(g, i - 1, g->order[j]);
        order_put(g, j, slot);
    }
    g->order_next = 0;
}

/* ---- links ---- */

bool gossip__is_sparse(const struct gossip *g)
{
    return g->order_count > g->cfg.links_max;
}

/* In a full mesh of many, what all do at once for one, or one for all, makes all of them late, and
 * who is late suspects others: one that is short of time for a moment would never have it again. */
bool gossip__is_many(const struct gossip *g)
{
    return g->count > GOSSIP__VOICES_MEMBERS && !gossip__is_sparse(g);
}

bool gossip__is_thin(const struct gossip *g)
{
    return gossip__is_sparse(g) ||
           (g->link_count >= GOSSIP__LINKS_AT_ONCE && 2 * g->link_count < g->order_count);
}

static void link_put(struct gossip *g, uint32_t at, uint16_t slot)
{
    g->links[at] = slot;
    g->members[slot].link_at = (uint16_t)(at + 1);
}

void gossip__link(struct gossip *g, struct gossip__member *m, bool linked)
{
    if (m->linked == linked) return;
    m->linked = linked;
    m->parting = m->greeted = false;
    if (linked) {
        link_put(g, g->link_count++, gossip__slot(g, m));
        return;
    }
    uint32_t at = m->link_at - 1u;
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
        if (g->members[slot].parting) continue;
        out[picked++] = slot;
    }
    return picked;
}
