#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "chain/rpc.h"

/* ---- the envelope ---- */

static int refuse(int error, char why[BASE_JSON_WHY_BYTES], const char *what)
{
    if (why != NULL) snprintf(why, BASE_JSON_WHY_BYTES, "%s", what);
    return error;
}

/* Text of a server goes to logs: printable ASCII only. */
static void copy_printable(char *out, size_t cap, const char *text, size_t len)
{
    size_t n = len < cap - 1 ? len : cap - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    out[n] = '\0';
}

static bool is_error_object(const json_t *error)
{
    return json_is_object(error) && json_is_integer(json_object_get(error, "code")) &&
           json_is_string(json_object_get(error, "message"));
}

/* Version, and exactly one of result and a proper error. A null error beside a result is taken:
 * older servers send it. */
static int check_part(json_t *part, char why[BASE_JSON_WHY_BYTES])
{
    if (!json_is_object(part)) return refuse(BASE_EMALFORMED, why, "not a response object");
    json_t *version = json_object_get(part, "jsonrpc");
    if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
        return refuse(BASE_EMALFORMED, why, "not JSON-RPC 2.0");
    json_t *result = json_object_get(part, "result"), *error = json_object_get(part, "error");
    if (json_is_null(error)) error = NULL;
    if ((result == NULL) == (error == NULL))
        return refuse(BASE_EMALFORMED, why, "neither or both of result and error");
    if (error != NULL && !is_error_object(error))
        return refuse(BASE_EMALFORMED, why, "error is no error object");
    return BASE_OK;
}

static int place_part(struct chain_rpc_reply *reply, json_t *part, uint64_t first_id,
                      char why[BASE_JSON_WHY_BYTES])
{
    int rv = check_part(part, why);
    if (rv != BASE_OK) return rv;
    json_t *id = json_object_get(part, "id");
    if (!json_is_integer(id) || json_integer_value(id) < 0)
        return refuse(BASE_EMALFORMED, why, "id is no number of ours");
    uint64_t number = (uint64_t)json_integer_value(id);
    if (number < first_id || number - first_id >= reply->count)
        return refuse(BASE_EMALFORMED, why, "id was not asked for");
    if (reply->items[number - first_id] != NULL)
        return refuse(BASE_EMALFORMED, why, "id answered twice");
    reply->items[number - first_id] = part;
    return BASE_OK;
}

/* A server that cannot do a batch answers it by one error object, often with a null id. */
static int refuse_batch(const json_t *root, char why[BASE_JSON_WHY_BYTES])
{
    const json_t *error = json_object_get(root, "error");
    if (!is_error_object(error)) return refuse(BASE_EMALFORMED, why, "not a batch of responses");
    const json_t *message = json_object_get(error, "message");
    char text[CHAIN_RPC_ERROR_TEXT_BYTES];
    copy_printable(text, sizeof text, json_string_value(message), json_string_length(message));
    if (why != NULL) snprintf(why, BASE_JSON_WHY_BYTES, "batch refused: %.100s", text);
    return BASE_EREMOTE;
}

static int place_all(struct chain_rpc_reply *reply, uint64_t first_id,
                     char why[BASE_JSON_WHY_BYTES])
{
    if (!json_is_array(reply->root)) {
        if (reply->count > 1) return refuse_batch(reply->root, why);
        return place_part(reply, reply->root, first_id, why);
    }
    if (json_array_size(reply->root) != reply->count)
        return refuse(BASE_EMALFORMED, why, "another number of responses than of calls");
    for (size_t i = 0; i < reply->count; i++) {
        int rv = place_part(reply, json_array_get(reply->root, i), first_id, why);
        if (rv != BASE_OK) return rv;
    }
    return BASE_OK; /* as many parts as calls, no id twice: each is answered */
}

/* The next escaped NUL from at on; len when there is none. */
static size_t find_nul(const char *text, size_t len, size_t at)
{
    static const char nul[] = "\\u0000";
    for (; at < len; at++) {
        if (text[at] != '\\') continue;
        if (len - at >= sizeof nul - 1 && memcmp(text + at, nul, sizeof nul - 1) == 0) return at;
        at++; /* what is escaped, perhaps a backslash */
    }
    return len;
}

/* Some servers (anvil is one) quote revert data in their messages as if it were text, with NULs in
 * it, which no strict reader takes: the message only is hurt by another character there. */
static int parse_json(json_t **root, const void *data, size_t len, char why[BASE_JSON_WHY_BYTES])
{
    size_t at = len <= CHAIN_RPC_REPLY_BYTES_MAX ? find_nul(data, len, 0) : len;
    if (at == len) return base_json_parse(root, data, len, CHAIN_RPC_REPLY_BYTES_MAX, why);
    char *copy = malloc(len);
    if (copy == NULL) return refuse(BASE_ENOMEM, why, "no memory");
    memcpy(copy, data, len);
    for (; at < len; at = find_nul(copy, len, at))
        memcpy(copy + at, "\\u003f", 6);
    int rv = base_json_parse(root, copy, len, CHAIN_RPC_REPLY_BYTES_MAX, why);
    free(copy);
    return rv;
}

int chain_rpc_reply_parse(struct chain_rpc_reply *reply, const void *data, size_t len,
                          uint64_t first_id, size_t count, char why[BASE_JSON_WHY_BYTES])
{
    assert(count > 0 && count <= CHAIN_RPC_BATCH_MAX);
    *reply = (struct chain_rpc_reply){.count = count};
    int rv = parse_json(&reply->root, data, len, why);
    if (rv != BASE_OK) {
        reply->root = NULL;
        return rv;
    }
    rv = place_all(reply, first_id, why);
    if (rv != BASE_OK) chain_rpc_reply_deinit(reply);
    return rv;
}

void chain_rpc_reply_deinit(struct chain_rpc_reply *reply)
{
    json_decref(reply->root);
    *reply = (struct chain_rpc_reply){0};
}

/* ---- results ---- */

static int get_result(json_t **out, const struct chain_rpc_reply *reply, size_t index)
{
    assert(index < reply->count);
    *out = json_object_get(reply->items[index], "result");
    return *out == NULL ? BASE_EREMOTE : BASE_OK;
}

static int get_text(const char **text, size_t *len, const struct chain_rpc_reply *reply,
                    size_t index)
{
    json_t *result;
    int rv = get_result(&result, reply, index);
    if (rv != BASE_OK) return rv;
    if (!json_is_string(result)) return BASE_EMALFORMED;
    *text = json_string_value(result);
    *len = json_string_length(result);
    return BASE_OK;
}

static bool is_prefixed(const char *text, size_t len)
{
    return len >= 2 && text[0] == '0' && text[1] == 'x';
}

/* A QUANTITY: 0x, digits, no leading zero. */
static int parse_u256(struct base_u256 *out, const char *text, size_t len)
{
    char padded[2 * sizeof out->bytes];
    if (!is_prefixed(text, len) || len == 2) return BASE_EMALFORMED;
    size_t digits = len - 2;
    if (digits > sizeof padded) return BASE_ETOOBIG;
    if (digits > 1 && text[2] == '0') return BASE_EMALFORMED;
    memset(padded, '0', sizeof padded);
    memcpy(padded + sizeof padded - digits, text + 2, digits);
    return base_hex_decode(out->bytes, sizeof out->bytes, padded, sizeof padded);
}

int chain_rpc_reply_u256(struct base_u256 *out, const struct chain_rpc_reply *reply, size_t index)
{
    const char *text;
    size_t len;
    int rv = get_text(&text, &len, reply, index);
    return rv == BASE_OK ? parse_u256(out, text, len) : rv;
}

int chain_rpc_reply_u64(uint64_t *out, const struct chain_rpc_reply *reply, size_t index)
{
    struct base_u256 wide;
    int rv = chain_rpc_reply_u256(&wide, reply, index);
    if (rv == BASE_OK) rv = base_u256_to_u64(out, &wide);
    return rv == BASE_ETOOBIG ? BASE_EMALFORMED : rv;
}

static int parse_fixed(void *out, size_t bytes, const json_t *value)
{
    if (!json_is_string(value)) return BASE_EMALFORMED;
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (!is_prefixed(text, len)) return BASE_EMALFORMED;
    return base_hex_decode(out, bytes, text + 2, len - 2);
}

int chain_rpc_reply_hash(struct base_hash32 *out, const struct chain_rpc_reply *reply, size_t index)
{
    json_t *result;
    int rv = get_result(&result, reply, index);
    return rv == BASE_OK ? parse_fixed(out->bytes, sizeof out->bytes, result) : rv;
}

/* BASE_ENOTFOUND for null, BASE_EMALFORMED for another thing than an object. */
static int get_object(json_t **out, const struct chain_rpc_reply *reply, size_t index)
{
    int rv = get_result(out, reply, index);
    if (rv != BASE_OK) return rv;
    if (json_is_null(*out)) return BASE_ENOTFOUND;
    return json_is_object(*out) ? BASE_OK : BASE_EMALFORMED;
}

static int member_u64(uint64_t *out, const json_t *object, const char *key)
{
    return base_json_get_quantity(out, object, key) == BASE_OK ? BASE_OK : BASE_EMALFORMED;
}

static int member_hash(struct base_hash32 *out, const json_t *object, const char *key)
{
    return parse_fixed(out->bytes, sizeof out->bytes, json_object_get(object, key));
}

int chain_rpc_reply_block(struct chain_block *out, const struct chain_rpc_reply *reply,
                          size_t index)
{
    json_t *block;
    *out = (struct chain_block){0};
    int rv = get_object(&block, reply, index);
    if (rv == BASE_OK) rv = member_u64(&out->number, block, "number");
    if (rv == BASE_OK) rv = member_hash(&out->hash, block, "hash");
    if (rv == BASE_OK) rv = member_hash(&out->parent_hash, block, "parentHash");
    if (rv == BASE_OK) rv = member_u64(&out->time_s, block, "timestamp");
    return rv;
}

int chain_rpc_reply_data_len(size_t *out, const struct chain_rpc_reply *reply, size_t index)
{
    const char *text;
    size_t len;
    int rv = get_text(&text, &len, reply, index);
    if (rv != BASE_OK) return rv;
    if (!is_prefixed(text, len) || len % 2 != 0) return BASE_EMALFORMED;
    *out = (len - 2) / 2;
    return BASE_OK;
}

int chain_rpc_reply_data(struct base_buf *out, const struct chain_rpc_reply *reply, size_t index)
{
    size_t bytes, len;
    const char *text;
    int rv = chain_rpc_reply_data_len(&bytes, reply, index);
    if (rv == BASE_OK) rv = get_text(&text, &len, reply, index);
    if (rv != BASE_OK) return rv;
    for (size_t at = 0; at < bytes; at += 256) { /* piece by piece: no second copy of it all */
        uint8_t piece[256];
        size_t n = bytes - at < sizeof piece ? bytes - at : sizeof piece;
        rv = base_hex_decode(piece, n, text + 2 + 2 * at, 2 * n);
        if (rv != BASE_OK) return rv;
        base_buf_append(out, piece, n);
    }
    return out->failed ? BASE_ETOOBIG : BASE_OK;
}

int chain_rpc_reply_base_fee(struct base_u256 *out, const struct chain_rpc_reply *reply,
                             size_t index)
{
    json_t *history;
    int rv = get_object(&history, reply, index);
    if (rv != BASE_OK) return rv;
    const json_t *fees = json_object_get(history, "baseFeePerGas");
    size_t count = json_array_size(fees);
    if (count == 0) return BASE_EMALFORMED;
    const json_t *last = json_array_get(fees, count - 1);
    if (!json_is_string(last)) return BASE_EMALFORMED;
    return parse_u256(out, json_string_value(last), json_string_length(last));
}

/* ---- receipts ---- */

static int parse_log(struct chain_rpc_log *out, const json_t *log)
{
    *out = (struct chain_rpc_log){0};
    const json_t *topics = json_object_get(log, "topics");
    if (!json_is_array(topics) || json_array_size(topics) > CHAIN_RPC_TOPICS_MAX)
        return BASE_EMALFORMED;
    out->topic_count = json_array_size(topics);
    for (size_t i = 0; i < out->topic_count; i++) {
        int rv = parse_fixed(out->topics[i].bytes, sizeof out->topics[i].bytes,
                             json_array_get(topics, i));
        if (rv != BASE_OK) return rv;
    }
    return parse_fixed(out->address.bytes, sizeof out->address.bytes,
                       json_object_get(log, "address"));
}

static int get_array(json_t **out, const struct chain_rpc_reply *reply, size_t index)
{
    int rv = get_result(out, reply, index);
    if (rv != BASE_OK) return rv;
    return json_is_array(*out) ? BASE_OK : BASE_EMALFORMED;
}

int chain_rpc_reply_log_count(size_t *out, const struct chain_rpc_reply *reply, size_t index)
{
    json_t *logs;
    *out = 0;
    int rv = get_array(&logs, reply, index);
    if (rv == BASE_OK) *out = json_array_size(logs);
    return rv;
}

int chain_rpc_reply_log(struct chain_rpc_logged *out, const struct chain_rpc_reply *reply,
                        size_t index, size_t which)
{
    json_t *logs;
    *out = (struct chain_rpc_logged){0};
    int rv = get_array(&logs, reply, index);
    if (rv != BASE_OK) return rv;
    const json_t *log = json_array_get(logs, which);
    const json_t *removed = json_object_get(log, "removed");
    rv = parse_log(&out->log, log);
    if (rv == BASE_OK) rv = member_u64(&out->block_number, log, "blockNumber");
    if (rv == BASE_OK) rv = member_hash(&out->block_hash, log, "blockHash");
    if (rv == BASE_OK) rv = member_hash(&out->tx_hash, log, "transactionHash");
    if (rv == BASE_OK && removed != NULL && !json_is_boolean(removed)) rv = BASE_EMALFORMED;
    out->removed = json_is_true(removed);
    return rv;
}

static int parse_logs(struct chain_rpc_receipt *out, const json_t *logs)
{
    if (!json_is_array(logs)) return BASE_EMALFORMED;
    size_t count = json_array_size(logs);
    out->log_count = count < CHAIN_RPC_LOGS_MAX ? count : CHAIN_RPC_LOGS_MAX;
    for (size_t i = 0; i < out->log_count; i++) {
        int rv = parse_log(&out->logs[i], json_array_get(logs, i));
        if (rv != BASE_OK) return rv;
    }
    return BASE_OK;
}

int chain_rpc_reply_receipt(struct chain_rpc_receipt *out, const struct chain_rpc_reply *reply,
                            size_t index)
{
    json_t *receipt;
    uint64_t status = 0;
    *out = (struct chain_rpc_receipt){0};
    int rv = get_object(&receipt, reply, index);
    if (rv == BASE_OK) rv = member_hash(&out->tx_hash, receipt, "transactionHash");
    if (rv == BASE_OK) rv = member_u64(&status, receipt, "status");
    if (rv == BASE_OK && status > 1) rv = BASE_EMALFORMED;
    if (rv == BASE_OK) rv = member_u64(&out->block_number, receipt, "blockNumber");
    if (rv == BASE_OK) rv = member_hash(&out->block_hash, receipt, "blockHash");
    if (rv == BASE_OK) rv = member_u64(&out->gas_used, receipt, "gasUsed");
    if (rv == BASE_OK) rv = parse_logs(out, json_object_get(receipt, "logs"));
    out->success = rv == BASE_OK && status == 1;
    return rv;
}

static bool is_same_log(const struct chain_rpc_log *a, const struct chain_rpc_log *b)
{
    return base_address_equal(&a->address, &b->address) && a->topic_count == b->topic_count &&
           memcmp(a->topics, b->topics, a->topic_count * sizeof a->topics[0]) == 0;
}

int chain_rpc_reply_receipt_shows(bool *out, const struct chain_rpc_reply *reply, size_t index,
                                  const struct chain_rpc_logged *logged)
{
    struct chain_rpc_receipt receipt;
    json_t *object;
    *out = false;
    int rv = chain_rpc_reply_receipt(&receipt, reply, index);
    if (rv == BASE_ENOTFOUND) return BASE_OK;
    if (rv == BASE_OK) rv = get_object(&object, reply, index);
    if (rv != BASE_OK) return rv;
    if (!receipt.success || receipt.block_number != logged->block_number ||
        !base_hash32_equal(&receipt.tx_hash, &logged->tx_hash) ||
        !base_hash32_equal(&receipt.block_hash, &logged->block_hash))
        return BASE_OK;
    const json_t *logs = json_object_get(object, "logs");
    for (size_t i = 0; i < json_array_size(logs) && !*out; i++) { /* all, not the first ones */
        struct chain_rpc_log log;
        rv = parse_log(&log, json_array_get(logs, i));
        if (rv != BASE_OK) return rv;
        *out = is_same_log(&log, &logged->log);
    }
    return BASE_OK;
}

int chain_rpc_receipt_minted(struct base_u256 *token_id, const struct chain_rpc_receipt *receipt,
                             const struct base_eth_address *contract,
                             const struct base_eth_address *to)
{
    static const char transfer[] = "Transfer(address,address,uint256)";
    struct base_hash32 topic0, to_topic = {0};
    base_keccak256(&topic0, transfer, sizeof transfer - 1);
    memcpy(to_topic.bytes + 12, to->bytes, sizeof to->bytes);
    for (size_t i = 0; i < receipt->log_count; i++) {
        const struct chain_rpc_log *log = &receipt->logs[i];
        if (!base_address_equal(&log->address, contract) || log->topic_count != 4) continue;
        if (!base_hash32_equal(&log->topics[0], &topic0)) continue;
        if (!base_is_zero(log->topics[1].bytes, sizeof log->topics[1].bytes)) continue;
        if (!base_hash32_equal(&log->topics[2], &to_topic)) continue;
        memcpy(token_id->bytes, log->topics[3].bytes, sizeof token_id->bytes);
        return BASE_OK;
    }
    return BASE_ENOTFOUND;
}

/* ---- errors ---- */

static bool says_revert(const char *message)
{
    static const char word[] = "revert";
    for (; *message != '\0'; message++) {
        size_t i = 0;
        while (word[i] != '\0' && (message[i] | 0x20) == word[i])
            i++;
        if (word[i] == '\0') return true;
    }
    return false;
}

bool chain_rpc_error_is_revert(const struct chain_rpc_error *error)
{
    return error->code == 3 || error->code == -32015 || error->has_data ||
           says_revert(error->message);
}

int chain_rpc_reply_error(struct chain_rpc_error *out, const struct chain_rpc_reply *reply,
                          size_t index)
{
    assert(index < reply->count);
    *out = (struct chain_rpc_error){0};
    if (json_object_get(reply->items[index], "result") != NULL) return BASE_ENOTFOUND;
    const json_t *error = json_object_get(reply->items[index], "error");
    const json_t *message = json_object_get(error, "message");
    out->code = json_integer_value(json_object_get(error, "code"));
    copy_printable(out->message, sizeof out->message, json_string_value(message),
                   json_string_length(message));
    const json_t *data = json_object_get(error, "data");
    const char *text = json_string_value(data); /* NULL for an object, which some servers send */
    if (text == NULL || !is_prefixed(text, json_string_length(data))) return BASE_OK;
    out->has_data =
        base_hex_decode_var(out->data, &out->data_len, sizeof out->data, text) == BASE_OK;
    if (!out->has_data) out->data_len = 0;
    return BASE_OK;
}
