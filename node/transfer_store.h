#ifndef NFTMESH_NODE_TRANSFER_STORE_H
#define NFTMESH_NODE_TRANSFER_STORE_H

#include "base/buf.h"
#include "chain/poll.h"
#include "node/store.h"

/* With the prototype's contract: which tokens moved in the last 30 days outlives a restart in the
 * store's file `transfers`, so that the logs need not be read again. As text:
 *
 *   nftmesh-transfers 1
 *   covered <from block> <to block> <64 hex, the hash of the latter>
 *   <token> <block>                  (each token's newest few, newest first; by token)
 *
 * numbers in decimal without leading zeros, one space, each line ended by a newline, nothing else.
 */
void node_transfers_encode(struct base_buf *out, const struct chain_transfers *transfers);
/* BASE_EMALFORMED, BASE_ETOOBIG, BASE_ENOMEM. *out is freed with chain_transfers_free, and empty
 * after an error. */
int node_transfers_decode(struct chain_transfers *out, const void *data, size_t len);

/* BASE_ENOTFOUND: none yet. Else errors of node_store_text_load and _decode; why: one line. */
int node_transfers_load(struct chain_transfers *out, struct node_store *store,
                        char why[NODE_STORE_WHY_BYTES]);
int node_transfers_save(struct node_store *store, const struct chain_transfers *transfers,
                        char why[NODE_STORE_WHY_BYTES]);

#endif
