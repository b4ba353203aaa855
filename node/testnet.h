#ifndef NFTMESH_NODE_TESTNET_H
#define NFTMESH_NODE_TESTNET_H

/* `nftmesh testnet`: writes a mesh on a local chain into a directory: keys, a configuration file a
 * node, the contract's deployment as a signed transaction, start.sh, stop.sh, README.md. Returns
 * the exit status. */
int node_testnet(int argc, char **argv);

#endif
