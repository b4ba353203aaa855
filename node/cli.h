#ifndef NFTMESH_NODE_CLI_H
#define NFTMESH_NODE_CLI_H

#include "base/buf.h"
#include "base/bytes.h"
#include "node/options.h"

/* The verbs of the one binary. Each takes its own argv (argv[0] is the verb) and returns the exit
 * status: 0 ok, 1 failed, 2 usage, 3 not ready. */
#define CLI_OK        0
#define CLI_FAILED    1
#define CLI_USAGE     2
#define CLI_NOT_READY 3

typedef int cli_verb_fn(int argc, char **argv);
struct cli_verb {
    const char *name;
    const char *help; /* one line */
    cli_verb_fn *run;
};
/* A room of verbs each; ended by an empty entry. */
extern const struct cli_verb cli_node_verbs[];  /* cli_node.c: node, simulator, testnet */
extern const struct cli_verb cli_ask_verbs[];   /* cli_ask.c: what a running node tells */
extern const struct cli_verb cli_chain_verbs[]; /* cli_chain.c: what goes to the contract */
extern const struct cli_verb cli_local_verbs[]; /* cli_local.c: keygen, verify-chain */

/* Parses; prints help or the error. true: *options is the caller's and the verb goes on; else
 * *status is the exit status. */
bool cli_parse(struct node_options **options, int *status, const struct node_option_table *table,
               int argc, char **argv);
/* "nftmesh VERB: text" on standard error. Returns status. */
int cli_error(int status, const char *verb, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A new wallet key, in a file of its own: mode 0600, never overwritten. BASE_EIO with errno. The
 * caller zeroes the key. cli_local.c. */
int cli_key_make(struct base_privkey *key, struct base_eth_address *address, const char *path);
/* --format json was given. The option: CLI_FORMAT_OPTION in a table. */
bool cli_is_json(const struct node_options *options);
#define CLI_FORMAT_OPTION                                                                          \
    {                                                                                              \
        .name = "format", .argument = "table|json",                                                \
        .help = "Human table, or JSON as the node "                                                \
                "gives it.",                                                                       \
        .fallback = "table", .choices = "table|json", .kind = NODE_OPTION_CHOICE                   \
    }
/* A file (- is standard input), appended to out, which has the bound. BASE_EIO, BASE_ETOOBIG. */
int cli_read_file(struct base_buf *out, const char *path);

#endif
