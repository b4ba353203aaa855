#include "node/seat_offline.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/u256.h"
#include "node/seat_internal.h"

#define WHY NODE_WALLET_WHY_BYTES

/* ---- writing the statement ---- */

static bool plan_has(const struct node_seat_plan *plan, enum node_seat_step step)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].step == step) return true;
    return false;
}

static void put_bind(struct node__seat_work *k, struct node_seat_wanted *out)
{
    char token[BASE_U256_TEXT_BYTES], instance[2 * BASE_ADDRESS_BYTES + 1];
    base_u256_format(token, &k->seat.token_id);
    base_hex_encode(instance, k->want.instance.bytes, sizeof k->want.instance.bytes);
    snprintf(out->bind_what, sizeof out->bind_what, "registerInstance(token %s, instance %s)",
             token, instance);
    chain_contract_call_register_instance(&out->bind, &k->seat.token_id, &k->want.instance);
    out->has_bind = true;
}

static int state_binding(struct node__seat_work *k, struct node_seat_wanted *out, char *why)
{
    struct node_statement *s = &out->statement;
    s->kind = NODE_STATEMENT_BINDING;
    snprintf(s->url, sizeof s->url, "%s", k->want.url);
    s->binding =
        (struct base_binding){.token_id = k->seat.token_id,
                              .owner = k->want.owner,
                              .url = s->url,
                              .url_len = strlen(s->url),
                              .nonce = k->seat.nonce,
                              .expires_at = node_seat_expiry(k->now_s, k->request.expires_ms),
                              .deadline = k->now_s + NODE_SEAT_OFFLINE_DEADLINE_S};
    /* Taking a registered instance off is a change of its own. */
    if (out->has_bind && k->seat.has_keys) s->binding.nonce++;
    return node_seat_signer_binding(&k->signer, &s->binding, &s->args, why);
}

static void state_renewal(struct node__seat_work *k, struct node_statement *s)
{
    s->kind = NODE_STATEMENT_RENEWAL;
    s->renewal =
        (struct base_renewal){.token_id = k->seat.token_id,
                              .node_key = k->want.node_key,
                              .nonce = k->seat.nonce,
                              .expires_at = node_seat_expiry(k->now_s, k->request.expires_ms),
                              .deadline = k->now_s + NODE_SEAT_OFFLINE_DEADLINE_S};
}

static int state_with(struct node__seat_work *k, struct node_seat_wanted *out, char *why)
{
    struct chain_register args;
    int rv = node__seat_learn(k, &args, why);
    if (rv == BASE_OK) rv = node__seat_read_chain(k, why);
    if (rv != BASE_OK) return rv;
    node_seat_plan(&out->plan, &k->want, &k->seat, k->state.root_epoch, k->now_s);
    if (out->plan.count > 0) rv = node__seat_check_chain(k, &args, why);
    if (rv == BASE_OK && out->plan.count > 0) rv = node__seat_check_url(k, why);
    if (rv != BASE_OK) return rv;
    out->statement.chain_id = k->w->chain_id;
    out->statement.contract = k->w->contract;
    out->statement.owner = k->want.owner;
    if (plan_has(&out->plan, NODE_SEAT_BIND)) put_bind(k, out);
    if (plan_has(&out->plan, NODE_SEAT_REGISTER)) {
        rv = state_binding(k, out, why);
        out->has_statement = rv == BASE_OK;
    } else if (plan_has(&out->plan, NODE_SEAT_RENEW)) {
        state_renewal(k, &out->statement);
        out->has_statement = true;
    }
    return rv;
}

int node_seat_state(struct node_wallet *w, struct node_seat_wanted *out,
                    const struct node_seat_request *request, const struct base_eth_address *owner,
                    char *why)
{
    struct node__seat_work k;
    struct node_seat_result result;
    struct node_seat_request quiet = *request;
    memset(out, 0, sizeof *out);
    base_buf_init(&out->bind, NODE_WALLET_DATA_BYTES);
    quiet.mint = false;
    int rv = node__seat_open(&k, w, &result, &quiet, owner, why);
    if (rv == BASE_OK) rv = state_with(&k, out, why);
    node_seat_signer_close(&k.signer);
    out->statement.binding.url = out->statement.url;
    return rv;
}

/* ---- sending it ---- */

/* v as the contract takes it, when a key of the owner's signed. */
static bool is_keys_signature(uint8_t out[65], const struct node_statement *s, const uint8_t *sig,
                              size_t len)
{
    struct base_sig65 plain;
    struct base_hash32 digest;
    struct base_eth_address signer;
    if (len != sizeof plain.bytes) return false;
    memcpy(plain.bytes, sig, len);
    if (plain.bytes[64] >= 27) plain.bytes[64] = (uint8_t)(plain.bytes[64] - 27);
    node_statement_digest(&digest, s);
    if (base_ecdsa_recover_address(&signer, &digest, &plain) != BASE_OK) return false;
    if (!base_address_equal(&signer, &s->owner)) return false;
    memcpy(out, plain.bytes, sizeof plain.bytes);
    out[64] = (uint8_t)(out[64] + 27);
    return true;
}

static int check_signature(struct node_wallet *w, struct base_slice *out, uint8_t fixed[65],
                           const struct node_statement *s, const uint8_t *sig, size_t len,
                           char *why)
{
    bool has_code = false;
    char owner[BASE_ADDRESS_TEXT_BYTES];
    *out = (struct base_slice){sig, len};
    base_address_format(owner, &s->owner);
    if (len == 0 || len > CHAIN_OWNER_SIG_BYTES_MAX)
        return node__seat_say(why, BASE_EINVAL, "the owner's signature has %zu bytes: 1 to %d", len,
                              CHAIN_OWNER_SIG_BYTES_MAX);
    if (is_keys_signature(fixed, s, sig, len)) {
        *out = (struct base_slice){fixed, 65};
        return BASE_OK;
    }
    int rv = node_wallet_code(w, &has_code, &s->owner, why);
    if (rv != BASE_OK || has_code) return rv; /* a contract judges its own */
    return node__seat_say(
        why, BASE_EINVAL,
        "the signature is not of %s over this statement: sign the file as it is, with the "
        "wallet that owns the token",
        owner);
}

static int check_mesh(const struct node_wallet *w, const struct node_statement *s, char *why)
{
    char is[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(is, &s->contract);
    if (s->chain_id == w->chain_id && base_address_equal(&s->contract, &w->contract))
        return BASE_OK;
    return node__seat_say(why, BASE_EINVAL,
                          "the statement is for contract %s of chain %llu: another mesh", is,
                          (unsigned long long)s->chain_id);
}

/* Whoever sent it first: it stands. */
static bool stands(const struct node_statement *s, const struct chain_seat *seat)
{
    if (!seat->has_keys || !seat->active) return false;
    if (s->kind == NODE_STATEMENT_RENEWAL)
        return base_key33_equal(&seat->node_key, &s->renewal.node_key) &&
               seat->expires_at == s->renewal.expires_at;
    return base_key33_equal(&seat->node_key, &s->binding.node_key) &&
           base_key33_equal(&seat->proof_key, &s->binding.proof_key) &&
           base_address_equal(&seat->instance, &s->binding.instance) &&
           base_address_equal(&seat->bound_by, &s->owner) &&
           seat->expires_at == s->binding.expires_at && seat->url_len == s->binding.url_len &&
           memcmp(seat->url, s->binding.url, seat->url_len) == 0;
}

static const struct base_u256 *token_of(const struct node_statement *s)
{
    return s->kind == NODE_STATEMENT_RENEWAL ? &s->renewal.token_id : &s->binding.token_id;
}

static int send_statement(struct node_wallet *w, struct node_wallet_sent *sent,
                          const struct node_statement *s, const struct base_slice *sig, char *why)
{
    struct base_buf calldata;
    char what[NODE_WALLET_WHAT_BYTES], token[BASE_U256_TEXT_BYTES];
    struct node_wallet_call call = {.calldata = &calldata, .what = what};
    base_u256_format(token, token_of(s));
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    if (s->kind == NODE_STATEMENT_RENEWAL) {
        snprintf(what, sizeof what, "renew(token %s)", token);
        chain_contract_call_renew(&calldata, &s->renewal, sig);
    } else {
        struct chain_register args = s->args;
        args.owner_sig = *sig;
        snprintf(what, sizeof what, "register(token %s)", token);
        chain_contract_call_register(&calldata, &s->binding, &args);
    }
    int rv = node_wallet_send_call(w, sent, &call, why);
    base_buf_deinit(&calldata);
    return rv;
}

int node_seat_submit(struct node_wallet *w, struct node_seat_result *result,
                     const struct node_statement *statement, const uint8_t *sig, size_t sig_len,
                     char *why)
{
    struct chain_cluster_state state;
    struct chain_seat seat;
    struct base_slice owner_sig;
    uint8_t fixed[65];
    char ignored[WHY];
    memset(result, 0, sizeof *result);
    result->token = *token_of(statement);
    result->has_token = true;
    int rv = check_mesh(w, statement, why);
    if (rv == BASE_OK) rv = node_seat_read(w, &seat, &state, &result->token, why);
    if (rv == BASE_OK && stands(statement, &seat)) {
        result->stood_already = true;
        return BASE_OK;
    }
    if (rv == BASE_OK) rv = check_signature(w, &owner_sig, fixed, statement, sig, sig_len, why);
    if (rv != BASE_OK) return rv;
    rv = send_statement(w, &result->sent, statement, &owner_sig, why);
    if (rv != BASE_OK && node_seat_read(w, &seat, &state, &result->token, ignored) == BASE_OK &&
        stands(statement, &seat)) {
        result->stood_already = true; /* another hand was faster with the same */
        return BASE_OK;
    }
    return rv;
}

/* ---- the address alone ---- */

static int find_own(struct node__seat_work *k, char *why)
{
    struct chain_seat *seats;
    size_t count;
    int rv = node_wallet_time(k->w, &k->now_s, why);
    if (rv == BASE_OK) rv = node_wallet_seats(k->w, &k->state, &seats, &count, why);
    if (rv != BASE_OK) return rv;
    k->has_seat = false;
    for (size_t i = 0; i < count && !k->has_seat; i++) {
        k->has_seat = seats[i].has_keys && base_key33_equal(&seats[i].node_key, &k->want.node_key);
        if (k->has_seat) k->seat = seats[i];
    }
    free(seats);
    if (k->has_seat && k->seat.active) return BASE_OK;
    return node__seat_say(
        why, BASE_EINVAL,
        "no seat has this node's key: `nftmesh register` with the owner's wallet first");
}

static int send_endpoint(struct node__seat_work *k, char *why)
{
    struct base_buf calldata;
    struct base_sig65 sig;
    char what[NODE_WALLET_WHAT_BYTES], token[BASE_U256_TEXT_BYTES];
    struct base_endpoint e = {.token_id = k->seat.token_id,
                              .url = k->want.url,
                              .url_len = strlen(k->want.url),
                              .nonce = k->seat.nonce,
                              .deadline = k->now_s + NODE_SEAT_DEADLINE_S};
    int rv = node_seat_signer_endpoint(&k->signer, &e, &sig, why);
    if (rv != BASE_OK) return rv;
    base_u256_format(token, &e.token_id);
    snprintf(what, sizeof what, "setEndpoint(token %s, %s)", token,
             e.url_len > 0 ? e.url : "no address");
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    chain_contract_call_set_endpoint(&calldata, &e, &sig);
    struct node_wallet_call call = {.calldata = &calldata, .what = what};
    rv = node_wallet_send_call(k->w, &k->result->sent, &call, why);
    base_buf_deinit(&calldata);
    return rv;
}

int node_seat_move(struct node_wallet *w, struct node_seat_result *result,
                   const struct node_seat_request *request, char *why)
{
    struct node__seat_work k;
    struct chain_register args;
    int rv = node__seat_open(&k, w, result, request, &w->address, why);
    if (rv == BASE_OK) rv = node__seat_learn(&k, &args, why);
    if (rv == BASE_OK) rv = find_own(&k, why);
    if (rv == BASE_OK) {
        result->token = k.seat.token_id;
        result->has_token = true;
        result->stood_already = strcmp(k.seat.url, k.want.url) == 0;
        if (!result->stood_already) rv = send_endpoint(&k, why);
    }
    node_seat_signer_close(&k.signer);
    return rv;
}
