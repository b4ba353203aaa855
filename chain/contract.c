#include "chain/contract.h"

#include <string.h>

#include "base/err.h"
#include "chain/abi.h"

/* ---- clusterState() ---- */

#define CLUSTER_STATE_WORDS 7

int chain_contract_decode_cluster_state(struct chain_cluster_state *out, const void *data,
                                        size_t len)
{
    struct chain_abi_reader r, ids;
    struct base_u256 seat_count, block_number;
    *out = (struct chain_cluster_state){0};
    chain_abi_reader_init(&r, data, len, CLUSTER_STATE_WORDS);
    chain_abi_get_address(&r, &out->kms_root);
    chain_abi_get_u64(&r, &out->root_epoch);
    chain_abi_get_array(&r, &ids, &out->app_id_count, CHAIN_APP_IDS_MAX);
    for (size_t i = 0; i < out->app_id_count; i++)
        chain_abi_get_bytes20(&ids, &out->app_ids[i]);
    chain_abi_leave(&r, &ids);
    chain_abi_get_u256(&r, &seat_count);
    chain_abi_get_hash32(&r, &out->revision);
    chain_abi_get_u256(&r, &block_number);
    chain_abi_get_hash32(&r, &out->parent_hash);
    int rv = chain_abi_reader_end(&r);
    if (rv == BASE_OK) rv = base_u256_to_u64(&out->seat_count, &seat_count);
    if (rv == BASE_OK) rv = base_u256_to_u64(&out->block_number, &block_number);
    if (rv == BASE_OK && out->seat_count > CHAIN_SEATS_MAX) rv = BASE_ETOOBIG;
    if (rv != BASE_OK) *out = (struct chain_cluster_state){0};
    return rv;
}

int chain_contract_encode_cluster_state(struct base_buf *out,
                                        const struct chain_cluster_state *state)
{
    struct chain_abi_writer w, ids;
    chain_abi_writer_init(&w, CLUSTER_STATE_WORDS);
    chain_abi_put_address(&w, &state->kms_root);
    chain_abi_put_u64(&w, state->root_epoch);
    chain_abi_writer_init(&ids, state->app_id_count);
    for (size_t i = 0; i < state->app_id_count; i++)
        chain_abi_put_bytes20(&ids, &state->app_ids[i]);
    chain_abi_put_array(&w, &ids, state->app_id_count);
    chain_abi_put_u64(&w, state->seat_count);
    chain_abi_put_hash32(&w, &state->revision);
    chain_abi_put_u64(&w, state->block_number);
    chain_abi_put_hash32(&w, &state->parent_hash);
    return chain_abi_writer_finish(&w, out);
}

/* ---- membersPage() ---- */

#define MEMBER_WORDS 14

/* A key of 33 bytes with a compressed prefix, or none. */
static int take_key(bool *has, struct base_key33 *out, struct base_slice key)
{
    *has = key.len != 0;
    if (key.len == 0) return BASE_OK;
    if (key.len != BASE_KEY33_BYTES) return BASE_EMALFORMED;
    if (key.data[0] != 2 && key.data[0] != 3) return BASE_EMALFORMED;
    memcpy(out->bytes, key.data, BASE_KEY33_BYTES);
    return BASE_OK;
}

static int take_member(struct chain_seat *seat, struct base_slice node_key,
                       struct base_slice proof_key, struct base_slice url)
{
    bool has_proof_key;
    int rv = take_key(&seat->has_keys, &seat->node_key, node_key);
    if (rv == BASE_OK) rv = take_key(&has_proof_key, &seat->proof_key, proof_key);
    if (rv != BASE_OK) return rv;
    if (seat->has_keys != has_proof_key) return BASE_EMALFORMED;
    if (url.len > 0) memcpy(seat->url, url.data, url.len);
    seat->url[url.len] = '\0';
    seat->url_len = url.len;
    return BASE_OK;
}

static int decode_member(struct chain_seat *seat, struct chain_abi_reader *list)
{
    struct chain_abi_reader m;
    struct base_slice node_key, proof_key, url;
    *seat = (struct chain_seat){0};
    int rv = chain_abi_get_tuple(list, &m, MEMBER_WORDS);
    if (rv != BASE_OK) return rv;
    chain_abi_get_u256(&m, &seat->token_id);
    chain_abi_get_address(&m, &seat->owner);
    chain_abi_get_address(&m, &seat->bound_by);
    chain_abi_get_address(&m, &seat->instance);
    chain_abi_get_bytes(&m, &node_key, BASE_KEY33_BYTES);
    chain_abi_get_bytes(&m, &proof_key, BASE_KEY33_BYTES);
    chain_abi_get_bytes20(&m, &seat->app_id);
    chain_abi_get_u64(&m, &seat->root_epoch);
    chain_abi_get_u64(&m, &seat->expires_at);
    chain_abi_get_u64(&m, &seat->suspended_until);
    chain_abi_get_bool(&m, &seat->active);
    chain_abi_get_u32(&m, &seat->weight);
    chain_abi_get_u64(&m, &seat->nonce);
    chain_abi_get_bytes(&m, &url, CHAIN_URL_BYTES_MAX);
    rv = chain_abi_leave(list, &m);
    return rv == BASE_OK ? take_member(seat, node_key, proof_key, url) : rv;
}

int chain_contract_decode_members(struct chain_seat seats[CHAIN_PAGE_SEATS], size_t *count,
                                  const void *data, size_t len)
{
    struct chain_abi_reader r, list;
    size_t n;
    *count = 0;
    chain_abi_reader_init(&r, data, len, 1);
    int rv = chain_abi_get_array(&r, &list, &n, CHAIN_PAGE_SEATS);
    if (rv != BASE_OK) return rv;
    for (size_t i = 0; i < n; i++) {
        rv = decode_member(&seats[i], &list);
        if (rv != BASE_OK) return rv;
    }
    chain_abi_leave(&r, &list);
    rv = chain_abi_reader_end(&r);
    if (rv == BASE_OK) *count = n;
    return rv;
}

static void put_member(struct chain_abi_writer *list, const struct chain_seat *seat)
{
    struct chain_abi_writer m;
    size_t key_len = seat->has_keys ? BASE_KEY33_BYTES : 0;
    chain_abi_writer_init(&m, MEMBER_WORDS);
    chain_abi_put_u256(&m, &seat->token_id);
    chain_abi_put_address(&m, &seat->owner);
    chain_abi_put_address(&m, &seat->bound_by);
    chain_abi_put_address(&m, &seat->instance);
    chain_abi_put_bytes(&m, seat->node_key.bytes, key_len);
    chain_abi_put_bytes(&m, seat->proof_key.bytes, key_len);
    chain_abi_put_bytes20(&m, &seat->app_id);
    chain_abi_put_u64(&m, seat->root_epoch);
    chain_abi_put_u64(&m, seat->expires_at);
    chain_abi_put_u64(&m, seat->suspended_until);
    chain_abi_put_bool(&m, seat->active);
    chain_abi_put_u64(&m, seat->weight);
    chain_abi_put_u64(&m, seat->nonce);
    chain_abi_put_bytes(&m, seat->url, seat->url_len);
    chain_abi_put_tuple(list, &m);
}

int chain_contract_encode_members(struct base_buf *out, const struct chain_seat *seats,
                                  size_t count)
{
    struct chain_abi_writer w, list;
    chain_abi_writer_init(&w, 1);
    chain_abi_writer_init(&list, count);
    for (size_t i = 0; i < count; i++)
        put_member(&list, &seats[i]);
    chain_abi_put_array(&w, &list, count);
    return chain_abi_writer_finish(&w, out);
}

/* ---- single values ---- */

int chain_contract_decode_u256(struct base_u256 *out, const void *data, size_t len)
{
    struct chain_abi_reader r;
    chain_abi_reader_init(&r, data, len, 1);
    chain_abi_get_u256(&r, out);
    return chain_abi_reader_end(&r);
}

int chain_contract_decode_u64(uint64_t *out, const void *data, size_t len)
{
    struct chain_abi_reader r;
    chain_abi_reader_init(&r, data, len, 1);
    chain_abi_get_u64(&r, out);
    return chain_abi_reader_end(&r);
}

int chain_contract_decode_bool(bool *out, const void *data, size_t len)
{
    struct chain_abi_reader r;
    chain_abi_reader_init(&r, data, len, 1);
    chain_abi_get_bool(&r, out);
    return chain_abi_reader_end(&r);
}

int chain_contract_decode_address(struct base_eth_address *out, const void *data, size_t len)
{
    struct chain_abi_reader r;
    chain_abi_reader_init(&r, data, len, 1);
    chain_abi_get_address(&r, out);
    return chain_abi_reader_end(&r);
}

/* ---- errors: our own, then those of the OpenZeppelin parts it is built from ---- */

const char *const chain_contract_errors[] = {
    "KmsRootZero()",
    "KmsRootPublic(address)",
    "KmsRootUsedBefore(address,uint64)",
    "AppIdZero()",
    "AppIdKnown(bytes20)",
    "AppIdUnknown(bytes20)",
    "TooManyAppIds()",
    "WithdrawToZero()",
    "WithdrawFailed(address,uint256)",
    "MintingPrivate()",
    "MintToOther(address)",
    "MintPrice(uint256,uint256)",
    "ClusterFull(uint256)",
    "NotTokenOwner(uint256,address)",
    "OwnerDiffers(uint256,address)",
    "OwnerSignature()",
    "InstanceZero()",
    "InstanceTaken(address,uint256)",
    "InstanceNotBound(uint256)",
    "InstanceDiffers(address,address)",
    "NonceDiffers(uint64,uint64)",
    "DeadlinePassed(uint64)",
    "DeadlineTooFar(uint64)",
    "ExpiryPassed(uint64)",
    "ExpiryTooFar(uint64)",
    "UrlTooLong(uint256)",
    "NodeKeyInvalid()",
    "ProofKeyInvalid()",
    "NodeSignature()",
    "ProofSignature()",
    "ChainEncoding()",
    "ChainAppSignature()",
    "ChainKmsRoot()",
    "AppIdNotAllowed(bytes20)",
    "NodeKeyTaken(uint256)",
    "NodeKeyDiffers(uint256)",
    "NotRegistered(uint256)",
    "PageTooLong(uint256)",
    "BaseDomainInvalid(string)",
    "BaseDomainKnown(string)",
    "BaseDomainUnknown(string)",
    "DevModeChain(uint256)",
    "DomainNotAllowed(string)",
    "EvidenceKnown()",
    "EvidenceSignerUnknown(address)",
    "EvidenceSigners()",
    "InstanceUnknown(address)",
    "MintLimit(uint256)",
    "RegisterPeerReplaced(string)",
    "StandsAsWeight(uint256,uint256)",
    "StandsBehindNone(uint256)",
    "Suspended(uint256,uint64)",
    "TooManyBaseDomains()",
    "UrlHost(string)",
    "UrlPort()",
    "UrlScheme()",
    "VoteMalformed(uint8)",
    "VotesAgree()",
    "WeightOfItself(uint256)",
    "ERC721NonexistentToken(uint256)",
    "ERC721IncorrectOwner(address,uint256,address)",
    "ERC721InsufficientApproval(address,uint256)",
    "ERC721InvalidApprover(address)",
    "ERC721InvalidOperator(address)",
    "ERC721InvalidOwner(address)",
    "ERC721InvalidReceiver(address)",
    "ERC721InvalidSender(address)",
    "OwnableUnauthorizedAccount(address)",
    "OwnableInvalidOwner(address)",
};
const size_t chain_contract_error_count =
    sizeof chain_contract_errors / sizeof chain_contract_errors[0];
