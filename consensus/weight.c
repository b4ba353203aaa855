#include "consensus/weight.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

/* 3 c < sum of min(weight, c). No overflow: members and weights are bounded. */
static bool is_cap(const uint64_t *weights, size_t count, uint64_t c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += weights[i] < c ? weights[i] : c;
    return 3 * c < sum;
}

/* The sum less 3 c rises, and then falls: what is right for c is so for all smaller ones but 0. */
uint64_t consensus_weight_cap(const uint64_t *weights, size_t count)
{
    uint64_t low = 1, high = CONSENSUS_WEIGHT_MAX;
    size_t members = 0;
    assert(count <= CONSENSUS_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(weights[i] <= CONSENSUS_WEIGHT_MAX);
        if (weights[i] > 0) members++;
    }
    if (members < CONSENSUS_MEMBERS_SAFE) return CONSENSUS_WEIGHT_MAX;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        if (is_cap(weights, count, middle))
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

uint64_t consensus_quorum(uint64_t total)
{
    assert(total <= UINT64_MAX / 2);
    return 2 * total / 3 + 1;
}

static int heavier_first(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

size_t consensus_fewest_to_halt(uint64_t *weights, size_t count)
{
    uint64_t total = 0, held = 0;
    for (size_t i = 0; i < count; i++)
        total += weights[i];
    if (total == 0) return 0;
    qsort(weights, count, sizeof *weights, heavier_first);
    for (size_t i = 0; i < count; i++) {
        held += weights[i];
        if (3 * held >= total) return i + 1;
    }
    return count;
}
