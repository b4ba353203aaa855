/* What others lack, and what we do: GET, STATUS, and saying everything again at a standstill. */
#include "consensus/engine_internal.h"

#define ASK_AGAIN_MS 500
#define SAID_SLOTS   16 /* own votes that are said again */
#define BEHIND_SLOTS                                                                               \
    2 /* as far as a STATUS on its way may be; who is further behind has lost something */

void engine_sync_want(struct consensus_engine *e, uint64_t slot, const struct base_hash32 *hash)
{
    struct engine_slot *s = engine_slot_get(e, slot);
    if (s == NULL || (s->asked_ms != 0 && e->now_ms < s->asked_ms + ASK_AGAIN_MS)) return;
    s->asked_ms = e->now_ms > 0 ? e->now_ms : 1;
    struct consensus_message *m = engine_send(e, e->voters.count, CONSENSUS_MSG_GET);
    m->u.get.slot = slot;
    m->u.get.hash = *hash;
}

void engine_sync_lacks(struct consensus_engine *e, uint64_t slot, const struct base_hash32 *hash)
{
    struct engine_slot *s = engine_slot_get(e, slot);
    if (s == NULL) return;
    s->is_named = true;
    s->named = *hash;
    engine_sync_want(e, slot, hash);
}

void engine_sync_get(struct consensus_engine *e, size_t from, uint64_t slot,
                     const struct base_hash32 *hash)
{
    const struct engine_cand *cand = engine_cand_find(e, slot, hash);
    for (size_t i = 0; i < e->final_count && cand == NULL; i++)
        if (e->finals[i]->c.slot == slot && base_hash32_equal(&e->finals[i]->hash, hash))
            cand = e->finals[i];
    for (size_t i = 0; i < e->old_count && cand == NULL; i++)
        if (e->olds[i]->c.slot == slot && base_hash32_equal(&e->olds[i]->hash, hash))
            cand = e->olds[i];
    if (cand != NULL && from != e->voters.count) engine_send_cand(e, from, cand);
}

void engine_sync_restart(struct consensus_engine *e)
{
    e->still_gap_ms = e->params.standstill_ms;
    e->still_ms = e->now_ms + e->still_gap_ms;
}

static uint64_t next_of(uint64_t slot)
{
    return slot == CONSENSUS_NO_SLOT ? 0 : slot + 1;
}

/* What lies below the highest certificate is cleared by it. */
static uint64_t top_window(const struct consensus_engine *e)
{
    return e->top_slot == CONSENSUS_NO_SLOT ? 0 : engine_window_of(e, e->top_slot);
}

/* What proves how far we are. */
static void say_certificates(struct consensus_engine *e, size_t to)
{
    uint64_t from = top_window(e);
    const struct engine_slot *top = NULL;
    if (e->final_cert.count > 0) engine_send_cert(e, to, &e->final_cert);
    for (size_t i = 0; i < e->slot_count; i++) {
        if (e->slots[i]->is_notarised) top = e->slots[i];
        if (e->slots[i]->final_cert.count > 0) engine_send_cert(e, to, &e->slots[i]->final_cert);
    }
    for (size_t i = 0; i < e->window_count; i++)
        if (e->windows[i]->is_certified && e->windows[i]->number >= from)
            engine_send_cert(e, to, &e->windows[i]->cert);
    if (top != NULL) engine_send_cert(e, to, &top->notar_cert);
}

static void say_vote(struct consensus_engine *e, size_t to, const struct base_vote *vote,
                     const struct base_sig65 *sig)
{
    engine_send_vote(e, to, (uint16_t)e->self, vote, sig);
}

/* Only what has been stored has a signature in the tallies. */
static void say_own_slot(struct consensus_engine *e, size_t to, const struct engine_slot *s)
{
    uint16_t self = (uint16_t)e->self;
    const struct consensus_ballot *ballot =
        s->has_notar ? consensus_tally_of(&s->notars, self, &s->notar_hash) : NULL;
    struct base_vote vote = {e->epoch_id, BASE_VOTE_NOTAR, s->slot, s->slot, s->notar_hash};
    if (ballot != NULL) say_vote(e, to, &vote, &ballot->sig);
    ballot = s->has_final ? consensus_tally_of(&s->finals, self, &s->final_hash) : NULL;
    vote.kind = BASE_VOTE_FINAL;
    vote.hash = s->final_hash;
    if (ballot != NULL) say_vote(e, to, &vote, &ballot->sig);
    if (s->has_proposed && s->cands[0] != NULL &&
        !base_is_zero(s->cands[0]->c.sig.bytes, sizeof s->cands[0]->c.sig.bytes))
        engine_send_cand(e, to, s->cands[0]);
}

static void say_own_skip(struct consensus_engine *e, size_t to, const struct engine_window *w)
{
    const struct consensus_skip *skip = &w->skips.list[e->self];
    if (!w->has_skip || !skip->is_held) return;
    struct base_vote vote = {.epoch_id = e->epoch_id,
                             .kind = BASE_VOTE_SKIP,
                             .first = skip->from,
                             .last = w->skips.last};
    say_vote(e, to, &vote, &skip->sig);
}

static void say_own(struct consensus_engine *e, size_t to)
{
    size_t first = e->slot_count > SAID_SLOTS ? e->slot_count - SAID_SLOTS : 0;
    if (e->self >= e->voters.count) return;
    for (size_t i = first; i < e->slot_count; i++)
        say_own_slot(e, to, e->slots[i]);
    for (size_t i = 0; i < e->window_count; i++)
        if (e->windows[i]->number >= top_window(e)) say_own_skip(e, to, e->windows[i]);
}

/* It stands where we do, and perhaps it has not heard us: we have not heard it either. */
static void say_frontier(struct consensus_engine *e, size_t to)
{
    const struct engine_slot *s = engine_slot_find(e, engine_frontier(e));
    const struct engine_window *w = engine_window_find(e, e->active);
    if (e->self >= e->voters.count) return;
    if (w != NULL && !w->skips.list[to].is_held) say_own_skip(e, to, w);
    if (s != NULL && !consensus_tally_has(&s->notars, (uint16_t)to)) say_own_slot(e, to, s);
}

void engine_sync_status(struct consensus_engine *e, size_t from,
                        const struct consensus_status *status)
{
    uint64_t frontier = engine_frontier(e);
    bool is_still = e->still_gap_ms > e->params.standstill_ms; /* nothing is on its way */
    uint64_t slack = is_still ? 0 : BEHIND_SLOTS;
    if (from == e->voters.count) return;
    if (next_of(e->final_slot) > next_of(status->final_slot) + slack ||
        frontier > status->frontier + slack)
        say_certificates(e, from);
    if (is_still && status->frontier == frontier && from < e->voters.count) say_frontier(e, from);
}

static void say_status(struct consensus_engine *e)
{
    struct consensus_message *m = engine_send(e, e->voters.count, CONSENSUS_MSG_STATUS);
    uint64_t head = e->self < e->voters.count ? e->heads[e->self] : 0;
    m->u.status = (struct consensus_status){engine_frontier(e), e->final_slot, e->epoch, head};
}

/* Below what is notarised something may be missing: the sooner it is asked for, the more have it.
 */
static void ask_for_chain(struct consensus_engine *e)
{
    size_t i = e->slot_count;
    while (i > 0 && !e->slots[i - 1]->is_notarised)
        i--;
    if (i == 0) return;
    const struct engine_slot *top = e->slots[i - 1];
    struct engine_chain chain = engine_chain(e, top->slot, &top->notar_cert.hash);
    if (chain.is_missing) engine_sync_lacks(e, chain.slot, &chain.hash);
}

/* Nothing has become final for a while: something may have been lost, so it is said again. */
void engine_sync_timer(struct consensus_engine *e)
{
    if (e->now_ms >= e->status_ms) {
        say_status(e);
        ask_for_chain(e);
        e->status_ms = e->now_ms + e->params.slot_ms;
    }
    if (e->now_ms < e->still_ms) return;
    say_certificates(e, e->voters.count);
    say_own(e, e->voters.count);
    e->still_gap_ms *= 2;
    if (e->still_gap_ms > e->params.standstill_max_ms)
        e->still_gap_ms = e->params.standstill_max_ms;
    e->still_ms = e->now_ms + e->still_gap_ms;
}
