#include "node/mesh_internal.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"

#define VIEW_GAP_MS   20   /* changes closer together than this are shown together */
#define VIEW_STALE_MS 5000 /* counters are shown anew at least so often */
#define VIEW_AGES_MS  1000 /* and so often while the endpoints are silent: for how long is shown */

uint64_t mesh_now(void)
{
    return uv_hrtime() / 1000000;
}

uint64_t mesh_wall(void)
{
    return node_logsink_wall_ms(NULL);
}

void mesh_dirty(struct mesh *m)
{
    m->view_dirty = true;
}

void node_mesh_settings(char *out, size_t cap, const struct node_config *config)
{
    const struct node_finality *finality = &config->finality;
    char text[32];
    switch (finality->kind) {
    case NODE_FINALITY_SAFE:
        snprintf(text, sizeof text, "safe");
        break;
    case NODE_FINALITY_FINALIZED:
        snprintf(text, sizeof text, "finalized");
        break;
    case NODE_FINALITY_LATEST:
    case NODE_FINALITY_UNDECIDED:
        snprintf(text, sizeof text, "latest:%" PRIu64, finality->depth);
        break;
    }
    snprintf(
        out, cap,
        "finality=%s purpose=%s weight=seats window=%" PRIu64 " lease=%" PRIu64 " gap=%" PRIu64,
        text, ATTEST_PURPOSE, config->window_slots, config->lease_ms, config->epoch_gap_ms / 1000);
}

/* ---- ends ---- */

void mesh_fail(struct mesh *m, int status, const char *format, ...)
{
    char text[NODE_OPTIONS_WHY_BYTES];
    va_list ap;
    if (m->stopping) return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    mesh_log(m, BASE_LOG_ERROR, "node", "fatal", "%s", text);
    m->exit_status = status;
    mesh_stop(m);
}

void mesh_leave(struct mesh *m, const char *why)
{
    struct gossip_event ev = {.type = GOSSIP_EV_LEAVE};
    if (m->stopping || m->leaving) return;
    m->leaving = true;
    m->env.ready = false;
    m->stop_ms = mesh_now() + MESH_LEAVE_MS;
    mesh_log(m, BASE_LOG_INFO, "node", "leaving", "%s", why);
    mesh_dirty(m);
    mesh_consensus_leave(m);
    mesh_conns_snapshot(m);
    if (m->gossip == NULL)
        m->left = true;
    else
        (void)mesh_gossip_step(m, &ev);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void on_inbox_closed(void *ctx)
{
    struct mesh *m = ctx;
    m->inbox = NULL;
}

static void on_links_closed(void *ctx)
{
    struct mesh *m = ctx;
    m->links = NULL;
    node_inbox_close(m->inbox, on_inbox_closed, m);
}

static void on_client_closed(void *ctx)
{
    struct mesh *m = ctx;
    m->client = NULL;
}

static void on_handlers_closed(void *ctx)
{
    struct mesh *m = ctx;
    m->handlers = NULL;
}

/* HTTP threads first (they post to the inbox), then links, then the inbox itself. May come before
 * any of these exists, and from inside of any callback. */
void mesh_stop(struct mesh *m)
{
    if (m->stopping) return;
    m->stopping = true;
    mesh_dial_give_up(m);
    mesh_wallet_give_up(m);
    mesh_consensus_close(m);
    node_http_free(m->http);
    m->http = NULL;
    for (size_t i = 0; i < m->signal_count; i++)
        close_handle((uv_handle_t *)&m->signals[i]);
    if (m->has_timers) {
        close_handle((uv_handle_t *)&m->timer);
        close_handle((uv_handle_t *)&m->prepare);
    }
    if (m->client != NULL) node_http_client_close(m->client, on_client_closed, m);
    node_handlers_close(m->handlers, MESH_HANDLERS_STOP_MS, on_handlers_closed, m);
    if (m->links != NULL)
        node_links_close(m->links, on_links_closed, m);
    else if (m->inbox != NULL)
        node_inbox_close(m->inbox, on_inbox_closed, m);
}

/* ---- the turn ---- */

static void take_wake(struct mesh *m)
{
    struct chain_poll_event wake = {.kind = CHAIN_POLL_WAKE};
    if (!m->poll_wake) return;
    m->poll_wake = false;
    mesh_chain_step(m, &wake);
}

static void run_due(struct mesh *m, uint64_t now_ms)
{
    struct chain_poll_event timer = {.kind = CHAIN_POLL_TIMER};
    struct gossip_event tick = {.type = GOSSIP_EV_TIMER};
    if (chain_poll_deadline_ms(m->poll) <= now_ms) mesh_chain_step(m, &timer);
    if (mesh_boot_deadline_ms(m) <= now_ms) mesh_boot_step(m, now_ms);
    mesh_conns_timer(m, now_ms);
    if (m->gossip != NULL && gossip_deadline_ms(m->gossip) <= now_ms)
        (void)mesh_gossip_step(m, &tick);
    mesh_consensus_timer(m, now_ms);
    if (mesh_dial_deadline_ms(m) <= now_ms) mesh_dial_step(m, now_ms);
    mesh_authority_step(m, now_ms);
    mesh_info_step(m, now_ms);
    if (!m->stopping) mesh_chain_refresh(m);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_deadline_ms(struct mesh *m, uint64_t now_ms)
{
    uint64_t at_ms = now_ms + MESH_TURN_MS;
    at_ms = earliest(at_ms, chain_poll_deadline_ms(m->poll));
    at_ms = earliest(at_ms, mesh_boot_deadline_ms(m));
    at_ms = earliest(at_ms, m->conns_due_ms);
    at_ms = earliest(at_ms, mesh_dial_deadline_ms(m));
    at_ms = earliest(at_ms, mesh_consensus_deadline_ms(m));
    if (m->leaving) at_ms = earliest(at_ms, m->stop_ms);
    if (m->gossip != NULL) at_ms = earliest(at_ms, gossip_deadline_ms(m->gossip));
    if (m->view_dirty) at_ms = earliest(at_ms, m->view_next_ms);
    return at_ms;
}

static void show(struct mesh *m, uint64_t now_ms)
{
    bool stale = now_ms >= m->view_next_ms + (m->chain_fresh ? VIEW_STALE_MS : VIEW_AGES_MS);
    if ((!m->view_dirty || now_ms < m->view_next_ms) && !stale) return;
    m->view_dirty = false;
    m->view_next_ms = now_ms + VIEW_GAP_MS;
    mesh_handler_updates(m);
    mesh_view_publish(m);
    node_logsink_flush(m->sink);
}

/* Our leave is out: goodbye to each peer, and what is under way may still leave. */
static void go_on_leaving(struct mesh *m, uint64_t now_ms)
{
    if (m->left && !m->said_goodbye) {
        m->said_goodbye = true;
        if (now_ms + MESH_GOODBYE_MS < m->stop_ms) m->stop_ms = now_ms + MESH_GOODBYE_MS;
        mesh_conns_goodbye(m, NODE_REASON_LEAVING);
    }
    if (now_ms < m->stop_ms && !(m->said_goodbye && mesh_conns_are_gone(m))) return;
    mesh_log(m, BASE_LOG_INFO, "node", "stopped", "left the mesh");
    mesh_stop(m);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* what is due is done in on_prepare, after every kind of wake */
}

/* Before the loop sleeps: whatever woke it has been handled. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct mesh *m = prepare->data;
    uint64_t now_ms = mesh_now();
    atomic_store_explicit(&m->turn_ms, now_ms, memory_order_relaxed);
    node_metric_inc(&m->metrics->loop_turns);
    run_due(m, now_ms);
    if (!m->stopping) take_wake(m);
    if (m->leaving && !m->stopping) go_on_leaving(m, now_ms);
    if (m->stopping) return;
    show(m, now_ms);
    uint64_t at_ms = next_deadline_ms(m, now_ms);
    uv_update_time(&m->loop);
    uv_timer_start(&m->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

/* ---- signals ---- */

/* Longer than what mesh_log() takes. */
static void say_state(struct mesh *m, const char *text, size_t len)
{
    struct base_log_line line;
    if (text == NULL || !base_log_is_on(&m->log, BASE_LOG_INFO)) return;
    base_log_begin(&line, &m->log, BASE_LOG_INFO, "node", "state");
    base_log_strn(&line, "msg", text, len);
    base_log_end(&line);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct mesh *m = handle->data;
    if (number == SIGINT || number == SIGTERM) {
        if (m->leaving)
            mesh_stop(m); /* the second time: at once */
        else
            mesh_leave(m, number == SIGINT ? "SIGINT" : "SIGTERM");
    } else if (number == SIGUSR1) {
        struct base_buf text;
        struct node_view *view = node_view_acquire(m->slot);
        base_buf_init(&text, 1u << 20);
        if (view != NULL) node_view_status_json(&text, view, mesh_wall());
        say_state(m, (const char *)text.data, text.len);
        node_view_free(view);
        base_buf_deinit(&text);
    } else if (number == SIGUSR2) {
        m->log.level = m->log.level == BASE_LOG_TRACE ? m->config->log_level
                                                      : (enum base_log_level)(m->log.level + 1);
        mesh_log(m, BASE_LOG_INFO, "node", "log_level", "%s", base_log_level_name(m->log.level));
    } else if (number == SIGHUP) {
        mesh_log(m, BASE_LOG_WARN, "node", "reload",
                 "settings are read at start: restart to change "
                 "them");
    }
}

static int signals_new(struct mesh *m)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_t *handle = &m->signals[m->signal_count];
        if (uv_signal_init(&m->loop, handle) != 0) return BASE_EIO;
        m->signal_count++;
        handle->data = m;
        if (uv_signal_start(handle, on_signal, numbers[i]) != 0) return BASE_EIO;
    }
    return BASE_OK;
}

/* ---- birth ---- */

static void events_sink(void *ctx, enum base_log_level level, const char *line, size_t len)
{
    struct mesh *m = ctx;
    (void)level;
    if (m->http != NULL) node_http_event(m->http, m->event_type, line, len);
}

static int log_new(struct mesh *m)
{
    const struct node_config *config = m->config;
    int rv = node_logsink_new(&m->sink, STDERR_FILENO, config->log_format, NULL, NULL);
    if (rv != BASE_OK) return rv;
    m->log = (struct base_log){config->log_level, config->log_format, node_logsink_wall_ms,
                               node_logsink_write, m->sink};
    m->events =
        (struct base_log){BASE_LOG_INFO, BASE_LOG_JSON, node_logsink_wall_ms, events_sink, m};
    for (size_t i = 0; i < config->warning_count; i++)
        mesh_log(m, BASE_LOG_WARN, "config", "config", "%s", config->warnings[i]);
    return BASE_OK;
}

static int store_new(struct mesh *m)
{
    bool made;
    uint64_t stored = 0, wall_s = mesh_wall() / 1000;
    int rv = node_store_open(&m->store, m->config->data_dir, m->why);
    if (rv == BASE_OK) rv = node_store_seed(m->store, m->seed, &made, m->why);
    if (rv != BASE_OK) return rv;
    if (made)
        mesh_log(m, BASE_LOG_INFO, "store", "seed",
                 "made %s/seed: half of this node's key; losing "
                 "it means registering again",
                 m->config->data_dir);
    rv = node_store_incarnation_load(m->store, &stored, m->why);
    if (rv != BASE_OK && rv != BASE_ENOTFOUND) return rv;
    m->start_incarnation = stored + 1 > wall_s ? stored + 1 : wall_s;
    return node_store_incarnation_save(m->store, m->start_incarnation, m->why);
}

static int loop_new(struct mesh *m)
{
    if (uv_timer_init(&m->loop, &m->timer) != 0) return BASE_EIO;
    if (uv_prepare_init(&m->loop, &m->prepare) != 0) abort(); /* cannot fail, nor be undone half */
    m->prepare.data = m;
    m->timer.data = m;
    m->has_timers = true;
    if (uv_prepare_start(&m->prepare, on_prepare) != 0) return BASE_EIO;
    return signals_new(m);
}

static int check_dev(struct mesh *m)
{
    switch (attest_dev_judge(m->config->dev, m->config->chain_id, m->config->kms_roots,
                             m->config->kms_root_count, NULL)) {
    case ATTEST_DEV_CHAIN_ID:
        snprintf(m->why, sizeof m->why,
                 "--dev: only on a development chain, with chain id 31337 or 1337 (this is %" PRIu64
                 ")",
                 m->config->chain_id);
        return BASE_EINVAL;
    case ATTEST_DEV_PUBLIC_ROOT:
        snprintf(m->why, sizeof m->why,
                 "--kms-root: the private key of this root is public: anybody could join; it is "
                 "taken with --dev only");
        return BASE_EINVAL;
    case ATTEST_DEV_SIMULATOR:
    case ATTEST_DEV_UNDECIDED:
    case ATTEST_DEV_OK:
        return BASE_OK;
    }
    return BASE_OK;
}

static int parts_new(struct mesh *m)
{
    uint64_t seed;
    int rv = check_dev(m);
    if (rv == BASE_OK) rv = store_new(m);
    if (rv == BASE_OK) rv = node_metrics_new(&m->metrics);
    if (rv == BASE_OK) rv = node_view_slot_new(&m->slot);
    if (rv == BASE_OK) rv = node_refusal_ring_new(&m->refusals);
    if (rv == BASE_OK) rv = loop_new(m);
    if (rv == BASE_OK) rv = node_inbox_new(&m->inbox, &m->loop);
    if (rv == BASE_OK) rv = node_http_client_new(&m->client, &m->loop, m->config->tls_ca);
    if (rv == BASE_OK) rv = mesh_chain_new(m);
    if (rv == BASE_OK) rv = mesh_authority_new(m);
    if (rv == BASE_OK) rv = mesh_handler_new(m);
    m->targets = calloc(MESH_TARGETS_MAX, sizeof *m->targets);
    m->info_asked_ms = calloc(CHAIN_SEATS_MAX, sizeof *m->info_asked_ms);
    if (rv == BASE_OK && (m->targets == NULL || m->info_asked_ms == NULL)) rv = BASE_ENOMEM;
    for (size_t i = 0; i < sizeof m->session_out / sizeof m->session_out[0]; i++) {
        m->session_out[i] = malloc(sizeof *m->session_out[i]);
        if (m->session_out[i] == NULL) rv = BASE_ENOMEM;
    }
    if (rv != BASE_OK) return rv;
    base_random(&seed, sizeof seed);
    base_prng_init(&m->prng, seed);
    base_random(m->hints.key, sizeof m->hints.key);
    m->env = (struct node_session_env){.identity = &m->identity,
                                       .admission = &m->admission,
                                       .record = &m->record,
                                       .ephemerals = &m->ephemerals};
    return mesh_control_new(m);
}

static void mesh_free(struct mesh *m)
{
    while (m->later != NULL) {
        struct mesh_gossip_later *item = m->later;
        m->later = item->next;
        free(item);
    }
    while (m->conn_later != NULL) {
        struct mesh_conn_later *item = m->conn_later;
        m->conn_later = item->next;
        free(item);
    }
    gossip_free(m->gossip);
    node_chain_client_free(m->chain);
    if (m->snapshot != m->raw) chain_snapshot_free(m->snapshot);
    chain_snapshot_free(m->raw);
    mesh_authority_free(m);
    mesh_consensus_free(m);
    for (size_t i = 0; i < m->member_count; i++)
        free(m->members[i].line);
    free(m->members);
    free(m->targets);
    free(m->conn_slots);
    free(m->info_asked_ms);
    for (size_t i = 0; i < sizeof m->session_out / sizeof m->session_out[0]; i++)
        free(m->session_out[i]);
    node_identity_deinit(&m->identity);
    base_memzero(m->seed, sizeof m->seed);
    node_refusal_ring_free(m->refusals);
    node_view_slot_free(m->slot);
    node_metrics_free(m->metrics);
    node_store_close(m->store);
    node_logsink_free(m->sink);
    free(m);
}

static void announce(struct mesh *m)
{
    char contract[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(contract, &m->config->contract);
    mesh_log(m, BASE_LOG_INFO, "node", "start",
             "nftmesh " MESH_VERSION ", contract %s on chain "
             "%" PRIu64 ", control socket %s/control.sock",
             contract, m->config->chain_id, m->config->data_dir);
    if (m->config->dev)
        mesh_log(m, BASE_LOG_WARN, "node", "dev",
                 "development mode: the simulator and public KMS "
                 "roots are accepted, which proves nothing about any machine");
}

int node_mesh_run(const struct node_config *config)
{
    struct mesh *m = calloc(1, sizeof *m);
    int status;
    if (m == NULL || uv_loop_init(&m->loop) != 0) {
        free(m);
        return 1;
    }
    m->config = config;
    m->later_tail = &m->later;
    m->conn_later_tail = &m->conn_later;
    m->start_ms = mesh_now();
    m->start_wall_ms = mesh_wall();
    int rv = log_new(m);
    if (rv == BASE_OK) rv = parts_new(m);
    if (rv == BASE_OK)
        announce(m);
    else
        mesh_fail(m, rv == BASE_EINVAL ? 2 : 1, "%s",
                  m->why[0] != '\0' ? m->why : base_strerror(rv));
    uv_run(&m->loop, UV_RUN_DEFAULT);
    uv_loop_close(&m->loop);
    status = m->exit_status;
    mesh_free(m);
    return status;
}
