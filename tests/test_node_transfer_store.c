/* Which tokens moved, over a restart: what is saved is loaded, and nothing else is taken for it. */
#include "node/transfer_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

#define HASH "abababababababababababababababababababababababababababababababab"
#define HEAD "nftmesh-transfers 1\ncovered 5 10 " HASH "\n"

static void test_there_and_back(void **state)
{
    static const char text[] = HEAD "1 10\n1 7\n2 5\n";
    struct chain_transfers t;
    struct base_buf out;
    (void)state;
    assert_int_equal(node_transfers_decode(&t, text, strlen(text)), BASE_OK);
    assert_int_equal(t.from_block, 5);
    assert_int_equal(t.to_block, 10);
    assert_int_equal(t.to_hash.bytes[31], 0xab);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.items[1].token, 1);
    assert_int_equal(t.items[1].block, 7);
    base_buf_init(&out, 4096);
    node_transfers_encode(&out, &t);
    assert_string_equal(out.data, text);
    base_buf_deinit(&out);
    chain_transfers_free(&t);
}

static void test_what_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "nftmesh-transfers 2\ncovered 5 10 " HASH "\n",
        "nftmesh-transfers 1\ncovered 11 10 " HASH "\n",
        "nftmesh-transfers 1\ncovered 05 10 " HASH "\n",
        "nftmesh-transfers 1\ncovered 5 99999999999999999999 " HASH "\n",
        HEAD "1 4\n",          /* not covered */
        HEAD "1 11\n",         /* nor that */
        HEAD "1 6\n1 7\n",     /* the newest first */
        HEAD "2 6\n1 6\n",     /* by token */
        HEAD "1 6\n1 6\n",     /* twice */
        HEAD "1 6",            /* cut off */
        HEAD "4294967297 6\n", /* no token of ours */
        HEAD "1  6\n",
        HEAD "\n",
    };
    struct chain_transfers t;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(node_transfers_decode(&t, bad[i], strlen(bad[i])), BASE_EMALFORMED);
        assert_int_equal(t.count, 0);
        assert_null(t.items);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
