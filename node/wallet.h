#ifndef NFTMESH_NODE_WALLET_H
#define NFTMESH_NODE_WALLET_H

#include "base/buf.h"
#include "chain/contract.h"
#include "chain/rpc.h"
#include "node/http_sync.h"
#include "node/wallet_key.h"

/* A wallet's key and one RPC endpoint: calls and transactions to the contract, one at a time, for
 * commands. Every error is one line in why that says what was wrong and what to do.
 *
 * A transaction is sent so that the answer can be believed:
 *   - nothing is sent that the contract refuses now, that costs more than max_fee, or that the
 *     account cannot pay;
 *   - no receipt in a quarter of wait_ms: the same nonce again with at least 12.5 % more, up to
 *     max_fee, so that at most one of them is ever mined;
 *   - a receipt counts when it has `confirmations` blocks and still stands; one that a
 *     reorganisation drops is sent again;
 *   - an endpoint that breaks off is asked again until wait_ms: what was sent may be mined. */
#define NODE_WALLET_WHY_BYTES  512
#define NODE_WALLET_WAIT_MS    180000 /* for a receipt, by default */
#define NODE_WALLET_DATA_BYTES 65536
#define NODE_WALLET_WHAT_BYTES 192

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
    uint32_t wait_ms;       /* for a receipt; node_wallet_open sets the default */
    uint32_t confirmations; /* blocks, the receipt's own counted; 1 on 31337 and 1337, else 2 */
    /* Set by node_wallet_settle, for the next transaction alone: with another nonce than this one
     * it would not be of the chain that was read since. */
    bool has_next_nonce;
    uint64_t next_nonce;
    uint64_t next_id;
    struct base_eth_address mint_to; /* whose new token the receipt is searched for */
    /* Each step as it happens, one line without a newline; NULL: nobody listens. */
    void (*told)(void *ctx, const char *line);
    void *told_ctx;
};
struct node_wallet_call {
    const struct base_buf *calldata;
    struct base_u256 value; /* wei that goes along */
    const char *what;       /* for people: "burn(token 7)"; NULL: "transaction" */
};
struct node_wallet_sent {
    bool dry_run; /* nothing was sent: gas_used is the estimate with its margin */
    bool reverted;
    char what[NODE_WALLET_WHAT_BYTES];
    struct base_hash32 tx_hash; /* the one that was mined */
    uint64_t nonce, block, gas_used;
    unsigned replaced;         /* how many times a dearer one was sent */
    struct base_u256 max_fee;  /* wei per gas */
    struct base_u256 value;    /* wei that went along */
    struct base_u256 max_cost; /* gas limit times fee, and value; wei */
    bool has_minted;
    struct base_u256 minted; /* the token that a mint made */
};

/* Checks the endpoint's chain id and that the contract has code. BASE_EREMOTE, BASE_EIO, .. */
int node_wallet_open(struct node_wallet *w, const char *rpc, uint64_t chain_id,
                     const struct base_eth_address *contract, const char *ca_file, char *why);
/* The same in two, for who has to be able to give up (w->http) before anything was asked. A wallet
 * that was begun is closed, whatever came of it. */
int node_wallet_init(struct node_wallet *w, const char *rpc, uint64_t chain_id,
                     const struct base_eth_address *contract, const char *ca_file, char *why);
int node_wallet_check(struct node_wallet *w, char *why);
void node_wallet_close(struct node_wallet *w); /* zeroes the key */
/* From a file (0600; hex or keystore), or from hex text when path is NULL; asks nobody. */
int node_wallet_key(struct node_wallet *w, const char *path, const char *hex, char *why);
/* From any source. node_config has file, hex and password file of its own: a node asks nobody. */
int node_wallet_key_from(struct node_wallet *w, const struct node_wallet_key_source *source,
                         char *why);

/* A view call at the latest block; the return data is appended to out. */
int node_wallet_view(struct node_wallet *w, struct base_buf *out, const struct base_buf *calldata,
                     char *why);
/* The same at one block. */
int node_wallet_view_at(struct node_wallet *w, struct base_buf *out,
                        const struct base_buf *calldata, const struct base_hash32 *block,
                        char *why);
/* Does code stand at the address? */
int node_wallet_code(struct node_wallet *w, bool *has_code, const struct base_eth_address *address,
                     char *why);

/* The latest block's number, and the hash of the contract's code. */
int node_wallet_head(struct node_wallet *w, uint64_t *block, struct base_hash32 *code_hash,
                     char *why);

/* One transaction, to the end. *sent says how far it came whatever is returned.
 *   BASE_OK        mined, successful, confirmed (or a dry run)
 *   BASE_EREFUSED  the contract refuses it, or fee or balance do: nothing was sent. Or it was
 *                  mined and reverted (sent->reverted).
 *   BASE_ESTATE    another transaction of this wallet took the nonce: this one will never be
 *                  mined. Read the chain again before anything else.
 *   BASE_ETIMEOUT  no receipt, or not enough confirmations: it may still come
 *   others         nothing was sent */
int node_wallet_send_once(struct node_wallet *w, struct node_wallet_sent *sent,
                          const struct node_wallet_call *call, char *why);
/* The same for a call that is right whoever else sends: after BASE_ESTATE it is estimated and sent
 * anew, a few times, so that the contract itself says whether it is still wanted. */
int node_wallet_send_call(struct node_wallet *w, struct node_wallet_sent *sent,
                          const struct node_wallet_call *call, char *why);

/* Waits until no transaction of this wallet is pending, so that what is read next is what stands:
 * one that an earlier command left behind may be the very step that seems to be missing. When
 * another one comes between this and the next node_wallet_send_once, that returns BASE_ESTATE.
 * BASE_ETIMEOUT after wait_ms: nothing was sent. A dry run waits for nothing. */
int node_wallet_settle(struct node_wallet *w, char *why);

/* Reads all seats at the latest block. *seats is malloced. */
int node_wallet_seats(struct node_wallet *w, struct chain_cluster_state *state,
                      struct chain_seat **seats, size_t *count, char *why);
int node_wallet_latest(struct node_wallet *w, struct chain_block *out, char *why);
/* The latest block's time. */
int node_wallet_time(struct node_wallet *w, uint64_t *time_s, char *why);

#endif
