/* Which keys have had a log of votes in a data directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/err.h"
#include "node/voter_store.h"

struct place {
    char dir[64], file[96];
    struct node_store *store;
    char why[NODE_STORE_WHY_BYTES];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->dir, "/tmp/nftmesh-voters-XXXXXX");
    if (base_aead_init() != BASE_OK || mkdtemp(p->dir) == NULL) return -1;
    snprintf(p->file, sizeof p->file, "%s/voters", p->dir);
    assert_int_equal(node_store_open(&p->store, p->dir, p->why), BASE_OK);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char lock[96];
    snprintf(lock, sizeof lock, "%s/lock", p->dir);
    node_store_close(p->store);
    unlink(p->file);
    unlink(lock);
    rmdir(p->dir);
    free(p);
    return 0;
}

static struct base_key33 key_of(uint32_t number)
{
    struct base_key33 key = {{2}};
    base_put_u64be(key.bytes + 20, number);
    return key;
}

static int find(struct place *p, uint32_t number)
{
    struct base_key33 key = key_of(number);
    return node_voters_find(p->store, &key, p->why);
}

static int add(struct place *p, uint32_t number)
{
    struct base_key33 key = key_of(number);
    return node_voters_add(p->store, &key, p->why);
}

static void test_each_key_is_remembered(void **state)
{
    struct place *p = *state;
    assert_int_equal(find(p, 1), BASE_ENOTFOUND);
    assert_int_equal(add(p, 1), BASE_OK);
    assert_int_equal(find(p, 1), BASE_OK);
    assert_int_equal(find(p, 2), BASE_ENOTFOUND);
    assert_int_equal(add(p, 2), BASE_OK);
    assert_int_equal(add(p, 1), BASE_OK);
    node_store_close(p->store);
    assert_int_equal(node_store_open(&p->store, p->dir, p->why), BASE_OK);
    assert_int_equal(find(p, 1), BASE_OK);
    assert_int_equal(find(p, 2), BASE_OK);
}

static void test_the_oldest_makes_room(void **state)
{
    struct place *p = *state;
    for (uint32_t i = 0; i <= NODE_VOTERS_MAX; i++)
        assert_int_equal(add(p, i), BASE_OK);
    assert_int_equal(find(p, 0), BASE_ENOTFOUND);
    for (uint32_t i = 1; i <= NODE_VOTERS_MAX; i++)
        assert_int_equal(find(p, i), BASE_OK);
}

/* Whoever cannot know is not told that it is new. */
static void test_a_damaged_one_says_nothing(void **state)
{
    struct place *p = *state;
    assert_int_equal(add(p, 1), BASE_OK);
    FILE *f = fopen(p->file, "r+");
    assert_non_null(f);
    fputc('x', f);
    fclose(f);
    assert_int_equal(find(p, 2), BASE_EMALFORMED);
    assert_non_null(strstr(p->why, "voters"));
    assert_int_equal(add(p, 2), BASE_EMALFORMED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_each_key_is_remembered),
        TEST(test_the_oldest_makes_room),
        TEST(test_a_damaged_one_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
