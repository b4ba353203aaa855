#include "node/seat_signer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attest/agent.h"
#include "attest/pins.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "node/authorise.h"
#include "node/binding.h"
#include "node/bundle_store.h"

#define WHY              NODE_WALLET_WHY_BYTES
#define ANSWER_BYTES_MAX 65536
#define CALL_TIMEOUT_MS  10000
#define STATUS_BYTES_MAX ((size_t)1 << 20)

/* ---- the keys, when no node runs ---- */

static int agent_call(struct node_seat_signer *s, struct node_http_sync_answer *answer,
                      const char *dstack, enum attest_agent_api api,
                      enum attest_agent_method method, const struct base_buf *body, char *why)
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

static int agent_info(struct node_seat_signer *s, struct attest_agent_info *info,
                      const char *dstack, char *why)
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

static int agent_key(struct node_seat_signer *s, struct attest_agent_key *key, const char *dstack,
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
                       const struct node_seat_source *source, char *why)
{
    switch (attest_dev_judge(source->dev, w->chain_id, NULL, 0, info->app_name)) {
    case ATTEST_DEV_SIMULATOR:
        snprintf(why, WHY,
                 "the guest agent at %s is the simulator: it proves nothing; use --dev "
                 "on a development chain, or a real DStack VM",
                 source->dstack);
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

static int own_identity(struct node_seat_signer *s, const struct node_wallet *w,
                        const struct node_seat_source *source, char *why)
{
    struct attest_agent_info info;
    struct attest_agent_key key = {0};
    uint8_t seed[NODE_STORE_SEED_BYTES] = {0};
    char path[ATTEST_PATH_BYTES];
    int rv = agent_info(s, &info, source->dstack, why);
    if (rv == BASE_OK) rv = check_agent(&info, w, source, why);
    if (rv != BASE_OK) return rv;
    attest_proof_path(path, w->chain_id, &w->contract, &info.instance);
    rv = agent_key(s, &key, source->dstack, path, why);
    if (rv == BASE_OK) rv = own_seed(seed, source->data_dir, why);
    if (rv == BASE_OK) {
        rv = node_keyset_from_agent(&s->identity.keys, &info, &key, seed);
        if (rv != BASE_OK) snprintf(why, WHY, "node key: %s", base_strerror(rv));
    }
    node_identity_set_mesh(&s->identity, w->chain_id, &w->contract);
    base_memzero(&key, sizeof key);
    base_memzero(seed, sizeof seed);
    return rv;
}

/* Is a node behind the socket? One that was killed has left its own there. */
static bool is_listening(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool is = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is;
}

void node_seat_signer_attach(struct node_seat_signer *s, const struct node_wallet *w,
                             const struct node_seat_source *source)
{
    memset(s, 0, sizeof *s);
    s->http = w->http;
    s->chain_id = w->chain_id;
    s->contract = w->contract;
    s->data_dir = source->data_dir;
    snprintf(s->control, sizeof s->control, "%s/control.sock", source->data_dir);
    s->running = is_listening(s->control);
}

int node_seat_signer_open(struct node_seat_signer *s, const struct node_wallet *w,
                          const struct node_seat_source *source, char *why)
{
    node_seat_signer_attach(s, w, source);
    return s->running ? BASE_OK : own_identity(s, w, source, why);
}

void node_seat_signer_close(struct node_seat_signer *s)
{
    node_identity_deinit(&s->identity);
}

/* ---- a signed statement, as JSON, and back ---- */

static int ask_node(struct node_seat_signer *s, struct base_buf *out, const char *route,
                    const char *body, char *why)
{
    char url[64];
    struct node_http_sync_answer answer;
    struct node_http_request http = {.url = url,
                                     .unix_socket = s->control,
                                     .body = body,
                                     .body_len = strlen(body),
                                     .answer_bytes_max = ANSWER_BYTES_MAX,
                                     .timeout_ms = CALL_TIMEOUT_MS};
    snprintf(url, sizeof url, "http://node%s", route);
    int rv = node_http_sync_call(s->http, &answer, &http);
    if (rv != BASE_OK) {
        snprintf(why, WHY, "the node's control socket %s: %s", s->control, answer.text);
    } else if (answer.status != 200) {
        snprintf(why, WHY, "the node refuses: %.300s",
                 answer.body.data != NULL ? answer.body.data : "");
        rv = BASE_EREMOTE;
    } else {
        base_buf_append(out, answer.body.data, answer.body.len);
    }
    base_buf_deinit(&answer.body);
    return rv;
}

/* Makes the answer here, when no node runs. */
typedef int local_fn(struct base_buf *json, const struct node_identity *identity,
                     const json_t *body, char *why, size_t cap);

static int ask(struct node_seat_signer *s, json_t **out, const char *route, local_fn *local,
               const char *body, char *why)
{
    struct base_buf text;
    char json_why[BASE_JSON_WHY_BYTES];
    json_t *json = NULL;
    int rv;
    base_buf_init(&text, ANSWER_BYTES_MAX);
    if (s->running) {
        rv = ask_node(s, &text, route, body, why);
    } else {
        rv = base_json_parse(&json, body, strlen(body), ANSWER_BYTES_MAX, json_why);
        if (rv == BASE_OK) rv = local(&text, &s->identity, json, why, WHY);
        json_decref(json);
    }
    if (rv == BASE_OK) {
        rv = base_json_parse(out, text.data, text.len, ANSWER_BYTES_MAX, json_why);
        if (rv != BASE_OK) snprintf(why, WHY, "the node's answer: %s", json_why);
    }
    base_buf_deinit(&text);
    return rv;
}

int node_seat_signer_ask(struct node_seat_signer *s, json_t **out, const char *body, char *why)
{
    return ask(s, out, "/v1/binding", node_binding_answer, body, why);
}

/* Whoever gave the keys may have got the wish wrong: what comes back is held against it. */
static int check_bundle(const struct node_bundle *got, const struct node_bundle *wish,
                        const struct node_seat_signer *s, char *why)
{
    struct base_hash32 digest;
    struct base_eip712_domain domain;
    bool same = !got->revokes && base_u256_equal(&got->token_id, &wish->token_id) &&
                base_address_equal(&got->owner, &wish->owner) &&
                got->issued_block == wish->issued_block && got->not_after == wish->not_after &&
                base_hash32_equal(&got->issued_block_hash, &wish->issued_block_hash);
    base_eip712_domain_init(&domain, s->chain_id, &s->contract);
    node_bundle_digest(&digest, &domain, got);
    if (same && base_ecdsa_verify(&digest, &got->node_sig, &got->node_key) == BASE_OK &&
        base_ecdsa_verify(&digest, &got->proof_sig, &got->proof.proof_key) == BASE_OK)
        return BASE_OK;
    snprintf(why, WHY, "the node signed something else: is it of this chain and contract?");
    return BASE_EREMOTE;
}

int node_seat_signer_authorisation(struct node_seat_signer *s, struct node_bundle *b, char *why)
{
    char body[512], owner[BASE_ADDRESS_TEXT_BYTES], token[2 * sizeof b->token_id + 1],
        hash[2 * BASE_HASH32_BYTES + 1];
    struct node_bundle got;
    json_t *json = NULL;
    base_address_format(owner, &b->owner);
    base_hex_encode(token, b->token_id.bytes, sizeof b->token_id.bytes);
    base_hex_encode(hash, b->issued_block_hash.bytes, sizeof b->issued_block_hash.bytes);
    snprintf(body, sizeof body,
             "{\"token\":\"0x%s\",\"owner\":\"%s\",\"issued_block\":%llu,"
             "\"issued_block_hash\":\"%s\",\"not_after\":%llu}",
             token, owner, (unsigned long long)b->issued_block, hash,
             (unsigned long long)b->not_after);
    int rv = ask(s, &json, "/v1/authorize", node_authorise_answer, body, why);
    if (rv == BASE_OK) rv = node_authorise_bundle(&got, json, why, WHY);
    if (rv == BASE_OK) rv = check_bundle(&got, b, s, why);
    if (rv == BASE_OK) *b = got;
    json_decref(json);
    return rv;
}

int node_seat_signer_hand_over(struct node_seat_signer *s, char verdict[NODE_SEAT_VERDICT_BYTES],
                               const struct node_bundle *b, char *why)
{
    uint8_t data[NODE_BUNDLE_BYTES_MAX];
    struct base_buf body;
    json_t *json = NULL;
    const char *text;
    int rv;
    if (!s->running) {
        rv = node_bundles_put(s->data_dir, b, why);
        snprintf(verdict, NODE_SEAT_VERDICT_BYTES, "%s", "stored");
        return rv;
    }
    base_buf_init(&body, 4096);
    base_buf_puts(&body, "{\"bundle\":\"");
    base_buf_hex(&body, data, node_bundle_encode(data, b));
    base_buf_puts(&body, "\"}");
    rv = body.failed ? BASE_ENOMEM : ask(s, &json, "/v1/authorize", NULL, body.data, why);
    text = json_string_value(json_object_get(json, "verdict"));
    snprintf(verdict, NODE_SEAT_VERDICT_BYTES, "%s", text != NULL ? text : "accepted");
    base_buf_deinit(&body);
    json_decref(json);
    return rv;
}

/* ---- the node's reference block ---- */

int node_seat_signer_reference(struct node_seat_signer *s, struct chain_block *out,
                               uint64_t *counts_until, char *why)
{
    struct node_http_sync_answer answer;
    struct node_http_request http = {.url = "http://node/v1/status",
                                     .unix_socket = s->control,
                                     .answer_bytes_max = STATUS_BYTES_MAX,
                                     .timeout_ms = CALL_TIMEOUT_MS};
    char json_why[BASE_JSON_WHY_BYTES];
    json_t *json = NULL;
    memset(out, 0, sizeof *out);
    *counts_until = 0;
    if (!s->running) return BASE_ENOTFOUND;
    int rv = node_http_sync_call(s->http, &answer, &http);
    if (rv == BASE_OK)
        rv = base_json_parse(&json, answer.body.data, answer.body.len, STATUS_BYTES_MAX, json_why);
    const json_t *block = json_object_get(json, "block");
    if (rv == BASE_OK) rv = base_json_get_u64(&out->number, block, "number");
    if (rv == BASE_OK) rv = base_json_get_u64(&out->time_s, block, "time");
    if (rv == BASE_OK) rv = base_json_get_hex(out->hash.bytes, BASE_HASH32_BYTES, block, "hash");
    if (rv == BASE_OK && !json_is_null(json_object_get(json, "token")))
        (void)base_json_get_u64(counts_until, json, "registration_expires_at");
    if (rv != BASE_OK)
        snprintf(why, WHY,
                 "the node at %s has no reference block yet: try again when `nftmesh status` "
                 "shows one",
                 s->control);
    base_buf_deinit(&answer.body);
    json_decref(json);
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

int node_seat_signer_binding(struct node_seat_signer *s, struct base_binding *b,
                             struct chain_register *args, char *why)
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
    int rv = body.failed ? BASE_ENOMEM : node_seat_signer_ask(s, &json, body.data, why);
    if (rv == BASE_OK) {
        rv = read_keys(json, b, args);
        if (rv != BASE_OK) snprintf(why, WHY, "the node's Binding lacks a field");
    }
    json_decref(json);
    base_buf_deinit(&body);
    return rv;
}

int node_seat_signer_endpoint(struct node_seat_signer *s, struct base_endpoint *e,
                              struct base_sig65 *sig, char *why)
{
    struct base_buf body;
    json_t *json = NULL;
    base_buf_init(&body, 4096);
    base_buf_puts(&body, "{\"statement\":\"endpoint\",\"token\":\"0x");
    base_buf_hex(&body, e->token_id.bytes, sizeof e->token_id.bytes);
    base_buf_puts(&body, "\",\"url\":");
    base_buf_json_string(&body, e->url, e->url_len);
    base_buf_printf(&body, ",\"nonce\":%llu,\"deadline\":%llu}", (unsigned long long)e->nonce,
                    (unsigned long long)e->deadline);
    int rv = body.failed ? BASE_ENOMEM : node_seat_signer_ask(s, &json, body.data, why);
    if (rv == BASE_OK) {
        rv = base_json_get_hex(e->node_key.bytes, 33, json, "node_key");
        if (rv == BASE_OK) rv = base_json_get_hex(sig->bytes, 65, json, "node_sig");
        if (rv != BASE_OK) snprintf(why, WHY, "the node's Endpoint lacks a field");
    }
    json_decref(json);
    base_buf_deinit(&body);
    return rv;
}
