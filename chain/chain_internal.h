#ifndef NFTMESH_CHAIN_CHAIN_INTERNAL_H
#define NFTMESH_CHAIN_CHAIN_INTERNAL_H

#include "base/keccak256.h"
#include "chain/contract.h"
#include "chain/poll.h"
#include "chain/rpc.h"

/* The poller's inside, shared by poll.c (facade, events), poll_ask.c (requests),
 * poll_reply.c (what an endpoint's answer means), poll_round.c (targets, votes, snapshots),
 * poll_vote.c (who shares a vote), poll_blocks.c (blocks by number) and poll_status.c (read-outs).
 */
#define CHAIN__PAGES_A_REQUEST 16
#define CHAIN__PAGE_BYTES_MAX  ((size_t)256 << 10)
#define CHAIN__PAST_MAX        16 /* former references whose hashes are kept, to tell how deep */
#define CHAIN__BLOCK_TIMES     8
#define CHAIN__READ_POLLS_MAX  60 /* a target is given up even while it is being read */
#define CHAIN__DROP_REFERENCES 3
#define CHAIN__DROP_MS         10000

/* What one endpoint has said about the round's target. */
struct chain__read {
    bool has_block; /* header of the target, and the hash at the reference's height */
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
};

enum chain__request {
    CHAIN__REQUEST_NONE = 0,
    CHAIN__REQUEST_POLL,  /* [chain id, genesis, code,] height [, target, reference] */
    CHAIN__REQUEST_STATE, /* clusterState, rootEpochOf .., [former references ..] */
    CHAIN__REQUEST_PAGES
};

struct chain__endpoint {
    char url[CHAIN_POLL_URL_BYTES_MAX + 1];
    uint32_t vote;
    bool up; /* answers, and has passed its checks */
    bool has_genesis;
    struct base_hash32 genesis;
    bool has_height;
    uint64_t height, height_ms;
    bool due;       /* a poll is due */
    bool block_due; /* the target's header is to be asked for */
    uint64_t retry_ms;
    uint32_t failures_in_row;
    /* in flight */
    enum chain__request kind;
    struct chain_rpc_request request; /* its body lives until the next request */
    struct base_slice body;
    bool is_check, with_block, with_old;
    size_t page_count, past_count;
    uint64_t round_serial, sent_ms;

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
    bool done; /* decided; those still reading are only held against the decision */
    bool has_block;
    struct chain_block block; /* K votes */
    struct base_hash32 old_hash;
    bool is_reorg, read_all;
    bool has_base; /* the revision under which the last snapshot's seats stand */
    struct base_hash32 base_revision;
    size_t root_count;
    struct base_eth_address roots[CHAIN_ROOTS_MAX];
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
    uint64_t serial; /* when it was wanted last */
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
    bool has_woken;
    uint64_t woken_at; /* reference height */

    struct chain__wanted *wanted; /* by number; room for CHAIN_POLL_BLOCKS_MAX, or NULL */
    size_t wanted_count;
    uint64_t wanted_serial;
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

/* poll_reply.c: endpoint e's request was answered. */
void chain__reply(struct chain_poll *poll, struct chain__endpoint *e, const void *data, size_t len);
void chain__read_clear(struct chain__read *read);

/* poll_round.c */
bool chain__endpoint_counts(const struct chain_poll *poll, const struct chain__endpoint *e);
/* Is the state, or are pages, to be read from e now? */
bool chain__wants_state(const struct chain_poll *poll, const struct chain__endpoint *e);
bool chain__wants_pages(const struct chain_poll *poll, const struct chain__endpoint *e);
void chain__round_tick(struct chain_poll *poll);    /* one poll has passed */
void chain__round_advance(struct chain_poll *poll); /* something was learned */

#endif
