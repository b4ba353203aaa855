/* Suspicion: ours ends in FAILED after its full time, sooner when others of more than a third of
 * the weight say the same, never when fewer do; later, up to four times, when a link stands, we are
 * slow ourselves, and others of more than a third of the weight do not say the same.
 *
 * Source: SWIM, section 4.2; Lifeguard, section IV.B, with weights in the place of a count K. */
#include "gossip/gossip_internal.h"

#define PATIENCE_MAX    3
#define TOLD_MAX        16 /* suspects that a new link is told of */
#define NEW_TIMES       2  /* suspicions, as long as one that has come or come back is new */
#define VOICE_MEMBER_MS 5  /* of waiting before we accuse, for each of more than 64 members */

/* 1000 * log10(n), linear between powers of two: 3 % at most, and no floating point. */
static uint64_t log10_milli(uint64_t n)
{
    uint64_t power = 0;
    while (n >> (power + 1) != 0)
        power++;
    uint64_t base = (uint64_t)1 << power;
    uint64_t log2_milli = 1000 * power + 1000 * (n - base) / base;
    return log2_milli * 30103 / 100000;
}

uint64_t gossip__suspicion_ms(const struct gossip *g)
{
    uint64_t milli = log10_milli((uint64_t)g->order_count + 1);
    if (milli < 1000) milli = 1000;
    return g->cfg.suspicion_mult * milli * g->cfg.probe_interval_ms / 1000;
}

/* Strictly more than a third, and none of it our own: liars of a third never get here, and every
 * member that we count has signed for this incarnation. */
static bool is_confirmed(const struct gossip *g, const struct gossip__member *m)
{
    return 3 * gossip__agenda(g, m)->accused_weight > g->weight_total;
}

/* Is it confirmed for each of those who spoke, too, who do not count themselves? Then one voice
 * more would change nobody's clock: that bounds what a death in a large mesh costs. */
static bool is_said_enough(const struct gossip *g, const struct gossip__member *m)
{
    if (!is_confirmed(g, m)) return false;
    uint64_t without = gossip__agenda(g, m)->accused_weight - gossip__accuser_heaviest(g, m);
    return 3 * without > g->weight_total;
}

/* Where a third is a crowd, nobody waits for it, and some voices alert as well as all would: each
 * then asks for itself and gives the full time. Else a death would cost each member of N the
 * signatures of N / 3. */
static bool is_crowd_alerted(const struct gossip *g, const struct gossip__member *m)
{
    return g->order_count > 3 * GOSSIP__CROWD &&
           gossip__agenda(g, m)->accuser_count >= GOSSIP__SAID_MAX;
}

/* Of those who weigh more than an even share of a crowd's third, few make a third: they are heard
 * however many others have spoken. */
static bool is_one_of_a_crowd(const struct gossip *g, const struct gossip__member *speaker)
{
    return 3 * GOSSIP__CROWD * (uint64_t)speaker->weight <= g->weight_total;
}

static void suspicion_arm(struct gossip *g, struct gossip__member *m)
{
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    uint64_t end = a->suspect_ms + gossip__suspicion_ms(g);
    if (is_confirmed(g, m)) {
        /* The accused has had its chance since the first accusation. */
        uint64_t sooner = a->accused_ms + g->cfg.suspicion_min_ms;
        if (sooner < end) end = sooner;
    }
    a->suspect_end_ms = end > g->now_ms ? end : g->now_ms;
    gossip__arm(g, m);
}

static bool accusation_make(struct gossip *g, const struct gossip__member *m,
                            enum base_statement kind, struct base_slice *body,
                            struct base_sig65 *sig)
{
    struct gossip_accusation accusation = {m->record->key, m->record->incarnation,
                                           g->members[0].record->key};
    uint8_t *bytes = gossip__arena(g, GOSSIP_STATEMENT_BYTES_MAX);
    if (bytes == NULL) return false;
    *body = (struct base_slice){bytes, gossip_accusation_encode(bytes, &accusation)};
    return gossip__sign(g, kind, body->data, body->len, sig) == BASE_OK;
}

void gossip__voices_earn(struct gossip *g)
{
    uint32_t times = 1 + g->count / GOSSIP__VOICES_MEMBERS;
    uint32_t most = GOSSIP__VOICES_MAX / times;
    if (most < GOSSIP__VOICES_MIN) most = GOSSIP__VOICES_MIN;
    if (g->voices > most) g->voices = most;
    if (g->voices < most && g->ticks % times == 0) g->voices++;
}

/* The accused is told as well, wherever a link is left. Who suspects everybody tells the accused
 * only. Among many, where each would defend itself before all, he tells nobody, and whoever is late
 * himself doubts himself. */
static void accuse(struct gossip *g, struct gossip__member *m)
{
    struct base_slice body;
    struct base_sig65 sig;
    enum base_statement kind = gossip__agenda(g, m)->accused_weight > 0
                                   ? BASE_STATEMENT_CONFIRMATION
                                   : BASE_STATEMENT_ACCUSATION;
    gossip__agenda_open(g, m)->voice_ms = 0;
    if (is_said_enough(g, m)) return;
    if (is_crowd_alerted(g, m) && is_one_of_a_crowd(g, &g->members[0])) return;
    if (gossip__is_many(g) && g->awareness > 0) return;
    if (g->voices == 0) { /* no storm of doubt */
        if (!gossip__is_many(g)) gossip__accuse_to(g, m);
        return;
    }
    g->voices--;
    if (!accusation_make(g, m, kind, &body, &sig)) return;
    gossip__agenda_open(g, m)->is_said = true;
    gossip__news_body(g, kind, body, &sig, GOSSIP__NONE);
}

/* All who had a link see it close in the same moment. If all spoke then, a third would have been
 * enough: where they are many each waits a little, and says what nobody has said meanwhile. */
static uint64_t voice_at(struct gossip *g)
{
    uint64_t spread_ms = g->count > GOSSIP__VOICES_MEMBERS
                             ? (g->count - GOSSIP__VOICES_MEMBERS) * (uint64_t)VOICE_MEMBER_MS
                             : 0;
    if (spread_ms > g->cfg.suspicion_min_ms / 2) spread_ms = g->cfg.suspicion_min_ms / 2;
    if (g->voice_ms <= g->now_ms)
        g->voice_ms = g->now_ms + (spread_ms > 0 ? base_prng_below(&g->prng, spread_ms) : 0);
    return g->voice_ms;
}

bool gossip__is_new(const struct gossip *g, const struct gossip__member *m)
{
    return g->now_ms - m->since_ms < NEW_TIMES * gossip__suspicion_ms(g);
}

/* Whoever has just come, or come back, has links to make and answers late. Among many, what is said
 * of it would be refuted before all, and said again: so it is when its full time is over. */
static bool is_settled(const struct gossip *g, const struct gossip__member *m)
{
    return !gossip__is_many(g) || !gossip__is_new(g, m);
}

/* Our own probe of m has failed. */
void gossip__suspect(struct gossip *g, struct gossip__member *m)
{
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    bool is_at_once = is_settled(g, m);
    g->counters.suspicions++;
    a->suspect_ms = g->now_ms;
    a->reprobe_ms = g->now_ms + g->cfg.probe_interval_ms;
    if (a->accused_ms == 0) a->accused_ms = g->now_ms;
    gossip__state(g, m, GOSSIP_SUSPECT, GOSSIP_WHY_PROBE);
    a->voice_ms = is_at_once ? voice_at(g) : g->now_ms + gossip__suspicion_ms(g);
    suspicion_arm(g, m);
    if (gossip__agenda(g, m)->voice_ms <= g->now_ms) accuse(g, m);
}

void gossip__accuse_to(struct gossip *g, struct gossip__member *m)
{
    struct gossip_item item = {.kind = BASE_STATEMENT_ACCUSATION};
    if (!m->linked || !accusation_make(g, m, item.kind, &item.body, &item.sig)) return;
    gossip__repair_begin(g, GOSSIP_FRAME_UPDATE);
    gossip__repair_add(g, m, &item);
    gossip__repair_end(g, m);
}

bool gossip__is_accused(const struct gossip *g, const struct gossip__member *m)
{
    const struct gossip__agenda *a = gossip__agenda(g, m);
    return a->is_said || a->accuser_count > 0;
}

void gossip__suspects_tell(struct gossip *g, struct gossip__member *to)
{
    uint32_t left = g->suspect_count < TOLD_MAX ? g->suspect_count : TOLD_MAX;
    gossip__repair_begin(g, GOSSIP_FRAME_UPDATE);
    for (uint32_t i = 0; i < g->heap_count && left > 0; i++) {
        const struct gossip__member *m = &g->members[g->heap[i]];
        struct gossip_item item = {.kind = BASE_STATEMENT_CONFIRMATION};
        if (m->state != GOSSIP_SUSPECT || m == to) continue;
        if (!accusation_make(g, m, item.kind, &item.body, &item.sig)) break;
        gossip__agenda_open(g, &g->members[g->heap[i]])->is_said = true;
        gossip__repair_add(g, to, &item);
        left--;
    }
    gossip__repair_end(g, to);
}

static void suspicion_fail(struct gossip *g, struct gossip__member *m)
{
    enum gossip_reason reason = is_confirmed(g, m) ? GOSSIP_WHY_CONFIRMED : GOSSIP_WHY_TIMEOUT;
    g->counters.failures++;
    gossip__probe_drop(g, m);
    gossip__state(g, m, GOSSIP_FAILED, reason);
    if (m->linked)
        gossip__agenda_open(g, m)->dial_ms = g->now_ms + g->cfg.probe_interval_ms;
    else if (gossip__agenda(g, m)->dial_ms == 0)
        gossip__dial_plan(g, m);
    gossip__arm(g, m);
}

/* Do others of more than a third of the weight, alive as far as we know, not say the same? */
static bool is_doubted(const struct gossip *g, const struct gossip__member *m)
{
    uint64_t weight = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        const struct gossip__member *other = &g->members[g->sorted[i]];
        if (other->state != GOSSIP_ALIVE || other == m || other == &g->members[0]) continue;
        if (!gossip__is_accuser(g, m, g->sorted[i])) weight += other->weight;
    }
    return 3 * weight > g->weight_total;
}

/* On a path that loses half, TCP holds answers up for many seconds, and a link that it gave up is
 * not dialled again in five. Who sees his own questions answered late (local health), and is alone
 * with his suspicion, waits up to four times as long. */
static bool is_prolonged(struct gossip *g, struct gossip__member *m)
{
    if (is_crowd_alerted(g, m)) return false; /* not alone, though few are listened to */
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    uint64_t times = 1 + (g->awareness < PATIENCE_MAX ? g->awareness : PATIENCE_MAX);
    uint64_t end = a->suspect_ms + times * gossip__suspicion_ms(g);
    if (is_confirmed(g, m) || end <= g->now_ms || !is_doubted(g, m)) return false;
    a->suspect_end_ms = g->now_ms + g->cfg.probe_interval_ms;
    if (a->suspect_end_ms > end) a->suspect_end_ms = end;
    return true;
}

void gossip__suspicion_due(struct gossip *g, struct gossip__member *m)
{
    uint64_t voice_ms = gossip__agenda(g, m)->voice_ms;
    if (voice_ms != 0 && voice_ms <= g->now_ms) accuse(g, m);
    const struct gossip__agenda *a = gossip__agenda(g, m);
    if (a->suspect_end_ms <= g->now_ms && !is_prolonged(g, m))
        suspicion_fail(g, m);
    else if (a->probe.phase == GOSSIP__IDLE && a->reprobe_ms <= g->now_ms)
        gossip__probe_start(g, m); /* a lossy path deserves more than one question */
}

void gossip__revive(struct gossip *g, struct gossip__member *m, enum gossip_reason reason)
{
    gossip__leave_drop(g, m);
    gossip__state(g, m, GOSSIP_ALIVE, reason);
    if (!m->linked)
        gossip__dial_soon(g, m);
    else if (m->agenda_at != 0)
        gossip__agenda_open(g, m)->dial_ms = 0;
    if (m->agenda_at != 0) gossip__agenda_open(g, m)->reprobe_ms = 0;
    gossip__arm(g, m);
}

/* ---- what others say ---- */

static void accused_self(struct gossip *g, struct gossip__member *from,
                         const struct gossip_item *item, const struct gossip_accusation *accusation)
{
    /* An incarnation of ours that we have not had can't be accused honestly: if we had been
     * rolled back, a record signed by us would say so. */
    if (accusation->incarnation != g->self.incarnation || g->left) {
        g->counters.statements_stale++;
        return;
    }
    if (g->refute_ms != GOSSIP__NEVER) { /* on its way already */
        g->counters.statements_duplicate++;
        return;
    }
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &accusation->accuser, from)) return;
    gossip__self_accused(g);
}

/* Whom we have no link to where links are few has an interval to answer for itself before we go and
 * look, and then not all of us at once: who accuses the living makes nobody dial. So has everybody
 * when we ourselves are late: looking would make us later, and what we saw would say little. */
static void look(struct gossip *g, struct gossip__member *m)
{
    bool is_late = gossip__is_many(g) ? g->awareness > 0 : 2 * g->awareness > g->cfg.awareness_max;
    if (!is_late && (m->linked || !gossip__is_thin(g))) {
        gossip__probe_start(g, m);
        return;
    }
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    uint64_t spread_ms = (2 + (is_late ? g->awareness : 0)) * (uint64_t)g->cfg.probe_interval_ms;
    if (a->reprobe_ms == 0)
        a->reprobe_ms = g->now_ms + g->cfg.probe_interval_ms + base_prng_below(&g->prng, spread_ms);
    gossip__arm(g, m);
}

void gossip__look_due(struct gossip *g, struct gossip__member *m)
{
    if (gossip__is_probing(g, m)) return;
    gossip__agenda_open(g, m)->reprobe_ms = 0;
    gossip__probe_start(g, m);
}

static void accused_other(struct gossip *g, struct gossip__member *from,
                          const struct gossip_item *item, struct gossip__member *m,
                          const struct gossip__member *accuser)
{
    if (m->state == GOSSIP_LEFT) {
        g->counters.statements_stale++;
        return;
    }
    if (gossip__is_accuser(g, m, gossip__slot(g, accuser)) ||
        (gossip__is_many(g) && is_said_enough(g, m)) ||
        (is_crowd_alerted(g, m) && is_one_of_a_crowd(g, accuser))) {
        g->counters.statements_duplicate++;
        return;
    }
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &accuser->record->key, from))
        return;
    if (!gossip__accuser_set(g, m, gossip__slot(g, accuser))) return; /* the full time holds */
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    if (a->accused_ms == 0) a->accused_ms = g->now_ms;
    gossip__news_body(g, item->kind, item->body, &item->sig, gossip__slot(g, from));
    if (m->state == GOSSIP_SUSPECT)
        suspicion_arm(g, m);
    else if (m->state == GOSSIP_ALIVE && !gossip__is_probing(g, m))
        look(g, m);
}

void gossip__accusation_in(struct gossip *g, struct gossip__member *from,
                           const struct gossip_item *item)
{
    struct gossip_accusation accusation;
    if (gossip_accusation_decode(&accusation, item->body.data, item->body.len) != BASE_OK) return;
    struct gossip__member *accuser = gossip__find(g, &accusation.accuser);
    struct gossip__member *m = gossip__find(g, &accusation.target);
    if (accuser == &g->members[0]) {
        g->counters.statements_duplicate++; /* or forged: it says nothing to us, so no matter */
    } else if (accuser == NULL || m == NULL || accuser->state == GOSSIP_LEFT) {
        g->counters.statements_non_member++;
    } else if (accuser == m) {
        g->counters.statements_invalid++;
    } else if (m == &g->members[0]) {
        accused_self(g, from, item, &accusation);
    } else if (accusation.incarnation != m->record->incarnation) {
        g->counters.statements_stale++;
    } else {
        accused_other(g, from, item, m, accuser);
    }
}
