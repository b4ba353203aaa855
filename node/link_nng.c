/* The loop's side of links: who there is, what is asked of them, and how they end. */
#include "node/link_nng.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "node/link_internal.h"
#include "node/nng_shim.h"

#define UNPROVED_MAX         64
#define UNPROVED_ADDRESS_MAX 8
#define HALF_OPEN_MAX        256 /* accepted, and silent so far: then the oldest one goes */
#define DIALS_MAX            64
#define DIAL_TIMEOUT_MS      5000
#define DESCRIPTORS_MAX      65536
#define DESCRIPTORS_RESERVE  256 /* or a quarter, if that is less: dials, files, HTTP */
#define SLOTS_MAX            (DESCRIPTORS_MAX * 2u)
#define PATH_BYTES_MAX       64
#define CA_FILE              "/etc/ssl/certs/ca-certificates.crt"

_Static_assert(NODE_LINK_FRAME_BYTES_MAX == NODE_LINK_WIRE_FRAME_MAX, "one bound");

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

/* Helpers for the other files */

void node_links__post(struct node_links *links, struct node_inbox_item *item)
{
    int rv = node_inbox_post_reserved(links->inbox, item);
    assert(rv == BASE_OK); /* the inbox outlives the links */
    (void)rv;
}

static void done_take(struct node_links *links)
{
    while (links->done_first != NULL) {
        struct node_inbox_item *item = links->done_first;
        links->done_first = item->next;
        if (links->done_first == NULL) links->done_last = &links->done_first;
        item->next = NULL;
        item->handle(item);
    }
}

static void on_idle(uv_idle_t *idle)
{
    done_take(idle->data);
    uv_idle_stop(idle);
}

void node_links__done(struct node_links *links, struct node_inbox_item *item)
{
    item->next = NULL;
    *links->done_last = item;
    links->done_last = &item->next;
    if (!links->is_closing) uv_idle_start(&links->idle, on_idle);
}

struct burial {
    void (*free_it)(void *);
    void *it;
};

static void *bury_thread(void *arg)
{
    struct burial burial = *(struct burial *)arg;
    free(arg);
    burial.free_it(burial.it);
    return NULL;
}

void node_link__bury(void (*free_it)(void *), void *it)
{
    pthread_t thread;
    struct burial *burial = malloc(sizeof *burial);
    if (burial == NULL) return; /* nothing better to do than to leave it */
    *burial = (struct burial){.free_it = free_it, .it = it};
    if (pthread_create(&thread, NULL, bury_thread, burial) == 0)
        pthread_detach(thread);
    else
        free(burial);
}

void node_link__format_address(char *out, size_t cap, const struct sockaddr *address)
{
    char host[INET6_ADDRSTRLEN] = "";
    out[0] = '\0';
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
        snprintf(out, cap, "%s:%u", host, (unsigned)ntohs(v4.sin_port));
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
        snprintf(out, cap, "[%s]:%u", host, (unsigned)ntohs(v6.sin6_port));
    }
}

void node_link__set_address(struct node_link *link, const nng_sockaddr *address)
{
    memset(&link->address, 0, sizeof link->address);
    if (address->s_family == NNG_AF_INET) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = address->s_in.sa_port};
        memcpy(&v4.sin_addr, &address->s_in.sa_addr, sizeof v4.sin_addr);
        memcpy(&link->address, &v4, sizeof v4);
    } else if (address->s_family == NNG_AF_INET6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = address->s_in6.sa_port};
        memcpy(&v6.sin6_addr, address->s_in6.sa_addr, sizeof v6.sin6_addr);
        memcpy(&link->address, &v6, sizeof v6);
    }
    node_link__format_address(link->remote, sizeof link->remote,
                              (const struct sockaddr *)&link->address);
}

/* Links that open, and the one timer for them */

static uint64_t deadline_of(const struct node_link *link)
{
    return link->state == NODE_LINK_RESOLVING || link->state == NODE_LINK_DIALING
               ? link->dial->attempt_deadline_ms
               : link->deadline_ms;
}

static void on_timer(uv_timer_t *timer)
{
    struct node_links *links = timer->data;
    uint64_t now_ms = uv_now(links->loop);
    struct node_link *link = links->opening;
    while (link != NULL) {
        struct node_link *next = link->next_opening;
        if (deadline_of(link) <= now_ms) {
            if (link->is_dialed)
                node_link__dial_deadline(link);
            else
                node_link__fail(link, NODE_LINK_WHY_TIMEOUT);
        }
        link = next;
    }
    node_links__accept_retry(links, now_ms);
    node_links__timer_arm(links);
}

void node_links__timer_arm(struct node_links *links)
{
    uint64_t now_ms = uv_now(links->loop);
    uint64_t first_ms = UINT64_MAX;
    if (links->is_closing) return; /* the timer is, too */
    for (const struct node_link *link = links->opening; link != NULL; link = link->next_opening) {
        if (deadline_of(link) < first_ms) first_ms = deadline_of(link);
    }
    for (size_t i = 0; i < links->listener_count; i++) {
        uint64_t retry_at_ms = links->listeners[i]->retry_at_ms;
        if (retry_at_ms != 0 && retry_at_ms < first_ms) first_ms = retry_at_ms;
    }
    if (first_ms == UINT64_MAX)
        uv_timer_stop(&links->timer);
    else
        uv_timer_start(&links->timer, on_timer, first_ms > now_ms ? first_ms - now_ms : 0, 0);
}

static void opening_enter(struct node_link *link)
{
    struct node_links *links = link->links;
    link->deadline_ms = uv_now(links->loop) + links->config.dial_timeout_ms;
    link->previous_opening = NULL;
    link->next_opening = links->opening;
    if (link->next_opening != NULL) link->next_opening->previous_opening = link;
    links->opening = link;
    if (link->is_dialed)
        links->dialing_count++;
    else
        links->half_open_count++;
}

static void opening_leave(struct node_link *link)
{
    struct node_links *links = link->links;
    if (link->previous_opening != NULL)
        link->previous_opening->next_opening = link->next_opening;
    else
        links->opening = link->next_opening;
    if (link->next_opening != NULL) link->next_opening->previous_opening = link->previous_opening;
    link->previous_opening = link->next_opening = NULL;
    if (link->is_dialed)
        links->dialing_count--;
    else
        links->half_open_count--;
    node_links__timer_arm(links);
}

/* Beginning and end of a link */

static struct node_link *link_new(struct node_links *links, bool is_dialed)
{
    struct node_link *link = calloc(1, sizeof *link);
    if (link == NULL) return NULL;
    link->links = links;
    link->is_dialed = is_dialed;
    if (slot_take(link) != BASE_OK) {
        free(link);
        return NULL;
    }
    links->live_count++;
    if (!is_dialed) links->accepted_count++;
    opening_enter(link);
    return link;
}

static struct node_link *oldest_half_open(const struct node_links *links)
{
    struct node_link *oldest = NULL;
    for (struct node_link *link = links->opening; link != NULL; link = link->next_opening) {
        if (!link->is_dialed && (oldest == NULL || link->deadline_ms <= oldest->deadline_ms))
            oldest = link;
    }
    return oldest;
}

struct node_link *node_link__new_accepted(struct node_links *links, const nng_sockaddr *address)
{
    struct node_link *link;
    if (links->accepted_count >= links->config.accepted_max) {
        links->refused_budget_count++;
        return NULL;
    }
    /* A crowd that connects and says nothing has no place to keep: who greets is through. */
    if (links->half_open_count >= HALF_OPEN_MAX) {
        links->refused_budget_count++;
        node_link__fail(oldest_half_open(links), NODE_LINK_WHY_TIMEOUT);
    }
    link = link_new(links, false);
    if (link == NULL) return NULL;
    node_link__set_address(link, address);
    node_links__timer_arm(links);
    return link;
}

/* May this stranger stay? It has greeted, and nothing more. */
static bool admit(struct node_link *link)
{
    struct node_links *links = link->links;
    switch (node_link_budget_admit(&links->budget, &link->ticket, uv_hrtime() / 1000000,
                                   (const struct sockaddr *)&link->address)) {
    case NODE_LINK_BUDGET_ADMIT:
        return true;
    case NODE_LINK_BUDGET_REFUSE_ADDRESS:
        links->refused_address_count++;
        return false;
    case NODE_LINK_BUDGET_REFUSE_TOTAL:
    case NODE_LINK_BUDGET_UNDECIDED:
        break;
    }
    links->refused_budget_count++;
    return false;
}

void node_link__free_if_done(struct node_link *link)
{
    struct node_links *links = link->links;
    if (!link->is_gone || link->is_receiving || link->is_sending || link->is_resuming) return;
    if (link->is_dialed && node_link__dial_is_busy(link)) return;
    node_link__stream_free(link);
    if (link->is_dialed) node_link__dial_free(link);
    if (!link->is_dialed) links->accepted_count--;
    free(link);
    links->live_count--;
    node_links__free_if_done(links);
}

static void handle_gone(struct node_inbox_item *item)
{
    struct node_link *link = item->ptr;
    struct node_links *links = link->links;
    if (link->is_told_up) {
        if (link->is_dialed)
            links->up_dialed_count--;
        else
            links->up_accepted_count--;
    }
    node_link_budget_release(&links->budget, &link->ticket);
    slot_give(link);
    if (link->is_dialed || link->is_told_up)
        links->events.down(links->events.ctx, link->id, link->why);
    link->is_gone = true;
    node_link__free_if_done(link);
}

void node_link__fail(struct node_link *link, enum node_link_why why)
{
    if (link->state == NODE_LINK_CLOSING) return;
    if (link->state != NODE_LINK_UP) opening_leave(link);
    link->state = NODE_LINK_CLOSING;
    link->why = why;
    if (link->is_dialed) node_link__dial_abort(link);
    node_link__stream_close(link);
    link->gone = (struct node_inbox_item){.handle = handle_gone, .ptr = link};
    node_links__post(link->links, &link->gone);
}

void node_link__is_up(struct node_link *link)
{
    struct node_links *links = link->links;
    if (!link->is_dialed && !admit(link)) {
        node_link__fail(link, NODE_LINK_WHY_RESOURCES);
        return;
    }
    opening_leave(link);
    link->state = NODE_LINK_UP;
    link->is_told_up = true;
    if (link->is_dialed)
        links->up_dialed_count++;
    else
        links->up_accepted_count++;
    links->events.up(links->events.ctx, link->id, link->is_dialed, link->remote);
}

void node_link_close(struct node_links *links, node_link_id id, enum node_link_why why)
{
    struct node_link *link = link_find(links, id);
    assert(why != NODE_LINK_WHY_NONE);
    if (link != NULL) node_link__fail(link, why);
}

/* What is asked of links */

int node_link_send(struct node_links *links, node_link_id id, const uint8_t *frame, size_t len)
{
    struct node_link *link = link_find(links, id);
    assert(frame != NULL || len == 0);
    if (len > NODE_LINK_FRAME_BYTES_MAX) return BASE_ETOOBIG;
    if (link == NULL || link->state != NODE_LINK_UP) return BASE_ECLOSED;
    if (link->queue_count > NODE_LINK_QUEUE_MAX) return BASE_EFULL;
    return node_link__stream_send(link, frame, len);
}

void node_link_hold(struct node_links *links, node_link_id id)
{
    struct node_link *link = link_find(links, id);
    if (link != NULL) link->is_held = true;
}

void node_link_go_on(struct node_links *links, node_link_id id)
{
    struct node_link *link = link_find(links, id);
    if (link != NULL) node_link__stream_go_on(link);
}

size_t node_link_queued_count(const struct node_links *links, node_link_id id)
{
    const struct node_link *link = link_find(links, id);
    return link != NULL ? link->queue_count : 0;
}

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

static int dial_new(struct node_links *links, node_link_id *out, const char *url, bool is_trusted)
{
    struct node_link *link;
    struct node_link_dial *dial;
    int rv;
    assert(links != NULL);
    assert(out != NULL);
    assert(url != NULL);
    if (links->is_closing) return BASE_ECLOSED;
    if (links->dialing_count >= links->config.dials_max) return BASE_EFULL;
    dial = calloc(1, sizeof *dial);
    if (dial == NULL) return BASE_ENOMEM;
    dial->is_trusted = is_trusted;
    rv = url_check(&dial->url, url, false);
    link = rv == BASE_OK ? link_new(links, true) : NULL;
    if (link == NULL) {
        free(dial);
        return rv == BASE_OK ? BASE_ENOMEM : rv;
    }
    link->dial = dial;
    *out = link->id;
    node_link__dial_start(link);
    node_links__timer_arm(links);
    return BASE_OK;
}

int node_link_dial(struct node_links *links, node_link_id *out, const char *url)
{
    return dial_new(links, out, url, false);
}

int node_link_dial_trusted(struct node_links *links, node_link_id *out, const char *url)
{
    return dial_new(links, out, url, true);
}

int node_links_listen(struct node_links *links, uint16_t *bound_port, const char *url)
{
    struct node_url parsed;
    int rv;
    assert(links != NULL);
    assert(url != NULL);
    assert(!links->is_closing);
    rv = url_check(&parsed, url, true);
    if (rv != BASE_OK) return rv;
    return node_links__listener_new(links, bound_port, &parsed, url);
}

void node_links_mark_proved(struct node_links *links, node_link_id id)
{
    struct node_link *link = link_find(links, id);
    if (link == NULL) return;
    node_link_budget_release(&links->budget, &link->ticket);
    node_link_budget_mark_known(&links->budget, uv_hrtime() / 1000000,
                                (const struct sockaddr *)&link->address);
}

const char *node_link_remote(const struct node_links *links, node_link_id id)
{
    const struct node_link *link = link_find(links, id);
    return link != NULL ? link->remote : "";
}

bool node_link_remote_address(const struct node_links *links, node_link_id id,
                              struct sockaddr_storage *out)
{
    const struct node_link *link = link_find(links, id);
    assert(out != NULL);
    if (link == NULL || link->remote[0] == '\0') return false;
    *out = link->address;
    return true;
}

static uint32_t accept_max(int descriptors_max)
{
    int quarter = descriptors_max / 4;
    return (uint32_t)(descriptors_max -
                      (quarter < DESCRIPTORS_RESERVE ? quarter : DESCRIPTORS_RESERVE));
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
        .unproved_count = node_link_budget_unproved_count(&links->budget),
        .refused_budget_count = links->refused_budget_count,
        .refused_address_count = links->refused_address_count,
        .refused_descriptor_count =
            node_nng_shim_accept_refused_count() - links->descriptors_refused_before,
        .frames_in_count = links->frames_in_count,
        .frames_out_count = links->frames_out_count,
        .descriptors_open_count = descriptors_open_count(),
        .descriptors_max = (uint32_t)links->descriptors_max,
        .descriptors_accept_max = accept_max(links->descriptors_max),
    };
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
    uint32_t most = accept_max(links->descriptors_max);
    *set = *config;
    if (set->unproved_max == 0) set->unproved_max = defaults.unproved_max;
    if (set->unproved_max > NODE_LINK_BUDGET_ADDRESSES / 2)
        set->unproved_max = NODE_LINK_BUDGET_ADDRESSES / 2;
    if (set->unproved_address_max == 0) set->unproved_address_max = defaults.unproved_address_max;
    if (set->dials_max == 0) set->dials_max = defaults.dials_max;
    if (set->dial_timeout_ms == 0) set->dial_timeout_ms = defaults.dial_timeout_ms;
    if (set->accepted_max == 0 || set->accepted_max > most) set->accepted_max = most;
    set->ca_file = links->ca_file;
    node_nng_shim_accept_limit((int)most);
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
    if (links->ca_file == NULL) {
        free(links);
        return BASE_ENOMEM;
    }
    links->loop = loop;
    links->inbox = inbox;
    links->events = *events;
    links->descriptors_max = descriptors_raise();
    links->descriptors_refused_before = node_nng_shim_accept_refused_count();
    config_set(links, config);
    node_link_budget_init(&links->budget, links->config.unproved_max,
                          links->config.unproved_address_max);
    uv_timer_init(loop, &links->timer);
    uv_idle_init(loop, &links->idle);
    links->timer.data = links->idle.data = links;
    links->open_handles = 2;
    links->done_last = &links->done_first;
    *out = links;
    return BASE_OK;
}

void node_links__free_if_done(struct node_links *links)
{
    void (*on_closed)(void *ctx) = links->on_closed;
    void *ctx = links->closed_ctx;
    if (links->open_handles > 0 || links->live_count > 0) return;
    if (!node_links__listeners_are_closed(links)) return;
    node_links__listeners_free(links);
    free(links->ca_file);
    free(links->slots);
    free(links);
    if (on_closed != NULL) on_closed(ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct node_links *links = handle->data;
    links->open_handles--;
    node_links__free_if_done(links);
}

void node_links_close(struct node_links *links, void (*on_closed)(void *ctx), void *ctx)
{
    assert(links != NULL);
    assert(!links->is_closing);
    links->is_closing = true;
    links->on_closed = on_closed;
    links->closed_ctx = ctx;
    node_links__listeners_close(links);
    for (uint32_t i = 0; i < links->slot_count; i++) {
        if (links->slots[i].link != NULL)
            node_link__fail(links->slots[i].link, NODE_LINK_WHY_LOCAL);
    }
    done_take(links); /* nothing is sent any more, so nothing comes after it */
    uv_close((uv_handle_t *)&links->timer, on_handle_closed);
    uv_close((uv_handle_t *)&links->idle, on_handle_closed);
}
