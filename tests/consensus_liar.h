#ifndef NFTMESH_TESTS_CONSENSUS_LIAR_H
#define NFTMESH_TESTS_CONSENSUS_LIAR_H

#include "consensus_world.h"

/* A lying member: the real engine, and beside it one of the kinds below, which sees what it gets
 * and is about to send, may hide either, and may send anything in its own name: it signs with its
 * own key only. One file each, tests/consensus_liars/NAME.c. */
struct world_liar_kind {
    const char *name;
    const char *lie; /* for --help */
    size_t memory_bytes;
    uint32_t period_ms; /* between two calls of acts */
    /* A message for its engine; false: it does not get it. May be NULL. */
    bool (*hears)(struct world_liar *l, size_t from, const struct consensus_message *m);
    /* A message of its engine to one instance; false: it is not sent. May be NULL. */
    bool (*says)(struct world_liar *l, size_t to, const struct consensus_message *m);
    void (*acts)(struct world_liar *l); /* may be NULL */
};
struct world_liar {
    const struct world_liar_kind *kind;
    struct world *w;
    size_t at, member;
    void *memory;            /* zeroed at the start, and freed at the end */
    struct world_liar_kept { /* what it has heard */
        struct world_message **list;
        size_t count;
    } kept;
};

extern const struct world_liar_kind WORLD_LIAR_EQUIVOCATOR, WORLD_LIAR_DOUBLE_VOTER,
    WORLD_LIAR_SKIP_AND_FINAL, WORLD_LIAR_WITHHOLDER, WORLD_LIAR_LATE_SENDER, WORLD_LIAR_OMITTER,
    WORLD_LIAR_FORGER, WORLD_LIAR_WRONG_EPOCH, WORLD_LIAR_STALE, WORLD_LIAR_LEASE,
    WORLD_LIAR_JUMPER;
#define WORLD_LIARS_COUNT 11
extern const struct world_liar_kind *const WORLD_LIARS[WORLD_LIARS_COUNT];

/* Before the start. */
void world_make_liar(struct world *w, size_t at, const struct world_liar_kind *kind);
void world_liar_free(struct world_liar *l);

/* ---- what liars have in common ---- */
uint64_t liar_random(struct world_liar *l, uint64_t below);
size_t liar_peer(struct world_liar *l); /* somebody else */
bool liar_is_first_half(const struct world_liar *l, size_t to);
struct consensus_message liar_message(const struct world_liar *l, enum consensus_message_type type);
/* Its own vote; hash NULL: a SKIP from this slot on. */
struct consensus_message liar_vote(struct world_liar *l, enum base_vote_kind kind, uint64_t slot,
                                   const struct base_hash32 *hash);
/* A candidate of its own, as a leader; signs it, whatever has become of it. */
bool liar_is_own(const struct world_liar *l, const struct consensus_candidate *c);
struct base_hash32 liar_sign_cand(const struct world_liar *l, struct consensus_candidate *c);
void liar_tell(struct world_liar *l, size_t to, const struct consensus_message *m);
void liar_tell_all(struct world_liar *l, const struct consensus_message *m);
/* Keeps a copy, of the last so many; any of them: NULL: it has none. */
#define LIAR_KEPT_MAX 64
void liar_keep(struct world_liar *l, const struct consensus_message *m);
const struct consensus_message *liar_any(struct world_liar *l, enum consensus_message_type type);
struct consensus_view liar_view(const struct world_liar *l);

/* Inside of the world. */
struct world_message *world_message_new(const struct consensus_message *m);
void world_message_drop(struct world_message *copy);

#endif
