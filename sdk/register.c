#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/seat.h"
#include "sdk/handle.h"

#define EXPIRES_MS       (UINT64_C(365) * 86400 * 1000)
#define MAX_FEE_GWEI     UINT64_C(200)
#define ANSWER_BYTES_MAX ((size_t)1 << 20)

/* ---- without a node ---- */

static uint32_t left_ms(uint64_t deadline_ms)
{
    uint64_t now_ms = sdk_now_ms();
    return deadline_ms > now_ms ? (uint32_t)(deadline_ms - now_ms) : 0;
}

/* The first endpoint that is of the chain and has the contract. */
static nftmesh_status_t open_wallet(struct node_wallet *w, struct nftmesh *m, uint64_t deadline_ms)
{
    const struct sdk_config *config = &m->config;
    char why[NODE_WALLET_WHY_BYTES] = "";
    int rv = BASE_ETIMEOUT;
    for (size_t i = 0; i < config->rpc_count && left_ms(deadline_ms) > 0; i++) {
        rv = node_wallet_init(w, config->rpc[i], nftmesh_chain_id(m), &config->contract,
                              config->tls_ca, why);
        if (rv == BASE_OK) {
            node_http_sync_deadline(w->http, left_ms(deadline_ms));
            rv = node_wallet_check(w, why);
        }
        if (rv == BASE_OK) break;
        node_wallet_close(w);
    }
    if (rv != BASE_OK && left_ms(deadline_ms) == 0)
        return sdk_fail(NFTMESH_ERR_TIMEOUT, "no endpoint has answered in time: nothing was sent");
    if (rv != BASE_OK)
        return sdk_fail(rv == BASE_EINVAL ? NFTMESH_ERR_CHAIN : NFTMESH_UNKNOWN, "%s", why);
    w->max_fee = base_u256_from_u64(MAX_FEE_GWEI * 1000000000u);
    struct node_wallet_key_source key = {.file = config->wallet_file,
                                         .hex = config->wallet_hex,
                                         .password_file = config->wallet_password_file,
                                         .password = getenv("NFTMESH_WALLET_PASSWORD")};
    rv = node_wallet_key_from(w, &key, why);
    if (rv == BASE_OK) return NFTMESH_OK;
    node_wallet_close(w);
    return sdk_fail(NFTMESH_ERR_WALLET, "%s", why);
}

static nftmesh_status_t status_of(int rv)
{
    switch (rv) {
    case BASE_EINVAL:
        return NFTMESH_ERR_WALLET;
    case BASE_EREFUSED:
        return NFTMESH_ERR_REFUSED;
    case BASE_ETIMEOUT:
    case BASE_ESTATE:
        return NFTMESH_ERR_TIMEOUT;
    case BASE_EEXIST:
    case BASE_EIO:
        return NFTMESH_ERR_STORE;
    case BASE_ENOMEM:
        return NFTMESH_ERR_MEMORY;
    case BASE_EUNSUPPORTED:
        return NFTMESH_ERR_UNSUPPORTED;
    default:
        return NFTMESH_ERR_CHAIN;
    }
}

/* Where the contract stores no keys: what others may ask for now, before they can see our address
 * on the chain. The worker judges it as it judges everybody's. */
static void on_authorised(void *ctx, const struct node_bundle *bundle)
{
    struct nftmesh *m = ctx;
    char text[NFTMESH_INFO_BYTES];
    sdk_info_bundle(text, nftmesh_chain_id(m), m->contract, m->known.instance, bundle);
    sdk_known_info(&m->known, NFTMESH_OK, text);
    pthread_mutex_lock(&m->known.mutex);
    m->known.issued = *bundle;
    m->known.has_issued = true;
    m->known.authorised_until = 0; /* until that one has been judged */
    if (bundle->issued_block > m->known.registered_block)
        m->known.registered_block = bundle->issued_block;
    pthread_mutex_unlock(&m->known.mutex);
    sdk_worker_wake(m);
}

static uint64_t authorised_until(struct nftmesh *m)
{
    pthread_mutex_lock(&m->known.mutex);
    uint64_t until = m->known.authorised_until;
    pthread_mutex_unlock(&m->known.mutex);
    return until;
}

/* The worker has found that it counts, or that only the reference block is not there yet. */
static bool wait_authorised(struct nftmesh *m, uint64_t until, uint64_t deadline_ms)
{
    bool in_time = true;
    pthread_mutex_lock(&m->known.mutex);
    while (in_time && m->known.authorised_until < until)
        in_time = sdk_known_wait(&m->known, deadline_ms);
    pthread_mutex_unlock(&m->known.mutex);
    return in_time;
}

/* Registers, then looks again: only what the chain gives back stands. */
static nftmesh_status_t do_register(struct nftmesh *m, struct node_wallet *w, uint64_t deadline_ms)
{
    struct node_seat_result result;
    char dir[NODE_HTTP_URL_BYTES_MAX], why[NODE_WALLET_WHY_BYTES] = "", dir_why[SDK_WHY_BYTES];
    struct node_seat_request request = {.has_token = m->config.has_token,
                                        .token = m->config.token,
                                        .url = m->config.url,
                                        .expires_ms = EXPIRES_MS,
                                        .data_dir = dir,
                                        .dstack = sdk_config_dstack(&m->config),
                                        .dev = m->config.dev,
                                        .authorised_until = authorised_until(m),
                                        .authorised = on_authorised,
                                        .authorised_ctx = m};
    if (sdk_config_data_dir(dir, sizeof dir, &m->config, w->chain_id, dir_why) != BASE_OK)
        return sdk_fail(NFTMESH_ERR_STORE, "%s", dir_why);
    w->wait_ms = left_ms(deadline_ms);
    int rv = node_seat_register(w, &result, &request, why);
    uint64_t block = result.sent.block;
    if (rv == BASE_OK && !wait_authorised(m, result.authorised_until, deadline_ms))
        return sdk_fail(NFTMESH_ERR_TIMEOUT, "the keys are authorised, but whether that counts is "
                                             "not known in time: call again");
    if (rv == BASE_OK && !result.stood_already) {
        w->dry_run = true;
        request.authorised_until = authorised_until(m);
        rv = node_seat_register(w, &result, &request, why);
        if (rv == BASE_OK && !result.stood_already)
            return sdk_fail(NFTMESH_ERR_CHAIN, "the registration was sent and mined, but the chain "
                                               "does not show it: call again");
    }
    if (rv != BASE_OK) return sdk_fail(status_of(rv), "%s", why);
    pthread_mutex_lock(&m->known.mutex);
    if (block > m->known.registered_block) m->known.registered_block = block;
    pthread_mutex_unlock(&m->known.mutex);
    sdk_worker_wake(m);
    return sdk_ok();
}

nftmesh_status_t sdk_register_chain(struct nftmesh *m)
{
    uint64_t deadline_ms = sdk_now_ms() + m->config.register_timeout_ms;
    uint64_t agent_ms = sdk_now_ms() + m->config.timeout_ms;
    struct node_wallet wallet;
    struct sdk_quiet quiet;
    if (m->config.url == NULL)
        return sdk_fail(NFTMESH_ERR_CONFIG,
                        "no url to register: give one to nftmesh_open() or set CONNECTION_URL");
    if (m->config.wallet_hex[0] == '\0' && m->config.wallet_file == NULL)
        return sdk_fail(NFTMESH_ERR_WALLET, "no wallet key: set PRIVATE_KEY or "
                                            "NFTMESH_WALLET_KEY_FILE to that of the token's owner");
    nftmesh_status_t status = sdk_wait_agent(m, agent_ms < deadline_ms ? agent_ms : deadline_ms);
    if (status != NFTMESH_OK) return status;
    /* What counts already need not be done again: known once the chain has been read. */
    (void)sdk_wait_own(m, agent_ms < deadline_ms ? agent_ms : deadline_ms);
    sdk_quiet_begin(&quiet);
    pthread_mutex_lock(&m->disk);
    status = open_wallet(&wallet, m, deadline_ms);
    if (status == NFTMESH_OK) {
        status = do_register(m, &wallet, deadline_ms);
        node_wallet_close(&wallet);
    }
    pthread_mutex_unlock(&m->disk);
    sdk_quiet_end(&quiet);
    return status;
}

/* ---- with a node ---- */

/* Only its control socket lets us; 0: the node has done it, else the HTTP status. */
static nftmesh_status_t ask_node(struct nftmesh *m, uint32_t timeout_ms)
{
    struct node_http_sync *http;
    struct node_http_sync_answer answer;
    struct node_http_request request = {.url = "http://localhost/v1/register",
                                        .unix_socket = m->config.node_socket,
                                        .body = "{}",
                                        .body_len = 2,
                                        .answer_bytes_max = ANSWER_BYTES_MAX,
                                        .timeout_ms = timeout_ms};
    if (node_http_sync_new(&http, NULL) != BASE_OK)
        return sdk_fail(NFTMESH_ERR_MEMORY, "no memory to ask the node");
    nftmesh_status_t status = NFTMESH_OK;
    int rv = node_http_sync_call(http, &answer, &request);
    if (rv != BASE_OK)
        status = sdk_fail(rv == BASE_ETIMEOUT ? NFTMESH_ERR_TIMEOUT : NFTMESH_ERR_NODE,
                          "the node at %s: %s", m->config.node_socket, answer.text);
    else if (answer.status != 200 && answer.status != 202)
        status = sdk_fail(answer.status == 501 ? NFTMESH_ERR_UNSUPPORTED : NFTMESH_ERR_REFUSED,
                          "the node at %s: %.400s", m->config.node_socket,
                          answer.body.data != NULL ? answer.body.data : "no reason");
    base_buf_deinit(&answer.body);
    node_http_sync_free(http);
    return status;
}

nftmesh_status_t sdk_register_node(struct nftmesh *m)
{
    uint64_t now_ms = sdk_now_ms(), deadline_ms = now_ms + m->config.register_timeout_ms;
    uint64_t first_ms = now_ms + m->config.timeout_ms;
    struct sdk_quiet quiet;
    nftmesh_status_t status = sdk_wait_own(m, first_ms < deadline_ms ? first_ms : deadline_ms);
    if (status != NFTMESH_ERR_NOT_REGISTERED || m->config.node_socket[0] == '\0') return status;
    sdk_quiet_begin(&quiet);
    status = ask_node(m, left_ms(deadline_ms));
    sdk_quiet_end(&quiet);
    if (status != NFTMESH_OK) return status;
    /* The node says that it is done; its next reading of the chain says whether it stands. */
    pthread_mutex_lock(&m->known.mutex);
    bool in_time = true;
    while (in_time && m->known.own != NFTMESH_OK)
        in_time = sdk_known_wait(&m->known, deadline_ms);
    pthread_mutex_unlock(&m->known.mutex);
    return sdk_wait_own(m, deadline_ms);
}
