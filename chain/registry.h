#ifndef NFTMESH_CHAIN_REGISTRY_H
#define NFTMESH_CHAIN_REGISTRY_H

#include "base/bytes.h"

/* The contract's seats as of one reference block: what admission judges by. A snapshot is
 * immutable once built; a new one replaces it whole, nothing is ever merged. */
#define CHAIN_URL_BYTES_MAX 256
#define CHAIN_APP_IDS_MAX   64
#define CHAIN_ROOTS_MAX     8
#define CHAIN_SEATS_MAX     4096
#define CHAIN_PAGE_SEATS    32
#define CHAIN_NONE          UINT32_MAX
#define CHAIN_BLOCK_NONE    UINT64_MAX

/* Which contract it is. The prototype's stores no keys: its seats have owner, instance, activity
 * and URL only, and which keys stand on them the node learns elsewhere. */
enum chain_kind { CHAIN_KIND_UNKNOWN = 0, CHAIN_KIND_NFTMESH, CHAIN_KIND_PROTOTYPE };
const char *chain_kind_name(enum chain_kind kind); /* unknown, nftmesh, prototype */

struct chain_seat {
    struct base_u256 token_id;
    struct base_eth_address owner;    /* ownerOf at the block */
    struct base_eth_address bound_by; /* the wallet that registered; zero when unregistered */
    struct base_eth_address instance; /* zero when no instance is bound */
    bool has_keys;                    /* node_key, proof_key, app_id, root_epoch are meaningful */
    struct base_key33 node_key, proof_key;
    struct base_eth_address app_id;
    uint64_t root_epoch;
    uint64_t expires_at;      /* seconds since 1970 */
    uint64_t suspended_until; /* seconds since 1970, 0 for never */
    bool active;
    uint32_t weight;
    uint64_t nonce;
    char url[CHAIN_URL_BYTES_MAX + 1];
    size_t url_len;
    bool url_too_long; /* prototype: longer than we hold, and left out */
    /* Prototype: the newest block, up to the reference, in which the token changed hands (minting
     * too); 0 when there is none from transfers_from_block of the snapshot on. */
    uint64_t last_transfer_block;
};

struct chain_root { /* a KMS root that somebody here cares about, and its epoch on chain */
    struct base_eth_address root;
    uint64_t epoch; /* 0: the contract never had it */
};

struct chain_block {
    uint64_t number;
    struct base_hash32 hash, parent_hash;
    uint64_t time_s; /* the block's own timestamp */
};

struct chain_snapshot {
    enum chain_kind kind;
    uint64_t chain_id;
    struct base_eth_address contract;
    struct chain_block block;
    struct base_eth_address kms_root; /* what the contract names now */
    uint64_t root_epoch;              /* prototype, which has no epochs: 1, as of each root below */
    struct base_eth_address app_ids[CHAIN_APP_IDS_MAX];
    size_t app_id_count;
    struct chain_root roots[CHAIN_ROOTS_MAX]; /* epochs of the pinned roots, as asked for */
    size_t root_count;
    struct base_hash32 revision; /* another one when anything read has changed */
    /* Prototype: every transfer from this block to the reference is known. A statement issued at
     * it or later can be judged: void when last_transfer_block is above its block. An older one
     * cannot, yet or for good. CHAIN_BLOCK_NONE: nothing is known yet, so nothing can be judged.
     * 0 with our own contract, where it has no meaning. */
    uint64_t transfers_from_block;
    struct chain_seat *seats; /* sorted by token id */
    size_t seat_count;
    uint32_t *by_key; /* indices of seats with keys, sorted by node key */
    size_t by_key_count;
};

/* Builds the indices; takes a copy of seats, and all else from head, whose own seats are not looked
 * at: so the copy of a snapshot with keys filled in is
 *     chain_snapshot_new(&derived, raw, seats, raw->seat_count).
 * BASE_ENOMEM, BASE_ETOOBIG (above CHAIN_SEATS_MAX), BASE_EMALFORMED (two seats with one token id
 * or one node key). Free with chain_snapshot_free. */
int chain_snapshot_new(struct chain_snapshot **out, const struct chain_snapshot *head,
                       const struct chain_seat *seats, size_t seat_count);
void chain_snapshot_free(struct chain_snapshot *snapshot);

/* NULL when there is none. Borrowed from the snapshot. */
const struct chain_seat *chain_snapshot_find_key(const struct chain_snapshot *snapshot,
                                                 const struct base_key33 *node_key);
const struct chain_seat *chain_snapshot_find_token(const struct chain_snapshot *snapshot,
                                                   const struct base_u256 *token_id);
/* Several seats may be bound to an instance and one registered for it: that one, else the lowest.
 */
const struct chain_seat *chain_snapshot_find_instance(const struct chain_snapshot *snapshot,
                                                      const struct base_eth_address *instance);
bool chain_snapshot_allows_app(const struct chain_snapshot *snapshot,
                               const struct base_eth_address *app_id);
/* The epoch of a root: the contract's current one, or one of roots[]. 0 when unknown. */
uint64_t chain_snapshot_root_epoch(const struct chain_snapshot *snapshot,
                                   const struct base_eth_address *root);

#endif
