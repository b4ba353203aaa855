/* The facade: one step. */
#include "gossip/gossip.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/gossip_internal.h"

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

static int tables_new(struct gossip *g)
{
    size_t max = g->cfg.members_max;
    g->words = (uint32_t)((max + 63) / 64);
    g->members = calloc(max, sizeof *g->members);
    g->accusers = calloc(max * g->words, sizeof *g->accusers);
    g->sorted = calloc(max + 1, sizeof *g->sorted); /* one spare, so that inserting may shift */
    g->free_slots = calloc(max, sizeof *g->free_slots);
    g->heap = calloc(max, sizeof *g->heap);
    g->links = calloc(max, sizeof *g->links);
    g->order = calloc(max, sizeof *g->order);
    g->actions = calloc(GOSSIP_ACTIONS_MAX, sizeof *g->actions);
    g->arena = malloc(GOSSIP__ARENA_BYTES);
    if (g->members == NULL || g->accusers == NULL || g->sorted == NULL || g->free_slots == NULL ||
        g->heap == NULL || g->links == NULL || g->order == NULL || g->actions == NULL ||
        g->arena == NULL)
        return BASE_ENOMEM;
    /* Low slots first: what a small mesh never uses is never touched. */
    for (size_t slot = max; slot > 0; slot--)
        g->free_slots[g->free_count++] = (uint16_t)(slot - 1);
    return BASE_OK;
}

/* Everything is copied, so that the caller's may go. */
static int self_new(struct gossip *g, const struct base_slice *proof)
{
    struct gossip__member *m = gossip__member_add(g, &g->cfg.self.node_key);
    assert(m == &g->members[0]);
    if (proof->len > 0) memcpy(g->proof, proof->data, proof->len);
    g->cfg.proof = (struct base_slice){g->proof, proof->len};
    gossip__member_weight(g, m, g->cfg.weight);
    int rv = gossip__self_init(g);
    g->cfg.self = (struct gossip_record){0}; /* its slices are the caller's */
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
    base_prng_init(&g->prng, cfg->seed);
    g->refute_ms = g->leave_ms = g->errand_ms = g->settled_ms = GOSSIP__NEVER;
    /* Nodes that start together do not probe together. */
    g->tick_ms = now_ms + base_prng_below(&g->prng, cfg->probe_interval_ms);
    int rv = tables_new(g);
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
    free(g->members);
    free(g->accusers);
    free(g->sorted);
    free(g->free_slots);
    free(g->heap);
    free(g->links);
    free(g->order);
    free(g->actions);
    free(g->arena);
    free(g);
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
    if (g->heap_count > 0 && !g->left) due = min_u64(due, g->members[g->heap[0]].due_ms);
    return due;
}

static void move_on(uint64_t *at_ms, uint64_t lag_ms)
{
    if (*at_ms != 0 && *at_ms != GOSSIP__NEVER) *at_ms += lag_ms;
}

/* We were stopped, starved or swapped out for lag_ms: nobody had a chance to answer us in that
 * time, so it does not count against anybody, and we trust ourselves less. */
static void clocks_move_on(struct gossip *g, uint64_t lag_ms)
{
    for (uint32_t i = 0; i < g->count; i++) {
        struct gossip__member *m = &g->members[g->sorted[i]];
        move_on(&m->probe.due_ms, lag_ms);
        move_on(&m->probe.started_ms, lag_ms);
        move_on(&m->suspect_ms, lag_ms);
        move_on(&m->suspect_end_ms, lag_ms);
        move_on(&m->accused_ms, lag_ms);
        move_on(&m->reprobe_ms, lag_ms);
        move_on(&m->dial_ms, lag_ms);
        move_on(&m->push_ms, lag_ms);
    }
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++)
        move_on(&g->errands[i].due_ms, lag_ms);
    move_on(&g->errand_ms, lag_ms);
    move_on(&g->tick_ms, lag_ms);
    gossip__heap_rebuild(g);
    if (g->awareness < g->cfg.awareness_max) g->awareness++;
    g->counters.pauses++;
    gossip__note(g, GOSSIP_NOTE_PAUSED, &g->members[0].key, NULL);
}

static void notice_pause(struct gossip *g)
{
    uint64_t due = gossip_deadline_ms(g);
    if (due == GOSSIP__NEVER || g->now_ms <= due) return;
    uint64_t lag_ms = g->now_ms - due;
    /* One time-out more: what came meanwhile is still to be read. */
    if (lag_ms >= g->cfg.probe_timeout_ms) clocks_move_on(g, lag_ms + g->cfg.probe_timeout_ms);
}

static void push_due(struct gossip *g, struct gossip__member *m)
{
    m->push_ms = 0;
    gossip__news_member(g, BASE_STATEMENT_RECORD, m, GOSSIP__NONE);
}

static void members_due(struct gossip *g)
{
    while (g->heap_count > 0 && !gossip__is_step_full(g)) {
        struct gossip__member *m = &g->members[g->heap[0]];
        if (m->due_ms > g->now_ms) return;
        if (m->probe.phase != GOSSIP__IDLE && m->probe.due_ms <= g->now_ms) gossip__probe_due(g, m);
        if (m->dial_ms != 0 && m->dial_ms <= g->now_ms) gossip__dial_due(g, m);
        if (m->push_ms != 0 && m->push_ms <= g->now_ms) push_due(g, m);
        if (m->state == GOSSIP_SUSPECT) gossip__suspicion_due(g, m);
        gossip__arm(g, m);
    }
}

static int timer(struct gossip *g)
{
    if (g->leave_ms <= g->now_ms) {
        g->leave_ms = GOSSIP__NEVER;
        gossip__act(g, GOSSIP_ACT_LEFT, &g->members[0].key);
    }
    if (g->errand_ms <= g->now_ms) gossip__errands_due(g);
    if (g->tick_ms <= g->now_ms) gossip__tick(g);
    if (!g->left) members_due(g);
    return g->refute_ms <= g->now_ms ? gossip__self_refute(g, 0) : BASE_OK;
}

/* ---- frames ---- */

/* All statements before any of them counts: a malformed frame changes nothing. */
static int check_items(const struct gossip_frame *frame)
{
    if (frame->type != GOSSIP_FRAME_UPDATE && frame->type != GOSSIP_FRAME_EVENT) return BASE_OK;
    for (uint32_t i = 0; i < frame->u.news.item_count; i++) {
        const struct gossip_item *item = &frame->u.news.items[i];
        int rv = gossip_statement_check(item->kind, item->body.data, item->body.len);
        if (rv != BASE_OK && rv != BASE_EUNSUPPORTED) return BASE_EMALFORMED;
    }
    return BASE_OK;
}

static void item_in(struct gossip *g, struct gossip__member *from, const struct gossip_item *item)
{
    switch (item->kind) {
    case BASE_STATEMENT_RECORD:
        gossip__record_in(g, from, item);
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
    g->news_reach = g->in.u.news.reach;
    g->news_repair = g->in.u.news.repair;
    for (uint32_t i = 0; i < g->in.u.news.item_count; i++)
        item_in(g, from, &g->in.u.news.items[i]);
}

static int frame_in(struct gossip *g, struct gossip__member *from)
{
    switch ((enum gossip_frame_type)g->in.type) {
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
    }
    return BASE_OK;
}

static int frame(struct gossip *g, const struct gossip_event *ev)
{
    struct gossip__member *from = gossip__find(g, &ev->key);
    if (from == NULL || !from->linked) return BASE_ENOPEER;
    g->counters.frames_in++;
    int rv =
        gossip_frame_decode(&g->in, ev->u.frame.type, ev->u.frame.body.data, ev->u.frame.body.len);
    if (rv == BASE_EUNSUPPORTED) {
        g->counters.frames_unknown++;
        return BASE_OK;
    }
    if (rv == BASE_OK) rv = check_items(&g->in);
    if (rv == BASE_OK) rv = frame_in(g, from);
    if (rv != BASE_OK) {
        g->counters.frames_malformed++;
        return BASE_EMALFORMED;
    }
    g->counters.keys_unknown += g->in.unknown_keys;
    /* Bytes from somebody whom we hold for hung: ask, rather than wait for its turn. */
    if ((from->state == GOSSIP_SUSPECT || from->state == GOSSIP_FAILED) &&
        from->probe.phase == GOSSIP__IDLE)
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
    gossip__act(g, GOSSIP_ACT_SELF, &m->key)->u.self.incarnation = m->incarnation;
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
        .key = m->key,
        .state = m->state,
        .incarnation = m->incarnation,
        .sequence = m->sequence,
        .weight = m->weight,
        .since_ms = m->since_ms,
        .rtt_ms = m->rtt_ms,
        .is_self = is_self,
        .is_linked = m->linked,
        .record = {m->body, m->body_len},
        .sig = m->sig,
        .proof = {m->proof, m->proof_len},
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
