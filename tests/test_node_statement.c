/* What an owner signs elsewhere: the typed data of the vectors, digest for digest; and whatever is
 * not such a file has a sentence of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "json_vectors.h"
#include "node/statement.h"

static char why[NODE_STATEMENT_WHY_BYTES];

/* The vector of that name: domain, primaryType, message, digest. */
static json_t *vector(const char *name)
{
    json_t *root = json_vectors_load("eip712.json"), *found = NULL;
    const json_t *cases = json_vectors_array(root, "cases");
    for (size_t i = 0; i < json_array_size(cases) && found == NULL; i++)
        if (strcmp(json_vectors_string(json_array_get(cases, i), "name"), name) == 0)
            found = json_deep_copy(json_array_get(cases, i));
    json_decref(root);
    assert_non_null(found);
    return found;
}

static json_t *digits(size_t bytes, const char *digit)
{
    char text[200];
    for (size_t i = 0; i < 2 * bytes; i++)
        text[i] = digit[0];
    text[2 * bytes] = '\0';
    return json_string(text);
}

/* The vector as a file of ours. */
static json_t *file_of(const char *name)
{
    json_t *file = vector(name), *rest = json_object();
    json_object_set_new(rest, "form", json_integer(1));
    json_object_set_new(rest, "owner", json_string("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    static const struct {
        const char *name;
        size_t bytes;
    } members[] = {{"node_xy", 64}, {"proof_xy", 64}, {"app_xy", 64},   {"app_id", 20},
                   {"app_sig", 65}, {"kms_sig", 65},  {"node_sig", 65}, {"proof_sig", 65}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        json_object_set_new(rest, members[i].name, digits(members[i].bytes, "0"));
    json_object_set_new(file, "nftmesh", rest);
    return file;
}

static int decode(struct node_statement *out, const json_t *file)
{
    char *text = json_dumps(file, 0);
    assert_non_null(text);
    why[0] = '\0';
    int rv = node_statement_decode(out, text, strlen(text), why);
    free(text);
    return rv;
}

static void assert_digest(const char *name)
{
    struct node_statement s;
    struct base_hash32 digest;
    char hex[65];
    json_t *file = file_of(name);
    if (decode(&s, file) != BASE_OK) fail_msg("%s", why);
    node_statement_digest(&digest, &s);
    base_hex_encode(hex, digest.bytes, sizeof digest.bytes);
    const char *wanted = json_vectors_string(file, "digest");
    assert_string_equal(hex, strncmp(wanted, "0x", 2) == 0 ? wanted + 2 : wanted);
    json_decref(file);
}

static void test_digests_are_the_vectors(void **state)
{
    (void)state;
    assert_digest("Binding");
    assert_digest("Renewal");
}

/* What is written has the vectors' types and reads back the same. */
static void test_written_and_read_again(void **state)
{
    (void)state;
    static const char *const names[] = {"Binding", "Renewal"};
    json_t *root = json_vectors_load("eip712.json");
    for (size_t i = 0; i < 2; i++) {
        struct node_statement s, again;
        struct base_hash32 first, second;
        struct base_buf text;
        json_t *file = file_of(names[i]);
        assert_int_equal(decode(&s, file), BASE_OK);
        base_buf_init(&text, NODE_STATEMENT_BYTES_MAX);
        node_statement_encode(&text, &s);
        json_t *written = json_loadb(text.data, text.len, 0, NULL);
        assert_non_null(written);
        const json_t *types = json_object_get(written, "types");
        const json_t *wanted =
            json_object_get(json_object_get(json_object_get(root, "types"), names[i]), "fields");
        assert_true(json_equal(json_object_get(types, names[i]), wanted));
        assert_int_equal(json_array_size(json_object_get(types, "EIP712Domain")), 4);
        assert_string_equal(json_vectors_string(written, "primaryType"), names[i]);
        assert_int_equal(node_statement_decode(&again, text.data, text.len, why), BASE_OK);
        node_statement_digest(&first, &s);
        node_statement_digest(&second, &again);
        assert_true(base_hash32_equal(&first, &second));
        assert_memory_equal(&s.args, &again.args, sizeof s.args);
        assert_true(base_address_equal(&s.owner, &again.owner));
        json_decref(written);
        json_decref(file);
        base_buf_deinit(&text);
    }
    json_decref(root);
}

/* One member changed or taken out, and what is said. */
static void test_files_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *place, *name, *value, *words;
    } lies[] = {
        {NULL, "primaryType", "\"Hello\"", "primaryType"},
        {NULL, "primaryType", NULL, "primaryType is missing"},
        {NULL, "domain", NULL, "statement.domain is missing"},
        {NULL, "message", "[]", "statement.message"},
        {NULL, "nftmesh", NULL, "statement.nftmesh is missing"},
        {"domain", "name", "\"other\"", "domain.name"},
        {"domain", "version", "\"2\"", "domain.version"},
        {"domain", "chainId", "-1", "domain.chainId"},
        {"domain", "chainId", "\"18446744073709551616\"", "domain.chainId"},
        {"domain", "verifyingContract", "\"0x00\"", "domain.verifyingContract"},
        {"message", "tokenId", "\"x\"", "message.tokenId"},
        {"message", "owner", "7", "message.owner"},
        {"message", "instance", NULL, "message.instance is missing"},
        {"message", "nodeKey", "\"0x02\"", "message.nodeKey"},
        {"message", "proofKey", NULL, "message.proofKey"},
        {"message", "url", "7", "message.url"},
        {"message", "nonce", "\"-1\"", "message.nonce"},
        {"message", "expiresAt", NULL, "message.expiresAt"},
        {"message", "deadline", "1.5", "message.deadline"},
        {"nftmesh", "form", "2", "nftmesh.form"},
        {"nftmesh", "owner", "\"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\"", "nftmesh.owner"},
        {"nftmesh", "node_xy", "\"00\"", "nftmesh.node_xy"},
        {"nftmesh", "app_id", NULL, "nftmesh.app_id"},
        {"nftmesh", "proof_sig", "\"\"", "nftmesh.proof_sig"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct node_statement s;
        json_t *file = file_of("Binding");
        json_t *at = lies[i].place == NULL ? file : json_object_get(file, lies[i].place);
        json_object_del(at, lies[i].name);
        if (lies[i].value != NULL)
            json_object_set_new(at, lies[i].name, json_loads(lies[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(decode(&s, file), BASE_EMALFORMED);
        if (strstr(why, lies[i].words) == NULL) fail_msg("%s is not in: %s", lies[i].words, why);
        assert_int_equal(s.kind, NODE_STATEMENT_NONE);
        json_decref(file);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct node_statement s;
    char url[CHAIN_URL_BYTES_MAX + 2];
    json_t *file = file_of("Binding");
    memset(url, 'a', sizeof url);
    url[CHAIN_URL_BYTES_MAX] = '\0';
    json_object_set_new(json_object_get(file, "message"), "url", json_string(url));
    assert_int_equal(decode(&s, file), BASE_OK);
    url[CHAIN_URL_BYTES_MAX] = 'a';
    url[CHAIN_URL_BYTES_MAX + 1] = '\0';
    json_object_set_new(json_object_get(file, "message"), "url", json_string(url));
    assert_int_equal(decode(&s, file), BASE_ETOOBIG);
    json_decref(file);
    /* A v of 27 is the contract's form, not ours. */
    file = file_of("Binding");
    char sig[131];
    memset(sig, '0', 130);
    memcpy(sig + 128, "1b", 3);
    json_object_set_new(json_object_get(file, "nftmesh"), "node_sig", json_string(sig));
    assert_int_equal(decode(&s, file), BASE_EMALFORMED);
    json_decref(file);
    static char large[NODE_STATEMENT_BYTES_MAX + 1];
    memset(large, ' ', sizeof large);
    assert_int_equal(node_statement_decode(&s, large, sizeof large, why), BASE_ETOOBIG);
    assert_int_equal(node_statement_decode(&s, "{", 1, why), BASE_EMALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_are_the_vectors),
        cmocka_unit_test(test_written_and_read_again),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
