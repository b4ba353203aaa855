/* From a URL to an open link: the name, its addresses, one attempt after the other.
 *
 * nng 1.5 dials without ever telling of a failure, or blocks until it knows. Peers that are away
 * are a mesh's daily bread, so each attempt blocks in a thread of its own, which lives no longer
 * than the attempt: at most dials_max of them, each ended by closing its dialer on the loop. */
#include <arpa/inet.h>
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

/* nng's own resolver and TLS need more than the least, and sanitizers more than that. */
#define THREAD_STACK_BYTES (512u * 1024u)
/* What nng may do by itself inside of an attempt: nothing. */
#define NEVER_REDIAL_MS 60000

static void attempt_next(struct node_link *link);

static bool is_websocket(const struct node_url *url)
{
    return strcmp(url->scheme, "tcp") != 0;
}

static bool is_tls(const struct node_url *url)
{
    return strcmp(url->scheme, "wss") == 0;
}

/* The timer */

static void timer_arm(struct node_links *links)
{
    uint64_t now_ms = uv_now(links->loop);
    uint64_t first_ms = UINT64_MAX;
    for (struct node_link *link = links->dialing; link != NULL; link = link->dial->next) {
        if (link->dial->attempt_deadline_ms < first_ms) first_ms = link->dial->attempt_deadline_ms;
    }
    if (first_ms == UINT64_MAX) {
        uv_timer_stop(&links->timer);
        return;
    }
    uv_timer_start(&links->timer, node_link__on_dial_timer,
                   first_ms > now_ms ? first_ms - now_ms : 0, 0);
}

static void on_attempt_deadline(struct node_link *link, uint64_t now_ms)
{
    struct node_link_dial *dial = link->dial;
    dial->why = NODE_LINK_WHY_TIMEOUT;
    if (now_ms >= dial->deadline_ms || !dial->is_thread_running) {
        node_link__fail(link, NODE_LINK_WHY_TIMEOUT);
        return;
    }
    /* Time for the next address: the thread comes back at once, and `done` goes on from there. */
    dial->attempt_deadline_ms = dial->deadline_ms;
    nng_dialer_close(dial->dialer);
}

void node_link__on_dial_timer(uv_timer_t *timer)
{
    struct node_links *links = timer->data;
    uint64_t now_ms = uv_now(links->loop);
    struct node_link *link = links->dialing;
    while (link != NULL) {
        struct node_link *next = link->dial->next;
        if (link->dial->attempt_deadline_ms <= now_ms) on_attempt_deadline(link, now_ms);
        link = next;
    }
    timer_arm(links);
}

static void dial_enter(struct node_link *link)
{
    struct node_links *links = link->links;
    struct node_link_dial *dial = link->dial;
    link->state = NODE_LINK_RESOLVING;
    dial->deadline_ms = uv_now(links->loop) + links->config.dial_timeout_ms;
    dial->attempt_deadline_ms = dial->deadline_ms;
    dial->previous = NULL;
    dial->next = links->dialing;
    if (dial->next != NULL) dial->next->dial->previous = link;
    links->dialing = link;
    links->dialing_count++;
    timer_arm(links);
}

void node_link__dial_leave(struct node_link *link)
{
    struct node_links *links = link->links;
    struct node_link_dial *dial = link->dial;
    if (dial->previous != NULL)
        dial->previous->dial->next = dial->next;
    else
        links->dialing = dial->next;
    if (dial->next != NULL) dial->next->dial->previous = dial->previous;
    dial->previous = dial->next = NULL;
    links->dialing_count--;
    if (dial->is_looking_up) uv_cancel((uv_req_t *)&dial->lookup); /* may be too late for that */
    timer_arm(links);
}

/* One attempt, in its thread */

/* A client that trusts ca_file and nothing else, for this one name. */
static int tls_config_new(nng_tls_config **out, const char *ca_file, const char *name)
{
    nng_tls_config *config;
    int rv = nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT);
    if (rv != 0) return rv;
    rv = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    if (rv == 0) rv = nng_tls_config_ca_file(config, ca_file);
    if (rv == 0) rv = nng_tls_config_server_name(config, name);
    if (rv == 0 && nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_3) != 0)
        rv = nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_2); /* mbedTLS 2 has no 1.3 */
    if (rv != 0) {
        nng_tls_config_free(config);
        return rv;
    }
    *out = config;
    return 0;
}

static int attempt(const struct node_link *link)
{
    const struct node_link_dial *dial = link->dial;
    if (is_tls(&dial->url)) {
        /* Here, since a bundle of CAs takes many milliseconds to read. */
        nng_tls_config *config;
        int rv = tls_config_new(&config, link->links->ca_file, dial->url.host);
        if (rv != 0) return NNG_EPEERAUTH; /* no CA file: nobody can be verified */
        rv = nng_dialer_set_ptr(dial->dialer, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config); /* the dialer holds it */
        if (rv != 0) return rv;
    }
    return nng_dialer_start(dial->dialer, 0);
}

static void attempt_thread(void *arg)
{
    struct node_link *link = arg;
    int rv;
    link->dial->result = attempt(link);
    rv = node_inbox_post_reserved(link->links->inbox, &link->dial->done);
    assert(rv == BASE_OK);
    (void)rv;
}

/* Attempts, on the loop */

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

static void handle_done(struct node_inbox_item *item)
{
    struct node_link *link = item->ptr;
    struct node_link_dial *dial = link->dial;
    uv_thread_join(&dial->thread); /* it has nothing left to do but return */
    dial->is_thread_running = false;
    if (link->state != NODE_LINK_DIALING) {
        node_link__free_if_done(link);
        return;
    }
    if (dial->result == 0) return; /* `opened` or `removed` comes, or the deadline */
    nng_dialer_close(dial->dialer);
    if (dial->result != NNG_ECLOSED) dial->why = why_of(dial->result); /* else: our deadline */
    attempt_next(link);
}

/* scheme://literal:port/path: the address that was allowed, whatever the name means by now. */
static int dialer_new(nng_dialer *out, struct node_link *link, const struct sockaddr *address)
{
    const struct node_url *url = &link->dial->url;
    char literal[NODE_LINK_REMOTE_BYTES],
        text[NODE_LINK_REMOTE_BYTES + NODE_LINK_URL_BYTES_MAX + 32];
    char host[NODE_LINK_URL_BYTES_MAX + 32];
    int rv;
    node_link__format_address(literal, sizeof literal, address);
    snprintf(text, sizeof text, "%s://%s%s", url->scheme, literal,
             is_websocket(url) && url->path[0] == '\0' ? "/" : url->path);
    rv = nng_dialer_create(out, link->socket, text);
    if (rv != 0) return rv;
    rv = nng_dialer_set_ms(*out, NNG_OPT_RECONNMINT, NEVER_REDIAL_MS);
    if (rv == 0 && is_websocket(url)) {
        snprintf(host, sizeof host, url->is_ipv6 ? "Host: [%s]:%u\r\n" : "Host: %s:%u\r\n",
                 url->host, (unsigned)url->port);
        rv = nng_dialer_set_string(*out, NNG_OPT_WS_REQUEST_HEADERS, host);
    }
    if (rv != 0) nng_dialer_close(*out);
    return rv;
}

static enum node_link_why attempt_start(struct node_link *link, const struct sockaddr *address)
{
    static const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                                .stack_size = THREAD_STACK_BYTES};
    struct node_link_dial *dial = link->dial;
    int rv = dialer_new(&dial->dialer, link, address);
    if (rv != 0) return why_of(rv);
    dial->done = (struct node_inbox_item){.handle = handle_done, .ptr = link};
    if (uv_thread_create_ex(&dial->thread, &options, attempt_thread, link) != 0) {
        nng_dialer_close(dial->dialer);
        return NODE_LINK_WHY_RESOURCES;
    }
    dial->is_thread_running = true;
    return NODE_LINK_WHY_NONE;
}

/* The next address, with its share of what is left of the time; or the end. */
static void attempt_next(struct node_link *link)
{
    struct node_link_dial *dial = link->dial;
    uint64_t now_ms = uv_now(link->links->loop);
    while (dial->address_next < dial->address_count && now_ms < dial->deadline_ms) {
        size_t left = dial->address_count - dial->address_next;
        const struct sockaddr_storage *address = &dial->addresses[dial->address_next++];
        enum node_link_why why = attempt_start(link, (const struct sockaddr *)address);
        if (why == NODE_LINK_WHY_NONE) {
            dial->why = NODE_LINK_WHY_UNREACHABLE; /* unless it says something better */
            dial->attempt_deadline_ms = now_ms + (dial->deadline_ms - now_ms) / left;
            timer_arm(link->links);
            return;
        }
        dial->why = why;
    }
    node_link__fail(link, dial->why);
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
    if (events->allow != NULL && !events->allow(events->ctx, (const struct sockaddr *)out)) return;
    dial->address_count++;
}

static void addresses_known(struct node_link *link)
{
    link->state = NODE_LINK_DIALING;
    link->dial->why = NODE_LINK_WHY_FORBIDDEN; /* unless there is one that we may try */
    attempt_next(link);
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
    dial_enter(link);
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
