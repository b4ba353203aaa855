#include "rpc_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METHODS_MAX    16
#define ANSWERS_MAX    24
#define PARAM_MAX      131072
#define BODY_BYTES_MAX ((size_t)1 << 20)

struct method {
    char name[48], param[PARAM_MAX];
    char *answers[ANSWERS_MAX];
    size_t answer_count, calls;
    const struct method *awaited; /* once it was called so often, there is one answer */
    size_t awaited_calls;
    char *later;
};
struct rpc_server {
    struct MHD_Daemon *daemon;
    pthread_mutex_t mutex;
    struct method methods[METHODS_MAX];
    size_t method_count;
    unsigned status;
    char *body, url[64];
};
struct body {
    char data[BODY_BYTES_MAX];
    size_t len;
};

static struct method *find(struct rpc_server *s, const char *name)
{
    for (size_t i = 0; i < s->method_count; i++)
        if (strcmp(s->methods[i].name, name) == 0) return &s->methods[i];
    assert(s->method_count < METHODS_MAX);
    struct method *m = &s->methods[s->method_count++];
    snprintf(m->name, sizeof m->name, "%s", name);
    return m;
}

/* Adds one call's answer to out. */
static void answer_call(struct rpc_server *s, FILE *out, const json_t *call)
{
    struct method *m = find(s, json_string_value(json_object_get(call, "method")));
    char *param = json_dumps(json_array_get(json_object_get(call, "params"), 0), JSON_ENCODE_ANY);
    size_t at = m->calls < m->answer_count ? m->calls : m->answer_count - 1;
    const char *member = m->answer_count > 0 ? m->answers[at] : NULL;
    if (m->awaited != NULL && m->awaited->calls >= m->awaited_calls) member = m->later;
    snprintf(m->param, sizeof m->param, "%s", param != NULL ? param : "");
    free(param);
    m->calls++;
    fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%lld,%s}",
            (long long)json_integer_value(json_object_get(call, "id")),
            member != NULL ? member : "\"error\":{\"code\":-32601,\"message\":\"no such method\"}");
}

static char *answer_all(struct rpc_server *s, const struct body *body, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    json_t *asked = json_loadb(body->data, body->len, 0, NULL), *call;
    size_t i;
    assert(out != NULL && asked != NULL);
    if (json_is_array(asked)) {
        json_array_foreach(asked, i, call)
        {
            fputs(i == 0 ? "[" : ",", out);
            answer_call(s, out, call);
        }
        fputs("]", out);
    } else
        answer_call(s, out, asked);
    json_decref(asked);
    fclose(out);
    return text;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    struct rpc_server *s = cls;
    struct body *body = *state;
    (void)url;
    (void)method;
    (void)version;
    if (body == NULL) {
        *state = calloc(1, sizeof(struct body));
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*upload_len > 0) {
        assert(body->len + *upload_len <= sizeof body->data);
        memcpy(body->data + body->len, upload, *upload_len);
        body->len += *upload_len;
        *upload_len = 0;
        return MHD_YES;
    }
    pthread_mutex_lock(&s->mutex);
    size_t len = s->body != NULL ? strlen(s->body) : 0;
    char *text = s->body != NULL ? strdup(s->body) : answer_all(s, body, &len);
    unsigned status = s->body != NULL ? s->status : 200;
    pthread_mutex_unlock(&s->mutex);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)connection;
    (void)code;
    free(*state);
    *state = NULL;
}

struct rpc_server *rpc_server_new(void)
{
    struct rpc_server *s = calloc(1, sizeof *s);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert(s != NULL);
    pthread_mutex_init(&s->mutex, NULL);
    s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request, s,
                                 MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED,
                                 on_completed, NULL, MHD_OPTION_END);
    assert(s->daemon != NULL);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u/v3/hunter2", info->port);
    return s;
}

static void forget(struct method *m)
{
    for (size_t i = 0; i < m->answer_count; i++)
        free(m->answers[i]);
    m->answer_count = 0;
    free(m->later);
    m->later = NULL;
    m->awaited = NULL;
}

void rpc_server_free(struct rpc_server *s)
{
    MHD_stop_daemon(s->daemon);
    for (size_t i = 0; i < s->method_count; i++)
        forget(&s->methods[i]);
    pthread_mutex_destroy(&s->mutex);
    free(s->body);
    free(s);
}

const char *rpc_server_url(const struct rpc_server *s)
{
    return s->url;
}

void rpc_server_then(struct rpc_server *s, const char *method, const char *member)
{
    pthread_mutex_lock(&s->mutex);
    struct method *m = find(s, method);
    assert(m->answer_count < ANSWERS_MAX);
    m->answers[m->answer_count++] = strdup(member);
    pthread_mutex_unlock(&s->mutex);
}

void rpc_server_set(struct rpc_server *s, const char *method, const char *member)
{
    pthread_mutex_lock(&s->mutex);
    struct method *m = find(s, method);
    forget(m);
    m->calls = 0;
    m->answers[m->answer_count++] = strdup(member);
    pthread_mutex_unlock(&s->mutex);
}

void rpc_server_after(struct rpc_server *s, const char *method, const char *other, size_t calls,
                      const char *member)
{
    pthread_mutex_lock(&s->mutex);
    struct method *m = find(s, method);
    free(m->later);
    m->later = strdup(member);
    m->awaited = find(s, other);
    m->awaited_calls = calls;
    pthread_mutex_unlock(&s->mutex);
}

void rpc_server_break(struct rpc_server *s, unsigned status, const char *body)
{
    pthread_mutex_lock(&s->mutex);
    free(s->body);
    s->status = status;
    s->body = body != NULL ? strdup(body) : NULL;
    pthread_mutex_unlock(&s->mutex);
}

size_t rpc_server_count(struct rpc_server *s, const char *method)
{
    pthread_mutex_lock(&s->mutex);
    size_t calls = find(s, method)->calls;
    pthread_mutex_unlock(&s->mutex);
    return calls;
}

const char *rpc_server_param(struct rpc_server *s, const char *method)
{
    static char param[PARAM_MAX];
    pthread_mutex_lock(&s->mutex);
    memcpy(param, find(s, method)->param, sizeof param);
    pthread_mutex_unlock(&s->mutex);
    return param;
}
