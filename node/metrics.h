#ifndef NFTMESH_NODE_METRICS_H
#define NFTMESH_NODE_METRICS_H

#include "base/buf.h"
#include "node/view.h"
#include <stdatomic.h>

/* Counters, gauges and histograms as C11 atomics in one struct, and the Prometheus text format.
 *
 * One thread writes (the loop), any thread renders. Families with labels hold at most
 * NODE_METRIC_SERIES_MAX combinations, what comes after that is counted under label values
 * "other": nobody outside can make a scrape grow. */
#define NODE_METRIC_SERIES_MAX  64
#define NODE_METRIC_LABELS_MAX  3
#define NODE_METRIC_LABEL_BYTES 64
#define NODE_METRIC_BUCKETS_MAX 16

struct node_metric_series {
    char labels[NODE_METRIC_LABELS_MAX][NODE_METRIC_LABEL_BYTES];
    _Atomic uint64_t value;
};
struct node_metric_family { /* counters or gauges that differ in label values */
    struct node_metric_series series[NODE_METRIC_SERIES_MAX + 1]; /* the last one: other */
    _Atomic uint32_t count; /* series below it are complete: released after the labels are set */
};
struct node_metric_histogram {
    _Atomic uint64_t buckets[NODE_METRIC_BUCKETS_MAX + 1]; /* not cumulative; last is +Inf */
    _Atomic uint64_t sum;                                  /* microseconds, or plain units */
};
struct node_metric_histograms { /* one a label value */
    struct node_metric_histogram of[NODE_VIEW_RPC_MAX + 1];
    struct node_metric_family names; /* value unused */
};

struct node_metrics {
    struct node_metric_family handshakes;      /* result */
    struct node_metric_family admissions;      /* result, reason */
    struct node_metric_family evictions;       /* reason */
    struct node_metric_family authorisations;  /* verdict */
    struct node_metric_family gossip_messages; /* type (direction is in it: "ping_sent") */
    struct node_metric_family rpc_requests;    /* endpoint, method, result */
    struct node_metric_family rpc_head_block;  /* endpoint; a gauge */
    struct node_metric_family inbound_dials;   /* result */
    struct node_metric_family over_budget;     /* what */
    struct node_metric_family event_handlers;  /* result */
    struct node_metric_family http_requests;   /* listener, code; counted by node/http */
    _Atomic uint64_t gossip_invalid, suspicions, refutations, probes, probes_failed;
    _Atomic uint64_t links_established, received_bytes, sent_bytes;
    _Atomic uint64_t user_events, chain_reorgs, log_lines_dropped;
    _Atomic uint64_t budget_peak_permille, local_health_score; /* gauges */
    _Atomic uint64_t chain_ref_block;
    _Atomic uint64_t loop_turns;
    struct node_metric_family log_entries; /* kind */
    _Atomic uint64_t consensus_sent, consensus_received, consensus_refused;
    _Atomic uint64_t leader_changes, evidence;
    /* Gauges; without consensus all are zero, and not shown. */
    _Atomic uint64_t consensus_on, consensus_mute, consensus_abstains, consensus_lost, epoch, slot,
        final_slot, window, is_leader;
    _Atomic uint64_t lease_remaining_ms, quorum_weight, voting_weight, voting_weight_heard,
        voting_weight_sold;
    struct node_metric_histogram peer_rtt;           /* seconds */
    struct node_metric_histogram handshake_duration; /* seconds */
    struct node_metric_histogram admission_duration; /* seconds: dial or accept to READY */
    struct node_metric_histogram revocation_latency; /* seconds: block time to eviction */
    struct node_metric_histogram revocation_blocks;  /* blocks */
    struct node_metric_histogram chain_reorg_depth;  /* blocks */
    struct node_metric_histograms rpc_duration;      /* seconds, by endpoint */
};

int node_metrics_new(struct node_metrics **out); /* BASE_ENOMEM */
void node_metrics_free(struct node_metrics *metrics);

/* Plain counters: atomic_fetch_add_explicit behind a short name. */
void node_metric_inc(_Atomic uint64_t *counter);
void node_metric_add(_Atomic uint64_t *counter, uint64_t n);
void node_metric_set(_Atomic uint64_t *gauge, uint64_t value);
/* Label values that the family has not are NULL. Loop thread only. */
void node_metric_count(struct node_metric_family *family, const char *a, const char *b,
                       const char *c);
void node_metric_gauge(struct node_metric_family *family, uint64_t value, const char *a);

void node_metrics_rtt(struct node_metrics *metrics, uint64_t us);
void node_metrics_handshake(struct node_metrics *metrics, const char *result, uint64_t ms);
/* result: "admitted", "refused"; reason: "" or the word. */
void node_metrics_admission(struct node_metrics *metrics, const char *result, const char *reason,
                            uint64_t ms);
void node_metrics_eviction(struct node_metrics *metrics, const char *reason, uint64_t latency_ms,
                           uint64_t latency_blocks);
void node_metrics_rpc(struct node_metrics *metrics, const char *endpoint, const char *method,
                      const char *result, uint64_t ms);
void node_metrics_reorg(struct node_metrics *metrics, uint64_t depth);

/* The exposition, text format 0.0.4. view may be NULL (nothing published yet): then the figures
 * that come from it are left out. */
struct node_metrics_build {
    const char *version, *commit, *protocol;
    uint64_t start_ms; /* wall clock */
};
void node_metrics_render(struct base_buf *out, const struct node_metrics *metrics,
                         const struct node_view *view, const struct node_metrics_build *build);

#endif
