/* A cluster in virtual time: who gets what when, and what is left on disk. */
#include "consensus_world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus_liar.h"

#define CLOCK_FROM_MS 1000 /* at the beginning */
#define PAYLOAD_BYTES 16
#define STATED_BYTES  56 /* and a state: its slot, its hash */
#define COMPARE_EACH  256
#define LATE_TIMES    10

uint64_t world_random(struct world *w, uint64_t below)
{
    return base_prng_below(&w->prng, below);
}

bool world_is_byzantine(const struct world *w, size_t member)
{
    return member < w->count - w->members || w->nodes[member].liar != NULL;
}

bool world_is_honest(const struct world *w, size_t at)
{
    return !world_is_byzantine(w, w->nodes[at].member);
}

const char *world_failure(const struct world *w)
{
    return check_failure(w->check);
}

static void trace(struct world *w, uint64_t word)
{
    w->trace = (w->trace ^ word) * 0x100000001b3;
    w->trace ^= w->trace >> 29;
}

/* ---- for people ---- */

static void tell(const struct world *w, size_t at, const char *what, enum base_vote_kind kind,
                 uint64_t slot, const struct base_hash32 *hash)
{
    if (w->told == NULL) return;
    fprintf(w->told, "%9llu us  %2zu  %-6s %s %llu", (unsigned long long)w->now_us, at, what,
            consensus_vote_name(kind), (unsigned long long)slot);
    if (hash != NULL) fprintf(w->told, " %02x%02x", hash->bytes[0], hash->bytes[1]);
    fprintf(w->told, "\n");
}

static void tell_vote(const struct world *w, size_t at, const char *what,
                      const struct base_vote *vote)
{
    tell(w, at, what, vote->kind, vote->first, &vote->hash);
}

static void tell_message(const struct world *w, size_t at, const char *what,
                         const struct consensus_message *m)
{
    struct base_hash32 hash;
    if (w->told == NULL) return;
    if (m->type == CONSENSUS_MSG_VOTE) tell_vote(w, at, what, &m->u.vote.vote);
    if (m->type == CONSENSUS_MSG_GET) /* of what it lacks */
        tell(w, at, "asks", BASE_VOTE_CAND, m->u.get.slot, &m->u.get.hash);
    if (m->type == CONSENSUS_MSG_CERT) {
        tell(w, at, what, m->u.cert.kind, m->u.cert.first, &m->u.cert.hash);
        fprintf(w->told, "%27s certificate of %u\n", "", m->u.cert.count);
    }
    if (m->type != CONSENSUS_MSG_CAND) return;
    consensus_candidate_hash(&hash, &w->epoch_id, &m->u.cand);
    tell(w, at, what, BASE_VOTE_CAND, m->u.cand.slot, &hash);
}

/* ---- copies of records: what a step says is borrowed ---- */

static void *copy_of(const void *data, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);
    assert(copy != NULL);
    if (len > 0) memcpy(copy, data, len);
    return copy;
}

/* Its pointers into itself are set when it is read: the log moves. */
static void record_copy(struct world_record *out, const struct consensus_record *r)
{
    out->record = *r;
    if (r->cand != NULL) {
        out->cand = *r->cand;
        out->cand.payload.data = copy_of(r->cand->payload.data, r->cand->payload.len);
    }
    if (r->cert != NULL) {
        out->cert = *r->cert;
        out->cert.votes = copy_of(r->cert->votes, r->cert->count * sizeof *r->cert->votes);
    }
}

static void record_free(struct world_record *r)
{
    if (r->record.cand != NULL) free((void *)(uintptr_t)r->cand.payload.data);
    if (r->record.cert != NULL) free(r->cert.votes);
}

/* ---- what the log above would say ---- */

static int host_sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    const struct world_node *n = ctx;
    *sig = world_signature(&n->w->voters[n->member].signer, vote);
    return BASE_OK;
}

static bool names_state(const struct base_slice *payload)
{
    return payload->len == STATED_BYTES;
}

static void host_read(void *ctx, const struct base_slice *payload, struct consensus_marks *out)
{
    (void)ctx;
    *out = (struct consensus_marks){.has_entries = true};
    if (!names_state(payload)) return;
    out->has_state = true;
    out->state_slot = base_get_u64be(payload->data + 16);
    memcpy(out->state_hash.bytes, payload->data + 24, 32);
    out->state = out->state_hash;
}

/* Differs from one instance to another, so that twins contradict each other. */
static size_t host_fill(void *ctx, uint64_t slot, const struct consensus_above *above, void *out,
                        size_t cap)
{
    const struct world_node *n = ctx;
    uint8_t *to = out;
    (void)above;
    assert(cap >= STATED_BYTES);
    base_put_u64be(to, slot);
    base_put_u64be(to + 8, (uint64_t)(n - n->w->nodes));
    if (n->w->state_every == 0 || slot % n->w->state_every != 0 || n->final_count == 0)
        return PAYLOAD_BYTES;
    const struct world_final *f = &n->finals[n->final_count - 1];
    base_put_u64be(to + 16, f->slot);
    memcpy(to + 24, f->hash.bytes, 32);
    return STATED_BYTES;
}

size_t world_other_payload(struct world *w, size_t at, uint8_t *out, size_t cap,
                           const struct consensus_candidate *c)
{
    (void)w;
    (void)at;
    assert(c->payload.len > 8 && c->payload.len <= cap);
    memcpy(out, c->payload.data, c->payload.len);
    out[8] ^= 0x80; /* the instance's number: nobody asks */
    return c->payload.len;
}

/* A state is valid when we know the same; one that we do not know yet may still be. */
static enum consensus_judgement judge_state(const struct world_node *n, uint64_t slot,
                                            const uint8_t *hash)
{
    for (size_t i = n->final_count; i-- > 0 && n->finals[i].slot >= slot;)
        if (n->finals[i].slot == slot)
            return memcmp(n->finals[i].hash.bytes, hash, 32) == 0 ? CONSENSUS_VALID
                                                                  : CONSENSUS_INVALID;
    if (n->final_count == 0 || n->finals[n->final_count - 1].slot < slot) return CONSENSUS_NOT_YET;
    struct base_hash32 named; /* below what we began with: a log above would still know it */
    memcpy(named.bytes, hash, sizeof named.bytes);
    return n->finals[0].slot > slot && check_is_final(n->w->check, slot, &named)
               ? CONSENSUS_VALID
               : CONSENSUS_INVALID;
}

static enum consensus_judgement host_judge(void *ctx, uint64_t slot,
                                           const struct consensus_above *above,
                                           const struct base_slice *payload)
{
    const struct world_node *n = ctx;
    (void)above;
    if (payload->len != PAYLOAD_BYTES && !names_state(payload)) return CONSENSUS_INVALID;
    if (base_get_u64be(payload->data) != slot) return CONSENSUS_INVALID;
    if (!names_state(payload)) return CONSENSUS_VALID;
    return judge_state(n, base_get_u64be(payload->data + 16), payload->data + 24);
}

/* ---- time ---- */

static uint64_t clock_at(const struct world_node *n, uint64_t us)
{
    return CLOCK_FROM_MS + (uint64_t)(((int64_t)us + (int64_t)us * n->rate_ppm / 1000000) / 1000);
}

uint64_t world_clock_ms(const struct world_node *n)
{
    return clock_at(n, n->w->now_us);
}

/* When its clock will show this, or very soon. */
static uint64_t due_us(const struct world_node *n, uint64_t due_ms)
{
    uint64_t now = world_clock_ms(n), at = n->w->now_us;
    if (due_ms == UINT64_MAX) return UINT64_MAX;
    at += due_ms > now ? (due_ms - now) * 1000 : 1000;
    while (clock_at(n, at) < due_ms)
        at += 1000;
    return at > n->stall_us ? at : n->stall_us;
}

static bool is_before(const struct world_item *a, const struct world_item *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push(struct world *w, struct world_item item)
{
    if (w->heap_count == w->heap_cap) {
        w->heap_cap = w->heap_cap == 0 ? 256 : 2 * w->heap_cap;
        w->heap = realloc(w->heap, w->heap_cap * sizeof *w->heap);
        assert(w->heap != NULL);
    }
    item.order = w->order++;
    size_t i = w->heap_count++;
    while (i > 0 && is_before(&item, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = item;
}

static struct world_item pop(struct world *w)
{
    struct world_item first = w->heap[0], last = w->heap[--w->heap_count];
    size_t i = 0;
    for (size_t child = 1; child < w->heap_count; child = 2 * i + 1) {
        if (child + 1 < w->heap_count && is_before(&w->heap[child + 1], &w->heap[child])) child++;
        if (!is_before(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    if (w->heap_count > 0) w->heap[i] = last;
    return first;
}

/* ---- the network ---- */

static uint64_t delay_us(struct world *w)
{
    uint64_t us = base_prng_between(&w->prng, w->delay_min_us, w->delay_max_us);
    if (w->late_percent > 0 && world_random(w, 100) < w->late_percent)
        us *= 1 + world_random(w, LATE_TIMES);
    return us;
}

static void deliver_at(struct world *w, size_t from, size_t to, struct world_message *copy,
                       uint64_t at_us)
{
    copy->uses++;
    push(w, (struct world_item){
                .kind = WORLD_MESSAGE, .at_us = at_us, .from = from, .to = to, .message = copy});
}

static void send_copy(struct world *w, size_t from, size_t to, struct world_message *copy,
                      uint64_t later_us)
{
    uint64_t held = w->holds != NULL ? w->holds(w, from, to, &copy->m) : 0;
    if (!copy->is_known) model_hear(w->model, &copy->m);
    copy->is_known = true;
    if (held == UINT64_MAX || w->is_cut[from][to]) return;
    if (w->loss_percent > 0 && world_random(w, 100) < w->loss_percent) return;
    uint64_t at = w->now_us + later_us + held;
    deliver_at(w, from, to, copy, at + delay_us(w));
    if (w->duplicate_percent > 0 && world_random(w, 100) < w->duplicate_percent)
        deliver_at(w, from, to, copy, at + delay_us(w) + delay_us(w));
}

void world_send_later(struct world *w, size_t from, size_t to, const struct consensus_message *m,
                      uint64_t later_us)
{
    struct world_message *copy = world_message_new(m);
    send_copy(w, from, to, copy, later_us);
    world_message_drop(copy);
}

void world_send(struct world *w, size_t from, size_t to, const struct consensus_message *m)
{
    world_send_later(w, from, to, m, 0);
}

/* ---- what an engine does ---- */

/* Is this vote of its own on its disk, as far as it may know? */
static bool is_synced(const struct world_node *n, const struct base_vote *vote)
{
    for (size_t i = n->log_synced; i-- > 0;) {
        const struct base_vote *v = &n->log[i].record.vote;
        if (v->kind == vote->kind && v->first == vote->first &&
            base_hash32_equal(&v->hash, &vote->hash))
            return true;
    }
    return false;
}

/* What an honest member says in its own name, and the certificates that it holds. */
static void check_said(struct world_node *n, const struct consensus_message *m)
{
    struct world *w = n->w;
    if (m->type == CONSENSUS_MSG_VOTE && m->u.vote.voter == n->member)
        check_vote(w->check, n->member, &m->u.vote.vote, is_synced(n, &m->u.vote.vote));
    if (m->type == CONSENSUS_MSG_CERT) {
        check_cert(w->check, n->member, &m->u.cert);
        w->skip_certs += m->u.cert.kind == BASE_VOTE_SKIP;
    }
    if (m->type != CONSENSUS_MSG_CAND) return;
    struct base_vote vote = {w->epoch_id, BASE_VOTE_CAND, m->u.cand.slot, m->u.cand.slot, {{0}}};
    consensus_candidate_hash(&vote.hash, &w->epoch_id, &m->u.cand);
    if (world_verify(NULL, &vote, &m->u.cand.sig, &w->voters[n->member].signer) == BASE_OK)
        check_vote(w->check, n->member, &vote, is_synced(n, &vote));
}

static void perform_send(struct world *w, size_t at, size_t target,
                         const struct consensus_message *m)
{
    struct world_node *n = &w->nodes[at];
    struct world_message *copy = world_message_new(m);
    tell_message(w, at, "says", m);
    if (world_is_honest(w, at)) check_said(n, m);
    if (n->liar == NULL) model_hear(w->model, m); /* even when there is nobody to hear it */
    copy->is_known = n->liar == NULL;
    for (size_t to = 0; to < w->count; to++) {
        bool is_meant = target == w->members || w->nodes[to].member == target;
        if (to == at || !is_meant) continue;
        if (n->liar != NULL && n->liar->kind->says != NULL && !n->liar->kind->says(n->liar, to, m))
            continue;
        send_copy(w, at, to, copy, 0);
    }
    world_message_drop(copy);
}

static void perform_store(struct world *w, size_t at, const struct consensus_action *a)
{
    struct world_node *n = &w->nodes[at];
    if (n->log_count == n->log_cap) {
        n->log_cap = n->log_cap == 0 ? 32 : 2 * n->log_cap;
        n->log = realloc(n->log, n->log_cap * sizeof *n->log);
        assert(n->log != NULL);
    }
    if (a->u.store.record.kind != CONSENSUS_RECORD_CERT)
        tell_vote(w, at, "stores", &a->u.store.record.vote);
    record_copy(&n->log[n->log_count++], &a->u.store.record);
    if (a->u.store.record.cert != NULL && world_is_honest(w, at))
        check_cert(w->check, n->member, a->u.store.record.cert);
    push(w,
         (struct world_item){.kind = WORLD_STORED,
                             .at_us = w->now_us + base_prng_between(&w->prng, 50, w->store_max_us),
                             .to = at,
                             .life = n->life,
                             .number = a->u.store.number});
}

static void keep_final(struct world_node *n, uint64_t slot, const struct base_hash32 *hash)
{
    if (n->final_count == n->final_cap) {
        n->final_cap = n->final_cap == 0 ? 32 : 2 * n->final_cap;
        n->finals = realloc(n->finals, n->final_cap * sizeof *n->finals);
        assert(n->finals != NULL);
    }
    n->finals[n->final_count++] = (struct world_final){slot, *hash};
}

static void perform_final(struct world *w, size_t at, const struct consensus_action *a)
{
    struct world_node *n = &w->nodes[at];
    keep_final(n, a->u.final.slot, &a->u.final.hash);
    tell(w, at, "holds", BASE_VOTE_FINAL, a->u.final.slot, &a->u.final.hash);
    trace(w, a->u.final.slot << 8 | at);
    if (!world_is_honest(w, at)) return;
    w->finals++;
    check_final(w->check, n->member, a->u.final.slot, a->u.final.parent_slot, &a->u.final.hash);
    if (!model_is_final(w->model, a->u.final.slot, &a->u.final.hash))
        check_fail(w->check, "model: member %zu calls slot %llu final, and it is not", n->member,
                   (unsigned long long)a->u.final.slot);
}

static void perform_fault(struct world *w, size_t at, const struct consensus_action *a)
{
    size_t named = a->u.fault.voter;
    w->faults++;
    w->is_guilty[named] = true;
    if (!world_is_honest(w, at)) return;
    if (consensus_vote_fault(&a->u.fault.a, &a->u.fault.b, NULL) != a->u.fault.fault)
        check_fail(w->check, "I10 member %zu: evidence that proves something else", at);
    check_fault(w->check, named, !world_is_byzantine(w, named));
}

/* The state as of that slot comes from somebody, if there is such a thing. */
static void perform_want_state(struct world *w, size_t at, const struct consensus_action *a)
{
    push(w, (struct world_item){.kind = WORLD_STATE,
                                .at_us = w->now_us + delay_us(w),
                                .to = at,
                                .life = w->nodes[at].life,
                                .number = a->u.want_state.slot,
                                .hash = a->u.want_state.hash});
}

static void perform_leader(struct world *w, size_t at, uint64_t window)
{
    struct world_node *n = &w->nodes[at];
    if (!world_is_honest(w, at)) return;
    for (uint64_t k = 0; k <= window; k++)
        check_leader(w->check, n->member, k, consensus_engine_leader(n->engine, k));
}

static void perform(struct world *w, size_t at, const struct consensus_action *a)
{
    switch (a->type) {
    case CONSENSUS_ACT_STORE:
        perform_store(w, at, a);
        break;
    case CONSENSUS_ACT_SEND:
        perform_send(w, at, a->u.send.to, &a->u.send.message);
        break;
    case CONSENSUS_ACT_FINAL:
        perform_final(w, at, a);
        break;
    case CONSENSUS_ACT_FAULT:
        perform_fault(w, at, a);
        break;
    case CONSENSUS_ACT_COPY:
        w->copies++;
        if (world_is_honest(w, at)) check_fail(w->check, "I7 member %zu takes itself for two", at);
        break;
    case CONSENSUS_ACT_LEADER:
        perform_leader(w, at, a->u.leader.window);
        break;
    case CONSENSUS_ACT_WANT_STATE:
        perform_want_state(w, at, a);
        break;
    }
}

/* ---- leases ---- */

static void look_at_leases(struct world *w)
{
    size_t holders[WORLD_NODES], count = 0;
    uint64_t windows[WORLD_NODES];
    for (size_t i = 0; i < w->members; i++) {
        const struct world_node *n = &w->nodes[i];
        struct consensus_view view;
        if (n->engine == NULL || !world_is_honest(w, i)) continue;
        if (!consensus_engine_has_lease(n->engine, world_clock_ms(n))) continue;
        consensus_engine_view(&view, n->engine);
        holders[count] = i;
        windows[count++] = view.leader == n->member ? view.window : UINT64_MAX;
        w->leases++;
    }
    if (count > 0) check_leases(w->check, holders, windows, count);
}

size_t world_holder(const struct world *w)
{
    for (size_t i = 0; i < w->members; i++)
        if (w->nodes[i].engine != NULL &&
            consensus_engine_has_lease(w->nodes[i].engine, world_clock_ms(&w->nodes[i])))
            return i;
    return w->count;
}

void world_compare(struct world *w)
{
    for (size_t i = 0; i < w->members; i++)
        if (w->nodes[i].engine != NULL && world_is_honest(w, i))
            look_at_engine(w->check, w->model, w->nodes[i].member, w->nodes[i].engine);
}

/* ---- steps ---- */

/* An honest member's statements go out before anybody can act on them: sends first, so that the
 * model has heard what a final candidate rests on. */
static void perform_all(struct world *w, size_t at, const struct consensus_actions *out)
{
    for (size_t i = 0; i < out->count; i++)
        if (out->list[i].type == CONSENSUS_ACT_SEND) perform(w, at, &out->list[i]);
    for (size_t i = 0; i < out->count; i++)
        if (out->list[i].type != CONSENSUS_ACT_SEND) perform(w, at, &out->list[i]);
}

void world_event(struct world *w, size_t at, const struct consensus_event *ev)
{
    struct world_node *n = &w->nodes[at];
    struct consensus_actions out;
    if (n->engine == NULL) return;
    int rv = consensus_engine_step(n->engine, world_clock_ms(n), ev, &out);
    assert(rv != BASE_ENOMEM);
    trace(w, w->now_us ^ at << 56 ^ (uint64_t)ev->type << 48 ^ (uint64_t)out.count << 40);
    perform_all(w, at, &out);
    n->due_us = due_us(n, consensus_engine_deadline_ms(n->engine));
    look_at_leases(w);
    if (++w->steps % COMPARE_EACH == 0) world_compare(w);
}

static void take_message(struct world *w, const struct world_item *item)
{
    struct world_node *n = &w->nodes[item->to];
    const struct consensus_message *m = &item->message->m;
    bool is_copys = m->type == CONSENSUS_MSG_VOTE && m->u.vote.voter == n->member;
    if (n->engine == NULL || (is_copys && w->is_twin_blind)) return;
    if (n->liar != NULL && n->liar->kind->hears != NULL &&
        !n->liar->kind->hears(n->liar, item->from, m))
        return;
    struct consensus_event ev = {.type = CONSENSUS_EV_MESSAGE, .from = w->nodes[item->from].member};
    ev.u.message = m;
    world_event(w, item->to, &ev);
}

static void take_stored(struct world *w, const struct world_item *item)
{
    struct world_node *n = &w->nodes[item->to];
    struct consensus_event ev = {.type = CONSENSUS_EV_STORED};
    if (item->life != n->life) return;
    if (n->log_before + item->number > n->log_synced) n->log_synced = n->log_before + item->number;
    ev.u.stored = item->number;
    world_event(w, item->to, &ev);
}

static void take_state(struct world *w, const struct world_item *item)
{
    struct world_node *n = &w->nodes[item->to];
    struct consensus_event ev = {.type = CONSENSUS_EV_STATE};
    if (n->engine == NULL || item->life != n->life) return;
    if (!check_is_final(w->check, item->number, &item->hash)) return; /* nobody has it yet */
    bool is_new = n->final_count == 0 || n->finals[n->final_count - 1].slot < item->number;
    if (is_new && world_is_honest(w, item->to))
        check_state(w->check, n->member, item->number, &item->hash);
    if (is_new) keep_final(n, item->number, &item->hash);
    w->states++;
    ev.u.state.slot = item->number;
    ev.u.state.hash = item->hash;
    world_event(w, item->to, &ev);
}

static void take_act(struct world *w, struct world_item item)
{
    struct world_liar *l = w->nodes[item.to].liar;
    if (w->nodes[item.to].engine != NULL) l->kind->acts(l);
    item.at_us += (l->kind->period_ms / 2 + world_random(w, l->kind->period_ms)) * 1000;
    push(w, item);
}

static void take(struct world *w, struct world_item item)
{
    struct world_node *n = &w->nodes[item.to];
    if (n->stall_us > w->now_us && n->engine != NULL) { /* waits with it */
        item.at_us = n->stall_us;
        push(w, item);
        return;
    }
    switch (item.kind) {
    case WORLD_MESSAGE:
        take_message(w, &item);
        world_message_drop(item.message);
        break;
    case WORLD_STORED:
        take_stored(w, &item);
        break;
    case WORLD_STATE:
        take_state(w, &item);
        break;
    case WORLD_ACT:
        take_act(w, item);
        break;
    }
}

static size_t next_node(const struct world *w)
{
    size_t who = 0;
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < w->count; i++) {
        const struct world_node *n = &w->nodes[i];
        if (n->engine == NULL) continue;
        uint64_t due = n->due_us > n->stall_us ? n->due_us : n->stall_us;
        if (due >= first) continue;
        first = due;
        who = i;
    }
    return who;
}

void world_run(struct world *w, uint64_t us)
{
    uint64_t end = w->now_us + us;
    while (world_failure(w) == NULL) {
        size_t who = next_node(w);
        const struct world_node *n = &w->nodes[who];
        uint64_t due = n->engine == NULL         ? UINT64_MAX
                       : n->due_us > n->stall_us ? n->due_us
                                                 : n->stall_us;
        bool is_item = w->heap_count > 0 && w->heap[0].at_us <= due;
        uint64_t at = is_item ? w->heap[0].at_us : due;
        if (at > end) break;
        if (at > w->now_us) w->now_us = at;
        if (is_item)
            take(w, pop(w));
        else
            world_event(w, who, &(struct consensus_event){.type = CONSENSUS_EV_TIMER});
    }
    if (end > w->now_us) w->now_us = end;
}

/* ---- beginning and end ---- */

void world_init(struct world *w, uint64_t seed, size_t members, size_t twins, uint32_t window,
                uint64_t weight_max)
{
    uint64_t weights[WORLD_NODES];
    assert(members + twins <= WORLD_NODES && twins < members);
    memset(w, 0, sizeof *w);
    base_prng_init(&w->prng, seed);
    w->members = members;
    w->count = members + twins;
    w->delay_min_us = 100;
    w->delay_max_us = 5000;
    w->store_max_us = 3000;
    w->epoch_id.bytes[0] = 0xe;
    w->genesis.bytes[0] = 0x9;
    consensus_params_default(&w->params);
    w->params.window_slots = window;
    for (size_t i = 0; i < members; i++) {
        w->voters[i].key.bytes[0] = 2;
        w->voters[i].key.bytes[32] = (uint8_t)(i + 1);
        w->voters[i].signer.bytes[0] = (uint8_t)(i + 1);
        weights[i] = base_prng_between(&w->prng, 1, weight_max);
    }
    uint64_t cap = consensus_weight_cap(weights, members);
    for (size_t i = 0; i < members; i++) {
        w->voters[i].weight = weights[i] < cap ? weights[i] : cap;
        w->leads[i].key = w->voters[i].key;
        w->leads[i].weight = w->voters[i].weight;
    }
    for (size_t i = 0; i < w->count; i++) {
        w->nodes[i].w = w;
        w->nodes[i].member = i < members ? i : i - members;
        w->nodes[i].rate_ppm = (int64_t)base_prng_between(&w->prng, 0, 10000) - 5000;
    }
}

static void make_judges(struct world *w)
{
    struct check_setup check = {.voters = w->voters,
                                .leads = w->leads,
                                .count = w->members,
                                .window_slots = w->params.window_slots,
                                .epoch_id = &w->epoch_id,
                                .verify = world_verify};
    struct model_setup model = {.voters = w->voters,
                                .count = w->members,
                                .window_slots = w->params.window_slots,
                                .epoch_id = &w->epoch_id,
                                .genesis = &w->genesis,
                                .verify = world_verify};
    w->check = check_new(&check);
    w->model = model_new(&model);
}

void world_start_all(struct world *w)
{
    make_judges(w);
    for (size_t i = 0; i < w->count; i++) {
        const struct world_liar *l = w->nodes[i].liar;
        world_start(w, i, false);
        if (l != NULL && l->kind->acts != NULL)
            push(w, (struct world_item){.kind = WORLD_ACT,
                                        .at_us = 1000 + world_random(w, l->kind->period_ms * 1000),
                                        .to = i});
    }
}

/* The last one of the log above, if it has any. */
static struct world_final state_of(struct world_node *n, bool has_state)
{
    struct world_final none = {.slot = CONSENSUS_NO_SLOT};
    if (has_state && n->final_count > 0) return n->finals[n->final_count - 1];
    n->final_count = 0; /* it learns them again */
    return none;
}

static void read_log(struct world_node *n)
{
    for (size_t i = 0; i < n->log_count; i++) {
        struct world_record *r = &n->log[i];
        if (r->record.cand != NULL) r->record.cand = &r->cand;
        if (r->record.cert != NULL) r->record.cert = &r->cert;
        int rv = consensus_engine_restore(n->engine, &r->record);
        assert(rv == BASE_OK);
    }
    n->log_before = n->log_synced = n->log_count;
}

void world_start(struct world *w, size_t at, bool has_state)
{
    struct world_node *n = &w->nodes[at];
    struct world_final state = state_of(n, has_state);
    struct consensus_config config = {
        .params = w->params,
        .epoch_id = w->epoch_id,
        .genesis = w->genesis,
        .voters = w->voters,
        .leads = w->leads,
        .voter_count = w->members,
        .self = n->member,
        .first_leader = w->members,
        .is_restart = n->life > 0,
        .final_slot = state.slot,
        .final_hash = state.hash,
        .host = {n, host_sign, world_verify, host_read, host_fill, host_judge}};
    assert(n->engine == NULL);
    if (w->told != NULL)
        fprintf(w->told, "%9llu us  %2zu  start\n", (unsigned long long)w->now_us, at);
    int rv = consensus_engine_new(&n->engine, &config, world_clock_ms(n));
    assert(rv == BASE_OK);
    read_log(n);
    if (world_is_honest(w, at) && !has_state) check_start(w->check, n->member);
    n->due_us = w->now_us;
}

void world_crash(struct world *w, size_t at)
{
    struct world_node *n = &w->nodes[at];
    size_t kept = n->log_synced + (size_t)world_random(w, n->log_count - n->log_synced + 1);
    while (n->log_count > kept)
        record_free(&n->log[--n->log_count]);
    if (w->told != NULL)
        fprintf(w->told, "%9llu us  %2zu  crash\n", (unsigned long long)w->now_us, at);
    consensus_engine_free(n->engine);
    n->engine = NULL;
    n->life++;
}

void world_calm(struct world *w)
{
    memset(w->is_cut, 0, sizeof w->is_cut);
    w->loss_percent = w->duplicate_percent = w->late_percent = 0;
    w->delay_min_us = 100;
    w->delay_max_us = 20000;
    for (size_t i = 0; i < w->count; i++) {
        w->nodes[i].stall_us = 0;
        if (w->nodes[i].engine == NULL) world_start(w, i, world_random(w, 2) == 0);
    }
}

void world_free(struct world *w)
{
    while (w->heap_count > 0) {
        struct world_item item = pop(w);
        if (item.kind == WORLD_MESSAGE) world_message_drop(item.message);
    }
    for (size_t i = 0; i < w->count; i++) {
        struct world_node *n = &w->nodes[i];
        consensus_engine_free(n->engine);
        while (n->log_count > 0)
            record_free(&n->log[--n->log_count]);
        free(n->log);
        free(n->finals);
        world_liar_free(n->liar);
    }
    free(w->heap);
    check_free(w->check);
    model_free(w->model);
}

uint64_t world_lowest_final(const struct world *w)
{
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < w->members; i++) {
        const struct world_node *n = &w->nodes[i];
        if (n->engine == NULL || !world_is_honest(w, i)) continue;
        uint64_t slot = n->final_count > 0 ? n->finals[n->final_count - 1].slot : 0;
        if (slot < lowest) lowest = slot;
    }
    return lowest;
}
