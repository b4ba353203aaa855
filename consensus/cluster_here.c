/* Who is here: of an epoch that may come next, and of one that is offered to us. */
#include "consensus/cluster_internal.h"

#include <stdlib.h>

#include "base/err.h"
#include "consensus/weight.h"

#define AWAITS_MS 60000

const struct consensus_seat *cluster_seat_of(const struct consensus_cluster *c,
                                             const struct base_key33 *key)
{
    return c->set_count == 0 ? NULL : cluster_set_find(&c->sets[0], key);
}

const struct consensus_seat *cluster_set_find(const struct cluster_set *set,
                                              const struct base_key33 *key)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = base_key33_compare(&set->seats[middle].key, key);
        if (order == 0) return set->seats[middle].weight > 0 ? &set->seats[middle] : NULL;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* What each of them weighs in an epoch, by its place; state NULL: nobody is suspended. NULL: no
 * memory. */
static uint64_t *weigh(const struct cluster_set *set, const struct consensus_state *state,
                       uint64_t now_s, uint64_t *total)
{
    uint64_t cap = CONSENSUS_WEIGHT_MAX, *weights = calloc(set->count + 1, sizeof *weights);
    *total = 0;
    if (weights == NULL) return NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct consensus_seat *seat = &set->seats[i];
        bool is_suspended = state != NULL && consensus_state_standing(state, &seat->key, now_s) ==
                                                 CONSENSUS_SUSPENDED;
        weights[i] = is_suspended ? 0 : seat->weight;
        if (weights[i] > CONSENSUS_WEIGHT_MAX) weights[i] = CONSENSUS_WEIGHT_MAX;
    }
    if (set->count <= CONSENSUS_MEMBERS_MAX) cap = consensus_weight_cap(weights, set->count);
    for (size_t i = 0; i < set->count; i++) {
        if (weights[i] > cap) weights[i] = cap;
        *total += weights[i];
    }
    return weights;
}

static uint64_t weight_of(const struct cluster_set *set, const uint64_t *weights,
                          const struct base_key33 *key)
{
    const struct consensus_seat *seat = cluster_set_find(set, key);
    return seat == NULL ? 0 : weights[seat - set->seats];
}

/* ---- may an epoch end with these seats? ---- */

/* Who is in this epoch, or follows it, moves on by the proof of its end. Who knows none must
 * believe the next record, and has seen the seats of its block. */
static bool is_here(const struct consensus_cluster *c, const struct cluster_peer *peer,
                    uint64_t block)
{
    if (!peer->is_up || peer->is_dead) return false;
    if (consensus_epoch_find(&c->epoch, &peer->key) < c->epoch.member_count) return true;
    if (!peer->has_seen) return false;
    return base_is_zero(peer->follows.bytes, sizeof peer->follows)
               ? block >= peer->seen_block
               : base_hash32_equal(&peer->follows, &c->epoch_id);
}

bool consensus_cluster_is_here(struct consensus_cluster *c, const struct base_key33 *key)
{
    const struct cluster_peer *peer = cluster_peer(c, key);
    if (base_key33_equal(key, &c->config.self)) return true;
    return peer != NULL && c->block_count > 0 && is_here(c, peer, c->blocks[0].number);
}

/* As many as a record holds; whoever is too many is told so in another way. */
static bool is_manned(const struct consensus_cluster *c, const struct cluster_set *set,
                      const struct consensus_block *block)
{
    uint64_t total, *weights = weigh(set, c->state, block->time_s, &total);
    if (weights == NULL) return true;
    uint64_t here = weight_of(set, weights, &c->config.self);
    for (size_t i = 0; i < c->peer_count; i++)
        if (is_here(c, &c->peers[i], block->number))
            here += weight_of(set, weights, &c->peers[i].key);
    free(weights);
    return here >= consensus_quorum(total) || set->count > CONSENSUS_MEMBERS_MAX;
}

/* Who has sold its seat votes as long as its node runs, and is not to be relied on. Who is away
 * comes back. */
static bool can_stay(const struct consensus_cluster *c)
{
    uint64_t seated = 0;
    for (size_t i = 0; i < c->epoch.member_count; i++)
        if (cluster_seat_of(c, &c->epoch.members[i].seat.key) != NULL)
            seated += c->voters.list[i].weight;
    return seated >= c->voters.quorum;
}

bool cluster_here_awaits(const struct consensus_cluster *c, const struct cluster_set *set,
                         const struct consensus_block *block)
{
    return can_stay(c) && !is_manned(c, set, block);
}

/* Whoever registers and comes at once is not waited for long enough to speak of it. */
void cluster_here_look(struct consensus_cluster *c)
{
    struct cluster_awaits *awaits = &c->awaits;
    if (!c->is_due || !cluster_here_awaits(c, &c->sets[0], &c->blocks[0])) {
        *awaits = (struct cluster_awaits){0};
        return;
    }
    if (!awaits->is_on) awaits->since_ms = c->now_ms;
    awaits->is_on = true;
    if (awaits->is_told || c->now_ms < awaits->since_ms + AWAITS_MS) return;
    awaits->is_told = true;
    cluster_note(c, CONSENSUS_NOTE_AWAITS, NULL);
}

/* ---- who speaks for an epoch that is offered? ---- */

/* With fewer than four one voice is enough: so few bear no lie. */
bool cluster_here_attested(const struct consensus_cluster *c, const struct base_hash32 *id)
{
    const struct cluster_set *set = &c->sets[0];
    uint64_t total, weight = 0, *weights = weigh(set, c->state, c->blocks[0].time_s, &total);
    size_t members = 0, voices = 0;
    if (weights == NULL) return false;
    for (size_t i = 0; i < set->count; i++)
        if (set->seats[i].weight > 0) members++;
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cluster_peer *peer = &c->peers[i];
        if (!peer->has_epoch || !base_hash32_equal(&peer->epoch_id, id)) continue;
        weight += weight_of(set, weights, &peer->key);
        if (cluster_set_find(set, &peer->key) != NULL) voices++;
    }
    free(weights);
    return 3 * weight > total || (members < CONSENSUS_MEMBERS_SAFE && voices > 0);
}

/* Nobody honest lets proved faults be a third. */
static bool has_suspended_few(const struct consensus_epoch *record, uint64_t total)
{
    struct consensus_voter *voters;
    struct consensus_lead *leads;
    uint64_t standing = 0;
    if (consensus_epoch_voters(record, &voters, &leads) != BASE_OK) return false;
    for (size_t i = 0; i < record->member_count; i++)
        standing += voters[i].weight;
    free(voters);
    free(leads);
    return standing >= consensus_quorum(total);
}

struct voices { /* weights by the newest seats, and by those of the record */
    uint64_t in_it, in_others, here, total;
};

static bool hear(const struct consensus_cluster *c, const struct cluster_set *set,
                 const struct base_hash32 *id, struct voices *out)
{
    const struct cluster_set *now = &c->sets[0];
    uint64_t ignored, *listed = weigh(set, NULL, 0, &out->total),
                      *seated = weigh(now, NULL, 0, &ignored);
    if (listed != NULL) out->here = weight_of(set, listed, &c->config.self);
    for (size_t i = 0; i < c->peer_count && listed != NULL && seated != NULL; i++) {
        const struct cluster_peer *peer = &c->peers[i];
        bool is_in = peer->has_epoch && base_hash32_equal(&peer->epoch_id, id);
        if (!peer->is_up || cluster_set_find(now, &peer->key) == NULL) continue;
        if (is_in)
            out->in_it += weight_of(now, seated, &peer->key);
        else if (peer->has_epoch)
            out->in_others += weight_of(now, seated, &peer->key);
        if (is_in || !peer->has_epoch) out->here += weight_of(set, listed, &peer->key);
    }
    bool is_whole = listed != NULL && seated != NULL;
    free(listed);
    free(seated);
    return is_whole;
}

static bool is_unopposed(const struct consensus_cluster *c, const struct consensus_epoch *record,
                         const struct base_hash32 *id, const struct cluster_set *set)
{
    struct voices voices = {0};
    if (c->has_epoch || cluster_set_find(set, &c->config.self) == NULL) return false;
    return hear(c, set, id, &voices) && voices.in_it > voices.in_others &&
           voices.here >= consensus_quorum(voices.total) && has_suspended_few(record, voices.total);
}

bool cluster_here_unopposed(struct consensus_cluster *c, const struct consensus_epoch *record,
                            const struct base_hash32 *id, const struct cluster_set *set)
{
    struct cluster_offer *offer = &c->offer;
    if (!is_unopposed(c, record, id, set)) {
        *offer = (struct cluster_offer){0};
        return false;
    }
    if (!offer->is_on || !base_hash32_equal(&offer->id, id))
        *offer = (struct cluster_offer){true, *id, c->now_ms};
    return c->now_ms >= offer->since_ms + c->config.found_ms;
}
