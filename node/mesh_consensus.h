#ifndef NFTMESH_NODE_MESH_CONSENSUS_H
#define NFTMESH_NODE_MESH_CONSENSUS_H

#include "consensus/cluster.h"
#include "node/consensus_writer.h"
#include "node/mesh_internal.h"

/* Shared by mesh_consensus.c, which runs the core, mesh_consensus_lost.c, which knows what its log
 * lacks, and mesh_consensus_ask.c, which answers about it. */
#define MESH_CONSENSUS_COMMANDS_MAX CONSENSUS_PENDING_MAX
#define MESH_CONSENSUS_LOSS_BYTES   320

struct mesh_consensus {
    struct consensus_cluster *cluster;
    struct node_consensus_store *store;
    struct node_consensus_writer *writer;
    bool is_busy;
    struct consensus_cluster_event *later;
    size_t later_count;
    bool is_store_lost, is_store_told;
    char lost[NODE_STORE_WHY_BYTES]; /* why our votes cannot be read: without them, no cluster */
    char mute[NODE_STORE_WHY_BYTES]; /* why we sign nothing more until we are started again */
    bool has_loss; /* votes were lost, once; it matters as long as the core says so */
    struct node_consensus_lost loss;
    bool is_loss_unsaved, is_loss_told;
    bool has_voted;      /* this log has held a vote of ours */
    uint64_t put_number; /* the last operation's of the core */
    bool abstains;       /* what we know of the chain is too old */
    bool has_looked;     /* for others, before anything is founded */
    uint64_t chain_seen;
    struct base_hash32 revision_seen;
    size_t seats_seen;
    bool has_leader;
    struct base_key33 leader;
    /* Who votes; behind them who did in the epoch before, for a moment: it is told how that ended.
     */
    struct base_key33 voters[2 * CONSENSUS_MEMBERS_MAX];
    size_t voter_count, former_count;
    struct base_hash32 voters_of; /* the epoch's id */
    uint64_t former_until_ms;
    bool voters_moved;
    enum consensus_cluster_note last_note;
    struct { /* who waits for an entry to be final */
        uint64_t tag;
        struct node_command *command;
    } waiting[MESH_CONSENSUS_COMMANDS_MAX];
    size_t waiting_count;
    uint64_t tags;
};

int mesh_consensus_step(struct mesh *m, const struct consensus_cluster_event *ev);

/* mesh_consensus_lost.c */
bool mesh_consensus_has_run(struct mesh *m); /* our key has had a log in this directory */
int mesh_consensus_remember(struct mesh *m, char why[NODE_STORE_WHY_BYTES]); /* that it has */
int mesh_consensus_lost_load(struct mesh *m, char why[NODE_STORE_WHY_BYTES]);
void mesh_consensus_lost_start(struct mesh *m); /* the core stands */
void mesh_consensus_voted(struct mesh *m);      /* before the first vote is put */
void mesh_consensus_copy(struct mesh *m);       /* others hold a vote that is not ours */
void mesh_consensus_lost_step(struct mesh *m);
bool mesh_consensus_is_lost(const struct mesh *m); /* this epoch goes on without our vote */

/* mesh_consensus_ask.c */
void mesh_consensus_done(struct mesh *m, const struct consensus_cluster_action *a);
void mesh_consensus_give_up(struct mesh *m); /* we stop: whoever waits is told */
/* A member's name; empty when it is not known. */
void mesh_consensus_name(struct mesh *m, const struct base_key33 *key,
                         char out[GOSSIP_NAME_BYTES_MAX + 1]);

#endif
