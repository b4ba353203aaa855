#ifndef NFTMESH_NODE_INBOX_H
#define NFTMESH_NODE_INBOX_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* The one door between threads: any thread posts an item, the loop thread handles it.
 *
 * Items are intrusive: put a struct node_inbox_item into whatever travels, so that posting never
 * allocates. Items are handled in the order in which they were posted, all of them, each once;
 * whoever posts the last item about an object may therefore free that object in its handler.
 *
 *   struct command { struct node_inbox_item item; char *url; };
 *   cmd->item = (struct node_inbox_item){.handle = command_handle, .kind = CMD_JOIN, .ptr = cmd};
 *   if (node_inbox_post(inbox, &cmd->item) != BASE_OK) ... 503, try again
 *
 * One uv_async wakes the loop, once for a whole burst. */
#define NODE_INBOX_ITEMS_MAX 1024

struct node_inbox;

struct node_inbox_item {
    /* Runs on the loop thread. The item is the handler's again: it may be freed or posted anew. */
    void (*handle)(struct node_inbox_item *item);
    int kind;                     /* the poster's own */
    void *ptr;                    /* the poster's own */
    struct node_inbox_item *next; /* the inbox's, while posted */
};

/* An inbox on this loop. Loop thread. BASE_OK, BASE_ENOMEM, BASE_EIO. */
int node_inbox_new(struct node_inbox **out, uv_loop_t *loop);

/* Any thread. The item is the inbox's until its handler runs. It must not be posted already.
 * BASE_EFULL: NODE_INBOX_ITEMS_MAX items wait; BASE_ECLOSED: after node_inbox_close(). Then the
 * item is still the caller's. */
int node_inbox_post(struct node_inbox *inbox, struct node_inbox_item *item);

/* As above, but never full: for items that are part of an object whose number is bounded itself,
 * and that say something which must not get lost (it closed, it was sent). BASE_ECLOSED alone. */
int node_inbox_post_reserved(struct node_inbox *inbox, struct node_inbox_item *item);

/* Items that wait now. Any thread. */
size_t node_inbox_count(struct node_inbox *inbox);

/* Handles what waits, refuses what comes later, frees the inbox when the loop has closed its
 * handle, then calls on_closed (may be NULL). Loop thread, once. No thread may post after this
 * returns: stop or join them before. */
void node_inbox_close(struct node_inbox *inbox, void (*on_closed)(void *ctx), void *ctx);

#endif
