/* Greeting and frames over one stream. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/link_internal.h"

#define INPUT_BYTES_MIN 256  /* what a quiet link holds: a probe fits */
#define INPUT_BYTES_MAX 8192 /* what a busy one is read by, unless a frame is larger */

/* Receiving */

static void on_received(void *arg) /* nng's thread */
{
    struct node_link *link = arg;
    link->receive_result = nng_aio_result(link->receive_aio);
    link->receive_count = nng_aio_count(link->receive_aio);
    node_links__post(link->links, &link->received);
}

static bool input_resize(struct node_link *link, size_t size)
{
    uint8_t *input;
    if (size == link->input_size) return true;
    input = realloc(link->input, size);
    if (input == NULL) return false;
    link->input = input;
    link->input_size = size;
    return true;
}

static void receive_start(struct node_link *link, size_t need)
{
    size_t size = need > link->input_offer ? need : link->input_offer;
    nng_iov iov;
    if (!input_resize(link, size)) {
        node_link__fail(link, NODE_LINK_WHY_RESOURCES);
        return;
    }
    assert(link->input_len < link->input_size);
    iov.iov_buf = link->input + link->input_len;
    iov.iov_len = link->input_size - link->input_len;
    link->is_receiving = true;
    nng_aio_set_iov(link->receive_aio, 1, &iov); /* never fails for one */
    nng_stream_recv(link->stream, link->receive_aio);
}

static void input_drop(struct node_link *link, size_t count)
{
    link->input_len -= count;
    memmove(link->input, link->input + count, link->input_len);
}

/* False when this is no greeting of ours, or not yet all of it. */
static bool greeting_use(struct node_link *link)
{
    uint8_t theirs = link->is_dialed ? NODE_LINK_WIRE_REP : NODE_LINK_WIRE_REQ;
    if (link->input_len < NODE_LINK_WIRE_GREETING_BYTES) return false;
    if (!node_link_wire_is_greeting(link->input, theirs)) {
        node_link__fail(link, NODE_LINK_WHY_PROTOCOL);
        return false;
    }
    input_drop(link, NODE_LINK_WIRE_GREETING_BYTES);
    node_link__is_up(link);
    return link->state == NODE_LINK_UP;
}

/* Hands out the frames that have come in whole; returns how many bytes the next one needs. The
 * callbacks may close the link: then no further frame is shown. */
static size_t frames_use(struct node_link *link)
{
    struct node_links *links = link->links;
    size_t used = 0, need = 0;
    while (link->state == NODE_LINK_UP && !link->is_held) {
        struct base_slice frame;
        enum node_link_wire_verdict verdict =
            node_link_wire_split(&frame, &need, link->input + used, link->input_len - used);
        if (verdict == NODE_LINK_WIRE_UNDECIDED) break;
        if (verdict == NODE_LINK_WIRE_MALFORMED) {
            node_link__fail(link, NODE_LINK_WHY_PROTOCOL);
            break;
        }
        used += need;
        links->frames_in_count++;
        links->events.frame(links->events.ctx, link->id, frame.data, frame.len);
    }
    input_drop(link, used);
    return need;
}

/* Held: what has come in is kept, and nothing more is asked for. */
static void go_on(struct node_link *link)
{
    size_t need = 0;
    if (link->state == NODE_LINK_UP || greeting_use(link)) need = frames_use(link);
    if (link->state != NODE_LINK_CLOSING && !link->is_held) receive_start(link, need);
}

/* Filled to the brim: there is more. A hundred links cost what they need, not what one may. */
static void offer_adapt(struct node_link *link, size_t offered)
{
    if (link->receive_count == offered && link->input_offer < INPUT_BYTES_MAX)
        link->input_offer *= 2;
    else if (link->receive_count < link->input_offer / 4 && link->input_offer > INPUT_BYTES_MIN)
        link->input_offer /= 2;
}

static void handle_received(struct node_inbox_item *item)
{
    struct node_link *link = item->ptr;
    link->is_receiving = false;
    if (link->state == NODE_LINK_CLOSING) {
        node_link__free_if_done(link);
        return;
    }
    if (link->receive_result != 0) {
        node_link__fail(link, NODE_LINK_WHY_PEER);
        return;
    }
    offer_adapt(link, link->input_size - link->input_len);
    link->input_len += link->receive_count;
    go_on(link);
}

static void handle_resumed(struct node_inbox_item *item)
{
    struct node_link *link = item->ptr;
    link->is_resuming = false;
    if (link->state == NODE_LINK_CLOSING) {
        node_link__free_if_done(link);
        return;
    }
    if (!link->is_held && !link->is_receiving) go_on(link);
}

void node_link__stream_go_on(struct node_link *link)
{
    link->is_held = false;
    if (link->is_receiving || link->is_resuming || link->state != NODE_LINK_UP) return;
    link->is_resuming = true;
    node_links__post(link->links, &link->resumed);
}

/* Sending */

static void on_sent(void *arg) /* nng's thread */
{
    struct node_link *link = arg;
    link->send_result = nng_aio_result(link->send_aio);
    link->send_count = nng_aio_count(link->send_aio);
    node_links__post(link->links, &link->sent);
}

/* What the kernel takes at once. An operation without a callback wakes none of nng's threads, and
 * nobody else: two wakes fewer a frame. Over tcp one that still waits has sent nothing at all, so
 * that it can be cancelled and begun anew with a callback; false then. */
static bool send_at_once(struct node_link *link, const nng_iov *iov)
{
    nng_aio *aio = link->now_aio;
    nng_aio_set_iov(aio, 1, iov);
    nng_stream_send(link->stream, aio);
    /* A hint, and no more: what became of it is known after the wait, which then is none. */
    if (nng_aio_result(aio) == 0 && nng_aio_count(aio) == 0) nng_aio_cancel(aio);
    nng_aio_wait(aio);
    link->send_result = nng_aio_result(aio);
    link->send_count = nng_aio_count(aio);
    return link->send_result != NNG_ECANCELED;
}

static void send_start(struct node_link *link)
{
    struct node_link_out *out = link->out_first;
    nng_iov iov = {.iov_buf = out->bytes + link->out_done, .iov_len = out->len - link->out_done};
    link->is_sending = true;
    if (link->now_aio != NULL && send_at_once(link, &iov)) {
        node_links__done(link->links, &link->sent); /* the caller may be inside of a step */
        return;
    }
    nng_aio_set_iov(link->send_aio, 1, &iov);
    nng_stream_send(link->stream, link->send_aio);
}

static void out_drop(struct node_link *link)
{
    struct node_link_out *out = link->out_first;
    link->out_first = out->next;
    if (link->out_first == NULL) link->out_last = &link->out_first;
    link->out_done = 0;
    if (out->is_frame) link->queue_count--;
    free(out);
}

static void handle_sent(struct node_inbox_item *item)
{
    struct node_link *link = item->ptr;
    struct node_links *links = link->links;
    bool is_frame = false, is_done;
    link->is_sending = false;
    if (link->state == NODE_LINK_CLOSING) {
        node_link__free_if_done(link);
        return;
    }
    if (link->send_result != 0) { /* receiving ends too, after the peer's last words */
        link->is_send_dead = true;
        return;
    }
    link->out_done += link->send_count;
    is_done = link->out_done == link->out_first->len;
    if (is_done) {
        is_frame = link->out_first->is_frame;
        out_drop(link);
    }
    if (link->out_first != NULL) send_start(link);
    if (!is_frame) return;
    links->frames_out_count++;
    if (links->events.sent != NULL) links->events.sent(links->events.ctx, link->id);
}

static struct node_link_out *out_new(struct node_link *link, size_t len)
{
    struct node_link_out *out = malloc(sizeof *out + len);
    if (out == NULL) return NULL;
    out->next = NULL;
    out->len = len;
    *link->out_last = out;
    link->out_last = &out->next;
    return out;
}

static void send_if_idle(struct node_link *link)
{
    if (!link->is_sending && !link->is_send_dead) send_start(link);
}

int node_link__stream_send(struct node_link *link, const uint8_t *frame, size_t len)
{
    struct node_link_out *out = out_new(link, NODE_LINK_WIRE_HEAD_BYTES + len);
    if (out == NULL) return BASE_ENOMEM;
    out->is_frame = true;
    node_link_wire_head(out->bytes, len);
    if (len > 0) memcpy(out->bytes + NODE_LINK_WIRE_HEAD_BYTES, frame, len);
    link->queue_count++;
    send_if_idle(link);
    return BASE_OK;
}

static int greet(struct node_link *link)
{
    struct node_link_out *out = out_new(link, NODE_LINK_WIRE_GREETING_BYTES);
    if (out == NULL) return BASE_ENOMEM;
    out->is_frame = false;
    node_link_wire_greeting(out->bytes, link->is_dialed ? NODE_LINK_WIRE_REQ : NODE_LINK_WIRE_REP);
    send_if_idle(link);
    return BASE_OK;
}

/* Beginning and end */

void node_link__stream_start(struct node_link *link, nng_stream *stream, bool is_tcp)
{
    nng_sockaddr address;
    link->stream = stream;
    link->state = NODE_LINK_GREETING;
    link->out_last = &link->out_first;
    link->received = (struct node_inbox_item){.handle = handle_received, .ptr = link};
    link->resumed = (struct node_inbox_item){.handle = handle_resumed, .ptr = link};
    link->sent = (struct node_inbox_item){.handle = handle_sent, .ptr = link};
    /* A frame waits for no other: streams, unlike nng's sockets, begin with Nagle's rule. */
    (void)nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
    if (link->is_dialed && nng_stream_get_addr(stream, NNG_OPT_REMADDR, &address) == 0)
        node_link__set_address(link, &address);
    if (nng_aio_alloc(&link->receive_aio, on_received, link) != 0 ||
        nng_aio_alloc(&link->send_aio, on_sent, link) != 0 ||
        (is_tcp && nng_aio_alloc(&link->now_aio, NULL, NULL) != 0) || greet(link) != BASE_OK) {
        node_link__fail(link, NODE_LINK_WHY_RESOURCES);
        return;
    }
    link->input_offer = INPUT_BYTES_MIN;
    receive_start(link, 0);
}

/* Closing makes nng end its operations, or freeing does (a websocket that cannot send its last
 * frame). Neither waits, and we wait for neither: the items come when they come. */
void node_link__stream_close(struct node_link *link)
{
    if (link->stream == NULL) return;
    nng_stream_close(link->stream);
    nng_stream_free(link->stream);
    link->stream = NULL;
}

void node_link__stream_free(struct node_link *link)
{
    assert(!link->is_receiving && !link->is_sending);
    if (link->receive_aio != NULL) nng_aio_free(link->receive_aio);
    if (link->send_aio != NULL) nng_aio_free(link->send_aio);
    if (link->now_aio != NULL) nng_aio_free(link->now_aio);
    while (link->out_first != NULL)
        out_drop(link);
    free(link->input);
}
