#ifndef NFTMESH_GOSSIP_RECORD_STORE_H
#define NFTMESH_GOSSIP_RECORD_STORE_H

#include "base/bytes.h"
#include "gossip/record.h"

/* Records as they were signed, each kept once and counted: immutable while anybody holds it.
 *
 * Memory is reserved for count_max records of the greatest size; a record touches what it weighs,
 * rounded up to one of a few sizes, each with a region of its own: so neither the order in which
 * sizes come and go nor anybody's bytes can use it up before count_max records live. */
struct gossip__stored {
    struct gossip__stored *next; /* in its hash chain, or among the free */
    uint64_t hash;               /* of the body: its chain */
    uint64_t incarnation, sequence;
    uint64_t digest; /* what it adds to a table's sum while its member has not left */
    uint32_t hold_count;
    uint16_t body_len, proof_len;
    uint8_t size_class;
    struct base_key33 key;
    struct base_eth_address instance;
    struct base_sig65 sig;
    uint8_t bytes[]; /* body, then proof */
};

/* A record on its way in: record is body, decoded. */
struct gossip__version {
    const struct gossip_record *record;
    struct base_slice body, proof;
    const struct base_sig65 *sig;
};

#define GOSSIP__SIZE_CLASSES 6
struct gossip__store {
    struct gossip__stored **chains;
    size_t chain_mask;
    size_t count, count_max;
    uint64_t seed; /* nobody from outside chooses who shares a chain */
    uint8_t *regions[GOSSIP__SIZE_CLASSES];
    size_t region_used[GOSSIP__SIZE_CLASSES];
    struct gossip__stored *free[GOSSIP__SIZE_CLASSES];
    uint8_t *memory;
    size_t bytes_used; /* that have been touched */
};

/* BASE_ENOMEM */
int gossip__store_init(struct gossip__store *store, size_t count_max, uint64_t seed);
void gossip__store_deinit(struct gossip__store *store);

/* The one copy of this version, held once more; NULL when count_max others live. */
const struct gossip__stored *gossip__store_put(struct gossip__store *store,
                                               const struct gossip__version *version);
/* This body under this signature, if it is here: then it was decoded and verified before it came
 * in, and need not be again. NULL otherwise. Not held for the caller. */
const struct gossip__stored *gossip__store_find(const struct gossip__store *store,
                                                const struct base_slice *body,
                                                const struct base_sig65 *sig);
/* What the store knows of a record without decoding it: key, instance and version. */
void gossip__stored_head(struct gossip_record *out, const struct gossip__stored *stored);
const struct gossip__stored *gossip__store_hold(const struct gossip__stored *stored);
/* NULL is fine. */
void gossip__store_release(struct gossip__store *store, const struct gossip__stored *stored);

struct base_slice gossip__stored_body(const struct gossip__stored *stored);
struct base_slice gossip__stored_proof(const struct gossip__stored *stored);

/* What a member of this key and version adds to the digest. body: its record, by which two of one
 * version are told apart; NULL and leave_incarnation not 0: it has left. */
uint64_t gossip__digest_of(const struct base_key33 *key, uint64_t incarnation, uint64_t sequence,
                           uint64_t leave_incarnation, const struct base_slice *body);

#endif
