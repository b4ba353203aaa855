/* The routes that make transactions: what they take, when they refuse, what they answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "node/wallet_work.h"

#define ADDRESS "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

static int read_body(struct node_wallet_ask *ask, enum node_wallet_work_kind kind, const char *text,
                     char why[256])
{
    json_t *body = json_loads(text, 0, NULL);
    assert_non_null(body);
    int rv = node_wallet_ask_read(ask, kind, body, why, 256);
    json_decref(body);
    return rv;
}

static void test_bodies(void **state)
{
    struct node_wallet_ask ask;
    char why[256];
    uint64_t small;
    (void)state;
    assert_int_equal(read_body(&ask, NODE_WALLET_WORK_REGISTER, "{}", why), BASE_OK);
    assert_false(ask.has_token || ask.has_to);
    assert_string_equal(ask.url, "");
    assert_int_equal(read_body(&ask, NODE_WALLET_WORK_REGISTER,
                               "{\"token\":7,\"url\":\"tcp://me.example:9470\"}", why),
                     BASE_OK);
    assert_true(ask.has_token);
    assert_int_equal(base_u256_to_u64(&small, &ask.token), BASE_OK);
    assert_int_equal(small, 7);
    assert_string_equal(ask.url, "tcp://me.example:9470");
    assert_int_equal(read_body(&ask, NODE_WALLET_WORK_REGISTER, "{\"token\":\"12\"}", why),
                     BASE_OK);
    assert_int_equal(base_u256_to_u64(&small, &ask.token), BASE_OK);
    assert_int_equal(small, 12);
    assert_int_equal(read_body(&ask, NODE_WALLET_WORK_MINT, "{\"to\":\"" ADDRESS "\"}", why),
                     BASE_OK);
    assert_true(ask.has_to);
    assert_int_equal(ask.to.bytes[0], 0xf3);
}

static void test_bodies_that_are_refused(void **state)
{
    static const struct {
        enum node_wallet_work_kind kind;
        const char *body, *why;
    } cases[] = {
        {NODE_WALLET_WORK_REGISTER, "{\"token\":-1}", "token must be"},
        {NODE_WALLET_WORK_REGISTER, "{\"token\":1.5}", "token must be"},
        {NODE_WALLET_WORK_REGISTER, "{\"token\":\"x\"}", "token must be"},
        {NODE_WALLET_WORK_REGISTER, "{\"token\":\"1e3\"}", "token must be"},
        {NODE_WALLET_WORK_REGISTER, "{\"token\":null}", "token must be"},
        {NODE_WALLET_WORK_REGISTER, "{\"url\":\"http://me.example:1\"}", "url is not a URL"},
        {NODE_WALLET_WORK_REGISTER, "{\"url\":\"tcp://0.0.0.0:1\"}", "url names no host"},
        {NODE_WALLET_WORK_REGISTER, "{\"url\":7}", "url must be"},
        {NODE_WALLET_WORK_REGISTER, "{\"to\":\"" ADDRESS "\"}", "nothing else"},
        {NODE_WALLET_WORK_REGISTER, "{\"private_key\":\"0x1\"}", "nothing else"},
        {NODE_WALLET_WORK_MINT, "{\"token\":1}", "nothing else"},
        {NODE_WALLET_WORK_MINT, "{\"to\":\"0x12\"}", "to must be"},
        {NODE_WALLET_WORK_MINT, "{\"to\":\"0x0000000000000000000000000000000000000000\"}",
         "to must be"},
        {NODE_WALLET_WORK_MINT, "{\"to\":\"0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266\"}",
         "to must be"}, /* a wrong check sum */
        {NODE_WALLET_WORK_MINT, "{\"to\":[]}", "to must be"},
    };
    struct node_wallet_ask ask;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[256] = "";
        assert_int_equal(read_body(&ask, cases[i].kind, cases[i].body, why), BASE_EINVAL);
        if (strstr(why, cases[i].why) == NULL) fail_msg("%s: %s", cases[i].body, why);
    }
    char why[256], body[512] = "{\"url\":\"tcp://";
    memset(body + strlen(body), 'a', 300);
    strcpy(body + 314, ":1\"}");
    assert_int_equal(read_body(&ask, NODE_WALLET_WORK_REGISTER, body, why), BASE_EINVAL);
}

/* Without a key nothing is begun, whatever else holds. */
static void test_when_it_may_begin(void **state)
{
    static const struct {
        struct node_wallet_state state;
        unsigned status;
        const char *detail;
    } cases[] = {
        {{true, true, false, false}, 0, NULL},
        {{false, true, false, false}, 400, "no wallet key"},
        {{false, false, true, true}, 400, "no wallet key"},
        {{true, false, false, false}, 503, "guest agent"},
        {{true, true, true, false}, 409, "busy"},
        {{true, true, false, true}, 503, "leaving"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *detail = "x";
        assert_int_equal(node_wallet_work_refusal(&detail, &cases[i].state), cases[i].status);
        if (cases[i].detail == NULL)
            assert_null(detail);
        else
            assert_non_null(strstr(detail, cases[i].detail));
    }
}

static void assert_keys(const struct base_buf *text, const char *const *keys, size_t count)
{
    json_t *json = json_loads(text->data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_object_size(json), count);
    for (size_t i = 0; i < count; i++)
        if (json_object_get(json, keys[i]) == NULL) fail_msg("no %s: %s", keys[i], text->data);
    assert_string_equal(json_string_value(json_object_get(json, "status")), "success");
    assert_true(json_is_real(json_object_get(json, "timestamp")));
    json_decref(json);
}

/* The prototype's answers field for field; ours say more. */
static void test_answers(void **state)
{
    static const char *const minted[] = {"status",   "message",     "owner_address",
                                         "token_id", "instance_id", "timestamp"};
    static const char *const registered[] = {"status", "message", "instance_id", "timestamp"};
    static const char *const rich[] = {"status",   "message",       "owner_address",
                                       "token_id", "instance_id",   "timestamp",
                                       "tx",       "stood_already", "block"};
    struct node_wallet_done done = {
        .kind = NODE_WALLET_WORK_MINT, .token = base_u256_from_u64(7), .has_tx = true, .block = 12};
    struct base_buf out;
    (void)state;
    base_buf_init(&out, 4096);
    node_wallet_done_json(&out, &done, false, 1760000000250);
    assert_keys(&out, minted, 6);
    assert_non_null(strstr(out.data, "\"token_id\":7,"));
    assert_non_null(strstr(out.data, "\"timestamp\":1760000000.250}"));
    assert_non_null(
        strstr(out.data, "\"instance_id\":\"0000000000000000000000000000000000000000\""));
    done.kind = NODE_WALLET_WORK_REGISTER;
    base_buf_clear(&out);
    node_wallet_done_json(&out, &done, false, 1760000000250);
    assert_keys(&out, registered, 4);
    base_buf_clear(&out);
    node_wallet_done_json(&out, &done, true, 1760000000250);
    assert_keys(&out, rich, 9);
    assert_non_null(strstr(out.data, "\"block\":12"));
    done.stood_already = true;
    done.has_tx = false;
    base_buf_clear(&out);
    node_wallet_done_json(&out, &done, true, 1760000000250);
    assert_keys(&out, rich, 9);
    assert_non_null(strstr(out.data, "\"stood_already\":true,\"tx\":null,\"block\":null"));
    assert_non_null(strstr(out.data, "registered already"));
    base_buf_deinit(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_bodies_that_are_refused),
        cmocka_unit_test(test_when_it_may_begin),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests_name("node_wallet_work", tests, NULL, NULL);
}
