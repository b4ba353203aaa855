#ifndef NFTMESH_TESTS_CONSENSUS_MODEL_H
#define NFTMESH_TESTS_CONSENSUS_MODEL_H

#include "consensus/engine.h"

/* The reference model: what has been said in one epoch, and what follows from it. No timers, no
 * rules of who may say what: it hears every message that is ever sent, by honest members and by
 * liars, and knows which statements a quorum has made, and which chain is final. Slow and obvious;
 * written from docs/consensus.md and not from the engine.
 *
 * At most 64 voters. */
struct model;
struct model_setup { /* borrowed */
    const struct consensus_voter *voters;
    size_t count;
    uint32_t window_slots;
    const struct base_hash32 *epoch_id, *genesis;
    consensus_verify verify;
    void *verify_ctx;
};
struct model *model_new(const struct model_setup *setup);
void model_free(struct model *m);

/* Of what is wrong in it nothing is believed; the rest is. */
void model_hear(struct model *m, const struct consensus_message *message);

bool model_is_notarised(const struct model *m, uint64_t slot, const struct base_hash32 *hash);
bool model_has_final_cert(const struct model *m, uint64_t slot, const struct base_hash32 *hash);
bool model_is_skipped(const struct model *m, uint64_t slot);
/* It or one that descends from it has a FINAL certificate. */
bool model_is_final(struct model *m, uint64_t slot, const struct base_hash32 *hash);
/* The highest that is; false: nothing is. */
bool model_top(struct model *m, uint64_t *slot, struct base_hash32 *hash);
/* How many candidates of this slot anybody has voted for. */
size_t model_choices(const struct model *m, uint64_t slot);
/* What may not be, by the model's own account: two final candidates that do not descend from each
 * other, two notarised ones in one slot, one on a parent that is not or over slots that nobody
 * skips, one that has a FINAL certificate and is skipped. NULL: it is sound. */
const char *model_wrong(struct model *m);

#endif
