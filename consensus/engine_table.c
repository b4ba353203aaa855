/* Slots and windows: what is held of them, and for how long. */
#include "consensus/engine_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

uint64_t engine_window_of(const struct consensus_engine *e, uint64_t slot)
{
    return slot / e->params.window_slots;
}

uint64_t engine_window_last(const struct consensus_engine *e, uint64_t window)
{
    return (window + 1) * e->params.window_slots - 1;
}

/* ---- leaders ---- */

static bool leaders_grow(struct consensus_engine *e, size_t count)
{
    size_t cap = e->leader_cap == 0 ? 64 : e->leader_cap;
    while (cap < count)
        cap *= 2;
    uint16_t *grown = realloc(e->leaders, cap * sizeof *grown);
    if (grown == NULL) return false;
    e->leaders = grown;
    e->leader_cap = cap;
    return true;
}

/* The schedule goes forward only: what it said is kept. */
size_t engine_leader(struct consensus_engine *e, uint64_t window)
{
    if (window >= e->leader_cap && !leaders_grow(e, (size_t)window + 1)) {
        e->is_broken = true;
        return e->voters.count;
    }
    while (e->leader_count <= window) {
        size_t leader = e->first_leader;
        if (e->leader_count == 0 && leader < e->voters.count)
            consensus_schedule_give(&e->schedule, leader);
        else
            leader = consensus_schedule_next(&e->schedule);
        e->leaders[e->leader_count++] = (uint16_t)leader;
    }
    return e->leaders[window];
}

bool engine_is_out(const struct consensus_engine *e)
{
    return e->self < e->voters.count && e->dead_ms[e->self] != 0;
}

/* ---- sorted tables of pointers ---- */

static size_t slot_index(const struct consensus_engine *e, uint64_t slot)
{
    size_t low = 0, high = e->slot_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (e->slots[middle]->slot < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct engine_slot *engine_slot_find(const struct consensus_engine *e, uint64_t slot)
{
    size_t i = slot_index(e, slot);
    return i < e->slot_count && e->slots[i]->slot == slot ? e->slots[i] : NULL;
}

/* Room for one more; NULL: no memory, and the list is as it was. */
static void *grown(void *list, size_t *cap, size_t count, size_t each)
{
    if (count < *cap) return list;
    size_t more = *cap == 0 ? 16 : 2 * *cap;
    void *moved = realloc(list, more * each);
    if (moved != NULL) *cap = more;
    return moved;
}

static bool slots_grow(struct consensus_engine *e)
{
    struct engine_slot **list = grown(e->slots, &e->slot_cap, e->slot_count, sizeof *list);
    if (list != NULL) e->slots = list;
    return list != NULL;
}

static bool windows_grow(struct consensus_engine *e)
{
    struct engine_window **list = grown(e->windows, &e->window_cap, e->window_count, sizeof *list);
    if (list != NULL) e->windows = list;
    return list != NULL;
}

struct engine_slot *engine_slot_get(struct consensus_engine *e, uint64_t slot)
{
    size_t at = slot_index(e, slot);
    if (at < e->slot_count && e->slots[at]->slot == slot) return e->slots[at];
    struct engine_slot *s = calloc(1, sizeof *s);
    if (s == NULL || !slots_grow(e)) {
        free(s);
        e->is_broken = true;
        return NULL;
    }
    s->slot = slot;
    memmove(&e->slots[at + 1], &e->slots[at], (e->slot_count - at) * sizeof *e->slots);
    e->slot_count++;
    return e->slots[at] = s;
}

static size_t window_index(const struct consensus_engine *e, uint64_t window)
{
    size_t i = e->window_count;
    while (i > 0 && e->windows[i - 1]->number >= window)
        i--;
    return i;
}

struct engine_window *engine_window_find(const struct consensus_engine *e, uint64_t window)
{
    size_t i = window_index(e, window);
    return i < e->window_count && e->windows[i]->number == window ? e->windows[i] : NULL;
}

struct engine_window *engine_window_get(struct consensus_engine *e, uint64_t window)
{
    size_t at = window_index(e, window);
    if (at < e->window_count && e->windows[at]->number == window) return e->windows[at];
    struct engine_window *w = calloc(1, sizeof *w);
    if (w == NULL || !windows_grow(e) ||
        consensus_skips_init(&w->skips, window * e->params.window_slots,
                             engine_window_last(e, window), e->voters.count) != BASE_OK) {
        free(w);
        e->is_broken = true;
        return NULL;
    }
    w->number = window;
    memmove(&e->windows[at + 1], &e->windows[at], (e->window_count - at) * sizeof *e->windows);
    e->window_count++;
    return e->windows[at] = w;
}

/* ---- candidates ---- */

struct engine_cand *engine_cand_find(const struct consensus_engine *e, uint64_t slot,
                                     const struct base_hash32 *hash)
{
    const struct engine_slot *s = engine_slot_find(e, slot);
    for (int i = 0; s != NULL && i < 2; i++)
        if (s->cands[i] != NULL && base_hash32_equal(&s->cands[i]->hash, hash)) return s->cands[i];
    return NULL;
}

bool engine_is_wanted(const struct engine_slot *s, const struct base_hash32 *hash)
{
    return (s->is_notarised && base_hash32_equal(&s->notar_cert.hash, hash)) ||
           (s->is_named && base_hash32_equal(&s->named, hash));
}

/* With its payload behind it. */
static struct engine_cand *cand_new(struct consensus_engine *e, const struct consensus_candidate *c,
                                    const struct base_hash32 *hash)
{
    struct engine_cand *cand = calloc(1, sizeof *cand + c->payload.len);
    if (cand == NULL) {
        e->is_broken = true;
        return NULL;
    }
    uint8_t *payload = (uint8_t *)(cand + 1);
    if (c->payload.len > 0) memcpy(payload, c->payload.data, c->payload.len);
    cand->hash = *hash;
    cand->c = *c;
    cand->c.payload.data = payload;
    return cand;
}

/* The last ones, as many as are kept of what is final. */
void engine_old_add(struct consensus_engine *e, const struct consensus_candidate *c,
                    const struct base_hash32 *hash)
{
    if (e->olds == NULL) e->olds = calloc(CONSENSUS_KEPT_FINAL, sizeof(struct engine_cand *));
    struct engine_cand *cand = e->olds != NULL ? cand_new(e, c, hash) : NULL;
    if (cand == NULL) {
        e->is_broken = true;
        return;
    }
    free(e->olds[e->old_at]);
    e->olds[e->old_at] = cand;
    e->old_at = (e->old_at + 1) % CONSENSUS_KEPT_FINAL;
    if (e->old_count < CONSENSUS_KEPT_FINAL) e->old_count++;
}

struct engine_cand *engine_cand_add(struct consensus_engine *e, struct engine_slot *s,
                                    const struct consensus_candidate *c,
                                    const struct base_hash32 *hash)
{
    int at = s->cands[0] == NULL ? 0 : 1;
    /* A third is no more proof. One that a quorum has seen takes its place. */
    if (s->cands[at] != NULL) {
        if (!engine_is_wanted(s, hash)) return NULL;
        engine_trash(e, s->cands[at]);
    }
    struct engine_cand *cand = cand_new(e, c, hash);
    if (cand == NULL) return NULL;
    e->host.read(e->host.ctx, &cand->c.payload, &cand->marks);
    s->cands[at] = cand;
    if (s->seen_ms == 0) s->seen_ms = e->now_ms;
    return cand;
}

/* ---- what is cleared ---- */

bool engine_is_skipped(const struct consensus_engine *e, uint64_t slot)
{
    const struct engine_window *w = engine_window_find(e, engine_window_of(e, slot));
    return w != NULL && w->is_certified && w->cert.first <= slot;
}

bool engine_is_gap_skipped(const struct consensus_engine *e, uint64_t parent, uint64_t slot)
{
    uint64_t at = parent == CONSENSUS_NO_SLOT ? 0 : parent + 1;
    while (at < slot) {
        if (!engine_is_skipped(e, at)) return false;
        at = engine_window_last(e, engine_window_of(e, at)) + 1;
    }
    return true;
}

/* A certificate proves all slots below cleared; skips go on from there, window by window. */
uint64_t engine_frontier(const struct consensus_engine *e)
{
    uint64_t at = e->top_slot == CONSENSUS_NO_SLOT ? 0 : e->top_slot + 1;
    while (engine_is_skipped(e, at))
        at = engine_window_last(e, engine_window_of(e, at)) + 1;
    return at;
}

static bool is_certified_final(const struct consensus_engine *e, uint64_t slot,
                               const struct base_hash32 *hash)
{
    const struct engine_slot *s = engine_slot_find(e, slot);
    return s != NULL && s->final_cert.count > 0 && base_hash32_equal(&s->final_cert.hash, hash);
}

struct engine_chain engine_chain(const struct consensus_engine *e, uint64_t slot,
                                 const struct base_hash32 *hash)
{
    struct engine_chain chain = {.slot = slot, .hash = *hash};
    while (chain.slot != e->final_slot) {
        /* Down to the genesis, or past what is final: a fork. */
        bool is_below = e->final_slot != CONSENSUS_NO_SLOT && chain.slot < e->final_slot;
        if (chain.slot == CONSENSUS_NO_SLOT || is_below) return chain;
        const struct engine_cand *cand = engine_cand_find(e, chain.slot, &chain.hash);
        if (cand == NULL) {
            chain.is_missing = true;
            return chain;
        }
        if (is_certified_final(e, chain.slot, &chain.hash)) chain.is_settled = true;
        chain.above.has_entries = chain.above.has_entries || cand->marks.has_entries;
        chain.above.is_closed = chain.above.is_closed || cand->marks.is_closing;
        chain.slot = cand->c.parent_slot;
        chain.hash = cand->c.parent_hash;
    }
    chain.is_whole = base_hash32_equal(&chain.hash, &e->final_hash);
    return chain;
}

/* ---- memory ---- */

/* Out of memory here only means that it is never freed before the end. */
void engine_trash(struct consensus_engine *e, void *memory)
{
    if (memory == NULL) return;
    void **list = grown(e->trash, &e->trash_cap, e->trash_count, sizeof *list);
    if (list == NULL) {
        e->is_broken = true;
        return;
    }
    e->trash = list;
    e->trash[e->trash_count++] = memory;
}

bool engine_cert_copy(struct consensus_engine *e, struct consensus_cert *out,
                      const struct consensus_cert *cert)
{
    struct consensus_cert_vote *votes = malloc(cert->count * sizeof *votes);
    if (votes == NULL) {
        e->is_broken = true;
        return false;
    }
    memcpy(votes, cert->votes, cert->count * sizeof *votes);
    engine_trash(e, out->votes);
    *out = *cert;
    out->votes = votes;
    return true;
}

static void slot_drop(struct consensus_engine *e, struct engine_slot *s)
{
    engine_trash(e, s->cands[0]);
    engine_trash(e, s->cands[1]);
    engine_trash(e, s->notars.list);
    engine_trash(e, s->notars.sums);
    engine_trash(e, s->finals.list);
    engine_trash(e, s->finals.sums);
    engine_trash(e, s->notar_cert.votes);
    engine_trash(e, s->final_cert.votes);
    engine_trash(e, s);
}

static void window_drop(struct consensus_engine *e, struct engine_window *w)
{
    engine_trash(e, w->skips.list);
    engine_trash(e, w->cert.votes);
    engine_trash(e, w);
}

void engine_prune(struct consensus_engine *e)
{
    size_t slots = 0, windows = 0;
    uint64_t first = engine_window_of(e, e->final_slot);
    while (slots < e->slot_count && e->slots[slots]->slot <= e->final_slot)
        slot_drop(e, e->slots[slots++]);
    if (slots > 0) memmove(e->slots, e->slots + slots, (e->slot_count - slots) * sizeof *e->slots);
    e->slot_count -= slots;
    while (windows < e->window_count && e->windows[windows]->number < first)
        window_drop(e, e->windows[windows++]);
    if (windows > 0)
        memmove(e->windows, e->windows + windows, (e->window_count - windows) * sizeof *e->windows);
    e->window_count -= windows;
}

void engine_tables_free(struct consensus_engine *e)
{
    for (size_t i = 0; i < e->slot_count; i++)
        slot_drop(e, e->slots[i]);
    for (size_t i = 0; i < e->window_count; i++)
        window_drop(e, e->windows[i]);
    for (size_t i = 0; i < e->final_count; i++)
        free(e->finals[i]);
    for (size_t i = 0; i < e->old_count; i++)
        free(e->olds[i]);
    free(e->olds);
    free(e->final_cert.votes);
    free(e->slots);
    free(e->windows);
    free(e->finals);
    free(e->leaders);
    for (size_t i = 0; i < e->trash_count; i++)
        free(e->trash[i]);
    free(e->trash);
}
