#ifndef NFTMESH_NODE_SESSION_INTERNAL_H
#define NFTMESH_NODE_SESSION_INTERNAL_H

#include "node/session.h"

/* Shared by node/session*.c only. */

enum phase {
    IDLE = 0,
    WAITS_ACT1,    /* responder */
    WAITS_ACT2,    /* initiator */
    WAITS_ACT3,    /* responder */
    WAITS_HELLO,   /* both: keys stand, nothing is proved of the seat */
    WAITS_VERDICT, /* both: JUDGED, line 19 is with the mesh */
    WAITS_READY,   /* responder: admitted, its HELLO is on the way */
    OWES_READY,    /* initiator: admitted, READY waits for the link */
    UP,
    LINGERS, /* REFUSE or BYE, then the pipe */
    CLOSED
};

enum { /* bits of owes: what leaves as soon as the link takes it */
       OWES_ACT = 1,
       OWES_HELLO = 2,
       OWES_READY_FRAME = 4,
       OWES_FAREWELL = 8,
       OWES_ALIVE = 16,
       OWES_COPY = 32
};

struct item { /* one frame of the queue */
    struct item *next;
    uint32_t replace;
    uint8_t type;
    size_t len;
    uint8_t body[];
};

struct node_session {
    const struct node_session_env *env;
    enum phase phase;
    bool dialed;
    bool met_ourselves; /* act 1 brought an ephemeral key of ours */
    bool proved;        /* remote has completed the handshake (responder: act 3) */
    struct base_key33 own, remote;
    struct base_privkey ephemeral;
    struct attest_noise noise;
    struct attest_cipher cipher;
    struct node_session_peer peer;
    bool judged;                  /* peer is valid */
    bool votes_only;              /* nothing of membership */
    uint64_t now_ms, deadline_ms; /* of handshake or linger */
    enum node_reason why;         /* of LINGERS and CLOSED */

    unsigned owes;
    uint8_t act[ATTEST_ACT3_BYTES];
    size_t act_len;
    uint8_t farewell_type, farewell[NODE_REFUSE_BYTES_MAX];
    size_t farewell_len;
    bool link_busy;
    uint64_t link_busy_since_ms;

    struct item *head, **tail;
    size_t queue_count, queue_bytes;

    uint64_t window[NODE_SESSION_WINDOW_FRAMES]; /* counters not acknowledged, oldest first */
    size_t window_count;
    uint64_t urgent_end;  /* counter after the last of them that is owed an acknowledgement soon */
    uint64_t progress_ms; /* such a one was the first, or an acknowledgement moved the window */
    uint64_t acks[NODE_SESSION_ACKS_UNANSWERED]; /* the same for our bare ACKs */
    size_t ack_count;
    size_t received_count; /* frames other than ACK since our last frame of any type */
    bool owes_ack;         /* soon: one of them is no answer */
    uint64_t received_ms;  /* the first such */

    struct base_hash32 copy_challenge; /* the peer's, to be answered */
    uint64_t alive_next_ms;            /* not before */
    struct base_hash32 challenge;      /* ours */
    bool challenged;
    unsigned alive_tries;
    uint64_t challenge_deadline_ms, challenge_next_ms;

    uint64_t renew_ms; /* UINT64_MAX: not, or done */
    struct node_session_stats stats;
};

/* session.c */

/* Does a frame of this type want to be acknowledged soon? An answer to a probe does not: who asked
 * has it, and speaks again by its next probe. Both ends go by the type. */
bool node__session_is_urgent(uint8_t type);
/* Is a frame that wants it still unacknowledged, or no room for another one? */
bool node__session_waits(const struct node_session *s);

/* Not on a link for votes. An owner's word is: it may be why a seat is gone, or back. */
bool node__session_is_membership(uint8_t type);
/* This reason to refuse it leaves a peer its vote. */
bool node__session_may_vote(const struct node_session *s, enum node_reason reason);
/* Our own seat is gone, and the peer is none of those that our vote is for. */
bool node__session_is_idle(const struct node_session *s);

/* session_send.c: ways to end, and what leaves when. */
struct node_session_action *node__session_add(struct node_session_actions *out,
                                              enum node_session_action_kind kind);
/* Our keys of this session; NULL when a rotation has taken them away. */
const struct node_keyset *node__session_own_keys(const struct node_session *s);
void node__session_drop_queue(struct node_session *s);
/* CLOSE, and secrets forgotten. */
void node__session_close_now(struct node_session *s, enum node_reason why,
                             struct node_session_actions *out);
/* ANSWER to the challenge under way; no proof: not alive. */
void node__session_answer_challenge(struct node_session *s, const struct node_alive *proof,
                                    struct node_session_actions *out);
/* UP ends: DOWN, borrowed until the next action is added. CLOSE or a BYE has to follow. */
struct node_session_action *node__session_go_down(struct node_session *s, enum node_reason reason,
                                                  struct node_session_actions *out);
void node__session_say_bye(struct node_session *s, enum node_reason why, const char *text);
/* The session never came up, by our own decision: the reason goes to our operator, the code to the
 * peer. Before the keys stand a refusal is a closed pipe. alive: for KEY_IN_USE, may be NULL. */
void node__session_refuse_with(struct node_session *s, const struct node_refusal *refusal,
                               const struct node_alive *alive, struct node_session_actions *out);
void node__session_refuse_plain(struct node_session *s, enum node_reason reason, const char *found,
                                struct node_session_actions *out);
/* The peer broke the rules of frames: closed without a word. */
void node__session_break_off(struct node_session *s, const char *found,
                             struct node_session_actions *out);
void node__session_come_up(struct node_session *s, struct node_session_actions *out);
/* Gives the link the next message, if it takes one and one is owed. */
void node__session_pump(struct node_session *s, struct node_session_actions *out);

/* session_hello.c: from the open pipe to the verdict. */
int node__session_open_link(struct node_session *s, const struct node_session_event *ev);
void node__session_read_act1(struct node_session *s, const uint8_t *data, size_t len,
                             struct node_session_actions *out);
void node__session_read_act2(struct node_session *s, const uint8_t *data, size_t len,
                             struct node_session_actions *out);
void node__session_read_act3(struct node_session *s, const uint8_t *data, size_t len,
                             struct node_session_actions *out);
void node__session_read_hello(struct node_session *s, const struct attest_frame *frame,
                              struct node_session_actions *out);
void node__session_read_refuse(struct node_session *s, const struct attest_frame *frame,
                               struct node_session_actions *out);

/* session_frame.c: one message of the link, whatever the phase. */
void node__session_read_message(struct node_session *s, const uint8_t *data, size_t len,
                                struct node_session_actions *out);

#endif
