#include "authority_fixture.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct mesh_fixture f;
struct node_refusal refusal;

int authority_setup(void **state)
{
    (void)state;
    mesh_fixture_init(&f);
    mesh_fixture_to_prototype(&f); /* reference 102 */
    return 0;
}

int authority_teardown(void **state)
{
    (void)state;
    mesh_fixture_deinit(&f);
    return 0;
}

const struct node_keyset *authority_keys_of(size_t node)
{
    return &f.nodes[node].identity.keys;
}

uint64_t authority_reference(void)
{
    return f.prototype.world.raw->block.number;
}

enum node_authority_verdict authority_offer(const struct node_bundle *bundle)
{
    return node_authority_offer(&refusal, f.prototype.authority, &f.prototype.world, bundle);
}

void authority_assert_offer(const struct node_bundle *bundle, enum node_authority_verdict verdict,
                            enum node_reason reason)
{
    enum node_authority_verdict got = authority_offer(bundle);
    if (got != verdict || refusal.reason != reason)
        fail_msg("%s, %s", node_authority_verdict_name(got), node_reason_name(refusal.reason));
}

struct node_bundle authority_issue(size_t node, uint64_t block)
{
    struct node_bundle bundle;
    mesh_fixture_bundle(&f, &bundle, authority_keys_of(node), block);
    return bundle;
}

struct node_bundle authority_revoke(size_t node, uint64_t block)
{
    struct node_bundle bundle;
    mesh_fixture_revocation(&f, &bundle, node + 1, block);
    return bundle;
}

void authority_accept(const struct node_bundle *bundle)
{
    authority_assert_offer(bundle, NODE_AUTHORITY_ACCEPTED, NODE_REASON_NONE);
}

/* Another node key for the same seat and instance. */
struct node_keyset authority_rotated(size_t node)
{
    struct node_keyset keys = *authority_keys_of(node), other;
    mesh_fixture_keys(&f, &other, "rotated", node + 1);
    keys.node_priv = other.node_priv;
    keys.node_key = other.node_key;
    return keys;
}

bool authority_counts(const struct base_key33 *key)
{
    struct chain_snapshot *derived;
    assert_int_equal(node_authority_derive(&derived, f.prototype.authority, &f.prototype.world),
                     BASE_OK);
    bool found = chain_snapshot_find_key(derived, key) != NULL;
    assert_int_equal(found, node_authority_of_key(f.prototype.authority, key) != NULL);
    chain_snapshot_free(derived);
    return found;
}

bool authority_node_counts(size_t node)
{
    return authority_counts(&authority_keys_of(node)->node_key);
}

/* --- one fault each, in the order of the lines ------------------------------------------------ */

void fault_unknown_token(struct node_bundle *b)
{
    b->token_id = base_u256_from_u64(77);
}

void fault_other_owner(struct node_bundle *b)
{
    b->owner.bytes[3] ^= 1;
}

void fault_older(struct node_bundle *b)
{
    struct node_bundle better = authority_issue(SEAT, b->issued_block + 1);
    authority_accept(&better);
}

void fault_revoked(struct node_bundle *b)
{
    struct node_bundle better = authority_revoke(SEAT, b->issued_block);
    authority_accept(&better);
}

void fault_owner_did_not_sign(struct node_bundle *b)
{
    b->owner_sig.bytes[40] ^= 1;
}

void fault_another_owner_signed(struct node_bundle *b)
{
    struct node_bundle other = authority_issue(3, b->issued_block);
    b->owner_sig = other.owner_sig;
}

void fault_node_key_did_not_sign(struct node_bundle *b)
{
    b->node_sig = b->proof_sig;
}

void fault_proof_key_did_not_sign(struct node_bundle *b)
{
    b->proof_sig = b->node_sig;
}

void fault_field_changed(struct node_bundle *b)
{
    b->not_after--;
}

void fault_instance_moved(struct node_bundle *b)
{
    struct chain_seat *seat = &f.seats[b->token_id.bytes[31] - 1];
    seat->instance.bytes[0] ^= 1;
    mesh_fixture_publish(&f);
}

void fault_instance_gone(struct node_bundle *b)
{
    (void)b;
    memset(&f.seats[SEAT].instance, 0, sizeof f.seats[SEAT].instance);
    mesh_fixture_publish(&f);
}

void fault_deactivated(struct node_bundle *b)
{
    (void)b;
    f.seats[SEAT].active = false;
    mesh_fixture_publish(&f);
}

void fault_resign(struct node_bundle *b)
{
    mesh_fixture_sign_bundle(&f, b, authority_keys_of(SEAT));
}

void fault_issued_later(struct node_bundle *b)
{
    b->issued_block = authority_reference() + 1;
    b->issued_block_hash = mesh_fixture_block(&f, b->issued_block).hash;
    fault_resign(b);
}

void fault_block_unknown(struct node_bundle *b)
{
    f.prototype.block_hidden = b->issued_block;
}

void fault_block_of_another_fork(struct node_bundle *b)
{
    b->issued_block_hash.bytes[0] ^= 1;
    fault_resign(b);
}

void fault_for_too_long(struct node_bundle *b)
{
    b->not_after = mesh_fixture_block(&f, b->issued_block).time_s + NODE_AUTHORITY_TERM_S + 1;
    fault_resign(b);
}

void fault_has_ended(struct node_bundle *b)
{
    b->not_after = f.prototype.world.raw->block.time_s;
    fault_resign(b);
}

void fault_transfers_unknown(struct node_bundle *b)
{
    (void)b;
    f.head.transfers_from_block = CHAIN_BLOCK_NONE;
    mesh_fixture_publish(&f);
}

void fault_transfers_known_from_later(struct node_bundle *b)
{
    f.head.transfers_from_block = b->issued_block + 2;
    mesh_fixture_publish(&f);
}

void fault_moved_since(struct node_bundle *b)
{
    f.seats[SEAT].last_transfer_block = b->issued_block + 1;
    mesh_fixture_publish(&f);
}

void fault_key_of_lower_token(struct node_bundle *b)
{
    struct node_keyset lower = *authority_keys_of(SEAT);
    struct node_bundle first;
    lower.token_id = base_u256_from_u64(1);
    lower.instance = authority_keys_of(0)->instance;
    mesh_fixture_bundle(&f, &first, &lower, b->issued_block);
    authority_accept(&first);
}

void fault_chain_of_another_root(struct node_bundle *b)
{
    struct base_privkey priv;
    mesh_fixture_privkey(&priv, "another KMS");
    assert_int_equal(attest_sign_kms(&b->proof.kms_sig, &priv, &b->proof.app_id, &b->proof.app_key),
                     BASE_OK);
}

void fault_chain_of_another_app_key(struct node_bundle *b)
{
    struct base_privkey priv;
    mesh_fixture_privkey(&priv, "another app");
    assert_int_equal(attest_sign_app(&b->proof.app_sig, &priv, ATTEST_PURPOSE,
                                     strlen(ATTEST_PURPOSE), b->proof.proof_key.bytes, 33),
                     BASE_OK);
}

void fault_chain_not_encoded(struct node_bundle *b)
{
    b->proof.app_sig.bytes[64] = 27;
}

void fault_app_not_allowed(struct node_bundle *b)
{
    (void)b;
    f.prototype.world.app_id_count = 0;
}

void fault_app_not_pinned(struct node_bundle *b)
{
    (void)b;
    f.pins.app_id_count = 0;
}

void fault_root_not_pinned(struct node_bundle *b)
{
    (void)b;
    f.pins.root_count = 0;
}
