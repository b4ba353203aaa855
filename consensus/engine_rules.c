/* What follows from what is held: certificates, finality, voting, skipping, leading. Run to its end
 * after every event; nothing here depends on which event it was. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/engine_internal.h"

#define RETRY_MS      100
#define WANT_AGAIN_MS 1000
#define LACK_MS       2000 /* asked for all the time: nobody has it any more */
#define GROWTH_MAX    32   /* times 1.5: beyond any skip_max_ms */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- timers ---- */

/* The longer nothing has become final, the longer we wait: half as much again for each window. */
static uint64_t grown(const struct consensus_engine *e, uint64_t ms)
{
    uint64_t since =
        e->final_slot == CONSENSUS_NO_SLOT ? 0 : engine_window_of(e, e->final_slot) + 1;
    for (uint64_t i = since; i < e->active && i < since + GROWTH_MAX; i++) {
        ms += ms / 2;
        if (ms >= e->params.skip_max_ms) return e->params.skip_max_ms;
    }
    return ms;
}

static void restart_skip(struct consensus_engine *e)
{
    e->skip_ms = e->now_ms + grown(e, e->params.skip_ms);
}

static void restart_fin(struct consensus_engine *e)
{
    e->fin_ms = e->now_ms + 2 * grown(e, e->params.skip_ms);
}

static void activate(struct consensus_engine *e, uint64_t window)
{
    e->active = window;
    e->active_ms = e->now_ms;
    restart_skip(e);
    restart_fin(e);
    /* Before the first vote of a window there may be a lease to wait for. */
    e->skip_ms += e->params.lease_ms;
    e->fin_ms += e->params.lease_ms;
    e->end_ms = e->now_ms + 3 * (uint64_t)e->params.window_slots * e->params.slot_ms / 2;
    e->propose_ms = e->now_ms;
    e->is_resigning = false;
    struct consensus_action *act = engine_act(e, CONSENSUS_ACT_LEADER);
    act->u.leader.window = window;
    act->u.leader.leader = engine_leader(e, window);
}

/* A window's slots are to last: entries that come one by one go at once, until they are many. */
static uint64_t propose_due_ms(const struct consensus_engine *e)
{
    uint64_t ahead_ms = (uint64_t)e->params.pace_ms * e->params.pace_burst;
    if (!e->has_entries) return e->propose_ms;
    return earlier(e->propose_ms, e->paced_ms > ahead_ms ? e->paced_ms - ahead_ms : 0);
}

uint64_t engine_rules_due_ms(const struct consensus_engine *e)
{
    uint64_t due = e->wait_ms;
    const struct engine_window *w = engine_window_find(e, e->active);
    if (e->active == CONSENSUS_NO_SLOT) return e->now_ms;
    if (e->is_mute || e->abstains || e->is_listening || e->self >= e->voters.count)
        return UINT64_MAX;
    if (w == NULL || !w->has_skip)
        due = earlier(
            due, earlier(earlier(e->skip_ms, e->short_skip_ms), earlier(e->fin_ms, e->end_ms)));
    const struct engine_slot *s = engine_slot_find(e, engine_frontier(e));
    if (e->active < e->leader_count && e->leaders[e->active] == e->self &&
        (s == NULL || !s->has_proposed))
        due = earlier(due, propose_due_ms(e));
    return due > e->now_ms ? due : e->now_ms + RETRY_MS; /* what did not go now may go then */
}

/* ---- certificates out of votes (C1) ---- */

static void certify_slot(struct consensus_engine *e, struct engine_slot *s)
{
    struct consensus_cert cert;
    const struct base_hash32 *hash = consensus_tally_certified(&s->notars, &e->voters);
    if (!s->is_notarised && hash != NULL &&
        consensus_cert_from_tally(&cert, BASE_VOTE_NOTAR, s->slot, hash, &s->notars, &e->voters) ==
            BASE_OK) {
        engine_cert_in(e, &cert);
        consensus_cert_free(&cert);
    }
    hash = consensus_tally_certified(&s->finals, &e->voters);
    if (s->final_cert.count == 0 && hash != NULL &&
        consensus_cert_from_tally(&cert, BASE_VOTE_FINAL, s->slot, hash, &s->finals, &e->voters) ==
            BASE_OK) {
        engine_cert_in(e, &cert);
        consensus_cert_free(&cert);
    }
}

static void certify(struct consensus_engine *e)
{
    struct consensus_cert cert;
    for (size_t i = 0; i < e->slot_count; i++)
        certify_slot(e, e->slots[i]);
    for (size_t i = 0; i < e->window_count; i++) {
        const struct engine_window *w = e->windows[i];
        uint64_t first = consensus_skips_certified(&w->skips, &e->voters);
        if (first == UINT64_MAX || (w->is_certified && w->cert.first <= first)) continue;
        if (consensus_cert_from_skips(&cert, &w->skips, &e->voters) != BASE_OK) continue;
        engine_cert_in(e, &cert);
        consensus_cert_free(&cert);
    }
}

/* ---- finality ---- */

static void keep_final(struct consensus_engine *e, struct engine_slot *s, struct engine_cand *cand)
{
    for (int i = 0; i < 2; i++)
        if (s->cands[i] == cand) s->cands[i] = NULL; /* moves */
    if (e->finals == NULL) e->finals = calloc(CONSENSUS_KEPT_FINAL, sizeof(struct engine_cand *));
    if (e->finals == NULL) {
        e->is_broken = true;
        engine_trash(e, cand);
        return;
    }
    if (e->final_count == CONSENSUS_KEPT_FINAL) {
        engine_trash(e, e->finals[0]);
        memmove(e->finals, e->finals + 1, (CONSENSUS_KEPT_FINAL - 1) * sizeof *e->finals);
        e->final_count--;
    }
    e->finals[e->final_count++] = cand;
}

/* A certified chain leads far beyond what is final here, or nobody has all of it any more; and it
 * names the log's state on its way. */
static void want_state(struct consensus_engine *e, const struct consensus_marks *marks)
{
    uint64_t from = e->final_slot == CONSENSUS_NO_SLOT ? 0 : e->final_slot + 1;
    bool is_lost = e->lack_ms != 0 && e->now_ms >= e->lack_ms + LACK_MS;
    if (!is_lost) from += CONSENSUS_JUMP_SLOTS;
    if (!marks->has_state || (!e->needs_state && marks->state_slot < from)) return;
    if (e->want_ms != 0 && e->now_ms < e->want_ms + WANT_AGAIN_MS) return;
    e->want_ms = e->now_ms > 0 ? e->now_ms : 1;
    struct consensus_action *act = engine_act(e, CONSENSUS_ACT_WANT_STATE);
    act->u.want_state.slot = marks->state_slot;
    act->u.want_state.hash = marks->state_hash;
    act->u.want_state.state = marks->state;
}

/* The oldest of the chain from the last final candidate, or the genesis, to this one, each with its
 * child. NULL: something of it is missing, and asked for; or it is no chain from there. */
static struct engine_cand *chain_from(struct consensus_engine *e, uint64_t slot,
                                      struct base_hash32 hash, uint64_t *missing)
{
    struct engine_cand *child = NULL;
    while (slot != e->final_slot) {
        /* Down to the genesis, or past what is final: a fork. */
        bool is_below = e->final_slot != CONSENSUS_NO_SLOT && slot < e->final_slot;
        if (slot == CONSENSUS_NO_SLOT || is_below) return NULL;
        struct engine_cand *cand = engine_cand_find(e, slot, &hash);
        if (cand == NULL) {
            *missing = slot;
            if (e->lack_ms == 0) e->lack_ms = e->now_ms > 0 ? e->now_ms : 1;
            engine_sync_lacks(e, slot, &hash);
            return NULL;
        }
        want_state(e, &cand->marks);
        cand->child = child;
        child = cand;
        slot = cand->c.parent_slot;
        hash = cand->c.parent_hash;
    }
    return base_hash32_equal(&hash, &e->final_hash) ? child : NULL;
}

static void finalise_one(struct consensus_engine *e, struct engine_cand *cand)
{
    struct consensus_action *act = engine_act(e, CONSENSUS_ACT_FINAL);
    act->u.final.slot = cand->c.slot;
    act->u.final.parent_slot = cand->c.parent_slot;
    act->u.final.hash = cand->hash;
    act->u.final.payload = cand->c.payload;
    keep_final(e, engine_slot_find(e, cand->c.slot), cand);
}

static bool finalise(struct consensus_engine *e)
{
    uint64_t missing = CONSENSUS_NO_SLOT;
    for (size_t i = e->slot_count; i-- > 0;) {
        struct engine_slot *s = e->slots[i];
        /* What is certified stands on one chain: above a gap in it nothing can be final yet. */
        if (s->final_cert.count == 0 || s->slot > missing) continue;
        struct engine_cand *cand = chain_from(e, s->slot, s->final_cert.hash, &missing);
        if (cand == NULL || e->needs_state) continue;
        for (; cand != NULL; cand = cand->child)
            finalise_one(e, cand);
        if (!engine_cert_copy(e, &e->final_cert, &s->final_cert)) return false;
        e->final_slot = s->slot;
        e->final_hash = e->final_cert.hash;
        e->lack_ms = 0;
        engine_prune(e);
        restart_fin(e);
        engine_sync_restart(e);
        return true;
    }
    return false;
}

/* Should all restart, those who had not seen it can be shown it. Nothing waits for it. */
static void log_final(struct consensus_engine *e)
{
    if (e->is_mute || e->abstains || e->is_listening || e->self >= e->voters.count) return;
    if (e->final_cert.count == 0 || e->final_cert.first < e->logged) return;
    e->logged = e->final_cert.first + 1;
    struct consensus_action *act = engine_act(e, CONSENSUS_ACT_STORE);
    act->u.store.number = ++e->numbered;
    act->u.store.record = (struct consensus_record){
        .kind = CONSENSUS_RECORD_CERT, .vote = {.epoch_id = e->epoch_id}, .cert = &e->final_cert};
}

/* ---- NOTAR ---- */

static bool is_parent_good(const struct consensus_engine *e, const struct engine_cand *cand)
{
    const struct consensus_candidate *c = &cand->c;
    if (c->parent_slot == e->final_slot)
        return base_hash32_equal(&c->parent_hash, &e->final_hash) &&
               engine_is_gap_skipped(e, c->parent_slot, c->slot);
    if (c->parent_slot == CONSENSUS_NO_SLOT) return false; /* something is final already */
    const struct engine_slot *parent = engine_slot_find(e, c->parent_slot);
    return parent != NULL && parent->is_notarised &&
           base_hash32_equal(&parent->notar_cert.hash, &c->parent_hash) &&
           engine_is_gap_skipped(e, c->parent_slot, c->slot);
}

/* L2: the one who led before may still act on its lease, and we were of those who gave it. */
static bool has_waited(struct consensus_engine *e, size_t leader)
{
    uint64_t until = 0;
    const struct engine_window *w;
    if (leader == e->led_by) return true;
    if (e->is_restored) /* what was seen before the restart was seen before it */
        until = e->started_ms +
                (uint64_t)e->params.lease_ms * (1000 + 2 * e->params.drift_permille) / 1000;
    if (e->led_by < e->voters.count) {
        w = engine_window_find(e, e->led_window);
        bool is_released = w != NULL && w->skips.list[e->led_by].is_held;
        const struct engine_slot *last = engine_slot_find(e, engine_window_last(e, e->led_window));
        bool is_over = last != NULL && (last->cands[0] != NULL || last->is_notarised);
        if (is_over && engine_leader(e, e->led_window + 1) != e->led_by) is_released = true;
        if (is_released) return true;
        if (e->led_seen_ms + e->params.lease_ms > until)
            until = e->led_seen_ms + e->params.lease_ms;
    }
    if (e->now_ms >= until) return true;
    e->wait_ms = earlier(e->wait_ms, until);
    return false;
}

/* Back to the last final one? What is certified stands on it, so that others have it. */
static bool is_chain_held(struct consensus_engine *e, struct engine_chain *chain, uint64_t slot,
                          const struct base_hash32 *hash)
{
    *chain = engine_chain(e, slot, hash);
    if (chain->is_missing) engine_sync_lacks(e, chain->slot, &chain->hash);
    return chain->is_whole || chain->is_settled;
}

static bool judge(struct consensus_engine *e, struct engine_cand *cand)
{
    if (!cand->is_judged) {
        struct engine_chain chain;
        if (!is_chain_held(e, &chain, cand->c.parent_slot, &cand->c.parent_hash)) return false;
        enum consensus_judgement verdict =
            e->host.judge(e->host.ctx, cand->c.slot, &chain.above, &cand->c.payload);
        cand->is_judged = verdict != CONSENSUS_NOT_YET;
        cand->is_valid = verdict == CONSENSUS_VALID;
    }
    return cand->is_judged && cand->is_valid;
}

static bool try_notar(struct consensus_engine *e, struct engine_slot *s)
{
    size_t leader = engine_leader(e, engine_window_of(e, s->slot));
    if (s->has_notar) return false;
    if (e->notar_top != CONSENSUS_NO_SLOT && s->slot <= e->notar_top) return false; /* N1 */
    if (!s->is_notarised && engine_is_skipped(e, s->slot)) return false;            /* N3 */
    for (int i = 0; i < 2; i++) {
        struct engine_cand *cand = s->cands[i];
        if (cand == NULL ||
            (s->is_notarised && !base_hash32_equal(&s->notar_cert.hash, &cand->hash)))
            continue;
        if (!is_parent_good(e, cand) || !judge(e, cand) || !has_waited(e, leader))
            continue; /* N2 */
        struct base_vote vote = {e->epoch_id, BASE_VOTE_NOTAR, s->slot, s->slot, cand->hash};
        if (!engine_vote(e, &vote, &cand->c, NULL)) return false;
        s->has_notar = true;
        s->notar_hash = cand->hash;
        s->notar_ms = e->now_ms > 0 ? e->now_ms : 1;
        e->notar_top = s->slot;
        e->led_by = leader;
        e->led_window = engine_window_of(e, s->slot);
        e->led_seen_ms = s->seen_ms;
        if (e->led_window == e->active) restart_skip(e);
        return true;
    }
    return false;
}

/* ---- FINAL ---- */

static bool try_final(struct consensus_engine *e, struct engine_slot *s)
{
    if (s->has_final || !s->has_notar || !s->is_notarised) return false;
    if (!base_hash32_equal(&s->notar_hash, &s->notar_cert.hash)) return false;
    const struct engine_window *w = engine_window_find(e, engine_window_of(e, s->slot));
    if (w != NULL && w->has_skip && w->skip_from <= s->slot) return false; /* F1 */
    struct base_vote vote = {e->epoch_id, BASE_VOTE_FINAL, s->slot, s->slot, s->notar_hash};
    if (!engine_vote(e, &vote, NULL, &s->notar_cert)) return false;
    s->has_final = true;
    s->final_hash = s->notar_hash;
    return true;
}

/* ---- SKIP ---- */

static bool is_leader_guilty(const struct consensus_engine *e, uint64_t window)
{
    for (size_t i = 0; i < e->slot_count; i++) {
        const struct engine_slot *s = e->slots[i];
        if (engine_window_of(e, s->slot) != window) continue;
        if (s->cands[0] != NULL && s->cands[1] != NULL) return true;
        if (s->cands[0] != NULL && s->cands[0]->is_judged && !s->cands[0]->is_valid) return true;
    }
    return false;
}

/* When we need not wait for T_skip: membership says that the leader is gone. */
static uint64_t short_ms(struct consensus_engine *e)
{
    size_t leader = engine_leader(e, e->active);
    if (leader >= e->voters.count || e->dead_ms[leader] == 0) return UINT64_MAX;
    uint64_t since = e->dead_ms[leader] > e->active_ms ? e->dead_ms[leader] : e->active_ms;
    return since + e->params.short_ms;
}

/* So many skip that no FINAL of this slot can have a quorum any more. */
static bool is_beyond_final(const struct consensus_engine *e, const struct engine_window *w,
                            uint64_t slot)
{
    return w != NULL &&
           consensus_skips_weight(&w->skips, &e->voters, slot) > e->voters.total - e->voters.quorum;
}

/* The slot that we have just voted for may still become final, whatever becomes of the rest of the
 * window: its certificate is on its way. 0: it is not so. */
static uint64_t patience_ms(const struct consensus_engine *e, const struct engine_window *w)
{
    uint64_t slot = engine_frontier(e);
    const struct engine_slot *s = engine_slot_find(e, slot);
    if (s == NULL || s->notar_ms == 0 || is_beyond_final(e, w, slot)) return 0;
    return s->notar_ms + e->params.short_ms;
}

static bool is_skip_due(struct consensus_engine *e, const struct engine_window *w)
{
    size_t leader = engine_leader(e, e->active);
    if (leader == e->self && (e->is_resigning || engine_is_out(e))) return true;
    e->short_skip_ms = short_ms(e);
    if (e->now_ms >= e->short_skip_ms) return true;
    if (e->now_ms >= e->skip_ms || e->now_ms >= e->fin_ms || e->now_ms >= e->end_ms) return true;
    if (w != NULL && leader < e->voters.count && w->skips.list[leader].is_held) return true;
    if (e->overdue == e->active) return true;
    /* The window cannot go on: whoever has not skipped stands in the way. */
    if (!is_beyond_final(e, w, engine_window_last(e, e->active)) && !is_leader_guilty(e, e->active))
        return false;
    uint64_t until = patience_ms(e, w);
    if (e->now_ms >= until) return true;
    e->short_skip_ms = earlier(e->short_skip_ms, until);
    return false;
}

/* What others vote for from here on does not wait for us: slots below give no lease any more. */
static void give_up_below(struct consensus_engine *e, uint64_t slot)
{
    e->lease_until_ms = 0;
    e->lease_first = slot;
}

/* S1 */
static bool try_skip(struct consensus_engine *e)
{
    struct engine_window *w = engine_window_find(e, e->active);
    uint64_t from = engine_frontier(e), last = engine_window_last(e, e->active);
    if ((w != NULL && w->has_skip) || !is_skip_due(e, w)) return false;
    for (size_t i = 0; i < e->slot_count; i++)
        if (e->slots[i]->has_final && e->slots[i]->slot >= from && e->slots[i]->slot <= last)
            return false;
    w = engine_window_get(e, e->active);
    if (w == NULL) return false;
    /* Before it is said. A certificate for an earlier window of ours may still come. */
    if (engine_leader(e, e->active) == e->self) give_up_below(e, last + 1);
    struct base_vote vote = {
        .epoch_id = e->epoch_id, .kind = BASE_VOTE_SKIP, .first = from, .last = last};
    if (!engine_vote(e, &vote, NULL, NULL)) return false;
    w->has_skip = true;
    w->skip_from = from;
    return true;
}

/* ---- leading ---- */

/* A certificate for a candidate of ours that was first sent in this run. */
void engine_lead(struct consensus_engine *e, struct engine_slot *s)
{
    const struct engine_window *w = engine_window_find(e, engine_window_of(e, s->slot));
    if (s->cand_sent_ms == 0 || e->is_mute || e->abstains || (w != NULL && w->has_skip)) return;
    if (engine_is_out(e)) return;
    if (s->slot < e->lease_first) return;
    /* L3: once the epoch may have ended, somebody may lead the next one. */
    struct engine_chain chain = engine_chain(e, s->slot, &s->notar_cert.hash);
    if (!chain.is_whole || chain.above.is_closed) return;
    if (engine_leader(e, engine_window_of(e, s->slot)) != e->self) return;
    uint64_t until = s->cand_sent_ms +
                     (uint64_t)e->params.lease_ms * (1000 - 2 * e->params.drift_permille) / 1000;
    if (until > e->lease_until_ms) e->lease_until_ms = until;
}

static bool is_closed_by_another(struct consensus_engine *e, uint64_t slot,
                                 const struct base_hash32 *hash)
{
    const struct engine_cand *cand;
    while (slot != CONSENSUS_NO_SLOT && (cand = engine_cand_find(e, slot, hash)) != NULL) {
        if (cand->marks.is_closing) return engine_leader(e, engine_window_of(e, slot)) != e->self;
        slot = cand->c.parent_slot;
        hash = &cand->c.parent_hash;
    }
    return false;
}

static bool try_propose(struct consensus_engine *e)
{
    uint64_t slot = engine_frontier(e);
    struct engine_window *w = engine_window_find(e, e->active);
    struct consensus_candidate c = {.slot = slot};
    struct base_hash32 hash;
    if (engine_leader(e, e->active) != e->self || (w != NULL && w->has_skip)) return false;
    struct engine_slot *s = engine_slot_get(e, slot);
    if (s == NULL || s->has_proposed) return false;
    if (e->now_ms < propose_due_ms(e)) return false;
    c.parent_slot = e->final_slot;
    c.parent_hash = e->final_hash;
    for (size_t i = 0; i < e->slot_count; i++) { /* the highest that is notarised, and whole */
        if (e->slots[i]->slot >= slot || !e->slots[i]->is_notarised) continue;
        c.parent_slot = e->slots[i]->slot;
        c.parent_hash = e->slots[i]->notar_cert.hash;
    }
    struct engine_chain chain;
    if (!is_chain_held(e, &chain, c.parent_slot, &c.parent_hash)) return false;
    if (!engine_is_gap_skipped(e, c.parent_slot, slot)) return false;
    c.payload.data = e->payload;
    c.payload.len =
        e->host.fill(e->host.ctx, slot, &chain.above, e->payload, CONSENSUS_PAYLOAD_MAX);
    consensus_candidate_hash(&hash, &e->epoch_id, &c);
    struct engine_cand *cand = engine_cand_add(e, s, &c, &hash);
    if (cand == NULL) return false;
    struct base_vote vote = {e->epoch_id, BASE_VOTE_CAND, slot, slot, hash};
    /* L3: who closed the epoch begins the next one as soon as it may. */
    if (is_closed_by_another(e, c.parent_slot, &c.parent_hash)) give_up_below(e, slot);
    /* Its last candidate lets others vote for the next leader (L2). */
    if (slot == engine_window_last(e, e->active) && engine_leader(e, e->active + 1) != e->self)
        give_up_below(e, slot + 1);
    if (!engine_vote(e, &vote, &cand->c, NULL)) return false;
    s->has_proposed = true;
    e->propose_ms = e->now_ms + e->params.slot_ms;
    e->paced_ms = (e->paced_ms > e->now_ms ? e->paced_ms : e->now_ms) + e->params.pace_ms;
    return true;
}

/* ---- everything ---- */

static bool vote(struct consensus_engine *e)
{
    bool moved = false;
    if (e->is_mute || e->abstains || e->is_listening || e->self >= e->voters.count) return false;
    for (size_t i = 0; i < e->slot_count; i++) {
        if (try_notar(e, e->slots[i])) moved = true;
        if (try_final(e, e->slots[i])) moved = true;
    }
    if (try_skip(e)) moved = true;
    if (try_propose(e)) moved = true;
    return moved;
}

void engine_progress(struct consensus_engine *e)
{
    bool moved = true;
    while (moved) {
        moved = false;
        e->wait_ms = UINT64_MAX;
        certify(e);
        while (finalise(e))
            moved = true;
        uint64_t window = engine_window_of(e, engine_frontier(e));
        if (window != e->active) {
            activate(e, window);
            moved = true;
        }
        if (vote(e)) moved = true;
        if (e->is_broken) return;
    }
    log_final(e);
}
