#include "node/identity.h"

#include "base/ecdsa.h"
#include "base/err.h"

#include <assert.h>
#include <string.h>

int node_keyset_from_agent(struct node_keyset *out, const struct attest_agent_info *info,
                           const struct attest_agent_key *key, const uint8_t seed[32])
{
    memset(out, 0, sizeof *out);
    out->proof_priv = key->priv;
    out->proof_key = key->pub;
    out->app_id = info->app_id;
    out->app_key = key->app_key;
    out->app_sig = key->app_sig;
    out->kms_sig = key->kms_sig;
    out->instance = info->instance;
    int rv = attest_derive_node_key(&out->node_priv, &out->proof_priv, seed);
    if (rv == BASE_OK) rv = base_ecdsa_pubkey(&out->node_key, &out->node_priv);
    if (rv != BASE_OK) base_memzero(out, sizeof *out);
    return rv;
}

void node_identity_set_mesh(struct node_identity *identity, uint64_t chain_id,
                            const struct base_eth_address *contract)
{
    identity->chain_id = chain_id;
    identity->contract = *contract;
    base_eip712_domain_init(&identity->domain, chain_id, contract);
}

void node_identity_deinit(struct node_identity *identity)
{
    base_memzero(identity, sizeof *identity);
}

bool node_identity_owns(const struct node_identity *identity, const struct base_key33 *node_key)
{
    if (base_key33_equal(&identity->keys.node_key, node_key)) return true;
    return identity->has_other && base_key33_equal(&identity->other.node_key, node_key);
}

/* D signs nothing but this: the role and N are ours, and h is of a handshake that we took part in
 * with fresh keys, so that nobody can choose what is signed. */
static int sign_pop(struct base_sig65 *out, const struct node_identity *identity,
                    const struct node_keyset *keys, enum base_role role,
                    const struct base_hash32 *h)
{
    struct base_hash32 digest;
    base_eip712_hello(&digest, &identity->domain, h, role, &keys->node_key);
    return base_ecdsa_sign(out, &digest, &keys->proof_priv);
}

int node_identity_hello(uint8_t *out, size_t *out_len, const struct node_identity *identity,
                        const struct node_keyset *keys, const struct gossip_signed_record *record,
                        enum base_role role, const struct base_hash32 *h)
{
    struct attest_hello hello = {.wire_minor = ATTEST_WIRE_MINOR};
    size_t settings_len = strlen(identity->settings);
    if (record->body_len > ATTEST_RECORD_BYTES_MAX) return BASE_ETOOBIG;
    hello.features = identity->features;
    hello.chain_id = identity->chain_id;
    hello.contract = identity->contract;
    hello.settings = (struct base_slice){(const uint8_t *)identity->settings, settings_len};
    hello.token_id = keys->token_id;
    hello.instance = keys->instance;
    memcpy(hello.boot_id, identity->boot_id, sizeof hello.boot_id);
    hello.start_incarnation = identity->start_incarnation;
    hello.record = (struct base_slice){record->body, record->body_len};
    hello.record_sig = record->sig;
    hello.proof_key = keys->proof_key;
    hello.app_id = keys->app_id;
    hello.app_key = keys->app_key;
    hello.app_sig = keys->app_sig;
    hello.kms_sig = keys->kms_sig;
    hello.has_authorisation = keys->has_authorisation;
    hello.authorisation = keys->authorisation;
    int rv = sign_pop(&hello.pop, identity, keys, role, h);
    if (rv != BASE_OK) return rv;
    return attest_hello_encode(out, out_len, ATTEST_HELLO_BYTES_MAX, &hello);
}

int node_alive_sign(struct node_alive *out, const struct node_identity *identity,
                    const struct node_keyset *keys, const struct base_hash32 *challenge)
{
    struct base_hash32 digest;
    memcpy(out->boot_id, identity->boot_id, sizeof out->boot_id);
    out->start_incarnation = identity->start_incarnation;
    base_eip712_alive(&digest, &identity->domain, challenge, out->boot_id, out->start_incarnation);
    return base_ecdsa_sign(&out->sig, &digest, &keys->node_priv);
}

int node_alive_verify(const struct node_alive *alive, const struct base_eip712_domain *domain,
                      const struct base_hash32 *challenge, const struct base_key33 *node_key)
{
    struct base_hash32 digest;
    base_eip712_alive(&digest, domain, challenge, alive->boot_id, alive->start_incarnation);
    return base_ecdsa_verify(&digest, &alive->sig, node_key) == BASE_OK ? BASE_OK : BASE_ESIG;
}

void node_alive_encode(uint8_t out[NODE_ALIVE_BYTES], const struct node_alive *alive)
{
    memcpy(out, alive->boot_id, NODE_BOOT_ID_BYTES);
    base_put_u64be(out + NODE_BOOT_ID_BYTES, alive->start_incarnation);
    memcpy(out + NODE_BOOT_ID_BYTES + 8, alive->sig.bytes, BASE_SIG65_BYTES);
}

int node_alive_decode(struct node_alive *out, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    if (len != NODE_ALIVE_BYTES) return BASE_EMALFORMED;
    memcpy(out->boot_id, bytes, NODE_BOOT_ID_BYTES);
    out->start_incarnation = base_get_u64be(bytes + NODE_BOOT_ID_BYTES);
    memcpy(out->sig.bytes, bytes + NODE_BOOT_ID_BYTES + 8, BASE_SIG65_BYTES);
    return BASE_OK;
}

int node_alive_compare(uint64_t a_incarnation, const uint8_t a_boot[NODE_BOOT_ID_BYTES],
                       uint64_t b_incarnation, const uint8_t b_boot[NODE_BOOT_ID_BYTES])
{
    if (a_incarnation != b_incarnation) return a_incarnation < b_incarnation ? -1 : 1;
    return memcmp(a_boot, b_boot, NODE_BOOT_ID_BYTES);
}
