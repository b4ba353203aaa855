#ifndef NFTMESH_BASE_EIP712_H
#define NFTMESH_BASE_EIP712_H

#include "base/bytes.h"

/* Domain and struct digests of everything that we sign, EIP-712, domain
 * (name "nftmesh", version "1", chain id, contract). tests/vectors/eip712.json has each. */
struct base_eip712_domain {
    struct base_hash32 separator;
    struct base_hash32 vote_type; /* made once: nothing else is checked as often */
};
void base_eip712_domain_init(struct base_eip712_domain *domain, uint64_t chain_id,
                             const struct base_eth_address *contract);

struct base_binding { /* seat, keys and endpoint; url borrowed */
    struct base_u256 token_id;
    struct base_eth_address owner, instance;
    struct base_key33 node_key, proof_key;
    const char *url;
    size_t url_len;
    uint64_t nonce, expires_at, deadline;
};
struct base_renewal {
    struct base_u256 token_id;
    struct base_key33 node_key;
    uint64_t nonce, expires_at, deadline;
};
struct base_endpoint {
    struct base_u256 token_id;
    struct base_key33 node_key;
    const char *url;
    size_t url_len;
    uint64_t nonce, deadline;
};
struct base_authorisation { /* revocation: both keys of length 0, instance zero */
    struct base_u256 token_id;
    struct base_eth_address owner, instance;
    const uint8_t *node_key, *proof_key; /* 33 bytes each, or 0 when revoking */
    size_t key_len;                      /* 33 or 0 */
    uint64_t issued_block;
    struct base_hash32 issued_block_hash;
    uint64_t not_after;
};
enum base_role { BASE_ROLE_INITIATOR = 0, BASE_ROLE_RESPONDER = 1 };

/* Statements that are one opaque body, signed by N over the bytes as received. */
enum base_statement {
    BASE_STATEMENT_RECORD = 0,
    BASE_STATEMENT_ACCUSATION,
    BASE_STATEMENT_CONFIRMATION,
    BASE_STATEMENT_REFUTATION,
    BASE_STATEMENT_LEAVE,
    BASE_STATEMENT_EVENT
};

/* What a member signs in the cluster's consensus (consensus/vote.h). */
enum base_vote_kind {
    BASE_VOTE_CAND = 1, /* the leader: this is the slot's candidate */
    BASE_VOTE_NOTAR,    /* I have seen it, and vote for no other in this slot */
    BASE_VOTE_FINAL,    /* it is notarised, and I have skipped nothing */
    BASE_VOTE_SKIP      /* these slots pass without me */
};
struct base_vote {
    struct base_hash32 epoch_id;
    enum base_vote_kind kind;
    uint64_t first, last;    /* the slot, twice; of a SKIP those that it covers */
    struct base_hash32 hash; /* of the candidate; of a SKIP zero */
};

void base_eip712_binding(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                         const struct base_binding *binding);
void base_eip712_renewal(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                         const struct base_renewal *renewal);
void base_eip712_endpoint(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                          const struct base_endpoint *endpoint);
void base_eip712_authorisation(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                               const struct base_authorisation *authorisation);
/* role is the signer's own. */
void base_eip712_hello(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                       const struct base_hash32 *handshake_hash, enum base_role role,
                       const struct base_key33 *node_key);
void base_eip712_alive(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                       const struct base_hash32 *challenge, const uint8_t boot_id[16],
                       uint64_t start_incarnation);
void base_eip712_statement(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                           enum base_statement kind, const void *body, size_t len);
void base_eip712_vote(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                      const struct base_vote *vote);
/* An entry of the log that members share (consensus/entry.h), as bytes. */
void base_eip712_entry(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                       const void *body, size_t len);

#endif
