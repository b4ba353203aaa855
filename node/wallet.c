#include "node/wallet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "chain/abi.h"
#include "chain/tx.h"

#define REQUEST_TIMEOUT_MS 10000
#define RECEIPT_PAUSE_MS   250
#define GAS_MARGIN_PERCENT 20
#define GAS_LIMIT_MAX      UINT64_C(30000000)

/* ---- one round trip ---- */

static int ask(struct node_wallet *w, struct chain_rpc_reply *reply,
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
    int rv = node_http_sync_call(w->http, &answer, &http);
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

static void request_init(struct node_wallet *w, struct chain_rpc_request *request)
{
    chain_rpc_request_init(request, w->next_id);
    w->next_id += CHAIN_RPC_BATCH_MAX;
}

/* Why call index failed, in the contract's words where it has any. */
static int explain(const struct chain_rpc_reply *reply, size_t index, const char *what, char *why)
{
    struct chain_rpc_error error;
    struct chain_abi_revert revert = {0};
    if (chain_rpc_reply_error(&error, reply, index) != BASE_OK) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "%s: an answer of another form than asked for", what);
        return BASE_EMALFORMED;
    }
    if (error.has_data)
        chain_abi_revert_decode(&revert, error.data, error.data_len, chain_contract_errors,
                                chain_contract_error_count);
    if (revert.kind == CHAIN_ABI_REVERT_CUSTOM || revert.kind == CHAIN_ABI_REVERT_STRING)
        snprintf(why, NODE_WALLET_WHY_BYTES, "%s: the contract refuses: %s", what, revert.text);
    else
        snprintf(why, NODE_WALLET_WHY_BYTES, "%s: %s", what, error.message);
    return error.has_data ? BASE_EREFUSED : BASE_EREMOTE;
}

/* ---- open, close ---- */

int node_wallet_open(struct node_wallet *w, const char *rpc, uint64_t chain_id,
                     const struct base_eth_address *contract, const char *ca_file, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    uint64_t there = 0;
    size_t code_bytes = 0;
    memset(w, 0, sizeof *w);
    w->rpc = rpc;
    w->chain_id = chain_id;
    w->contract = *contract;
    w->next_id = 1;
    w->wait_ms = NODE_WALLET_WAIT_MS;
    int rv = node_http_sync_new(&w->http, ca_file);
    if (rv != BASE_OK) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "%s", base_strerror(rv));
        return rv;
    }
    request_init(w, &request);
    chain_rpc_ask_chain_id(&request);
    chain_rpc_ask_code(&request, contract);
    rv = ask(w, &reply, &request, why);
    if (rv == BASE_OK) {
        rv = chain_rpc_reply_u64(&there, &reply, 0);
        if (rv == BASE_OK) rv = chain_rpc_reply_data_len(&code_bytes, &reply, 1);
        if (rv != BASE_OK) rv = explain(&reply, 0, "eth_chainId", why);
    }
    if (rv == BASE_OK && there != chain_id) {
        snprintf(why, NODE_WALLET_WHY_BYTES,
                 "the endpoint is of chain %" PRIu64 ", not --chain-id %" PRIu64, there, chain_id);
        rv = BASE_EINVAL;
    } else if (rv == BASE_OK && code_bytes == 0) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "--contract: there is no contract at this address");
        rv = BASE_EINVAL;
    }
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
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

int node_wallet_view(struct node_wallet *w, struct base_buf *out, const struct base_buf *calldata,
                     char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct chain_rpc_call call = {.from = w->address, .to = w->contract};
    call.data = (struct base_slice){(const uint8_t *)calldata->data, calldata->len};
    request_init(w, &request);
    chain_rpc_ask_call(&request, &call, CHAIN_RPC_LATEST);
    int rv = ask(w, &reply, &request, why);
    if (rv == BASE_OK && chain_rpc_reply_data(out, &reply, 0) != BASE_OK)
        rv = explain(&reply, 0, "eth_call", why);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

int node_wallet_time(struct node_wallet *w, uint64_t *time_s, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct chain_block block;
    request_init(w, &request);
    chain_rpc_ask_block_tag(&request, CHAIN_RPC_LATEST);
    int rv = ask(w, &reply, &request, why);
    if (rv == BASE_OK && chain_rpc_reply_block(&block, &reply, 0) != BASE_OK)
        rv = explain(&reply, 0, "eth_getBlockByNumber", why);
    if (rv == BASE_OK) *time_s = block.time_s;
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
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

/* ---- sending ---- */

static struct base_u256 add_u256(const struct base_u256 *a, const struct base_u256 *b)
{
    struct base_u256 sum;
    unsigned carry = 0;
    for (size_t i = sizeof sum.bytes; i-- > 0;) {
        unsigned digit = (unsigned)a->bytes[i] + b->bytes[i] + carry;
        sum.bytes[i] = (uint8_t)digit;
        carry = digit >> 8;
    }
    return sum;
}

static struct base_u256 times_u256(const struct base_u256 *a, uint64_t factor)
{
    struct base_u256 sum = base_u256_from_u64(0), shifted = *a;
    for (; factor != 0; factor >>= 1) {
        if (factor & 1) sum = add_u256(&sum, &shifted);
        shifted = add_u256(&shifted, &shifted);
    }
    return sum;
}

/* Nonce, fees and gas, all as of now. */
static int prepare(struct node_wallet *w, struct chain_tx *tx, const struct base_buf *calldata,
                   char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct base_u256 base_fee, twice;
    struct chain_rpc_call call = {.from = w->address, .to = w->contract};
    uint64_t gas = 0;
    call.data = (struct base_slice){(const uint8_t *)calldata->data, calldata->len};
    request_init(w, &request);
    chain_rpc_ask_nonce(&request, &w->address);
    chain_rpc_ask_fee_history(&request);
    chain_rpc_ask_priority_fee(&request);
    chain_rpc_ask_estimate_gas(&request, &call);
    int rv = ask(w, &reply, &request, why);
    if (rv == BASE_OK && chain_rpc_reply_u64(&tx->nonce, &reply, 0) != BASE_OK)
        rv = explain(&reply, 0, "nonce", why);
    if (rv == BASE_OK && chain_rpc_reply_base_fee(&base_fee, &reply, 1) != BASE_OK)
        rv = explain(&reply, 1, "fees", why);
    if (rv == BASE_OK && chain_rpc_reply_u256(&tx->max_priority_fee, &reply, 2) != BASE_OK)
        rv = explain(&reply, 2, "fees", why);
    if (rv == BASE_OK && chain_rpc_reply_u64(&gas, &reply, 3) != BASE_OK)
        rv = explain(&reply, 3, "transaction", why);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    if (rv != BASE_OK) return rv;
    if (gas > GAS_LIMIT_MAX) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "an estimate of %" PRIu64 " gas is no ours", gas);
        return BASE_EMALFORMED;
    }
    tx->gas_limit = gas + gas * GAS_MARGIN_PERCENT / 100;
    twice = add_u256(&base_fee, &base_fee); /* stands some full blocks in a row */
    tx->max_fee = add_u256(&twice, &tx->max_priority_fee);
    if (base_u256_compare(&tx->max_fee, &w->max_fee) > 0) tx->max_fee = w->max_fee;
    if (base_u256_compare(&tx->max_priority_fee, &tx->max_fee) > 0)
        tx->max_priority_fee = tx->max_fee;
    if (base_u256_compare(&base_fee, &tx->max_fee) > 0) {
        snprintf(why, NODE_WALLET_WHY_BYTES,
                 "the chain's base fee is above --max-fee-gwei: wait, or raise it");
        return BASE_EREFUSED;
    }
    return BASE_OK;
}

static int submit(struct node_wallet *w, const struct base_buf *raw, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct base_hash32 hash;
    request_init(w, &request);
    chain_rpc_ask_send_raw(&request, raw->data, raw->len);
    int rv = ask(w, &reply, &request, why);
    if (rv == BASE_OK && chain_rpc_reply_hash(&hash, &reply, 0) != BASE_OK)
        rv = explain(&reply, 0, "eth_sendRawTransaction", why);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* An endpoint that does not answer for a while is asked again: what was sent may well be mined. */
static int wait_receipt(struct node_wallet *w, struct chain_rpc_receipt *receipt,
                        const struct base_hash32 *hash, char *why)
{
    const struct timespec pause = {0, RECEIPT_PAUSE_MS * 1000000L};
    char hex[2 * sizeof hash->bytes + 1];
    uint64_t end_ms = monotonic_ms() + w->wait_ms;
    for (;;) {
        struct chain_rpc_request request;
        struct chain_rpc_reply reply;
        request_init(w, &request);
        chain_rpc_ask_receipt(&request, hash);
        int rv = ask(w, &reply, &request, why);
        if (rv == BASE_OK) rv = chain_rpc_reply_receipt(receipt, &reply, 0);
        chain_rpc_reply_deinit(&reply);
        chain_rpc_request_deinit(&request);
        if (rv == BASE_OK) return BASE_OK;
        if (monotonic_ms() >= end_ms) break;
        nanosleep(&pause, NULL);
    }
    base_hex_encode(hex, hash->bytes, sizeof hash->bytes);
    snprintf(why, NODE_WALLET_WHY_BYTES,
             "no receipt of transaction 0x%s after %u s: it may still be mined; look before you "
             "send it again",
             hex, w->wait_ms / 1000);
    return BASE_ETIMEOUT;
}

int node_wallet_send(struct node_wallet *w, struct node_wallet_sent *sent,
                     const struct base_buf *calldata, char *why)
{
    struct chain_tx tx = {
        .type = CHAIN_TX_EIP1559, .chain_id = w->chain_id, .has_to = true, .to = w->contract};
    struct chain_rpc_receipt receipt;
    struct base_buf raw;
    memset(sent, 0, sizeof *sent);
    tx.data = (struct base_slice){(const uint8_t *)calldata->data, calldata->len};
    if (calldata->failed) {
        snprintf(why, NODE_WALLET_WHY_BYTES, "the call is too large");
        return BASE_ETOOBIG;
    }
    int rv = prepare(w, &tx, calldata, why);
    if (rv != BASE_OK) return rv;
    sent->max_cost = times_u256(&tx.max_fee, tx.gas_limit);
    sent->gas_used = tx.gas_limit;
    sent->dry_run = w->dry_run;
    if (w->dry_run) return BASE_OK;
    base_buf_init(&raw, CHAIN_TX_BYTES_MAX);
    rv = chain_tx_sign(&raw, &sent->tx_hash, &tx, &w->key);
    if (rv != BASE_OK) snprintf(why, NODE_WALLET_WHY_BYTES, "sign: %s", base_strerror(rv));
    if (rv == BASE_OK) rv = submit(w, &raw, why);
    base_buf_deinit(&raw);
    if (rv == BASE_OK) rv = wait_receipt(w, &receipt, &sent->tx_hash, why);
    if (rv != BASE_OK) return rv;
    sent->block = receipt.block_number;
    sent->gas_used = receipt.gas_used;
    sent->has_minted =
        chain_rpc_receipt_minted(&sent->minted, &receipt, &w->contract, &w->mint_to) == BASE_OK;
    if (receipt.success) return BASE_OK;
    snprintf(why, NODE_WALLET_WHY_BYTES,
             "the transaction was mined in block %" PRIu64 " and reverted: somebody was faster, or "
             "a deadline passed; look at the seat and try again",
             receipt.block_number);
    return BASE_EREFUSED;
}
