#include "node/inbox.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"

struct node_inbox {
    uv_async_t wake;
    uv_mutex_t lock; /* guards what follows, down to the blank line; never held while calling */
    struct node_inbox_item *first;
    struct node_inbox_item **last; /* where the next item goes */
    size_t count;
    bool closed;

    void (*on_closed)(void *ctx);
    void *ctx;
};

static void drain(struct node_inbox *inbox)
{
    struct node_inbox_item *item;
    uv_mutex_lock(&inbox->lock);
    item = inbox->first;
    inbox->first = NULL;
    inbox->last = &inbox->first;
    inbox->count = 0;
    uv_mutex_unlock(&inbox->lock);
    while (item != NULL) {
        struct node_inbox_item *next = item->next; /* the handler may free the item */
        item->next = NULL;
        item->handle(item);
        item = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    /* What handlers post waits for the next turn, so that timers and sockets get theirs. */
    drain(wake->data);
}

int node_inbox_new(struct node_inbox **out, uv_loop_t *loop)
{
    struct node_inbox *inbox;
    assert(out != NULL);
    assert(loop != NULL);
    inbox = calloc(1, sizeof *inbox);
    if (inbox == NULL) return BASE_ENOMEM;
    inbox->last = &inbox->first;
    if (uv_mutex_init(&inbox->lock) != 0) goto err_inbox;
    if (uv_async_init(loop, &inbox->wake, on_wake) != 0) goto err_lock;
    inbox->wake.data = inbox;
    *out = inbox;
    return BASE_OK;
err_lock:
    uv_mutex_destroy(&inbox->lock);
err_inbox:
    free(inbox);
    return BASE_EIO;
}

static int post(struct node_inbox *inbox, struct node_inbox_item *item, size_t count_max)
{
    int rv = BASE_OK;
    bool was_empty = false;
    assert(inbox != NULL);
    assert(item != NULL);
    assert(item->handle != NULL);
    uv_mutex_lock(&inbox->lock);
    if (inbox->closed) {
        rv = BASE_ECLOSED;
    } else if (inbox->count >= count_max) {
        rv = BASE_EFULL;
    } else {
        was_empty = inbox->first == NULL;
        item->next = NULL;
        *inbox->last = item;
        inbox->last = &item->next;
        inbox->count++;
        /* Inside of the lock: node_inbox_close() then never closes the handle under us. */
        if (was_empty) uv_async_send(&inbox->wake);
    }
    uv_mutex_unlock(&inbox->lock);
    return rv;
}

int node_inbox_post(struct node_inbox *inbox, struct node_inbox_item *item)
{
    return post(inbox, item, NODE_INBOX_ITEMS_MAX);
}

int node_inbox_post_reserved(struct node_inbox *inbox, struct node_inbox_item *item)
{
    return post(inbox, item, SIZE_MAX);
}

size_t node_inbox_count(struct node_inbox *inbox)
{
    size_t count;
    assert(inbox != NULL);
    uv_mutex_lock(&inbox->lock);
    count = inbox->count;
    uv_mutex_unlock(&inbox->lock);
    return count;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct node_inbox *inbox = handle->data;
    void (*on_closed)(void *ctx) = inbox->on_closed;
    void *ctx = inbox->ctx;
    uv_mutex_destroy(&inbox->lock);
    free(inbox);
    if (on_closed != NULL) on_closed(ctx);
}

void node_inbox_close(struct node_inbox *inbox, void (*on_closed)(void *ctx), void *ctx)
{
    assert(inbox != NULL);
    uv_mutex_lock(&inbox->lock);
    assert(!inbox->closed);
    inbox->closed = true;
    uv_mutex_unlock(&inbox->lock);
    inbox->on_closed = on_closed;
    inbox->ctx = ctx;
    drain(inbox);
    uv_close((uv_handle_t *)&inbox->wake, on_handle_closed);
}
