#ifndef NFTMESH_NODE_PINS_STORE_H
#define NFTMESH_NODE_PINS_STORE_H

#include "attest/pins.h"
#include "node/store.h"

/* First-seen pins outlive a restart in the store's file `pins`, which belongs to one chain and
 * contract. */

/* Pins what the file holds, for kinds that flags have not pinned. No file is BASE_OK.
 * BASE_EINVAL: of another chain or contract; BASE_EMALFORMED, BASE_EIO. why: one line. */
int node_pins_load(struct attest_pins *pins, struct node_store *store, uint64_t chain_id,
                   const struct base_eth_address *contract, char why[NODE_STORE_WHY_BYTES]);
/* Errors of node_store_text_save. */
int node_pins_save(const struct attest_pins *pins, struct node_store *store, uint64_t chain_id,
                   const struct base_eth_address *contract, char why[NODE_STORE_WHY_BYTES]);

#endif
