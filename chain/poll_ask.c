#include <assert.h>

#include "chain/chain_internal.h"

/* The bodies of the poller's requests: what is asked, never when. */

/* The height, in the words of the finality policy. */
static void ask_height(const struct chain_poll *poll, struct chain_rpc_request *request)
{
    switch (poll->finality) {
    case CHAIN_FINALITY_LATEST:
        chain_rpc_ask_block_number(request);
        return;
    case CHAIN_FINALITY_SAFE:
        chain_rpc_ask_block_tag(request, CHAIN_RPC_SAFE);
        return;
    case CHAIN_FINALITY_FINALIZED:
        chain_rpc_ask_block_tag(request, CHAIN_RPC_FINALIZED);
        return;
    }
}

bool chain__wants_block(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return e->block_due && poll->round.active && chain__endpoint_counts(poll, e) &&
           e->height >= poll->round.target;
}

void chain__ask_poll(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct chain_rpc_request *request = &e->request;
    e->is_check = !e->up;
    if (e->is_check) {
        chain_rpc_ask_chain_id(request);
        chain_rpc_ask_block(request, 0);
        chain_rpc_ask_code(request, &poll->contract);
    }
    ask_height(poll, request);
    e->with_block = chain__wants_block(poll, e);
    e->with_old =
        e->with_block && poll->round.has_old && poll->round.old_number != poll->round.target;
    if (e->with_block) chain_rpc_ask_block(request, poll->round.target);
    if (e->with_old) chain_rpc_ask_block(request, poll->round.old_number);
    chain__ask_head(poll, e);
    e->due = false;
    if (e->with_block) e->block_due = false;
}

static void ask_call_at(struct chain_poll *poll, struct chain__endpoint *e,
                        const struct base_buf *call)
{
    assert(!call->failed || call->len == 0);
    chain_rpc_ask_call_at(&e->request, &poll->contract, call->data, call->len,
                          &poll->round.block.hash);
    if (call->failed) e->request.buf.failed = true;
}

void chain__ask_state(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct base_buf call;
    base_buf_init(&call, 256);
    chain_contract_call_cluster_state(&call);
    ask_call_at(poll, e, &call);
    e->root_count = poll->kind == CHAIN_KIND_PROTOTYPE ? 0 : poll->round.root_count;
    for (size_t i = 0; i < e->root_count; i++) {
        base_buf_clear(&call);
        chain_contract_call_root_epoch_of(&call, &poll->round.roots[i]);
        ask_call_at(poll, e, &call);
    }
    base_buf_deinit(&call);
    e->past_count = poll->round.is_reorg ? poll->past_count : 0;
    for (size_t i = 0; i < e->past_count; i++)
        chain_rpc_ask_block(&e->request, poll->past[i].number);
    e->with_probe = poll->kind != CHAIN_KIND_NFTMESH || e->read.wants_probe;
    if (e->with_probe) chain__ask_probe(poll, e);
    e->with_logs = e->with_probe && chain__logs_fit(poll, e);
    if (e->with_logs) chain__ask_logs_up(poll, e);
}

void chain__ask_pages(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct base_buf call;
    base_buf_init(&call, 256);
    size_t offset = e->read.seat_count;
    for (e->page_count = 0;
         e->page_count < CHAIN__PAGES_A_REQUEST && offset < e->read.state.seat_count;
         e->page_count++, offset += CHAIN_PAGE_SEATS) {
        base_buf_clear(&call);
        chain_contract_call_members_page(&call, offset, CHAIN_PAGE_SEATS);
        ask_call_at(poll, e, &call);
    }
    base_buf_deinit(&call);
}
