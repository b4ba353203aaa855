#include "chain/rpc.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

/* ---- requests ---- */

/* The body begins with '[', which a single call leaves away: so nothing has to move when a second
 * call turns the object into a batch. */
void chain_rpc_request_init(struct chain_rpc_request *request, uint64_t first_id)
{
    base_buf_init(&request->buf, CHAIN_RPC_REQUEST_BYTES_MAX);
    base_buf_puts(&request->buf, "[");
    request->first_id = first_id;
    request->count = 0;
}

void chain_rpc_request_deinit(struct chain_rpc_request *request)
{
    base_buf_deinit(&request->buf);
}

struct base_slice chain_rpc_request_finish(struct chain_rpc_request *request)
{
    assert(request->count > 0);
    base_buf_puts(&request->buf, "]");
    if (request->buf.failed) return (struct base_slice){0};
    const uint8_t *body = (const uint8_t *)request->buf.data;
    if (request->count == 1)
        return (struct base_slice){.data = body + 1, .len = request->buf.len - 2};
    return (struct base_slice){.data = body, .len = request->buf.len};
}

static struct base_buf *begin(struct chain_rpc_request *request, const char *method)
{
    assert(request->count < CHAIN_RPC_BATCH_MAX);
    struct base_buf *buf = &request->buf;
    base_buf_printf(buf, "%s{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\",\"params\":[",
                    request->count > 0 ? "," : "",
                    (unsigned long long)(request->first_id + request->count), method);
    request->count++;
    return buf;
}

static void end(struct base_buf *buf)
{
    base_buf_puts(buf, "]}");
}

static void put_data(struct base_buf *buf, const void *data, size_t len)
{
    base_buf_puts(buf, "\"0x");
    base_buf_hex(buf, data, len);
    base_buf_puts(buf, "\"");
}

static void put_quantity(struct base_buf *buf, uint64_t value)
{
    base_buf_printf(buf, "\"0x%llx\"", (unsigned long long)value);
}

static const char *tag_name(enum chain_rpc_tag tag)
{
    switch (tag) {
    case CHAIN_RPC_LATEST:
        return "latest";
    case CHAIN_RPC_SAFE:
        return "safe";
    case CHAIN_RPC_FINALIZED:
        return "finalized";
    case CHAIN_RPC_PENDING:
        return "pending";
    }
    assert(false && "a block tag of ours");
    return "";
}

void chain_rpc_ask_chain_id(struct chain_rpc_request *request)
{
    end(begin(request, "eth_chainId"));
}

void chain_rpc_ask_block_number(struct chain_rpc_request *request)
{
    end(begin(request, "eth_blockNumber"));
}

void chain_rpc_ask_block(struct chain_rpc_request *request, uint64_t number)
{
    struct base_buf *buf = begin(request, "eth_getBlockByNumber");
    put_quantity(buf, number);
    base_buf_puts(buf, ",false");
    end(buf);
}

void chain_rpc_ask_block_tag(struct chain_rpc_request *request, enum chain_rpc_tag tag)
{
    struct base_buf *buf = begin(request, "eth_getBlockByNumber");
    base_buf_printf(buf, "\"%s\",false", tag_name(tag));
    end(buf);
}

void chain_rpc_ask_block_hash(struct chain_rpc_request *request, const struct base_hash32 *hash)
{
    struct base_buf *buf = begin(request, "eth_getBlockByHash");
    put_data(buf, hash->bytes, sizeof hash->bytes);
    base_buf_puts(buf, ",false");
    end(buf);
}

static void put_at(struct base_buf *buf, const void *data, size_t len,
                   const struct base_hash32 *hash)
{
    base_buf_puts(buf, "\"data\":");
    put_data(buf, data, len);
    base_buf_puts(buf, "},{\"blockHash\":");
    put_data(buf, hash->bytes, sizeof hash->bytes);
    base_buf_puts(buf, ",\"requireCanonical\":true}");
    end(buf);
}

void chain_rpc_ask_call_at(struct chain_rpc_request *request, const struct base_eth_address *to,
                           const void *data, size_t len, const struct base_hash32 *hash)
{
    struct base_buf *buf = begin(request, "eth_call");
    base_buf_puts(buf, "{\"to\":");
    put_data(buf, to->bytes, sizeof to->bytes);
    base_buf_puts(buf, ",");
    put_at(buf, data, len, hash);
}

void chain_rpc_ask_create_at(struct chain_rpc_request *request, const void *code, size_t len,
                             const struct base_hash32 *hash)
{
    struct base_buf *buf = begin(request, "eth_call");
    base_buf_puts(buf, "{");
    put_at(buf, code, len, hash);
}

void chain_rpc_ask_logs(struct chain_rpc_request *request, const struct base_eth_address *address,
                        uint64_t from, uint64_t to, const struct base_hash32 *topic0)
{
    struct base_buf *buf = begin(request, "eth_getLogs");
    base_buf_puts(buf, "{\"address\":");
    put_data(buf, address->bytes, sizeof address->bytes);
    base_buf_puts(buf, ",\"fromBlock\":");
    put_quantity(buf, from);
    base_buf_puts(buf, ",\"toBlock\":");
    put_quantity(buf, to);
    if (topic0 != NULL) {
        base_buf_puts(buf, ",\"topics\":[");
        put_data(buf, topic0->bytes, sizeof topic0->bytes);
        base_buf_puts(buf, "]");
    }
    base_buf_puts(buf, "}");
    end(buf);
}

static void ask_of_address(struct chain_rpc_request *request, const char *method,
                           const struct base_eth_address *address, enum chain_rpc_tag tag)
{
    struct base_buf *buf = begin(request, method);
    put_data(buf, address->bytes, sizeof address->bytes);
    base_buf_printf(buf, ",\"%s\"", tag_name(tag));
    end(buf);
}

void chain_rpc_ask_code(struct chain_rpc_request *request, const struct base_eth_address *address)
{
    ask_of_address(request, "eth_getCode", address, CHAIN_RPC_LATEST);
}

void chain_rpc_ask_nonce(struct chain_rpc_request *request, const struct base_eth_address *address)
{
    ask_of_address(request, "eth_getTransactionCount", address, CHAIN_RPC_PENDING);
}

void chain_rpc_ask_nonce_mined(struct chain_rpc_request *request,
                               const struct base_eth_address *address)
{
    ask_of_address(request, "eth_getTransactionCount", address, CHAIN_RPC_LATEST);
}

void chain_rpc_ask_balance(struct chain_rpc_request *request,
                           const struct base_eth_address *address)
{
    ask_of_address(request, "eth_getBalance", address, CHAIN_RPC_LATEST);
}

void chain_rpc_ask_gas_price(struct chain_rpc_request *request)
{
    end(begin(request, "eth_gasPrice"));
}

void chain_rpc_ask_priority_fee(struct chain_rpc_request *request)
{
    end(begin(request, "eth_maxPriorityFeePerGas"));
}

void chain_rpc_ask_fee_history(struct chain_rpc_request *request)
{
    struct base_buf *buf = begin(request, "eth_feeHistory");
    base_buf_puts(buf, "\"0x1\",\"latest\",[]");
    end(buf);
}

static void put_call(struct base_buf *buf, const struct chain_rpc_call *call)
{
    base_buf_puts(buf, "{\"from\":");
    put_data(buf, call->from.bytes, sizeof call->from.bytes);
    base_buf_puts(buf, ",\"to\":");
    put_data(buf, call->to.bytes, sizeof call->to.bytes);
    char hex[2 * sizeof call->value.bytes + 1];
    size_t skip = 0;
    base_hex_encode(hex, call->value.bytes, sizeof call->value.bytes);
    while (skip < sizeof hex - 2 && hex[skip] == '0')
        skip++;
    base_buf_printf(buf, ",\"value\":\"0x%s\",\"data\":", hex + skip);
    put_data(buf, call->data.data, call->data.len);
    base_buf_puts(buf, "}");
}

void chain_rpc_ask_call(struct chain_rpc_request *request, const struct chain_rpc_call *call,
                        enum chain_rpc_tag tag)
{
    struct base_buf *buf = begin(request, "eth_call");
    put_call(buf, call);
    base_buf_printf(buf, ",\"%s\"", tag_name(tag));
    end(buf);
}

void chain_rpc_ask_estimate_gas(struct chain_rpc_request *request,
                                const struct chain_rpc_call *call)
{
    struct base_buf *buf = begin(request, "eth_estimateGas");
    put_call(buf, call);
    end(buf);
}

void chain_rpc_ask_send_raw(struct chain_rpc_request *request, const void *raw, size_t len)
{
    struct base_buf *buf = begin(request, "eth_sendRawTransaction");
    put_data(buf, raw, len);
    end(buf);
}

void chain_rpc_ask_receipt(struct chain_rpc_request *request, const struct base_hash32 *tx_hash)
{
    struct base_buf *buf = begin(request, "eth_getTransactionReceipt");
    put_data(buf, tx_hash->bytes, sizeof tx_hash->bytes);
    end(buf);
}
