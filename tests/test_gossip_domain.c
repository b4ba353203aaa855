/* Goal: a signature counts in its own mesh and as its own kind, nowhere else.
 * Method: a core with the real EIP-712 and ECDSA; each kind of statement, signed under another
 * contract, under another chain id and as every other kind, is refused; signed right, it counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "gossip/frame.h"
#include "gossip/statement.h"

#define NODES  4
#define KINDS  (BASE_STATEMENT_EVENT + 1)
#define NOW_MS 1000

static struct base_privkey priv[NODES];
static struct base_key33 key[NODES];
static struct base_eip712_domain ours, other_contract, other_chain;
static struct gossip *g;
static struct gossip_actions out;
static struct gossip_frame frame, sent;
static uint8_t wire[GOSSIP_FRAME_BYTES_MAX];

static void sign_in(const struct base_eip712_domain *domain, uint32_t i, enum base_statement kind,
                    const struct base_slice *body, struct base_sig65 *sig)
{
    struct base_hash32 digest;
    base_eip712_statement(&digest, domain, kind, body->data, body->len);
    assert_int_equal(base_ecdsa_sign(sig, &digest, &priv[i]), BASE_OK);
}

static int crypto_sign(void *ctx, enum base_statement kind, const void *body, size_t len,
                       struct base_sig65 *sig)
{
    struct base_hash32 digest;
    base_eip712_statement(&digest, ctx, kind, body, len);
    return base_ecdsa_sign(sig, &digest, &priv[0]);
}

static int crypto_verify(void *ctx, enum base_statement kind, const void *body, size_t len,
                         const struct base_sig65 *sig, const struct base_key33 *speaker)
{
    struct base_hash32 digest;
    base_eip712_statement(&digest, ctx, kind, body, len);
    return base_ecdsa_verify(&digest, sig, speaker);
}

static struct gossip_record record_of(uint32_t i, uint64_t incarnation)
{
    return (struct gossip_record){
        .node_key = key[i], .incarnation = incarnation, .name = {(const uint8_t *)"node", 4}};
}

static int feed(struct gossip_event *ev)
{
    return gossip_step(g, NOW_MS, ev, &out);
}

static int peer_up(const struct base_eip712_domain *domain, uint32_t i, enum base_statement kind)
{
    uint8_t body[GOSSIP_RECORD_BYTES_MAX];
    struct gossip_record record = record_of(i, 1);
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_UP, .key = key[i]};
    size_t len = 0;
    assert_int_equal(gossip_record_encode(body, &len, sizeof body, &record), BASE_OK);
    ev.u.peer_up.record = (struct base_slice){body, len};
    sign_in(domain, i, kind, &ev.u.peer_up.record, &ev.u.peer_up.sig);
    return feed(&ev);
}

static int setup(void **state)
{
    struct base_eth_address contract = {{1}}, another = {{2}};
    struct gossip_config cfg = {0};
    struct gossip_crypto crypto = {&ours, crypto_sign, crypto_verify};
    (void)state;
    assert_int_equal(base_ecdsa_init(), BASE_OK);
    base_eip712_domain_init(&ours, 31337, &contract);
    base_eip712_domain_init(&other_contract, 31337, &another);
    base_eip712_domain_init(&other_chain, 1, &contract);
    for (uint32_t i = 0; i < NODES; i++) {
        priv[i].bytes[31] = (uint8_t)(i + 1);
        assert_int_equal(base_ecdsa_pubkey(&key[i], &priv[i]), BASE_OK);
    }
    gossip_config_default(&cfg);
    cfg.self = record_of(0, 5);
    cfg.members_max = 8;
    assert_int_equal(gossip_new(&g, &cfg, &crypto, NOW_MS), BASE_OK);
    for (uint32_t i = 1; i < NODES; i++)
        assert_int_equal(peer_up(&ours, i, BASE_STATEMENT_RECORD), BASE_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gossip_free(g);
    return 0;
}

static uint64_t forged(void)
{
    struct gossip_counters c;
    gossip_counters(&c, g);
    return c.statements_forged;
}

static int feed_frame(void)
{
    struct gossip_event ev = {.type = GOSSIP_EV_FRAME, .key = key[1]};
    size_t len = 0;
    assert_int_equal(gossip_frame_encode(wire, &len, sizeof wire, &frame), BASE_OK);
    ev.u.frame.type = frame.type;
    ev.u.frame.body = (struct base_slice){wire, len};
    return feed(&ev);
}

/* The nonce of the probe of 3 that node 1 was asked to run. */
static uint64_t asked_nonce(void)
{
    for (size_t i = 0; i < out.count; i++) {
        const struct gossip_action *act = &out.items[i];
        if (act->type != GOSSIP_ACT_SEND || act->u.send.type != GOSSIP_FRAME_PING_REQ) continue;
        assert_int_equal(gossip_frame_decode(&sent, act->u.send.type, act->u.send.body.data,
                                             act->u.send.body.len),
                         BASE_OK);
        return sent.u.relay.nonce;
    }
    fail();
    return 0;
}

/* A body of that kind by node 2, about node 3 where it is about somebody. */
static size_t body_of(uint8_t *body, enum base_statement kind, uint64_t nonce)
{
    struct gossip_record record = record_of(2, 9);
    struct gossip_accusation accusation = {key[3], 1, key[2]};
    struct gossip_leave leave = {key[2], 1};
    struct gossip_refutation refutation = {key[3], 1, key[0], nonce};
    struct gossip_user_event event = {key[2], 1, 1, {(const uint8_t *)"go", 2}, {NULL, 0}};
    size_t len = 0;
    switch (kind) {
    case BASE_STATEMENT_RECORD:
        assert_int_equal(gossip_record_encode(body, &len, GOSSIP_RECORD_BYTES_MAX, &record),
                         BASE_OK);
        return len;
    case BASE_STATEMENT_ACCUSATION:
    case BASE_STATEMENT_CONFIRMATION:
        return gossip_accusation_encode(body, &accusation);
    case BASE_STATEMENT_REFUTATION:
        return gossip_refutation_encode(body, &refutation);
    case BASE_STATEMENT_LEAVE:
        return gossip_leave_encode(body, &leave);
    case BASE_STATEMENT_EVENT:
        return gossip_user_event_encode(body, &event);
    }
    return 0;
}

static void tell(enum base_statement kind, const struct base_eip712_domain *domain,
                 enum base_statement signed_as, uint64_t nonce)
{
    static uint8_t body[GOSSIP_RECORD_BYTES_MAX];
    struct base_slice slice = {body, body_of(body, kind, nonce)};
    struct base_sig65 sig;
    uint32_t speaker = kind == BASE_STATEMENT_REFUTATION ? 3 : 2;
    sign_in(domain, speaker, signed_as, &slice, &sig);
    if (kind == BASE_STATEMENT_REFUTATION) {
        frame.type = GOSSIP_FRAME_REFUTE;
        frame.u.refute.body = slice;
        frame.u.refute.sig = sig;
    } else {
        frame.type = kind == BASE_STATEMENT_EVENT ? GOSSIP_FRAME_EVENT : GOSSIP_FRAME_UPDATE;
        frame.u.news.reach = NODES;
        frame.u.news.repair = false;
        frame.u.news.item_count = 1;
        frame.u.news.items[0] = (struct gossip_item){.kind = kind, .body = slice, .sig = sig};
    }
    assert_int_equal(feed_frame(), BASE_OK);
}

static void test_each_kind_counts_as_itself_only(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++) {
        enum base_statement kind = (enum base_statement)k;
        uint64_t nonce = 0, before;
        assert_int_equal(setup(NULL), 0);
        if (kind == BASE_STATEMENT_REFUTATION) {
            struct gossip_event down = {.type = GOSSIP_EV_PEER_DOWN, .key = key[3]};
            assert_int_equal(feed(&down), BASE_OK);
            nonce = asked_nonce();
        }
        before = forged();
        tell(kind, &other_contract, kind, nonce);
        assert_int_equal(forged(), before + 1);
        tell(kind, &other_chain, kind, nonce);
        assert_int_equal(forged(), before + 2);
        for (int as = 0; as < KINDS; as++)
            if (as != k) tell(kind, &ours, (enum base_statement)as, nonce);
        assert_int_equal(forged(), before + 2 + KINDS - 1);
        tell(kind, &ours, kind, nonce);
        assert_int_equal(forged(), before + 2 + KINDS - 1);
        gossip_free(g);
    }
}

static void test_session_records_too(void **state)
{
    (void)state;
    assert_int_equal(peer_up(&other_contract, 1, BASE_STATEMENT_RECORD), BASE_ESIG);
    assert_int_equal(peer_up(&other_chain, 1, BASE_STATEMENT_RECORD), BASE_ESIG);
    assert_int_equal(peer_up(&ours, 1, BASE_STATEMENT_EVENT), BASE_ESIG);
    assert_int_equal(peer_up(&ours, 1, BASE_STATEMENT_RECORD), BASE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_counts_as_itself_only),
        cmocka_unit_test_setup_teardown(test_session_records_too, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
