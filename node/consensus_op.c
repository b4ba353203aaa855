#include "node/consensus_op.h"

#include <string.h>

#include "base/aead.h"
#include "base/err.h"

static bool is_key(const char *key)
{
    size_t len = strnlen(key, NODE_CONSENSUS_KEY_MAX + 1);
    for (size_t i = 0; i < len; i++)
        if (key[i] < '!' || key[i] > '~') return false;
    return len > 0 && len <= NODE_CONSENSUS_KEY_MAX;
}

size_t node_consensus_op_body_max(enum node_consensus_op_kind kind)
{
    switch (kind) {
    case NODE_CONSENSUS_PUT_VOTE:
    case NODE_CONSENSUS_PUT_EPOCH:
    case NODE_CONSENSUS_PUT_META:
        return NODE_CONSENSUS_BODY_MAX;
    case NODE_CONSENSUS_PUT_STATE:
        return NODE_CONSENSUS_STATE_MAX;
    case NODE_CONSENSUS_DROP_EPOCHS:
        break;
    }
    return 0;
}

static bool has_its_fields(const struct node_consensus_op *op)
{
    const struct node_consensus_row *row = &op->row;
    bool is_meta = op->kind == NODE_CONSENSUS_PUT_META;
    if (is_meta ? op->key == NULL || !is_key(op->key) : op->key != NULL) return false;
    if (row->epoch > NODE_CONSENSUS_NUMBER_MAX || row->first > NODE_CONSENSUS_NUMBER_MAX ||
        row->last > NODE_CONSENSUS_NUMBER_MAX)
        return false;
    switch (op->kind) {
    case NODE_CONSENSUS_PUT_VOTE:
        return row->first <= row->last;
    case NODE_CONSENSUS_PUT_STATE:
        return row->last == 0;
    case NODE_CONSENSUS_PUT_META:
        return row->epoch == 0 && row->first == 0 && row->last == 0;
    case NODE_CONSENSUS_PUT_EPOCH:
    case NODE_CONSENSUS_DROP_EPOCHS:
        return row->first == 0 && row->last == 0;
    }
    return false;
}

int node_consensus_op_check(const struct node_consensus_op *op)
{
    if (!has_its_fields(op)) return BASE_EINVAL;
    return op->row.body.len <= node_consensus_op_body_max(op->kind) ? BASE_OK : BASE_ETOOBIG;
}

void node_consensus_op_sum(struct base_hash32 *sum, uint64_t seq,
                           const struct node_consensus_op *op)
{
    uint8_t data[5 * 8 + 2 * BASE_HASH32_BYTES];
    const char *key = op->key != NULL ? op->key : "";
    struct base_hash32 of_key, of_body;
    base_sha256(&of_key, key, strlen(key));
    base_sha256(&of_body, op->row.body.data, op->row.body.len);
    base_put_u64be(data, seq);
    base_put_u64be(data + 8, op->kind);
    base_put_u64be(data + 16, op->row.epoch);
    base_put_u64be(data + 24, op->row.first);
    base_put_u64be(data + 32, op->row.last);
    memcpy(data + 40, of_key.bytes, sizeof of_key.bytes);
    memcpy(data + 40 + BASE_HASH32_BYTES, of_body.bytes, sizeof of_body.bytes);
    base_sha256(sum, data, sizeof data);
}
