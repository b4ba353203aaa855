#ifndef NFTMESH_NODE_IDENTITY_H
#define NFTMESH_NODE_IDENTITY_H

#include "attest/agent.h"
#include "attest/hello.h"
#include "base/eip712.h"
#include "gossip/record.h"

/* Who this node is. Secret: zero it with node_identity_deinit. */
#define NODE_BOOT_ID_BYTES 16

/* One node key with the app proof key under which it is registered, and that key's chain. */
struct node_keyset {
    struct base_privkey node_priv; /* N: static key of sessions, signs records */
    struct base_key33 node_key;
    struct base_privkey proof_priv; /* D: signs HELLO and nothing else in here */
    struct base_key33 proof_key;
    struct base_eth_address app_id;
    struct base_key33 app_key;
    struct base_sig65 app_sig, kms_sig;
    struct base_u256 token_id;
    struct base_eth_address instance;
    bool has_authorisation; /* the contract stores no keys: HELLO shows the owner's word for them */
    struct attest_authorisation authorisation;
};

/* D and its chain as the guest agent gave them, and N from D and the data-dir's 32 bytes. token_id
 * is left zero: the registry says it. BASE_EKEY: no key follows from this seed (2^-128); *out is
 * then zeroed. */
int node_keyset_from_agent(struct node_keyset *out, const struct attest_agent_info *info,
                           const struct attest_agent_key *key, const uint8_t seed[32]);

struct node_identity {
    struct node_keyset keys;  /* what we dial with */
    struct node_keyset other; /* while a rotation lasts: act 1 is taken under either */
    bool has_other;
    uint8_t boot_id[NODE_BOOT_ID_BYTES]; /* random, a new one for each process */
    uint64_t start_incarnation;          /* max(stored + 1, Unix seconds) at start */
    uint64_t chain_id;
    struct base_eth_address contract;
    struct base_eip712_domain domain; /* of the two above: node_identity_set_mesh */
    char settings[ATTEST_SETTINGS_BYTES_MAX + 1];
    uint64_t features; /* ATTEST_FEATURES */
};

/* Chain id, contract, and the domain that follows from them. */
void node_identity_set_mesh(struct node_identity *identity, uint64_t chain_id,
                            const struct base_eth_address *contract);
void node_identity_deinit(struct node_identity *identity);
/* Is this one of our own node keys? */
bool node_identity_owns(const struct node_identity *identity, const struct base_key33 *node_key);

/* Our HELLO for one session: keys is &identity->keys or &identity->other, h the handshake hash,
 * role our own. Signs h with D. out holds ATTEST_HELLO_BYTES_MAX.
 * BASE_ETOOBIG for a record or settings above their bounds, BASE_EKEY for a bad D. */
int node_identity_hello(uint8_t *out, size_t *out_len, const struct node_identity *identity,
                        const struct node_keyset *keys, const struct gossip_signed_record *record,
                        enum base_role role, const struct base_hash32 *h);

/* "I, who hold N, was started then and run now": boot id, start incarnation, N's signature over
 * both and a challenge. On the wire in this order, 89 bytes. */
#define NODE_ALIVE_BYTES 89
struct node_alive {
    uint8_t boot_id[NODE_BOOT_ID_BYTES];
    uint64_t start_incarnation;
    struct base_sig65 sig;
};
/* BASE_EKEY. */
int node_alive_sign(struct node_alive *out, const struct node_identity *identity,
                    const struct node_keyset *keys, const struct base_hash32 *challenge);
/* BASE_OK, or BASE_ESIG: not signed by node_key over this challenge in this domain. */
int node_alive_verify(const struct node_alive *alive, const struct base_eip712_domain *domain,
                      const struct base_hash32 *challenge, const struct base_key33 *node_key);
void node_alive_encode(uint8_t out[NODE_ALIVE_BYTES], const struct node_alive *alive);
/* BASE_EMALFORMED for another length. */
int node_alive_decode(struct node_alive *out, const void *data, size_t len);
/* Who of two processes with one node key is the younger: by start incarnation, then boot id.
 * <0: a is older, 0: the same process, >0: a is younger. */
int node_alive_compare(uint64_t a_incarnation, const uint8_t a_boot[NODE_BOOT_ID_BYTES],
                       uint64_t b_incarnation, const uint8_t b_boot[NODE_BOOT_ID_BYTES]);

#endif
