#ifndef NFTMESH_NODE_CONSENSUS_TOLD_H
#define NFTMESH_NODE_CONSENSUS_TOLD_H

#include "chain/registry.h"
#include "consensus/cluster.h"
#include "gossip/gossip.h"

/* What the cluster's core is told of the chain and of membership, and how it is set up: pure, for
 * mesh_consensus.c and for simulations. */

/* The seats that count at the snapshot's block, by key: those whose members admission lets in, by
 * what the chain alone says. out: room for by_key_count. Returns how many. */
size_t node_consensus_seats(struct consensus_seat *out, const struct chain_snapshot *s);

/* What membership says of somebody now. False: nothing that the core need know, since who is
 * suspected may answer yet. */
bool node_consensus_is_news(bool *is_dead, enum gossip_state to);

/* Defaults, but for these; heartbeats follow them: several a lease, and before anybody is taken
 * for silent. */
void node_consensus_params(struct consensus_params *out, uint32_t window_slots, uint32_t lease_ms,
                           uint32_t skip_ms);

/* Above all nonces of former runs. */
uint64_t node_consensus_nonce(uint64_t start_incarnation);

#endif
