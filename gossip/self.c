/* Our own record: made, changed, defended, taken back. */
#include <string.h>

#include "gossip/gossip_internal.h"

/* Encodes self, signs it and makes it our row of the table. Nothing changes on an error, but for
 * BASE_EFULL: then g->self is ahead of our row, and the next change of ours is ahead of both. */
static int self_sign(struct gossip *g, const struct gossip_record *self)
{
    struct gossip_signed_record made;
    int rv = gossip_record_encode(made.body, &made.body_len, sizeof made.body, self);
    if (rv == BASE_OK)
        rv = gossip__sign(g, BASE_STATEMENT_RECORD, made.body, made.body_len, &made.sig);
    if (rv != BASE_OK) return rv;
    memcpy(g->self_text, made.body, made.body_len);
    rv = gossip_record_decode(&g->self, g->self_text, made.body_len);
    if (rv != BASE_OK) return rv;
    struct gossip__version version = {
        .record = &g->self,
        .body = {made.body, made.body_len},
        .proof = g->cfg.proof,
        .sig = &made.sig,
    };
    bool done = g->count == 0 ? gossip__member_add(g, &version) != NULL
                              : gossip__member_store(g, &g->members[0], &version);
    return done ? BASE_OK : BASE_EFULL;
}

static int self_publish(struct gossip *g, const struct gossip_record *self)
{
    int rv = self_sign(g, self);
    if (rv != BASE_OK) return rv;
    gossip__act(g, GOSSIP_ACT_SELF, &g->members[0].record->key)->u.self.incarnation =
        g->self.incarnation;
    gossip__news_member(g, BASE_STATEMENT_RECORD, &g->members[0], GOSSIP__NONE);
    return BASE_OK;
}

/* Numbers grow later, and must still fit then: try the record with the longest ones. */
static int self_check(const struct gossip_record *self)
{
    struct gossip_record longest = *self;
    struct gossip_signed_record made;
    longest.incarnation = INT64_MAX;
    longest.sequence = INT64_MAX;
    return gossip_record_encode(made.body, &made.body_len, sizeof made.body, &longest);
}

int gossip__self_init(struct gossip *g)
{
    const struct gossip_record *self = &g->cfg.self;
    if (self->incarnation == 0 || self->incarnation > INT64_MAX / 2) return BASE_EINVAL;
    if (self->sequence > INT64_MAX / 2) return BASE_EINVAL;
    if (self_check(self) != BASE_OK) return BASE_EINVAL;
    g->epoch = self->incarnation;
    return self_sign(g, self);
}

int gossip__self_refute(struct gossip *g, uint64_t incarnation)
{
    struct gossip_record self = g->self;
    if (incarnation < self.incarnation) incarnation = self.incarnation;
    g->refute_ms = GOSSIP__NEVER;
    if (incarnation >= INT64_MAX || g->left) return BASE_OK; /* nothing above it to claim */
    if (gossip__is_above_max(g, incarnation + 1)) {          /* nobody would hear us yet */
        g->refute_ms = g->now_ms + GOSSIP__REFUTE_SLOW_MS;
        return BASE_OK;
    }
    self.incarnation = incarnation + 1;
    g->refuted_ms = g->now_ms;
    g->counters.refutations_own++;
    return self_publish(g, &self);
}

void gossip__self_accused(struct gossip *g)
{
    uint64_t pace = g->epoch + (g->now_ms - g->started_ms) / 1000 + GOSSIP__REFUTE_BURST;
    uint64_t earliest = g->refuted_ms + (g->self.incarnation < pace ? GOSSIP__REFUTE_GAP_MS
                                                                    : GOSSIP__REFUTE_SLOW_MS);
    if (g->left || g->refute_ms != GOSSIP__NEVER) return;
    g->refute_ms = g->refuted_ms != 0 && earliest > g->now_ms ? earliest : g->now_ms;
}

int gossip__self_update(struct gossip *g, const struct gossip_record *update)
{
    struct gossip_record self = *update;
    if (g->left || g->self.sequence >= INT64_MAX) return BASE_ESTATE;
    self.node_key = g->self.node_key;
    self.instance = g->self.instance;
    self.incarnation = g->self.incarnation;
    self.sequence = g->self.sequence + 1;
    int rv = self_check(&self);
    return rv == BASE_OK ? self_publish(g, &self) : rv;
}

/* Signed, so that it may come through anybody; at our incarnation, so that it beats every
 * suspicion of it and loses to our return. */
int gossip__self_leave(struct gossip *g)
{
    struct gossip__member *m = &g->members[0];
    struct gossip_leave leave = {m->record->key, g->self.incarnation};
    struct gossip__leave made = {.incarnation = leave.incarnation};
    if (g->left) return BASE_OK;
    made.len = (uint16_t)gossip_leave_encode(made.body, &leave);
    int rv = gossip__sign(g, BASE_STATEMENT_LEAVE, made.body, made.len, &made.sig);
    if (rv != BASE_OK) return rv;
    gossip__leave_store(g, m, &made);
    gossip__state(g, m, GOSSIP_LEFT, GOSSIP_WHY_SELF);
    gossip__news_member(g, BASE_STATEMENT_LEAVE, m, GOSSIP__NONE);
    g->left = true;
    g->tick_ms = GOSSIP__NEVER;
    g->refute_ms = GOSSIP__NEVER;
    g->leave_ms = g->now_ms + (g->link_count > 0 ? g->cfg.leave_linger_ms : 0);
    return BASE_OK;
}

void gossip_self_record(struct gossip_signed_record *out, const struct gossip *g)
{
    const struct gossip__stored *record = g->members[0].record;
    memcpy(out->body, record->bytes, record->body_len);
    out->body_len = record->body_len;
    out->sig = record->sig;
}
