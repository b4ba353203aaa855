/* JSON from outside: what is refused, where, and that the reason never quotes the sender. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"

#define BYTES_MAX 4096

static json_t *parse(const char *text)
{
    json_t *out = NULL;
    char why[BASE_JSON_WHY_BYTES] = "";
    if (base_json_parse(&out, text, strlen(text), BYTES_MAX, why) != BASE_OK)
        fail_msg("%s: %s", text, why);
    assert_non_null(out);
    return out;
}

static void test_accepted(void **state)
{
    static const char *const good[] = {
        "{}",
        "[]",
        " \r\n\t{ } ",
        "[null,true,false,-1,1.5,1e3,\"\"]",
        "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}", /* a key again, but elsewhere */
        "[9223372036854775807,-9223372036854775808]",
        "[\"\\u00e4\\ud83d\\udc0c\\n\xc3\xa4\"]",
        "{\"\":1}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        json_decref(parse(good[i]));
}

struct refused {
    const char *text, *why;
};

static void test_refused(void **state)
{
    static const struct refused bad[] = {
        {"", "premature end"},
        {" ", "premature end"},
        {"1", "invalid syntax"}, /* a value, but neither object nor array */
        {"\"text\"", "invalid syntax"},
        {"null", "invalid syntax"},
        {"{", "premature end"},
        {"[1,2", "premature end"},
        {"{\"a\":1", "premature end"},
        {"[\"abc", "premature end"},
        {"[\"abc\\\"]", "premature end"},
        {"{}{}", "something after the value"},
        {"{} x", "something after the value"},
        {"[1]]", "something after the value"},
        {"{\"a\":1,\"a\":1}", "a duplicate key"},
        {"{\"a\":1,\"b\":2,\"\\u0061\":3}", "a duplicate key"},
        {"[{\"a\":{\"b\":1,\"b\":2}}]", "a duplicate key"},
        {"[\"\\u0000\"]", "a NUL character"},
        {"{\"\\u0000\":1}", "a NUL character"},
        {"[\"\xff\"]", "invalid UTF-8"},
        {"[\"\xed\xa0\x80\"]", "invalid UTF-8"},
        {"[\"\xc0\x80\"]", "invalid UTF-8"},
        {"[\"\\ud800\"]", "invalid syntax"},
        {"[\"\\udc00\\ud800\"]", "invalid syntax"},
        {"[\"a\nb\"]", "invalid syntax"},
        {"[9223372036854775808]", "a number out of range"},
        {"[1e999]", "a number out of range"},
        {"[01]", "invalid syntax"},
        {"[+1]", "invalid syntax"},
        {"[.5]", "invalid syntax"},
        {"[0x10]", "invalid syntax"},
        {"[NaN]", "invalid syntax"},
        {"[Infinity]", "invalid syntax"},
        {"[1,]", "invalid syntax"},
        {"{\"a\":1,}", "invalid syntax"},
        {"{a:1}", "invalid syntax"},
        {"['a']", "invalid syntax"},
        {"[1 2]", "invalid syntax"},
        {"{\"a\" 1}", "invalid syntax"},
        {"[}", "invalid syntax"},
        {"// no\n{}", "invalid syntax"},
        {"\xef\xbb\xbf{}", "invalid syntax"}, /* a byte-order mark */
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *untouched = NULL;
        char why[BASE_JSON_WHY_BYTES];
        const char *text = bad[i].text;
        assert_int_equal(base_json_parse(&untouched, text, strlen(text), BYTES_MAX, why),
                         BASE_EMALFORMED);
        assert_null(untouched);
        if (strncmp(why, bad[i].why, strlen(bad[i].why)) != 0) fail_msg("%s: %s", text, why);
        assert_non_null(strstr(why, " at byte "));
        assert_int_equal(base_json_parse(&untouched, text, strlen(text), BYTES_MAX, NULL),
                         BASE_EMALFORMED);
    }
}

/* The bytes are counted, not the text: a NUL in between does not end it. */
static void test_raw_nul_refused(void **state)
{
    static const char *const bad[] = {"{}\0", "[\"a\0b\"]", "[\0]"};
    static const size_t lens[] = {3, 7, 3};
    json_t *out;
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(base_json_parse(&out, bad[i], lens[i], BYTES_MAX, NULL), BASE_EMALFORMED);
    assert_int_equal(base_json_parse(&out, NULL, 0, BYTES_MAX, NULL), BASE_EMALFORMED);
}

static void test_too_many_bytes(void **state)
{
    json_t *out;
    char why[BASE_JSON_WHY_BYTES];
    (void)state;
    assert_int_equal(base_json_parse(&out, "[1]", 3, 3, why), BASE_OK);
    json_decref(out);
    assert_int_equal(base_json_parse(&out, "[1]", 3, 2, why), BASE_ETOOBIG);
    assert_string_equal(why, "too many bytes at byte 2");
    assert_int_equal(base_json_parse(&out, "[]", 2, 0, NULL), BASE_ETOOBIG);
}

static size_t nested(char *text, size_t depth, const char *open, const char *close)
{
    text[0] = '\0';
    for (size_t i = 0; i < depth; i++)
        strcat(text, open);
    strcat(text, "1");
    for (size_t i = 0; i < depth; i++)
        strcat(text, close);
    return strlen(text);
}

static void test_depth(void **state)
{
    static const char *const pairs[][2] = {{"[", "]"}, {"{\"a\":", "}"}, {"[[", "]]"}};
    static const size_t per_pair[] = {1, 1, 2};
    json_t *out;
    char text[1000], why[BASE_JSON_WHY_BYTES];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t most = BASE_JSON_DEPTH_MAX / per_pair[i];
        size_t len = nested(text, most, pairs[i][0], pairs[i][1]);
        assert_int_equal(base_json_parse(&out, text, len, BYTES_MAX, why), BASE_OK);
        json_decref(out);
        len = nested(text, most + 1, pairs[i][0], pairs[i][1]);
        assert_int_equal(base_json_parse(&out, text, len, BYTES_MAX, why), BASE_ETOOBIG);
        assert_memory_equal(why, "nested too deeply at byte ", 26);
    }
}

/* Brackets in strings are text, behind an escaped quote too; closing ones give nothing back. */
static void test_depth_knows_strings(void **state)
{
    char text[400];
    json_t *out;
    (void)state;
    strcpy(text, "[\"\\\"\\\\\\\"");
    for (size_t i = 0; i < 100; i++)
        strcat(text, "[{");
    strcat(text, "\"]");
    json_decref(parse(text));
    strcpy(text, "[\"\\\"");
    for (size_t i = 0; i < 100; i++)
        strcat(text, "[{");
    strcat(text, "\"]");
    json_decref(parse(text));
    strcpy(text, "[\"\\\\\",");
    for (size_t i = 0; i < 100; i++)
        strcat(text, "[");
    assert_int_equal(base_json_parse(&out, text, strlen(text), BYTES_MAX, NULL), BASE_ETOOBIG);
    strcpy(text, "]]]]]]]]]]");
    for (size_t i = 0; i < BASE_JSON_DEPTH_MAX + 1; i++)
        strcat(text, "[");
    assert_int_equal(base_json_parse(&out, text, strlen(text), BYTES_MAX, NULL), BASE_ETOOBIG);
}

/* A megabyte of open brackets is refused before the parser sees any of them. */
static size_t allocations;

static void *counting_malloc(size_t size)
{
    allocations++;
    return malloc(size);
}

static size_t allocations_left;

static void *failing_malloc(size_t size)
{
    return allocations_left == 0 ? NULL : (allocations_left--, malloc(size));
}

static void test_depth_allocates_nothing(void **state)
{
    size_t len = (size_t)1 << 20;
    char *text = malloc(len);
    json_t *out;
    (void)state;
    assert_non_null(text);
    memset(text, '[', len);
    allocations = 0;
    json_set_alloc_funcs(counting_malloc, free);
    assert_int_equal(base_json_parse(&out, text, len, len, NULL), BASE_ETOOBIG);
    assert_int_equal(allocations, 0);
    json_set_alloc_funcs(malloc, free);
    free(text);
}

/* The nth allocation fails, for each n: never a value, never a leak. */
static void test_no_memory(void **state)
{
    static const char text[] = "{\"a\":[1,\"b\"]}";
    json_t *out = NULL;
    size_t n = 0, told = 0;
    int rv = BASE_ENOMEM;
    (void)state;
    while (rv != BASE_OK) {
        char why[BASE_JSON_WHY_BYTES];
        allocations_left = n;
        json_set_alloc_funcs(failing_malloc, free);
        rv = base_json_parse(&out, text, strlen(text), BYTES_MAX, why);
        json_set_alloc_funcs(malloc, free);
        assert_int_equal(rv == BASE_OK, out != NULL);
        if (rv == BASE_ENOMEM) told++;
        if (rv != BASE_OK && rv != BASE_ENOMEM) assert_int_equal(rv, BASE_EMALFORMED);
        if (n == 0) assert_int_equal(rv, BASE_ENOMEM);
        if (rv == BASE_ENOMEM) assert_memory_equal(why, "out of memory at byte ", 22);
        n++;
        assert_true(n < 100);
    }
    json_decref(out);
    assert_true(told > n / 2);
}

/* A sender cannot speak through our log. */
static void test_why_is_ours(void **state)
{
    static const char text[] = "[\"\x1b[31m\n";
    static const char word[] = "[evil_word]";
    json_t *out;
    char why[BASE_JSON_WHY_BYTES];
    (void)state;
    assert_int_equal(base_json_parse(&out, text, strlen(text), BYTES_MAX, why), BASE_EMALFORMED);
    for (size_t i = 0; why[i] != '\0'; i++)
        assert_in_range(why[i], 0x20, 0x7e);
    assert_int_equal(base_json_parse(&out, word, strlen(word), BYTES_MAX, why), BASE_EMALFORMED);
    assert_null(strstr(why, "evil"));
}

static void test_get_string(void **state)
{
    json_t *obj = parse("{\"s\":\"abc\",\"n\":1,\"z\":null}");
    const char *text = NULL;
    size_t len = 0;
    (void)state;
    assert_int_equal(base_json_get_string(&text, &len, obj, "s"), BASE_OK);
    assert_string_equal(text, "abc");
    assert_int_equal(len, 3);
    assert_int_equal(base_json_get_string(&text, NULL, obj, "s"), BASE_OK);
    assert_int_equal(base_json_get_string(&text, &len, obj, "S"), BASE_ENOTFOUND);
    assert_int_equal(base_json_get_string(&text, &len, obj, "n"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_string(&text, &len, obj, "z"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_string(&text, &len, NULL, "s"), BASE_EMALFORMED);
    json_decref(obj);
    obj = parse("[\"s\"]");
    assert_int_equal(base_json_get_string(&text, &len, obj, "s"), BASE_EMALFORMED);
    json_decref(obj);
}

static void test_get_u256(void **state)
{
    (void)state;
    char why[BASE_JSON_WHY_BYTES];
    static const char text[] = "{\"a\":7,\"b\":\"7\",\"c\":\"0x7\",\"d\":-7,\"e\":7.0,\"f\":\"-7\","
                               "\"g\":\"18446744073709551616\",\"h\":[7]}";
    struct base_u256 value, seven = base_u256_from_u64(7);
    json_t *obj;
    assert_int_equal(base_json_parse(&obj, text, sizeof text - 1, 4096, why), BASE_OK);
    for (const char *key = "abc"; *key != '\0'; key++) {
        assert_int_equal(base_json_get_u256(&value, obj, (char[]){*key, '\0'}), BASE_OK);
        assert_true(base_u256_equal(&value, &seven));
    }
    assert_int_equal(base_json_get_u256(&value, obj, "d"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_u256(&value, obj, "e"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_u256(&value, obj, "f"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_u256(&value, obj, "g"), BASE_OK);
    assert_int_equal(value.bytes[23], 1); /* 2^64 */
    assert_int_equal(base_json_get_u256(&value, obj, "h"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_u256(&value, obj, "i"), BASE_ENOTFOUND);
    json_decref(obj);
}

static void test_get_u64(void **state)
{
    json_t *obj = parse("{\"a\":0,\"b\":9223372036854775807,\"c\":-1,\"d\":1.0,\"e\":\"1\","
                        "\"f\":true}");
    uint64_t value = 99;
    (void)state;
    assert_int_equal(base_json_get_u64(&value, obj, "a"), BASE_OK);
    assert_int_equal(value, 0);
    assert_int_equal(base_json_get_u64(&value, obj, "b"), BASE_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(base_json_get_u64(&value, obj, "c"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_u64(&value, obj, "d"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_u64(&value, obj, "e"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_u64(&value, obj, "f"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_u64(&value, obj, "g"), BASE_ENOTFOUND);
    assert_true(value == INT64_MAX);
    json_decref(obj);
}

static void test_get_bool(void **state)
{
    json_t *obj = parse("{\"t\":true,\"f\":false,\"n\":0,\"s\":\"true\",\"z\":null}");
    bool value = false;
    (void)state;
    assert_int_equal(base_json_get_bool(&value, obj, "t"), BASE_OK);
    assert_true(value);
    assert_int_equal(base_json_get_bool(&value, obj, "f"), BASE_OK);
    assert_false(value);
    assert_int_equal(base_json_get_bool(&value, obj, "n"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_bool(&value, obj, "s"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_bool(&value, obj, "z"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_bool(&value, obj, "x"), BASE_ENOTFOUND);
    json_decref(obj);
}

static void test_get_hex(void **state)
{
    static const uint8_t want[2] = {0xab, 0xcd};
    json_t *obj = parse("{\"a\":\"0xabcd\",\"b\":\"ABcd\",\"c\":\"0xabc\",\"d\":\"abcdef\","
                        "\"e\":\"\",\"f\":\"abcg\",\"g\":43981}");
    uint8_t got[2];
    (void)state;
    assert_int_equal(base_json_get_hex(got, 2, obj, "a"), BASE_OK);
    assert_memory_equal(got, want, 2);
    assert_int_equal(base_json_get_hex(got, 2, obj, "b"), BASE_OK);
    assert_memory_equal(got, want, 2);
    assert_int_equal(base_json_get_hex(got, 2, obj, "c"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_hex(got, 2, obj, "d"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_hex(got, 2, obj, "e"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_hex(got, 2, obj, "f"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_hex(got, 2, obj, "g"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_hex(got, 2, obj, "x"), BASE_ENOTFOUND);
    json_decref(obj);
}

static void test_get_quantity(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0x0", 0},    {"0x1", 1},   {"0xff", 255},
        {"0xFf", 255}, {"0x41", 65}, {"0xffffffffffffffff", UINT64_MAX},
    };
    static const char *const bad[] = {"",
                                      "0",
                                      "1",
                                      "0x",
                                      "0x00",
                                      "0x01",
                                      "0X1",
                                      "ff",
                                      "0xg",
                                      "0x 1",
                                      "0x-1",
                                      "0x1 ",
                                      " 0x1",
                                      "x1",
                                      "0x0x",
                                      "0x1.0",
                                      "0x10000000000000000"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        json_t *obj = json_pack("{s:s}", "q", good[i].text);
        uint64_t value = 99;
        assert_int_equal(base_json_get_quantity(&value, obj, "q"), BASE_OK);
        assert_true(value == good[i].value);
        json_decref(obj);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *obj = json_pack("{s:s}", "q", bad[i]);
        uint64_t value = 99;
        assert_int_equal(base_json_get_quantity(&value, obj, "q"), BASE_EMALFORMED);
        assert_int_equal(value, 99);
        json_decref(obj);
    }
    json_t *obj = parse("{\"n\":1}");
    uint64_t value;
    assert_int_equal(base_json_get_quantity(&value, obj, "n"), BASE_EMALFORMED);
    assert_int_equal(base_json_get_quantity(&value, obj, "q"), BASE_ENOTFOUND);
    json_decref(obj);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_raw_nul_refused),
        cmocka_unit_test(test_too_many_bytes),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_knows_strings),
        cmocka_unit_test(test_depth_allocates_nothing),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_why_is_ours),
        cmocka_unit_test(test_get_string),
        cmocka_unit_test(test_get_u64),
        cmocka_unit_test(test_get_u256),
        cmocka_unit_test(test_get_bool),
        cmocka_unit_test(test_get_hex),
        cmocka_unit_test(test_get_quantity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
