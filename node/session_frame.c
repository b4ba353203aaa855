#include "node/session_internal.h"

#include "base/err.h"

#include <string.h>

static enum node_reason reason_of_bye(uint8_t code)
{
    static const enum node_reason reasons[] = {NODE_REASON_EVICTED, NODE_REASON_LEAVING,
                                               NODE_REASON_DUPLICATE, NODE_REASON_REPLACED,
                                               NODE_REASON_RENEWED};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (node_reason_code(reasons[i]) == (enum node_code)code) return reasons[i];
    return NODE_REASON_CLOSED;
}

static void read_bye(struct node_session *s, const struct attest_frame *frame,
                     struct node_session_actions *out)
{
    struct node_bye bye;
    if (node_bye_decode(&bye, frame->body, frame->body_len) != BASE_OK) {
        node__session_break_off(s, "a BYE that does not follow its format", out);
        return;
    }
    enum node_reason reason = reason_of_bye(bye.code);
    struct node_session_action *action = node__session_go_down(s, reason, out);
    action->down.by_peer = true;
    action->down.code = bye.code;
    memcpy(action->down.text, bye.text, sizeof bye.text);
    node__session_close_now(s, reason, out);
}

static void read_copy(struct node_session *s, const struct attest_frame *frame,
                      struct node_session_actions *out)
{
    if (frame->body_len != BASE_HASH32_BYTES) {
        node__session_break_off(s, "a COPY? of another length", out);
        return;
    }
    memcpy(s->copy_challenge.bytes, frame->body, BASE_HASH32_BYTES); /* the latest counts */
    s->owes |= OWES_ALIVE;
}

/* A late answer to an earlier challenge may come first, so one that does not verify is skipped;
 * two tries, since each costs a recovery. */
static void read_alive(struct node_session *s, const struct attest_frame *frame,
                       struct node_session_actions *out)
{
    struct node_alive alive;
    if (node_alive_decode(&alive, frame->body, frame->body_len) != BASE_OK) {
        node__session_break_off(s, "an ALIVE of another length", out);
        return;
    }
    if (!s->challenged || s->alive_tries == 2) return;
    if (memcmp(alive.boot_id, s->peer.boot_id, NODE_BOOT_ID_BYTES) != 0) return;
    if (alive.start_incarnation != s->peer.start_incarnation) return;
    s->alive_tries++;
    if (node_alive_verify(&alive, &s->env->admission->domain, &s->challenge, &s->remote) == BASE_OK)
        node__session_answer_challenge(s, &alive, out);
}

static void read_when_up(struct node_session *s, const struct attest_frame *frame,
                         struct node_session_actions *out)
{
    switch (frame->type) { /* a byte from outside, hence the default */
    case ATTEST_FRAME_HELLO:
    case ATTEST_FRAME_READY:
        node__session_break_off(s, "a second HELLO or READY", out);
        return;
    case ATTEST_FRAME_REFUSE:
        node__session_read_refuse(s, frame, out);
        return;
    case ATTEST_FRAME_ACK:
        return;
    case ATTEST_FRAME_BYE:
        read_bye(s, frame, out);
        return;
    case ATTEST_FRAME_COPY:
        read_copy(s, frame, out);
        return;
    case ATTEST_FRAME_ALIVE:
        read_alive(s, frame, out);
        return;
    default:
        break;
    }
    if (frame->type < ATTEST_FRAME_GOSSIP || frame->type > ATTEST_FRAME_CONSENSUS + 0xf) {
        s->stats.unknown_types++;
        return;
    }
    if (s->votes_only && node__session_is_membership(frame->type)) {
        s->stats.unheard++; /* it may not know yet that it is out */
        return;
    }
    struct node_session_action *action = node__session_add(out, NODE_SESSION_FRAME);
    action->frame.type = frame->type;
    action->frame.body = frame->body;
    action->frame.len = frame->body_len;
}

/* Before READY nothing is read but HELLO, READY, REFUSE and ACK, each in its place. */
static void read_before_ready(struct node_session *s, const struct attest_frame *frame,
                              struct node_session_actions *out)
{
    bool hello_left = (s->owes & (OWES_ACT | OWES_HELLO)) == 0;
    if (frame->type == ATTEST_FRAME_ACK) return;
    if (frame->type == ATTEST_FRAME_REFUSE)
        node__session_read_refuse(s, frame, out);
    else if (frame->type == ATTEST_FRAME_HELLO && s->phase == WAITS_HELLO &&
             (hello_left || !s->dialed))
        node__session_read_hello(s, frame, out);
    else if (frame->type == ATTEST_FRAME_READY && s->phase == WAITS_READY && hello_left)
        node__session_come_up(s, out);
    else
        node__session_break_off(s, "a frame out of its place before READY", out);
}

static size_t drop_acked(uint64_t *counters, size_t count, uint64_t acked)
{
    size_t gone = 0;
    while (gone < count && counters[gone] < acked)
        gone++;
    memmove(counters, counters + gone, (count - gone) * sizeof counters[0]);
    return count - gone;
}

static void take_acknowledgement(struct node_session *s)
{
    size_t left = drop_acked(s->window, s->window_count, s->cipher.acked);
    if (left != s->window_count) s->progress_ms = s->now_ms;
    s->window_count = left;
    s->ack_count = drop_acked(s->acks, s->ack_count, s->cipher.acked);
}

static void read_frame(struct node_session *s, const uint8_t *data, size_t len,
                       struct node_session_actions *out)
{
    struct attest_frame frame;
    if (len > ATTEST_FRAME_BYTES_MAX) {
        node__session_break_off(s, "a frame above the bound", out);
        return;
    }
    memcpy(out->frame, data, len); /* opened in place; the link's bytes are borrowed */
    int rv = attest_cipher_open(&s->cipher, &frame, out->frame, len);
    if (rv != BASE_OK) {
        node__session_break_off(s, base_strerror(rv), out);
        return;
    }
    s->stats.frames_received++;
    take_acknowledgement(s);
    if (frame.type != ATTEST_FRAME_ACK) {
        s->received_count++;
        if (node__session_is_urgent(frame.type) && !s->owes_ack) {
            s->owes_ack = true;
            s->received_ms = s->now_ms;
        }
        /* More than its window since our last frame: it cannot have had an acknowledgement. */
        bool last_word = frame.type == ATTEST_FRAME_BYE || frame.type == ATTEST_FRAME_REFUSE;
        if (s->received_count > NODE_SESSION_WINDOW_FRAMES && !last_word) {
            node__session_break_off(s, "more frames than the window holds", out);
            return;
        }
    }
    if (s->phase == UP)
        read_when_up(s, &frame, out);
    else
        read_before_ready(s, &frame, out);
}

void node__session_read_message(struct node_session *s, const uint8_t *data, size_t len,
                                struct node_session_actions *out)
{
    s->stats.bytes_received += len;
    switch (s->phase) {
    case WAITS_ACT1:
        node__session_read_act1(s, data, len, out);
        break;
    case WAITS_ACT2:
        node__session_read_act2(s, data, len, out);
        break;
    case WAITS_ACT3:
        node__session_read_act3(s, data, len, out);
        break;
    case WAITS_HELLO:
    case WAITS_VERDICT:
    case WAITS_READY:
    case OWES_READY:
    case UP:
        read_frame(s, data, len, out);
        break;
    case IDLE:
    case LINGERS:
    case CLOSED:
        break; /* one attempt a pipe: nothing more is read */
    }
}
