#include "node/wallet_work.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "node/config_internal.h"
#include "node/view.h"

const char *node_wallet_work_name(enum node_wallet_work_kind kind)
{
    switch (kind) {
    case NODE_WALLET_WORK_REGISTER:
        return "register";
    case NODE_WALLET_WORK_MINT:
        return "mint";
    case NODE_WALLET_WORK_NONE:
        break;
    }
    return "";
}

/* ---- the body ---- */

static int refuse(char *why, size_t cap, const char *text)
{
    snprintf(why, cap, "%s", text);
    return BASE_EINVAL;
}

static int read_token(struct node_wallet_ask *out, const json_t *value, char *why, size_t cap)
{
    static const char text[] = "token must be a token id: a number, or one in a string";
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        out->token = base_u256_from_u64((uint64_t)json_integer_value(value));
    else if (!json_is_string(value) ||
             strlen(json_string_value(value)) != json_string_length(value) ||
             base_u256_parse(&out->token, json_string_value(value)) != BASE_OK)
        return refuse(why, cap, text);
    out->has_token = true;
    return BASE_OK;
}

static int read_url(struct node_wallet_ask *out, const json_t *value, char *why, size_t cap)
{
    char half[NODE_OPTIONS_WHY_BYTES];
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != json_string_length(value) ||
        strlen(text) > NODE_URL_BYTES_MAX)
        return refuse(why, cap, "url must be a string of at most 256 bytes");
    if (node__config_check_advertise(text, half, sizeof half) != BASE_OK) {
        snprintf(why, cap, "url %s", half);
        return BASE_EINVAL;
    }
    memcpy(out->url, text, strlen(text) + 1);
    return BASE_OK;
}

static int read_to(struct node_wallet_ask *out, const json_t *value, char *why, size_t cap)
{
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != json_string_length(value) ||
        base_address_parse(&out->to, text) != BASE_OK ||
        base_is_zero(out->to.bytes, sizeof out->to.bytes))
        return refuse(why, cap, "to must be an address: 0x and 40 hex digits, not all zero");
    out->has_to = true;
    return BASE_OK;
}

static int read_field(struct node_wallet_ask *out, enum node_wallet_work_kind kind, const char *key,
                      const json_t *value, char *why, size_t cap)
{
    bool is_register = kind == NODE_WALLET_WORK_REGISTER;
    if (is_register && strcmp(key, "token") == 0) return read_token(out, value, why, cap);
    if (is_register && strcmp(key, "url") == 0) return read_url(out, value, why, cap);
    if (!is_register && strcmp(key, "to") == 0) return read_to(out, value, why, cap);
    return refuse(why, cap,
                  is_register ? "the body may have \"token\" and \"url\", and nothing else"
                              : "the body may have \"to\", and nothing else");
}

int node_wallet_ask_read(struct node_wallet_ask *out, enum node_wallet_work_kind kind,
                         const json_t *body, char *why, size_t cap)
{
    const char *key;
    json_t *value;
    assert(kind != NODE_WALLET_WORK_NONE && cap > 0);
    memset(out, 0, sizeof *out);
    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    {
        int rv = read_field(out, kind, key, value, why, cap);
        if (rv != BASE_OK) return rv;
    }
    return BASE_OK;
}

/* ---- whether ---- */

unsigned node_wallet_work_refusal(const char **detail, const struct node_wallet_state *state)
{
    if (!state->has_key) {
        *detail = "this node has no wallet key: start it with --wallet-key-file FILE (mode 0600),"
                  " or use `nftmesh register` and `nftmesh mint` where the wallet is";
        return 400;
    }
    if (!state->has_identity) {
        *detail = "the guest agent has not answered yet: see checks in /v1/status";
        return 503;
    }
    if (state->is_leaving) {
        *detail = "this node is leaving";
        return 503;
    }
    if (state->is_busy) {
        *detail = "busy: one transaction at a time; see wallet in /v1/status";
        return 409;
    }
    *detail = NULL;
    return 0;
}

/* ---- the answer ---- */

static const char *message_of(const struct node_wallet_done *done)
{
    if (done->kind == NODE_WALLET_WORK_MINT) return "minted: the token exists on chain";
    return done->stood_already ? "registered already: the contract has these very values"
                               : "registered: the seat carries this node's keys on chain";
}

static void put_owner(struct base_buf *out, const struct node_wallet_done *done)
{
    char owner[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(owner, &done->owner);
    base_buf_printf(out, ",\"owner_address\":\"%s\",\"token_id\":", owner);
    node_json_u256(out, &done->token);
}

static void put_transaction(struct base_buf *out, const struct node_wallet_done *done)
{
    base_buf_printf(out, ",\"stood_already\":%s,", done->stood_already ? "true" : "false");
    if (!done->has_tx) {
        base_buf_puts(out, "\"tx\":null,\"block\":null");
        return;
    }
    base_buf_puts(out, "\"tx\":\"0x");
    base_buf_hex(out, done->tx.bytes, sizeof done->tx.bytes);
    base_buf_printf(out, "\",\"block\":%" PRIu64, done->block);
}

void node_wallet_done_json(struct base_buf *out, const struct node_wallet_done *done, bool rich,
                           uint64_t wall_ms)
{
    base_buf_printf(out, "{\"status\":\"success\",\"message\":\"%s\"", message_of(done));
    if (rich || done->kind == NODE_WALLET_WORK_MINT) put_owner(out, done);
    base_buf_puts(out, ",\"instance_id\":\"");
    base_buf_hex(out, done->instance.bytes, sizeof done->instance.bytes);
    base_buf_puts(out, "\"");
    if (rich) put_transaction(out, done);
    base_buf_printf(out, ",\"timestamp\":%" PRIu64 ".%03u}", wall_ms / 1000,
                    (unsigned)(wall_ms % 1000));
}
