#include "node/wallet_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "chain/abi.h"

#define REQUEST_TIMEOUT_MS 10000
#define CODE_BYTES_MAX     ((size_t)64 << 10) /* EIP-170 allows 24,576 */

/* ---- one round trip ---- */

/* That nobody listens, or that the operating system refuses, is the endpoint's trouble: of the same
 * name it would be the contract's word, or a disk's. */
static int endpoints(int rv)
{
    return rv == BASE_EREFUSED || rv == BASE_EIO ? BASE_EREMOTE : rv;
}

int node__wallet_ask(struct node_wallet *w, struct chain_rpc_reply *reply,
                     struct chain_rpc_request *request, char *why)
{
    struct node_http_sync_answer answer;
    char origin[NODE_HTTP_ORIGIN_BYTES], parse_why[BASE_JSON_WHY_BYTES] = "";
    struct base_slice body = chain_rpc_request_finish(request);
    struct node_http_request http = {.url = w->rpc,
                                     .body = body.data,
                                     .body_len = body.len,
                                     .answer_bytes_max = CHAIN_RPC_REPLY_BYTES_MAX,
                                     .timeout_ms = REQUEST_TIMEOUT_MS};
    memset(reply, 0, sizeof *reply);
    node_http_origin(origin, w->rpc);
    if (body.data == NULL) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "the request is too large");
        return BASE_ETOOBIG;
    }
    int rv = endpoints(node_http_sync_call(w->http, &answer, &http));
    if (rv != BASE_OK) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "--rpc %s", answer.text);
    } else if (answer.status != 200) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "--rpc %s: HTTP status %d", origin, answer.status);
        rv = BASE_EREMOTE;
    } else {
        rv = chain_rpc_reply_parse(reply, answer.body.data, answer.body.len, request->first_id,
                                   request->count, parse_why);
        if (rv != BASE_OK) snprintf(why, NODE_WALLET_WHY_BYTES, "--rpc %s: %s", origin, parse_why);
    }
    base_buf_deinit(&answer.body);
    return rv;
}

void node__wallet_request_init(struct node_wallet *w, struct chain_rpc_request *request)
{
    chain_rpc_request_init(request, w->next_id);
    w->next_id += CHAIN_RPC_BATCH_MAX;
}

/* In the contract's words where it has any. BASE_EREFUSED: the contract itself said no;
 * BASE_EREMOTE: the endpoint did, and what the contract would say is not known. */
int node__wallet_explain(const struct chain_rpc_reply *reply, size_t index, const char *what,
                         char *why)
{
    struct chain_rpc_error error;
    struct chain_abi_revert revert = {0};
    char words[CHAIN_CONTRACT_WORDS_BYTES];
    if (chain_rpc_reply_error(&error, reply, index) != BASE_OK) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "%.150s: an answer of another form than asked for",
                 what);
        return BASE_EMALFORMED;
    }
    if (error.has_data) chain_abi_revert_decode(&revert, error.data, error.data_len, NULL, 0);
    if (error.has_data && chain_contract_explain(words, error.data, error.data_len))
        snprintf(why, NODE_WALLET_WHY_BYTES, "%.150s: the contract refuses: %s", what, words);
    else if (revert.kind == CHAIN_ABI_REVERT_STRING || revert.kind == CHAIN_ABI_REVERT_PANIC)
        snprintf(why, NODE_WALLET_WHY_BYTES, "%.150s: the contract refuses: %s", what, revert.text);
    else if (chain_rpc_error_is_revert(&error) && error.data_len == 0)
        snprintf(why, NODE_WALLET_WHY_BYTES,
                 "%.150s: the contract refuses without a word (%.100s): it may have no such "
                 "function; `nftmesh deploy status` tells which contract it is",
                 what, error.message);
    else
        snprintf(why, NODE_WALLET_WHY_BYTES, "%.150s: %s", what, error.message);
    return chain_rpc_error_is_revert(&error) ? BASE_EREFUSED : BASE_EREMOTE;
}

/* ---- open, close ---- */

int node_wallet_init(struct node_wallet *w, const char *rpc, uint64_t chain_id,
                     const struct base_eth_address *contract, const char *ca_file, char *why)
{
    memset(w, 0, sizeof *w);
    w->rpc = rpc;
    w->chain_id = chain_id;
    w->contract = *contract;
    w->next_id = 1;
    w->wait_ms = NODE_WALLET_WAIT_MS;
    w->confirmations = chain_id == 31337 || chain_id == 1337 ? 1 : 2;
    int rv = node_http_sync_new(&w->http, ca_file);
    if (rv != BASE_OK) snprintf(why, NODE_WALLET_WHY_BYTES, "%s", base_strerror(rv));
    return rv;
}

int node_wallet_check(struct node_wallet *w, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    uint64_t there = 0;
    size_t code_bytes = 0;
    node__wallet_request_init(w, &request);
    chain_rpc_ask_chain_id(&request);
    chain_rpc_ask_code(&request, &w->contract);
    int rv = node__wallet_ask(w, &reply, &request, why);
    if (rv == BASE_OK && chain_rpc_reply_u64(&there, &reply, 0) != BASE_OK)
        rv = node__wallet_explain(&reply, 0, "eth_chainId", why);
    if (rv == BASE_OK && chain_rpc_reply_data_len(&code_bytes, &reply, 1) != BASE_OK)
        rv = node__wallet_explain(&reply, 1, "eth_getCode", why);
    if (rv == BASE_OK && there != w->chain_id) {
        snprintf(why, NODE_WALLET_WHY_BYTES,
                 "the endpoint is of chain %" PRIu64 ", not --chain-id %" PRIu64, there,
                 w->chain_id);
        rv = BASE_EINVAL;
    } else if (rv == BASE_OK && code_bytes == 0) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "--contract: there is no contract at this address");
        rv = BASE_EINVAL;
    }
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

int node_wallet_open(struct node_wallet *w, const char *rpc, uint64_t chain_id,
                     const struct base_eth_address *contract, const char *ca_file, char *why)
{
    int rv = node_wallet_init(w, rpc, chain_id, contract, ca_file, why);
    if (rv == BASE_OK) rv = node_wallet_check(w, why);
    if (rv != BASE_OK) node_wallet_close(w);
    return rv;
}

void node_wallet_close(struct node_wallet *w)
{
    node_http_sync_free(w->http);
    base_memzero(w, sizeof *w);
}

int node_wallet_key_from(struct node_wallet *w, const struct node_wallet_key_source *source,
                         char *why)
{
    int rv = node_wallet_key_read(&w->key, &w->address, source, why);
    w->has_key = rv == BASE_OK;
    return rv;
}

int node_wallet_key(struct node_wallet *w, const char *path, const char *hex, char *why)
{
    struct node_wallet_key_source source = {
        .file = path, .hex = hex, .password = getenv("NFTMESH_WALLET_PASSWORD")};
    return node_wallet_key_from(w, &source, why);
}

/* ---- reading ---- */

/* Asks, and appends the one answer's bytes; frees the request. */
static int ask_data(struct node_wallet *w, struct base_buf *out, struct chain_rpc_request *request,
                    char *why)
{
    struct chain_rpc_reply reply;
    int rv = node__wallet_ask(w, &reply, request, why);
    if (rv == BASE_OK && chain_rpc_reply_data(out, &reply, 0) != BASE_OK)
        rv = node__wallet_explain(&reply, 0, "eth_call", why);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(request);
    return rv;
}

int node_wallet_view(struct node_wallet *w, struct base_buf *out, const struct base_buf *calldata,
                     char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_call call = {.from = w->address, .to = w->contract};
    call.data = (struct base_slice){(const uint8_t *)calldata->data, calldata->len};
    node__wallet_request_init(w, &request);
    chain_rpc_ask_call(&request, &call, CHAIN_RPC_LATEST);
    return ask_data(w, out, &request, why);
}

int node_wallet_view_at(struct node_wallet *w, struct base_buf *out,
                        const struct base_buf *calldata, const struct base_hash32 *block, char *why)
{
    struct chain_rpc_request request;
    node__wallet_request_init(w, &request);
    chain_rpc_ask_call_at(&request, &w->contract, calldata->data, calldata->len, block);
    return ask_data(w, out, &request, why);
}

int node_wallet_code(struct node_wallet *w, bool *has_code, const struct base_eth_address *address,
                     char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    size_t bytes = 0;
    node__wallet_request_init(w, &request);
    chain_rpc_ask_code(&request, address);
    int rv = node__wallet_ask(w, &reply, &request, why);
    if (rv == BASE_OK && chain_rpc_reply_data_len(&bytes, &reply, 0) != BASE_OK)
        rv = node__wallet_explain(&reply, 0, "eth_getCode", why);
    *has_code = bytes > 0;
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

int node_wallet_head(struct node_wallet *w, uint64_t *block, struct base_hash32 *code_hash,
                     char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct base_buf code;
    base_buf_init(&code, CODE_BYTES_MAX);
    node__wallet_request_init(w, &request);
    chain_rpc_ask_block_number(&request);
    chain_rpc_ask_code(&request, &w->contract);
    int rv = node__wallet_ask(w, &reply, &request, why);
    if (rv == BASE_OK && chain_rpc_reply_u64(block, &reply, 0) != BASE_OK)
        rv = node__wallet_explain(&reply, 0, "eth_blockNumber", why);
    if (rv == BASE_OK && chain_rpc_reply_data(&code, &reply, 1) != BASE_OK)
        rv = node__wallet_explain(&reply, 1, "eth_getCode", why);
    if (rv == BASE_OK) base_keccak256(code_hash, code.data, code.len);
    base_buf_deinit(&code);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

int node_wallet_latest(struct node_wallet *w, struct chain_block *out, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    node__wallet_request_init(w, &request);
    chain_rpc_ask_block_tag(&request, CHAIN_RPC_LATEST);
    int rv = node__wallet_ask(w, &reply, &request, why);
    if (rv == BASE_OK && chain_rpc_reply_block(out, &reply, 0) != BASE_OK)
        rv = node__wallet_explain(&reply, 0, "eth_getBlockByNumber", why);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

int node_wallet_time(struct node_wallet *w, uint64_t *time_s, char *why)
{
    struct chain_block block;
    int rv = node_wallet_latest(w, &block, why);
    if (rv == BASE_OK) *time_s = block.time_s;
    return rv;
}

static int read_page(struct node_wallet *w, struct chain_seat *seats, size_t *count,
                     uint64_t offset, char *why)
{
    struct base_buf calldata, data;
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    base_buf_init(&data, CHAIN_RPC_REPLY_BYTES_MAX);
    chain_contract_call_members_page(&calldata, offset, CHAIN_PAGE_SEATS);
    int rv = node_wallet_view(w, &data, &calldata, why);
    if (rv == BASE_OK) {
        rv = chain_contract_decode_members(seats, count, data.data, data.len);
        if (rv != BASE_OK)
            snprintf(why, NODE_WALLET_WHY_BYTES, "membersPage: %s: is this our contract?",
                     base_strerror(rv));
    }
    base_buf_deinit(&calldata);
    base_buf_deinit(&data);
    return rv;
}

int node_wallet_seats(struct node_wallet *w, struct chain_cluster_state *state,
                      struct chain_seat **seats, size_t *count, char *why)
{
    struct base_buf calldata, data;
    *seats = NULL;
    *count = 0;
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    base_buf_init(&data, CHAIN_RPC_REPLY_BYTES_MAX);
    chain_contract_call_cluster_state(&calldata);
    int rv = node_wallet_view(w, &data, &calldata, why);
    if (rv == BASE_OK) {
        rv = chain_contract_decode_cluster_state(state, data.data, data.len);
        if (rv != BASE_OK)
            snprintf(why, NODE_WALLET_WHY_BYTES, "clusterState: %s: is this our contract?",
                     base_strerror(rv));
    }
    base_buf_deinit(&calldata);
    base_buf_deinit(&data);
    if (rv != BASE_OK) return rv;
    *seats = calloc((size_t)state->seat_count + CHAIN_PAGE_SEATS, sizeof **seats);
    if (*seats == NULL) rv = BASE_ENOMEM;
    while (rv == BASE_OK && *count < state->seat_count) {
        size_t got = 0;
        rv = read_page(w, *seats + *count, &got, *count, why);
        if (rv == BASE_OK && got == 0) break; /* fewer than a moment ago: burned */
        *count += got;
    }
    if (rv != BASE_OK) {
        free(*seats);
        *seats = NULL;
    }
    return rv;
}
