/* The loop's side of links: who there is, what they send, and how they end. */
#include "node/link_nng.h"

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <nng/nng.h>

#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "base/err.h"
#include "node/link_internal.h"
#include "node/nng_shim.h"

#define UNPROVED_MAX         64
#define UNPROVED_ADDRESS_MAX 8
#define DIALS_MAX            64
#define DIAL_TIMEOUT_MS      5000
#define DESCRIPTORS_MAX      65536
#define DESCRIPTORS_RESERVE  256 /* or a quarter, if that is less: dials, files, HTTP */
#define SLOTS_MAX            (DESCRIPTORS_MAX * 2u)
#define PATH_BYTES_MAX       64
#define CA_FILE              "/etc/ssl/certs/ca-certificates.crt"

const char *node_link_why_name(enum node_link_why why)
{
    switch (why) {
    case NODE_LINK_WHY_NONE:
        return "none";
    case NODE_LINK_WHY_LOCAL:
        return "local";
    case NODE_LINK_WHY_PEER:
        return "peer";
    case NODE_LINK_WHY_STUCK:
        return "stuck";
    case NODE_LINK_WHY_TIMEOUT:
        return "timeout";
    case NODE_LINK_WHY_REFUSED:
        return "refused";
    case NODE_LINK_WHY_UNREACHABLE:
        return "unreachable";
    case NODE_LINK_WHY_NAME:
        return "name";
    case NODE_LINK_WHY_FORBIDDEN:
        return "forbidden";
    case NODE_LINK_WHY_TLS:
        return "tls";
    case NODE_LINK_WHY_PROTOCOL:
        return "protocol";
    case NODE_LINK_WHY_RESOURCES:
        return "resources";
    }
    return "unknown";
}

/* Slots: from an id to its link */

static struct node_link *link_find(const struct node_links *links, node_link_id id)
{
    uint64_t slot = (id & UINT32_MAX) - 1;
    const struct node_link_slot *found;
    assert(links != NULL);
    if ((id & UINT32_MAX) == 0 || slot >= links->slot_count) return NULL;
    found = &links->slots[slot];
    return found->link != NULL && found->link->id == id ? found->link : NULL;
}

static int slots_grow(struct node_links *links)
{
    uint32_t count = links->slot_count == 0 ? 64 : links->slot_count * 2;
    struct node_link_slot *slots;
    if (count > SLOTS_MAX) return BASE_EFULL;
    slots = realloc(links->slots, count * sizeof *slots);
    if (slots == NULL) return BASE_ENOMEM;
    for (uint32_t i = links->slot_count; i < count; i++)
        slots[i] = (struct node_link_slot){.generation = 1, .next_free = i + 1 < count ? i + 2 : 0};
    links->slot_free = links->slot_count + 1;
    links->slots = slots;
    links->slot_count = count;
    return BASE_OK;
}

static int slot_take(struct node_link *link)
{
    struct node_links *links = link->links;
    struct node_link_slot *slot;
    if (links->slot_free == 0) {
        int rv = slots_grow(links);
        if (rv != BASE_OK) return rv;
    }
    slot = &links->slots[links->slot_free - 1];
    link->id = (node_link_id)slot->generation << 32 | links->slot_free;
    links->slot_free = slot->next_free;
    slot->link = link;
    return BASE_OK;
}

static void slot_give(struct node_link *link)
{
    struct node_links *links = link->links;
    uint32_t index = (uint32_t)(link->id & UINT32_MAX) - 1;
    struct node_link_slot *slot = &links->slots[index];
    assert(slot->link == link);
    slot->link = NULL;
    slot->generation++; /* after 2^32 links in one slot an id comes back: centuries */
    slot->next_free = links->slot_free;
    links->slot_free = index + 1;
}

/* The end of a link */

static void links_end(struct node_links *links);

static void links_free_if_done(struct node_links *links)
{
    void (*on_closed)(void *ctx) = links->on_closed;
    void *ctx = links->closed_ctx;
    uint32_t live_count;
    uv_mutex_lock(&links->lock);
    live_count = links->live_count;
    uv_mutex_unlock(&links->lock);
    if (!links->is_closing || live_count > 0) return;
    if (!links->is_ending) links_end(links);
    if (!links->is_timer_closed || !links->is_last_handled) return;
    uv_mutex_destroy(&links->lock);
    free(links->ca_file);
    free(links->slots);
    free(links);
    if (on_closed != NULL) on_closed(ctx);
}

void node_link__free_if_done(struct node_link *link)
{
    struct node_links *links = link->links;
    if (!link->is_gone) return;
    if (link->dial != NULL && (link->dial->is_looking_up || link->dial->is_tls_working)) return;
    uv_mutex_lock(&links->lock);
    links->live_count--;
    uv_mutex_unlock(&links->lock);
    if (link->dial != NULL && link->dial->tls != NULL) nng_tls_config_free(link->dial->tls);
    free(link->dial);
    free(link);
    links_free_if_done(links);
}

static void map_remove(struct node_link *link)
{
    struct node_links *links = link->links;
    uint32_t bucket = (uint32_t)nng_pipe_id(link->pipe) & (NODE_LINK_BUCKETS - 1);
    uv_mutex_lock(&links->lock);
    for (struct node_link **at = &links->buckets[bucket]; *at != NULL;
         at = &(*at)->next_in_bucket) {
        if (*at != link) continue;
        *at = link->next_in_bucket;
        break;
    }
    uv_mutex_unlock(&links->lock);
}

static void handle_gone(struct node_inbox_item *item)
{
    struct node_link *link = item->ptr;
    struct node_links *links = link->links;
    node_link_id id = link->id;
    bool is_told = link->is_dialed || link->is_told_up;
    if (link->is_told_up) {
        if (link->is_dialed)
            links->up_dialed_count--;
        else
            links->up_accepted_count--;
    }
    if (id != 0) slot_give(link);
    if (!link->is_dialed) map_remove(link);
    if (is_told) links->events.down(links->events.ctx, id, link->why);
    link->is_gone = true;
    node_link__free_if_done(link);
}

static void queue_free(struct node_link *link)
{
    while (link->queue_count > 0) {
        nng_msg_free(link->queue[link->queue_first]);
        link->queue_first = (link->queue_first + 1) % NODE_LINK_QUEUE_MAX;
        link->queue_count--;
    }
}

/* Closes what nng has of the link; it has no pipe any more, or never had one. Nothing but `gone`
 * is posted for it after this. */
static void link_finish(struct node_link *link)
{
    int rv;
    assert(!link->is_finished);
    link->is_finished = true;
    if (link->is_dialed && link->has_socket) {
        node_link__receive_stop(&link->receiver, link->why == NODE_LINK_WHY_PEER);
        nng_close(link->socket);
    }
    if (link->send_aio != NULL) {
        nng_aio_stop(link->send_aio);
        nng_aio_free(link->send_aio);
    }
    queue_free(link);
    link->gone = (struct node_inbox_item){.handle = handle_gone, .ptr = link};
    rv = node_inbox_post_reserved(link->links->inbox, &link->gone);
    assert(rv == BASE_OK);
    (void)rv;
}

/* To CLOSING; false if it is there already. */
static bool link_leave(struct node_link *link, enum node_link_why why)
{
    if (link->state == NODE_LINK_CLOSING) return false;
    if (link->state == NODE_LINK_RESOLVING || link->state == NODE_LINK_DIALING)
        node_link__dial_leave(link);
    link->state = NODE_LINK_CLOSING;
    link->why = why;
    return true;
}

void node_link__fail(struct node_link *link, enum node_link_why why)
{
    if (!link_leave(link, why)) return;
    if (!node_link__shut(link)) link_finish(link); /* otherwise `removed` comes, and finishes it */
}

void node_link_close(struct node_links *links, node_link_id id, enum node_link_why why)
{
    struct node_link *link = link_find(links, id);
    assert(why != NODE_LINK_WHY_NONE);
    if (link != NULL) node_link__fail(link, why);
}

/* What happens to a link */

void node_link__added(struct node_link *link)
{
    bool is_in = !link->links->is_closing && slot_take(link) == BASE_OK &&
                 nng_aio_alloc(&link->send_aio, node_link__on_sent, link) == 0;
    link->socket = link->links->listening;
    link->state = NODE_LINK_PENDING;
    if (!is_in) node_link__fail(link, NODE_LINK_WHY_RESOURCES);
}

void node_link__opened(struct node_link *link)
{
    struct node_links *links = link->links;
    if (link->state == NODE_LINK_UP || link->state == NODE_LINK_CLOSING) return;
    if (link->is_dialed) {
        node_link__dial_leave(link);
        links->up_dialed_count++;
    } else {
        links->up_accepted_count++;
    }
    link->state = NODE_LINK_UP;
    link->is_told_up = true;
    links->events.up(links->events.ctx, link->id, link->is_dialed, link->remote);
}

void node_link__removed(struct node_link *link)
{
    if (link->is_finished) return;
    link_leave(link, link->is_told_up ? NODE_LINK_WHY_PEER : NODE_LINK_WHY_PROTOCOL);
    link_finish(link);
}

void node_link__arrived(struct node_links *links, struct node_link *link, nng_msg *msg)
{
    size_t len = nng_msg_len(msg);
    node_link__opened(link);               /* a frame may be faster than ADD_POST */
    if (len > NODE_LINK_FRAME_BYTES_MAX) { /* a dialed websocket of nng 1.5 has no bound */
        node_link__fail(link, NODE_LINK_WHY_PROTOCOL);
        return;
    }
    /* What a peer sent before it closed still counts: a last word says why. */
    if (link->state == NODE_LINK_CLOSING && (link->why != NODE_LINK_WHY_PEER || !link->is_told_up))
        return;
    links->frames_in_count++;
    links->events.frame(links->events.ctx, link->id, nng_msg_body(msg), len);
}

/* Sending */

static void send_start(struct node_link *link, nng_msg *msg)
{
    link->is_sending = true;
    nng_aio_set_msg(link->send_aio, msg);
    nng_send_aio(link->socket, link->send_aio);
}

void node_link__sent(struct node_link *link)
{
    struct node_links *links = link->links;
    link->is_sending = false;
    if (link->state != NODE_LINK_UP || link->send_result != 0) return; /* `removed` comes */
    links->frames_out_count++;
    if (link->queue_count > 0) {
        nng_msg *msg = link->queue[link->queue_first];
        link->queue_first = (link->queue_first + 1) % NODE_LINK_QUEUE_MAX;
        link->queue_count--;
        send_start(link, msg);
    }
    if (links->events.sent != NULL) links->events.sent(links->events.ctx, link->id);
}

static nng_msg *message_new(const struct node_link *link, const uint8_t *frame, size_t len)
{
    nng_msg *msg;
    int rv = nng_msg_alloc(&msg, 0);
    if (rv != 0) return NULL;
    if (len > 0) rv = nng_msg_append(msg, frame, len);
    if (rv == 0 && !link->is_dialed) /* the listening socket serves many: the header says whom */
        rv = nng_msg_header_append_u32(msg, (uint32_t)nng_pipe_id(link->pipe));
    if (rv == 0) rv = nng_msg_header_append_u32(msg, NODE_LINK_REQUEST_ID);
    if (rv == 0) return msg;
    nng_msg_free(msg);
    return NULL;
}

int node_link_send(struct node_links *links, node_link_id id, const uint8_t *frame, size_t len)
{
    struct node_link *link = link_find(links, id);
    nng_msg *msg;
    assert(frame != NULL || len == 0);
    if (len > NODE_LINK_FRAME_BYTES_MAX) return BASE_ETOOBIG;
    if (link == NULL || link->state != NODE_LINK_UP) return BASE_ECLOSED;
    if (link->is_sending && link->queue_count == NODE_LINK_QUEUE_MAX) return BASE_EFULL;
    msg = message_new(link, frame, len);
    if (msg == NULL) return BASE_ENOMEM;
    if (!link->is_sending) {
        send_start(link, msg);
        return BASE_OK;
    }
    link->queue[(link->queue_first + link->queue_count) % NODE_LINK_QUEUE_MAX] = msg;
    link->queue_count++;
    return BASE_OK;
}

size_t node_link_queued_count(const struct node_links *links, node_link_id id)
{
    const struct node_link *link = link_find(links, id);
    if (link == NULL) return 0;
    return link->queue_count + (link->is_sending ? 1u : 0u);
}

/* Dialing */

/* A path has no business with anything that a proxy or a log could trip over. */
static bool path_is_plain(const char *path)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.-";
    return strlen(path) <= PATH_BYTES_MAX && path[strspn(path, allowed)] == '\0';
}

static int url_check(struct node_url *url, const char *text, bool is_listening)
{
    bool is_tcp, is_ws, is_wss;
    if (node_url_parse(url, text) != BASE_OK) return BASE_EINVAL;
    is_tcp = strcmp(url->scheme, "tcp") == 0;
    is_ws = strcmp(url->scheme, "ws") == 0;
    is_wss = strcmp(url->scheme, "wss") == 0;
    if (!is_tcp && !is_ws && !(is_wss && !is_listening)) return BASE_EINVAL;
    if (url->userinfo[0] != '\0' || url->host[0] == '\0') return BASE_EINVAL;
    if (!path_is_plain(url->path)) return BASE_EINVAL;
    if (is_tcp && (!url->has_port || url->path[0] != '\0')) return BASE_EINVAL;
    if (!url->has_port) url->port = is_wss ? 443 : 80;
    if (url->port == 0 && !is_listening) return BASE_EINVAL;
    return BASE_OK;
}

static int socket_open_dialed(struct node_link *link)
{
    if (nng_req0_open_raw(&link->socket) != 0) return BASE_ENOMEM;
    link->has_socket = true;
    if (nng_socket_set_size(link->socket, NNG_OPT_RECVMAXSZ,
                            NODE_LINK_FRAME_BYTES_MAX + NODE_LINK_HEADER_BYTES) != 0)
        return BASE_EIO;
    if (node_link__notify_dialed(link, link->socket) != 0) return BASE_ENOMEM;
    if (nng_aio_alloc(&link->send_aio, node_link__on_sent, link) != 0) return BASE_ENOMEM;
    return node_link__receive_start(&link->receiver, link->links, link, link->socket);
}

static int dial_new(struct node_links *links, node_link_id *out, const char *url,
                    bool is_trusted)
{
    struct node_link *link;
    int rv = BASE_ENOMEM;
    assert(links != NULL);
    assert(out != NULL);
    assert(url != NULL);
    if (links->is_closing) return BASE_ECLOSED;
    if (links->dialing_count >= links->config.dials_max) return BASE_EFULL;
    link = calloc(1, sizeof *link);
    if (link == NULL) return BASE_ENOMEM;
    link->links = links;
    link->is_dialed = true;
    link->dial = calloc(1, sizeof *link->dial);
    if (link->dial == NULL) goto err_link;
    link->dial->is_trusted = is_trusted;
    rv = url_check(&link->dial->url, url, false);
    if (rv != BASE_OK) goto err_dial;
    rv = slot_take(link);
    if (rv != BASE_OK) goto err_dial;
    uv_mutex_lock(&links->lock);
    links->live_count++;
    uv_mutex_unlock(&links->lock);
    *out = link->id;
    rv = socket_open_dialed(link);
    if (rv == BASE_OK)
        node_link__dial_start(link);
    else
        node_link__fail(link, NODE_LINK_WHY_RESOURCES);
    return BASE_OK;
err_dial:
    free(link->dial);
err_link:
    free(link);
    return rv;
}

int node_link_dial(struct node_links *links, node_link_id *out, const char *url)
{
    return dial_new(links, out, url, false);
}

int node_link_dial_trusted(struct node_links *links, node_link_id *out, const char *url)
{
    return dial_new(links, out, url, true);
}

/* Listening */

static int socket_open_listening(struct node_links *links)
{
    int rv;
    if (links->is_listening) return BASE_OK;
    if (nng_rep0_open_raw(&links->listening) != 0) return BASE_ENOMEM;
    if (nng_socket_set_size(links->listening, NNG_OPT_RECVMAXSZ,
                            NODE_LINK_FRAME_BYTES_MAX + NODE_LINK_HEADER_BYTES) != 0 ||
        node_link__notify_accepted(links, links->listening) != 0) {
        nng_close(links->listening);
        return BASE_ENOMEM;
    }
    rv = node_link__receive_start(&links->receiver, links, NULL, links->listening);
    if (rv != BASE_OK) {
        nng_close(links->listening);
        return rv;
    }
    links->is_listening = true;
    return BASE_OK;
}

int node_links_listen(struct node_links *links, uint16_t *bound_port, const char *url)
{
    struct node_url parsed;
    nng_listener listener;
    int port = 0;
    int rv;
    assert(links != NULL);
    assert(url != NULL);
    assert(!links->is_closing);
    rv = url_check(&parsed, url, true);
    if (rv == BASE_OK) rv = socket_open_listening(links);
    if (rv != BASE_OK) return rv;
    rv = nng_listener_create(&listener, links->listening, url);
    if (rv == 0) {
        rv = nng_listener_start(listener, 0);
        if (rv == 0) rv = nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port);
        if (rv != 0) nng_listener_close(listener);
    }
    if (rv == NNG_EADDRINUSE) return BASE_EEXIST;
    if (rv == NNG_EADDRINVAL || rv == NNG_EINVAL || rv == NNG_ENOTSUP) return BASE_EINVAL;
    if (rv != 0) return BASE_EIO;
    if (bound_port != NULL) *bound_port = (uint16_t)port;
    return BASE_OK;
}

/* What is known about a link */

void node_links_mark_proved(struct node_links *links, node_link_id id)
{
    struct node_link *link = link_find(links, id);
    if (link == NULL) return;
    uv_mutex_lock(&links->lock);
    node_link_budget_release(&links->budget, &link->ticket);
    node_link_budget_mark_known(&links->budget, uv_hrtime() / 1000000,
                                (const struct sockaddr *)&link->address);
    uv_mutex_unlock(&links->lock);
}

const char *node_link_remote(const struct node_links *links, node_link_id id)
{
    const struct node_link *link = link_find(links, id);
    return link != NULL && link->is_told_up ? link->remote : "";
}

bool node_link_remote_address(const struct node_links *links, node_link_id id,
                              struct sockaddr_storage *out)
{
    const struct node_link *link = link_find(links, id);
    assert(out != NULL);
    if (link == NULL || !link->is_told_up || link->remote[0] == '\0') return false;
    *out = link->address;
    return true;
}

static uint32_t descriptors_open_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint32_t count = 0;
    if (dir == NULL) return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the directory itself */
}

void node_links_stats(struct node_links *links, struct node_links_stats *out)
{
    assert(links != NULL);
    assert(out != NULL);
    *out = (struct node_links_stats){
        .up_dialed_count = links->up_dialed_count,
        .up_accepted_count = links->up_accepted_count,
        .dialing_count = links->dialing_count,
        .refused_descriptor_count =
            node_nng_shim_accept_refused_count() - links->descriptors_refused_before,
        .frames_in_count = links->frames_in_count,
        .frames_out_count = links->frames_out_count,
        .descriptors_open_count = descriptors_open_count(),
        .descriptors_max = (uint32_t)links->descriptors_max,
    };
    uv_mutex_lock(&links->lock);
    out->unproved_count = node_link_budget_unproved_count(&links->budget);
    out->refused_budget_count = links->refused_budget_count;
    out->refused_address_count = links->refused_address_count;
    uv_mutex_unlock(&links->lock);
}

/* The whole */

/* Descriptors that this process may have, after asking for all that it can get. */
static int descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < DESCRIPTORS_MAX) {
        struct rlimit raised = limit;
        raised.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    return limit.rlim_cur < DESCRIPTORS_MAX ? (int)limit.rlim_cur : DESCRIPTORS_MAX;
}

static void config_set(struct node_links *links, const struct node_links_config *config)
{
    static const struct node_links_config defaults = {.unproved_max = UNPROVED_MAX,
                                                      .unproved_address_max = UNPROVED_ADDRESS_MAX,
                                                      .dials_max = DIALS_MAX,
                                                      .dial_timeout_ms = DIAL_TIMEOUT_MS};
    struct node_links_config *set = &links->config;
    int max = links->descriptors_max;
    int reserve = max / 4 < DESCRIPTORS_RESERVE ? max / 4 : DESCRIPTORS_RESERVE;
    *set = *config;
    if (set->unproved_max == 0) set->unproved_max = defaults.unproved_max;
    if (set->unproved_max > NODE_LINK_BUDGET_ADDRESSES / 2)
        set->unproved_max = NODE_LINK_BUDGET_ADDRESSES / 2;
    if (set->unproved_address_max == 0) set->unproved_address_max = defaults.unproved_address_max;
    if (set->dials_max == 0) set->dials_max = defaults.dials_max;
    if (set->dial_timeout_ms == 0) set->dial_timeout_ms = defaults.dial_timeout_ms;
    if (set->accepted_max == 0 || set->accepted_max > (uint32_t)(max - reserve))
        set->accepted_max = (uint32_t)(max - reserve);
    set->ca_file = links->ca_file;
    node_nng_shim_accept_limit(max - reserve);
}

int node_links_new(struct node_links **out, uv_loop_t *loop, struct node_inbox *inbox,
                   const struct node_links_config *config, const struct node_links_events *events)
{
    struct node_links *links;
    assert(out != NULL && loop != NULL && inbox != NULL);
    assert(config != NULL && events != NULL);
    assert(events->up != NULL && events->frame != NULL && events->down != NULL);
    assert(node_nng_shim_is_active());
    links = calloc(1, sizeof *links);
    if (links == NULL) return BASE_ENOMEM;
    links->ca_file = strdup(config->ca_file != NULL ? config->ca_file : CA_FILE);
    if (links->ca_file == NULL) goto err_links;
    if (uv_mutex_init(&links->lock) != 0) goto err_ca_file;
    links->loop = loop;
    links->inbox = inbox;
    links->events = *events;
    links->descriptors_max = descriptors_raise();
    links->descriptors_refused_before = node_nng_shim_accept_refused_count();
    config_set(links, config);
    node_link_budget_init(&links->budget, links->config.unproved_max,
                          links->config.unproved_address_max);
    uv_timer_init(loop, &links->timer);
    links->timer.data = links;
    *out = links;
    return BASE_OK;
err_ca_file:
    free(links->ca_file);
err_links:
    free(links);
    return BASE_ENOMEM;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct node_links *links = handle->data;
    links->is_timer_closed = true;
    links_free_if_done(links);
}

static void handle_last(struct node_inbox_item *item)
{
    struct node_links *links = item->ptr;
    links->is_last_handled = true;
    links_free_if_done(links);
}

/* When the last link is gone. nng's sockets are closed without pipes only, for the same reason
 * for which links are shut. */
static void links_end(struct node_links *links)
{
    int rv;
    links->is_ending = true;
    if (links->is_listening) {
        node_link__receive_stop(&links->receiver, false);
        nng_close(links->listening);
    }
    uv_close((uv_handle_t *)&links->timer, on_timer_closed);
    links->last = (struct node_inbox_item){.handle = handle_last, .ptr = links};
    rv = node_inbox_post_reserved(links->inbox, &links->last);
    assert(rv == BASE_OK);
    (void)rv;
}

void node_links_close(struct node_links *links, void (*on_closed)(void *ctx), void *ctx)
{
    assert(links != NULL);
    assert(!links->is_closing);
    links->on_closed = on_closed;
    links->closed_ctx = ctx;
    uv_mutex_lock(&links->lock);
    links->is_closing = true; /* nobody new comes in */
    uv_mutex_unlock(&links->lock);
    for (uint32_t i = 0; i < links->slot_count; i++) {
        if (links->slots[i].link != NULL)
            node_link__fail(links->slots[i].link, NODE_LINK_WHY_LOCAL);
    }
    links_free_if_done(links);
}
