#ifndef NFTMESH_CONSENSUS_EPOCH_H
#define NFTMESH_CONSENSUS_EPOCH_H

#include "consensus/schedule.h"
#include "consensus/tally.h"

/* An epoch: who votes, with which weight, and who leads when, all fixed while it lasts. Its record
 * is a function of a block, of the log before it and of the former record, so that members who
 * never speak of it have the same one; its id, the hash of the record, is in everything that is
 * signed.
 *
 * One map: 0 number  1 former id  2 settings  3 chain id  4 contract  5 block number  6 block hash
 *          7 block time  8 closing slot (none: the first epoch)  9 closing hash  10 log's state
 *          11 whom the first window is given to (nobody: left out)
 *          12 members: key, signer, token, weight, standing, priority + 2^63, by key */
#define CONSENSUS_EPOCH_BYTES_MAX 57344 /* fits a frame with what proves it */
#define CONSENSUS_EPOCH_AGE_S     86400 /* an epoch's block is never older */

struct consensus_block {
    uint64_t number;
    struct base_hash32 hash;
    uint64_t time_s;
};
struct consensus_seat { /* one of the registry, with a key on it */
    struct base_key33 key;
    struct base_eth_address signer; /* the key's address */
    struct base_u256 token;
    uint64_t weight; /* tokens behind it; 0: does not count */
};
enum consensus_standing {
    CONSENSUS_STANDS = 0,
    CONSENSUS_BENCHED,  /* by a vote: leads no window */
    CONSENSUS_SUSPENDED /* by evidence: neither votes nor leads */
};
struct consensus_member {
    struct consensus_seat seat;
    enum consensus_standing standing;
    int64_t priority; /* of the schedule, at its beginning */
};
struct consensus_epoch {
    uint64_t number;
    struct base_hash32 previous; /* zero for the first */
    struct base_hash32 settings; /* of what all nodes share */
    uint64_t chain_id;
    struct base_eth_address contract;
    struct consensus_block block;
    uint64_t closing_slot; /* of the former epoch; UINT64_MAX: there was none */
    struct base_hash32 closing_hash;
    struct base_hash32 state;         /* of the log, as it begins */
    struct base_key33 first;          /* zero: the first window is whose turn it is */
    struct consensus_member *members; /* by key; owned */
    size_t member_count;
};
void consensus_epoch_free(struct consensus_epoch *epoch);
int consensus_epoch_copy(struct consensus_epoch *out, const struct consensus_epoch *epoch);

/* BASE_ETOOBIG: above cap, or above CONSENSUS_EPOCH_BYTES_MAX: too many members. */
int consensus_epoch_encode(void *out, size_t *len, size_t cap, const struct consensus_epoch *epoch);
/* BASE_EMALFORMED, BASE_ETOOBIG, BASE_ENOMEM. */
int consensus_epoch_decode(struct consensus_epoch *out, const void *data, size_t len);
/* The id; and what the entry that announces it names, which cannot know its own hash: the same with
 * a closing hash of zero. BASE_ETOOBIG, BASE_ENOMEM. */
int consensus_epoch_id(struct base_hash32 *id, const struct consensus_epoch *epoch);
int consensus_epoch_digest(struct base_hash32 *digest, const struct consensus_epoch *epoch);

/* What the log says of members, for the next record. */
typedef enum consensus_standing (*consensus_standing_of)(const void *ctx,
                                                         const struct base_key33 *key,
                                                         uint64_t time_s);
struct consensus_world { /* what records are made of; seats by key; borrowed */
    struct base_hash32 settings;
    uint64_t chain_id;
    struct base_eth_address contract;
    struct consensus_block block;
    const struct consensus_seat *seats;
    size_t seat_count;
    consensus_standing_of standing; /* NULL: all stand */
    const void *ctx;
    struct base_hash32 state;
};
/* The first epoch of a cluster. BASE_EINVAL: no seat has any weight. BASE_ETOOBIG, BASE_ENOMEM. */
int consensus_epoch_found(struct consensus_epoch *out, const struct consensus_world *w);
/* The one after epoch, closed by an entry of this slot; window_slots as in the engine. The closing
 * hash is left zero. */
int consensus_epoch_next(struct consensus_epoch *out, const struct consensus_epoch *epoch,
                         uint64_t closing_slot, uint32_t window_slots,
                         const struct consensus_world *w);
/* Are its members the world's seats that weigh something, each with this key, signer, token and
 * weight? */
bool consensus_epoch_has_seats(const struct consensus_epoch *epoch,
                               const struct consensus_world *w);
/* Would the next record have other members, weights or standings; or is this one's block too old?
 */
bool consensus_epoch_is_due(const struct consensus_epoch *epoch, const struct consensus_world *w);

/* For the engine: capped weights, 0 for who is suspended; who may lead, or all who vote when nobody
 * may. The caller frees both lists. BASE_ENOMEM, BASE_EINVAL: nobody votes. */
int consensus_epoch_voters(const struct consensus_epoch *epoch, struct consensus_voter **voters,
                           struct consensus_lead **leads);
/* The index of key; member_count: none. */
size_t consensus_epoch_find(const struct consensus_epoch *epoch, const struct base_key33 *key);

#endif
