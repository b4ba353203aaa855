#ifndef NFTMESH_SDK_LIST_H
#define NFTMESH_SDK_LIST_H

#include <stdbool.h>

#include "base/buf.h"
#include "sdk/nftmesh.h"

/* Lists of peers: each one block of memory with its strings in it, so that free() takes it back
 * and a copy is one allocation. */
#define SDK_PEERS_MAX     4096
#define SDK_LIST_TEXT_MAX ((size_t)32 << 20)

/* Collects peers. Zeroed by _init; a failed add shows at _finish. */
struct sdk_builder {
    struct sdk_builder_peer *peers;
    size_t count, cap;
    struct base_buf text;
    bool failed;
};
void sdk_builder_init(struct sdk_builder *b);
void sdk_builder_deinit(struct sdk_builder *b);
/* Copies; NULL strings count as empty, age_ms is not looked at. */
void sdk_builder_add(struct sdk_builder *b, const nftmesh_peer_t *peer);
/* The list, sorted by token, or NULL without memory. To be freed with nftmesh_peers_free(). */
nftmesh_peers_t *sdk_builder_finish(const struct sdk_builder *b, uint64_t block);

/* What is given away: a copy with these three. NULL without memory. */
nftmesh_peers_t *sdk_list_copy(const nftmesh_peers_t *list, nftmesh_list_state_t state,
                               uint64_t age_ms, const char *why);
/* Would an application care? Block, age and round trip are not compared. NULL equals NULL. */
bool sdk_list_equal(const nftmesh_peers_t *a, const nftmesh_peers_t *b);

#endif
