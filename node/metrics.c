#include "node/metrics.h"

#include "base/err.h"
#include "node/expiry.h"
#include "node/metrics_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Upper bounds of buckets: plain units, or microseconds for what is told in seconds. */
struct metric_bounds {
    uint64_t upper[NODE_METRIC_BUCKETS_MAX];
    size_t count;
};
static const struct metric_bounds bounds_link_us = {
    {250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000}, 12};
static const struct metric_bounds bounds_handshake_us = {
    {1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000}, 12};
static const struct metric_bounds bounds_latency_us = {{100000, 250000, 500000, 1000000, 2000000,
                                                        3000000, 5000000, 10000000, 30000000,
                                                        60000000, 300000000, 1800000000},
                                                       12};
static const struct metric_bounds bounds_blocks = {{0, 1, 2, 3, 5, 8, 16, 32, 64, 128}, 10};

int node_metrics_new(struct node_metrics **out)
{
    assert(out != NULL);
    *out = calloc(1, sizeof **out); /* zero is a valid state of every atomic in it */
    return *out != NULL ? BASE_OK : BASE_ENOMEM;
}

void node_metrics_free(struct node_metrics *metrics)
{
    free(metrics);
}

/* ---- counting ---- */

void node_metric_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void node_metric_inc(_Atomic uint64_t *counter)
{
    node_metric_add(counter, 1);
}

void node_metric_set(_Atomic uint64_t *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

static void label_copy(char out[NODE_METRIC_LABEL_BYTES], const char *text)
{
    size_t len = text == NULL ? 0 : strnlen(text, NODE_METRIC_LABEL_BYTES - 1);
    if (len > 0) memcpy(out, text, len);
    out[len] = '\0';
}

/* The index of these label values, NODE_METRIC_SERIES_MAX when there is no room for new ones. A new
 * series is filled first and counted then, so a reader sees whole ones only. */
static size_t series_index(struct node_metric_family *family,
                           const char *const values[NODE_METRIC_LABELS_MAX])
{
    char labels[NODE_METRIC_LABELS_MAX][NODE_METRIC_LABEL_BYTES];
    uint32_t count = atomic_load_explicit(&family->count, memory_order_relaxed);
    for (size_t i = 0; i < NODE_METRIC_LABELS_MAX; i++)
        label_copy(labels[i], values[i]);
    for (size_t i = 0; i < count; i++) {
        bool is_same = true;
        for (size_t k = 0; k < NODE_METRIC_LABELS_MAX; k++)
            is_same = is_same && strcmp(family->series[i].labels[k], labels[k]) == 0;
        if (is_same) return i;
    }
    if (count == NODE_METRIC_SERIES_MAX) return NODE_METRIC_SERIES_MAX;
    memcpy(family->series[count].labels, labels, sizeof labels);
    atomic_store_explicit(&family->count, count + 1, memory_order_release);
    return count;
}

void node_metric_count(struct node_metric_family *family, const char *a, const char *b,
                       const char *c)
{
    const char *values[NODE_METRIC_LABELS_MAX] = {a, b, c};
    node_metric_inc(&family->series[series_index(family, values)].value);
}

void node_metric_gauge(struct node_metric_family *family, uint64_t value, const char *a)
{
    const char *values[NODE_METRIC_LABELS_MAX] = {a, NULL, NULL};
    node_metric_set(&family->series[series_index(family, values)].value, value);
}

static void histogram_put(struct node_metric_histogram *histogram,
                          const struct metric_bounds *bounds, uint64_t value)
{
    size_t i = 0;
    while (i < bounds->count && value > bounds->upper[i])
        i++;
    node_metric_inc(&histogram->buckets[i < bounds->count ? i : NODE_METRIC_BUCKETS_MAX]);
    node_metric_add(&histogram->sum, value);
}

void node_metrics_rtt(struct node_metrics *metrics, uint64_t us)
{
    histogram_put(&metrics->peer_rtt, &bounds_link_us, us);
}

void node_metrics_handshake(struct node_metrics *metrics, const char *result, uint64_t ms)
{
    node_metric_count(&metrics->handshakes, result, NULL, NULL);
    histogram_put(&metrics->handshake_duration, &bounds_handshake_us, ms * 1000);
}

void node_metrics_admission(struct node_metrics *metrics, const char *result, const char *reason,
                            uint64_t ms)
{
    node_metric_count(&metrics->admissions, result, reason, NULL);
    histogram_put(&metrics->admission_duration, &bounds_handshake_us, ms * 1000);
}

void node_metrics_eviction(struct node_metrics *metrics, const char *reason, uint64_t latency_ms,
                           uint64_t latency_blocks)
{
    node_metric_count(&metrics->evictions, reason, NULL, NULL);
    histogram_put(&metrics->revocation_latency, &bounds_latency_us, latency_ms * 1000);
    histogram_put(&metrics->revocation_blocks, &bounds_blocks, latency_blocks);
}

void node_metrics_rpc(struct node_metrics *metrics, const char *endpoint, const char *method,
                      const char *result, uint64_t ms)
{
    const char *values[NODE_METRIC_LABELS_MAX] = {endpoint, NULL, NULL};
    node_metric_count(&metrics->rpc_requests, endpoint, method, result);
    size_t i = series_index(&metrics->rpc_duration.names, values);
    histogram_put(&metrics->rpc_duration.of[i < NODE_VIEW_RPC_MAX ? i : NODE_VIEW_RPC_MAX],
                  &bounds_handshake_us, ms * 1000);
}

void node_metrics_reorg(struct node_metrics *metrics, uint64_t depth)
{
    node_metric_inc(&metrics->chain_reorgs);
    histogram_put(&metrics->chain_reorg_depth, &bounds_blocks, depth);
}

/* ---- telling: text format 0.0.4 ---- */

static void put_head(struct base_buf *out, const char *name, const char *type, const char *help)
{
    base_buf_printf(out, "# HELP nftmesh_%s %s\n# TYPE nftmesh_%s %s\n", name, help, name, type);
}

static uint64_t value_of(const _Atomic uint64_t *value)
{
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)value, memory_order_relaxed);
}

static void put_one(struct base_buf *out, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    put_head(out, name, type, help);
    base_buf_printf(out, "nftmesh_%s %llu\n", name, (unsigned long long)value);
}

/* Bytes from outside may stand in a label (an endpoint's name, a check's): \ " and newline are
 * escaped as the format says, other controls become '?'. */
static void put_label(struct base_buf *out, const char *key, const char *value, bool is_first)
{
    base_buf_printf(out, "%s%s=\"", is_first ? "" : ",", key);
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            base_buf_printf(out, "\\%c", *value);
        else if (*value == '\n')
            base_buf_puts(out, "\\n");
        else
            base_buf_printf(out, "%c",
                            (unsigned char)*value < ' ' || (unsigned char)*value > '~' ? '?'
                                                                                       : *value);
    }
    base_buf_puts(out, "\"");
}

static void put_series(struct base_buf *out, const char *name,
                       const struct node_metric_series *series, const char *const *keys,
                       bool is_other)
{
    base_buf_printf(out, "nftmesh_%s{", name);
    for (size_t i = 0; i < NODE_METRIC_LABELS_MAX && keys[i] != NULL; i++)
        put_label(out, keys[i], is_other ? "other" : series->labels[i], i == 0);
    base_buf_printf(out, "} %llu\n", (unsigned long long)value_of(&series->value));
}

static void put_family(struct base_buf *out, const char *name, const char *type, const char *help,
                       const struct node_metric_family *family,
                       const char *const keys[NODE_METRIC_LABELS_MAX])
{
    uint32_t count =
        atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&family->count, memory_order_acquire);
    put_head(out, name, type, help);
    for (uint32_t i = 0; i < count; i++)
        put_series(out, name, &family->series[i], keys, false);
    const struct node_metric_series *other = &family->series[NODE_METRIC_SERIES_MAX];
    if (value_of(&other->value) > 0) put_series(out, name, other, keys, true);
}

static void put_bound(struct base_buf *out, uint64_t value, bool is_us)
{
    if (!is_us)
        base_buf_printf(out, "%llu", (unsigned long long)value);
    else
        base_buf_printf(out, "%llu.%06u", (unsigned long long)(value / 1000000),
                        (unsigned)(value % 1000000));
}

static void put_histogram(struct base_buf *out, const char *name,
                          const struct node_metric_histogram *histogram,
                          const struct metric_bounds *bounds, bool is_us, const char *key,
                          const char *value)
{
    uint64_t total = 0;
    for (size_t i = 0; i <= bounds->count; i++) {
        bool is_last = i == bounds->count;
        total += value_of(&histogram->buckets[is_last ? NODE_METRIC_BUCKETS_MAX : i]);
        base_buf_printf(out, "nftmesh_%s_bucket{", name);
        if (key != NULL) {
            put_label(out, key, value, true);
            base_buf_puts(out, ",");
        }
        base_buf_puts(out, "le=\"");
        if (is_last)
            base_buf_puts(out, "+Inf");
        else
            put_bound(out, bounds->upper[i], is_us);
        base_buf_printf(out, "\"} %llu\n", (unsigned long long)total);
    }
    for (int is_count = 0; is_count < 2; is_count++) {
        base_buf_printf(out, "nftmesh_%s_%s", name, is_count ? "count" : "sum");
        if (key != NULL) {
            base_buf_puts(out, "{");
            put_label(out, key, value, true);
            base_buf_puts(out, "}");
        }
        base_buf_puts(out, " ");
        if (is_count)
            base_buf_printf(out, "%llu", (unsigned long long)total);
        else
            put_bound(out, value_of(&histogram->sum), is_us);
        base_buf_puts(out, "\n");
    }
}

static void put_histogram_alone(struct base_buf *out, const char *name, const char *help,
                                const struct node_metric_histogram *histogram,
                                const struct metric_bounds *bounds, bool is_us)
{
    put_head(out, name, "histogram", help);
    put_histogram(out, name, histogram, bounds, is_us, NULL, NULL);
}

/* ---- what there is ---- */

static void render_build(struct base_buf *out, const struct node_metrics_build *build)
{
    put_head(out, "build_info", "gauge", "Version of this node; always 1.");
    base_buf_puts(out, "nftmesh_build_info{");
    put_label(out, "version", build->version, true);
    put_label(out, "commit", build->commit, false);
    put_label(out, "protocol", build->protocol, false);
    base_buf_puts(out, "} 1\n");
    put_head(out, "start_time_seconds", "gauge", "When the node started, seconds since 1970.");
    base_buf_printf(out, "nftmesh_start_time_seconds %llu.%03u\n",
                    (unsigned long long)(build->start_ms / 1000),
                    (unsigned)(build->start_ms % 1000));
}

static void render_members(struct base_buf *out, const struct node_view *view)
{
    uint64_t total = 0, online = 0;
    put_head(out, "members", "gauge", "Members in this node's table, by status.");
    for (int state = NODE_VIEW_ALIVE; state < NODE_VIEW_STATE_COUNT; state++)
        base_buf_printf(out, "nftmesh_members{status=\"%s\"} %zu\n",
                        node_view_state_name((enum node_view_state)state),
                        node_view_count(view, (enum node_view_state)state));
    for (size_t i = 0; i < view->member_count; i++) {
        if (view->members[i].state == NODE_VIEW_LEFT) continue;
        total += view->members[i].weight;
        if (view->members[i].state == NODE_VIEW_ALIVE) online += view->members[i].weight;
    }
    put_one(out, "weight_total", "gauge", "Seats' weight of all members that have not left.",
            total);
    put_one(out, "weight_online", "gauge", "Seats' weight of the members that are alive.", online);
    put_one(out, "peers", "gauge", "Links to peers, being made or up.", view->link_count);
}

static void render_view(struct base_buf *out, const struct node_view *view)
{
    put_one(out, "ready", "gauge", "1 when every readiness check passes.",
            node_view_is_ready(view) ? 1 : 0);
    put_head(out, "health_check", "gauge", "1 when this readiness check passes.");
    for (size_t i = 0; i < view->check_count; i++) {
        base_buf_puts(out, "nftmesh_health_check{");
        put_label(out, "name", view->checks[i].name, true);
        put_label(out, "severity", "critical", false);
        base_buf_printf(out, "} %d\n", view->checks[i].ok ? 1 : 0);
    }
    put_one(out, "dev_mode", "gauge", "1 when --dev is set and admission proves nothing.",
            view->self.dev ? 1 : 0);
    if (view->self.expires_at_s != 0 && view->self.has_block) {
        put_head(out, "registration_expires_seconds", "gauge",
                 "Seconds until the registration ends, by the time of the block that members are"
                 " judged by; negative once it is over.");
        base_buf_printf(
            out, "nftmesh_registration_expires_seconds %lld\n",
            (long long)node_expiry_left_s(view->self.expires_at_s, view->self.block_time_s));
    }
    render_members(out, view);
}

static void render_mesh(struct base_buf *out, const struct node_metrics *m)
{
    static const char *const result[] = {"result", NULL, NULL};
    static const char *const result_reason[] = {"result", "reason", NULL};
    static const char *const what[] = {"what", NULL, NULL};
    static const char *const reason[] = {"reason", NULL, NULL};
    static const char *const type[] = {"type", NULL, NULL};
    static const char *const verdict[] = {"verdict", NULL, NULL};
    put_family(out, "inbound_dials_total", "counter",
               "Links that others opened, by what came of it.", &m->inbound_dials, result);
    put_family(out, "handshakes_total", "counter", "Handshakes that ended, by result.",
               &m->handshakes, result);
    put_histogram_alone(out, "handshake_duration_seconds", "From the first act to the end.",
                        &m->handshake_duration, &bounds_handshake_us, true);
    put_family(out, "admissions_total", "counter", "Verdicts on peers, by result and reason.",
               &m->admissions, result_reason);
    put_histogram_alone(out, "admission_duration_seconds", "From the link to the verdict.",
                        &m->admission_duration, &bounds_handshake_us, true);
    put_family(out, "evictions_total", "counter", "Members that lost their place, by reason.",
               &m->evictions, reason);
    put_family(out, "authorisations_total", "counter",
               "Owners' statements on keys that were heard, by verdict.", &m->authorisations,
               verdict);
    put_histogram_alone(out, "revocation_latency_seconds",
                        "From the time of the block that took a seat to the eviction.",
                        &m->revocation_latency, &bounds_latency_us, true);
    put_histogram_alone(out, "revocation_latency_blocks",
                        "Blocks from the one that took a seat to the one judged by.",
                        &m->revocation_blocks, &bounds_blocks, false);
    put_one(out, "peer_conn_established_total", "counter", "Sessions that came up.",
            value_of(&m->links_established));
    put_one(out, "peer_received_bytes_total", "counter", "Bytes of frames from peers.",
            value_of(&m->received_bytes));
    put_one(out, "peer_sent_bytes_total", "counter", "Bytes of frames to peers.",
            value_of(&m->sent_bytes));
    put_histogram_alone(out, "peer_rtt_seconds", "Round trips of probes, all peers.", &m->peer_rtt,
                        &bounds_link_us, true);
    put_family(out, "gossip_messages_total", "counter", "Gossip frames, by type.",
               &m->gossip_messages, type);
    put_one(out, "gossip_invalid_total", "counter", "Gossip that was refused.",
            value_of(&m->gossip_invalid));
    put_one(out, "probes_total", "counter", "Probes sent.", value_of(&m->probes));
    put_one(out, "probes_failed_total", "counter", "Probes without an answer, direct or indirect.",
            value_of(&m->probes_failed));
    put_one(out, "suspicions_total", "counter", "Members that this node came to suspect.",
            value_of(&m->suspicions));
    put_one(out, "local_health_score", "gauge",
            "How late this node's own probes are answered: 0 healthy; time-outs grow with it.",
            value_of(&m->local_health_score));
    put_one(out, "refutations_total", "counter", "Suspicions that were refuted.",
            value_of(&m->refutations));
    put_family(out, "peer_over_budget_total", "counter",
               "Members over their budget: rests of a link, closed links, refused ones.",
               &m->over_budget, what);
    put_one(out, "peer_budget_peak_permille", "gauge",
            "The most of its budget that a member has used at once, since the start.",
            value_of(&m->budget_peak_permille));
    put_one(out, "user_events_total", "counter", "User events delivered.",
            value_of(&m->user_events));
}

static void render_chain(struct base_buf *out, const struct node_metrics *m)
{
    static const char *const requests[] = {"endpoint", "method", "result"};
    static const char *const endpoint[] = {"endpoint", NULL, NULL};
    put_family(out, "rpc_requests_total", "counter", "JSON-RPC requests.", &m->rpc_requests,
               requests);
    put_head(out, "rpc_duration_seconds", "histogram", "Time to an endpoint's answer.");
    uint32_t count = atomic_load_explicit(
        (_Atomic uint32_t *)(uintptr_t)&m->rpc_duration.names.count, memory_order_acquire);
    for (uint32_t i = 0; i < count && i < NODE_VIEW_RPC_MAX; i++)
        put_histogram(out, "rpc_duration_seconds", &m->rpc_duration.of[i], &bounds_handshake_us,
                      true, "endpoint", m->rpc_duration.names.series[i].labels[0]);
    if (count > NODE_VIEW_RPC_MAX)
        put_histogram(out, "rpc_duration_seconds", &m->rpc_duration.of[NODE_VIEW_RPC_MAX],
                      &bounds_handshake_us, true, "endpoint", "other");
    put_family(out, "rpc_head_block", "gauge", "Highest block that an endpoint claims.",
               &m->rpc_head_block, endpoint);
    put_one(out, "chain_ref_block", "gauge", "Block that members are judged by.",
            value_of(&m->chain_ref_block));
    put_one(out, "chain_reorgs_total", "counter", "Times that the reference block was replaced.",
            value_of(&m->chain_reorgs));
    put_histogram_alone(out, "chain_reorg_depth", "Blocks that a reorganisation replaced.",
                        &m->chain_reorg_depth, &bounds_blocks, false);
}

static void render_consensus(struct base_buf *out, const struct node_metrics *m)
{
    static const char *const kind[] = {"kind", NULL, NULL};
    if (value_of(&m->consensus_on) == 0) return;
    put_one(out, "epoch", "gauge", "Epoch of the cluster's consensus.", value_of(&m->epoch));
    put_one(out, "slot", "gauge", "Lowest slot of the epoch that is not decided.",
            value_of(&m->slot));
    put_one(out, "final_slot", "gauge", "Highest slot of the epoch that is final.",
            value_of(&m->final_slot));
    put_one(out, "window", "gauge", "Window of the epoch: one leader each.", value_of(&m->window));
    put_one(out, "is_leader", "gauge", "1 while this node holds the leader's lease.",
            value_of(&m->is_leader));
    put_head(out, "lease_remaining_seconds", "gauge", "Time that is left of this node's lease.");
    base_buf_printf(out, "nftmesh_lease_remaining_seconds %llu.%03llu\n",
                    (unsigned long long)(value_of(&m->lease_remaining_ms) / 1000),
                    (unsigned long long)(value_of(&m->lease_remaining_ms) % 1000));
    put_one(out, "leader_changes_total", "counter", "Times that another member came to lead.",
            value_of(&m->leader_changes));
    put_one(out, "quorum_weight", "gauge", "Weight that decides.", value_of(&m->quorum_weight));
    put_one(out, "voting_weight", "gauge", "Weight of all voters of the epoch.",
            value_of(&m->voting_weight));
    put_one(out, "voting_weight_heard", "gauge", "Weight of those heard of in the last seconds.",
            value_of(&m->voting_weight_heard));
    put_one(out, "voting_weight_sold", "gauge",
            "Weight whose seats are gone, and that votes until the next epoch.",
            value_of(&m->voting_weight_sold));
    put_one(out, "evidence_total", "counter", "Members that were proved to have voted twice.",
            value_of(&m->evidence));
    put_family(out, "log_entries_total", "counter",
               "Entries of the log that became final, by kind.", &m->log_entries, kind);
    put_one(out, "consensus_sent_total", "counter", "Consensus frames sent.",
            value_of(&m->consensus_sent));
    put_one(out, "consensus_received_total", "counter", "Consensus frames received.",
            value_of(&m->consensus_received));
    put_one(out, "consensus_refused_total", "counter", "Consensus frames that broke a rule.",
            value_of(&m->consensus_refused));
    put_one(out, "consensus_mute", "gauge", "1 when this node signs nothing until its restart.",
            value_of(&m->consensus_mute));
    put_one(out, "consensus_abstains", "gauge",
            "1 while this node neither votes nor leads: --rpc-grace has passed.",
            value_of(&m->consensus_abstains));
    put_one(out, "consensus_votes_lost", "gauge",
            "1 while this node votes for nothing: its log lacks votes that it may have made.",
            value_of(&m->consensus_lost));
}

static void render_rim(struct base_buf *out, const struct node_metrics *m)
{
    static const char *const keys[] = {"listener", "code", NULL};
    static const char *const result[] = {"result", NULL, NULL};
    put_family(out, "event_handlers_total", "counter",
               "Runs of --on-event commands, and events that found the queue full, by result.",
               &m->event_handlers, result);
    put_family(out, "http_requests_total", "counter", "Requests to the HTTP surfaces.",
               &m->http_requests, keys);
    put_one(out, "loop_turns_total", "counter", "Turns of the node's loop.",
            value_of(&m->loop_turns));
    put_one(out, "log_lines_dropped_total", "counter", "Log lines that nobody took in time.",
            value_of(&m->log_lines_dropped));
}

void node_metrics_render(struct base_buf *out, const struct node_metrics *metrics,
                         const struct node_view *view, const struct node_metrics_build *build)
{
    assert(out != NULL && metrics != NULL && build != NULL);
    render_build(out, build);
    if (view != NULL) render_view(out, view);
    render_mesh(out, metrics);
    render_chain(out, metrics);
    render_consensus(out, metrics);
    render_rim(out, metrics);
    node__metrics_process(out);
}
