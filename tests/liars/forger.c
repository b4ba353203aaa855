/* Speaks in the names of others: their records, leaves and accusations, signed with its own key,
 * and its own with a signature that one bit is wrong in. */
#include <string.h>

#include "gossip/statement.h"
#include "sim_liar.h"

static void forge_record(struct sim_liar *l, uint32_t victim)
{
    struct sim_liar_record forged;
    sim_liar_record(&forged, l, victim, sim_incarnation(l->s, victim) + 1, 1, "forged");
    sim_liar_tell_all(l, &forged.item);
}

static void forge_leave(struct sim_liar *l, uint32_t victim)
{
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    struct gossip_leave leave = {*sim_key(l->s, victim), sim_incarnation(l->s, victim)};
    struct gossip_item item = {.kind = BASE_STATEMENT_LEAVE};
    item.body = (struct base_slice){body, gossip_leave_encode(body, &leave)};
    sim_sign(l->i, item.kind, body, item.body.len, &item.sig);
    sim_liar_tell_all(l, &item);
}

/* As many accusers as it takes, all of them its own hand. */
static void forge_accusations(struct sim_liar *l, uint32_t victim)
{
    for (uint32_t j = 0; j < sim_node_count(l->s); j++) {
        uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
        struct gossip_accusation a = {*sim_key(l->s, victim), sim_incarnation(l->s, victim),
                                      *sim_key(l->s, j)};
        struct gossip_item item = {.kind = BASE_STATEMENT_ACCUSATION};
        if (j == victim) continue;
        item.body = (struct base_slice){body, gossip_accusation_encode(body, &a)};
        sim_sign(l->i, item.kind, body, item.body.len, &item.sig);
        sim_liar_tell(l, sim_liar_peer(l), &item);
    }
}

static void corrupt_own(struct sim_liar *l)
{
    struct sim_liar_record own;
    sim_liar_record(&own, l, l->i, sim_incarnation(l->s, l->i) + 1, 1, "broken");
    own.item.sig.bytes[sim_random(l->s, sizeof own.item.sig.bytes)] ^= 1;
    sim_liar_tell(l, sim_liar_peer(l), &own.item);
}

static void acts(struct sim_liar *l)
{
    uint32_t victim = sim_liar_victim(l);
    if (victim == l->i) return;
    switch (sim_random(l->s, 4)) {
    case 0:
        forge_record(l, victim);
        break;
    case 1:
        forge_leave(l, victim);
        break;
    case 2:
        forge_accusations(l, victim);
        break;
    case 3:
        corrupt_own(l);
        break;
    }
}

const struct sim_liar_kind SIM_LIAR_FORGER = {
    .name = "forger",
    .lie = "signs records, leaves and accusations of others with its own key",
    .period_ms = 400,
    .acts = acts,
};
