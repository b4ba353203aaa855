#ifndef NFTMESH_NODE_WALLET_H
#define NFTMESH_NODE_WALLET_H

#include "base/buf.h"
#include "chain/contract.h"
#include "chain/rpc.h"
#include "node/http_sync.h"
#include "node/wallet_key.h"

/* A wallet's key and one RPC endpoint: calls and transactions to the contract, one at a time, for
 * commands. Every error is one line in why that says what was wrong and what to do. */
#define NODE_WALLET_WHY_BYTES  512
#define NODE_WALLET_WAIT_MS    180000 /* for a receipt, by default */
#define NODE_WALLET_DATA_BYTES 65536

struct node_wallet {
    struct node_http_sync *http;
    const char *rpc; /* borrowed */
    uint64_t chain_id;
    struct base_eth_address contract;
    bool has_key;
    struct base_privkey key;
    struct base_eth_address address; /* of key */
    struct base_u256 max_fee;        /* wei per gas, the most that is paid */
    bool dry_run;
    uint32_t wait_ms; /* for a receipt; node_wallet_open sets the default */
    uint64_t next_id;
    struct base_eth_address mint_to; /* whose new token the receipt is searched for */
};
struct node_wallet_sent {
    bool dry_run; /* nothing was sent: gas_used is the estimate */
    struct base_hash32 tx_hash;
    uint64_t block, gas_used;
    struct base_u256 max_cost; /* gas limit times fee, wei */
    bool has_minted;
    struct base_u256 minted; /* the token that a mint made */
};

/* Checks the endpoint's chain id and that the contract has code. BASE_EREMOTE, BASE_EIO, .. */
int node_wallet_open(struct node_wallet *w, const char *rpc, uint64_t chain_id,
                     const struct base_eth_address *contract, const char *ca_file, char *why);
void node_wallet_close(struct node_wallet *w); /* zeroes the key */
/* From a file (0600; hex or keystore), or from hex text when path is NULL; asks nobody. */
int node_wallet_key(struct node_wallet *w, const char *path, const char *hex, char *why);
/* From any source. */
int node_wallet_key_from(struct node_wallet *w, const struct node_wallet_key_source *source,
                         char *why);

/* A view call at the latest block; the return data is appended to out. */
int node_wallet_view(struct node_wallet *w, struct base_buf *out, const struct base_buf *calldata,
                     char *why);
/* Signs, sends, waits for the receipt; a revert is BASE_EREFUSED with the contract's own reason. */
int node_wallet_send(struct node_wallet *w, struct node_wallet_sent *sent,
                     const struct base_buf *calldata, char *why);

/* Reads all seats at the latest block. *seats is malloced. */
int node_wallet_seats(struct node_wallet *w, struct chain_cluster_state *state,
                      struct chain_seat **seats, size_t *count, char *why);
/* The latest block's time. */
int node_wallet_time(struct node_wallet *w, uint64_t *time_s, char *why);

#endif
