/* A relay that never asks for anybody and says at once that nobody answered; and it keeps to itself
 * what it should pass on of others. */
#include "base/err.h"
#include "sim_liar.h"

static bool hears(struct sim_liar *l, uint32_t from, uint8_t type, const uint8_t *body, size_t len)
{
    static struct gossip_frame frame;
    if (type != GOSSIP_FRAME_PING_REQ) return true;
    if (gossip_frame_decode(&frame, type, body, len) != BASE_OK) return true;
    frame.type = GOSSIP_FRAME_NACK;
    sim_inject(l->s, l->i, from, &frame);
    return false;
}

static bool says(struct sim_liar *l, uint32_t to, uint8_t type, const uint8_t *body, size_t len)
{
    (void)l, (void)to, (void)body, (void)len;
    return type != GOSSIP_FRAME_UPDATE && type != GOSSIP_FRAME_EVENT;
}

const struct sim_liar_kind SIM_LIAR_MUTE = {
    .name = "mute",
    .lie = "as a relay answers NACK without asking, and passes no news on",
    .hears = hears,
    .says = says,
};
