/* Epochs' records, entries, payloads, the log's state and the vote log: one form only, bounds, and
 * what each entry does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "consensus/state.h"
#include "consensus/votelog.h"

#define N 5

static struct base_key33 key_of(unsigned i)
{
    struct base_key33 key = {{2}};
    key.bytes[32] = (uint8_t)i;
    return key;
}

static struct base_hash32 hash_of(unsigned i)
{
    struct base_hash32 hash = {{0}};
    hash.bytes[0] = (uint8_t)i;
    hash.bytes[31] = 1;
    return hash;
}

/* ---- records ---- */

static struct consensus_seat seats[N];

static struct consensus_world world(uint64_t block)
{
    for (unsigned i = 0; i < N; i++) {
        seats[i].key = key_of(i + 1);
        seats[i].signer.bytes[0] = (uint8_t)(i + 1);
        seats[i].token = base_u256_from_u64(i + 1);
        seats[i].weight = 1;
    }
    return (struct consensus_world){.settings = hash_of(1),
                                    .chain_id = 31337,
                                    .block = {block, hash_of((unsigned)block), 1000 + 2 * block},
                                    .seats = seats,
                                    .seat_count = N,
                                    .state = hash_of(9)};
}

static struct consensus_epoch founded(void)
{
    struct consensus_epoch e;
    struct consensus_world w = world(10);
    assert_int_equal(consensus_epoch_found(&e, &w), BASE_OK);
    return e;
}

static void check_there_and_back(const struct consensus_epoch *e)
{
    static uint8_t bytes[CONSENSUS_EPOCH_BYTES_MAX], again[CONSENSUS_EPOCH_BYTES_MAX];
    size_t len, len_again;
    struct consensus_epoch back;
    assert_int_equal(consensus_epoch_encode(bytes, &len, sizeof bytes, e), BASE_OK);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *part = malloc(cut > 0 ? cut : 1); /* exact, so that one byte too many is noticed */
        memcpy(part, bytes, cut);
        assert_int_not_equal(consensus_epoch_decode(&back, part, cut), BASE_OK);
        free(part);
        assert_int_equal(consensus_epoch_encode(again, &len_again, cut, e), BASE_ETOOBIG);
    }
    assert_int_equal(consensus_epoch_decode(&back, bytes, len), BASE_OK);
    assert_int_equal(consensus_epoch_encode(again, &len_again, sizeof again, &back), BASE_OK);
    assert_int_equal(len_again, len);
    assert_memory_equal(again, bytes, len);
    consensus_epoch_free(&back);
    bytes[len] = 0;
    assert_int_not_equal(consensus_epoch_decode(&back, bytes, len + 1), BASE_OK);
}

static void test_a_record_has_one_form(void **state)
{
    struct consensus_epoch first = founded(), next;
    struct consensus_world w = world(40);
    (void)state;
    check_there_and_back(&first);
    seats[2].weight = 0;
    assert_int_equal(consensus_epoch_next(&next, &first, 1234, 600, &w), BASE_OK);
    next.closing_hash = hash_of(7);
    check_there_and_back(&next);
    consensus_epoch_free(&first);
    consensus_epoch_free(&next);
}

/* The entry that announces it cannot know its own hash. */
static void test_the_closing_hash_is_in_the_id_alone(void **state)
{
    struct consensus_epoch first = founded(), next;
    struct consensus_world w = world(40);
    struct base_hash32 digest, other, id, other_id;
    (void)state;
    seats[0].weight = 2;
    assert_int_equal(consensus_epoch_next(&next, &first, 5, 600, &w), BASE_OK);
    next.closing_hash = hash_of(7);
    assert_int_equal(consensus_epoch_digest(&digest, &next), BASE_OK);
    assert_int_equal(consensus_epoch_id(&id, &next), BASE_OK);
    next.closing_hash = hash_of(8);
    assert_int_equal(consensus_epoch_digest(&other, &next), BASE_OK);
    assert_int_equal(consensus_epoch_id(&other_id, &next), BASE_OK);
    assert_memory_equal(&digest, &other, sizeof digest);
    assert_memory_not_equal(&id, &other_id, sizeof id);
    consensus_epoch_free(&first);
    consensus_epoch_free(&next);
}

static enum consensus_standing third_is(const void *ctx, const struct base_key33 *key, uint64_t s)
{
    struct base_key33 third = key_of(3);
    (void)s;
    return base_key33_equal(key, &third) ? *(const enum consensus_standing *)ctx : CONSENSUS_STANDS;
}

static void test_who_is_suspended_has_no_weight(void **state)
{
    struct consensus_epoch first = founded(), next;
    struct consensus_world w = world(40);
    enum consensus_standing standing = CONSENSUS_SUSPENDED;
    struct consensus_voter *voters;
    struct consensus_lead *leads;
    (void)state;
    w.standing = third_is;
    w.ctx = &standing;
    assert_true(consensus_epoch_is_due(&first, &w));
    assert_int_equal(consensus_epoch_next(&next, &first, 5, 600, &w), BASE_OK);
    assert_false(consensus_epoch_is_due(&next, &w));
    assert_int_equal(consensus_epoch_voters(&next, &voters, &leads), BASE_OK);
    assert_int_equal(voters[2].weight, 0);
    assert_int_equal(leads[2].weight, 0);
    free(voters);
    free(leads);
    consensus_epoch_free(&next);
    standing = CONSENSUS_BENCHED; /* by a vote: it keeps its weight, and leads nothing */
    assert_int_equal(consensus_epoch_next(&next, &first, 5, 600, &w), BASE_OK);
    assert_int_equal(consensus_epoch_voters(&next, &voters, &leads), BASE_OK);
    assert_int_equal(voters[2].weight, 1);
    assert_int_equal(leads[2].weight, 0);
    for (size_t i = 0; i < next.member_count; i++)
        next.members[i].standing = CONSENSUS_BENCHED;
    free(voters);
    free(leads);
    assert_int_equal(consensus_epoch_voters(&next, &voters, &leads), BASE_OK);
    assert_int_equal(leads[0].weight, 1); /* if nobody may, all do */
    free(voters);
    free(leads);
    consensus_epoch_free(&next);
    consensus_epoch_free(&first);
}

/* Who proposes a change goes on leading, and not twice in a row by the same means. */
static void test_the_first_window_is_not_won_for_ever(void **state)
{
    struct consensus_epoch first = founded(), second, third;
    struct consensus_world w = world(40);
    (void)state;
    seats[0].weight = 2;
    assert_int_equal(consensus_epoch_next(&second, &first, 5, 600, &w), BASE_OK);
    assert_false(base_is_zero(second.first.bytes, sizeof second.first.bytes));
    w = world(80);
    assert_int_equal(consensus_epoch_next(&third, &second, 5, 600, &w), BASE_OK);
    assert_true(base_is_zero(third.first.bytes, sizeof third.first.bytes));
    consensus_epoch_free(&first);
    consensus_epoch_free(&second);
    consensus_epoch_free(&third);
}

static void test_an_old_block_makes_it_due(void **state)
{
    struct consensus_epoch e = founded();
    struct consensus_world w = world(10);
    (void)state;
    assert_false(consensus_epoch_is_due(&e, &w));
    w.block.time_s += CONSENSUS_EPOCH_AGE_S;
    assert_true(consensus_epoch_is_due(&e, &w));
    w = world(11);
    seats[1].token = base_u256_from_u64(99); /* another token behind the same key */
    assert_true(consensus_epoch_is_due(&e, &w));
    consensus_epoch_free(&e);
}

/* ---- entries ---- */

static struct consensus_entry entry_of(enum consensus_entry_kind kind, unsigned who, uint64_t nonce)
{
    struct consensus_entry e = {.kind = kind, .epoch = 3, .submitter = key_of(who), .nonce = nonce};
    switch (kind) {
    case CONSENSUS_ENTRY_PUT:
        e.u.put.key = base_slice_text("colour");
        e.u.put.value = base_slice_text("blue");
        break;
    case CONSENSUS_ENTRY_DELETE:
        e.u.put.key = base_slice_text("colour");
        break;
    case CONSENSUS_ENTRY_ADD:
        e.u.add.key = base_slice_text("visits");
        e.u.add.request = base_slice_text("r-1");
        e.u.add.amount = 2;
        break;
    case CONSENSUS_ENTRY_EVIDENCE:
        e.u.evidence.voter = key_of(2);
        e.u.evidence.a = (struct base_vote){hash_of(3), BASE_VOTE_NOTAR, 7, 7, hash_of(4)};
        e.u.evidence.b = (struct base_vote){hash_of(3), BASE_VOTE_NOTAR, 7, 7, hash_of(5)};
        break;
    case CONSENSUS_ENTRY_CHALLENGE:
        e.u.challenge.target = key_of(2);
        e.u.challenge.complaint = CONSENSUS_SLOW;
        e.u.challenge.note = base_slice_text("why");
        break;
    case CONSENSUS_ENTRY_CHALLENGE_VOTE:
        e.u.vote.id = 1;
        e.u.vote.is_yes = true;
        break;
    }
    return e;
}

static void test_an_entry_has_one_form(void **state)
{
    (void)state;
    for (int kind = CONSENSUS_ENTRY_PUT; kind <= CONSENSUS_ENTRY_CHALLENGE_VOTE; kind++) {
        uint8_t bytes[CONSENSUS_ENTRY_BYTES_MAX], again[CONSENSUS_ENTRY_BYTES_MAX];
        size_t len, len_again;
        struct consensus_entry e = entry_of((enum consensus_entry_kind)kind, 1, 5), back;
        assert_int_equal(consensus_entry_encode(bytes, &len, sizeof bytes, &e), BASE_OK);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *part = malloc(cut > 0 ? cut : 1);
            memcpy(part, bytes, cut);
            assert_int_not_equal(consensus_entry_decode(&back, part, cut), BASE_OK);
            free(part);
        }
        assert_int_equal(consensus_entry_decode(&back, bytes, len), BASE_OK);
        assert_int_equal(consensus_entry_encode(again, &len_again, sizeof again, &back), BASE_OK);
        assert_int_equal(len_again, len);
        assert_memory_equal(again, bytes, len);
    }
}

static int decoded(const struct consensus_entry *e)
{
    uint8_t bytes[CONSENSUS_ENTRY_BYTES_MAX];
    size_t len;
    struct consensus_entry back;
    int rv = consensus_entry_encode(bytes, &len, sizeof bytes, e);
    return rv != BASE_OK ? rv : consensus_entry_decode(&back, bytes, len);
}

static void test_an_entry_says_something(void **state)
{
    char long_key[CONSENSUS_KEY_BYTES_MAX + 2];
    struct consensus_entry e = entry_of(CONSENSUS_ENTRY_PUT, 1, 5);
    (void)state;
    memset(long_key, 'x', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    e.u.put.key = base_slice_text(long_key);
    assert_int_equal(decoded(&e), BASE_ETOOBIG);
    e = entry_of(CONSENSUS_ENTRY_PUT, 1, 0); /* a nonce is not 0 */
    assert_int_equal(decoded(&e), BASE_EMALFORMED);
    e = entry_of(CONSENSUS_ENTRY_EVIDENCE, 1, 5);
    e.u.evidence.b = e.u.evidence.a; /* twice the same proves nothing */
    assert_int_equal(decoded(&e), BASE_EMALFORMED);
    e = entry_of(CONSENSUS_ENTRY_CHALLENGE, 1, 5);
    e.u.challenge.complaint = (enum consensus_complaint)9;
    assert_int_equal(decoded(&e), BASE_EMALFORMED);
}

static void test_a_payload_has_one_form(void **state)
{
    static struct consensus_payload p, back;
    uint8_t bytes[1024], again[1024];
    size_t len, len_again;
    (void)state;
    assert_int_equal(consensus_payload_encode(bytes, &len, sizeof bytes, &p), BASE_OK);
    assert_int_equal(len, 0); /* nothing to say takes no byte */
    assert_int_equal(consensus_payload_decode(&back, bytes, 0), BASE_OK);
    for (int form = 1; form < 4; form++) {
        p = (struct consensus_payload){0};
        if (form == 1)
            p.entries[p.count++] = (struct consensus_signed){base_slice_text("abc"), {{0}}};
        if (form != 3) {
            p.has_state = true;
            p.state_slot = 31;
        } else {
            p.is_closing = true;
            p.block = 7;
        }
        assert_int_equal(consensus_payload_encode(bytes, &len, sizeof bytes, &p), BASE_OK);
        for (size_t cut = 1; cut < len; cut++)
            assert_int_not_equal(consensus_payload_decode(&back, bytes, cut), BASE_OK);
        assert_int_equal(consensus_payload_decode(&back, bytes, len), BASE_OK);
        assert_int_equal(consensus_payload_encode(again, &len_again, sizeof again, &back), BASE_OK);
        assert_memory_equal(again, bytes, len);
    }
    p.entries[p.count++] = (struct consensus_signed){base_slice_text("abc"), {{0}}};
    assert_int_equal(consensus_payload_encode(bytes, &len, sizeof bytes, &p), BASE_OK);
    assert_int_equal(consensus_payload_decode(&back, bytes, len),
                     BASE_EMALFORMED); /* the end alone */
}

/* ---- what they do ---- */

static struct consensus_state *s;
static struct consensus_voter voter_list[N];
static struct consensus_voters voters;
static struct consensus_moment at;
static uint64_t nonces[N + 1];

static int setup(void **state)
{
    (void)state;
    memset(nonces, 0, sizeof nonces);
    for (unsigned i = 0; i < N; i++)
        voter_list[i] = (struct consensus_voter){key_of(i + 1), {{(uint8_t)(i + 1)}}, 1};
    assert_int_equal(consensus_voters_init(&voters, voter_list, N), BASE_OK);
    at = (struct consensus_moment){3, 100, 5000, &voters};
    assert_int_equal(consensus_state_new(&s), BASE_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    consensus_state_free(s);
    s = NULL;
    return 0;
}

static struct consensus_result apply(const struct consensus_entry *e)
{
    struct consensus_result result;
    assert_int_equal(consensus_state_apply(s, &at, e, &result), BASE_OK);
    return result;
}

static struct consensus_result done_by(enum consensus_entry_kind kind, unsigned who)
{
    struct consensus_entry e = entry_of(kind, who, ++nonces[who]);
    return apply(&e);
}

/* Whatever was done: its bytes make the same state again. */
static void check_copies(void)
{
    struct consensus_state *copy;
    struct base_hash32 a, b;
    assert_int_equal(consensus_state_copy(&copy, s), BASE_OK);
    assert_int_equal(consensus_state_digest(s, &a), BASE_OK);
    assert_int_equal(consensus_state_digest(copy, &b), BASE_OK);
    assert_memory_equal(&a, &b, sizeof a);
    consensus_state_free(copy);
}

static void test_keys_and_values(void **state)
{
    struct base_slice key = base_slice_text("colour"), value;
    struct base_hash32 before, after;
    (void)state;
    assert_int_equal(consensus_state_digest(s, &before), BASE_OK);
    assert_int_equal(done_by(CONSENSUS_ENTRY_DELETE, 1).outcome, CONSENSUS_UNKNOWN);
    assert_int_equal(done_by(CONSENSUS_ENTRY_PUT, 1).outcome, CONSENSUS_DONE);
    assert_int_equal(consensus_state_get(s, &key, &value), BASE_OK);
    assert_memory_equal(value.data, "blue", 4);
    assert_int_equal(consensus_state_digest(s, &after), BASE_OK);
    assert_memory_not_equal(&before, &after, sizeof after);
    check_copies();
    assert_int_equal(done_by(CONSENSUS_ENTRY_DELETE, 2).outcome, CONSENSUS_DONE);
    assert_int_equal(consensus_state_get(s, &key, &value), BASE_ENOTFOUND);
}

static void test_a_request_is_done_once(void **state)
{
    (void)state;
    struct consensus_result first = done_by(CONSENSUS_ENTRY_ADD, 1);
    struct consensus_result again = done_by(CONSENSUS_ENTRY_ADD, 2);
    assert_int_equal(first.outcome, CONSENSUS_DONE);
    assert_int_equal(first.value, 2);
    assert_int_equal(again.outcome, CONSENSUS_REPEATED);
    assert_int_equal(again.value, 2);
    struct consensus_entry e = entry_of(CONSENSUS_ENTRY_ADD, 1, ++nonces[1]);
    e.u.add.request = base_slice_text("r-2");
    assert_int_equal(apply(&e).value, 4);
    e.nonce = ++nonces[1];
    e.u.add.request = base_slice_text("");
    e.u.add.amount = UINT64_MAX;
    assert_int_equal(apply(&e).outcome, CONSENSUS_NO_NUMBER); /* too large */
    e = entry_of(CONSENSUS_ENTRY_PUT, 1, ++nonces[1]);
    e.u.put.key = base_slice_text("visits");
    e.u.put.value = base_slice_text("007");
    assert_int_equal(apply(&e).outcome, CONSENSUS_DONE);
    e = entry_of(CONSENSUS_ENTRY_ADD, 1, ++nonces[1]);
    e.u.add.request = base_slice_text("r-3");
    assert_int_equal(apply(&e).outcome, CONSENSUS_NO_NUMBER);
    check_copies();
}

/* Old requests are forgotten one by one, and the state stays bounded. */
static void test_requests_are_bounded(void **state)
{
    char name[24];
    struct base_slice bytes;
    (void)state;
    for (unsigned i = 0; i < CONSENSUS_STATE_REQUESTS + 10; i++) {
        struct consensus_entry e = entry_of(CONSENSUS_ENTRY_ADD, 1, ++nonces[1]);
        snprintf(name, sizeof name, "r%u", i);
        e.u.add.request = base_slice_text(name);
        assert_int_equal(apply(&e).outcome, CONSENSUS_DONE);
    }
    check_copies();
    struct consensus_entry e = entry_of(CONSENSUS_ENTRY_ADD, 1, ++nonces[1]);
    e.u.add.request = base_slice_text("r100");
    assert_int_equal(apply(&e).outcome, CONSENSUS_REPEATED);
    e.nonce = ++nonces[1];
    e.u.add.request = base_slice_text("r5");
    assert_int_equal(apply(&e).outcome, CONSENSUS_DONE);
    assert_int_equal(consensus_state_encode(s, &bytes), BASE_OK);
    assert_true(bytes.len < CONSENSUS_STATE_BYTES_MAX);
}

static void test_there_is_no_room_for_everything(void **state)
{
    char name[24];
    uint8_t value[CONSENSUS_VALUE_BYTES_MAX] = {0};
    unsigned done = 0;
    (void)state;
    for (unsigned i = 0; i < CONSENSUS_STATE_KEYS + 10; i++) {
        struct consensus_entry e = entry_of(CONSENSUS_ENTRY_PUT, 1, ++nonces[1]);
        snprintf(name, sizeof name, "k%u", i);
        e.u.put.key = base_slice_text(name);
        e.u.put.value = (struct base_slice){value, 1};
        if (apply(&e).outcome == CONSENSUS_DONE) done++;
    }
    assert_int_equal(done, CONSENSUS_STATE_KEYS);
    for (unsigned i = 0; i < 100; i++) {
        struct consensus_entry e = entry_of(CONSENSUS_ENTRY_PUT, 1, ++nonces[1]);
        snprintf(name, sizeof name, "k%u", i);
        e.u.put.key = base_slice_text(name);
        e.u.put.value = (struct base_slice){value, sizeof value};
        if (apply(&e).outcome == CONSENSUS_FULL) done = 0;
    }
    assert_int_equal(done, 0);
    check_copies();
}

/* Each nonce once, in any order as long as it is not too late. */
static void test_nonces(void **state)
{
    static const struct {
        uint64_t nonce;
        enum consensus_outcome outcome;
    } steps[] = {{5, CONSENSUS_DONE},         {5, CONSENSUS_NONCE_USED}, {3, CONSENSUS_DONE},
                 {3, CONSENSUS_NONCE_USED},   {4, CONSENSUS_DONE},       {68, CONSENSUS_DONE},
                 {5, CONSENSUS_NONCE_USED},   {4, CONSENSUS_NONCE_USED}, {6, CONSENSUS_DONE},
                 {67, CONSENSUS_DONE},        {132, CONSENSUS_DONE},     {68, CONSENSUS_NONCE_USED},
                 {67, CONSENSUS_NONCE_USED},  {69, CONSENSUS_DONE},      {1000, CONSENSUS_DONE},
                 {132, CONSENSUS_NONCE_USED}, {999, CONSENSUS_DONE}};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct consensus_entry e = entry_of(CONSENSUS_ENTRY_PUT, 1, steps[i].nonce);
        if (apply(&e).outcome != steps[i].outcome) fail_msg("step %zu", i);
    }
    check_copies();
}

static void test_void_entries(void **state)
{
    struct consensus_entry e = entry_of(CONSENSUS_ENTRY_PUT, 1, 1);
    (void)state;
    e.epoch = 4; /* of a later one */
    assert_int_equal(apply(&e).outcome, CONSENSUS_VOID);
    e.epoch = 1; /* of two ago */
    assert_int_equal(apply(&e).outcome, CONSENSUS_VOID);
    e.epoch = 2;
    assert_int_equal(apply(&e).outcome, CONSENSUS_DONE);
    e = entry_of(CONSENSUS_ENTRY_PUT, 77, 1); /* nobody of ours */
    assert_int_equal(apply(&e).outcome, CONSENSUS_VOID);
}

/* An entry that counts in no epoch any more needs no nonce; one that may still, does. */
static void test_sessions_end(void **state)
{
    struct base_hash32 empty, now;
    struct consensus_state *fresh;
    (void)state;
    struct consensus_entry e = entry_of(CONSENSUS_ENTRY_PUT, 1, 9);
    assert_int_equal(apply(&e).outcome, CONSENSUS_DONE);
    assert_int_equal(done_by(CONSENSUS_ENTRY_DELETE, 2).outcome, CONSENSUS_DONE);
    consensus_state_turn(s, 4);
    at.epoch = 4;
    assert_int_equal(apply(&e).outcome, CONSENSUS_NONCE_USED);
    consensus_state_turn(s, 5);
    consensus_state_turn(s, 6);
    consensus_state_turn(s, 7);
    assert_int_equal(consensus_state_new(&fresh), BASE_OK);
    assert_int_equal(consensus_state_digest(fresh, &empty), BASE_OK);
    assert_int_equal(consensus_state_digest(s, &now), BASE_OK);
    assert_memory_equal(&empty, &now, sizeof now);
    consensus_state_free(fresh);
}

/* Goal: who has the state, and who gets a copy of it, go on with the same one.
 * Method: an entry that was done comes again in the next epoch, after the digest was asked for. */
static void test_a_used_nonce_is_in_the_digest(void **state)
{
    struct base_hash32 a, b;
    struct consensus_state *copy;
    struct consensus_entry e = entry_of(CONSENSUS_ENTRY_PUT, 1, 9);
    (void)state;
    assert_int_equal(apply(&e).outcome, CONSENSUS_DONE);
    consensus_state_turn(s, 4);
    at.epoch = 4;
    assert_int_equal(consensus_state_digest(s, &a), BASE_OK);
    assert_int_equal(apply(&e).outcome, CONSENSUS_NONCE_USED);
    assert_int_equal(consensus_state_copy(&copy, s), BASE_OK);
    consensus_state_turn(s, 5);
    consensus_state_turn(copy, 5);
    assert_int_equal(consensus_state_digest(s, &a), BASE_OK);
    assert_int_equal(consensus_state_digest(copy, &b), BASE_OK);
    assert_memory_equal(&a, &b, sizeof a);
    consensus_state_free(copy);
}

static void test_evidence_suspends_twice_as_long_each_time(void **state)
{
    struct base_key33 guilty = key_of(2), other = key_of(3);
    (void)state;
    assert_int_equal(done_by(CONSENSUS_ENTRY_EVIDENCE, 1).outcome, CONSENSUS_DONE);
    assert_int_equal(done_by(CONSENSUS_ENTRY_EVIDENCE, 3).outcome, CONSENSUS_ALREADY);
    uint64_t end = at.time_s + CONSENSUS_SUSPENDED_S;
    assert_int_equal(consensus_state_standing(s, &guilty, end - 1), CONSENSUS_SUSPENDED);
    assert_int_equal(consensus_state_standing(s, &guilty, end), CONSENSUS_STANDS);
    assert_int_equal(consensus_state_standing(s, &other, at.time_s), CONSENSUS_STANDS);
    struct consensus_entry e = entry_of(CONSENSUS_ENTRY_EVIDENCE, 1, ++nonces[1]);
    e.u.evidence.a.epoch_id = e.u.evidence.b.epoch_id = hash_of(44);
    assert_int_equal(apply(&e).outcome, CONSENSUS_DONE);
    end = at.time_s + 2 * CONSENSUS_SUSPENDED_S;
    assert_int_equal(consensus_state_standing(s, &guilty, end - 1), CONSENSUS_SUSPENDED);
    check_copies();
}

static struct consensus_result says(unsigned who, uint64_t id, bool is_yes)
{
    struct consensus_entry e = entry_of(CONSENSUS_ENTRY_CHALLENGE_VOTE, who, ++nonces[who]);
    e.u.vote.id = id;
    e.u.vote.is_yes = is_yes;
    return apply(&e);
}

static void test_a_challenge_takes_more_than_two_thirds(void **state)
{
    struct base_key33 target = key_of(2);
    (void)state;
    struct consensus_result opened = done_by(CONSENSUS_ENTRY_CHALLENGE, 1);
    assert_int_equal(opened.outcome, CONSENSUS_DONE);
    assert_int_equal(done_by(CONSENSUS_ENTRY_CHALLENGE, 1).outcome, CONSENSUS_ALREADY);
    assert_int_equal(says(1, opened.value, true).outcome, CONSENSUS_DONE);
    assert_int_equal(says(1, opened.value, true).outcome, CONSENSUS_ALREADY);
    assert_int_equal(says(3, opened.value, true).outcome, CONSENSUS_DONE);
    assert_int_equal(says(4, opened.value, true).outcome, CONSENSUS_DONE);
    assert_int_equal(consensus_state_standing(s, &target, at.time_s),
                     CONSENSUS_STANDS); /* 3 of 5 */
    assert_int_equal(says(5, opened.value, true).outcome, CONSENSUS_DONE);
    assert_int_equal(consensus_state_standing(s, &target, at.time_s), CONSENSUS_BENCHED);
    assert_int_equal(consensus_state_standing(s, &target, at.time_s + CONSENSUS_BENCHED_S),
                     CONSENSUS_STANDS);
    check_copies();
}

static void test_a_third_dismisses_a_challenge(void **state)
{
    struct base_key33 target = key_of(2);
    (void)state;
    uint64_t id = done_by(CONSENSUS_ENTRY_CHALLENGE, 1).value;
    assert_int_equal(says(2, id, false).outcome, CONSENSUS_DONE);
    assert_int_equal(says(3, id, false).outcome, CONSENSUS_DONE);
    assert_int_equal(says(1, id, true).outcome, CONSENSUS_UNKNOWN); /* it is over */
    assert_int_equal(consensus_state_challenge_at(s, 0)->verdict, CONSENSUS_DISMISSED);
    assert_int_equal(consensus_state_standing(s, &target, at.time_s), CONSENSUS_STANDS);
    at.slot += CONSENSUS_CHALLENGE_GAP; /* its challenger waits that long */
    assert_int_equal(done_by(CONSENSUS_ENTRY_CHALLENGE, 1).outcome, CONSENSUS_ALREADY);
    at.slot++;
    id = done_by(CONSENSUS_ENTRY_CHALLENGE, 1).value;
    at.slot += CONSENSUS_CHALLENGE_SLOTS + 1;
    assert_int_equal(says(1, id, true).outcome, CONSENSUS_UNKNOWN); /* too late */
    consensus_state_turn(s, 4);
    assert_int_equal(consensus_state_challenge_count(s), 0);
}

static void test_a_states_bytes_are_judged(void **state)
{
    struct base_slice bytes;
    struct consensus_state *back;
    (void)state;
    (void)done_by(CONSENSUS_ENTRY_PUT, 1);
    (void)done_by(CONSENSUS_ENTRY_ADD, 2);
    (void)done_by(CONSENSUS_ENTRY_EVIDENCE, 3);
    (void)done_by(CONSENSUS_ENTRY_CHALLENGE, 4);
    assert_int_equal(consensus_state_encode(s, &bytes), BASE_OK);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        uint8_t *part = malloc(cut > 0 ? cut : 1);
        memcpy(part, bytes.data, cut);
        assert_int_not_equal(consensus_state_decode(&back, part, cut), BASE_OK);
        free(part);
    }
}

/* ---- the vote log ---- */

static void test_a_logged_vote_has_one_form(void **state)
{
    struct base_hash32 epoch = hash_of(1);
    struct consensus_cert_vote list[2] = {{0, 7, {{1}}}, {3, 7, {{2}}}};
    struct consensus_cert cert = {BASE_VOTE_NOTAR, 7, 7, hash_of(4), 2, list};
    struct consensus_candidate cand = {.slot = 7,
                                       .parent_slot = CONSENSUS_NO_SLOT,
                                       .parent_hash = hash_of(2),
                                       .payload = base_slice_text("entries")};
    struct base_vote vote = {epoch, BASE_VOTE_NOTAR, 7, 7, hash_of(4)};
    (void)state;
    for (int form = 0; form < 4; form++) {
        struct consensus_record r = {.kind = CONSENSUS_RECORD_NOTAR, .vote = vote, .cand = &cand};
        struct consensus_logged back;
        uint8_t bytes[2048], again[2048];
        size_t len, len_again;
        if (form == 1) {
            r = (struct consensus_record){
                .kind = CONSENSUS_RECORD_FINAL, .vote = vote, .cert = &cert};
            r.vote.kind = BASE_VOTE_FINAL;
        } else if (form == 2) {
            r = (struct consensus_record){.kind = CONSENSUS_RECORD_SKIP,
                                          .vote = {epoch, BASE_VOTE_SKIP, 3, 9, {{0}}}};
        } else if (form == 3) {
            r = (struct consensus_record){.kind = CONSENSUS_RECORD_CERT, .cert = &cert};
        }
        assert_int_equal(consensus_votelog_encode(bytes, &len, sizeof bytes, &r), BASE_OK);
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_not_equal(consensus_votelog_decode(&back, &epoch, bytes, cut), BASE_OK);
            consensus_votelog_free(&back);
        }
        assert_int_equal(consensus_votelog_decode(&back, &epoch, bytes, len), BASE_OK);
        assert_int_equal(consensus_votelog_encode(again, &len_again, sizeof again, &back.record),
                         BASE_OK);
        assert_int_equal(len_again, len);
        assert_memory_equal(again, bytes, len);
        consensus_votelog_free(&back);
    }
}

/* A candidate of another slot than its vote, or none at all, is no record. */
static void test_a_logged_vote_is_whole(void **state)
{
    struct base_hash32 epoch = hash_of(1);
    struct consensus_candidate cand = {.slot = 8, .parent_slot = 7};
    struct consensus_record r = {.kind = CONSENSUS_RECORD_NOTAR,
                                 .vote = {epoch, BASE_VOTE_NOTAR, 7, 7, hash_of(4)},
                                 .cand = &cand};
    struct consensus_logged back;
    uint8_t bytes[1024];
    size_t len;
    (void)state;
    assert_int_equal(consensus_votelog_encode(bytes, &len, sizeof bytes, &r), BASE_OK);
    assert_int_equal(consensus_votelog_decode(&back, &epoch, bytes, len), BASE_EMALFORMED);
    consensus_votelog_free(&back);
    r.cand = NULL;
    assert_int_equal(consensus_votelog_encode(bytes, &len, sizeof bytes, &r), BASE_OK);
    assert_int_equal(consensus_votelog_decode(&back, &epoch, bytes, len), BASE_EMALFORMED);
    consensus_votelog_free(&back);
}

/* Beside them: what the next epoch would be. */
static void test_a_logged_record_has_one_form(void **state)
{
    static uint8_t bytes[CONSENSUS_LOG_BYTES_MAX], again[CONSENSUS_LOG_BYTES_MAX];
    struct consensus_epoch first = founded(), next, back;
    struct consensus_world w = world(50);
    struct consensus_logged vote;
    size_t len, len_again;
    (void)state;
    assert_int_equal(consensus_epoch_next(&next, &first, 1203, 600, &w), BASE_OK);
    assert_int_equal(consensus_votelog_next_encode(bytes, &len, sizeof bytes, &next), BASE_OK);
    assert_true(consensus_votelog_is_next(bytes, len));
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *part = malloc(cut > 0 ? cut : 1);
        memcpy(part, bytes, cut);
        assert_int_not_equal(consensus_votelog_next_decode(&back, part, cut), BASE_OK);
        free(part);
        assert_int_equal(consensus_votelog_next_encode(again, &len_again, cut, &next),
                         BASE_ETOOBIG);
    }
    assert_int_equal(consensus_votelog_next_decode(&back, bytes, len), BASE_OK);
    assert_int_equal(consensus_votelog_next_encode(again, &len_again, sizeof again, &back),
                     BASE_OK);
    assert_int_equal(len_again, len);
    assert_memory_equal(again, bytes, len);
    consensus_epoch_free(&back);
    bytes[len] = 0;
    assert_int_equal(consensus_votelog_next_decode(&back, bytes, len + 1), BASE_EMALFORMED);
    /* It is no vote, and no vote is one. */
    assert_int_equal(consensus_votelog_decode(&vote, &w.settings, bytes, len), BASE_EMALFORMED);
    consensus_votelog_free(&vote);
    struct consensus_record skip = {.kind = CONSENSUS_RECORD_SKIP,
                                    .vote = {w.settings, BASE_VOTE_SKIP, 3, 9, {{0}}}};
    assert_int_equal(consensus_votelog_encode(bytes, &len, sizeof bytes, &skip), BASE_OK);
    assert_false(consensus_votelog_is_next(bytes, len));
    assert_int_not_equal(consensus_votelog_next_decode(&back, bytes, len), BASE_OK);
    /* Before it is final nobody knows what it hangs on; and the first follows nothing. */
    next.closing_hash = hash_of(3);
    assert_int_equal(consensus_votelog_next_encode(bytes, &len, sizeof bytes, &next), BASE_OK);
    assert_int_equal(consensus_votelog_next_decode(&back, bytes, len), BASE_EMALFORMED);
    assert_int_equal(consensus_votelog_next_encode(bytes, &len, sizeof bytes, &first), BASE_OK);
    assert_int_equal(consensus_votelog_next_decode(&back, bytes, len), BASE_EMALFORMED);
    consensus_epoch_free(&first);
    consensus_epoch_free(&next);
}

#define STATE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_has_one_form),
        cmocka_unit_test(test_the_closing_hash_is_in_the_id_alone),
        cmocka_unit_test(test_who_is_suspended_has_no_weight),
        cmocka_unit_test(test_the_first_window_is_not_won_for_ever),
        cmocka_unit_test(test_an_old_block_makes_it_due),
        cmocka_unit_test(test_an_entry_has_one_form),
        cmocka_unit_test(test_an_entry_says_something),
        cmocka_unit_test(test_a_payload_has_one_form),
        STATE(test_keys_and_values),
        STATE(test_a_request_is_done_once),
        STATE(test_requests_are_bounded),
        STATE(test_there_is_no_room_for_everything),
        STATE(test_nonces),
        STATE(test_void_entries),
        STATE(test_sessions_end),
        STATE(test_a_used_nonce_is_in_the_digest),
        STATE(test_evidence_suspends_twice_as_long_each_time),
        STATE(test_a_challenge_takes_more_than_two_thirds),
        STATE(test_a_third_dismisses_a_challenge),
        STATE(test_a_states_bytes_are_judged),
        cmocka_unit_test(test_a_logged_vote_has_one_form),
        cmocka_unit_test(test_a_logged_vote_is_whole),
        cmocka_unit_test(test_a_logged_record_has_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
