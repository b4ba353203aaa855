/* What the contract says besides seats: asked by block hash, believed by votes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "node/contract_info.h"

#define WORD(last) "0x00000000000000000000000000000000000000000000000000000000000000" last
#define OWNER      "0x000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266"

struct reply {
    const char *results[NODE_CONTRACT_INFO_CALLS]; /* NULL: an error object */
};
static const struct reply honest = {
    {OWNER, WORD("64"), WORD("07"), WORD("01"), WORD("00"), WORD("00")}};

static int parse(struct node_contract_info *out, const struct reply *reply)
{
    char text[4096] = "[";
    size_t len = 1;
    for (size_t i = 0; i < NODE_CONTRACT_INFO_CALLS; i++) {
        const char *result = reply->results[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s{\"jsonrpc\":\"2.0\",\"id\":%zu,",
                                i > 0 ? "," : "", i + 5);
        if (result != NULL)
            len += (size_t)snprintf(text + len, sizeof text - len, "\"result\":\"%s\"}", result);
        else
            len += (size_t)snprintf(text + len, sizeof text - len,
                                    "\"error\":{\"code\":3,\"message\":\"execution reverted\"}}");
    }
    len += (size_t)snprintf(text + len, sizeof text - len, "]");
    return node_contract_info_parse(out, text, len, 5);
}

static void test_asked_by_block_hash(void **state)
{
    struct chain_rpc_request request;
    struct base_eth_address contract = {{0x11}};
    struct base_hash32 hash = {{0xab}};
    (void)state;
    chain_rpc_request_init(&request, 1);
    node_contract_info_ask(&request, &contract, &hash);
    struct base_slice body = chain_rpc_request_finish(&request);
    char text[8192];
    assert_true(body.len < sizeof text);
    memcpy(text, body.data, body.len);
    text[body.len] = '\0';
    static const char *const selectors[] = {"0x8da5cb5b", "0x18160ddd"}; /* owner, totalSupply */
    for (size_t i = 0; i < 2; i++)
        assert_non_null(strstr(text, selectors[i]));
    size_t hashes = 0;
    for (const char *at = text; (at = strstr(at, "0xab000000")) != NULL; at++)
        hashes++;
    assert_int_equal(hashes, NODE_CONTRACT_INFO_CALLS);
    assert_null(strstr(text, "latest"));
    chain_rpc_request_deinit(&request);
}

static void test_values(void **state)
{
    struct node_contract_info info;
    uint64_t small;
    (void)state;
    assert_int_equal(parse(&info, &honest), BASE_OK);
    assert_true(info.has_owner && info.has_max_nodes && info.has_total_supply);
    assert_true(info.has_public_minting && info.has_mint_price && info.has_dev_mode);
    assert_int_equal(info.owner.bytes[0], 0xf3);
    assert_int_equal(base_u256_to_u64(&small, &info.max_nodes), BASE_OK);
    assert_int_equal(small, 100);
    assert_true(info.public_minting);
    assert_false(info.dev_mode);
}

/* What the contract has not, or says in another form, is unknown: never a zero. */
static void test_what_is_missing_is_unknown(void **state)
{
    static const char *const strange[] = {NULL, "0x", "0x00", WORD("0000"), WORD("02"), OWNER};
    struct node_contract_info info;
    (void)state;
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        struct reply reply = honest;
        reply.results[3] = strange[i];
        assert_int_equal(parse(&info, &reply), BASE_OK);
        assert_false(info.has_public_minting);
        assert_true(info.has_dev_mode);
    }
    struct reply dirty = honest;
    dirty.results[0] = WORD("01"); /* an address all the same */
    assert_int_equal(parse(&info, &dirty), BASE_OK);
    dirty.results[0] = "0xff0000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    assert_int_equal(parse(&info, &dirty), BASE_OK);
    assert_false(info.has_owner);
}

/* An endpoint that cannot tell the supply has not answered at all. */
static void test_no_answer(void **state)
{
    struct node_contract_info info;
    struct reply reply = honest;
    (void)state;
    reply.results[2] = NULL;
    assert_int_equal(parse(&info, &reply), BASE_EREMOTE);
    assert_int_not_equal(node_contract_info_parse(&info, "[]", 2, 5), BASE_OK);
    assert_int_not_equal(node_contract_info_parse(&info, "", 0, 5), BASE_OK);
    assert_int_not_equal(node_contract_info_parse(&info, "{\"error\":1}", 11, 5), BASE_OK);
    static const char foreign[] = "[{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":\"0x\"}]";
    assert_int_not_equal(node_contract_info_parse(&info, foreign, sizeof foreign - 1, 5), BASE_OK);
}

static void test_votes(void **state)
{
    struct node_contract_votes votes = {.count = 0};
    struct node_contract_info truth, lie, out;
    (void)state;
    assert_int_equal(parse(&truth, &honest), BASE_OK);
    lie = truth;
    lie.owner.bytes[0] ^= 1;
    node_contract_votes_put(&votes, 1, &lie);
    assert_false(node_contract_votes_agreed(&out, &votes, 2));
    node_contract_votes_put(&votes, 1, &lie); /* a second endpoint of the same host */
    assert_false(node_contract_votes_agreed(&out, &votes, 2));
    node_contract_votes_put(&votes, 2, &truth);
    assert_false(node_contract_votes_agreed(&out, &votes, 2));
    node_contract_votes_put(&votes, 3, &truth);
    assert_true(node_contract_votes_agreed(&out, &votes, 2));
    assert_true(node_contract_info_equal(&out, &truth));
    for (uint32_t i = 0; i < 40; i++) /* no more than there is room for */
        node_contract_votes_put(&votes, i, &lie);
    assert_int_equal(votes.count, NODE_CONTRACT_INFO_ANSWERS_MAX);
}

/* Each field counts in what makes two answers equal. */
static void test_equality(void **state)
{
    struct node_contract_info a, b;
    (void)state;
    for (size_t i = 0; i < NODE_CONTRACT_INFO_CALLS; i++) {
        struct reply other = honest;
        if (i != 2) { /* without a supply there is no answer */
            other.results[i] = NULL;
            assert_int_equal(parse(&a, &honest), BASE_OK);
            assert_int_equal(parse(&b, &other), BASE_OK);
            assert_false(node_contract_info_equal(&a, &b));
        }
        other.results[i] = i == 3 ? WORD("00") : WORD("01");
        assert_int_equal(parse(&a, &honest), BASE_OK);
        assert_int_equal(parse(&b, &other), BASE_OK);
        assert_false(node_contract_info_equal(&a, &b));
    }
}

static void test_json(void **state)
{
    struct node_contract_frame frame = {.chain_id = 31337, .block = 9, .kind = "nftmesh"};
    struct node_contract_info info;
    struct base_buf out;
    (void)state;
    assert_int_equal(parse(&info, &honest), BASE_OK);
    base_buf_init(&out, 4096);
    node_contract_info_json(&out, &frame, &info, NULL);
    assert_string_equal(
        out.data, "{\"contract_address\":\"0x0000000000000000000000000000000000000000\","
                  "\"chain_id\":31337,\"kind\":\"nftmesh\","
                  "\"owner\":\"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\","
                  "\"kms_root_address\":\"0x0000000000000000000000000000000000000000\","
                  "\"max_nodes\":100,\"total_supply\":7,\"public_minting\":true,\"mint_price\":0,"
                  "\"dev_mode\":false,\"block\":9}");
    base_buf_clear(&out);
    node_contract_info_json(&out, &frame, NULL, "why");
    assert_non_null(strstr(out.data, "{\"detail\":\"why\",\"contract_address\""));
    assert_non_null(strstr(out.data, "\"owner\":null"));
    assert_non_null(strstr(out.data, "\"max_nodes\":null,\"total_supply\":null"));
    assert_non_null(strstr(out.data, "\"dev_mode\":null,\"block\":9}"));
    base_buf_deinit(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked_by_block_hash),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_what_is_missing_is_unknown),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_votes),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests_name("node_contract_info", tests, NULL, NULL);
}
