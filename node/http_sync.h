#ifndef NFTMESH_NODE_HTTP_SYNC_H
#define NFTMESH_NODE_HTTP_SYNC_H

#include "base/buf.h"
#include "node/http_client.h"

/* One request at a time, for commands: a loop of its own that runs until the answer is there. */
struct node_http_sync;
int node_http_sync_new(struct node_http_sync **out, const char *ca_file); /* BASE_ENOMEM */
void node_http_sync_free(struct node_http_sync *sync);                    /* NULL is fine */
/* From another thread: the call under way ends with BASE_ECLOSED, and so does every later one. */
void node_http_sync_cancel(struct node_http_sync *sync);
bool node_http_sync_is_cancelled(const struct node_http_sync *sync);
/* No call goes on after ms milliseconds from now, however many there are; each is then
 * BASE_ETIMEOUT. Without it a call's own timeout_ms alone counts. */
void node_http_sync_deadline(struct node_http_sync *sync, uint64_t ms);

struct node_http_sync_answer {
    int status;                      /* 200, 404 .. */
    struct base_buf body;            /* deinit by the caller, whatever came */
    char text[NODE_HTTP_TEXT_BYTES]; /* why there is no answer */
};
/* request->body NULL: GET, else POST. BASE_OK or what node_http_answer has in err; answer->body is
 * made either way. */
int node_http_sync_call(struct node_http_sync *sync, struct node_http_sync_answer *answer,
                        const struct node_http_request *request);

#endif
