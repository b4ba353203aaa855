#include "base/aead.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"

int base_aead_init(void)
{
    return sodium_init() < 0 ? BASE_EIO : BASE_OK; /* 1 means: done before */
}

void base_aead_seal(uint8_t *out, const struct base_hash32 *key,
                    const uint8_t nonce[BASE_AEAD_NONCE_BYTES], const uint8_t *ad, size_t ad_len,
                    const uint8_t *plain, size_t len)
{
    assert(out != NULL);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len, ad, ad_len, NULL, nonce,
                                              key->bytes);
}

int base_aead_open(uint8_t *out, const struct base_hash32 *key,
                   const uint8_t nonce[BASE_AEAD_NONCE_BYTES], const uint8_t *ad, size_t ad_len,
                   const uint8_t *sealed, size_t len)
{
    uint8_t nothing; /* a NULL out would make the library check the tag and stop there */
    if (len < BASE_AEAD_TAG_BYTES) return BASE_EMALFORMED;
    assert(out != NULL || len == BASE_AEAD_TAG_BYTES);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(out != NULL ? out : &nothing, NULL, NULL, sealed,
                                                  len, ad, ad_len, nonce, key->bytes) != 0)
        return BASE_EAUTH;
    return BASE_OK;
}

void base_sha256(struct base_hash32 *out, const void *data, size_t len)
{
    crypto_hash_sha256(out->bytes, data, len);
}

void base_sha256_2(struct base_hash32 *out, const void *a, size_t a_len, const void *b,
                   size_t b_len)
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    if (a_len > 0) crypto_hash_sha256_update(&state, a, a_len);
    if (b_len > 0) crypto_hash_sha256_update(&state, b, b_len);
    crypto_hash_sha256_final(&state, out->bytes);
    sodium_memzero(&state, sizeof state);
}

/* The library declares its pointers as never NULL, even for a length of 0. */
static void hmac_begin(crypto_auth_hmacsha256_state *state, const void *key, size_t key_len)
{
    crypto_auth_hmacsha256_init(state, key_len > 0 ? key : (const void *)"", key_len);
}

static void hmac_add(crypto_auth_hmacsha256_state *state, const void *data, size_t len)
{
    if (len > 0) crypto_auth_hmacsha256_update(state, data, len);
}

static void hmac_end(crypto_auth_hmacsha256_state *state, struct base_hash32 *out)
{
    crypto_auth_hmacsha256_final(state, out->bytes);
    sodium_memzero(state, sizeof *state);
}

void base_hmac_sha256(struct base_hash32 *out, const void *key, size_t key_len, const void *data,
                      size_t len)
{
    crypto_auth_hmacsha256_state state;
    hmac_begin(&state, key, key_len);
    hmac_add(&state, data, len);
    hmac_end(&state, out);
}

void base_hkdf_sha256(uint8_t *out, size_t out_len, const void *ikm, size_t ikm_len,
                      const void *salt, size_t salt_len, const void *info, size_t info_len)
{
    struct base_hash32 prk, block;
    size_t block_len = 0; /* T(0) is empty */
    assert(out_len <= 255 * sizeof block.bytes);
    base_hmac_sha256(&prk, salt, salt_len, ikm, ikm_len);
    for (uint8_t counter = 1; out_len > 0; counter++) {
        crypto_auth_hmacsha256_state state;
        hmac_begin(&state, prk.bytes, sizeof prk.bytes);
        hmac_add(&state, block.bytes, block_len);
        hmac_add(&state, info, info_len);
        hmac_add(&state, &counter, 1);
        hmac_end(&state, &block);
        block_len = sizeof block.bytes;
        size_t take = out_len < block_len ? out_len : block_len;
        memcpy(out, block.bytes, take);
        out += take;
        out_len -= take;
    }
    sodium_memzero(&prk, sizeof prk);
    sodium_memzero(&block, sizeof block);
}

void base_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

bool base_memequal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

int base_scrypt(uint8_t *out, size_t out_len, const char *password, size_t password_len,
                const uint8_t *salt, size_t salt_len, uint64_t n, uint32_t r, uint32_t p)
{
    assert(out != NULL && n > 1 && (n & (n - 1)) == 0 && r > 0 && p > 0);
    int rv = crypto_pwhash_scryptsalsa208sha256_ll((const uint8_t *)password, password_len, salt,
                                                   salt_len, n, r, p, out, out_len);
    return rv == 0 ? BASE_OK : BASE_ENOMEM;
}

void base_ed25519_public(uint8_t out[32], const uint8_t seed[32])
{
    uint8_t secret[crypto_sign_ed25519_SECRETKEYBYTES];
    int rv = crypto_sign_ed25519_seed_keypair(out, secret, seed);
    assert(rv == 0);
    (void)rv;
    base_memzero(secret, sizeof secret);
}
