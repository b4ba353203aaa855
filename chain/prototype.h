#ifndef NFTMESH_CHAIN_PROTOTYPE_H
#define NFTMESH_CHAIN_PROTOTYPE_H

#include "chain/abi.h"
#include "chain/registry.h"

/* The contract of the prototype, as it is deployed: its calls as calldata, its return data
 * strictly. It keys its maps by the instance's text, of which we take one form only: 40 lower-case
 * hex digits. Calldata is appended to a base_buf; check buf->failed once.
 * Source: Account-Link/dstack-nft-cluster@4d7f03e, contracts/src/DstackMembershipNFT.sol. */
#define CHAIN_PROTOTYPE_INSTANCE_BYTES 40

/* ---- reads ---- */
void chain_prototype_call_kms_root(struct base_buf *out);       /* kmsRootAddress() */
void chain_prototype_call_total_supply(struct base_buf *out);   /* totalSupply() */
void chain_prototype_call_public_minting(struct base_buf *out); /* publicMinting() */
void chain_prototype_call_mint_price(struct base_buf *out);     /* mintPrice() */
void chain_prototype_call_dev_mode(struct base_buf *out);       /* devMode() */
void chain_prototype_call_owner_of(struct base_buf *out, const struct base_u256 *token_id);
void chain_prototype_call_token_to_instance(struct base_buf *out, const struct base_u256 *token_id);
void chain_prototype_call_wallet_to_token(struct base_buf *out,
                                          const struct base_eth_address *wallet);
/* By the instance's text. */
void chain_prototype_call_active_instances(struct base_buf *out,
                                           const struct base_eth_address *instance);
void chain_prototype_call_instance_to_url(struct base_buf *out,
                                          const struct base_eth_address *instance);

/* ---- writes ---- */
void chain_prototype_call_register_instance(struct base_buf *out,
                                            const struct base_eth_address *instance);
struct chain_prototype_peer {
    struct base_eth_address instance;
    struct base_key33 derived_key, app_key;
    struct base_sig65 app_sig, kms_sig; /* as DStack gives them: v 0 or 1 */
    const char *url, *purpose;
    struct base_eth_address app_id; /* bytes32 on chain, zeros behind */
};
/* registerPeer(instance, derived key, app key, app signature, KMS signature, url, purpose, app id):
 * 8 arguments, keys compressed, signatures as they are. */
void chain_prototype_call_register_peer(struct base_buf *out,
                                        const struct chain_prototype_peer *peer);
void chain_prototype_call_deactivate(struct base_buf *out, const struct base_eth_address *instance);
void chain_prototype_call_mint(struct base_buf *out, const struct base_eth_address *to,
                               const struct base_eth_address *instance); /* NULL: the empty text */
/* transferFrom(address,address,uint256) is chain_contract_call_transfer. */

/* ---- return data: BASE_EMALFORMED, BASE_ETOOBIG ---- */
/* A string that is a stranger's. Other texts than 40 lower-case hex digits give the zero address:
 * two spellings of one id would be two entries in the contract's maps. */
int chain_prototype_decode_instance(struct base_eth_address *out, const void *data, size_t len);
/* Longer than CHAIN_URL_BYTES_MAX: empty, and *too_long. url is terminated; may hold any bytes. */
int chain_prototype_decode_url(char url[CHAIN_URL_BYTES_MAX + 1], size_t *url_len, bool *too_long,
                               const void *data, size_t len);
/* Single words: chain_contract_decode_bool, _u256, _u64, _address. */

/* ---- Multicall3: many calls of one block in one eth_call ----
 * Source: github.com/mds1/multicall3, at the same address on every chain that has it. */
extern const struct base_eth_address chain_multicall_address;

struct chain_multicall {
    struct chain_abi_writer list;
    size_t count, added;
};
/* count calls will be added, each of which may fail by itself; all of them fit into
 * CHAIN_ABI_CALL_BYTES_MAX, else out fails. _finish appends the calldata and frees. */
void chain_multicall_init(struct chain_multicall *m, size_t count);
void chain_multicall_add(struct chain_multicall *m, const struct base_eth_address *to,
                         const void *data, size_t len);
void chain_multicall_finish(struct chain_multicall *m, struct base_buf *out);
/* Multicall3's own getBlockNumber() and getLastBlockHash(): of which block is the answer? */
void chain_multicall_call_block_number(struct base_buf *out);
void chain_multicall_call_last_block_hash(struct base_buf *out);

struct chain_multicall_reply {
    struct chain_abi_reader ret, list;
    int error;
};
/* The answers to count calls: exactly so many, read with _next in order, then _end. Data is
 * borrowed; of a failed call it is what it reverted with. BASE_EMALFORMED, BASE_ETOOBIG. */
int chain_multicall_reply_init(struct chain_multicall_reply *r, const void *data, size_t len,
                               size_t count);
int chain_multicall_reply_next(struct chain_multicall_reply *r, bool *success,
                               struct base_slice *data);
int chain_multicall_reply_end(struct chain_multicall_reply *r);

#endif
