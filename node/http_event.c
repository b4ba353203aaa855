#include "node/http_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_CHUNK_BYTES ((size_t)16 << 10)
#define EVENT_TEXT_EXTRA   160 /* id, event and line ends around the data */

/* ---- the ring ---- */

static uint64_t ring_oldest(const struct node_http *http)
{
    return http->event_next > NODE_HTTP_EVENTS_MAX ? http->event_next - NODE_HTTP_EVENTS_MAX : 1;
}

static void event_text(struct base_buf *out, const struct node_http *http, uint64_t seq,
                       const char *type, const char *json, size_t json_len)
{
    static const char too_long[] = "{\"ev\":\"too_long\"}";
    bool is_long = json_len > NODE_HTTP_EVENT_BYTES_MAX;
    base_buf_printf(out, "id: %llx-%llu\nevent: %s\ndata: ", (unsigned long long)http->config.boot,
                    (unsigned long long)seq, type);
    base_buf_append(out, is_long ? too_long : json, is_long ? sizeof too_long - 1 : json_len);
    base_buf_puts(out, "\n\n");
}

void node_http_event(struct node_http *http, const char *type, const char *json, size_t json_len)
{
    struct base_buf text;
    assert(http != NULL && type != NULL && json != NULL);
    assert(strlen(type) <= 32 && memchr(json, '\n', json_len) == NULL);
    base_buf_init(&text, NODE_HTTP_EVENT_BYTES_MAX + EVENT_TEXT_EXTRA);
    pthread_mutex_lock(&http->mutex);
    struct node__event *event = &http->events[http->event_next % NODE_HTTP_EVENTS_MAX];
    event_text(&text, http, http->event_next, type, json, json_len);
    char *copy = text.failed ? NULL : strndup(text.data, text.len);
    free(event->text);
    event->text = copy; /* NULL when memory is short: a stream passes over it */
    event->len = copy == NULL ? 0 : text.len;
    http->event_next++;
    for (struct node__http_request *request = http->waiting, *next; request != NULL;
         request = next) {
        next = request->next;
        if (request->is_stream) node__http_resume(request);
    }
    pthread_mutex_unlock(&http->mutex);
    base_buf_deinit(&text);
}

void node__http_events_free(struct node_http *http)
{
    for (size_t i = 0; i < NODE_HTTP_EVENTS_MAX; i++)
        free(http->events[i].text);
}

/* ---- a stream ---- */

/* Fills request->out with what is due; the mutex is held. False: nothing is. */
static bool stream_fill(struct node__http_request *request)
{
    struct node_http *http = request->http;
    uint64_t oldest = ring_oldest(http);
    base_buf_clear(&request->out);
    request->out_pos = 0;
    if (request->next_seq < oldest) {
        base_buf_printf(&request->out, "event: gap\ndata: {\"ev\":\"gap\",\"missed\":%llu}\n\n",
                        (unsigned long long)(oldest - request->next_seq));
        request->next_seq = oldest;
    }
    while (request->next_seq < http->event_next && request->out.len < STREAM_CHUNK_BYTES) {
        const struct node__event *event = &http->events[request->next_seq % NODE_HTTP_EVENTS_MAX];
        base_buf_append(&request->out, event->text == NULL ? "" : event->text, event->len);
        request->next_seq++;
    }
    if (request->out.len == 0 && request->is_due) base_buf_puts(&request->out, ": keep-alive\n\n");
    request->is_due = false;
    return request->out.len > 0;
}

/* microhttpd asks for bytes. With nothing to say the connection is suspended, until an event or the
 * clock thread wakes it. */
static ssize_t stream_read(void *cls, uint64_t pos, char *out, size_t cap)
{
    struct node__http_request *request = cls;
    struct node_http *http = request->http;
    ssize_t rv = 0;
    (void)pos;
    if (request->out_pos == request->out.len) {
        pthread_mutex_lock(&http->mutex);
        if (http->is_stopping)
            rv = MHD_CONTENT_READER_END_OF_STREAM;
        else if (!stream_fill(request))
            node__http_suspend(request, node__http_now_ms() + http->config.keepalive_ms);
        pthread_mutex_unlock(&http->mutex);
        if (rv != 0) return rv;
    }
    size_t left = request->out.len - request->out_pos;
    size_t len = left < cap ? left : cap;
    memcpy(out, request->out.data + request->out_pos, len);
    request->out_pos += len;
    return (ssize_t)len;
}

/* "<boot>-<seq>", as in our ids; false for one of another process or of none. */
static bool event_id_parse(uint64_t *seq, const struct node_http *http, const char *text)
{
    char *end;
    if (strspn(text, "0123456789abcdef") == 0) return false;
    if (strtoull(text, &end, 16) != http->config.boot || *end != '-') return false;
    if (strspn(end + 1, "0123456789") != strlen(end + 1) || end[1] == '\0') return false;
    *seq = strtoull(end + 1, NULL, 10);
    return true;
}

/* Where a new stream begins: behind Last-Event-ID; at the oldest when that is another process's
 * (with a gap told); else ?last=N events back; else now. The mutex is held. */
static void stream_seek(struct node__http_request *request)
{
    struct node_http *http = request->http;
    uint64_t oldest = ring_oldest(http), seq;
    const char *id = MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, "Last-Event-ID");
    const char *last = MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, "last");
    request->next_seq = http->event_next;
    if (id != NULL && event_id_parse(&seq, http, id) && seq < http->event_next) {
        request->next_seq = seq + 1;
    } else if (id != NULL) {
        request->next_seq = oldest;
        base_buf_puts(&request->out, "event: gap\ndata: {\"ev\":\"gap\",\"restarted\":true}\n\n");
    } else if (last != NULL) {
        uint64_t count = strtoull(last, NULL, 10), kept = http->event_next - oldest;
        request->next_seq -= count < kept ? count : kept;
    }
}

enum MHD_Result node__http_stream_start(struct node__http_request *request)
{
    struct node_http *http = request->http;
    if (request->is_head) /* microhttpd would end the body that is not there with a chunk */
        return node__http_answer(request, MHD_HTTP_OK, "text/event-stream", "", 0, NULL, NULL);
    pthread_mutex_lock(&http->mutex);
    bool is_full = request->listener->stream_count >= http->config.stream_max;
    if (!is_full) {
        request->listener->stream_count++;
        request->is_stream = true;
        base_buf_init(&request->out, 4 * STREAM_CHUNK_BYTES);
        base_buf_puts(&request->out, ": nftmesh events\nretry: 2000\n\n");
        stream_seek(request);
    }
    pthread_mutex_unlock(&http->mutex);
    if (is_full)
        return node__http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                                 "too many event streams are open: try again later");
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_CHUNK_BYTES, stream_read, request, NULL);
    if (response == NULL) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    node__http_count(request, MHD_HTTP_OK);
    enum MHD_Result result = MHD_queue_response(request->mhd, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}
