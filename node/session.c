#include "node/session_internal.h"

#include "base/err.h"
#include "gossip/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct item *find_replaceable(struct node_session *s, uint32_t replace, struct item ***link)
{
    if (replace == 0) return NULL;
    for (*link = &s->head; **link != NULL; *link = &(**link)->next)
        if ((**link)->replace == replace) return **link;
    return NULL;
}

bool node__session_is_membership(uint8_t type)
{
    return type < ATTEST_FRAME_CONSENSUS && type != NODE_FRAME_AUTHORITY;
}

static int queue_frame(struct node_session *s, const struct node_session_event *ev)
{
    struct item **link = NULL;
    uint8_t type = ev->queue.type;
    size_t len = ev->queue.len;
    if (s->phase != UP) return BASE_ESTATE;
    if (s->votes_only && node__session_is_membership(type)) return BASE_ESTATE;
    if (type < ATTEST_FRAME_GOSSIP || type > ATTEST_FRAME_CONSENSUS + 0xf) return BASE_EINVAL;
    if (len > attest_frame_body_max(type)) return BASE_ETOOBIG;
    struct item *old = find_replaceable(s, ev->queue.replace, &link);
    size_t bytes = s->queue_bytes - (old != NULL ? old->len : 0) + len;
    if (bytes > NODE_SESSION_QUEUE_BYTES_MAX) return BASE_EFULL;
    if (old == NULL && s->queue_count == NODE_SESSION_QUEUE_FRAMES) return BASE_EFULL;
    struct item *item = malloc(sizeof *item + len);
    if (item == NULL) return BASE_ENOMEM;
    *item = (struct item){.replace = ev->queue.replace, .type = type, .len = len};
    if (len > 0) memcpy(item->body, ev->queue.body, len);
    s->queue_bytes = bytes;
    if (old != NULL) { /* the newer one takes the older one's place */
        item->next = old->next;
        *link = item;
        if (s->tail == &old->next) s->tail = &item->next;
        free(old);
        return BASE_OK;
    }
    *s->tail = item;
    s->tail = &item->next;
    s->queue_count++;
    return BASE_OK;
}

static bool is_voter(const struct node_session *s)
{
    for (size_t i = 0; i < s->env->voter_count; i++)
        if (base_key33_equal(&s->env->voters[i], &s->remote)) return true;
    return false;
}

bool node__session_may_vote(const struct node_session *s, enum node_reason reason)
{
    return node_admission_is_seat_gone(reason) && is_voter(s);
}

bool node__session_is_idle(const struct node_session *s)
{
    return s->env->votes_only && !is_voter(s);
}

/* What has been queued of membership is not said any more. */
static void drop_gossip(struct node_session *s)
{
    struct item **link = &s->head;
    while (*link != NULL) {
        struct item *item = *link;
        if (!node__session_is_membership(item->type)) {
            link = &item->next;
            continue;
        }
        *link = item->next;
        s->queue_count--;
        s->queue_bytes -= item->len;
        free(item);
    }
    s->tail = link;
}

static void end_with(struct node_session *s, enum node_reason reason,
                     const struct node_refusal *refusal, struct node_session_actions *out)
{
    node__session_go_down(s, reason, out)->down.refusal = *refusal;
    node__session_say_bye(s, reason, node_code_name((uint8_t)node_reason_code(reason)));
}

/* A new snapshot is judged before the next frame. */
static void judge_again(struct node_session *s, struct node_session_actions *out)
{
    struct node_refusal refusal;
    bool in = s->phase == WAITS_VERDICT || s->phase == WAITS_READY || s->phase == OWES_READY ||
              s->phase == UP;
    if (!in || s->env->admission->snapshot == NULL) return;
    enum node_reason reason = node_admission_recheck(&refusal, s->env->admission, &s->peer.facts);
    bool was = s->votes_only, is_out = reason != NODE_REASON_NONE;
    if (is_out && !node__session_may_vote(s, reason)) {
        if (s->phase != UP)
            node__session_refuse_with(s, &refusal, NULL, out);
        else
            end_with(s, NODE_REASON_EVICTED, &refusal, out);
        return;
    }
    s->votes_only = is_out || s->env->votes_only;
    if (s->phase != UP || (s->votes_only == was && !node__session_is_idle(s))) return;
    if (node__session_is_idle(s)) {
        end_with(s, NODE_REASON_LEAVING, &refusal, out);
    } else if (was) { /* our vote is over; or both are members again, and make a whole session */
        s->votes_only = true;
        end_with(s, s->env->ready ? NODE_REASON_RENEWED : NODE_REASON_LEAVING, &refusal, out);
    } else {
        drop_gossip(s);
        node__session_add(out, NODE_SESSION_VOTES);
    }
}

static int admit(struct node_session *s)
{
    if (s->phase != WAITS_VERDICT) return BASE_ESTATE;
    s->phase = s->dialed ? OWES_READY : WAITS_READY;
    s->owes |= s->dialed ? OWES_READY_FRAME : OWES_HELLO;
    return BASE_OK;
}

static int deny(struct node_session *s, const struct node_session_event *ev,
                struct node_session_actions *out)
{
    struct node_refusal refusal;
    if (s->phase != WAITS_VERDICT) return BASE_ESTATE;
    bool copy = ev->deny.reason == NODE_REASON_KEY_IN_USE;
    assert(copy || ev->deny.reason == NODE_REASON_BUSY);
    node_refusal_set(&refusal, ev->deny.reason, 0);
    if (copy) {
        node_refusal_expect(&refusal, "no other live process with this key");
        node_refusal_find(&refusal, "one with start incarnation %llu answers",
                          (unsigned long long)ev->deny.alive.start_incarnation);
    }
    node__session_refuse_with(s, &refusal, copy ? &ev->deny.alive : NULL, out);
    return BASE_OK;
}

static int challenge(struct node_session *s, const struct node_session_event *ev)
{
    if (s->phase != UP) return BASE_ESTATE;
    if (s->challenged || s->now_ms < s->challenge_next_ms) return BASE_EFULL;
    s->challenge = ev->challenge.challenge;
    s->challenged = true;
    s->alive_tries = 0;
    s->challenge_deadline_ms = s->now_ms + ev->challenge.timeout_ms;
    s->challenge_next_ms = s->now_ms + NODE_SESSION_COPY_ANSWER_MS;
    s->owes |= OWES_COPY;
    return BASE_OK;
}

static void close_by_us(struct node_session *s, const struct node_session_event *ev,
                        struct node_session_actions *out)
{
    if (s->phase == LINGERS || s->phase == CLOSED) return;
    if (s->phase != UP) {
        node__session_close_now(s, ev->close.reason, out);
        return;
    }
    node__session_go_down(s, ev->close.reason, out);
    node__session_say_bye(s, ev->close.reason, ev->close.text);
}

static void pipe_is_gone(struct node_session *s, struct node_session_actions *out)
{
    if (s->phase == CLOSED) return;
    if (s->phase == UP) node__session_go_down(s, NODE_REASON_CLOSED, out);
    node__session_close_now(s, s->phase == LINGERS ? s->why : NODE_REASON_CLOSED, out);
}

bool node__session_is_urgent(uint8_t type)
{
    return type != ATTEST_FRAME_ACK && type != GOSSIP_FRAME_ACK;
}

bool node__session_waits(const struct node_session *s)
{
    return s->window_count > 0 &&
           (s->window_count == NODE_SESSION_WINDOW_FRAMES || s->window[0] < s->urgent_end);
}

static uint64_t stuck_ms(const struct node_session *s)
{
    uint64_t since = UINT64_MAX;
    if (node__session_waits(s)) since = s->progress_ms;
    if (s->link_busy && s->link_busy_since_ms < since) since = s->link_busy_since_ms;
    return since == UINT64_MAX ? UINT64_MAX : since + NODE_SESSION_STUCK_MS;
}

static void expire_when_up(struct node_session *s, struct node_session_actions *out)
{
    if (s->now_ms >= stuck_ms(s)) {
        node__session_go_down(s, NODE_REASON_STUCK, out);
        node__session_close_now(s, NODE_REASON_STUCK, out);
        return;
    }
    if (s->challenged && s->now_ms >= s->challenge_deadline_ms)
        node__session_answer_challenge(s, NULL, out);
    if (s->now_ms >= s->renew_ms) {
        s->renew_ms = UINT64_MAX;
        node__session_add(out, NODE_SESSION_RENEW);
    }
}

/* Before each event, so that nothing is accepted after its time. */
static void expire(struct node_session *s, struct node_session_actions *out)
{
    if (s->phase == IDLE || s->phase == CLOSED) return;
    if (s->phase == UP)
        expire_when_up(s, out);
    else if (s->now_ms >= s->deadline_ms)
        node__session_close_now(s, s->phase == LINGERS ? s->why : NODE_REASON_TIMEOUT, out);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t deadline_when_up(const struct node_session *s)
{
    uint64_t at = earlier(stuck_ms(s), s->renew_ms);
    if (s->challenged) at = earlier(at, s->challenge_deadline_ms);
    if (s->link_busy) return at; /* what is owed leaves with SENT */
    if (s->owes_ack) at = earlier(at, s->received_ms + NODE_SESSION_ACK_DELAY_MS);
    bool window_open = s->window_count < NODE_SESSION_WINDOW_FRAMES;
    if (window_open && (s->owes & OWES_ALIVE) != 0) at = earlier(at, s->alive_next_ms);
    return at;
}

uint64_t node_session_deadline_ms(const struct node_session *s)
{
    if (s->phase == IDLE || s->phase == CLOSED) return UINT64_MAX;
    return s->phase == UP ? deadline_when_up(s) : s->deadline_ms;
}

static int take_event(struct node_session *s, const struct node_session_event *ev,
                      struct node_session_actions *out)
{
    switch (ev->kind) {
    case NODE_SESSION_EV_TIMER:
        break;
    case NODE_SESSION_EV_OPEN:
        return node__session_open_link(s, ev);
    case NODE_SESSION_EV_FRAME:
        node__session_read_message(s, ev->frame.data, ev->frame.len, out);
        break;
    case NODE_SESSION_EV_SENT:
        s->link_busy = false;
        break;
    case NODE_SESSION_EV_QUEUE:
        return queue_frame(s, ev);
    case NODE_SESSION_EV_SNAPSHOT:
        judge_again(s, out);
        break;
    case NODE_SESSION_EV_ADMIT:
        return admit(s);
    case NODE_SESSION_EV_DENY:
        return deny(s, ev, out);
    case NODE_SESSION_EV_CHALLENGE:
        return challenge(s, ev);
    case NODE_SESSION_EV_CLOSE:
        close_by_us(s, ev, out);
        break;
    case NODE_SESSION_EV_GONE:
        pipe_is_gone(s, out);
        break;
    }
    return BASE_OK;
}

int node_session_step(struct node_session *session, uint64_t now_ms,
                      const struct node_session_event *ev, struct node_session_actions *out)
{
    assert(now_ms >= session->now_ms);
    session->now_ms = now_ms;
    out->count = 0;
    expire(session, out);
    int rv = take_event(session, ev, out);
    node__session_pump(session, out);
    return rv;
}

int node_session_new(struct node_session **out, const struct node_session_env *env)
{
    struct node_session *s = calloc(1, sizeof *s);
    if (s == NULL) return BASE_ENOMEM;
    s->env = env;
    s->tail = &s->head;
    s->renew_ms = UINT64_MAX;
    *out = s;
    return BASE_OK;
}

void node_session_free(struct node_session *session)
{
    if (session == NULL) return;
    node__session_drop_queue(session);
    free(session->peer.shown);
    base_memzero(session, sizeof *session);
    free(session);
}

bool node_session_is_up(const struct node_session *session)
{
    return session->phase == UP;
}

bool node_session_is_dialed(const struct node_session *session)
{
    return session->dialed;
}

bool node_session_is_for_votes(const struct node_session *session)
{
    return session->votes_only;
}

const struct base_key33 *node_session_remote(const struct node_session *session)
{
    bool known = session->proved || (session->dialed && session->phase != IDLE);
    return known ? &session->remote : NULL;
}

void node_session_forget(struct node_session *session)
{
    assert(session->phase >= UP);
    free(session->peer.shown);
    session->peer.shown = NULL;
}

const struct node_session_peer *node_session_peer(const struct node_session *session)
{
    return session->judged ? &session->peer : NULL;
}

struct node_session_stats node_session_stats(const struct node_session *session)
{
    struct node_session_stats stats = session->stats;
    if (session->phase != UP) stats.up_since_ms = 0;
    stats.queued = session->queue_count;
    stats.unacknowledged = session->window_count;
    return stats;
}

struct node_duplicate_rule node_session_duplicate_rule(const struct base_key33 *own,
                                                       const struct base_key33 *peer,
                                                       bool old_dialed_by_us, bool new_dialed_by_us)
{
    struct node_duplicate_rule rule = {NODE_DUPLICATE_KEEP_NEW, false};
    int order = base_key33_compare(own, peer);
    assert(order != 0);
    rule.we_close = order < 0;
    if (old_dialed_by_us == new_dialed_by_us) return rule;
    bool new_by_lower = new_dialed_by_us == (order < 0);
    rule.keep = new_by_lower ? NODE_DUPLICATE_KEEP_NEW : NODE_DUPLICATE_KEEP_OLD;
    return rule;
}
