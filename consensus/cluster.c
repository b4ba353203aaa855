/* Events in, actions out. */
#include "consensus/cluster_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/votelog.h"
#include "consensus/wire.h"

#define SCRATCH_BYTES CONSENSUS_LOG_BYTES_MAX /* a frame's body, or a record of the vote log */

const char *consensus_cluster_note_name(enum consensus_cluster_note note)
{
    static const char *const names[] = {
        "founded",       "epoch",           "copy",          "store_failed",
        "state_differs", "another_cluster", "epoch_differs", "too_many_members",
        "awaits_members"};
    return note >= CONSENSUS_NOTE_FOUNDED && note <= CONSENSUS_NOTE_AWAITS ? names[note - 1]
                                                                           : "unknown";
}

/* ---- beginning and end ---- */

int consensus_cluster_new(struct consensus_cluster **out,
                          const struct consensus_cluster_config *config, uint64_t now_ms)
{
    if (config->params.window_slots == 0) return BASE_EINVAL;
    struct consensus_cluster *c = calloc(1, sizeof *c);
    if (c == NULL) return BASE_ENOMEM;
    c->config = *config;
    c->now_ms = now_ms;
    c->nonce = config->nonce;
    c->ref_slot = CONSENSUS_NO_SLOT;
    c->scratch = malloc(SCRATCH_BYTES);
    if (c->scratch == NULL) {
        consensus_cluster_free(c);
        return BASE_ENOMEM;
    }
    *out = c;
    return BASE_OK;
}

static void trash_empty(struct consensus_cluster *c)
{
    for (size_t i = 0; i < c->trash_count; i++)
        free(c->trash[i]);
    c->trash_count = 0;
}

void consensus_cluster_free(struct consensus_cluster *c)
{
    if (c == NULL) return;
    consensus_engine_free(c->engine);
    consensus_epoch_free(&c->epoch);
    consensus_state_free(c->state);
    cluster_next_forget(c);
    for (size_t i = 0; i < c->set_count; i++)
        free(c->sets[i].seats);
    for (size_t i = 0; i < c->shot_count; i++)
        cluster_shot_free(&c->shots[i]);
    for (size_t i = 0; i < 2; i++)
        cluster_shot_free(&c->pinned[i]);
    for (size_t i = 0; i < c->proof_count; i++)
        free(c->proofs[i].body);
    cluster_list_free(&c->queue);
    cluster_list_free(&c->pending);
    cluster_fetch_stop(c);
    trash_empty(c);
    free(c->trash);
    free(c->voter_list);
    free(c->told_dead);
    free(c->peers);
    free(c->stored);
    free(c->actions);
    free(c->scratch);
    free(c);
}

/* ---- actions ---- */

struct consensus_cluster_action *cluster_act(struct consensus_cluster *c,
                                             enum consensus_cluster_action_type type)
{
    static struct consensus_cluster_action nowhere; /* without memory the step says so */
    if (c->action_count == c->action_cap) {
        size_t cap = c->action_cap == 0 ? 64 : 2 * c->action_cap;
        struct consensus_cluster_action *grown = realloc(c->actions, cap * sizeof *grown);
        if (grown == NULL) {
            c->is_broken = true;
            return &nowhere;
        }
        c->actions = grown;
        c->action_cap = cap;
    }
    struct consensus_cluster_action *act = &c->actions[c->action_count++];
    memset(act, 0, sizeof *act);
    act->type = type;
    return act;
}

void *cluster_keep(struct consensus_cluster *c, const void *data, size_t len)
{
    if (c->trash_count == c->trash_cap) {
        size_t cap = c->trash_cap == 0 ? 64 : 2 * c->trash_cap;
        void **grown = realloc(c->trash, cap * sizeof *grown);
        if (grown == NULL) {
            c->is_broken = true;
            return NULL;
        }
        c->trash = grown;
        c->trash_cap = cap;
    }
    void *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL) {
        c->is_broken = true;
        return NULL;
    }
    if (data != NULL && len > 0) memcpy(copy, data, len);
    c->trash[c->trash_count++] = copy;
    return copy;
}

void cluster_note(struct consensus_cluster *c, enum consensus_cluster_note note,
                  const struct base_key33 *key)
{
    struct consensus_cluster_action *act = cluster_act(c, CONSENSUS_CLUSTER_ACT_NOTE);
    act->u.note.note = note;
    act->u.note.epoch = c->epoch.number;
    if (key != NULL) act->u.note.key = *key;
}

void cluster_send(struct consensus_cluster *c, const struct base_key33 *to, uint8_t type,
                  const void *body, size_t len)
{
    const void *copy = cluster_keep(c, body, len);
    if (copy == NULL) return;
    struct consensus_cluster_action *act = cluster_act(c, CONSENSUS_CLUSTER_ACT_SEND);
    act->u.send.is_to_all = to == NULL;
    if (to != NULL) act->u.send.to = *to;
    act->u.send.type = type;
    act->u.send.body = (struct base_slice){copy, len};
}

uint64_t cluster_store(struct consensus_cluster *c, enum consensus_store_kind kind, uint64_t first,
                       uint64_t last, const void *body, size_t len)
{
    const void *copy = cluster_keep(c, body, len);
    struct consensus_cluster_action *act = cluster_act(c, CONSENSUS_CLUSTER_ACT_STORE);
    act->u.store.number = ++c->numbered;
    act->u.store.kind = kind;
    act->u.store.epoch = c->epoch.number;
    act->u.store.first = first;
    act->u.store.last = last;
    act->u.store.body = (struct base_slice){copy, copy != NULL ? len : 0};
    return act->u.store.number;
}

/* ---- peers ---- */

struct cluster_peer *cluster_peer(struct consensus_cluster *c, const struct base_key33 *key)
{
    for (size_t i = 0; i < c->peer_count; i++)
        if (base_key33_equal(&c->peers[i].key, key)) return &c->peers[i];
    return NULL;
}

static struct cluster_peer *peer_get(struct consensus_cluster *c, const struct base_key33 *key)
{
    struct cluster_peer *peer = cluster_peer(c, key);
    if (peer != NULL) return peer;
    if (c->peer_count == c->peer_cap) {
        size_t cap = c->peer_cap == 0 ? 16 : 2 * c->peer_cap;
        struct cluster_peer *grown = realloc(c->peers, cap * sizeof *grown);
        if (grown == NULL) {
            c->is_broken = true;
            return NULL;
        }
        c->peers = grown;
        c->peer_cap = cap;
    }
    peer = &c->peers[c->peer_count++];
    *peer = (struct cluster_peer){.key = *key};
    return peer;
}

/* ---- the engine's actions ---- */

static void on_store(struct consensus_cluster *c, const struct consensus_action *a)
{
    size_t len;
    const struct consensus_record *r = &a->u.store.record;
    bool is_cert = r->kind == CONSENSUS_RECORD_CERT;
    uint64_t first = is_cert ? r->cert->first : r->vote.first;
    uint64_t last = is_cert ? r->cert->last : r->vote.last;
    if (consensus_votelog_encode(c->scratch, &len, SCRATCH_BYTES, r) != BASE_OK) {
        c->is_broken = true;
        return;
    }
    if (c->stored_count == c->stored_cap) {
        size_t cap = c->stored_cap == 0 ? 64 : 2 * c->stored_cap;
        struct cluster_stored *grown = realloc(c->stored, cap * sizeof *grown);
        if (grown == NULL) {
            c->is_broken = true;
            return;
        }
        c->stored = grown;
        c->stored_cap = cap;
    }
    if (r->kind == CONSENSUS_RECORD_FINAL) c->has_finalised = true;
    if (!is_cert) c->config.is_log_fresh = false;
    uint64_t number = cluster_store(c, CONSENSUS_STORE_VOTE, first, last, c->scratch, len);
    c->stored[c->stored_count++] = (struct cluster_stored){number, a->u.store.number, c->run};
}

static void on_send(struct consensus_cluster *c, const struct consensus_action *a)
{
    size_t len, to = a->u.send.to, n = c->epoch.member_count;
    const struct consensus_message *m = &a->u.send.message;
    if (consensus_message_encode(c->scratch, &len, CONSENSUS_FRAME_BYTES_MAX, m) != BASE_OK) return;
    uint8_t type = consensus_frame_type(m->type);
    if (to == n)
        cluster_send(c, NULL, type, c->scratch, len);
    else if (to < n)
        cluster_send(c, &c->epoch.members[to].seat.key, type, c->scratch, len);
    else if (c->is_asker_known)
        cluster_send(c, &c->asker, type, c->scratch, len);
}

static bool is_fault_known(const struct consensus_cluster *c, const struct consensus_fault_proof *f)
{
    for (size_t i = 0; i < c->fault_count; i++)
        if (base_key33_equal(&c->faults[i].key, &f->key) &&
            base_hash32_equal(&c->faults[i].a.epoch_id, &f->a.epoch_id))
            return true;
    return false;
}

/* One of a member and an epoch is enough: into the log, where all suspend it. */
static void on_fault(struct consensus_cluster *c, const struct consensus_action *a)
{
    struct consensus_entry entry = {.kind = CONSENSUS_ENTRY_EVIDENCE};
    struct consensus_fault_proof f = {.fault = a->u.fault.fault,
                                      .key = c->epoch.members[a->u.fault.voter].seat.key,
                                      .a = a->u.fault.a,
                                      .b = a->u.fault.b,
                                      .sig_a = a->u.fault.sig_a,
                                      .sig_b = a->u.fault.sig_b};
    if (is_fault_known(c, &f)) return;
    if (c->fault_count == CONSENSUS_FAULTS_MAX) {
        c->fault_count--;
        memmove(&c->faults[0], &c->faults[1], c->fault_count * sizeof c->faults[0]);
    }
    c->faults[c->fault_count++] = f;
    cluster_act(c, CONSENSUS_CLUSTER_ACT_FAULT)->u.fault = &c->faults[c->fault_count - 1];
    entry.u.evidence.voter = f.key;
    entry.u.evidence.a = f.a;
    entry.u.evidence.b = f.b;
    entry.u.evidence.sig_a = f.sig_a;
    entry.u.evidence.sig_b = f.sig_b;
    (void)cluster_submit(c, &entry, 0); /* others have seen it, too */
}

static void on_action(struct consensus_cluster *c, const struct consensus_action *a)
{
    switch (a->type) {
    case CONSENSUS_ACT_STORE:
        on_store(c, a);
        break;
    case CONSENSUS_ACT_SEND:
        on_send(c, a);
        break;
    case CONSENSUS_ACT_FINAL:
        /* What follows the end of an epoch in it is void. */
        if (!c->closing.is_on && c->state != NULL)
            cluster_final(c, a->u.final.slot, &a->u.final.hash, &a->u.final.payload);
        break;
    case CONSENSUS_ACT_LEADER:
        break; /* told by what is seen after the step */
    case CONSENSUS_ACT_FAULT:
        on_fault(c, a);
        break;
    case CONSENSUS_ACT_COPY:
        cluster_copy_found(c);
        break;
    case CONSENSUS_ACT_WANT_STATE:
        cluster_fetch(c, a->u.want_state.slot, &a->u.want_state.hash, &a->u.want_state.state);
        break;
    }
}

void cluster_engine_step(struct consensus_cluster *c, const struct consensus_event *event, int *rv)
{
    struct consensus_actions out;
    *rv = BASE_OK;
    if (c->engine == NULL || c->closing.is_on) return; /* nothing more is signed in it */
    *rv = consensus_engine_step(c->engine, c->now_ms, event, &out);
    if (*rv == BASE_ENOMEM) c->is_broken = true;
    for (size_t i = 0; i < out.count; i++)
        on_action(c, &out.list[i]);
}

/* ---- events ---- */

static void votes_wanted(struct consensus_cluster *c, const struct base_key33 *from)
{
    struct cluster_peer *peer = cluster_peer(c, from);
    if (peer != NULL) cluster_votes_wanted(c, peer);
}

static int engine_frame(struct consensus_cluster *c, const struct base_key33 *from, uint8_t type,
                        const struct base_slice *body)
{
    struct consensus_message m;
    struct consensus_event ev = {.type = CONSENSUS_EV_MESSAGE, .u.message = &m};
    int rv = consensus_message_decode(&m, type, body->data, body->len);
    if (rv != BASE_OK) return rv;
    if (m.type == CONSENSUS_MSG_STATUS) cluster_status_in(c, from, &m.epoch_id, m.u.status.epoch);
    if (c->has_epoch && base_hash32_equal(&m.epoch_id, &c->epoch_id)) {
        size_t n = c->epoch.member_count, at = consensus_epoch_find(&c->epoch, from);
        ev.from = at < n ? at : CONSENSUS_GUEST(n);
        c->asker = *from;
        c->is_asker_known = true;
        cluster_engine_step(c, &ev, &rv);
        c->is_asker_known = false;
        if (m.type == CONSENSUS_MSG_STATUS) votes_wanted(c, from);
    }
    consensus_message_free(&m);
    return rv;
}

static int frame_in(struct consensus_cluster *c, const struct consensus_cluster_event *ev)
{
    const struct base_slice *body = &ev->u.frame.body;
    if (body->len > CONSENSUS_FRAME_BYTES_MAX) return BASE_ETOOBIG;
    switch (ev->u.frame.type) {
    case CONSENSUS_FRAME_EPOCH:
        return cluster_epoch_offered(c, &ev->key, body);
    case CONSENSUS_FRAME_ASK:
        return cluster_ask_in(c, &ev->key, body);
    case CONSENSUS_FRAME_STATE:
        return cluster_state_in(c, &ev->key, body);
    case CONSENSUS_FRAME_ENTRY:
        return cluster_entry_in(c, body);
    case CONSENSUS_FRAME_VOTES:
        return cluster_votes_in(c, &ev->key, body);
    default:
        return engine_frame(c, &ev->key, ev->u.frame.type, body);
    }
}

/* So that a newcomer need not wait for the next heartbeat. */
static void greet(struct consensus_cluster *c, const struct base_key33 *to)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_STATUS, .epoch_id = c->epoch_id};
    struct consensus_view view;
    size_t len;
    if (c->engine == NULL) return;
    consensus_engine_view(&view, c->engine);
    m.u.status = (struct consensus_status){view.frontier, view.final_slot, c->epoch.number,
                                           c->block_count > 0 ? c->blocks[0].number : 0};
    if (consensus_message_encode(c->scratch, &len, CONSENSUS_FRAME_BYTES_MAX, &m) == BASE_OK)
        cluster_send(c, to, consensus_frame_type(m.type), c->scratch, len);
}

static int peer_in(struct consensus_cluster *c, const struct consensus_cluster_event *ev)
{
    struct cluster_peer *peer = peer_get(c, &ev->key);
    if (peer == NULL) return BASE_ENOMEM;
    peer->is_up = ev->u.is_up;
    peer->votes_ms = peer->shown_run = 0;
    peer->has_seen = false;
    if (!peer->is_up) peer->has_epoch = false;
    if (peer->is_up) greet(c, &ev->key);
    cluster_here_look(c);
    return BASE_OK;
}

static int dead_in(struct consensus_cluster *c, const struct consensus_cluster_event *ev)
{
    struct cluster_peer *peer = peer_get(c, &ev->key);
    if (peer == NULL) return BASE_ENOMEM;
    peer->is_dead = ev->u.is_dead;
    cluster_tell_dead(c, consensus_epoch_find(&c->epoch, &ev->key));
    cluster_here_look(c);
    return c->is_broken ? BASE_ENOMEM : BASE_OK;
}

/* Operations of ours and votes of the engine share one row of numbers. */
static int stored_in(struct consensus_cluster *c, uint64_t number)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_STORED};
    size_t done = 0;
    int rv = BASE_OK;
    while (done < c->stored_count && c->stored[done].number <= number) {
        if (c->stored[done].run == c->run) ev.u.stored = c->stored[done].engine_number;
        done++;
    }
    if (done > 0)
        memmove(c->stored, c->stored + done, (c->stored_count - done) * sizeof *c->stored);
    c->stored_count -= done;
    if (ev.u.stored > 0) cluster_engine_step(c, &ev, &rv);
    return rv;
}

static int dispatch(struct consensus_cluster *c, const struct consensus_cluster_event *ev)
{
    struct consensus_event engine = {.type = CONSENSUS_EV_TIMER};
    int rv = BASE_OK;
    switch (ev->type) {
    case CONSENSUS_CLUSTER_EV_TIMER:
        cluster_engine_step(c, &engine, &rv);
        return rv;
    case CONSENSUS_CLUSTER_EV_CHAIN:
        return cluster_chain(c, ev);
    case CONSENSUS_CLUSTER_EV_FRAME:
        rv = frame_in(c, ev);
        if (rv == BASE_EMALFORMED || rv == BASE_ETOOBIG || rv == BASE_EUNSUPPORTED) c->refused++;
        return rv == BASE_OK || rv == BASE_ENOMEM ? rv : BASE_EMALFORMED;
    case CONSENSUS_CLUSTER_EV_PEER:
        return peer_in(c, ev);
    case CONSENSUS_CLUSTER_EV_DEAD:
        return dead_in(c, ev);
    case CONSENSUS_CLUSTER_EV_STORED:
        return stored_in(c, ev->u.stored);
    case CONSENSUS_CLUSTER_EV_STORE_FAILED:
        if (!c->is_mute) cluster_note(c, CONSENSUS_NOTE_MUTE, NULL);
        c->is_mute = true;
        engine.type = CONSENSUS_EV_STORE_FAILED;
        cluster_engine_step(c, &engine, &rv);
        return rv;
    case CONSENSUS_CLUSTER_EV_LOST:
        cluster_lost(c, ev->u.lost);
        return BASE_OK;
    case CONSENSUS_CLUSTER_EV_ABSTAIN:
        c->abstains = engine.u.abstains = ev->u.abstains;
        engine.type = CONSENSUS_EV_ABSTAIN;
        cluster_engine_step(c, &engine, &rv);
        return rv;
    case CONSENSUS_CLUSTER_EV_SUBMIT:
        return cluster_submit(c, ev->u.submit.entry, ev->u.submit.tag);
    case CONSENSUS_CLUSTER_EV_RESIGN:
        engine.type = CONSENSUS_EV_RESIGN;
        cluster_engine_step(c, &engine, &rv);
        return rv;
    }
    return BASE_EINVAL;
}

/* ---- what follows from any event ---- */

static void offer_entries(struct consensus_cluster *c)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_ENTRIES};
    int rv;
    bool has = cluster_has_entries(c);
    if (c->engine == NULL || has == c->has_entries) return;
    c->has_entries = has;
    ev.u.has_entries = has;
    cluster_engine_step(c, &ev, &rv);
}

static uint64_t token_of(const struct consensus_cluster *c, uint64_t window)
{
    return c->epoch.number << 32 | (window * c->config.params.window_slots & UINT32_MAX);
}

static void tell_leader(struct consensus_cluster *c)
{
    struct consensus_view view;
    if (c->engine == NULL) return;
    consensus_engine_view(&view, c->engine);
    bool has_lease = consensus_cluster_has_lease(c, c->now_ms);
    bool is_new = !c->is_told || c->told_epoch != c->epoch.number || c->told_window != view.window;
    if (is_new && view.window != CONSENSUS_NO_SLOT) {
        struct consensus_cluster_action *act = cluster_act(c, CONSENSUS_CLUSTER_ACT_LEADER);
        c->is_told = true;
        c->told_epoch = c->epoch.number;
        c->told_window = view.window;
        act->u.leader.epoch = c->epoch.number;
        act->u.leader.window = view.window;
        act->u.leader.token = token_of(c, view.window);
        act->u.leader.has_leader = view.leader < c->epoch.member_count;
        act->u.leader.is_self = view.leader == c->self;
        if (act->u.leader.has_leader) act->u.leader.key = c->epoch.members[view.leader].seat.key;
    }
    if (has_lease == c->was_leading) return;
    c->was_leading = has_lease;
    struct consensus_cluster_action *act = cluster_act(c, CONSENSUS_CLUSTER_ACT_LEASE);
    act->u.lease.is_held = has_lease;
    act->u.lease.epoch = c->epoch.number;
    act->u.lease.token = token_of(c, view.window);
}

static void settle(struct consensus_cluster *c)
{
    cluster_epoch_timer(c);
    cluster_owed_tell(c);
    cluster_fetch_timer(c);
    cluster_pending(c);
    offer_entries(c);
    tell_leader(c);
}

int consensus_cluster_step(struct consensus_cluster *c, uint64_t now_ms,
                           const struct consensus_cluster_event *event,
                           struct consensus_cluster_actions *out)
{
    assert(now_ms >= c->now_ms);
    int rv = BASE_OK;
    c->now_ms = now_ms;
    c->action_count = 0;
    c->is_broken = false;
    trash_empty(c);
    if (c->has_epoch && c->engine == NULL) rv = cluster_engine_start(c, c->is_restored);
    if (rv == BASE_OK) rv = dispatch(c, event);
    settle(c);
    *out = (struct consensus_cluster_actions){c->actions, c->action_count};
    return c->is_broken ? BASE_ENOMEM : rv;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t consensus_cluster_deadline_ms(const struct consensus_cluster *c)
{
    struct consensus_view view;
    uint64_t due = earlier(cluster_epoch_deadline_ms(c), cluster_pending_deadline_ms(c));
    if (c->fetch.is_on) due = earlier(due, c->fetch.due_ms);
    if (c->engine == NULL) return c->has_epoch ? c->now_ms : due;
    if (!c->closing.is_on) due = earlier(due, consensus_engine_deadline_ms(c->engine));
    consensus_engine_view(&view, c->engine);
    if (c->was_leading)
        due = earlier(due, view.lease_until_ms);
    else if (c->lease_from_ms > c->now_ms)
        due = earlier(due, c->lease_from_ms);
    return due;
}

/* ---- after a restart ---- */

int consensus_cluster_restore_epoch(struct consensus_cluster *c, const struct base_slice *body)
{
    return cluster_epoch_restore(c, body);
}

int consensus_cluster_restore_state(struct consensus_cluster *c, uint64_t epoch, uint64_t first,
                                    const struct base_slice *body)
{
    struct consensus_state *state;
    struct base_hash32 hash;
    if (!c->has_epoch || epoch > c->epoch.number) return BASE_EINVAL;
    if (epoch < c->epoch.number) return BASE_OK; /* others have the one that we need */
    if (body->len < BASE_HASH32_BYTES) return BASE_EMALFORMED;
    memcpy(hash.bytes, body->data, sizeof hash.bytes);
    int rv = consensus_state_decode(&state, body->data + BASE_HASH32_BYTES,
                                    body->len - BASE_HASH32_BYTES);
    if (rv != BASE_OK) return rv;
    consensus_state_free(c->state);
    c->state = state;
    c->ref_slot = first - 1; /* 0: CONSENSUS_NO_SLOT */
    cluster_point_add(c, c->ref_slot, &hash);
    return c->is_broken ? BASE_ENOMEM : BASE_OK;
}

/* Two may have founded, and both epochs have the number 0: votes in the one that was given up are
 * not of this one, as their signatures show. */
static bool is_of_this_epoch(const struct consensus_cluster *c,
                             const struct consensus_record *record)
{
    const struct consensus_cluster_host *host = &c->config.host;
    if (c->epoch.number != 0 || c->self >= c->epoch.member_count) return true;
    if (record->kind == CONSENSUS_RECORD_CERT)
        return consensus_cert_check(record->cert, &c->epoch_id, &c->voters, host->verify,
                                    host->ctx) == CONSENSUS_CERT_GOOD;
    return host->verify(host->ctx, &record->vote, &record->sig,
                        &c->epoch.members[c->self].seat.signer) == BASE_OK;
}

int consensus_cluster_restore_vote(struct consensus_cluster *c, uint64_t epoch,
                                   const struct base_slice *body)
{
    struct consensus_logged logged;
    bool is_of_now = c->has_epoch && epoch == c->epoch.number;
    if (consensus_votelog_is_next(body->data, body->len)) /* no vote */
        return is_of_now ? cluster_next_restore(c, body) : BASE_OK;
    c->config.is_log_fresh = false;
    if (!is_of_now) return BASE_OK; /* of one that is over */
    int rv = c->engine == NULL ? cluster_engine_start(c, true) : BASE_OK;
    if (rv == BASE_OK)
        rv = consensus_votelog_decode(&logged, &c->epoch_id, body->data, body->len);
    else
        return rv;
    bool is_ours = rv == BASE_OK && is_of_this_epoch(c, &logged.record);
    if (is_ours && logged.record.kind == CONSENSUS_RECORD_FINAL) c->has_finalised = true;
    if (is_ours && c->self < c->epoch.member_count && !cluster_is_lost(c))
        rv = consensus_engine_restore(c->engine, &logged.record);
    consensus_votelog_free(&logged);
    return rv;
}

/* ---- questions ---- */

bool consensus_cluster_has_lease(const struct consensus_cluster *c, uint64_t now_ms)
{
    return c->engine != NULL && !c->closing.is_on && consensus_engine_has_lease(c->engine, now_ms);
}

void consensus_cluster_view(struct consensus_cluster_view *out, const struct consensus_cluster *c,
                            uint64_t now_ms)
{
    *out = (struct consensus_cluster_view){.has_epoch = c->has_epoch,
                                           .epoch = &c->epoch,
                                           .epoch_id = c->epoch_id,
                                           .self = c->self,
                                           .has_state = c->state != NULL,
                                           .is_mute = c->is_mute,
                                           .is_lost = cluster_is_lost(c),
                                           .lost_block = c->config.lost_block,
                                           .queued = c->queue.count,
                                           .pending = c->pending.count,
                                           .is_awaiting = c->awaits.is_on,
                                           .refused = c->refused,
                                           .epochs_seen = c->epochs_seen,
                                           .entries_applied = c->entries_applied};
    if (c->engine == NULL) return;
    consensus_engine_view(&out->engine, c->engine);
    out->total = c->voters.total;
    out->quorum = c->voters.quorum;
    if (out->engine.window == CONSENSUS_NO_SLOT) return;
    out->window_first = out->engine.window * c->config.params.window_slots;
    out->token = token_of(c, out->engine.window);
    out->has_lease = consensus_cluster_has_lease(c, now_ms);
}

bool consensus_cluster_leader_in(struct consensus_cluster *c, uint64_t windows,
                                 struct base_key33 *key)
{
    struct consensus_view view;
    if (c->engine == NULL) return false;
    consensus_engine_view(&view, c->engine);
    if (view.window == CONSENSUS_NO_SLOT) return false;
    size_t leader = consensus_engine_leader(c->engine, view.window + windows);
    if (leader >= c->epoch.member_count) return false;
    *key = c->epoch.members[leader].seat.key;
    return true;
}

uint64_t consensus_cluster_weight(const struct consensus_cluster *c, size_t member)
{
    return member < c->voters.count ? c->voters.list[member].weight : 0;
}

bool consensus_cluster_heard(const struct consensus_cluster *c, size_t member, uint64_t within_ms)
{
    bool heard[CONSENSUS_MEMBERS_MAX];
    if (c->engine == NULL || member >= c->epoch.member_count) return false;
    (void)consensus_engine_heard(c->engine, within_ms, heard);
    return heard[member];
}

bool consensus_cluster_is_out(const struct consensus_cluster *c, size_t member)
{
    return member < c->epoch.member_count && cluster_is_out(c, &c->epoch.members[member].seat.key);
}

const struct consensus_state *consensus_cluster_state(const struct consensus_cluster *c)
{
    return c->state;
}

const struct consensus_cert *consensus_cluster_cert(const struct consensus_cluster *c)
{
    return c->engine == NULL ? NULL : consensus_engine_final_cert(c->engine);
}

size_t consensus_cluster_fault_count(const struct consensus_cluster *c)
{
    return c->fault_count;
}

const struct consensus_fault_proof *consensus_cluster_fault_at(const struct consensus_cluster *c,
                                                               size_t index)
{
    return &c->faults[index];
}
