#include "node/mesh_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/aead.h"
#include "base/err.h"

#define DRAIN_MS            15000  /* the other end closes the surplus pipe of a pair; else we do */
#define RENEW_RETRY_MS      600000 /* an old session whose successor did not come */
#define REFUSAL_BURST       20
#define DESCRIPTORS_BESIDES 128
#define REFUSAL_GAP_MS      500

/* ---- what has to wait until the step under way is over ---- */

/* Event: one without pointers. */
static void conn_later(struct mesh *m, node_link_id link, const struct node_session_event *event)
{
    struct mesh_conn_later *item = malloc(sizeof *item);
    if (item == NULL) {
        mesh_fail(m, 1, "out of memory");
        return;
    }
    *item = (struct mesh_conn_later){.link = link, .event = *event};
    *m->conn_later_tail = item;
    m->conn_later_tail = &item->next;
}

/* It counts as gone from now on. */
static void close_later(struct mesh_conn *c, enum node_reason reason)
{
    struct node_session_event bye = {.kind = NODE_SESSION_EV_CLOSE};
    bye.close.reason = reason;
    c->is_closing = true;
    conn_later(c->mesh, c->link, &bye);
}

void mesh_conn_close(struct mesh *m, const struct base_key33 *key, enum node_reason reason)
{
    struct mesh_conn *c = mesh_conn_any(m, key);
    if (c != NULL) close_later(c, reason);
}

/* ---- what a session wants ---- */

static void log_refused(struct mesh *m, const struct node_refusal *refusal,
                        const struct base_key33 *peer, const char *remote, bool by_peer,
                        uint8_t code, const char *text)
{
    struct mesh_event e;
    mesh_event_begin(&e, m, BASE_LOG_INFO, "admission", by_peer ? "refused_by" : "refused");
    mesh_event_str(&e, "reason",
                   by_peer ? node_code_name(code) : node_reason_name(refusal->reason));
    mesh_event_key(&e, "peer", peer);
    if (remote != NULL && remote[0] != '\0') mesh_event_str(&e, "remote", remote);
    if (refusal->block != 0) mesh_event_u64(&e, "block", refusal->block);
    if (refusal->expected[0] != '\0') mesh_event_str(&e, "expected", refusal->expected);
    if (refusal->found[0] != '\0') mesh_event_str(&e, "found", refusal->found);
    if (text != NULL && text[0] != '\0') mesh_event_str(&e, "text", text);
    mesh_event_end(&e);
}

static void keep_refusal(struct mesh *m, const struct node_refusal *refusal,
                         const struct base_key33 *peer, const char *remote, bool by_peer,
                         uint8_t code, const char *text)
{
    struct base_buf sentence;
    base_buf_init(&sentence, 1024);
    if (by_peer)
        base_buf_printf(&sentence, "The peer refused us with code %u (%s)%s%s.", code,
                        node_code_name(code), text[0] != '\0' ? ": " : "", text);
    else
        node_refusal_explain(&sentence, refusal);
    struct node_view_refusal item = {
        .remote = remote,
        .reason = by_peer ? node_code_name(code) : node_reason_name(refusal->reason),
        .explanation = sentence.data,
        .expected = refusal->expected,
        .found = refusal->found,
        .code = by_peer ? code : (uint32_t)node_reason_code(refusal->reason),
        .by_peer = by_peer,
        .block = refusal->block,
        .time_ms = mesh_wall(),
    };
    if (peer != NULL) item.peer = *peer;
    node_refusal_ring_put(m->refusals, &item);
    base_buf_deinit(&sentence);
    mesh_dirty(m);
}

void mesh_refused(struct mesh *m, const struct node_refusal *refusal, const struct base_key33 *peer,
                  const char *remote)
{
    log_refused(m, refusal, peer, remote, false, 0, NULL);
    keep_refusal(m, refusal, peer, remote, false, 0, "");
}

void mesh_refusal_keep(struct mesh *m, const struct node_refusal *refusal,
                       const struct base_key33 *peer, const char *remote)
{
    keep_refusal(m, refusal, peer, remote, false, 0, "");
}

/* Strangers write no more than this many lines into our log, nor push others' refusals out of
 * what `why` remembers; the metric counts them all. */
bool mesh_refusal_is_shown(struct mesh *m)
{
    uint64_t now_ms = mesh_now(), earned = (now_ms - m->refusals_since_ms) / REFUSAL_GAP_MS;
    m->refusals_since_ms += earned * REFUSAL_GAP_MS;
    m->refusals_shown = earned < m->refusals_shown ? m->refusals_shown - (unsigned)earned : 0;
    if (m->refusals_shown == REFUSAL_BURST) {
        m->refusals_hidden++;
        return false;
    }
    m->refusals_shown++;
    if (m->refusals_hidden > 0)
        mesh_log(m, BASE_LOG_WARN, "admission", "refused_more",
                 "%" PRIu64 " refusals of strangers were counted and not shown",
                 m->refusals_hidden);
    m->refusals_hidden = 0;
    return true;
}

static void on_refused(struct mesh_conn *c, const struct node_session_action *a)
{
    struct mesh *m = c->mesh;
    const struct base_key33 *peer = node_session_remote(c->session);
    const struct node_refusal *refusal = &a->refused.refusal;
    uint64_t took_ms = mesh_now() - c->start_ms;
    bool shown = c->dialed || mesh_refusal_is_shown(m);
    c->is_counted = true;
    if (shown) {
        log_refused(m, refusal, peer, c->remote, a->refused.by_peer, a->refused.code,
                    a->refused.text);
        keep_refusal(m, refusal, peer, c->remote, a->refused.by_peer, a->refused.code,
                     a->refused.text);
    }
    if (a->refused.by_peer) {
        node_metrics_admission(m->metrics, "refused_by_peer", node_code_name(a->refused.code),
                               took_ms);
    } else {
        node_metrics_admission(m->metrics, "refused", node_reason_name(refusal->reason), took_ms);
        if (refusal->reason == NODE_REASON_NO_SEAT) mesh_chain_wake(m);
    }
    node_metrics_handshake(m->metrics, "refused", took_ms);
    if (c->dialed)
        mesh_dial_ended(m, c->link, a->refused.by_peer, a->refused.by_peer ? a->refused.code : 0,
                        a->refused.retry_s,
                        a->refused.by_peer ? node_code_name(a->refused.code)
                                           : node_reason_name(refusal->reason));
    if (a->refused.copy == NODE_COPY_YOUNGER)
        mesh_fail(m, 1,
                  "another process that was started before this one runs with our node key (boot "
                  "id proved by its signature): of two copies the older stays; give this one a "
                  "data-dir and an instance of its own");
}

static bool same_process(const struct mesh_conn *c, const struct node_session_peer *peer)
{
    return memcmp(node_session_peer(c->session)->boot_id, peer->boot_id, NODE_BOOT_ID_BYTES) == 0;
}

/* Refused for now, and kept in mind. */
static void on_waiting(struct mesh_conn *c, const struct node_bundle *bundle)
{
    struct node_refusal refusal;
    (void)mesh_authority_offer(c->mesh, &refusal, bundle);
}

/* Line 19: nobody else may hold this key now. And while the endpoints are silent, those come in
 * again whom we knew before, and nobody else. */
static void on_judged(struct mesh_conn *c, const struct node_session_peer *peer)
{
    struct mesh *m = c->mesh;
    struct node_session_event ev = {.kind = NODE_SESSION_EV_ADMIT};
    struct mesh_conn *old = mesh_conn_any(m, &peer->facts.node_key);
    if (peer->shown->has_bundle) on_waiting(c, &peer->shown->bundle);
    if (!m->chain_fresh && !mesh_member_is_listed(m, &peer->facts.node_key)) {
        ev.kind = NODE_SESSION_EV_DENY;
        ev.deny.reason = NODE_REASON_BUSY;
    } else if (mesh_budget_is_barred(m, &peer->facts.node_key)) {
        node_metric_count(&m->metrics->over_budget, "refused", NULL, NULL);
        ev.kind = NODE_SESSION_EV_DENY;
        ev.deny.reason = NODE_REASON_BUSY;
    } else if (old != NULL && !same_process(old, peer)) {
        if (old->newcomer == 0) {
            old->newcomer = c->link;
            ev.kind = NODE_SESSION_EV_CHALLENGE;
            ev.challenge.challenge = peer->h;
            ev.challenge.timeout_ms = MESH_PROBE_TIMEOUT_MS;
            conn_later(m, old->link, &ev);
            return;
        }
        ev.kind = NODE_SESSION_EV_DENY;
        ev.deny.reason = NODE_REASON_BUSY;
    }
    conn_later(m, c->link, &ev);
}

/* The old session has answered for the newcomer, or can no longer. */
static void settle_newcomer(struct mesh_conn *old, bool alive, const struct node_alive *proof)
{
    struct mesh *m = old->mesh;
    struct node_session_event ev = {.kind = NODE_SESSION_EV_ADMIT};
    node_link_id newcomer = old->newcomer;
    old->newcomer = 0;
    if (newcomer == 0) return;
    if (alive) {
        ev.kind = NODE_SESSION_EV_DENY;
        ev.deny.reason = NODE_REASON_KEY_IN_USE;
        ev.deny.alive = *proof;
    } else if (!old->is_closing) {
        close_later(old, NODE_REASON_REPLACED);
    }
    conn_later(m, newcomer, &ev);
}

/* The question could not be put: it has been, a moment ago, for another newcomer. */
static void challenge_failed(struct mesh_conn *old, int rv)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_DENY};
    node_link_id newcomer = old->newcomer;
    if (rv == BASE_ESTATE || newcomer == 0) { /* it went down by itself */
        settle_newcomer(old, false, NULL);
        return;
    }
    old->newcomer = 0;
    ev.deny.reason = NODE_REASON_BUSY;
    conn_later(old->mesh, newcomer, &ev);
}

/* A second pipe to the same process: keep one, by a rule that both ends know. */
static void settle_pair(struct mesh_conn *old, struct mesh_conn *c,
                        const struct node_session_peer *peer)
{
    struct node_duplicate_rule rule = node_session_duplicate_rule(
        &c->mesh->identity.keys.node_key, &peer->facts.node_key, old->dialed, c->dialed);
    struct mesh_conn *loser = rule.keep == NODE_DUPLICATE_KEEP_NEW ? old : c;
    if (!same_process(old, peer)) { /* came up beside it meanwhile; its next attempt is judged */
        close_later(c, NODE_REASON_BUSY);
    } else if (rule.we_close) {
        close_later(loser, NODE_REASON_DUPLICATE);
    } else { /* not ours to close: it drains until the other end does, and we send no more on it */
        loser->is_closing = true;
        loser->drain_ms = mesh_now() + DRAIN_MS;
        mesh_conn_due(loser);
    }
}

/* Its seat is gone, or ours: gossip knows this link no more. */
static void on_votes(struct mesh_conn *c)
{
    struct mesh_event e;
    struct mesh *m = c->mesh;
    const struct base_key33 *key = &node_session_peer(c->session)->facts.node_key;
    mesh_event_begin(&e, m, BASE_LOG_INFO, "consensus", "votes_only");
    mesh_event_key(&e, "peer", key);
    mesh_event_end(&e);
    mesh_gossip_later(m, GOSSIP_EV_PEER_DOWN, key, GOSSIP_UNDECIDED, 0);
    mesh_dirty(m);
}

static void on_up(struct mesh_conn *c, const struct node_session_peer *peer)
{
    struct mesh *m = c->mesh;
    uint64_t took_ms = mesh_now() - c->start_ms;
    struct mesh_member *member = mesh_member_put(m, &peer->facts.node_key);
    struct mesh_conn *old = mesh_conn_any(m, &peer->facts.node_key);
    bool votes_only = node_session_is_for_votes(c->session);
    c->up_wall_ms = mesh_wall();
    mesh_conn_is_up(c);
    c->is_counted = true;
    node_links_mark_proved(m->links, c->link);
    node_metric_inc(&m->metrics->links_established);
    node_metrics_handshake(m->metrics, "ok", took_ms);
    node_metrics_admission(m->metrics, "admitted", "", took_ms);
    if (member != NULL && !votes_only) {
        member->facts = peer->facts;
        member->proved_by_session = true;
        member->verified_block = m->snapshot->block.number;
    }
    mesh_dial_up(m, &peer->facts.node_key);
    mesh_dirty(m);
    mesh_authority_greet(c);
    if (votes_only) node_session_forget(c->session);
    if (old != NULL)
        settle_pair(old, c, peer);
    else if (!votes_only)
        mesh_gossip_later(m, GOSSIP_EV_PEER_UP, &peer->facts.node_key, GOSSIP_UNDECIDED, 0);
    if (votes_only) on_votes(c);
    mesh_consensus_peer(m, &peer->facts.node_key, true);
}

static void on_down(struct mesh_conn *c, const struct node_session_action *a)
{
    struct mesh *m = c->mesh;
    const struct base_key33 *key = &node_session_peer(c->session)->facts.node_key;
    struct base_key33 copy = *key;
    c->is_closing = true;
    c->is_up = false;
    mesh_log(m, BASE_LOG_DEBUG, "link", "link_down", "%s: %s%s", c->remote,
             node_reason_name(a->down.reason), a->down.by_peer ? " (by the peer)" : "");
    mesh_dirty(m);
    if (mesh_conn_any(m, &copy) != NULL) return; /* the other pipe of a pair goes on */
    if (!node_session_is_for_votes(c->session))
        mesh_gossip_later(m, GOSSIP_EV_PEER_DOWN, &copy, GOSSIP_UNDECIDED, 0);
    mesh_consensus_peer(m, &copy, false);
}

static void on_frame(struct mesh_conn *c, const struct node_session_action *a)
{
    struct mesh *m = c->mesh;
    struct gossip_event ev = {.type = GOSSIP_EV_FRAME,
                              .key = node_session_peer(c->session)->facts.node_key};
    if (a->frame.type == NODE_FRAME_AUTHORITY) {
        if (!c->is_closing && !mesh_authority_frame(c, a->frame.body, a->frame.len))
            close_later(c, NODE_REASON_PROTOCOL);
        return;
    }
    if (a->frame.type >= ATTEST_FRAME_CONSENSUS) {
        mesh_consensus_frame(m, &ev.key, a->frame.type, a->frame.body, a->frame.len);
        return;
    }
    if (m->gossip == NULL || a->frame.type > GOSSIP_FRAME_TYPE_LAST) return;
    ev.u.frame.type = a->frame.type;
    ev.u.frame.body = (struct base_slice){a->frame.body, a->frame.len};
    (void)mesh_gossip_frame(m, &ev);
}

/* A new session is dialled beside the old one, which then is the surplus one. */
static void on_renew(struct mesh_conn *c)
{
    struct base_key33 key = node_session_peer(c->session)->facts.node_key;
    if (node_session_is_for_votes(c->session)) return; /* it ends with the epoch */
    c->renew_ms = mesh_now() + RENEW_RETRY_MS;
    mesh_conn_due(c);
    mesh_dial_want(c->mesh, &key);
}

static void perform(struct mesh_conn *c, const struct node_session_action *a)
{
    struct mesh *m = c->mesh;
    switch (a->kind) {
    case NODE_SESSION_SEND: {
        int rv = node_link_send(m->links, c->link, a->send.data, a->send.len);
        if (rv == BASE_OK)
            node_metric_add(&m->metrics->sent_bytes, a->send.len);
        else {
            mesh_log(m, BASE_LOG_DEBUG, "link", "send_failed", "%s: %s", c->remote,
                     base_strerror(rv));
            node_link_close(m->links, c->link, NODE_LINK_WHY_LOCAL);
        }
        break;
    }
    case NODE_SESSION_JUDGED:
        on_judged(c, a->peer);
        break;
    case NODE_SESSION_WAITING:
        on_waiting(c, a->bundle);
        break;
    case NODE_SESSION_UP:
        on_up(c, a->peer);
        break;
    case NODE_SESSION_VOTES:
        on_votes(c);
        break;
    case NODE_SESSION_DOWN:
        on_down(c, a);
        break;
    case NODE_SESSION_REFUSED:
        on_refused(c, a);
        break;
    case NODE_SESSION_FRAME:
        on_frame(c, a);
        break;
    case NODE_SESSION_ANSWER:
        settle_newcomer(c, a->answer.alive, &a->answer.proof);
        break;
    case NODE_SESSION_RENEW:
        on_renew(c);
        break;
    case NODE_SESSION_CLOSE:
        if (!c->is_counted)
            node_metrics_handshake(m->metrics, node_reason_name(a->close),
                                   mesh_now() - c->start_ms);
        c->is_counted = true;
        c->is_closing = true;
        node_link_close(m->links, c->link, NODE_LINK_WHY_LOCAL);
        break;
    }
}

/* Returns what node_session_step() does. Its actions are performed also when the event was refused:
 * time may have passed for something else. They step no other session but by way of gossip's
 * SEND: a frame goes into another session's queue, which goes no deeper. */
static int step(struct mesh_conn *c, const struct node_session_event *event)
{
    struct mesh *m = c->mesh;
    const size_t depths = sizeof m->session_out / sizeof m->session_out[0];
    if (c->session == NULL) return BASE_ESTATE;
    assert(m->session_depth < depths);
    struct node_session_actions *out = m->session_out[m->session_depth++];
    int rv = node_session_step(c->session, mesh_now(), event, out);
    if (rv != BASE_OK)
        mesh_log(m, BASE_LOG_DEBUG, "link", "session_event", "%s: event %d: %s", c->remote,
                 (int)event->kind, base_strerror(rv));
    for (size_t i = 0; i < out->count; i++)
        perform(c, &out->list[i]);
    c->deadline_ms = node_session_deadline_ms(c->session);
    mesh_conn_due(c);
    m->session_depth--;
    return rv;
}

void mesh_conns_later(struct mesh *m)
{
    mesh_authority_settle(m); /* who waits to be admitted is so by the seats as they are now */
    while (m->conn_later != NULL && m->session_depth == 0 && !m->gossip_busy) {
        struct mesh_conn_later *item = m->conn_later;
        struct mesh_conn *c = mesh_conn_find(m, item->link);
        int rv = BASE_OK;
        m->conn_later = item->next;
        if (m->conn_later == NULL) m->conn_later_tail = &m->conn_later;
        if (c != NULL) rv = step(c, &item->event);
        if (rv != BASE_OK && item->event.kind == NODE_SESSION_EV_CHALLENGE) challenge_failed(c, rv);
        free(item);
    }
}

void mesh_conn_step(struct mesh_conn *c, const struct node_session_event *event)
{
    struct mesh *m = c->mesh;
    (void)step(c, event);
    mesh_conns_later(m);
}

/* ---- the pipes' side ---- */

static void open_session(struct mesh_conn *c)
{
    struct mesh *m = c->mesh;
    struct node_session_event ev = {.kind = NODE_SESSION_EV_OPEN};
    int rv = node_session_new(&c->session, &m->env);
    if (rv != BASE_OK) {
        node_link_close(m->links, c->link, NODE_LINK_WHY_LOCAL);
        return;
    }
    ev.open.dialed = c->dialed;
    ev.open.remote = c->expected;
    base_random(ev.open.entropy, sizeof ev.open.entropy);
    rv = step(c, &ev);
    base_memzero(&ev, sizeof ev);
    if (rv != BASE_OK) node_link_close(m->links, c->link, NODE_LINK_WHY_LOCAL);
}

static void on_link_up(void *ctx, node_link_id id, bool dialed, const char *remote)
{
    struct mesh *m = ctx;
    struct mesh_conn *c = mesh_conn_find(m, id);
    if (c == NULL) c = mesh_conn_new(m, id, dialed);
    if (c == NULL) {
        node_link_close(m->links, id, NODE_LINK_WHY_LOCAL);
        return;
    }
    snprintf(c->remote, sizeof c->remote, "%s", remote);
    if (!dialed) node_metric_count(&m->metrics->inbound_dials, "accepted", NULL, NULL);
    open_session(c);
}

static void on_link_frame(void *ctx, node_link_id id, const uint8_t *frame, size_t len)
{
    struct mesh *m = ctx;
    struct mesh_conn *c = mesh_conn_find(m, id);
    struct node_session_event ev = {.kind = NODE_SESSION_EV_FRAME};
    if (c == NULL) return;
    node_metric_add(&m->metrics->received_bytes, len);
    ev.frame.data = frame;
    ev.frame.len = len;
    mesh_conn_step(c, &ev);
    mesh_budget_frame(c, len);
    mesh_conns_later(m);
}

static void on_link_sent(void *ctx, node_link_id id)
{
    struct mesh_conn *c = mesh_conn_find(ctx, id);
    struct node_session_event ev = {.kind = NODE_SESSION_EV_SENT};
    if (c != NULL) mesh_conn_step(c, &ev);
}

static void on_link_down(void *ctx, node_link_id id, enum node_link_why why)
{
    struct mesh *m = ctx;
    struct mesh_conn *c = mesh_conn_find(m, id);
    struct node_session_event gone = {.kind = NODE_SESSION_EV_GONE};
    if (c == NULL) return;
    if (c->session != NULL) mesh_conn_step(c, &gone);
    c->is_closing = true;
    settle_newcomer(c, false, NULL);
    if (why == NODE_LINK_WHY_FORBIDDEN)
        mesh_log(m, BASE_LOG_WARN, "dial", "forbidden",
                 "%s: a stranger's word does not lead us to private or local addresses: give "
                 "--dial-allow if it is yours",
                 c->remote);
    if (c->dialed) mesh_dial_ended(m, id, false, 0, 0, node_link_why_name(why));
    mesh_conn_free(c);
    mesh_conns_later(m);
    mesh_dirty(m);
}

int mesh_conn_dial(struct mesh *m, node_link_id *out, const char *url, const struct base_key33 *key,
                   bool trusted)
{
    node_link_id id = 0;
    int rv =
        trusted ? node_link_dial_trusted(m->links, &id, url) : node_link_dial(m->links, &id, url);
    struct mesh_conn *c = rv == BASE_OK ? mesh_conn_new(m, id, true) : NULL;
    if (c == NULL) {
        if (rv == BASE_OK) {
            node_link_close(m->links, id, NODE_LINK_WHY_LOCAL);
            rv = BASE_ENOMEM;
        }
        mesh_log(m, rv == BASE_EFULL ? BASE_LOG_DEBUG : BASE_LOG_WARN, "link", "dial_failed",
                 "%s: %s", url, base_strerror(rv));
        return rv;
    }
    c->expected = *key;
    snprintf(c->remote, sizeof c->remote, "%s", url);
    *out = id;
    return BASE_OK;
}

/* Looks through all of them only when one may be due. */
void mesh_conns_timer(struct mesh *m, uint64_t now_ms)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_TIMER};
    if (m->conns_due_ms > now_ms) {
        mesh_conns_later(m);
        return;
    }
    m->conns_due_ms = UINT64_MAX;
    /* A step frees no conn: that happens in on_link_down only. */
    for (struct mesh_conn *c = m->conns; c != NULL; c = c->next) {
        if (c->deadline_ms <= now_ms) mesh_conn_step(c, &ev);
        if (c->resume_ms <= now_ms) mesh_budget_go_on(c);
        if (c->renew_ms <= now_ms && c->is_up && !c->is_closing) on_renew(c);
        if (c->drain_ms <= now_ms) {
            c->drain_ms = UINT64_MAX;
            close_later(c, NODE_REASON_DUPLICATE);
        }
        mesh_conn_due(c);
    }
    mesh_conns_later(m);
}

/* No session gets another event before all have got this one: gossip is held back, and says what
 * it has to say when the caller lets it go on. */
void mesh_conns_snapshot(struct mesh *m)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_SNAPSHOT};
    assert(m->session_depth == 0 && !m->gossip_busy);
    m->gossip_busy = true;
    for (struct mesh_conn *c = m->conns; c != NULL; c = c->next)
        (void)step(c, &ev);
    m->gossip_busy = false;
    (void)mesh_gossip_step(m, NULL);
    mesh_conns_later(m);
}

bool mesh_conns_are_gone(const struct mesh *m)
{
    return m->conns == NULL;
}

void mesh_conns_goodbye(struct mesh *m, enum node_reason reason)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_CLOSE};
    ev.close.reason = reason;
    for (struct mesh_conn *c = m->conns; c != NULL; c = c->next) {
        if (!c->is_closing) mesh_conn_step(c, &ev);
    }
}

/* A descriptor a link, and some for all that lies below the same limit: endpoints, HTTP, files,
 * links that open. */
static void check_descriptors(struct mesh *m)
{
    struct node_links_stats stats;
    node_links_stats(m->links, &stats);
    if (stats.descriptors_accept_max >= m->config->links_max + DESCRIPTORS_BESIDES) return;
    snprintf(m->descriptors_warning, sizeof m->descriptors_warning,
             "this process may have %u descriptors, too few for --links-max %" PRIu64
             ": raise the limit (ulimit -n, LimitNOFILE=) or lower --links-max",
             stats.descriptors_max, m->config->links_max);
    mesh_log(m, BASE_LOG_WARN, "link", "descriptors", "%s", m->descriptors_warning);
}

int mesh_links_new(struct mesh *m)
{
    const struct node_links_config config = {.ca_file = m->config->tls_ca};
    const struct node_links_events events = {
        .ctx = m,
        .allow = mesh_dial_allow,
        .up = on_link_up,
        .frame = on_link_frame,
        .sent = on_link_sent,
        .down = on_link_down,
    };
    int rv = node_links_new(&m->links, &m->loop, m->inbox, &config, &events);
    if (rv != BASE_OK) {
        snprintf(m->why, sizeof m->why, "cannot start links: %s", base_strerror(rv));
        return rv;
    }
    check_descriptors(m);
    for (size_t i = 0; i < m->config->listen_count; i++) {
        uint16_t port;
        const char *url = m->config->listen[i];
        rv = node_links_listen(m->links, &port, url);
        if (rv != BASE_OK) {
            snprintf(m->why, sizeof m->why, "--listen %s: %s%s", url, base_strerror(rv),
                     rv == BASE_EEXIST ? ": another process listens there, choose another port"
                                       : "");
            return rv;
        }
        mesh_log(m, BASE_LOG_INFO, "link", "listening", "%s (port %u)", url, (unsigned)port);
    }
    return BASE_OK;
}
