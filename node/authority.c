#include "node/authority.h"

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct holding {
    bool present;
    bool is_signed; /* lines 3 and 9 held once: they do not depend on the block */
    bool counts;
    struct node_bundle bundle;
    struct base_hash32 digest;
    struct base_eth_address root; /* that its chain descends from */
};

struct slot { /* one a token */
    struct base_u256 token_id;
    struct holding kept, aside;
    bool is_news;
};

struct early {
    struct node_bundle bundle;
    unsigned age; /* references that it has waited for */
};

struct node_authority {
    struct slot *slots; /* sorted by token id */
    size_t count, cap;
    struct early early[NODE_AUTHORITY_EARLY_MAX]; /* oldest first */
    size_t early_count;
};

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

static struct slot *slot_find(const struct node_authority *a, const struct base_u256 *token_id)
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
static int compare(const struct node_bundle *x, const struct base_hash32 *x_digest,
                   const struct node_bundle *y, const struct base_hash32 *y_digest)
{
    if (x->issued_block != y->issued_block) return x->issued_block < y->issued_block ? -1 : 1;
    if (x->revokes != y->revokes) return x->revokes ? 1 : -1;
    return memcmp(x_digest->bytes, y_digest->bytes, BASE_HASH32_BYTES);
}

/* ---- judging ---- */

struct trial {
    const struct node_authority *authority;
    const struct node_authority_world *world;
    const struct node_bundle *bundle;
    struct node_refusal *out;
    const struct slot *slot;       /* of this token; NULL: none */
    const struct chain_seat *seat; /* by line 1 */
    struct base_hash32 digest;
    struct chain_block issued; /* by line 5 */
};

static enum node_authority_verdict refuse(struct trial *t, enum node_authority_verdict verdict,
                                          enum node_reason reason)
{
    node_refusal_set(t->out, reason, t->world->raw->block.number);
    return verdict;
}

struct hex {
    char text[2 * BASE_KEY33_BYTES + 1];
};

static struct hex hex_of(const void *data, size_t len)
{
    struct hex hex;
    assert(2 * len < sizeof hex.text);
    base_hex_encode(hex.text, data, len);
    return hex;
}

/* Line 1 */
static enum node_authority_verdict owner_is_named(struct trial *t)
{
    t->seat = chain_snapshot_find_token(t->world->raw, &t->bundle->token_id);
    if (t->seat == NULL) {
        refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_NO_SEAT);
        node_refusal_expect(t->out, "an authorisation for a seat of this contract");
        node_refusal_find(t->out, "token 0x%s", hex_of(t->bundle->token_id.bytes, 32).text);
        return NODE_AUTHORITY_REFUSED;
    }
    if (base_address_equal(&t->seat->owner, &t->bundle->owner)) return NODE_AUTHORITY_UNDECIDED;
    refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED);
    node_refusal_expect(t->out, "an authorisation by 0x%s",
                        hex_of(t->seat->owner.bytes, BASE_ADDRESS_BYTES).text);
    node_refusal_find(t->out, "0x%s", hex_of(t->bundle->owner.bytes, BASE_ADDRESS_BYTES).text);
    return NODE_AUTHORITY_REFUSED;
}

/* Line 2. What was once kept stays in the way of what it has replaced, also while it does not count
 * itself: the owner has taken the older one back. */
static enum node_authority_verdict none_is_better(struct trial *t)
{
    const struct holding *kept = t->slot != NULL ? &t->slot->kept : NULL;
    if (kept == NULL || !kept->present ||
        compare(t->bundle, &t->digest, &kept->bundle, &kept->digest) >= 0)
        return NODE_AUTHORITY_UNDECIDED;
    refuse(t, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
    node_refusal_expect(t->out, "the owner's latest word, %s at block %llu",
                        kept->bundle.revokes ? "a revocation" : "issued",
                        (unsigned long long)kept->bundle.issued_block);
    node_refusal_find(t->out, "one issued at block %llu",
                      (unsigned long long)t->bundle->issued_block);
    return NODE_AUTHORITY_SUPERSEDED;
}

static bool was_signed(const struct trial *t)
{
    if (t->slot == NULL) return false;
    const struct holding *kept = &t->slot->kept, *aside = &t->slot->aside;
    return (kept->present && node_bundle_equal(&kept->bundle, t->bundle)) ||
           (aside->present && aside->is_signed && node_bundle_equal(&aside->bundle, t->bundle));
}

static enum node_authority_verdict refuse_signature(struct trial *t, const char *who)
{
    refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_SIGNATURE);
    node_refusal_expect(t->out, "a signature by the %s", who);
    return NODE_AUTHORITY_REFUSED;
}

/* Line 3. An owner that is a contract signs nothing that recovers to it. */
static enum node_authority_verdict three_have_signed(struct trial *t)
{
    const struct node_bundle *b = t->bundle;
    struct base_eth_address signer;
    if (was_signed(t)) return NODE_AUTHORITY_UNDECIDED;
    if (base_ecdsa_recover_address(&signer, &t->digest, &b->owner_sig) != BASE_OK)
        return refuse_signature(t, "seat's owner");
    if (!base_address_equal(&signer, &b->owner)) {
        refuse_signature(t, "seat's owner");
        node_refusal_find(t->out, "one by 0x%s, or over other fields",
                          hex_of(signer.bytes, BASE_ADDRESS_BYTES).text);
        return NODE_AUTHORITY_REFUSED;
    }
    if (b->revokes) return NODE_AUTHORITY_UNDECIDED;
    if (base_ecdsa_verify(&t->digest, &b->node_sig, &b->node_key) != BASE_OK)
        return refuse_signature(t, "node key");
    if (base_ecdsa_verify(&t->digest, &b->proof_sig, &b->proof.proof_key) != BASE_OK)
        return refuse_signature(t, "app proof key");
    return NODE_AUTHORITY_UNDECIDED;
}

/* Line 4 */
static enum node_authority_verdict instance_is_bound(struct trial *t)
{
    const struct base_eth_address *bound = &t->seat->instance;
    if (t->bundle->revokes) return NODE_AUTHORITY_UNDECIDED;
    if (!base_address_equal(&t->bundle->instance, bound) ||
        base_is_zero(bound->bytes, BASE_ADDRESS_BYTES)) {
        refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_INSTANCE_DIFFERS);
        node_refusal_expect(t->out, "0x%s", hex_of(bound->bytes, BASE_ADDRESS_BYTES).text);
        node_refusal_find(t->out, "0x%s",
                          hex_of(t->bundle->instance.bytes, BASE_ADDRESS_BYTES).text);
        return NODE_AUTHORITY_REFUSED;
    }
    if (t->seat->active) return NODE_AUTHORITY_UNDECIDED;
    return refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_INACTIVE);
}

static bool find_block(const struct node_authority_world *world, uint64_t number,
                       struct chain_block *out)
{
    if (number != world->raw->block.number) return world->block(world->ctx, number, out);
    *out = world->raw->block;
    return true;
}

static enum node_authority_verdict refuse_verifying(struct trial *t, const char *what)
{
    refuse(t, NODE_AUTHORITY_VERIFYING, NODE_REASON_VERIFYING);
    node_refusal_find(t->out, "%s block %llu not known yet", what,
                      (unsigned long long)t->bundle->issued_block);
    return NODE_AUTHORITY_VERIFYING;
}

/* Line 5. A block to come cannot be claimed, since its hash must stand. */
static enum node_authority_verdict block_is_canonical(struct trial *t)
{
    const struct node_bundle *b = t->bundle;
    if (b->issued_block > t->world->raw->block.number) {
        refuse(t, NODE_AUTHORITY_NOT_YET, NODE_REASON_NOT_YET);
        node_refusal_expect(t->out, "issued at block %llu at the latest",
                            (unsigned long long)t->world->raw->block.number);
        node_refusal_find(t->out, "block %llu", (unsigned long long)b->issued_block);
        return NODE_AUTHORITY_NOT_YET;
    }
    if (!find_block(t->world, b->issued_block, &t->issued))
        return refuse_verifying(t, "the hash of");
    if (base_hash32_equal(&t->issued.hash, &b->issued_block_hash)) return NODE_AUTHORITY_UNDECIDED;
    refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_BLOCK);
    node_refusal_expect(t->out, "block %llu, 0x%s", (unsigned long long)b->issued_block,
                        hex_of(t->issued.hash.bytes, BASE_HASH32_BYTES).text);
    node_refusal_find(t->out, "0x%s", hex_of(b->issued_block_hash.bytes, BASE_HASH32_BYTES).text);
    return NODE_AUTHORITY_REFUSED;
}

/* Line 6. A revocation has no term of its own, whatever it says: it lasts as long as anything that
 * it could take back. */
static enum node_authority_verdict term_has_not_ended(struct trial *t)
{
    uint64_t latest = t->issued.time_s + NODE_AUTHORITY_TERM_S;
    uint64_t ends = t->bundle->revokes ? latest : t->bundle->not_after;
    if (ends > latest) {
        refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_TERM);
        node_refusal_expect(t->out, "an end at %llu at the latest", (unsigned long long)latest);
        node_refusal_find(t->out, "%llu", (unsigned long long)ends);
        return NODE_AUTHORITY_REFUSED;
    }
    if (ends > t->world->raw->block.time_s) return NODE_AUTHORITY_UNDECIDED;
    refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_EXPIRED);
    node_refusal_expect(t->out, "an end later than %llu",
                        (unsigned long long)t->world->raw->block.time_s);
    node_refusal_find(t->out, "%llu", (unsigned long long)ends);
    return NODE_AUTHORITY_REFUSED;
}

/* Line 7: sold, and bought back. */
static enum node_authority_verdict token_has_not_moved(struct trial *t)
{
    uint64_t from = t->world->raw->transfers_from_block, issued = t->bundle->issued_block;
    if (from == CHAIN_BLOCK_NONE || from > issued + 1)
        return refuse_verifying(t, "the token's transfers since");
    if (t->seat->last_transfer_block <= issued) return NODE_AUTHORITY_UNDECIDED;
    refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED);
    node_refusal_expect(t->out, "no transfer after block %llu", (unsigned long long)issued);
    node_refusal_find(t->out, "one in block %llu",
                      (unsigned long long)t->seat->last_transfer_block);
    return NODE_AUTHORITY_REFUSED;
}

/* Line 8 */
static enum node_authority_verdict key_is_free(struct trial *t)
{
    const struct node_authority *a = t->authority;
    if (t->bundle->revokes) return NODE_AUTHORITY_UNDECIDED;
    for (size_t i = 0; i < a->count; i++) {
        const struct holding *kept = &a->slots[i].kept;
        if (base_u256_compare(&a->slots[i].token_id, &t->bundle->token_id) >= 0) break;
        if (!kept->counts || kept->bundle.revokes ||
            !base_key33_equal(&kept->bundle.node_key, &t->bundle->node_key))
            continue;
        refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_NODE_KEY_TAKEN);
        node_refusal_expect(t->out, "a node key of its own");
        node_refusal_find(t->out, "the one of token 0x%s",
                          hex_of(a->slots[i].token_id.bytes, 32).text);
        return NODE_AUTHORITY_REFUSED;
    }
    return NODE_AUTHORITY_UNDECIDED;
}

/* The order is the law. */
typedef enum node_authority_verdict (*line_fn)(struct trial *t);
static const line_fn LINES[] = {
    owner_is_named,     none_is_better,     three_have_signed,   instance_is_bound,
    block_is_canonical, term_has_not_ended, token_has_not_moved, key_is_free,
};

static bool equals_kept(const struct trial *t)
{
    const struct holding *kept = t->slot != NULL ? &t->slot->kept : NULL;
    return kept != NULL && kept->present && base_hash32_equal(&kept->digest, &t->digest);
}

static enum node_authority_verdict judge(struct trial *t)
{
    if (t->world->raw == NULL) {
        node_refusal_set(t->out, NODE_REASON_NOT_READY, 0);
        return NODE_AUTHORITY_VERIFYING;
    }
    node_bundle_digest(&t->digest, &t->world->domain, t->bundle);
    t->slot = slot_find(t->authority, &t->bundle->token_id);
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        enum node_authority_verdict verdict = LINES[i](t);
        if (verdict != NODE_AUTHORITY_UNDECIDED) return verdict;
    }
    node_refusal_set(t->out, NODE_REASON_NONE, t->world->raw->block.number);
    return equals_kept(t) && t->slot->kept.counts ? NODE_AUTHORITY_SAME : NODE_AUTHORITY_ACCEPTED;
}

enum node_authority_verdict node_authority_judge(struct node_refusal *out,
                                                 const struct node_authority *authority,
                                                 const struct node_authority_world *world,
                                                 const struct node_bundle *bundle)
{
    struct trial t = {.authority = authority, .world = world, .bundle = bundle, .out = out};
    return judge(&t);
}

/* ---- line 9 ---- */

const struct base_eth_address *node_authority_root_of(enum node_reason *why,
                                                      const struct node_authority_world *world,
                                                      const struct node_proof *proof)
{
    struct attest_sigchain chain = node_proof_chain(proof);
    struct attest_trust trust = {.purpose = ATTEST_PURPOSE};
    trust.app_ids = &proof->app_id; /* whether it is allowed is asked elsewhere */
    trust.app_id_count = 1;
    *why = NODE_REASON_CHAIN_KMS_ROOT;
    for (size_t i = 0; i < world->pins->root_count; i++) {
        const struct base_eth_address *root = &world->pins->roots[i];
        enum attest_verdict verdict;
        trust.kms_root = *root;
        attest_sigchain_verify(&verdict, &chain, &trust);
        *why = node_chain_reason(verdict);
        if (*why == NODE_REASON_NONE) return root;
        if (*why != NODE_REASON_CHAIN_KMS_ROOT) return NULL; /* no other root will help */
    }
    return NULL;
}

static bool app_may_count(const struct node_authority_world *world,
                          const struct base_eth_address *app_id)
{
    struct attest_pins_seen seen = {world->raw->kms_root, world->app_ids, world->app_id_count};
    return attest_pins_allows_app(world->pins, &seen, app_id);
}

static bool chain_holds(struct trial *t, struct base_eth_address *root)
{
    const struct node_proof *proof = &t->bundle->proof;
    enum node_reason why;
    if (t->bundle->revokes) return true;
    const struct base_eth_address *found = node_authority_root_of(&why, t->world, proof);
    if (found == NULL) {
        refuse(t, NODE_AUTHORITY_REFUSED, why);
        node_refusal_expect(t->out, "a chain from a KMS root that we trust");
    } else if (!app_may_count(t->world, &proof->app_id)) {
        refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_APP_ID_NOT_ALLOWED);
        node_refusal_expect(t->out, "an app id that is allowed here");
        node_refusal_find(t->out, "0x%s", hex_of(proof->app_id.bytes, BASE_ADDRESS_BYTES).text);
    } else {
        *root = *found;
        return true;
    }
    return false;
}

bool node_authority_is_forgery(enum node_reason reason)
{
    return reason == NODE_REASON_AUTHORISATION_SIGNATURE || reason == NODE_REASON_CHAIN_ENCODING ||
           reason == NODE_REASON_CHAIN_APP_SIGNATURE;
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
    if (slot->aside.present &&
        compare(&slot->aside.bundle, &slot->aside.digest, &holding->bundle, &holding->digest) <= 0)
        slot->aside = (struct holding){0};
    if (!holding->bundle.revokes) free_key_of_others(a, slot);
}

static void set_aside(struct slot *slot, const struct holding *holding)
{
    if (slot->aside.present &&
        compare(&slot->aside.bundle, &slot->aside.digest, &holding->bundle, &holding->digest) > 0)
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
               t->out->reason == NODE_REASON_NODE_KEY_TAKEN;
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

static enum node_authority_verdict offer(struct trial *t, struct node_authority *a)
{
    struct holding holding = {.present = true, .is_signed = true, .bundle = *t->bundle};
    struct slot *slot;
    enum node_authority_verdict verdict = judge(t);
    if (verdict == NODE_AUTHORITY_SAME || t->world->raw == NULL) return verdict;
    bool accepted = verdict == NODE_AUTHORITY_ACCEPTED, later = may_count_later(t, verdict);
    if (!accepted && !later) {
        if (is_early(t)) early_put(a, t->bundle);
        return verdict;
    }
    struct node_refusal first = *t->out;
    if (!chain_holds(t, &holding.root)) {
        if (accepted) return NODE_AUTHORITY_REFUSED;
        *t->out = first; /* not kept, but the earlier line is named */
        return verdict;
    }
    *t->out = first;
    if (slot_put(&slot, a, &t->bundle->token_id) != BASE_OK)
        return refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_NO_MEMORY);
    holding.digest = t->digest;
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

int node_authority_load(struct node_authority *authority, const struct node_bundle *bundle)
{
    struct slot *slot;
    int rv = slot_put(&slot, authority, &bundle->token_id);
    if (rv == BASE_OK) slot->aside = (struct holding){.present = true, .bundle = *bundle};
    return rv;
}

/* ---- a new snapshot ---- */

static void renew_kept(struct node_authority *a, const struct node_authority_world *world,
                       struct slot *slot)
{
    struct holding *kept = &slot->kept;
    struct node_refusal refusal;
    if (!kept->present) return;
    enum node_authority_verdict verdict = node_authority_judge(&refusal, a, world, &kept->bundle);
    bool holds = verdict == NODE_AUTHORITY_ACCEPTED || verdict == NODE_AUTHORITY_SAME;
    bool trusted = kept->bundle.revokes || (attest_pins_has_root(world->pins, &kept->root) &&
                                            app_may_count(world, &kept->bundle.proof.app_id));
    if (refusal.reason == NODE_REASON_AUTHORISATION_BLOCK ||
        refusal.reason == NODE_REASON_EXPIRED) {
        *kept = (struct holding){0}; /* can never count again */
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
        *cursor = (struct node_authority_cursor){true, authority->slots[i].token_id};
        *out = authority->slots[i].kept.bundle;
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
    const struct slot *slot = slot_find(authority, &bundle->token_id);
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
