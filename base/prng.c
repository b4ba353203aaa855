#include "base/prng.h"

#include <assert.h>

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void base_prng_init(struct base_prng *prng, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++)
        prng->s[i] = splitmix64(&seed);
}

uint64_t base_prng_u64(struct base_prng *prng)
{
    uint64_t *s = prng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t base_prng_below(struct base_prng *prng, uint64_t bound)
{
    assert(bound > 0);
    /* 2^64 mod bound: below it lie the numbers that would make small results likelier. */
    uint64_t surplus = (0 - bound) % bound;
    uint64_t x = base_prng_u64(prng);
    while (x < surplus)
        x = base_prng_u64(prng);
    return x % bound;
}

uint64_t base_prng_between(struct base_prng *prng, uint64_t low, uint64_t high)
{
    assert(low <= high);
    if (high - low == UINT64_MAX) return base_prng_u64(prng);
    return low + base_prng_below(prng, high - low + 1);
}

void base_prng_permute(struct base_prng *prng, uint32_t *indices, size_t count)
{
    assert(count <= UINT32_MAX);
    /* Inside-out: entry i goes to a random place among the first i + 1. */
    for (size_t i = 0; i < count; i++) {
        size_t j = (size_t)base_prng_below(prng, i + 1);
        indices[i] = indices[j];
        indices[j] = (uint32_t)i;
    }
}
