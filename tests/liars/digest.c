/* Never agrees: each digest that it sends is another one, and each list that it answers with holds
 * strangers and wrong numbers. */
#include <string.h>

#include "base/err.h"
#include "sim_liar.h"

static void spoil(struct sim_liar *l, struct gossip_frame *frame)
{
    if (frame->type == GOSSIP_FRAME_PING || frame->type == GOSSIP_FRAME_ACK) {
        frame->u.ping.digest.count = sim_random(l->s, 100);
        frame->u.ping.digest.sum = sim_random(l->s, UINT64_MAX);
    } else if (frame->type == GOSSIP_FRAME_SYNC) {
        for (uint32_t b = 0; b < frame->u.sync.sum_count; b++)
            frame->u.sync.sums[b] ^= sim_random(l->s, 2);
    } else {
        frame->u.list.deep =
            sim_random(l->s, UINT64_MAX); /* and buckets to be asked about by leaf */
        for (uint32_t e = 0; e < frame->u.list.entry_count; e++) {
            frame->u.list.entries[e].incarnation += sim_random(l->s, 3);
            if (sim_random(l->s, 8) == 0) frame->u.list.entries[e].key.bytes[1] ^= 1;
        }
    }
}

static bool says(struct sim_liar *l, uint32_t to, uint8_t type, const uint8_t *body, size_t len)
{
    static struct gossip_frame frame;
    if (type != GOSSIP_FRAME_PING && type != GOSSIP_FRAME_ACK && type != GOSSIP_FRAME_SYNC &&
        type != GOSSIP_FRAME_LIST)
        return true;
    if (gossip_frame_decode(&frame, type, body, len) != BASE_OK) return true;
    spoil(l, &frame);
    sim_inject(l->s, l->i, to, &frame);
    return false;
}

const struct sim_liar_kind SIM_LIAR_DIGEST = {
    .name = "digest",
    .lie = "sends digests and lists that never agree with anybody's",
    .says = says,
};
