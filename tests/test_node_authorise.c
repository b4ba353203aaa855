/* How an authorisation comes into being: what a node signs and what it refuses to, and the way to a
 * wallet elsewhere and back. */
#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "node/authorise.h"

#define WISH                                                                                       \
    "{\"token\":1,\"owner\":\"0x%s\",\"issued_block\":101,\"issued_block_hash\":\"%s\","           \
    "\"not_after\":1802000000%s}"

static struct mesh_fixture f;
static char why[NODE_AUTHORISE_WHY_BYTES];

static int setup(void **state)
{
    (void)state;
    mesh_fixture_init(&f);
    mesh_fixture_to_prototype(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mesh_fixture_deinit(&f);
    return 0;
}

static json_t *parse(const char *text)
{
    json_t *json;
    char json_why[BASE_JSON_WHY_BYTES];
    assert_int_equal(base_json_parse(&json, text, strlen(text), 65536, json_why), BASE_OK);
    return json;
}

static json_t *wish(const char *more)
{
    char text[512], owner[41], hash[65];
    struct chain_block block = mesh_fixture_block(&f, 101);
    base_hex_encode(owner, f.seats[0].owner.bytes, 20);
    base_hex_encode(hash, block.hash.bytes, 32);
    snprintf(text, sizeof text, WISH, owner, hash, more);
    return parse(text);
}

static int answer(struct node_bundle *out, const json_t *body)
{
    struct base_buf text;
    base_buf_init(&text, 4096);
    int rv = node_authorise_answer(&text, &f.nodes[0].identity, body, why, sizeof why);
    if (rv == BASE_OK) {
        json_t *json = parse(text.data);
        assert_int_equal(node_authorise_bundle(out, json, why, sizeof why), BASE_OK);
        json_decref(json);
    }
    base_buf_deinit(&text);
    return rv;
}

static struct base_sig65 signed_by(const struct node_bundle *b, uint64_t token)
{
    struct base_privkey owner;
    struct base_hash32 digest;
    struct base_sig65 sig;
    mesh_fixture_owner(&owner, token);
    node_bundle_digest(&digest, &f.prototype.world.domain, b);
    assert_int_equal(base_ecdsa_sign(&sig, &digest, &owner), BASE_OK);
    return sig;
}

static enum node_authority_verdict offer(const struct node_bundle *b)
{
    struct node_refusal refusal;
    return node_authority_offer(&refusal, f.prototype.authority, &f.prototype.world, b);
}

/* The node's part, then the owner's: and it counts. */
static void test_both_parts_make_one_that_counts(void **state)
{
    json_t *body = wish("");
    struct node_bundle b;
    (void)state;
    assert_int_equal(answer(&b, body), BASE_OK);
    assert_int_equal(offer(&b), NODE_AUTHORITY_REFUSED); /* without the owner it is nothing */
    struct base_sig65 sig = signed_by(&b, 1);
    assert_int_equal(node_authorise_sign(&b, &f.prototype.world.domain, &sig), BASE_OK);
    assert_int_equal(offer(&b), NODE_AUTHORITY_ACCEPTED);
    json_decref(body);
}

/* Whatever a caller writes: instance, keys and contract are this node's own. */
static void test_a_node_signs_for_itself_only(void **state)
{
    const struct node_keyset *own = &f.nodes[0].identity.keys;
    json_t *body = wish(",\"instance\":\"1111111111111111111111111111111111111111\",\"node_key\":"
                        "\"02\",\"digest\":\"00\",\"contract\":\"0x00\"");
    struct node_bundle b;
    struct base_hash32 digest;
    (void)state;
    assert_int_equal(answer(&b, body), BASE_OK);
    assert_true(base_address_equal(&b.instance, &own->instance));
    assert_true(base_key33_equal(&b.node_key, &own->node_key));
    assert_true(base_key33_equal(&b.proof.proof_key, &own->proof_key));
    assert_true(base_is_zero(b.owner_sig.bytes, sizeof b.owner_sig.bytes));
    node_bundle_digest(&digest, &f.nodes[0].identity.domain, &b);
    assert_int_equal(base_ecdsa_verify(&digest, &b.node_sig, &own->node_key), BASE_OK);
    assert_int_equal(base_ecdsa_verify(&digest, &b.proof_sig, &own->proof_key), BASE_OK);
    json_decref(body);
}

static void test_each_field_is_needed(void **state)
{
    static const char *const names[] = {"token", "owner", "issued_block", "issued_block_hash",
                                        "not_after"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct node_bundle b;
        json_t *body = wish("");
        json_object_del(body, names[i]);
        assert_int_equal(answer(&b, body), BASE_EINVAL);
        assert_int_equal(strncmp(why, names[i], strlen(names[i])), 0);
        json_object_set_new(body, names[i], json_true());
        assert_int_equal(answer(&b, body), BASE_EINVAL);
        json_decref(body);
    }
}

static void test_typed_data_there_and_back(void **state)
{
    struct node_bundle cases[2], back;
    (void)state;
    mesh_fixture_bundle(&f, &cases[0], &f.nodes[0].identity.keys, 101);
    mesh_fixture_revocation(&f, &cases[1], 1, 101);
    for (size_t i = 0; i < 2; i++) {
        struct base_buf text;
        base_buf_init(&text, NODE_AUTHORISE_BYTES_MAX);
        node_authorise_print(&text, FIXTURE_CHAIN_ID, &f.head.contract, &cases[i]);
        assert_false(text.failed);
        assert_int_equal(node_authorise_read(&back, FIXTURE_CHAIN_ID, &f.head.contract, text.data,
                                             text.len, why),
                         BASE_OK);
        assert_true(node_bundle_equal(&back, &cases[i]));
        assert_int_equal(node_authorise_read(&back, 1, &f.head.contract, text.data, text.len, why),
                         BASE_EINVAL);
        assert_int_equal(
            node_authorise_read(&back, FIXTURE_CHAIN_ID, &f.kms_root, text.data, text.len, why),
            BASE_EINVAL);
        assert_true(node_authorise_read(&back, FIXTURE_CHAIN_ID, &f.head.contract, text.data,
                                        text.len - 3, why) != BASE_OK);
        base_buf_deinit(&text);
    }
}

static void test_only_the_owners_signature(void **state)
{
    struct node_bundle b;
    const struct base_eip712_domain *domain = &f.prototype.world.domain;
    (void)state;
    mesh_fixture_bundle(&f, &b, &f.nodes[0].identity.keys, 101);
    struct base_sig65 good = b.owner_sig, bad = signed_by(&b, 2);
    memset(&b.owner_sig, 0, sizeof b.owner_sig);
    assert_int_equal(node_authorise_sign(&b, domain, &bad), BASE_ESIG);
    bad = good;
    bad.bytes[10] ^= 1;
    assert_int_equal(node_authorise_sign(&b, domain, &bad), BASE_ESIG);
    assert_true(base_is_zero(b.owner_sig.bytes, sizeof b.owner_sig.bytes));
    bad = good;
    bad.bytes[64] = (uint8_t)(bad.bytes[64] + 27); /* as wallets write it */
    assert_int_equal(node_authorise_sign(&b, domain, &bad), BASE_OK);
    assert_memory_equal(b.owner_sig.bytes, good.bytes, sizeof good.bytes);
}

static void test_a_bundle_in_hex_is_whole(void **state)
{
    static const char *const bad[] = {"{}", "{\"bundle\":7}", "{\"bundle\":\"\"}",
                                      "{\"bundle\":\"0102\"}", "{\"bundle\":\"zz\"}"};
    struct node_bundle b;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *body = parse(bad[i]);
        assert_int_equal(node_authorise_bundle(&b, body, why, sizeof why), BASE_EINVAL);
        json_decref(body);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_both_parts_make_one_that_counts),
        CASE(test_a_node_signs_for_itself_only),
        CASE(test_each_field_is_needed),
        CASE(test_typed_data_there_and_back),
        CASE(test_only_the_owners_signature),
        CASE(test_a_bundle_in_hex_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
