#ifndef NFTMESH_NODE_SIMULATOR_DATA_H
#define NFTMESH_NODE_SIMULATOR_DATA_H

#include <stddef.h>
#include <stdint.h>

/* What the simulator plays back, compiled in by CMake from node/simulator_data/. */
extern const uint8_t node_simulator_quote[];
extern const size_t node_simulator_quote_bytes;
extern const uint8_t node_simulator_eventlog[];
extern const size_t node_simulator_eventlog_bytes;

#endif
