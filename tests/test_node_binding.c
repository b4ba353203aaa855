/* A Binding signed by N and D: for this node's keys and instance, or not at all. */
#include "mesh_fixture.h"

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "chain/registry.h"
#include "node/binding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ANSWER_BYTES_MAX 16384
#define OWNER            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed" /* EIP-55's own example */

static struct mesh_fixture f;
static struct base_buf answer;
static char why[512];

static int setup(void **state)
{
    (void)state;
    mesh_fixture_init(&f);
    base_buf_init(&answer, ANSWER_BYTES_MAX);
    why[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    base_buf_deinit(&answer);
    mesh_fixture_deinit(&f);
    return 0;
}

static const struct node_identity *self(void)
{
    return &f.nodes[0].identity;
}

static json_t *good_body(void)
{
    json_t *body = json_pack("{s:i, s:s, s:s, s:i, s:i, s:i}", "token", 7, "owner", OWNER, "url",
                             "tcp://10.0.0.7:9470", "nonce", 3, "expires_at", 1900000000,
                             "deadline", 1800003600);
    assert_non_null(body);
    return body;
}

/* Gives body back; the parsed answer, or NULL. */
static json_t *ask(json_t *body, int *rv)
{
    json_t *json = NULL;
    *rv = node_binding_answer(&answer, self(), body, why, sizeof why);
    json_decref(body);
    if (*rv == BASE_OK)
        assert_int_equal(base_json_parse(&json, answer.data, answer.len, ANSWER_BYTES_MAX, NULL),
                         BASE_OK);
    return json;
}

static json_t *ask_good(json_t *body)
{
    int rv;
    json_t *json = ask(body, &rv);
    if (rv != BASE_OK) fail_msg("%s", why);
    return json;
}

static void get(void *out, size_t len, const json_t *json, const char *key)
{
    if (base_json_get_hex(out, len, json, key) != BASE_OK) fail_msg("%s", key);
}

/* What the answer says was signed, read anew. */
static void binding_of(struct base_binding *b, const json_t *json)
{
    memset(b, 0, sizeof *b);
    assert_int_equal(
        base_u256_parse(&b->token_id, json_string_value(json_object_get(json, "token"))), BASE_OK);
    assert_int_equal(
        base_address_parse(&b->owner, json_string_value(json_object_get(json, "owner"))), BASE_OK);
    get(&b->instance, sizeof b->instance, json, "instance");
    get(&b->node_key, sizeof b->node_key, json, "node_key");
    get(&b->proof_key, sizeof b->proof_key, json, "proof_key");
    assert_int_equal(base_json_get_string(&b->url, &b->url_len, json, "url"), BASE_OK);
    assert_int_equal(base_json_get_u64(&b->nonce, json, "nonce"), BASE_OK);
    assert_int_equal(base_json_get_u64(&b->expires_at, json, "expires_at"), BASE_OK);
    assert_int_equal(base_json_get_u64(&b->deadline, json, "deadline"), BASE_OK);
}

static void assert_signed_by_both(const json_t *json)
{
    struct base_binding b;
    struct base_hash32 digest;
    struct base_sig65 node_sig, proof_sig;
    binding_of(&b, json);
    base_eip712_binding(&digest, &self()->domain, &b);
    get(&node_sig, sizeof node_sig, json, "node_sig");
    get(&proof_sig, sizeof proof_sig, json, "proof_sig");
    assert_int_equal(base_ecdsa_verify(&digest, &node_sig, &self()->keys.node_key), BASE_OK);
    assert_int_equal(base_ecdsa_verify(&digest, &proof_sig, &self()->keys.proof_key), BASE_OK);
}

/* --- what is signed -------------------------------------------------------------------------- */

static void test_both_keys_sign_what_was_asked_for(void **state)
{
    (void)state;
    struct base_binding b;
    struct base_u256 seven = base_u256_from_u64(7);
    struct base_eth_address owner;
    json_t *json = ask_good(good_body());
    binding_of(&b, json);
    base_address_parse(&owner, OWNER);
    assert_true(base_u256_equal(&b.token_id, &seven));
    assert_true(base_address_equal(&b.owner, &owner));
    assert_string_equal(b.url, "tcp://10.0.0.7:9470");
    assert_int_equal(b.nonce, 3);
    assert_int_equal(b.expires_at, 1900000000);
    assert_int_equal(b.deadline, 1800003600);
    assert_signed_by_both(json);
    json_decref(json);
}

/* Everything else that register() takes is there, and it is this node's. */
static void test_the_chain_comes_along(void **state)
{
    (void)state;
    const struct node_keyset *keys = &self()->keys;
    static const char *const names[] = {"node_xy", "proof_xy", "app_xy"};
    const struct base_key33 *const pubs[] = {&keys->node_key, &keys->proof_key, &keys->app_key};
    uint8_t told[65], is[64];
    json_t *json = ask_good(good_body());
    for (size_t i = 0; i < 3; i++) {
        get(told, 64, json, names[i]);
        assert_int_equal(base_ecdsa_pubkey_xy(is, pubs[i]), BASE_OK);
        assert_memory_equal(told, is, 64);
    }
    get(told, 20, json, "app_id");
    assert_memory_equal(told, keys->app_id.bytes, 20);
    get(told, 65, json, "app_sig");
    assert_memory_equal(told, keys->app_sig.bytes, 65);
    get(told, 65, json, "kms_sig");
    assert_memory_equal(told, keys->kms_sig.bytes, 65);
    json_decref(json);
}

/* Whoever reaches the control socket cannot have another's instance or keys signed. */
static void test_instance_and_keys_are_never_the_askers(void **state)
{
    (void)state;
    struct base_binding b;
    char hex[67];
    json_t *body = good_body();
    const struct node_keyset *other = &f.nodes[1].identity.keys;
    base_hex_encode(hex, other->instance.bytes, 20);
    json_object_set_new(body, "instance", json_string(hex));
    base_hex_encode(hex, other->node_key.bytes, 33);
    json_object_set_new(body, "node_key", json_string(hex));
    base_hex_encode(hex, other->proof_key.bytes, 33);
    json_object_set_new(body, "proof_key", json_string(hex));
    json_t *json = ask_good(body);
    binding_of(&b, json);
    assert_true(base_address_equal(&b.instance, &self()->keys.instance));
    assert_true(base_key33_equal(&b.node_key, &self()->keys.node_key));
    assert_true(base_key33_equal(&b.proof_key, &self()->keys.proof_key));
    assert_signed_by_both(json);
    json_decref(json);
}

/* A Binding for one mesh is none for another. */
static void test_the_domain_is_this_mesh(void **state)
{
    (void)state;
    struct base_binding b;
    struct base_hash32 digest;
    struct base_sig65 sig;
    struct base_eip712_domain other;
    json_t *json = ask_good(good_body());
    binding_of(&b, json);
    get(&sig, sizeof sig, json, "node_sig");
    base_eip712_domain_init(&other, FIXTURE_CHAIN_ID + 1, &self()->contract);
    base_eip712_binding(&digest, &other, &b);
    assert_int_equal(base_ecdsa_verify(&digest, &sig, &self()->keys.node_key), BASE_ESIG);
    json_decref(json);
}

static void test_a_token_may_be_any_uint256(void **state)
{
    static const char text[] = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    (void)state;
    struct base_binding b;
    json_t *body = good_body();
    json_object_set_new(body, "token", json_string(text));
    json_t *json = ask_good(body);
    binding_of(&b, json);
    for (size_t i = 0; i < sizeof b.token_id.bytes; i++)
        assert_int_equal(b.token_id.bytes[i], 0xff);
    assert_signed_by_both(json);
    json_decref(json);
    base_buf_clear(&answer);
    body = good_body();
    json_object_set_new(body, "token", json_string("12345678901234567890"));
    json = ask_good(body);
    binding_of(&b, json);
    struct base_u256 decimal = base_u256_from_u64(UINT64_C(12345678901234567890));
    assert_true(base_u256_equal(&b.token_id, &decimal));
    json_decref(json);
}

static void test_an_url_of_any_text_is_signed_as_it_is(void **state)
{
    static const char *const urls[] = {"", "tcp://\"q\\uote\"", "tcp://h\xc3\xb6st:1"};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        const char *told;
        json_t *body = good_body();
        json_object_set_new(body, "url", json_string(urls[i]));
        base_buf_clear(&answer);
        json_t *json = ask_good(body);
        assert_int_equal(base_json_get_string(&told, NULL, json, "url"), BASE_OK);
        assert_string_equal(told, urls[i]);
        assert_signed_by_both(json);
        json_decref(json);
    }
}

static void test_the_longest_url(void **state)
{
    (void)state;
    char url[CHAIN_URL_BYTES_MAX + 2];
    int rv;
    memset(url, 'a', sizeof url);
    url[CHAIN_URL_BYTES_MAX] = '\0';
    json_t *body = good_body();
    json_object_set_new(body, "url", json_string(url));
    json_decref(ask_good(body));
    url[CHAIN_URL_BYTES_MAX] = 'a';
    url[CHAIN_URL_BYTES_MAX + 1] = '\0';
    body = good_body();
    json_object_set_new(body, "url", json_string(url));
    base_buf_clear(&answer);
    assert_null(ask(body, &rv));
    assert_int_equal(rv, BASE_EINVAL);
    assert_int_equal(answer.len, 0);
}

/* --- what is not ------------------------------------------------------------------------------ */

/* The refusal names the field, and nothing was signed. */
static void assert_refused(const char *key, json_t *value)
{
    int rv;
    json_t *body = good_body();
    if (value == NULL)
        json_object_del(body, key);
    else
        json_object_set_new(body, key, value);
    assert_null(ask(body, &rv));
    assert_int_equal(rv, BASE_EINVAL);
    if (strncmp(why, key, strlen(key)) != 0) fail_msg("%s: %s", key, why);
    assert_int_equal(answer.len, 0);
}

static void test_each_field_is_needed(void **state)
{
    static const char *const keys[] = {"token", "owner", "url", "nonce", "expires_at", "deadline"};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_refused(keys[i], NULL);
        assert_refused(keys[i], json_null());
        assert_refused(keys[i], json_true());
        assert_refused(keys[i], json_object());
    }
}

static void test_numbers_are_whole_and_not_negative(void **state)
{
    static const char *const keys[] = {"token", "nonce", "expires_at", "deadline"};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_refused(keys[i], json_integer(-1));
        assert_refused(keys[i], json_real(1.5));
        assert_refused(keys[i], json_string("-1"));
    }
}

static void test_a_token_is_a_number(void **state)
{
    (void)state;
    assert_refused("token", json_string(""));
    assert_refused("token", json_string("seven"));
    assert_refused(
        "token",
        json_string("0x10000000000000000000000000000000000000000000000000000000000000000"));
}

static void test_an_owner_is_an_address(void **state)
{
    (void)state;
    assert_refused("owner", json_string(""));
    assert_refused("owner", json_string("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA"));
    /* One letter's case differs: the check sum fails. */
    assert_refused("owner", json_string("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"));
}

static void test_a_body_is_an_object(void **state)
{
    (void)state;
    int rv;
    assert_null(ask(json_array(), &rv));
    assert_int_equal(rv, BASE_EINVAL);
    assert_null(ask(NULL, &rv));
    assert_int_equal(rv, BASE_EINVAL);
}

static void test_a_key_that_is_none_signs_nothing(void **state)
{
    (void)state;
    int rv;
    base_memzero(&f.nodes[0].identity.keys.proof_priv, sizeof(struct base_privkey));
    assert_null(ask(good_body(), &rv));
    assert_int_equal(rv, BASE_EKEY);
    assert_string_not_equal(why, "");
}

/* D and N of tests/vectors/eip712.json: what the agent gives and the data-dir holds make a keyset,
 * and another seed makes another N under the same D. */
static void test_keyset_from_agent(void **state)
{
    static const char proof_priv[] =
        "2e9fb58c96c112a330f8c80acebd82cd5f7f623793e3c28d3a96f04ec75411dd";
    static const char node_key[] =
        "0286315bd2c85194bfcfde5366d088ddcf65552f05d1365e994110b1e8cef4ff85";
    struct attest_agent_info info = {0};
    struct attest_agent_key key = {0};
    struct node_keyset keys, others;
    struct base_key33 expected;
    uint8_t seed[32];
    (void)state;
    for (uint8_t i = 0; i < sizeof seed; i++)
        seed[i] = i;
    assert_int_equal(base_hex_decode(key.priv.bytes, 32, proof_priv, 64), BASE_OK);
    assert_int_equal(base_hex_decode(expected.bytes, 33, node_key, 66), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey(&key.pub, &key.priv), BASE_OK);
    memset(info.instance.bytes, 0x11, sizeof info.instance.bytes);
    memset(info.app_id.bytes, 0x22, sizeof info.app_id.bytes);
    assert_int_equal(node_keyset_from_agent(&keys, &info, &key, seed), BASE_OK);
    assert_memory_equal(keys.node_key.bytes, expected.bytes, sizeof expected.bytes);
    assert_memory_equal(keys.proof_key.bytes, key.pub.bytes, sizeof key.pub.bytes);
    assert_memory_equal(keys.instance.bytes, info.instance.bytes, sizeof info.instance.bytes);
    assert_memory_equal(keys.app_id.bytes, info.app_id.bytes, sizeof info.app_id.bytes);
    seed[31] ^= 1;
    assert_int_equal(node_keyset_from_agent(&others, &info, &key, seed), BASE_OK);
    assert_memory_not_equal(others.node_key.bytes, expected.bytes, sizeof expected.bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_keyset_from_agent),
        TEST(test_both_keys_sign_what_was_asked_for),
        TEST(test_the_chain_comes_along),
        TEST(test_instance_and_keys_are_never_the_askers),
        TEST(test_the_domain_is_this_mesh),
        TEST(test_a_token_may_be_any_uint256),
        TEST(test_an_url_of_any_text_is_signed_as_it_is),
        TEST(test_the_longest_url),
        TEST(test_each_field_is_needed),
        TEST(test_numbers_are_whole_and_not_negative),
        TEST(test_a_token_is_a_number),
        TEST(test_an_owner_is_an_address),
        TEST(test_a_body_is_an_object),
        TEST(test_a_key_that_is_none_signs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
