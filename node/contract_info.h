#ifndef NFTMESH_NODE_CONTRACT_INFO_H
#define NFTMESH_NODE_CONTRACT_INFO_H

#include "base/buf.h"
#include "chain/rpc.h"

/* What /contract-info shows and the poller does not read with each block: read when somebody asks,
 * at the reference block, from every endpoint, and believed when as many votes agree as a snapshot
 * needs. Pure: bodies out, answers in. */
#define NODE_CONTRACT_INFO_CALLS       6
#define NODE_CONTRACT_INFO_ANSWERS_MAX 16

struct node_contract_info { /* has_* false: the contract has no such function; rendered as null */
    bool has_owner, has_max_nodes, has_total_supply, has_public_minting, has_mint_price,
        has_dev_mode;
    struct base_eth_address owner;
    struct base_u256 max_nodes, total_supply, mint_price; /* mint_price in wei */
    bool public_minting, dev_mode;
};
bool node_contract_info_equal(const struct node_contract_info *a,
                              const struct node_contract_info *b);

/* Appends the calls, all by the block's hash. */
void node_contract_info_ask(struct chain_rpc_request *request,
                            const struct base_eth_address *contract,
                            const struct base_hash32 *block_hash);
/* data: hostile. BASE_OK, or BASE_EMALFORMED, BASE_EREMOTE: this endpoint has not answered (it
 * must know totalSupply(), which every contract of seats has). */
int node_contract_info_parse(struct node_contract_info *out, const void *data, size_t len,
                             uint64_t first_id);

struct node_contract_votes { /* zero it first */
    struct {
        uint32_t vote; /* endpoints with one number share a vote */
        struct node_contract_info info;
    } answers[NODE_CONTRACT_INFO_ANSWERS_MAX];
    size_t count;
};
/* One endpoint's answer; one more than there is room for is left out. */
void node_contract_votes_put(struct node_contract_votes *votes, uint32_t vote,
                             const struct node_contract_info *info);
/* The values that at least agree different votes gave. */
bool node_contract_votes_agreed(struct node_contract_info *out,
                                const struct node_contract_votes *votes, uint32_t agree);

struct node_contract_frame { /* what the poller has agreed on anyway; strings borrowed */
    struct base_eth_address contract, kms_root;
    uint64_t chain_id, block;
    const char *kind; /* "nftmesh", "prototype" */
};
/* info NULL: null for all that is not in the frame, and detail says why (else NULL). */
void node_contract_info_json(struct base_buf *out, const struct node_contract_frame *frame,
                             const struct node_contract_info *info, const char *detail);

#endif
