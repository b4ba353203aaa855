/* Every statement that we sign: the digest that wallets and contracts compute too, and replays
 * into another chain, another contract or another kind, all of which name another signer. */
#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/eip712.h"
#include "base/err.h"

static json_t *root;

static int setup(void **state)
{
    (void)state;
    return base_ecdsa_init();
}

static void load_domain(struct base_eip712_domain *out, const json_t *vector)
{
    const json_t *domain = json_vectors_object(vector, "domain");
    struct base_eth_address contract;
    assert_string_equal(json_vectors_string(domain, "name"), "nftmesh");
    assert_string_equal(json_vectors_string(domain, "version"), "1");
    json_vectors_hex(contract.bytes, 20, domain, "verifyingContract");
    base_eip712_domain_init(out, json_vectors_u64(domain, "chainId"), &contract);
}

static struct base_u256 token(const json_t *m)
{
    return base_u256_from_u64(json_vectors_u64(m, "tokenId"));
}

static struct base_eth_address address(const json_t *m, const char *key)
{
    struct base_eth_address out;
    json_vectors_hex(out.bytes, 20, m, key);
    return out;
}

static struct base_key33 key33(const json_t *m, const char *key)
{
    struct base_key33 out;
    json_vectors_hex(out.bytes, 33, m, key);
    return out;
}

static struct base_hash32 hash32(const json_t *m, const char *key)
{
    struct base_hash32 out;
    json_vectors_hex(out.bytes, 32, m, key);
    return out;
}

typedef void digest_fn(struct base_hash32 *out, const struct base_eip712_domain *domain,
                       const json_t *m);

static void digest_binding(struct base_hash32 *out, const struct base_eip712_domain *domain,
                           const json_t *m)
{
    const char *url = json_vectors_string(m, "url");
    struct base_binding binding = {
        .token_id = token(m),
        .owner = address(m, "owner"),
        .instance = address(m, "instance"),
        .node_key = key33(m, "nodeKey"),
        .proof_key = key33(m, "proofKey"),
        .url = url,
        .url_len = strlen(url),
        .nonce = json_vectors_u64(m, "nonce"),
        .expires_at = json_vectors_u64(m, "expiresAt"),
        .deadline = json_vectors_u64(m, "deadline"),
    };
    base_eip712_binding(out, domain, &binding);
}

static void digest_renewal(struct base_hash32 *out, const struct base_eip712_domain *domain,
                           const json_t *m)
{
    struct base_renewal renewal = {
        .token_id = token(m),
        .node_key = key33(m, "nodeKey"),
        .nonce = json_vectors_u64(m, "nonce"),
        .expires_at = json_vectors_u64(m, "expiresAt"),
        .deadline = json_vectors_u64(m, "deadline"),
    };
    base_eip712_renewal(out, domain, &renewal);
}

static void digest_endpoint(struct base_hash32 *out, const struct base_eip712_domain *domain,
                            const json_t *m)
{
    const char *url = json_vectors_string(m, "url");
    struct base_endpoint endpoint = {
        .token_id = token(m),
        .node_key = key33(m, "nodeKey"),
        .url = url,
        .url_len = strlen(url),
        .nonce = json_vectors_u64(m, "nonce"),
        .deadline = json_vectors_u64(m, "deadline"),
    };
    base_eip712_endpoint(out, domain, &endpoint);
}

static void digest_authorisation(struct base_hash32 *out, const struct base_eip712_domain *domain,
                                 const json_t *m)
{
    size_t node_len, proof_len;
    uint8_t *node_key = json_vectors_hex_new(&node_len, m, "nodeKey");
    uint8_t *proof_key = json_vectors_hex_new(&proof_len, m, "proofKey");
    assert_int_equal(node_len, proof_len);
    struct base_authorisation authorisation = {
        .token_id = token(m),
        .owner = address(m, "owner"),
        .instance = address(m, "instance"),
        .node_key = node_len > 0 ? node_key : NULL,
        .proof_key = node_len > 0 ? proof_key : NULL,
        .key_len = node_len,
        .issued_block = json_vectors_u64(m, "issuedBlock"),
        .issued_block_hash = hash32(m, "issuedBlockHash"),
        .not_after = json_vectors_u64(m, "notAfter"),
    };
    base_eip712_authorisation(out, domain, &authorisation);
    free(node_key);
    free(proof_key);
}

static void digest_hello(struct base_hash32 *out, const struct base_eip712_domain *domain,
                         const json_t *m)
{
    struct base_hash32 handshake_hash = hash32(m, "handshakeHash");
    struct base_key33 node_key = key33(m, "nodeKey");
    uint64_t role = json_vectors_u64(m, "role");
    base_eip712_hello(out, domain, &handshake_hash,
                      role == 0 ? BASE_ROLE_INITIATOR : BASE_ROLE_RESPONDER, &node_key);
}

static void digest_alive(struct base_hash32 *out, const struct base_eip712_domain *domain,
                         const json_t *m)
{
    struct base_hash32 challenge = hash32(m, "challenge");
    uint8_t boot_id[16];
    json_vectors_hex(boot_id, sizeof boot_id, m, "bootId");
    base_eip712_alive(out, domain, &challenge, boot_id, json_vectors_u64(m, "startIncarnation"));
}

static void digest_statement(struct base_hash32 *out, const struct base_eip712_domain *domain,
                             enum base_statement kind, const json_t *m)
{
    size_t len;
    uint8_t *body = json_vectors_hex_new(&len, m, "body");
    base_eip712_statement(out, domain, kind, body, len);
    free(body);
}

static void load_digest(struct base_hash32 *out, const json_t *vector)
{
    static const struct {
        const char *type;
        digest_fn *digest;
    } structs[] = {
        {"Binding", digest_binding},   {"Renewal", digest_renewal},
        {"Endpoint", digest_endpoint}, {"Authorisation", digest_authorisation},
        {"Hello", digest_hello},       {"Alive", digest_alive},
    };
    static const char *const statements[] = {
        [BASE_STATEMENT_RECORD] = "Record",
        [BASE_STATEMENT_ACCUSATION] = "Accusation",
        [BASE_STATEMENT_CONFIRMATION] = "Confirmation",
        [BASE_STATEMENT_REFUTATION] = "Refutation",
        [BASE_STATEMENT_LEAVE] = "Leave",
        [BASE_STATEMENT_EVENT] = "Event",
    };
    struct base_eip712_domain domain;
    const char *type = json_vectors_string(vector, "primaryType");
    const json_t *m = json_vectors_object(vector, "message");
    load_domain(&domain, vector);
    for (size_t i = 0; i < sizeof structs / sizeof structs[0]; i++) {
        if (strcmp(structs[i].type, type) == 0) {
            structs[i].digest(out, &domain, m);
            return;
        }
    }
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (strcmp(statements[i], type) == 0) {
            digest_statement(out, &domain, (enum base_statement)i, m);
            return;
        }
    }
    fail_msg("no such type: %s", type);
}

static const json_t *find_case(const char *name)
{
    const json_t *cases = json_vectors_array(root, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *vector = json_array_get(cases, i);
        if (strcmp(json_vectors_string(vector, "name"), name) == 0) return vector;
    }
    fail_msg("no such case: %s", name);
    return NULL;
}

static void test_digest(void **state)
{
    struct base_eip712_domain domain;
    struct base_hash32 digest;
    load_domain(&domain, *state);
    struct base_hash32 want_separator = hash32(*state, "domain_separator");
    struct base_hash32 want = hash32(*state, "digest");
    assert_memory_equal(domain.separator.bytes, want_separator.bytes, 32);
    load_digest(&digest, *state);
    assert_memory_equal(digest.bytes, want.bytes, 32);
}

static void test_signatures(void **state)
{
    const json_t *keys = json_vectors_object(root, "keys");
    struct base_hash32 digest;
    const char *signer;
    json_t *ignored;
    load_digest(&digest, *state);
    json_t *signatures = (json_t *)json_vectors_object(*state, "signatures");
    assert_true(json_object_size(signatures) > 0);
    json_object_foreach(signatures, signer, ignored)
    {
        const json_t *key = json_vectors_object(keys, signer);
        struct base_privkey priv;
        struct base_sig65 want, sig;
        struct base_key33 pub = key33(key, "public_key");
        struct base_key33 recovered;
        json_vectors_hex(priv.bytes, 32, key, "private_key");
        json_vectors_hex(want.bytes, 65, signatures, signer);
        assert_int_equal(base_ecdsa_sign(&sig, &digest, &priv), BASE_OK);
        assert_memory_equal(sig.bytes, want.bytes, 65);
        assert_int_equal(base_ecdsa_recover(&recovered, &digest, &want), BASE_OK);
        assert_memory_equal(recovered.bytes, pub.bytes, 33);
        assert_int_equal(base_ecdsa_verify(&digest, &want, &pub), BASE_OK);
    }
}

static void test_reject(void **state)
{
    const json_t *vector = *state;
    const char *signer = json_vectors_string(vector, "signer");
    const char *used = json_vectors_has(vector, "use_signature_by")
                           ? json_vectors_string(vector, "use_signature_by")
                           : signer;
    const json_t *said = find_case(json_vectors_string(vector, "signature_of"));
    const json_t *taken_for = find_case(json_vectors_string(vector, "digest_of"));
    struct base_hash32 digest;
    struct base_sig65 sig;
    struct base_key33 recovered;
    struct base_key33 want = key33(vector, "recovers");
    struct base_key33 claimed =
        key33(json_vectors_object(json_vectors_object(root, "keys"), signer), "public_key");
    load_digest(&digest, taken_for);
    json_vectors_hex(sig.bytes, 65, json_vectors_object(said, "signatures"), used);
    assert_int_equal(base_ecdsa_verify(&digest, &sig, &claimed), BASE_ESIG);
    assert_int_equal(base_ecdsa_recover(&recovered, &digest, &sig), BASE_OK);
    assert_memory_equal(recovered.bytes, want.bytes, 33);
}

/* A body is signed to its last byte. */
static void test_statement_covers_whole_body(void **state)
{
    const struct base_eth_address contract = {{1}};
    struct base_eip712_domain domain;
    struct base_hash32 whole, other, empty;
    uint8_t body[300] = {0};
    (void)state;
    base_eip712_domain_init(&domain, 1, &contract);
    base_eip712_statement(&whole, &domain, BASE_STATEMENT_EVENT, body, sizeof body);
    base_eip712_statement(&empty, &domain, BASE_STATEMENT_EVENT, NULL, 0);
    assert_memory_not_equal(whole.bytes, empty.bytes, 32);
    for (size_t i = 0; i < sizeof body; i++) {
        body[i] ^= 1;
        base_eip712_statement(&other, &domain, BASE_STATEMENT_EVENT, body, sizeof body);
        assert_memory_not_equal(whole.bytes, other.bytes, 32);
        body[i] ^= 1;
    }
    base_eip712_statement(&other, &domain, BASE_STATEMENT_EVENT, body, sizeof body - 1);
    assert_memory_not_equal(whole.bytes, other.bytes, 32);
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    root = json_vectors_load("eip712.json");
    const json_t *cases = json_vectors_array(root, "cases");
    const json_t *rejects = json_vectors_array(root, "reject");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *vector = json_array_get(cases, i);
        const char *name = json_vectors_string(vector, "name");
        json_vectors_add(&tests, test_digest, vector, "%s: digest", name);
        json_vectors_add(&tests, test_signatures, vector, "%s: signatures", name);
    }
    for (size_t i = 0; i < json_array_size(rejects); i++) {
        const json_t *vector = json_array_get(rejects, i);
        json_vectors_add(&tests, test_reject, vector, "refused: %s",
                         json_vectors_string(vector, "name"));
    }
    json_vectors_add(&tests, test_statement_covers_whole_body, NULL, "body signed to the end");
    int failures = json_vectors_run(&tests, "eip712", setup);
    json_decref(root);
    return failures;
}
