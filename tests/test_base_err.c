/* Each code has a sentence of its own, and a number that is no code has one too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

#define LAST BASE_EUNSUPPORTED

static void test_each_has_its_own(void **state)
{
    (void)state;
    const char *unknown = base_strerror(LAST - 1);
    for (int a = BASE_OK; a >= LAST; a--) {
        assert_true(strlen(base_strerror(a)) > 0);
        assert_string_not_equal(base_strerror(a), unknown);
        for (int b = a - 1; b >= LAST; b--)
            assert_string_not_equal(base_strerror(a), base_strerror(b));
    }
}

static void test_unknown(void **state)
{
    (void)state;
    assert_non_null(base_strerror(1));
    assert_string_equal(base_strerror(1), base_strerror(INT32_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_its_own),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
