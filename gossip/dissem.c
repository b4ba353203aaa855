/* What leaves a step: actions, the bytes that they point to, and the news of this step, packed
 * into as few frames as they fit. */
#include <assert.h>
#include <string.h>

#include "gossip/gossip_internal.h"

/* SENDs stop here, so that what the table says always finds room. */
#define SENDS_MAX   (GOSSIP_ACTIONS_MAX - 768)
#define STEP_BUSY   (GOSSIP_ACTIONS_MAX / 4)
#define ARENA_SPARE ((size_t)8 * GOSSIP_FRAME_BYTES_MAX)

struct gossip_action *gossip__act(struct gossip *g, enum gossip_action_type type,
                                  const struct base_key33 *key)
{
    assert(g->action_count < GOSSIP_ACTIONS_MAX);
    struct gossip_action *act = &g->actions[g->action_count++];
    memset(act, 0, sizeof *act);
    act->type = type;
    act->key = *key;
    return act;
}

void gossip__note(struct gossip *g, enum gossip_note note, const struct base_key33 *key,
                  const struct base_key33 *peer)
{
    struct gossip_action *act = gossip__act(g, GOSSIP_ACT_NOTE, key);
    act->u.note.note = note;
    if (peer != NULL) act->u.note.peer = *peer;
}

void *gossip__arena(struct gossip *g, size_t len)
{
    if (len > GOSSIP__ARENA_BYTES - g->arena_len) return NULL;
    void *at = g->arena + g->arena_len;
    g->arena_len += len;
    return at;
}

/* Time to let the caller perform what there is; the deadline brings it back at once. */
bool gossip__is_step_full(const struct gossip *g)
{
    return g->action_count >= STEP_BUSY || g->news_count >= GOSSIP__NEWS_MAX / 2 ||
           g->arena_len >= GOSSIP__ARENA_BYTES - ARENA_SPARE;
}

/* A queued frame of the same kind is stale once a newer one follows: a digest says it all. */
static uint8_t replace_kind(uint8_t type)
{
    return type == GOSSIP_FRAME_PING || type == GOSSIP_FRAME_SYNC ? type : 0;
}

static void send_bytes(struct gossip *g, const struct gossip__member *to, uint8_t type,
                       struct base_slice body)
{
    assert(to->linked);
    if (g->action_count >= SENDS_MAX) {
        g->counters.sends_dropped++;
        return;
    }
    struct gossip_action *act = gossip__act(g, GOSSIP_ACT_SEND, &to->record->key);
    act->u.send.type = type;
    act->u.send.kind = replace_kind(type);
    act->u.send.body = body;
    g->counters.frames_out++;
}

/* Into the arena; a slice of length 0 when there is no room, which digests repair later. */
static struct base_slice encode(struct gossip *g, const struct gossip_frame *frame)
{
    struct base_slice body = {g->arena + g->arena_len, 0};
    int rv = gossip_frame_encode(g->arena + g->arena_len, &body.len,
                                 GOSSIP__ARENA_BYTES - g->arena_len, frame);
    if (rv != BASE_OK) {
        g->counters.sends_dropped++;
        return (struct base_slice){NULL, 0};
    }
    g->arena_len += body.len;
    return body;
}

void gossip__send(struct gossip *g, struct gossip__member *to, const struct gossip_frame *frame)
{
    if (!to->linked) return;
    struct base_slice body = encode(g, frame);
    if (body.len > 0) send_bytes(g, to, frame->type, body);
}

/* ---- runs of items to one peer ---- */

void gossip__repair_begin(struct gossip *g, uint8_t type)
{
    g->out->type = type;
    g->out->u.news.reach = 0;
    g->out->u.news.repair = true;
    g->out->u.news.item_count = 0;
}

static size_t items_bytes(const struct gossip_frame *frame)
{
    size_t bytes = GOSSIP_NEWS_HEAD_BYTES;
    for (uint32_t i = 0; i < frame->u.news.item_count; i++)
        bytes += gossip_item_bytes(&frame->u.news.items[i]);
    return bytes;
}

static bool item_fits(const struct gossip_frame *frame, const struct gossip_item *item)
{
    return frame->u.news.item_count < GOSSIP_ITEMS_MAX &&
           items_bytes(frame) + gossip_item_bytes(item) <= GOSSIP_FRAME_BYTES_MAX;
}

void gossip__repair_add(struct gossip *g, struct gossip__member *to, const struct gossip_item *item)
{
    if (!item_fits(g->out, item)) gossip__repair_end(g, to);
    g->out->u.news.items[g->out->u.news.item_count++] = *item;
}

void gossip__repair_end(struct gossip *g, struct gossip__member *to)
{
    if (g->out->u.news.item_count > 0) gossip__send(g, to, g->out);
    g->out->u.news.item_count = 0;
}

static struct gossip_item record_item(const struct gossip__member *m)
{
    return (struct gossip_item){
        .kind = BASE_STATEMENT_RECORD,
        .flags = m->state == GOSSIP_FAILED ? GOSSIP_ENTRY_FAILED : 0,
        .body = gossip__stored_body(m->record),
        .sig = m->record->sig,
        .proof = gossip__stored_proof(m->record),
    };
}

static struct gossip_item leave_item(const struct gossip__leave *leave)
{
    return (struct gossip_item){
        .kind = BASE_STATEMENT_LEAVE,
        .body = {leave->body, leave->len},
        .sig = leave->sig,
    };
}

/* The record comes first: who does not know the member yet could not judge its leave. */
void gossip__repair_member(struct gossip *g, struct gossip__member *to,
                           const struct gossip__member *m)
{
    struct gossip_item item = record_item(m);
    gossip__repair_add(g, to, &item);
    if (m->leave_at == 0) return;
    item = leave_item(gossip__leave(g, m));
    gossip__repair_add(g, to, &item);
}

/* ---- news ---- */

void gossip__news_member(struct gossip *g, enum base_statement kind, struct gossip__member *m,
                         uint16_t except)
{
    if (g->news_count == GOSSIP__NEWS_MAX) return;
    g->news[g->news_count++] =
        (struct gossip__news){.kind = kind, .slot = gossip__slot(g, m), .except = except};
}

void gossip__news_body(struct gossip *g, enum base_statement kind, struct base_slice body,
                       const struct base_sig65 *sig, uint16_t except)
{
    if (g->news_count == GOSSIP__NEWS_MAX) return;
    g->news[g->news_count++] = (struct gossip__news){
        .kind = kind, .slot = GOSSIP__NONE, .except = except, .body = body, .sig = *sig};
}

/* A record that changed twice in a step is one piece of news. */
static bool is_repeated(const struct gossip *g, uint32_t at)
{
    const struct gossip__news *news = &g->news[at];
    if (news->slot == GOSSIP__NONE) return false;
    for (uint32_t i = 0; i < at; i++)
        if (g->news[i].slot == news->slot && g->news[i].kind == news->kind &&
            g->news[i].except == news->except)
            return true;
    return false;
}

static bool news_item(struct gossip_item *out, const struct gossip *g, uint32_t at)
{
    const struct gossip__news *news = &g->news[at];
    if (news->is_void || is_repeated(g, at)) return false;
    const struct gossip__member *m = news->slot != GOSSIP__NONE ? &g->members[news->slot] : NULL;
    if (m == NULL)
        *out = (struct gossip_item){.kind = news->kind, .body = news->body, .sig = news->sig};
    else if (news->kind == BASE_STATEMENT_RECORD) {
        *out = record_item(m);
        out->flags = 0; /* how we see it is no news: only repairs say so, to whoever asks us */
    } else if (m->leave_at == 0)
        return false; /* taken back in the same step */
    else
        *out = leave_item(gossip__leave(g, m));
    return true;
}

static bool is_doubt(const struct gossip__news *news)
{
    return news->kind == BASE_STATEMENT_ACCUSATION || news->kind == BASE_STATEMENT_CONFIRMATION;
}

struct targets {
    uint16_t slots[GOSSIP__TARGETS_MAX];
    size_t count;
};

static void news_frame_send(struct gossip *g, const struct targets *to)
{
    if (g->out->u.news.item_count == 0) return;
    struct base_slice body = encode(g, g->out);
    for (size_t i = 0; i < to->count && body.len > 0; i++)
        send_bytes(g, &g->members[to->slots[i]], g->out->type, body);
    g->out->u.news.item_count = 0;
}

/* All news of one kind of frame that came the same way, or the doubts among them, to the same
 * peers. */
static void flush_run(struct gossip *g, uint8_t type, uint16_t except, const struct targets *to,
                      bool is_doubt_only)
{
    struct gossip_item item;
    g->out->type = type;
    g->out->u.news.reach = except == GOSSIP__NONE ? to->count : 0;
    g->out->u.news.repair = false;
    g->out->u.news.item_count = 0;
    for (uint32_t i = 0; i < g->news_count; i++) {
        bool is_event = g->news[i].kind == BASE_STATEMENT_EVENT;
        if (is_event != (type == GOSSIP_FRAME_EVENT) || g->news[i].except != except) continue;
        if (is_doubt_only && !is_doubt(&g->news[i])) continue;
        if (!news_item(&item, g, i)) continue;
        if (!item_fits(g->out, &item)) news_frame_send(g, to);
        g->out->u.news.items[g->out->u.news.item_count++] = item;
    }
    news_frame_send(g, to);
}

/* In a larger mesh a few may be missing, dead ones not yet noticed above all. */
bool gossip__is_covered(const struct gossip *g, uint64_t reach)
{
    return reach >= g->alive_count || reach + 1 + g->alive_count / 8 >= g->alive_count;
}

/* Our own word goes to every link at once: in a full mesh that is one hop. What we were told goes
 * to a few, and only when its pusher did not reach everybody; digests repair the rest. */
static bool is_passed_on(struct gossip *g, uint16_t except)
{
    if (except == GOSSIP__NONE) return true;
    if (g->news_repair) {
        if (g->now_ms < g->settled_ms) return false;
        if (!gossip__is_sparse(g)) return true;
        if (g->repair_budget == 0) return false; /* a large table is being filled, not a gap */
        g->repair_budget--;
        return true;
    }
    return !gossip__is_covered(g, g->news_reach);
}

/* Whoever has just come has few links still, and a third of the weight must have told it of a death
 * before that ends a suspicion. So it hears from a few of us what its accusers could not tell it.
 */
static void tell_newcomers(struct gossip *g, uint16_t except)
{
    struct targets to = {.count = 0};
    for (uint32_t i = 0; i < g->link_count && to.count < g->cfg.fanout_count; i++) {
        const struct gossip__member *m = &g->members[g->links[i]];
        if (g->links[i] != except && m->state == GOSSIP_ALIVE && gossip__is_new(g, m))
            to.slots[to.count++] = g->links[i];
    }
    if (to.count > 0) flush_run(g, GOSSIP_FRAME_UPDATE, except, &to, true);
}

static void flush_except(struct gossip *g, uint16_t except)
{
    struct targets to;
    if (!is_passed_on(g, except)) {
        if (!gossip__is_sparse(g)) tell_newcomers(g, except);
        return;
    }
    size_t count = except == GOSSIP__NONE ? GOSSIP__TARGETS_MAX : g->cfg.fanout_count;
    to.count = gossip__pick_links(g, to.slots, count, except, GOSSIP__NONE);
    if (to.count == 0) return;
    flush_run(g, GOSSIP_FRAME_UPDATE, except, &to, false);
    flush_run(g, GOSSIP_FRAME_EVENT, except, &to, false);
}

void gossip__news_flush(struct gossip *g)
{
    bool own = false;
    uint16_t told = GOSSIP__NONE; /* a step has one source at most */
    for (uint32_t i = 0; i < g->news_count; i++) {
        if (g->news[i].except == GOSSIP__NONE)
            own = true;
        else
            told = g->news[i].except;
    }
    if (own) flush_except(g, GOSSIP__NONE);
    if (told != GOSSIP__NONE) flush_except(g, told);
    g->news_count = 0;
}

/* ---- signatures ---- */

int gossip__sign(struct gossip *g, enum base_statement kind, const void *body, size_t len,
                 struct base_sig65 *sig)
{
    return g->crypto.sign(g->crypto.ctx, kind, body, len, sig);
}

bool gossip__verify(struct gossip *g, enum base_statement kind, const struct base_slice *body,
                    const struct base_sig65 *sig, const struct base_key33 *speaker,
                    const struct gossip__member *from)
{
    if (g->crypto.verify(g->crypto.ctx, kind, body->data, body->len, sig, speaker) == BASE_OK)
        return true;
    g->counters.statements_forged++;
    if (from != NULL) gossip__note(g, GOSSIP_NOTE_FORGED, speaker, &from->record->key);
    return false;
}
