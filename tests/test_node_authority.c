/* Which keys stand on which seat where the contract stores none: of two statements the better one
 * counts, and what counted stops counting when the chain says so. */
#include "authority_fixture.h"

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_accepted_gives_the_seat_its_keys(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101);
    struct chain_snapshot *derived;
    (void)state;
    assert_false(authority_node_counts(SEAT));
    authority_accept(&b);
    authority_assert_offer(&b, NODE_AUTHORITY_SAME, NODE_REASON_NONE);
    assert_int_equal(node_authority_derive(&derived, f.prototype.authority, &f.prototype.world),
                     BASE_OK);
    const struct chain_seat *seat = chain_snapshot_find_key(derived, &b.node_key);
    assert_non_null(seat);
    assert_true(base_u256_equal(&seat->token_id, &b.token_id));
    assert_true(base_key33_equal(&seat->proof_key, &b.proof.proof_key));
    assert_true(base_address_equal(&seat->app_id, &f.app_id));
    assert_true(base_address_equal(&seat->bound_by, &seat->owner));
    assert_int_equal(seat->expires_at, b.not_after);
    assert_int_equal(seat->root_epoch, chain_snapshot_root_epoch(derived, &f.kms_root));
    assert_true(seat->root_epoch != 0);
    assert_true(chain_snapshot_allows_app(derived, &f.app_id));
    assert_int_equal(derived->by_key_count, 1);
    chain_snapshot_free(derived);
}

static void test_admission_on_the_derived_seat(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101);
    (void)state;
    authority_accept(&b);
    mesh_fixture_publish(&f);
    assert_int_equal(node_admission_judge_key(&refusal, &f.nodes[0].admission, &b.node_key),
                     NODE_REASON_NONE);
    f.seats[SEAT].active = false;
    mesh_fixture_publish(&f);
    assert_int_equal(node_admission_judge_key(&refusal, &f.nodes[0].admission, &b.node_key),
                     NODE_REASON_NO_SEAT);
}

static void test_later_block_wins(void **state)
{
    struct node_keyset other = authority_rotated(SEAT);
    struct node_bundle old = authority_issue(SEAT, 101), new;
    (void)state;
    mesh_fixture_bundle(&f, &new, &other, 102);
    authority_accept(&old);
    authority_accept(&new);
    assert_false(authority_node_counts(SEAT));
    assert_true(authority_counts(&other.node_key));
    authority_assert_offer(&old, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
    assert_true(authority_counts(&other.node_key));
}

static void test_in_one_block_the_higher_digest_wins(void **state)
{
    struct node_keyset other = authority_rotated(SEAT);
    struct node_bundle x = authority_issue(SEAT, 101), y, *high = &x, *low = &y;
    struct base_hash32 dx, dy;
    (void)state;
    mesh_fixture_bundle(&f, &y, &other, 101);
    node_bundle_digest(&dx, &f.prototype.world.domain, &x);
    node_bundle_digest(&dy, &f.prototype.world.domain, &y);
    if (memcmp(dx.bytes, dy.bytes, sizeof dx.bytes) < 0) high = &y, low = &x;
    authority_accept(low);
    authority_accept(high);
    authority_assert_offer(low, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
    assert_true(authority_counts(&high->node_key));
    assert_false(authority_counts(&low->node_key));
}

static void test_revocation(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), r = authority_revoke(SEAT, 101),
                       again = authority_issue(SEAT, 102);
    (void)state;
    authority_accept(&b);
    authority_accept(&r);
    assert_false(authority_node_counts(SEAT));
    authority_assert_offer(&b, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
    authority_accept(&again);
    assert_true(authority_node_counts(SEAT));
    authority_assert_offer(&r, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
}

/* It lasts for 30 days from its block, as long as anything that it takes back, whatever it says. */
static void test_revocation_lasts(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), r = authority_revoke(SEAT, 102);
    (void)state;
    r.not_after = 1;
    mesh_fixture_sign_bundle(&f, &r, NULL);
    authority_accept(&r);
    f.head.block.number = 101 + (NODE_AUTHORITY_TERM_S - 3600) / 12 - 2;
    mesh_fixture_publish(&f);
    authority_assert_offer(&b, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
    f.head.block.number = 102 + NODE_AUTHORITY_TERM_S / 12 - 1;
    mesh_fixture_publish(&f);
    authority_assert_offer(&b, NODE_AUTHORITY_REFUSED, NODE_REASON_EXPIRED);
    authority_assert_offer(&r, NODE_AUTHORITY_REFUSED, NODE_REASON_EXPIRED);
}

/* The owner has taken the fault_older key back, though the newer one's term was the shorter. */
static void test_ended_does_not_bring_back_what_it_replaced(void **state)
{
    struct node_keyset other = authority_rotated(SEAT);
    struct node_bundle old = authority_issue(SEAT, 101), new;
    (void)state;
    mesh_fixture_bundle(&f, &new, &other, 102);
    new.not_after = mesh_fixture_block(&f, 110).time_s;
    mesh_fixture_sign_bundle(&f, &new, &other);
    authority_accept(&old);
    authority_accept(&new);
    f.head.block.number = 110;
    mesh_fixture_publish(&f);
    assert_false(authority_counts(&other.node_key));
    authority_assert_offer(&old, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
    f.head.block.number = 102 + NODE_AUTHORITY_TERM_S / 12;
    mesh_fixture_publish(&f);
    authority_assert_offer(&old, NODE_AUTHORITY_REFUSED, NODE_REASON_EXPIRED);
}

static void test_revocation_is_the_owners_alone(void **state)
{
    struct node_bundle r = authority_revoke(SEAT, 101), b = authority_issue(SEAT, 101);
    (void)state;
    authority_accept(&b);
    r.owner_sig = authority_revoke(2, 101).owner_sig;
    authority_assert_offer(&r, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_SIGNATURE);
    assert_true(authority_node_counts(SEAT));
}

/* The same statement under other signatures is the same one: else two of them would chase each
 * other through the mesh. */
static void test_other_signatures_are_no_news(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), news, again = b;
    (void)state;
    authority_accept(&b);
    assert_true(node_authority_take_news(f.prototype.authority, &news));
    assert_true(node_bundle_equal(&news, &b));
    again.proof.app_id.bytes[0] ^= 1; /* not under the digest */
    authority_assert_offer(&again, NODE_AUTHORITY_SAME, NODE_REASON_NONE);
    assert_false(node_authority_take_news(f.prototype.authority, &news));
    assert_true(node_authority_of_key(f.prototype.authority, &b.node_key)->proof.app_id.bytes[0] ==
                b.proof.app_id.bytes[0]);
}

static void test_key_of_two_tokens(void **state)
{
    struct node_bundle high = authority_issue(SEAT, 101), low;
    struct node_keyset lower = *authority_keys_of(SEAT);
    (void)state;
    lower.token_id = base_u256_from_u64(1);
    lower.instance = authority_keys_of(0)->instance;
    mesh_fixture_bundle(&f, &low, &lower, 101);
    authority_accept(&high);
    authority_accept(&low); /* the lower token takes it over */
    assert_true(base_u256_equal(
        &node_authority_of_key(f.prototype.authority, &high.node_key)->token_id, &lower.token_id));
    assert_true(
        authority_node_counts(SEAT)); /* no two seats with one key: the snapshot would be none */
    mesh_fixture_publish(&f);
    struct node_bundle r = authority_revoke(0, 102);
    authority_accept(&r);
    mesh_fixture_publish(&f);
    assert_true(base_u256_equal(
        &node_authority_of_key(f.prototype.authority, &high.node_key)->token_id, &high.token_id));
}

/* Two seats with one key would be no snapshot at all, and the node's end. */
static void test_never_two_seats_with_one_key(void **state)
{
    struct base_prng prng;
    struct node_keyset shared = *authority_keys_of(0);
    (void)state;
    base_prng_init(&prng, 20);
    for (size_t i = 0; i < 160; i++) {
        size_t node = base_prng_below(&prng, FIXTURE_NODES);
        uint64_t block = authority_reference() - base_prng_below(&prng, 3);
        struct node_keyset keys = *authority_keys_of(node);
        struct node_bundle b;
        if (base_prng_below(&prng, 2) == 0) {
            keys.node_priv = shared.node_priv;
            keys.node_key = shared.node_key;
        }
        mesh_fixture_bundle(&f, &b, &keys, block);
        if (base_prng_below(&prng, 4) == 0) b = authority_revoke(node, block);
        (void)authority_offer(&b);
        (void)authority_counts(
            &shared.node_key); /* there is a snapshot, and it says what is kept */
        if (i % 8 != 0) continue;
        f.seats[node].active = base_prng_below(&prng, 3) > 0;
        f.prototype.block_hidden = base_prng_below(&prng, 3) > 0 ? 0 : authority_reference();
        mesh_fixture_publish(&f);
        (void)authority_counts(&shared.node_key);
    }
}

/* --- the chain moves -------------------------------------------------------------------------- */

static void test_each_move_of_the_chain_takes_the_keys(void **state)
{
    static void (*const moves[])(struct node_bundle *) = {fault_instance_moved, fault_deactivated,
                                                          fault_moved_since};
    (void)state;
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        authority_teardown(NULL);
        authority_setup(NULL);
        struct node_bundle b = authority_issue(SEAT, 101), shown;
        struct node_authority_cursor cursor = {0};
        authority_accept(&b);
        assert_true(authority_node_counts(SEAT));
        moves[i](&b);
        assert_false(authority_node_counts(SEAT));
        assert_false(node_authority_next(&shown, f.prototype.authority, &cursor));
    }
}

static void test_sold_and_bought_back(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), again;
    struct base_eth_address seller = f.seats[SEAT].owner;
    (void)state;
    authority_accept(&b);
    f.seats[SEAT].owner = f.seats[0].owner;
    f.seats[SEAT].last_transfer_block = 103;
    mesh_fixture_publish(&f);
    assert_false(authority_node_counts(SEAT));
    authority_assert_offer(&b, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED);
    f.seats[SEAT].owner = seller;
    f.seats[SEAT].last_transfer_block = 104;
    mesh_fixture_publish(&f);
    assert_false(authority_node_counts(SEAT));
    authority_assert_offer(&b, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED);
    again = authority_issue(SEAT, 104);
    authority_accept(&again);
    assert_true(authority_node_counts(SEAT));
}

static void test_it_ends_by_the_blocks_time(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101);
    (void)state;
    authority_accept(&b);
    f.head.block.number = 101 + (NODE_AUTHORITY_TERM_S - 3600) / 12 - 2;
    mesh_fixture_publish(&f); /* the last block before */
    assert_true(authority_node_counts(SEAT));
    mesh_fixture_publish(&f);
    assert_false(authority_node_counts(SEAT));
    assert_int_equal(node_authority_stats(f.prototype.authority).counting, 0);
}

static void note_want(void *ctx, uint64_t number)
{
    assert_int_equal(number, 102);
    ++*(unsigned *)ctx;
}

static void test_reorganised_away(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 102);
    unsigned wanted = 0;
    (void)state;
    authority_accept(&b);
    mesh_fixture_publish(&f);
    f.prototype.block_hidden = 102; /* asked again after the reorganisation */
    mesh_fixture_publish(&f);
    assert_false(authority_node_counts(SEAT));
    node_authority_wants(f.prototype.authority, &f.prototype.world, note_want, &wanted);
    assert_int_equal(wanted, 1);
    f.prototype.block_hidden = 0; /* it is still there */
    mesh_fixture_publish(&f);
    assert_true(authority_node_counts(SEAT));
    f.prototype.forked = 102;
    mesh_fixture_publish(&f);
    assert_false(authority_node_counts(SEAT));
    authority_assert_offer(&b, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_BLOCK);
}

/* A wallet that deactivates and comes back finds its keys, and the others hear of them again. */
static void test_back_again_is_news(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), news;
    (void)state;
    authority_accept(&b);
    assert_true(node_authority_take_news(f.prototype.authority, &news));
    fault_deactivated(&b);
    assert_false(node_authority_take_news(f.prototype.authority, &news));
    f.seats[SEAT].active = true;
    mesh_fixture_publish(&f);
    assert_true(authority_node_counts(SEAT));
    assert_true(node_authority_take_news(f.prototype.authority, &news));
}

/* What has been replaced does not come back while its successor does not count. */
static void test_superseded_stays_so(void **state)
{
    struct node_keyset other = authority_rotated(SEAT);
    struct node_bundle old = authority_issue(SEAT, 101), new;
    (void)state;
    mesh_fixture_bundle(&f, &new, &other, 102);
    authority_accept(&new);
    f.prototype.block_hidden = 102;
    mesh_fixture_publish(&f);
    assert_false(authority_counts(&other.node_key));
    authority_assert_offer(&old, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
}

static void test_pins_are_asked_again(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101);
    (void)state;
    authority_accept(&b);
    f.pins.root_count = 0;
    mesh_fixture_publish(&f);
    assert_false(authority_node_counts(SEAT));
    f.pins.root_count = 1;
    f.prototype.world.app_id_count = 0;
    mesh_fixture_publish(&f);
    assert_false(authority_node_counts(SEAT));
    f.prototype.world.app_id_count = 1;
    mesh_fixture_publish(&f);
    assert_true(authority_node_counts(SEAT));
}

/* Whatever root the contract names now, the seat counts under the pinned one. */
static void test_contract_names_another_root(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101);
    (void)state;
    authority_accept(&b);
    memset(f.head.kms_root.bytes, 0x33, sizeof f.head.kms_root.bytes);
    mesh_fixture_publish(&f);
    assert_int_equal(node_admission_judge_key(&refusal, &f.nodes[0].admission, &b.node_key),
                     NODE_REASON_NONE);
}

/* --- set aside -------------------------------------------------------------------------------- */

static void test_set_aside_until_it_can_be_judged(void **state)
{
    static void (*const reasons[])(struct node_bundle *) = {
        fault_issued_later, fault_block_unknown, fault_transfers_unknown, fault_deactivated,
        fault_instance_moved};
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        authority_teardown(NULL);
        authority_setup(NULL);
        struct node_bundle b = authority_issue(SEAT, 101), news;
        reasons[i](&b);
        assert_true(authority_offer(&b) != NODE_AUTHORITY_ACCEPTED);
        assert_int_equal(node_authority_stats(f.prototype.authority).aside, 1);
        assert_true(node_authority_is_aside(f.prototype.authority, &b));
        assert_false(node_authority_take_news(f.prototype.authority, &news));
        f.prototype.block_hidden = 0;
        f.head.transfers_from_block = 1;
        f.seats[SEAT].active = true;
        f.seats[SEAT].instance = b.instance;
        mesh_fixture_publish(&f);
        mesh_fixture_publish(&f);
        assert_true(authority_node_counts(SEAT));
        assert_int_equal(node_authority_stats(f.prototype.authority).aside, 0);
        assert_true(node_authority_take_news(f.prototype.authority, &news));
    }
}

static void test_aside_does_not_replace_what_counts(void **state)
{
    struct node_keyset other = authority_rotated(SEAT);
    struct node_bundle old = authority_issue(SEAT, 101), new;
    (void)state;
    authority_accept(&old);
    mesh_fixture_bundle(&f, &new, &other, 102);
    mesh_fixture_publish(&f);
    f.prototype.block_hidden = 102;
    authority_assert_offer(&new, NODE_AUTHORITY_VERIFYING, NODE_REASON_VERIFYING);
    assert_true(authority_node_counts(SEAT));
    f.prototype.block_hidden = 0;
    mesh_fixture_publish(&f);
    assert_false(authority_node_counts(SEAT));
    assert_true(authority_counts(&other.node_key));
}

static void test_too_far_ahead_is_not_set_aside(void **state)
{
    struct node_bundle b =
        authority_issue(SEAT, authority_reference() + NODE_AUTHORITY_AHEAD_BLOCKS + 1);
    (void)state;
    authority_assert_offer(&b, NODE_AUTHORITY_NOT_YET, NODE_REASON_NOT_YET);
    assert_int_equal(node_authority_stats(f.prototype.authority).aside, 0);
}

static void test_nothing_unproved_is_set_aside(void **state)
{
    static void (*const lies[])(struct node_bundle *) = {
        fault_owner_did_not_sign, fault_node_key_did_not_sign, fault_chain_of_another_root};
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct node_bundle b = authority_issue(SEAT, 101);
        f.prototype.block_hidden = 101;
        lies[i](&b);
        assert_true(authority_offer(&b) != NODE_AUTHORITY_ACCEPTED);
        assert_int_equal(node_authority_stats(f.prototype.authority).aside, 0);
    }
}

/* A buyer's first word may be here before the block that makes him the owner. */
static void test_early_bird(void **state)
{
    struct base_eth_address buyer = f.seats[SEAT].owner;
    struct node_bundle b = authority_issue(SEAT, 104);
    (void)state;
    f.seats[SEAT].owner = f.seats[0].owner;
    mesh_fixture_publish(&f); /* 103 */
    authority_assert_offer(&b, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED);
    assert_int_equal(node_authority_stats(f.prototype.authority).aside, 1);
    f.seats[SEAT].owner = buyer;
    f.seats[SEAT].last_transfer_block = 104;
    mesh_fixture_publish(&f);
    assert_true(authority_node_counts(SEAT));
    assert_int_equal(node_authority_stats(f.prototype.authority).aside, 0);
}

static void test_early_birds_are_few_and_do_not_stay(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * NODE_AUTHORITY_EARLY_MAX; i++) {
        struct node_bundle b = authority_issue(SEAT, authority_reference() + 200);
        b.owner.bytes[0] ^= 1;
        b.not_after -= i;
        assert_int_equal(authority_offer(&b), NODE_AUTHORITY_REFUSED);
    }
    assert_int_equal(node_authority_stats(f.prototype.authority).aside, NODE_AUTHORITY_EARLY_MAX);
    for (unsigned i = 0; i <= NODE_AUTHORITY_EARLY_BLOCKS; i++)
        node_authority_renew(f.prototype.authority, &f.prototype.world);
    assert_int_equal(node_authority_stats(f.prototype.authority).aside, 0);
}

/* --- disk, and others ------------------------------------------------------------------------- */

/* What comes from disk is believed no more than what comes from a stranger. */
static void test_loaded_is_judged(void **state)
{
    struct node_bundle good = authority_issue(SEAT, 101), forged = authority_issue(2, 101);
    (void)state;
    forged.node_sig = forged.proof_sig;
    assert_int_equal(node_authority_load(f.prototype.authority, &good), BASE_OK);
    assert_int_equal(node_authority_load(f.prototype.authority, &forged), BASE_OK);
    assert_false(authority_node_counts(SEAT));
    mesh_fixture_publish(&f);
    assert_true(authority_node_counts(SEAT));
    assert_false(authority_node_counts(2));
    assert_int_equal(node_authority_stats(f.prototype.authority).aside, 0);
}

/* What is on disk in the place of what is in memory. */
static void restart(void)
{
    struct node_authority *before = f.prototype.authority, *after;
    struct node_authority_cursor cursor = {0};
    struct node_bundle b;
    assert_int_equal(node_authority_new(&after), BASE_OK);
    while (node_authority_next_kept(&b, before, &cursor))
        assert_int_equal(node_authority_load(after, &b), BASE_OK);
    node_authority_free(before);
    f.prototype.authority = after;
    for (size_t i = 0; i < FIXTURE_NODES; i++)
        f.nodes[i].admission.authority = after;
    mesh_fixture_publish(&f);
}

/* A newer one, or a revocation, that does not count itself when the node goes down or comes up. */
static void test_superseded_after_a_restart(void **state)
{
    static void (*const rests[])(struct node_bundle *) = {
        fault_block_unknown, fault_transfers_unknown, fault_instance_gone, fault_deactivated};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof rests / sizeof rests[0]; i++) {
        authority_teardown(NULL);
        authority_setup(NULL);
        struct node_keyset other = authority_rotated(SEAT);
        struct node_bundle old = authority_issue(SEAT, 101), new = authority_revoke(SEAT, 102);
        if (i % 2 == 0) mesh_fixture_bundle(&f, &new, &other, 102);
        authority_accept(&old);
        authority_accept(&new);
        rests[i / 2](&new);
        mesh_fixture_publish(&f);
        restart();
        assert_false(authority_counts(&other.node_key));
        authority_assert_offer(&old, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
        f.prototype.block_hidden = 0;
        f.head.transfers_from_block = 1;
        f.seats[SEAT].active = true;
        f.seats[SEAT].instance = authority_keys_of(SEAT)->instance;
        mesh_fixture_publish(&f);
        assert_int_equal(authority_counts(&other.node_key), i % 2 == 0);
        authority_assert_offer(&old, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
    }
}

/* What waits to be judged waits on, too. */
static void test_set_aside_after_a_restart(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101);
    (void)state;
    f.prototype.block_hidden = 101;
    authority_assert_offer(&b, NODE_AUTHORITY_VERIFYING, NODE_REASON_VERIFYING);
    restart();
    assert_false(authority_node_counts(SEAT));
    f.prototype.block_hidden = 0;
    mesh_fixture_publish(&f);
    assert_true(authority_node_counts(SEAT));

    struct node_keyset other = authority_rotated(SEAT);
    struct node_bundle new, forged;
    mesh_fixture_bundle(&f, &new, &other, 102);
    f.prototype.block_hidden = 102;
    authority_assert_offer(&new, NODE_AUTHORITY_VERIFYING, NODE_REASON_VERIFYING);
    restart();
    assert_true(authority_node_counts(SEAT));
    f.prototype.block_hidden = 0;
    mesh_fixture_publish(&f);
    assert_true(authority_counts(&other.node_key));

    forged = authority_issue(SEAT, 103);
    forged.node_sig = forged.proof_sig;
    assert_int_equal(node_authority_load(f.prototype.authority, &forged), BASE_OK);
    mesh_fixture_publish(&f);
    assert_true(authority_counts(&other.node_key));
}

/* Neither does anybody stand in the way by disk who could not by wire. */
static void test_loaded_lies_are_in_nobodys_way(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101),
                       lies[4] = {authority_revoke(SEAT, 102), authority_revoke(SEAT, 102),
                                  authority_issue(SEAT, 102), authority_revoke(SEAT, 500)};
    struct base_privkey other;
    struct base_hash32 digest;
    (void)state;
    lies[0].owner_sig.bytes[40] ^= 1;
    lies[1].owner = f.seats[2].owner; /* once, or never */
    mesh_fixture_owner(&other, 3);
    node_bundle_digest(&digest, &f.prototype.world.domain, &lies[1]);
    assert_int_equal(base_ecdsa_sign(&lies[1].owner_sig, &digest, &other), BASE_OK);
    fault_for_too_long(&lies[2]);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        authority_teardown(NULL);
        authority_setup(NULL);
        assert_int_equal(node_authority_load(f.prototype.authority, &lies[i]), BASE_OK);
        mesh_fixture_publish(&f);
        authority_accept(&b);
        assert_true(authority_node_counts(SEAT));
    }
}

/* Under a root that is not trusted now it does not count, and what it replaced does not either. */
static void test_loaded_without_a_trusted_root(void **state)
{
    struct node_keyset other = authority_rotated(SEAT);
    struct node_bundle old = authority_issue(SEAT, 101), new;
    struct attest_pins pins = f.pins;
    (void)state;
    mesh_fixture_bundle(&f, &new, &other, 102);
    assert_int_equal(node_authority_load(f.prototype.authority, &new), BASE_OK);
    memset(f.pins.roots[0].bytes, 0x33, sizeof f.pins.roots[0].bytes);
    mesh_fixture_publish(&f);
    assert_false(authority_counts(&other.node_key));
    f.pins = pins;
    mesh_fixture_publish(&f);
    authority_assert_offer(&old, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
    authority_accept(&new);
    assert_true(authority_counts(&other.node_key));
}

/* An owner who changes his mind without end is heard now and then: at the next reference the best
 * of what he said counts. */
static void test_changes_of_one_token_are_few(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), r = authority_revoke(SEAT, 102), best = r,
                       of_another;
    size_t accepted = 0;
    (void)state;
    authority_accept(&b);
    for (unsigned i = 0; i < 64; i++) {
        struct base_hash32 digest, best_digest;
        r.not_after = i;
        mesh_fixture_sign_bundle(&f, &r, NULL);
        node_bundle_digest(&digest, &f.prototype.world.domain, &r);
        node_bundle_digest(&best_digest, &f.prototype.world.domain, &best);
        if (memcmp(digest.bytes, best_digest.bytes, sizeof digest.bytes) > 0) best = r;
        accepted += authority_offer(&r) == NODE_AUTHORITY_ACCEPTED;
    }
    assert_int_equal(accepted, NODE_AUTHORITY_CHANGES_MAX - 1);
    of_another = authority_issue(0, 101);
    authority_accept(&of_another);
    mesh_fixture_publish(&f);
    authority_assert_offer(&best, NODE_AUTHORITY_SAME, NODE_REASON_NONE);
}

static void test_shown_in_order_and_only_what_counts(void **state)
{
    struct node_bundle b, shown;
    struct node_authority_cursor cursor = {0};
    (void)state;
    for (size_t i = FIXTURE_NODES; i-- > 0;) {
        b = i == 2 ? authority_revoke(i, 101) : authority_issue(i, 101);
        authority_accept(&b);
    }
    f.seats[1].active = false;
    mesh_fixture_publish(&f);
    static const uint8_t tokens[] = {1, 3, 4};
    for (size_t i = 0; i < sizeof tokens; i++) {
        assert_true(node_authority_next(&shown, f.prototype.authority, &cursor));
        assert_int_equal(shown.token_id.bytes[31], tokens[i]);
    }
    assert_false(node_authority_next(&shown, f.prototype.authority, &cursor));
}

/* --- a frame from a link ---------------------------------------------------------------------- */

static uint8_t frame[NODE_FRAME_AUTHORITY_BYTES];
static struct node_authority_heard heard;

static size_t put(size_t at, const struct node_bundle *bundle)
{
    return at + node_bundle_encode(frame + at, bundle);
}

static int hear(size_t len, size_t waste_max)
{
    return node_authority_hear(&heard, f.prototype.authority, &f.prototype.world, frame, len,
                               waste_max);
}

static void test_frame_of_several(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), r = authority_revoke(2, 101),
                       other = authority_issue(0, 101);
    (void)state;
    other.owner.bytes[0] ^= 1; /* not the owner here: nobody's fault */
    size_t len = put(put(put(put(0, &b), &other), &r), &b);
    assert_int_equal(hear(len, 10), BASE_OK);
    assert_int_equal(heard.verdicts[NODE_AUTHORITY_ACCEPTED], 2);
    assert_int_equal(heard.verdicts[NODE_AUTHORITY_SAME], 1);
    assert_int_equal(heard.verdicts[NODE_AUTHORITY_REFUSED], 1);
    assert_true(authority_node_counts(SEAT));
}

static void test_frame_with_a_forgery_ends_the_link(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), forged = authority_issue(0, 101),
                       last = authority_issue(2, 101);
    (void)state;
    forged.node_sig = forged.proof_sig;
    size_t len = put(put(put(0, &b), &forged), &last);
    assert_int_equal(hear(len, 10), BASE_ESIG);
    assert_int_equal(heard.refusal.reason, NODE_REASON_AUTHORISATION_SIGNATURE);
    assert_true(authority_node_counts(SEAT)); /* what came before is true whoever brought it */
    assert_false(authority_node_counts(2));
}

static void test_frame_that_is_none_ends_the_link(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101);
    size_t len = put(0, &b);
    (void)state;
    assert_int_equal(hear(0, 10), BASE_EMALFORMED);
    assert_int_equal(hear(len - 1, 10), BASE_EMALFORMED);
    assert_int_equal(hear(len + 1, 10), BASE_EMALFORMED);
    assert_int_equal(heard.verdicts[NODE_AUTHORITY_ACCEPTED], 1);
}

static void test_frame_of_no_use_costs_no_more_than_allowed(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101), good = authority_issue(0, 101);
    size_t len = 0;
    (void)state;
    fault_moved_since(&b);
    for (int i = 0; i < 5; i++)
        len = put(len, &b);
    len = put(len, &good);
    assert_int_equal(hear(len, 3), BASE_OK);
    assert_int_equal(heard.verdicts[NODE_AUTHORITY_REFUSED], 3);
    assert_int_equal(heard.verdicts[NODE_AUTHORITY_ACCEPTED], 0);
}

/* What is known, in ever other clothes: each time the signatures are computed. */
static void test_frame_of_the_same_is_waste_too(void **state)
{
    struct node_bundle b = authority_issue(SEAT, 101);
    size_t len = 0;
    (void)state;
    authority_accept(&b);
    len = put(len, &b);
    for (int i = 0; i < 5; i++) {
        b.proof.app_id.bytes[0]++;
        len = put(len, &b);
    }
    assert_int_equal(hear(len, 3), BASE_OK);
    assert_int_equal(heard.wasted, 3);
    assert_int_equal(heard.verdicts[NODE_AUTHORITY_SAME], 4); /* the first cost nothing */
}

static void test_forgeries_have_names(void **state)
{
    (void)state;
    assert_true(node_authority_is_forgery(NODE_REASON_AUTHORISATION_SIGNATURE));
    assert_true(node_authority_is_forgery(NODE_REASON_CHAIN_APP_SIGNATURE));
    assert_true(node_authority_is_forgery(NODE_REASON_CHAIN_ENCODING));
    assert_false(node_authority_is_forgery(NODE_REASON_CHAIN_KMS_ROOT)); /* pins differ */
    assert_false(node_authority_is_forgery(NODE_REASON_OWNER_CHANGED));
    assert_false(node_authority_is_forgery(NODE_REASON_NONE));
}

/* --- the codec -------------------------------------------------------------------------------- */

static void test_codec(void **state)
{
    struct node_bundle cases[] = {authority_issue(SEAT, 101), authority_revoke(SEAT, 101)}, back;
    uint8_t data[NODE_BUNDLE_BYTES_MAX + 1];
    size_t used;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = node_bundle_encode(data, &cases[i]);
        assert_int_equal(len, i == 0 ? NODE_BUNDLE_BYTES_MAX : NODE_BUNDLE_REVOCATION_BYTES);
        data[len] = 0xee;
        assert_int_equal(node_bundle_decode(&back, &used, data, len + 1), BASE_OK);
        assert_int_equal(used, len);
        assert_true(node_bundle_equal(&back, &cases[i]));
        for (size_t cut = 0; cut < len; cut++)
            assert_true(node_bundle_decode(&back, &used, data, cut) != BASE_OK);
        data[0] = 2;
        assert_int_equal(node_bundle_decode(&back, &used, data, len), BASE_EUNSUPPORTED);
        data[0] = 1;
        data[1] = 3;
        assert_int_equal(node_bundle_decode(&back, &used, data, len), BASE_EMALFORMED);
        assert_true(base_is_zero(&back, sizeof back));
    }
}

/* What the vectors' wallet signed is what we recover. */
static void test_digest_is_the_vectors(void **state)
{
    static const char digest_hex[] =
        "d49d1fb74daef1b40ed62eceb9d4d61b11176ad98564450d73c1f0115b97d360";
    struct node_bundle r = {.revokes = true, .issued_block = 1001, .not_after = 1792592000};
    struct base_hash32 digest, expected;
    struct base_eip712_domain domain;
    struct base_eth_address contract;
    (void)state;
    r.token_id = base_u256_from_u64(7);
    assert_int_equal(base_address_parse(&r.owner, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), 0);
    assert_int_equal(base_address_parse(&contract, "0x5FbDB2315678afecb367f032d93F642f64180aa3"),
                     0);
    assert_int_equal(base_hex_decode(r.issued_block_hash.bytes, 32,
                                     "1adea3cf077e2b24c966bdf81a505ce3"
                                     "7aa6e1cd2ac6b9223f628cdfedca8f7a",
                                     64),
                     0);
    assert_int_equal(base_hex_decode(expected.bytes, 32, digest_hex, 64), 0);
    base_eip712_domain_init(&domain, 31337, &contract);
    node_bundle_digest(&digest, &domain, &r);
    assert_memory_equal(digest.bytes, expected.bytes, 32);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, authority_setup, authority_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_accepted_gives_the_seat_its_keys),
        CASE(test_admission_on_the_derived_seat),
        CASE(test_later_block_wins),
        CASE(test_in_one_block_the_higher_digest_wins),
        CASE(test_revocation),
        CASE(test_revocation_lasts),
        CASE(test_ended_does_not_bring_back_what_it_replaced),
        CASE(test_revocation_is_the_owners_alone),
        CASE(test_other_signatures_are_no_news),
        CASE(test_key_of_two_tokens),
        CASE(test_never_two_seats_with_one_key),
        CASE(test_each_move_of_the_chain_takes_the_keys),
        CASE(test_sold_and_bought_back),
        CASE(test_it_ends_by_the_blocks_time),
        CASE(test_reorganised_away),
        CASE(test_back_again_is_news),
        CASE(test_superseded_stays_so),
        CASE(test_pins_are_asked_again),
        CASE(test_contract_names_another_root),
        CASE(test_set_aside_until_it_can_be_judged),
        CASE(test_aside_does_not_replace_what_counts),
        CASE(test_too_far_ahead_is_not_set_aside),
        CASE(test_nothing_unproved_is_set_aside),
        CASE(test_early_bird),
        CASE(test_early_birds_are_few_and_do_not_stay),
        CASE(test_loaded_is_judged),
        CASE(test_superseded_after_a_restart),
        CASE(test_set_aside_after_a_restart),
        CASE(test_loaded_lies_are_in_nobodys_way),
        CASE(test_loaded_without_a_trusted_root),
        CASE(test_changes_of_one_token_are_few),
        CASE(test_shown_in_order_and_only_what_counts),
        CASE(test_frame_of_several),
        CASE(test_frame_with_a_forgery_ends_the_link),
        CASE(test_frame_that_is_none_ends_the_link),
        CASE(test_frame_of_no_use_costs_no_more_than_allowed),
        CASE(test_frame_of_the_same_is_waste_too),
        CASE(test_forgeries_have_names),
        CASE(test_codec),
        CASE(test_digest_is_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
