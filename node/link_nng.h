#ifndef NFTMESH_NODE_LINK_NNG_H
#define NFTMESH_NODE_LINK_NNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "node/inbox.h"

/* Frames between two processes, over nng's streams (tcp, ws, wss) and in SP's format for REQ and
 * REP (link_wire.h), so that either end may send at any time over one connection.
 *
 * What a link is: frames of up to NODE_LINK_FRAME_BYTES_MAX bytes, whole and in order, none twice.
 * What it is not: secret, or sure of whom it talks to. Keys, counters and the window of
 * unacknowledged frames are the session's, above. A peer that reads slowly is felt by `sent`,
 * after what the kernel's buffers hold (some MB).
 *
 * All functions are called on the loop thread, and all callbacks come there. No callback runs
 * inside of a call of this header. */
#define NODE_LINK_FRAME_BYTES_MAX 65536 /* larger ones close the link they came by */
#define NODE_LINK_QUEUE_MAX       64    /* frames that wait behind the one on its way */
#define NODE_LINK_URL_BYTES_MAX   256   /* with the terminating zero */
#define NODE_LINK_REMOTE_BYTES    64    /* "192.0.2.1:7946", "[2001:db8::1]:7946" */

typedef uint64_t node_link_id; /* generation << 32 | slot + 1, never reused; 0 is no link */

/* Why a link went down. Those marked (dial) come for links that were never up. */
enum node_link_why {
    NODE_LINK_WHY_NONE = 0,
    NODE_LINK_WHY_LOCAL,       /* we closed it: node_link_close(), node_links_close() */
    NODE_LINK_WHY_PEER,        /* the other side closed, or the connection broke */
    NODE_LINK_WHY_STUCK,       /* for node_link_close(): alive, but acknowledges nothing */
    NODE_LINK_WHY_TIMEOUT,     /* (dial) not connected within dial_timeout_ms */
    NODE_LINK_WHY_REFUSED,     /* (dial) nobody listens there, or the proxy said 4xx */
    NODE_LINK_WHY_UNREACHABLE, /* (dial) no route, or the connection broke while opening */
    NODE_LINK_WHY_NAME,        /* (dial) the name does not resolve */
    NODE_LINK_WHY_FORBIDDEN,   /* (dial) allow() refused each address of the name */
    NODE_LINK_WHY_TLS,         /* (dial) the certificate is not of this name or CA */
    NODE_LINK_WHY_PROTOCOL,    /* greeting or frames that are none; no websocket there */
    NODE_LINK_WHY_RESOURCES,   /* (dial) no memory, descriptor or thread left */
};
/* "peer", "timeout" ..; never NULL. */
const char *node_link_why_name(enum node_link_why why);

struct node_links_config {
    uint32_t unproved_max;         /* accepted links not yet proved; 0: 64 */
    uint32_t unproved_address_max; /* of these from one address (IPv6: one /64); 0: 8 */
    uint32_t accepted_max;         /* accepted links in all; 0: what the descriptors allow */
    uint32_t dials_max;            /* dials in flight; 0: 64 */
    uint32_t dial_timeout_ms;      /* name, connection, TLS and SP hello together; 0: 5000 */
    const char *ca_file;           /* PEM, for wss; NULL: /etc/ssl/certs/ca-certificates.crt */
};

struct node_links;

struct node_links_events {
    void *ctx;
    /* May node_link_dial() go there? Asked for each address that a name has, before the first
     * packet; the very address that was allowed is then dialed. NULL: every address. */
    bool (*allow)(void *ctx, const struct sockaddr *address);
    /* remote: see node_link_remote(). An accepted link is a stranger: nothing is known yet, and
     * it is the session that must close it if it stays silent. */
    void (*up)(void *ctx, node_link_id id, bool dialed, const char *remote);
    /* frame is borrowed for the call, hostile, and may be empty. */
    void (*frame)(void *ctx, node_link_id id, const uint8_t *frame, size_t len);
    /* A frame has left and the link takes the next one. A session that seals one frame and waits
     * for this call never has sealed frames queue up. May be NULL. */
    void (*sent)(void *ctx, node_link_id id);
    /* Exactly once for each node_link_dial() that gave an id and for each `up` of an accepted
     * link; the id is dead when it is called. */
    void (*down)(void *ctx, node_link_id id, enum node_link_why why);
};

/* Raises RLIMIT_NOFILE to its hard limit (at most 65,536) and keeps a part of the descriptors for
 * links that we open: an accepted connection beyond the rest is closed at once, whoever sent it.
 *
 * inbox   borrowed, must outlive the links. config and events are copied, strings too.
 * BASE_OK, BASE_ENOMEM, BASE_EIO. */
int node_links_new(struct node_links **out, uv_loop_t *loop, struct node_inbox *inbox,
                   const struct node_links_config *config, const struct node_links_events *events);

/* Listen at tcp://host:port or ws://host:port[/path]; IPv6 in brackets; port 0 takes a free one.
 * A ws listener on one address answers only requests whose Host is that address (nng); on
 * 0.0.0.0 or [::] it takes any name, which peers and reverse proxies need.
 * bound_port (may be NULL) gets the port.
 * BASE_OK; BASE_EINVAL for the URL, BASE_EEXIST when the address is taken, BASE_EIO. */
int node_links_listen(struct node_links *links, uint16_t *bound_port, const char *url);

/* Dial tcp://, ws:// or wss://. Names are resolved anew, allow() judges the addresses, and the
 * literal address is dialed; ws and wss keep the name in Host, SNI and the certificate check.
 * Then up or down follows, once. Retries and back-off are the caller's.
 * BASE_OK and *out; BASE_EINVAL for the URL; BASE_EFULL: dials_max are in flight; BASE_ENOMEM;
 * BASE_ECLOSED after node_links_close(). */
int node_link_dial(struct node_links *links, node_link_id *out, const char *url);
/* The same on our operator's own word: allow() is not asked. */
int node_link_dial_trusted(struct node_links *links, node_link_id *out, const char *url);

/* Takes a copy of the frame and sends it, or queues it behind the one on its way.
 * BASE_OK; BASE_EFULL: NODE_LINK_QUEUE_MAX wait; BASE_ETOOBIG; BASE_ECLOSED: the link is gone or
 * not up; BASE_ENOMEM. */
int node_link_send(struct node_links *links, node_link_id id, const uint8_t *frame, size_t len);

/* No frame of this link is shown, nor is anything read from it, until node_link_go_on(): the other
 * end feels it by what it can send. Its end may be noticed later. Ids that are gone: nothing. */
void node_link_hold(struct node_links *links, node_link_id id);
void node_link_go_on(struct node_links *links, node_link_id id);

/* Frames that wait or are on their way; 0 for an id that is gone. */
size_t node_link_queued_count(const struct node_links *links, node_link_id id);

/* No frame comes after this; `down` with this reason comes soon. Does nothing for an id that is
 * gone. What is queued is dropped: to let a last frame leave, wait for `sent` first. */
void node_link_close(struct node_links *links, node_link_id id, enum node_link_why why);

/* A member has proved itself on this link: it leaves the budget for strangers, and its address
 * is preferred there for the next 24 hours. */
void node_links_mark_proved(struct node_links *links, node_link_id id);

/* The other end as a literal with port, for logs; "" for an id that is gone or has none yet. */
const char *node_link_remote(const struct node_links *links, node_link_id id);
/* Its address; false when there is none. */
bool node_link_remote_address(const struct node_links *links, node_link_id id,
                              struct sockaddr_storage *out);

struct node_links_stats {
    uint32_t up_dialed_count, up_accepted_count, dialing_count, unproved_count;
    uint64_t refused_budget_count;     /* closed before a byte was read: too many strangers */
    uint64_t refused_address_count;    /* the same: too many from that address */
    uint64_t refused_descriptor_count; /* accepted connections closed to keep descriptors */
    uint64_t frames_in_count, frames_out_count;
    uint32_t descriptors_open_count, descriptors_max; /* the process's; silent strangers count */
    uint32_t descriptors_accept_max; /* with so many open nobody is accepted: the rest is kept */
};
void node_links_stats(struct node_links *links, struct node_links_stats *out);

/* Closes all links (each `down` comes) and listeners, then frees links and calls on_closed (may
 * be NULL), after some turns of the loop. Once. The inbox may be closed in on_closed. */
void node_links_close(struct node_links *links, void (*on_closed)(void *ctx), void *ctx);

#endif
