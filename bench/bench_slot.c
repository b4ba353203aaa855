/* How long a slot takes among a hundred members: from the step in which its leader makes the
 * candidate until it is final at each of them.
 *
 * Real, and measured with the thread's CPU clock: the members' cores (consensus/cluster.h), their
 * secp256k1 signatures, made and checked as node/mesh_consensus.c does it, and their sessions'
 * encryption. In virtual time, and stated: how long a frame is under way, how fast a member's line
 * is, a durable write (what comes during one shares the next, as node/consensus_writer.c does it),
 * and what system calls and the loop cost for each frame. A member has one core of its own: while
 * it computes what arrives waits, and what it sends leaves when it has been encrypted. So all
 * members run in one process, and the figure is that of a machine for each. */
#include <assert.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/cipher.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/eip712.h"
#include "base/err.h"
#include "base/prng.h"
#include "consensus/cluster.h"

#define GOAL_S      1.0
#define MEMBERS_MAX 200
#define SLOTS_MAX   500
#define WARM_UP     5 /* slots that do not count: the first ones begin with the epoch */
#define MS          UINT64_C(1000000)
#define ASK_EACH    (700 * MS) /* before a heartbeat is due, so that each candidate has an entry */
#define ASKED_MAX   4096
#define VALUE_BYTES 256
#define CLOCK_MS    1000 /* at the beginning */
#define GIVE_UP_S   300

struct item { /* what comes when */
    uint64_t at, order;
    size_t to, from;
    enum { FRAME, STORED, TIMER, ASK, RUN } kind;
    uint64_t number; /* STORED: up to; TIMER: its deadline; ASK: which one */
    uint8_t *bytes;  /* FRAME: as encrypted */
    size_t len;
};

struct member {
    struct consensus_cluster *cluster;
    struct base_privkey priv;
    struct base_key33 key;
    struct item *inbox; /* a ring */
    size_t first, count, cap;
    bool is_running;
    uint64_t free_at;               /* it computes until then */
    uint64_t line_at;               /* its line is busy until then */
    uint64_t write_from, write_end; /* of the last write that was begun or waits */
    uint64_t deadline_ms, final_count;
    uint64_t cpu, cpu_before, cpu_after; /* all; what counts */
};

enum { MEASURED, STATED, BYTES, FRAMES, CHECKED, TOTALS }; /* of all members; CPU in ns */
struct slot {
    uint64_t proposed;           /* 0: not yet */
    uint64_t final[MEMBERS_MAX]; /* as it came to be */
    size_t final_count;
    uint64_t before[TOTALS];
};

static struct { /* what is stated */
    unsigned long members, silent, slots, delay_ms, jitter_ms, store_us, frame_us, mbit, seed;
} given = {100, 0, 30, 25, 10, 1000, 30, 100, 1};

static struct base_eip712_domain domain;
static struct base_prng prng;
static size_t live; /* all but the silent ones, which are the last */
static struct item *heap;
static size_t heap_count, heap_cap;
static uint64_t now, order;
static struct member members[MEMBERS_MAX];
static struct attest_cipher ciphers[MEMBERS_MAX][MEMBERS_MAX]; /* whose, with whom */
static uint64_t arrived[MEMBERS_MAX][MEMBERS_MAX];             /* last: a stream keeps its order */
static uint64_t first_slot = CONSENSUS_NO_SLOT;                /* that was proposed */
static struct slot slots[WARM_UP + SLOTS_MAX + 1];
static uint64_t asked[ASKED_MAX], told[ASKED_MAX];
static uint64_t totals[TOTALS];

static uint64_t cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* --- signatures: as in node/mesh_consensus.c -------------------------------------------------- */

static int sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    const struct member *m = ctx;
    struct base_hash32 digest;
    base_eip712_vote(&digest, &domain, vote);
    return base_ecdsa_sign(sig, &digest, &m->priv);
}

static int verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                  const struct base_eth_address *signer)
{
    struct base_hash32 digest;
    struct base_eth_address found;
    (void)ctx;
    totals[CHECKED]++;
    base_eip712_vote(&digest, &domain, vote);
    int rv = base_ecdsa_recover_address(&found, &digest, sig);
    return rv == BASE_OK && !base_address_equal(&found, signer) ? BASE_ESIG : rv;
}

static int sign_entry(void *ctx, const struct base_slice *body, struct base_sig65 *sig)
{
    const struct member *m = ctx;
    struct base_hash32 digest;
    base_eip712_entry(&digest, &domain, body->data, body->len);
    return base_ecdsa_sign(sig, &digest, &m->priv);
}

static int verify_entry(void *ctx, const struct base_slice *body, const struct base_sig65 *sig,
                        const struct base_key33 *submitter)
{
    struct base_hash32 digest;
    (void)ctx;
    totals[CHECKED]++;
    base_eip712_entry(&digest, &domain, body->data, body->len);
    return base_ecdsa_verify(&digest, sig, submitter);
}

/* --- what comes when -------------------------------------------------------------------------- */

static bool is_before(const struct item *a, const struct item *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct item item)
{
    if (heap_count == heap_cap) {
        heap_cap = heap_cap == 0 ? 4096 : 2 * heap_cap;
        heap = realloc(heap, heap_cap * sizeof *heap);
        assert(heap != NULL);
    }
    item.order = order++;
    size_t i = heap_count++;
    while (i > 0 && is_before(&item, &heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = item;
}

static struct item pop(void)
{
    struct item first = heap[0], last = heap[--heap_count];
    size_t i = 0;
    for (size_t child = 1; child < heap_count; child = 2 * i + 1) {
        if (child + 1 < heap_count && is_before(&heap[child + 1], &heap[child])) child++;
        if (!is_before(&heap[child], &last)) break;
        heap[i] = heap[child];
        i = child;
    }
    if (heap_count > 0) heap[i] = last;
    return first;
}

static void run_at(struct member *m, uint64_t at)
{
    m->is_running = true;
    push((struct item){.at = at, .kind = RUN, .to = (size_t)(m - members)});
}

/* It waits until the member has done what came before. */
static void arrive(const struct item *item)
{
    struct member *m = &members[item->to];
    if (m->count == m->cap) {
        size_t cap = m->cap == 0 ? 64 : 2 * m->cap;
        struct item *grown = calloc(cap, sizeof *grown);
        assert(grown != NULL);
        for (size_t i = 0; i < m->count; i++)
            grown[i] = m->inbox[(m->first + i) % m->cap];
        free(m->inbox);
        m->inbox = grown;
        m->first = 0;
        m->cap = cap;
    }
    m->inbox[(m->first + m->count++) % m->cap] = *item;
    if (!m->is_running) run_at(m, now > m->free_at ? now : m->free_at);
}

/* --- what a member does ----------------------------------------------------------------------- */

static void spend(struct member *m, uint64_t measured, uint64_t stated)
{
    m->free_at += measured + stated;
    m->cpu += measured + stated;
    totals[MEASURED] += measured;
    totals[STATED] += stated;
}

static void send_to(struct member *m, size_t to, const struct consensus_cluster_action *a)
{
    size_t from = (size_t)(m - members);
    struct item item = {.kind = FRAME, .from = from, .to = to};
    item.bytes = malloc(a->u.send.body.len + ATTEST_FRAME_OVERHEAD_BYTES);
    assert(item.bytes != NULL);
    uint64_t begin = cpu_now();
    attest_cipher_seal(&ciphers[from][to], item.bytes, &item.len, a->u.send.type,
                       a->u.send.body.data, a->u.send.body.len);
    spend(m, cpu_now() - begin, given.frame_us * 1000);
    totals[FRAMES]++;
    totals[BYTES] += item.len;
    if (m->line_at < m->free_at) m->line_at = m->free_at;
    m->line_at += item.len * 8 * 1000 / given.mbit;
    item.at = m->line_at + base_prng_between(&prng, (given.delay_ms - given.jitter_ms) * MS,
                                             (given.delay_ms + given.jitter_ms) * MS);
    if (item.at < arrived[from][to]) item.at = arrived[from][to];
    arrived[from][to] = item.at;
    push(item);
}

static int by_key(const void *key, const void *member)
{
    const struct member *m = member;
    return memcmp(key, m->key.bytes, sizeof m->key.bytes);
}

static void on_send(struct member *m, const struct consensus_cluster_action *a)
{
    if (!a->u.send.is_to_all) {
        const struct member *to =
            bsearch(a->u.send.to.bytes, members, live, sizeof *members, by_key);
        if (to != NULL && to != m) send_to(m, (size_t)(to - members), a);
        return;
    }
    for (size_t i = 0; i < live; i++)
        if (&members[i] != m) send_to(m, i, a);
}

/* The first that is stored about one slot is its candidate: votes follow it. Whole windows are
 * skipped before the first one when their leaders are silent. */
static void on_proposed(uint64_t slot)
{
    if (first_slot == CONSENSUS_NO_SLOT) first_slot = slot;
    slot -= first_slot;
    if (slot >= WARM_UP + given.slots + 1 || slots[slot].proposed != 0) return;
    slots[slot].proposed = now;
    memcpy(slots[slot].before, totals, sizeof totals);
    for (size_t i = 0; i < live && slot == WARM_UP; i++)
        members[i].cpu_before = members[i].cpu;
    for (size_t i = 0; i < live && slot == WARM_UP + given.slots; i++)
        members[i].cpu_after = members[i].cpu;
}

static void on_store(struct member *m, const struct consensus_cluster_action *a)
{
    bool is_vote = a->u.store.kind == CONSENSUS_STORE_VOTE;
    if (is_vote && a->u.store.first == a->u.store.last) on_proposed(a->u.store.first);
    if (m->write_from < m->free_at) { /* the last one has begun: another */
        m->write_from = m->write_end > m->free_at ? m->write_end : m->free_at;
        m->write_end = m->write_from + given.store_us * 1000;
    }
    push((struct item){.at = m->write_end,
                       .kind = STORED,
                       .to = (size_t)(m - members),
                       .number = a->u.store.number});
}

static void look_at_final(struct member *m)
{
    struct consensus_cluster_view v;
    consensus_cluster_view(&v, m->cluster, CLOCK_MS + now / MS);
    if (!v.has_epoch || v.engine.final_slot == CONSENSUS_NO_SLOT) return;
    uint64_t final = v.engine.final_slot - first_slot;
    while (m->final_count <= final && m->final_count < WARM_UP + given.slots) {
        struct slot *s = &slots[m->final_count++];
        s->final[s->final_count++] = m->free_at;
    }
}

static void step(struct member *m, uint64_t begin, const struct consensus_cluster_event *ev,
                 uint64_t stated)
{
    struct consensus_cluster_actions out;
    int rv = consensus_cluster_step(m->cluster, CLOCK_MS + now / MS, ev, &out);
    assert(rv != BASE_ENOMEM);
    (void)rv;
    spend(m, cpu_now() - begin, stated);
    look_at_final(m);
    for (size_t i = 0; i < out.count; i++) {
        const struct consensus_cluster_action *a = &out.list[i];
        if (a->type == CONSENSUS_CLUSTER_ACT_SEND) on_send(m, a);
        if (a->type == CONSENSUS_CLUSTER_ACT_STORE) on_store(m, a);
        if (a->type == CONSENSUS_CLUSTER_ACT_DONE) told[a->u.done.tag] = m->free_at;
    }
    uint64_t due_ms = consensus_cluster_deadline_ms(m->cluster), at = due_ms * MS - CLOCK_MS * MS;
    if (due_ms == m->deadline_ms || due_ms == UINT64_MAX) return;
    m->deadline_ms = due_ms;
    push((struct item){.at = due_ms > CLOCK_MS && at > now ? at : now + MS,
                       .kind = TIMER,
                       .to = (size_t)(m - members),
                       .number = due_ms});
}

static void take_frame(struct member *m, const struct item *item)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_FRAME};
    struct attest_frame frame;
    uint64_t begin = cpu_now();
    int rv = attest_cipher_open(&ciphers[item->to][item->from], &frame, item->bytes, item->len);
    assert(rv == BASE_OK);
    (void)rv;
    ev.key = members[item->from].key;
    ev.u.frame.type = frame.type;
    ev.u.frame.body = (struct base_slice){frame.body, frame.body_len};
    step(m, begin, &ev, given.frame_us * 1000);
}

static void take_ask(struct member *m, const struct item *item)
{
    static const uint8_t value[VALUE_BYTES];
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_SUBMIT};
    struct consensus_entry entry = {.kind = CONSENSUS_ENTRY_PUT};
    entry.u.put.key = (struct base_slice){(const uint8_t *)"bench", 5};
    entry.u.put.value = (struct base_slice){value, sizeof value};
    ev.u.submit.entry = &entry;
    ev.u.submit.tag = item->number;
    asked[item->number] = now;
    step(m, cpu_now(), &ev, 0);
    if (item->number + 1 < ASKED_MAX)
        push((struct item){.at = now + ASK_EACH,
                           .kind = ASK,
                           .to = (size_t)base_prng_below(&prng, live),
                           .number = item->number + 1});
}

static void take(struct member *m, const struct item *item)
{
    struct consensus_cluster_event ev = {0};
    switch (item->kind) {
    case FRAME:
        take_frame(m, item);
        break;
    case STORED:
        ev.type = CONSENSUS_CLUSTER_EV_STORED;
        ev.u.stored = item->number;
        step(m, cpu_now(), &ev, 0);
        break;
    case TIMER:
        if (item->number != m->deadline_ms) break; /* another has taken its place */
        m->deadline_ms = 0;
        ev.type = CONSENSUS_CLUSTER_EV_TIMER;
        step(m, cpu_now(), &ev, 0);
        break;
    case ASK:
        take_ask(m, item);
        break;
    case RUN:
        break;
    }
}

static void run(struct member *m)
{
    struct item item = m->inbox[m->first];
    m->first = (m->first + 1) % m->cap;
    m->count--;
    m->is_running = false;
    m->free_at = now;
    take(m, &item);
    free(item.bytes);
    if (m->count > 0) run_at(m, m->free_at);
}

/* Until the slots that count are final everywhere, and one more is proposed. */
static bool run_all(void)
{
    const struct slot *last = &slots[WARM_UP + given.slots - 1];
    while (last->final_count < live || last[1].proposed == 0) {
        if (heap[0].at > GIVE_UP_S * 1000 * MS) return false;
        struct item item = pop();
        now = item.at;
        if (item.kind == RUN)
            run(&members[item.to]);
        else
            arrive(&item);
    }
    return true;
}

/* --- beginning -------------------------------------------------------------------------------- */

static int order_of_keys(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return memcmp(x->key.bytes, y->key.bytes, sizeof x->key.bytes);
}

static void sessions_begin(void)
{
    for (size_t a = 0; a < live; a++)
        for (size_t b = 0; b < a; b++) {
            struct attest_noise_keys one = {0};
            base_random(&one, sizeof one);
            struct attest_noise_keys other = one;
            other.sk = one.rk;
            other.rk = one.sk;
            attest_cipher_init(&ciphers[a][b], &one);
            attest_cipher_init(&ciphers[b][a], &other);
        }
}

static void member_begin(struct member *m)
{
    struct consensus_cluster_config config = {
        .self = m->key,
        .chain_id = 31337,
        .gap_s = 30,
        .found_ms = 3000,
        .nonce = 1 << 24,
        .is_log_fresh = true,
        .host = {m, sign, verify, sign_entry, verify_entry},
    };
    consensus_params_default(&config.params);
    int rv = consensus_cluster_new(&m->cluster, &config, CLOCK_MS);
    assert(rv == BASE_OK);
    (void)rv;
}

static void member_meets(struct member *m, const struct consensus_seat *seats)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_CHAIN};
    ev.u.chain.block = (struct consensus_block){1, {{1}}, 1};
    ev.u.chain.seats = seats;
    ev.u.chain.seat_count = given.members;
    step(m, cpu_now(), &ev, 0);
    for (size_t i = 0; i < live; i++) {
        ev = (struct consensus_cluster_event){.type = CONSENSUS_CLUSTER_EV_PEER};
        ev.key = members[i].key;
        ev.u.is_up = true;
        if (&members[i] != m) step(m, cpu_now(), &ev, 0);
    }
}

static void set_up(void)
{
    static struct consensus_seat seats[MEMBERS_MAX];
    struct base_eth_address contract = {{0xc0}};
    live = given.members - given.silent;
    int rv = base_ecdsa_init();
    if (rv == BASE_OK) rv = base_aead_init();
    base_prng_init(&prng, given.seed);
    base_eip712_domain_init(&domain, 31337, &contract);
    for (size_t i = 0; i < given.members && rv == BASE_OK; i++) {
        memset(&members[i].priv, (int)i + 1, sizeof members[i].priv);
        rv = base_ecdsa_pubkey(&members[i].key, &members[i].priv);
    }
    qsort(members, given.members, sizeof *members, order_of_keys);
    for (size_t i = 0; i < given.members && rv == BASE_OK; i++) {
        seats[i].key = members[i].key;
        seats[i].token.bytes[31] = (uint8_t)(i + 1);
        seats[i].weight = 1;
        rv = base_ecdsa_address(&seats[i].signer, &members[i].key);
    }
    assert(rv == BASE_OK);
    sessions_begin();
    for (size_t i = 0; i < live; i++)
        member_begin(&members[i]);
    for (size_t i = 0; i < live; i++)
        member_meets(&members[i], seats);
    push((struct item){.at = 10 * 1000 * MS, .kind = ASK}); /* the epoch has begun */
}

/* --- what is printed -------------------------------------------------------------------------- */

struct spread {
    double median, lowest, highest;
};
struct result {
    struct spread all_s, quorum_s, told_s;
    struct spread measured_ms, stated_ms, kib, frames, checked; /* a member and slot */
    double each_s[SLOTS_MAX];
    double busiest_ms; /* CPU a slot */
};

static int order_of(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct spread spread_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, order_of);
    return (struct spread){values[n / 2], values[0], values[n - 1]};
}

static double final_s(const struct slot *s, size_t nth)
{
    double at[MEMBERS_MAX];
    for (size_t i = 0; i < live; i++)
        at[i] = (double)(s->final[i] - s->proposed) / 1e9;
    qsort(at, live, sizeof *at, order_of);
    return at[nth];
}

static struct spread told_spread(void)
{
    double values[ASKED_MAX] = {0};
    size_t n = 0;
    for (size_t i = 0; i < ASKED_MAX; i++)
        if (told[i] != 0 && asked[i] >= slots[WARM_UP].proposed)
            values[n++] = (double)(told[i] - asked[i]) / 1e9;
    return spread_of(values, n > 0 ? n : 1);
}

/* Of a member, from one proposal to the next. */
static struct spread per_slot(size_t which, double unit)
{
    double values[SLOTS_MAX];
    for (size_t i = 0; i < given.slots; i++) {
        const struct slot *s = &slots[WARM_UP + i];
        values[i] = (double)(s[1].before[which] - s[0].before[which]) / unit / (double)live;
    }
    return spread_of(values, given.slots);
}

static void evaluate(struct result *r)
{
    double all[SLOTS_MAX], quorum[SLOTS_MAX];
    for (size_t i = 0; i < given.slots; i++) {
        const struct slot *s = &slots[WARM_UP + i];
        r->each_s[i] = all[i] = final_s(s, live - 1);
        quorum[i] = final_s(s, 2 * given.members / 3);
    }
    r->all_s = spread_of(all, given.slots);
    r->quorum_s = spread_of(quorum, given.slots);
    r->told_s = told_spread();
    r->measured_ms = per_slot(MEASURED, 1e6);
    r->stated_ms = per_slot(STATED, 1e6);
    r->kib = per_slot(BYTES, 1024);
    r->frames = per_slot(FRAMES, 1);
    r->checked = per_slot(CHECKED, 1);
    r->busiest_ms = 0;
    for (size_t i = 0; i < live; i++) {
        double ms = (double)(members[i].cpu_after - members[i].cpu_before) / 1e6;
        if (ms / (double)given.slots > r->busiest_ms) r->busiest_ms = ms / (double)given.slots;
    }
}

static bool is_met(const struct result *r)
{
    return r->all_s.highest <= GOAL_S;
}

static void print_line(const char *name, const struct spread *s, int digits, const char *unit)
{
    printf("%-34s %.*f [%.*f, %.*f]%s", name, digits, s->median, digits, s->lowest, digits,
           s->highest, unit);
}

static void print_table(const struct result *r)
{
    printf(
        "A slot among %lu members, %lu of them silent, from its candidate until it is final\n"
        "median of %lu slots [lowest, highest]\n\n"
        "stated: a message %lu ms +- %lu on its way, lines of %lu Mbit/s, a durable write %lu us,\n"
        "        a core for each member, of which a frame takes %lu us beside what is measured\n\n",
        given.members, given.silent, given.slots, given.delay_ms, given.jitter_ms, given.mbit,
        given.store_us, given.frame_us);
    print_line("at all members", &r->all_s, 3, " s");
    printf(", goal: none above %.0f %s\n", GOAL_S, is_met(r) ? "met" : "MISSED");
    print_line("at the last of a quorum", &r->quorum_s, 3, " s\n");
    print_line("a write, until its member is told", &r->told_s, 3, " s\n");
    printf("a member and slot:\n");
    print_line("  CPU, measured", &r->measured_ms, 1, " ms\n");
    print_line("  CPU, stated: frames", &r->stated_ms, 1, " ms\n");
    printf("%-34s %.1f ms\n", "  CPU, the busiest member's mean", r->busiest_ms);
    print_line("  signatures checked", &r->checked, 0, "\n");
    print_line("  frames sent", &r->frames, 0, "\n");
    print_line("  sent", &r->kib, 1, " KiB\n");
}

static void print_json(const struct result *r)
{
    printf("{\"figure\":\"slot_final_%lu_s\",\"n\":%lu,\"ours\":%.4f,\"serf\":null,\"ratio\":null,"
           "\"goal\":%.0f,\"met\":%s,\"runs\":%lu,\"ours_range\":[%.4f,%.4f],\"quorum_s\":%.4f,"
           "\"told_s\":%.4f,\"cpu_ms\":%.3f,\"cpu_stated_ms\":%.3f,\"cpu_busiest_ms\":%.3f,"
           "\"checked\":%.1f,\"frames\":%.1f,\"kib\":%.2f,\"each_s\":[",
           given.members, given.members, r->all_s.median, GOAL_S, is_met(r) ? "true" : "false",
           given.slots, r->all_s.lowest, r->all_s.highest, r->quorum_s.median, r->told_s.median,
           r->measured_ms.median, r->stated_ms.median, r->busiest_ms, r->checked.median,
           r->frames.median, r->kib.median);
    for (size_t i = 0; i < given.slots; i++)
        printf("%s%.4f", i > 0 ? "," : "", r->each_s[i]);
    printf("]}\n");
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void tear_down(void)
{
    while (heap_count > 0) {
        struct item item = pop();
        free(item.bytes);
    }
    free(heap);
    for (size_t i = 0; i < live; i++) {
        struct member *m = &members[i];
        for (; m->count > 0; m->count--) {
            free(m->inbox[m->first].bytes);
            m->first = (m->first + 1) % m->cap;
        }
        free(m->inbox);
        consensus_cluster_free(m->cluster);
    }
}

static void usage(FILE *to)
{
    fprintf(
        to,
        "usage: bench-slot [--format table|json] [--members 4..%d] [--silent N] [--slots 1..%d]\n"
        "         [--delay-ms N] [--jitter-ms N] [--store-us N] [--frame-us N] [--mbit N]"
        " [--seed N]\n"
        "What 100 members of one core each would see, over a network in virtual time: how long\n"
        "a slot takes from its candidate until it is final at all of them but the silent ones.\n"
        "By default none is silent, a message is 25 ms +- 10 on its way, over lines of 100 "
        "Mbit/s,\n"
        "a durable write takes 1000 us, and 30 us of CPU for each frame sent or received are "
        "added\n"
        "to what is measured. Takes a minute or two.\n",
        MEMBERS_MAX, SLOTS_MAX);
}

static bool read_number(unsigned long *out, unsigned long lowest, unsigned long highest)
{
    char *end;
    *out = strtoul(optarg, &end, 10);
    return *optarg >= '0' && *optarg <= '9' && *end == '\0' && *out >= lowest && *out <= highest;
}

static bool read_option(int option, bool *json)
{
    switch (option) {
    case 'f':
        *json = strcmp(optarg, "json") == 0;
        return *json || strcmp(optarg, "table") == 0;
    case 'n':
        return read_number(&given.members, 4, MEMBERS_MAX);
    case 'q':
        return read_number(&given.silent, 0, (MEMBERS_MAX - 1) / 3);
    case 's':
        return read_number(&given.slots, 1, SLOTS_MAX);
    case 'd':
        return read_number(&given.delay_ms, 0, 10000);
    case 'j':
        return read_number(&given.jitter_ms, 0, 10000);
    case 'w':
        return read_number(&given.store_us, 0, 1000000);
    case 'c':
        return read_number(&given.frame_us, 0, 10000);
    case 'm':
        return read_number(&given.mbit, 1, 1000000);
    case 'r':
        return read_number(&given.seed, 0, UINT32_MAX);
    }
    return false;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"format", required_argument, NULL, 'f'},   {"members", required_argument, NULL, 'n'},
        {"silent", required_argument, NULL, 'q'},   {"slots", required_argument, NULL, 's'},
        {"delay-ms", required_argument, NULL, 'd'}, {"jitter-ms", required_argument, NULL, 'j'},
        {"store-us", required_argument, NULL, 'w'}, {"frame-us", required_argument, NULL, 'c'},
        {"mbit", required_argument, NULL, 'm'},     {"seed", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},           {0}};
    static struct result result;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (option == 'h' || !read_option(option, &json)) {
            usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    if (optind < argc || given.jitter_ms > given.delay_ms ||
        given.silent > (given.members - 1) / 3) {
        usage(stderr);
        return 2;
    }
    set_up();
    bool is_done = run_all();
    if (is_done) {
        evaluate(&result);
        if (json)
            print_json(&result);
        else
            print_table(&result);
    } else {
        fprintf(stderr, "bench-slot: %lu slots were not final within %d s\n", given.slots,
                GIVE_UP_S);
    }
    tear_down();
    return is_done && is_met(&result) ? 0 : 1;
}
