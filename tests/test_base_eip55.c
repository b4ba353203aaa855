/* Ethereum addresses as text: EIP-55's mixed-case check sum, written and demanded. */
#include "json_vectors.h"

#include <ctype.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

static void test_format_and_parse(void **state)
{
    const char *checksummed = json_vectors_string(*state, "checksummed");
    struct base_eth_address want, addr;
    char text[BASE_ADDRESS_TEXT_BYTES];
    json_vectors_hex(want.bytes, 20, *state, "lower");
    base_address_format(text, &want);
    assert_string_equal(text, checksummed);
    assert_int_equal(base_address_parse(&addr, checksummed), BASE_OK);
    assert_memory_equal(addr.bytes, want.bytes, 20);
    assert_int_equal(base_address_parse(&addr, json_vectors_string(*state, "lower")), BASE_OK);
    assert_memory_equal(addr.bytes, want.bytes, 20);
    for (size_t i = 2; i < 42; i++)
        text[i] = (char)toupper((unsigned char)text[i]);
    assert_int_equal(base_address_parse(&addr, text), BASE_OK);
    assert_memory_equal(addr.bytes, want.bytes, 20);
}

/* Each letter alone decides: turn one over and the text is refused, as long as both cases stay. */
static void test_one_letter_turned(void **state)
{
    char text[BASE_ADDRESS_TEXT_BYTES];
    struct base_eth_address addr;
    strcpy(text, json_vectors_string(*state, "checksummed"));
    for (size_t i = 2; i < 42; i++) {
        if (!isalpha((unsigned char)text[i])) continue;
        text[i] ^= 0x20;
        bool lower = strpbrk(text + 2, "abcdef") != NULL;
        bool upper = strpbrk(text + 2, "ABCDEF") != NULL;
        assert_int_equal(base_address_parse(&addr, text),
                         lower && upper ? BASE_EMALFORMED : BASE_OK);
        text[i] ^= 0x20;
    }
}

static void test_refused(void **state)
{
    struct base_eth_address addr;
    assert_int_equal(base_address_parse(&addr, json_string_value(*state)), BASE_EMALFORMED);
}

static void test_form_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "0x",
        "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",     /* no prefix */
        "0X5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",   /* another prefix */
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae",    /* a digit short */
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1bea",     /* a byte short */
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed00", /* a byte long */
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg",   /* no digit */
        " 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed ",
        "0x 5aaeb6053f3e94c9b9a09f33669435e7ef1beae",
    };
    struct base_eth_address addr;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(base_address_parse(&addr, bad[i]), BASE_EMALFORMED);
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *root = json_vectors_load("eip55.json");
    const json_t *vectors = json_vectors_array(root, "vectors");
    const json_t *rejects = json_vectors_array(root, "reject");
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        const json_t *vector = json_array_get(vectors, i);
        const char *name = json_vectors_string(vector, "checksummed");
        json_vectors_add(&tests, test_format_and_parse, vector, "%s", name);
        json_vectors_add(&tests, test_one_letter_turned, vector, "%s, a letter turned", name);
    }
    for (size_t i = 0; i < json_array_size(rejects); i++)
        json_vectors_add(&tests, test_refused, json_array_get(rejects, i), "refused: %s",
                         json_string_value(json_array_get(rejects, i)));
    json_vectors_add(&tests, test_form_refused, NULL, "refused forms");
    int failures = json_vectors_run(&tests, "eip55", NULL);
    json_decref(root);
    return failures;
}
