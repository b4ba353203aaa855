#include "attest/sigchain.h"

#include "attest/attest_internal.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/keccak256.h"

#include <assert.h>
#include <string.h>

static const char kms_prefix[] = "dstack-kms-issued:";
static const char derivation_salt[] = "RATLS";

const char *attest_verdict_name(enum attest_verdict verdict)
{
    switch (verdict) {
    case ATTEST_UNDECIDED:
        return "undecided";
    case ATTEST_ACCEPT:
        return "accept";
    case ATTEST_REJECT_LENGTH:
        return "length";
    case ATTEST_REJECT_PURPOSE:
        return "purpose";
    case ATTEST_REJECT_DERIVED_KEY:
        return "derived_key";
    case ATTEST_REJECT_APP_KEY:
        return "app_key";
    case ATTEST_REJECT_APP_SIGNATURE_FORM:
        return "app_signature_form";
    case ATTEST_REJECT_KMS_SIGNATURE_FORM:
        return "kms_signature_form";
    case ATTEST_REJECT_APP_SIGNATURE:
        return "app_signature";
    case ATTEST_REJECT_KMS_ROOT:
        return "kms_root";
    case ATTEST_REJECT_APP_ID:
        return "app_id";
    }
    return "undecided";
}

void attest__app_digest(struct base_hash32 *out, const void *purpose, size_t purpose_len,
                        const void *public_key, size_t public_key_len)
{
    char hex[2 * BASE_KEY33_BYTES + 1];
    struct base_keccak256 k;

    assert(public_key_len <= BASE_KEY33_BYTES);
    base_hex_encode(hex, public_key, public_key_len);
    base_keccak256_init(&k);
    base_keccak256_update(&k, purpose, purpose_len);
    base_keccak256_update(&k, ":", 1);
    base_keccak256_update(&k, hex, 2 * public_key_len);
    base_keccak256_final(&k, out);
}

/* keccak256( "dstack-kms-issued:" || app id || app key ) */
static void kms_digest(struct base_hash32 *out, const struct base_eth_address *app_id,
                       const struct base_key33 *app_key)
{
    struct base_keccak256 k;

    base_keccak256_init(&k);
    base_keccak256_update(&k, kms_prefix, sizeof kms_prefix - 1);
    base_keccak256_update(&k, app_id->bytes, sizeof app_id->bytes);
    base_keccak256_update(&k, app_key->bytes, sizeof app_key->bytes);
    base_keccak256_final(&k, out);
}

/* v in {0, 1}, 1 <= r < n, 1 <= s <= n/2: what a signature must look like before any curve work,
 * so that a refusal says "form" for the form and "signature" for the signer. */
static bool has_strict_form(const struct base_sig65 *sig)
{
    static const uint8_t n[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
                                  0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
    static const uint8_t half_n[32] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d,
                                       0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};
    const uint8_t *r = sig->bytes, *s = sig->bytes + 32;

    if (sig->bytes[64] > 1) return false;
    if (base_is_zero(r, 32) || memcmp(r, n, 32) >= 0) return false;
    return !base_is_zero(s, 32) && memcmp(s, half_n, 32) <= 0;
}

/* A chain whose lengths are right, as fixed-size values. */
struct chain_parts {
    struct base_key33 derived_key, app_key;
    struct base_sig65 app_sig, kms_sig;
    struct base_eth_address app_id;
};

static bool copy_exact(void *out, size_t len, struct base_slice in)
{
    if (in.len != len) return false;
    memcpy(out, in.data, len);
    return true;
}

static bool parts_from(struct chain_parts *out, const struct attest_sigchain *chain)
{
    return copy_exact(out->derived_key.bytes, BASE_KEY33_BYTES, chain->derived_key) &&
           copy_exact(out->app_key.bytes, BASE_KEY33_BYTES, chain->app_key) &&
           copy_exact(out->app_sig.bytes, BASE_SIG65_BYTES, chain->app_sig) &&
           copy_exact(out->kms_sig.bytes, BASE_SIG65_BYTES, chain->kms_sig) &&
           copy_exact(out->app_id.bytes, BASE_ADDRESS_BYTES, chain->app_id);
}

static bool is_own_purpose(struct base_slice claimed, const char *own)
{
    size_t len = strlen(own);

    return claimed.len == len && (len == 0 || memcmp(claimed.data, own, len) == 0);
}

/* Step 5: the app signature recovers to the app key that was shown. */
static bool app_signature_holds(const struct chain_parts *parts, const char *purpose)
{
    struct base_hash32 digest;
    struct base_key33 recovered;

    attest__app_digest(&digest, purpose, strlen(purpose), parts->derived_key.bytes,
                       sizeof parts->derived_key.bytes);
    if (base_ecdsa_recover(&recovered, &digest, &parts->app_sig) != BASE_OK) return false;
    return base_key33_equal(&recovered, &parts->app_key);
}

/* Step 6: the KMS signature recovers to the root that we trust, which is one. */
static bool kms_signature_holds(const struct chain_parts *parts,
                                const struct base_eth_address *root)
{
    struct base_hash32 digest;
    struct base_eth_address recovered;

    if (base_is_zero(root->bytes, sizeof root->bytes)) return false;
    kms_digest(&digest, &parts->app_id, &parts->app_key);
    if (base_ecdsa_recover_address(&recovered, &digest, &parts->kms_sig) != BASE_OK) return false;
    return base_address_equal(&recovered, root);
}

static bool is_listed(const struct base_eth_address *app_id, const struct attest_trust *trust)
{
    for (size_t i = 0; i < trust->app_id_count; i++)
        if (base_address_equal(app_id, &trust->app_ids[i])) return true;
    return false;
}

static enum attest_verdict judge(const struct attest_sigchain *chain,
                                 const struct attest_trust *trust)
{
    struct chain_parts parts;

    if (!parts_from(&parts, chain)) return ATTEST_REJECT_LENGTH;
    if (!is_own_purpose(chain->purpose, trust->purpose)) return ATTEST_REJECT_PURPOSE;
    if (base_ecdsa_pubkey_check(&parts.derived_key) != BASE_OK) return ATTEST_REJECT_DERIVED_KEY;
    if (base_ecdsa_pubkey_check(&parts.app_key) != BASE_OK) return ATTEST_REJECT_APP_KEY;
    if (!has_strict_form(&parts.app_sig)) return ATTEST_REJECT_APP_SIGNATURE_FORM;
    if (!has_strict_form(&parts.kms_sig)) return ATTEST_REJECT_KMS_SIGNATURE_FORM;
    if (!app_signature_holds(&parts, trust->purpose)) return ATTEST_REJECT_APP_SIGNATURE;
    if (!kms_signature_holds(&parts, &trust->kms_root)) return ATTEST_REJECT_KMS_ROOT;
    if (!is_listed(&parts.app_id, trust)) return ATTEST_REJECT_APP_ID;
    return ATTEST_ACCEPT;
}

void attest_sigchain_verify(enum attest_verdict *verdict, const struct attest_sigchain *chain,
                            const struct attest_trust *trust)
{
    assert(verdict != NULL && chain != NULL && trust != NULL && trust->purpose != NULL);
    assert(trust->app_ids != NULL || trust->app_id_count == 0);
    assert(strchr(trust->purpose, ':') == NULL);
    *verdict = judge(chain, trust);
}

bool attest_root_is_public(const struct base_eth_address *root)
{
    static const struct base_eth_address public_roots[] = {
        {{0}},
        /* the official simulator, 0.4.2 to 0.5.5, and from 0.5.6 on */
        {{0x8f, 0x2c, 0xf6, 0x02, 0xc9, 0x69, 0x5b, 0x23, 0x13, 0x03,
          0x67, 0xed, 0x78, 0xd8, 0xf5, 0x57, 0x55, 0x4d, 0xe7, 0xc5}},
        {{0xa7, 0xf6, 0x04, 0x3c, 0x29, 0xf9, 0xcc, 0x1d, 0x9d, 0x6a,
          0xcf, 0x55, 0x4c, 0x53, 0xe0, 0xc6, 0x79, 0x2a, 0xae, 0xaf}},
        /* tests/vectors/signature-chain.json, synthetic */
        {{0x9a, 0xd9, 0x07, 0x6e, 0xf6, 0x54, 0xfa, 0xe9, 0xea, 0x83,
          0xe2, 0x36, 0x9c, 0x49, 0xb2, 0x12, 0x27, 0xff, 0xa1, 0x2c}},
    };

    assert(root != NULL);
    for (size_t i = 0; i < sizeof public_roots / sizeof public_roots[0]; i++)
        if (base_address_equal(root, &public_roots[i])) return true;
    return false;
}

/* ---- derivation and signing ---- */

/* The 32 bytes of HKDF are the scalar as they are: nothing is reduced. */
static int scalar_from_hkdf(struct base_privkey *out, const void *ikm, size_t ikm_len,
                            const char *salt, const void *info, size_t info_len)
{
    int rv;

    base_hkdf_sha256(out->bytes, sizeof out->bytes, ikm, ikm_len, salt, strlen(salt), info,
                     info_len);
    rv = base_ecdsa_privkey_check(out);
    if (rv != BASE_OK) base_memzero(out, sizeof *out);
    return rv;
}

int attest_derive_app_key(struct base_privkey *out, const struct base_privkey *kms_root,
                          const struct base_eth_address *app_id)
{
    static const char suffix[7] = {'a', 'p', 'p', '-', 'k', 'e', 'y'};
    uint8_t info[BASE_ADDRESS_BYTES + sizeof suffix];

    assert(out != NULL && kms_root != NULL && app_id != NULL);
    memcpy(info, app_id->bytes, BASE_ADDRESS_BYTES);
    memcpy(info + BASE_ADDRESS_BYTES, suffix, sizeof suffix);
    return scalar_from_hkdf(out, kms_root->bytes, sizeof kms_root->bytes, derivation_salt, info,
                            sizeof info);
}

int attest_derive_key(struct base_privkey *out, const struct base_privkey *app_key,
                      const void *path, size_t path_len)
{
    assert(out != NULL && app_key != NULL && (path != NULL || path_len == 0));
    return scalar_from_hkdf(out, app_key->bytes, sizeof app_key->bytes, derivation_salt, path,
                            path_len);
}

int attest_sign_app(struct base_sig65 *out, const struct base_privkey *app_key, const void *purpose,
                    size_t purpose_len, const void *public_key, size_t public_key_len)
{
    struct base_hash32 digest;

    assert(out != NULL && app_key != NULL && public_key != NULL);
    assert(purpose != NULL || purpose_len == 0);
    attest__app_digest(&digest, purpose, purpose_len, public_key, public_key_len);
    return base_ecdsa_sign(out, &digest, app_key);
}

int attest_sign_kms(struct base_sig65 *out, const struct base_privkey *kms_root,
                    const struct base_eth_address *app_id, const struct base_key33 *app_key)
{
    struct base_hash32 digest;

    assert(out != NULL && kms_root != NULL && app_id != NULL && app_key != NULL);
    kms_digest(&digest, app_id, app_key);
    return base_ecdsa_sign(out, &digest, kms_root);
}

int attest_derive_node_key(struct base_privkey *out, const struct base_privkey *proof_key,
                           const uint8_t seed[32])
{
    static const char info[] = "node-key-v1";
    uint8_t ikm[64];
    int rv;

    assert(out != NULL && proof_key != NULL && seed != NULL);
    memcpy(ikm, proof_key->bytes, 32);
    memcpy(ikm + 32, seed, 32);
    rv = scalar_from_hkdf(out, ikm, sizeof ikm, "nftmesh", info, sizeof info - 1);
    base_memzero(ikm, sizeof ikm);
    return rv;
}

/* Decimal without leading zeros; returns past the last digit. */
static char *put_decimal(char *out, uint64_t value)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

void attest_proof_path(char out[ATTEST_PATH_BYTES], uint64_t chain_id,
                       const struct base_eth_address *contract,
                       const struct base_eth_address *instance)
{
    char *at = out;

    assert(out != NULL && contract != NULL && instance != NULL);
    memcpy(at, "nftmesh/", 8);
    at = put_decimal(at + 8, chain_id);
    memcpy(at, "/0x", 3);
    base_hex_encode(at + 3, contract->bytes, sizeof contract->bytes);
    at += 43;
    *at++ = '/';
    base_hex_encode(at, instance->bytes, sizeof instance->bytes); /* terminates */
}
