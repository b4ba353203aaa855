#ifndef NFTMESH_NODE_HTTP_CLIENT_H
#define NFTMESH_NODE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

/* Requests to RPC endpoints, the guest agent (unix socket) and bootstrap nodes, on the loop.
 *
 * http and https only, certificates verified, no redirect followed, no proxy and no .netrc from
 * the environment, no cookie kept, the answer bounded. Connections are kept for the next request
 * to the same endpoint; a client without requests in flight has no timer. Loop thread only; no
 * callback runs inside of a call of this header. */
#define NODE_HTTP_URL_BYTES_MAX 2048 /* with the terminating zero */
#define NODE_HTTP_HEADERS_MAX   8
#define NODE_HTTP_ORIGIN_BYTES  288
#define NODE_HTTP_TEXT_BYTES    640

struct node_http_client;

struct node_http_request {
    const char *url;
    const char *unix_socket; /* path, or NULL. The URL's host then only names the Host header */
    const char *headers[NODE_HTTP_HEADERS_MAX]; /* "Name: value"; up to the first NULL */
    const void *body;                           /* of a post; copied */
    size_t body_len;
    const char *content_type; /* of a post; NULL: application/json */
    size_t answer_bytes_max;  /* a longer body ends the request with BASE_ETOOBIG */
    uint32_t timeout_ms;      /* for all of it, from name to last byte; 0 is not allowed */
    /* May we connect to this address? NULL: to any. Not asked for unix sockets. */
    bool (*allow)(void *ctx, const struct sockaddr *address);
    void *allow_ctx;
    /* For a body without an end (an event stream): a 200's body is handed over as it comes, with
     * the answer's ctx, and is neither kept nor bounded; timeout_ms then bounds the connecting and
     * each silence, in whole seconds. NULL: the body comes with the answer. Nothing of this header
     * may be called from inside. */
    void (*on_bytes)(void *ctx, const uint8_t *data, size_t len);
};

struct node_http_answer {
    /* BASE_OK: an answer came, of whatever status. Otherwise none did, and text says why:
     * BASE_ETIMEOUT, BASE_EREFUSED (nobody listens, or allow() said no), BASE_ENOTFOUND (name),
     * BASE_ETOOBIG, BASE_EAUTH (certificate), BASE_EMALFORMED (not HTTP), BASE_ECLOSED (broke
     * off, or the client was closed), BASE_ENOMEM, BASE_EIO. */
    int err;
    int status;          /* 200, 404 ..; 3xx is an answer like any other. 0 if there is none */
    const uint8_t *body; /* borrowed for the call; followed by a zero byte that len leaves out */
    size_t body_len;
    /* One line for a log, e.g. "https://rpc.example:8545: Couldn't connect to server: Connection
     * refused". Never has the URL's user, path or query: keys are often there. "" when err is
     * BASE_OK. */
    const char *text;
};
typedef void (*node_http_answer_fn)(void *ctx, const struct node_http_answer *answer);

/* ca_file  PEM, copied; NULL: the system's. BASE_OK, BASE_ENOMEM, BASE_EIO. */
int node_http_client_new(struct node_http_client **out, uv_loop_t *loop, const char *ca_file);

/* Starts a request; fn comes once, later. The request and all that it points to are copied (allow
 * and allow_ctx must live until fn).
 * BASE_OK; BASE_EINVAL: URL, header or a zero time-out; BASE_ENOMEM; BASE_ECLOSED. fn is then
 * not called. id (may be NULL) is for node_http_client_cancel(). */
int node_http_client_get(struct node_http_client *client, uint64_t *id,
                         const struct node_http_request *request, node_http_answer_fn fn,
                         void *ctx);
int node_http_client_post(struct node_http_client *client, uint64_t *id,
                          const struct node_http_request *request, node_http_answer_fn fn,
                          void *ctx);

/* Gives a request up: fn is not called any more. Does nothing for one that has ended. */
void node_http_client_cancel(struct node_http_client *client, uint64_t id);

/* Requests in flight. */
size_t node_http_client_count(const struct node_http_client *client);

/* "https://host:port" of a URL, for logs: no user, path or query. "?" if it is none of ours. */
void node_http_origin(char out[NODE_HTTP_ORIGIN_BYTES], const char *url);

/* Ends what is in flight with BASE_ECLOSED (on a later turn of the loop), frees the client, calls
 * on_closed (may be NULL). Once. */
void node_http_client_close(struct node_http_client *client, void (*on_closed)(void *ctx),
                            void *ctx);

#endif
