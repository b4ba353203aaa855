#include "node/authorise.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "base/u256.h"
#include "node/typed_data.h"

/* ---- a node's part ---- */

static int field(int rv, const char *name, const char *shape, char *why, size_t cap)
{
    if (rv == BASE_OK) return BASE_OK;
    snprintf(why, cap, "%s: expected %s", name, shape);
    return BASE_EINVAL;
}

static int read_wish(struct node_bundle *b, const json_t *body, char *why, size_t cap)
{
    const char *owner = json_string_value(json_object_get(body, "owner"));
    int rv =
        field(base_json_get_u256(&b->token_id, body, "token"), "token", "a token id", why, cap);
    if (rv == BASE_OK)
        rv = field(owner == NULL ? BASE_EINVAL : base_address_parse(&b->owner, owner), "owner",
                   "the wallet's address", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_u64(&b->issued_block, body, "issued_block"), "issued_block",
                   "a block's number", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_hex(b->issued_block_hash.bytes, BASE_HASH32_BYTES, body,
                                     "issued_block_hash"),
                   "issued_block_hash", "64 hex digits", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_u64(&b->not_after, body, "not_after"), "not_after",
                   "seconds since 1970", why, cap);
    return rv;
}

static void put_bundle(struct base_buf *out, const struct node_bundle *bundle)
{
    uint8_t data[NODE_BUNDLE_BYTES_MAX];
    base_buf_puts(out, "\"bundle\":\"");
    base_buf_hex(out, data, node_bundle_encode(data, bundle));
    base_buf_puts(out, "\"");
}

int node_authorise_answer(struct base_buf *json, const struct node_identity *identity,
                          const json_t *body, char *why, size_t cap)
{
    const struct node_keyset *keys = &identity->keys;
    struct node_bundle b = {.instance = keys->instance, .node_key = keys->node_key};
    struct base_hash32 digest;
    int rv = read_wish(&b, body, why, cap);
    if (rv != BASE_OK) return rv;
    node_proof_of(&b.proof, keys);
    node_bundle_digest(&digest, &identity->domain, &b);
    rv = base_ecdsa_sign(&b.node_sig, &digest, &keys->node_priv);
    if (rv == BASE_OK) rv = base_ecdsa_sign(&b.proof_sig, &digest, &keys->proof_priv);
    base_buf_puts(json, "{");
    put_bundle(json, &b);
    base_buf_puts(json, "}");
    if (rv == BASE_OK && json->failed) rv = BASE_ENOMEM;
    if (rv != BASE_OK) snprintf(why, cap, "%s", base_strerror(rv));
    return rv;
}

int node_authorise_bundle(struct node_bundle *out, const json_t *body, char *why, size_t cap)
{
    uint8_t data[NODE_BUNDLE_BYTES_MAX];
    size_t len = 0, used = 0;
    const char *hex = json_string_value(json_object_get(body, "bundle"));
    int rv = hex == NULL ? BASE_EINVAL : base_hex_decode_var(data, &len, sizeof data, hex);
    if (rv == BASE_OK) rv = node_bundle_decode(out, &used, data, len);
    if (rv == BASE_OK && used != len) rv = BASE_EMALFORMED;
    return field(rv, "bundle", "an authorisation or a revocation, in hex", why, cap);
}

/* ---- for a wallet elsewhere ---- */

#define TYPES                                                                                      \
    "{\"types\":{" NODE_TYPED_DOMAIN_TYPE ","                                                      \
    "\"Authorisation\":[{\"name\":\"tokenId\",\"type\":\"uint256\"},"                              \
    "{\"name\":\"owner\",\"type\":\"address\"},{\"name\":\"instance\",\"type\":\"address\"},"      \
    "{\"name\":\"nodeKey\",\"type\":\"bytes\"},{\"name\":\"proofKey\",\"type\":\"bytes\"},"        \
    "{\"name\":\"issuedBlock\",\"type\":\"uint64\"},"                                              \
    "{\"name\":\"issuedBlockHash\",\"type\":\"bytes32\"},"                                         \
    "{\"name\":\"notAfter\",\"type\":\"uint64\"}]},\"primaryType\":\"Authorisation\","

void node_authorise_print(struct base_buf *out, uint64_t chain_id,
                          const struct base_eth_address *contract, const struct node_bundle *bundle)
{
    char token[BASE_U256_TEXT_BYTES];
    size_t key_len = bundle->revokes ? 0 : BASE_KEY33_BYTES;
    base_u256_format(token, &bundle->token_id);
    base_buf_puts(out, TYPES);
    node_typed_domain(out, chain_id, contract);
    base_buf_printf(out, ",\"message\":{\"tokenId\":\"%s\"", token);
    node_typed_address(out, "owner", &bundle->owner);
    node_typed_address(out, "instance", &bundle->instance);
    node_typed_hex(out, "nodeKey", bundle->node_key.bytes, key_len);
    node_typed_hex(out, "proofKey", bundle->proof.proof_key.bytes, key_len);
    node_typed_number(out, "issuedBlock", bundle->issued_block);
    node_typed_hex(out, "issuedBlockHash", bundle->issued_block_hash.bytes, BASE_HASH32_BYTES);
    node_typed_number(out, "notAfter", bundle->not_after);
    base_buf_puts(out, "},\"nftmesh\":{");
    put_bundle(out, bundle);
    base_buf_puts(out, "}}\n");
}

static int check_domain(const json_t *json, uint64_t chain_id,
                        const struct base_eth_address *contract, char why[NODE_AUTHORISE_WHY_BYTES])
{
    const json_t *domain = json_object_get(json, "domain");
    const char *text = json_string_value(json_object_get(domain, "verifyingContract"));
    struct base_eth_address there;
    uint64_t id = 0;
    bool same = base_json_get_u64(&id, domain, "chainId") == BASE_OK && id == chain_id &&
                text != NULL && base_address_parse(&there, text) == BASE_OK &&
                base_address_equal(&there, contract);
    if (same) return BASE_OK;
    snprintf(why, NODE_AUTHORISE_WHY_BYTES,
             "domain is not that of --chain-id %" PRIu64 " and --contract", chain_id);
    return BASE_EINVAL;
}

int node_authorise_read(struct node_bundle *out, uint64_t chain_id,
                        const struct base_eth_address *contract, const void *data, size_t len,
                        char why[NODE_AUTHORISE_WHY_BYTES])
{
    json_t *json = NULL;
    char json_why[BASE_JSON_WHY_BYTES] = "";
    int rv = base_json_parse(&json, data, len, NODE_AUTHORISE_BYTES_MAX, json_why);
    if (rv != BASE_OK)
        snprintf(why, NODE_AUTHORISE_WHY_BYTES, "not what --print wrote: %.150s", json_why);
    if (rv == BASE_OK) rv = check_domain(json, chain_id, contract, why);
    if (rv == BASE_OK)
        rv = node_authorise_bundle(out, json_object_get(json, "nftmesh"), why,
                                   NODE_AUTHORISE_WHY_BYTES);
    json_decref(json);
    return rv;
}

int node_authorise_sign(struct node_bundle *bundle, const struct base_eip712_domain *domain,
                        const struct base_sig65 *sig)
{
    struct base_hash32 digest;
    struct base_eth_address signer;
    struct base_sig65 ours = *sig;
    if (ours.bytes[64] >= 27) ours.bytes[64] = (uint8_t)(ours.bytes[64] - 27);
    node_bundle_digest(&digest, domain, bundle);
    if (base_ecdsa_recover_address(&signer, &digest, &ours) != BASE_OK) return BASE_ESIG;
    if (!base_address_equal(&signer, &bundle->owner)) return BASE_ESIG;
    bundle->owner_sig = ours;
    return BASE_OK;
}
