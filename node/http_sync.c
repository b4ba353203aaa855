#include "node/http_sync.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

struct node_http_sync {
    uv_loop_t loop;
    struct node_http_client *client;
    uv_async_t wake;
    _Atomic bool is_cancelled;
    uint64_t deadline_ms; /* on the loop's clock; 0: none */
};

static void on_wake(uv_async_t *wake)
{
    (void)wake; /* that the loop turns is enough */
}

void node_http_sync_cancel(struct node_http_sync *sync)
{
    atomic_store(&sync->is_cancelled, true);
    uv_async_send(&sync->wake);
}

bool node_http_sync_is_cancelled(const struct node_http_sync *sync)
{
    return atomic_load(&((struct node_http_sync *)(uintptr_t)sync)->is_cancelled);
}

struct waiting {
    uv_loop_t *loop;
    struct node_http_sync_answer *answer;
    int err;
    bool done;
};

int node_http_sync_new(struct node_http_sync **out, const char *ca_file)
{
    struct node_http_sync *sync = calloc(1, sizeof *sync);
    if (sync == NULL) return BASE_ENOMEM;
    if (uv_loop_init(&sync->loop) != 0) {
        free(sync);
        return BASE_ENOMEM;
    }
    int rv = uv_async_init(&sync->loop, &sync->wake, on_wake) == 0 ? BASE_OK : BASE_EIO;
    if (rv == BASE_OK) {
        rv = node_http_client_new(&sync->client, &sync->loop, ca_file);
        if (rv != BASE_OK) uv_close((uv_handle_t *)&sync->wake, NULL);
    }
    if (rv != BASE_OK) {
        uv_run(&sync->loop, UV_RUN_DEFAULT);
        uv_loop_close(&sync->loop);
        free(sync);
        return rv;
    }
    *out = sync;
    return BASE_OK;
}

void node_http_sync_free(struct node_http_sync *sync)
{
    if (sync == NULL) return;
    node_http_client_close(sync->client, NULL, NULL);
    uv_close((uv_handle_t *)&sync->wake, NULL);
    uv_run(&sync->loop, UV_RUN_DEFAULT);
    uv_loop_close(&sync->loop);
    free(sync);
}

void node_http_sync_deadline(struct node_http_sync *sync, uint64_t ms)
{
    uv_update_time(&sync->loop);
    sync->deadline_ms = uv_now(&sync->loop) + ms;
}

/* What is left of the deadline, at most the request's own time. */
static uint32_t time_left(struct node_http_sync *sync, uint32_t own_ms)
{
    if (sync->deadline_ms == 0) return own_ms;
    uv_update_time(&sync->loop);
    uint64_t now_ms = uv_now(&sync->loop);
    uint64_t left_ms = sync->deadline_ms > now_ms ? sync->deadline_ms - now_ms : 0;
    return left_ms < own_ms ? (uint32_t)left_ms : own_ms;
}

static void on_answer(void *ctx, const struct node_http_answer *answer)
{
    struct waiting *w = ctx;
    w->done = true;
    w->err = answer->err;
    w->answer->status = answer->status;
    if (answer->err == BASE_OK) base_buf_append(&w->answer->body, answer->body, answer->body_len);
    if (w->answer->body.failed) w->err = BASE_ENOMEM;
    snprintf(w->answer->text, sizeof w->answer->text, "%s", answer->text);
    uv_stop(w->loop); /* a turn whose timers have ended it would still wait for something else */
}

int node_http_sync_call(struct node_http_sync *sync, struct node_http_sync_answer *answer,
                        const struct node_http_request *request)
{
    struct waiting w = {.loop = &sync->loop, .answer = answer};
    uint64_t id;
    answer->status = 0;
    answer->text[0] = '\0';
    base_buf_init(&answer->body, request->answer_bytes_max + 1);
    struct node_http_request bounded = *request;
    bounded.timeout_ms = time_left(sync, request->timeout_ms);
    int rv = bounded.timeout_ms == 0 ? BASE_ETIMEOUT
             : request->body != NULL
                 ? node_http_client_post(sync->client, &id, &bounded, on_answer, &w)
                 : node_http_client_get(sync->client, &id, &bounded, on_answer, &w);
    if (rv != BASE_OK) {
        snprintf(answer->text, sizeof answer->text, "%s", base_strerror(rv));
        return rv;
    }
    while (!w.done && !node_http_sync_is_cancelled(sync))
        uv_run(&sync->loop, UV_RUN_ONCE);
    if (w.done) return w.err;
    node_http_client_cancel(sync->client, id);
    snprintf(answer->text, sizeof answer->text, "given up");
    return BASE_ECLOSED;
}
