#ifndef NFTMESH_GOSSIP_GOSSIP_H
#define NFTMESH_GOSSIP_GOSSIP_H

#include "base/bytes.h"
#include "base/eip712.h"
#include "gossip/record.h"

/* Who is in the mesh, and is it alive: SWIM with Lifeguard over links that persist.
 *
 * Pure computation: (now, event) in, actions out; no socket, clock, thread or file. A link to peer
 * X is a session in which X has proved that it holds key X, and in which frames arrive whole, in
 * order and once, or not at all. The core sees at most one link a peer.
 *
 *   struct gossip_actions out;
 *   rv = gossip_step(g, now_ms, &(struct gossip_event){.type = GOSSIP_EV_TIMER}, &out);
 *   for (size_t i = 0; i < out.count; i++) perform(&out.items[i]);
 *   arm_timer(gossip_deadline_ms(g));
 *
 * What a member says of another is worth little: an accusation makes us probe for ourselves; our
 * own failed probes always end in FAILED after the full suspicion time, or up to four times that
 * while a link stands, our own questions are answered late and we are alone with the suspicion;
 * accusations and confirmations by others of more than a third of the weight shorten that time, and
 * those by fewer do not. What a member says of itself (record, leave, event) is signed by it and
 * may come through anybody.
 *
 * Sources: Das, Gupta, Motivala, "SWIM", DSN 2002; Dadgar, Phillips, Currey, "Lifeguard", 2018. */
#define GOSSIP_FRAME_BYTES_MAX   16384 /* body, without the type */
#define GOSSIP_PROOF_BYTES_MAX   256
#define GOSSIP_EVENT_NAME_MAX    64
#define GOSSIP_EVENT_PAYLOAD_MAX 512
#define GOSSIP_MEMBERS_MAX       16384
#define GOSSIP_ASIDE_MAX         64   /* records whose seat our snapshot does not show yet */
#define GOSSIP_ACTIONS_MAX       4096 /* a step */
#define GOSSIP_FRAME_TYPE_FIRST  0x10
#define GOSSIP_FRAME_TYPE_LAST   0x1f

enum gossip_state {
    GOSSIP_NONE = 0, /* not listed */
    GOSSIP_ALIVE,
    GOSSIP_SUSPECT, /* our own probe failed; time is running */
    GOSSIP_FAILED,  /* kept, retried for ever with back-off */
    GOSSIP_LEFT     /* said so itself; returns with a higher incarnation only */
};

/* Why a member's state changed. */
enum gossip_reason {
    GOSSIP_WHY_UNDECIDED = 0,
    GOSSIP_WHY_SELF,      /* ourselves: up at the start, left after EV_LEAVE */
    GOSSIP_WHY_SESSION,   /* a session with it opened */
    GOSSIP_WHY_LEARNED,   /* from gossip, after a verdict */
    GOSSIP_WHY_PROBE,     /* direct and indirect probes failed */
    GOSSIP_WHY_CONFIRMED, /* failed: others of more than a third of the weight say so too */
    GOSSIP_WHY_TIMEOUT,   /* failed: the full suspicion time is over */
    GOSSIP_WHY_ACK,       /* answered a probe of ours */
    GOSSIP_WHY_REFUTED,   /* signed a record with a higher incarnation */
    GOSSIP_WHY_LEAVE,     /* signed its leave */
    GOSSIP_WHY_EVICTED    /* EV_EVICT: its seat is gone */
};

/* What admission says about a member that we know from gossip only. */
enum gossip_verdict {
    GOSSIP_UNDECIDED = 0,
    GOSSIP_OK,
    GOSSIP_UNKNOWN, /* not on our snapshot: kept aside for two more, <= GOSSIP_ASIDE_MAX */
    GOSSIP_REFUSED  /* dropped; not asked again before the next snapshot */
};

/* Signing with our own node key, verifying with anybody's. Pure computation too: node/ uses
 * EIP-712 and ECDSA, the simulator a keyed hash.
 * sign: BASE_OK or an error, which the step that needed it returns.
 * verify: BASE_OK, else the signature is counted as forged. */
struct gossip_crypto {
    void *ctx;
    int (*sign)(void *ctx, enum base_statement kind, const void *body, size_t len,
                struct base_sig65 *sig);
    int (*verify)(void *ctx, enum base_statement kind, const void *body, size_t len,
                  const struct base_sig65 *sig, const struct base_key33 *key);
};

/* gossip_config_default() fills everything but self, proof and seed. All of it is copied. */
struct gossip_config {
    struct gossip_record self; /* incarnation: >= 1, above all used before with this key */
    struct base_slice proof;   /* opaque to us, travels with the record, <= 256 bytes */
    uint64_t weight;           /* our own */
    uint64_t seed;             /* secret and random in a node, a number in a test */
    uint32_t probe_interval_ms;
    uint32_t probe_timeout_ms;
    uint32_t indirect_count;   /* relays asked when a direct probe stays unanswered */
    uint32_t suspicion_mult;   /* full time = mult * max(1, log10 members) * probe interval */
    uint32_t suspicion_min_ms; /* what more than a third of the weight shortens it to */
    uint32_t awareness_max;    /* Lifeguard's S: time-outs grow up to (1 + S) times */
    uint32_t fanout_count;     /* peers that news we did not make is passed on to */
    uint32_t links_max; /* a full mesh while it fits; beyond it half as many of our own choice, at
                           random, and more on demand, given back later */
    uint32_t retry_max_ms;        /* upper end of the back-off for a peer lost long ago */
    uint32_t leave_linger_ms;     /* from the signed leave to ACTION_LEFT */
    uint32_t members_max;         /* <= GOSSIP_MEMBERS_MAX, ourselves counted */
    struct gossip_shared *shared; /* NULL, or what cores of one thread have in common */
    /* The highest incarnation that a record, leave or event may have when the core starts; grows by
     * one a second, as clocks do. 0: any. Incarnations start from the time, so what is far above
     * it was signed to outlast everything that its key can say later. */
    uint64_t incarnation_max;
};

enum gossip_event_type {
    GOSSIP_EV_TIMER = 1,
    GOSSIP_EV_FRAME,          /* a frame of types 0x10..0x1f from a peer with a link */
    GOSSIP_EV_PEER_UP,        /* session READY, and admitted: record, signature, proof checked */
    GOSSIP_EV_PEER_DOWN,      /* the link is gone: a strong hint, never a verdict */
    GOSSIP_EV_DIAL_FAILED,    /* a WANT_LINK that came to nothing; each ends in this or PEER_UP */
    GOSSIP_EV_VERDICT,        /* answer to ACTION_JUDGE; for a listed member: its new weight */
    GOSSIP_EV_SNAPSHOT_MOVED, /* the chain snapshot changed: those aside are judged again */
    GOSSIP_EV_EVICT,          /* its seat is gone: removed at once, gossip can't bring it back */
    GOSSIP_EV_LEAVE,          /* we go, gracefully */
    GOSSIP_EV_USER_EVENT,     /* send an event of ours to everybody */
    GOSSIP_EV_UPDATE          /* our urls, app_url, name, version or tags changed */
};

struct gossip_event { /* everything borrowed for the call */
    enum gossip_event_type type;
    struct base_key33 key; /* the peer or member meant; unused by the others */
    union {
        struct {
            uint8_t type;           /* unknown types are counted and ignored */
            struct base_slice body; /* may be hostile; the peer is admitted */
        } frame;
        struct {
            struct base_slice record; /* body as signed */
            struct base_sig65 sig;
            struct base_slice proof;
            uint64_t weight; /* of its seat; 0 counts as 1 */
            bool dialed;     /* by us */
        } peer_up;
        struct {
            enum gossip_verdict verdict;
            uint64_t weight; /* with GOSSIP_OK; 0 counts as 1 */
        } verdict;
        struct {
            struct base_slice name;    /* UTF-8, 1..64 bytes */
            struct base_slice payload; /* <= 512 bytes */
        } user_event;
        struct gossip_record update; /* node key, instance, incarnation, sequence are ignored */
    } u;
};

enum gossip_action_type {
    GOSSIP_ACT_SEND = 1,
    GOSSIP_ACT_WANT_LINK,
    GOSSIP_ACT_STATE,
    GOSSIP_ACT_EVENT,
    GOSSIP_ACT_JUDGE,
    GOSSIP_ACT_SELF,
    GOSSIP_ACT_LEFT, /* our leave is out: stop when you like */
    GOSSIP_ACT_NOTE,
    GOSSIP_ACT_DROP_LINK /* one more than we can keep: close it, once what was sent is out */
};

/* Worth a line in the log; everything that is only counted is in gossip_counters. */
enum gossip_note {
    GOSSIP_NOTE_NONE = 0,
    /* Key signed two records of equal incarnation and sequence, different in bytes. `ours` and
     * `theirs` prove it to anybody who knows the mesh; once for each such version, and once in ten
     * minutes for each key. */
    GOSSIP_NOTE_CONTRADICTION,
    GOSSIP_NOTE_ROLLED_BACK, /* a record of ours, signed by us, is ahead of what we knew */
    GOSSIP_NOTE_FORGED,      /* the peer sent a statement whose signature is not its speaker's */
    GOSSIP_NOTE_TABLE_FULL,  /* no room for key */
    GOSSIP_NOTE_PAUSED       /* we ourselves did not run for a while: our clocks were moved on */
};

struct gossip_action { /* everything borrowed until the next step */
    enum gossip_action_type type;
    struct base_key33 key; /* the peer to send to, the member meant, an event's origin */
    union {
        struct {
            uint8_t type;
            uint8_t kind; /* not 0: replaces a queued frame of the same kind to the same peer */
            struct base_slice body;
        } send;
        struct {
            enum gossip_state from, to;
            enum gossip_reason reason;
            uint64_t incarnation;
        } state;
        struct {
            struct base_slice name, payload;
            uint64_t epoch;    /* the origin's start incarnation */
            uint64_t sequence; /* (key, epoch, sequence) is unique */
        } event;
        struct {
            struct base_slice record; /* its signature by key has been checked */
            struct base_sig65 sig;
            struct base_slice proof;
        } judge;
        struct { /* persist; also whenever the signed record changed: gossip_self_record() */
            uint64_t incarnation;
        } self;
        struct {
            enum gossip_note note;
            struct base_key33 peer; /* through whom it came, zero when nobody */
            struct gossip_shown {   /* CONTRADICTION: record bodies, each with key's signature */
                struct base_slice record;
                struct base_sig65 sig;
            } ours, theirs;
        } note;
    } u;
};

struct gossip_actions {
    const struct gossip_action *items;
    size_t count; /* <= GOSSIP_ACTIONS_MAX */
};

/* Holds all of its memory from gossip_new() on, and of what is reserved the pages that nobody has
 * touched cost nothing: 64 bytes a member, its record (body, proof and 170 bytes, each version
 * once), 180 bytes more while something is going on with it, 210 while it is listed as LEFT. */
struct gossip;

/* Cores that one thread steps, one after the other, may share the memory that a step works in and
 * one copy of each record: 10,000 cores of 10,000 members are then a matter of gigabytes. They must
 * agree on who signed what, so it is for cores of one mesh. What a step's actions point to is
 * borrowed until the next step of any of them. records_max: how many may live at once; where a core
 * has its own that is as many as it can need, here it is one for each version that some core lists
 * or waits for a verdict on; beyond it newcomers are refused with NOTE_TABLE_FULL. BASE_ENOMEM.
 * The cores go first. */
struct gossip_shared;
int gossip_shared_new(struct gossip_shared **out, size_t records_max, uint64_t seed);
void gossip_shared_free(struct gossip_shared *shared);
/* Memory that has been in use so far, at most: of the records; of a core beside its records and
 * the ring of 128 user events. */
size_t gossip_shared_bytes(const struct gossip_shared *shared);
size_t gossip_bytes(const struct gossip *g);

void gossip_config_default(struct gossip_config *cfg);

/* BASE_EINVAL: a value out of range or a record that does not encode; BASE_ENOMEM; what
 * crypto->sign returned. The crypto is copied, its ctx kept. */
int gossip_new(struct gossip **out, const struct gossip_config *cfg,
               const struct gossip_crypto *crypto, uint64_t now_ms);
void gossip_free(struct gossip *g);

/* Tell the core what happened at now_ms; learn what to do about it.
 *
 * now_ms  milliseconds, monotonic, never smaller than in the call before.
 * ev      borrowed for the call.
 * out     borrowed until the next step. Filled on errors too, then usually empty. Perform the
 *         actions in order. STATE is given exactly when the table changes, our own `up` first.
 *
 * Returns BASE_OK;
 *   BASE_EMALFORMED  a frame, record or signature that breaks the format: no member has changed,
 *                    close the link;
 *   BASE_ESIG        PEER_UP with a record that its key did not sign;
 *   BASE_ENOPEER     a frame from, or an event about, somebody who is not listed or has no link;
 *   BASE_EFULL       PEER_UP: the table has no room;
 *   BASE_EINVAL, BASE_ETOOBIG  USER_EVENT or UPDATE out of bounds; BASE_EINVAL also PEER_UP with a
 *                    record above incarnation_max, BASE_ETOOBIG with a proof of too many bytes;
 *   BASE_EUNSUPPORTED  PEER_UP with a record of a version after ours;
 *   BASE_ESTATE      PEER_UP, USER_EVENT or UPDATE after our own LEAVE; PEER_UP of our own key.
 * Same configuration and same events give the same bytes on every machine. */
int gossip_step(struct gossip *g, uint64_t now_ms, const struct gossip_event *ev,
                struct gossip_actions *out);

/* When to call gossip_step() with GOSSIP_EV_TIMER, unless something happens first. May be in the
 * past when one step was not enough for all that is due. */
uint64_t gossip_deadline_ms(const struct gossip *g);

/* A member as it stands, ourselves included. Borrowed until the next step. */
struct gossip_member_view {
    struct base_key33 key;
    enum gossip_state state;
    uint64_t incarnation, sequence, weight;
    uint64_t since_ms; /* of the last change of state */
    uint64_t rtt_ms;   /* of the last answered direct probe */
    bool is_self, is_linked;
    struct base_slice record; /* decode with gossip_record_decode() */
    struct base_sig65 sig;
    struct base_slice proof;
};
size_t gossip_member_count(const struct gossip *g);
/* In the order of their keys; index < gossip_member_count(). */
void gossip_member_at(struct gossip_member_view *out, const struct gossip *g, size_t index);
/* BASE_ENOTFOUND */
int gossip_member_find(struct gossip_member_view *out, const struct gossip *g,
                       const struct base_key33 *key);

/* Our record as we would sign and show it now: what HELLO carries. */
void gossip_self_record(struct gossip_signed_record *out, const struct gossip *g);

struct gossip_counters {
    uint64_t frames_in, frames_out, frames_malformed, frames_unknown, keys_unknown;
    uint64_t probes, probes_failed;
    uint64_t acks; /* that ended a probe of ours; the round trip is the member's rtt_ms */
    uint64_t nacks, relays;
    uint64_t suspicions, refutations_own, failures;
    uint64_t statements_duplicate;  /* known already, or in our own name: ordinary */
    uint64_t statements_stale;      /* about an incarnation that is over, or not yet there */
    uint64_t statements_future;     /* of an incarnation above incarnation_max */
    uint64_t statements_forged;     /* signature is not the speaker's */
    uint64_t statements_non_member; /* by or about somebody not listed */
    uint64_t statements_invalid;    /* well signed, but out of range */
    uint64_t events_sent, events_delivered;
    uint64_t syncs, records_pulled, judged, refused;
    uint64_t aside_full, table_full, sends_dropped, pauses;
    uint64_t contradictions; /* noted or not */
    uint32_t awareness;      /* 0 healthy .. awareness_max */
};
void gossip_counters(struct gossip_counters *out, const struct gossip *g);

const char *gossip_state_name(enum gossip_state state);    /* "alive" .. */
const char *gossip_reason_name(enum gossip_reason reason); /* "probe" .. */
const char *gossip_note_name(enum gossip_note note);       /* "contradiction" .. */

#endif
