#include "chain_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "json_vectors.h"

/* Each test builds a chain with endpoints of given manners, lets virtual time pass, and looks at
 * the snapshots and notes that came out. The simulator's checker holds every snapshot against the
 * chain itself. */

/* ---- it works ---- */

static void test_single_endpoint_follows_the_head(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 40);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 2 * SIM_SEC));
    assert_int_equal(sim->snapshot->seat_count, 40); /* two pages */
    assert_int_equal(sim->snapshot->roots[0].epoch, 1);
    sim_run(sim, 60 * SIM_SEC);
    assert_true(sim->snapshots >= 29);
    assert_true(sim->snapshot_age_max <= 1);
    assert_int_equal(sim_status(sim).trust, CHAIN_POLL_SINGLE);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_ENDPOINT_UP), 1);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_GENESIS), 1);
    assert_int_equal(sim_note_last(sim, CHAIN_POLL_NOTE_KIND)->value, CHAIN_KIND_NFTMESH);
    assert_int_equal(sim->note_count, 3); /* nothing else worth a line */
    sim_free(sim);
}

static void test_three_agree_and_see_a_change(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 10 * SIM_SEC));
    sim_change(sim)->seats[2].active = false;
    sim_mine(sim, 1);
    assert_true(sim_until_block(sim, sim_head(sim), 3 * SIM_SEC));
    size_t inactive = 0;
    for (size_t i = 0; i < sim->snapshot->seat_count; i++)
        inactive += sim->snapshot->seats[i].active ? 0 : 1;
    assert_int_equal(inactive, 1);
    sim_run(sim, 3 * SIM_SEC);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sim_endpoint_status(sim, i).agreement, CHAIN_POLL_AGREEMENT_AGREES);
        assert_true(sim_endpoint_status(sim, i).up);
    }
    assert_int_equal(sim_status(sim).trust, CHAIN_POLL_MAJORITY);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DISAGREEMENT), 0);
    sim_free(sim);
}

static void test_empty_registry_is_a_snapshot(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 0);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
    assert_int_equal(sim->snapshot->seat_count, 0);
    sim_free(sim);
}

static void test_many_pages_in_several_requests(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, SIM_SEATS_MAX);
    sim->endpoints[0].manner = SIM_SWAPPED; /* answers of a batch in any order */
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
    assert_int_equal(sim->snapshot->seat_count, SIM_SEATS_MAX);
    assert_int_equal(sim_endpoint_status(sim, 0).agreement, CHAIN_POLL_AGREEMENT_AGREES);
    sim_free(sim);
}

static void test_confirmations_stay_behind_the_head(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 3);
    sim->config.confirmations = 12;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 5, 30 * SIM_SEC));
    assert_true(sim_head(sim) - sim->snapshot->block.number >= 12);
    sim_free(sim);
}

static void test_safe_and_finalized_follow_the_tag(void **state)
{
    (void)state;
    static const enum chain_finality policies[] = {CHAIN_FINALITY_SAFE, CHAIN_FINALITY_FINALIZED};
    for (size_t i = 0; i < 2; i++) {
        struct sim *sim = sim_new(3, 3);
        sim->config.finality = policies[i];
        sim->finality_blocks = 20;
        sim_start(sim);
        assert_true(sim_until_snapshots(sim, 3, 30 * SIM_SEC));
        assert_true(sim_head(sim) - sim->snapshot->block.number >= 20);
        sim_free(sim);
    }
}

/* ---- the head, whatever the policy ---- */

static int head_of(struct sim *sim, uint64_t *head)
{
    return chain_poll_head(sim->poll, head);
}

/* Nobody is asked for it before it is wanted; then each once, with what is asked anyway. */
static void test_the_head_is_asked_for_when_wanted(void **state)
{
    static const enum chain_finality policies[] = {CHAIN_FINALITY_LATEST, CHAIN_FINALITY_SAFE,
                                                   CHAIN_FINALITY_FINALIZED};
    uint64_t head;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sim *sim = sim_new(3, 3);
        sim->config.finality = policies[i];
        sim->finality_blocks = 20;
        if (policies[i] == CHAIN_FINALITY_LATEST) sim->config.confirmations = 12;
        sim_start(sim);
        assert_true(sim_until_snapshots(sim, 3, 60 * SIM_SEC));
        assert_int_equal(head_of(sim, &head), BASE_ESTATE);
        uint64_t before = sim_head(sim);
        chain_poll_want_head(sim->poll, sim->now_ms);
        assert_int_equal(head_of(sim, &head), BASE_ESTATE); /* none of before */
        sim_run(sim, 3 * SIM_SEC);
        assert_int_equal(head_of(sim, &head), BASE_OK);
        assert_true(head >= before && head <= sim_head(sim));
        assert_true(head > sim->snapshot->block.number);
        assert_int_equal(head_of(sim, &head), BASE_ESTATE); /* told once */
        sim_run(sim, 20 * SIM_SEC);
        before = sim_head(sim);
        chain_poll_want_head(sim->poll, sim->now_ms);
        assert_int_equal(head_of(sim, &head), BASE_ESTATE); /* nor of the time before */
        sim_run(sim, 3 * SIM_SEC);
        assert_int_equal(head_of(sim, &head), BASE_OK);
        assert_true(head >= before);
        sim_free(sim);
    }
}

/* As high as K have reached: one that lies high does not raise it, one that stands still in the
 * past does not lower it, even when it is the first to answer. */
static void test_the_head_is_what_enough_have_reached(void **state)
{
    uint64_t head;
    (void)state;
    struct sim *sim = sim_new(3, 3);
    sim->endpoints[0].manner = SIM_FALSE_HEAD;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 20 * SIM_SEC));
    chain_poll_want_head(sim->poll, sim->now_ms);
    sim_run(sim, 6 * SIM_SEC);
    assert_int_equal(head_of(sim, &head), BASE_OK);
    assert_true(head <= sim_head(sim));
    sim_free(sim);
    sim = sim_new(3, 3);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 20 * SIM_SEC));
    sim->endpoints[0].manner = SIM_OLD_BLOCK;
    sim->endpoints[0].frozen_at = 50;
    sim->endpoints[2].latency_ms = 900;
    sim_run(sim, 10 * SIM_SEC);
    uint64_t before = sim_head(sim);
    chain_poll_want_head(sim->poll, sim->now_ms);
    while (head_of(sim, &head) != BASE_OK)
        sim_run(sim, 50);
    assert_true(head >= before);
    sim_free(sim);
}

/* Fewer than K: nothing is known. And one that is down, and rarely asked, is not waited for. */
static void test_the_head_needs_enough_answers(void **state)
{
    uint64_t head;
    (void)state;
    struct sim *sim = sim_new(3, 3);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 20 * SIM_SEC));
    sim->endpoints[0].manner = sim->endpoints[1].manner = SIM_DEAD;
    chain_poll_want_head(sim->poll, sim->now_ms);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(head_of(sim, &head), BASE_ESTATE);
    sim->endpoints[0].manner = SIM_HONEST;
    sim_run(sim, 33 * SIM_SEC);
    uint64_t before = sim_head(sim);
    chain_poll_want_head(sim->poll, sim->now_ms);
    sim_run(sim, 7 * SIM_SEC);
    assert_int_equal(head_of(sim, &head), BASE_OK);
    assert_true(head >= before);
    sim_free(sim);
}

/* ---- lags ---- */

/* Goal: endpoints a constant lag apart agree, each second block at worst, at most 3 blocks late.
 * "Same latest hash" would never agree here: no two have the same latest block at any time. */
static void test_kept_target_agrees_at_constant_unequal_lags(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].lag_blocks = i;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    uint64_t before = sim->snapshots;
    sim_run(sim, 200 * SIM_SEC); /* 100 blocks */
    assert_true(sim->snapshots - before >= 49);
    assert_true(sim->snapshot_age_max <= 3);
    sim_free(sim);
}

/* Goal: the same when the third lies high. "K-th largest, no memory" never agrees here: the
 * target would be the faster one's newest block for ever, which the slower one does not have. */
static void test_kept_target_agrees_with_one_lying_high(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->endpoints[0].manner = SIM_FALSE_HEAD;
    sim->endpoints[2].lag_blocks = 1;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 20 * SIM_SEC));
    uint64_t before = sim->snapshots;
    sim_run(sim, 200 * SIM_SEC);
    assert_true(sim->snapshots - before >= 49);
    assert_true(sim->snapshot_age_max <= 3);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_NO_AGREEMENT), 0);
    sim_free(sim);
}

static void test_lagging_endpoint_is_behind_not_wrong(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->endpoints[2].lag_blocks = 30;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 5, 30 * SIM_SEC));
    assert_int_equal(sim_endpoint_status(sim, 2).agreement, CHAIN_POLL_AGREEMENT_BEHIND);
    assert_int_equal(sim_endpoint_status(sim, 2).failures, 0);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DISAGREEMENT), 0);
    sim_free(sim);
}

/* ---- a lying or broken minority changes nothing ---- */

struct minority {
    const char *name;
    enum sim_manner manner;
    enum chain_poll_note note; /* said about it */
    bool looks_right;          /* between lies: nothing of what it says then is wrong */
};

static bool is_noted(const struct sim *sim, enum chain_poll_note note, size_t endpoint)
{
    for (size_t i = 0; i < sim->note_count; i++)
        if (sim->notes[i].note == note && sim->notes[i].endpoint == endpoint) return true;
    return false;
}

static void test_minority_changes_nothing(void **state)
{
    const struct minority *m = *state;
    struct sim *sim = sim_new(3, 40);
    sim->endpoints[0].manner = m->manner; /* the fastest one */
    sim->endpoints[0].frozen_at = 60;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    uint64_t before = sim->snapshots;
    for (int i = 0; i < 10; i++) {
        sim_change(sim)->seats[0].nonce++;
        sim_run(sim, 10 * SIM_SEC);
    }
    assert_true(sim->snapshots - before >= 45);
    assert_true(sim->snapshot_age_max <= 3);
    assert_true(is_noted(sim, m->note, 0));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_NO_AGREEMENT), 0);
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(sim_endpoint_status(sim, i).agreement, CHAIN_POLL_AGREEMENT_AGREES);
    if (!m->looks_right)
        assert_int_not_equal(sim_endpoint_status(sim, 0).agreement, CHAIN_POLL_AGREEMENT_AGREES);
    sim_free(sim);
}

/* The same manner on two of three: no snapshot ever, and none invented. */
static void test_majority_is_needed(void **state)
{
    const struct minority *m = *state;
    struct sim *sim = sim_new(3, 40);
    sim->endpoints[0].manner = m->manner;
    sim->endpoints[1].manner = m->manner;
    sim->endpoints[1].lag_blocks = 1;
    sim->endpoints[0].frozen_at = sim->endpoints[1].frozen_at = 60;
    if (m->manner == SIM_FALSE_HASH) sim->endpoints[1].manner = SIM_DEAD; /* else they agree */
    sim_start(sim);
    sim_run(sim, 100 * SIM_SEC);
    assert_int_equal(sim->snapshots, 0);
    assert_false(sim_status(sim).has_good);
    sim_free(sim);
}

static const struct minority minorities[] = {
    {"dead", SIM_DEAD, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
    {"silent", SIM_SILENT, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
    {"short page", SIM_SHORT_PAGE, CHAIN_POLL_NOTE_ENDPOINT_BAD, true},
    {"wrong chain id", SIM_WRONG_CHAIN, CHAIN_POLL_NOTE_ENDPOINT_BAD, false},
    {"no code", SIM_NO_CODE, CHAIN_POLL_NOTE_ENDPOINT_BAD, false},
    {"no JSON", SIM_GARBAGE, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
    {"empty body", SIM_EMPTY, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
    {"no height", SIM_NO_HEIGHT, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
    {"no state", SIM_NO_STATE, CHAIN_POLL_NOTE_ENDPOINT_BAD, false},
    {"other contract", SIM_OTHER_CONTRACT, CHAIN_POLL_NOTE_ENDPOINT_BAD, false},
    {"no epoch", SIM_BAD_EPOCH, CHAIN_POLL_NOTE_ENDPOINT_BAD, false},
    {"another block's number", SIM_STATE_NUMBER, CHAIN_POLL_NOTE_ENDPOINT_BAD, false},
    {"another block's parent", SIM_STATE_PARENT, CHAIN_POLL_NOTE_ENDPOINT_BAD, false},
    {"another block 0", SIM_ZERO_NUMBER, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
    {"error objects", SIM_ERRORS, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
};
/* These would win if two of three told the same lie: a majority is what we believe. */
static const struct minority liars[] = {
    {"wrong owner", SIM_WRONG_OWNER, CHAIN_POLL_NOTE_DISAGREEMENT, true},
    {"missing member", SIM_MISSING_MEMBER, CHAIN_POLL_NOTE_DISAGREEMENT, false},
    {"false block hash", SIM_FALSE_HASH, CHAIN_POLL_NOTE_DISAGREEMENT, false},
    {"false old hash", SIM_FALSE_OLD_HASH, CHAIN_POLL_NOTE_DISAGREEMENT, false},
    {"wrong root epoch", SIM_WRONG_ROOT, CHAIN_POLL_NOTE_DISAGREEMENT, false},
    {"false timestamp", SIM_OLD_TIME, CHAIN_POLL_NOTE_DISAGREEMENT, false},
    {"another target", SIM_TARGET_NUMBER, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
    {"another old block", SIM_OLD_NUMBER, CHAIN_POLL_NOTE_ENDPOINT_FAILED, false},
    {"other genesis", SIM_WRONG_GENESIS, CHAIN_POLL_NOTE_ENDPOINT_BAD, false},
    {"old block", SIM_OLD_BLOCK, CHAIN_POLL_NOTE_ENDPOINT_UP, false},
    {"false head", SIM_FALSE_HEAD, CHAIN_POLL_NOTE_ENDPOINT_UP, true},
};

/* A server that answers eth_call for its latest block, a block ahead of the target. */
static void test_ignoring_the_block_hash_costs_the_vote(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->endpoints[0].manner = SIM_IGNORES_HASH;
    sim->endpoints[1].lag_blocks = sim->endpoints[2].lag_blocks = 1;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 5, 30 * SIM_SEC));
    assert_non_null(strstr(sim_note_last(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD)->text, "EIP-1898"));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD),
                     1); /* one line, not each block */
    assert_int_equal(sim_endpoint_status(sim, 0).agreement, CHAIN_POLL_AGREEMENT_DIFFERS);
    sim_free(sim);
}

static void test_alone_ignoring_the_block_hash_gives_no_snapshot(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim->endpoints[0].manner = SIM_IGNORES_HASH;
    sim->config.confirmations = 1;
    sim_start(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshots, 0);
    sim_free(sim);
}

/* An older block is no answer to the target's number, however genuine: it would bring back who has
 * lost a seat since. */
static void test_older_block_for_the_target_gives_no_snapshot(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    for (uint64_t n = 0; n <= sim_head(sim); n++) /* so that it is not the time which tells */
        sim->blocks[n].block.time_s = sim->history[n].block.time_s = 1800000000;
    sim->block_time_s = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 30 * SIM_SEC));
    uint64_t snapshots = sim->snapshots;
    sim->endpoints[0].manner = SIM_OLDER_TARGET;
    sim->block_ms = 0;
    sim_mine(sim, 1);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshots, snapshots);
    sim_free(sim);
}

static void test_a_lying_majority_is_believed_and_shown_as_such(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->expect_lies = true;
    sim->endpoints[0].manner = sim->endpoints[1].manner = SIM_WRONG_OWNER;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    sim_run(sim, 2 * SIM_SEC);
    assert_int_equal(sim_note_last(sim, CHAIN_POLL_NOTE_DISAGREEMENT)->endpoint, 2);
    sim_free(sim);
}

static void test_slow_endpoint_holds_nobody_up(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->endpoints[2].latency_ms = 4500;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 2 * SIM_SEC));
    sim_run(sim, 100 * SIM_SEC);
    assert_true(sim->snapshots >= 48);
    assert_true(sim->snapshot_age_max <= 1);
    sim_free(sim);
}

static void test_slow_majority_still_gets_there(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, SIM_SEATS_MAX);
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].latency_ms = 3000; /* header, state, pages: 9 s, more than 6 polls */
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 120 * SIM_SEC));
    sim_free(sim);
}

/* ---- failures, back-off, checks after a reconnect ---- */

static void test_silence_times_out_and_backs_off(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 3);
    sim->endpoints[0].manner = SIM_SILENT;
    sim_start(sim);
    sim_run(sim, 4999);
    assert_int_equal(sim_endpoint_status(sim, 0).failures, 0);
    sim_run(sim, 2);
    assert_int_equal(sim_endpoint_status(sim, 0).failures, 1);
    sim_run(sim, 600 * SIM_SEC);
    /* 5 s each and 1, 2, 4, 8, 16, 30, 30 .. between: 600 s hold about 20, not 120 */
    assert_in_range(sim->endpoints[0].requests, 15, 24);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_ENDPOINT_FAILED), 1); /* one line, not 20 */
    sim_free(sim);
}

static void test_late_reply_after_timeout_is_ignored(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 3);
    sim->endpoints[0].latency_ms = 5500; /* the reply meets the back-off */
    sim_start(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshots, 0);
    assert_true(sim_endpoint_status(sim, 0).failures > 3);
    sim_free(sim);
}

/* A reply to another request than the one in flight, and to none, changes nothing. */
static void test_reply_to_another_request_is_ignored(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 3);
    sim_start(sim);
    struct chain_poll_event event = {.kind = CHAIN_POLL_REPLY, .data = "null", .len = 4};
    for (uint64_t wrong = 1; wrong <= 3; wrong++) {
        event.request_id = sim->endpoints[0].request_id + wrong;
        assert_int_equal(chain_poll_step(sim->poll, sim->now_ms, &event, &sim->actions), BASE_OK);
        assert_int_equal(sim->actions.count, 0);
        assert_int_equal(sim_endpoint_status(sim, 0).failures, 0);
    }
    event.kind = CHAIN_POLL_FAIL;
    assert_int_equal(chain_poll_step(sim->poll, sim->now_ms, &event, &sim->actions), BASE_OK);
    assert_int_equal(sim_endpoint_status(sim, 0).failures, 0);
    assert_true(sim_until_snapshots(sim, 1, 2 * SIM_SEC));
    sim_free(sim);
}

static void test_checks_again_after_a_failure(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 3);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 10 * SIM_SEC));
    sim->endpoints[0].manner = SIM_DEAD;
    sim_run(sim, 3 * SIM_SEC);
    sim->endpoints[0].manner = SIM_WRONG_CHAIN; /* somebody else answers at this address now */
    uint64_t before = sim->snapshots;
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshots, before);
    assert_non_null(
        strstr(sim_note_last(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD)->text, "chain id is 5, not 31337"));
    sim->endpoints[0].manner = SIM_HONEST;
    assert_true(sim_until_snapshots(sim, before + 1, 40 * SIM_SEC));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_ENDPOINT_UP), 2);
    sim_free(sim);
}

/* Unreachable is not empty: the last snapshot stays, and its age is known. */
static void test_outage_changes_nothing_and_is_dated(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
    uint64_t snapshots = sim->snapshots, good = sim_status(sim).good_ms;
    for (size_t i = 0; i < 2; i++)
        sim->endpoints[i].manner = SIM_DEAD;
    sim_run(sim, 600 * SIM_SEC);
    assert_int_equal(sim->snapshots, snapshots);
    assert_true(sim_status(sim).good_ms <= good + 3 * SIM_SEC);
    for (size_t i = 0; i < 2; i++)
        sim->endpoints[i].manner = SIM_HONEST;
    assert_true(sim_until_snapshots(sim, snapshots + 1, 40 * SIM_SEC));
    assert_true(sim_status(sim).good_ms + SIM_SEC >= sim->now_ms);
    sim_free(sim);
}

static void test_good_time_moves_on_while_no_block_comes(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->block_ms = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    sim_run(sim, 300 * SIM_SEC);
    assert_int_equal(sim->snapshots, 1);
    assert_true(sim_status(sim).good_ms + 2 * SIM_SEC >= sim->now_ms);
    sim_free(sim);
}

static void test_disagreement_does_not_look_fresh(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    uint64_t good = sim_status(sim).good_ms;
    sim->endpoints[0].manner = SIM_FALSE_HASH;
    sim->endpoints[1].manner = SIM_OLD_TIME;
    sim_run(sim, 100 * SIM_SEC);
    assert_true(sim_status(sim).good_ms <= good + 3 * SIM_SEC);
    assert_true(sim_notes(sim, CHAIN_POLL_NOTE_NO_AGREEMENT) >= 10);
    sim_free(sim);
}

/* ---- genesis ---- */

static void test_kept_genesis_refuses_another_chain(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 3);
    sim->config.has_genesis = true;
    memset(sim->config.genesis.bytes, 7, sizeof sim->config.genesis.bytes);
    sim_start(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshots, 0);
    assert_non_null(strstr(sim_note_last(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD)->text, "genesis"));
    chain_poll_accept(sim->poll);
    assert_true(sim_until_snapshots(sim, 1, 5 * SIM_SEC));
    sim_free(sim);
}

static void test_built_in_genesis_cannot_be_overridden(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 3);
    static const uint64_t chains[] = {1, 8453, 11155111, 84532};
    for (size_t i = 0; i < 4; i++) {
        struct chain_poll *poll;
        struct chain_poll_status status;
        struct chain_poll_config config = sim->config;
        config.chain_id = chains[i];
        config.has_genesis = true;
        memset(config.genesis.bytes, 7, sizeof config.genesis.bytes);
        assert_int_equal(chain_poll_new(&poll, &config, 0, NULL), BASE_OK);
        chain_poll_status(poll, &status);
        assert_true(status.has_genesis);
        assert_int_not_equal(status.genesis.bytes[0], 7);
        chain_poll_accept(poll);
        chain_poll_status(poll, &status);
        assert_true(status.has_genesis);
        chain_poll_free(poll);
    }
    sim_free(sim);
}

/* ---- refusals ---- */

static void test_head_below_the_reference_replaces_nothing(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 5, 30 * SIM_SEC));
    uint64_t snapshots = sim->snapshots;
    sim_cut(sim, 40);
    sim->salt++;
    sim->block_ms = 0;
    sim_run(sim, 5 * SIM_SEC);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_STALE_HEAD), 0); /* may be a moment's lag */
    sim_run(sim, 3590 * SIM_SEC);
    assert_int_equal(sim->snapshots, snapshots);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_STALE_HEAD), 1);
    assert_false(sim_status(sim).went_back);
    sim_run(sim, 10 * SIM_SEC);
    assert_true(sim_status(sim).went_back);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_WENT_BACK), 1);
    assert_int_equal(sim->snapshots, snapshots);
    chain_poll_accept(sim->poll);
    assert_true(sim_until_snapshots(sim, snapshots + 1, 5 * SIM_SEC));
    assert_int_equal(sim->snapshot->block.number, sim_head(sim));
    assert_false(sim_status(sim).went_back);
    sim_free(sim);
}

/* One endpoint of three that lags is no agreed head: the others' outage must not look like a chain
 * that went back. */
static void test_fewer_than_k_cannot_say_that_the_chain_went_back(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 30 * SIM_SEC));
    sim->endpoints[0].lag_blocks = 5000;
    sim->endpoints[1].manner = sim->endpoints[2].manner = SIM_DEAD;
    sim_run(sim, 4000 * SIM_SEC);
    assert_false(sim_status(sim).went_back);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_STALE_HEAD), 0);
    sim_free(sim);
}

static void test_lagging_restart_is_stale_against_the_kept_reference(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 5, 30 * SIM_SEC));
    sim->endpoints[0].lag_blocks = 50;
    uint64_t snapshots = sim->snapshots;
    sim_restart(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshots, snapshots);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_STALE_HEAD), 1);
    sim_free(sim);
}

/* No new block since the last run: the kept reference itself is read. */
static void test_restart_at_the_same_height(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->block_ms = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 5 * SIM_SEC));
    sim_restart(sim);
    assert_true(sim_until_snapshots(sim, 2, 5 * SIM_SEC));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_REORG), 0);
    sim_run(sim, 20 * SIM_SEC);
    assert_int_equal(sim->snapshots, 2);
    sim_free(sim);
}

static void test_restart_notices_a_reorg_at_the_same_height(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->block_ms = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 5 * SIM_SEC));
    sim_reorg(sim, 3);
    sim_cut(sim, 1);
    sim_restart(sim);
    assert_true(sim_until_snapshots(sim, 2, 5 * SIM_SEC));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_REORG), 1);
    sim_free(sim);
}

static void test_block_older_than_the_reference_is_refused(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 10 * SIM_SEC));
    uint64_t snapshots = sim->snapshots;
    sim->endpoints[0].manner = SIM_OLD_TIME;
    sim_run(sim, 20 * SIM_SEC);
    assert_int_equal(sim->snapshots, snapshots);
    assert_true(sim_notes(sim, CHAIN_POLL_NOTE_TIME) >= 5);
    sim->endpoints[0].manner = SIM_HONEST;
    assert_true(sim_until_snapshots(sim, snapshots + 1, 5 * SIM_SEC));
    sim_free(sim);
}

static void test_single_endpoint_drops_many_only_after_three_references(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 9);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 10 * SIM_SEC));
    struct sim_state *next = sim_change(sim);
    for (size_t i = 0; i < 4; i++) /* 4 of 9: more than a third */
        next->seats[i].active = false;
    uint64_t since = sim->now_ms;
    /* blocks of 2 s: the block before the change may still be read; then 10 s pass */
    while (sim->snapshot->seats[0].active && sim->now_ms - since < 60 * SIM_SEC)
        sim_until_snapshots(sim, sim->snapshots + 1, SIM_SEC);
    assert_false(sim->snapshot->seats[0].active);
    assert_in_range(sim->now_ms - since, 10 * SIM_SEC, 16 * SIM_SEC);
    assert_true(sim_notes(sim, CHAIN_POLL_NOTE_DROPS_THIRD) >= 2);
    sim_free(sim);
}

static void test_single_endpoint_needs_three_references_however_long(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 9);
    sim->block_ms = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    struct sim_state *next = sim_change(sim);
    next->seat_count = next->cluster.seat_count = 5;
    for (int i = 0; i < 2; i++) {
        sim_mine(sim, 1);
        sim_run(sim, 60 * SIM_SEC);
        assert_int_equal(sim->snapshots, 1);
    }
    sim_mine(sim, 1);
    sim_run(sim, 5 * SIM_SEC);
    assert_int_equal(sim->snapshots, 2);
    assert_int_equal(sim->snapshot->seat_count, 5);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DROPS_THIRD), 2);
    sim_free(sim);
}

static void test_exactly_a_third_may_go_at_once(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 9);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 10 * SIM_SEC));
    struct sim_state *next = sim_change(sim);
    for (size_t i = 0; i < 3; i++)
        next->seats[i].active = false;
    sim_mine(sim, 1);
    assert_true(sim_until_block(sim, sim_head(sim), 5 * SIM_SEC));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DROPS_THIRD), 0);
    sim_free(sim);
}

/* A single liar cannot hold the rule's count over an honest answer in between. */
static void test_drop_count_starts_over(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 9);
    sim->block_ms = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    for (int round = 0; round < 3; round++) {
        struct sim_state *less = sim_change(sim);
        less->seat_count = less->cluster.seat_count = 5;
        sim_mine(sim, 1);
        sim_run(sim, 20 * SIM_SEC);
        *sim_change(sim) = sim->states[0];
        sim->states[sim->state_count - 1].cluster.revision.bytes[0] = (uint8_t)round;
        sim_mine(sim, 1);
        sim_run(sim, 20 * SIM_SEC);
        assert_int_equal(sim->snapshot->seat_count, 9);
    }
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DROPS_THIRD), 3);
    sim_free(sim);
}

static void test_any_of_many_drops_only_with_a_second_vote(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 9);
    sim->config.agree = 1;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 10 * SIM_SEC));
    assert_int_equal(sim_status(sim).trust, CHAIN_POLL_ANY);
    sim->endpoints[1].manner = sim->endpoints[2].manner = SIM_DEAD;
    struct sim_state *next = sim_change(sim);
    next->seat_count = next->cluster.seat_count = 2;
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshot->seat_count, 9);
    assert_true(sim_notes(sim, CHAIN_POLL_NOTE_DROPS_THIRD) >= 1);
    sim->endpoints[1].manner = SIM_HONEST;
    sim_run(sim, 45 * SIM_SEC);
    assert_int_equal(sim->snapshot->seat_count, 2);
    sim_free(sim);
}

static void test_majority_drops_at_once(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 9);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 10 * SIM_SEC));
    struct sim_state *next = sim_change(sim);
    next->seat_count = next->cluster.seat_count = 0;
    sim_mine(sim, 1);
    assert_true(sim_until_block(sim, sim_head(sim), 5 * SIM_SEC));
    assert_int_equal(sim->snapshot->seat_count, 0);
    sim_free(sim);
}

/* Two seats with one key cannot come from our contract, whoever agrees on it. */
static void test_agreed_nonsense_is_no_snapshot(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 9);
    sim->expect_lies = true;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    struct sim_state *next = sim_change(sim);
    next->seats[3].node_key = next->seats[4].node_key;
    sim_run(sim, 3 * SIM_SEC);
    uint64_t snapshots = sim->snapshots;
    sim_run(sim, 20 * SIM_SEC);
    assert_int_equal(sim->snapshots, snapshots);
    assert_true(sim_notes(sim, CHAIN_POLL_NOTE_SNAPSHOT_BAD) >= 1);
    sim_free(sim);
}

/* ---- reorgs ---- */

static void test_reorg_is_noticed_with_its_depth(void **state)
{
    (void)state;
    for (size_t depth = 1; depth <= 6; depth++) {
        struct sim *sim = sim_new(3, 5);
        sim_start(sim);
        assert_true(sim_until_snapshots(sim, 12, 60 * SIM_SEC));
        uint64_t full = sim_status(sim).full_reads;
        sim_run(sim, 900); /* the reference is the head */
        assert_int_equal(sim_status(sim).reference.number, sim_head(sim));
        sim->block_ms = 0;
        sim_reorg(sim, depth); /* same revision in both branches: only the hash tells */
        assert_true(sim_until_block(sim, sim_head(sim), 3 * SIM_SEC));
        assert_int_equal(sim_note_last(sim, CHAIN_POLL_NOTE_REORG)->value, depth);
        assert_int_equal(sim_status(sim).reorgs, 1);
        assert_int_equal(sim_status(sim).full_reads, full + 1);
        sim_run(sim, 10 * SIM_SEC);
        assert_int_equal(sim_status(sim).reorgs, 1);
        sim_free(sim);
    }
}

/* Goal: what a branch that lost had done is undone, even under the same revision number games.
 * Method: a seat is deactivated in a block that is then replaced by one where it is not. */
static void test_reorg_replaces_the_whole_snapshot(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 60 * SIM_SEC));
    sim->block_ms = 0;
    sim_change(sim)->seats[0].active = false;
    sim_mine(sim, 1);
    assert_true(sim_until_block(sim, sim_head(sim), 5 * SIM_SEC));
    sim_run(sim, 5 * SIM_SEC);
    struct base_hash32 revision = sim->states[sim->state_count - 1].cluster.revision;
    struct sim_state *next = sim_change(sim);
    next->seats[0].active = true;
    next->seats[1].active = false;
    next->cluster.revision = revision; /* as a mere counter would have it */
    sim_reorg(sim, 1);
    assert_true(sim_until_block(sim, sim_head(sim), 5 * SIM_SEC)); /* the checker compares */
    sim_free(sim);
}

static void test_reorg_in_the_middle_of_a_round(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 100);
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].latency_ms = 300;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 60 * SIM_SEC));
    for (int i = 0; i < 60; i++) { /* at every phase of a round */
        sim_run(sim, 2030);
        if (i % 2 == 0) sim_change(sim)->seats[5].nonce++;
        sim_reorg(sim, 1 + (size_t)i % 3);
    }
    uint64_t snapshots = sim->snapshots;
    sim_run(sim, 20 * SIM_SEC);
    assert_true(sim->snapshots >= snapshots + 8);
    sim_free(sim);
}

/* Deeper than the references that are remembered: told as a lower bound. */
static void test_very_deep_reorg(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 4, 60 * SIM_SEC));
    sim->block_ms = 0;
    sim_reorg(sim, 60);
    assert_true(sim_until_block(sim, sim_head(sim), 5 * SIM_SEC));
    assert_in_range(sim_note_last(sim, CHAIN_POLL_NOTE_REORG)->value, 3, 59);
    assert_non_null(strstr(sim_note_last(sim, CHAIN_POLL_NOTE_REORG)->text, "more than"));
    sim_free(sim);
}

/* After a long stop no endpoint has the old reference any more: read as a reorg, all anew. */
static void test_pruned_reference(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 4, 60 * SIM_SEC));
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].manner = SIM_PRUNED;
    sim_mine(sim, 500);
    uint64_t snapshots = sim->snapshots;
    sim_restart(sim);
    assert_true(sim_until_snapshots(sim, snapshots + 2, 10 * SIM_SEC));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_REORG), 1);
    sim_free(sim);
}

/* Goal: what was read of a block that lost never meets what was read of the one that won.
 * Method: one fast endpoint has read all of the target when it is replaced under the two slow
 * ones; at each offset within a poll. The checker knows which seats belong to which block. */
static void test_block_replaced_while_some_have_read_it(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 100);
    sim->block_ms = 0;
    sim->endpoints[0].latency_ms = 20;
    sim->endpoints[1].latency_ms = sim->endpoints[2].latency_ms = 150;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    for (uint64_t offset = 0; offset < 1500; offset += 50) {
        sim_change(sim)->seats[5].nonce++;
        sim_mine(sim, 1);
        sim_run(sim, offset);
        sim_change(sim)->seats[6].nonce++;
        sim_reorg(sim, 1);
        assert_true(sim_until_block(sim, sim_head(sim), 10 * SIM_SEC));
        if (sim->state_count > SIM_STATES_MAX - 3) break;
    }
    sim_free(sim);
}

static void test_minority_fork_is_not_our_reorg(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 60 * SIM_SEC));
    sim->endpoints[0].manner = SIM_FALSE_HASH;
    sim_run(sim, 20 * SIM_SEC);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_REORG), 0);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DISAGREEMENT),
                     1); /* one line, not each block */
    sim_free(sim);
}

/* ---- how much is asked ---- */

static void test_idle_costs_one_small_request_a_poll(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 100);
    sim->block_ms = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    sim_run(sim, 5 * SIM_SEC);
    uint64_t requests = sim_requests(sim), calls = sim->endpoints[0].calls;
    sim_run(sim, 100 * SIM_SEC);
    assert_in_range(sim_requests(sim) - requests, 297, 303);
    assert_in_range(sim->endpoints[0].calls - calls, 99, 101);
    sim_free(sim);
}

static void test_a_block_without_changes_costs_two_requests(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 100);
    sim->block_ms = 10 * SIM_SEC;
    sim->config.poll_ms = SIM_SEC;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 30 * SIM_SEC));
    sim_run(sim, 2 * SIM_SEC);
    uint64_t requests = sim->endpoints[1].requests, snapshots = sim->snapshots;
    sim_run(sim, 100 * SIM_SEC);
    assert_int_equal(sim->snapshots - snapshots, 10);
    /* a hundred heights, and for each of ten blocks its header and clusterState */
    assert_in_range(sim->endpoints[1].requests - requests, 118, 122);
    sim_free(sim);
}

static void test_all_pages_again_each_64th_reference(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 64, 200 * SIM_SEC));
    assert_int_equal(sim_status(sim).full_reads, 1);
    assert_true(sim_until_snapshots(sim, 65, 10 * SIM_SEC));
    assert_int_equal(sim_status(sim).full_reads, 2);
    assert_true(sim_until_snapshots(sim, 128, 200 * SIM_SEC));
    assert_int_equal(sim_status(sim).full_reads, 2);
    sim_free(sim);
}

/* Goal: a change that a node kept from us under an unchanged revision is found at last. Two of
 * two servers forgot to roll the revision; the 64th reference reads all. */
static void test_full_read_finds_what_the_revision_hid(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim->expect_lies = true;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
    struct sim_state *next = sim_change(sim);
    next->cluster.revision = sim->states[0].cluster.revision;
    next->seats[0].active = false;
    assert_true(sim_until_snapshots(sim, 60, 200 * SIM_SEC));
    assert_true(sim->snapshot->seats[0].active);
    assert_true(sim_until_snapshots(sim, 66, 20 * SIM_SEC));
    assert_false(sim->snapshot->seats[0].active);
    sim_free(sim);
}

/* Under one revision there cannot be two numbers of seats. */
static void test_other_seat_count_under_the_same_revision_is_refused(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->expect_lies = true;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
    struct sim_state *next = sim_change(sim);
    next->cluster.revision = sim->states[0].cluster.revision;
    next->seat_count = 4;
    sim_run(sim, 3 * SIM_SEC);
    uint64_t snapshots = sim->snapshots;
    sim_run(sim, 20 * SIM_SEC);
    assert_int_equal(sim->snapshots, snapshots);
    assert_true(sim_notes(sim, CHAIN_POLL_NOTE_SNAPSHOT_BAD) >= 1);
    sim_free(sim);
}

static void test_poll_interval_is_half_the_block_time(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim->block_ms = 12 * SIM_SEC;
    sim->block_time_s = 12;
    sim_start(sim);
    assert_int_equal(sim_status(sim).poll_ms, 1000);
    sim_run(sim, 150 * SIM_SEC);
    assert_int_equal(sim_status(sim).poll_ms, 6000);
    sim->block_time_s = 1; /* one quick block, as on a quiet dev chain */
    sim_mine(sim, 1);
    sim_run(sim, 10 * SIM_SEC);
    assert_int_equal(sim_status(sim).poll_ms, 1000);
    sim_free(sim);
}

static void test_wake_polls_at_once_but_once_a_reference(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim->block_ms = 0;
    sim->config.poll_ms = 100 * SIM_SEC;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    sim_mine(sim, 1);
    sim_run(sim, SIM_SEC);
    assert_int_equal(sim->snapshots, 1);
    sim_wake(sim);
    assert_true(sim_until_snapshots(sim, 2, SIM_SEC));
    sim_wake(sim);
    sim_run(sim, SIM_SEC);
    uint64_t requests = sim_requests(sim);
    for (int i = 0; i < 50; i++) {
        sim_wake(sim);
        sim_run(sim, 100);
    }
    assert_int_equal(sim_requests(sim), requests);
    sim_free(sim);
}

/* ---- roots ---- */

static void test_roots_can_be_changed_later(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim->config.root_count = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    assert_int_equal(sim->snapshot->root_count, 0);
    struct base_eth_address roots[2] = {{.bytes = {1}}, {.bytes = {2}}};
    chain_poll_set_roots(sim->poll, roots, 2);
    assert_true(sim_until_snapshots(sim, 3, 10 * SIM_SEC));
    assert_int_equal(sim->snapshot->root_count, 2);
    assert_memory_equal(&sim->snapshot->roots[1].root, &roots[1], sizeof roots[1]);
    sim_free(sim);
}

/* ---- who has a vote ---- */

struct vote_case {
    const char *urls[5];
    size_t count;
    uint32_t votes;
};
static const struct vote_case vote_cases[] = {
    {{"https://a.example", "https://b.example"}, 2, 2},
    {{"https://a.example", "https://a.example/other"}, 2, 1},
    {{"https://a.example", "https://A.Example.:8443/key"}, 2, 1},
    {{"https://a.example", "https://user:pw@a.example"}, 2, 1},
    {{"https://a.example", "https://b.example@a.example"}, 2, 1},
    {{"https://a.example", "https://b.example/@a.example"}, 2, 2},
    {{"http://a.example", "http://b.example", "http://10.0.0.1:8545"}, 3, 1},
    {{"http://a.example", "http://b.example", "https://c.example"}, 3, 2},
    {{"http://a.example", "https://a.example"}, 2, 1},
    {{"http://127.0.0.1:8545", "http://127.0.0.1:8546"}, 2, 2},
    {{"http://127.0.0.1:8545", "http://localhost:8545"}, 2, 1},
    {{"http://localhost", "http://localhost:80/x"}, 2, 1},
    {{"http://[::1]:8545", "http://[::1]:8546", "http://127.0.0.1:1"}, 3, 3},
    {{"http://127.evil.example", "http://x.example"}, 2, 1},
    {{"http://127.0.0.1.evil.example", "http://x.example"}, 2, 1},
    {{"http://128.0.0.1", "http://x.example"}, 2, 1},
    {{"HTTPS://a.example", "https://[2001:db8::1]:8545"}, 2, 2},
    {{"ftp://a.example"}, 1, 0},
    {{"a.example:8545"}, 1, 0},
    {{"https://"}, 1, 0},
    {{"https://:8545"}, 1, 0},
    {{"https://a.example:port"}, 1, 0},
    {{"https://a.example:123456"}, 1, 0},
    {{"https://[::1"}, 1, 0},
    {{"https://a b"}, 1, 0},
    {{""}, 1, 0},
};

static void test_votes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vote_cases / sizeof vote_cases[0]; i++) {
        const struct vote_case *c = &vote_cases[i];
        struct chain_poll *poll;
        struct chain_poll_status status;
        struct chain_poll_config config = {
            .urls = c->urls, .url_count = c->count, .chain_id = 31337};
        char why[CHAIN_POLL_TEXT_BYTES] = "";
        int rv = chain_poll_new(&poll, &config, 0, why);
        if (c->votes == 0) {
            assert_int_equal(rv, BASE_EINVAL);
            assert_string_not_equal(why, "");
            continue;
        }
        if (rv != BASE_OK) fail_msg("%s: %s", c->urls[0], why);
        chain_poll_status(poll, &status);
        if (status.votes != c->votes) fail_msg("%s: %u votes", c->urls[0], status.votes);
        assert_int_equal(status.agree, c->votes / 2 + 1);
        chain_poll_free(poll);
    }
}

static void test_three_urls_of_one_host_are_one_vote(void **state)
{
    (void)state;
    static const char *const urls[] = {"https://a.example/1", "https://a.example/2",
                                       "https://a.example/3", "https://b.example",
                                       "https://c.example"};
    static const enum sim_manner lies[] = {SIM_WRONG_OWNER, SIM_FALSE_HASH, SIM_WRONG_GENESIS,
                                           SIM_FALSE_HEAD};
    for (size_t k = 0; k < sizeof lies / sizeof lies[0]; k++) {
        struct sim *sim = sim_new(5, 5);
        sim->config.urls = urls;
        for (size_t i = 0; i < 3; i++)
            sim->endpoints[i].manner = lies[k]; /* three liars, one host */
        sim_start(sim);
        assert_int_equal(sim_status(sim).votes, 3);
        assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC)); /* the checker knows the truth */
        sim_free(sim);
    }
}

static void test_plain_http_is_one_network_attacker(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://a.example", "http://b.example", "http://d.example",
                                       "https://e.example", "https://f.example"};
    struct sim *sim = sim_new(5, 5);
    sim->config.urls = urls;
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].manner = SIM_MISSING_MEMBER;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
    sim_free(sim);
}

static void test_configuration_is_refused(void **state)
{
    (void)state;
    static const char *const one[] = {"https://a.example"};
    static const char *many[CHAIN_POLL_ENDPOINTS_MAX + 1];
    char longest[CHAIN_POLL_URL_BYTES_MAX + 2];
    const char *const long_url[] = {longest};
    struct chain_poll *poll;
    struct chain_poll_config config = {.urls = one, .url_count = 1, .chain_id = 31337, .agree = 2};
    assert_int_equal(chain_poll_new(&poll, &config, 0, NULL), BASE_EINVAL); /* K above votes */
    config.agree = 0;
    config.chain_id = 0;
    assert_int_equal(chain_poll_new(&poll, &config, 0, NULL), BASE_EINVAL);
    config.chain_id = 31337;
    config.url_count = 0;
    assert_int_equal(chain_poll_new(&poll, &config, 0, NULL), BASE_EINVAL);
    for (size_t i = 0; i < CHAIN_POLL_ENDPOINTS_MAX + 1; i++)
        many[i] = one[0];
    config.urls = many;
    config.url_count = CHAIN_POLL_ENDPOINTS_MAX + 1;
    assert_int_equal(chain_poll_new(&poll, &config, 0, NULL), BASE_EINVAL);
    memset(longest, 'a', sizeof longest - 1);
    memcpy(longest, "https://", 8);
    longest[sizeof longest - 1] = '\0';
    config.urls = long_url;
    config.url_count = 1;
    assert_int_equal(chain_poll_new(&poll, &config, 0, NULL), BASE_EINVAL);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(chain_poll_trust_name(CHAIN_POLL_SINGLE), "single");
    assert_string_equal(chain_poll_trust_name(CHAIN_POLL_MAJORITY), "majority");
    assert_string_equal(chain_poll_trust_name(CHAIN_POLL_ANY), "any");
    assert_string_equal(chain_poll_note_name(CHAIN_POLL_NOTE_WENT_BACK), "chain_went_back");
}

static void test_same_events_give_the_same_bytes(void **state)
{
    (void)state;
    struct base_hash32 digests[2];
    for (size_t run = 0; run < 2; run++) {
        struct sim *sim = sim_new(3, 40);
        sim->endpoints[1].manner = SIM_WRONG_OWNER;
        sim_start(sim);
        sim_run(sim, 30 * SIM_SEC);
        struct base_keccak256 k;
        base_keccak256_init(&k);
        for (size_t i = 0; i < sim->note_count; i++)
            base_keccak256_update(&k, sim->notes[i].text, strlen(sim->notes[i].text));
        uint64_t numbers[2] = {sim_requests(sim), sim->snapshots};
        base_keccak256_update(&k, numbers, sizeof numbers);
        base_keccak256_final(&k, &digests[run]);
        sim_free(sim);
    }
    assert_true(base_hash32_equal(&digests[0], &digests[1]));
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

int main(void)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(test_single_endpoint_follows_the_head),
        cmocka_unit_test(test_three_agree_and_see_a_change),
        cmocka_unit_test(test_empty_registry_is_a_snapshot),
        cmocka_unit_test(test_many_pages_in_several_requests),
        cmocka_unit_test(test_confirmations_stay_behind_the_head),
        cmocka_unit_test(test_safe_and_finalized_follow_the_tag),
        cmocka_unit_test(test_the_head_is_asked_for_when_wanted),
        cmocka_unit_test(test_the_head_is_what_enough_have_reached),
        cmocka_unit_test(test_the_head_needs_enough_answers),
        cmocka_unit_test(test_kept_target_agrees_at_constant_unequal_lags),
        cmocka_unit_test(test_kept_target_agrees_with_one_lying_high),
        cmocka_unit_test(test_lagging_endpoint_is_behind_not_wrong),
        cmocka_unit_test(test_ignoring_the_block_hash_costs_the_vote),
        cmocka_unit_test(test_alone_ignoring_the_block_hash_gives_no_snapshot),
        cmocka_unit_test(test_older_block_for_the_target_gives_no_snapshot),
        cmocka_unit_test(test_a_lying_majority_is_believed_and_shown_as_such),
        cmocka_unit_test(test_slow_endpoint_holds_nobody_up),
        cmocka_unit_test(test_slow_majority_still_gets_there),
        cmocka_unit_test(test_silence_times_out_and_backs_off),
        cmocka_unit_test(test_late_reply_after_timeout_is_ignored),
        cmocka_unit_test(test_reply_to_another_request_is_ignored),
        cmocka_unit_test(test_checks_again_after_a_failure),
        cmocka_unit_test(test_outage_changes_nothing_and_is_dated),
        cmocka_unit_test(test_good_time_moves_on_while_no_block_comes),
        cmocka_unit_test(test_disagreement_does_not_look_fresh),
        cmocka_unit_test(test_kept_genesis_refuses_another_chain),
        cmocka_unit_test(test_built_in_genesis_cannot_be_overridden),
        cmocka_unit_test(test_head_below_the_reference_replaces_nothing),
        cmocka_unit_test(test_fewer_than_k_cannot_say_that_the_chain_went_back),
        cmocka_unit_test(test_lagging_restart_is_stale_against_the_kept_reference),
        cmocka_unit_test(test_restart_at_the_same_height),
        cmocka_unit_test(test_restart_notices_a_reorg_at_the_same_height),
        cmocka_unit_test(test_block_older_than_the_reference_is_refused),
        cmocka_unit_test(test_single_endpoint_drops_many_only_after_three_references),
        cmocka_unit_test(test_single_endpoint_needs_three_references_however_long),
        cmocka_unit_test(test_exactly_a_third_may_go_at_once),
        cmocka_unit_test(test_drop_count_starts_over),
        cmocka_unit_test(test_any_of_many_drops_only_with_a_second_vote),
        cmocka_unit_test(test_majority_drops_at_once),
        cmocka_unit_test(test_agreed_nonsense_is_no_snapshot),
        cmocka_unit_test(test_reorg_is_noticed_with_its_depth),
        cmocka_unit_test(test_reorg_replaces_the_whole_snapshot),
        cmocka_unit_test(test_reorg_in_the_middle_of_a_round),
        cmocka_unit_test(test_very_deep_reorg),
        cmocka_unit_test(test_pruned_reference),
        cmocka_unit_test(test_block_replaced_while_some_have_read_it),
        cmocka_unit_test(test_minority_fork_is_not_our_reorg),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_idle_costs_one_small_request_a_poll),
        cmocka_unit_test(test_a_block_without_changes_costs_two_requests),
        cmocka_unit_test(test_all_pages_again_each_64th_reference),
        cmocka_unit_test(test_full_read_finds_what_the_revision_hid),
        cmocka_unit_test(test_other_seat_count_under_the_same_revision_is_refused),
        cmocka_unit_test(test_poll_interval_is_half_the_block_time),
        cmocka_unit_test(test_wake_polls_at_once_but_once_a_reference),
        cmocka_unit_test(test_roots_can_be_changed_later),
        cmocka_unit_test(test_votes),
        cmocka_unit_test(test_three_urls_of_one_host_are_one_vote),
        cmocka_unit_test(test_plain_http_is_one_network_attacker),
        cmocka_unit_test(test_configuration_is_refused),
        cmocka_unit_test(test_same_events_give_the_same_bytes),
    };
    struct json_vectors_tests tests = {0};
    for (size_t i = 0; i < COUNT(fixed); i++)
        json_vectors_add(&tests, fixed[i].test_func, NULL, "%s", fixed[i].name);
    for (size_t i = 0; i < COUNT(minorities); i++) {
        json_vectors_add(&tests, test_minority_changes_nothing, &minorities[i], "one of three: %s",
                         minorities[i].name);
        json_vectors_add(&tests, test_majority_is_needed, &minorities[i], "two of three: %s",
                         minorities[i].name);
    }
    for (size_t i = 0; i < COUNT(liars); i++)
        json_vectors_add(&tests, test_minority_changes_nothing, &liars[i], "one of three: %s",
                         liars[i].name);
    return json_vectors_run(&tests, "chain_poll", NULL);
}
