#include "node/handlers.h"

#include <assert.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

#define TIMEOUT_MS 60000
#define KILL_MS    5000
#define DRAIN_MS   1000 /* after the command's end, for output of what it has left behind */
#define SEND_END   1    /* of a pipe; the other is read from */
#define HANDLES    3    /* and the process's, once there is one */

extern char **environ;

/* One event that waits, or is being handled. */
struct item {
    struct item *next;
    enum node_handler_event event;
    struct base_buf input;
    struct base_buf nodes; /* keys in hex, a blank between */
    size_t member_count;
    char name[NODE_HANDLER_NAME_BYTES + 1]; /* of a user event */
    uint64_t epoch, sequence;
};

enum phase { PHASE_RUNNING = 0, PHASE_TERMINATED, PHASE_KILLED, PHASE_DRAINING };

struct run {
    struct queue *queue;
    struct item *item;
    enum phase phase;
    bool is_spawned;  /* libuv has the process's handle, whatever came of it */
    bool has_process; /* there is, or was, one */
    bool is_ended;    /* of its output */
    bool is_late, is_over;
    unsigned open_count; /* handles that libuv still has */
    uv_process_t process;
    uv_pipe_t in, out;
    uv_timer_t timer;
    uv_write_t write;
    char line[NODE_HANDLERS_LINE_BYTES_MAX + 1];
    size_t line_len;
    uint64_t line_count;
    char chunk[4096];
    int64_t status;
    int signal;
};

struct queue {
    struct node_handlers *handlers;
    struct node_handler_spec spec;
    struct item *first, **last;
    size_t count;
    uint64_t dropped; /* since the last that was taken */
    struct run *run;  /* NULL: nothing runs */
};

struct node_handlers {
    uv_loop_t *loop;
    struct node_handlers_config config;
    bool is_closing;
    uint64_t stop_ms;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
    size_t queue_count;
    struct queue queues[];
};

static void start_next(struct queue *q);

static void tell(const struct queue *q, enum base_log_level level, const char *ev,
                 enum node_handler_event event, const char *text)
{
    const struct node_handlers_config *config = &q->handlers->config;
    config->log(config->ctx, level, ev, q->spec.command, event, text);
}

static void tally(const struct queue *q, const char *result)
{
    q->handlers->config.count(q->handlers->config.ctx, result);
}

/* ---- items ---- */

static void item_free(struct item *item)
{
    if (item == NULL) return;
    base_buf_deinit(&item->input);
    base_buf_deinit(&item->nodes);
    free(item);
}

static void drop(struct queue *q, enum node_handler_event event)
{
    char text[96], why[32] = "out of memory";
    tally(q, "dropped");
    if (q->dropped++ > 0) return; /* one line for all that follow */
    if (q->count == NODE_HANDLERS_QUEUE_MAX)
        snprintf(why, sizeof why, "%d events wait already", NODE_HANDLERS_QUEUE_MAX);
    snprintf(text, sizeof text, "%s: this one and those after it are dropped", why);
    tell(q, BASE_LOG_WARN, "handler_dropped", event, text);
}

/* NULL: no room, which has been told. */
static struct item *item_add(struct queue *q, enum node_handler_event event)
{
    char text[64];
    struct item *item;
    if (q->count == NODE_HANDLERS_QUEUE_MAX || (item = calloc(1, sizeof *item)) == NULL) {
        drop(q, event);
        return NULL;
    }
    if (q->dropped > 0) {
        snprintf(text, sizeof text, "%" PRIu64 " events were dropped", q->dropped);
        tell(q, BASE_LOG_WARN, "handler_dropped", event, text);
    }
    q->dropped = 0;
    item->event = event;
    base_buf_init(&item->input, NODE_HANDLERS_INPUT_BYTES_MAX);
    base_buf_init(&item->nodes, NODE_HANDLER_ENV_VALUE_BYTES);
    *q->last = item;
    q->last = &item->next;
    q->count++;
    return item;
}

static struct item *item_take(struct queue *q)
{
    struct item *item = q->first;
    if (item == NULL) return NULL;
    q->first = item->next;
    if (q->first == NULL) q->last = &q->first;
    q->count--;
    return item;
}

/* The last that waits, if another member of the same change may come along with it. */
static struct item *item_joins(const struct queue *q, enum node_handler_event event, size_t len)
{
    struct item *item = q->first;
    while (item != NULL && item->next != NULL)
        item = item->next;
    if (item == NULL || item->event != event) return NULL;
    if (item->member_count == NODE_HANDLERS_MEMBERS_MAX) return NULL;
    return item->input.len + len <= NODE_HANDLERS_INPUT_BYTES_MAX / 2 ? item : NULL;
}

/* ---- the end of a run ---- */

static void handlers_free_if_done(struct node_handlers *h)
{
    void (*on_closed)(void *ctx) = h->on_closed;
    void *ctx = h->closed_ctx;
    if (!h->is_closing) return;
    for (size_t i = 0; i < h->queue_count; i++)
        if (h->queues[i].run != NULL) return;
    for (size_t i = 0; i < h->queue_count; i++) {
        for (struct item *item; (item = item_take(&h->queues[i])) != NULL;)
            item_free(item);
    }
    free(h);
    if (on_closed != NULL) on_closed(ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct run *run = handle->data;
    struct queue *q = run->queue;
    if (--run->open_count > 0) return;
    item_free(run->item);
    free(run);
    q->run = NULL;
    if (q->handlers->is_closing)
        handlers_free_if_done(q->handlers);
    else
        start_next(q);
}

static void close_one(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) uv_close(handle, on_handle_closed);
}

static void say_line(struct run *run)
{
    run->line[run->line_len] = '\0';
    if (run->line_len > 0 && run->line_count++ < NODE_HANDLERS_LINES_MAX)
        tell(run->queue, BASE_LOG_INFO, "handler_output", run->item->event, run->line);
    run->line_len = 0;
}

static void say_end(struct run *run)
{
    const struct queue *q = run->queue;
    char text[96];
    if (run->line_count > NODE_HANDLERS_LINES_MAX) {
        snprintf(text, sizeof text, "%" PRIu64 " more lines of output were not shown",
                 run->line_count - NODE_HANDLERS_LINES_MAX);
        tell(q, BASE_LOG_INFO, "handler_output", run->item->event, text);
    }
    if (!run->has_process) return; /* told already */
    if (run->is_late) {
        snprintf(text, sizeof text, "was ended: it ran longer than %" PRIu64 " ms",
                 q->handlers->config.timeout_ms);
        tell(q, BASE_LOG_WARN, "handler_failed", run->item->event, text);
        tally(q, "timeout");
    } else if (run->status != 0 || run->signal != 0) {
        snprintf(text, sizeof text, "ended with %s %d", run->signal != 0 ? "signal" : "status",
                 run->signal != 0 ? run->signal : (int)run->status);
        tell(q, BASE_LOG_WARN, "handler_failed", run->item->event, text);
        tally(q, "failed");
    } else {
        tally(q, "ok");
    }
}

static void run_end(struct run *run)
{
    if (run->is_over) return;
    run->is_over = true;
    say_line(run);
    say_end(run);
    if (run->is_spawned) close_one((uv_handle_t *)&run->process);
    close_one((uv_handle_t *)&run->in);
    close_one((uv_handle_t *)&run->out);
    close_one((uv_handle_t *)&run->timer);
}

static void end_group(const struct run *run, int number)
{
    if (run->has_process && run->process.pid > 1) (void)kill(-run->process.pid, number);
}

static void on_timer(uv_timer_t *timer)
{
    struct run *run = timer->data;
    switch (run->phase) {
    case PHASE_RUNNING:
        run->is_late = true;
        run->phase = PHASE_TERMINATED;
        end_group(run, SIGTERM);
        uv_timer_start(timer, on_timer, run->queue->handlers->config.kill_ms, 0);
        return;
    case PHASE_TERMINATED:
    case PHASE_KILLED: /* it is the kernel's turn; nobody but us waits */
        run->phase = PHASE_KILLED;
        end_group(run, SIGKILL);
        uv_timer_start(timer, on_timer, run->queue->handlers->config.kill_ms, 0);
        return;
    case PHASE_DRAINING:
        run_end(run);
        return;
    }
}

static void on_process_exit(uv_process_t *process, int64_t status, int number)
{
    struct run *run = process->data;
    bool is_told = run->phase != PHASE_RUNNING;
    run->status = status;
    run->signal = number;
    run->phase = PHASE_DRAINING;
    if (is_told) (void)kill(-process->pid, SIGKILL); /* those who did not hear */
    if (run->is_ended) {
        run_end(run);
        return;
    }
    uv_timer_start(&run->timer, on_timer, DRAIN_MS, 0);
}

/* ---- a run ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct run *run = handle->data;
    (void)suggested;
    *buf = uv_buf_init(run->chunk, sizeof run->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct run *run = stream->data;
    if (got < 0) {
        run->is_ended = true;
        uv_read_stop(stream);
        if (run->phase == PHASE_DRAINING) run_end(run);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (buf->base[i] == '\n')
            say_line(run);
        else
            run->line[run->line_len++] = buf->base[i];
        if (run->line_len == NODE_HANDLERS_LINE_BYTES_MAX) say_line(run);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct run *run = write->data;
    (void)status; /* a command need not read */
    close_one((uv_handle_t *)&run->in);
}

static void fill_environment(struct node_handler_env *env, const struct run *run)
{
    const struct node_handlers_config *config = &run->queue->handlers->config;
    const struct item *item = run->item;
    char number[3][24];
    node_handler_env_init(env, environ);
    config->environment(config->ctx, env);
    node_handler_env_both(env, "EVENT", base_slice_text(node_handler_event_name(item->event)));
    if (item->event == NODE_HANDLER_USER) {
        /* Grows with each event of one member, over its restarts too. */
        snprintf(number[0], sizeof number[0], "%" PRIu64,
                 item->epoch * UINT64_C(1048576) + item->sequence);
        snprintf(number[1], sizeof number[1], "%" PRIu64, item->epoch);
        snprintf(number[2], sizeof number[2], "%" PRIu64, item->sequence);
        node_handler_env_both(env, "USER_EVENT", base_slice_text(item->name));
        node_handler_env_both(env, "USER_LTIME", base_slice_text(number[0]));
        node_handler_env_put(env, "USER_EPOCH", base_slice_text(number[1]));
        node_handler_env_put(env, "USER_SEQUENCE", base_slice_text(number[2]));
    }
    node_handler_env_put(env, item->event == NODE_HANDLER_USER ? "USER_NODE" : "MEMBER_NODES",
                         (struct base_slice){(const uint8_t *)item->nodes.data, item->nodes.len});
}

/* Our ends of two pipes are the run's; the command's are closed here. Pipes and no sockets, so that
 * /dev/stdin and /dev/stderr can be opened by the command. */
static int spawn(struct run *run, struct node_handler_env *env)
{
    char shell[] = "/bin/sh", flag[] = "-c";
    char *args[] = {shell, flag, run->queue->spec.command, NULL};
    uv_file in[2] = {-1, -1}, out[2] = {-1, -1};
    uv_stdio_container_t stdio[3];
    uv_process_options_t options = {.exit_cb = on_process_exit,
                                    .file = shell,
                                    .args = args,
                                    .env = env->list,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    int rv = env->failed ? UV_ENOMEM : uv_pipe(in, 0, UV_NONBLOCK_PIPE);
    if (rv == 0) rv = uv_pipe(out, UV_NONBLOCK_PIPE, 0);
    if (rv == 0) rv = uv_pipe_open(&run->in, in[SEND_END]);
    if (rv == 0) {
        in[SEND_END] = -1;
        rv = uv_pipe_open(&run->out, out[0]);
    }
    if (rv == 0) {
        out[0] = -1;
        stdio[0] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = in[0]};
        stdio[1] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = out[SEND_END]};
        stdio[2] = stdio[1];
        /* Libraries open descriptors that exec would keep (libcurl's for waking up is a pair). */
        (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
        rv = uv_spawn(run->queue->handlers->loop, &run->process, &options);
        run->is_spawned = true;
        run->open_count++;
        run->has_process = rv == 0;
    }
    for (size_t i = 0; i < 2; i++) {
        if (in[i] >= 0) close(in[i]);
        if (out[i] >= 0) close(out[i]);
    }
    return rv;
}

static void run_go_on(struct run *run)
{
    uv_buf_t input = uv_buf_init(run->item->input.data, (unsigned)run->item->input.len);
    uv_timer_start(&run->timer, on_timer, run->queue->handlers->config.timeout_ms, 0);
    if (uv_read_start((uv_stream_t *)&run->out, on_alloc, on_read) != 0) run->is_ended = true;
    if (uv_write(&run->write, (uv_stream_t *)&run->in, &input, 1, on_written) != 0)
        close_one((uv_handle_t *)&run->in);
}

static void start_next(struct queue *q)
{
    struct node_handlers *h = q->handlers;
    struct node_handler_env *env;
    struct run *run;
    if (q->run != NULL || q->first == NULL || h->is_closing) return;
    run = calloc(1, sizeof *run);
    env = malloc(sizeof *env);
    if (run == NULL || env == NULL) { /* the next event tries again */
        free(run);
        free(env);
        return;
    }
    run->queue = q;
    run->item = item_take(q);
    run->open_count = HANDLES;
    q->run = run;
    run->process.data = run->in.data = run->out.data = run->timer.data = run->write.data = run;
    uv_pipe_init(h->loop, &run->in, 0);
    uv_pipe_init(h->loop, &run->out, 0);
    uv_timer_init(h->loop, &run->timer);
    fill_environment(env, run);
    int rv = spawn(run, env);
    node_handler_env_deinit(env);
    free(env);
    if (rv == 0) {
        run_go_on(run);
        return;
    }
    tell(q, BASE_LOG_ERROR, "handler_failed", run->item->event, uv_strerror(rv));
    tally(q, "not_started");
    run_end(run);
}

/* ---- what happened ---- */

void node_handlers_member(struct node_handlers *h, enum node_handler_event event,
                          struct base_slice line, const char *node_hex)
{
    for (size_t i = 0; i < h->queue_count && !h->is_closing; i++) {
        struct queue *q = &h->queues[i];
        struct item *item;
        if (!node_handler_spec_wants(&q->spec, event, (struct base_slice){0})) continue;
        item = item_joins(q, event, line.len);
        if (item == NULL) item = item_add(q, event);
        if (item == NULL) continue;
        base_buf_append(&item->input, line.data, line.len);
        base_buf_printf(&item->nodes, "%s%s", item->member_count > 0 ? " " : "", node_hex);
        item->member_count++;
        start_next(q);
    }
}

void node_handlers_user(struct node_handlers *h, const struct node_handlers_user *event)
{
    for (size_t i = 0; i < h->queue_count && !h->is_closing; i++) {
        struct queue *q = &h->queues[i];
        struct item *item;
        if (!node_handler_spec_wants(&q->spec, NODE_HANDLER_USER, event->name)) continue;
        item = item_add(q, NODE_HANDLER_USER);
        if (item == NULL) continue;
        snprintf(item->name, sizeof item->name, "%.*s", (int)event->name.len, event->name.data);
        item->epoch = event->epoch;
        item->sequence = event->sequence;
        node_handler_user_input(&item->input, event->payload);
        base_buf_puts(&item->nodes, event->node_hex);
        start_next(q);
    }
}

/* ---- beginning and end ---- */

int node_handlers_new(struct node_handlers **out, uv_loop_t *loop,
                      const struct node_handler_spec *specs, size_t count_of_specs,
                      const struct node_handlers_config *config)
{
    struct node_handlers *h;
    assert(out != NULL && loop != NULL && config != NULL);
    assert(config->environment != NULL && config->log != NULL && config->count != NULL);
    h = calloc(1, sizeof *h + count_of_specs * sizeof h->queues[0]);
    if (h == NULL) return BASE_ENOMEM;
    h->loop = loop;
    h->config = *config;
    if (h->config.timeout_ms == 0) h->config.timeout_ms = TIMEOUT_MS;
    if (h->config.kill_ms == 0) h->config.kill_ms = KILL_MS;
    h->queue_count = count_of_specs;
    for (size_t i = 0; i < count_of_specs; i++) {
        h->queues[i].handlers = h;
        h->queues[i].spec = specs[i];
        h->queues[i].last = &h->queues[i].first;
    }
    *out = h;
    return BASE_OK;
}

void node_handlers_close(struct node_handlers *h, uint64_t stop_ms, void (*on_closed)(void *ctx),
                         void *ctx)
{
    if (h == NULL) {
        if (on_closed != NULL) on_closed(ctx);
        return;
    }
    assert(!h->is_closing);
    h->is_closing = true;
    h->on_closed = on_closed;
    h->closed_ctx = ctx;
    for (size_t i = 0; i < h->queue_count; i++) {
        struct run *run = h->queues[i].run;
        if (run == NULL || run->is_over || run->phase == PHASE_DRAINING) continue;
        end_group(run, SIGTERM);
        run->phase = PHASE_TERMINATED;
        uv_timer_start(&run->timer, on_timer, stop_ms, 0);
    }
    handlers_free_if_done(h);
}
