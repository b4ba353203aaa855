#ifndef NFTMESH_NODE_OPTIONS_H
#define NFTMESH_NODE_OPTIONS_H

#include "base/buf.h"

/* One table an option list: it gives the command line (getopt_long), the environment, the
 * configuration file (libconfuse), the help text and, later, man page and completion.
 *
 * An option named "rpc-agree" is the flag --rpc-agree, the environment variable
 * NFTMESH_RPC_AGREE and the key rpc_agree of a file. The strongest source that names an option
 * gives all of its values: flag > environment > file > default. An empty environment variable
 * counts as unset (compose files make such). In the environment a repeatable option's values are
 * separated by commas or blanks; in a file by a list: rpc = {"https://a", "https://b"}. */
enum node_option_kind {
    NODE_OPTION_FLAG = 0, /* present or not; true/false, yes/no, on/off in environment and file */
    NODE_OPTION_TEXT,     /* 1 to 4,096 bytes without control characters, then check */
    NODE_OPTION_NUMBER,   /* decimal, min to max */
    NODE_OPTION_DURATION, /* 500ms 30s 10m 24h 7d; min and max in milliseconds */
    NODE_OPTION_CHOICE    /* one word of choices, "a|b|c" */
};
enum node_option_scope {
    NODE_OPTION_EVERYWHERE = 0,
    NODE_OPTION_NOT_IN_FILE,        /* --config itself, and secrets' environment names */
    NODE_OPTION_NOT_IN_ENVIRONMENT, /* commands, which blanks and commas would cut into pieces */
    NODE_OPTION_COMMAND_LINE_ONLY   /* --check-config, --help: acts, not settings */
};
enum node_option_source {
    NODE_OPTION_UNSET = 0,
    NODE_OPTION_DEFAULT,
    NODE_OPTION_FILE,
    NODE_OPTION_ENVIRONMENT,
    NODE_OPTION_COMMAND_LINE
};

#define NODE_OPTIONS_WHY_BYTES     512
#define NODE_OPTIONS_COUNT_MAX     64
#define NODE_OPTION_VALUES_MAX     64
#define NODE_OPTION_BYTES_MAX      4096
#define NODE_CONFIG_FILE_BYTES_MAX ((size_t)256 << 10)

/* What a value must be like. On a refusal writes half a sentence to why ("is not a URL: write
 * https://host") and returns a negative; the caller puts the place in front. */
typedef int node_option_check(const char *value, char *why, size_t why_bytes);

struct node_option { /* all borrowed, usually static */
    const char *name;
    const char *argument;     /* what --help calls the value, NULL for a flag */
    const char *help;         /* one or two sentences */
    const char *fallback;     /* the default, NULL for none; shown by --help */
    const char *env_alias;    /* the prototype's environment name, NULL for none */
    const char *choices;      /* NODE_OPTION_CHOICE */
    node_option_check *check; /* may be NULL */
    const char *group;        /* heading in --help; NULL continues the group before */
    uint64_t min, max;        /* max 0 is no bound */
    enum node_option_kind kind;
    enum node_option_scope scope;
    bool repeatable;
    bool sensitive; /* a URL whose user, path and query are not shown again */
};
struct node_option_table {
    const char *command; /* "nftmesh node": errors and usage start with it */
    const char *usage;   /* what follows the command: "[options] URL" */
    const char *intro;   /* what the command is for, one paragraph; may be NULL */
    const char *outro;   /* examples, exit codes; may be NULL */
    const struct node_option *options;
    size_t option_count;     /* at most NODE_OPTIONS_COUNT_MAX */
    size_t arg_min, arg_max; /* words that are no options */
    bool passes_over;        /* the file may be another command's: its other keys are no error */
};

/* Where environment values come from: getenv in main, a table in tests. NULL means unset. */
typedef const char *node_option_env(void *ctx, const char *name);
const char *node_option_getenv(void *ctx, const char *name); /* ctx unused */

enum node_options_verdict {
    NODE_OPTIONS_UNDECIDED = 0,
    NODE_OPTIONS_RUN, /* parsed: *out is the caller's */
    NODE_OPTIONS_HELP /* --help or -h was there: print node_options_help() and exit 0 */
};
struct node_options;

/* argv[0] is skipped (the verb). The file is the value of the option named "config", when the
 * table has one. BASE_EINVAL: why holds one line that names the flag, the variable or file:line,
 * what is wrong and what to do; the exit code for it is 2. BASE_ENOMEM.
 * Not thread-safe (getopt_long and libconfuse have one state each). */
int node_options_parse(struct node_options **out, enum node_options_verdict *verdict,
                       const struct node_option_table *table, int argc, char **argv,
                       node_option_env *env, void *env_ctx, char why[NODE_OPTIONS_WHY_BYTES]);
/* The file half alone, from memory; for tests and fuzzing. path is for messages. */
int node_options_parse_text(struct node_options **out, const struct node_option_table *table,
                            const char *path, const char *text, size_t len,
                            char why[NODE_OPTIONS_WHY_BYTES]);
void node_options_free(struct node_options *options);

/* Asking for a name that is not in the table is a mistake of ours (assert). */
enum node_option_source node_options_source(const struct node_options *options, const char *name);
size_t node_options_count(const struct node_options *options, const char *name);
const char *node_options_at(const struct node_options *options, const char *name, size_t index);
const char *node_options_text(const struct node_options *options, const char *name); /* or NULL */
bool node_options_flag(const struct node_options *options, const char *name);
uint64_t node_options_u64(const struct node_options *options, const char *name); /* 0 when unset */
uint64_t node_options_ms(const struct node_options *options, const char *name);  /* 0 when unset */
/* "--rpc", "NFTMESH_RPC", "RPC_URL", "/etc/nftmesh.conf:12", "default": for messages. */
const char *node_options_where(const struct node_options *options, const char *name, size_t index);
size_t node_options_arg_count(const struct node_options *options);
const char *node_options_arg(const struct node_options *options, size_t index);

/* Help that teaches: usage, intro, options by group with default, environment name and choices. */
void node_options_help(struct base_buf *out, const struct node_option_table *table);
/* The values in force in the file's own form, each with its source in a comment. A sensitive
 * value is shown as scheme://host:port/... only. */
void node_options_print(struct base_buf *out, const struct node_options *options);

/* "500ms" "30s" "10m" "24h" "7d". BASE_EMALFORMED, BASE_ETOOBIG (above 10 years). */
int node_duration_parse(uint64_t *out_ms, const char *text);

#endif
