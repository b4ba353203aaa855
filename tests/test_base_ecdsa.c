/* secp256k1 under the strict rules: one signature has one encoding, and nothing else is taken. */
#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"

static int setup(void **state)
{
    (void)state;
    return base_ecdsa_init();
}

/* The order n, and n / 2 rounded down. */
static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
                                  0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
static const uint8_t half_order[32] = {
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};

static void test_key(void **state)
{
    const json_t *vector = *state;
    struct base_privkey priv;
    struct base_key33 want, pub;
    struct base_eth_address want_address, address;
    uint8_t sec1[65], xy[64];
    json_vectors_hex(priv.bytes, 32, vector, "private_key");
    json_vectors_hex(want.bytes, 33, vector, "public_key_compressed");
    json_vectors_hex(sec1, 65, vector, "public_key_uncompressed");
    json_vectors_hex(want_address.bytes, 20, vector, "address_lower");
    assert_int_equal(base_ecdsa_privkey_check(&priv), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey(&pub, &priv), BASE_OK);
    assert_memory_equal(pub.bytes, want.bytes, 33);
    assert_int_equal(base_ecdsa_pubkey_check(&pub), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey_xy(xy, &pub), BASE_OK);
    assert_memory_equal(xy, sec1 + 1, 64);
    assert_int_equal(base_ecdsa_address(&address, &pub), BASE_OK);
    assert_memory_equal(address.bytes, want_address.bytes, 20);
}

struct signed_digest {
    struct base_privkey priv;
    struct base_hash32 digest;
    struct base_sig65 sig;
    struct base_key33 pub;
    struct base_eth_address address;
};

static void load_signed(struct signed_digest *out, const json_t *vector)
{
    json_vectors_hex(out->priv.bytes, 32, vector, "private_key");
    json_vectors_hex(out->digest.bytes, 32, vector, "digest");
    json_vectors_hex(out->sig.bytes, 65, vector, "signature_rsv");
    json_vectors_hex(out->pub.bytes, 33, vector, "public_key_compressed");
    json_vectors_hex(out->address.bytes, 20, vector, "address");
}

static void assert_refused(const struct signed_digest *s, const struct base_sig65 *sig)
{
    struct base_key33 pub;
    struct base_eth_address address;
    assert_int_equal(base_ecdsa_recover(&pub, &s->digest, sig), BASE_ESIG);
    assert_int_equal(base_ecdsa_recover_address(&address, &s->digest, sig), BASE_ESIG);
    assert_int_equal(base_ecdsa_verify(&s->digest, sig, &s->pub), BASE_ESIG);
}

static void test_signature(void **state)
{
    struct signed_digest s;
    struct base_sig65 sig;
    struct base_key33 pub;
    struct base_eth_address address;
    load_signed(&s, *state);
    assert_int_equal(base_ecdsa_sign(&sig, &s.digest, &s.priv), BASE_OK);
    assert_memory_equal(sig.bytes, s.sig.bytes, 65);
    assert_int_equal(base_ecdsa_recover(&pub, &s.digest, &s.sig), BASE_OK);
    assert_memory_equal(pub.bytes, s.pub.bytes, 33);
    assert_int_equal(base_ecdsa_recover_address(&address, &s.digest, &s.sig), BASE_OK);
    assert_memory_equal(address.bytes, s.address.bytes, 20);
    assert_int_equal(base_ecdsa_verify(&s.digest, &s.sig, &s.pub), BASE_OK);
}

static void test_high_s_refused(void **state)
{
    struct signed_digest s;
    struct base_sig65 high;
    load_signed(&s, *state);
    json_vectors_hex(high.bytes, 65, *state, "high_s_form");
    assert_refused(&s, &high);
    high.bytes[64] = s.sig.bytes[64]; /* nor with the other v */
    assert_refused(&s, &high);
}

static void test_other_v_refused(void **state)
{
    static const uint8_t beyond[] = {2, 3, 4, 27, 28, 127, 128, 254, 255};
    struct signed_digest s;
    struct base_sig65 sig;
    load_signed(&s, *state);
    sig = s.sig;
    sig.bytes[64] ^= 1; /* in form, but it names another key */
    assert_int_equal(base_ecdsa_verify(&s.digest, &sig, &s.pub), BASE_ESIG);
    for (size_t i = 0; i < sizeof beyond; i++) {
        sig.bytes[64] = beyond[i];
        assert_refused(&s, &sig);
    }
}

static void test_other_digest_or_key_refused(void **state)
{
    struct signed_digest s;
    load_signed(&s, *state);
    struct base_hash32 digest = s.digest;
    digest.bytes[31] ^= 1;
    assert_int_equal(base_ecdsa_verify(&digest, &s.sig, &s.pub), BASE_ESIG);
    struct base_key33 pub = s.pub;
    pub.bytes[0] ^= 1; /* the point's mirror image: a key, but another one */
    assert_int_equal(base_ecdsa_verify(&s.digest, &s.sig, &pub), BASE_ESIG);
    pub.bytes[0] = 4;
    assert_int_equal(base_ecdsa_verify(&s.digest, &s.sig, &pub), BASE_EKEY);
}

static void test_r_and_s_in_range(void **state)
{
    struct signed_digest s;
    struct base_sig65 sig;
    struct base_key33 pub;
    load_signed(&s, *state);
    for (size_t half = 0; half < 64; half += 32) {
        sig = s.sig;
        memset(sig.bytes + half, 0, 32);
        assert_refused(&s, &sig);
        memcpy(sig.bytes + half, order, 32);
        assert_refused(&s, &sig);
        sig.bytes[half + 31]++; /* n + 1: not 1 in disguise */
        assert_refused(&s, &sig);
        memset(sig.bytes + half, 0xff, 32);
        assert_refused(&s, &sig);
    }
    sig = s.sig;
    memcpy(sig.bytes + 32, half_order, 32);
    assert_int_equal(base_ecdsa_recover(&pub, &s.digest, &sig), BASE_OK);
    sig.bytes[63]++;
    assert_refused(&s, &sig);
}

/* x = 5 is on no point of the curve: an r that nothing recovers from. */
static void test_r_without_point(void **state)
{
    struct signed_digest s;
    struct base_sig65 sig;
    load_signed(&s, *state);
    sig = s.sig;
    memset(sig.bytes, 0, 32);
    sig.bytes[31] = 5;
    assert_refused(&s, &sig);
}

static void test_eip191(void **state)
{
    const json_t *vector = *state;
    struct base_hash32 digest;
    struct base_privkey priv;
    struct base_sig65 want, sig;
    struct base_eth_address want_address, address;
    json_vectors_hex(digest.bytes, 32, vector, "eip191_digest");
    json_vectors_hex(priv.bytes, 32, vector, "private_key");
    json_vectors_hex(want.bytes, 65, vector, "signature_rsv");
    json_vectors_hex(want_address.bytes, 20, vector, "address");
    assert_int_equal(base_ecdsa_sign(&sig, &digest, &priv), BASE_OK);
    assert_memory_equal(sig.bytes, want.bytes, 65);
    assert_int_equal(base_ecdsa_recover_address(&address, &digest, &want), BASE_OK);
    assert_memory_equal(address.bytes, want_address.bytes, 20);
}

static void test_ecdh(void **state)
{
    const json_t *vector = *state;
    struct base_privkey a;
    struct base_key33 b;
    struct base_hash32 want, shared;
    json_vectors_hex(a.bytes, 32, vector, "private_a");
    json_vectors_hex(b.bytes, 33, vector, "public_b");
    json_vectors_hex(want.bytes, 32, vector, "sha256_of_compressed");
    assert_int_equal(base_ecdsa_ecdh(&shared, &b, &a), BASE_OK);
    assert_memory_equal(shared.bytes, want.bytes, 32);
    b.bytes[0] = 5;
    assert_int_equal(base_ecdsa_ecdh(&shared, &b, &a), BASE_EKEY);
}

static void test_invalid_private_key(void **state)
{
    struct base_privkey priv, one = {{[31] = 1}};
    struct base_key33 pub;
    struct base_hash32 digest = {{1}};
    struct base_sig65 sig;
    json_vectors_hex(priv.bytes, 32, *state, "hex");
    assert_int_equal(base_ecdsa_privkey_check(&priv), BASE_EKEY);
    assert_int_equal(base_ecdsa_pubkey(&pub, &priv), BASE_EKEY);
    assert_int_equal(base_ecdsa_sign(&sig, &digest, &priv), BASE_EKEY);
    assert_int_equal(base_ecdsa_pubkey(&pub, &one), BASE_OK);
    assert_int_equal(base_ecdsa_ecdh(&digest, &pub, &priv), BASE_EKEY);
}

static void test_invalid_public_key(void **state)
{
    struct base_key33 pub;
    struct base_eth_address address;
    struct base_hash32 shared;
    struct base_privkey one = {{[31] = 1}};
    uint8_t xy[64];
    const char *text = json_vectors_string(*state, "hex");
    if (strlen(text) != 66) { /* of another length: it never becomes a key in the first place */
        assert_int_equal(base_hex_decode(pub.bytes, 33, text, strlen(text)), BASE_EMALFORMED);
        return;
    }
    json_vectors_hex(pub.bytes, 33, *state, "hex");
    assert_int_equal(base_ecdsa_pubkey_check(&pub), BASE_EKEY);
    assert_int_equal(base_ecdsa_pubkey_xy(xy, &pub), BASE_EKEY);
    assert_int_equal(base_ecdsa_address(&address, &pub), BASE_EKEY);
    assert_int_equal(base_ecdsa_ecdh(&shared, &pub, &one), BASE_EKEY);
}

static void test_public_key_off_the_curve(void **state)
{
    struct base_key33 pub = {{2, [32] = 5}}; /* 5^3 + 7 is no square */
    (void)state;
    assert_int_equal(base_ecdsa_pubkey_check(&pub), BASE_EKEY);
    memset(pub.bytes, 0, sizeof pub.bytes);
    assert_int_equal(base_ecdsa_pubkey_check(&pub), BASE_EKEY);
}

static void test_init_again(void **state)
{
    (void)state;
    assert_int_equal(base_ecdsa_init(), BASE_OK);
}

static void add_all(struct json_vectors_tests *tests, const json_t *root, const char *key,
                    CMUnitTestFunction function, const char *what)
{
    const json_t *vectors = json_vectors_array(root, key);
    for (size_t i = 0; i < json_array_size(vectors); i++)
        json_vectors_add(tests, function, json_array_get(vectors, i), "%s[%zu] %s", key, i, what);
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *root = json_vectors_load("secp256k1.json");
    const json_t *invalid = json_vectors_object(root, "invalid");
    add_all(&tests, root, "keys", test_key, "public key and address");
    add_all(&tests, root, "signatures", test_signature, "sign, recover, verify");
    add_all(&tests, root, "signatures", test_high_s_refused, "high s refused");
    add_all(&tests, root, "signatures", test_other_v_refused, "other v refused");
    add_all(&tests, root, "signatures", test_other_digest_or_key_refused, "other digest, key");
    add_all(&tests, root, "signatures", test_r_and_s_in_range, "r, s out of range");
    add_all(&tests, root, "signatures", test_r_without_point, "r without point");
    add_all(&tests, root, "eip191_personal_sign", test_eip191, "wallet");
    add_all(&tests, root, "ecdh", test_ecdh, "shared secret");
    add_all(&tests, invalid, "private_keys", test_invalid_private_key, "refused");
    add_all(&tests, invalid, "public_keys", test_invalid_public_key, "refused");
    json_vectors_add(&tests, test_public_key_off_the_curve, NULL, "public key off the curve");
    json_vectors_add(&tests, test_init_again, NULL, "init twice");
    int failures = json_vectors_run(&tests, "ecdsa", setup);
    json_decref(root);
    return failures;
}
