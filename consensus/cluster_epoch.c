/* Founding, adopting, and ending an epoch. */
#include "consensus/cluster_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/votelog.h"

#define ASK_AGAIN_MS 500
#define BACKOFF_MAX  6 /* doublings, of gap_s, between proposals that came to nothing */
#define HOPELESS     2 /* so many in a row, of whomever */
#define OWED_SLOTS   5 /* K: final ones that a leader has to end an epoch that is due */

/* ---- what we have seen of the chain ---- */

static bool is_same(const struct cluster_set *set, const struct consensus_seat *seats, size_t count)
{
    if (set->count != count) return false;
    for (size_t i = 0; i < count; i++) {
        const struct consensus_seat *a = &set->seats[i], *b = &seats[i];
        if (!base_key33_equal(&a->key, &b->key) || !base_u256_equal(&a->token, &b->token) ||
            !base_address_equal(&a->signer, &b->signer) || a->weight != b->weight)
            return false;
    }
    return true;
}

static void forget_chain(struct consensus_cluster *c)
{
    while (c->set_count > 0)
        free(c->sets[--c->set_count].seats);
    c->block_count = 0;
}

static int set_push(struct consensus_cluster *c, const struct consensus_cluster_event *ev)
{
    size_t count = ev->u.chain.seat_count;
    struct consensus_seat *seats = calloc(count > 0 ? count : 1, sizeof *seats);
    if (seats == NULL) return BASE_ENOMEM;
    if (count > 0) memcpy(seats, ev->u.chain.seats, count * sizeof *seats);
    if (c->set_count == CLUSTER_SETS) free(c->sets[--c->set_count].seats);
    memmove(&c->sets[1], &c->sets[0], c->set_count * sizeof c->sets[0]);
    c->sets[0] = (struct cluster_set){seats, count, ev->u.chain.block, ev->u.chain.block};
    c->set_count++;
    return BASE_OK;
}

static void block_push(struct consensus_cluster *c, const struct consensus_block *block)
{
    if (c->block_count == CLUSTER_BLOCKS) c->block_count--;
    memmove(&c->blocks[1], &c->blocks[0], c->block_count * sizeof c->blocks[0]);
    c->blocks[0] = *block;
    c->block_count++;
}

bool cluster_is_out(const struct consensus_cluster *c, const struct base_key33 *key)
{
    return c->set_count > 0 && cluster_seat_of(c, key) == NULL;
}

/* Whoever has no seat leads no more. Without one of our own we are out of membership, whose word on
 * others is nothing then. */
static bool is_held_dead(struct consensus_cluster *c, const struct base_key33 *key)
{
    const struct cluster_peer *peer = cluster_peer(c, key);
    if (cluster_is_out(c, key)) return true;
    return peer != NULL && peer->is_dead && !cluster_is_out(c, &c->config.self);
}

void cluster_tell_dead(struct consensus_cluster *c, size_t member)
{
    int rv;
    struct consensus_event ev = {.type = CONSENSUS_EV_DEAD};
    if (c->engine == NULL || c->told_dead == NULL || c->closing.is_on) return;
    if (member >= c->epoch.member_count) return;
    ev.u.dead.voter = member;
    ev.u.dead.is_dead = is_held_dead(c, &c->epoch.members[member].seat.key);
    if (ev.u.dead.is_dead == c->told_dead[member]) return;
    c->told_dead[member] = ev.u.dead.is_dead;
    cluster_engine_step(c, &ev, &rv);
}

static void tell_dead(struct consensus_cluster *c)
{
    for (size_t i = 0; i < c->epoch.member_count; i++)
        cluster_tell_dead(c, i);
}

int cluster_chain(struct consensus_cluster *c, const struct consensus_cluster_event *ev)
{
    const struct consensus_block *block = &ev->u.chain.block;
    struct consensus_event head = {.type = CONSENSUS_EV_HEAD, .u.head = block->number};
    int rv = BASE_OK;
    if (c->block_count > 0) {
        const struct consensus_block *last = &c->blocks[0];
        bool is_other =
            block->number == last->number && !base_hash32_equal(&block->hash, &last->hash);
        if (block->number < last->number || is_other) forget_chain(c); /* it went back */
    }
    if (c->block_count == 0 || block->number > c->blocks[0].number) block_push(c, block);
    bool is_same_set =
        c->set_count > 0 && is_same(&c->sets[0], ev->u.chain.seats, ev->u.chain.seat_count);
    if (is_same_set)
        c->sets[0].last = *block;
    else
        rv = set_push(c, ev);
    if (rv != BASE_OK) return rv;
    if (!is_same_set) tell_dead(c);
    if (c->seat_ms == 0 && cluster_seat_of(c, &c->config.self) != NULL)
        c->seat_ms = c->now_ms > 0 ? c->now_ms : 1;
    cluster_epoch_due(c);
    cluster_here_look(c);
    if (c->engine != NULL) cluster_engine_step(c, &head, &rv);
    return rv;
}

/* ---- records ---- */

static struct consensus_world world_of(const struct consensus_cluster *c,
                                       const struct cluster_set *set,
                                       const struct consensus_block *block,
                                       const struct consensus_state *state)
{
    return (struct consensus_world){.settings = c->config.settings,
                                    .chain_id = c->config.chain_id,
                                    .contract = c->config.contract,
                                    .block = *block,
                                    .seats = set->seats,
                                    .seat_count = set->count,
                                    .standing = state != NULL ? consensus_state_standing : NULL,
                                    .ctx = state};
}

void cluster_epoch_due(struct consensus_cluster *c)
{
    c->is_due = false;
    if (!c->has_epoch || c->state == NULL || c->set_count == 0 || c->closing.is_on) return;
    struct consensus_world w = world_of(c, &c->sets[0], &c->blocks[0], c->state);
    c->is_due = consensus_epoch_is_due(&c->epoch, &w);
}

/* The state with which the next epoch begins. */
static int state_then(const struct consensus_state *state, uint64_t epoch,
                      struct base_hash32 *digest)
{
    struct consensus_state *copy;
    int rv = consensus_state_copy(&copy, state);
    if (rv != BASE_OK) return rv;
    consensus_state_turn(copy, epoch);
    rv = consensus_state_digest(copy, digest);
    consensus_state_free(copy);
    return rv;
}

static int record_with(struct consensus_cluster *c, struct consensus_epoch *out,
                       const struct cluster_set *set, const struct consensus_block *block,
                       uint64_t closing_slot, const struct consensus_state *state)
{
    struct consensus_world w = world_of(c, set, block, state);
    if (!consensus_epoch_is_due(&c->epoch, &w)) return BASE_EINVAL;
    int rv = state_then(state, c->epoch.number + 1, &w.state);
    return rv == BASE_OK ? consensus_epoch_next(out, &c->epoch, closing_slot,
                                                c->config.params.window_slots, &w)
                         : rv;
}

/* A block that we have seen is as we saw it; one between two that we have seen is not known better
 * than that it lies between them. */
static bool is_block_plausible(const struct consensus_cluster *c, const struct consensus_block *b)
{
    uint64_t after_s = 0, before_s = UINT64_MAX;
    for (size_t i = 0; i < c->block_count; i++) {
        const struct consensus_block *seen = &c->blocks[i];
        if (seen->number == b->number)
            return seen->time_s == b->time_s && base_hash32_equal(&seen->hash, &b->hash);
        if (seen->number > b->number && seen->time_s < before_s) before_s = seen->time_s;
        if (seen->number < b->number && seen->time_s > after_s) after_s = seen->time_s;
    }
    return b->time_s >= after_s && b->time_s <= before_s;
}

static bool is_late_enough(const struct consensus_cluster *c, const struct consensus_block *b)
{
    return b->number > c->epoch.block.number &&
           b->time_s >= c->epoch.block.time_s + c->config.gap_s;
}

/* Can this set have been the one at the block? It was seen on both sides of it, or next to it. */
static bool may_be_at(const struct consensus_cluster *c, size_t set, uint64_t block)
{
    if (block > c->sets[set].last.number) return set > 0 && block < c->sets[set - 1].first.number;
    return block >= c->sets[set].first.number || set + 1 == c->set_count ||
           block > c->sets[set + 1].last.number;
}

/* ---- records that may come to be ---- */

static const struct cluster_next *next_find(const struct consensus_cluster *c,
                                            const struct base_hash32 *digest)
{
    for (size_t i = 0; i < c->next_count; i++)
        if (base_hash32_equal(&c->nexts[i].digest, digest)) return &c->nexts[i];
    return NULL;
}

/* Takes next. */
static void next_push(struct consensus_cluster *c, struct consensus_epoch *next,
                      const struct base_hash32 *digest)
{
    if (c->next_count == CLUSTER_NEXTS) consensus_epoch_free(&c->nexts[--c->next_count].record);
    memmove(&c->nexts[1], &c->nexts[0], c->next_count * sizeof c->nexts[0]);
    c->nexts[0] = (struct cluster_next){*digest, *next};
    c->next_count++;
    *next = (struct consensus_epoch){0};
}

int cluster_next_keep(struct consensus_cluster *c, struct consensus_epoch *next,
                      const struct base_hash32 *digest)
{
    size_t len;
    int rv = BASE_OK;
    if (next_find(c, digest) == NULL) {
        rv = consensus_votelog_next_encode(c->scratch, &len, CONSENSUS_LOG_BYTES_MAX, next);
        if (rv == BASE_OK) {
            (void)cluster_store(c, CONSENSUS_STORE_NEXT, next->closing_slot, next->closing_slot,
                                c->scratch, len);
            next_push(c, next, digest);
        }
    }
    consensus_epoch_free(next);
    if (rv == BASE_ENOMEM) c->is_broken = true;
    return rv;
}

void cluster_next_forget(struct consensus_cluster *c)
{
    while (c->next_count > 0)
        consensus_epoch_free(&c->nexts[--c->next_count].record);
}

static struct consensus_block block_of(const struct consensus_payload *p)
{
    return (struct consensus_block){p->block, p->block_hash, p->block_time_s};
}

static int compute(struct consensus_cluster *c, struct consensus_epoch *out, uint64_t closing_slot,
                   const struct consensus_payload *p, const struct consensus_state *state)
{
    const struct consensus_block block = block_of(p);
    struct base_hash32 digest;
    if (c->set_count == 0 || block.number > c->blocks[0].number) return BASE_ENOTFOUND;
    if (!is_late_enough(c, &block) || !is_block_plausible(c, &block)) return BASE_EINVAL;
    for (size_t i = 0; i < c->set_count; i++) {
        if (!may_be_at(c, i, block.number)) continue;
        int rv = record_with(c, out, &c->sets[i], &block, closing_slot, state);
        if (rv == BASE_EINVAL) continue;
        if (rv == BASE_OK) rv = consensus_epoch_digest(&digest, out);
        if (rv == BASE_OK && base_hash32_equal(&digest, &p->next)) return BASE_OK;
        consensus_epoch_free(out);
        if (rv != BASE_OK) return rv;
    }
    return BASE_EINVAL;
}

/* What we found before counts as long as it may: the sets of its block were in memory only. When a
 * quorum has ended the epoch with it no other view of the chain matters any more. */
int cluster_epoch_compute(struct consensus_cluster *c, struct consensus_epoch *out,
                          uint64_t closing_slot, const struct consensus_payload *p,
                          const struct consensus_state *state)
{
    const struct consensus_block block = block_of(p);
    const struct cluster_next *next = next_find(c, &p->next);
    int rv = compute(c, out, closing_slot, p, state);
    if (rv == BASE_OK || rv == BASE_ENOMEM || next == NULL) return rv;
    if (!c->closing.is_on && !is_block_plausible(c, &block)) return rv;
    return consensus_epoch_copy(out, &next->record);
}

bool cluster_may_end(const struct consensus_cluster *c)
{
    bool is_hopeless = c->owed.closings >= HOPELESS && c->now_ms < c->owed.from_ms;
    return c->is_due && c->now_ms >= c->try_ms && !is_hopeless;
}

/* The newest of ours that a quorum has reached, so that it can judge it. */
static const struct consensus_block *block_to_propose(const struct consensus_cluster *c)
{
    uint64_t head = consensus_engine_quorum_head(c->engine);
    for (size_t i = 0; i < c->block_count; i++)
        if (c->blocks[i].number <= head)
            return is_late_enough(c, &c->blocks[i]) ? &c->blocks[i] : NULL;
    return NULL;
}

/* And the seats as of it, unless those who have them are yet to come: seats are registered before
 * their nodes are started, and this epoch goes on meanwhile. */
static const struct cluster_set *set_to_propose(const struct consensus_cluster *c,
                                                const struct consensus_block **block)
{
    if (c->awaits.is_on) return NULL;
    *block = block_to_propose(c);
    for (size_t i = 0; *block != NULL && i < c->set_count; i++) {
        const struct cluster_set *set = &c->sets[i];
        if ((*block)->number >= set->first.number && (*block)->number <= set->last.number)
            return cluster_here_awaits(c, set, *block) ? NULL : set;
    }
    return NULL;
}

/* payload NULL: only whether there is one. */
bool cluster_epoch_propose(struct consensus_cluster *c, uint64_t slot,
                           struct consensus_payload *payload)
{
    const struct consensus_block *block;
    const struct cluster_set *set = set_to_propose(c, &block);
    struct consensus_epoch next;
    if (set == NULL) return false;
    struct consensus_world w = world_of(c, set, block, c->state);
    if (!consensus_epoch_is_due(&c->epoch, &w)) return false;
    if (payload == NULL) return true;
    int rv = record_with(c, &next, set, block, slot, c->state);
    if (rv == BASE_OK) {
        rv = consensus_epoch_digest(&payload->next, &next);
        consensus_epoch_free(&next);
    }
    if (rv == BASE_ETOOBIG) cluster_note(c, CONSENSUS_NOTE_TOO_MANY, NULL);
    if (rv != BASE_OK) { /* the log goes on meanwhile */
        c->try_ms = c->now_ms + c->config.gap_s * 1000;
        return false;
    }
    payload->is_closing = true;
    payload->block = block->number;
    payload->block_hash = block->hash;
    payload->block_time_s = block->time_s;
    /* One that is not voted for costs a window: the longer, the rarer. */
    c->tries = c->tries < BACKOFF_MAX ? c->tries + 1 : BACKOFF_MAX;
    c->try_ms = c->now_ms + (c->config.gap_s * 1000 << (c->tries - 1)) + ASK_AGAIN_MS;
    return true;
}

/* ---- a leader that does not propose ---- */

/* By what a quorum has read, and not by us alone: a leader whose endpoints are slow owes nothing.
 */
static bool is_owed(struct consensus_cluster *c)
{
    struct consensus_epoch next;
    struct base_hash32 digest;
    if (!c->is_due || c->now_ms < c->owed.from_ms) return false;
    const struct consensus_block *block;
    const struct cluster_set *set = set_to_propose(c, &block);
    if (set == NULL || record_with(c, &next, set, block, 0, c->state) != BASE_OK) return false;
    bool is_record = consensus_epoch_digest(&digest, &next) == BASE_OK; /* it may be too large */
    consensus_epoch_free(&next);
    return is_record;
}

void cluster_owed_count(struct consensus_cluster *c, uint64_t slot)
{
    uint64_t window = slot / c->config.params.window_slots;
    struct cluster_owed *owed = &c->owed;
    if (owed->slots == 0 || owed->window != window) {
        owed->window = window;
        owed->slots = 0;
        owed->since_ms = c->now_ms;
    }
    owed->slots = is_owed(c) ? owed->slots + 1 : 0;
}

/* If that came to nothing the next one is demanded the later the more there have been, and
 * proposed: each costs its leader the window, and the log is not to stand still for what a third
 * cannot see. By whom we agree with alone, so that a liar delays nothing; and a leader may have
 * died of it. */
void cluster_owed_seen(struct consensus_cluster *c, uint64_t slot)
{
    struct cluster_owed *owed = &c->owed;
    if (owed->closings > 0 && owed->closing_slot == slot) return;
    owed->closing_slot = slot;
    owed->slots = 0;
    owed->from_ms = c->now_ms + (c->config.gap_s * 1000 << owed->closings) + ASK_AGAIN_MS;
    if (owed->closings < BACKOFF_MAX) owed->closings++;
}

/* Under load slots are short, and what a quorum has read is told once in slot_ms: so much time as
 * these slots take when there is nothing to do. */
void cluster_owed_tell(struct consensus_cluster *c)
{
    int rv;
    struct consensus_event ev = {.type = CONSENSUS_EV_OVERDUE};
    struct cluster_owed *owed = &c->owed;
    uint64_t until_ms = owed->since_ms + (uint64_t)OWED_SLOTS * c->config.params.slot_ms;
    if (c->closing.is_on || owed->slots <= OWED_SLOTS || c->now_ms < until_ms) return;
    owed->slots = 0; /* the next leader has as many */
    ev.u.overdue = owed->window;
    cluster_engine_step(c, &ev, &rv);
}

/* ---- an epoch begins ---- */

/* All leases of the former one have ended then, and nobody else's can have begun (L3). */
static uint64_t lease_wait_ms(const struct consensus_cluster *c)
{
    const struct consensus_params *p = &c->config.params;
    return (uint64_t)p->lease_ms * (1000 + 2 * p->drift_permille) / 1000;
}

static bool may_vote(const struct consensus_cluster *c)
{
    return !c->is_mute && !cluster_is_lost(c);
}

int cluster_engine_start(struct consensus_cluster *c, bool is_restart)
{
    struct consensus_lead *leads = NULL;
    int rv;
    free(c->voter_list);
    c->voter_list = NULL;
    free(c->told_dead);
    c->told_dead = calloc(c->epoch.member_count, sizeof *c->told_dead);
    if (c->told_dead == NULL) return BASE_ENOMEM;
    rv = consensus_epoch_voters(&c->epoch, &c->voter_list, &leads);
    if (rv == BASE_OK) rv = consensus_voters_init(&c->voters, c->voter_list, c->epoch.member_count);
    if (rv != BASE_OK) return rv;
    c->self = consensus_epoch_find(&c->epoch, &c->config.self);
    const struct cluster_point *last =
        c->history_count == 0
            ? NULL
            : &c->history[(c->history_first + c->history_count - 1) % CLUSTER_HISTORY];
    struct consensus_config config = {
        .params = c->config.params,
        .epoch = c->epoch.number,
        .epoch_id = c->epoch_id,
        .genesis = c->epoch_id,
        .voters = c->voter_list,
        .leads = leads,
        .voter_count = c->epoch.member_count,
        .self = may_vote(c) ? c->self : c->epoch.member_count,
        .first_leader = consensus_epoch_find(&c->epoch, &c->epoch.first),
        .lease_from_ms = c->lease_from_ms,
        .is_restart = is_restart,
        .needs_state = c->state == NULL,
        .is_listening = c->config.is_log_fresh,
        .final_slot = last != NULL ? last->slot : CONSENSUS_NO_SLOT,
        .host = cluster_engine_host,
    };
    if (last != NULL) config.final_hash = last->hash;
    config.host.ctx = c;
    consensus_engine_free(c->engine);
    c->engine = NULL;
    rv = consensus_engine_new(&c->engine, &config, c->now_ms);
    free(leads);
    c->run++;
    c->has_entries = false;
    return rv;
}

static void begin_told(struct consensus_cluster *c)
{
    int rv = BASE_OK;
    struct consensus_event head = {.type = CONSENSUS_EV_HEAD};
    struct consensus_event abstain = {.type = CONSENSUS_EV_ABSTAIN};
    abstain.u.abstains = c->abstains;
    cluster_engine_step(c, &abstain, &rv);
    if (c->block_count > 0) {
        head.u.head = c->blocks[0].number;
        cluster_engine_step(c, &head, &rv);
    }
    tell_dead(c);
    cluster_votes_begin(c);
    cluster_epoch_due(c);
}

static void store_state(struct consensus_cluster *c)
{
    struct base_slice bytes;
    if (consensus_state_encode(c->state, &bytes) != BASE_OK) {
        c->is_broken = true;
        return;
    }
    uint8_t *body = calloc(1, BASE_HASH32_BYTES + bytes.len);
    if (body == NULL) {
        c->is_broken = true;
        return;
    }
    memcpy(body + BASE_HASH32_BYTES, bytes.data, bytes.len);
    (void)cluster_store(c, CONSENSUS_STORE_STATE, 0, 0, body, BASE_HASH32_BYTES + bytes.len);
    free(body);
}

/* What the log has come to must be what the record says it has. */
static void take_state(struct consensus_cluster *c, const struct consensus_epoch *next)
{
    struct base_hash32 digest;
    if (c->state == NULL) return;
    consensus_state_turn(c->state, next->number);
    if (consensus_state_digest(c->state, &digest) == BASE_OK &&
        base_hash32_equal(&digest, &next->state))
        return;
    cluster_note(c, CONSENSUS_NOTE_STATE_DIFFERS, NULL);
    consensus_state_free(c->state);
    c->state = NULL;
}

/* Takes next. Its proof is the newest. */
static void begin(struct consensus_cluster *c, struct consensus_epoch *next,
                  const struct base_hash32 *id, bool is_ours)
{
    const struct cluster_proof *proof = cluster_proof_of(c, next->number);
    take_state(c, next);
    consensus_epoch_free(&c->epoch);
    c->epoch = *next;
    *next = (struct consensus_epoch){0};
    c->epoch_id = *id;
    c->has_epoch = true;
    c->has_finalised = false;
    c->epochs_seen++;
    c->closing = (struct cluster_closing){0};
    cluster_next_forget(c);
    c->is_next_unproved = false;
    c->owed = (struct cluster_owed){0};
    c->awaits = (struct cluster_awaits){0};
    c->offer = (struct cluster_offer){0};
    c->is_unvouched = false;
    c->tries = 0;
    c->try_ms = 0;
    c->is_told = false;
    c->history_count = 0;
    if (!is_ours) c->lease_from_ms = c->now_ms + lease_wait_ms(c);
    if (cluster_engine_start(c, false) != BASE_OK) {
        c->is_broken = true;
        return;
    }
    cluster_log_epoch(c);
    if (proof != NULL) (void)cluster_store(c, CONSENSUS_STORE_EPOCH, 0, 0, proof->body, proof->len);
    cluster_note(c, CONSENSUS_NOTE_EPOCH, NULL);
    if (c->state != NULL) {
        store_state(c);
        cluster_point_add(c, CONSENSUS_NO_SLOT, &c->epoch_id);
        cluster_shot_pin(c, &c->epoch.state);
        cluster_fetch_stop(c);
    } else {
        cluster_fetch(c, CONSENSUS_NO_SLOT, &c->epoch_id, &c->epoch.state);
    }
    begin_told(c);
}

/* ---- it ends ---- */

static bool we_proposed(struct consensus_cluster *c, uint64_t slot)
{
    return consensus_engine_leader(c->engine, slot / c->config.params.window_slots) == c->self;
}

void cluster_epoch_close(struct consensus_cluster *c)
{
    struct consensus_epoch next;
    struct base_hash32 id;
    const struct cluster_closing *closing = &c->closing;
    int rv = cluster_epoch_compute(c, &next, closing->slot, &closing->payload, c->state);
    if (rv == BASE_ENOMEM) c->is_broken = true;
    if (rv != BASE_OK) { /* a quorum has it, and it is in what they can show */
        cluster_ask_epoch(c, NULL, c->epoch.number + 1);
        return;
    }
    next.closing_hash = closing->hash;
    rv = consensus_epoch_id(&id, &next);
    if (rv == BASE_OK) {
        cluster_proof_make(c, &next, &id);
        begin(c, &next, &id, we_proposed(c, closing->slot));
    }
    consensus_epoch_free(&next);
    if (rv != BASE_OK) c->is_broken = true;
}

/* ---- founding ---- */

/* How many of those who are here come before us. */
static uint64_t rank(const struct consensus_cluster *c, const struct consensus_seat *own)
{
    uint64_t before = 0;
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct consensus_seat *seat = cluster_seat_of(c, &c->peers[i].key);
        if (c->peers[i].is_up && seat != NULL && base_u256_compare(&seat->token, &own->token) < 0)
            before++;
    }
    return before;
}

static bool knows_an_epoch(const struct consensus_cluster *c)
{
    for (size_t i = 0; i < c->peer_count; i++)
        if (c->peers[i].is_up && c->peers[i].has_epoch) return true;
    return false;
}

static uint64_t found_due_ms(const struct consensus_cluster *c)
{
    const struct consensus_seat *own = cluster_seat_of(c, &c->config.self);
    if (c->has_epoch || own == NULL || knows_an_epoch(c)) return UINT64_MAX;
    /* In an epoch of this block we would not vote ourselves. */
    if (c->config.is_log_lost && c->blocks[0].number <= c->config.lost_block) return UINT64_MAX;
    return c->seat_ms + c->config.found_ms * (1 + rank(c, own));
}

static void found(struct consensus_cluster *c)
{
    struct consensus_epoch first;
    struct consensus_state *state = NULL;
    struct base_hash32 id;
    struct consensus_world w = world_of(c, &c->sets[0], &c->blocks[0], NULL);
    int rv = consensus_state_new(&state);
    if (rv == BASE_OK) rv = consensus_state_digest(state, &w.state);
    if (rv == BASE_OK) rv = consensus_epoch_found(&first, &w);
    if (rv == BASE_OK) {
        rv = consensus_epoch_id(&id, &first);
        if (rv == BASE_OK) {
            consensus_state_free(c->state);
            c->state = state;
            state = NULL;
            cluster_note(c, CONSENSUS_NOTE_FOUNDED, NULL);
            cluster_proof_make(c, &first, &id);
            begin(c, &first, &id, true);
        }
        consensus_epoch_free(&first);
    }
    consensus_state_free(state);
    if (rv == BASE_ETOOBIG) cluster_note(c, CONSENSUS_NOTE_TOO_MANY, NULL);
    if (rv == BASE_ENOMEM) c->is_broken = true;
    c->seat_ms = c->now_ms; /* not again at once, when it could not be */
}

/* ---- adopting what others have ---- */

/* The first epoch is what its block makes of it, whoever says so. */
static bool is_first_good(struct consensus_cluster *c, const struct consensus_epoch *record,
                          const struct base_hash32 *id)
{
    struct consensus_state *empty = NULL;
    bool is_good = false;
    if (c->set_count == 0 || record->block.number > c->blocks[0].number ||
        !is_block_plausible(c, &record->block))
        return false;
    for (size_t i = 0; i < c->set_count && !is_good; i++) {
        struct consensus_epoch ours;
        struct base_hash32 our_id;
        struct consensus_world w = world_of(c, &c->sets[i], &record->block, NULL);
        if (!may_be_at(c, i, record->block.number)) continue;
        if (consensus_state_new(&empty) != BASE_OK) return false;
        int rv = consensus_state_digest(empty, &w.state);
        if (rv == BASE_OK) rv = consensus_epoch_found(&ours, &w);
        if (rv == BASE_OK) {
            rv = consensus_epoch_id(&our_id, &ours);
            is_good = rv == BASE_OK && base_hash32_equal(&our_id, id);
            consensus_epoch_free(&ours);
        }
        consensus_state_free(empty);
    }
    return is_good;
}

/* The seats that we have seen at its block, or next to it, if it lists just these. */
static const struct cluster_set *set_as_seen(const struct consensus_cluster *c,
                                             const struct consensus_epoch *record)
{
    if (record->block.number > c->blocks[0].number || !is_block_plausible(c, &record->block))
        return NULL;
    for (size_t i = 0; i < c->set_count; i++) {
        struct consensus_world w = world_of(c, &c->sets[i], &record->block, NULL);
        if (may_be_at(c, i, record->block.number) && consensus_epoch_has_seats(record, &w))
            return &c->sets[i];
    }
    return NULL;
}

/* Who comes late has no former epoch to judge by: most of those whom the record lists have a seat
 * now, and most who have one are listed, or were at its block. Keys that were sold cannot show it a
 * set of their own. */
static bool is_plausible(const struct consensus_cluster *c, const struct consensus_epoch *record)
{
    struct consensus_voter *voters;
    struct consensus_lead *leads;
    uint64_t listed = 0, seated = 0, in_record = 0, in_seats = 0;
    if (consensus_epoch_voters(record, &voters, &leads) != BASE_OK) return false;
    for (size_t i = 0; i < record->member_count; i++) {
        const struct consensus_seat *seat = cluster_seat_of(c, &record->members[i].seat.key);
        const struct consensus_seat *said = &record->members[i].seat;
        bool is_in = seat != NULL && base_u256_equal(&seat->token, &said->token) &&
                     base_address_equal(&seat->signer, &said->signer);
        listed += voters[i].weight;
        if (is_in) in_record += voters[i].weight;
        if (is_in) in_seats += seat->weight;
    }
    for (size_t i = 0; i < c->sets[0].count; i++)
        seated += c->sets[0].seats[i].weight;
    free(voters);
    free(leads);
    return in_record >= consensus_quorum(listed) &&
           (in_seats >= consensus_quorum(seated) || set_as_seen(c, record) != NULL);
}

static bool is_ours(const struct consensus_cluster *c, const struct consensus_epoch *record)
{
    return base_hash32_equal(&record->settings, &c->config.settings) &&
           record->chain_id == c->config.chain_id &&
           base_address_equal(&record->contract, &c->config.contract);
}

static bool is_earlier(const struct consensus_epoch *a, const struct base_hash32 *a_id,
                       const struct consensus_epoch *b, const struct base_hash32 *b_id)
{
    if (a->block.number != b->block.number) return a->block.number < b->block.number;
    return memcmp(a_id, b_id, sizeof *a_id) < 0;
}

/* Two may have founded: the earlier one counts, for everybody who has finalised nothing in the
 * other. Whoever has goes on there: a quorum may. One that nobody vouched for is left for any that
 * has enough voices, in the same way. */
static bool may_change(const struct consensus_cluster *c, const struct consensus_epoch *record,
                       const struct base_hash32 *id, bool is_attested)
{
    if (!c->has_epoch || record->number > c->epoch.number) return true;
    if (c->has_finalised) return false;
    if (c->is_unvouched && is_attested) return true;
    return record->number == 0 && c->epoch.number == 0 &&
           is_earlier(record, id, &c->epoch, &c->epoch_id);
}

static bool is_adoptable(struct consensus_cluster *c, const struct consensus_epoch *record,
                         const struct base_hash32 *id, bool *is_vouched)
{
    *is_vouched = true;
    if (c->set_count == 0 || !is_ours(c, record)) return false;
    bool is_attested = cluster_here_attested(c, id);
    if (!may_change(c, record, id, is_attested)) return false;
    if (record->number == 0 && is_first_good(c, record, id)) return true;
    if (!is_plausible(c, record)) return false;
    if (is_attested) return true;
    const struct cluster_set *set = set_as_seen(c, record);
    *is_vouched = false;
    return set != NULL && cluster_here_unopposed(c, record, id, set);
}

static void adopt(struct consensus_cluster *c, struct consensus_epoch *record,
                  const struct base_hash32 *id, const struct base_slice *body, bool is_vouched)
{
    struct base_hash32 digest;
    struct consensus_state *empty = NULL;
    consensus_state_free(c->state);
    c->state = NULL;
    /* The first begins with nothing, which nobody need be asked for. */
    if (consensus_state_new(&empty) == BASE_OK &&
        consensus_state_digest(empty, &digest) == BASE_OK &&
        base_hash32_equal(&digest, &record->state)) {
        c->state = empty;
        empty = NULL;
    }
    consensus_state_free(empty);
    cluster_proof_add(c, record->number, id, body->data, body->len);
    begin(c, record, id, false);
    c->is_unvouched = !is_vouched;
}

int cluster_epoch_offered(struct consensus_cluster *c, const struct base_key33 *from,
                          const struct base_slice *body)
{
    struct consensus_epoch record;
    struct base_hash32 id;
    int rv = cluster_proof_record(body, &id, &record);
    if (rv != BASE_OK) return rv;
    struct cluster_peer *peer = cluster_peer(c, from);
    if (peer != NULL && (!peer->has_epoch || record.number >= peer->epoch)) {
        peer->has_epoch = true;
        peer->epoch = record.number;
        peer->epoch_id = id;
    }
    bool is_vouched, is_next = c->has_epoch && record.number == c->epoch.number + 1 &&
                               base_hash32_equal(&record.previous, &c->epoch_id);
    if (c->has_epoch && base_hash32_equal(&id, &c->epoch_id)) {
        /* known */
    } else if (is_next && cluster_proof_holds(c, body, &record)) {
        bool is_behind = !c->closing.is_on || c->closing.slot != record.closing_slot;
        if (is_behind) { /* what the log came to then is not known here */
            consensus_state_free(c->state);
            c->state = NULL;
        }
        cluster_proof_add(c, record.number, &id, body->data, body->len);
        begin(c, &record, &id, false);
    } else if (is_adoptable(c, &record, &id, &is_vouched)) {
        adopt(c, &record, &id, body, is_vouched);
    } else if (is_next) {
        c->is_next_unproved = true;
    } else if (c->has_epoch && record.number == c->epoch.number) {
        cluster_note(c, CONSENSUS_NOTE_OTHER_CLUSTER, from);
    }
    consensus_epoch_free(&record);
    return BASE_OK;
}

/* ---- time ---- */

void cluster_epoch_timer(struct consensus_cluster *c)
{
    if (c->now_ms >= found_due_ms(c)) found(c);
    if (c->closing.is_on && c->now_ms >= c->closing.ask_ms) {
        c->closing.ask_ms = c->now_ms + ASK_AGAIN_MS;
        cluster_epoch_close(c);
    }
}

uint64_t cluster_epoch_deadline_ms(const struct consensus_cluster *c)
{
    uint64_t due = found_due_ms(c);
    if (c->closing.is_on && c->closing.ask_ms < due) due = c->closing.ask_ms;
    if (c->is_due && c->try_ms > c->now_ms && c->try_ms < due) due = c->try_ms;
    return due;
}

/* ---- after a restart ---- */

int cluster_epoch_restore(struct consensus_cluster *c, const struct base_slice *body)
{
    struct consensus_epoch record;
    struct base_hash32 id;
    int rv = cluster_proof_record(body, &id, &record);
    if (rv != BASE_OK) return rv;
    if (!is_ours(c, &record)) {
        consensus_epoch_free(&record);
        return BASE_EINVAL;
    }
    consensus_epoch_free(&c->epoch);
    c->epoch = record;
    c->epoch_id = id;
    c->has_epoch = c->is_restored = true;
    c->has_finalised = false;
    c->lease_from_ms = c->now_ms + lease_wait_ms(c);
    cluster_proof_add(c, record.number, &id, body->data, body->len);
    return BASE_OK;
}

/* Two may have founded: one that would have followed the other founding is of no use. */
int cluster_next_restore(struct consensus_cluster *c, const struct base_slice *body)
{
    struct consensus_epoch next;
    struct base_hash32 digest;
    int rv = consensus_votelog_next_decode(&next, body->data, body->len);
    if (rv != BASE_OK) return rv;
    if (!is_ours(c, &next) || next.number != c->epoch.number + 1) rv = BASE_EINVAL;
    if (rv == BASE_OK) rv = consensus_epoch_digest(&digest, &next);
    if (rv == BASE_OK && base_hash32_equal(&next.previous, &c->epoch_id))
        next_push(c, &next, &digest);
    consensus_epoch_free(&next);
    return rv;
}
