#ifndef NFTMESH_CHAIN_CONTRACT_H
#define NFTMESH_CHAIN_CONTRACT_H

#include "base/buf.h"
#include "base/eip712.h"
#include "chain/registry.h"

/* Our contract (contracts/src/DstackMembershipNFT.sol): its calls as calldata, its return data as
 * structs, its errors by name. Calldata is appended to a base_buf; check buf->failed once. */
void chain_contract_call_cluster_state(struct base_buf *out);
void chain_contract_call_members_page(struct base_buf *out, uint64_t offset, uint64_t limit);
void chain_contract_call_root_epoch_of(struct base_buf *out, const struct base_eth_address *root);
void chain_contract_call_owner_of(struct base_buf *out, const struct base_u256 *token_id);
void chain_contract_call_nonce_of(struct base_buf *out, const struct base_u256 *token_id);
void chain_contract_call_balance_of(struct base_buf *out, const struct base_eth_address *owner);
void chain_contract_call_mint(struct base_buf *out, const struct base_eth_address *to);
void chain_contract_call_register_instance(struct base_buf *out, const struct base_u256 *token_id,
                                           const struct base_eth_address *instance);
void chain_contract_call_deactivate(struct base_buf *out, const struct base_u256 *token_id);
void chain_contract_call_cancel(struct base_buf *out, const struct base_u256 *token_id);
void chain_contract_call_burn(struct base_buf *out, const struct base_u256 *token_id);
/* The token's weight counts for the instance's seat, which the same owner holds. */
void chain_contract_call_bind_weight(struct base_buf *out, const struct base_u256 *token_id,
                                     const struct base_eth_address *instance);
void chain_contract_call_unbind_weight(struct base_buf *out, const struct base_u256 *token_id);
void chain_contract_call_transfer(struct base_buf *out, const struct base_eth_address *from,
                                  const struct base_eth_address *to,
                                  const struct base_u256 *token_id);
void chain_contract_call_set_kms_root(struct base_buf *out, const struct base_eth_address *root);
/* Any URL is taken, or again only those under a base domain; true on development chains only. */
void chain_contract_call_set_dev_mode(struct base_buf *out, bool dev_mode);

struct chain_register { /* what register() takes besides the Binding */
    uint8_t node_xy[64], proof_xy[64], app_xy[64];
    struct base_eth_address app_id;
    struct base_sig65 app_sig, kms_sig; /* DStack's own: v 0 or 1, as everywhere here */
    struct base_sig65 node_sig, proof_sig;
    /* As the contract takes it: 65 bytes with v 27 or 28 of a key, or whatever an EIP-1271 wallet
     * checks; borrowed. Empty when the owner sends the transaction. */
    struct base_slice owner_sig;
};
#define CHAIN_OWNER_SIG_BYTES_MAX 4096
/* v + 27 in the node's and the proof key's signatures and in the chain's two: done here. A v above
 * 1, or a longer owner_sig, makes out fail. */
void chain_contract_call_register(struct base_buf *out, const struct base_binding *binding,
                                  const struct chain_register *args);

/* owner_sig as above; empty when the owner sends. */
void chain_contract_call_renew(struct base_buf *out, const struct base_renewal *renewal,
                               const struct base_slice *owner_sig);
/* node_sig: v 0 or 1; NULL when the owner sends. */
void chain_contract_call_set_endpoint(struct base_buf *out, const struct base_endpoint *endpoint,
                                      const struct base_sig65 *node_sig);
/* A view without arguments: "mintPrice()". */
/* The lowest token that the wallet owns; 0 for none. */
/* The token whose seat this one gives its weight to; 0 for none. */

struct chain_cluster_state {
    struct base_eth_address kms_root;
    uint64_t root_epoch;
    struct base_eth_address app_ids[CHAIN_APP_IDS_MAX];
    size_t app_id_count;
    uint64_t seat_count; /* at most CHAIN_SEATS_MAX */
    struct base_hash32 revision;
    uint64_t block_number; /* the block that the answer is of, by its own account */
    struct base_hash32 parent_hash;
};
/* BASE_EMALFORMED, BASE_ETOOBIG (more app ids or seats than we hold). out is zero then. */
int chain_contract_decode_cluster_state(struct chain_cluster_state *out, const void *data,
                                        size_t len);
/* At most CHAIN_PAGE_SEATS seats. A key is 33 bytes beginning with 02 or 03, or empty, and both
 * keys go together; URLs are a stranger's bytes. BASE_EMALFORMED, BASE_ETOOBIG. */
int chain_contract_decode_members(struct chain_seat seats[CHAIN_PAGE_SEATS], size_t *count,
                                  const void *data, size_t len);
int chain_contract_decode_u256(struct base_u256 *out, const void *data, size_t len);
int chain_contract_decode_u64(uint64_t *out, const void *data, size_t len);
int chain_contract_decode_bool(bool *out, const void *data, size_t len);
int chain_contract_decode_address(struct base_eth_address *out, const void *data, size_t len);
/* The same back to bytes: what tests and fuzz targets hold the decoders against. */
int chain_contract_encode_cluster_state(struct base_buf *out,
                                        const struct chain_cluster_state *state);
int chain_contract_encode_members(struct base_buf *out, const struct chain_seat *seats,
                                  size_t count);

/* Why the contract refused, as a sentence for people with the values that it gave and the error's
 * name at the end: "token 7 is not of this wallet (NotTokenOwner)". Printable ASCII, whatever the
 * data is. False when it is none of our contract's errors; out is untouched then. */
#define CHAIN_CONTRACT_WORDS_BYTES 320
bool chain_contract_explain(char out[CHAIN_CONTRACT_WORDS_BYTES], const void *data, size_t len);

/* Signatures of our contract's custom errors, for chain_abi_revert_decode. */
extern const char *const chain_contract_errors[];
extern const size_t chain_contract_error_count;

#endif
