/* nftmesh-consensus-sim: random histories of whole clusters of consensus engines. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus_seed.h"

static const char *const USAGE =
    "usage: nftmesh-consensus-sim [--seed N] [--count C] [--members M] [--liar NAME|all|none]\n"
    "\n"
    "Runs a cluster of consensus engines in virtual time, from one seed, C times with the next "
    "seed\n"
    "each: loss, duplicates, cuts, stalls, crashes with half of the last writes, restarts, and\n"
    "members that lie. After every step the checkers look, and all is compared with a reference\n"
    "model. Prints a hash of everything that happened, the same with every compiler; or the first\n"
    "seed that fails, and the command that repeats it, and exits 1.\n"
    "\n"
    "  --seed N      the first seed (1)\n"
    "  --count C     how many (1)\n"
    "  --members M   1 to 12; drawn by default, 4 to 10\n"
    "  --liar NAME   only this kind; all: drawn (the default); none\n"
    "  --verbose     one line a seed\n"
    "  --trace       everything that is said, stored and final, on standard error\n"
    "\nliars:\n";

struct command {
    struct consensus_seed seed;
    uint64_t count;
    const char *liar;
    bool verbose;
};

static void help(void)
{
    printf("%s", USAGE);
    for (size_t k = 0; k < WORLD_LIARS_COUNT; k++)
        printf("  %-18s %s\n", WORLD_LIARS[k]->name, WORLD_LIARS[k]->lie);
}

static bool number(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0 && *out >= min && *out <= max;
}

static bool liar(struct command *c, const char *name)
{
    c->liar = name;
    c->seed.liars = strcmp(name, "all") == 0 ? CONSENSUS_SEED_ALL : 0;
    if (strcmp(name, "all") == 0 || strcmp(name, "none") == 0) return true;
    for (uint32_t k = 0; k < WORLD_LIARS_COUNT; k++)
        if (strcmp(WORLD_LIARS[k]->name, name) == 0) c->seed.liars = UINT32_C(1) << k;
    return c->seed.liars != 0;
}

static bool take(struct command *c, int option)
{
    uint64_t value;
    switch (option) {
    case 's':
        return number(&c->seed.seed, optarg, 0, UINT64_MAX / 2);
    case 'c':
        return number(&c->count, optarg, 1, 100000000);
    case 'm':
        if (!number(&value, optarg, 1, 12)) return false;
        c->seed.members = (size_t)value;
        return true;
    case 'l':
        return liar(c, optarg);
    case 'v':
        c->verbose = true;
        return true;
    case 't':
        c->seed.told = stderr;
        return true;
    default:
        return false;
    }
}

static void say_failure(const struct command *c, const struct consensus_seed_result *r)
{
    fprintf(stderr, "%zu members, %zu twins, liars:", r->members, r->twins);
    for (size_t k = 0; k < WORLD_LIARS_COUNT; k++)
        if ((r->liars >> k & 1) != 0) fprintf(stderr, " %s", WORLD_LIARS[k]->name);
    fprintf(stderr, "\nseed %llu: %s\nto repeat it: build/tests/nftmesh-consensus-sim --seed %llu",
            (unsigned long long)c->seed.seed, r->wrong, (unsigned long long)c->seed.seed);
    if (c->seed.members != 0) fprintf(stderr, " --members %zu", c->seed.members);
    if (c->liar != NULL) fprintf(stderr, " --liar %s", c->liar);
    fprintf(stderr, "\n");
}

static void say_one(const struct command *c, const struct consensus_seed_result *r)
{
    printf("seed %llu: %zu members, %zu liars, %zu twins, %llu steps, %llu finals, %llu proofs, "
           "%llu ms after calm\n",
           (unsigned long long)c->seed.seed, r->members, r->lied, r->twins,
           (unsigned long long)r->steps, (unsigned long long)r->finals,
           (unsigned long long)r->faults, (unsigned long long)r->calm_us / 1000);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},    {"count", required_argument, NULL, 'c'},
        {"members", required_argument, NULL, 'm'}, {"liar", required_argument, NULL, 'l'},
        {"verbose", no_argument, NULL, 'v'},       {"trace", no_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    struct command c = {.seed = {.seed = 1, .liars = CONSENSUS_SEED_ALL}, .count = 1};
    struct consensus_seed_result r, all = {0};
    uint64_t hash = 0, lied = 0;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return 0;
        }
        if (take(&c, option)) continue;
        fprintf(stderr, "%s", USAGE);
        return 2;
    }
    for (uint64_t n = 0; n < c.count; n++, c.seed.seed++) {
        consensus_seed_run(&r, &c.seed);
        if (!r.ok) {
            say_failure(&c, &r);
            return 1;
        }
        if (c.verbose) say_one(&c, &r);
        hash = (hash ^ r.trace) * 0x100000001b3;
        lied += r.lied + r.twins > 0;
        all.steps += r.steps;
        all.finals += r.finals;
        all.faults += r.faults;
        all.skip_certs += r.skip_certs;
        all.states += r.states;
        if (r.calm_us > all.calm_us) all.calm_us = r.calm_us;
    }
    printf("consensus: %llu seeds, %llu with liars, %llu steps, %llu finals, %llu skip "
           "certificates, %llu proofs of guilt, %llu jumps to a state, final again at most %llu ms "
           "after calm, trace hash %016llx\n",
           (unsigned long long)c.count, (unsigned long long)lied, (unsigned long long)all.steps,
           (unsigned long long)all.finals, (unsigned long long)all.skip_certs,
           (unsigned long long)all.faults, (unsigned long long)all.states,
           (unsigned long long)all.calm_us / 1000, (unsigned long long)hash);
    return 0;
}
