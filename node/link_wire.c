/* What runs on nng's threads: it posts, and does nothing else.
 *
 * ADD_PRE and ADD_POST come on task threads, REM_POST on nng's only reap thread, and closing on
 * the loop waits for that one: so nothing here waits for the loop, and links->lock is never held
 * while nng is called. A frame may come before ADD_POST, and REM_POST may overtake ADD_POST. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/link_internal.h"
#include "node/nng_shim.h"

/* A message on its way to the loop. */
struct arrival {
    struct node_inbox_item item;
    struct node_links *links;
    struct node_link *link; /* NULL: look the pipe up */
    nng_msg *msg;
};

static void post(struct node_links *links, struct node_inbox_item *item)
{
    int rv = node_inbox_post_reserved(links->inbox, item);
    assert(rv == BASE_OK); /* the inbox outlives the links */
    (void)rv;
}

static struct node_link **bucket_of(struct node_links *links, nng_pipe pipe)
{
    return &links->buckets[(uint32_t)nng_pipe_id(pipe) & (NODE_LINK_BUCKETS - 1)];
}

/* With the lock held. */
static struct node_link *find_accepted(struct node_links *links, nng_pipe pipe)
{
    struct node_link *link = *bucket_of(links, pipe);
    while (link != NULL && nng_pipe_id(link->pipe) != nng_pipe_id(pipe))
        link = link->next_in_bucket;
    return link;
}

/* Frames */

static void handle_arrival(struct node_inbox_item *item)
{
    struct arrival *arrival = item->ptr;
    struct node_links *links = arrival->links;
    struct node_link *link = arrival->link;
    if (link == NULL) {
        uv_mutex_lock(&links->lock);
        link = find_accepted(links, nng_msg_get_pipe(arrival->msg));
        uv_mutex_unlock(&links->lock);
    }
    if (link != NULL) node_link__arrived(links, link, arrival->msg);
    nng_msg_free(arrival->msg);
    free(arrival);
}

static void handle_stalled(struct node_inbox_item *item)
{
    struct node_link_receiver *receiver = item->ptr;
    struct node_links *links = receiver->links;
    struct node_link *link = receiver->link;
    nng_msg *msg = receiver->stalled;
    receiver->stalled = NULL;
    if (link == NULL) {
        uv_mutex_lock(&links->lock);
        link = find_accepted(links, nng_msg_get_pipe(msg));
        uv_mutex_unlock(&links->lock);
    }
    if (link != NULL) node_link__arrived(links, link, msg);
    nng_msg_free(msg);
    if (receiver->aio != NULL) nng_recv_aio(receiver->socket, receiver->aio);
}

/* False when the message did not get in: it is still the caller's. */
static bool post_arrival(struct node_link_receiver *receiver, nng_msg *msg)
{
    struct arrival *arrival = malloc(sizeof *arrival);
    if (arrival == NULL) return false;
    *arrival = (struct arrival){.item = {.handle = handle_arrival, .ptr = arrival},
                                .links = receiver->links,
                                .link = receiver->link,
                                .msg = msg};
    if (node_inbox_post(receiver->links->inbox, &arrival->item) == BASE_OK) return true;
    free(arrival);
    return false;
}

static void on_received(void *arg)
{
    struct node_link_receiver *receiver = arg;
    nng_msg *msg;
    if (nng_aio_result(receiver->aio) != 0) return; /* closed */
    msg = nng_aio_get_msg(receiver->aio);
    if (post_arrival(receiver, msg)) {
        nng_recv_aio(receiver->socket, receiver->aio);
        return;
    }
    /* Full: the peers wait, in the kernel's buffers, until the loop has caught up. */
    receiver->stalled = msg;
    post(receiver->links, &receiver->stalled_item);
}

int node_link__receive_start(struct node_link_receiver *receiver, struct node_links *links,
                             struct node_link *link, nng_socket socket)
{
    *receiver = (struct node_link_receiver){
        .links = links,
        .link = link,
        .socket = socket,
        .stalled_item = {.handle = handle_stalled, .ptr = receiver},
    };
    if (nng_aio_alloc(&receiver->aio, on_received, receiver) != 0) return BASE_ENOMEM;
    nng_recv_aio(socket, receiver->aio);
    return BASE_OK;
}

void node_link__receive_stop(struct node_link_receiver *receiver, bool is_draining)
{
    nng_msg *msg;
    if (receiver->aio == NULL) return;
    nng_aio_stop(receiver->aio); /* waits for a callback that runs: it takes no lock of ours */
    while (is_draining && nng_recvmsg(receiver->socket, &msg, NNG_FLAG_NONBLOCK) == 0) {
        if (!post_arrival(receiver, msg)) nng_msg_free(msg);
    }
    nng_aio_free(receiver->aio);
    receiver->aio = NULL; /* a stalled message that waits in the inbox does not arm it again */
}

void node_link__on_sent(void *arg)
{
    struct node_link *link = arg;
    link->send_result = nng_aio_result(link->send_aio);
    if (link->send_result != 0) {
        nng_msg *msg = nng_aio_get_msg(link->send_aio);
        if (msg != NULL) nng_msg_free(msg);
        nng_aio_set_msg(link->send_aio, NULL);
    }
    post(link->links, &link->sent);
}

/* Pipes */

static void handle_added(struct node_inbox_item *item)
{
    node_link__added(item->ptr);
}
static void handle_opened(struct node_inbox_item *item)
{
    node_link__opened(item->ptr);
}
static void handle_removed(struct node_inbox_item *item)
{
    node_link__removed(item->ptr);
}
static void handle_sent(struct node_inbox_item *item)
{
    node_link__sent(item->ptr);
}

static void init_items(struct node_link *link)
{
    link->added = (struct node_inbox_item){.handle = handle_added, .ptr = link};
    link->opened = (struct node_inbox_item){.handle = handle_opened, .ptr = link};
    link->removed = (struct node_inbox_item){.handle = handle_removed, .ptr = link};
    link->sent = (struct node_inbox_item){.handle = handle_sent, .ptr = link};
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

static bool read_address(struct sockaddr_storage *out, nng_pipe pipe, const char *option)
{
    nng_sockaddr address;
    memset(out, 0, sizeof *out);
    if (nng_pipe_get_addr(pipe, option, &address) != 0) return false;
    if (address.s_family == NNG_AF_INET) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = address.s_in.sa_port};
        memcpy(&v4.sin_addr, &address.s_in.sa_addr, sizeof v4.sin_addr);
        memcpy(out, &v4, sizeof v4);
        return true;
    }
    if (address.s_family == NNG_AF_INET6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = address.s_in6.sa_port};
        memcpy(&v6.sin6_addr, address.s_in6.sa_addr, sizeof v6.sin6_addr);
        memcpy(out, &v6, sizeof v6);
        return true;
    }
    return false;
}

/* Who is at the other end, and over which descriptor. */
static int read_remote(struct node_link *link)
{
    struct sockaddr_storage local;
    if (!read_address(&link->address, link->pipe, NNG_OPT_REMADDR)) return -1;
    node_link__format_address(link->remote, sizeof link->remote,
                              (const struct sockaddr *)&link->address);
    if (!read_address(&local, link->pipe, NNG_OPT_LOCADDR)) return -1;
    return node_nng_shim_find((const struct sockaddr *)&local,
                              (const struct sockaddr *)&link->address);
}

/* nng 1.5 reads a message in two steps. A pipe that is closed between them never finishes: nng's
 * only reap thread waits for it, and from then on nng_close() never returns (once in some
 * thousand closes while frames come in; a flooding stranger would have it at will). But a
 * connection that ends is handled well, since nng then closes the pipe from the read itself. So
 * we end the connection. The descriptor is ours to use until REM_POST: nng closes it after that,
 * which waits for our lock. */
bool node_link__shut(struct node_link *link)
{
    struct node_links *links = link->links;
    bool has_pipe;
    int rv = -1;
    uv_mutex_lock(&links->lock);
    link->is_shut = true;
    has_pipe = link->has_pipe;
    if (has_pipe && !link->is_removed && link->fd >= 0) rv = shutdown(link->fd, SHUT_RDWR);
    uv_mutex_unlock(&links->lock);
    /* No descriptor found, or the connection broke this moment: then there is nothing to read. */
    if (has_pipe && rv != 0) nng_pipe_close(link->pipe);
    return has_pipe;
}

/* Counts the newcomer, or says no. With the lock held. */
static bool admit(struct node_links *links, struct node_link *link)
{
    if (links->is_closing) return false;
    if (links->accepted_count >= links->config.accepted_max) {
        links->refused_budget_count++;
        return false;
    }
    switch (node_link_budget_admit(&links->budget, &link->ticket, uv_hrtime() / 1000000,
                                   (const struct sockaddr *)&link->address)) {
    case NODE_LINK_BUDGET_ADMIT:
        links->accepted_count++;
        links->live_count++;
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

static void accept_pipe(struct node_links *links, nng_pipe pipe)
{
    struct node_link *link = calloc(1, sizeof *link);
    bool is_admitted = false;
    if (link != NULL) {
        link->links = links;
        link->pipe = pipe;
        init_items(link);
        link->fd = read_remote(link);
        link->has_pipe = true;
        uv_mutex_lock(&links->lock);
        is_admitted = admit(links, link);
        if (is_admitted) {
            struct node_link **bucket = bucket_of(links, pipe);
            link->next_in_bucket = *bucket;
            *bucket = link;
        }
        uv_mutex_unlock(&links->lock);
    }
    if (is_admitted) {
        post(links, &link->added);
        return;
    }
    free(link);
    nng_pipe_close(pipe); /* REM_POST comes for it too, and finds nothing */
}

static void on_accepted_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct node_links *links = arg;
    struct node_link *link;
    if (event == NNG_PIPE_EV_ADD_PRE) {
        accept_pipe(links, pipe);
        return;
    }
    uv_mutex_lock(&links->lock);
    link = find_accepted(links, pipe);
    if (link != NULL && !link->is_removed) {
        if (event == NNG_PIPE_EV_REM_POST) {
            link->is_removed = true;
            links->accepted_count--;
            node_link_budget_release(&links->budget, &link->ticket);
        }
        /* Posted under the lock: ADD_POST cannot come in after REM_POST has set is_removed. */
        post(links, event == NNG_PIPE_EV_REM_POST ? &link->removed : &link->opened);
    }
    uv_mutex_unlock(&links->lock);
}

static void dialed_pipe(struct node_link *link, nng_pipe pipe)
{
    struct node_links *links = link->links;
    bool is_wanted;
    int fd = -1;
    uv_mutex_lock(&links->lock);
    is_wanted = !link->is_shut && !link->has_pipe; /* one socket lives for one connection */
    uv_mutex_unlock(&links->lock);
    if (is_wanted) {
        link->pipe = pipe;
        fd = read_remote(link);
        uv_mutex_lock(&links->lock);
        is_wanted = !link->is_shut;
        link->has_pipe = is_wanted;
        link->fd = fd;
        uv_mutex_unlock(&links->lock);
    }
    if (!is_wanted) nng_pipe_close(pipe); /* safe here, before anything is read */
}

static void on_dialed_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct node_link *link = arg;
    struct node_links *links = link->links;
    bool is_ours;
    if (event == NNG_PIPE_EV_ADD_PRE) {
        dialed_pipe(link, pipe);
        return;
    }
    if (event == NNG_PIPE_EV_REM_POST)
        nng_dialer_close(nng_pipe_dialer(pipe)); /* or nng dials again by itself */
    uv_mutex_lock(&links->lock);
    is_ours = link->has_pipe && !link->is_removed && nng_pipe_id(pipe) == nng_pipe_id(link->pipe);
    if (is_ours && event == NNG_PIPE_EV_REM_POST) link->is_removed = true;
    if (is_ours) post(links, event == NNG_PIPE_EV_REM_POST ? &link->removed : &link->opened);
    uv_mutex_unlock(&links->lock);
}

static int notify(nng_socket socket, nng_pipe_cb callback, void *arg)
{
    int rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, callback, arg);
    if (rv == 0) rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, callback, arg);
    if (rv == 0) rv = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, callback, arg);
    return rv;
}

int node_link__notify_accepted(struct node_links *links, nng_socket socket)
{
    return notify(socket, on_accepted_event, links);
}

int node_link__notify_dialed(struct node_link *link, nng_socket socket)
{
    init_items(link);
    return notify(socket, on_dialed_event, link);
}
