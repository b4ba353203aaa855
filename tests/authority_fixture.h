#ifndef NFTMESH_TESTS_AUTHORITY_FIXTURE_H
#define NFTMESH_TESTS_AUTHORITY_FIXTURE_H

#include "mesh_fixture.h"

#define SEAT 1 /* index of the seat that most tests are about; its token is 2 */

/* A mesh on the prototype's contract, reference 102, with a store of authorisations; what the tests
 * of node/authority have in common. */
extern struct mesh_fixture f;
extern struct node_refusal refusal; /* of the last offer */

int authority_setup(void **state);
int authority_teardown(void **state);

const struct node_keyset *authority_keys_of(size_t node);
uint64_t authority_reference(void);
/* A node's authorisation, or its owner's revocation, issued at that block. */
struct node_bundle authority_issue(size_t node, uint64_t block);
struct node_bundle authority_revoke(size_t node, uint64_t block);
/* Another node key for the same seat and instance. */
struct node_keyset authority_rotated(size_t node);

enum node_authority_verdict authority_offer(const struct node_bundle *bundle);
void authority_assert_offer(const struct node_bundle *bundle, enum node_authority_verdict verdict,
                            enum node_reason reason);
void authority_accept(const struct node_bundle *bundle);
/* Does the key stand on a seat of the derived snapshot? */
bool authority_counts(const struct base_key33 *key);
bool authority_node_counts(size_t node);

/* One fault each, made in a good authorisation or in the world around it, in the order of the
 * lines. */
void fault_unknown_token(struct node_bundle *b);
void fault_other_owner(struct node_bundle *b);
void fault_older(struct node_bundle *b);
void fault_revoked(struct node_bundle *b);
void fault_owner_did_not_sign(struct node_bundle *b);
void fault_another_owner_signed(struct node_bundle *b);
void fault_node_key_did_not_sign(struct node_bundle *b);
void fault_proof_key_did_not_sign(struct node_bundle *b);
void fault_field_changed(struct node_bundle *b);
void fault_instance_moved(struct node_bundle *b);
void fault_instance_gone(struct node_bundle *b);
void fault_deactivated(struct node_bundle *b);
void fault_resign(struct node_bundle *b);
void fault_issued_later(struct node_bundle *b);
void fault_block_unknown(struct node_bundle *b);
void fault_block_of_another_fork(struct node_bundle *b);
void fault_for_too_long(struct node_bundle *b);
void fault_has_ended(struct node_bundle *b);
void fault_transfers_unknown(struct node_bundle *b);
void fault_transfers_known_from_later(struct node_bundle *b);
void fault_moved_since(struct node_bundle *b);
void fault_key_of_lower_token(struct node_bundle *b);
void fault_chain_of_another_root(struct node_bundle *b);
void fault_chain_of_another_app_key(struct node_bundle *b);
void fault_chain_not_encoded(struct node_bundle *b);
void fault_app_not_allowed(struct node_bundle *b);
void fault_app_not_pinned(struct node_bundle *b);
void fault_root_not_pinned(struct node_bundle *b);

#endif
