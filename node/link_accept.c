/* The way in: listeners, and who gets a link. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>

#include <nng/transport/ws/websocket.h>

#include "base/err.h"
#include "node/link_internal.h"

#define RETRY_MS 100 /* after an error that is nobody's fault: no descriptors, no memory */

static void on_accepted(void *arg) /* nng's thread */
{
    struct node_link_listener *listener = arg;
    listener->result = nng_aio_result(listener->aio);
    node_links__post(listener->links, &listener->accepted);
}

static void accept_start(struct node_link_listener *listener)
{
    listener->is_accepting = true;
    nng_stream_listener_accept(listener->listener, listener->aio);
}

static void stream_drop(nng_stream *stream)
{
    nng_stream_close(stream);
    nng_stream_free(stream);
}

static void stream_take(struct node_links *links, nng_stream *stream, bool is_tcp)
{
    nng_sockaddr address;
    struct node_link *link = NULL;
    if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &address) == 0)
        link = node_link__new_accepted(links, &address);
    if (link == NULL)
        stream_drop(stream);
    else
        node_link__stream_start(link, stream, is_tcp);
}

static void handle_accepted(struct node_inbox_item *item)
{
    struct node_link_listener *listener = item->ptr;
    struct node_links *links = listener->links;
    nng_stream *stream = listener->result == 0 ? nng_aio_get_output(listener->aio, 0) : NULL;
    listener->is_accepting = false;
    if (links->is_closing) {
        if (stream != NULL) stream_drop(stream);
        node_links__free_if_done(links);
        return;
    }
    if (stream != NULL) {
        stream_take(links, stream, !listener->is_websocket);
        accept_start(listener);
        return;
    }
    listener->retry_at_ms = uv_now(links->loop) + RETRY_MS;
    node_links__timer_arm(links);
}

void node_links__accept_retry(struct node_links *links, uint64_t now_ms)
{
    for (size_t i = 0; i < links->listener_count; i++) {
        struct node_link_listener *listener = links->listeners[i];
        if (listener->retry_at_ms == 0 || listener->retry_at_ms > now_ms) continue;
        listener->retry_at_ms = 0;
        accept_start(listener);
    }
}

static int start(struct node_link_listener *listener, uint16_t *bound_port, const char *text)
{
    int port = 0;
    int rv = nng_stream_listener_alloc(&listener->listener, text);
    if (rv != 0) return rv;
    if (listener->is_websocket)
        rv = nng_stream_listener_set_string(listener->listener, NNG_OPT_WS_PROTOCOL,
                                            NODE_LINK_WS_PROTOCOL);
    if (rv == 0) rv = nng_aio_alloc(&listener->aio, on_accepted, listener);
    if (rv == 0) rv = nng_stream_listener_listen(listener->listener);
    if (rv == 0)
        rv = nng_stream_listener_get_int(listener->listener, NNG_OPT_TCP_BOUND_PORT, &port);
    if (rv == 0 && bound_port != NULL) *bound_port = (uint16_t)port;
    return rv;
}

static void bury(void *listener)
{
    nng_stream_listener_free(listener);
}

static void listener_free(struct node_link_listener *listener)
{
    if (listener->aio != NULL) nng_aio_free(listener->aio);
    if (listener->listener != NULL && listener->is_websocket)
        node_link__bury(bury, listener->listener);
    else if (listener->listener != NULL)
        nng_stream_listener_free(listener->listener);
    free(listener);
}

static int err_of(int result)
{
    switch (result) {
    case 0:
        return BASE_OK;
    case NNG_EADDRINUSE:
        return BASE_EEXIST;
    case NNG_EADDRINVAL:
    case NNG_EINVAL:
    case NNG_ENOTSUP:
        return BASE_EINVAL;
    case NNG_ENOMEM:
        return BASE_ENOMEM;
    default:
        return BASE_EIO;
    }
}

int node_links__listener_new(struct node_links *links, uint16_t *bound_port,
                             const struct node_url *url, const char *text)
{
    struct node_link_listener *listener;
    int rv;
    if (links->listener_count == NODE_LINK_LISTENERS_MAX) return BASE_EFULL;
    listener = calloc(1, sizeof *listener);
    if (listener == NULL) return BASE_ENOMEM;
    listener->links = links;
    listener->is_websocket = strcmp(url->scheme, "ws") == 0;
    listener->accepted = (struct node_inbox_item){.handle = handle_accepted, .ptr = listener};
    rv = start(listener, bound_port, text);
    if (rv != 0) {
        listener_free(listener);
        return err_of(rv);
    }
    links->listeners[links->listener_count++] = listener;
    accept_start(listener);
    return BASE_OK;
}

void node_links__listeners_close(struct node_links *links)
{
    for (size_t i = 0; i < links->listener_count; i++) {
        nng_aio_cancel(links->listeners[i]->aio); /* closing a ws listener does not end it */
        nng_stream_listener_close(links->listeners[i]->listener);
    }
}

bool node_links__listeners_are_closed(const struct node_links *links)
{
    for (size_t i = 0; i < links->listener_count; i++) {
        if (links->listeners[i]->is_accepting) return false;
    }
    return true;
}

void node_links__listeners_free(struct node_links *links)
{
    for (size_t i = 0; i < links->listener_count; i++)
        listener_free(links->listeners[i]);
}
