#ifndef NFTMESH_H
#define NFTMESH_H

#include <stddef.h>
#include <stdint.h>

/* libnftmesh: who are my peers? In three lines, and a fourth to be told of changes.
 *
 *   nftmesh_t *m = nftmesh_open("base:0x33e0..39a3", "https://me.example", NULL);
 *   nftmesh_register(m);
 *   nftmesh_peers_t *p = nftmesh_peers(m);      // p->n, p->peer[i].url, p->state, p->age_ms
 *
 *   nftmesh_monitor(m, on_change, ctx);         // then nftmesh_fd() and nftmesh_dispatch()
 *
 * Two ways to know, one interface. Without a node the library asks the DStack guest agent who we
 * are and the chain who the others are, and verifies every seat by itself (agreement of the RPC
 * endpoints, owner, activity, expiry, KMS root, app id). With one (NFTMESH_HTTP or options) the
 * node has verified them, in sessions too, and tells who is alive, the moment it changes. Where the
 * contract stores no keys (the prototype's), the library asks each seat's own address for its
 * owner's authorisation: an application there serves what nftmesh_info() gives.
 *
 * Unknown is never empty. When the chain or the node cannot be asked, nftmesh_peers() gives the
 * list as it was, marked NFTMESH_LIST_STALE, or NULL if there never was one. An empty list means
 * that this cluster has no other seat.
 *
 * Threads: a handle may be used from any thread and from several at once, except that
 * nftmesh_close() must be the last call and that nftmesh_dispatch() is called by one thread at a
 * time. A background thread does the asking; it never calls back: callbacks run inside of
 * nftmesh_dispatch() alone, on the caller's thread. Nothing is shared between two handles. Fork
 * before opening, not after.
 *
 * Deadlines: every call ends after options.timeout_ms (10 s by default), nftmesh_register() after
 * options.register_timeout_ms (5 min by default: it awaits a block or two). Any call may be given
 * a NULL handle: it answers NFTMESH_ERR_CONFIG.
 *
 * Memory: strings inside of a structure live as long as the structure; what is given away has a
 * function that takes it back. Secrets are never returned, logged or put into a sentence. */

#ifdef __cplusplus
extern "C" {
#endif

#define NFTMESH_VERSION_MAJOR 0
#define NFTMESH_VERSION_MINOR 1

#if defined(__GNUC__)
#define NFTMESH_API __attribute__((visibility("default")))
#else
#define NFTMESH_API
#endif

typedef struct nftmesh nftmesh_t;

/* ---- what can be said ---- */

typedef enum nftmesh_status {
    NFTMESH_OK = 0,
    NFTMESH_UNKNOWN = 1,            /* not known now: the chain or the node could not be asked */
    NFTMESH_ERR_CONFIG = 2,         /* an argument, option or environment variable is wrong */
    NFTMESH_ERR_AGENT = 3,          /* the guest agent is not there, or answers what cannot be */
    NFTMESH_ERR_CHAIN = 4,          /* wrong chain, no contract, endpoints that disagree */
    NFTMESH_ERR_WALLET = 5,         /* no wallet key, not the token's owner, not enough funds */
    NFTMESH_ERR_REFUSED = 6,        /* the contract, the node or a pin says no */
    NFTMESH_ERR_TIMEOUT = 7,        /* the deadline passed; what was begun may still come about */
    NFTMESH_ERR_NOT_REGISTERED = 8, /* this instance has no seat that counts */
    NFTMESH_ERR_NODE = 9,           /* the node at NFTMESH_HTTP is away or is none */
    NFTMESH_ERR_BUSY = 10,          /* another thread does just that with this handle */
    NFTMESH_ERR_MEMORY = 11,
    NFTMESH_ERR_STORE = 12,      /* the data directory cannot be used */
    NFTMESH_ERR_UNSUPPORTED = 13 /* not with this contract, or not with this node */
} nftmesh_status_t;

/* One sentence for a status: "the chain or the node could not be asked". Static memory; any
 * number, also one that is none, has a sentence. Any thread. */
NFTMESH_API const char *nftmesh_strerror(nftmesh_status_t status);

/* What was wrong with this thread's last call of this library and what to do about it: one line of
 * printable text, "" when it went well. Like errno it belongs to the thread, so that it is there
 * for an open that failed too. Borrowed until this thread's next call. */
NFTMESH_API const char *nftmesh_error(void);
/* .. and its status, for calls that return something else. */
NFTMESH_API nftmesh_status_t nftmesh_last_status(void);

/* "0.1.0", of the library that is loaded. Static memory. */
NFTMESH_API const char *nftmesh_version(void);

/* ---- open and close ---- */

/* All zero, or a zero or NULL member: the environment variable named beside it, else the default.
 * Initialise with NFTMESH_OPTIONS_INIT: size tells the library which members the caller knows, so
 * that programs outlive new members. Strings are copied. Lists are separated by commas or
 * spaces. */
typedef struct nftmesh_options {
    size_t size;        /* sizeof (nftmesh_options_t) */
    const char *node;   /* NFTMESH_HTTP: http://127.0.0.1:9464, or unix:/path/control.sock; none */
    const char *rpc;    /* RPC_URL, NFTMESH_RPC: list of endpoints; needed without a node */
    const char *dstack; /* DSTACK_SOCKET, NFTMESH_DSTACK: else the first there is of
                         * /var/run/dstack.sock ./simulator/dstack.sock
                         * /app/simulator/dstack.sock /tmp/dstack.sock */
    const char *data_dir;   /* NFTMESH_DATA_DIR: holds the node key's seed and the first-seen pins;
                             * else $XDG_STATE_HOME or ~/.local/state, /nftmesh/CHAIN-CONTRACT */
    const char *kms_root;   /* NFTMESH_KMS_ROOT: list; pins these KMS roots */
    const char *app_id;     /* NFTMESH_APP_ID: list; pins these app ids */
    const char *finality;   /* NFTMESH_FINALITY: latest, latest:N, safe, finalized; else safe,
                             * on development chains latest */
    const char *wallet_key; /* PRIVATE_KEY: 64 hex digits, of the token's owner; to register */
    const char *wallet_key_file; /* NFTMESH_WALLET_KEY_FILE: the same in a file of mode 0600, or a
                                  * v3 keystore (scrypt or pbkdf2) */
    const char *tls_ca;          /* NFTMESH_TLS_CA: certificates (PEM) in place of the system's */
    const char *token;   /* decimal: the seat to register; else the one that is bound to this
                          * instance, or a free one of the wallet */
    uint32_t rpc_agree;  /* NFTMESH_RPC_AGREE: votes that must agree; else a majority */
    uint32_t timeout_ms; /* 10,000 */
    uint32_t register_timeout_ms; /* 300,000 */
    uint32_t stale_ms;            /* how old knowledge may be and still be fresh; 15,000 */
    int dev;                /* NFTMESH_DEV: takes simulators and their public roots; chains 31337
                             * and 1337 only */
    const char *dial_allow; /* NFTMESH_DIAL_ALLOW: address ranges, "10.0.0.0/8", at which seats may
                             * be asked for their /info although only we can reach them */
    const char *wallet_password_file; /* NFTMESH_WALLET_PASSWORD_FILE: the keystore's password, the
                                       * first line of a file of mode 0600; without it the
                                       * environment's NFTMESH_WALLET_PASSWORD */
} nftmesh_options_t;
#define NFTMESH_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(nftmesh_options_t), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,     \
            NULL, 0, 0, 0, 0, 0, NULL, NULL                                                        \
    }

/* Opens a cluster. Waits for nobody: a background thread begins to ask, so that the first
 * nftmesh_peers() has less to wait for.
 *
 * mesh     NAME:0x.. with the contract's address, NAME being base, base-sepolia, ethereum,
 *          sepolia, anvil, or a chain id in decimal. A bare 0x.. takes the chain id from
 *          NFTMESH_CHAIN_ID, else from the RPC endpoints, all of which must name the same one, for
 *          as long as the handle lives. NULL: CONTRACT_ADDRESS, which has the same form.
 * url      where others reach this application, http:// or https://, at most 256 bytes; it is what
 *          nftmesh_register() puts on the chain. NULL: CONNECTION_URL, else none.
 * options  NULL: all from the environment.
 *
 * Returns a handle to be closed, or NULL: nftmesh_error() says why, nftmesh_last_status() is
 * NFTMESH_ERR_CONFIG or _MEMORY. All else shows in the calls that need it. */
NFTMESH_API nftmesh_t *nftmesh_open(const char *mesh, const char *url,
                                    const nftmesh_options_t *options);

/* Ends the background thread, waits for it (well below a second), frees everything. Lists that
 * were given away stay good. NULL is fine. Not from inside of a callback. */
NFTMESH_API void nftmesh_close(nftmesh_t *m);

/* ---- who we are ---- */

/* 40 hex digits. Waits for the guest agent (or the node) at first. Borrowed until close. NULL:
 * NFTMESH_ERR_AGENT, _NODE, _TIMEOUT .. in nftmesh_last_status(). */
NFTMESH_API const char *nftmesh_instance_id(nftmesh_t *m);

/* The chain id in force, 0 while it is not known (bare address); and the contract, 0x and 40 hex
 * digits in EIP-55's mixed case. Never wait. */
NFTMESH_API uint64_t nftmesh_chain_id(const nftmesh_t *m);
NFTMESH_API const char *nftmesh_contract(const nftmesh_t *m);

/* Registers this instance: binds it to the wallet's token and puts keys and url on the chain, doing
 * only what is missing; a repeated call costs nothing. Needs the wallet's key. With a node it is
 * the node that registers, if it was reached by its control socket; over TCP the call only tells
 * whether the node's registration stands.
 *
 * NFTMESH_OK only when the registration stands on the chain, read back from it. NFTMESH_UNKNOWN:
 * no endpoint could be asked, and nothing was sent. NFTMESH_ERR_WALLET, _REFUSED (the contract's
 * own reason is in nftmesh_error()), _AGENT, _CHAIN, _TIMEOUT (a transaction may still be taken:
 * call again, nothing is paid twice), _BUSY, _NOT_REGISTERED, _NODE, _CONFIG (no url), _STORE. */
NFTMESH_API nftmesh_status_t nftmesh_register(nftmesh_t *m);

/* Does this instance's registration stand, with the keys it has now? NFTMESH_OK, or
 * NFTMESH_ERR_NOT_REGISTERED (why is in nftmesh_error()), or NFTMESH_UNKNOWN and the errors of
 * nftmesh_instance_id(). Where the contract stores no keys the owner's authorisation of them is the
 * registration. Sends nothing. */
NFTMESH_API nftmesh_status_t nftmesh_registered(nftmesh_t *m);

/* What this application serves at <url>/info (HTTP 200, application/json), so that others can
 * verify it without asking a node: a JSON object with "instance_id", "chain_id", "contract_address"
 * and, where the contract stores no keys (the prototype's), "bundle": the owner's authorisation of
 * this instance's keys. With a node also what the node's own /info says of where the mesh is. More
 * members may be added to it. It is public, and changes with each registration: ask for it with
 * each request, that costs nothing.
 *
 * Never waits. NFTMESH_OK: out is filled and terminated; else it is "". NFTMESH_UNKNOWN: not known
 * yet. NFTMESH_ERR_NOT_REGISTERED: the contract stores no keys, and no authorisation of those that
 * we have counts: call nftmesh_register(). NFTMESH_ERR_CONFIG. */
#define NFTMESH_INFO_BYTES 4096
NFTMESH_API nftmesh_status_t nftmesh_info(nftmesh_t *m, char out[NFTMESH_INFO_BYTES]);

/* ---- peers ---- */

typedef enum nftmesh_list_state {
    NFTMESH_LIST_UNKNOWN = 0, /* never in a list that was given away */
    NFTMESH_LIST_FRESH = 1,   /* confirmed within options.stale_ms */
    NFTMESH_LIST_STALE = 2    /* was true at .block, age_ms ago; cannot be confirmed now */
} nftmesh_list_state_t;

typedef enum nftmesh_peer_state {
    NFTMESH_PEER_UNKNOWN = 0,  /* listed on chain, but does not count: reason says why */
    NFTMESH_PEER_VERIFIED = 1, /* its seat counts; whether it runs is not known (no node asked) */
    NFTMESH_PEER_ALIVE = 2,    /* the node says so, as for the next three */
    NFTMESH_PEER_SUSPECT = 3,  /* does not answer; has a moment left to */
    NFTMESH_PEER_FAILED = 4,   /* has a seat, does not answer */
    NFTMESH_PEER_LEFT = 5      /* has a seat, said goodbye */
} nftmesh_peer_state_t;

typedef struct nftmesh_peer {
    const char *url;         /* of the application behind it; "" when it has none */
    const char *mesh_url;    /* of its node: tcp:// ws:// wss://; "" when not known */
    const char *name;        /* what its node calls itself; "" without a node */
    const char *node;        /* its node key: 66 hex digits; "" when none is known */
    const char *owner;       /* 0x and 40 hex digits, mixed case */
    const char *instance;    /* 40 hex digits; "" when none is bound */
    const char *token;       /* decimal */
    const char *reason;      /* one word: "expired", "root_epoch"; "" when it counts */
    const char *explanation; /* the same as a sentence; "" when it counts */
    nftmesh_peer_state_t state;
    uint32_t weight;         /* tokens behind it */
    uint64_t verified_block; /* block at which it was last judged */
    uint64_t age_ms;         /* since that was last confirmed */
    double rtt_ms;           /* negative: not measured */
    void *reserved[4];
} nftmesh_peer_t;

typedef struct nftmesh_peers {
    size_t n;                   /* peers in peer[]; this instance is not among them */
    const nftmesh_peer_t *peer; /* sorted by token */
    nftmesh_list_state_t state;
    uint64_t block;  /* the list is as of this block */
    uint64_t age_ms; /* since that was last confirmed */
    const char *why; /* stale: one line, what is wrong; else "" */
    void *reserved[4];
} nftmesh_peers_t;

/* The peers as they are known now: those that count, and those on chain that do not
 * (NFTMESH_PEER_UNKNOWN, with the reason). Waits until something is known, at most the deadline;
 * after that returns at once. To be freed with nftmesh_peers_free().
 *
 * nftmesh_last_status() is NFTMESH_OK for a fresh list, NFTMESH_UNKNOWN for a stale one. NULL:
 * nothing has ever been known; nftmesh_last_status() is NFTMESH_UNKNOWN or an error of
 * nftmesh_open's kinds, _CHAIN, _NODE, _AGENT, _REFUSED. */
NFTMESH_API nftmesh_peers_t *nftmesh_peers(nftmesh_t *m);
NFTMESH_API void nftmesh_peers_free(nftmesh_peers_t *peers); /* NULL is fine */

/* May the application talk to this one? Verified, alive or suspect: 1. Else 0. */
NFTMESH_API int nftmesh_peer_is_usable(const nftmesh_peer_t *peer);

/* ---- who leads ---- */

/* The members of a mesh agree on one of them that leads (docs/consensus.md). Only a node knows:
 * without one, and with one that takes no part (--consensus off), the two calls below answer
 * NFTMESH_ERR_UNSUPPORTED. Each asks the node, so what they say is of now, and waits for its answer
 * at most the deadline. */

typedef struct nftmesh_leader {
    const char *node;       /* its node key: 66 hex digits */
    const char *name;       /* what its node calls itself; "" when not known */
    const char *token;      /* of its seat, decimal; "" when the chain shows none any more */
    uint64_t fencing_token; /* of its lead; it only grows from one lead to the next */
    uint64_t epoch;         /* grows whenever the members that vote change */
    int is_self;            /* it is the node that was asked */
    void *reserved[4];
} nftmesh_leader_t;

/* Whose turn it is, as the node knows it now. That says whom to turn to, not that it may act: only
 * the leader itself can tell, by nftmesh_is_leader(). To be freed with nftmesh_leader_free().
 *
 * NULL: nftmesh_last_status() is NFTMESH_UNKNOWN (nobody leads, as far as the node knows),
 * NFTMESH_ERR_UNSUPPORTED, _NODE, _CONFIG, _TIMEOUT, _REFUSED or _MEMORY. */
NFTMESH_API nftmesh_leader_t *nftmesh_leader(nftmesh_t *m);
NFTMESH_API void nftmesh_leader_free(nftmesh_leader_t *leader); /* NULL is fine */

/* May this instance act as the leader now? 1: its node holds the lease. Else 0, and
 * nftmesh_last_status() tells a no (NFTMESH_OK) from what is not known (as for nftmesh_leader()):
 * whoever acts on 1 alone is right in either case.
 *
 * fencing_token  NULL, or set: to be sent along with all that the leader orders others to do,
 *                who refuse one lower than the highest that they have seen. 0 for a no; the
 *                first lead of all has that number, too.
 * remaining_ms   NULL, or set: how long the lease still lasts, from this call's return. What
 *                passed since the question was sent is taken off already. The node renews its
 *                lease while it can: ask again. 0 for a no.
 *
 * A lease keeps two from acting at once as long as each stops by its own clock. A program that was
 * held up after this call does not know that its time is over; the fencing token is for that. */
NFTMESH_API int nftmesh_is_leader(nftmesh_t *m, uint64_t *fencing_token, uint64_t *remaining_ms);

/* ---- changes ---- */

/* Called by nftmesh_dispatch(): once with the list as it is known first, then after each change of
 * a peer (come, gone, another url, weight or state) and when the list turns stale or fresh again.
 * Never called while nothing has ever been known: an outage is a stale list, not an empty one.
 * Changes between two dispatches are told as one. peers is borrowed for the call. */
typedef void (*nftmesh_change_fn)(void *ctx, nftmesh_t *m, const nftmesh_peers_t *peers);

/* Sets the callback; NULL ends it. One a handle: a second call replaces the first. */
NFTMESH_API nftmesh_status_t nftmesh_monitor(nftmesh_t *m, nftmesh_change_fn fn, void *ctx);

/* A descriptor that is readable when nftmesh_dispatch() has something to do: for poll, epoll, or
 * any loop. Only to be waited for, never read or closed. The same one until close; -1 for a NULL
 * handle. */
NFTMESH_API int nftmesh_fd(nftmesh_t *m);

/* Runs the callback if something has changed. timeout_ms: how long to wait for that; 0 does not
 * wait, negative waits without end. NFTMESH_OK: the callback ran; NFTMESH_ERR_TIMEOUT: nothing
 * changed in this time; NFTMESH_ERR_CONFIG: no callback is set; NFTMESH_ERR_BUSY: called from
 * inside of a callback, or by two threads. */
NFTMESH_API nftmesh_status_t nftmesh_dispatch(nftmesh_t *m, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
