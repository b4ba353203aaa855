/* From a URL to an open link: the name, its addresses, one attempt after the other.
 *
 * nng 1.5 has no dial that tells of its failure: NNG_FLAG_NONBLOCK never does, and the blocking
 * one, in a thread of its own, hangs for ever if the dialer is closed before it has begun (no
 * completion comes for an operation on an aio that is stopped; seen within 200 dials). But nng
 * counts what befalls each dialer. So attempts do not block, and while some are in flight we look
 * at these counters, soon at first and then less often: 0.8 ms a look with 400 pipes, and none at
 * all when nobody dials. nng 2 has nng_dialer_start_aio() for this. */
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

#define LOOK_FIRST_MS 2 /* a refusal on a local network takes less */
#define LOOK_STEP_MS  1000
/* What nng shall do by itself after a failure: nothing, before we have seen it. */
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
        if (link->dial->is_attempting && links->look_at_ms < first_ms) first_ms = links->look_at_ms;
    }
    if (first_ms == UINT64_MAX) {
        uv_timer_stop(&links->timer);
        return;
    }
    uv_timer_start(&links->timer, node_link__on_dial_timer,
                   first_ms > now_ms ? first_ms - now_ms : 0, 0);
}

static void look_soon(struct node_links *links)
{
    links->look_step_ms = LOOK_FIRST_MS;
    links->look_at_ms = uv_now(links->loop) + LOOK_FIRST_MS;
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
    /* May be too late for that: then the callback comes, and sees that the link has gone on. */
    if (dial->is_looking_up) uv_cancel((uv_req_t *)&dial->lookup);
    if (dial->is_tls_working) uv_cancel((uv_req_t *)&dial->tls_work);
    timer_arm(links);
}

/* How attempts end */

static bool has_counted(nng_stat *dialer, const char *name)
{
    nng_stat *stat = nng_stat_find(dialer, name);
    return stat != NULL && nng_stat_value(stat) > 0;
}

/* NODE_LINK_WHY_NONE: nothing has befallen this dialer yet. */
static enum node_link_why failure_of(nng_stat *dialer)
{
    if (has_counted(dialer, "refused")) return NODE_LINK_WHY_REFUSED;
    if (has_counted(dialer, "auth")) return NODE_LINK_WHY_TLS;
    if (has_counted(dialer, "proto")) return NODE_LINK_WHY_PROTOCOL;
    if (has_counted(dialer, "timeout")) return NODE_LINK_WHY_TIMEOUT;
    if (has_counted(dialer, "oom")) return NODE_LINK_WHY_RESOURCES;
    if (has_counted(dialer, "disconnect") || has_counted(dialer, "canceled") ||
        has_counted(dialer, "other"))
        return NODE_LINK_WHY_UNREACHABLE;
    return NODE_LINK_WHY_NONE;
}

static void attempt_end(struct node_link *link, enum node_link_why why)
{
    struct node_link_dial *dial = link->dial;
    dial->is_attempting = false;
    dial->why = why;
    nng_dialer_close(dial->dialer);
    attempt_next(link);
}

static void look(struct node_links *links)
{
    struct node_link *link = links->dialing;
    nng_stat *root;
    if (nng_stats_get(&root) != 0) return; /* an nng without counters: deadlines must do */
    while (link != NULL) {
        struct node_link *next = link->dial->next;
        nng_stat *dialer =
            link->dial->is_attempting ? nng_stat_find_dialer(root, link->dial->dialer) : NULL;
        enum node_link_why why = dialer != NULL ? failure_of(dialer) : NODE_LINK_WHY_NONE;
        if (why != NODE_LINK_WHY_NONE) attempt_end(link, why);
        link = next;
    }
    nng_stats_free(root);
}

static void on_attempt_deadline(struct node_link *link)
{
    if (link->dial->is_attempting)
        attempt_end(link, NODE_LINK_WHY_TIMEOUT); /* and on to the next address */
    else
        node_link__fail(link, NODE_LINK_WHY_TIMEOUT);
}

void node_link__on_dial_timer(uv_timer_t *timer)
{
    struct node_links *links = timer->data;
    uint64_t now_ms = uv_now(links->loop);
    struct node_link *link;
    if (now_ms >= links->look_at_ms) {
        links->look_step_ms = links->look_step_ms * 5 / 2;
        if (links->look_step_ms > LOOK_STEP_MS) links->look_step_ms = LOOK_STEP_MS;
        links->look_at_ms = now_ms + links->look_step_ms;
        look(links);
    }
    link = links->dialing;
    while (link != NULL) {
        struct node_link *next = link->dial->next;
        if (link->dial->attempt_deadline_ms <= now_ms) on_attempt_deadline(link);
        link = next;
    }
    timer_arm(links);
}

/* Attempts */

/* scheme://literal:port/path: the address that was allowed, whatever the name means by now. */
static int dialer_new(nng_dialer *out, struct node_link *link, const struct sockaddr *address)
{
    const struct node_link_dial *dial = link->dial;
    const struct node_url *url = &dial->url;
    char literal[NODE_LINK_REMOTE_BYTES];
    char text[NODE_LINK_REMOTE_BYTES + NODE_LINK_URL_BYTES_MAX + 32];
    char host[NODE_LINK_URL_BYTES_MAX + 32];
    int rv;
    node_link__format_address(literal, sizeof literal, address);
    snprintf(text, sizeof text, "%s://%s%s", url->scheme, literal,
             is_websocket(url) && url->path[0] == '\0' ? "/" : url->path);
    rv = nng_dialer_create(out, link->socket, text);
    if (rv != 0) return rv;
    rv = nng_dialer_set_ms(*out, NNG_OPT_RECONNMINT, NEVER_REDIAL_MS);
    if (rv == 0 && is_tls(url)) rv = nng_dialer_set_ptr(*out, NNG_OPT_TLS_CONFIG, dial->tls);
    if (rv == 0 && is_websocket(url)) {
        snprintf(host, sizeof host, url->is_ipv6 ? "Host: [%s]:%u\r\n" : "Host: %s:%u\r\n",
                 url->host, (unsigned)url->port);
        rv = nng_dialer_set_string(*out, NNG_OPT_WS_REQUEST_HEADERS, host);
    }
    if (rv == 0) rv = nng_dialer_start(*out, NNG_FLAG_NONBLOCK);
    if (rv != 0) nng_dialer_close(*out);
    return rv;
}

/* The next address, with its share of what is left of the time; or the end. */
static void attempt_next(struct node_link *link)
{
    struct node_links *links = link->links;
    struct node_link_dial *dial = link->dial;
    uint64_t now_ms = uv_now(links->loop);
    while (dial->address_next < dial->address_count && now_ms < dial->deadline_ms) {
        size_t left = dial->address_count - dial->address_next;
        const struct sockaddr_storage *address = &dial->addresses[dial->address_next++];
        dial->why = NODE_LINK_WHY_RESOURCES;
        if (dialer_new(&dial->dialer, link, (const struct sockaddr *)address) != 0) continue;
        dial->is_attempting = true;
        dial->attempt_deadline_ms = now_ms + (dial->deadline_ms - now_ms) / left;
        look_soon(links);
        timer_arm(links);
        return;
    }
    node_link__fail(link, dial->why);
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
    link->state = NODE_LINK_DIALING;
    attempt_next(link);
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
    link->state = NODE_LINK_DIALING;
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
