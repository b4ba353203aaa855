/* The wide simulator's network: a wheel of milliseconds, bodies that several frames share, who has
 * which key. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "sim_wide.h"

#define WHEEL       4096 /* ms; what is due later goes round once more */
#define CHUNK       4096 /* events allocated at once */
#define INDEX_SLOTS (4 * WIDE_NODES_MAX)

struct wide_net {
    struct {
        struct wide_event *first, *last;
    } wheel[WHEEL];
    struct wide_event *free;
    void *chunks;
    uint16_t index[INDEX_SLOTS]; /* + 1 */
};

struct wide_net *wide_net_new(void)
{
    return calloc(1, sizeof(struct wide_net));
}

static void blob_release(struct wide_blob *blob)
{
    if (blob != NULL && --blob->holds == 0) free(blob);
}

void wide_net_free(struct wide_net *net)
{
    if (net == NULL) return;
    for (size_t i = 0; i < WHEEL; i++)
        for (struct wide_event *ev = net->wheel[i].first; ev != NULL; ev = ev->next)
            blob_release(ev->blob);
    for (void *chunk = net->chunks; chunk != NULL;) {
        void *next = *(void **)chunk;
        free(chunk);
        chunk = next;
    }
    free(net);
}

/* The first place of a chunk links it to the one before. */
static void chunk_add(struct wide_net *net)
{
    struct wide_event *chunk = calloc(CHUNK, sizeof *chunk);
    assert(chunk != NULL);
    *(void **)(void *)chunk = net->chunks;
    net->chunks = chunk;
    for (size_t i = 1; i < CHUNK; i++) {
        chunk[i].next = net->free;
        net->free = &chunk[i];
    }
}

void wide_net_put(struct wide *w, uint64_t at_ms, struct wide_event ev)
{
    struct wide_net *net = w->net;
    assert(at_ms >= w->now_ms && at_ms < w->now_ms + WHEEL);
    if (net->free == NULL) chunk_add(net);
    struct wide_event *kept = net->free;
    net->free = kept->next;
    *kept = ev;
    kept->next = NULL;
    if (net->wheel[at_ms % WHEEL].first == NULL)
        net->wheel[at_ms % WHEEL].first = kept;
    else
        net->wheel[at_ms % WHEEL].last->next = kept;
    net->wheel[at_ms % WHEEL].last = kept;
}

struct wide_event *wide_net_take(struct wide *w)
{
    struct wide_net *net = w->net;
    struct wide_event *ev = net->wheel[w->now_ms % WHEEL].first;
    if (ev != NULL) net->wheel[w->now_ms % WHEEL].first = ev->next;
    return ev;
}

void wide_net_done(struct wide *w, struct wide_event *ev)
{
    blob_release(ev->blob);
    ev->next = w->net->free;
    w->net->free = ev;
}

struct wide_blob *wide_blob_new(const void *bytes, size_t len)
{
    struct wide_blob *blob = malloc(sizeof *blob + len);
    assert(blob != NULL);
    blob->holds = 0;
    blob->len = (uint32_t)len;
    memcpy(blob->bytes, bytes, len);
    return blob;
}

uint64_t wide_delay_ms(const struct wide *w, uint32_t i, uint32_t j)
{
    uint64_t pair = i < j ? (uint64_t)i << 32 | j : (uint64_t)j << 32 | i;
    struct base_prng prng;
    base_prng_init(&prng, w->seed ^ pair * 0x9e3779b97f4a7c15);
    return base_prng_between(&prng, 1, WIDE_DELAY_MAX);
}

static uint32_t index_slot(const struct base_key33 *key)
{
    return base_get_u32be(key->bytes + 1) % INDEX_SLOTS;
}

void wide_net_index(struct wide *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        uint32_t at = index_slot(&w->nodes[i].key);
        while (w->net->index[at] != 0)
            at = (at + 1) % INDEX_SLOTS;
        w->net->index[at] = (uint16_t)(i + 1);
    }
}

uint32_t wide_index(const struct wide *w, const struct base_key33 *key)
{
    for (uint32_t at = index_slot(key); w->net->index[at] != 0; at = (at + 1) % INDEX_SLOTS)
        if (base_key33_equal(&w->nodes[w->net->index[at] - 1].key, key))
            return w->net->index[at] - 1u;
    return w->count;
}
