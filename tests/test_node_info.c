/* Whom a seat's address may be asked for, and what of the answer is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "node/info.h"

static const char *url_of(const char *text, size_t len)
{
    static char out[NODE_INFO_URL_BYTES];
    struct chain_seat seat = {.url_len = len};
    memcpy(seat.url, text, len);
    return node_info_url(out, &seat) ? out : "none";
}

static void test_only_http_is_asked(void **state)
{
    char longest[CHAIN_URL_BYTES_MAX + 1] = "https://h/";
    (void)state;
    assert_string_equal(url_of("http://h:1", 10), "http://h:1/info");
    assert_string_equal(url_of("https://h/a/", 12), "https://h/a/info");
    assert_string_equal(url_of("", 0), "none");
    assert_string_equal(url_of("tcp://h:1", 9), "none");
    assert_string_equal(url_of("mesh://h:1", 10), "none");
    assert_string_equal(url_of("file:///etc", 11), "none");
    assert_string_equal(url_of("http://h\0/a", 11), "none");
    memset(longest + 10, 'a', CHAIN_URL_BYTES_MAX - 10);
    assert_int_equal(strlen(url_of(longest, CHAIN_URL_BYTES_MAX)), CHAIN_URL_BYTES_MAX + 5);
}

static void answer(struct base_buf *out, const struct node_bundle *bundle, const char *more)
{
    uint8_t bytes[NODE_BUNDLE_BYTES_MAX];
    size_t len = node_bundle_encode(bytes, bundle);
    base_buf_init(out, NODE_INFO_BYTES_MAX);
    base_buf_puts(out, "{\"instance_id\":\"x\",\"bundle\":\"");
    base_buf_hex(out, bytes, len);
    base_buf_puts(out, more);
    base_buf_puts(out, "\"}");
    assert_false(out->failed);
}

static void test_the_bundle_is_taken_whole(void **state)
{
    struct node_bundle bundle = {.issued_block = 7, .not_after = 9}, got;
    struct base_buf text;
    char why[NODE_INFO_WHY_BYTES];
    (void)state;
    for (int revokes = 0; revokes < 2; revokes++) {
        bundle.revokes = revokes != 0;
        answer(&text, &bundle, "");
        assert_int_equal(node_info_bundle(&got, text.data, text.len, why), BASE_OK);
        assert_true(node_bundle_equal(&got, &bundle));
        base_buf_deinit(&text);
        answer(&text, &bundle, "00");
        assert_int_equal(node_info_bundle(&got, text.data, text.len, why), BASE_EMALFORMED);
        base_buf_deinit(&text);
    }
}

static void refused(const char *text, int rv, const char *word)
{
    struct node_bundle got;
    char why[NODE_INFO_WHY_BYTES] = "";
    assert_int_equal(node_info_bundle(&got, text, strlen(text), why), rv);
    if (strstr(why, word) == NULL) fail_msg("no '%s' in: %s", word, why);
}

static void test_what_is_no_answer_is_said(void **state)
{
    (void)state;
    refused("", BASE_EMALFORMED, "no JSON object");
    refused("<html>", BASE_EMALFORMED, "no JSON object");
    refused("[]", BASE_EMALFORMED, "no JSON object");
    refused("\"bundle\"", BASE_EMALFORMED, "no JSON object");
    refused("{}", BASE_ENOTFOUND, "no bundle");
    refused("{\"Bundle\":\"01\"}", BASE_ENOTFOUND, "no bundle");
    refused("{\"bundle\":null}", BASE_EMALFORMED, "in hex");
    refused("{\"bundle\":\"\"}", BASE_EMALFORMED, "in hex");
    refused("{\"bundle\":\"0101\"}", BASE_EMALFORMED, "in hex");
    refused("{\"bundle\":{}}", BASE_EMALFORMED, "in hex");
}

static void test_too_much_is_refused(void **state)
{
    struct node_bundle bundle = {.issued_block = 7}, got;
    struct base_buf text;
    char why[NODE_INFO_WHY_BYTES];
    char *big;
    (void)state;
    answer(&text, &bundle, "");
    big = malloc(NODE_INFO_BYTES_MAX + 1);
    assert_non_null(big);
    memset(big, ' ', NODE_INFO_BYTES_MAX + 1);
    memcpy(big, text.data, text.len);
    assert_int_equal(node_info_bundle(&got, big, NODE_INFO_BYTES_MAX, why), BASE_OK);
    assert_int_equal(node_info_bundle(&got, big, NODE_INFO_BYTES_MAX + 1, why), BASE_ETOOBIG);
    free(big);
    base_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_http_is_asked),
        cmocka_unit_test(test_the_bundle_is_taken_whole),
        cmocka_unit_test(test_what_is_no_answer_is_said),
        cmocka_unit_test(test_too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
