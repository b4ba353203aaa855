/* Event handlers: the setting's form, a command's standard input, and its environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/handler_spec.h"

static struct base_slice slice(const char *text)
{
    return (struct base_slice){(const uint8_t *)text, strlen(text)};
}

static struct node_handler_spec taken(const char *text)
{
    struct node_handler_spec spec;
    char why[256] = "";
    if (node_handler_spec_parse(&spec, text, why, sizeof why) != BASE_OK) fail_msg("%s", why);
    return spec;
}

static void test_a_command_alone_wants_everything(void **state)
{
    struct node_handler_spec spec = taken("/usr/local/bin/x --flag");
    (void)state;
    assert_string_equal(spec.command, "/usr/local/bin/x --flag");
    for (unsigned e = NODE_HANDLER_MEMBER_JOIN; e <= NODE_HANDLER_USER; e++) {
        bool is_serfs = e <= NODE_HANDLER_MEMBER_REAP || e == NODE_HANDLER_USER;
        assert_int_equal(node_handler_spec_wants(&spec, (enum node_handler_event)e, slice("any")),
                         is_serfs);
    }
    spec = taken("leader-change,lease-lost=x");
    assert_true(node_handler_spec_wants(&spec, NODE_HANDLER_LEADER_CHANGE, slice("")));
    assert_true(node_handler_spec_wants(&spec, NODE_HANDLER_LEASE_LOST, slice("")));
    assert_false(node_handler_spec_wants(&spec, NODE_HANDLER_LEASE, slice("")));
}

static void test_events_choose(void **state)
{
    struct node_handler_spec spec = taken("member-join,member-failed,user:deploy=A=b x");
    (void)state;
    assert_string_equal(spec.command, "A=b x"); /* only the first = parts */
    assert_true(node_handler_spec_wants(&spec, NODE_HANDLER_MEMBER_JOIN, slice("")));
    assert_true(node_handler_spec_wants(&spec, NODE_HANDLER_MEMBER_FAILED, slice("")));
    assert_false(node_handler_spec_wants(&spec, NODE_HANDLER_MEMBER_LEAVE, slice("")));
    assert_false(node_handler_spec_wants(&spec, NODE_HANDLER_MEMBER_UPDATE, slice("")));
    assert_false(node_handler_spec_wants(&spec, NODE_HANDLER_MEMBER_REAP, slice("")));
    assert_true(node_handler_spec_wants(&spec, NODE_HANDLER_USER, slice("deploy")));
    assert_false(node_handler_spec_wants(&spec, NODE_HANDLER_USER, slice("deploy2")));
    assert_false(node_handler_spec_wants(&spec, NODE_HANDLER_USER, slice("deplo")));
    assert_false(node_handler_spec_wants(&spec, NODE_HANDLER_MEMBER_LEAVE, slice("deploy")));
    spec = taken("user=x");
    assert_true(node_handler_spec_wants(&spec, NODE_HANDLER_USER, slice("whatever")));
    assert_false(node_handler_spec_wants(&spec, NODE_HANDLER_MEMBER_JOIN, slice("")));
    spec = taken("*=x");
    assert_true(node_handler_spec_wants(&spec, NODE_HANDLER_MEMBER_REAP, slice("")));
}

/* Each is refused, with words that say why. */
static void test_refusals(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"member-joined=x", "member-joined"},
        {"query=x", "query"},
        {"member-join,=x", "names no event"},
        {"=x", "names no event"},
        {",member-join=x", "names no event"},
        {"member-join,,user=x", "names no event"},
        {" member-join=x", "names no event"},
        {"FOO=bar command", "*=COMMAND"},
        {"member-join=", "no command"},
        {"member-join=   ", "no command"},
        {"user:=x", "without a name"},
        {"user:\xff=x", "without a name"},
        {"user:12345678901234567890123456789012345678901234567890123456789012345=x",
         "without a name"},
        {"user:1,user:2,user:3,user:4,user:5,user:6,user:7,user:8,user:9,user:10,user:11,user:12,"
         "user:13,user:14,user:15,user:16,user:17=x",
         "more than 16"},
    };
    struct node_handler_spec spec;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[256] = "";
        assert_int_equal(node_handler_spec_parse(&spec, cases[i].text, why, sizeof why),
                         BASE_EINVAL);
        if (strstr(why, cases[i].why) == NULL) fail_msg("%s: %s", cases[i].text, why);
    }
}

static void test_a_command_has_a_bound(void **state)
{
    char text[NODE_HANDLER_COMMAND_BYTES + 3], why[256] = "";
    struct node_handler_spec spec;
    (void)state;
    memset(text, 'x', sizeof text);
    text[0] = '*';
    text[1] = '=';
    text[NODE_HANDLER_COMMAND_BYTES + 2] = '\0';
    assert_int_equal(node_handler_spec_parse(&spec, text, why, sizeof why), BASE_OK);
    assert_int_equal(strlen(spec.command), NODE_HANDLER_COMMAND_BYTES);
    text[1] = 'x';
    assert_int_equal(node_handler_spec_parse(&spec, text, why, sizeof why), BASE_EINVAL);
    assert_non_null(strstr(why, "longer"));
}

static void assert_line(const char *name, const char *address, const struct node_handler_tag *tags,
                        size_t count, const char *line)
{
    struct base_buf out;
    base_buf_init(&out, 4096);
    node_handler_member_line(&out, slice(name), slice(address), tags, count);
    assert_false(out.failed);
    assert_string_equal(out.data, line);
    base_buf_deinit(&out);
}

static void test_a_members_line(void **state)
{
    const struct node_handler_tag tags[] = {{slice("dc"), slice("eu")},
                                            {slice("role"), slice("web")}};
    const struct node_handler_tag evil[] = {{slice("role"), slice("a\tb\nc\rd\x1b[2J\x7f")}};
    (void)state;
    assert_line("alice", "10.0.0.1", tags, 2, "alice\t10.0.0.1\tweb\tdc=eu,role=web\n");
    assert_line("bob", "", NULL, 0, "bob\t\t\t\n");
    assert_line("x\ny\tz", "h", evil, 1, "x\\ny\\tz\th\ta\\tb\\nc?d?[2J?\trole=a\\tb\\nc?d?[2J?\n");
}

static void assert_input(const char *payload, size_t len, const char *input, size_t input_len)
{
    struct base_buf out;
    base_buf_init(&out, 1024);
    node_handler_user_input(&out, (struct base_slice){(const uint8_t *)payload, len});
    assert_int_equal(out.len, input_len);
    assert_memory_equal(out.data, input, input_len);
    base_buf_deinit(&out);
}

static void test_a_payload_ends_a_line(void **state)
{
    (void)state;
    assert_input("hello", 5, "hello\n", 6);
    assert_input("hello\n", 6, "hello\n", 6);
    assert_input("", 0, "\n", 1);
    assert_input("a\0b", 3, "a\0b\n", 4); /* bytes, whatever they are */
}

static void test_no_secret_goes_on(void **state)
{
    static const char *const kept[] = {
        "PATH=/bin", "HOME=/root",           "LANG=C.UTF-8", "PGHOST=db",
        "TZ=",       "DSTACK_SOCKET=/run/x", "MAIL=a@b",     "HOME_PAGE=https://h/~me@here"};
    static const char *const not_kept[] = {"PRIVATE_KEY=0x00",
                                           "private_key=1",
                                           "NFTMESH_WALLET_PASSWORD=x",
                                           "NFTMESH_RPC=https://k@h",
                                           "RPC_URL=https://k",
                                           "NFTMESH_NAME=x",
                                           "SERF_EVENT=user",
                                           "PGPASSWORD=x",
                                           "AWS_SECRET_ACCESS_ID=x",
                                           "GITHUB_TOKEN=x",
                                           "MY_MNEMONIC=a b c",
                                           "CREDENTIALS_DIRECTORY=/x",
                                           "wallet_file=x",
                                           "MYSQL_PASS=x",
                                           "NODE_SEED=1",
                                           "REGISTRY_AUTH=x",
                                           "ETH_RPC_URL=https://h/v2/k",
                                           "DATABASE_URL=postgres://u:p@db/x",
                                           "http_proxy=http://u:p@proxy:3128",
                                           "TWO=http://h/ https://u:p@h/",
                                           "no equals sign",
                                           "=x"};
    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (!node_handler_env_keeps(kept[i])) fail_msg("%s is lost", kept[i]);
    for (size_t i = 0; i < sizeof not_kept / sizeof not_kept[0]; i++)
        if (node_handler_env_keeps(not_kept[i])) fail_msg("%s is kept", not_kept[i]);
}

static void test_the_environment(void **state)
{
    char path[] = "PATH=/bin", key[] = "PRIVATE_KEY=11";
    char *own[] = {path, key, NULL};
    const struct node_handler_tag tag = {slice("data-center.eu"), slice("one\ntwo")};
    struct node_handler_env env;
    (void)state;
    node_handler_env_init(&env, own);
    node_handler_env_both(&env, "EVENT", slice("user"));
    node_handler_env_put(&env, "NODE", slice("02ab"));
    node_handler_env_tag(&env, &tag);
    assert_false(env.failed);
    static const char *const expected[] = {"PATH=/bin",
                                           "NFTMESH_EVENT=user",
                                           "SERF_EVENT=user",
                                           "NFTMESH_NODE=02ab",
                                           "NFTMESH_TAG_DATA_CENTER_EU=one\\ntwo",
                                           "SERF_TAG_DATA_CENTER_EU=one\\ntwo"};
    assert_int_equal(env.count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < env.count; i++)
        assert_string_equal(env.list[i], expected[i]);
    assert_null(env.list[env.count]);
    node_handler_env_deinit(&env);
}

/* A crowded environment leaves room for what we say ourselves. */
static void test_the_environment_has_bounds(void **state)
{
    static char text[2 * NODE_HANDLER_ENV_MAX][16];
    static char *own[2 * NODE_HANDLER_ENV_MAX + 1];
    static char value[NODE_HANDLER_ENV_VALUE_BYTES + 1];
    struct node_handler_env env;
    (void)state;
    for (size_t i = 0; i < 2 * NODE_HANDLER_ENV_MAX; i++) {
        snprintf(text[i], sizeof text[i], "V%zu=1", i);
        own[i] = text[i];
    }
    node_handler_env_init(&env, own);
    assert_false(env.failed);
    node_handler_env_both(&env, "EVENT", slice("user"));
    assert_false(env.failed);
    for (size_t i = 0; i < NODE_HANDLER_ENV_MAX; i++)
        node_handler_env_put(&env, "X", slice("y"));
    assert_true(env.failed);
    node_handler_env_deinit(&env);

    node_handler_env_init(&env, NULL);
    memset(value, 'v', sizeof value);
    node_handler_env_put(&env, "X", (struct base_slice){(const uint8_t *)value, sizeof value});
    assert_true(env.failed);
    node_handler_env_deinit(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_command_alone_wants_everything),
        cmocka_unit_test(test_events_choose),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_command_has_a_bound),
        cmocka_unit_test(test_a_members_line),
        cmocka_unit_test(test_a_payload_ends_a_line),
        cmocka_unit_test(test_no_secret_goes_on),
        cmocka_unit_test(test_the_environment),
        cmocka_unit_test(test_the_environment_has_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
