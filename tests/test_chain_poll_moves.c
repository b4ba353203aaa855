#include "chain_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "json_vectors.h"

/* Which tokens moved, on the contract of the prototype: who sold a seat and bought it back must not
 * go unnoticed, whatever an endpoint hides or invents. The simulator's checker holds every snapshot
 * against the chain: each transfer that it says it knows. */

/* ---- transfers ---- */

static void test_sold_and_bought_back(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    struct base_eth_address owner = sim->snapshot->seats[2].owner;
    sim_transfer(sim, 2, 77);
    sim_mine(sim, 3);
    sim_transfer(sim, 2, 2);
    uint64_t back = sim_head(sim);
    assert_true(sim_until_reference(sim, back, 4 * SIM_SEC));
    assert_memory_equal(&sim->snapshot->seats[2].owner, &owner, sizeof owner);
    assert_int_equal(sim_moved_at(sim, 2), back);
    assert_int_equal(sim_moved_at(sim, 1), 1);
    sim_free(sim);
}

/* Goal: nothing can be judged before it is known, and what becomes known is given although no
 * block is new. */
static void test_unknown_until_it_is_known(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 4);
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].logs_max = 20;
    sim->block_ms = 0;
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 3 * SIM_SEC));
    uint64_t number = sim->snapshot->block.number;
    assert_true(sim->snapshot->transfers_from_block == CHAIN_BLOCK_NONE);
    assert_int_equal(sim_moved_at(sim, 0), 0);
    assert_true(sim_status(sim).verifying);
    assert_true(sim_until_verified(sim, 30 * SIM_SEC));
    assert_int_equal(sim->snapshot->block.number, number);
    assert_int_equal(sim->snapshot->transfers_from_block, 0);
    assert_int_equal(sim_moved_at(sim, 0), 1);
    assert_int_equal(sim_status(sim).verified_blocks, number + 1);
    assert_int_equal(sim_note_last(sim, CHAIN_POLL_NOTE_TRANSFERS)->value, 0);
    sim_free(sim);
}

/* 30 days of blocks, where servers give ranges of other lengths. */
static void test_thirty_days_in_halved_ranges(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 4);
    sim->block_time_s = 300; /* 8640 blocks are 30 days */
    sim_mine(sim, 12000);
    sim_transfer(sim, 1, 50);
    sim_mine(sim, 3000);
    sim->endpoints[0].logs_max = 200;
    sim->endpoints[1].logs_max = 150;
    sim->endpoints[2].logs_max = 1;
    sim_start(sim);
    sim_run(sim, 3 * SIM_SEC);
    assert_true(sim_status(sim).verifying);
    assert_in_range(sim_status(sim).verify_blocks, 8000, 9000);
    assert_true(sim_until_verified(sim, 60 * SIM_SEC));
    uint64_t from = sim->snapshot->transfers_from_block;
    assert_in_range(sim->snapshot->block.number - from, 8640, 8640 + 1000);
    assert_int_equal(sim_moved_at(sim, 1), 12101);
    assert_int_equal(sim_moved_at(sim, 2), 0); /* minted before that: not looked for */
    assert_true(sim->endpoints[0].log_requests < 150);
    sim_free(sim);
}

/* Who gives no logs has no vote on them; two such of three: nobody is judged. */
static void test_without_logs_nothing_is_known(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 4);
    sim->endpoints[0].manner = sim->endpoints[1].manner = SIM_NO_LOGS;
    sim_start(sim);
    sim_run(sim, 60 * SIM_SEC);
    assert_true(sim_status(sim).verifying);
    assert_true(sim->snapshots == 0 || sim->snapshot->transfers_from_block == CHAIN_BLOCK_NONE);
    assert_true(sim->endpoints[0].log_requests < 60); /* it is not hammered */
    sim_free(sim);
}

/* One endpoint shows it, and the receipt proves it: those who hide it change nothing. */
static void test_one_witness_and_receipts(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 4);
    sim_transfer(sim, 3, 9);
    uint64_t at = sim_head(sim);
    sim->endpoints[0].manner = sim->endpoints[1].manner = SIM_HIDES_LOGS;
    sim->endpoints[0].latency_ms = sim->endpoints[1].latency_ms = 1500; /* the witness is first */
    sim_start(sim);
    assert_true(sim_until_verified(sim, 60 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 3), at);
    assert_true(sim->endpoints[0].receipt_requests > 0);
    assert_int_equal(sim->endpoints[2].receipt_requests, 0);
    sim_free(sim);
}

/* .. nor does one who hides the receipt too. */
static void test_one_denial_is_not_enough(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 4);
    sim_transfer(sim, 3, 9);
    uint64_t at = sim_head(sim);
    sim->endpoints[0].manner = SIM_HIDES_ALL;
    sim->endpoints[1].manner = SIM_HIDES_LOGS;
    sim->endpoints[1].latency_ms = 400;
    sim_start(sim);
    assert_true(sim_until_verified(sim, 60 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 3), at);
    sim_free(sim);
}

/* Goal: no snapshot while it is in doubt whether one of its own tokens has moved. The checker looks
 * at each one that is given. */
static void test_doubt_is_resolved_before_the_snapshot(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim->endpoints[0].manner = SIM_HIDES_ALL;
    sim->endpoints[1].manner = SIM_HIDES_LOGS;
    sim->endpoints[1].latency_ms = 900; /* whose receipt decides it */
    sim->block_ms = 8 * SIM_SEC;
    for (uint64_t i = 0; i < 5; i++) {
        sim_transfer(sim, 1, 20 + i % 2);
        uint64_t at = sim_head(sim);
        assert_true(sim_until_reference(sim, at, 8 * SIM_SEC));
        assert_int_equal(sim_moved_at(sim, 1), at);
        sim_run(sim, 8 * SIM_SEC);
    }
    sim_free(sim);
}

/* Logs that were not asked for are no answer, also where there is nobody to deny them. */
static void test_logs_of_elsewhere_cover_nothing(void **state)
{
    (void)state;
    static const enum sim_manner manners[] = {SIM_OTHER_LOGS, SIM_LOGS_OUTSIDE};
    for (size_t i = 0; i < 2; i++) {
        struct sim *sim = sim_prototype_new(1, 4);
        sim->endpoints[0].manner = manners[i];
        sim_start(sim);
        sim_run(sim, 60 * SIM_SEC);
        assert_true(sim_status(sim).verifying);
        assert_true(sim_status(sim).transfers_from_block == CHAIN_BLOCK_NONE);
        assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD), 1); /* not each time */
        sim_free(sim);
    }
}

/* It keeps on inventing: it loses its vote, and its questions are not asked any more. */
static void test_an_inventor_is_barred(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim->endpoints[0].manner = SIM_INVENTS_LOGS;
    sim_run(sim, 120 * SIM_SEC);
    assert_int_equal(sim_moved_at(sim, 1), 1);
    assert_non_null(strstr(sim_note_last(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD)->text, "deny"));
    uint64_t receipts = sim->endpoints[1].receipt_requests;
    sim_run(sim, 60 * SIM_SEC);
    assert_int_equal(sim->endpoints[1].receipt_requests, receipts);
    assert_int_equal(sim_endpoint_status(sim, 0).agreement, CHAIN_POLL_AGREEMENT_DIFFERS);
    assert_int_equal(sim_endpoint_status(sim, 1).agreement, CHAIN_POLL_AGREEMENT_AGREES);
    sim_free(sim);
}

/* An endpoint that was away, and one that goes: what is known stays known. */
static void test_endpoints_come_and_go(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 4);
    sim->endpoints[2].manner = SIM_DEAD;
    sim_start(sim);
    assert_true(sim_until_verified(sim, 30 * SIM_SEC));
    sim->endpoints[2].manner = SIM_HONEST;
    sim_run(sim, 40 * SIM_SEC);
    sim->endpoints[0].manner = SIM_DEAD;
    sim_transfer(sim, 1, 5);
    uint64_t at = sim_head(sim);
    for (int i = 0; i < 30; i++) {
        sim_run(sim, 2 * SIM_SEC);
        assert_int_equal(sim->snapshot->transfers_from_block, 0);
    }
    assert_true(sim->snapshot->block.number > at);
    assert_int_equal(sim_moved_at(sim, 1), at);
    sim_free(sim);
}

/* Silence for an hour: the blocks between are read before the next snapshot. */
static void test_a_gap_is_read_first(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    for (size_t i = 0; i < 3; i++) {
        sim->endpoints[i].manner = SIM_DEAD;
        sim->endpoints[i].logs_max = 300;
    }
    sim_run(sim, 600 * SIM_SEC);
    sim_transfer(sim, 2, 6);
    uint64_t at = sim_head(sim);
    sim_run(sim, 3000 * SIM_SEC);
    uint64_t snapshots = sim->snapshots;
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].manner = SIM_HONEST;
    assert_true(sim_until_snapshots(sim, snapshots + 1, 60 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 2), at);
    assert_int_equal(sim->snapshot->transfers_from_block, 0);
    sim_free(sim);
}

/* ---- reorgs ---- */

/* The top blocks are replaced by as many and one more, in which the token is its first owner's. */
static void reorg_without(struct sim *sim, size_t depth, size_t token)
{
    sim_cut(sim, depth);
    sim->salt++;
    sim_change(sim)->seats[token].owner = sim->states[0].seats[token].owner;
    sim_mine(sim, depth + 1);
}

static void test_reorg_takes_a_transfer_back(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim_run(sim, 20 * SIM_SEC);
    sim_transfer(sim, 2, 77);
    assert_true(sim_until_reference(sim, sim_head(sim), 4 * SIM_SEC));
    assert_true(sim_moved_at(sim, 2) > 100);
    reorg_without(sim, 2, 2);
    assert_true(sim_until_reference(sim, sim_head(sim), 8 * SIM_SEC));
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_REORG), 1);
    assert_int_equal(sim_moved_at(sim, 2), 1);
    assert_int_equal(sim->snapshot->transfers_from_block, 0);
    sim_free(sim);
}

static void test_reorg_moves_a_transfer(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim_run(sim, 20 * SIM_SEC);
    sim_transfer(sim, 2, 77);
    sim_run(sim, 6 * SIM_SEC);
    sim_cut(sim, 5);
    sim->salt++;
    sim_mine(sim, 2);
    sim_transfer(sim, 2, 77);
    uint64_t at = sim_head(sim);
    sim_mine(sim, 3);
    assert_true(sim_until_reference(sim, sim_head(sim), 10 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 2), at);
    sim_free(sim);
}

/* A liar that stands by more than is left cannot hide what the new branch holds. */
static void test_reorg_depth_is_by_votes(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim_run(sim, 20 * SIM_SEC);
    uint64_t fork = sim_head(sim) - 6;
    sim_cut(sim, 6);
    sim->salt++;
    sim_mine(sim, 1);
    sim_transfer(sim, 1, 42);
    sim_mine(sim, 7);
    sim->endpoints[0].manner = SIM_CLAIMS_PAST;
    sim->endpoints[0].frozen_at = sim->snapshot->block.number;
    assert_true(sim_until_reference(sim, sim_head(sim), 10 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 1), fork + 2);
    sim_free(sim);
}

/* Deeper than what is remembered: all of it again, and nobody is judged meanwhile. */
static void test_deep_reorg_begins_anew(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].logs_max = 10;
    sim_run(sim, 60 * SIM_SEC);
    sim_cut(sim, 50);
    sim->salt++;
    sim_transfer(sim, 3, 8);
    uint64_t at = sim_head(sim);
    sim_mine(sim, 52);
    assert_true(sim_until_reference(sim, sim_head(sim), 10 * SIM_SEC));
    assert_true(sim->snapshot->transfers_from_block > at);
    assert_true(sim_until_verified(sim, 60 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 3), at);
    sim_free(sim);
}

/* A target that came to nothing leaves nothing behind. */
static void test_an_abandoned_target_is_forgotten(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim->block_ms = 0;
    sim_run(sim, 3 * SIM_SEC);
    sim_transfer(sim, 2, 77);
    for (size_t i = 0; i < 2; i++)
        sim->endpoints[i].manner = i == 0 ? SIM_WRONG_OWNER : SIM_NO_TOKENS;
    sim_run(sim, 5 * SIM_SEC); /* logs are read, owners are not agreed on */
    reorg_without(sim, 1, 2);
    sim->endpoints[0].manner = sim->endpoints[1].manner = SIM_HONEST;
    assert_true(sim_until_reference(sim, sim_head(sim), 20 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 2), 1);
    sim_free(sim);
}

/* ---- kept over a restart ---- */

static void restart_with(struct sim *sim, struct chain_transfers *kept)
{
    assert_int_equal(chain_poll_transfers(sim->poll, kept), BASE_OK);
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].log_requests = 0;
    sim->config.transfers = kept;
    chain_snapshot_free(sim->snapshot); /* so that what the new one gives is waited for */
    sim->snapshot = NULL;
}

static void test_transfers_survive_a_restart(void **state)
{
    (void)state;
    struct chain_transfers kept;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim_transfer(sim, 2, 77);
    uint64_t at = sim_head(sim);
    sim_run(sim, 5 * SIM_SEC);
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].logs_max = 20;
    restart_with(sim, &kept);
    sim_mine(sim, 15);
    sim_restart(sim);
    chain_transfers_free(&kept);
    assert_true(sim_until_verified(sim, 30 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 2), at);
    assert_int_equal(sim_moved_at(sim, 1), 1);
    assert_int_equal(sim->snapshot->transfers_from_block, 0);
    assert_true(sim->endpoints[0].log_requests < 25); /* far from all of it */
    sim_free(sim);
}

static void test_kept_transfers_of_another_branch_are_not_believed(void **state)
{
    (void)state;
    struct chain_transfers kept;
    struct sim *sim = sim_prototype_verified(3, 4);
    sim_run(sim, 10 * SIM_SEC);
    restart_with(sim, &kept);
    for (size_t i = 0; i < kept.count; i++)
        kept.items[i].block = kept.to_block; /* lies, of which none may be seen */
    kept.to_hash.bytes[0] ^= 1;
    sim_restart(sim);
    chain_transfers_free(&kept);
    assert_true(sim_until_verified(sim, 30 * SIM_SEC));
    assert_int_equal(sim_moved_at(sim, 1), 1);
    sim_free(sim);
}

static void test_nothing_known_is_nothing_kept(void **state)
{
    (void)state;
    struct chain_transfers kept;
    struct sim *sim = sim_new(1, 3);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 3 * SIM_SEC));
    assert_int_equal(chain_poll_transfers(sim->poll, &kept), BASE_ENOTFOUND);
    chain_transfers_free(&kept);
    sim_free(sim);
}

/* What is written down while something is in doubt is of covered blocks only: else it would be
 * taken for damaged. */
static void test_kept_transfers_are_of_what_is_covered(void **state)
{
    (void)state;
    size_t partly = 0;
    struct sim *sim = sim_prototype_new(3, 4);
    sim_transfer(sim, 2, 77);
    sim_mine(sim, 60);
    for (size_t i = 0; i < 3; i++)
        sim->endpoints[i].logs_max = 10;
    sim->endpoints[1].latency_ms = 1500; /* whose word it takes to deny */
    sim->endpoints[2].manner = SIM_INVENTS_OLD;
    sim_start(sim);
    for (int i = 0; i < 400; i++) {
        struct chain_transfers kept;
        sim_run(sim, 50);
        if (chain_poll_transfers(sim->poll, &kept) != BASE_OK) continue;
        for (size_t k = 0; k < kept.count; k++)
            assert_in_range(kept.items[k].block, kept.from_block, kept.to_block);
        partly += kept.from_block > 0;
        chain_transfers_free(&kept);
    }
    assert_true(partly > 0);
    sim_free(sim);
}

int main(void)
{
    struct json_vectors_tests tests = {0};
#define ADD(test) json_vectors_add(&tests, test, NULL, "%s", #test)
    ADD(test_sold_and_bought_back);
    ADD(test_unknown_until_it_is_known);
    ADD(test_thirty_days_in_halved_ranges);
    ADD(test_without_logs_nothing_is_known);
    ADD(test_one_witness_and_receipts);
    ADD(test_one_denial_is_not_enough);
    ADD(test_doubt_is_resolved_before_the_snapshot);
    ADD(test_logs_of_elsewhere_cover_nothing);
    ADD(test_an_inventor_is_barred);
    ADD(test_endpoints_come_and_go);
    ADD(test_a_gap_is_read_first);
    ADD(test_reorg_takes_a_transfer_back);
    ADD(test_reorg_moves_a_transfer);
    ADD(test_reorg_depth_is_by_votes);
    ADD(test_deep_reorg_begins_anew);
    ADD(test_an_abandoned_target_is_forgotten);
    ADD(test_transfers_survive_a_restart);
    ADD(test_kept_transfers_of_another_branch_are_not_believed);
    ADD(test_nothing_known_is_nothing_kept);
    ADD(test_kept_transfers_are_of_what_is_covered);
    return json_vectors_run(&tests, "chain_poll_moves", NULL);
}
