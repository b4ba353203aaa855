/* One protocol period: ping, ack, ping-req, nack; and the errands that we run for others'.
 *
 * Source: SWIM, section 3.1 (probe and ping-req), Lifeguard, section IV.A (local health). An
 * indirect answer is signed by the target over the requester's nonce, so that no relay can keep a
 * dead member alive. */
#include <string.h>

#include "base/aead.h"
#include "gossip/gossip_internal.h"

#define TICK_FAR   8 /* in a sparse mesh, every so many ticks anybody at all is asked */
#define TICK_LOOKS 8 /* members a tick passes over */

uint64_t gossip__scaled(const struct gossip *g, uint64_t ms)
{
    return ms * (1 + g->awareness);
}

/* Nobody who sees our probes can tell the next nonce. */
static uint64_t nonce_next(struct gossip *g)
{
    uint8_t text[16];
    struct base_hash32 hash;
    base_put_u64be(text, g->cfg.seed);
    base_put_u64be(text + 8, ++g->nonce_counter);
    base_sha256(&hash, text, sizeof text);
    uint64_t nonce = base_get_u64be(hash.bytes) & INT64_MAX;
    return nonce != 0 ? nonce : 1; /* 0 is a greeting's */
}

static void fill_ping(struct gossip *g, uint8_t type, uint64_t nonce)
{
    g->out->type = type;
    g->out->u.ping.nonce = nonce;
    gossip__digest(g, &g->out->u.ping.digest);
    bool is_greeting = nonce == 0;
    g->out->u.ping.id_count = gossip__event_ids(
        g, g->out->u.ping.ids, is_greeting ? GOSSIP_EVENT_IDS_MAX : GOSSIP__PING_IDS, !is_greeting);
}

void gossip__ping(struct gossip *g, struct gossip__member *m, uint64_t nonce)
{
    fill_ping(g, GOSSIP_FRAME_PING, nonce);
    if (nonce == 0) m->greeted = true;
    gossip__send(g, m, g->out);
}

static void send_relay(struct gossip *g, struct gossip__member *to, uint8_t type,
                       const struct base_key33 *key, uint64_t nonce)
{
    g->out->type = type;
    g->out->u.relay.key = *key;
    g->out->u.relay.nonce = nonce;
    gossip__send(g, to, g->out);
}

/* ---- our own probes ---- */

static void ask_relays(struct gossip *g, struct gossip__member *m)
{
    struct gossip__probe *p = &gossip__agenda_open(g, m)->probe;
    p->phase = GOSSIP__INDIRECT;
    p->due_ms = p->started_ms + gossip__scaled(g, g->cfg.probe_interval_ms);
    uint64_t earliest = g->now_ms + gossip__scaled(g, g->cfg.probe_timeout_ms);
    if (p->due_ms < earliest) p->due_ms = earliest; /* our health has changed meanwhile */
    p->asked = (uint32_t)gossip__pick_links(g, p->relays, g->cfg.indirect_count, gossip__slot(g, m),
                                            GOSSIP__NONE);
    for (uint32_t i = 0; i < p->asked; i++)
        send_relay(g, &g->members[p->relays[i]], GOSSIP_FRAME_PING_REQ, &m->record->key, p->nonce);
    gossip__arm(g, m);
}

/* Could a dial that failed just now work already? */
static bool is_just_refused(const struct gossip *g, const struct gossip__member *m)
{
    uint64_t failed_ms = gossip__agenda(g, m)->dial_failed_ms;
    return failed_ms != 0 && g->now_ms - failed_ms < g->cfg.probe_interval_ms;
}

void gossip__probe_start(struct gossip *g, struct gossip__member *m)
{
    if (g->left || m->state == GOSSIP_LEFT) return;
    g->counters.probes++;
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    a->probe = (struct gossip__probe){
        .phase = GOSSIP__DIRECT,
        .nonce = nonce_next(g),
        .started_ms = g->now_ms,
        .due_ms = g->now_ms + gossip__scaled(g, g->cfg.probe_timeout_ms),
        .dial_failed = !m->linked && is_just_refused(g, m),
    };
    if (m->linked) {
        a->probe.pinged = true;
        gossip__ping(g, m, a->probe.nonce);
        gossip__arm(g, m);
        return;
    }
    if (!a->probe.dial_failed && (a->dial_ms == 0 || a->dial_ms > a->probe.due_ms))
        gossip__want_link(g, m);
    /* Where links are few a relay would have to dial as well: ask it when our own dial is in vain.
     */
    if (gossip__is_thin(g) && m->dialing)
        gossip__arm(g, m);
    else
        ask_relays(g, m);
}

static void awareness_worse(struct gossip *g, uint32_t by)
{
    g->awareness += by;
    if (g->awareness > g->cfg.awareness_max) g->awareness = g->cfg.awareness_max;
}

/* An answer that came, but too late to save the relays the trouble, says that our time-outs are
 * too short for this network. It weighs two against one: a third of late answers holds the
 * balance, so that fewer liars than that move nothing. */
static void awareness_won(struct gossip *g, const struct gossip__probe *p)
{
    if (p->phase == GOSSIP__IDLE || !p->pinged) return;
    if (p->phase == GOSSIP__INDIRECT)
        awareness_worse(g, 2);
    else if (g->awareness > 0)
        g->awareness--;
}

/* Relays that stay silent too make us doubt ourselves rather than the target. */
static void probe_lost(struct gossip *g, struct gossip__member *m)
{
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    g->counters.probes_failed++;
    if (a->probe.asked == 0 || a->probe.nacked < a->probe.asked) awareness_worse(g, 1);
    a->probe.phase = GOSSIP__IDLE;
    if (m->state == GOSSIP_ALIVE) {
        gossip__suspect(g, m);
    } else if (m->state == GOSSIP_SUSPECT) {
        a->reprobe_ms = g->now_ms + g->cfg.probe_interval_ms;
    } else if (m->linked) { /* failed, and hung: again later */
        a->dial_ms = g->now_ms + g->cfg.probe_interval_ms;
    }
    gossip__arm(g, m);
}

/* Link closed, dial refused, every relay says no: waiting for the rest of the period would teach
 * us nothing. */
void gossip__probe_hopeless(struct gossip *g, struct gossip__member *m)
{
    const struct gossip__probe *p = &gossip__agenda(g, m)->probe;
    if (p->phase == GOSSIP__DIRECT && !m->linked && p->dial_failed) ask_relays(g, m);
    if (p->phase == GOSSIP__INDIRECT && !m->linked && p->dial_failed && p->nacked == p->asked)
        probe_lost(g, m);
}

void gossip__probe_due(struct gossip *g, struct gossip__member *m)
{
    if (gossip__agenda(g, m)->probe.phase == GOSSIP__DIRECT)
        ask_relays(g, m);
    else
        probe_lost(g, m);
}

void gossip__probe_won(struct gossip *g, struct gossip__member *m, enum gossip_reason reason)
{
    bool was_failed = m->state == GOSSIP_FAILED;
    awareness_won(g, &gossip__agenda(g, m)->probe);
    gossip__probe_drop(g, m);
    gossip__arm(g, m);
    if (m->state != GOSSIP_SUSPECT && !was_failed) return;
    /* Others may hold it failed as well: let it refute to everybody. */
    if (was_failed || gossip__is_accused(g, m)) gossip__accuse_to(g, m);
    gossip__revive(g, m, reason);
}

/* Somebody at the other end of a link: all members together ask everybody once an interval. */
static bool tick_near(struct gossip *g)
{
    uint16_t slot;
    if (g->ticks % TICK_FAR == 0) return false;
    if (gossip__pick_links(g, &slot, 1, GOSSIP__NONE, GOSSIP__NONE) == 0) return false;
    if (!gossip__is_probing(g, &g->members[slot])) gossip__probe_start(g, &g->members[slot]);
    return true;
}

/* Chance alone leaves a member unasked for k intervals with probability e^-k, and a hung one
 * unnoticed as long. So each has one who asks it every other time: whose successor it is. */
static bool tick_successor(struct gossip *g)
{
    struct gossip__member *m = g->ticks % 2 == 0 ? gossip__successor(g) : NULL;
    if (m == NULL || gossip__is_probing(g, m)) return false;
    gossip__probe_start(g, m);
    return true;
}

/* One that is being asked; or one without a link while there are enough links: asking would make
 * one. Those who have a link to it ask it, and whose successor it is. */
static bool is_passed_over(const struct gossip *g, const struct gossip__member *m)
{
    if (gossip__is_probing(g, m)) return true;
    return !gossip__is_sparse(g) && !m->linked && m->state == GOSSIP_ALIVE &&
           g->link_count >= GOSSIP__LINKS_AT_ONCE;
}

/* Round robin over a shuffled list: everybody is asked once a round (SWIM, section 4.3). */
void gossip__tick(struct gossip *g)
{
    g->tick_ms = g->now_ms + g->cfg.probe_interval_ms;
    gossip__voices_earn(g);
    g->repair_budget = GOSSIP__REPAIR_MAX;
    g->ticks++;
    if (gossip__is_sparse(g)) {
        gossip__links_keep(g);
        if (tick_near(g)) return;
    } else if (tick_successor(g)) {
        return;
    }
    for (uint32_t looks = 0; looks < TICK_LOOKS && g->order_count > 0; looks++) {
        if (g->order_next >= g->order_count) gossip__order_shuffle(g);
        struct gossip__member *m = &g->members[g->order[g->order_next++]];
        if (is_passed_over(g, m)) continue;
        gossip__probe_start(g, m);
        return;
    }
}

void gossip__ping_in(struct gossip *g, struct gossip__member *from)
{
    uint64_t nonce = g->in->u.ping.nonce;
    fill_ping(g, GOSSIP_FRAME_ACK, nonce);
    gossip__send(g, from, g->out);
    gossip__ids_in(g, from, g->in->u.ping.ids, g->in->u.ping.id_count);
}

/* A digest that we did not ask for starts nothing: else a peer would say how often we sync. */
void gossip__ack_in(struct gossip *g, struct gossip__member *from)
{
    const struct gossip__probe *p = &gossip__agenda(g, from)->probe;
    bool is_probes = p->phase != GOSSIP__IDLE && g->in->u.ping.nonce == p->nonce;
    bool is_greetings = from->greeted && g->in->u.ping.nonce == 0;
    if (is_probes) {
        g->counters.acks++;
        /* A pause of ours moves the start on, past now when it is answered at once. */
        from->rtt_ms = p->started_ms < g->now_ms ? (uint32_t)(g->now_ms - p->started_ms) : 0;
        gossip__probe_won(g, from, GOSSIP_WHY_ACK);
    }
    if (is_greetings) from->greeted = false;
    gossip__ids_in(g, from, g->in->u.ping.ids, g->in->u.ping.id_count);
    if (is_probes || is_greetings) gossip__sync_if_differs(g, from, &g->in->u.ping.digest);
}

/* Which of the relays of this probe is it? GOSSIP__RELAYS_MAX: none. */
static uint32_t relay_index(const struct gossip__probe *p, uint16_t slot)
{
    for (uint32_t i = 0; i < p->asked; i++)
        if (p->relays[i] == slot) return i;
    return GOSSIP__RELAYS_MAX;
}

void gossip__nack_in(struct gossip *g, struct gossip__member *from)
{
    struct gossip__member *m = gossip__find(g, &g->in->u.relay.key);
    g->counters.nacks++;
    if (m == NULL || gossip__agenda(g, m)->probe.phase != GOSSIP__INDIRECT) return;
    struct gossip__probe *p = &gossip__agenda_open(g, m)->probe;
    uint32_t i = relay_index(p, gossip__slot(g, from));
    if (i == GOSSIP__RELAYS_MAX || p->nonce != g->in->u.relay.nonce) return;
    p->relays[i] = GOSSIP__NONE; /* each once */
    p->nacked++;
    gossip__probe_hopeless(g, m);
}

/* ---- errands: we ask the target for somebody else ---- */

static void errands_arm(struct gossip *g)
{
    g->errand_ms = GOSSIP__NEVER;
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++)
        if (g->errands[i].used && g->errands[i].due_ms < g->errand_ms)
            g->errand_ms = g->errands[i].due_ms;
}

/* A requester whose own time-outs have grown waits longer than we say no. */
static void errand_nack(struct gossip *g, struct gossip__errand *e)
{
    if (e->nacked) return;
    e->nacked = true;
    e->due_ms = g->now_ms + 4 * (uint64_t)g->cfg.probe_interval_ms;
    send_relay(g, &g->members[e->requester], GOSSIP_FRAME_NACK, &g->members[e->target].record->key,
               e->nonce);
}

/* One a requester and target; else a free place, else that of the one answered longest ago. NULL:
 * all are open, or as many as one requester may have. */
static struct gossip__errand *errand_room(struct gossip *g, uint16_t requester, uint16_t target)
{
    struct gossip__errand *room = NULL;
    uint32_t open = 0;
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++) {
        struct gossip__errand *e = &g->errands[i];
        if (e->used && e->requester == requester && e->target == target) return e;
        if (e->used && !e->nacked) {
            open += e->requester == requester;
            continue;
        }
        if (room == NULL || (room->used && (!e->used || e->due_ms < room->due_ms))) room = e;
    }
    return open < GOSSIP__ERRANDS_OF ? room : NULL;
}

/* The answer must be there before the requester's own time is over. */
static struct gossip__errand *errand_add(struct gossip *g, uint16_t requester, uint16_t target,
                                         uint64_t nonce)
{
    struct gossip__errand *e = errand_room(g, requester, target);
    if (e == NULL) return NULL;
    *e = (struct gossip__errand){
        .used = true,
        .requester = requester,
        .target = target,
        .nonce = nonce,
        .due_ms = g->now_ms + (uint64_t)g->cfg.probe_timeout_ms * 4 / 5,
    };
    errands_arm(g);
    return e;
}

void gossip__errands_due(struct gossip *g)
{
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++) {
        struct gossip__errand *e = &g->errands[i];
        if (!e->used || e->due_ms > g->now_ms) continue;
        if (e->nacked)
            e->used = false;
        else
            errand_nack(g, e);
    }
    errands_arm(g);
}

void gossip__errands_linked(struct gossip *g, struct gossip__member *m)
{
    uint16_t slot = gossip__slot(g, m);
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++)
        if (g->errands[i].used && g->errands[i].target == slot)
            send_relay(g, m, GOSSIP_FRAME_CHALLENGE,
                       &g->members[g->errands[i].requester].record->key, g->errands[i].nonce);
}

void gossip__errands_failed(struct gossip *g, struct gossip__member *m)
{
    uint16_t slot = gossip__slot(g, m);
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++)
        if (g->errands[i].used && g->errands[i].target == slot) errand_nack(g, &g->errands[i]);
    errands_arm(g);
}

void gossip__errands_forget(struct gossip *g, uint16_t slot)
{
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++)
        if (g->errands[i].requester == slot || g->errands[i].target == slot)
            g->errands[i].used = false;
    errands_arm(g);
}

static void send_refute(struct gossip *g, struct gossip__member *to,
                        const struct base_key33 *requester, uint64_t nonce)
{
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct gossip_refutation refutation = {g->members[0].record->key, g->self.incarnation,
                                           *requester, nonce};
    g->out->type = GOSSIP_FRAME_REFUTE;
    g->out->u.refute.body = (struct base_slice){body, gossip_refutation_encode(body, &refutation)};
    if (gossip__sign(g, BASE_STATEMENT_REFUTATION, body, g->out->u.refute.body.len,
                     &g->out->u.refute.sig) == BASE_OK)
        gossip__send(g, to, g->out);
}

/* Could we reach it for another? In a sparse mesh we have no more links for that than we keep, and
 * where they are being made no more at a time than at first. */
static bool is_reachable(const struct gossip *g, const struct gossip__member *m)
{
    if (m->linked || m->dialing) return true;
    if (is_just_refused(g, m)) return false;
    if (gossip__is_thin(g) && g->dialing_count >= GOSSIP__LINKS_AT_ONCE) return false;
    return !gossip__is_sparse(g) || g->link_count + g->dialing_count < g->cfg.links_max;
}

void gossip__ping_req_in(struct gossip *g, struct gossip__member *from)
{
    uint64_t nonce = g->in->u.relay.nonce;
    struct gossip__member *m = gossip__find(g, &g->in->u.relay.key);
    g->counters.relays++;
    if (m == &g->members[0]) {
        send_refute(g, from, &from->record->key, nonce);
        return;
    }
    if (m == NULL || m == from || m->state == GOSSIP_LEFT || g->left || !is_reachable(g, m) ||
        errand_add(g, gossip__slot(g, from), gossip__slot(g, m), nonce) == NULL) {
        struct base_key33 key = g->in->u.relay.key;
        send_relay(g, from, GOSSIP_FRAME_NACK, &key, nonce);
        return;
    }
    if (m->linked)
        send_relay(g, m, GOSSIP_FRAME_CHALLENGE, &from->record->key, nonce);
    else
        gossip__want_link(g, m);
}

/* A member's question through a member: signing for strangers would make us an oracle. */
void gossip__challenge_in(struct gossip *g, struct gossip__member *from)
{
    const struct gossip__member *requester = gossip__find(g, &g->in->u.relay.key);
    if (requester == NULL || requester == &g->members[0]) {
        g->counters.statements_non_member++;
        return;
    }
    send_refute(g, from, &requester->record->key, g->in->u.relay.nonce);
}

static void refute_pass_on(struct gossip *g, struct gossip__member *from,
                           const struct gossip_refutation *refutation)
{
    for (size_t i = 0; i < GOSSIP__ERRANDS_MAX; i++) {
        struct gossip__errand *e = &g->errands[i];
        if (!e->used || e->target != gossip__slot(g, from) || e->nonce != refutation->nonce ||
            !base_key33_equal(&g->members[e->requester].record->key, &refutation->requester))
            continue;
        /* Checked here as well: what we pass on forged would be held against us. */
        if (!gossip__verify(g, BASE_STATEMENT_REFUTATION, &g->in->u.refute.body,
                            &g->in->u.refute.sig, &from->record->key, from))
            return;
        e->used = false;
        gossip__send(g, &g->members[e->requester], g->in);
        errands_arm(g);
        return;
    }
    g->counters.statements_stale++;
}

int gossip__refute_in(struct gossip *g, struct gossip__member *from)
{
    struct gossip_refutation refutation;
    const struct base_slice *body = &g->in->u.refute.body;
    int rv = gossip_refutation_decode(&refutation, body->data, body->len);
    if (rv != BASE_OK) return BASE_EMALFORMED;
    if (!base_key33_equal(&refutation.requester, &g->members[0].record->key)) {
        refute_pass_on(g, from, &refutation);
        return BASE_OK;
    }
    struct gossip__member *m = gossip__find(g, &refutation.key);
    if (m == NULL) {
        g->counters.statements_non_member++;
    } else if (!gossip__is_probing(g, m) || gossip__agenda(g, m)->probe.nonce != refutation.nonce) {
        g->counters.statements_stale++;
    } else if (gossip__verify(g, BASE_STATEMENT_REFUTATION, body, &g->in->u.refute.sig,
                              &m->record->key, from)) {
        gossip__probe_won(g, m, GOSSIP_WHY_ACK);
    }
    return BASE_OK;
}
