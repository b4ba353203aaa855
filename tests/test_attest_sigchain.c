/* The signature chain: every published case with the verdict that names its step, derivation and
 * signing against the official simulators' keys, and what the published cases leave out. */
#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"

static json_t *root;

static int setup(void **state)
{
    (void)state;
    return base_ecdsa_init();
}

/* ---- verify_cases ---- */

#define VERIFIERS_PURPOSE "mesh-peer-v1" /* the one of the published cases */

/* Which step refuses a case, and so under which name. */
static const struct expected {
    const char *name;
    enum attest_verdict verdict;
} expected_verdicts[] = {
    {"valid", ATTEST_ACCEPT},
    {"wrong-purpose", ATTEST_REJECT_APP_SIGNATURE},
    {"app-signature-bit-flip-r", ATTEST_REJECT_APP_SIGNATURE},
    {"app-signature-bit-flip-s", ATTEST_REJECT_APP_SIGNATURE},
    {"kms-signature-bit-flip", ATTEST_REJECT_KMS_ROOT},
    {"app-signature-high-s", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"kms-signature-high-s", ATTEST_REJECT_KMS_SIGNATURE_FORM},
    {"app-signature-v-2", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-v-3", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-v-4", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-v-26", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-v-29", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-v-35", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-v-255", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-v-flipped", ATTEST_REJECT_APP_SIGNATURE},
    {"app-signature-64-bytes", ATTEST_REJECT_LENGTH},
    {"app-signature-66-bytes", ATTEST_REJECT_LENGTH},
    {"app-signature-empty", ATTEST_REJECT_LENGTH},
    {"kms-signature-64-bytes", ATTEST_REJECT_LENGTH},
    {"app-signature-r-zero", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-s-zero", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-r-is-n", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"app-signature-all-ff", ATTEST_REJECT_APP_SIGNATURE_FORM},
    {"wrong-app-id", ATTEST_REJECT_KMS_ROOT},
    {"app-id-32-bytes-padded", ATTEST_REJECT_LENGTH},
    {"app-id-19-bytes", ATTEST_REJECT_LENGTH},
    {"app-id-shifted-boundary", ATTEST_REJECT_LENGTH},
    {"valid-chain-of-an-app-that-is-not-allowed", ATTEST_REJECT_APP_ID},
    {"rogue-kms-root", ATTEST_REJECT_KMS_ROOT},
    {"app-key-not-matching", ATTEST_REJECT_APP_SIGNATURE},
    {"self-signed-app-key", ATTEST_REJECT_KMS_ROOT},
    {"derived-key-swapped", ATTEST_REJECT_APP_SIGNATURE},
    {"derived-key-uncompressed", ATTEST_REJECT_LENGTH},
    {"derived-key-not-on-curve", ATTEST_REJECT_DERIVED_KEY},
    {"derived-key-prefix-00", ATTEST_REJECT_DERIVED_KEY},
    {"signatures-exchanged", ATTEST_REJECT_APP_SIGNATURE},
    {"ed25519-derived-key", ATTEST_REJECT_LENGTH},
    {"eip191-signed-message", ATTEST_REJECT_APP_SIGNATURE},
    {"upper-case-hex-in-message", ATTEST_REJECT_APP_SIGNATURE},
    {"hex-with-0x-in-message", ATTEST_REJECT_APP_SIGNATURE},
};

static enum attest_verdict expected_of(const char *name)
{
    for (size_t i = 0; i < sizeof expected_verdicts / sizeof expected_verdicts[0]; i++)
        if (strcmp(expected_verdicts[i].name, name) == 0) return expected_verdicts[i].verdict;
    fail_msg("a case that this test does not know: %s", name);
    return ATTEST_UNDECIDED;
}

/* A chain whose bytes live in the slices: exact-size copies, so that ASan sees one byte too far. */
static struct base_slice slice_of(const json_t *input, const char *key)
{
    size_t len;
    uint8_t *bytes = json_vectors_hex_new(&len, input, key);
    uint8_t *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    free(bytes);
    return (struct base_slice){exact, len};
}

static void slice_free(struct base_slice slice)
{
    union {
        const uint8_t *borrowed;
        void *owned;
    } cast = {.borrowed = slice.data};
    free(cast.owned);
}

struct loaded { /* one case, as the verifier gets it */
    struct attest_sigchain chain;
    struct attest_trust trust;
    struct base_eth_address allowed;
};

static void load(struct loaded *out, const json_t *input)
{
    const char *purpose = json_vectors_string(input, "purpose");
    memset(out, 0, sizeof *out);
    out->chain.purpose = (struct base_slice){(const uint8_t *)purpose, strlen(purpose)};
    out->chain.derived_key = slice_of(input, "derived_public_key");
    out->chain.app_key = slice_of(input, "app_public_key");
    out->chain.app_sig = slice_of(input, "app_signature");
    out->chain.kms_sig = slice_of(input, "kms_signature");
    out->chain.app_id = slice_of(input, "app_id");
    json_vectors_hex(out->trust.kms_root.bytes, 20, input, "kms_root_address");
    json_vectors_hex(out->allowed.bytes, 20, input, "allowed_app_id");
    out->trust.purpose = VERIFIERS_PURPOSE;
    out->trust.app_ids = &out->allowed;
    out->trust.app_id_count = 1;
}

static void unload(struct loaded *l)
{
    slice_free(l->chain.derived_key);
    slice_free(l->chain.app_key);
    slice_free(l->chain.app_sig);
    slice_free(l->chain.kms_sig);
    slice_free(l->chain.app_id);
}

static void assert_verdict(const struct loaded *l, enum attest_verdict want)
{
    enum attest_verdict got = ATTEST_UNDECIDED;
    attest_sigchain_verify(&got, &l->chain, &l->trust);
    assert_string_equal(attest_verdict_name(got), attest_verdict_name(want));
    assert_int_equal(got, want);
}

static void test_verify_case(void **state)
{
    const json_t *vector = *state;
    const char *name = json_vectors_string(vector, "name");
    bool accept = strcmp(json_vectors_string(vector, "expect"), "accept") == 0;
    struct loaded l;
    assert_int_equal(expected_of(name) == ATTEST_ACCEPT, accept);
    load(&l, json_vectors_object(vector, "input"));
    assert_verdict(&l, expected_of(name));
    unload(&l);
}

/* ---- what the cases leave out: one change to the valid chain ---- */

static void load_valid(struct loaded *out)
{
    load(out,
         json_vectors_object(json_array_get(json_vectors_array(root, "verify_cases"), 0), "input"));
}

static void test_claimed_purpose_is_compared_with_our_own(void **state)
{
    static const char *const others[] = {"mesh-peer-v2", "mesh-peer-v", "mesh-peer-v11",
                                         "Mesh-peer-v1", ""};
    struct loaded l;
    (void)state;
    load_valid(&l);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        l.chain.purpose = (struct base_slice){(const uint8_t *)others[i], strlen(others[i])};
        assert_verdict(&l, ATTEST_REJECT_PURPOSE);
    }
    l.chain.purpose = (struct base_slice){NULL, 0};
    assert_verdict(&l, ATTEST_REJECT_PURPOSE);
    unload(&l);
}

static void test_own_purpose_is_not_the_peers_to_choose(void **state)
{
    struct loaded l;
    (void)state;
    load_valid(&l);
    l.trust.purpose = ATTEST_PURPOSE;
    assert_verdict(&l, ATTEST_REJECT_PURPOSE);
    l.chain.purpose = (struct base_slice){(const uint8_t *)ATTEST_PURPOSE, strlen(ATTEST_PURPOSE)};
    assert_verdict(&l, ATTEST_REJECT_APP_SIGNATURE);
    unload(&l);
}

/* Replaces one part by a changed copy and gives the verdict back to the caller to judge. */
static void assert_changed(size_t byte, uint8_t value, struct base_slice *part, struct loaded *l,
                           enum attest_verdict want)
{
    struct base_slice original = *part;
    uint8_t changed[128];
    assert_true(original.len <= sizeof changed && byte < original.len);
    memcpy(changed, original.data, original.len);
    changed[byte] = value;
    part->data = changed;
    assert_verdict(l, want);
    *part = original;
}

static void test_app_key_must_be_a_point(void **state)
{
    static const uint8_t off_curve[33] = {0x02, [32] = 0x05}; /* x = 5: 5^3 + 7 is no square */
    struct loaded l;
    (void)state;
    load_valid(&l);
    assert_changed(0, 0x00, &l.chain.app_key, &l, ATTEST_REJECT_APP_KEY);
    assert_changed(0, 0x04, &l.chain.app_key, &l, ATTEST_REJECT_APP_KEY);
    struct base_slice original = l.chain.app_key;
    l.chain.app_key.data = off_curve;
    assert_verdict(&l, ATTEST_REJECT_APP_KEY);
    l.chain.app_key = original;
    assert_changed(0, 0x02, &l.chain.app_key, &l, ATTEST_REJECT_APP_SIGNATURE); /* the other y */
    unload(&l);
}

static void test_kms_signature_has_one_form(void **state)
{
    static const uint8_t vs[] = {2, 3, 4, 26, 27, 28, 29, 255};
    static const uint8_t n[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
                                  0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
    uint8_t sig[65];
    struct loaded l;
    (void)state;
    load_valid(&l);
    for (size_t i = 0; i < sizeof vs; i++) {
        assert_changed(64, vs[i], &l.chain.kms_sig, &l, ATTEST_REJECT_KMS_SIGNATURE_FORM);
        assert_changed(64, vs[i], &l.chain.app_sig, &l, ATTEST_REJECT_APP_SIGNATURE_FORM);
    }
    struct base_slice original = l.chain.kms_sig;
    l.chain.kms_sig.data = sig;
    for (size_t half = 0; half <= 32; half += 32) { /* r, then s: zero, then n */
        memcpy(sig, original.data, sizeof sig);
        memset(sig + half, 0, 32);
        assert_verdict(&l, ATTEST_REJECT_KMS_SIGNATURE_FORM);
        memcpy(sig + half, n, sizeof n);
        assert_verdict(&l, ATTEST_REJECT_KMS_SIGNATURE_FORM);
    }
    l.chain.kms_sig = original;
    unload(&l);
}

/* s may be n/2 and not one more: the border, which no random signature meets. */
static void test_low_s_border(void **state)
{
    static const uint8_t half_n[32] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d,
                                       0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};
    uint8_t sig[65];
    struct loaded l;
    (void)state;
    load_valid(&l);
    struct base_slice original = l.chain.app_sig;
    memcpy(sig, original.data, sizeof sig);
    memcpy(sig + 32, half_n, sizeof half_n);
    l.chain.app_sig.data = sig;
    assert_verdict(&l, ATTEST_REJECT_APP_SIGNATURE);
    sig[63]++;
    assert_verdict(&l, ATTEST_REJECT_APP_SIGNATURE_FORM);
    l.chain.app_sig = original;
    unload(&l);
}

static void test_every_length_is_fixed(void **state)
{
    uint8_t longer[128] = {0};
    struct loaded l;
    (void)state;
    load_valid(&l);
    struct base_slice *const parts[] = {&l.chain.derived_key, &l.chain.app_key, &l.chain.app_sig,
                                        &l.chain.kms_sig, &l.chain.app_id};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct base_slice original = *parts[i];
        memcpy(longer, original.data, original.len);
        *parts[i] = (struct base_slice){longer, original.len + 1};
        assert_verdict(&l, ATTEST_REJECT_LENGTH);
        *parts[i] = (struct base_slice){longer, original.len - 1};
        assert_verdict(&l, ATTEST_REJECT_LENGTH);
        *parts[i] = (struct base_slice){NULL, 0};
        assert_verdict(&l, ATTEST_REJECT_LENGTH);
        *parts[i] = original;
    }
    assert_verdict(&l, ATTEST_ACCEPT);
    unload(&l);
}

static void test_zero_root_trusts_nobody(void **state)
{
    struct loaded l;
    (void)state;
    load_valid(&l);
    memset(&l.trust.kms_root, 0, sizeof l.trust.kms_root);
    assert_verdict(&l, ATTEST_REJECT_KMS_ROOT);
    unload(&l);
}

static void test_allow_list(void **state)
{
    struct base_eth_address list[3] = {{{1}}, {{2}}, {{3}}};
    struct loaded l;
    (void)state;
    load_valid(&l);
    l.trust.app_ids = list;
    l.trust.app_id_count = 3;
    assert_verdict(&l, ATTEST_REJECT_APP_ID);
    list[2] = l.allowed;
    assert_verdict(&l, ATTEST_ACCEPT);
    l.trust.app_id_count = 2;
    assert_verdict(&l, ATTEST_REJECT_APP_ID);
    l.trust.app_ids = NULL;
    l.trust.app_id_count = 0;
    assert_verdict(&l, ATTEST_REJECT_APP_ID);
    unload(&l);
}

/* Two faults: the earlier step names the refusal. */
static void test_first_failing_step_names_the_verdict(void **state)
{
    struct loaded l;
    (void)state;
    load_valid(&l);
    l.trust.app_id_count = 0;
    assert_verdict(&l, ATTEST_REJECT_APP_ID);
    memset(&l.trust.kms_root, 1, sizeof l.trust.kms_root);
    assert_verdict(&l, ATTEST_REJECT_KMS_ROOT);
    assert_changed(1, 0xff, &l.chain.app_sig, &l, ATTEST_REJECT_APP_SIGNATURE);
    assert_changed(64, 2, &l.chain.kms_sig, &l, ATTEST_REJECT_KMS_SIGNATURE_FORM);
    assert_changed(64, 2, &l.chain.app_sig, &l, ATTEST_REJECT_APP_SIGNATURE_FORM);
    assert_changed(0, 9, &l.chain.app_key, &l, ATTEST_REJECT_APP_KEY);
    assert_changed(0, 9, &l.chain.derived_key, &l, ATTEST_REJECT_DERIVED_KEY);
    l.chain.purpose.len--;
    assert_changed(0, 9, &l.chain.derived_key, &l, ATTEST_REJECT_PURPOSE);
    l.chain.app_id.len--;
    assert_verdict(&l, ATTEST_REJECT_LENGTH);
    unload(&l);
}

/* ---- derivation and signing ---- */

static void assert_bytes(const void *got, size_t len, const json_t *obj, const char *key)
{
    uint8_t want[65];
    assert_true(len <= sizeof want);
    json_vectors_hex(want, len, obj, key);
    assert_memory_equal(got, want, len);
}

/* The chain of a secp256k1 example, as a verifier sees it. */
static void assert_accepted(const json_t *example, const struct base_sig65 *app_sig)
{
    const char *purpose = json_vectors_string(example, "purpose");
    struct base_key33 derived, app_key;
    struct base_sig65 kms_sig;
    struct base_eth_address app_id;
    struct loaded l = {.trust = {.purpose = purpose, .app_ids = &app_id, .app_id_count = 1}};
    json_vectors_hex(derived.bytes, 33, example, "derived_public_key");
    json_vectors_hex(app_key.bytes, 33, example, "app_public_key");
    json_vectors_hex(kms_sig.bytes, 65, example, "kms_signature");
    json_vectors_hex(app_id.bytes, 20, example, "app_id");
    json_vectors_hex(l.trust.kms_root.bytes, 20, example, "kms_root_address");
    l.chain = (struct attest_sigchain){.purpose = {(const uint8_t *)purpose, strlen(purpose)},
                                       .derived_key = {derived.bytes, 33},
                                       .app_key = {app_key.bytes, 33},
                                       .app_sig = {app_sig->bytes, 65},
                                       .kms_sig = {kms_sig.bytes, 65},
                                       .app_id = {app_id.bytes, 20}};
    assert_verdict(&l, ATTEST_ACCEPT);
}

/* state: [the group with its app private key, the example] */
static void test_example(void **state)
{
    const json_t *group = json_array_get(*state, 0), *example = json_array_get(*state, 1);
    bool is_secp = strcmp(json_vectors_string(example, "algorithm"), "secp256k1") == 0;
    const char *purpose = json_vectors_string(example, "purpose");
    struct base_privkey app_key, derived;
    struct base_key33 pub;
    struct base_sig65 sig;
    size_t path_len, public_len;
    uint8_t *path = json_vectors_hex_new(&path_len, example, "path_hex");
    uint8_t *public_key = json_vectors_hex_new(&public_len, example, "derived_public_key");

    json_vectors_hex(app_key.bytes, 32, group, "app_private_key");
    assert_int_equal(attest_derive_key(&derived, &app_key, path, path_len), BASE_OK);
    assert_bytes(derived.bytes, 32, example, "derived_private_key");
    assert_int_equal(
        attest_sign_app(&sig, &app_key, purpose, strlen(purpose), public_key, public_len), BASE_OK);
    assert_bytes(sig.bytes, 65, example, "app_signature");
    assert_int_equal(public_len, is_secp ? 33 : 32);
    if (is_secp) {
        assert_int_equal(base_ecdsa_pubkey(&pub, &derived), BASE_OK);
        assert_memory_equal(pub.bytes, public_key, 33);
        /* No verifier has a purpose with a colon, but agents sign under any. */
        if (strchr(purpose, ':') == NULL) assert_accepted(example, &sig);
    }
    free(public_key);
    free(path);
}

static void test_upstream_pinned_derivation(void **state)
{
    const json_t *vector = *state;
    const char *path = json_vectors_string(vector, "path");
    struct base_privkey app_key, derived;
    struct base_key33 pub;
    json_vectors_hex(app_key.bytes, 32, vector, "app_key");
    assert_int_equal(attest_derive_key(&derived, &app_key, path, strlen(path)), BASE_OK);
    assert_bytes(derived.bytes, 32, vector, "derived_private_key");
    assert_int_equal(base_ecdsa_pubkey(&pub, &derived), BASE_OK);
    assert_bytes(pub.bytes, 33, vector, "secp256k1_public_key");
}

/* The root's signature under its other prefix is a good signature, and no link of a chain. */
static void test_upstream_pinned_other_prefix(void **state)
{
    const json_t *vector = *state;
    struct base_hash32 digest;
    struct base_sig65 sig;
    struct base_key33 signer;
    struct loaded l;
    json_vectors_hex(digest.bytes, 32, vector, "keccak256");
    json_vectors_hex(sig.bytes, 65, vector, "signature");
    assert_int_equal(base_ecdsa_recover(&signer, &digest, &sig), BASE_OK);
    assert_bytes(signer.bytes, 33, vector, "recovered_public_key");
    load_valid(&l);
    assert_int_equal(base_ecdsa_address(&l.trust.kms_root, &signer), BASE_OK);
    struct base_slice original = l.chain.kms_sig;
    l.chain.kms_sig = (struct base_slice){sig.bytes, sizeof sig.bytes};
    assert_verdict(&l, ATTEST_REJECT_KMS_ROOT);
    l.chain.kms_sig = original;
    unload(&l);
}

static void test_synthetic_kms(void **state)
{
    const json_t *kms = json_vectors_object(root, "synthetic");
    struct base_privkey root_key, app_key;
    struct base_eth_address app_id, address;
    struct base_key33 pub;
    struct base_sig65 sig;
    (void)state;
    json_vectors_hex(root_key.bytes, 32, kms, "kms_root_private_key");
    json_vectors_hex(app_id.bytes, 20, kms, "app_id");
    assert_int_equal(base_ecdsa_pubkey(&pub, &root_key), BASE_OK);
    assert_bytes(pub.bytes, 33, kms, "kms_root_public_key");
    assert_int_equal(base_ecdsa_address(&address, &pub), BASE_OK);
    assert_bytes(address.bytes, 20, kms, "kms_root_address");
    assert_int_equal(attest_derive_app_key(&app_key, &root_key, &app_id), BASE_OK);
    assert_bytes(app_key.bytes, 32, kms, "app_private_key");
    assert_int_equal(base_ecdsa_pubkey(&pub, &app_key), BASE_OK);
    assert_bytes(pub.bytes, 33, kms, "app_public_key");
    assert_int_equal(attest_sign_kms(&sig, &root_key, &app_id, &pub), BASE_OK);
    assert_bytes(sig.bytes, 65, kms, "kms_signature");
}

static void test_signing_with_a_bad_key_is_an_error(void **state)
{
    static const struct base_privkey zero;
    static const struct base_eth_address app_id;
    static const struct base_key33 pub = {{2}};
    struct base_sig65 sig;
    (void)state;
    assert_int_equal(attest_sign_app(&sig, &zero, "p", 1, pub.bytes, 33), BASE_EKEY);
    assert_int_equal(attest_sign_kms(&sig, &zero, &app_id, &pub), BASE_EKEY);
}

/* D, seed and N as tests/vectors/eip712.json has them. */
static void test_node_key_derivation(void **state)
{
    json_t *statements = json_vectors_load("eip712.json");
    const json_t *keys = json_vectors_object(statements, "keys");
    const json_t *d = json_vectors_object(keys, "D"), *n = json_vectors_object(keys, "N");
    struct base_privkey proof_key, node_key;
    uint8_t seed[32];
    (void)state;
    json_vectors_hex(proof_key.bytes, 32, d, "private_key");
    json_vectors_hex(seed, 32, n, "seed");
    assert_int_equal(attest_derive_node_key(&node_key, &proof_key, seed), BASE_OK);
    assert_bytes(node_key.bytes, 32, n, "private_key");
    seed[31] ^= 1;
    assert_int_equal(attest_derive_node_key(&node_key, &proof_key, seed), BASE_OK);
    uint8_t published[32];
    json_vectors_hex(published, 32, n, "private_key");
    assert_memory_not_equal(node_key.bytes, published, 32);
    json_decref(statements);
}

static void test_proof_path(void **state)
{
    static const struct base_eth_address contract = {{0x5f, 0xbd, 0xb2, 0x31, 0x56, 0x78, 0xaf,
                                                      0xec, 0xb3, 0x67, 0xf0, 0x32, 0xd9, 0x3f,
                                                      0x64, 0x2f, 0x64, 0x18, 0x0a, 0xa3}};
    static const struct base_eth_address instance = {{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66,
                                                      0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
                                                      0xee, 0xff, 0x00, 0x11, 0x22, 0x33}};
    json_t *statements = json_vectors_load("eip712.json");
    const json_t *keys = json_vectors_object(statements, "keys");
    struct base_privkey app_key, proof_key;
    char path[ATTEST_PATH_BYTES];
    (void)state;
    attest_proof_path(path, 31337, &contract, &instance);
    assert_string_equal(path, json_vectors_string(json_vectors_object(keys, "D"), "path"));
    json_vectors_hex(app_key.bytes, 32, json_vectors_object(keys, "app"), "private_key");
    assert_int_equal(attest_derive_key(&proof_key, &app_key, path, strlen(path)), BASE_OK);
    assert_bytes(proof_key.bytes, 32, json_vectors_object(keys, "D"), "private_key");
    attest_proof_path(path, UINT64_MAX, &contract, &instance);
    assert_memory_equal(path, "nftmesh/18446744073709551615/0x5f", 33);
    attest_proof_path(path, 0, &contract, &instance);
    assert_memory_equal(path, "nftmesh/0/0x5f", 14);
    json_decref(statements);
}

static void test_public_roots(void **state)
{
    struct base_eth_address address;
    const json_t *official = json_vectors_array(root, "official");
    (void)state;
    memset(&address, 0, sizeof address);
    assert_true(attest_root_is_public(&address));
    for (size_t i = 0; i < json_array_size(official); i++) {
        json_vectors_hex(address.bytes, 20, json_array_get(official, i), "kms_root_address");
        assert_true(attest_root_is_public(&address));
    }
    json_vectors_hex(address.bytes, 20, json_vectors_object(root, "synthetic"), "kms_root_address");
    assert_true(attest_root_is_public(&address));
    address.bytes[19] ^= 1;
    assert_false(attest_root_is_public(&address));
}

/* ---- the list of all ---- */

static void add_examples(struct json_vectors_tests *tests, const json_t *group, const char *name,
                         json_t *pairs)
{
    const json_t *examples = json_vectors_array(group, "examples");
    for (size_t i = 0; i < json_array_size(examples); i++) {
        json_t *example = json_array_get(examples, i);
        json_t *pair = json_pack("[O,O]", group, example);
        json_array_append_new(pairs, pair);
        json_vectors_add(tests, test_example, pair, "example %s: %zu %s", name, i,
                         json_vectors_string(example, "algorithm"));
    }
}

static void add_vectors(struct json_vectors_tests *tests, json_t *pairs)
{
    const json_t *cases = json_vectors_array(root, "verify_cases");
    const json_t *official = json_vectors_array(root, "official");
    const json_t *pinned = json_vectors_array(root, "upstream_pinned");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        json_vectors_add(tests, test_verify_case, item, "case %s",
                         json_vectors_string(item, "name"));
    }
    for (size_t i = 0; i < json_array_size(official); i++) {
        const json_t *group = json_array_get(official, i);
        add_examples(tests, group, json_vectors_string(group, "name"), pairs);
    }
    add_examples(tests, json_vectors_object(root, "synthetic"), "synthetic", pairs);
    json_vectors_add(tests, test_upstream_pinned_derivation, json_array_get(pinned, 0),
                     "upstream pinned: derivation");
    json_vectors_add(tests, test_upstream_pinned_other_prefix, json_array_get(pinned, 1),
                     "upstream pinned: the root's other prefix");
}

#define ADD(function) json_vectors_add(&tests, function, NULL, #function)

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *pairs = json_array();
    root = json_vectors_load("signature-chain.json");
    add_vectors(&tests, pairs);
    ADD(test_claimed_purpose_is_compared_with_our_own);
    ADD(test_own_purpose_is_not_the_peers_to_choose);
    ADD(test_app_key_must_be_a_point);
    ADD(test_kms_signature_has_one_form);
    ADD(test_low_s_border);
    ADD(test_every_length_is_fixed);
    ADD(test_zero_root_trusts_nobody);
    ADD(test_allow_list);
    ADD(test_first_failing_step_names_the_verdict);
    ADD(test_synthetic_kms);
    ADD(test_signing_with_a_bad_key_is_an_error);
    ADD(test_node_key_derivation);
    ADD(test_proof_path);
    ADD(test_public_roots);
    int failures = json_vectors_run(&tests, "attest_sigchain", setup);
    json_decref(pairs);
    json_decref(root);
    return failures;
}
