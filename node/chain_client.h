#ifndef NFTMESH_NODE_CHAIN_CLIENT_H
#define NFTMESH_NODE_CHAIN_CLIENT_H

#include "chain/poll.h"
#include "node/http_client.h"

/* The reference poller with its endpoints: carries chain/poll's bodies over HTTP on the loop, and
 * hands out what comes of it. The daemon and the library each have one. Loop thread only. */
struct node_chain_client;

struct node_chain_client_config {
    struct node_http_client *http; /* borrowed; closed before the chain client is freed */
    uint64_t (*now_ms)(void);      /* monotonic */
    void *ctx;
    /* Called inside of _step(), notes first. The snapshot is the callee's to free; it may step the
     * client again. */
    void (*on_snapshot)(void *ctx, struct chain_snapshot *snapshot);
    void (*on_note)(void *ctx, const struct chain_poll_action *note);
    /* A step that brought no snapshot is over. */
    void (*on_quiet)(void *ctx);
    /* An endpoint answered, or did not; before the step that follows from it. May be NULL. */
    void (*on_reply)(void *ctx, const char *url, bool ok, uint64_t took_ms);
    struct chain_poll_config poll; /* urls are borrowed as long as the client lives */
};

/* Errors and why of chain_poll_new. The first _step() with CHAIN_POLL_TIMER starts it. */
int node_chain_client_new(struct node_chain_client **out,
                          const struct node_chain_client_config *config,
                          char why[CHAIN_POLL_TEXT_BYTES]);
/* No callback comes any more, though requests may still be in flight. */
void node_chain_client_stop(struct node_chain_client *chain);
/* After the HTTP client has closed. NULL is fine. */
void node_chain_client_free(struct node_chain_client *chain);

/* Errors of chain_poll_step. */
int node_chain_client_step(struct node_chain_client *chain, const struct chain_poll_event *event);
/* For its status, endpoints, deadline and roots; never step it. */
struct chain_poll *node_chain_client_poll(struct node_chain_client *chain);

#endif
