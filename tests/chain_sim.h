#ifndef NFTMESH_TESTS_CHAIN_SIM_H
#define NFTMESH_TESTS_CHAIN_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain/contract.h"
#include "chain/poll.h"
#include "chain/rpc.h"
#include <jansson.h>

/* A chain and its RPC endpoints in virtual time, driven against one poller. Nothing sleeps; time
 * jumps to the next block, reply or deadline. After every snapshot a checker holds it against the
 * chain's own state at that block (unless lies are expected to win: sim->expect_lies). */
#define SIM_ENDPOINTS  6
#define SIM_BLOCKS_MAX 20000
#define SIM_STATES_MAX 80
#define SIM_SEATS_MAX  200
#define SIM_NOTES_MAX  512
#define SIM_LOGS_MAX   4096
#define SIM_SEC        UINT64_C(1000)

struct sim_state {                      /* the registry as of some blocks */
    struct chain_cluster_state cluster; /* block fields unused */
    struct chain_seat seats[SIM_SEATS_MAX];
    size_t seat_count;
    /* The prototype's contract: token ids are 0 to seat_count - 1, cluster.kms_root its root. */
    enum chain_kind kind;             /* UNKNOWN: some other token, with totalSupply() only */
    const char *texts[SIM_SEATS_MAX]; /* instance as text where it is no 40 digits, or NULL */
    size_t url_bytes[SIM_SEATS_MAX];  /* not 0: a URL of so many bytes instead of the seat's */
};
struct sim_log { /* on the chain when its block is */
    struct chain_rpc_logged logged;
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
    SIM_OLD_TIME,       /* every timestamp is 1: K of them make a block older than the reference */
    /* The prototype's contract. */
    SIM_CLAIMS_STATE,     /* says that there is a clusterState(), of no seats */
    SIM_STATE_FAILS,      /* an error object of its own for clusterState() */
    SIM_CLAIMS_PROTOTYPE, /* .. that there is none, but the prototype's functions, of no tokens */
    SIM_HUGE_SUPPLY,      /* totalSupply() is 5000 */
    SIM_NO_TOKENS,        /* an error object for a token's own calls */
    SIM_BAD_OWNER,        /* ownerOf() gives 31 bytes */
    SIM_OTHER_WHERE,      /* names the block before the one asked for */
    SIM_CANNOT_CREATE,    /* runs no code without a contract: an error object */
    SIM_LITTLE_GAS,       /* within one aggregate the calls after the 20th run out of gas */
    SIM_HIDES_LOGS,       /* eth_getLogs gives none; receipts are right */
    SIM_HIDES_ALL,        /* .. and receipts are null */
    SIM_INVENTS_LOGS,     /* a transfer of token 1 in each range's newest block, with a receipt */
    SIM_INVENTS_OLD,      /* .. only in ranges that end below block 50 */
    SIM_NO_LOGS,          /* an error object for eth_getLogs */
    SIM_OTHER_LOGS,       /* a log of another contract among them */
    SIM_LOGS_OUTSIDE,     /* a log of the block below the range */
    SIM_LIES_ABOUT_BLOCK, /* another hash for block 30, nothing else */
    SIM_CLAIMS_PAST,      /* blocks below frozen_at as they were before any reorg */
    SIM_FALSE_TIME        /* blocks below the newest ten are 30 days older than they are */
};

struct sim_endpoint {
    enum sim_manner manner;
    uint64_t lag_blocks, latency_ms;
    uint64_t frozen_at; /* SIM_OLD_BLOCK */
    uint64_t logs_max;  /* not 0: longer ranges of eth_getLogs are refused */
    uint64_t log_requests, receipt_requests, seat_calls, block_requests; /* counts */
    bool busy; /* at most one request in flight: asserted */
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
    bool has_multicall;
    struct sim_log *logs;
    size_t log_count;
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

/* The same with the prototype's contract: token ids 0 to tokens - 1, minted in block 1. */
struct sim *sim_prototype_new(size_t endpoint_count, size_t tokens);
/* Runs until what matters of the past is known and a snapshot says so, or until ms are over. */
bool sim_until_verified(struct sim *sim, uint64_t ms);
/* Until the reference is that block or a later one. */
bool sim_until_reference(struct sim *sim, uint64_t number, uint64_t ms);
/* The block of a token's last transfer, as the snapshot says. */
uint64_t sim_moved_at(const struct sim *sim, size_t token);
/* Started, and verified. */
struct sim *sim_prototype_verified(size_t endpoint_count, size_t tokens);
/* A new block in which the token goes to its owner number n (sim_owner), with its log. */
void sim_transfer(struct sim *sim, uint32_t token, uint64_t n);
struct base_eth_address sim_owner(uint64_t n);
/* A new block with a log of the contract that is no transfer; with it sim_change()'s state. */
void sim_touch(struct sim *sim);

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

/* Inside of the simulator: chain_sim_prototype.c answers for that contract. */
/* A transfer of the token in that block; UINT32_MAX: another event. */
void sim__log(struct sim *sim, uint32_t token, uint64_t number);
void sim__put_return(struct base_buf *out, struct base_buf *data); /* frees data */
void sim__put_error(struct base_buf *out, const char *message);
/* What the contract itself returns; false: it reverts. */
bool sim__prototype_call(struct base_buf *data, const struct sim *sim, const struct sim_endpoint *e,
                         const struct sim_block *b, const uint8_t *call, size_t len);
void sim__put_multicall(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                        const struct sim_block *b, const uint8_t *call, size_t len);
void sim__put_where(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                    const struct sim_block *b);
void sim__put_logs(struct base_buf *out, const struct sim *sim, struct sim_endpoint *e,
                   const json_t *filter);
void sim__put_receipt(struct base_buf *out, const struct sim *sim, const struct sim_endpoint *e,
                      const char *tx_hash);
void sim__check_prototype(const struct sim *sim, const struct chain_snapshot *snapshot,
                          const struct sim_state *state);

#endif
