#ifndef NFTMESH_NODE_CONSENSUS_FILES_H
#define NFTMESH_NODE_CONSENSUS_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "node/store.h"

/* A consensus store as files: the database, and beside it "-mark", which tells how many operations
 * were acknowledged: one number and its sum. It is written after each batch is on disk, and not
 * synced: after a power cut it may be behind, never ahead. So a database that knows of fewer has
 * lost some. */
struct node_consensus_files {
    bool is_there;  /* the database */
    bool has_bytes; /* and is not one that was about to be made */
    bool has_log;   /* the "-wal" of one that had some */
    bool has_mark;
    uint64_t acknowledged; /* 0 without a mark */
    int mark_fd;           /* -1 before _mark_start */
    char mark_path[NODE_STORE_PATH_BYTES];
};

/* Opens nothing. The database may not be opened and closed by anybody but SQLite, since that would
 * end this process's locks on it. BASE_EINVAL: not a regular file, or others may read it.
 * BASE_EMALFORMED: the mark. BASE_EIO. */
int node_consensus_files_look(struct node_consensus_files *out, const char *path,
                              char why[NODE_STORE_WHY_BYTES]);
/* A "-wal" without its database. BASE_EIO. */
int node_consensus_files_drop_log(const char *path, char why[NODE_STORE_WHY_BYTES]);
/* An empty one, 0600: SQLite gives its other files the mode of this one. BASE_EIO. */
int node_consensus_files_make(const char *path, char why[NODE_STORE_WHY_BYTES]);
/* Makes the mark where it is missing; number and all names are on disk then. BASE_EIO. */
int node_consensus_files_mark_start(struct node_consensus_files *files, uint64_t number,
                                    char why[NODE_STORE_WHY_BYTES]);
int node_consensus_files_mark(const struct node_consensus_files *files, uint64_t number,
                              char why[NODE_STORE_WHY_BYTES]); /* BASE_EIO */
void node_consensus_files_close(struct node_consensus_files *files);

#endif
