/* Frames after the handshake: BOLT 8's message vectors on the key schedule, the two published
 * frames of ours, and every way in which a frame may be wrong. */
#include "json_vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cipher.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"

static json_t *root;

static int setup(void **state)
{
    (void)state;
    return base_ecdsa_init() == BASE_OK && base_aead_init() == BASE_OK ? 0 : -1;
}

struct pair {
    struct attest_cipher a, b;
    uint8_t frame[ATTEST_FRAME_BYTES_MAX + 1];
    size_t len;
    struct attest_frame got;
};

static void pair_init(struct pair *p)
{
    const json_t *messages = json_vectors_object(root, "messages");
    struct attest_noise_keys keys, mirrored;
    memset(&keys, 0, sizeof keys);
    json_vectors_hex(keys.ck.bytes, 32, messages, "ck");
    json_vectors_hex(keys.sk.bytes, 32, messages, "sk");
    json_vectors_hex(keys.rk.bytes, 32, messages, "rk");
    mirrored = keys;
    mirrored.sk = keys.rk;
    mirrored.rk = keys.sk;
    memset(p, 0, sizeof *p);
    attest_cipher_init(&p->a, &keys);
    attest_cipher_init(&p->b, &mirrored);
}

static struct pair *pair_new(void)
{
    struct pair *p = malloc(sizeof *p);
    assert_non_null(p);
    pair_init(p);
    return p;
}

static void seal(struct pair *p, struct attest_cipher *from, uint8_t type, const char *body)
{
    attest_cipher_seal(from, p->frame, &p->len, type, body, strlen(body));
}

static int open_at(struct pair *p, struct attest_cipher *to)
{
    return attest_cipher_open(to, &p->got, p->frame, p->len);
}

static void pass(struct pair *p, struct attest_cipher *from, struct attest_cipher *to,
                 const char *body)
{
    seal(p, from, ATTEST_FRAME_GOSSIP, body);
    assert_int_equal(open_at(p, to), BASE_OK);
    assert_int_equal(p->got.type, ATTEST_FRAME_GOSSIP);
    assert_int_equal(p->got.body_len, strlen(body));
    assert_memory_equal(p->got.body, body, strlen(body));
}

/* ---- known answers ---- */

/* BOLT 8 sends a length and then the body, each with a tag and a use of the key of its own. */
static void test_bolt8_messages(void **state)
{
    const json_t *messages = json_vectors_object(root, "messages");
    const json_t *outputs = json_vectors_object(messages, "outputs");
    struct attest_cipher_key out = {.next = 0}, in;
    uint8_t body[5], length[2] = {0, sizeof body}, wire[2 + 16 + 5 + 16], want[sizeof wire];
    size_t checked = 0;
    (void)state;
    json_vectors_hex(out.ck.bytes, 32, messages, "ck");
    json_vectors_hex(out.key.bytes, 32, messages, "sk");
    json_vectors_hex(body, sizeof body, messages, "plaintext");
    in = out;
    for (unsigned i = 0; i < json_vectors_u64(messages, "count"); i++) {
        char name[12];
        attest_cipher_key_seal(&out, wire, NULL, 0, length, sizeof length);
        attest_cipher_key_seal(&out, wire + 18, NULL, 0, body, sizeof body);
        snprintf(name, sizeof name, "%u", i);
        if (json_vectors_has(outputs, name)) {
            json_vectors_hex(want, sizeof want, outputs, name);
            assert_memory_equal(wire, want, sizeof want);
            checked++;
        }
        assert_int_equal(attest_cipher_key_open(&in, wire, NULL, 0, wire, 18), BASE_OK);
        assert_int_equal(attest_cipher_key_open(&in, wire + 18, NULL, 0, wire + 18, 21), BASE_OK);
        assert_memory_equal(wire, length, 2);
        assert_memory_equal(wire + 18, body, sizeof body);
    }
    assert_int_equal(checked, json_object_size(outputs));
    assert_memory_equal(&in, &out, sizeof in);
}

static void assert_frame(const struct pair *p, const char *hex)
{
    size_t len;
    uint8_t *want = json_vectors_decode_new(&len, hex);
    assert_int_equal(p->len, len);
    assert_memory_equal(p->frame, want, len);
    free(want);
}

/* BOLT 8's keys, type 0x10, body "hello", acknowledging counter 0. */
static void test_published_frames(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    pass(p, &p->b, &p->a, "");
    seal(p, &p->a, 0x10, "hello");
    assert_frame(p, "00000000000000000000000000000000"
                    "df463d8cb82f9b5d0b4fbb12bdf0012bcaa2f053a0e1");
    for (unsigned counter = 1; counter < 1000; counter++)
        seal(p, &p->a, 0x10, "hello");
    seal(p, &p->a, 0x10, "hello");
    assert_frame(p, "00000000000003e80000000000000000"
                    "07e167aeca837e72473fb6dd1ece0b53b24e96823d9a");
    free(p);
}

/* ---- the ordinary course ---- */

static void test_first_frame_acknowledges_nothing(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    seal(p, &p->a, ATTEST_FRAME_HELLO, "x");
    assert_int_equal(base_get_u64be(p->frame), 0);
    assert_true(base_get_u64be(p->frame + 8) == ATTEST_COUNTER_NONE);
    assert_int_equal(open_at(p, &p->b), BASE_OK);
    assert_int_equal(p->got.counter, 0);
    assert_true(p->got.acknowledged == ATTEST_COUNTER_NONE);
    assert_int_equal(p->b.acked, 0);
    free(p);
}

static void test_frames_and_acknowledgements_flow_both_ways(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    pass(p, &p->a, &p->b, "one");
    pass(p, &p->a, &p->b, "two");
    pass(p, &p->b, &p->a, "three");
    assert_int_equal(p->got.acknowledged, 1);
    assert_int_equal(p->a.acked, 2);
    pass(p, &p->b, &p->a, ""); /* the same acknowledgement again is fine */
    assert_int_equal(p->got.counter, 1);
    assert_int_equal(p->a.acked, 2);
    pass(p, &p->a, &p->b, "four");
    assert_int_equal(p->b.acked, 2);
    free(p);
}

static void test_largest_bodies(void **state)
{
    static const struct {
        uint8_t type;
        size_t body_max;
    } types[] = {{ATTEST_FRAME_HELLO, 4000},
                 {ATTEST_FRAME_READY, 0},
                 {ATTEST_FRAME_REFUSE, 320},
                 {ATTEST_FRAME_ACK, 0},
                 {ATTEST_FRAME_BYE, 130},
                 {ATTEST_FRAME_COPY, 32},
                 {ATTEST_FRAME_ALIVE, 89},
                 {0x10, 16384},
                 {0x1f, 16384},
                 {0x20, 61440},
                 {0x2f, 61440},
                 {0x00, ATTEST_FRAME_BODY_BYTES_MAX},
                 {0x08, 65503},
                 {0x30, 65503},
                 {0xff, 65503}};
    struct pair *p = pair_new();
    static uint8_t body[ATTEST_FRAME_BODY_BYTES_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_int_equal(attest_frame_body_max(types[i].type), types[i].body_max);
        memset(body, (int)i, sizeof body);
        attest_cipher_seal(&p->a, p->frame, &p->len, types[i].type, body, types[i].body_max);
        assert_int_equal(p->len, types[i].body_max + ATTEST_FRAME_OVERHEAD_BYTES);
        assert_int_equal(open_at(p, &p->b), BASE_OK);
        assert_int_equal(p->got.type, types[i].type);
        assert_int_equal(p->got.body_len, types[i].body_max);
        assert_memory_equal(p->got.body, body, types[i].body_max);
    }
    free(p);
}

/* A peer that is not us may seal a body above its type's bound. */
static void test_body_above_its_types_bound_is_refused(void **state)
{
    static const uint8_t types[] = {1, 2, 3, 4, 5, 6, 7, 0x10, 0x20};
    (void)state;
    for (size_t i = 0; i < sizeof types; i++) {
        struct pair *p = pair_new();
        size_t body_len = attest_frame_body_max(types[i]) + 1;
        memset(p->frame + 8, 0xff, 8); /* counter 0, acknowledging nothing */
        p->frame[16] = types[i];
        attest_cipher_key_seal(&p->a.send, p->frame + 16, p->frame, 16, p->frame + 16,
                               1 + body_len);
        p->len = body_len + ATTEST_FRAME_OVERHEAD_BYTES;
        assert_int_equal(open_at(p, &p->b), BASE_ETOOBIG);
        assert_null(p->got.body);
        free(p);
    }
}

static void hkdf_step(struct base_hash32 *ck, struct base_hash32 *key)
{
    uint8_t both[64];
    base_hkdf_sha256(both, sizeof both, key->bytes, 32, ck->bytes, 32, NULL, 0);
    memcpy(ck->bytes, both, 32);
    memcpy(key->bytes, both + 32, 32);
}

/* The key changes before counters 1000 and 2000, at no other, and at both ends. */
static void test_rotation_at_1000_and_2000(void **state)
{
    struct pair *p = pair_new();
    struct base_hash32 ck = p->a.send.ck, key = p->a.send.key;
    (void)state;
    for (unsigned counter = 0; counter < 2002; counter++) {
        if (counter == 1000 || counter == 2000) hkdf_step(&ck, &key);
        pass(p, &p->a, &p->b, "tick");
        assert_int_equal(p->got.counter, counter);
        assert_memory_equal(&p->a.send.key, &key, 32);
        assert_memory_equal(&p->b.recv.key, &key, 32);
        assert_memory_equal(&p->a.send.ck, &ck, 32);
    }
    pass(p, &p->b, &p->a, "the other direction is at its own counter 0");
    assert_int_equal(p->got.counter, 0);
    assert_int_equal(p->got.acknowledged, 2001);
    free(p);
}

/* ---- refusals; each is final ---- */

static void assert_refused(struct pair *p, struct attest_cipher *to, int want)
{
    struct attest_cipher before = *to;
    assert_int_equal(open_at(p, to), want);
    assert_null(p->got.body);
    assert_memory_equal(&to->recv, &before.recv, sizeof before.recv);
    assert_true(to->acked == before.acked);
    assert_true(to->broken);
    assert_int_equal(open_at(p, to), BASE_ECLOSED);
}

static void test_replay_is_refused(void **state)
{
    struct pair *p = pair_new();
    uint8_t copy[64];
    (void)state;
    seal(p, &p->a, 0x10, "once");
    memcpy(copy, p->frame, p->len);
    assert_int_equal(open_at(p, &p->b), BASE_OK);
    memcpy(p->frame, copy, p->len);
    assert_refused(p, &p->b, BASE_ESTATE);
    free(p);
}

static void test_gap_is_refused(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    pass(p, &p->a, &p->b, "first");
    seal(p, &p->a, 0x10, "lost");
    seal(p, &p->a, 0x10, "after the gap");
    assert_refused(p, &p->b, BASE_ESTATE);
    free(p);
}

static void test_other_order_is_refused(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    seal(p, &p->a, 0x10, "first");
    seal(p, &p->a, 0x10, "second overtakes");
    assert_refused(p, &p->b, BASE_ESTATE);
    free(p);
}

static void test_gap_over_a_rotation_is_refused(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    for (unsigned i = 0; i < 999; i++)
        pass(p, &p->a, &p->b, "tick");
    seal(p, &p->a, 0x10, "999 is lost");
    seal(p, &p->a, 0x10, "1000 comes");
    assert_refused(p, &p->b, BASE_ESTATE);
    free(p);
}

/* Each byte of header, body and tag, flipped in turn; the header's own rules come first. */
static void test_every_flipped_byte_is_refused(void **state)
{
    struct pair *p = pair_new();
    size_t len = 5 + ATTEST_FRAME_OVERHEAD_BYTES;
    (void)state;
    for (size_t i = 0; i < len; i++) {
        pair_init(p);
        pass(p, &p->b, &p->a, "x");
        pass(p, &p->b, &p->a, "y"); /* so that acknowledging 0 or 1 would both do */
        seal(p, &p->a, 0x10, "hello");
        p->frame[i] ^= 1;
        if (i < 8)
            assert_refused(p, &p->b, BASE_ESTATE);
        else if (i < 15)
            assert_refused(p, &p->b, BASE_EINVAL);
        else
            assert_refused(p, &p->b, BASE_EAUTH);
    }
    free(p);
}

static void test_tampered_tag_is_refused_at_a_rotation(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        pass(p, &p->a, &p->b, "tick");
    seal(p, &p->a, 0x10, "hello");
    p->frame[p->len - 1] ^= 1;
    assert_refused(p, &p->b, BASE_EAUTH);
    free(p);
}

static void test_reflected_frame_is_refused(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    seal(p, &p->a, 0x10, "to b");
    assert_refused(p, &p->a, BASE_EAUTH);
    free(p);
}

static void test_acknowledgement_of_what_was_not_sent_is_refused(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    p->a.recv.next = 1; /* a claims to have b's counter 0; b has sent nothing */
    seal(p, &p->a, 0x10, "hello");
    assert_refused(p, &p->b, BASE_EINVAL);
    pair_init(p);
    pass(p, &p->b, &p->a, "0");
    p->a.recv.next = 2;
    seal(p, &p->a, 0x10, "hello");
    assert_refused(p, &p->b, BASE_EINVAL);
    pair_init(p);
    p->a.recv.next = UINT64_MAX; /* as large as it gets below "none" */
    seal(p, &p->a, 0x10, "hello");
    assert_refused(p, &p->b, BASE_EINVAL);
    free(p);
}

static void test_acknowledgement_going_back_is_refused(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    pass(p, &p->b, &p->a, "0");
    pass(p, &p->b, &p->a, "1");
    pass(p, &p->a, &p->b, "acknowledges 1");
    p->a.recv.next = 1;
    seal(p, &p->a, 0x10, "acknowledges 0");
    assert_refused(p, &p->b, BASE_EINVAL);
    pair_init(p);
    pass(p, &p->b, &p->a, "0");
    pass(p, &p->a, &p->b, "acknowledges 0");
    p->a.recv.next = 0;
    seal(p, &p->a, 0x10, "acknowledges nothing");
    assert_refused(p, &p->b, BASE_EINVAL);
    free(p);
}

static void test_sizes_out_of_bounds_are_refused(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    for (p->len = 0; p->len < ATTEST_FRAME_OVERHEAD_BYTES; p->len++) {
        p->b.broken = false;
        memset(p->frame, 0, sizeof p->frame);
        assert_refused(p, &p->b, BASE_EMALFORMED);
    }
    p->b.broken = false;
    p->len = ATTEST_FRAME_BYTES_MAX + 1;
    assert_refused(p, &p->b, BASE_ETOOBIG);
    free(p);
}

static void test_truncated_frame_is_refused(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    seal(p, &p->a, 0x10, "hello");
    p->len--;
    assert_refused(p, &p->b, BASE_EAUTH);
    free(p);
}

static void test_a_broken_session_still_says_bye(void **state)
{
    struct pair *p = pair_new();
    (void)state;
    seal(p, &p->a, 0x10, "hello");
    p->frame[20] ^= 1;
    assert_refused(p, &p->b, BASE_EAUTH);
    seal(p, &p->b, ATTEST_FRAME_BYE, "bye");
    assert_int_equal(open_at(p, &p->a), BASE_OK);
    assert_int_equal(p->got.type, ATTEST_FRAME_BYE);
    free(p);
}

static void test_deinit_zeroes_the_keys(void **state)
{
    static const struct attest_cipher zeroed;
    struct pair *p = pair_new();
    (void)state;
    pass(p, &p->a, &p->b, "x");
    attest_cipher_deinit(&p->a);
    assert_memory_equal(&p->a, &zeroed, sizeof zeroed);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bolt8_messages),
        cmocka_unit_test(test_published_frames),
        cmocka_unit_test(test_first_frame_acknowledges_nothing),
        cmocka_unit_test(test_frames_and_acknowledgements_flow_both_ways),
        cmocka_unit_test(test_largest_bodies),
        cmocka_unit_test(test_body_above_its_types_bound_is_refused),
        cmocka_unit_test(test_rotation_at_1000_and_2000),
        cmocka_unit_test(test_replay_is_refused),
        cmocka_unit_test(test_gap_is_refused),
        cmocka_unit_test(test_other_order_is_refused),
        cmocka_unit_test(test_gap_over_a_rotation_is_refused),
        cmocka_unit_test(test_every_flipped_byte_is_refused),
        cmocka_unit_test(test_tampered_tag_is_refused_at_a_rotation),
        cmocka_unit_test(test_reflected_frame_is_refused),
        cmocka_unit_test(test_acknowledgement_of_what_was_not_sent_is_refused),
        cmocka_unit_test(test_acknowledgement_going_back_is_refused),
        cmocka_unit_test(test_sizes_out_of_bounds_are_refused),
        cmocka_unit_test(test_truncated_frame_is_refused),
        cmocka_unit_test(test_a_broken_session_still_says_bye),
        cmocka_unit_test(test_deinit_zeroes_the_keys),
    };
    root = json_vectors_load("bolt8.json");
    int failures = cmocka_run_group_tests_name("attest_cipher", tests, setup, NULL);
    json_decref(root);
    return failures;
}
