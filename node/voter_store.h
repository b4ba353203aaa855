#ifndef NFTMESH_NODE_VOTER_STORE_H
#define NFTMESH_NODE_VOTER_STORE_H

#include "node/store.h"

/* Node keys whose votes were kept in this directory, in its file "voters", hex, one a line. A log
 * of theirs that is not there has been there. */
#define NODE_VOTERS_MAX 512

/* BASE_ENOTFOUND: it is none of them. BASE_EMALFORMED, BASE_EIO, BASE_ENOMEM: not known. */
int node_voters_find(struct node_store *store, const struct base_key33 *key,
                     char why[NODE_STORE_WHY_BYTES]);
/* When it is none of them yet; then the oldest makes room. As above, or BASE_OK. */
int node_voters_add(struct node_store *store, const struct base_key33 *key,
                    char why[NODE_STORE_WHY_BYTES]);

#endif
