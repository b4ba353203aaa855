#include "sdk/chain_id.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"
#include "chain/rpc.h"
#include "sdk/handle.h"

#define CHAIN_ID_RETRY_MS 1000
#define ASK_TIMEOUT_MS    5000

struct id_question {
    struct sdk_chain_id *s;
    const char *url;
};

static void take_chain_id(struct sdk_chain_id *s, const char *origin, uint64_t id)
{
    s->answered++;
    if (s->found != 0 && s->found != id) {
        s->differ = true;
        sdk_known_trouble(&s->m->known, NFTMESH_ERR_CHAIN, true,
                          "the RPC endpoints are of different chains: %s says %" PRIu64
                          ", another %" PRIu64 ": write NAME:0x.. or set NFTMESH_CHAIN_ID",
                          origin, id, s->found);
    }
    if (s->found == 0) s->found = id;
}

static void end_chain_ids(struct sdk_chain_id *s)
{
    if (s->differ || s->answered == 0) {
        s->found = 0;
        s->differ = false;
        s->next_ms = sdk_now_ms() + CHAIN_ID_RETRY_MS;
        return;
    }
    if (s->m->config.dev && !sdk_config_is_dev_chain(s->found)) {
        sdk_known_trouble(
            &s->m->known, NFTMESH_ERR_CONFIG, true,
            "--dev is refused on chain %" PRIu64 ": it trusts keys that everybody has", s->found);
        s->next_ms = UINT64_MAX;
        s->found = 0;
        return;
    }
    s->id = s->found;
    sdk_known_chain(&s->m->known, s->id);
}

static void on_chain_id(void *ctx, const struct node_http_answer *answer)
{
    struct id_question q = *(struct id_question *)ctx;
    struct chain_rpc_reply reply = {0};
    char why[BASE_JSON_WHY_BYTES] = "", origin[NODE_HTTP_ORIGIN_BYTES];
    uint64_t id = 0;
    free(ctx);
    if (q.s->stopped) return;
    q.s->waiting--;
    node_http_origin(origin, q.url);
    if (answer->err != BASE_OK)
        sdk_known_trouble(&q.s->m->known, NFTMESH_UNKNOWN, false, "%s", answer->text);
    else if (answer->status != 200 ||
             chain_rpc_reply_parse(&reply, answer->body, answer->body_len, 1, 1, why) != BASE_OK ||
             chain_rpc_reply_u64(&id, &reply, 0) != BASE_OK || id == 0)
        sdk_known_trouble(&q.s->m->known, NFTMESH_UNKNOWN, false,
                          "%s: HTTP status %d, no chain id: %s", origin, answer->status, why);
    else
        take_chain_id(q.s, origin, id);
    chain_rpc_reply_deinit(&reply);
    if (q.s->waiting == 0) end_chain_ids(q.s);
}

static void ask_chain_id(struct sdk_chain_id *s, const char *url)
{
    struct chain_rpc_request request;
    struct id_question *q = calloc(1, sizeof *q);
    if (q == NULL) return;
    *q = (struct id_question){s, url};
    chain_rpc_request_init(&request, 1);
    chain_rpc_ask_chain_id(&request);
    struct base_slice body = chain_rpc_request_finish(&request);
    struct node_http_request http = {.url = url,
                                     .body = body.data,
                                     .body_len = body.len,
                                     .answer_bytes_max = 65536,
                                     .timeout_ms = ASK_TIMEOUT_MS};
    int rv = body.data == NULL ? BASE_ENOMEM
                               : node_http_client_post(s->m->http, NULL, &http, on_chain_id, q);
    chain_rpc_request_deinit(&request);
    if (rv == BASE_OK)
        s->waiting++;
    else
        free(q);
}

uint64_t sdk_chain_id_turn(struct sdk_chain_id *s, uint64_t now_ms)
{
    if (s->waiting > 0) return UINT64_MAX;
    if (s->next_ms > now_ms) return s->next_ms;
    s->answered = 0;
    s->next_ms = now_ms + CHAIN_ID_RETRY_MS;
    for (size_t i = 0; i < s->m->config.rpc_count; i++)
        ask_chain_id(s, s->m->config.rpc[i]);
    return s->next_ms;
}
