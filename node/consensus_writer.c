#include "node/consensus_writer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct batch {
    struct node_consensus_op *ops; /* each with a copy of its own, which begins at its body */
    size_t count, cap;
    size_t bytes;
    uint64_t number; /* the last one's */
};

struct node_consensus_writer {
    struct node_consensus_store *store;
    node_consensus_written written;
    void *ctx;
    void (*closed)(void *ctx);
    void *closed_ctx;
    uv_idle_t idle; /* active: there is something to begin in the next turn */
    uv_work_t work;
    bool is_working; /* under_way is the thread's, and rv and why are */
    bool is_closing;
    bool is_failed;
    struct batch waiting, under_way;
    uint64_t number;  /* the highest put */
    uint64_t on_disk; /* the highest that is */
    int rv;
    char why[NODE_STORE_WHY_BYTES];
};

/* ---- batches ---- */

static void batch_clear(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        free((void *)(uintptr_t)batch->ops[i].row.body.data);
    batch->count = batch->bytes = 0;
}

static void batch_deinit(struct batch *batch)
{
    batch_clear(batch);
    free(batch->ops);
}

static size_t op_bytes(const struct node_consensus_op *op)
{
    return op->row.body.len + (op->key != NULL ? strlen(op->key) : 0) + 1;
}

static int batch_reserve(struct batch *batch)
{
    if (batch->count < batch->cap) return BASE_OK;
    size_t cap = batch->cap > 0 ? 2 * batch->cap : 16;
    struct node_consensus_op *ops = realloc(batch->ops, cap * sizeof *ops);
    if (ops == NULL) return BASE_ENOMEM;
    batch->ops = ops;
    batch->cap = cap;
    return BASE_OK;
}

static int batch_add(struct batch *batch, const struct node_consensus_op *op)
{
    size_t len = op->row.body.len, bytes = op_bytes(op);
    int rv = batch_reserve(batch);
    uint8_t *copy = rv == BASE_OK ? malloc(bytes) : NULL;
    if (copy == NULL) return BASE_ENOMEM;
    struct node_consensus_op *own = &batch->ops[batch->count++];
    *own = *op;
    if (len > 0) memcpy(copy, op->row.body.data, len);
    own->row.body.data = copy;
    if (op->key != NULL) own->key = memcpy(copy + len, op->key, bytes - len);
    batch->bytes += bytes;
    return BASE_OK;
}

/* ---- the thread ---- */

static void on_work(uv_work_t *work)
{
    struct node_consensus_writer *w = work->data;
    w->rv = node_consensus_store_apply(w->store, w->under_way.ops, w->under_way.count, w->why);
}

/* ---- the loop ---- */

static void on_idle(uv_idle_t *idle);

static void on_closed(uv_handle_t *handle)
{
    struct node_consensus_writer *w = handle->data;
    void (*closed)(void *ctx) = w->closed;
    void *ctx = w->closed_ctx;
    batch_deinit(&w->waiting);
    batch_deinit(&w->under_way);
    free(w);
    if (closed != NULL) closed(ctx);
}

/* An idle handle runs once in the next turn, whatever phase of this turn we are in, and keeps the
 * loop from sleeping before. */
static void wake(struct node_consensus_writer *w)
{
    if (w->is_working || w->waiting.count == 0) return;
    int rc = uv_idle_start(&w->idle, on_idle);
    assert(rc == 0); /* it has a callback */
    (void)rc;
}

static void tell(struct node_consensus_writer *w)
{
    if (w->rv == BASE_OK) {
        w->on_disk = w->under_way.number;
    } else {
        w->is_failed = true;
        batch_clear(&w->waiting);
    }
    w->written(w->ctx, w->on_disk, w->rv, w->rv == BASE_OK ? "" : w->why);
}

static void on_worked(uv_work_t *work, int status)
{
    struct node_consensus_writer *w = work->data;
    assert(status == 0); /* nobody cancels it */
    (void)status;
    w->is_working = false;
    batch_clear(&w->under_way);
    if (w->is_closing) {
        uv_close((uv_handle_t *)&w->idle, on_closed);
        return;
    }
    tell(w); /* which may close it */
    if (!w->is_closing) wake(w);
}

static void on_idle(uv_idle_t *idle)
{
    struct node_consensus_writer *w = idle->data;
    struct batch empty = w->under_way;
    uv_idle_stop(idle);
    w->under_way = w->waiting;
    w->waiting = empty;
    int rc = uv_queue_work(idle->loop, &w->work, on_work, on_worked);
    assert(rc == 0); /* it has a callback */
    (void)rc;
    w->is_working = true;
}

int node_consensus_writer_new(struct node_consensus_writer **out, uv_loop_t *loop,
                              struct node_consensus_store *store, node_consensus_written written,
                              void *ctx)
{
    assert(out != NULL && loop != NULL && store != NULL && written != NULL);
    struct node_consensus_writer *w = calloc(1, sizeof *w);
    *out = NULL;
    if (w == NULL) return BASE_ENOMEM;
    w->store = store;
    w->written = written;
    w->ctx = ctx;
    w->work.data = w;
    int rc = uv_idle_init(loop, &w->idle);
    assert(rc == 0); /* always */
    (void)rc;
    w->idle.data = w;
    *out = w;
    return BASE_OK;
}

int node_consensus_writer_put(struct node_consensus_writer *w, uint64_t number,
                              const struct node_consensus_op *op)
{
    assert(w != NULL && op != NULL && number >= w->number);
    if (w->is_failed || w->is_closing) return BASE_ESTATE;
    int rv = node_consensus_op_check(op);
    if (rv != BASE_OK) return rv;
    size_t bytes = w->waiting.bytes + w->under_way.bytes;
    if (w->waiting.count + w->under_way.count >= NODE_CONSENSUS_WRITER_OPS_MAX ||
        op_bytes(op) > NODE_CONSENSUS_WRITER_BYTES_MAX - bytes)
        return BASE_EFULL;
    rv = batch_add(&w->waiting, op);
    if (rv != BASE_OK) return rv;
    w->number = w->waiting.number = number;
    wake(w);
    return BASE_OK;
}

void node_consensus_writer_close(struct node_consensus_writer *w, void (*closed)(void *ctx),
                                 void *ctx)
{
    assert(w != NULL && !w->is_closing);
    w->is_closing = true;
    w->closed = closed;
    w->closed_ctx = ctx;
    uv_idle_stop(&w->idle);
    if (!w->is_working) uv_close((uv_handle_t *)&w->idle, on_closed);
}
