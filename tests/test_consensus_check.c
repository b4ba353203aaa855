/* The checkers of simulated clusters: for each of them a history in which it must speak up. Four
 * members of weight 1, windows of ten slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "consensus_world.h"

#define N      4
#define WINDOW 10

static struct consensus_voter voters[N];
static struct consensus_lead leads[N];
static struct check *check;
static struct model *model;
static const struct base_hash32 epoch = {{0xe}}, genesis = {{0x9}}, A = {{0xa}}, B = {{0xb}};

static int setup(void **state)
{
    (void)state;
    memset(voters, 0, sizeof voters);
    memset(leads, 0, sizeof leads);
    for (uint8_t i = 0; i < N; i++) {
        voters[i].key.bytes[32] = leads[i].key.bytes[32] = i;
        voters[i].signer.bytes[0] = i + 1;
        voters[i].weight = leads[i].weight = 1;
    }
    check = check_new(&(struct check_setup){.voters = voters,
                                            .leads = leads,
                                            .count = N,
                                            .window_slots = WINDOW,
                                            .epoch_id = &epoch,
                                            .verify = world_verify});
    model = model_new(&(struct model_setup){.voters = voters,
                                            .count = N,
                                            .window_slots = WINDOW,
                                            .epoch_id = &epoch,
                                            .genesis = &genesis,
                                            .verify = world_verify});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    check_free(check);
    model_free(model);
    return 0;
}

static void assert_speaks(const char *what)
{
    const char *failure = check_failure(check);
    if (failure == NULL) fail_msg("nobody noticed; `%s` expected", what);
    if (strstr(failure, what) == NULL) fail_msg("`%s`, not `%s`", failure, what);
}

static void assert_silent(void)
{
    if (check_failure(check) != NULL) fail_msg("`%s`", check_failure(check));
}

static struct base_vote vote(enum base_vote_kind kind, uint64_t slot,
                             const struct base_hash32 *hash)
{
    struct base_vote v = {.epoch_id = epoch, .kind = kind, .first = slot, .last = slot};
    if (kind == BASE_VOTE_SKIP)
        v.last = (slot / WINDOW + 1) * WINDOW - 1;
    else
        v.hash = *hash;
    return v;
}

static void says(size_t member, enum base_vote_kind kind, uint64_t slot,
                 const struct base_hash32 *hash)
{
    struct base_vote v = vote(kind, slot, hash);
    check_vote(check, member, &v, true);
}

static struct consensus_cert_vote votes[N + 1];

/* Of the first so many members. */
static struct consensus_cert cert(enum base_vote_kind kind, uint64_t slot,
                                  const struct base_hash32 *hash, uint32_t count)
{
    struct base_vote v = vote(kind, slot, hash);
    struct consensus_cert c = {kind, v.first, v.last, v.hash, count, votes};
    for (uint16_t i = 0; i < count; i++)
        votes[i] =
            (struct consensus_cert_vote){i, slot, world_signature(&voters[i % N].signer, &v)};
    return c;
}

static void holds(enum base_vote_kind kind, uint64_t slot, const struct base_hash32 *hash)
{
    struct consensus_cert c = cert(kind, slot, hash, 3);
    check_cert(check, 0, &c);
}

/* ---- */

static void test_a_sound_history(void **state)
{
    (void)state;
    for (uint64_t slot = 0; slot < 3; slot++) {
        for (size_t i = 0; i < N; i++)
            says(i, BASE_VOTE_NOTAR, slot, &A);
        holds(BASE_VOTE_NOTAR, slot, &A);
        for (size_t i = 0; i < N; i++)
            says(i, BASE_VOTE_FINAL, slot, &A);
        holds(BASE_VOTE_FINAL, slot, &A);
        for (size_t i = 0; i < N; i++)
            check_final(check, i, slot, slot == 0 ? CONSENSUS_NO_SLOT : slot - 1, &A);
    }
    for (size_t i = 0; i < N; i++)
        says(i, BASE_VOTE_SKIP, 3, NULL);
    holds(BASE_VOTE_SKIP, 3, NULL);
    holds(BASE_VOTE_NOTAR, 10, &B);
    holds(BASE_VOTE_FINAL, 10, &B);
    check_final(check, 0, 10, 2, &B);
    check_leases(check, &(size_t){1}, &(uint64_t){1}, 1);
    assert_silent();
    assert_true(check_is_final(check, 10, &B) && check_is_skipped(check, 9));
}

static void test_i1_two_final_candidates(void **state)
{
    (void)state;
    check_final(check, 0, 0, CONSENSUS_NO_SLOT, &A);
    assert_silent();
    check_final(check, 1, 0, CONSENSUS_NO_SLOT, &B);
    assert_speaks("I1 two final candidates of slot 0");
}

static void test_i1_out_of_order(void **state)
{
    (void)state;
    check_final(check, 0, 0, CONSENSUS_NO_SLOT, &A);
    check_final(check, 0, 1, 0, &A);
    check_final(check, 1, 0, CONSENSUS_NO_SLOT, &A);
    check_start(check, 0); /* a restart may begin again */
    check_final(check, 0, 0, CONSENSUS_NO_SLOT, &A);
    assert_silent();
    check_final(check, 0, 2, 1, &A);
    assert_speaks("I1 member 0: final slot 2 does not follow");
}

static void test_i1_two_final_certificates(void **state)
{
    (void)state;
    holds(BASE_VOTE_NOTAR, 0, &A);
    holds(BASE_VOTE_FINAL, 0, &A);
    assert_silent();
    holds(BASE_VOTE_FINAL, 0, &B);
    assert_speaks("I1 two FINAL certificates of slot 0");
}

static void test_i1_a_state_that_is_not_final(void **state)
{
    (void)state;
    check_final(check, 0, 0, CONSENSUS_NO_SLOT, &A);
    check_state(check, 1, 0, &A);
    assert_silent();
    check_state(check, 2, 0, &B);
    assert_speaks("I1 member 2 goes on from slot 0");
}

static void test_i2_parent_is_not_final(void **state)
{
    (void)state;
    check_start(check, 0);
    check_final(check, 0, 1, 0, &A);
    assert_speaks("I2 slot 1 is final, and its parent is not");
}

static void test_i2_a_gap_that_is_not_skipped(void **state)
{
    (void)state;
    check_final(check, 0, 0, CONSENSUS_NO_SLOT, &A);
    holds(BASE_VOTE_SKIP, 2, NULL);
    check_final(check, 0, 10, 0, &A);
    assert_speaks("I2 slot 1 is jumped over");
}

static void test_i2_final_within_a_gap(void **state)
{
    (void)state;
    check_final(check, 0, 0, CONSENSUS_NO_SLOT, &A);
    check_final(check, 1, 0, CONSENSUS_NO_SLOT, &A);
    check_final(check, 0, 1, 0, &A);
    holds(BASE_VOTE_SKIP, 1, NULL);
    check_final(check, 1, 10, 0, &A);
    assert_speaks("I2 slot 1 is final, between slot 10 and its parent");
}

static void test_i3_skipped_then_final(void **state)
{
    (void)state;
    holds(BASE_VOTE_NOTAR, 4, &A);
    holds(BASE_VOTE_SKIP, 4, NULL);
    assert_silent(); /* notarised and skipped: that may be */
    holds(BASE_VOTE_FINAL, 4, &A);
    assert_speaks("I3 slot 4 is skipped");
}

static void test_i3_final_then_skipped(void **state)
{
    (void)state;
    holds(BASE_VOTE_NOTAR, 4, &A);
    holds(BASE_VOTE_FINAL, 4, &A);
    holds(BASE_VOTE_SKIP, 5, NULL);
    assert_silent();
    holds(BASE_VOTE_SKIP, 3, NULL);
    assert_speaks("I3 slot 4 has a FINAL certificate");
}

static void test_i4_two_notarised(void **state)
{
    (void)state;
    holds(BASE_VOTE_NOTAR, 0, &A);
    holds(BASE_VOTE_NOTAR, 0, &A);
    assert_silent();
    holds(BASE_VOTE_NOTAR, 0, &B);
    assert_speaks("I4 two notarised candidates");
}

static void test_i5_final_without_notar(void **state)
{
    (void)state;
    holds(BASE_VOTE_FINAL, 0, &A);
    assert_speaks("I5 a FINAL certificate of slot 0");
}

static void test_i5_says_final_without_notar(void **state)
{
    (void)state;
    says(0, BASE_VOTE_NOTAR, 0, &A);
    assert_silent();
    says(0, BASE_VOTE_FINAL, 0, &A);
    assert_speaks("I5 member 0 says FINAL without");
}

static void check_bad_cert(const struct consensus_cert *c, const char *what)
{
    check_cert(check, 0, c);
    assert_speaks(what);
}

static void test_i6_weight(void **state)
{
    struct consensus_cert c = cert(BASE_VOTE_NOTAR, 0, &A, 2);
    (void)state;
    check_bad_cert(&c, "I6 member 0 holds a certificate with no quorum");
}

static void test_i6_a_voter_twice(void **state)
{
    struct consensus_cert c = cert(BASE_VOTE_NOTAR, 0, &A, 3);
    (void)state;
    votes[2] = votes[1];
    check_bad_cert(&c, "I6 member 0 holds a certificate with a voter twice");
}

static void test_i6_no_such_voter(void **state)
{
    struct consensus_cert c = cert(BASE_VOTE_NOTAR, 0, &A, 5);
    (void)state;
    check_bad_cert(&c, "a voter that there is not");
}

static void test_i6_signature(void **state)
{
    struct consensus_cert c = cert(BASE_VOTE_NOTAR, 0, &A, 3);
    (void)state;
    c.hash = B;
    check_bad_cert(&c, "a signature that is not its voter's");
}

static void test_i6_skip_that_covers_less(void **state)
{
    struct consensus_cert c = cert(BASE_VOTE_SKIP, 3, NULL, 3);
    (void)state;
    c.first = 2;
    check_bad_cert(&c, "a SKIP that covers less");
}

static void test_i7_pairs(void **state)
{
    static const struct {
        enum base_vote_kind one, other;
        const char *what;
    } pairs[] = {{BASE_VOTE_CAND, BASE_VOTE_CAND, "E1"},   {BASE_VOTE_NOTAR, BASE_VOTE_NOTAR, "E2"},
                 {BASE_VOTE_FINAL, BASE_VOTE_SKIP, "E3"},  {BASE_VOTE_SKIP, BASE_VOTE_FINAL, "E3"},
                 {BASE_VOTE_FINAL, BASE_VOTE_FINAL, "E4"}, {BASE_VOTE_FINAL, BASE_VOTE_NOTAR, "E5"},
                 {BASE_VOTE_NOTAR, BASE_VOTE_FINAL, "E5"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        holds(BASE_VOTE_NOTAR, 3, pairs[i].one == BASE_VOTE_FINAL ? &A : &B);
        says(2, pairs[i].one, 3, &A);
        check_start(check, 2); /* over a restart, too */
        assert_silent();
        says(2, pairs[i].other, 3, &B);
        assert_speaks("I7 member 2 says a pair");
        assert_speaks(pairs[i].what);
        teardown(state);
        setup(state);
    }
}

static void test_i7_named(void **state)
{
    (void)state;
    check_fault(check, 1, false);
    assert_silent();
    check_fault(check, 1, true);
    assert_speaks("I7 member 1 is honest and named");
}

static void test_i8_said_before_it_is_stored(void **state)
{
    struct base_vote v = vote(BASE_VOTE_NOTAR, 0, &A);
    (void)state;
    check_vote(check, 0, &v, false);
    assert_speaks("I8 member 0 says what is not on its disk");
}

static void test_i9_two_leases(void **state)
{
    (void)state;
    check_leases(check, (size_t[]){1, 2}, (uint64_t[]){0, 1}, 2);
    assert_speaks("I9 members 1 and 2 hold a lease at once");
}

static void test_i9_token_goes_back(void **state)
{
    (void)state;
    check_leases(check, &(size_t){1}, &(uint64_t){2}, 1);
    check_leases(check, &(size_t){1}, &(uint64_t){UINT64_MAX}, 1); /* one that has passed on */
    assert_silent();
    check_leases(check, &(size_t){0}, &(uint64_t){1}, 1);
    assert_speaks("I9 the fencing token goes back");
}

static void test_i13_two_leaders(void **state)
{
    (void)state;
    check_leader(check, 0, 0, 2);
    check_leader(check, 1, 0, 2);
    assert_silent();
    check_leader(check, 2, 0, 3);
    assert_speaks("I13 two leaders of window 0");
}

static void test_i13_share(void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 2; k++)
        check_leader(check, 0, k, 1);
    assert_silent();
    for (uint64_t k = 2; k < 5; k++)
        check_leader(check, 0, k, 1);
    assert_speaks("I13 member 1 leads");
}

static void test_i13_who_may_not(void **state)
{
    (void)state;
    leads[3].weight = 0;
    check_leader(check, 0, 0, 3);
    assert_speaks("I13 member 0: window 0 is led by nobody who may");
}

static void test_i15_held(void **state)
{
    static const struct {
        struct check_held held;
        const char *what;
    } much[] = {{{.lowest = 0, .highest = 20, .slots = 2}, "slot 20, beyond its windows"},
                {{.lowest = 3, .highest = 5, .slots = 4}, "holds 4 slots"},
                {{.windows = 3}, "holds 3 windows"},
                {{.finals = CONSENSUS_KEPT_FINAL + 1}, "final candidates"},
                {{.votes_most = 2 * N + 1}, "holds 9 votes"}};
    check_held(check, 0, &(struct check_held){0, 19, 20, 2, CONSENSUS_KEPT_FINAL, 2 * N});
    assert_silent();
    for (size_t i = 0; i < sizeof much / sizeof much[0]; i++) {
        check_held(check, 0, &much[i].held);
        assert_speaks(much[i].what);
        teardown(state);
        setup(state);
    }
}

/* ---- the model ---- */

static struct base_hash32 model_cand(uint64_t slot, uint64_t parent_slot,
                                     const struct base_hash32 *parent, const char *payload)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_CAND, .epoch_id = epoch};
    struct base_hash32 hash;
    m.u.cand = (struct consensus_candidate){.slot = slot,
                                            .parent_slot = parent_slot,
                                            .parent_hash = *parent,
                                            .payload = base_slice_text(payload)};
    consensus_candidate_hash(&hash, &epoch, &m.u.cand);
    model_hear(model, &m);
    return hash;
}

static void model_vote(size_t voter, enum base_vote_kind kind, uint64_t slot,
                       const struct base_hash32 *hash)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_VOTE, .epoch_id = epoch};
    m.u.vote.voter = (uint16_t)voter;
    m.u.vote.vote = vote(kind, slot, hash);
    m.u.vote.sig = world_signature(&voters[voter].signer, &m.u.vote.vote);
    model_hear(model, &m);
}

static void model_votes(enum base_vote_kind kind, uint64_t slot, const struct base_hash32 *hash)
{
    for (size_t i = 0; i < 3; i++)
        model_vote(i, kind, slot, hash);
}

static void test_model_follows_a_chain(void **state)
{
    uint64_t top = 0;
    struct base_hash32 a, b, hash;
    (void)state;
    a = model_cand(0, CONSENSUS_NO_SLOT, &genesis, "a");
    b = model_cand(10, 0, &a, "b");
    model_vote(0, BASE_VOTE_NOTAR, 0, &a);
    model_vote(1, BASE_VOTE_NOTAR, 0, &a);
    model_vote(1, BASE_VOTE_NOTAR, 0, &a);
    assert_false(model_is_notarised(model, 0, &a)); /* two, and one of them twice */
    model_votes(BASE_VOTE_NOTAR, 0, &a);
    model_votes(BASE_VOTE_NOTAR, 10, &b);
    assert_true(model_is_notarised(model, 0, &a));
    assert_false(model_is_final(model, 0, &a));
    model_vote(0, BASE_VOTE_SKIP, 1, NULL);
    model_vote(1, BASE_VOTE_SKIP, 4, NULL);
    model_vote(2, BASE_VOTE_SKIP, 3, NULL);
    assert_false(model_is_skipped(model, 3));
    assert_true(model_is_skipped(model, 4) && model_is_skipped(model, 9));
    model_votes(BASE_VOTE_SKIP, 1, NULL);
    model_votes(BASE_VOTE_FINAL, 10, &b);
    assert_true(model_has_final_cert(model, 10, &b) && !model_has_final_cert(model, 0, &a));
    assert_true(model_is_final(model, 10, &b) && model_is_final(model, 0, &a));
    assert_true(model_top(model, &top, &hash) && top == 10);
    assert_null(model_wrong(model));
}

/* Two final chains cannot be, unless a rule below is broken as well: that is what it says then. */
static void test_model_sees_a_fork(void **state)
{
    struct base_hash32 a, b;
    (void)state;
    a = model_cand(0, CONSENSUS_NO_SLOT, &genesis, "a");
    b = model_cand(10, CONSENSUS_NO_SLOT, &genesis, "b");
    model_votes(BASE_VOTE_SKIP, 0, NULL);
    model_votes(BASE_VOTE_NOTAR, 0, &a);
    model_votes(BASE_VOTE_NOTAR, 10, &b);
    model_votes(BASE_VOTE_FINAL, 10, &b);
    assert_null(model_wrong(model));
    model_votes(BASE_VOTE_FINAL, 0, &a);
    assert_true(model_is_final(model, 0, &a) && model_is_final(model, 10, &b));
    assert_string_equal(model_wrong(model), "a slot with a FINAL certificate is skipped");
}

static void test_model_sees_what_is_wrong(void **state)
{
    (void)state;
    model_votes(BASE_VOTE_NOTAR, 0, &A);
    model_votes(BASE_VOTE_NOTAR, 0, &B);
    assert_string_equal(model_wrong(model), "two notarised candidates of one slot");
    teardown(state);
    setup(state);
    model_votes(BASE_VOTE_FINAL, 0, &A);
    assert_string_equal(model_wrong(model), "a FINAL certificate without a NOTAR certificate");
    teardown(state);
    setup(state);
    model_votes(BASE_VOTE_NOTAR, 0, &A);
    model_votes(BASE_VOTE_FINAL, 0, &A);
    model_votes(BASE_VOTE_SKIP, 0, NULL);
    assert_string_equal(model_wrong(model), "a slot with a FINAL certificate is skipped");
}

static void test_model_sees_bad_parents(void **state)
{
    struct base_hash32 a, b;
    (void)state;
    a = model_cand(0, CONSENSUS_NO_SLOT, &genesis, "a");
    b = model_cand(1, 0, &a, "b");
    model_votes(BASE_VOTE_NOTAR, 1, &b);
    assert_string_equal(model_wrong(model), "a notarised candidate's parent is not notarised");
    teardown(state);
    setup(state);
    b = model_cand(10, CONSENSUS_NO_SLOT, &genesis, "b");
    model_votes(BASE_VOTE_SKIP, 0, NULL);
    model_votes(BASE_VOTE_NOTAR, 10, &b);
    assert_null(model_wrong(model));
    b = model_cand(20, CONSENSUS_NO_SLOT, &genesis, "b");
    model_votes(BASE_VOTE_NOTAR, 20, &b);
    assert_string_equal(model_wrong(model), "a notarised candidate jumps over what nobody skips");
}

/* Another epoch's, another's signature, a SKIP that ends elsewhere: nothing of it is believed. */
static void test_model_believes_no_liar(void **state)
{
    struct consensus_message m = {.type = CONSENSUS_MSG_VOTE, .epoch_id = epoch};
    (void)state;
    for (uint16_t i = 0; i < N; i++) {
        m.u.vote.voter = i;
        m.u.vote.vote = vote(BASE_VOTE_NOTAR, 0, &A);
        m.u.vote.sig = world_signature(&voters[0].signer, &m.u.vote.vote);
        model_hear(model, &m);
        m.u.vote.vote.epoch_id.bytes[31] = 1;
        m.u.vote.sig = world_signature(&voters[i].signer, &m.u.vote.vote);
        model_hear(model, &m);
        m.u.vote.vote = vote(BASE_VOTE_SKIP, 0, NULL);
        m.u.vote.vote.last = 3;
        m.u.vote.sig = world_signature(&voters[i].signer, &m.u.vote.vote);
        model_hear(model, &m);
    }
    assert_false(model_is_notarised(model, 0, &A));
    assert_false(model_is_skipped(model, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_sound_history),
        TEST(test_i1_two_final_candidates),
        TEST(test_i1_out_of_order),
        TEST(test_i1_two_final_certificates),
        TEST(test_i1_a_state_that_is_not_final),
        TEST(test_i2_parent_is_not_final),
        TEST(test_i2_a_gap_that_is_not_skipped),
        TEST(test_i2_final_within_a_gap),
        TEST(test_i3_skipped_then_final),
        TEST(test_i3_final_then_skipped),
        TEST(test_i4_two_notarised),
        TEST(test_i5_final_without_notar),
        TEST(test_i5_says_final_without_notar),
        TEST(test_i6_weight),
        TEST(test_i6_a_voter_twice),
        TEST(test_i6_no_such_voter),
        TEST(test_i6_signature),
        TEST(test_i6_skip_that_covers_less),
        TEST(test_i7_pairs),
        TEST(test_i7_named),
        TEST(test_i8_said_before_it_is_stored),
        TEST(test_i9_two_leases),
        TEST(test_i9_token_goes_back),
        TEST(test_i13_two_leaders),
        TEST(test_i13_share),
        TEST(test_i13_who_may_not),
        TEST(test_i15_held),
        TEST(test_model_follows_a_chain),
        TEST(test_model_sees_a_fork),
        TEST(test_model_sees_what_is_wrong),
        TEST(test_model_sees_bad_parents),
        TEST(test_model_believes_no_liar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
