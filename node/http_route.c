#include "node/http_internal.h"

#include "base/aead.h"
#include "base/err.h"
#include "node/http_docs.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROUTE_ANSWER_BYTES_MAX ((size_t)64 << 20)
#define ROUTE_LOOP_AGE_MAX_MS  1000
#define ROUTE_ID_BYTES_MAX     256

#define READ (NODE__CONTROL | NODE__HTTP)

/* The writing routes of the prototype are on --http only with a token (route_is_here()). */
static const struct node__route routes[] = {
    {"GET", "/", READ, NODE__ROUTE_ROOT, NODE_COMMAND_UNDECIDED},
    {"GET", "/health", READ, NODE__ROUTE_HEALTH, NODE_COMMAND_UNDECIDED},
    {"GET", "/peers", READ, NODE__ROUTE_PEERS_PROTOTYPE, NODE_COMMAND_UNDECIDED},
    {"GET", "/info", READ | NODE__BOOTSTRAP, NODE__ROUTE_INFO, NODE_COMMAND_UNDECIDED},
    {"GET", "/contract-info", READ, NODE__ROUTE_ASK, NODE_COMMAND_CONTRACT_INFO},
    {"GET", "/docs", READ, NODE__ROUTE_DOCS, NODE_COMMAND_UNDECIDED},
    {"GET", "/openapi.json", READ, NODE__ROUTE_OPENAPI, NODE_COMMAND_UNDECIDED},
    {"GET", "/metrics", READ, NODE__ROUTE_METRICS, NODE_COMMAND_UNDECIDED},
    {"GET", "/livez", READ, NODE__ROUTE_LIVEZ, NODE_COMMAND_UNDECIDED},
    {"GET", "/readyz", READ, NODE__ROUTE_READYZ, NODE_COMMAND_UNDECIDED},
    {"GET", "/v1/status", READ, NODE__ROUTE_STATUS, NODE_COMMAND_UNDECIDED},
    {"GET", "/v1/members", READ, NODE__ROUTE_MEMBERS, NODE_COMMAND_UNDECIDED},
    {"GET", "/v1/peers", READ, NODE__ROUTE_PEERS, NODE_COMMAND_UNDECIDED},
    {"GET", "/v1/why", READ, NODE__ROUTE_WHY, NODE_COMMAND_UNDECIDED},
    {"GET", "/v1/events", READ, NODE__ROUTE_EVENTS, NODE_COMMAND_UNDECIDED},
    {"GET", "/v1/leader", READ, NODE__ROUTE_ASK, NODE_COMMAND_CONSENSUS_ASK},
    {"GET", "/v1/schedule", READ, NODE__ROUTE_ASK, NODE_COMMAND_CONSENSUS_ASK},
    {"GET", "/v1/quorum", READ, NODE__ROUTE_ASK, NODE_COMMAND_CONSENSUS_ASK},
    {"GET", "/v1/epoch", READ, NODE__ROUTE_ASK, NODE_COMMAND_CONSENSUS_ASK},
    {"GET", "/v1/kv", READ, NODE__ROUTE_ASK, NODE_COMMAND_CONSENSUS_ASK},
    {"GET", "/v1/challenges", READ, NODE__ROUTE_ASK, NODE_COMMAND_CONSENSUS_ASK},
    {"GET", "/v1/evidence", READ, NODE__ROUTE_ASK, NODE_COMMAND_CONSENSUS_ASK},
    {"POST", "/v1/kv/change", READ, NODE__ROUTE_COMMAND, NODE_COMMAND_CONSENSUS_TELL},
    {"POST", "/v1/leader/transfer", NODE__CONTROL, NODE__ROUTE_COMMAND,
     NODE_COMMAND_CONSENSUS_TELL},
    {"POST", "/v1/challenges/open", NODE__CONTROL, NODE__ROUTE_COMMAND,
     NODE_COMMAND_CONSENSUS_TELL},
    {"POST", "/v1/challenges/vote", NODE__CONTROL, NODE__ROUTE_COMMAND,
     NODE_COMMAND_CONSENSUS_TELL},
    {"POST", "/register", READ, NODE__ROUTE_COMMAND, NODE_COMMAND_REGISTER},
    {"POST", "/register-instance", READ, NODE__ROUTE_COMMAND, NODE_COMMAND_REGISTER},
    {"POST", "/register-peer", READ, NODE__ROUTE_COMMAND, NODE_COMMAND_REGISTER},
    {"POST", "/mint-nft", READ, NODE__ROUTE_COMMAND, NODE_COMMAND_MINT},
    {"POST", "/v1/join", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_JOIN},
    {"POST", "/v1/event", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_EVENT},
    {"POST", "/v1/leave", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_LEAVE},
    {"POST", "/v1/trust/accept", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_TRUST_ACCEPT},
    {"POST", "/v1/tags", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_TAGS},
    {"POST", "/v1/register", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_REGISTER},
    {"POST", "/v1/mint", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_MINT},
    {"POST", "/v1/binding", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_BINDING},
    {"POST", "/v1/authorize", NODE__CONTROL, NODE__ROUTE_COMMAND, NODE_COMMAND_AUTHORIZE},
};
#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

/* ---- who may ask ---- */

static bool route_is_here(const struct node__http_listener *listener,
                          const struct node__route *route)
{
    if ((route->where & (unsigned)listener->kind) == 0) return false;
    return route->kind != NODE__ROUTE_COMMAND || listener->kind == NODE__CONTROL ||
           listener->http->has_token;
}

struct header_count {
    const char *name;
    unsigned count;
};

static enum MHD_Result header_count_one(void *cls, enum MHD_ValueKind kind, const char *key,
                                        const char *value)
{
    struct header_count *header = cls;
    (void)kind;
    (void)value;
    if (strcasecmp(key, header->name) == 0) header->count++;
    return MHD_YES;
}

static const char *header_of(const struct node__http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

static bool host_is_listed(const struct node__http_listener *listener, const char *host)
{
    const struct node_http *http = listener->http;
    for (size_t i = 0; i < http->host_count; i++)
        if (strcasecmp(http->hosts[i], host) == 0) return true;
    return strcmp(listener->host, host) == 0 && strcmp(host, "0.0.0.0") != 0 &&
           strcmp(host, "::") != 0;
}

/* A web page can point a name of its own at 127.0.0.1 and read from there with its reader's
 * browser; such a request carries the page's name. */
static bool host_is_allowed(const struct node__http_request *request)
{
    struct node_url url;
    char text[NODE_URL_BYTES_MAX + 1];
    struct header_count hosts = {"Host", 0};
    if (request->listener->kind != NODE__HTTP) return true;
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, header_count_one, &hosts);
    const char *host = header_of(request, "Host");
    if (host == NULL || hosts.count != 1 || strlen(host) + sizeof "http://" > sizeof text)
        return false;
    snprintf(text, sizeof text, "http://%s", host);
    if (node_url_parse(&url, text) != BASE_OK || url.path[0] != '\0' || url.userinfo[0] != '\0')
        return false;
    return node_url_is_loopback(&url) || host_is_listed(request->listener, url.host);
}

/* Both are hashed first, so that time tells nothing, the length neither. */
static bool token_is_right(const struct node__http_request *request)
{
    static const char scheme[] = "Bearer ";
    struct base_hash32 hash;
    const char *text = header_of(request, "Authorization");
    if (text == NULL || strncasecmp(text, scheme, sizeof scheme - 1) != 0) return false;
    text += sizeof scheme - 1;
    base_sha256(&hash, text, strlen(text));
    return base_memequal(&hash, &request->http->token_hash, sizeof hash);
}

static bool body_is_bounded(const struct node__http_request *request, unsigned *status)
{
    const char *text = header_of(request, "Content-Length");
    *status = MHD_HTTP_CONTENT_TOO_LARGE;
    if (header_of(request, "Transfer-Encoding") != NULL) {
        *status = MHD_HTTP_LENGTH_REQUIRED;
        return false;
    }
    return text == NULL || strtoul(text, NULL, 10) <= NODE_HTTP_BODY_BYTES_MAX;
}

/* ---- refusals ---- */

static enum MHD_Result refuse_not_found(struct node__http_request *request, const char *path)
{
    struct base_buf json;
    char text[128];
    bool is_first = true;
    snprintf(text, sizeof text, "no route %.80s here", path);
    base_buf_init(&json, 8192);
    base_buf_puts(&json, "{\"detail\":");
    base_buf_json_string(&json, text, strlen(text));
    base_buf_puts(&json, ",\"routes\":[");
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!route_is_here(request->listener, &routes[i])) continue;
        base_buf_printf(&json, "%s\"%s %s\"", is_first ? "" : ",", routes[i].method,
                        routes[i].path);
        is_first = false;
    }
    base_buf_puts(&json, "]}");
    enum MHD_Result result = node__http_answer(request, MHD_HTTP_NOT_FOUND, "application/json",
                                               json.data, json.len, NULL, NULL);
    base_buf_deinit(&json);
    return result;
}

/* The route, or NULL and in *allow the method that the path has here. */
static const struct node__route *route_find(const struct node__http_listener *listener,
                                            const char *path, const char *method,
                                            const char **allow)
{
    if (strcmp(method, "HEAD") == 0) method = "GET";
    *allow = NULL;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (strcmp(routes[i].path, path) != 0 || !route_is_here(listener, &routes[i])) continue;
        if (strcmp(routes[i].method, method) == 0) return &routes[i];
        *allow = routes[i].method;
    }
    return NULL;
}

static bool write_admit(struct node__http_request *request, enum MHD_Result *result)
{
    if (header_of(request, "Origin") != NULL) {
        *result = node__http_refuse(request, MHD_HTTP_FORBIDDEN,
                                    "requests from web pages (with an Origin) change nothing here");
        return false;
    }
    if (request->listener->kind == NODE__CONTROL || token_is_right(request)) return true;
    static const char text[] = "{\"detail\":\"a bearer token is needed: the one in"
                               " --http-token-file\"}";
    *result = node__http_answer(request, MHD_HTTP_UNAUTHORIZED, "application/json", text,
                                sizeof text - 1, "WWW-Authenticate", "Bearer");
    return false;
}

bool node__http_route_admit(struct node__http_request *request, const char *path,
                            const char *method, enum MHD_Result *result)
{
    const char *allow;
    unsigned status;
    if (!host_is_allowed(request)) {
        *result = node__http_refuse(request, MHD_HTTP_FORBIDDEN,
                                    "the Host header names neither loopback nor an --http-host");
        return false;
    }
    const struct node__route *route = route_find(request->listener, path, method, &allow);
    if (route == NULL && allow == NULL) {
        *result = refuse_not_found(request, path);
        return false;
    }
    if (route == NULL) {
        static const char text[] = "{\"detail\":\"this route has another method\"}";
        *result = node__http_answer(request, MHD_HTTP_METHOD_NOT_ALLOWED, "application/json", text,
                                    sizeof text - 1, "Allow", allow);
        return false;
    }
    if (route->kind == NODE__ROUTE_COMMAND && !write_admit(request, result)) return false;
    if (!body_is_bounded(request, &status)) {
        *result = node__http_refuse(request, status,
                                    status == MHD_HTTP_LENGTH_REQUIRED
                                        ? "send the body with its Content-Length"
                                        : "the body is too large: at most 64 KiB");
        return false;
    }
    request->route = route;
    return true;
}

/* ---- answers ---- */

static void render_root(struct base_buf *out, const struct node__http_request *request)
{
    bool is_first = true;
    base_buf_puts(out, "{\"message\":\"nftmesh node\",\"version\":");
    const char *version = request->http->config.build.version;
    base_buf_json_string(out, version, strlen(version));
    base_buf_puts(out, ",\"endpoints\":{");
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!route_is_here(request->listener, &routes[i])) continue;
        base_buf_printf(out, "%s\"%s\":\"%s\"", is_first ? "" : ",", routes[i].path,
                        routes[i].method);
        is_first = false;
    }
    base_buf_puts(out, "}}");
}

static unsigned render_livez(struct base_buf *out, const struct node_http *http)
{
    uint64_t now_ms = node__http_now_ms(), turn_ms = now_ms;
    if (http->config.loop_turn_ms != NULL)
        turn_ms = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)http->config.loop_turn_ms,
                                       memory_order_relaxed);
    uint64_t age_ms = now_ms > turn_ms ? now_ms - turn_ms : 0;
    if (age_ms <= ROUTE_LOOP_AGE_MAX_MS) {
        base_buf_puts(out, "ok\n");
        return MHD_HTTP_OK;
    }
    base_buf_printf(out, "the loop has not turned for %llu ms\n", (unsigned long long)age_ms);
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned render_why(struct base_buf *out, const struct node__http_request *request,
                           const struct node_view *view)
{
    const char *id = MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, "id");
    if (id == NULL || *id == '\0' || strlen(id) > ROUTE_ID_BYTES_MAX) {
        base_buf_puts(out, "{\"detail\":\"ask with ?id=: the first digits of a node key, a name,"
                           " an instance or a token id\"}");
        return MHD_HTTP_BAD_REQUEST;
    }
    node_view_why_json(out, view, id);
    return MHD_HTTP_OK;
}

/* Routes that need a view, and have one. */
static unsigned render_view(struct base_buf *out, const struct node__http_request *request,
                            const struct node_view *view)
{
    uint64_t wall_ms = node__http_wall_ms();
    switch (request->route->kind) {
    case NODE__ROUTE_PEERS_PROTOTYPE:
        if (!view->self.has_block) { /* unknown is never empty */
            base_buf_puts(out, "{\"detail\":\"the chain has not been read yet: who is a peer is not"
                               " known; see rpc in /v1/status\"}");
            return MHD_HTTP_SERVICE_UNAVAILABLE;
        }
        node_view_peers_json(out, view, wall_ms);
        break;
    case NODE__ROUTE_INFO:
        node_view_info_json(out, view, wall_ms);
        break;
    case NODE__ROUTE_STATUS:
        node_view_status_json(out, view, wall_ms);
        break;
    case NODE__ROUTE_MEMBERS:
        node_view_members_json(out, view);
        break;
    case NODE__ROUTE_PEERS:
        node_view_links_json(out, view);
        break;
    case NODE__ROUTE_WHY:
        return render_why(out, request, view);
    case NODE__ROUTE_READYZ:
        node_view_readyz_text(out, view,
                              MHD_lookup_connection_value_n(request->mhd, MHD_GET_ARGUMENT_KIND,
                                                            "verbose", 7, NULL, NULL) == MHD_YES);
        return node_view_is_ready(view) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    case NODE__ROUTE_ROOT:
    case NODE__ROUTE_HEALTH:
    case NODE__ROUTE_DOCS:
    case NODE__ROUTE_OPENAPI:
    case NODE__ROUTE_METRICS:
    case NODE__ROUTE_LIVEZ:
    case NODE__ROUTE_EVENTS:
    case NODE__ROUTE_ASK:
    case NODE__ROUTE_COMMAND:
        assert(0 && "answered without a view");
    }
    return MHD_HTTP_OK;
}

static unsigned render(struct base_buf *out, const struct node__http_request *request,
                       const struct node_view *view, const char **type)
{
    const struct node_http *http = request->http;
    *type = "application/json";
    switch (request->route->kind) {
    case NODE__ROUTE_ROOT:
        render_root(out, request);
        return MHD_HTTP_OK;
    case NODE__ROUTE_HEALTH:
        node_view_health_json(out, view, node__http_wall_ms());
        return MHD_HTTP_OK;
    case NODE__ROUTE_OPENAPI:
        base_buf_append(out, node_http_docs_openapi, node_http_docs_openapi_bytes);
        return MHD_HTTP_OK;
    case NODE__ROUTE_METRICS:
        *type = "text/plain; version=0.0.4; charset=utf-8";
        node_metrics_render(out, http->config.metrics, view, &http->config.build);
        return MHD_HTTP_OK;
    case NODE__ROUTE_LIVEZ:
        *type = "text/plain; charset=utf-8";
        return render_livez(out, http);
    case NODE__ROUTE_READYZ:
        *type = "text/plain; charset=utf-8";
        if (view == NULL) base_buf_puts(out, "[-]started the node is still starting\nnot ready\n");
        break;
    case NODE__ROUTE_PEERS_PROTOTYPE:
    case NODE__ROUTE_INFO:
    case NODE__ROUTE_STATUS:
    case NODE__ROUTE_MEMBERS:
    case NODE__ROUTE_PEERS:
    case NODE__ROUTE_WHY:
        if (view == NULL) base_buf_puts(out, "{\"detail\":\"the node is still starting\"}");
        break;
    case NODE__ROUTE_DOCS:
    case NODE__ROUTE_EVENTS:
    case NODE__ROUTE_ASK:
    case NODE__ROUTE_COMMAND:
        assert(0 && "answered elsewhere");
    }
    return view == NULL ? MHD_HTTP_SERVICE_UNAVAILABLE : render_view(out, request, view);
}

static enum MHD_Result answer_docs(struct node__http_request *request)
{
    struct base_buf out;
    char policy[NODE_HTTP_DOCS_POLICY_BYTES];
    base_buf_init(&out, ROUTE_ANSWER_BYTES_MAX);
    node_http_docs_render(&out, policy);
    enum MHD_Result result =
        out.failed ? MHD_NO
                   : node__http_answer(request, MHD_HTTP_OK, "text/html; charset=utf-8", out.data,
                                       out.len, "Content-Security-Policy", policy);
    base_buf_deinit(&out);
    return result;
}

enum MHD_Result node__http_route_answer(struct node__http_request *request)
{
    struct base_buf out;
    const char *type;
    if (request->route->kind == NODE__ROUTE_DOCS) return answer_docs(request);
    if (request->route->kind == NODE__ROUTE_EVENTS) return node__http_stream_start(request);
    if (request->route->kind == NODE__ROUTE_COMMAND || request->route->kind == NODE__ROUTE_ASK)
        return node__http_command_run(request);
    struct node_view *view = node_view_acquire(request->http->config.view);
    base_buf_init(&out, ROUTE_ANSWER_BYTES_MAX);
    unsigned status = render(&out, request, view, &type);
    enum MHD_Result result =
        out.failed ? node__http_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory")
                   : node__http_answer(request, status, type, out.data, out.len, NULL, NULL);
    base_buf_deinit(&out);
    node_view_free(view);
    return result;
}
