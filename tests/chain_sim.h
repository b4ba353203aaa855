#ifndef NFTMESH_TESTS_CHAIN_SIM_H
#define NFTMESH_TESTS_CHAIN_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain/contract.h"
#include "chain/poll.h"

/* A chain and its RPC endpoints in virtual time, driven against one poller. Nothing sleeps; time
 * jumps to the next block, reply or deadline. After every snapshot a checker holds it against the
 * chain's own state at that block (unless lies are expected to win: sim->expect_lies). */
#define SIM_ENDPOINTS  6
#define SIM_BLOCKS_MAX 20000
#define SIM_STATES_MAX 80
#define SIM_SEATS_MAX  200
#define SIM_NOTES_MAX  512
#define SIM_SEC        UINT64_C(1000)

struct sim_state {                      /* the registry as of some blocks */
    struct chain_cluster_state cluster; /* block fields unused */
    struct chain_seat seats[SIM_SEATS_MAX];
    size_t seat_count;
};
struct sim_block {
    struct chain_block block;
    size_t state; /* index into states */
};

enum sim_manner {
    SIM_HONEST = 0,
    SIM_DEAD,           /* connection refused */
    SIM_SILENT,         /* never answers */
    SIM_WRONG_OWNER,    /* another owner on the first seat */
    SIM_MISSING_MEMBER, /* one seat fewer, counted so */
    SIM_SHORT_PAGE,     /* one seat fewer than it counts */
    SIM_OLD_BLOCK,      /* stands still: old height, old data */
    SIM_FALSE_HEAD,     /* claims a head a million blocks away */
    SIM_FALSE_HASH,     /* another hash for each block */
    SIM_FALSE_OLD_HASH, /* .. but its newest: a reorg that never was */
    SIM_IGNORES_HASH,   /* answers eth_call for its latest block */
    SIM_WRONG_CHAIN,    /* another chain id */
    SIM_WRONG_GENESIS,  /* another block 0 */
    SIM_NO_CODE,        /* nothing at the contract */
    SIM_GARBAGE,        /* no JSON */
    SIM_EMPTY,          /* no bytes */
    SIM_ERRORS,         /* an error object for each call */
    SIM_SWAPPED,        /* answers in reverse order, which is fine */
    SIM_WRONG_ROOT,     /* another root epoch */
    SIM_NO_HEIGHT,      /* a height that is no number; no finalized block yet */
    SIM_NO_STATE,       /* eth_call gives null */
    SIM_OTHER_CONTRACT, /* clusterState() gives no bytes */
    SIM_BAD_EPOCH,      /* rootEpochOf() gives 31 bytes */
    SIM_PRUNED,         /* knows no block below its newest ten */
    SIM_STATE_NUMBER,   /* clusterState() names the next block's number, but the right parent */
    SIM_STATE_PARENT,   /* .. the right number, but another parent */
    SIM_TARGET_NUMBER,  /* gives another block than the one asked for by number: the newest */
    SIM_OLDER_TARGET,   /* gives for its newest block the true one 20 before it */
    SIM_OLD_NUMBER,     /* .. below the newest */
    SIM_ZERO_NUMBER,    /* .. block 0 */
    SIM_OLD_TIME        /* every timestamp is 1: K of them make a block older than the reference */
};

struct sim_endpoint {
    enum sim_manner manner;
    uint64_t lag_blocks, latency_ms;
    uint64_t frozen_at; /* SIM_OLD_BLOCK */
    bool busy;          /* at most one request in flight: asserted */
    uint64_t reply_at_ms, request_id;
    char *reply; /* NULL: fails */
    size_t reply_len;
    uint64_t requests, calls;
};

struct sim_note {
    enum chain_poll_note note;
    size_t endpoint;
    uint64_t value, at_ms;
    char text[CHAIN_POLL_TEXT_BYTES];
};

struct sim {
    uint64_t now_ms, block_ms, next_block_ms; /* block_ms 0: no new blocks */
    uint64_t block_time_s;                    /* what each block adds to the timestamp */
    uint64_t finality_blocks;                 /* "finalized" is the head minus these */
    struct sim_block *blocks;                 /* canonical now, by number */
    size_t block_count;
    struct sim_block *history; /* all that ever were: a snapshot may be of a branch that lost */
    size_t history_count;
    uint64_t salt;
    struct sim_state *states;
    size_t state_count;
    struct sim_endpoint endpoints[SIM_ENDPOINTS];
    size_t endpoint_count;
    struct chain_poll_config config;
    struct chain_poll *poll;
    struct chain_poll_actions actions;
    struct chain_snapshot *snapshot;      /* the newest */
    uint64_t snapshots, snapshot_age_max; /* age: blocks behind the head when made */
    bool expect_lies;
    struct sim_note notes[SIM_NOTES_MAX];
    size_t note_count;
};

/* seats registered seats; block 0 to 100 exist. Configure sim->config and the endpoints' manners,
 * then sim_start(). URLs are https://rpc0.example .. unless the test sets config.urls. */
struct sim *sim_new(size_t endpoint_count, size_t seats);
void sim_free(struct sim *sim);
void sim_start(struct sim *sim);
void sim_restart(struct sim *sim); /* a new poller, with the reference and genesis of the old */

uint64_t sim_head(const struct sim *sim);
void sim_mine(struct sim *sim, size_t blocks);
/* The top depth blocks are replaced by others, and one more. */
void sim_reorg(struct sim *sim, size_t depth);
/* The chain loses its top blocks: a node restored from a backup. */
void sim_cut(struct sim *sim, size_t blocks);
/* A copy of the newest state that blocks mined from now on have; its revision is a new one. */
struct sim_state *sim_change(struct sim *sim);

void sim_run(struct sim *sim, uint64_t ms);
/* Runs until there have been count snapshots; false when that takes longer than ms. */
bool sim_until_snapshots(struct sim *sim, uint64_t count, uint64_t ms);
bool sim_until_block(struct sim *sim, uint64_t number, uint64_t ms);
void sim_wake(struct sim *sim);

size_t sim_notes(const struct sim *sim, enum chain_poll_note note);
const struct sim_note *sim_note_last(const struct sim *sim, enum chain_poll_note note);
uint64_t sim_requests(const struct sim *sim);
struct chain_poll_endpoint sim_endpoint_status(const struct sim *sim, size_t index);
struct chain_poll_status sim_status(const struct sim *sim);

#endif
