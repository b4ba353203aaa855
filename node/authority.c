#include "node/authority_internal.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *node_authority_verdict_name(enum node_authority_verdict verdict)
{
    switch (verdict) {
    case NODE_AUTHORITY_UNDECIDED:
        return "undecided";
    case NODE_AUTHORITY_ACCEPTED:
        return "accepted";
    case NODE_AUTHORITY_SAME:
        return "same";
    case NODE_AUTHORITY_SUPERSEDED:
        return "superseded";
    case NODE_AUTHORITY_NOT_YET:
        return "not_yet";
    case NODE_AUTHORITY_VERIFYING:
        return "verifying";
    case NODE_AUTHORITY_REFUSED:
        return "refused";
    }
    return "undecided";
}

/* ---- the table ---- */

static size_t slot_index(const struct node_authority *a, const struct base_u256 *token_id,
                         bool *found)
{
    size_t low = 0, high = a->count;
    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = base_u256_compare(&a->slots[mid].token_id, token_id);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct slot *node__authority_slot_find(const struct node_authority *a,
                                       const struct base_u256 *token_id)
{
    bool found;
    size_t i = slot_index(a, token_id, &found);
    return found ? &a->slots[i] : NULL;
}

static int slot_put(struct slot **out, struct node_authority *a, const struct base_u256 *token_id)
{
    bool found;
    size_t i = slot_index(a, token_id, &found);
    if (!found) {
        if (a->count == CHAIN_SEATS_MAX) return BASE_EFULL;
        if (a->count == a->cap) {
            size_t cap = a->cap == 0 ? 16 : 2 * a->cap;
            struct slot *grown = realloc(a->slots, cap * sizeof *grown);
            if (grown == NULL) return BASE_ENOMEM;
            a->slots = grown;
            a->cap = cap;
        }
        memmove(&a->slots[i + 1], &a->slots[i], (a->count - i) * sizeof *a->slots);
        a->count++;
        a->slots[i] = (struct slot){.token_id = *token_id};
    }
    *out = &a->slots[i];
    return BASE_OK;
}

/* The later issued block, in one block a revocation, then the higher digest. */
int node__authority_compare(const struct node_bundle *x, const struct base_hash32 *x_digest,
                            const struct node_bundle *y, const struct base_hash32 *y_digest)
{
    if (x->issued_block != y->issued_block) return x->issued_block < y->issued_block ? -1 : 1;
    if (x->revokes != y->revokes) return x->revokes ? 1 : -1;
    return memcmp(x_digest->bytes, y_digest->bytes, BASE_HASH32_BYTES);
}

/* ---- keeping ---- */

/* A key that a lower token has, the others have not. */
static void free_key_of_others(struct node_authority *a, const struct slot *winner)
{
    for (size_t i = (size_t)(winner - a->slots) + 1; i < a->count; i++) {
        struct holding *kept = &a->slots[i].kept;
        if (!kept->bundle.revokes &&
            base_key33_equal(&kept->bundle.node_key, &winner->kept.bundle.node_key))
            kept->counts = false;
    }
}

static void keep(struct node_authority *a, struct slot *slot, const struct holding *holding)
{
    slot->kept = *holding;
    slot->kept.counts = true;
    slot->is_news = true;
    if (slot->aside.present && node__authority_compare(&slot->aside.bundle, &slot->aside.digest,
                                                       &holding->bundle, &holding->digest) <= 0)
        slot->aside = (struct holding){0};
    if (!holding->bundle.revokes) free_key_of_others(a, slot);
}

static void set_aside(struct slot *slot, const struct holding *holding)
{
    if (slot->aside.present && node__authority_compare(&slot->aside.bundle, &slot->aside.digest,
                                                       &holding->bundle, &holding->digest) > 0)
        return;
    slot->aside = *holding;
}

/* Signed by all, and may count later: the chain has to move first, or our view of it. */
static bool may_count_later(const struct trial *t, enum node_authority_verdict verdict)
{
    switch (verdict) {
    case NODE_AUTHORITY_VERIFYING:
        return true;
    case NODE_AUTHORITY_NOT_YET:
        return t->bundle->issued_block - t->world->raw->block.number <= NODE_AUTHORITY_AHEAD_BLOCKS;
    case NODE_AUTHORITY_REFUSED:
        return t->out->reason == NODE_REASON_INSTANCE_DIFFERS ||
               t->out->reason == NODE_REASON_INACTIVE ||
               t->out->reason == NODE_REASON_NODE_KEY_TAKEN || t->out->reason == NODE_REASON_BUSY;
    case NODE_AUTHORITY_UNDECIDED:
    case NODE_AUTHORITY_ACCEPTED:
    case NODE_AUTHORITY_SAME:
    case NODE_AUTHORITY_SUPERSEDED:
        return false;
    }
    return false;
}

/* By an owner whom our reference does not show yet: a buyer's first word may be here before the
 * sale is. Nothing of it is checked, so it has a small room of its own. */
static bool is_early(const struct trial *t)
{
    uint64_t reference = t->world->raw->block.number, issued = t->bundle->issued_block;
    if (t->out->reason != NODE_REASON_OWNER_CHANGED && t->out->reason != NODE_REASON_NO_SEAT)
        return false;
    return issued > reference && issued - reference <= NODE_AUTHORITY_AHEAD_BLOCKS;
}

static void early_drop(struct node_authority *a, size_t i)
{
    memmove(&a->early[i], &a->early[i + 1], (a->early_count - i - 1) * sizeof a->early[0]);
    a->early_count--;
}

static void early_put(struct node_authority *a, const struct node_bundle *bundle)
{
    for (size_t i = 0; i < a->early_count; i++)
        if (node_bundle_equal(&a->early[i].bundle, bundle)) return;
    if (a->early_count == NODE_AUTHORITY_EARLY_MAX) early_drop(a, 0);
    a->early[a->early_count++] = (struct early){*bundle, 0};
}

/* Each change is told to everybody, and makes them judge their members again: an owner who signs
 * one after the other would keep the whole mesh at it. */
static bool may_change(struct slot *slot, uint64_t reference)
{
    if (slot->changed_block != reference) slot->changes = 0;
    slot->changed_block = reference;
    if (slot->changes == NODE_AUTHORITY_CHANGES_MAX) return false;
    slot->changes++;
    return true;
}

static enum node_authority_verdict offer(struct trial *t, struct node_authority *a)
{
    struct holding holding = {.present = true, .is_signed = true, .bundle = *t->bundle};
    struct slot *slot;
    enum node_authority_verdict verdict = node__authority_judge(t);
    if (verdict == NODE_AUTHORITY_SAME || t->world->raw == NULL) return verdict;
    bool accepted = verdict == NODE_AUTHORITY_ACCEPTED, later = may_count_later(t, verdict);
    if (!accepted && !later) {
        if (is_early(t)) early_put(a, t->bundle);
        return verdict;
    }
    struct node_refusal first = *t->out;
    if (!node__authority_chain_holds(t, &holding.root)) {
        if (accepted) return NODE_AUTHORITY_REFUSED;
        *t->out = first; /* not kept, but the earlier line is named */
        return verdict;
    }
    *t->out = first;
    if (slot_put(&slot, a, &t->bundle->token_id) != BASE_OK)
        return node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_NO_MEMORY);
    holding.digest = t->digest;
    if (accepted && !may_change(slot, t->world->raw->block.number)) {
        set_aside(slot, &holding);
        node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_BUSY);
        node_refusal_expect(t->out, "at most %d changes of a token at one reference block",
                            NODE_AUTHORITY_CHANGES_MAX);
        return NODE_AUTHORITY_REFUSED;
    }
    if (accepted)
        keep(a, slot, &holding);
    else
        set_aside(slot, &holding);
    return verdict;
}

enum node_authority_verdict node_authority_offer(struct node_refusal *out,
                                                 struct node_authority *authority,
                                                 const struct node_authority_world *world,
                                                 const struct node_bundle *bundle)
{
    struct trial t = {.authority = authority, .world = world, .bundle = bundle, .out = out};
    return offer(&t, authority);
}

int node_authority_hear(struct node_authority_heard *out, struct node_authority *authority,
                        const struct node_authority_world *world, const void *data, size_t len,
                        size_t waste_max)
{
    const uint8_t *bytes = data;
    size_t used = 0;
    memset(out, 0, sizeof *out);
    if (len == 0) return BASE_EMALFORMED;
    for (size_t at = 0; at < len; at += used) {
        struct node_bundle bundle;
        struct node_refusal refusal;
        if (out->wasted >= waste_max) return BASE_OK;
        if (node_bundle_decode(&bundle, &used, bytes + at, len - at) != BASE_OK)
            return BASE_EMALFORMED;
        struct trial t = {
            .authority = authority, .world = world, .bundle = &bundle, .out = &refusal};
        enum node_authority_verdict verdict = offer(&t, authority);
        out->verdicts[verdict]++;
        out->wasted += verdict == NODE_AUTHORITY_REFUSED ||
                       (t.has_worked && verdict != NODE_AUTHORITY_ACCEPTED);
        if (verdict != NODE_AUTHORITY_REFUSED) continue;
        out->refusal = refusal;
        if (node_authority_is_forgery(refusal.reason)) return BASE_ESIG;
    }
    return BASE_OK;
}

int node_authority_load(struct node_authority *authority, const struct node_bundle *bundle)
{
    struct slot *slot;
    int rv = slot_put(&slot, authority, &bundle->token_id);
    if (rv != BASE_OK) return rv;
    struct holding *place = slot->kept.present ? &slot->aside : &slot->kept;
    *place = (struct holding){.present = true, .bundle = *bundle};
    return rv;
}

/* ---- a new snapshot ---- */

/* What comes from disk has to be signed as anything else has. Under a root that is no pin (any
 * more) it does not count; what it has replaced does not, either. */
static bool prove_loaded(struct trial *t, struct holding *kept)
{
    enum node_reason why;
    node_bundle_digest(&t->digest, &t->world->domain, t->bundle);
    if (node__authority_signatures(t) != NODE_AUTHORITY_UNDECIDED) return false;
    if (!t->bundle->revokes) {
        const struct base_eth_address *root =
            node_authority_root_of(&why, t->world, &t->bundle->proof);
        if (root != NULL) kept->root = *root;
    }
    kept->digest = t->digest;
    kept->is_signed = true;
    return true;
}

/* Can it never count again, nor stand in the way of anything? One that has ended by itself still
 * does, until what it replaced has ended too. */
static bool is_over(const struct trial *t)
{
    enum node_reason reason = t->out->reason;
    if (reason == NODE_REASON_EXPIRED)
        return t->issued.time_s + NODE_AUTHORITY_TERM_S <= t->world->raw->block.time_s;
    return reason == NODE_REASON_AUTHORISATION_BLOCK || reason == NODE_REASON_AUTHORISATION_TERM;
}

static void renew_kept(struct node_authority *a, const struct node_authority_world *world,
                       struct slot *slot)
{
    struct holding *kept = &slot->kept;
    struct node_refusal refusal;
    struct trial t = {.authority = a, .world = world, .bundle = &kept->bundle, .out = &refusal};
    if (!kept->present) return;
    if (!kept->is_signed && !prove_loaded(&t, kept)) {
        *kept = (struct holding){0};
        return;
    }
    enum node_authority_verdict verdict = node__authority_judge(&t);
    bool holds = verdict == NODE_AUTHORITY_ACCEPTED || verdict == NODE_AUTHORITY_SAME;
    bool trusted =
        kept->bundle.revokes || (attest_pins_has_root(world->pins, &kept->root) &&
                                 node__authority_app_may_count(world, &kept->bundle.proof.app_id));
    if (is_over(&t)) {
        *kept = (struct holding){0};
        return;
    }
    if (holds && trusted && !kept->counts) slot->is_news = true;
    kept->counts = holds && trusted;
    if (!kept->counts) slot->is_news = false;
}

static void renew_aside(struct node_authority *a, const struct node_authority_world *world,
                        struct slot *slot)
{
    struct node_refusal refusal;
    struct holding *aside = &slot->aside;
    if (!aside->present) return;
    struct node_bundle bundle = aside->bundle;
    struct trial t = {.authority = a, .world = world, .bundle = &bundle, .out = &refusal};
    enum node_authority_verdict verdict = offer(&t, a);
    bool ended = !bundle.revokes && bundle.not_after <= world->raw->block.time_s;
    if (!may_count_later(&t, verdict) || ended) *aside = (struct holding){0};
}

static void renew_early(struct node_authority *a, const struct node_authority_world *world)
{
    struct early waiting[NODE_AUTHORITY_EARLY_MAX];
    size_t count = a->early_count;
    memcpy(waiting, a->early, count * sizeof waiting[0]);
    a->early_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct node_refusal refusal;
        size_t before = a->early_count;
        if (waiting[i].age == NODE_AUTHORITY_EARLY_BLOCKS) continue;
        (void)node_authority_offer(&refusal, a, world, &waiting[i].bundle);
        if (a->early_count > before) a->early[before].age = waiting[i].age + 1;
    }
}

/* Whether a token with a lower id has the key depends on whether that one counts, so in order. */
void node_authority_renew(struct node_authority *authority,
                          const struct node_authority_world *world)
{
    assert(world->raw != NULL);
    for (size_t i = 0; i < authority->count; i++) {
        renew_kept(authority, world, &authority->slots[i]);
        renew_aside(authority, world, &authority->slots[i]);
    }
    renew_early(authority, world);
    size_t left = 0;
    for (size_t i = 0; i < authority->count; i++) {
        const struct slot *slot = &authority->slots[i];
        if (slot->kept.present || slot->aside.present) authority->slots[left++] = *slot;
    }
    authority->count = left;
}

/* ---- what others are told ---- */

static bool is_shown(const struct slot *slot)
{
    return slot->kept.present && slot->kept.counts;
}

bool node_authority_take_news(struct node_authority *authority, struct node_bundle *out)
{
    for (size_t i = 0; i < authority->count; i++) {
        struct slot *slot = &authority->slots[i];
        if (!slot->is_news) continue;
        slot->is_news = false;
        if (!is_shown(slot)) continue;
        *out = slot->kept.bundle;
        return true;
    }
    return false;
}

bool node_authority_next(struct node_bundle *out, const struct node_authority *authority,
                         struct node_authority_cursor *cursor)
{
    bool found = false;
    size_t i = cursor->started ? slot_index(authority, &cursor->token_id, &found) : 0;
    for (i += found; i < authority->count; i++) {
        if (!is_shown(&authority->slots[i])) continue;
        *cursor = (struct node_authority_cursor){true, false, authority->slots[i].token_id};
        *out = authority->slots[i].kept.bundle;
        return true;
    }
    return false;
}

bool node_authority_next_kept(struct node_bundle *out, const struct node_authority *authority,
                              struct node_authority_cursor *cursor)
{
    bool found = false;
    size_t i = cursor->started ? slot_index(authority, &cursor->token_id, &found) : 0;
    for (i += found && !cursor->is_half; i < authority->count; i++) {
        const struct slot *slot = &authority->slots[i];
        if (!slot->kept.present && !slot->aside.present) continue;
        bool is_second = found && cursor->is_half;
        bool both = slot->kept.present && slot->aside.present && !is_second;
        *cursor = (struct node_authority_cursor){true, both, slot->token_id};
        *out = slot->kept.present && !is_second ? slot->kept.bundle : slot->aside.bundle;
        return true;
    }
    return false;
}

const struct node_bundle *node_authority_of_key(const struct node_authority *authority,
                                                const struct base_key33 *node_key)
{
    for (size_t i = 0; i < authority->count; i++) {
        const struct holding *kept = &authority->slots[i].kept;
        if (kept->counts && !kept->bundle.revokes &&
            base_key33_equal(&kept->bundle.node_key, node_key))
            return &kept->bundle;
    }
    return NULL;
}

void node_authority_wants(const struct node_authority *authority,
                          const struct node_authority_world *world,
                          void (*want)(void *ctx, uint64_t number), void *ctx)
{
    uint64_t reference = world->raw != NULL ? world->raw->block.number : 0;
    for (size_t i = 0; i < authority->count; i++) {
        const struct holding *kept = &authority->slots[i].kept, *aside = &authority->slots[i].aside;
        if (kept->present && kept->bundle.issued_block <= reference)
            want(ctx, kept->bundle.issued_block);
        if (aside->present && aside->bundle.issued_block <= reference)
            want(ctx, aside->bundle.issued_block);
    }
}

bool node_authority_is_aside(const struct node_authority *authority,
                             const struct node_bundle *bundle)
{
    const struct slot *slot = node__authority_slot_find(authority, &bundle->token_id);
    return slot != NULL && slot->aside.present && node_bundle_equal(&slot->aside.bundle, bundle);
}

struct node_authority_stats node_authority_stats(const struct node_authority *authority)
{
    struct node_authority_stats stats = {.aside = authority->early_count};
    for (size_t i = 0; i < authority->count; i++) {
        const struct slot *slot = &authority->slots[i];
        stats.aside += slot->aside.present;
        if (!is_shown(slot)) continue;
        if (slot->kept.bundle.revokes)
            stats.revocations++;
        else
            stats.counting++;
    }
    return stats;
}

/* ---- the snapshot that follows ---- */

uint64_t node_authority_root_epoch(const struct node_authority_world *world,
                                   const struct base_eth_address *root)
{
    if (base_address_equal(&world->raw->kms_root, root)) return 1;
    for (size_t i = 0; i < world->pins->root_count; i++)
        if (base_address_equal(&world->pins->roots[i], root)) return 2 + i;
    return 0;
}

void node_authority_seat(struct chain_seat *out, const struct chain_seat *raw,
                         const struct node_bundle *bundle, uint64_t root_epoch)
{
    *out = *raw;
    out->has_keys = true;
    out->bound_by = bundle->owner;
    out->node_key = bundle->node_key;
    out->proof_key = bundle->proof.proof_key;
    out->app_id = bundle->proof.app_id;
    out->root_epoch = root_epoch;
    out->expires_at = bundle->not_after;
}

static void derive_head(struct chain_snapshot *head, const struct node_authority_world *world)
{
    *head = *world->raw;
    head->root_epoch = 1;
    head->app_id_count = world->app_id_count;
    for (size_t i = 0; i < world->app_id_count; i++)
        head->app_ids[i] = world->app_ids[i];
    head->root_count = world->pins->root_count;
    for (size_t i = 0; i < world->pins->root_count; i++) {
        head->roots[i].root = world->pins->roots[i];
        head->roots[i].epoch = node_authority_root_epoch(world, &world->pins->roots[i]);
    }
}

int node_authority_derive(struct chain_snapshot **out, const struct node_authority *authority,
                          const struct node_authority_world *world)
{
    const struct chain_snapshot *raw = world->raw;
    struct chain_snapshot head;
    struct chain_seat *seats = calloc(raw->seat_count > 0 ? raw->seat_count : 1, sizeof *seats);
    if (seats == NULL) return BASE_ENOMEM;
    if (raw->seat_count > 0) memcpy(seats, raw->seats, raw->seat_count * sizeof *seats);
    for (size_t i = 0; i < authority->count; i++) {
        const struct holding *kept = &authority->slots[i].kept;
        const struct chain_seat *seat =
            chain_snapshot_find_token(raw, &authority->slots[i].token_id);
        if (!kept->counts || kept->bundle.revokes || seat == NULL) continue;
        node_authority_seat(&seats[seat - raw->seats], seat, &kept->bundle,
                            node_authority_root_epoch(world, &kept->root));
    }
    derive_head(&head, world);
    int rv = chain_snapshot_new(out, &head, seats, raw->seat_count);
    free(seats);
    return rv;
}

int node_authority_new(struct node_authority **out)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? BASE_ENOMEM : BASE_OK;
}

void node_authority_free(struct node_authority *authority)
{
    if (authority == NULL) return;
    free(authority->slots);
    free(authority);
}
