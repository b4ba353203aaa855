#ifndef NFTMESH_NODE_CONSENSUS_WRITER_H
#define NFTMESH_NODE_CONSENSUS_WRITER_H

#include <uv.h>

#include "node/consensus_store.h"

/* Writes to a consensus store without stopping the loop: one transaction at a time on one of
 * libuv's threads. What is put in one turn of the loop, or while a transaction is under way, makes
 * up the next one, so that the disk syncs once for all of it. Loop thread, each of these. */
#define NODE_CONSENSUS_WRITER_OPS_MAX   4096 /* waiting and under way */
#define NODE_CONSENSUS_WRITER_BYTES_MAX ((size_t)64 << 20)

struct node_consensus_writer;

/* BASE_OK: all that was put up to this number is on disk. Anything else comes once and last: number
 * is the highest that is on disk, nothing more will be; why is borrowed. May put, and close. */
typedef void (*node_consensus_written)(void *ctx, uint64_t number, int rv, const char *why);

/* store: borrowed until it has closed, and used by nobody else. BASE_ENOMEM. */
int node_consensus_writer_new(struct node_consensus_writer **out, uv_loop_t *loop,
                              struct node_consensus_store *store, node_consensus_written written,
                              void *ctx);
/* Copies op. Numbers only grow; those of the same number may come in several transactions, whose
 * first says it is on disk. BASE_EFULL, BASE_ENOMEM: try again later. BASE_ESTATE: it has failed,
 * or was closed. BASE_EINVAL, BASE_ETOOBIG: node_consensus_op_check(). */
int node_consensus_writer_put(struct node_consensus_writer *w, uint64_t number,
                              const struct node_consensus_op *op);
/* Waits for what is under way, and drops what is not: nobody was told that it is stored. written is
 * not called any more; closed (may be NULL) is, when the store is free again. Once. */
void node_consensus_writer_close(struct node_consensus_writer *w, void (*closed)(void *ctx),
                                 void *ctx);

#endif
