#include "sdk/list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { URL, MESH_URL, NAME, NODE, OWNER, INSTANCE, TOKEN, REASON, EXPLANATION, STRINGS };

struct sdk_builder_peer {
    nftmesh_peer_t peer; /* its strings are not set */
    size_t at[STRINGS];  /* where they stand in the text */
};

/* The block: what the caller sees, then the peers, then the text. */
struct block {
    nftmesh_peers_t list;
    size_t bytes;
};

static const char **string_of(nftmesh_peer_t *peer, int which)
{
    const char **members[STRINGS] = {&peer->url,   &peer->mesh_url, &peer->name,
                                     &peer->node,  &peer->owner,    &peer->instance,
                                     &peer->token, &peer->reason,   &peer->explanation};
    return members[which];
}

void sdk_builder_init(struct sdk_builder *b)
{
    memset(b, 0, sizeof *b);
    base_buf_init(&b->text, SDK_LIST_TEXT_MAX);
    base_buf_append(&b->text, "", 1); /* offset 0 is "" */
}

void sdk_builder_deinit(struct sdk_builder *b)
{
    free(b->peers);
    base_buf_deinit(&b->text);
}

void sdk_builder_add(struct sdk_builder *b, const nftmesh_peer_t *peer)
{
    if (b->count == b->cap) {
        size_t cap = b->cap > 0 ? 2 * b->cap : 16;
        void *grown = b->count < SDK_PEERS_MAX ? realloc(b->peers, cap * sizeof *b->peers) : NULL;
        b->failed = b->failed || grown == NULL;
        if (grown == NULL) return;
        b->peers = grown;
        b->cap = cap;
    }
    struct sdk_builder_peer *p = &b->peers[b->count++];
    p->peer = *peer;
    for (int i = 0; i < STRINGS; i++) {
        const char *text = *string_of(&p->peer, i);
        p->at[i] = 0;
        if (text == NULL || text[0] == '\0') continue;
        p->at[i] = b->text.len;
        base_buf_append(&b->text, text, strlen(text) + 1);
    }
}

/* By number: tokens are decimal without leading zeros. */
static int by_token(const void *a, const void *b)
{
    const char *x = ((const nftmesh_peer_t *)a)->token, *y = ((const nftmesh_peer_t *)b)->token;
    size_t x_len = strlen(x), y_len = strlen(y);
    if (x_len != y_len) return x_len < y_len ? -1 : 1;
    return strcmp(x, y);
}

nftmesh_peers_t *sdk_builder_finish(const struct sdk_builder *b, uint64_t block)
{
    size_t bytes = sizeof(struct block) + b->count * sizeof(nftmesh_peer_t) + b->text.len;
    struct block *out = b->failed || b->text.failed ? NULL : calloc(1, bytes);
    if (out == NULL) return NULL;
    nftmesh_peer_t *peers = (nftmesh_peer_t *)(void *)(out + 1);
    char *text = (char *)(peers + b->count);
    memcpy(text, b->text.data, b->text.len);
    for (size_t i = 0; i < b->count; i++) {
        peers[i] = b->peers[i].peer;
        for (int k = 0; k < STRINGS; k++)
            *string_of(&peers[i], k) = text + b->peers[i].at[k];
    }
    if (b->count > 0) qsort(peers, b->count, sizeof *peers, by_token);
    out->bytes = bytes;
    out->list.n = b->count;
    out->list.peer = peers;
    out->list.block = block;
    out->list.why = text;
    return &out->list;
}

nftmesh_peers_t *sdk_list_copy(const nftmesh_peers_t *list, nftmesh_list_state_t state,
                               uint64_t age_ms, const char *why)
{
    const struct block *from = (const struct block *)(const void *)list;
    size_t why_bytes = strlen(why) + 1;
    struct block *out = malloc(from->bytes + why_bytes);
    if (out == NULL) return NULL;
    memcpy(out, from, from->bytes);
    memcpy((char *)out + from->bytes, why, why_bytes);
    nftmesh_peer_t *peers = (nftmesh_peer_t *)(void *)(out + 1);
    for (size_t i = 0; i < out->list.n; i++) {
        peers[i].age_ms = age_ms;
        for (int k = 0; k < STRINGS; k++) {
            const char **text = string_of(&peers[i], k);
            *text = (const char *)out + (*text - (const char *)from);
        }
    }
    out->list.peer = peers;
    out->list.state = state;
    out->list.age_ms = age_ms;
    out->list.why = (const char *)out + from->bytes;
    return &out->list;
}

static bool peer_equal(const nftmesh_peer_t *a, const nftmesh_peer_t *b)
{
    nftmesh_peer_t x = *a, y = *b;
    for (int i = 0; i < EXPLANATION; i++) /* that one names the block */
        if (strcmp(*string_of(&x, i), *string_of(&y, i)) != 0) return false;
    return a->state == b->state && a->weight == b->weight;
}

bool sdk_list_equal(const nftmesh_peers_t *a, const nftmesh_peers_t *b)
{
    if (a == NULL || b == NULL) return a == b;
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!peer_equal(&a->peer[i], &b->peer[i])) return false;
    return true;
}
