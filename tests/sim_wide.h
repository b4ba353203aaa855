#ifndef NFTMESH_TESTS_SIM_WIDE_H
#define NFTMESH_TESTS_SIM_WIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prng.h"
#include "gossip/frame.h"
#include "gossip/gossip.h"

/* A mesh of thousands of gossip cores in one thread and in virtual time, with a network that is
 * light enough for it: no faults but deaths, one latency a pair, frames in order. The cores are
 * the real ones, and so is every frame between them; records they share (gossip_shared), and a
 * keyed hash stands for signatures. For faults there is sim.h, for meshes of hundreds. */
#define WIDE_NODES_MAX  GOSSIP_MEMBERS_MAX
#define WIDE_DELAY_MAX  50  /* ms one way, at least 1: fixed for each pair, evenly spread */
#define WIDE_PROOF_SIZE 217 /* bytes of a member's signature chain as nodes carry it */

struct wide_link {
    uint16_t peer;
    uint32_t serial; /* of the link: what was sent over another is lost */
};
struct wide_node {
    struct gossip *core; /* NULL: not started yet, or dead */
    struct base_key33 key;
    uint64_t armed_ms; /* when its timer event is due; 0: none */
    struct wide_link *links;
    uint16_t link_count, link_cap;
    uint16_t alive;     /* members that it lists as such */
    uint16_t event_hop; /* over how many peers the event came; 0: it has not */
    bool holds_victim_failed;
};

/* What the actions of all cores have said so far. */
struct wide_counts {
    uint64_t frames, bytes, dials;
    uint32_t complete;        /* nodes that list as alive exactly those that should be */
    uint32_t heard, hops_max; /* the event */
    uint32_t buried;          /* nodes that hold the victim failed */
    uint64_t suspicions, false_failures;
    uint64_t first_suspect_ms, first_failed_ms;
};

struct wide {
    struct base_prng prng;
    uint64_t seed, now_ms, trace;
    uint32_t count, links_max, alive_target, victim; /* victim: count when there is none */
    struct wide_node *nodes;
    struct gossip_shared *shared;
    struct wide_counts counts;
    uint32_t serial;
    struct wide_net *net;
};

int wide_new(struct wide *w, uint64_t seed, uint32_t count, uint32_t links_max);
void wide_free(struct wide *w);

void wide_start(struct wide *w, uint32_t i);
/* A link between two that run, as a handshake leaves it. */
void wide_connect(struct wide *w, uint32_t i, uint32_t j);
void wide_dial(struct wide *w, uint32_t i, uint32_t j);
void wide_start_at(struct wide *w, uint32_t i, uint32_t seed_node, uint64_t at_ms);
void wide_kill(struct wide *w, uint32_t i);
int wide_step(struct wide *w, uint32_t i, const struct gossip_event *ev, uint16_t hop);
/* Everything up to and with this millisecond. */
void wide_run_ms(struct wide *w, uint64_t until_ms);

/* wide_net.c: what is on its way */
enum wide_what {
    WIDE_TIMER = 1,
    WIDE_FRAME,
    WIDE_DIAL,   /* node's dial arrives at peer */
    WIDE_READY,  /* the handshake is through: node is up with peer, whom it dialled */
    WIDE_UP,     /* and so is the other end */
    WIDE_FAILED, /* node learns that its dial to peer was refused */
    WIDE_CLOSE,
    WIDE_START /* node starts and dials peer */
};
struct wide_blob { /* a body on its way to some peers */
    uint32_t holds, len;
    uint8_t bytes[];
};
struct wide_event {
    struct wide_event *next;
    struct wide_blob *blob;
    uint32_t serial;
    uint16_t node, peer, hop;
    uint8_t what, type;
};
struct wide_net *wide_net_new(void);
void wide_net_free(struct wide_net *net);
/* Copied. In one millisecond what was put first comes first. */
void wide_net_put(struct wide *w, uint64_t at_ms, struct wide_event ev);
/* The next one of this millisecond, or NULL; give it back with wide_net_done(). */
struct wide_event *wide_net_take(struct wide *w);
void wide_net_done(struct wide *w, struct wide_event *ev);
struct wide_blob *wide_blob_new(const void *bytes, size_t len);
uint64_t wide_delay_ms(const struct wide *w, uint32_t i, uint32_t j);
uint32_t wide_index(const struct wide *w, const struct base_key33 *key); /* count: nobody's */
void wide_net_index(struct wide *w); /* after the keys are there */

#endif
