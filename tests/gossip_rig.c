#include "gossip_rig.h"

#include <string.h>

#include "base/err.h"

struct rig rig;
struct gossip_frame frame, sent;
static uint8_t bytes[GOSSIP_FRAME_BYTES_MAX];

int feed(struct gossip_event ev)
{
    return gossip_step(rig.g, rig.now, &ev, &rig.out);
}

void rig_config(struct gossip_config *cfg)
{
    for (uint32_t i = 0; i < 64; i++)
        rig.key[i] = sim_key_of(i);
    sim_config_of(cfg, 0, 5);
}

void rig_start(const struct gossip_config *cfg)
{
    struct gossip_crypto crypto = sim_crypto(0);
    rig.now = 1000;
    assert_int_equal(gossip_new(&rig.g, cfg, &crypto, rig.now), BASE_OK);
}

void rig_new(uint32_t members_max)
{
    struct gossip_config cfg;
    rig_config(&cfg);
    cfg.members_max = members_max;
    rig_start(&cfg);
}

int setup(void **state)
{
    (void)state;
    rig_new(64);
    return 0;
}

int teardown(void **state)
{
    (void)state;
    gossip_free(rig.g);
    return 0;
}

struct base_slice slice(const char *text)
{
    return (struct base_slice){(const uint8_t *)text, strlen(text)};
}

size_t count(enum gossip_action_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < rig.out.count; i++)
        n += rig.out.items[i].type == type;
    return n;
}

/* The last of its type about this peer. */
const struct gossip_action *find(enum gossip_action_type type, uint32_t peer)
{
    for (size_t i = rig.out.count; i-- > 0;)
        if (rig.out.items[i].type == type &&
            base_key33_equal(&rig.out.items[i].key, &rig.key[peer]))
            return &rig.out.items[i];
    return NULL;
}

/* The last frame of this type to this peer, decoded into `sent`. */
bool was_sent(uint32_t peer, uint8_t type)
{
    bool found = false;
    for (size_t i = 0; i < rig.out.count; i++) {
        const struct gossip_action *act = &rig.out.items[i];
        if (act->type != GOSSIP_ACT_SEND || act->u.send.type != type ||
            !base_key33_equal(&act->key, &rig.key[peer]))
            continue;
        assert_int_equal(
            gossip_frame_decode(&sent, type, act->u.send.body.data, act->u.send.body.len), BASE_OK);
        found = true;
    }
    return found;
}

enum gossip_state state_of(uint32_t i)
{
    struct gossip_member_view view;
    return gossip_member_find(&view, rig.g, &rig.key[i]) == BASE_OK ? view.state : GOSSIP_NONE;
}

uint64_t incarnation_of(uint32_t i)
{
    struct gossip_member_view view;
    assert_int_equal(gossip_member_find(&view, rig.g, &rig.key[i]), BASE_OK);
    return view.incarnation;
}

const struct gossip__agenda *agenda(uint32_t slot)
{
    return gossip__agenda(rig.g, &rig.g->members[slot]);
}

struct gossip_counters counters(void)
{
    struct gossip_counters c;
    gossip_counters(&c, rig.g);
    return c;
}

struct gossip_event up_event(uint32_t i, const struct gossip_signed_record *record)
{
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_UP, .key = rig.key[i]};
    ev.u.peer_up.record = (struct base_slice){record->body, record->body_len};
    ev.u.peer_up.sig = record->sig;
    ev.u.peer_up.proof = slice("proof");
    ev.u.peer_up.weight = 1;
    return ev;
}

void peer_up(uint32_t i)
{
    struct gossip_signed_record record;
    sim_record_of(&record, i, 1, 0);
    assert_int_equal(feed(up_event(i, &record)), BASE_OK);
}

int peer_down(uint32_t i)
{
    return feed((struct gossip_event){.type = GOSSIP_EV_PEER_DOWN, .key = rig.key[i]});
}

int dial_failed(uint32_t i)
{
    return feed((struct gossip_event){.type = GOSSIP_EV_DIAL_FAILED, .key = rig.key[i]});
}

int verdict(uint32_t i, enum gossip_verdict what, uint64_t weight)
{
    struct gossip_event ev = {.type = GOSSIP_EV_VERDICT, .key = rig.key[i]};
    ev.u.verdict.verdict = what;
    ev.u.verdict.weight = weight;
    return feed(ev);
}

int timer(void)
{
    return feed((struct gossip_event){.type = GOSSIP_EV_TIMER});
}

/* Lets time pass, firing timers when they are due; links stay silent. */
void pass(uint64_t ms)
{
    uint64_t until = rig.now + ms;
    while (gossip_deadline_ms(rig.g) <= until) {
        if (gossip_deadline_ms(rig.g) > rig.now) rig.now = gossip_deadline_ms(rig.g);
        assert_int_equal(timer(), BASE_OK);
    }
    rig.now = until;
}

/* The same, until i is in that state. */
bool pass_until(uint32_t i, enum gossip_state wanted, uint64_t ms)
{
    uint64_t until = rig.now + ms;
    while (state_of(i) != wanted && gossip_deadline_ms(rig.g) <= until) {
        if (gossip_deadline_ms(rig.g) > rig.now) rig.now = gossip_deadline_ms(rig.g);
        assert_int_equal(timer(), BASE_OK);
    }
    return state_of(i) == wanted;
}

int feed_frame(uint32_t from, const struct gossip_frame *f)
{
    size_t len = 0;
    assert_int_equal(gossip_frame_encode(bytes, &len, sizeof bytes, f), BASE_OK);
    struct gossip_event ev = {.type = GOSSIP_EV_FRAME, .key = rig.key[from]};
    ev.u.frame.type = f->type;
    ev.u.frame.body = (struct base_slice){bytes, len};
    return feed(ev);
}

int feed_item(uint32_t from, const struct gossip_item *item)
{
    frame.type = item->kind == BASE_STATEMENT_EVENT ? GOSSIP_FRAME_EVENT : GOSSIP_FRAME_UPDATE;
    frame.u.news.reach = 63;
    frame.u.news.repair = false;
    frame.u.news.item_count = 1;
    frame.u.news.items[0] = *item;
    return feed_frame(from, &frame);
}

int feed_record(uint32_t from, const struct gossip_signed_record *record, const char *proof)
{
    struct gossip_item item = {.kind = BASE_STATEMENT_RECORD,
                               .body = {record->body, record->body_len},
                               .sig = record->sig,
                               .proof = slice(proof)};
    return feed_item(from, &item);
}

void tell_record(uint32_t from, uint32_t i, uint64_t incarnation, uint64_t sequence)
{
    struct gossip_signed_record record;
    sim_record_of(&record, i, incarnation, sequence);
    assert_int_equal(feed_record(from, &record, "proof"), BASE_OK);
}

void tell_accusation_as(uint32_t from, uint32_t accuser, uint32_t target, uint64_t incarnation,
                        const struct lie *lie)
{
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct gossip_accusation accusation = {rig.key[target], incarnation, rig.key[accuser]};
    struct gossip_item item = {.kind = lie->sent_as};
    item.body = (struct base_slice){body, gossip_accusation_encode(body, &accusation)};
    sim_sign(lie->signer, lie->signed_as, body, item.body.len, &item.sig);
    assert_int_equal(feed_item(from, &item), BASE_OK);
}

void tell_accusation(uint32_t accuser, uint32_t target, uint64_t incarnation)
{
    struct lie honest = {accuser, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_ACCUSATION};
    tell_accusation_as(accuser, accuser, target, incarnation, &honest);
}

void tell_leave(uint32_t from, uint32_t i, uint64_t incarnation, uint32_t signer,
                enum base_statement signed_as)
{
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct gossip_leave leave = {rig.key[i], incarnation};
    struct gossip_item item = {.kind = BASE_STATEMENT_LEAVE};
    item.body = (struct base_slice){body, gossip_leave_encode(body, &leave)};
    sim_sign(signer, signed_as, body, item.body.len, &item.sig);
    assert_int_equal(feed_item(from, &item), BASE_OK);
}

void tell_event(uint32_t from, uint32_t origin, uint64_t epoch, uint64_t sequence, uint32_t signer)
{
    uint8_t body[GOSSIP_EVENT_BODY_BYTES_MAX];
    struct gossip_user_event event = {rig.key[origin], epoch, sequence, slice("go"), slice("x")};
    struct gossip_item item = {.kind = BASE_STATEMENT_EVENT};
    item.body = (struct base_slice){body, gossip_user_event_encode(body, &event)};
    sim_sign(signer, BASE_STATEMENT_EVENT, body, item.body.len, &item.sig);
    assert_int_equal(feed_item(from, &item), BASE_OK);
}

void answer(uint32_t i, uint64_t nonce)
{
    frame.type = GOSSIP_FRAME_ACK;
    frame.u.ping.nonce = nonce;
    frame.u.ping.digest = (struct gossip_digest){gossip_member_count(rig.g), rig.g->sum};
    frame.u.ping.id_count = 0;
    assert_int_equal(feed_frame(i, &frame), BASE_OK);
}

void answer_greeting(uint32_t i, struct gossip_digest digest)
{
    gossip__find(rig.g, &rig.key[i])->greeted = true;
    frame.type = GOSSIP_FRAME_ACK;
    frame.u.ping.nonce = 0;
    frame.u.ping.digest = digest;
    frame.u.ping.id_count = 0;
    assert_int_equal(feed_frame(i, &frame), BASE_OK);
}

/* Peers 1..n linked; everything that they would be asked is left unanswered. */
void mesh(uint32_t n)
{
    timer();
    for (uint32_t i = 1; i <= n; i++)
        peer_up(i);
}

int snapshot_moved(void)
{
    return feed((struct gossip_event){.type = GOSSIP_EV_SNAPSHOT_MOVED});
}
