#include "node/consensus_lost.h"

#include "base/err.h"

void node_consensus_lost_encode(uint8_t out[NODE_CONSENSUS_LOST_BYTES],
                                const struct node_consensus_lost *lost)
{
    out[0] = (uint8_t)lost->how;
    base_put_u64be(out + 1, lost->block);
}

int node_consensus_lost_decode(struct node_consensus_lost *out, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    if (len != NODE_CONSENSUS_LOST_BYTES) return BASE_EMALFORMED;
    if (bytes[0] < NODE_CONSENSUS_LOST_MISSING || bytes[0] > NODE_CONSENSUS_LOST_SHOWN)
        return BASE_EMALFORMED;
    out->how = (enum node_consensus_loss)bytes[0];
    out->block = base_get_u64be(bytes + 1);
    return BASE_OK;
}

struct node_consensus_op node_consensus_lost_op(uint8_t body[NODE_CONSENSUS_LOST_BYTES],
                                                const struct node_consensus_lost *lost)
{
    node_consensus_lost_encode(body, lost);
    return (struct node_consensus_op){.kind = NODE_CONSENSUS_PUT_META,
                                      .key = NODE_CONSENSUS_LOST_KEY,
                                      .row.body = {body, NODE_CONSENSUS_LOST_BYTES}};
}

struct node_consensus_op node_consensus_voted_op(void)
{
    return (struct node_consensus_op){.kind = NODE_CONSENSUS_PUT_META,
                                      .key = NODE_CONSENSUS_VOTED_KEY};
}
