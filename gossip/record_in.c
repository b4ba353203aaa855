/* Records and leaves that arrive, from gossip or with a session, and what admission says of them.
 */
#include <string.h>

#include "base/aead.h"
#include "gossip/gossip_internal.h"

#define PUSH_DELAY_MS 20

/* <0, 0, >0: is (incarnation, sequence) older than, the same as, or newer than what m has? */
static int compare_version(const struct gossip__member *m, uint64_t incarnation, uint64_t sequence)
{
    if (incarnation != m->incarnation) return incarnation < m->incarnation ? -1 : 1;
    if (sequence != m->sequence) return sequence < m->sequence ? -1 : 1;
    return 0;
}

static bool is_same_body(const struct gossip__member *m, const struct base_slice *body)
{
    return m->body_len == body->len && memcmp(m->body, body->data, body->len) == 0;
}

/* ---- who waits for a verdict ---- */

static struct gossip__pending *pending_find(struct gossip *g, const struct base_key33 *key)
{
    for (size_t i = 0; i < GOSSIP__PENDING_MAX; i++)
        if (g->pending[i].used && base_key33_equal(&g->pending[i].key, key)) return &g->pending[i];
    return NULL;
}

static size_t pending_aside_count(const struct gossip *g)
{
    size_t count = 0;
    for (size_t i = 0; i < GOSSIP__PENDING_MAX; i++)
        count += g->pending[i].used && g->pending[i].aside;
    return count;
}

static void pending_ask(struct gossip *g, struct gossip__pending *p)
{
    p->aside = false;
    g->counters.judged++;
    struct gossip_action *act = gossip__act(g, GOSSIP_ACT_JUDGE, &p->key);
    act->u.judge.record = (struct base_slice){p->body, p->body_len};
    act->u.judge.sig = p->sig;
    act->u.judge.proof = (struct base_slice){p->proof, p->proof_len};
}

static struct gossip__pending *pending_room(struct gossip *g, const struct base_key33 *key)
{
    struct gossip__pending *p = pending_find(g, key);
    if (p != NULL) return p->aside ? p : NULL; /* one question at a time */
    for (size_t i = 0; i < GOSSIP__PENDING_MAX; i++)
        if (!g->pending[i].used) return &g->pending[i];
    g->counters.aside_full++;
    return NULL;
}

static void pending_add(struct gossip *g, struct gossip__member *from,
                        const struct gossip_item *item, const struct gossip_record *record)
{
    struct gossip__pending *p = pending_room(g, &record->node_key);
    if (p == NULL) return;
    *p = (struct gossip__pending){
        .used = true,
        .repair = g->news_repair,
        .reach = g->news_reach,
        .flags = item->flags,
        .moves_left = 2,
        .incarnation = record->incarnation,
        .sequence = record->sequence,
        .key = record->node_key,
        .from = from->key,
        .instance = record->instance,
        .body_len = (uint16_t)item->body.len,
        .proof_len = (uint16_t)item->proof.len,
        .sig = item->sig,
    };
    memcpy(p->body, item->body.data, item->body.len);
    if (item->proof.len > 0) memcpy(p->proof, item->proof.data, item->proof.len);
    pending_ask(g, p);
}

struct gossip__grave *gossip__bury(struct gossip *g, const struct base_key33 *key,
                                   uint64_t incarnation, uint64_t sequence)
{
    struct gossip__grave *grave = &g->graves[g->grave_next];
    *grave = (struct gossip__grave){
        .key = *key,
        .incarnation = incarnation,
        .sequence = sequence,
        .move = g->moves,
        .used = true,
    };
    g->grave_next = (g->grave_next + 1) % GOSSIP__GRAVES_MAX;
    return grave;
}

static bool is_not_newer(uint64_t incarnation, uint64_t sequence, uint64_t than_incarnation,
                         uint64_t than_sequence)
{
    return incarnation < than_incarnation ||
           (incarnation == than_incarnation && sequence <= than_sequence);
}

bool gossip__is_settled(struct gossip *g, const struct base_key33 *key, uint64_t incarnation,
                        uint64_t sequence)
{
    const struct gossip__pending *p = pending_find(g, key);
    if (p != NULL &&
        (!p->aside || is_not_newer(incarnation, sequence, p->incarnation, p->sequence)))
        return true;
    for (size_t i = 0; i < GOSSIP__GRAVES_MAX; i++) {
        const struct gossip__grave *grave = &g->graves[i];
        if (grave->used && grave->move == g->moves && base_key33_equal(&grave->key, key) &&
            is_not_newer(incarnation, sequence, grave->incarnation, grave->sequence))
            return true;
    }
    return false;
}

/* ---- records ---- */

/* A newcomer may open sessions with everybody at once; who waits a moment mostly hears that
 * another has told all, and the mesh sends N frames instead of N * N. */
static void push_soon(struct gossip *g, struct gossip__member *m)
{
    m->push_ms = g->now_ms + base_prng_between(&g->prng, 1, PUSH_DELAY_MS);
    gossip__arm(g, m);
}

/* A newer record of a listed member. What raises the incarnation refutes; a sender that holds the
 * member failed even so makes us look for ourselves before we believe either. */
static void record_accept(struct gossip *g, struct gossip__member *m,
                          const struct gossip__version *version, uint8_t flags, uint16_t except)
{
    bool is_risen = version->record->incarnation > m->incarnation;
    gossip__member_store(g, m, version);
    if (except == GOSSIP__NONE)
        push_soon(g, m);
    else
        gossip__news_member(g, BASE_STATEMENT_RECORD, m, except);
    if (!is_risen || m->incarnation <= m->leave_incarnation) return;
    /* It has just spoken: a probe that started before would only accuse its new incarnation. */
    m->probe.phase = GOSSIP__IDLE;
    gossip__arm(g, m);
    if (m->state == GOSSIP_ALIVE) return;
    if ((flags & GOSSIP_ENTRY_FAILED) != 0 && m->state == GOSSIP_FAILED && !m->linked) {
        m->dial_backoff_ms = 0;
        if (!m->dialing) m->dial_ms = g->now_ms;
        gossip__arm(g, m);
        return;
    }
    gossip__revive(g, m, GOSSIP_WHY_REFUTED);
}

/* Our own key has signed what we do not know: our disk was rolled back, or there is a copy. */
static void record_of_self(struct gossip *g, struct gossip__member *from,
                           const struct gossip_item *item, const struct gossip_record *record)
{
    struct gossip__member *m = &g->members[0];
    int order = compare_version(m, record->incarnation, record->sequence);
    if (order < 0 || (order == 0 && is_same_body(m, &item->body))) {
        g->counters.statements_duplicate++;
        return;
    }
    if (!gossip__verify(g, BASE_STATEMENT_RECORD, &item->body, &item->sig, &m->key, from)) return;
    gossip__note(g, GOSSIP_NOTE_ROLLED_BACK, &m->key, &from->key);
    gossip__self_refute(g, record->incarnation);
}

/* Equal in (incarnation, sequence), not in bytes: the higher digest counts, everywhere alike. */
static bool is_digest_higher(const struct gossip__member *m, const struct base_slice *body)
{
    struct base_hash32 ours, theirs;
    base_sha256(&ours, m->body, m->body_len);
    base_sha256(&theirs, body->data, body->len);
    return memcmp(theirs.bytes, ours.bytes, sizeof ours.bytes) > 0;
}

static void record_of_listed(struct gossip *g, struct gossip__member *from,
                             const struct gossip_item *item, const struct gossip_record *record,
                             struct gossip__member *m)
{
    int order = compare_version(m, record->incarnation, record->sequence);
    struct gossip__version version = {record, item->body, item->proof, &item->sig};
    if (order < 0) {
        g->counters.statements_stale++;
        return;
    }
    if (order == 0 && is_same_body(m, &item->body)) {
        g->counters.statements_duplicate++;
        if (m->push_ms != 0 && gossip__is_covered(g, g->news_reach)) m->push_ms = 0;
        gossip__arm(g, m);
        return;
    }
    if (!gossip__verify(g, BASE_STATEMENT_RECORD, &item->body, &item->sig, &m->key, from)) return;
    if (!base_address_equal(&record->instance, &m->instance)) {
        g->counters.statements_invalid++; /* a key moves to another instance by the chain only */
        return;
    }
    if (order == 0) {
        g->counters.contradictions++;
        gossip__note(g, GOSSIP_NOTE_CONTRADICTION, &m->key, &from->key);
        if (!is_digest_higher(m, &item->body)) return;
    }
    if (version.proof.len == 0) version.proof = (struct base_slice){m->proof, m->proof_len};
    if (version.proof.len != m->proof_len ||
        memcmp(version.proof.data, m->proof, m->proof_len) != 0)
        pending_add(g, from, item, record);
    else
        record_accept(g, m, &version, item->flags, gossip__slot(g, from));
}

void gossip__record_in(struct gossip *g, struct gossip__member *from,
                       const struct gossip_item *item)
{
    struct gossip_record record;
    if (gossip_record_decode(&record, item->body.data, item->body.len) != BASE_OK) {
        g->counters.statements_invalid++; /* of a version after ours */
        return;
    }
    struct gossip__member *m = gossip__find(g, &record.node_key);
    if (m == &g->members[0]) {
        record_of_self(g, from, item, &record);
    } else if (m != NULL) {
        record_of_listed(g, from, item, &record, m);
    } else if (gossip__is_settled(g, &record.node_key, record.incarnation, record.sequence)) {
        g->counters.statements_duplicate++;
    } else if (gossip__verify(g, BASE_STATEMENT_RECORD, &item->body, &item->sig, &record.node_key,
                              from)) {
        pending_add(g, from, item, &record);
    }
}

/* ---- leaves ---- */

static void leave_store(struct gossip__member *m, const void *body, size_t len,
                        const struct base_sig65 *sig, uint64_t incarnation)
{
    memcpy(m->leave, body, len);
    m->leave_len = (uint16_t)len;
    m->leave_sig = *sig;
    m->leave_incarnation = incarnation;
}

static void leave_of_self(struct gossip *g, struct gossip__member *from,
                          const struct gossip_item *item, const struct gossip_leave *leave)
{
    if (g->left || leave->incarnation < g->self.incarnation) {
        g->counters.statements_stale++; /* of an earlier life */
        return;
    }
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &leave->key, from)) return;
    gossip__note(g, GOSSIP_NOTE_ROLLED_BACK, &leave->key, &from->key);
    gossip__self_refute(g, leave->incarnation);
}

static void leave_of_pending(struct gossip *g, struct gossip__member *from,
                             const struct gossip_item *item, const struct gossip_leave *leave)
{
    struct gossip__pending *p = pending_find(g, &leave->key);
    if (p == NULL) {
        g->counters.statements_non_member++;
        return;
    }
    if (leave->incarnation < p->incarnation) {
        g->counters.statements_stale++;
        return;
    }
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &leave->key, from)) return;
    memcpy(p->leave, item->body.data, item->body.len);
    p->leave_len = (uint16_t)item->body.len;
    p->leave_sig = item->sig;
    p->leave_incarnation = leave->incarnation;
}

void gossip__leave_in(struct gossip *g, struct gossip__member *from, const struct gossip_item *item)
{
    struct gossip_leave leave;
    if (gossip_leave_decode(&leave, item->body.data, item->body.len) != BASE_OK) return;
    struct gossip__member *m = gossip__find(g, &leave.key);
    if (m == &g->members[0]) {
        leave_of_self(g, from, item, &leave);
        return;
    }
    if (m == NULL) {
        leave_of_pending(g, from, item, &leave);
        return;
    }
    if (leave.incarnation < m->incarnation || leave.incarnation <= m->leave_incarnation) {
        if (m->state == GOSSIP_LEFT && leave.incarnation == m->leave_incarnation)
            g->counters.statements_duplicate++;
        else
            g->counters.statements_stale++;
        return;
    }
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &m->key, from)) return;
    leave_store(m, item->body.data, item->body.len, &item->sig, leave.incarnation);
    m->probe.phase = GOSSIP__IDLE;
    m->dial_ms = 0;
    gossip__digest_update(g, m);
    gossip__state(g, m, GOSSIP_LEFT, GOSSIP_WHY_LEAVE);
    gossip__arm(g, m);
    gossip__news_member(g, BASE_STATEMENT_LEAVE, m, gossip__slot(g, from));
}

/* ---- verdicts ---- */

static void verdict_new(struct gossip *g, const struct gossip__pending *p, uint64_t weight,
                        const struct gossip__version *version, uint16_t except)
{
    struct gossip__member *m = gossip__member_add(g, &p->key);
    if (m == NULL) return;
    gossip__member_store(g, m, version);
    gossip__member_weight(g, m, weight);
    if (p->leave_len > 0 && p->leave_incarnation >= m->incarnation) {
        leave_store(m, p->leave, p->leave_len, &p->leave_sig, p->leave_incarnation);
        gossip__state(g, m, GOSSIP_LEFT, GOSSIP_WHY_LEARNED);
        gossip__news_member(g, BASE_STATEMENT_RECORD, m, except);
        gossip__news_member(g, BASE_STATEMENT_LEAVE, m, except);
        return;
    }
    gossip__news_member(g, BASE_STATEMENT_RECORD, m, except);
    if ((p->flags & GOSSIP_ENTRY_FAILED) != 0) {
        gossip__state(g, m, GOSSIP_FAILED, GOSSIP_WHY_LEARNED);
        m->dial_ms = g->now_ms; /* look for ourselves, at once */
        gossip__arm(g, m);
        return;
    }
    gossip__state(g, m, GOSSIP_ALIVE, GOSSIP_WHY_LEARNED);
    gossip__dial_soon(g, m);
}

static void verdict_ok(struct gossip *g, const struct gossip__pending *p, uint64_t weight)
{
    struct gossip_record record;
    if (gossip_record_decode(&record, p->body, p->body_len) != BASE_OK) return;
    struct gossip__version version = {
        &record, {p->body, p->body_len}, {p->proof, p->proof_len}, &p->sig};
    struct gossip__member *from = gossip__find(g, &p->from);
    struct gossip__member *m = gossip__find(g, &p->key);
    uint16_t except = from != NULL ? gossip__slot(g, from) : 0;
    g->news_reach = p->reach;
    g->news_repair = p->repair;
    if (m == NULL) {
        verdict_new(g, p, weight, &version, except);
        return;
    }
    gossip__member_weight(g, m, weight);
    if (compare_version(m, record.incarnation, record.sequence) > 0 ||
        (compare_version(m, record.incarnation, record.sequence) == 0 &&
         is_digest_higher(m, &version.body)))
        record_accept(g, m, &version, p->flags, except);
}

int gossip__verdict(struct gossip *g, const struct gossip_event *ev)
{
    struct gossip__pending *p = pending_find(g, &ev->key);
    struct gossip__member *m = gossip__find(g, &ev->key);
    if (p == NULL || p->aside) {
        if (m == NULL) return BASE_ENOPEER;
        if (ev->u.verdict.verdict == GOSSIP_OK) gossip__member_weight(g, m, ev->u.verdict.weight);
        return BASE_OK;
    }
    switch (ev->u.verdict.verdict) {
    case GOSSIP_OK:
        verdict_ok(g, p, ev->u.verdict.weight);
        break;
    case GOSSIP_UNDECIDED:
    case GOSSIP_UNKNOWN:
        p->aside = m == NULL && pending_aside_count(g) < GOSSIP_ASIDE_MAX;
        if (m == NULL && !p->aside) g->counters.aside_full++;
        break;
    case GOSSIP_REFUSED:
        g->counters.refused++;
        gossip__bury(g, &p->key, p->incarnation, p->sequence);
        break;
    }
    p->used = p->aside;
    return BASE_OK;
}

void gossip__snapshot_moved(struct gossip *g)
{
    g->moves++; /* the graves of the snapshot before are open */
    for (size_t i = 0; i < GOSSIP__PENDING_MAX; i++) {
        struct gossip__pending *p = &g->pending[i];
        if (!p->used || !p->aside) continue;
        if (p->moves_left == 0) {
            p->used = false;
            continue;
        }
        p->moves_left--;
        pending_ask(g, p);
    }
}

int gossip__evict(struct gossip *g, const struct base_key33 *key)
{
    struct gossip__member *m = gossip__find(g, key);
    struct gossip__pending *p = pending_find(g, key);
    if (p != NULL) p->used = false;
    if (m == &g->members[0]) return BASE_ESTATE;
    if (m == NULL) return BASE_ENOPEER;
    gossip__state(g, m, GOSSIP_NONE, GOSSIP_WHY_EVICTED);
    gossip__member_remove(g, m);
    return BASE_OK;
}

/* ---- sessions ---- */

static int peer_check(struct gossip *g, const struct gossip_event *ev, struct gossip_record *record)
{
    const struct base_slice *body = &ev->u.peer_up.record;
    if (g->left || base_key33_equal(&ev->key, &g->members[0].key)) return BASE_ESTATE;
    if (ev->u.peer_up.proof.len > GOSSIP_PROOF_BYTES_MAX) return BASE_ETOOBIG;
    int rv = gossip_record_decode(record, body->data, body->len);
    if (rv != BASE_OK) return rv;
    if (!base_key33_equal(&record->node_key, &ev->key)) return BASE_EMALFORMED;
    return gossip__verify(g, BASE_STATEMENT_RECORD, body, &ev->u.peer_up.sig, &ev->key, NULL)
               ? BASE_OK
               : BASE_ESIG;
}

/* What the session showed against what we knew: newer counts, and is news that we heard first. */
static void peer_merge(struct gossip *g, struct gossip__member *m,
                       const struct gossip__version *version)
{
    if (m->state == GOSSIP_NONE) {
        gossip__member_store(g, m, version);
        push_soon(g, m);
        gossip__revive(g, m, GOSSIP_WHY_SESSION);
        return;
    }
    if (compare_version(m, version->record->incarnation, version->record->sequence) > 0)
        record_accept(g, m, version, 0, GOSSIP__NONE);
    if (m->state == GOSSIP_SUSPECT || m->state == GOSSIP_FAILED) {
        gossip__probe_won(g, m, GOSSIP_WHY_SESSION); /* it answers for itself */
        return;
    }
    m->probe.phase = GOSSIP__IDLE;
}

int gossip__peer_up(struct gossip *g, const struct gossip_event *ev)
{
    struct gossip_record record;
    int rv = peer_check(g, ev, &record);
    if (rv != BASE_OK) return rv;
    struct gossip__version version = {&record, ev->u.peer_up.record, ev->u.peer_up.proof,
                                      &ev->u.peer_up.sig};
    struct gossip__pending *p = pending_find(g, &ev->key);
    struct gossip__member *m = gossip__find(g, &ev->key);
    if (p != NULL) p->used = false;
    if (m == NULL) m = gossip__member_add(g, &ev->key);
    if (m == NULL) return BASE_EFULL;
    if (g->settled_ms == GOSSIP__NEVER)
        g->settled_ms = g->now_ms + 2 * (uint64_t)g->cfg.probe_interval_ms;
    gossip__dialing(g, m, false);
    m->dial_ms = 0;
    m->dial_backoff_ms = 0;
    m->dial_lost_ms = 0;
    m->dial_failed_ms = 0;
    m->sync_mask = 0;
    gossip__link(g, m, true);
    gossip__member_weight(g, m, ev->u.peer_up.weight);
    peer_merge(g, m, &version);
    gossip__arm(g, m);
    gossip__errands_linked(g, m);
    if (ev->u.peer_up.dialed) gossip__ping(g, m, 0);
    return BASE_OK;
}
