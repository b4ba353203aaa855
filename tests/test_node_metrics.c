/* The exposition, read by a strict parser of its own: Prometheus text format 0.0.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/metrics.h"

#define FAMILIES_MAX 128
#define SAMPLES_MAX  8192

struct family {
    char name[96], type[16];
};
struct sample {
    char name[96];    /* with suffix */
    char labels[256]; /* as written */
    double value;
};
struct exposition {
    struct family families[FAMILIES_MAX];
    size_t family_count;
    struct sample samples[SAMPLES_MAX];
    size_t sample_count;
};

static bool name_is_fine(const char *name, size_t len)
{
    if (len == 0 || isdigit((unsigned char)name[0])) return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != ':') return false;
    return true;
}

static struct family *family_of(struct exposition *e, const char *name)
{
    for (size_t i = 0; i < e->family_count; i++)
        if (strcmp(e->families[i].name, name) == 0) return &e->families[i];
    return NULL;
}

/* A sample belongs to the last family; a histogram's carry its suffixes. */
static bool sample_belongs(const struct family *family, const char *name)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    size_t len = strlen(family->name);
    if (strcmp(family->type, "histogram") != 0) return strcmp(family->name, name) == 0;
    for (size_t i = 0; i < 3; i++)
        if (strncmp(name, family->name, len) == 0 && strcmp(name + len, suffixes[i]) == 0)
            return true;
    return false;
}

/* {name="value",..}: where it ends, NULL when it is wrong. */
static const char *labels_end(const char *p)
{
    bool has_any = false;
    for (p++; *p != '}'; has_any = true) {
        if (has_any && *p++ != ',') return NULL;
        size_t len = strcspn(p, "=");
        if (!name_is_fine(p, len) || p[len + 1] != '"') return NULL;
        for (p += len + 2; *p != '"'; p++) {
            if (*p == '\0' || *p == '\n' || (unsigned char)*p < ' ') return NULL;
            if (*p == '\\' && strchr("\\\"n", *++p) == NULL) return NULL;
        }
        p++;
    }
    return has_any ? p + 1 : NULL;
}

static void parse_sample(struct exposition *e, const char *line)
{
    assert_true(e->sample_count < SAMPLES_MAX && e->family_count > 0);
    struct sample *sample = &e->samples[e->sample_count++];
    size_t len = strcspn(line, "{ ");
    if (!name_is_fine(line, len)) fail_msg("bad name: %s", line);
    snprintf(sample->name, sizeof sample->name, "%.*s", (int)len, line);
    const char *p = line + len;
    if (*p == '{') {
        const char *end = labels_end(p);
        if (end == NULL) fail_msg("bad labels: %s", line);
        snprintf(sample->labels, sizeof sample->labels, "%.*s", (int)(end - p), p);
        p = end;
    }
    char *end;
    if (*p != ' ' || isspace((unsigned char)p[1])) fail_msg("bad value: %s", line);
    sample->value = strtod(p + 1, &end);
    if (end == p + 1 || *end != '\0') fail_msg("bad value: %s", line);
    if (!sample_belongs(&e->families[e->family_count - 1], sample->name))
        fail_msg("outside of its family: %s", line);
    for (size_t i = 0; i + 1 < e->sample_count; i++)
        if (strcmp(e->samples[i].name, sample->name) == 0 &&
            strcmp(e->samples[i].labels, sample->labels) == 0)
            fail_msg("twice: %s", line);
}

static void parse_comment(struct exposition *e, const char *line)
{
    char name[96], word[16];
    if (sscanf(line, "# HELP %95s %1s", name, word) == 2) {
        assert_null(family_of(e, name));
        assert_true(e->family_count < FAMILIES_MAX);
        strcpy(e->families[e->family_count++].name, name);
        return;
    }
    if (sscanf(line, "# TYPE %95s %15s", name, word) != 2) fail_msg("bad comment: %s", line);
    struct family *family = family_of(e, name);
    if (family != &e->families[e->family_count - 1] || family->type[0] != '\0')
        fail_msg("TYPE not right after HELP: %s", line);
    if (strcmp(word, "counter") != 0 && strcmp(word, "gauge") != 0 &&
        strcmp(word, "histogram") != 0)
        fail_msg("bad type: %s", line);
    strcpy(family->type, word);
}

/* Buckets rise, end with +Inf, and +Inf is the count. */
static void check_histograms(const struct exposition *e)
{
    double last = 0, bound = -1, infinite = -1;
    for (size_t i = 0; i < e->sample_count; i++) {
        const struct sample *s = &e->samples[i];
        const char *le = strstr(s->labels, "le=\"");
        size_t len = strlen(s->name);
        if (le != NULL && len > 7 && strcmp(s->name + len - 7, "_bucket") == 0) {
            bool is_inf = strncmp(le + 4, "+Inf\"", 5) == 0;
            double upper = is_inf ? 1e300 : strtod(le + 4, NULL);
            if (upper <= bound) last = 0; /* the next label value's */
            assert_true(s->value >= last);
            last = s->value;
            bound = is_inf ? -1 : upper;
            if (is_inf) infinite = s->value;
        } else if (len > 6 && strcmp(s->name + len - 6, "_count") == 0 && infinite >= 0) {
            assert_true(s->value == infinite);
            infinite = -1;
            last = 0;
        }
    }
}

static struct exposition *parse(const struct base_buf *text)
{
    struct exposition *e = calloc(1, sizeof *e);
    char *copy = strndup(text->data, text->len), *save = NULL;
    assert_true(text->len > 0 && text->data[text->len - 1] == '\n');
    assert_null(strstr(copy, "\n\n"));
    for (char *line = strtok_r(copy, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        if (line[0] == '#')
            parse_comment(e, line);
        else
            parse_sample(e, line);
    free(copy);
    for (size_t i = 0; i < e->family_count; i++) {
        const struct family *f = &e->families[i];
        size_t len = strlen(f->name);
        assert_true(f->type[0] != '\0');
        bool is_total = len > 6 && strcmp(f->name + len - 6, "_total") == 0;
        if (strcmp(f->name, "nftmesh_weight_total") == 0) continue; /* a sum, not a count */
        assert_int_equal(is_total, strcmp(f->type, "counter") == 0);
    }
    check_histograms(e);
    return e;
}

static const struct node_metrics_build build = {
    .version = "0.1.0", .commit = "abc", .protocol = "nftmesh/1", .start_ms = 1732300000123};

static struct exposition *render(const struct node_metrics *metrics, const struct node_view *view)
{
    struct base_buf out;
    base_buf_init(&out, 8 << 20);
    node_metrics_render(&out, metrics, view, &build);
    assert_false(out.failed);
    struct exposition *e = parse(&out);
    base_buf_deinit(&out);
    return e;
}

static double value(const struct exposition *e, const char *name, const char *labels)
{
    for (size_t i = 0; i < e->sample_count; i++)
        if (strcmp(e->samples[i].name, name) == 0 && strcmp(e->samples[i].labels, labels) == 0)
            return e->samples[i].value;
    fail_msg("no sample %s%s", name, labels);
    return -1;
}

static struct node_view *view_of_test(void)
{
    struct node_view *view;
    assert_int_equal(node_view_new(&view), BASE_OK);
    struct node_view_member member = {.name = "a", .state = NODE_VIEW_ALIVE, .weight = 3};
    node_view_add_member(view, &member);
    member.state = NODE_VIEW_FAILED;
    node_view_add_member(view, &member);
    node_view_add_check(view, "joined", true, "");
    node_view_add_check(view, "odd \"name\"\\\n\x01", false, "why");
    view->self.dev = true;
    return view;
}

static void test_empty(void **state)
{
    (void)state;
    struct node_metrics *metrics;
    assert_int_equal(node_metrics_new(&metrics), BASE_OK);
    struct exposition *e = render(metrics, NULL);
    assert_true(value(e, "nftmesh_build_info",
                      "{version=\"0.1.0\",commit=\"abc\",protocol=\"nftmesh/1\"}") == 1);
    assert_true(value(e, "nftmesh_start_time_seconds", "") == 1732300000.123);
    assert_true(value(e, "nftmesh_probes_total", "") == 0);
    assert_true(value(e, "nftmesh_local_health_score", "") == 0);
    assert_true(value(e, "process_resident_memory_bytes", "") > 4096);
    assert_true(value(e, "process_open_fds", "") >= 3);
    assert_true(value(e, "process_max_fds", "") >= value(e, "process_open_fds", ""));
    assert_null(family_of(e, "nftmesh_ready")); /* unknown is not "no" */
    free(e);
    node_metrics_free(metrics);
}

static void test_view_figures(void **state)
{
    (void)state;
    struct node_metrics *metrics;
    assert_int_equal(node_metrics_new(&metrics), BASE_OK);
    struct node_view *view = view_of_test();
    struct exposition *e = render(metrics, view);
    assert_true(value(e, "nftmesh_members", "{status=\"alive\"}") == 1);
    assert_true(value(e, "nftmesh_members", "{status=\"suspect\"}") == 0);
    assert_true(value(e, "nftmesh_members", "{status=\"failed\"}") == 1);
    assert_true(value(e, "nftmesh_members", "{status=\"left\"}") == 0);
    assert_true(value(e, "nftmesh_weight_total", "") == 6);
    assert_true(value(e, "nftmesh_weight_online", "") == 3);
    assert_true(value(e, "nftmesh_ready", "") == 0);
    assert_true(value(e, "nftmesh_dev_mode", "") == 1);
    assert_true(value(e, "nftmesh_health_check", "{name=\"joined\",severity=\"critical\"}") == 1);
    assert_true(value(e, "nftmesh_health_check",
                      "{name=\"odd \\\"name\\\"\\\\\\n?\",severity=\"critical\"}") == 0);
    free(e);
    node_view_free(view);
    node_metrics_free(metrics);
}

static void test_counters_and_histograms(void **state)
{
    (void)state;
    struct node_metrics *m;
    assert_int_equal(node_metrics_new(&m), BASE_OK);
    node_metrics_handshake(m, "up", 4);
    node_metrics_handshake(m, "up", 3);
    node_metrics_handshake(m, "junk", 0);
    node_metrics_admission(m, "admitted", "", 12);
    node_metrics_admission(m, "refused", "no_seat", 1);
    node_metrics_eviction(m, "owner_changed", 1500, 2);
    node_metrics_rtt(m, 250);      /* on a bound: counted in it */
    node_metrics_rtt(m, 251);      /* the next one */
    node_metrics_rtt(m, 99000000); /* beyond the last */
    node_metrics_rpc(m, "https://a", "eth_call", "ok", 20);
    node_metrics_rpc(m, "https://b", "eth_call", "timeout", 5000);
    node_metric_gauge(&m->rpc_head_block, 100, "https://a");
    node_metric_gauge(&m->rpc_head_block, 101, "https://a");
    node_metric_count(&m->gossip_messages, "ping", NULL, NULL);
    node_metrics_reorg(m, 1);
    node_metric_add(&m->received_bytes, 512);
    node_metric_set(&m->chain_ref_block, 77);
    struct exposition *e = render(m, NULL);
    assert_true(value(e, "nftmesh_handshakes_total", "{result=\"up\"}") == 2);
    assert_true(value(e, "nftmesh_handshakes_total", "{result=\"junk\"}") == 1);
    assert_true(value(e, "nftmesh_handshake_duration_seconds_count", "") == 3);
    assert_true(value(e, "nftmesh_handshake_duration_seconds_sum", "") == 0.007);
    assert_true(value(e, "nftmesh_admissions_total", "{result=\"refused\",reason=\"no_seat\"}") ==
                1);
    assert_true(value(e, "nftmesh_evictions_total", "{reason=\"owner_changed\"}") == 1);
    assert_true(value(e, "nftmesh_revocation_latency_seconds_sum", "") == 1.5);
    assert_true(value(e, "nftmesh_revocation_latency_blocks_bucket", "{le=\"1\"}") == 0);
    assert_true(value(e, "nftmesh_revocation_latency_blocks_bucket", "{le=\"2\"}") == 1);
    assert_true(value(e, "nftmesh_revocation_latency_blocks_sum", "") == 2);
    assert_true(value(e, "nftmesh_peer_rtt_seconds_bucket", "{le=\"0.000250\"}") == 1);
    assert_true(value(e, "nftmesh_peer_rtt_seconds_bucket", "{le=\"0.000500\"}") == 2);
    assert_true(value(e, "nftmesh_peer_rtt_seconds_bucket", "{le=\"1.000000\"}") == 2);
    assert_true(value(e, "nftmesh_peer_rtt_seconds_bucket", "{le=\"+Inf\"}") == 3);
    assert_true(value(e, "nftmesh_rpc_requests_total",
                      "{endpoint=\"https://b\",method=\"eth_call\",result=\"timeout\"}") == 1);
    assert_true(value(e, "nftmesh_rpc_duration_seconds_count", "{endpoint=\"https://a\"}") == 1);
    assert_true(value(e, "nftmesh_rpc_duration_seconds_sum", "{endpoint=\"https://b\"}") == 5);
    assert_true(value(e, "nftmesh_rpc_head_block", "{endpoint=\"https://a\"}") == 101);
    assert_true(value(e, "nftmesh_gossip_messages_total", "{type=\"ping\"}") == 1);
    assert_true(value(e, "nftmesh_chain_reorg_depth_sum", "") == 1);
    assert_true(value(e, "nftmesh_peer_received_bytes_total", "") == 512);
    assert_true(value(e, "nftmesh_chain_ref_block", "") == 77);
    free(e);
    node_metrics_free(m);
}

/* Nobody outside can make a scrape grow: beyond the bound everything is "other". */
static void test_series_are_bounded(void **state)
{
    (void)state;
    struct node_metrics *m;
    char word[128];
    assert_int_equal(node_metrics_new(&m), BASE_OK);
    for (int i = 0; i < 1000; i++) {
        snprintf(word, sizeof word, "result-%d", i);
        node_metric_count(&m->handshakes, word, NULL, NULL);
        node_metrics_rpc(m, word, "m", "ok", 1);
    }
    memset(word, 'x', sizeof word - 1); /* longer than a label: cut, not refused */
    word[sizeof word - 1] = '\0';
    node_metric_count(&m->evictions, word, NULL, NULL);
    struct exposition *e = render(m, NULL);
    size_t series = 0;
    for (size_t i = 0; i < e->sample_count; i++)
        series += strcmp(e->samples[i].name, "nftmesh_handshakes_total") == 0 ? 1 : 0;
    assert_int_equal(series, NODE_METRIC_SERIES_MAX + 1);
    assert_true(value(e, "nftmesh_handshakes_total", "{result=\"other\"}") ==
                1000 - NODE_METRIC_SERIES_MAX);
    assert_true(value(e, "nftmesh_rpc_duration_seconds_count", "{endpoint=\"other\"}") ==
                1000 - NODE_VIEW_RPC_MAX);
    free(e);
    node_metrics_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_view_figures),
        cmocka_unit_test(test_counters_and_histograms),
        cmocka_unit_test(test_series_are_bounded),
    };
    return cmocka_run_group_tests_name("node_metrics", tests, NULL, NULL);
}
