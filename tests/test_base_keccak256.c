/* Keccak-256 against published answers, and against its nearest mistake: SHA3-256. */
#include "json_vectors.h"

#include <stdlib.h>

#include "base/keccak256.h"

static void test_vector(void **state)
{
    const json_t *vector = *state;
    struct base_hash32 want, sha3, got;
    size_t len;
    uint8_t *msg = json_vectors_hex_new(&len, vector, "msg");
    json_vectors_hex(want.bytes, 32, vector, "keccak256");
    json_vectors_hex(sha3.bytes, 32, vector, "sha3_256_for_contrast");
    assert_int_equal(len, json_vectors_u64(vector, "len"));
    base_keccak256(&got, msg, len);
    assert_memory_equal(got.bytes, want.bytes, 32);
    assert_memory_not_equal(got.bytes, sha3.bytes, 32);
    free(msg);
}

/* However the message is cut into updates, the hash is the same. */
static void test_cut_anywhere(void **state)
{
    uint8_t msg[300];
    struct base_hash32 whole, parts;
    struct base_keccak256 k;
    (void)state;
    for (size_t i = 0; i < sizeof msg; i++)
        msg[i] = (uint8_t)(i * 7);
    base_keccak256(&whole, msg, sizeof msg);
    for (size_t cut = 0; cut <= sizeof msg; cut++) {
        base_keccak256_init(&k);
        base_keccak256_update(&k, msg, cut);
        base_keccak256_update(&k, msg + cut, sizeof msg - cut);
        base_keccak256_final(&k, &parts);
        assert_memory_equal(parts.bytes, whole.bytes, 32);
    }
}

static void test_no_bytes_may_be_null(void **state)
{
    struct base_hash32 a, b;
    (void)state;
    base_keccak256(&a, NULL, 0);
    base_keccak256(&b, "", 0);
    assert_memory_equal(a.bytes, b.bytes, 32);
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *root = json_vectors_load("keccak256.json");
    const json_t *vectors = json_vectors_array(root, "vectors");
    size_t i;
    json_t *vector;
    json_array_foreach((json_t *)vectors, i, vector)
        json_vectors_add(&tests, test_vector, vector, "vectors[%zu] of %llu bytes", i,
                         (unsigned long long)json_vectors_u64(vector, "len"));
    json_vectors_add(&tests, test_cut_anywhere, NULL, "cut anywhere");
    json_vectors_add(&tests, test_no_bytes_may_be_null, NULL, "no bytes may be NULL");
    int failures = json_vectors_run(&tests, "keccak256", NULL);
    json_decref(root);
    return failures;
}
