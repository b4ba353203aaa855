#include <stdlib.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* What is known of transfers, for those outside: in snapshots, in the status, for the next run. */

/* What a running round has found above the snapshot's block is not its affair. */
static uint64_t newest_until(const struct chain__token_moves *t, uint64_t block)
{
    for (uint8_t i = 0; i < t->count; i++)
        if (t->blocks[i] <= block) return t->blocks[i];
    return t->more ? block : 0; /* forgotten: the latest that it can have been */
}

void chain__moves_fill(const struct chain_poll *poll, struct chain_snapshot *snapshot)
{
    const struct chain__moves *m = &poll->moves;
    snapshot->transfers_from_block = m->from <= m->to ? m->from : CHAIN_BLOCK_NONE;
    if (m->to == CHAIN_BLOCK_NONE) snapshot->transfers_from_block = CHAIN_BLOCK_NONE;
    for (size_t i = 0; i < snapshot->seat_count; i++) {
        struct chain_seat *seat = &snapshot->seats[i];
        uint64_t token = 0;
        seat->last_transfer_block = 0;
        if (base_u256_to_u64(&token, &seat->token_id) != BASE_OK || m->tokens == NULL) continue;
        const struct chain__token_moves *t = &m->tokens[token];
        seat->last_transfer_block = newest_until(t, snapshot->block.number);
    }
}

/* ---- read-outs ---- */

/* How many blocks 30 days are, as far as can be told from those read so far; 0: not at all. */
static uint64_t estimate_blocks(const struct chain_poll *poll, uint64_t read)
{
    uint64_t total = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__logs *logs = &poll->endpoints[i].logs;
        uint64_t time_s = poll->reference.time_s - logs->from_time_s;
        if (!logs->has || logs->from_time_s == 0 || logs->from_time_s >= poll->reference.time_s ||
            logs->from > poll->reference.number)
            continue;
        uint64_t blocks = poll->reference.number - logs->from + 1;
        uint64_t guess = (uint64_t)((double)blocks / (double)time_s * CHAIN_POLL_TRANSFERS_S);
        if (guess > total) total = guess;
    }
    if (total > poll->reference.number + 1) total = poll->reference.number + 1;
    return total > read ? total : 0;
}

void chain__moves_status(const struct chain_poll *poll, struct chain_poll_status *out)
{
    const struct chain__moves *m = &poll->moves;
    bool is_any = m->to != CHAIN_BLOCK_NONE && m->from <= m->to;
    out->transfers_from_block = CHAIN_BLOCK_NONE;
    if (poll->kind != CHAIN_KIND_PROTOTYPE) return;
    out->verifying = !m->done;
    if (is_any) out->transfers_from_block = m->from;
    if (is_any) out->verified_blocks = m->to - m->from + 1;
    out->verify_blocks =
        m->done ? out->verified_blocks : estimate_blocks(poll, out->verified_blocks);
}

/* ---- for the next run ---- */

int chain_poll_transfers(const struct chain_poll *poll, struct chain_transfers *out)
{
    const struct chain__moves *m = &poll->moves;
    *out = (struct chain_transfers){.from_block = CHAIN_BLOCK_NONE};
    if (m->to == CHAIN_BLOCK_NONE || m->from > m->to || !poll->has_reference ||
        m->to != poll->reference.number)
        return BASE_ENOTFOUND;
    out->items = calloc(CHAIN_POLL_TRANSFERS_MAX, sizeof *out->items);
    if (out->items == NULL) return BASE_ENOMEM;
    out->from_block = m->from;
    out->to_block = m->to;
    out->to_hash = poll->reference.hash;
    for (uint32_t t = 0; m->tokens != NULL && t < CHAIN__TOKENS_MAX; t++)
        for (uint8_t i = 0; i < m->tokens[t].count; i++) {
            struct chain_transfer move = {.token = t, .block = m->tokens[t].blocks[i]};
            /* What is not covered is read again, and found again. */
            if (move.block >= m->from && move.block <= m->to) out->items[out->count++] = move;
        }
    return BASE_OK;
}

void chain_transfers_free(struct chain_transfers *transfers)
{
    free(transfers->items);
    *transfers = (struct chain_transfers){.from_block = CHAIN_BLOCK_NONE};
}
