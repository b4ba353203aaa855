#ifndef NFTMESH_NODE_REGISTER_H
#define NFTMESH_NODE_REGISTER_H

#include "node/config.h"

/* `nftmesh node --register`: before the daemon starts, registers this node's keys for a seat of
 * the configured wallet: the token that its instance is bound to, else the wallet's first token
 * that is bound to nothing. Says what it did; "stands already" is success. Returns an exit
 * status. */
int node_register_own(const struct node_config *config);

#endif
