#include "node/http_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "node/url.h"

#define CONNECTIONS_KEPT 32L

struct transfer {
    struct transfer *next;
    struct node_http_client *client;
    uint64_t id;
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    uint8_t *data; /* the answer so far, always followed by a zero byte */
    size_t len, cap, max;
    bool too_big, forbidden;
    node_http_answer_fn fn;
    void *ctx;
    void (*on_bytes)(void *ctx, const uint8_t *data, size_t len);
    bool (*allow)(void *ctx, const struct sockaddr *address);
    void *allow_ctx;
    char origin[NODE_HTTP_ORIGIN_BYTES];
    char error[CURL_ERROR_SIZE];
};
struct node_http_client {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi;
    char *ca_file;
    struct transfer *transfers;
    size_t count;
    uint64_t next_id;
    bool closing;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};
struct watch { /* one socket of curl's, seen by the loop */
    uv_poll_t poll;
    struct node_http_client *client;
    curl_socket_t fd;
};

/* The path is cut off before anything looks at it: only what is in front can be shown. */
void node_http_origin(char out[NODE_HTTP_ORIGIN_BYTES], const char *url)
{
    struct node_url parsed;
    const char *host = strstr(url, "://");
    char front[NODE_HTTP_ORIGIN_BYTES];
    size_t len = host != NULL ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
    snprintf(out, NODE_HTTP_ORIGIN_BYTES, "?");
    if (len >= sizeof front) return;
    memcpy(front, url, len);
    front[len] = '\0';
    if (node_url_parse(&parsed, front) != BASE_OK) return;
    if (strcmp(parsed.scheme, "http") != 0 && strcmp(parsed.scheme, "https") != 0) return;
    node_url_origin(out, NODE_HTTP_ORIGIN_BYTES, &parsed);
}

/* ---- ends of a transfer ---- */

static void transfer_free(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    free(t->body);
    free(t->data);
    free(t);
}

static void transfer_unlink(struct transfer *t)
{
    struct transfer **at = &t->client->transfers;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    t->client->count--;
}

static int err_of(CURLcode code)
{
    switch ((int)code) {
    case CURLE_OPERATION_TIMEDOUT:
        return BASE_ETIMEOUT;
    case CURLE_COULDNT_CONNECT:
        return BASE_EREFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return BASE_ENOTFOUND;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return BASE_EAUTH;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return BASE_ECLOSED;
    case CURLE_OUT_OF_MEMORY:
        return BASE_ENOMEM;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        return BASE_EMALFORMED;
    default:
        return BASE_EIO;
    }
}

static void finish(struct transfer *t, CURLcode code)
{
    struct node_http_client *c = t->client;
    char text[NODE_HTTP_TEXT_BYTES] = "";
    struct node_http_answer answer = {.text = text};
    long status = 0;
    if (t->too_big) {
        answer.err = BASE_ETOOBIG;
        snprintf(text, sizeof text, "%s: the answer is above %zu bytes", t->origin, t->max);
    } else if (t->forbidden) {
        answer.err = BASE_EREFUSED;
        snprintf(text, sizeof text, "%s: its address is not allowed", t->origin);
    } else if (code != CURLE_OK) {
        answer.err = err_of(code);
        snprintf(text, sizeof text, "%s: %.120s%s%.200s", t->origin, curl_easy_strerror(code),
                 t->error[0] != '\0' ? ": " : "", t->error);
    } else {
        static const uint8_t nothing[1];
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        answer.status = (int)status;
        answer.body = t->data != NULL ? t->data : nothing;
        answer.body_len = t->len;
    }
    curl_multi_remove_handle(c->multi, t->easy);
    transfer_unlink(t);
    t->fn(t->ctx, &answer);
    transfer_free(t);
}

static void take_done(struct node_http_client *c)
{
    CURLMsg *msg;
    int left;
    while (!c->closing && (msg = curl_multi_info_read(c->multi, &left)) != NULL) {
        char *found = NULL;
        if (msg->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &found);
        finish((struct transfer *)(void *)found, msg->data.result);
    }
}

/* ---- curl's timer and sockets on the loop ---- */

static void on_timeout(uv_timer_t *timer);

/* From now, not from when this turn of the loop began. */
static void start_timer(struct node_http_client *c, long ms)
{
    uv_update_time(c->timer.loop);
    uv_timer_start(&c->timer, on_timeout, ms == 0 ? 1 : (uint64_t)ms, 0);
}

static void on_timeout(uv_timer_t *timer)
{
    struct node_http_client *c = timer->data;
    long ms = -1;
    int running;
    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    /* uv counts whole milliseconds and curl finer ones: a timer that fires a fraction too early
     * finds nothing due, and curl, whose time has not changed, does not ask for another. */
    if (!uv_is_active((uv_handle_t *)timer) && curl_multi_timeout(c->multi, &ms) == CURLM_OK &&
        ms >= 0)
        start_timer(c, ms);
    take_done(c);
}

static int on_set_timer(CURLM *multi, long ms, void *ctx)
{
    struct node_http_client *c = ctx;
    (void)multi;
    if (c->closing) return 0;
    if (ms < 0)
        uv_timer_stop(&c->timer);
    else
        start_timer(c, ms);
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    struct node_http_client *c = w->client;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;
    if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(c->multi, w->fd, flags, &running);
    take_done(c);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watch *watch_new(struct node_http_client *c, curl_socket_t fd)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL) return NULL;
    w->client = c;
    w->fd = fd;
    if (uv_poll_init_socket(c->loop, &w->poll, fd) != 0) {
        free(w);
        return NULL;
    }
    w->poll.data = w;
    curl_multi_assign(c->multi, fd, w);
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct node_http_client *c = ctx;
    struct watch *w = known;
    int events = 0;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w == NULL) return 0;
        uv_poll_stop(&w->poll);
        uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        curl_multi_assign(c->multi, fd, NULL);
        return 0;
    }
    if (w == NULL) w = watch_new(c, fd);
    if (w == NULL) return -1;
    if (what & CURL_POLL_IN) events |= UV_READABLE;
    if (what & CURL_POLL_OUT) events |= UV_WRITABLE;
    return uv_poll_start(&w->poll, events, on_poll) == 0 ? 0 : -1;
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = ctx;
    (void)purpose;
    if (t->allow != NULL && !t->allow(t->allow_ctx, &address->addr)) {
        t->forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_write(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * count;
    long status = 0;
    if (t->on_bytes != NULL) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        t->on_bytes(t->ctx, (const uint8_t *)data, len);
        return len;
    }
    if (len > t->max - t->len) {
        t->too_big = true;
        return 0;
    }
    if (t->len + len + 1 > t->cap) {
        size_t cap = t->cap > 0 ? t->cap : 1024;
        while (cap < t->len + len + 1)
            cap *= 2;
        uint8_t *grown = realloc(t->data, cap);
        if (grown == NULL) return 0;
        t->data = grown;
        t->cap = cap;
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = 0;
    return len;
}

/* ---- a request ---- */

static int add_header(struct transfer *t, const char *line)
{
    if (strpbrk(line, "\r\n") != NULL || strchr(line, ':') == NULL) return BASE_EINVAL;
    struct curl_slist *grown = curl_slist_append(t->headers, line);
    if (grown == NULL) return BASE_ENOMEM;
    t->headers = grown;
    return BASE_OK;
}

static int add_body(struct transfer *t, const struct node_http_request *r)
{
    char type[128];
    t->body = malloc(r->body_len > 0 ? r->body_len : 1);
    if (t->body == NULL) return BASE_ENOMEM;
    if (r->body_len > 0) memcpy(t->body, r->body, r->body_len);
    snprintf(type, sizeof type, "Content-Type: %.100s",
             r->content_type != NULL ? r->content_type : "application/json");
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body);
    int rv = add_header(t, type);
    return rv == BASE_OK ? add_header(t, "Expect:") : rv; /* no round trip to be let in */
}

static void set_options(struct transfer *t, const struct node_http_request *r)
{
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_URL, r->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    if (r->on_bytes == NULL) {
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    } else {
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)r->timeout_ms);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(r->timeout_ms + 999) / 1000);
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Or curl waits, on our loop, for a resolver whose server does not answer. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* none, whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
    if (r->unix_socket != NULL) curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, r->unix_socket);
    if (t->client->ca_file != NULL) curl_easy_setopt(easy, CURLOPT_CAINFO, t->client->ca_file);
}

static int check(const struct node_http_client *c, const struct node_http_request *r)
{
    if (c->closing) return BASE_ECLOSED;
    if (r->url == NULL || strlen(r->url) >= NODE_HTTP_URL_BYTES_MAX || r->timeout_ms == 0)
        return BASE_EINVAL;
    if (strncmp(r->url, "http://", 7) != 0 && strncmp(r->url, "https://", 8) != 0)
        return BASE_EINVAL;
    return BASE_OK;
}

static int start(struct node_http_client *c, uint64_t *id, const struct node_http_request *r,
                 node_http_answer_fn fn, void *ctx, bool post)
{
    int rv = check(c, r);
    if (rv != BASE_OK) return rv;
    struct transfer *t = calloc(1, sizeof *t);
    if (t == NULL) return BASE_ENOMEM;
    t->client = c;
    t->fn = fn;
    t->ctx = ctx;
    t->max = r->answer_bytes_max;
    t->on_bytes = r->on_bytes;
    t->allow = r->unix_socket == NULL ? r->allow : NULL;
    t->allow_ctx = r->allow_ctx;
    t->id = c->next_id++;
    node_http_origin(t->origin, r->url);
    t->easy = curl_easy_init();
    if (t->easy == NULL) rv = BASE_ENOMEM;
    if (rv == BASE_OK) set_options(t, r);
    if (rv == BASE_OK && post) rv = add_body(t, r);
    for (size_t i = 0; rv == BASE_OK && i < NODE_HTTP_HEADERS_MAX && r->headers[i] != NULL; i++)
        rv = add_header(t, r->headers[i]);
    if (rv == BASE_OK) {
        curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
        if (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK) rv = BASE_ENOMEM;
    }
    if (rv != BASE_OK) {
        transfer_free(t);
        return rv;
    }
    t->next = c->transfers;
    c->transfers = t;
    c->count++;
    if (id != NULL) *id = t->id;
    return BASE_OK;
}

int node_http_client_get(struct node_http_client *client, uint64_t *id,
                         const struct node_http_request *request, node_http_answer_fn fn, void *ctx)
{
    return start(client, id, request, fn, ctx, false);
}

int node_http_client_post(struct node_http_client *client, uint64_t *id,
                          const struct node_http_request *request, node_http_answer_fn fn,
                          void *ctx)
{
    return start(client, id, request, fn, ctx, true);
}

void node_http_client_cancel(struct node_http_client *client, uint64_t id)
{
    struct transfer *t = client->transfers;
    while (t != NULL && t->id != id)
        t = t->next;
    if (t == NULL) return;
    curl_multi_remove_handle(client->multi, t->easy);
    transfer_unlink(t);
    transfer_free(t);
}

size_t node_http_client_count(const struct node_http_client *client)
{
    return client->count;
}

/* ---- the client ---- */

int node_http_client_new(struct node_http_client **out, uv_loop_t *loop, const char *ca_file)
{
    struct node_http_client *c = calloc(1, sizeof *c);
    if (c == NULL) return BASE_ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(c);
        return BASE_EIO;
    }
    c->loop = loop;
    c->next_id = 1;
    c->multi = curl_multi_init();
    c->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
    if (c->multi == NULL || (ca_file != NULL && c->ca_file == NULL)) {
        if (c->multi != NULL) curl_multi_cleanup(c->multi);
        free(c->ca_file);
        free(c);
        return BASE_ENOMEM;
    }
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    *out = c;
    return BASE_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct node_http_client *c = handle->data;
    while (c->transfers != NULL) {
        struct transfer *t = c->transfers;
        char text[NODE_HTTP_TEXT_BYTES];
        struct node_http_answer answer = {.err = BASE_ECLOSED, .text = text};
        snprintf(text, sizeof text, "%s: given up", t->origin);
        curl_multi_remove_handle(c->multi, t->easy);
        transfer_unlink(t);
        t->fn(t->ctx, &answer);
        transfer_free(t);
    }
    curl_multi_cleanup(c->multi);
    if (c->on_closed != NULL) c->on_closed(c->closed_ctx);
    free(c->ca_file);
    free(c);
}

void node_http_client_close(struct node_http_client *client, void (*on_closed)(void *ctx),
                            void *ctx)
{
    client->closing = true;
    client->on_closed = on_closed;
    client->closed_ctx = ctx;
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}
