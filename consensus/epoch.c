#include "consensus/epoch.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/fields.h"

#define NO_SLOT       UINT64_MAX
#define MEMBER_FIELDS 6
#define PRIORITY_ZERO ((uint64_t)1 << 63) /* so that none is negative on the wire */

void consensus_epoch_free(struct consensus_epoch *epoch)
{
    free(epoch->members);
    *epoch = (struct consensus_epoch){0};
}

int consensus_epoch_copy(struct consensus_epoch *out, const struct consensus_epoch *epoch)
{
    struct consensus_member *members = calloc(epoch->member_count, sizeof *members);
    if (members == NULL) return BASE_ENOMEM;
    memcpy(members, epoch->members, epoch->member_count * sizeof *members);
    *out = *epoch;
    out->members = members;
    return BASE_OK;
}

/* ---- bytes ---- */

/* Without leading zeros, so that a record is small. */
static void pack_token(struct base_packer *p, const struct base_u256 *token)
{
    size_t zeros = 0;
    while (zeros < sizeof token->bytes && token->bytes[zeros] == 0)
        zeros++;
    base_pack_bin(p, token->bytes + zeros, sizeof token->bytes - zeros);
}

static int unpack_token(struct base_unpacker *u, struct base_u256 *token)
{
    struct base_slice bytes;
    int rv = base_unpack_bin(u, &bytes, sizeof token->bytes);
    if (rv != BASE_OK) return rv;
    if (bytes.len > 0 && bytes.data[0] == 0) return BASE_EMALFORMED;
    memset(token, 0, sizeof *token);
    if (bytes.len > 0)
        memcpy(token->bytes + sizeof token->bytes - bytes.len, bytes.data, bytes.len);
    return BASE_OK;
}

static void pack_member(struct base_packer *p, const struct consensus_member *m)
{
    base_pack_bin(p, m->seat.key.bytes, sizeof m->seat.key.bytes);
    base_pack_bin(p, m->seat.signer.bytes, sizeof m->seat.signer.bytes);
    pack_token(p, &m->seat.token);
    base_pack_u64(p, m->seat.weight);
    base_pack_u64(p, (uint64_t)m->standing);
    base_pack_u64(p, (uint64_t)m->priority + PRIORITY_ZERO);
}

static void pack(struct base_packer *p, const struct consensus_epoch *e)
{
    bool has_closing = e->closing_slot != NO_SLOT;
    bool has_first = !base_is_zero(e->first.bytes, sizeof e->first.bytes);
    base_pack_map(p, 11u + (has_closing ? 1u : 0u) + (has_first ? 1u : 0u));
    consensus_put_u64(p, 0, e->number);
    consensus_put_bin(p, 1, e->previous.bytes, sizeof e->previous.bytes);
    consensus_put_bin(p, 2, e->settings.bytes, sizeof e->settings.bytes);
    consensus_put_u64(p, 3, e->chain_id);
    consensus_put_bin(p, 4, e->contract.bytes, sizeof e->contract.bytes);
    consensus_put_u64(p, 5, e->block.number);
    consensus_put_bin(p, 6, e->block.hash.bytes, sizeof e->block.hash.bytes);
    consensus_put_u64(p, 7, e->block.time_s);
    if (has_closing) consensus_put_u64(p, 8, e->closing_slot);
    consensus_put_bin(p, 9, e->closing_hash.bytes, sizeof e->closing_hash.bytes);
    consensus_put_bin(p, 10, e->state.bytes, sizeof e->state.bytes);
    if (has_first) consensus_put_bin(p, 11, e->first.bytes, sizeof e->first.bytes);
    consensus_put_array(p, 12, e->member_count * MEMBER_FIELDS);
    for (size_t i = 0; i < e->member_count; i++)
        pack_member(p, &e->members[i]);
}

int consensus_epoch_encode(void *out, size_t *len, size_t cap, const struct consensus_epoch *epoch)
{
    struct base_packer p;
    base_packer_init(&p, out, cap < CONSENSUS_EPOCH_BYTES_MAX ? cap : CONSENSUS_EPOCH_BYTES_MAX);
    pack(&p, epoch);
    *len = p.len;
    return p.failed ? BASE_ETOOBIG : BASE_OK;
}

static int unpack_member(struct base_unpacker *u, struct consensus_member *m)
{
    uint64_t standing = 0, priority = 0;
    int rv = base_unpack_bin_exact(u, m->seat.key.bytes, sizeof m->seat.key.bytes);
    if (rv == BASE_OK)
        rv = base_unpack_bin_exact(u, m->seat.signer.bytes, sizeof m->seat.signer.bytes);
    if (rv == BASE_OK) rv = unpack_token(u, &m->seat.token);
    if (rv == BASE_OK) rv = base_unpack_u64(u, &m->seat.weight);
    if (rv == BASE_OK) rv = base_unpack_u64(u, &standing);
    if (rv == BASE_OK) rv = base_unpack_u64(u, &priority);
    if (rv != BASE_OK) return rv;
    if (standing > CONSENSUS_SUSPENDED || m->seat.weight == 0 ||
        m->seat.weight > CONSENSUS_WEIGHT_MAX)
        return BASE_EMALFORMED;
    m->standing = (enum consensus_standing)standing;
    m->priority = (int64_t)(priority - PRIORITY_ZERO);
    /* Far beyond what the schedule gives, and far from where sums overflow. */
    const int64_t bound = (int64_t)1 << 50;
    return m->priority <= bound && m->priority >= -bound ? BASE_OK : BASE_EMALFORMED;
}

static int unpack_members(struct consensus_fields *f, struct consensus_epoch *e)
{
    uint32_t items = 0;
    int rv = consensus_fields_array(f, 12, &items, CONSENSUS_MEMBERS_MAX * MEMBER_FIELDS);
    if (rv != BASE_OK) return rv;
    if (items == 0 || items % MEMBER_FIELDS != 0) return BASE_EMALFORMED;
    e->members = calloc(items / MEMBER_FIELDS, sizeof *e->members);
    if (e->members == NULL) return BASE_ENOMEM;
    while (e->member_count < items / MEMBER_FIELDS && rv == BASE_OK) {
        size_t at = e->member_count;
        rv = unpack_member(&f->u, &e->members[at]);
        if (rv == BASE_OK && at > 0 &&
            base_key33_compare(&e->members[at - 1].seat.key, &e->members[at].seat.key) >= 0)
            rv = BASE_EMALFORMED;
        if (rv == BASE_OK) e->member_count++;
    }
    return rv;
}

static int unpack(struct consensus_fields *f, struct consensus_epoch *e)
{
    int rv = consensus_fields_u64(f, 0, &e->number);
    if (rv == BASE_OK) rv = consensus_fields_exact(f, 1, e->previous.bytes, sizeof e->previous);
    if (rv == BASE_OK) rv = consensus_fields_exact(f, 2, e->settings.bytes, sizeof e->settings);
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 3, &e->chain_id);
    if (rv == BASE_OK) rv = consensus_fields_exact(f, 4, e->contract.bytes, sizeof e->contract);
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 5, &e->block.number);
    if (rv == BASE_OK) rv = consensus_fields_exact(f, 6, e->block.hash.bytes, sizeof e->block.hash);
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 7, &e->block.time_s);
    e->closing_slot = NO_SLOT;
    if (rv == BASE_OK && consensus_fields_is_next(f, 8)) {
        rv = base_unpack_u64(&f->u, &e->closing_slot);
        if (rv == BASE_OK && e->closing_slot == NO_SLOT) rv = BASE_EMALFORMED;
    }
    if (rv == BASE_OK)
        rv = consensus_fields_exact(f, 9, e->closing_hash.bytes, sizeof e->closing_hash);
    if (rv == BASE_OK) rv = consensus_fields_exact(f, 10, e->state.bytes, sizeof e->state);
    if (rv == BASE_OK && consensus_fields_is_next(f, 11)) {
        rv = base_unpack_bin_exact(&f->u, e->first.bytes, sizeof e->first);
        if (rv == BASE_OK && base_is_zero(e->first.bytes, sizeof e->first)) rv = BASE_EMALFORMED;
    }
    return rv == BASE_OK ? unpack_members(f, e) : rv;
}

/* Only the first has no former one. */
static bool is_form(const struct consensus_epoch *e)
{
    bool is_first = e->number == 0;
    if (is_first != (e->closing_slot == NO_SLOT)) return false;
    if (is_first && !base_is_zero(e->closing_hash.bytes, sizeof e->closing_hash)) return false;
    return is_first == base_is_zero(e->previous.bytes, sizeof e->previous);
}

int consensus_epoch_decode(struct consensus_epoch *out, const void *data, size_t len)
{
    struct consensus_fields f;
    *out = (struct consensus_epoch){0};
    if (len > CONSENSUS_EPOCH_BYTES_MAX) return BASE_ETOOBIG;
    int rv = consensus_fields_init(&f, data, len, 13);
    if (rv == BASE_OK) rv = unpack(&f, out);
    if (rv == BASE_OK && (!consensus_fields_at_end(&f) || !is_form(out))) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) consensus_epoch_free(out);
    return rv;
}

int consensus_epoch_id(struct base_hash32 *id, const struct consensus_epoch *epoch)
{
    size_t len;
    uint8_t *bytes = malloc(CONSENSUS_EPOCH_BYTES_MAX);
    if (bytes == NULL) return BASE_ENOMEM;
    int rv = consensus_epoch_encode(bytes, &len, CONSENSUS_EPOCH_BYTES_MAX, epoch);
    if (rv == BASE_OK) base_keccak256(id, bytes, len);
    free(bytes);
    return rv;
}

int consensus_epoch_digest(struct base_hash32 *digest, const struct consensus_epoch *epoch)
{
    struct consensus_epoch open = *epoch; /* shares its members */
    memset(&open.closing_hash, 0, sizeof open.closing_hash);
    return consensus_epoch_id(digest, &open);
}

/* ---- out of a block and the log ---- */

static enum consensus_standing standing_of(const struct consensus_world *w,
                                           const struct base_key33 *key)
{
    return w->standing == NULL ? CONSENSUS_STANDS : w->standing(w->ctx, key, w->block.time_s);
}

static size_t count_weighty(const struct consensus_world *w)
{
    size_t count = 0;
    for (size_t i = 0; i < w->seat_count; i++)
        if (w->seats[i].weight > 0) count++;
    return count;
}

static uint64_t bounded(uint64_t weight)
{
    return weight < CONSENSUS_WEIGHT_MAX ? weight : CONSENSUS_WEIGHT_MAX;
}

static int take_members(struct consensus_epoch *out, const struct consensus_world *w)
{
    size_t count = count_weighty(w);
    if (count == 0) return BASE_EINVAL;
    if (count > CONSENSUS_MEMBERS_MAX) return BASE_ETOOBIG;
    out->members = calloc(count, sizeof *out->members);
    if (out->members == NULL) return BASE_ENOMEM;
    for (size_t i = 0; i < w->seat_count; i++) {
        if (w->seats[i].weight == 0) continue;
        struct consensus_member *m = &out->members[out->member_count++];
        m->seat = w->seats[i];
        m->seat.weight = bounded(m->seat.weight);
        m->standing = standing_of(w, &m->seat.key);
    }
    return BASE_OK;
}

static void take_world(struct consensus_epoch *out, const struct consensus_world *w)
{
    *out = (struct consensus_epoch){.settings = w->settings,
                                    .chain_id = w->chain_id,
                                    .contract = w->contract,
                                    .block = w->block,
                                    .closing_slot = NO_SLOT,
                                    .state = w->state};
}

/* The schedule writes priorities into a list of its own: back into the record. */
static void keep_priorities(struct consensus_epoch *out, const struct consensus_lead *leads)
{
    for (size_t i = 0; i < out->member_count; i++)
        out->members[i].priority = leads[i].priority;
}

int consensus_epoch_found(struct consensus_epoch *out, const struct consensus_world *w)
{
    struct consensus_voter *voters = NULL;
    struct consensus_lead *leads = NULL;
    struct consensus_schedule schedule;
    take_world(out, w);
    int rv = take_members(out, w);
    if (rv == BASE_OK) rv = consensus_epoch_voters(out, &voters, &leads);
    if (rv == BASE_OK) rv = consensus_schedule_init(&schedule, leads, out->member_count);
    if (rv == BASE_OK) {
        consensus_schedule_draw(&schedule, &out->block.hash);
        keep_priorities(out, leads);
    }
    free(voters);
    free(leads);
    if (rv != BASE_OK) consensus_epoch_free(out);
    return rv;
}

/* As they stand when the window of this slot has been paid for; and who led it. */
static int play(const struct consensus_epoch *e, uint64_t window, struct consensus_lead **leads,
                size_t *leader)
{
    struct consensus_voter *voters;
    struct consensus_schedule schedule;
    int rv = consensus_epoch_voters(e, &voters, leads);
    if (rv != BASE_OK) return rv;
    free(voters);
    rv = consensus_schedule_init(&schedule, *leads, e->member_count);
    for (uint64_t i = 0; i <= window && rv == BASE_OK; i++) {
        *leader = consensus_epoch_find(e, &e->first);
        if (i == 0 && *leader < e->member_count)
            consensus_schedule_give(&schedule, *leader);
        else
            *leader = consensus_schedule_next(&schedule);
    }
    if (rv != BASE_OK) free(*leads);
    return rv;
}

/* Who proposed the change goes on leading, unless it got its first window in the same way: else it
 * could lead for ever by moving a token to and fro. */
static void give_first(struct consensus_epoch *out, const struct consensus_epoch *e, size_t leader,
                       const struct consensus_lead *leads)
{
    const struct base_key33 *key = &e->members[leader].seat.key;
    size_t at = consensus_epoch_find(out, key);
    if (base_key33_equal(&e->first, key)) return;
    if (at < out->member_count && leads[at].weight > 0) out->first = *key;
}

int consensus_epoch_next(struct consensus_epoch *out, const struct consensus_epoch *e,
                         uint64_t closing_slot, uint32_t window_slots,
                         const struct consensus_world *w)
{
    struct consensus_lead *before = NULL, *leads = NULL;
    struct consensus_voter *voters = NULL;
    struct consensus_schedule schedule;
    size_t leader = 0;
    take_world(out, w);
    out->number = e->number + 1;
    out->closing_slot = closing_slot;
    int rv = consensus_epoch_id(&out->previous, e);
    if (rv == BASE_OK) rv = take_members(out, w);
    if (rv == BASE_OK) rv = play(e, closing_slot / window_slots, &before, &leader);
    if (rv == BASE_OK) rv = consensus_epoch_voters(out, &voters, &leads);
    if (rv == BASE_OK) rv = consensus_schedule_init(&schedule, leads, out->member_count);
    if (rv == BASE_OK) {
        consensus_schedule_carry(&schedule, before, e->member_count);
        keep_priorities(out, leads);
        give_first(out, e, leader, leads);
    }
    free(before);
    free(voters);
    free(leads);
    if (rv != BASE_OK) consensus_epoch_free(out);
    return rv;
}

static bool is_member(const struct consensus_member *m, const struct consensus_seat *seat)
{
    return base_key33_equal(&seat->key, &m->seat.key) &&
           base_u256_equal(&seat->token, &m->seat.token) &&
           base_address_equal(&seat->signer, &m->seat.signer) &&
           bounded(seat->weight) == m->seat.weight;
}

bool consensus_epoch_has_seats(const struct consensus_epoch *e, const struct consensus_world *w)
{
    size_t at = 0;
    if (count_weighty(w) != e->member_count) return false;
    for (size_t i = 0; i < w->seat_count; i++)
        if (w->seats[i].weight > 0 && !is_member(&e->members[at++], &w->seats[i])) return false;
    return true;
}

bool consensus_epoch_is_due(const struct consensus_epoch *e, const struct consensus_world *w)
{
    if (w->block.time_s >= e->block.time_s + CONSENSUS_EPOCH_AGE_S) return true;
    if (!consensus_epoch_has_seats(e, w)) return true;
    for (size_t i = 0; i < e->member_count; i++)
        if (standing_of(w, &e->members[i].seat.key) != e->members[i].standing) return true;
    return false;
}

/* ---- for the engine ---- */

static void cap_weights(const struct consensus_epoch *e, struct consensus_voter *voters,
                        uint64_t *weights)
{
    for (size_t i = 0; i < e->member_count; i++)
        weights[i] = e->members[i].standing == CONSENSUS_SUSPENDED ? 0 : e->members[i].seat.weight;
    uint64_t cap = consensus_weight_cap(weights, e->member_count);
    for (size_t i = 0; i < e->member_count; i++)
        voters[i] = (struct consensus_voter){e->members[i].seat.key, e->members[i].seat.signer,
                                             weights[i] < cap ? weights[i] : cap};
}

int consensus_epoch_voters(const struct consensus_epoch *e, struct consensus_voter **voters,
                           struct consensus_lead **leads)
{
    size_t n = e->member_count, leading = 0;
    uint64_t *weights = calloc(n, sizeof *weights), total = 0;
    *voters = calloc(n, sizeof **voters);
    *leads = calloc(n, sizeof **leads);
    int rv = weights == NULL || *voters == NULL || *leads == NULL ? BASE_ENOMEM : BASE_OK;
    if (rv == BASE_OK) cap_weights(e, *voters, weights);
    for (size_t i = 0; i < n && rv == BASE_OK; i++) {
        total += (*voters)[i].weight;
        if (e->members[i].standing == CONSENSUS_STANDS) leading++;
    }
    if (rv == BASE_OK && total == 0) rv = BASE_EINVAL;
    for (size_t i = 0; i < n && rv == BASE_OK; i++) {
        bool may_lead = leading == 0 || e->members[i].standing == CONSENSUS_STANDS;
        (*leads)[i] = (struct consensus_lead){
            e->members[i].seat.key, may_lead ? (*voters)[i].weight : 0, e->members[i].priority};
    }
    free(weights);
    if (rv == BASE_OK) return BASE_OK;
    free(*voters);
    free(*leads);
    *voters = NULL;
    *leads = NULL;
    return rv;
}

size_t consensus_epoch_find(const struct consensus_epoch *e, const struct base_key33 *key)
{
    size_t low = 0, high = e->member_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = base_key33_compare(&e->members[middle].seat.key, key);
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return e->member_count;
}
