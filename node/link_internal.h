#ifndef NFTMESH_NODE_LINK_INTERNAL_H
#define NFTMESH_NODE_LINK_INTERNAL_H

/* Shared by link_nng.c (the loop's side), link_dial.c (the way to an open link) and link_wire.c
 * (all that runs on nng's threads). Nobody else includes this, or nng.
 *
 * Who may touch what: a link's fields are the loop's, except those marked. A link lives until its
 * `gone` item has been handled; that item is posted after all nng handles of the link have been
 * closed, so no item that names the link can come after it. */
#include <nng/nng.h>

#include <nng/supplemental/tls/tls.h>
#include <uv.h>

#include "node/inbox.h"
#include "node/link_budget.h"
#include "node/link_nng.h"
#include "node/url.h"

#define NODE_LINK_ADDRESSES_MAX 4   /* of a name, tried one after the other */
#define NODE_LINK_BUCKETS       256 /* of the map from pipe to link; a power of two */
#define NODE_LINK_HEADER_BYTES  4   /* SP's request id, in front of a frame on the wire */
/* The request id: the top bit ends SP's list of hops; the rest nobody looks at. */
#define NODE_LINK_REQUEST_ID 0x80000001u

enum node_link_state {
    NODE_LINK_NEW = 0,   /* accepted and not yet known to the loop; dialed and not yet begun */
    NODE_LINK_RESOLVING, /* dialed: looking the name up, and reading the CAs */
    NODE_LINK_DIALING,   /* dialed: connecting, TLS, greeting */
    NODE_LINK_PENDING,   /* accepted: nng has not yet opened it for sending */
    NODE_LINK_UP,
    NODE_LINK_CLOSING,
};

struct node_link;

/* One receive operation that is armed again and again. */
struct node_link_receiver {
    struct node_links *links;
    struct node_link *link; /* NULL: the listening socket, where the message names its pipe */
    nng_socket socket;
    nng_aio *aio;
    /* The message that did not fit into the inbox; the item takes it there out of turn, and
     * receiving goes on when the loop has handled it. */
    nng_msg *stalled;
    struct node_inbox_item stalled_item;
};

struct node_link_dial {
    struct node_url url;
    struct sockaddr_storage addresses[NODE_LINK_ADDRESSES_MAX];
    size_t address_count;
    size_t address_next;
    enum node_link_why why; /* of the attempt that failed last */
    uint64_t deadline_ms;   /* of all attempts */
    uint64_t attempt_deadline_ms;
    bool is_trusted; /* allow() is not asked */
    uv_getaddrinfo_t lookup;
    uv_work_t tls_work;
    bool is_looking_up, is_tls_working; /* libuv still holds the request */
    nng_tls_config *tls;                /* wss; NULL when the CA file cannot be read */
    nng_dialer dialer;
    bool is_attempting;                /* dialer is started */
    struct node_link *previous, *next; /* links that are dialing */
};

struct node_link {
    struct node_links *links;
    node_link_id id;
    enum node_link_state state;
    enum node_link_why why;
    bool is_dialed;
    bool is_told_up;
    bool is_finished; /* all nng handles are closed; `gone` is on its way */
    bool is_gone;

    /* Set in ADD_PRE, by nng's thread, before any item of the link is posted. */
    nng_pipe pipe;
    struct sockaddr_storage address;
    char remote[NODE_LINK_REMOTE_BYTES];

    /* Guarded by links->lock. */
    struct node_link *next_in_bucket; /* accepted */
    struct node_link_ticket ticket;   /* accepted */
    bool has_pipe;                    /* ADD_PRE has been */
    int fd;                           /* its descriptor, or -1 */
    bool is_removed; /* REM_POST has been: fd may be another's, no item but `gone` follows */
    bool is_shut;    /* dialed: we do not want a pipe any more */

    nng_aio *send_aio;
    int send_result; /* nng's thread, before `sent` is posted */
    bool is_sending;
    nng_msg *queue[NODE_LINK_QUEUE_MAX];
    uint32_t queue_first, queue_count;

    struct node_inbox_item added, opened, removed, sent, gone;

    nng_socket socket; /* dialed: its own; accepted: the listening one */
    bool has_socket;
    struct node_link_receiver receiver; /* dialed */
    struct node_link_dial *dial;        /* dialed; freed with the link */
};

struct node_link_slot {
    struct node_link *link; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* slot + 1; 0 ends the list */
};

struct node_links {
    uv_loop_t *loop;
    struct node_inbox *inbox;
    struct node_links_events events;
    struct node_links_config config;
    char *ca_file; /* also read by libuv's workers; never written */

    struct node_link_slot *slots;
    uint32_t slot_count, slot_free;

    nng_socket listening;
    bool is_listening;
    struct node_link_receiver receiver;

    uv_timer_t timer; /* the earliest deadline of a dial, or the next look at how dials fare */
    struct node_link *dialing;
    uint32_t dialing_count;
    uint64_t look_at_ms, look_step_ms;
    uint64_t frames_in_count, frames_out_count;
    uint32_t up_dialed_count, up_accepted_count;
    int descriptors_max;
    uint64_t descriptors_refused_before; /* by others, before these links were made */

    uv_mutex_t lock; /* guards what follows; held for a few instructions, never around nng */
    struct node_link *buckets[NODE_LINK_BUCKETS];
    struct node_link_budget budget;
    uint32_t accepted_count;
    uint32_t live_count; /* struct node_link that exist, dialed and accepted */
    uint64_t refused_budget_count, refused_address_count;
    bool is_closing; /* written by the loop under the lock, read by it without */

    bool is_ending; /* all links are gone; what is left of nng is closed */
    bool is_timer_closed, is_last_handled;
    struct node_inbox_item last;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

/* link_wire.c: nng's threads post, the loop handles */

/* Arms the receiver. BASE_OK, BASE_ENOMEM. */
int node_link__receive_start(struct node_link_receiver *receiver, struct node_links *links,
                             struct node_link *link, nng_socket socket);
/* Stops it; with is_draining, what nng has received already is posted first. */
void node_link__receive_stop(struct node_link_receiver *receiver, bool is_draining);
/* Registers the pipe events of a socket; link is NULL for the listening one. 0 or nng's error. */
int node_link__notify_accepted(struct node_links *links, nng_socket socket);
int node_link__notify_dialed(struct node_link *link, nng_socket socket);
/* The callback of a link's send operation; arg is the link. */
void node_link__on_sent(void *arg);
/* Ends the connection of a link that has a pipe; REM_POST, and with it `removed`, follows. False
 * if there is no pipe, and will be none. */
bool node_link__shut(struct node_link *link);
/* "192.0.2.1:7946" or "[2001:db8::1]:7946"; "" for another family. */
void node_link__format_address(char *out, size_t cap, const struct sockaddr *address);

/* link_dial.c, on the loop */

/* Takes the link from RESOLVING to an attempt that runs, or fails it. */
void node_link__dial_start(struct node_link *link);
/* Is no longer dialing: up, or closing. */
void node_link__dial_leave(struct node_link *link);
void node_link__on_dial_timer(uv_timer_t *timer);

/* link_nng.c, on the loop: what the items mean */
void node_link__added(struct node_link *link);
void node_link__opened(struct node_link *link);
void node_link__removed(struct node_link *link);
void node_link__sent(struct node_link *link);
void node_link__arrived(struct node_links *links, struct node_link *link, nng_msg *msg);
/* Closes a link whose opening failed, or that must not go on. */
void node_link__fail(struct node_link *link, enum node_link_why why);
/* Frees the link if nothing refers to it any more. */
void node_link__free_if_done(struct node_link *link);

#endif
