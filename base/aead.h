#ifndef NFTMESH_BASE_AEAD_H
#define NFTMESH_BASE_AEAD_H

#include "base/bytes.h"

/* ChaCha20-Poly1305 (RFC 8439), SHA-256, HMAC, HKDF (RFC 5869) and random bytes. The one file
 * that includes <sodium.h>. base_aead_init() first, once; idempotent. */
#define BASE_AEAD_TAG_BYTES   16
#define BASE_AEAD_NONCE_BYTES 12

int base_aead_init(void); /* BASE_OK, BASE_EIO when there is no entropy */

/* out holds len + 16 bytes and may be the same buffer as plain. ad may be NULL when ad_len is 0. */
void base_aead_seal(uint8_t *out, const struct base_hash32 *key,
                    const uint8_t nonce[BASE_AEAD_NONCE_BYTES], const uint8_t *ad, size_t ad_len,
                    const uint8_t *plain, size_t len);
/* len counts the tag; out holds len - 16 and may be the same buffer. BASE_EMALFORMED when shorter
 * than a tag, BASE_EAUTH when the tag is wrong (out is all zeros then, and so is sealed
 * where they share memory). */
int base_aead_open(uint8_t *out, const struct base_hash32 *key,
                   const uint8_t nonce[BASE_AEAD_NONCE_BYTES], const uint8_t *ad, size_t ad_len,
                   const uint8_t *sealed, size_t len);

void base_sha256(struct base_hash32 *out, const void *data, size_t len);
/* SHA-256 of a || b, as Noise's MixHash wants it. */
void base_sha256_2(struct base_hash32 *out, const void *a, size_t a_len, const void *b,
                   size_t b_len);
void base_hmac_sha256(struct base_hash32 *out, const void *key, size_t key_len, const void *data,
                      size_t len);
/* RFC 5869 extract and expand; out_len <= 255 * 32. */
void base_hkdf_sha256(uint8_t *out, size_t out_len, const void *ikm, size_t ikm_len,
                      const void *salt, size_t salt_len, const void *info, size_t info_len);

/* scrypt (RFC 7914), without its rule that n be below 2^(16 r), which keystores of Ethereum break.
 * Takes 128 * n * r bytes: the caller bounds that, n (a power of two above 1), r and p.
 * BASE_ENOMEM. */
int base_scrypt(uint8_t *out, size_t out_len, const char *password, size_t password_len,
                const uint8_t *salt, size_t salt_len, uint64_t n, uint32_t r, uint32_t p);

/* The Ed25519 public key of a 32-byte seed (RFC 8032): what a guest agent derives when asked. */
void base_ed25519_public(uint8_t out[32], const uint8_t seed[32]);

/* Cryptographic randomness. The rim calls it and hands bytes to the cores. */
void base_random(void *out, size_t len);
/* Constant time in the contents. */
bool base_memequal(const void *a, const void *b, size_t len);

#endif
