#ifndef NFTMESH_CHAIN_CHAIN_INTERNAL_H
#define NFTMESH_CHAIN_CHAIN_INTERNAL_H

#include "base/keccak256.h"
#include "chain/contract.h"
#include "chain/poll.h"
#include "chain/prototype.h"
#include "chain/rpc.h"

/* The poller's inside, shared by poll.c (facade, events), poll_ask.c (requests),
 * poll_reply.c (what an endpoint's answer means), poll_round.c (targets, votes, snapshots),
 * poll_decide.c (what becomes of them), poll_prototype.c and poll_moves.c (the prototype's
 * contract: seats, transfers), poll_vote.c (who shares a vote), poll_blocks.c (blocks by number),
 * poll_head.c (the chain's head) and poll_status.c (read-outs).
 */
#define CHAIN__PAGES_A_REQUEST 16
#define CHAIN__PAGE_BYTES_MAX  ((size_t)256 << 10)
#define CHAIN__PAST_MAX        16 /* former references whose hashes are kept, to tell how deep */
#define CHAIN__BLOCK_TIMES     8
#define CHAIN__READ_POLLS_MAX  60 /* a target is given up even while it is being read */
#define CHAIN__DROP_REFERENCES 3
#define CHAIN__DROP_MS         10000
/* The prototype's contract. */
#define CHAIN__TOKENS_MAX      (CHAIN_SEATS_MAX + 1) /* ids 0 to the counter, both included */
#define CHAIN__CHUNK_MAX       64                    /* tokens in one Multicall3 call */
#define CHAIN__CHUNK_BATCH_MAX 31                    /* .. in a batch: two calls each, and where */
#define CHAIN__MOVES_KEPT      4                     /* newest transfers kept of each token */
#define CHAIN__SHOWN_ALONE_MAX 512 /* unresolved transfers that one endpoint alone shows */
#define CHAIN__FALSE_LOGS_MAX  8   /* .. that others deny, before it has no vote */
#define CHAIN__ASIDE_AFTER     3  /* requests for the round; then what waits beside it has a turn */
#define CHAIN__RECEIPTS_MAX    16 /* asked in one request */
#define CHAIN__WANTED_MAX      32 /* blocks asked in one request */
#define CHAIN__ANSWERS         3  /* distinct ones kept of what endpoints say about one block */

/* How far the tokens of the prototype's contract are read at an endpoint. */
enum chain__stage {
    CHAIN__STAGE_NONE = 0,
    CHAIN__STAGE_OWNERS, /* ownerOf, tokenToInstance of each token */
    CHAIN__STAGE_URLS,   /* activeInstances, instanceToConnectionUrl of those with an instance */
    CHAIN__STAGE_READ,
    CHAIN__STAGE_STANDS /* not read: the last snapshot's stand */
};

/* What one endpoint has said about the round's target. */
struct chain__read {
    enum chain_kind kind; /* with has_state */
    bool wants_probe;     /* clusterState() has failed: ask for the prototype's functions too */
    bool has_block;       /* header of the target, and the hash at the reference's height */
    struct chain_block block;
    struct base_hash32 old_hash; /* zero: it knows no block there */
    bool no_vote;                /* answered, but with something that cannot be believed */
    bool has_state;
    struct chain_cluster_state state;
    struct base_hash32 state_hash; /* keccak256 of the raw answer */
    uint64_t root_epochs[CHAIN_ROOTS_MAX];
    struct base_hash32 root_hashes[CHAIN_ROOTS_MAX];
    bool has_common; /* after a reorg: newest former reference that is still canonical */
    uint64_t common;
    struct base_keccak256 digesting;
    struct chain_seat *seats; /* room for state.seat_count */
    size_t seat_count;        /* read so far */
    bool complete;
    struct base_hash32 digest;
    bool judged; /* its agreement with the accepted answer is known */
    /* The prototype's contract. */
    uint64_t token_count; /* to be read: the counter and one; seats has room for them */
    uint64_t token_next;  /* of the running stage */
    enum chain__stage stage;
    struct base_hash32 root_hash, supply_hash,
        seats_hash; /* of results: keccak256(0), or of 1 || data */
};

enum chain__request {
    CHAIN__REQUEST_NONE = 0,
    CHAIN__REQUEST_POLL,  /* [chain id, genesis, code,] height [, target, reference] */
    CHAIN__REQUEST_STATE, /* clusterState, rootEpochOf .., [former references ..], [probe, [logs]]
                           */
    CHAIN__REQUEST_PAGES,
    CHAIN__REQUEST_SEATS,     /* prototype: some tokens */
    CHAIN__REQUEST_LOGS_UP,   /* up to the target */
    CHAIN__REQUEST_LOGS_DOWN, /* the last 30 days, newest first */
    CHAIN__REQUEST_RECEIPTS,  /* of transfers that not all show */
    CHAIN__REQUEST_BLOCKS     /* that somebody wants to know by number */
};

enum chain__multicall { CHAIN__MULTICALL_ASK = 0, CHAIN__MULTICALL_THERE, CHAIN__MULTICALL_NONE };

/* Which blocks' logs an endpoint has shown us: from to to, both included; none when to + 1 is from,
 * which is how it begins: at a reference, with nothing below. */
struct chain__logs {
    bool has, done; /* done: from is 30 days back */
    uint64_t from, to, span;
    uint64_t from_time_s; /* of block from, once something below the first reference is read */
    uint64_t ask_from, ask_to;
    uint64_t retry_ms;
    uint32_t failures, successes, false_logs;
    bool noted;  /* it has been said that it gives no logs */
    bool barred; /* has shown too many transfers that K deny */
};

struct chain__endpoint {
    char url[CHAIN_POLL_URL_BYTES_MAX + 1];
    uint32_t vote;
    bool up; /* answers, and has passed its checks */
    bool has_genesis;
    struct base_hash32 genesis;
    bool has_height;
    uint64_t height, height_ms;
    bool has_head, with_head; /* since it was wanted; in the request in flight */
    uint64_t head, head_serial, head_failures;
    bool due;       /* a poll is due */
    bool block_due; /* the target's header is to be asked for */
    uint64_t retry_ms;
    uint32_t failures_in_row;
    uint32_t since_aside; /* requests for the round since one beside it */
    /* in flight */
    enum chain__request kind;
    struct chain_rpc_request request; /* its body lives until the next request */
    struct base_slice body;
    bool is_check, with_block, with_old, with_probe, with_logs;
    size_t root_count, page_count, past_count;
    uint64_t chunk_first, chunk_last; /* tokens asked for; in stage URLS those with an instance */
    size_t asked_count;
    uint64_t asked[CHAIN__WANTED_MAX]; /* blocks by number, receipts by candidate's serial */
    uint64_t round_serial, sent_ms;

    enum chain__multicall multicall;
    uint64_t chunk; /* tokens a request; shrinks when answers are too big */
    struct chain__logs logs;
    struct chain__read read;
    enum chain_poll_agreement agreement;
    uint64_t requests, failures;
    bool has_reply;
    uint64_t reply_ms, latency_ms;
    char last_error[CHAIN_POLL_TEXT_BYTES];
    char last_bad[CHAIN_POLL_TEXT_BYTES];
};

struct chain__round {
    bool active;
    uint64_t serial, target;
    uint32_t polls;
    bool has_old; /* the reference when it began */
    uint64_t old_number;
    bool done; /* decided; those still reading are only held against the decision */
    bool has_block;
    struct chain_block block; /* K votes */
    struct base_hash32 old_hash;
    bool is_reorg, read_all;
    bool has_base; /* the revision under which the last snapshot's seats stand */
    struct base_hash32 base_revision;
    size_t root_count;
    struct base_eth_address roots[CHAIN_ROOTS_MAX];
    bool is_cut; /* reorg: what was known above the fork is forgotten */
    bool drop_noted;
    struct base_hash32 digest; /* of the accepted answer */
};

struct chain__past {
    uint64_t number;
    struct base_hash32 hash;
};

struct chain__wanted {        /* a block that somebody wants to know by its number */
    struct chain_block block; /* number; the rest once it is known */
    bool is_known;
    uint64_t serial;                            /* when it was wanted last */
    uint32_t asked;                             /* bit: index of endpoint */
    struct chain_block answers[CHAIN__ANSWERS]; /* all zero: free */
    uint32_t said_by[CHAIN__ANSWERS];
    uint32_t tries;
    uint64_t retry_ms; /* then all is asked again */
};

struct chain__candidate { /* a transfer of which it is not known yet whether it counts */
    struct chain_rpc_logged logged;
    uint32_t token;
    uint64_t serial, since_ms;
    uint32_t shown, confirmed, denied, asked; /* bits: index of endpoint */
};

struct chain__token_moves {
    uint64_t blocks[CHAIN__MOVES_KEPT]; /* newest first */
    uint8_t count;
    bool more; /* older ones were let go */
};

struct chain__moves {
    struct chain__token_moves *tokens; /* CHAIN__TOKENS_MAX, or NULL when there was none */
    struct chain__candidate *candidates;
    size_t candidate_count, candidate_room;
    uint64_t next_serial;
    uint64_t from, to; /* covered by K votes, without a candidate in it; from NONE: nothing */
    bool done, done_noted;
    bool changed; /* since the last snapshot was given */
    /* from an earlier run */
    bool has_kept, is_kept_true;
    uint64_t kept_from, kept_to;
    struct base_hash32 kept_hash;
    struct chain_transfer *kept;
    size_t kept_count;
};

struct chain_poll {
    /* configuration */
    struct chain__endpoint endpoints[CHAIN_POLL_ENDPOINTS_MAX];
    size_t endpoint_count;
    uint32_t votes, agree;
    enum chain_finality finality;
    uint64_t confirmations, poll_ms, chain_id;
    struct base_eth_address contract;
    size_t root_count;
    struct base_eth_address roots[CHAIN_ROOTS_MAX];
    size_t app_id_count;
    struct base_eth_address app_ids[CHAIN_APP_IDS_MAX];
    bool genesis_is_built_in, has_genesis;
    struct base_hash32 genesis;

    uint64_t started_ms, now_ms, next_tick_ms, next_id;
    struct chain_poll_actions *out; /* of the running step */
    int error;

    struct chain__round round;
    struct chain_snapshot *snapshot;
    bool has_reference;
    struct chain_block reference;
    bool has_refused; /* targets must be above this one */
    uint64_t refused;
    uint32_t drop_count; /* single vote: successive references that would drop a third */
    uint64_t drop_since_ms;
    struct chain__past past[CHAIN__PAST_MAX]; /* oldest first, without the reference itself */
    size_t past_count;
    uint64_t block_times_ms[CHAIN__BLOCK_TIMES];
    size_t block_time_count, block_time_next;
    uint64_t references, full_reads, reorgs, since_full;

    bool is_stale, stale_noted, went_back;
    uint64_t stale_since_ms;
    bool has_good;
    uint64_t good_ms;
    enum chain_kind kind; /* of the first snapshot; then it stays */
    bool kind_noted;
    uint64_t seats_ms, seats_read_ms, given_ms;
    struct base_hash32 supply_hash, seats_hash; /* of the last snapshot's */
    struct chain__moves moves;

    bool has_woken;
    uint64_t woken_at; /* reference height */

    bool wants_head;
    uint64_t head_ms, head_serial; /* since when; a number for each time */

    struct chain__wanted *wanted; /* by number; room for CHAIN_POLL_BLOCKS_MAX, or NULL */
    size_t wanted_count, unknown_count;
    uint64_t wanted_serial, blocks_answered;
};

/* poll_vote.c: gives each endpoint its vote and returns their number; 0 when a URL is none that
 * we take, then *bad is its index. */
uint32_t chain__vote_assign(struct chain__endpoint *endpoints, size_t count, size_t *bad);

/* poll.c */
void chain__note(struct chain_poll *poll, enum chain_poll_note note, size_t endpoint,
                 uint64_t value, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The endpoint failed: back-off, and new checks before it counts again. */
void chain__endpoint_fail(struct chain_poll *poll, struct chain__endpoint *e, const char *why);
/* It answers, but is of no use: noted once for each text, longest back-off. */
void chain__endpoint_bad(struct chain_poll *poll, struct chain__endpoint *e, const char *why);
size_t chain__endpoint_index(const struct chain_poll *poll, const struct chain__endpoint *e);
uint64_t chain__interval_ms(const struct chain_poll *poll);

/* poll_ask.c: fills e->request. */
bool chain__wants_block(const struct chain_poll *poll, const struct chain__endpoint *e);
void chain__ask_poll(struct chain_poll *poll, struct chain__endpoint *e);
void chain__ask_state(struct chain_poll *poll, struct chain__endpoint *e);
void chain__ask_pages(struct chain_poll *poll, struct chain__endpoint *e);

/* poll_head.c */
void chain__ask_head(struct chain_poll *poll, struct chain__endpoint *e);
/* height: index of the call for it. BASE_OK, or why the head's call has no usable result. */
int chain__head_replied(struct chain_poll *poll, struct chain__endpoint *e,
                        const struct chain_rpc_reply *reply, size_t height);

/* poll_reply.c: endpoint e's request was answered. */
void chain__reply(struct chain_poll *poll, struct chain__endpoint *e, const void *data, size_t len);
void chain__read_clear(struct chain__read *read);
/* One line on why call index has no usable result: the server's own words where it gave some. */
void chain__describe(char text[CHAIN_POLL_TEXT_BYTES], const char *what, int error,
                     const struct chain_rpc_reply *reply, size_t index);
/* It answered, but with something that cannot be believed: no vote on this target. */
void chain__lose_vote(struct chain_poll *poll, struct chain__endpoint *e, const char *why);
/* An error object: its header is asked for again with the next poll. */
void chain__lose_block(struct chain_poll *poll, struct chain__endpoint *e, const char *what,
                       const struct chain_rpc_reply *reply, size_t index);

/* poll_prototype.c: what is at the contract's address, and its tokens. */
void chain__ask_probe(struct chain_poll *poll, struct chain__endpoint *e);
/* Is there no clusterState()? It reverts then, or gives nothing; a server's own error, or something
 * that we cannot read, does not say so. */
bool chain__has_no_state(const struct chain_rpc_reply *reply);
/* The probe's answers begin at call index; clusterState() was call 0 and has failed. */
void chain__probe_replied(struct chain_poll *poll, struct chain__endpoint *e,
                          const struct chain_rpc_reply *reply, size_t index);
bool chain__wants_seats(const struct chain_poll *poll, const struct chain__endpoint *e);
void chain__ask_seats(struct chain_poll *poll, struct chain__endpoint *e);
void chain__seats_replied(struct chain_poll *poll, struct chain__endpoint *e,
                          const struct chain_rpc_reply *reply);
void chain__seats_failed(struct chain__endpoint *e); /* no answer: ask for less next time */
/* The contract has logged something: the last snapshot's seats do not stand in this round. */
void chain__seats_unsettle(struct chain_poll *poll);
/* Complete when seats are read, or stand, and all logs up to the target are. */
void chain__prototype_settle(struct chain_poll *poll, struct chain__endpoint *e);

/* poll_moves.c: who sold a seat, and when. */
int chain__moves_new(struct chain_poll *poll, const struct chain_transfers *kept);
void chain__moves_free(struct chain_poll *poll);
void chain__moves_clear(struct chain_poll *poll); /* nothing is known */
/* Nothing is known above block. */
void chain__moves_cut(struct chain_poll *poll, uint64_t block);
void chain__moves_begin(struct chain_poll *poll, struct chain__endpoint *e); /* at the target */
bool chain__logs_are_read(const struct chain_poll *poll, const struct chain__endpoint *e);
bool chain__logs_fit(const struct chain_poll *poll, const struct chain__endpoint *e);
bool chain__wants_logs_up(const struct chain_poll *poll, const struct chain__endpoint *e);
bool chain__wants_logs_down(const struct chain_poll *poll, const struct chain__endpoint *e);
bool chain__wants_receipts(const struct chain_poll *poll, const struct chain__endpoint *e);
void chain__ask_logs_up(struct chain_poll *poll, struct chain__endpoint *e);
void chain__ask_logs_down(struct chain_poll *poll, struct chain__endpoint *e);
void chain__ask_receipts(struct chain_poll *poll, struct chain__endpoint *e);
void chain__logs_up_replied(struct chain_poll *poll, struct chain__endpoint *e,
                            const struct chain_rpc_reply *reply, size_t index);
void chain__logs_down_replied(struct chain_poll *poll, struct chain__endpoint *e,
                              const struct chain_rpc_reply *reply);
void chain__logs_failed(struct chain_poll *poll, struct chain__endpoint *e, const char *why);
void chain__receipts_replied(struct chain_poll *poll, struct chain__endpoint *e,
                             const struct chain_rpc_reply *reply);
void chain__moves_tick(struct chain_poll *poll);
/* Resolves candidates and moves the bounds of what is covered. */
void chain__moves_advance(struct chain_poll *poll);
/* Is a transfer that is not resolved between the covered blocks and the target? */
bool chain__moves_hold(const struct chain_poll *poll);
void chain__moves_accept(struct chain_poll *poll); /* the target is the reference now */

/* poll_moves_out.c: fills in what a snapshot, the status says of transfers. */
void chain__moves_fill(const struct chain_poll *poll, struct chain_snapshot *snapshot);

void chain__moves_status(const struct chain_poll *poll, struct chain_poll_status *out);

/* poll_decide.c */
void chain__decide(struct chain_poll *poll, const struct chain__read *read, uint32_t votes);
void chain__judge_endpoint(struct chain_poll *poll, struct chain__endpoint *e);
void chain__give_again(struct chain_poll *poll);

/* poll_blocks.c */
bool chain__wants_blocks(const struct chain_poll *poll, const struct chain__endpoint *e);
void chain__ask_blocks(struct chain_poll *poll, struct chain__endpoint *e);
void chain__blocks_replied(struct chain_poll *poll, struct chain__endpoint *e,
                           const struct chain_rpc_reply *reply);
void chain__blocks_tick(struct chain_poll *poll);
void chain__blocks_cut(struct chain_poll *poll, uint64_t block); /* unknown again above it */
void chain__blocks_clear(struct chain_poll *poll);

/* poll_round.c */
uint32_t chain__count_votes(uint32_t mask);
/* Of a set of endpoints, bits by index: how many votes they have. */
uint32_t chain__endpoint_votes(const struct chain_poll *poll, uint32_t endpoints);
bool chain__is_on_block(const struct chain_poll *poll, const struct chain__endpoint *e);
bool chain__endpoint_counts(const struct chain_poll *poll, const struct chain__endpoint *e);
enum chain__figure { CHAIN__FIGURE_HEIGHT, CHAIN__FIGURE_TIME, CHAIN__FIGURE_HEAD };
/* The K-th largest of what each vote has: its largest height, the time of its last one, or its
 * largest head. False: fewer than K have one. */
bool chain__kth_largest(uint64_t *out, const struct chain_poll *poll, enum chain__figure figure);
/* Is the state, or are pages, to be read from e now? */
bool chain__wants_state(const struct chain_poll *poll, const struct chain__endpoint *e);
bool chain__wants_pages(const struct chain_poll *poll, const struct chain__endpoint *e);
void chain__round_tick(struct chain_poll *poll);    /* one poll has passed */
void chain__round_advance(struct chain_poll *poll); /* something was learned */

#endif
