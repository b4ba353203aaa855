#ifndef NFTMESH_CONSENSUS_STATE_H
#define NFTMESH_CONSENSUS_STATE_H

#include "consensus/entry.h"
#include "consensus/epoch.h"

/* What the log comes to: keys and values, whose entries have been done, who is suspended or
 * benched, and open challenges. The same entries in the same order give the same state, byte for
 * byte; everything is bounded, and what does not fit is refused by all alike.
 *
 * One map, lists in ascending order: 0 key, value  1 submitter, epoch, highest nonce, bits of the
 * 64 below it  2 request, result (oldest first)  3 suspended: key, until, offences, epoch's id 4
 * benched: key, until  5 challenges: id, challenger, target, what for, note, slot, verdict, yes, no
 * 6 number of challenges ever */
#define CONSENSUS_STATE_BYTES_MAX  ((size_t)384 << 10)
#define CONSENSUS_STATE_KEYS       512
#define CONSENSUS_STATE_TEXT_BYTES ((size_t)64 << 10) /* of all keys and values */
#define CONSENSUS_STATE_SESSIONS   2048
#define CONSENSUS_STATE_REQUESTS   2048 /* results that a retry finds again */
#define CONSENSUS_STATE_PENALTIES  256
#define CONSENSUS_STATE_CHALLENGES 64
#define CONSENSUS_NONCES_BACK      64 /* an entry that comes after so many later ones is void */
#define CONSENSUS_SUSPENDED_S      UINT64_C(604800) /* seven days, twice as long each time */
#define CONSENSUS_BENCHED_S        UINT64_C(86400)
#define CONSENSUS_CHALLENGE_SLOTS  120 /* in which votes count */
#define CONSENSUS_CHALLENGE_GAP    600 /* slots between two of one challenger */

struct consensus_state;
int consensus_state_new(struct consensus_state **out); /* BASE_ENOMEM */
void consensus_state_free(struct consensus_state *s);  /* NULL is fine */
int consensus_state_copy(struct consensus_state **out, const struct consensus_state *s);

/* *bytes is the state's own, until it changes. BASE_ENOMEM. */
int consensus_state_encode(struct consensus_state *s, struct base_slice *bytes);
/* BASE_EMALFORMED, BASE_ETOOBIG, BASE_ENOMEM. */
int consensus_state_decode(struct consensus_state **out, const void *data, size_t len);
int consensus_state_digest(struct consensus_state *s, struct base_hash32 *digest); /* BASE_ENOMEM */

enum consensus_outcome {
    CONSENSUS_DONE = 0,
    CONSENSUS_REPEATED,   /* this request was done before: value is what it was given then */
    CONSENSUS_NONCE_USED, /* nothing was done: another entry had the nonce, or it is too old */
    CONSENSUS_VOID,       /* made in an epoch that is long over, or by no voter of this one */
    CONSENSUS_NO_NUMBER,  /* the value is none, or would be too large */
    CONSENSUS_FULL,       /* no room for more keys or bytes */
    CONSENSUS_UNKNOWN,    /* no such key, target or challenge; or its time is over */
    CONSENSUS_ALREADY     /* suspended for it, challenging somebody already, or has voted */
};
const char *consensus_outcome_name(enum consensus_outcome outcome);
struct consensus_result {
    enum consensus_outcome outcome;
    uint64_t value; /* ADD: the number then; CHALLENGE: its id */
};
struct consensus_moment { /* when and where an entry is done */
    uint64_t epoch, slot;
    uint64_t time_s; /* of the epoch's block */
    const struct consensus_voters *voters;
};
/* Signatures have been checked. BASE_ENOMEM: the state cannot be relied on any more. */
int consensus_state_apply(struct consensus_state *s, const struct consensus_moment *at,
                          const struct consensus_entry *entry, struct consensus_result *out);
/* An epoch begins: what belongs to former ones goes. */
void consensus_state_turn(struct consensus_state *s, uint64_t epoch);

/* The highest of a submitter's nonces that is remembered; 0: none is. */
uint64_t consensus_state_nonce(const struct consensus_state *s, const struct base_key33 *key);

/* ctx of struct consensus_world. */
enum consensus_standing consensus_state_standing(const void *state, const struct base_key33 *key,
                                                 uint64_t time_s);

/* ---- to look at ---- */
/* BASE_ENOTFOUND. Borrowed until the next change. */
int consensus_state_get(const struct consensus_state *s, const struct base_slice *key,
                        struct base_slice *value);
size_t consensus_state_key_count(const struct consensus_state *s);
void consensus_state_key_at(const struct consensus_state *s, size_t index, struct base_slice *key,
                            struct base_slice *value);

enum consensus_verdict { CONSENSUS_OPEN = 0, CONSENSUS_UPHELD, CONSENSUS_DISMISSED };
struct consensus_challenge {
    uint64_t id;
    struct base_key33 challenger, target;
    enum consensus_complaint complaint;
    char note[CONSENSUS_NOTE_BYTES_MAX];
    size_t note_len;
    uint64_t slot; /* of the epoch; votes count for CONSENSUS_CHALLENGE_SLOTS */
    enum consensus_verdict verdict;
    uint8_t yes[CONSENSUS_MEMBERS_MAX / 8], no[CONSENSUS_MEMBERS_MAX / 8]; /* bits, by voter */
};
size_t consensus_state_challenge_count(const struct consensus_state *s);
const struct consensus_challenge *consensus_state_challenge_at(const struct consensus_state *s,
                                                               size_t index);
bool consensus_challenge_has_voted(const struct consensus_challenge *c, size_t voter, bool *is_yes);

struct consensus_penalty {
    struct base_key33 key;
    uint64_t until_s;
    uint64_t offences;           /* benched: 0 */
    struct base_hash32 epoch_id; /* of the last offence */
};
size_t consensus_state_suspended_count(const struct consensus_state *s);
const struct consensus_penalty *consensus_state_suspended_at(const struct consensus_state *s,
                                                             size_t index);

#endif
