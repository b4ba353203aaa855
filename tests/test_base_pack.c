/* MessagePack both ways: what we write msgpack-c reads, and what we read has one form only. */
#include "json_vectors.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/pack.h"
#include "base/prng.h"

/* ---- the oracle: msgpack-c reads what we write ---- */

static void oracle_open(msgpack_unpacked *out, const struct base_packer *p)
{
    size_t at = 0;
    assert_false(p->failed);
    msgpack_unpacked_init(out);
    assert_int_equal(msgpack_unpack_next(out, (const char *)p->data, p->len, &at),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, p->len);
}

static const uint64_t edges[] = {
    0,         1,      0x1f,    0x20,       0x7f,        0x80,      0xff,
    0x100,     0xffff, 0x10000, 0xffffffff, 0x100000000, INT64_MAX, (uint64_t)INT64_MAX + 1,
    UINT64_MAX};

static void test_u64(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        uint8_t wire[16];
        struct base_packer p;
        struct base_unpacker u;
        msgpack_unpacked oracle;
        uint64_t value;
        base_packer_init(&p, wire, sizeof wire);
        base_pack_u64(&p, edges[i]);
        oracle_open(&oracle, &p);
        assert_int_equal(oracle.data.type, MSGPACK_OBJECT_POSITIVE_INTEGER);
        assert_true(oracle.data.via.u64 == edges[i]);
        base_unpacker_init(&u, wire, p.len);
        assert_int_equal(base_unpack_u64(&u, &value), BASE_OK);
        assert_true(value == edges[i]);
        assert_true(base_unpack_at_end(&u));
        msgpack_unpacked_destroy(&oracle);
    }
}

static void test_bool(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t wire[1];
        struct base_packer p;
        struct base_unpacker u;
        msgpack_unpacked oracle;
        bool value = i == 0;
        base_packer_init(&p, wire, sizeof wire);
        base_pack_bool(&p, i == 1);
        oracle_open(&oracle, &p);
        assert_int_equal(oracle.data.type, MSGPACK_OBJECT_BOOLEAN);
        assert_int_equal(oracle.data.via.boolean, i == 1);
        base_unpacker_init(&u, wire, p.len);
        assert_int_equal(base_unpack_bool(&u, &value), BASE_OK);
        assert_int_equal(value, i == 1);
        msgpack_unpacked_destroy(&oracle);
    }
}

static const size_t lens[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000};

static void test_bin_and_str(void **state)
{
    size_t cap = 70000 + 5;
    uint8_t *wire = malloc(cap), *body = malloc(70000);
    (void)state;
    assert_non_null(wire);
    assert_non_null(body);
    memset(body, 'x', 70000);
    for (size_t i = 0; i < 2 * sizeof lens / sizeof lens[0]; i++) {
        size_t len = lens[i / 2];
        bool is_str = i % 2 == 1;
        struct base_packer p;
        struct base_unpacker u;
        struct base_slice out;
        msgpack_unpacked oracle;
        base_packer_init(&p, wire, cap);
        if (is_str)
            base_pack_str(&p, (const char *)body, len);
        else
            base_pack_bin(&p, body, len);
        oracle_open(&oracle, &p);
        assert_int_equal(oracle.data.type, is_str ? MSGPACK_OBJECT_STR : MSGPACK_OBJECT_BIN);
        assert_int_equal(oracle.data.via.bin.size, len);
        base_unpacker_init(&u, wire, p.len);
        assert_int_equal(is_str ? base_unpack_str(&u, &out, len) : base_unpack_bin(&u, &out, len),
                         BASE_OK);
        assert_int_equal(out.len, len);
        assert_ptr_equal(out.data, wire + p.len - len);
        assert_true(base_unpack_at_end(&u));
        msgpack_unpacked_destroy(&oracle);
        if (len == 0) continue;
        base_unpacker_init(&u, wire, p.len); /* one below the length is too little */
        assert_int_equal(is_str ? base_unpack_str(&u, &out, len - 1)
                                : base_unpack_bin(&u, &out, len - 1),
                         BASE_ETOOBIG);
        base_unpacker_init(&u, wire, p.len - 1); /* and so is a byte cut off */
        assert_int_equal(is_str ? base_unpack_str(&u, &out, len) : base_unpack_bin(&u, &out, len),
                         BASE_EMALFORMED);
    }
    free(body);
    free(wire);
}

static void test_map_and_array(void **state)
{
    static const uint32_t counts[] = {0, 1, 15, 16, 65535, 65536};
    size_t cap = 2 * 65536 + 5;
    uint8_t *wire = malloc(cap);
    (void)state;
    assert_non_null(wire);
    for (size_t i = 0; i < 2 * sizeof counts / sizeof counts[0]; i++) {
        uint32_t want = counts[i / 2], count = 99;
        bool is_map = i % 2 == 1;
        struct base_packer p;
        struct base_unpacker u;
        msgpack_unpacked oracle;
        base_packer_init(&p, wire, cap);
        if (is_map)
            base_pack_map(&p, want);
        else
            base_pack_array(&p, want);
        for (uint32_t j = 0; j < (is_map ? 2 * want : want); j++)
            base_pack_u64(&p, 7);
        oracle_open(&oracle, &p);
        assert_int_equal(oracle.data.type, is_map ? MSGPACK_OBJECT_MAP : MSGPACK_OBJECT_ARRAY);
        assert_int_equal(oracle.data.via.array.size, want);
        base_unpacker_init(&u, wire, p.len);
        assert_int_equal(is_map ? base_unpack_map(&u, &count, want)
                                : base_unpack_array(&u, &count, want),
                         BASE_OK);
        assert_int_equal(count, want);
        msgpack_unpacked_destroy(&oracle);
        if (want == 0) continue;
        base_unpacker_init(&u, wire, p.len);
        assert_int_equal(is_map ? base_unpack_map(&u, &count, want - 1)
                                : base_unpack_array(&u, &count, want - 1),
                         BASE_ETOOBIG);
        base_unpacker_init(&u, wire, p.len - 1); /* an entry that cannot be there */
        assert_int_equal(is_map ? base_unpack_map(&u, &count, want)
                                : base_unpack_array(&u, &count, want),
                         BASE_EMALFORMED);
    }
    free(wire);
}

/* Random values nested to the bound: we and msgpack-c end at the same byte. */
static void pack_random(struct base_packer *p, struct base_prng *prng, unsigned depth_left)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz";
    uint64_t kinds = depth_left > 0 ? 6 : 4;
    uint32_t count = (uint32_t)base_prng_below(prng, 5);
    switch (base_prng_below(prng, kinds)) {
    case 0:
        base_pack_u64(p, base_prng_u64(prng) >> base_prng_below(prng, 64));
        return;
    case 1:
        base_pack_bool(p, count % 2 == 0);
        return;
    case 2:
        base_pack_bin(p, text, base_prng_below(prng, sizeof text));
        return;
    case 3:
        base_pack_str(p, text, base_prng_below(prng, sizeof text));
        return;
    case 4:
        base_pack_array(p, count);
        break;
    case 5:
        base_pack_map(p, count);
        count *= 2;
        break;
    }
    for (uint32_t i = 0; i < count; i++)
        pack_random(p, prng, depth_left - 1);
}

static void test_random_values(void **state)
{
    static uint8_t wire[1 << 18];
    struct base_prng prng;
    (void)state;
    base_prng_init(&prng, 1);
    for (unsigned i = 0; i < 2000; i++) {
        struct base_packer p;
        struct base_unpacker u;
        struct base_slice whole;
        msgpack_unpacked oracle;
        base_packer_init(&p, wire, sizeof wire);
        pack_random(&p, &prng, 4);
        oracle_open(&oracle, &p);
        msgpack_unpacked_destroy(&oracle);
        base_unpacker_init(&u, wire, p.len);
        assert_int_equal(base_unpack_skip(&u, &whole), BASE_OK);
        assert_true(base_unpack_at_end(&u));
        assert_ptr_equal(whole.data, wire);
        assert_int_equal(whole.len, p.len);
        for (size_t cut = 0; cut < p.len && cut < 64; cut++) {
            base_unpacker_init(&u, wire, cut);
            assert_int_equal(base_unpack_skip(&u, NULL), BASE_EMALFORMED);
        }
    }
}

/* ---- writing: the bound ---- */

static void test_writer_stays_within_cap(void **state)
{
    uint8_t wire[64], guard = 0xaa;
    (void)state;
    for (size_t cap = 0; cap < 40; cap++) {
        struct base_packer p;
        memset(wire, guard, sizeof wire);
        base_packer_init(&p, wire, cap);
        base_pack_map(&p, 1);                /* 1 */
        base_pack_str(&p, "key", 3);         /* 4 */
        base_pack_array(&p, 3);              /* 1 */
        base_pack_u64(&p, UINT64_MAX);       /* 9 */
        base_pack_bool(&p, true);            /* 1 */
        base_pack_bin(&p, "0123456789", 10); /* 12, in sum 28 */
        assert_int_equal(p.failed, cap < 28);
        assert_true(p.len <= cap);
        for (size_t i = cap; i < sizeof wire; i++)
            assert_int_equal(wire[i], guard);
    }
}

static void test_writer_failure_sticks(void **state)
{
    uint8_t wire[4];
    struct base_packer p;
    (void)state;
    base_packer_init(&p, wire, sizeof wire);
    base_pack_u64(&p, 1);
    base_pack_bin(&p, "too long", 8);
    assert_true(p.failed);
    size_t len = p.len;
    base_pack_u64(&p, 1);
    base_pack_bool(&p, true);
    assert_true(p.failed);
    assert_int_equal(p.len, len);
    base_packer_init(&p, wire, 2);
    base_pack_bin(&p, NULL, 0);
    assert_false(p.failed);
    assert_int_equal(p.len, 2);
}

/* ---- reading: what is refused ---- */

/* Each of these is a value to msgpack-c, and none to us. */
static void test_other_forms_refused(void **state)
{
    const char *text = *state;
    size_t len, at = 0;
    uint8_t *wire = json_vectors_decode_new(&len, text);
    struct base_unpacker u;
    struct base_slice out;
    msgpack_unpacked oracle;
    msgpack_unpacked_init(&oracle);
    assert_int_equal(msgpack_unpack_next(&oracle, (const char *)wire, len, &at),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, len);
    msgpack_unpacked_destroy(&oracle);
    base_unpacker_init(&u, wire, len);
    assert_int_equal(base_unpack_skip(&u, &out), BASE_EMALFORMED);
    free(wire);
}

static const char *const other_forms[] = {
    "cc00",                 /* 0 in two bytes */
    "cc7f",                 /* 127 in two */
    "cd0000",               /* 0 in three */
    "cd00ff",               /* 255 in three */
    "ce00000000",           /* 0 in five */
    "ce0000ffff",           /* 65535 in five */
    "cf0000000000000000",   /* 0 in nine */
    "cf00000000ffffffff",   /* 2^32 - 1 in nine */
    "c50000",               /* no bytes, 16-bit length */
    "c5000161",             /* one byte, 16-bit length */
    "c600000000",           /* no bytes, 32-bit length */
    "c60000000161",         /* one byte, 32-bit length */
    "d900",                 /* no text, 8-bit length */
    "d90161",               /* one letter, 8-bit length */
    "da0000",               /* no text, 16-bit length */
    "da000161",             /* one letter, 16-bit length */
    "db00000000",           /* no text, 32-bit length */
    "db0000000161",         /* one letter, 32-bit length */
    "dc0000",               /* empty array, 16-bit count */
    "dc000101",             /* one entry, 16-bit count */
    "dd00000000",           /* empty array, 32-bit count */
    "de0000",               /* empty map, 16-bit count */
    "de00010102",           /* one pair, 16-bit count */
    "df00000000",           /* empty map, 32-bit count */
    "91cc00",               /* one of these inside an array */
    "8101cc00",             /* and as a value in a map */
    "81cc0001",             /* and as its key */
    "c0",                   /* nil */
    "e0",                   /* -32 */
    "ff",                   /* -1 */
    "d0ff",                 /* -1 in two bytes */
    "d07f",                 /* 127 as a signed byte */
    "d1ffff",               /* -1 in three */
    "d2ffffffff",           /* -1 in five */
    "d3ffffffffffffffff",   /* -1 in nine */
    "ca3f800000",           /* 1.0f */
    "cb3ff0000000000000",   /* 1.0 */
    "d40161",               /* ext of one byte */
    "d5016162",             /* of two */
    "d60161626364",         /* of four */
    "d7016162636465666768", /* of eight */
    "d80161626364656667686162636465666768",
    "c70001", /* ext of no byte */
    "c7010161",
    "c800010161",
    "c9000000010161",
    "a1ff",   /* text that is not UTF-8 */
    "a2c080", /* an overlong NUL */
};

static void test_malformed(void **state)
{
    static const char *const bad[] = {
        "",     "c1",         "cc",         "cd00",       "ce000000",   "cf00000000000000",
        "c4",   "c401",       "c5ffff",     "c6ffffffff", "a1",         "bf61",
        "d9",   "d9ff",       "db7fffffff", "91",         "9f01",       "81",
        "8101", "8f0101",     "dc",         "dcffff",     "ddffffffff", "deffff",
        "df",   "df7fffffff", "dfffffffff",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t len;
        uint8_t *wire = json_vectors_decode_new(&len, bad[i]);
        struct base_unpacker u;
        base_unpacker_init(&u, wire, len);
        assert_int_equal(base_unpack_skip(&u, NULL), BASE_EMALFORMED);
        assert_true(u.failed);
        assert_false(base_unpack_at_end(&u));
        free(wire);
    }
}

/* Each reader takes its own kind and no other. */
static void test_kinds_are_not_mixed(void **state)
{
    static const char *const of_kind[] = {"01", "c3", "c40161", "a161", "9101", "810101"};
    (void)state;
    for (size_t reader = 0; reader < 6; reader++) {
        for (size_t kind = 0; kind < 6; kind++) {
            size_t len;
            uint8_t *wire = json_vectors_decode_new(&len, of_kind[kind]);
            struct base_unpacker u;
            struct base_slice slice;
            uint64_t number;
            uint32_t count;
            bool truth;
            int rv = 1;
            base_unpacker_init(&u, wire, len);
            if (reader == 0) rv = base_unpack_u64(&u, &number);
            if (reader == 1) rv = base_unpack_bool(&u, &truth);
            if (reader == 2) rv = base_unpack_bin(&u, &slice, 10);
            if (reader == 3) rv = base_unpack_str(&u, &slice, 10);
            if (reader == 4) rv = base_unpack_array(&u, &count, 10);
            if (reader == 5) rv = base_unpack_map(&u, &count, 10);
            assert_int_equal(rv, reader == kind ? BASE_OK : BASE_EMALFORMED);
            free(wire);
        }
    }
}

static void test_bin_exact(void **state)
{
    static const uint8_t wire[] = {0xc4, 3, 'a', 'b', 'c'};
    uint8_t out[4] = {0};
    struct base_unpacker u;
    (void)state;
    base_unpacker_init(&u, wire, sizeof wire);
    assert_int_equal(base_unpack_bin_exact(&u, out, 3), BASE_OK);
    assert_memory_equal(out, "abc", 4);
    for (size_t len = 0; len <= 4; len++) {
        if (len == 3) continue;
        base_unpacker_init(&u, wire, sizeof wire);
        assert_int_equal(base_unpack_bin_exact(&u, out, len), BASE_EMALFORMED);
    }
    base_unpacker_init(&u, wire, sizeof wire - 1);
    assert_int_equal(base_unpack_bin_exact(&u, out, 3), BASE_EMALFORMED);
    base_unpacker_init(&u, "\xc4", 2);
    assert_int_equal(base_unpack_bin_exact(&u, NULL, 0), BASE_OK);
    base_unpacker_init(&u,
                       "\xa3"
                       "abc",
                       4); /* text is not bytes */
    assert_int_equal(base_unpack_bin_exact(&u, out, 3), BASE_EMALFORMED);
}

/* After a failure nothing is read any more, even where a good value follows. */
static void test_failure_sticks(void **state)
{
    static const uint8_t wire[] = {0xc0, 0x01, 0xc3, 0xc4, 0, 0xa0, 0x90, 0x80};
    struct base_unpacker u;
    struct base_slice slice;
    uint64_t number;
    uint32_t count;
    bool truth;
    (void)state;
    base_unpacker_init(&u, wire, sizeof wire);
    assert_int_equal(base_unpack_u64(&u, &number), BASE_EMALFORMED);
    assert_int_equal(base_unpack_u64(&u, &number), BASE_EMALFORMED);
    u.pos = 2;
    assert_int_equal(base_unpack_bool(&u, &truth), BASE_EMALFORMED);
    u.pos = 3;
    assert_int_equal(base_unpack_bin(&u, &slice, 10), BASE_EMALFORMED);
    assert_int_equal(base_unpack_bin_exact(&u, NULL, 0), BASE_EMALFORMED);
    u.pos = 5;
    assert_int_equal(base_unpack_str(&u, &slice, 10), BASE_EMALFORMED);
    u.pos = 6;
    assert_int_equal(base_unpack_array(&u, &count, 10), BASE_EMALFORMED);
    u.pos = 7;
    assert_int_equal(base_unpack_map(&u, &count, 10), BASE_EMALFORMED);
    assert_int_equal(base_unpack_skip(&u, &slice), BASE_EMALFORMED);
    u.pos = sizeof wire;
    assert_false(base_unpack_at_end(&u));
}

static void test_skip_depth(void **state)
{
    static const uint8_t four[] = {0x91, 0x91, 0x91, 0x91, 0x01};
    static const uint8_t five[] = {0x91, 0x91, 0x91, 0x91, 0x91, 0x01};
    static const uint8_t five_empty[] = {0x91, 0x91, 0x91, 0x91, 0x90};
    static const uint8_t five_maps[] = {0x81, 1, 0x81, 1, 0x81, 1, 0x81, 1, 0x81, 1, 1};
    struct base_unpacker u;
    (void)state;
    base_unpacker_init(&u, four, sizeof four);
    assert_int_equal(base_unpack_skip(&u, NULL), BASE_OK);
    base_unpacker_init(&u, five, sizeof five);
    assert_int_equal(base_unpack_skip(&u, NULL), BASE_ETOOBIG);
    base_unpacker_init(&u, five_empty, sizeof five_empty);
    assert_int_equal(base_unpack_skip(&u, NULL), BASE_ETOOBIG);
    base_unpacker_init(&u, five_maps, sizeof five_maps);
    assert_int_equal(base_unpack_skip(&u, NULL), BASE_ETOOBIG);
}

/* One value, and no more: what follows is the next one's. */
static void test_skip_stops_behind_one_value(void **state)
{
    static const uint8_t wire[] = {0x82, 0xa1, 'a', 0x92, 1, 2, 0xa1, 'b', 0xc2, 0x2a};
    struct base_unpacker u;
    struct base_slice slice;
    uint64_t number;
    (void)state;
    base_unpacker_init(&u, wire, sizeof wire);
    assert_int_equal(base_unpack_skip(&u, &slice), BASE_OK);
    assert_ptr_equal(slice.data, wire);
    assert_int_equal(slice.len, 9);
    assert_false(base_unpack_at_end(&u));
    assert_int_equal(base_unpack_u64(&u, &number), BASE_OK);
    assert_int_equal(number, 42);
    assert_true(base_unpack_at_end(&u));
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_vectors_add(&tests, test_u64, NULL, "u64");
    json_vectors_add(&tests, test_bool, NULL, "bool");
    json_vectors_add(&tests, test_bin_and_str, NULL, "bin and str");
    json_vectors_add(&tests, test_map_and_array, NULL, "map and array");
    json_vectors_add(&tests, test_random_values, NULL, "random values, seed 1");
    json_vectors_add(&tests, test_writer_stays_within_cap, NULL, "writer stays within cap");
    json_vectors_add(&tests, test_writer_failure_sticks, NULL, "writer failure sticks");
    for (size_t i = 0; i < sizeof other_forms / sizeof other_forms[0]; i++)
        json_vectors_add(&tests, test_other_forms_refused, other_forms[i], "refused: %s",
                         other_forms[i]);
    json_vectors_add(&tests, test_malformed, NULL, "malformed");
    json_vectors_add(&tests, test_kinds_are_not_mixed, NULL, "kinds are not mixed");
    json_vectors_add(&tests, test_bin_exact, NULL, "bin of an exact length");
    json_vectors_add(&tests, test_failure_sticks, NULL, "failure sticks");
    json_vectors_add(&tests, test_skip_depth, NULL, "skip: depth");
    json_vectors_add(&tests, test_skip_stops_behind_one_value, NULL, "skip: one value");
    return json_vectors_run(&tests, "pack", NULL);
}
