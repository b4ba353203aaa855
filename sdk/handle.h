#ifndef NFTMESH_SDK_HANDLE_H
#define NFTMESH_SDK_HANDLE_H

#include <pthread.h>
#include <signal.h>
#include <uv.h>

#include "node/bundle.h"
#include "node/http_client.h"
#include "sdk/config.h"
#include "sdk/list.h"

/* Inside of a handle.
 *
 *   nftmesh.c   the calls of nftmesh.h: they wait for what is known, and never ask themselves
 *   status.c    sentences, and the error of each thread
 *   config.c    arguments, options and environment
 *   list.c      lists of peers as blocks of memory
 *   known.c     what is known, shared by both sides under one mutex
 *   worker.c    the background thread: its loop, and which of the next two it runs
 *   chain.c     without a node: guest agent and chain, each seat judged here
 *   chain_id.c  which chain, when the address alone was given
 *   authority.c where the contract stores no keys: whose word they stand by
 *   node.c      with a node: its members and its events
 *   leader.c    who leads, asked of the node on the caller's thread
 *   register.c  registering, on the caller's thread
 *   quiet.c     there a broken connection raises no signal */

/* ---- what is known ---- */
struct sdk_known {
    pthread_mutex_t mutex; /* for all below */
    pthread_cond_t changed;
    int fd; /* eventfd: readable when a callback is due */
    uint64_t stale_ms;

    nftmesh_peers_t *list; /* NULL: never known */
    uint64_t confirmed_ms; /* when it was last known to be right */
    bool doubted;          /* it may be wrong already, whatever its age */
    bool told_fresh;       /* its freshness as callbacks were told */
    uint64_t version;      /* grows with each change that a callback is told of */

    /* Why there is no list, or why it is doubted; final: waiting does not help. */
    nftmesh_status_t trouble;
    bool trouble_is_final;
    char trouble_text[SDK_WHY_BYTES];

    uint64_t chain_id; /* 0: not known yet */
    /* UNKNOWN: nobody has answered yet. OK: instance is set. */
    nftmesh_status_t agent;
    char agent_text[SDK_WHY_BYTES];
    char instance[41];
    /* UNKNOWN: not judged yet, or cannot be. OK or NOT_REGISTERED as of own_block. */
    nftmesh_status_t own;
    char own_text[SDK_WHY_BYTES];
    uint64_t own_block;
    uint64_t registered_block; /* our own registration stood there; 0: none was made */

    /* What nftmesh_info() gives. UNKNOWN: not known yet. */
    nftmesh_status_t info;
    char info_text[NFTMESH_INFO_BYTES];
    /* Where the contract stores no keys: when our own authorisation ends that counts, or waits for
     * the reference block, 0: there is none; and one just issued, for the worker to take. */
    uint64_t authorised_until;
    bool has_issued;
    struct node_bundle issued;

    nftmesh_change_fn fn;
    void *fn_ctx;
    uint64_t seen; /* version that the callback knows */
    bool dispatching;
};

uint64_t sdk_now_ms(void); /* monotonic */

int sdk_known_init(struct sdk_known *k, uint64_t stale_ms); /* BASE_ENOMEM, BASE_EIO */
void sdk_known_deinit(struct sdk_known *k);
/* For the worker; each locks. list is taken. */
void sdk_known_list(struct sdk_known *k, nftmesh_peers_t *list, uint64_t confirmed_ms);
void sdk_known_confirm(struct sdk_known *k, uint64_t confirmed_ms);
/* The list is doubted, or there is none, for this reason. */
void sdk_known_trouble(struct sdk_known *k, nftmesh_status_t status, bool is_final,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
void sdk_known_agent(struct sdk_known *k, nftmesh_status_t status, const char *text,
                     const char *instance);
void sdk_known_own(struct sdk_known *k, nftmesh_status_t status, uint64_t block, const char *text);
void sdk_known_chain(struct sdk_known *k, uint64_t chain_id);
/* text: up to NFTMESH_INFO_BYTES with its end, else it counts as not known; NULL: none. */
void sdk_known_info(struct sdk_known *k, nftmesh_status_t status, const char *text);
void sdk_known_authorised(struct sdk_known *k, uint64_t until);
/* True, once, when register.c has issued one since. */
bool sdk_known_take_issued(struct sdk_known *k, struct node_bundle *out);
/* Tells callbacks when the list has turned stale by its age alone. Returns when to look again. */
uint64_t sdk_known_tick(struct sdk_known *k);

/* For callers, with the mutex held. */
bool sdk_known_is_fresh(const struct sdk_known *k);
nftmesh_peers_t *sdk_known_copy(const struct sdk_known *k); /* NULL: no memory, or no list */
bool sdk_known_is_due(const struct sdk_known *k);           /* is there something to dispatch? */
/* Waits for a change; false: the deadline (of sdk_now_ms) has passed. UINT64_MAX: none. */
bool sdk_known_wait(struct sdk_known *k, uint64_t deadline_ms);
void sdk_known_signal(struct sdk_known *k); /* sets the descriptor by what is due */

/* ---- the handle ---- */
struct sdk_source; /* chain.c's or node.c's */
struct sdk_source_ops {
    int (*start)(struct sdk_source **out, struct nftmesh *m); /* BASE_ENOMEM */
    /* Does what is due; returns when to be called again. */
    uint64_t (*turn)(struct sdk_source *source, uint64_t now_ms);
    void (*wake)(struct sdk_source *source); /* something has probably changed: look now */
    void (*stop)(struct sdk_source *source); /* before the HTTP client closes */
    void (*free)(struct sdk_source *source); /* after that */
};
extern const struct sdk_source_ops sdk_chain_ops, sdk_node_ops;

struct nftmesh {
    struct sdk_config config;
    struct sdk_known known;
    char contract[BASE_ADDRESS_TEXT_BYTES];
    pthread_mutex_t registering; /* one registration at a time */
    pthread_mutex_t disk;        /* held while registering: the worker leaves the directory alone */

    /* The worker's own. */
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t timer;
    uv_prepare_t prepare;
    struct node_http_client *http;
    const struct sdk_source_ops *ops;
    struct sdk_source *source;
    bool closing;

    /* What callers want of it. */
    _Atomic bool stop_wanted, wake_wanted;
};

/* Starts the thread. BASE_ENOMEM, BASE_EIO. */
int sdk_worker_start(struct nftmesh *m);
void sdk_worker_stop(struct nftmesh *m); /* joins it */
void sdk_worker_wake(struct nftmesh *m); /* from any thread */

/* ---- errors ---- */
/* Sets this thread's error; returns status. NFTMESH_OK clears it. */
nftmesh_status_t sdk_fail(nftmesh_status_t status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
nftmesh_status_t sdk_ok(void);
/* node/ speaks of flags; whoever uses the library knows the variables: "--kms-root" becomes
 * "NFTMESH_KMS_ROOT". */
void sdk_words(char *out, size_t cap, const char *text);

/* ---- on the caller's thread ---- */
/* A connection that breaks while we write must not end the program, and whether it handles SIGPIPE
 * is its own affair: for this thread the signal waits, and is taken back if it came. */
struct sdk_quiet {
    sigset_t before;
    bool was_pending;
};
void sdk_quiet_begin(struct sdk_quiet *q);
void sdk_quiet_end(struct sdk_quiet *q);

/* ---- what an application serves at /info ---- */
/* The JSON object; more: further members, each after a comma, or "". */
void sdk_info_format(char out[NFTMESH_INFO_BYTES], uint64_t chain_id, const char *contract,
                     const char *instance, const char *more);
void sdk_info_bundle(char out[NFTMESH_INFO_BYTES], uint64_t chain_id, const char *contract,
                     const char *instance, const struct node_bundle *bundle);

/* ---- registering ---- */
nftmesh_status_t sdk_register_chain(struct nftmesh *m);
nftmesh_status_t sdk_register_node(struct nftmesh *m);
/* Waits until the agent has answered. deadline_ms of sdk_now_ms. Sets the error. */
nftmesh_status_t sdk_wait_agent(struct nftmesh *m, uint64_t deadline_ms);
/* Does the own registration stand? Waits until that is known. Sets the error. */
nftmesh_status_t sdk_wait_own(struct nftmesh *m, uint64_t deadline_ms);

#endif
