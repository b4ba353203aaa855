/* An authorisation's own checks, where the contract stores no keys: every line refuses with exactly
 * its reason, and of two faults the earlier line is named. */
#include "authority_fixture.h"

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct fault {
    const char *name;
    void (*apply)(struct node_bundle *b);
    int line;
    enum node_authority_verdict verdict;
    enum node_reason reason;
} FAULTS[] = {
    {"unknown token", fault_unknown_token, 1, NODE_AUTHORITY_REFUSED, NODE_REASON_NO_SEAT},
    {"other owner", fault_other_owner, 1, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED},
    {"older", fault_older, 2, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED},
    {"revoked", fault_revoked, 2, NODE_AUTHORITY_SUPERSEDED, NODE_REASON_SUPERSEDED},
    {"owner did not sign", fault_owner_did_not_sign, 3, NODE_AUTHORITY_REFUSED,
     NODE_REASON_AUTHORISATION_SIGNATURE},
    {"another owner signed", fault_another_owner_signed, 3, NODE_AUTHORITY_REFUSED,
     NODE_REASON_AUTHORISATION_SIGNATURE},
    {"node key did not sign", fault_node_key_did_not_sign, 3, NODE_AUTHORITY_REFUSED,
     NODE_REASON_AUTHORISATION_SIGNATURE},
    {"proof key did not sign", fault_proof_key_did_not_sign, 3, NODE_AUTHORITY_REFUSED,
     NODE_REASON_AUTHORISATION_SIGNATURE},
    {"a field changed", fault_field_changed, 3, NODE_AUTHORITY_REFUSED,
     NODE_REASON_AUTHORISATION_SIGNATURE},
    {"instance moved", fault_instance_moved, 4, NODE_AUTHORITY_REFUSED,
     NODE_REASON_INSTANCE_DIFFERS},
    {"no instance", fault_instance_gone, 4, NODE_AUTHORITY_REFUSED, NODE_REASON_INSTANCE_DIFFERS},
    {"deactivated", fault_deactivated, 4, NODE_AUTHORITY_REFUSED, NODE_REASON_INACTIVE},
    {"issued later", fault_issued_later, 5, NODE_AUTHORITY_NOT_YET, NODE_REASON_NOT_YET},
    {"block unknown", fault_block_unknown, 5, NODE_AUTHORITY_VERIFYING, NODE_REASON_VERIFYING},
    {"another fork's block", fault_block_of_another_fork, 5, NODE_AUTHORITY_REFUSED,
     NODE_REASON_AUTHORISATION_BLOCK},
    {"for too long", fault_for_too_long, 6, NODE_AUTHORITY_REFUSED, NODE_REASON_AUTHORISATION_TERM},
    {"has ended", fault_has_ended, 6, NODE_AUTHORITY_REFUSED, NODE_REASON_EXPIRED},
    {"transfers unknown", fault_transfers_unknown, 7, NODE_AUTHORITY_VERIFYING,
     NODE_REASON_VERIFYING},
    {"transfers known later", fault_transfers_known_from_later, 7, NODE_AUTHORITY_VERIFYING,
     NODE_REASON_VERIFYING},
    {"moved since", fault_moved_since, 7, NODE_AUTHORITY_REFUSED, NODE_REASON_OWNER_CHANGED},
    {"a lower token's key", fault_key_of_lower_token, 8, NODE_AUTHORITY_REFUSED,
     NODE_REASON_NODE_KEY_TAKEN},
    {"another root", fault_chain_of_another_root, 9, NODE_AUTHORITY_REFUSED,
     NODE_REASON_CHAIN_KMS_ROOT},
    {"another app key", fault_chain_of_another_app_key, 9, NODE_AUTHORITY_REFUSED,
     NODE_REASON_CHAIN_APP_SIGNATURE},
    {"chain not encoded", fault_chain_not_encoded, 9, NODE_AUTHORITY_REFUSED,
     NODE_REASON_CHAIN_ENCODING},
    {"app not allowed", fault_app_not_allowed, 9, NODE_AUTHORITY_REFUSED,
     NODE_REASON_APP_ID_NOT_ALLOWED},
    {"app not pinned", fault_app_not_pinned, 9, NODE_AUTHORITY_REFUSED,
     NODE_REASON_APP_ID_NOT_ALLOWED},
    {"root not pinned", fault_root_not_pinned, 9, NODE_AUTHORITY_REFUSED,
     NODE_REASON_CHAIN_KMS_ROOT},
};
#define FAULT_COUNT (sizeof FAULTS / sizeof FAULTS[0])

static void test_fault_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        authority_teardown(NULL);
        authority_setup(NULL);
        struct node_bundle b = authority_issue(SEAT, 101);
        FAULTS[i].apply(&b);
        if (authority_offer(&b) != FAULTS[i].verdict || refusal.reason != FAULTS[i].reason)
            fail_msg("%s: %s", FAULTS[i].name, node_reason_name(refusal.reason));
        assert_int_equal(refusal.block, authority_reference());
        const struct node_bundle *kept = node_authority_of_key(f.prototype.authority, &b.node_key);
        assert_true(kept == NULL || !node_bundle_equal(kept, &b));
    }
}

/* Faults that change what is signed, and are signed anew, may follow one that is not; two that make
 * the bundle another statement about the same thing are one. */
static bool is_pair(const struct fault *a, const struct fault *b)
{
    bool makes_another = a->line == 2 || b->line == 8 || a->line == 8;
    bool signs = b->apply == fault_issued_later || b->apply == fault_block_of_another_fork ||
                 b->apply == fault_for_too_long || b->apply == fault_has_ended;
    bool blinds = b->apply == fault_app_not_allowed || b->apply == fault_app_not_pinned ||
                  b->apply == fault_root_not_pinned;
    return a->line < b->line && !makes_another && !(signs && a->line <= 3) &&
           !(b->line == 3 && a->line == 3) && !(blinds && a->line == 2);
}

/* The second fault is put in first: what it signs, the first may then spoil. */
static void test_first_line_is_named(void **state)
{
    size_t pairs = 0;
    (void)state;
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        for (size_t j = 0; j < FAULT_COUNT; j++) {
            if (!is_pair(&FAULTS[i], &FAULTS[j])) continue;
            authority_teardown(NULL);
            authority_setup(NULL);
            struct node_bundle b = authority_issue(SEAT, 101);
            FAULTS[j].apply(&b);
            FAULTS[i].apply(&b);
            if (authority_offer(&b) != FAULTS[i].verdict || refusal.reason != FAULTS[i].reason)
                fail_msg("%s, then %s: %s", FAULTS[i].name, FAULTS[j].name,
                         node_reason_name(refusal.reason));
            pairs++;
        }
    }
    assert_true(pairs > 100);
}

/* --- what counts ------------------------------------------------------------------------------ */

#define CASE(test) cmocka_unit_test_setup_teardown(test, authority_setup, authority_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_fault_is_refused),
        CASE(test_first_line_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
