#include "node/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"

#define TIMEOUT_MS 15000 /* the node itself gives up after 10 s */

/* ---- which socket ---- */

static int socket_path(struct control *control, const struct node_options *options)
{
    const char *dir = node_options_text(options, "data-dir");
    bool by_socket =
        node_options_count(options, "socket") > 0 &&
        node_options_source(options, "socket") >= node_options_source(options, "data-dir");
    int len = by_socket ? snprintf(control->path, sizeof control->path, "%s",
                                   node_options_text(options, "socket"))
                        : snprintf(control->path, sizeof control->path, "%s/control.sock", dir);
    return len > 0 && (size_t)len < sizeof control->path ? BASE_OK : BASE_ETOOBIG;
}

bool control_open(struct control *control, int *status, const char *verb,
                  const struct node_options *options)
{
    *control = (struct control){.verb = verb};
    if (socket_path(control, options) != BASE_OK) {
        *status = cli_error(CLI_USAGE, verb, "the path of the control socket is too long");
        return false;
    }
    if (node_http_sync_new(&control->http, NULL) != BASE_OK) {
        *status = cli_error(CLI_FAILED, verb, "no memory");
        return false;
    }
    return true;
}

void control_close(struct control *control)
{
    node_http_sync_free(control->http);
    control->http = NULL;
}

/* ---- what went wrong ---- */

/* Nobody answers: the file says best why. */
static int tell_no_node(const struct control *control, const char *text)
{
    if (control->quiet) return CLI_FAILED;
    if (access(control->path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return cli_error(CLI_FAILED, control->verb,
                         "no node runs here: there is no %s; start one with `nftmesh node`, or "
                         "name another with --data-dir or --socket",
                         control->path);
    if (access(control->path, R_OK | W_OK) != 0)
        return cli_error(CLI_FAILED, control->verb, "%s: %s; only the node's own user may use it",
                         control->path, strerror(errno));
    return cli_error(CLI_FAILED, control->verb, "the node at %s does not answer: %s", control->path,
                     text);
}

static int tell_status(const struct control *control, const struct control_answer *answer)
{
    const char *detail = json_string_value(json_object_get(answer->json, "detail"));
    int status = answer->http_status == 503 ? CLI_NOT_READY : CLI_FAILED;
    if (control->quiet) return status;
    if (detail != NULL) return cli_error(status, control->verb, "%s", detail);
    return cli_error(status, control->verb, "the node at %s answered with HTTP status %d",
                     control->path, answer->http_status);
}

/* ---- asking ---- */

static int ask(struct control *control, struct control_answer *answer, const char *path,
               const char *body)
{
    struct node_http_sync_answer got;
    char url[2048];
    struct node_http_request request = {.url = url,
                                        .unix_socket = control->path,
                                        .body = body,
                                        .body_len = body != NULL ? strlen(body) : 0,
                                        .answer_bytes_max = CONTROL_ANSWER_BYTES_MAX,
                                        .timeout_ms = TIMEOUT_MS};
    *answer = (struct control_answer){0};
    snprintf(url, sizeof url, "http://localhost%s", path);
    int rv = node_http_sync_call(control->http, &got, &request);
    answer->body = got.body;
    if (rv != BASE_OK) return tell_no_node(control, got.text);
    answer->http_status = got.status;
    return CLI_OK;
}

int control_ask(struct control *control, struct control_answer *answer, const char *path,
                json_t *body)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    char why[BASE_JSON_WHY_BYTES] = "";
    bool no_memory = body != NULL && text == NULL;
    json_decref(body);
    if (no_memory) {
        *answer = (struct control_answer){0};
        return cli_error(CLI_FAILED, control->verb, "no memory");
    }
    int status = ask(control, answer, path, text);
    free(text);
    if (status != CLI_OK) return status;
    int rv = base_json_parse(&answer->json, answer->body.data, answer->body.len,
                             CONTROL_ANSWER_BYTES_MAX, why);
    if (rv != BASE_OK) answer->json = NULL;
    if (answer->http_status != 200 && answer->http_status != 202)
        return tell_status(control, answer);
    if (rv == BASE_OK) return CLI_OK;
    return cli_error(CLI_FAILED, control->verb, "%s is no node's control socket: %s", control->path,
                     why);
}

int control_ask_text(struct control *control, struct control_answer *answer, const char *path)
{
    int status = ask(control, answer, path, NULL);
    if (status != CLI_OK) return status;
    if (answer->http_status == 200 || answer->http_status == 503) return CLI_OK;
    return tell_status(control, answer);
}

void control_answer_deinit(struct control_answer *answer)
{
    json_decref(answer->json);
    base_buf_deinit(&answer->body);
    answer->json = NULL;
}

int control_connect(struct control *control)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(control->path);
    if (len >= sizeof to.sun_path) {
        tell_no_node(control, "its path is too long for a socket");
        return -1;
    }
    memcpy(to.sun_path, control->path, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) return fd;
    tell_no_node(control, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}
