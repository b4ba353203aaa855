#include "base/u256.h"

#include <assert.h>
#include <string.h>

static const struct base_u256 largest = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct base_u256 base_u256_add(const struct base_u256 *a, const struct base_u256 *b)
{
    struct base_u256 sum;
    unsigned carry = 0;
    for (size_t i = sizeof sum.bytes; i-- > 0;) {
        unsigned digit = (unsigned)a->bytes[i] + b->bytes[i] + carry;
        sum.bytes[i] = (uint8_t)digit;
        carry = digit >> 8;
    }
    return carry != 0 ? largest : sum;
}

struct base_u256 base_u256_times(const struct base_u256 *a, uint64_t factor)
{
    struct base_u256 sum = base_u256_from_u64(0), shifted = *a;
    for (; factor != 0; factor >>= 1) {
        if (factor & 1) sum = base_u256_add(&sum, &shifted);
        shifted = base_u256_add(&shifted, &shifted);
    }
    return sum;
}

struct base_u256 base_u256_sub(const struct base_u256 *a, const struct base_u256 *b)
{
    struct base_u256 rest = base_u256_from_u64(0);
    int borrow = 0;
    if (base_u256_compare(a, b) <= 0) return rest;
    for (size_t i = sizeof rest.bytes; i-- > 0;) {
        int digit = (int)a->bytes[i] - b->bytes[i] - borrow;
        borrow = digit < 0;
        rest.bytes[i] = (uint8_t)(digit + (borrow ? 256 : 0));
    }
    return rest;
}

void base_u256_format(char out[BASE_U256_TEXT_BYTES], const struct base_u256 *value)
{
    struct base_u256 rest = *value;
    char digits[BASE_U256_TEXT_BYTES];
    size_t count = 0;
    do {
        unsigned remainder = 0;
        for (size_t i = 0; i < sizeof rest.bytes; i++) {
            unsigned part = remainder * 256 + rest.bytes[i];
            rest.bytes[i] = (uint8_t)(part / 10);
            remainder = part % 10;
        }
        digits[count++] = (char)('0' + remainder);
    } while (!base_is_zero(rest.bytes, sizeof rest.bytes));
    assert(count < sizeof digits);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    out[count] = '\0';
}

static void format_shifted(char out[BASE_ETHER_TEXT_BYTES], const struct base_u256 *wei,
                           size_t decimals)
{
    char digits[BASE_U256_TEXT_BYTES];
    base_u256_format(digits, wei);
    size_t len = strlen(digits), whole = len > decimals ? len - decimals : 0, at = 0;
    for (size_t i = 0; i < whole; i++)
        out[at++] = digits[i];
    if (whole == 0) out[at++] = '0';
    out[at++] = '.';
    for (size_t zeros = len < decimals ? decimals - len : 0; zeros > 0; zeros--)
        out[at++] = '0';
    for (size_t i = whole; i < len; i++)
        out[at++] = digits[i];
    while (out[at - 1] == '0')
        at--;
    if (out[at - 1] == '.') at--;
    out[at] = '\0';
}

void base_ether_format(char out[BASE_ETHER_TEXT_BYTES], const struct base_u256 *wei)
{
    format_shifted(out, wei, 18);
}

void base_gwei_format(char out[BASE_ETHER_TEXT_BYTES], const struct base_u256 *wei)
{
    format_shifted(out, wei, 9);
}
