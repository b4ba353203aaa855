#include "base/err.h"
#include "chain/chain_internal.h"

/* How far the chain is, for who must know of no block that there can be a higher one. */

void chain_poll_want_head(struct chain_poll *poll, uint64_t now_ms)
{
    poll->wants_head = true;
    poll->head_ms = now_ms;
    poll->head_serial++;
    if (poll->next_tick_ms > now_ms) poll->next_tick_ms = now_ms;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        poll->endpoints[i].has_head = false;
        poll->endpoints[i].head_failures = poll->endpoints[i].failures;
    }
}

/* By the policy LATEST its height is told by the same number. */
void chain__ask_head(struct chain_poll *poll, struct chain__endpoint *e)
{
    e->with_head = poll->wants_head;
    e->head_serial = poll->head_serial;
    if (e->with_head && poll->finality != CHAIN_FINALITY_LATEST)
        chain_rpc_ask_block_number(&e->request);
}

int chain__head_replied(struct chain_poll *poll, struct chain__endpoint *e,
                        const struct chain_rpc_reply *reply, size_t height)
{
    uint64_t number;
    bool is_height = poll->finality == CHAIN_FINALITY_LATEST;
    if (!e->with_head || e->head_serial != poll->head_serial) return BASE_OK;
    int rv = chain_rpc_reply_u64(&number, reply, is_height ? height : e->request.count - 1);
    if (rv != BASE_OK) return rv;
    e->has_head = true;
    e->head = number;
    return BASE_OK;
}

/* One that has not spoken yet may know more than one that stands still in the past. */
static bool have_spoken(const struct chain_poll *poll)
{
    if (poll->now_ms >= poll->head_ms + CHAIN_POLL_TIMEOUT_MS) return true;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        if (!e->has_head && e->failures == e->head_failures) return false;
    }
    return true;
}

int chain_poll_head(struct chain_poll *poll, uint64_t *out)
{
    uint64_t head;
    if (!poll->wants_head || !have_spoken(poll) ||
        !chain__kth_largest(&head, poll, CHAIN__FIGURE_HEAD))
        return BASE_ESTATE;
    if (poll->has_reference && poll->reference.number > head) head = poll->reference.number;
    poll->wants_head = false;
    *out = head;
    return BASE_OK;
}
