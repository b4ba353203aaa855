/* nftmesh-sim-wide: thousands of cores, each with thousands of members and few links.
 *
 *   nftmesh-sim-wide [--nodes N] [--seed S] [--links L] [--wave K] [--within MS] [--format json]
 *
 * N - K nodes whose tables are full already find their links; then, one after the other:
 *   calm    ten seconds in which nothing happens
 *   join    K nodes start within MS and each dials one of the others, drawn at random: until every
 *           table lists every node alive
 *   event   a user event of one node: until every node has it
 *   death   one node is killed, its host is not: until every table says failed
 * Prints a line for each, and exits 1 when one takes longer than ten minutes of virtual time, when
 * a table is wrong at the end, when anybody who lives was held failed, or when a node and member
 * cost more than 64 bytes beside what a core weighs alone (from 1,000 nodes on: with fewer, what
 * goes on at its few links outweighs them). A round is a probe interval, a second.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "sim.h"
#include "sim_wide.h"

#define CALM_MS   10000u
#define PHASE_MS  600000u
#define ROUND_MS  1000u
#define ROW_BYTES 64u
#define ROWS_FROM 1000u

struct options {
    uint64_t seed, within_ms;
    uint32_t nodes, links, wave;
    bool json;
};

struct phase {
    const char *name;
    uint64_t started_ms, took_ms;
    struct wide_counts before;
    double cpu_s;
    bool done;
};

static struct wide wide;
static size_t alone_bytes; /* of a core that lists nobody but itself */

/* ---- a mesh that has been there for long ---- */

static struct gossip_signed_record record_of[WIDE_NODES_MAX];
static struct gossip_frame frame;

/* Every member's record in as many frames as that takes, as an answer to PULL. */
static void teach(uint32_t i, uint32_t from, uint32_t count)
{
    static const uint8_t proof[WIDE_PROOF_SIZE];
    static uint8_t body[GOSSIP_FRAME_BYTES_MAX];
    const uint32_t per_frame = 32;
    for (uint32_t first = 0; first < count; first += per_frame) {
        size_t len = 0;
        frame.type = GOSSIP_FRAME_UPDATE;
        frame.u.news.reach = 0;
        frame.u.news.repair = true;
        frame.u.news.item_count = 0;
        for (uint32_t j = first; j < count && j < first + per_frame; j++)
            frame.u.news.items[frame.u.news.item_count++] = (struct gossip_item){
                .kind = BASE_STATEMENT_RECORD,
                .body = {record_of[j].body, record_of[j].body_len},
                .sig = record_of[j].sig,
                .proof = {proof, sizeof proof},
            };
        if (gossip_frame_encode(body, &len, sizeof body, &frame) != BASE_OK) abort();
        struct gossip_event ev = {.type = GOSSIP_EV_FRAME, .key = wide.nodes[from].key};
        ev.u.frame.type = frame.type;
        ev.u.frame.body = (struct base_slice){body, len};
        if (wide_step(&wide, i, &ev, 0) != BASE_OK) abort();
    }
}

static void form(uint32_t count)
{
    wide.alive_target = count;
    for (uint32_t i = 0; i < count; i++)
        wide_start(&wide, i);
    alone_bytes = gossip_bytes(wide.nodes[0].core);
    for (uint32_t i = 0; i < count; i++)
        gossip_self_record(&record_of[i], wide.nodes[i].core);
    for (uint32_t i = 0; i < count; i++) {
        wide_connect(&wide, i, (i + 1) % count);
        teach(i, (i + 1) % count, count);
    }
}

/* ---- phases ---- */

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void phase_begin(struct phase *p, const char *name)
{
    *p = (struct phase){.name = name, .started_ms = wide.now_ms};
    wide.counts.suspicions = wide.counts.first_suspect_ms = 0;
    p->before = wide.counts;
    p->cpu_s = cpu_seconds();
}

static bool is_complete(void)
{
    return wide.counts.complete == wide.alive_target;
}

static bool is_heard(void)
{
    return wide.counts.heard == wide.alive_target;
}

static bool is_buried(void)
{
    return wide.counts.buried == wide.alive_target;
}

static void phase_run(struct phase *p, bool (*is_done)(void))
{
    uint64_t end = p->started_ms + PHASE_MS;
    while (!is_done() && wide.now_ms < end)
        wide_run_ms(&wide, wide.now_ms + 1);
    p->took_ms = wide.now_ms - p->started_ms;
    p->done = is_done();
}

static void phase_end(const struct phase *p, const struct options *o)
{
    double cpu_s = cpu_seconds() - p->cpu_s;
    double frames = (double)(wide.counts.frames - p->before.frames) / wide.count;
    double bytes = (double)(wide.counts.bytes - p->before.bytes) / wide.count;
    double dials = (double)(wide.counts.dials - p->before.dials) / wide.count;
    double rounds = (double)p->took_ms / ROUND_MS;
    uint32_t hops = strcmp(p->name, "event") == 0 ? wide.counts.hops_max : 0;
    printf(o->json ? "{\"phase\":\"%s\",\"converged\":%s,\"virtual_ms\":%llu,\"rounds\":%.1f,"
                     "\"hops\":%u,\"log2_n\":%.1f,\"frames_per_node\":%.1f,"
                     "\"bytes_per_node\":%.0f,\"dials_per_node\":%.2f,\"suspicions\":%llu,"
                     "\"false_failures\":%llu,\"cpu_s\":%.1f}\n"
                   : "%-6s %-5s %10llu %7.1f %5u %7.1f %12.1f %14.0f %11.2f %11llu %9llu %8.1f\n",
           p->name, o->json ? (p->done ? "true" : "false") : (p->done ? "yes" : "NO"),
           (unsigned long long)p->took_ms, rounds, hops, log2(wide.count), frames, bytes, dials,
           (unsigned long long)wide.counts.suspicions,
           (unsigned long long)wide.counts.false_failures, cpu_s);
    fflush(stdout);
}

/* ---- what holds at the end ---- */

static bool is_table_right(uint32_t i)
{
    struct gossip_member_view view;
    if (gossip_member_count(wide.nodes[i].core) != wide.count) return false;
    for (size_t at = 0; at < wide.count; at++) {
        gossip_member_at(&view, wide.nodes[i].core, at);
        uint32_t j = wide_index(&wide, &view.key);
        if (view.state != (wide.nodes[j].core != NULL ? GOSSIP_ALIVE : GOSSIP_FAILED)) return false;
    }
    return true;
}

static uint32_t tables_wrong(void)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < wide.count; i++)
        wrong += wide.nodes[i].core != NULL && !is_table_right(i);
    return wrong;
}

struct costs {
    double core_bytes;   /* a node and member, its records not counted */
    double member_bytes; /* the same without what a core weighs alone */
    double record_bytes, links_mean;
    uint32_t links_max;
    double rss_mib;
};

static struct costs costs_of(void)
{
    struct costs c = {0};
    uint64_t bytes = 0, links = 0;
    uint32_t running = 0;
    struct rusage usage;
    for (uint32_t i = 0; i < wide.count; i++) {
        if (wide.nodes[i].core == NULL) continue;
        running++;
        bytes += gossip_bytes(wide.nodes[i].core);
        links += wide.nodes[i].link_count;
        if (wide.nodes[i].link_count > c.links_max) c.links_max = wide.nodes[i].link_count;
    }
    getrusage(RUSAGE_SELF, &usage);
    c.core_bytes = (double)bytes / running / wide.count;
    c.member_bytes = c.core_bytes - (double)alone_bytes / wide.count;
    c.record_bytes = (double)gossip_shared_bytes(wide.shared) / wide.count;
    c.links_mean = (double)links / running;
    c.rss_mib = (double)usage.ru_maxrss / 1024;
    return c;
}

/* ---- the run ---- */

static void wave(const struct options *o)
{
    uint32_t old = o->nodes - o->wave;
    wide.alive_target = o->nodes;
    wide.counts.complete = 0;
    for (uint32_t i = old; i < o->nodes; i++) {
        uint64_t at_ms = wide.now_ms + base_prng_below(&wide.prng, o->within_ms + 1);
        wide_start_at(&wide, i, (uint32_t)base_prng_below(&wide.prng, old), at_ms);
    }
}

static void death(void)
{
    wide.victim = (uint32_t)base_prng_below(&wide.prng, wide.count);
    wide_kill(&wide, wide.victim);
    wide.alive_target--;
}

static bool run(const struct options *o)
{
    struct phase p;
    struct gossip_event say = {.type = GOSSIP_EV_USER_EVENT};
    bool all_done;
    if (!o->json)
        printf("%-6s %-5s %10s %7s %5s %7s %12s %14s %11s %11s %9s %8s\n", "phase", "done",
               "virtual ms", "rounds", "hops", "log2(N)", "frames/node", "bytes/node", "dials/node",
               "suspicions", "false", "cpu s");
    phase_begin(&p, "form");
    form(o->nodes - o->wave);
    wide_run_ms(&wide, wide.now_ms + CALM_MS);
    phase_run(&p, is_complete);
    all_done = p.done;
    phase_end(&p, o);

    phase_begin(&p, "calm");
    wide_run_ms(&wide, wide.now_ms + CALM_MS);
    phase_run(&p, is_complete);
    phase_end(&p, o);

    phase_begin(&p, "join");
    wave(o);
    phase_run(&p, is_complete);
    all_done = all_done && p.done;
    phase_end(&p, o);

    phase_begin(&p, "event");
    say.u.user_event.name = (struct base_slice){(const uint8_t *)"wide", 4};
    wide_step(&wide, (uint32_t)base_prng_below(&wide.prng, wide.count), &say, 0);
    phase_run(&p, is_heard);
    all_done = all_done && p.done;
    phase_end(&p, o);

    phase_begin(&p, "death");
    death();
    phase_run(&p, is_buried);
    all_done = all_done && p.done;
    phase_end(&p, o);
    return all_done;
}

static int report(const struct options *o, bool all_done)
{
    struct costs c = costs_of();
    uint32_t wrong = tables_wrong();
    bool is_ok = all_done && wrong == 0 && wide.counts.false_failures == 0 &&
                 (wide.count < ROWS_FROM || c.member_bytes <= ROW_BYTES);
    printf(o->json ? "{\"nodes\":%u,\"wave\":%u,\"within_ms\":%llu,\"links_max\":%u,"
                     "\"links_mean\":%.1f,\"links_most\":%u,\"bytes_per_node_and_member\":%.1f,"
                     "\"core_alone_bytes\":%zu,"
                     "\"record_bytes\":%.0f,\"rss_mib\":%.0f,\"tables_wrong\":%u,"
                     "\"trace\":\"%016llx\",\"ok\":%s}\n"
                   : "wide: %u nodes, %u of them joined within %llu ms, links_max %u: %.1f links a "
                     "node, at most %u; %.1f bytes a node and member (a core alone is %zu), %.0f "
                     "bytes a record, "
                     "peak RSS %.0f MiB; %u tables wrong; trace hash %016llx; %s\n",
           o->nodes, o->wave, (unsigned long long)o->within_ms, o->links, c.links_mean, c.links_max,
           c.core_bytes, alone_bytes, c.record_bytes, c.rss_mib, wrong,
           (unsigned long long)wide.trace,
           o->json ? (is_ok ? "true" : "false") : (is_ok ? "ok" : "FAILED"));
    return is_ok ? 0 : 1;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: nftmesh-sim-wide [--nodes 8..%u] [--seed S] [--links 4..256] [--wave K]\n"
            "                        [--within MS] [--format json]\n",
            (unsigned)WIDE_NODES_MAX);
    return 2;
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value > max) return false;
    *out = value;
    return true;
}

static bool options_read(struct options *o, int argc, char **argv)
{
    uint64_t nodes = 1000, links = 16, wave_count = UINT64_MAX;
    *o = (struct options){.seed = 1, .within_ms = 1000};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(name, "--format") == 0 && strcmp(value, "json") == 0) {
            o->json = true;
            continue;
        }
        uint64_t *to = NULL;
        if (strcmp(name, "--nodes") == 0) to = &nodes;
        if (strcmp(name, "--seed") == 0) to = &o->seed;
        if (strcmp(name, "--links") == 0) to = &links;
        if (strcmp(name, "--wave") == 0) to = &wave_count;
        if (strcmp(name, "--within") == 0) to = &o->within_ms;
        if (to == NULL || !number(value, UINT32_MAX, to)) return false;
    }
    if (wave_count == UINT64_MAX) wave_count = nodes / 10;
    o->nodes = (uint32_t)nodes;
    o->links = (uint32_t)links;
    o->wave = (uint32_t)wave_count;
    return nodes >= 8 && nodes <= WIDE_NODES_MAX && links >= 4 && links <= 256 &&
           wave_count + 4 <= nodes && o->within_ms <= 4000;
}

int main(int argc, char **argv)
{
    struct options o;
    if (!options_read(&o, argc, argv)) return usage();
    if (wide_new(&wide, o.seed, o.nodes, o.links) != BASE_OK) {
        fprintf(stderr, "nftmesh-sim-wide: out of memory\n");
        return 1;
    }
    int status = report(&o, run(&o));
    wide_free(&wide);
    return status;
}
