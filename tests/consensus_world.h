#ifndef NFTMESH_TESTS_CONSENSUS_WORLD_H
#define NFTMESH_TESTS_CONSENSUS_WORLD_H

#include <stdio.h>

#include "base/prng.h"
#include "consensus/engine.h"
#include "consensus_check.h"
#include "consensus_model.h"

/* A whole cluster of engines in virtual time, out of one seed. Real: the engines. Modelled: the
 * network, each member's log on disk, its clock, and signatures, which are a keyed hash. After
 * every step the checkers look (consensus_check.h), and the reference model (consensus_model.h) has
 * heard every message that was sent. docs/consensus.md, "Tests". */
#define WORLD_NODES 16 /* instances: members, and twins of the first ones */

struct world_liar;
struct world_message { /* one copy, however many are to get it */
    uint32_t uses;
    bool is_known; /* to the model */
    struct consensus_message m;
};
struct world_item { /* what comes when */
    uint64_t at_us, order;
    enum world_item_kind {
        WORLD_MESSAGE,
        WORLD_STORED,
        WORLD_STATE, /* the state that was wanted */
        WORLD_ACT    /* a liar's turn */
    } kind;
    uint32_t life; /* of the receiver, for what is its own */
    size_t to, from;
    uint64_t number; /* STORED: records that are on disk then; STATE: the slot */
    struct base_hash32 hash;
    struct world_message *message;
};
struct world_record { /* on disk */
    struct consensus_record record;
    struct consensus_candidate cand;
    struct consensus_cert cert;
};
struct world_final {
    uint64_t slot;
    struct base_hash32 hash;
};

struct world_node {
    struct world *w;
    struct consensus_engine *engine; /* NULL: it does not run */
    size_t member;
    uint32_t life;
    int64_t rate_ppm;          /* of its clock */
    uint64_t stall_us, due_us; /* does not run before; wants to run */
    struct world_record *log;
    size_t log_count, log_cap;
    size_t log_synced, log_before; /* known to be on disk; from former lives */
    struct world_final *finals;
    size_t final_count, final_cap;
    struct world_liar *liar; /* NULL: honest, or a twin */
};

struct world {
    struct base_prng prng;
    uint64_t now_us, order, steps, trace;
    struct world_item *heap;
    size_t heap_count, heap_cap;
    struct consensus_params params;
    struct consensus_voter voters[WORLD_NODES];
    struct consensus_lead leads[WORLD_NODES];
    struct base_hash32 epoch_id, genesis;
    size_t members, count;
    struct world_node nodes[WORLD_NODES];

    uint64_t delay_min_us, delay_max_us, store_max_us;
    uint32_t loss_percent, duplicate_percent, late_percent; /* late: up to ten times the delay */
    uint32_t state_every; /* a candidate names the state each so many slots; 0: none does */
    bool is_cut[WORLD_NODES][WORLD_NODES]; /* from, to: one way */
    /* How much later than usual; UINT64_MAX: never. NULL: as usual. */
    uint64_t (*holds)(struct world *w, size_t from, size_t to, const struct consensus_message *m);
    void *holds_ctx;
    bool is_twin_blind; /* a copy does not notice the other one's votes */

    struct check *check;
    struct model *model;
    FILE *told; /* everything that happens, for people; NULL */
    uint64_t faults, leases, copies, states;
    uint64_t finals, skip_certs; /* of honest members */
    bool is_guilty[WORLD_NODES];
};

/* weight_max: weights are drawn from 1 on, and capped. Then change what you like, and start. */
void world_init(struct world *w, uint64_t seed, size_t members, size_t twins, uint32_t window,
                uint64_t weight_max);
void world_start_all(struct world *w);
void world_free(struct world *w);

/* A start reads what is on disk. With has_state it begins at what was final for it. */
void world_start(struct world *w, size_t at, bool has_state);
/* Of what was not known to be stored, a part is on disk nevertheless: some first records. */
void world_crash(struct world *w, size_t at);
void world_calm(struct world *w); /* no faults any more, everybody runs */

/* Until that much later, or something is wrong. */
void world_run(struct world *w, uint64_t us);
const char *world_failure(const struct world *w); /* NULL: nothing is wrong */
void world_event(struct world *w, size_t at, const struct consensus_event *ev);

bool world_is_honest(const struct world *w, size_t at); /* neither a liar nor a twin */
bool world_is_byzantine(const struct world *w, size_t member);
uint64_t world_clock_ms(const struct world_node *n);
size_t world_holder(const struct world *w); /* of the lease; count: nobody */
uint64_t
world_lowest_final(const struct world *w); /* of all honest ones; slots from 1 on, 0: none */
uint64_t world_random(struct world *w, uint64_t below);

/* Its message, over the network and its faults; honest nodes' go without asking. */
void world_send(struct world *w, size_t from, size_t to, const struct consensus_message *m);
void world_send_later(struct world *w, size_t from, size_t to, const struct consensus_message *m,
                      uint64_t later_us);
/* Another payload than this candidate's, as good as that one, always the same. Its length. */
size_t world_other_payload(struct world *w, size_t at, uint8_t *out, size_t cap,
                           const struct consensus_candidate *c);
struct base_sig65 world_signature(const struct base_eth_address *signer,
                                  const struct base_vote *vote);
int world_verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                 const struct base_eth_address *signer);
/* What is inside of an engine, against the model and the bounds of what is held; of all. */
void look_at_engine(struct check *c, struct model *m, size_t member,
                    const struct consensus_engine *e);
void world_compare(struct world *w);

#endif
