/* What simulated members say: copies, since what a step says is borrowed, and a keyed hash in the
 * place of signatures. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus_liar.h"

static size_t body_bytes(const struct consensus_message *m)
{
    if (m->type == CONSENSUS_MSG_CAND) return m->u.cand.payload.len;
    return m->type == CONSENSUS_MSG_CERT ? m->u.cert.count * sizeof *m->u.cert.votes : 0;
}

struct world_message *world_message_new(const struct consensus_message *m)
{
    size_t bytes = body_bytes(m);
    struct world_message *copy = malloc(sizeof *copy + bytes);
    assert(copy != NULL);
    *copy = (struct world_message){.uses = 1, .m = *m};
    if (bytes == 0) return copy;
    if (m->type == CONSENSUS_MSG_CAND) {
        memcpy(copy + 1, m->u.cand.payload.data, bytes);
        copy->m.u.cand.payload.data = (const uint8_t *)(copy + 1);
    } else {
        memcpy(copy + 1, m->u.cert.votes, bytes);
        copy->m.u.cert.votes = (struct consensus_cert_vote *)(copy + 1);
    }
    return copy;
}

void world_message_drop(struct world_message *copy)
{
    if (--copy->uses == 0) free(copy);
}

static uint64_t mix(uint64_t state, uint64_t word)
{
    state = (state ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return state ^ state >> 32;
}

/* A keyed hash, and a quick one: nobody here tries to break it. */
struct base_sig65 world_signature(const struct base_eth_address *signer,
                                  const struct base_vote *vote)
{
    struct base_sig65 sig = {{0}};
    uint64_t h = base_get_u64be(signer->bytes);
    for (size_t i = 0; i < 32; i += 8)
        h = mix(mix(h, base_get_u64be(vote->epoch_id.bytes + i)),
                base_get_u64be(vote->hash.bytes + i));
    h = mix(mix(mix(h, (uint64_t)vote->kind), vote->first), vote->last);
    base_put_u64be(sig.bytes, h);
    base_put_u64be(sig.bytes + 8, mix(h, 1));
    return sig;
}

int world_verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                 const struct base_eth_address *signer)
{
    struct base_sig65 good = world_signature(signer, vote);
    (void)ctx;
    return memcmp(good.bytes, sig->bytes, sizeof good.bytes) == 0 ? BASE_OK : BASE_ESIG;
}
