#ifndef NFTMESH_NODE_SESSION_H
#define NFTMESH_NODE_SESSION_H

#include "attest/cipher.h"
#include "node/authority.h"

/* One link's life, from act 1 to the last frame: handshake, HELLO, counters, window, goodbye.
 * Pure: (now, event) in, actions out. The rim owns pipe, clock and entropy; the mesh owns the
 * snapshot and the other sessions.
 *
 *   initiator                                responder
 *   OPEN      -- act 1 -->
 *             <-- act 2 --
 *             -- act 3, HELLO -->            judges; JUDGED, the mesh answers ADMIT or DENY
 *   judges;   <-- HELLO --
 *   JUDGED, ADMIT
 *   UP        -- READY -->                   UP
 *
 * No side believes in a join that the other refused: the initiator is up when it sends READY, the
 * responder when it gets it. Messages of the link are acts and frames, one each, whole. */
#define NODE_SESSION_HANDSHAKE_MS    5000u /* act 1 to READY */
#define NODE_SESSION_LINGER_MS       1000u /* REFUSE or BYE sent: the peer may close first */
#define NODE_SESSION_ACK_DELAY_MS    5000u
#define NODE_SESSION_STUCK_MS        15000u    /* without an acknowledgement: the heartbeat limit */
#define NODE_SESSION_COPY_ANSWER_MS  1000u     /* one ALIVE in this time */
#define NODE_SESSION_RENEW_MS        43200000u /* 12 h, plus or minus the next */
#define NODE_SESSION_RENEW_JITTER_MS 3600000u
#define NODE_SESSION_WINDOW_FRAMES   32
#define NODE_SESSION_ACK_FRAMES      16 /* received, before a bare ACK goes at once */
#define NODE_SESSION_ACKS_UNANSWERED 16 /* sent, then STUCK */
#define NODE_SESSION_QUEUE_FRAMES    64
#define NODE_SESSION_QUEUE_BYTES_MAX ((size_t)2 << 20)
#define NODE_SESSION_TEXT_BYTES_MAX  128 /* in REFUSE and BYE */
#define NODE_SESSION_ACTIONS_MAX     8
#define NODE_SESSION_ACT1_PER_SECOND 50 /* over it: closed as busy, unread */
#define NODE_SESSION_EPHEMERALS      128

/* What all sessions of a node share; zeroed memory is empty. Ephemeral public keys that we dialled
 * with lately: who meets one in an act 1 has met himself. And how many act 1 were read in this
 * second: each costs two ECDH, whoever sends it. */
struct node_ephemerals {
    struct base_key33 keys[NODE_SESSION_EPHEMERALS];
    size_t next;
    uint64_t act1_since_ms;
    unsigned act1_count;
};

/* The node around a session: borrowed for the session's life, read at each step. Change it between
 * steps and send NODE_SESSION_EV_SNAPSHOT to each session before any other event. */
struct node_session_env {
    const struct node_identity *identity;
    const struct node_admission *admission;
    const struct gossip_signed_record *record;       /* ours now, by identity->keys */
    const struct gossip_signed_record *other_record; /* by identity->other; NULL without one */
    struct node_ephemerals *ephemerals;
    /* Who votes in the epoch, or did a moment ago: a link with one whose seat is gone is for its
     * vote alone, which are the frames from 0x20 on, and for owners' words (AUTHORITY). */
    const struct base_key33 *voters;
    size_t voter_count;
    bool votes_only; /* our own seat is gone, and we are one of them: no link is more than that */
    bool ready;      /* our own seat stands: else HELLO is answered with not_ready */
    bool busy;       /* over budget: a newcomer is refused as busy */
};

enum node_session_event_kind {
    NODE_SESSION_EV_TIMER = 1,
    NODE_SESSION_EV_OPEN,      /* the pipe stands; first event */
    NODE_SESSION_EV_FRAME,     /* a message came; hostile bytes */
    NODE_SESSION_EV_SENT,      /* the last SEND is on its way: the link takes the next */
    NODE_SESSION_EV_QUEUE,     /* a gossip or consensus frame to send */
    NODE_SESSION_EV_SNAPSHOT,  /* the env has changed: judge again */
    NODE_SESSION_EV_ADMIT,     /* answers JUDGED: no live copy, come in */
    NODE_SESSION_EV_DENY,      /* answers JUDGED: KEY_IN_USE with proof, or BUSY */
    NODE_SESSION_EV_CHALLENGE, /* up: ask the peer whether it still lives (COPY?) */
    NODE_SESSION_EV_CLOSE,     /* say goodbye and close; before READY: close at once */
    NODE_SESSION_EV_GONE       /* the pipe is closed already */
};
struct node_session_event {
    enum node_session_event_kind kind;
    union {
        struct {
            bool dialed;
            struct base_key33 remote; /* dialed: whom we expect */
            uint8_t entropy[32];      /* fresh from the rim, for the ephemeral key */
        } open;
        struct {
            const uint8_t *data; /* borrowed for the call */
            size_t len;
        } frame;
        struct {
            uint8_t type;        /* 0x10 to 0x2f */
            const uint8_t *body; /* copied */
            size_t len;
            uint32_t replace; /* not 0: takes the place of a queued frame with this number */
        } queue;
        struct {
            enum node_reason reason; /* NODE_REASON_KEY_IN_USE or NODE_REASON_BUSY */
            struct node_alive alive; /* for KEY_IN_USE: the live session's answer to our h */
        } deny;
        struct {
            struct base_hash32 challenge; /* h of the newcomer's session */
            uint64_t timeout_ms;          /* one probe time-out */
        } challenge;
        struct {
            enum node_reason reason; /* any: LEAVING, DUPLICATE, PROTOCOL, .. */
            const char *text;        /* printable ASCII for the peer; may be NULL */
        } close;
    };
};

/* What a peer that may come in has shown, to be handed on: two kilobytes that nobody needs after
 * that, node_session_forget(). */
struct node_session_shown {
    struct gossip_signed_record record;
    uint8_t proof[NODE_PROOF_BYTES]; /* blob for gossip */
    bool has_bundle; /* the owner's authorisation, where the contract stores no keys */
    struct node_bundle bundle;
};

/* What a peer that may come in said of itself; valid as long as the session. */
struct node_session_peer {
    struct node_facts facts;
    uint8_t boot_id[NODE_BOOT_ID_BYTES];
    uint64_t start_incarnation;
    uint16_t wire_minor;
    uint64_t features;
    struct base_hash32 h;             /* of this session */
    struct node_session_shown *shown; /* NULL once forgotten */
};

enum node_session_action_kind {
    NODE_SESSION_SEND = 1, /* give these bytes to the link; SENT follows. At most one a step */
    NODE_SESSION_JUDGED,   /* lines 0 to 18 hold. Line 19 is the mesh's: ADMIT or DENY */
    NODE_SESSION_UP,       /* the peer is in */
    NODE_SESSION_VOTES,    /* after UP: from here on for votes alone */
    NODE_SESSION_DOWN,     /* once after each UP */
    NODE_SESSION_WAITING,  /* before REFUSED: the peer's authorisation cannot be judged yet, and may
                            * count later. To be offered to the authority */
    NODE_SESSION_REFUSED,  /* instead of UP: we refused, or the peer did. A time-out, or a pipe
                            * that is gone, is CLOSE alone */
    NODE_SESSION_FRAME,    /* a gossip or consensus frame of the peer */
    NODE_SESSION_ANSWER,   /* what became of CHALLENGE */
    NODE_SESSION_RENEW,    /* dialling side, once: the session is old, dial a new one */
    NODE_SESSION_CLOSE     /* last: close the pipe, free the session */
};

/* What to make of a refusal by the peer with code key_in_use. */
enum node_copy_proof {
    NODE_COPY_NONE = 0, /* another code, or no proof, or one that does not hold: a plain no */
    NODE_COPY_OLDER,    /* another live process has our node key and is younger: stay, retry */
    NODE_COPY_YOUNGER   /* it is the older one: log and exit 1, of two copies one stays */
};

struct node_session_action {
    enum node_session_action_kind kind;
    union {
        struct {
            const uint8_t *data; /* in the actions' send buffer */
            size_t len;
        } send;
        const struct node_session_peer *peer; /* JUDGED, UP */
        const struct node_bundle *bundle;     /* WAITING */
        struct {
            enum node_reason reason; /* why the session is down */
            bool by_peer;            /* it said goodbye; code and text are its words */
            uint8_t code;
            char text[NODE_SESSION_TEXT_BYTES_MAX + 1];
            struct node_refusal refusal; /* EVICTED by us: which line fails now */
        } down;
        struct {
            bool by_peer; /* false: refusal says all; true: the four below, which prove nothing */
            struct node_refusal refusal; /* by_peer: reason REFUSED, or KEY_IN_USE with proof */
            uint8_t code;
            uint32_t retry_s;
            char text[NODE_SESSION_TEXT_BYTES_MAX + 1];
            enum node_copy_proof copy; /* checked by us */
            struct node_alive alive;   /* when copy is not NONE */
        } refused;
        struct {
            uint8_t type;
            const uint8_t *body; /* in the actions' frame buffer */
            size_t len;
        } frame;
        struct {
            struct base_hash32 challenge;
            bool alive; /* the peer lives: proof below is for DENY of the newcomer */
            struct node_alive proof;
        } answer;
        enum node_reason close; /* why, for the log; REFUSED or DOWN has come before if there
                                 * was anything more to say */
    };
};
/* The caller's, and large: keep one, or one for each depth if performing an action steps another
 * session. Valid until it is given to the next step. */
struct node_session_actions {
    size_t count;
    struct node_session_action list[NODE_SESSION_ACTIONS_MAX];
    uint8_t send[ATTEST_FRAME_BYTES_MAX];
    uint8_t frame[ATTEST_FRAME_BYTES_MAX];
};

struct node_session;

/* BASE_ENOMEM. */
int node_session_new(struct node_session **out, const struct node_session_env *env);
void node_session_free(struct node_session *session); /* zeroes keys; NULL is fine */

/* now_ms is monotonic. What a peer does wrong is never an error here: it ends in REFUSED or DOWN,
 * and CLOSE. Errors are for our own events, which then have no effect:
 *   OPEN       BASE_EKEY: entropy is no scalar (draw again) or remote no point;
 *              BASE_EINVAL: remote is a node key of our own
 *   QUEUE      BASE_ESTATE: not up, or for votes alone and this is none; BASE_EFULL: 64 frames or
 * the bytes' bound; BASE_ETOOBIG: above its type's bound; BASE_EINVAL: a type below 0x10 or above
 * 0x2f; BASE_ENOMEM CHALLENGE  BASE_ESTATE: not up; BASE_EFULL: one is under way or was within the
 * last second ADMIT, DENY  BASE_ESTATE: there is no JUDGED to answer (any more) */
int node_session_step(struct node_session *session, uint64_t now_ms,
                      const struct node_session_event *ev, struct node_session_actions *out);
/* When to step with TIMER, unless something happens first; UINT64_MAX: no need. */
uint64_t node_session_deadline_ms(const struct node_session *session);

bool node_session_is_up(const struct node_session *session);
bool node_session_is_dialed(const struct node_session *session);
/* It carries votes, and nothing of membership: that of one end's seat is gone. At UP, or later. */
bool node_session_is_for_votes(const struct node_session *session);
/* NULL before the peer's static key is proved (dialed: before OPEN). */
const struct base_key33 *node_session_remote(const struct node_session *session);
/* NULL before JUDGED. */
const struct node_session_peer *node_session_peer(const struct node_session *session);
/* The peer is up, and what it has shown is where it belongs: frees that. */
void node_session_forget(struct node_session *session);

struct node_session_stats {
    uint64_t frames_sent, frames_received; /* after act 3, of any type */
    uint64_t bytes_sent, bytes_received;   /* of the link's messages, acts included */
    uint64_t acks_sent;
    uint64_t unknown_types; /* frames counted and ignored */
    uint64_t unheard;       /* of gossip, on a link that is for votes alone */
    uint64_t up_since_ms;   /* 0: not up */
    size_t queued, unacknowledged;
};
struct node_session_stats node_session_stats(const struct node_session *session);

/* Two sessions with the same node key and boot id, both up: which stays? Dialled by different ends:
 * the one that the lower key dialled. By the same end: the newer. */
enum node_duplicate {
    NODE_DUPLICATE_UNDECIDED = 0,
    NODE_DUPLICATE_KEEP_OLD,
    NODE_DUPLICATE_KEEP_NEW
};
struct node_duplicate_rule {
    enum node_duplicate keep;
    bool we_close; /* our key is the lower: we close the other one; else it is drained */
};
struct node_duplicate_rule node_session_duplicate_rule(const struct base_key33 *own,
                                                       const struct base_key33 *peer,
                                                       bool old_dialed_by_us,
                                                       bool new_dialed_by_us);

/* Bodies of REFUSE and BYE.
 *   REFUSE  code (1, not 0) || retry seconds (4) || text length (1) || text [|| ALIVE (89)]
 *   BYE     code (1) || text length (1) || text
 * Text is printable ASCII, at most 128; ALIVE only with code 4. */
#define NODE_REFUSE_BYTES_MAX (6 + NODE_SESSION_TEXT_BYTES_MAX + NODE_ALIVE_BYTES)
#define NODE_BYE_BYTES_MAX    (2 + NODE_SESSION_TEXT_BYTES_MAX)
struct node_refuse {
    uint8_t code;
    uint32_t retry_s;
    char text[NODE_SESSION_TEXT_BYTES_MAX + 1];
    bool has_alive;
    struct node_alive alive;
};
struct node_bye {
    uint8_t code;
    char text[NODE_SESSION_TEXT_BYTES_MAX + 1];
};
size_t node_refuse_encode(uint8_t out[NODE_REFUSE_BYTES_MAX], const struct node_refuse *refuse);
size_t node_bye_encode(uint8_t out[NODE_BYE_BYTES_MAX], const struct node_bye *bye);
/* BASE_EMALFORMED. */
int node_refuse_decode(struct node_refuse *out, const void *data, size_t len);
int node_bye_decode(struct node_bye *out, const void *data, size_t len);

#endif
