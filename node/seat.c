#include "node/seat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/agent.h"
#include "attest/pins.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "node/binding.h"
#include "node/store.h"

#define WHY              NODE_WALLET_WHY_BYTES
#define ANSWER_BYTES_MAX 65536
#define CALL_TIMEOUT_MS  10000
#define DEADLINE_S       3600
#define EXPIRES_MAX_S    (UINT64_C(400) * 86400)

/* Who signs: a running node through its control socket, or we ourselves from its data-dir. */
struct signer {
    struct node_http_sync *http;
    char control[NODE_STORE_PATH_BYTES];
    bool running;
    struct node_identity identity; /* when no node runs */
};

/* ---- the keys, when no node runs ---- */

static int agent_call(struct signer *s, struct node_http_sync_answer *answer, const char *dstack,
                      enum attest_agent_api api, enum attest_agent_method method,
                      const struct base_buf *body, char *why)
{
    char url[128];
    struct node_http_request http = {.url = url,
                                     .unix_socket = dstack,
                                     .body = body->data,
                                     .body_len = body->len,
                                     .answer_bytes_max = ATTEST_AGENT_REPLY_BYTES_MAX,
                                     .timeout_ms = CALL_TIMEOUT_MS};
    snprintf(url, sizeof url, "http://dstack%s", attest_agent_path(api, method));
    int rv = node_http_sync_call(s->http, answer, &http);
    if (rv != BASE_OK)
        snprintf(why, WHY, "no node runs here, and the guest agent at %s: %s", dstack,
                 answer->text);
    return rv;
}

static int agent_info(struct signer *s, struct attest_agent_info *info, const char *dstack,
                      char *why)
{
    struct node_http_sync_answer answer;
    struct base_buf body;
    char agent_why[ATTEST_AGENT_WHY_BYTES];
    base_buf_init(&body, ATTEST_AGENT_REQUEST_BYTES_MAX);
    attest_agent_info_body(&body);
    int rv = agent_call(s, &answer, dstack, ATTEST_AGENT_DSTACK, ATTEST_AGENT_INFO, &body, why);
    if (rv == BASE_OK) {
        rv = attest_agent_info_parse(info, agent_why, answer.status, answer.body.data,
                                     answer.body.len);
        if (rv != BASE_OK) snprintf(why, WHY, "guest agent: %s", agent_why);
    }
    base_buf_deinit(&answer.body);
    base_buf_deinit(&body);
    return rv;
}

static int agent_key(struct signer *s, struct attest_agent_key *key, const char *dstack,
                     const char *path, char *why)
{
    struct node_http_sync_answer answer;
    struct base_buf body;
    char agent_why[ATTEST_AGENT_WHY_BYTES];
    base_buf_init(&body, ATTEST_AGENT_REQUEST_BYTES_MAX);
    (void)attest_agent_get_key_body(&body, path, ATTEST_PURPOSE);
    int rv = agent_call(s, &answer, dstack, ATTEST_AGENT_DSTACK, ATTEST_AGENT_GET_KEY, &body, why);
    if (rv == BASE_OK) {
        rv = attest_agent_key_parse(key, agent_why, ATTEST_AGENT_DSTACK, ATTEST_PURPOSE,
                                    answer.status, answer.body.data, answer.body.len);
        if (rv != BASE_OK) snprintf(why, WHY, "guest agent: %s", agent_why);
        base_memzero(answer.body.data, answer.body.len);
    }
    base_buf_deinit(&answer.body);
    base_buf_deinit(&body);
    return rv;
}

static int own_seed(uint8_t seed[NODE_STORE_SEED_BYTES], const char *dir, char *why)
{
    struct node_store *store;
    bool made;
    int rv = node_store_open(&store, dir, why);
    if (rv != BASE_OK) return rv;
    rv = node_store_seed(store, seed, &made, why);
    node_store_close(store);
    return rv;
}

/* The same rule as for a node's start: the simulator proves nothing. */
static int check_agent(const struct attest_agent_info *info, const struct node_wallet *w,
                       const struct node_seat_request *request, char *why)
{
    switch (attest_dev_judge(request->dev, w->chain_id, NULL, 0, info->app_name)) {
    case ATTEST_DEV_SIMULATOR:
        snprintf(why, WHY,
                 "the guest agent at %s is the simulator: it proves nothing; use --dev "
                 "on a development chain, or a real DStack VM",
                 request->dstack);
        return BASE_EINVAL;
    case ATTEST_DEV_CHAIN_ID:
        snprintf(why, WHY, "--dev: only on a development chain, with chain id 31337 or 1337");
        return BASE_EINVAL;
    case ATTEST_DEV_PUBLIC_ROOT: /* no root is judged here: the contract does */
    case ATTEST_DEV_UNDECIDED:
    case ATTEST_DEV_OK:
        return BASE_OK;
    }
    return BASE_OK;
}

static int own_identity(struct signer *s, const struct node_wallet *w,
                        const struct node_seat_request *request, char *why)
{
    struct attest_agent_info info;
    struct attest_agent_key key = {0};
    uint8_t seed[NODE_STORE_SEED_BYTES] = {0};
    char path[ATTEST_PATH_BYTES];
    int rv = agent_info(s, &info, request->dstack, why);
    if (rv == BASE_OK) rv = check_agent(&info, w, request, why);
    if (rv != BASE_OK) return rv;
    attest_proof_path(path, w->chain_id, &w->contract, &info.instance);
    rv = agent_key(s, &key, request->dstack, path, why);
    if (rv == BASE_OK) rv = own_seed(seed, request->data_dir, why);
    if (rv == BASE_OK) {
        rv = node_keyset_from_agent(&s->identity.keys, &info, &key, seed);
        if (rv != BASE_OK) snprintf(why, WHY, "node key: %s", base_strerror(rv));
    }
    node_identity_set_mesh(&s->identity, w->chain_id, &w->contract);
    base_memzero(&key, sizeof key);
    base_memzero(seed, sizeof seed);
    return rv;
}

static int signer_open(struct signer *s, const struct node_wallet *w,
                       const struct node_seat_request *request, char *why)
{
    memset(s, 0, sizeof *s);
    s->http = w->http;
    snprintf(s->control, sizeof s->control, "%s/control.sock", request->data_dir);
    s->running = access(s->control, R_OK | W_OK) == 0;
    return s->running ? BASE_OK : own_identity(s, w, request, why);
}

/* ---- a signed Binding, as JSON, and back ---- */

static int ask_node(struct signer *s, struct base_buf *out, const char *body, char *why)
{
    struct node_http_sync_answer answer;
    struct node_http_request http = {.url = "http://node/v1/binding",
                                     .unix_socket = s->control,
                                     .body = body,
                                     .body_len = strlen(body),
                                     .answer_bytes_max = ANSWER_BYTES_MAX,
                                     .timeout_ms = CALL_TIMEOUT_MS};
    int rv = node_http_sync_call(s->http, &answer, &http);
    if (rv != BASE_OK) {
        snprintf(why, WHY, "the node's control socket %s: %s", s->control, answer.text);
    } else if (answer.status != 200) {
        snprintf(why, WHY, "the node refuses to sign: %.300s",
                 answer.body.data != NULL ? answer.body.data : "");
        rv = BASE_EREMOTE;
    } else {
        base_buf_append(out, answer.body.data, answer.body.len);
    }
    base_buf_deinit(&answer.body);
    return rv;
}

static int sign_binding(struct signer *s, json_t **out, const char *body, char *why)
{
    struct base_buf text;
    char json_why[BASE_JSON_WHY_BYTES];
    json_t *json = NULL;
    int rv;
    base_buf_init(&text, ANSWER_BYTES_MAX);
    if (s->running) {
        rv = ask_node(s, &text, body, why);
    } else {
        rv = base_json_parse(&json, body, strlen(body), ANSWER_BYTES_MAX, json_why);
        if (rv == BASE_OK) rv = node_binding_answer(&text, &s->identity, json, why, WHY);
        json_decref(json);
    }
    if (rv == BASE_OK) {
        rv = base_json_parse(out, text.data, text.len, ANSWER_BYTES_MAX, json_why);
        if (rv != BASE_OK) snprintf(why, WHY, "the node's Binding: %s", json_why);
    }
    base_buf_deinit(&text);
    return rv;
}

static int read_keys(const json_t *json, struct base_binding *b, struct chain_register *args)
{
    int rv = base_json_get_hex(b->instance.bytes, 20, json, "instance");
    if (rv == BASE_OK) rv = base_json_get_hex(b->node_key.bytes, 33, json, "node_key");
    if (rv == BASE_OK) rv = base_json_get_hex(b->proof_key.bytes, 33, json, "proof_key");
    if (rv == BASE_OK) rv = base_json_get_hex(args->node_xy, 64, json, "node_xy");
    if (rv == BASE_OK) rv = base_json_get_hex(args->proof_xy, 64, json, "proof_xy");
    if (rv == BASE_OK) rv = base_json_get_hex(args->app_xy, 64, json, "app_xy");
    if (rv == BASE_OK) rv = base_json_get_hex(args->app_id.bytes, 20, json, "app_id");
    if (rv == BASE_OK) rv = base_json_get_hex(args->app_sig.bytes, 65, json, "app_sig");
    if (rv == BASE_OK) rv = base_json_get_hex(args->kms_sig.bytes, 65, json, "kms_sig");
    if (rv == BASE_OK) rv = base_json_get_hex(args->node_sig.bytes, 65, json, "node_sig");
    if (rv == BASE_OK) rv = base_json_get_hex(args->proof_sig.bytes, 65, json, "proof_sig");
    return rv;
}

static int make_binding(struct signer *s, struct base_binding *b, struct chain_register *args,
                        char *why)
{
    struct base_buf body;
    char owner[BASE_ADDRESS_TEXT_BYTES];
    json_t *json = NULL;
    base_buf_init(&body, 4096);
    base_address_format(owner, &b->owner);
    base_buf_puts(&body, "{\"token\":\"0x");
    base_buf_hex(&body, b->token_id.bytes, sizeof b->token_id.bytes);
    base_buf_printf(&body, "\",\"owner\":\"%s\",\"url\":", owner);
    base_buf_json_string(&body, b->url, b->url_len);
    base_buf_printf(&body, ",\"nonce\":%llu,\"expires_at\":%llu,\"deadline\":%llu}",
                    (unsigned long long)b->nonce, (unsigned long long)b->expires_at,
                    (unsigned long long)b->deadline);
    int rv = body.failed ? BASE_ENOMEM : sign_binding(s, &json, body.data, why);
    if (rv == BASE_OK) {
        rv = read_keys(json, b, args);
        if (rv != BASE_OK) snprintf(why, WHY, "the node's Binding lacks a field");
    }
    json_decref(json);
    base_buf_deinit(&body);
    return rv;
}

/* ---- which seat ---- */

static const struct chain_seat *find_token(const struct chain_seat *seats, size_t count,
                                           const struct base_u256 *token)
{
    for (size_t i = 0; i < count; i++) {
        if (base_u256_equal(&seats[i].token_id, token)) return &seats[i];
    }
    return NULL;
}

static const struct chain_seat *choose_seat(const struct node_wallet *w,
                                            const struct node_seat_request *request,
                                            const struct base_eth_address *instance,
                                            const struct chain_seat *seats, size_t count)
{
    const struct chain_seat *free_seat = NULL;
    if (request->has_token) return find_token(seats, count, &request->token);
    for (size_t i = 0; i < count; i++) {
        if (!base_address_equal(&seats[i].owner, &w->address)) continue;
        if (base_address_equal(&seats[i].instance, instance)) return &seats[i];
        if (free_seat == NULL && base_is_zero(seats[i].instance.bytes, BASE_ADDRESS_BYTES))
            free_seat = &seats[i];
    }
    return free_seat;
}

static bool stands(const struct chain_seat *seat, const struct base_binding *b,
                   const struct node_seat_request *request, uint64_t now_s)
{
    const char *url = request->url != NULL ? request->url : "";
    return seat->has_keys && seat->active && base_key33_equal(&seat->node_key, &b->node_key) &&
           base_key33_equal(&seat->proof_key, &b->proof_key) &&
           base_address_equal(&seat->bound_by, &b->owner) && strcmp(seat->url, url) == 0 &&
           seat->expires_at > now_s + request->expires_ms / 2000;
}

/* ---- the two steps ---- */

static int send_instance(struct node_wallet *w, struct node_seat_result *result,
                         const struct base_binding *b, char *why)
{
    struct base_buf calldata;
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    chain_contract_call_register_instance(&calldata, &b->token_id, &b->instance);
    int rv = node_wallet_send(w, &result->sent, &calldata, why);
    base_buf_deinit(&calldata);
    return rv;
}

static int send_register(struct node_wallet *w, struct node_seat_result *result,
                         const struct base_binding *b, const struct chain_register *args, char *why)
{
    struct base_buf calldata;
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    chain_contract_call_register(&calldata, b, args);
    int rv = node_wallet_send(w, &result->sent, &calldata, why);
    base_buf_deinit(&calldata);
    return rv;
}

/* The seat as it stands now, copied out. */
static int read_seat(struct node_wallet *w, struct chain_seat *out,
                     const struct node_seat_request *request,
                     const struct base_eth_address *instance, char *why)
{
    struct chain_cluster_state state;
    struct chain_seat *seats;
    size_t count;
    int rv = node_wallet_seats(w, &state, &seats, &count, why);
    if (rv != BASE_OK) return rv;
    const struct chain_seat *seat = choose_seat(w, request, instance, seats, count);
    if (seat == NULL) {
        snprintf(why, WHY,
                 request->has_token
                     ? "no such token on this contract: mint a seat first"
                     : "this wallet has no free seat: mint one, or name one by --token");
        rv = BASE_EINVAL;
    } else if (!base_address_equal(&seat->owner, &w->address)) {
        char owner[BASE_ADDRESS_TEXT_BYTES];
        base_address_format(owner, &seat->owner);
        snprintf(why, WHY, "the token belongs to %s, not to this wallet", owner);
        rv = BASE_EINVAL;
    } else {
        *out = *seat;
    }
    free(seats);
    return rv;
}

static int register_with(struct node_wallet *w, struct signer *s, struct node_seat_result *result,
                         const struct node_seat_request *request, char *why)
{
    struct chain_seat seat;
    struct chain_register args;
    struct base_binding b = {.owner = w->address, .url = request->url != NULL ? request->url : ""};
    struct base_binding probe = b;
    uint64_t now_s = 0;
    b.url_len = strlen(b.url);
    /* The node's keys and instance first: they tell which seat is meant. */
    int rv = make_binding(s, &probe, &args, why);
    if (rv == BASE_OK) rv = node_wallet_time(w, &now_s, why);
    if (rv == BASE_OK) rv = read_seat(w, &seat, request, &probe.instance, why);
    if (rv != BASE_OK) return rv;
    result->token = seat.token_id;
    b.token_id = seat.token_id;
    if (stands(&seat, &probe, request, now_s)) {
        result->stood_already = true;
        return BASE_OK;
    }
    if (!base_address_equal(&seat.instance, &probe.instance)) {
        probe.token_id = seat.token_id;
        rv = send_instance(w, result, &probe, why);
        if (rv != BASE_OK || w->dry_run) return rv;
        rv = read_seat(w, &seat, request, &probe.instance, why);
        if (rv != BASE_OK) return rv;
    }
    memset(&args, 0, sizeof args);
    b.nonce = seat.nonce;
    b.expires_at =
        now_s + (request->expires_ms / 1000 < EXPIRES_MAX_S ? request->expires_ms / 1000
                                                            : EXPIRES_MAX_S - DEADLINE_S);
    b.deadline = now_s + DEADLINE_S;
    rv = make_binding(s, &b, &args, why);
    if (rv == BASE_OK) rv = send_register(w, result, &b, &args, why);
    return rv;
}

int node_seat_register(struct node_wallet *w, struct node_seat_result *result,
                       const struct node_seat_request *request, char *why)
{
    struct signer s;
    memset(result, 0, sizeof *result);
    int rv = signer_open(&s, w, request, why);
    if (rv == BASE_OK) rv = register_with(w, &s, result, request, why);
    node_identity_deinit(&s.identity);
    return rv;
}
