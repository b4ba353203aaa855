/* Fixed-size values: comparing, numbers of 256 bits, big-endian integers, hex. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/err.h"

/* A difference in the first or last byte alone is a difference. */
static void test_equal(void **state)
{
    struct base_hash32 h1 = {{0}}, h2 = {{0}};
    struct base_eth_address a1 = {{0}}, a2 = {{0}};
    struct base_key33 k1 = {{0}}, k2 = {{0}};
    struct base_u256 u1 = {{0}}, u2 = {{0}};
    (void)state;
    assert_true(base_hash32_equal(&h1, &h2));
    assert_true(base_address_equal(&a1, &a2));
    assert_true(base_key33_equal(&k1, &k2));
    assert_true(base_u256_equal(&u1, &u2));
    h2.bytes[31] = a2.bytes[19] = k2.bytes[32] = u2.bytes[31] = 1;
    assert_false(base_hash32_equal(&h1, &h2));
    assert_false(base_address_equal(&a1, &a2));
    assert_false(base_key33_equal(&k1, &k2));
    assert_false(base_u256_equal(&u1, &u2));
    h1 = h2, a1 = a2, k1 = k2, u1 = u2;
    h1.bytes[0] = a1.bytes[0] = k1.bytes[0] = u1.bytes[0] = 0x80;
    assert_false(base_hash32_equal(&h1, &h2));
    assert_false(base_address_equal(&a1, &a2));
    assert_false(base_key33_equal(&k1, &k2));
    assert_false(base_u256_equal(&u1, &u2));
}

static void test_compare(void **state)
{
    struct base_key33 low = {{2, 1}}, high = {{2, 0x80}};
    struct base_u256 one = base_u256_from_u64(1), big = {{0x80}};
    (void)state;
    assert_true(base_key33_compare(&low, &high) < 0);
    assert_true(base_key33_compare(&high, &low) > 0);
    assert_int_equal(base_key33_compare(&low, &low), 0);
    assert_true(base_u256_compare(&one, &big) < 0);
    assert_true(base_u256_compare(&big, &one) > 0);
    assert_int_equal(base_u256_compare(&big, &big), 0);
}

static void test_is_zero(void **state)
{
    uint8_t data[40] = {0};
    (void)state;
    assert_true(base_is_zero(data, sizeof data));
    assert_true(base_is_zero(NULL, 0));
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = 0x80;
        assert_false(base_is_zero(data, sizeof data));
        assert_true(base_is_zero(data, i));
        data[i] = 0;
    }
}

static void test_u256_to_u64(void **state)
{
    static const uint64_t values[] = {0, 1, 255, 256, 0x0123456789abcdef, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct base_u256 u = base_u256_from_u64(values[i]);
        uint64_t back = ~values[i];
        assert_int_equal(base_u256_to_u64(&back, &u), BASE_OK);
        assert_int_equal(back, values[i]);
    }
    for (size_t at = 0; at < 24; at++) {
        struct base_u256 u = base_u256_from_u64(7);
        uint64_t untouched = 99;
        u.bytes[at] = 1;
        assert_int_equal(base_u256_to_u64(&untouched, &u), BASE_ETOOBIG);
        assert_int_equal(untouched, 99);
    }
}

#define DECIMAL_MAX "115792089237316195423570985008687907853269984665640564039457584007913129639935"
#define DECIMAL_2_256                                                                              \
    "115792089237316195423570985008687907853269984665640564039457584007913129639936"
#define HEX_MAX "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void test_u256_parse(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},        {"7", 7},
        {"0x0", 0},      {"0xff", 255},
        {"0xFf", 255},   {"000010", 10},
        {"0x00010", 16}, {"256", 256},
        {"0xa", 10},     {"18446744073709551615", UINT64_MAX},
    };
    struct base_u256 u, max;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct base_u256 want = base_u256_from_u64(good[i].value);
        assert_int_equal(base_u256_parse(&u, good[i].text), BASE_OK);
        assert_true(base_u256_equal(&u, &want));
    }
    memset(max.bytes, 0xff, sizeof max.bytes);
    assert_int_equal(base_u256_parse(&u, DECIMAL_MAX), BASE_OK);
    assert_true(base_u256_equal(&u, &max));
    assert_int_equal(base_u256_parse(&u, "0x" HEX_MAX), BASE_OK);
    assert_true(base_u256_equal(&u, &max));
}

static void test_u256_parse_refuses(void **state)
{
    static const char *const malformed[] = {"",
                                            "0x",
                                            "0X1",
                                            "a",
                                            "1a",
                                            "0xg",
                                            "-1",
                                            "+1",
                                            " 1",
                                            "1 ",
                                            "1.0",
                                            "x1",
                                            "0x-1",
                                            "1_000",
                                            "1e3",
                                            "0x 1",
                                            DECIMAL_2_256 "z"};
    static const char *const too_big[] = {DECIMAL_2_256, DECIMAL_MAX "0", "0x1" HEX_MAX,
                                          "0x" HEX_MAX "0", DECIMAL_MAX DECIMAL_MAX DECIMAL_MAX};
    struct base_u256 untouched = base_u256_from_u64(99), want = untouched;
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_equal(base_u256_parse(&untouched, malformed[i]), BASE_EMALFORMED);
    for (size_t i = 0; i < sizeof too_big / sizeof too_big[0]; i++)
        assert_int_equal(base_u256_parse(&untouched, too_big[i]), BASE_ETOOBIG);
    assert_true(base_u256_equal(&untouched, &want));
}

static void test_big_endian(void **state)
{
    static const uint8_t bytes[8] = {0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    uint8_t out[8];
    (void)state;
    assert_int_equal(base_get_u16be(bytes), 0xfedc);
    assert_int_equal(base_get_u32be(bytes), 0xfedcba98);
    assert_true(base_get_u64be(bytes) == 0xfedcba9876543210);
    base_put_u16be(out, 0xfedc);
    assert_memory_equal(out, bytes, 2);
    base_put_u32be(out, 0xfedcba98);
    assert_memory_equal(out, bytes, 4);
    base_put_u64be(out, 0xfedcba9876543210);
    assert_memory_equal(out, bytes, 8);
}

static void test_hex(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0x9a, 0xbc, 0xde, 0xf0, 0xff};
    char text[2 * sizeof bytes + 1];
    uint8_t back[sizeof bytes];
    size_t len = 0;
    (void)state;
    base_hex_encode(text, bytes, sizeof bytes);
    assert_string_equal(text, "00019abcdef0ff");
    assert_int_equal(base_hex_decode(back, sizeof back, text, strlen(text)), BASE_OK);
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_int_equal(base_hex_decode_0x(back, sizeof back, "0x00019ABCDEF0FF"), BASE_OK);
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_int_equal(base_hex_decode_0x(back, sizeof back, "00019aBCdEF0FF"), BASE_OK);
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_int_equal(base_hex_decode_var(back, &len, sizeof back, "0x00019abcdef0ff"), BASE_OK);
    assert_int_equal(len, sizeof bytes);
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_int_equal(base_hex_decode_var(back, &len, sizeof back, "0x"), BASE_OK);
    assert_int_equal(len, 0);
    base_hex_encode(text, bytes, 0);
    assert_string_equal(text, "");
}

static void test_hex_refuses(void **state)
{
    static const char *const bad[] = {"0",  "0g",   "g0",   "/0",  ":0",      "@0",
                                      "G0", "`0",   " 0",   "0 ",  "0x0",     "\n0",
                                      "-1", "0x0x", "0X00", "x00", "\xc3\xa4"};
    uint8_t out[8];
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(base_hex_decode(out, 1, bad[i], strlen(bad[i])), BASE_EMALFORMED);
        assert_int_equal(base_hex_decode_0x(out, 1, bad[i]), BASE_EMALFORMED);
        assert_int_equal(base_hex_decode_var(out, &len, sizeof out, bad[i]), BASE_EMALFORMED);
    }
    /* The length is a promise, in both directions. */
    assert_int_equal(base_hex_decode(out, 2, "00", 2), BASE_EMALFORMED);
    assert_int_equal(base_hex_decode(out, 1, "0000", 4), BASE_EMALFORMED);
    assert_int_equal(base_hex_decode(out, 1, "000", 3), BASE_EMALFORMED);
    assert_int_equal(base_hex_decode(out, 1, "0x00", 4), BASE_EMALFORMED);
    assert_int_equal(base_hex_decode_0x(out, 1, "0x0000"), BASE_EMALFORMED);
    assert_int_equal(base_hex_decode_0x(out, 1, ""), BASE_EMALFORMED);
    assert_int_equal(base_hex_decode_var(out, &len, 2, "000000"), BASE_ETOOBIG);
}

static void test_memzero(void **state)
{
    uint8_t secret[33];
    (void)state;
    memset(secret, 0xaa, sizeof secret);
    base_memzero(secret, sizeof secret - 1);
    assert_true(base_is_zero(secret, sizeof secret - 1));
    assert_int_equal(secret[32], 0xaa);
    base_memzero(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),       cmocka_unit_test(test_compare),
        cmocka_unit_test(test_is_zero),     cmocka_unit_test(test_u256_to_u64),
        cmocka_unit_test(test_u256_parse),  cmocka_unit_test(test_u256_parse_refuses),
        cmocka_unit_test(test_big_endian),  cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hex_refuses), cmocka_unit_test(test_memzero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
