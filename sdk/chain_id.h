#ifndef NFTMESH_SDK_CHAIN_ID_H
#define NFTMESH_SDK_CHAIN_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which chain, when only the contract's address was given: all endpoints are asked, and those that
 * answer must name the same one. Loop thread only. Zeroed at first, but for m. */
struct sdk_chain_id {
    struct nftmesh *m;
    uint64_t id; /* 0: still asked for */
    uint64_t found;
    size_t waiting, answered;
    bool differ;
    bool stopped; /* set by the owner: answers are dropped */
    uint64_t next_ms;
};
/* While id is 0: asks when it is time to; returns when to be called again. */
uint64_t sdk_chain_id_turn(struct sdk_chain_id *s, uint64_t now_ms);

#endif
