#ifndef NFTMESH_BASE_BYTES_H
#define NFTMESH_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fixed-size values that travel through all rooms. A struct each, so that the compiler keeps an
 * address from being passed where a hash belongs. All are plain bytes, big-endian where they are
 * numbers, and may be compared with base_*_equal or memcmp. */
#define BASE_HASH32_BYTES  32
#define BASE_ADDRESS_BYTES 20
#define BASE_KEY33_BYTES   33
#define BASE_SIG65_BYTES   65

struct base_hash32 {
    uint8_t bytes[BASE_HASH32_BYTES];
};
struct base_u256 { /* Ethereum's uint256, big-endian */
    uint8_t bytes[32];
};
struct base_eth_address { /* also a DStack app id or instance id */
    uint8_t bytes[BASE_ADDRESS_BYTES];
};
struct base_key33 { /* secp256k1 public key, compressed SEC1; a node id is one */
    uint8_t bytes[BASE_KEY33_BYTES];
};
struct base_privkey { /* secp256k1 scalar: zero with base_memzero() when done */
    uint8_t bytes[32];
};
struct base_sig65 { /* r || s || v, v 0 or 1 */
    uint8_t bytes[BASE_SIG65_BYTES];
};
struct base_slice { /* borrowed bytes */
    const uint8_t *data;
    size_t len;
};

/* A string without its end; NULL is an empty one. */
struct base_slice base_slice_text(const char *text);

bool base_hash32_equal(const struct base_hash32 *a, const struct base_hash32 *b);
bool base_address_equal(const struct base_eth_address *a, const struct base_eth_address *b);
bool base_key33_equal(const struct base_key33 *a, const struct base_key33 *b);
/* memcmp order: <0, 0, >0. */
int base_key33_compare(const struct base_key33 *a, const struct base_key33 *b);
bool base_is_zero(const void *data, size_t len);

struct base_u256 base_u256_from_u64(uint64_t value);
/* BASE_ETOOBIG when the value does not fit into 64 bits; *out is then untouched. */
int base_u256_to_u64(uint64_t *out, const struct base_u256 *value);
bool base_u256_equal(const struct base_u256 *a, const struct base_u256 *b);
int base_u256_compare(const struct base_u256 *a, const struct base_u256 *b);
/* Decimal or 0x-prefixed hex text to a u256. BASE_EMALFORMED, BASE_ETOOBIG. */
int base_u256_parse(struct base_u256 *out, const char *text);

/* Big-endian integers. */
void base_put_u16be(uint8_t out[2], uint16_t value);
void base_put_u32be(uint8_t out[4], uint32_t value);
void base_put_u64be(uint8_t out[8], uint64_t value);
uint16_t base_get_u16be(const uint8_t in[2]);
uint32_t base_get_u32be(const uint8_t in[4]);
uint64_t base_get_u64be(const uint8_t in[8]);

/* Hex, lower case, no prefix. out holds 2 * len + 1 characters and is terminated. */
void base_hex_encode(char *out, const void *data, size_t len);
/* Exactly 2 * len digits of either case, no prefix, no blanks: text_len is checked.
 * BASE_EMALFORMED otherwise; out is then undefined. */
int base_hex_decode(void *out, size_t len, const char *text, size_t text_len);
/* As above after an optional (base_hex_decode_0x: optional; callers that need it check) "0x". */
int base_hex_decode_0x(void *out, size_t len, const char *text);
/* Hex of any even length up to cap bytes, optional 0x. BASE_EMALFORMED, BASE_ETOOBIG. */
int base_hex_decode_var(uint8_t *out, size_t *out_len, size_t cap, const char *text);

/* "0x" and 40 digits with EIP-55 check sum; out holds 43. */
#define BASE_ADDRESS_TEXT_BYTES 43
void base_address_format(char out[BASE_ADDRESS_TEXT_BYTES], const struct base_eth_address *addr);
/* 0x + 40 digits. All lower or all upper case is taken as it is; mixed case must carry a right
 * EIP-55 check sum. BASE_EMALFORMED. */
int base_address_parse(struct base_eth_address *out, const char *text);

/* Zeroes secrets in a way the compiler may not drop. */
void base_memzero(void *data, size_t len);

#endif
