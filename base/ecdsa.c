#include "base/ecdsa.h"

#include <assert.h>
#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <secp256k1_recovery.h>
#include <string.h>

#include "base/aead.h"
#include "base/err.h"
#include "base/keccak256.h"

static secp256k1_context *ctx; /* lives as long as the process */

int base_ecdsa_init(void)
{
    uint8_t seed[32];
    if (ctx != NULL) return BASE_OK;
    int rv = base_aead_init();
    if (rv != BASE_OK) return rv;
    secp256k1_context *fresh =
        secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    if (fresh == NULL) return BASE_ENOMEM;
    base_random(seed, sizeof seed);
    int randomised = secp256k1_context_randomize(fresh, seed);
    assert(randomised == 1);
    (void)randomised;
    base_memzero(seed, sizeof seed);
    ctx = fresh;
    return BASE_OK;
}

int base_ecdsa_privkey_check(const struct base_privkey *priv)
{
    assert(ctx != NULL);
    return secp256k1_ec_seckey_verify(ctx, priv->bytes) == 1 ? BASE_OK : BASE_EKEY;
}

static void key33_serialize(struct base_key33 *out, const secp256k1_pubkey *point)
{
    size_t len = sizeof out->bytes;
    secp256k1_ec_pubkey_serialize(ctx, out->bytes, &len, point, SECP256K1_EC_COMPRESSED);
    assert(len == sizeof out->bytes);
}

static int key33_parse(secp256k1_pubkey *point, const struct base_key33 *pub)
{
    assert(ctx != NULL);
    return secp256k1_ec_pubkey_parse(ctx, point, pub->bytes, sizeof pub->bytes) == 1 ? BASE_OK
                                                                                     : BASE_EKEY;
}

int base_ecdsa_pubkey(struct base_key33 *out, const struct base_privkey *priv)
{
    secp256k1_pubkey point;
    assert(ctx != NULL);
    if (secp256k1_ec_pubkey_create(ctx, &point, priv->bytes) != 1) return BASE_EKEY;
    key33_serialize(out, &point);
    return BASE_OK;
}

int base_ecdsa_pubkey_check(const struct base_key33 *pub)
{
    secp256k1_pubkey point;
    return key33_parse(&point, pub);
}

static void point_xy(uint8_t out[64], const secp256k1_pubkey *point)
{
    uint8_t sec1[65];
    size_t len = sizeof sec1;
    secp256k1_ec_pubkey_serialize(ctx, sec1, &len, point, SECP256K1_EC_UNCOMPRESSED);
    assert(len == sizeof sec1);
    memcpy(out, sec1 + 1, 64);
}

static void point_address(struct base_eth_address *out, const secp256k1_pubkey *point)
{
    uint8_t xy[64];
    struct base_hash32 hash;
    point_xy(xy, point);
    base_keccak256(&hash, xy, sizeof xy);
    memcpy(out->bytes, hash.bytes + 12, sizeof out->bytes);
}

int base_ecdsa_pubkey_xy(uint8_t out[64], const struct base_key33 *pub)
{
    secp256k1_pubkey point;
    int rv = key33_parse(&point, pub);
    if (rv == BASE_OK) point_xy(out, &point);
    return rv;
}

int base_ecdsa_address(struct base_eth_address *out, const struct base_key33 *pub)
{
    secp256k1_pubkey point;
    int rv = key33_parse(&point, pub);
    if (rv == BASE_OK) point_address(out, &point);
    return rv;
}

int base_ecdsa_sign(struct base_sig65 *out, const struct base_hash32 *digest,
                    const struct base_privkey *priv)
{
    secp256k1_ecdsa_recoverable_signature sig;
    int v = 0;
    assert(ctx != NULL);
    /* The default nonce is RFC 6979's, and the library gives the low s. */
    if (secp256k1_ecdsa_sign_recoverable(ctx, &sig, digest->bytes, priv->bytes, NULL, NULL) != 1)
        return BASE_EKEY;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(ctx, out->bytes, &v, &sig);
    /* v of 2 or 3 means an r above the curve order: nobody has ever met one. */
    assert(v == 0 || v == 1);
    out->bytes[64] = (uint8_t)v;
    return BASE_OK;
}

/* The form rules that the library does not make: v, and s in the lower half. It refuses r and s
 * of n and above when parsing, and of zero when recovering. */
static int sig_parse(secp256k1_ecdsa_recoverable_signature *out, const struct base_sig65 *sig)
{
    secp256k1_ecdsa_signature plain;
    assert(ctx != NULL);
    int v = sig->bytes[64];
    if (v > 1) return BASE_ESIG;
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(ctx, out, sig->bytes, v) != 1)
        return BASE_ESIG;
    secp256k1_ecdsa_recoverable_signature_convert(ctx, &plain, out);
    if (secp256k1_ecdsa_signature_normalize(ctx, NULL, &plain) == 1) return BASE_ESIG;
    return BASE_OK;
}

static int point_recover(secp256k1_pubkey *out, const struct base_hash32 *digest,
                         const struct base_sig65 *sig)
{
    secp256k1_ecdsa_recoverable_signature parsed;
    int rv = sig_parse(&parsed, sig);
    if (rv != BASE_OK) return rv;
    return secp256k1_ecdsa_recover(ctx, out, &parsed, digest->bytes) == 1 ? BASE_OK : BASE_ESIG;
}

int base_ecdsa_recover(struct base_key33 *out, const struct base_hash32 *digest,
                       const struct base_sig65 *sig)
{
    secp256k1_pubkey point;
    int rv = point_recover(&point, digest, sig);
    if (rv == BASE_OK) key33_serialize(out, &point);
    return rv;
}

/* Recover and compare, rather than the library's verify: that would say nothing about v, and
 * recovering as well would pay for the curve work twice. A key that equals a recovered one is on
 * the curve, so only a failure needs to look at pub itself. */
int base_ecdsa_verify(const struct base_hash32 *digest, const struct base_sig65 *sig,
                      const struct base_key33 *pub)
{
    struct base_key33 signer;
    int rv = base_ecdsa_recover(&signer, digest, sig);
    if (rv == BASE_OK && base_key33_equal(&signer, pub)) return BASE_OK;
    return base_ecdsa_pubkey_check(pub) == BASE_OK ? BASE_ESIG : BASE_EKEY;
}

int base_ecdsa_recover_address(struct base_eth_address *out, const struct base_hash32 *digest,
                               const struct base_sig65 *sig)
{
    secp256k1_pubkey signer;
    int rv = point_recover(&signer, digest, sig);
    if (rv == BASE_OK) point_address(out, &signer);
    return rv;
}

int base_ecdsa_ecdh(struct base_hash32 *out, const struct base_key33 *pub,
                    const struct base_privkey *priv)
{
    secp256k1_pubkey point;
    int rv = key33_parse(&point, pub);
    if (rv != BASE_OK) return rv;
    if (secp256k1_ecdh(ctx, out->bytes, &point, priv->bytes, NULL, NULL) != 1) return BASE_EKEY;
    return BASE_OK;
}
