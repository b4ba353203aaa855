/* The guest agent's answers: those of the two services, and everything that is not one. */
#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "attest/agent.h"
#include "base/ecdsa.h"
#include "base/err.h"

static json_t *root;
static const json_t *example; /* of the official simulator, purpose "ethereum" */

static int setup(void **state)
{
    (void)state;
    return base_ecdsa_init();
}

/* ---- what we ask ---- */

static void test_paths(void **state)
{
    (void)state;
    assert_string_equal(attest_agent_path(ATTEST_AGENT_DSTACK, ATTEST_AGENT_GET_KEY), "/GetKey");
    assert_string_equal(attest_agent_path(ATTEST_AGENT_DSTACK, ATTEST_AGENT_INFO), "/Info");
    assert_string_equal(attest_agent_path(ATTEST_AGENT_TAPPD, ATTEST_AGENT_GET_KEY),
                        "/prpc/Tappd.DeriveK256Key");
    assert_string_equal(attest_agent_path(ATTEST_AGENT_TAPPD, ATTEST_AGENT_INFO),
                        "/prpc/Tappd.Info");
}

static void test_bodies(void **state)
{
    struct base_buf body;
    (void)state;
    base_buf_init(&body, ATTEST_AGENT_REQUEST_BYTES_MAX);
    assert_int_equal(attest_agent_get_key_body(&body, "a/\"\\b", ATTEST_PURPOSE), BASE_OK);
    assert_false(body.failed);
    assert_string_equal(body.data, "{\"path\":\"a/\\\"\\\\b\",\"purpose\":\"nftmesh-node-v1\","
                                   "\"algorithm\":\"secp256k1\"}");
    base_buf_clear(&body);
    attest_agent_info_body(&body);
    assert_string_equal(body.data, "{}");
    base_buf_deinit(&body);
}

static void test_bodies_that_agents_misread_are_refused(void **state)
{
    struct base_buf body;
    (void)state;
    base_buf_init(&body, ATTEST_AGENT_REQUEST_BYTES_MAX);
    assert_int_equal(attest_agent_get_key_body(&body, "\xc3\xa4", "p"), BASE_EINVAL);
    assert_int_equal(attest_agent_get_key_body(&body, "a\nb", "p"), BASE_EINVAL);
    assert_int_equal(attest_agent_get_key_body(&body, "a", "\x7f"), BASE_EINVAL);
    assert_int_equal(attest_agent_get_key_body(&body, "a", "p:q"), BASE_EINVAL);
    assert_int_equal(body.len, 0);
    base_buf_deinit(&body);
}

/* ---- GetKey ---- */

struct key_reply {
    struct attest_agent_key key;
    char why[ATTEST_AGENT_WHY_BYTES];
};

/* Parses from an exact-size copy. */
static int parse_key_bytes(struct key_reply *out, enum attest_agent_api api, long status,
                           const char *text, size_t len)
{
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    memset(out, 0xee, sizeof *out);
    int rv = attest_agent_key_parse(&out->key, out->why, api, "ethereum", status, exact, len);
    free(exact);
    return rv;
}

static void assert_key_refused(int want, enum attest_agent_api api, long status, const char *text,
                               const char *why)
{
    static const struct attest_agent_key zeroed;
    struct key_reply r;
    assert_int_equal(parse_key_bytes(&r, api, status, text, strlen(text)), want);
    assert_memory_equal(&r.key, &zeroed, sizeof zeroed);
    assert_non_null(strstr(r.why, why));
}

/* A reply with the members as given; free() it. */
static char *key_reply(const char *key_member, const char *key, const char *list_member,
                       const char *first, const char *second)
{
    struct base_buf buf;
    base_buf_init(&buf, 4096);
    base_buf_printf(&buf, "{\"%s\":\"%s\",\"%s\":[\"%s\",\"%s\"]}", key_member, key, list_member,
                    first, second);
    assert_false(buf.failed);
    char *text = malloc(buf.len + 1);
    assert_non_null(text);
    memcpy(text, buf.data, buf.len + 1);
    base_buf_deinit(&buf);
    return text;
}

static void assert_key_taken(enum attest_agent_api api, const char *key_member,
                             const char *list_member)
{
    struct key_reply r;
    uint8_t want[65];
    char *text = key_reply(key_member, json_vectors_string(example, "derived_private_key"),
                           list_member, json_vectors_string(example, "app_signature"),
                           json_vectors_string(example, "kms_signature"));
    assert_int_equal(parse_key_bytes(&r, api, 200, text, strlen(text)), BASE_OK);
    json_vectors_hex(want, 32, example, "derived_private_key");
    assert_memory_equal(r.key.priv.bytes, want, 32);
    json_vectors_hex(want, 33, example, "derived_public_key");
    assert_memory_equal(r.key.pub.bytes, want, 33);
    json_vectors_hex(want, 33, example, "app_public_key");
    assert_memory_equal(r.key.app_key.bytes, want, 33);
    json_vectors_hex(want, 65, example, "app_signature");
    assert_memory_equal(r.key.app_sig.bytes, want, 65);
    json_vectors_hex(want, 65, example, "kms_signature");
    assert_memory_equal(r.key.kms_sig.bytes, want, 65);
    free(text);
}

static void test_key_of_either_service(void **state)
{
    (void)state;
    assert_key_taken(ATTEST_AGENT_DSTACK, "key", "signature_chain");
    assert_key_taken(ATTEST_AGENT_TAPPD, "k256_key", "k256_signature_chain");
}

static void test_key_of_the_other_service_is_malformed(void **state)
{
    const char *key = json_vectors_string(example, "derived_private_key");
    const char *sig = json_vectors_string(example, "app_signature");
    char *text = key_reply("key", key, "signature_chain", sig, sig);
    (void)state;
    assert_key_refused(BASE_EMALFORMED, ATTEST_AGENT_TAPPD, 200, text, "k256_key");
    free(text);
}

static void test_key_under_another_purpose_gives_another_app_key(void **state)
{
    struct attest_agent_key key;
    char why[ATTEST_AGENT_WHY_BYTES];
    uint8_t app_key[33];
    char *text = key_reply("key", json_vectors_string(example, "derived_private_key"),
                           "signature_chain", json_vectors_string(example, "app_signature"),
                           json_vectors_string(example, "kms_signature"));
    (void)state;
    int rv = attest_agent_key_parse(&key, why, ATTEST_AGENT_DSTACK, ATTEST_PURPOSE, 200, text,
                                    strlen(text));
    json_vectors_hex(app_key, 33, example, "app_public_key");
    assert_int_equal(rv, BASE_OK);
    assert_memory_not_equal(key.app_key.bytes, app_key, 33);
    free(text);
}

static void test_key_members_malformed(void **state)
{
    const char *key = json_vectors_string(example, "derived_private_key");
    const char *sig = json_vectors_string(example, "app_signature");
    struct base_buf zero, off, odd;
    (void)state;
    base_buf_init(&zero, 200);
    base_buf_init(&off, 200);
    base_buf_init(&odd, 200);
    for (int i = 0; i < 64; i++)
        base_buf_puts(&zero, "0");
    base_buf_printf(&off, "0x%s", key);
    base_buf_printf(&odd, "%sa", key);
    const struct {
        const char *key, *first, *second;
        int want;
        const char *why;
    } cases[] = {
        {off.data, sig, sig, BASE_EMALFORMED, "key: "},
        {odd.data, sig, sig, BASE_EMALFORMED, "key: "},
        {key + 2, sig, sig, BASE_EMALFORMED, "key: "},
        {"", sig, sig, BASE_EMALFORMED, "key: "},
        {zero.data, sig, sig, BASE_EKEY, "scalar"},
        {key, sig + 2, sig, BASE_EMALFORMED, "signature_chain: "},
        {key, sig, sig + 2, BASE_EMALFORMED, "signature_chain: "},
        {key, "", sig, BASE_EMALFORMED, "signature_chain: "},
        {key, sig, "zz", BASE_EMALFORMED, "signature_chain: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text =
            key_reply("key", cases[i].key, "signature_chain", cases[i].first, cases[i].second);
        assert_key_refused(cases[i].want, ATTEST_AGENT_DSTACK, 200, text, cases[i].why);
        free(text);
    }
    base_buf_deinit(&zero);
    base_buf_deinit(&off);
    base_buf_deinit(&odd);
}

static void test_key_signature_with_v_27_is_refused(void **state)
{
    char sig[131];
    (void)state;
    memcpy(sig, json_vectors_string(example, "app_signature"), sizeof sig);
    memcpy(sig + 128, "1b", 2);
    char *text = key_reply("key", json_vectors_string(example, "derived_private_key"),
                           "signature_chain", sig, json_vectors_string(example, "kms_signature"));
    assert_key_refused(BASE_ESIG, ATTEST_AGENT_DSTACK, 200, text, "recovers no key");
    free(text);
}

static void test_key_replies_of_another_shape(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "7",
        "\"key\"",
        "{}",
        "{\"key\":7}",
        "{\"key\":null}",
        "{\"key\":\"00\"}",
        "{} x",
        "{\"key\":\"a\",\"key\":\"b\"}",
    };
    const char *key = json_vectors_string(example, "derived_private_key");
    static const char *const lists[] = {"",
                                        ",\"signature_chain\":\"00\"",
                                        ",\"signature_chain\":{}",
                                        ",\"signature_chain\":[]",
                                        ",\"signature_chain\":[\"00\"]",
                                        ",\"signature_chain\":[1,2]",
                                        ",\"signature_chain\":[null,null]",
                                        ",\"signature_chain\":[\"00\",\"00\",\"00\"]"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_key_refused(BASE_EMALFORMED, ATTEST_AGENT_DSTACK, 200, texts[i], "");
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct base_buf text;
        base_buf_init(&text, 1024);
        base_buf_printf(&text, "{\"key\":\"%s\"%s}", key, lists[i]);
        assert_key_refused(BASE_EMALFORMED, ATTEST_AGENT_DSTACK, 200, text.data,
                           "signature_chain: ");
        base_buf_deinit(&text);
    }
}

static void test_third_signature_is_refused(void **state)
{
    const char *key = json_vectors_string(example, "derived_private_key");
    const char *sig = json_vectors_string(example, "app_signature");
    struct base_buf text;
    (void)state;
    base_buf_init(&text, 2048);
    base_buf_printf(&text, "{\"key\":\"%s\",\"signature_chain\":[\"%s\",\"%s\",\"%s\"]}", key, sig,
                    sig, sig);
    assert_key_refused(BASE_EMALFORMED, ATTEST_AGENT_DSTACK, 200, text.data, "signature_chain: ");
    base_buf_deinit(&text);
}

/* ---- errors of the agent's own ---- */

static void test_agents_errors_are_passed_on_as_one_line(void **state)
{
    const enum attest_agent_api dstack = ATTEST_AGENT_DSTACK;
    struct key_reply r;
    struct base_buf text;
    (void)state;
    assert_key_refused(BASE_EREMOTE, dstack, 400, "{\n  \"error\": \"Unsupported algorithm\"\n}",
                       "Unsupported algorithm");
    assert_key_refused(BASE_EREMOTE, dstack, 200, "{\"error\":\"late\"}", "late");
    assert_key_refused(BASE_EREMOTE, dstack, 200, "{\"error\":7}", "HTTP status 200");
    assert_key_refused(BASE_EREMOTE, dstack, 500, "<html>", "HTTP status 500");
    assert_key_refused(BASE_EREMOTE, dstack, 404, "", "HTTP status 404");
    assert_key_refused(BASE_EREMOTE, dstack, 400, "[]", "HTTP status 400");
    assert_key_refused(BASE_EREMOTE, dstack, 400, "{\"error\":\"a\\nb\\u001b[31m\\u00e4\"}",
                       "a?b?[31m??");
    base_buf_init(&text, 4096);
    base_buf_puts(&text, "{\"error\":\"");
    for (int i = 0; i < 2000; i++)
        base_buf_puts(&text, "x");
    base_buf_puts(&text, "\"}");
    assert_int_equal(parse_key_bytes(&r, dstack, 400, text.data, text.len), BASE_EREMOTE);
    assert_int_equal(strlen(r.why), ATTEST_AGENT_WHY_BYTES - 1);
    base_buf_deinit(&text);
}

/* A status other than 200 is an error even with a good body. */
static void test_good_body_with_a_bad_status(void **state)
{
    char *text = key_reply("key", json_vectors_string(example, "derived_private_key"),
                           "signature_chain", json_vectors_string(example, "app_signature"),
                           json_vectors_string(example, "kms_signature"));
    (void)state;
    assert_key_refused(BASE_EREMOTE, ATTEST_AGENT_DSTACK, 400, text, "HTTP status 400");
    free(text);
}

static void test_replies_above_the_bound(void **state)
{
    size_t len = ATTEST_AGENT_REPLY_BYTES_MAX + 1;
    char *text = malloc(len);
    struct key_reply r;
    (void)state;
    assert_non_null(text);
    memset(text, ' ', len);
    text[0] = '{';
    text[len - 2] = '}';
    assert_int_equal(parse_key_bytes(&r, ATTEST_AGENT_DSTACK, 200, text, len), BASE_ETOOBIG);
    assert_int_equal(parse_key_bytes(&r, ATTEST_AGENT_DSTACK, 200, text, len - 1),
                     BASE_EMALFORMED); /* parsed, and empty */
    free(text);
}

static void test_nesting_above_the_bound(void **state)
{
    char text[2000];
    struct key_reply r;
    (void)state;
    memset(text, '[', sizeof text);
    assert_int_equal(parse_key_bytes(&r, ATTEST_AGENT_DSTACK, 200, text, sizeof text),
                     BASE_ETOOBIG);
}

/* ---- Info ---- */

#define APP      "ea549f02e1a25fabd1cb788380e033ec5461b2ff"
#define INSTANCE "00112233445566778899aabbccddeeff00112233"
#define COMPOSE  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static int parse_info(struct attest_agent_info *out, char why[ATTEST_AGENT_WHY_BYTES],
                      const char *text)
{
    size_t len = strlen(text);
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    memset(out, 0xee, sizeof *out);
    int rv = attest_agent_info_parse(out, why, 200, exact, len);
    free(exact);
    return rv;
}

static void assert_info_refused(int want, const char *text, const char *why_has)
{
    static const struct attest_agent_info zeroed;
    struct attest_agent_info info;
    char why[ATTEST_AGENT_WHY_BYTES];
    assert_int_equal(parse_info(&info, why, text), want);
    assert_memory_equal(&info, &zeroed, sizeof zeroed);
    assert_non_null(strstr(why, why_has));
}

static void test_info(void **state)
{
    struct attest_agent_info info;
    char why[ATTEST_AGENT_WHY_BYTES], hex[65];
    (void)state;
    assert_int_equal(parse_info(&info, why,
                                "{\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "\","
                                "\"app_cert\":\"\",\"tcb_info\":\"{\\\"mrtd\\\":\\\"00\\\"}\","
                                "\"app_name\":\"guest-agent\",\"compose_hash\":\"" COMPOSE "\","
                                "\"device_id\":\"" COMPOSE "\",\"a_field_of_2031\":[{}]}"),
                     BASE_OK);
    base_hex_encode(hex, info.app_id.bytes, 20);
    assert_string_equal(hex, APP);
    base_hex_encode(hex, info.instance.bytes, 20);
    assert_string_equal(hex, INSTANCE);
    assert_true(info.has_compose_hash);
    base_hex_encode(hex, info.compose_hash.bytes, 32);
    assert_string_equal(hex, COMPOSE);
    assert_string_equal(info.app_name, "guest-agent");
    assert_string_equal(why, "");
}

static void test_info_of_older_agents(void **state)
{
    struct attest_agent_info info;
    char why[ATTEST_AGENT_WHY_BYTES];
    (void)state;
    assert_int_equal(
        parse_info(&info, why, "{\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "\"}"),
        BASE_OK);
    assert_false(info.has_compose_hash);
    assert_string_equal(info.app_name, "");
    assert_int_equal(parse_info(&info, why,
                                "{\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "\","
                                "\"compose_hash\":\"\"}"),
                     BASE_OK);
    assert_false(info.has_compose_hash);
}

static void test_info_without_an_instance_is_named(void **state)
{
    (void)state;
    assert_info_refused(BASE_ENOTFOUND, "{\"app_id\":\"" APP "\",\"instance_id\":\"\"}",
                        ATTEST_AGENT_NO_INSTANCE);
}

static void test_info_malformed(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "byte"},
        {"[]", "reply"},
        {"{}", "app_id: "},
        {"{\"app_id\":\"" APP "\"}", "instance_id: "},
        {"{\"instance_id\":\"" INSTANCE "\"}", "app_id: "},
        {"{\"app_id\":\"\",\"instance_id\":\"" INSTANCE "\"}", "app_id: "},
        {"{\"app_id\":\"0x" APP "\",\"instance_id\":\"" INSTANCE "\"}", "app_id: "},
        {"{\"app_id\":\"" APP "00\",\"instance_id\":\"" INSTANCE "\"}", "app_id: "},
        {"{\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "0\"}", "instance_id: "},
        {"{\"app_id\":\"" APP "\",\"instance_id\":\"00\"}", "instance_id: "},
        {"{\"app_id\":\"" APP "\",\"instance_id\":null}", "instance_id: "},
        {"{\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "\",\"compose_hash\":\"00\"}",
         "compose_hash: "},
        {"{\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "\",\"compose_hash\":7}",
         "compose_hash: "},
        {"{\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "\",\"app_name\":7}", "app_name: "},
        {"{\"app_id\":\"" APP "\",\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "\"}",
         "duplicate"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_info_refused(BASE_EMALFORMED, cases[i].text, cases[i].why);
}

static void test_info_error(void **state)
{
    (void)state;
    assert_info_refused(BASE_EREMOTE, "{\"error\":\"no such method\"}", "no such method");
}

static void test_info_name_cannot_break_a_line(void **state)
{
    struct attest_agent_info info;
    char why[ATTEST_AGENT_WHY_BYTES];
    struct base_buf text;
    (void)state;
    base_buf_init(&text, 4096);
    base_buf_puts(&text, "{\"app_id\":\"" APP "\",\"instance_id\":\"" INSTANCE "\","
                         "\"app_name\":\"a\\n\\u001bb");
    for (int i = 0; i < 1000; i++)
        base_buf_puts(&text, "x");
    base_buf_puts(&text, "\"}");
    assert_int_equal(parse_info(&info, why, text.data), BASE_OK);
    assert_memory_equal(info.app_name, "a??bxx", 6);
    assert_int_equal(strlen(info.app_name), sizeof info.app_name - 1);
    base_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_bodies_that_agents_misread_are_refused),
        cmocka_unit_test(test_key_of_either_service),
        cmocka_unit_test(test_key_of_the_other_service_is_malformed),
        cmocka_unit_test(test_key_under_another_purpose_gives_another_app_key),
        cmocka_unit_test(test_key_members_malformed),
        cmocka_unit_test(test_key_signature_with_v_27_is_refused),
        cmocka_unit_test(test_key_replies_of_another_shape),
        cmocka_unit_test(test_third_signature_is_refused),
        cmocka_unit_test(test_agents_errors_are_passed_on_as_one_line),
        cmocka_unit_test(test_good_body_with_a_bad_status),
        cmocka_unit_test(test_replies_above_the_bound),
        cmocka_unit_test(test_nesting_above_the_bound),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_info_of_older_agents),
        cmocka_unit_test(test_info_without_an_instance_is_named),
        cmocka_unit_test(test_info_malformed),
        cmocka_unit_test(test_info_error),
        cmocka_unit_test(test_info_name_cannot_break_a_line),
    };
    root = json_vectors_load("signature-chain.json");
    example = json_array_get(
        json_vectors_array(json_array_get(json_vectors_array(root, "official"), 0), "examples"), 0);
    int failures = cmocka_run_group_tests_name("attest_agent", tests, setup, NULL);
    json_decref(root);
    return failures;
}
