#include "node/http_internal.h"

#include "base/err.h"
#include "base/json.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_TAG_BYTES_MAX 64

/* Two hold it: the connection that waits, and the loop that works on it. */
struct node__command {
    struct node_command told;           /* first: what the loop sees */
    struct node_http *http;             /* a reference */
    struct node__http_request *request; /* under the mutex; NULL when the connection is gone */
    _Atomic uint32_t refs;
    bool is_done; /* under the mutex; then status and json stand */
    unsigned status;
    char *json;
    size_t json_len;
    json_t *body;
};

static void command_unref(struct node__command *command)
{
    if (atomic_fetch_sub_explicit(&command->refs, 1, memory_order_acq_rel) != 1) return;
    json_decref(command->body);
    node__http_unref(command->http);
    free(command->json);
    free(command);
}

/* ---- what a body must be like; NULL when it is fine, else the detail ---- */

static const char *join_check(struct node__command *command, char *why, size_t why_bytes)
{
    struct node_bootstrap bootstrap;
    size_t len;
    if (base_json_get_string(&command->told.url, &len, command->body, "url") != BASE_OK)
        return "the body needs {\"url\": \"mesh://<node key>@host:port\"}";
    memcpy(why, "url ", 4);
    if (node_bootstrap_parse(&bootstrap, command->told.url, why + 4, why_bytes - 4) != BASE_OK)
        return why;
    return NULL;
}

static const char *event_check(struct node__command *command)
{
    struct node_command *told = &command->told;
    const char *hex;
    size_t len;
    if (base_json_get_string(&told->name, &len, command->body, "name") != BASE_OK || len == 0 ||
        len > NODE_HTTP_EVENT_NAME_BYTES_MAX)
        return "the body needs {\"name\": \"..\"} of 1 to 64 bytes";
    for (size_t i = 0; i < len; i++)
        if (told->name[i] <= ' ' || told->name[i] > '~')
            return "name must be printable ASCII without blanks";
    int rv = base_json_get_string(&hex, &len, command->body, "payload");
    if (rv == BASE_ENOTFOUND) return NULL;
    if (rv != BASE_OK || base_hex_decode_var(told->payload, &told->payload_len,
                                             sizeof told->payload, hex) != BASE_OK)
        return "payload must be a string of hex, at most 512 bytes";
    return NULL;
}

static bool tag_text_is_fine(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) <= COMMAND_TAG_BYTES_MAX &&
           strlen(json_string_value(value)) == json_string_length(value);
}

static const char *tags_check(const struct node__command *command)
{
    json_t *set = json_object_get(command->body, "set"), *value;
    const json_t *gone = json_object_get(command->body, "delete");
    const char *key;
    size_t index;
    if ((set != NULL && !json_is_object(set)) || (gone != NULL && !json_is_array(gone)) ||
        (set == NULL && gone == NULL))
        return "the body needs {\"set\": {\"key\": \"value\"}, \"delete\": [\"key\"]}, or one of"
               " them";
    json_object_foreach(set, key, value)
    {
        if (*key == '\0' || strlen(key) > COMMAND_TAG_BYTES_MAX || !tag_text_is_fine(value))
            return "tags are strings of at most 64 bytes";
    }
    json_array_foreach(gone, index, value)
    {
        if (!tag_text_is_fine(value)) return "tags are strings of at most 64 bytes";
    }
    return NULL;
}

static const char *body_check(struct node__command *command, char *why, size_t why_bytes)
{
    switch (command->told.kind) {
    case NODE_COMMAND_JOIN:
        return join_check(command, why, why_bytes);
    case NODE_COMMAND_EVENT:
        return event_check(command);
    case NODE_COMMAND_TAGS:
        command->told.body = command->body;
        return tags_check(command);
    case NODE_COMMAND_REGISTER:
    case NODE_COMMAND_MINT:
    case NODE_COMMAND_BINDING:
    case NODE_COMMAND_AUTHORIZE:
    case NODE_COMMAND_CONSENSUS_TELL:
        command->told.body = command->body;
        return NULL;
    case NODE_COMMAND_CONSENSUS_ASK:
    case NODE_COMMAND_LEAVE:
    case NODE_COMMAND_CONTRACT_INFO:
    case NODE_COMMAND_TRUST_ACCEPT:
        return NULL;
    case NODE_COMMAND_UNDECIDED:
        break;
    }
    assert(0 && "a route names its command");
    return NULL;
}

/* No body counts as an empty object. */
static const char *body_parse(struct node__command *command, const struct base_buf *body, char *why,
                              size_t why_bytes)
{
    char parse_why[BASE_JSON_WHY_BYTES];
    int rv = BASE_OK;
    if (body->len == 0) {
        command->body = json_object();
        return command->body == NULL ? "no memory" : NULL;
    }
    rv =
        base_json_parse(&command->body, body->data, body->len, NODE_HTTP_BODY_BYTES_MAX, parse_why);
    if (rv != BASE_OK) {
        command->body = NULL;
        snprintf(why, why_bytes, "the body is not JSON: %s", parse_why);
        return why;
    }
    return json_is_object(command->body) ? NULL : "the body must be a JSON object";
}

/* ---- its life ---- */

static struct node__command *command_new(struct node__http_request *request)
{
    struct node__command *command = calloc(1, sizeof *command);
    if (command == NULL) return NULL;
    command->told.kind = request->route->command;
    command->told.path = request->route->path;
    command->http = request->http;
    command->request = request;
    atomic_init(&command->refs, 1);
    atomic_fetch_add_explicit(&request->http->refs, 1, memory_order_relaxed);
    return command;
}

/* False: longer than any key. */
static bool take_query(struct node__command *command, struct node__http_request *request)
{
    const char *key = MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, "key");
    command->told.wants_certificate =
        MHD_lookup_connection_value_n(request->mhd, MHD_GET_ARGUMENT_KIND, "certificate", 11, NULL,
                                      NULL) == MHD_YES;
    if (key == NULL) return true;
    if (strlen(key) > NODE_HTTP_KEY_BYTES_MAX) return false;
    memcpy(command->told.key, key, strlen(key));
    return true;
}

static bool makes_transactions(const struct node__command *command)
{
    return command->told.kind == NODE_COMMAND_REGISTER || command->told.kind == NODE_COMMAND_MINT;
}

/* Suspends first and hands over then: an answer may come before submit() returns. */
static enum MHD_Result command_submit(struct node__http_request *request)
{
    struct node_http *http = request->http;
    struct node__command *command = request->command;
    uint32_t timeout_ms = makes_transactions(command) ? http->config.wallet_timeout_ms
                                                      : http->config.command_timeout_ms;
    pthread_mutex_lock(&http->mutex);
    bool is_waiting = http->config.submit != NULL &&
                      node__http_suspend(request, node__http_now_ms() + timeout_ms);
    pthread_mutex_unlock(&http->mutex);
    if (!is_waiting)
        return node__http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the node is stopping");
    atomic_fetch_add_explicit(&command->refs, 1, memory_order_relaxed);
    if (http->config.submit(http->config.ctx, &command->told) != BASE_OK)
        node_http_fail(&command->told, MHD_HTTP_SERVICE_UNAVAILABLE,
                       "the node is busy or not started yet: try again");
    return MHD_YES;
}

/* Resumed: the answer is there, or its time is over. */
static enum MHD_Result command_answer(struct node__http_request *request)
{
    struct node_http *http = request->http;
    struct node__command *command = request->command;
    pthread_mutex_lock(&http->mutex);
    bool is_done = command->is_done, is_due = request->is_due;
    pthread_mutex_unlock(&http->mutex);
    if (is_done)
        return node__http_answer(request, command->status, "application/json", command->json,
                                 command->json_len, NULL, NULL);
    if (!is_due)
        return node__http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the node is stopping");
    return node__http_refuse(request, MHD_HTTP_GATEWAY_TIMEOUT,
                             makes_transactions(command)
                                 ? "still under way: see wallet in /v1/status, and ask again"
                                   " afterwards: what stands is not paid for twice"
                                 : "the node's loop did not answer in time; it may still do it");
}

enum MHD_Result node__http_command_run(struct node__http_request *request)
{
    char why[NODE_OPTIONS_WHY_BYTES];
    if (request->command != NULL) return command_answer(request);
    request->command = command_new(request);
    if (request->command == NULL) return MHD_NO;
    if (!take_query(request->command, request))
        return node__http_refuse(request, MHD_HTTP_BAD_REQUEST, "a key takes at most 128 bytes");
    const char *detail = body_parse(request->command, &request->body, why, sizeof why);
    if (detail == NULL) detail = body_check(request->command, why, sizeof why);
    if (detail != NULL) return node__http_refuse(request, MHD_HTTP_BAD_REQUEST, detail);
    return command_submit(request);
}

void node__http_command_forget(struct node__command *command)
{
    struct node_http *http = command->http;
    pthread_mutex_lock(&http->mutex);
    command->request = NULL;
    pthread_mutex_unlock(&http->mutex);
    command_unref(command);
}

void node_http_complete(struct node_command *told, unsigned status, const char *json,
                        size_t json_len)
{
    assert(told != NULL && json != NULL && status >= 200 && status < 600);
    struct node__command *command = (struct node__command *)told;
    struct node_http *http = command->http;
    char *copy = malloc(json_len + 1);
    pthread_mutex_lock(&http->mutex);
    assert(!command->is_done); /* once */
    if (copy != NULL) {
        memcpy(copy, json, json_len);
        copy[json_len] = '\0';
    }
    command->json = copy;
    command->json_len = copy == NULL ? 0 : json_len;
    command->status = copy == NULL ? MHD_HTTP_INTERNAL_SERVER_ERROR : status;
    command->is_done = true;
    if (command->request != NULL) node__http_resume(command->request);
    pthread_mutex_unlock(&http->mutex);
    command_unref(command);
}

void node_http_fail(struct node_command *told, unsigned status, const char *text)
{
    struct base_buf json;
    base_buf_init(&json, 64 + 6 * strlen(text));
    base_buf_puts(&json, "{\"detail\":");
    base_buf_json_string(&json, text, strlen(text));
    base_buf_puts(&json, "}");
    node_http_complete(told, status, json.failed ? "{}" : json.data, json.failed ? 2 : json.len);
    base_buf_deinit(&json);
}
