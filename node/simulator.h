#ifndef NFTMESH_NODE_SIMULATOR_H
#define NFTMESH_NODE_SIMULATOR_H

/* `nftmesh simulator`: the guest agent for development on Unix sockets, until SIGINT or SIGTERM.
 * Returns the exit status. */
int node_simulator_main(int argc, char **argv);

#endif
