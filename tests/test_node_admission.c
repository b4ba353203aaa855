/* Who comes in: every line of the table refuses with exactly its reason on a HELLO that differs in
 * this line only, and of two faults the earlier line is named. */
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

#define PEER  0
#define JUDGE 1

/* A HELLO in the making: faults change ingredients, make_hello() signs what is left. */
struct scene {
    struct mesh_fixture *f;
    struct node_admission admission;
    struct attest_pins pins;
    struct chain_seat *seat; /* the peer's */
    struct node_keyset keys; /* what the peer claims */
    struct base_key33 node_key;
    uint64_t features, chain_id;
    struct base_eth_address contract, record_instance;
    char settings[ATTEST_SETTINGS_BYTES_MAX + 1];
    const struct node_keyset *record_keys; /* whose record it shows */
    const struct base_eip712_domain *record_domain;
    bool bad_record, bad_record_sig;
    struct base_privkey pop_priv;
    enum base_role role, pop_role;
    struct base_hash32 h, pop_h;
    struct base_eip712_domain pop_domain;
    bool pop_garbage;
    bool cut, authorisation; /* a byte too few; key 16 appended */
    struct gossip_signed_record record;
    uint8_t data[ATTEST_HELLO_BYTES_MAX + 512];
    size_t len;
};

static struct mesh_fixture fixture;

static void scene_init(struct scene *s)
{
    const struct node_identity *id = &fixture.nodes[PEER].identity;
    mesh_fixture_deinit(&fixture);
    mesh_fixture_init(&fixture);
    memset(s, 0, sizeof *s);
    s->f = &fixture;
    s->admission = fixture.nodes[JUDGE].admission;
    s->pins = fixture.pins;
    s->admission.pins = &s->pins;
    s->seat = &fixture.seats[PEER];
    s->keys = id->keys;
    s->node_key = id->keys.node_key;
    s->chain_id = id->chain_id;
    s->contract = id->contract;
    s->record_instance = id->keys.instance;
    strcpy(s->settings, FIXTURE_SETTINGS);
    s->record_keys = &id->keys;
    s->record_domain = &id->domain;
    s->pop_priv = id->keys.proof_priv;
    memset(s->h.bytes, 0x5a, sizeof s->h.bytes);
    s->pop_h = s->h;
    s->pop_domain = id->domain;
}

static void make_record(struct scene *s)
{
    mesh_fixture_record(&s->record, s->record_keys, &s->record_instance, 1, s->record_domain);
    if (s->bad_record) s->record.body[0] = 0xc1;
    if (s->bad_record_sig) s->record.sig.bytes[40] ^= 1;
}

static void append_authorisation(struct scene *s)
{
    uint8_t *p = s->data;
    size_t value = 8 + 32 + 8 + 3 * BASE_SIG65_BYTES;
    assert_int_equal(p[0], 0xde); /* map 16, two bytes of count */
    p[2]++;
    p[s->len++] = 16;
    p[s->len++] = 0xc4;
    p[s->len++] = (uint8_t)value;
    memset(p + s->len, 7, value);
    s->len += value;
}

static void make_hello(struct scene *s)
{
    struct attest_hello hello = {.wire_minor = ATTEST_WIRE_MINOR, .features = s->features};
    struct base_hash32 digest;
    make_record(s);
    hello.chain_id = s->chain_id;
    hello.contract = s->contract;
    hello.settings = (struct base_slice){(const uint8_t *)s->settings, strlen(s->settings)};
    hello.token_id = s->keys.token_id;
    hello.instance = s->keys.instance;
    hello.start_incarnation = 1;
    hello.record = (struct base_slice){s->record.body, s->record.body_len};
    hello.record_sig = s->record.sig;
    hello.proof_key = s->keys.proof_key;
    hello.app_id = s->keys.app_id;
    hello.app_key = s->keys.app_key;
    hello.app_sig = s->keys.app_sig;
    hello.kms_sig = s->keys.kms_sig;
    base_eip712_hello(&digest, &s->pop_domain, &s->pop_h, s->pop_role, &s->node_key);
    assert_int_equal(base_ecdsa_sign(&hello.pop, &digest, &s->pop_priv), BASE_OK);
    if (s->pop_garbage) memset(hello.pop.bytes, 0xff, sizeof hello.pop.bytes);
    assert_int_equal(attest_hello_encode(s->data, &s->len, ATTEST_HELLO_BYTES_MAX, &hello),
                     BASE_OK);
    if (s->authorisation) append_authorisation(s);
    if (s->cut) s->len--;
}

static enum node_reason judge_hello(struct scene *s, struct node_refusal *refusal)
{
    struct attest_hello hello;
    struct node_facts facts;
    make_hello(s);
    s->admission.snapshot = mesh_fixture_snapshot(s->f);
    struct node_hello_input in = {s->role, s->h, s->node_key, s->data, s->len};
    enum node_reason reason =
        node_admission_judge_hello(refusal, &hello, &facts, NULL, &s->admission, &in);
    assert_int_equal(reason, refusal->reason);
    assert_int_equal(refusal->block, s->admission.snapshot->block.number);
    return reason;
}

/* --- faults, in the order of the table ------------------------------------------------------ */

static void cut_short(struct scene *s)
{
    s->cut = true;
}
static void show_authorisation(struct scene *s)
{
    s->authorisation = true;
}
static void garble_record(struct scene *s)
{
    s->bad_record = true;
}
static void require_feature(struct scene *s)
{
    s->features = UINT64_C(1) << 62;
}
static void require_first_feature(struct scene *s)
{
    s->features = 3; /* 0 is even: required; 1 is odd */
}
static void other_chain(struct scene *s)
{
    s->chain_id = 1;
}
static void other_contract(struct scene *s)
{
    s->contract.bytes[19] ^= 1;
}
static void other_finality(struct scene *s)
{
    strcpy(s->settings, "finality=safe purpose=nftmesh-node-v1 weight=nft window=4 lease=3000");
}
static void other_lease(struct scene *s)
{
    strcpy(s->settings, "finality=latest-2 purpose=nftmesh-node-v1 weight=nft window=4 lease=2999");
}
static void fewer_settings(struct scene *s)
{
    strcpy(s->settings, "finality=latest-2 purpose=nftmesh-node-v1 weight=nft window=4");
}
static void no_settings(struct scene *s)
{
    s->settings[0] = '\0';
}
static void record_of_another(struct scene *s)
{
    s->record_keys = &s->f->nodes[2].identity.keys;
}
static void leave_seat(struct scene *s)
{
    s->seat->has_keys = false;
}
static void rotate_away(struct scene *s)
{
    mesh_fixture_keys(s->f, &s->f->nodes[3].identity.keys, "rotated", 1);
    s->seat->node_key = s->f->nodes[3].identity.keys.node_key;
}
static void other_token(struct scene *s)
{
    s->keys.token_id = base_u256_from_u64(2);
}
static void huge_token(struct scene *s)
{
    s->keys.token_id.bytes[0] = 1; /* equal in the low 64 bits */
}
static void other_instance(struct scene *s)
{
    s->keys.instance.bytes[0] ^= 1;
}
static void other_record_instance(struct scene *s)
{
    s->record_instance.bytes[0] ^= 1;
}
static void no_instance_at_all(struct scene *s)
{
    memset(&s->seat->instance, 0, sizeof s->seat->instance);
    memset(&s->keys.instance, 0, sizeof s->keys.instance);
    memset(&s->record_instance, 0, sizeof s->record_instance);
}
/* A whole other D with its own good chain and its own good pop. */
static void other_proof_key(struct scene *s)
{
    struct node_keyset other;
    mesh_fixture_keys(s->f, &other, "sibling", 1);
    s->keys.proof_key = other.proof_key;
    s->keys.app_sig = other.app_sig;
    s->pop_priv = other.proof_priv;
}
static void sell(struct scene *s)
{
    mesh_fixture_address(&s->seat->owner, "buyer");
}
static void deactivate(struct scene *s)
{
    s->seat->active = false;
}
static void suspend(struct scene *s)
{
    s->seat->suspended_until = s->f->head.block.time_s + 1;
}
static void let_expire(struct scene *s)
{
    s->seat->expires_at = s->f->head.block.time_s; /* exactly now is too late */
}
static void register_under_new_root(struct scene *s)
{
    s->seat->root_epoch = 2;
}
static void unknown_epoch(struct scene *s)
{
    s->f->head.root_epoch = 0;
    s->f->head.root_count = 0;
    s->seat->root_epoch = 0;
}
static void take_app_off_the_list(struct scene *s)
{
    mesh_fixture_address(&s->f->head.app_ids[0], "another app");
}
static void unpin_app(struct scene *s)
{
    struct base_eth_address other;
    mesh_fixture_address(&other, "another app");
    s->pins.app_ids[0] = other;
}
static void garble_record_signature(struct scene *s)
{
    s->bad_record_sig = true;
}
static void record_of_another_mesh(struct scene *s)
{
    static struct base_eip712_domain domain;
    struct base_eth_address contract;
    mesh_fixture_address(&contract, "another contract");
    base_eip712_domain_init(&domain, FIXTURE_CHAIN_ID, &contract);
    s->record_domain = &domain;
}
static void app_key_is_no_point(struct scene *s)
{
    memset(s->keys.app_key.bytes + 1, 0xff, 32);
}
static void app_signature_v_27(struct scene *s)
{
    s->keys.app_sig.bytes[64] = (uint8_t)(s->keys.app_sig.bytes[64] + 27);
}
static void kms_signature_zero(struct scene *s)
{
    memset(&s->keys.kms_sig, 0, sizeof s->keys.kms_sig);
}
static void other_purpose(struct scene *s)
{
    assert_int_equal(attest_sign_app(&s->keys.app_sig, &s->f->app_priv, "wallet", 6,
                                     s->keys.proof_key.bytes, BASE_KEY33_BYTES),
                     BASE_OK);
}
static void own_app_key(struct scene *s) /* signs itself: the prototype's hole */
{
    struct base_privkey eve;
    mesh_fixture_privkey(&eve, "eve");
    assert_int_equal(attest_sign_app(&s->keys.app_sig, &eve, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                                     s->keys.proof_key.bytes, BASE_KEY33_BYTES),
                     BASE_OK);
}
static void other_kms(struct scene *s)
{
    struct base_privkey eve;
    mesh_fixture_privkey(&eve, "eve");
    assert_int_equal(attest_sign_kms(&s->keys.kms_sig, &eve, &s->keys.app_id, &s->keys.app_key),
                     BASE_OK);
}
static void other_app_of_the_kms(struct scene *s) /* a genuine chain of another app */
{
    struct base_privkey app;
    mesh_fixture_address(&s->keys.app_id, "eve's app");
    assert_int_equal(attest_derive_app_key(&app, &s->f->kms_priv, &s->keys.app_id), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey(&s->keys.app_key, &app), BASE_OK);
    assert_int_equal(attest_sign_app(&s->keys.app_sig, &app, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                                     s->keys.proof_key.bytes, BASE_KEY33_BYTES),
                     BASE_OK);
    assert_int_equal(
        attest_sign_kms(&s->keys.kms_sig, &s->f->kms_priv, &s->keys.app_id, &s->keys.app_key),
        BASE_OK);
}
static void pop_by_node_key(struct scene *s)
{
    s->pop_priv = s->f->nodes[PEER].identity.keys.node_priv;
}
static void pop_of_other_role(struct scene *s)
{
    s->pop_role = BASE_ROLE_RESPONDER;
}
static void pop_of_other_session(struct scene *s)
{
    s->pop_h.bytes[0] ^= 1;
}
static void pop_of_other_mesh(struct scene *s)
{
    base_eip712_domain_init(&s->pop_domain, 1, &s->contract);
}
static void pop_is_garbage(struct scene *s)
{
    s->pop_garbage = true;
}

static const struct fault {
    const char *name;
    unsigned line;
    enum node_reason reason;
    void (*apply)(struct scene *s);
    unsigned who; /* MEMBER, RECHECK, KEY: applies to these judges too */
} FAULTS[] = {
#define MEMBER  1u
#define RECHECK 2u
#define KEY     4u
#define SEAT    (MEMBER | RECHECK | KEY)
    {"02 a byte too few", 2, NODE_REASON_MALFORMED, cut_short, 0},
    {"02 authorisation", 2, NODE_REASON_MALFORMED, show_authorisation, 0},
    {"02 record is no map", 2, NODE_REASON_MALFORMED, garble_record, MEMBER},
    {"03 even feature bit", 3, NODE_REASON_FEATURE_REQUIRED, require_feature, 0},
    {"03 feature bit 0", 3, NODE_REASON_FEATURE_REQUIRED, require_first_feature, 0},
    {"04 chain id", 4, NODE_REASON_NOT_THIS_MESH, other_chain, 0},
    {"04 contract", 4, NODE_REASON_NOT_THIS_MESH, other_contract, 0},
    {"05 first setting", 5, NODE_REASON_SETTINGS_DIFFER, other_finality, 0},
    {"05 last setting", 5, NODE_REASON_SETTINGS_DIFFER, other_lease, 0},
    {"05 a setting less", 5, NODE_REASON_SETTINGS_DIFFER, fewer_settings, 0},
    {"05 no settings", 5, NODE_REASON_SETTINGS_DIFFER, no_settings, 0},
    {"06 record of another node", 6, NODE_REASON_RECORD_KEY, record_of_another, MEMBER},
    {"07 no key on the seat", 7, NODE_REASON_NO_SEAT, leave_seat, SEAT},
    {"07 another key on the seat", 7, NODE_REASON_NO_SEAT, rotate_away, SEAT},
    {"08 token", 8, NODE_REASON_TOKEN_DIFFERS, other_token, RECHECK},
    {"08 token equal in 64 bits", 8, NODE_REASON_TOKEN_DIFFERS, huge_token, RECHECK},
    {"09 instance", 9, NODE_REASON_INSTANCE_DIFFERS, other_instance, RECHECK},
    {"09 instance of the record", 9, NODE_REASON_INSTANCE_DIFFERS, other_record_instance, MEMBER},
    {"09 no instance", 9, NODE_REASON_INSTANCE_DIFFERS, no_instance_at_all, MEMBER | RECHECK},
    {"10 proof key", 10, NODE_REASON_PROOF_KEY_DIFFERS, other_proof_key, MEMBER | RECHECK},
    {"11 sold", 11, NODE_REASON_OWNER_CHANGED, sell, SEAT},
    {"12 deactivated", 12, NODE_REASON_INACTIVE, deactivate, SEAT},
    {"13 suspended", 13, NODE_REASON_SUSPENDED, suspend, SEAT},
    {"14 expired", 14, NODE_REASON_EXPIRED, let_expire, SEAT},
    {"15 epoch of a root not pinned", 15, NODE_REASON_ROOT_EPOCH, register_under_new_root, SEAT},
    {"15 epoch of no root", 15, NODE_REASON_ROOT_EPOCH, unknown_epoch, SEAT},
    {"15 app off the list", 15, NODE_REASON_APP_ID_NOT_ALLOWED, take_app_off_the_list, SEAT},
    {"15 app not pinned", 15, NODE_REASON_APP_ID_NOT_ALLOWED, unpin_app, SEAT},
    {"16 record signature", 16, NODE_REASON_RECORD_SIGNATURE, garble_record_signature, MEMBER},
    {"16 record of another mesh", 16, NODE_REASON_RECORD_SIGNATURE, record_of_another_mesh, MEMBER},
    {"17 app key off the curve", 17, NODE_REASON_CHAIN_ENCODING, app_key_is_no_point, MEMBER},
    {"17 v of 27", 17, NODE_REASON_CHAIN_ENCODING, app_signature_v_27, MEMBER},
    {"17 KMS signature of zeros", 17, NODE_REASON_CHAIN_ENCODING, kms_signature_zero, MEMBER},
    {"17 another purpose", 17, NODE_REASON_CHAIN_APP_SIGNATURE, other_purpose, MEMBER},
    {"17 signed by itself", 17, NODE_REASON_CHAIN_APP_SIGNATURE, own_app_key, MEMBER},
    {"17 another KMS", 17, NODE_REASON_CHAIN_KMS_ROOT, other_kms, MEMBER},
    {"17 another app", 17, NODE_REASON_APP_ID_NOT_ALLOWED, other_app_of_the_kms, MEMBER | RECHECK},
    {"18 by N", 18, NODE_REASON_POP, pop_by_node_key, 0},
    {"18 other role", 18, NODE_REASON_POP, pop_of_other_role, 0},
    {"18 other session", 18, NODE_REASON_POP, pop_of_other_session, 0},
    {"18 other mesh", 18, NODE_REASON_POP, pop_of_other_mesh, 0},
    {"18 garbage", 18, NODE_REASON_POP, pop_is_garbage, 0},
};
#define FAULT_COUNT (sizeof FAULTS / sizeof FAULTS[0])

/* --- HELLO ----------------------------------------------------------------------------------- */

static void test_honest_hello_is_accepted(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    (void)state;
    scene_init(&s);
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_NONE);
    scene_init(&s);
    s.role = s.pop_role = BASE_ROLE_RESPONDER;
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_NONE);
    scene_init(&s);
    s.features = UINT64_C(0xaaaaaaaaaaaaaaaa); /* unknown odd bits are ignored */
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_NONE);
}

/* The edges of time: suspended until exactly now is over, expiring in a second is not. */
static void test_edges_of_block_time(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    (void)state;
    scene_init(&s);
    s.seat->suspended_until = fixture.head.block.time_s;
    s.seat->expires_at = fixture.head.block.time_s + 1;
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_NONE);
}

/* A root change on the contract that is not pinned drops nobody: the seat's epoch is that of the
 * pinned root, whatever root the contract names now. */
static void test_seat_of_the_pinned_root_outlives_a_root_change(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    (void)state;
    scene_init(&s);
    mesh_fixture_address(&fixture.head.kms_root, "stolen root");
    fixture.head.root_epoch = 2;
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_NONE);
    register_under_new_root(&s);
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_ROOT_EPOCH);
}

/* While a KMS changes its root two are pinned, and a chain counts under the one of its seat. */
static void test_two_pinned_roots(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    struct base_eth_address second;
    (void)state;
    scene_init(&s);
    mesh_fixture_address(&second, "second root");
    s.pins.roots[1] = second;
    s.pins.root_count = 2;
    fixture.head.kms_root = second;
    fixture.head.root_epoch = 2;
    fixture.head.roots[1] = (struct chain_root){second, 2};
    fixture.head.root_count = 2;
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_NONE);
    /* The same chain on a seat of the second root: the epoch is trusted, the chain is not its. */
    register_under_new_root(&s);
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_CHAIN_KMS_ROOT);
}

/* Everybody has the private key of this root: a chain from it proves nothing, except in --dev. */
static void test_public_root_needs_dev(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    (void)state;
    scene_init(&s);
    struct base_eth_address root;
    assert_int_equal(base_address_parse(&root, "0x8f2cF602C9695b23130367ed78d8F557554de7C5"),
                     BASE_OK);
    s.pins.roots[0] = fixture.head.kms_root = fixture.head.roots[0].root = root;
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_ROOT_EPOCH);
    assert_non_null(strstr(refusal.found, "public"));
    s.admission.dev = true; /* past line 15; the fixture's chain is of another root */
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_CHAIN_KMS_ROOT);
}

static void test_nobody_is_admitted_without_a_snapshot(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    struct attest_hello hello;
    struct node_facts facts;
    (void)state;
    scene_init(&s);
    make_hello(&s);
    s.admission.snapshot = NULL;
    struct node_hello_input in = {s.role, s.h, s.node_key, s.data, s.len};
    assert_int_equal(node_admission_judge_hello(&refusal, &hello, &facts, NULL, &s.admission, &in),
                     NODE_REASON_NOT_READY);
    assert_int_equal(node_admission_judge_key(&refusal, &s.admission, &s.node_key),
                     NODE_REASON_NOT_READY);
    assert_int_equal(refusal.block, 0);
}

static void test_nothing_pinned_admits_nobody(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    (void)state;
    scene_init(&s);
    memset(&s.pins, 0, sizeof s.pins);
    assert_int_equal(judge_hello(&s, &refusal), NODE_REASON_ROOT_EPOCH);
}

static void test_fault_is_refused(void **state)
{
    const struct fault *fault = *state;
    struct scene s;
    struct node_refusal refusal;
    scene_init(&s);
    fault->apply(&s);
    assert_int_equal(judge_hello(&s, &refusal), fault->reason);
    /* Line 17 has one code for all of its steps. */
    enum node_code code =
        fault->line == 17 ? NODE_CODE_NOT_ADMITTED : node_reason_code(fault->reason);
    assert_int_equal(refusal.code, code);
}

static bool is_possible(const struct fault *a, const struct fault *b)
{
    /* These two rewrite the same ingredient: together they are one fault, or none. */
    bool instance = a->line == 9 && b->line == 9;
    return a->line != b->line && !instance;
}

/* Of two faults the line with the smaller number is named, in every pair. */
static void test_earlier_line_is_named(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    unsigned pairs = 0;
    (void)state;
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        for (size_t j = i + 1; j < FAULT_COUNT; j++) {
            if (!is_possible(&FAULTS[i], &FAULTS[j])) continue;
            scene_init(&s);
            FAULTS[i].apply(&s);
            FAULTS[j].apply(&s);
            enum node_reason reason = judge_hello(&s, &refusal);
            if (reason != FAULTS[i].reason)
                fail_msg("%s with %s: %s", FAULTS[i].name, FAULTS[j].name,
                         node_reason_name(reason));
            pairs++;
        }
    }
    assert_true(pairs > 700);
}

/* A refusal leaves nothing behind that looks like an acceptance. */
static void test_facts_are_set_on_acceptance_only(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    struct attest_hello hello;
    struct node_facts facts, untouched;
    (void)state;
    memset(&untouched, 0xee, sizeof untouched);
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        scene_init(&s);
        FAULTS[i].apply(&s);
        make_hello(&s);
        s.admission.snapshot = mesh_fixture_snapshot(s.f);
        facts = untouched;
        struct node_hello_input in = {s.role, s.h, s.node_key, s.data, s.len};
        node_admission_judge_hello(&refusal, &hello, &facts, NULL, &s.admission, &in);
        assert_memory_equal(&facts, &untouched, sizeof facts);
    }
}

static void test_settings_name_the_first_difference(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    (void)state;
    scene_init(&s);
    other_finality(&s);
    judge_hello(&s, &refusal);
    assert_string_equal(refusal.expected, "finality ours=latest-2");
    assert_string_equal(refusal.found, "theirs=safe");
    scene_init(&s);
    other_lease(&s);
    judge_hello(&s, &refusal);
    assert_string_equal(refusal.expected, "lease ours=3000");
    assert_string_equal(refusal.found, "theirs=2999");
    scene_init(&s);
    fewer_settings(&s);
    judge_hello(&s, &refusal);
    assert_string_equal(refusal.expected, "lease ours=lease=3000");
    assert_string_equal(refusal.found, "theirs=");
    scene_init(&s);
    strcat(s.settings, " extra=1");
    judge_hello(&s, &refusal);
    assert_string_equal(refusal.expected, "extra ours=");
    assert_string_equal(refusal.found, "theirs=extra=1");
}

/* --- the other judges ------------------------------------------------------------------------ */

/* Line 1, for a responder: our own key is ourselves or a copy of us; any other must have a seat. */
static void test_static_key(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    (void)state;
    scene_init(&s);
    struct fixture_node *judge = &fixture.nodes[JUDGE];
    const struct node_admission *a = &judge->admission;
    struct node_identity *id = &judge->identity;
    assert_int_equal(node_admission_judge_static(&refusal, a, id, &s.node_key, false),
                     NODE_REASON_NONE);
    assert_int_equal(node_admission_judge_static(&refusal, a, id, &id->keys.node_key, true),
                     NODE_REASON_SELF);
    assert_int_equal(node_admission_judge_static(&refusal, a, id, &id->keys.node_key, false),
                     NODE_REASON_COPY);
    struct node_keyset other;
    mesh_fixture_keys(&fixture, &other, "other", 9);
    assert_int_equal(node_admission_judge_static(&refusal, a, id, &other.node_key, false),
                     NODE_REASON_NO_SEAT);
    id->other = other; /* the other one of a rotation is ours too */
    id->has_other = true;
    assert_int_equal(node_admission_judge_static(&refusal, a, id, &other.node_key, false),
                     NODE_REASON_COPY);
}

static enum node_reason judge_member(struct scene *s, struct node_refusal *refusal,
                                     struct node_facts *facts)
{
    struct node_proof proof;
    uint8_t blob[NODE_PROOF_BYTES];
    make_record(s);
    node_proof_of(&proof, &s->keys);
    node_proof_encode(blob, &proof);
    s->admission.snapshot = mesh_fixture_snapshot(s->f);
    return node_admission_judge_member(refusal, facts, &s->admission, &s->node_key, &s->record,
                                       blob, sizeof blob);
}

static void test_honest_member_is_listed(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    struct node_facts facts;
    (void)state;
    scene_init(&s);
    assert_int_equal(judge_member(&s, &refusal, &facts), NODE_REASON_NONE);
    assert_true(base_u256_equal(&facts.token_id, &s.seat->token_id));
    assert_true(base_key33_equal(&facts.node_key, &s.node_key));
}

static void test_member_fault_is_refused(void **state)
{
    const struct fault *fault = *state;
    struct scene s;
    struct node_refusal refusal;
    struct node_facts facts;
    scene_init(&s);
    fault->apply(&s);
    assert_int_equal(judge_member(&s, &refusal, &facts), fault->reason);
}

static void test_key_fault_is_refused(void **state)
{
    const struct fault *fault = *state;
    struct scene s;
    struct node_refusal refusal;
    scene_init(&s);
    fault->apply(&s);
    s.admission.snapshot = mesh_fixture_snapshot(s.f);
    assert_int_equal(node_admission_judge_key(&refusal, &s.admission, &s.node_key), fault->reason);
}

/* The session is up; a new snapshot differs from what the peer proved. */
static void test_recheck_fault_evicts(void **state)
{
    const struct fault *fault = *state;
    struct scene s;
    struct node_refusal refusal;
    scene_init(&s);
    fault->apply(&s);
    struct node_facts facts = {s.node_key, s.keys.proof_key, s.keys.token_id, s.keys.instance,
                               s.keys.app_id};
    s.admission.snapshot = mesh_fixture_snapshot(s.f);
    assert_int_equal(node_admission_recheck(&refusal, &s.admission, &facts), fault->reason);
}

static void test_recheck_keeps_who_still_counts(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    (void)state;
    scene_init(&s);
    struct node_facts facts = {s.node_key, s.keys.proof_key, s.keys.token_id, s.keys.instance,
                               s.keys.app_id};
    s.seat->expires_at += 5; /* renewed */
    s.seat->nonce++;
    s.admission.snapshot = mesh_fixture_snapshot(s.f);
    assert_int_equal(node_admission_recheck(&refusal, &s.admission, &facts), NODE_REASON_NONE);
    /* Time alone can end it, though no storage has changed. */
    fixture.head.block.time_s = s.seat->expires_at;
    s.admission.snapshot = mesh_fixture_snapshot(s.f);
    assert_int_equal(node_admission_recheck(&refusal, &s.admission, &facts), NODE_REASON_EXPIRED);
}

static void test_proof_blob_is_strict(void **state)
{
    struct scene s;
    struct node_proof proof, again;
    uint8_t blob[NODE_PROOF_BYTES + 1] = {0};
    (void)state;
    scene_init(&s);
    node_proof_of(&proof, &s.keys);
    node_proof_encode(blob, &proof);
    assert_int_equal(node_proof_decode(&again, blob, NODE_PROOF_BYTES), BASE_OK);
    assert_memory_equal(&proof, &again, sizeof proof);
    for (size_t len = 0; len < NODE_PROOF_BYTES; len++)
        assert_int_equal(node_proof_decode(&again, blob, len), BASE_EMALFORMED);
    assert_int_equal(node_proof_decode(&again, blob, NODE_PROOF_BYTES + 1), BASE_EMALFORMED);
    blob[0]++;
    assert_int_equal(node_proof_decode(&again, blob, NODE_PROOF_BYTES), BASE_EUNSUPPORTED);
}

static void test_member_with_a_bad_blob_is_malformed(void **state)
{
    struct scene s;
    struct node_refusal refusal;
    struct node_facts facts;
    (void)state;
    scene_init(&s);
    make_record(&s);
    s.admission.snapshot = mesh_fixture_snapshot(s.f);
    assert_int_equal(
        node_admission_judge_member(&refusal, &facts, &s.admission, &s.node_key, &s.record, "", 0),
        NODE_REASON_MALFORMED);
}

/* --- words ----------------------------------------------------------------------------------- */

static void test_every_reason_has_its_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < NODE_REASON_COUNT; i++) {
        enum node_reason back;
        struct node_refusal refusal;
        struct base_buf buf;
        const char *name = node_reason_name((enum node_reason)i);
        assert_true(strlen(name) > 0 &&
                    strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
        assert_int_equal(node_reason_parse(&back, name), BASE_OK);
        assert_int_equal(back, i);
        node_refusal_set(&refusal, (enum node_reason)i, 12);
        node_refusal_expect(&refusal, "this");
        node_refusal_find(&refusal, "that\n");
        base_buf_init(&buf, 4096);
        node_refusal_explain(&buf, &refusal);
        assert_non_null(strstr(buf.data, ". Expected: this. Found: that?. Judged at block 12."));
        base_buf_deinit(&buf);
    }
    enum node_reason back;
    assert_int_equal(node_reason_parse(&back, "no_such_reason"), BASE_ENOTFOUND);
}

/* The codes of the table's right column: what a peer may learn. */
static void test_codes(void **state)
{
    static const struct {
        enum node_reason reason;
        int code;
    } table[] = {
        {NODE_REASON_JUNK, 0},
        {NODE_REASON_SELF, 1},
        {NODE_REASON_COPY, 1},
        {NODE_REASON_MALFORMED, 8},
        {NODE_REASON_FEATURE_REQUIRED, 7},
        {NODE_REASON_NOT_THIS_MESH, 3},
        {NODE_REASON_SETTINGS_DIFFER, 2},
        {NODE_REASON_RECORD_KEY, 3},
        {NODE_REASON_NO_SEAT, 1},
        {NODE_REASON_TOKEN_DIFFERS, 3},
        {NODE_REASON_INSTANCE_DIFFERS, 3},
        {NODE_REASON_PROOF_KEY_DIFFERS, 3},
        {NODE_REASON_OWNER_CHANGED, 1},
        {NODE_REASON_INACTIVE, 1},
        {NODE_REASON_SUSPENDED, 1},
        {NODE_REASON_EXPIRED, 1},
        {NODE_REASON_ROOT_EPOCH, 1},
        {NODE_REASON_RECORD_SIGNATURE, 3},
        {NODE_REASON_CHAIN_ENCODING, 3},
        {NODE_REASON_CHAIN_APP_SIGNATURE, 3},
        {NODE_REASON_CHAIN_KMS_ROOT, 3},
        {NODE_REASON_POP, 3},
        {NODE_REASON_KEY_IN_USE, 4},
        {NODE_REASON_BUSY, 5},
        {NODE_REASON_NOT_READY, 6},
        {NODE_REASON_EVICTED, 9},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(node_reason_code(table[i].reason), table[i].code);
    assert_string_equal(node_code_name(2), "settings_differ");
    assert_string_equal(node_code_name(17), "duplicate");
    assert_string_equal(node_code_name(10), "code");
    assert_string_equal(node_code_name(255), "code");
}

static int teardown(void **state)
{
    (void)state;
    mesh_fixture_deinit(&fixture);
    return 0;
}

static void add_faults(struct CMUnitTest *tests, size_t *count, const char *judge, unsigned who,
                       CMUnitTestFunction run)
{
    static char names[4 * FAULT_COUNT][96];
    static size_t used;
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        if (who != 0 && (FAULTS[i].who & who) == 0) continue;
        snprintf(names[used], sizeof names[used], "%s: %s", judge, FAULTS[i].name);
        tests[(*count)++] = (struct CMUnitTest){.name = names[used++],
                                                .test_func = run,
                                                .initial_state = (void *)(uintptr_t)&FAULTS[i]};
    }
}

int main(void)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(test_honest_hello_is_accepted),
        cmocka_unit_test(test_edges_of_block_time),
        cmocka_unit_test(test_seat_of_the_pinned_root_outlives_a_root_change),
        cmocka_unit_test(test_two_pinned_roots),
        cmocka_unit_test(test_public_root_needs_dev),
        cmocka_unit_test(test_nobody_is_admitted_without_a_snapshot),
        cmocka_unit_test(test_nothing_pinned_admits_nobody),
        cmocka_unit_test(test_earlier_line_is_named),
        cmocka_unit_test(test_facts_are_set_on_acceptance_only),
        cmocka_unit_test(test_settings_name_the_first_difference),
        cmocka_unit_test(test_static_key),
        cmocka_unit_test(test_honest_member_is_listed),
        cmocka_unit_test(test_recheck_keeps_who_still_counts),
        cmocka_unit_test(test_proof_blob_is_strict),
        cmocka_unit_test(test_member_with_a_bad_blob_is_malformed),
        cmocka_unit_test(test_every_reason_has_its_words),
        cmocka_unit_test(test_codes),
    };
    static struct CMUnitTest tests[sizeof fixed / sizeof fixed[0] + 4 * FAULT_COUNT];
    size_t count = sizeof fixed / sizeof fixed[0];
    memcpy(tests, fixed, sizeof fixed);
    add_faults(tests, &count, "HELLO", 0, test_fault_is_refused);
    add_faults(tests, &count, "member", MEMBER, test_member_fault_is_refused);
    add_faults(tests, &count, "key", KEY, test_key_fault_is_refused);
    add_faults(tests, &count, "recheck", RECHECK, test_recheck_fault_evicts);
    return _cmocka_run_group_tests("node_admission", tests, count, NULL, teardown);
}
