#ifndef NFTMESH_NODE_CLI_ASK_H
#define NFTMESH_NODE_CLI_ASK_H

#include "node/cli.h"
#include <jansson.h>

/* The larger of the asking verbs, in files of their own. */
cli_verb_fn cli_events;          /* cli_events.c */
cli_verb_fn cli_why, cli_verify; /* cli_why.c */

/* One member in full, a line a field, for cli_grid_print. cli_ask.c. */
void cli_member_show(struct base_buf *out, const json_t *member);

#endif
