/* UTF-8: the first and the last of each length are read, everything around them refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

static void test_accepted(void **state)
{
    static const struct {
        const char *text;
        uint32_t code;
    } good[] = {
        {"\x01", 1},
        {"\x7f", 0x7f},
        {"\xc2\x80", 0x80},
        {"\xdf\xbf", 0x7ff},
        {"\xe0\xa0\x80", 0x800},
        {"\xed\x9f\xbf", 0xd7ff},
        {"\xee\x80\x80", 0xe000},
        {"\xef\xbf\xbf", 0xffff},
        {"\xf0\x90\x80\x80", 0x10000},
        {"\xf4\x8f\xbf\xbf", 0x10ffff},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const uint8_t *bytes = (const uint8_t *)good[i].text;
        size_t len = strlen(good[i].text);
        uint32_t code = 0;
        assert_int_equal(base_utf8_next(&code, bytes, len), len);
        assert_int_equal(code, good[i].code);
        assert_true(base_utf8_is_valid(bytes, len));
        if (len > 1) { /* cut off */
            assert_int_equal(base_utf8_next(&code, bytes, len - 1), 0);
            assert_int_equal(code, good[i].code);
        }
    }
    uint32_t untouched = 99;
    assert_int_equal(base_utf8_next(&untouched, NULL, 0), 0);
    assert_int_equal(untouched, 99);
    assert_true(base_utf8_is_valid("\0", 1));
    assert_true(base_utf8_is_valid(NULL, 0));
    assert_true(base_utf8_is_valid("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8cz", 11));
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "\x80",             /* continuation without a lead */
        "\xbf",             /* the same */
        "\xc0\x80",         /* overlong NUL */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* first surrogate */
        "\xed\xbf\xbf",     /* last surrogate */
        "\xf4\x90\x80\x80", /* U+110000 */
        "\xf5\x80\x80\x80", /* further beyond */
        "\xf8\x88\x80\x80\x80",
        "\xff",
        "\xc3\x28",     /* lead, then ASCII */
        "\xe2\x82\x28", /* one continuation missing */
        "\xe2\x28\xac",
        "ok\xc3",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(base_utf8_is_valid(bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
