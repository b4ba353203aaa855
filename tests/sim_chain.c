/* The chain: a block every few seconds, what its transactions do to the seats, and branches that
 * are thrown away. Each node judges by the newest block that it has heard of. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim_internal.h"

#define GENESIS_S       1700000000u
#define TERM_S          100000000u
#define LAG_MAX_MS      2000
#define BLOCK_MS        1000
#define REORG_KEEPS     4 /* of 5 transactions in a lost branch stand in the new one */
#define LAG_JITTER_MS   300
#define OUTAGE_STALE_MS 8000 /* as the rim: until then an old answer still counts as fresh */

enum tx_kind { TX_SELL, TX_BUY, TX_ACTIVE, TX_SUSPEND, TX_EXPIRE, TX_WEIGHT, TX_ROTATE, TX_BURN };
struct sim__tx {
    enum tx_kind kind;
    uint32_t seat, value;
};

struct sim__block {
    uint32_t users;
    uint64_t number, time_s;
    struct chain_seat *seats; /* one a node; token_id zero: never minted */
    struct chain_snapshot *snapshot;
    bool *counts;
    uint32_t tx_count;
    struct sim__tx *txs;
};

const struct chain_snapshot *sim__block_snapshot(const struct sim__block *block)
{
    return block->snapshot;
}

/* The simulator's own opinion of who has a seat, beside admission's. */
bool sim__block_counts(const struct sim__block *block, uint32_t i)
{
    return block->counts[i];
}

uint32_t sim__block_weight(const struct sim__block *block, uint32_t i)
{
    return block->seats[i].weight;
}

void sim__block_keep(struct sim__block *block)
{
    block->users++;
}

void sim__block_release(struct sim__block *block)
{
    if (block == NULL || --block->users > 0) return;
    chain_snapshot_free(block->snapshot);
    free(block->seats);
    free(block->counts);
    free(block->txs);
    free(block);
}

static struct sim__block *head(const struct sim *s)
{
    return s->chain.tail[s->chain.tail_count - 1];
}

/* ---- transactions ---- */

static struct base_eth_address wallet(uint32_t of, uint32_t sold)
{
    struct base_eth_address address = {{0xaa}};
    base_put_u32be(address.bytes + 1, of);
    base_put_u32be(address.bytes + 5, sold);
    return address;
}

/* A token that nobody has: the first one of node i may stand behind another key by now. */
static struct base_u256 token_new(const struct sim *s, const struct chain_seat *seats, uint32_t i)
{
    struct base_u256 token = base_u256_from_u64((uint64_t)i + 1);
    for (uint32_t j = 0, round = 1; j < s->count; j++) {
        if (!base_u256_equal(&seats[j].token_id, &token)) continue;
        token = base_u256_from_u64((uint64_t)i + 1 + round++ * SIM_NODES_MAX);
        j = UINT32_MAX; /* from the first one again */
    }
    return token;
}

static void mint(const struct sim *s, struct chain_seat *seats, uint32_t i)
{
    struct base_u256 token = token_new(s, seats, i);
    struct chain_seat *seat = &seats[i];
    memset(seat, 0, sizeof *seat);
    seat->token_id = token;
    seat->owner = seat->bound_by = wallet(i, 0);
    sim__seat_keys(seat, i);
    seat->expires_at = GENESIS_S + TERM_S;
    seat->active = true;
    seat->weight = 1;
}

static bool is_minted(const struct chain_seat *seat)
{
    return seat->has_keys;
}

static void rotate(struct chain_seat *seats, uint32_t i, uint32_t j)
{
    if (!is_minted(&seats[i]) || is_minted(&seats[j])) return; /* the contract refuses it */
    seats[j] = seats[i];
    sim__seat_keys(&seats[j], j);
    memset(&seats[i], 0, sizeof seats[i]);
}

static void tx_apply(const struct sim *s, struct chain_seat *seats, const struct sim__tx *tx,
                     uint64_t time_s)
{
    struct chain_seat *seat = &seats[tx->seat];
    if (tx->kind == TX_BUY && !is_minted(seat)) mint(s, seats, tx->seat);
    if (!is_minted(seat)) return;
    switch (tx->kind) {
    case TX_SELL:
        seat->owner = wallet(tx->seat, 1);
        break;
    case TX_BUY:
        seat->owner = seat->bound_by;
        seat->active = true;
        seat->suspended_until = 0;
        seat->expires_at = GENESIS_S + TERM_S;
        break;
    case TX_ACTIVE:
        seat->active = tx->value != 0;
        break;
    case TX_SUSPEND:
        seat->suspended_until = time_s + tx->value;
        break;
    case TX_EXPIRE:
        seat->expires_at = time_s + tx->value;
        break;
    case TX_WEIGHT:
        seat->weight = tx->value;
        break;
    case TX_ROTATE:
        rotate(seats, tx->seat, tx->value);
        break;
    case TX_BURN:
        memset(seat, 0, sizeof *seat);
        break;
    }
}

static void pool_put(struct sim *s, const struct sim__tx *tx)
{
    struct sim__chain *c = &s->chain;
    if (c->pool_count == c->pool_cap) {
        c->pool_cap = 2 * c->pool_cap + 16;
        c->pool = realloc(c->pool, c->pool_cap * sizeof *c->pool);
        assert(c->pool != NULL);
    }
    c->pool[c->pool_count++] = *tx;
}

static void tx_send(struct sim *s, enum tx_kind kind, uint32_t seat, uint32_t value)
{
    struct sim__tx tx = {kind, seat, value};
    pool_put(s, &tx);
}

/* ---- blocks ---- */

static void *copy_of(const void *from, size_t bytes)
{
    void *copy = malloc(bytes > 0 ? bytes : 1);
    assert(copy != NULL);
    if (bytes > 0) memcpy(copy, from, bytes);
    return copy;
}

static bool counts(const struct chain_seat *seat, uint64_t time_s)
{
    return is_minted(seat) && base_address_equal(&seat->owner, &seat->bound_by) && seat->active &&
           seat->suspended_until <= time_s && seat->expires_at > time_s;
}

static void block_seal(struct sim *s, struct sim__block *b)
{
    struct chain_snapshot top = {.kind = CHAIN_KIND_NFTMESH,
                                 .chain_id = SIM__CHAIN_ID,
                                 .contract = SIM__CONTRACT,
                                 .kms_root = SIM__ROOT,
                                 .root_epoch = 1,
                                 .app_ids = {SIM__APP},
                                 .app_id_count = 1,
                                 .roots = {{SIM__ROOT, 1}},
                                 .root_count = 1};
    struct chain_seat *minted = malloc(s->count * sizeof *minted);
    size_t minted_count = 0;
    b->counts = calloc(s->count, sizeof *b->counts);
    assert(minted != NULL && b->counts != NULL);
    top.block.number = b->number;
    top.block.time_s = b->time_s;
    sim__hash(&top.block.hash, "block", (uint32_t)s->chain.made++);
    for (uint32_t i = 0; i < s->count; i++) {
        b->counts[i] = counts(&b->seats[i], b->time_s);
        if (is_minted(&b->seats[i])) minted[minted_count++] = b->seats[i];
    }
    int rv = chain_snapshot_new(&b->snapshot, &top, minted, minted_count);
    assert(rv == BASE_OK);
    free(minted);
}

static void block_put(struct sim *s, struct sim__block *b)
{
    struct sim__chain *c = &s->chain;
    const uint32_t cap = sizeof c->tail / sizeof c->tail[0];
    if (c->tail_count == cap) {
        sim__block_release(c->tail[0]);
        memmove(c->tail, c->tail + 1, (cap - 1) * sizeof c->tail[0]);
        c->tail_count--;
    }
    c->tail[c->tail_count++] = b;
    sim__votes_block(s, b);
}

/* Takes the first tx_count of the pool. */
static void block_make(struct sim *s, uint64_t time_s, uint32_t tx_count)
{
    struct sim__chain *c = &s->chain;
    struct sim__block *b = calloc(1, sizeof *b);
    assert(b != NULL && tx_count <= c->pool_count);
    b->users = 1;
    b->number = c->tail_count == 0 ? 1 : head(s)->number + 1;
    b->time_s = time_s;
    if (c->tail_count > 0) {
        b->seats = copy_of(head(s)->seats, s->count * sizeof *b->seats);
    } else {
        b->seats = calloc(s->count, sizeof *b->seats);
        assert(b->seats != NULL);
    }
    b->tx_count = tx_count;
    b->txs = copy_of(c->pool, tx_count * sizeof *b->txs);
    for (uint32_t t = 0; t < tx_count; t++)
        tx_apply(s, b->seats, &b->txs[t], time_s);
    c->pool_count -= tx_count;
    if (c->pool_count > 0) memmove(c->pool, c->pool + tx_count, c->pool_count * sizeof *c->pool);
    block_seal(s, b);
    block_put(s, b);
}

/* The last blocks are on a branch that lost: what they held waits again, or is gone. */
static uint32_t branch_lose(struct sim *s)
{
    struct sim__chain *c = &s->chain;
    uint32_t depth = c->reorg_depth < c->tail_count - 1 ? c->reorg_depth : c->tail_count - 1;
    struct sim__tx *waiting = copy_of(c->pool, c->pool_count * sizeof *waiting);
    uint32_t waiting_count = c->pool_count, first = c->tail_count - depth;
    c->pool_count = 0;
    for (uint32_t at = first; at < c->tail_count; at++) {
        for (uint32_t t = 0; t < c->tail[at]->tx_count; t++)
            if (sim_random(s, REORG_KEEPS + 1) != 0) pool_put(s, &c->tail[at]->txs[t]);
        sim__block_release(c->tail[at]);
    }
    c->tail_count = first;
    for (uint32_t t = 0; t < waiting_count; t++)
        pool_put(s, &waiting[t]);
    free(waiting);
    c->reorg_depth = 0;
    return depth;
}

static void block_announce(struct sim *s, uint32_t i)
{
    const struct sim__node *n = &s->nodes[i];
    struct sim__event *ev = sim__event_new(SIM__SNAPSHOT, i, i, 0);
    ev->block = head(s);
    ev->block->users++;
    sim__event_at(s, ev, s->now_ms + n->lag_ms + sim_random(s, LAG_JITTER_MS));
}

static void block_soon(struct sim *s)
{
    uint64_t gap = s->chain.block_ms / 2 + sim_random(s, s->chain.block_ms);
    sim__event_at(s, sim__event_new(SIM__BLOCK, 0, 0, 0), s->now_ms + gap + 1);
}

void sim__block_due(struct sim *s)
{
    struct sim__chain *c = &s->chain;
    uint64_t now_s = GENESIS_S + s->now_ms / 1000;
    uint32_t again = c->reorg_depth > 0 ? branch_lose(s) : 0;
    for (uint32_t b = 0; b < again; b++)
        block_make(s, now_s, (uint32_t)sim_random(s, c->pool_count + 1u));
    block_make(s, now_s, c->pool_count);
    for (uint32_t i = 0; i < s->count; i++)
        block_announce(s, i);
    block_soon(s);
}

/* ---- who sees what ---- */

static void evict(struct sim *s, uint32_t i, uint32_t j)
{
    struct gossip_event ev = {.type = GOSSIP_EV_EVICT, .key = s->nodes[j].key};
    sim__step(s, i, &ev);
}

static void reweigh(struct sim *s, uint32_t i, uint32_t j)
{
    struct gossip_member_view view;
    struct gossip_event ev = {.type = GOSSIP_EV_VERDICT, .key = s->nodes[j].key};
    ev.u.verdict.verdict = GOSSIP_OK;
    ev.u.verdict.weight = sim__weight_of(s, i, j);
    if (gossip_member_find(&view, s->nodes[i].core, &ev.key) != BASE_OK) return;
    if (view.weight != ev.u.verdict.weight) sim__step(s, i, &ev);
}

/* Each listed member, then each session, then gossip hears of it: as the rim does. What the
 * checkers hold against the node is view, which turns with the member that is judged. */
static void recheck_all(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    for (uint32_t j = 0; j < s->count; j++) {
        n->view[j] = sim__block_counts(n->reference, j);
        if (n->core == NULL) continue;
        bool is_listed = n->seen[j].state != GOSSIP_NONE, is_linked = sim_is_linked(s, i, j);
        if (!is_listed && !is_linked) continue;
        if (j == i || sim__recheck(s, i, j) == NODE_REASON_NONE) {
            if (is_listed) reweigh(s, i, j);
            continue;
        }
        if (is_linked) sim__send_close(s, i, j, sim__end_of(s, i, j)->generation);
        sim__end_of(s, i, j)->is_up = false;
        if (is_linked) sim__votes_peer(s, i, j, false);
        if (is_listed) evict(s, i, j);
    }
}

/* A block below the last one never replaces it; another one of its height does. */
static bool reference_move(struct sim__node *n, struct sim__block *block)
{
    if (n->reference == block) return false;
    if (n->reference != NULL && block->number < n->reference->number) return false;
    sim__block_release(n->reference);
    n->reference = block;
    block->users++;
    return true;
}

void sim__snapshot_arrives(struct sim *s, const struct sim__event *ev)
{
    struct sim__node *n = &s->nodes[ev->node];
    if (n->outage_ms != 0) {
        n->is_out = s->now_ms - n->outage_ms > OUTAGE_STALE_MS;
        sim__votes_silence(s, ev->node, s->now_ms - n->outage_ms);
        return;
    }
    n->is_out = false;
    sim__votes_silence(s, ev->node, 0);
    if (!reference_move(n, ev->block)) return;
    recheck_all(s, ev->node);
    struct gossip_event moved = {.type = GOSSIP_EV_SNAPSHOT_MOVED};
    if (n->core != NULL) sim__step(s, ev->node, &moved);
    sim__votes_chain(s, ev->node);
    if (n->wants_start) {
        n->wants_start = false;
        sim__process_start(s, ev->node, n->start_via);
    }
}

void sim__snapshot_now(struct sim *s, uint32_t i)
{
    struct sim__node *n = &s->nodes[i];
    assert(n->core == NULL);
    reference_move(n, head(s));
    recheck_all(s, i);
}

void sim_outage(struct sim *s, uint32_t i, bool out)
{
    struct sim__node *n = &s->nodes[i];
    if (out == (n->outage_ms != 0)) return;
    n->outage_ms = out ? s->now_ms : 0;
    if (!out) block_announce(s, i);
}

bool sim_chain_is_settled(struct sim *s)
{
    if (s->chain.pool_count > 0 || s->chain.reorg_depth > 0) return false;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sim__node *n = &s->nodes[i];
        if (n->reference == NULL || n->wants_start) return false;
        if (memcmp(n->reference->counts, head(s)->counts, s->count * sizeof(bool)) != 0)
            return false;
    }
    return true;
}

bool sim_has_seat(const struct sim *s, uint32_t i)
{
    return sim__block_counts(head(s), i);
}

uint32_t sim_weight_of(const struct sim *s, uint32_t i)
{
    return head(s)->seats[i].weight;
}

/* ---- what people do ---- */

void sim_seat(struct sim *s, uint32_t i, bool has)
{
    tx_send(s, has ? TX_BUY : TX_SELL, i, 0);
}

void sim_deactivate(struct sim *s, uint32_t i, bool active)
{
    tx_send(s, TX_ACTIVE, i, active);
}

void sim_suspend(struct sim *s, uint32_t i, uint32_t for_s)
{
    tx_send(s, TX_SUSPEND, i, for_s);
}

void sim_expire(struct sim *s, uint32_t i, uint32_t in_s)
{
    tx_send(s, TX_EXPIRE, i, in_s);
}

void sim_weight(struct sim *s, uint32_t i, uint32_t weight)
{
    tx_send(s, TX_WEIGHT, i, weight);
}

void sim_burn(struct sim *s, uint32_t i)
{
    tx_send(s, TX_BURN, i, 0);
}

void sim_rotate(struct sim *s, uint32_t i, uint32_t j)
{
    tx_send(s, TX_ROTATE, i, j);
}

void sim_reorg(struct sim *s, uint32_t depth)
{
    s->chain.reorg_depth = depth < SIM_REORG_MAX ? depth : SIM_REORG_MAX;
}

/* ---- life ---- */

void sim_chain(struct sim *s, uint32_t block_ms, uint32_t lag_max_ms)
{
    s->chain.block_ms = block_ms;
    s->chain.lag_max_ms = lag_max_ms;
    for (uint32_t i = 0; i < s->count; i++)
        s->nodes[i].lag_ms = (uint32_t)sim_random(s, lag_max_ms + 1);
}

void sim__chain_init(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        tx_send(s, TX_BUY, i, 0);
    block_make(s, GENESIS_S, s->chain.pool_count);
    sim_chain(s, BLOCK_MS, LAG_MAX_MS);
    block_soon(s);
}

void sim__chain_free(struct sim *s)
{
    for (uint32_t b = 0; b < s->chain.tail_count; b++)
        sim__block_release(s->chain.tail[b]);
    free(s->chain.pool);
}
