/* What checking a vote costs, beside the bare call that it cannot do without: the digest of a vote
 * (EIP-712), recovering who signed it, and comparing addresses, as node/mesh_consensus.c does it;
 * and libsecp256k1's recover alone. A vote and a bare call take turns, so that both see the same
 * machine, and each is timed with the thread's CPU clock. */
#include <assert.h>
#include <getopt.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/eip712.h"
#include "base/err.h"

#define GOAL    0.9 /* of the throughput of the bare call */
#define RUNS    5
#define ROUNDS  40 /* over all votes, a run */
#define VOTES   64
#define WARM_UP 4 /* rounds */

struct vote { /* as a member has it: what was said, and by whom */
    struct base_vote vote;
    struct base_sig65 sig;
    struct base_eth_address signer;
    secp256k1_ecdsa_recoverable_signature raw; /* parsed, and its digest made, beforehand */
    struct base_hash32 digest;
};

struct spread {
    double median, lowest, highest;
};

static struct base_eip712_domain domain;
static struct vote votes[VOTES];
static secp256k1_context *bare;

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct spread spread_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, order);
    return (struct spread){values[n / 2], values[0], values[n - 1]};
}

/* --- votes ----------------------------------------------------------------------------------- */

static void vote_make(struct vote *v, size_t i)
{
    struct base_privkey priv;
    struct base_key33 pub;
    memset(&priv, (int)(i % 100) + 1, sizeof priv);
    v->vote.kind = BASE_VOTE_NOTAR;
    v->vote.first = v->vote.last = i;
    base_random(v->vote.epoch_id.bytes, sizeof v->vote.epoch_id.bytes);
    base_random(v->vote.hash.bytes, sizeof v->vote.hash.bytes);
    base_eip712_vote(&v->digest, &domain, &v->vote);
    int rv = base_ecdsa_pubkey(&pub, &priv);
    if (rv == BASE_OK) rv = base_ecdsa_address(&v->signer, &pub);
    if (rv == BASE_OK) rv = base_ecdsa_sign(&v->sig, &v->digest, &priv);
    assert(rv == BASE_OK);
    rv = secp256k1_ecdsa_recoverable_signature_parse_compact(bare, &v->raw, v->sig.bytes,
                                                             v->sig.bytes[64]);
    assert(rv == 1);
    (void)rv;
}

static void set_up(void)
{
    struct base_eth_address contract;
    unsigned char seed[32];
    int rv = base_ecdsa_init();
    assert(rv == BASE_OK);
    bare = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    assert(bare != NULL);
    base_random(seed, sizeof seed);
    rv = secp256k1_context_randomize(bare, seed); /* as base/ecdsa does */
    assert(rv == 1);
    (void)rv;
    base_random(contract.bytes, sizeof contract.bytes);
    base_eip712_domain_init(&domain, 31337, &contract);
    for (size_t i = 0; i < VOTES; i++)
        vote_make(&votes[i], i);
}

/* verify() of node/mesh_consensus.c */
static double vote_us(const struct vote *v)
{
    struct base_hash32 digest;
    struct base_eth_address found;
    double begin_us = cpu_us();
    base_eip712_vote(&digest, &domain, &v->vote);
    int rv = base_ecdsa_recover_address(&found, &digest, &v->sig);
    bool is_theirs = rv == BASE_OK && base_address_equal(&found, &v->signer);
    double us = cpu_us() - begin_us;
    if (!is_theirs) abort();
    return us;
}

static double bare_us(const struct vote *v)
{
    secp256k1_pubkey pub;
    double begin_us = cpu_us();
    int rv = secp256k1_ecdsa_recover(bare, &pub, &v->raw, v->digest.bytes);
    double us = cpu_us() - begin_us;
    if (rv != 1) abort();
    return us;
}

/* --- what is printed ------------------------------------------------------------------------- */

struct result {
    struct spread vote_us, bare_us, ratio; /* over the runs' medians */
};

static void measure(struct result *result)
{
    static double checked[ROUNDS * VOTES], raw[ROUNDS * VOTES];
    double vote[RUNS], one[RUNS], ratio[RUNS];
    for (size_t i = 0; i < (size_t)WARM_UP * VOTES; i++)
        (void)(vote_us(&votes[i % VOTES]) + bare_us(&votes[i % VOTES]));
    for (size_t run = 0; run < RUNS; run++) {
        for (size_t i = 0; i < (size_t)ROUNDS * VOTES; i++) {
            checked[i] = vote_us(&votes[i % VOTES]);
            raw[i] = bare_us(&votes[i % VOTES]);
        }
        vote[run] = spread_of(checked, (size_t)ROUNDS * VOTES).median;
        one[run] = spread_of(raw, (size_t)ROUNDS * VOTES).median;
        ratio[run] = one[run] / vote[run];
    }
    result->vote_us = spread_of(vote, RUNS);
    result->bare_us = spread_of(one, RUNS);
    result->ratio = spread_of(ratio, RUNS);
}

static bool is_met(const struct result *r)
{
    return r->ratio.median >= GOAL;
}

static void print_table(const struct result *r)
{
    printf("Checking votes, beside libsecp256k1's recover alone\n"
           "median of %d runs of %d each [lowest, highest run]\n\n",
           RUNS, ROUNDS * VOTES);
    printf("%-20s %.2f [%.2f, %.2f] us\n", "a vote", r->vote_us.median, r->vote_us.lowest,
           r->vote_us.highest);
    printf("%-20s %.2f [%.2f, %.2f] us\n", "recover alone", r->bare_us.median, r->bare_us.lowest,
           r->bare_us.highest);
    printf("%-20s %.3f [%.3f, %.3f], goal at least %.2f %s\n", "vote_verify_ratio", r->ratio.median,
           r->ratio.lowest, r->ratio.highest, GOAL, is_met(r) ? "met" : "MISSED");
}

static void print_json(const struct result *r)
{
    printf("{\"figure\":\"vote_verify_ratio\",\"n\":1,\"ours\":%.4f,\"serf\":null,\"ratio\":null,"
           "\"goal\":%.2f,\"met\":%s,\"runs\":%d,\"ours_range\":[%.4f,%.4f],\"vote_us\":%.3f,"
           "\"raw_secp256k1_us\":%.3f}\n",
           r->ratio.median, GOAL, is_met(r) ? "true" : "false", RUNS, r->ratio.lowest,
           r->ratio.highest, r->vote_us.median, r->bare_us.median);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"format", required_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct result result;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'f' && strcmp(optarg, "json") == 0)
            json = true;
        else if (option != 'f' || strcmp(optarg, "table") != 0) {
            fprintf(option == 'h' ? stdout : stderr, "usage: bench-votes [--format table|json]\n");
            return option == 'h' ? 0 : 2;
        }
    }
    set_up();
    measure(&result);
    secp256k1_context_destroy(bare);
    if (json)
        print_json(&result);
    else
        print_table(&result);
    return is_met(&result) ? 0 : 1;
}
