#ifndef NFTMESH_BASE_ECDSA_H
#define NFTMESH_BASE_ECDSA_H

#include "base/bytes.h"

/* secp256k1: sign, recover, verify, ECDH. The one file that includes <secp256k1*.h>.
 *
 * Signatures are 65 bytes r || s || v with v 0 or 1 (never 27/28 in here: callers convert at the
 * ABI boundary), 1 <= r < n, 1 <= s <= n/2. Everything else is refused: one signature has one
 * encoding. Signing is RFC 6979, so the same input gives the same bytes.
 *
 * Memory: allocates nothing per call; the library's context is made once, at the first call of
 * base_ecdsa_init(), and randomised against side channels. Call base_ecdsa_init() first in main
 * and in tests; it is idempotent and not thread-safe. All other functions are thread-safe. */
int base_ecdsa_init(void); /* BASE_OK, BASE_ENOMEM, BASE_EIO without entropy */

/* BASE_EKEY: zero or >= n. */
int base_ecdsa_privkey_check(const struct base_privkey *priv);
int base_ecdsa_pubkey(struct base_key33 *out, const struct base_privkey *priv);
/* BASE_EKEY: prefix not 02/03, x >= p, or no point. */
int base_ecdsa_pubkey_check(const struct base_key33 *pub);
/* The 64-byte X || Y form. BASE_EKEY. */
int base_ecdsa_pubkey_xy(uint8_t out[64], const struct base_key33 *pub);
/* Ethereum address: last 20 bytes of keccak256(X || Y). BASE_EKEY. */
int base_ecdsa_address(struct base_eth_address *out, const struct base_key33 *pub);

/* BASE_EKEY for a bad private key. */
int base_ecdsa_sign(struct base_sig65 *out, const struct base_hash32 *digest,
                    const struct base_privkey *priv);
/* BASE_ESIG: v above 1, r or s out of range, s above n/2, or nothing recovers. */
int base_ecdsa_recover(struct base_key33 *out, const struct base_hash32 *digest,
                       const struct base_sig65 *sig);
/* Is sig (under all rules above, v included) by pub over digest? BASE_OK, BASE_ESIG, BASE_EKEY. */
int base_ecdsa_verify(const struct base_hash32 *digest, const struct base_sig65 *sig,
                      const struct base_key33 *pub);
/* Recovers an address: what a wallet's signature gives. BASE_ESIG. */
int base_ecdsa_recover_address(struct base_eth_address *out, const struct base_hash32 *digest,
                               const struct base_sig65 *sig);

/* SHA-256 of the compressed shared point: libsecp256k1's default, and BOLT 8's. BASE_EKEY. */
int base_ecdsa_ecdh(struct base_hash32 *out, const struct base_key33 *pub,
                    const struct base_privkey *priv);

#endif
