/* Events in, actions out. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/engine_internal.h"

#define SPREAD_TO 8 /* whom a certificate is sent to at first sight */

void consensus_params_default(struct consensus_params *params)
{
    *params = (struct consensus_params){.window_slots = CONSENSUS_WINDOW_SLOTS,
                                        .slot_ms = 1000,
                                        .pace_ms = 100,
                                        .pace_burst = 50,
                                        .skip_ms = 3000,
                                        .skip_max_ms = 60000,
                                        .short_ms = 300,
                                        .lease_ms = 3000,
                                        .drift_permille = 10,
                                        .standstill_ms = 2000,
                                        .standstill_max_ms = 30000};
}

void consensus_candidate_hash(struct base_hash32 *hash, const struct base_hash32 *epoch_id,
                              const struct consensus_candidate *c)
{
    struct base_keccak256 k;
    struct base_hash32 payload;
    uint8_t numbers[16];
    base_keccak256(&payload, c->payload.data, c->payload.len);
    base_put_u64be(numbers, c->slot);
    base_put_u64be(numbers + 8, c->parent_slot);
    base_keccak256_init(&k);
    base_keccak256_update(&k, epoch_id->bytes, sizeof epoch_id->bytes);
    base_keccak256_update(&k, numbers, sizeof numbers);
    base_keccak256_update(&k, c->parent_hash.bytes, sizeof c->parent_hash.bytes);
    base_keccak256_update(&k, payload.bytes, sizeof payload.bytes);
    base_keccak256_final(&k, hash);
}

/* ---- beginning and end ---- */

static bool is_config_valid(const struct consensus_config *c)
{
    const struct consensus_params *p = &c->params;
    return c->voter_count > 0 && c->voter_count <= CONSENSUS_MEMBERS_MAX && p->window_slots > 0 &&
           p->slot_ms > 0 && p->skip_ms > 0 && p->lease_ms > 0 && p->drift_permille < 500 &&
           p->standstill_ms > 0 && c->self <= c->voter_count;
}

static int engine_init(struct consensus_engine *e, const struct consensus_config *c)
{
    size_t n = c->voter_count;
    e->voter_list = calloc(n, sizeof *e->voter_list);
    e->leads = calloc(n, sizeof *e->leads);
    e->dead_ms = calloc(n, sizeof *e->dead_ms);
    e->heads = calloc(n, sizeof *e->heads);
    e->heard_ms = calloc(n, sizeof *e->heard_ms);
    e->lasts = calloc(n * CONSENSUS_VOTE_KINDS, sizeof *e->lasts);
    e->has_shown = calloc(n, sizeof *e->has_shown);
    e->payload = malloc(CONSENSUS_PAYLOAD_MAX);
    if (e->voter_list == NULL || e->leads == NULL || e->dead_ms == NULL || e->heads == NULL ||
        e->heard_ms == NULL || e->lasts == NULL || e->has_shown == NULL || e->payload == NULL)
        return BASE_ENOMEM;
    memcpy(e->voter_list, c->voters, n * sizeof *e->voter_list);
    memcpy(e->leads, c->leads, n * sizeof *e->leads);
    int rv = consensus_voters_init(&e->voters, e->voter_list, n);
    if (rv == BASE_OK) rv = consensus_schedule_init(&e->schedule, e->leads, n);
    if (rv == BASE_OK && c->first_leader < n && c->leads[c->first_leader].weight == 0)
        rv = BASE_EINVAL;
    for (size_t i = 0; i < n && rv == BASE_OK; i++)
        if (!base_key33_equal(&c->voters[i].key, &c->leads[i].key)) rv = BASE_EINVAL;
    return rv;
}

int consensus_engine_new(struct consensus_engine **out, const struct consensus_config *c,
                         uint64_t now_ms)
{
    if (!is_config_valid(c)) return BASE_EINVAL;
    struct consensus_engine *e = calloc(1, sizeof *e);
    if (e == NULL) return BASE_ENOMEM;
    e->params = c->params;
    e->epoch = c->epoch;
    e->epoch_id = c->epoch_id;
    e->genesis = c->genesis;
    e->self = c->self;
    e->first_leader = c->first_leader;
    e->host = c->host;
    e->now_ms = e->started_ms = now_ms;
    e->active = e->notar_top = e->overdue = CONSENSUS_NO_SLOT;
    e->final_slot = e->top_slot = e->began_slot = c->final_slot;
    e->final_hash = c->final_slot == CONSENSUS_NO_SLOT ? c->genesis : c->final_hash;
    e->lease_from_ms = c->lease_from_ms;
    e->is_restored = c->is_restart;
    e->needs_state = c->needs_state;
    e->is_listening = c->is_listening && c->self < c->voter_count;
    e->led_by = c->voter_count;
    e->skip_ms = e->fin_ms = e->end_ms = e->wait_ms = e->short_skip_ms = UINT64_MAX;
    e->status_ms = now_ms;
    e->still_gap_ms = c->params.standstill_ms;
    e->still_ms = now_ms + e->still_gap_ms;
    int rv = engine_init(e, c);
    if (rv != BASE_OK) {
        consensus_engine_free(e);
        return rv;
    }
    engine_listen(e); /* whoever is a quorum alone asks nobody */
    *out = e;
    return BASE_OK;
}

void consensus_engine_free(struct consensus_engine *e)
{
    if (e == NULL) return;
    engine_tables_free(e);
    free(e->voter_list);
    free(e->leads);
    free(e->dead_ms);
    free(e->heads);
    free(e->heard_ms);
    free(e->lasts);
    free(e->has_shown);
    free(e->payload);
    free(e->outs);
    free(e->actions);
    free(e);
}

/* ---- actions ---- */

/* Never NULL: without memory the last one is written over, and the step says so. */
struct consensus_action *engine_act(struct consensus_engine *e, enum consensus_action_type type)
{
    static struct consensus_action nowhere;
    if (e->action_count == e->action_cap) {
        size_t cap = e->action_cap == 0 ? 64 : 2 * e->action_cap;
        struct consensus_action *grown = realloc(e->actions, cap * sizeof *grown);
        if (grown == NULL) {
            e->is_broken = true;
            return &nowhere;
        }
        e->actions = grown;
        e->action_cap = cap;
    }
    struct consensus_action *act = &e->actions[e->action_count++];
    memset(act, 0, sizeof *act);
    act->type = type;
    return act;
}

struct consensus_message *engine_send(struct consensus_engine *e, size_t to,
                                      enum consensus_message_type type)
{
    struct consensus_action *act = engine_act(e, CONSENSUS_ACT_SEND);
    act->u.send.to = to;
    act->u.send.message.type = type;
    act->u.send.message.epoch_id = e->epoch_id;
    return &act->u.send.message;
}

void engine_send_vote(struct consensus_engine *e, size_t to, uint16_t voter,
                      const struct base_vote *vote, const struct base_sig65 *sig)
{
    engine_send(e, to, CONSENSUS_MSG_VOTE)->u.vote =
        (struct consensus_vote_message){voter, *vote, *sig};
}

void engine_send_cert(struct consensus_engine *e, size_t to, const struct consensus_cert *cert)
{
    engine_send(e, to, CONSENSUS_MSG_CERT)->u.cert = *cert;
}

void engine_send_cand(struct consensus_engine *e, size_t to, const struct engine_cand *cand)
{
    engine_send(e, to, CONSENSUS_MSG_CAND)->u.cand = cand->c;
}

void engine_fault(struct consensus_engine *e, size_t voter, const struct base_vote *a,
                  const struct base_sig65 *sig_a, const struct base_vote *b,
                  const struct base_sig65 *sig_b)
{
    enum consensus_fault fault = consensus_vote_fault(a, b, NULL);
    if (fault == CONSENSUS_NO_FAULT) return;
    struct consensus_action *act = engine_act(e, CONSENSUS_ACT_FAULT);
    act->u.fault.fault = fault;
    act->u.fault.voter = voter;
    act->u.fault.a = *a;
    act->u.fault.b = *b;
    act->u.fault.sig_a = *sig_a;
    act->u.fault.sig_b = *sig_b;
}

/* ---- our own votes: stored first ---- */

static bool outs_grow(struct consensus_engine *e)
{
    if (e->out_count < e->out_cap) return true;
    size_t cap = e->out_cap == 0 ? 16 : 2 * e->out_cap;
    struct engine_out *grown = realloc(e->outs, cap * sizeof *grown);
    if (grown == NULL) {
        e->is_broken = true;
        return false;
    }
    e->outs = grown;
    e->out_cap = cap;
    return true;
}

static enum consensus_record_kind record_kind(enum base_vote_kind kind)
{
    switch (kind) {
    case BASE_VOTE_CAND:
        return CONSENSUS_RECORD_CAND;
    case BASE_VOTE_NOTAR:
        return CONSENSUS_RECORD_NOTAR;
    case BASE_VOTE_FINAL:
        return CONSENSUS_RECORD_FINAL;
    case BASE_VOTE_SKIP:
        break;
    }
    return CONSENSUS_RECORD_SKIP;
}

bool engine_vote(struct consensus_engine *e, const struct base_vote *vote,
                 const struct consensus_candidate *cand, const struct consensus_cert *cert)
{
    struct engine_out out = {.vote = *vote};
    if (e->is_mute || !outs_grow(e)) return false;
    if (e->host.sign(e->host.ctx, vote, &out.sig) != BASE_OK) return false;
    out.number = ++e->numbered;
    e->outs[e->out_count++] = out;
    struct consensus_action *act = engine_act(e, CONSENSUS_ACT_STORE);
    act->u.store.number = out.number;
    act->u.store.record = (struct consensus_record){
        .kind = record_kind(vote->kind), .vote = *vote, .sig = out.sig, .cand = cand, .cert = cert};
    return true;
}

/* It is on disk: now it is said, and counts. */
static void out_go(struct consensus_engine *e, const struct engine_out *out)
{
    if (out->vote.kind == BASE_VOTE_CAND) {
        struct engine_cand *cand = engine_cand_find(e, out->vote.first, &out->vote.hash);
        struct engine_slot *s = engine_slot_find(e, out->vote.first);
        if (cand == NULL || s == NULL) return; /* final already, without our help */
        cand->c.sig = out->sig;
        if (s->cand_sent_ms == 0) s->cand_sent_ms = e->now_ms;
        engine_send_cand(e, e->voters.count, cand);
        return;
    }
    engine_send_vote(e, e->voters.count, (uint16_t)e->self, &out->vote, &out->sig);
    engine_count(e, (uint16_t)e->self, &out->vote, &out->sig);
}

static void stored(struct consensus_engine *e, uint64_t number)
{
    size_t done = 0;
    if (number > e->numbered) number = e->numbered;
    while (done < e->out_count && e->outs[done].number <= number) {
        struct engine_out out = e->outs[done++];
        out_go(e, &out);
    }
    if (done > 0) memmove(e->outs, e->outs + done, (e->out_count - done) * sizeof *e->outs);
    e->out_count -= done;
}

/* ---- votes ---- */

static void hear(struct consensus_engine *e, size_t voter)
{
    e->heard_ms[voter] = e->now_ms > 0 ? e->now_ms : 1;
}

static void first_sight(struct consensus_engine *e, struct engine_slot *s)
{
    if (s->seen_ms == 0) s->seen_ms = e->now_ms;
}

/* E3 and E5: against what the voter said in the other kind. */
static void look_across(struct consensus_engine *e, const struct engine_slot *s, uint16_t voter,
                        const struct base_vote *vote, const struct base_sig65 *sig)
{
    const struct consensus_tally *others = vote->kind == BASE_VOTE_NOTAR ? &s->finals : &s->notars;
    enum base_vote_kind kind = vote->kind == BASE_VOTE_NOTAR ? BASE_VOTE_FINAL : BASE_VOTE_NOTAR;
    for (uint32_t i = 0; i < others->count; i++) {
        const struct consensus_ballot *ballot = &others->list[i];
        struct base_vote other = {e->epoch_id, kind, s->slot, s->slot, ballot->hash};
        if (ballot->voter == voter) engine_fault(e, voter, vote, sig, &other, &ballot->sig);
    }
    const struct engine_window *w = engine_window_find(e, engine_window_of(e, s->slot));
    if (vote->kind != BASE_VOTE_FINAL || w == NULL || !w->skips.list[voter].is_held) return;
    struct base_vote skip = {.epoch_id = e->epoch_id,
                             .kind = BASE_VOTE_SKIP,
                             .first = w->skips.list[voter].from,
                             .last = w->skips.last};
    engine_fault(e, voter, vote, sig, &skip, &w->skips.list[voter].sig);
}

static void count_slot(struct consensus_engine *e, uint16_t voter, const struct base_vote *vote,
                       const struct base_sig65 *sig)
{
    const struct consensus_ballot *other = NULL;
    struct engine_slot *s = engine_slot_get(e, vote->first);
    if (s == NULL) return;
    struct consensus_tally *t = vote->kind == BASE_VOTE_NOTAR ? &s->notars : &s->finals;
    enum consensus_taken taken =
        consensus_tally_add(t, &e->voters, voter, &vote->hash, sig, &other);
    if (taken == CONSENSUS_TAKEN_SECOND) {
        struct base_vote first = *vote;
        first.hash = other->hash;
        engine_fault(e, voter, &first, &other->sig, vote, sig);
    }
    if (taken == CONSENSUS_TAKEN || taken == CONSENSUS_TAKEN_SECOND)
        look_across(e, s, voter, vote, sig);
    /* It holds the candidate, we do not: perhaps the leader's word to us was lost. */
    if (taken == CONSENSUS_TAKEN && engine_cand_find(e, s->slot, &vote->hash) == NULL &&
        consensus_tally_weight(t, &vote->hash) * 3 > e->voters.total)
        engine_sync_want(e, s->slot, &vote->hash);
}

static void count_skip(struct consensus_engine *e, uint16_t voter, const struct base_vote *vote,
                       const struct base_sig65 *sig)
{
    struct engine_window *w = engine_window_get(e, engine_window_of(e, vote->first));
    if (w == NULL) return;
    if (consensus_skips_add(&w->skips, voter, vote->first, sig) != CONSENSUS_TAKEN) return;
    for (size_t i = 0; i < e->slot_count; i++) {
        const struct engine_slot *s = e->slots[i];
        if (s->slot < vote->first || s->slot > vote->last) continue;
        for (uint32_t k = 0; k < s->finals.count; k++) {
            const struct consensus_ballot *ballot = &s->finals.list[k];
            struct base_vote final = {e->epoch_id, BASE_VOTE_FINAL, s->slot, s->slot, ballot->hash};
            if (ballot->voter == voter) engine_fault(e, voter, vote, sig, &final, &ballot->sig);
        }
    }
}

void engine_count(struct consensus_engine *e, uint16_t voter, const struct base_vote *vote,
                  const struct base_sig65 *sig)
{
    engine_last_keep(e, voter, vote->kind, vote->first, &vote->hash, sig);
    if (vote->kind == BASE_VOTE_SKIP)
        count_skip(e, voter, vote, sig);
    else
        count_slot(e, voter, vote, sig);
}

/* Above what is final, and no further than the window after the active one (C3). */
static bool is_of_interest(const struct consensus_engine *e, uint64_t last)
{
    uint64_t active = e->active == CONSENSUS_NO_SLOT ? 0 : e->active;
    if (e->final_slot != CONSENSUS_NO_SLOT && last <= e->final_slot) return false;
    return engine_window_of(e, last) <= active + 1;
}

static bool is_vote_form(const struct consensus_engine *e, const struct base_vote *vote)
{
    if (vote->kind == BASE_VOTE_CAND || !consensus_vote_is_valid(vote)) return false;
    if (!base_hash32_equal(&vote->epoch_id, &e->epoch_id)) return false;
    return vote->kind != BASE_VOTE_SKIP ||
           vote->last == engine_window_last(e, engine_window_of(e, vote->first));
}

static bool is_held(const struct consensus_engine *e, uint16_t voter, const struct base_vote *vote)
{
    if (vote->kind == BASE_VOTE_SKIP) {
        const struct engine_window *w = engine_window_find(e, engine_window_of(e, vote->first));
        return w != NULL && w->skips.list[voter].is_held &&
               w->skips.list[voter].from <= vote->first;
    }
    const struct engine_slot *s = engine_slot_find(e, vote->first);
    return s != NULL && consensus_tally_of(vote->kind == BASE_VOTE_NOTAR ? &s->notars : &s->finals,
                                           voter, &vote->hash) != NULL;
}

bool engine_is_our_own(const struct consensus_engine *e, const struct base_vote *vote)
{
    if (vote->kind == BASE_VOTE_SKIP) {
        const struct engine_window *w = engine_window_find(e, engine_window_of(e, vote->first));
        return w != NULL && w->has_skip && w->skip_from == vote->first;
    }
    const struct engine_slot *s = engine_slot_find(e, vote->first);
    if (s == NULL) return false;
    if (vote->kind == BASE_VOTE_CAND)
        return s->has_proposed && engine_cand_find(e, vote->first, &vote->hash) != NULL;
    return vote->kind == BASE_VOTE_NOTAR
               ? s->has_notar && base_hash32_equal(&s->notar_hash, &vote->hash)
               : s->has_final && base_hash32_equal(&s->final_hash, &vote->hash);
}

static int vote_in(struct consensus_engine *e, const struct consensus_vote_message *m)
{
    if (m->voter >= e->voters.count || !is_vote_form(e, &m->vote)) return BASE_EMALFORMED;
    if (!is_of_interest(e, m->vote.last) || is_held(e, m->voter, &m->vote)) return BASE_OK;
    const struct consensus_voter *voter = &e->voters.list[m->voter];
    if (e->host.verify(e->host.ctx, &m->vote, &m->sig, &voter->signer) != BASE_OK)
        return BASE_EMALFORMED;
    if (m->voter == e->self && !engine_is_our_own(e, &m->vote)) /* in no log of ours */
        engine_copy_found(e);
    hear(e, m->voter);
    engine_count(e, m->voter, &m->vote, &m->sig);
    return BASE_OK;
}

/* ---- candidates ---- */

static struct base_vote cand_vote(const struct consensus_engine *e,
                                  const struct consensus_candidate *c,
                                  const struct base_hash32 *hash)
{
    return (struct base_vote){e->epoch_id, BASE_VOTE_CAND, c->slot, c->slot, *hash};
}

static bool is_cand_form(const struct consensus_candidate *c)
{
    if (c->slot == CONSENSUS_NO_SLOT || c->payload.len > CONSENSUS_PAYLOAD_MAX) return false;
    return c->parent_slot == CONSENSUS_NO_SLOT || c->parent_slot < c->slot;
}

static int cand_in(struct consensus_engine *e, const struct consensus_candidate *c)
{
    struct base_hash32 hash;
    if (!is_cand_form(c)) return BASE_EMALFORMED;
    consensus_candidate_hash(&hash, &e->epoch_id, c);
    struct engine_slot *s = engine_slot_find(e, c->slot);
    bool is_wanted = s != NULL && engine_is_wanted(s, &hash);
    if (!is_wanted && !is_of_interest(e, c->slot)) return BASE_OK;
    if (engine_cand_find(e, c->slot, &hash) != NULL) return BASE_OK;
    struct base_vote vote = cand_vote(e, c, &hash);
    size_t leader = engine_leader(e, engine_window_of(e, c->slot));
    if (leader == e->voters.count) return BASE_OK; /* no memory */
    if (e->host.verify(e->host.ctx, &vote, &c->sig, &e->voters.list[leader].signer) != BASE_OK)
        return BASE_EMALFORMED;
    engine_last_keep(e, leader, BASE_VOTE_CAND, c->slot, &hash, &c->sig);
    if (leader == e->self && e->is_listening) engine_copy_found(e); /* we have made none yet */
    s = engine_slot_get(e, c->slot);
    if (s == NULL) return BASE_OK;
    const struct engine_cand *other = s->cands[0];
    if (other != NULL) {
        struct base_vote first = cand_vote(e, &other->c, &other->hash);
        engine_fault(e, leader, &first, &other->c.sig, &vote, &c->sig);
    }
    (void)engine_cand_add(e, s, c, &hash);
    return BASE_OK;
}

/* ---- certificates ---- */

/* C2. Most others make it themselves, of the same votes. To a few, in turn, so that each hears it
 * of as many: all have it then, whatever a liar kept from some. */
static void spread(struct consensus_engine *e, const struct consensus_cert *cert)
{
    size_t n = e->voters.count;
    if (n <= SPREAD_TO || e->self >= n) {
        if (e->self < n) engine_send_cert(e, n, cert);
        return;
    }
    for (size_t i = 1; i <= SPREAD_TO; i++)
        engine_send_cert(e, (e->self + i) % n, cert);
}

static void notar_cert_in(struct consensus_engine *e, const struct consensus_cert *cert)
{
    struct engine_slot *s = engine_slot_get(e, cert->first);
    if (s == NULL || s->is_notarised || !engine_cert_copy(e, &s->notar_cert, cert)) return;
    first_sight(e, s);
    s->is_notarised = true;
    if (e->top_slot == CONSENSUS_NO_SLOT || s->slot > e->top_slot) e->top_slot = s->slot;
    spread(e, &s->notar_cert);
    engine_lead(e, s);
}

static void final_cert_in(struct consensus_engine *e, const struct consensus_cert *cert)
{
    struct engine_slot *s = engine_slot_get(e, cert->first);
    if (s == NULL || s->final_cert.count > 0) return;
    if (!engine_cert_copy(e, &s->final_cert, cert)) return;
    first_sight(e, s);
    if (e->top_slot == CONSENSUS_NO_SLOT || s->slot > e->top_slot) e->top_slot = s->slot;
    spread(e, &s->final_cert);
}

static void skip_cert_in(struct consensus_engine *e, const struct consensus_cert *cert)
{
    struct engine_window *w = engine_window_get(e, engine_window_of(e, cert->first));
    if (w == NULL || (w->is_certified && w->cert.first <= cert->first)) return;
    if (!engine_cert_copy(e, &w->cert, cert)) return;
    w->is_certified = true;
    for (uint32_t i = 0; i < cert->count; i++) /* its votes may tell more, with others */
        (void)consensus_skips_add(&w->skips, cert->votes[i].voter, cert->votes[i].from,
                                  &cert->votes[i].sig);
    spread(e, &w->cert);
}

/* One that has been checked, or was made from votes that were. */
void engine_cert_in(struct consensus_engine *e, const struct consensus_cert *cert)
{
    engine_last_keep_cert(e, cert);
    if (cert->kind == BASE_VOTE_NOTAR)
        notar_cert_in(e, cert);
    else if (cert->kind == BASE_VOTE_FINAL)
        final_cert_in(e, cert);
    else
        skip_cert_in(e, cert);
}

static bool is_cert_held(const struct consensus_engine *e, const struct consensus_cert *cert)
{
    if (cert->kind == BASE_VOTE_SKIP) return engine_is_skipped(e, cert->first);
    const struct engine_slot *s = engine_slot_find(e, cert->first);
    if (s == NULL) return false;
    return cert->kind == BASE_VOTE_NOTAR ? s->is_notarised : s->final_cert.count > 0;
}

static int cert_in(struct consensus_engine *e, const struct consensus_cert *cert)
{
    if (cert->kind == BASE_VOTE_SKIP &&
        cert->last != engine_window_last(e, engine_window_of(e, cert->first)))
        return BASE_EMALFORMED;
    if (e->final_slot != CONSENSUS_NO_SLOT && cert->last <= e->final_slot) return BASE_OK;
    if (is_cert_held(e, cert)) return BASE_OK;
    if (consensus_cert_check(cert, &e->epoch_id, &e->voters, e->host.verify, e->host.ctx) !=
        CONSENSUS_CERT_GOOD)
        return BASE_EMALFORMED;
    engine_copy_in_cert(e, cert);
    engine_cert_in(e, cert);
    return BASE_OK;
}

/* ---- steps ---- */

/* A quorum has named this state: what lies below need not be seen any more. */
static void state_in(struct consensus_engine *e, uint64_t slot, const struct base_hash32 *hash)
{
    e->needs_state = false;
    if (slot == CONSENSUS_NO_SLOT || (e->final_slot != CONSENSUS_NO_SLOT && slot <= e->final_slot))
        return;
    e->final_slot = slot;
    e->final_hash = *hash;
    e->lack_ms = 0;
    if (e->top_slot == CONSENSUS_NO_SLOT || slot > e->top_slot) e->top_slot = slot;
    engine_prune(e);
    engine_sync_restart(e);
}

static int message_in(struct consensus_engine *e, size_t from, const struct consensus_message *m)
{
    if (!base_hash32_equal(&m->epoch_id, &e->epoch_id)) return BASE_EMALFORMED;
    switch (m->type) {
    case CONSENSUS_MSG_CAND:
        return cand_in(e, &m->u.cand);
    case CONSENSUS_MSG_VOTE:
        return vote_in(e, &m->u.vote);
    case CONSENSUS_MSG_CERT:
        return cert_in(e, &m->u.cert);
    case CONSENSUS_MSG_GET:
        engine_sync_get(e, from, m->u.get.slot, &m->u.get.hash);
        return BASE_OK;
    case CONSENSUS_MSG_STATUS:
        if (from < e->voters.count) {
            hear(e, from);
            e->heads[from] = m->u.status.head;
        }
        engine_sync_status(e, from, &m->u.status);
        return BASE_OK;
    }
    return BASE_EMALFORMED;
}

static int dispatch(struct consensus_engine *e, const struct consensus_event *ev)
{
    switch (ev->type) {
    case CONSENSUS_EV_TIMER:
        return BASE_OK;
    case CONSENSUS_EV_MESSAGE:
        return message_in(e, ev->from, ev->u.message);
    case CONSENSUS_EV_STORED:
        stored(e, ev->u.stored);
        return BASE_OK;
    case CONSENSUS_EV_STORE_FAILED:
        e->is_mute = true;
        e->lease_until_ms = 0;
        return BASE_OK;
    case CONSENSUS_EV_ABSTAIN:
        e->abstains = ev->u.abstains;
        if (e->abstains) e->lease_until_ms = 0;
        return BASE_OK;
    case CONSENSUS_EV_ENTRIES:
        e->has_entries = ev->u.has_entries;
        return BASE_OK;
    case CONSENSUS_EV_RESIGN:
        e->is_resigning = true;
        return BASE_OK;
    case CONSENSUS_EV_DEAD:
        if (ev->u.dead.voter >= e->voters.count) return BASE_EINVAL;
        if (!ev->u.dead.is_dead)
            e->dead_ms[ev->u.dead.voter] = 0;
        else if (e->dead_ms[ev->u.dead.voter] == 0)
            e->dead_ms[ev->u.dead.voter] = e->now_ms > 0 ? e->now_ms : 1;
        if (engine_is_out(e)) e->lease_until_ms = 0;
        return BASE_OK;
    case CONSENSUS_EV_STATE:
        state_in(e, ev->u.state.slot, &ev->u.state.hash);
        return BASE_OK;
    case CONSENSUS_EV_HEAD:
        if (e->self < e->voters.count) e->heads[e->self] = ev->u.head;
        return BASE_OK;
    case CONSENSUS_EV_SHOWN:
        return engine_shown(e, ev->from, ev->u.shown);
    case CONSENSUS_EV_OVERDUE:
        e->overdue = ev->u.overdue;
        return BASE_OK;
    }
    return BASE_EINVAL;
}

int consensus_engine_step(struct consensus_engine *e, uint64_t now_ms,
                          const struct consensus_event *event, struct consensus_actions *out)
{
    assert(now_ms >= e->now_ms);
    e->now_ms = now_ms;
    e->action_count = 0;
    e->is_broken = false;
    for (size_t i = 0; i < e->trash_count; i++)
        free(e->trash[i]);
    e->trash_count = 0;
    int rv = dispatch(e, event);
    if (rv == BASE_EMALFORMED) e->refused++;
    engine_progress(e);
    engine_sync_timer(e);
    *out = (struct consensus_actions){e->actions, e->action_count};
    return e->is_broken ? BASE_ENOMEM : rv;
}

uint64_t consensus_engine_deadline_ms(const struct consensus_engine *e)
{
    uint64_t due = engine_rules_due_ms(e);
    if (e->status_ms < due) due = e->status_ms;
    if (e->still_ms < due) due = e->still_ms;
    return due;
}

/* ---- after a restart ---- */

/* Below what is final: of use for whom we voted last (L2), and where (N1), and to members that lack
 * the candidate: if all who have it restart at a later state, nobody else could show it to them. */
static int restore_old(struct consensus_engine *e, const struct consensus_record *r)
{
    struct base_hash32 hash;
    if (r->cand != NULL) {
        consensus_candidate_hash(&hash, &e->epoch_id, r->cand);
        engine_old_add(e, r->cand, &hash);
    }
    if (r->kind != CONSENSUS_RECORD_NOTAR) return BASE_OK;
    e->notar_top = r->vote.first;
    e->led_window = engine_window_of(e, r->vote.first);
    e->led_by = engine_leader(e, e->led_window);
    return e->is_broken ? BASE_ENOMEM : BASE_OK;
}

/* What is final already is only shown to others. */
static int restore_cert(struct consensus_engine *e, const struct consensus_cert *cert)
{
    bool is_old = e->final_slot != CONSENSUS_NO_SLOT && cert->last <= e->final_slot;
    if (cert->kind == BASE_VOTE_FINAL && cert->first >= e->logged) e->logged = cert->first + 1;
    if (!is_old)
        engine_cert_in(e, cert);
    else if (cert->kind == BASE_VOTE_FINAL && cert->first == e->final_slot &&
             base_hash32_equal(&cert->hash, &e->final_hash))
        (void)engine_cert_copy(e, &e->final_cert, cert);
    e->action_count = 0;
    return e->is_broken ? BASE_ENOMEM : BASE_OK;
}

int consensus_engine_restore(struct consensus_engine *e, const struct consensus_record *r)
{
    struct base_hash32 hash;
    if (!base_hash32_equal(&r->vote.epoch_id, &e->epoch_id)) return BASE_EINVAL;
    e->is_restored = true;
    if (r->kind == CONSENSUS_RECORD_CERT)
        return r->cert != NULL ? restore_cert(e, r->cert) : BASE_EINVAL;
    if (e->final_slot != CONSENSUS_NO_SLOT && r->vote.last <= e->final_slot)
        return restore_old(e, r);
    if (e->self >= e->voters.count || !consensus_vote_is_valid(&r->vote)) return BASE_EINVAL;
    if (r->cand != NULL) {
        struct engine_slot *s = engine_slot_get(e, r->cand->slot);
        consensus_candidate_hash(&hash, &e->epoch_id, r->cand);
        if (s == NULL) return BASE_ENOMEM;
        if (engine_cand_find(e, s->slot, &hash) == NULL)
            (void)engine_cand_add(e, s, r->cand, &hash);
    }
    if (r->cert != NULL) engine_cert_in(e, r->cert);
    if (r->kind == CONSENSUS_RECORD_SKIP) {
        struct engine_window *w = engine_window_get(e, engine_window_of(e, r->vote.first));
        if (w == NULL) return BASE_ENOMEM;
        w->has_skip = true;
        w->skip_from = r->vote.first;
    } else {
        struct engine_slot *s = engine_slot_get(e, r->vote.first);
        if (s == NULL) return BASE_ENOMEM;
        if (r->kind == CONSENSUS_RECORD_CAND) {
            s->has_proposed = true;
            struct engine_cand *cand = engine_cand_find(e, s->slot, &r->vote.hash);
            if (cand != NULL) cand->c.sig = r->sig;
        } else if (r->kind == CONSENSUS_RECORD_NOTAR) {
            s->has_notar = true;
            s->notar_hash = r->vote.hash;
            e->notar_top = s->slot;
            e->led_window = engine_window_of(e, s->slot);
            e->led_by = engine_leader(e, e->led_window);
        } else {
            s->has_final = true;
            s->final_hash = r->vote.hash;
        }
    }
    if (r->kind != CONSENSUS_RECORD_CAND) engine_count(e, (uint16_t)e->self, &r->vote, &r->sig);
    e->action_count = 0;
    return e->is_broken ? BASE_ENOMEM : BASE_OK;
}

/* ---- questions ---- */

void consensus_engine_view(struct consensus_view *out, const struct consensus_engine *e)
{
    *out = (struct consensus_view){
        .frontier = engine_frontier(e),
        .window = e->active,
        .final_slot = e->final_slot,
        .final_hash = e->final_hash,
        .leader = e->active < e->leader_count ? e->leaders[e->active] : e->voters.count,
        .lease_until_ms = e->now_ms < e->lease_from_ms ? 0 : e->lease_until_ms,
        .is_mute = e->is_mute,
        .abstains = e->abstains,
        .is_listening = e->is_listening,
        .refused = e->refused};
}

bool consensus_engine_has_lease(const struct consensus_engine *e, uint64_t now_ms)
{
    return now_ms < e->lease_until_ms && now_ms >= e->lease_from_ms;
}

size_t consensus_engine_leader(struct consensus_engine *e, uint64_t window)
{
    return engine_leader(e, window);
}

const struct consensus_cert *consensus_engine_final_cert(const struct consensus_engine *e)
{
    return e->final_cert.count > 0 ? &e->final_cert : NULL;
}

const struct consensus_candidate *consensus_engine_final_at(const struct consensus_engine *e,
                                                            size_t back)
{
    return back < e->final_count ? &e->finals[e->final_count - 1 - back]->c : NULL;
}

/* The highest that is at most the heads of a quorum: tried one by one, as they are few. */
uint64_t consensus_engine_quorum_head(const struct consensus_engine *e)
{
    uint64_t best = 0;
    for (size_t i = 0; i < e->voters.count; i++) {
        uint64_t weight = 0;
        if (e->heads[i] <= best) continue;
        for (size_t k = 0; k < e->voters.count; k++)
            if (e->heads[k] >= e->heads[i]) weight += e->voters.list[k].weight;
        if (weight >= e->voters.quorum) best = e->heads[i];
    }
    return best;
}

uint64_t consensus_engine_heard(const struct consensus_engine *e, uint64_t within_ms, bool *heard)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < e->voters.count; i++) {
        bool is_heard =
            i == e->self || (e->heard_ms[i] != 0 && e->now_ms - e->heard_ms[i] <= within_ms);
        if (is_heard) weight += e->voters.list[i].weight;
        if (heard != NULL) heard[i] = is_heard;
    }
    return weight;
}
