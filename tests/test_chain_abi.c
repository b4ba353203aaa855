#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "chain/abi.h"
#include "chain/contract.h"

/* ---- values of the vector files, written by their Solidity types ---- */

#define URLS_MAX 1000
#define TEXT_MAX 4096

static void put_json(struct chain_abi_writer *w, const char *type, size_t type_len,
                     const json_t *value);

/* One past the end of the first type in a comma-separated list. */
static size_t type_length(const char *list)
{
    size_t depth = 0, n = 0;
    for (; list[n] != '\0' && (depth > 0 || (list[n] != ',' && list[n] != ')')); n++)
        depth += list[n] == '(' ? 1U : list[n] == ')' ? (size_t)-1 : 0;
    return n;
}

static size_t count_types(const char *list)
{
    size_t count = 0;
    while (*list != '\0' && *list != ')') {
        list += type_length(list);
        count++;
        if (*list == ',') list++;
    }
    return count;
}

/* The next value: of an array by index, of an object in the file's order. */
static const json_t *value_at(const json_t *values, size_t index)
{
    if (json_is_array(values)) return json_array_get(values, index);
    void *it = json_object_iter((json_t *)values);
    while (index-- > 0)
        it = json_object_iter_next((json_t *)values, it);
    return json_object_iter_value(it);
}

static void put_list(struct chain_abi_writer *w, const char *types, const json_t *values)
{
    for (size_t i = 0; *types != '\0' && *types != ')'; i++) {
        size_t len = type_length(types);
        put_json(w, types, len, value_at(values, i));
        types += len;
        if (*types == ',') types++;
    }
}

static bool is_type(const char *type, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(type, name, len) == 0;
}

static void put_hex(struct chain_abi_writer *w, const char *type, size_t len, const char *text)
{
    size_t n;
    uint8_t *bytes = json_vectors_decode_new(&n, text);
    if (is_type(type, len, "bytes")) {
        chain_abi_put_bytes(w, bytes, n);
    } else if (is_type(type, len, "bytes32")) {
        struct base_hash32 hash;
        assert_int_equal(n, sizeof hash.bytes);
        memcpy(hash.bytes, bytes, n);
        chain_abi_put_hash32(w, &hash);
    } else {
        fail_msg("a type this test does not know: %.*s", (int)len, type);
    }
    free(bytes);
}

static void put_json(struct chain_abi_writer *w, const char *type, size_t len, const json_t *value)
{
    struct chain_abi_writer child;
    if (type[0] == '(') {
        chain_abi_writer_init(&child, count_types(type + 1));
        put_list(&child, type + 1, value);
        chain_abi_put_tuple(w, &child);
    } else if (is_type(type, len, "string[]")) {
        chain_abi_writer_init(&child, json_array_size(value));
        for (size_t i = 0; i < json_array_size(value); i++)
            put_json(&child, "string", 6, json_array_get(value, i));
        chain_abi_put_array(w, &child, json_array_size(value));
    } else if (is_type(type, len, "string")) {
        chain_abi_put_bytes(w, json_string_value(value), json_string_length(value));
    } else if (is_type(type, len, "bool")) {
        chain_abi_put_bool(w, json_is_true(value));
    } else if (is_type(type, len, "uint256")) {
        struct base_u256 number;
        assert_int_equal(base_u256_parse(&number, json_string_value(value)), BASE_OK);
        chain_abi_put_u256(w, &number);
    } else if (is_type(type, len, "address")) {
        struct base_eth_address address;
        assert_int_equal(base_address_parse(&address, json_string_value(value)), BASE_OK);
        chain_abi_put_address(w, &address);
    } else {
        put_hex(w, type, len, json_string_value(value));
    }
}

static void check_bytes(const struct base_buf *got, const json_t *c, const char *key)
{
    size_t len;
    uint8_t *want = json_vectors_hex_new(&len, c, key);
    assert_false(got->failed);
    assert_int_equal(got->len, len);
    assert_memory_equal(got->data, want, len);
    free(want);
}

/* ---- one test a case ---- */

static void test_selector(void **state)
{
    const json_t *c = *state;
    uint8_t want[4], got[4];
    json_vectors_hex(want, sizeof want, c, "selector");
    chain_abi_selector(got, json_vectors_string(c, "signature"));
    assert_memory_equal(got, want, sizeof want);
}

static void test_topic(void **state)
{
    const json_t *c = *state;
    struct base_hash32 want, got;
    const char *signature = json_vectors_string(c, "signature");
    json_vectors_hex(want.bytes, sizeof want.bytes, c, "topic0");
    base_keccak256(&got, signature, strlen(signature));
    assert_true(base_hash32_equal(&got, &want));
}

static void test_call(void **state)
{
    const json_t *c = *state;
    const char *function = json_vectors_string(c, "function");
    const char *types = strchr(function, '(') + 1;
    struct chain_abi_writer w;
    struct base_buf buf;
    uint8_t selector[4];
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    chain_abi_selector(selector, function);
    base_buf_append(&buf, selector, sizeof selector);
    chain_abi_writer_init(&w, count_types(types));
    put_list(&w, types, json_object_get(c, "args"));
    assert_int_equal(chain_abi_writer_finish(&w, &buf), BASE_OK);
    check_bytes(&buf, c, "calldata");
    base_buf_deinit(&buf);
}

/* Every returned value is read as its type says, and written back to the same bytes. */
static void check_read(struct chain_abi_reader *r, const char *type, size_t len,
                       const json_t *value);

static void check_read_text(struct chain_abi_reader *r, const json_t *value)
{
    struct base_slice text;
    assert_int_equal(chain_abi_get_bytes(r, &text, TEXT_MAX), BASE_OK);
    assert_int_equal(text.len, json_string_length(value));
    assert_memory_equal(text.data, json_string_value(value), text.len);
}

static void check_read_array(struct chain_abi_reader *r, const json_t *value)
{
    struct chain_abi_reader list;
    size_t count;
    assert_int_equal(chain_abi_get_array(r, &list, &count, URLS_MAX), BASE_OK);
    assert_int_equal(count, json_array_size(value));
    for (size_t i = 0; i < count; i++)
        check_read_text(&list, json_array_get(value, i));
    assert_int_equal(chain_abi_leave(r, &list), BASE_OK);
}

static void check_read(struct chain_abi_reader *r, const char *type, size_t len,
                       const json_t *value)
{
    if (is_type(type, len, "string[]")) {
        check_read_array(r, value);
    } else if (is_type(type, len, "string")) {
        check_read_text(r, value);
    } else if (is_type(type, len, "bytes")) {
        struct base_slice bytes;
        size_t n;
        uint8_t *want = json_vectors_decode_new(&n, json_string_value(value));
        assert_int_equal(chain_abi_get_bytes(r, &bytes, TEXT_MAX), BASE_OK);
        assert_int_equal(bytes.len, n);
        if (n > 0) assert_memory_equal(bytes.data, want, n);
        free(want);
    } else if (is_type(type, len, "bool")) {
        bool got;
        assert_int_equal(chain_abi_get_bool(r, &got), BASE_OK);
        assert_int_equal(got, json_is_true(value));
    } else if (is_type(type, len, "uint256")) {
        struct base_u256 want, got;
        assert_int_equal(base_u256_parse(&want, json_string_value(value)), BASE_OK);
        assert_int_equal(chain_abi_get_u256(r, &got), BASE_OK);
        assert_true(base_u256_equal(&got, &want));
    } else {
        struct base_eth_address want, got;
        assert_true(is_type(type, len, "address"));
        assert_int_equal(base_address_parse(&want, json_string_value(value)), BASE_OK);
        assert_int_equal(chain_abi_get_address(r, &got), BASE_OK);
        assert_true(base_address_equal(&got, &want));
    }
}

static void test_return(void **state)
{
    const json_t *c = *state;
    const char *types = json_vectors_string(c, "returns");
    const json_t *values = json_object_get(c, "values");
    struct chain_abi_reader r;
    struct chain_abi_writer w;
    struct base_buf buf;
    size_t len, count = count_types(types);
    uint8_t *data = json_vectors_hex_new(&len, c, "returndata");
    chain_abi_reader_init(&r, data, len, count);
    for (size_t i = 0; i < count; i++) {
        size_t type_len = type_length(types);
        check_read(&r, types, type_len, json_array_get(values, i));
        types += type_len + (types[type_len] == ',' ? 1 : 0);
    }
    assert_int_equal(chain_abi_reader_end(&r), BASE_OK);
    free(data);
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    chain_abi_writer_init(&w, count);
    put_list(&w, json_vectors_string(c, "returns"), values);
    assert_int_equal(chain_abi_writer_finish(&w, &buf), BASE_OK);
    check_bytes(&buf, c, "returndata");
    base_buf_deinit(&buf);
}

static int read_urls(const uint8_t *data, size_t len)
{
    struct chain_abi_reader r, list;
    struct base_slice url;
    size_t count;
    chain_abi_reader_init(&r, data, len, 1);
    chain_abi_get_array(&r, &list, &count, URLS_MAX);
    for (size_t i = 0; i < count; i++)
        chain_abi_get_bytes(&list, &url, TEXT_MAX);
    chain_abi_leave(&r, &list);
    return chain_abi_reader_end(&r);
}

static void test_malformed_return(void **state)
{
    const json_t *c = *state;
    size_t len;
    uint8_t *data = json_vectors_hex_new(&len, c, "data");
    int rv = read_urls(data, len);
    free(data);
    assert_true(rv == BASE_EMALFORMED || rv == BASE_ETOOBIG);
}

/* The same string by an offset back to the first element's tail: refused, like amplification. */
static void test_shared_tail_is_refused(void **state)
{
    (void)state;
    struct base_buf buf;
    struct chain_abi_writer w, list;
    base_buf_init(&buf, 1024);
    chain_abi_writer_init(&w, 1);
    chain_abi_writer_init(&list, 2);
    chain_abi_put_bytes(&list, "a", 1);
    chain_abi_put_bytes(&list, "b", 1);
    chain_abi_put_array(&w, &list, 2);
    assert_int_equal(chain_abi_writer_finish(&w, &buf), BASE_OK);
    uint8_t *data = (uint8_t *)buf.data;
    assert_int_equal(read_urls(data, buf.len), BASE_OK);
    data[3 * 32 + 31] = data[2 * 32 + 31];
    assert_int_equal(read_urls(data, buf.len), BASE_EMALFORMED);
    base_buf_deinit(&buf);
}

static void test_dirty_padding_is_refused(void **state)
{
    (void)state;
    uint8_t word[32] = {0};
    struct chain_abi_reader r;
    struct base_eth_address address;
    uint64_t u64;
    uint32_t u32;
    bool flag;
    word[11] = 1; /* just before an address */
    chain_abi_reader_init(&r, word, sizeof word, 1);
    assert_int_equal(chain_abi_get_address(&r, &address), BASE_EMALFORMED);
    chain_abi_reader_init(&r, word, sizeof word, 1);
    assert_int_equal(chain_abi_get_bytes20(&r, &address), BASE_OK);
    word[11] = 0;
    word[20] = 1; /* just behind a bytes20 */
    chain_abi_reader_init(&r, word, sizeof word, 1);
    assert_int_equal(chain_abi_get_bytes20(&r, &address), BASE_EMALFORMED);
    word[20] = 0;
    word[23] = 1;
    chain_abi_reader_init(&r, word, sizeof word, 1);
    assert_int_equal(chain_abi_get_u64(&r, &u64), BASE_EMALFORMED);
    assert_int_equal(u64, 0);
    word[23] = 0;
    word[27] = 1;
    chain_abi_reader_init(&r, word, sizeof word, 1);
    assert_int_equal(chain_abi_get_u32(&r, &u32), BASE_EMALFORMED);
    chain_abi_reader_init(&r, word, sizeof word, 1);
    assert_int_equal(chain_abi_get_u64(&r, &u64), BASE_OK);
    word[27] = 0;
    word[31] = 2;
    chain_abi_reader_init(&r, word, sizeof word, 1);
    assert_int_equal(chain_abi_get_bool(&r, &flag), BASE_EMALFORMED);
}

static void test_dirty_string_padding_is_refused(void **state)
{
    (void)state;
    struct base_buf buf;
    struct chain_abi_writer w;
    struct chain_abi_reader r;
    struct base_slice text;
    base_buf_init(&buf, 1024);
    chain_abi_writer_init(&w, 1);
    chain_abi_put_bytes(&w, "abc", 3);
    assert_int_equal(chain_abi_writer_finish(&w, &buf), BASE_OK);
    buf.data[buf.len - 1] = 1;
    chain_abi_reader_init(&r, buf.data, buf.len, 1);
    assert_int_equal(chain_abi_get_bytes(&r, &text, 3), BASE_EMALFORMED);
    buf.data[buf.len - 1] = 0;
    chain_abi_reader_init(&r, buf.data, buf.len, 1);
    assert_int_equal(chain_abi_get_bytes(&r, &text, 2), BASE_ETOOBIG);
    chain_abi_reader_init(&r, buf.data, buf.len, 1);
    assert_int_equal(chain_abi_get_bytes(&r, &text, 3), BASE_OK);
    assert_int_equal(chain_abi_reader_end(&r), BASE_OK);
    base_buf_append(&buf, "", 1);
    chain_abi_reader_init(&r, buf.data, buf.len, 1);
    assert_int_equal(chain_abi_get_bytes(&r, &text, 3), BASE_OK);
    assert_int_equal(chain_abi_reader_end(&r), BASE_EMALFORMED); /* a byte left over */
    base_buf_deinit(&buf);
}

static void test_writer_remembers_that_it_ran_out(void **state)
{
    (void)state;
    static const uint8_t block[4096];
    struct base_buf buf;
    struct chain_abi_writer w;
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    chain_abi_writer_init(&w, 20);
    for (int i = 0; i < 20; i++)
        chain_abi_put_bytes(&w, block, sizeof block);
    assert_int_equal(chain_abi_writer_finish(&w, &buf), BASE_ETOOBIG);
    assert_true(buf.failed);
    base_buf_deinit(&buf);
}

/* ---- reverts ---- */

static void test_revert_string(void **state)
{
    const json_t *reverts = *state;
    struct chain_abi_revert revert;
    size_t len;
    uint8_t *data = json_vectors_hex_new(&len, reverts, "error_string");
    chain_abi_revert_decode(&revert, data, len, NULL, 0);
    assert_int_equal(revert.kind, CHAIN_ABI_REVERT_STRING);
    assert_string_equal(revert.text, json_vectors_string(reverts, "error_string_value"));
    chain_abi_revert_decode(&revert, data, len - 1, NULL, 0);
    assert_int_equal(revert.kind, CHAIN_ABI_REVERT_UNKNOWN);
    data[4 + 64] = '\n'; /* a contract's text cannot break a line */
    chain_abi_revert_decode(&revert, data, len, NULL, 0);
    assert_int_equal(revert.kind, CHAIN_ABI_REVERT_STRING);
    assert_int_equal(revert.text[0], '?');
    free(data);
}

static void test_revert_panic(void **state)
{
    const json_t *reverts = *state;
    struct chain_abi_revert revert;
    size_t len;
    uint8_t *data = json_vectors_hex_new(&len, reverts, "panic");
    chain_abi_revert_decode(&revert, data, len, NULL, 0);
    assert_int_equal(revert.kind, CHAIN_ABI_REVERT_PANIC);
    assert_int_equal(revert.panic_code, json_vectors_u64(reverts, "panic_code"));
    assert_string_equal(revert.text, "panic 0x11: arithmetic overflow");
    free(data);
}

static void test_revert_custom(void **state)
{
    const json_t *c = *state;
    struct chain_abi_revert revert;
    uint8_t data[4];
    json_vectors_hex(data, sizeof data, c, "selector");
    chain_abi_revert_decode(&revert, data, sizeof data, chain_contract_errors,
                            chain_contract_error_count);
    assert_int_equal(revert.kind, CHAIN_ABI_REVERT_CUSTOM);
    assert_string_equal(revert.custom, json_vectors_string(c, "signature"));
}

static void test_revert_of_nothing_and_of_noise(void **state)
{
    (void)state;
    struct chain_abi_revert revert;
    static const uint8_t noise[40] = {0xde, 0xad, 0xbe, 0xef};
    chain_abi_revert_decode(&revert, NULL, 0, NULL, 0);
    assert_int_equal(revert.kind, CHAIN_ABI_REVERT_EMPTY);
    for (size_t len = 1; len <= sizeof noise; len++) {
        chain_abi_revert_decode(&revert, noise, len, chain_contract_errors,
                                chain_contract_error_count);
        assert_int_equal(revert.kind, CHAIN_ABI_REVERT_UNKNOWN);
        assert_string_not_equal(revert.text, "");
    }
}

static void add_each(struct json_vectors_tests *tests, CMUnitTestFunction function,
                     const json_t *root, const char *key, const char *name_key)
{
    const json_t *list = json_vectors_array(root, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *c = json_array_get(list, i);
        json_vectors_add(tests, function, c, "%s %zu: %s", key, i,
                         json_vectors_string(c, name_key));
    }
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *abi = json_vectors_load("abi.json"), *events = json_vectors_load("events.json");
    const json_t *reverts = json_vectors_object(abi, "reverts");
    add_each(&tests, test_selector, abi, "selectors_seed", "signature");
    add_each(&tests, test_selector, abi, "selectors_dstack", "signature");
    add_each(&tests, test_topic, events, "topics_seed", "signature");
    add_each(&tests, test_topic, events, "topics_dstack", "signature");
    add_each(&tests, test_call, abi, "calls", "function");
    add_each(&tests, test_return, abi, "returns", "function");
    add_each(&tests, test_malformed_return, abi, "malformed_getPeerEndpoints_returndata", "name");
    add_each(&tests, test_revert_custom, reverts, "custom_errors", "signature");
    json_vectors_add(&tests, test_revert_string, reverts, "revert: string");
    json_vectors_add(&tests, test_revert_panic, reverts, "revert: panic");
    json_vectors_add(&tests, test_revert_of_nothing_and_of_noise, NULL, "revert: noise");
    json_vectors_add(&tests, test_shared_tail_is_refused, NULL, "shared tail");
    json_vectors_add(&tests, test_dirty_padding_is_refused, NULL, "dirty padding");
    json_vectors_add(&tests, test_dirty_string_padding_is_refused, NULL, "dirty string padding");
    json_vectors_add(&tests, test_writer_remembers_that_it_ran_out, NULL, "writer runs out");
    int failed = json_vectors_run(&tests, "chain_abi", NULL);
    json_decref(abi);
    json_decref(events);
    return failed;
}
