#ifndef NFTMESH_CONSENSUS_ENGINE_H
#define NFTMESH_CONSENSUS_ENGINE_H

#include "consensus/cert.h"
#include "consensus/schedule.h"

/* One epoch of the cluster's consensus: weighted Simplex with leader windows. Pure: monotonic time
 * and events in, actions out; nothing is sent that has not been stored before.
 *
 * Source: docs/consensus.md, which names the rules (N1 .. C3, L2) that the code refers to. */
#define CONSENSUS_NO_SLOT      UINT64_MAX
#define CONSENSUS_PAYLOAD_MAX  49152 /* bytes of a candidate's entries */
#define CONSENSUS_WINDOW_SLOTS 600
#define CONSENSUS_KEPT_FINAL   128 /* final candidates that peers behind may ask for */
#define CONSENSUS_JUMP_SLOTS   64  /* so far behind, the log's state is asked for instead */

struct consensus_engine;

/* A leader's proposal for a slot. Its hash names all of it. */
struct consensus_candidate {
    uint64_t slot;
    uint64_t parent_slot;           /* CONSENSUS_NO_SLOT: the epoch's genesis */
    struct base_hash32 parent_hash; /* of the parent candidate, or the genesis */
    struct base_slice payload;      /* borrowed */
    struct base_sig65 sig;          /* the leader's, of its CAND vote */
};
void consensus_candidate_hash(struct base_hash32 *hash, const struct base_hash32 *epoch_id,
                              const struct consensus_candidate *candidate);

struct consensus_vote_message { /* signed by the voter at this index */
    uint16_t voter;
    struct base_vote vote;
    struct base_sig65 sig;
};

struct consensus_status {
    uint64_t frontier;   /* lowest slot that is not cleared */
    uint64_t final_slot; /* CONSENSUS_NO_SLOT: none yet */
    uint64_t epoch;      /* its number */
    uint64_t head;       /* the block that the sender judges by */
};

enum consensus_message_type {
    CONSENSUS_MSG_CAND = 1,
    CONSENSUS_MSG_VOTE,
    CONSENSUS_MSG_CERT,
    CONSENSUS_MSG_GET, /* the candidate of this slot and hash, please */
    CONSENSUS_MSG_STATUS
};
struct consensus_message { /* decoded; the bytes may be hostile, the sender is a member */
    enum consensus_message_type type;
    struct base_hash32 epoch_id;
    union {
        struct consensus_candidate cand;
        struct consensus_vote_message vote;
        struct consensus_cert cert; /* borrowed */
        struct {
            uint64_t slot;
            struct base_hash32 hash;
        } get;
        struct consensus_status status;
    } u;
};

enum consensus_judgement {
    CONSENSUS_VALID = 0,
    CONSENSUS_INVALID, /* by the log alone: the leader is skipped for it */
    CONSENSUS_NOT_YET  /* asked again at every step */
};

struct consensus_marks { /* what entries mean for the engine, by their bytes alone */
    bool has_entries;    /* they change the log's state */
    bool is_closing;     /* they end the epoch when they are final */
    bool has_state;      /* they name the state of the log as of a slot that is final */
    uint64_t state_slot;
    struct base_hash32 state_hash; /* of the candidate of that slot */
    struct base_hash32 state;
};
struct consensus_above { /* of the candidates between the last final one and the one in question */
    bool has_entries, is_closed;
};
struct consensus_host { /* what the log above says; called inside a step, pure */
    void *ctx;
    int (*sign)(void *ctx, const struct base_vote *vote, struct base_sig65 *sig);
    consensus_verify verify;
    void (*read)(void *ctx, const struct base_slice *payload, struct consensus_marks *out);
    /* The entries of our next candidate; at most cap bytes. */
    size_t (*fill)(void *ctx, uint64_t slot, const struct consensus_above *above, void *out,
                   size_t cap);
    enum consensus_judgement (*judge)(void *ctx, uint64_t slot, const struct consensus_above *above,
                                      const struct base_slice *payload);
};

struct consensus_params { /* milliseconds; consensus_params_default() fills them */
    uint32_t window_slots;
    uint32_t slot_ms;                          /* between candidates without entries */
    uint32_t pace_ms;                          /* between candidates with some, in the long run */
    uint32_t pace_burst;                       /* so many of them need not wait for it */
    uint32_t skip_ms, skip_max_ms;             /* T_skip, and its end of growth */
    uint32_t short_ms;                         /* instead, when the leader is known to be dead */
    uint32_t lease_ms;                         /* T_lease */
    uint32_t drift_permille;                   /* rho: how far apart two clocks' rates may be */
    uint32_t standstill_ms, standstill_max_ms; /* T_s */
};
void consensus_params_default(struct consensus_params *params);

struct consensus_config { /* copied, but for host.ctx */
    struct consensus_params params;
    uint64_t epoch; /* its number */
    struct base_hash32 epoch_id;
    struct base_hash32 genesis;           /* parent of the first candidate */
    const struct consensus_voter *voters; /* by key */
    const struct consensus_lead *leads;   /* the same keys; priorities as of the epoch's record */
    size_t voter_count;
    size_t self;            /* index; voter_count: we only watch */
    size_t first_leader;    /* whom the first window is given to; voter_count: whose turn it is */
    uint64_t lease_from_ms; /* nobody's lease counts before (L3) */
    bool is_restart;        /* we may have voted in it before: what we saw then is not known */
    bool needs_state;       /* nothing is final for us before EV_STATE */
    bool is_listening;   /* our log is empty: we sign nothing before voters of a quorum, ourselves
                          * among them, have shown what they hold of our votes (EV_SHOWN) */
    uint64_t final_slot; /* the state that is held is as of this slot; CONSENSUS_NO_SLOT: genesis */
    struct base_hash32 final_hash;
    struct consensus_host host;
};
/* BASE_EINVAL, BASE_ENOMEM. */
int consensus_engine_new(struct consensus_engine **out, const struct consensus_config *config,
                         uint64_t now_ms);
void consensus_engine_free(struct consensus_engine *e);

/* What is stored before a vote is sent; after a start it is given back in the same order. Borrowed.
 */
struct consensus_record {
    enum consensus_record_kind {
        CONSENSUS_RECORD_CAND = 1, /* our own, with its body */
        CONSENSUS_RECORD_NOTAR,    /* with the candidate */
        CONSENSUS_RECORD_FINAL,    /* with the certificate that allows it */
        CONSENSUS_RECORD_SKIP,
        CONSENSUS_RECORD_CERT /* of a slot that is final, or of slots that are skipped */
    } kind;
    struct base_vote vote;
    struct base_sig65 sig;
    const struct consensus_candidate *cand; /* CAND, NOTAR */
    const struct consensus_cert *cert;      /* FINAL, CERT */
};
/* Before the first step. BASE_EINVAL: not of this epoch, or not ours. BASE_ENOMEM. */
int consensus_engine_restore(struct consensus_engine *e, const struct consensus_record *record);

enum consensus_event_type {
    CONSENSUS_EV_TIMER = 1,
    CONSENSUS_EV_MESSAGE,
    CONSENSUS_EV_STORED,       /* all records up to this number are on disk */
    CONSENSUS_EV_STORE_FAILED, /* we sign nothing more */
    CONSENSUS_EV_ABSTAIN,      /* we sign nothing for now, or do again */
    CONSENSUS_EV_ENTRIES,      /* there is something to propose, or not any more */
    CONSENSUS_EV_RESIGN,       /* we hand the lead on */
    CONSENSUS_EV_DEAD,         /* what membership says of a voter; of us: we lead no more */
    CONSENSUS_EV_STATE,        /* the log's state as of this candidate is held: go on from there */
    CONSENSUS_EV_HEAD,         /* the block that we judge by */
    CONSENSUS_EV_OVERDUE,      /* the leader of this window withholds what it owes (S2) */
    CONSENSUS_EV_SHOWN         /* what a voter holds of our votes */
};
#define CONSENSUS_VOTE_KINDS 4
struct consensus_shown { /* of our key: its last one of each kind */
    struct base_vote votes[CONSENSUS_VOTE_KINDS];
    struct base_sig65 sigs[CONSENSUS_VOTE_KINDS];
    size_t count;
};
#define CONSENSUS_GUEST(count) ((count) + 1) /* an index: a sender that is no voter */
struct consensus_event {
    enum consensus_event_type type;
    size_t from; /* MESSAGE, SHOWN: index of the sender; MESSAGE: or CONSENSUS_GUEST, which is
                  * answered in this step */
    union {
        const struct consensus_message *message;
        uint64_t stored;
        bool has_entries;
        bool abstains;
        struct {
            size_t voter;
            bool is_dead;
        } dead;
        struct {
            uint64_t slot;
            struct base_hash32 hash;
        } state;
        uint64_t head;
        const struct consensus_shown *shown;
        uint64_t overdue;
    } u;
};

enum consensus_action_type {
    CONSENSUS_ACT_STORE = 1,
    CONSENSUS_ACT_SEND,      /* to the voter at this index; voter_count: to all others */
    CONSENSUS_ACT_FINAL,     /* in order, each once */
    CONSENSUS_ACT_LEADER,    /* another window: who leads it */
    CONSENSUS_ACT_FAULT,     /* two votes that prove a member guilty */
    CONSENSUS_ACT_COPY,      /* a vote of our key that we did not make: we sign nothing more */
    CONSENSUS_ACT_WANT_STATE /* we are far behind: a quorum has named the state as of this slot */
};
struct consensus_action { /* borrowed until the next step */
    enum consensus_action_type type;
    union {
        struct {
            uint64_t number; /* STORED tells up to which */
            struct consensus_record record;
        } store;
        struct {
            size_t to;
            struct consensus_message message;
        } send;
        struct {
            uint64_t slot, parent_slot;
            struct base_hash32 hash;
            struct base_slice payload;
        } final;
        struct {
            uint64_t slot;
            struct base_hash32 hash, state;
        } want_state;
        struct {
            uint64_t window;
            size_t leader;
        } leader;
        struct {
            enum consensus_fault fault;
            size_t voter;
            struct base_vote a, b;
            struct base_sig65 sig_a, sig_b;
        } fault;
    } u;
};
struct consensus_actions {
    const struct consensus_action *list;
    size_t count;
};

/* now_ms never goes back. BASE_OK, or BASE_EMALFORMED for a message that breaks a rule of form:
 * counted, and nothing else. */
int consensus_engine_step(struct consensus_engine *e, uint64_t now_ms,
                          const struct consensus_event *event, struct consensus_actions *out);
/* Then TIMER. */
uint64_t consensus_engine_deadline_ms(const struct consensus_engine *e);

struct consensus_view {
    uint64_t frontier, window, final_slot;
    struct base_hash32 final_hash;
    size_t leader;           /* of the active window */
    uint64_t lease_until_ms; /* ours; 0: none */
    bool is_mute;            /* signs nothing any more */
    bool abstains;           /* signs nothing for now */
    bool is_listening;       /* signs nothing before it knows what others hold of its votes */
    uint64_t refused;        /* messages that broke a rule */
};
void consensus_engine_view(struct consensus_view *out, const struct consensus_engine *e);
/* Who leads this window; voter_count: out of memory. */
size_t consensus_engine_leader(struct consensus_engine *e, uint64_t window);
/* The certificate behind what is final, of it or of a descendant; NULL: nothing is. And a final
 * candidate, counted from the newest; NULL: not kept. Borrowed until the next step. */
const struct consensus_cert *consensus_engine_final_cert(const struct consensus_engine *e);
const struct consensus_candidate *consensus_engine_final_at(const struct consensus_engine *e,
                                                            size_t back);
/* The last vote of a kind that we have seen of a voter in this epoch. False: none. */
bool consensus_engine_last(const struct consensus_engine *e, size_t voter, enum base_vote_kind kind,
                           struct base_vote *vote, struct base_sig65 *sig);
/* The highest block that voters of a quorum, ourselves among them, judge by; 0: not known. */
uint64_t consensus_engine_quorum_head(const struct consensus_engine *e);
/* Weight of those whom we have heard a vote or a STATUS of lately; *heard by voter, may be NULL. */
uint64_t consensus_engine_heard(const struct consensus_engine *e, uint64_t within_ms, bool *heard);
/* May we act as leader at this moment? Ask after each wait and before each answer. */
bool consensus_engine_has_lease(const struct consensus_engine *e, uint64_t now_ms);

#endif
