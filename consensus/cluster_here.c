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

/* ---- may an epoch end with these seats? ---- */

/* The second reference after a newcomer has come is later than its own first one: it sees the block
 * of a record that it has to believe. */
void cluster_here_read(struct consensus_cluster *c, uint64_t block)
{
    for (size_t i = 0; i < c->peer_count; i++) {
        struct cluster_peer *peer = &c->peers[i];
        if (peer->is_up && peer->reads < CLUSTER_READS && block > peer->read_block) {
            peer->read_block = block;
            peer->reads++;
        }
    }
}

static uint64_t counted(const struct cluster_set *set, const struct consensus_seat *seat,
                        const uint64_t *weights)
{
    return seat == NULL ? 0 : weights[seat - set->seats];
}

/* What each weighs in an epoch of these seats; how much that is in all. */
static uint64_t weigh(const struct consensus_cluster *c, const struct cluster_set *set,
                      uint64_t now_s, uint64_t *weights)
{
    uint64_t total = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct consensus_seat *seat = &set->seats[i];
        bool is_suspended =
            c->state != NULL &&
            consensus_state_standing(c->state, &seat->key, now_s) == CONSENSUS_SUSPENDED;
        weights[i] = is_suspended ? 0 : seat->weight;
        if (weights[i] > CONSENSUS_WEIGHT_MAX) weights[i] = CONSENSUS_WEIGHT_MAX;
    }
    uint64_t cap = consensus_weight_cap(weights, set->count);
    for (size_t i = 0; i < set->count; i++) {
        if (weights[i] > cap) weights[i] = cap;
        total += weights[i];
    }
    return total;
}

/* Of this epoch: who has a seat still, and is here. */
static bool can_stay(const struct consensus_cluster *c)
{
    uint64_t here = 0;
    for (size_t i = 0; i < c->epoch.member_count; i++) {
        const struct base_key33 *key = &c->epoch.members[i].seat.key;
        const struct cluster_peer *peer = cluster_peer_of(c, key);
        bool is_here = i == c->self || (peer != NULL && peer->is_up && !peer->is_dead);
        if (is_here && cluster_seat_of(c, key) != NULL) here += c->voters.list[i].weight;
    }
    return here >= c->voters.quorum;
}

static bool is_manned(const struct consensus_cluster *c, const struct cluster_set *set,
                      const struct consensus_block *block)
{
    uint64_t weights[CONSENSUS_MEMBERS_MAX];
    if (set->count > CONSENSUS_MEMBERS_MAX) return true; /* which no record holds */
    uint64_t total = weigh(c, set, block->time_s, weights);
    uint64_t here = counted(set, cluster_set_find(set, &c->config.self), weights);
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cluster_peer *peer = &c->peers[i];
        bool is_new = consensus_epoch_find(&c->epoch, &peer->key) == c->epoch.member_count;
        bool has_read = peer->reads == CLUSTER_READS && block->number >= peer->read_block;
        if (peer->is_up && !peer->is_dead && (!is_new || has_read))
            here += counted(set, cluster_set_find(set, &peer->key), weights);
    }
    return here >= consensus_quorum(total);
}

bool cluster_here_awaits(const struct consensus_cluster *c, const struct cluster_set *set,
                         const struct consensus_block *block)
{
    return !is_manned(c, set, block) && can_stay(c);
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

/* ---- is an epoch that is offered that of all who are here? ---- */

static uint64_t weight_of(const struct consensus_epoch *record,
                          const struct consensus_voter *voters, const struct base_key33 *key)
{
    size_t at = consensus_epoch_find(record, key);
    return at < record->member_count ? voters[at].weight : 0;
}

bool cluster_here_unopposed(const struct consensus_cluster *c, const struct consensus_epoch *record,
                            const struct base_hash32 *id)
{
    struct consensus_voter *voters;
    struct consensus_lead *leads;
    uint64_t total = 0, here = 0, for_it = 0, against = 0;
    bool is_said = false;
    bool is_ours = consensus_epoch_find(record, &c->config.self) < record->member_count;
    if (c->has_epoch || !is_ours || c->seat_ms == 0 ||
        c->now_ms < c->seat_ms + c->config.found_ms ||
        consensus_epoch_voters(record, &voters, &leads) != BASE_OK)
        return false;
    for (size_t i = 0; i < record->member_count; i++)
        total += voters[i].weight;
    here = weight_of(record, voters, &c->config.self);
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cluster_peer *peer = &c->peers[i];
        const struct consensus_seat *seat = cluster_seat_of(c, &peer->key);
        if (!peer->is_up || seat == NULL) continue;
        bool is_in = peer->has_epoch && base_hash32_equal(&peer->epoch_id, id);
        is_said = is_said || is_in;
        if (is_in)
            for_it += seat->weight;
        else if (peer->has_epoch)
            against += seat->weight;
        if (is_in || !peer->has_epoch) here += weight_of(record, voters, &peer->key);
    }
    free(voters);
    free(leads);
    return is_said && for_it > against && here >= consensus_quorum(total);
}
