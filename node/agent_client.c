#include "node/agent_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/hello.h"
#include "base/err.h"

#define TIMEOUT_MS 10000

struct question {
    struct node_http_client *http;
    char socket[108]; /* as long as a socket's address can be */
    uint64_t chain_id;
    struct base_eth_address contract;
    enum attest_agent_api api;
    node_agent_fn fn;
    void *ctx;
    struct node_agent_answer answer;
};

static int ask(struct question *q, enum attest_agent_method method);

static void tell(struct question *q, int err, const char *why)
{
    q->answer.err = err;
    snprintf(q->answer.why, sizeof q->answer.why, "%s", why);
    q->fn(q->ctx, &q->answer);
    base_memzero(q, sizeof *q);
    free(q);
}

static void on_key(void *ctx, const struct node_http_answer *answer)
{
    struct question *q = ctx;
    char why[ATTEST_AGENT_WHY_BYTES] = "";
    if (answer->err != BASE_OK) {
        tell(q, answer->err, answer->text);
        return;
    }
    int rv = attest_agent_key_parse(&q->answer.key, why, q->api, ATTEST_PURPOSE, answer->status,
                                    answer->body, answer->body_len);
    tell(q, rv, why);
}

static void on_info(void *ctx, const struct node_http_answer *answer)
{
    struct question *q = ctx;
    char why[ATTEST_AGENT_WHY_BYTES] = "";
    enum attest_agent_method next = ATTEST_AGENT_GET_KEY;
    if (answer->err != BASE_OK) {
        tell(q, answer->err, answer->text);
        return;
    }
    int rv = attest_agent_info_parse(&q->answer.info, why, answer->status, answer->body,
                                     answer->body_len);
    if (rv == BASE_EREMOTE && q->api == ATTEST_AGENT_DSTACK) {
        q->api = ATTEST_AGENT_TAPPD; /* no such method: an older agent's socket */
        next = ATTEST_AGENT_INFO;
        rv = BASE_OK;
    }
    if (rv == BASE_OK) {
        rv = ask(q, next);
        snprintf(why, sizeof why, "%s", base_strerror(rv));
    }
    if (rv != BASE_OK) tell(q, rv, why);
}

static int ask(struct question *q, enum attest_agent_method method)
{
    struct base_buf body;
    char url[128], path[ATTEST_PATH_BYTES];
    struct node_http_request http = {.url = url,
                                     .unix_socket = q->socket,
                                     .answer_bytes_max = ATTEST_AGENT_REPLY_BYTES_MAX,
                                     .timeout_ms = TIMEOUT_MS};
    base_buf_init(&body, ATTEST_AGENT_REQUEST_BYTES_MAX);
    snprintf(url, sizeof url, "http://dstack%s", attest_agent_path(q->api, method));
    if (method == ATTEST_AGENT_INFO) {
        attest_agent_info_body(&body);
    } else {
        attest_proof_path(path, q->chain_id, &q->contract, &q->answer.info.instance);
        (void)attest_agent_get_key_body(&body, path, ATTEST_PURPOSE);
    }
    http.body = body.data;
    http.body_len = body.len;
    int rv = body.failed ? BASE_ENOMEM
                         : node_http_client_post(q->http, NULL, &http,
                                                 method == ATTEST_AGENT_INFO ? on_info : on_key, q);
    base_buf_deinit(&body);
    return rv;
}

int node_agent_ask(struct node_http_client *http, const char *socket, uint64_t chain_id,
                   const struct base_eth_address *contract, node_agent_fn fn, void *ctx)
{
    struct question *q;
    if (strlen(socket) >= sizeof q->socket) return BASE_EINVAL;
    q = calloc(1, sizeof *q);
    if (q == NULL) return BASE_ENOMEM;
    q->http = http;
    memcpy(q->socket, socket, strlen(socket) + 1);
    q->chain_id = chain_id;
    q->contract = *contract;
    q->fn = fn;
    q->ctx = ctx;
    int rv = ask(q, ATTEST_AGENT_INFO);
    if (rv != BASE_OK) free(q);
    return rv;
}
