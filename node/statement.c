#include "node/statement.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/u256.h"
#include "node/typed_data.h"

/* ---- writing ---- */

#define BINDING_TYPE                                                                               \
    "\"Binding\":[{\"name\":\"tokenId\",\"type\":\"uint256\"},"                                    \
    "{\"name\":\"owner\",\"type\":\"address\"},{\"name\":\"instance\",\"type\":\"address\"},"      \
    "{\"name\":\"nodeKey\",\"type\":\"bytes\"},{\"name\":\"proofKey\",\"type\":\"bytes\"},"        \
    "{\"name\":\"url\",\"type\":\"string\"},{\"name\":\"nonce\",\"type\":\"uint64\"},"             \
    "{\"name\":\"expiresAt\",\"type\":\"uint64\"},{\"name\":\"deadline\",\"type\":\"uint64\"}]"
#define RENEWAL_TYPE                                                                               \
    "\"Renewal\":[{\"name\":\"tokenId\",\"type\":\"uint256\"},"                                    \
    "{\"name\":\"nodeKey\",\"type\":\"bytes\"},{\"name\":\"nonce\",\"type\":\"uint64\"},"          \
    "{\"name\":\"expiresAt\",\"type\":\"uint64\"},{\"name\":\"deadline\",\"type\":\"uint64\"}]"

static void put_binding(struct base_buf *out, const struct base_binding *b)
{
    char token[BASE_U256_TEXT_BYTES];
    base_u256_format(token, &b->token_id);
    base_buf_printf(out, "{\"tokenId\":\"%s\"", token);
    node_typed_address(out, "owner", &b->owner);
    node_typed_address(out, "instance", &b->instance);
    node_typed_hex(out, "nodeKey", b->node_key.bytes, sizeof b->node_key.bytes);
    node_typed_hex(out, "proofKey", b->proof_key.bytes, sizeof b->proof_key.bytes);
    base_buf_puts(out, ",\"url\":");
    base_buf_json_string(out, b->url, b->url_len);
    node_typed_number(out, "nonce", b->nonce);
    node_typed_number(out, "expiresAt", b->expires_at);
    node_typed_number(out, "deadline", b->deadline);
    base_buf_puts(out, "}");
}

static void put_renewal(struct base_buf *out, const struct base_renewal *r)
{
    char token[BASE_U256_TEXT_BYTES];
    base_u256_format(token, &r->token_id);
    base_buf_printf(out, "{\"tokenId\":\"%s\"", token);
    node_typed_hex(out, "nodeKey", r->node_key.bytes, sizeof r->node_key.bytes);
    node_typed_number(out, "nonce", r->nonce);
    node_typed_number(out, "expiresAt", r->expires_at);
    node_typed_number(out, "deadline", r->deadline);
    base_buf_puts(out, "}");
}

static void put_rest(struct base_buf *out, const struct node_statement *statement)
{
    const struct chain_register *args = &statement->args;
    base_buf_puts(out, "{\"form\":1");
    node_typed_address(out, "owner", &statement->owner);
    if (statement->kind == NODE_STATEMENT_BINDING) {
        node_typed_hex(out, "node_xy", args->node_xy, sizeof args->node_xy);
        node_typed_hex(out, "proof_xy", args->proof_xy, sizeof args->proof_xy);
        node_typed_hex(out, "app_xy", args->app_xy, sizeof args->app_xy);
        node_typed_hex(out, "app_id", args->app_id.bytes, sizeof args->app_id.bytes);
        node_typed_hex(out, "app_sig", args->app_sig.bytes, sizeof args->app_sig.bytes);
        node_typed_hex(out, "kms_sig", args->kms_sig.bytes, sizeof args->kms_sig.bytes);
        node_typed_hex(out, "node_sig", args->node_sig.bytes, sizeof args->node_sig.bytes);
        node_typed_hex(out, "proof_sig", args->proof_sig.bytes, sizeof args->proof_sig.bytes);
    }
    base_buf_puts(out, "}");
}

void node_statement_encode(struct base_buf *out, const struct node_statement *statement)
{
    bool is_binding = statement->kind == NODE_STATEMENT_BINDING;
    assert(statement->kind != NODE_STATEMENT_NONE);
    base_buf_printf(out, "{\"types\":{" NODE_TYPED_DOMAIN_TYPE ",%s},",
                    is_binding ? BINDING_TYPE : RENEWAL_TYPE);
    base_buf_printf(out, "\"primaryType\":\"%s\",", is_binding ? "Binding" : "Renewal");
    node_typed_domain(out, statement->chain_id, &statement->contract);
    base_buf_puts(out, ",\"message\":");
    if (is_binding)
        put_binding(out, &statement->binding);
    else
        put_renewal(out, &statement->renewal);
    base_buf_puts(out, ",\"nftmesh\":");
    put_rest(out, statement);
    base_buf_puts(out, "}\n");
}

void node_statement_digest(struct base_hash32 *out, const struct node_statement *statement)
{
    struct base_eip712_domain domain;
    base_eip712_domain_init(&domain, statement->chain_id, &statement->contract);
    switch (statement->kind) {
    case NODE_STATEMENT_BINDING:
        base_eip712_binding(out, &domain, &statement->binding);
        return;
    case NODE_STATEMENT_RENEWAL:
        base_eip712_renewal(out, &domain, &statement->renewal);
        return;
    case NODE_STATEMENT_NONE:
        break;
    }
    assert(false && "a statement of a kind");
}

/* ---- reading ---- */

struct reader { /* one object; the first thing that is wrong stays */
    const json_t *object;
    const char *place; /* "message" */
    char *why;
    int error;
};

static void wrong(struct reader *r, int rv, const char *name, const char *shape)
{
    if (rv == BASE_OK || r->error != BASE_OK) return;
    r->error = rv == BASE_ETOOBIG ? BASE_ETOOBIG : BASE_EMALFORMED;
    snprintf(r->why, NODE_STATEMENT_WHY_BYTES, "%s.%s is %s: it must be %s", r->place, name,
             rv == BASE_ENOTFOUND ? "missing" : "of another form", shape);
}

static void get_hex(struct reader *r, void *out, size_t len, const char *name)
{
    char shape[40];
    snprintf(shape, sizeof shape, "%zu hex digits", 2 * len);
    wrong(r, base_json_get_hex(out, len, r->object, name), name, shape);
}

static void get_address(struct reader *r, struct base_eth_address *out, const char *name)
{
    const char *text;
    int rv = base_json_get_string(&text, NULL, r->object, name);
    if (rv == BASE_OK) rv = base_address_parse(out, text);
    wrong(r, rv, name, "an address");
}

static void get_u256(struct reader *r, struct base_u256 *out, const char *name)
{
    const char *text;
    uint64_t small;
    int rv = base_json_get_string(&text, NULL, r->object, name);
    if (rv == BASE_OK) {
        rv = base_u256_parse(out, text);
    } else if (base_json_get_u64(&small, r->object, name) == BASE_OK) {
        *out = base_u256_from_u64(small);
        rv = BASE_OK;
    }
    wrong(r, rv == BASE_ETOOBIG ? BASE_EMALFORMED : rv, name, "a number");
}

static void get_u64(struct reader *r, uint64_t *out, const char *name)
{
    struct base_u256 value = base_u256_from_u64(0);
    get_u256(r, &value, name);
    if (r->error == BASE_OK && base_u256_to_u64(out, &value) != BASE_OK)
        wrong(r, BASE_EMALFORMED, name, "a number below 2^64");
}

static void get_word(struct reader *r, const char *name, const char *wanted)
{
    const char *text;
    int rv = base_json_get_string(&text, NULL, r->object, name);
    if (rv == BASE_OK && strcmp(text, wanted) != 0) rv = BASE_EMALFORMED;
    wrong(r, rv, name, wanted);
}

static void get_url(struct reader *r, struct node_statement *s)
{
    const char *text;
    size_t len;
    int rv = base_json_get_string(&text, &len, r->object, "url");
    if (rv == BASE_OK && len > CHAIN_URL_BYTES_MAX) rv = BASE_ETOOBIG;
    wrong(r, rv, "url", "text of at most 256 bytes");
    if (r->error != BASE_OK) return;
    memcpy(s->url, text, len);
    s->url[len] = '\0';
    s->binding.url = s->url;
    s->binding.url_len = len;
}

static void get_binding(struct reader *r, struct node_statement *s)
{
    struct base_binding *b = &s->binding;
    get_u256(r, &b->token_id, "tokenId");
    get_address(r, &b->owner, "owner");
    get_address(r, &b->instance, "instance");
    get_hex(r, b->node_key.bytes, sizeof b->node_key.bytes, "nodeKey");
    get_hex(r, b->proof_key.bytes, sizeof b->proof_key.bytes, "proofKey");
    get_url(r, s);
    get_u64(r, &b->nonce, "nonce");
    get_u64(r, &b->expires_at, "expiresAt");
    get_u64(r, &b->deadline, "deadline");
}

static void get_renewal(struct reader *r, struct base_renewal *out)
{
    get_u256(r, &out->token_id, "tokenId");
    get_hex(r, out->node_key.bytes, sizeof out->node_key.bytes, "nodeKey");
    get_u64(r, &out->nonce, "nonce");
    get_u64(r, &out->expires_at, "expiresAt");
    get_u64(r, &out->deadline, "deadline");
}

static void get_signature(struct reader *r, struct base_sig65 *out, const char *name)
{
    get_hex(r, out->bytes, sizeof out->bytes, name);
    if (r->error == BASE_OK && out->bytes[64] > 1)
        wrong(r, BASE_EMALFORMED, name, "a signature with v 0 or 1");
}

static void get_rest(struct reader *r, struct node_statement *s)
{
    struct chain_register *args = &s->args;
    uint64_t form = 0;
    get_u64(r, &form, "form");
    if (form != 1) wrong(r, BASE_EMALFORMED, "form", "1");
    get_address(r, &s->owner, "owner");
    if (s->kind != NODE_STATEMENT_BINDING) return;
    get_hex(r, args->node_xy, sizeof args->node_xy, "node_xy");
    get_hex(r, args->proof_xy, sizeof args->proof_xy, "proof_xy");
    get_hex(r, args->app_xy, sizeof args->app_xy, "app_xy");
    get_hex(r, args->app_id.bytes, sizeof args->app_id.bytes, "app_id");
    get_signature(r, &args->app_sig, "app_sig");
    get_signature(r, &args->kms_sig, "kms_sig");
    get_signature(r, &args->node_sig, "node_sig");
    get_signature(r, &args->proof_sig, "proof_sig");
    if (!base_address_equal(&s->owner, &s->binding.owner))
        wrong(r, BASE_EMALFORMED, "owner", "the message's owner");
}

static void get_kind(struct reader *r, struct node_statement *s)
{
    const char *text;
    int rv = base_json_get_string(&text, NULL, r->object, "primaryType");
    if (rv == BASE_OK && strcmp(text, "Binding") == 0) s->kind = NODE_STATEMENT_BINDING;
    if (rv == BASE_OK && strcmp(text, "Renewal") == 0) s->kind = NODE_STATEMENT_RENEWAL;
    if (rv == BASE_OK && s->kind == NODE_STATEMENT_NONE) rv = BASE_EMALFORMED;
    wrong(r, rv, "primaryType", "Binding or Renewal");
}

static void enter(struct reader *r, const json_t *json, const char *name)
{
    r->place = "statement";
    r->object = json_object_get(json, name);
    if (!json_is_object(r->object))
        wrong(r, r->object == NULL ? BASE_ENOTFOUND : BASE_EMALFORMED, name, "an object");
    r->place = name;
}

static void read_all(struct reader *r, struct node_statement *s, const json_t *json)
{
    r->object = json;
    get_kind(r, s);
    enter(r, json, "domain");
    get_word(r, "name", "nftmesh");
    get_word(r, "version", "1");
    get_u64(r, &s->chain_id, "chainId");
    get_address(r, &s->contract, "verifyingContract");
    enter(r, json, "message");
    if (s->kind == NODE_STATEMENT_BINDING)
        get_binding(r, s);
    else
        get_renewal(r, &s->renewal);
    enter(r, json, "nftmesh");
    get_rest(r, s);
}

int node_statement_decode(struct node_statement *out, const void *data, size_t len,
                          char why[NODE_STATEMENT_WHY_BYTES])
{
    char json_why[BASE_JSON_WHY_BYTES] = "";
    struct reader r = {.place = "statement", .why = why, .error = BASE_OK};
    json_t *json;
    memset(out, 0, sizeof *out);
    int rv = base_json_parse(&json, data, len, NODE_STATEMENT_BYTES_MAX, json_why);
    if (rv != BASE_OK) {
        snprintf(why, NODE_STATEMENT_WHY_BYTES, "not a statement: %s", json_why);
        return rv;
    }
    read_all(&r, out, json);
    json_decref(json);
    if (r.error != BASE_OK) memset(out, 0, sizeof *out);
    return r.error;
}
