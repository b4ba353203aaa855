/* What is missing until a registration stands: each state of a seat, and the steps that it needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "node/seat_plan.h"

#define NOW   UINT64_C(1800000000)
#define DAY   UINT64_C(86400)
#define EPOCH 3

static struct node_seat_want want;
static struct chain_seat seat;
static struct node_seat_plan plan;

/* A wish, and a seat on which it stands. */
static int setup(void **state)
{
    (void)state;
    memset(&want, 0, sizeof want);
    memset(&seat, 0, sizeof seat);
    memset(&want.owner, 0xaa, sizeof want.owner);
    memset(&want.instance, 0x11, sizeof want.instance);
    memset(&want.node_key, 0x02, sizeof want.node_key);
    memset(&want.proof_key, 0x03, sizeof want.proof_key);
    want.url = "tcp://a:1";
    want.expires_s = 365 * DAY;
    seat.token_id = base_u256_from_u64(7);
    seat.owner = seat.bound_by = want.owner;
    seat.instance = want.instance;
    seat.has_keys = seat.active = true;
    seat.node_key = want.node_key;
    seat.proof_key = want.proof_key;
    seat.root_epoch = EPOCH;
    seat.expires_at = NOW + 365 * DAY;
    seat.weight = 1;
    strcpy(seat.url, want.url);
    seat.url_len = strlen(seat.url);
    return 0;
}

static void assert_steps(const char *steps)
{
    char is[128] = "";
    node_seat_plan(&plan, &want, &seat, EPOCH, NOW);
    for (size_t i = 0; i < plan.count; i++) {
        if (i > 0) strcat(is, " ");
        strcat(is, node_seat_step_name(plan.steps[i].step));
        assert_true(plan.steps[i].because[0] != '\0');
    }
    assert_string_equal(is, steps);
}

static void test_what_stands_needs_nothing(void **state)
{
    (void)state;
    assert_steps("");
}

static void test_instances(void **state)
{
    (void)state;
    memset(&seat.instance, 0, sizeof seat.instance);
    assert_steps("registerInstance register");
    assert_string_equal(plan.steps[0].because, "no instance is bound");
    memset(&seat.instance, 0x22, sizeof seat.instance);
    assert_steps("registerInstance register");
    assert_non_null(strstr(plan.steps[0].because, "another instance"));
}

/* Each of these alone makes the keys be registered anew. */
static void test_keys_that_do_not_stand(void **state)
{
    (void)state;
    seat.has_keys = false;
    assert_steps("register");
    setup(NULL);
    seat.node_key.bytes[32] ^= 1;
    assert_steps("register");
    setup(NULL);
    seat.proof_key.bytes[32] ^= 1;
    assert_steps("register");
    setup(NULL);
    seat.bound_by.bytes[0] ^= 1;
    assert_steps("register");
    setup(NULL);
    seat.active = false;
    assert_steps("register");
    setup(NULL);
    seat.root_epoch--;
    assert_steps("register");
    setup(NULL);
    seat.expires_at = NOW;
    assert_steps("register");
}

/* Cheaper than a registration, and the keys stay. */
static void test_the_address_or_the_end_alone(void **state)
{
    (void)state;
    want.url = "tcp://b:1";
    assert_steps("setEndpoint");
    want.url = "";
    assert_steps("setEndpoint");
    seat.url[0] = '\0';
    seat.url_len = 0;
    assert_steps("");
    setup(NULL);
    seat.expires_at = NOW + want.expires_s / 2 + 1;
    assert_steps("");
    seat.expires_at--;
    assert_steps("renew");
    want.url = "tcp://b:1";
    assert_steps("setEndpoint renew");
    /* A registration brings both along. */
    seat.active = false;
    assert_steps("register");
}

static void test_no_seat(void **state)
{
    (void)state;
    node_seat_plan(&plan, &want, NULL, EPOCH, NOW);
    assert_int_equal(plan.count, 0);
    want.may_mint = true;
    node_seat_plan(&plan, &want, NULL, EPOCH, NOW);
    assert_int_equal(plan.count, 3);
    assert_int_equal(plan.steps[0].step, NODE_SEAT_MINT);
    assert_int_equal(plan.steps[1].step, NODE_SEAT_BIND);
    assert_int_equal(plan.steps[2].step, NODE_SEAT_REGISTER);
    /* With a seat nothing is minted, whatever it lacks. */
    seat.has_keys = false;
    assert_steps("register");
}

/* ---- which seat ---- */

static void test_the_instances_own_seat_goes_before_a_free_one(void **state)
{
    (void)state;
    struct chain_seat seats[4];
    for (size_t i = 0; i < 4; i++) {
        seats[i] = seat;
        seats[i].token_id = base_u256_from_u64(i + 1);
        memset(&seats[i].instance, 0, sizeof seats[i].instance);
    }
    assert_ptr_equal(node_seat_choose(&want, seats, 4), &seats[0]);
    seats[3].instance = want.instance;
    assert_ptr_equal(node_seat_choose(&want, seats, 4), &seats[3]);
    /* Of another wallet: neither its free seats nor its instances. */
    seats[3].owner.bytes[0] ^= 1;
    seats[0].owner.bytes[0] ^= 1;
    assert_ptr_equal(node_seat_choose(&want, seats, 4), &seats[1]);
    /* One that gives its weight to another seat is not free, nor is one with an instance. */
    seats[1].weight = 0;
    assert_ptr_equal(node_seat_choose(&want, seats, 4), &seats[2]);
    memset(&seats[2].instance, 0x33, sizeof seats[2].instance);
    assert_null(node_seat_choose(&want, seats, 4));
    assert_null(node_seat_choose(&want, seats, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_stands_needs_nothing, setup),
        cmocka_unit_test_setup(test_instances, setup),
        cmocka_unit_test_setup(test_keys_that_do_not_stand, setup),
        cmocka_unit_test_setup(test_the_address_or_the_end_alone, setup),
        cmocka_unit_test_setup(test_no_seat, setup),
        cmocka_unit_test_setup(test_the_instances_own_seat_goes_before_a_free_one, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
