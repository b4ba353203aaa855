#ifndef NFTMESH_TESTS_SIM_INTERNAL_H
#define NFTMESH_TESTS_SIM_INTERNAL_H

#include "base/prng.h"
#include "node/admission.h"
#include "sim.h"
#include "sim_liar.h"

/* Shared by the simulator's files:
 *   sim.c            the machine: what is due next, and one step of a core
 *   sim_link.c       dials, handshakes, links that open, close and hang
 *   sim_node.c       processes: start, death, pause, disk, clock
 *   sim_net.c        virtual time, delays, loss, silence
 *   sim_chain.c      blocks, transactions, reorganisations, who sees which block when
 *   sim_admission.c  node/admission.c over that chain, with a keyed hash for the curve
 *   sim_check.c      what must hold after every step
 *   sim_look.c       what a test may ask
 *   sim_votes*.c     a consensus core in each node, if that is wanted (sim_votes.h)
 *   sim_parts.c      keys, records and signatures of one node */
enum sim__what {
    SIM__TIMER = 1,
    SIM__FRAME,
    SIM__READY,
    SIM__CLOSE,
    SIM__DIAL,
    SIM__DIAL_FAILED,
    SIM__REGISTRY,
    SIM__STUCK,
    SIM__SNAPSHOT,
    SIM__BLOCK,
    SIM__LIAR,
    SIM__VOTES_TIMER,
    SIM__VOTES_STORED,
    SIM__VOTES_LATE,
    SIM__VOTES_LIAR,
    SIM__VOTES_TRAP
};

struct sim__block;
struct sim__event {
    uint64_t at_ms, order;
    enum sim__what what;
    uint32_t node, peer;
    uint32_t generation; /* of the link: frames of an older one are dropped */
    uint32_t process;    /* what was meant for a dead process is dropped */
    uint8_t type;
    uint8_t kind;             /* not 0: replaces a waiting frame of its kind */
    struct sim__block *block; /* SNAPSHOT; counted as a user */
    struct sim__event *next;  /* while stalled or parked */
    size_t len;
    uint8_t bytes[];
};

struct sim__way { /* one direction between two nodes */
    bool cut;
    uint32_t waiting_count;
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
    uint32_t token; /* under which admission took it: the rest of its facts follow from its key */
    uint64_t incarnation;
};

struct sim__delivered {
    struct base_key33 origin;
    uint64_t epoch, sequence;
    char name[GOSSIP_EVENT_NAME_MAX + 1];
};

struct sim__node {
    struct base_key33 key, proof_key;
    struct base_eth_address instance;
    struct gossip *core; /* NULL: not running */
    uint32_t process;
    uint64_t incarnation, started_incarnation;
    uint64_t disk_incarnation; /* what its next start will find */
    /* Its monotonic clock: local_ms at base_ms of true time, and rate_ppm from there on. */
    uint64_t local_ms, base_ms;
    int32_t rate_ppm, wall_skew_s;
    bool is_paused, has_left, is_gone, is_host_gone, is_mute, is_out;
    bool wants_start; /* as soon as its endpoints answer */
    uint32_t start_via;
    struct sim__block *reference; /* the block that it judges by */
    bool *view;                   /* the seats that this block shows */
    uint32_t lag_ms;
    uint64_t outage_ms; /* since when its endpoints are silent */
    bool timer_armed;
    uint64_t timer_ms, spin_ms;
    uint32_t spins;
    struct sim__event *parked, *parked_last;
    struct sim__seen *seen;
    uint32_t seen_count; /* listed, by what STATE actions said */
    uint32_t check_at;   /* a large table is looked through a part a step */
    struct sim__delivered *delivered;
    uint32_t delivered_count, delivered_cap;
    uint32_t failed_count, suspect_count; /* how often others came to think so of it */
    uint64_t up_ms, down_ms; /* since when it runs without a break, since when it is dead */
    uint64_t second_ms;      /* the second that is counted */
    struct sim_load load;    /* in it */
    struct sim_liar *liar;
};

struct sim__chain {
    struct sim__block *tail[SIM_REORG_MAX + 2]; /* the last blocks, the newest last */
    uint32_t tail_count;
    struct sim__tx *pool; /* sent, in no block */
    uint32_t pool_count, pool_cap;
    uint32_t block_ms, lag_max_ms, reorg_depth;
    uint64_t made; /* blocks ever, so that no two have one hash */
};

struct sim {
    struct base_prng prng;
    struct sim_net net;
    uint64_t now_ms, order, steps, frames, trace;
    uint32_t count, links_max;
    struct sim__node *nodes;
    struct sim__way *ways;
    struct sim__link *links;
    uint32_t *by_key; /* SIM__KEYS places; 0: empty, else a node + 1 */
    struct sim__event **queue;
    size_t queue_count, queue_cap;
    struct sim__chain chain;
    struct node_admission admission; /* all but the snapshot */
    struct attest_pins pins;
    uint64_t refused_count;
    bool reorders, is_quiet;
    uint64_t quiet_ms;
    struct sim_load load_max;
    struct sim__votes *votes; /* NULL: gossip alone */
    /* Frames of liars that were read, processes that started; a part is forgotten each second. */
    uint64_t lies, starts, second;
    FILE *verbose, *trace_to;
    char failure[256];
};

/* sim_parts.c */
struct base_slice sim__slice(const char *text);
void sim__record_fields(struct gossip_record *r, uint32_t i, uint64_t incarnation);
const struct base_eip712_domain *sim__domain(void);
void sim_eip712_statement(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                          enum base_statement kind, const void *body, size_t len);
void sim__hash(struct base_hash32 *out, const char *what, uint32_t i);
void sim__seal(struct base_sig65 *sig, const struct base_key33 *key,
               const struct base_hash32 *digest);
#define SIM__CHAIN_ID 31337
#define SIM__KEYS     4096 /* a power of two, well above SIM_NODES_MAX */
extern const struct base_eth_address SIM__CONTRACT, SIM__ROOT, SIM__APP;

/* sim_net.c */
struct sim__event *sim__event_new(enum sim__what what, uint32_t node, uint32_t peer, size_t len);
void sim__event_at(struct sim *s, struct sim__event *ev, uint64_t at_ms);
void sim__event_free(struct sim__event *ev);
struct sim__event *sim__queue_pop(struct sim *s);
struct sim__way *sim__way(struct sim *s, uint32_t from, uint32_t to);
struct sim__link *sim__link_of(struct sim *s, uint32_t i, uint32_t j);
struct sim__end *sim__end_of(struct sim *s, uint32_t i, uint32_t j); /* as i sees it */
uint64_t sim__delay_ms(struct sim *s);
void sim__way_send(struct sim *s, struct sim__event *ev);
void sim__way_drop(struct sim__way *way);
void sim__stuck_at(struct sim *s, uint32_t i, uint32_t j, bool for_good);
void sim__stuck_soon(struct sim *s, uint32_t i, uint32_t j);

/* sim.c */
int sim__step(struct sim *s, uint32_t i, const struct gossip_event *ev);
void sim__timer_arm(struct sim *s, uint32_t i);

/* sim_link.c */
void sim__send_close(struct sim *s, uint32_t from, uint32_t to, uint32_t generation);
void sim__link_close(struct sim *s, uint32_t i, uint32_t j, uint32_t generation);
void sim__link_drop(struct sim *s, uint32_t i, uint32_t j); /* by i, which wants it no more */
void sim__dial(struct sim *s, uint32_t i, uint32_t j);
void sim__dial_arrives(struct sim *s, const struct sim__event *ev);
void sim__dial_failed_arrives(struct sim *s, const struct sim__event *ev);
void sim__ready_arrives(struct sim *s, const struct sim__event *ev);
void sim__registry_dial_soon(struct sim *s, uint32_t i);
void sim__registry_dial(struct sim *s, const struct sim__event *ev);
void sim__stuck(struct sim *s, const struct sim__event *ev);

/* sim_node.c */
uint64_t sim__local_ms(const struct sim *s, const struct sim__node *n);
uint64_t sim__true_ms(const struct sim *s, const struct sim__node *n, uint64_t local_ms);
void sim__process_start(struct sim *s, uint32_t i, uint32_t via);
void sim__process_end(struct sim *s, uint32_t i, bool visible);
bool sim__is_parked(struct sim *s, struct sim__event *ev);

/* sim_chain.c */
void sim__chain_init(struct sim *s);
void sim__chain_free(struct sim *s);
void sim__block_due(struct sim *s);
void sim__block_release(struct sim__block *block);
void sim__snapshot_arrives(struct sim *s, const struct sim__event *ev);
void sim__snapshot_now(struct sim *s, uint32_t i); /* a start reads the head */
const struct chain_snapshot *sim__block_snapshot(const struct sim__block *block);
bool sim__block_counts(const struct sim__block *block, uint32_t i);
uint32_t sim__block_weight(const struct sim__block *block, uint32_t i);
void sim__block_keep(struct sim__block *block); /* sim__block_release() then */

/* sim_admission.c: node i judges j, by the block that it judges by */
void sim__admission_init(struct sim *s);
extern const char *const SIM__SETTINGS;
void sim__seat_keys(struct chain_seat *seat, uint32_t i); /* what a registration of i stores */
void sim__proof_of(uint8_t out[NODE_PROOF_BYTES], uint32_t i);
enum node_reason sim__judge_hello(struct sim *s, uint32_t i, uint32_t j, enum base_role role,
                                  const struct gossip_signed_record *record);
enum gossip_verdict sim__judge_member(struct sim *s, uint32_t i, const struct gossip_action *act);
enum node_reason sim__recheck(struct sim *s, uint32_t i, uint32_t j);
uint64_t sim__weight_of(const struct sim *s, uint32_t i, uint32_t j);

/* sim_votes.c; nothing without consensus */
void sim__votes_start(struct sim *s, uint32_t i);
void sim__votes_end(struct sim *s, uint32_t i);
void sim__votes_disk(struct sim *s, uint32_t i);  /* its log is refused from now on */
void sim__votes_clock(struct sim *s, uint32_t i); /* when its timer is due has moved */
void sim__votes_chain(struct sim *s, uint32_t i);
void sim__votes_silence(struct sim *s, uint32_t i, uint64_t ms); /* of its endpoints, so far */
void sim__votes_block(struct sim *s, struct sim__block *block);
void sim__votes_peer(struct sim *s, uint32_t i, uint32_t j, bool is_up);
void sim__votes_member(struct sim *s, uint32_t i, const struct gossip_action *act);
bool sim__votes_frame(struct sim *s, const struct sim__event *ev); /* it was consensus' */
void sim__votes_happen(struct sim *s, const struct sim__event *ev);
void sim__votes_free(struct sim *s);

/* sim_check.c */
void sim__trace(struct sim *s, uint64_t word);
void sim__index_build(struct sim *s);
uint32_t sim__index(const struct sim *s, const struct base_key33 *key); /* s->count: nobody's */
void sim__fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim__check_reset(struct sim *s, uint32_t i);
void sim__check_step(struct sim *s, uint32_t i, const struct gossip_event *ev, int rv,
                     const struct gossip_actions *out);
void sim__check_way(struct sim *s, uint32_t from, uint32_t to);

#endif
