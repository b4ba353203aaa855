#ifndef NFTMESH_TESTS_CONSENSUS_SEED_H
#define NFTMESH_TESTS_CONSENSUS_SEED_H

#include "consensus_liar.h"

/* One number, one history of a cluster: members, weights, clocks, faults of the network, of disks
 * and of processes, and in most of them liars below a third of the weight. Then calm, in which only
 * the liars go on, and everything honest has to become final again. */
#define SEC                UINT64_C(1000000) /* microseconds */
#define CONSENSUS_SEED_ALL (UINT32_C(1) << WORLD_LIARS_COUNT)

struct consensus_seed {
    uint64_t seed;
    size_t members; /* 0: drawn, 4 to 10 */
    uint32_t liars; /* one bit a kind; CONSENSUS_SEED_ALL: drawn */
    FILE *told;     /* everything that happens; NULL */
};
struct consensus_seed_result {
    bool ok;
    char wrong[200];
    size_t members, twins, lied;
    uint32_t liars; /* one bit a kind */
    uint64_t trace, steps, finals, faults, skip_certs, leases, states, restarts;
    uint64_t calm_us; /* from calm to everything final again */
};
void consensus_seed_run(struct consensus_seed_result *r, const struct consensus_seed *seed);

#endif
