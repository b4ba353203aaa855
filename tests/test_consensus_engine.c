/* Whole clusters in virtual time: agreement, progress, leases, restarts, and members that lie.
 * A seed names a run: delays, losses, clocks and crashes are drawn from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "base/prng.h"
#include "consensus/engine.h"

#define MOST      12 /* instances: members and their twins */
#define FINALS    4096
#define STORE_MAX 20000

/* ---- deep copies: what a step says is borrowed ---- */

static void *copy_of(const void *data, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0) memcpy(copy, data, len);
    return copy;
}

static struct consensus_message *message_copy(const struct consensus_message *m)
{
    struct consensus_message *out = copy_of(m, sizeof *m);
    if (m->type == CONSENSUS_MSG_CAND)
        out->u.cand.payload.data = copy_of(m->u.cand.payload.data, m->u.cand.payload.len);
    if (m->type == CONSENSUS_MSG_CERT)
        out->u.cert.votes = copy_of(m->u.cert.votes, m->u.cert.count * sizeof *m->u.cert.votes);
    return out;
}

static void message_free(struct consensus_message *m)
{
    if (m->type == CONSENSUS_MSG_CAND) free((void *)(uintptr_t)m->u.cand.payload.data);
    if (m->type == CONSENSUS_MSG_CERT) free(m->u.cert.votes);
    free(m);
}

struct stored {
    struct consensus_record record;
    struct consensus_candidate cand;
    struct consensus_cert cert;
};

static void record_copy(struct stored *out, const struct consensus_record *r)
{
    out->record = *r;
    if (r->cand != NULL) {
        out->cand = *r->cand;
        out->cand.payload.data = copy_of(r->cand->payload.data, r->cand->payload.len);
        out->record.cand = &out->cand;
    }
    if (r->cert != NULL) {
        out->cert = *r->cert;
        out->cert.votes = copy_of(r->cert->votes, r->cert->count * sizeof *r->cert->votes);
        out->record.cert = &out->cert;
    }
}

/* ---- the world ---- */

struct item { /* what comes when */
    uint64_t at_us, order;
    size_t to, from; /* instances; from == to: STORED */
    uint32_t life;   /* of the receiver, for what is its own */
    uint64_t number;
    struct consensus_message *message;
};

struct final {
    uint64_t slot;
    struct base_hash32 hash;
};

struct node {
    struct consensus_engine *engine;
    size_t member;
    uint32_t life;
    int64_t rate_ppm;  /* its clock */
    uint64_t stall_us; /* does not run until then */
    struct stored *log;
    size_t log_count;
    struct final *finals;
    size_t final_count;
    size_t side; /* of a partition */
};

struct world {
    struct base_prng prng;
    uint64_t now_us, order;
    struct item *heap;
    size_t heap_count, heap_cap;
    struct consensus_voter voters[MOST];
    struct consensus_lead leads[MOST];
    size_t members, count; /* instances beyond the members are twins of the first ones */
    struct node nodes[MOST];
    struct consensus_params params;
    uint32_t loss_percent;
    uint64_t delay_max_us;
    bool is_parted;
    uint64_t leases, overlaps, faults;
    bool is_guilty[MOST];
    uint64_t honest_faults;
};

static struct world w;

static bool is_twin(size_t member)
{
    return member < w.count - w.members;
}

static struct base_sig65 keyed(const uint8_t signer[20], const struct base_vote *vote)
{
    struct base_sig65 sig = {{0}};
    struct base_hash32 hash;
    uint8_t bytes[20 + 32 + 1 + 16 + 32];
    memcpy(bytes, signer, 20);
    memcpy(bytes + 20, vote->epoch_id.bytes, 32);
    bytes[52] = (uint8_t)vote->kind;
    base_put_u64be(bytes + 53, vote->first);
    base_put_u64be(bytes + 61, vote->last);
    memcpy(bytes + 69, vote->hash.bytes, 32);
    base_keccak256(&hash, bytes, sizeof bytes);
    memcpy(sig.bytes, hash.bytes, 32);
    return sig;
}

static int host_sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    const struct node *n = ctx;
    *sig = keyed(w.voters[n->member].signer.bytes, vote);
    return BASE_OK;
}

static int host_verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                       const struct base_eth_address *signer)
{
    struct base_sig65 good = keyed(signer->bytes, vote);
    (void)ctx;
    return memcmp(good.bytes, sig->bytes, sizeof good.bytes) == 0 ? BASE_OK : BASE_ESIG;
}

/* Something that differs from one run of a leader to another, so that twins contradict. */
static size_t host_fill(void *ctx, uint64_t slot, const struct consensus_above *above, void *out,
                        size_t cap)
{
    const struct node *n = ctx;
    (void)above;
    assert_true(cap >= 16);
    base_put_u64be(out, slot);
    base_put_u64be((uint8_t *)out + 8, (uint64_t)(n - w.nodes));
    return 16;
}

static void host_read(void *ctx, const struct base_slice *payload, struct consensus_marks *out)
{
    (void)ctx, (void)payload;
    *out = (struct consensus_marks){0};
}

static enum consensus_judgement host_judge(void *ctx, uint64_t slot,
                                           const struct consensus_above *above,
                                           const struct base_slice *payload)
{
    (void)ctx;
    (void)above;
    return payload->len == 16 && base_get_u64be(payload->data) == slot ? CONSENSUS_VALID
                                                                       : CONSENSUS_INVALID;
}

static bool is_before(const struct item *a, const struct item *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push(struct item item)
{
    if (w.heap_count == w.heap_cap) {
        w.heap_cap = w.heap_cap == 0 ? 1024 : 2 * w.heap_cap;
        w.heap = realloc(w.heap, w.heap_cap * sizeof *w.heap);
        assert_non_null(w.heap);
    }
    item.order = w.order++;
    size_t i = w.heap_count++;
    while (i > 0 && is_before(&item, &w.heap[(i - 1) / 2])) {
        w.heap[i] = w.heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w.heap[i] = item;
}

static struct item pop(void)
{
    struct item first = w.heap[0], last = w.heap[--w.heap_count];
    size_t i = 0;
    for (size_t child = 1; child < w.heap_count; child = 2 * i + 1) {
        if (child + 1 < w.heap_count && is_before(&w.heap[child + 1], &w.heap[child])) child++;
        if (!is_before(&w.heap[child], &last)) break;
        w.heap[i] = w.heap[child];
        i = child;
    }
    if (w.heap_count > 0) w.heap[i] = last;
    return first;
}

/* Its own clock, ahead or behind. */
static uint64_t clock_ms(const struct node *n)
{
    int64_t us = (int64_t)w.now_us;
    return 1000 + (uint64_t)((us + us * n->rate_ppm / 1000000) / 1000);
}

static void send_to(size_t from, size_t to, const struct consensus_message *m)
{
    if (w.is_parted && w.nodes[from].side != w.nodes[to].side) return;
    if (base_prng_below(&w.prng, 100) < w.loss_percent) return;
    push((struct item){.at_us = w.now_us + base_prng_between(&w.prng, 100, w.delay_max_us),
                       .from = from,
                       .to = to,
                       .message = message_copy(m)});
}

static void check_final(struct node *n, const struct consensus_action *a)
{
    assert_true(n->final_count < FINALS);
    struct final f = {a->u.final.slot, a->u.final.hash};
    if (n->final_count > 0) assert_true(n->finals[n->final_count - 1].slot < f.slot);
    n->finals[n->final_count++] = f;
}

static void perform(size_t at, const struct consensus_actions *out)
{
    struct node *n = &w.nodes[at];
    for (size_t i = 0; i < out->count; i++) {
        const struct consensus_action *a = &out->list[i];
        switch (a->type) {
        case CONSENSUS_ACT_STORE:
            assert_true(n->log_count < STORE_MAX);
            record_copy(&n->log[n->log_count++], &a->u.store.record);
            push((struct item){.at_us = w.now_us + base_prng_between(&w.prng, 50, 3000),
                               .from = at,
                               .to = at,
                               .life = n->life,
                               .number = a->u.store.number});
            break;
        case CONSENSUS_ACT_SEND:
            for (size_t to = 0; to < w.count; to++) {
                bool is_meant = a->u.send.to == w.members || w.nodes[to].member == a->u.send.to;
                if (to != at && is_meant) send_to(at, to, &a->u.send.message);
            }
            break;
        case CONSENSUS_ACT_FINAL:
            check_final(n, a);
            break;
        case CONSENSUS_ACT_FAULT:
            w.faults++;
            w.is_guilty[a->u.fault.voter] = true;
            assert_int_equal(consensus_vote_fault(&a->u.fault.a, &a->u.fault.b, NULL),
                             a->u.fault.fault);
            if (!is_twin(a->u.fault.voter)) w.honest_faults++;
            break;
        case CONSENSUS_ACT_COPY:
            assert_true(is_twin(n->member));
            break;
        case CONSENSUS_ACT_LEADER:
        case CONSENSUS_ACT_WANT_STATE:
            break;
        }
    }
}

static void step(size_t at, const struct consensus_event *ev)
{
    struct node *n = &w.nodes[at];
    struct consensus_actions out;
    if (n->engine == NULL) return;
    int rv = consensus_engine_step(n->engine, clock_ms(n), ev, &out);
    assert_int_not_equal(rv, BASE_ENOMEM);
    perform(at, &out);
}

/* Never two honest members with a lease at one true time. */
static void check_leases(void)
{
    size_t holder = MOST;
    for (size_t i = w.count - w.members; i < w.members; i++) {
        const struct node *n = &w.nodes[i];
        if (n->engine == NULL || !consensus_engine_has_lease(n->engine, clock_ms(n))) continue;
        w.leases++;
        if (holder != MOST) w.overlaps++;
        holder = i;
    }
}

static void start(size_t at)
{
    struct node *n = &w.nodes[at];
    struct consensus_config config = {
        .params = w.params,
        .epoch_id = {{0xe}},
        .genesis = {{0x9}},
        .voters = w.voters,
        .leads = w.leads,
        .voter_count = w.members,
        .self = n->member,
        .first_leader = w.members,
        .final_slot = CONSENSUS_NO_SLOT,
        .host = {n, host_sign, host_verify, host_read, host_fill, host_judge}};
    assert_int_equal(consensus_engine_new(&n->engine, &config, clock_ms(n)), BASE_OK);
    for (size_t i = 0; i < n->log_count; i++)
        assert_int_equal(consensus_engine_restore(n->engine, &n->log[i].record), BASE_OK);
    n->final_count = 0; /* it learns them again */
}

/* What was not on disk yet is lost with it. */
static void crash(size_t at)
{
    struct node *n = &w.nodes[at];
    consensus_engine_free(n->engine);
    n->engine = NULL;
    n->life++;
}

static uint64_t next_due(size_t *who)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < w.count; i++) {
        const struct node *n = &w.nodes[i];
        if (n->engine == NULL) continue;
        uint64_t due = consensus_engine_deadline_ms(n->engine), now = clock_ms(n);
        uint64_t at = w.now_us + (due > now ? (due - now) * 1000 : 1000);
        if (at < n->stall_us) at = n->stall_us;
        if (at < first) {
            first = at;
            *who = i;
        }
    }
    return first;
}

static void run_until(uint64_t end_us)
{
    while (w.now_us < end_us) {
        size_t who = 0;
        uint64_t due = next_due(&who);
        if (w.heap_count > 0 && w.heap[0].at_us <= due && w.heap[0].at_us <= end_us) {
            struct item item = pop();
            struct node *n = &w.nodes[item.to];
            w.now_us = item.at_us > w.now_us ? item.at_us : w.now_us;
            if (n->stall_us > w.now_us) { /* waits with it */
                item.at_us = n->stall_us;
                push(item);
                continue;
            }
            struct consensus_event ev = {.type = CONSENSUS_EV_MESSAGE};
            if (item.message != NULL) {
                ev.from = w.nodes[item.from].member;
                ev.u.message = item.message;
                step(item.to, &ev);
                message_free(item.message);
            } else if (item.life == n->life) {
                ev.type = CONSENSUS_EV_STORED;
                ev.u.stored = item.number;
                step(item.to, &ev);
            }
        } else {
            if (due > end_us) {
                w.now_us = end_us;
                break;
            }
            w.now_us = due;
            step(who, &(struct consensus_event){.type = CONSENSUS_EV_TIMER});
        }
        check_leases();
    }
}

static void begin_weighted(uint64_t seed, size_t members, size_t twins, uint32_t window,
                           uint64_t weight_max)
{
    uint64_t weights[MOST];
    memset(&w, 0, sizeof w);
    base_prng_init(&w.prng, seed);
    w.members = members;
    w.count = members + twins;
    w.delay_max_us = 5000;
    consensus_params_default(&w.params);
    w.params.window_slots = window;
    for (size_t i = 0; i < members; i++) {
        w.voters[i].key.bytes[0] = 2;
        w.voters[i].key.bytes[32] = (uint8_t)(i + 1);
        w.voters[i].signer.bytes[0] = (uint8_t)(i + 1);
        weights[i] = base_prng_between(&w.prng, 1, weight_max);
    }
    uint64_t cap = consensus_weight_cap(weights, members);
    for (size_t i = 0; i < members; i++) {
        w.voters[i].weight = weights[i] < cap ? weights[i] : cap;
        w.leads[i].key = w.voters[i].key;
        w.leads[i].weight = w.voters[i].weight;
    }
    for (size_t i = 0; i < w.count; i++) {
        struct node *n = &w.nodes[i];
        n->member = i < members ? i : i - members;
        n->rate_ppm = (int64_t)base_prng_between(&w.prng, 0, 10000) - 5000;
        n->log = calloc(STORE_MAX, sizeof *n->log);
        n->finals = calloc(FINALS, sizeof *n->finals);
        assert_true(n->log != NULL && n->finals != NULL);
        start(i);
    }
}

static void begin(uint64_t seed, size_t members, size_t twins, uint32_t window)
{
    begin_weighted(seed, members, twins, window, 1);
}

static void end(void)
{
    while (w.heap_count > 0) {
        struct item item = pop();
        if (item.message != NULL) message_free(item.message);
    }
    for (size_t i = 0; i < w.count; i++) {
        struct node *n = &w.nodes[i];
        consensus_engine_free(n->engine);
        for (size_t k = 0; k < n->log_count; k++) {
            if (n->log[k].record.cand != NULL) free((void *)(uintptr_t)n->log[k].cand.payload.data);
            if (n->log[k].record.cert != NULL) free(n->log[k].cert.votes);
        }
        free(n->log);
        free(n->finals);
    }
    free(w.heap);
}

/* I1: one digest a slot, whoever says it is final; and each who goes on finds the same slots. */
static void check_agreement(void)
{
    for (size_t a = w.count - w.members; a < w.members; a++) {
        for (size_t b = a + 1; b < w.members; b++) {
            const struct node *x = &w.nodes[a], *y = &w.nodes[b];
            size_t i = 0, k = 0;
            while (i < x->final_count && k < y->final_count) {
                if (x->finals[i].slot == y->finals[k].slot) {
                    assert_true(base_hash32_equal(&x->finals[i].hash, &y->finals[k].hash));
                    i++, k++;
                } else if (x->finals[i].slot < y->finals[k].slot) {
                    assert_true(k == 0); /* a restarted one begins later */
                    i++;
                } else {
                    assert_true(i == 0);
                    k++;
                }
            }
        }
    }
    assert_int_equal(w.overlaps, 0);
    assert_int_equal(w.honest_faults, 0);
}

static uint64_t lowest_final(void)
{
    uint64_t lowest = UINT64_MAX;
    for (size_t i = w.count - w.members; i < w.members; i++) {
        const struct node *n = &w.nodes[i];
        if (n->engine == NULL) continue;
        uint64_t slot = n->final_count > 0 ? n->finals[n->final_count - 1].slot : 0;
        if (slot < lowest) lowest = slot;
    }
    return lowest;
}

#define S 1000000u

/* ---- stories ---- */

static void test_one_member_leads_itself(void **state)
{
    (void)state;
    begin(1, 1, 0, 600);
    run_until(10 * S);
    assert_true(w.nodes[0].final_count >= 9);
    assert_true(consensus_engine_has_lease(w.nodes[0].engine, clock_ms(&w.nodes[0])));
    check_agreement();
    end();
}

static void test_a_calm_cluster(void **state)
{
    struct consensus_view view;
    (void)state;
    begin(2, 5, 0, 600);
    run_until(30 * S);
    check_agreement();
    assert_true(lowest_final() >= 27); /* a heartbeat a second */
    assert_true(w.leases > 0);
    for (size_t i = 0; i < 5; i++) {
        consensus_engine_view(&view, w.nodes[i].engine);
        assert_int_equal(view.window, 0); /* nobody was skipped */
        assert_int_equal(view.refused, 0);
    }
    end();
}

static size_t holder(void)
{
    for (size_t i = 0; i < w.members; i++)
        if (w.nodes[i].engine != NULL &&
            consensus_engine_has_lease(w.nodes[i].engine, clock_ms(&w.nodes[i])))
            return i;
    return w.members;
}

/* A leader dies: the next one leads within T_skip and a few delays, and not before its lease ends.
 */
static void test_failover(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed, 5, 0, 600);
        run_until((10 + seed % 7) * S + seed * 37001);
        size_t first = holder();
        assert_true(first < w.members);
        crash(first);
        uint64_t at = w.now_us;
        while (holder() == w.members && w.now_us < at + 10 * S)
            run_until(w.now_us + 10000);
        assert_int_not_equal(holder(), first);
        assert_in_range(w.now_us - at, 2 * S, 3400000);
        run_until(w.now_us + 5 * S);
        check_agreement();
        end();
    }
}

/* Handed on: a few delays. */
static void test_transfer(void **state)
{
    (void)state;
    begin(3, 5, 0, 600);
    run_until(10 * S);
    size_t first = holder();
    step(first, &(struct consensus_event){.type = CONSENSUS_EV_RESIGN});
    uint64_t at = w.now_us;
    assert_int_equal(holder(), w.members);
    while (holder() == w.members && w.now_us < at + 10 * S)
        run_until(w.now_us + 1000);
    assert_true(w.now_us - at <= 60000);
    assert_int_not_equal(holder(), first);
    check_agreement();
    end();
}

/* Windows pass from one to the next without anybody skipping. */
static void test_short_windows(void **state)
{
    struct consensus_view view;
    (void)state;
    begin(4, 4, 0, 5);
    run_until(120 * S);
    check_agreement();
    consensus_engine_view(&view, w.nodes[0].engine);
    assert_true(view.window >= 20);
    assert_true(lowest_final() >= 100);
    end();
}

/* Loss, halves, stalls and restarts, then calm: nothing contradicts, and it goes on. */
static void wild(uint64_t seed, size_t members, size_t twins)
{
    static const uint32_t windows[] = {3, 5, 20, 600};
    /* One twin weighs less than a third whatever its weight is: the cap. Two may not. */
    begin_weighted(seed, members, twins, windows[seed % 4], twins < 2 ? 1 + seed % 9 : 1);
    w.delay_max_us = base_prng_between(&w.prng, 1000, 400000);
    w.loss_percent = (uint32_t)base_prng_below(&w.prng, 31);
    for (int round = 0; round < 12; round++) {
        size_t who = (size_t)base_prng_between(&w.prng, 0, w.count - 1);
        struct node *n = &w.nodes[who];
        switch (base_prng_below(&w.prng, 5)) {
        case 0:
            w.is_parted = !w.is_parted;
            for (size_t i = 0; i < w.count; i++)
                w.nodes[i].side = (size_t)base_prng_below(&w.prng, 2);
            break;
        case 1:
            n->stall_us = w.now_us + base_prng_between(&w.prng, 1, 8) * S;
            break;
        case 2:
            if (n->engine != NULL) crash(who);
            break;
        case 3:
            if (n->engine == NULL) start(who);
            break;
        default:
            break;
        }
        run_until(w.now_us + base_prng_between(&w.prng, 100000, 6 * S));
        check_agreement();
    }
    w.is_parted = false;
    w.loss_percent = 0;
    w.delay_max_us = 20000;
    for (size_t i = 0; i < w.count; i++) {
        w.nodes[i].stall_us = 0;
        if (w.nodes[i].engine == NULL) start(i);
    }
    run_until(w.now_us + 150 * S);
    uint64_t before = lowest_final();
    run_until(w.now_us + 60 * S);
    check_agreement();
    if (lowest_final() <= before)
        fail_msg("seed %lu: nothing final after %lu", (unsigned long)seed, (unsigned long)before);
    end();
}

static void test_wild_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        wild(seed, 4 + seed % 4, 0);
}

/* One member's key in two places: two candidates, two votes. Nobody else is ever accused, and the
 * others agree. */
static void test_twins(void **state)
{
    uint64_t faults = 0;
    (void)state;
    for (uint64_t seed = 1001; seed <= 1060; seed++) {
        wild(seed, seed % 2 == 0 ? 4 : 7, seed % 2 == 0 ? 1 : 2);
        faults += w.faults;
    }
    assert_true(faults > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_member_leads_itself),
        cmocka_unit_test(test_a_calm_cluster),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_short_windows),
        cmocka_unit_test(test_wild_seeds),
        cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
