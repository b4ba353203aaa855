#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sdk/handle.h"
#include "sdk/members.h"

#define ASK_TIMEOUT_MS 5000
#define SILENCE_MS     40000 /* a node says something each 15 s */
#define AGAIN_MS       5000  /* members are read anew, whatever the events say */
#define PAUSE_MS       20    /* between two readings, so that a burst of events is one */
#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 5000

/* With a node: its stream of events says when to look, its members are what is looked at. Nothing
 * is missed: the stream is open before the first look. While it is not, the list is doubted. */
struct sdk_source {
    struct nftmesh *m;
    bool stopped;
    bool streaming; /* a stream has been asked for */
    bool open;      /* and its first bytes were here */
    struct sdk_events events;
    uint64_t next_ms, backoff_ms; /* when to ask for a stream again */
    bool asking;                  /* status or members are in flight */
    bool look;                    /* something has happened since */
    uint64_t look_ms;             /* when to look next */
    struct sdk_node_status status;
};

static void lose(struct sdk_source *s, nftmesh_status_t status, bool is_final, const char *text)
{
    s->look_ms = sdk_now_ms() + s->backoff_ms;
    sdk_known_trouble(&s->m->known, status, is_final, "the node at %s: %s",
                      s->m->config.node_socket[0] != '\0' ? s->m->config.node_socket
                                                          : s->m->config.node_url,
                      text);
}

static int ask(struct sdk_source *s, const char *path, node_http_answer_fn fn,
               void (*on_bytes)(void *, const uint8_t *, size_t))
{
    char url[NODE_HTTP_URL_BYTES_MAX];
    const char *socket = s->m->config.node_socket;
    struct node_http_request request = {.url = url,
                                        .unix_socket = socket[0] != '\0' ? socket : NULL,
                                        .answer_bytes_max = SDK_MEMBERS_BYTES_MAX,
                                        .timeout_ms =
                                            on_bytes != NULL ? SILENCE_MS : ASK_TIMEOUT_MS,
                                        .on_bytes = on_bytes};
    snprintf(url, sizeof url, "%s%s", s->m->config.node_url, path);
    return node_http_client_get(s->m->http, NULL, &request, fn, s);
}

/* ---- looking ---- */

/* The mesh must be the one that was opened: another node's members are no peers of ours. */
static bool is_our_mesh(struct sdk_source *s)
{
    const struct sdk_config *config = &s->m->config;
    char contract[BASE_ADDRESS_TEXT_BYTES], text[256];
    if (base_address_equal(&s->status.contract, &config->contract) &&
        (config->chain_id == 0 || config->chain_id == s->status.chain_id))
        return true;
    base_address_format(contract, &s->status.contract);
    snprintf(text, sizeof text, "it belongs to another mesh: contract %s on chain %" PRIu64,
             contract, s->status.chain_id);
    lose(s, NFTMESH_ERR_CONFIG, true, text);
    return false;
}

static void take_list(struct sdk_source *s, nftmesh_peers_t *list)
{
    struct sdk_known *k = &s->m->known;
    if (s->status.chain_ok && s->open) {
        sdk_known_list(k, list, sdk_now_ms());
    } else if (s->status.chain_ok) {
        sdk_known_list(k, list, sdk_now_ms());
        lose(s, NFTMESH_UNKNOWN, false, "it sends no events");
    } else if (s->status.has_block) { /* what it knew, which it doubts itself */
        sdk_known_list(k, list, sdk_now_ms());
        lose(s, NFTMESH_UNKNOWN, false, s->status.chain_why);
    } else {
        nftmesh_peers_free(list);
        lose(s, NFTMESH_UNKNOWN, false, s->status.chain_why);
    }
    sdk_known_own(k, s->status.seat_ok ? NFTMESH_OK : NFTMESH_ERR_NOT_REGISTERED, s->status.block,
                  s->status.seat_why);
}

/* What came is wrong in HTTP already: true, and told. */
static bool is_bad(struct sdk_source *s, const struct node_http_answer *answer)
{
    char text[64];
    if (answer->err == BASE_OK && answer->status == 200) return false;
    snprintf(text, sizeof text, "HTTP status %d", answer->status);
    lose(s, NFTMESH_ERR_NODE, false, answer->err != BASE_OK ? answer->text : text);
    return true;
}

/* What an application of this seat may serve; where it does not come, the old one stands. */
static void on_info(void *ctx, const struct node_http_answer *answer)
{
    struct sdk_source *s = ctx;
    char more[SDK_NODE_INFO_BYTES], text[NFTMESH_INFO_BYTES], why[SDK_MEMBERS_WHY_BYTES];
    if (s->stopped) return;
    s->asking = false;
    if (answer->err != BASE_OK || answer->status != 200 ||
        sdk_node_info_parse(more, answer->body, answer->body_len, why) != BASE_OK)
        return;
    sdk_info_format(text, s->status.chain_id, s->m->contract, s->status.instance, more);
    sdk_known_info(&s->m->known, NFTMESH_OK, text);
}

static void on_members(void *ctx, const struct node_http_answer *answer)
{
    struct sdk_source *s = ctx;
    struct sdk_builder builder;
    char why[SDK_MEMBERS_WHY_BYTES];
    if (s->stopped) return;
    s->asking = false;
    if (is_bad(s, answer)) return;
    s->look_ms = sdk_now_ms() + AGAIN_MS;
    sdk_builder_init(&builder);
    int rv = sdk_members_parse(&builder, answer->body, answer->body_len, why);
    nftmesh_peers_t *list = rv == BASE_OK ? sdk_builder_finish(&builder, s->status.block) : NULL;
    sdk_builder_deinit(&builder);
    if (list != NULL) take_list(s, list);
    if (list != NULL)
        s->asking = ask(s, "/info", on_info, NULL) == BASE_OK;
    else if (rv == BASE_OK)
        lose(s, NFTMESH_ERR_MEMORY, false, "no memory for its members");
    else
        lose(s, NFTMESH_ERR_NODE, false, why);
}

static void on_status(void *ctx, const struct node_http_answer *answer)
{
    struct sdk_source *s = ctx;
    char why[SDK_MEMBERS_WHY_BYTES];
    if (s->stopped) return;
    s->asking = false;
    if (is_bad(s, answer)) return;
    if (sdk_node_status_parse(&s->status, answer->body, answer->body_len, why) != BASE_OK) {
        lose(s, NFTMESH_ERR_NODE, false, why);
        return;
    }
    if (!is_our_mesh(s)) return;
    sdk_known_chain(&s->m->known, s->status.chain_id);
    if (s->status.instance[0] != '\0')
        sdk_known_agent(&s->m->known, NFTMESH_OK, "", s->status.instance);
    s->asking = ask(s, "/v1/members", on_members, NULL) == BASE_OK;
}

/* ---- the stream ---- */

static void on_bytes(void *ctx, const uint8_t *data, size_t len)
{
    struct sdk_source *s = ctx;
    if (s->stopped) return;
    if (sdk_events_take(&s->events, data, len) > 0 || !s->open) s->look = true;
    s->open = true;
}

static void on_stream_end(void *ctx, const struct node_http_answer *answer)
{
    struct sdk_source *s = ctx;
    char text[64];
    if (s->stopped) return;
    if (s->open) s->backoff_ms = BACKOFF_MIN_MS;
    s->streaming = s->open = false;
    s->events.line_len = 0;
    s->next_ms = sdk_now_ms() + s->backoff_ms;
    snprintf(text, sizeof text, "HTTP status %d", answer->status);
    lose(s, NFTMESH_ERR_NODE, false,
         answer->err != BASE_OK  ? answer->text
         : answer->status == 200 ? "it ended its stream of events"
                                 : text);
    s->backoff_ms = s->backoff_ms * 2 < BACKOFF_MAX_MS ? s->backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* ---- the source ---- */

static int start(struct sdk_source **out, struct nftmesh *m)
{
    struct sdk_source *s = calloc(1, sizeof *s);
    if (s == NULL) return BASE_ENOMEM;
    s->m = m;
    s->backoff_ms = BACKOFF_MIN_MS;
    *out = s;
    return BASE_OK;
}

static uint64_t turn(struct sdk_source *s, uint64_t now_ms)
{
    if (s->stopped) return UINT64_MAX;
    if (!s->streaming && s->next_ms <= now_ms) {
        s->streaming = ask(s, "/v1/events", on_stream_end, on_bytes) == BASE_OK;
        if (!s->streaming) s->next_ms = now_ms + BACKOFF_MAX_MS;
    }
    if (s->look && s->look_ms > now_ms + PAUSE_MS) s->look_ms = now_ms + PAUSE_MS;
    if (s->open && !s->asking && s->look_ms <= now_ms) {
        s->look = false;
        s->look_ms = now_ms + AGAIN_MS;
        s->asking = ask(s, "/v1/status", on_status, NULL) == BASE_OK;
    }
    uint64_t at_ms = s->open && !s->asking ? s->look_ms : UINT64_MAX;
    return !s->streaming && s->next_ms < at_ms ? s->next_ms : at_ms;
}

static void wake(struct sdk_source *s)
{
    s->look = true;
}

static void stop(struct sdk_source *s)
{
    s->stopped = true;
}

static void free_source(struct sdk_source *s)
{
    free(s);
}

const struct sdk_source_ops sdk_node_ops = {start, turn, wake, stop, free_source};
