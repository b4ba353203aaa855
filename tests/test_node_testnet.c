/* What `nftmesh testnet` writes: keys, settings that a node takes, a deployment that is the
 * owner's, scripts that a shell can read; and what it refuses to write over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "chain/abi.h"
#include "chain/contract.h"
#include "chain/tx.h"
#include "cli_run.h"

#define CODE     "0x6001600201"
#define TEXT_MAX ((size_t)1 << 20)

static char dir[64], out[96], artifact[96];
static struct cli_run run;

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    cli_run_dir_make(dir);
    snprintf(out, sizeof out, "%s/mesh", dir);
    snprintf(artifact, sizeof artifact, "%s/artifact.json", dir);
    write_text(artifact, "{\"abi\":[],\"bytecode\":{\"object\":\"" CODE "\"}}");
    return base_ecdsa_init() == BASE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cli_run_deinit(&run);
    cli_run_dir_remove(dir);
    return 0;
}

#define RUN(...)                                                                                   \
    do {                                                                                           \
        cli_run_deinit(&run);                                                                      \
        cli_run(&run, __VA_ARGS__, (const char *)NULL);                                            \
    } while (0)
#define MAKE(...) RUN("testnet", "--artifact", artifact, "--out", __VA_ARGS__)

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("\"%s\" is not in: %s", part, text);
}

static void assert_refused(int status, const char *part)
{
    const char *end = strchr(run.err, '\n');
    assert_int_equal(run.status, status);
    assert_string_equal(run.out, "");
    assert_says(run.err, part);
    if (end == NULL || end[1] != '\0') fail_msg("not one line: %s", run.err);
}

static void made(const char *nodes)
{
    MAKE(out, "--nodes", nodes);
    if (run.status != 0) fail_msg("%s", run.err);
}

/* A file of the made directory; free() it. */
static char *text_of(const char *name)
{
    char path[256], *text = calloc(1, TEXT_MAX);
    snprintf(path, sizeof path, "%s/%s", out, name);
    FILE *f = fopen(path, "r");
    if (f == NULL || text == NULL) fail_msg("%s", path);
    assert_true(fread(text, 1, TEXT_MAX - 1, f) > 0);
    fclose(f);
    return text;
}

static void key_of(struct base_privkey *key, struct base_eth_address *address, const char *name)
{
    struct base_key33 pub;
    char *text = text_of(name);
    assert_int_equal(base_hex_decode(key->bytes, 32, text, 64), BASE_OK);
    assert_string_equal(text + 64, "\n");
    free(text);
    assert_int_equal(base_ecdsa_pubkey(&pub, key), BASE_OK);
    assert_int_equal(base_ecdsa_address(address, &pub), BASE_OK);
}

static int mode_of(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", out, name);
    if (stat(path, &st) != 0) fail_msg("%s", path);
    return (int)(st.st_mode & 07777);
}

/* ---- what is written ---- */

static void test_every_key_is_its_owners_alone(void **state)
{
    static const char *const keys[] = {"owner.wallet", "kms.key", "node1/wallet", "node2/wallet"};
    (void)state;
    struct base_privkey key[4];
    struct base_eth_address address;
    made("2");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mode_of(keys[i]), 0600);
        key_of(&key[i], &address, keys[i]);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&key[i], &key[j], sizeof key[0]);
    }
    assert_int_equal(mode_of("node1"), 0700);
    assert_int_equal(mode_of("start.sh"), 0700);
    assert_int_equal(mode_of("stop.sh"), 0700);
}

/* No key is anywhere but in its own file. */
static void test_keys_stay_in_their_files(void **state)
{
    static const char *const keys[] = {"owner.wallet", "kms.key", "node1/wallet"};
    static const char *const files[] = {"start.sh",          "stop.sh",         "README.md",
                                        "chain/deploy.json", "chain/fund.json", "node1/node.conf"};
    (void)state;
    made("1");
    for (size_t k = 0; k < 3; k++) {
        char *key = text_of(keys[k]);
        key[64] = '\0';
        assert_null(strstr(run.out, key));
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
            char *text = text_of(files[i]);
            assert_null(strstr(text, key));
            free(text);
        }
        free(key);
    }
}

/* The settings are a node's own, and it finds nothing wrong with them. */
static void test_a_node_takes_its_settings(void **state)
{
    (void)state;
    char path[256], wallet[256];
    made("2");
    snprintf(path, sizeof path, "%s/node2/node.conf", out);
    snprintf(wallet, sizeof wallet, "%s/node2/wallet", out);
    RUN("node", "--config", path, "--check-config");
    if (run.status != 0) fail_msg("%s", run.err);
    assert_says(run.out, "tcp://127.0.0.1:19473");
    assert_says(run.out, "127.0.0.1:19474");
    assert_says(run.out, "http://127.0.0.1:19470");
    assert_says(run.out, wallet);
}

/* The nth of the owner's transactions. */
static void read_deployment(struct chain_tx *tx, struct base_eth_address *from, uint8_t *raw,
                            size_t cap, size_t nth)
{
    struct chain_tx_access access[CHAIN_TX_ACCESS_MAX];
    struct base_sig65 sig;
    size_t len;
    char *text = text_of("chain/deploy.json");
    json_t *batch = json_loads(text, 0, NULL);
    free(text);
    assert_int_equal(json_array_size(batch), 2);
    const json_t *json = json_array_get(batch, nth);
    assert_string_equal(json_string_value(json_object_get(json, "method")),
                        "eth_sendRawTransaction");
    const char *hex = json_string_value(json_array_get(json_object_get(json, "params"), 0));
    assert_int_equal(base_hex_decode_var(raw, &len, cap, hex), BASE_OK);
    assert_int_equal(chain_tx_decode(tx, access, &sig, from, raw, len), BASE_OK);
    json_decref(batch);
}

/* The owner's first transaction, of the artifact's code and the arguments that the constructor
 * takes, makes the contract that all settings name. */
static void test_the_deployment_is_the_owners(void **state)
{
    (void)state;
    static uint8_t raw[8192];
    struct chain_tx tx;
    struct base_privkey key;
    struct base_eth_address from, owner, root, contract, kms_root, app_id;
    struct chain_abi_reader args, ids;
    struct base_slice name;
    size_t count;
    char address[BASE_ADDRESS_TEXT_BYTES];
    made("1");
    read_deployment(&tx, &from, raw, sizeof raw, 0);
    key_of(&key, &owner, "owner.wallet");
    assert_true(base_address_equal(&from, &owner));
    assert_int_equal(tx.nonce, 0);
    assert_int_equal(tx.chain_id, 31337);
    assert_false(tx.has_to);
    assert_memory_equal(tx.data.data, "\x60\x01\x60\x02\x01", 5);
    chain_abi_reader_init(&args, tx.data.data + 5, tx.data.len - 5, 5);
    chain_abi_get_bytes(&args, &name, 64);
    assert_true(name.len > 0);
    chain_abi_get_bytes(&args, &name, 64);
    chain_abi_get_address(&args, &root);
    chain_abi_get_array(&args, &ids, &count, 1);
    chain_abi_get_bytes20(&ids, &app_id);
    chain_abi_leave(&args, &ids);
    uint64_t seats;
    chain_abi_get_u64(&args, &seats);
    assert_int_equal(chain_abi_reader_end(&args), BASE_OK);
    assert_true(seats >= 50);
    key_of(&key, &kms_root, "kms.key");
    assert_true(base_address_equal(&root, &kms_root));
    chain_tx_create_address(&contract, &owner, 0);
    base_address_format(address, &contract);
    char *conf = text_of("node1/node.conf"), *start = text_of("start.sh");
    assert_says(conf, address);
    assert_says(start, address);
    base_address_format(address, &kms_root);
    assert_says(conf, address);
    free(conf);
    free(start);
}

/* The second one has the contract take URLs on loopback. */
static void test_the_contract_is_told_to_take_any_url(void **state)
{
    (void)state;
    static uint8_t raw[8192];
    struct chain_tx tx;
    struct base_privkey key;
    struct base_eth_address from, owner, contract;
    struct base_buf call;
    made("1");
    read_deployment(&tx, &from, raw, sizeof raw, 1);
    key_of(&key, &owner, "owner.wallet");
    assert_true(base_address_equal(&from, &owner));
    assert_int_equal(tx.nonce, 1);
    chain_tx_create_address(&contract, &owner, 0);
    assert_true(tx.has_to && base_address_equal(&tx.to, &contract));
    base_buf_init(&call, CHAIN_ABI_CALL_BYTES_MAX);
    chain_contract_call_set_dev_mode(&call, true);
    assert_int_equal(tx.data.len, call.len);
    assert_memory_equal(tx.data.data, call.data, call.len);
    base_buf_deinit(&call);
}

static void test_every_wallet_is_funded_and_gets_a_seat(void **state)
{
    static const char *const wallets[] = {"owner.wallet", "node1/wallet", "node2/wallet"};
    (void)state;
    struct base_privkey key;
    struct base_eth_address address;
    char hex[41], text[BASE_ADDRESS_TEXT_BYTES];
    made("2");
    char *fund = text_of("chain/fund.json"), *start = text_of("start.sh");
    json_t *json = json_loads(fund, 0, NULL);
    assert_int_equal(json_array_size(json), 3);
    json_decref(json);
    for (size_t i = 0; i < 3; i++) {
        key_of(&key, &address, wallets[i]);
        base_hex_encode(hex, address.bytes, 20);
        base_address_format(text, &address);
        assert_says(fund, hex);
        if (i > 0) assert_says(start, text);
    }
    free(fund);
    free(start);
}

static void test_a_shell_can_read_the_scripts(void **state)
{
    (void)state;
    char command[256];
    made("1");
    snprintf(command, sizeof command, "bash -n %s/start.sh && bash -n %s/stop.sh", out, out);
    assert_int_equal(system(command), 0);
    /* Nothing runs: there is nothing to end. */
    snprintf(command, sizeof command, "%s/stop.sh", out);
    assert_int_equal(system(command), 0);
}

static void test_ports_follow_the_base(void **state)
{
    (void)state;
    MAKE(out, "--nodes", "2", "--base-port", "30000");
    assert_int_equal(run.status, 0);
    char *conf = text_of("node2/node.conf");
    assert_says(conf, "http://127.0.0.1:30000");
    assert_says(conf, "tcp://127.0.0.1:30003");
    assert_says(conf, "http = \"127.0.0.1:30004\"");
    free(conf);
}

/* ---- what is refused ---- */

static void test_nothing_is_written_over(void **state)
{
    (void)state;
    made("1");
    char *before = text_of("owner.wallet");
    MAKE(out, "--nodes", "1");
    assert_refused(1, "not an empty directory");
    char *after = text_of("owner.wallet");
    assert_string_equal(before, after);
    free(before);
    free(after);
    MAKE(artifact, "--nodes", "1");
    assert_refused(1, artifact);
}

static void test_an_empty_directory_will_do(void **state)
{
    (void)state;
    assert_int_equal(mkdir(out, 0700), 0);
    made("1");
}

static void test_usage(void **state)
{
    (void)state;
    RUN("testnet", "--artifact", artifact);
    assert_refused(2, "--out");
    MAKE(out, "--nodes", "0");
    assert_refused(2, "--nodes");
    MAKE(out, "--nodes", "51");
    assert_refused(2, "--nodes");
    MAKE(out, "--base-port", "80");
    assert_refused(2, "--base-port");
    MAKE(out, "--anvil", "/tmp/of-nowhere");
    assert_refused(2, "/tmp/of-nowhere");
}

/* A socket below it must have a path that fits; settings and scripts take it as it is. */
static void test_a_directory_that_cannot_be(void **state)
{
    (void)state;
    char path[256];
    int len = snprintf(path, sizeof path, "%s/", dir);
    memset(path + len, 'x', 81 - (size_t)len);
    path[81] = '\0';
    MAKE(path);
    assert_refused(2, "80 bytes");
    path[80] = '\0';
    MAKE(path);
    assert_int_equal(run.status, 0);
    snprintf(path, sizeof path, "%s/a b", dir);
    MAKE(path);
    assert_refused(2, "letters");
    snprintf(path, sizeof path, "%s/a'b\"", dir);
    MAKE(path);
    assert_refused(2, "letters");
    snprintf(path, sizeof path, "%s/none/below", dir);
    MAKE(path);
    assert_refused(1, path);
}

static void test_an_artifact_that_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "{}",
                                        "[]",
                                        "{\"bytecode\":{\"object\":\"\"}}",
                                        "{\"bytecode\":{\"object\":\"0x\"}}",
                                        "{\"bytecode\":{\"object\":\"0xzz\"}}",
                                        "{\"bytecode\":{\"object\":\"0x60__$library$__\"}}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char path[256];
        write_text(artifact, texts[i]);
        snprintf(path, sizeof path, "%s/mesh%zu", dir, i);
        MAKE(path);
        assert_refused(1, artifact);
    }
    assert_int_equal(remove(artifact), 0);
    MAKE(out);
    assert_refused(1, "--artifact");
    struct stat st;
    assert_int_equal(stat(out, &st), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_key_is_its_owners_alone),
        TEST(test_keys_stay_in_their_files),
        TEST(test_a_node_takes_its_settings),
        TEST(test_the_deployment_is_the_owners),
        TEST(test_the_contract_is_told_to_take_any_url),
        TEST(test_every_wallet_is_funded_and_gets_a_seat),
        TEST(test_a_shell_can_read_the_scripts),
        TEST(test_ports_follow_the_base),
        TEST(test_nothing_is_written_over),
        TEST(test_an_empty_directory_will_do),
        TEST(test_usage),
        TEST(test_a_directory_that_cannot_be),
        TEST(test_an_artifact_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
