/* The guest agent for development: the keys of the official simulator, byte for byte; each method;
 * and every body that is none. */
#include "json_vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/agent.h"
#include "attest/pins.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/keccak256.h"
#include "node/agent_sim.h"
#include "node/simulator_data.h"

#define QUOTE_REPORT_DATA 568

static json_t *vectors;
static const json_t *synthetic;
static struct node_agent_sim agent; /* of the synthetic KMS */
static struct base_eth_address instance;

static int setup(void **state)
{
    struct base_privkey root;
    struct base_eth_address app_id;
    (void)state;
    if (base_ecdsa_init() != BASE_OK || base_aead_init() != BASE_OK) return -1;
    json_vectors_hex(root.bytes, sizeof root.bytes, synthetic, "kms_root_private_key");
    json_vectors_hex(app_id.bytes, sizeof app_id.bytes, synthetic, "app_id");
    memset(instance.bytes, 0x5a, sizeof instance.bytes);
    return node_agent_sim_from_root(&agent, &root, &app_id, &instance);
}

/* ---- asking ---- */

/* The answer, which is JSON and ASCII; the caller gives it back. */
static json_t *ask_bytes(const struct node_agent_sim *who, unsigned want_status, const char *path,
                         const void *body, size_t len)
{
    struct base_buf answer;
    json_error_t error;
    uint8_t *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    if (len > 0) memcpy(exact, body, len);
    base_buf_init(&answer, NODE_AGENT_SIM_ANSWER_BYTES_MAX);
    unsigned status = node_agent_sim_answer(&answer, who, path, exact, len);
    assert_false(answer.failed);
    for (size_t i = 0; i < answer.len; i++)
        assert_in_range(answer.data[i], 0x20, 0x7e);
    json_t *json = json_loadb(answer.data, answer.len, JSON_REJECT_DUPLICATES, &error);
    assert_true(json_is_object(json));
    if (status != want_status) fail_msg("%s: status %u: %s", path, status, answer.data);
    assert_int_equal(json_object_get(json, "error") != NULL, status != 200);
    base_buf_deinit(&answer);
    free(exact);
    return json;
}

static json_t *ask(const char *path, const char *body)
{
    return ask_bytes(&agent, 200, path, body, strlen(body));
}

/* why has to be part of the sentence. */
static void assert_refused(const char *path, const char *body, const char *why)
{
    json_t *json = ask_bytes(&agent, 400, path, body, strlen(body));
    if (strstr(json_vectors_string(json, "error"), why) == NULL)
        fail_msg("%s %s: said %s", path, body, json_vectors_string(json, "error"));
    assert_int_equal(json_object_size(json), 1);
    json_decref(json);
}

/* ---- GetKey: known answers ---- */

static json_t *get_key_example(const struct node_agent_sim *who, const char *path,
                               const json_t *example)
{
    json_t *body = json_pack("{s:s, s:s, s:s}", "path", json_vectors_string(example, "path"),
                             "purpose", json_vectors_string(example, "purpose"), "algorithm",
                             json_vectors_string(example, "algorithm"));
    char *text = json_dumps(body, 0);
    assert_non_null(text);
    json_t *json = ask_bytes(who, 200, path, text, strlen(text));
    free(text);
    json_decref(body);
    return json;
}

static void assert_example(const struct node_agent_sim *who, const json_t *example,
                           const char *path, const char *key, const char *chain_name)
{
    json_t *json = get_key_example(who, path, example);
    const json_t *chain = json_vectors_array(json, chain_name);
    assert_string_equal(json_vectors_string(json, key),
                        json_vectors_string(example, "derived_private_key"));
    assert_int_equal(json_array_size(chain), 2);
    assert_string_equal(json_string_value(json_array_get(chain, 0)),
                        json_vectors_string(example, "app_signature"));
    assert_string_equal(json_string_value(json_array_get(chain, 1)),
                        json_vectors_string(example, "kms_signature"));
    assert_int_equal(json_object_size(json), 2);
    json_decref(json);
}

static void assert_example_of_both(const struct node_agent_sim *who, const json_t *example)
{
    assert_example(who, example, "/GetKey", "key", "signature_chain");
    assert_example(who, example, "/prpc/Tappd.DeriveK256Key", "k256_key", "k256_signature_chain");
    assert_example(who, example, "/prpc/DeriveK256Key", "k256_key", "k256_signature_chain");
}

static int load_official(struct node_agent_sim *out, const json_t *official, char *why,
                         size_t why_bytes)
{
    struct base_eth_address app_id;
    const json_t *first = json_array_get(json_vectors_array(official, "examples"), 0);
    json_t *file = json_vectors_load(json_vectors_string(official, "appkeys_file"));
    char *text = json_dumps(file, 0);
    assert_non_null(text);
    json_vectors_hex(app_id.bytes, sizeof app_id.bytes, first, "app_id");
    int rv =
        node_agent_sim_from_appkeys(out, text, strlen(text), &app_id, &instance, why, why_bytes);
    free(text);
    json_decref(file);
    return rv;
}

static void test_official_example(void **state)
{
    const json_t *pair = *state, *official = json_array_get(pair, 0);
    const json_t *example = json_array_get(pair, 1);
    struct node_agent_sim who;
    struct base_eth_address root;
    char why[200] = "";
    char text[BASE_ADDRESS_TEXT_BYTES];
    assert_int_equal(load_official(&who, official, why, sizeof why), BASE_OK);
    json_vectors_hex(root.bytes, sizeof root.bytes, official, "kms_root_address");
    assert_memory_equal(who.kms_root_address.bytes, root.bytes, sizeof root.bytes);
    base_address_format(text, &who.kms_root_address);
    assert_string_equal(text, json_vectors_string(official, "kms_root_address"));
    assert_true(attest_root_is_public(&who.kms_root_address));
    assert_example_of_both(&who, example);
}

static void test_synthetic_example(void **state)
{
    const json_t *example = *state;
    assert_example_of_both(&agent, example);
}

/* ---- GetKey: what may be left out, and what may not be there ---- */

static void assert_same_answer(const char *path, const char *a, const char *b)
{
    json_t *one = ask(path, a), *other = ask(path, b);
    assert_true(json_equal(one, other));
    json_decref(one);
    json_decref(other);
}

static void test_get_key_fields_have_defaults(void **state)
{
    (void)state;
    const char *full = "{\"path\":\"\",\"purpose\":\"\",\"algorithm\":\"secp256k1\"}";
    assert_same_answer("/GetKey", full, "{}");
    assert_same_answer("/GetKey", full, "");
    assert_same_answer("/GetKey", full, "{\"algorithm\":\"\"}");
    assert_same_answer("/GetKey", full, "{\"algorithm\":\"k256\"}");
    assert_same_answer("/GetKey", full, "{\"unknown\":[1,2],\"path\":\"\"}");
}

static void test_the_path_makes_the_key_and_the_purpose_does_not(void **state)
{
    (void)state;
    json_t *a = ask("/GetKey", "{\"path\":\"x\",\"purpose\":\"p\"}");
    json_t *b = ask("/GetKey", "{\"path\":\"x\",\"purpose\":\"q\"}");
    json_t *c = ask("/GetKey", "{\"path\":\"y\",\"purpose\":\"p\"}");
    assert_string_equal(json_vectors_string(a, "key"), json_vectors_string(b, "key"));
    assert_false(json_equal(json_vectors_array(a, "signature_chain"),
                            json_vectors_array(b, "signature_chain")));
    assert_string_not_equal(json_vectors_string(a, "key"), json_vectors_string(c, "key"));
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void test_a_node_takes_the_chain(void **state)
{
    struct attest_agent_key key;
    char why[ATTEST_AGENT_WHY_BYTES];
    struct base_buf answer;
    struct attest_trust trust = {ATTEST_PURPOSE, agent.kms_root_address, &agent.app_id, 1};
    enum attest_verdict verdict;
    (void)state;
    const char *body = "{\"path\":\"a\",\"purpose\":\"" ATTEST_PURPOSE "\"}";
    base_buf_init(&answer, NODE_AGENT_SIM_ANSWER_BYTES_MAX);
    assert_int_equal(node_agent_sim_answer(&answer, &agent, "/GetKey", body, strlen(body)), 200);
    assert_int_equal(attest_agent_key_parse(&key, why, ATTEST_AGENT_DSTACK, ATTEST_PURPOSE, 200,
                                            answer.data, answer.len),
                     BASE_OK);
    struct attest_sigchain chain = {
        .purpose = {(const uint8_t *)ATTEST_PURPOSE, strlen(ATTEST_PURPOSE)},
        .derived_key = {key.pub.bytes, sizeof key.pub.bytes},
        .app_key = {key.app_key.bytes, sizeof key.app_key.bytes},
        .app_sig = {key.app_sig.bytes, sizeof key.app_sig.bytes},
        .kms_sig = {key.kms_sig.bytes, sizeof key.kms_sig.bytes},
        .app_id = {agent.app_id.bytes, sizeof agent.app_id.bytes},
    };
    attest_sigchain_verify(&verdict, &chain, &trust);
    assert_string_equal(attest_verdict_name(verdict), "accept");
    key.app_sig.bytes[40] ^= 1;
    attest_sigchain_verify(&verdict, &chain, &trust);
    assert_string_not_equal(attest_verdict_name(verdict), "accept");
    base_buf_deinit(&answer);
}

static char *long_text(const char *before, size_t count, const char *after)
{
    size_t a = strlen(before), b = strlen(after);
    char *text = malloc(a + count + b + 1);
    assert_non_null(text);
    memcpy(text, before, a);
    memset(text + a, 'a', count);
    memcpy(text + a + count, after, b + 1);
    return text;
}

static void test_get_key_refuses(void **state)
{
    (void)state;
    assert_refused("/GetKey", "{\"algorithm\":\"rsa\"}", "Unsupported algorithm");
    assert_refused("/GetKey", "{\"algorithm\":\"SECP256K1\"}", "Unsupported algorithm");
    assert_refused("/GetKey", "{\"algorithm\":1}", "algorithm");
    assert_refused("/GetKey", "{\"path\":1}", "path");
    assert_refused("/GetKey", "{\"path\":null}", "path");
    assert_refused("/GetKey", "{\"purpose\":[]}", "purpose");
    char *text = long_text("{\"path\":\"", 4096, "\"}");
    json_decref(ask("/GetKey", text));
    free(text);
    text = long_text("{\"path\":\"", 4097, "\"}");
    assert_refused("/GetKey", text, "at most 4096 bytes");
    free(text);
    text = long_text("{\"purpose\":\"", 4097, "\"}");
    assert_refused("/GetKey", text, "at most 4096 bytes");
    free(text);
}

/* ---- bodies that are none ---- */

static void test_malformed_bodies_are_refused(void **state)
{
    static const char *const paths[] = {
        "/GetKey",
        "/Info",
        "/GetQuote",
        "/Version",
        "/EmitEvent",
        "/Sign",
        "/Verify",
        "/prpc/Tappd.Info",
        "/prpc/Tappd.DeriveK256Key",
        "/nothing",
        "/prpc/Tappd.RawQuote",
        "/prpc/Tappd.TdxQuote",
    };
    static const char *const bodies[] = {
        "{",
        "}",
        "{\"path\":}",
        "{\"path\":\"a\"",
        "{\"path\":\"a\"}}",
        "{\"path\":\"a\"} x",
        "not json",
        "\"text\"",
        "1",
        "null",
        "true",
        "[]",
        "[{}]",
        " ",
        "\n",
        "{\"path\":\"a\",\"path\":\"b\"}",
        "{'path':'a'}",
        "{path:\"a\"}",
        "{\"path\":\"\\ud800\"}",
        "{\"path\":\"a\\u0000b\"}",
        "{\"path\":\"\xff\"}",
        "{\"path\":\"\xc3\"}",
        "\xef\xbb\xbf{}",
        "{\"n\":1e999}",
    };
    (void)state;
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++)
        for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++)
            assert_refused(paths[p], bodies[b], "the request");
    json_decref(ask_bytes(&agent, 400, "/Info", "\0", 1));
    json_decref(ask_bytes(&agent, 400, "/Info", "{}\0", 3));
}

static void test_deep_and_big_bodies_are_refused(void **state)
{
    char deep[200];
    (void)state;
    memset(deep, '[', sizeof deep);
    json_decref(ask_bytes(&agent, 400, "/Info", deep, sizeof deep));
    char *text = long_text("{\"path\":\"", NODE_AGENT_SIM_BODY_BYTES_MAX, "\"}");
    assert_refused("/Info", text, "too many bytes");
    free(text);
}

static void test_unknown_methods_are_refused(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "/getkey",
        "/GetKey/",
        "//GetKey",
        "GetKey",
        "/prpc/GetKey",
        "/Tappd.Info",
        "/Attest",
        "/GetTlsKey",
        "/GpuInfo",
        "/prpc/Tappd.DeriveKey",
        "/prpc/Worker.Info",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_refused(paths[i], "{}", "method not found");
}

/* ---- Info, Version ---- */

static void assert_hex(const json_t *obj, const char *key, size_t bytes)
{
    const char *text = json_vectors_string(obj, key);
    assert_int_equal(strlen(text), 2 * bytes);
    assert_int_equal(strspn(text, "0123456789abcdef"), 2 * bytes);
}

static json_t *parse_member(const json_t *obj, const char *key)
{
    json_error_t error;
    json_t *json = json_loads(json_vectors_string(obj, key), JSON_REJECT_DUPLICATES, &error);
    assert_non_null(json);
    return json;
}

static void assert_tcb_info(const json_t *info)
{
    static const char *const registers[] = {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"};
    static const char *const hashes[] = {"mr_aggregated", "os_image_hash", "compose_hash",
                                         "device_id"};
    struct base_hash32 hash;
    char hex[65];
    json_t *tcb = parse_member(info, "tcb_info");
    for (size_t i = 0; i < sizeof registers / sizeof registers[0]; i++)
        assert_hex(tcb, registers[i], 48);
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        assert_hex(tcb, hashes[i], 32);
    assert_true(json_array_size(json_vectors_array(tcb, "event_log")) > 10);
    const char *compose = json_vectors_string(tcb, "app_compose");
    base_sha256(&hash, compose, strlen(compose));
    base_hex_encode(hex, hash.bytes, sizeof hash.bytes);
    assert_string_equal(json_vectors_string(info, "compose_hash"), hex);
    assert_string_equal(json_vectors_string(tcb, "compose_hash"), hex);
    json_decref(parse_member(tcb, "app_compose"));
    json_decref(tcb);
}

static void test_info_says_who_this_is(void **state)
{
    static const char *const paths[] = {"/Info", "/prpc/Tappd.Info", "/prpc/Info"};
    char hex[41];
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        json_t *info = ask(paths[i], "{}");
        base_hex_encode(hex, agent.app_id.bytes, sizeof agent.app_id.bytes);
        assert_string_equal(json_vectors_string(info, "app_id"), hex);
        base_hex_encode(hex, instance.bytes, sizeof instance.bytes);
        assert_string_equal(json_vectors_string(info, "instance_id"), hex);
        assert_string_equal(json_vectors_string(info, "app_name"), ATTEST_SIMULATOR_APP_NAME);
        assert_hex(info, "device_id", 32);
        assert_tcb_info(info);
        json_t *provider = parse_member(info, "key_provider_info");
        assert_string_equal(json_vectors_string(provider, "id"),
                            json_vectors_string(synthetic, "kms_root_public_key"));
        json_decref(provider);
        json_decref(info);
    }
}

static void test_a_node_reads_the_info(void **state)
{
    struct attest_agent_info info;
    char why[ATTEST_AGENT_WHY_BYTES];
    struct base_buf answer;
    (void)state;
    base_buf_init(&answer, NODE_AGENT_SIM_ANSWER_BYTES_MAX);
    assert_int_equal(node_agent_sim_answer(&answer, &agent, "/Info", "{}", 2), 200);
    assert_int_equal(attest_agent_info_parse(&info, why, 200, answer.data, answer.len), BASE_OK);
    assert_memory_equal(info.instance.bytes, instance.bytes, sizeof instance.bytes);
    assert_string_equal(info.app_name, ATTEST_SIMULATOR_APP_NAME);
    assert_true(info.has_compose_hash);
    base_buf_deinit(&answer);
}

static void test_version_is_one_that_has_version(void **state)
{
    static const char *const paths[] = {"/Version", "/prpc/Tappd.Version", "/prpc/Version"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        json_t *json = ask(paths[i], "{}");
        assert_string_equal(json_vectors_string(json, "version"), "0.5.8");
        assert_string_equal(json_vectors_string(json, "rev"), ATTEST_SIMULATOR_APP_NAME);
        json_decref(json);
    }
}

/* ---- quotes ---- */

/* The recording with these 64 bytes at 568, and nothing else changed. */
static void assert_quote(const json_t *json, const uint8_t report_data[64])
{
    size_t len;
    uint8_t *quote = json_vectors_hex_new(&len, json, "quote");
    assert_int_equal(len, node_simulator_quote_bytes);
    assert_memory_equal(quote + QUOTE_REPORT_DATA, report_data, 64);
    memcpy(quote + QUOTE_REPORT_DATA, node_simulator_quote + QUOTE_REPORT_DATA, 64);
    assert_memory_equal(quote, node_simulator_quote, len);
    free(quote);
    json_t *log = parse_member(json, "event_log");
    assert_true(json_array_size(log) > 10);
    json_decref(log);
}

static void test_get_quote_pads_on_the_right(void **state)
{
    uint8_t want[64] = {0xab, 0xcd};
    (void)state;
    json_t *json = ask("/GetQuote", "{\"report_data\":\"aBCd\"}");
    assert_quote(json, want);
    char hex[129];
    base_hex_encode(hex, want, sizeof want);
    assert_string_equal(json_vectors_string(json, "report_data"), hex);
    json_decref(parse_member(json, "vm_config"));
    json_decref(json);
    memset(want, 0, sizeof want);
    json = ask("/GetQuote", "{}");
    assert_quote(json, want);
    json_decref(json);
    memset(want, 0xaa, sizeof want);
    char *text = long_text("{\"report_data\":\"", 128, "\"}");
    json = ask("/GetQuote", text);
    assert_quote(json, want);
    json_decref(json);
    free(text);
}

static void test_get_quote_refuses(void **state)
{
    (void)state;
    assert_refused("/GetQuote", "{\"report_data\":\"abc\"}", "odd number of digits");
    assert_refused("/GetQuote", "{\"report_data\":\"0xab\"}", "invalid hex");
    assert_refused("/GetQuote", "{\"report_data\":\"zz\"}", "invalid hex");
    assert_refused("/GetQuote", "{\"report_data\":\" ab \"}", "invalid hex");
    assert_refused("/GetQuote", "{\"report_data\":7}", "report_data");
    char *text = long_text("{\"report_data\":\"", 130, "\"}");
    assert_refused("/GetQuote", text, "too long");
    free(text);
}

static void test_raw_quote_wants_64_bytes(void **state)
{
    static const char *const paths[] = {"/prpc/Tappd.RawQuote", "/prpc/RawQuote"};
    uint8_t want[64];
    (void)state;
    memset(want, 0xaa, sizeof want);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char *text = long_text("{\"report_data\":\"", 128, "\"}");
        json_t *json = ask(paths[i], text);
        assert_quote(json, want);
        assert_string_equal(json_vectors_string(json, "hash_algorithm"), "raw");
        assert_string_equal(json_vectors_string(json, "prefix"), "");
        json_decref(json);
        free(text);
        text = long_text("{\"report_data\":\"", 126, "\"}");
        assert_refused(paths[i], text, "exactly 64 bytes");
        free(text);
        assert_refused(paths[i], "{}", "exactly 64 bytes");
    }
}

static void test_tdx_quote_hashes(void **state)
{
    uint8_t want[64] = {0};
    struct base_hash32 hash;
    (void)state;
    base_sha256(&hash, "app-data:\xab\xcd", 11);
    memcpy(want, hash.bytes, sizeof hash.bytes);
    json_t *json =
        ask("/prpc/Tappd.TdxQuote", "{\"report_data\":\"abcd\",\"hash_algorithm\":\"sha256\"}");
    assert_quote(json, want);
    assert_string_equal(json_vectors_string(json, "prefix"), "app-data");
    assert_string_equal(json_vectors_string(json, "hash_algorithm"), "sha256");
    json_decref(json);
    base_keccak256(&hash, "mine:\xab\xcd", 7);
    memcpy(want, hash.bytes, sizeof hash.bytes);
    json = ask("/prpc/TdxQuote",
               "{\"report_data\":\"abcd\",\"hash_algorithm\":\"keccak256\",\"prefix\":\"mine\"}");
    assert_quote(json, want);
    assert_string_equal(json_vectors_string(json, "prefix"), "mine");
    json_decref(json);
}

static void test_tdx_quote_refuses(void **state)
{
    (void)state;
    assert_refused("/prpc/Tappd.TdxQuote", "{\"report_data\":\"abcd\"}", "not simulated");
    assert_refused("/prpc/Tappd.TdxQuote", "{\"hash_algorithm\":\"sha512\"}", "not simulated");
    assert_refused("/prpc/Tappd.TdxQuote", "{\"hash_algorithm\":2}", "hash_algorithm");
    assert_refused("/prpc/Tappd.TdxQuote", "{\"hash_algorithm\":\"raw\",\"report_data\":\"ab\"}",
                   "exactly 64 bytes");
    assert_refused("/prpc/Tappd.TdxQuote", "{\"hash_algorithm\":\"sha256\",\"prefix\":2}",
                   "prefix");
    assert_refused("/prpc/Tappd.TdxQuote", "{\"hash_algorithm\":\"sha256\",\"report_data\":\"0\"}",
                   "odd number of digits");
    /* The longest of both fits into the message. */
    char *text = long_text("{\"hash_algorithm\":\"sha256\",\"prefix\":\"", 4096, "\"}");
    json_decref(ask("/prpc/Tappd.TdxQuote", text));
    free(text);
}

/* ---- Sign, Verify, EmitEvent ---- */

static void assert_verifies(bool want, const char *algorithm, const char *data,
                            const char *signature, const char *key)
{
    struct base_buf body;
    base_buf_init(&body, 16384);
    base_buf_printf(&body,
                    "{\"algorithm\":\"%s\",\"data\":\"%s\",\"signature\":\"%s\","
                    "\"public_key\":\"%s\"}",
                    algorithm, data, signature, key);
    assert_false(body.failed);
    json_t *json = ask("/Verify", body.data);
    assert_int_equal(json_is_true(json_object_get(json, "valid")), want);
    assert_true(json_is_boolean(json_object_get(json, "valid")));
    json_decref(json);
    base_buf_deinit(&body);
}

static void test_sign_and_verify(void **state)
{
    struct base_hash32 digest;
    char hex[65];
    (void)state;
    json_t *json = ask("/Sign", "{\"algorithm\":\"secp256k1\",\"data\":\"68656c6c6f\"}");
    const char *sig = json_vectors_string(json, "signature");
    const char *key = json_vectors_string(json, "public_key");
    const json_t *chain = json_vectors_array(json, "signature_chain");
    assert_int_equal(strlen(sig), 128);
    assert_int_equal(json_array_size(chain), 3);
    assert_string_equal(json_string_value(json_array_get(chain, 0)), sig);
    assert_verifies(true, "secp256k1", "68656c6c6f", sig, key);
    assert_verifies(true, "k256", "68656C6C6F", sig, key);
    assert_verifies(false, "secp256k1", "68656c6c6e", sig, key);
    base_sha256(&digest, "hello", 5);
    base_hex_encode(hex, digest.bytes, sizeof digest.bytes);
    assert_verifies(true, "secp256k1_prehashed", hex, sig, key);
    assert_verifies(false, "secp256k1", hex, sig, key);
    assert_verifies(false, "secp256k1", "68656c6c6f", sig,
                    json_vectors_string(synthetic, "app_public_key"));
    json_decref(json);
}

/* Path "vms", purpose "signing": the official simulator's own example has that very chain. */
static void test_sign_uses_the_key_of_vms(void **state)
{
    const json_t *official = json_array_get(json_vectors_array(vectors, "official"), 0);
    struct node_agent_sim who;
    char why[200];
    size_t i;
    const json_t *example = NULL;
    (void)state;
    assert_int_equal(load_official(&who, official, why, sizeof why), BASE_OK);
    json_array_foreach(json_vectors_array(official, "examples"), i, example)
    {
        if (strcmp(json_vectors_string(example, "path"), "vms") == 0) break;
    }
    assert_non_null(example);
    const char *body = "{\"algorithm\":\"k256\",\"data\":\"\"}";
    json_t *json = ask_bytes(&who, 200, "/Sign", body, strlen(body));
    const json_t *chain = json_vectors_array(json, "signature_chain");
    assert_string_equal(json_vectors_string(json, "public_key"),
                        json_vectors_string(example, "derived_public_key"));
    assert_string_equal(json_string_value(json_array_get(chain, 1)),
                        json_vectors_string(example, "app_signature"));
    assert_string_equal(json_string_value(json_array_get(chain, 2)),
                        json_vectors_string(example, "kms_signature"));
    json_decref(json);
}

static void test_sign_and_verify_refuse(void **state)
{
    (void)state;
    assert_refused("/Sign", "{}", "Unsupported algorithm");
    assert_refused("/Sign", "{\"algorithm\":\"ed25519\"}", "Unsupported algorithm");
    assert_refused("/Sign", "{\"algorithm\":3}", "algorithm");
    assert_refused("/Sign", "{\"algorithm\":\"k256\",\"data\":\"0\"}", "odd number");
    assert_refused("/Sign", "{\"algorithm\":\"secp256k1_prehashed\",\"data\":\"00\"}",
                   "exactly 32 bytes");
    assert_refused("/Verify", "{}", "Unsupported algorithm");
    assert_refused("/Verify", "{\"algorithm\":\"k256\"}", "malformed signature or public key");
    char *text = long_text("{\"algorithm\":\"k256\",\"signature\":\"", 128, "\"}");
    assert_refused("/Verify", text, "malformed signature or public key");
    free(text);
    text = long_text("{\"algorithm\":\"k256\",\"signature\":\"", 130, "\"}");
    assert_refused("/Verify", text, "too long");
    free(text);
    text = long_text("{\"algorithm\":\"k256\",\"public_key\":\"", 66, "\"}");
    assert_refused("/Verify", text, "malformed signature or public key");
    free(text);
}

static void test_emit_event_does_nothing_well(void **state)
{
    (void)state;
    json_t *json = ask("/EmitEvent", "{\"event\":\"e\",\"payload\":\"00ff\"}");
    assert_int_equal(json_object_size(json), 0);
    json_decref(json);
    assert_refused("/EmitEvent", "{\"event\":\"e\",\"payload\":\"0x00\"}", "invalid hex");
    assert_refused("/EmitEvent", "{\"event\":{}}", "event");
}

/* ---- where the keys come from ---- */

static void test_a_root_gives_the_same_chain_each_time(void **state)
{
    struct base_privkey zero = {{0}};
    struct node_agent_sim who;
    uint8_t want[65];
    (void)state;
    json_vectors_hex(want, 32, synthetic, "app_private_key");
    assert_memory_equal(agent.app_priv.bytes, want, 32);
    json_vectors_hex(want, 33, synthetic, "app_public_key");
    assert_memory_equal(agent.app_key.bytes, want, 33);
    json_vectors_hex(want, 65, synthetic, "kms_signature");
    assert_memory_equal(agent.kms_sig.bytes, want, 65);
    json_vectors_hex(want, 20, synthetic, "kms_root_address");
    assert_memory_equal(agent.kms_root_address.bytes, want, 20);
    assert_int_equal(node_agent_sim_from_root(&who, &zero, &agent.app_id, &instance), BASE_EKEY);
}

static void assert_appkeys_refused(int want, const char *text, const char *why_part)
{
    struct node_agent_sim who;
    char why[200] = "";
    assert_int_equal(node_agent_sim_from_appkeys(&who, text, strlen(text), &agent.app_id, &instance,
                                                 why, sizeof why),
                     want);
    if (strstr(why, why_part) == NULL) fail_msg("%s: said %s", text, why);
}

static void test_appkeys_name_the_field_that_is_wrong(void **state)
{
    struct base_buf text;
    char key[65];
    (void)state;
    assert_appkeys_refused(BASE_EMALFORMED, "", "");
    assert_appkeys_refused(BASE_EMALFORMED, "{", "byte");
    assert_appkeys_refused(BASE_EMALFORMED, "[]", "k256_key");
    assert_appkeys_refused(BASE_ENOTFOUND, "{}", "k256_key");
    assert_appkeys_refused(BASE_EMALFORMED, "{\"k256_key\":\"00\"}", "k256_key");
    memset(key, '0', sizeof key - 1);
    key[64] = '\0';
    base_buf_init(&text, 1024);
    base_buf_printf(&text, "{\"k256_key\":\"%s\"}", key);
    assert_appkeys_refused(BASE_EKEY, text.data, "k256_key");
    key[63] = '1';
    base_buf_clear(&text);
    base_buf_printf(&text, "{\"k256_key\":\"%s\"}", key);
    assert_appkeys_refused(BASE_ENOTFOUND, text.data, "k256_signature");
    base_buf_clear(&text);
    base_buf_printf(&text, "{\"k256_key\":\"%s\",\"k256_signature\":\"%0130d\"}", key, 0);
    assert_appkeys_refused(BASE_ESIG, text.data, "k256_signature");
    base_buf_deinit(&text);
}

/* The signature covers the app id: under another one some other root recovers, never ours. */
static void test_appkeys_of_another_app_lead_to_another_root(void **state)
{
    const json_t *official = json_array_get(json_vectors_array(vectors, "official"), 0);
    struct node_agent_sim who;
    struct base_eth_address root;
    char why[200];
    json_t *file = json_vectors_load(json_vectors_string(official, "appkeys_file"));
    char *text = json_dumps(file, 0);
    (void)state;
    assert_non_null(text);
    json_vectors_hex(root.bytes, sizeof root.bytes, official, "kms_root_address");
    int rv = node_agent_sim_from_appkeys(&who, text, strlen(text), &agent.app_id, &instance, why,
                                         sizeof why);
    if (rv == BASE_OK)
        assert_memory_not_equal(who.kms_root_address.bytes, root.bytes, sizeof root.bytes);
    free(text);
    json_decref(file);
}

static void add_known_answers(struct json_vectors_tests *tests, json_t *pairs)
{
    const json_t *official, *example;
    size_t i, j;
    json_array_foreach(json_vectors_array(vectors, "official"), i, official)
    {
        json_array_foreach(json_vectors_array(official, "examples"), j, example)
        {
            json_t *pair = json_pack("[O, O]", official, example);
            json_array_append_new(pairs, pair);
            json_vectors_add(tests, test_official_example, pair, "%s example %zu",
                             json_vectors_string(official, "name"), j);
        }
    }
    json_array_foreach(json_vectors_array(synthetic, "examples"), i, example)
    {
        json_vectors_add(tests, test_synthetic_example, example, "synthetic example %zu", i);
    }
}

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } cases[] = {
        {"GetKey: fields have defaults", test_get_key_fields_have_defaults},
        {"GetKey: the path makes the key", test_the_path_makes_the_key_and_the_purpose_does_not},
        {"GetKey: a node takes the chain", test_a_node_takes_the_chain},
        {"GetKey refuses", test_get_key_refuses},
        {"malformed bodies are refused", test_malformed_bodies_are_refused},
        {"deep and big bodies are refused", test_deep_and_big_bodies_are_refused},
        {"unknown methods are refused", test_unknown_methods_are_refused},
        {"Info says who this is", test_info_says_who_this_is},
        {"Info: a node reads it", test_a_node_reads_the_info},
        {"Version", test_version_is_one_that_has_version},
        {"GetQuote pads on the right", test_get_quote_pads_on_the_right},
        {"GetQuote refuses", test_get_quote_refuses},
        {"RawQuote wants 64 bytes", test_raw_quote_wants_64_bytes},
        {"TdxQuote hashes", test_tdx_quote_hashes},
        {"TdxQuote refuses", test_tdx_quote_refuses},
        {"Sign and Verify", test_sign_and_verify},
        {"Sign uses the key of vms", test_sign_uses_the_key_of_vms},
        {"Sign and Verify refuse", test_sign_and_verify_refuse},
        {"EmitEvent", test_emit_event_does_nothing_well},
        {"a root gives the same chain each time", test_a_root_gives_the_same_chain_each_time},
        {"appkeys: the field that is wrong", test_appkeys_name_the_field_that_is_wrong},
        {"appkeys of another app", test_appkeys_of_another_app_lead_to_another_root},
    };
    struct json_vectors_tests tests = {0};
    json_t *pairs = json_array();
    vectors = json_vectors_load("signature-chain.json");
    synthetic = json_vectors_object(vectors, "synthetic");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        json_vectors_add(&tests, cases[i].function, NULL, "%s", cases[i].name);
    add_known_answers(&tests, pairs);
    int failed = json_vectors_run(&tests, "node_agent_sim", setup);
    json_decref(pairs);
    json_decref(vectors);
    return failed;
}
