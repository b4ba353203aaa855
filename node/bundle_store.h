#ifndef NFTMESH_NODE_BUNDLE_STORE_H
#define NFTMESH_NODE_BUNDLE_STORE_H

#include "base/buf.h"
#include "node/bundle.h"
#include "node/store.h"

/* Authorisations outlive a restart in the store's file `authorities`: one a line, in hex. They are
 * judged anew by whoever loads them. */

/* each: BASE_OK, or what ends the reading. No file is BASE_OK. BASE_EMALFORMED, BASE_EIO; why: one
 * line. */
int node_bundles_load(struct node_store *store,
                      int (*each)(void *ctx, const struct node_bundle *bundle), void *ctx,
                      char why[NODE_STORE_WHY_BYTES]);
/* A file in the making: text is a base_buf with NODE_STORE_TEXT_BYTES_MAX. */
void node_bundles_add(struct base_buf *text, const struct node_bundle *bundle);
/* Errors of node_store_text_save. */
int node_bundles_save(struct node_store *store, const struct base_buf *text,
                      char why[NODE_STORE_WHY_BYTES]);
/* One bundle more in the data-dir of a node that does not run, in place of its token's. */
int node_bundles_put(const char *data_dir, const struct node_bundle *bundle,
                     char why[NODE_STORE_WHY_BYTES]);

#endif
