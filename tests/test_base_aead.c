/* ChaCha20-Poly1305, SHA-256, HMAC and HKDF against the examples of their own RFCs. */
#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/aead.h"
#include "base/err.h"

static int setup(void **state)
{
    (void)state;
    return base_aead_init() == BASE_OK && base_aead_init() == BASE_OK ? 0 : -1;
}

/* RFC 8439, section 2.8.2 */
static const char sunscreen[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
                                "only one tip for the future, sunscreen would be it.";
#define SUNSCREEN_SEALED                                                                           \
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92" \
    "728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b" \
    "4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"

#define PLAIN_BYTES  (sizeof sunscreen - 1)
#define SEALED_BYTES (PLAIN_BYTES + BASE_AEAD_TAG_BYTES)

struct example {
    struct base_hash32 key;
    uint8_t nonce[BASE_AEAD_NONCE_BYTES], ad[12];
    uint8_t sealed[SEALED_BYTES];
};

static void hex(void *out, size_t len, const char *text)
{
    size_t have;
    uint8_t *bytes = json_vectors_decode_new(&have, text);
    assert_int_equal(have, len);
    memcpy(out, bytes, len);
    free(bytes);
}

static struct example load_example(void)
{
    struct example out;
    hex(out.key.bytes, 32, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    hex(out.nonce, 12, "070000004041424344454647");
    hex(out.ad, 12, "50515253c0c1c2c3c4c5c6c7");
    hex(out.sealed, SEALED_BYTES, SUNSCREEN_SEALED);
    return out;
}

static void test_seal_and_open(void **state)
{
    struct example e = load_example();
    uint8_t sealed[SEALED_BYTES], plain[PLAIN_BYTES];
    (void)state;
    base_aead_seal(sealed, &e.key, e.nonce, e.ad, sizeof e.ad, (const uint8_t *)sunscreen,
                   PLAIN_BYTES);
    assert_memory_equal(sealed, e.sealed, SEALED_BYTES);
    assert_int_equal(
        base_aead_open(plain, &e.key, e.nonce, e.ad, sizeof e.ad, sealed, SEALED_BYTES), BASE_OK);
    assert_memory_equal(plain, sunscreen, PLAIN_BYTES);
}

static void test_in_place(void **state)
{
    struct example e = load_example();
    uint8_t buf[SEALED_BYTES];
    (void)state;
    memcpy(buf, sunscreen, PLAIN_BYTES);
    base_aead_seal(buf, &e.key, e.nonce, e.ad, sizeof e.ad, buf, PLAIN_BYTES);
    assert_memory_equal(buf, e.sealed, SEALED_BYTES);
    assert_int_equal(base_aead_open(buf, &e.key, e.nonce, e.ad, sizeof e.ad, buf, SEALED_BYTES),
                     BASE_OK);
    assert_memory_equal(buf, sunscreen, PLAIN_BYTES);
}

static void assert_does_not_open(const struct example *e, size_t sealed_len)
{
    uint8_t plain[SEALED_BYTES];
    memset(plain, 0xaa, sizeof plain);
    assert_int_equal(
        base_aead_open(plain, &e->key, e->nonce, e->ad, sizeof e->ad, e->sealed, sealed_len),
        BASE_EAUTH);
    assert_true(base_is_zero(plain, sealed_len - BASE_AEAD_TAG_BYTES));
}

/* Any bit of text, tag, key, nonce or associated data. */
static void test_one_bit_wrong(void **state)
{
    struct example e = load_example();
    (void)state;
    for (size_t i = 0; i < SEALED_BYTES; i++) {
        e.sealed[i] ^= 1;
        assert_does_not_open(&e, SEALED_BYTES);
        e.sealed[i] ^= 1;
    }
    e.key.bytes[31] ^= 0x80;
    assert_does_not_open(&e, SEALED_BYTES);
    e.key.bytes[31] ^= 0x80;
    e.nonce[0] ^= 1;
    assert_does_not_open(&e, SEALED_BYTES);
    e.nonce[0] ^= 1;
    e.ad[11] ^= 1;
    assert_does_not_open(&e, SEALED_BYTES);
    e.ad[11] ^= 1;
    assert_does_not_open(&e, SEALED_BYTES - 1);
    assert_does_not_open(&e, BASE_AEAD_TAG_BYTES);
}

static void test_shorter_than_a_tag(void **state)
{
    struct example e = load_example();
    uint8_t plain[1] = {0xaa};
    (void)state;
    for (size_t len = 0; len < BASE_AEAD_TAG_BYTES; len++)
        assert_int_equal(base_aead_open(plain, &e.key, e.nonce, NULL, 0, e.sealed, len),
                         BASE_EMALFORMED);
    assert_int_equal(plain[0], 0xaa);
}

/* A tag alone, as in acts of a handshake; out may then be NULL and is still not "check only". */
static void test_empty_text(void **state)
{
    struct example e = load_example();
    uint8_t sealed[BASE_AEAD_TAG_BYTES];
    (void)state;
    base_aead_seal(sealed, &e.key, e.nonce, e.ad, sizeof e.ad, NULL, 0);
    assert_int_equal(base_aead_open(NULL, &e.key, e.nonce, e.ad, sizeof e.ad, sealed, 16), BASE_OK);
    assert_int_equal(base_aead_open(NULL, &e.key, e.nonce, NULL, 0, sealed, 16), BASE_EAUTH);
    sealed[15] ^= 1;
    assert_int_equal(base_aead_open(NULL, &e.key, e.nonce, e.ad, sizeof e.ad, sealed, 16),
                     BASE_EAUTH);
}

/* FIPS 180-4's examples, by NIST. */
static void test_sha256(void **state)
{
    struct base_hash32 want, got;
    (void)state;
    hex(want.bytes, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    base_sha256(&got, "abc", 3);
    assert_memory_equal(got.bytes, want.bytes, 32);
    base_sha256_2(&got, "a", 1, "bc", 2);
    assert_memory_equal(got.bytes, want.bytes, 32);
    base_sha256_2(&got, NULL, 0, "abc", 3);
    assert_memory_equal(got.bytes, want.bytes, 32);
    base_sha256_2(&got, "abc", 3, NULL, 0);
    assert_memory_equal(got.bytes, want.bytes, 32);
    hex(want.bytes, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    base_sha256(&got, NULL, 0);
    assert_memory_equal(got.bytes, want.bytes, 32);
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
static void test_hmac(void **state)
{
    struct base_hash32 want, got;
    uint8_t key[131];
    (void)state;
    memset(key, 0x0b, 20);
    hex(want.bytes, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    base_hmac_sha256(&got, key, 20, "Hi There", 8);
    assert_memory_equal(got.bytes, want.bytes, 32);
    hex(want.bytes, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    base_hmac_sha256(&got, "Jefe", 4, "what do ya want for nothing?", 28);
    assert_memory_equal(got.bytes, want.bytes, 32);
    memset(key, 0xaa, sizeof key);
    hex(want.bytes, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    base_hmac_sha256(&got, key, sizeof key,
                     "Test Using Larger Than Block-Size Key - Hash Key First", 54);
    assert_memory_equal(got.bytes, want.bytes, 32);
}

struct hkdf_case {
    const char *ikm, *salt, *info, *okm;
};

static void test_hkdf(void **state)
{
    const struct hkdf_case *c = *state;
    size_t ikm_len, salt_len, info_len, okm_len;
    uint8_t *ikm = json_vectors_decode_new(&ikm_len, c->ikm);
    uint8_t *salt = json_vectors_decode_new(&salt_len, c->salt);
    uint8_t *info = json_vectors_decode_new(&info_len, c->info);
    uint8_t *okm = json_vectors_decode_new(&okm_len, c->okm);
    uint8_t *got = malloc(okm_len);
    assert_non_null(got);
    base_hkdf_sha256(got, okm_len, ikm, ikm_len, salt_len > 0 ? salt : NULL, salt_len,
                     info_len > 0 ? info : NULL, info_len);
    assert_memory_equal(got, okm, okm_len);
    free(ikm);
    free(salt);
    free(info);
    free(okm);
    free(got);
}

/* Any shorter output is the beginning of a longer one, up to the most there is. */
static void test_hkdf_lengths(void **state)
{
    static uint8_t whole[255 * 32], part[255 * 32];
    static const size_t lens[] = {0, 1, 31, 32, 33, 64, 8159};
    (void)state;
    base_hkdf_sha256(whole, sizeof whole, "key", 3, NULL, 0, NULL, 0);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        memset(part, 0xaa, sizeof part);
        base_hkdf_sha256(part, lens[i], "key", 3, NULL, 0, NULL, 0);
        assert_memory_equal(part, whole, lens[i]);
        assert_int_equal(part[lens[i]], 0xaa);
    }
}

static void test_random_and_memequal(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0};
    (void)state;
    assert_true(base_memequal(a, b, 32));
    base_random(a, 32);
    assert_false(base_is_zero(a, 32));
    assert_false(base_memequal(a, b, 32));
    memcpy(b, a, 32);
    assert_true(base_memequal(a, b, 32));
    b[31] ^= 1;
    assert_false(base_memequal(a, b, 32));
    assert_true(base_memequal(a, b, 31));
}

/* RFC 5869, appendix A.1 to A.3 */
static const struct hkdf_case hkdf_cases[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
     "f0f1f2f3f4f5f6f7f8f9",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d"
     "2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d"
     "8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdd"
     "dedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e59"
     "0e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_vectors_add(&tests, test_seal_and_open, NULL, "RFC 8439 2.8.2: seal and open");
    json_vectors_add(&tests, test_in_place, NULL, "RFC 8439 2.8.2: in place");
    json_vectors_add(&tests, test_one_bit_wrong, NULL, "one bit wrong");
    json_vectors_add(&tests, test_shorter_than_a_tag, NULL, "shorter than a tag");
    json_vectors_add(&tests, test_empty_text, NULL, "empty text");
    json_vectors_add(&tests, test_sha256, NULL, "SHA-256");
    json_vectors_add(&tests, test_hmac, NULL, "RFC 4231: HMAC");
    for (size_t i = 0; i < sizeof hkdf_cases / sizeof hkdf_cases[0]; i++)
        json_vectors_add(&tests, test_hkdf, &hkdf_cases[i], "RFC 5869 A.%zu: HKDF", i + 1);
    json_vectors_add(&tests, test_hkdf_lengths, NULL, "HKDF lengths");
    json_vectors_add(&tests, test_random_and_memequal, NULL, "random, memequal");
    return json_vectors_run(&tests, "aead", setup);
}
