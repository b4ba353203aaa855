/* From a URL to a stream: the name, its addresses, one attempt after the other. */
#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>

#include <nng/supplemental/tls/tls.h>
#include <nng/transport/ws/websocket.h>

#include "base/err.h"
#include "node/link_internal.h"

static void attempt_next(struct node_link *link);

static bool is_websocket(const struct node_url *url)
{
    return strcmp(url->scheme, "tcp") != 0;
}

static bool is_tls(const struct node_url *url)
{
    return strcmp(url->scheme, "wss") == 0;
}

/* Attempts */

static void on_attempted(void *arg) /* nng's thread */
{
    struct node_link *link = arg;
    link->dial->result = nng_aio_result(link->dial->aio);
    node_links__post(link->links, &link->dial->attempted);
}

static void bury(void *dialer)
{
    nng_stream_dialer_free(dialer);
}

static void dialer_free(struct node_link_dial *dial)
{
    if (is_websocket(&dial->url) && dial->is_aborted)
        node_link__bury(bury, dial->dialer);
    else
        nng_stream_dialer_free(dial->dialer);
    dial->dialer = NULL;
}

static enum node_link_why why_of(int result)
{
    switch (result) {
    case NNG_ETIMEDOUT:
        return NODE_LINK_WHY_TIMEOUT;
    case NNG_ECONNREFUSED:
    case NNG_EPERM:
        return NODE_LINK_WHY_REFUSED;
    case NNG_EPEERAUTH:
    case NNG_ECRYPTO:
        return NODE_LINK_WHY_TLS;
    case NNG_EPROTO:
        return NODE_LINK_WHY_PROTOCOL;
    case NNG_ENOMEM:
    case NNG_ENOFILES:
        return NODE_LINK_WHY_RESOURCES;
    default:
        return NODE_LINK_WHY_UNREACHABLE;
    }
}

static void handle_attempted(struct node_inbox_item *item)
{
    struct node_link *link = item->ptr;
    struct node_link_dial *dial = link->dial;
    nng_stream *stream = dial->result == 0 ? nng_aio_get_output(dial->aio, 0) : NULL;
    dial->is_attempting = false;
    dialer_free(dial);
    if (stream != NULL && link->state == NODE_LINK_DIALING && !dial->is_aborted) {
        node_link__stream_start(link, stream, strcmp(dial->url.scheme, "tcp") == 0);
        return;
    }
    if (stream != NULL) { /* a moment too late */
        nng_stream_close(stream);
        nng_stream_free(stream);
    }
    if (link->state == NODE_LINK_CLOSING) {
        node_link__free_if_done(link);
        return;
    }
    dial->why = dial->is_aborted ? NODE_LINK_WHY_TIMEOUT : why_of(dial->result);
    attempt_next(link);
}

/* scheme://literal:port/path: the address that was allowed, whatever the name means by now. The
 * name stays in Host, and in SNI and the certificate's check by way of dial->tls. */
static int dialer_new(struct node_link_dial *dial, const struct sockaddr *address)
{
    const struct node_url *url = &dial->url;
    char literal[NODE_LINK_REMOTE_BYTES];
    char text[NODE_LINK_REMOTE_BYTES + NODE_LINK_URL_BYTES_MAX + 32];
    char host[NODE_LINK_URL_BYTES_MAX + 32];
    int rv;
    node_link__format_address(literal, sizeof literal, address);
    snprintf(text, sizeof text, "%s://%s%s", url->scheme, literal,
             is_websocket(url) && url->path[0] == '\0' ? "/" : url->path);
    rv = nng_stream_dialer_alloc(&dial->dialer, text);
    if (rv != 0) return rv;
    dial->is_aborted = false;
    if (is_tls(url)) rv = nng_stream_dialer_set_ptr(dial->dialer, NNG_OPT_TLS_CONFIG, dial->tls);
    if (rv == 0 && is_websocket(url)) {
        snprintf(host, sizeof host, url->is_ipv6 ? "Host: [%s]:%u\r\n" : "Host: %s:%u\r\n",
                 url->host, (unsigned)url->port);
        rv = nng_stream_dialer_set_string(dial->dialer, NNG_OPT_WS_REQUEST_HEADERS, host);
        if (rv == 0)
            rv = nng_stream_dialer_set_string(dial->dialer, NNG_OPT_WS_PROTOCOL,
                                              NODE_LINK_WS_PROTOCOL);
    }
    if (rv != 0) dialer_free(dial);
    return rv;
}

/* The next address, with its share of what is left of the time; or the end. */
static void attempt_next(struct node_link *link)
{
    struct node_links *links = link->links;
    struct node_link_dial *dial = link->dial;
    uint64_t now_ms = uv_now(links->loop);
    while (dial->address_next < dial->address_count && now_ms < link->deadline_ms) {
        size_t left = dial->address_count - dial->address_next;
        const struct sockaddr_storage *address = &dial->addresses[dial->address_next++];
        dial->why = NODE_LINK_WHY_RESOURCES;
        if (dialer_new(dial, (const struct sockaddr *)address) != 0) continue;
        dial->attempt_deadline_ms = now_ms + (link->deadline_ms - now_ms) / left;
        dial->is_attempting = true;
        nng_stream_dialer_dial(dial->dialer, dial->aio);
        node_links__timer_arm(links);
        return;
    }
    node_link__fail(link, dial->why);
}

static void attempt_abort(struct node_link_dial *dial)
{
    dial->is_aborted = true;
    nng_stream_dialer_close(dial->dialer);
    nng_aio_cancel(
        dial->aio); /* a ws dialer that has just connected takes no notice of the close */
}

static void attempts_start(struct node_link *link)
{
    link->state = NODE_LINK_DIALING;
    if (nng_aio_alloc(&link->dial->aio, on_attempted, link) != 0) {
        node_link__fail(link, NODE_LINK_WHY_RESOURCES);
        return;
    }
    link->dial->attempted = (struct node_inbox_item){.handle = handle_attempted, .ptr = link};
    attempt_next(link);
}

void node_link__dial_deadline(struct node_link *link)
{
    struct node_link_dial *dial = link->dial;
    uint64_t now_ms = uv_now(link->links->loop);
    if (link->state != NODE_LINK_DIALING || now_ms >= link->deadline_ms) {
        node_link__fail(link, NODE_LINK_WHY_TIMEOUT);
        return;
    }
    /* Time for the next address: `attempted` comes at once, and goes on from there. */
    dial->attempt_deadline_ms = link->deadline_ms;
    attempt_abort(dial);
}

void node_link__dial_abort(struct node_link *link)
{
    struct node_link_dial *dial = link->dial;
    if (dial->is_attempting && !dial->is_aborted) attempt_abort(dial);
    /* May be too late for these: then the callback comes, and sees that the link is closing. */
    if (dial->is_looking_up) uv_cancel((uv_req_t *)&dial->lookup);
    if (dial->is_tls_working) uv_cancel((uv_req_t *)&dial->tls_work);
}

bool node_link__dial_is_busy(const struct node_link *link)
{
    const struct node_link_dial *dial = link->dial;
    return dial->is_looking_up || dial->is_tls_working || dial->is_attempting;
}

void node_link__dial_free(struct node_link *link)
{
    struct node_link_dial *dial = link->dial;
    if (dial->tls != NULL) nng_tls_config_free(dial->tls);
    if (dial->aio != NULL) nng_aio_free(dial->aio);
    free(dial);
}

/* TLS: a client that trusts ca_file and nothing else, for one name. In one of libuv's workers,
 * since a bundle of CAs takes many milliseconds to read. */

static void tls_config_make(uv_work_t *work)
{
    struct node_link *link = work->data;
    nng_tls_config *config;
    int rv = nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT);
    if (rv != 0) return;
    rv = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    if (rv == 0) rv = nng_tls_config_ca_file(config, link->links->ca_file);
    if (rv == 0) rv = nng_tls_config_server_name(config, link->dial->url.host);
    if (rv == 0 && nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_3) != 0)
        rv = nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_2); /* mbedTLS 2 has no 1.3 */
    if (rv == 0)
        link->dial->tls = config;
    else
        nng_tls_config_free(config);
}

static void on_tls_config_made(uv_work_t *work, int status)
{
    struct node_link *link = work->data;
    (void)status; /* cancelled: the link is closing */
    link->dial->is_tls_working = false;
    if (link->state != NODE_LINK_RESOLVING) {
        node_link__free_if_done(link);
        return;
    }
    if (link->dial->tls == NULL) { /* without CAs nobody can be verified */
        node_link__fail(link, NODE_LINK_WHY_TLS);
        return;
    }
    attempts_start(link);
}

/* Addresses */

static void address_add(struct node_link *link, const struct sockaddr *address)
{
    const struct node_links_events *events = &link->links->events;
    struct node_link_dial *dial = link->dial;
    struct sockaddr_storage *out = &dial->addresses[dial->address_count];
    uint16_t port = htons(dial->url.port);
    if (dial->address_count == NODE_LINK_ADDRESSES_MAX) return;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        v4.sin_port = port;
        memcpy(out, &v4, sizeof v4);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        v6.sin6_port = port;
        memcpy(out, &v6, sizeof v6);
    } else {
        return;
    }
    if (!dial->is_trusted && events->allow != NULL &&
        !events->allow(events->ctx, (const struct sockaddr *)out))
        return;
    dial->address_count++;
}

static void addresses_known(struct node_link *link)
{
    struct node_link_dial *dial = link->dial;
    if (dial->address_count == 0) {
        node_link__fail(link, NODE_LINK_WHY_FORBIDDEN);
        return;
    }
    if (is_tls(&dial->url)) {
        dial->tls_work.data = link;
        dial->is_tls_working = uv_queue_work(link->links->loop, &dial->tls_work, tls_config_make,
                                             on_tls_config_made) == 0;
        if (!dial->is_tls_working) node_link__fail(link, NODE_LINK_WHY_RESOURCES);
        return;
    }
    attempts_start(link);
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct node_link *link = lookup->data;
    link->dial->is_looking_up = false;
    if (link->state != NODE_LINK_RESOLVING) {
        uv_freeaddrinfo(found);
        node_link__free_if_done(link);
        return;
    }
    if (status != 0) {
        node_link__fail(link, NODE_LINK_WHY_NAME);
        return;
    }
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next)
        address_add(link, info->ai_addr);
    uv_freeaddrinfo(found);
    addresses_known(link);
}

/* Is the host an address already? */
static bool literal_add(struct node_link *link)
{
    const struct node_url *url = &link->dial->url;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (url->is_ipv6 && uv_ip6_addr(url->host, 0, &v6) == 0) {
        address_add(link, (const struct sockaddr *)&v6);
        return true;
    }
    if (!url->is_ipv6 && uv_ip4_addr(url->host, 0, &v4) == 0) {
        address_add(link, (const struct sockaddr *)&v4);
        return true;
    }
    return false;
}

void node_link__dial_start(struct node_link *link)
{
    struct node_link_dial *dial = link->dial;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    link->state = NODE_LINK_RESOLVING;
    dial->attempt_deadline_ms = link->deadline_ms;
    if (literal_add(link)) {
        addresses_known(link);
        return;
    }
    dial->lookup.data = link;
    if (uv_getaddrinfo(link->links->loop, &dial->lookup, on_looked_up, dial->url.host, NULL,
                       &hints) != 0) {
        node_link__fail(link, NODE_LINK_WHY_NAME);
        return;
    }
    dial->is_looking_up = true;
}
