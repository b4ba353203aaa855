/* Keeps what it hears, and says it again later: records, accusations, leaves, refutations, events,
 * all of them rightly signed once. */
#include <string.h>

#include "sim_liar.h"

#define KEPT 64
struct memory {
    struct {
        uint8_t type;
        size_t len;
        uint8_t body[2048];
    } kept[KEPT];
    uint32_t count;
};

static bool hears(struct sim_liar *l, uint32_t from, uint8_t type, const uint8_t *body, size_t len)
{
    struct memory *m = l->memory;
    (void)from;
    if (type != GOSSIP_FRAME_UPDATE && type != GOSSIP_FRAME_EVENT && type != GOSSIP_FRAME_REFUTE)
        return true;
    if (len > sizeof m->kept[0].body) return true;
    /* The oldest are what it is after: only some of what comes later takes their places. */
    uint32_t at = m->count < KEPT ? m->count : KEPT / 2 + (uint32_t)sim_random(l->s, KEPT / 2);
    m->kept[at].type = type;
    m->kept[at].len = len;
    memcpy(m->kept[at].body, body, len);
    if (m->count < KEPT) m->count++;
    return true;
}

static void acts(struct sim_liar *l)
{
    const struct memory *m = l->memory;
    for (int times = 0; times < 3 && m->count > 0; times++) {
        uint32_t peer = sim_liar_peer(l);
        uint32_t at = (uint32_t)sim_random(l->s, m->count);
        sim_inject_bytes(l->s, l->i, peer, m->kept[at].type, m->kept[at].body, m->kept[at].len);
    }
}

const struct sim_liar_kind SIM_LIAR_REPLAYER = {
    .name = "replayer",
    .lie = "sends again what it heard long ago",
    .memory_bytes = sizeof(struct memory),
    .period_ms = 200,
    .hears = hears,
    .acts = acts,
};
