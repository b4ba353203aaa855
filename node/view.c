#include "node/view.h"

#include "base/err.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define VIEW_CHUNK_BYTES     ((size_t)32 << 10)
#define VIEW_RING_TEXT_BYTES 256
#define VIEW_RING_TEXTS      5

/* Strings of a view: chunks that never move, freed with it. */
struct arena_chunk {
    struct arena_chunk *next;
    size_t len, cap;
    char data[];
};
struct node_view_arena {
    struct arena_chunk *chunks;
};
struct node_view_refs {
    _Atomic uint32_t count;
};

int node_view_new(struct node_view **out)
{
    assert(out != NULL);
    struct node_view *view = calloc(1, sizeof *view);
    if (view == NULL) return BASE_ENOMEM;
    view->arena = calloc(1, sizeof *view->arena);
    view->refs = calloc(1, sizeof *view->refs);
    if (view->arena == NULL || view->refs == NULL) {
        free(view->arena);
        free(view->refs);
        free(view);
        return BASE_ENOMEM;
    }
    atomic_init(&view->refs->count, 1);
    struct node_view_self *self = &view->self;
    self->name = self->url = self->app_url = self->version = "";
    self->contract_kind = self->rpc_trust = self->trust = "unknown";
    self->settings = "";
    *out = view;
    return BASE_OK;
}

void node_view_free(struct node_view *view)
{
    if (view == NULL) return;
    if (atomic_fetch_sub_explicit(&view->refs->count, 1, memory_order_acq_rel) != 1) return;
    for (struct arena_chunk *chunk = view->arena->chunks, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(view->arena);
    free(view->refs);
    free(view->members);
    free(view->links);
    free(view->refusals);
    free(view);
}

/* ---- building ---- */

static void *arena_take(struct node_view *view, size_t len, size_t align)
{
    struct arena_chunk *chunk = view->arena->chunks;
    size_t at = chunk == NULL ? 0 : (chunk->len + align - 1) / align * align;
    if (chunk == NULL || at > chunk->cap || len > chunk->cap - at) {
        size_t cap = len > VIEW_CHUNK_BYTES ? len : VIEW_CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + cap);
        if (chunk == NULL) return NULL;
        chunk->cap = cap;
        chunk->next = view->arena->chunks;
        view->arena->chunks = chunk;
        at = 0;
    }
    chunk->len = at + len;
    return chunk->data + at;
}

const char *node_view_textn(struct node_view *view, const char *text, size_t len)
{
    if (text == NULL || len == 0) return "";
    char *copy = arena_take(view, len + 1, 1);
    if (copy == NULL) {
        view->failed = true;
        return "";
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

const char *node_view_text(struct node_view *view, const char *text)
{
    return node_view_textn(view, text, text == NULL ? 0 : strlen(text));
}

/* Room for one more in a growing array; the array, or NULL when memory is short. */
static void *array_grow(struct node_view *view, void *items, size_t count, size_t *cap,
                        size_t item_bytes)
{
    if (count < *cap) return items;
    size_t wanted = *cap == 0 ? 16 : *cap * 2;
    void *grown = realloc(items, wanted * item_bytes);
    if (grown == NULL) {
        view->failed = true;
        return NULL;
    }
    *cap = wanted;
    return grown;
}

static void member_tags_copy(struct node_view *view, struct node_view_member *member)
{
    struct node_view_tag *tags;
    if (member->tag_count == 0) return;
    tags = arena_take(view, member->tag_count * sizeof *tags, _Alignof(struct node_view_tag));
    if (tags == NULL) {
        view->failed = true;
        member->tag_count = 0;
        return;
    }
    for (size_t i = 0; i < member->tag_count; i++)
        tags[i] = (struct node_view_tag){node_view_text(view, member->tags[i].key),
                                         node_view_text(view, member->tags[i].value)};
    member->tags = tags;
}

void node_view_add_member(struct node_view *view, const struct node_view_member *item)
{
    void *grown =
        array_grow(view, view->members, view->member_count, &view->member_cap, sizeof *item);
    if (grown == NULL) return;
    view->members = grown;
    struct node_view_member *member = &view->members[view->member_count++];
    *member = *item;
    member->name = node_view_text(view, item->name);
    member->url = node_view_text(view, item->url);
    member->app_url = node_view_text(view, item->app_url);
    member->version = node_view_text(view, item->version);
    member_tags_copy(view, member);
}

void node_view_add_link(struct node_view *view, const struct node_view_link *item)
{
    void *grown = array_grow(view, view->links, view->link_count, &view->link_cap, sizeof *item);
    if (grown == NULL) return;
    view->links = grown;
    struct node_view_link *link = &view->links[view->link_count++];
    *link = *item;
    link->remote = node_view_text(view, item->remote);
    link->state = node_view_text(view, item->state);
}

void node_view_add_rpc(struct node_view *view, const struct node_view_rpc *item)
{
    if (view->rpc_count == NODE_VIEW_RPC_MAX) return;
    struct node_view_rpc *rpc = &view->rpc[view->rpc_count++];
    *rpc = *item;
    rpc->origin = node_view_text(view, item->origin);
    rpc->state = node_view_text(view, item->state);
    rpc->last_error = node_view_text(view, item->last_error);
}

void node_view_add_check(struct node_view *view, const char *name, bool ok, const char *reason)
{
    if (view->check_count == NODE_VIEW_CHECKS_MAX) return;
    view->checks[view->check_count++] = (struct node_view_check){
        .name = node_view_text(view, name), .ok = ok, .reason = node_view_text(view, reason)};
}

void node_view_add_warning(struct node_view *view, const char *text)
{
    if (view->warning_count == NODE_VIEW_WARNINGS_MAX) return;
    view->warnings[view->warning_count++] = node_view_text(view, text);
}

void node_view_add_refusal(struct node_view *view, const struct node_view_refusal *item)
{
    if (view->refusal_count == NODE_VIEW_REFUSALS_MAX) return;
    void *grown =
        array_grow(view, view->refusals, view->refusal_count, &view->refusal_cap, sizeof *item);
    if (grown == NULL) return;
    view->refusals = grown;
    struct node_view_refusal *refusal = &view->refusals[view->refusal_count++];
    *refusal = *item;
    refusal->remote = node_view_text(view, item->remote);
    refusal->reason = node_view_text(view, item->reason);
    refusal->explanation = node_view_text(view, item->explanation);
    refusal->expected = node_view_text(view, item->expected);
    refusal->found = node_view_text(view, item->found);
}

bool node_view_is_ready(const struct node_view *view)
{
    for (size_t i = 0; i < view->check_count; i++)
        if (!view->checks[i].ok) return false;
    return view->check_count > 0;
}

size_t node_view_count(const struct node_view *view, enum node_view_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < view->member_count; i++)
        if (view->members[i].state == state) count++;
    return count;
}

const char *node_view_state_name(enum node_view_state state)
{
    switch (state) {
    case NODE_VIEW_UNKNOWN:
        return "unknown";
    case NODE_VIEW_ALIVE:
        return "alive";
    case NODE_VIEW_SUSPECT:
        return "suspect";
    case NODE_VIEW_FAILED:
        return "failed";
    case NODE_VIEW_LEFT:
        return "left";
    }
    return "unknown";
}

/* ---- the ring of refusals ---- */

struct ring_entry {
    struct node_view_refusal refusal; /* its strings point into texts */
    char texts[VIEW_RING_TEXTS][VIEW_RING_TEXT_BYTES];
};
struct node_refusal_ring {
    struct ring_entry entries[NODE_VIEW_REFUSALS_MAX];
    size_t next, count;
};

int node_refusal_ring_new(struct node_refusal_ring **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? BASE_OK : BASE_ENOMEM;
}

void node_refusal_ring_free(struct node_refusal_ring *ring)
{
    free(ring);
}

static const char *ring_text(char out[VIEW_RING_TEXT_BYTES], const char *text)
{
    size_t len = text == NULL ? 0 : strnlen(text, VIEW_RING_TEXT_BYTES - 1);
    if (len > 0) memcpy(out, text, len);
    out[len] = '\0';
    return out;
}

void node_refusal_ring_put(struct node_refusal_ring *ring, const struct node_view_refusal *item)
{
    struct ring_entry *entry = &ring->entries[ring->next];
    ring->next = (ring->next + 1) % NODE_VIEW_REFUSALS_MAX;
    if (ring->count < NODE_VIEW_REFUSALS_MAX) ring->count++;
    entry->refusal = *item;
    entry->refusal.remote = ring_text(entry->texts[0], item->remote);
    entry->refusal.reason = ring_text(entry->texts[1], item->reason);
    entry->refusal.explanation = ring_text(entry->texts[2], item->explanation);
    entry->refusal.expected = ring_text(entry->texts[3], item->expected);
    entry->refusal.found = ring_text(entry->texts[4], item->found);
}

void node_refusal_ring_add_to(const struct node_refusal_ring *ring, struct node_view *view)
{
    for (size_t i = 0; i < ring->count; i++) {
        size_t at = (ring->next + NODE_VIEW_REFUSALS_MAX - 1 - i) % NODE_VIEW_REFUSALS_MAX;
        node_view_add_refusal(view, &ring->entries[at].refusal);
    }
}

/* ---- the slot ---- */

struct node_view_slot {
    pthread_mutex_t mutex;
    struct node_view *view;
};

int node_view_slot_new(struct node_view_slot **out)
{
    struct node_view_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) return BASE_ENOMEM;
    pthread_mutex_init(&slot->mutex, NULL);
    *out = slot;
    return BASE_OK;
}

void node_view_slot_free(struct node_view_slot *slot)
{
    if (slot == NULL) return;
    node_view_free(slot->view);
    pthread_mutex_destroy(&slot->mutex);
    free(slot);
}

int node_view_publish(struct node_view_slot *slot, struct node_view *view)
{
    assert(slot != NULL && view != NULL);
    if (view->failed) {
        node_view_free(view);
        return BASE_ENOMEM;
    }
    pthread_mutex_lock(&slot->mutex);
    struct node_view *old = slot->view;
    slot->view = view;
    pthread_mutex_unlock(&slot->mutex);
    node_view_free(old);
    return BASE_OK;
}

struct node_view *node_view_acquire(struct node_view_slot *slot)
{
    pthread_mutex_lock(&slot->mutex);
    struct node_view *view = slot->view;
    if (view != NULL) atomic_fetch_add_explicit(&view->refs->count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&slot->mutex);
    return view;
}
