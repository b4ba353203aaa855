/* The simulator's conscience: what must hold after every step. docs/simulation.md lists it, and
 * tests/test_sim.c has a bad history for each. */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim_internal.h"

#define TABLE_WHOLE 64u /* members of a table that is looked through in every step */
#define TABLE_PART  16u /* and of a larger one, in turns */
/* What one honest node may send in a second: so much for itself, for each node of the mesh, and for
 * each frame of a liar that anybody has read, and each process that has started, in the last
 * seconds: everybody is told of it. */
#define FRAMES_BASE      200u
#define FRAMES_A_NODE    60u
#define FRAMES_A_LIE     8u
#define FRAMES_A_START   2u /* to each node of the mesh */
#define STIR_LASTS_S     4u
#define FRAME_BYTES_MEAN 2048u

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

/* Keys are hashes: their own bytes say where to look. */
static uint32_t place_of(const struct base_key33 *key)
{
    return base_get_u32be(key->bytes + 1) % SIM__KEYS;
}

void sim__index_build(struct sim *s)
{
    s->by_key = calloc(SIM__KEYS, sizeof *s->by_key);
    assert(s->by_key != NULL);
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t at = place_of(&s->nodes[i].key);
        while (s->by_key[at] != 0)
            at = (at + 1) % SIM__KEYS;
        s->by_key[at] = i + 1;
    }
}

uint32_t sim__index(const struct sim *s, const struct base_key33 *key)
{
    for (uint32_t at = place_of(key); s->by_key[at] != 0; at = (at + 1) % SIM__KEYS)
        if (base_key33_equal(&s->nodes[s->by_key[at] - 1].key, key)) return s->by_key[at] - 1;
    return s->count;
}

/* ---- the trace ---- */

void sim__trace(struct sim *s, uint64_t word)
{
    s->trace = (s->trace ^ word) * 0x100000001b3;
    s->trace ^= s->trace >> 29;
}

static void trace_bytes(struct sim *s, const struct base_slice *bytes)
{
    sim__trace(s, bytes->len);
    for (size_t i = 0; i + 8 <= bytes->len; i += 8)
        sim__trace(s, base_get_u64be(bytes->data + i));
    for (size_t i = bytes->len - bytes->len % 8; i < bytes->len; i++)
        sim__trace(s, bytes->data[i]);
}

/* ---- after every step ---- */

static const char *const TYPE_NAMES[] = {"PING",      "ACK",    "PING_REQ", "NACK",
                                         "CHALLENGE", "REFUTE", "SYNC",     "LIST",
                                         "PULL",      "UPDATE", "EVENT",    "PART"};

static const char *type_name(uint8_t type)
{
    size_t index = (size_t)type - GOSSIP_FRAME_PING;
    return index < sizeof TYPE_NAMES / sizeof TYPE_NAMES[0] ? TYPE_NAMES[index] : "?";
}

/* Runs, and has run for all of the quiet time: whoever buries it was lied to. */
static bool is_healthy(const struct sim *s, uint32_t j)
{
    const struct sim__node *n = &s->nodes[j];
    return n->core != NULL && !n->has_left && !n->is_paused && n->liar == NULL &&
           n->up_ms < s->quiet_ms;
}

static void state_print(const struct sim *s, FILE *to, uint32_t i, uint32_t j,
                        const struct gossip_action *act)
{
    fprintf(to, "%8llu n%u: n%u %s -> %s (%s, %llu)\n", (unsigned long long)s->now_ms, i, j,
            gossip_state_name(act->u.state.from), gossip_state_name(act->u.state.to),
            gossip_reason_name(act->u.state.reason), (unsigned long long)act->u.state.incarnation);
}

static void check_state(struct sim *s, uint32_t i, const struct gossip_action *act)
{
    struct sim__node *n = &s->nodes[i];
    uint32_t j = sim__index(s, &act->key);
    enum gossip_state from = act->u.state.from, to = act->u.state.to;
    if (j == s->count) {
        sim__fail(s, "node %u: a stranger in its table", i);
        return;
    }
    struct sim__seen *seen = &n->seen[j];
    sim__trace(s, (uint64_t)to << 32 | act->u.state.reason);
    if (s->verbose != NULL) state_print(s, s->verbose, i, j, act);
    if (s->trace_to != NULL) state_print(s, s->trace_to, i, j, act);
    if (seen->state != from || from == to)
        sim__fail(s, "node %u: STATE of node %u from %s, but it was %s", i, j,
                  gossip_state_name(from), gossip_state_name(seen->state));
    if (!n->view[j] && to != GOSSIP_NONE && j != i)
        sim__fail(s, "node %u: lists node %u, which has no seat", i, j);
    if (s->is_quiet && to == GOSSIP_FAILED && n->liar == NULL && n->view[i] && is_healthy(s, j))
        sim__fail(s, "node %u: buries node %u, which is healthy (%s)", i, j,
                  gossip_reason_name(act->u.state.reason));
    if (from == GOSSIP_NONE) n->seen_count++;
    if (to == GOSSIP_NONE) n->seen_count--;
    seen->state = to;
    if (to == GOSSIP_NONE) seen->incarnation = 0;
    if (n->liar != NULL) return; /* what it believes is its own affair */
    s->nodes[j].failed_count += to == GOSSIP_FAILED && from != GOSSIP_NONE;
    s->nodes[j].suspect_count += to == GOSSIP_SUSPECT;
}

/* What a node sends is bounded by the size of the mesh, whatever it is told: frames of liars are
 * answered and passed on, but not multiplied. */
static void check_load(struct sim *s, uint32_t i, size_t bytes)
{
    struct sim__node *n = &s->nodes[i];
    uint64_t second = s->now_ms / 1000;
    for (; s->second < second; s->second++) {
        s->lies -= (s->lies + STIR_LASTS_S - 1) / STIR_LASTS_S;
        s->starts -= (s->starts + STIR_LASTS_S - 1) / STIR_LASTS_S;
    }
    if (n->second_ms != second) {
        n->second_ms = second;
        n->load = (struct sim_load){0};
    }
    n->load.frames++;
    n->load.bytes += bytes;
    if (n->load.frames > s->load_max.frames) s->load_max.frames = n->load.frames;
    if (n->load.bytes > s->load_max.bytes) s->load_max.bytes = n->load.bytes;
    uint64_t bound = FRAMES_BASE + FRAMES_A_LIE * s->lies +
                     s->count * (FRAMES_A_NODE + FRAMES_A_START * s->starts);
    if (n->load.frames > bound || n->load.bytes > bound * FRAME_BYTES_MEAN)
        sim__fail(s, "node %u: sends %llu frames, %llu bytes in one second", i,
                  (unsigned long long)n->load.frames, (unsigned long long)n->load.bytes);
}

void sim__check_way(struct sim *s, uint32_t from, uint32_t to)
{
    const struct sim__way *way = sim__way(s, from, to);
    if (way->waiting_count > SIM_QUEUE_MAX + 2) /* and a READY and a CLOSE */
        sim__fail(s, "node %u: %u frames wait for node %u", from, way->waiting_count, to);
}

static void check_send(struct sim *s, uint32_t i, const struct gossip_action *act)
{
    static struct gossip_frame frame;
    uint32_t j = sim__index(s, &act->key);
    const struct base_slice *body = &act->u.send.body;
    sim__trace(s, act->u.send.type);
    trace_bytes(s, body);
    if (s->trace_to != NULL)
        fprintf(s->trace_to, "%8llu n%u: %s to n%u, %zu bytes\n", (unsigned long long)s->now_ms, i,
                type_name(act->u.send.type), j, body->len);
    if (s->nodes[i].liar == NULL) check_load(s, i, body->len);
    if (j == s->count || j == i || !sim_is_linked(s, i, j))
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

/* The dead answer nobody, whoever says that they live. */
static bool is_resurrected(const struct sim *s, uint32_t i, uint32_t j)
{
    const struct sim__node *by = &s->nodes[i], *n = &s->nodes[j];
    return n->core == NULL && !n->has_left && n->down_ms + SIM_DEAD_MS < s->now_ms &&
           by->up_ms + SIM_DEAD_MS < s->now_ms && by->liar == NULL;
}

static void check_member(struct sim *s, uint32_t i, const struct gossip_member_view *view)
{
    struct sim__node *n = &s->nodes[i];
    uint32_t j = sim__index(s, &view->key);
    if (j == s->count || n->seen[j].state != view->state) {
        sim__fail(s, "node %u: its table and what it said of node %u differ", i, j);
        return;
    }
    if (view->incarnation < n->seen[j].incarnation)
        sim__fail(s, "node %u: incarnation of node %u went back", i, j);
    n->seen[j].incarnation = view->incarnation;
    if (!n->view[j] && j != i) sim__fail(s, "node %u: lists node %u without seat", i, j);
    if (view->is_self != (j == i)) sim__fail(s, "node %u: mistakes %u for itself", i, j);
    if (view->is_linked != (j != i && sim_is_linked(s, i, j)))
        sim__fail(s, "node %u: link with node %u", i, j);
    if ((view->state == GOSSIP_ALIVE || view->state == GOSSIP_SUSPECT) && is_resurrected(s, i, j))
        sim__fail(s, "node %u: node %u is dead for long and still listed as %s", i, j,
                  gossip_state_name(view->state));
}

/* All of a table, or of a large one as much as is fair, in turns. */
static void check_table(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    struct gossip_member_view view;
    uint32_t count = (uint32_t)gossip_member_count(n->core);
    uint32_t part = count <= TABLE_WHOLE ? count : TABLE_PART;
    if (gossip_member_find(&view, n->core, &n->key) != BASE_OK || view.record.len == 0)
        sim__fail(s, "node %u: has lost its own record", i);
    if (count != n->seen_count)
        sim__fail(s, "node %u: %u members, but STATE said %u", i, count, n->seen_count);
    for (uint32_t c = 0; c < part; c++) {
        gossip_member_at(&view, n->core, (n->check_at + c) % count);
        check_member(s, i, &view);
    }
    n->check_at = part < count ? (n->check_at + part) % count : 0;
}

void sim__check_reset(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    memset(n->seen, 0, s->count * sizeof *n->seen);
    n->seen_count = n->check_at = 0;
    n->delivered_count = 0;
}

void sim__check_step(struct sim *s, uint32_t i, const struct gossip_event *ev, int rv,
                     const struct gossip_actions *out)
{
    sim__trace(s, s->now_ms << 16 | i);
    sim__trace(s, (uint64_t)ev->type << 32 | (uint32_t)rv);
    if (s->trace_to != NULL)
        fprintf(s->trace_to, "%8llu n%u: event %d: %d, %zu actions\n",
                (unsigned long long)s->now_ms, i, (int)ev->type, rv, out->count);
    if (out->count > GOSSIP_ACTIONS_MAX) sim__fail(s, "node %u: %zu actions", i, out->count);
    for (size_t a = 0; a < out->count; a++) {
        const struct gossip_action *act = &out->items[a];
        if (act->type == GOSSIP_ACT_STATE) check_state(s, i, act);
        if (act->type == GOSSIP_ACT_SEND) check_send(s, i, act);
        if (act->type == GOSSIP_ACT_EVENT) check_event(s, i, act);
        if (act->type == GOSSIP_ACT_SELF && act->u.self.incarnation < s->nodes[i].incarnation)
            sim__fail(s, "node %u: its own incarnation went back", i);
        sim__trace(s, act->type);
    }
    check_table(s, i);
}
