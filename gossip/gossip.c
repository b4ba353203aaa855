/* The facade: one step. */
#include "gossip/gossip.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/gossip_internal.h"

/* One a member, one a pending, one that is being changed. */
#define RECORDS_MAX(members_max) ((size_t)(members_max) + GOSSIP__PENDING_MAX + 1)

void gossip_config_default(struct gossip_config *cfg)
{
    cfg->weight = 1;
    cfg->probe_interval_ms = 1000;
    cfg->probe_timeout_ms = 500;
    cfg->indirect_count = 3;
    cfg->suspicion_mult = 4;
    cfg->suspicion_min_ms = 1000;
    cfg->awareness_max = 8;
    cfg->fanout_count = 4;
    cfg->links_max = 256;
    cfg->retry_max_ms = 60000;
    cfg->leave_linger_ms = 500;
    cfg->members_max = GOSSIP_MEMBERS_MAX;
    cfg->shared = NULL;
    cfg->incarnation_max = 0;
}

static bool is_config_valid(const struct gossip_config *cfg)
{
    return cfg->members_max >= 1 && cfg->members_max <= GOSSIP_MEMBERS_MAX &&
           cfg->proof.len <= GOSSIP_PROOF_BYTES_MAX && cfg->probe_timeout_ms >= 1 &&
           cfg->probe_interval_ms >= cfg->probe_timeout_ms && cfg->probe_interval_ms <= 600000 &&
           cfg->indirect_count <= GOSSIP__RELAYS_MAX && cfg->suspicion_mult >= 1 &&
           cfg->suspicion_mult <= 1000 && cfg->awareness_max <= 100 &&
           cfg->fanout_count <= GOSSIP__TARGETS_MAX;
}

static int memory_new(struct gossip *g)
{
    if (g->cfg.shared == NULL) {
        int rv = gossip_shared_new(&g->own, RECORDS_MAX(g->cfg.members_max), g->cfg.seed);
        if (rv != BASE_OK) return rv;
    }
    g->shared = g->cfg.shared != NULL ? g->cfg.shared : g->own;
    g->store = &g->shared->store;
    g->news = g->shared->news;
    g->actions = g->shared->actions;
    g->arena = g->shared->arena;
    g->in = &g->shared->in;
    g->out = &g->shared->out;
    return gossip__table_new(g);
}

/* Everything is copied, so that the caller's may go. */
static int self_new(struct gossip *g, const struct base_slice *proof)
{
    if (proof->len > 0) memcpy(g->proof, proof->data, proof->len);
    g->cfg.proof = (struct base_slice){g->proof, proof->len};
    int rv = gossip__self_init(g);
    g->cfg.self = (struct gossip_record){0}; /* its slices are the caller's */
    if (rv == BASE_OK) gossip__member_weight(g, &g->members[0], g->cfg.weight);
    return rv;
}

int gossip_new(struct gossip **out, const struct gossip_config *cfg,
               const struct gossip_crypto *crypto, uint64_t now_ms)
{
    if (!is_config_valid(cfg)) return BASE_EINVAL;
    struct gossip *g = calloc(1, sizeof *g);
    if (g == NULL) return BASE_ENOMEM;
    g->cfg = *cfg;
    g->crypto = *crypto;
    g->now_ms = g->started_ms = now_ms;
    g->voices = GOSSIP__VOICES_MAX;
    g->deep_barred = GOSSIP__NONE;
    base_prng_init(&g->prng, cfg->seed);
    g->refute_ms = g->leave_ms = g->errand_ms = g->settled_ms = GOSSIP__NEVER;
    /* Nodes that start together do not probe together. */
    g->tick_ms = now_ms + base_prng_below(&g->prng, cfg->probe_interval_ms);
    int rv = memory_new(g);
    if (rv == BASE_OK) rv = self_new(g, &cfg->proof);
    if (rv != BASE_OK) {
        gossip_free(g);
        return rv;
    }
    *out = g;
    return BASE_OK;
}

void gossip_free(struct gossip *g)
{
    if (g == NULL) return;
    if (g->slab != NULL) {
        for (size_t i = 0; i < GOSSIP__PENDING_MAX; i++)
            gossip__store_release(g->store, g->pending[i].record);
        gossip__table_free(g);
    }
    gossip_shared_free(g->own);
    free(g);
}

int gossip_shared_new(struct gossip_shared **out, size_t records_max, uint64_t seed)
{
    struct gossip_shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL) return BASE_ENOMEM;
    int rv = gossip__store_init(&shared->store, records_max, seed);
    if (rv != BASE_OK) {
        gossip_shared_free(shared);
        return rv;
    }
    *out = shared;
    return BASE_OK;
}

void gossip_shared_free(struct gossip_shared *shared)
{
    if (shared == NULL) return;
    gossip__store_deinit(&shared->store);
    free(shared);
}

size_t gossip_shared_bytes(const struct gossip_shared *shared)
{
    return shared->store.bytes_used;
}

size_t gossip_bytes(const struct gossip *g)
{
    size_t pending = g->pending_top * sizeof g->pending[0];
    size_t graves = (g->gone.count + g->refused.count) * sizeof g->gone.items[0];
    size_t rings = sizeof g->pending + sizeof g->gone + sizeof g->refused + sizeof g->events;
    return gossip__table_bytes(g) + sizeof *g - rings + pending + graves;
}

/* ---- time ---- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t gossip_deadline_ms(const struct gossip *g)
{
    if (!g->announced) return g->now_ms;
    uint64_t due = min_u64(min_u64(g->tick_ms, g->refute_ms), min_u64(g->leave_ms, g->errand_ms));
    return g->left ? due : min_u64(due, gossip__due_ms(g));
}

static void move_on(uint64_t *at_ms, uint64_t lag_ms)
{
    if (*at_ms != 0 && *at_ms != GOSSIP__NEVER) *at_ms += lag_ms;
}

/* We were stopped, starved or swapped out for lag_ms: nobody had a chance to answer us in that
 * time, so it does not count against anybody, and we trust ourselves less. */
static void clocks_move_on(struct gossip *g, uint64_t lag_ms)
{
    gossip__agendas_move_on(g, lag_ms);
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++)
        move_on(&g->errands[i].due_ms, lag_ms);
    move_on(&g->errand_ms, lag_ms);
    move_on(&g->tick_ms, lag_ms);
    if (g->awareness < g->cfg.awareness_max) g->awareness++;
    g->counters.pauses++;
    gossip__note(g, GOSSIP_NOTE_PAUSED, &g->members[0].record->key, NULL);
}

/* By what clocks_move_on() moves, and nothing else: what stays where it is would make each step
 * until the next timer one more pause. */
static void notice_pause(struct gossip *g)
{
    uint64_t due = min_u64(g->tick_ms, g->errand_ms);
    if (!g->left) due = min_u64(due, gossip__due_ms(g));
    if (due == GOSSIP__NEVER || g->now_ms <= due) return;
    uint64_t lag_ms = g->now_ms - due;
    /* One time-out more: what came meanwhile is still to be read. */
    if (lag_ms >= g->cfg.probe_timeout_ms) clocks_move_on(g, lag_ms + g->cfg.probe_timeout_ms);
}

static void push_due(struct gossip *g, struct gossip__member *m)
{
    gossip__agenda_open(g, m)->push_ms = 0;
    gossip__news_member(g, BASE_STATEMENT_RECORD, m, GOSSIP__NONE);
}

static bool is_due(const struct gossip *g, uint64_t at_ms)
{
    return at_ms != 0 && at_ms <= g->now_ms;
}

static void member_due(struct gossip *g, struct gossip__member *m)
{
    if (gossip__is_probing(g, m) && is_due(g, gossip__agenda(g, m)->probe.due_ms))
        gossip__probe_due(g, m);
    if (is_due(g, gossip__agenda(g, m)->dial_ms)) gossip__dial_due(g, m);
    if (is_due(g, gossip__agenda(g, m)->push_ms)) push_due(g, m);
    if (m->state == GOSSIP_SUSPECT) gossip__suspicion_due(g, m);
    if (m->state == GOSSIP_ALIVE && is_due(g, gossip__agenda(g, m)->reprobe_ms))
        gossip__look_due(g, m);
    gossip__arm(g, m);
}

static void members_due(struct gossip *g)
{
    while (gossip__due_ms(g) <= g->now_ms && !gossip__is_step_full(g))
        member_due(g, gossip__due(g));
}

static int timer(struct gossip *g)
{
    if (g->leave_ms <= g->now_ms) {
        g->leave_ms = GOSSIP__NEVER;
        gossip__act(g, GOSSIP_ACT_LEFT, &g->members[0].record->key);
    }
    if (g->errand_ms <= g->now_ms) gossip__errands_due(g);
    if (g->tick_ms <= g->now_ms) gossip__tick(g);
    if (!g->left) members_due(g);
    return g->refute_ms <= g->now_ms ? gossip__self_refute(g, 0) : BASE_OK;
}

/* ---- frames ---- */

/* All statements before any of them counts: a malformed frame changes nothing. */
static int check_items(struct gossip *g, const struct gossip_frame *frame)
{
    if (frame->type != GOSSIP_FRAME_UPDATE && frame->type != GOSSIP_FRAME_EVENT) return BASE_OK;
    for (uint32_t i = 0; i < frame->u.news.item_count; i++) {
        const struct gossip_item *item = &frame->u.news.items[i];
        const struct gossip__stored *known = NULL;
        if (item->kind == BASE_STATEMENT_RECORD)
            known = gossip__store_find(g->store, &item->body, &item->sig);
        g->shared->known[i] = known;
        if (known != NULL) continue;
        int rv = gossip_statement_check(item->kind, item->body.data, item->body.len);
        if (rv != BASE_OK && rv != BASE_EUNSUPPORTED) return BASE_EMALFORMED;
    }
    return BASE_OK;
}

static void item_in(struct gossip *g, struct gossip__member *from, const struct gossip_item *item,
                    const struct gossip__stored *known)
{
    switch (item->kind) {
    case BASE_STATEMENT_RECORD:
        gossip__record_in(g, from, item, known);
        break;
    case BASE_STATEMENT_ACCUSATION:
    case BASE_STATEMENT_CONFIRMATION:
        gossip__accusation_in(g, from, item);
        break;
    case BASE_STATEMENT_LEAVE:
        gossip__leave_in(g, from, item);
        break;
    case BASE_STATEMENT_EVENT:
        gossip__event_in(g, from, item);
        break;
    case BASE_STATEMENT_REFUTATION:
        break; /* has a frame of its own; the decoder lets none through */
    }
}

static void news_in(struct gossip *g, struct gossip__member *from)
{
    g->news_reach = g->in->u.news.reach;
    g->news_repair = g->in->u.news.repair;
    const struct gossip__stored **known = g->shared->known;
    /* What an earlier item replaces may be what a later one shows. */
    for (uint32_t i = 0; i < g->in->u.news.item_count; i++)
        if (known[i] != NULL) gossip__store_hold(known[i]);
    for (uint32_t i = 0; i < g->in->u.news.item_count; i++)
        item_in(g, from, &g->in->u.news.items[i], known[i]);
    for (uint32_t i = 0; i < g->in->u.news.item_count; i++)
        gossip__store_release(g->store, known[i]);
}

static int frame_in(struct gossip *g, struct gossip__member *from)
{
    switch ((enum gossip_frame_type)g->in->type) {
    case GOSSIP_FRAME_PING:
        gossip__ping_in(g, from);
        break;
    case GOSSIP_FRAME_ACK:
        gossip__ack_in(g, from);
        break;
    case GOSSIP_FRAME_PING_REQ:
        gossip__ping_req_in(g, from);
        break;
    case GOSSIP_FRAME_NACK:
        gossip__nack_in(g, from);
        break;
    case GOSSIP_FRAME_CHALLENGE:
        gossip__challenge_in(g, from);
        break;
    case GOSSIP_FRAME_REFUTE:
        return gossip__refute_in(g, from);
    case GOSSIP_FRAME_SYNC:
        gossip__sync_in(g, from);
        break;
    case GOSSIP_FRAME_LIST:
        gossip__list_in(g, from);
        break;
    case GOSSIP_FRAME_PULL:
        gossip__pull_in(g, from);
        break;
    case GOSSIP_FRAME_UPDATE:
    case GOSSIP_FRAME_EVENT:
        news_in(g, from);
        break;
    case GOSSIP_FRAME_PART:
        gossip__part_in(g, from);
        break;
    }
    return BASE_OK;
}

static int frame(struct gossip *g, const struct gossip_event *ev)
{
    struct gossip__member *from = gossip__find(g, &ev->key);
    if (from == NULL || !from->linked) return BASE_ENOPEER;
    g->counters.frames_in++;
    int rv =
        gossip_frame_decode(g->in, ev->u.frame.type, ev->u.frame.body.data, ev->u.frame.body.len);
    if (rv == BASE_EUNSUPPORTED) {
        g->counters.frames_unknown++;
        return BASE_OK;
    }
    if (rv == BASE_OK) rv = check_items(g, g->in);
    if (rv == BASE_OK) rv = frame_in(g, from);
    if (rv != BASE_OK) {
        g->counters.frames_malformed++;
        return BASE_EMALFORMED;
    }
    g->counters.keys_unknown += g->in->unknown_keys;
    /* Bytes from somebody whom we hold for hung: ask, rather than wait for its turn. */
    if ((from->state == GOSSIP_SUSPECT || from->state == GOSSIP_FAILED) &&
        !gossip__is_probing(g, from))
        gossip__probe_start(g, from);
    return BASE_OK;
}

/* ---- one step ---- */

static void announce(struct gossip *g)
{
    struct gossip__member *m = &g->members[0];
    if (g->announced) return;
    g->announced = true;
    gossip__state(g, m, GOSSIP_ALIVE, GOSSIP_WHY_SELF);
    gossip__act(g, GOSSIP_ACT_SELF, &m->record->key)->u.self.incarnation = m->record->incarnation;
}

static int dispatch(struct gossip *g, const struct gossip_event *ev)
{
    switch (ev->type) {
    case GOSSIP_EV_TIMER:
        return timer(g);
    case GOSSIP_EV_FRAME:
        return frame(g, ev);
    case GOSSIP_EV_PEER_UP:
        return gossip__peer_up(g, ev);
    case GOSSIP_EV_PEER_DOWN:
        return gossip__peer_down(g, &ev->key);
    case GOSSIP_EV_DIAL_FAILED:
        return gossip__dial_failed(g, &ev->key);
    case GOSSIP_EV_VERDICT:
        return gossip__verdict(g, ev);
    case GOSSIP_EV_SNAPSHOT_MOVED:
        gossip__snapshot_moved(g);
        return BASE_OK;
    case GOSSIP_EV_EVICT:
        return gossip__evict(g, &ev->key);
    case GOSSIP_EV_LEAVE:
        return gossip__self_leave(g);
    case GOSSIP_EV_USER_EVENT:
        return gossip__user_event(g, ev);
    case GOSSIP_EV_UPDATE:
        return gossip__self_update(g, &ev->u.update);
    }
    return BASE_EINVAL;
}

int gossip_step(struct gossip *g, uint64_t now_ms, const struct gossip_event *ev,
                struct gossip_actions *out)
{
    assert(now_ms >= g->now_ms);
    g->now_ms = now_ms;
    g->action_count = 0;
    g->arena_len = 0;
    g->news_count = 0;
    g->news_reach = 0;
    g->news_repair = false;
    if (g->announced)
        notice_pause(g);
    else
        announce(g);
    int rv = dispatch(g, ev);
    gossip__news_flush(g);
    *out = (struct gossip_actions){g->actions, g->action_count};
    return rv;
}

/* ---- questions ---- */

static void view_of(struct gossip_member_view *out, const struct gossip__member *m, bool is_self)
{
    *out = (struct gossip_member_view){
        .key = m->record->key,
        .state = m->state,
        .incarnation = m->record->incarnation,
        .sequence = m->record->sequence,
        .weight = m->weight,
        .since_ms = m->since_ms,
        .rtt_ms = m->rtt_ms,
        .is_self = is_self,
        .is_linked = m->linked,
        .record = gossip__stored_body(m->record),
        .sig = m->record->sig,
        .proof = gossip__stored_proof(m->record),
    };
}

size_t gossip_member_count(const struct gossip *g)
{
    return g->count;
}

void gossip_member_at(struct gossip_member_view *out, const struct gossip *g, size_t index)
{
    assert(index < g->count);
    view_of(out, &g->members[g->sorted[index]], g->sorted[index] == 0);
}

int gossip_member_find(struct gossip_member_view *out, const struct gossip *g,
                       const struct base_key33 *key)
{
    const struct gossip__member *m = gossip__find(g, key);
    if (m == NULL) return BASE_ENOTFOUND;
    view_of(out, m, m == &g->members[0]);
    return BASE_OK;
}

void gossip_counters(struct gossip_counters *out, const struct gossip *g)
{
    *out = g->counters;
    out->awareness = g->awareness;
}

const char *gossip_state_name(enum gossip_state state)
{
    switch (state) {
    case GOSSIP_NONE:
        return "none";
    case GOSSIP_ALIVE:
        return "alive";
    case GOSSIP_SUSPECT:
        return "suspect";
    case GOSSIP_FAILED:
        return "failed";
    case GOSSIP_LEFT:
        return "left";
    }
    return "?";
}

const char *gossip_reason_name(enum gossip_reason reason)
{
    switch (reason) {
    case GOSSIP_WHY_UNDECIDED:
        return "undecided";
    case GOSSIP_WHY_SELF:
        return "self";
    case GOSSIP_WHY_SESSION:
        return "session";
    case GOSSIP_WHY_LEARNED:
        return "learned";
    case GOSSIP_WHY_PROBE:
        return "probe";
    case GOSSIP_WHY_CONFIRMED:
        return "confirmed";
    case GOSSIP_WHY_TIMEOUT:
        return "timeout";
    case GOSSIP_WHY_ACK:
        return "ack";
    case GOSSIP_WHY_REFUTED:
        return "refuted";
    case GOSSIP_WHY_LEAVE:
        return "leave";
    case GOSSIP_WHY_EVICTED:
        return "evicted";
    }
    return "?";
}

const char *gossip_note_name(enum gossip_note note)
{
    switch (note) {
    case GOSSIP_NOTE_NONE:
        return "none";
    case GOSSIP_NOTE_CONTRADICTION:
        return "contradiction";
    case GOSSIP_NOTE_ROLLED_BACK:
        return "rolled_back";
    case GOSSIP_NOTE_FORGED:
        return "forged";
    case GOSSIP_NOTE_TABLE_FULL:
        return "table_full";
    case GOSSIP_NOTE_PAUSED:
        return "paused";
    }
    return "?";
}
