#ifndef NFTMESH_NODE_CONSENSUS_STORE_H
#define NFTMESH_NODE_CONSENSUS_STORE_H

#include "base/buf.h"
#include "node/consensus_lost.h"
#include "node/consensus_op.h"
#include "node/store.h"

/* What a voter must not forget, on SQLite: bytes whose meaning is the consensus core's. Beside the
 * path ("<dir>/consensus.db", 0600) lie
 *
 *   -wal    the last batches, until they are moved into the database
 *   -mark   how many operations were acknowledged (node/consensus_files.h)
 *
 * A batch is one transaction, on disk before apply returns. The journal is a write-ahead log with
 * synchronous=FULL: one append and one fdatasync a batch. A rollback journal costs four, and where
 * it is unlinked, a power cut right after may bring it back and undo what was acknowledged.
 * A write-ahead log has one weakness: cut short, or lost, it is taken for a shorter one, and a
 * voter that lost votes may contradict itself. Therefore the mark: a database that knows less
 * than was acknowledged is refused.
 *
 * Each row carries a SHA-256 of itself, since SQLite's pages carry none; opening reads them all. A
 * file that is damaged, incomplete or another's is refused and left as it is; it is never taken for
 * an empty log. One that is missing, or empty, though there was one before, is begun anew, with the
 * word that it is not the first (node/consensus_lost.h) in the same transaction that makes it.
 *
 * One thread at a time. One process at a time: the lock is held from open to close. */
#define NODE_CONSENSUS_CLUSTER_MAX 256 /* bytes */

struct node_consensus_store;

/* cluster: whose log it is, 1 to CLUSTER_MAX bytes: kept at the first start, compared later.
 * has_run: there has been a log here; the -mark knows it as well.
 * why: one line that names the path and what to do. BASE_EEXIST: open elsewhere. BASE_EMALFORMED:
 * damaged, incomplete, or of another program. BASE_EUNSUPPORTED: of a newer version. BASE_EINVAL:
 * another cluster's, not a regular file, or others may read it. BASE_EIO, BASE_ENOMEM. */
int node_consensus_store_open(struct node_consensus_store **out, const char *path,
                              const struct base_slice *cluster, bool has_run,
                              char why[NODE_STORE_WHY_BYTES]);
void node_consensus_store_close(struct node_consensus_store *s); /* NULL is fine */

/* All of the batch in its order, or nothing. BASE_EINVAL, BASE_ETOOBIG: of one of them, and nothing
 * has been tried. BASE_EIO (the disk is full, say), BASE_ENOMEM, BASE_EMALFORMED: the store is
 * mute, each later apply is BASE_ESTATE until it is opened again; this batch may then be there,
 * whole, or not. */
int node_consensus_store_apply(struct node_consensus_store *s, const struct node_consensus_op *ops,
                               size_t count, char why[NODE_STORE_WHY_BYTES]);

/* BASE_OK, or what ends the reading. May not use the store. */
typedef int (*node_consensus_each)(void *ctx, const struct node_consensus_row *row);

/* In order of writing. BASE_EMALFORMED: what each was given so far is void, too. BASE_EIO,
 * BASE_ENOMEM. */
int node_consensus_store_votes(struct node_consensus_store *s, uint64_t epoch_from,
                               node_consensus_each each, void *ctx, char why[NODE_STORE_WHY_BYTES]);
int node_consensus_store_epochs(struct node_consensus_store *s, node_consensus_each each, void *ctx,
                                char why[NODE_STORE_WHY_BYTES]);
/* Into body instead of what was in it. BASE_ENOTFOUND: none was ever put. BASE_ETOOBIG: more than
 * body takes. Else as above. */
int node_consensus_store_state(struct node_consensus_store *s, uint64_t *epoch, uint64_t *first,
                               struct base_buf *body, char why[NODE_STORE_WHY_BYTES]);
/* BASE_ENOTFOUND: never put. */
int node_consensus_store_meta(struct node_consensus_store *s, const char *key,
                              struct base_buf *body, char why[NODE_STORE_WHY_BYTES]);
/* BASE_ENOTFOUND: no vote was ever lost here. */
int node_consensus_store_lost(struct node_consensus_store *s, struct node_consensus_lost *out,
                              char why[NODE_STORE_WHY_BYTES]);

#endif
