#include "node/peer_budget.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *name;
    uint64_t a_second, burst;
} COSTS[NODE_PEER_COSTS] = {
    [NODE_PEER_FRAMES] = {"frames", NODE_PEER_FRAMES_A_SECOND, NODE_PEER_FRAMES_BURST},
    [NODE_PEER_BYTES] = {"bytes", NODE_PEER_BYTES_A_SECOND, NODE_PEER_BYTES_BURST},
    [NODE_PEER_STATEMENTS] = {"statements", NODE_PEER_STATEMENTS_A_SECOND,
                              NODE_PEER_STATEMENTS_BURST},
};

const char *node_peer_cost_name(enum node_peer_cost kind)
{
    assert(kind < NODE_PEER_COSTS);
    return COSTS[kind].name;
}

uint64_t node_peer_cost_a_second(enum node_peer_cost kind)
{
    assert(kind < NODE_PEER_COSTS);
    return COSTS[kind].a_second;
}

/* A thousandth of a token comes back each millisecond for each token a second. A caller's reading
 * may be older than the last one by the time of its step: then nothing has passed. */
static void earn(struct node_peer_budget *b, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
    bool is_calm = true;
    for (unsigned k = 0; k < NODE_PEER_COSTS; k++) {
        uint64_t back = passed_ms < UINT32_MAX ? passed_ms * COSTS[k].a_second : UINT64_MAX;
        b->used[k] = back < b->used[k] ? b->used[k] - back : 0;
        if (b->used[k] > COSTS[k].burst * 1000 / 2) is_calm = false;
    }
    b->at_ms += passed_ms;
    if (is_calm) b->over_since_ms = 0;
}

void node_peer_budget_spend(struct node_peer_budget *b, uint64_t now_ms, enum node_peer_cost kind,
                            uint64_t amount)
{
    assert(kind < NODE_PEER_COSTS);
    const uint64_t full = COSTS[kind].burst * 1000;
    /* No debt is deeper than what NODE_PEER_REST_MS pays back: the link is never quite still. */
    const uint64_t deepest = full + COSTS[kind].a_second * NODE_PEER_REST_MS;
    earn(b, now_ms);
    if (amount > COSTS[kind].burst) amount = 2 * COSTS[kind].burst;
    b->used[kind] += amount * 1000;
    if (b->used[kind] > deepest) b->used[kind] = deepest;
    if (b->used[kind] > full && b->over_since_ms == 0)
        b->over_since_ms = b->at_ms > 0 ? b->at_ms : 1;
}

enum node_peer_verdict node_peer_budget_judge(struct node_peer_budget *b, uint64_t now_ms,
                                              uint64_t *resume_ms)
{
    uint64_t rest_ms = 0;
    earn(b, now_ms);
    now_ms = b->at_ms;
    if (b->over_since_ms != 0 && now_ms - b->over_since_ms >= NODE_PEER_PATIENCE_MS)
        return NODE_PEER_CLOSE;
    for (unsigned k = 0; k < NODE_PEER_COSTS; k++) {
        uint64_t full = COSTS[k].burst * 1000, debt = b->used[k] > full ? b->used[k] - full : 0;
        uint64_t pays_ms = (debt + COSTS[k].a_second - 1) / COSTS[k].a_second;
        if (pays_ms > rest_ms) rest_ms = pays_ms;
    }
    if (rest_ms == 0) return NODE_PEER_OK;
    *resume_ms = now_ms + rest_ms;
    return NODE_PEER_REST;
}

enum node_peer_cost node_peer_budget_most(struct node_peer_budget *b, uint64_t now_ms,
                                          uint64_t *permille)
{
    enum node_peer_cost most = NODE_PEER_FRAMES;
    earn(b, now_ms);
    *permille = 0;
    for (unsigned k = 0; k < NODE_PEER_COSTS; k++) {
        uint64_t share = b->used[k] / COSTS[k].burst;
        if (share <= *permille) continue;
        *permille = share;
        most = (enum node_peer_cost)k;
    }
    return most;
}

void node_peer_budget_bar(struct node_peer_budget *b, uint64_t now_ms)
{
    uint64_t bar_ms;
    if (b->barred_until_ms != 0 && now_ms > b->barred_until_ms + NODE_PEER_FORGIVEN_MS) b->bars = 0;
    bar_ms = b->bars < 5 ? (uint64_t)NODE_PEER_BAR_MS << b->bars : NODE_PEER_BAR_MAX_MS;
    b->bars++;
    b->barred_until_ms = now_ms + (bar_ms < NODE_PEER_BAR_MAX_MS ? bar_ms : NODE_PEER_BAR_MAX_MS);
    memset(b->used, 0, sizeof b->used);
    b->over_since_ms = 0;
}

bool node_peer_budget_is_barred(const struct node_peer_budget *b, uint64_t now_ms)
{
    return now_ms < b->barred_until_ms;
}
