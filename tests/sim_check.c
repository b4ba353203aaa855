/* The simulator's conscience: what must hold after every step, and what a test may ask. */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim_internal.h"

void sim__fail(struct sim *s, const char *format, ...)
{
    va_list args;
    if (s->failure[0] != 0) return;
    int head =
        snprintf(s->failure, sizeof s->failure, "at %llu ms: ", (unsigned long long)s->now_ms);
    va_start(args, format);
    vsnprintf(s->failure + head, sizeof s->failure - (size_t)head, format, args);
    va_end(args);
}

const char *sim_failure(const struct sim *s)
{
    return s->failure[0] != 0 ? s->failure : NULL;
}

/* ---- keys ---- */

static const struct sim *sorting;

static int compare_nodes(const void *a, const void *b)
{
    return base_key33_compare(&sorting->nodes[*(const uint32_t *)a].key,
                              &sorting->nodes[*(const uint32_t *)b].key);
}

void sim__index_build(struct sim *s)
{
    s->by_key = calloc(s->count, sizeof *s->by_key);
    assert(s->by_key != NULL);
    for (uint32_t i = 0; i < s->count; i++)
        s->by_key[i] = i;
    sorting = s;
    qsort(s->by_key, s->count, sizeof *s->by_key, compare_nodes);
}

uint32_t sim__index(const struct sim *s, const struct base_key33 *key)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = base_key33_compare(&s->nodes[s->by_key[mid]].key, key);
        if (order == 0) return s->by_key[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return s->count;
}

/* ---- the trace ---- */

static void trace_word(struct sim *s, uint64_t word)
{
    s->trace = (s->trace ^ word) * 0x100000001b3;
    s->trace ^= s->trace >> 29;
}

static void trace_bytes(struct sim *s, const struct base_slice *bytes)
{
    trace_word(s, bytes->len);
    for (size_t i = 0; i + 8 <= bytes->len; i += 8)
        trace_word(s, base_get_u64be(bytes->data + i));
    for (size_t i = bytes->len - bytes->len % 8; i < bytes->len; i++)
        trace_word(s, bytes->data[i]);
}

/* ---- after every step ---- */

static void check_state(struct sim *s, uint32_t i, const struct gossip_action *act)
{
    struct sim__node *n = &s->nodes[i];
    uint32_t j = sim__index(s, &act->key);
    if (j == s->count) {
        sim__fail(s, "node %u: a stranger in its table", i);
        return;
    }
    struct sim__seen *seen = &n->seen[j];
    trace_word(s, (uint64_t)act->u.state.to << 32 | act->u.state.reason);
    if (s->verbose != NULL)
        fprintf(s->verbose, "%8llu n%u: n%u %s -> %s (%s, %llu)\n", (unsigned long long)s->now_ms,
                i, j, gossip_state_name(act->u.state.from), gossip_state_name(act->u.state.to),
                gossip_reason_name(act->u.state.reason),
                (unsigned long long)act->u.state.incarnation);
    if (seen->state != act->u.state.from || act->u.state.from == act->u.state.to)
        sim__fail(s, "node %u: STATE of node %u from %s, but it was %s", i, j,
                  gossip_state_name(act->u.state.from), gossip_state_name(seen->state));
    if (!n->view[j] && act->u.state.to != GOSSIP_NONE && j != i)
        sim__fail(s, "node %u: lists node %u, which has no seat", i, j);
    if (act->u.state.from == GOSSIP_NONE) n->seen_count++;
    if (act->u.state.to == GOSSIP_NONE) n->seen_count--;
    seen->state = act->u.state.to;
    if (act->u.state.to == GOSSIP_NONE) seen->incarnation = 0;
    s->nodes[j].failed_count +=
        act->u.state.to == GOSSIP_FAILED && act->u.state.from != GOSSIP_NONE;
    s->nodes[j].suspect_count += act->u.state.to == GOSSIP_SUSPECT;
}

static void check_send(struct sim *s, uint32_t i, const struct gossip_action *act)
{
    static struct gossip_frame frame;
    uint32_t j = sim__index(s, &act->key);
    const struct base_slice *body = &act->u.send.body;
    trace_word(s, act->u.send.type);
    trace_bytes(s, body);
    if (j == s->count || j == i || !sim__is_linked(s, i, j))
        sim__fail(s, "node %u: sends to somebody without a link", i);
    if (act->u.send.type < GOSSIP_FRAME_TYPE_FIRST || act->u.send.type > GOSSIP_FRAME_TYPE_LAST ||
        body->len > GOSSIP_FRAME_BYTES_MAX)
        sim__fail(s, "node %u: frame of type %u, %zu bytes", i, act->u.send.type, body->len);
    if (gossip_frame_decode(&frame, act->u.send.type, body->data, body->len) != BASE_OK)
        sim__fail(s, "node %u: sends a frame of type %u that does not decode", i, act->u.send.type);
}

static void check_event(struct sim *s, uint32_t i, const struct gossip_action *act)
{
    struct sim__node *n = &s->nodes[i];
    trace_bytes(s, &act->u.event.name);
    for (uint32_t d = 0; d < n->delivered_count; d++)
        if (n->delivered[d].epoch == act->u.event.epoch &&
            n->delivered[d].sequence == act->u.event.sequence &&
            base_key33_equal(&n->delivered[d].origin, &act->key))
            sim__fail(s, "node %u: an event delivered twice", i);
    if (n->delivered_count == n->delivered_cap) {
        n->delivered_cap = 2 * n->delivered_cap + 16;
        n->delivered = realloc(n->delivered, n->delivered_cap * sizeof *n->delivered);
        assert(n->delivered != NULL);
    }
    struct sim__delivered *d = &n->delivered[n->delivered_count++];
    memset(d, 0, sizeof *d);
    d->origin = act->key;
    d->epoch = act->u.event.epoch;
    d->sequence = act->u.event.sequence;
    memcpy(d->name, act->u.event.name.data, act->u.event.name.len);
}

static void check_table(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    struct gossip_member_view view;
    size_t count = gossip_member_count(n->core);
    if (count != n->seen_count)
        sim__fail(s, "node %u: %zu members, but STATE said %u", i, count, n->seen_count);
    for (size_t at = 0; at < count; at++) {
        gossip_member_at(&view, n->core, at);
        uint32_t j = sim__index(s, &view.key);
        if (j == s->count || n->seen[j].state != view.state) {
            sim__fail(s, "node %u: its table and what it said of node %u differ", i, j);
            return;
        }
        if (view.incarnation < n->seen[j].incarnation)
            sim__fail(s, "node %u: incarnation of node %u went back", i, j);
        n->seen[j].incarnation = view.incarnation;
        if (!n->view[j] && j != i) sim__fail(s, "node %u: lists node %u without seat", i, j);
        if (view.is_self != (j == i)) sim__fail(s, "node %u: mistakes %u for itself", i, j);
        if (view.is_linked != (j != i && sim__is_linked(s, i, j)))
            sim__fail(s, "node %u: link with node %u", i, j);
    }
    if (gossip_member_find(&view, n->core, &n->key) != BASE_OK || view.record.len == 0)
        sim__fail(s, "node %u: has lost its own record", i);
}

void sim__check_reset(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    memset(n->seen, 0, s->count * sizeof *n->seen);
    n->seen_count = 0;
    n->delivered_count = 0;
}

void sim__check_step(struct sim *s, uint32_t i, const struct gossip_event *ev, int rv,
                     const struct gossip_actions *out)
{
    trace_word(s, s->now_ms << 16 | i);
    trace_word(s, (uint64_t)ev->type << 32 | (uint32_t)rv);
    if (out->count > GOSSIP_ACTIONS_MAX) sim__fail(s, "node %u: %zu actions", i, out->count);
    for (size_t a = 0; a < out->count; a++) {
        const struct gossip_action *act = &out->items[a];
        if (act->type == GOSSIP_ACT_STATE) check_state(s, i, act);
        if (act->type == GOSSIP_ACT_SEND) check_send(s, i, act);
        if (act->type == GOSSIP_ACT_EVENT) check_event(s, i, act);
        if (act->type == GOSSIP_ACT_SELF && act->u.self.incarnation < s->nodes[i].incarnation)
            sim__fail(s, "node %u: its own incarnation went back", i);
        trace_word(s, act->type);
    }
    check_table(s, i);
}

/* ---- questions ---- */

uint64_t sim_now_ms(const struct sim *s)
{
    return s->now_ms;
}

uint64_t sim_trace(const struct sim *s)
{
    return s->trace;
}

uint32_t sim_node_count(const struct sim *s)
{
    return s->count;
}

void sim_verbose(struct sim *s, FILE *to)
{
    s->verbose = to;
}

bool sim_is_up(const struct sim *s, uint32_t i)
{
    return s->nodes[i].core != NULL && !s->nodes[i].has_left;
}

bool sim_has_left(const struct sim *s, uint32_t i)
{
    return s->nodes[i].has_left;
}

bool sim_has_seat(const struct sim *s, uint32_t i)
{
    return s->nodes[i].has_seat;
}

enum gossip_state sim_state(const struct sim *s, uint32_t observer, uint32_t target)
{
    return s->nodes[observer].seen[target].state;
}

uint64_t sim_incarnation(const struct sim *s, uint32_t i)
{
    return s->nodes[i].incarnation;
}

uint64_t sim_start_incarnation(const struct sim *s, uint32_t i)
{
    return s->nodes[i].started_incarnation;
}

struct gossip *sim_core(struct sim *s, uint32_t i)
{
    return s->nodes[i].core;
}

const struct base_key33 *sim_key(const struct sim *s, uint32_t i)
{
    return &s->nodes[i].key;
}

uint32_t sim_failed_count(const struct sim *s, uint32_t target)
{
    return s->nodes[target].failed_count;
}

uint32_t sim_suspect_count(const struct sim *s, uint32_t target)
{
    return s->nodes[target].suspect_count;
}

uint32_t sim_event_count(const struct sim *s, uint32_t i, const char *name)
{
    uint32_t count = 0;
    for (uint32_t d = 0; d < s->nodes[i].delivered_count; d++)
        count += strcmp(s->nodes[i].delivered[d].name, name) == 0;
    return count;
}

static bool is_member(const struct sim *s, uint32_t i)
{
    return sim_is_up(s, i) && s->nodes[i].has_seat && !s->nodes[i].is_paused;
}

bool sim_all_right(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!is_member(s, i)) continue;
        for (uint32_t j = 0; j < s->count; j++) {
            enum gossip_state state = s->nodes[i].seen[j].state;
            if (!s->nodes[j].has_seat && state != GOSSIP_NONE) return false;
            if (is_member(s, j) ? state != GOSSIP_ALIVE
                                : state == GOSSIP_ALIVE || state == GOSSIP_SUSPECT)
                return false;
        }
    }
    return true;
}
