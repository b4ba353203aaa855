#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/prng.h"
#include "chain/registry.h"

#define COUNT 300

/* Seats in random order; each third one has no keys. */
static void fill(struct chain_seat *seats, size_t count, uint64_t seed)
{
    struct base_prng prng;
    uint32_t order[COUNT];
    base_prng_init(&prng, seed);
    base_prng_permute(&prng, order, count);
    for (size_t i = 0; i < count; i++) {
        struct chain_seat *s = &seats[i];
        uint32_t n = order[i];
        memset(s, 0, sizeof *s);
        s->token_id = base_u256_from_u64(n);
        s->has_keys = n % 3 != 0;
        s->node_key.bytes[0] = 2;
        base_put_u32be(s->node_key.bytes + 1, n * 2654435761U);
        base_put_u32be(s->instance.bytes, n);
    }
}

static void test_finds_every_seat_and_no_other(void **state)
{
    (void)state;
    static struct chain_seat seats[COUNT];
    struct chain_snapshot head = {.chain_id = 31337}, *s;
    fill(seats, COUNT, 1);
    assert_int_equal(chain_snapshot_new(&s, &head, seats, COUNT), BASE_OK);
    assert_int_equal(s->seat_count, COUNT);
    assert_int_equal(s->by_key_count, COUNT - COUNT / 3);
    for (size_t i = 0; i < COUNT; i++) {
        const struct chain_seat *seat = chain_snapshot_find_token(s, &seats[i].token_id);
        assert_non_null(seat);
        assert_true(base_u256_equal(&seat->token_id, &seats[i].token_id));
        seat = chain_snapshot_find_key(s, &seats[i].node_key);
        if (seats[i].has_keys) {
            assert_non_null(seat);
            assert_true(base_key33_equal(&seat->node_key, &seats[i].node_key));
        } else {
            assert_null(seat); /* bytes where no key is are no key */
        }
        if (i > 0)
            assert_true(base_u256_compare(&s->seats[i - 1].token_id, &s->seats[i].token_id) < 0);
    }
    struct base_u256 missing = base_u256_from_u64(COUNT);
    struct base_key33 stranger = {.bytes = {3}};
    assert_null(chain_snapshot_find_token(s, &missing));
    assert_null(chain_snapshot_find_key(s, &stranger));
    chain_snapshot_free(s);
    chain_snapshot_free(NULL);
}

static void test_instances(void **state)
{
    (void)state;
    static struct chain_seat seats[COUNT];
    struct chain_snapshot head = {.chain_id = 31337}, *s;
    struct base_eth_address none = {.bytes = {0}}, five = {.bytes = {0, 0, 0, 5}};
    fill(seats, COUNT, 2);
    assert_int_equal(chain_snapshot_new(&s, &head, seats, COUNT), BASE_OK);
    assert_true(base_address_equal(&chain_snapshot_find_instance(s, &five)->instance, &five));
    assert_null(chain_snapshot_find_instance(s, &none)); /* seats without one are not "zero's" */
    five.bytes[19] = 1;
    assert_null(chain_snapshot_find_instance(s, &five));
    chain_snapshot_free(s);
}

/* Anybody may bind a seat to anybody's instance: that is no reason to take it for the machine's. */
static void test_of_several_bound_the_registered_one_is_found(void **state)
{
    (void)state;
    struct chain_seat seats[3] = {{.instance = {.bytes = {7}}}};
    struct chain_snapshot head = {.chain_id = 31337}, *s;
    for (size_t i = 0; i < 3; i++) {
        seats[i] = seats[0];
        seats[i].token_id = base_u256_from_u64(i + 1);
    }
    assert_int_equal(chain_snapshot_new(&s, &head, seats, 3), BASE_OK);
    assert_ptr_equal(chain_snapshot_find_instance(s, &seats[0].instance), &s->seats[0]);
    chain_snapshot_free(s);
    seats[1].has_keys = true;
    seats[1].node_key.bytes[0] = 2;
    assert_int_equal(chain_snapshot_new(&s, &head, seats, 3), BASE_OK);
    assert_ptr_equal(chain_snapshot_find_instance(s, &seats[0].instance), &s->seats[1]);
    chain_snapshot_free(s);
}

static void test_is_a_copy(void **state)
{
    (void)state;
    static struct chain_seat seats[COUNT];
    struct chain_snapshot head = {.chain_id = 31337}, *s;
    fill(seats, COUNT, 3);
    struct base_u256 token = seats[7].token_id;
    assert_int_equal(chain_snapshot_new(&s, &head, seats, COUNT), BASE_OK);
    memset(seats, 0xff, sizeof seats);
    assert_non_null(chain_snapshot_find_token(s, &token));
    chain_snapshot_free(s);
}

static void test_refuses_two_of_one_token_or_key(void **state)
{
    (void)state;
    struct chain_seat seats[3];
    struct chain_snapshot head = {.chain_id = 31337}, *s = NULL;
    fill(seats, 3, 4);
    for (size_t i = 0; i < 3; i++)
        seats[i].has_keys = false;
    assert_int_equal(chain_snapshot_new(&s, &head, seats, 3), BASE_OK);
    chain_snapshot_free(s);
    struct base_u256 token = seats[2].token_id;
    seats[2].token_id = seats[0].token_id;
    assert_int_equal(chain_snapshot_new(&s, &head, seats, 3), BASE_EMALFORMED);
    seats[2].token_id = token;
    seats[2].node_key = seats[0].node_key;
    assert_int_equal(chain_snapshot_new(&s, &head, seats, 3), BASE_OK); /* neither has keys */
    chain_snapshot_free(s);
    seats[0].has_keys = seats[2].has_keys = true;
    assert_int_equal(chain_snapshot_new(&s, &head, seats, 3), BASE_EMALFORMED);
}

static void test_bound_and_empty(void **state)
{
    (void)state;
    struct chain_snapshot head = {.chain_id = 31337}, *s;
    struct chain_seat *many = calloc(CHAIN_SEATS_MAX + 1, sizeof *many);
    assert_non_null(many);
    for (size_t i = 0; i <= CHAIN_SEATS_MAX; i++)
        many[i].token_id = base_u256_from_u64(i);
    assert_int_equal(chain_snapshot_new(&s, &head, many, CHAIN_SEATS_MAX + 1), BASE_ETOOBIG);
    assert_int_equal(chain_snapshot_new(&s, &head, many, CHAIN_SEATS_MAX), BASE_OK);
    chain_snapshot_free(s);
    free(many);
    assert_int_equal(chain_snapshot_new(&s, &head, NULL, 0), BASE_OK);
    struct base_u256 token = base_u256_from_u64(1);
    struct base_key33 key = {.bytes = {2}};
    assert_null(chain_snapshot_find_token(s, &token));
    assert_null(chain_snapshot_find_key(s, &key));
    chain_snapshot_free(s);
}

static void test_apps_and_roots(void **state)
{
    (void)state;
    struct chain_snapshot head = {.chain_id = 31337,
                                  .root_epoch = 3,
                                  .app_id_count = 1,
                                  .root_count = 2},
                          *s;
    struct base_eth_address a = {.bytes = {1}}, b = {.bytes = {2}}, c = {.bytes = {3}};
    head.app_ids[0] = a;
    head.kms_root = a;
    head.roots[0] = (struct chain_root){.root = b, .epoch = 2};
    head.roots[1] = (struct chain_root){.root = a, .epoch = 9}; /* the current one counts */
    assert_int_equal(chain_snapshot_new(&s, &head, NULL, 0), BASE_OK);
    assert_true(chain_snapshot_allows_app(s, &a));
    assert_false(chain_snapshot_allows_app(s, &b));
    assert_int_equal(chain_snapshot_root_epoch(s, &a), 3);
    assert_int_equal(chain_snapshot_root_epoch(s, &b), 2);
    assert_int_equal(chain_snapshot_root_epoch(s, &c), 0);
    chain_snapshot_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_every_seat_and_no_other),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_of_several_bound_the_registered_one_is_found),
        cmocka_unit_test(test_is_a_copy),
        cmocka_unit_test(test_refuses_two_of_one_token_or_key),
        cmocka_unit_test(test_bound_and_empty),
        cmocka_unit_test(test_apps_and_roots),
    };
    return cmocka_run_group_tests_name("chain_registry", tests, NULL, NULL);
}
