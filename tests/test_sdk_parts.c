/* The library's pure parts: options, lists, what a node answers, what a snapshot means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "sdk/config.h"
#include "sdk/handle.h"
#include "sdk/judge.h"
#include "sdk/members.h"

#define CONTRACT "0x5FbDB2315678afecb367f032d93F642f64180aa3"
#define KEY      "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

/* ---- options and environment ---- */

struct env {
    const char *names[8], *values[8];
};

static const char *env_get(void *ctx, const char *name)
{
    struct env *env = ctx;
    for (size_t i = 0; i < 8 && env->names[i] != NULL; i++)
        if (strcmp(env->names[i], name) == 0) return env->values[i];
    return NULL;
}

static void refused(const char *mesh, const char *url, const nftmesh_options_t *options,
                    struct env env, const char *word)
{
    struct sdk_config config;
    char why[SDK_WHY_BYTES];
    assert_int_equal(sdk_config_parse(&config, mesh, url, options, env_get, &env, why),
                     BASE_EINVAL);
    if (strstr(why, word) == NULL) fail_msg("no '%s' in: %s", word, why);
}

static void test_arguments_are_checked_and_named(void **state)
{
    struct env rpc = {{"RPC_URL"}, {"http://127.0.0.1:1"}};
    nftmesh_options_t o = NFTMESH_OPTIONS_INIT;
    (void)state;
    refused(NULL, NULL, NULL, rpc, "CONTRACT_ADDRESS");
    refused("", NULL, NULL, rpc, "CONTRACT_ADDRESS");
    refused("nowhere:" CONTRACT, NULL, NULL, rpc, "names a chain");
    refused("0:" CONTRACT, NULL, NULL, rpc, "names a chain");
    refused("99999999999999999999:" CONTRACT, NULL, NULL, rpc, "names a chain");
    refused("anvil:0x12", NULL, NULL, rpc, "40 hex digits");
    refused("anvil:0x0000000000000000000000000000000000000000", NULL, NULL, rpc, "no contract");
    refused("anvil:0x5fbDB2315678afecb367f032d93F642f64180aa3", NULL, NULL, rpc, "EIP-55");
    refused("anvil:" CONTRACT, "ftp://x", NULL, rpc, "url is no http");
    refused("anvil:" CONTRACT, "http://a b", NULL, rpc, "url is no http");
    refused("anvil:" CONTRACT, NULL, NULL, (struct env){0}, "RPC_URL");
    o.size = 1;
    refused("anvil:" CONTRACT, NULL, &o, rpc, "NFTMESH_OPTIONS_INIT");
    o.size = sizeof o;
    o.dev = 1;
    refused("base:" CONTRACT, NULL, &o, rpc, "refused on this chain");
    o.dev = 0;
    o.rpc = "http://a, ws://b";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "options.rpc");
    o.rpc = NULL;
    o.kms_root = "0x12";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "options.kms_root");
    o.kms_root = NULL;
    o.app_id = "zz";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "options.app_id");
    o.app_id = NULL;
    o.dial_allow = "10.0.0.0/8 10.1";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "options.dial_allow");
    o.dial_allow = NULL;
    o.finality = "soon";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "options.finality");
    o.finality = NULL;
    o.token = "seven";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "options.token");
    o.token = NULL;
    o.node = "ftp://x";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "options.node");
    o.node = "http://x:1/path";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "options.node");
    o.node = "unix:";
    refused("anvil:" CONTRACT, NULL, &o, rpc, "names no socket");
}

static void test_no_sentence_repeats_a_secret(void **state)
{
    struct env env = {{"RPC_URL", "PRIVATE_KEY"}, {"http://127.0.0.1:1", "0x1234567812345678"}};
    struct sdk_config config;
    char why[SDK_WHY_BYTES];
    (void)state;
    assert_int_equal(sdk_config_parse(&config, "anvil:" CONTRACT, NULL, NULL, env_get, &env, why),
                     BASE_EINVAL);
    assert_non_null(strstr(why, "PRIVATE_KEY"));
    assert_null(strstr(why, "12345678"));
    env.values[0] = "ftp://user:secret@host/key";
    assert_int_equal(sdk_config_parse(&config, "anvil:" CONTRACT, NULL, NULL, env_get, &env, why),
                     BASE_EINVAL);
    assert_null(strstr(why, "secret"));
}

static void test_environment_fills_what_options_leave(void **state)
{
    struct env env = {{"RPC_URL", "PRIVATE_KEY", "CONNECTION_URL", "NFTMESH_CHAIN_ID",
                       "CONTRACT_ADDRESS", "HOME", "NFTMESH_DEV"},
                      {"http://a:1, http://b:2 ,https://c", KEY, "https://me.example", "31337",
                       CONTRACT, "/home/me", "true"}};
    nftmesh_options_t o = NFTMESH_OPTIONS_INIT;
    struct sdk_config c;
    char why[SDK_WHY_BYTES];
    (void)state;
    o.timeout_ms = 7;
    o.wallet_password_file = "/the/password";
    assert_int_equal(sdk_config_parse(&c, NULL, NULL, &o, env_get, &env, why), BASE_OK);
    assert_string_equal(c.wallet_password_file, "/the/password");
    assert_int_equal(c.chain_id, 31337);
    assert_int_equal(c.rpc_count, 3);
    assert_string_equal(c.rpc[2], "https://c");
    assert_string_equal(c.url, "https://me.example");
    assert_string_equal(c.wallet_hex, KEY);
    assert_string_equal(c.state_home, "/home/me/.local/state/nftmesh");
    assert_true(c.dev);
    assert_int_equal(c.timeout_ms, 7);
    assert_true(c.stale_ms > 0 && c.register_timeout_ms > 0);
    assert_null(c.node_url);
    sdk_config_deinit(&c);
    /* The option wins; an older caller's shorter structure is read as far as it goes. */
    o.rpc = "http://mine:1";
    o.timeout_ms = 9;
    o.size = offsetof(nftmesh_options_t, timeout_ms);
    assert_int_equal(sdk_config_parse(&c, "8453:" CONTRACT, NULL, &o, env_get,
                                      &(struct env){{"PRIVATE_KEY"}, {KEY}}, why),
                     BASE_OK);
    assert_int_equal(c.chain_id, 8453);
    assert_int_equal(c.rpc_count, 1);
    assert_int_not_equal(c.timeout_ms, 9);
    sdk_config_deinit(&c);
    assert_true(base_is_zero(&c, sizeof c));
    o = (nftmesh_options_t)NFTMESH_OPTIONS_INIT;
    o.node = "http://127.0.0.1:9464/";
    assert_int_equal(sdk_config_parse(&c, "0x5FbDB2315678afecb367f032d93F642f64180aa3", NULL, &o,
                                      env_get, &(struct env){0}, why),
                     BASE_OK);
    assert_int_equal(c.chain_id, 0);
    assert_string_equal(c.node_url, "http://127.0.0.1:9464");
    sdk_config_deinit(&c);
}

static void test_flags_become_variables(void **state)
{
    char out[64];
    (void)state;
    sdk_words(out, sizeof out, "pin it with --kms-root, or --dev");
    assert_string_equal(out, "pin it with NFTMESH_KMS_ROOT, or NFTMESH_DEV");
    sdk_words(out, sizeof out, "a--b -- \n\x80");
    assert_string_equal(out, "a--b -- ??");
    sdk_words(out, 12, "use --data-dir");
    assert_int_equal(strlen(out), 11);
}

static void test_every_status_has_a_sentence(void **state)
{
    (void)state;
    for (int i = 0; i <= (int)NFTMESH_ERR_UNSUPPORTED; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(nftmesh_strerror((nftmesh_status_t)i),
                                    nftmesh_strerror((nftmesh_status_t)k));
    assert_non_null(strstr(nftmesh_strerror((nftmesh_status_t)1000), "not known"));
    assert_non_null(strstr(nftmesh_strerror((nftmesh_status_t)-1), "not known"));
}

/* ---- lists ---- */

static nftmesh_peers_t *list_of(const char *const *tokens, size_t count, const char *url)
{
    struct sdk_builder b;
    sdk_builder_init(&b);
    for (size_t i = 0; i < count; i++) {
        nftmesh_peer_t peer = {.token = tokens[i], .url = url, .state = NFTMESH_PEER_ALIVE};
        sdk_builder_add(&b, &peer);
    }
    nftmesh_peers_t *list = sdk_builder_finish(&b, 9);
    sdk_builder_deinit(&b);
    assert_non_null(list);
    return list;
}

static void test_lists_are_sorted_whole_and_copied(void **state)
{
    static const char *const tokens[] = {"10", "9", "100"};
    (void)state;
    nftmesh_peers_t *list = list_of(tokens, 3, "http://a");
    nftmesh_peers_t *copy = sdk_list_copy(list, NFTMESH_LIST_STALE, 55, "gone");
    assert_true(sdk_list_equal(list, copy));
    nftmesh_peers_free(list); /* the copy has its own strings */
    assert_int_equal(copy->n, 3);
    assert_string_equal(copy->peer[0].token, "9");
    assert_string_equal(copy->peer[2].token, "100");
    assert_string_equal(copy->peer[1].url, "http://a");
    assert_string_equal(copy->peer[1].name, "");
    assert_string_equal(copy->why, "gone");
    assert_int_equal(copy->age_ms, 55);
    assert_int_equal(copy->peer[1].age_ms, 55);
    nftmesh_peers_t *again = sdk_list_copy(copy, NFTMESH_LIST_FRESH, 1, "");
    assert_string_equal(again->why, "");
    assert_int_equal(again->state, NFTMESH_LIST_FRESH);
    nftmesh_peers_t *other = list_of(tokens, 3, "http://b"),
                    *fewer = list_of(tokens, 2, "http://a");
    assert_false(sdk_list_equal(again, other));
    assert_false(sdk_list_equal(again, fewer));
    assert_false(sdk_list_equal(again, NULL));
    assert_true(sdk_list_equal(NULL, NULL));
    nftmesh_peers_free(copy);
    nftmesh_peers_free(again);
    nftmesh_peers_free(other);
    nftmesh_peers_free(fewer);
    nftmesh_peers_free(NULL);
}

static void test_too_many_peers_give_no_list(void **state)
{
    struct sdk_builder b;
    nftmesh_peer_t peer = {.token = "1"};
    (void)state;
    sdk_builder_init(&b);
    for (size_t i = 0; i <= SDK_PEERS_MAX; i++)
        sdk_builder_add(&b, &peer);
    assert_null(sdk_builder_finish(&b, 1));
    sdk_builder_deinit(&b);
}

/* ---- what a node answers ---- */

#define NODE_A "02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define INST_A "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define MEMBER(state, token, self)                                                                 \
    "{\"name\":\"a\",\"node\":\"" NODE_A "\",\"instance\":\"" INST_A "\",\"token\":" token         \
    ",\"owner\":\"" CONTRACT                                                                       \
    "\",\"url\":\"tcp://h:1\",\"app_url\":\"http://a\",\"state\":\"" state                         \
    "\",\"weight\":2,\"verified_block\":7,\"rtt_ms\":0.5,\"self\":" self "}"

static int members(struct sdk_builder *b, const char *text)
{
    char why[SDK_MEMBERS_WHY_BYTES];
    sdk_builder_init(b);
    return sdk_members_parse(b, text, strlen(text), why);
}

static void test_members_are_read(void **state)
{
    struct sdk_builder b;
    (void)state;
    assert_int_equal(members(&b, "{\"members\":[" MEMBER("alive", "3", "false") "," MEMBER(
                                     "suspect", "\"340282366920938463463374607431768211456\"",
                                     "false") "," MEMBER("alive", "1", "true") "]}"),
                     BASE_OK);
    nftmesh_peers_t *list = sdk_builder_finish(&b, 8);
    sdk_builder_deinit(&b);
    assert_int_equal(list->n, 2); /* not ourselves */
    assert_string_equal(list->peer[0].token, "3");
    assert_string_equal(list->peer[0].url, "http://a");
    assert_string_equal(list->peer[0].mesh_url, "tcp://h:1");
    assert_string_equal(list->peer[0].node, NODE_A);
    assert_int_equal(list->peer[0].weight, 2);
    assert_int_equal(list->peer[0].state, NFTMESH_PEER_ALIVE);
    assert_int_equal(list->peer[1].state, NFTMESH_PEER_SUSPECT);
    assert_true(nftmesh_peer_is_usable(&list->peer[1]));
    nftmesh_peers_free(list);
    assert_int_equal(members(&b, "{\"members\":[" MEMBER("dancing", "3", "false") "]}"), BASE_OK);
    list = sdk_builder_finish(&b, 8);
    sdk_builder_deinit(&b);
    assert_int_equal(list->peer[0].state, NFTMESH_PEER_UNKNOWN);
    assert_false(nftmesh_peer_is_usable(&list->peer[0]));
    nftmesh_peers_free(list);
}

static void test_half_a_member_is_no_list(void **state)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"members\":{}}",
                                        "{\"members\":[1]}",
                                        "{\"members\":[{}]}",
                                        "{\"members\":[" MEMBER("alive", "-1", "false") "]}",
                                        "{\"members\":[" MEMBER("alive", "\"x\"", "false") "]}",
                                        "{\"members\":[" MEMBER("alive", "null", "false") "]}",
                                        "{\"members\":[" MEMBER("al\\nive", "1", "false") "]}",
                                        "{\"members\":[" MEMBER("alive", "1", "false") "]} x"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sdk_builder b;
        if (members(&b, texts[i]) == BASE_OK) fail_msg("taken: %s", texts[i]);
        sdk_builder_deinit(&b);
    }
}

static void test_status_is_read(void **state)
{
    static const char good[] =
        "{\"chain_id\":31337,\"contract\":\"" CONTRACT "\",\"instance\":\"" INST_A
        "\",\"block\":{\"number\":9},\"checks\":[{\"name\":\"chain\",\"ok\":true},"
        "{\"name\":\"seat\",\"ok\":false,\"reason\":\"no\"}]}";
    static const char *const bad[] = {"{}", "{\"chain_id\":0}",
                                      "{\"chain_id\":1,\"contract\":\"0x\"}",
                                      "{\"chain_id\":1,\"contract\":\"" CONTRACT "\"}"};
    struct sdk_node_status s;
    char why[SDK_MEMBERS_WHY_BYTES];
    (void)state;
    assert_int_equal(sdk_node_status_parse(&s, good, sizeof good - 1, why), BASE_OK);
    assert_int_equal(s.chain_id, 31337);
    assert_string_equal(s.instance, INST_A);
    assert_true(s.chain_ok && !s.seat_ok && s.has_block);
    assert_int_equal(s.block, 9);
    assert_string_equal(s.seat_why, "no");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(sdk_node_status_parse(&s, bad[i], strlen(bad[i]), why), BASE_EMALFORMED);
}

static void test_what_may_be_served_of_a_nodes_info(void **state)
{
    static const char good[] = "{\"bundle\":\"0a\",\"name\":\"x\",\"record\":\"0b\"}",
                      bad[] = "{\"bundle\":\"0A\",\"record\":\"abc\",\"record_sig\":7}";
    char out[SDK_NODE_INFO_BYTES], why[SDK_MEMBERS_WHY_BYTES], info[NFTMESH_INFO_BYTES];
    (void)state;
    assert_int_equal(sdk_node_info_parse(out, good, sizeof good - 1, why), BASE_OK);
    assert_string_equal(out, ",\"bundle\":\"0a\",\"record\":\"0b\"");
    sdk_info_format(info, 31337, CONTRACT, INST_A, out);
    assert_string_equal(info, "{\"instance_id\":\"" INST_A
                              "\",\"chain_id\":31337,\"contract_address\":\"" CONTRACT
                              "\",\"bundle\":\"0a\",\"record\":\"0b\"}");
    assert_int_equal(sdk_node_info_parse(out, bad, sizeof bad - 1, why), BASE_OK);
    assert_string_equal(out, "");
    assert_int_equal(sdk_node_info_parse(out, "[", 1, why), BASE_EMALFORMED);
}

#define LEADER(leader, self, lease, left, fencing, epoch)                                          \
    "{\"leader\":" leader ",\"self\":" self ",\"lease\":" lease ",\"lease_remaining_ms\":" left    \
    ",\"fencing_token\":" fencing ",\"epoch\":" epoch "}"
#define WHO "{\"name\":\"n1\",\"node\":\"" NODE_A "\",\"token\":7}"

static int leader(struct sdk_node_leader *out, const char *text)
{
    char why[SDK_MEMBERS_WHY_BYTES];
    memset(out, 0xff, sizeof *out); /* whatever was there before */
    return sdk_node_leader_parse(out, text, strlen(text), why);
}

static void test_who_leads_is_read(void **state)
{
    struct sdk_node_leader l;
    (void)state;
    assert_int_equal(leader(&l, LEADER(WHO, "true", "true", "60000", "17179869184", "4")), BASE_OK);
    assert_true(l.has_leader && l.is_self && l.has_lease);
    assert_string_equal(l.node, NODE_A);
    assert_string_equal(l.name, "n1");
    assert_string_equal(l.token, "7");
    assert_true(l.fencing_token == UINT64_C(17179869184) && l.epoch == 4 && l.lease_ms == 60000);
    /* It leads and may not act: before its first heartbeat, and after its last. */
    assert_int_equal(leader(&l, LEADER(WHO, "true", "false", "null", "0", "0")), BASE_OK);
    assert_true(l.has_leader && l.is_self && !l.has_lease);
    assert_int_equal(l.lease_ms, 0);
    assert_int_equal(leader(&l, LEADER(WHO, "false", "false", "null", "9223372036854775807", "0")),
                     BASE_OK);
    assert_true(l.fencing_token == INT64_MAX && !l.is_self);
    assert_int_equal(leader(&l, LEADER("null", "false", "false", "null", "null", "null")), BASE_OK);
    assert_false(l.has_leader || l.is_self || l.has_lease);
    assert_int_equal(leader(&l, LEADER("{\"name\":\"n\\n1\",\"node\":\"" NODE_A
                                       "\",\"token\":\"18446744073709551616\"}",
                                       "false", "false", "null", "1", "0")),
                     BASE_OK);
    assert_string_equal(l.name, "");
    assert_string_equal(l.token, "18446744073709551616");
    assert_int_equal(leader(&l, LEADER("{\"node\":\"" NODE_A "\",\"token\":null}", "false", "false",
                                       "null", "1", "0")),
                     BASE_OK);
    assert_string_equal(l.token, ""); /* its seat was sold just now */
}

static void test_what_contradicts_itself_gives_no_lease(void **state)
{
    static const char *const texts[] = {
        "", "[]", "{}", "null", "{\"lease\":true}", LEADER(WHO, "true", "true", "9", "1", "1") "x",
        /* lease true, and not all that belongs to one */
        LEADER("null", "true", "true", "9", "1", "1"),
        LEADER("null", "false", "true", "9", "1", "1"), LEADER(WHO, "false", "true", "9", "1", "1"),
        LEADER(WHO, "true", "true", "9", "null", "1"),
        LEADER(WHO, "true", "true", "9", "1", "null"),
        LEADER(WHO, "true", "true", "null", "1", "1"),
        "{\"leader\":" WHO ",\"self\":true,\"lease\":true,\"lease_remaining_ms\":9,\"epoch\":1}",
        "{\"leader\":" WHO
        ",\"lease\":true,\"lease_remaining_ms\":9,\"fencing_token\":1,\"epoch\":1}",
        "{\"leader\":" WHO
        ",\"self\":true,\"lease_remaining_ms\":9,\"fencing_token\":1,\"epoch\":1}",
        "{\"self\":true,\"lease\":true,\"lease_remaining_ms\":9,\"fencing_token\":1,\"epoch\":1}",
        LEADER("null", "true", "false", "null", "1", "1"),
        /* of other types */
        LEADER(WHO, "true", "1", "9", "1", "1"), LEADER(WHO, "true", "\"true\"", "9", "1", "1"),
        LEADER(WHO, "1", "true", "9", "1", "1"), LEADER(WHO, "true", "true", "\"9\"", "1", "1"),
        LEADER(WHO, "true", "true", "9.5", "1", "1"),
        LEADER(WHO, "true", "true", "9", "\"1\"", "1"),
        LEADER(WHO, "true", "true", "9", "1.0", "1"), LEADER(WHO, "true", "true", "9", "1", "true"),
        LEADER("7", "true", "true", "9", "1", "1"), LEADER("[]", "true", "true", "9", "1", "1"),
        LEADER("{}", "true", "true", "9", "1", "1"),
        LEADER("{\"node\":\"02aa\",\"token\":1}", "true", "true", "9", "1", "1"),
        LEADER("{\"node\":\"" NODE_A "\"}", "true", "true", "9", "1", "1"),
        LEADER("{\"node\":\"" NODE_A "\",\"token\":-1}", "true", "true", "9", "1", "1"),
        /* numbers that no node gives */
        LEADER(WHO, "true", "true", "-1", "1", "1"), LEADER(WHO, "true", "true", "60001", "1", "1"),
        LEADER(WHO, "true", "true", "9223372036854775807", "1", "1"),
        LEADER(WHO, "true", "true", "9", "-1", "1"),
        LEADER(WHO, "true", "true", "9", "18446744073709551616", "1"),
        LEADER(WHO, "true", "true", "9", "1", "-1"), LEADER(WHO, "true", "true", "1e9", "1", "1"),
        /* said twice */
        "{\"lease\":false," /* and true below */
        "\"leader\":" WHO ",\"self\":true,\"lease\":true,\"lease_remaining_ms\":9,"
        "\"fencing_token\":1,\"epoch\":1}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sdk_node_leader l;
        if (leader(&l, texts[i]) == BASE_OK) fail_msg("taken: %s", texts[i]);
        if (l.has_lease || l.has_leader || l.is_self) fail_msg("left behind: %s", texts[i]);
    }
}

static void test_a_no_has_a_sentence_or_none(void **state)
{
    static const struct {
        const char *text, *detail;
    } cases[] = {{"{\"detail\":\"not yet\"}", "not yet"},
                 {"{\"detail\":7}", ""},
                 {"{\"detail\":\"a\\nb\"}", ""},
                 {"<html>", ""},
                 {"", ""},
                 {"{}", ""}};
    char detail[SDK_MEMBERS_WHY_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sdk_node_detail(detail, cases[i].text, strlen(cases[i].text));
        assert_string_equal(detail, cases[i].detail);
    }
}

static void test_events_are_counted_however_they_are_cut(void **state)
{
    static const char text[] = ": hello\nretry: 1\n\nid: 1\nevent: up\ndata: {}\n\ndata:x\n"
                               "mydata: no\n: data: no\n";
    (void)state;
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        struct sdk_events e = {0};
        size_t count = sdk_events_take(&e, (const uint8_t *)text, cut);
        count += sdk_events_take(&e, (const uint8_t *)text + cut, sizeof text - 1 - cut);
        assert_int_equal(count, 2);
    }
}

/* ---- what a snapshot means ---- */

struct scene {
    struct chain_snapshot *snapshot;
    struct attest_pins pins;
    struct node_admission admission;
    struct chain_seat seats[6];
    struct sdk_self self;
};

static void scene_new(struct scene *s)
{
    struct chain_snapshot head = {.kind = CHAIN_KIND_NFTMESH,
                                  .chain_id = 8453,
                                  .block = {.number = 70, .time_s = 1000},
                                  .root_epoch = 1,
                                  .app_id_count = 1};
    memset(s, 0, sizeof *s);
    memset(head.kms_root.bytes, 0x77, 20);
    memset(head.app_ids[0].bytes, 0x66, 20);
    for (size_t i = 0; i < 6; i++) {
        struct chain_seat *seat = &s->seats[i];
        struct base_privkey priv = {.bytes = {[31] = (uint8_t)(i + 1)}};
        seat->token_id = base_u256_from_u64(i + 1);
        memset(seat->owner.bytes, (int)i + 1, 20);
        seat->bound_by = seat->owner;
        memset(seat->instance.bytes, 0x10 + (int)i, 20);
        seat->has_keys = seat->active = true;
        assert_int_equal(base_ecdsa_pubkey(&seat->node_key, &priv), BASE_OK);
        seat->proof_key = seat->node_key;
        seat->app_id = head.app_ids[0];
        seat->root_epoch = 1;
        seat->expires_at = 2000;
        seat->weight = 1;
        seat->url_len = (size_t)snprintf(seat->url, sizeof seat->url, "http://n%zu", i);
    }
    assert_int_equal(attest_pins_set_flags(&s->pins, &head.kms_root, 1, head.app_ids, 1), BASE_OK);
    s->seats[1].expires_at = 1000;
    s->seats[2].bound_by.bytes[0] ^= 1;
    s->seats[3].has_keys = false; /* an instance, no keys */
    snprintf(s->seats[4].url, sizeof s->seats[4].url, "tcp://h:1");
    s->seats[4].url_len = 9;
    s->self = (struct sdk_self){true, true, s->seats[5].instance, s->seats[5].node_key,
                                s->seats[5].proof_key};
    s->admission = (struct node_admission){.pins = &s->pins, .chain_id = 8453, .settings = ""};
    assert_int_equal(chain_snapshot_new(&s->snapshot, &head, s->seats, 6), BASE_OK);
    s->admission.snapshot = s->snapshot;
}

static nftmesh_peers_t *judged(struct scene *s)
{
    struct sdk_builder b;
    sdk_builder_init(&b);
    sdk_judge_peers(&b, &s->admission, &s->self, NULL);
    nftmesh_peers_t *list = sdk_builder_finish(&b, 70);
    sdk_builder_deinit(&b);
    assert_non_null(list);
    return list;
}

static void test_only_what_counts_is_verified(void **state)
{
    static const char *const reasons[] = {"", "expired", "owner_changed", "no_seat", ""};
    struct scene s;
    (void)state;
    scene_new(&s);
    nftmesh_peers_t *list = judged(&s);
    assert_int_equal(list->n, 5); /* our own is not among them */
    for (size_t i = 0; i < 5; i++) {
        const nftmesh_peer_t *peer = &list->peer[i];
        bool counts = reasons[i][0] == '\0';
        assert_string_equal(peer->reason, reasons[i]);
        assert_int_equal(peer->state, counts ? NFTMESH_PEER_VERIFIED : NFTMESH_PEER_UNKNOWN);
        assert_int_equal(peer->explanation[0] == '\0', counts);
        assert_int_equal(nftmesh_peer_is_usable(peer), counts);
        assert_int_equal(peer->verified_block, 70);
    }
    assert_string_equal(list->peer[0].url, "http://n0");
    assert_string_equal(list->peer[4].url, "");
    assert_string_equal(list->peer[4].mesh_url, "tcp://h:1");
    nftmesh_peers_free(list);
    s.self = (struct sdk_self){0};
    list = judged(&s);
    assert_int_equal(list->n, 6);
    nftmesh_peers_free(list);
    chain_snapshot_free(s.snapshot);
}

static void test_an_unprintable_url_is_left_out(void **state)
{
    struct scene s;
    (void)state;
    scene_new(&s);
    s.snapshot->seats[0].url[3] = '\n';
    nftmesh_peers_t *list = judged(&s);
    assert_string_equal(list->peer[0].url, "");
    nftmesh_peers_free(list);
    chain_snapshot_free(s.snapshot);
}

static void test_our_own_seat_is_judged_with_our_keys(void **state)
{
    struct scene s;
    char why[SDK_WHY_BYTES] = "";
    (void)state;
    scene_new(&s);
    assert_int_equal(sdk_judge_self(why, sizeof why, &s.admission, &s.self), NFTMESH_OK);
    struct sdk_self other = s.self;
    other.node_key.bytes[5] ^= 1; /* another data directory: the seat holds other keys */
    assert_int_equal(sdk_judge_self(why, sizeof why, &s.admission, &other),
                     NFTMESH_ERR_NOT_REGISTERED);
    assert_non_null(strstr(why, "other keys"));
    other.instance.bytes[0] ^= 1;
    assert_int_equal(sdk_judge_self(why, sizeof why, &s.admission, &other),
                     NFTMESH_ERR_NOT_REGISTERED);
    assert_non_null(strstr(why, "no seat"));
    other = s.self;
    other.proof_key.bytes[5] ^= 1;
    assert_int_equal(sdk_judge_self(why, sizeof why, &s.admission, &other),
                     NFTMESH_ERR_NOT_REGISTERED);
    other = (struct sdk_self){true, true, s.seats[1].instance, s.seats[1].node_key,
                              s.seats[1].proof_key};
    assert_int_equal(sdk_judge_self(why, sizeof why, &s.admission, &other),
                     NFTMESH_ERR_NOT_REGISTERED);
    assert_non_null(strstr(why, "expired"));
    s.snapshot->kind = CHAIN_KIND_PROTOTYPE; /* whose seats have keys by authorisations only */
    other.node_key.bytes[5] ^= 1;
    assert_int_equal(sdk_judge_self(why, sizeof why, &s.admission, &other),
                     NFTMESH_ERR_NOT_REGISTERED);
    assert_non_null(strstr(why, "no authorisation"));
    chain_snapshot_free(s.snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments_are_checked_and_named),
        cmocka_unit_test(test_no_sentence_repeats_a_secret),
        cmocka_unit_test(test_environment_fills_what_options_leave),
        cmocka_unit_test(test_flags_become_variables),
        cmocka_unit_test(test_every_status_has_a_sentence),
        cmocka_unit_test(test_lists_are_sorted_whole_and_copied),
        cmocka_unit_test(test_too_many_peers_give_no_list),
        cmocka_unit_test(test_members_are_read),
        cmocka_unit_test(test_half_a_member_is_no_list),
        cmocka_unit_test(test_status_is_read),
        cmocka_unit_test(test_what_may_be_served_of_a_nodes_info),
        cmocka_unit_test(test_who_leads_is_read),
        cmocka_unit_test(test_what_contradicts_itself_gives_no_lease),
        cmocka_unit_test(test_a_no_has_a_sentence_or_none),
        cmocka_unit_test(test_events_are_counted_however_they_are_cut),
        cmocka_unit_test(test_only_what_counts_is_verified),
        cmocka_unit_test(test_an_unprintable_url_is_left_out),
        cmocka_unit_test(test_our_own_seat_is_judged_with_our_keys),
    };
    if (base_ecdsa_init() != BASE_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
