/* Records and leaves that arrive, from gossip or with a session. */
#include <string.h>

#include "base/aead.h"
#include "gossip/gossip_internal.h"

#define PUSH_DELAY_MS 20

int gossip__compare_version(const struct gossip__member *m, uint64_t incarnation, uint64_t sequence)
{
    if (incarnation != m->record->incarnation) return incarnation < m->record->incarnation ? -1 : 1;
    if (sequence != m->record->sequence) return sequence < m->record->sequence ? -1 : 1;
    return 0;
}

static bool is_same_body(const struct gossip__member *m, const struct base_slice *body)
{
    return m->record->body_len == body->len && memcmp(m->record->bytes, body->data, body->len) == 0;
}

/* ---- records ---- */

/* A newcomer may open sessions with everybody at once; who waits a moment mostly hears that
 * another has told all, and the mesh sends N frames instead of N * N. */
static void push_soon(struct gossip *g, struct gossip__member *m)
{
    gossip__agenda_open(g, m)->push_ms = g->now_ms + base_prng_between(&g->prng, 1, PUSH_DELAY_MS);
    gossip__arm(g, m);
}

/* A newer record of a listed member. What raises the incarnation refutes; a sender that holds the
 * member failed even so makes us look for ourselves before we believe either. */
void gossip__record_accept(struct gossip *g, struct gossip__member *m,
                           const struct gossip__version *version, uint8_t flags, uint16_t except)
{
    bool is_risen = version->record->incarnation > m->record->incarnation;
    if (!gossip__member_store(g, m, version)) return;
    if (!g->news_repair) g->news_ms = g->now_ms;
    if (except == GOSSIP__NONE)
        push_soon(g, m);
    else
        gossip__news_member(g, BASE_STATEMENT_RECORD, m, except);
    if (!is_risen || m->record->incarnation <= gossip__leave_incarnation(g, m)) return;
    /* It has just spoken: a probe that started before would only accuse its new incarnation. */
    gossip__probe_drop(g, m);
    gossip__arm(g, m);
    if (m->state == GOSSIP_ALIVE) return;
    if ((flags & GOSSIP_ENTRY_FAILED) != 0 && m->state == GOSSIP_FAILED && !m->linked) {
        struct gossip__agenda *a = gossip__agenda_open(g, m);
        a->dial_backoff_ms = 0;
        if (!m->dialing) a->dial_ms = g->now_ms;
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
    int order = gossip__compare_version(m, record->incarnation, record->sequence);
    if (order < 0 || (order == 0 && is_same_body(m, &item->body))) {
        g->counters.statements_duplicate++;
        return;
    }
    if (gossip__is_future(g, record->incarnation)) return; /* above it nobody would hear us */
    if (!gossip__verify(g, BASE_STATEMENT_RECORD, &item->body, &item->sig, &m->record->key, from))
        return;
    gossip__note(g, GOSSIP_NOTE_ROLLED_BACK, &m->record->key, &from->record->key);
    gossip__self_refute(g, record->incarnation);
}

/* Equal in (incarnation, sequence), not in bytes: the higher digest counts, everywhere alike. */
bool gossip__is_digest_higher(const struct gossip__member *m, const struct base_slice *body)
{
    struct base_hash32 ours, theirs;
    base_sha256(&ours, m->record->bytes, m->record->body_len);
    base_sha256(&theirs, body->data, body->len);
    return memcmp(theirs.bytes, ours.bytes, sizeof ours.bytes) > 0;
}

/* NULL: its key has not contradicted itself, as far as we remember. */
static struct gossip__proved *proved_find(struct gossip *g, const struct base_key33 *key)
{
    for (size_t i = 0; i < GOSSIP__PROVED_MAX; i++)
        if (g->proved[i].used && base_key33_equal(&g->proved[i].key, key)) return &g->proved[i];
    return NULL;
}

static bool is_proved(struct gossip *g, const struct gossip__stored *record)
{
    const struct gossip__proved *proved = proved_find(g, &record->key);
    return proved != NULL && proved->incarnation == record->incarnation &&
           proved->sequence == record->sequence;
}

/* Remembers it; true: time for a note, since each pair of versions is a proof but one is enough. */
static bool prove(struct gossip *g, const struct gossip__stored *record)
{
    struct gossip__proved *proved = proved_find(g, &record->key);
    bool is_new = proved == NULL || g->now_ms - proved->noted_ms >= GOSSIP__PROVED_MS;
    if (proved == NULL) {
        proved = &g->proved[g->proved_next];
        g->proved_next = (g->proved_next + 1) % GOSSIP__PROVED_MAX;
        *proved = (struct gossip__proved){.used = true, .key = record->key};
    }
    proved->incarnation = record->incarnation;
    proved->sequence = record->sequence;
    if (is_new) proved->noted_ms = g->now_ms;
    return is_new;
}

static struct base_slice keep(struct gossip *g, const struct base_slice *bytes)
{
    uint8_t *at = gossip__arena(g, bytes->len);
    if (at == NULL) return (struct base_slice){NULL, 0};
    memcpy(at, bytes->data, bytes->len);
    return (struct base_slice){at, bytes->len};
}

/* The key of m has signed both what we hold and body, which are one version. */
static void contradiction(struct gossip *g, struct gossip__member *m, const struct base_slice *body,
                          const struct base_sig65 *sig, const struct base_key33 *through)
{
    struct base_slice ours = gossip__stored_body(m->record);
    g->counters.contradictions++;
    if (is_proved(g, m->record) || !prove(g, m->record)) return;
    gossip__note(g, GOSSIP_NOTE_CONTRADICTION, &m->record->key, through);
    struct gossip_action *act = &g->actions[g->action_count - 1];
    act->u.note.ours = (struct gossip_shown){keep(g, &ours), m->record->sig};
    act->u.note.theirs = (struct gossip_shown){keep(g, body), *sig};
}

static void record_of_listed(struct gossip *g, struct gossip__member *from,
                             const struct gossip_item *item, const struct gossip_record *record,
                             struct gossip__member *m, bool is_verified)
{
    int order = gossip__compare_version(m, record->incarnation, record->sequence);
    struct gossip__version version = {record, item->body, item->proof, &item->sig};
    if (order < 0) {
        g->counters.statements_stale++;
        return;
    }
    if (order == 0 && !is_same_body(m, &item->body) && is_proved(g, m->record) &&
        !gossip__is_digest_higher(m, &item->body)) {
        g->counters.statements_duplicate++; /* nothing new in a proof that we have */
        return;
    }
    if (order == 0 && is_same_body(m, &item->body)) {
        g->counters.statements_duplicate++;
        if (gossip__agenda(g, m)->push_ms != 0 && gossip__is_covered(g, g->news_reach))
            gossip__agenda_open(g, m)->push_ms = 0;
        gossip__arm(g, m);
        return;
    }
    if (!is_verified &&
        !gossip__verify(g, BASE_STATEMENT_RECORD, &item->body, &item->sig, &m->record->key, from))
        return;
    if (!base_address_equal(&record->instance, &m->record->instance)) {
        g->counters.statements_invalid++; /* a key moves to another instance by the chain only */
        return;
    }
    if (order == 0) {
        contradiction(g, m, &item->body, &item->sig, &from->record->key);
        if (!gossip__is_digest_higher(m, &item->body)) return;
    }
    struct base_slice proof = gossip__stored_proof(m->record);
    if (version.proof.len == 0) version.proof = proof;
    if (version.proof.len != proof.len || memcmp(version.proof.data, proof.data, proof.len) != 0)
        gossip__pending_add(g, from, item, record);
    else
        gossip__record_accept(g, m, &version, item->flags, gossip__slot(g, from));
}

void gossip__record_in(struct gossip *g, struct gossip__member *from,
                       const struct gossip_item *item, const struct gossip__stored *known)
{
    struct gossip_record record;
    if (known != NULL)
        gossip__stored_head(&record, known);
    else if (gossip_record_decode(&record, item->body.data, item->body.len) != BASE_OK) {
        g->counters.statements_invalid++; /* of a version after ours */
        return;
    }
    struct gossip__member *m = gossip__find(g, &record.node_key);
    if (m != &g->members[0] && gossip__is_future(g, record.incarnation)) return;
    if (m == &g->members[0]) {
        record_of_self(g, from, item, &record);
    } else if (m != NULL) {
        record_of_listed(g, from, item, &record, m, known != NULL);
    } else if (gossip__is_settled(g, &record.node_key, record.incarnation, record.sequence, from)) {
        g->counters.statements_duplicate++;
    } else if (known != NULL || gossip__verify(g, BASE_STATEMENT_RECORD, &item->body, &item->sig,
                                               &record.node_key, from)) {
        gossip__pending_add(g, from, item, &record);
    }
}

/* ---- leaves ---- */

static struct gossip__leave leave_of(const struct gossip_item *item,
                                     const struct gossip_leave *leave)
{
    struct gossip__leave out = {
        .incarnation = leave->incarnation, .len = (uint16_t)item->body.len, .sig = item->sig};
    memcpy(out.body, item->body.data, item->body.len);
    return out;
}

static void leave_of_self(struct gossip *g, struct gossip__member *from,
                          const struct gossip_item *item, const struct gossip_leave *leave)
{
    if (g->left || leave->incarnation < g->self.incarnation) {
        g->counters.statements_stale++; /* of an earlier life */
        return;
    }
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &leave->key, from)) return;
    gossip__note(g, GOSSIP_NOTE_ROLLED_BACK, &leave->key, &from->record->key);
    gossip__self_refute(g, leave->incarnation);
}

static void leave_of_pending(struct gossip *g, struct gossip__member *from,
                             const struct gossip_item *item, const struct gossip_leave *leave)
{
    struct gossip__pending *p = gossip__pending_find(g, &leave->key);
    if (p == NULL) {
        g->counters.statements_non_member++;
        return;
    }
    if (leave->incarnation < p->record->incarnation) {
        g->counters.statements_stale++;
        return;
    }
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &leave->key, from)) return;
    p->leave = leave_of(item, leave);
}

void gossip__leave_in(struct gossip *g, struct gossip__member *from, const struct gossip_item *item)
{
    struct gossip_leave leave;
    if (gossip_leave_decode(&leave, item->body.data, item->body.len) != BASE_OK) return;
    struct gossip__member *m = gossip__find(g, &leave.key);
    if (gossip__is_future(g, leave.incarnation)) return;
    if (m == &g->members[0]) {
        leave_of_self(g, from, item, &leave);
        return;
    }
    if (m == NULL) {
        leave_of_pending(g, from, item, &leave);
        return;
    }
    uint64_t left = gossip__leave_incarnation(g, m);
    if (leave.incarnation < m->record->incarnation || leave.incarnation <= left) {
        if (m->state == GOSSIP_LEFT && leave.incarnation == left)
            g->counters.statements_duplicate++;
        else
            g->counters.statements_stale++;
        return;
    }
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &m->record->key, from)) return;
    struct gossip__leave kept = leave_of(item, &leave);
    gossip__leave_store(g, m, &kept);
    gossip__probe_drop(g, m);
    if (m->agenda_at != 0) gossip__agenda_open(g, m)->dial_ms = 0;
    gossip__state(g, m, GOSSIP_LEFT, GOSSIP_WHY_LEAVE);
    gossip__arm(g, m);
    gossip__news_member(g, BASE_STATEMENT_LEAVE, m, gossip__slot(g, from));
}

/* ---- sessions ---- */

static int peer_check(struct gossip *g, const struct gossip_event *ev, struct gossip_record *record)
{
    const struct base_slice *body = &ev->u.peer_up.record;
    if (g->left || base_key33_equal(&ev->key, &g->members[0].record->key)) return BASE_ESTATE;
    if (ev->u.peer_up.proof.len > GOSSIP_PROOF_BYTES_MAX) return BASE_ETOOBIG;
    int rv = gossip_record_decode(record, body->data, body->len);
    if (rv != BASE_OK) return rv;
    if (!base_key33_equal(&record->node_key, &ev->key)) return BASE_EMALFORMED;
    if (gossip__is_future(g, record->incarnation)) return BASE_EINVAL;
    return gossip__store_find(g->store, body, &ev->u.peer_up.sig) != NULL ||
                   gossip__verify(g, BASE_STATEMENT_RECORD, body, &ev->u.peer_up.sig, &ev->key,
                                  NULL)
               ? BASE_OK
               : BASE_ESIG;
}

/* What the session showed against what we knew: newer counts, and is news that we heard first. */
static void peer_merge(struct gossip *g, struct gossip__member *m,
                       const struct gossip__version *version)
{
    if (m->state == GOSSIP_NONE) {
        push_soon(g, m);
        gossip__revive(g, m, GOSSIP_WHY_SESSION);
        return;
    }
    int order = gossip__compare_version(m, version->record->incarnation, version->record->sequence);
    bool is_other = order == 0 && !is_same_body(m, &version->body);
    if (is_other) contradiction(g, m, &version->body, version->sig, &m->record->key);
    if (order > 0 || (is_other && gossip__is_digest_higher(m, &version->body)))
        gossip__record_accept(g, m, version, 0, GOSSIP__NONE);
    if (m->state == GOSSIP_SUSPECT || m->state == GOSSIP_FAILED) {
        gossip__probe_won(g, m, GOSSIP_WHY_SESSION); /* it answers for itself */
        return;
    }
    gossip__probe_drop(g, m);
}

int gossip__peer_up(struct gossip *g, const struct gossip_event *ev)
{
    struct gossip_record record;
    int rv = peer_check(g, ev, &record);
    if (rv != BASE_OK) return rv;
    struct gossip__version version = {&record, ev->u.peer_up.record, ev->u.peer_up.proof,
                                      &ev->u.peer_up.sig};
    struct gossip__member *m = gossip__find(g, &ev->key);
    gossip__pending_drop(g, gossip__pending_find(g, &ev->key));
    if (m == NULL) m = gossip__member_add(g, &version);
    if (m == NULL) return BASE_EFULL;
    if (g->settled_ms == GOSSIP__NEVER)
        g->settled_ms = g->now_ms + 2 * (uint64_t)g->cfg.probe_interval_ms;
    gossip__dial_done(g, m, true);
    if (m->agenda_at != 0) {
        struct gossip__agenda *a = gossip__agenda_open(g, m);
        a->dial_ms = a->dial_backoff_ms = a->dial_lost_ms = a->dial_failed_ms = 0;
        a->sync_mask = 0;
    }
    gossip__link(g, m, true);
    gossip__member_weight(g, m, ev->u.peer_up.weight);
    peer_merge(g, m, &version);
    gossip__arm(g, m);
    gossip__errands_linked(g, m);
    gossip__suspects_tell(g, m);
    if (ev->u.peer_up.dialed) gossip__ping(g, m, 0);
    return BASE_OK;
}
