/* HELLO's codec: one encoding, every key needed, nothing but what the page says. */
#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "attest/hello.h"
#include "base/err.h"
#include "base/pack.h"

#define KEYS 16 /* 0 to 15 */
static const char settings_text[] = "finality=latest purpose=nftmesh-node-v1 weight=one window=8 "
                                    "lease=2000";
static uint8_t record_bytes[ATTEST_RECORD_BYTES_MAX];

static struct attest_hello sample(void)
{
    struct attest_hello h;
    memset(&h, 0, sizeof h);
    h.wire_minor = ATTEST_WIRE_MINOR;
    h.features = 0x8000000000000002;
    h.chain_id = 31337;
    memset(&h.contract, 0xc0, sizeof h.contract);
    h.settings = (struct base_slice){(const uint8_t *)settings_text, strlen(settings_text)};
    h.token_id = base_u256_from_u64(7);
    memset(&h.instance, 0x11, sizeof h.instance);
    memset(h.boot_id, 0xb0, sizeof h.boot_id);
    h.start_incarnation = 1795000000;
    memset(record_bytes, 0x5e, sizeof record_bytes);
    h.record = (struct base_slice){record_bytes, 200};
    memset(&h.record_sig, 1, sizeof h.record_sig);
    memset(&h.proof_key, 2, sizeof h.proof_key);
    memset(&h.app_id, 3, sizeof h.app_id);
    memset(&h.app_key, 4, sizeof h.app_key);
    memset(&h.app_sig, 5, sizeof h.app_sig);
    memset(&h.kms_sig, 6, sizeof h.kms_sig);
    memset(&h.pop, 7, sizeof h.pop);
    return h;
}

static void assert_slice_equal(struct base_slice a, struct base_slice b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static void assert_hello_equal(const struct attest_hello *a, const struct attest_hello *b)
{
    assert_int_equal(a->wire_minor, b->wire_minor);
    assert_true(a->features == b->features);
    assert_true(a->chain_id == b->chain_id);
    assert_memory_equal(&a->contract, &b->contract, sizeof a->contract);
    assert_slice_equal(a->settings, b->settings);
    assert_memory_equal(&a->token_id, &b->token_id, sizeof a->token_id);
    assert_memory_equal(&a->instance, &b->instance, sizeof a->instance);
    assert_memory_equal(a->boot_id, b->boot_id, sizeof a->boot_id);
    assert_true(a->start_incarnation == b->start_incarnation);
    assert_slice_equal(a->record, b->record);
    assert_memory_equal(&a->record_sig, &b->record_sig, sizeof a->record_sig);
    assert_memory_equal(&a->proof_key, &b->proof_key, sizeof a->proof_key);
    assert_memory_equal(&a->app_id, &b->app_id, sizeof a->app_id);
    assert_memory_equal(&a->app_key, &b->app_key, sizeof a->app_key);
    assert_memory_equal(&a->app_sig, &b->app_sig, sizeof a->app_sig);
    assert_memory_equal(&a->kms_sig, &b->kms_sig, sizeof a->kms_sig);
    assert_memory_equal(&a->pop, &b->pop, sizeof a->pop);
    assert_int_equal(a->has_authorisation, b->has_authorisation);
}

/* ---- a HELLO in parts: keys and the encoded values, to be put together wrongly ---- */

struct entry {
    uint64_t key;
    struct base_slice value; /* as encoded */
};
struct parts {
    uint8_t wire[ATTEST_HELLO_BYTES_MAX];
    struct entry entries[70];
    uint32_t count;
};

static struct parts *parts_new(void)
{
    struct parts *p = malloc(sizeof *p);
    struct attest_hello h = sample();
    struct base_unpacker u;
    size_t len;
    assert_non_null(p);
    memset(p, 0, sizeof *p);
    assert_int_equal(attest_hello_encode(p->wire, &len, sizeof p->wire, &h), BASE_OK);
    base_unpacker_init(&u, p->wire, len);
    assert_int_equal(base_unpack_map(&u, &p->count, 70), BASE_OK);
    assert_int_equal(p->count, KEYS);
    for (uint32_t i = 0; i < p->count; i++) {
        assert_int_equal(base_unpack_u64(&u, &p->entries[i].key), BASE_OK);
        assert_int_equal(base_unpack_skip(&u, &p->entries[i].value), BASE_OK);
    }
    assert_true(base_unpack_at_end(&u));
    return p;
}

/* Puts the parts together and decodes them; extra bytes follow the map. */
static int decode_parts(const struct parts *p, struct attest_hello *out, const void *extra,
                        size_t extra_len)
{
    uint8_t *wire = malloc(8192);
    struct base_packer packer;
    assert_non_null(wire);
    base_packer_init(&packer, wire, 8192);
    base_pack_map(&packer, p->count);
    for (uint32_t i = 0; i < p->count; i++) {
        base_pack_u64(&packer, p->entries[i].key);
        memcpy(packer.data + packer.len, p->entries[i].value.data, p->entries[i].value.len);
        packer.len += p->entries[i].value.len;
    }
    if (extra_len > 0) memcpy(packer.data + packer.len, extra, extra_len);
    packer.len += extra_len;
    assert_false(packer.failed);
    uint8_t *exact = malloc(packer.len);
    assert_non_null(exact);
    memcpy(exact, wire, packer.len);
    int rv = attest_hello_decode(out, exact, packer.len);
    free(exact);
    free(wire);
    return rv;
}

static void assert_malformed(const struct parts *p)
{
    static const struct attest_hello zeroed;
    struct attest_hello h;
    assert_int_equal(decode_parts(p, &h, NULL, 0), BASE_EMALFORMED);
    assert_memory_equal(&h, &zeroed, sizeof zeroed);
}

static void insert(struct parts *p, uint32_t at, struct entry entry)
{
    memmove(&p->entries[at + 1], &p->entries[at], (p->count - at) * sizeof entry);
    p->entries[at] = entry;
    p->count++;
}

static const uint8_t one[] = {0x01}; /* the number 1, encoded */
#define SLICE(bytes) ((struct base_slice){(bytes), sizeof(bytes)})

/* ---- what is taken ---- */

static void test_round_trip(void **state)
{
    struct attest_hello in = sample(), out;
    uint8_t wire[ATTEST_HELLO_BYTES_MAX], again[ATTEST_HELLO_BYTES_MAX];
    size_t len, again_len;
    (void)state;
    assert_int_equal(attest_hello_encode(wire, &len, sizeof wire, &in), BASE_OK);
    assert_int_equal(attest_hello_decode(&out, wire, len), BASE_OK);
    assert_hello_equal(&in, &out);
    assert_int_equal(attest_hello_encode(again, &again_len, sizeof again, &out), BASE_OK);
    assert_int_equal(len, again_len);
    assert_memory_equal(wire, again, len);
}

static void test_largest_and_smallest_fit(void **state)
{
    static char longest[ATTEST_SETTINGS_BYTES_MAX];
    struct attest_hello in = sample(), out;
    uint8_t wire[ATTEST_HELLO_BYTES_MAX];
    size_t len;
    (void)state;
    memset(longest, '~', sizeof longest);
    in.settings = (struct base_slice){(const uint8_t *)longest, sizeof longest};
    in.record.len = ATTEST_RECORD_BYTES_MAX;
    assert_int_equal(attest_hello_encode(wire, &len, sizeof wire, &in), BASE_OK);
    assert_int_equal(attest_hello_decode(&out, wire, len), BASE_OK);
    assert_hello_equal(&in, &out);
    in.settings.len = 0;
    in.record.len = 0;
    assert_int_equal(attest_hello_encode(wire, &len, sizeof wire, &in), BASE_OK);
    assert_int_equal(attest_hello_decode(&out, wire, len), BASE_OK);
    assert_hello_equal(&in, &out);
}

static void test_encode_into_too_little_room(void **state)
{
    struct attest_hello in = sample();
    uint8_t wire[ATTEST_HELLO_BYTES_MAX];
    size_t len, ignored;
    (void)state;
    assert_int_equal(attest_hello_encode(wire, &len, sizeof wire, &in), BASE_OK);
    assert_int_equal(attest_hello_encode(wire, &ignored, len, &in), BASE_OK);
    for (size_t cap = 0; cap < len; cap++)
        assert_int_equal(attest_hello_encode(wire, &ignored, cap, &in), BASE_ETOOBIG);
}

/* The parts of the harness below put together rightly: else its refusals would prove nothing. */
static void test_parts_put_together_decode(void **state)
{
    struct parts *p = parts_new();
    struct attest_hello in = sample(), out;
    (void)state;
    assert_int_equal(decode_parts(p, &out, NULL, 0), BASE_OK);
    assert_true(out.chain_id == in.chain_id);
    free(p);
}

static void test_unknown_keys_are_harmless(void **state)
{
    static const uint8_t nested[] = {0x82, 0x01, 0x93, 0x01, 0x02, 0xc3,
                                     0xa1, 'k',  0xc4, 0x02, 0xff, 0xfe};
    struct parts *p = parts_new();
    struct attest_hello out;
    (void)state;
    p->entries[p->count++] = (struct entry){17, SLICE(one)};
    p->entries[p->count++] = (struct entry){40, SLICE(nested)};
    p->entries[p->count++] = (struct entry){63, SLICE(one)};
    assert_int_equal(decode_parts(p, &out, NULL, 0), BASE_OK);
    assert_false(out.has_authorisation);
    assert_true(out.chain_id == 31337);
    free(p);
}

static void test_authorisation_is_seen(void **state)
{
    static uint8_t authorisation[2 + 243] = {0xc4, 243};
    struct parts *p = parts_new();
    struct attest_hello out;
    (void)state;
    p->entries[p->count++] = (struct entry){16, SLICE(authorisation)};
    assert_int_equal(decode_parts(p, &out, NULL, 0), BASE_OK);
    assert_true(out.has_authorisation);
    authorisation[1]--;
    p->entries[16].value.len--;
    assert_malformed(p);
    authorisation[1]++;
    p->entries[16].value = SLICE(one);
    assert_malformed(p);
    free(p);
}

/* ---- what is refused ---- */

static void test_each_missing_key(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        struct parts *p = parts_new();
        memmove(&p->entries[i], &p->entries[i + 1], (KEYS - 1 - i) * sizeof p->entries[0]);
        p->count--;
        assert_malformed(p);
        p->entries[p->count++] = (struct entry){50, SLICE(one)}; /* the right count does not help */
        assert_malformed(p);
        free(p);
    }
}

static void test_each_duplicated_key(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        struct parts *p = parts_new();
        insert(p, i, p->entries[i]);
        assert_malformed(p);
        free(p);
    }
    struct parts *p = parts_new();
    p->entries[p->count++] = (struct entry){20, SLICE(one)};
    p->entries[p->count++] = (struct entry){20, SLICE(one)};
    assert_malformed(p);
    free(p);
}

static void test_each_pair_of_descending_keys(void **state)
{
    (void)state;
    for (uint32_t i = 0; i + 1 < KEYS; i++) {
        struct parts *p = parts_new();
        struct entry first = p->entries[i];
        p->entries[i] = p->entries[i + 1];
        p->entries[i + 1] = first;
        assert_malformed(p);
        free(p);
    }
    struct parts *p = parts_new();
    p->entries[p->count++] = (struct entry){21, SLICE(one)};
    p->entries[p->count++] = (struct entry){20, SLICE(one)};
    assert_malformed(p);
    free(p);
}

static void test_keys_out_of_range(void **state)
{
    static const uint64_t keys[] = {64, 65, 255, 1u << 20, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct parts *p = parts_new();
        p->entries[p->count++] = (struct entry){keys[i], SLICE(one)};
        assert_malformed(p);
        free(p);
    }
}

/* Every fixed field one byte short, one byte long, empty, and as another kind of value. */
static void test_each_wrong_length(void **state)
{
    static const size_t lengths[KEYS] = {2, 8,  8,  20, 0,  32, 20, 24,
                                         0, 65, 33, 20, 33, 65, 65, 65}; /* 0: bounded, not fixed */
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        struct parts *p = parts_new();
        uint8_t value[2 + 80] = {0xc4};
        if (lengths[i] > 0) {
            static const int deltas[] = {-1, 1, 0};
            for (size_t d = 0; d < 3; d++) {
                size_t len = deltas[d] == 0 ? 0 : (size_t)((int)lengths[i] + deltas[d]);
                value[1] = (uint8_t)len;
                p->entries[i].value = (struct base_slice){value, 2 + len};
                assert_malformed(p);
            }
        }
        p->entries[i].value = SLICE(one);
        assert_malformed(p);
        free(p);
    }
}

static void test_settings_must_be_short_printable_ascii(void **state)
{
    static const uint8_t bad[] = {0x00, 0x09, 0x0a, 0x1f, 0x7f};
    uint8_t text[3 + ATTEST_SETTINGS_BYTES_MAX + 1] = {0xda, 0x01, 0x01};
    struct parts *p = parts_new();
    (void)state;
    memset(text + 3, 'x', sizeof text - 3);
    p->entries[4].value = SLICE(text); /* 257 bytes */
    assert_malformed(p);
    for (size_t i = 0; i < sizeof bad; i++) {
        uint8_t value[] = {0xa3, 'a', bad[i], 'b'};
        p->entries[4].value = SLICE(value);
        assert_malformed(p);
    }
    static const uint8_t umlaut[] = {0xa2, 0xc3, 0xa4}, binary[] = {0xc4, 1, 'a'};
    p->entries[4].value = SLICE(umlaut);
    assert_malformed(p);
    p->entries[4].value = SLICE(binary);
    assert_malformed(p);
    free(p);
}

static void test_record_too_long(void **state)
{
    static uint8_t value[3 + ATTEST_RECORD_BYTES_MAX + 1] = {0xc5, 0x04, 0x01};
    struct parts *p = parts_new();
    (void)state;
    p->entries[8].value = SLICE(value);
    assert_malformed(p);
    free(p);
}

static void test_bytes_after_the_map(void **state)
{
    struct parts *p = parts_new();
    struct attest_hello out;
    (void)state;
    assert_int_equal(decode_parts(p, &out, "\0", 1), BASE_EMALFORMED);
    assert_int_equal(decode_parts(p, &out, "\xc0", 1), BASE_EMALFORMED);
    free(p);
}

static void test_every_truncation(void **state)
{
    struct attest_hello in = sample(), out;
    uint8_t wire[ATTEST_HELLO_BYTES_MAX];
    size_t len;
    (void)state;
    assert_int_equal(attest_hello_encode(wire, &len, sizeof wire, &in), BASE_OK);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, wire, cut);
        assert_int_equal(attest_hello_decode(&out, exact, cut), BASE_EMALFORMED);
        free(exact);
    }
    assert_int_equal(attest_hello_decode(&out, NULL, 0), BASE_EMALFORMED);
}

/* 4,000 bytes are taken, 4,001 are not even looked at. */
static void test_whole_body_too_long(void **state)
{
    static uint8_t filler[3 + 4000] = {0xc5};
    struct parts *p = parts_new();
    struct attest_hello out;
    size_t len = 1 + 2 + p->count; /* map header (16 entries or more: 3 bytes), keys */
    (void)state;
    for (uint32_t i = 0; i < p->count; i++)
        len += p->entries[i].value.len;
    size_t room = ATTEST_HELLO_BYTES_MAX - len - 1 - 3; /* one more key, and its header */
    filler[1] = (uint8_t)(room >> 8);
    filler[2] = (uint8_t)(room & 0xff);
    p->entries[p->count++] = (struct entry){17, {filler, 3 + room}};
    assert_int_equal(decode_parts(p, &out, NULL, 0), BASE_OK);
    room++;
    filler[1] = (uint8_t)(room >> 8);
    filler[2] = (uint8_t)(room & 0xff);
    p->entries[16].value.len++;
    assert_int_equal(decode_parts(p, &out, NULL, 0), BASE_ETOOBIG);
    free(p);
}

static void test_not_a_map(void **state)
{
    static const uint8_t array[] = {0x90}, empty_map[] = {0x80}, nil[] = {0xc0},
                         string_keys[] = {0x81, 0xa1, '0', 0x01},
                         huge_map[] = {0xdf, 0xff, 0xff, 0xff, 0xff};
    struct attest_hello out;
    (void)state;
    assert_int_equal(attest_hello_decode(&out, array, sizeof array), BASE_EMALFORMED);
    assert_int_equal(attest_hello_decode(&out, empty_map, sizeof empty_map), BASE_EMALFORMED);
    assert_int_equal(attest_hello_decode(&out, nil, sizeof nil), BASE_EMALFORMED);
    assert_int_equal(attest_hello_decode(&out, string_keys, sizeof string_keys), BASE_EMALFORMED);
    assert_int_equal(attest_hello_decode(&out, huge_map, sizeof huge_map), BASE_EMALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_largest_and_smallest_fit),
        cmocka_unit_test(test_encode_into_too_little_room),
        cmocka_unit_test(test_parts_put_together_decode),
        cmocka_unit_test(test_unknown_keys_are_harmless),
        cmocka_unit_test(test_authorisation_is_seen),
        cmocka_unit_test(test_each_missing_key),
        cmocka_unit_test(test_each_duplicated_key),
        cmocka_unit_test(test_each_pair_of_descending_keys),
        cmocka_unit_test(test_keys_out_of_range),
        cmocka_unit_test(test_each_wrong_length),
        cmocka_unit_test(test_settings_must_be_short_printable_ascii),
        cmocka_unit_test(test_record_too_long),
        cmocka_unit_test(test_bytes_after_the_map),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_whole_body_too_long),
        cmocka_unit_test(test_not_a_map),
    };
    return cmocka_run_group_tests_name("attest_hello", tests, NULL, NULL);
}
