#ifndef NFTMESH_NODE_CLI_SHOW_H
#define NFTMESH_NODE_CLI_SHOW_H

#include "base/buf.h"
#include <jansson.h>

/* What read verbs print for people. Whatever a peer chose (names, URLs, tags) goes through
 * cli_text first: printable ASCII only, the rest escaped as in JSON, so that no peer's bytes move
 * a cursor, break a line or open a column. */

/* Appends text; NULL and "" append "-". */
void cli_text(struct base_buf *out, const char *text);
/* The same of a string, a number, true or false; NULL or null: "-". */
void cli_value(struct base_buf *out, const json_t *value);
/* The same of an object's member. */
void cli_field(struct base_buf *out, const json_t *object, const char *key);
/* Seconds in words, one unit: "12 s", "5 min", "3 h", "9 d". */
void cli_duration(struct base_buf *out, double seconds);
/* How long ago a time in seconds since 1970 was; "-" for none (0). */
void cli_age(struct base_buf *out, double then_s, double now_s);
void cli_bytes(struct base_buf *out, double bytes); /* "812 B", "1.2 kB", "3.4 MB" */

/* Rows are lines of text, columns are parted by tabs: prints them aligned on standard output. */
void cli_grid_print(const struct base_buf *rows);
/* "  key:  value" of one more member; all such lines go through one cli_grid_print. */
void cli_pair(struct base_buf *rows, const char *label, const json_t *object, const char *key);

double cli_now_s(void); /* wall clock */

#endif
