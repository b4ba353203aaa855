#include "node/http_internal.h"

#include "base/aead.h"
#include "base/err.h"
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HTTP_CONN_MEMORY_BYTES  ((size_t)24 << 10) /* bounds the headers */
#define HTTP_BOOTSTRAP_PER_HOST 16
#define HTTP_BACKLOG            64
#define HTTP_CLOCK_MS_MAX       60000
#define HTTP_ANSWER_TIMES       3 /* request time-outs that an answer may take to be read */

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t node__http_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

uint64_t node__http_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

/* ---- waiting: suspended connections and the clock thread; the mutex is held ---- */

bool node__http_suspend(struct node__http_request *request, uint64_t wake_ms)
{
    struct node_http *http = request->http;
    if (http->is_stopping) return false;
    request->wake_ms = wake_ms;
    request->is_due = false;
    request->is_suspended = true;
    request->next = http->waiting;
    request->link = &http->waiting;
    if (request->next != NULL) request->next->link = &request->next;
    http->waiting = request;
    MHD_suspend_connection(request->mhd);
    pthread_cond_signal(&http->cond);
    return true;
}

void node__http_resume(struct node__http_request *request)
{
    if (!request->is_suspended) return;
    request->is_suspended = false;
    *request->link = request->next;
    if (request->next != NULL) request->next->link = request->link;
    MHD_resume_connection(request->mhd);
}

static void conn_deadline_set(struct node__http_request *request, uint64_t deadline_ms)
{
    struct node_http *http = request->http;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct node__http_conn *conn = info == NULL ? NULL : info->socket_context;
    if (conn == NULL) return;
    pthread_mutex_lock(&http->mutex);
    conn->deadline_ms = deadline_ms;
    if (deadline_ms != 0) pthread_cond_signal(&http->cond);
    pthread_mutex_unlock(&http->mutex);
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Acts on what is due; returns when to look again. */
static uint64_t clock_turn(struct node_http *http, uint64_t now_ms)
{
    uint64_t next_ms = now_ms + HTTP_CLOCK_MS_MAX;
    for (struct node__http_conn *conn = http->conns; conn != NULL; conn = conn->next) {
        if (conn->deadline_ms == 0) continue;
        if (conn->deadline_ms > now_ms) {
            next_ms = earlier(next_ms, conn->deadline_ms);
            continue;
        }
        conn->deadline_ms = 0;
        shutdown(conn->fd, SHUT_RDWR); /* microhttpd sees the end, and closes */
    }
    for (struct node__http_request *request = http->waiting, *next; request != NULL;
         request = next) {
        next = request->next;
        if (request->wake_ms > now_ms) {
            next_ms = earlier(next_ms, request->wake_ms);
            continue;
        }
        request->is_due = true;
        node__http_resume(request);
    }
    return next_ms;
}

static void *clock_main(void *arg)
{
    struct node_http *http = arg;
    pthread_mutex_lock(&http->mutex);
    while (!http->is_stopping) {
        uint64_t next_ms = clock_turn(http, node__http_now_ms());
        struct timespec until = {.tv_sec = (time_t)(next_ms / 1000),
                                 .tv_nsec = (long)(next_ms % 1000) * 1000000};
        pthread_cond_timedwait(&http->cond, &http->mutex, &until);
    }
    pthread_mutex_unlock(&http->mutex);
    return NULL;
}

/* ---- microhttpd's callbacks ---- */

static void conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
                        enum MHD_ConnectionNotificationCode code)
{
    struct node_http *http = cls;
    struct node__http_conn *conn = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        conn = calloc(1, sizeof *conn);
        if (conn == NULL) {
            shutdown(info->connect_fd, SHUT_RDWR);
            return;
        }
        conn->fd = info->connect_fd;
        *context = conn;
        pthread_mutex_lock(&http->mutex);
        conn->deadline_ms = node__http_now_ms() + http->config.request_timeout_ms;
        conn->next = http->conns;
        conn->link = &http->conns;
        if (conn->next != NULL) conn->next->link = &conn->next;
        http->conns = conn;
        pthread_cond_signal(&http->cond);
        pthread_mutex_unlock(&http->mutex);
    } else if (conn != NULL) {
        pthread_mutex_lock(&http->mutex);
        *conn->link = conn->next;
        if (conn->next != NULL) conn->next->link = conn->link;
        pthread_mutex_unlock(&http->mutex);
        free(conn);
        *context = NULL;
    }
}

static struct node__http_request *request_new(struct node__http_listener *listener,
                                              struct MHD_Connection *mhd)
{
    struct node__http_request *request = calloc(1, sizeof *request);
    if (request == NULL) return NULL;
    request->http = listener->http;
    request->listener = listener;
    request->mhd = mhd;
    base_buf_init(&request->body, NODE_HTTP_BODY_BYTES_MAX);
    base_buf_init(&request->out, 0);
    return request;
}

static void request_completed(void *cls, struct MHD_Connection *mhd, void **context,
                              enum MHD_RequestTerminationCode why)
{
    struct node__http_request *request = *context;
    (void)cls;
    (void)mhd;
    (void)why;
    if (request == NULL) return;
    *context = NULL;
    struct node_http *http = request->http;
    pthread_mutex_lock(&http->mutex);
    assert(!request->is_suspended); /* microhttpd lets no suspended connection end */
    if (request->is_stream) request->listener->stream_count--;
    pthread_mutex_unlock(&http->mutex);
    if (request->command != NULL) node__http_command_forget(request->command);
    conn_deadline_set(request, node__http_now_ms() + http->config.request_timeout_ms);
    base_buf_deinit(&request->body);
    base_buf_deinit(&request->out);
    free(request);
}

static enum MHD_Result access_handler(void *cls, struct MHD_Connection *mhd, const char *path,
                                      const char *method, const char *version, const char *data,
                                      size_t *data_len, void **context)
{
    struct node__http_request *request = *context;
    enum MHD_Result result;
    (void)version;
    if (request == NULL) { /* the headers are there */
        request = request_new(cls, mhd);
        if (request == NULL) return MHD_NO;
        *context = request;
        request->is_head = strcmp(method, "HEAD") == 0;
        return node__http_route_admit(request, path, method, &result) ? MHD_YES : result;
    }
    if (*data_len > 0) {
        base_buf_append(&request->body, data, *data_len);
        *data_len = 0;
        return request->body.failed ? MHD_NO : MHD_YES; /* more than it said */
    }
    if (request->route == NULL) return MHD_NO;
    conn_deadline_set(request, 0); /* an answer sets its own */
    return node__http_route_answer(request);
}

/* A %00 must not end a path early, so that what follows it goes unseen. */
static size_t unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    size_t len = MHD_http_unescape(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0') text[i] = '\x7f';
    return len;
}

/* ---- answers ---- */

void node__http_count(const struct node__http_request *request, unsigned status)
{
    static const char *const names[] = {
        [NODE__CONTROL] = "control", [NODE__HTTP] = "http", [NODE__BOOTSTRAP] = "bootstrap"};
    struct node_http *http = request->http;
    char code[16];
    snprintf(code, sizeof code, "%u", status);
    pthread_mutex_lock(&http->mutex); /* the family wants one writer at a time */
    node_metric_count(&http->config.metrics->http_requests, names[request->listener->kind], code,
                      NULL);
    pthread_mutex_unlock(&http->mutex);
}

enum MHD_Result node__http_answer(struct node__http_request *request, unsigned status,
                                  const char *type, const char *text, size_t len,
                                  const char *header, const char *value)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (header == NULL || strcmp(header, "Content-Security-Policy") != 0)
        MHD_add_response_header(response, "Content-Security-Policy", "default-src 'none'");
    if (header != NULL) MHD_add_response_header(response, header, value);
    conn_deadline_set(request, node__http_now_ms() + (uint64_t)HTTP_ANSWER_TIMES *
                                                         request->http->config.request_timeout_ms);
    node__http_count(request, status);
    enum MHD_Result result = MHD_queue_response(request->mhd, status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result node__http_refuse(struct node__http_request *request, unsigned status,
                                  const char *text)
{
    struct base_buf json;
    base_buf_init(&json, 64 + 6 * strlen(text));
    base_buf_puts(&json, "{\"detail\":");
    base_buf_json_string(&json, text, strlen(text));
    base_buf_puts(&json, "}");
    enum MHD_Result result = json.failed ? MHD_NO
                                         : node__http_answer(request, status, "application/json",
                                                             json.data, json.len, NULL, NULL);
    base_buf_deinit(&json);
    return result;
}

/* ---- listeners ---- */

static int http_fail(char *why, int rv, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int http_fail(char *why, int rv, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, NODE_HTTP_WHY_BYTES, format, ap);
    va_end(ap);
    return rv;
}

/* The directory is ours alone and locked, so a socket that is there is one of a dead process. */
static int unix_listen(int *out, const char *path, char *why)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return http_fail(why, BASE_EINVAL,
                         "the control socket's path is longer than 107 bytes: use a shorter"
                         " --data-dir");
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return http_fail(why, BASE_EIO, "control socket: %s", strerror(errno));
    unlink(path);
    mode_t old = umask(0177);
    int rv = bind(fd, (struct sockaddr *)&addr, sizeof addr);
    umask(old);
    if (rv != 0 || listen(fd, HTTP_BACKLOG) != 0) {
        http_fail(why, BASE_EIO, "control socket %.200s: %s", path, strerror(errno));
        close(fd);
        return BASE_EIO;
    }
    *out = fd;
    return BASE_OK;
}

static int tcp_bind(const struct addrinfo *info)
{
    int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, HTTP_BACKLOG) == 0) return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int tcp_listen(int *out, uint16_t *port, const char *flag,
                      const struct node_endpoint *endpoint, char *why)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct sockaddr_storage addr;
    socklen_t addr_len = sizeof addr;
    char service[8], bound[8];
    snprintf(service, sizeof service, "%u", endpoint->port);
    int rv = getaddrinfo(endpoint->host, service, &hints, &found);
    if (rv != 0)
        return http_fail(why, BASE_EINVAL, "%s: %.200s is no address of this machine: %s", flag,
                         endpoint->host, gai_strerror(rv));
    int fd = tcp_bind(found);
    int saved = errno;
    freeaddrinfo(found);
    if (fd < 0)
        return http_fail(why, BASE_EIO, "%s: cannot listen on %.200s port %u: %s", flag,
                         endpoint->host, endpoint->port, strerror(saved));
    if (getsockname(fd, (struct sockaddr *)&addr, &addr_len) != 0 ||
        getnameinfo((struct sockaddr *)&addr, addr_len, NULL, 0, bound, sizeof bound,
                    NI_NUMERICSERV) != 0) {
        close(fd);
        return http_fail(why, BASE_EIO, "%s: cannot tell its port", flag);
    }
    *port = (uint16_t)strtoul(bound, NULL, 10);
    *out = fd;
    return BASE_OK;
}

/* Takes fd. */
static int listener_start(struct node_http *http, enum node__listener kind, int fd, uint16_t port,
                          const char *host, char *why)
{
    struct node__http_listener *listener = &http->listeners[http->listener_count];
    *listener = (struct node__http_listener){.http = http, .kind = kind, .port = port};
    snprintf(listener->host, sizeof listener->host, "%s", host);
    listener->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, access_handler,
        listener, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)http->config.connection_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)http->config.idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        HTTP_CONN_MEMORY_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
        request_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, conn_notify, http,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        kind == NODE__BOOTSTRAP ? (unsigned)HTTP_BOOTSTRAP_PER_HOST : 0u, MHD_OPTION_END);
    if (listener->daemon == NULL) /* fd is microhttpd's even then */
        return http_fail(why, BASE_EIO, "the HTTP server cannot start: %s", strerror(errno));
    http->listener_count++;
    return BASE_OK;
}

static int listeners_start(struct node_http *http, const struct node_http_config *config, char *why)
{
    int fd, rv = BASE_OK;
    uint16_t port;
    if (config->control_path != NULL) {
        rv = unix_listen(&fd, http->control_path, why);
        if (rv == BASE_OK) rv = listener_start(http, NODE__CONTROL, fd, 0, "", why);
    }
    if (rv == BASE_OK && config->http != NULL) {
        rv = tcp_listen(&fd, &port, "--http", config->http, why);
        if (rv == BASE_OK) rv = listener_start(http, NODE__HTTP, fd, port, config->http->host, why);
    }
    if (rv == BASE_OK && config->bootstrap != NULL) {
        rv = tcp_listen(&fd, &port, "--bootstrap-http", config->bootstrap, why);
        if (rv == BASE_OK)
            rv = listener_start(http, NODE__BOOTSTRAP, fd, port, config->bootstrap->host, why);
    }
    return rv;
}

/* ---- the whole ---- */

static int config_copy(struct node_http *http, const struct node_http_config *config, char *why)
{
    struct node_http_config *own = &http->config;
    *own = *config;
    own->control_path = own->token = NULL; /* copied: not to be used */
    own->http = own->bootstrap = NULL;
    own->hosts = NULL;
    if (own->connection_max == 0) own->connection_max = 64;
    if (own->stream_max == 0) own->stream_max = 32;
    if (own->request_timeout_ms == 0) own->request_timeout_ms = 10000;
    if (own->idle_timeout_s == 0) own->idle_timeout_s = 15;
    if (own->command_timeout_ms == 0) own->command_timeout_ms = 10000;
    if (own->wallet_timeout_ms == 0) own->wallet_timeout_ms = 600000;
    if (own->keepalive_ms == 0) own->keepalive_ms = 15000;
    if (config->token != NULL) {
        if (strlen(config->token) < NODE_HTTP_TOKEN_BYTES_MIN)
            return http_fail(why, BASE_EINVAL,
                             "--http-token-file: the token is too short: at least %d characters",
                             NODE_HTTP_TOKEN_BYTES_MIN);
        base_sha256(&http->token_hash, config->token, strlen(config->token));
        http->has_token = true;
    }
    if (config->control_path != NULL) {
        http->control_path = strdup(config->control_path);
        if (http->control_path == NULL) return http_fail(why, BASE_ENOMEM, "no memory");
    }
    http->hosts = calloc(config->host_count + 1, sizeof *http->hosts);
    if (http->hosts == NULL) return http_fail(why, BASE_ENOMEM, "no memory");
    for (; http->host_count < config->host_count; http->host_count++) {
        http->hosts[http->host_count] = strdup(config->hosts[http->host_count]);
        if (http->hosts[http->host_count] == NULL) return http_fail(why, BASE_ENOMEM, "no memory");
    }
    return BASE_OK;
}

static void sync_init(struct node_http *http)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&http->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&http->cond, &attr);
    pthread_condattr_destroy(&attr);
}

int node_http_new(struct node_http **out, const struct node_http_config *config,
                  char why[NODE_HTTP_WHY_BYTES])
{
    sigset_t all, old;
    assert(out != NULL && config != NULL && why != NULL);
    assert(config->view != NULL && config->metrics != NULL && config->build.version != NULL);
    *out = NULL;
    struct node_http *http = calloc(1, sizeof *http);
    if (http == NULL) return http_fail(why, BASE_ENOMEM, "no memory");
    atomic_init(&http->refs, 1);
    http->event_next = 1;
    sync_init(http);
    json_object_seed(0); /* before threads parse */
    int rv = config_copy(http, config, why);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are for the loop's thread */
    if (rv == BASE_OK && pthread_create(&http->clock_thread, NULL, clock_main, http) != 0)
        rv = http_fail(why, BASE_EIO, "the HTTP server's clock thread cannot start");
    else if (rv == BASE_OK)
        http->has_clock_thread = true;
    if (rv == BASE_OK) rv = listeners_start(http, config, why);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rv != BASE_OK) {
        node_http_free(http);
        return rv;
    }
    *out = http;
    return BASE_OK;
}

/* Commands that were answered a moment ago still have their answers to send: a quarter of a second,
 * and only while there are any. */
static void let_answers_out(const struct node_http *http)
{
    const struct timespec moment = {.tv_nsec = 5000000};
    for (unsigned i = 0; i < 50 && atomic_load(&http->refs) > 1; i++)
        nanosleep(&moment, NULL);
}

void node_http_free(struct node_http *http)
{
    if (http == NULL) return;
    pthread_mutex_lock(&http->mutex);
    http->is_stopping = true; /* nobody is suspended from here on */
    while (http->waiting != NULL)
        node__http_resume(http->waiting);
    pthread_cond_signal(&http->cond);
    pthread_mutex_unlock(&http->mutex);
    if (http->has_clock_thread) pthread_join(http->clock_thread, NULL);
    let_answers_out(http);
    for (size_t i = 0; i < http->listener_count; i++) {
        MHD_stop_daemon(http->listeners[i].daemon);
        if (http->listeners[i].kind == NODE__CONTROL) unlink(http->control_path);
    }
    node__http_unref(http);
}

void node__http_unref(struct node_http *http)
{
    if (atomic_fetch_sub_explicit(&http->refs, 1, memory_order_acq_rel) != 1) return;
    node__http_events_free(http);
    for (size_t i = 0; http->hosts != NULL && i < http->host_count; i++)
        free(http->hosts[i]);
    free(http->hosts);
    free(http->control_path);
    pthread_cond_destroy(&http->cond);
    pthread_mutex_destroy(&http->mutex);
    base_memzero(&http->token_hash, sizeof http->token_hash);
    free(http);
}

static uint16_t port_of(const struct node_http *http, enum node__listener kind)
{
    for (size_t i = 0; i < http->listener_count; i++)
        if (http->listeners[i].kind == kind) return http->listeners[i].port;
    return 0;
}

uint16_t node_http_port(const struct node_http *http)
{
    return port_of(http, NODE__HTTP);
}

uint16_t node_http_bootstrap_port(const struct node_http *http)
{
    return port_of(http, NODE__BOOTSTRAP);
}
