#ifndef NFTMESH_BASE_PRNG_H
#define NFTMESH_BASE_PRNG_H

#include <stddef.h>
#include <stdint.h>

/* A seeded generator (xoshiro256**, seeded by splitmix64) for probe order, jitter and
 * simulations. Never for keys: those come from base_random(). The same seed gives the same
 * numbers on every machine and compiler. Source: Blackman and Vigna, prng.di.unimi.it. */
struct base_prng {
    uint64_t s[4];
};

void base_prng_init(struct base_prng *prng, uint64_t seed);
uint64_t base_prng_u64(struct base_prng *prng);
/* Uniform in [0, bound), without modulo bias; bound > 0. */
uint64_t base_prng_below(struct base_prng *prng, uint64_t bound);
/* Uniform in [low, high], both included; low <= high. */
uint64_t base_prng_between(struct base_prng *prng, uint64_t low, uint64_t high);
/* Fills an array of indices 0..count-1 in random order (Fisher-Yates). */
void base_prng_permute(struct base_prng *prng, uint32_t *indices, size_t count);

#endif
