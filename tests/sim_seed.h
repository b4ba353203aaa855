#ifndef NFTMESH_TESTS_SIM_SEED_H
#define NFTMESH_TESTS_SIM_SEED_H

#include "sim.h"
#include "sim_liar.h"

/* One seed: which faults and liars it has and when they strike, all drawn from it (swarm testing:
 * each seed its own subset), and what must be right at the end. docs/simulation.md tells the story.
 */
struct sim_faults;
struct sim_fault {
    const char *name;
    const char *what; /* for --help */
    void (*strike)(struct sim_faults *f);
};
#define SIM_FAULTS_COUNT 31
extern const struct sim_fault SIM_FAULTS[SIM_FAULTS_COUNT];
#define SIM_ALL (~UINT64_C(0))

struct sim_seed_options {
    uint64_t seed;
    uint32_t nodes;            /* members at the start; some seats more are for later ones */
    uint32_t minutes;          /* of faults */
    const struct sim_net *net; /* NULL: drawn */
    bool draw_faults, draw_liars;
    uint64_t faults; /* which may be drawn, or which there are: bit f is SIM_FAULTS[f] */
    uint64_t liars;  /* bit k is SIM_LIARS[k] */
    bool votes;      /* each node carries a consensus core as well */
    bool draw_byzantine;
    uint64_t byzantine; /* members whose consensus lies: bit k is WORLD_LIARS[k] */
    FILE *verbose, *trace;
};
void sim_seed_options_default(struct sim_seed_options *o);

struct sim_seed_result {
    bool ok;
    char wrong[320];
    uint64_t trace;
    uint64_t calm_ms;                   /* from the calm, with the chain settled, to right tables */
    uint64_t faults, liars;             /* that there were */
    uint32_t liar_count, liar_permille; /* of the nodes; of the weight */
    uint64_t refused;
    struct sim_load load;
    uint64_t byzantine;
    uint32_t byzantine_count;
    uint32_t halts;    /* times at which too little of the weight ran to go on */
    uint64_t go_on_ms; /* from calm to something new that is final, for all */
    struct sim_votes_figures votes;
};
void sim_seed_run(struct sim_seed_result *out, const struct sim_seed_options *o);

/* ---- sim_seed_votes.c: the same with consensus; NULL, or what went wrong ---- */
void sim_seed_votes_prepare(struct sim *s, const struct sim_seed_options *o,
                            struct sim_seed_result *out);
void sim_seed_votes_strike(struct sim *s);
const char *sim_seed_votes_go_on(struct sim *s, struct sim_seed_result *out);
const char *sim_seed_votes_end(struct sim *s, const struct sim_seed_options *o,
                               struct sim_seed_result *out);

/* ---- sim_faults.c ---- */
struct sim_flap {
    uint32_t i, j; /* j == i: all of its links */
    uint64_t next_ms;
    uint32_t period_ms;
    bool is_cut;
};
#define SIM_FLAPS_MAX 4
struct sim_faults {
    struct sim *s;
    uint64_t which;
    uint32_t members; /* the slots above are spare ones */
    uint64_t gap_ms;
    struct sim_net net;
    struct sim_flap flaps[SIM_FLAPS_MAX];
    uint32_t flap_count;
    bool has_old_disk[SIM_NODES_MAX];
};
void sim_faults_run(struct sim_faults *f, uint64_t ms);
/* Whatever was cut, is slow, or will end by itself on the chain: ended. The dead stay dead. */
void sim_faults_end(struct sim_faults *f);
uint32_t sim_up_count(struct sim *s); /* honest, running, with a seat */

#endif
