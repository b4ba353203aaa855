#include "node/authority_internal.h"

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <assert.h>
#include <string.h>

enum node_authority_verdict node__authority_refuse(struct trial *t,
                                                   enum node_authority_verdict verdict,
                                                   enum node_reason reason)
{
    node_refusal_set(t->out, reason, t->world->raw->block.number);
    return verdict;
}

/* Line 1 */
static enum node_authority_verdict owner_is_named(struct trial *t)
{
    t->seat = chain_snapshot_find_token(t->world->raw, &t->bundle->token_id);
    if (t->seat == NULL) {
        node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_NO_SEAT);
        node_refusal_expect(t->out, "an authorisation for a seat of this contract");
        node_refusal_find(t->out, "token 0x%s", node_hex_of(t->bundle->token_id.bytes, 32).text);
        return NODE_AUTHORITY_REFUSED;
    }
    if (base_address_equal(&t->seat->owner, &t->bundle->owner)) return NODE_AUTHORITY_UNDECIDED;
    node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED);
    node_refusal_expect(t->out, "an authorisation by 0x%s",
                        node_hex_of(t->seat->owner.bytes, BASE_ADDRESS_BYTES).text);
    node_refusal_find(t->out, "0x%s", node_hex_of(t->bundle->owner.bytes, BASE_ADDRESS_BYTES).text);
    return NODE_AUTHORITY_REFUSED;
}

/* Line 2. What was once kept stays in the way of what it has replaced, also while it does not count
 * itself: the owner has taken the older one back. What another owner has said is no matter, nor
 * what is of a chain that went on further than this one. */
static enum node_authority_verdict none_is_better(struct trial *t)
{
    const struct holding *kept = t->slot != NULL ? &t->slot->kept : NULL;
    if (kept == NULL || !kept->present ||
        !base_address_equal(&kept->bundle.owner, &t->bundle->owner) ||
        kept->bundle.issued_block > t->world->raw->block.number ||
        node__authority_compare(t->bundle, &t->digest, &kept->bundle, &kept->digest) >= 0)
        return NODE_AUTHORITY_UNDECIDED;
    node__authority_refuse(t, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED);
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
    if (t->bundle == &kept->bundle) return kept->is_signed;
    return (kept->present && kept->is_signed && node_bundle_equal(&kept->bundle, t->bundle)) ||
           (aside->present && aside->is_signed && node_bundle_equal(&aside->bundle, t->bundle));
}

static enum node_authority_verdict refuse_signature(struct trial *t, const char *who)
{
    node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_SIGNATURE);
    node_refusal_expect(t->out, "a signature by the %s", who);
    return NODE_AUTHORITY_REFUSED;
}

/* Line 3. An owner that is a contract signs nothing that recovers to it. */
static enum node_authority_verdict three_have_signed(struct trial *t)
{
    const struct node_bundle *b = t->bundle;
    struct base_eth_address signer;
    if (was_signed(t)) return NODE_AUTHORITY_UNDECIDED;
    t->has_worked = true;
    if (base_ecdsa_recover_address(&signer, &t->digest, &b->owner_sig) != BASE_OK)
        return refuse_signature(t, "seat's owner");
    if (!base_address_equal(&signer, &b->owner)) {
        refuse_signature(t, "seat's owner");
        node_refusal_find(t->out, "one by 0x%s, or over other fields",
                          node_hex_of(signer.bytes, BASE_ADDRESS_BYTES).text);
        return NODE_AUTHORITY_REFUSED;
    }
    if (b->revokes) return NODE_AUTHORITY_UNDECIDED;
    if (base_ecdsa_verify(&t->digest, &b->node_sig, &b->node_key) != BASE_OK)
        return refuse_signature(t, "node key");
    if (base_ecdsa_verify(&t->digest, &b->proof_sig, &b->proof.proof_key) != BASE_OK)
        return refuse_signature(t, "app proof key");
    return NODE_AUTHORITY_UNDECIDED;
}

enum node_authority_verdict node__authority_signatures(struct trial *t)
{
    return three_have_signed(t);
}

/* Line 4 */
static enum node_authority_verdict instance_is_bound(struct trial *t)
{
    const struct base_eth_address *bound = &t->seat->instance;
    if (t->bundle->revokes) return NODE_AUTHORITY_UNDECIDED;
    if (!base_address_equal(&t->bundle->instance, bound) ||
        base_is_zero(bound->bytes, BASE_ADDRESS_BYTES)) {
        node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_INSTANCE_DIFFERS);
        node_refusal_expect(t->out, "0x%s", node_hex_of(bound->bytes, BASE_ADDRESS_BYTES).text);
        node_refusal_find(t->out, "0x%s",
                          node_hex_of(t->bundle->instance.bytes, BASE_ADDRESS_BYTES).text);
        return NODE_AUTHORITY_REFUSED;
    }
    if (t->seat->active) return NODE_AUTHORITY_UNDECIDED;
    return node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_INACTIVE);
}

bool node__authority_find_block(const struct node_authority_world *world, uint64_t number,
                                struct chain_block *out)
{
    if (number != world->raw->block.number) return world->block(world->ctx, number, out);
    *out = world->raw->block;
    return true;
}

static enum node_authority_verdict refuse_verifying(struct trial *t, const char *what)
{
    node__authority_refuse(t, NODE_AUTHORITY_VERIFYING, NODE_REASON_VERIFYING);
    node_refusal_find(t->out, "%s block %llu not known yet", what,
                      (unsigned long long)t->bundle->issued_block);
    return NODE_AUTHORITY_VERIFYING;
}

/* Line 5. A block to come cannot be claimed, since its hash must stand. */
static enum node_authority_verdict block_is_canonical(struct trial *t)
{
    const struct node_bundle *b = t->bundle;
    if (b->issued_block > t->world->raw->block.number) {
        node__authority_refuse(t, NODE_AUTHORITY_NOT_YET, NODE_REASON_NOT_YET);
        node_refusal_expect(t->out, "issued at block %llu at the latest",
                            (unsigned long long)t->world->raw->block.number);
        node_refusal_find(t->out, "block %llu", (unsigned long long)b->issued_block);
        return NODE_AUTHORITY_NOT_YET;
    }
    if (!node__authority_find_block(t->world, b->issued_block, &t->issued))
        return refuse_verifying(t, "the hash of");
    if (base_hash32_equal(&t->issued.hash, &b->issued_block_hash)) return NODE_AUTHORITY_UNDECIDED;
    node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_BLOCK);
    node_refusal_expect(t->out, "block %llu, 0x%s", (unsigned long long)b->issued_block,
                        node_hex_of(t->issued.hash.bytes, BASE_HASH32_BYTES).text);
    node_refusal_find(t->out, "0x%s",
                      node_hex_of(b->issued_block_hash.bytes, BASE_HASH32_BYTES).text);
    return NODE_AUTHORITY_REFUSED;
}

/* Line 6. A revocation has no term of its own, whatever it says: it lasts as long as anything that
 * it could take back. */
static enum node_authority_verdict term_has_not_ended(struct trial *t)
{
    uint64_t latest = t->issued.time_s + NODE_AUTHORITY_TERM_S;
    uint64_t ends = t->bundle->revokes ? latest : t->bundle->not_after;
    if (ends > latest) {
        node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_TERM);
        node_refusal_expect(t->out, "an end at %llu at the latest", (unsigned long long)latest);
        node_refusal_find(t->out, "%llu", (unsigned long long)ends);
        return NODE_AUTHORITY_REFUSED;
    }
    if (ends > t->world->raw->block.time_s) return NODE_AUTHORITY_UNDECIDED;
    node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_EXPIRED);
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
    node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED);
    node_refusal_expect(t->out, "no transfer after block %llu", (unsigned long long)issued);
    node_refusal_find(t->out, "one in block %llu",
                      (unsigned long long)t->seat->last_transfer_block);
    return NODE_AUTHORITY_REFUSED;
}

/* With thousands of tokens this is asked millions of times a block: the last byte tells most keys
 * apart. */
static bool is_same_key(const struct base_key33 *a, const struct base_key33 *b)
{
    return a->bytes[BASE_KEY33_BYTES - 1] == b->bytes[BASE_KEY33_BYTES - 1] &&
           base_key33_equal(a, b);
}

/* Line 8 */
static enum node_authority_verdict key_is_free(struct trial *t)
{
    const struct node_authority *a = t->authority;
    size_t below = t->slot != NULL ? (size_t)(t->slot - a->slots) : a->count;
    if (t->bundle->revokes) return NODE_AUTHORITY_UNDECIDED;
    for (size_t i = 0; i < below; i++) {
        const struct holding *kept = &a->slots[i].kept;
        if (!kept->counts || kept->bundle.revokes ||
            !is_same_key(&kept->bundle.node_key, &t->bundle->node_key) ||
            base_u256_compare(&a->slots[i].token_id, &t->bundle->token_id) > 0)
            continue;
        node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_NODE_KEY_TAKEN);
        node_refusal_expect(t->out, "a node key of its own");
        node_refusal_find(t->out, "the one of token 0x%s",
                          node_hex_of(a->slots[i].token_id.bytes, 32).text);
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

enum node_authority_verdict node__authority_judge(struct trial *t)
{
    if (t->world->raw == NULL) {
        node_refusal_set(t->out, NODE_REASON_NOT_READY, 0);
        return NODE_AUTHORITY_VERIFYING;
    }
    t->slot = node__authority_slot_find(t->authority, &t->bundle->token_id);
    if (t->slot != NULL && t->bundle == &t->slot->kept.bundle)
        t->digest = t->slot->kept.digest;
    else
        node_bundle_digest(&t->digest, &t->world->domain, t->bundle);
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
    return node__authority_judge(&t);
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

bool node__authority_app_may_count(const struct node_authority_world *world,
                                   const struct base_eth_address *app_id)
{
    struct attest_pins_seen seen = {world->raw->kms_root, world->app_ids, world->app_id_count};
    return attest_pins_allows_app(world->pins, &seen, app_id);
}

bool node__authority_chain_holds(struct trial *t, struct base_eth_address *root)
{
    const struct node_proof *proof = &t->bundle->proof;
    enum node_reason why;
    if (t->bundle->revokes) return true;
    const struct base_eth_address *found = node_authority_root_of(&why, t->world, proof);
    if (found == NULL) {
        node__authority_refuse(t, NODE_AUTHORITY_REFUSED, why);
        node_refusal_expect(t->out, "a chain from a KMS root that we trust");
    } else if (!node__authority_app_may_count(t->world, &proof->app_id)) {
        node__authority_refuse(t, NODE_AUTHORITY_REFUSED, NODE_REASON_APP_ID_NOT_ALLOWED);
        node_refusal_expect(t->out, "an app id that is allowed here");
        node_refusal_find(t->out, "0x%s",
                          node_hex_of(proof->app_id.bytes, BASE_ADDRESS_BYTES).text);
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
