/* The handshake: BOLT 8's own vectors byte for byte, and what ours adds: the prologue, two static
 * keys while a rotation lasts, the handshake hash. */
#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "attest/noise.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"

static const char lightning[] = "lightning";
#define LIGHTNING lightning, sizeof lightning - 1

static int setup(void **state)
{
    (void)state;
    return base_ecdsa_init() == BASE_OK && base_aead_init() == BASE_OK ? 0 : -1;
}

/* ---- BOLT 8 ---- */

/* The standard names each failure; ours are errors that say the same. */
static int error_of(const char *name)
{
    if (strstr(name, "READ_FAILED") != NULL) return BASE_EMALFORMED;
    if (strstr(name, "BAD_VERSION") != NULL) return BASE_EUNSUPPORTED;
    if (strstr(name, "BAD_PUBKEY") != NULL) return BASE_EKEY;
    if (strstr(name, "BAD_TAG") != NULL) return BASE_EAUTH;
    if (strstr(name, "BAD_CIPHERTEXT") != NULL) return BASE_EAUTH;
    fail_msg("an error that this test does not know: %s", name);
    return BASE_OK;
}

static const json_t *step_of(const json_t *vector, size_t index)
{
    const json_t *steps = json_vectors_array(vector, "steps");
    assert_true(index < json_array_size(steps));
    return json_array_get(steps, index);
}

static void assert_output(const uint8_t *got, size_t len, const json_t *step)
{
    uint8_t want[ATTEST_ACT3_BYTES];
    json_vectors_hex(want, len, step, "output");
    assert_memory_equal(got, want, len);
}

static void assert_keys(const struct attest_noise_keys *keys, const json_t *step)
{
    const json_t *want = json_vectors_object(step, "keys");
    uint8_t bytes[32];
    json_vectors_hex(bytes, 32, want, "sk");
    assert_memory_equal(keys->sk.bytes, bytes, 32);
    json_vectors_hex(bytes, 32, want, "rk");
    assert_memory_equal(keys->rk.bytes, bytes, 32);
}

/* The result of reading one act must be what the next step says: an error, or going on. */
static bool reads_on(int rv, const struct attest_noise *noise, const json_t *next)
{
    static const struct attest_noise zeroed;
    if (!json_vectors_has(next, "error")) {
        assert_int_equal(rv, BASE_OK);
        return true;
    }
    assert_int_equal(rv, error_of(json_vectors_string(next, "error")));
    assert_memory_equal(noise, &zeroed, sizeof zeroed); /* no secret stays behind */
    return false;
}

static void test_bolt8_initiator(void **state)
{
    const json_t *vector = *state;
    struct base_key33 remote;
    struct base_privkey local, ephemeral;
    struct attest_noise noise;
    struct attest_noise_keys keys;
    uint8_t act1[ATTEST_ACT1_BYTES], act3[ATTEST_ACT3_BYTES];
    size_t len;
    json_vectors_hex(remote.bytes, 33, vector, "rs_pub");
    json_vectors_hex(local.bytes, 32, vector, "ls_priv");
    json_vectors_hex(ephemeral.bytes, 32, vector, "e_priv");

    assert_int_equal(attest_noise_dial(&noise, act1, LIGHTNING, &remote, &ephemeral), BASE_OK);
    assert_output(act1, sizeof act1, step_of(vector, 0));
    uint8_t *act2 = json_vectors_hex_new(&len, step_of(vector, 1), "input");
    int rv = attest_noise_read_act2(&noise, act2, len);
    if (reads_on(rv, &noise, step_of(vector, 2))) {
        attest_noise_write_act3(&noise, act3, &keys, &local);
        assert_output(act3, sizeof act3, step_of(vector, 2));
        assert_keys(&keys, step_of(vector, 3));
        assert_memory_equal(&keys.remote_static, &remote, sizeof remote);
    }
    free(act2);
}

static void test_bolt8_responder(void **state)
{
    const json_t *vector = *state;
    struct base_privkey local, ephemeral;
    struct attest_noise noise;
    struct attest_noise_keys keys;
    uint8_t act2[ATTEST_ACT2_BYTES];
    size_t len, which = 9;
    json_vectors_hex(local.bytes, 32, vector, "ls_priv");
    json_vectors_hex(ephemeral.bytes, 32, vector, "e_priv");

    uint8_t *act1 = json_vectors_hex_new(&len, step_of(vector, 0), "input");
    int rv = attest_noise_accept(&noise, &which, LIGHTNING, &local, 1, act1, len);
    free(act1);
    if (!reads_on(rv, &noise, step_of(vector, 1))) return;
    assert_int_equal(which, 0);
    assert_int_equal(attest_noise_write_act2(&noise, act2, &ephemeral), BASE_OK);
    assert_output(act2, sizeof act2, step_of(vector, 1));
    uint8_t *act3 = json_vectors_hex_new(&len, step_of(vector, 2), "input");
    rv = attest_noise_read_act3(&noise, &keys, act3, len);
    free(act3);
    if (reads_on(rv, &noise, step_of(vector, 3))) assert_keys(&keys, step_of(vector, 3));
}

/* ---- ours ---- */

struct pair { /* two ends of one handshake */
    struct base_privkey initiator_static, responder_static, other_static;
    struct base_privkey initiator_ephemeral, responder_ephemeral;
    struct base_key33 initiator_pub, responder_pub, other_pub;
    struct attest_noise initiator, responder;
    struct attest_noise_keys initiator_keys, responder_keys;
    uint8_t act1[ATTEST_ACT1_BYTES], act2[ATTEST_ACT2_BYTES], act3[ATTEST_ACT3_BYTES];
    uint8_t prologue[ATTEST_PROLOGUE_BYTES];
};

static void fill_key(struct base_privkey *priv, struct base_key33 *pub, uint8_t byte)
{
    memset(priv, byte, sizeof *priv);
    if (pub != NULL) assert_int_equal(base_ecdsa_pubkey(pub, priv), BASE_OK);
}

static void pair_init(struct pair *p)
{
    static const struct base_eth_address contract = {{0x5f, 0xbd}};
    memset(p, 0, sizeof *p);
    fill_key(&p->initiator_static, &p->initiator_pub, 0x11);
    fill_key(&p->responder_static, &p->responder_pub, 0x21);
    fill_key(&p->other_static, &p->other_pub, 0x31);
    fill_key(&p->initiator_ephemeral, NULL, 0x12);
    fill_key(&p->responder_ephemeral, NULL, 0x22);
    attest_prologue(p->prologue, 31337, &contract);
}

static int dial(struct pair *p, const struct base_key33 *to)
{
    return attest_noise_dial(&p->initiator, p->act1, p->prologue, sizeof p->prologue, to,
                             &p->initiator_ephemeral);
}

static int accept_act1(struct pair *p)
{
    size_t which;
    return attest_noise_accept(&p->responder, &which, p->prologue, sizeof p->prologue,
                               &p->responder_static, 1, p->act1, sizeof p->act1);
}

/* Up to and with act 2 read. */
static void run_to_act3(struct pair *p)
{
    assert_int_equal(dial(p, &p->responder_pub), BASE_OK);
    assert_int_equal(accept_act1(p), BASE_OK);
    assert_int_equal(attest_noise_write_act2(&p->responder, p->act2, &p->responder_ephemeral),
                     BASE_OK);
    assert_int_equal(attest_noise_read_act2(&p->initiator, p->act2, sizeof p->act2), BASE_OK);
    attest_noise_write_act3(&p->initiator, p->act3, &p->initiator_keys, &p->initiator_static);
}

static void test_both_ends_agree(void **state)
{
    struct pair p;
    (void)state;
    pair_init(&p);
    run_to_act3(&p);
    assert_int_equal(attest_noise_read_act3(&p.responder, &p.responder_keys, p.act3, sizeof p.act3),
                     BASE_OK);
    assert_memory_equal(&p.initiator_keys.h, &p.responder_keys.h, 32);
    assert_memory_equal(&p.initiator_keys.ck, &p.responder_keys.ck, 32);
    assert_memory_equal(&p.initiator_keys.sk, &p.responder_keys.rk, 32);
    assert_memory_equal(&p.initiator_keys.rk, &p.responder_keys.sk, 32);
    assert_memory_not_equal(&p.initiator_keys.sk, &p.initiator_keys.rk, 32);
    assert_memory_equal(&p.responder_keys.remote_static, &p.initiator_pub, 33);
    assert_memory_equal(&p.initiator_keys.remote_static, &p.responder_pub, 33);
}

/* h is the hash of the name, the prologue, the responder's key and every byte of the three acts
 * that is not a version: computed here a second time from the acts themselves. */
static void test_handshake_hash_covers_all_acts(void **state)
{
    static const char name[] = "Noise_XK_secp256k1_ChaChaPoly_SHA256";
    struct base_hash32 h;
    struct pair p;
    (void)state;
    pair_init(&p);
    run_to_act3(&p);
    base_sha256(&h, name, sizeof name - 1);
    base_sha256_2(&h, h.bytes, 32, p.prologue, sizeof p.prologue);
    base_sha256_2(&h, h.bytes, 32, p.responder_pub.bytes, 33);
    base_sha256_2(&h, h.bytes, 32, p.act1 + 1, 33);
    base_sha256_2(&h, h.bytes, 32, p.act1 + 34, 16);
    base_sha256_2(&h, h.bytes, 32, p.act2 + 1, 33);
    base_sha256_2(&h, h.bytes, 32, p.act2 + 34, 16);
    base_sha256_2(&h, h.bytes, 32, p.act3 + 1, 49);
    base_sha256_2(&h, h.bytes, 32, p.act3 + 50, 16);
    assert_memory_equal(&p.initiator_keys.h, &h, sizeof h);
}

static void test_handshake_hash_is_new_each_time(void **state)
{
    struct pair first, second;
    (void)state;
    pair_init(&first);
    pair_init(&second);
    fill_key(&second.initiator_ephemeral, NULL, 0x13);
    run_to_act3(&first);
    run_to_act3(&second);
    assert_memory_not_equal(&first.initiator_keys.h, &second.initiator_keys.h, 32);
    assert_memory_not_equal(&first.initiator_keys.sk, &second.initiator_keys.sk, 32);
}

static void test_prologue_bytes(void **state)
{
    struct base_eth_address contract;
    uint8_t prologue[ATTEST_PROLOGUE_BYTES], want[ATTEST_PROLOGUE_BYTES] = {0};
    (void)state;
    memset(&contract, 0xc0, sizeof contract);
    memcpy(want, "nftmesh/1", 9);
    want[9 + 30] = 0x7a; /* 31337 in the last bytes of 32 */
    want[9 + 31] = 0x69;
    memset(want + 41, 0xc0, 20);
    attest_prologue(prologue, 31337, &contract);
    assert_memory_equal(prologue, want, sizeof want);
}

static void test_other_mesh_fails_at_act_1(void **state)
{
    struct base_eth_address contract = {{0x5f, 0xbd}};
    struct pair p;
    (void)state;
    pair_init(&p);
    assert_int_equal(dial(&p, &p.responder_pub), BASE_OK);
    attest_prologue(p.prologue, 1337, &contract); /* the responder's chain id */
    assert_int_equal(accept_act1(&p), BASE_EAUTH);
    contract.bytes[19] = 1; /* the responder's contract */
    attest_prologue(p.prologue, 31337, &contract);
    assert_int_equal(accept_act1(&p), BASE_EAUTH);
    contract.bytes[19] = 0;
    attest_prologue(p.prologue, 31337, &contract);
    assert_int_equal(accept_act1(&p), BASE_OK);
}

static void test_stranger_without_our_key_fails_at_act_1(void **state)
{
    struct pair p;
    (void)state;
    pair_init(&p);
    assert_int_equal(dial(&p, &p.other_pub), BASE_OK);
    assert_int_equal(accept_act1(&p), BASE_EAUTH);
}

static void test_rotation_takes_act_1_under_either_key(void **state)
{
    struct base_privkey locals[2];
    size_t which = 9;
    struct pair p;
    (void)state;
    pair_init(&p);
    locals[0] = p.other_static;
    locals[1] = p.responder_static;
    assert_int_equal(dial(&p, &p.responder_pub), BASE_OK);
    assert_int_equal(attest_noise_accept(&p.responder, &which, p.prologue, sizeof p.prologue,
                                         locals, 2, p.act1, sizeof p.act1),
                     BASE_OK);
    assert_int_equal(which, 1);
    assert_int_equal(attest_noise_write_act2(&p.responder, p.act2, &p.responder_ephemeral),
                     BASE_OK);
    assert_int_equal(attest_noise_read_act2(&p.initiator, p.act2, sizeof p.act2), BASE_OK);
    attest_noise_write_act3(&p.initiator, p.act3, &p.initiator_keys, &p.initiator_static);
    assert_int_equal(attest_noise_read_act3(&p.responder, &p.responder_keys, p.act3, sizeof p.act3),
                     BASE_OK);
    assert_memory_equal(&p.initiator_keys.h, &p.responder_keys.h, 32);

    assert_int_equal(dial(&p, &p.other_pub), BASE_OK);
    assert_int_equal(attest_noise_accept(&p.responder, &which, p.prologue, sizeof p.prologue,
                                         locals, 2, p.act1, sizeof p.act1),
                     BASE_OK);
    assert_int_equal(which, 0);

    assert_int_equal(dial(&p, &p.initiator_pub), BASE_OK);
    assert_int_equal(attest_noise_accept(&p.responder, &which, p.prologue, sizeof p.prologue,
                                         locals, 2, p.act1, sizeof p.act1),
                     BASE_EAUTH);
    p.act1[0] = 1;
    assert_int_equal(attest_noise_accept(&p.responder, &which, p.prologue, sizeof p.prologue,
                                         locals, 2, p.act1, sizeof p.act1),
                     BASE_EUNSUPPORTED);
}

/* What lets a node notice that it has dialled itself. */
static void test_responder_sees_the_ephemeral_of_act_1(void **state)
{
    struct base_key33 e;
    struct pair p;
    (void)state;
    pair_init(&p);
    assert_int_equal(dial(&p, &p.responder_pub), BASE_OK);
    assert_int_equal(accept_act1(&p), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey(&e, &p.initiator_ephemeral), BASE_OK);
    assert_memory_equal(&p.responder.remote_ephemeral, &e, sizeof e);
}

static void test_unusable_keys_are_errors(void **state)
{
    struct base_key33 no_point = {{2, [32] = 5}};
    struct pair p;
    (void)state;
    pair_init(&p);
    assert_int_equal(dial(&p, &no_point), BASE_EKEY);
    memset(&p.initiator_ephemeral, 0, sizeof p.initiator_ephemeral);
    assert_int_equal(dial(&p, &p.responder_pub), BASE_EKEY);
    memset(&p.initiator_ephemeral, 0xff, sizeof p.initiator_ephemeral); /* >= n */
    assert_int_equal(dial(&p, &p.responder_pub), BASE_EKEY);
    fill_key(&p.initiator_ephemeral, NULL, 0x12);
    assert_int_equal(dial(&p, &p.responder_pub), BASE_OK);
    assert_int_equal(accept_act1(&p), BASE_OK);
    memset(&p.responder_ephemeral, 0, sizeof p.responder_ephemeral);
    assert_int_equal(attest_noise_write_act2(&p.responder, p.act2, &p.responder_ephemeral),
                     BASE_EKEY);
    fill_key(&p.responder_ephemeral, NULL, 0x22); /* drawn again: goes on as if nothing had been */
    assert_int_equal(attest_noise_write_act2(&p.responder, p.act2, &p.responder_ephemeral),
                     BASE_OK);
    assert_int_equal(attest_noise_read_act2(&p.initiator, p.act2, sizeof p.act2), BASE_OK);
}

/* Every byte of every act counts: flip each one in turn. */
static void test_every_flipped_byte_is_refused(void **state)
{
    struct pair p;
    (void)state;
    pair_init(&p);
    run_to_act3(&p);
    for (size_t i = 0; i < sizeof p.act1; i++) {
        p.act1[i] ^= 0x40;
        assert_int_not_equal(accept_act1(&p), BASE_OK);
        p.act1[i] ^= 0x40;
    }
    for (size_t i = 0; i < sizeof p.act2; i++) {
        uint8_t act2[ATTEST_ACT2_BYTES];
        memcpy(act2, p.act2, sizeof act2);
        act2[i] ^= 0x40;
        assert_int_equal(dial(&p, &p.responder_pub), BASE_OK);
        assert_int_not_equal(attest_noise_read_act2(&p.initiator, act2, sizeof act2), BASE_OK);
    }
    for (size_t i = 0; i < sizeof p.act3; i++) {
        static const struct attest_noise_keys nothing;
        run_to_act3(&p);
        p.act3[i] ^= 0x40;
        assert_int_not_equal(
            attest_noise_read_act3(&p.responder, &p.responder_keys, p.act3, sizeof p.act3),
            BASE_OK);
        assert_memory_equal(&p.responder_keys, &nothing, sizeof nothing);
    }
}

static void test_other_lengths_are_refused(void **state)
{
    uint8_t longer[ATTEST_ACT3_BYTES + 1] = {0};
    size_t which;
    struct pair p;
    (void)state;
    pair_init(&p);
    run_to_act3(&p);
    memcpy(longer, p.act1, sizeof p.act1);
    assert_int_equal(attest_noise_accept(&p.responder, &which, p.prologue, sizeof p.prologue,
                                         &p.responder_static, 1, longer, ATTEST_ACT1_BYTES + 1),
                     BASE_EMALFORMED);
    assert_int_equal(attest_noise_accept(&p.responder, &which, p.prologue, sizeof p.prologue,
                                         &p.responder_static, 1, longer, 0),
                     BASE_EMALFORMED);
    assert_int_equal(dial(&p, &p.responder_pub), BASE_OK);
    memcpy(longer, p.act2, sizeof p.act2);
    assert_int_equal(attest_noise_read_act2(&p.initiator, longer, ATTEST_ACT2_BYTES + 1),
                     BASE_EMALFORMED);
    run_to_act3(&p);
    memcpy(longer, p.act3, sizeof p.act3);
    assert_int_equal(
        attest_noise_read_act3(&p.responder, &p.responder_keys, longer, ATTEST_ACT3_BYTES + 1),
        BASE_EMALFORMED);
}

static void test_finished_state_holds_no_secret(void **state)
{
    static const struct attest_noise zeroed;
    static const struct attest_noise_keys no_keys;
    struct pair p;
    (void)state;
    pair_init(&p);
    run_to_act3(&p);
    assert_memory_equal(&p.initiator, &zeroed, sizeof zeroed);
    assert_int_equal(attest_noise_read_act3(&p.responder, &p.responder_keys, p.act3, sizeof p.act3),
                     BASE_OK);
    assert_memory_equal(&p.responder, &zeroed, sizeof zeroed);
    attest_noise_keys_deinit(&p.responder_keys);
    assert_memory_equal(&p.responder_keys, &no_keys, sizeof no_keys);
}

#define ADD(function) json_vectors_add(&tests, function, NULL, #function)

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *root = json_vectors_load("bolt8.json");
    const json_t *cases = json_vectors_array(root, "handshake");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        bool dials = json_vectors_has(item, "rs_pub");
        json_vectors_add(&tests, dials ? test_bolt8_initiator : test_bolt8_responder, item, "%s",
                         json_vectors_string(item, "name"));
    }
    ADD(test_both_ends_agree);
    ADD(test_handshake_hash_covers_all_acts);
    ADD(test_handshake_hash_is_new_each_time);
    ADD(test_prologue_bytes);
    ADD(test_other_mesh_fails_at_act_1);
    ADD(test_stranger_without_our_key_fails_at_act_1);
    ADD(test_rotation_takes_act_1_under_either_key);
    ADD(test_responder_sees_the_ephemeral_of_act_1);
    ADD(test_unusable_keys_are_errors);
    ADD(test_every_flipped_byte_is_refused);
    ADD(test_other_lengths_are_refused);
    ADD(test_finished_state_holds_no_secret);
    int failures = json_vectors_run(&tests, "attest_noise", setup);
    json_decref(root);
    return failures;
}
