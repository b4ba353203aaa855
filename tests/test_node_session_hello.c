/* The table of HELLO with real sessions: each line is broken once, by the end that dials and by the
 * one that is dialled, and nothing else differs. The judge names the line, the other side learns a
 * coarse code, and nobody believes that it joined. */
#include "mesh_fixture.h"

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mesh_fixture f;
static struct fixture_link link_a, link_b;
static uint8_t body[ATTEST_FRAME_BYTES_MAX];

static int setup(void **state)
{
    (void)state;
    mesh_fixture_init(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_link_deinit(&link_a);
    fixture_link_deinit(&link_b);
    mesh_fixture_deinit(&f);
    return 0;
}

static const struct base_key33 *key_of(size_t node)
{
    return &f.nodes[node].identity.keys.node_key;
}

static void join(struct fixture_link *link, size_t dialer, size_t acceptor)
{
    fixture_link_init(link, &f.nodes[dialer], &f.nodes[acceptor]);
    assert_int_equal(fixture_link_open(link, key_of(acceptor)), BASE_OK);
}

static void assert_refused_by_judge(struct fixture_link *link, size_t judge,
                                    enum node_reason reason, unsigned code)
{
    const struct fixture_end *us = &link->ends[judge], *them = &link->ends[1 - judge];
    assert_int_equal(us->ups + them->ups, 0);
    assert_int_equal(us->refusals, 1);
    assert_false(us->refused.refused.by_peer);
    if (us->refused.refused.refusal.reason != reason)
        fail_msg("refused as %s", node_reason_name(us->refused.refused.refusal.reason));
    if (them->session != NULL) {
        assert_int_equal(them->refusals, 1);
        assert_true(them->refused.refused.by_peer);
        assert_int_equal(them->refused.refused.code, code);
        assert_int_equal(them->refused.refused.copy, NODE_COPY_NONE);
    }
    fixture_link_advance(link, NODE_SESSION_LINGER_MS);
    assert_int_equal(us->closes, 1);
    assert_int_equal(us->close, reason);
    assert_int_equal(us->ups + them->ups, 0);
}

/* --- lies that an honest session can be made to tell ------------------------------------------ */

struct lie {
    const char *name;
    enum node_reason reason;
    unsigned code;
    void (*tell)(size_t liar, size_t judge);
};

static struct node_identity *identity_of(size_t node)
{
    return &f.nodes[node].identity;
}

static void require_feature(size_t liar, size_t judge)
{
    (void)judge;
    identity_of(liar)->features = 4;
}
static void other_settings(size_t liar, size_t judge)
{
    (void)judge;
    strcpy(identity_of(liar)->settings,
           "finality=safe purpose=nftmesh-node-v1 weight=nft window=4 lease=3000");
}
static void record_of_another(size_t liar, size_t judge)
{
    (void)judge;
    f.nodes[liar].record = f.nodes[2].record;
}
static void other_token(size_t liar, size_t judge)
{
    (void)judge;
    identity_of(liar)->keys.token_id = base_u256_from_u64(3);
}
static void other_instance(size_t liar, size_t judge)
{
    (void)judge;
    identity_of(liar)->keys.instance = identity_of(2)->keys.instance;
}
static void other_proof_key(size_t liar, size_t judge) /* a sibling's, whole and genuine */
{
    struct node_keyset *keys = &identity_of(liar)->keys;
    (void)judge;
    keys->proof_priv = identity_of(2)->keys.proof_priv;
    keys->proof_key = identity_of(2)->keys.proof_key;
    keys->app_sig = identity_of(2)->keys.app_sig;
}
static void record_badly_signed(size_t liar, size_t judge)
{
    (void)judge;
    f.nodes[liar].record.sig.bytes[40] ^= 1;
}
static void chain_off_curve(size_t liar, size_t judge)
{
    (void)judge;
    memset(identity_of(liar)->keys.app_key.bytes + 1, 0xff, 32);
}
static void chain_by_itself(size_t liar, size_t judge)
{
    struct node_keyset *keys = &identity_of(liar)->keys;
    struct base_privkey eve;
    (void)judge;
    mesh_fixture_privkey(&eve, "eve");
    assert_int_equal(attest_sign_app(&keys->app_sig, &eve, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                                     keys->proof_key.bytes, BASE_KEY33_BYTES),
                     BASE_OK);
}
static void chain_of_another_kms(size_t liar, size_t judge)
{
    struct node_keyset *keys = &identity_of(liar)->keys;
    struct base_privkey eve;
    (void)judge;
    mesh_fixture_privkey(&eve, "eve");
    assert_int_equal(attest_sign_kms(&keys->kms_sig, &eve, &keys->app_id, &keys->app_key), BASE_OK);
}
static void chain_of_another_app(size_t liar, size_t judge)
{
    struct node_keyset *keys = &identity_of(liar)->keys;
    struct base_privkey app;
    (void)judge;
    mesh_fixture_address(&keys->app_id, "eve's app");
    assert_int_equal(attest_derive_app_key(&app, &f.kms_priv, &keys->app_id), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey(&keys->app_key, &app), BASE_OK);
    assert_int_equal(attest_sign_app(&keys->app_sig, &app, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                                     keys->proof_key.bytes, BASE_KEY33_BYTES),
                     BASE_OK);
    assert_int_equal(attest_sign_kms(&keys->kms_sig, &f.kms_priv, &keys->app_id, &keys->app_key),
                     BASE_OK);
}
static void no_proof_key(size_t liar, size_t judge) /* N stolen, D not: it signs with N */
{
    (void)judge;
    identity_of(liar)->keys.proof_priv = identity_of(liar)->keys.node_priv;
}

/* From here on the liar is honest, and the judge's snapshot says that its seat does not count. */
static void judge_sees(size_t judge)
{
    f.nodes[judge].admission.snapshot = mesh_fixture_snapshot(&f);
}
static void leave_seat(size_t liar, size_t judge)
{
    f.seats[liar].has_keys = false;
    judge_sees(judge);
}
static void sell(size_t liar, size_t judge)
{
    mesh_fixture_address(&f.seats[liar].owner, "buyer");
    judge_sees(judge);
}
static void deactivate(size_t liar, size_t judge)
{
    f.seats[liar].active = false;
    judge_sees(judge);
}
static void suspend(size_t liar, size_t judge)
{
    f.seats[liar].suspended_until = FIXTURE_TIME_S + 1;
    judge_sees(judge);
}
static void let_expire(size_t liar, size_t judge)
{
    f.seats[liar].expires_at = FIXTURE_TIME_S;
    judge_sees(judge);
}
static void move_to_another_root(size_t liar, size_t judge)
{
    f.seats[liar].root_epoch = 2;
    judge_sees(judge);
}
static void move_to_another_app(size_t liar, size_t judge)
{
    mesh_fixture_address(&f.seats[liar].app_id, "another app");
    judge_sees(judge);
}

static const struct lie LIES[] = {
    {"03 feature", NODE_REASON_FEATURE_REQUIRED, 7, require_feature},
    {"05 settings", NODE_REASON_SETTINGS_DIFFER, 2, other_settings},
    {"06 record key", NODE_REASON_RECORD_KEY, 3, record_of_another},
    {"08 token", NODE_REASON_TOKEN_DIFFERS, 3, other_token},
    {"09 instance", NODE_REASON_INSTANCE_DIFFERS, 3, other_instance},
    {"10 proof key", NODE_REASON_PROOF_KEY_DIFFERS, 3, other_proof_key},
    {"16 record signature", NODE_REASON_RECORD_SIGNATURE, 3, record_badly_signed},
    {"17 encoding", NODE_REASON_CHAIN_ENCODING, 3, chain_off_curve},
    {"17 app signature", NODE_REASON_CHAIN_APP_SIGNATURE, 3, chain_by_itself},
    {"17 KMS root", NODE_REASON_CHAIN_KMS_ROOT, 3, chain_of_another_kms},
    {"17 app id", NODE_REASON_APP_ID_NOT_ALLOWED, 3, chain_of_another_app},
    {"18 pop", NODE_REASON_POP, 3, no_proof_key},
};
#define LIE_COUNT (sizeof LIES / sizeof LIES[0])
static const struct lie SEAT_LIES[] = {
    {"07 no seat", NODE_REASON_NO_SEAT, 1, leave_seat},
    {"11 sold", NODE_REASON_OWNER_CHANGED, 1, sell},
    {"12 inactive", NODE_REASON_INACTIVE, 1, deactivate},
    {"13 suspended", NODE_REASON_SUSPENDED, 1, suspend},
    {"14 expired", NODE_REASON_EXPIRED, 1, let_expire},
    {"15 root epoch", NODE_REASON_ROOT_EPOCH, 1, move_to_another_root},
    {"15 app id", NODE_REASON_APP_ID_NOT_ALLOWED, 1, move_to_another_app},
};
#define SEAT_LIE_COUNT (sizeof SEAT_LIES / sizeof SEAT_LIES[0])

/* The liar dials: the responder judges, and shows nothing of its own before. */
static void test_dialling_liar(void **state)
{
    const struct lie *lie = *state;
    lie->tell(0, 1);
    join(&link_a, 0, 1);
    assert_refused_by_judge(&link_a, 1, lie->reason, lie->code);
    assert_int_equal(link_a.ends[0].judged + link_a.ends[1].judged, 0);
}

/* The liar is dialled: it accepts the initiator, and the initiator refuses it. */
static void test_dialled_liar(void **state)
{
    const struct lie *lie = *state;
    lie->tell(1, 0);
    join(&link_a, 0, 1);
    assert_refused_by_judge(&link_a, 0, lie->reason, lie->code);
    assert_int_equal(link_a.ends[1].judged, 1);
}

/* The seat stops to count after act 3 has passed line 1: HELLO is judged by the new snapshot. */
static void test_seat_lost_after_act3(void **state)
{
    const struct lie *lie = *state;
    struct puppet p;
    fixture_link_init(&link_a, NULL, &f.nodes[1]);
    fixture_link_open(&link_a, NULL);
    assert_true(puppet_dial(&p, &link_a, &identity_of(0)->keys, key_of(1), FIXTURE_CHAIN_ID,
                            &f.head.contract));
    assert_int_equal(link_a.ends[1].refusals, 0);
    lie->tell(0, 1);
    fixture_link_kind(&link_a, 1, NODE_SESSION_EV_SNAPSHOT);
    puppet_hello(&p, &f.nodes[0]);
    assert_refused_by_judge(&link_a, 1, lie->reason, lie->code);
}

/* A refused initiator without a seat is refused at act 3: its HELLO is not even read. */
static void test_line_1_comes_before_hello(void **state)
{
    struct puppet p;
    (void)state;
    leave_seat(0, 1);
    fixture_link_init(&link_a, NULL, &f.nodes[1]);
    fixture_link_open(&link_a, NULL);
    assert_true(puppet_dial(&p, &link_a, &identity_of(0)->keys, key_of(1), FIXTURE_CHAIN_ID,
                            &f.head.contract));
    assert_refused_by_judge(&link_a, 1, NODE_REASON_NO_SEAT, 1);
}

/* --- lies that only a puppet tells ------------------------------------------------------------ */

static void start_puppet(struct puppet *p, size_t end)
{
    if (end == 0) {
        fixture_link_init(&link_a, NULL, &f.nodes[1]);
        fixture_link_open(&link_a, NULL);
        assert_true(puppet_dial(p, &link_a, &identity_of(0)->keys, key_of(1), FIXTURE_CHAIN_ID,
                                &f.head.contract));
    } else {
        uint8_t type;
        size_t len;
        fixture_link_init(&link_a, &f.nodes[0], NULL);
        fixture_link_open(&link_a, key_of(1));
        assert_true(puppet_accept(p, &link_a, &identity_of(1)->keys));
        assert_true(puppet_recv(p, &type, body, &len));
        assert_int_equal(type, ATTEST_FRAME_HELLO);
    }
}

static size_t honest_hello(const struct puppet *p, enum base_role role, uint8_t *out)
{
    const struct fixture_node *n = &f.nodes[p->end];
    size_t len;
    assert_int_equal(
        node_identity_hello(out, &len, &n->identity, &n->identity.keys, &n->record, role, &p->h),
        BASE_OK);
    return len;
}

static void edit_hello(uint8_t *data, size_t *len, void (*edit)(struct attest_hello *))
{
    static uint8_t before[ATTEST_HELLO_BYTES_MAX];
    struct attest_hello hello;
    memcpy(before, data, *len);
    assert_int_equal(attest_hello_decode(&hello, before, *len), BASE_OK);
    edit(&hello);
    assert_int_equal(attest_hello_encode(data, len, ATTEST_HELLO_BYTES_MAX, &hello), BASE_OK);
}

static enum base_role role_of(size_t end)
{
    return end == 0 ? BASE_ROLE_INITIATOR : BASE_ROLE_RESPONDER;
}

static void send_edited(size_t end, void (*edit)(struct attest_hello *), enum node_reason reason,
                        unsigned code)
{
    struct puppet p;
    struct node_refuse refuse;
    uint8_t hello[ATTEST_HELLO_BYTES_MAX], type;
    start_puppet(&p, end);
    size_t len = honest_hello(&p, role_of(end), hello);
    edit_hello(hello, &len, edit);
    puppet_send(&p, ATTEST_FRAME_HELLO, hello, len);
    assert_true(puppet_recv(&p, &type, body, &len));
    assert_int_equal(type, ATTEST_FRAME_REFUSE);
    assert_int_equal(node_refuse_decode(&refuse, body, len), BASE_OK);
    assert_int_equal(refuse.code, code);
    assert_refused_by_judge(&link_a, 1 - end, reason, code);
}

static void edit_chain_id(struct attest_hello *hello)
{
    hello->chain_id = 1;
}
static void edit_contract(struct attest_hello *hello)
{
    hello->contract.bytes[0] ^= 1;
}
static void edit_record(struct attest_hello *hello)
{
    hello->record.len--;
}

static void test_04_chain_id(void **state)
{
    send_edited(*(const size_t *)*state, edit_chain_id, NODE_REASON_NOT_THIS_MESH, 3);
}
static void test_04_contract(void **state)
{
    send_edited(*(const size_t *)*state, edit_contract, NODE_REASON_NOT_THIS_MESH, 3);
}
static void test_02_record(void **state)
{
    send_edited(*(const size_t *)*state, edit_record, NODE_REASON_MALFORMED, 8);
}

static void test_02_short_or_long_hello(void **state)
{
    size_t end = *(const size_t *)*state;
    for (int change = -1; change <= 1; change += 2) {
        struct puppet p;
        uint8_t hello[ATTEST_HELLO_BYTES_MAX] = {0};
        start_puppet(&p, end);
        size_t len = honest_hello(&p, role_of(end), hello);
        puppet_send(&p, ATTEST_FRAME_HELLO, hello, change < 0 ? len - 1 : len + 1);
        assert_refused_by_judge(&link_a, 1 - end, NODE_REASON_MALFORMED, 8);
        fixture_link_deinit(&link_a);
    }
}

/* Our own kind of answer, of the other role: what a mirror would send. */
static void test_18_reflected_role(void **state)
{
    size_t end = *(const size_t *)*state;
    struct puppet p;
    uint8_t hello[ATTEST_HELLO_BYTES_MAX];
    start_puppet(&p, end);
    size_t len = honest_hello(&p, role_of(1 - end), hello);
    puppet_send(&p, ATTEST_FRAME_HELLO, hello, len);
    assert_refused_by_judge(&link_a, 1 - end, NODE_REASON_POP, 3);
}

static const size_t ENDS[] = {0, 1};

/* The same puppet, without a lie: the tests above fail for their line only. */
static void test_honest_puppet_joins(void **state)
{
    size_t end = *(const size_t *)*state, len;
    struct puppet p;
    uint8_t hello[ATTEST_HELLO_BYTES_MAX], type;
    start_puppet(&p, end);
    len = honest_hello(&p, role_of(end), hello);
    puppet_send(&p, ATTEST_FRAME_HELLO, hello, len);
    assert_true(puppet_recv(&p, &type, body, &len));
    if (end == 0) {
        assert_int_equal(type, ATTEST_FRAME_HELLO);
        assert_int_equal(link_a.ends[1].ups, 0); /* not before READY */
        puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
    } else {
        assert_int_equal(type, ATTEST_FRAME_READY);
    }
    assert_int_equal(link_a.ends[1 - end].ups, 1);
}

/* --- line 0 ----------------------------------------------------------------------------------- */

static void assert_silent_refusal(enum node_reason reason)
{
    const struct fixture_end *us = &link_a.ends[1];
    assert_int_equal(us->refusals, 1);
    assert_int_equal(us->refused.refused.refusal.reason, reason);
    assert_int_equal(us->closes, 1);
    assert_int_equal(us->sends, 0); /* a stranger gets nothing at all */
}

static void test_00_junk(void **state)
{
    static const size_t lengths[] = {0, 1, 49, 51, 66, 4096, 65536};
    uint8_t *bytes = calloc(1, 65536);
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        fixture_link_init(&link_a, NULL, &f.nodes[1]);
        fixture_link_open(&link_a, NULL);
        fixture_link_put(&link_a, 0, bytes, lengths[i]);
        fixture_link_run(&link_a);
        assert_silent_refusal(NODE_REASON_JUNK);
        fixture_link_deinit(&link_a);
    }
    free(bytes);
}

static void put_act1(void (*spoil)(uint8_t act1[ATTEST_ACT1_BYTES]))
{
    uint8_t act1[ATTEST_ACT1_BYTES], prologue[ATTEST_PROLOGUE_BYTES];
    struct attest_noise noise;
    struct base_privkey ephemeral;
    mesh_fixture_privkey(&ephemeral, "ephemeral");
    attest_prologue(prologue, FIXTURE_CHAIN_ID, &f.head.contract);
    assert_int_equal(
        attest_noise_dial(&noise, act1, prologue, sizeof prologue, key_of(1), &ephemeral), BASE_OK);
    spoil(act1);
    fixture_link_init(&link_a, NULL, &f.nodes[1]);
    fixture_link_open(&link_a, NULL);
    fixture_link_put(&link_a, 0, act1, sizeof act1);
    fixture_link_run(&link_a);
}

static void spoil_version(uint8_t act1[ATTEST_ACT1_BYTES])
{
    act1[0] = 1;
}
static void spoil_point(uint8_t act1[ATTEST_ACT1_BYTES])
{
    act1[1] = 4;
}
static void spoil_tag(uint8_t act1[ATTEST_ACT1_BYTES])
{
    act1[49] ^= 1;
}

static void test_00_version(void **state)
{
    (void)state;
    put_act1(spoil_version);
    assert_silent_refusal(NODE_REASON_JUNK);
}
static void test_00_point(void **state)
{
    (void)state;
    put_act1(spoil_point);
    assert_silent_refusal(NODE_REASON_JUNK);
}
static void test_00_tag(void **state)
{
    (void)state;
    put_act1(spoil_tag);
    assert_silent_refusal(NODE_REASON_NOT_THIS_MESH);
}

/* A whole node of another mesh dials: it fails at act 1, and sees a closed pipe. */
static void other_mesh(uint64_t chain_id, const struct base_eth_address *contract)
{
    node_identity_set_mesh(identity_of(0), chain_id, contract);
    join(&link_a, 0, 1);
    assert_silent_refusal(NODE_REASON_NOT_THIS_MESH);
    assert_int_equal(link_a.ends[0].refusals, 0);
    assert_int_equal(link_a.ends[0].close, NODE_REASON_CLOSED);
}
static void test_00_other_chain_id(void **state)
{
    (void)state;
    other_mesh(1, &f.head.contract);
}
static void test_00_other_contract(void **state)
{
    struct base_eth_address other;
    (void)state;
    mesh_fixture_address(&other, "another contract");
    other_mesh(FIXTURE_CHAIN_ID, &other);
}
/* As after a rotation: the dialler knows a key that the node does not have any more. */
static void test_00_key_that_is_gone(void **state)
{
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
    fixture_link_open(&link_a, key_of(2));
    assert_silent_refusal(NODE_REASON_NOT_THIS_MESH);
}

/* --- line 1: ourselves ------------------------------------------------------------------------ */

/* Node 1 gets a second key by rotation, node 3 becomes node 1 before that, and dials the new key.
 */
static void meet_oneself(void)
{
    struct node_identity *id = identity_of(1);
    f.nodes[3].identity = *id;
    f.nodes[3].record = f.nodes[1].record;
    mesh_fixture_keys(&f, &id->other, "rotated", 2);
    id->has_other = true;
    fixture_link_init(&link_a, &f.nodes[3], &f.nodes[1]);
    fixture_link_open(&link_a, &id->other.node_key);
}

static void test_01_self(void **state)
{
    (void)state;
    f.nodes[3].env.ephemerals = &f.nodes[1].ephemerals; /* one process, two sessions */
    meet_oneself();
    assert_refused_by_judge(&link_a, 1, NODE_REASON_SELF, 1);
}

static void test_01_copy(void **state)
{
    (void)state;
    meet_oneself(); /* another process with the same keys */
    assert_refused_by_judge(&link_a, 1, NODE_REASON_COPY, 1);
}

static void test_01_own_key_is_never_dialled(void **state)
{
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], NULL);
    assert_int_equal(fixture_link_open(&link_a, key_of(0)), BASE_EINVAL);
    identity_of(0)->other = identity_of(2)->keys;
    identity_of(0)->has_other = true;
    assert_int_equal(fixture_link_open(&link_a, key_of(2)), BASE_EINVAL);
    assert_int_equal(link_a.ends[0].sends, 0);
}

/* --- the man in the middle ---------------------------------------------------------------------
 */

/* Node 0 dials node 2, who relays its HELLO into a session of its own with node 1. */
static void relay(const struct node_keyset *as, enum node_reason reason)
{
    struct puppet victim, forger;
    uint8_t type;
    size_t len;
    fixture_link_init(&link_a, &f.nodes[0], NULL);
    fixture_link_open(&link_a, key_of(2));
    assert_true(puppet_accept(&victim, &link_a, &identity_of(2)->keys));
    assert_true(puppet_recv(&victim, &type, body, &len));
    assert_int_equal(type, ATTEST_FRAME_HELLO);
    fixture_link_init(&link_b, NULL, &f.nodes[1]);
    fixture_link_open(&link_b, NULL);
    assert_true(puppet_dial(&forger, &link_b, as, key_of(1), FIXTURE_CHAIN_ID, &f.head.contract));
    puppet_send(&forger, ATTEST_FRAME_HELLO, body, len);
    assert_refused_by_judge(&link_b, 1, reason, 3);
}

static void test_relay_by_a_member(void **state)
{
    (void)state;
    relay(&identity_of(2)->keys, NODE_REASON_RECORD_KEY);
}
/* Even with the victim's N stolen: h is of another handshake, and D signed that one. */
static void test_relay_with_stolen_n(void **state)
{
    (void)state;
    relay(&identity_of(0)->keys, NODE_REASON_POP);
}

/* What was recorded of one session, played to the next: act 1 is answered, act 3 does not fit. */
static struct {
    uint8_t data[4][512];
    size_t len[4];
    unsigned count;
} tape;

static bool record_dialer(struct fixture_link *link, size_t from, unsigned index, uint8_t *data,
                          size_t *len)
{
    (void)link;
    if (from != 0 || index >= 4) return true;
    if (*len <= sizeof tape.data[0]) memcpy(tape.data[index], data, *len);
    tape.len[index] = *len;
    tape.count = index + 1;
    return true;
}

static void test_replayed_handshake(void **state)
{
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
    link_a.tamper = record_dialer;
    fixture_link_open(&link_a, key_of(1));
    assert_int_equal(link_a.ends[1].ups, 1);
    assert_int_equal(tape.len[0], ATTEST_ACT1_BYTES);
    assert_int_equal(tape.len[1], ATTEST_ACT3_BYTES);
    fixture_link_init(&link_b, NULL, &f.nodes[1]);
    link_b.entropy = 100;
    fixture_link_open(&link_b, NULL);
    fixture_link_put(&link_b, 0, tape.data[0], tape.len[0]);
    fixture_link_run(&link_b);
    assert_int_equal(link_b.ends[1].sends, 1);
    fixture_link_put(&link_b, 0, tape.data[1], tape.len[1]);
    fixture_link_run(&link_b);
    assert_int_equal(link_b.ends[1].refused.refused.refusal.reason, NODE_REASON_HANDSHAKE);
    assert_int_equal(link_b.ends[1].ups, 0);
    assert_int_equal(link_b.ends[1].closes, 1);
}

static bool spoil_message(struct fixture_link *link, size_t from, unsigned index, uint8_t *data,
                          size_t *len)
{
    const unsigned *which = link->ctx; /* end, index */
    if (from == which[0] && index == which[1]) data[*len - 1] ^= 1;
    return true;
}

static void test_spoiled_act_2_and_3(void **state)
{
    static const unsigned acts[2][2] = {{1, 0}, {0, 1}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        unsigned which[2] = {acts[i][0], acts[i][1]};
        fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
        link_a.tamper = spoil_message;
        link_a.ctx = which;
        fixture_link_open(&link_a, key_of(1));
        const struct fixture_end *judge = &link_a.ends[i];
        assert_int_equal(judge->refused.refused.refusal.reason, NODE_REASON_HANDSHAKE);
        assert_int_equal(link_a.ends[0].ups + link_a.ends[1].ups, 0);
        assert_int_equal(link_a.ends[0].closes + link_a.ends[1].closes, 2);
        fixture_link_deinit(&link_a);
    }
}

/* --- joining -----------------------------------------------------------------------------------
 */

static void test_two_nodes_join(void **state)
{
    (void)state;
    join(&link_a, 0, 1);
    for (size_t i = 0; i < 2; i++) {
        const struct fixture_end *end = &link_a.ends[i];
        const struct fixture_node *other = &f.nodes[1 - i];
        const struct node_session_peer *peer = node_session_peer(end->session);
        assert_int_equal(end->ups, 1);
        assert_int_equal(end->refusals + end->downs + end->closes, 0);
        assert_true(node_session_is_up(end->session));
        assert_int_equal(node_session_is_dialed(end->session), i == 0);
        assert_true(base_key33_equal(node_session_remote(end->session), key_of(1 - i)));
        assert_true(base_key33_equal(&peer->facts.node_key, key_of(1 - i)));
        assert_memory_equal(peer->boot_id, other->identity.boot_id, NODE_BOOT_ID_BYTES);
        assert_int_equal(peer->start_incarnation, other->identity.start_incarnation);
        assert_int_equal(peer->shown->record.body_len, other->record.body_len);
        assert_memory_equal(peer->shown->record.body, other->record.body, other->record.body_len);
    }
    assert_memory_equal(&node_session_peer(link_a.ends[0].session)->h,
                        &node_session_peer(link_a.ends[1].session)->h, 32);
    /* The blob that gossip will carry stands on its own. */
    struct node_refusal refusal;
    struct node_facts facts;
    const struct node_session_peer *peer = node_session_peer(link_a.ends[1].session);
    assert_int_equal(node_admission_judge_member(&refusal, &facts, &f.nodes[2].admission, key_of(0),
                                                 &peer->shown->record, peer->shown->proof,
                                                 sizeof peer->shown->proof),
                     NODE_REASON_NONE);
    node_session_forget(link_a.ends[1].session);
    assert_null(node_session_peer(link_a.ends[1].session)->shown);
    assert_true(node_session_is_up(link_a.ends[1].session));
}

/* No side is up before both have judged, and the responder shows its HELLO to an accepted one. */
static void test_nobody_is_up_too_early(void **state)
{
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
    link_a.ends[0].hold_verdict = link_a.ends[1].hold_verdict = true;
    fixture_link_open(&link_a, key_of(1));
    assert_int_equal(link_a.ends[1].judged, 1);
    assert_int_equal(link_a.ends[1].sends, 1); /* act 2 */
    assert_int_equal(link_a.ends[0].judged, 0);
    fixture_link_kind(&link_a, 1, NODE_SESSION_EV_ADMIT);
    assert_int_equal(link_a.ends[0].judged, 1);
    assert_int_equal(link_a.ends[0].ups + link_a.ends[1].ups, 0);
    fixture_link_kind(&link_a, 0, NODE_SESSION_EV_ADMIT);
    assert_int_equal(link_a.ends[0].ups, 1);
    assert_int_equal(link_a.ends[1].ups, 1);
    assert_int_equal(fixture_link_kind(&link_a, 0, NODE_SESSION_EV_ADMIT), BASE_ESTATE);
}

/* While peers' snapshots lag, the node answers under the key that they know. */
static void test_rotation_answers_under_either_key(void **state)
{
    struct node_identity *id = identity_of(1);
    (void)state;
    id->other = id->keys; /* on chain, until the snapshot moves */
    id->has_other = true;
    mesh_fixture_keys(&f, &id->keys, "rotated", 2);
    f.nodes[1].other_record = f.nodes[1].record;
    mesh_fixture_record(&f.nodes[1].record, &id->keys, &id->keys.instance, 9, &id->domain);
    fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
    fixture_link_open(&link_a, &id->other.node_key);
    assert_int_equal(link_a.ends[0].ups + link_a.ends[1].ups, 2);
    mesh_fixture_register(&f.seats[1], &id->keys);
    mesh_fixture_publish(&f);
    fixture_link_init(&link_b, &f.nodes[2], &f.nodes[1]);
    fixture_link_open(&link_b, &id->keys.node_key);
    assert_int_equal(link_b.ends[0].ups + link_b.ends[1].ups, 2);
    /* The old one's session ends at the peer, by its snapshot. */
    fixture_link_kind(&link_a, 0, NODE_SESSION_EV_SNAPSHOT);
    assert_int_equal(link_a.ends[0].down.down.refusal.reason, NODE_REASON_NO_SEAT);
}

static void test_refused_settings_are_named_to_the_peer(void **state)
{
    (void)state;
    other_settings(0, 1);
    join(&link_a, 0, 1);
    assert_string_equal(link_a.ends[0].refused.refused.text, "finality ours=latest-2 theirs=safe");
}

/* Other refusals say no more than their code. */
static void test_refusals_say_no_more_than_the_code(void **state)
{
    (void)state;
    chain_of_another_kms(0, 1);
    join(&link_a, 0, 1);
    assert_string_equal(link_a.ends[0].refused.refused.text, "not_admitted");
}

static void test_not_ready(void **state)
{
    (void)state;
    f.nodes[1].env.ready = false;
    join(&link_a, 0, 1);
    assert_refused_by_judge(&link_a, 1, NODE_REASON_NOT_READY, 6);
    assert_int_equal(link_a.ends[0].refused.refused.retry_s, 10);
}

static void test_not_ready_without_a_snapshot(void **state)
{
    (void)state;
    f.nodes[1].admission.snapshot = NULL;
    join(&link_a, 0, 1);
    assert_refused_by_judge(&link_a, 1, NODE_REASON_NOT_READY, 6);
}

static void test_busy(void **state)
{
    (void)state;
    f.nodes[1].env.busy = true;
    join(&link_a, 0, 1);
    assert_refused_by_judge(&link_a, 1, NODE_REASON_BUSY, 5);
}

/* 50 act 1 a second, over all pipes: the next one is closed before any curve work. */
static void test_busy_with_handshakes(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= NODE_SESSION_ACT1_PER_SECOND; i++) {
        put_act1(spoil_tag);
        bool over = i == NODE_SESSION_ACT1_PER_SECOND;
        assert_silent_refusal(over ? NODE_REASON_BUSY : NODE_REASON_NOT_THIS_MESH);
        fixture_link_deinit(&link_a);
    }
    join(&link_a, 0, 1);
    assert_silent_refusal(NODE_REASON_BUSY);
    fixture_link_deinit(&link_a);
    fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
    link_a.now_ms += 1000;
    fixture_link_open(&link_a, key_of(1));
    assert_int_equal(link_a.ends[1].ups, 1);
}

static void test_busy_after_judgement(void **state)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_DENY};
    (void)state;
    fixture_link_init(&link_a, &f.nodes[0], &f.nodes[1]);
    link_a.ends[1].hold_verdict = true;
    fixture_link_open(&link_a, key_of(1));
    ev.deny.reason = NODE_REASON_BUSY;
    assert_int_equal(fixture_link_step(&link_a, 1, &ev), BASE_OK);
    assert_refused_by_judge(&link_a, 1, NODE_REASON_BUSY, 5);
    assert_int_equal(fixture_link_step(&link_a, 1, &ev), BASE_ECLOSED);
}

/* --- line 19: copies ---------------------------------------------------------------------------
 */

/* Node 3 becomes a copy of node 0, started `younger` seconds later, and dials node 1, where node 0
 * is up. Returns with JUDGED at node 1 unanswered. */
static void bring_copy(int64_t younger)
{
    struct node_identity *copy = identity_of(3);
    join(&link_a, 0, 1);
    assert_int_equal(link_a.ends[1].ups, 1);
    memset(copy->boot_id, 0xcc, sizeof copy->boot_id);
    copy->keys = identity_of(0)->keys;
    copy->start_incarnation = (uint64_t)((int64_t)identity_of(0)->start_incarnation + younger);
    f.nodes[3].record = f.nodes[0].record;
    fixture_link_init(&link_b, &f.nodes[3], &f.nodes[1]);
    link_b.entropy = 50;
    link_b.ends[1].hold_verdict = true;
    fixture_link_open(&link_b, key_of(1));
    assert_int_equal(link_b.ends[1].judged, 1);
}

static int challenge(struct fixture_link *link, size_t end, const struct base_hash32 *h)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_CHALLENGE};
    ev.challenge.challenge = *h;
    ev.challenge.timeout_ms = 500;
    return fixture_link_step(link, end, &ev);
}

static const struct base_hash32 *newcomers_h(void)
{
    return &node_session_peer(link_b.ends[1].session)->h;
}

static void deny_with(const struct node_alive *alive)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_DENY};
    ev.deny.reason = NODE_REASON_KEY_IN_USE;
    ev.deny.alive = *alive;
    assert_int_equal(fixture_link_step(&link_b, 1, &ev), BASE_OK);
    assert_int_equal(link_b.ends[1].refused.refused.refusal.reason, NODE_REASON_KEY_IN_USE);
    assert_int_equal(link_b.ends[0].refusals, 1);
    assert_int_equal(link_b.ends[0].refused.refused.code, 4);
    assert_int_equal(link_b.ends[0].ups + link_b.ends[1].ups, 0);
}

static void prove_copy(int64_t younger, enum node_copy_proof verdict)
{
    bring_copy(younger);
    assert_int_equal(challenge(&link_a, 1, newcomers_h()), BASE_OK);
    assert_int_equal(link_a.ends[1].answers, 1);
    assert_true(link_a.ends[1].answer.answer.alive);
    deny_with(&link_a.ends[1].answer.answer.proof);
    assert_int_equal(link_b.ends[0].refused.refused.copy, verdict);
    assert_int_equal(link_b.ends[0].refused.refused.refusal.reason, NODE_REASON_KEY_IN_USE);
    assert_int_equal(link_a.ends[0].downs + link_a.ends[1].downs, 0); /* the old one stays */
}

static void test_19_younger_copy_learns_it(void **state)
{
    (void)state;
    prove_copy(5, NODE_COPY_YOUNGER);
}
static void test_19_older_copy_stays(void **state)
{
    (void)state;
    prove_copy(-5, NODE_COPY_OLDER);
}
/* Started in the same second: the boot id decides, so that exactly one stays. */
static void test_19_boot_id_decides(void **state)
{
    (void)state;
    memset(identity_of(0)->boot_id, 0x11, NODE_BOOT_ID_BYTES);
    prove_copy(0, NODE_COPY_YOUNGER);
}

static void assert_made_up(const struct node_alive *alive)
{
    deny_with(alive);
    assert_int_equal(link_b.ends[0].refused.refused.copy, NODE_COPY_NONE);
    assert_int_equal(link_b.ends[0].refused.refused.refusal.reason, NODE_REASON_REFUSED);
}

/* Proofs that prove nothing: the newcomer backs off, and neither exits nor believes. */
static void test_19_proof_by_another_key(void **state)
{
    struct node_alive alive;
    (void)state;
    bring_copy(5);
    node_alive_sign(&alive, identity_of(0), &identity_of(2)->keys, newcomers_h());
    assert_made_up(&alive);
}
static void test_19_proof_of_another_session(void **state)
{
    struct node_alive alive;
    (void)state;
    bring_copy(5);
    node_alive_sign(&alive, identity_of(0), &identity_of(0)->keys,
                    &node_session_peer(link_a.ends[1].session)->h);
    assert_made_up(&alive);
}
static void test_19_own_answer_relayed(void **state)
{
    struct node_alive alive;
    (void)state;
    bring_copy(5);
    node_alive_sign(&alive, identity_of(3), &identity_of(0)->keys, newcomers_h());
    assert_made_up(&alive);
}
static void test_19_proof_with_another_age(void **state)
{
    struct node_alive alive;
    (void)state;
    bring_copy(5);
    node_alive_sign(&alive, identity_of(0), &identity_of(0)->keys, newcomers_h());
    alive.start_incarnation--;
    assert_made_up(&alive);
}

static void test_19_code_4_without_proof(void **state)
{
    struct puppet p;
    struct node_refuse refuse = {.code = NODE_CODE_KEY_IN_USE, .text = "trust me"};
    uint8_t out[NODE_REFUSE_BYTES_MAX];
    (void)state;
    start_puppet(&p, 1);
    puppet_send(&p, ATTEST_FRAME_REFUSE, out, node_refuse_encode(out, &refuse));
    assert_int_equal(link_a.ends[0].refused.refused.copy, NODE_COPY_NONE);
    assert_int_equal(link_a.ends[0].refused.refused.refusal.reason, NODE_REASON_REFUSED);
    assert_string_equal(link_a.ends[0].refused.refused.text, "trust me");
}

/* A restart without a goodbye: the old process does not answer, the new one comes in. */
static void test_19_dead_session_is_replaced(void **state)
{
    (void)state;
    bring_copy(5);
    link_a.cut[0] = true;
    assert_int_equal(challenge(&link_a, 1, newcomers_h()), BASE_OK);
    fixture_link_advance(&link_a, 499);
    assert_int_equal(link_a.ends[1].answers, 0);
    fixture_link_advance(&link_a, 1);
    assert_int_equal(link_a.ends[1].answers, 1);
    assert_false(link_a.ends[1].answer.answer.alive);
    fixture_link_kind(&link_b, 1, NODE_SESSION_EV_ADMIT);
    assert_int_equal(link_b.ends[0].ups + link_b.ends[1].ups, 2);
}

/* An answer must be the session's own process: its boot id and incarnation, its N, our challenge.
 */
static void test_19_false_answers_do_not_count(void **state)
{
    struct puppet p;
    struct node_alive alive;
    uint8_t type, bytes[NODE_ALIVE_BYTES], hello[ATTEST_HELLO_BYTES_MAX];
    struct base_hash32 h = {{9}}, late = {{8}};
    struct node_identity other = *identity_of(0);
    size_t len;
    (void)state;
    start_puppet(&p, 0);
    len = honest_hello(&p, BASE_ROLE_INITIATOR, hello);
    puppet_send(&p, ATTEST_FRAME_HELLO, hello, len);
    puppet_recv(&p, &type, body, &len);
    puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
    assert_int_equal(challenge(&link_a, 1, &h), BASE_OK);
    assert_int_equal(challenge(&link_a, 1, &h), BASE_EFULL);
    other.boot_id[0] ^= 1;
    node_alive_sign(&alive, &other, &other.keys, &h);
    node_alive_encode(bytes, &alive);
    puppet_send(&p, ATTEST_FRAME_ALIVE, bytes, sizeof bytes);
    node_alive_sign(&alive, identity_of(0), &identity_of(0)->keys, &late);
    node_alive_encode(bytes, &alive);
    puppet_send(&p, ATTEST_FRAME_ALIVE, bytes, sizeof bytes);
    assert_int_equal(link_a.ends[1].answers, 0);
    node_alive_sign(&alive, identity_of(0), &identity_of(0)->keys, &h);
    node_alive_encode(bytes, &alive);
    puppet_send(&p, ATTEST_FRAME_ALIVE, bytes, sizeof bytes);
    assert_int_equal(link_a.ends[1].answers, 1);
    assert_true(link_a.ends[1].answer.answer.alive);
    puppet_send(&p, ATTEST_FRAME_ALIVE, bytes, sizeof bytes); /* nobody asked */
    assert_int_equal(link_a.ends[1].answers, 1);
    /* The session goes down with a question open: it is answered first. */
    fixture_link_advance(&link_a, 1000);
    assert_int_equal(challenge(&link_a, 1, &h), BASE_OK);
    fixture_link_kind(&link_a, 1, NODE_SESSION_EV_GONE);
    assert_int_equal(link_a.ends[1].answers, 2);
    assert_false(link_a.ends[1].answer.answer.alive);
    assert_int_equal(link_a.ends[1].downs, 1);
}

/* One answer a second: we sign for nobody as often as he likes. */
static void test_19_one_answer_a_second(void **state)
{
    struct puppet p;
    uint8_t type, challenge_bytes[32] = {0}, hello[ATTEST_HELLO_BYTES_MAX];
    struct base_hash32 last;
    struct node_alive alive;
    size_t len;
    (void)state;
    start_puppet(&p, 0);
    len = honest_hello(&p, BASE_ROLE_INITIATOR, hello);
    puppet_send(&p, ATTEST_FRAME_HELLO, hello, len);
    puppet_recv(&p, &type, body, &len);
    puppet_send(&p, ATTEST_FRAME_READY, NULL, 0);
    for (uint8_t i = 1; i <= 5; i++) {
        challenge_bytes[0] = i;
        puppet_send(&p, ATTEST_FRAME_COPY, challenge_bytes, sizeof challenge_bytes);
    }
    assert_true(puppet_recv(&p, &type, body, &len));
    assert_int_equal(type, ATTEST_FRAME_ALIVE);
    assert_false(puppet_recv(&p, &type, body, &len));
    fixture_link_advance(&link_a, 999);
    while (puppet_recv(&p, &type, body, &len))
        assert_int_equal(type, ATTEST_FRAME_ACK);
    fixture_link_advance(&link_a, 1);
    assert_true(puppet_recv(&p, &type, body, &len));
    assert_int_equal(type, ATTEST_FRAME_ALIVE); /* to the latest of the rest */
    memcpy(last.bytes, challenge_bytes, 32);
    assert_int_equal(node_alive_decode(&alive, body, len), BASE_OK);
    assert_int_equal(node_alive_verify(&alive, &f.nodes[0].identity.domain, &last, key_of(1)),
                     BASE_OK);
    fixture_link_advance(&link_a, 5000);
    while (puppet_recv(&p, &type, body, &len))
        assert_int_equal(type, ATTEST_FRAME_ACK);
}

/* --- main --------------------------------------------------------------------------------------
 */

#define NAMES_MAX 96
static struct CMUnitTest tests[NAMES_MAX];
static size_t test_count;

static void add(const char *who, const char *name, CMUnitTestFunction run, const void *state)
{
    static char names[NAMES_MAX][96];
    assert(test_count < NAMES_MAX);
    snprintf(names[test_count], sizeof names[0], "%s%s", who, name);
    tests[test_count] = (struct CMUnitTest){.name = names[test_count],
                                            .test_func = run,
                                            .setup_func = setup,
                                            .teardown_func = teardown,
                                            .initial_state = (void *)(uintptr_t)state};
    test_count++;
}

static void add_lies(const struct lie *lies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add("dialling: ", lies[i].name, test_dialling_liar, &lies[i]);
        add("dialled: ", lies[i].name, test_dialled_liar, &lies[i]);
    }
}

#define ADD(test) add("", #test, test, NULL)
#define ADD_BOTH(test)                                                                             \
    add("dialling puppet: ", #test, test, &ENDS[0]), add("dialled puppet: ", #test, test, &ENDS[1])

int main(void)
{
    ADD(test_two_nodes_join);
    ADD(test_nobody_is_up_too_early);
    ADD(test_rotation_answers_under_either_key);
    ADD_BOTH(test_honest_puppet_joins);
    ADD(test_00_junk);
    ADD(test_00_version);
    ADD(test_00_point);
    ADD(test_00_tag);
    ADD(test_00_other_chain_id);
    ADD(test_00_other_contract);
    ADD(test_00_key_that_is_gone);
    ADD(test_01_self);
    ADD(test_01_copy);
    ADD(test_01_own_key_is_never_dialled);
    ADD(test_line_1_comes_before_hello);
    ADD_BOTH(test_02_short_or_long_hello);
    ADD_BOTH(test_02_record);
    ADD_BOTH(test_04_chain_id);
    ADD_BOTH(test_04_contract);
    ADD_BOTH(test_18_reflected_role);
    add_lies(LIES, LIE_COUNT);
    add_lies(SEAT_LIES, SEAT_LIE_COUNT);
    for (size_t i = 0; i < SEAT_LIE_COUNT; i++)
        add("after act 3: ", SEAT_LIES[i].name, test_seat_lost_after_act3, &SEAT_LIES[i]);
    ADD(test_19_younger_copy_learns_it);
    ADD(test_19_older_copy_stays);
    ADD(test_19_boot_id_decides);
    ADD(test_19_proof_by_another_key);
    ADD(test_19_proof_of_another_session);
    ADD(test_19_own_answer_relayed);
    ADD(test_19_proof_with_another_age);
    ADD(test_19_code_4_without_proof);
    ADD(test_19_dead_session_is_replaced);
    ADD(test_19_false_answers_do_not_count);
    ADD(test_19_one_answer_a_second);
    ADD(test_relay_by_a_member);
    ADD(test_relay_with_stolen_n);
    ADD(test_replayed_handshake);
    ADD(test_spoiled_act_2_and_3);
    ADD(test_refused_settings_are_named_to_the_peer);
    ADD(test_refusals_say_no_more_than_the_code);
    ADD(test_not_ready);
    ADD(test_not_ready_without_a_snapshot);
    ADD(test_busy);
    ADD(test_busy_after_judgement);
    ADD(test_busy_with_handshakes);
    return _cmocka_run_group_tests("node_session_hello", tests, test_count, NULL, NULL);
}
