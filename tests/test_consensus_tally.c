/* Votes counted by weight, and certificates made of them, checked, and read from hostile bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "base/prng.h"
#include "consensus/cert.h"

#define VOTERS 7

static struct consensus_voter list[VOTERS];
static struct consensus_voters voters;
static const struct base_hash32 epoch = {{0xe}}, h1 = {{1}}, h2 = {{2}}, h3 = {{3}};
static uint32_t verified;

/* A keyed hash for a signature: nobody here breaks keys. */
static struct base_sig65 sign(uint16_t voter, const struct base_vote *vote)
{
    struct base_sig65 sig = {{0}};
    struct base_hash32 hash;
    uint8_t bytes[20 + sizeof *vote] = {0};
    struct base_vote clean;
    memset(&clean, 0, sizeof clean);
    clean.epoch_id = vote->epoch_id;
    clean.kind = vote->kind;
    clean.first = vote->first;
    clean.last = vote->last;
    clean.hash = vote->hash;
    memcpy(bytes, list[voter].signer.bytes, 20);
    memcpy(bytes + 20, &clean, sizeof clean);
    base_keccak256(&hash, bytes, sizeof bytes);
    memcpy(sig.bytes, hash.bytes, sizeof hash.bytes);
    return sig;
}

static int verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                  const struct base_eth_address *signer)
{
    (void)ctx;
    verified++;
    for (uint16_t i = 0; i < VOTERS; i++) {
        struct base_sig65 good = sign(i, vote);
        if (base_address_equal(&list[i].signer, signer))
            return memcmp(good.bytes, sig->bytes, sizeof good.bytes) == 0 ? BASE_OK : BASE_ESIG;
    }
    return BASE_ESIG;
}

static int setup(void **state) /* weights 1 1 1 1 1 1 3: W = 9, q = 7 */
{
    (void)state;
    memset(list, 0, sizeof list);
    for (uint8_t i = 0; i < VOTERS; i++) {
        list[i].key.bytes[0] = 2;
        list[i].key.bytes[32] = (uint8_t)(2 * i);
        list[i].signer.bytes[0] = (uint8_t)(i + 1);
        list[i].weight = i == VOTERS - 1 ? 3 : 1;
    }
    verified = 0;
    return consensus_voters_init(&voters, list, VOTERS);
}

static struct base_vote notar(uint64_t slot, const struct base_hash32 *hash)
{
    return (struct base_vote){epoch, BASE_VOTE_NOTAR, slot, slot, *hash};
}

static struct base_vote skip_vote(uint64_t from, uint64_t last)
{
    return (struct base_vote){
        .epoch_id = epoch, .kind = BASE_VOTE_SKIP, .first = from, .last = last};
}

static enum consensus_taken add(struct consensus_tally *t, uint16_t voter, uint64_t slot,
                                const struct base_hash32 *hash)
{
    struct base_vote vote = notar(slot, hash);
    struct base_sig65 sig = sign(voter, &vote);
    return consensus_tally_add(t, &voters, voter, hash, &sig, NULL);
}

static enum consensus_taken add_skip(struct consensus_skips *s, uint16_t voter, uint64_t from)
{
    struct base_vote vote = skip_vote(from, s->last);
    struct base_sig65 sig = sign(voter, &vote);
    return consensus_skips_add(s, voter, from, &sig);
}

static void test_voters(void **state)
{
    struct consensus_voters v;
    struct base_key33 key = list[3].key;
    (void)state;
    assert_int_equal(voters.total, 9);
    assert_int_equal(voters.quorum, 7);
    assert_int_equal(consensus_voter_find(&voters, &key), 3);
    key.bytes[32]++;
    assert_int_equal(consensus_voter_find(&voters, &key), VOTERS);
    assert_int_equal(consensus_voters_init(&v, list, 0), BASE_EINVAL);
    list[1].key = list[0].key;
    assert_int_equal(consensus_voters_init(&v, list, VOTERS), BASE_EINVAL);
    for (int i = 0; i < VOTERS; i++)
        list[i].weight = 0;
    assert_int_equal(consensus_voters_init(&v, list, 1), BASE_EINVAL);
    list[0].weight = (uint64_t)CONSENSUS_WEIGHT_MAX + 1;
    assert_int_equal(consensus_voters_init(&v, list, 1), BASE_EINVAL);
}

/* Weight decides, not heads: six of seven are no quorum without the heavy one. */
static void test_weight_decides(void **state)
{
    struct consensus_tally t = {0};
    (void)state;
    for (uint16_t i = 0; i < 6; i++)
        assert_int_equal(add(&t, i, 5, &h1), CONSENSUS_TAKEN);
    assert_int_equal(consensus_tally_weight(&t, &h1), 6);
    assert_null(consensus_tally_certified(&t, &voters));
    assert_int_equal(add(&t, 3, 5, &h1), CONSENSUS_KNOWN);
    assert_null(consensus_tally_certified(&t, &voters));
    assert_int_equal(add(&t, 6, 5, &h1), CONSENSUS_TAKEN);
    assert_true(base_hash32_equal(consensus_tally_certified(&t, &voters), &h1));
    consensus_tally_free(&t);
}

/* A second vote is kept beside the first: it is evidence, and may be what others count. */
static void test_two_votes_of_one(void **state)
{
    struct consensus_tally t = {0};
    const struct consensus_ballot *other = NULL;
    struct base_vote vote = notar(5, &h2);
    struct base_sig65 sig = sign(0, &vote);
    (void)state;
    assert_int_equal(add(&t, 0, 5, &h1), CONSENSUS_TAKEN);
    for (uint16_t i = 1; i < 6; i++)
        assert_int_equal(add(&t, i, 5, &h2), CONSENSUS_TAKEN);
    assert_int_equal(add(&t, 6, 5, &h1), CONSENSUS_TAKEN);
    assert_int_equal(add(&t, 4, 5, &h1), CONSENSUS_TAKEN_SECOND);
    assert_int_equal(consensus_tally_add(&t, &voters, 0, &h2, &sig, &other),
                     CONSENSUS_TAKEN_SECOND);
    assert_non_null(other);
    assert_int_equal(other->voter, 0);
    assert_true(base_hash32_equal(&other->hash, &h1));
    assert_int_equal(add(&t, 0, 5, &h3), CONSENSUS_SURPLUS);
    assert_int_equal(add(&t, 0, 5, &h2), CONSENSUS_KNOWN);
    assert_int_equal(consensus_tally_weight(&t, &h2), 6);
    assert_int_equal(consensus_tally_weight(&t, &h1), 5);
    assert_non_null(consensus_tally_of(&t, 0, &h2));
    assert_null(consensus_tally_of(&t, 1, &h1));
    consensus_tally_free(&t);
}

/* Ranges that begin in different places certify what they have in common. */
static void test_ranges_combine(void **state)
{
    struct consensus_skips s;
    (void)state;
    assert_int_equal(consensus_skips_init(&s, 600, 1199, VOTERS), BASE_OK);
    assert_int_equal(consensus_skips_certified(&s, &voters), UINT64_MAX);
    assert_int_equal(add_skip(&s, 6, 700), CONSENSUS_TAKEN);
    assert_int_equal(add_skip(&s, 0, 610), CONSENSUS_TAKEN);
    assert_int_equal(add_skip(&s, 1, 720), CONSENSUS_TAKEN);
    assert_int_equal(add_skip(&s, 2, 650), CONSENSUS_TAKEN);
    assert_int_equal(consensus_skips_weight(&s, &voters, s.last), 6);
    assert_int_equal(consensus_skips_weight(&s, &voters, 649), 1);
    assert_int_equal(consensus_skips_certified(&s, &voters), UINT64_MAX);
    assert_int_equal(add_skip(&s, 3, 600), CONSENSUS_TAKEN);
    assert_int_equal(consensus_skips_certified(&s, &voters), 720);
    assert_int_equal(add_skip(&s, 1, 1199), CONSENSUS_KNOWN); /* the lowest stays */
    assert_int_equal(consensus_skips_certified(&s, &voters), 720);
    assert_int_equal(add_skip(&s, 1, 640), CONSENSUS_TAKEN);
    assert_int_equal(consensus_skips_certified(&s, &voters), 700);
    struct consensus_cert cert;
    assert_int_equal(consensus_cert_from_skips(&cert, &s, &voters), BASE_OK);
    assert_int_equal(cert.first, 700);
    assert_int_equal(cert.last, 1199);
    assert_int_equal(consensus_cert_check(&cert, &epoch, &voters, verify, NULL),
                     CONSENSUS_CERT_GOOD);
    cert.first--; /* the heavy one does not skip this */
    assert_int_equal(consensus_cert_check(&cert, &epoch, &voters, verify, NULL),
                     CONSENSUS_CERT_RANGE);
    consensus_cert_free(&cert);
    consensus_skips_free(&s);
}

static struct consensus_cert notar_cert(void)
{
    struct consensus_tally t = {0};
    struct consensus_cert cert;
    for (uint16_t i = VOTERS; i-- > 0;)
        assert_int_equal(add(&t, i, 5, &h1), CONSENSUS_TAKEN);
    assert_int_equal(consensus_cert_from_tally(&cert, BASE_VOTE_NOTAR, 5, &h1, &t, &voters),
                     BASE_OK);
    consensus_tally_free(&t);
    return cert;
}

static enum consensus_cert_verdict check(const struct consensus_cert *cert)
{
    verified = 0;
    return consensus_cert_check(cert, &epoch, &voters, verify, NULL);
}

static void test_a_certificate_has_no_more_than_it_needs(void **state)
{
    struct consensus_cert cert = notar_cert();
    (void)state;
    assert_int_equal(cert.count, 5); /* 3 + 4 x 1 */
    assert_int_equal(check(&cert), CONSENSUS_CERT_GOOD);
    assert_int_equal(verified, 5);
    consensus_cert_free(&cert);
}

static void test_what_is_no_certificate(void **state)
{
    (void)state;
    struct consensus_cert cert = notar_cert(), bad = cert;
    struct consensus_cert_vote votes[VOTERS];
    bad.votes = votes;
    memcpy(votes, cert.votes, cert.count * sizeof *votes);
    bad.count = 4;
    assert_int_equal(check(&bad), CONSENSUS_CERT_WEIGHT);
    assert_int_equal(verified, 0); /* nothing is verified for nothing */
    bad.count = 5;
    votes[1] = votes[0]; /* one voter, twice */
    assert_int_equal(check(&bad), CONSENSUS_CERT_VOTER);
    votes[1] = cert.votes[1];
    votes[4].voter = VOTERS;
    assert_int_equal(check(&bad), CONSENSUS_CERT_VOTER);
    votes[4] = cert.votes[4];
    votes[2].sig.bytes[0] ^= 1;
    assert_int_equal(check(&bad), CONSENSUS_CERT_SIGNATURE);
    votes[2] = cert.votes[2];
    assert_int_equal(check(&bad), CONSENSUS_CERT_GOOD);
    bad.hash = h2; /* what nobody signed */
    assert_int_equal(check(&bad), CONSENSUS_CERT_SIGNATURE);
    bad.hash = h1;
    bad.kind = BASE_VOTE_FINAL;
    assert_int_equal(check(&bad), CONSENSUS_CERT_SIGNATURE);
    bad.kind = BASE_VOTE_CAND;
    assert_int_equal(check(&bad), CONSENSUS_CERT_FORM);
    bad.kind = BASE_VOTE_NOTAR;
    bad.last++;
    assert_int_equal(check(&bad), CONSENSUS_CERT_FORM);
    bad.last--;
    votes[0].from--;
    assert_int_equal(check(&bad), CONSENSUS_CERT_RANGE);
    votes[0] = cert.votes[0];
    struct base_hash32 other = {{0xf}}; /* another epoch's */
    assert_int_equal(consensus_cert_check(&bad, &other, &voters, verify, NULL),
                     CONSENSUS_CERT_SIGNATURE);
    assert_string_equal(consensus_cert_verdict_name(CONSENSUS_CERT_WEIGHT), "weight");
    consensus_cert_free(&cert);
}

static void test_too_few_make_none(void **state)
{
    struct consensus_tally t = {0};
    struct consensus_skips s;
    struct consensus_cert cert;
    (void)state;
    assert_int_equal(add(&t, 6, 5, &h1), CONSENSUS_TAKEN);
    assert_int_equal(consensus_cert_from_tally(&cert, BASE_VOTE_NOTAR, 5, &h1, &t, &voters),
                     BASE_ESTATE);
    consensus_tally_free(&t);
    assert_int_equal(consensus_skips_init(&s, 0, 599, VOTERS), BASE_OK);
    assert_int_equal(consensus_cert_from_skips(&cert, &s, &voters), BASE_ESTATE);
    consensus_skips_free(&s);
}

static void assert_same(const struct consensus_cert *a, const struct consensus_cert *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->first, b->first);
    assert_int_equal(a->last, b->last);
    assert_memory_equal(a->hash.bytes, b->hash.bytes, 32);
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->votes[i].voter, b->votes[i].voter);
        assert_int_equal(a->votes[i].from, b->votes[i].from);
        assert_memory_equal(a->votes[i].sig.bytes, b->votes[i].sig.bytes, 65);
    }
}

static size_t encoded(uint8_t *out, size_t cap, const struct consensus_cert *cert)
{
    size_t len = 0;
    assert_int_equal(consensus_cert_encode(out, &len, cap, cert), BASE_OK);
    return len;
}

static struct consensus_cert skip_cert(void)
{
    struct consensus_skips s;
    struct consensus_cert cert;
    assert_int_equal(consensus_skips_init(&s, 600, 1199, VOTERS), BASE_OK);
    for (uint16_t i = 0; i < VOTERS; i++)
        assert_int_equal(add_skip(&s, i, 600 + i), CONSENSUS_TAKEN);
    assert_int_equal(consensus_cert_from_skips(&cert, &s, &voters), BASE_OK);
    consensus_skips_free(&s);
    return cert;
}

static void test_there_and_back(void **state)
{
    uint8_t bytes[4096];
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct consensus_cert cert = which == 0 ? notar_cert() : skip_cert(), back;
        size_t len = encoded(bytes, sizeof bytes, &cert);
        assert_int_equal(consensus_cert_decode(&back, bytes, len), BASE_OK);
        assert_same(&cert, &back);
        consensus_cert_free(&back);
        for (size_t cut = 0; cut < len; cut++) { /* no part of one is one */
            uint8_t *part = malloc(cut > 0 ? cut : 1);
            memcpy(part, bytes, cut);
            assert_int_not_equal(consensus_cert_decode(&back, part, cut), BASE_OK);
            free(part);
            size_t short_len = 0;
            assert_int_equal(consensus_cert_encode(bytes + 2048, &short_len, cut, &cert),
                             BASE_ETOOBIG);
        }
        bytes[len] = 0; /* nor more than one */
        assert_int_equal(consensus_cert_decode(&back, bytes, len + 1), BASE_EMALFORMED);
        consensus_cert_free(&cert);
    }
}

/* Any byte changed: refused, or something else that says so when it is checked. */
static void test_changed_bytes(void **state)
{
    uint8_t bytes[4096];
    struct base_prng prng;
    (void)state;
    base_prng_init(&prng, 1);
    for (int which = 0; which < 2; which++) {
        struct consensus_cert cert = which == 0 ? notar_cert() : skip_cert(), back;
        size_t len = encoded(bytes, sizeof bytes, &cert);
        for (size_t at = 0; at < len; at++) {
            uint8_t was = bytes[at];
            bytes[at] ^= (uint8_t)base_prng_between(&prng, 1, 255);
            if (consensus_cert_decode(&back, bytes, len) == BASE_OK) {
                assert_int_not_equal(check(&back), CONSENSUS_CERT_GOOD);
                consensus_cert_free(&back);
            }
            bytes[at] = was;
        }
        consensus_cert_free(&cert);
    }
}

#define CASE(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_voters),
        CASE(test_weight_decides),
        CASE(test_two_votes_of_one),
        CASE(test_ranges_combine),
        CASE(test_a_certificate_has_no_more_than_it_needs),
        CASE(test_what_is_no_certificate),
        CASE(test_too_few_make_none),
        CASE(test_there_and_back),
        CASE(test_changed_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
