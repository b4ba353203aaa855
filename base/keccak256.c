#include "base/keccak256.h"

#include <assert.h>
#include <string.h>

#define RATE_BYTES 136
#define ROUNDS     24

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static const uint64_t round_constants[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

/* rho and pi in one walk: the lane that pi moves next, and by how much rho turns it. */
static const uint8_t walk_lane[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                      15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
static const uint8_t walk_turn[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                      27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};

static void theta(uint64_t a[25])
{
    uint64_t column[5];
    for (size_t x = 0; x < 5; x++)
        column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (size_t x = 0; x < 5; x++) {
        uint64_t d = column[(x + 4) % 5] ^ rotl(column[(x + 1) % 5], 1);
        for (size_t y = 0; y < 25; y += 5)
            a[x + y] ^= d;
    }
}

static void rho_pi(uint64_t a[25])
{
    uint64_t carried = a[1];
    for (size_t i = 0; i < 24; i++) {
        uint64_t next = a[walk_lane[i]];
        a[walk_lane[i]] = rotl(carried, walk_turn[i]);
        carried = next;
    }
}

static void chi(uint64_t a[25])
{
    for (size_t y = 0; y < 25; y += 5) {
        uint64_t row[5];
        memcpy(row, a + y, sizeof row);
        for (size_t x = 0; x < 5; x++)
            a[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
}

static void permute(uint64_t a[25])
{
    for (size_t i = 0; i < ROUNDS; i++) {
        theta(a);
        rho_pi(a);
        chi(a);
        a[0] ^= round_constants[i];
    }
}

/* Lanes are little-endian, on every machine. */
static void xor_byte(struct base_keccak256 *k, size_t at, uint8_t byte)
{
    k->state[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

void base_keccak256_init(struct base_keccak256 *k)
{
    memset(k, 0, sizeof *k);
}

void base_keccak256_update(struct base_keccak256 *k, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    assert(k->fill < RATE_BYTES);
    for (size_t i = 0; i < len; i++) {
        xor_byte(k, k->fill++, bytes[i]);
        if (k->fill == RATE_BYTES) {
            permute(k->state);
            k->fill = 0;
        }
    }
}

void base_keccak256_final(struct base_keccak256 *k, struct base_hash32 *out)
{
    xor_byte(k, k->fill, 0x01); /* 0x06 would make it SHA3-256 */
    xor_byte(k, RATE_BYTES - 1, 0x80);
    permute(k->state);
    for (size_t i = 0; i < sizeof out->bytes; i++)
        out->bytes[i] = (uint8_t)(k->state[i / 8] >> (8 * (i % 8)) & 0xff);
}

void base_keccak256(struct base_hash32 *out, const void *data, size_t len)
{
    struct base_keccak256 k;
    base_keccak256_init(&k);
    base_keccak256_update(&k, data, len);
    base_keccak256_final(&k, out);
}
