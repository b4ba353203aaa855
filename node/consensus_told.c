#include "node/consensus_told.h"

#include "base/ecdsa.h"
#include "base/err.h"

#define NONCE_BITS 24 /* of one run; above it the incarnation */

static bool counts(const struct chain_snapshot *s, const struct chain_seat *seat)
{
    return seat->has_keys && seat->active && base_address_equal(&seat->owner, &seat->bound_by) &&
           seat->expires_at > s->block.time_s && seat->suspended_until <= s->block.time_s;
}

size_t node_consensus_seats(struct consensus_seat *out, const struct chain_snapshot *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->by_key_count; i++) {
        const struct chain_seat *seat = &s->seats[s->by_key[i]];
        struct consensus_seat *to = &out[count];
        if (!counts(s, seat) || base_ecdsa_address(&to->signer, &seat->node_key) != BASE_OK)
            continue;
        to->key = seat->node_key;
        to->token = seat->token_id;
        to->weight = seat->weight;
        count++;
    }
    return count;
}

bool node_consensus_is_news(bool *is_dead, enum gossip_state to)
{
    *is_dead = to != GOSSIP_ALIVE;
    return to != GOSSIP_SUSPECT;
}

static uint32_t lower(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void node_consensus_params(struct consensus_params *out, uint32_t window_slots, uint32_t lease_ms,
                           uint32_t skip_ms)
{
    consensus_params_default(out);
    out->window_slots = window_slots;
    out->lease_ms = lease_ms;
    out->skip_ms = skip_ms;
    out->slot_ms = lower(out->slot_ms, lease_ms / 3);
    out->slot_ms = lower(out->slot_ms, skip_ms / 3);
    out->pace_ms = lower(out->pace_ms, out->slot_ms / 2);
}

uint64_t node_consensus_nonce(uint64_t start_incarnation)
{
    return start_incarnation << NONCE_BITS;
}
