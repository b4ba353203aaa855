#include "node/bundle.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

enum { KIND_AUTHORISATION = 1, KIND_REVOCATION = 2 };

/* ---- the codec: a cursor each way, whose lengths the caller has checked ---- */

static void put(uint8_t **at, const void *data, size_t len)
{
    memcpy(*at, data, len);
    *at += len;
}

static void put_u64(uint8_t **at, uint64_t value)
{
    base_put_u64be(*at, value);
    *at += 8;
}

static void get(void *out, const uint8_t **at, size_t len)
{
    memcpy(out, *at, len);
    *at += len;
}

static uint64_t get_u64(const uint8_t **at)
{
    uint64_t value = base_get_u64be(*at);
    *at += 8;
    return value;
}

size_t node_bundle_encode(uint8_t out[NODE_BUNDLE_BYTES_MAX], const struct node_bundle *bundle)
{
    uint8_t *at = out;
    *at++ = NODE_BUNDLE_VERSION;
    *at++ = bundle->revokes ? KIND_REVOCATION : KIND_AUTHORISATION;
    put(&at, bundle->token_id.bytes, sizeof bundle->token_id.bytes);
    put(&at, bundle->owner.bytes, BASE_ADDRESS_BYTES);
    put_u64(&at, bundle->issued_block);
    put(&at, bundle->issued_block_hash.bytes, BASE_HASH32_BYTES);
    put_u64(&at, bundle->not_after);
    put(&at, bundle->owner_sig.bytes, BASE_SIG65_BYTES);
    assert(at == out + NODE_BUNDLE_REVOCATION_BYTES);
    if (bundle->revokes) return NODE_BUNDLE_REVOCATION_BYTES;
    put(&at, bundle->instance.bytes, BASE_ADDRESS_BYTES);
    put(&at, bundle->node_key.bytes, BASE_KEY33_BYTES);
    put(&at, bundle->node_sig.bytes, BASE_SIG65_BYTES);
    put(&at, bundle->proof_sig.bytes, BASE_SIG65_BYTES);
    node_proof_encode(at, &bundle->proof);
    return NODE_BUNDLE_BYTES_MAX;
}

static void decode_common(struct node_bundle *out, const uint8_t *at)
{
    get(out->token_id.bytes, &at, sizeof out->token_id.bytes);
    get(out->owner.bytes, &at, BASE_ADDRESS_BYTES);
    out->issued_block = get_u64(&at);
    get(out->issued_block_hash.bytes, &at, BASE_HASH32_BYTES);
    out->not_after = get_u64(&at);
    get(out->owner_sig.bytes, &at, BASE_SIG65_BYTES);
}

static int decode_keys(struct node_bundle *out, const uint8_t *at)
{
    get(out->instance.bytes, &at, BASE_ADDRESS_BYTES);
    get(out->node_key.bytes, &at, BASE_KEY33_BYTES);
    get(out->node_sig.bytes, &at, BASE_SIG65_BYTES);
    get(out->proof_sig.bytes, &at, BASE_SIG65_BYTES);
    return node_proof_decode(&out->proof, at, NODE_PROOF_BYTES);
}

int node_bundle_decode(struct node_bundle *out, size_t *used, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    int rv = BASE_OK;
    memset(out, 0, sizeof *out);
    if (len < 2) return BASE_EMALFORMED;
    if (bytes[0] != NODE_BUNDLE_VERSION) return BASE_EUNSUPPORTED;
    if (bytes[1] != KIND_AUTHORISATION && bytes[1] != KIND_REVOCATION) return BASE_EMALFORMED;
    out->revokes = bytes[1] == KIND_REVOCATION;
    *used = out->revokes ? NODE_BUNDLE_REVOCATION_BYTES : NODE_BUNDLE_BYTES_MAX;
    if (len < *used) {
        rv = BASE_EMALFORMED;
    } else {
        decode_common(out, bytes + 2);
        if (!out->revokes) rv = decode_keys(out, bytes + NODE_BUNDLE_REVOCATION_BYTES);
    }
    if (rv != BASE_OK) memset(out, 0, sizeof *out);
    return rv;
}

bool node_bundle_equal(const struct node_bundle *a, const struct node_bundle *b)
{
    uint8_t x[NODE_BUNDLE_BYTES_MAX], y[NODE_BUNDLE_BYTES_MAX];
    size_t len = node_bundle_encode(x, a);
    return len == node_bundle_encode(y, b) && memcmp(x, y, len) == 0;
}

void node_bundle_digest(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                        const struct node_bundle *bundle)
{
    struct base_authorisation a = {
        .token_id = bundle->token_id,
        .owner = bundle->owner,
        .instance = bundle->instance,
        .node_key = bundle->node_key.bytes,
        .proof_key = bundle->proof.proof_key.bytes,
        .key_len = bundle->revokes ? 0 : BASE_KEY33_BYTES,
        .issued_block = bundle->issued_block,
        .issued_block_hash = bundle->issued_block_hash,
        .not_after = bundle->not_after,
    };
    base_eip712_authorisation(digest, domain, &a);
}

/* ---- as a part of HELLO ---- */

void node_bundle_of_hello(struct node_bundle *out, const struct attest_hello *hello,
                          const struct base_key33 *node_key, const struct base_eth_address *owner)
{
    const struct attest_authorisation *a = &hello->authorisation;
    assert(hello->has_authorisation);
    *out = (struct node_bundle){
        .token_id = hello->token_id,
        .owner = *owner,
        .issued_block = a->issued_block,
        .issued_block_hash = a->issued_block_hash,
        .not_after = a->not_after,
        .owner_sig = a->owner_sig,
        .instance = hello->instance,
        .node_key = *node_key,
        .node_sig = a->node_sig,
        .proof_sig = a->proof_sig,
        .proof = {hello->proof_key, hello->app_id, hello->app_key, hello->app_sig, hello->kms_sig},
    };
}

void node_bundle_for_hello(struct attest_authorisation *out, const struct node_bundle *bundle)
{
    assert(!bundle->revokes);
    *out = (struct attest_authorisation){bundle->issued_block, bundle->issued_block_hash,
                                         bundle->not_after,    bundle->owner_sig,
                                         bundle->node_sig,     bundle->proof_sig};
}
