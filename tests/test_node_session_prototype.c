/* Joining where the contract stores no keys: HELLO shows the owner's authorisation, and nobody
 * comes in on somebody else's, on an old one, or on none. Each case with real sessions, the liar
 * dialling and being dialled. */
#include "mesh_fixture.h"

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIAR  1
#define JUDGE 0

static struct mesh_fixture f;
static struct fixture_link join;
static struct node_bundle bundles[FIXTURE_NODES];

static struct node_keyset *keys_of(size_t node)
{
    return &f.nodes[node].identity.keys;
}

static void show(size_t node, const struct node_bundle *bundle)
{
    keys_of(node)->has_authorisation = true;
    node_bundle_for_hello(&keys_of(node)->authorisation, bundle);
}

static int setup(void **state)
{
    (void)state;
    mesh_fixture_init(&f);
    mesh_fixture_to_prototype(&f);
    for (size_t i = 0; i < FIXTURE_NODES; i++) {
        mesh_fixture_bundle(&f, &bundles[i], keys_of(i), 101);
        show(i, &bundles[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_link_deinit(&join);
    mesh_fixture_deinit(&f);
    return 0;
}

/* Two nodes meet; returns the judge's end. */
static struct fixture_end *meet(size_t dialer, size_t acceptor, size_t judge)
{
    fixture_link_init(&join, &f.nodes[dialer], &f.nodes[acceptor]);
    assert_int_equal(fixture_link_open(&join, &keys_of(acceptor)->node_key), BASE_OK);
    fixture_link_run(&join);
    return &join.ends[judge == dialer ? 0 : 1];
}

static void offer(const struct node_bundle *bundle)
{
    struct node_refusal refusal;
    assert_int_equal(
        node_authority_offer(&refusal, f.prototype.authority, &f.prototype.world, bundle),
        NODE_AUTHORITY_ACCEPTED);
}

/* --- lies ------------------------------------------------------------------------------------- */

static void show_none(void)
{
    keys_of(LIAR)->has_authorisation = false;
}
static void show_another_nodes(void)
{
    show(LIAR, &bundles[2]);
}
/* The statement is known to all; N and D are not. */
static void steal_seat_and_statement(void)
{
    struct node_keyset *keys = keys_of(LIAR);
    keys->token_id = keys_of(2)->token_id;
    keys->instance = keys_of(2)->instance;
    mesh_fixture_record(&f.nodes[LIAR].record, keys, &keys->instance, 1,
                        &f.nodes[LIAR].identity.domain);
    show(LIAR, &bundles[2]);
}
/* With N as well, say from a disk; D is in the enclave. */
static void steal_node_key_too(void)
{
    struct node_keyset *keys = keys_of(LIAR), *victim = keys_of(2);
    struct base_privkey own = keys->proof_priv;
    steal_seat_and_statement();
    keys->node_priv = victim->node_priv;
    keys->node_key = victim->node_key;
    keys->proof_key = victim->proof_key;
    keys->app_sig = victim->app_sig;
    keys->proof_priv = own;
    mesh_fixture_record(&f.nodes[LIAR].record, keys, &keys->instance, 1,
                        &f.nodes[LIAR].identity.domain);
}
static void token_of_nobody(void)
{
    keys_of(LIAR)->token_id = base_u256_from_u64(77);
}
static void sold(void)
{
    f.seats[LIAR].owner = f.seats[2].owner;
    f.seats[LIAR].last_transfer_block = f.head.block.number;
    mesh_fixture_publish(&f);
}
static void sold_and_bought_back(void)
{
    f.seats[LIAR].last_transfer_block = f.head.block.number;
    mesh_fixture_publish(&f);
}
static void a_later_one_is_known(void)
{
    struct node_keyset keys = *keys_of(LIAR), other;
    struct node_bundle later;
    mesh_fixture_keys(&f, &other, "rotated", 2);
    keys.node_priv = other.node_priv;
    keys.node_key = other.node_key;
    mesh_fixture_bundle(&f, &later, &keys, 102);
    offer(&later);
    mesh_fixture_publish(&f);
}
static void revoked(void)
{
    struct node_bundle revocation;
    mesh_fixture_revocation(&f, &revocation, LIAR + 1, 102);
    offer(&revocation);
    mesh_fixture_publish(&f);
}
static void issued_ahead(void)
{
    mesh_fixture_bundle(&f, &bundles[LIAR], keys_of(LIAR), f.head.block.number + 1);
    show(LIAR, &bundles[LIAR]);
}
static void block_not_known(void)
{
    f.prototype.block_hidden = 101;
    mesh_fixture_bundle(&f, &bundles[JUDGE], keys_of(JUDGE), 102);
    show(JUDGE, &bundles[JUDGE]);
}
static void deactivated(void)
{
    f.seats[LIAR].active = false;
    mesh_fixture_publish(&f);
}
static void chain_of_another_root(void)
{
    struct base_privkey priv;
    mesh_fixture_privkey(&priv, "another KMS");
    assert_int_equal(attest_sign_kms(&keys_of(LIAR)->kms_sig, &priv, &f.app_id, &f.app_key),
                     BASE_OK);
}
static void app_of_another(void) /* of the same KMS, whole and genuine */
{
    struct node_keyset *keys = keys_of(LIAR);
    struct base_privkey app;
    keys->app_id.bytes[0] ^= 1;
    assert_int_equal(attest_derive_app_key(&app, &f.kms_priv, &keys->app_id), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey(&keys->app_key, &app), BASE_OK);
    assert_int_equal(attest_sign_kms(&keys->kms_sig, &f.kms_priv, &keys->app_id, &keys->app_key),
                     BASE_OK);
    assert_int_equal(attest_sign_app(&keys->app_sig, &app, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                                     keys->proof_key.bytes, BASE_KEY33_BYTES),
                     BASE_OK);
}

static const struct lie {
    const char *name;
    void (*tell)(void);
    enum node_reason reason;
    unsigned code;
    bool waits; /* set aside, to be judged again */
} LIES[] = {
    {"no authorisation", show_none, NODE_REASON_NO_AUTHORISATION, NODE_CODE_NO_SEAT, false},
    {"another node's", show_another_nodes, NODE_REASON_AUTHORISATION_SIGNATURE, NODE_CODE_NO_SEAT,
     false},
    {"a stolen statement", steal_seat_and_statement, NODE_REASON_AUTHORISATION_SIGNATURE,
     NODE_CODE_NO_SEAT, false},
    {"and the node key", steal_node_key_too, NODE_REASON_POP, NODE_CODE_NOT_ADMITTED, false},
    {"a token of nobody", token_of_nobody, NODE_REASON_NO_SEAT, NODE_CODE_NO_SEAT, false},
    {"sold", sold, NODE_REASON_AUTHORISATION_SIGNATURE, NODE_CODE_NO_SEAT, false},
    {"sold and bought back", sold_and_bought_back, NODE_REASON_OWNER_CHANGED, NODE_CODE_NO_SEAT,
     false},
    {"a later one is known", a_later_one_is_known, NODE_REASON_SUPERSEDED, NODE_CODE_NO_SEAT,
     false},
    {"revoked", revoked, NODE_REASON_SUPERSEDED, NODE_CODE_NO_SEAT, false},
    {"issued ahead of us", issued_ahead, NODE_REASON_NOT_YET, NODE_CODE_NO_SEAT, true},
    {"block not known yet", block_not_known, NODE_REASON_VERIFYING, NODE_CODE_NOT_READY, true},
    {"deactivated", deactivated, NODE_REASON_INACTIVE, NODE_CODE_NO_SEAT, false},
    {"chain of another root", chain_of_another_root, NODE_REASON_CHAIN_KMS_ROOT,
     NODE_CODE_NOT_ADMITTED, false},
    {"another app", app_of_another, NODE_REASON_APP_ID_NOT_ALLOWED, NODE_CODE_NO_SEAT, false},
};

static void assert_refused(const struct lie *lie, const struct fixture_end *us,
                           const struct fixture_end *them)
{
    assert_int_equal(us->ups + them->ups, 0);
    assert_int_equal(us->refusals, 1);
    if (us->refused.refused.refusal.reason != lie->reason)
        fail_msg("%s: refused as %s", lie->name,
                 node_reason_name(us->refused.refused.refusal.reason));
    assert_int_equal(us->waiting, lie->waits ? 1 : 0);
    assert_int_equal(them->refusals, 1);
    assert_true(them->refused.refused.by_peer);
    assert_int_equal(them->refused.refused.code, lie->code);
}

static void test_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof LIES / sizeof LIES[0]; i++) {
        for (int dials = 0; dials < 2; dials++) {
            teardown(NULL);
            setup(NULL);
            LIES[i].tell();
            struct fixture_end *us = dials ? meet(LIAR, JUDGE, JUDGE) : meet(JUDGE, LIAR, JUDGE);
            assert_refused(&LIES[i], us, us == &join.ends[0] ? &join.ends[1] : &join.ends[0]);
        }
    }
}

/* --- and the truth ---------------------------------------------------------------------------- */

static void test_join_unknown_to_each_other(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        teardown(NULL);
        setup(NULL);
        const struct fixture_end *us = meet((size_t)i, 1 - (size_t)i, 0);
        assert_int_equal(us->ups, 1);
        assert_int_equal(join.ends[0].ups + join.ends[1].ups, 2);
        const struct node_session_peer *peer = node_session_peer(us->session);
        assert_true(peer->shown->has_bundle);
        assert_true(node_bundle_equal(&peer->shown->bundle, &bundles[1]));
        assert_int_equal(us->waiting, 0);
    }
}

/* What HELLO showed is in the store by the time of the next snapshot, and the session stays. */
static void test_stays_with_the_next_snapshot(void **state)
{
    (void)state;
    meet(0, 1, 0);
    offer(&bundles[0]);
    offer(&bundles[1]);
    mesh_fixture_publish(&f);
    fixture_link_kind(&join, 0, NODE_SESSION_EV_SNAPSHOT);
    fixture_link_kind(&join, 1, NODE_SESSION_EV_SNAPSHOT);
    assert_int_equal(join.ends[0].downs + join.ends[1].downs, 0);
}

/* A rotation drops the old key with the next judgement. */
static void test_superseded_session_is_evicted(void **state)
{
    (void)state;
    meet(JUDGE, LIAR, JUDGE);
    offer(&bundles[JUDGE]);
    offer(&bundles[LIAR]);
    mesh_fixture_publish(&f);
    a_later_one_is_known();
    fixture_link_kind(&join, 0, NODE_SESSION_EV_SNAPSHOT);
    assert_int_equal(join.ends[0].downs, 1);
    assert_int_equal(join.ends[0].down.down.reason, NODE_REASON_EVICTED);
    assert_int_equal(join.ends[0].down.down.refusal.reason, NODE_REASON_NO_SEAT);
}

/* With our own contract key 16 has no business in a HELLO. */
static void test_our_contract_refuses_key_16(void **state)
{
    (void)state;
    mesh_fixture_deinit(&f);
    mesh_fixture_init(&f);
    keys_of(LIAR)->has_authorisation = true;
    const struct fixture_end *us = meet(LIAR, JUDGE, JUDGE);
    assert_int_equal(us->refusals, 1);
    assert_int_equal(us->refused.refused.refusal.reason, NODE_REASON_MALFORMED);
}

/* Line 1 is the half that needs no seat. */
static void test_self_and_copy_are_still_told(void **state)
{
    struct node_refusal refusal;
    const struct fixture_node *n = &f.nodes[0];
    (void)state;
    assert_int_equal(node_admission_judge_static(&refusal, &n->admission, &n->identity,
                                                 &keys_of(0)->node_key, true),
                     NODE_REASON_SELF);
    assert_int_equal(node_admission_judge_static(&refusal, &n->admission, &n->identity,
                                                 &keys_of(0)->node_key, false),
                     NODE_REASON_COPY);
    assert_int_equal(node_admission_judge_static(&refusal, &n->admission, &n->identity,
                                                 &keys_of(1)->node_key, false),
                     NODE_REASON_NONE);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_lies),
        CASE(test_join_unknown_to_each_other),
        CASE(test_stays_with_the_next_snapshot),
        CASE(test_superseded_session_is_evicted),
        CASE(test_our_contract_refuses_key_16),
        CASE(test_self_and_copy_are_still_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
