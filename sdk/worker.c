#include <signal.h>
#include <stdatomic.h>

#include "base/err.h"
#include "sdk/handle.h"

/* ---- the loop's turn ---- */

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* it has only to wake the loop: on_prepare does what is due */
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct nftmesh *m = prepare->data;
    uint64_t now_ms = sdk_now_ms(), at_ms = m->ops->turn(m->source, now_ms);
    uint64_t tick_ms = sdk_known_tick(&m->known);
    if (tick_ms < at_ms) at_ms = tick_ms;
    if (at_ms == UINT64_MAX) {
        uv_timer_stop(&m->timer);
        return;
    }
    now_ms = sdk_now_ms();
    uv_update_time(&m->loop);
    uv_timer_start(&m->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void close_all(struct nftmesh *m)
{
    if (m->closing) return;
    m->closing = true;
    if (m->source != NULL) m->ops->stop(m->source);
    uv_close((uv_handle_t *)&m->async, NULL);
    uv_close((uv_handle_t *)&m->timer, NULL);
    uv_close((uv_handle_t *)&m->prepare, NULL);
    node_http_client_close(m->http, NULL, NULL);
}

static void on_async(uv_async_t *async)
{
    struct nftmesh *m = async->data;
    if (atomic_load(&m->stop_wanted)) {
        close_all(m);
        return;
    }
    if (atomic_exchange(&m->wake_wanted, false)) m->ops->wake(m->source);
}

static void *run(void *arg)
{
    struct nftmesh *m = arg;
    uv_run(&m->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- birth and death ---- */

static void loop_end(struct nftmesh *m)
{
    uv_run(&m->loop, UV_RUN_DEFAULT);
    uv_loop_close(&m->loop);
}

int sdk_worker_start(struct nftmesh *m)
{
    sigset_t all, before;
    bool started = false;
    if (uv_loop_init(&m->loop) != 0) return BASE_ENOMEM;
    int rv = node_http_client_new(&m->http, &m->loop, m->config.tls_ca);
    if (rv == BASE_OK && uv_async_init(&m->loop, &m->async, on_async) != 0) {
        node_http_client_close(m->http, NULL, NULL);
        rv = BASE_EIO;
    }
    if (rv != BASE_OK) {
        loop_end(m);
        return rv;
    }
    m->ops = m->config.node_url != NULL ? &sdk_node_ops : &sdk_chain_ops;
    m->async.data = m->prepare.data = m;
    uv_timer_init(&m->loop, &m->timer);
    uv_prepare_init(&m->loop, &m->prepare);
    uv_prepare_start(&m->prepare, on_prepare);
    rv = m->ops->start(&m->source, m);
    /* The program's signals are for the program's threads; and a connection that breaks while we
     * write must not end it by SIGPIPE. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rv == BASE_OK) started = pthread_create(&m->thread, NULL, run, m) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) return BASE_OK;
    close_all(m);
    loop_end(m);
    m->ops->free(m->source);
    return rv == BASE_OK ? BASE_EIO : rv;
}

void sdk_worker_stop(struct nftmesh *m)
{
    atomic_store(&m->stop_wanted, true);
    uv_async_send(&m->async);
    pthread_join(m->thread, NULL);
    uv_loop_close(&m->loop);
    m->ops->free(m->source);
}

void sdk_worker_wake(struct nftmesh *m)
{
    atomic_store(&m->wake_wanted, true);
    uv_async_send(&m->async);
}
