#include "node/session_internal.h"

#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node_session_action *node__session_add(struct node_session_actions *out,
                                              enum node_session_action_kind kind)
{
    assert(out->count < NODE_SESSION_ACTIONS_MAX);
    struct node_session_action *action = &out->list[out->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    return action;
}

/* Our keys of this session. Looked up each time: after a rotation the old ones go away. */
const struct node_keyset *node__session_own_keys(const struct node_session *s)
{
    const struct node_identity *identity = s->env->identity;
    if (base_key33_equal(&identity->keys.node_key, &s->own)) return &identity->keys;
    if (identity->has_other && base_key33_equal(&identity->other.node_key, &s->own))
        return &identity->other;
    return NULL;
}

static const struct gossip_signed_record *own_record(const struct node_session *s)
{
    bool current = base_key33_equal(&s->env->identity->keys.node_key, &s->own);
    return current ? s->env->record : s->env->other_record;
}

static bool has_keys(const struct node_session *s)
{
    return s->phase >= WAITS_HELLO && s->phase <= UP;
}

/* Printable ASCII, cut to its bound: our own words, but some of them quote the world. */
static void copy_text(char out[NODE_SESSION_TEXT_BYTES_MAX + 1], const char *text)
{
    size_t len = 0;
    for (; text != NULL && text[len] != '\0' && len < NODE_SESSION_TEXT_BYTES_MAX; len++)
        out[len] = text[len] >= 0x20 && text[len] <= 0x7e ? text[len] : '?';
    out[len] = '\0';
}

void node__session_drop_queue(struct node_session *s)
{
    while (s->head != NULL) {
        struct item *item = s->head;
        s->head = item->next;
        free(item);
    }
    s->tail = &s->head;
    s->queue_count = s->queue_bytes = 0;
}

static void forget_secrets(struct node_session *s)
{
    attest_noise_deinit(&s->noise);
    attest_cipher_deinit(&s->cipher);
    base_memzero(&s->ephemeral, sizeof s->ephemeral);
}

void node__session_close_now(struct node_session *s, enum node_reason why,
                             struct node_session_actions *out)
{
    s->phase = CLOSED;
    s->why = why;
    s->owes = 0;
    node__session_drop_queue(s);
    forget_secrets(s);
    node__session_add(out, NODE_SESSION_CLOSE)->close = why;
}

void node__session_answer_challenge(struct node_session *s, const struct node_alive *proof,
                                    struct node_session_actions *out)
{
    struct node_session_action *action = node__session_add(out, NODE_SESSION_ANSWER);
    action->answer.challenge = s->challenge;
    action->answer.alive = proof != NULL;
    if (proof != NULL) action->answer.proof = *proof;
    s->challenged = false;
    s->owes &= ~(unsigned)OWES_COPY;
}

/* UP ends. The challenge's answer comes before DOWN, so that each CHALLENGE has exactly one. */
struct node_session_action *node__session_go_down(struct node_session *s, enum node_reason reason,
                                                  struct node_session_actions *out)
{
    assert(s->phase == UP);
    if (s->challenged) node__session_answer_challenge(s, NULL, out);
    node__session_drop_queue(s);
    s->owes = 0;
    struct node_session_action *action = node__session_add(out, NODE_SESSION_DOWN);
    action->down.reason = reason;
    return action;
}

static void linger(struct node_session *s, enum node_reason why)
{
    s->phase = LINGERS;
    s->why = why;
    s->owes = (s->owes & OWES_ACT) | OWES_FAREWELL; /* act 3 still goes before its REFUSE */
    s->deadline_ms = s->now_ms + NODE_SESSION_LINGER_MS;
}

void node__session_say_bye(struct node_session *s, enum node_reason why, const char *text)
{
    struct node_bye bye = {.code = (uint8_t)node_reason_code(why)};
    copy_text(bye.text, text);
    s->farewell_type = ATTEST_FRAME_BYE;
    s->farewell_len = node_bye_encode(s->farewell, &bye);
    linger(s, why);
}

/* The session never came up, by our own decision: the reason goes to our operator, the code to the
 * peer. Before the keys stand a refusal is a closed pipe. */
void node__session_refuse_with(struct node_session *s, const struct node_refusal *refusal,
                               const struct node_alive *alive, struct node_session_actions *out)
{
    struct node_refuse refuse = {.code = (uint8_t)refusal->code};
    struct node_session_action *action = node__session_add(out, NODE_SESSION_REFUSED);
    action->refused.refusal = *refusal;
    if (!has_keys(s) || refuse.code == NODE_CODE_NONE) {
        node__session_close_now(s, refusal->reason, out);
        return;
    }
    copy_text(refuse.text, node_code_name(refuse.code));
    if (refuse.code == NODE_CODE_SETTINGS_DIFFER) {
        char both[2 * NODE_REFUSAL_TEXT_BYTES + 1];
        snprintf(both, sizeof both, "%s %s", refusal->expected, refusal->found);
        copy_text(refuse.text, both);
    }
    if (refuse.code == NODE_CODE_NO_SEAT) refuse.retry_s = 1; /* our snapshot may lag */
    if (refuse.code == NODE_CODE_BUSY) refuse.retry_s = 5;
    if (refuse.code == NODE_CODE_NOT_READY) refuse.retry_s = 10;
    refuse.has_alive = alive != NULL;
    if (alive != NULL) refuse.alive = *alive;
    s->farewell_type = ATTEST_FRAME_REFUSE;
    s->farewell_len = node_refuse_encode(s->farewell, &refuse);
    linger(s, refusal->reason);
}

void node__session_refuse_plain(struct node_session *s, enum node_reason reason, const char *found,
                                struct node_session_actions *out)
{
    struct node_refusal refusal;
    node_refusal_set(&refusal, reason, 0);
    node_refusal_find(&refusal, "%s", found);
    node__session_refuse_with(s, &refusal, NULL, out);
}

/* The peer broke the rules of frames: nothing more is said to it. */
void node__session_break_off(struct node_session *s, const char *found,
                             struct node_session_actions *out)
{
    if (s->phase == UP) {
        struct node_refusal *refusal =
            &node__session_go_down(s, NODE_REASON_PROTOCOL, out)->down.refusal;
        node_refusal_set(refusal, NODE_REASON_PROTOCOL, 0);
        node_refusal_find(refusal, "%s", found);
    } else {
        struct node_refusal *refusal =
            &node__session_add(out, NODE_SESSION_REFUSED)->refused.refusal;
        node_refusal_set(refusal, NODE_REASON_PROTOCOL, 0);
        node_refusal_find(refusal, "%s", found);
    }
    node__session_close_now(s, NODE_REASON_PROTOCOL, out);
}

static void give_to_link(struct node_session *s, size_t len, struct node_session_actions *out)
{
    struct node_session_action *action = node__session_add(out, NODE_SESSION_SEND);
    action->send.data = out->send;
    action->send.len = len;
    s->link_busy = true;
    s->link_busy_since_ms = s->now_ms;
    s->stats.bytes_sent += len;
}

/* The counter is given here, when the frame leaves. Any frame carries our acknowledgement. */
static void send_frame(struct node_session *s, uint8_t type, const void *body, size_t len,
                       struct node_session_actions *out)
{
    size_t frame_len;
    uint64_t counter = s->cipher.send.next;
    attest_cipher_seal(&s->cipher, out->send, &frame_len, type, body, len);
    if (type == ATTEST_FRAME_ACK) {
        s->acks[s->ack_count++] = counter;
        s->stats.acks_sent++;
    } else if (s->phase != LINGERS) {
        bool waited = node__session_waits(s);
        s->window[s->window_count++] = counter;
        if (node__session_is_urgent(type)) s->urgent_end = counter + 1;
        if (!waited) s->progress_ms = s->now_ms;
    }
    s->received_count = 0;
    s->owes_ack = false;
    s->stats.frames_sent++;
    give_to_link(s, frame_len, out);
}

static void send_hello(struct node_session *s, struct node_session_actions *out)
{
    uint8_t hello[ATTEST_HELLO_BYTES_MAX];
    size_t len;
    const struct node_keyset *keys = node__session_own_keys(s);
    const struct gossip_signed_record *record = own_record(s);
    enum base_role role = s->dialed ? BASE_ROLE_INITIATOR : BASE_ROLE_RESPONDER;
    s->owes &= ~(unsigned)OWES_HELLO;
    if (keys == NULL || record == NULL ||
        node_identity_hello(hello, &len, s->env->identity, keys, record, role, &s->peer.h) !=
            BASE_OK) {
        node__session_close_now(s, NODE_REASON_NOT_READY,
                                out); /* the key of this session was rotated away */
        return;
    }
    send_frame(s, ATTEST_FRAME_HELLO, hello, len, out);
}

void node__session_come_up(struct node_session *s, struct node_session_actions *out)
{
    s->phase = UP;
    s->stats.up_since_ms = s->now_ms;
    if (s->dialed) {
        uint64_t jitter = base_get_u64be(s->peer.h.bytes) % (2 * NODE_SESSION_RENEW_JITTER_MS + 1);
        s->renew_ms = s->now_ms + NODE_SESSION_RENEW_MS - NODE_SESSION_RENEW_JITTER_MS + jitter;
    }
    node__session_add(out, NODE_SESSION_UP)->peer = &s->peer;
}

static void send_ready(struct node_session *s, struct node_session_actions *out)
{
    s->owes &= ~(unsigned)OWES_READY_FRAME;
    send_frame(s, ATTEST_FRAME_READY, NULL, 0, out);
    node__session_come_up(s, out);
}

static void send_alive(struct node_session *s, struct node_session_actions *out)
{
    struct node_alive alive;
    uint8_t body[NODE_ALIVE_BYTES];
    const struct node_keyset *keys = node__session_own_keys(s);
    s->owes &= ~(unsigned)OWES_ALIVE;
    s->alive_next_ms = s->now_ms + NODE_SESSION_COPY_ANSWER_MS;
    if (keys == NULL) return; /* a key of ours that is gone: it may be replaced */
    int rv = node_alive_sign(&alive, s->env->identity, keys, &s->copy_challenge);
    assert(rv == BASE_OK);
    node_alive_encode(body, &alive);
    send_frame(s, ATTEST_FRAME_ALIVE, body, sizeof body, out);
}

static void send_queued(struct node_session *s, struct node_session_actions *out)
{
    struct item *item = s->head;
    s->head = item->next;
    if (s->head == NULL) s->tail = &s->head;
    s->queue_count--;
    s->queue_bytes -= item->len;
    send_frame(s, item->type, item->body, item->len, out);
    free(item);
}

/* Something other than ACKs has come since our last frame, and enough of it or long enough ago. */
static bool ack_is_due(const struct node_session *s)
{
    return s->received_count >= NODE_SESSION_ACK_FRAMES ||
           (s->owes_ack && s->now_ms >= s->received_ms + NODE_SESSION_ACK_DELAY_MS);
}

static void send_ack(struct node_session *s, struct node_session_actions *out)
{
    if (s->ack_count == NODE_SESSION_ACKS_UNANSWERED) {
        node__session_go_down(s, NODE_REASON_STUCK, out);
        node__session_close_now(s, NODE_REASON_STUCK, out);
        return;
    }
    send_frame(s, ATTEST_FRAME_ACK, NULL, 0, out);
}

static void send_when_up(struct node_session *s, struct node_session_actions *out)
{
    bool window_open = s->window_count < NODE_SESSION_WINDOW_FRAMES;
    if (window_open && (s->owes & OWES_ALIVE) != 0 && s->now_ms >= s->alive_next_ms)
        send_alive(s, out);
    if (s->link_busy) return;
    if (window_open && (s->owes & OWES_COPY) != 0) {
        s->owes &= ~(unsigned)OWES_COPY;
        send_frame(s, ATTEST_FRAME_COPY, s->challenge.bytes, BASE_HASH32_BYTES, out);
    } else if (window_open && s->head != NULL) {
        send_queued(s, out);
    } else if (ack_is_due(s)) {
        send_ack(s, out);
    }
}

/* The link takes one message at a time; what is owed leaves in this order. */
void node__session_pump(struct node_session *s, struct node_session_actions *out)
{
    if (s->link_busy || s->phase == CLOSED) return;
    if ((s->owes & OWES_ACT) != 0) {
        s->owes &= ~(unsigned)OWES_ACT;
        memcpy(out->send, s->act, s->act_len);
        give_to_link(s, s->act_len, out);
    } else if ((s->owes & OWES_FAREWELL) != 0) {
        s->owes &= ~(unsigned)OWES_FAREWELL;
        send_frame(s, s->farewell_type, s->farewell, s->farewell_len, out);
    } else if ((s->owes & OWES_HELLO) != 0) {
        send_hello(s, out);
    } else if ((s->owes & OWES_READY_FRAME) != 0) {
        send_ready(s, out);
    } else if (s->phase == UP) {
        send_when_up(s, out);
    }
}
