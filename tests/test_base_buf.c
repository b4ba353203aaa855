/* Growing bytes: the bound holds to the byte, a failure sticks and spoils nothing, and no text
 * leaves a JSON string. The linker puts our realloc in place of the C library's, so that memory
 * can run out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"

static bool out_of_memory;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_realloc(void *old, size_t size)
{
    return out_of_memory ? NULL : __real_realloc(old, size);
}

static void test_empty_is_terminated(void **state)
{
    struct base_buf buf;
    (void)state;
    base_buf_init(&buf, 10);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.len, 0);
    base_buf_clear(&buf);
    base_buf_append(&buf, NULL, 0);
    assert_false(buf.failed);
    base_buf_deinit(&buf);
    assert_string_equal(buf.data, "");
}

static void test_grows(void **state)
{
    struct base_buf buf;
    (void)state;
    base_buf_init(&buf, 100000);
    for (unsigned i = 0; i < 10000; i++) {
        base_buf_printf(&buf, "%04u", i);
        assert_int_equal(buf.len, 4 * (i + 1));
        assert_int_equal(buf.data[buf.len], '\0');
    }
    assert_memory_equal(buf.data + 4 * 1234, "1234", 4);
    assert_false(buf.failed);
    base_buf_clear(&buf);
    assert_string_equal(buf.data, "");
    base_buf_puts(&buf, "again");
    assert_string_equal(buf.data, "again");
    base_buf_deinit(&buf);
}

/* Exactly max fits; one more does not, and what was there stays as it was. */
static void test_bound(void **state)
{
    char text[301];
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t max = 0; max < sizeof text; max++) {
        struct base_buf buf;
        base_buf_init(&buf, max);
        base_buf_append(&buf, text, max);
        assert_false(buf.failed);
        assert_int_equal(buf.len, max);
        base_buf_append(&buf, "y", 1);
        assert_true(buf.failed);
        assert_int_equal(buf.len, max);
        assert_int_equal(buf.data[max], '\0');
        assert_true(buf.cap <= max + 1); /* no more memory than the bound, either */
        base_buf_append(&buf, "", 0);
        assert_true(buf.failed);
        base_buf_deinit(&buf);
    }
}

static void test_failure_sticks_until_clear(void **state)
{
    struct base_buf buf;
    (void)state;
    base_buf_init(&buf, 4);
    base_buf_puts(&buf, "abc");
    base_buf_puts(&buf, "de");
    assert_true(buf.failed);
    base_buf_puts(&buf, "d"); /* would fit, but the sentence has lost a word */
    base_buf_printf(&buf, "d");
    base_buf_hex(&buf, "", 0);
    base_buf_json_string(&buf, "", 0);
    assert_true(buf.failed);
    assert_string_equal(buf.data, "abc");
    base_buf_clear(&buf);
    base_buf_puts(&buf, "abcd");
    assert_false(buf.failed);
    assert_string_equal(buf.data, "abcd");
    base_buf_deinit(&buf);
}

static void test_each_append_keeps_the_bound(void **state)
{
    struct base_buf buf;
    (void)state;
    base_buf_init(&buf, 5);
    base_buf_printf(&buf, "%d", 123456);
    assert_true(buf.failed);
    assert_string_equal(buf.data, "");
    base_buf_clear(&buf);
    base_buf_hex(&buf, "abc", 3);
    assert_true(buf.failed);
    base_buf_clear(&buf);
    base_buf_hex(&buf, "", SIZE_MAX / 2 + 3); /* twice that is 6 */
    assert_true(buf.failed);
    base_buf_clear(&buf);
    base_buf_append(&buf, "", SIZE_MAX);
    assert_true(buf.failed);
    base_buf_clear(&buf);
    base_buf_json_string(&buf, "abcd", 4);
    assert_true(buf.failed);
    base_buf_clear(&buf);
    base_buf_json_string(&buf, "abc", 3);
    assert_false(buf.failed);
    base_buf_deinit(&buf);
}

static void test_no_memory(void **state)
{
    struct base_buf buf;
    char text[1000];
    (void)state;
    memset(text, 'x', sizeof text);
    base_buf_init(&buf, 10000);
    out_of_memory = true;
    base_buf_puts(&buf, "first");
    out_of_memory = false;
    assert_true(buf.failed);
    assert_string_equal(buf.data, "");
    base_buf_clear(&buf);
    base_buf_puts(&buf, "first");
    out_of_memory = true;
    base_buf_append(&buf, text, sizeof text);
    base_buf_printf(&buf, "%1000d", 1);
    out_of_memory = false;
    assert_true(buf.failed);
    assert_string_equal(buf.data, "first");
    base_buf_deinit(&buf);
}

static void test_hex(void **state)
{
    struct base_buf buf;
    (void)state;
    base_buf_init(&buf, 100);
    base_buf_puts(&buf, "0x");
    base_buf_hex(&buf, "\x00\xfe", 2);
    base_buf_hex(&buf, NULL, 0);
    assert_string_equal(buf.data, "0x00fe");
    base_buf_deinit(&buf);
}

static void test_json_string(void **state)
{
    static const struct {
        const char *text, *want;
        size_t len;
    } cases[] = {
        {"", "\"\"", 0},
        {"plain ~", "\"plain ~\"", 7},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\"", 6},
        {"\n\r\t\x1b[31m", "\"\\u000a\\u000d\\u0009\\u001b[31m\"", 8},
        {"a\0b", "\"a\\u0000b\"", 3},
        {"\x7f", "\"\\u007f\"", 1},
        {"\xc3\xa4", "\"\\u00e4\"", 2},
        {"\xc2\x85", "\"\\u0085\"", 2},     /* a line break to some terminals */
        {"\xe2\x80\xae", "\"\\u202e\"", 3}, /* writing turns around */
        {"\xf0\x9f\x90\x8c", "\"\\ud83d\\udc0c\"", 4},
        {"\xf4\x8f\xbf\xbf", "\"\\udbff\\udfff\"", 4},
        {"\xff", "\"\\ufffd\"", 1},
        {"\xc3", "\"\\ufffd\"", 1},
        {"\xc3(", "\"\\ufffd(\"", 2},
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"", 3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct base_buf buf;
        base_buf_init(&buf, 100);
        base_buf_json_string(&buf, cases[i].text, cases[i].len);
        assert_string_equal(buf.data, cases[i].want);
        base_buf_deinit(&buf);
    }
}

/* Every byte, and every pair with a quote behind it: JSON that says what went in, in ASCII. */
static void test_json_string_reads_back(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[2] = {(char)byte, '"'};
        struct base_buf buf;
        base_buf_init(&buf, 100);
        base_buf_json_string(&buf, text, 2);
        for (size_t i = 0; i < buf.len; i++)
            assert_in_range(buf.data[i], 0x20, 0x7e);
        json_t *back = json_loadb(buf.data, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(back);
        if (byte < 0x80) {
            assert_int_equal(json_string_length(back), 2);
            assert_memory_equal(json_string_value(back), text, 2);
        } else {
            assert_string_equal(json_string_value(back), "\xef\xbf\xbd\"");
        }
        json_decref(back);
        base_buf_deinit(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_is_terminated),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_failure_sticks_until_clear),
        cmocka_unit_test(test_each_append_keeps_the_bound),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_json_string),
        cmocka_unit_test(test_json_string_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
