/* events: the node's event stream (server-sent events) as lines. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "node/cli_ask.h"
#include "node/cli_show.h"
#include "node/control.h"
#include "node/http.h"

#define LINE_BYTES_MAX (NODE_HTTP_EVENT_BYTES_MAX + 64)
#define SILENCE_MS     250 /* what the node keeps comes at once; then the past is over */

static const struct node_option events_options[] = {
    {.name = "follow",
     .help = "Go on with what happens from now, until Ctrl-C.",
     .scope = NODE_OPTION_COMMAND_LINE_ONLY},
    {.name = "last",
     .argument = "N",
     .help = "How many past events to begin with; the node keeps 1,024.",
     .fallback = "50",
     .max = NODE_HTTP_EVENTS_MAX,
     .scope = NODE_OPTION_COMMAND_LINE_ONLY,
     .kind = NODE_OPTION_NUMBER},
    CONTROL_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table events_table = {
    .command = "nftmesh events",
    .usage = "[--follow] [--last N]",
    .intro = "Shows what happened in the mesh as this node saw it: who came, failed or left, whom "
             "it refused or dropped and why, events that members sent.",
    .outro = "With --format json: one JSON object a line.\nExample:\n"
             "  nftmesh events --follow --format json\n",
    .options = events_options,
    .option_count = sizeof events_options / sizeof events_options[0],
    .passes_over = true,
};

/* The same options: what the log's entries are among. */
static const struct node_option_table log_table = {
    .command = "nftmesh log",
    .usage = "tail [--follow]",
    .intro = "Shows the last entries of the log that all members share, as they became final: what "
             "was put, deleted and added, evidence, challenges and votes on them.",
    .outro =
        "Of the last events that the node keeps those that are entries. With --format json: one "
        "JSON object a line.\nExample:\n  nftmesh log tail --follow\n",
    .options = events_options,
    .option_count = sizeof events_options / sizeof events_options[0],
    .arg_min = 1,
    .arg_max = 1,
    .passes_over = true,
};

struct stream {
    struct control *control;
    const char *only; /* this type; NULL: all */
    bool as_json;
    bool in_body; /* behind the answer's head */
    bool is_ok;   /* its first line was a 200 */
    bool is_long; /* the line at hand is beyond line[]: left out */
    size_t len;
    char line[LINE_BYTES_MAX];
};

static bool is_shown_apart(const char *key)
{
    return strcmp(key, "ts") == 0 || strcmp(key, "level") == 0 || strcmp(key, "mod") == 0 ||
           strcmp(key, "ev") == 0;
}

/* Seconds since 1970 as a time of day in UTC; whatever else it is stays as it is. */
static void show_time(struct base_buf *out, const json_t *event)
{
    double ts = json_number_value(json_object_get(event, "ts"));
    time_t seconds = (time_t)ts;
    struct tm utc;
    char text[32];
    if (!(ts > 0 && ts < 1e11) || gmtime_r(&seconds, &utc) == NULL) {
        cli_field(out, event, "ts");
        return;
    }
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    base_buf_printf(out, "%s.%03uZ", text, (unsigned)((ts - (double)seconds) * 1000 + 0.5) % 1000);
}

/* "2024-05-01T12:00:00.123Z evicted name=eve reason=inactive .." */
static void show_event(const char *text, size_t len)
{
    struct base_buf out;
    json_t *json, *value;
    const char *key;
    if (base_json_parse(&json, text, len, LINE_BYTES_MAX, NULL) != 0) return;
    base_buf_init(&out, (size_t)16 * LINE_BYTES_MAX);
    show_time(&out, json);
    base_buf_puts(&out, " ");
    cli_field(&out, json, "ev");
    json_object_foreach(json, key, value)
    {
        if (is_shown_apart(key)) continue;
        base_buf_puts(&out, " ");
        cli_text(&out, key);
        base_buf_puts(&out, "=");
        cli_field(&out, json, key);
    }
    printf("%s\n", out.failed ? "" : out.data);
    base_buf_deinit(&out);
    json_decref(json);
}

static bool is_wanted(const struct stream *s, const char *text, size_t len)
{
    json_t *json;
    if (s->only == NULL) return true;
    if (base_json_parse(&json, text, len, LINE_BYTES_MAX, NULL) != 0) return false;
    const char *ev = json_string_value(json_object_get(json, "ev"));
    bool is_it = ev != NULL && strcmp(ev, s->only) == 0;
    json_decref(json);
    return is_it;
}

/* One line of the answer. False: the answer is not a stream. */
static bool take_line(struct stream *s)
{
    static const char data[] = "data: ";
    if (!s->in_body) {
        if (strncmp(s->line, "HTTP/1.", 7) == 0) s->is_ok = strncmp(s->line + 8, " 200 ", 5) == 0;
        s->in_body = s->len == 0;
        return !s->in_body || s->is_ok;
    }
    if (s->is_long || strncmp(s->line, data, sizeof data - 1) != 0) return true;
    if (!is_wanted(s, s->line + sizeof data - 1, s->len - (sizeof data - 1))) return true;
    if (s->as_json)
        printf("%s\n", s->line + sizeof data - 1);
    else
        show_event(s->line + sizeof data - 1, s->len - (sizeof data - 1));
    return true;
}

static bool take_bytes(struct stream *s, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != '\n') {
            if (bytes[i] == '\r') continue;
            if (s->len + 1 < sizeof s->line)
                s->line[s->len++] = bytes[i];
            else
                s->is_long = true;
            continue;
        }
        s->line[s->len] = '\0';
        if (!take_line(s)) return false;
        s->len = 0;
        s->is_long = false;
    }
    return true;
}

/* Until the past is over, or for ever. */
static int read_stream(struct stream *s, int fd, bool follow)
{
    char bytes[4096];
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int count = poll(&ready, 1, follow || !s->in_body ? -1 : SILENCE_MS);
        if (count < 0 && errno == EINTR) continue;
        if (count == 0) return CLI_OK;
        ssize_t got = count < 0 ? -1 : read(fd, bytes, sizeof bytes);
        if (got <= 0)
            return cli_error(CLI_FAILED, "events", "the node at %s ended the stream: it stopped",
                             s->control->path);
        if (!take_bytes(s, bytes, (size_t)got))
            return cli_error(CLI_FAILED, "events",
                             "the node at %s gives no stream: too many are open, or it is none",
                             s->control->path);
        if (fflush(stdout) != 0) return CLI_FAILED; /* whoever read it has gone */
    }
}

static int stream_events(struct control *control, const struct node_options *options,
                         const char *only)
{
    struct stream s = {.control = control, .only = only, .as_json = cli_is_json(options)};
    char request[128];
    /* HTTP 1.0: the answer comes as it is, without chunks around it. */
    int len = snprintf(request, sizeof request,
                       "GET /v1/events?last=%llu HTTP/1.0\r\nHost: localhost\r\n\r\n",
                       only != NULL ? (unsigned long long)NODE_HTTP_EVENTS_MAX
                                    : (unsigned long long)node_options_u64(options, "last"));
    int fd = control_connect(control);
    if (fd < 0) return CLI_FAILED;
    int status = write(fd, request, (size_t)len) == (ssize_t)len
                     ? read_stream(&s, fd, node_options_flag(options, "follow"))
                     : cli_error(CLI_FAILED, "events", "%s: %s", control->path, strerror(errno));
    close(fd);
    return status;
}

int cli_events(int argc, char **argv)
{
    struct node_options *options;
    struct control control;
    int status;
    if (!cli_parse(&options, &status, &events_table, argc, argv)) return status;
    if (control_open(&control, &status, "events", options)) {
        status = stream_events(&control, options, NULL);
        control_close(&control);
    }
    node_options_free(options);
    return status;
}

int cli_log(int argc, char **argv)
{
    struct node_options *options;
    struct control control;
    int status;
    if (!cli_parse(&options, &status, &log_table, argc, argv)) return status;
    if (strcmp(node_options_arg(options, 0), "tail") != 0) {
        status = cli_error(CLI_USAGE, "log", "\"%.40s\" is not tail", node_options_arg(options, 0));
    } else if (control_open(&control, &status, "log", options)) {
        status = stream_events(&control, options, "entry");
        control_close(&control);
    }
    node_options_free(options);
    return status;
}
