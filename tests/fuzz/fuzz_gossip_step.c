/* A live core fed with whatever a script of bytes says: hostile frames, statements that are well
 * signed but false, and the rim's own events in any order. It must not crash, and what must hold
 * after every step, holds.
 *
 * Script: one byte of operation, then its arguments, a byte each unless said otherwise. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/statement.h"
#include "sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NODES     8u
#define STEPS_MAX 400

struct script {
    const uint8_t *data;
    size_t len, pos;
};

static struct gossip *g;
static uint64_t now_ms;
static struct gossip_actions out;
static enum gossip_state told[NODES];
static uint64_t incarnations[NODES];
static bool linked[NODES];
static struct gossip_frame frame, decoded;
static uint8_t wire[GOSSIP_FRAME_BYTES_MAX];

static uint8_t next(struct script *s)
{
    return s->pos < s->len ? s->data[s->pos++] : 0;
}

static uint32_t node_of(const struct base_key33 *key)
{
    for (uint32_t i = 0; i < NODES; i++) {
        struct base_key33 k = sim_key_of(i);
        if (base_key33_equal(&k, key)) return i;
    }
    return NODES;
}

static void check_action(const struct gossip_action *act)
{
    uint32_t i = node_of(&act->key);
    if (act->type == GOSSIP_ACT_STATE) {
        if (i == NODES || told[i] != act->u.state.from || act->u.state.to == told[i]) abort();
        told[i] = act->u.state.to;
        if (told[i] == GOSSIP_NONE) incarnations[i] = 0;
    }
    if (act->type == GOSSIP_ACT_SEND) {
        if (i == NODES || !linked[i]) abort();
        if (gossip_frame_decode(&decoded, act->u.send.type, act->u.send.body.data,
                                act->u.send.body.len) != BASE_OK)
            abort();
    }
}

static void check_table(void)
{
    struct gossip_member_view view;
    size_t listed = 0;
    for (uint32_t i = 0; i < NODES; i++)
        listed += told[i] != GOSSIP_NONE;
    if (listed != gossip_member_count(g)) abort();
    for (size_t at = 0; at < gossip_member_count(g); at++) {
        gossip_member_at(&view, g, at);
        uint32_t i = node_of(&view.key);
        if (i == NODES || view.state != told[i] || view.incarnation < incarnations[i]) abort();
        if (view.is_linked != linked[i]) abort();
        incarnations[i] = view.incarnation;
    }
    if (told[0] != GOSSIP_ALIVE && told[0] != GOSSIP_LEFT) abort();
}

static int step(const struct gossip_event *ev)
{
    int rv = gossip_step(g, now_ms, ev, &out);
    if (out.count > GOSSIP_ACTIONS_MAX) abort();
    if (ev->type == GOSSIP_EV_PEER_UP && rv == BASE_OK) linked[node_of(&ev->key)] = true;
    for (size_t a = 0; a < out.count; a++)
        check_action(&out.items[a]);
    if (ev->type == GOSSIP_EV_EVICT && rv == BASE_OK) linked[node_of(&ev->key)] = false;
    check_table();
    return rv;
}

static void feed_bytes(uint32_t from, uint8_t type, const void *body, size_t len)
{
    struct gossip_event ev = {.type = GOSSIP_EV_FRAME, .key = sim_key_of(from)};
    ev.u.frame.type = type;
    ev.u.frame.body = (struct base_slice){body, len};
    step(&ev);
}

static void feed_frame(uint32_t from)
{
    size_t len = 0;
    if (gossip_frame_encode(wire, &len, sizeof wire, &frame) == BASE_OK)
        feed_bytes(from, frame.type, wire, len);
}

static void feed_item(uint32_t from, uint8_t how, enum base_statement kind, const void *body,
                      size_t len, const struct base_sig65 *sig)
{
    bool is_record = kind == BASE_STATEMENT_RECORD;
    frame.type = kind == BASE_STATEMENT_EVENT ? GOSSIP_FRAME_EVENT : GOSSIP_FRAME_UPDATE;
    frame.u.news.reach = how & 7u;
    frame.u.news.repair = (how & 8u) != 0;
    frame.u.news.item_count = 1;
    frame.u.news.items[0] = (struct gossip_item){
        .kind = kind,
        .flags = is_record ? (uint8_t)(how >> 4 & 3) : 0,
        .body = {body, len},
        .sig = *sig,
        .proof = {(const uint8_t *)"proof", is_record ? 5 : 0},
    };
    feed_frame(from);
}

/* Every statement is well signed by whom it names: lies, not forgeries. */
static void statement(struct script *s)
{
    uint8_t body[GOSSIP_EVENT_BODY_BYTES_MAX];
    struct gossip_signed_record record;
    struct base_sig65 sig;
    uint32_t from = next(s) % NODES, speaker = next(s) % NODES, target = next(s) % NODES;
    uint64_t incarnation = next(s);
    uint8_t how = next(s), sequence = next(s);
    enum base_statement kind = (enum base_statement)(next(s) % (BASE_STATEMENT_EVENT + 1));
    size_t len = 0;
    struct gossip_accusation accusation = {sim_key_of(target), incarnation, sim_key_of(speaker)};
    struct gossip_leave leave = {sim_key_of(speaker), incarnation};
    struct gossip_user_event event = {.origin = sim_key_of(speaker),
                                      .epoch = incarnation,
                                      .sequence = sequence,
                                      .name = {(const uint8_t *)"e", 1}};
    switch (kind) {
    case BASE_STATEMENT_RECORD:
    case BASE_STATEMENT_REFUTATION: /* which has a frame of its own: a record instead */
        sim_record_of(&record, speaker, incarnation, sequence);
        feed_item(from, how, BASE_STATEMENT_RECORD, record.body, record.body_len, &record.sig);
        return;
    case BASE_STATEMENT_ACCUSATION:
    case BASE_STATEMENT_CONFIRMATION:
        len = gossip_accusation_encode(body, &accusation);
        break;
    case BASE_STATEMENT_LEAVE:
        len = gossip_leave_encode(body, &leave);
        break;
    case BASE_STATEMENT_EVENT:
        len = gossip_user_event_encode(body, &event);
        break;
    }
    sim_sign(speaker, kind, body, len, &sig);
    feed_item(from, how, kind, body, len, &sig);
}

static void raw_frame(struct script *s)
{
    uint32_t from = next(s) % NODES;
    uint8_t type = next(s);
    size_t len = next(s);
    if (len > s->len - s->pos) len = s->len - s->pos;
    feed_bytes(from, type, s->data + s->pos, len);
    s->pos += len;
}

static void list_frame(struct script *s)
{
    uint32_t from = next(s) % NODES;
    frame.type = GOSSIP_FRAME_LIST;
    frame.u.list.within = 0;
    frame.u.list.deep = 0;
    frame.u.list.mask = next(s) % 2 == 0 ? UINT64_MAX : next(s);
    frame.u.list.more = next(s) % 2 == 0;
    frame.u.list.entry_count = next(s) % 8;
    for (uint32_t i = 0; i < frame.u.list.entry_count; i++)
        frame.u.list.entries[i] =
            (struct gossip_entry){sim_key_of(next(s) % NODES), next(s), next(s), next(s)};
    feed_frame(from);
}

static void ping_frame(struct script *s)
{
    uint32_t from = next(s) % NODES;
    frame.type = next(s) % 2 == 0 ? GOSSIP_FRAME_PING : GOSSIP_FRAME_ACK;
    frame.u.ping.nonce = next(s);
    frame.u.ping.digest = (struct gossip_digest){next(s), next(s)};
    frame.u.ping.id_count = next(s) % 3;
    for (uint32_t i = 0; i < frame.u.ping.id_count; i++)
        frame.u.ping.ids[i] =
            (struct gossip_event_id){sim_key_of(next(s) % NODES), next(s), next(s), next(s)};
    feed_frame(from);
}

static void relay_frame(struct script *s)
{
    static const uint8_t types[] = {GOSSIP_FRAME_PING_REQ, GOSSIP_FRAME_NACK,
                                    GOSSIP_FRAME_CHALLENGE};
    uint32_t from = next(s) % NODES;
    frame.type = types[next(s) % 3];
    frame.u.relay.key = sim_key_of(next(s) % NODES);
    frame.u.relay.nonce = next(s);
    feed_frame(from);
}

static void peer_up(struct script *s)
{
    struct gossip_signed_record record;
    uint32_t i = next(s) % NODES;
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_UP, .key = sim_key_of(i)};
    sim_record_of(&record, i, next(s), next(s));
    ev.u.peer_up.record = (struct base_slice){record.body, record.body_len};
    ev.u.peer_up.sig = record.sig;
    ev.u.peer_up.proof = (struct base_slice){(const uint8_t *)"proof", next(s) % 6};
    ev.u.peer_up.weight = next(s);
    ev.u.peer_up.dialed = next(s) % 2 == 0;
    step(&ev);
}

static void about_member(struct script *s, enum gossip_event_type type)
{
    struct gossip_event ev = {.type = type, .key = sim_key_of(next(s) % NODES)};
    uint32_t i = node_of(&ev.key);
    if (type == GOSSIP_EV_VERDICT) {
        ev.u.verdict.verdict = (enum gossip_verdict)(next(s) % (GOSSIP_REFUSED + 1));
        ev.u.verdict.weight = next(s);
    }
    /* Told before the step: whatever it sends, it is not to this peer. */
    if (type == GOSSIP_EV_PEER_DOWN && i != 0) linked[i] = false;
    step(&ev);
}

static void timers(struct script *s)
{
    uint64_t until = now_ms + 10 * (uint64_t)next(s);
    struct gossip_event ev = {.type = GOSSIP_EV_TIMER};
    for (int i = 0; i < 200 && gossip_deadline_ms(g) <= until; i++) {
        if (gossip_deadline_ms(g) > now_ms) now_ms = gossip_deadline_ms(g);
        step(&ev);
    }
    now_ms = until > now_ms ? until : now_ms;
}

static void application(struct script *s)
{
    struct gossip_event ev = {.type = GOSSIP_EV_USER_EVENT};
    size_t len = next(s);
    bool is_event = next(s) % 2 == 0;
    if (len > s->len - s->pos) len = s->len - s->pos;
    if (is_event) {
        ev.u.user_event.name = (struct base_slice){s->data + s->pos, len};
    } else {
        ev.type = GOSSIP_EV_UPDATE;
        memset(&ev.u.update, 0, sizeof ev.u.update);
        ev.u.update.name = (struct base_slice){s->data + s->pos, len};
    }
    s->pos += len;
    step(&ev);
}

static void operation(struct script *s)
{
    struct gossip_event moved = {.type = GOSSIP_EV_SNAPSHOT_MOVED};
    struct gossip_event leave = {.type = GOSSIP_EV_LEAVE};
    switch (next(s) % 16) {
    case 0:
        raw_frame(s);
        break;
    case 1:
    case 2:
        statement(s);
        break;
    case 3:
        list_frame(s);
        break;
    case 4:
        ping_frame(s);
        break;
    case 5:
        relay_frame(s);
        break;
    case 6:
    case 7:
        peer_up(s);
        break;
    case 8:
        about_member(s, GOSSIP_EV_PEER_DOWN);
        break;
    case 9:
        about_member(s, GOSSIP_EV_DIAL_FAILED);
        break;
    case 10:
        about_member(s, GOSSIP_EV_VERDICT);
        break;
    case 11:
        about_member(s, GOSSIP_EV_EVICT);
        break;
    case 12:
        step(&moved);
        break;
    case 13:
        application(s);
        break;
    case 14:
        if (next(s) == 255) step(&leave);
        break;
    case 15:
        timers(s);
        break;
    }
}

/* The same script in a full mesh, and in one that has more members than links. */
static void play(const uint8_t *data, size_t size, uint32_t links_max)
{
    struct script s = {data, size, 0};
    struct gossip_config cfg;
    struct gossip_crypto crypto = sim_crypto(0);
    struct gossip_event first = {.type = GOSSIP_EV_TIMER};
    memset(told, 0, sizeof told);
    memset(incarnations, 0, sizeof incarnations);
    memset(linked, 0, sizeof linked);
    now_ms = 1000;
    sim_config_of(&cfg, 0, 5);
    cfg.members_max = 6; /* fewer than there are: it gets full */
    cfg.links_max = links_max;
    cfg.incarnation_max = 200;
    if (gossip_new(&g, &cfg, &crypto, now_ms) != BASE_OK) abort();
    step(&first);
    for (int i = 0; i < STEPS_MAX && s.pos < s.len; i++)
        operation(&s);
    gossip_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    play(data, size, 64);
    play(data, size, 2);
    return 0;
}
