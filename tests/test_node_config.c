/* Settings: where they come from, which source wins, and every refusal with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "node/config.h"

#define ADDRESS  "0x5FbDB2315678afecb367f032d93F642f64180aa3"
#define KEY      "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define ARGS_MAX 24

struct env_pair {
    const char *name, *value;
};
static const struct env_pair no_env[] = {{NULL, NULL}};

static const char *env_lookup(void *ctx, const char *name)
{
    for (const struct env_pair *pair = ctx; pair->name != NULL; pair++)
        if (strcmp(pair->name, name) == 0) return pair->value;
    return NULL;
}

/* The whole way: words (NULL at the end) after the needed ones, and an environment. */
static int parse_raw(struct node_config **out, enum node_options_verdict *verdict,
                     const struct env_pair *env, const char *const *words, char *why)
{
    char *argv[ARGS_MAX + 1];
    int argc = 0;
    argv[argc++] = strdup("node");
    for (; *words != NULL && argc < ARGS_MAX; words++)
        argv[argc++] = strdup(*words);
    argv[argc] = NULL;
    int rv = node_config_parse(out, verdict, argc, argv, env_lookup, (void *)(uintptr_t)env, why);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return rv;
}

static int parse(struct node_config **out, const struct env_pair *env, const char *const *words,
                 char *why)
{
    enum node_options_verdict verdict;
    const char *all[ARGS_MAX] = {"--chain-id", "31337", "--contract",
                                 ADDRESS,      "--rpc", "http://127.0.0.1:8545"};
    size_t count = 6;
    while (*words != NULL && count < ARGS_MAX - 1)
        all[count++] = *words++;
    all[count] = NULL;
    return parse_raw(out, &verdict, env, all, why);
}

static struct node_config *accept_env(const struct env_pair *env, const char *const *words)
{
    struct node_config *config;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    int rv = parse(&config, env, words, why);
    if (rv != BASE_OK) fail_msg("refused: %s", why);
    return config;
}
#define accept(...) accept_env(no_env, (const char *const[]){__VA_ARGS__, NULL})

static void refuse_env(const struct env_pair *env, const char *const *words, const char *said)
{
    struct node_config *config = NULL;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    int rv = parse(&config, env, words, why);
    if (rv == BASE_OK) fail_msg("accepted, but should say: %s", said);
    assert_int_equal(rv, BASE_EINVAL);
    assert_null(config);
    assert_null(strchr(why, '\n'));
    if (strstr(why, said) == NULL) fail_msg("said \"%s\", not \"%s\"", why, said);
}
#define refuse(said, ...) refuse_env(no_env, (const char *const[]){__VA_ARGS__, NULL}, said)

static void write_file(char path[64], const char *text)
{
    strcpy(path, "/tmp/nftmesh-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* ---- acceptances ---- */

static void test_defaults(void **state)
{
    (void)state;
    struct node_config *config = accept("--dev");
    assert_null(config->name);
    assert_int_equal(config->chain_id, 31337);
    assert_int_equal(config->rpc_agree, 0);
    assert_int_equal(config->rpc_grace_ms, 24 * 3600 * 1000);
    assert_int_equal(config->finality.kind, NODE_FINALITY_LATEST);
    assert_int_equal(config->finality.depth, 0);
    assert_string_equal(config->dstack, "/var/run/dstack.sock");
    assert_string_equal(config->listen[0], "tcp://0.0.0.0:9470");
    assert_null(config->advertise);
    assert_false(config->has_http);
    assert_string_equal(config->data_dir, "/var/lib/nftmesh");
    assert_int_equal(config->log_format, BASE_LOG_LOGFMT);
    assert_int_equal(config->log_level, BASE_LOG_INFO);
    node_config_free(config);
}

static void test_every_flag(void **state)
{
    (void)state;
    struct node_config *config = accept(
        "--name=n1", "--rpc-grace=30s", "--finality=latest:3", "--kms-root=" ADDRESS,
        "--app-id=00112233445566778899aabbccddeeff00112233", "--dstack=./d.sock",
        "--listen=tcp://[::1]:9000", "--dial-allow=10.0.0.0/8", "--app-url=https://app.example/x",
        "--bootstrap=mesh://" KEY "@10.0.0.7:9470", "--http=9464", "--bootstrap-http=0.0.0.0:81",
        "--data-dir=/tmp/x", "--log-format=json", "--log-level=trace", "--tag=zone=eu", "--wait");
    assert_string_equal(config->name, "n1");
    assert_int_equal(config->rpc_grace_ms, 30000);
    assert_int_equal(config->finality.depth, 3);
    assert_int_equal(config->kms_root_count, 1);
    assert_int_equal(config->app_ids[0].bytes[19], 0x33);
    assert_string_equal(config->advertise, "tcp://[::1]:9000"); /* names a host: it is told */
    assert_int_equal(config->dial_allow[0].bits, 104);
    assert_int_equal(config->bootstrap[0].kind, NODE_BOOTSTRAP_MESH);
    assert_string_equal(config->bootstrap[0].dial_url, "tcp://10.0.0.7:9470");
    assert_int_equal(config->bootstrap[0].key.bytes[0], 2);
    assert_string_equal(config->http.host, "127.0.0.1"); /* a port alone is loopback */
    assert_int_equal(config->http.port, 9464);
    assert_string_equal(config->bootstrap_http.host, "0.0.0.0");
    assert_string_equal(config->tags[0].key, "zone");
    assert_string_equal(config->tags[0].value, "eu");
    assert_int_equal(config->log_format, BASE_LOG_JSON);
    assert_int_equal(config->log_level, BASE_LOG_TRACE);
    assert_true(config->wait);
    node_config_free(config);
}

static void test_other_chains_want_safe(void **state)
{
    (void)state;
    enum node_options_verdict verdict;
    struct node_config *config;
    char why[NODE_OPTIONS_WHY_BYTES];
    static const char *const words[] = {"--chain-id",        "8453", "--contract", ADDRESS, "--rpc",
                                        "https://a.example", NULL};
    assert_int_equal(parse_raw(&config, &verdict, no_env, words, why), BASE_OK);
    assert_int_equal(verdict, NODE_OPTIONS_RUN);
    assert_int_equal(config->finality.kind, NODE_FINALITY_SAFE);
    node_config_free(config);
}

/* Goal: flag > environment > file > default, option by option. */
static void test_precedence(void **state)
{
    char path[64], flag[80];
    (void)state;
    write_file(path, "name = file\nlog_level = debug\nrpc_grace = 1h\nlog_format = json\n"
                     "tag = {\"a=1\", \"b=2\"}\n");
    snprintf(flag, sizeof flag, "--config=%s", path);
    const struct env_pair env[] = {{"NFTMESH_NAME", "env"},
                                   {"NFTMESH_LOG_LEVEL", "warn"},
                                   {"NFTMESH_RPC_GRACE", ""}, /* empty counts as unset */
                                   {"NFTMESH_TAG", "c=3, d=4"},
                                   {NULL, NULL}};
    struct node_config *config =
        accept_env(env, (const char *const[]){flag, "--name", "flag", NULL});
    assert_string_equal(config->name, "flag");
    assert_int_equal(config->log_level, BASE_LOG_WARN);
    assert_int_equal(config->rpc_grace_ms, 3600 * 1000);
    assert_int_equal(config->log_format, BASE_LOG_JSON);
    assert_int_equal(config->tag_count, 2); /* one source gives all values */
    assert_string_equal(config->tags[0].key, "c");
    assert_string_equal(config->tags[1].value, "4");
    assert_string_equal(node_options_where(config->options, "name", 0), "--name");
    assert_string_equal(node_options_where(config->options, "log-level", 0), "NFTMESH_LOG_LEVEL");
    assert_non_null(strstr(node_options_where(config->options, "rpc-grace", 0), ":3"));
    assert_int_equal(node_options_source(config->options, "dstack"), NODE_OPTION_DEFAULT);
    assert_int_equal(node_options_source(config->options, "tls-ca"), NODE_OPTION_UNSET);
    node_config_free(config);
    unlink(path);
}

static void test_file_by_environment(void **state)
{
    char path[64];
    (void)state;
    write_file(path, "# a comment\nname = 'n 1'\nlisten = tcp://127.0.0.1:1\nlisten += "
                     "{\"tcp://127.0.0.1:2\"}\ndev = yes\nwait = off\n");
    const struct env_pair env[] = {{"NFTMESH_CONFIG", path}, {NULL, NULL}};
    struct node_config *config = accept_env(env, (const char *const[]){NULL});
    assert_string_equal(config->name, "n 1");
    assert_int_equal(config->listen_count, 2);
    assert_true(config->dev);
    assert_false(config->wait);
    node_config_free(config);
    unlink(path);
}

static void test_names_of_the_prototype(void **state)
{
    (void)state;
    enum node_options_verdict verdict;
    struct node_config *config;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    const struct env_pair env[] = {
        {"CONTRACT_ADDRESS", ADDRESS},
        {"CONNECTION_URL", "http://node1:8080"},
        {"RPC_URL", "http://127.0.0.1:8545"},
        {"DSTACK_SOCKET", "/app/dstack.sock"},
        {"PRIVATE_KEY", "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"},
        {"HOST", "0.0.0.0"},
        {"PORT", "8001"},
        {NULL, NULL}};
    static const char *const words[] = {"--chain-id", "31337", "--register", NULL};
    int rv = parse_raw(&config, &verdict, env, words, why);
    if (rv != BASE_OK) fail_msg("%s", why);
    assert_string_equal(config->app_url, "http://node1:8080");
    assert_string_equal(config->rpc[0], "http://127.0.0.1:8545");
    assert_string_equal(config->dstack, "/app/dstack.sock");
    assert_string_equal(config->http.host, "0.0.0.0");
    assert_int_equal(config->http.port, 8001);
    assert_int_equal(strlen(config->wallet_key_hex), 66);
    node_config_free(config);
}

static void test_our_environment_name_wins_over_the_prototypes(void **state)
{
    (void)state;
    const struct env_pair env[] = {{"DSTACK_SOCKET", "/a"}, {"NFTMESH_DSTACK", "/b"}, {NULL, NULL}};
    struct node_config *config = accept_env(env, (const char *const[]){NULL});
    assert_string_equal(config->dstack, "/b");
    node_config_free(config);
}

static void test_empty_name_of_ours_leaves_it_to_the_prototypes(void **state)
{
    (void)state;
    const struct env_pair env[] = {{"DSTACK_SOCKET", "/a"}, {"NFTMESH_DSTACK", ""}, {NULL, NULL}};
    struct node_config *config = accept_env(env, (const char *const[]){NULL});
    assert_string_equal(config->dstack, "/a");
    node_config_free(config);
}

/* Some shells export HOST: alone it opens no listener. */
static void test_host_alone_opens_nothing(void **state)
{
    (void)state;
    const struct env_pair env[] = {{"HOST", "mymachine"}, {NULL, NULL}};
    struct node_config *config = accept_env(env, (const char *const[]){NULL});
    assert_false(config->has_http);
    node_config_free(config);
}

static bool warns(const struct node_config *config, const char *said)
{
    for (size_t i = 0; i < config->warning_count; i++)
        if (strstr(config->warnings[i], said) != NULL) return true;
    return false;
}

static void test_warnings(void **state)
{
    (void)state;
    struct node_config *config =
        accept("--rpc=http://a.example", "--rpc=https://b.example", "--rpc=https://c.example",
               "--rpc-agree=1", "--http=0.0.0.0:80");
    assert_true(warns(config, "plain http"));
    assert_true(warns(config, "no majority"));
    assert_true(warns(config, "--http answers to the network"));
    assert_true(warns(config, "first_seen"));
    assert_true(warns(config, "cannot dial this node"));
    node_config_free(config);
    config = accept("--dev", "--kms-root", ADDRESS, "--listen", "tcp://127.0.0.1:1");
    assert_int_equal(config->warning_count, 1);
    assert_true(warns(config, "--dev"));
    node_config_free(config);
}

/* Votes: one a host; all plain-http hosts outside loopback together one; on loopback a port. */
static void test_votes_are_counted(void **state)
{
    (void)state;
    node_config_free(accept("--rpc=http://127.0.0.1:8546", "--rpc-agree=2"));
    node_config_free(accept("--rpc=https://a.example/1", "--rpc-agree=2"));
    refuse("the endpoints have 2", "--rpc=https://a.example/1", "--rpc=https://a.example/2",
           "--rpc-agree=3");
    refuse("the endpoints have 2", "--rpc=http://a.example", "--rpc=http://b.example",
           "--rpc-agree=3");
    refuse("a second time", "--rpc=http://127.0.0.1:8545");
}

/* ---- help and printing ---- */

static void test_help(void **state)
{
    (void)state;
    enum node_options_verdict verdict;
    struct node_config *config;
    char why[NODE_OPTIONS_WHY_BYTES];
    static const char *const words[] = {"--bootstrap", "x", "--help", NULL};
    static const char *const short_word[] = {"-h", NULL};
    struct base_buf out;
    assert_int_equal(parse_raw(&config, &verdict, no_env, short_word, why), BASE_OK);
    assert_int_equal(verdict, NODE_OPTIONS_HELP);
    assert_null(config);
    /* A mistake before --help is told first. */
    assert_int_equal(parse_raw(&config, &verdict, no_env, words, why), BASE_EINVAL);
    base_buf_init(&out, 1 << 20);
    node_options_help(&out, &node_config_table);
    assert_false(out.failed);
    for (size_t i = 0; i < node_config_table.option_count; i++) {
        char flag[64];
        snprintf(flag, sizeof flag, "\n  --%s", node_config_table.options[i].name);
        if (strstr(out.data, flag) == NULL) fail_msg("--help is silent on%s", flag);
    }
    assert_non_null(strstr(out.data, "Default: 24h."));
    assert_non_null(strstr(out.data, "[NFTMESH_RPC, RPC_URL]"));
    assert_non_null(strstr(out.data, "One of logfmt|json."));
    assert_null(strstr(out.data, "NFTMESH_CHECK_CONFIG"));
    for (const char *line = out.data; line != NULL; line = strchr(line + 1, '\n'))
        assert_true(strcspn(line + 1, "\n") <= 100);
    base_buf_deinit(&out);
}

/* Goal: what --check-config prints is a file that gives the same, without the keys in URLs. */
static void test_print_reads_back(void **state)
{
    (void)state;
    struct base_buf out;
    struct node_options *options;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    struct node_config *config =
        accept("--rpc=https://user:secret@b.example/v3/apikey?x=1", "--name=it's ${HOME} \\ \"",
               "--tag=a=1", "--tag=b=2", "--check-config");
    assert_true(config->check_only);
    base_buf_init(&out, 1 << 20);
    node_config_print(&out, config);
    assert_null(strstr(out.data, "secret"));
    assert_null(strstr(out.data, "apikey"));
    assert_non_null(strstr(out.data, "'https://...@b.example/...'"));
    assert_non_null(strstr(out.data, "# warning: "));
    int rv =
        node_options_parse_text(&options, &node_config_table, "printed", out.data, out.len, why);
    if (rv != BASE_OK) fail_msg("%s in:\n%s", why, out.data);
    assert_string_equal(node_options_text(options, "name"), "it's ${HOME} \\ \"");
    assert_int_equal(node_options_count(options, "tag"), 2);
    node_options_free(options);
    node_config_free(config);
    base_buf_deinit(&out);
}

/* ---- refusals: the place, what is wrong, what to do ---- */

static void test_command_line_refusals(void **state)
{
    (void)state;
    refuse("unknown option --nmae", "--nmae", "x");
    refuse("a value is missing after --name", "--name");
    refuse("no value belongs to the flag --dev=1", "--dev=1");
    refuse("unexpected word stray", "stray");
    refuse("--name is given a second time", "--name=a", "--name=b");
    refuse("--name is empty", "--name=");
    refuse("--name holds a control character", "--name=a\nb");
    refuse("--name is not plain ASCII", "--name=\xc3\xa4");
    refuse("--name is longer",
           "--name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    refuse("`nftmesh node --help`", "-x");
}

static void test_missing_settings(void **state)
{
    enum node_options_verdict verdict;
    struct node_config *config;
    char why[NODE_OPTIONS_WHY_BYTES];
    static const struct {
        const char *words[5], *said;
    } cases[] = {
        {{"--contract", ADDRESS, "--rpc", "http://127.0.0.1", NULL}, "--chain-id is missing"},
        {{"--chain-id", "1", "--rpc", "http://127.0.0.1", NULL}, "--contract is missing"},
        {{"--chain-id", "1", "--contract", ADDRESS, NULL}, "--rpc is missing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse_raw(&config, &verdict, no_env, cases[i].words, why), BASE_EINVAL);
        assert_non_null(strstr(why, cases[i].said));
    }
}

static void test_value_refusals(void **state)
{
    (void)state;
    refuse("--rpc is not an http or https URL", "--rpc=ftp://x");
    refuse("--rpc is not an http or https URL", "--rpc=https://");
    refuse("--rpc is not an http or https URL", "--rpc=https://a:0");
    refuse("--rpc is not an http or https URL", "--rpc=https://a#b");
    refuse("--rpc-agree is out of range", "--rpc-agree=0");
    refuse("--rpc-agree is out of range", "--rpc-agree=17");
    refuse("--rpc-agree is not a number", "--rpc-agree=-1");
    refuse("--rpc-agree is not a number", "--rpc-agree=99999999999999999999");
    refuse("--rpc-grace is not a duration", "--rpc-grace=24");
    refuse("--rpc-grace is not a duration", "--rpc-grace=h");
    refuse("--rpc-grace is out of range", "--rpc-grace=10ms");
    refuse("--rpc-grace is out of range", "--rpc-grace=31d");
    refuse("--kms-root is not an address", "--kms-root=0x12");
    refuse("--kms-root is not an address", "--kms-root=0x5fbDB2315678afecb367f032d93F642f64180aa3");
    refuse("--kms-root is the zero address",
           "--kms-root=0x0000000000000000000000000000000000000000");
    refuse("--app-id is not an app id", "--app-id=00");
    refuse("--finality is none of", "--finality=latest:");
    refuse("--finality is none of", "--finality=latest:1001");
    refuse("--finality is none of", "--finality=latest:-1");
    refuse("--finality is none of", "--finality=earliest");
    refuse("--listen is not an address", "--listen=wss://0.0.0.0:1");
    refuse("--listen is not an address", "--listen=tcp://0.0.0.0");
    refuse("--listen is not an address", "--listen=tcp://0.0.0.0:1/x");
    refuse("--listen is not an address", "--listen=ws://0.0.0.0:1/x?y");
    refuse(
        "--listen is not an address",
        "--listen=ws://0.0.0.0:1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    refuse("--advertise names no host", "--advertise=tcp://0.0.0.0:1");
    refuse("--advertise names no host", "--advertise=tcp://[::]:1");
    refuse("--advertise is not a URL", "--advertise=http://a:1");
    refuse("--advertise is not a URL", "--advertise=tcp://u@a:1");
    refuse("--dial-allow is not an address range", "--dial-allow=10.0.0.1/8");
    refuse("--dial-allow is not an address range", "--dial-allow=10.0.0.0/33");
    refuse("--dial-allow is not an address range", "--dial-allow=fd00::/129");
    refuse("--dial-allow is not an address range", "--dial-allow=hello");
    refuse("--bootstrap carries no node key", "--bootstrap=mesh://a:1");
    refuse("--bootstrap carries no node key", "--bootstrap=mesh://02@a:1");
    refuse("--bootstrap is not a bootstrap URL", "--bootstrap=mesh://" KEY "@a");
    refuse("--bootstrap is not a bootstrap URL", "--bootstrap=tcp://" KEY "@a:1");
    refuse("--http is not an address", "--http=0.0.0.0");
    refuse("--http is not an address", "--http=a:70000");
    refuse("--http is not an address", "--http=[::1:80");
    refuse("--http-host is not a host name", "--http=80", "--http-host=a:80");
    refuse("--tag is not a tag", "--tag=a");
    refuse("--tag is not a tag", "--tag==b");
    refuse("the tag a is set a second time", "--tag=a=1", "--tag=a=2");
    refuse("--log-level is none of", "--log-level=loud");
    refuse("--log-level is none of", "--log-level=inf");
    refuse("--log-format is none of", "--log-format=xml");
    refuse("--data-dir is too long",
           "--data-dir=/"
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "aaaaaaaaaaaaa");
    refuse("--dstack is too long",
           "--dstack=/"
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static void test_together_refusals(void **state)
{
    enum node_options_verdict verdict;
    struct node_config *config;
    char why[NODE_OPTIONS_WHY_BYTES];
    static const char *const dev[] = {"--chain-id", "8453",      "--contract", ADDRESS,
                                      "--rpc",      "https://a", "--dev",      NULL};
    (void)state;
    assert_int_equal(parse_raw(&config, &verdict, no_env, dev, why), BASE_EINVAL);
    assert_non_null(strstr(why, "--dev is refused on this chain"));
    refuse("--register needs the owner's key", "--register");
    refuse("--http-token-file opens nothing without --http", "--http-token-file=/x");
    refuse("--http-host says nothing without --http", "--http-host=a");
}

static void test_environment_refusals(void **state)
{
    (void)state;
    static const struct {
        struct env_pair env[3];
        const char *said;
    } cases[] = {
        {{{"NFTMESH_RPC_GRACE", "soon"}, {NULL, NULL}}, "NFTMESH_RPC_GRACE is not a duration"},
        {{{"DSTACK_SOCKET", "a\tb"}, {NULL, NULL}}, "DSTACK_SOCKET holds a control character"},
        {{{"NFTMESH_DEV", "maybe"}, {NULL, NULL}}, "NFTMESH_DEV is neither true nor false"},
        {{{"PORT", "99999"}, {NULL, NULL}}, "PORT or HOST is not an address"},
        {{{"PORT", "80"}, {"HOST", "a b"}, {NULL, NULL}}, "PORT or HOST is not an address"},
        {{{"PRIVATE_KEY", "0x12"}, {NULL, NULL}}, "PRIVATE_KEY is not a private key"},
        {{{"NFTMESH_CONFIG", "/nonexistent/x"}, {NULL, NULL}}, "cannot open /nonexistent/x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuse_env(cases[i].env, (const char *const[]){NULL}, cases[i].said);
}

static void refuse_text(const char *text, const char *said)
{
    struct node_options *options = NULL;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    int rv =
        node_options_parse_text(&options, &node_config_table, "f.conf", text, strlen(text), why);
    if (rv == BASE_OK) fail_msg("accepted, but should say: %s", said);
    assert_null(options);
    if (strstr(why, said) == NULL) fail_msg("said \"%s\", not \"%s\"", why, said);
}

static void test_file_refusals(void **state)
{
    (void)state;
    refuse_text("name = a\nnmae = b\n", "f.conf:2: no such option 'nmae'");
    refuse_text("rpc-agree = 2\n", "keys are the flags with _ for -");
    refuse_text("\n\nrpc_grace = soon\n", "f.conf:3: rpc_grace is not a duration");
    refuse_text("rpc = {\"https://a\",\n \"ftp://b\"}\n", "f.conf:2: rpc is not an http");
    refuse_text("name = a\nname = b\n", "f.conf:2: name is given a second time");
    refuse_text("config = x\n", "no such option 'config'");
    refuse_text("check_config = true\n", "no such option 'check_config'");
    refuse_text("name = \"a", "f.conf:");
    refuse_text("name\n", "f.conf:");
    refuse_text("= 3\n", "f.conf:");
    refuse_text("rpc = {\"https://a\"", "f.conf:");
    refuse_text("dev = 7\n", "dev is neither true nor false");
    refuse_text("include(\"/etc/passwd\")\n", "f.conf:1");
}

/* Every list has an end: of each option, and of what the settings hold. */
static void test_too_many_values(void **state)
{
    static const struct {
        const char *key, *value, *said;
        int count;
    } cases[] = {{"listen", "tcp://a:1", "at most 64 times", 65},
                 {"tag", "k%d=v", "at most 16", 17},
                 {"rpc", "https://h%d", "at most 16", 17},
                 {"kms_root", ADDRESS, "at most 8", 9}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[64], flag[80], text[4096];
        size_t len = (size_t)snprintf(text, sizeof text, "%s = {", cases[i].key);
        for (int k = 0; k < cases[i].count; k++) {
            const char *number = strstr(cases[i].value, "%d");
            int head =
                number == NULL ? (int)strlen(cases[i].value) : (int)(number - cases[i].value);
            len += (size_t)snprintf(text + len, sizeof text - len, "%s\"%.*s", k > 0 ? ", " : "",
                                    head, cases[i].value);
            if (number != NULL)
                len += (size_t)snprintf(text + len, sizeof text - len, "%d%s", k, number + 2);
            len += (size_t)snprintf(text + len, sizeof text - len, "\"");
        }
        snprintf(text + len, sizeof text - len, "}\nchain_id = 31337\ncontract = " ADDRESS "\n%s",
                 strcmp(cases[i].key, "rpc") == 0 ? "" : "rpc = \"https://a\"\n");
        write_file(path, text);
        snprintf(flag, sizeof flag, "--config=%s", path);
        enum node_options_verdict verdict;
        struct node_config *config;
        char why[NODE_OPTIONS_WHY_BYTES] = "";
        assert_int_equal(
            parse_raw(&config, &verdict, no_env, (const char *const[]){flag, NULL}, why),
            BASE_EINVAL);
        if (strstr(why, cases[i].said) == NULL) fail_msg("%s", why);
        unlink(path);
    }
}

static void test_file_with_a_zero_byte(void **state)
{
    (void)state;
    struct node_options *options;
    char why[NODE_OPTIONS_WHY_BYTES];
    int rv = node_options_parse_text(&options, &node_config_table, "f", "name = a\0b", 10, why);
    assert_int_equal(rv, BASE_EINVAL);
    assert_non_null(strstr(why, "zero byte"));
}

/* A setting that a stronger source replaces must still be right. */
static void test_an_overridden_line_is_checked_too(void **state)
{
    char path[64], flag[80];
    (void)state;
    write_file(path, "rpc_grace = soon\n");
    snprintf(flag, sizeof flag, "--config=%s", path);
    refuse("rpc_grace is not a duration", flag, "--rpc-grace=1h");
    unlink(path);
}

static void test_empty_file(void **state)
{
    (void)state;
    struct node_options *options;
    char why[NODE_OPTIONS_WHY_BYTES];
    assert_int_equal(node_options_parse_text(&options, &node_config_table, "f", "", 0, why),
                     BASE_OK);
    node_options_free(options);
    assert_int_equal(node_options_parse_text(&options, &node_config_table, "f", " \n\n", 3, why),
                     BASE_OK);
    node_options_free(options);
}

/* ---- another table, as a verb would have ---- */

static void test_small_table(void **state)
{
    static const struct node_option options[] = {
        {.name = "format",
         .argument = "F",
         .help = "How.",
         .kind = NODE_OPTION_CHOICE,
         .choices = "table|json",
         .fallback = "table"},
        {.name = "timeout",
         .argument = "T",
         .help = "How long.",
         .kind = NODE_OPTION_DURATION,
         .fallback = "5s"},
    };
    static const struct node_option_table table = {.command = "nftmesh why",
                                                   .usage = "[options] ID",
                                                   .options = options,
                                                   .option_count = 2,
                                                   .arg_min = 1,
                                                   .arg_max = 1};
    struct node_options *parsed;
    enum node_options_verdict verdict;
    char why[NODE_OPTIONS_WHY_BYTES];
    char *one[] = {"why", "02ab", "--format", "json", NULL};
    char *none[] = {"why", NULL};
    char *two[] = {"why", "a", "b", NULL};
    char *dashes[] = {"why", "--", "--format", NULL};
    (void)state;
    void *env = (void *)(uintptr_t)no_env;
    assert_int_equal(node_options_parse(&parsed, &verdict, &table, 4, one, env_lookup, env, why),
                     0);
    assert_string_equal(node_options_arg(parsed, 0), "02ab");
    assert_string_equal(node_options_text(parsed, "format"), "json");
    assert_int_equal(node_options_ms(parsed, "timeout"), 5000);
    node_options_free(parsed);
    assert_int_equal(node_options_parse(&parsed, &verdict, &table, 3, dashes, env_lookup, env, why),
                     0);
    assert_string_equal(node_options_arg(parsed, 0), "--format");
    node_options_free(parsed);
    assert_int_equal(node_options_parse(&parsed, &verdict, &table, 1, none, env_lookup, env, why),
                     BASE_EINVAL);
    assert_non_null(strstr(why, "usage is `nftmesh why [options] ID`"));
    assert_int_equal(node_options_parse(&parsed, &verdict, &table, 3, two, env_lookup, env, why),
                     BASE_EINVAL);
}

/* ---- URLs and ranges ---- */

static void test_urls(void **state)
{
    struct node_url url;
    char origin[NODE_URL_BYTES_MAX + 1];
    static const char *const bad[] = {"",
                                      "a",
                                      "://a",
                                      "HTTP://a",
                                      "http:///x",
                                      "http://a:",
                                      "http://a:x",
                                      "http://a:01",
                                      "http://a..b",
                                      "http://-a",
                                      "http://.a",
                                      "http://a.",
                                      "http://[::1",
                                      "http://[x]",
                                      "http://[::1]x",
                                      "http://@a",
                                      "http://a b",
                                      "http://a\n",
                                      "http://a:65536",
                                      "http://a/b c",
                                      "http://a/\x01",
                                      "http://a/\x7f",
                                      "http://a_\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (node_url_parse(&url, bad[i]) == BASE_OK) fail_msg("accepted %s", bad[i]);
    assert_int_equal(node_url_parse(&url, "https://u:p@Ex-A_mple.org:8443/a/b?c=d"), BASE_OK);
    assert_string_equal(url.host, "ex-a_mple.org");
    assert_string_equal(url.userinfo, "u:p");
    assert_string_equal(url.path, "/a/b?c=d");
    node_url_origin(origin, sizeof origin, &url);
    assert_string_equal(origin, "https://ex-a_mple.org:8443");
    assert_int_equal(node_url_parse(&url, "http://[FD00::1]:1"), BASE_OK);
    node_url_origin(origin, sizeof origin, &url);
    assert_string_equal(origin, "http://[fd00::1]:1");
    static const struct {
        const char *text;
        bool is_loopback;
    } loops[] = {
        {"http://localhost", true},           {"http://127.9.9.9", true},  {"http://[::1]", true},
        {"http://localhost.evil.org", false}, {"http://128.0.0.1", false}, {"http://[::2]", false},
        {"http://127.0.0.1.evil.org", false}};
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        assert_int_equal(node_url_parse(&url, loops[i].text), BASE_OK);
        assert_int_equal(node_url_is_loopback(&url), loops[i].is_loopback);
    }
}

static void test_ranges(void **state)
{
    struct node_cidr range;
    uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
    uint8_t v6[16] = {0xfd, 1};
    (void)state;
    assert_int_equal(node_cidr_parse(&range, "10.0.0.0/8"), BASE_OK);
    assert_true(node_cidr_contains(&range, v4));
    v4[12] = 11;
    assert_false(node_cidr_contains(&range, v4));
    assert_int_equal(node_cidr_parse(&range, "11.0.0.1"), BASE_OK);
    assert_true(node_cidr_contains(&range, v4));
    v4[15] = 2;
    assert_false(node_cidr_contains(&range, v4));
    assert_int_equal(node_cidr_parse(&range, "0.0.0.0/0"), BASE_OK);
    assert_true(node_cidr_contains(&range, v4));
    assert_false(node_cidr_contains(&range, v6)); /* all of IPv4 is not IPv6 */
    assert_int_equal(node_cidr_parse(&range, "fd00::/7"), BASE_EMALFORMED);
    assert_int_equal(node_cidr_parse(&range, "fc00::/7"), BASE_OK);
    assert_true(node_cidr_contains(&range, v6));
}

static void test_durations(void **state)
{
    uint64_t ms;
    (void)state;
    static const char *const bad[] = {"", "1", "s", "-1s", "1.5s", "1 s", "1S", "1w", "99999999d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_not_equal(node_duration_parse(&ms, bad[i]), BASE_OK);
    assert_int_equal(node_duration_parse(&ms, "500ms"), BASE_OK);
    assert_int_equal(ms, 500);
    assert_int_equal(node_duration_parse(&ms, "7d"), BASE_OK);
    assert_int_equal(ms, 7 * 24 * 3600 * 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_flag),
        cmocka_unit_test(test_other_chains_want_safe),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_file_by_environment),
        cmocka_unit_test(test_names_of_the_prototype),
        cmocka_unit_test(test_our_environment_name_wins_over_the_prototypes),
        cmocka_unit_test(test_empty_name_of_ours_leaves_it_to_the_prototypes),
        cmocka_unit_test(test_host_alone_opens_nothing),
        cmocka_unit_test(test_too_many_values),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_votes_are_counted),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_print_reads_back),
        cmocka_unit_test(test_command_line_refusals),
        cmocka_unit_test(test_missing_settings),
        cmocka_unit_test(test_value_refusals),
        cmocka_unit_test(test_together_refusals),
        cmocka_unit_test(test_environment_refusals),
        cmocka_unit_test(test_file_refusals),
        cmocka_unit_test(test_file_with_a_zero_byte),
        cmocka_unit_test(test_an_overridden_line_is_checked_too),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_small_table),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests_name("node_config", tests, NULL, NULL);
}
