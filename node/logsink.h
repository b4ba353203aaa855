#ifndef NFTMESH_NODE_LOGSINK_H
#define NFTMESH_NODE_LOGSINK_H

#include "base/log.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The end of the log: lines to a descriptor (standard error), one write(2) each, so that lines of
 * several processes on one pipe do not mix.
 *
 * A reader that stopped reading never stops the node: a pipe or socket that is full gets at most
 * NODE_LOGSINK_PATIENCE_MS, then the line is dropped and counted, and the count is written as a
 * line of its own once there is room. The descriptor's flags are not changed (standard error is
 * shared with others).
 *
 * A line that says the same as one of the last few (all but its ts) is written
 * NODE_LOGSINK_REPEATS_MAX times in NODE_LOGSINK_WINDOW_MS and then only counted; the count
 * follows when the window ends. */
#define NODE_LOGSINK_PATIENCE_MS 20
#define NODE_LOGSINK_REPEATS_MAX 10
#define NODE_LOGSINK_WINDOW_MS   10000
#define NODE_LOGSINK_RECENT      16

struct node_logsink;
/* fd is borrowed. now_ms: a monotonic clock (NULL: CLOCK_MONOTONIC); for tests. BASE_ENOMEM. */
int node_logsink_new(struct node_logsink **out, int fd, enum base_log_format format,
                     uint64_t (*now_ms)(void *ctx), void *ctx);
void node_logsink_free(struct node_logsink *sink); /* writes counts that are due; NULL is fine */

/* As base_log's members want them, with the node_logsink as ctx. One thread. */
void node_logsink_write(void *sink, enum base_log_level level, const char *line, size_t len);
uint64_t node_logsink_wall_ms(void *sink);

/* Writes counts whose window has ended; call it now and then (once a second). */
void node_logsink_flush(struct node_logsink *sink);
uint64_t node_logsink_dropped(const struct node_logsink *sink);

#endif
