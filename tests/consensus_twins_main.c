/* nftmesh-twins: scenarios with one identity in two places. */
#include <assert.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "consensus_twins.h"

static const char *const USAGE =
    "usage: nftmesh-twins [--scenarios N] [--seed S] [--only K] [--trace]\n"
    "\n"
    "Runs N scenarios: four members and a twin, or seven and two, in six to eight slots with a\n"
    "leader and two partitions each. Prints what they reached and a hash of everything that\n"
    "happened, the same with every compiler; or the first scenario that violates something, how "
    "to\n"
    "repeat it, and exits 1.\n"
    "\n"
    "  --scenarios N  how many (1000)\n"
    "  --seed S       where they come from (1)\n"
    "  --only K       this one alone, counted from 0, and what is in it\n"
    "  --trace        everything that is said, stored and final, on standard error\n";

struct coverage {
    uint64_t run, distinct, partitions, orders; /* distinct ones of each */
    uint64_t finals, proofs, skips, choices, halves, restarts, steps, steps_most, trace;
};

/* ---- how many of them are different ---- */

struct set {
    uint64_t *slots;
    uint64_t mask, count;
};

static bool add(struct set *s, uint64_t hash)
{
    uint64_t at = hash & s->mask;
    if (hash == 0) hash = 1;
    while (s->slots[at] != 0 && s->slots[at] != hash)
        at = (at + 1) & s->mask;
    if (s->slots[at] == hash || s->count == s->mask) return false;
    s->slots[at] = hash;
    s->count++;
    return true;
}

static struct set set_new(uint64_t most)
{
    struct set s = {.mask = 1023};
    while (s.mask < 2 * most)
        s.mask = 2 * s.mask + 1;
    s.slots = calloc(s.mask + 1, sizeof *s.slots);
    assert(s.slots != NULL);
    return s;
}

/* The same partition has one name, however its blocks are numbered. */
static uint64_t partition_name(const uint8_t *blocks, size_t count)
{
    uint64_t name = count;
    for (size_t i = 0; i < count; i++) {
        size_t first = 0;
        while (blocks[first] != blocks[i])
            first++;
        name = name * 16 + first;
    }
    return name * UINT64_C(0x9e3779b97f4a7c15);
}

/* Who leads the parted slots. */
static uint64_t order_name(const struct twins_plan *plan)
{
    struct consensus_lead leads[WORLD_NODES] = {0};
    struct consensus_schedule schedule;
    uint64_t name = plan->members * 16 + plan->window;
    for (size_t i = 0; i < plan->members; i++) {
        leads[i].key.bytes[0] = (uint8_t)i;
        leads[i].weight = plan->lead_weight[i];
        leads[i].priority = plan->priority[i];
    }
    int rv = consensus_schedule_init(&schedule, leads, plan->members);
    assert(rv == 0);
    for (uint32_t s = 0; s < plan->slots; s += plan->window)
        name = name * 8 + consensus_schedule_next(&schedule);
    return name * UINT64_C(0x9e3779b97f4a7c15);
}

static void cover(struct coverage *c, const struct twins_plan *plan, const struct twins_result *r,
                  struct set sets[3])
{
    size_t count = plan->members + plan->twins;
    c->run++;
    c->distinct += add(&sets[0], twins_plan_hash(plan));
    for (uint32_t s = 0; s < plan->slots; s++) {
        c->partitions += add(&sets[1], partition_name(plan->first[s], count));
        c->partitions += add(&sets[1], partition_name(plan->second[s], count));
    }
    c->orders += add(&sets[2], order_name(plan));
    c->finals += r->is_final_while_parted;
    c->proofs += r->has_proof;
    c->skips += r->has_skip_cert;
    c->choices += r->has_two_choices;
    c->halves += r->has_half;
    c->restarts += plan->restarted < count;
    c->steps += r->steps;
    if (r->steps > c->steps_most) c->steps_most = r->steps;
    c->trace = (c->trace ^ r->trace) * 0x100000001b3;
}

static void say(const struct coverage *c)
{
    printf("twins: %llu scenarios, %llu distinct, %llu partitions, %llu orders of leaders, %llu "
           "steps, at most %llu in one\n",
           (unsigned long long)c->run, (unsigned long long)c->distinct,
           (unsigned long long)c->partitions, (unsigned long long)c->orders,
           (unsigned long long)c->steps, (unsigned long long)c->steps_most);
    printf(
        "twins: %llu final while parted, %llu with proof of guilt, %llu with a skip certificate, "
        "%llu with two candidates voted for, %llu by honest members, %llu with a restart\n",
        (unsigned long long)c->finals, (unsigned long long)c->proofs, (unsigned long long)c->skips,
        (unsigned long long)c->choices, (unsigned long long)c->halves,
        (unsigned long long)c->restarts);
    printf("twins: 0 violations, trace hash %016llx\n", (unsigned long long)c->trace);
}

static void say_failure(const struct twins_plan *plan, const struct twins_result *r, uint64_t seed,
                        uint64_t at)
{
    twins_plan_print(plan, stderr);
    fprintf(stderr,
            "scenario %llu of seed %llu: %s\nto repeat it: build/tests/nftmesh-twins --seed %llu "
            "--only %llu --trace\n",
            (unsigned long long)at, (unsigned long long)seed, r->wrong, (unsigned long long)seed,
            (unsigned long long)at);
}

static bool number(uint64_t *out, const char *text)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"scenarios", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    uint64_t count = 1000, seed = 1, first = 0;
    struct coverage c = {0};
    struct twins_plan plan;
    struct twins_result r;
    FILE *told = NULL;
    bool is_only = false, is_right = true;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'n') is_right = is_right && number(&count, optarg);
        if (option == 's') is_right = is_right && number(&seed, optarg);
        if (option == 'o') is_right = is_only = is_right && number(&first, optarg);
        if (option == 't') told = stderr;
        if (option == '?') is_right = false;
        if (option == 'h') {
            printf("%s", USAGE);
            return 0;
        }
    }
    if (!is_right || optind < argc || count == 0 || count > 100000000) {
        fprintf(stderr, "%s", USAGE);
        return 2;
    }
    if (is_only) count = 1;
    struct set sets[3] = {set_new(count), set_new(100000), set_new(count)};
    for (uint64_t at = first; at < first + count; at++) {
        twins_plan(&plan, seed, at);
        if (is_only) twins_plan_print(&plan, stdout);
        twins_run(&r, &plan, told);
        if (!r.ok) {
            say_failure(&plan, &r, seed, at);
            return 1;
        }
        cover(&c, &plan, &r, sets);
    }
    say(&c);
    for (size_t i = 0; i < 3; i++)
        free(sets[i].slots);
    return 0;
}
