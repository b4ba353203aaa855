#include "node/mesh_internal.h"

#include <stdlib.h>

#include "base/err.h"

#define READ_TIMEOUT_MS 5000
#define JSON_BYTES_MAX  4096
#define REPLY_BYTES_MAX 65536
#define READ_FIRST_ID   1

/* /contract-info: read at the reference block when somebody asks, kept until the next one. */
struct errand { /* one endpoint's part of a reading */
    struct mesh *mesh;
    uint64_t reading;
    uint32_t vote;
};

const char *mesh_contract_kind(const struct mesh *m)
{
    return chain_kind_name(m->snapshot == NULL ? CHAIN_KIND_UNKNOWN : m->snapshot->kind);
}

static void answer(const struct mesh *m, struct node_command *command,
                   const struct node_contract_info *info, const char *detail)
{
    const struct mesh_contract *c = &m->contract;
    const struct node_contract_frame frame = {.contract = m->config->contract,
                                              .kms_root = c->kms_root,
                                              .chain_id = m->config->chain_id,
                                              .block = c->block,
                                              .kind = mesh_contract_kind(m)};
    struct base_buf json;
    base_buf_init(&json, JSON_BYTES_MAX);
    node_contract_info_json(&json, &frame, info, detail);
    if (json.failed)
        node_http_fail(command, 500, "no memory");
    else
        node_http_complete(command, info != NULL ? 200 : 503, json.data, json.len);
    base_buf_deinit(&json);
}

static void answer_all(struct mesh *m, const struct node_contract_info *info, const char *detail)
{
    struct mesh_contract *c = &m->contract;
    for (size_t i = 0; i < c->waiting_count; i++)
        answer(m, c->waiting[i], info, detail);
    c->waiting_count = 0;
}

/* All that we asked have answered, or enough of them. */
static void settle(struct mesh *m)
{
    struct mesh_contract *c = &m->contract;
    struct chain_poll_status status;
    chain_poll_status(m->poll, &status);
    if (node_contract_votes_agreed(&c->info, &c->votes, status.agree)) {
        c->has_info = true;
        c->pending = 0; /* whoever comes later is of an older reading */
        c->reading++;
        answer_all(m, &c->info, NULL);
    } else if (c->pending == 0) {
        answer_all(m, NULL,
                   "not enough RPC endpoints agree on what the contract says at the reference"
                   " block: see rpc in /v1/status, then ask again");
    }
}

static void on_answer(void *ctx, const struct node_http_answer *got)
{
    struct errand errand = *(struct errand *)ctx;
    struct mesh *m = errand.mesh;
    struct mesh_contract *c = &m->contract;
    struct node_contract_info info;
    free(ctx);
    if (errand.reading != c->reading) return;
    c->pending--;
    if (got->err == BASE_OK && got->status == 200 &&
        node_contract_info_parse(&info, got->body, got->body_len, READ_FIRST_ID) == BASE_OK)
        node_contract_votes_put(&c->votes, errand.vote, &info);
    settle(m);
}

static void ask_endpoint(struct mesh *m, size_t index, struct base_slice body)
{
    struct mesh_contract *c = &m->contract;
    struct chain_poll_endpoint endpoint;
    struct errand *errand = calloc(1, sizeof *errand);
    struct node_http_request http = {.url = m->config->rpc[index],
                                     .body = body.data,
                                     .body_len = body.len,
                                     .answer_bytes_max = REPLY_BYTES_MAX,
                                     .timeout_ms = READ_TIMEOUT_MS};
    if (errand == NULL) return;
    chain_poll_endpoint(m->poll, index, &endpoint);
    *errand = (struct errand){m, c->reading, endpoint.vote};
    if (node_http_client_post(m->client, NULL, &http, on_answer, errand) == BASE_OK)
        c->pending++;
    else
        free(errand);
}

static void read_at_reference(struct mesh *m)
{
    struct mesh_contract *c = &m->contract;
    struct chain_rpc_request request;
    c->reading++;
    c->has_info = false;
    c->votes.count = 0;
    c->block = m->snapshot->block.number;
    c->block_hash = m->snapshot->block.hash;
    c->kms_root = m->snapshot->kms_root;
    chain_rpc_request_init(&request, READ_FIRST_ID);
    node_contract_info_ask(&request, &m->config->contract, &c->block_hash);
    struct base_slice body = chain_rpc_request_finish(&request);
    for (size_t i = 0; body.data != NULL && i < chain_poll_endpoint_count(m->poll); i++)
        ask_endpoint(m, i, body);
    chain_rpc_request_deinit(&request);
    if (c->pending == 0) settle(m);
}

void mesh_contract_ask(struct mesh *m, struct node_command *command)
{
    struct mesh_contract *c = &m->contract;
    if (m->snapshot == NULL) {
        node_http_fail(command, 503, "the chain has not been read yet: see rpc in /v1/status");
        return;
    }
    if (c->has_info && base_hash32_equal(&c->block_hash, &m->snapshot->block.hash)) {
        answer(m, command, &c->info, NULL);
        return;
    }
    if (c->waiting_count == MESH_CONTRACT_WAITING_MAX) {
        node_http_fail(command, 503, "too many ask at once: try again");
        return;
    }
    c->waiting[c->waiting_count++] = command;
    if (c->pending == 0) read_at_reference(m);
}
