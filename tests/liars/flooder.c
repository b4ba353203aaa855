/* Everything that it says is true and well signed, and far too much: events, records of its own
 * with the next sequence, questions. */
#include <stdio.h>

#include "gossip/statement.h"
#include "sim_liar.h"

#define AT_ONCE 20
struct memory {
    uint64_t sequence;
};

static void flood_event(struct sim_liar *l, uint64_t sequence)
{
    uint8_t body[GOSSIP_EVENT_BODY_BYTES_MAX];
    struct gossip_user_event event = {.origin = *sim_key(l->s, l->i),
                                      .epoch = sim_start_incarnation(l->s, l->i),
                                      .sequence = 1000 + sequence,
                                      .name = {(const uint8_t *)"flood", 5}};
    struct gossip_item item = {.kind = BASE_STATEMENT_EVENT};
    item.body = (struct base_slice){body, gossip_user_event_encode(body, &event)};
    sim_sign(l->i, item.kind, body, item.body.len, &item.sig);
    sim_liar_tell(l, sim_liar_peer(l), &item);
}

static void flood_record(struct sim_liar *l, uint64_t sequence)
{
    struct sim_liar_record own;
    sim_liar_record(&own, l, l->i, sim_incarnation(l->s, l->i), 1000 + sequence, "flood");
    sim_liar_tell(l, sim_liar_peer(l), &own.item);
}

static void flood_questions(struct sim_liar *l)
{
    static struct gossip_frame frame;
    frame.type = GOSSIP_FRAME_SYNC; /* everything is wanted */
    frame.u.sync.mask = UINT64_MAX;
    frame.u.sync.sum_count = frame.u.sync.id_count = 0;
    sim_inject(l->s, l->i, sim_liar_peer(l), &frame);
}

static void acts(struct sim_liar *l)
{
    struct memory *m = l->memory;
    for (int n = 0; n < AT_ONCE; n++) {
        m->sequence++;
        switch (sim_random(l->s, 3)) {
        case 0:
            flood_event(l, m->sequence);
            break;
        case 1:
            flood_record(l, m->sequence);
            break;
        case 2:
            flood_questions(l);
            break;
        }
    }
}

const struct sim_liar_kind SIM_LIAR_FLOODER = {
    .name = "flooder",
    .lie = "sends 100 true statements and questions a second",
    .memory_bytes = sizeof(struct memory),
    .period_ms = 200,
    .acts = acts,
};
