/* A consensus core in each node: what node/mesh_consensus.c does for a real one. Sessions carry its
 * frames, membership tells it who is dead, the chain who has a seat, and a disk keeps its votes. */
#include "sim_votes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/aead.h"
#include "base/err.h"
#include "consensus/votelog.h"
#include "consensus/wire.h"
#include "node/consensus_told.h"

#define FOUND_MS        3000  /* as the rim */
#define GRACE_MS        20000 /* --rpc-grace; a real one is longer */
#define ALL_TRIED_MS    6000  /* as the rim: until then everybody there is has been dialled once */
#define TORN_ONE_IN     16    /* crashes that had something to write */
#define TRAP_MS         5
#define TIMER_SPINS_MAX 200

struct sim__voter *sim__voter(const struct sim *s, uint32_t i)
{
    return s->votes == NULL ? NULL : &s->votes->voters[i];
}

bool sim__voter_is_honest(const struct sim *s, uint32_t i)
{
    return s->votes->voters[i].liar == NULL;
}

/* ---- signatures: a keyed hash ---- */

struct base_eth_address sim__signer_of(const struct base_key33 *key)
{
    struct base_eth_address out;
    memcpy(out.bytes, key->bytes + 1, sizeof out.bytes);
    return out;
}

/* In the place of base_ecdsa_address() in node/consensus_told.c. */
int sim_ecdsa_address(struct base_eth_address *out, const struct base_key33 *pub);
int sim_ecdsa_address(struct base_eth_address *out, const struct base_key33 *pub)
{
    *out = sim__signer_of(pub);
    return BASE_OK;
}

static int sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    const struct sim__voter *v = ctx;
    struct base_eth_address signer = sim__signer_of(&v->s->nodes[v->i].key);
    *sig = world_signature(&signer, vote);
    return BASE_OK;
}

static int entry_sign_as(const struct base_key33 *key, const struct base_slice *body,
                         struct base_sig65 *sig)
{
    struct base_hash32 digest;
    base_sha256_2(&digest, "entry", 5, body->data, body->len);
    sim__seal(sig, key, &digest);
    return BASE_OK;
}

static int sign_entry(void *ctx, const struct base_slice *body, struct base_sig65 *sig)
{
    const struct sim__voter *v = ctx;
    return entry_sign_as(&v->s->nodes[v->i].key, body, sig);
}

static int verify_entry(void *ctx, const struct base_slice *body, const struct base_sig65 *sig,
                        const struct base_key33 *submitter)
{
    struct base_sig65 good;
    (void)ctx;
    entry_sign_as(submitter, body, &good);
    return memcmp(good.bytes, sig->bytes, sizeof good.bytes) == 0 ? BASE_OK : BASE_ESIG;
}

/* ---- the disk ---- */

static struct sim__row row_copy(const struct consensus_cluster_action *a)
{
    struct sim__row row = {.epoch = a->u.store.epoch,
                           .first = a->u.store.first,
                           .last = a->u.store.last,
                           .len = a->u.store.body.len};
    row.body = malloc(row.len > 0 ? row.len : 1);
    assert(row.body != NULL);
    if (row.len > 0) memcpy(row.body, a->u.store.body.data, row.len);
    return row;
}

static void row_put(struct sim__row *to, const struct sim__row *row)
{
    free(to->body);
    *to = *row;
}

/* As PUT_STATE: what lies below it is not needed any more. */
static void rows_trim(struct sim__voter *v, uint64_t epoch, uint64_t first)
{
    size_t kept = 0;
    for (size_t r = 0; r < v->row_count; r++) {
        struct sim__row *row = &v->rows[r];
        if (row->epoch < epoch || (row->epoch == epoch && row->last < first))
            free(row->body);
        else
            v->rows[kept++] = *row;
    }
    v->row_count = kept;
}

static void row_add(struct sim__voter *v, const struct sim__row *row)
{
    v->rows = realloc(v->rows, (v->row_count + 1) * sizeof *v->rows);
    assert(v->rows != NULL);
    v->rows[v->row_count++] = *row;
}

static void disk_apply(struct sim__voter *v, struct sim__op *op)
{
    switch (op->kind) {
    case CONSENSUS_STORE_EPOCH:
        row_put(&v->epoch, &op->row);
        break;
    case CONSENSUS_STORE_STATE:
        row_put(&v->state, &op->row);
        rows_trim(v, op->row.epoch, op->row.first);
        break;
    case CONSENSUS_STORE_VOTE:
        v->has_voted = true;
        sim__judge_synced(v, &op->vote);
        row_add(v, &op->row);
        break;
    case CONSENSUS_STORE_NEXT:
        row_add(v, &op->row);
        break;
    }
    op->row.body = NULL;
}

static void disk_sync(struct sim__voter *v, uint64_t number)
{
    size_t done = 0;
    while (done < v->op_count && v->ops[done].number <= number)
        disk_apply(v, &v->ops[done++]);
    if (done > 0) memmove(v->ops, v->ops + done, (v->op_count - done) * sizeof *v->ops);
    v->op_count -= done;
}

/* Of what was not known to be stored some first operations are there, and one perhaps in part. */
static void disk_cut(struct sim__voter *v)
{
    struct sim *s = v->s;
    if (v->op_count == 0) return;
    size_t kept = (size_t)sim_random(s, v->op_count + 1);
    if (kept > 0) disk_sync(v, v->ops[kept - 1].number);
    s->votes->figures.lost_writes += v->op_count;
    if (v->op_count == 0) return;
    struct sim__op *next = &v->ops[0];
    bool is_row = next->kind == CONSENSUS_STORE_VOTE || next->kind == CONSENSUS_STORE_NEXT;
    if (is_row && sim_random(s, TORN_ONE_IN) == 0) {
        next->row.len = (size_t)sim_random(s, next->row.len);
        row_add(v, &next->row);
        next->row.body = NULL;
        v->is_torn = true;
    }
    for (size_t o = 0; o < v->op_count; o++)
        free(v->ops[o].row.body);
    v->op_count = 0;
}

static int restore(struct sim__voter *v)
{
    const struct base_slice epoch = {v->epoch.body, v->epoch.len},
                            state = {v->state.body, v->state.len};
    if (v->epoch.body == NULL) return BASE_OK;
    int rv = consensus_cluster_restore_epoch(v->cluster, &epoch);
    if (rv == BASE_OK && v->state.body != NULL)
        rv = consensus_cluster_restore_state(v->cluster, v->state.epoch, v->state.first, &state);
    for (size_t r = 0; rv == BASE_OK && r < v->row_count; r++) {
        const struct base_slice vote = {v->rows[r].body, v->rows[r].len};
        bool is_torn = v->is_torn && r + 1 == v->row_count;
        rv = consensus_cluster_restore_vote(v->cluster, v->rows[r].epoch, &vote);
        if (!is_torn) continue;
        if (rv == BASE_OK && v->rows[r].epoch == v->epoch.epoch)
            sim__fail(v->s, "node %u: half a vote was taken for one", v->i);
        return BASE_EMALFORMED; /* as its sum says */
    }
    if (rv != BASE_OK)
        sim__fail(v->s, "node %u: what it stored is not taken: %s", v->i, base_strerror(rv));
    return rv;
}

static void rows_free(struct sim__voter *v)
{
    for (size_t r = 0; r < v->row_count; r++)
        free(v->rows[r].body);
    free(v->epoch.body);
    free(v->state.body);
    v->row_count = 0;
    v->epoch.body = v->state.body = NULL;
}

void sim_votes_forget(struct sim *s, uint32_t i)
{
    struct sim__voter *v = sim__voter(s, i);
    const struct sim__block *head = s->chain.tail[s->chain.tail_count - 1];
    if (!v->is_lost) return;
    sim_crash(s, i, true);
    rows_free(v);
    v->is_lost = v->is_torn = v->has_voted = false;
    v->has_loss = true;
    v->lost_block = sim__block_snapshot(head)->block.number;
    s->votes->figures.begun_anew++;
}

void sim__votes_disk(struct sim *s, uint32_t i)
{
    struct sim__voter *v = sim__voter(s, i);
    if (v == NULL) return;
    assert(v->cluster == NULL);
    if (sim_random(s, 2) == 0) return; /* another file, which is whole */
    if (!v->is_lost) s->votes->figures.lost++;
    v->is_lost = true;
}

/* ---- what it wants done ---- */

void sim__votes_send(struct sim *s, uint32_t i, uint32_t j, uint8_t type, const void *body,
                     size_t len)
{
    if (i == j || !sim_is_linked(s, i, j)) return;
    struct sim__event *ev = sim__event_new(SIM__FRAME, j, i, len);
    ev->type = type;
    if (type == consensus_frame_type(CONSENSUS_MSG_STATUS)) ev->kind = type;
    ev->generation = sim__end_of(s, i, j)->generation;
    if (len > 0) memcpy(ev->bytes, body, len);
    s->frames++;
    sim__way_send(s, ev);
}

static void on_send(struct sim__voter *v, const struct consensus_cluster_action *a)
{
    struct sim *s = v->s;
    const struct base_slice *body = &a->u.send.body;
    for (uint32_t j = 0; j < s->count; j++) {
        bool is_meant = a->u.send.is_to_all || base_key33_equal(&s->nodes[j].key, &a->u.send.to);
        if (j == v->i || !is_meant || sim__votes_says(v, j, a->u.send.type, body)) continue;
        sim__votes_send(s, v->i, j, a->u.send.type, body->data, body->len);
    }
}

static void on_store(struct sim__voter *v, const struct consensus_cluster_action *a)
{
    struct sim *s = v->s;
    v->ops = realloc(v->ops, (v->op_count + 1) * sizeof *v->ops);
    assert(v->ops != NULL);
    struct sim__op *op = &v->ops[v->op_count++];
    *op =
        (struct sim__op){.number = a->u.store.number, .kind = a->u.store.kind, .row = row_copy(a)};
    if (op->kind == CONSENSUS_STORE_VOTE) {
        assert(v->fresh_taken < v->fresh_count);
        op->vote = v->fresh[v->fresh_taken++];
    }
    if (op->kind == CONSENSUS_STORE_NEXT) return; /* in one batch with what comes next */
    struct sim__event *ev = sim__event_new(SIM__VOTES_STORED, v->i, v->i, 0);
    ev->process = s->nodes[v->i].process;
    ev->generation = (uint32_t)a->u.store.number;
    sim__event_at(s, ev, s->now_ms + sim_random(s, s->votes->setup.store_max_ms + 1));
}

static void on_done(struct sim__voter *v, const struct consensus_cluster_action *a)
{
    for (size_t k = 0; k < v->asked_count; k++)
        if (v->asked[k].tag == a->u.done.tag) {
            v->asked[k] = v->asked[--v->asked_count];
            return;
        }
}

static void perform(struct sim__voter *v, const struct consensus_cluster_action *a)
{
    sim__judge_action(v, a);
    switch (a->type) {
    case CONSENSUS_CLUSTER_ACT_SEND:
        on_send(v, a);
        break;
    case CONSENSUS_CLUSTER_ACT_STORE:
        on_store(v, a);
        break;
    case CONSENSUS_CLUSTER_ACT_DONE:
        on_done(v, a);
        break;
    case CONSENSUS_CLUSTER_ACT_LEADER:
    case CONSENSUS_CLUSTER_ACT_LEASE:
    case CONSENSUS_CLUSTER_ACT_ENTRY:
    case CONSENSUS_CLUSTER_ACT_FAULT:
    case CONSENSUS_CLUSTER_ACT_NOTE:
        break; /* the checkers have read them */
    }
}

/* ---- steps ---- */

static void timer_arm(struct sim__voter *v)
{
    struct sim *s = v->s;
    const struct sim__node *n = &s->nodes[v->i];
    uint64_t due = consensus_cluster_deadline_ms(v->cluster), now = sim__local_ms(s, n);
    if (due == UINT64_MAX) return;
    due = sim__true_ms(s, n, due > now ? due : now + 1); /* time goes on */
    if (v->timer_armed && v->timer_ms <= due) return;
    v->timer_armed = true;
    v->timer_ms = due;
    struct sim__event *ev = sim__event_new(SIM__VOTES_TIMER, v->i, v->i, 0);
    ev->process = n->process;
    sim__event_at(s, ev, due);
}

static int step(struct sim__voter *v, const struct consensus_cluster_event *ev)
{
    struct sim *s = v->s;
    struct consensus_cluster_actions out;
    if (v->cluster == NULL) return BASE_ESTATE;
    int rv = consensus_cluster_step(v->cluster, sim__local_ms(s, &s->nodes[v->i]), ev, &out);
    assert(rv != BASE_ENOMEM);
    sim__trace(s, s->now_ms << 16 | v->i | UINT64_C(1) << 63);
    sim__trace(s, (uint64_t)ev->type << 32 | (uint64_t)out.count << 8 | (uint8_t)rv);
    for (size_t a = 0; a < out.count; a++)
        perform(v, &out.list[a]);
    v->fresh_count = v->fresh_taken = 0;
    sim__judge_step(v);
    timer_arm(v);
    return rv;
}

static void timer_fires(struct sim__voter *v)
{
    const struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_TIMER};
    if (v->timer_ms > v->s->now_ms) return;
    v->timer_armed = false;
    if (v->spin_ms != v->s->now_ms) v->spins = 0;
    v->spin_ms = v->s->now_ms;
    if (++v->spins > TIMER_SPINS_MAX) {
        sim__fail(v->s, "node %u: its consensus timer spins", v->i);
        return;
    }
    (void)step(v, &ev);
}

static void stored(struct sim__voter *v, uint64_t number)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_STORED};
    disk_sync(v, number);
    ev.u.stored = number;
    (void)step(v, &ev);
}

/* Killed while others vote for what it has shown, and back at once. */
static void trap_shuts(struct sim *s, uint32_t i)
{
    uint32_t via = (uint32_t)sim_random(s, s->count);
    if (!sim_is_up(s, i) || s->nodes[i].is_paused) return;
    s->votes->figures.trapped++;
    sim_restart(s, i, via);
}

/* What was said late goes over the link that there is then. */
static void late(struct sim *s, const struct sim__event *ev)
{
    if (s->nodes[ev->peer].core != NULL)
        sim__votes_send(s, ev->peer, ev->node, ev->type, ev->bytes, ev->len);
}

void sim__votes_happen(struct sim *s, const struct sim__event *ev)
{
    struct sim__voter *v = sim__voter(s, ev->node);
    bool is_its_own = ev->what == SIM__VOTES_TIMER || ev->what == SIM__VOTES_STORED ||
                      ev->what == SIM__VOTES_TRAP;
    if (is_its_own && (s->nodes[ev->node].process != ev->process || v->cluster == NULL)) return;
    if (ev->what == SIM__VOTES_TIMER) timer_fires(v);
    if (ev->what == SIM__VOTES_STORED) stored(v, ev->generation);
    if (ev->what == SIM__VOTES_TRAP) trap_shuts(s, ev->node);
    if (ev->what == SIM__VOTES_LATE) late(s, ev);
    if (ev->what == SIM__VOTES_LIAR) sim__votes_acts(s, ev->node);
}

bool sim__votes_frame(struct sim *s, const struct sim__event *ev)
{
    struct sim__voter *v = sim__voter(s, ev->node);
    struct consensus_cluster_event in = {.type = CONSENSUS_CLUSTER_EV_FRAME,
                                         .key = s->nodes[ev->peer].key};
    if (v == NULL || ev->type < CONSENSUS_FRAME_FIRST) return false;
    in.u.frame.type = ev->type;
    in.u.frame.body = (struct base_slice){ev->bytes, ev->len};
    if (v->cluster != NULL && !sim__votes_hears(v, ev->peer, ev->type, &in.u.frame.body))
        (void)step(v, &in);
    return true;
}

void sim__votes_peer(struct sim *s, uint32_t i, uint32_t j, bool is_up)
{
    struct sim__voter *v = sim__voter(s, i);
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_PEER, .key = s->nodes[j].key};
    if (v == NULL) return;
    ev.u.is_up = is_up;
    (void)step(v, &ev);
}

void sim__votes_member(struct sim *s, uint32_t i, const struct gossip_action *act)
{
    struct sim__voter *v = sim__voter(s, i);
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_DEAD, .key = act->key};
    if (v != NULL && node_consensus_is_news(&ev.u.is_dead, act->u.state.to)) (void)step(v, &ev);
}

/* ---- the chain ---- */

/* Nobody founds a cluster before it has looked for one. */
static bool has_looked(const struct sim *s, const struct sim__voter *v)
{
    const struct sim__node *n = &s->nodes[v->i];
    for (uint32_t j = 0; j < s->count; j++)
        if (j != v->i && n->seen[j].state == GOSSIP_ALIVE) return true;
    return s->now_ms >= n->up_ms + ALL_TRIED_MS;
}

static bool is_told(const struct sim__voter *v, uint64_t block, const struct consensus_seat *seats,
                    size_t count)
{
    return v->seats != NULL && v->block == block && v->seat_count == count &&
           (count == 0 || memcmp(v->seats, seats, count * sizeof *seats) == 0);
}

void sim__votes_chain(struct sim *s, uint32_t i)
{
    struct sim__voter *v = sim__voter(s, i);
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_CHAIN};
    if (v == NULL || v->cluster == NULL || s->nodes[i].reference == NULL) return;
    if (!v->has_looked && !has_looked(s, v)) return;
    v->has_looked = true;
    const struct chain_snapshot *snapshot = sim__block_snapshot(s->nodes[i].reference);
    struct consensus_seat *seats = calloc(snapshot->by_key_count + 1, sizeof *seats);
    assert(seats != NULL);
    size_t count = node_consensus_seats(seats, snapshot);
    if (is_told(v, snapshot->block.number, seats, count)) {
        free(seats);
        return;
    }
    free(v->seats);
    v->seats = seats;
    v->seat_count = count;
    v->block = snapshot->block.number;
    ev.u.chain.block = (struct consensus_block){snapshot->block.number, snapshot->block.hash,
                                                snapshot->block.time_s};
    ev.u.chain.seats = seats;
    ev.u.chain.seat_count = count;
    (void)step(v, &ev);
}

void sim__votes_silence(struct sim *s, uint32_t i, uint64_t ms)
{
    struct sim__voter *v = sim__voter(s, i);
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_ABSTAIN};
    if (v == NULL || v->cluster == NULL || v->abstains == (ms > GRACE_MS)) return;
    v->abstains = ev.u.abstains = ms > GRACE_MS;
    if (v->abstains) sim_votes_resign(s, i); /* others may hear better */
    (void)step(v, &ev);
}

void sim__votes_block(struct sim *s, struct sim__block *block)
{
    struct sim__votes *votes = s->votes;
    if (votes == NULL) return;
    votes->blocks = realloc(votes->blocks, (votes->block_count + 1) * sizeof *votes->blocks);
    assert(votes->blocks != NULL);
    votes->blocks[votes->block_count++] = block;
    sim__block_keep(block);
}

/* ---- people ---- */

void sim_votes_resign(struct sim *s, uint32_t i)
{
    const struct consensus_cluster_event resign = {.type = CONSENSUS_CLUSTER_EV_RESIGN};
    struct sim__voter *v = sim__voter(s, i);
    struct consensus_cluster_view view;
    if (v == NULL || v->cluster == NULL || s->nodes[i].is_paused) return;
    consensus_cluster_view(&view, v->cluster, sim__local_ms(s, &s->nodes[i]));
    if (view.has_epoch && view.engine.leader == view.self) (void)step(v, &resign);
}

void sim_votes_count(struct sim *s, uint32_t i)
{
    struct sim__voter *v = sim__voter(s, i);
    struct sim__votes *votes = s->votes;
    struct consensus_entry entry = {.kind = CONSENSUS_ENTRY_ADD};
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_SUBMIT};
    char name[16];
    if (v == NULL || v->cluster == NULL || s->nodes[i].is_paused) return;
    if (v->asked_count == CONSENSUS_PENDING_MAX || votes->requests == SIM__REQUESTS_MAX) return;
    bool is_again = votes->requests > 0 && sim_random(s, 3) == 0;
    uint32_t request = is_again ? (uint32_t)sim_random(s, votes->requests) : votes->requests++;
    snprintf(name, sizeof name, "r%u", request);
    entry.u.add.key = base_slice_text("n");
    entry.u.add.request = base_slice_text(name);
    entry.u.add.amount = 1;
    ev.u.submit.entry = &entry;
    ev.u.submit.tag = ++votes->tags;
    v->asked[v->asked_count++] = (struct sim__asked){ev.u.submit.tag, request};
    if (step(v, &ev) != BASE_OK) {
        for (size_t k = 0; k < v->asked_count; k++)
            if (v->asked[k].tag == votes->tags) v->asked[k] = v->asked[--v->asked_count];
    }
}

void sim_votes_trap(struct sim *s)
{
    if (s->votes != NULL) s->votes->is_trapped = true;
}

/* ---- life ---- */

void sim__votes_clock(struct sim *s, uint32_t i)
{
    struct sim__voter *v = sim__voter(s, i);
    if (v == NULL || v->cluster == NULL) return;
    v->timer_armed = false;
    v->timer_ms = 0;
    timer_arm(v);
}

void sim__votes_start(struct sim *s, uint32_t i)
{
    struct sim__voter *v = sim__voter(s, i);
    if (v == NULL || v->is_lost) return;
    struct consensus_cluster_config config = {
        .self = s->nodes[i].key,
        .chain_id = SIM__CHAIN_ID,
        .contract = SIM__CONTRACT,
        .gap_s = s->votes->setup.gap_s,
        .found_ms = FOUND_MS,
        .nonce = node_consensus_nonce(s->nodes[i].started_incarnation),
        .is_log_fresh = !v->has_voted,
        .is_log_lost = v->has_loss,
        .lost_block = v->lost_block,
        .host = {v, sign, world_verify, sign_entry, verify_entry}};
    base_sha256_2(&config.settings, SIM__SETTINGS, strlen(SIM__SETTINGS), "", 0);
    node_consensus_params(&config.params, s->votes->setup.window_slots, s->votes->setup.lease_ms,
                          s->votes->setup.skip_ms);
    int rv = consensus_cluster_new(&v->cluster, &config, sim__local_ms(s, &s->nodes[i]));
    assert(rv == BASE_OK);
    v->abstains = v->has_looked = false;
    if (restore(v) != BASE_OK) { /* a member, but no voter */
        consensus_cluster_free(v->cluster);
        v->cluster = NULL;
        v->is_lost = true;
        s->votes->figures.lost++;
        return;
    }
    sim__judge_start(v);
    sim__votes_chain(s, i);
    timer_arm(v);
}

void sim__votes_end(struct sim *s, uint32_t i)
{
    struct sim__voter *v = sim__voter(s, i);
    if (v == NULL || v->cluster == NULL) return;
    disk_cut(v);
    consensus_cluster_free(v->cluster);
    v->cluster = NULL;
    v->timer_armed = false;
    v->asked_count = 0; /* whoever waits asks again */
    free(v->seats);
    v->seats = NULL;
}

void sim_votes(struct sim *s, const struct sim_votes_setup *setup)
{
    assert(s->votes == NULL && s->count <= 64); /* the model's bound */
    s->votes = calloc(1, sizeof *s->votes);
    assert(s->votes != NULL);
    s->votes->setup = *setup;
    s->votes->voters = calloc(s->count, sizeof *s->votes->voters);
    assert(s->votes->voters != NULL);
    for (uint32_t i = 0; i < s->count; i++) {
        s->votes->voters[i].s = s;
        s->votes->voters[i].i = i;
    }
    for (uint32_t b = 0; b < s->chain.tail_count; b++)
        sim__votes_block(s, s->chain.tail[b]);
}

void sim__votes_free(struct sim *s)
{
    if (s->votes == NULL) return;
    for (uint32_t i = 0; i < s->count; i++) {
        struct sim__voter *v = &s->votes->voters[i];
        rows_free(v);
        free(v->rows);
        free(v->ops);
        free(v->fresh);
        free(v->synced);
        world_liar_free(v->liar);
        free(v->facade);
    }
    for (size_t b = 0; b < s->votes->block_count; b++)
        sim__block_release(s->votes->blocks[b]);
    sim__judge_free(s);
    free(s->votes->blocks);
    free(s->votes->voters);
    free(s->votes);
    s->votes = NULL;
}
