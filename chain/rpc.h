#ifndef NFTMESH_CHAIN_RPC_H
#define NFTMESH_CHAIN_RPC_H

#include "base/buf.h"
#include "base/json.h"
#include "chain/registry.h"

/* JSON-RPC 2.0 bodies: requests out, replies in. Opens no socket.
 *
 * A request gathers calls; with one it is an object, with more an array (batch). The reply's
 * parts are found by id in any order, and each call must be answered exactly once. */
#define CHAIN_RPC_REPLY_BYTES_MAX   ((size_t)4 << 20)
#define CHAIN_RPC_REQUEST_BYTES_MAX ((size_t)1 << 20)
#define CHAIN_RPC_BATCH_MAX         64

enum chain_rpc_tag { CHAIN_RPC_LATEST = 0, CHAIN_RPC_SAFE, CHAIN_RPC_FINALIZED, CHAIN_RPC_PENDING };

struct chain_rpc_request {
    struct base_buf buf;
    uint64_t first_id; /* call i has id first_id + i */
    size_t count;
};
void chain_rpc_request_init(struct chain_rpc_request *request, uint64_t first_id);
void chain_rpc_request_deinit(struct chain_rpc_request *request);
/* Each appends one call. */
void chain_rpc_ask_chain_id(struct chain_rpc_request *request);
void chain_rpc_ask_block_number(struct chain_rpc_request *request);
void chain_rpc_ask_block(struct chain_rpc_request *request, uint64_t number);
void chain_rpc_ask_block_tag(struct chain_rpc_request *request, enum chain_rpc_tag tag);
void chain_rpc_ask_block_hash(struct chain_rpc_request *request, const struct base_hash32 *hash);
/* eth_call at one block by its hash, which must be canonical (EIP-1898). */
void chain_rpc_ask_call_at(struct chain_rpc_request *request, const struct base_eth_address *to,
                           const void *data, size_t len, const struct base_hash32 *hash);
/* The same without a contract: code that is run as if it made one. What it gives back is the
 * answer, and nothing has to be deployed for that. */
void chain_rpc_ask_create_at(struct chain_rpc_request *request, const void *code, size_t len,
                             const struct base_hash32 *hash);
/* Logs of one address in the blocks from to to (both included); topic0 NULL: all of them. */
void chain_rpc_ask_logs(struct chain_rpc_request *request, const struct base_eth_address *address,
                        uint64_t from, uint64_t to, const struct base_hash32 *topic0);
void chain_rpc_ask_code(struct chain_rpc_request *request, const struct base_eth_address *address);
/* The next nonce: pending transactions counted. */
void chain_rpc_ask_nonce(struct chain_rpc_request *request, const struct base_eth_address *address);
/* Transactions mined so far: the nonce below which none can be mined any more. */
void chain_rpc_ask_nonce_mined(struct chain_rpc_request *request,
                               const struct base_eth_address *address);
void chain_rpc_ask_balance(struct chain_rpc_request *request,
                           const struct base_eth_address *address);
void chain_rpc_ask_gas_price(struct chain_rpc_request *request);
void chain_rpc_ask_priority_fee(struct chain_rpc_request *request);
/* eth_feeHistory of one block: the last element of baseFeePerGas is the next block's. */
void chain_rpc_ask_fee_history(struct chain_rpc_request *request);
struct chain_rpc_call { /* eth_call at a tag, eth_estimateGas */
    struct base_eth_address from, to;
    struct base_u256 value;
    struct base_slice data;
};
void chain_rpc_ask_call(struct chain_rpc_request *request, const struct chain_rpc_call *call,
                        enum chain_rpc_tag tag);
void chain_rpc_ask_estimate_gas(struct chain_rpc_request *request,
                                const struct chain_rpc_call *call);
void chain_rpc_ask_send_raw(struct chain_rpc_request *request, const void *raw, size_t len);
void chain_rpc_ask_receipt(struct chain_rpc_request *request, const struct base_hash32 *tx_hash);
/* The finished body, borrowed from the request until _deinit; call once, then append no more.
 * data is NULL when there was no memory or a bound was passed. */
struct base_slice chain_rpc_request_finish(struct chain_rpc_request *request);

struct chain_rpc_reply {
    json_t *root;
    json_t *items[CHAIN_RPC_BATCH_MAX]; /* by call, borrowed from root */
    size_t count;
};
/* count calls from first_id on must be answered, each once, none other. why gets one line.
 * BASE_EMALFORMED, BASE_ETOOBIG, BASE_ENOMEM; BASE_EREMOTE when a batch was answered by one error
 * object. Free with _deinit (also after an error: harmless). */
int chain_rpc_reply_parse(struct chain_rpc_reply *reply, const void *data, size_t len,
                          uint64_t first_id, size_t count, char why[BASE_JSON_WHY_BYTES]);
void chain_rpc_reply_deinit(struct chain_rpc_reply *reply);

/* The result of call index. BASE_EREMOTE when it is an error object, BASE_EMALFORMED when of
 * another type or form, BASE_ENOTFOUND where null is an answer (block, receipt). */
int chain_rpc_reply_u64(uint64_t *out, const struct chain_rpc_reply *reply, size_t index);
int chain_rpc_reply_u256(struct base_u256 *out, const struct chain_rpc_reply *reply, size_t index);
int chain_rpc_reply_hash(struct base_hash32 *out, const struct chain_rpc_reply *reply,
                         size_t index);
int chain_rpc_reply_block(struct chain_block *out, const struct chain_rpc_reply *reply,
                          size_t index);
/* Number of bytes of a DATA result. */
int chain_rpc_reply_data_len(size_t *out, const struct chain_rpc_reply *reply, size_t index);
/* The bytes, appended to out (which has the bound). BASE_ETOOBIG (also: no memory). */
int chain_rpc_reply_data(struct base_buf *out, const struct chain_rpc_reply *reply, size_t index);
/* Base fee of the next block out of eth_feeHistory. */
int chain_rpc_reply_base_fee(struct base_u256 *out, const struct chain_rpc_reply *reply,
                             size_t index);

#define CHAIN_RPC_TOPICS_MAX 4
#define CHAIN_RPC_LOGS_MAX   32
struct chain_rpc_log {
    struct base_eth_address address;
    struct base_hash32 topics[CHAIN_RPC_TOPICS_MAX];
    size_t topic_count;
};
struct chain_rpc_logged { /* a log of eth_getLogs: also where it is */
    struct chain_rpc_log log;
    uint64_t block_number;
    struct base_hash32 block_hash, tx_hash;
    bool removed; /* by a reorg */
};
/* The number of logs in the result of eth_getLogs, and one of them. */
int chain_rpc_reply_log_count(size_t *out, const struct chain_rpc_reply *reply, size_t index);
int chain_rpc_reply_log(struct chain_rpc_logged *out, const struct chain_rpc_reply *reply,
                        size_t index, size_t which);

struct chain_rpc_receipt {
    struct base_hash32 tx_hash;
    bool success; /* status 1 */
    uint64_t block_number;
    struct base_hash32 block_hash;
    uint64_t gas_used;
    struct chain_rpc_log logs[CHAIN_RPC_LOGS_MAX]; /* the first ones */
    size_t log_count;
};
int chain_rpc_reply_receipt(struct chain_rpc_receipt *out, const struct chain_rpc_reply *reply,
                            size_t index);
/* Is this log among all of the receipt's, its transaction successful and in this block? A null
 * receipt says no. */
int chain_rpc_reply_receipt_shows(bool *out, const struct chain_rpc_reply *reply, size_t index,
                                  const struct chain_rpc_logged *logged);
/* The token of the first Transfer(0, to, token) that contract logged. BASE_ENOTFOUND. */
int chain_rpc_receipt_minted(struct base_u256 *token_id, const struct chain_rpc_receipt *receipt,
                             const struct base_eth_address *contract,
                             const struct base_eth_address *to);

#define CHAIN_RPC_ERROR_TEXT_BYTES 160
#define CHAIN_RPC_REVERT_BYTES_MAX 1024
struct chain_rpc_error {
    int64_t code;
    char message[CHAIN_RPC_ERROR_TEXT_BYTES]; /* printable ASCII, cut */
    uint8_t data[CHAIN_RPC_REVERT_BYTES_MAX]; /* revert data, for chain_abi_revert_decode */
    size_t data_len;
    bool has_data;
};
/* Did the contract itself refuse, rather than the server? Servers say so in several ways: code 3,
 * -32015, revert data, or in words. */
bool chain_rpc_error_is_revert(const struct chain_rpc_error *error);
/* BASE_OK when call index was answered by an error object, else BASE_ENOTFOUND. */
int chain_rpc_reply_error(struct chain_rpc_error *out, const struct chain_rpc_reply *reply,
                          size_t index);

#endif
