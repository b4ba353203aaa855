#ifndef NFTMESH_NODE_MESH_H
#define NFTMESH_NODE_MESH_H

#include "node/config.h"

/* `nftmesh node`: everything from the first question to the guest agent to the last goodbye.
 * Runs until SIGINT, SIGTERM, `leave`, or something that cannot be lived with. Returns the exit
 * status: 0 after a graceful leave, 1 failed, 3 without a seat (and without --wait). */
int node_mesh_run(const struct node_config *config);

/* The settings that all nodes of a mesh must share, as HELLO compares them. out holds
 * ATTEST_SETTINGS_BYTES_MAX + 1. */
void node_mesh_settings(char *out, size_t cap, const struct node_config *config);

#endif
