#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "chain/contract.h"
#include "chain/prototype.h"
#include "json_vectors.h"

/* Calldata and return data of the prototype's contract, against ethers' and viem's (abi.json), and
 * Multicall3's by hand. */

static struct base_eth_address address_of(const char *hex)
{
    struct base_eth_address out;
    assert_int_equal(base_hex_decode_0x(out.bytes, sizeof out.bytes, hex), BASE_OK);
    return out;
}

static const char instance_hex[] = "c52576d8089b7b89edef22555fa4c0996fa50a78";

/* ---- calls ---- */

static struct base_buf begin(void)
{
    struct base_buf buf;
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    return buf;
}

static void expect_hex(struct base_buf *buf, const char *hex)
{
    char *text = malloc(2 * buf->len + 1);
    assert_non_null(text);
    assert_false(buf->failed);
    base_hex_encode(text, buf->data, buf->len);
    assert_string_equal(text, strncmp(hex, "0x", 2) == 0 ? hex + 2 : hex);
    free(text);
    base_buf_deinit(buf);
}

static void take_hex(void *out, size_t len, const json_t *args, size_t index)
{
    assert_int_equal(base_hex_decode_0x(out, len, json_string_value(json_array_get(args, index))),
                     BASE_OK);
}

/* Those of the vectors whose fields have the one size that the product writes. */
static void test_register_peer(void **state)
{
    const json_t *call = *state, *args = json_vectors_array(call, "args");
    struct base_buf buf = begin();
    struct chain_prototype_peer peer = {.instance =
                                            address_of(json_string_value(json_array_get(args, 0))),
                                        .url = json_string_value(json_array_get(args, 5)),
                                        .purpose = json_string_value(json_array_get(args, 6))};
    uint8_t app_id[32];
    take_hex(peer.derived_key.bytes, sizeof peer.derived_key.bytes, args, 1);
    take_hex(peer.app_key.bytes, sizeof peer.app_key.bytes, args, 2);
    take_hex(peer.app_sig.bytes, sizeof peer.app_sig.bytes, args, 3);
    take_hex(peer.kms_sig.bytes, sizeof peer.kms_sig.bytes, args, 4);
    take_hex(app_id, sizeof app_id, args, 7);
    memcpy(peer.app_id.bytes, app_id, sizeof peer.app_id.bytes);
    chain_prototype_call_register_peer(&buf, &peer);
    expect_hex(&buf, json_vectors_string(call, "calldata"));
}

static const char *calldata(const json_t *abi, const char *function, size_t which)
{
    const json_t *calls = json_vectors_array(abi, "calls");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        if (strcmp(json_vectors_string(call, "function"), function) == 0 && which-- == 0)
            return json_vectors_string(call, "calldata");
    }
    fail_msg("no call of %s", function);
    return NULL;
}

static void test_other_calls(void **state)
{
    const json_t *abi = *state;
    struct base_eth_address instance = address_of(instance_hex),
                            wallet = address_of("8269E57E82933BBfAbbB3840439F95593D3F42a2");
    struct base_u256 one = base_u256_from_u64(1), most;
    memset(most.bytes, 0xff, sizeof most.bytes);
    struct base_buf buf = begin();
    chain_prototype_call_register_instance(&buf, &instance);
    expect_hex(&buf, calldata(abi, "registerInstance(string)", 0));
    buf = begin();
    chain_prototype_call_wallet_to_token(&buf, &wallet);
    expect_hex(&buf, calldata(abi, "walletToTokenId(address)", 0));
    buf = begin();
    chain_prototype_call_owner_of(&buf, &one);
    expect_hex(&buf, calldata(abi, "ownerOf(uint256)", 0));
    buf = begin();
    chain_prototype_call_owner_of(&buf, &most);
    expect_hex(&buf, calldata(abi, "ownerOf(uint256)", 1));
}

/* A call's selector is the vectors', and its argument the instance's text or the number one. */
#define TEXT_ARGUMENT                                                                              \
    "0000000000000000000000000000000000000000000000000000000000000020"                             \
    "0000000000000000000000000000000000000000000000000000000000000028"                             \
    "6335323537366438303839623762383965646566323235353566613463303939"                             \
    "3666613530613738000000000000000000000000000000000000000000000000"
#define ONE "0000000000000000000000000000000000000000000000000000000000000001"

static void expect_call(const json_t *abi, struct base_buf *buf, const char *signature,
                        const char *arguments)
{
    char text[1024];
    const json_t *list = json_vectors_array(abi, "selectors_seed");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *s = json_array_get(list, i);
        if (strcmp(json_vectors_string(s, "signature"), signature) != 0) continue;
        snprintf(text, sizeof text, "%s%s", json_vectors_string(s, "selector"), arguments);
        expect_hex(buf, text);
        *buf = begin();
        return;
    }
    fail_msg("no selector of %s", signature);
}

static void test_selectors(void **state)
{
    const json_t *abi = *state;
    struct base_eth_address instance = address_of(instance_hex);
    struct base_u256 one = base_u256_from_u64(1);
    struct base_buf buf = begin();
    chain_prototype_call_kms_root(&buf);
    expect_call(abi, &buf, "kmsRootAddress()", "");
    chain_prototype_call_total_supply(&buf);
    expect_call(abi, &buf, "totalSupply()", "");
    chain_abi_call(&buf, "maxNodes()");
    expect_call(abi, &buf, "maxNodes()", "");
    chain_prototype_call_public_minting(&buf);
    expect_call(abi, &buf, "publicMinting()", "");
    chain_prototype_call_mint_price(&buf);
    expect_call(abi, &buf, "mintPrice()", "");
    chain_prototype_call_dev_mode(&buf);
    expect_call(abi, &buf, "devMode()", "");
    chain_abi_call(&buf, "owner()");
    expect_call(abi, &buf, "owner()", "");
    chain_prototype_call_token_to_instance(&buf, &one);
    expect_call(abi, &buf, "tokenToInstance(uint256)", ONE);
    chain_prototype_call_active_instances(&buf, &instance);
    expect_call(abi, &buf, "activeInstances(string)", TEXT_ARGUMENT);
    chain_prototype_call_instance_to_url(&buf, &instance);
    expect_call(abi, &buf, "instanceToConnectionUrl(string)", TEXT_ARGUMENT);
    chain_prototype_call_deactivate(&buf, &instance);
    expect_call(abi, &buf, "deactivateInstance(string)", TEXT_ARGUMENT);
    base_buf_deinit(&buf);
}

/* mintNodeAccess takes an address and a text that means nothing: none, or the instance's. */
static void test_mint(void **state)
{
    const json_t *abi = *state;
    struct base_eth_address to = address_of("0000000000000000000000000000000000000001"),
                            instance = address_of(instance_hex);
    struct base_buf buf = begin();
    chain_prototype_call_mint(&buf, &to, NULL);
    expect_call(abi, &buf, "mintNodeAccess(address,string)",
                ONE "0000000000000000000000000000000000000000000000000000000000000040"
                    "0000000000000000000000000000000000000000000000000000000000000000");
    chain_prototype_call_mint(&buf, &to, &instance);
    expect_call(abi, &buf, "mintNodeAccess(address,string)",
                ONE "0000000000000000000000000000000000000000000000000000000000000040"
                    "0000000000000000000000000000000000000000000000000000000000000028"
                    "6335323537366438303839623762383965646566323235353566613463303939"
                    "3666613530613738000000000000000000000000000000000000000000000000");
    base_buf_deinit(&buf);
}

/* ---- return data ---- */

static struct base_slice returndata(uint8_t bytes[4096], const json_t *abi, const char *function)
{
    const json_t *list = json_vectors_array(abi, "returns");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *r = json_array_get(list, i);
        size_t len;
        if (strcmp(json_vectors_string(r, "function"), function) != 0) continue;
        assert_int_equal(
            base_hex_decode_var(bytes, &len, 4096, json_vectors_string(r, "returndata")), BASE_OK);
        return (struct base_slice){.data = bytes, .len = len};
    }
    fail_msg("no return of %s", function);
    return (struct base_slice){0};
}

static void test_returns(void **state)
{
    const json_t *abi = *state;
    uint8_t bytes[4096];
    struct base_eth_address address;
    bool flag = false;
    struct base_slice data = returndata(bytes, abi, "tokenToInstance(uint256)");
    assert_int_equal(chain_prototype_decode_instance(&address, data.data, data.len), BASE_OK);
    assert_false(base_is_zero(address.bytes, sizeof address.bytes));
    assert_int_equal(chain_prototype_decode_instance(&address, data.data, data.len - 1),
                     BASE_EMALFORMED);
    data = returndata(bytes, abi, "activeInstances(string)");
    assert_int_equal(chain_contract_decode_bool(&flag, data.data, data.len), BASE_OK);
    assert_true(flag);
    bytes[31] = 2;
    assert_int_equal(chain_contract_decode_bool(&flag, data.data, data.len), BASE_EMALFORMED);
    assert_int_equal(chain_contract_decode_bool(&flag, data.data, 0), BASE_EMALFORMED);
    data = returndata(bytes, abi, "kmsRootAddress()");
    assert_int_equal(chain_contract_decode_address(&address, data.data, data.len), BASE_OK);
}

static struct base_slice text_return(struct base_buf *buf, const char *text, size_t len)
{
    struct chain_abi_writer w;
    base_buf_clear(buf);
    chain_abi_writer_init(&w, 1);
    chain_abi_put_bytes(&w, text, len);
    assert_int_equal(chain_abi_writer_finish(&w, buf), BASE_OK);
    return (struct base_slice){.data = (const uint8_t *)buf->data, .len = buf->len};
}

static void test_instance_has_one_spelling(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "c52576d8089b7b89edef22555fa4c0996fa50a7",
                                         "c52576d8089b7b89edef22555fa4c0996fa50a780",
                                         "C52576D8089B7B89EDEF22555FA4C0996FA50A78",
                                         "c52576d8089b7b89edef22555fa4c0996fa50a7G",
                                         "0xc52576d8089b7b89edef22555fa4c0996fa50a",
                                         "c52576d8089b7b89edef22555fa4c0996fa50a7 ",
                                         "the counter's third machine, in the rack"};
    struct base_buf buf = begin();
    struct base_eth_address got, wanted = address_of(instance_hex);
    struct base_slice data = text_return(&buf, instance_hex, 40);
    assert_int_equal(chain_prototype_decode_instance(&got, data.data, data.len), BASE_OK);
    assert_memory_equal(&got, &wanted, sizeof got);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        data = text_return(&buf, others[i], strlen(others[i]));
        assert_int_equal(chain_prototype_decode_instance(&got, data.data, data.len), BASE_OK);
        assert_true(base_is_zero(got.bytes, sizeof got.bytes));
    }
    base_buf_deinit(&buf);
}

static void test_url_is_bounded(void **state)
{
    (void)state;
    struct base_buf buf = begin();
    char text[CHAIN_URL_BYTES_MAX + 2], url[CHAIN_URL_BYTES_MAX + 1];
    size_t len;
    bool too_long;
    memset(text, 'u', sizeof text);
    struct base_slice data = text_return(&buf, text, CHAIN_URL_BYTES_MAX);
    assert_int_equal(chain_prototype_decode_url(url, &len, &too_long, data.data, data.len),
                     BASE_OK);
    assert_int_equal(len, CHAIN_URL_BYTES_MAX);
    assert_int_equal(strlen(url), CHAIN_URL_BYTES_MAX);
    assert_false(too_long);
    data = text_return(&buf, text, CHAIN_URL_BYTES_MAX + 1);
    assert_int_equal(chain_prototype_decode_url(url, &len, &too_long, data.data, data.len),
                     BASE_OK);
    assert_true(too_long);
    assert_int_equal(len, 0);
    assert_string_equal(url, "");
    assert_int_equal(chain_prototype_decode_url(url, &len, &too_long, data.data, data.len - 32),
                     BASE_EMALFORMED);
    assert_false(too_long);
    base_buf_deinit(&buf);
}

/* ---- Multicall3 ---- */

#define WORD(hex) "00000000000000000000000000000000000000000000000000000000000000" hex

static void test_aggregate_calldata(void **state)
{
    (void)state;
    struct base_eth_address to = address_of("1111111111111111111111111111111111111111");
    struct chain_multicall m;
    struct base_buf buf = begin(), call = begin();
    chain_multicall_call_block_number(&call);
    chain_multicall_init(&m, 2);
    chain_multicall_add(&m, &chain_multicall_address, call.data, call.len);
    base_buf_clear(&call);
    chain_multicall_call_last_block_hash(&call);
    chain_multicall_add(&m, &to, call.data, call.len);
    chain_multicall_finish(&m, &buf);
    base_buf_deinit(&call);
    expect_hex(
        &buf,
        "82ad56cb" WORD("20") WORD("02") WORD("40") WORD(
            "e0") "000000000000000000000000ca11bde05977b3631167028862be2a173976ca11" WORD("01")
            WORD("60") WORD(
                "04") "42cbb15c00000000000000000000000000000000000000000000000000000000"
                      "0000000000000000000000001111111111111111111111111111111111111111" WORD("01")
                          WORD("60") WORD("04") "27e86d6e000000000000000000000000000000000000000000"
                                                "00000000000000");
}

static void test_aggregate_without_room_fails(void **state)
{
    (void)state;
    struct chain_multicall m;
    struct base_buf buf = begin();
    static const uint8_t call[40000];
    chain_multicall_init(&m, 2);
    chain_multicall_add(&m, &chain_multicall_address, call, sizeof call);
    chain_multicall_add(&m, &chain_multicall_address, call, sizeof call);
    chain_multicall_finish(&m, &buf);
    assert_true(buf.failed);
    base_buf_deinit(&buf);
}

static const char two_results[] = WORD("20") WORD("02") WORD("40") WORD("c0") WORD("01") WORD("40")
    WORD("20") WORD("2a") WORD("00") WORD("40")
        WORD("04") "7e27328900000000000000000000000000000000000000000000000000000000";

static int read_results(const uint8_t *data, size_t len, size_t count)
{
    struct chain_multicall_reply r;
    bool success;
    struct base_slice result;
    int rv = chain_multicall_reply_init(&r, data, len, count);
    for (size_t i = 0; rv == BASE_OK && i < count; i++)
        rv = chain_multicall_reply_next(&r, &success, &result);
    return rv == BASE_OK ? chain_multicall_reply_end(&r) : rv;
}

static void test_aggregate_results(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    size_t len;
    struct chain_multicall_reply r;
    bool success;
    struct base_slice result;
    assert_int_equal(base_hex_decode_var(bytes, &len, sizeof bytes, two_results), BASE_OK);
    assert_int_equal(chain_multicall_reply_init(&r, bytes, len, 2), BASE_OK);
    assert_int_equal(chain_multicall_reply_next(&r, &success, &result), BASE_OK);
    assert_true(success);
    assert_int_equal(result.len, 32);
    assert_int_equal(result.data[31], 42);
    assert_int_equal(chain_multicall_reply_next(&r, &success, &result), BASE_OK);
    assert_false(success);
    assert_int_equal(result.len, 4); /* why */
    assert_int_equal(chain_multicall_reply_end(&r), BASE_OK);
}

static void test_aggregate_results_are_exactly_as_many(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    size_t len;
    assert_int_equal(base_hex_decode_var(bytes, &len, sizeof bytes, two_results), BASE_OK);
    assert_int_equal(read_results(bytes, len, 2), BASE_OK);
    assert_int_equal(read_results(bytes, len, 3), BASE_EMALFORMED);
    assert_int_equal(read_results(bytes, len, 1), BASE_ETOOBIG);
    for (size_t cut = 0; cut < len; cut++)
        assert_true(read_results(bytes, cut, 2) < 0);
    assert_int_equal(read_results(bytes, len + 32, 2), BASE_EMALFORMED);
    bytes[32 * 4 + 31] = 2; /* neither success nor failure */
    assert_int_equal(read_results(bytes, len, 2), BASE_EMALFORMED);
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *abi = json_vectors_load("abi.json");
    const json_t *calls = json_vectors_array(abi, "calls");
    for (size_t i = 0; i < 4; i++)
        json_vectors_add(&tests, test_register_peer, json_array_get(calls, i), "registerPeer %zu",
                         i);
    json_vectors_add(&tests, test_other_calls, abi, "other calls");
    json_vectors_add(&tests, test_selectors, abi, "selectors");
    json_vectors_add(&tests, test_mint, abi, "mint");
    json_vectors_add(&tests, test_returns, abi, "returns");
    json_vectors_add(&tests, test_instance_has_one_spelling, NULL, "one spelling");
    json_vectors_add(&tests, test_url_is_bounded, NULL, "URL bound");
    json_vectors_add(&tests, test_aggregate_calldata, NULL, "aggregate3 calldata");
    json_vectors_add(&tests, test_aggregate_without_room_fails, NULL, "aggregate3 bound");
    json_vectors_add(&tests, test_aggregate_results, NULL, "aggregate3 results");
    json_vectors_add(&tests, test_aggregate_results_are_exactly_as_many, NULL,
                     "aggregate3 result count");
    int failed = json_vectors_run(&tests, "chain_prototype", NULL);
    json_decref(abi);
    return failed;
}
