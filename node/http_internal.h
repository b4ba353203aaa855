#ifndef NFTMESH_NODE_HTTP_INTERNAL_H
#define NFTMESH_NODE_HTTP_INTERNAL_H

#include "node/http.h"

#include <microhttpd.h>
#include <pthread.h>

/* Shared by http.c (threads and connections), http_route.c (who may ask what),
 * http_command.c (writing routes) and http_event.c (the stream).
 *
 * Threads: one of microhttpd's a listener, one clock thread of ours, and whoever calls
 * node_http_event() and node_http_complete(). http->mutex guards everything below that says so;
 * it is taken before microhttpd's own locks, never inside of them. */
enum node__listener { /* bits */
                      NODE__CONTROL = 1,
                      NODE__HTTP = 2,
                      NODE__BOOTSTRAP = 4
};
#define NODE__LISTENERS 3

enum node__route_kind {
    NODE__ROUTE_ROOT,
    NODE__ROUTE_HEALTH,
    NODE__ROUTE_PEERS_PROTOTYPE,
    NODE__ROUTE_INFO,
    NODE__ROUTE_DOCS,
    NODE__ROUTE_OPENAPI,
    NODE__ROUTE_METRICS,
    NODE__ROUTE_LIVEZ,
    NODE__ROUTE_READYZ,
    NODE__ROUTE_STATUS,
    NODE__ROUTE_MEMBERS,
    NODE__ROUTE_PEERS,
    NODE__ROUTE_WHY,
    NODE__ROUTE_EVENTS,
    NODE__ROUTE_ASK,    /* reading, answered by the loop */
    NODE__ROUTE_COMMAND /* writing, done by the loop */
};
struct node__route {
    const char *method, *path;
    unsigned where; /* bits of enum node__listener */
    enum node__route_kind kind;
    enum node_command_kind command;
};

struct node__http_listener {
    struct node_http *http;
    struct MHD_Daemon *daemon;
    enum node__listener kind;
    uint16_t port;
    char host[NODE_HOST_BYTES_MAX + 1]; /* as bound; empty for the control socket */
    uint32_t stream_count;              /* under the mutex */
};

/* One TCP or unix connection; lives from microhttpd's STARTED to its CLOSED, and its descriptor
 * with it. All under the mutex. */
struct node__http_conn {
    struct node__http_conn *next, **link;
    uint64_t deadline_ms; /* 0: none; past it the clock thread shuts the socket */
    int fd;
};

struct node__command; /* http_command.c */

struct node__http_request {
    struct node_http *http;
    struct node__http_listener *listener;
    struct MHD_Connection *mhd;
    const struct node__route *route; /* NULL when refused at once */
    struct base_buf body;
    struct base_buf out; /* of a stream: what is still to be copied */
    size_t out_pos;
    bool is_head;
    bool is_stream;
    uint64_t next_seq; /* of a stream: the event that comes next */
    /* Under the mutex: */
    struct node__http_request *next, **link; /* among the waiting */
    bool is_suspended;
    uint64_t wake_ms; /* of a waiting one */
    bool is_due;      /* the clock thread woke it: keep-alive, or a command's time is over */
    struct node__command *command;
};

struct node__event {
    char *text; /* "id: ..\nevent: ..\ndata: ..\n\n" */
    size_t len;
};

struct node_http {
    _Atomic uint32_t refs; /* one of the owner, one of each command */
    pthread_mutex_t mutex;
    pthread_cond_t cond; /* a deadline came closer, or stop */
    pthread_t clock_thread;
    bool has_clock_thread;
    bool is_stopping;
    struct node__http_listener listeners[NODE__LISTENERS];
    size_t listener_count;
    struct node__http_conn *conns;
    struct node__http_request *waiting;
    struct node__event events[NODE_HTTP_EVENTS_MAX]; /* seq % max */
    uint64_t event_next;                             /* the first one is 1 */
    char *control_path;
    char **hosts;
    size_t host_count;
    bool has_token;
    struct base_hash32 token_hash;
    struct node_http_config config; /* only what is not copied above */
};

uint64_t node__http_now_ms(void);
uint64_t node__http_wall_ms(void);
void node__http_unref(struct node_http *http);

/* Answers, with the headers that all answers have, and one more (NULL: none; a policy replaces the
 * strictest one). Returns what the access handler returns. */
enum MHD_Result node__http_answer(struct node__http_request *request, unsigned status,
                                  const char *type, const char *text, size_t len,
                                  const char *header, const char *value);
void node__http_count(const struct node__http_request *request, unsigned status);
/* {"detail":"text"} */
enum MHD_Result node__http_refuse(struct node__http_request *request, unsigned status,
                                  const char *text);
/* Suspends or resumes; the mutex is held. Suspend is refused (false) while stopping. */
bool node__http_suspend(struct node__http_request *request, uint64_t wake_ms);
void node__http_resume(struct node__http_request *request);

/* http_route.c: a request's headers are there. Sets request->route and returns true, or answers
 * it (*result). Later, when the body is there too: answer it. */
bool node__http_route_admit(struct node__http_request *request, const char *path,
                            const char *method, enum MHD_Result *result);
enum MHD_Result node__http_route_answer(struct node__http_request *request);

/* http_command.c: the first call parses, submits and suspends, the next one answers. */
enum MHD_Result node__http_command_run(struct node__http_request *request);
void node__http_command_forget(struct node__command *command); /* the connection is gone */

/* http_event.c */
enum MHD_Result node__http_stream_start(struct node__http_request *request);
void node__http_events_free(struct node_http *http);

#endif
