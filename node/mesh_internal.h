#ifndef NFTMESH_NODE_MESH_INTERNAL_H
#define NFTMESH_NODE_MESH_INTERNAL_H

/* The mesh's own rooms share this: one struct, one loop thread.
 *
 *   mesh.c          birth, the loop's turn, death
 *   mesh_boot.c     guest agent -> identity -> own seat
 *   mesh_budget.c   what each member may cost us
 *   mesh_consensus.c who leads: the core, its frames, the chain, the disk
 *   mesh_consensus_lost.c votes that its log does not hold
 *   mesh_consensus_ask.c what is told of it, and what it is told
 *   mesh_chain.c    poller <-> endpoints; a new snapshot and what follows from it
 *   mesh_authority.c owners' authorisations, where the contract stores no keys
 *   mesh_conns.c    the pipes that there are
 *   mesh_links.c    pipes <-> sessions; who is let in, who is a copy
 *   mesh_gossip.c   sessions <-> membership; what the table's changes mean outside
 *   mesh_dial.c     whom to dial, when, and how often
 *   mesh_handler.c  what our operator's commands are told
 *   mesh_info.c     /info of seats whose address is an application's
 *   mesh_control.c  commands from the control socket
 *   mesh_contract.c what the contract says besides seats, when somebody asks
 *   mesh_view.c     what the surfaces show
 *   mesh_wallet.c   the routes that make a transaction
 *   mesh_expiry.c   how near the end of our registration is
 *   mesh_event.c    one line in the log, the same in /v1/events */
#include "attest/agent.h"
#include "attest/pins.h"
#include "base/log.h"
#include "base/prng.h"
#include "chain/poll.h"
#include "gossip/gossip.h"
#include "node/admission.h"
#include "node/chain_client.h"
#include "node/contract_info.h"
#include "node/dial_rules.h"
#include "node/expiry.h"
#include "node/handlers.h"
#include "node/http.h"
#include "node/http_client.h"
#include "node/identity.h"
#include "node/inbox.h"
#include "node/link_nng.h"
#include "node/logsink.h"
#include "node/mesh.h"
#include "node/metrics.h"
#include "node/peer_budget.h"
#include "node/session.h"
#include "node/store.h"
#include "node/view.h"
#include "node/wallet_work.h"

#define MESH_TARGETS_MAX      1024 /* keys that we know an address for and may dial */
#define MESH_TURN_MS          500  /* the loop turns at least this often */
#define MESH_CHAIN_STALE_MS   8000 /* no agreed answer for so long: admissions wait */
#define MESH_PROBE_TIMEOUT_MS 500  /* for COPY? */
#define MESH_LEAVE_MS         3000 /* from the wish to leave to the end, whatever happens */
#define MESH_GOODBYE_MS       200  /* of it, from our goodbye to the peers */
#define MESH_HANDLERS_STOP_MS 2000 /* what our commands get to end in, when we stop */
#define MESH_AGENT_TRIES      30
#define MESH_AGENT_RETRY_MS   2000
#define MESH_BACKOFF_MIN_MS   1000
#define MESH_BACKOFF_MAX_MS   600000
#define MESH_VERSION          NFTMESH_VERSION

#define MESH_REFERENCES_MAX 64

struct mesh;

/* ---- one event line: log and /v1/events alike ---- */
struct mesh_event {
    struct mesh *mesh;
    char type[33];
    struct base_log_line log, json;
};
void mesh_event_begin(struct mesh_event *e, struct mesh *m, enum base_log_level level,
                      const char *mod, const char *ev);
/* What comes often: in /v1/events, and in the log only when it is asked for more. */
void mesh_event_begin_quietly(struct mesh_event *e, struct mesh *m, const char *mod,
                              const char *ev);
void mesh_event_str(struct mesh_event *e, const char *key, const char *value);
void mesh_event_strn(struct mesh_event *e, const char *key, struct base_slice value);
void mesh_event_u64(struct mesh_event *e, const char *key, uint64_t value);
void mesh_event_hex(struct mesh_event *e, const char *key, const void *data, size_t len);
void mesh_event_key(struct mesh_event *e, const char *key, const struct base_key33 *node);
void mesh_event_end(struct mesh_event *e);
/* A line for the log alone. */
void mesh_log(struct mesh *m, enum base_log_level level, const char *mod, const char *ev,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- a pipe and the session on it ---- */
#define MESH_CONN_BUCKETS 512
struct mesh_conn {
    struct mesh_conn *next, *previous;
    struct mesh_conn *next_of_key; /* whose keys fall into one bucket */
    struct mesh *mesh;
    node_link_id link;
    struct node_session *session;   /* NULL until the pipe is up */
    struct base_key33 expected;     /* dialed: whom */
    bool dialed, is_up, is_closing; /* is_closing: nothing more is sent on it */
    bool is_in_bucket;
    bool is_counted;       /* how the handshake ended is in the metrics */
    node_link_id newcomer; /* waits for this one's answer to COPY?; 0 for none */
    char remote[NODE_LINK_REMOTE_BYTES];
    uint64_t start_ms, up_wall_ms, deadline_ms;
    uint64_t drain_ms;  /* the surplus pipe of a pair: closed by us then; UINT64_MAX: no */
    uint64_t renew_ms;  /* old: a successor is dialled again then; UINT64_MAX: not old */
    bool authority_due; /* authorisations are still to be shown, from the cursor on */
    struct node_authority_cursor authority_cursor;
    uint64_t resume_ms; /* its peer is over its budget: read again then; UINT64_MAX: it is not */
    uint64_t waste, waste_since_ms; /* statements that came to nothing, lately */
};

/* ---- what a session shall hear after the step that is being performed ---- */
struct mesh_conn_later {
    struct mesh_conn_later *next;
    node_link_id link;
    struct node_session_event event; /* one without pointers */
};

/* ---- what admission has said of a key ---- */
struct mesh_member {
    struct base_key33 key;
    struct node_facts facts;
    bool proved_by_session;
    uint64_t verified_block;
    uint64_t state_wall_ms;
    struct node_peer_budget budget;
    /* With event handlers: what they were told of it last, and of which record that was. */
    char *line;
    uint64_t line_incarnation, line_sequence;
};

/* ---- whom to dial ---- */
enum mesh_source { /* the stronger, the greater; all but the last are strangers' hints */
                   MESH_SOURCE_REGISTRY = 0,
                   MESH_SOURCE_GOSSIP,
                   MESH_SOURCE_INFO,     /* what a bootstrap said of itself */
                   MESH_SOURCE_BOOTSTRAP /* our operator's own word */
};
struct mesh_target {
    struct base_key33 key;
    enum mesh_source source;
    char url[NODE_URL_BYTES_MAX + 1]; /* where, by the strongest source */
    bool wanted;                      /* gossip waits for the outcome */
    bool tried;                       /* at least one attempt has ended */
    bool answered; /* its holder has answered at this URL: no stranger's hint any more */
    unsigned failures, refusals;
    uint64_t next_ms; /* not before; UINT64_MAX while an attempt is under way */
    node_link_id link;
    struct node_command *command; /* `join` waits for the outcome */
};
struct mesh_bootstrap { /* an http(s) bootstrap, asked until it has given a key */
    char url[NODE_URL_BYTES_MAX + 1];
    uint64_t next_ms;
    unsigned failures;
    bool asking, done;
    struct node_command *command;
};
#define MESH_BOOTSTRAPS_MAX 64
struct mesh_found { /* what an /info says of itself */
    struct base_key33 key;
    char url[NODE_URL_BYTES_MAX + 1];
    uint64_t until_ms; /* 0: none */
};
#define MESH_FOUND_MAX 16 /* whose seat may count in a moment */

/* ---- what gossip shall hear after the step that is being performed ---- */
struct mesh_gossip_later {
    struct mesh_gossip_later *next;
    enum gossip_event_type type;
    struct base_key33 key;
    enum gossip_verdict verdict;
    uint64_t weight;
};

/* ---- what the contract says besides seats ---- */
#define MESH_CONTRACT_WAITING_MAX 128
struct mesh_contract {
    bool has_info; /* info is of block_hash */
    struct node_contract_info info;
    uint64_t block;
    struct base_hash32 block_hash;
    struct base_eth_address kms_root;
    uint64_t reading; /* which one; answers of an older one are ignored */
    size_t pending;   /* endpoints that have not answered it yet */
    struct node_contract_votes votes;
    struct node_command *waiting[MESH_CONTRACT_WAITING_MAX];
    size_t waiting_count;
};

/* ---- the wallet's work ---- */
struct mesh_consensus; /* mesh_consensus.h */
struct mesh_job;
struct mesh_wallet {
    struct mesh_job *job; /* NULL: none is under way */
    enum node_wallet_work_kind kind;
    uint64_t since_wall_ms;
    char step[NODE_WALLET_WORK_LAST_BYTES]; /* how far it is */
    char last[NODE_WALLET_WORK_LAST_BYTES]; /* how the one before ended; empty at first */
};

enum mesh_seat {                        /* our own */
                 MESH_SEAT_UNKNOWN = 0, /* no snapshot yet */
                 MESH_SEAT_MISSING,     /* registers nowhere, or does not count: see why */
                 MESH_SEAT_OK
};

struct mesh {
    const struct node_config *config;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_prepare_t prepare;
    uv_signal_t signals[5];
    size_t signal_count;
    bool has_timers; /* timer and prepare are the loop's */
    int exit_status;
    bool stopping, leaving, left, said_goodbye;
    uint64_t stop_ms; /* leaving ends here at the latest */
    uint64_t start_ms, start_wall_ms;
    _Atomic uint64_t turn_ms;
    char why[NODE_OPTIONS_WHY_BYTES];

    struct base_log log, events;
    const char *event_type; /* of the line that is being ended */
    struct node_logsink *sink;
    struct node_store *store;
    struct node_metrics *metrics;
    struct node_view_slot *slot;
    struct node_refusal_ring *refusals;
    struct node_http *http;
    struct node_inbox *inbox;
    struct node_http_client *client;
    struct node_links *links;
    struct node_handlers *handlers; /* NULL: none are set */
    struct base_prng prng;
    bool view_dirty;
    uint64_t view_next_ms, link_stats_next_ms;

    /* Guest agent and identity. */
    unsigned agent_tries;
    uint64_t agent_next_ms; /* UINT64_MAX: not waiting to ask again */
    struct attest_agent_info agent_info;
    struct node_identity identity;
    bool has_identity;
    uint64_t start_incarnation;
    uint8_t seed[NODE_STORE_SEED_BYTES];

    /* The chain. */
    struct node_chain_client *chain;
    struct chain_poll *poll;         /* the client's */
    struct chain_snapshot *raw;      /* as the chain has it */
    struct chain_snapshot *snapshot; /* by which we judge: raw, or derived from it */
    struct attest_pins pins;
    enum attest_pins_verdict pins_verdict;
    bool chain_fresh, poll_wake;
    uint64_t reference_saved_ms; /* 0: not yet */
    struct node_admission admission;
    enum mesh_seat seat;
    struct node_refusal seat_refusal;
    enum node_expiry expiry; /* as last told of */
    struct mesh_contract contract;
    struct mesh_wallet wallet;

    /* Authorisations, with the prototype's contract. */
    struct node_authority *authority;
    struct node_authority_world authority_world;
    bool authority_moved; /* the snapshot has to be derived anew */
    bool authorities_unsaved;
    uint64_t authorities_save_ms; /* not before */
    uint64_t blocks_answered;     /* of the poller, when the snapshot was derived */
    struct chain_block references[MESH_REFERENCES_MAX]; /* the last ones, newest first */
    size_t reference_count;                             /* 0 after a reorganisation */

    /* Links and sessions. */
    struct mesh_conn *conns;
    size_t conn_count;
    struct mesh_conn **conn_slots; /* by the link's slot */
    size_t conn_slot_cap;
    struct mesh_conn *conns_by_key[MESH_CONN_BUCKETS]; /* those that are, or have been, up */
    uint64_t conns_due_ms;                             /* none is due before */
    struct node_session_env env;
    struct node_ephemerals ephemerals;
    struct node_session_actions *session_out[2]; /* one a depth: see step() in mesh_links.c */
    unsigned session_depth;
    struct mesh_conn_later *conn_later, **conn_later_tail;
    uint64_t refusals_since_ms, refusals_hidden;
    unsigned refusals_shown;
    char descriptors_warning[160]; /* empty: there are enough for --links-max */

    /* Membership. */
    struct gossip *gossip;
    struct gossip_signed_record record;
    bool gossip_busy;
    const struct base_key33 *frame_from; /* whose frame gossip reads now; NULL: nobody's */
    uint64_t budget_peak_permille;       /* the most that any member has used of its budget */
    struct mesh_gossip_later *later, **later_tail;
    struct mesh_member *members; /* sorted by key */
    size_t member_count, member_cap;
    char name[GOSSIP_NAME_BYTES_MAX + 1];

    /* Who leads. NULL: not yet, or --consensus off. */
    struct mesh_consensus *consensus;

    /* Dialling. */
    struct mesh_target *targets;
    size_t target_count;
    struct mesh_bootstrap bootstraps[MESH_BOOTSTRAPS_MAX];
    size_t bootstrap_count;
    bool dial_moved; /* one of their times has changed: dial_due_ms is to be looked up anew */
    uint64_t dial_due_ms;
    struct node_dial_hints hints;

    /* Addresses of applications, with the prototype's contract. */
    uint64_t *info_asked_ms; /* by seat; 0: never */
    uint64_t info_next_ms;
    bool info_asking;
    struct mesh_found found[MESH_FOUND_MAX];
};

uint64_t mesh_now(void);  /* monotonic milliseconds */
uint64_t mesh_wall(void); /* milliseconds since 1970 */
/* Ends the node: drains nothing, says why. */
void mesh_fail(struct mesh *m, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mesh_leave(struct mesh *m, const char *why);
void mesh_stop(struct mesh *m);
void mesh_dirty(struct mesh *m); /* the view has changed */

/* mesh_boot.c */
void mesh_boot_step(struct mesh *m, uint64_t now_ms);
uint64_t mesh_boot_deadline_ms(const struct mesh *m);
int mesh_boot_gossip(struct mesh *m); /* our seat stands: come alive */
void mesh_boot_advice(const struct mesh *m, char *out, size_t cap);
/* What to type for a seat of this node, whole but for what is secret. token NULL: not known. */
#define MESH_COMMAND_BYTES 768
void mesh_boot_command(const struct mesh *m, char *out, size_t cap, const char *verb,
                       const struct base_u256 *token);

/* mesh_budget.c */
void mesh_budget_frame(struct mesh_conn *c, size_t len); /* one has been read: and now? */
void mesh_budget_go_on(struct mesh_conn *c);
void mesh_budget_statement(struct mesh *m, const struct base_key33 *signer, bool holds);
void mesh_budget_refused(struct mesh *m); /* a record that a frame brought, by admission */
bool mesh_budget_is_barred(struct mesh *m, const struct base_key33 *key);

/* mesh_chain.c */
int mesh_chain_new(struct mesh *m);
void mesh_chain_step(struct mesh *m, const struct chain_poll_event *event);
void mesh_chain_wake(struct mesh *m);    /* an unknown key knocked */
void mesh_chain_refresh(struct mesh *m); /* freshness, pins, own seat: judged again */
/* The same block, with other authorisations, pins or app ids. */
void mesh_chain_judge_again(struct mesh *m);
int mesh_chain_trust_accept(struct mesh *m, char *why, size_t cap);
uint64_t mesh_chain_lag_blocks(const struct mesh *m);

/* mesh_consensus.c: each does nothing before mesh_consensus_new(), or without consensus */
int mesh_consensus_new(struct mesh *m);    /* our seat stands, and so does gossip */
void mesh_consensus_leave(struct mesh *m); /* whoever leads, hands it on */
void mesh_consensus_close(struct mesh *m);
void mesh_consensus_free(struct mesh *m);
void mesh_consensus_chain(struct mesh *m);               /* a snapshot by which we judge */
void mesh_consensus_grace(struct mesh *m, bool is_over); /* of --rpc-grace */
void mesh_consensus_frame(struct mesh *m, const struct base_key33 *key, uint8_t type,
                          const uint8_t *body, size_t len);
void mesh_consensus_peer(struct mesh *m, const struct base_key33 *key, bool is_up);
void mesh_consensus_state(struct mesh *m, const struct gossip_action *a);
void mesh_consensus_timer(struct mesh *m, uint64_t now_ms);
uint64_t mesh_consensus_deadline_ms(const struct mesh *m);
/* Who votes, for the sessions' env. True: another list than the last time. */
bool mesh_consensus_voters(struct mesh *m, const struct base_key33 **list, size_t *count);
bool mesh_consensus_is_voter(const struct mesh *m, const struct base_key33 *key);

/* mesh_consensus_lost.c: why it votes for nothing for now. False: its votes are not lost. */
bool mesh_consensus_loss(const struct mesh *m, char *out, size_t cap);

/* mesh_consensus_ask.c */
void mesh_consensus_ask(struct mesh *m, struct node_command *command);
void mesh_consensus_figures(struct mesh *m);
/* The weight that has not been heard of, when it is a third or more, and its tokens; else 0. */
uint64_t mesh_consensus_absent(struct mesh *m, char *out, size_t cap);
const char *mesh_consensus_lost(const struct mesh *m); /* why it takes no part; else empty */
const char *mesh_consensus_mute(const struct mesh *m); /* why it signs nothing; else empty */

/* mesh_conns.c */
struct mesh_conn *mesh_conn_find(struct mesh *m, node_link_id link);
struct mesh_conn *mesh_conn_any(struct mesh *m,
                                const struct base_key33 *key); /* up, the one used */
/* The same, unless it is for votes alone: nothing of membership goes there. */
struct mesh_conn *mesh_conn_of(struct mesh *m, const struct base_key33 *key);
struct mesh_conn *mesh_conn_new(struct mesh *m, node_link_id link,
                                bool dialed); /* NULL: no memory */
void mesh_conn_free(struct mesh_conn *c);
void mesh_conn_is_up(struct mesh_conn *c);     /* once */
void mesh_conn_due(const struct mesh_conn *c); /* call when one of its times has changed */

/* mesh_links.c */
int mesh_links_new(struct mesh *m);
/* BASE_OK, or what node_link_dial() says. trusted: whatever its address. */
int mesh_conn_dial(struct mesh *m, node_link_id *out, const char *url, const struct base_key33 *key,
                   bool trusted);
void mesh_conn_step(struct mesh_conn *c, const struct node_session_event *event);
void mesh_conns_timer(struct mesh *m, uint64_t now_ms);
void mesh_conns_snapshot(struct mesh *m); /* the env has changed */
void mesh_conns_later(struct mesh *m);    /* what waited for a step to end */
void mesh_conn_close(struct mesh *m, const struct base_key33 *key, enum node_reason reason);
bool mesh_conns_are_gone(const struct mesh *m);
/* For `nftmesh why` alone. */
void mesh_refusal_keep(struct mesh *m, const struct node_refusal *refusal,
                       const struct base_key33 *peer, const char *remote);
bool mesh_refusal_is_shown(struct mesh *m); /* one more of a stranger */
void mesh_conns_goodbye(struct mesh *m, enum node_reason reason);
void mesh_refused(struct mesh *m, const struct node_refusal *refusal, const struct base_key33 *peer,
                  const char *remote);

/* mesh_authority.c */
int mesh_authority_new(struct mesh *m);
void mesh_authority_free(struct mesh *m);
bool mesh_authority_is_on(const struct mesh *m);             /* the contract stores no keys */
struct attest_pins_seen mesh_authority_seen(struct mesh *m); /* for any contract; raw is there */
/* From m->raw, after everything has been judged again. Errors of chain_snapshot_new. */
int mesh_authority_derive(struct chain_snapshot **out, struct mesh *m);
/* What is accepted counts from mesh_authority_settle() on, which comes before the next frame. */
enum node_authority_verdict mesh_authority_offer(struct mesh *m, struct node_refusal *refusal,
                                                 const struct node_bundle *bundle);
void mesh_authority_reference(struct mesh *m, const struct chain_block *block);
void mesh_authority_greet(struct mesh_conn *c); /* it is up: show what we know */
bool mesh_authority_frame(struct mesh_conn *c, const uint8_t *data, size_t len);
/* The bundle that counts for our key; 0: none. */
size_t mesh_authority_own(const struct mesh *m, uint8_t *out, size_t cap);
void mesh_authority_command(struct mesh *m, struct node_command *command);
void mesh_authority_settle(struct mesh *m);
void mesh_authority_step(struct mesh *m, uint64_t now_ms);

/* mesh_gossip.c */
/* What gossip_step() returned for it; BASE_ESTATE without a core. */
int mesh_gossip_step(struct mesh *m, const struct gossip_event *event);
int mesh_gossip_frame(struct mesh *m, const struct gossip_event *frame); /* counted */
void mesh_gossip_later(struct mesh *m, enum gossip_event_type type, const struct base_key33 *key,
                       enum gossip_verdict verdict, uint64_t weight);
struct mesh_member *mesh_member_find(struct mesh *m, const struct base_key33 *key);
struct mesh_member *mesh_member_put(struct mesh *m, const struct base_key33 *key);
void mesh_members_recheck(struct mesh *m);
uint64_t mesh_seat_weight(const struct mesh *m, const struct base_key33 *key);
bool mesh_member_is_listed(const struct mesh *m, const struct base_key33 *key);
bool mesh_member_is_alive(const struct mesh *m, const struct base_key33 *key);
size_t mesh_alive_others(const struct mesh *m);

/* mesh_handler.c */
int mesh_handler_new(struct mesh *m);
void mesh_handler_state(struct mesh *m, const struct gossip_action *a); /* before it is forgotten */
void mesh_handler_user(struct mesh *m, const struct gossip_action *a);
void mesh_handler_leader(struct mesh *m, enum node_handler_event event,
                         const struct base_key33 *key);
void mesh_handler_updates(struct mesh *m); /* whose records say something new? */

/* mesh_info.c */
void mesh_info_step(struct mesh *m, uint64_t now_ms);

/* mesh_dial.c */
/* A node's /info: its record's key and address, proved by its signature; the bundle in it has been
 * offered. */
int mesh_dial_read_info(struct mesh *m, struct mesh_found *out, const void *data, size_t len,
                        char *why, size_t cap);
/* To be dialled, if its key stands on a seat that counts: else BASE_EREFUSED. */
int mesh_dial_found(struct mesh *m, const struct mesh_found *found, struct node_command *command,
                    char *why, size_t cap);
void mesh_dial_config(struct mesh *m); /* bootstraps from the configuration */
void mesh_dial_registry(struct mesh *m);
/* BASE_OK: an outcome follows; else why. command may be NULL. */
int mesh_dial_bootstrap(struct mesh *m, const char *url, struct node_command *command, char *why,
                        size_t cap);
void mesh_dial_give_up(struct mesh *m); /* we stop: whoever waits for a join is told */
void mesh_dial_want(struct mesh *m, const struct base_key33 *key);
void mesh_dial_up(struct mesh *m, const struct base_key33 *key);
/* An attempt ended without UP. retry_s: what the peer asked for; code: its code, 0 for none. */
void mesh_dial_ended(struct mesh *m, node_link_id link, bool answered, uint8_t code,
                     uint32_t retry_s, const char *why);
void mesh_dial_step(struct mesh *m, uint64_t now_ms);
uint64_t mesh_dial_deadline_ms(struct mesh *m);
bool mesh_dial_allow(void *ctx, const struct sockaddr *address);
bool mesh_dial_all_tried(const struct mesh *m);

/* mesh_control.c */
int mesh_control_new(struct mesh *m);

/* mesh_contract.c */
void mesh_contract_ask(struct mesh *m, struct node_command *command);
const char *mesh_contract_kind(const struct mesh *m); /* "nftmesh", "prototype", "unknown" */

/* mesh_expiry.c */
void mesh_expiry_judge(struct mesh *m); /* tells of each level once */
/* The line to show; false: nothing to warn of. */
bool mesh_expiry_warning(const struct mesh *m, char *out, size_t cap);
uint64_t mesh_expiry_at_s(const struct mesh *m); /* 0: no seat has our key */

/* mesh_wallet.c */
void mesh_wallet_ask(struct mesh *m, struct node_command *command);
void mesh_wallet_give_up(struct mesh *m); /* we stop */

/* mesh_view.c */
void mesh_view_publish(struct mesh *m);

#endif
