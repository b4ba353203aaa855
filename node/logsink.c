#include "node/logsink.h"

#include "base/err.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct sink_recent { /* one text, without its ts, and how often it came in this window */
    uint64_t hash;
    uint64_t since_ms;
    uint64_t seen, written;
    char head[96]; /* of the text, for the line that tells the count */
};
struct node_logsink {
    int fd;
    bool owns_fd; /* a second open of the same pipe or terminal, non-blocking */
    bool is_socket;
    bool is_torn; /* half a line went out: the next write starts a new one */
    enum base_log_format format;
    uint64_t (*now_ms)(void *ctx);
    void *ctx;
    uint64_t dropped, dropped_told;
    struct sink_recent recent[NODE_LOGSINK_RECENT];
};

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t monotonic_ms(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_MONOTONIC);
}

uint64_t node_logsink_wall_ms(void *sink)
{
    (void)sink;
    return clock_ms(CLOCK_REALTIME);
}

/* A description of our own of the same pipe or terminal, so that O_NONBLOCK is ours alone. */
static void sink_reopen(struct node_logsink *sink)
{
    char path[48];
    struct stat st;
    if (fstat(sink->fd, &st) != 0) return;
    sink->is_socket = S_ISSOCK(st.st_mode);
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", sink->fd);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return; /* then poll() alone has to keep us from blocking */
    sink->fd = fd;
    sink->owns_fd = true;
}

int node_logsink_new(struct node_logsink **out, int fd, enum base_log_format format,
                     uint64_t (*now_ms)(void *ctx), void *ctx)
{
    assert(out != NULL && fd >= 0);
    struct node_logsink *sink = calloc(1, sizeof *sink);
    if (sink == NULL) return BASE_ENOMEM;
    sink->fd = fd;
    sink->format = format;
    sink->now_ms = now_ms != NULL ? now_ms : monotonic_ms;
    sink->ctx = ctx;
    sink_reopen(sink);
    *out = sink;
    return BASE_OK;
}

/* ---- bytes out, within NODE_LOGSINK_PATIENCE_MS ---- */

static ssize_t sink_send(const struct node_logsink *sink, const char *data, size_t len)
{
    return sink->is_socket ? send(sink->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                           : write(sink->fd, data, len);
}

static bool sink_put(struct node_logsink *sink, const char *data, size_t len)
{
    uint64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + NODE_LOGSINK_PATIENCE_MS;
    size_t sent = 0;
    while (sent < len) {
        struct pollfd pfd = {.fd = sink->fd, .events = POLLOUT};
        uint64_t now = clock_ms(CLOCK_MONOTONIC);
        int left = now < deadline_ms ? (int)(deadline_ms - now) : 0;
        int rv = poll(&pfd, 1, left);
        if (rv < 0 && errno == EINTR) continue;
        if (rv <= 0) break;
        ssize_t n = sink_send(sink, data + sent, len - sent);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN && left > 0) continue;
        if (n < 0) break;
        sent += (size_t)n;
    }
    if (sent > 0) sink->is_torn = sent < len;
    return sent == len;
}

static void sink_line(struct node_logsink *sink, const char *line, size_t len)
{
    char data[BASE_LOG_LINE_BYTES_MAX + 2];
    size_t at = 0;
    if (len > BASE_LOG_LINE_BYTES_MAX) len = BASE_LOG_LINE_BYTES_MAX;
    if (sink->is_torn) data[at++] = '\n';
    memcpy(data + at, line, len);
    data[at + len] = '\n';
    if (!sink_put(sink, data, at + len + 1)) sink->dropped++;
}

static void note_line(void *ctx, enum base_log_level level, const char *line, size_t len)
{
    (void)level;
    sink_line(ctx, line, len);
}

/* A line of the sink's own, in the log's format and past the filter. */
static void sink_note(struct node_logsink *sink, const char *ev, uint64_t count, const char *head)
{
    struct base_log_line line;
    struct base_log log = {.level = BASE_LOG_WARN,
                           .format = sink->format,
                           .wall_ms = node_logsink_wall_ms,
                           .sink = note_line,
                           .ctx = sink};
    base_log_begin(&line, &log, BASE_LOG_WARN, "log", ev);
    base_log_u64(&line, "count", count);
    if (head != NULL) base_log_str(&line, "line", head);
    base_log_end(&line);
}

/* ---- repeats ---- */

/* The line behind its time stamp, which is the first field. */
static const char *text_of(const char *line, size_t len, size_t *text_len)
{
    size_t at = 0;
    char end = len > 0 && line[0] == '{' ? ',' : ' ';
    bool has_ts =
        (len > 4 && memcmp(line, "ts=", 3) == 0) || (len > 6 && memcmp(line, "{\"ts\":", 6) == 0);
    while (has_ts && at < len && line[at] != end)
        at++;
    if (has_ts && at < len) at++;
    *text_len = len - at;
    return line + at;
}

static uint64_t fnv1a(const char *data, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)data[i]) * 0x100000001b3u;
    return hash == 0 ? 1 : hash;
}

static void recent_end(struct node_logsink *sink, struct sink_recent *recent)
{
    uint64_t held = recent->seen - recent->written;
    recent->hash = 0;
    if (held > 0) sink_note(sink, "repeated", held, recent->head);
}

/* The place of this text among the recent ones; when it is new, a free one or the oldest. */
static struct sink_recent *recent_of(struct node_logsink *sink, uint64_t hash, uint64_t now_ms)
{
    struct sink_recent *place = NULL;
    for (size_t i = 0; i < NODE_LOGSINK_RECENT; i++) {
        struct sink_recent *recent = &sink->recent[i];
        if (recent->hash != 0 && now_ms - recent->since_ms >= NODE_LOGSINK_WINDOW_MS)
            recent_end(sink, recent);
        if (recent->hash == hash) return recent;
        if (place == NULL ||
            (place->hash != 0 && (recent->hash == 0 || recent->since_ms < place->since_ms)))
            place = recent;
    }
    if (place->hash != 0) recent_end(sink, place);
    *place = (struct sink_recent){.hash = hash, .since_ms = now_ms};
    return place;
}

void node_logsink_write(void *ctx, enum base_log_level level, const char *line, size_t len)
{
    struct node_logsink *sink = ctx;
    size_t text_len;
    (void)level;
    const char *text = text_of(line, len, &text_len);
    struct sink_recent *recent = recent_of(sink, fnv1a(text, text_len), sink->now_ms(sink->ctx));
    if (recent->seen++ == 0)
        snprintf(recent->head, sizeof recent->head, "%.*s", (int)(text_len < 95 ? text_len : 95),
                 text);
    if (recent->seen > NODE_LOGSINK_REPEATS_MAX) return;
    recent->written++;
    if (sink->dropped > sink->dropped_told) {
        uint64_t dropped = sink->dropped;
        sink_note(sink, "dropped", dropped - sink->dropped_told, NULL);
        if (sink->dropped == dropped) sink->dropped_told = dropped;
    }
    sink_line(sink, line, len);
}

void node_logsink_flush(struct node_logsink *sink)
{
    uint64_t now_ms = sink->now_ms(sink->ctx);
    for (size_t i = 0; i < NODE_LOGSINK_RECENT; i++)
        if (sink->recent[i].hash != 0 &&
            now_ms - sink->recent[i].since_ms >= NODE_LOGSINK_WINDOW_MS)
            recent_end(sink, &sink->recent[i]);
}

uint64_t node_logsink_dropped(const struct node_logsink *sink)
{
    return sink->dropped;
}

void node_logsink_free(struct node_logsink *sink)
{
    if (sink == NULL) return;
    for (size_t i = 0; i < NODE_LOGSINK_RECENT; i++)
        if (sink->recent[i].hash != 0) recent_end(sink, &sink->recent[i]);
    if (sink->owns_fd) close(sink->fd);
    free(sink);
}
