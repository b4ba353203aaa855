#ifndef NFTMESH_CONSENSUS_ENTRY_H
#define NFTMESH_CONSENSUS_ENTRY_H

#include "base/eip712.h"
#include "base/pack.h"

/* What the log is made of. A member signs what it wants done, as bytes, so that no leader can speak
 * for it; each is done once, by (submitter, nonce). A candidate's payload is a list of such, or one
 * entry that ends the epoch, and may name the state of the log at a slot that is final.
 *
 * An entry: 0 kind  1 epoch in which it was made: void two epochs later  2 submitter  3 nonce, and
 *   PUT             4 key  5 value                           sets a key
 *   DELETE          4 key
 *   ADD             4 key  5 amount  6 request (or none)     adds to a number, once a request
 *   EVIDENCE        4 voter  5 epoch's id  6, 7 two votes: kind, first, last, hash  8, 9 signatures
 *   CHALLENGE       4 target  5 what for  6 note
 *   CHALLENGE_VOTE  4 challenge  5 yes (1) or no (0)
 * A payload: 0 array of body, signature, ..  1 state: slot, candidate's hash, digest
 *            2 epoch's end: block, its hash, its time, digest of the next record */
#define CONSENSUS_ENTRY_BYTES_MAX   2048
#define CONSENSUS_PAYLOAD_ENTRIES   256
#define CONSENSUS_KEY_BYTES_MAX     128
#define CONSENSUS_VALUE_BYTES_MAX   1024
#define CONSENSUS_REQUEST_BYTES_MAX 64
#define CONSENSUS_NOTE_BYTES_MAX    128

enum consensus_entry_kind {
    CONSENSUS_ENTRY_PUT = 1,
    CONSENSUS_ENTRY_DELETE,
    CONSENSUS_ENTRY_ADD,
    CONSENSUS_ENTRY_EVIDENCE,
    CONSENSUS_ENTRY_CHALLENGE,
    CONSENSUS_ENTRY_CHALLENGE_VOTE
};
const char *consensus_entry_name(enum consensus_entry_kind kind); /* "put" .. */

enum consensus_complaint { /* what a member is challenged for */
                           CONSENSUS_UNRESPONSIVE = 1,
                           CONSENSUS_SLOW,
                           CONSENSUS_WRONG, /* answers wrongly */
                           CONSENSUS_CENSORS,
                           CONSENSUS_STALE /* shows stale proofs */
};
const char *consensus_complaint_name(enum consensus_complaint complaint); /* "unresponsive" .. */
int consensus_complaint_parse(enum consensus_complaint *out, const char *text); /* BASE_EINVAL */

struct consensus_entry { /* slices borrowed */
    enum consensus_entry_kind kind;
    uint64_t epoch;
    struct base_key33 submitter;
    uint64_t nonce; /* grows; not 0 */
    union {
        struct {
            struct base_slice key, value;
        } put; /* DELETE: no value */
        struct {
            struct base_slice key, request;
            uint64_t amount;
        } add;
        struct {
            struct base_key33 voter;
            struct base_vote a, b;
            struct base_sig65 sig_a, sig_b;
        } evidence;
        struct {
            struct base_key33 target;
            enum consensus_complaint complaint;
            struct base_slice note;
        } challenge;
        struct {
            uint64_t id;
            bool is_yes;
        } vote;
    } u;
};
/* BASE_ETOOBIG: above cap, or above its bounds. */
int consensus_entry_encode(void *out, size_t *len, size_t cap, const struct consensus_entry *entry);
/* Borrows from data. BASE_EMALFORMED, BASE_ETOOBIG, BASE_EUNSUPPORTED: no such kind. */
int consensus_entry_decode(struct consensus_entry *out, const void *data, size_t len);

struct consensus_signed { /* borrowed */
    struct base_slice body;
    struct base_sig65 sig;
};
struct consensus_payload {
    struct consensus_signed entries[CONSENSUS_PAYLOAD_ENTRIES];
    size_t count;
    bool has_state;
    uint64_t state_slot;
    struct base_hash32 state_hash, state;
    bool is_closing; /* and then there are no entries */
    uint64_t block, block_time_s;
    struct base_hash32 block_hash, next;
};
/* No bytes at all when there is nothing to say. BASE_ETOOBIG. */
int consensus_payload_encode(void *out, size_t *len, size_t cap, const struct consensus_payload *p);
/* BASE_EMALFORMED, BASE_ETOOBIG. Entries are not looked into. */
int consensus_payload_decode(struct consensus_payload *out, const void *data, size_t len);

#endif
