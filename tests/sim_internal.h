#ifndef NFTMESH_TESTS_SIM_INTERNAL_H
#define NFTMESH_TESTS_SIM_INTERNAL_H

#include "base/prng.h"
#include "sim.h"

/* Shared by sim.c (the machine) and sim_check.c (who looks over its shoulder). */
enum sim__what {
    SIM__TIMER = 1,
    SIM__FRAME,
    SIM__READY,
    SIM__CLOSE,
    SIM__DIAL,
    SIM__DIAL_FAILED,
    SIM__REGISTRY,
    SIM__STUCK,
    SIM__SNAPSHOT
};

struct sim__event {
    uint64_t at_ms, order;
    enum sim__what what;
    uint32_t node, peer;
    uint32_t generation; /* of the link: frames of an older one are dropped */
    uint32_t process;    /* what was meant for a dead process is dropped */
    uint8_t type;
    struct sim__event *next; /* while stalled or parked */
    size_t len;
    uint8_t bytes[];
};

struct sim__way { /* one direction between two nodes */
    bool cut;
    uint64_t busy_until_ms;
    struct sim__event *first, *last; /* stalled */
};

struct sim__end { /* a link as one of the two sees it */
    bool is_up;
    uint32_t generation; /* a half-open old link and a new one may meet */
};

struct sim__link {
    uint32_t generation;     /* of the newest handshake */
    struct sim__end ends[2]; /* of the lower, of the higher index */
    bool stuck_armed;
};

struct sim__seen { /* what node i was last told of node j, and what the checkers remember */
    enum gossip_state state;
    uint64_t incarnation;
};

struct sim__delivered {
    struct base_key33 origin;
    uint64_t epoch, sequence;
    char name[GOSSIP_EVENT_NAME_MAX + 1];
};

struct sim__node {
    struct base_key33 key;
    struct gossip *core; /* NULL: not running */
    uint32_t process;
    uint64_t incarnation, started_incarnation, skew_ms;
    bool has_seat, is_paused, has_left, is_gone, is_host_gone, is_mute;
    bool *view; /* the seats that its snapshot shows */
    bool timer_armed;
    uint64_t timer_ms, spin_ms;
    uint32_t spins;
    struct sim__event *parked, *parked_last;
    struct sim__seen *seen;
    uint32_t seen_count; /* listed, by what STATE actions said */
    struct sim__delivered *delivered;
    uint32_t delivered_count, delivered_cap;
    uint32_t failed_count, suspect_count; /* how often others came to think so of it */
};

struct sim {
    struct base_prng prng;
    struct sim_net net;
    uint64_t now_ms, order, steps, frames, trace;
    uint32_t count, links_max;
    struct sim__node *nodes;
    struct sim__way *ways;
    struct sim__link *links;
    uint32_t *by_key;
    struct sim__event **queue;
    size_t queue_count, queue_cap;
    FILE *verbose;
    char failure[256];
};

/* sim_parts.c */
struct base_slice sim__slice(const char *text);
void sim__record_fields(struct gossip_record *r, uint32_t i, uint64_t incarnation);

/* sim_net.c */
struct sim__event *sim__event_new(enum sim__what what, uint32_t node, uint32_t peer, size_t len);
void sim__event_at(struct sim *s, struct sim__event *ev, uint64_t at_ms);
struct sim__event *sim__queue_pop(struct sim *s);
struct sim__way *sim__way(struct sim *s, uint32_t from, uint32_t to);
struct sim__link *sim__link_of(struct sim *s, uint32_t i, uint32_t j);
struct sim__end *sim__end_of(struct sim *s, uint32_t i, uint32_t j); /* as i sees it */
bool sim__is_linked(struct sim *s, uint32_t i, uint32_t j);
uint64_t sim__delay_ms(struct sim *s);
void sim__way_send(struct sim *s, struct sim__event *ev);
void sim__way_drop(struct sim__way *way);
void sim__stuck_at(struct sim *s, uint32_t i, uint32_t j, bool for_good);
void sim__stuck_soon(struct sim *s, uint32_t i, uint32_t j);

/* sim.c */
int sim__step(struct sim *s, uint32_t i, const struct gossip_event *ev);

/* sim_check.c */
void sim__index_build(struct sim *s);
uint32_t sim__index(const struct sim *s, const struct base_key33 *key); /* s->count: nobody's */
void sim__fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim__check_reset(struct sim *s, uint32_t i);
void sim__check_step(struct sim *s, uint32_t i, const struct gossip_event *ev, int rv,
                     const struct gossip_actions *out);

#endif
