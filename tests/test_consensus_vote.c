/* Votes: the digests that the contract recovers from, and what two of them prove. */
#include "json_vectors.h"

#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "consensus/vote.h"

static json_t *root;

static int setup(void **state)
{
    (void)state;
    return base_ecdsa_init();
}

static struct base_vote vote_of(const json_t *v)
{
    const json_t *m = json_vectors_object(v, "message");
    struct base_vote vote = {.kind = (enum base_vote_kind)json_vectors_u64(m, "kind"),
                             .first = json_vectors_u64(m, "first"),
                             .last = json_vectors_u64(m, "last")};
    json_vectors_hex(vote.epoch_id.bytes, 32, m, "epochId");
    json_vectors_hex(vote.hash.bytes, 32, m, "hash");
    return vote;
}

static struct base_vote vote_at(const json_t *index)
{
    return vote_of(
        json_array_get(json_vectors_array(root, "votes"), (size_t)json_integer_value(index)));
}

static void test_digest(void **state)
{
    const json_t *v = *state, *d = json_vectors_object(root, "domain");
    struct base_vote vote = vote_of(v);
    struct base_eip712_domain domain;
    struct base_eth_address contract, signer, expected;
    struct base_hash32 digest, known;
    struct base_sig65 sig;
    assert_true(consensus_vote_is_valid(&vote));
    json_vectors_hex(contract.bytes, 20, d, "verifyingContract");
    base_eip712_domain_init(&domain, json_vectors_u64(d, "chainId"), &contract);
    base_eip712_vote(&digest, &domain, &vote);
    json_vectors_hex(known.bytes, 32, v, "digest");
    assert_memory_equal(digest.bytes, known.bytes, 32);
    json_vectors_hex(sig.bytes, 65, v, "signature");
    json_vectors_hex(expected.bytes, 20, root, "signer");
    assert_int_equal(base_ecdsa_recover_address(&signer, &digest, &sig), BASE_OK);
    assert_memory_equal(signer.bytes, expected.bytes, 20);
}

static void test_evidence(void **state)
{
    const json_t *pair = json_vectors_array(*state, "votes");
    struct base_vote a = vote_at(json_array_get(pair, 0)), b = vote_at(json_array_get(pair, 1));
    uint64_t slot = 0;
    enum consensus_fault fault = consensus_vote_fault(&a, &b, &slot);
    assert_int_not_equal(fault, CONSENSUS_NO_FAULT);
    assert_int_equal(slot, json_vectors_u64(*state, "slot"));
    assert_int_equal(consensus_vote_fault(&b, &a, NULL), fault);
    b.epoch_id.bytes[31] ^= 1; /* two epochs have nothing to do with each other */
    assert_int_equal(consensus_vote_fault(&a, &b, NULL), CONSENSUS_NO_FAULT);
}

static void test_no_evidence(void **state)
{
    const json_t *pair = *state;
    struct base_vote a = vote_at(json_array_get(pair, 0)), b = vote_at(json_array_get(pair, 1));
    assert_int_equal(consensus_vote_fault(&a, &b, NULL), CONSENSUS_NO_FAULT);
    assert_int_equal(consensus_vote_fault(&b, &a, NULL), CONSENSUS_NO_FAULT);
}

/* Each pair by its name. */
static void test_faults(void **state)
{
    struct base_vote v[2] = {{.first = 5, .last = 5, .hash = {{1}}},
                             {.first = 5, .last = 5, .hash = {{2}}}};
    static const struct {
        enum base_vote_kind a, b;
        enum consensus_fault fault;
    } pairs[] = {
        {BASE_VOTE_CAND, BASE_VOTE_CAND, CONSENSUS_E1},
        {BASE_VOTE_NOTAR, BASE_VOTE_NOTAR, CONSENSUS_E2},
        {BASE_VOTE_FINAL, BASE_VOTE_FINAL, CONSENSUS_E4},
        {BASE_VOTE_FINAL, BASE_VOTE_NOTAR, CONSENSUS_E5},
        {BASE_VOTE_CAND, BASE_VOTE_NOTAR, CONSENSUS_NO_FAULT},
        {BASE_VOTE_CAND, BASE_VOTE_FINAL, CONSENSUS_NO_FAULT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        v[0].kind = pairs[i].a;
        v[1].kind = pairs[i].b;
        assert_int_equal(consensus_vote_fault(&v[0], &v[1], NULL), pairs[i].fault);
        struct base_vote other = v[1];
        other.first = other.last = 6;
        assert_int_equal(consensus_vote_fault(&v[0], &other, NULL), CONSENSUS_NO_FAULT);
        other = v[1];
        other.hash = v[0].hash;
        assert_int_equal(consensus_vote_fault(&v[0], &other, NULL), CONSENSUS_NO_FAULT);
    }
    struct base_vote skip = {.kind = BASE_VOTE_SKIP, .first = 3, .last = 5};
    v[0].kind = BASE_VOTE_FINAL;
    assert_int_equal(consensus_vote_fault(&v[0], &skip, NULL), CONSENSUS_E3);
    assert_string_equal(consensus_fault_name(CONSENSUS_E3), "E3");
    skip.first = skip.last = 4;
    assert_int_equal(consensus_vote_fault(&v[0], &skip, NULL), CONSENSUS_NO_FAULT);
    skip.first = 6, skip.last = 9;
    assert_int_equal(consensus_vote_fault(&v[0], &skip, NULL), CONSENSUS_NO_FAULT);
}

static void test_what_is_no_vote(void **state)
{
    struct base_vote v = {.kind = BASE_VOTE_NOTAR, .first = 5, .last = 5, .hash = {{1}}};
    (void)state;
    assert_true(consensus_vote_is_valid(&v));
    v.last = 6;
    assert_false(consensus_vote_is_valid(&v));
    v.kind = BASE_VOTE_SKIP;
    assert_false(consensus_vote_is_valid(&v)); /* it names a candidate */
    v.hash = (struct base_hash32){{0}};
    assert_true(consensus_vote_is_valid(&v));
    v.first = 7;
    assert_false(consensus_vote_is_valid(&v));
    v.kind = (enum base_vote_kind)5;
    assert_false(consensus_vote_is_valid(&v));
    assert_string_equal(consensus_vote_name(v.kind), "unknown");
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    root = json_vectors_load("votes.json");
    const json_t *votes = json_vectors_array(root, "votes"),
                 *evidence = json_vectors_array(root, "evidence"),
                 *none = json_vectors_array(root, "no_evidence");
    for (size_t i = 0; i < json_array_size(votes); i++) {
        const json_t *v = json_array_get(votes, i);
        json_vectors_add(&tests, test_digest, v, "digest: %s", json_vectors_string(v, "name"));
    }
    for (size_t i = 0; i < json_array_size(evidence); i++)
        json_vectors_add(&tests, test_evidence, json_array_get(evidence, i), "evidence %zu", i);
    for (size_t i = 0; i < json_array_size(none); i++)
        json_vectors_add(&tests, test_no_evidence, json_array_get(none, i), "no evidence %zu", i);
    json_vectors_add(&tests, test_faults, NULL, "faults by name");
    json_vectors_add(&tests, test_what_is_no_vote, NULL, "what is no vote");
    int failed = json_vectors_run(&tests, "votes", setup);
    json_decref(root);
    return failed;
}
