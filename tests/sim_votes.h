#ifndef NFTMESH_TESTS_SIM_VOTES_H
#define NFTMESH_TESTS_SIM_VOTES_H

#include "consensus/cluster.h"
#include "consensus_liar.h"
#include "sim_internal.h"

/* Consensus in a simulated mesh, shared by
 *   sim_votes.c        a core in each node: what it is told, what it wants done, its disk
 *   sim_votes_judge.c  epochs, and what must hold after every step of every core
 *   sim_votes_liar.c   members whose core lies, out of tests/consensus_liars
 *   sim_votes_look.c   what a test may ask */
struct sim__row { /* of the vote log */
    uint64_t epoch, first, last;
    uint8_t *body;
    size_t len;
};
struct sim__op { /* on its way to the disk */
    uint64_t number;
    enum consensus_store_kind kind;
    struct sim__row row;
    struct base_vote vote; /* what a VOTE is about */
};

struct sim__voter {
    struct sim *s;
    uint32_t i;
    struct consensus_cluster *cluster; /* NULL: not running, or it takes no part */
    bool is_lost;                      /* what it voted for: a member and no voter from then on */
    bool is_torn;                      /* the last row is half there */
    bool has_voted;                    /* its log has held a vote */
    bool has_loss;                     /* it began anew, and knows it */
    uint64_t lost_block;
    bool abstains, has_looked;
    struct consensus_seat *seats; /* as it was told last */
    size_t seat_count;
    uint64_t block;
    bool timer_armed;
    uint64_t timer_ms, spin_ms;
    uint32_t spins;

    struct sim__op *ops;
    size_t op_count;
    struct sim__row epoch, state; /* no body: none */
    struct sim__row *rows;
    size_t row_count;

    /* ---- what the checkers remember ---- */
    struct base_vote *fresh; /* given to the store in this step */
    size_t fresh_count, fresh_taken;
    struct base_vote *synced; /* on its disk, as far as it may know; of all its lives */
    size_t synced_count, synced_cap;
    uint64_t entry_epoch, entry_slot, entry_at; /* the last that it has done */
    struct sim__asked {
        uint64_t tag;
        uint32_t request;
    } asked[CONSENSUS_PENDING_MAX];
    size_t asked_count;
    struct world_liar *liar; /* NULL: honest, as far as votes go */
    struct world *facade;    /* what the liar sees of it all */
};

struct sim__epoch { /* one that somebody is in */
    struct base_hash32 id;
    struct consensus_epoch record;
    struct consensus_voter *voters; /* capped */
    struct consensus_lead *leads;
    size_t count;
    bool has_final, is_checked;
    uint64_t marked; /* final at the mark: the slot, plus one */
    bool is_marked;
    struct check *check;
    struct model *model;
};

struct sim__done { /* an entry of the log, and what came of it */
    uint64_t epoch, slot, at;
    uint64_t digest;
};

#define SIM__REQUESTS_MAX 512
struct sim__votes {
    struct sim__voter *voters; /* one a node */
    struct sim_votes_setup setup;
    struct sim__epoch **epochs;
    size_t epoch_count;
    struct sim__block **blocks; /* all that there ever were */
    size_t block_count;
    struct check *leases;
    struct consensus_voter lease_voter; /* of that one: nobody */
    bool is_beyond;                     /* liars held a third of an epoch: nothing is promised */
    bool is_trapped;
    struct sim__done *done;
    size_t done_count, done_cap;
    struct sim__told {  /* by request: what its client got, and when that was final */
        uint64_t value; /* 0: nothing yet */
        uint64_t epoch, slot;
    } told[SIM__REQUESTS_MAX];
    uint32_t requests;
    uint64_t tags, steps;
    struct sim_votes_figures figures;
};

struct sim__voter *sim__voter(const struct sim *s, uint32_t i); /* NULL: without consensus */
bool sim__voter_is_honest(const struct sim *s, uint32_t i);
/* Runs, has a seat and its votes; lies in nothing. */
bool sim__voter_is_sound(struct sim *s, uint32_t i);

/* sim_votes_judge.c */
struct sim__epoch *sim__epoch_find(const struct sim__votes *votes, const struct base_hash32 *id);
struct sim__epoch *sim__epoch_of(struct sim__voter *v, const struct consensus_cluster *c);
void sim__judge_start(struct sim__voter *v);
void sim__judge_engine(struct sim__voter *v, struct consensus_engine *e,
                       const struct consensus_actions *out);
void sim__judge_state(struct sim__voter *v, const struct consensus_engine *e,
                      const struct consensus_event *event);
void sim__judge_action(struct sim__voter *v, const struct consensus_cluster_action *a);
void sim__judge_step(struct sim__voter *v);
void sim__judge_synced(struct sim__voter *v, const struct base_vote *vote);
void sim__judge_free(struct sim *s);

/* sim_votes_liar.c: true when the liar keeps it to itself, what its core has to say or is to hear.
 */
bool sim__votes_says(struct sim__voter *v, uint32_t to, uint8_t type,
                     const struct base_slice *body);
bool sim__votes_hears(struct sim__voter *v, uint32_t from, uint8_t type,
                      const struct base_slice *body);
void sim__votes_acts(struct sim *s, uint32_t i);

void sim__votes_send(struct sim *s, uint32_t i, uint32_t j, uint8_t type, const void *body,
                     size_t len);
struct base_eth_address sim__signer_of(const struct base_key33 *key);

#endif
