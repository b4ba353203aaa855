#ifndef NFTMESH_CHAIN_POLL_H
#define NFTMESH_CHAIN_POLL_H

#include "chain/registry.h"

/* The reference poller: which block we judge by, and the snapshot of seats at it, agreed between
 * several endpoints of which some may be slow, behind or lying. Pure: (now, event) in, actions
 * out; the rim carries bodies to the endpoints and back.
 *
 * Votes. One per distinct host; on loopback per host and port; all plain-http endpoints outside
 * loopback share one, since one network attacker is all of them. agree (K) votes are needed.
 *
 * A round. Each poll every endpoint gives its height. The target T is the K-th largest height,
 * kept until K votes agree on it or for CHAIN_POLL_KEEP polls (longer while K votes are still being
 * read; at the very start all endpoints get a second to give a height): so endpoints a constant lag
 * apart agree, and one that claims a high head delays nobody. T's header is asked by number; on K
 * equal headers clusterState() is called by that block's hash at each of these endpoints, and its
 * own block.number and parent hash must name T, since servers exist that ignore the hash and answer
 * for the latest block. An unchanged revision lets the last snapshot's seats stand; otherwise all
 * pages are read, as also after a reorg of the reference, at start and at each
 * CHAIN_POLL_FULL_EVERY-th reference. K equal digests of the raw answers make a snapshot, which
 * replaces the one before whole.
 *
 * Refused: a head below the reference (stale_head), a block older than it (time), and what would
 * drop more than a third of the members on the word of one vote: until a second vote says so, or,
 * when there is only one, until three successive references over 10 s do. A refusal changes
 * nothing. Unreachable endpoints are not an empty cluster: then no snapshot comes at all.
 *
 * Two contracts are understood. Where there is code but no clusterState() while kmsRootAddress()
 * and totalSupply() answer, it is the prototype's (prototype.h), which has no page of members and
 * no revision: each token is read, in one Multicall3 call for many where that has code, else in
 * batches, after any log of the contract and every seats_ms; between these the seats stand. Each
 * endpoint says for itself which contract it sees, and that is part of what K must agree on. After
 * the first snapshot the kind stays: an agreed other one is refused and noted.
 *
 * Transfers (prototype only). Who sold a seat and bought it back must not find the old statements
 * about its keys valid again, so the Transfer logs of the last 30 days before the first reference
 * are read at each endpoint, newest first, in ranges that are halved where a server refuses them,
 * and from then on with each reference. A block counts as covered once K votes have read it. The
 * union of what any endpoint shows counts, but only with K votes behind each log: those that showed
 * it and those that confirm its receipt, in that block. One that K deny is dropped; one that
 * neither K confirm nor K deny keeps its block from being covered. So a liar can neither hide a
 * transfer nor invent one. A snapshot's block is always covered once anything is; as more becomes
 * known below, the same block's snapshot is given again. A reorg takes coverage and transfers back
 * to the newest block that K votes still stand by.
 *
 * Each endpoint proves chain id, genesis and code at the contract at first and after each
 * failure. It has one request in flight, 5 s, then fails and backs off, 1 s doubling to 30 s;
 * nobody waits for it. */
#define CHAIN_POLL_ENDPOINTS_MAX   16
#define CHAIN_POLL_URL_BYTES_MAX   512
#define CHAIN_POLL_KEEP            6
#define CHAIN_POLL_FULL_EVERY      64
#define CHAIN_POLL_TIMEOUT_MS      5000
#define CHAIN_POLL_BACKOFF_MS      30000
#define CHAIN_POLL_INTERVAL_MS     1000
#define CHAIN_POLL_INTERVAL_MAX_MS 6000
#define CHAIN_POLL_WENT_BACK_MS    3600000
#define CHAIN_POLL_ACTIONS_MAX     96
#define CHAIN_POLL_TEXT_BYTES      192
#define CHAIN_POLL_SEATS_MS        30000
#define CHAIN_POLL_TRANSFERS_S     (UINT64_C(30) * 86400)
#define CHAIN_POLL_LOG_BLOCKS      10000 /* first range of eth_getLogs */
#define CHAIN_POLL_TRANSFERS_MAX   ((size_t)4 * (CHAIN_SEATS_MAX + 1))
/* Of chain_poll_want_block: two a token, for what counts and for what may replace it. */
#define CHAIN_POLL_BLOCKS_MAX (2 * (CHAIN_SEATS_MAX + 1) + 64)

enum chain_finality { CHAIN_FINALITY_LATEST = 0, CHAIN_FINALITY_SAFE, CHAIN_FINALITY_FINALIZED };

struct chain_poll_config {   /* copied */
    const char *const *urls; /* http:// or https://, 1 to CHAIN_POLL_ENDPOINTS_MAX */
    size_t url_count;
    uint32_t agree; /* K; 0: more than half of the votes */
    enum chain_finality finality;
    uint32_t confirmations; /* with LATEST: the head minus these */
    uint64_t poll_ms;       /* 0: 1 s, or half the block time as seen, at most 6 s */
    uint64_t chain_id;
    struct base_eth_address contract;
    struct base_eth_address roots[CHAIN_ROOTS_MAX]; /* whose epochs the snapshot shall have */
    size_t root_count;
    bool has_genesis; /* kept from an earlier run; built in for 1, 8453, 11155111, 84532 */
    struct base_hash32 genesis;
    bool has_reference; /* kept from an earlier run: number, hash, time_s */
    struct chain_block reference;
    /* For the prototype's contract only. */
    struct base_eth_address app_ids[CHAIN_APP_IDS_MAX]; /* it has none: these are the snapshot's */
    size_t app_id_count;
    uint64_t seats_ms;                       /* 0: CHAIN_POLL_SEATS_MS */
    const struct chain_transfers *transfers; /* kept from an earlier run, or NULL; copied */
};

/* Which transfers are known: to be kept over a restart, so that 30 days need not be read again. */
struct chain_transfer {
    uint32_t token; /* tokens above CHAIN_SEATS_MAX are nobody's seats */
    uint64_t block;
};
struct chain_transfers { /* from_block CHAIN_BLOCK_NONE: nothing is covered */
    uint64_t from_block, to_block;
    struct base_hash32 to_hash;   /* believed after a restart when K votes still have it */
    struct chain_transfer *items; /* by token, each token's newest few, newest first */
    size_t count;                 /* at most CHAIN_POLL_TRANSFERS_MAX */
};

enum chain_poll_event_kind {
    CHAIN_POLL_TIMER = 1,
    CHAIN_POLL_REPLY, /* a body with HTTP status 200 */
    CHAIN_POLL_FAIL,  /* no body: refused, timed out, another status, too big */
    CHAIN_POLL_WAKE   /* a key that stands on no seat was seen: look now, once a reference */
};
struct chain_poll_event { /* borrowed for the call */
    enum chain_poll_event_kind kind;
    size_t endpoint;     /* REPLY, FAIL: index into urls */
    uint64_t request_id; /* REPLY, FAIL: one that is not in flight is ignored */
    const void *data;    /* REPLY: hostile bytes */
    size_t len;
    const char *reason; /* FAIL: one line, or NULL */
};

enum chain_poll_note {
    CHAIN_POLL_NOTE_ENDPOINT_BAD = 1, /* wrong chain, genesis, no code, ignores the block hash */
    CHAIN_POLL_NOTE_ENDPOINT_FAILED,  /* no answer, or not one that we can read */
    CHAIN_POLL_NOTE_ENDPOINT_UP,      /* answers and has passed its checks */
    CHAIN_POLL_NOTE_DISAGREEMENT,     /* another answer than the K that were believed */
    CHAIN_POLL_NOTE_NO_AGREEMENT,     /* target given up: never K equal answers */
    CHAIN_POLL_NOTE_REORG,            /* the old reference is no longer canonical; value: depth */
    CHAIN_POLL_NOTE_STALE_HEAD,       /* the agreed head is below the reference */
    CHAIN_POLL_NOTE_WENT_BACK,        /* .. for an hour: not ready until chain_poll_accept */
    CHAIN_POLL_NOTE_TIME,             /* refused: older than the reference */
    CHAIN_POLL_NOTE_DROPS_THIRD,      /* refused for now: would drop too many members */
    CHAIN_POLL_NOTE_SNAPSHOT_BAD,     /* agreed, but no registry: two seats with one key, say */
    CHAIN_POLL_NOTE_GENESIS,          /* first seen and agreed; in the status, to be kept */
    CHAIN_POLL_NOTE_KIND,             /* agreed which contract it is; value: enum chain_kind */
    CHAIN_POLL_NOTE_KIND_CHANGED,     /* refused: agreed that it is another one now */
    CHAIN_POLL_NOTE_TRANSFERS         /* covered down to block value, 30 days: verified */
};
/* "endpoint_bad", "stale_head" ..: for logs and metrics. Static memory. */
const char *chain_poll_note_name(enum chain_poll_note note);

enum chain_poll_action_kind { CHAIN_POLL_REQUEST = 1, CHAIN_POLL_SNAPSHOT, CHAIN_POLL_NOTE };
struct chain_poll_action {
    enum chain_poll_action_kind kind;
    size_t endpoint; /* REQUEST; NOTE: CHAIN_NONE when it is about no endpoint */
    /* REQUEST: POST this as application/json; borrowed until the next step. */
    uint64_t request_id;
    const char *body;
    size_t body_len;
    uint64_t timeout_ms;
    /* SNAPSHOT: the caller owns it now. At most one a step. Prototype: may be of the same block as
     * the one before, when more transfers have become known. */
    struct chain_snapshot *snapshot;
    /* NOTE */
    enum chain_poll_note note;
    uint64_t value;                   /* block number, or a reorg's depth */
    char text[CHAIN_POLL_TEXT_BYTES]; /* printable ASCII */
};
struct chain_poll_actions {
    struct chain_poll_action items[CHAIN_POLL_ACTIONS_MAX];
    size_t count;
    uint64_t notes_dropped; /* over all time: more notes than room */
};

struct chain_poll;
/* BASE_EINVAL (no or too many endpoints, a URL that is no http(s) one, K above the votes, zero
 * chain id), BASE_ENOMEM. why (may be NULL) says what. The first TIMER starts it. */
int chain_poll_new(struct chain_poll **out, const struct chain_poll_config *config, uint64_t now_ms,
                   char why[CHAIN_POLL_TEXT_BYTES]);
void chain_poll_free(struct chain_poll *poll);

/* now_ms  monotonic milliseconds, never smaller than before.
 * out     emptied first; bodies in it are borrowed until the next step.
 * Returns BASE_OK, or BASE_ENOMEM: no snapshot was made for want of memory; tried again. A bad
 * reply is no error: it is a NOTE, and the endpoint's affair. */
int chain_poll_step(struct chain_poll *poll, uint64_t now_ms, const struct chain_poll_event *event,
                    struct chain_poll_actions *out);
/* When to call with TIMER, unless something happens first. */
uint64_t chain_poll_deadline_ms(const struct chain_poll *poll);

/* Which roots' epochs the next snapshots carry. count <= CHAIN_ROOTS_MAX. */
void chain_poll_set_roots(struct chain_poll *poll, const struct base_eth_address *roots,
                          size_t count);
/* The operator accepts the chain as it is now: reference, first-seen genesis and the seats that a
 * new snapshot was held against are forgotten, and the next agreed block becomes the reference. */
void chain_poll_accept(struct chain_poll *poll);

/* Prototype: app ids of the next snapshots. count <= CHAIN_APP_IDS_MAX. */
void chain_poll_set_app_ids(struct chain_poll *poll, const struct base_eth_address *app_ids,
                            size_t count);

/* Which block is canonical at a number? Asked once of each endpoint, in few batches, answered by K
 * votes, and asked again after a reorg below it; a number above the reference waits until the
 * reference is there. The number wanted longest ago makes room when there are more than
 * CHAIN_POLL_BLOCKS_MAX: want again what is still needed. BASE_OK, BASE_ENOMEM. */
int chain_poll_want_block(struct chain_poll *poll, uint64_t number);
/* BASE_OK: *out is K votes' block (number, hash, parent, time). BASE_ESTATE: wanted, no answer
 * yet. BASE_ENOTFOUND: not wanted, or has made room. Look again when blocks_answered of the status
 * has grown. */
int chain_poll_block(const struct chain_poll *poll, uint64_t number, struct chain_block *out);

/* How far is the chain, whatever the finality policy? From now on, until chain_poll_head has told:
 * where the policy is not LATEST that is one call more in each poll. */
void chain_poll_want_head(struct chain_poll *poll, uint64_t now_ms);
/* BASE_OK, once each endpoint has answered since, or failed, or had its time, and K votes have
 * answered: *out is the highest number that K votes have reached. BASE_ESTATE: not yet. */
int chain_poll_head(struct chain_poll *poll, uint64_t *out);

/* A copy of the transfers known now; free with chain_transfers_free. BASE_ENOTFOUND when nothing
 * is covered, BASE_ENOMEM. */
int chain_poll_transfers(const struct chain_poll *poll, struct chain_transfers *out);
void chain_transfers_free(struct chain_transfers *transfers);

enum chain_poll_trust { CHAIN_POLL_SINGLE = 1, CHAIN_POLL_MAJORITY, CHAIN_POLL_ANY };
struct chain_poll_status {
    enum chain_poll_trust trust;
    uint32_t votes, agree;
    bool has_reference; /* of a snapshot made by this poller, or kept from before */
    struct chain_block reference;
    bool has_snapshot;
    bool has_good; /* good_ms: when K votes last agreed on the reference or that nothing is newer */
    uint64_t good_ms;
    bool went_back;
    bool has_genesis;
    struct base_hash32 genesis;
    bool has_target;
    uint64_t target, poll_ms;
    uint64_t references, full_reads, reorgs; /* counts over all time */
    enum chain_kind kind;                    /* UNKNOWN before the first snapshot */
    /* Prototype: are transfers still being read? Then how far, in blocks; the total is an estimate
     * from the blocks' times until it is done, 0 while there is none. */
    bool verifying;
    uint64_t transfers_from_block; /* as in the snapshot */
    uint64_t verified_blocks, verify_blocks;
    uint64_t blocks_answered; /* of chain_poll_want_block: counts answers and their withdrawals */
};
void chain_poll_status(const struct chain_poll *poll, struct chain_poll_status *out);
const char *chain_poll_trust_name(enum chain_poll_trust trust); /* single, majority, any */

enum chain_poll_agreement {
    CHAIN_POLL_AGREEMENT_UNKNOWN = 0, /* not judged yet, or failed since */
    CHAIN_POLL_AGREEMENT_AGREES,
    CHAIN_POLL_AGREEMENT_BEHIND, /* has not had the last target yet */
    CHAIN_POLL_AGREEMENT_DIFFERS
};
struct chain_poll_endpoint {
    const char *url; /* borrowed */
    uint32_t vote;   /* endpoints with one number share a vote */
    bool up;         /* checked, and its last request was answered */
    bool has_height;
    uint64_t height; /* by the finality policy */
    enum chain_poll_agreement agreement;
    uint64_t requests, failures; /* counts over all time */
    bool has_reply;
    uint64_t reply_ms;      /* time of the last good reply */
    uint64_t latency_ms;    /* of that reply */
    const char *last_error; /* "" when none; borrowed until the next step */
};
void chain_poll_endpoint(const struct chain_poll *poll, size_t index,
                         struct chain_poll_endpoint *out);
size_t chain_poll_endpoint_count(const struct chain_poll *poll);

#endif
