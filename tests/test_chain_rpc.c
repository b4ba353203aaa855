#include "json_vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/abi.h"
#include "chain/contract.h"
#include "chain/rpc.h"

/* ---- requests ---- */

static const struct base_hash32 hash = {.bytes = {0xaa, 0xbb}};
static const struct base_eth_address to = {.bytes = {0xcc}};

static void check_body(struct chain_rpc_request *request, const char *want)
{
    struct base_slice body = chain_rpc_request_finish(request);
    assert_non_null(body.data);
    assert_int_equal(body.len, strlen(want));
    assert_memory_equal(body.data, want, body.len);
    chain_rpc_request_deinit(request);
}

static void test_single_call_is_an_object(void **state)
{
    (void)state;
    struct chain_rpc_request request;
    chain_rpc_request_init(&request, 7);
    chain_rpc_ask_block_number(&request);
    check_body(&request,
               "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"eth_blockNumber\",\"params\":[]}");
}

static void test_more_calls_are_a_batch(void **state)
{
    (void)state;
    struct chain_rpc_request request;
    chain_rpc_request_init(&request, 7);
    chain_rpc_ask_chain_id(&request);
    chain_rpc_ask_block(&request, 0);
    chain_rpc_ask_block(&request, UINT64_MAX);
    chain_rpc_ask_block_tag(&request, CHAIN_RPC_FINALIZED);
    check_body(&request, "[{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"eth_chainId\",\"params\":[]},"
                         "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"eth_getBlockByNumber\","
                         "\"params\":[\"0x0\",false]},"
                         "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"eth_getBlockByNumber\","
                         "\"params\":[\"0xffffffffffffffff\",false]},"
                         "{\"jsonrpc\":\"2.0\",\"id\":10,\"method\":\"eth_getBlockByNumber\","
                         "\"params\":[\"finalized\",false]}]");
}

static void test_call_names_its_block_by_hash(void **state)
{
    (void)state;
    struct chain_rpc_request request;
    chain_rpc_request_init(&request, 1);
    chain_rpc_ask_call_at(&request, &to, "\x12\x34", 2, &hash);
    check_body(&request,
               "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_call\",\"params\":[{\"to\":"
               "\"0xcc00000000000000000000000000000000000000\",\"data\":\"0x1234\"},{\"blockHash\":"
               "\"0xaabb000000000000000000000000000000000000000000000000000000000000\","
               "\"requireCanonical\":true}]}");
}

/* The rest of the methods: valid JSON with this method and these parameters. */
static void check_method(struct chain_rpc_request *request, const char *method, const char *params)
{
    struct base_slice body = chain_rpc_request_finish(request);
    json_t *got = json_loadb((const char *)body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *want = json_loads(params, 0, NULL);
    assert_non_null(got);
    assert_non_null(want);
    assert_string_equal(json_vectors_string(got, "method"), method);
    if (!json_equal(json_object_get(got, "params"), want))
        fail_msg("%.*s", (int)body.len, (const char *)body.data);
    json_decref(got);
    json_decref(want);
    chain_rpc_request_deinit(request);
    chain_rpc_request_init(request, 1);
}

#define TO   "0xcc00000000000000000000000000000000000000"
#define HASH "0xaabb000000000000000000000000000000000000000000000000000000000000"

static void test_other_methods(void **state)
{
    (void)state;
    struct chain_rpc_request r;
    struct chain_rpc_call call = {
        .from = to, .to = to, .data = {.data = (const uint8_t *)"\x01", .len = 1}};
    chain_rpc_request_init(&r, 1);
    chain_rpc_ask_block_hash(&r, &hash);
    check_method(&r, "eth_getBlockByHash", "[\"" HASH "\",false]");
    chain_rpc_ask_code(&r, &to);
    check_method(&r, "eth_getCode", "[\"" TO "\",\"latest\"]");
    chain_rpc_ask_nonce(&r, &to);
    check_method(&r, "eth_getTransactionCount", "[\"" TO "\",\"pending\"]");
    chain_rpc_ask_balance(&r, &to);
    check_method(&r, "eth_getBalance", "[\"" TO "\",\"latest\"]");
    chain_rpc_ask_gas_price(&r);
    check_method(&r, "eth_gasPrice", "[]");
    chain_rpc_ask_priority_fee(&r);
    check_method(&r, "eth_maxPriorityFeePerGas", "[]");
    chain_rpc_ask_fee_history(&r);
    check_method(&r, "eth_feeHistory", "[\"0x1\",\"latest\",[]]");
    chain_rpc_ask_call(&r, &call, CHAIN_RPC_SAFE);
    check_method(&r, "eth_call",
                 "[{\"from\":\"" TO "\",\"to\":\"" TO
                 "\",\"value\":\"0x0\",\"data\":\"0x01\"},\"safe\"]");
    call.value = base_u256_from_u64(0x1f0);
    chain_rpc_ask_estimate_gas(&r, &call);
    check_method(&r, "eth_estimateGas",
                 "[{\"from\":\"" TO "\",\"to\":\"" TO "\",\"value\":\"0x1f0\",\"data\":\"0x01\"}]");
    chain_rpc_ask_send_raw(&r, "\x02\xc0", 2);
    check_method(&r, "eth_sendRawTransaction", "[\"0x02c0\"]");
    chain_rpc_ask_receipt(&r, &hash);
    check_method(&r, "eth_getTransactionReceipt", "[\"" HASH "\"]");
    chain_rpc_request_deinit(&r);
}

static void test_request_has_a_bound(void **state)
{
    (void)state;
    struct chain_rpc_request r;
    uint8_t *big = calloc(1, CHAIN_RPC_REQUEST_BYTES_MAX);
    assert_non_null(big);
    chain_rpc_request_init(&r, 1);
    chain_rpc_ask_send_raw(&r, big, CHAIN_RPC_REQUEST_BYTES_MAX / 2);
    assert_null(chain_rpc_request_finish(&r).data);
    chain_rpc_request_deinit(&r);
    free(big);
}

/* ---- the envelope ---- */

struct envelope {
    const char *name, *text;
    size_t count; /* calls, first id 5 */
    int error;
};
static const struct envelope envelopes[] = {
    {"one", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":\"0x1\"}", 1, BASE_OK},
    {"one in an array", "[{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":\"0x1\"}]", 1, BASE_OK},
    {"any order",
     "[{\"jsonrpc\":\"2.0\",\"id\":6,\"result\":1},{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":2}]", 2,
     BASE_OK},
    {"null result", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":null}", 1, BASE_OK},
    {"null error beside it", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1,\"error\":null}", 1,
     BASE_OK},
    {"error object", "{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":-1,\"message\":\"no\"}}", 1,
     BASE_OK},
    {"unknown members", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1,\"x\":[{}]}", 1, BASE_OK},
    {"wrong id", "{\"jsonrpc\":\"2.0\",\"id\":6,\"result\":\"0x1\"}", 1, BASE_EMALFORMED},
    {"lower id", "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":\"0x1\"}", 1, BASE_EMALFORMED},
    {"negative id", "{\"jsonrpc\":\"2.0\",\"id\":-5,\"result\":\"0x1\"}", 1, BASE_EMALFORMED},
    {"text id", "{\"jsonrpc\":\"2.0\",\"id\":\"5\",\"result\":\"0x1\"}", 1, BASE_EMALFORMED},
    {"real id", "{\"jsonrpc\":\"2.0\",\"id\":5.0,\"result\":\"0x1\"}", 1, BASE_EMALFORMED},
    {"null id", "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":\"0x1\"}", 1, BASE_EMALFORMED},
    {"huge id", "{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"result\":1}", 1,
     BASE_EMALFORMED},
    {"no id", "{\"jsonrpc\":\"2.0\",\"result\":\"0x1\"}", 1, BASE_EMALFORMED},
    {"id twice",
     "[{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1},{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":2}]", 2,
     BASE_EMALFORMED},
    {"missing member", "[{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1}]", 2, BASE_EMALFORMED},
    {"one too many",
     "[{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1},{\"jsonrpc\":\"2.0\",\"id\":6,\"result\":2}]", 1,
     BASE_EMALFORMED},
    {"empty batch", "[]", 1, BASE_EMALFORMED},
    {"batch of a number", "[1,2]", 2, BASE_EMALFORMED},
    {"single for a batch", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1}", 2, BASE_EMALFORMED},
    {"batch refused",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"no batches\"}}", 2,
     BASE_EREMOTE},
    {"no version", "{\"id\":5,\"result\":1}", 1, BASE_EMALFORMED},
    {"old version", "{\"jsonrpc\":\"1.0\",\"id\":5,\"result\":1}", 1, BASE_EMALFORMED},
    {"number version", "{\"jsonrpc\":2.0,\"id\":5,\"result\":1}", 1, BASE_EMALFORMED},
    {"neither", "{\"jsonrpc\":\"2.0\",\"id\":5}", 1, BASE_EMALFORMED},
    {"both", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1,\"error\":{\"code\":1,\"message\":\"\"}}",
     1, BASE_EMALFORMED},
    {"error is text", "{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":\"no\"}", 1, BASE_EMALFORMED},
    {"error without code", "{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"message\":\"no\"}}", 1,
     BASE_EMALFORMED},
    {"error without message", "{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":1}}", 1,
     BASE_EMALFORMED},
    {"duplicate key", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1,\"result\":2}", 1,
     BASE_EMALFORMED},
    {"something after", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":1} x", 1, BASE_EMALFORMED},
    {"cut", "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":\"0x", 1, BASE_EMALFORMED},
    {"no JSON", "<html>", 1, BASE_EMALFORMED},
    {"empty", "", 1, BASE_EMALFORMED},
    {"a number", "5", 1, BASE_EMALFORMED},
    {"null", "null", 1, BASE_EMALFORMED},
};

static void test_envelope(void **state)
{
    const struct envelope *e = *state;
    struct chain_rpc_reply reply;
    char why[BASE_JSON_WHY_BYTES] = "";
    int rv = chain_rpc_reply_parse(&reply, e->text, strlen(e->text), 5, e->count, why);
    assert_int_equal(rv, e->error);
    if (rv != BASE_OK) assert_string_not_equal(why, "");
    chain_rpc_reply_deinit(&reply);
}

static void test_hundred_megabytes_are_refused_by_the_bound(void **state)
{
    (void)state;
    struct chain_rpc_reply reply;
    size_t len = (size_t)100 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, ' ', len);
    assert_int_equal(chain_rpc_reply_parse(&reply, text, len, 1, 1, NULL), BASE_ETOOBIG);
    assert_int_equal(chain_rpc_reply_parse(&reply, text, CHAIN_RPC_REPLY_BYTES_MAX + 1, 1, 1, NULL),
                     BASE_ETOOBIG);
    free(text);
}

static void test_deep_nesting_is_refused(void **state)
{
    (void)state;
    struct chain_rpc_reply reply;
    size_t len = (size_t)1 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '[', len);
    assert_true(chain_rpc_reply_parse(&reply, text, len, 1, 1, NULL) < 0);
    memcpy(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":", 34);
    assert_true(chain_rpc_reply_parse(&reply, text, len, 1, 1, NULL) < 0);
    free(text);
}

/* ---- results ---- */

static void parse_one(struct chain_rpc_reply *reply, const char *result)
{
    char text[4096], why[BASE_JSON_WHY_BYTES];
    int len = snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":%s}", result);
    assert_true(len > 0 && (size_t)len < sizeof text);
    if (chain_rpc_reply_parse(reply, text, (size_t)len, 1, 1, why) != BASE_OK)
        fail_msg("%s: %s", why, text);
}

static int read_u64(uint64_t *out, const char *result)
{
    struct chain_rpc_reply reply;
    parse_one(&reply, result);
    int rv = chain_rpc_reply_u64(out, &reply, 0);
    chain_rpc_reply_deinit(&reply);
    return rv;
}

static void test_quantities(void **state)
{
    (void)state;
    uint64_t value;
    static const char *const bad[] = {"\"0x\"",   "\"\"",
                                      "\"1\"",    "\"0x01\"",
                                      "\"0xg\"",  "\"0X1\"",
                                      "1",        "null",
                                      "true",     "[\"0x1\"]",
                                      "{}",       "\"0x-1\"",
                                      "\"0x1 \"", "\"0x10000000000000000\"",
                                      "\"x\"",    "\"0x00\""};
    assert_int_equal(read_u64(&value, "\"0x0\""), BASE_OK);
    assert_int_equal(value, 0);
    assert_int_equal(read_u64(&value, "\"0xFfffffffffffffff\""), BASE_OK);
    assert_true(value == UINT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (read_u64(&value, bad[i]) != BASE_EMALFORMED) fail_msg("%s", bad[i]);
}

static void test_u256_and_hash(void **state)
{
    (void)state;
    struct chain_rpc_reply reply;
    struct base_u256 wide;
    struct base_hash32 got;
    parse_one(&reply, "\"0x10000000000000000\"");
    assert_int_equal(chain_rpc_reply_u256(&wide, &reply, 0), BASE_OK);
    assert_int_equal(wide.bytes[23], 1);
    assert_int_equal(chain_rpc_reply_hash(&got, &reply, 0), BASE_EMALFORMED);
    chain_rpc_reply_deinit(&reply);
    parse_one(&reply, "\"" HASH "\"");
    assert_int_equal(chain_rpc_reply_hash(&got, &reply, 0), BASE_OK);
    assert_true(base_hash32_equal(&got, &hash));
    chain_rpc_reply_deinit(&reply);
    parse_one(&reply, "\"" HASH "00\"");
    assert_int_equal(chain_rpc_reply_hash(&got, &reply, 0), BASE_EMALFORMED);
    assert_int_equal(chain_rpc_reply_u256(&wide, &reply, 0), BASE_ETOOBIG);
    chain_rpc_reply_deinit(&reply);
}

static int read_data(struct base_buf *buf, const char *result)
{
    struct chain_rpc_reply reply;
    base_buf_clear(buf);
    parse_one(&reply, result);
    int rv = chain_rpc_reply_data(buf, &reply, 0);
    chain_rpc_reply_deinit(&reply);
    return rv;
}

static void test_data(void **state)
{
    (void)state;
    struct base_buf buf;
    char text[1600] = "\"0x";
    base_buf_init(&buf, 600);
    assert_int_equal(read_data(&buf, "\"0x\""), BASE_OK);
    assert_int_equal(buf.len, 0);
    assert_int_equal(read_data(&buf, "\"0x00ff\""), BASE_OK);
    assert_memory_equal(buf.data, "\x00\xff", 2);
    assert_int_equal(read_data(&buf, "\"0x0\""), BASE_EMALFORMED);
    assert_int_equal(read_data(&buf, "\"00ff\""), BASE_EMALFORMED);
    assert_int_equal(read_data(&buf, "\"0x0g\""), BASE_EMALFORMED);
    assert_int_equal(read_data(&buf, "null"), BASE_EMALFORMED);
    memset(text + 3, 'a', 1200);
    memcpy(text + 1203, "\"", 2);
    assert_int_equal(read_data(&buf, text), BASE_OK); /* in pieces */
    assert_int_equal(buf.len, 600);
    assert_int_equal((uint8_t)buf.data[599], 0xaa);
    memcpy(text + 1203, "aa\"", 4);
    assert_int_equal(read_data(&buf, text), BASE_ETOOBIG);
    base_buf_deinit(&buf);
}

#define BLOCK(number, parent, time)                                                                \
    "{\"number\":" number ",\"hash\":\"" HASH "\",\"parentHash\":" parent ",\"timestamp\":" time   \
    ",\"transactions\":[]}"

static int read_block(struct chain_block *block, const char *result)
{
    struct chain_rpc_reply reply;
    parse_one(&reply, result);
    int rv = chain_rpc_reply_block(block, &reply, 0);
    chain_rpc_reply_deinit(&reply);
    return rv;
}

static void test_block(void **state)
{
    (void)state;
    struct chain_block block;
    assert_int_equal(read_block(&block, BLOCK("\"0x2a\"", "\"" HASH "\"", "\"0x5\"")), BASE_OK);
    assert_int_equal(block.number, 42);
    assert_int_equal(block.time_s, 5);
    assert_true(base_hash32_equal(&block.parent_hash, &hash));
    assert_int_equal(read_block(&block, "null"), BASE_ENOTFOUND);
    assert_int_equal(read_block(&block, "{}"), BASE_EMALFORMED);
    assert_int_equal(read_block(&block, "\"0x\""), BASE_EMALFORMED);
    assert_int_equal(read_block(&block, BLOCK("42", "\"" HASH "\"", "\"0x5\"")), BASE_EMALFORMED);
    assert_int_equal(read_block(&block, BLOCK("null", "\"" HASH "\"", "\"0x5\"")),
                     BASE_EMALFORMED); /* a pending block */
    assert_int_equal(read_block(&block, BLOCK("\"0x2a\"", "\"0x\"", "\"0x5\"")), BASE_EMALFORMED);
    assert_int_equal(read_block(&block, BLOCK("\"0x2a\"", "null", "\"0x5\"")), BASE_EMALFORMED);
    assert_int_equal(read_block(&block, BLOCK("\"0x2a\"", "\"" HASH "\"", "\"0x05\"")),
                     BASE_EMALFORMED);
}

static void test_fee_history(void **state)
{
    (void)state;
    struct chain_rpc_reply reply;
    struct base_u256 fee;
    static const char *const bad[] = {"null",
                                      "{}",
                                      "{\"baseFeePerGas\":[]}",
                                      "{\"baseFeePerGas\":[1]}",
                                      "{\"baseFeePerGas\":\"0x1\"}",
                                      "{\"baseFeePerGas\":[\"\"]}"};
    parse_one(&reply, "{\"baseFeePerGas\":[\"0x1\",\"0x10\"]}");
    assert_int_equal(chain_rpc_reply_base_fee(&fee, &reply, 0), BASE_OK);
    assert_int_equal(fee.bytes[31], 16);
    chain_rpc_reply_deinit(&reply);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        parse_one(&reply, bad[i]);
        assert_int_not_equal(chain_rpc_reply_base_fee(&fee, &reply, 0), BASE_OK);
        chain_rpc_reply_deinit(&reply);
    }
}

/* ---- receipts: with the logs of events.json ---- */

static int read_receipt(struct chain_rpc_receipt *receipt, const char *status, const char *logs)
{
    struct chain_rpc_reply reply;
    char text[3500];
    snprintf(text, sizeof text,
             "{\"transactionHash\":\"" HASH "\",\"status\":%s,\"blockNumber\":\"0x2a\","
             "\"blockHash\":\"" HASH "\",\"gasUsed\":\"0x5208\",\"logs\":%s}",
             status, logs);
    parse_one(&reply, text);
    int rv = chain_rpc_reply_receipt(receipt, &reply, 0);
    chain_rpc_reply_deinit(&reply);
    return rv;
}

static void test_receipt(void **state)
{
    (void)state;
    struct chain_rpc_receipt receipt;
    struct chain_rpc_reply reply;
    assert_int_equal(read_receipt(&receipt, "\"0x1\"", "[]"), BASE_OK);
    assert_true(receipt.success);
    assert_int_equal(receipt.block_number, 42);
    assert_int_equal(receipt.gas_used, 21000);
    assert_int_equal(read_receipt(&receipt, "\"0x0\"", "[]"), BASE_OK);
    assert_false(receipt.success);
    assert_int_equal(read_receipt(&receipt, "\"0x2\"", "[]"), BASE_EMALFORMED);
    assert_false(receipt.success);
    assert_int_equal(read_receipt(&receipt, "true", "[]"), BASE_EMALFORMED);
    assert_int_equal(read_receipt(&receipt, "\"0x1\"", "null"), BASE_EMALFORMED);
    assert_int_equal(read_receipt(&receipt, "\"0x1\"", "[{}]"), BASE_EMALFORMED);
    assert_int_equal(
        read_receipt(&receipt, "\"0x1\"", "[{\"address\":\"" TO "\",\"topics\":[1,2,3,4,5]}]"),
        BASE_EMALFORMED);
    assert_int_equal(
        read_receipt(&receipt, "\"0x1\"", "[{\"address\":\"" HASH "\",\"topics\":[]}]"),
        BASE_EMALFORMED);
    parse_one(&reply, "null");
    assert_int_equal(chain_rpc_reply_receipt(&receipt, &reply, 0), BASE_ENOTFOUND); /* pending */
    chain_rpc_reply_deinit(&reply);
}

static void test_minted_token(void **state)
{
    const json_t *events = *state;
    const json_t *samples = json_vectors_array(events, "logs");
    struct chain_rpc_receipt receipt;
    struct base_u256 token = {.bytes = {0}};
    struct base_eth_address owner;
    json_t *logs = json_array();
    for (size_t i = 0; i < json_array_size(samples); i++) {
        const json_t *sample = json_array_get(samples, i);
        json_t *log =
            json_pack("{s:s, s:O}", "address", TO, "topics", json_object_get(sample, "topics"));
        assert_non_null(log);
        json_array_append_new(logs, log);
    }
    char *text = json_dumps(logs, JSON_COMPACT);
    assert_int_equal(read_receipt(&receipt, "\"0x1\"", text), BASE_OK);
    assert_int_equal(receipt.log_count, json_array_size(samples));
    assert_int_equal(base_address_parse(&owner, "0x8269E57E82933BBfAbbB3840439F95593D3F42a2"),
                     BASE_OK);
    assert_int_equal(chain_rpc_receipt_minted(&token, &receipt, &to, &owner), BASE_OK);
    assert_int_equal(token.bytes[31], 1);
    /* the next owner got it by a sale, not by a mint; and another contract's log is not ours */
    assert_int_equal(base_address_parse(&owner, "0x9bFe62cf6555067E3bb93226e0387967793C9c8d"),
                     BASE_OK);
    assert_int_equal(chain_rpc_receipt_minted(&token, &receipt, &to, &owner), BASE_ENOTFOUND);
    assert_int_equal(chain_rpc_receipt_minted(&token, &receipt, &owner, &owner), BASE_ENOTFOUND);
    free(text);
    json_decref(logs);
}

/* ---- logs ---- */

#define A20    "0x1111111111111111111111111111111111111111"
#define H32(c) "0x" c c c c c c c c
#define LOG(address, number, removed)                                                              \
    "{\"address\":\"" address "\",\"topics\":[\"" H32("0000000a") "\",\"" H32(                     \
        "0000000b") "\"],"                                                                         \
                    "\"blockNumber\":" number                                                      \
                    ",\"blockHash\":\"" H32("0000000c") "\",\"transactionHash\":\"" H32(           \
                        "0000000d") "\",\"removed\":" removed "}"

static void test_logs(void **state)
{
    (void)state;
    static const char *const bad[] = {"[" LOG(A20, "7", "false") "]",
                                      "[" LOG("0x11", "\"0x7\"", "false") "]",
                                      "[" LOG(A20, "\"0x7\"", "0") "]", "[7]", "[{}]"};
    struct chain_rpc_reply reply;
    struct chain_rpc_logged logged;
    size_t count;
    parse_one(&reply, "[" LOG(A20, "\"0x7\"", "false") "," LOG(A20, "\"0x8\"", "true") "]");
    assert_int_equal(chain_rpc_reply_log_count(&count, &reply, 0), BASE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(chain_rpc_reply_log(&logged, &reply, 0, 1), BASE_OK);
    assert_int_equal(logged.block_number, 8);
    assert_true(logged.removed);
    assert_int_equal(logged.log.topic_count, 2);
    assert_int_equal(logged.log.topics[1].bytes[3], 0x0b);
    assert_int_equal(logged.block_hash.bytes[3], 0x0c);
    assert_int_equal(logged.tx_hash.bytes[3], 0x0d);
    chain_rpc_reply_deinit(&reply);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        parse_one(&reply, bad[i]);
        assert_int_equal(chain_rpc_reply_log(&logged, &reply, 0, 0), BASE_EMALFORMED);
        chain_rpc_reply_deinit(&reply);
    }
    parse_one(&reply, "{}");
    assert_int_equal(chain_rpc_reply_log_count(&count, &reply, 0), BASE_EMALFORMED);
    chain_rpc_reply_deinit(&reply);
}

#define RECEIPT(status, number, block, tx, logs)                                                   \
    "{\"status\":\"" status "\",\"gasUsed\":\"0x1\",\"blockNumber\":\"" number                     \
    "\",\"blockHash\":\"" H32(block) "\",\"transactionHash\":\"" H32(tx) "\",\"logs\":[" logs "]}"

static bool shows(const char *receipt, const struct chain_rpc_logged *logged)
{
    struct chain_rpc_reply reply;
    bool out = true;
    parse_one(&reply, receipt);
    assert_int_equal(chain_rpc_reply_receipt_shows(&out, &reply, 0, logged), BASE_OK);
    chain_rpc_reply_deinit(&reply);
    return out;
}

/* A receipt proves a log of its own transaction in its own block, and nothing else. */
static void test_receipt_shows_a_log(void **state)
{
    (void)state;
    struct chain_rpc_reply reply;
    struct chain_rpc_logged logged;
    bool out;
    parse_one(&reply, "[" LOG(A20, "\"0x7\"", "false") "]");
    assert_int_equal(chain_rpc_reply_log(&logged, &reply, 0, 0), BASE_OK);
    chain_rpc_reply_deinit(&reply);
    assert_true(shows(RECEIPT("0x1", "0x7", "0000000c", "0000000d", LOG(A20, "\"0x7\"", "false")),
                      &logged));
    assert_false(shows(RECEIPT("0x0", "0x7", "0000000c", "0000000d", LOG(A20, "\"0x7\"", "false")),
                       &logged));
    assert_false(shows(RECEIPT("0x1", "0x8", "0000000c", "0000000d", LOG(A20, "\"0x7\"", "false")),
                       &logged));
    assert_false(shows(RECEIPT("0x1", "0x7", "0000000e", "0000000d", LOG(A20, "\"0x7\"", "false")),
                       &logged));
    assert_false(shows(RECEIPT("0x1", "0x7", "0000000c", "0000000e", LOG(A20, "\"0x7\"", "false")),
                       &logged));
    assert_false(shows(RECEIPT("0x1", "0x7", "0000000c", "0000000d", ""), &logged));
    assert_false(shows("null", &logged));
    logged.log.topics[1].bytes[0] = 1;
    assert_false(shows(RECEIPT("0x1", "0x7", "0000000c", "0000000d", LOG(A20, "\"0x7\"", "false")),
                       &logged));
    parse_one(&reply, "7");
    assert_int_equal(chain_rpc_reply_receipt_shows(&out, &reply, 0, &logged), BASE_EMALFORMED);
    chain_rpc_reply_deinit(&reply);
}

/* ---- error objects ---- */

static void read_error(struct chain_rpc_error *error, const char *object)
{
    struct chain_rpc_reply reply;
    char text[4096];
    uint64_t value;
    int len = snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":%s}", object);
    assert_int_equal(chain_rpc_reply_parse(&reply, text, (size_t)len, 1, 1, NULL), BASE_OK);
    assert_int_equal(chain_rpc_reply_u64(&value, &reply, 0), BASE_EREMOTE);
    assert_int_equal(chain_rpc_reply_error(error, &reply, 0), BASE_OK);
    chain_rpc_reply_deinit(&reply);
}

static void test_error_object(void **state)
{
    (void)state;
    struct chain_rpc_error error;
    struct chain_abi_revert revert;
    char text[3000], longest[2500];
    read_error(&error, "{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0xc59ee2cb"
                       "0000000000000000000000000000000000000000000000000000000000000007\"}");
    assert_int_equal(error.code, 3);
    assert_string_equal(error.message, "execution reverted");
    assert_int_equal(error.data_len, 36);
    chain_abi_revert_decode(&revert, error.data, error.data_len, chain_contract_errors,
                            chain_contract_error_count);
    assert_string_equal(revert.text, "NodeKeyTaken 0x7");
    read_error(&error, "{\"code\":-32000,\"message\":\"a\\nb\\u001b[31m\\u00e9\",\"data\":{}}");
    assert_false(error.has_data);
    assert_string_equal(error.message, "a?b?[31m??");
    read_error(&error, "{\"code\":1,\"message\":\"\",\"data\":\"Reverted\"}");
    assert_false(error.has_data);
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    snprintf(text, sizeof text, "{\"code\":1,\"message\":\"%s\",\"data\":\"0x\"}", longest);
    read_error(&error, text);
    assert_int_equal(strlen(error.message), CHAIN_RPC_ERROR_TEXT_BYTES - 1);
    assert_true(error.has_data);
    snprintf(text, sizeof text, "{\"code\":1,\"message\":\"\",\"data\":\"0x%s\"}", longest);
    read_error(&error, text);
    assert_false(error.has_data); /* more than CHAIN_RPC_REVERT_BYTES_MAX */
}

/* anvil: "execution reverted: custom error 0x7e273289: \u0000..". What is escaped otherwise stays.
 */
static void test_message_with_a_nul_can_be_read(void **state)
{
    (void)state;
    struct chain_rpc_error error;
    read_error(&error, "{\"code\":3,\"message\":\"a\\u0000\\u0000b\\\\u0000\",\"data\":\"0x\"}");
    assert_string_equal(error.message, "a??b\\u0000");
    struct chain_rpc_reply reply;
    static const char nul[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x1\\u0000\"}";
    uint64_t value;
    assert_int_equal(chain_rpc_reply_parse(&reply, nul, sizeof nul - 1, 1, 1, NULL), BASE_OK);
    assert_int_equal(chain_rpc_reply_u64(&value, &reply, 0), BASE_EMALFORMED);
    chain_rpc_reply_deinit(&reply);
}

static void test_a_revert_is_told_from_a_server_s_own_error(void **state)
{
    (void)state;
    static const char *const reverts[] = {
        "{\"code\":3,\"message\":\"\"}", "{\"code\":-32015,\"message\":\"VM execution error.\"}",
        "{\"code\":-32000,\"message\":\"Execution Reverted\"}",
        "{\"code\":-32603,\"message\":\"\",\"data\":\"0x08c379a0\"}"};
    static const char *const others[] = {
        "{\"code\":-32000,\"message\":\"header not found\"}",
        "{\"code\":-32005,\"message\":\"rate limit exceeded\",\"data\":{\"see\":\"0x00\"}}",
        "{\"code\":-32000,\"message\":\"out of gas\"}", "{\"code\":-32000,\"message\":\"rever\"}"};
    struct chain_rpc_error error;
    for (size_t i = 0; i < sizeof reverts / sizeof reverts[0]; i++) {
        read_error(&error, reverts[i]);
        assert_true(chain_rpc_error_is_revert(&error));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        read_error(&error, others[i]);
        assert_false(chain_rpc_error_is_revert(&error));
    }
}

static void test_result_is_no_error(void **state)
{
    (void)state;
    struct chain_rpc_reply reply;
    struct chain_rpc_error error;
    parse_one(&reply, "null");
    assert_int_equal(chain_rpc_reply_error(&error, &reply, 0), BASE_ENOTFOUND);
    chain_rpc_reply_deinit(&reply);
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *events = json_vectors_load("events.json");
    for (size_t i = 0; i < sizeof envelopes / sizeof envelopes[0]; i++)
        json_vectors_add(&tests, test_envelope, &envelopes[i], "envelope: %s", envelopes[i].name);
    json_vectors_add(&tests, test_single_call_is_an_object, NULL, "single call");
    json_vectors_add(&tests, test_more_calls_are_a_batch, NULL, "batch");
    json_vectors_add(&tests, test_call_names_its_block_by_hash, NULL, "EIP-1898");
    json_vectors_add(&tests, test_other_methods, NULL, "other methods");
    json_vectors_add(&tests, test_request_has_a_bound, NULL, "request bound");
    json_vectors_add(&tests, test_hundred_megabytes_are_refused_by_the_bound, NULL, "100 MB");
    json_vectors_add(&tests, test_deep_nesting_is_refused, NULL, "deep nesting");
    json_vectors_add(&tests, test_quantities, NULL, "quantities");
    json_vectors_add(&tests, test_u256_and_hash, NULL, "u256 and hash");
    json_vectors_add(&tests, test_data, NULL, "data");
    json_vectors_add(&tests, test_block, NULL, "block");
    json_vectors_add(&tests, test_fee_history, NULL, "fee history");
    json_vectors_add(&tests, test_receipt, NULL, "receipt");
    json_vectors_add(&tests, test_logs, NULL, "logs");
    json_vectors_add(&tests, test_receipt_shows_a_log, NULL, "receipt shows a log");
    json_vectors_add(&tests, test_minted_token, events, "minted token");
    json_vectors_add(&tests, test_error_object, NULL, "error object");
    json_vectors_add(&tests, test_message_with_a_nul_can_be_read, NULL, "NUL in a message");
    json_vectors_add(&tests, test_a_revert_is_told_from_a_server_s_own_error, NULL, "reverts");
    json_vectors_add(&tests, test_result_is_no_error, NULL, "result is no error");
    int failed = json_vectors_run(&tests, "chain_rpc", NULL);
    json_decref(events);
    return failed;
}
