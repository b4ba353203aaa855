/* Which links we want, when to ask for them again, and what the end of one means. */
#include "gossip/gossip_internal.h"

#define DIAL_PATIENCE_MS 10000 /* the rim should have answered by then */
#define DIAL_FIRST_MS    1000
#define DIAL_CAP_MS      4000 /* of the back-off, until the peer has been lost for a minute */
#define DIAL_SECOND_MS   1000 /* the greater key waits: both ends dialling makes two links */
#define DIAL_HURRY_MS    100
#define DIAL_SPREAD_MAX  16
#define KEEP_MAX         4 /* links that a tick asks for, or gives back */
/* Between links beyond GOSSIP__LINKS_AT_ONCE, and after each newcomer. For each member, so that all
 * together make a hundred a second, however many they are. */
#define DIAL_PACE_MS        500
#define DIAL_PACE_MEMBER_MS 10
#define DIAL_NEXT_MS        1000 /* one more, when there is no answer yet: nobody may be there */
#define DIAL_PACE           16 /* times as long as the last took: who is slow is not made slower */
#define DIAL_PACE_MAX_MS    4000
#define DIAL_PACE_MANY_MS   30000 /* of many */

void gossip__dialing(struct gossip *g, struct gossip__member *m, bool dialing)
{
    if (m->dialing == dialing) return;
    m->dialing = dialing;
    g->dialing_count += dialing ? 1u : UINT32_MAX;
}

void gossip__want_link(struct gossip *g, struct gossip__member *m)
{
    if (m->linked || m->dialing || g->left) return;
    gossip__dialing(g, m, true);
    gossip__agenda_open(g, m)->dial_ms = g->now_ms + DIAL_PATIENCE_MS;
    gossip__agenda_open(g, m)->dial_asked_ms = g->now_ms;
    gossip__arm(g, m);
    gossip__act(g, GOSSIP_ACT_WANT_LINK, &m->record->key);
}

/* A dial of ours has come to an end: the next that nothing waits for may follow. One in vain says
 * nothing of how fast we are, unless all are slow at once, as many are; and whoever is dead is
 * dialled for ever, and holds nobody up. */
void gossip__dial_done(struct gossip *g, struct gossip__member *m, bool is_made)
{
    if (!m->dialing) return;
    gossip__dialing(g, m, false);
    if (!is_made && (m->state == GOSSIP_FAILED || !gossip__is_many(g))) return;
    uint64_t pace_ms = DIAL_PACE * (g->now_ms - gossip__agenda(g, m)->dial_asked_ms);
    if (pace_ms < DIAL_PACE_MEMBER_MS * (uint64_t)g->count)
        pace_ms = DIAL_PACE_MEMBER_MS * (uint64_t)g->count;
    if (pace_ms < DIAL_PACE_MS) pace_ms = DIAL_PACE_MS;
    uint64_t max_ms = gossip__is_many(g) ? DIAL_PACE_MANY_MS : DIAL_PACE_MAX_MS;
    if (pace_ms > max_ms) pace_ms = max_ms;
    g->dial_paced_ms = g->now_ms + pace_ms;
}

/* However many they are, those who lost a member shall not dial it much oftener than a full mesh
 * would: it is dead, or will say itself that it is back. */
static uint64_t dial_spread(const struct gossip *g)
{
    uint64_t spread = gossip__is_sparse(g) ? g->order_count / (g->cfg.links_max + 1u) : 1;
    if (spread > DIAL_SPREAD_MAX) spread = DIAL_SPREAD_MAX;
    return spread > 0 ? spread : 1;
}

/* For ever, but ever less often: from a second up to four, and once the peer has been lost for
 * longer, up to a sixteenth of that time. */
void gossip__dial_plan(struct gossip *g, struct gossip__member *m)
{
    if (m->linked || m->dialing || g->left || m->state == GOSSIP_LEFT) return;
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    if (a->dial_lost_ms == 0) a->dial_lost_ms = g->now_ms;
    uint64_t cap = (g->now_ms - a->dial_lost_ms) / 16, spread = dial_spread(g);
    if (cap < DIAL_CAP_MS) cap = DIAL_CAP_MS;
    if (cap > g->cfg.retry_max_ms) cap = g->cfg.retry_max_ms;
    cap *= spread;
    a->dial_backoff_ms = a->dial_backoff_ms == 0 ? spread * DIAL_FIRST_MS : 2 * a->dial_backoff_ms;
    if (a->dial_backoff_ms > cap) a->dial_backoff_ms = cap;
    uint64_t jitter = base_prng_between(&g->prng, 0, a->dial_backoff_ms / 4);
    a->dial_ms = g->now_ms + a->dial_backoff_ms + jitter;
    gossip__arm(g, m);
}

static bool is_first_to_dial(const struct gossip *g, const struct gossip__member *m)
{
    return base_key33_compare(&g->members[0].record->key, &m->record->key) < 0;
}

static void dial_forget(struct gossip *g, struct gossip__member *m)
{
    if (m->agenda_at == 0) return;
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    a->dial_ms = a->dial_backoff_ms = a->dial_lost_ms = a->dial_failed_ms = 0;
    gossip__arm(g, m);
}

static void dial_at(struct gossip *g, struct gossip__member *m, uint64_t second_ms)
{
    if (m->linked || m->dialing || g->left) return;
    if (gossip__is_sparse(g)) { /* gossip__links_keep() and probes say with whom */
        dial_forget(g, m);
        return;
    }
    gossip__agenda_open(g, m)->dial_ms = g->now_ms + (is_first_to_dial(g, m) ? 0 : second_ms);
    gossip__arm(g, m);
}

void gossip__dial_soon(struct gossip *g, struct gossip__member *m)
{
    if (m->state == GOSSIP_ALIVE && g->dial_paced_ms < g->now_ms + DIAL_PACE_MS)
        g->dial_paced_ms = g->now_ms + DIAL_PACE_MS;
    if (m->agenda_at != 0) gossip__agenda_open(g, m)->dial_backoff_ms = 0;
    dial_at(g, m, DIAL_SECOND_MS);
}

static void dial_paced(struct gossip *g, struct gossip__member *m, uint32_t links)
{
    if (links < GOSSIP__LINKS_AT_ONCE) {
        gossip__want_link(g, m);
    } else if (g->now_ms >= g->dial_paced_ms) {
        g->dial_paced_ms = g->now_ms + (gossip__is_many(g) ? DIAL_PATIENCE_MS : DIAL_NEXT_MS);
        gossip__want_link(g, m);
    } else {
        gossip__agenda_open(g, m)->dial_ms = g->now_ms + DIAL_PACE_MS;
        gossip__arm(g, m);
    }
}

void gossip__dial_due(struct gossip *g, struct gossip__member *m)
{
    gossip__agenda_open(g, m)->dial_ms = 0;
    gossip__dial_done(g, m, false);
    if (g->left || m->state == GOSSIP_LEFT) return;
    if (m->linked) { /* hung, with its link still open: ask it */
        if (m->state == GOSSIP_FAILED && !gossip__is_probing(g, m)) gossip__probe_start(g, m);
        return;
    }
    bool is_needed = m->state == GOSSIP_FAILED || gossip__is_probing(g, m);
    bool is_sparse = gossip__is_sparse(g);
    uint32_t links = g->link_count + g->dialing_count;
    if (is_needed)
        gossip__want_link(g, m);
    else if (!is_sparse && links < g->cfg.links_max)
        dial_paced(g, m, links);
    else if (is_sparse)
        dial_forget(g, m);
    else
        gossip__dial_plan(g, m); /* there are links to members that are none any more */
}

int gossip__dial_failed(struct gossip *g, const struct base_key33 *key)
{
    struct gossip__member *m = gossip__find(g, key);
    if (m == NULL || m == &g->members[0]) return BASE_ENOPEER;
    gossip__dial_done(g, m, false);
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    a->dial_ms = 0;
    a->dial_failed_ms = g->now_ms;
    gossip__dial_plan(g, m);
    gossip__errands_failed(g, m);
    if (m->linked) return BASE_OK;
    if (gossip__is_probing(g, m)) {
        gossip__agenda_open(g, m)->probe.dial_failed = true;
        gossip__probe_hopeless(g, m);
    } else if (m->state == GOSSIP_ALIVE) {
        gossip__probe_start(g, m); /* others may reach it */
        gossip__probe_hopeless(g, m);
    }
    return BASE_OK;
}

/* A closed link is seen within one round trip of a death, and says no more than that: the probe
 * through others starts now instead of when its turn comes. */
int gossip__peer_down(struct gossip *g, const struct base_key33 *key)
{
    struct gossip__member *m = gossip__find(g, key);
    if (m == NULL || !m->linked) return BASE_ENOPEER;
    bool is_parting = m->parting;
    gossip__link(g, m, false);
    if (is_parting && m->state == GOSSIP_ALIVE) {
        gossip__agenda_open(g, m)->sync_mask = 0;
        dial_forget(g, m);
        return BASE_OK;
    }
    struct gossip__agenda *a = gossip__agenda_open(g, m);
    a->sync_mask = 0;
    a->dial_backoff_ms = 0;
    a->dial_lost_ms = g->now_ms;
    a->dial_failed_ms = 0;
    if (m->state == GOSSIP_LEFT || g->left) return BASE_OK;
    if (m->state == GOSSIP_FAILED) {
        a->probe.phase = GOSSIP__IDLE;
        gossip__dial_plan(g, m);
        return BASE_OK;
    }
    dial_at(g, m, DIAL_HURRY_MS);
    gossip__probe_start(g, m);
    return BASE_OK;
}

/* ---- a sparse mesh: links at random, half of them of our own choice ---- */

static void part(struct gossip *g, struct gossip__member *m)
{
    g->out->type = GOSSIP_FRAME_PART;
    g->out->u.part.why = 0;
    gossip__send(g, m, g->out);
    m->parting = true;
    gossip__act(g, GOSSIP_ACT_DROP_LINK, &m->record->key);
}

static void links_give_back(struct gossip *g, uint32_t count)
{
    uint16_t slots[KEEP_MAX];
    size_t picked = gossip__pick_links(g, slots, count < KEEP_MAX ? count : KEEP_MAX, GOSSIP__NONE,
                                       GOSSIP__NONE);
    for (size_t i = 0; i < picked; i++) {
        struct gossip__member *m = &g->members[slots[i]];
        bool is_needed = m->state != GOSSIP_ALIVE || gossip__is_probing(g, m) ||
                         gossip__agenda(g, m)->sync_mask != 0 ||
                         (g->now_ms < g->deep_ms && g->deep_slot == slots[i]);
        if (!is_needed) part(g, m);
    }
}

void gossip__links_keep(struct gossip *g)
{
    uint32_t wanted = (g->cfg.links_max + 1) / 2;
    if (g->link_count > g->cfg.links_max) links_give_back(g, g->link_count - g->cfg.links_max);
    for (int i = 0; i < KEEP_MAX && g->link_count + g->dialing_count < wanted; i++) {
        uint32_t at = (uint32_t)base_prng_below(&g->prng, g->order_count);
        struct gossip__member *m = &g->members[g->order[at]];
        if (m->state == GOSSIP_ALIVE) gossip__want_link(g, m);
    }
}

void gossip__part_in(struct gossip *g, struct gossip__member *from)
{
    (void)g;
    from->parting = true;
}
