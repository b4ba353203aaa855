#include "consensus/schedule.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"

int consensus_schedule_init(struct consensus_schedule *s, struct consensus_lead *leads,
                            size_t count)
{
    uint64_t total = 0;
    if (count == 0 || count > CONSENSUS_MEMBERS_MAX) return BASE_EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (leads[i].weight > CONSENSUS_WEIGHT_MAX) return BASE_EINVAL;
        if (i > 0 && base_key33_compare(&leads[i - 1].key, &leads[i].key) >= 0) return BASE_EINVAL;
        total += leads[i].weight;
    }
    if (total == 0) return BASE_EINVAL;
    *s = (struct consensus_schedule){leads, count, total};
    return BASE_OK;
}

void consensus_schedule_draw(struct consensus_schedule *s, const struct base_hash32 *block_hash)
{
    for (size_t i = 0; i < s->count; i++) {
        uint8_t bytes[sizeof block_hash->bytes + BASE_KEY33_BYTES];
        struct base_hash32 hash;
        memcpy(bytes, block_hash->bytes, sizeof block_hash->bytes);
        memcpy(bytes + sizeof block_hash->bytes, s->leads[i].key.bytes, BASE_KEY33_BYTES);
        base_keccak256(&hash, bytes, sizeof bytes);
        s->leads[i].priority =
            (int64_t)(base_get_u64be(hash.bytes) % (2 * s->total)) - (int64_t)s->total;
    }
}

static const struct consensus_lead *find(const struct consensus_lead *leads, size_t count,
                                         const struct base_key33 *key)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = base_key33_compare(&leads[middle].key, key);
        if (order == 0) return &leads[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Rounded down, of negative numbers, too. */
static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return a % b != 0 && a < 0 ? quotient - 1 : quotient;
}

void consensus_schedule_carry(struct consensus_schedule *s, const struct consensus_lead *before,
                              size_t before_count)
{
    int64_t total = (int64_t)s->total, sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct consensus_lead *old = find(before, before_count, &s->leads[i].key);
        s->leads[i].priority = old != NULL ? old->priority : -(total + total / 8);
        sum += s->leads[i].priority;
    }
    int64_t mean = floor_div(sum, (int64_t)s->count);
    for (size_t i = 0; i < s->count; i++) {
        int64_t *priority = &s->leads[i].priority;
        *priority -= mean;
        if (*priority > 2 * total) *priority = 2 * total;
        if (*priority < -2 * total) *priority = -2 * total;
    }
}

static void earn(struct consensus_schedule *s)
{
    for (size_t i = 0; i < s->count; i++)
        s->leads[i].priority += (int64_t)s->leads[i].weight;
}

size_t consensus_schedule_next(struct consensus_schedule *s)
{
    size_t first = s->count;
    earn(s);
    for (size_t i = 0; i < s->count; i++) {
        if (s->leads[i].weight == 0) continue;
        if (first == s->count || s->leads[i].priority > s->leads[first].priority) first = i;
    }
    assert(first < s->count); /* somebody weighs something: init() */
    s->leads[first].priority -= (int64_t)s->total;
    return first;
}

void consensus_schedule_give(struct consensus_schedule *s, size_t index)
{
    assert(index < s->count && s->leads[index].weight > 0);
    earn(s);
    s->leads[index].priority -= (int64_t)s->total;
}
