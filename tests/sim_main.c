/* nftmesh-sim: whole meshes in virtual time, one seed a run. docs/simulation.md. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "consensus_liar.h"
#include "sim_seed.h"

#define MEMBERS_MIN  2
#define MEMBERS_MAX  1000 /* there are seats for some more */
#define MEMBERS_VOTE 50   /* with consensus */

struct command {
    struct sim_seed_options seed;
    uint64_t count;
    const char *net, *faults, *liars,
        *byzantine; /* as given, for the line that repeats a failure */
    bool verbose;
    const char *trace;
};

static const struct {
    const char *name;
    const struct sim_net *net;
} NETS[] = {{"lan", &SIM_LAN}, {"wan", &SIM_WAN}, {"lossy", &SIM_LOSSY}};

static const char *const USAGE =
    "usage: nftmesh-sim [--seed N] [--nodes N] [--count C] [--minutes M] [--net NET]\n"
    "                   [--faults LIST] [--liars LIST] [--consensus on|off]\n"
    "                   [--byzantine LIST] [--verbose] [--trace FILE]\n"
    "\n"
    "Runs a mesh of N nodes in virtual time, from one seed, C times with the next seed each: it\n"
    "forms, faults strike for M minutes while some members lie, the network calms down, and then\n"
    "all must be right. After every step of every node the checkers look. Prints the seeds and a\n"
    "hash of everything that happened, the same on every machine and with every compiler; or the\n"
    "first seed that fails, what was wrong, and the command that repeats it, and exits 1.\n"
    "\n"
    "  --seed N       the first seed (1)\n"
    "  --nodes N      members at the start, 2 to 1000 (10)\n"
    "  --count C      how many seeds (1)\n"
    "  --minutes M    how long faults strike, in virtual time (1)\n"
    "  --net NET      lan, wan or lossy; by default drawn from the seed\n"
    "  --faults LIST  exactly these, e.g. loss,flap; all; none; by default each seed draws half\n"
    "  --liars LIST   exactly these kinds; all; none; by default half of the seeds have some.\n"
    "                 Liars stay below a third of the weight\n"
    "  --consensus ON on: every node carries a consensus core as well, and votes, leads, keeps a\n"
    "                 log and loses writes; its checkers look after every step, too, and the log\n"
    "                 must go on after calm whenever enough of the weight runs (off). Up to 50\n"
    "                 members\n"
    "  --byzantine L  members whose consensus lies, exactly these kinds; all; none; by default\n"
    "                 half of the seeds have some. Up to 13 members; with --consensus on\n"
    "  --verbose      every change of state in every table, on standard error\n"
    "  --trace FILE   every step and every frame, to hold two runs side by side\n";

static void help(void)
{
    printf("%s\nfaults:\n", USAGE);
    for (size_t f = 0; f < SIM_FAULTS_COUNT; f++)
        printf("  %-13s %s\n", SIM_FAULTS[f].name, SIM_FAULTS[f].what);
    printf("\nliars:\n");
    for (size_t k = 0; k < SIM_LIARS_COUNT; k++)
        printf("  %-13s %s\n", SIM_LIARS[k]->name, SIM_LIARS[k]->lie);
    printf("\nbyzantine:\n");
    for (size_t k = 0; k < WORLD_LIARS_COUNT; k++)
        printf("  %-18s %s\n", WORLD_LIARS[k]->name, WORLD_LIARS[k]->lie);
    printf("\nexamples:\n"
           "  nftmesh-sim --seed 1 --count 1000 --nodes 8\n"
           "  nftmesh-sim --seed 42 --nodes 20 --faults halves,crash --liars none --verbose\n"
           "  nftmesh-sim --nodes 30 --faults none --liars slanderer,mute\n"
           "  nftmesh-sim --nodes 8 --consensus on --faults crash,pause --byzantine equivocator\n");
}

/* ---- arguments ---- */

static bool number(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0 && *out >= min && *out <= max;
}

static const char *fault_name(size_t at)
{
    return SIM_FAULTS[at].name;
}

static const char *liar_name(size_t at)
{
    return SIM_LIARS[at]->name;
}

static const char *byzantine_name(size_t at)
{
    return WORLD_LIARS[at]->name;
}

/* A list of names, all or none. False names the one that does not exist. */
static bool names(uint64_t *bits, const char *list, const char *(*name)(size_t), size_t count)
{
    *bits = 0;
    if (strcmp(list, "all") == 0) *bits = SIM_ALL;
    if (strcmp(list, "all") == 0 || strcmp(list, "none") == 0) return true;
    while (*list != 0) {
        size_t len = strcspn(list, ","), at = 0;
        while (at < count && (strlen(name(at)) != len || strncmp(name(at), list, len) != 0))
            at++;
        if (at == count) {
            fprintf(stderr, "nftmesh-sim: there is no `%.*s`: see --help\n", (int)len, list);
            return false;
        }
        *bits |= UINT64_C(1) << at;
        list += len + (list[len] == ',');
    }
    return true;
}

static bool net(struct command *c, const char *name)
{
    c->net = name;
    for (size_t n = 0; n < sizeof NETS / sizeof NETS[0]; n++)
        if (strcmp(NETS[n].name, name) == 0) c->seed.net = NETS[n].net;
    if (c->seed.net == NULL)
        fprintf(stderr, "nftmesh-sim: --net is lan, wan or lossy, not `%s`\n", name);
    return c->seed.net != NULL;
}

static bool number_for(uint64_t *out, const char *option, const char *text, uint64_t min,
                       uint64_t max)
{
    if (number(out, text, min, max)) return true;
    fprintf(stderr, "nftmesh-sim: --%s is a number from %llu to %llu, not `%s`\n", option,
            (unsigned long long)min, (unsigned long long)max, text);
    return false;
}

static const struct option OPTIONS[] = {{"seed", required_argument, NULL, 's'},
                                        {"nodes", required_argument, NULL, 'n'},
                                        {"count", required_argument, NULL, 'c'},
                                        {"minutes", required_argument, NULL, 'm'},
                                        {"net", required_argument, NULL, 't'},
                                        {"faults", required_argument, NULL, 'f'},
                                        {"liars", required_argument, NULL, 'l'},
                                        {"consensus", required_argument, NULL, 'k'},
                                        {"byzantine", required_argument, NULL, 'b'},
                                        {"verbose", no_argument, NULL, 'v'},
                                        {"trace", required_argument, NULL, 'o'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static bool take(struct command *c, int option)
{
    uint64_t value;
    switch (option) {
    case 's':
        return number_for(&c->seed.seed, "seed", optarg, 0, UINT64_MAX / 2);
    case 'n':
        if (!number_for(&value, "nodes", optarg, MEMBERS_MIN, MEMBERS_MAX)) return false;
        c->seed.nodes = (uint32_t)value;
        return true;
    case 'c':
        return number_for(&c->count, "count", optarg, 1, 100000000);
    case 'm':
        if (!number_for(&value, "minutes", optarg, 1, 100000)) return false;
        c->seed.minutes = (uint32_t)value;
        return true;
    case 't':
        return net(c, optarg);
    case 'f':
        c->faults = optarg;
        c->seed.draw_faults = false;
        return names(&c->seed.faults, optarg, fault_name, SIM_FAULTS_COUNT);
    case 'l':
        c->liars = optarg;
        c->seed.draw_liars = false;
        return names(&c->seed.liars, optarg, liar_name, SIM_LIARS_COUNT);
    case 'k':
        c->seed.votes = strcmp(optarg, "on") == 0;
        if (c->seed.votes || strcmp(optarg, "off") == 0) return true;
        fprintf(stderr, "nftmesh-sim: --consensus is on or off, not `%s`\n", optarg);
        return false;
    case 'b':
        c->byzantine = optarg;
        c->seed.draw_byzantine = false;
        return names(&c->seed.byzantine, optarg, byzantine_name, WORLD_LIARS_COUNT);
    case 'v':
        c->seed.verbose = stderr;
        return true;
    case 'o':
        c->seed.trace = fopen(optarg, "w");
        if (c->seed.trace == NULL) perror(optarg);
        return c->seed.trace != NULL;
    default:
        fprintf(stderr, "%s", USAGE);
        return false;
    }
}

/* ---- running ---- */

static void list(const char *what, uint64_t bits, const char *(*name)(size_t), size_t count)
{
    fprintf(stderr, "%s", what);
    for (size_t at = 0; at < count; at++)
        if ((bits >> at & 1) != 0) fprintf(stderr, " %s", name(at));
    fprintf(stderr, "\n");
}

static void say_failure(const struct command *c, const struct sim_seed_result *r)
{
    list("faults:", r->faults, fault_name, SIM_FAULTS_COUNT);
    list("liars:", r->liars, liar_name, SIM_LIARS_COUNT);
    if (c->seed.votes) list("byzantine:", r->byzantine, byzantine_name, WORLD_LIARS_COUNT);
    fprintf(stderr, "seed %llu: %s\nto repeat it: build/nftmesh-sim --seed %llu --nodes %u",
            (unsigned long long)c->seed.seed, r->wrong, (unsigned long long)c->seed.seed,
            c->seed.nodes);
    if (c->seed.minutes != 1) fprintf(stderr, " --minutes %u", c->seed.minutes);
    if (c->net != NULL) fprintf(stderr, " --net %s", c->net);
    if (c->faults != NULL) fprintf(stderr, " --faults %s", c->faults);
    if (c->liars != NULL) fprintf(stderr, " --liars %s", c->liars);
    if (c->seed.votes) fprintf(stderr, " --consensus on");
    if (c->byzantine != NULL) fprintf(stderr, " --byzantine %s", c->byzantine);
    fprintf(stderr, " --verbose\n");
}

struct sums {
    uint64_t hash, frames, lied, refused, calm_ms;
    uint64_t byzantine, halts, beyond, refounded, go_on_ms;
    struct sim_votes_figures votes;
};

static void add(struct sums *all, const struct sim_seed_result *r)
{
    all->hash = (all->hash ^ r->trace) * 0x100000001b3;
    if (r->load.frames > all->frames) all->frames = r->load.frames;
    if (r->calm_ms > all->calm_ms) all->calm_ms = r->calm_ms;
    all->lied += r->liar_count > 0;
    all->refused += r->refused;
    all->byzantine += r->byzantine_count > 0;
    all->halts += r->halts;
    all->refounded += r->votes.refounded;
    all->beyond += r->votes.is_beyond;
    if (r->go_on_ms > all->go_on_ms) all->go_on_ms = r->go_on_ms;
    all->votes.finals += r->votes.finals;
    all->votes.epochs += r->votes.epochs;
    all->votes.skip_certs += r->votes.skip_certs;
    all->votes.faults += r->votes.faults;
    all->votes.entries += r->votes.entries;
    all->votes.told += r->votes.told;
    all->votes.states += r->votes.states;
    all->votes.lost += r->votes.lost;
    all->votes.lost_writes += r->votes.lost_writes;
    all->votes.begun_anew += r->votes.begun_anew;
    all->votes.trapped += r->votes.trapped;
}

static void say_votes(const struct sums *all)
{
    const struct sim_votes_figures *v = &all->votes;
    printf("consensus: %llu with byzantine members, %llu finals, %llu epochs, %llu skip "
           "certificates, %llu proofs of guilt, %llu entries, %llu clients told, %llu jumps to a "
           "state, %llu leaders killed over a candidate, %llu writes and %llu logs lost, "
           "%llu begun anew; final again at most %llu ms after calm, %llu times too little weight "
           "to go on; %llu seeds in "
           "which liars came to hold a third, %llu in which seats changed hands and a second log "
           "began\n",
           (unsigned long long)all->byzantine, (unsigned long long)v->finals,
           (unsigned long long)v->epochs, (unsigned long long)v->skip_certs,
           (unsigned long long)v->faults, (unsigned long long)v->entries,
           (unsigned long long)v->told, (unsigned long long)v->states,
           (unsigned long long)v->trapped, (unsigned long long)v->lost_writes,
           (unsigned long long)v->lost, (unsigned long long)v->begun_anew,
           (unsigned long long)all->go_on_ms, (unsigned long long)all->halts,
           (unsigned long long)all->beyond, (unsigned long long)all->refounded);
}

int main(int argc, char **argv)
{
    struct command c = {.count = 1};
    struct sim_seed_result r;
    struct sums all = {0};
    int option;
    sim_seed_options_default(&c.seed);
    while ((option = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1) {
        if (option == 'h') {
            help();
            return 0;
        }
        if (!take(&c, option)) return 2;
    }
    if (c.seed.votes && c.seed.nodes > MEMBERS_VOTE) {
        fprintf(stderr, "nftmesh-sim: with consensus at most %d nodes\n", MEMBERS_VOTE);
        return 2;
    }
    if (optind < argc) {
        fprintf(stderr, "nftmesh-sim: `%s` is no option: see --help\n", argv[optind]);
        return 2;
    }
    for (uint64_t n = 0; n < c.count; n++, c.seed.seed++) {
        sim_seed_run(&r, &c.seed);
        if (!r.ok) {
            say_failure(&c, &r);
            return 1;
        }
        add(&all, &r);
    }
    printf("sim: %llu seeds, %u nodes, %llu with liars, %llu refused by admission, at most %llu "
           "frames a node and second, right at most %llu ms after calm, trace hash %016llx\n",
           (unsigned long long)c.count, c.seed.nodes, (unsigned long long)all.lied,
           (unsigned long long)all.refused, (unsigned long long)all.frames,
           (unsigned long long)all.calm_ms, (unsigned long long)all.hash);
    if (c.seed.votes) say_votes(&all);
    if (c.seed.trace != NULL) fclose(c.seed.trace);
    return 0;
}
