/* The rules one by one: one engine, everybody else played by hand. Four members of weight 1,
 * windows of ten slots, led by 0, 1, 2, 3 in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/engine.h"

#define N      4
#define WINDOW 10

static struct consensus_voter voters[N];
static struct consensus_lead leads[N];
static struct consensus_config config;
static struct consensus_engine *engine;
static struct consensus_actions out;
static uint64_t now, stored;
static enum consensus_judgement verdict;
static const struct base_hash32 epoch = {{0xe}}, genesis = {{0x9}};

static struct base_sig65 signed_by(size_t voter, const struct base_vote *vote)
{
    struct base_sig65 sig = {{0}};
    struct base_hash32 hash;
    uint8_t bytes[1 + 32 + 1 + 16 + 32];
    bytes[0] = (uint8_t)voter;
    memcpy(bytes + 1, vote->epoch_id.bytes, 32);
    bytes[33] = (uint8_t)vote->kind;
    base_put_u64be(bytes + 34, vote->first);
    base_put_u64be(bytes + 42, vote->last);
    memcpy(bytes + 50, vote->hash.bytes, 32);
    base_keccak256(&hash, bytes, sizeof bytes);
    memcpy(sig.bytes, hash.bytes, 32);
    return sig;
}

static int sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    (void)ctx;
    *sig = signed_by(config.self, vote);
    return BASE_OK;
}

static int verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                  const struct base_eth_address *signer)
{
    struct base_sig65 good = signed_by(signer->bytes[0], vote);
    (void)ctx;
    return memcmp(&good, sig, sizeof good) == 0 ? BASE_OK : BASE_ESIG;
}

static struct consensus_above judged; /* what lay above the final one when we were asked */
static const char *proposal;

static size_t fill(void *ctx, uint64_t slot, const struct consensus_above *above, void *to,
                   size_t cap)
{
    (void)ctx, (void)slot, (void)cap;
    (void)above;
    memcpy(to, proposal, strlen(proposal));
    return strlen(proposal);
}

/* "close": it ends the epoch. "state": it names the state of slot 100. */
static void read_marks(void *ctx, const struct base_slice *payload, struct consensus_marks *marks)
{
    (void)ctx;
    *marks = (struct consensus_marks){.has_entries = payload->len > 0};
    if (payload->len == 5 && memcmp(payload->data, "close", 5) == 0) marks->is_closing = true;
    if (payload->len == 5 && memcmp(payload->data, "state", 5) == 0) {
        marks->has_state = true;
        marks->state_slot = 100;
        marks->state_hash.bytes[0] = 0x64;
        marks->state.bytes[0] = 0x57;
    }
}

static enum consensus_judgement judge(void *ctx, uint64_t slot, const struct consensus_above *above,
                                      const struct base_slice *payload)
{
    (void)ctx, (void)slot, (void)payload;
    judged = *above;
    return verdict;
}

static void begin(size_t self)
{
    memset(voters, 0, sizeof voters);
    memset(leads, 0, sizeof leads);
    for (uint8_t i = 0; i < N; i++) {
        voters[i].key.bytes[0] = 2;
        voters[i].key.bytes[32] = i;
        voters[i].signer.bytes[0] = i;
        voters[i].weight = leads[i].weight = 1;
        leads[i].key = voters[i].key;
    }
    config = (struct consensus_config){.epoch_id = epoch,
                                       .genesis = genesis,
                                       .voters = voters,
                                       .leads = leads,
                                       .voter_count = N,
                                       .self = self,
                                       .first_leader = N,
                                       .final_slot = CONSENSUS_NO_SLOT,
                                       .host = {NULL, sign, verify, read_marks, fill, judge}};
    consensus_params_default(&config.params);
    config.params.window_slots = WINDOW;
    now = 1000000;
    stored = 0;
    verdict = CONSENSUS_VALID;
    proposal = "mine";
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
}

static int teardown(void **state)
{
    (void)state;
    consensus_engine_free(engine);
    engine = NULL;
    return 0;
}

static int feed(const struct consensus_event *ev)
{
    int rv = consensus_engine_step(engine, now, ev, &out);
    for (size_t i = 0; i < out.count; i++)
        if (out.list[i].type == CONSENSUS_ACT_STORE) stored = out.list[i].u.store.number;
    return rv;
}

static void timer(void)
{
    assert_int_equal(feed(&(struct consensus_event){.type = CONSENSUS_EV_TIMER}), BASE_OK);
}

static void store_all(void)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_STORED};
    ev.u.stored = stored;
    assert_int_equal(feed(&ev), BASE_OK);
}

static int say(size_t from, const struct consensus_message *m)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_MESSAGE, .from = from};
    ev.u.message = m;
    return feed(&ev);
}

static struct base_vote vote_of(enum base_vote_kind kind, uint64_t first,
                                const struct base_hash32 *hash)
{
    struct base_vote v = {.epoch_id = epoch, .kind = kind, .first = first, .last = first};
    if (kind == BASE_VOTE_SKIP)
        v.last = (first / WINDOW + 1) * WINDOW - 1;
    else
        v.hash = *hash;
    return v;
}

static int say_vote(size_t from, enum base_vote_kind kind, uint64_t first,
                    const struct base_hash32 *hash)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_VOTE, .epoch_id = epoch};
    m.u.vote.voter = (uint16_t)from;
    m.u.vote.vote = vote_of(kind, first, hash);
    m.u.vote.sig = signed_by(from, &m.u.vote.vote);
    return say(from, &m);
}

static struct base_hash32 say_cand(size_t leader, uint64_t slot, uint64_t parent,
                                   const struct base_hash32 *parent_hash, const char *payload)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_CAND, .epoch_id = epoch};
    struct base_hash32 hash;
    m.u.cand = (struct consensus_candidate){.slot = slot,
                                            .parent_slot = parent,
                                            .parent_hash = *parent_hash,
                                            .payload = base_slice_text(payload)};
    consensus_candidate_hash(&hash, &epoch, &m.u.cand);
    struct base_vote vote = vote_of(BASE_VOTE_CAND, slot, &hash);
    m.u.cand.sig = signed_by(leader, &vote);
    assert_int_equal(say(leader, &m), BASE_OK);
    return hash;
}

/* Something of ours that is about to be stored. */
static const struct base_vote *stores(enum base_vote_kind kind)
{
    for (size_t i = 0; i < out.count; i++)
        if (out.list[i].type == CONSENSUS_ACT_STORE && out.list[i].u.store.record.vote.kind == kind)
            return &out.list[i].u.store.record.vote;
    return NULL;
}

static bool sends(enum consensus_message_type type, enum base_vote_kind kind)
{
    for (size_t i = 0; i < out.count; i++) {
        const struct consensus_message *m = &out.list[i].u.send.message;
        if (out.list[i].type != CONSENSUS_ACT_SEND || m->type != type) continue;
        if (type != CONSENSUS_MSG_VOTE || m->u.vote.vote.kind == kind) return true;
    }
    return false;
}

static const struct consensus_action *acts(enum consensus_action_type type)
{
    for (size_t i = 0; i < out.count; i++)
        if (out.list[i].type == type) return &out.list[i];
    return NULL;
}

/* Slot 0 by its leader, notarised by all others. */
static struct base_hash32 slot_zero(void)
{
    struct base_hash32 h = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_non_null(stores(BASE_VOTE_NOTAR));
    store_all();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(say_vote(i, BASE_VOTE_NOTAR, 0, &h), BASE_OK);
    return h;
}

static void skip_window_zero(void)
{
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(say_vote(i, BASE_VOTE_SKIP, 0, NULL), BASE_OK);
}

/* ---- N ---- */

static void test_one_notar_a_slot(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_non_null(stores(BASE_VOTE_NOTAR));
    assert_true(base_hash32_equal(&stores(BASE_VOTE_NOTAR)->hash, &a));
    struct base_hash32 b = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "b");
    assert_null(stores(BASE_VOTE_NOTAR));
    for (size_t i = 0; i < 3; i++) /* whatever a quorum says */
        assert_int_equal(say_vote(i, BASE_VOTE_NOTAR, 0, &b), BASE_OK);
    assert_null(stores(BASE_VOTE_NOTAR));
    assert_null(stores(BASE_VOTE_FINAL)); /* F1: ours was another */
}

static void test_notars_go_up(void **state)
{
    (void)state;
    begin(3);
    timer();
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    teardown(NULL);
    begin(3);
    struct base_hash32 high = {{7}};
    struct base_vote vote = vote_of(BASE_VOTE_NOTAR, 5, &high);
    struct consensus_record r = {
        .kind = CONSENSUS_RECORD_NOTAR, .vote = vote, .sig = signed_by(3, &vote)};
    assert_int_equal(consensus_engine_restore(engine, &r), BASE_OK);
    now += 10000;
    timer();
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a"); /* below one that we have given */
    assert_null(stores(BASE_VOTE_NOTAR));
}

static void test_a_gap_must_be_skipped(void **state)
{
    (void)state;
    begin(3);
    timer();
    now += 4000; /* nothing to wait for */
    say_cand(1, 10, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_null(stores(BASE_VOTE_NOTAR));
    skip_window_zero();
    assert_non_null(stores(BASE_VOTE_NOTAR));
}

static void test_the_parent_must_be_notarised(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    store_all();
    struct base_hash32 b = say_cand(0, 1, 0, &a, "b");
    assert_null(stores(BASE_VOTE_NOTAR));
    assert_int_equal(say_vote(0, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    assert_int_equal(say_vote(1, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    assert_non_null(stores(BASE_VOTE_NOTAR));
    assert_true(base_hash32_equal(&stores(BASE_VOTE_NOTAR)->hash, &b));
}

static struct consensus_candidate cand_at(uint64_t slot, uint64_t parent,
                                          const struct base_hash32 *parent_hash,
                                          const char *payload, struct base_hash32 *hash)
{
    struct consensus_candidate c = {.slot = slot,
                                    .parent_slot = parent,
                                    .parent_hash = *parent_hash,
                                    .payload = base_slice_text(payload)};
    consensus_candidate_hash(hash, &epoch, &c);
    return c;
}

static void say_votes(enum base_vote_kind kind, uint64_t slot, const struct base_hash32 *hash)
{
    for (size_t i = 0; i < N; i++)
        if (i != config.self) assert_int_equal(say_vote(i, kind, slot, hash), BASE_OK);
}

static bool asks_for(uint64_t slot)
{
    for (size_t i = 0; i < out.count; i++) {
        const struct consensus_message *m = &out.list[i].u.send.message;
        if (out.list[i].type == CONSENSUS_ACT_SEND && m->type == CONSENSUS_MSG_GET &&
            m->u.get.slot == slot)
            return true;
    }
    return false;
}

/* A grandparent that was lost on its way is asked for; until it is there, nobody could tell what
 * lies between the last final candidate and this one. */
static void test_the_whole_chain_must_be_held(void **state)
{
    struct base_hash32 a, b;
    (void)state;
    begin(3);
    timer();
    cand_at(0, CONSENSUS_NO_SLOT, &genesis, "a", &a);
    say_votes(BASE_VOTE_NOTAR, 0, &a);
    b = say_cand(0, 1, 0, &a, "b");
    say_votes(BASE_VOTE_NOTAR, 1, &b);
    now += 600;
    say_cand(0, 2, 1, &b, "c");
    assert_null(stores(BASE_VOTE_NOTAR));
    assert_true(asks_for(0));
    struct base_hash32 got = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_true(base_hash32_equal(&a, &got));
    size_t notars = 0;
    for (size_t i = 0; i < out.count; i++)
        if (out.list[i].type == CONSENSUS_ACT_STORE &&
            out.list[i].u.store.record.kind == CONSENSUS_RECORD_NOTAR)
            notars++;
    assert_int_equal(notars, 3);
}

/* Nobody stands on it yet, and nobody says it again: it is asked for with the next heartbeat. */
static void test_what_is_notarised_is_asked_for(void **state)
{
    struct base_hash32 a;
    (void)state;
    begin(3);
    timer();
    cand_at(0, CONSENSUS_NO_SLOT, &genesis, "a", &a);
    struct consensus_message m = {.type = CONSENSUS_MSG_CERT, .epoch_id = epoch};
    struct consensus_cert_vote votes[3];
    struct base_vote vote = vote_of(BASE_VOTE_NOTAR, 0, &a);
    for (uint16_t i = 0; i < 3; i++)
        votes[i] = (struct consensus_cert_vote){i, 0, signed_by(i, &vote)};
    m.u.cert = (struct consensus_cert){BASE_VOTE_NOTAR, 0, 0, a, 3, votes};
    assert_int_equal(say(0, &m), BASE_OK);
    now += 1000;
    timer();
    assert_true(asks_for(0));
}

/* Two candidates were shown to us alone, and the others have made a third one final. */
static void test_a_third_candidate_that_is_certified_is_taken(void **state)
{
    struct base_hash32 a;
    (void)state;
    begin(3);
    timer();
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "x");
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "y");
    cand_at(0, CONSENSUS_NO_SLOT, &genesis, "a", &a);
    struct base_hash32 b = say_cand(0, 1, 0, &a, "b");
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a"); /* not before that is so */
    say_votes(BASE_VOTE_FINAL, 1, &b);
    assert_true(asks_for(0));
    assert_null(acts(CONSENSUS_ACT_FINAL));
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_non_null(acts(CONSENSUS_ACT_FINAL));
    assert_true(base_hash32_equal(&acts(CONSENSUS_ACT_FINAL)->u.final.hash, &a));
}

static void test_only_the_leader_proposes(void **state)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_CAND, .epoch_id = epoch};
    struct base_hash32 hash;
    (void)state;
    begin(3);
    timer();
    m.u.cand =
        (struct consensus_candidate){.parent_slot = CONSENSUS_NO_SLOT, .parent_hash = genesis};
    consensus_candidate_hash(&hash, &epoch, &m.u.cand);
    struct base_vote vote = vote_of(BASE_VOTE_CAND, 0, &hash);
    m.u.cand.sig = signed_by(1, &vote);
    assert_int_equal(say(1, &m), BASE_EMALFORMED);
    assert_null(stores(BASE_VOTE_NOTAR));
}

/* Ours, of the next slot: stored, sent, and notarised. False when it is not time for one. */
static bool goes_on_to_propose(void)
{
    const struct base_vote *mine = stores(BASE_VOTE_CAND);
    if (mine == NULL) return false;
    struct base_vote cand = *mine;
    store_all();
    for (size_t i = 1; i < 3; i++) /* with our own a quorum; no step after the one that goes on */
        assert_int_equal(say_vote(i, BASE_VOTE_NOTAR, cand.first, &cand.hash), BASE_OK);
    return true;
}

/* Entries that come one by one need not wait for each other, and a window lasts all the same. */
static void test_entries_go_at_once_until_they_are_many(void **state)
{
    struct consensus_event entries = {.type = CONSENSUS_EV_ENTRIES, .u.has_entries = true};
    size_t count = 0;
    (void)state;
    begin(0);
    consensus_engine_free(engine);
    config.params.window_slots = 100;
    config.params.pace_burst = 3;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    assert_int_equal(feed(&entries), BASE_OK);
    while (goes_on_to_propose())
        count++;
    assert_int_equal(count, 1 + 3);
    now += config.params.pace_ms - 1;
    timer();
    assert_false(goes_on_to_propose());
    assert_int_equal(consensus_engine_deadline_ms(engine), now + 1);
    now++;
    timer();
    assert_true(goes_on_to_propose());
    assert_false(goes_on_to_propose());
    now += 10 * config.params.pace_ms; /* what was not used is not kept for ever */
    timer();
    for (count = 0; goes_on_to_propose(); count++)
        continue;
    assert_int_equal(count, 1 + 3);
}

static void test_what_is_skipped_is_not_served(void **state)
{
    (void)state;
    begin(3);
    timer();
    skip_window_zero();
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a"); /* N3 */
    assert_null(stores(BASE_VOTE_NOTAR));
}

static void test_payloads_are_judged(void **state)
{
    (void)state;
    begin(3);
    timer();
    verdict = CONSENSUS_NOT_YET;
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_null(stores(BASE_VOTE_NOTAR));
    assert_null(stores(BASE_VOTE_SKIP)); /* a difference of views is silence */
    verdict = CONSENSUS_VALID;
    timer();
    assert_non_null(stores(BASE_VOTE_NOTAR));
    teardown(NULL);
    begin(3);
    timer();
    verdict = CONSENSUS_INVALID;
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_null(stores(BASE_VOTE_NOTAR));
    assert_non_null(stores(BASE_VOTE_SKIP));
}

/* ---- F ---- */

static void test_final_after_the_certificate(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    store_all();
    assert_int_equal(say_vote(0, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    assert_null(stores(BASE_VOTE_FINAL));
    assert_int_equal(say_vote(1, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    assert_non_null(stores(BASE_VOTE_FINAL));
    for (size_t i = 0; i < out.count; i++) /* stored with it */
        if (out.list[i].type == CONSENSUS_ACT_STORE)
            assert_non_null(out.list[i].u.store.record.cert);
    store_all();
    assert_int_equal(say_vote(0, BASE_VOTE_FINAL, 0, &a), BASE_OK);
    assert_null(acts(CONSENSUS_ACT_FINAL));
    assert_int_equal(say_vote(1, BASE_VOTE_FINAL, 0, &a), BASE_OK);
    assert_non_null(acts(CONSENSUS_ACT_FINAL));
    assert_true(base_hash32_equal(&acts(CONSENSUS_ACT_FINAL)->u.final.hash, &a));
}

/* What does not descend from where we stand is not ours, whatever a quorum signs. */
static void test_another_genesis_never_becomes_final(void **state)
{
    struct base_hash32 other = {{0x8}};
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &other, "a");
    assert_null(stores(BASE_VOTE_NOTAR));
    for (size_t i = 0; i < 3; i++) {
        say_vote(i, BASE_VOTE_FINAL, 0, &a);
        assert_null(acts(CONSENSUS_ACT_FINAL));
    }
}

static void test_no_final_after_a_skip(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    store_all();
    now += 20000;
    timer();
    assert_non_null(stores(BASE_VOTE_SKIP));
    store_all();
    say_vote(0, BASE_VOTE_NOTAR, 0, &a);
    say_vote(1, BASE_VOTE_NOTAR, 0, &a);
    assert_null(stores(BASE_VOTE_FINAL));
}

/* After a restart this is not implied by anything else. */
static void test_no_skip_over_a_final(void **state)
{
    (void)state;
    begin(3);
    struct base_hash32 a = {{7}};
    struct base_vote vote = vote_of(BASE_VOTE_FINAL, 2, &a);
    struct consensus_record r = {
        .kind = CONSENSUS_RECORD_FINAL, .vote = vote, .sig = signed_by(3, &vote)};
    assert_int_equal(consensus_engine_restore(engine, &r), BASE_OK);
    timer();
    now += 100000;
    timer();
    assert_null(stores(BASE_VOTE_SKIP));
}

/* ---- S ---- */

static void test_skipping_begins_at_the_frontier(void **state)
{
    (void)state;
    begin(3);
    timer();
    slot_zero();
    store_all();
    now += 20000;
    timer();
    assert_non_null(stores(BASE_VOTE_SKIP));
    assert_int_equal(stores(BASE_VOTE_SKIP)->first, 1);
    assert_int_equal(stores(BASE_VOTE_SKIP)->last, WINDOW - 1);
    store_all();
    now += 20000;
    timer();
    assert_null(stores(BASE_VOTE_SKIP)); /* once a window */
}

static void test_who_stands_in_the_way_skips_too(void **state)
{
    (void)state;
    begin(3);
    timer();
    assert_int_equal(say_vote(1, BASE_VOTE_SKIP, 0, NULL), BASE_OK);
    assert_null(stores(BASE_VOTE_SKIP)); /* one of four may lie */
    assert_int_equal(say_vote(2, BASE_VOTE_SKIP, 0, NULL), BASE_OK);
    assert_non_null(stores(BASE_VOTE_SKIP)); /* two: no FINAL has a quorum any more */
}

static void test_a_leader_that_goes_is_let_go(void **state)
{
    (void)state;
    begin(3);
    timer();
    assert_int_equal(say_vote(0, BASE_VOTE_SKIP, 0, NULL), BASE_OK);
    assert_non_null(stores(BASE_VOTE_SKIP));
}

static void test_two_candidates_prove_the_leader_guilty(void **state)
{
    (void)state;
    begin(3);
    timer();
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "b");
    assert_non_null(acts(CONSENSUS_ACT_FAULT));
    assert_int_equal(acts(CONSENSUS_ACT_FAULT)->u.fault.fault, CONSENSUS_E1);
    assert_int_equal(acts(CONSENSUS_ACT_FAULT)->u.fault.voter, 0);
    assert_null(stores(BASE_VOTE_SKIP)); /* what we have voted for may still become final */
    assert_true(consensus_engine_deadline_ms(engine) <= now + config.params.short_ms);
    now += config.params.short_ms;
    timer();
    assert_non_null(stores(BASE_VOTE_SKIP));
    assert_int_equal(stores(BASE_VOTE_SKIP)->first, 0);
}

/* Both candidates come first, then the others' votes: one of the two is final nevertheless, and the
 * leader is skipped from the next slot on. */
static void test_of_two_candidates_one_may_become_final(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "b");
    store_all();
    assert_int_equal(say_vote(0, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    assert_int_equal(say_vote(1, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    assert_non_null(stores(BASE_VOTE_FINAL));
    assert_non_null(stores(BASE_VOTE_SKIP));
    assert_int_equal(stores(BASE_VOTE_SKIP)->first, 1);
}

/* They skip what comes after the slot that we have just voted for: it may still be final. */
static void test_who_skips_later_slots_is_not_followed_at_once(void **state)
{
    (void)state;
    begin(3);
    timer();
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    store_all();
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(say_vote(i, BASE_VOTE_SKIP, 1, NULL), BASE_OK);
        assert_null(stores(BASE_VOTE_SKIP));
    }
    assert_int_equal(say_vote(1, BASE_VOTE_SKIP, 0, NULL), BASE_OK);
    assert_null(stores(BASE_VOTE_SKIP));
    assert_int_equal(say_vote(2, BASE_VOTE_SKIP, 0, NULL), BASE_OK);
    assert_non_null(stores(BASE_VOTE_SKIP)); /* now it cannot */
}

/* What membership has seen need not be waited for again. */
static void test_a_dead_leader_is_skipped_soon(void **state)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_DEAD};
    (void)state;
    begin(3);
    timer();
    ev.u.dead.voter = N;
    assert_int_equal(feed(&ev), BASE_EINVAL);
    ev.u.dead.voter = 0;
    ev.u.dead.is_dead = true;
    assert_int_equal(feed(&ev), BASE_OK);
    assert_null(stores(BASE_VOTE_SKIP));
    assert_int_equal(consensus_engine_deadline_ms(engine), now + 300);
    now += 299;
    ev.u.dead.is_dead = false; /* it was not, after all */
    assert_int_equal(feed(&ev), BASE_OK);
    now += 1;
    timer();
    assert_null(stores(BASE_VOTE_SKIP));
    ev.u.dead.is_dead = true;
    assert_int_equal(feed(&ev), BASE_OK);
    now += 300;
    timer();
    assert_non_null(stores(BASE_VOTE_SKIP));
}

/* What the log above says is owed is asked of this window's leader, and of no later one. */
static void test_a_leader_that_withholds_is_skipped(void **state)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_OVERDUE};
    (void)state;
    begin(3);
    timer();
    ev.u.overdue = 1;
    assert_int_equal(feed(&ev), BASE_OK);
    assert_null(stores(BASE_VOTE_SKIP));
    ev.u.overdue = 0;
    assert_int_equal(feed(&ev), BASE_OK);
    assert_non_null(stores(BASE_VOTE_SKIP));
    store_all();
    skip_window_zero();
    assert_null(stores(BASE_VOTE_SKIP));
}

/* NOTARs alone do not keep a window alive. */
static void test_without_finals_a_window_ends(void **state)
{
    struct base_hash32 parent = genesis;
    uint64_t above = CONSENSUS_NO_SLOT;
    (void)state;
    begin(3);
    timer();
    for (uint64_t slot = 0; slot < 6; slot++) { /* before the window is too old as well */
        parent = say_cand(0, slot, above, &parent, "a");
        above = slot;
        if (stores(BASE_VOTE_SKIP) != NULL) return;
        store_all();
        say_vote(0, BASE_VOTE_NOTAR, slot, &parent);
        say_vote(1, BASE_VOTE_NOTAR, slot, &parent);
        store_all();
        now += 2000; /* below T_skip */
        timer();
        if (stores(BASE_VOTE_SKIP) != NULL) return;
    }
    fail_msg("nothing was final for 12 s, and the window went on");
}

/* ---- E ---- */

static void test_faults_are_found_across_kinds(void **state)
{
    struct base_hash32 a = {{1}}, b = {{2}};
    (void)state;
    begin(3);
    timer();
    say_vote(1, BASE_VOTE_NOTAR, 4, &a);
    assert_null(acts(CONSENSUS_ACT_FAULT));
    say_vote(1, BASE_VOTE_FINAL, 4, &a);
    assert_null(acts(CONSENSUS_ACT_FAULT));
    say_vote(1, BASE_VOTE_NOTAR, 4, &b);
    assert_non_null(acts(CONSENSUS_ACT_FAULT)); /* E2, and E5 */
    say_vote(1, BASE_VOTE_SKIP, 3, NULL);
    assert_int_equal(acts(CONSENSUS_ACT_FAULT)->u.fault.fault, CONSENSUS_E3);
    say_vote(2, BASE_VOTE_SKIP, 3, NULL);
    assert_null(acts(CONSENSUS_ACT_FAULT));
    say_vote(2, BASE_VOTE_FINAL, 2, &a);
    assert_null(acts(CONSENSUS_ACT_FAULT));
    say_vote(2, BASE_VOTE_FINAL, 3, &a);
    assert_int_equal(acts(CONSENSUS_ACT_FAULT)->u.fault.fault, CONSENSUS_E3);
}

/* ---- storing, leases, copies ---- */

static void test_nothing_is_said_before_it_is_stored(void **state)
{
    (void)state;
    begin(0);
    timer();
    assert_non_null(stores(BASE_VOTE_CAND));
    assert_non_null(stores(BASE_VOTE_NOTAR));
    assert_false(sends(CONSENSUS_MSG_CAND, 0));
    assert_false(sends(CONSENSUS_MSG_VOTE, BASE_VOTE_NOTAR));
    store_all();
    assert_true(sends(CONSENSUS_MSG_CAND, 0));
    assert_true(sends(CONSENSUS_MSG_VOTE, BASE_VOTE_NOTAR));
}

static void test_a_store_that_failed_ends_it(void **state)
{
    struct consensus_view view;
    (void)state;
    begin(3);
    timer();
    assert_int_equal(feed(&(struct consensus_event){.type = CONSENSUS_EV_STORE_FAILED}), BASE_OK);
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_null(acts(CONSENSUS_ACT_STORE));
    consensus_engine_view(&view, engine);
    assert_true(view.is_mute);
}

static void abstain(bool does)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_ABSTAIN};
    ev.u.abstains = does;
    assert_int_equal(feed(&ev), BASE_OK);
}

static void test_who_abstains_signs_nothing_for_now(void **state)
{
    struct consensus_view view;
    (void)state;
    begin(3);
    timer();
    abstain(true);
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_null(acts(CONSENSUS_ACT_STORE));
    now += 60000;
    timer();
    assert_null(acts(CONSENSUS_ACT_STORE));
    consensus_engine_view(&view, engine);
    assert_true(view.abstains);
    abstain(false);
    assert_non_null(acts(CONSENSUS_ACT_STORE));
    consensus_engine_view(&view, engine);
    assert_false(view.abstains);
}

static const struct base_vote *own_cand(void)
{
    timer();
    assert_non_null(stores(BASE_VOTE_CAND));
    return stores(BASE_VOTE_CAND);
}

static void test_the_lease_begins_when_it_was_sent(void **state)
{
    (void)state;
    begin(0);
    struct base_hash32 a = own_cand()->hash;
    now += 400; /* the disk is slow */
    store_all();
    uint64_t sent = now;
    now += 900; /* the others, too */
    say_vote(1, BASE_VOTE_NOTAR, 0, &a);
    assert_false(consensus_engine_has_lease(engine, now));
    say_vote(2, BASE_VOTE_NOTAR, 0, &a);
    assert_true(consensus_engine_has_lease(engine, now));
    assert_true(consensus_engine_has_lease(engine, sent + 2939));
    assert_false(consensus_engine_has_lease(engine, sent + 2940)); /* 3 s less two clocks' drift */
}

static void test_to_resign_ends_the_lease_first(void **state)
{
    (void)state;
    begin(0);
    struct base_hash32 a = own_cand()->hash;
    store_all();
    say_vote(1, BASE_VOTE_NOTAR, 0, &a);
    say_vote(2, BASE_VOTE_NOTAR, 0, &a);
    assert_true(consensus_engine_has_lease(engine, now));
    assert_int_equal(feed(&(struct consensus_event){.type = CONSENSUS_EV_RESIGN}), BASE_OK);
    assert_non_null(stores(BASE_VOTE_SKIP));
    assert_false(sends(CONSENSUS_MSG_VOTE, BASE_VOTE_SKIP)); /* not stored yet, and over already */
    assert_false(consensus_engine_has_lease(engine, now));
}

static void test_who_abstains_does_not_lead(void **state)
{
    (void)state;
    begin(0);
    struct base_hash32 a = own_cand()->hash;
    store_all();
    say_vote(1, BASE_VOTE_NOTAR, 0, &a);
    say_vote(2, BASE_VOTE_NOTAR, 0, &a);
    assert_true(consensus_engine_has_lease(engine, now));
    abstain(true);
    assert_false(consensus_engine_has_lease(engine, now));
    teardown(NULL);
    begin(0);
    a = own_cand()->hash;
    store_all();
    abstain(true);
    say_vote(1, BASE_VOTE_NOTAR, 0, &a); /* votes for what it had proposed give none, either */
    say_vote(2, BASE_VOTE_NOTAR, 0, &a);
    assert_false(consensus_engine_has_lease(engine, now));
}

/* When it was sent is not known any more. */
static void test_a_restarted_leader_has_no_lease(void **state)
{
    struct consensus_candidate c = {.parent_slot = CONSENSUS_NO_SLOT, .parent_hash = genesis};
    struct base_hash32 hash;
    (void)state;
    begin(0);
    consensus_candidate_hash(&hash, &epoch, &c);
    struct base_vote vote = vote_of(BASE_VOTE_CAND, 0, &hash);
    c.sig = signed_by(0, &vote);
    struct consensus_record r = {
        .kind = CONSENSUS_RECORD_CAND, .vote = vote, .sig = c.sig, .cand = &c};
    assert_int_equal(consensus_engine_restore(engine, &r), BASE_OK);
    now += 2500;
    timer(); /* a standstill: it is said again */
    assert_true(sends(CONSENSUS_MSG_CAND, 0));
    assert_null(stores(BASE_VOTE_CAND));
    for (size_t i = 1; i < 4; i++)
        say_vote(i, BASE_VOTE_NOTAR, 0, &hash);
    assert_false(consensus_engine_has_lease(engine, now));
}

/* L2, and after a restart for whatever was seen before. */
static void test_another_leader_waits_for_the_lease(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = slot_zero();
    store_all();
    uint64_t seen = now;
    now += 100;
    for (size_t i = 1; i < 3; i++) /* not the leader's own, which would release us */
        say_vote(i, BASE_VOTE_SKIP, 1, NULL);
    store_all();
    say_cand(1, 10, 0, &a, "b");
    assert_null(stores(BASE_VOTE_NOTAR));
    assert_int_equal(consensus_engine_deadline_ms(engine) <= seen + 3000, 1);
    now = seen + 2999;
    timer();
    assert_null(stores(BASE_VOTE_NOTAR));
    now = seen + 3000;
    timer();
    assert_non_null(stores(BASE_VOTE_NOTAR));
}

/* All slots of window 0, by its leader. */
static struct base_hash32 window_zero(void)
{
    struct base_hash32 parent = genesis;
    for (uint64_t slot = 0; slot < WINDOW; slot++) {
        parent = say_cand(0, slot, slot == 0 ? CONSENSUS_NO_SLOT : slot - 1, &parent, "a");
        store_all();
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(say_vote(i, BASE_VOTE_NOTAR, slot, &parent), BASE_OK);
        store_all();
        now += 10;
    }
    return parent;
}

/* The last candidate of a window lets go as well, unless the same one leads the next, too. */
static void test_a_window_that_is_over_is_let_go(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 last = window_zero();
    say_cand(1, WINDOW, WINDOW - 1, &last, "b");
    assert_non_null(stores(BASE_VOTE_NOTAR));
    teardown(NULL);
    begin(3);
    consensus_engine_free(engine);
    leads[0].weight = 5; /* leads windows 0 and 1 */
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    timer();
    last = window_zero();
    uint64_t seen = now - 10;
    for (size_t i = 1; i < 3; i++)
        say_vote(i, BASE_VOTE_SKIP, WINDOW, NULL);
    store_all();
    say_cand(1, 2 * WINDOW, WINDOW - 1, &last, "b");
    assert_null(stores(BASE_VOTE_NOTAR));
    now = seen + 3000;
    timer();
    assert_non_null(stores(BASE_VOTE_NOTAR));
}

static void test_who_leads_lets_go_by_its_own_skip(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = slot_zero();
    store_all();
    for (size_t i = 0; i < 2; i++)
        say_vote(i, BASE_VOTE_SKIP, 1, NULL);
    store_all();
    say_cand(1, 10, 0, &a, "b");
    assert_non_null(stores(BASE_VOTE_NOTAR));
}

/* By all but member 0, which learns of it by the certificate, and so has not skipped itself. */
static void skipped_by_others(uint64_t first)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_CERT, .epoch_id = epoch};
    struct consensus_cert_vote votes[3];
    struct base_vote vote = vote_of(BASE_VOTE_SKIP, first, NULL);
    for (uint16_t i = 0; i < 3; i++)
        votes[i] = (struct consensus_cert_vote){(uint16_t)(i + 1), first, signed_by(i + 1u, &vote)};
    m.u.cert = (struct consensus_cert){BASE_VOTE_SKIP, first, vote.last, {{0}}, 3, votes};
    assert_int_equal(say(1, &m), BASE_OK);
}

/* Leads windows 0 and 1, and has proposed in 0. */
static struct base_hash32 begin_with_two_windows(void)
{
    begin(0);
    consensus_engine_free(engine);
    leads[0].weight = 5;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    struct base_hash32 a = own_cand()->hash;
    store_all();
    skipped_by_others(0);
    now += 100;
    return a;
}

static void notarise_late(const struct base_hash32 *hash)
{
    for (size_t i = 1; i < 4; i++)
        say_vote(i, BASE_VOTE_NOTAR, 0, hash);
}

static void be_out(void)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_DEAD};
    ev.u.dead.voter = 0;
    ev.u.dead.is_dead = true;
    assert_int_equal(feed(&ev), BASE_OK);
}

/* Our own seat is gone: we vote, and lead no more. */
static void test_who_is_out_hands_its_lead_on(void **state)
{
    (void)state;
    begin(0);
    struct base_hash32 a = own_cand()->hash;
    store_all();
    say_vote(1, BASE_VOTE_NOTAR, 0, &a);
    say_vote(2, BASE_VOTE_NOTAR, 0, &a);
    assert_true(consensus_engine_has_lease(engine, now));
    be_out();
    assert_non_null(stores(BASE_VOTE_SKIP));
    assert_false(consensus_engine_has_lease(engine, now));
    store_all();
    for (size_t i = 1; i < 4; i++)
        say_vote(i, BASE_VOTE_SKIP, 1, NULL);
    now += 4000;
    say_cand(1, 10, 0, &a, "b");
    assert_non_null(stores(BASE_VOTE_NOTAR));
}

static void test_who_is_out_gets_no_lease(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        begin(0);
        struct base_hash32 a = own_cand()->hash;
        store_all();
        skipped_by_others(0); /* and not by us */
        now += 100;
        if (i == 0) be_out();
        for (size_t k = 1; k < 4; k++)
            say_vote(k, BASE_VOTE_NOTAR, 0, &a);
        if (i == 1) be_out();
        assert_int_equal(consensus_engine_has_lease(engine, now), i == 2);
        teardown(NULL);
    }
}

static void test_an_own_skip_ends_older_leases(void **state)
{
    (void)state;
    struct base_hash32 a = begin_with_two_windows();
    notarise_late(&a); /* as it would be */
    assert_true(consensus_engine_has_lease(engine, now));
    teardown(NULL);
    a = begin_with_two_windows();
    assert_int_equal(feed(&(struct consensus_event){.type = CONSENSUS_EV_RESIGN}), BASE_OK);
    assert_int_equal(stores(BASE_VOTE_SKIP)->first, WINDOW);
    store_all();
    notarise_late(&a);
    assert_false(consensus_engine_has_lease(engine, now));
}

/* Leads windows 0 and 2; 0 is skipped, and in 1 somebody proposes. */
static void test_who_goes_on_after_the_end_has_no_lease(void **state)
{
    static const char *const payloads[] = {"entry", "close"};
    (void)state;
    for (size_t is_closed = 0; is_closed < 2; is_closed++) {
        begin(0);
        consensus_engine_free(engine);
        leads[0].weight = 3;
        assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
        size_t other = consensus_engine_leader(engine, 1);
        assert_true(other != 0 && consensus_engine_leader(engine, 2) == 0);
        struct base_hash32 a = own_cand()->hash;
        store_all();
        skipped_by_others(0);
        struct base_hash32 b =
            say_cand(other, WINDOW, CONSENSUS_NO_SLOT, &genesis, payloads[is_closed]);
        for (size_t i = 1; i < 4; i++)
            say_vote(i, BASE_VOTE_NOTAR, WINDOW, &b);
        store_all();
        skipped_by_others(WINDOW + 1);
        assert_non_null(stores(BASE_VOTE_CAND));
        assert_int_equal(stores(BASE_VOTE_CAND)->first, 2 * WINDOW);
        notarise_late(&a);
        assert_int_equal(consensus_engine_has_lease(engine, now), is_closed == 0);
        teardown(NULL);
    }
}

static void test_after_a_restart_all_leases_are_waited_for(void **state)
{
    (void)state;
    begin(3);
    struct base_hash32 high = {{7}};
    struct base_vote vote = vote_of(BASE_VOTE_NOTAR, 5, &high);
    struct consensus_record r = {
        .kind = CONSENSUS_RECORD_NOTAR, .vote = vote, .sig = signed_by(3, &vote)};
    assert_int_equal(consensus_engine_restore(engine, &r), BASE_OK);
    timer();
    skip_window_zero();
    store_all();
    now = 1000000 + 3059;
    teardown(NULL); /* the leader's own SKIP has released us: without it */
    begin(3);
    assert_int_equal(consensus_engine_restore(engine, &r), BASE_OK);
    timer();
    for (size_t i = 1; i < 3; i++)
        say_vote(i, BASE_VOTE_SKIP, 0, NULL);
    store_all();
    say_cand(1, 10, CONSENSUS_NO_SLOT, &genesis, "b");
    assert_null(stores(BASE_VOTE_NOTAR));
    now = 1000000 + 3059;
    timer();
    assert_null(stores(BASE_VOTE_NOTAR));
    now = 1000000 + 3060; /* T_lease (1 + 2 rho) */
    timer();
    assert_non_null(stores(BASE_VOTE_NOTAR));
}

static void test_a_copy_silences_us(void **state)
{
    struct base_hash32 a = {{1}};
    (void)state;
    begin(3);
    timer();
    assert_int_equal(say_vote(3, BASE_VOTE_NOTAR, 0, &a), BASE_OK); /* our key, not our word */
    assert_non_null(acts(CONSENSUS_ACT_COPY));
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_null(acts(CONSENSUS_ACT_STORE));
}

static void test_an_echo_is_no_copy(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_int_equal(say_vote(3, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    assert_null(acts(CONSENSUS_ACT_COPY));
}

/* ---- what others hold of our votes ---- */

static void begin_listening(size_t self)
{
    begin(self);
    teardown(NULL);
    config.is_listening = true;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    timer();
}

static int show(size_t from, size_t signer, const struct base_vote *vote)
{
    struct consensus_shown shown = {.count = vote != NULL ? 1 : 0};
    struct consensus_event ev = {.type = CONSENSUS_EV_SHOWN, .from = from, .u.shown = &shown};
    if (vote != NULL) {
        shown.votes[0] = *vote;
        shown.sigs[0] = signed_by(signer, vote);
    }
    return feed(&ev);
}

static bool is_listening(void)
{
    struct consensus_view view;
    consensus_engine_view(&view, engine);
    return view.is_listening;
}

/* With itself three of four are a quorum; what others say of themselves counts for nothing. */
static void test_a_new_log_signs_nothing_before_a_quorum_was_asked(void **state)
{
    struct consensus_message status = {.type = CONSENSUS_MSG_STATUS, .epoch_id = epoch};
    (void)state;
    begin_listening(3);
    status.u.status.final_slot = CONSENSUS_NO_SLOT;
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(say(i, &status), BASE_OK);
        assert_int_equal(say_vote(i, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    }
    now += 20000; /* whatever its timers say */
    timer();
    assert_null(acts(CONSENSUS_ACT_STORE));
    assert_int_equal(show(0, 3, NULL), BASE_OK);
    assert_int_equal(show(0, 3, NULL), BASE_OK); /* twice the same */
    assert_int_equal(show(CONSENSUS_GUEST(N), 3, NULL), BASE_OK);
    assert_null(acts(CONSENSUS_ACT_STORE));
    assert_true(is_listening());
    assert_int_equal(show(1, 3, NULL), BASE_OK);
    assert_false(is_listening());
    assert_non_null(stores(BASE_VOTE_NOTAR));
    assert_null(acts(CONSENSUS_ACT_COPY));
}

static void test_whoever_is_a_quorum_asks_nobody(void **state)
{
    (void)state;
    begin(0);
    teardown(NULL);
    config.is_listening = true;
    for (size_t i = 1; i < N; i++)
        voters[i].weight = leads[i].weight = 0;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    timer();
    assert_non_null(stores(BASE_VOTE_CAND));
}

/* Of any kind, and however long ago: it has made none itself. */
static void test_a_new_log_is_shown_what_it_lacks(void **state)
{
    static const enum base_vote_kind kinds[] = {BASE_VOTE_CAND, BASE_VOTE_NOTAR, BASE_VOTE_FINAL,
                                                BASE_VOTE_SKIP};
    struct base_hash32 a = {{1}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct base_vote vote = vote_of(kinds[i], 2, &a);
        begin_listening(3);
        assert_int_equal(show(0, 3, &vote), BASE_OK);
        assert_non_null(acts(CONSENSUS_ACT_COPY));
        assert_int_equal(show(1, 3, NULL), BASE_OK);
        say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
        assert_null(acts(CONSENSUS_ACT_STORE));
        teardown(NULL);
    }
    begin_listening(3);
    struct consensus_event ev = {.type = CONSENSUS_EV_STATE};
    ev.u.state.slot = 100; /* it has the log's state as of a later slot already */
    assert_int_equal(feed(&ev), BASE_OK);
    struct base_vote vote = vote_of(BASE_VOTE_FINAL, 2, &a);
    assert_int_equal(show(0, 3, &vote), BASE_OK);
    assert_non_null(acts(CONSENSUS_ACT_COPY));
}

/* Nobody silences another. */
static void test_what_is_shown_must_be_ours(void **state)
{
    struct base_hash32 a = {{1}};
    (void)state;
    begin_listening(3);
    struct base_vote vote = vote_of(BASE_VOTE_NOTAR, 2, &a);
    assert_int_equal(show(0, 0, &vote), BASE_EMALFORMED);
    vote.epoch_id.bytes[0]++;
    assert_int_equal(show(0, 3, &vote), BASE_EMALFORMED);
    vote = vote_of(BASE_VOTE_SKIP, 2, &a);
    vote.last++;
    assert_int_equal(show(0, 3, &vote), BASE_EMALFORMED);
    assert_null(acts(CONSENSUS_ACT_COPY));
    assert_int_equal(show(1, 3, NULL), BASE_OK); /* and who has shown that has shown nothing */
    assert_true(is_listening());
}

/* In a certificate, or as a candidate of our own window, before anybody was asked. */
static void test_a_new_log_learns_of_its_votes_by_the_way(void **state)
{
    struct consensus_cert_vote votes[3];
    struct consensus_message m = {.type = CONSENSUS_MSG_CERT, .epoch_id = epoch};
    struct base_hash32 a = {{1}};
    struct base_vote vote = vote_of(BASE_VOTE_FINAL, 4, &a);
    (void)state;
    for (size_t without = 3; without > 1; without--) {
        begin_listening(3);
        for (uint16_t i = 0, at = 0; i < N; i++)
            if (i != without) votes[at++] = (struct consensus_cert_vote){i, 4, signed_by(i, &vote)};
        m.u.cert = (struct consensus_cert){BASE_VOTE_FINAL, 4, 4, a, 3, votes};
        assert_int_equal(say(0, &m), BASE_OK);
        assert_true((acts(CONSENSUS_ACT_COPY) != NULL) == (without != 3));
        teardown(NULL);
    }
    begin_listening(0);
    say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    assert_non_null(acts(CONSENSUS_ACT_COPY));
}

/* Whoever has its log knows what it has said, as far as it still matters. */
static void test_what_we_said_is_no_copy(void **state)
{
    struct base_hash32 other = {{7}};
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    store_all();
    struct base_vote vote = vote_of(BASE_VOTE_NOTAR, 0, &a);
    assert_int_equal(show(0, 3, &vote), BASE_OK);
    assert_null(acts(CONSENSUS_ACT_COPY));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(say_vote(i, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
        assert_int_equal(say_vote(i, BASE_VOTE_FINAL, 0, &a), BASE_OK);
    }
    store_all(); /* final: forgotten here */
    assert_int_equal(show(0, 3, &vote), BASE_OK);
    assert_null(acts(CONSENSUS_ACT_COPY));
    vote = vote_of(BASE_VOTE_NOTAR, 1, &other);
    assert_int_equal(show(0, 3, &vote), BASE_OK);
    assert_non_null(acts(CONSENSUS_ACT_COPY));
}

/* A log from an older copy: what it lacks may be final by the time that somebody shows it. */
static void test_an_older_log_lacks_what_is_final_by_now(void **state)
{
    struct base_hash32 a = {{1}};
    struct consensus_event ev = {.type = CONSENSUS_EV_STATE};
    struct base_vote five = vote_of(BASE_VOTE_NOTAR, 5, &a),
                     later = vote_of(BASE_VOTE_NOTAR, 6, &a);
    (void)state;
    begin(3);
    teardown(NULL);
    config.final_slot = 4; /* the state that it holds */
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    struct base_vote dropped = vote_of(BASE_VOTE_NOTAR, 3, &a); /* with the state before */
    assert_int_equal(show(0, 3, &dropped), BASE_OK);
    assert_null(acts(CONSENSUS_ACT_COPY));
    teardown(NULL);
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    const struct consensus_candidate cand = {.slot = 5, .parent_slot = 4};
    struct consensus_record r = {
        .kind = CONSENSUS_RECORD_NOTAR, .vote = five, .sig = signed_by(3, &five), .cand = &cand};
    assert_int_equal(consensus_engine_restore(engine, &r), BASE_OK);
    ev.u.state.slot = 100;
    assert_int_equal(feed(&ev), BASE_OK);
    assert_int_equal(show(0, 3, &five), BASE_OK); /* its own */
    assert_null(acts(CONSENSUS_ACT_COPY));
    assert_int_equal(show(0, 3, &later), BASE_OK);
    assert_non_null(acts(CONSENSUS_ACT_COPY));
}

/* The last of each kind, of each voter, beyond what is final; also of those in certificates. */
static void test_the_last_votes_are_kept(void **state)
{
    struct base_vote vote;
    struct base_sig65 sig, good;
    (void)state;
    begin(3);
    timer();
    assert_false(consensus_engine_last(engine, 0, BASE_VOTE_NOTAR, &vote, &sig));
    struct base_hash32 a = slot_zero();
    store_all();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(say_vote(i, BASE_VOTE_FINAL, 0, &a), BASE_OK);
    assert_true(consensus_engine_last(engine, 0, BASE_VOTE_CAND, &vote, &sig));
    assert_true(vote.first == 0 && base_hash32_equal(&vote.hash, &a));
    assert_true(consensus_engine_last(engine, 1, BASE_VOTE_NOTAR, &vote, &sig));
    good = signed_by(1, &vote);
    assert_memory_equal(&sig, &good, sizeof sig);
    assert_true(consensus_engine_last(engine, 1, BASE_VOTE_FINAL, &vote, &sig));
    assert_false(consensus_engine_last(engine, 1, BASE_VOTE_SKIP, &vote, &sig));
    assert_int_equal(say_vote(1, BASE_VOTE_SKIP, 5, NULL), BASE_OK);
    assert_true(consensus_engine_last(engine, 1, BASE_VOTE_SKIP, &vote, &sig));
    assert_true(vote.first == 5 && vote.last == WINDOW - 1);
    good = signed_by(1, &vote);
    assert_memory_equal(&sig, &good, sizeof sig);
    struct consensus_cert_vote votes[3];
    struct consensus_message m = {.type = CONSENSUS_MSG_CERT, .epoch_id = epoch};
    struct base_vote notar = vote_of(BASE_VOTE_NOTAR, 4, &a);
    for (uint16_t i = 0; i < 3; i++)
        votes[i] = (struct consensus_cert_vote){i, 4, signed_by(i, &notar)};
    m.u.cert = (struct consensus_cert){BASE_VOTE_NOTAR, 4, 4, a, 3, votes};
    assert_int_equal(say(0, &m), BASE_OK);
    assert_true(consensus_engine_last(engine, 2, BASE_VOTE_NOTAR, &vote, &sig));
    assert_int_equal(vote.first, 4);
    assert_int_equal(say_vote(2, BASE_VOTE_NOTAR, 1, &a), BASE_OK); /* an older one */
    assert_true(consensus_engine_last(engine, 2, BASE_VOTE_NOTAR, &vote, &sig));
    assert_int_equal(vote.first, 4);
}

/* ---- hostile ---- */

static void test_what_breaks_a_rule_is_counted(void **state)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_VOTE, .epoch_id = epoch};
    struct base_hash32 a = {{1}};
    struct consensus_view view;
    (void)state;
    begin(3);
    timer();
    m.u.vote.voter = N;
    m.u.vote.vote = vote_of(BASE_VOTE_NOTAR, 0, &a);
    assert_int_equal(say(1, &m), BASE_EMALFORMED);
    m.u.vote.voter = 1;
    m.u.vote.sig = signed_by(2, &m.u.vote.vote); /* another's */
    assert_int_equal(say(1, &m), BASE_EMALFORMED);
    m.u.vote.vote = vote_of(BASE_VOTE_SKIP, 3, NULL);
    m.u.vote.vote.last--; /* not to the end of its window */
    m.u.vote.sig = signed_by(1, &m.u.vote.vote);
    assert_int_equal(say(1, &m), BASE_EMALFORMED);
    m.u.vote.vote = vote_of(BASE_VOTE_NOTAR, 0, &a);
    m.u.vote.vote.epoch_id.bytes[0]++;
    m.u.vote.sig = signed_by(1, &m.u.vote.vote);
    assert_int_equal(say(1, &m), BASE_EMALFORMED);
    m.epoch_id.bytes[0]++;
    assert_int_equal(say(1, &m), BASE_EMALFORMED);
    consensus_engine_view(&view, engine);
    assert_int_equal(view.refused, 5);
    assert_int_equal(say_vote(1, BASE_VOTE_NOTAR, 2 * WINDOW, &a),
                     BASE_OK); /* too far ahead: no matter */
    consensus_engine_view(&view, engine);
    assert_int_equal(view.refused, 5);
}

/* ---- what entries mean ---- */

/* L3: an entry that ends the epoch is on the chain: the next one's leader may act already. */
static void test_no_lease_beyond_the_epochs_end(void **state)
{
    (void)state;
    begin(0);
    proposal = "close";
    struct base_hash32 own = own_cand()->hash;
    store_all();
    say_vote(1, BASE_VOTE_NOTAR, 0, &own);
    say_vote(2, BASE_VOTE_NOTAR, 0, &own);
    assert_non_null(stores(BASE_VOTE_FINAL));
    assert_false(consensus_engine_has_lease(engine, now));
    teardown(NULL);
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "close");
    store_all();
    assert_int_equal(say_vote(0, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    assert_int_equal(say_vote(1, BASE_VOTE_NOTAR, 0, &a), BASE_OK);
    say_cand(0, 1, 0, &a, "after");
    assert_true(judged.is_closed && judged.has_entries);
    assert_non_null(stores(BASE_VOTE_NOTAR)); /* it may become final through a descendant only */
}

/* And at its beginning nobody acts before all leases of the former one have ended. */
static void test_no_lease_before_the_former_epochs_end(void **state)
{
    (void)state;
    begin(0);
    teardown(NULL);
    config.lease_from_ms = now + 500;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    struct base_hash32 a = own_cand()->hash;
    store_all();
    say_vote(1, BASE_VOTE_NOTAR, 0, &a);
    say_vote(2, BASE_VOTE_NOTAR, 0, &a);
    assert_false(consensus_engine_has_lease(engine, now));
    assert_true(consensus_engine_has_lease(engine, now + 500));
}

/* Far behind: the state that a certified chain names is asked for, and it goes on from there. */
static void test_a_state_saves_the_way(void **state)
{
    struct base_hash32 far = {{0x64}};
    struct consensus_event ev = {.type = CONSENSUS_EV_STATE};
    struct consensus_view view;
    (void)state;
    begin(3);
    timer();
    struct consensus_message m = {.type = CONSENSUS_MSG_CERT, .epoch_id = epoch};
    struct consensus_candidate c = {
        .slot = 104, .parent_slot = 100, .parent_hash = far, .payload = base_slice_text("state")};
    struct base_hash32 hash;
    struct consensus_cert_vote votes[3];
    consensus_candidate_hash(&hash, &epoch, &c);
    struct base_vote vote = vote_of(BASE_VOTE_FINAL, 104, &hash);
    for (uint16_t i = 0; i < 3; i++)
        votes[i] = (struct consensus_cert_vote){i, 104, signed_by(i, &vote)};
    m.u.cert = (struct consensus_cert){BASE_VOTE_FINAL, 104, 104, hash, 3, votes};
    assert_int_equal(say(0, &m), BASE_OK);
    assert_true(sends(CONSENSUS_MSG_GET, BASE_VOTE_CAND));
    assert_null(acts(CONSENSUS_ACT_WANT_STATE));
    now += 1000;
    struct consensus_message cand = {.type = CONSENSUS_MSG_CAND, .epoch_id = epoch};
    cand.u.cand = c;
    struct base_vote signs = vote_of(BASE_VOTE_CAND, 104, &hash);
    cand.u.cand.sig = signed_by(104 / WINDOW % N, &signs);
    assert_int_equal(say(0, &cand), BASE_OK);
    const struct consensus_action *want = acts(CONSENSUS_ACT_WANT_STATE);
    assert_non_null(want);
    assert_int_equal(want->u.want_state.slot, 100);
    assert_int_equal(want->u.want_state.state.bytes[0], 0x57);
    ev.u.state.slot = 100;
    ev.u.state.hash = want->u.want_state.hash;
    assert_int_equal(feed(&ev), BASE_OK);
    consensus_engine_view(&view, engine);
    assert_int_equal(view.final_slot, 104);
}

static void say_cert(enum base_vote_kind kind, uint64_t slot, const struct base_hash32 *hash)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_CERT, .epoch_id = epoch};
    struct consensus_cert_vote votes[3];
    struct base_vote vote = vote_of(kind, slot, hash);
    for (uint16_t i = 0; i < 3; i++)
        votes[i] = (struct consensus_cert_vote){i, slot, signed_by(i, &vote)};
    m.u.cert = (struct consensus_cert){kind, slot, vote.last, vote.hash, 3, votes};
    assert_int_equal(say(0, &m), BASE_OK);
}

/* Its certificate is no candidate. But what lies below one that is final matters no more. */
static void test_a_chain_is_held_down_to_what_is_final(void **state)
{
    struct base_hash32 a, b;
    (void)state;
    begin(3);
    timer();
    cand_at(0, CONSENSUS_NO_SLOT, &genesis, "a", &a);
    cand_at(1, 0, &a, "b", &b);
    say_cert(BASE_VOTE_NOTAR, 1, &b);
    say_cert(BASE_VOTE_FINAL, 1, &b);
    now += 600;
    say_cand(0, 2, 1, &b, "c");
    assert_null(stores(BASE_VOTE_NOTAR));
    assert_true(asks_for(1));
    say_cand(0, 1, 0, &a, "b");
    assert_non_null(stores(BASE_VOTE_NOTAR));
    assert_int_equal(stores(BASE_VOTE_NOTAR)->first, 2);
    assert_true(asks_for(0));
}

/* Not so far behind, and nobody has what lies between any more. */
static void test_a_state_replaces_what_is_lost(void **state)
{
    struct base_hash32 far = {{0x64}};
    (void)state;
    begin(3);
    teardown(NULL);
    config.final_slot = 60;
    config.final_hash = (struct base_hash32){{0x60}};
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    timer();
    struct base_hash32 hash = say_cand(104 / WINDOW % N, 104, 100, &far, "state");
    assert_int_equal(asks_for(100), false); /* nor is it of interest yet */
    cand_at(104, 100, &far, "state", &hash);
    say_cert(BASE_VOTE_FINAL, 104, &hash);
    say_cand(104 / WINDOW % N, 104, 100, &far, "state");
    assert_true(asks_for(100));
    assert_null(acts(CONSENSUS_ACT_WANT_STATE));
    now += 1900;
    timer();
    assert_null(acts(CONSENSUS_ACT_WANT_STATE));
    now += 100;
    timer();
    assert_non_null(acts(CONSENSUS_ACT_WANT_STATE));
    assert_int_equal(acts(CONSENSUS_ACT_WANT_STATE)->u.want_state.slot, 100);
}

/* Without the log's state nothing can be final, whatever a quorum says. */
static void test_nothing_is_final_without_the_state(void **state)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_STATE};
    (void)state;
    begin(3);
    teardown(NULL);
    config.needs_state = true;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    for (size_t i = 0; i < 3; i++) {
        say_vote(i, BASE_VOTE_FINAL, 0, &a);
        assert_null(acts(CONSENSUS_ACT_FINAL));
    }
    ev.u.state.slot = CONSENSUS_NO_SLOT;
    assert_int_equal(feed(&ev), BASE_OK);
    assert_non_null(acts(CONSENSUS_ACT_FINAL));
}

/* It has been served in a former run: final there is final here. */
static void test_a_restart_goes_on_from_its_state(void **state)
{
    struct base_hash32 at = {{0x33}};
    (void)state;
    begin(3);
    teardown(NULL);
    config.final_slot = 2;
    config.final_hash = at;
    config.is_restart = true;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    timer();
    struct base_hash32 a = {{7}};
    say_cand(0, 3, 2, &a, "a"); /* another's descendant */
    assert_null(stores(BASE_VOTE_NOTAR));
    now += 4000;
    say_cand(0, 4, 2, &at, "b"); /* slot 3 between them */
    assert_null(stores(BASE_VOTE_NOTAR));
    teardown(NULL);
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    timer();
    say_cand(0, 3, 2, &at, "c");
    assert_null(stores(BASE_VOTE_NOTAR)); /* whose lease it saw then is not known */
    now += 3060;
    timer();
    assert_non_null(stores(BASE_VOTE_NOTAR));
}

/* Slots up to its state are over for it: who led them does not propose there again, which would be
 * a second candidate. */
static void test_a_restart_proposes_above_its_state(void **state)
{
    struct consensus_view view;
    (void)state;
    begin(0);
    teardown(NULL);
    config.final_slot = 2;
    config.final_hash = (struct base_hash32){{0x33}};
    config.is_restart = true;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    timer();
    consensus_engine_view(&view, engine);
    assert_int_equal(view.frontier, 3);
    assert_int_equal(stores(BASE_VOTE_CAND)->first, 3);
}

/* Others may lack a candidate that we began above: if all who had it restart, nobody else has it.
 */
static void test_a_restart_shows_what_its_log_holds(void **state)
{
    struct consensus_candidate old = {.slot = 1,
                                      .parent_slot = CONSENSUS_NO_SLOT,
                                      .parent_hash = genesis,
                                      .payload = base_slice_text("old")};
    struct consensus_record r = {.kind = CONSENSUS_RECORD_NOTAR, .cand = &old};
    struct consensus_message get = {.type = CONSENSUS_MSG_GET, .epoch_id = epoch};
    (void)state;
    begin(3);
    teardown(NULL);
    config.final_slot = 2;
    config.is_restart = true;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    get.u.get.slot = 1;
    consensus_candidate_hash(&get.u.get.hash, &epoch, &old);
    r.vote = vote_of(BASE_VOTE_NOTAR, 1, &get.u.get.hash);
    for (int i = 0; i < CONSENSUS_KEPT_FINAL + 2; i++) /* no more than that many */
        assert_int_equal(consensus_engine_restore(engine, &r), BASE_OK);
    timer();
    assert_int_equal(say(1, &get), BASE_OK);
    const struct consensus_action *sent = acts(CONSENSUS_ACT_SEND);
    assert_non_null(sent);
    assert_int_equal(sent->u.send.message.type, CONSENSUS_MSG_CAND);
    assert_int_equal(sent->u.send.message.u.cand.slot, 1);
}

static const struct consensus_cert *logs_cert(void)
{
    for (size_t i = 0; i < out.count; i++)
        if (out.list[i].type == CONSENSUS_ACT_STORE &&
            out.list[i].u.store.record.kind == CONSENSUS_RECORD_CERT)
            return out.list[i].u.store.record.cert;
    return NULL;
}

static size_t certs_to(size_t to, enum base_vote_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < out.count; i++)
        count += out.list[i].type == CONSENSUS_ACT_SEND && out.list[i].u.send.to == to &&
                 out.list[i].u.send.message.type == CONSENSUS_MSG_CERT &&
                 out.list[i].u.send.message.u.cert.kind == kind;
    return count;
}

static size_t votes_to(size_t to, enum base_vote_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < out.count; i++)
        count += out.list[i].type == CONSENSUS_ACT_SEND && out.list[i].u.send.to == to &&
                 out.list[i].u.send.message.type == CONSENSUS_MSG_VOTE &&
                 out.list[i].u.send.message.u.vote.vote.kind == kind;
    return count;
}

static void say_status(size_t from, uint64_t frontier, uint64_t final_slot)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_STATUS, .epoch_id = epoch};
    m.u.status = (struct consensus_status){frontier, final_slot, 0, 0};
    assert_int_equal(say(from, &m), BASE_OK);
}

/* If all restart at once, somebody can still show what was final, and others go on from there. */
static void test_a_restart_shows_the_final_certificate(void **state)
{
    struct consensus_cert cert = {0};
    struct consensus_cert_vote votes[3];
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = say_cand(0, 0, CONSENSUS_NO_SLOT, &genesis, "a");
    say_votes(BASE_VOTE_FINAL, 0, &a);
    assert_non_null(acts(CONSENSUS_ACT_FINAL));
    assert_non_null(logs_cert());
    assert_int_equal(logs_cert()->kind, BASE_VOTE_FINAL);
    assert_int_equal(logs_cert()->count, 3);
    cert = *logs_cert();
    memcpy(votes, cert.votes, sizeof votes);
    cert.votes = votes;
    timer();
    assert_null(logs_cert()); /* once */
    const struct consensus_record r = {
        .kind = CONSENSUS_RECORD_CERT, .vote = {.epoch_id = epoch}, .cert = &cert};
    teardown(NULL);
    config.final_slot = 0; /* the state holds it already */
    config.final_hash = a;
    config.is_restart = true;
    assert_int_equal(consensus_engine_new(&engine, &config, now), BASE_OK);
    assert_int_equal(consensus_engine_restore(engine, &r), BASE_OK);
    timer();
    assert_null(logs_cert());
    now += 2000; /* a standstill: nothing is on its way */
    timer();
    say_status(1, 1, CONSENSUS_NO_SLOT);
    assert_int_equal(certs_to(1, BASE_VOTE_FINAL), 1);
}

/* Whatever lies below the highest certificate is cleared by it: who is behind needs no more. */
static void test_cleared_windows_are_not_said_again(void **state)
{
    (void)state;
    begin(3);
    timer();
    for (size_t i = 0; i < 3; i++)
        say_vote(i, BASE_VOTE_SKIP, 0, NULL);
    now += 2000;
    timer();
    assert_int_equal(certs_to(N, BASE_VOTE_SKIP), 1);
    now += 3000;
    struct base_hash32 a = say_cand(1, WINDOW, CONSENSUS_NO_SLOT, &genesis, "a");
    say_votes(BASE_VOTE_NOTAR, WINDOW, &a);
    store_all();
    now += 4000;
    timer();
    assert_int_equal(certs_to(N, BASE_VOTE_NOTAR), 1);
    assert_int_equal(certs_to(N, BASE_VOTE_SKIP), 0);
}

/* Some of it may have been lost. Again after twice as long. */
static void test_at_a_standstill_all_is_said_again(void **state)
{
    (void)state;
    begin(3);
    timer();
    slot_zero();
    store_all();
    for (uint64_t gap = 2000; gap <= 4000; gap *= 2) {
        now += gap - 1;
        timer();
        assert_int_equal(votes_to(N, BASE_VOTE_FINAL), 0);
        now++;
        timer();
        assert_int_equal(votes_to(N, BASE_VOTE_NOTAR), 1);
        assert_int_equal(votes_to(N, BASE_VOTE_FINAL), 1);
        assert_int_equal(certs_to(N, BASE_VOTE_NOTAR), 1);
        store_all();
    }
    now += 8000;
    timer();
    assert_int_equal(votes_to(N, BASE_VOTE_SKIP), 1);
}

/* At a standstill a heartbeat is answered: by what its sender has perhaps not heard. */
static void test_at_a_standstill_heartbeats_are_answered(void **state)
{
    (void)state;
    begin(3);
    timer();
    now += 6000;
    timer(); /* says everything again, and skips */
    store_all();
    say_status(1, 0, CONSENSUS_NO_SLOT);
    assert_int_equal(votes_to(1, BASE_VOTE_SKIP), 1);
    say_status(0, 1, CONSENSUS_NO_SLOT); /* stands elsewhere */
    assert_int_equal(votes_to(0, BASE_VOTE_SKIP), 0);
    say_vote(1, BASE_VOTE_SKIP, 0, NULL);
    say_status(1, 0, CONSENSUS_NO_SLOT); /* it has been heard, so it hears us */
    assert_int_equal(votes_to(1, BASE_VOTE_SKIP), 0);
}

/* One window behind, and nobody will say its certificate again for a while. */
static void test_at_a_standstill_who_is_just_behind_is_served(void **state)
{
    (void)state;
    begin(3);
    timer();
    struct base_hash32 a = slot_zero();
    (void)a;
    say_status(1, 0, CONSENSUS_NO_SLOT);
    assert_int_equal(certs_to(1, BASE_VOTE_NOTAR), 0); /* on its way */
    now += 2000;
    timer();
    say_status(1, 0, CONSENSUS_NO_SLOT);
    assert_int_equal(certs_to(1, BASE_VOTE_NOTAR), 1);
}

/* What we lead on may have an end of the epoch in it that we have not seen. */
static void test_no_lease_without_the_whole_chain(void **state)
{
    struct base_hash32 a;
    (void)state;
    begin(1);
    timer();
    cand_at(0, CONSENSUS_NO_SLOT, &genesis, "close", &a);
    struct base_hash32 b = say_cand(0, 1, 0, &a, "");
    say_cert(BASE_VOTE_NOTAR, 1, &b);
    say_cert(BASE_VOTE_FINAL, 1, &b);
    for (size_t i = 0; i < N; i++)
        if (i != 1) assert_int_equal(say_vote(i, BASE_VOTE_SKIP, 2, NULL), BASE_OK);
    const struct base_vote *cand = stores(BASE_VOTE_CAND);
    assert_non_null(cand);
    assert_int_equal(cand->first, WINDOW);
    struct base_hash32 ours = cand->hash;
    store_all();
    for (size_t i = 2; i < N; i++)
        assert_int_equal(say_vote(i, BASE_VOTE_NOTAR, WINDOW, &ours), BASE_OK);
    assert_non_null(stores(BASE_VOTE_FINAL)); /* it is notarised */
    assert_false(consensus_engine_has_lease(engine, now));
}

/* A block is behind a quorum's heads when so many have reached it. */
static void test_the_head_of_a_quorum(void **state)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_STATUS, .epoch_id = epoch};
    struct consensus_event ev = {.type = CONSENSUS_EV_HEAD};
    bool heard[N];
    (void)state;
    begin(3);
    timer();
    ev.u.head = 9;
    assert_int_equal(feed(&ev), BASE_OK);
    assert_int_equal(consensus_engine_quorum_head(engine), 0);
    for (size_t i = 0; i < 2; i++) {
        m.u.status = (struct consensus_status){0, CONSENSUS_NO_SLOT, 0, 7 + i};
        assert_int_equal(say(i, &m), BASE_OK);
    }
    assert_int_equal(consensus_engine_quorum_head(engine), 7);
    assert_int_equal(consensus_engine_heard(engine, 1000, heard), 3);
    assert_true(heard[0] && heard[1] && !heard[2] && heard[3]);
    now += 1001;
    timer();
    assert_int_equal(consensus_engine_heard(engine, 1000, heard), 1);
}

#define CASE(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_one_notar_a_slot),
        CASE(test_notars_go_up),
        CASE(test_a_gap_must_be_skipped),
        CASE(test_the_parent_must_be_notarised),
        CASE(test_the_whole_chain_must_be_held),
        CASE(test_what_is_notarised_is_asked_for),
        CASE(test_a_third_candidate_that_is_certified_is_taken),
        CASE(test_only_the_leader_proposes),
        CASE(test_entries_go_at_once_until_they_are_many),
        CASE(test_what_is_skipped_is_not_served),
        CASE(test_payloads_are_judged),
        CASE(test_final_after_the_certificate),
        CASE(test_another_genesis_never_becomes_final),
        CASE(test_no_final_after_a_skip),
        CASE(test_no_skip_over_a_final),
        CASE(test_skipping_begins_at_the_frontier),
        CASE(test_who_stands_in_the_way_skips_too),
        CASE(test_a_leader_that_goes_is_let_go),
        CASE(test_two_candidates_prove_the_leader_guilty),
        CASE(test_of_two_candidates_one_may_become_final),
        CASE(test_who_skips_later_slots_is_not_followed_at_once),
        CASE(test_a_dead_leader_is_skipped_soon),
        CASE(test_a_leader_that_withholds_is_skipped),
        CASE(test_without_finals_a_window_ends),
        CASE(test_faults_are_found_across_kinds),
        CASE(test_nothing_is_said_before_it_is_stored),
        CASE(test_a_store_that_failed_ends_it),
        CASE(test_who_abstains_signs_nothing_for_now),
        CASE(test_who_abstains_does_not_lead),
        CASE(test_an_own_skip_ends_older_leases),
        CASE(test_who_is_out_hands_its_lead_on),
        CASE(test_who_is_out_gets_no_lease),
        CASE(test_who_goes_on_after_the_end_has_no_lease),
        CASE(test_the_lease_begins_when_it_was_sent),
        CASE(test_to_resign_ends_the_lease_first),
        CASE(test_a_restarted_leader_has_no_lease),
        CASE(test_another_leader_waits_for_the_lease),
        CASE(test_a_window_that_is_over_is_let_go),
        CASE(test_who_leads_lets_go_by_its_own_skip),
        CASE(test_after_a_restart_all_leases_are_waited_for),
        CASE(test_a_copy_silences_us),
        CASE(test_an_echo_is_no_copy),
        CASE(test_a_new_log_signs_nothing_before_a_quorum_was_asked),
        CASE(test_whoever_is_a_quorum_asks_nobody),
        CASE(test_a_new_log_is_shown_what_it_lacks),
        CASE(test_what_is_shown_must_be_ours),
        CASE(test_a_new_log_learns_of_its_votes_by_the_way),
        CASE(test_what_we_said_is_no_copy),
        CASE(test_an_older_log_lacks_what_is_final_by_now),
        CASE(test_the_last_votes_are_kept),
        CASE(test_what_breaks_a_rule_is_counted),
        CASE(test_no_lease_beyond_the_epochs_end),
        CASE(test_no_lease_before_the_former_epochs_end),
        CASE(test_a_state_saves_the_way),
        CASE(test_a_chain_is_held_down_to_what_is_final),
        CASE(test_a_state_replaces_what_is_lost),
        CASE(test_nothing_is_final_without_the_state),
        CASE(test_a_restart_goes_on_from_its_state),
        CASE(test_a_restart_proposes_above_its_state),
        CASE(test_a_restart_shows_what_its_log_holds),
        CASE(test_a_restart_shows_the_final_certificate),
        CASE(test_cleared_windows_are_not_said_again),
        CASE(test_at_a_standstill_all_is_said_again),
        CASE(test_at_a_standstill_heartbeats_are_answered),
        CASE(test_at_a_standstill_who_is_just_behind_is_served),
        CASE(test_no_lease_without_the_whole_chain),
        CASE(test_the_head_of_a_quorum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
