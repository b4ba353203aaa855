/* What goes into candidates, and what becomes of it. */
#include "consensus/cluster_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/fields.h"

#define PAYLOAD_SLACK  512 /* for what is around the entries, and a state's name */
#define ENTRY_SLACK    80  /* an entry's signature, and lengths */
#define SEND_AGAIN_MS  2000
#define QUEUE_EACH_MAX CONSENSUS_PENDING_MAX /* of one submitter */

/* ---- lists of entries ---- */

static struct cluster_entry *list_add(struct consensus_cluster *c, struct cluster_list *list,
                                      const struct base_slice *body)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 16 : 2 * list->cap;
        struct cluster_entry *grown = realloc(list->items, cap * sizeof *grown);
        if (grown == NULL) {
            c->is_broken = true;
            return NULL;
        }
        list->items = grown;
        list->cap = cap;
    }
    uint8_t *copy = malloc(body->len);
    if (copy == NULL) {
        c->is_broken = true;
        return NULL;
    }
    memcpy(copy, body->data, body->len);
    struct cluster_entry *e = &list->items[list->count++];
    *e = (struct cluster_entry){.body = copy, .len = body->len, .slot = CONSENSUS_NO_SLOT};
    return e;
}

static void list_remove(struct cluster_list *list, size_t index)
{
    free(list->items[index].body);
    list->count--;
    memmove(&list->items[index], &list->items[index + 1],
            (list->count - index) * sizeof *list->items);
}

static void list_clear(struct cluster_list *list)
{
    while (list->count > 0)
        list_remove(list, list->count - 1);
}

void cluster_list_free(struct cluster_list *list)
{
    list_clear(list);
    free(list->items);
}

/* ---- states that others may ask for ---- */

void cluster_shot_free(struct cluster_shot *shot)
{
    free(shot->bytes);
    *shot = (struct cluster_shot){0};
}

static void shot_add(struct consensus_cluster *c, const struct base_hash32 *digest)
{
    struct base_slice bytes;
    if (c->shot_count > 0 && base_hash32_equal(&c->shots[0].digest, digest)) return;
    if (consensus_state_encode(c->state, &bytes) != BASE_OK) {
        c->is_broken = true;
        return;
    }
    uint8_t *copy = malloc(bytes.len);
    if (copy == NULL) {
        c->is_broken = true;
        return;
    }
    memcpy(copy, bytes.data, bytes.len);
    if (c->shot_count == CLUSTER_SHOTS) cluster_shot_free(&c->shots[--c->shot_count]);
    memmove(&c->shots[1], &c->shots[0], c->shot_count * sizeof c->shots[0]);
    c->shots[0] = (struct cluster_shot){*digest, copy, bytes.len};
    c->shot_count++;
}

const struct cluster_shot *cluster_shot_find(const struct consensus_cluster *c,
                                             const struct base_hash32 *digest)
{
    for (size_t i = 0; i < 2; i++)
        if (c->pinned[i].len > 0 && base_hash32_equal(&c->pinned[i].digest, digest))
            return &c->pinned[i];
    for (size_t i = 0; i < c->shot_count; i++)
        if (base_hash32_equal(&c->shots[i].digest, digest)) return &c->shots[i];
    return NULL;
}

/* It is named by what is final: whoever is behind will ask for it. */
void cluster_shot_pin(struct consensus_cluster *c, const struct base_hash32 *digest)
{
    const struct cluster_shot *shot = cluster_shot_find(c, digest);
    if (shot == NULL || shot == &c->pinned[0]) return;
    uint8_t *copy = malloc(shot->len);
    if (copy == NULL) return; /* others have it */
    memcpy(copy, shot->bytes, shot->len);
    struct cluster_shot pinned = {*digest, copy, shot->len};
    cluster_shot_free(&c->pinned[1]);
    c->pinned[1] = c->pinned[0];
    c->pinned[0] = pinned;
}

static struct cluster_point *point_at(const struct consensus_cluster *c, size_t index)
{
    return (struct cluster_point *)&c->history[(c->history_first + index) % CLUSTER_HISTORY];
}

void cluster_point_add(struct consensus_cluster *c, uint64_t slot, const struct base_hash32 *hash)
{
    struct cluster_point point = {.slot = slot, .hash = *hash};
    if (consensus_state_digest(c->state, &point.state) != BASE_OK) {
        c->is_broken = true;
        return;
    }
    shot_add(c, &point.state);
    if (slot == CONSENSUS_NO_SLOT) return; /* an epoch's beginning is named by its record */
    if (c->history_count == CLUSTER_HISTORY) {
        c->history_first = (c->history_first + 1) % CLUSTER_HISTORY;
        c->history_count--;
    }
    *point_at(c, c->history_count++) = point;
}

/* ---- entries: are they what they say? ---- */

static bool is_evidence_good(const struct consensus_cluster *c, const struct consensus_entry *e)
{
    size_t voter = consensus_voter_find(&c->voters, &e->u.evidence.voter);
    const struct base_hash32 *epoch_id = &e->u.evidence.a.epoch_id;
    if (voter == c->voters.count) return false;
    if (!base_hash32_equal(epoch_id, &c->epoch_id) &&
        !base_hash32_equal(epoch_id, &c->epoch.previous))
        return false;
    const struct base_eth_address *signer = &c->voters.list[voter].signer;
    const struct consensus_cluster_host *host = &c->config.host;
    return host->verify(host->ctx, &e->u.evidence.a, &e->u.evidence.sig_a, signer) == BASE_OK &&
           host->verify(host->ctx, &e->u.evidence.b, &e->u.evidence.sig_b, signer) == BASE_OK;
}

/* By its bytes and this epoch's record alone: all judge alike. */
static bool is_entry_good(const struct consensus_cluster *c, const struct consensus_signed *s,
                          struct consensus_entry *e)
{
    const struct consensus_cluster_host *host = &c->config.host;
    if (consensus_entry_decode(e, s->body.data, s->body.len) != BASE_OK) return false;
    if (e->epoch > c->epoch.number || c->epoch.number - e->epoch > 1) return false;
    if (consensus_voter_find(&c->voters, &e->submitter) == c->voters.count) return false;
    if (host->verify_entry(host->ctx, &s->body, &s->sig, &e->submitter) != BASE_OK) return false;
    return e->kind != CONSENSUS_ENTRY_EVIDENCE || is_evidence_good(c, e);
}

/* ---- candidates: ours ---- */

/* In one that may still become final it is under way. */
static bool is_free(const struct cluster_entry *e, uint64_t final_slot)
{
    return e->slot == CONSENSUS_NO_SLOT ||
           (final_slot != CONSENSUS_NO_SLOT && e->slot <= final_slot);
}

static uint64_t final_slot_of(const struct consensus_cluster *c)
{
    struct consensus_view view;
    consensus_engine_view(&view, c->engine);
    return view.final_slot;
}

static void fill_entries(struct consensus_cluster *c, uint64_t slot, size_t cap)
{
    struct consensus_payload *p = &c->payload;
    uint64_t final_slot = final_slot_of(c);
    size_t used = PAYLOAD_SLACK;
    for (size_t i = 0; i < c->queue.count && p->count < CONSENSUS_PAYLOAD_ENTRIES; i++) {
        struct cluster_entry *e = &c->queue.items[i];
        if (!is_free(e, final_slot)) continue;
        if (used + e->len + ENTRY_SLACK > cap) break;
        used += e->len + ENTRY_SLACK;
        e->slot = slot;
        p->entries[p->count++] = (struct consensus_signed){{e->body, e->len}, e->sig};
    }
}

/* So that who comes late, or back, needs no more than the last few candidates. */
static void fill_state(struct consensus_cluster *c)
{
    struct consensus_payload *p = &c->payload;
    if (c->history_count == 0) return;
    const struct cluster_point *last = point_at(c, c->history_count - 1);
    uint64_t since = c->ref_slot == CONSENSUS_NO_SLOT ? 0 : c->ref_slot;
    if (last->slot < since + CLUSTER_REF_GAP) return;
    p->has_state = true;
    p->state_slot = last->slot;
    p->state_hash = last->hash;
    p->state = last->state;
}

static size_t host_fill(void *ctx, uint64_t slot, const struct consensus_above *above, void *out,
                        size_t cap)
{
    struct consensus_cluster *c = ctx;
    struct consensus_payload *p = &c->payload;
    size_t len = 0;
    p->count = 0;
    p->has_state = p->is_closing = false;
    if (above->is_closed || c->state == NULL) return 0;
    /* The end of an epoch stands on what is final alone: until that is so, nothing is added. */
    if (cluster_may_end(c) && cluster_epoch_propose(c, slot, NULL)) {
        if (above->has_entries || !cluster_epoch_propose(c, slot, p)) return 0;
    } else {
        fill_state(c);
        fill_entries(c, slot, cap);
    }
    if (consensus_payload_encode(out, &len, cap, p) != BASE_OK) return 0;
    return len;
}

/* ---- candidates: anybody's ---- */

static void host_read(void *ctx, const struct base_slice *payload, struct consensus_marks *out)
{
    struct consensus_cluster *c = ctx;
    struct consensus_payload *p = &c->payload;
    *out = (struct consensus_marks){0};
    if (consensus_payload_decode(p, payload->data, payload->len) != BASE_OK) return;
    out->has_entries = p->count > 0;
    out->is_closing = p->is_closing;
    out->has_state = p->has_state;
    out->state_slot = p->state_slot;
    out->state_hash = p->state_hash;
    out->state = p->state;
}

static enum consensus_judgement judge_state(const struct consensus_cluster *c,
                                            const struct consensus_payload *p)
{
    if (c->history_count == 0 || p->state_slot > point_at(c, c->history_count - 1)->slot)
        return CONSENSUS_NOT_YET;
    if (p->state_slot < point_at(c, 0)->slot) return CONSENSUS_NOT_YET; /* not known any more */
    for (size_t i = 0; i < c->history_count; i++) {
        const struct cluster_point *point = point_at(c, i);
        if (point->slot != p->state_slot) continue;
        return base_hash32_equal(&point->hash, &p->state_hash) &&
                       base_hash32_equal(&point->state, &p->state)
                   ? CONSENSUS_VALID
                   : CONSENSUS_INVALID;
    }
    return CONSENSUS_INVALID; /* that slot has no candidate */
}

/* A difference of views of the chain is silence, and never the leader's guilt. */
static enum consensus_judgement judge_closing(struct consensus_cluster *c, uint64_t slot,
                                              const struct consensus_above *above,
                                              const struct consensus_payload *p)
{
    struct consensus_epoch next;
    struct consensus_payload closing = *p;
    if (above->has_entries) return CONSENSUS_NOT_YET; /* until they are final */
    int rv = cluster_epoch_compute(c, &next, slot, &closing, c->state);
    if (rv == BASE_OK) rv = cluster_next_keep(c, &next, &closing.next);
    if (rv == BASE_OK) cluster_owed_seen(c, slot);
    if (rv == BASE_EINVAL) cluster_note(c, CONSENSUS_NOTE_EPOCH_DIFFERS, NULL);
    return rv == BASE_OK ? CONSENSUS_VALID : CONSENSUS_NOT_YET;
}

static enum consensus_judgement host_judge(void *ctx, uint64_t slot,
                                           const struct consensus_above *above,
                                           const struct base_slice *payload)
{
    struct consensus_cluster *c = ctx;
    struct consensus_payload *p = &c->payload;
    struct consensus_entry entry;
    if (above->is_closed) return payload->len == 0 ? CONSENSUS_VALID : CONSENSUS_INVALID;
    if (consensus_payload_decode(p, payload->data, payload->len) != BASE_OK)
        return CONSENSUS_INVALID;
    for (size_t i = 0; i < p->count; i++)
        if (!is_entry_good(c, &p->entries[i], &entry)) return CONSENSUS_INVALID;
    if (c->state == NULL) return CONSENSUS_NOT_YET;
    if (p->has_state) {
        enum consensus_judgement verdict = judge_state(c, p);
        if (verdict != CONSENSUS_VALID) return verdict;
    }
    return p->is_closing ? judge_closing(c, slot, above, p) : CONSENSUS_VALID;
}

static int host_sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    struct consensus_cluster *c = ctx;
    return c->config.host.sign(c->config.host.ctx, vote, sig);
}

static int host_verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                       const struct base_eth_address *signer)
{
    struct consensus_cluster *c = ctx;
    return c->config.host.verify(c->config.host.ctx, vote, sig, signer);
}

const struct consensus_host cluster_engine_host = {.sign = host_sign,
                                                   .verify = host_verify,
                                                   .read = host_read,
                                                   .fill = host_fill,
                                                   .judge = host_judge};

/* ---- what is final ---- */

/* By all of it: a former run of ours whose clock was wrong may have used the nonce, too. */
static void tell_done(struct consensus_cluster *c, const struct base_slice *body,
                      const struct consensus_result *result, uint64_t slot)
{
    for (size_t i = 0; i < c->pending.count; i++) {
        const struct cluster_entry *it = &c->pending.items[i];
        if (it->len != body->len || memcmp(it->body, body->data, body->len) != 0) continue;
        struct consensus_cluster_action *act = cluster_act(c, CONSENSUS_CLUSTER_ACT_DONE);
        act->u.done.tag = it->tag;
        act->u.done.result = *result;
        act->u.done.epoch = c->epoch.number;
        act->u.done.slot = slot;
        list_remove(&c->pending, i);
        return;
    }
}

static void queue_forget(struct consensus_cluster *c, const struct consensus_entry *e)
{
    for (size_t i = 0; i < c->queue.count; i++) {
        const struct cluster_entry *it = &c->queue.items[i];
        if (it->nonce != e->nonce || !base_key33_equal(&it->submitter, &e->submitter)) continue;
        list_remove(&c->queue, i);
        return;
    }
}

static void tell_entry(struct consensus_cluster *c, const struct consensus_signed *s,
                       const struct consensus_result *result, uint64_t slot)
{
    struct consensus_entry *copy = cluster_keep(c, NULL, sizeof *copy);
    const uint8_t *body = cluster_keep(c, s->body.data, s->body.len);
    if (copy == NULL || body == NULL) return;
    (void)consensus_entry_decode(copy, body, s->body.len);
    struct consensus_cluster_action *act = cluster_act(c, CONSENSUS_CLUSTER_ACT_ENTRY);
    act->u.entry.entry = copy;
    act->u.entry.result = *result;
    act->u.entry.epoch = c->epoch.number;
    act->u.entry.slot = slot;
}

static void challenge_answer(struct consensus_cluster *c, const struct consensus_entry *e,
                             const struct consensus_result *result);

static void apply(struct consensus_cluster *c, const struct consensus_signed *s, uint64_t slot)
{
    struct consensus_entry e;
    struct consensus_result result;
    const struct consensus_moment at = {c->epoch.number, slot, c->epoch.block.time_s, &c->voters};
    if (consensus_entry_decode(&e, s->body.data, s->body.len) != BASE_OK) return;
    if (consensus_state_apply(c->state, &at, &e, &result) != BASE_OK) {
        c->is_broken = true;
        return;
    }
    queue_forget(c, &e);
    tell_done(c, &s->body, &result, slot);
    if (result.outcome != CONSENSUS_DONE && result.outcome != CONSENSUS_REPEATED) return;
    c->entries_applied++;
    tell_entry(c, s, &result, slot);
    if (e.kind == CONSENSUS_ENTRY_CHALLENGE) challenge_answer(c, &e, &result);
}

static void keep_state(struct consensus_cluster *c, const struct consensus_payload *p)
{
    const struct cluster_shot *shot;
    c->ref_slot = p->state_slot;
    cluster_shot_pin(c, &p->state);
    shot = cluster_shot_find(c, &p->state);
    if (shot == NULL) return;
    uint8_t *body = malloc(BASE_HASH32_BYTES + shot->len);
    if (body == NULL) return; /* the one before is still there */
    memcpy(body, p->state_hash.bytes, BASE_HASH32_BYTES);
    memcpy(body + BASE_HASH32_BYTES, shot->bytes, shot->len);
    (void)cluster_store(c, CONSENSUS_STORE_STATE, p->state_slot + 1, p->state_slot, body,
                        BASE_HASH32_BYTES + shot->len);
    free(body);
}

void cluster_final(struct consensus_cluster *c, uint64_t slot, const struct base_hash32 *hash,
                   const struct base_slice *payload)
{
    struct consensus_payload *p = &c->payload;
    if (consensus_payload_decode(p, payload->data, payload->len) != BASE_OK)
        return; /* never: judged */
    for (size_t i = 0; i < p->count; i++)
        apply(c, &p->entries[i], slot);
    cluster_point_add(c, slot, hash);
    if (p->has_state) keep_state(c, p);
    if (p->is_closing) {
        c->closing.is_on = true;
        c->closing.slot = slot;
        c->closing.hash = *hash;
        c->closing.payload = *p;
        c->closing.payload.count = 0; /* it borrows nothing */
    }
    if (p->count > 0) cluster_epoch_due(c); /* somebody may be suspended now */
    cluster_owed_count(c, slot);
}

/* ---- our own entries, on their way ---- */

static bool is_leading(const struct consensus_cluster *c)
{
    struct consensus_view view;
    if (c->engine == NULL || c->self == c->epoch.member_count) return false;
    consensus_engine_view(&view, c->engine);
    return view.leader == c->self;
}

static bool queue_has(const struct consensus_cluster *c, const struct base_key33 *submitter,
                      uint64_t nonce, size_t *of_it)
{
    bool has = false;
    *of_it = 0;
    for (size_t i = 0; i < c->queue.count; i++) {
        if (!base_key33_equal(&c->queue.items[i].submitter, submitter)) continue;
        ++*of_it;
        if (c->queue.items[i].nonce == nonce) has = true;
    }
    return has;
}

static void queue_add(struct consensus_cluster *c, const struct consensus_signed *s,
                      const struct consensus_entry *e)
{
    size_t of_it;
    if (queue_has(c, &e->submitter, e->nonce, &of_it) || of_it >= QUEUE_EACH_MAX) return;
    if (c->queue.count >= CONSENSUS_QUEUE_MAX) return; /* it is sent again */
    struct cluster_entry *item = list_add(c, &c->queue, &s->body);
    if (item == NULL) return;
    item->sig = s->sig;
    item->submitter = e->submitter;
    item->nonce = e->nonce;
    item->epoch = e->epoch;
}

int cluster_entry_in(struct consensus_cluster *c, const struct base_slice *frame)
{
    struct consensus_fields f;
    struct consensus_signed s;
    struct consensus_entry e;
    struct base_hash32 id;
    int rv = consensus_fields_init(&f, frame->data, frame->len, 3);
    if (rv == BASE_OK) rv = consensus_fields_exact(&f, 0, id.bytes, sizeof id.bytes);
    if (rv == BASE_OK) rv = consensus_fields_bin(&f, 1, &s.body, CONSENSUS_ENTRY_BYTES_MAX);
    if (rv == BASE_OK) rv = consensus_fields_exact(&f, 2, s.sig.bytes, sizeof s.sig.bytes);
    if (rv == BASE_OK && !consensus_fields_at_end(&f)) rv = BASE_EMALFORMED;
    if (rv != BASE_OK || !is_leading(c)) return rv;
    /* Made in another epoch than ours it may be good where it was made. */
    if (!base_hash32_equal(&id, &c->epoch_id)) return BASE_OK;
    if (!is_entry_good(c, &s, &e)) return BASE_EMALFORMED;
    if (cluster_is_out(c, &e.submitter)) return BASE_OK; /* a vote, and nothing else */
    queue_add(c, &s, &e);
    return BASE_OK;
}

static void send_entry(struct consensus_cluster *c, const struct base_key33 *to,
                       const struct cluster_entry *e)
{
    uint8_t body[CONSENSUS_ENTRY_BYTES_MAX + 160];
    struct base_packer p;
    base_packer_init(&p, body, sizeof body);
    base_pack_map(&p, 3);
    consensus_put_bin(&p, 0, c->epoch_id.bytes, sizeof c->epoch_id.bytes);
    consensus_put_bin(&p, 1, e->body, e->len);
    consensus_put_bin(&p, 2, e->sig.bytes, sizeof e->sig.bytes);
    if (!p.failed) cluster_send(c, to, CONSENSUS_FRAME_ENTRY, body, p.len);
}

/* To whoever leads now; again after a while, and at once when another leads. */
void cluster_pending(struct consensus_cluster *c)
{
    struct consensus_view view;
    if (c->engine == NULL || c->pending.count == 0) return;
    consensus_engine_view(&view, c->engine);
    if (view.leader >= c->epoch.member_count) return;
    const struct base_key33 *leader = &c->epoch.members[view.leader].seat.key;
    bool is_other = !base_key33_equal(leader, &c->sent_to);
    c->sent_to = *leader;
    for (size_t i = 0; i < c->pending.count; i++) {
        struct cluster_entry *e = &c->pending.items[i];
        if (!is_other && e->due_ms > c->now_ms) continue;
        e->due_ms = c->now_ms + SEND_AGAIN_MS;
        if (view.leader != c->self) {
            send_entry(c, leader, e);
            continue;
        }
        const struct consensus_signed s = {{e->body, e->len}, e->sig};
        struct consensus_entry entry;
        if (consensus_entry_decode(&entry, e->body, e->len) == BASE_OK) queue_add(c, &s, &entry);
    }
}

uint64_t cluster_pending_deadline_ms(const struct consensus_cluster *c)
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < c->pending.count; i++)
        if (c->pending.items[i].due_ms < due) due = c->pending.items[i].due_ms;
    return due;
}

bool cluster_has_entries(const struct consensus_cluster *c)
{
    if (!is_leading(c) || c->state == NULL) return false;
    if (cluster_may_end(c) &&
        cluster_epoch_propose((struct consensus_cluster *)(uintptr_t)c, 0, NULL))
        return true;
    uint64_t final_slot = final_slot_of(c);
    for (size_t i = 0; i < c->queue.count; i++)
        if (is_free(&c->queue.items[i], final_slot)) return true;
    return false;
}

int cluster_submit(struct consensus_cluster *c, const struct consensus_entry *what, uint64_t tag)
{
    struct consensus_entry e = *what;
    struct base_sig65 sig;
    struct base_slice body = {c->scratch, 0};
    if (!c->has_epoch || c->self == c->epoch.member_count) return BASE_ESTATE;
    if (cluster_is_out(c, &c->config.self)) return BASE_ESTATE;
    if (c->pending.count >= CONSENSUS_PENDING_MAX) return BASE_EFULL;
    uint64_t known = c->state != NULL ? consensus_state_nonce(c->state, &c->config.self) : 0;
    if (known > c->nonce) c->nonce = known; /* the clock has gone back over a restart */
    e.epoch = c->epoch.number;
    e.submitter = c->config.self;
    e.nonce = c->nonce + 1;
    int rv = consensus_entry_encode(c->scratch, &body.len, CONSENSUS_ENTRY_BYTES_MAX, &e);
    if (rv == BASE_OK) rv = c->config.host.sign_entry(c->config.host.ctx, &body, &sig);
    if (rv != BASE_OK) return rv;
    struct cluster_entry *item = list_add(c, &c->pending, &body);
    if (item == NULL) return BASE_ENOMEM;
    c->nonce++;
    item->sig = sig;
    item->submitter = e.submitter;
    item->nonce = e.nonce;
    item->epoch = e.epoch;
    item->tag = tag;
    return BASE_OK;
}

/* Somebody is challenged for not answering, and membership says that it does not: so do we. */
static void challenge_answer(struct consensus_cluster *c, const struct consensus_entry *e,
                             const struct consensus_result *result)
{
    const struct cluster_peer *peer = cluster_peer(c, &e->u.challenge.target);
    struct consensus_entry vote = {.kind = CONSENSUS_ENTRY_CHALLENGE_VOTE};
    if (e->u.challenge.complaint != CONSENSUS_UNRESPONSIVE) return;
    if (peer == NULL || !peer->is_dead) return;
    vote.u.vote.id = result->value;
    vote.u.vote.is_yes = true;
    (void)cluster_submit(c, &vote, 0);
}

/* What was made two epochs ago never counts any more, nor does anything of ours when we are out. */
void cluster_log_epoch(struct consensus_cluster *c)
{
    const struct consensus_result nothing = {CONSENSUS_VOID, 0};
    list_clear(&c->queue);
    c->history_count = 0;
    c->ref_slot = CONSENSUS_NO_SLOT;
    memset(&c->sent_to, 0, sizeof c->sent_to);
    for (size_t i = c->pending.count; i-- > 0;) {
        const struct cluster_entry *e = &c->pending.items[i];
        if (c->self < c->epoch.member_count && e->epoch + 1 >= c->epoch.number) continue;
        struct consensus_cluster_action *act = cluster_act(c, CONSENSUS_CLUSTER_ACT_DONE);
        act->u.done.tag = e->tag;
        act->u.done.result = nothing;
        act->u.done.epoch = c->epoch.number;
        list_remove(&c->pending, i);
    }
}
