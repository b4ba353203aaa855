#include "chain_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "json_vectors.h"

/* The poller on the contract of the prototype: it stores no keys, has no page of members and no
 * revision, and who sold a seat and bought it back must not go unnoticed. The simulator's checker
 * holds every snapshot against the chain: its seats, and each transfer that it says it knows. */

/* ---- which contract ---- */

static void test_it_is_known_as_what_it_is(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 5);
    sim->config.app_id_count = 1;
    sim->config.app_ids[0].bytes[3] = 9;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 3 * SIM_SEC));
    assert_int_equal(sim->snapshot->kind, CHAIN_KIND_PROTOTYPE);
    assert_int_equal(sim->snapshot->seat_count, 5);
    assert_int_equal(sim->snapshot->root_epoch, 1);
    assert_int_equal(sim->snapshot->roots[0].epoch, 1);
    assert_int_equal(sim->snapshot->app_ids[0].bytes[3], 9);
    assert_int_equal(sim_status(sim).kind, CHAIN_KIND_PROTOTYPE);
    assert_int_equal(sim_note_last(sim, CHAIN_POLL_NOTE_KIND)->value, CHAIN_KIND_PROTOTYPE);
    assert_true(sim_until_verified(sim, 20 * SIM_SEC));
    assert_int_equal(sim->snapshot->transfers_from_block, 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(sim_moved_at(sim, i), 1); /* minted */
    sim_run(sim, 60 * SIM_SEC);
    assert_true(sim->snapshots >= 29);
    assert_true(sim->snapshot_age_max <= 1);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DISAGREEMENT), 0);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD), 0);
    sim_free(sim);
}

static void test_app_ids_can_be_set_later(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(1, 1);
    struct base_eth_address ids[2] = {{{1}}, {{2}}};
    chain_poll_set_app_ids(sim->poll, ids, 2);
    sim->config.app_id_count = 2;
    assert_true(sim_until_snapshots(sim, sim->snapshots + 1, 10 * SIM_SEC));
    assert_true(chain_snapshot_allows_app(sim->snapshot, &ids[1]));
    sim_free(sim);
}

static void test_our_contract_is_not_taken_for_it(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3, 5);
    sim->endpoints[0].manner = SIM_CLAIMS_PROTOTYPE;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 5, 30 * SIM_SEC));
    assert_int_equal(sim->snapshot->kind, CHAIN_KIND_NFTMESH);
    assert_int_equal(sim->snapshot->transfers_from_block, 0);
    assert_int_equal(sim_endpoint_status(sim, 0).agreement, CHAIN_POLL_AGREEMENT_DIFFERS);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_KIND_CHANGED), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sim->endpoints[i].log_requests, 0);
    sim_free(sim);
}

/* A server's own error about clusterState() says nothing about what is there. */
static void test_an_error_is_no_answer(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(1, 5);
    sim->endpoints[0].manner = SIM_STATE_FAILS;
    sim_start(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshots, 0);
    sim_free(sim);
}

static void test_what_is_neither_is_said_in_words(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1, 5);
    sim->endpoints[0].manner = SIM_OTHER_CONTRACT;
    sim_start(sim);
    sim_run(sim, 5 * SIM_SEC);
    assert_non_null(strstr(sim_note_last(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD)->text,
                           "neither clusterState() nor kmsRootAddress()"));
    sim_free(sim);
    sim = sim_new(1, 5);
    sim->states[0].kind = CHAIN_KIND_UNKNOWN;
    sim_start(sim);
    sim_run(sim, 20 * SIM_SEC);
    assert_non_null(strstr(sim_note_last(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD)->text, "a token"));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD), 1); /* not each block */
    assert_int_equal(sim->snapshots, 0);
    sim_free(sim);
}

/* Behind a proxy even the code can change: not in this process. */
static void test_kind_stays(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sim *sim = i == 0 ? sim_prototype_new(3, 5) : sim_new(3, 5);
        sim_start(sim);
        assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
        enum chain_kind kind = sim->snapshot->kind;
        sim_change(sim)->kind =
            kind == CHAIN_KIND_PROTOTYPE ? CHAIN_KIND_NFTMESH : CHAIN_KIND_PROTOTYPE;
        sim_run(sim, 5 * SIM_SEC);
        uint64_t snapshots = sim->snapshots;
        sim_run(sim, 30 * SIM_SEC);
        assert_int_equal(sim->snapshots, snapshots);
        assert_int_equal(sim->snapshot->kind, kind);
        assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_KIND_CHANGED), 1);
        sim_change(sim)->kind = kind;
        assert_true(sim_until_snapshots(sim, snapshots + 3, 30 * SIM_SEC));
        sim_free(sim);
    }
}

/* ---- tokens ---- */

static void test_tokens_by_multicall_and_by_batches(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sim *sim = sim_prototype_new(3, SIM_SEATS_MAX);
        struct sim_state *s = &sim->states[0];
        sim->has_multicall = i == 0;
        s->texts[3] = "";
        s->texts[4] = "ABCDEF0123456789ABCDEF0123456789ABCDEF01"; /* upper case */
        s->texts[5] = "abcdef0123456789abcdef0123456789abcdef0";  /* 39 */
        s->texts[150] = "0xabcdef0123456789abcdef0123456789abcdef";
        s->seats[6].active = false;
        s->url_bytes[7] = 256;
        s->url_bytes[8] = 257;
        s->url_bytes[199] = 30000;
        sim->endpoints[2].manner = SIM_SWAPPED;
        sim_start(sim);
        assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
        assert_int_equal(sim->snapshot->seat_count, SIM_SEATS_MAX);
        assert_int_equal(sim->snapshot->seats[7].url_len, 256);
        assert_true(sim->snapshot->seats[8].url_too_long);
        assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DISAGREEMENT), 0);
        sim_free(sim);
    }
}

/* One with Multicall3 for one endpoint and one without agree: how it is read is nobody's affair. */
static void test_no_tokens_is_a_snapshot(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(1, 0);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 3, 20 * SIM_SEC));
    assert_int_equal(sim->snapshot->seat_count, 0);
    sim_free(sim);
}

/* Texts that a stranger made long, and servers with little gas, hide nobody else's seat. */
static void test_long_texts_hide_nobody(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 100);
    sim->has_multicall = true;
    for (size_t i = 0; i < 60; i++)
        sim->states[0].url_bytes[i] = 60000; /* 7 MB as hex */
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 120 * SIM_SEC));
    assert_int_equal(sim->snapshot->seat_count, 100);
    sim_free(sim);
}

static void test_out_of_gas_is_no_revert(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 100);
    sim->has_multicall = true;
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].manner = SIM_LITTLE_GAS;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 2, 120 * SIM_SEC));
    assert_int_equal(sim->snapshot->seat_count, 100);
    sim_free(sim);
}

static void test_seats_stand_until_a_log_or_half_a_minute(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 5);
    uint64_t reads = sim_status(sim).full_reads;
    sim_run(sim, 120 * SIM_SEC);
    assert_in_range(sim_status(sim).full_reads - reads, 3, 5);
    sim_change(sim)->seats[2].active = false;
    sim_touch(sim);
    assert_true(sim_until_reference(sim, sim_head(sim), 3 * SIM_SEC));
    assert_false(sim->snapshot->seats[2].active);
    sim->expect_lies = true; /* a change that is not logged goes unseen, for a while */
    sim_change(sim)->seats[3].active = false;
    sim_run(sim, 34 * SIM_SEC);
    assert_false(sim->snapshot->seats[3].active);
    sim_free(sim);
}

/* All see the log but one, who would let the seats stand: they do not. */
static void test_one_log_makes_all_read_again(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 5);
    sim->endpoints[0].manner = SIM_HIDES_LOGS;
    sim->endpoints[0].latency_ms = 300; /* it comes last */
    sim_change(sim)->seats[2].active = false;
    sim_touch(sim);
    assert_true(sim_until_reference(sim, sim_head(sim), 4 * SIM_SEC));
    assert_false(sim->snapshot->seats[2].active);
    sim->block_ms = 0;
    sim_run(sim, 3 * SIM_SEC);
    assert_int_equal(sim_endpoint_status(sim, 0).agreement, CHAIN_POLL_AGREEMENT_AGREES);
    sim_free(sim);
}

/* At idle: a poll a second, and one request more for each new block. */
static void test_requests_are_few(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 50);
    sim->block_ms = 0;
    sim_run(sim, 3 * SIM_SEC);
    uint64_t before = sim_requests(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_in_range(sim_requests(sim) - before, 3 * 58, 3 * 62);
    sim->block_ms = 2 * SIM_SEC;
    sim->next_block_ms = sim->now_ms + 1;
    before = sim_requests(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_true(sim_requests(sim) - before <= 3 * (90 + 31 + 2 * 4));
    sim_free(sim);
}

static void test_one_vote_drops_no_third(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(1, 6);
    uint64_t reference = sim->snapshot->block.number;
    struct sim_state *s = sim_change(sim);
    s->seats[0].active = s->seats[2].active = false;
    s->seats[4].owner = sim_owner(99);
    sim_touch(sim);
    sim_run(sim, 4 * SIM_SEC);
    assert_int_equal(sim->snapshot->block.number, reference);
    assert_true(sim_notes(sim, CHAIN_POLL_NOTE_DROPS_THIRD) > 0);
    sim_run(sim, 12 * SIM_SEC);
    assert_false(sim->snapshot->seats[0].active);
    sim_free(sim);
}

static void test_more_tokens_than_seats_is_no_registry(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(1, 4);
    sim->endpoints[0].manner = SIM_HUGE_SUPPLY;
    sim_start(sim);
    sim_run(sim, 20 * SIM_SEC);
    assert_int_equal(sim->snapshots, 0);
    assert_non_null(strstr(sim_note_last(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD)->text, "totalSupply"));
    sim_free(sim);
}

/* Also once it is known that it has Multicall3, which alone names the block then. */
static void test_multicall_names_its_block(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(1, 4);
    sim->has_multicall = true;
    sim_start(sim);
    assert_true(sim_until_verified(sim, 30 * SIM_SEC));
    uint64_t snapshots = sim->snapshots;
    sim->endpoints[0].manner = SIM_OTHER_WHERE;
    sim_run(sim, 20 * SIM_SEC);
    assert_true(sim->snapshots <= snapshots + 1);
    assert_non_null(strstr(sim_note_last(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD)->text, "EIP-1898"));
    sim_free(sim);
}

/* ---- a lying or broken minority changes nothing ---- */

struct minority {
    const char *name;
    enum sim_manner manner;
    bool is_unusable; /* two of three: no snapshot */
    bool is_noted;
};
static const struct minority minorities[] = {
    {"dead", SIM_DEAD, true, true},
    {"silent", SIM_SILENT, true, true},
    {"another contract", SIM_OTHER_CONTRACT, true, true},
    {"claims clusterState()", SIM_CLAIMS_STATE, false, true},
    {"errors for tokens", SIM_NO_TOKENS, true, true},
    {"no owner", SIM_BAD_OWNER, true, true},
    {"names another block", SIM_OTHER_WHERE, true, true},
    {"wrong owner", SIM_WRONG_OWNER, false, true},
    {"false block hash", SIM_FALSE_HASH, false, true},
    {"cannot run code", SIM_CANNOT_CREATE, false, false},
    {"hides logs", SIM_HIDES_LOGS, false, false},
    {"hides logs and receipts", SIM_HIDES_ALL, false, false},
    {"invents transfers", SIM_INVENTS_LOGS, false, true},
    {"invents old transfers", SIM_INVENTS_OLD, false, false},
    {"no logs", SIM_NO_LOGS, false, false},
    {"logs of another contract", SIM_OTHER_LOGS, false, false},
    {"logs outside of the range", SIM_LOGS_OUTSIDE, false, false},
    {"false time", SIM_FALSE_TIME, false, false},
    {"one false block", SIM_LIES_ABOUT_BLOCK, false, false},
};

static bool has_note_about(const struct sim *sim, size_t endpoint)
{
    for (size_t i = 0; i < sim->note_count; i++)
        if (sim->notes[i].endpoint == endpoint &&
            (sim->notes[i].note == CHAIN_POLL_NOTE_ENDPOINT_BAD ||
             sim->notes[i].note == CHAIN_POLL_NOTE_ENDPOINT_FAILED ||
             sim->notes[i].note == CHAIN_POLL_NOTE_DISAGREEMENT))
            return true;
    return false;
}

static void check_minority(const struct minority *m, bool has_multicall)
{
    struct sim *sim = sim_prototype_new(3, 10);
    sim->has_multicall = has_multicall;
    sim->endpoints[0].manner = m->manner; /* the fastest one */
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 10 * SIM_SEC));
    assert_true(sim_until_verified(sim, 60 * SIM_SEC));
    uint64_t before = sim->snapshots;
    for (uint64_t i = 0; i < 10; i++) {
        sim_transfer(sim, 1, 100 + i % 2);
        uint64_t at = sim_head(sim);
        sim_run(sim, 10 * SIM_SEC);
        assert_int_equal(sim_moved_at(sim, 1), at);
        assert_int_equal(sim->snapshot->transfers_from_block, 0);
    }
    assert_true(sim->snapshots - before >= 45);
    assert_true(sim->snapshot_age_max <= 3);
    assert_int_equal(sim_moved_at(sim, 2), 1);
    assert_true(!m->is_noted || has_note_about(sim, 0));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_NO_AGREEMENT), 0);
    sim_free(sim);
}

static void test_minority_changes_nothing(void **state)
{
    check_minority(*state, false);
    check_minority(*state, true);
}

static void test_majority_is_needed(void **state)
{
    const struct minority *m = *state;
    struct sim *sim = sim_prototype_new(3, 10);
    sim->endpoints[0].manner = sim->endpoints[1].manner = m->manner;
    sim_start(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->snapshots, 0);
    sim_free(sim);
}

/* ---- blocks by number ---- */

static void want(struct sim *sim, uint64_t number)
{
    assert_int_equal(chain_poll_want_block(sim->poll, number), BASE_OK);
}

static void assert_block(struct sim *sim, uint64_t number)
{
    struct chain_block block;
    assert_int_equal(chain_poll_block(sim->poll, number, &block), BASE_OK);
    assert_memory_equal(&block, &sim->blocks[number].block, sizeof block);
}

static void test_blocks_by_number(void **state)
{
    (void)state;
    struct chain_block block;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim->endpoints[0].manner = SIM_LIES_ABOUT_BLOCK;
    assert_int_equal(chain_poll_block(sim->poll, 30, &block), BASE_ENOTFOUND);
    uint64_t later = sim_head(sim) + 5;
    want(sim, 30);
    want(sim, later);
    for (uint64_t n = 40; n < 90; n++)
        want(sim, n);
    assert_int_equal(chain_poll_block(sim->poll, 30, &block), BASE_ESTATE);
    sim_run(sim, 3 * SIM_SEC);
    assert_block(sim, 30);
    assert_block(sim, 89);
    assert_int_equal(chain_poll_block(sim->poll, later, &block), BASE_ESTATE);
    assert_int_equal(sim_status(sim).blocks_answered, 51);
    sim_run(sim, 12 * SIM_SEC);
    assert_block(sim, later);
    sim_free(sim);
}

static void test_known_blocks_are_not_asked_again(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim->block_ms = 0;
    want(sim, 30);
    want(sim, 30);
    sim_run(sim, 5 * SIM_SEC);
    uint64_t requests = sim_requests(sim);
    want(sim, 30);
    sim_run(sim, 60 * SIM_SEC);
    assert_in_range(sim_requests(sim) - requests, 3 * 58, 3 * 62);
    sim_free(sim);
}

/* Two of three do not have it: no answer, no storm of questions. */
static void test_a_block_needs_votes(void **state)
{
    (void)state;
    struct chain_block block;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim->endpoints[0].manner = SIM_LIES_ABOUT_BLOCK;
    sim->endpoints[1].manner = SIM_PRUNED;
    want(sim, 30);
    uint64_t requests = sim_requests(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(chain_poll_block(sim->poll, 30, &block), BASE_ESTATE);
    assert_true(sim_requests(sim) - requests < 3 * (90 + 31 + 8 + 10));
    sim->endpoints[1].manner = SIM_HONEST;
    sim_run(sim, 130 * SIM_SEC);
    assert_block(sim, 30);
    sim_free(sim);
}

static void test_reorg_takes_blocks_back(void **state)
{
    (void)state;
    struct chain_block block;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim_run(sim, 20 * SIM_SEC);
    uint64_t deep = sim_head(sim) - 8, high = sim_head(sim) - 1;
    want(sim, deep);
    want(sim, high);
    sim_run(sim, 3 * SIM_SEC);
    assert_block(sim, high);
    uint64_t answered = sim_status(sim).blocks_answered;
    struct base_hash32 before = sim->blocks[high].block.hash;
    sim_reorg(sim, (size_t)(sim_head(sim) - high + 2));
    sim_run(sim, 6 * SIM_SEC);
    assert_block(sim, high);
    assert_block(sim, deep);
    assert_int_equal(chain_poll_block(sim->poll, high, &block), BASE_OK);
    assert_false(base_hash32_equal(&before, &block.hash));
    assert_int_equal(sim_status(sim).blocks_answered, answered + 2); /* taken back, and again */
    sim_free(sim);
}

static void test_the_oldest_wish_makes_room(void **state)
{
    (void)state;
    struct chain_block block;
    struct sim *sim = sim_prototype_verified(1, 1);
    for (uint64_t n = 0; n < CHAIN_POLL_BLOCKS_MAX; n++)
        want(sim, 1000 + n);
    want(sim, 1000); /* still needed */
    want(sim, 7);
    assert_int_equal(chain_poll_block(sim->poll, 1000, &block), BASE_ESTATE);
    assert_int_equal(chain_poll_block(sim->poll, 1001, &block), BASE_ENOTFOUND);
    sim_run(sim, 2 * SIM_SEC);
    assert_block(sim, 7);
    sim_free(sim);
}

static void test_accepting_the_chain_forgets_all_of_it(void **state)
{
    (void)state;
    struct chain_block block;
    struct sim *sim = sim_prototype_verified(3, 4);
    want(sim, 30);
    sim_run(sim, 2 * SIM_SEC);
    chain_poll_accept(sim->poll);
    assert_int_equal(chain_poll_block(sim->poll, 30, &block), BASE_ESTATE);
    assert_true(sim_status(sim).verifying);
    assert_true(sim_until_verified(sim, 30 * SIM_SEC));
    assert_block(sim, 30);
    sim_free(sim);
}

/* ---- all ---- */

static void add_minorities(struct json_vectors_tests *tests)
{
    for (size_t i = 0; i < sizeof minorities / sizeof minorities[0]; i++) {
        const struct minority *m = &minorities[i];
        json_vectors_add(tests, test_minority_changes_nothing, m, "one of three: %s", m->name);
        if (m->is_unusable)
            json_vectors_add(tests, test_majority_is_needed, m, "two of three: %s", m->name);
    }
}

int main(void)
{
    struct json_vectors_tests tests = {0};
#define ADD(test) json_vectors_add(&tests, test, NULL, "%s", #test)
    ADD(test_it_is_known_as_what_it_is);
    ADD(test_app_ids_can_be_set_later);
    ADD(test_our_contract_is_not_taken_for_it);
    ADD(test_an_error_is_no_answer);
    ADD(test_what_is_neither_is_said_in_words);
    ADD(test_kind_stays);
    ADD(test_tokens_by_multicall_and_by_batches);
    ADD(test_no_tokens_is_a_snapshot);
    ADD(test_long_texts_hide_nobody);
    ADD(test_out_of_gas_is_no_revert);
    ADD(test_seats_stand_until_a_log_or_half_a_minute);
    ADD(test_one_log_makes_all_read_again);
    ADD(test_requests_are_few);
    ADD(test_one_vote_drops_no_third);
    add_minorities(&tests);
    ADD(test_multicall_names_its_block);
    ADD(test_more_tokens_than_seats_is_no_registry);
    ADD(test_blocks_by_number);
    ADD(test_known_blocks_are_not_asked_again);
    ADD(test_a_block_needs_votes);
    ADD(test_reorg_takes_blocks_back);
    ADD(test_the_oldest_wish_makes_room);
    ADD(test_accepting_the_chain_forgets_all_of_it);
    return json_vectors_run(&tests, "chain_poll_prototype", NULL);
}
