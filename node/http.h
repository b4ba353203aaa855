#ifndef NFTMESH_NODE_HTTP_H
#define NFTMESH_NODE_HTTP_H

#include "base/buf.h"
#include "node/config.h"
#include "node/metrics.h"
#include "node/view.h"
#include <jansson.h>

/* The HTTP surfaces, on threads of their own:
 *
 *   control   <data-dir>/control.sock, mode 0600: every route, the writing ones too
 *   http      --http H:P: reading, Host checked; the prototype's writing routes with a token
 *   bootstrap --bootstrap-http H:P: /info alone, any Host
 *
 * Reading routes answer from the published node_view, so they answer when the loop is stuck; and
 * /livez says that it is. Writing routes, and /contract-info, become a command for the loop: the
 * connection is suspended until node_http_complete(), 10 s at most, 10 minutes where a receipt is
 * waited for (then 504). */
#define NODE_HTTP_BODY_BYTES_MAX          ((size_t)64 << 10)
#define NODE_HTTP_EVENTS_MAX              1024
#define NODE_HTTP_EVENT_BYTES_MAX         8192
#define NODE_HTTP_TOKEN_BYTES_MIN         16
#define NODE_HTTP_WHY_BYTES               512
#define NODE_HTTP_EVENT_NAME_BYTES_MAX    64
#define NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX 512

enum node_command_kind {
    NODE_COMMAND_UNDECIDED = 0,
    NODE_COMMAND_JOIN,          /* url */
    NODE_COMMAND_EVENT,         /* name, payload */
    NODE_COMMAND_LEAVE,         /* nothing */
    NODE_COMMAND_CONTRACT_INFO, /* nothing; changes nothing either */
    NODE_COMMAND_TRUST_ACCEPT,  /* nothing */
    NODE_COMMAND_TAGS,          /* body: {"set":{k:v},"delete":[k]}, strings checked */
    NODE_COMMAND_REGISTER,      /* body: an object, for the node to judge; the prototype's too */
    NODE_COMMAND_MINT,          /* body: an object, for the node to judge */
    NODE_COMMAND_BINDING,       /* body: an object: sign a Binding with N and D */
    NODE_COMMAND_AUTHORIZE,     /* body: an object: sign an Authorisation with N and D */
    NODE_COMMAND_CONSENSUS_ASK, /* path, key, wants_certificate; changes nothing */
    NODE_COMMAND_CONSENSUS_TELL /* path; body: an object, for the node to judge */
};
#define NODE_HTTP_KEY_BYTES_MAX 128
struct node_command { /* read-only for the loop until it completes the command */
    enum node_command_kind kind;
    const char *path; /* the route that was asked; static */
    const char *url;
    const char *name;
    uint8_t payload[NODE_HTTP_EVENT_PAYLOAD_BYTES_MAX];
    size_t payload_len;
    const json_t *body;                    /* an object, or NULL where the table above names none */
    char key[NODE_HTTP_KEY_BYTES_MAX + 1]; /* ?key=, or empty */
    bool wants_certificate;                /* ?certificate */
};

struct node_http_config {             /* strings borrowed for the call of node_http_new only */
    const char *control_path;         /* NULL: no control socket */
    const struct node_endpoint *http; /* NULL: off. Port 0: any free one */
    const struct node_endpoint *bootstrap;
    const char *const *hosts; /* further names for the Host header of http */
    size_t host_count;
    const char *token; /* NULL: no writing route over TCP. At least NODE_HTTP_TOKEN_BYTES_MIN */
    struct node_view_slot *view;     /* borrowed until node_http_free */
    struct node_metrics *metrics;    /* borrowed until node_http_free */
    struct node_metrics_build build; /* strings borrowed until node_http_free */
    /* Monotonic ms of the loop's last turn; the loop touches it at least every 500 ms. NULL in
     * tests: always alive. */
    const _Atomic uint64_t *loop_turn_ms;
    /* Hands a command to the loop; called on an HTTP thread, must not block. BASE_OK: the command
     * is the loop's until node_http_complete(). An error: nobody will complete it (503). */
    int (*submit)(void *ctx, struct node_command *command);
    void *ctx;
    uint64_t boot; /* goes into event ids, so that ids of another process are told apart */
    /* 0 takes the default in brackets; tests set smaller ones. */
    uint32_t connection_max;     /* [64] a listener */
    uint32_t stream_max;         /* [32] connections of a listener that may be event streams */
    uint32_t request_timeout_ms; /* [10000] from connect or last answer to a whole request */
    uint32_t idle_timeout_s;     /* [15] without any progress */
    uint32_t command_timeout_ms; /* [10000] */
    uint32_t wallet_timeout_ms;  /* [600000] of those that wait for receipts */
    uint32_t keepalive_ms;       /* [15000] comment on a silent event stream */
};
struct node_http;

/* why: one line that names the listener and what to do. BASE_EIO, BASE_EINVAL, BASE_ENOMEM. */
int node_http_new(struct node_http **out, const struct node_http_config *config,
                  char why[NODE_HTTP_WHY_BYTES]);
/* Closes listeners and connections, joins threads, removes the control socket. Commands that the
 * loop still holds may be completed afterwards. NULL is fine. */
void node_http_free(struct node_http *http);
uint16_t node_http_port(const struct node_http *http);           /* 0 when off */
uint16_t node_http_bootstrap_port(const struct node_http *http); /* 0 when off */

/* Answers a command and gives it back; json is copied (json_len bytes). Thread-safe. status 200,
 * 202, 400, 403, 404, 409, 501, 503 .. . Error bodies look like {"detail":".."}. */
void node_http_complete(struct node_command *command, unsigned status, const char *json,
                        size_t json_len);
/* {"detail":"text"} */
void node_http_fail(struct node_command *command, unsigned status, const char *text);

/* Puts one event into the ring behind /v1/events. type [a-z_]{1,32}; json is one line, copied.
 * Longer than NODE_HTTP_EVENT_BYTES_MAX: replaced by a note that it was. Thread-safe. */
void node_http_event(struct node_http *http, const char *type, const char *json, size_t json_len);

#endif
