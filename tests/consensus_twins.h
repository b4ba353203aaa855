#ifndef NFTMESH_TESTS_CONSENSUS_TWINS_H
#define NFTMESH_TESTS_CONSENSUS_TWINS_H

#include "consensus_world.h"

/* Twins: one identity in two places, both running the real engine with the same key, so that the
 * member of both signs whatever contradiction a schedule can bring about. A scenario is, for each
 * of the first slots, who leads it, and two partitions of all instances: of candidates and NOTARs,
 * and of FINALs, SKIPs and certificates; and for how long they hold.
 *
 * Source: Bano et al., Twins: BFT Systems Made Robust (OPODIS 2021). */
#define SEC             UINT64_C(1000000) /* microseconds */
#define TWINS_SLOTS     8
#define TWINS_STEPS_MAX 100000 /* thousands are usual, nine thousand seen */

struct twins_plan {
    uint64_t seed, steps_max; /* whoever needs more will never be done */
    size_t members, twins;
    uint32_t window, slots;                  /* slots that are parted, 6 to TWINS_SLOTS */
    uint64_t lead_weight[WORLD_NODES];       /* 0: does not lead */
    int64_t priority[WORLD_NODES];           /* at the start: who leads when */
    uint8_t first[TWINS_SLOTS][WORLD_NODES]; /* block of each instance, for CAND and NOTAR */
    uint8_t second[TWINS_SLOTS][WORLD_NODES];
    uint64_t hold_us[TWINS_SLOTS]; /* from the slot's first message on */
    bool is_late;                  /* what the partition stops comes when it ends; or never */
    size_t restarted;              /* an honest member that crashes and starts; count: nobody */
    uint32_t restart_slot; /* while this one is voted for: so much after its first message */
    uint64_t restart_us;
};
/* Scenario number so many of a seed: any of them can be run alone. */
void twins_plan(struct twins_plan *plan, uint64_t seed, uint64_t number);
uint64_t twins_plan_hash(const struct twins_plan *plan);
void twins_plan_print(const struct twins_plan *plan, FILE *to);

struct twins_result {
    bool ok;
    char wrong[200];
    uint64_t trace, steps;
    bool is_final_while_parted;          /* something was, before the last partition ended */
    bool has_proof;                      /* evidence against the member with two places */
    bool has_skip_cert, has_two_choices; /* two candidates of a slot had votes */
    bool has_half;                       /* and each had one of an honest member */
};
void twins_run(struct twins_result *r, const struct twins_plan *plan, FILE *told);

#endif
