#ifndef NFTMESH_CONSENSUS_ENGINE_INTERNAL_H
#define NFTMESH_CONSENSUS_ENGINE_INTERNAL_H

#include "consensus/engine.h"

/* Inside of the engine: its tables, shared by
 *   engine.c        events in, actions out
 *   engine_table.c  slots and windows: what is held, and for how long
 *   engine_rules.c  what follows from it: voting, skipping, leading
 *   engine_sync.c   what others lack, and what we do
 *   engine_copy.c   what others hold of our votes */
struct engine_cand {
    struct base_hash32 hash;
    struct consensus_candidate c; /* its payload is ours */
    struct consensus_marks marks;
    bool is_judged, is_valid;  /* for good; NOT_YET is neither */
    struct engine_cand *child; /* while a chain becomes final */
};

struct engine_slot {
    uint64_t slot;
    struct engine_cand *cands[2]; /* two only when the leader contradicts itself */
    struct consensus_tally notars, finals;
    uint64_t seen_ms;          /* first sight of a candidate or certificate; 0: none yet */
    bool has_notar, has_final; /* ours: stored or about to be */
    struct base_hash32 notar_hash, final_hash;
    uint64_t notar_ms; /* of our NOTAR, in this run; 0: none */
    bool is_notarised; /* a certificate is held */
    struct consensus_cert notar_cert, final_cert;
    bool has_proposed;     /* we are its leader */
    uint64_t cand_sent_ms; /* in this run; 0: not, or in a former one */
    uint64_t asked_ms;     /* for a candidate that we lack */
    bool is_named;         /* what is certified stands on a candidate of this slot: this one */
    struct base_hash32 named;
};

struct engine_window {
    uint64_t number;
    struct consensus_skips skips;
    bool has_skip; /* ours */
    uint64_t skip_from;
    bool is_certified;
    struct consensus_cert cert; /* the widest so far */
};

struct engine_last { /* vote of a voter and kind that we have seen, however long ago */
    bool is_held;
    uint64_t first;
    struct base_hash32 hash;
    struct base_sig65 sig;
};

struct engine_out { /* a record that is not stored yet, and what follows when it is */
    uint64_t number;
    struct base_vote vote;
    struct base_sig65 sig;
};

struct consensus_engine {
    struct consensus_params params;
    uint64_t epoch;
    struct base_hash32 epoch_id, genesis;
    struct consensus_voters voters;
    struct consensus_voter *voter_list;
    struct consensus_schedule schedule;
    struct consensus_lead *leads;
    size_t self, first_leader;
    struct consensus_host host;
    uint64_t now_ms, started_ms;

    uint16_t *leaders; /* by window, as far as the schedule has been asked */
    size_t leader_count, leader_cap;

    struct engine_slot **slots; /* ascending; above the last final one */
    size_t slot_count, slot_cap;
    struct engine_window **windows; /* ascending; from the last final slot's on */
    size_t window_count, window_cap;
    struct engine_cand **finals; /* the last final candidates, in order */
    size_t final_count;
    struct engine_cand **olds; /* of our log, below the state that we began with: for who asks */
    size_t old_count, old_at;

    uint64_t final_slot; /* CONSENSUS_NO_SLOT: none */
    struct base_hash32 final_hash;
    struct consensus_cert final_cert; /* of it, or of a descendant */
    uint64_t logged;   /* slots below: a FINAL certificate of one above them is in our log */
    uint64_t lack_ms;  /* since then a candidate of what is certified to be final is missing; 0 */
    uint64_t top_slot; /* highest with a certificate; CONSENSUS_NO_SLOT */

    uint64_t active_ms;
    uint64_t active;                  /* window; CONSENSUS_NO_SLOT before the first step */
    uint64_t skip_ms, fin_ms, end_ms; /* T_skip, T_fin, and the window's own end */
    uint64_t short_skip_ms;           /* instead of T_skip, when the leader is gone */
    uint64_t overdue;                 /* window whose leader withholds; CONSENSUS_NO_SLOT */
    uint64_t propose_ms;              /* not before */
    uint64_t paced_ms;                /* with entries: as if each had waited for the one before */
    uint64_t wait_ms;                 /* L2: a vote that waits until then */
    uint64_t status_ms, still_ms, still_gap_ms;
    bool has_entries, is_resigning;
    uint64_t *dead_ms;         /* by voter: since when membership says so; 0: it lives */
    uint64_t *heads;           /* by voter: the block it judges by; 0: not known */
    uint64_t *heard_ms;        /* by voter; 0: never */
    struct engine_last *lasts; /* by voter, CONSENSUS_VOTE_KINDS each */
    bool *has_shown;           /* by voter: what it holds of our votes */
    uint8_t *payload;          /* where the log above puts the entries of a candidate */

    uint64_t notar_top;  /* our highest NOTAR; CONSENSUS_NO_SLOT: none */
    uint64_t began_slot; /* the last final one when we began */
    size_t led_by;       /* whom we last notarised for; voter_count: nobody in this epoch */
    uint64_t led_window, led_seen_ms;
    bool is_restored;
    uint64_t lease_until_ms;
    uint64_t lease_first; /* slots below give none: their window was given up */
    uint64_t lease_from_ms;
    bool needs_state;
    uint64_t want_ms; /* the state was last asked for; 0: never */
    bool is_mute, abstains, is_listening;

    uint64_t numbered;
    struct engine_out *outs;
    size_t out_count, out_cap;

    struct consensus_action *actions;
    size_t action_count, action_cap;
    void **trash; /* freed at the next step: actions may point to it */
    size_t trash_count, trash_cap;
    bool is_broken; /* out of memory: nothing of this step can be relied on */
    uint64_t refused;
};

/* engine_table.c */
uint64_t engine_window_of(const struct consensus_engine *e, uint64_t slot);
uint64_t engine_window_last(const struct consensus_engine *e, uint64_t window);
size_t engine_leader(struct consensus_engine *e, uint64_t window);
struct engine_slot *engine_slot_find(const struct consensus_engine *e, uint64_t slot);
struct engine_slot *engine_slot_get(struct consensus_engine *e,
                                    uint64_t slot); /* NULL: no memory */
struct engine_window *engine_window_find(const struct consensus_engine *e, uint64_t window);
struct engine_window *engine_window_get(struct consensus_engine *e, uint64_t window);
/* Are we held dead ourselves? Then we vote, and lead no more. */
bool engine_is_out(const struct consensus_engine *e);
struct engine_cand *engine_cand_find(const struct consensus_engine *e, uint64_t slot,
                                     const struct base_hash32 *hash);
struct engine_cand *engine_cand_add(struct consensus_engine *e, struct engine_slot *s,
                                    const struct consensus_candidate *c,
                                    const struct base_hash32 *hash);
/* One of the log that lies below what is final: another may not have it yet. */
void engine_old_add(struct consensus_engine *e, const struct consensus_candidate *c,
                    const struct base_hash32 *hash);
bool engine_is_skipped(const struct consensus_engine *e, uint64_t slot);
/* Is every slot between the two certified to be skipped? parent: CONSENSUS_NO_SLOT, the genesis. */
bool engine_is_gap_skipped(const struct consensus_engine *e, uint64_t parent, uint64_t slot);
uint64_t engine_frontier(const struct consensus_engine *e);
/* The candidates above the final one that this candidate descends from, itself included. */
struct engine_chain {
    struct consensus_above above; /* of those that are held, down to the first that is not */
    bool is_whole;                /* down to the final one */
    bool is_settled;              /* or to one with a FINAL certificate */
    bool is_missing;              /* this one is */
    uint64_t slot;
    struct base_hash32 hash;
};
struct engine_chain engine_chain(const struct consensus_engine *e, uint64_t slot,
                                 const struct base_hash32 *hash);
/* Has a quorum voted for it, or for what descends from it? */
bool engine_is_wanted(const struct engine_slot *s, const struct base_hash32 *hash);
void engine_prune(struct consensus_engine *e); /* what the last final slot makes useless */
void engine_trash(struct consensus_engine *e, void *memory);
bool engine_cert_copy(struct consensus_engine *e, struct consensus_cert *out,
                      const struct consensus_cert *cert);
void engine_tables_free(struct consensus_engine *e);

/* engine.c */
struct consensus_action *engine_act(struct consensus_engine *e, enum consensus_action_type type);
struct consensus_message *engine_send(struct consensus_engine *e, size_t to,
                                      enum consensus_message_type type);
/* Signs and stores; it goes out when it is stored. False: we sign nothing. */
bool engine_vote(struct consensus_engine *e, const struct base_vote *vote,
                 const struct consensus_candidate *cand, const struct consensus_cert *cert);
void engine_fault(struct consensus_engine *e, size_t voter, const struct base_vote *a,
                  const struct base_sig65 *sig_a, const struct base_vote *b,
                  const struct base_sig65 *sig_b);
void engine_count(struct consensus_engine *e, uint16_t voter, const struct base_vote *vote,
                  const struct base_sig65 *sig);
void engine_cert_in(struct consensus_engine *e, const struct consensus_cert *cert);
void engine_send_cert(struct consensus_engine *e, size_t to, const struct consensus_cert *cert);
void engine_send_cand(struct consensus_engine *e, size_t to, const struct engine_cand *cand);
void engine_send_vote(struct consensus_engine *e, size_t to, uint16_t voter,
                      const struct base_vote *vote, const struct base_sig65 *sig);

/* Did we make this one? In this run, or in one that was restored. */
bool engine_is_our_own(const struct consensus_engine *e, const struct base_vote *vote);

/* engine_rules.c */
void engine_progress(struct consensus_engine *e);
void engine_lead(struct consensus_engine *e, struct engine_slot *s); /* its certificate is held */
uint64_t engine_rules_due_ms(const struct consensus_engine *e);

/* engine_sync.c */
void engine_sync_timer(struct consensus_engine *e);
void engine_sync_status(struct consensus_engine *e, size_t from,
                        const struct consensus_status *status);
void engine_sync_get(struct consensus_engine *e, size_t from, uint64_t slot,
                     const struct base_hash32 *hash);
void engine_sync_want(struct consensus_engine *e, uint64_t slot, const struct base_hash32 *hash);
/* A quorum has voted for what descends from it. */
void engine_sync_lacks(struct consensus_engine *e, uint64_t slot, const struct base_hash32 *hash);
void engine_sync_restart(struct consensus_engine *e); /* a new final: not at a standstill */

/* engine_copy.c */
void engine_last_keep(struct consensus_engine *e, size_t voter, enum base_vote_kind kind,
                      uint64_t first, const struct base_hash32 *hash, const struct base_sig65 *sig);
void engine_last_keep_cert(struct consensus_engine *e, const struct consensus_cert *cert);
void engine_copy_found(struct consensus_engine *e); /* our key signs, or has signed, without us */
void engine_copy_in_cert(struct consensus_engine *e, const struct consensus_cert *cert);
void engine_listen(struct consensus_engine *e); /* no more, when enough have shown theirs */
int engine_shown(struct consensus_engine *e, size_t from, const struct consensus_shown *shown);

#endif
