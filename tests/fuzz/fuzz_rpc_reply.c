/* A JSON-RPC reply: every typed look-up on whatever an endpoint sent. First byte: number of calls
 * that were asked for, ids from 1. */
#include "base/err.h"
#include "chain/rpc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text, size_t cap)
{
    if (memchr(text, '\0', cap) == NULL) abort();
    for (size_t i = 0; text[i] != '\0'; i++)
        if (text[i] < 0x20 || text[i] > 0x7e) abort();
}

static void read_all(const struct chain_rpc_reply *reply, size_t index)
{
    static struct chain_rpc_receipt receipt;
    struct chain_rpc_error error;
    struct chain_block block;
    struct base_u256 wide;
    struct base_hash32 hash;
    struct base_buf buf;
    uint64_t number;
    size_t len = 0;
    bool is_error = chain_rpc_reply_error(&error, reply, index) == BASE_OK;
    int rv = chain_rpc_reply_u64(&number, reply, index);
    if (is_error != (rv == BASE_EREMOTE)) abort();
    if (is_error) check_line(error.message, sizeof error.message);
    if (error.data_len > sizeof error.data) abort();
    (void)chain_rpc_reply_u256(&wide, reply, index);
    (void)chain_rpc_reply_hash(&hash, reply, index);
    (void)chain_rpc_reply_block(&block, reply, index);
    (void)chain_rpc_reply_base_fee(&wide, reply, index);
    if (chain_rpc_reply_receipt(&receipt, reply, index) == BASE_OK) {
        struct base_eth_address zero = {.bytes = {0}};
        if (receipt.log_count > CHAIN_RPC_LOGS_MAX) abort();
        (void)chain_rpc_receipt_minted(&wide, &receipt, &zero, &zero);
    }
    base_buf_init(&buf, 4096);
    rv = chain_rpc_reply_data(&buf, reply, index);
    if (rv == BASE_OK && chain_rpc_reply_data_len(&len, reply, index) != BASE_OK) abort();
    if (rv == BASE_OK && len != buf.len) abort();
    base_buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chain_rpc_reply reply;
    char why[BASE_JSON_WHY_BYTES] = "";
    if (size == 0) return 0;
    size_t count = data[0] % 8 + 1U;
    int rv = chain_rpc_reply_parse(&reply, data + 1, size - 1, 1, count, why);
    check_line(why, sizeof why);
    for (size_t i = 0; rv == BASE_OK && i < count; i++)
        read_all(&reply, i);
    chain_rpc_reply_deinit(&reply);
    return 0;
}
