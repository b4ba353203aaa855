/* nftmesh: one binary, one verb a task. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "node/cli.h"
#include "node/cli_ask.h"
#include "node/nng_shim.h"

static const struct cli_verb *const rooms[] = {cli_node_verbs, cli_ask_verbs, cli_lead_verbs,
                                               cli_chain_verbs, cli_local_verbs};
static const char *const headings[] = {"Run", "Ask a running node",
                                       "Who leads, and what all members share",
                                       "Seats, on the contract", "Keys and proofs"};
#define ROOM_COUNT     (sizeof rooms / sizeof rooms[0])
#define HELP_BYTES_MAX ((size_t)64 << 10)

bool cli_parse(struct node_options **options, int *status, const struct node_option_table *table,
               int argc, char **argv)
{
    enum node_options_verdict verdict;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    int rv =
        node_options_parse(options, &verdict, table, argc, argv, node_option_getenv, NULL, why);
    if (rv != BASE_OK) {
        fprintf(stderr, "%s\n", why[0] != '\0' ? why : base_strerror(rv));
        *status = rv == BASE_EINVAL ? CLI_USAGE : CLI_FAILED;
        return false;
    }
    if (verdict == NODE_OPTIONS_RUN) return true;
    struct base_buf help;
    base_buf_init(&help, HELP_BYTES_MAX);
    node_options_help(&help, table);
    fputs(help.data != NULL ? help.data : "", stdout);
    base_buf_deinit(&help);
    *status = CLI_OK;
    return false;
}

int cli_error(int status, const char *verb, const char *format, ...)
{
    va_list ap;
    fprintf(stderr, "nftmesh %s: ", verb);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

bool cli_is_json(const struct node_options *options)
{
    return strcmp(node_options_text(options, "format"), "json") == 0;
}

static void help(FILE *out)
{
    fputs("usage: nftmesh VERB [options]\n\n"
          "A peer-to-peer mesh node: one NFT is one seat. Nodes admit a peer only after each of\n"
          "them has verified its seat, its key and its DStack signature chain by itself.\n",
          out);
    for (size_t r = 0; r < ROOM_COUNT; r++) {
        fprintf(out, "\n%s:\n", headings[r]);
        for (const struct cli_verb *v = rooms[r]; v->name != NULL; v++)
            fprintf(out, "  %-13s %s\n", v->name, v->help);
    }
    fputs("\n`nftmesh VERB --help` explains a verb. Exit codes: 0 ok, 1 failed, 2 usage,\n"
          "3 not ready.\n",
          out);
}

static const struct cli_verb *find(const char *name)
{
    for (size_t r = 0; r < ROOM_COUNT; r++) {
        for (const struct cli_verb *v = rooms[r]; v->name != NULL; v++) {
            if (strcmp(v->name, name) == 0) return v;
        }
    }
    return NULL;
}

/* Levenshtein over short words: enough to mend a typing error. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t b_len = strlen(b);
    if (b_len >= 63) return 99;
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (up + 1 < best) best = up + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = up;
        }
    }
    return row[b_len];
}

static int unknown(const char *name)
{
    const char *nearest = NULL;
    unsigned least = 3;
    for (size_t r = 0; r < ROOM_COUNT; r++) {
        for (const struct cli_verb *v = rooms[r]; v->name != NULL; v++) {
            unsigned d = distance(name, v->name);
            if (d < least) {
                least = d;
                nearest = v->name;
            }
        }
    }
    fprintf(stderr, "nftmesh: no verb \"%.40s\"", name);
    if (nearest != NULL)
        fprintf(stderr, "; did you mean `nftmesh %s`?\n", nearest);
    else
        fputs("; `nftmesh --help` lists them\n", stderr);
    return CLI_USAGE;
}

static int help_on(int argc, char **argv)
{
    static char flag[] = "--help";
    const struct cli_verb *v = argc > 2 ? find(argv[2]) : NULL;
    if (argc > 2 && v == NULL) return unknown(argv[2]);
    if (v == NULL) {
        help(stdout);
        return CLI_OK;
    }
    char *args[] = {argv[2], flag, NULL};
    return v->run(2, args);
}

/* Seed, node key and wallet are in memory: none of them goes to a disk when we crash. */
static void leave_no_core(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
}

/* A limit on files (ulimit -f) is an error to be told with its file, as a full disk is. */
static void outlive_file_limits(void)
{
    signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv)
{
    leave_no_core();
    outlive_file_limits();
    if (base_aead_init() != BASE_OK || base_ecdsa_init() != BASE_OK) {
        fputs("nftmesh: no entropy or memory to start with\n", stderr);
        return CLI_FAILED;
    }
    if (argc < 2) {
        help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        puts("nftmesh " NFTMESH_VERSION " (" NFTMESH_COMMIT ") wire 1." NFTMESH_WIRE_MINOR_TEXT);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help_on(argc, argv);
    const struct cli_verb *verb = find(argv[1]);
    return verb != NULL ? verb->run(argc - 1, argv + 1) : unknown(argv[1]);
}
