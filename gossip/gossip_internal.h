#ifndef NFTMESH_GOSSIP_INTERNAL_H
#define NFTMESH_GOSSIP_INTERNAL_H

#include <assert.h>

#include "base/err.h"
#include "base/prng.h"
#include "gossip/frame.h"
#include "gossip/gossip.h"
#include "gossip/record_store.h"
#include "gossip/statement.h"

/* What the files of this folder share. Members live in slots; slot 0 is ourselves. Everything
 * that is iterated is an array in an order that the events alone decide: no hash order. */
#define GOSSIP__NONE        UINT16_MAX
#define GOSSIP__RELAYS_MAX  8   /* relays a probe asks */
#define GOSSIP__ERRANDS_MAX 128 /* probes that we run for others */
#define GOSSIP__ERRANDS_OF  8   /* of them open for one requester */
#define GOSSIP__PENDING_MAX 128 /* records that wait for a verdict, those aside counted */
#define GOSSIP__GRAVES_MAX                                                                         \
    256                         /* evicted and refused: not judged again before the next snapshot  \
                                 */
#define GOSSIP__BRINGERS_MAX  8 /* whose copies of a record may be refused under one snapshot */
#define GOSSIP__PROVED_MAX    32
#define GOSSIP__PROVED_MS     600000 /* one proof is enough of who contradicts itself all the time */
#define GOSSIP__NEWS_MAX      256    /* statements a step spreads */
#define GOSSIP__EVENTS_MAX    128    /* user events kept for repair */
#define GOSSIP__ARENA_BYTES   ((size_t)24 * GOSSIP_FRAME_BYTES_MAX)
#define GOSSIP__TARGETS_MAX   256 /* peers that one step pushes its own news to */
#define GOSSIP__NEVER         UINT64_MAX
#define GOSSIP__REFUTE_GAP_MS 500 /* a slanderer must not make us shout */
/* Nor outrun incarnation_max, which grows by one a second: beyond a burst above what the seconds
 * since our start allow, refutations are further apart than that. */
#define GOSSIP__REFUTE_BURST   16
#define GOSSIP__REFUTE_SLOW_MS 1100
/* Public accusations of ours in a burst, at least and at most; then one an interval. Each costs
 * everybody a signature: beyond 64 members all together have no more than 64 have. */
#define GOSSIP__VOICES_MIN     4
#define GOSSIP__VOICES_MAX     64
#define GOSSIP__VOICES_MEMBERS 64
/* News reaches everybody over a few links; the others of a full mesh are for sooner noticing. Each
 * costs a handshake: of a hundred who start at once nobody would have time for his table. */
#define GOSSIP__LINKS_AT_ONCE 8
#define GOSSIP__PING_IDS      8  /* of a routine ping; a greeting gives all */
#define GOSSIP__SYNCS_MAX     32 /* that we start in one probe interval */
/* A mesh of more than links_max others is sparse: links are few and at random, and what everybody
 * does at once to one member there is too much for it. */
#define GOSSIP__DEEP       64  /* members of a bucket from which on it is compared leaf by leaf */
#define GOSSIP__CROWD      512 /* heads of a third whose accusations would be too many to pass on */
#define GOSSIP__SAID_MAX   8   /* accusations that do in a crowd, where they alert and no more */
#define GOSSIP__REPAIR_MAX 16  /* repaired news passed on in an interval, when sparse */
#define GOSSIP__DEEP_TIMES 8   /* probe intervals that a comparison leaf by leaf may take */

enum gossip__phase {
    GOSSIP__IDLE = 0,
    GOSSIP__DIRECT,  /* PING sent, or a link wanted */
    GOSSIP__INDIRECT /* relays asked as well */
};

struct gossip__probe {
    enum gossip__phase phase;
    bool dial_failed; /* since this probe started */
    bool pinged;      /* directly: there was a link */
    uint64_t nonce, started_ms, due_ms;
    uint32_t asked, nacked;
    uint16_t relays[GOSSIP__RELAYS_MAX];
};

/* What a member weighs at rest: 40 bytes here, 14 in the orders over the table (sorted, prefixes,
 * heap, links, order), and its record, which cores may share. */
struct gossip__member {
    const struct gossip__stored *record; /* key, version, body; never NULL while listed */
    uint64_t since_ms;
    uint32_t weight, rtt_ms;
    uint16_t link_at;   /* + 1; 0: no link */
    uint16_t order_at;  /* + 1; 0: not probed */
    uint16_t agenda_at; /* + 1; 0: nothing is going on */
    uint16_t leave_at;  /* + 1; 0: has not signed a leave */
    uint16_t heard_at;  /* + 1; 0: never sent an event */
    uint16_t leaf_next; /* + 1: the next of its leaf, or of the free */
    enum gossip_state state : 8;
    bool linked, dialing;
    bool parting : 1; /* its link is about to be closed, and that says nothing about it */
    bool greeted : 1; /* an ACK of our greeting is still to come */
};
#define GOSSIP__PLACES_BYTES 14 /* an entry each of sorted, prefixes, heap, links, order, + 2 */
static_assert(sizeof(struct gossip__member) + GOSSIP__PLACES_BYTES <= 64,
              "64 bytes a node and member");

/* What is going on with a member: taken when something begins, given back by gossip__arm() when
 * nothing is left of it. Never keep a pointer across what may arm. */
struct gossip__agenda {
    uint16_t slot; /* whose */
    bool used;
    bool is_said;     /* we have accused it before all, at this incarnation */
    uint32_t heap_at; /* + 1; 0: no timer */
    uint64_t due_ms;  /* its key in the heap */
    struct gossip__probe probe;
    uint64_t suspect_ms, suspect_end_ms; /* our own suspicion */
    uint64_t reprobe_ms;     /* a suspect is asked again, an accused far away for the first time */
    uint64_t voice_ms;       /* a suspect is accused before all then; 0: it has been, or need not */
    uint64_t accused_ms;     /* first accusation at this incarnation, ours counted */
    uint64_t accused_weight; /* of the others who accuse it */
    uint32_t accusers_at;    /* + 1: their first chunk */
    uint32_t accuser_count;
    uint64_t push_ms;                  /* its record, shown in a session, becomes news */
    uint64_t dial_ms, dial_backoff_ms; /* when to want a link next */
    uint64_t dial_lost_ms, dial_failed_ms;
    uint64_t dial_asked_ms;        /* while dialing */
    uint64_t synced_ms, sync_mask; /* when we asked it last, and for which buckets */
    uint64_t sync_sum;             /* of our table then */
};

#define GOSSIP__CHUNK_SLOTS 14
struct gossip__chunk {                   /* of accusers */
    uint32_t next;                       /* + 1 */
    uint16_t slots[GOSSIP__CHUNK_SLOTS]; /* GOSSIP__NONE: free */
};

struct gossip__leave {
    uint64_t incarnation;
    uint16_t len;
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct base_sig65 sig;
};

struct gossip__heard { /* duplicate filter of an origin's events */
    uint64_t epoch, top, window;
};

/* Fixed-size items by number, as many as members: it cannot run out. */
struct gossip__pool {
    uint8_t *items;
    size_t item_bytes;
    uint16_t free_at; /* + 1; the first bytes of a free item name the next */
    uint16_t top;     /* never touched from here on */
};

struct gossip__pending {                 /* a record that waits for a verdict */
    const struct gossip__stored *record; /* NULL: free */
    bool aside, repair;
    uint8_t flags;
    uint32_t moves_left;
    uint64_t reach;
    struct base_key33 from;
    struct gossip__leave leave; /* came while we were waiting; len 0: none */
};

struct gossip__grave { /* also remembers which events of an evicted member were had */
    struct base_key33 key;
    uint64_t incarnation, sequence, move;
    struct gossip__heard heard;
    uint64_t left_incarnation; /* left with: stays buried under every snapshot; 0: did not leave */
    /* Of a record refused: slots, GOSSIP__NONE of who has gone. */
    uint16_t bringers[GOSSIP__BRINGERS_MAX], bringer_count;
};

struct gossip__proved { /* a contradiction of this key: what we held, and when one was last noted */
    struct base_key33 key;
    uint64_t incarnation, sequence, noted_ms;
    bool used;
};

/* The members forgotten, and apart from them the records refused: who makes us refuse many does
 * not make us forget who left. */
struct gossip__graves {
    struct gossip__grave items[GOSSIP__GRAVES_MAX];
    uint32_t next, count;
};

struct gossip__errand { /* we ask target for requester */
    bool used;
    bool nacked; /* the time is over; an answer that still comes is passed on all the same */
    uint16_t requester, target;
    uint64_t nonce, due_ms;
};

struct gossip__news {
    enum base_statement kind;
    bool is_void;    /* its member is gone */
    uint16_t slot;   /* RECORD, LEAVE: whose, taken from the member when the step ends */
    uint16_t except; /* who told us, GOSSIP__NONE: our own word, pushed to every link */
    struct base_slice body;
    struct base_sig65 sig;
};

struct gossip__event {
    struct gossip_event_id id;
    uint64_t heard_ms;
    uint16_t body_len;
    uint8_t body[GOSSIP_EVENT_BODY_BYTES_MAX];
    struct base_sig65 sig;
    bool used;
};

#define GOSSIP__LEAVES (GOSSIP_BUCKETS * GOSSIP_BUCKETS) /* of the digest's tree */

/* What a step works in, and where records live: one a core, or one for all cores of a thread. */
struct gossip_shared {
    struct gossip__store store;
    struct gossip_frame in, out;
    struct gossip__news news[GOSSIP__NEWS_MAX];
    struct gossip_action actions[GOSSIP_ACTIONS_MAX];
    uint8_t arena[GOSSIP__ARENA_BYTES]; /* bytes of the actions */
    uint16_t slots[GOSSIP_MEMBERS_MAX];
    const struct gossip__stored *known[GOSSIP_ITEMS_MAX]; /* of the frame that is being read */
};

struct gossip {
    struct gossip_config cfg;
    struct gossip_crypto crypto;
    struct base_prng prng;
    uint64_t now_ms, started_ms;

    uint8_t *slab;                  /* all arrays below, in one piece */
    struct gossip__member *members; /* members_max slots */
    uint16_t free_at, top;          /* as in a pool */
    uint16_t *sorted;               /* listed slots by key */
    uint32_t *prefixes;             /* beside sorted: what of the key mostly tells members apart */
    uint32_t count;
    uint16_t *heap; /* by (due_ms, slot) */
    uint32_t heap_count;
    uint16_t *links; /* in no order that means anything; shuffled when picked from */
    uint32_t link_count, dialing_count;
    uint64_t dial_paced_ms; /* then a link may be asked for that nothing waits for */
    uint16_t *order;        /* the round of probes */
    uint32_t order_count, order_next;
    struct gossip__pool agendas, leaves, heard;
    struct gossip__chunk *chunks;
    uint32_t chunk_free_at, chunk_top, chunk_max;
    uint32_t alive_count; /* ALIVE, ourselves counted */
    uint32_t suspect_count;
    uint64_t weight_total; /* of all but LEFT */
    uint64_t bucket_sums[GOSSIP_BUCKETS], sum;
    uint32_t bucket_counts[GOSSIP_BUCKETS];
    uint64_t *leaf_sums;
    uint16_t *leaf_heads; /* + 1: first member of each leaf */

    struct gossip__pending pending[GOSSIP__PENDING_MAX];
    uint32_t pending_top; /* none from here on */
    struct gossip__graves gone, refused;
    struct gossip__proved proved[GOSSIP__PROVED_MAX]; /* one a key; a ring */
    uint32_t proved_next;
    uint64_t moves; /* of the snapshot */
    struct gossip__errand errands[GOSSIP__ERRANDS_MAX];
    struct gossip__event events[GOSSIP__EVENTS_MAX];
    uint32_t event_next;

    uint8_t proof[GOSSIP_PROOF_BYTES_MAX];
    struct gossip_record self; /* slices point into self_text */
    uint8_t self_text[GOSSIP_RECORD_BYTES_MAX];
    uint64_t epoch, event_sequence;
    uint64_t nonce_counter;
    bool announced, left;
    uint64_t tick_ms, refute_ms, refuted_ms, leave_ms, errand_ms, settled_ms;
    uint64_t sync_budget_ms;
    uint32_t sync_budget;
    uint64_t sync_ms, news_ms; /* when we last asked; when we last heard news that were not asked */
    uint64_t deep_mask, deep_ms; /* buckets to ask deep_slot about; until when we wait for it */
    uint64_t deep_end_ms;        /* of the whole exchange, however each answer comes */
    uint64_t deep_sum;           /* of our table when we asked last */
    uint16_t deep_slot;
    uint16_t deep_barred; /* has not come to an end: another one first; GOSSIP__NONE: nobody */
    uint8_t deep_bucket;  /* asked about now */
    uint32_t repair_budget, ticks;
    uint32_t voices;   /* accusations that we may push now */
    uint64_t voice_ms; /* when we speak next, of all whom we suspect by then */
    uint32_t awareness;

    struct gossip_shared *shared, *own; /* own: NULL when the configuration gave one */
    struct gossip__store *store;
    struct gossip__news *news;
    uint32_t news_count;
    uint64_t news_reach; /* of the frame that is being read */
    bool news_repair;
    struct gossip_action *actions;
    size_t action_count;
    uint8_t *arena;
    size_t arena_len;
    struct gossip_frame *in, *out;
    struct gossip_counters counters;
};

/* table.c: its memory and its orders */
int gossip__table_new(struct gossip *g); /* BASE_ENOMEM */
void gossip__table_free(struct gossip *g);
size_t gossip__table_bytes(const struct gossip *g); /* that have been touched */
struct gossip__member *gossip__find(const struct gossip *g, const struct base_key33 *key);
uint16_t gossip__slot(const struct gossip *g, const struct gossip__member *m);
const struct base_key33 *gossip__key(const struct gossip *g, uint16_t slot);
/* A listed row with this record, which it holds; there must be room. */
struct gossip__member *gossip__row_add(struct gossip *g, const struct gossip__stored *record);
void gossip__row_remove(struct gossip *g, struct gossip__member *m);
void gossip__order_insert(struct gossip *g, struct gossip__member *m);
void gossip__order_remove(struct gossip *g, struct gossip__member *m);
void gossip__order_shuffle(struct gossip *g);
/* The next one by key, round the end, that is alive; NULL: nobody is but us. */
struct gossip__member *gossip__successor(const struct gossip *g);
void gossip__link(struct gossip *g, struct gossip__member *m, bool linked);
/* Up to count random linked members that are not LEFT, without except and other. */
size_t gossip__pick_links(struct gossip *g, uint16_t *out, size_t count, uint16_t except,
                          uint16_t other);
/* Zeroed; give takes *at back and sets it to 0. */
void *gossip__pool_take(struct gossip__pool *pool, uint16_t *at);
void gossip__pool_give(struct gossip__pool *pool, uint16_t *at);
void *gossip__pool_at(const struct gossip__pool *pool, uint16_t at);

bool gossip__is_sparse(const struct gossip *g);
bool gossip__is_many(const struct gossip *g); /* a full mesh of more than 64 */
/* We have a link to few of the members: for good, or because they are still being made. */
bool gossip__is_thin(const struct gossip *g);

/* agenda.c: what is going on with whom, and its timer */
const struct gossip__agenda *gossip__agenda(const struct gossip *g, const struct gossip__member *m);
struct gossip__agenda *gossip__agenda_open(struct gossip *g, struct gossip__member *m);
bool gossip__is_probing(const struct gossip *g, const struct gossip__member *m);
void gossip__probe_drop(struct gossip *g, struct gossip__member *m); /* does not arm */
/* Sets its timer by its agenda, or closes that. */
void gossip__arm(struct gossip *g, struct gossip__member *m);
struct gossip__member *gossip__due(const struct gossip *g); /* first; NULL: nobody */
uint64_t gossip__due_ms(const struct gossip *g);
void gossip__agendas_move_on(struct gossip *g, uint64_t lag_ms);
void gossip__agenda_forget(struct gossip *g, struct gossip__member *m);
bool gossip__is_accuser(const struct gossip *g, const struct gossip__member *m, uint16_t slot);
/* false: no memory left for one more. */
bool gossip__accuser_set(struct gossip *g, struct gossip__member *m, uint16_t slot);
void gossip__accusers_clear(struct gossip *g, struct gossip__member *m);
uint64_t gossip__accuser_heaviest(const struct gossip *g, const struct gossip__member *m);
void gossip__accuser_forget(struct gossip *g, uint16_t slot);
/* The weight of slot is about to become weight. */
void gossip__accuser_weighs(struct gossip *g, uint16_t slot, uint64_t weight);

/* member.c: what happens to a member */
/* NULL when there is no room; makes room by forgetting somebody who left, or failed. */
struct gossip__member *gossip__member_add(struct gossip *g, const struct gossip__version *version);
void gossip__member_remove(struct gossip *g, struct gossip__member *m);
/* false: no memory for the record, and nothing has changed. */
bool gossip__member_store(struct gossip *g, struct gossip__member *m,
                          const struct gossip__version *version);
void gossip__member_weight(struct gossip *g, struct gossip__member *m, uint64_t weight);
unsigned gossip__bucket(const struct base_key33 *key);
unsigned gossip__leaf(const struct base_key33 *key); /* its bucket is leaf % GOSSIP_BUCKETS */
uint64_t gossip__leave_incarnation(const struct gossip *g, const struct gossip__member *m);
const struct gossip__leave *gossip__leave(const struct gossip *g, const struct gossip__member *m);
void gossip__leave_store(struct gossip *g, struct gossip__member *m,
                         const struct gossip__leave *leave);
void gossip__leave_drop(struct gossip *g, struct gossip__member *m);
/* Changes the state and says so; nothing when it is that already. */
void gossip__state(struct gossip *g, struct gossip__member *m, enum gossip_state to,
                   enum gossip_reason reason);

/* dissem.c: actions, frames out, news */
struct gossip_action *gossip__act(struct gossip *g, enum gossip_action_type type,
                                  const struct base_key33 *key);
void gossip__note(struct gossip *g, enum gossip_note note, const struct base_key33 *key,
                  const struct base_key33 *peer);
/* Room for len bytes that live until the next step; NULL when this step has said enough. */
void *gossip__arena(struct gossip *g, size_t len);
bool gossip__is_step_full(const struct gossip *g);
void gossip__send(struct gossip *g, struct gossip__member *to, const struct gossip_frame *frame);
void gossip__news_member(struct gossip *g, enum base_statement kind, struct gossip__member *m,
                         uint16_t except);
void gossip__news_body(struct gossip *g, enum base_statement kind, struct base_slice body,
                       const struct base_sig65 *sig, uint16_t except);
void gossip__news_flush(struct gossip *g);
/* Did a pusher who gave news to reach peers give it to (nearly) everybody? */
bool gossip__is_covered(const struct gossip *g, uint64_t reach);
/* Starts, fills and ends a run of UPDATE or EVENT frames to one peer. */
void gossip__repair_begin(struct gossip *g, uint8_t type);
void gossip__repair_add(struct gossip *g, struct gossip__member *to,
                        const struct gossip_item *item);
void gossip__repair_member(struct gossip *g, struct gossip__member *to,
                           const struct gossip__member *m);
void gossip__repair_end(struct gossip *g, struct gossip__member *to);
int gossip__sign(struct gossip *g, enum base_statement kind, const void *body, size_t len,
                 struct base_sig65 *sig);
bool gossip__verify(struct gossip *g, enum base_statement kind, const struct base_slice *body,
                    const struct base_sig65 *sig, const struct base_key33 *speaker,
                    const struct gossip__member *from);

/* record_in.c: records and leaves that arrive */
/* <0, 0, >0: is (incarnation, sequence) older than, the same as, or newer than what m has? */
int gossip__compare_version(const struct gossip__member *m, uint64_t incarnation,
                            uint64_t sequence);
/* Of two equal versions the one with the higher digest counts, everywhere alike. */
bool gossip__is_digest_higher(const struct gossip__member *m, const struct base_slice *body);
void gossip__record_accept(struct gossip *g, struct gossip__member *m,
                           const struct gossip__version *version, uint8_t flags, uint16_t except);
/* known: the store's own copy of it, or NULL. */
void gossip__record_in(struct gossip *g, struct gossip__member *from,
                       const struct gossip_item *item, const struct gossip__stored *known);
void gossip__leave_in(struct gossip *g, struct gossip__member *from,
                      const struct gossip_item *item);
int gossip__peer_up(struct gossip *g, const struct gossip_event *ev);

/* verdict.c: records that wait for one, and graves */
struct gossip__pending *gossip__pending_find(struct gossip *g, const struct base_key33 *key);
void gossip__pending_add(struct gossip *g, struct gossip__member *from,
                         const struct gossip_item *item, const struct gossip_record *record);
void gossip__pending_drop(struct gossip *g, struct gossip__pending *p); /* NULL is fine */
int gossip__verdict(struct gossip *g, const struct gossip_event *ev);
/* Remembers a member until the ring of graves comes round. */
struct gossip__grave *gossip__bury(struct gossip *g, const struct base_key33 *key,
                                   uint64_t incarnation, uint64_t sequence);
void gossip__snapshot_moved(struct gossip *g);
int gossip__evict(struct gossip *g, const struct base_key33 *key);
/* Is there nothing to gain from this version as from has it: pending, or buried under this
 * snapshot? */
bool gossip__is_settled(struct gossip *g, const struct base_key33 *key, uint64_t incarnation,
                        uint64_t sequence, const struct gossip__member *from);

/* Above incarnation_max, as far as that has grown. */
bool gossip__is_above_max(const struct gossip *g, uint64_t incarnation);
/* The same of what we were told: counted here. */
bool gossip__is_future(struct gossip *g, uint64_t incarnation);

/* self.c: our own record */
int gossip__self_init(struct gossip *g);
int gossip__self_refute(struct gossip *g, uint64_t incarnation);
/* Somebody holds us failed or suspect at this incarnation: answer, but not too often. */
void gossip__self_accused(struct gossip *g);
int gossip__self_update(struct gossip *g, const struct gossip_record *update);
int gossip__self_leave(struct gossip *g);

/* probe.c: one protocol period */
void gossip__tick(struct gossip *g);
void gossip__probe_start(struct gossip *g, struct gossip__member *m);
void gossip__probe_due(struct gossip *g, struct gossip__member *m);
void gossip__probe_won(struct gossip *g, struct gossip__member *m, enum gossip_reason reason);
/* nonce 0: a greeting, which nobody waits for. */
void gossip__ping(struct gossip *g, struct gossip__member *m, uint64_t nonce);
void gossip__probe_hopeless(struct gossip *g, struct gossip__member *m);
uint64_t gossip__scaled(const struct gossip *g, uint64_t ms); /* by local health */
void gossip__ping_in(struct gossip *g, struct gossip__member *from);
void gossip__ack_in(struct gossip *g, struct gossip__member *from);
void gossip__ping_req_in(struct gossip *g, struct gossip__member *from);
void gossip__nack_in(struct gossip *g, struct gossip__member *from);
void gossip__challenge_in(struct gossip *g, struct gossip__member *from);
int gossip__refute_in(struct gossip *g, struct gossip__member *from);
void gossip__errands_due(struct gossip *g);
void gossip__errands_linked(struct gossip *g, struct gossip__member *m);
void gossip__errands_failed(struct gossip *g, struct gossip__member *m);
void gossip__errands_forget(struct gossip *g, uint16_t slot);

/* link.c: which links we want, and what their end means */
void gossip__want_link(struct gossip *g, struct gossip__member *m);
void gossip__dial_plan(struct gossip *g, struct gossip__member *m);
void gossip__dial_due(struct gossip *g, struct gossip__member *m);
void gossip__dial_soon(struct gossip *g, struct gossip__member *m);
int gossip__dial_failed(struct gossip *g, const struct base_key33 *key);
int gossip__peer_down(struct gossip *g, const struct base_key33 *key);
/* Once an interval in a sparse mesh: some links more, or less. */
void gossip__links_keep(struct gossip *g);
void gossip__part_in(struct gossip *g, struct gossip__member *from);
void gossip__dialing(struct gossip *g, struct gossip__member *m, bool dialing);
void gossip__dial_done(struct gossip *g, struct gossip__member *m, bool is_made);

/* suspicion.c */
void gossip__suspect(struct gossip *g, struct gossip__member *m);
void gossip__voices_earn(struct gossip *g);                        /* once an interval */
void gossip__look_due(struct gossip *g, struct gossip__member *m); /* an accused far away */
void gossip__suspicion_due(struct gossip *g, struct gossip__member *m);
/* Alive after all; once more in the round, with a link if we can have one. */
void gossip__revive(struct gossip *g, struct gossip__member *m, enum gossip_reason reason);
void gossip__accusation_in(struct gossip *g, struct gossip__member *from,
                           const struct gossip_item *item);
/* Our word about those whom we suspect now went to the links that there were: here is one more. */
void gossip__suspects_tell(struct gossip *g, struct gossip__member *to);
/* Tells m alone how we see it, so that it refutes to everybody. */
void gossip__accuse_to(struct gossip *g, struct gossip__member *m);
/* Has anybody, we or others, said before all that m does not answer? */
bool gossip__is_accused(const struct gossip *g, const struct gossip__member *m);
uint64_t gossip__suspicion_ms(const struct gossip *g);
/* Since it has come, or come back, it had hardly time to make its links. */
bool gossip__is_new(const struct gossip *g, const struct gossip__member *m);

/* sync.c: digests and repair */
void gossip__digest(const struct gossip *g, struct gossip_digest *out);
void gossip__sync_if_differs(struct gossip *g, struct gossip__member *m,
                             const struct gossip_digest *theirs);
void gossip__sync_start(struct gossip *g, struct gossip__member *m, uint64_t mask);
void gossip__ids_in(struct gossip *g, struct gossip__member *from,
                    const struct gossip_event_id *ids, uint32_t count);
void gossip__sync_in(struct gossip *g, struct gossip__member *from);
void gossip__list_in(struct gossip *g, struct gossip__member *from);
void gossip__pull_in(struct gossip *g, struct gossip__member *from);

/* event.c: user events */
int gossip__user_event(struct gossip *g, const struct gossip_event *ev);
void gossip__event_in(struct gossip *g, struct gossip__member *from,
                      const struct gossip_item *item);
uint32_t gossip__event_ids(const struct gossip *g, struct gossip_event_id *out, uint32_t max,
                           bool only_fresh);
/* Which of these have we not had? Those from before our start count as had: they were sent to a
 * mesh that we were not part of, or delivered to the process before this one. */
uint32_t gossip__event_missing(struct gossip *g, struct gossip_event_id *out,
                               const struct gossip_event_id *ids, uint32_t count);
const struct gossip__event *gossip__event_find(const struct gossip *g,
                                               const struct gossip_event_id *id);

#endif
