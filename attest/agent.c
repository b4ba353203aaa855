#include "attest/agent.h"

#include "attest/attest_internal.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define CHAIN_SIGNATURES 2

/* Where the two services differ. */
struct api_names {
    const char *get_key, *info;       /* paths */
    const char *key, *key_signatures; /* members of GetKey's answer */
};

static const struct api_names *names_of(enum attest_agent_api api)
{
    static const struct api_names dstack = {"/GetKey", "/Info", "key", "signature_chain"};
    static const struct api_names tappd = {"/prpc/Tappd.DeriveK256Key", "/prpc/Tappd.Info",
                                           "k256_key", "k256_signature_chain"};

    switch (api) {
    case ATTEST_AGENT_DSTACK:
        return &dstack;
    case ATTEST_AGENT_TAPPD:
        return &tappd;
    }
    return &dstack;
}

const char *attest_agent_path(enum attest_agent_api api, enum attest_agent_method method)
{
    const struct api_names *names = names_of(api);

    return method == ATTEST_AGENT_INFO ? names->info : names->get_key;
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < 0x20 || *text > 0x7e) return false;
    return true;
}

int attest_agent_get_key_body(struct base_buf *body, const char *path, const char *purpose)
{
    assert(body != NULL && path != NULL && purpose != NULL);
    if (!is_printable(path) || !is_printable(purpose)) return BASE_EINVAL;
    if (strchr(purpose, ':') != NULL) return BASE_EINVAL;
    base_buf_puts(body, "{\"path\":");
    base_buf_json_string(body, path, strlen(path));
    base_buf_puts(body, ",\"purpose\":");
    base_buf_json_string(body, purpose, strlen(purpose));
    base_buf_puts(body, ",\"algorithm\":\"secp256k1\"}");
    return BASE_OK;
}

void attest_agent_info_body(struct base_buf *body)
{
    assert(body != NULL);
    base_buf_puts(body, "{}");
}

/* ---- answers ---- */

/* Foreign text as one line: printable ASCII stays, the rest becomes '?', what does not fit is cut.
 */
static void copy_text(char *out, size_t cap, const char *text, size_t len)
{
    size_t n = len < cap - 1 ? len : cap - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = text[i] >= 0x20 && text[i] <= 0x7e ? text[i] : '?';
    out[n] = '\0';
}

static int malformed(char why[ATTEST_AGENT_WHY_BYTES], const char *member, const char *what)
{
    snprintf(why, ATTEST_AGENT_WHY_BYTES, "%s: %s", member, what);
    return BASE_EMALFORMED;
}

/* The agent's own error, or a status that is none of ours. */
static int remote_error(char why[ATTEST_AGENT_WHY_BYTES], const json_t *obj, long status)
{
    const char *text;
    size_t len;

    if (base_json_get_string(&text, &len, obj, "error") == BASE_OK)
        copy_text(why, ATTEST_AGENT_WHY_BYTES, text, len);
    else
        snprintf(why, ATTEST_AGENT_WHY_BYTES, "HTTP status %ld", status);
    return BASE_EREMOTE;
}

/* An object of status 200 without an error in it; the caller gives it back with json_decref. */
static int open_reply(json_t **out, char why[ATTEST_AGENT_WHY_BYTES], long status,
                      const void *reply, size_t len)
{
    char json_why[BASE_JSON_WHY_BYTES] = "";
    json_t *obj = NULL;
    int rv = base_json_parse(&obj, reply, len, ATTEST_AGENT_REPLY_BYTES_MAX, json_why);

    if (rv != BASE_OK && status != 200) return remote_error(why, NULL, status);
    if (rv != BASE_OK) {
        snprintf(why, ATTEST_AGENT_WHY_BYTES, "%s", json_why);
        return rv;
    }
    if (status != 200 || json_object_get(obj, "error") != NULL)
        rv = remote_error(why, obj, status);
    else if (!json_is_object(obj))
        rv = malformed(why, "reply", "not an object");
    if (rv != BASE_OK) {
        json_decref(obj);
        return rv;
    }
    *out = obj;
    return BASE_OK;
}

/* Exactly len bytes of hex without a prefix: what agents send. */
static int get_hex(void *out, size_t len, const json_t *obj, const char *member,
                   char why[ATTEST_AGENT_WHY_BYTES])
{
    const char *text;
    size_t text_len;

    if (base_json_get_string(&text, &text_len, obj, member) != BASE_OK)
        return malformed(why, member, "not a string");
    if (base_hex_decode(out, len, text, text_len) != BASE_OK)
        return malformed(why, member, "not hex of the right length");
    return BASE_OK;
}

static int get_signature(struct base_sig65 *out, const json_t *list, size_t index)
{
    const json_t *item = json_array_get(list, index);

    if (!json_is_string(item)) return BASE_EMALFORMED;
    return base_hex_decode(out->bytes, sizeof out->bytes, json_string_value(item),
                           json_string_length(item));
}

static int get_signatures(struct attest_agent_key *out, const json_t *obj, const char *member,
                          char why[ATTEST_AGENT_WHY_BYTES])
{
    const json_t *list = json_object_get(obj, member);

    if (!json_is_array(list) || json_array_size(list) != CHAIN_SIGNATURES)
        return malformed(why, member, "not a list of two signatures");
    if (get_signature(&out->app_sig, list, 0) != BASE_OK ||
        get_signature(&out->kms_sig, list, 1) != BASE_OK)
        return malformed(why, member, "not hex of 65 bytes");
    return BASE_OK;
}

static int read_key(struct attest_agent_key *out, const json_t *obj, const struct api_names *names,
                    char why[ATTEST_AGENT_WHY_BYTES])
{
    int rv = get_hex(out->priv.bytes, sizeof out->priv.bytes, obj, names->key, why);

    if (rv != BASE_OK) return rv;
    rv = get_signatures(out, obj, names->key_signatures, why);
    if (rv != BASE_OK) return rv;
    rv = base_ecdsa_pubkey(&out->pub, &out->priv);
    if (rv != BASE_OK) malformed(why, names->key, "not a secp256k1 scalar");
    return rv;
}

static int recover_app_key(struct attest_agent_key *key, const char *purpose,
                           char why[ATTEST_AGENT_WHY_BYTES])
{
    struct base_hash32 digest;
    int rv;

    attest__app_digest(&digest, purpose, strlen(purpose), key->pub.bytes, sizeof key->pub.bytes);
    rv = base_ecdsa_recover(&key->app_key, &digest, &key->app_sig);
    if (rv != BASE_OK) malformed(why, "signature chain", "the first signature recovers no key");
    return rv;
}

int attest_agent_key_parse(struct attest_agent_key *out, char why[ATTEST_AGENT_WHY_BYTES],
                           enum attest_agent_api api, const char *purpose, long status,
                           const void *reply, size_t len)
{
    json_t *obj;
    int rv;

    assert(out != NULL && why != NULL && purpose != NULL && (reply != NULL || len == 0));
    memset(out, 0, sizeof *out);
    why[0] = '\0';
    rv = open_reply(&obj, why, status, reply, len);
    if (rv != BASE_OK) return rv;
    rv = read_key(out, obj, names_of(api), why);
    json_decref(obj);
    if (rv == BASE_OK) rv = recover_app_key(out, purpose, why);
    if (rv != BASE_OK) base_memzero(out, sizeof *out);
    return rv;
}

/* The instance id is what tells one VM of an app from another; without it there is no seat. */
static int get_instance(struct base_eth_address *out, const json_t *obj,
                        char why[ATTEST_AGENT_WHY_BYTES])
{
    const char *text;
    size_t len;

    if (base_json_get_string(&text, &len, obj, "instance_id") == BASE_OK && len == 0) {
        snprintf(why, ATTEST_AGENT_WHY_BYTES,
                 ATTEST_AGENT_NO_INSTANCE ": the app was deployed without an instance id");
        return BASE_ENOTFOUND;
    }
    return get_hex(out->bytes, sizeof out->bytes, obj, "instance_id", why);
}

static int get_compose_hash(struct attest_agent_info *out, const json_t *obj,
                            char why[ATTEST_AGENT_WHY_BYTES])
{
    const char *text;
    size_t len;
    int rv = base_json_get_string(&text, &len, obj, "compose_hash");

    if (rv == BASE_ENOTFOUND || (rv == BASE_OK && len == 0)) return BASE_OK;
    out->has_compose_hash = true;
    return get_hex(out->compose_hash.bytes, sizeof out->compose_hash.bytes, obj, "compose_hash",
                   why);
}

static int get_app_name(struct attest_agent_info *out, const json_t *obj,
                        char why[ATTEST_AGENT_WHY_BYTES])
{
    const char *text;
    size_t len;
    int rv = base_json_get_string(&text, &len, obj, "app_name");

    if (rv == BASE_ENOTFOUND) return BASE_OK;
    if (rv != BASE_OK) return malformed(why, "app_name", "not a string");
    copy_text(out->app_name, sizeof out->app_name, text, len);
    return BASE_OK;
}

static int read_info(struct attest_agent_info *out, const json_t *obj,
                     char why[ATTEST_AGENT_WHY_BYTES])
{
    int rv = get_hex(out->app_id.bytes, sizeof out->app_id.bytes, obj, "app_id", why);

    if (rv != BASE_OK) return rv;
    rv = get_instance(&out->instance, obj, why);
    if (rv != BASE_OK) return rv;
    rv = get_compose_hash(out, obj, why);
    if (rv != BASE_OK) return rv;
    return get_app_name(out, obj, why);
}

int attest_agent_info_parse(struct attest_agent_info *out, char why[ATTEST_AGENT_WHY_BYTES],
                            long status, const void *reply, size_t len)
{
    json_t *obj;
    int rv;

    assert(out != NULL && why != NULL && (reply != NULL || len == 0));
    memset(out, 0, sizeof *out);
    why[0] = '\0';
    rv = open_reply(&obj, why, status, reply, len);
    if (rv != BASE_OK) return rv;
    rv = read_info(out, obj, why);
    json_decref(obj);
    if (rv != BASE_OK) memset(out, 0, sizeof *out);
    return rv;
}
