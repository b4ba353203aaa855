#ifndef NFTMESH_NODE_CLI_ASK_H
#define NFTMESH_NODE_CLI_ASK_H

#include "node/cli.h"
#include <jansson.h>

/* What the verbs over a control socket share. */
extern const struct cli_verb cli_lead_verbs[];                   /* cli_lead.c */
cli_verb_fn cli_events, cli_log;                                 /* cli_events.c */
cli_verb_fn cli_why, cli_verify;                                 /* cli_why.c */
cli_verb_fn cli_join, cli_leave, cli_event, cli_tags, cli_trust; /* cli_tell.c */

#define CLI_TABLE(verb_, usage_, intro_, outro_, options_, min_, max_)                             \
    {                                                                                              \
        .command = "nftmesh " verb_, .usage = usage_, .intro = intro_, .outro = outro_,            \
        .options = options_, .option_count = sizeof options_ / sizeof options_[0],                 \
        .arg_min = min_, .arg_max = max_, .passes_over = true                                      \
    }

/* Which node, and the format: the options of a verb that has none of its own. */
extern const struct node_option cli_plain_options[4];

/* One request (body NULL: a GET; it is taken), whose JSON goes to show, or to standard output as
 * it came. Returns the exit status. */
typedef int cli_show_fn(const json_t *json, const struct node_options *options);
int cli_ask_and_show(const struct node_options *options, const char *verb, const char *path,
                     json_t *body, cli_show_fn *show);
/* The whole of a verb without options of its own; posts: with an empty object. */
int cli_plain_verb(int argc, char **argv, const struct node_option_table *table, const char *path,
                   bool posts, cli_show_fn *show);

/* Lines of a grid (cli_show.h): one member in full; endpoints; checks, of a status. cli_ask.c. */
void cli_member_show(struct base_buf *out, const json_t *member);
void cli_rpc_show(struct base_buf *out, const json_t *status);
void cli_checks_show(struct base_buf *out, const json_t *status);

#endif
