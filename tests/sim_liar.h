#ifndef NFTMESH_TESTS_SIM_LIAR_H
#define NFTMESH_TESTS_SIM_LIAR_H

#include "sim.h"

/* A lying member: a node whose core is the real one, and beside it one of the kinds below, which
 * sees what the node receives and is about to send, may hide either, and may send any bytes over
 * the node's own links (sim_inject, sim_inject_bytes). It signs with its own key only: sim_sign()
 * with its own index. One file each, tests/liars/NAME.c. */
struct sim_liar;
struct sim_liar_kind {
    const char *name;
    const char *lie; /* for --help */
    size_t memory_bytes;
    uint32_t period_ms; /* between two calls of acts */
    /* A frame for its node; false: its own core does not get it. May be NULL. */
    bool (*hears)(struct sim_liar *l, uint32_t from, uint8_t type, const uint8_t *body, size_t len);
    /* A frame of its own core; false: it is not sent. May be NULL. */
    bool (*says)(struct sim_liar *l, uint32_t to, uint8_t type, const uint8_t *body, size_t len);
    void (*acts)(struct sim_liar *l); /* may be NULL */
};
struct sim_liar {
    const struct sim_liar_kind *kind;
    struct sim *s;
    uint32_t i;
    void *memory; /* zeroed at the start */
};

extern const struct sim_liar_kind SIM_LIAR_SLANDERER, SIM_LIAR_FORGER, SIM_LIAR_REPLAYER,
    SIM_LIAR_TWO_FACED, SIM_LIAR_MUTE, SIM_LIAR_FLOODER, SIM_LIAR_FAR_FUTURE, SIM_LIAR_RESURRECTER,
    SIM_LIAR_DIGEST, SIM_LIAR_GARBAGE;
#define SIM_LIARS_COUNT 10
extern const struct sim_liar_kind *const SIM_LIARS[SIM_LIARS_COUNT];
const struct sim_liar_kind *sim_liar_kind(const char *name); /* NULL: there is none */

/* ---- what liars have in common ---- */
uint32_t sim_liar_peer(struct sim_liar *l);   /* somebody it is linked with, or itself */
uint32_t sim_liar_victim(struct sim_liar *l); /* an honest member, or itself */
/* An UPDATE of one statement, to one peer, or to all that it is linked with. */
struct gossip_item;
void sim_liar_tell(struct sim_liar *l, uint32_t to, const struct gossip_item *item);
/* reach: to how many it claims to give it. */
void sim_liar_tell_reach(struct sim_liar *l, uint32_t to, const struct gossip_item *item,
                         uint32_t reach);
void sim_liar_tell_all(struct sim_liar *l, const struct gossip_item *item);
/* A record of node i, well formed, signed by the liar itself. With_proof: i's own. */
struct sim_liar_record {
    struct gossip_signed_record record;
    struct gossip_item item;
};
void sim_liar_record(struct sim_liar_record *out, struct sim_liar *l, uint32_t i,
                     uint64_t incarnation, uint64_t sequence, const char *tag);

#endif
