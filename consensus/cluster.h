#ifndef NFTMESH_CONSENSUS_CLUSTER_H
#define NFTMESH_CONSENSUS_CLUSTER_H

#include "consensus/engine.h"
#include "consensus/epoch.h"
#include "consensus/state.h"

/* All of a member's consensus: epochs one after the other, the engine of the current one, the log's
 * state, and what members ask of each other to catch up. Pure, as the engine is: monotonic time and
 * events in, actions out; nothing is said that has not been stored before. Who is not in the epoch
 * watches, and serves what it knows.
 *
 * Frames, besides those of consensus/wire.h; key 0 is the epoch's id, in ASK zero for none:
 * - 0x25 EPOCH: 1 record; 2 the candidates from the one that closed the former epoch to the one
 *   below (oldest first; as in consensus/votelog.h); 3 its FINAL certificate.
 * - 0x26 ASK: 1 an epoch's number; or 2 the digest of a state, 3 from this byte on; or 4 the oldest
 *   block whose seats the sender has seen, who is in no epoch: this asks for nothing.
 * - 0x27 STATE: 1 digest; 2 bytes in all; 3 from this one on; 4 bytes.
 * - 0x28 ENTRY: 1 body; 2 signature.
 * - 0x29 VOTES: 1 votes of the receiver's that the sender holds, the last of each kind: kind,
 *   first, last, hash, signature; without key 1 it asks for them.
 *
 * docs/consensus.md, "Epochs", "Votes are lost". */
#define CONSENSUS_FRAME_EPOCH 0x25
#define CONSENSUS_FRAME_ASK   0x26
#define CONSENSUS_FRAME_STATE 0x27
#define CONSENSUS_FRAME_ENTRY 0x28
#define CONSENSUS_FRAME_VOTES 0x29
#define CONSENSUS_FRAME_LAST  CONSENSUS_FRAME_VOTES
#define CONSENSUS_PENDING_MAX 48  /* of our own entries; fewer than nonces that are remembered */
#define CONSENSUS_QUEUE_MAX   512 /* entries that a leader has not proposed yet */
#define CONSENSUS_FAULTS_MAX  32
#define CONSENSUS_FETCH_BYTES ((size_t)48 << 10)
#define CONSENSUS_LOST_NOW    UINT64_MAX

struct consensus_cluster;

struct consensus_cluster_host { /* pure; called inside a step */
    void *ctx;
    int (*sign)(void *ctx, const struct base_vote *vote, struct base_sig65 *sig);
    consensus_verify verify;
    int (*sign_entry)(void *ctx, const struct base_slice *body, struct base_sig65 *sig);
    int (*verify_entry)(void *ctx, const struct base_slice *body, const struct base_sig65 *sig,
                        const struct base_key33 *submitter);
};
struct consensus_cluster_config { /* copied */
    struct consensus_params params;
    struct base_key33 self;
    struct base_hash32 settings; /* of what all nodes of the mesh share */
    uint64_t chain_id;
    struct base_eth_address contract;
    uint64_t gap_s;      /* between the blocks of two epochs, at least */
    uint64_t found_ms;   /* we have a seat, and nobody has known an epoch for so long: the one with
                          * the lowest token founds; the next one so much later, and so on */
    uint64_t nonce;      /* above all of former runs */
    bool is_log_fresh;   /* it has never held a vote of ours: before the first one others are asked
                          * what they hold */
    bool is_log_lost;    /* we have voted, and do not know for what: we vote in no epoch whose block
                          * is not above this one */
    uint64_t lost_block; /* CONSENSUS_LOST_NOW: the chain's head is not known yet (EV_LOST) */
    struct consensus_cluster_host host;
};
int consensus_cluster_new(struct consensus_cluster **out,
                          const struct consensus_cluster_config *config, uint64_t now_ms);
void consensus_cluster_free(struct consensus_cluster *c);

/* What was stored, given back before the first step: the last epoch, then the last state if there
 * is one, then the votes in that epoch in their order, and what is a row among them. first as in
 * the store's action. BASE_EMALFORMED, BASE_EINVAL: not ours. BASE_ENOMEM. */
int consensus_cluster_restore_epoch(struct consensus_cluster *c, const struct base_slice *body);
int consensus_cluster_restore_state(struct consensus_cluster *c, uint64_t epoch, uint64_t first,
                                    const struct base_slice *body);
int consensus_cluster_restore_vote(struct consensus_cluster *c, uint64_t epoch,
                                   const struct base_slice *body);

enum consensus_cluster_event_type {
    CONSENSUS_CLUSTER_EV_TIMER = 1,
    CONSENSUS_CLUSTER_EV_CHAIN,        /* the registry at a new reference block */
    CONSENSUS_CLUSTER_EV_FRAME,        /* of a member that has been admitted */
    CONSENSUS_CLUSTER_EV_PEER,         /* a session with a member begins, or ends */
    CONSENSUS_CLUSTER_EV_DEAD,         /* what membership says of a member */
    CONSENSUS_CLUSTER_EV_STORED,       /* all operations up to this number are on disk */
    CONSENSUS_CLUSTER_EV_STORE_FAILED, /* we sign nothing more */
    CONSENSUS_CLUSTER_EV_LOST,    /* the chain's head, asked for after our log was found lost */
    CONSENSUS_CLUSTER_EV_ABSTAIN, /* what we know of the chain is too old, or is not any more */
    CONSENSUS_CLUSTER_EV_SUBMIT,  /* something for the log: DONE follows */
    CONSENSUS_CLUSTER_EV_RESIGN   /* hand the lead on */
};
struct consensus_cluster_event {
    enum consensus_cluster_event_type type;
    struct base_key33 key; /* FRAME, PEER, DEAD: whose */
    union {
        struct {
            struct consensus_block block;
            const struct consensus_seat *seats; /* by key */
            size_t seat_count;
        } chain;
        struct {
            uint8_t type;
            struct base_slice body; /* hostile */
        } frame;
        bool is_up;
        bool is_dead;
        uint64_t stored;
        uint64_t lost; /* number of a block */
        bool abstains; /* votes for nobody, and does not lead */
        struct {
            const struct consensus_entry *entry; /* its kind and u; the rest is filled in */
            uint64_t tag;                        /* comes back with DONE */
        } submit;
    } u;
};

enum consensus_cluster_note {                             /* what an operator should know */
                              CONSENSUS_NOTE_FOUNDED = 1, /* we are the first: a cluster begins */
                              CONSENSUS_NOTE_EPOCH,       /* another epoch */
                              CONSENSUS_NOTE_COPY, /* a vote of our key that is not in our log:
                                                      as if it were lost as of now. Again in the
                                                      same run: we sign nothing more */
                              CONSENSUS_NOTE_MUTE, /* the store has failed: we sign nothing more */
                              CONSENSUS_NOTE_STATE_DIFFERS, /* our state is not what a quorum has:
                                                               fetched anew */
                              CONSENSUS_NOTE_OTHER_CLUSTER, /* a member is in an epoch that does not
                                                               descend from ours */
                              CONSENSUS_NOTE_EPOCH_DIFFERS, /* a leader's next record is not what we
                                                               compute */
                              CONSENSUS_NOTE_TOO_MANY, /* more members than a record holds: no new
                                                          epoch */
                              CONSENSUS_NOTE_AWAITS /* the next epoch would have no quorum: nodes of
                                                       seats that are registered are not here */
};
const char *consensus_cluster_note_name(enum consensus_cluster_note note); /* "founded" .. */

enum consensus_cluster_action_type {
    CONSENSUS_CLUSTER_ACT_SEND = 1,
    CONSENSUS_CLUSTER_ACT_STORE,
    CONSENSUS_CLUSTER_ACT_LEADER, /* another leader, or another window of the same */
    CONSENSUS_CLUSTER_ACT_LEASE,  /* we may act as leader from now on, or may not any more */
    CONSENSUS_CLUSTER_ACT_DONE,   /* an entry of ours is final, or never will be */
    CONSENSUS_CLUSTER_ACT_ENTRY,  /* an entry of anybody's is final */
    CONSENSUS_CLUSTER_ACT_FAULT,  /* a member is proved guilty */
    CONSENSUS_CLUSTER_ACT_NOTE
};
enum consensus_store_kind {
    CONSENSUS_STORE_EPOCH = 1,
    CONSENSUS_STORE_STATE,
    CONSENSUS_STORE_VOTE,
    CONSENSUS_STORE_NEXT /* the next epoch's record, as we have found it: a row among the votes */
};
struct consensus_fault_proof {
    enum consensus_fault fault;
    struct base_key33 key;
    struct base_vote a, b;
    struct base_sig65 sig_a, sig_b;
};
struct consensus_cluster_action { /* borrowed until the next step */
    enum consensus_cluster_action_type type;
    union {
        struct {
            bool is_to_all; /* who has a session with us */
            struct base_key33 to;
            uint8_t type;
            struct base_slice body;
        } send;
        struct {
            uint64_t number;
            enum consensus_store_kind kind;
            uint64_t epoch;
            /* VOTE, NEXT: the slots that it is about. STATE: it is as of the slot before first (0:
             * the epoch's beginning); such rows of former epochs, and up to there, are not needed
             * any more. */
            uint64_t first, last;
            struct base_slice body;
        } store;
        struct {
            uint64_t epoch, window, token;
            bool has_leader, is_self;
            struct base_key33 key;
        } leader;
        struct {
            bool is_held;
            uint64_t epoch, token;
        } lease;
        struct {
            uint64_t tag;
            struct consensus_result result;
            uint64_t epoch, slot;
        } done;
        struct {
            const struct consensus_entry *entry;
            struct consensus_result result;
            uint64_t epoch, slot;
        } entry;
        const struct consensus_fault_proof *fault;
        struct {
            enum consensus_cluster_note note;
            struct base_key33 key; /* zero: nobody in particular */
            uint64_t epoch;
        } note;
    } u;
};
struct consensus_cluster_actions {
    const struct consensus_cluster_action *list;
    size_t count;
};
/* BASE_OK; BASE_EMALFORMED: a frame breaks its format, or a rule of form. SUBMIT: BASE_EFULL, too
 * many of ours are under way; BASE_ESTATE, no epoch, or we are not in it, or have no seat any more;
 * BASE_ETOOBIG.
 * BASE_ENOMEM. */
int consensus_cluster_step(struct consensus_cluster *c, uint64_t now_ms,
                           const struct consensus_cluster_event *event,
                           struct consensus_cluster_actions *out);
uint64_t consensus_cluster_deadline_ms(const struct consensus_cluster *c); /* then TIMER */

struct consensus_cluster_view {
    bool has_epoch;
    const struct consensus_epoch *epoch; /* borrowed until the next step */
    struct base_hash32 epoch_id;
    size_t self; /* index; member_count: we watch */
    uint64_t total, quorum;
    bool has_state;
    struct consensus_view engine; /* zero without an epoch */
    uint64_t window_first;        /* slot */
    uint64_t token;               /* of this window: grows from leader to leader */
    bool has_lease;
    bool is_mute;        /* signs nothing more in this run */
    bool is_lost;        /* signs nothing in an epoch whose block is not above lost_block */
    uint64_t lost_block; /* CONSENSUS_LOST_NOW: not known yet */
    bool is_awaiting;    /* the next epoch awaits nodes of seats that are registered */
    uint64_t queued, pending, refused;
    uint64_t epochs_seen, entries_applied;
};
void consensus_cluster_view(struct consensus_cluster_view *out, const struct consensus_cluster *c,
                            uint64_t now_ms);
bool consensus_cluster_has_lease(const struct consensus_cluster *c, uint64_t now_ms);
/* Who leads the window so many after the active one; false: not known. */
bool consensus_cluster_leader_in(struct consensus_cluster *c, uint64_t windows,
                                 struct base_key33 *key);
/* Capped weight by member of the epoch; 0 for who is suspended. */
uint64_t consensus_cluster_weight(const struct consensus_cluster *c, size_t member);
/* Have we heard of it in the last so many milliseconds? */
bool consensus_cluster_heard(const struct consensus_cluster *c, size_t member, uint64_t within_ms);
/* Is the node of a seat here, as far as the next epoch needs it? Itself and members that are, and
 * newcomers that can follow. */
bool consensus_cluster_is_here(struct consensus_cluster *c, const struct base_key33 *key);
/* Has this member no seat any more, by the newest block that we have read? It votes until the next
 * epoch, leads no more, and nothing that it asks for is done. */
bool consensus_cluster_is_out(const struct consensus_cluster *c, size_t member);
const struct consensus_state *
consensus_cluster_state(const struct consensus_cluster *c); /* or NULL */
const struct consensus_cert *
consensus_cluster_cert(const struct consensus_cluster *c); /* or NULL */
size_t consensus_cluster_fault_count(const struct consensus_cluster *c);
const struct consensus_fault_proof *consensus_cluster_fault_at(const struct consensus_cluster *c,
                                                               size_t index);

#endif
