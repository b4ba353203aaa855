/* User events: signed by their origin, pushed on first sight, delivered once. */
#include <string.h>

#include "base/utf8.h"
#include "gossip/gossip_internal.h"

#define WINDOW_BITS 64    /* behind an origin's newest event */
#define FRESH_MS    30000 /* how long routine pings offer an event */

/* ---- the filter: one window an origin ---- */

static bool is_seen(const struct gossip *g, const struct gossip__member *m, uint64_t epoch,
                    uint64_t sequence)
{
    if (m->heard_at == 0) return false;
    const struct gossip__heard *heard = gossip__pool_at(&g->heard, m->heard_at);
    if (epoch != heard->epoch) return epoch < heard->epoch;
    if (sequence > heard->top) return false;
    uint64_t back = heard->top - sequence;
    return back >= WINDOW_BITS || (heard->window >> back & 1) != 0;
}

static void mark_seen(struct gossip *g, struct gossip__member *m, uint64_t epoch, uint64_t sequence)
{
    struct gossip__heard *heard = m->heard_at != 0 ? gossip__pool_at(&g->heard, m->heard_at)
                                                   : gossip__pool_take(&g->heard, &m->heard_at);
    if (epoch < heard->epoch) return;
    if (epoch > heard->epoch) {
        *heard = (struct gossip__heard){epoch, sequence, 1};
        return;
    }
    if (sequence > heard->top) {
        uint64_t ahead = sequence - heard->top;
        heard->window = ahead >= WINDOW_BITS ? 0 : heard->window << ahead;
        heard->window |= 1;
        heard->top = sequence;
    } else if (heard->top - sequence < WINDOW_BITS) {
        heard->window |= (uint64_t)1 << (heard->top - sequence);
    }
}

/* ---- the ring kept for repair ---- */

static bool is_id_equal(const struct gossip_event_id *a, const struct gossip_event_id *b)
{
    return a->epoch == b->epoch && a->sequence == b->sequence &&
           base_key33_equal(&a->origin, &b->origin);
}

const struct gossip__event *gossip__event_find(const struct gossip *g,
                                               const struct gossip_event_id *id)
{
    for (size_t i = 0; i < GOSSIP__EVENTS_MAX; i++)
        if (g->events[i].used && is_id_equal(&g->events[i].id, id)) return &g->events[i];
    return NULL;
}

static struct gossip__event *ring_add(struct gossip *g, const struct gossip_user_event *event,
                                      const void *body, size_t len, const struct base_sig65 *sig)
{
    struct gossip__event *kept = &g->events[g->event_next];
    g->event_next = (g->event_next + 1) % GOSSIP__EVENTS_MAX;
    kept->used = true;
    kept->id = (struct gossip_event_id){event->origin, event->epoch, event->sequence, 0};
    kept->heard_ms = g->now_ms;
    kept->body_len = (uint16_t)len;
    memcpy(kept->body, body, len);
    kept->sig = *sig;
    return kept;
}

/* Newest first. */
uint32_t gossip__event_ids(const struct gossip *g, struct gossip_event_id *out, uint32_t max,
                           bool only_fresh)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i <= GOSSIP__EVENTS_MAX && count < max; i++) {
        const struct gossip__event *event =
            &g->events[(g->event_next + GOSSIP__EVENTS_MAX - i) % GOSSIP__EVENTS_MAX];
        if (!event->used || (only_fresh && g->now_ms - event->heard_ms > FRESH_MS)) break;
        out[count] = event->id;
        out[count++].age_ms = g->now_ms - event->heard_ms;
    }
    return count;
}

uint32_t gossip__event_missing(struct gossip *g, struct gossip_event_id *out,
                               const struct gossip_event_id *ids, uint32_t count)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct gossip__member *m = gossip__find(g, &ids[i].origin);
        if (m == NULL || m == &g->members[0]) continue;
        if (is_seen(g, m, ids[i].epoch, ids[i].sequence)) continue;
        /* From before we started: not asked for, and not marked, since nobody signed an id. */
        if (ids[i].age_ms > g->now_ms - g->started_ms) continue;
        out[missing] = ids[i];
        out[missing++].age_ms = 0;
    }
    return missing;
}

/* ---- in and out ---- */

static void deliver(struct gossip *g, const struct gossip__event *kept)
{
    struct gossip_user_event event;
    if (gossip_user_event_decode(&event, kept->body, kept->body_len) != BASE_OK) return;
    struct gossip_action *act = gossip__act(g, GOSSIP_ACT_EVENT, &event.origin);
    act->u.event.name = event.name;
    act->u.event.payload = event.payload;
    act->u.event.epoch = event.epoch;
    act->u.event.sequence = event.sequence;
    g->counters.events_delivered++;
}

static bool is_name_valid(const struct base_slice *name)
{
    if (name->len == 0 || !base_utf8_is_valid(name->data, name->len)) return false;
    for (size_t i = 0; i < name->len; i++)
        if (name->data[i] < 0x20 || name->data[i] == 0x7f) return false;
    return true;
}

int gossip__user_event(struct gossip *g, const struct gossip_event *ev)
{
    uint8_t body[GOSSIP_EVENT_BODY_BYTES_MAX];
    struct base_sig65 sig;
    struct gossip_user_event event = {
        .origin = g->members[0].record->key,
        .epoch = g->epoch,
        .sequence = g->event_sequence + 1,
        .name = ev->u.user_event.name,
        .payload = ev->u.user_event.payload,
    };
    if (g->left) return BASE_ESTATE;
    if (event.name.len > GOSSIP_EVENT_NAME_MAX || event.payload.len > GOSSIP_EVENT_PAYLOAD_MAX)
        return BASE_ETOOBIG;
    if (!is_name_valid(&event.name)) return BASE_EINVAL;
    size_t len = gossip_user_event_encode(body, &event);
    int rv = gossip__sign(g, BASE_STATEMENT_EVENT, body, len, &sig);
    if (rv != BASE_OK) return rv;
    g->event_sequence++;
    g->counters.events_sent++;
    const struct gossip__event *kept = ring_add(g, &event, body, len, &sig);
    gossip__news_body(g, BASE_STATEMENT_EVENT, (struct base_slice){kept->body, kept->body_len},
                      &kept->sig, GOSSIP__NONE);
    deliver(g, kept);
    return BASE_OK;
}

void gossip__event_in(struct gossip *g, struct gossip__member *from, const struct gossip_item *item)
{
    struct gossip_user_event event;
    if (gossip_user_event_decode(&event, item->body.data, item->body.len) != BASE_OK) return;
    struct gossip__member *m = gossip__find(g, &event.origin);
    if (m == NULL) {
        g->counters.statements_non_member++;
        return;
    }
    if (m == &g->members[0] || is_seen(g, m, event.epoch, event.sequence)) {
        g->counters.statements_duplicate++;
        return;
    }
    if (gossip__is_future(g, event.epoch)) return;
    if (!gossip__verify(g, item->kind, &item->body, &item->sig, &m->record->key, from)) return;
    mark_seen(g, m, event.epoch, event.sequence);
    const struct gossip__event *kept =
        ring_add(g, &event, item->body.data, item->body.len, &item->sig);
    gossip__news_body(g, item->kind, item->body, &item->sig, gossip__slot(g, from));
    deliver(g, kept);
}
