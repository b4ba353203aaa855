/* The binary without a node: usage, keygen, verify-chain with each of the known chains. */
#include "cli_run.h"
#include "json_vectors.h"

#include "base/bytes.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static struct cli_run run;

static int setup(void **state)
{
    (void)state;
    cli_run_dir_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cli_run_deinit(&run);
    cli_run_dir_remove(dir);
    return 0;
}

/* Runs anew; what the last one said is gone. */
#define RUN(...)                                                                                   \
    do {                                                                                           \
        const char *input_ = run.input;                                                            \
        cli_run_deinit(&run);                                                                      \
        run.input = input_;                                                                        \
        cli_run(&run, __VA_ARGS__, (const char *)NULL);                                            \
    } while (0)

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("\"%s\" is not in: %s", part, text);
}

/* An error is one line on standard error and nothing on standard output. */
static void assert_one_line_error(int status, const char *part)
{
    const char *end = strchr(run.err, '\n');
    assert_int_equal(run.status, status);
    assert_string_equal(run.out, "");
    assert_says(run.err, part);
    if (end == NULL || end[1] != '\0') fail_msg("not one line: %s", run.err);
}

static const char *const verbs[] = {
    "node", "simulator", "status", "members",  "peers",      "events",      "why",
    "wait", "verify",    "join",   "leave",    "event",      "tags",        "trust",
    "mint", "register",  "keygen", "transfer", "deactivate", "verify-chain"};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

/* ---- usage ---- */

static void test_version_is_one_line(void **state)
{
    (void)state;
    RUN("--version");
    assert_int_equal(run.status, 0);
    assert_int_equal(strncmp(run.out, "nftmesh 0.", 10), 0);
    assert_says(run.out, " wire 1.1\n");
    assert_ptr_equal(strchr(run.out, '\n'), run.out + run.out_len - 1);
    assert_string_equal(run.err, "");
}

static void test_without_a_verb_it_is_a_usage_error(void **state)
{
    (void)state;
    cli_run(&run, NULL);
    assert_int_equal(run.status, 2);
    assert_string_equal(run.out, "");
    assert_says(run.err, "usage: nftmesh VERB");
}

static void test_help_lists_every_verb(void **state)
{
    (void)state;
    RUN("--help");
    assert_int_equal(run.status, 0);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        char line[64];
        snprintf(line, sizeof line, "\n  %s ", verbs[i]);
        assert_says(run.out, line);
    }
}

static void test_every_verb_explains_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERB_COUNT; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "Usage: nftmesh %s", verbs[i]);
        RUN(verbs[i], "--help");
        assert_int_equal(run.status, 0);
        assert_says(run.out, usage);
        assert_string_equal(run.err, "");
        char *help = strdup(run.out);
        RUN("help", verbs[i]);
        assert_int_equal(run.status, 0);
        assert_string_equal(run.out, help);
        free(help);
    }
}

static void test_every_verb_refuses_an_unknown_option(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERB_COUNT; i++) {
        RUN(verbs[i], "--no-such-option");
        assert_one_line_error(2, "--no-such-option");
    }
}

static void test_an_unknown_verb_names_the_nearest(void **state)
{
    (void)state;
    RUN("memebrs");
    assert_one_line_error(2, "nftmesh members");
    RUN("help", "statsu");
    assert_one_line_error(2, "nftmesh status");
    RUN("frobnicate");
    assert_one_line_error(2, "nftmesh --help");
}

/* ---- keygen ---- */

static void read_key(struct base_privkey *key, const char *path)
{
    char text[80] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    assert_int_equal(len, 65);
    assert_int_equal(text[64], '\n');
    assert_int_equal(base_hex_decode(key->bytes, 32, text, 64), BASE_OK);
}

static void test_keygen_makes_a_key_and_tells_its_address_only(void **state)
{
    char path[128], hex[65], address[BASE_ADDRESS_TEXT_BYTES];
    struct stat st;
    struct base_privkey key;
    struct base_key33 pub;
    struct base_eth_address is;
    (void)state;
    snprintf(path, sizeof path, "%s/wallet", dir);
    RUN("keygen", "--out", path, "--format", "json");
    assert_int_equal(run.status, 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    read_key(&key, path);
    assert_int_equal(base_ecdsa_pubkey(&pub, &key), BASE_OK);
    assert_int_equal(base_ecdsa_address(&is, &pub), BASE_OK);
    base_address_format(address, &is);
    assert_says(run.out, address);
    base_hex_encode(hex, key.bytes, 32);
    assert_null(strstr(run.out, hex));
    assert_null(strstr(run.err, hex));
}

static void test_keygen_never_overwrites(void **state)
{
    char path[128];
    struct base_privkey before, after;
    (void)state;
    snprintf(path, sizeof path, "%s/wallet", dir);
    RUN("keygen", "--out", path);
    assert_int_equal(run.status, 0);
    read_key(&before, path);
    RUN("keygen", "--out", path);
    assert_one_line_error(1, path);
    read_key(&after, path);
    assert_memory_equal(&before, &after, sizeof before);
}

static void test_keygen_needs_a_file(void **state)
{
    (void)state;
    RUN("keygen");
    assert_one_line_error(2, "--out");
}

/* Goal: where a file may not grow any more, it is told that it did not, and leaves no empty key. */
static void test_a_limit_on_files_ends_nothing(void **state)
{
    char path[128];
    struct rlimit limit;
    (void)state;
    snprintf(path, sizeof path, "%s/wallet", dir);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit none = {0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0); /* our own, which the binary inherits */
    RUN("keygen", "--out", path);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(run.status, 1); /* and no signal */
    assert_int_equal(access(path, F_OK), -1);
}

static void test_two_keys_differ(void **state)
{
    char a[128], b[128];
    struct base_privkey key_a, key_b;
    (void)state;
    snprintf(a, sizeof a, "%s/a", dir);
    snprintf(b, sizeof b, "%s/b", dir);
    RUN("keygen", "--out", a);
    RUN("keygen", "--out", b);
    read_key(&key_a, a);
    read_key(&key_b, b);
    assert_memory_not_equal(&key_a, &key_b, sizeof key_a);
}

/* ---- verify-chain ---- */

/* Where a case can fail one check only, the check that it must name. */
static const char *check_of(const char *name)
{
    static const char *const known[][2] = {
        {"app-signature-64-bytes", "length"},
        {"app-signature-empty", "length"},
        {"kms-signature-64-bytes", "length"},
        {"app-id-19-bytes", "length"},
        {"derived-key-uncompressed", "length"},
        {"wrong-purpose", "app_signature"},
        {"derived-key-not-on-curve", "derived_key"},
        {"app-signature-high-s", "app_signature_form"},
        {"app-signature-v-2", "app_signature_form"},
        {"kms-signature-high-s", "kms_signature_form"},
        {"app-key-not-matching", "app_signature"},
        {"rogue-kms-root", "kms_root"},
        {"self-signed-app-key", "kms_root"},
        {"valid-chain-of-an-app-that-is-not-allowed", "app_id"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i][0], name) == 0) return known[i][1];
    return NULL;
}

static void test_chain_case(void **state)
{
    const json_t *test = *state;
    const char *name = json_vectors_string(test, "name");
    bool accept = strcmp(json_vectors_string(test, "expect"), "accept") == 0;
    char *text = json_dumps(json_vectors_object(test, "input"), 0), line[64];
    run.input = text;
    RUN("verify-chain", "-");
    free(text);
    run.input = NULL;
    assert_string_equal(run.err, "");
    if (accept) {
        assert_int_equal(run.status, 0);
        assert_string_equal(run.out, "accept\n");
    } else {
        assert_int_equal(run.status, 1);
        assert_int_equal(strncmp(run.out, "reject: ", 8), 0);
        assert_string_not_equal(run.out, "reject: accept\n");
        assert_string_not_equal(run.out, "reject: undecided\n");
    }
    if (check_of(name) != NULL) {
        snprintf(line, sizeof line, "reject: %s\n", check_of(name));
        assert_string_equal(run.out, line);
    }
    cli_run_deinit(&run);
}

static const json_t *chain_vectors;

static json_t *valid_input(void)
{
    const json_t *cases = json_vectors_array(chain_vectors, "verify_cases");
    return json_deep_copy(json_vectors_object(json_array_get(cases, 0), "input"));
}

/* Takes input. */
static void verify_input(json_t *input)
{
    char *text = json_dumps(input, 0);
    json_decref(input);
    run.input = text;
    RUN("verify-chain", "-");
    free(text);
    run.input = NULL;
}

static void test_a_chain_from_a_file(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/chain.json", dir);
    json_t *input = valid_input();
    assert_int_equal(json_dump_file(input, path, 0), 0);
    json_decref(input);
    RUN("verify-chain", path);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "accept\n");
}

static void test_an_input_that_cannot_be_read(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/none.json", dir);
    RUN("verify-chain", path);
    assert_one_line_error(2, path);
    RUN("verify-chain");
    assert_one_line_error(2, "FILE");
    run.input = "{\"purpose\":";
    RUN("verify-chain", "-");
    assert_one_line_error(2, "byte");
    run.input = NULL;
    RUN("verify-chain", "-");
    assert_one_line_error(2, "byte");
}

static void test_an_input_that_is_too_large(void **state)
{
    json_t *input = valid_input();
    char *long_text = malloc(70001);
    (void)state;
    memset(long_text, 'a', 70000);
    long_text[70000] = '\0';
    json_object_set_new(input, "more", json_string(long_text));
    free(long_text);
    verify_input(input);
    assert_one_line_error(2, "-");
}

static void test_every_field_of_a_chain_is_needed(void **state)
{
    static const char *const keys[] = {"purpose",       "kms_root_address", "allowed_app_id",
                                       "app_id",        "app_public_key",   "derived_public_key",
                                       "app_signature", "kms_signature"};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_t *input = valid_input();
        assert_int_equal(json_object_del(input, keys[i]), 0);
        verify_input(input);
        assert_one_line_error(2, keys[i]);
        input = valid_input();
        json_object_set_new(input, keys[i], json_integer(7));
        verify_input(input);
        assert_one_line_error(2, keys[i]);
        if (i == 0) continue; /* a purpose is any text */
        input = valid_input();
        json_object_set_new(input, keys[i], json_string("0xzz"));
        verify_input(input);
        assert_one_line_error(2, keys[i]);
    }
}

/* ---- no node ---- */

static void test_without_a_node_the_socket_is_named(void **state)
{
    static const char *const asking[][2] = {{"status", NULL},  {"members", NULL},
                                            {"peers", NULL},   {"events", NULL},
                                            {"why", "02ab"},   {"leave", NULL},
                                            {"verify", "bob"}, {"event", "x"},
                                            {"trust", "show"}, {"join", "mesh://02@127.0.0.1:1"}};
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/control.sock", dir);
    for (size_t i = 0; i < sizeof asking / sizeof asking[0]; i++) {
        if (asking[i][1] != NULL)
            RUN(asking[i][0], "--data-dir", dir, asking[i][1]);
        else
            RUN(asking[i][0], "--data-dir", dir);
        assert_one_line_error(1, path);
        assert_says(run.err, "no node runs here");
    }
    RUN("tags", "--set", "a=b", "--data-dir", dir);
    assert_one_line_error(1, path);
}

static void test_something_that_is_no_socket(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/control.sock", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    RUN("status", "--data-dir", dir);
    assert_one_line_error(1, path);
    RUN("events", "--data-dir", dir);
    assert_one_line_error(1, path);
}

/* Flag before environment, and of two that are equally strong the socket. */
static void test_which_socket(void **state)
{
    static const char *const env_socket = "NFTMESH_SOCKET=/tmp/of-env.sock";
    static const char *const env_dir = "NFTMESH_DATA_DIR=/tmp/of-env";
    static const struct {
        const char *env[2], *args[4], *path;
    } cases[] = {
        {{NULL}, {NULL}, "/var/lib/nftmesh/control.sock"},
        {{env_dir}, {NULL}, "/tmp/of-env/control.sock"},
        {{env_socket}, {NULL}, "/tmp/of-env.sock"},
        {{env_socket, env_dir}, {NULL}, "/tmp/of-env.sock"},
        {{env_socket}, {"--data-dir", "/tmp/of-flag"}, "/tmp/of-flag/control.sock"},
        {{env_dir}, {"--socket", "/tmp/of-flag.sock"}, "/tmp/of-flag.sock"},
        {{NULL},
         {"--data-dir", "/tmp/of-flag", "--socket", "/tmp/of-flag.sock"},
         "/tmp/of-flag.sock"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const *a = cases[i].args;
        cli_run_deinit(&run);
        run.env[0] = cases[i].env[0];
        run.env[1] = cases[i].env[1];
        cli_run(&run, "status", a[0], a[1], a[2], a[3], (const char *)NULL);
        assert_one_line_error(1, cases[i].path);
    }
}

/* A node's own file names its socket; what else is in it is no error, and nothing to filter by. */
static void test_the_socket_of_a_configuration_file(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/node.conf", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("name = n1\nlisten = {\"tcp://127.0.0.1:1\", \"tcp://127.0.0.1:2\"}\n"
          "data_dir = \"/tmp/of-file\"\ndev = true\n",
          f);
    fclose(f);
    RUN("members", "--config", path);
    assert_one_line_error(1, "/tmp/of-file/control.sock");
    RUN("why", "n1", "--config", path);
    assert_one_line_error(1, "/tmp/of-file/control.sock");
    RUN("events", "--config", path);
    assert_one_line_error(1, "/tmp/of-file/control.sock");
    RUN("status", "--config", path, "--data-dir", "/tmp/of-flag");
    assert_one_line_error(1, "/tmp/of-flag/control.sock");
    /* For the chain's verbs too: what is missing is told, not what is too much. */
    RUN("deactivate", "--token", "1", "--config", path);
    assert_one_line_error(2, "--rpc");
    RUN("node", "--check-config", "--config", "/tmp/of-file/none");
    assert_one_line_error(2, "/tmp/of-file/none");
}

static void test_waiting_ends(void **state)
{
    (void)state;
    RUN("wait", "--ready", "--timeout", "200ms", "--data-dir", dir);
    assert_one_line_error(3, dir);
    RUN("wait", "--registered", "--timeout", "200ms", "--data-dir", dir);
    assert_one_line_error(3, dir);
    RUN("wait", "--data-dir", dir);
    assert_one_line_error(2, "--ready");
}

static void test_commands_that_say_nothing_are_usage_errors(void **state)
{
    char payload[514];
    (void)state;
    memset(payload, 'x', 513);
    payload[513] = '\0';
    RUN("tags", "--data-dir", dir);
    assert_one_line_error(2, "--set");
    RUN("tags", "--set", "no-value", "--data-dir", dir);
    assert_one_line_error(2, "KEY=VALUE");
    RUN("tags", "--set", "=v", "--data-dir", dir);
    assert_one_line_error(2, "KEY=VALUE");
    RUN("trust", "nobody", "--data-dir", dir);
    assert_one_line_error(2, "accept");
    RUN("event", "x", payload, "--data-dir", dir);
    assert_one_line_error(2, "512");
    run.input = payload;
    RUN("event", "x", "-", "--data-dir", dir);
    run.input = NULL;
    assert_one_line_error(2, "512");
    RUN("why", "", "--data-dir", dir);
    assert_one_line_error(2, "ID");
    RUN("members", "--status", "dead", "--data-dir", dir);
    assert_one_line_error(2, "--status");
    RUN("status", "more", "--data-dir", dir);
    assert_one_line_error(2, "more");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_version_is_one_line),
        TEST(test_without_a_verb_it_is_a_usage_error),
        TEST(test_help_lists_every_verb),
        TEST(test_every_verb_explains_itself),
        TEST(test_every_verb_refuses_an_unknown_option),
        TEST(test_an_unknown_verb_names_the_nearest),
        TEST(test_keygen_makes_a_key_and_tells_its_address_only),
        TEST(test_keygen_never_overwrites),
        TEST(test_keygen_needs_a_file),
        TEST(test_a_limit_on_files_ends_nothing),
        TEST(test_two_keys_differ),
        TEST(test_a_chain_from_a_file),
        TEST(test_an_input_that_cannot_be_read),
        TEST(test_an_input_that_is_too_large),
        TEST(test_every_field_of_a_chain_is_needed),
        TEST(test_without_a_node_the_socket_is_named),
        TEST(test_something_that_is_no_socket),
        TEST(test_which_socket),
        TEST(test_the_socket_of_a_configuration_file),
        TEST(test_waiting_ends),
        TEST(test_commands_that_say_nothing_are_usage_errors),
    };
    struct json_vectors_tests cases = {0};
    size_t i;
    json_t *test, *vectors = json_vectors_load("signature-chain.json");
    chain_vectors = vectors;
    if (base_ecdsa_init() != BASE_OK) return 1;
    json_array_foreach(json_vectors_array(vectors, "verify_cases"), i, test)
    {
        json_vectors_add(&cases, test_chain_case, test, "verify-chain %s",
                         json_vectors_string(test, "name"));
    }
    int failed = json_vectors_run(&cases, "verify-chain", NULL);
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(vectors);
    return failed;
}
