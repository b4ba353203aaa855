#include "base/bytes.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"

struct base_slice base_slice_text(const char *text)
{
    return (struct base_slice){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

bool base_hash32_equal(const struct base_hash32 *a, const struct base_hash32 *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool base_address_equal(const struct base_eth_address *a, const struct base_eth_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool base_key33_equal(const struct base_key33 *a, const struct base_key33 *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

int base_key33_compare(const struct base_key33 *a, const struct base_key33 *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool base_is_zero(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    unsigned any = 0;
    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

/* ---- 256-bit numbers ---- */

struct base_u256 base_u256_from_u64(uint64_t value)
{
    struct base_u256 out = {{0}};
    base_put_u64be(out.bytes + 24, value);
    return out;
}

int base_u256_to_u64(uint64_t *out, const struct base_u256 *value)
{
    assert(out != NULL);
    if (!base_is_zero(value->bytes, 24)) return BASE_ETOOBIG;
    *out = base_get_u64be(value->bytes + 24);
    return BASE_OK;
}

bool base_u256_equal(const struct base_u256 *a, const struct base_u256 *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

int base_u256_compare(const struct base_u256 *a, const struct base_u256 *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* value = value * radix + digit; false when that needs a 257th bit. */
static bool u256_push_digit(struct base_u256 *value, unsigned radix, unsigned digit)
{
    unsigned carry = digit;
    for (size_t i = sizeof value->bytes; i-- > 0;) {
        carry += value->bytes[i] * radix;
        value->bytes[i] = (uint8_t)(carry & 0xff);
        carry >>= 8;
    }
    return carry == 0;
}

int base_u256_parse(struct base_u256 *out, const char *text)
{
    struct base_u256 value = {{0}};
    unsigned radix = 10;
    assert(out != NULL);
    assert(text != NULL);
    if (text[0] == '0' && text[1] == 'x') {
        radix = 16;
        text += 2;
    }
    if (*text == '\0') return BASE_EMALFORMED;
    bool fits = true;
    for (; *text != '\0'; text++) {
        int digit = hex_digit(*text);
        if (digit < 0 || (unsigned)digit >= radix) return BASE_EMALFORMED;
        fits = fits && u256_push_digit(&value, radix, (unsigned)digit);
    }
    if (!fits) return BASE_ETOOBIG;
    *out = value;
    return BASE_OK;
}

/* ---- big-endian integers ---- */

void base_put_u16be(uint8_t out[2], uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)(value & 0xff);
}

void base_put_u32be(uint8_t out[4], uint32_t value)
{
    base_put_u16be(out, (uint16_t)(value >> 16));
    base_put_u16be(out + 2, (uint16_t)(value & 0xffff));
}

void base_put_u64be(uint8_t out[8], uint64_t value)
{
    base_put_u32be(out, (uint32_t)(value >> 32));
    base_put_u32be(out + 4, (uint32_t)(value & 0xffffffff));
}

uint16_t base_get_u16be(const uint8_t in[2])
{
    return (uint16_t)((unsigned)in[0] << 8 | in[1]);
}

uint32_t base_get_u32be(const uint8_t in[4])
{
    return (uint32_t)base_get_u16be(in) << 16 | base_get_u16be(in + 2);
}

uint64_t base_get_u64be(const uint8_t in[8])
{
    return (uint64_t)base_get_u32be(in) << 32 | base_get_u32be(in + 4);
}

/* ---- hex ---- */

void base_hex_encode(char *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 0xf];
    }
    out[2 * len] = '\0';
}

int base_hex_decode(void *out, size_t len, const char *text, size_t text_len)
{
    uint8_t *bytes = out;
    if (text_len % 2 != 0 || text_len / 2 != len) return BASE_EMALFORMED;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return BASE_EMALFORMED;
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return BASE_OK;
}

static const char *after_0x(const char *text)
{
    return text[0] == '0' && text[1] == 'x' ? text + 2 : text;
}

int base_hex_decode_0x(void *out, size_t len, const char *text)
{
    const char *digits = after_0x(text);
    return base_hex_decode(out, len, digits, strlen(digits));
}

int base_hex_decode_var(uint8_t *out, size_t *out_len, size_t cap, const char *text)
{
    const char *digits = after_0x(text);
    size_t text_len = strlen(digits);
    if (text_len / 2 > cap) return BASE_ETOOBIG;
    int rv = base_hex_decode(out, text_len / 2, digits, text_len);
    if (rv == BASE_OK) *out_len = text_len / 2;
    return rv;
}

/* ---- addresses ---- */

void base_address_format(char out[BASE_ADDRESS_TEXT_BYTES], const struct base_eth_address *addr)
{
    struct base_hash32 hash;
    char *digits = out + 2;
    out[0] = '0';
    out[1] = 'x';
    base_hex_encode(digits, addr->bytes, sizeof addr->bytes);
    /* EIP-55: a letter is upper case where the hash of the lower-case digits has a nibble >= 8. */
    base_keccak256(&hash, digits, 40);
    for (size_t i = 0; i < 40; i++) {
        unsigned nibble = i % 2 == 0 ? hash.bytes[i / 2] >> 4 : hash.bytes[i / 2] & 0xfu;
        if (digits[i] >= 'a' && nibble >= 8) digits[i] = (char)(digits[i] - 'a' + 'A');
    }
}

static bool has_letter_between(const char *text, char first, char last)
{
    for (; *text != '\0'; text++)
        if (*text >= first && *text <= last) return true;
    return false;
}

int base_address_parse(struct base_eth_address *out, const char *text)
{
    struct base_eth_address addr;
    char checksummed[BASE_ADDRESS_TEXT_BYTES];
    assert(out != NULL);
    assert(text != NULL);
    if (text[0] != '0' || text[1] != 'x') return BASE_EMALFORMED;
    int rv = base_hex_decode(addr.bytes, sizeof addr.bytes, text + 2, strlen(text + 2));
    if (rv != BASE_OK) return rv;
    if (has_letter_between(text + 2, 'a', 'f') && has_letter_between(text + 2, 'A', 'F')) {
        base_address_format(checksummed, &addr);
        if (strcmp(checksummed, text) != 0) return BASE_EMALFORMED;
    }
    *out = addr;
    return BASE_OK;
}

/* ---- secrets ---- */

void base_memzero(void *data, size_t len)
{
    /* The compiler must load the pointer, so it cannot know that the call has no effect. */
    static void *(*const volatile set)(void *, int, size_t) = memset;
    if (len > 0) set(data, 0, len);
}
