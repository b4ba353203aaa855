/* Bytes: frames of any type and any content, and real ones with some bits turned. */
#include <string.h>

#include "sim_liar.h"

struct memory {
    uint8_t type;
    size_t len;
    uint8_t body[1024];
};

static bool hears(struct sim_liar *l, uint32_t from, uint8_t type, const uint8_t *body, size_t len)
{
    struct memory *m = l->memory;
    (void)from;
    if (len > sizeof m->body || sim_random(l->s, 4) != 0) return true;
    m->type = type;
    m->len = len;
    memcpy(m->body, body, len);
    return true;
}

static void acts(struct sim_liar *l)
{
    struct memory *m = l->memory;
    uint8_t bytes[sizeof m->body];
    size_t len = m->len;
    uint8_t type = m->type;
    memcpy(bytes, m->body, sizeof bytes);
    if (len == 0 || sim_random(l->s, 2) == 0) {
        len = sim_random(l->s, sizeof bytes + 1);
        type = (uint8_t)(GOSSIP_FRAME_TYPE_FIRST + sim_random(l->s, 16));
        for (size_t b = 0; b < len; b++)
            bytes[b] = (uint8_t)sim_random(l->s, 256);
    } else {
        for (uint64_t turns = 1 + sim_random(l->s, 4); turns > 0; turns--) {
            size_t at = sim_random(l->s, len);
            bytes[at] ^= (uint8_t)(1u << sim_random(l->s, 8));
        }
    }
    sim_inject_bytes(l->s, l->i, sim_liar_peer(l), type, bytes, len);
}

const struct sim_liar_kind SIM_LIAR_GARBAGE = {
    .name = "garbage",
    .lie = "sends random bytes, and real frames with some bits turned",
    .memory_bytes = sizeof(struct memory),
    .period_ms = 500,
    .hears = hears,
    .acts = acts,
};
