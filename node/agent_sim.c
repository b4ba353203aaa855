#include "node/agent_sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attest/pins.h"
#include "attest/sigchain.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "base/keccak256.h"
#include "node/simulator_data.h"

/* Offsets in a version 4 TDX quote: header 48, then the report body. */
#define QUOTE_MRTD        184
#define QUOTE_RTMR0       376
#define QUOTE_RTMR_BYTES  48
#define QUOTE_REPORT_DATA 568
#define REPORT_DATA_BYTES 64
#define TEXT_BYTES_MAX    4096
#define VERSION           "0.5.8"

static const char app_compose[] =
    "{\"manifest_version\":2,\"name\":\"" ATTEST_SIMULATOR_APP_NAME "\",\"runner\":"
    "\"docker-compose\",\"docker_compose_file\":\"\",\"kms_enabled\":true}";

struct call { /* one request: what was asked, and where the answer goes */
    const struct node_agent_sim *agent;
    json_t *in;
    json_t *out; /* NULL after a failure */
    char error[200];
};

static void fail(struct call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct call *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(c->error, sizeof c->error, format, ap);
    va_end(ap);
    json_decref(c->out);
    c->out = NULL;
}

/* ---- reading fields: a missing one is its default, as protobuf has it ---- */

static bool field_text(struct call *c, const char **out, size_t *len, const char *key)
{
    int rv = base_json_get_string(out, len, c->in, key);
    *out = rv == BASE_ENOTFOUND ? "" : *out;
    *len = rv == BASE_ENOTFOUND ? 0 : *len;
    if (rv == BASE_OK || rv == BASE_ENOTFOUND) {
        if (*len <= TEXT_BYTES_MAX) return true;
    }
    fail(c, "invalid type for %s: expected a string of at most %d bytes", key, TEXT_BYTES_MAX);
    return false;
}

static bool field_hex(struct call *c, uint8_t *out, size_t *len, size_t cap, const char *key)
{
    const char *text;
    size_t text_len;
    if (!field_text(c, &text, &text_len, key)) return false;
    if (text_len % 2 != 0) {
        fail(c, "invalid hex in %s: odd number of digits", key);
        return false;
    }
    if (text_len / 2 > cap) {
        fail(c, "%s is too long: at most %zu bytes", key, cap);
        return false;
    }
    if (base_hex_decode(out, text_len / 2, text, text_len) != BASE_OK) {
        fail(c, "invalid hex in %s", key);
        return false;
    }
    *len = text_len / 2;
    return true;
}

static void put_hex(json_t *obj, const char *key, const void *data, size_t len)
{
    char text[2 * TEXT_BYTES_MAX + 1];
    assert(len <= TEXT_BYTES_MAX);
    base_hex_encode(text, data, len);
    json_object_set_new(obj, key, json_string(text));
}

static json_t *hex_string(const void *data, size_t len)
{
    char text[2 * TEXT_BYTES_MAX + 1];
    assert(len <= TEXT_BYTES_MAX);
    base_hex_encode(text, data, len);
    return json_string(text);
}

/* ---- keys ---- */

static json_t *chain_of(const struct node_agent_sim *agent, const struct base_sig65 *app_sig)
{
    json_t *chain = json_array();
    json_array_append_new(chain, hex_string(app_sig->bytes, sizeof app_sig->bytes));
    json_array_append_new(chain, hex_string(agent->kms_sig.bytes, sizeof agent->kms_sig.bytes));
    return chain;
}

/* The derived key for a path, and the app key's signature over purpose and public key. */
static bool derive(struct call *c, struct base_privkey *priv, struct base_sig65 *app_sig,
                   bool ed25519)
{
    const char *path, *purpose;
    size_t path_len, purpose_len;
    uint8_t pub[BASE_KEY33_BYTES];
    size_t pub_len = sizeof pub;
    if (!field_text(c, &path, &path_len, "path")) return false;
    if (!field_text(c, &purpose, &purpose_len, "purpose")) return false;
    int rv = attest_derive_key(priv, &c->agent->app_priv, path, path_len);
    if (rv == BASE_OK && ed25519) {
        pub_len = 32;
        base_ed25519_public(pub, priv->bytes);
    } else if (rv == BASE_OK) {
        struct base_key33 key;
        rv = base_ecdsa_pubkey(&key, priv);
        memcpy(pub, key.bytes, sizeof pub);
    }
    if (rv == BASE_OK)
        rv = attest_sign_app(app_sig, &c->agent->app_priv, purpose, purpose_len, pub, pub_len);
    if (rv == BASE_OK) return true;
    fail(c, "failed to derive key: %s", base_strerror(rv));
    return false;
}

static void get_key_as(struct call *c, const char *key_name, const char *chain_name)
{
    const char *algorithm;
    size_t len;
    struct base_privkey priv;
    struct base_sig65 app_sig;
    if (!field_text(c, &algorithm, &len, "algorithm")) return;
    bool ed25519 = strcmp(algorithm, "ed25519") == 0;
    if (!ed25519 && len != 0 && strcmp(algorithm, "secp256k1") != 0 &&
        strcmp(algorithm, "k256") != 0) {
        fail(c, "Unsupported algorithm");
        return;
    }
    if (derive(c, &priv, &app_sig, ed25519)) {
        put_hex(c->out, key_name, priv.bytes, sizeof priv.bytes);
        json_object_set_new(c->out, chain_name, chain_of(c->agent, &app_sig));
    }
    base_memzero(&priv, sizeof priv);
}

static void get_key(struct call *c)
{
    get_key_as(c, "key", "signature_chain");
}

static void derive_k256_key(struct call *c)
{
    get_key_as(c, "k256_key", "k256_signature_chain");
}

/* ---- facts ---- */

static json_t *tcb_info(void)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct base_hash32 compose_hash;
    json_t *tcb = json_object();
    base_sha256(&compose_hash, app_compose, sizeof app_compose - 1);
    put_hex(tcb, "mrtd", node_simulator_quote + QUOTE_MRTD, QUOTE_RTMR_BYTES);
    for (unsigned i = 0; i < 4; i++) {
        char name[] = "rtmr0";
        name[4] = (char)('0' + i);
        put_hex(tcb, name, node_simulator_quote + QUOTE_RTMR0 + i * QUOTE_RTMR_BYTES,
                QUOTE_RTMR_BYTES);
    }
    json_object_set_new(tcb, "mr_aggregated", json_string(zeros));
    json_object_set_new(tcb, "os_image_hash", json_string(zeros));
    put_hex(tcb, "compose_hash", compose_hash.bytes, sizeof compose_hash.bytes);
    json_object_set_new(tcb, "device_id", json_string(zeros));
    json_object_set_new(
        tcb, "event_log",
        json_loadb((const char *)node_simulator_eventlog, node_simulator_eventlog_bytes, 0, NULL));
    json_object_set_new(tcb, "app_compose", json_string(app_compose));
    return tcb;
}

static void set_json_text(json_t *obj, const char *key, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(value);
    json_object_set_new(obj, key, json_string(text != NULL ? text : ""));
    free(text);
}

static void info(struct call *c)
{
    static const char empty_sha256[] =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    struct base_hash32 compose_hash;
    char root[2 * BASE_KEY33_BYTES + 1];
    base_sha256(&compose_hash, app_compose, sizeof app_compose - 1);
    base_hex_encode(root, c->agent->kms_root.bytes, sizeof c->agent->kms_root.bytes);
    put_hex(c->out, "app_id", c->agent->app_id.bytes, BASE_ADDRESS_BYTES);
    put_hex(c->out, "instance_id", c->agent->instance.bytes, BASE_ADDRESS_BYTES);
    json_object_set_new(c->out, "app_cert", json_string(""));
    set_json_text(c->out, "tcb_info", tcb_info());
    json_object_set_new(c->out, "app_name", json_string(ATTEST_SIMULATOR_APP_NAME));
    json_object_set_new(c->out, "device_id", json_string(empty_sha256));
    json_object_set_new(c->out, "mr_aggregated", json_string(""));
    json_object_set_new(c->out, "os_image_hash", json_string(""));
    set_json_text(c->out, "key_provider_info",
                  json_pack("{s:s, s:s}", "name", "simulator", "id", root));
    put_hex(c->out, "compose_hash", compose_hash.bytes, sizeof compose_hash.bytes);
    set_json_text(c->out, "vm_config", json_pack("{s:b}", "simulated", 1));
    json_object_set_new(c->out, "cloud_vendor", json_string(""));
    json_object_set_new(c->out, "cloud_product", json_string(""));
}

static void version(struct call *c)
{
    json_object_set_new(c->out, "version", json_string(VERSION));
    json_object_set_new(c->out, "rev", json_string(ATTEST_SIMULATOR_APP_NAME));
}

/* ---- quotes: a recording with the caller's report data written into it ---- */

static void quote_of(struct call *c, const uint8_t report_data[REPORT_DATA_BYTES])
{
    char *hex = malloc(2 * node_simulator_quote_bytes + 1);
    if (hex == NULL) {
        fail(c, "out of memory");
        return;
    }
    base_hex_encode(hex, node_simulator_quote, node_simulator_quote_bytes);
    char patched[2 * REPORT_DATA_BYTES + 1];
    base_hex_encode(patched, report_data, REPORT_DATA_BYTES);
    memcpy(hex + 2 * (size_t)QUOTE_REPORT_DATA, patched, 2 * (size_t)REPORT_DATA_BYTES);
    json_object_set_new(c->out, "quote", json_string(hex));
    free(hex);
    json_object_set_new(
        c->out, "event_log",
        json_stringn((const char *)node_simulator_eventlog, node_simulator_eventlog_bytes));
}

static void get_quote(struct call *c)
{
    uint8_t report_data[REPORT_DATA_BYTES] = {0};
    size_t len;
    if (!field_hex(c, report_data, &len, sizeof report_data, "report_data")) return;
    quote_of(c, report_data);
    if (c->out == NULL) return;
    put_hex(c->out, "report_data", report_data, sizeof report_data);
    set_json_text(c->out, "vm_config", json_pack("{s:b}", "simulated", 1));
}

static void raw_quote(struct call *c)
{
    uint8_t report_data[REPORT_DATA_BYTES] = {0};
    size_t len;
    if (!field_hex(c, report_data, &len, sizeof report_data, "report_data")) return;
    if (len != sizeof report_data) {
        fail(c, "report_data must be exactly %d bytes", REPORT_DATA_BYTES);
        return;
    }
    quote_of(c, report_data);
    if (c->out == NULL) return;
    json_object_set_new(c->out, "hash_algorithm", json_string("raw"));
    json_object_set_new(c->out, "prefix", json_string(""));
}

/* The older quote: report data is H(prefix ":" data), padded on the right. Of its hashes only
 * those that we use elsewhere; the rest is refused rather than answered wrongly. */
static void tdx_quote(struct call *c)
{
    static const char default_prefix[] = "app-data";
    const char *algorithm, *prefix;
    size_t algorithm_len, prefix_len, len;
    uint8_t message[TEXT_BYTES_MAX + 1 + TEXT_BYTES_MAX];
    uint8_t report_data[REPORT_DATA_BYTES] = {0};
    struct base_hash32 hash;
    if (!field_text(c, &algorithm, &algorithm_len, "hash_algorithm")) return;
    if (strcmp(algorithm, "raw") == 0) {
        raw_quote(c);
        return;
    }
    bool keccak = strcmp(algorithm, "keccak256") == 0;
    if (!keccak && strcmp(algorithm, "sha256") != 0) {
        fail(c, "hash_algorithm is not simulated: use raw, sha256 or keccak256");
        return;
    }
    if (!field_text(c, &prefix, &prefix_len, "prefix")) return;
    if (prefix_len == 0) {
        prefix = default_prefix;
        prefix_len = sizeof default_prefix - 1;
    }
    memcpy(message, prefix, prefix_len);
    message[prefix_len] = ':';
    if (!field_hex(c, message + prefix_len + 1, &len, TEXT_BYTES_MAX, "report_data")) return;
    if (keccak)
        base_keccak256(&hash, message, prefix_len + 1 + len);
    else
        base_sha256(&hash, message, prefix_len + 1 + len);
    memcpy(report_data, hash.bytes, sizeof hash.bytes);
    json_object_set_new(c->out, "hash_algorithm", json_string(algorithm));
    json_object_set_new(c->out, "prefix", json_string(prefix));
    quote_of(c, report_data);
}

/* ---- events, signatures ---- */

static void emit_event(struct call *c)
{
    const char *event;
    size_t len;
    uint8_t payload[TEXT_BYTES_MAX];
    if (!field_text(c, &event, &len, "event")) return;
    (void)field_hex(c, payload, &len, sizeof payload, "payload");
}

/* The digest that Sign and Verify agree on; false after a failure. */
static bool sign_digest(struct call *c, struct base_hash32 *digest)
{
    const char *algorithm;
    size_t len;
    uint8_t data[TEXT_BYTES_MAX];
    if (!field_text(c, &algorithm, &len, "algorithm")) return false;
    bool prehashed = strcmp(algorithm, "secp256k1_prehashed") == 0;
    if (!prehashed && strcmp(algorithm, "secp256k1") != 0 && strcmp(algorithm, "k256") != 0) {
        fail(c, "Unsupported algorithm: the simulator signs with secp256k1");
        return false;
    }
    if (!field_hex(c, data, &len, sizeof data, "data")) return false;
    if (prehashed && len != sizeof digest->bytes) {
        fail(c, "pre-hashed data must be exactly 32 bytes");
        return false;
    }
    if (prehashed)
        memcpy(digest->bytes, data, sizeof digest->bytes);
    else
        base_sha256(digest, data, len);
    return true;
}

static void sign(struct call *c)
{
    struct base_hash32 digest;
    struct base_privkey priv;
    struct base_key33 pub;
    struct base_sig65 sig, app_sig;
    if (!sign_digest(c, &digest)) return;
    int rv = attest_derive_key(&priv, &c->agent->app_priv, "vms", 3);
    if (rv == BASE_OK) rv = base_ecdsa_pubkey(&pub, &priv);
    if (rv == BASE_OK) rv = base_ecdsa_sign(&sig, &digest, &priv);
    base_memzero(&priv, sizeof priv);
    if (rv == BASE_OK)
        rv = attest_sign_app(&app_sig, &c->agent->app_priv, "signing", 7, pub.bytes,
                             sizeof pub.bytes);
    if (rv != BASE_OK) {
        fail(c, "failed to sign: %s", base_strerror(rv));
        return;
    }
    json_t *chain = chain_of(c->agent, &app_sig);
    json_array_insert_new(chain, 0, hex_string(sig.bytes, 64));
    put_hex(c->out, "signature", sig.bytes, 64);
    json_object_set_new(c->out, "signature_chain", chain);
    put_hex(c->out, "public_key", pub.bytes, sizeof pub.bytes);
}

static void verify(struct call *c)
{
    struct base_hash32 digest;
    struct base_key33 pub;
    struct base_sig65 sig;
    size_t sig_len, pub_len;
    bool valid = false;
    if (!sign_digest(c, &digest)) return;
    if (!field_hex(c, sig.bytes, &sig_len, 64, "signature")) return;
    if (!field_hex(c, pub.bytes, &pub_len, sizeof pub.bytes, "public_key")) return;
    if (sig_len != 64 || pub_len != sizeof pub.bytes || base_ecdsa_pubkey_check(&pub) != BASE_OK) {
        fail(c, "malformed signature or public key");
        return;
    }
    for (uint8_t v = 0; v < 2 && !valid; v++) {
        sig.bytes[64] = v;
        valid = base_ecdsa_verify(&digest, &sig, &pub) == BASE_OK;
    }
    json_object_set_new(c->out, "valid", json_boolean(valid));
}

static const struct method {
    const char *path;
    void (*answer)(struct call *c);
} methods[] = {
    {"/GetKey", get_key},
    {"/Info", info},
    {"/GetQuote", get_quote},
    {"/Version", version},
    {"/EmitEvent", emit_event},
    {"/Sign", sign},
    {"/Verify", verify},
    {"/prpc/Tappd.DeriveK256Key", derive_k256_key},
    {"/prpc/DeriveK256Key", derive_k256_key},
    {"/prpc/Tappd.Info", info},
    {"/prpc/Info", info},
    {"/prpc/Tappd.Version", version},
    {"/prpc/Version", version},
    {"/prpc/Tappd.RawQuote", raw_quote},
    {"/prpc/RawQuote", raw_quote},
    {"/prpc/Tappd.TdxQuote", tdx_quote},
    {"/prpc/TdxQuote", tdx_quote},
};

static void dispatch(struct call *c, const char *path)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].path, path) == 0) {
            methods[i].answer(c);
            return;
        }
    }
    fail(c, "method not found, or not simulated: try /Info, /GetKey, /GetQuote");
}

unsigned node_agent_sim_answer(struct base_buf *answer, const struct node_agent_sim *agent,
                               const char *path, const void *body, size_t len)
{
    struct call c = {.agent = agent};
    char why[BASE_JSON_WHY_BYTES];
    c.out = json_object();
    int rv = BASE_OK;
    if (len == 0)
        c.in = json_object();
    else
        rv = base_json_parse(&c.in, body, len, NODE_AGENT_SIM_BODY_BYTES_MAX, why);
    if (rv != BASE_OK)
        fail(&c, "failed to parse the request: %s", why);
    else if (!json_is_object(c.in))
        fail(&c, "the request is not a JSON object");
    else
        dispatch(&c, path);
    unsigned status = c.out != NULL ? 200 : 400;
    if (c.out == NULL) c.out = json_pack("{s:s}", "error", c.error);
    char *text = c.out == NULL ? NULL : json_dumps(c.out, JSON_COMPACT | JSON_ENSURE_ASCII);
    base_buf_puts(answer, text != NULL ? text : "{\"error\":\"out of memory\"}");
    free(text);
    json_decref(c.out);
    json_decref(c.in);
    return status;
}

/* ---- where the keys come from ---- */

int node_agent_sim_from_root(struct node_agent_sim *out, const struct base_privkey *root,
                             const struct base_eth_address *app_id,
                             const struct base_eth_address *instance)
{
    memset(out, 0, sizeof *out);
    out->app_id = *app_id;
    out->instance = *instance;
    int rv = attest_derive_app_key(&out->app_priv, root, app_id);
    if (rv == BASE_OK) rv = base_ecdsa_pubkey(&out->app_key, &out->app_priv);
    if (rv == BASE_OK) rv = attest_sign_kms(&out->kms_sig, root, app_id, &out->app_key);
    if (rv == BASE_OK) rv = base_ecdsa_pubkey(&out->kms_root, root);
    if (rv == BASE_OK) rv = base_ecdsa_address(&out->kms_root_address, &out->kms_root);
    return rv;
}

int node_agent_sim_from_appkeys(struct node_agent_sim *out, const void *text, size_t len,
                                const struct base_eth_address *app_id,
                                const struct base_eth_address *instance, char *why,
                                size_t why_bytes)
{
    static const char prefix[] = "dstack-kms-issued:";
    char parse_why[BASE_JSON_WHY_BYTES];
    json_t *json = NULL;
    memset(out, 0, sizeof *out);
    out->app_id = *app_id;
    out->instance = *instance;
    int rv = base_json_parse(&json, text, len, NODE_AGENT_SIM_BODY_BYTES_MAX, parse_why);
    if (rv != BASE_OK) {
        snprintf(why, why_bytes, "%s", parse_why);
        return rv;
    }
    rv = base_json_get_hex(out->app_priv.bytes, 32, json, "k256_key");
    if (rv == BASE_OK) rv = base_ecdsa_pubkey(&out->app_key, &out->app_priv);
    if (rv != BASE_OK) snprintf(why, why_bytes, "k256_key: %s", base_strerror(rv));
    if (rv == BASE_OK) {
        rv = base_json_get_hex(out->kms_sig.bytes, 65, json, "k256_signature");
        uint8_t message[sizeof prefix - 1 + BASE_ADDRESS_BYTES + BASE_KEY33_BYTES];
        struct base_hash32 digest;
        memcpy(message, prefix, sizeof prefix - 1);
        memcpy(message + sizeof prefix - 1, app_id->bytes, BASE_ADDRESS_BYTES);
        memcpy(message + sizeof prefix - 1 + BASE_ADDRESS_BYTES, out->app_key.bytes,
               BASE_KEY33_BYTES);
        base_keccak256(&digest, message, sizeof message);
        if (rv == BASE_OK) rv = base_ecdsa_recover(&out->kms_root, &digest, &out->kms_sig);
        if (rv == BASE_OK) rv = base_ecdsa_address(&out->kms_root_address, &out->kms_root);
        if (rv != BASE_OK) snprintf(why, why_bytes, "k256_signature: %s", base_strerror(rv));
    }
    json_decref(json);
    return rv;
}
