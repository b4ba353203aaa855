#ifndef NFTMESH_ATTEST_SIGCHAIN_H
#define NFTMESH_ATTEST_SIGCHAIN_H

#include "base/bytes.h"

#define ATTEST_PURPOSE "nftmesh-node-v1" /* the one purpose of an app proof key of ours */

enum attest_verdict {
    ATTEST_UNDECIDED = 0, /* zeroed memory never means yes */
    ATTEST_ACCEPT,
    ATTEST_REJECT_LENGTH,             /* step 1 */
    ATTEST_REJECT_PURPOSE,            /* step 2 */
    ATTEST_REJECT_DERIVED_KEY,        /* step 3: not a point */
    ATTEST_REJECT_APP_KEY,            /* step 3: not a point */
    ATTEST_REJECT_APP_SIGNATURE_FORM, /* step 4 */
    ATTEST_REJECT_KMS_SIGNATURE_FORM, /* step 4 */
    ATTEST_REJECT_APP_SIGNATURE,      /* step 5: recovers to another key than the app key shown */
    ATTEST_REJECT_KMS_ROOT,           /* step 6: recovers to another address, or the root is zero */
    ATTEST_REJECT_APP_ID              /* step 7 */
};
/* "length", "purpose", "derived_key", "app_key", "app_signature_form", "kms_signature_form",
 * "app_signature", "kms_root", "app_id"; "accept" and "undecided". */
const char *attest_verdict_name(enum attest_verdict verdict);

/* A chain as it comes, lengths and all: nothing is trimmed, padded or converted. All borrowed. */
struct attest_sigchain {
    struct base_slice purpose;     /* what the chain claims; ours is compared byte for byte */
    struct base_slice derived_key; /* 33 bytes */
    struct base_slice app_key;     /* 33 */
    struct base_slice app_sig;     /* 65 */
    struct base_slice kms_sig;     /* 65 */
    struct base_slice app_id;      /* 20 */
};
/* The verifier's own constants. */
struct attest_trust {
    const char *purpose; /* ASCII, without ':' */
    struct base_eth_address kms_root;
    const struct base_eth_address *app_ids;
    size_t app_id_count;
};

/* Does this derived key descend from the KMS root we trust? signature-chain section 3:
 *
 *   app_key = recover(app_sig, keccak256(purpose ":" hex(derived_key)))
 *   root    = recover(kms_sig, keccak256("dstack-kms-issued:" app_id app_key))
 *
 * The app_key in line two is the one recovered in line one, compared with the one shown.
 * Always sets *verdict; the first failing step in the order above names it.
 * Memory: none. Source: Dstack-TEE/dstack kms/src/crypto.rs, guest-agent/src/rpc_service.rs. */
void attest_sigchain_verify(enum attest_verdict *verdict, const struct attest_sigchain *chain,
                            const struct attest_trust *trust);

/* Roots whose private keys are public: two of the official simulator, one of our vectors, zero.
 * Never a trust anchor outside --dev. */
bool attest_root_is_public(const struct base_eth_address *root);

/* Derivation, as the KMS and the guest agent do it: for the simulator and for tests.
 * BASE_EKEY when HKDF gives no scalar (probability 2^-128). */
int attest_derive_app_key(struct base_privkey *out, const struct base_privkey *kms_root,
                          const struct base_eth_address *app_id);
int attest_derive_key(struct base_privkey *out, const struct base_privkey *app_key,
                      const void *path, size_t path_len);
/* The two signatures of a chain. public_key is 33 bytes (secp256k1) or 32 (Ed25519). */
int attest_sign_app(struct base_sig65 *out, const struct base_privkey *app_key, const void *purpose,
                    size_t purpose_len, const void *public_key, size_t public_key_len);
int attest_sign_kms(struct base_sig65 *out, const struct base_privkey *kms_root,
                    const struct base_eth_address *app_id, const struct base_key33 *app_key);

/* N = HKDF-SHA256(ikm = D || seed, salt "nftmesh", info "node-key-v1"). BASE_EKEY: draw again. */
int attest_derive_node_key(struct base_privkey *out, const struct base_privkey *proof_key,
                           const uint8_t seed[32]);
/* "nftmesh/<chain id>/<0x contract>/<instance>": the path of D. out holds 160. */
#define ATTEST_PATH_BYTES 160
void attest_proof_path(char out[ATTEST_PATH_BYTES], uint64_t chain_id,
                       const struct base_eth_address *contract,
                       const struct base_eth_address *instance);

#endif
