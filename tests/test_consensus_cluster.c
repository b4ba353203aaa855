/* Whole clusters over a chain, in virtual time: founding, newcomers, seats that are sold, a log
 * that all share, restarts, members far behind, and one whose key runs in two places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "base/prng.h"
#include "consensus/cluster.h"
#include "consensus/fields.h"
#include "consensus/votelog.h"
#include "consensus/wire.h"

#define MOST     12
#define BLOCK_MS 2000
#define TAGS     4096
#define S        1000u

/* ---- the world ---- */

struct item { /* what comes when */
    uint64_t at_ms, order;
    size_t to, from;
    uint32_t life; /* of the receiver */
    enum { FRAME, STORED, CHAIN, PEER, DEAD, HEAD } kind;
    uint8_t type;
    uint8_t *body;
    size_t len;
    uint64_t number; /* STORED: up to; CHAIN: block; PEER, DEAD: is it so */
};

struct kept { /* a row of the vote log */
    uint64_t epoch, first, last;
    uint8_t *body;
    size_t len;
};
struct blob {
    uint64_t epoch, first;
    uint8_t *body;
    size_t len;
};
struct op {
    uint64_t number;
    enum consensus_store_kind kind;
    uint64_t epoch, first, last;
    uint8_t *body;
    size_t len;
};

struct node {
    struct consensus_cluster *cluster;
    struct base_key33 key;
    uint32_t life;
    bool is_up, is_cut, is_deaf;
    bool is_blind;   /* its endpoints are silent */
    bool is_astray;  /* they show it other blocks */
    uint64_t lag_ms; /* they are so late */
    uint64_t runs;
    struct op *ops; /* not on disk yet */
    size_t op_count;
    struct blob epoch, state;
    struct kept *votes;
    size_t vote_count;
    bool has_voted, is_lost; /* on disk, as all above */
    uint64_t lost_block;
    struct base_vote *said; /* in all its lives */
    size_t said_count;
    uint64_t contradictions;
    uint64_t epochs, faults, copies, differs, awaits, votes_made;
    bool has_lease;
};

struct block {
    struct consensus_seat seats[MOST];
    size_t count;
};

static struct world {
    struct base_prng prng;
    uint64_t now_ms, order;
    struct item *heap;
    size_t heap_count, heap_cap;
    struct node nodes[MOST];
    size_t count;
    struct block blocks[4096];
    uint64_t head;
    struct consensus_seat seats[MOST]; /* now; by key */
    size_t seat_count;
    struct consensus_params params;
    uint64_t overlaps;
    struct consensus_result results[TAGS];
    bool is_done[TAGS];
    uint64_t tags;
    uint32_t loss_percent;
    uint64_t gap_s, disk_ms;
    uint64_t crowd_from; /* from this block on there are more seats than a record holds; 0: never */
    bool no_states;      /* none arrives */
    bool no_heads;       /* the endpoints are silent */
    struct base_hash32 wanted; /* the state that was asked for last */
} w;

static struct base_sig65 keyed(const void *key, size_t key_len, const void *data, size_t len)
{
    struct base_sig65 sig = {{0}};
    struct base_keccak256 k;
    struct base_hash32 hash;
    base_keccak256_init(&k);
    base_keccak256_update(&k, key, key_len);
    base_keccak256_update(&k, data, len);
    base_keccak256_final(&k, &hash);
    memcpy(sig.bytes, hash.bytes, 32);
    return sig;
}

static struct base_eth_address address_of(const struct base_key33 *key)
{
    struct base_eth_address out;
    memcpy(out.bytes, key->bytes + 13, sizeof out.bytes);
    return out;
}

static struct base_sig65 vote_sig(const struct base_eth_address *signer,
                                  const struct base_vote *vote)
{
    uint8_t bytes[32 + 1 + 16 + 32];
    memcpy(bytes, vote->epoch_id.bytes, 32);
    bytes[32] = (uint8_t)vote->kind;
    base_put_u64be(bytes + 33, vote->first);
    base_put_u64be(bytes + 41, vote->last);
    memcpy(bytes + 49, vote->hash.bytes, 32);
    return keyed(signer->bytes, sizeof signer->bytes, bytes, sizeof bytes);
}

static int sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    const struct node *n = ctx;
    struct base_eth_address signer = address_of(&n->key);
    *sig = vote_sig(&signer, vote);
    return BASE_OK;
}

static int verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                  const struct base_eth_address *signer)
{
    struct base_sig65 good = vote_sig(signer, vote);
    (void)ctx;
    return memcmp(&good, sig, sizeof good) == 0 ? BASE_OK : BASE_ESIG;
}

static int sign_entry(void *ctx, const struct base_slice *body, struct base_sig65 *sig)
{
    const struct node *n = ctx;
    *sig = keyed(n->key.bytes, sizeof n->key.bytes, body->data, body->len);
    return BASE_OK;
}

static int verify_entry(void *ctx, const struct base_slice *body, const struct base_sig65 *sig,
                        const struct base_key33 *submitter)
{
    struct base_sig65 good =
        keyed(submitter->bytes, sizeof submitter->bytes, body->data, body->len);
    (void)ctx;
    return memcmp(&good, sig, sizeof good) == 0 ? BASE_OK : BASE_ESIG;
}

static void *copy_of(const void *data, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0) memcpy(copy, data, len);
    return copy;
}

static bool is_before(const struct item *a, const struct item *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void push(struct item item)
{
    if (w.heap_count == w.heap_cap) {
        w.heap_cap = w.heap_cap == 0 ? 1024 : 2 * w.heap_cap;
        w.heap = realloc(w.heap, w.heap_cap * sizeof *w.heap);
        assert_non_null(w.heap);
    }
    item.order = w.order++;
    size_t i = w.heap_count++;
    while (i > 0 && is_before(&item, &w.heap[(i - 1) / 2])) {
        w.heap[i] = w.heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w.heap[i] = item;
}

static struct item pop(void)
{
    struct item first = w.heap[0], last = w.heap[--w.heap_count];
    size_t i = 0;
    for (size_t child = 1; child < w.heap_count; child = 2 * i + 1) {
        if (child + 1 < w.heap_count && is_before(&w.heap[child + 1], &w.heap[child])) child++;
        if (!is_before(&w.heap[child], &last)) break;
        w.heap[i] = w.heap[child];
        i = child;
    }
    if (w.heap_count > 0) w.heap[i] = last;
    return first;
}

static uint64_t delay(void)
{
    return base_prng_between(&w.prng, 1, 20);
}

/* ---- disks ---- */

static void blob_put(struct blob *blob, const struct op *op)
{
    free(blob->body);
    *blob = (struct blob){op->epoch, op->first, op->body, op->len};
}

static void votes_trim(struct node *n, uint64_t epoch, uint64_t first)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->vote_count; i++) {
        struct kept *v = &n->votes[i];
        if (v->epoch < epoch || (v->epoch == epoch && v->last < first))
            free(v->body);
        else
            n->votes[kept++] = *v;
    }
    n->vote_count = kept;
}

static void disk_apply(struct node *n, const struct op *op)
{
    switch (op->kind) {
    case CONSENSUS_STORE_EPOCH:
        blob_put(&n->epoch, op);
        break;
    case CONSENSUS_STORE_STATE:
        blob_put(&n->state, op);
        votes_trim(n, op->epoch, op->first);
        break;
    case CONSENSUS_STORE_VOTE:
    case CONSENSUS_STORE_NEXT:
        if (op->kind == CONSENSUS_STORE_VOTE) n->has_voted = true;
        n->votes = realloc(n->votes, (n->vote_count + 1) * sizeof *n->votes);
        assert_non_null(n->votes);
        n->votes[n->vote_count++] =
            (struct kept){op->epoch, op->first, op->last, op->body, op->len};
        break;
    }
}

static void disk_sync(struct node *n, uint64_t number)
{
    size_t done = 0;
    while (done < n->op_count && n->ops[done].number <= number)
        disk_apply(n, &n->ops[done++]);
    memmove(n->ops, n->ops + done, (n->op_count - done) * sizeof *n->ops);
    n->op_count -= done;
}

/* ---- actions ---- */

static void note_wanted(const struct consensus_cluster_action *a)
{
    struct consensus_fields f;
    struct base_hash32 id;
    if (consensus_fields_init(&f, a->u.send.body.data, a->u.send.body.len, 3) == BASE_OK &&
        consensus_fields_exact(&f, 0, id.bytes, sizeof id.bytes) == BASE_OK)
        (void)consensus_fields_exact(&f, 2, w.wanted.bytes, sizeof w.wanted.bytes);
}

/* Whatever somebody says in its own name has its signature. */
static void check_own(size_t at, const struct consensus_cluster_action *a)
{
    const struct node *n = &w.nodes[at];
    struct consensus_message m;
    struct consensus_cluster_view view;
    if (a->u.send.type != consensus_frame_type(CONSENSUS_MSG_VOTE)) return;
    consensus_cluster_view(&view, n->cluster, w.now_ms);
    assert_int_equal(
        consensus_message_decode(&m, a->u.send.type, a->u.send.body.data, a->u.send.body.len),
        BASE_OK);
    struct base_eth_address signer = address_of(&n->key);
    if (base_hash32_equal(&m.epoch_id, &view.epoch_id) && m.u.vote.voter == view.self)
        assert_int_equal(verify(NULL, &m.u.vote.vote, &m.u.vote.sig, &signer), BASE_OK);
    consensus_message_free(&m);
}

static void send_to(size_t from, size_t to, const struct consensus_cluster_action *a)
{
    if (a->u.send.type == CONSENSUS_FRAME_ASK) note_wanted(a);
    if (a->u.send.type == CONSENSUS_FRAME_STATE && w.no_states) return;
    if (from == to || !w.nodes[to].is_up || w.nodes[from].is_cut || w.nodes[to].is_cut) return;
    if (w.nodes[to].is_deaf) return;
    if (base_prng_below(&w.prng, 100) < w.loss_percent) return;
    push((struct item){.at_ms = w.now_ms + delay(),
                       .from = from,
                       .to = to,
                       .life = w.nodes[to].life,
                       .kind = FRAME,
                       .type = a->u.send.type,
                       .body = copy_of(a->u.send.body.data, a->u.send.body.len),
                       .len = a->u.send.body.len});
}

static void on_store(size_t at, const struct consensus_cluster_action *a)
{
    struct node *n = &w.nodes[at];
    if (a->u.store.kind == CONSENSUS_STORE_VOTE) n->votes_made++;
    n->ops = realloc(n->ops, (n->op_count + 1) * sizeof *n->ops);
    assert_non_null(n->ops);
    n->ops[n->op_count++] = (struct op){
        a->u.store.number,  a->u.store.kind, a->u.store.epoch,
        a->u.store.first,   a->u.store.last, copy_of(a->u.store.body.data, a->u.store.body.len),
        a->u.store.body.len};
    push((struct item){.at_ms = w.now_ms + w.disk_ms + base_prng_between(&w.prng, 0, 4),
                       .from = at,
                       .to = at,
                       .life = n->life,
                       .kind = STORED,
                       .number = a->u.store.number});
}

/* The endpoints take a while to say how far the chain is. */
static void ask_head(size_t at)
{
    if (w.no_heads) return;
    push((struct item){
        .at_ms = w.now_ms + 700, .to = at, .from = at, .life = w.nodes[at].life, .kind = HEAD});
}

static void on_note(size_t at, const struct consensus_cluster_action *a)
{
    struct node *n = &w.nodes[at];
    if (a->u.note.note == CONSENSUS_NOTE_EPOCH) n->epochs++;
    if (a->u.note.note == CONSENSUS_NOTE_COPY) {
        n->copies++;
        n->is_lost = true;
        n->lost_block = CONSENSUS_LOST_NOW;
        ask_head(at);
    }
    if (a->u.note.note == CONSENSUS_NOTE_STATE_DIFFERS) n->differs++;
    if (a->u.note.note == CONSENSUS_NOTE_AWAITS) n->awaits++;
}

/* Whatever its log knows, it has said it; and what it says now may contradict that. */
static void note_said(struct node *n, const struct consensus_cluster_action *a)
{
    struct consensus_message m;
    if (a->u.send.type != consensus_frame_type(CONSENSUS_MSG_VOTE)) return;
    assert_int_equal(
        consensus_message_decode(&m, a->u.send.type, a->u.send.body.data, a->u.send.body.len),
        BASE_OK);
    const struct base_vote vote = m.u.vote.vote;
    for (size_t i = 0; i < n->said_count; i++) {
        if (!base_hash32_equal(&n->said[i].epoch_id, &vote.epoch_id)) continue;
        if (memcmp(&n->said[i], &vote, sizeof vote) == 0) return;
        if (consensus_vote_fault(&n->said[i], &vote, NULL) != CONSENSUS_NO_FAULT)
            n->contradictions++;
    }
    n->said = realloc(n->said, (n->said_count + 1) * sizeof *n->said);
    assert_non_null(n->said);
    n->said[n->said_count++] = vote;
}

static void perform(size_t at, const struct consensus_cluster_actions *out)
{
    struct node *n = &w.nodes[at];
    for (size_t i = 0; i < out->count; i++) {
        const struct consensus_cluster_action *a = &out->list[i];
        switch (a->type) {
        case CONSENSUS_CLUSTER_ACT_SEND:
            check_own(at, a);
            note_said(n, a);
            for (size_t to = 0; to < w.count; to++)
                if (a->u.send.is_to_all || base_key33_equal(&w.nodes[to].key, &a->u.send.to))
                    send_to(at, to, a);
            break;
        case CONSENSUS_CLUSTER_ACT_STORE:
            on_store(at, a);
            break;
        case CONSENSUS_CLUSTER_ACT_DONE:
            if (a->u.done.tag == 0) break;
            assert_false(w.is_done[a->u.done.tag]);
            w.is_done[a->u.done.tag] = true;
            w.results[a->u.done.tag] = a->u.done.result;
            break;
        case CONSENSUS_CLUSTER_ACT_FAULT:
            n->faults++;
            break;
        case CONSENSUS_CLUSTER_ACT_LEASE:
            n->has_lease = a->u.lease.is_held;
            break;
        case CONSENSUS_CLUSTER_ACT_NOTE:
            on_note(at, a);
            break;
        case CONSENSUS_CLUSTER_ACT_LEADER:
        case CONSENSUS_CLUSTER_ACT_ENTRY:
            break;
        }
    }
}

static int step(size_t at, const struct consensus_cluster_event *ev)
{
    struct node *n = &w.nodes[at];
    struct consensus_cluster_actions out;
    if (n->cluster == NULL) return BASE_ESTATE;
    int rv = consensus_cluster_step(n->cluster, w.now_ms, ev, &out);
    assert_int_not_equal(rv, BASE_ENOMEM);
    perform(at, &out);
    return rv;
}

/* ---- the chain ---- */

static struct base_hash32 block_hash(uint64_t number)
{
    struct base_hash32 hash = {{0xb}};
    base_put_u64be(hash.bytes + 8, number);
    return hash;
}

#define CROWD 1000

/* The seats of the block, which are a quorum, and so many others that nobody runs. */
static size_t crowd_of(struct consensus_seat crowd[CROWD], uint64_t number)
{
    size_t count = w.blocks[number].count;
    memcpy(crowd, w.blocks[number].seats, count * sizeof *crowd);
    for (size_t i = 0; i < count; i++)
        crowd[i].weight = CROWD;
    for (size_t i = count; i < CROWD; i++) {
        crowd[i] = (struct consensus_seat){.key = {{3}}, .token = base_u256_from_u64(1000 + i)};
        base_put_u64be(crowd[i].key.bytes + 1, i);
        crowd[i].signer = address_of(&crowd[i].key);
        crowd[i].weight = 1;
    }
    return CROWD;
}

static void see_block(size_t at, uint64_t number)
{
    static struct consensus_seat crowd[CROWD];
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_CHAIN};
    ev.u.chain.block = (struct consensus_block){number, block_hash(number), 1000000 + 2 * number};
    if (w.nodes[at].is_astray) ev.u.chain.block.hash.bytes[0] ^= 0xff;
    ev.u.chain.seats = w.blocks[number].seats;
    ev.u.chain.seat_count = w.blocks[number].count;
    if (w.crowd_from > 0 && number >= w.crowd_from) {
        ev.u.chain.seat_count = crowd_of(crowd, number);
        ev.u.chain.seats = crowd;
    }
    assert_int_equal(step(at, &ev), BASE_OK);
}

/* Nodes see a block up to one and a half seconds late. */
static void mine(void)
{
    w.head++;
    assert_true(w.head < sizeof w.blocks / sizeof w.blocks[0]);
    memcpy(w.blocks[w.head].seats, w.seats, sizeof w.seats);
    w.blocks[w.head].count = w.seat_count;
    for (size_t i = 0; i < w.count; i++)
        if (w.nodes[i].is_up && !w.nodes[i].is_blind)
            push((struct item){.at_ms = w.now_ms + w.nodes[i].lag_ms +
                                        base_prng_between(&w.prng, 0, 1500),
                               .to = i,
                               .from = i,
                               .life = w.nodes[i].life,
                               .kind = CHAIN,
                               .number = w.head});
}

static void seat_put(size_t node, uint64_t weight)
{
    struct consensus_seat seat = {.key = w.nodes[node].key,
                                  .signer = address_of(&w.nodes[node].key),
                                  .token = base_u256_from_u64(node + 1),
                                  .weight = weight};
    size_t at = 0;
    while (at < w.seat_count && base_key33_compare(&w.seats[at].key, &seat.key) < 0)
        at++;
    bool is_in = at < w.seat_count && base_key33_equal(&w.seats[at].key, &seat.key);
    if (!is_in) {
        memmove(&w.seats[at + 1], &w.seats[at], (w.seat_count - at) * sizeof w.seats[0]);
        w.seat_count++;
    }
    w.seats[at] = seat;
}

static void seat_sell(size_t node)
{
    for (size_t i = 0; i < w.seat_count; i++) {
        if (!base_key33_equal(&w.seats[i].key, &w.nodes[node].key)) continue;
        w.seat_count--;
        memmove(&w.seats[i], &w.seats[i + 1], (w.seat_count - i) * sizeof w.seats[0]);
        return;
    }
}

/* ---- nodes ---- */

static void tell(size_t to, size_t about, int kind, bool is_so, uint64_t in_ms)
{
    push((struct item){.at_ms = w.now_ms + in_ms,
                       .to = to,
                       .from = about,
                       .life = w.nodes[to].life,
                       .kind = kind == PEER ? PEER : DEAD,
                       .number = is_so});
}

static void restore(struct node *n)
{
    const struct base_slice epoch = {n->epoch.body, n->epoch.len},
                            state = {n->state.body, n->state.len};
    if (n->epoch.body == NULL) return;
    assert_int_equal(consensus_cluster_restore_epoch(n->cluster, &epoch), BASE_OK);
    if (n->state.body != NULL)
        assert_int_equal(
            consensus_cluster_restore_state(n->cluster, n->state.epoch, n->state.first, &state),
            BASE_OK);
    for (size_t i = 0; i < n->vote_count; i++) {
        const struct base_slice vote = {n->votes[i].body, n->votes[i].len};
        assert_int_equal(consensus_cluster_restore_vote(n->cluster, n->votes[i].epoch, &vote),
                         BASE_OK);
    }
}

static void start(size_t at)
{
    struct node *n = &w.nodes[at];
    struct consensus_cluster_config config = {.params = w.params,
                                              .self = n->key,
                                              .settings = {{0x5e}},
                                              .chain_id = 31337,
                                              .gap_s = w.gap_s,
                                              .found_ms = 1000,
                                              .nonce = ++n->runs << 24,
                                              .is_log_fresh = !n->has_voted,
                                              .is_log_lost = n->is_lost,
                                              .lost_block = n->lost_block,
                                              .host = {n, sign, verify, sign_entry, verify_entry}};
    assert_int_equal(consensus_cluster_new(&n->cluster, &config, w.now_ms), BASE_OK);
    n->is_up = true;
    restore(n);
    if (w.head > 0) see_block(at, w.head);
    if (n->is_lost && n->lost_block == CONSENSUS_LOST_NOW) ask_head(at);
    for (size_t i = 0; i < w.count; i++) {
        if (i == at || !w.nodes[i].is_up) continue;
        tell(at, i, PEER, true, delay());
        tell(i, at, PEER, true, delay());
        tell(i, at, DEAD, false, delay());
    }
}

/* What was not on disk yet is lost with it. */
static void crash(size_t at)
{
    struct node *n = &w.nodes[at];
    consensus_cluster_free(n->cluster);
    n->cluster = NULL;
    n->is_up = n->has_lease = false;
    n->life++;
    for (size_t i = 0; i < n->op_count; i++)
        free(n->ops[i].body);
    n->op_count = 0;
    for (size_t i = 0; i < w.count; i++) {
        if (!w.nodes[i].is_up) continue;
        tell(i, at, PEER, false, 1);
        tell(i, at, DEAD, true, 1000);
    }
}

/* Its log is gone: what it has said is known to others only. */
static void wipe(size_t at)
{
    struct node *n = &w.nodes[at];
    for (size_t i = 0; i < n->vote_count; i++)
        free(n->votes[i].body);
    free(n->epoch.body);
    free(n->state.body);
    n->vote_count = 0;
    n->epoch = n->state = (struct blob){0};
    n->has_voted = n->is_lost = false;
    n->copies = n->epochs = 0;
}

/* .. and it knows that there was one. */
static void lose(size_t at)
{
    wipe(at);
    w.nodes[at].is_lost = true;
    w.nodes[at].lost_block = CONSENSUS_LOST_NOW;
}

static void tell_head(size_t at)
{
    struct node *n = &w.nodes[at];
    struct consensus_cluster_view view;
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_LOST, .u.lost = w.head};
    assert_int_equal(step(at, &ev), BASE_OK);
    consensus_cluster_view(&view, n->cluster, w.now_ms);
    n->lost_block = view.lost_block;
}

static void handle(const struct item *item)
{
    struct consensus_cluster_event ev = {0};
    struct node *n = &w.nodes[item->to];
    if (item->life != n->life || n->cluster == NULL) return;
    ev.key = w.nodes[item->from].key;
    switch (item->kind) {
    case FRAME:
        ev.type = CONSENSUS_CLUSTER_EV_FRAME;
        ev.u.frame.type = item->type;
        ev.u.frame.body = (struct base_slice){item->body, item->len};
        break;
    case STORED:
        disk_sync(n, item->number);
        ev.type = CONSENSUS_CLUSTER_EV_STORED;
        ev.u.stored = item->number;
        break;
    case CHAIN:
        see_block(item->to, item->number);
        return;
    case HEAD:
        tell_head(item->to);
        return;
    case PEER:
        ev.type = CONSENSUS_CLUSTER_EV_PEER;
        ev.u.is_up = item->number != 0;
        break;
    case DEAD:
        ev.type = CONSENSUS_CLUSTER_EV_DEAD;
        ev.u.is_dead = item->number != 0;
        break;
    }
    (void)step(item->to, &ev);
}

static void check_leases(void)
{
    size_t holders = 0;
    for (size_t i = 0; i < w.count; i++)
        if (w.nodes[i].cluster != NULL && consensus_cluster_has_lease(w.nodes[i].cluster, w.now_ms))
            holders++;
    if (holders > 1) w.overlaps++;
}

static uint64_t next_due(size_t *who)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < w.count; i++) {
        if (w.nodes[i].cluster == NULL) continue;
        uint64_t due = consensus_cluster_deadline_ms(w.nodes[i].cluster);
        if (due <= w.now_ms) due = w.now_ms + 1; /* time goes on */
        if (due < first) {
            first = due;
            *who = i;
        }
    }
    return first;
}

static void run_ms(uint64_t ms)
{
    uint64_t end = w.now_ms + ms;
    while (w.now_ms < end) {
        size_t who = 0;
        uint64_t due = next_due(&who), block = (w.head + 1) * BLOCK_MS;
        if (w.heap_count > 0 && w.heap[0].at_ms <= due && w.heap[0].at_ms <= block) {
            if (w.heap[0].at_ms > end) break;
            struct item item = pop();
            if (item.at_ms > w.now_ms) w.now_ms = item.at_ms;
            handle(&item);
            free(item.body);
        } else if (block <= due) {
            if (block > end) break;
            w.now_ms = block;
            mine();
        } else {
            if (due > end) break;
            w.now_ms = due;
            (void)step(who, &(struct consensus_cluster_event){.type = CONSENSUS_CLUSTER_EV_TIMER});
        }
        check_leases();
    }
    w.now_ms = end;
}

static void begin(uint64_t seed, size_t count)
{
    memset(&w, 0, sizeof w);
    base_prng_init(&w.prng, seed);
    consensus_params_default(&w.params);
    w.count = count;
    w.gap_s = 4;
    for (size_t i = 0; i < MOST; i++) {
        w.nodes[i].key.bytes[0] = 2;
        for (size_t k = 1; k < sizeof w.nodes[i].key.bytes; k++)
            w.nodes[i].key.bytes[k] = (uint8_t)base_prng_below(&w.prng, 256);
    }
}

static void end(void)
{
    assert_int_equal(w.overlaps, 0);
    while (w.heap_count > 0)
        free(pop().body);
    for (size_t i = 0; i < MOST; i++) {
        struct node *n = &w.nodes[i];
        consensus_cluster_free(n->cluster);
        for (size_t k = 0; k < n->op_count; k++)
            free(n->ops[k].body);
        for (size_t k = 0; k < n->vote_count; k++)
            free(n->votes[k].body);
        free(n->ops);
        free(n->votes);
        free(n->said);
        free(n->epoch.body);
        free(n->state.body);
    }
    free(w.heap);
}

/* ---- what is so ---- */

static struct consensus_cluster_view view_of(size_t at)
{
    struct consensus_cluster_view view;
    consensus_cluster_view(&view, w.nodes[at].cluster, w.now_ms);
    return view;
}

static size_t holder(void)
{
    for (size_t i = 0; i < w.count; i++)
        if (w.nodes[i].cluster != NULL && consensus_cluster_has_lease(w.nodes[i].cluster, w.now_ms))
            return i;
    return w.count;
}

static void until_somebody_leads(void)
{
    for (int i = 0; i < 600 && holder() == w.count; i++)
        run_ms(100);
    assert_true(holder() < w.count);
}

/* All that run are in one epoch, have the same state, and go on. */
static void check_together(void)
{
    struct base_hash32 digest, other, epoch_id;
    size_t first = w.count;
    run_ms(3 * S);
    for (size_t i = 0; i < w.count; i++) {
        if (w.nodes[i].cluster == NULL) continue;
        struct consensus_cluster_view view = view_of(i);
        assert_true(view.has_epoch && view.has_state);
        assert_int_equal(w.nodes[i].differs, 0);
        struct consensus_state *state =
            (struct consensus_state *)(uintptr_t)consensus_cluster_state(w.nodes[i].cluster);
        assert_int_equal(consensus_state_digest(state, &digest), BASE_OK);
        if (first == w.count) {
            first = i;
            other = digest;
            epoch_id = view.epoch_id;
        }
        assert_true(base_hash32_equal(&view.epoch_id, &epoch_id));
        assert_memory_equal(&digest, &other, sizeof digest);
    }
    assert_true(holder() < w.count);
}

static uint64_t submit(size_t at, const struct consensus_entry *entry)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_SUBMIT};
    ev.u.submit.entry = entry;
    ev.u.submit.tag = ++w.tags;
    assert_true(w.tags < TAGS);
    return step(at, &ev) == BASE_OK ? w.tags : 0;
}

static uint64_t put(size_t at, const char *key, const char *value)
{
    struct consensus_entry e = {.kind = CONSENSUS_ENTRY_PUT};
    e.u.put.key = base_slice_text(key);
    e.u.put.value = base_slice_text(value);
    return submit(at, &e);
}

static uint64_t add(size_t at, const char *key, const char *request)
{
    struct consensus_entry e = {.kind = CONSENSUS_ENTRY_ADD};
    e.u.add.key = base_slice_text(key);
    e.u.add.request = base_slice_text(request);
    e.u.add.amount = 1;
    return submit(at, &e);
}

static bool has(size_t at, const char *key, const char *value)
{
    struct base_slice name = base_slice_text(key), is;
    const struct consensus_state *state = consensus_cluster_state(w.nodes[at].cluster);
    if (state == NULL || consensus_state_get(state, &name, &is) != BASE_OK) return false;
    return is.len == strlen(value) && memcmp(is.data, value, is.len) == 0;
}

static void begin_running(uint64_t seed, size_t count)
{
    begin(seed, count);
    for (size_t i = 0; i < count; i++)
        seat_put(i, 1);
    run_ms(BLOCK_MS + 100);
    for (size_t i = 0; i < count; i++)
        start(i);
    run_ms(10 * S);
    check_together();
}

/* ---- frames that nobody honest sends ---- */

static int say(size_t to, size_t from, uint8_t type, const void *body, size_t len)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_FRAME,
                                         .key = w.nodes[from].key};
    ev.u.frame.type = type;
    ev.u.frame.body = (struct base_slice){body, len};
    return step(to, &ev);
}

static uint8_t frame[CONSENSUS_FRAME_BYTES_MAX];

static size_t entry_frame(const struct base_hash32 *id, size_t signer, size_t submitter,
                          uint64_t epoch)
{
    struct consensus_entry e = {.kind = CONSENSUS_ENTRY_PUT,
                                .epoch = epoch,
                                .submitter = w.nodes[submitter].key,
                                .nonce = UINT64_C(1) << 40};
    uint8_t body[CONSENSUS_ENTRY_BYTES_MAX];
    struct base_packer p;
    struct base_sig65 sig;
    size_t len;
    e.u.put.key = base_slice_text("forged");
    e.u.put.value = base_slice_text("yes");
    assert_int_equal(consensus_entry_encode(body, &len, sizeof body, &e), BASE_OK);
    const struct base_slice slice = {body, len};
    assert_int_equal(sign_entry(&w.nodes[signer], &slice, &sig), BASE_OK);
    base_packer_init(&p, frame, sizeof frame);
    base_pack_map(&p, 3);
    consensus_put_bin(&p, 0, id->bytes, sizeof id->bytes);
    consensus_put_bin(&p, 1, body, len);
    consensus_put_bin(&p, 2, sig.bytes, sizeof sig.bytes);
    return p.len;
}

/* ---- stories ---- */

static void test_one_founds_and_leads_itself(void **state)
{
    (void)state;
    begin_running(1, 1);
    assert_int_equal(view_of(0).epoch->number, 0);
    uint64_t tag = put(0, "colour", "blue");
    run_ms(1 * S);
    assert_true(w.is_done[tag]);
    assert_int_equal(w.results[tag].outcome, CONSENSUS_DONE);
    assert_true(has(0, "colour", "blue"));
    end();
}

static void test_five_found_one_cluster(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        begin_running(seed, 5);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(view_of(i).epoch->number, 0);
            assert_int_equal(view_of(i).quorum, 4);
        }
        end();
    }
}

static bool is_in(size_t at, const struct base_hash32 *epoch_id)
{
    struct consensus_cluster_view view = view_of(at);
    return base_hash32_equal(&view.epoch_id, epoch_id);
}

/* Goal: of two that were founded apart the earlier counts, and what was voted in the other is
 * nobody's word in it: not after a restart, either.
 * Method: three of seven are cut off; one of them founds, and one of the others later; then they
 * hear of each other, and one that moves over starts again. */
static void test_two_foundings(void **state)
{
    (void)state;
    begin(18, 7);
    for (size_t i = 0; i < 7; i++)
        seat_put(i, 1);
    run_ms(BLOCK_MS + 100);
    for (size_t i = 0; i < 7; i++) {
        w.nodes[i].has_voted = true; /* so that nobody waits to be shown what it has said */
        start(i);
        w.nodes[i].is_cut = i < 3;
    }
    run_ms(8 * S);
    assert_true(view_of(0).has_epoch && view_of(3).has_epoch);
    struct base_hash32 earlier = view_of(0).epoch_id;
    assert_false(is_in(3, &earlier));
    assert_true(w.nodes[4].vote_count > 0);
    for (size_t i = 0; i < 3; i++)
        w.nodes[i].is_cut = false;
    for (int ms = 0; ms < 5000 && !is_in(4, &earlier); ms++)
        run_ms(1);
    assert_true(is_in(4, &earlier));
    for (size_t i = 0; i < 3; i++) /* too few to go on: they say again what they have said */
        w.nodes[i].is_cut = true;
    run_ms(50);
    crash(4);
    start(4);
    run_ms(10 * S);
    for (size_t i = 0; i < 3; i++)
        w.nodes[i].is_cut = false;
    run_ms(20 * S);
    check_together();
    assert_true(is_in(4, &earlier));
    end();
}

/* Each registers while the others run: an epoch each, and the weight grows. */
static void test_newcomers(void **state)
{
    (void)state;
    begin(2, 6);
    seat_put(0, 1);
    run_ms(BLOCK_MS + 100);
    start(0);
    run_ms(6 * S);
    for (size_t i = 1; i < 6; i++) {
        start(i);
        run_ms(3 * S);
        assert_false(view_of(i).has_epoch && view_of(i).self < view_of(i).epoch->member_count);
        seat_put(i, 1);
        run_ms(12 * S);
        check_together();
        assert_int_equal(view_of(i).epoch->member_count, i + 1);
        assert_true(view_of(i).self < i + 1);
    }
    assert_true(view_of(0).epoch->number >= 5);
    end();
}

/* Who follows an epoch, and starts again in it, asks for none: it is there for the next one. */
static void test_a_follower_starts_again(void **state)
{
    (void)state;
    begin_running(46, 1);
    w.count = 2;
    start(1);
    run_ms(5 * S);
    assert_true(view_of(1).has_epoch);
    crash(1);
    run_ms(2 * S);
    start(1);
    seat_put(1, 1);
    run_ms(15 * S);
    check_together();
    assert_int_equal(view_of(0).epoch->member_count, 2);
    end();
}

/* Sold: out of the next epoch, at which it still looks on. More tokens: more weight. */
static void test_transfers(void **state)
{
    (void)state;
    begin_running(3, 5);
    seat_sell(2);
    run_ms(14 * S);
    check_together();
    assert_int_equal(view_of(0).epoch->member_count, 4);
    assert_int_equal(view_of(2).self, 4);
    assert_int_equal(put(2, "a", "b"), 0); /* who is out has no say */
    seat_put(1, 9);
    run_ms(14 * S);
    check_together();
    struct consensus_cluster_view view = view_of(0);
    size_t heavy = consensus_epoch_find(view.epoch, &w.nodes[1].key);
    assert_int_equal(view.epoch->members[heavy].seat.weight, 9);
    assert_int_equal(consensus_cluster_weight(w.nodes[0].cluster, heavy), 1); /* the cap */
    end();
}

/* Its seat is gone, and so it is from membership: to the others it is dead, and they are to it, as
 * it hears nothing of it any more. Its session goes on. */
static void sell_out(size_t node)
{
    seat_sell(node);
    for (size_t i = 0; i < w.count; i++) {
        if (i == node) continue;
        tell(i, node, DEAD, true, 2500);
        tell(node, i, DEAD, true, 3500);
    }
}

/* Seats are registered one after the other before their nodes are started: the one that runs goes
 * on alone, and all are in an epoch when they have come. */
static void test_seats_come_before_their_nodes(void **state)
{
    (void)state;
    begin_running(44, 1);
    w.count = 4;
    for (size_t i = 1; i < 4; i++) {
        seat_put(i, 1);
        run_ms(60 * S);
        assert_int_equal(holder(), 0);
        assert_int_equal(view_of(0).epoch->number, 0);
        assert_true(view_of(0).is_awaiting);
    }
    assert_int_equal(w.nodes[0].awaits, 1);
    uint64_t tag = put(0, "a", "b");
    run_ms(1 * S);
    assert_true(w.is_done[tag]);
    for (size_t i = 1; i < 4; i++)
        start(i);
    run_ms(20 * S);
    check_together();
    assert_int_equal(view_of(0).epoch->member_count, 4);
    assert_false(view_of(0).is_awaiting);
    assert_true(has(3, "a", "b"));
    end();
}

static void say_seen(size_t to, size_t from, const struct base_hash32 *follows, uint64_t block)
{
    struct base_packer p;
    base_packer_init(&p, frame, sizeof frame);
    base_pack_map(&p, 2);
    consensus_put_bin(&p, 0, follows->bytes, sizeof follows->bytes);
    consensus_put_u64(&p, 4, block);
    assert_int_equal(say(to, from, CONSENSUS_FRAME_ASK, frame, p.len), BASE_OK);
}

/* Who has a session counts once it can follow: the epoch that is, or from a block on. */
static void test_who_has_come_can_follow(void **state)
{
    static const struct base_hash32 none, other = {{7}};
    const struct base_hash32 *follows[] = {NULL, &other, &none, &none};
    (void)state;
    begin_running(47, 1);
    w.count = 2;
    seat_put(1, 1);
    run_ms(2 * BLOCK_MS);
    tell(0, 1, PEER, true, 1);
    run_ms(1 * S);
    for (size_t i = 0; i < 4; i++) {
        uint64_t block = i == 2 ? w.head + 20 : w.head;
        if (follows[i] != NULL) say_seen(0, 1, follows[i], block);
        run_ms(3 * BLOCK_MS);
        assert_int_equal(view_of(0).is_awaiting, i < 3);
        assert_int_equal(view_of(0).epoch->number, i < 3 ? 0 : 1);
    }
    end();
}

/* Two more are registered as the second one comes in, at any moment: also so that the first one it
 * sees of the chain is later than what the others have read. */
static void test_seats_come_as_a_node_does(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 16 * S; ms += 141) {
        begin_running(200 + ms, 1);
        w.count = 4;
        w.nodes[0].lag_ms = ms % 3 * 1000;
        seat_put(1, 1);
        run_ms(BLOCK_MS + 100);
        if (ms % 2 == 0) start(1);
        run_ms(ms);
        seat_put(2, 1);
        seat_put(3, 1);
        for (uint64_t head = w.head; ms % 2 == 1 && w.head == head;)
            run_ms(1);
        if (ms % 2 == 1) start(1);
        run_ms(30 * S);
        assert_true(holder() < 2);
        start(2);
        start(3);
        run_ms(30 * S);
        check_together();
        assert_int_equal(view_of(0).epoch->member_count, 4);
        end();
    }
}

/* Four become twelve: those who are in the epoch are no more than a third of the next one. Three
 * stay away. */
static void test_many_join_few(void **state)
{
    (void)state;
    for (uint64_t seed = 61; seed <= 66; seed++) {
        begin_running(seed, 4);
        w.count = 12;
        for (size_t i = 4; i < 12; i++)
            seat_put(i, 1);
        run_ms(30 * S);
        assert_true(view_of(0).is_awaiting);
        assert_true(holder() < 4);
        for (size_t i = 4; i < 9; i++)
            start(i);
        run_ms(30 * S);
        check_together();
        assert_int_equal(view_of(8).epoch->member_count, 12);
        assert_true(view_of(8).self < 12);
        end();
    }
}

/* Who is away has sold: those who stay would be no quorum for long, and wait for nobody. */
static void test_an_epoch_ends_that_cannot_stay(void **state)
{
    (void)state;
    begin_running(67, 4);
    w.count = 12;
    for (size_t i = 4; i < 12; i++)
        seat_put(i, 1);
    run_ms(20 * S);
    assert_int_equal(view_of(0).epoch->number, 0);
    seat_sell(2); /* whatever membership says */
    seat_sell(3);
    run_ms(20 * S);
    assert_int_equal(view_of(0).epoch->number, 1);
    end();
}

/* In an epoch that does not end for a while. */
static void begin_long(uint64_t seed, size_t count, uint64_t gap_s, uint32_t window_slots)
{
    begin(seed, count);
    w.gap_s = gap_s;
    w.params.window_slots = window_slots;
    for (size_t i = 0; i < count; i++)
        seat_put(i, 1);
    run_ms(BLOCK_MS + 100);
    for (size_t i = 0; i < count; i++)
        start(i);
    run_ms(10 * S);
    until_somebody_leads();
}

/* More than a third of the weight at once: no quorum without the sellers, and so they end the epoch
 * with the others. */
static void test_a_third_is_sold_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        begin_long(seed, 7, 40, 600);
        uint64_t tag = add(0, "n", "before");
        run_ms(1 * S);
        assert_true(w.is_done[tag]);
        for (size_t i = 4; i < 7; i++)
            sell_out(i);
        run_ms(15 * S);
        assert_true(holder() < 4);
        assert_true(view_of(0).engine.window <= 4); /* and goes on leading */
        assert_int_equal(view_of(0).epoch->number, 0);
        run_ms(30 * S);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(view_of(i).epoch->number, 1);
            assert_int_equal(view_of(i).epoch->member_count, 4);
        }
        for (size_t i = 4; i < 7; i++) /* their sessions end */
            crash(i);
        tag = add(0, "n", "after");
        run_ms(10 * S);
        check_together();
        assert_true(w.is_done[tag]);
        assert_int_equal(w.results[tag].value, 2);
        end();
    }
}

static size_t member_of(size_t at, size_t node)
{
    return consensus_epoch_find(view_of(at).epoch, &w.nodes[node].key);
}

static void test_who_is_sold_votes_and_does_nothing_else(void **state)
{
    struct base_hash32 id;
    (void)state;
    begin_long(21, 5, 100000, 5);
    size_t sold = holder(), other = (sold + 1) % 5;
    sell_out(sold);
    run_ms(6 * S);
    assert_true(consensus_cluster_is_out(w.nodes[other].cluster, member_of(other, sold)));
    assert_false(consensus_cluster_is_out(w.nodes[sold].cluster, member_of(sold, other)));
    uint64_t votes = w.nodes[sold].votes_made;
    for (int i = 0; i < 600; i++) {
        run_ms(100);
        assert_false(w.nodes[sold].has_lease);
    }
    assert_int_equal(view_of(other).epoch->number, 0);
    assert_true(w.nodes[sold].votes_made > votes + 60);
    assert_int_equal(put(sold, "a", "b"), 0);
    until_somebody_leads();
    id = view_of(other).epoch_id;
    assert_int_equal(
        say(holder(), other, CONSENSUS_FRAME_ENTRY, frame, entry_frame(&id, sold, sold, 0)),
        BASE_OK);
    run_ms(5 * S);
    assert_false(has(other, "forged", "yes"));
    end();
}

/* Its windows pass soon, also when it has gone without a word. */
static void test_who_is_sold_holds_nobody_up(void **state)
{
    uint64_t seen = 0, since_ms = 0, longest_ms = 0;
    (void)state;
    begin_long(22, 5, 100000, 5);
    seat_sell(2);
    run_ms(4 * S);
    w.nodes[2].is_cut = true; /* and membership says nothing of it */
    for (int i = 0; i < 900; i++) {
        run_ms(100);
        if (view_of(0).engine.final_slot != seen) since_ms = w.now_ms;
        seen = view_of(0).engine.final_slot;
        if (w.now_ms - since_ms > longest_ms) longest_ms = w.now_ms - since_ms;
    }
    assert_true(view_of(0).engine.window > 15); /* so that its turn was there */
    assert_true(longest_ms < 4 * S);
    end();
}

/* ---- a leader that does not end the epoch ---- */

/* It has read nothing of what is due; so many others that make a quorum have. */
static void test_who_does_not_end_the_epoch_is_skipped(void **state)
{
    (void)state;
    for (uint64_t seed = 31; seed <= 34; seed++) {
        begin_running(seed, 5);
        size_t lead = holder();
        w.nodes[lead].is_blind = true;
        run_ms(3 * S);
        seat_put((lead + 1) % 5, 2);
        run_ms(25 * S);
        struct consensus_cluster_view view = view_of((lead + 1) % 5);
        assert_int_equal(view.epoch->number, 1);
        assert_false(base_key33_equal(&view.epoch->first, &w.nodes[lead].key));
        w.nodes[lead].is_blind = false;
        run_ms(10 * S);
        check_together();
        end();
    }
}

/* Five slots are five slots, however long each takes. */
static void test_a_leader_has_its_slots(void **state)
{
    uint64_t before, seen;
    (void)state;
    begin(35, 5);
    w.disk_ms = 1000;
    w.params.skip_ms = w.params.lease_ms = 9000;
    for (size_t i = 0; i < 5; i++)
        seat_put(i, 1);
    run_ms(BLOCK_MS + 100);
    for (size_t i = 0; i < 5; i++)
        start(i);
    run_ms(30 * S);
    size_t lead = holder(), other = (lead + 1) % 5;
    assert_true(lead < 5);
    w.nodes[lead].is_blind = true;
    seat_put(other, 2);
    before = seen = view_of(other).engine.final_slot;
    for (int i = 0; i < 600 && view_of(other).engine.window == 0; i++) {
        seen = view_of(other).engine.final_slot;
        run_ms(100);
    }
    assert_int_equal(view_of(other).engine.window, 1);
    assert_in_range(seen, before + 6, before + 20);
    end();
}

/* Two have slow endpoints, the leader among them: what the others have read is no quorum's view,
 * and it ends the epoch itself as soon as it sees why. */
static void test_who_leads_and_is_slow_owes_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 31; seed <= 34; seed++) {
        begin_running(seed, 5);
        size_t lead = holder();
        w.nodes[lead].is_blind = w.nodes[(lead + 2) % 5].is_blind = true;
        run_ms(3 * S);
        seat_put((lead + 1) % 5, 2);
        run_ms(60 * S);
        assert_int_equal(holder(), lead);
        assert_int_equal(view_of(lead).epoch->number, 0);
        assert_int_equal(view_of(lead).engine.window, 0);
        w.nodes[lead].is_blind = w.nodes[(lead + 2) % 5].is_blind = false;
        run_ms(15 * S);
        check_together();
        assert_int_equal(view_of(lead).epoch->number, 1);
        assert_true(base_key33_equal(&view_of(lead).epoch->first, &w.nodes[lead].key));
        end();
    }
}

/* Under load slots are short, and what others have read takes a heartbeat to be known: whoever ends
 * the epoch as soon as it can is not skipped. */
static void test_a_leader_has_its_time_under_load(void **state)
{
    (void)state;
    for (uint64_t seed = 41; seed <= 52; seed++) {
        begin(seed, 5);
        w.params.slot_ms = 3000;
        w.params.skip_ms = w.params.lease_ms = 9000;
        for (size_t i = 0; i < 5; i++)
            seat_put(i, 1);
        run_ms(BLOCK_MS + 100);
        for (size_t i = 0; i < 5; i++)
            start(i);
        run_ms(20 * S);
        size_t lead = holder();
        assert_true(lead < 5);
        for (size_t i = 1; i <= 2; i++) { /* whose heartbeats come a second after the others' */
            crash((lead + i) % 5);
            run_ms(4 * S - w.now_ms % (3 * S) + 150);
            start((lead + i) % 5);
            run_ms(8 * S);
        }
        assert_int_equal(holder(), lead);
        seat_put((lead + 1) % 5, 2);
        for (int i = 0; i < 150; i++) {
            (void)add((size_t)i % 5, "n", "");
            run_ms(100);
        }
        assert_int_equal(view_of(lead).epoch->number, 1);
        assert_true(base_key33_equal(&view_of(lead).epoch->first, &w.nodes[lead].key));
        end();
    }
}

/* No record holds so many: there is no end of the epoch that anybody could propose. */
static void test_nobody_owes_what_cannot_be(void **state)
{
    (void)state;
    begin_running(52, 4);
    size_t lead = holder();
    w.crowd_from = w.head + 2;
    run_ms(30 * S);
    uint64_t tag = add(0, "n", "");
    run_ms(10 * S);
    assert_true(w.is_done[tag]);
    assert_int_equal(holder(), lead);
    assert_int_equal(view_of(lead).engine.window, 0);
    end();
}

/* Two of five are shown other blocks: no end of the epoch has a quorum, whoever proposes it. The
 * log goes on: it is not asked of each leader again and again. */
static void test_what_comes_to_nothing_is_asked_for_less_and_less(void **state)
{
    unsigned done = 0;
    (void)state;
    begin_running(51, 5);
    w.nodes[3].is_astray = w.nodes[4].is_astray = true;
    run_ms(4 * S);
    seat_put(0, 2);
    run_ms(120 * S);
    uint64_t window = view_of(0).engine.window;
    for (int i = 0; i < 24; i++) {
        uint64_t tag = add(0, "n", "");
        run_ms(5 * S);
        if (w.is_done[tag]) done++;
    }
    assert_true(done > 20);
    assert_true(view_of(0).engine.window <= window + 10);
    assert_int_equal(view_of(0).epoch->number, 0);
    end();
}

static void test_entries_of_all(void **state)
{
    uint64_t tags[5];
    (void)state;
    begin_running(4, 5);
    for (size_t i = 0; i < 5; i++)
        tags[i] = add(i, "n", "");
    run_ms(2 * S);
    for (size_t i = 0; i < 5; i++) {
        assert_true(w.is_done[tags[i]]);
        assert_int_equal(w.results[tags[i]].outcome, CONSENSUS_DONE);
        assert_true(has(i, "n", "5"));
    }
    uint64_t first = add(0, "n", "once"), again = add(3, "n", "once");
    run_ms(2 * S);
    assert_int_equal(w.results[first].value, 6);
    assert_int_equal(w.results[again].value, 6);
    assert_int_equal(w.results[first].outcome + w.results[again].outcome,
                     CONSENSUS_DONE + CONSENSUS_REPEATED);
    check_together();
    end();
}

/* Leaders die while a client counts: none that was told is lost, and none counts twice. */
static void count_through(uint64_t seed)
{
    uint64_t counted = 0, tag = 0, asked_ms = 0;
    char request[24] = "";
    begin_running(seed, 5);
    for (int turn = 0; turn < 400; turn++) {
        size_t at = (size_t)base_prng_below(&w.prng, 5);
        if (turn % 40 == 17 && holder() < 5) crash(holder());
        if (turn % 40 == 33)
            for (size_t i = 0; i < 5; i++)
                if (!w.nodes[i].is_up) start(i);
        bool is_late = tag != 0 && w.now_ms > asked_ms + 4 * S;
        if (tag != 0 && w.is_done[tag] && w.results[tag].outcome <= CONSENSUS_REPEATED) {
            counted++;
            assert_int_equal(w.results[tag].value, counted);
            tag = 0;
        } else if (is_late || (tag != 0 && w.is_done[tag])) {
            tag = 0; /* the same request again, of whoever is there */
            if (w.nodes[at].is_up) tag = add(at, "n", request);
            asked_ms = w.now_ms;
            run_ms(200);
            continue;
        }
        if (tag == 0 && w.nodes[at].is_up && (request[0] == '\0' || !is_late)) {
            snprintf(request, sizeof request, "r%lu", (unsigned long)counted);
            tag = add(at, "n", request);
            asked_ms = w.now_ms;
        }
        run_ms(200);
    }
    for (size_t i = 0; i < 5; i++)
        if (!w.nodes[i].is_up) start(i);
    run_ms(30 * S);
    check_together();
    assert_true(counted > 100);
    end();
}

static void test_a_client_counts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        count_through(seed);
}

/* Its clock has gone back over a restart, and so it gives nonces that it has given before. What was
 * done with these is not what it asks for now; and once it knows them it gives others. */
static void test_a_nonce_is_given_twice(void **state)
{
    (void)state;
    begin_running(48, 4);
    size_t at = holder() == 1 ? 2 : 1;
    w.nodes[at].is_deaf = true;
    for (char request[] = "1"; request[0] <= '3'; request[0]++)
        (void)add(at, "n", request);
    run_ms(2 * S);
    assert_true(has(holder(), "n", "3"));
    crash(at);
    run_ms(2 * S);
    w.nodes[at].is_deaf = false;
    w.nodes[at].runs--;
    start(at);
    uint64_t tag = add(at, "n", "4");
    assert_true(tag > 0);
    run_ms(5 * S);
    assert_true(w.is_done[tag]);
    assert_int_equal(w.results[tag].outcome, CONSENSUS_NONCE_USED);
    tag = add(at, "n", "4");
    run_ms(3 * S);
    assert_true(w.is_done[tag]);
    assert_int_equal(w.results[tag].outcome, CONSENSUS_DONE);
    assert_int_equal(w.results[tag].value, 4);
    end();
}

/* All at once, with what is on their disks. */
static void test_all_restart(void **state)
{
    (void)state;
    begin_running(6, 4);
    uint64_t tag = put(1, "kept", "yes");
    run_ms(2 * S);
    assert_true(w.is_done[tag]);
    for (size_t i = 0; i < 4; i++)
        crash(i);
    for (size_t i = 0; i < 4; i++)
        start(i);
    run_ms(15 * S);
    check_together();
    for (size_t i = 0; i < 4; i++)
        assert_true(has(i, "kept", "yes"));
    end();
}

static size_t count_nexts(const struct node *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->vote_count; i++)
        if (consensus_votelog_is_next(n->votes[i].body, n->votes[i].len)) count++;
    return count;
}

/* Until the given number of those who run have found a next record, and voted for its candidate. */
static void run_until_ending(size_t wanted)
{
    size_t found = 0;
    for (int ms = 0; ms < 60000 && found < wanted; ms++) {
        run_ms(1);
        found = 0;
        for (size_t i = 0; i < w.count; i++)
            if (w.nodes[i].is_up && count_nexts(&w.nodes[i]) > 0) found++;
    }
    assert_true(found >= wanted);
    run_ms(10);
}

/* Between the votes for what ends the epoch and the moment when it is final all start again, and
 * seats change meanwhile: nobody could find out any more what they were. */
static void test_all_restart_as_an_epoch_ends(void **state)
{
    (void)state;
    for (uint64_t seed = 61; seed <= 66; seed++) {
        begin_running(seed, 5);
        uint64_t tag = add(0, "n", "before");
        run_ms(1 * S);
        assert_true(w.is_done[tag]);
        w.disk_ms = 60; /* so that a FINAL takes a while */
        seat_put(1, 2);
        run_until_ending(4); /* a quorum */
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(view_of(i).epoch->number, 0);
            crash(i);
        }
        w.disk_ms = 0;
        seat_put(2, 3);
        run_ms(5 * S);
        for (size_t i = 0; i < 5; i++)
            start(i);
        run_ms(40 * S);
        check_together();
        for (size_t i = 0; i < 5; i++) {
            const struct consensus_epoch *epoch = view_of(i).epoch;
            assert_int_equal(epoch->number, 2); /* with the seats as of then, and as of now */
            assert_int_equal(epoch->members[member_of(i, 2)].seat.weight, 3);
            assert_true(has(i, "n", "1"));
            assert_int_equal(count_nexts(&w.nodes[i]), 0); /* they go with their epoch */
        }
        end();
    }
}

/* Only some could vote for it: who has what they found shows it to the others. */
static void test_two_thirds_restart_as_an_epoch_ends(void **state)
{
    (void)state;
    for (uint64_t seed = 71; seed <= 74; seed++) {
        begin_running(seed, 4);
        crash(3);
        w.disk_ms = 60;
        seat_put(1, 2);
        run_until_ending(3);
        for (size_t i = 0; i < 3; i++)
            crash(i);
        w.disk_ms = 0;
        seat_put(2, 3);
        run_ms(5 * S);
        for (size_t i = 0; i < 4; i++)
            start(i);
        run_ms(40 * S);
        check_together();
        assert_int_equal(view_of(3).epoch->number, 2);
        end();
    }
}

static const struct kept *last_row(size_t at)
{
    const struct node *n = &w.nodes[at];
    return n->vote_count > 0 ? &n->votes[n->vote_count - 1] : NULL;
}

static bool is_next_last(size_t at)
{
    const struct kept *row = last_row(at);
    return row != NULL && consensus_votelog_is_next(row->body, row->len);
}

/* Goal: a next record in the log is no vote. */
static void test_a_log_with_a_record_alone_is_new(void **state)
{
    (void)state;
    begin_running(75, 4);
    w.disk_ms = 60;
    seat_put(1, 2);
    run_until_ending(3);
    struct node *n = &w.nodes[(holder() + 1) % 4];
    size_t at = (size_t)(n - w.nodes);
    crash(at);
    while (!is_next_last(at))
        free(n->votes[--n->vote_count].body);
    const struct kept row = *last_row(at);
    for (size_t i = 0; i + 1 < n->vote_count; i++)
        free(n->votes[i].body);
    n->votes[0] = row;
    n->vote_count = 1;
    n->has_voted = false;
    start(at);
    run_ms(1);
    assert_true(view_of(at).engine.is_listening);
    end();
}

static bool has_voted_for(size_t at, uint64_t slot)
{
    bool has = false;
    struct base_hash32 id = view_of(at).epoch_id;
    for (size_t i = 0; i < w.nodes[at].vote_count; i++) {
        const struct kept *row = &w.nodes[at].votes[i];
        struct consensus_logged logged;
        if (row->first != slot || consensus_votelog_is_next(row->body, row->len)) continue;
        assert_int_equal(consensus_votelog_decode(&logged, &id, row->body, row->len), BASE_OK);
        if (logged.record.kind == CONSENSUS_RECORD_NOTAR) has = true;
        consensus_votelog_free(&logged);
    }
    return has;
}

/* A member has stored what the next record would be, and not its vote, when it starts again. 0: it
 * was not so in this history; 1: it votes then; 2: it does not. */
static int ends_again(uint64_t seed, bool is_other_chain)
{
    struct consensus_epoch next;
    begin_running(seed, 4);
    size_t lead = holder(), at = (lead + 1) % 4;
    w.disk_ms = 60;
    seat_put((lead + 2) % 4, 2);
    for (int ms = 0; ms < 60000 && count_nexts(&w.nodes[at]) == 0; ms++)
        run_ms(1);
    if (!is_next_last(at) || holder() != lead) {
        end();
        return 0;
    }
    const struct kept *row = last_row(at);
    assert_int_equal(consensus_votelog_next_decode(&next, row->body, row->len), BASE_OK);
    for (size_t i = 0; i < 4; i++)
        if (i != lead) crash(i);
    seat_put((lead + 2) % 4, 3);
    run_ms(BLOCK_MS);
    w.nodes[at].is_astray = is_other_chain;
    w.nodes[at].is_blind = true;
    start(at);
    if (is_other_chain) see_block(at, next.block.number);
    run_ms(8 * S);
    int did = has_voted_for(at, next.closing_slot) ? 1 : 2;
    consensus_epoch_free(&next);
    end();
    return did;
}

/* Goal: who could not say again what the seats were still votes; but for no block that its chain
 * does not have any more. */
static void test_what_was_found_counts_for_a_vote(void **state)
{
    unsigned voted = 0, refused = 0;
    (void)state;
    for (uint64_t seed = 76; seed < 100; seed++) {
        int did = ends_again(seed, false), did_not = ends_again(seed, true);
        assert_true(did != 2 && did_not != 1);
        if (did == 1) voted++;
        if (did_not == 2) refused++;
    }
    assert_true(voted > 2 && refused > 2);
}

/* One has the epoch and not the state that it begins with, and nothing becomes final without it. */
static void test_a_state_is_asked_for_after_a_restart(void **state)
{
    (void)state;
    begin_running(68, 4);
    seat_put(0, 2);
    for (int ms = 0; ms < 60000 && w.nodes[3].epoch.epoch == 0; ms++)
        run_ms(1);
    assert_int_equal(w.nodes[3].epoch.epoch, 1);
    run_ms(100);
    for (size_t i = 0; i < 4; i++)
        crash(i);
    for (size_t i = 0; i < 4; i++) { /* of what was said in it nothing is left */
        struct node *n = &w.nodes[i];
        assert_int_equal(n->epoch.epoch, 1);
        votes_trim(n, 2, 0);
    }
    w.nodes[3].state.epoch = 0;
    for (size_t i = 0; i < 4; i++)
        if (i != 2) start(i);
    assert_false(view_of(3).has_state);
    run_ms(30 * S);
    check_together();
    assert_true(view_of(0).engine.final_slot != CONSENSUS_NO_SLOT);
    end();
}

/* Away for so long that nobody has the candidates any more, or the epochs. */
static void test_far_behind(void **state)
{
    char key[24];
    (void)state;
    begin_running(7, 5);
    crash(4);
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%d", i % 50);
        (void)put((size_t)i % 4, key, "x");
        run_ms(1 * S);
    }
    start(4);
    run_ms(15 * S);
    check_together();
    assert_true(has(4, "k49", "x"));
    crash(4);
    for (uint64_t i = 0; i < 12; i++) { /* more epochs than anybody keeps the proofs of */
        seat_put(0, 1 + i % 2);
        run_ms(12 * S);
    }
    start(4);
    run_ms(20 * S);
    check_together();
    assert_true(view_of(4).self < 5);
    end();
}

/* A newcomer without a disk finds the state of a log that is long over. */
static void test_a_newcomer_gets_the_state(void **state)
{
    char key[24];
    (void)state;
    begin_running(8, 4);
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        (void)put((size_t)i % 4, key, "a value that takes some room, so that there are parts");
        run_ms(500);
    }
    w.count = 5;
    start(4);
    seat_put(4, 1);
    run_ms(20 * S);
    check_together();
    assert_true(has(4, "k199", "a value that takes some room, so that there are parts"));
    assert_true(view_of(4).self < 5);
    end();
}

/* What was asked of a leader that dies is asked of the next one, by the node alone. */
static void test_an_entry_outlives_a_leader(void **state)
{
    (void)state;
    begin_running(15, 4);
    size_t lead = holder();
    crash(lead);
    uint64_t tag = add((lead + 1) % 4, "n", "");
    run_ms(8 * S);
    assert_true(w.is_done[tag]);
    assert_int_equal(w.results[tag].outcome, CONSENSUS_DONE);
    end();
}

static void abstain(size_t at, bool does)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_ABSTAIN};
    ev.u.abstains = does;
    assert_int_equal(step(at, &ev), BASE_OK);
}

/* The others go on, through an epoch, too. */
static void test_one_abstains(void **state)
{
    (void)state;
    begin_running(16, 4);
    abstain(3, true);
    uint64_t number = view_of(3).epoch->number;
    seat_put(0, 2);
    run_ms(20 * S);
    check_together();
    assert_true(view_of(3).epoch->number > number);
    assert_true(view_of(3).engine.abstains);
    assert_int_equal(w.nodes[3].vote_count, 0);
    abstain(3, false);
    run_ms(10 * S);
    check_together();
    assert_true(w.nodes[3].vote_count > 0);
    end();
}

static void test_all_abstain(void **state)
{
    (void)state;
    begin_running(17, 4);
    for (size_t i = 0; i < 4; i++)
        abstain(i, true);
    assert_int_equal(holder(), 4);
    uint64_t tag = put(1, "kept", "yes");
    run_ms(20 * S);
    assert_false(w.is_done[tag]);
    assert_int_equal(holder(), 4);
    for (size_t i = 0; i < 4; i++)
        abstain(i, false);
    run_ms(10 * S);
    check_together();
    assert_true(w.is_done[tag]);
    end();
}

/* Its key in two places: two votes, proved by anybody, and out of the next epoch. */
static void test_a_copy_is_suspended(void **state)
{
    uint64_t faults = 0;
    (void)state;
    begin_running(9, 7);
    size_t lead = holder();
    size_t copy = 7;
    w.nodes[copy] = (struct node){.key = w.nodes[lead].key, .runs = 77};
    w.nodes[lead].is_cut = true; /* from its copy, and at first from all */
    w.count = 8;
    start(copy);
    run_ms(2 * S);
    w.nodes[lead].is_cut = false;
    run_ms(60 * S);
    for (size_t i = 0; i < 7; i++)
        faults += w.nodes[i].faults;
    for (size_t i = 0; i < 8; i++) {
        if (i == lead || i == copy) continue;
        struct consensus_cluster_view view = view_of(i);
        size_t at = consensus_epoch_find(view.epoch, &w.nodes[lead].key);
        if (faults == 0) continue; /* it noticed itself first */
        assert_int_equal(view.epoch->members[at].standing, CONSENSUS_SUSPENDED);
        assert_int_equal(consensus_cluster_weight(w.nodes[i].cluster, at), 0);
    }
    assert_true(faults > 0 || w.nodes[lead].copies + w.nodes[copy].copies > 0);
    w.count = 7;
    crash(lead);
    run_ms(10 * S);
    check_together();
    end();
}

/* ---- votes that are lost ---- */

static size_t votes_in(size_t at, const struct base_hash32 *epoch_id, enum base_vote_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < w.nodes[at].said_count; i++)
        if (w.nodes[at].said[i].kind == kind &&
            base_hash32_equal(&w.nodes[at].said[i].epoch_id, epoch_id))
            count++;
    return count;
}

/* Nobody has said two things, and nobody is accused of it. */
static void check_honest(void)
{
    for (size_t i = 0; i < w.count; i++) {
        assert_int_equal(w.nodes[i].contradictions, 0);
        assert_int_equal(w.nodes[i].faults, 0);
    }
}

/* Four run, and one of them, who does not lead, has skipped what the others went on with. */
static size_t begin_skipped(uint64_t seed)
{
    begin_running(seed, 4);
    size_t at = (holder() + 1) % 4;
    struct base_hash32 id = view_of(at).epoch_id;
    w.nodes[at].is_deaf = true;
    run_ms(8 * S);
    assert_int_equal(votes_in(at, &id, BASE_VOTE_SKIP), 1);
    assert_true(votes_in(at, &id, BASE_VOTE_FINAL) > 0);
    w.nodes[at].is_deaf = false;
    crash(at);
    run_ms(1 * S);
    return at;
}

/* The next epoch is of a block above the head: it votes in it. */
static void check_votes_again(size_t at)
{
    uint64_t lost = w.nodes[at].lost_block;
    assert_true(lost < CONSENSUS_LOST_NOW);
    seat_put((at + 1) % 4, 2 + view_of(at).epoch->number);
    run_ms(14 * S);
    check_together();
    struct base_hash32 id = view_of(at).epoch_id;
    assert_false(view_of(at).is_lost);
    assert_true(view_of(at).epoch->block.number > lost);
    assert_true(votes_in(at, &id, BASE_VOTE_NOTAR) > 0);
    check_honest();
}

/* It knows that it has voted: it follows, and says nothing before the next epoch. */
static void test_a_lost_log_votes_in_the_next_epoch(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 25; seed++) {
        size_t at = begin_skipped(seed);
        lose(at);
        size_t said = w.nodes[at].said_count;
        start(at);
        run_ms(15 * S);
        check_together(); /* it follows the log */
        assert_true(view_of(at).is_lost && view_of(at).self < 4);
        assert_true(view_of(at).lost_block >= view_of(at).epoch->block.number);
        assert_int_equal(w.nodes[at].said_count, said);
        assert_int_equal(w.nodes[at].copies, 0); /* it need not be told */
        check_votes_again(at);
        end();
    }
}

/* An epoch that begins before the chain's head is known may be one that it has voted in. */
static void test_nothing_before_the_head_is_known(void **state)
{
    (void)state;
    size_t at = begin_skipped(26);
    lose(at);
    w.no_heads = true;
    size_t said = w.nodes[at].said_count;
    start(at);
    run_ms(5 * S);
    seat_put((at + 1) % 4, 2);
    run_ms(14 * S);
    check_together();
    assert_int_equal(view_of(at).epoch->number, 1);
    assert_int_equal(w.nodes[at].said_count, said);
    w.no_heads = false;
    ask_head(at);
    run_ms(1 * S);
    assert_true(view_of(at).lost_block >= view_of(at).epoch->block.number);
    check_votes_again(at);
    end();
}

/* An epoch of a block that is not above the head may be one that it has voted in. */
static void test_the_epoch_known_is_none_to_vote_in(void **state)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_LOST, .u.lost = 0};
    (void)state;
    size_t at = begin_skipped(27);
    lose(at);
    start(at);
    run_ms(500);
    assert_true(view_of(at).has_epoch);
    assert_int_equal(step(at, &ev), BASE_OK); /* its endpoints are far behind the others' */
    assert_int_equal(view_of(at).lost_block, view_of(at).epoch->block.number);
    assert_true(view_of(at).is_lost);
    end();
}

/* It does not know that it has voted. The others do, and say so first. */
static void test_a_wiped_one_is_told(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 35; seed++) {
        size_t at = begin_skipped(seed);
        wipe(at);
        size_t said = w.nodes[at].said_count;
        start(at);
        run_ms(15 * S);
        check_together();
        assert_int_equal(w.nodes[at].copies, 1);
        assert_true(view_of(at).is_lost);
        assert_int_equal(w.nodes[at].said_count, said);
        crash(at); /* which it does not forget */
        start(at);
        run_ms(10 * S);
        assert_int_equal(w.nodes[at].said_count, said);
        check_votes_again(at);
        end();
    }
}

/* What was final long ago is forgotten by all but for its last votes: by these it is known. */
static void test_a_wiped_one_is_told_what_is_final(void **state)
{
    (void)state;
    begin_running(36, 4);
    size_t at = (holder() + 1) % 4;
    run_ms(5 * S);
    crash(at);
    run_ms(60 * S);
    wipe(at);
    size_t said = w.nodes[at].said_count;
    start(at);
    run_ms(5 * S);
    assert_int_equal(w.nodes[at].copies, 1);
    assert_int_equal(w.nodes[at].said_count, said);
    run_ms(5 * S);
    check_votes_again(at);
    end();
}

/* Alone with one other it has heard too few, whose timers run out: a SKIP would cover what it has
 * made final. */
static void test_a_wiped_one_waits_for_a_quorum(void **state)
{
    (void)state;
    for (uint64_t seed = 37; seed < 40; seed++) {
        begin_running(seed, 4);
        size_t at = (holder() + 1) % 4, other = (at + 1) % 4;
        run_ms(5 * S);
        crash(at);
        wipe(at);
        for (size_t i = 0; i < 4; i++)
            if (i != at && i != other) w.nodes[i].is_cut = true;
        size_t said = w.nodes[at].said_count;
        w.nodes[other].is_deaf = true; /* it answers nothing, but says how far it is */
        start(at);
        run_ms(100);
        w.nodes[other].is_deaf = false;
        run_ms(20 * S);
        assert_true(view_of(at).has_epoch);
        assert_int_equal(w.nodes[at].said_count, said);
        for (size_t i = 0; i < 4; i++)
            w.nodes[i].is_cut = false;
        run_ms(20 * S);
        check_together();
        check_honest();
        end();
    }
}

/* .. and may be restarted meanwhile. */
static void test_a_new_log_stays_new_until_it_has_a_vote(void **state)
{
    (void)state;
    begin_running(41, 4);
    size_t at = (holder() + 1) % 4, other = (at + 1) % 4;
    run_ms(5 * S);
    crash(at);
    wipe(at);
    for (size_t i = 0; i < 4; i++)
        if (i != at && i != other) w.nodes[i].is_cut = true;
    start(at);
    run_ms(1 * S);
    assert_true(view_of(at).has_epoch);
    w.nodes[at].is_lost = false; /* it forgets what it was told, but not its epoch */
    crash(at);
    w.nodes[other].is_cut = true;
    size_t said = w.nodes[at].said_count;
    start(at);
    run_ms(20 * S);
    assert_true(view_of(at).has_epoch && view_of(at).engine.is_listening);
    assert_int_equal(w.nodes[at].said_count, said);
    end();
}

/* Whoever is really new loses no time. */
static void test_a_newcomer_votes_at_once(void **state)
{
    (void)state;
    begin_running(42, 4);
    w.count = 5;
    start(4);
    run_ms(2 * S);
    seat_put(4, 1);
    for (int i = 0; i < 6000 && view_of(4).self >= view_of(4).epoch->member_count; i++)
        run_ms(10);
    assert_true(view_of(4).self < view_of(4).epoch->member_count);
    struct base_hash32 id = view_of(4).epoch_id;
    run_ms(200);
    assert_false(view_of(4).engine.is_listening);
    run_ms(1500);
    assert_true(votes_in(4, &id, BASE_VOTE_NOTAR) > 0);
    assert_int_equal(w.nodes[4].copies, 0);
    end();
}

/* All have lost theirs: they begin anew, in an epoch that is none of the old ones. */
static void test_all_lost_found_anew(void **state)
{
    (void)state;
    begin_running(43, 4);
    for (size_t i = 0; i < 4; i++) {
        crash(i);
        lose(i);
    }
    run_ms(BLOCK_MS - w.now_ms % BLOCK_MS + 100); /* the next block takes a while */
    for (size_t i = 0; i < 4; i++)
        start(i);
    run_ms(15 * S);
    check_together();
    for (size_t i = 0; i < 4; i++) {
        assert_false(view_of(i).is_lost);
        assert_true(view_of(i).epoch->block.number > w.nodes[i].lost_block);
    }
    check_honest();
    end();
}

/* A vote of the node's key that nobody of its own has made, shown by another. */
static void show_vote(size_t at, size_t from)
{
    struct consensus_cluster_view v = view_of(at);
    struct base_eth_address signer = address_of(&w.nodes[at].key);
    struct base_vote vote = {.epoch_id = v.epoch_id,
                             .kind = BASE_VOTE_NOTAR,
                             .first = v.engine.frontier + 1,
                             .last = v.engine.frontier + 1,
                             .hash = {{0xc0}}};
    struct base_sig65 sig = vote_sig(&signer, &vote);
    struct base_packer p;
    base_packer_init(&p, frame, sizeof frame);
    base_pack_map(&p, 2);
    consensus_put_bin(&p, 0, v.epoch_id.bytes, BASE_HASH32_BYTES);
    consensus_put_array(&p, 1, 1);
    base_pack_array(&p, 5);
    base_pack_u64(&p, BASE_VOTE_NOTAR);
    base_pack_u64(&p, vote.first);
    base_pack_u64(&p, vote.last);
    base_pack_bin(&p, vote.hash.bytes, sizeof vote.hash.bytes);
    base_pack_bin(&p, sig.bytes, sizeof sig.bytes);
    assert_int_equal(say(at, from, CONSENSUS_FRAME_VOTES, frame, p.len), BASE_OK);
    frame[p.len - 1] ^= 1; /* not its signature */
    assert_int_equal(say(at, from, CONSENSUS_FRAME_VOTES, frame, p.len), BASE_EMALFORMED);
}

/* Once it may have lost them; the second time somebody else has its key. */
static void test_a_copy_twice_is_somebody_else(void **state)
{
    (void)state;
    begin_running(44, 4);
    size_t at = (holder() + 1) % 4;
    show_vote(at, (at + 1) % 4);
    assert_int_equal(w.nodes[at].copies, 1);
    assert_true(view_of(at).is_lost && !view_of(at).is_mute);
    run_ms(3 * S);
    check_votes_again(at);
    show_vote(at, (at + 1) % 4);
    assert_int_equal(w.nodes[at].copies, 2);
    assert_true(view_of(at).is_mute);
    size_t said = w.nodes[at].said_count;
    run_ms(3 * S);
    seat_put((at + 1) % 4, 1);
    run_ms(20 * S);
    check_together();
    assert_int_equal(view_of(at).epoch->number, 2);
    assert_int_equal(w.nodes[at].said_count, said);
    check_honest();
    end();
}

/* .. and a restart does not make it forget, whatever else its log holds. */
static void test_a_copy_outlives_a_restart(void **state)
{
    (void)state;
    begin_running(46, 4);
    size_t at = (holder() + 1) % 4;
    show_vote(at, (at + 1) % 4);
    run_ms(2 * S);
    crash(at);
    assert_true(w.nodes[at].vote_count > 0);
    size_t said = w.nodes[at].said_count;
    start(at);
    run_ms(15 * S);
    check_together();
    assert_true(view_of(at).is_lost);
    assert_int_equal(w.nodes[at].said_count, said);
    check_votes_again(at);
    end();
}

/* Restarts with the log, at any moment, are nothing of that kind. */
static void test_a_restart_is_no_copy(void **state)
{
    (void)state;
    begin_running(45, 4);
    for (int i = 0; i < 20; i++) {
        size_t at = (size_t)base_prng_below(&w.prng, 4);
        crash(at);
        run_ms(base_prng_between(&w.prng, 1, 4000));
        start(at);
        run_ms(base_prng_between(&w.prng, 1, 9000));
        if (i % 5 == 4) seat_put(at, 1 + (uint64_t)i % 3);
    }
    run_ms(30 * S);
    check_together();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(w.nodes[i].copies, 0);
    check_honest();
    end();
}

/* By a vote: its windows go, its weight stays. */
static void test_a_challenge(void **state)
{
    struct consensus_entry e = {.kind = CONSENSUS_ENTRY_CHALLENGE};
    (void)state;
    begin_running(10, 4);
    crash(3);
    run_ms(4 * S);
    e.u.challenge.target = w.nodes[3].key;
    e.u.challenge.complaint = CONSENSUS_UNRESPONSIVE;
    e.u.challenge.note = base_slice_text("gone");
    uint64_t tag = submit(0, &e);
    run_ms(2 * S);
    assert_true(w.is_done[tag]);
    run_ms(15 * S); /* those who hold it dead say yes by themselves */
    struct consensus_cluster_view view = view_of(0);
    size_t at = consensus_epoch_find(view.epoch, &w.nodes[3].key);
    assert_int_equal(view.epoch->members[at].standing, CONSENSUS_BENCHED);
    assert_int_equal(consensus_cluster_weight(w.nodes[0].cluster, at), 1);
    check_together();
    end();
}

/* ---- hostile frames ---- */

static void test_nobody_speaks_for_another(void **state)
{
    (void)state;
    begin_running(11, 5);
    size_t lead = holder(), liar = (lead + 1) % 5, victim = (lead + 2) % 5;
    struct base_hash32 id = view_of(lead).epoch_id;
    size_t len = entry_frame(&id, liar, victim, 0);
    assert_int_equal(say(lead, liar, CONSENSUS_FRAME_ENTRY, frame, len), BASE_EMALFORMED);
    len = entry_frame(&id, liar, liar, 2); /* of an epoch that is not yet */
    assert_int_equal(say(lead, liar, CONSENSUS_FRAME_ENTRY, frame, len), BASE_EMALFORMED);
    run_ms(2 * S);
    assert_false(has(lead, "forged", "yes"));
    len = entry_frame(&id, liar, liar, 0);
    assert_int_equal(say(lead, liar, CONSENSUS_FRAME_ENTRY, frame, len), BASE_OK);
    run_ms(2 * S);
    assert_true(has(victim, "forged", "yes"));
    end();
}

/* A candidate of the leader's own key with any payload: what do the others make of it? */
static bool is_notarised_by(size_t at, size_t lead, const struct base_slice *payload)
{
    struct consensus_cluster_view v = view_of(at);
    struct consensus_message m = {.type = CONSENSUS_MSG_CAND, .epoch_id = v.epoch_id};
    struct base_hash32 hash;
    struct base_eth_address signer = address_of(&w.nodes[lead].key);
    size_t len, before;
    m.u.cand = (struct consensus_candidate){.slot = v.engine.frontier,
                                            .parent_slot = v.engine.final_slot,
                                            .parent_hash = v.engine.final_hash,
                                            .payload = *payload};
    consensus_candidate_hash(&hash, &v.epoch_id, &m.u.cand);
    struct base_vote vote = {v.epoch_id, BASE_VOTE_CAND, v.engine.frontier, v.engine.frontier,
                             hash};
    m.u.cand.sig = vote_sig(&signer, &vote);
    assert_int_equal(consensus_message_encode(frame, &len, sizeof frame, &m), BASE_OK);
    before = w.nodes[at].op_count;
    assert_int_equal(say(at, lead, consensus_frame_type(m.type), frame, len), BASE_OK);
    for (size_t i = before; i < w.nodes[at].op_count; i++) {
        struct consensus_logged logged;
        const struct op *op = &w.nodes[at].ops[i];
        if (op->kind != CONSENSUS_STORE_VOTE) continue;
        assert_int_equal(consensus_votelog_decode(&logged, &v.epoch_id, op->body, op->len),
                         BASE_OK);
        bool is_it = logged.record.kind == CONSENSUS_RECORD_NOTAR &&
                     base_hash32_equal(&logged.record.vote.hash, &hash);
        consensus_votelog_free(&logged);
        if (is_it) return true;
    }
    return false;
}

static bool is_payload_voted_for(uint64_t seed, const struct consensus_payload *p)
{
    static uint8_t bytes[4096];
    size_t len = 0;
    begin_running(seed, 4);
    size_t lead = holder(), at = (lead + 1) % 4;
    crash(lead); /* its key is ours now */
    run_ms(50);
    assert_int_equal(consensus_payload_encode(bytes, &len, sizeof bytes, p), BASE_OK);
    const struct base_slice payload = {bytes, len};
    bool is_voted = is_notarised_by(at, lead, &payload);
    end();
    return is_voted;
}

static void test_what_a_leader_says_is_judged(void **state)
{
    static struct consensus_payload p;
    (void)state;
    p = (struct consensus_payload){0};
    assert_true(is_payload_voted_for(12, &p)); /* nothing at all: the heartbeat */
    p.is_closing = true;                       /* an end that is not due, or of another record */
    p.block = 5;
    p.block_hash = block_hash(5);
    p.block_time_s = 1000010;
    assert_false(is_payload_voted_for(12, &p));
    p = (struct consensus_payload){.has_state = true, .state_slot = 2}; /* another state */
    assert_false(is_payload_voted_for(12, &p));
    p = (struct consensus_payload){.count = 1};
    p.entries[0].body = base_slice_text("no entry");
    assert_false(is_payload_voted_for(12, &p));
}

/* Goal: what was found for one candidate is nothing for another.
 * Method: two of five see another chain, so that what the other three find comes to nothing. */
static void test_a_record_found_is_for_what_names_it(void **state)
{
    static struct consensus_payload p;
    static uint8_t bytes[4096];
    size_t len = 0, at = 0;
    (void)state;
    begin_running(51, 5);
    w.nodes[3].is_astray = w.nodes[4].is_astray = true;
    run_ms(4 * S);
    seat_put(0, 2);
    run_until_ending(3); /* 0, 1 and 2 */
    run_ms(20 * S);
    until_somebody_leads();
    size_t lead = holder();
    if (at == lead) at++;
    crash(lead);
    run_ms(50);
    p = (struct consensus_payload){.is_closing = true};
    p.block = w.head - 1;
    p.block_hash = block_hash(p.block);
    p.block_time_s = 1000000 + 2 * p.block;
    assert_int_equal(consensus_payload_encode(bytes, &len, sizeof bytes, &p), BASE_OK);
    const struct base_slice payload = {bytes, len}, nothing = {bytes, 0};
    assert_int_equal(view_of(at).epoch->number, 0);
    assert_false(is_notarised_by(at, lead, &payload));
    assert_true(is_notarised_by(at, lead, &nothing)); /* another would have been voted for */
    end();
}

/* An epoch that one member makes up: as the next one without proof, and for whom comes late. */
static void test_epochs_are_not_made_up(void **state)
{
    static uint8_t record[CONSENSUS_EPOCH_BYTES_MAX];
    struct consensus_epoch fake;
    struct base_hash32 id;
    struct base_packer p;
    size_t len;
    (void)state;
    begin_running(13, 5);
    struct consensus_cluster_view v = view_of(0);
    assert_int_equal(consensus_epoch_copy(&fake, v.epoch), BASE_OK);
    fake.number = 1;
    fake.previous = v.epoch_id;
    fake.closing_slot = 3;
    fake.block.number++;
    fake.members[0].priority += 7;
    assert_int_equal(consensus_epoch_encode(record, &len, sizeof record, &fake), BASE_OK);
    assert_int_equal(consensus_epoch_id(&id, &fake), BASE_OK);
    base_packer_init(&p, frame, sizeof frame);
    base_pack_map(&p, 2);
    consensus_put_bin(&p, 0, id.bytes, sizeof id.bytes);
    consensus_put_bin(&p, 1, record, len);
    assert_int_equal(say(0, 4, CONSENSUS_FRAME_EPOCH, frame, p.len), BASE_OK);
    assert_int_equal(view_of(0).epoch->number, 0);
    w.count = 6;
    start(5); /* a newcomer, to whom all five are known, and one lies */
    run_ms(1);
    assert_false(view_of(5).has_epoch);
    assert_int_equal(say(5, 4, CONSENSUS_FRAME_EPOCH, frame, p.len), BASE_OK);
    assert_false(view_of(5).has_epoch);
    frame[4]++; /* an id that is not its record's */
    assert_int_equal(say(5, 4, CONSENSUS_FRAME_EPOCH, frame, p.len), BASE_EMALFORMED);
    consensus_epoch_free(&fake);
    run_ms(5 * S);
    assert_int_equal(view_of(5).epoch->number, 0);
    check_together();
    end();
}

struct made_up {
    uint64_t block; /* with the seats as they are in it */
    uint64_t weight;
    bool is_forged;     /* the sender's key is that of all */
    bool is_slanderous; /* .. and all others are suspended */
};

/* An epoch that one member has made up, shown to somebody who comes late. */
static void show_made_up(size_t to, size_t from, const struct made_up *how)
{
    static uint8_t record[CONSENSUS_EPOCH_BYTES_MAX];
    const uint64_t b = how->block;
    const struct consensus_world world = {.settings = {{0x5e}},
                                          .chain_id = 31337,
                                          .block = {b, block_hash(b), 1000000 + 2 * b},
                                          .seats = w.blocks[b].seats,
                                          .seat_count = w.blocks[b].count};
    struct consensus_epoch fake;
    struct base_hash32 id;
    struct base_packer p;
    size_t len;
    assert_int_equal(
        consensus_epoch_next(&fake, view_of(0).epoch, 3, w.params.window_slots, &world), BASE_OK);
    fake.number = 7;
    fake.previous.bytes[0] ^= 1;
    fake.members[consensus_epoch_find(&fake, &w.nodes[from].key)].seat.weight = how->weight;
    for (size_t i = 0; i < fake.member_count && how->is_forged; i++)
        fake.members[i].seat.signer = address_of(&w.nodes[from].key);
    for (size_t i = 0; i < fake.member_count && how->is_slanderous; i++)
        if (!base_key33_equal(&fake.members[i].seat.key, &w.nodes[from].key))
            fake.members[i].standing = CONSENSUS_SUSPENDED;
    assert_int_equal(consensus_epoch_encode(record, &len, sizeof record, &fake), BASE_OK);
    assert_int_equal(consensus_epoch_id(&id, &fake), BASE_OK);
    consensus_epoch_free(&fake);
    base_packer_init(&p, frame, sizeof frame);
    base_pack_map(&p, 2);
    consensus_put_bin(&p, 0, id.bytes, sizeof id.bytes);
    consensus_put_bin(&p, 1, record, len);
    assert_int_equal(say(to, from, CONSENSUS_FRAME_EPOCH, frame, p.len), BASE_OK);
}

/* Shown once and, when others have had their time, once more. */
static bool is_led_astray(const struct made_up *how)
{
    show_made_up(w.count - 1, w.count - 2, how);
    assert_false(view_of(w.count - 1).has_epoch);
    run_ms(1 * S);
    show_made_up(w.count - 1, w.count - 2, how);
    return view_of(w.count - 1).has_epoch;
}

/* Some in an epoch that does not end, and one who has come and hears nothing of it. */
static void begin_deaf(uint64_t seed, size_t count, bool has_seat)
{
    begin_long(seed, count, 1000, 64);
    w.count = count + 1;
    if (has_seat) seat_put(count, 1);
    run_ms(2 * BLOCK_MS + 100);
    w.nodes[count].is_deaf = true;
    start(count);
    run_ms(100);
}

/* Two thirds must be here, we among them, and none in another epoch that outweighs it. */
static void test_a_newcomer_is_not_led_astray(void **state)
{
    (void)state;
    begin_deaf(71, 5, true);
    show_made_up(5, 4, &(struct made_up){.block = w.head, .weight = 1});
    assert_false(view_of(5).has_epoch); /* others may yet speak */
    for (size_t i = 0; i < 2; i++)
        tell(5, i, PEER, false, 1);
    run_ms(10);
    assert_false(is_led_astray(&(struct made_up){.block = w.head, .weight = 1}));
    for (size_t i = 0; i < 2; i++)
        tell(5, i, PEER, true, 1);
    run_ms(10);
    show_made_up(5, 4, &(struct made_up){.block = w.head, .weight = 1});
    assert_false(view_of(5).has_epoch); /* anew */
    w.nodes[1].is_cut = w.nodes[2].is_cut = w.nodes[3].is_cut = w.nodes[4].is_cut = true;
    w.nodes[5].is_deaf = false; /* one of them speaks */
    run_ms(2 * S);
    assert_false(view_of(5).has_epoch);
    assert_false(is_led_astray(&(struct made_up){.block = w.head - 1, .weight = 1}));
    end();
    begin_deaf(72, 5, false); /* an epoch without us needs us not */
    seat_put(5, 1);
    run_ms(2 * BLOCK_MS + 2 * S);
    assert_false(is_led_astray(&(struct made_up){.block = w.head - 3, .weight = 1}));
    end();
}

/* Nobody speaks against it: it is believed, if the chain says the same. Who comes to know better
 * goes there. */
static void test_what_is_unopposed_is_as_the_chain_says(void **state)
{
    (void)state;
    begin_deaf(73, 5, true);
    const uint64_t b = w.head; /* which it has read */
    assert_false(is_led_astray(&(struct made_up){.block = b, .weight = 2}));
    assert_false(is_led_astray(&(struct made_up){.block = b, .weight = 1, .is_forged = true}));
    assert_false(is_led_astray(&(struct made_up){.block = b, .weight = 1, .is_slanderous = true}));
    assert_true(is_led_astray(&(struct made_up){.block = b, .weight = 1}));
    assert_int_equal(view_of(5).epoch->number, 7);
    w.nodes[5].is_deaf = false;
    run_ms(5 * S);
    assert_int_equal(view_of(5).epoch->number, 0);
    check_together();
    end();
    begin_deaf(77, 5, true); /* of a block that we have seen, before there were more */
    const struct made_up before = {.block = w.head, .weight = 1};
    for (size_t i = 6; i < 10; i++)
        seat_put(i, 1);
    run_ms(BLOCK_MS + 1500);
    assert_true(is_led_astray(&before));
    end();
    begin_deaf(74, 2, true); /* among so few one is believed, but not on whose keys are whose */
    show_made_up(2, 1, &(struct made_up){.block = w.head, .weight = 1, .is_forged = true});
    assert_false(view_of(2).has_epoch);
    show_made_up(2, 1, &(struct made_up){.block = w.head, .weight = 1});
    assert_true(view_of(2).has_epoch);
    end();
}

/* However many tokens a liar has: two who say otherwise outweigh it. */
static void test_the_cap_holds_for_voices(void **state)
{
    (void)state;
    begin_deaf(75, 5, true);
    seat_put(4, 100);
    run_ms(2 * BLOCK_MS);
    w.nodes[2].is_cut = w.nodes[3].is_cut = w.nodes[4].is_cut = true;
    w.nodes[5].is_deaf = false; /* 0 and 1 speak */
    run_ms(2 * S);
    assert_false(view_of(5).has_epoch);
    assert_false(is_led_astray(&(struct made_up){.block = w.head - 1, .weight = 100}));
    end();
}

/* A state that is not the one that was asked for is not taken. */
static void test_states_are_compared(void **state)
{
    struct base_packer p;
    struct base_slice bytes;
    struct consensus_state *other;
    (void)state;
    begin_running(14, 4);
    (void)add(0, "n", "");
    seat_put(0, 2); /* the next epoch begins with a state */
    run_ms(14 * S);
    w.count = 5;
    w.no_states = true;
    start(4);
    run_ms(3 * S);
    assert_true(view_of(4).has_epoch && !view_of(4).has_state);
    assert_int_equal(consensus_state_new(&other), BASE_OK);
    assert_int_equal(consensus_state_encode(other, &bytes), BASE_OK);
    struct base_hash32 id = view_of(4).epoch_id;
    base_packer_init(&p, frame, sizeof frame);
    base_pack_map(&p, 5);
    consensus_put_bin(&p, 0, id.bytes, BASE_HASH32_BYTES);
    consensus_put_bin(&p, 1, w.wanted.bytes, BASE_HASH32_BYTES);
    consensus_put_u64(&p, 2, bytes.len);
    consensus_put_u64(&p, 3, 0);
    consensus_put_bin(&p, 4, bytes.data, bytes.len);
    assert_int_equal(say(4, 0, CONSENSUS_FRAME_STATE, frame, p.len), BASE_OK);
    assert_false(view_of(4).has_state);
    w.no_states = false;
    run_ms(20 * S);
    check_together();
    assert_true(has(4, "n", "1"));
    consensus_state_free(other);
    end();
}

/* Loss, crashes, cuts, transfers and entries, then calm. */
static void wild(uint64_t seed)
{
    begin_running(seed, 4 + seed % 4);
    size_t n = w.count;
    w.loss_percent = (uint32_t)(seed % 10);
    for (int round = 0; round < 25; round++) {
        size_t who = (size_t)base_prng_below(&w.prng, n);
        switch (base_prng_below(&w.prng, 6)) {
        case 0:
            if (w.nodes[who].is_up) crash(who);
            break;
        case 1:
            if (!w.nodes[who].is_up) start(who);
            break;
        case 2:
            w.nodes[who].is_cut = !w.nodes[who].is_cut;
            break;
        case 3:
            seat_put(who, base_prng_between(&w.prng, 1, 3));
            break;
        default:
            if (w.nodes[who].is_up) (void)add(who, "n", "");
            break;
        }
        run_ms(base_prng_between(&w.prng, 500, 8000));
    }
    w.loss_percent = 0;
    for (size_t i = 0; i < n; i++) {
        w.nodes[i].is_cut = false;
        if (!w.nodes[i].is_up) start(i);
    }
    run_ms(180 * S);
    check_together();
    end();
}

static void test_wild_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        wild(seed);
}

/* One after the other loses its log, in any way and at any moment, while seats change. */
static void wild_losses(uint64_t seed)
{
    begin_running(seed, 5);
    for (int round = 0; round < 12; round++) {
        size_t who = (size_t)base_prng_below(&w.prng, 5);
        w.nodes[who].is_deaf = base_prng_below(&w.prng, 2) == 0;
        run_ms(base_prng_between(&w.prng, 100, 9000));
        w.nodes[who].is_deaf = false;
        crash(who);
        run_ms(base_prng_between(&w.prng, 100, 5000));
        if (base_prng_below(&w.prng, 2) == 0)
            wipe(who);
        else
            lose(who);
        start(who);
        run_ms(base_prng_between(&w.prng, 3000, 20000));
        seat_put((who + 1) % 5, base_prng_between(&w.prng, 1, 3)); /* perhaps none changes */
        run_ms(16 * S);
        seat_put((who + 1) % 5, 4 + (uint64_t)round);
        run_ms(16 * S);
        assert_false(view_of(who).is_lost);
    }
    check_together();
    check_honest();
    end();
}

static void test_wild_losses(void **state)
{
    (void)state;
    for (uint64_t seed = 50; seed < 62; seed++)
        wild_losses(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_founds_and_leads_itself),
        cmocka_unit_test(test_five_found_one_cluster),
        cmocka_unit_test(test_two_foundings),
        cmocka_unit_test(test_newcomers),
        cmocka_unit_test(test_a_follower_starts_again),
        cmocka_unit_test(test_transfers),
        cmocka_unit_test(test_seats_come_before_their_nodes),
        cmocka_unit_test(test_who_has_come_can_follow),
        cmocka_unit_test(test_seats_come_as_a_node_does),
        cmocka_unit_test(test_many_join_few),
        cmocka_unit_test(test_an_epoch_ends_that_cannot_stay),
        cmocka_unit_test(test_a_third_is_sold_at_once),
        cmocka_unit_test(test_who_is_sold_votes_and_does_nothing_else),
        cmocka_unit_test(test_who_is_sold_holds_nobody_up),
        cmocka_unit_test(test_who_does_not_end_the_epoch_is_skipped),
        cmocka_unit_test(test_a_leader_has_its_slots),
        cmocka_unit_test(test_who_leads_and_is_slow_owes_nothing),
        cmocka_unit_test(test_a_leader_has_its_time_under_load),
        cmocka_unit_test(test_nobody_owes_what_cannot_be),
        cmocka_unit_test(test_what_comes_to_nothing_is_asked_for_less_and_less),
        cmocka_unit_test(test_entries_of_all),
        cmocka_unit_test(test_a_client_counts),
        cmocka_unit_test(test_a_nonce_is_given_twice),
        cmocka_unit_test(test_all_restart),
        cmocka_unit_test(test_all_restart_as_an_epoch_ends),
        cmocka_unit_test(test_two_thirds_restart_as_an_epoch_ends),
        cmocka_unit_test(test_a_log_with_a_record_alone_is_new),
        cmocka_unit_test(test_what_was_found_counts_for_a_vote),
        cmocka_unit_test(test_a_state_is_asked_for_after_a_restart),
        cmocka_unit_test(test_far_behind),
        cmocka_unit_test(test_a_newcomer_gets_the_state),
        cmocka_unit_test(test_an_entry_outlives_a_leader),
        cmocka_unit_test(test_one_abstains),
        cmocka_unit_test(test_all_abstain),
        cmocka_unit_test(test_a_copy_is_suspended),
        cmocka_unit_test(test_a_challenge),
        cmocka_unit_test(test_nobody_speaks_for_another),
        cmocka_unit_test(test_what_a_leader_says_is_judged),
        cmocka_unit_test(test_a_record_found_is_for_what_names_it),
        cmocka_unit_test(test_epochs_are_not_made_up),
        cmocka_unit_test(test_a_newcomer_is_not_led_astray),
        cmocka_unit_test(test_what_is_unopposed_is_as_the_chain_says),
        cmocka_unit_test(test_the_cap_holds_for_voices),
        cmocka_unit_test(test_states_are_compared),
        cmocka_unit_test(test_a_lost_log_votes_in_the_next_epoch),
        cmocka_unit_test(test_nothing_before_the_head_is_known),
        cmocka_unit_test(test_the_epoch_known_is_none_to_vote_in),
        cmocka_unit_test(test_a_wiped_one_is_told),
        cmocka_unit_test(test_a_wiped_one_is_told_what_is_final),
        cmocka_unit_test(test_a_wiped_one_waits_for_a_quorum),
        cmocka_unit_test(test_a_new_log_stays_new_until_it_has_a_vote),
        cmocka_unit_test(test_a_newcomer_votes_at_once),
        cmocka_unit_test(test_all_lost_found_anew),
        cmocka_unit_test(test_a_copy_twice_is_somebody_else),
        cmocka_unit_test(test_a_copy_outlives_a_restart),
        cmocka_unit_test(test_a_restart_is_no_copy),
        cmocka_unit_test(test_wild_seeds),
        cmocka_unit_test(test_wild_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
