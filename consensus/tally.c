#include "consensus/tally.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

int consensus_voters_init(struct consensus_voters *v, const struct consensus_voter *list,
                          size_t count)
{
    uint64_t total = 0;
    if (count == 0 || count > CONSENSUS_MEMBERS_MAX) return BASE_EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (list[i].weight > CONSENSUS_WEIGHT_MAX) return BASE_EINVAL;
        if (i > 0 && base_key33_compare(&list[i - 1].key, &list[i].key) >= 0) return BASE_EINVAL;
        total += list[i].weight;
    }
    if (total == 0) return BASE_EINVAL;
    *v = (struct consensus_voters){list, count, total, consensus_quorum(total)};
    return BASE_OK;
}

size_t consensus_voter_find(const struct consensus_voters *v, const struct base_key33 *key)
{
    size_t low = 0, high = v->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = base_key33_compare(&v->list[middle].key, key);
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return v->count;
}

/* ---- votes for one slot ---- */

static bool list_grow(struct consensus_tally *t)
{
    if (t->count < t->cap) return true;
    uint32_t cap = t->cap == 0 ? 8 : 2 * t->cap;
    struct consensus_ballot *grown = realloc(t->list, cap * sizeof *grown);
    if (grown == NULL) return false;
    t->list = grown;
    t->cap = cap;
    return true;
}

/* NULL: out of memory. */
static struct consensus_sum *sum_of(struct consensus_tally *t, const struct base_hash32 *hash)
{
    for (uint32_t i = 0; i < t->sum_count; i++)
        if (base_hash32_equal(&t->sums[i].hash, hash)) return &t->sums[i];
    if (t->sum_count == t->sum_cap) {
        uint32_t cap = t->sum_cap == 0 ? 1 : 2 * t->sum_cap;
        struct consensus_sum *grown = realloc(t->sums, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        t->sums = grown;
        t->sum_cap = cap;
    }
    t->sums[t->sum_count] = (struct consensus_sum){.hash = *hash};
    return &t->sums[t->sum_count++];
}

enum consensus_taken consensus_tally_add(struct consensus_tally *t,
                                         const struct consensus_voters *v, uint16_t voter,
                                         const struct base_hash32 *hash,
                                         const struct base_sig65 *sig,
                                         const struct consensus_ballot **other)
{
    uint32_t first = UINT32_MAX;
    assert(voter < v->count);
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->list[i].voter != voter) continue;
        if (base_hash32_equal(&t->list[i].hash, hash)) return CONSENSUS_KNOWN;
        if (first != UINT32_MAX) return CONSENSUS_SURPLUS;
        first = i;
    }
    struct consensus_sum *sum = list_grow(t) ? sum_of(t, hash) : NULL;
    if (sum == NULL) return CONSENSUS_NO_ROOM;
    sum->weight += v->list[voter].weight;
    t->list[t->count++] = (struct consensus_ballot){voter, *hash, *sig};
    if (first == UINT32_MAX) return CONSENSUS_TAKEN;
    if (other != NULL) *other = &t->list[first];
    return CONSENSUS_TAKEN_SECOND;
}

const struct consensus_ballot *consensus_tally_of(const struct consensus_tally *t, uint16_t voter,
                                                  const struct base_hash32 *hash)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->list[i].voter == voter && base_hash32_equal(&t->list[i].hash, hash))
            return &t->list[i];
    return NULL;
}

bool consensus_tally_has(const struct consensus_tally *t, uint16_t voter)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->list[i].voter == voter) return true;
    return false;
}

uint64_t consensus_tally_weight(const struct consensus_tally *t, const struct base_hash32 *hash)
{
    for (uint32_t i = 0; i < t->sum_count; i++)
        if (base_hash32_equal(&t->sums[i].hash, hash)) return t->sums[i].weight;
    return 0;
}

const struct base_hash32 *consensus_tally_certified(const struct consensus_tally *t,
                                                    const struct consensus_voters *v)
{
    for (uint32_t i = 0; i < t->sum_count; i++)
        if (t->sums[i].weight >= v->quorum) return &t->sums[i].hash;
    return NULL;
}

void consensus_tally_free(struct consensus_tally *t)
{
    free(t->list);
    free(t->sums);
    *t = (struct consensus_tally){0};
}

/* ---- skips of one window ---- */

int consensus_skips_init(struct consensus_skips *s, uint64_t first, uint64_t last, size_t voters)
{
    assert(first <= last && voters > 0);
    *s = (struct consensus_skips){first, last, calloc(voters, sizeof *s->list), voters};
    return s->list != NULL ? BASE_OK : BASE_ENOMEM;
}

enum consensus_taken consensus_skips_add(struct consensus_skips *s, uint16_t voter, uint64_t from,
                                         const struct base_sig65 *sig)
{
    assert(voter < s->count && s->first <= from && from <= s->last);
    struct consensus_skip *skip = &s->list[voter];
    if (skip->is_held && skip->from <= from) return CONSENSUS_KNOWN;
    *skip = (struct consensus_skip){true, from, *sig};
    return CONSENSUS_TAKEN;
}

/* Of those whose SKIP covers this slot. */
static uint64_t weight_at(const struct consensus_skips *s, const struct consensus_voters *v,
                          uint64_t slot)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].is_held && s->list[i].from <= slot) weight += v->list[i].weight;
    return weight;
}

/* The weight only grows with the slot, and only where somebody's range begins. */
uint64_t consensus_skips_certified(const struct consensus_skips *s,
                                   const struct consensus_voters *v)
{
    uint64_t first = UINT64_MAX;
    assert(s->count == v->count);
    if (weight_at(s, v, s->last) < v->quorum) return UINT64_MAX;
    for (size_t i = 0; i < s->count; i++) {
        const struct consensus_skip *skip = &s->list[i];
        if (skip->is_held && skip->from < first && weight_at(s, v, skip->from) >= v->quorum)
            first = skip->from;
    }
    return first;
}

uint64_t consensus_skips_weight(const struct consensus_skips *s, const struct consensus_voters *v,
                                uint64_t slot)
{
    assert(s->count == v->count);
    return weight_at(s, v, slot);
}

void consensus_skips_free(struct consensus_skips *s)
{
    free(s->list);
    *s = (struct consensus_skips){0};
}
