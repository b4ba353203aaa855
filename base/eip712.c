#include "base/eip712.h"

#include <assert.h>
#include <string.h>

#include "base/keccak256.h"

/* encodeData: 32-byte words, absorbed one after the other. */

static void put_hash(struct base_keccak256 *k, const struct base_hash32 *hash)
{
    base_keccak256_update(k, hash->bytes, sizeof hash->bytes);
}

/* Numbers and addresses stand at the end of their word. */
static void put_right(struct base_keccak256 *k, const uint8_t *data, size_t len)
{
    static const uint8_t zeros[32];
    assert(len <= sizeof zeros);
    base_keccak256_update(k, zeros, sizeof zeros - len);
    base_keccak256_update(k, data, len);
}

/* bytesN stands at the beginning. */
static void put_left(struct base_keccak256 *k, const uint8_t *data, size_t len)
{
    static const uint8_t zeros[32];
    assert(len <= sizeof zeros);
    base_keccak256_update(k, data, len);
    base_keccak256_update(k, zeros, sizeof zeros - len);
}

static void put_u64(struct base_keccak256 *k, uint64_t value)
{
    uint8_t bytes[8];
    base_put_u64be(bytes, value);
    put_right(k, bytes, sizeof bytes);
}

static void put_u256(struct base_keccak256 *k, const struct base_u256 *value)
{
    base_keccak256_update(k, value->bytes, sizeof value->bytes);
}

static void put_address(struct base_keccak256 *k, const struct base_eth_address *addr)
{
    put_right(k, addr->bytes, sizeof addr->bytes);
}

/* bytes and string are there as their hash. */
static void put_dynamic(struct base_keccak256 *k, const void *data, size_t len)
{
    struct base_hash32 hash;
    base_keccak256(&hash, data, len);
    put_hash(k, &hash);
}

static void put_key(struct base_keccak256 *k, const struct base_key33 *key)
{
    put_dynamic(k, key->bytes, sizeof key->bytes);
}

static void begin(struct base_keccak256 *k, const char *type)
{
    base_keccak256_init(k);
    put_dynamic(k, type, strlen(type));
}

/* keccak256(0x19 0x01 || domain separator || struct hash) */
static void finish(struct base_keccak256 *k, struct base_hash32 *digest,
                   const struct base_eip712_domain *domain)
{
    static const uint8_t prefix[2] = {0x19, 0x01};
    struct base_hash32 struct_hash;
    base_keccak256_final(k, &struct_hash);
    base_keccak256_init(k);
    base_keccak256_update(k, prefix, sizeof prefix);
    put_hash(k, &domain->separator);
    put_hash(k, &struct_hash);
    base_keccak256_final(k, digest);
}

static const char vote_type[] =
    "Vote(bytes32 epochId,uint8 kind,uint64 first,uint64 last,bytes32 hash)";

void base_eip712_domain_init(struct base_eip712_domain *domain, uint64_t chain_id,
                             const struct base_eth_address *contract)
{
    struct base_keccak256 k;
    begin(&k, "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    put_dynamic(&k, "nftmesh", 7);
    put_dynamic(&k, "1", 1);
    put_u64(&k, chain_id);
    put_address(&k, contract);
    base_keccak256_final(&k, &domain->separator);
    base_keccak256(&domain->vote_type, vote_type, sizeof vote_type - 1);
}

void base_eip712_binding(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                         const struct base_binding *binding)
{
    struct base_keccak256 k;
    begin(&k, "Binding(uint256 tokenId,address owner,address instance,bytes nodeKey,"
              "bytes proofKey,string url,uint64 nonce,uint64 expiresAt,uint64 deadline)");
    put_u256(&k, &binding->token_id);
    put_address(&k, &binding->owner);
    put_address(&k, &binding->instance);
    put_key(&k, &binding->node_key);
    put_key(&k, &binding->proof_key);
    put_dynamic(&k, binding->url, binding->url_len);
    put_u64(&k, binding->nonce);
    put_u64(&k, binding->expires_at);
    put_u64(&k, binding->deadline);
    finish(&k, digest, domain);
}

void base_eip712_renewal(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                         const struct base_renewal *renewal)
{
    struct base_keccak256 k;
    begin(&k, "Renewal(uint256 tokenId,bytes nodeKey,uint64 nonce,uint64 expiresAt,"
              "uint64 deadline)");
    put_u256(&k, &renewal->token_id);
    put_key(&k, &renewal->node_key);
    put_u64(&k, renewal->nonce);
    put_u64(&k, renewal->expires_at);
    put_u64(&k, renewal->deadline);
    finish(&k, digest, domain);
}

void base_eip712_endpoint(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                          const struct base_endpoint *endpoint)
{
    struct base_keccak256 k;
    begin(&k, "Endpoint(uint256 tokenId,bytes nodeKey,string url,uint64 nonce,uint64 deadline)");
    put_u256(&k, &endpoint->token_id);
    put_key(&k, &endpoint->node_key);
    put_dynamic(&k, endpoint->url, endpoint->url_len);
    put_u64(&k, endpoint->nonce);
    put_u64(&k, endpoint->deadline);
    finish(&k, digest, domain);
}

void base_eip712_authorisation(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                               const struct base_authorisation *authorisation)
{
    struct base_keccak256 k;
    assert(authorisation->key_len == 0 || authorisation->key_len == BASE_KEY33_BYTES);
    begin(&k, "Authorisation(uint256 tokenId,address owner,address instance,bytes nodeKey,"
              "bytes proofKey,uint64 issuedBlock,bytes32 issuedBlockHash,uint64 notAfter)");
    put_u256(&k, &authorisation->token_id);
    put_address(&k, &authorisation->owner);
    put_address(&k, &authorisation->instance);
    put_dynamic(&k, authorisation->node_key, authorisation->key_len);
    put_dynamic(&k, authorisation->proof_key, authorisation->key_len);
    put_u64(&k, authorisation->issued_block);
    put_hash(&k, &authorisation->issued_block_hash);
    put_u64(&k, authorisation->not_after);
    finish(&k, digest, domain);
}

void base_eip712_hello(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                       const struct base_hash32 *handshake_hash, enum base_role role,
                       const struct base_key33 *node_key)
{
    struct base_keccak256 k;
    begin(&k, "Hello(bytes32 handshakeHash,uint8 role,bytes nodeKey)");
    put_hash(&k, handshake_hash);
    put_u64(&k, (uint64_t)role);
    put_key(&k, node_key);
    finish(&k, digest, domain);
}

void base_eip712_alive(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                       const struct base_hash32 *challenge, const uint8_t boot_id[16],
                       uint64_t start_incarnation)
{
    struct base_keccak256 k;
    begin(&k, "Alive(bytes32 challenge,bytes16 bootId,uint64 startIncarnation)");
    put_hash(&k, challenge);
    put_left(&k, boot_id, 16);
    put_u64(&k, start_incarnation);
    finish(&k, digest, domain);
}

static const char *statement_type(enum base_statement kind)
{
    switch (kind) {
    case BASE_STATEMENT_RECORD:
        return "Record(bytes body)";
    case BASE_STATEMENT_ACCUSATION:
        return "Accusation(bytes body)";
    case BASE_STATEMENT_CONFIRMATION:
        return "Confirmation(bytes body)";
    case BASE_STATEMENT_REFUTATION:
        return "Refutation(bytes body)";
    case BASE_STATEMENT_LEAVE:
        return "Leave(bytes body)";
    case BASE_STATEMENT_EVENT:
        return "Event(bytes body)";
    }
    return NULL;
}

void base_eip712_statement(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                           enum base_statement kind, const void *body, size_t len)
{
    struct base_keccak256 k;
    const char *type = statement_type(kind);
    assert(type != NULL);
    begin(&k, type);
    put_dynamic(&k, body, len);
    finish(&k, digest, domain);
}

void base_eip712_vote(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                      const struct base_vote *vote)
{
    struct base_keccak256 k;
    base_keccak256_init(&k);
    put_hash(&k, &domain->vote_type);
    put_hash(&k, &vote->epoch_id);
    put_u64(&k, (uint64_t)vote->kind);
    put_u64(&k, vote->first);
    put_u64(&k, vote->last);
    put_hash(&k, &vote->hash);
    finish(&k, digest, domain);
}

void base_eip712_entry(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                       const void *body, size_t len)
{
    struct base_keccak256 k;
    begin(&k, "Entry(bytes body)");
    put_dynamic(&k, body, len);
    finish(&k, digest, domain);
}
