#ifndef NFTMESH_NODE_LINK_INTERNAL_H
#define NFTMESH_NODE_LINK_INTERNAL_H

/* Shared by link_nng.c (who there is), link_dial.c and link_accept.c (the two ways to a stream)
 * and link_stream.c (greeting and frames over it). Nobody else includes this, or nng.
 *
 * All fields are the loop's. nng's threads run three callbacks only: each puts the result of its
 * operation into the fields named so, and posts the operation's item; the loop reads them when the
 * item arrives, and starts the next operation after that. So nothing is locked, and a link is
 * freed when no operation of its runs any more.
 *
 * Why nng's streams and not its sockets: in 1.5.2 (Debian 12) a pipe that is closed while frames
 * come in may never end. tcptran_pipe_recv_cb() goes on to a message's body with an operation that
 * the close has stopped, which completes never; nng's only reap thread waits for it, and with that
 * thread gone nng_close() does not return. Or nng panics ("appending node already on a list").
 * We saw both within 200 rounds of 200 closes, and a stranger can make us close as often as he
 * likes. Streams have neither pipes nor that reader. */
#include <nng/nng.h>

#include <nng/supplemental/tls/tls.h>
#include <uv.h>

#include "node/inbox.h"
#include "node/link_budget.h"
#include "node/link_nng.h"
#include "node/link_wire.h"
#include "node/url.h"

#define NODE_LINK_ADDRESSES_MAX 4         /* of a name, tried one after the other */
#define NODE_LINK_LISTENERS_MAX 16        /* URLs that we listen at */
#define NODE_LINK_WS_PROTOCOL   "nftmesh" /* Sec-WebSocket-Protocol */

enum node_link_state {
    NODE_LINK_NEW = 0,
    NODE_LINK_RESOLVING, /* dialed: looking the name up, and reading the CAs */
    NODE_LINK_DIALING,   /* dialed: connecting, TLS, websocket */
    NODE_LINK_GREETING,  /* there is a stream */
    NODE_LINK_UP,
    NODE_LINK_CLOSING,
};

struct node_link_dial {
    struct node_url url;
    struct sockaddr_storage addresses[NODE_LINK_ADDRESSES_MAX];
    size_t address_count;
    size_t address_next;
    enum node_link_why why;       /* of the attempt that failed last */
    uint64_t attempt_deadline_ms; /* the whole of it: the link's deadline_ms */
    bool is_trusted;              /* allow() is not asked */
    uv_getaddrinfo_t lookup;
    uv_work_t tls_work;
    bool is_looking_up, is_tls_working; /* libuv still holds the request */
    nng_tls_config *tls;                /* wss; NULL when the CA file cannot be read */

    nng_stream_dialer *dialer;
    nng_aio *aio;
    bool is_attempting; /* from the start of aio until `attempted` arrives */
    bool is_aborted;    /* we have ended the attempt */
    int result;         /* nng's thread */
    struct node_inbox_item attempted;
};

/* A message, or the greeting, on its way. */
struct node_link_out {
    struct node_link_out *next;
    size_t len;
    bool is_frame;
    uint8_t bytes[];
};

struct node_link {
    struct node_links *links;
    node_link_id id;
    enum node_link_state state;
    enum node_link_why why;
    bool is_dialed;
    bool is_told_up;
    bool is_gone; /* `down` has been said, if it had to */
    struct node_link_ticket ticket;
    struct sockaddr_storage address;
    char remote[NODE_LINK_REMOTE_BYTES];

    /* Links that open, until deadline_ms. */
    struct node_link *previous_opening, *next_opening;
    uint64_t deadline_ms;
    struct node_link_dial *dial; /* NULL if accepted */

    nng_stream *stream; /* NULL before there is one, and after */

    nng_aio *receive_aio;
    bool is_receiving; /* from the start of receive_aio until `received` arrives */
    int receive_result;
    size_t receive_count; /* with is_receiving: nng's thread */
    uint8_t *input;       /* what came and was not yet used up */
    size_t input_len, input_size;
    size_t input_offer; /* how much to read at once */
    struct node_inbox_item received;
    bool is_held;     /* nothing is read */
    bool is_resuming; /* from node_link_go_on() until `resumed` arrives */
    struct node_inbox_item resumed;

    nng_aio *send_aio;
    nng_aio *now_aio;  /* tcp: without a callback, tried first; else NULL */
    bool is_sending;   /* from the start of either until `sent` arrives */
    bool is_send_dead; /* the other end takes no more */
    int send_result;
    size_t send_count; /* with is_sending: nng's thread, or the loop itself for now_aio */
    struct node_link_out *out_first, **out_last;
    size_t out_done; /* bytes of the first that have left */
    size_t queue_count;
    struct node_inbox_item sent;

    struct node_inbox_item gone;
};

struct node_link_slot {
    struct node_link *link; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* slot + 1; 0 ends the list */
};

struct node_link_listener {
    struct node_links *links;
    nng_stream_listener *listener;
    bool is_websocket;
    nng_aio *aio;
    bool is_accepting;    /* from the start of aio until `accepted` arrives */
    uint64_t retry_at_ms; /* after an error; 0: none */
    int result;           /* nng's thread */
    struct node_inbox_item accepted;
};

struct node_links {
    uv_loop_t *loop;
    struct node_inbox *inbox;
    struct node_links_events events;
    struct node_links_config config;
    char *ca_file; /* also read by libuv's workers; never written */

    struct node_link_slot *slots;
    uint32_t slot_count, slot_free;
    uint32_t live_count; /* struct node_link that exist */

    struct node_link_listener *listeners[NODE_LINK_LISTENERS_MAX];
    size_t listener_count;

    uv_timer_t timer; /* the next deadline of a link that opens, or of a listener's pause */
    uv_idle_t idle;   /* runs while something is done that nobody has heard of yet */
    struct node_inbox_item *done_first, **done_last;
    struct node_link *opening;
    struct node_link_budget budget;
    uint32_t dialing_count;   /* dialed, not yet up */
    uint32_t half_open_count; /* accepted, not yet up */
    uint32_t accepted_count;  /* accepted, in any state */
    uint32_t up_dialed_count, up_accepted_count;
    uint64_t refused_budget_count, refused_address_count;
    uint64_t frames_in_count, frames_out_count;
    int descriptors_max;
    uint64_t descriptors_refused_before; /* by others, before these links were made */

    bool is_closing;
    unsigned open_handles; /* timer and idle */
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

/* link_nng.c */

/* A link for whom we have accepted; NULL if there are too many of them. */
struct node_link *node_link__new_accepted(struct node_links *links, const nng_sockaddr *address);
/* Closes the link, whatever its state; `down` follows on a later turn. Once; then nothing. */
void node_link__fail(struct node_link *link, enum node_link_why why);
/* The other end has greeted: up, or closed if it is one stranger too many. */
void node_link__is_up(struct node_link *link);
/* Call when an operation of a link has ended: frees it if it was the last one. */
void node_link__free_if_done(struct node_link *link);
void node_links__free_if_done(struct node_links *links);
void node_links__post(struct node_links *links, struct node_inbox_item *item);
/* The loop's own work is done: its item is handled on the next turn, which comes at once. */
void node_links__done(struct node_links *links, struct node_inbox_item *item);
void node_links__timer_arm(struct node_links *links);
/* Frees a websocket's dialer or listener in a thread that nobody waits for: if one of its
 * handshakes ends in the wrong moment, nng 1.5 waits in there for a wake that never comes. */
void node_link__bury(void (*free_it)(void *), void *it);
/* Where the link is, from nng's address. */
void node_link__set_address(struct node_link *link, const nng_sockaddr *address);
/* "192.0.2.1:7946" or "[2001:db8::1]:7946"; "" for another family. */
void node_link__format_address(char *out, size_t cap, const struct sockaddr *address);

/* link_dial.c */

void node_link__dial_start(struct node_link *link);
void node_link__dial_deadline(struct node_link *link);
/* The link is closing: what of its dial still runs shall end. */
void node_link__dial_abort(struct node_link *link);
bool node_link__dial_is_busy(const struct node_link *link);
void node_link__dial_free(struct node_link *link);

/* link_accept.c */

int node_links__listener_new(struct node_links *links, uint16_t *bound_port,
                             const struct node_url *url, const char *text);
void node_links__accept_retry(struct node_links *links, uint64_t now_ms);
void node_links__listeners_close(struct node_links *links);
bool node_links__listeners_are_closed(const struct node_links *links);
void node_links__listeners_free(struct node_links *links);

/* link_stream.c */

/* Greets over the stream, which is the link's from now on. is_tcp: plain, nothing in between. */
void node_link__stream_start(struct node_link *link, nng_stream *stream, bool is_tcp);
/* Ends the stream; operations that still run come to their end by that. */
void node_link__stream_close(struct node_link *link);
/* After is_held: what has come in is handed out on a later turn. */
void node_link__stream_go_on(struct node_link *link);
/* Queues a frame. BASE_OK, BASE_ENOMEM. */
int node_link__stream_send(struct node_link *link, const uint8_t *frame, size_t len);
/* Frees buffers and operations; none runs. */
void node_link__stream_free(struct node_link *link);

#endif
