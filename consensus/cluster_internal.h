#ifndef NFTMESH_CONSENSUS_CLUSTER_INTERNAL_H
#define NFTMESH_CONSENSUS_CLUSTER_INTERNAL_H

#include "consensus/cluster.h"

/* Inside of the cluster's core:
 *   cluster.c        events in, actions out; questions
 *   cluster_epoch.c  founding, adopting, ending an epoch
 *   cluster_here.c   who is here of an epoch
 *   cluster_log.c    what goes into candidates, and what becomes of it
 *   cluster_sync.c   what others lack, and what we do
 *   cluster_copy.c   votes of ours that our log may lack */
#define CLUSTER_SETS    8   /* of seats, that were one after the other */
#define CLUSTER_BLOCKS  64  /* whose hashes are known */
#define CLUSTER_HISTORY 256 /* final candidates whose state's digest is known */
#define CLUSTER_SHOTS   16  /* encoded states */
#define CLUSTER_PROOFS  8   /* of epochs, newest first */
#define CLUSTER_NEXTS   4   /* records of the next epoch that may come to be */
#define CLUSTER_REF_GAP 32  /* final slots between two candidates that name a state */

struct cluster_set { /* seats, and the blocks at which we have seen just these */
    struct consensus_seat *seats;
    size_t count;
    struct consensus_block first, last;
};
struct cluster_point {
    uint64_t slot;
    struct base_hash32 hash, state;
};
struct cluster_shot {
    struct base_hash32 digest;
    uint8_t *bytes;
    size_t len;
};
struct cluster_proof { /* a frame's body */
    uint64_t epoch;
    struct base_hash32 id;
    uint8_t *body;
    size_t len;
};
struct cluster_entry { /* queued by the leader, or our own on its way */
    uint8_t *body;
    size_t len;
    struct base_sig65 sig;
    struct base_key33 submitter;
    uint64_t nonce, epoch;
    uint64_t slot;   /* queued: proposed in it; CONSENSUS_NO_SLOT: not yet */
    uint64_t tag;    /* our own */
    uint64_t due_ms; /* our own: to be sent again */
};
struct cluster_list {
    struct cluster_entry *items;
    size_t count, cap;
};
struct cluster_peer {
    struct base_key33 key;
    bool is_up, is_dead;
    bool has_epoch;
    uint64_t epoch;
    struct base_hash32 epoch_id;
    bool has_seen;                /* it is in no epoch, and has said which is */
    uint64_t seen_block;          /* the oldest block whose seats it has seen, */
    struct base_hash32 follows;   /* and the epoch that it follows; zero: none */
    uint64_t told_ms;             /* an epoch, last; 0: never */
    uint64_t votes_ms, shown_run; /* it was asked for votes of ours; has shown them, in which run of
                                   * ours; 0: never */
};
struct cluster_fetch { /* a state that we lack */
    bool is_on;
    struct base_hash32 digest;
    uint64_t slot; /* as of this candidate; CONSENSUS_NO_SLOT: the epoch's beginning */
    struct base_hash32 hash;
    uint8_t *bytes;
    size_t len, total;
    uint64_t due_ms; /* to be asked for (again) */
    size_t next_peer;
};
struct cluster_closing { /* an entry that is final has ended the epoch */
    bool is_on;
    uint64_t slot;
    struct base_hash32 hash;
    struct consensus_payload payload; /* its entries are none */
    uint64_t ask_ms;
};
struct cluster_next { /* what a candidate ends this epoch with, as we have found it */
    struct base_hash32 digest;
    struct consensus_epoch record; /* its closing hash is zero */
};
struct cluster_awaits { /* too few are here of those whom the next record would list */
    bool is_on, is_told;
    uint64_t since_ms;
};
struct cluster_offer { /* an epoch that nobody vouches for, and nobody opposes */
    bool is_on;
    struct base_hash32 id;
    uint64_t since_ms;
};
struct cluster_owed {       /* what the leader has not done yet: end the epoch (S2) */
    uint64_t window, slots; /* that became final in this window, with it being due all the while */
    uint64_t since_ms;
    uint64_t closing_slot, closings; /* candidates that would have ended it rightly; the last one */
    uint64_t from_ms;                /* nothing is owed before */
};
struct cluster_stored { /* numbers of operations that are votes */
    uint64_t number, engine_number;
    uint64_t run; /* of which engine */
};

struct consensus_cluster {
    struct consensus_cluster_config config;
    uint64_t now_ms;
    uint64_t seat_ms; /* our seat was seen first, or we could not found; 0: not yet */

    struct cluster_set sets[CLUSTER_SETS]; /* newest first */
    size_t set_count;
    struct consensus_block blocks[CLUSTER_BLOCKS]; /* newest first */
    size_t block_count;

    bool has_epoch, is_restored, has_finalised; /* a FINAL of ours stands in this epoch */
    struct consensus_epoch epoch;
    struct base_hash32 epoch_id;
    struct consensus_engine *engine;
    struct consensus_voter *voter_list; /* the epoch's, capped */
    struct consensus_voters voters;
    bool *told_dead; /* by member: as the engine has heard */
    size_t self;
    uint64_t run;                  /* engines so far */
    struct consensus_state *state; /* NULL: not held */
    struct cluster_closing closing;
    struct cluster_next nexts[CLUSTER_NEXTS]; /* newest first; in the log, too */
    size_t next_count;
    bool is_next_unproved; /* nobody shows how this epoch ended: as one who comes late, then */
    bool is_due;           /* the next record would differ */
    struct cluster_awaits awaits;
    struct cluster_offer offer;
    bool is_unvouched; /* we are in one of that kind */
    struct cluster_owed owed;
    unsigned tries;
    uint64_t try_ms; /* no proposal of an epoch before */
    uint64_t lease_from_ms;

    struct cluster_point history[CLUSTER_HISTORY]; /* newest last; a ring */
    size_t history_first, history_count;
    struct cluster_shot
        shots[CLUSTER_SHOTS]; /* newest first; the first ones are of the last states */
    size_t shot_count;
    struct cluster_shot pinned[2]; /* states that a final candidate names, newest first */
    uint64_t ref_slot;             /* the last that was named; CONSENSUS_NO_SLOT */

    struct cluster_proof proofs[CLUSTER_PROOFS];
    size_t proof_count;

    struct cluster_list queue, pending;
    struct base_key33 sent_to; /* to whom pending entries went */
    uint64_t nonce;

    struct cluster_peer *peers;
    size_t peer_count, peer_cap;
    uint64_t ask_ms; /* an epoch was asked for; 0: never */
    struct cluster_fetch fetch;

    struct consensus_fault_proof faults[CONSENSUS_FAULTS_MAX];
    size_t fault_count;

    struct consensus_payload payload; /* room for the one that is being looked at */
    struct cluster_stored *stored;
    size_t stored_count, stored_cap;
    uint64_t numbered;

    struct base_key33 asker; /* whose frame is being read */
    bool is_asker_known;
    struct consensus_cluster_action *actions;
    size_t action_count, action_cap;
    void **trash; /* freed at the next step */
    size_t trash_count, trash_cap;
    bool is_broken, is_mute, abstains, has_entries;
    bool has_copy; /* our key has signed without us, in this run */

    bool was_leading; /* as last told */
    uint64_t told_epoch, told_window;
    bool is_told;
    uint64_t refused, epochs_seen, entries_applied;
    uint8_t *scratch; /* a frame's worth */
};

/* cluster.c */
struct consensus_cluster_action *cluster_act(struct consensus_cluster *c,
                                             enum consensus_cluster_action_type type);
void *cluster_keep(struct consensus_cluster *c, const void *data,
                   size_t len); /* till the next step */
void cluster_note(struct consensus_cluster *c, enum consensus_cluster_note note,
                  const struct base_key33 *key);
/* to NULL: all. */
void cluster_send(struct consensus_cluster *c, const struct base_key33 *to, uint8_t type,
                  const void *body, size_t len);
uint64_t cluster_store(struct consensus_cluster *c, enum consensus_store_kind kind, uint64_t first,
                       uint64_t last, const void *body, size_t len);
void cluster_engine_step(struct consensus_cluster *c, const struct consensus_event *event, int *rv);
struct cluster_peer *cluster_peer(struct consensus_cluster *c, const struct base_key33 *key);

/* cluster_here.c */
/* The newest seat of a key that weighs anything; NULL: none. */
const struct consensus_seat *cluster_seat_of(const struct consensus_cluster *c,
                                             const struct base_key33 *key);
const struct consensus_seat *cluster_set_find(const struct cluster_set *set,
                                              const struct base_key33 *key);
/* Would the next epoch, with these seats as of a block, have no quorum, while this one has? */
bool cluster_here_awaits(const struct consensus_cluster *c, const struct cluster_set *set,
                         const struct consensus_block *block);
void cluster_here_look(struct consensus_cluster *c); /* anew; told when it has been so for long */
/* Do members of more than a third of the weight say that they are in it? */
bool cluster_here_attested(const struct consensus_cluster *c, const struct base_hash32 *id);
/* Have two thirds of those whom the record lists, with the seats that we have seen, and we among
 * them, been in it or in none for a while, and more in it than in others? */
bool cluster_here_unopposed(struct consensus_cluster *c, const struct consensus_epoch *record,
                            const struct base_hash32 *id, const struct cluster_set *set);

/* cluster_epoch.c */
int cluster_chain(struct consensus_cluster *c, const struct consensus_cluster_event *event);
/* Has it no seat any more, as far as we have read? Then it leads no more, and asks for nothing; in
 * the epoch it votes. */
bool cluster_is_out(const struct consensus_cluster *c, const struct base_key33 *key);
/* Is the engine to hold it dead? Told when that has changed. */
void cluster_tell_dead(struct consensus_cluster *c, size_t member);
void cluster_epoch_due(struct consensus_cluster *c); /* anew: is another one due? */
/* The next record, as of a block. BASE_ENOTFOUND: which seats there were is not known (yet). */
int cluster_epoch_compute(struct consensus_cluster *c, struct consensus_epoch *out,
                          uint64_t closing_slot, const struct consensus_payload *payload,
                          const struct consensus_state *state);
/* Stores it, before a NOTAR for the candidate that ends the epoch with it: when that is final
 * nobody may know the seats of its block any more. Takes next. BASE_ENOMEM, BASE_ETOOBIG. */
int cluster_next_keep(struct consensus_cluster *c, struct consensus_epoch *next,
                      const struct base_hash32 *digest);
int cluster_next_restore(struct consensus_cluster *c, const struct base_slice *body);
void cluster_next_forget(struct consensus_cluster *c);
bool cluster_may_end(const struct consensus_cluster *c); /* it is due, and we may try (again) */
/* Which block the next epoch is to be of, when this slot closes this one. False: none yet. */
bool cluster_epoch_propose(struct consensus_cluster *c, uint64_t slot,
                           struct consensus_payload *payload);
/* A slot has become final: has the leader had its time to end an epoch that is due? */
void cluster_owed_count(struct consensus_cluster *c, uint64_t slot);
void cluster_owed_seen(struct consensus_cluster *c, uint64_t slot); /* that has been proposed */
void cluster_owed_tell(struct consensus_cluster *c);                /* after a step */
void cluster_epoch_close(struct consensus_cluster *c); /* what the closing entry brings about */
int cluster_epoch_offered(struct consensus_cluster *c, const struct base_key33 *from,
                          const struct base_slice *body);
void cluster_epoch_timer(struct consensus_cluster *c);
uint64_t cluster_epoch_deadline_ms(const struct consensus_cluster *c);
int cluster_epoch_restore(struct consensus_cluster *c, const struct base_slice *body);
int cluster_engine_start(struct consensus_cluster *c, bool is_restart);

/* cluster_log.c */
extern const struct consensus_host cluster_engine_host; /* less its ctx */
void cluster_final(struct consensus_cluster *c, uint64_t slot, const struct base_hash32 *hash,
                   const struct base_slice *payload);
int cluster_submit(struct consensus_cluster *c, const struct consensus_entry *entry, uint64_t tag);
int cluster_entry_in(struct consensus_cluster *c, const struct base_slice *frame);
void cluster_pending(struct consensus_cluster *c); /* to whoever leads now */
uint64_t cluster_pending_deadline_ms(const struct consensus_cluster *c);
bool cluster_has_entries(const struct consensus_cluster *c);
void cluster_log_epoch(struct consensus_cluster *c); /* another one has begun */
void cluster_list_free(struct cluster_list *list);
void cluster_point_add(struct consensus_cluster *c, uint64_t slot, const struct base_hash32 *hash);
void cluster_shot_free(struct cluster_shot *shot);
/* A state that may be asked for, by its digest; NULL: none. */
const struct cluster_shot *cluster_shot_find(const struct consensus_cluster *c,
                                             const struct base_hash32 *digest);
void cluster_shot_pin(struct consensus_cluster *c, const struct base_hash32 *digest);

/* cluster_copy.c */
bool cluster_is_lost(const struct consensus_cluster *c); /* as far as this epoch goes */
void cluster_lost(struct consensus_cluster *c, uint64_t head);
void cluster_copy_found(struct consensus_cluster *c);
void cluster_votes_ask(struct consensus_cluster *c, const struct base_key33 *to);
void cluster_votes_begin(struct consensus_cluster *c); /* in an epoch */
void cluster_votes_wanted(struct consensus_cluster *c, struct cluster_peer *peer);
int cluster_votes_in(struct consensus_cluster *c, const struct base_key33 *from,
                     const struct base_slice *body);

/* cluster_sync.c */
int cluster_ask_in(struct consensus_cluster *c, const struct base_key33 *from,
                   const struct base_slice *body);
int cluster_state_in(struct consensus_cluster *c, const struct base_key33 *from,
                     const struct base_slice *body);
void cluster_status_in(struct consensus_cluster *c, const struct base_key33 *from,
                       const struct base_hash32 *epoch_id, uint64_t epoch);
void cluster_fetch(struct consensus_cluster *c, uint64_t slot, const struct base_hash32 *hash,
                   const struct base_hash32 *digest);
void cluster_fetch_timer(struct consensus_cluster *c);
void cluster_fetch_stop(struct consensus_cluster *c);
void cluster_ask_epoch(struct consensus_cluster *c, const struct base_key33 *from, uint64_t number);
/* The record, with what proves that the former epoch ended with it. */
void cluster_proof_make(struct consensus_cluster *c, const struct consensus_epoch *next,
                        const struct base_hash32 *id);
void cluster_proof_add(struct consensus_cluster *c, uint64_t epoch, const struct base_hash32 *id,
                       const void *body, size_t len);
const struct cluster_proof *cluster_proof_of(const struct consensus_cluster *c, uint64_t epoch);
/* Does the body prove that the epoch we are in ended with this record? */
bool cluster_proof_holds(struct consensus_cluster *c, const struct base_slice *body,
                         const struct consensus_epoch *next);
int cluster_proof_record(const struct base_slice *body, struct base_hash32 *id,
                         struct consensus_epoch *record);

#endif
