#include "node/binding.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "chain/registry.h"

static int field(int rv, const char *name, const char *shape, char *why, size_t cap)
{
    if (rv == BASE_OK) return BASE_OK;
    snprintf(why, cap, "%s: expected %s", name, shape);
    return BASE_EINVAL;
}

/* What the caller may choose; instance and keys are ours. */
static int read_binding(struct base_binding *b, const struct node_identity *identity,
                        const json_t *body, char *why, size_t cap)
{
    const char *owner = json_string_value(json_object_get(body, "owner"));
    int rv =
        field(base_json_get_u256(&b->token_id, body, "token"), "token", "a token id", why, cap);
    if (rv == BASE_OK)
        rv = field(owner == NULL ? BASE_EINVAL : base_address_parse(&b->owner, owner), "owner",
                   "the wallet's address", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_string(&b->url, &b->url_len, body, "url"), "url", "a string", why,
                   cap);
    if (rv == BASE_OK && b->url_len > CHAIN_URL_BYTES_MAX)
        rv = field(BASE_EINVAL, "url", "at most 256 bytes", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_u64(&b->nonce, body, "nonce"), "nonce", "a number", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_u64(&b->expires_at, body, "expires_at"), "expires_at",
                   "seconds since 1970", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_u64(&b->deadline, body, "deadline"), "deadline",
                   "seconds since 1970", why, cap);
    b->instance = identity->keys.instance;
    b->node_key = identity->keys.node_key;
    b->proof_key = identity->keys.proof_key;
    return rv;
}

static void put_hex(struct base_buf *json, const char *key, const void *data, size_t len)
{
    base_buf_printf(json, ",\"%s\":\"", key);
    base_buf_hex(json, data, len);
    base_buf_puts(json, "\"");
}

static int put_xy(struct base_buf *json, const char *key, const struct base_key33 *pub)
{
    uint8_t xy[64];
    int rv = base_ecdsa_pubkey_xy(xy, pub);
    if (rv == BASE_OK) put_hex(json, key, xy, sizeof xy);
    return rv;
}

static void put_binding(struct base_buf *json, const struct base_binding *b)
{
    char owner[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(owner, &b->owner);
    base_buf_puts(json, "{\"token\":\"0x");
    base_buf_hex(json, b->token_id.bytes, sizeof b->token_id.bytes);
    base_buf_printf(json, "\",\"owner\":\"%s\"", owner);
    put_hex(json, "instance", b->instance.bytes, sizeof b->instance.bytes);
    put_hex(json, "node_key", b->node_key.bytes, sizeof b->node_key.bytes);
    put_hex(json, "proof_key", b->proof_key.bytes, sizeof b->proof_key.bytes);
    base_buf_puts(json, ",\"url\":");
    base_buf_json_string(json, b->url, b->url_len);
    base_buf_printf(json, ",\"nonce\":%llu,\"expires_at\":%llu,\"deadline\":%llu",
                    (unsigned long long)b->nonce, (unsigned long long)b->expires_at,
                    (unsigned long long)b->deadline);
}

static int sign_endpoint(struct base_buf *json, const struct node_identity *identity,
                         const json_t *body, char *why, size_t cap)
{
    const struct node_keyset *keys = &identity->keys;
    struct base_endpoint e = {.node_key = keys->node_key};
    struct base_hash32 digest;
    struct base_sig65 sig;
    int rv = field(base_json_get_u256(&e.token_id, body, "token"), "token", "a token id", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_string(&e.url, &e.url_len, body, "url"), "url", "a string", why,
                   cap);
    if (rv == BASE_OK && e.url_len > CHAIN_URL_BYTES_MAX)
        rv = field(BASE_EINVAL, "url", "at most 256 bytes", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_u64(&e.nonce, body, "nonce"), "nonce", "a number", why, cap);
    if (rv == BASE_OK)
        rv = field(base_json_get_u64(&e.deadline, body, "deadline"), "deadline",
                   "seconds since 1970", why, cap);
    if (rv != BASE_OK) return rv;
    base_eip712_endpoint(&digest, &identity->domain, &e);
    rv = base_ecdsa_sign(&sig, &digest, &keys->node_priv);
    base_buf_puts(json, "{\"token\":\"0x");
    base_buf_hex(json, e.token_id.bytes, sizeof e.token_id.bytes);
    base_buf_puts(json, "\"");
    put_hex(json, "node_key", e.node_key.bytes, sizeof e.node_key.bytes);
    base_buf_puts(json, ",\"url\":");
    base_buf_json_string(json, e.url, e.url_len);
    base_buf_printf(json, ",\"nonce\":%llu,\"deadline\":%llu", (unsigned long long)e.nonce,
                    (unsigned long long)e.deadline);
    put_hex(json, "node_sig", sig.bytes, sizeof sig.bytes);
    base_buf_puts(json, "}");
    if (rv == BASE_OK && json->failed) rv = BASE_ENOMEM;
    if (rv != BASE_OK) snprintf(why, cap, "%s", base_strerror(rv));
    return rv;
}

static int sign_binding(struct base_buf *json, const struct node_identity *identity,
                        const json_t *body, char *why, size_t cap)
{
    const struct node_keyset *keys = &identity->keys;
    struct base_binding b = {0};
    struct base_hash32 digest;
    struct base_sig65 node_sig, proof_sig;
    int rv = read_binding(&b, identity, body, why, cap);
    if (rv != BASE_OK) return rv;
    base_eip712_binding(&digest, &identity->domain, &b);
    rv = base_ecdsa_sign(&node_sig, &digest, &keys->node_priv);
    if (rv == BASE_OK) rv = base_ecdsa_sign(&proof_sig, &digest, &keys->proof_priv);
    put_binding(json, &b);
    if (rv == BASE_OK) rv = put_xy(json, "node_xy", &keys->node_key);
    if (rv == BASE_OK) rv = put_xy(json, "proof_xy", &keys->proof_key);
    if (rv == BASE_OK) rv = put_xy(json, "app_xy", &keys->app_key);
    put_hex(json, "app_id", keys->app_id.bytes, sizeof keys->app_id.bytes);
    put_hex(json, "app_sig", keys->app_sig.bytes, sizeof keys->app_sig.bytes);
    put_hex(json, "kms_sig", keys->kms_sig.bytes, sizeof keys->kms_sig.bytes);
    put_hex(json, "node_sig", node_sig.bytes, sizeof node_sig.bytes);
    put_hex(json, "proof_sig", proof_sig.bytes, sizeof proof_sig.bytes);
    base_buf_puts(json, "}");
    if (rv == BASE_OK && json->failed) rv = BASE_ENOMEM;
    if (rv != BASE_OK) snprintf(why, cap, "%s", base_strerror(rv));
    return rv;
}

int node_binding_answer(struct base_buf *json, const struct node_identity *identity,
                        const json_t *body, char *why, size_t cap)
{
    const json_t *statement = json_object_get(body, "statement");
    if (statement == NULL) return sign_binding(json, identity, body, why, cap);
    if (json_is_string(statement) && strcmp(json_string_value(statement), "endpoint") == 0)
        return sign_endpoint(json, identity, body, why, cap);
    return field(BASE_EINVAL, "statement", "\"endpoint\", or none for a Binding", why, cap);
}
