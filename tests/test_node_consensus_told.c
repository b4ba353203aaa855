/* What the cluster's core is told of the chain and of membership. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "node/consensus_told.h"

#define SEATS 3
#define NOW_S UINT64_C(1700000000)

static const char *const KEYS[SEATS] =
    {/* of the private keys 1, 2, 3 */
     "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
     "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
     "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"};

static void fill(struct chain_seat seats[SEATS])
{
    for (size_t i = 0; i < SEATS; i++) {
        struct chain_seat *seat = &seats[i];
        memset(seat, 0, sizeof *seat);
        seat->token_id = base_u256_from_u64(i + 1);
        seat->owner.bytes[0] = seat->bound_by.bytes[0] = (uint8_t)(0xa0 + i);
        seat->instance.bytes[0] = (uint8_t)(i + 1);
        seat->has_keys = seat->active = true;
        assert_int_equal(
            base_hex_decode(seat->node_key.bytes, BASE_KEY33_BYTES, KEYS[i], 2 * BASE_KEY33_BYTES),
            BASE_OK);
        seat->proof_key.bytes[0] = 2;
        seat->proof_key.bytes[32] = (uint8_t)(i + 1);
        seat->expires_at = NOW_S + 1;
        seat->weight = (uint32_t)(i + 5);
    }
}

static size_t counted(struct consensus_seat out[SEATS], const struct chain_seat seats[SEATS])
{
    struct chain_snapshot top = {.kind = CHAIN_KIND_NFTMESH, .block = {.number = 7}}, *s;
    top.block.time_s = NOW_S;
    assert_int_equal(chain_snapshot_new(&s, &top, seats, SEATS), BASE_OK);
    size_t count = node_consensus_seats(out, s);
    chain_snapshot_free(s);
    return count;
}

static void test_seats_by_key(void **state)
{
    struct chain_seat seats[SEATS];
    struct consensus_seat out[SEATS];
    (void)state;
    fill(seats);
    assert_int_equal(counted(out, seats), SEATS);
    for (size_t i = 0; i < SEATS; i++) { /* the keys above ascend */
        assert_true(base_key33_equal(&out[i].key, &seats[i].node_key));
        assert_true(base_u256_equal(&out[i].token, &seats[i].token_id));
        assert_int_equal(out[i].weight, i + 5);
        assert_false(base_is_zero(out[i].signer.bytes, sizeof out[i].signer.bytes));
    }
}

/* Goal: whoever admission turns away by what the chain says has no vote in the next epoch. */
static void test_who_does_not_count(void **state)
{
    struct chain_seat seats[SEATS];
    struct consensus_seat out[SEATS];
    (void)state;
    for (int what = 0; what < 6; what++) {
        fill(seats);
        if (what == 0) seats[1].active = false;
        if (what == 1) seats[1].expires_at = NOW_S;
        if (what == 2) seats[1].suspended_until = NOW_S + 1;
        if (what == 3) seats[1].has_keys = false;
        if (what == 4) seats[1].owner.bytes[0] ^= 1; /* sold */
        if (what == 5)
            memset(seats[1].node_key.bytes + 1, 0xff, BASE_KEY33_BYTES - 1); /* no point */
        assert_int_equal(counted(out, seats), SEATS - 1);
        assert_true(base_key33_equal(&out[0].key, &seats[0].node_key));
        assert_true(base_key33_equal(&out[1].key, &seats[2].node_key));
    }
    fill(seats);
    seats[1].suspended_until = NOW_S; /* over */
    assert_int_equal(counted(out, seats), SEATS);
}

static void test_news_of_members(void **state)
{
    bool is_dead;
    (void)state;
    assert_true(node_consensus_is_news(&is_dead, GOSSIP_ALIVE) && !is_dead);
    assert_false(node_consensus_is_news(&is_dead, GOSSIP_SUSPECT));
    assert_true(node_consensus_is_news(&is_dead, GOSSIP_FAILED) && is_dead);
    assert_true(node_consensus_is_news(&is_dead, GOSSIP_LEFT) && is_dead);
    assert_true(node_consensus_is_news(&is_dead, GOSSIP_NONE) && is_dead);
}

static void test_heartbeats_follow(void **state)
{
    struct consensus_params usual, p;
    (void)state;
    consensus_params_default(&usual);
    node_consensus_params(&p, 7, usual.lease_ms, usual.skip_ms);
    assert_int_equal(p.window_slots, 7);
    assert_int_equal(p.slot_ms, usual.slot_ms);
    assert_int_equal(p.pace_ms, usual.pace_ms);
    node_consensus_params(&p, 7, 600, 900);
    assert_int_equal(p.lease_ms, 600);
    assert_int_equal(p.skip_ms, 900);
    assert_int_equal(p.slot_ms, 200);
    assert_int_equal(p.pace_ms, 100);
    node_consensus_params(&p, 7, 3000, 90);
    assert_int_equal(p.slot_ms, 30);
    assert_int_equal(p.pace_ms, 15);
}

static void test_nonces_grow(void **state)
{
    (void)state;
    assert_true(node_consensus_nonce(2) > node_consensus_nonce(1) + CONSENSUS_PENDING_MAX);
}

static int begin(void **state)
{
    (void)state;
    return base_ecdsa_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seats_by_key),    cmocka_unit_test(test_who_does_not_count),
        cmocka_unit_test(test_news_of_members), cmocka_unit_test(test_heartbeats_follow),
        cmocka_unit_test(test_nonces_grow),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
