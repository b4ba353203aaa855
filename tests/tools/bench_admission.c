/* What one admission costs: CPU time of one side, from the open pipe to UP, both checks included.
 *
 * Two sessions with real keys meet in memory: handshake, HELLO each way, and at each side every
 * line of admission on the other's HELLO, the registry's snapshot and the signature chain. Each
 * side's own steps are timed with the thread's CPU clock, the carrying between them is not.
 *
 * Beside it: the same side's calls into libsecp256k1, counted during the admissions (the linker
 * puts our counters before them) and priced by the median of the bare call in the same run. */
#include "mesh_fixture.h"

#include "base/aead.h"
#include "base/err.h"

#include <assert.h>
#include <getopt.h>
#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <secp256k1_recovery.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GOAL_MS    0.35
#define RUNS       5
#define ADMISSIONS 400 /* a run */
#define WARM_UP    50
#define SAMPLES    1000 /* of each bare call, a run */

enum op { ECDH = 0, RECOVER, SIGN, PUBKEY_CREATE, PUBKEY_PARSE, OPS };
static const char *const op_names[OPS] = {"ecdh", "recover", "sign", "pubkey_create",
                                          "pubkey_parse"};
static unsigned *counters; /* of the side whose step runs; NULL: nobody counts */

/* --- the library's calls, counted ------------------------------------------------------------ */

int __real_secp256k1_ecdh(const secp256k1_context *, unsigned char *, const secp256k1_pubkey *,
                          const unsigned char *, secp256k1_ecdh_hash_function, void *);
int __real_secp256k1_ecdsa_recover(const secp256k1_context *, secp256k1_pubkey *,
                                   const secp256k1_ecdsa_recoverable_signature *,
                                   const unsigned char *);
int __real_secp256k1_ecdsa_sign_recoverable(const secp256k1_context *,
                                            secp256k1_ecdsa_recoverable_signature *,
                                            const unsigned char *, const unsigned char *,
                                            secp256k1_nonce_function, const void *);
int __real_secp256k1_ec_pubkey_create(const secp256k1_context *, secp256k1_pubkey *,
                                      const unsigned char *);
int __real_secp256k1_ec_pubkey_parse(const secp256k1_context *, secp256k1_pubkey *,
                                     const unsigned char *, size_t);
int __wrap_secp256k1_ecdh(const secp256k1_context *, unsigned char *, const secp256k1_pubkey *,
                          const unsigned char *, secp256k1_ecdh_hash_function, void *);
int __wrap_secp256k1_ecdsa_recover(const secp256k1_context *, secp256k1_pubkey *,
                                   const secp256k1_ecdsa_recoverable_signature *,
                                   const unsigned char *);
int __wrap_secp256k1_ecdsa_sign_recoverable(const secp256k1_context *,
                                            secp256k1_ecdsa_recoverable_signature *,
                                            const unsigned char *, const unsigned char *,
                                            secp256k1_nonce_function, const void *);
int __wrap_secp256k1_ec_pubkey_create(const secp256k1_context *, secp256k1_pubkey *,
                                      const unsigned char *);
int __wrap_secp256k1_ec_pubkey_parse(const secp256k1_context *, secp256k1_pubkey *,
                                     const unsigned char *, size_t);

static void count(enum op op)
{
    if (counters != NULL) counters[op]++;
}

int __wrap_secp256k1_ecdh(const secp256k1_context *ctx, unsigned char *out,
                          const secp256k1_pubkey *pub, const unsigned char *priv,
                          secp256k1_ecdh_hash_function hash, void *data)
{
    count(ECDH);
    return __real_secp256k1_ecdh(ctx, out, pub, priv, hash, data);
}

int __wrap_secp256k1_ecdsa_recover(const secp256k1_context *ctx, secp256k1_pubkey *pub,
                                   const secp256k1_ecdsa_recoverable_signature *sig,
                                   const unsigned char *digest)
{
    count(RECOVER);
    return __real_secp256k1_ecdsa_recover(ctx, pub, sig, digest);
}

int __wrap_secp256k1_ecdsa_sign_recoverable(const secp256k1_context *ctx,
                                            secp256k1_ecdsa_recoverable_signature *sig,
                                            const unsigned char *digest, const unsigned char *priv,
                                            secp256k1_nonce_function nonce, const void *data)
{
    count(SIGN);
    return __real_secp256k1_ecdsa_sign_recoverable(ctx, sig, digest, priv, nonce, data);
}

int __wrap_secp256k1_ec_pubkey_create(const secp256k1_context *ctx, secp256k1_pubkey *pub,
                                      const unsigned char *priv)
{
    count(PUBKEY_CREATE);
    return __real_secp256k1_ec_pubkey_create(ctx, pub, priv);
}

int __wrap_secp256k1_ec_pubkey_parse(const secp256k1_context *ctx, secp256k1_pubkey *pub,
                                     const unsigned char *data, size_t len)
{
    count(PUBKEY_PARSE);
    return __real_secp256k1_ec_pubkey_parse(ctx, pub, data, len);
}

/* --- clock and statistics -------------------------------------------------------------------- */

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

struct spread {
    double median, lowest, highest;
};

static struct spread spread_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, order);
    return (struct spread){values[n / 2], values[0], values[n - 1]};
}

/* --- two sessions ---------------------------------------------------------------------------- */

#define MESSAGES 8 /* on their way to one side at a time */

struct side {
    struct node_session *session;
    double us;
    unsigned ops[OPS];
    bool is_up, owes_sent, owes_admit;
    size_t head, tail; /* of inbox */
    struct {
        size_t len;
        uint8_t data[ATTEST_FRAME_BYTES_MAX];
    } inbox[MESSAGES];
};

static struct mesh_fixture fixture;
static struct side sides[2]; /* 0 dials */
static struct node_session_actions actions;
static uint64_t now_ms = 1000000;

static void perform(size_t i, const struct node_session_action *a)
{
    struct side *to = &sides[1 - i];
    switch (a->kind) {
    case NODE_SESSION_SEND:
        assert(to->tail - to->head < MESSAGES);
        memcpy(to->inbox[to->tail % MESSAGES].data, a->send.data, a->send.len);
        to->inbox[to->tail++ % MESSAGES].len = a->send.len;
        sides[i].owes_sent = true;
        break;
    case NODE_SESSION_JUDGED:
        sides[i].owes_admit = true;
        break;
    case NODE_SESSION_UP:
        sides[i].is_up = true;
        break;
    case NODE_SESSION_DOWN:
    case NODE_SESSION_VOTES:
    case NODE_SESSION_WAITING:
    case NODE_SESSION_REFUSED:
    case NODE_SESSION_FRAME:
    case NODE_SESSION_ANSWER:
    case NODE_SESSION_RENEW:
    case NODE_SESSION_CLOSE:
        fprintf(stderr, "bench-admission: action %d before both sides are up\n", (int)a->kind);
        exit(1);
    }
}

static void step(size_t i, const struct node_session_event *ev)
{
    struct side *s = &sides[i];
    counters = s->ops;
    double begin_us = cpu_us();
    int rv = node_session_step(s->session, now_ms, ev, &actions);
    s->us += cpu_us() - begin_us;
    counters = NULL;
    assert(rv == BASE_OK);
    for (size_t k = 0; k < actions.count; k++)
        perform(i, &actions.list[k]);
}

static bool advance(size_t i)
{
    struct side *s = &sides[i];
    struct node_session_event ev = {.kind = NODE_SESSION_EV_FRAME};
    if (s->owes_admit) {
        ev.kind = NODE_SESSION_EV_ADMIT;
        s->owes_admit = false;
    } else if (s->owes_sent) {
        ev.kind = NODE_SESSION_EV_SENT;
        s->owes_sent = false;
    } else if (s->head != s->tail) {
        ev.frame.data = s->inbox[s->head % MESSAGES].data;
        ev.frame.len = s->inbox[s->head++ % MESSAGES].len;
    } else {
        return false;
    }
    step(i, &ev);
    return true;
}

static void open_side(size_t i)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_OPEN};
    struct side *s = &sides[i];
    double begin_us = cpu_us();
    int rv = node_session_new(&s->session, &fixture.nodes[i].env);
    s->us = cpu_us() - begin_us;
    assert(rv == BASE_OK);
    memset(s->ops, 0, sizeof s->ops);
    s->is_up = s->owes_sent = s->owes_admit = false;
    s->head = s->tail = 0;
    ev.open.dialed = i == 0;
    ev.open.remote = fixture.nodes[1].identity.keys.node_key;
    base_random(ev.open.entropy, sizeof ev.open.entropy);
    step(i, &ev);
}

/* Both sides from nothing to UP: us and ops of each side say what it cost. */
static void admit(void)
{
    now_ms += 1000; /* the budget of act 1 is by the second */
    open_side(1);
    open_side(0);
    while (advance(0) || advance(1)) {
    }
    assert(sides[0].is_up && sides[1].is_up);
    for (size_t i = 0; i < 2; i++)
        node_session_free(sides[i].session);
}

/* --- the bare calls -------------------------------------------------------------------------- */

struct bare {
    secp256k1_context *ctx;
    unsigned char priv[32], digest[32], pub33[33], out[32];
    secp256k1_pubkey pub, other;
    secp256k1_ecdsa_recoverable_signature sig;
};

static int bare_call(struct bare *b, enum op op)
{
    switch (op) {
    case ECDH:
        return __real_secp256k1_ecdh(b->ctx, b->out, &b->pub, b->priv, NULL, NULL);
    case RECOVER:
        return __real_secp256k1_ecdsa_recover(b->ctx, &b->other, &b->sig, b->digest);
    case SIGN:
        return __real_secp256k1_ecdsa_sign_recoverable(b->ctx, &b->sig, b->digest, b->priv, NULL,
                                                       NULL);
    case PUBKEY_CREATE:
        return __real_secp256k1_ec_pubkey_create(b->ctx, &b->other, b->priv);
    case PUBKEY_PARSE:
        return __real_secp256k1_ec_pubkey_parse(b->ctx, &b->other, b->pub33, sizeof b->pub33);
    case OPS:
        break;
    }
    return 0;
}

static void bare_init(struct bare *b)
{
    size_t len = sizeof b->pub33;
    b->ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    assert(b->ctx != NULL);
    base_random(b->out, sizeof b->out);
    int rv = secp256k1_context_randomize(b->ctx, b->out); /* as base/ecdsa does */
    base_random(b->digest, sizeof b->digest);
    memset(b->priv, 7, sizeof b->priv);
    rv &= secp256k1_ec_pubkey_create(b->ctx, &b->pub, b->priv);
    rv &= secp256k1_ec_pubkey_serialize(b->ctx, b->pub33, &len, &b->pub, SECP256K1_EC_COMPRESSED);
    assert(rv == 1);
}

/* Median of one call, in microseconds: SIGN first, it gives the signature that RECOVER takes. */
static void measure_bare(struct bare *b, double us[OPS])
{
    static const enum op in_order[OPS] = {SIGN, RECOVER, ECDH, PUBKEY_CREATE, PUBKEY_PARSE};
    static double samples[SAMPLES];
    for (size_t i = 0; i < OPS; i++) {
        for (size_t k = 0; k < SAMPLES; k++) {
            double begin_us = cpu_us();
            int rv = bare_call(b, in_order[i]);
            samples[k] = cpu_us() - begin_us;
            assert(rv == 1);
        }
        us[in_order[i]] = spread_of(samples, SAMPLES).median;
    }
}

/* --- what is printed ------------------------------------------------------------------------- */

struct result {
    struct spread side_ms[2], raw_ms[2], op_us[OPS]; /* each over the runs' medians */
    unsigned ops[2][OPS];
};

static void measure(struct result *result)
{
    static double us[2][ADMISSIONS], ms[2][RUNS], raw[2][RUNS], op_us[OPS][RUNS];
    struct bare bare;
    bare_init(&bare);
    for (size_t k = 0; k < WARM_UP; k++)
        admit();
    for (size_t run = 0; run < RUNS; run++) {
        double one_us[OPS];
        for (size_t k = 0; k < ADMISSIONS; k++) {
            admit();
            us[0][k] = sides[0].us;
            us[1][k] = sides[1].us;
        }
        measure_bare(&bare, one_us);
        for (size_t i = 0; i < 2; i++) {
            ms[i][run] = spread_of(us[i], ADMISSIONS).median / 1e3;
            raw[i][run] = 0;
            for (size_t op = 0; op < OPS; op++)
                raw[i][run] += sides[i].ops[op] * one_us[op] / 1e3;
        }
        for (size_t op = 0; op < OPS; op++)
            op_us[op][run] = one_us[op];
    }
    for (size_t i = 0; i < 2; i++) {
        memcpy(result->ops[i], sides[i].ops, sizeof result->ops[i]);
        result->side_ms[i] = spread_of(ms[i], RUNS);
        result->raw_ms[i] = spread_of(raw[i], RUNS);
    }
    for (size_t op = 0; op < OPS; op++)
        result->op_us[op] = spread_of(op_us[op], RUNS);
    secp256k1_context_destroy(bare.ctx);
}

static bool is_met(const struct result *r)
{
    return r->side_ms[0].median <= GOAL_MS && r->side_ms[1].median <= GOAL_MS;
}

static void print_table(const struct result *r)
{
    static const char *const names[2] = {"dialing side", "accepting side"};
    printf("One admission, CPU of one side: handshake, HELLO both ways, both checks\n"
           "median of %d runs of %d admissions [lowest, highest run]\n\n",
           RUNS, ADMISSIONS);
    printf("%-16s %-24s %-26s %-6s %s\n", "", "CPU, ms", "raw libsecp256k1, ms", "ratio",
           "goal, ms");
    for (size_t i = 0; i < 2; i++) {
        const struct spread *s = &r->side_ms[i], *raw = &r->raw_ms[i];
        printf("%-16s %.3f [%.3f, %.3f]     %.3f [%.3f, %.3f]       %-6.2f %.2f %s\n", names[i],
               s->median, s->lowest, s->highest, raw->median, raw->lowest, raw->highest,
               s->median / raw->median, GOAL_MS, s->median <= GOAL_MS ? "met" : "MISSED");
    }
    printf("\n%-16s %-10s %-8s %s\n", "bare call", "us", "dialing", "accepting");
    for (size_t op = 0; op < OPS; op++)
        printf("%-16s %-10.1f %-8u %u\n", op_names[op], r->op_us[op].median, r->ops[0][op],
               r->ops[1][op]);
}

static void print_json(const struct result *r)
{
    size_t dear = r->side_ms[0].median >= r->side_ms[1].median ? 0 : 1;
    const struct spread *s = &r->side_ms[dear], *raw = &r->raw_ms[dear];
    printf("{\"figure\":\"admission_cpu_ms\",\"n\":2,\"ours\":%.4f,\"serf\":null,\"ratio\":null,"
           "\"goal\":%.2f,\"met\":%s,\"runs\":%d,\"ours_range\":[%.4f,%.4f],"
           "\"dialing\":%.4f,\"accepting\":%.4f,\"raw_secp256k1\":%.4f,"
           "\"raw_secp256k1_range\":[%.4f,%.4f]}\n",
           s->median, GOAL_MS, is_met(r) ? "true" : "false", RUNS, s->lowest, s->highest,
           r->side_ms[0].median, r->side_ms[1].median, raw->median, raw->lowest, raw->highest);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"format", required_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'f' && strcmp(optarg, "json") == 0)
            json = true;
        else if (option != 'f' || strcmp(optarg, "table") != 0) {
            fprintf(option == 'h' ? stdout : stderr,
                    "usage: bench-admission [--format table|json]\n");
            return option == 'h' ? 0 : 2;
        }
    }
    struct result result;
    mesh_fixture_init(&fixture);
    measure(&result);
    mesh_fixture_deinit(&fixture);
    if (json)
        print_json(&result);
    else
        print_table(&result);
    return 0;
}
