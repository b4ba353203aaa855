#include "node/chain_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "chain/rpc.h"

struct node_chain_client {
    struct node_chain_client_config config;
    struct chain_poll *poll;
    struct chain_poll_actions *out;
    bool stopped;
};

struct request {
    struct node_chain_client *chain;
    size_t endpoint;
    uint64_t id, start_ms;
};

static void on_answer(void *ctx, const struct node_http_answer *answer)
{
    struct request r = *(struct request *)ctx;
    const struct node_chain_client_config *config = &r.chain->config;
    struct chain_poll_event ev = {
        .kind = CHAIN_POLL_FAIL, .endpoint = r.endpoint, .request_id = r.id};
    char text[64];
    bool ok = answer->err == BASE_OK && answer->status == 200;
    free(ctx);
    if (r.chain->stopped) return;
    if (ok) {
        ev.kind = CHAIN_POLL_REPLY;
        ev.data = answer->body;
        ev.len = answer->body_len;
    } else if (answer->err == BASE_OK) {
        snprintf(text, sizeof text, "HTTP status %d", answer->status);
        ev.reason = text;
    } else {
        ev.reason = answer->text;
    }
    if (config->on_reply != NULL)
        config->on_reply(config->ctx, config->poll.urls[r.endpoint], ok,
                         config->now_ms() - r.start_ms);
    (void)node_chain_client_step(r.chain, &ev);
}

static void send_request(struct node_chain_client *chain, const struct chain_poll_action *a)
{
    struct request *r = calloc(1, sizeof *r);
    struct node_http_request http = {
        .url = chain->config.poll.urls[a->endpoint],
        .body = a->body,
        .body_len = a->body_len,
        .answer_bytes_max = CHAIN_RPC_REPLY_BYTES_MAX,
        .timeout_ms = (uint32_t)a->timeout_ms,
    };
    if (r == NULL) return; /* the poller's own time-out sees to it */
    *r = (struct request){chain, a->endpoint, a->request_id, chain->config.now_ms()};
    if (node_http_client_post(chain->config.http, NULL, &http, on_answer, r) != BASE_OK) free(r);
}

int node_chain_client_step(struct node_chain_client *chain, const struct chain_poll_event *event)
{
    const struct node_chain_client_config *config = &chain->config;
    struct chain_poll_actions *out = chain->out;
    struct chain_snapshot *snapshot = NULL;
    int rv = chain_poll_step(chain->poll, config->now_ms(), event, out);
    for (size_t i = 0; i < out->count; i++) {
        const struct chain_poll_action *a = &out->items[i];
        switch (a->kind) {
        case CHAIN_POLL_REQUEST:
            send_request(chain, a);
            break;
        case CHAIN_POLL_SNAPSHOT:
            snapshot = a->snapshot;
            break;
        case CHAIN_POLL_NOTE:
            config->on_note(config->ctx, a);
            break;
        }
    }
    /* The snapshot comes last: what it brings about may step the poller again, and the list of
     * actions is borrowed until then. */
    if (snapshot != NULL)
        config->on_snapshot(config->ctx, snapshot);
    else
        config->on_quiet(config->ctx);
    return rv;
}

int node_chain_client_new(struct node_chain_client **out,
                          const struct node_chain_client_config *config,
                          char why[CHAIN_POLL_TEXT_BYTES])
{
    struct node_chain_client *chain = calloc(1, sizeof *chain);
    int rv = BASE_ENOMEM;
    if (chain != NULL) {
        chain->config = *config;
        chain->out = calloc(1, sizeof *chain->out);
        if (chain->out != NULL)
            rv = chain_poll_new(&chain->poll, &config->poll, config->now_ms(), why);
    }
    if (rv == BASE_ENOMEM) snprintf(why, CHAIN_POLL_TEXT_BYTES, "%s", base_strerror(rv));
    if (rv != BASE_OK) {
        node_chain_client_free(chain);
        return rv;
    }
    *out = chain;
    return BASE_OK;
}

void node_chain_client_stop(struct node_chain_client *chain)
{
    chain->stopped = true;
}

void node_chain_client_free(struct node_chain_client *chain)
{
    if (chain == NULL) return;
    chain_poll_free(chain->poll);
    free(chain->out);
    free(chain);
}

struct chain_poll *node_chain_client_poll(struct node_chain_client *chain)
{
    return chain->poll;
}
