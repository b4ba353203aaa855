#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "node/http_sync.h"
#include "sdk/handle.h"
#include "sdk/members.h"

#define ANSWER_BYTES_MAX ((size_t)64 << 10)
#define WHOLE_MS         2 /* the node's clock and ours are read in whole milliseconds */

/* ---- asking ---- */

static const char *place(const struct nftmesh *m)
{
    return m->config.node_socket[0] != '\0' ? m->config.node_socket : m->config.node_url;
}

/* The worker finds out whether the node is of our mesh: another one's leader is none of ours. */
static nftmesh_status_t wait_node(struct nftmesh *m, uint64_t deadline_ms)
{
    struct sdk_known *k = &m->known;
    bool in_time = true;
    pthread_mutex_lock(&k->mutex);
    while (in_time && k->chain_id == 0 && !k->trouble_is_final)
        in_time = sdk_known_wait(k, deadline_ms);
    nftmesh_status_t status =
        k->chain_id != 0 && !k->trouble_is_final
            ? NFTMESH_OK
            : sdk_fail(k->trouble, "%s",
                       k->trouble_text[0] != '\0' ? k->trouble_text
                                                  : "the node has not answered in time");
    pthread_mutex_unlock(&k->mutex);
    return status;
}

/* What the node says instead of an answer. */
static nftmesh_status_t refused(const struct nftmesh *m, const struct node_http_sync_answer *answer)
{
    char detail[SDK_MEMBERS_WHY_BYTES];
    nftmesh_status_t status = NFTMESH_ERR_NODE;
    sdk_node_detail(detail, answer->body.data, answer->body.len);
    switch (answer->status) {
    case 401:
    case 403:
        status = NFTMESH_ERR_REFUSED;
        break;
    case 404: /* it takes no part in consensus, or is of a version that has none */
    case 501:
        status = NFTMESH_ERR_UNSUPPORTED;
        break;
    case 503:
    case 504:
        status = NFTMESH_UNKNOWN;
        break;
    }
    return sdk_fail(status, "the node at %s cannot say who leads: HTTP status %d %s", place(m),
                    answer->status, detail);
}

static nftmesh_status_t read_answer(const struct nftmesh *m, struct sdk_node_leader *out,
                                    const struct node_http_sync_answer *answer)
{
    char why[SDK_MEMBERS_WHY_BYTES];
    if (answer->status != 200) return refused(m, answer);
    int rv = sdk_node_leader_parse(out, answer->body.data, answer->body.len, why);
    if (rv == BASE_OK) return sdk_ok();
    return rv == BASE_ENOMEM ? sdk_fail(NFTMESH_ERR_MEMORY, "no memory for the node's answer")
                             : sdk_fail(NFTMESH_ERR_NODE, "the node at %s: %s", place(m), why);
}

static nftmesh_status_t get(struct nftmesh *m, struct sdk_node_leader *out, uint32_t timeout_ms)
{
    char url[NODE_HTTP_URL_BYTES_MAX];
    struct node_http_sync *http;
    struct node_http_sync_answer answer;
    const char *socket = m->config.node_socket;
    struct node_http_request request = {.url = url,
                                        .unix_socket = socket[0] != '\0' ? socket : NULL,
                                        .answer_bytes_max = ANSWER_BYTES_MAX,
                                        .timeout_ms = timeout_ms};
    snprintf(url, sizeof url, "%s/v1/leader", m->config.node_url);
    if (node_http_sync_new(&http, NULL) != BASE_OK)
        return sdk_fail(NFTMESH_ERR_MEMORY, "no memory to ask the node");
    int rv = node_http_sync_call(http, &answer, &request);
    nftmesh_status_t status =
        rv == BASE_OK ? read_answer(m, out, &answer)
                      : sdk_fail(rv == BASE_ETIMEOUT ? NFTMESH_ERR_TIMEOUT : NFTMESH_ERR_NODE,
                                 "the node at %s: %s", place(m), answer.text);
    base_buf_deinit(&answer.body);
    node_http_sync_free(http);
    return status;
}

/* sent_ms: before the question left, of sdk_now_ms(). */
static nftmesh_status_t ask(struct nftmesh *m, struct sdk_node_leader *out, uint64_t *sent_ms)
{
    struct sdk_quiet quiet;
    if (m == NULL)
        return sdk_fail(NFTMESH_ERR_CONFIG, "the handle is NULL: did nftmesh_open() fail?");
    if (m->config.node_url == NULL)
        return sdk_fail(NFTMESH_ERR_UNSUPPORTED, "a list taken from the chain knows no leader: ask "
                                                 "a node, set NFTMESH_HTTP");
    uint64_t deadline_ms = sdk_now_ms() + m->config.timeout_ms;
    nftmesh_status_t status = wait_node(m, deadline_ms);
    if (status != NFTMESH_OK) return status;
    *sent_ms = sdk_now_ms();
    if (*sent_ms >= deadline_ms)
        return sdk_fail(NFTMESH_ERR_TIMEOUT, "the node at %s was not there in time", place(m));
    sdk_quiet_begin(&quiet);
    status = get(m, out, (uint32_t)(deadline_ms - *sent_ms));
    sdk_quiet_end(&quiet);
    return status;
}

/* ---- who leads ---- */

nftmesh_leader_t *nftmesh_leader(nftmesh_t *m)
{
    struct block { /* given away as its first member */
        nftmesh_leader_t leader;
        struct sdk_node_leader text;
    } * block;
    struct sdk_node_leader found;
    uint64_t sent_ms;
    if (ask(m, &found, &sent_ms) != NFTMESH_OK) return NULL;
    if (!found.has_leader) {
        sdk_fail(NFTMESH_UNKNOWN, "nobody leads, as far as the node at %s knows", place(m));
        return NULL;
    }
    block = calloc(1, sizeof *block);
    if (block == NULL) {
        sdk_fail(NFTMESH_ERR_MEMORY, "no memory for the leader");
        return NULL;
    }
    block->text = found;
    block->leader = (nftmesh_leader_t){.node = block->text.node,
                                       .name = block->text.name,
                                       .token = block->text.token,
                                       .fencing_token = found.fencing_token,
                                       .epoch = found.epoch,
                                       .is_self = found.is_self};
    return &block->leader;
}

void nftmesh_leader_free(nftmesh_leader_t *leader)
{
    free(leader);
}

int nftmesh_is_leader(nftmesh_t *m, uint64_t *fencing_token, uint64_t *remaining_ms)
{
    struct sdk_node_leader found;
    uint64_t sent_ms;
    if (fencing_token != NULL) *fencing_token = 0;
    if (remaining_ms != NULL) *remaining_ms = 0;
    if (ask(m, &found, &sent_ms) != NFTMESH_OK || !found.has_lease) return 0;
    /* The node looked at its lease at some time since: at the worst when the question left. */
    uint64_t gone_ms = sdk_now_ms() - sent_ms + WHOLE_MS;
    if (gone_ms >= found.lease_ms) {
        sdk_fail(NFTMESH_UNKNOWN,
                 "the lease that the node at %s told of was over when its answer came: ask again",
                 place(m));
        return 0;
    }
    if (fencing_token != NULL) *fencing_token = found.fencing_token;
    if (remaining_ms != NULL) *remaining_ms = found.lease_ms - gone_ms;
    return 1;
}
