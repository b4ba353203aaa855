#ifndef NFTMESH_SDK_JUDGE_H
#define NFTMESH_SDK_JUDGE_H

#include "node/admission.h"
#include "sdk/list.h"

/* From a snapshot of the contract to a list of peers. Pure. */
struct sdk_self { /* whom to leave out */
    bool has_instance, has_keys;
    struct base_eth_address instance;
    struct base_key33 node_key, proof_key;
};

/* Why a seat has no keys that count; NULL: the contract would have them. */
struct sdk_keyless {
    void (*explain)(void *ctx, struct node_refusal *out, const struct chain_seat *seat);
    void *ctx;
};

/* Every seat on which an instance or a key stands but our own, each judged by lines 7 and 11 to 15
 * of admission. */
void sdk_judge_peers(struct sdk_builder *out, const struct node_admission *admission,
                     const struct sdk_self *self, const struct sdk_keyless *keyless);

/* Does our own seat count, with the keys that we have? NFTMESH_OK, or NFTMESH_ERR_NOT_REGISTERED
 * with a sentence in why. */
nftmesh_status_t sdk_judge_self(char *why, size_t cap, const struct node_admission *admission,
                                const struct sdk_self *self);

#endif
