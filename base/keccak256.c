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

/* theta, rho, pi, chi, iota: from a into b. Written out, so that every index and turn is a
 * constant: as loops over tables it takes twice as long. */
static void round_from(uint64_t b[restrict 25], const uint64_t a[restrict 25], uint64_t constant)
{
    uint64_t c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20];
    uint64_t c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
    uint64_t c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22];
    uint64_t c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
    uint64_t c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
    uint64_t d0 = c4 ^ rotl(c1, 1);
    uint64_t d1 = c0 ^ rotl(c2, 1);
    uint64_t d2 = c1 ^ rotl(c3, 1);
    uint64_t d3 = c2 ^ rotl(c4, 1);
    uint64_t d4 = c3 ^ rotl(c0, 1);
    uint64_t r0 = a[0] ^ d0;
    uint64_t r1 = rotl(a[6] ^ d1, 44);
    uint64_t r2 = rotl(a[12] ^ d2, 43);
    uint64_t r3 = rotl(a[18] ^ d3, 21);
    uint64_t r4 = rotl(a[24] ^ d4, 14);
    b[0] = r0 ^ (~r1 & r2) ^ constant;
    b[1] = r1 ^ (~r2 & r3);
    b[2] = r2 ^ (~r3 & r4);
    b[3] = r3 ^ (~r4 & r0);
    b[4] = r4 ^ (~r0 & r1);
    r0 = rotl(a[3] ^ d3, 28);
    r1 = rotl(a[9] ^ d4, 20);
    r2 = rotl(a[10] ^ d0, 3);
    r3 = rotl(a[16] ^ d1, 45);
    r4 = rotl(a[22] ^ d2, 61);
    b[5] = r0 ^ (~r1 & r2);
    b[6] = r1 ^ (~r2 & r3);
    b[7] = r2 ^ (~r3 & r4);
    b[8] = r3 ^ (~r4 & r0);
    b[9] = r4 ^ (~r0 & r1);
    r0 = rotl(a[1] ^ d1, 1);
    r1 = rotl(a[7] ^ d2, 6);
    r2 = rotl(a[13] ^ d3, 25);
    r3 = rotl(a[19] ^ d4, 8);
    r4 = rotl(a[20] ^ d0, 18);
    b[10] = r0 ^ (~r1 & r2);
    b[11] = r1 ^ (~r2 & r3);
    b[12] = r2 ^ (~r3 & r4);
    b[13] = r3 ^ (~r4 & r0);
    b[14] = r4 ^ (~r0 & r1);
    r0 = rotl(a[4] ^ d4, 27);
    r1 = rotl(a[5] ^ d0, 36);
    r2 = rotl(a[11] ^ d1, 10);
    r3 = rotl(a[17] ^ d2, 15);
    r4 = rotl(a[23] ^ d3, 56);
    b[15] = r0 ^ (~r1 & r2);
    b[16] = r1 ^ (~r2 & r3);
    b[17] = r2 ^ (~r3 & r4);
    b[18] = r3 ^ (~r4 & r0);
    b[19] = r4 ^ (~r0 & r1);
    r0 = rotl(a[2] ^ d2, 62);
    r1 = rotl(a[8] ^ d3, 55);
    r2 = rotl(a[14] ^ d4, 39);
    r3 = rotl(a[15] ^ d0, 41);
    r4 = rotl(a[21] ^ d1, 2);
    b[20] = r0 ^ (~r1 & r2);
    b[21] = r1 ^ (~r2 & r3);
    b[22] = r2 ^ (~r3 & r4);
    b[23] = r3 ^ (~r4 & r0);
    b[24] = r4 ^ (~r0 & r1);
}

static void permute(uint64_t a[25])
{
    uint64_t b[25];
    for (size_t i = 0; i < ROUNDS; i += 2) {
        round_from(b, a, round_constants[i]);
        round_from(a, b, round_constants[i + 1]);
    }
}

/* Lanes are little-endian, on every machine. */
static void xor_byte(struct base_keccak256 *k, size_t at, uint8_t byte)
{
    k->state[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

static uint64_t lane(const uint8_t bytes[8])
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

void base_keccak256_init(struct base_keccak256 *k)
{
    memset(k, 0, sizeof *k);
}

void base_keccak256_update(struct base_keccak256 *k, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    assert(k->fill < RATE_BYTES);
    for (size_t i = 0; i < len;) {
        if (k->fill % 8 == 0 && len - i >= 8) {
            k->state[k->fill / 8] ^= lane(bytes + i);
            k->fill += 8;
            i += 8;
        } else {
            xor_byte(k, k->fill++, bytes[i++]);
        }
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
