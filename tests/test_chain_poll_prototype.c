#include "chain_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

/* The poller on the contract of the prototype: it stores no keys, has no page of members and no
 * revision, and who sold a seat and bought it back must not go unnoticed. The simulator's checker
 * holds every snapshot against the chain: seats, and each transfer that it says it knows. */

static bool are_verified(struct sim *sim, uint64_t ms)
{
    uint64_t until = sim->now_ms + ms;
    while (sim->now_ms < until && (!sim->snapshot || sim_status(sim).verifying))
        sim_run(sim, 100);
    sim_run(sim, 2 * SIM_SEC); /* so that it has been given */
    return sim->snapshot != NULL && !sim_status(sim).verifying;
}

static void test_it_is_known_as_what_it_is(void **state)
{
    (void)state;
    struct sim *sim = sim_prototype_new(3, 5);
    sim_start(sim);
    assert_true(sim_until_snapshots(sim, 1, 3 * SIM_SEC));
    assert_int_equal(sim->snapshot->kind, CHAIN_KIND_PROTOTYPE);
    assert_int_equal(sim->snapshot->seat_count, 5);
    assert_int_equal(sim->snapshot->root_epoch, 1);
    assert_int_equal(sim->snapshot->roots[0].epoch, 1);
    assert_int_equal(sim_status(sim).kind, CHAIN_KIND_PROTOTYPE);
    assert_int_equal(sim_note_last(sim, CHAIN_POLL_NOTE_KIND)->value, CHAIN_KIND_PROTOTYPE);
    assert_true(are_verified(sim, 20 * SIM_SEC));
    assert_int_equal(sim->snapshot->transfers_from_block, 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(sim->snapshot->seats[i].last_transfer_block, 1); /* minted */
    sim_run(sim, 60 * SIM_SEC);
    assert_true(sim->snapshots >= 29);
    assert_true(sim->snapshot_age_max <= 1);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_DISAGREEMENT), 0);
    assert_int_equal(sim_notes(sim, CHAIN_POLL_NOTE_ENDPOINT_BAD), 0);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_known_as_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
