#include "node/mesh_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/frame.h"

/* ---- what admission has said of each key ---- */

static size_t member_index(const struct mesh *m, const struct base_key33 *key, bool *found)
{
    size_t low = 0, high = m->member_count;
    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = base_key33_compare(&m->members[mid].key, key);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct mesh_member *mesh_member_find(struct mesh *m, const struct base_key33 *key)
{
    bool found;
    size_t i = member_index(m, key, &found);
    return found ? &m->members[i] : NULL;
}

struct mesh_member *mesh_member_put(struct mesh *m, const struct base_key33 *key)
{
    bool found;
    size_t i = member_index(m, key, &found);
    if (found) return &m->members[i];
    if (m->member_count >= GOSSIP_MEMBERS_MAX) return NULL;
    if (m->member_count == m->member_cap) {
        size_t cap = m->member_cap == 0 ? 16 : 2 * m->member_cap;
        struct mesh_member *grown = realloc(m->members, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        m->members = grown;
        m->member_cap = cap;
    }
    memmove(&m->members[i + 1], &m->members[i], (m->member_count - i) * sizeof *m->members);
    m->member_count++;
    memset(&m->members[i], 0, sizeof m->members[i]);
    m->members[i].key = *key;
    return &m->members[i];
}

static void member_remove(struct mesh *m, const struct base_key33 *key)
{
    bool found;
    size_t i = member_index(m, key, &found);
    if (!found) return;
    free(m->members[i].line);
    memmove(&m->members[i], &m->members[i + 1], (m->member_count - i - 1) * sizeof *m->members);
    m->member_count--;
}

/* Listed no more. Who may still vote is on its account as before. */
static void member_unlist(struct mesh *m, const struct base_key33 *key)
{
    const struct mesh_conn *c = mesh_conn_any(m, key);
    const struct mesh_member *member = mesh_member_find(m, key);
    if (member == NULL) return;
    bool votes = c != NULL && node_session_is_for_votes(c->session);
    const struct node_peer_budget budget = member->budget;
    member_remove(m, key);
    if (!votes && !node_peer_budget_is_barred(&budget, mesh_now())) return;
    struct mesh_member *again = mesh_member_put(m, key);
    if (again != NULL) again->budget = budget;
}

uint64_t mesh_seat_weight(const struct mesh *m, const struct base_key33 *key)
{
    const struct chain_seat *seat =
        m->snapshot == NULL ? NULL : chain_snapshot_find_key(m->snapshot, key);
    return seat == NULL ? 1 : seat->weight;
}

bool mesh_member_is_listed(const struct mesh *m, const struct base_key33 *key)
{
    struct gossip_member_view view;
    return m->gossip != NULL && gossip_member_find(&view, m->gossip, key) == BASE_OK;
}

bool mesh_member_is_alive(const struct mesh *m, const struct base_key33 *key)
{
    struct gossip_member_view view;
    if (m->gossip == NULL || gossip_member_find(&view, m->gossip, key) != BASE_OK) return false;
    return view.state == GOSSIP_ALIVE || view.state == GOSSIP_SUSPECT;
}

size_t mesh_alive_others(const struct mesh *m)
{
    size_t alive = 0;
    for (size_t i = 0; m->gossip != NULL && i < gossip_member_count(m->gossip); i++) {
        struct gossip_member_view view;
        gossip_member_at(&view, m->gossip, i);
        if (!view.is_self && view.state == GOSSIP_ALIVE) alive++;
    }
    return alive;
}

/* ---- what the core wants done ---- */

static const char *event_name(const struct gossip_action *a)
{
    switch (a->u.state.to) {
    case GOSSIP_ALIVE:
        return a->u.state.from == GOSSIP_SUSPECT ? "refute" : "up";
    case GOSSIP_SUSPECT:
        return "suspect";
    case GOSSIP_FAILED:
        return "down";
    case GOSSIP_LEFT:
        return "left";
    case GOSSIP_NONE:
        return "removed";
    }
    return "removed";
}

static void on_state(struct mesh *m, const struct gossip_action *a)
{
    struct mesh_event e;
    struct gossip_member_view view;
    struct gossip_record record;
    struct mesh_member *member = mesh_member_put(m, &a->key);
    if (member != NULL) member->state_wall_ms = mesh_wall();
    mesh_handler_state(m, a);
    mesh_consensus_state(m, a);
    if (a->u.state.to == GOSSIP_NONE) member_unlist(m, &a->key);
    mesh_event_begin(&e, m, BASE_LOG_INFO, "gossip", event_name(a));
    if (gossip_member_find(&view, m->gossip, &a->key) == BASE_OK &&
        gossip_record_decode(&record, view.record.data, view.record.len) == BASE_OK) {
        mesh_event_strn(&e, "name", record.name);
        mesh_event_key(&e, "peer", &a->key);
        mesh_event_hex(&e, "instance", record.instance.bytes, sizeof record.instance.bytes);
    } else {
        mesh_event_key(&e, "peer", &a->key);
    }
    mesh_event_u64(&e, "incarnation", a->u.state.incarnation);
    mesh_event_str(&e, "reason", gossip_reason_name(a->u.state.reason));
    mesh_event_end(&e);
    mesh_dirty(m);
}

/* A peer may send any type: those that are none have one name together. */
static void count_frame(struct mesh *m, uint8_t type, bool sent)
{
    static const char *const names[][2] = {
        {"ping_received", "ping_sent"},           {"ack_received", "ack_sent"},
        {"ping_req_received", "ping_req_sent"},   {"nack_received", "nack_sent"},
        {"challenge_received", "challenge_sent"}, {"refute_received", "refute_sent"},
        {"sync_received", "sync_sent"},           {"list_received", "list_sent"},
        {"pull_received", "pull_sent"},           {"update_received", "update_sent"},
        {"event_received", "event_sent"},         {"part_received", "part_sent"},
        {"unknown_received", "unknown_sent"},
    };
    size_t index = (size_t)type - GOSSIP_FRAME_PING; /* huge for a type below */
    const size_t unknown = sizeof names / sizeof names[0] - 1;
    node_metric_count(&m->metrics->gossip_messages, names[index < unknown ? index : unknown][sent],
                      NULL, NULL);
}

static void on_send(struct mesh *m, const struct gossip_action *a)
{
    struct mesh_conn *c = mesh_conn_of(m, &a->key);
    struct node_session_event ev = {.kind = NODE_SESSION_EV_QUEUE};
    if (c == NULL) return;
    ev.queue.type = a->u.send.type;
    ev.queue.body = a->u.send.body.data;
    ev.queue.len = a->u.send.body.len;
    ev.queue.replace = a->u.send.kind;
    count_frame(m, a->u.send.type, true);
    mesh_conn_step(c, &ev);
}

/* A member that we know from gossip only: the same checks, less the proof of this session. */
static void on_judge(struct mesh *m, const struct gossip_action *a)
{
    struct gossip_signed_record record;
    struct node_refusal refusal;
    struct node_facts facts;
    enum gossip_verdict verdict = GOSSIP_REFUSED;
    if (a->u.judge.record.len > sizeof record.body) return;
    memcpy(record.body, a->u.judge.record.data, a->u.judge.record.len);
    record.body_len = a->u.judge.record.len;
    record.sig = a->u.judge.sig;
    enum node_reason reason =
        node_admission_judge_member(&refusal, &facts, &m->admission, &a->key, &record,
                                    a->u.judge.proof.data, a->u.judge.proof.len);
    if (reason == NODE_REASON_NONE) {
        struct mesh_member *member = mesh_member_put(m, &a->key);
        verdict = GOSSIP_OK;
        if (member != NULL) {
            member->facts = facts;
            member->verified_block = m->snapshot->block.number;
        }
    } else if (reason == NODE_REASON_NO_SEAT || reason == NODE_REASON_NOT_READY) {
        verdict = GOSSIP_UNKNOWN;
        mesh_chain_wake(m);
    } else {
        mesh_budget_refused(m);
        if (mesh_refusal_is_shown(m)) mesh_refused(m, &refusal, &a->key, "gossip");
    }
    mesh_gossip_later(m, GOSSIP_EV_VERDICT, &a->key, verdict, mesh_seat_weight(m, &a->key));
}

static void on_user_event(struct mesh *m, const struct gossip_action *a)
{
    struct mesh_event e;
    mesh_event_begin(&e, m, BASE_LOG_INFO, "gossip", "msg");
    mesh_event_strn(&e, "name", a->u.event.name);
    mesh_event_key(&e, "peer", &a->key);
    mesh_event_hex(&e, "payload", a->u.event.payload.data, a->u.event.payload.len);
    mesh_event_u64(&e, "epoch", a->u.event.epoch);
    mesh_event_u64(&e, "sequence", a->u.event.sequence);
    mesh_event_end(&e);
    node_metric_inc(&m->metrics->user_events);
    mesh_handler_user(m, a);
}

/* Our record changed: sessions show the new one, and the incarnation outlives a crash. */
static void on_self(struct mesh *m, const struct gossip_action *a)
{
    char why[NODE_STORE_WHY_BYTES];
    gossip_self_record(&m->record, m->gossip);
    if (node_store_incarnation_save(m->store, a->u.self.incarnation, why) != BASE_OK)
        mesh_log(m, BASE_LOG_ERROR, "store", "incarnation", "%s", why);
    mesh_dirty(m);
}

static void add_shown(struct mesh_event *e, const char *body, const char *sig,
                      const struct gossip_shown *shown)
{
    mesh_event_hex(e, body, shown->record.data, shown->record.len);
    mesh_event_hex(e, sig, shown->sig.bytes, sizeof shown->sig.bytes);
}

static void on_note(struct mesh *m, const struct gossip_action *a)
{
    struct mesh_event e;
    bool own = a->u.note.note == GOSSIP_NOTE_PAUSED || a->u.note.note == GOSSIP_NOTE_ROLLED_BACK;
    mesh_event_begin(&e, m, BASE_LOG_WARN, "gossip",
                     a->u.note.note == GOSSIP_NOTE_ROLLED_BACK ? "rolled_back_or_copied"
                                                               : gossip_note_name(a->u.note.note));
    if (!own) mesh_event_key(&e, "peer", &a->key);
    mesh_event_key(&e, "through", &a->u.note.peer);
    if (a->u.note.note == GOSSIP_NOTE_CONTRADICTION) {
        /* Both fit a line at their longest, and prove to anybody that the key lies. */
        add_shown(&e, "ours", "ours_sig", &a->u.note.ours);
        add_shown(&e, "theirs", "theirs_sig", &a->u.note.theirs);
    }
    mesh_event_end(&e);
}

static void perform(struct mesh *m, const struct gossip_action *a)
{
    switch (a->type) {
    case GOSSIP_ACT_SEND:
        on_send(m, a);
        break;
    case GOSSIP_ACT_WANT_LINK:
        mesh_dial_want(m, &a->key);
        break;
    case GOSSIP_ACT_STATE:
        on_state(m, a);
        break;
    case GOSSIP_ACT_EVENT:
        on_user_event(m, a);
        break;
    case GOSSIP_ACT_JUDGE:
        on_judge(m, a);
        break;
    case GOSSIP_ACT_SELF:
        on_self(m, a);
        break;
    case GOSSIP_ACT_LEFT:
        m->left = true;
        break;
    case GOSSIP_ACT_NOTE:
        on_note(m, a);
        break;
    case GOSSIP_ACT_DROP_LINK:
        mesh_conn_close(m, &a->key, NODE_REASON_LEAVING);
        break;
    }
}

/* ---- steps ---- */

void mesh_gossip_later(struct mesh *m, enum gossip_event_type type, const struct base_key33 *key,
                       enum gossip_verdict verdict, uint64_t weight)
{
    struct mesh_gossip_later *item;
    if (m->gossip == NULL) return;
    item = calloc(1, sizeof *item);
    if (item == NULL) {
        mesh_fail(m, 1, "out of memory");
        return;
    }
    item->type = type;
    if (key != NULL) item->key = *key;
    item->verdict = verdict;
    item->weight = weight;
    *m->later_tail = item;
    m->later_tail = &item->next;
    if (!m->gossip_busy) (void)mesh_gossip_step(m, NULL);
}

/* What an event of ours came to. */
static void see_result(struct mesh *m, const struct gossip_event *ev, int rv)
{
    if (rv == BASE_OK || ev->type == GOSSIP_EV_TIMER) return;
    mesh_log(m, BASE_LOG_DEBUG, "gossip", "event", "type %d: %s", (int)ev->type, base_strerror(rv));
    if (ev->type == GOSSIP_EV_FRAME && rv == BASE_EMALFORMED)
        mesh_conn_close(m, &ev->key, NODE_REASON_PROTOCOL);
    /* A link that gossip knows nothing of is of no use. */
    if (ev->type == GOSSIP_EV_PEER_UP)
        mesh_conn_close(m, &ev->key, m->leaving ? NODE_REASON_LEAVING : NODE_REASON_BUSY);
}

static int step_one(struct mesh *m, const struct gossip_event *ev)
{
    struct gossip_actions out = {0};
    int rv = gossip_step(m->gossip, mesh_now(), ev, &out);
    for (size_t i = 0; i < out.count; i++)
        perform(m, &out.items[i]);
    see_result(m, ev, rv);
    return rv;
}

int mesh_gossip_frame(struct mesh *m, const struct gossip_event *frame)
{
    struct gossip_counters before, after;
    struct gossip_member_view view;
    if (m->gossip == NULL) return BASE_ESTATE;
    gossip_counters(&before, m->gossip);
    count_frame(m, frame->u.frame.type, false);
    m->frame_from = &frame->key;
    int rv = mesh_gossip_step(m, frame);
    m->frame_from = NULL;
    gossip_counters(&after, m->gossip);
    if (frame->u.frame.type == GOSSIP_FRAME_UPDATE) mesh_dirty(m); /* tags may have changed */
    /* An ACK that ended a direct probe has left its round trip with the member. */
    if (frame->u.frame.type == GOSSIP_FRAME_ACK && after.acks > before.acks &&
        gossip_member_find(&view, m->gossip, &frame->key) == BASE_OK)
        node_metrics_rtt(m->metrics, view.rtt_ms * 1000);
    return rv;
}

/* The session's own words; it may be gone by now, and then PEER_DOWN follows or nothing. */
static struct node_session *fill_peer_up(struct mesh *m, struct gossip_event *ev)
{
    const struct mesh_conn *c = mesh_conn_of(m, &ev->key);
    if (c == NULL) return NULL;
    const struct node_session_shown *shown = node_session_peer(c->session)->shown;
    if (shown == NULL) return NULL; /* told already */
    ev->u.peer_up.record = (struct base_slice){shown->record.body, shown->record.body_len};
    ev->u.peer_up.sig = shown->record.sig;
    ev->u.peer_up.proof = (struct base_slice){shown->proof, sizeof shown->proof};
    ev->u.peer_up.weight = mesh_seat_weight(m, &ev->key);
    ev->u.peer_up.dialed = c->dialed;
    return c->session;
}

static void take_later(struct mesh *m)
{
    while (m->later != NULL) {
        struct mesh_gossip_later *item = m->later;
        struct gossip_event ev = {.type = item->type, .key = item->key};
        struct node_session *told = NULL;
        bool is_due = true;
        m->later = item->next;
        if (m->later == NULL) m->later_tail = &m->later;
        if (item->type == GOSSIP_EV_VERDICT) {
            ev.u.verdict.verdict = item->verdict;
            ev.u.verdict.weight = item->weight;
        } else if (item->type == GOSSIP_EV_PEER_UP) {
            told = fill_peer_up(m, &ev);
            is_due = told != NULL;
        }
        free(item);
        if (is_due) (void)step_one(m, &ev);
        if (told != NULL) node_session_forget(told); /* no step frees a session */
    }
}

/* event NULL: only what waits. The core is not re-entrant, so what an action brings about inside
 * is kept for after it: mesh_gossip_later(). An event from inside would be our mistake. */
int mesh_gossip_step(struct mesh *m, const struct gossip_event *event)
{
    int rv = BASE_OK;
    if (m->gossip == NULL) return BASE_ESTATE;
    assert(!m->gossip_busy);
    m->gossip_busy = true;
    take_later(m);
    if (event != NULL) rv = step_one(m, event);
    take_later(m);
    m->gossip_busy = false;
    mesh_conns_later(m);
    return rv;
}

/* ---- a new snapshot ---- */

static void evict(struct mesh *m, const struct base_key33 *key, const struct node_refusal *refusal)
{
    struct mesh_event e;
    struct gossip_member_view view;
    struct gossip_record record;
    uint64_t wall = mesh_wall(), block_ms = m->snapshot->block.time_s * 1000;
    uint64_t latency_ms = wall > block_ms ? wall - block_ms : 0;
    mesh_event_begin(&e, m, BASE_LOG_WARN, "admission", "evicted");
    mesh_event_str(&e, "reason", node_reason_name(refusal->reason));
    if (gossip_member_find(&view, m->gossip, key) == BASE_OK &&
        gossip_record_decode(&record, view.record.data, view.record.len) == BASE_OK)
        mesh_event_strn(&e, "name", record.name);
    mesh_event_key(&e, "peer", key);
    mesh_event_u64(&e, "block", m->snapshot->block.number);
    mesh_event_u64(&e, "latency_ms", latency_ms);
    mesh_event_str(&e, "expected", refusal->expected);
    mesh_event_str(&e, "found", refusal->found);
    mesh_event_end(&e);
    mesh_refused(m, refusal, key, "evicted");
    node_metrics_eviction(m->metrics, node_reason_name(refusal->reason), latency_ms,
                          mesh_chain_lag_blocks(m));
}

/* An answer of admission for each listed member: still in, with this weight, or out. Those that
 * gossip lists no more are forgotten. */
static void recheck_member(struct mesh *m, size_t index, bool *removed)
{
    struct mesh_member *member = &m->members[index];
    struct base_key33 key = member->key;
    struct node_refusal refusal;
    struct gossip_member_view view;
    bool own = node_identity_owns(&m->identity, &key);
    *removed = false;
    if (gossip_member_find(&view, m->gossip, &key) != BASE_OK) {
        if (own || mesh_conn_any(m, &key) != NULL) return; /* PEER_UP may be on its way */
        if (mesh_budget_is_barred(m, &key)) return; /* and stays so, when it comes for its vote */
        member_remove(m, &key);
        *removed = true;
        return;
    }
    if (!own &&
        node_admission_recheck(&refusal, &m->admission, &member->facts) != NODE_REASON_NONE) {
        evict(m, &key, &refusal);
        mesh_gossip_later(m, GOSSIP_EV_EVICT, &key, GOSSIP_UNDECIDED, 0);
        return; /* on_state forgets it */
    }
    member->verified_block = m->snapshot->block.number;
    if (view.weight != mesh_seat_weight(m, &key))
        mesh_gossip_later(m, GOSSIP_EV_VERDICT, &key, GOSSIP_OK, mesh_seat_weight(m, &key));
}

/* Listed members first, then sessions, each with the new snapshot, and gossip hears of it when all
 * have been judged: nobody who is out is sent another frame. */
void mesh_members_recheck(struct mesh *m)
{
    assert(!m->gossip_busy);
    if (m->gossip != NULL) {
        m->gossip_busy = true;
        for (size_t i = 0; i < m->member_count;) {
            bool removed;
            recheck_member(m, i, &removed);
            if (!removed) i++;
        }
        mesh_gossip_later(m, GOSSIP_EV_SNAPSHOT_MOVED, NULL, GOSSIP_UNDECIDED, 0);
        m->gossip_busy = false;
    }
    mesh_conns_snapshot(m);
    mesh_dirty(m);
}
