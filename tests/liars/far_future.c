/* Incarnations and sequences that no time of day and no number of restarts explains. */
#include "gossip/statement.h"
#include "sim_liar.h"

static void accuse_ahead(struct sim_liar *l, uint64_t incarnation)
{
    uint8_t body[GOSSIP_STATEMENT_BYTES_MAX];
    uint32_t victim = sim_liar_victim(l);
    struct gossip_accusation a = {*sim_key(l->s, victim), incarnation, *sim_key(l->s, l->i)};
    struct gossip_item item = {.kind = BASE_STATEMENT_ACCUSATION};
    if (victim == l->i) return;
    item.body = (struct base_slice){body, gossip_accusation_encode(body, &a)};
    sim_sign(l->i, item.kind, body, item.body.len, &item.sig);
    sim_liar_tell_all(l, &item);
}

static void acts(struct sim_liar *l)
{
    static const uint64_t far[] = {1000000, UINT64_C(1) << 40, INT64_MAX - 1, INT64_MAX};
    uint64_t incarnation = far[sim_random(l->s, sizeof far / sizeof far[0])];
    struct sim_liar_record own;
    accuse_ahead(l, incarnation);
    sim_liar_record(&own, l, l->i, incarnation, 1, "future");
    sim_liar_tell(l, sim_liar_peer(l), &own.item);
    sim_liar_record(&own, l, l->i, sim_incarnation(l->s, l->i), incarnation, "future");
    sim_liar_tell(l, sim_liar_peer(l), &own.item);
}

const struct sim_liar_kind SIM_LIAR_FAR_FUTURE = {
    .name = "far-future",
    .lie = "claims incarnations and sequences up to 2^63 - 1, of itself and of others",
    .period_ms = 700,
    .acts = acts,
};
