#include "node/testnet.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "chain/abi.h"
#include "chain/contract.h"
#include "chain/tx.h"
#include "node/cli.h"
#include "node/testnet_scripts.h"

#define NODES_MAX          50
#define CHAIN_ID           31337
#define MAX_NODES_ON_CHAIN 1000
#define DIR_BYTES_MAX      80 /* so that a socket's path fits: 107 with "/node50/data/control.sock" */
#define FILE_BYTES_MAX     ((size_t)1 << 20)
#define ARTIFACT_BYTES_MAX ((size_t)8 << 20)
#define CODE_BYTES_MAX     ((size_t)48 << 10) /* EIP-3860's bound on init code */
#define DEPLOY_GAS         12000000
#define GWEI               UINT64_C(1000000000)
#define ETHER_100_HEX      "0x56bc75e2d63100000"
#define ARTIFACT_NAME      "contracts/out/DstackMembershipNFT.sol/DstackMembershipNFT.json"
#define ANVIL_NAME         "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"

static const struct base_eth_address app_id = {"nftmesh-testnet-app1"};

static const struct node_option testnet_options[] = {
    {.name = "nodes",
     .argument = "N",
     .help = "How many nodes.",
     .fallback = "4",
     .min = 1,
     .max = NODES_MAX,
     .kind = NODE_OPTION_NUMBER},
    {.name = "out",
     .argument = "DIR",
     .help = "Where it goes: a new or empty directory.",
     .kind = NODE_OPTION_TEXT},
    {.name = "base-port",
     .argument = "P",
     .help = "The chain's port on 127.0.0.1; node N listens on P + 2N - 1 and answers HTTP on P + "
             "2N.",
     .fallback = "19470",
     .min = 1024,
     .max = 65535 - 2 * NODES_MAX,
     .kind = NODE_OPTION_NUMBER},
    {.name = "artifact",
     .argument = "FILE",
     .help = "The compiled contract, as forge writes it. By default the one of the source tree "
             "beside this binary's.",
     .kind = NODE_OPTION_TEXT},
    {.name = "anvil",
     .argument = "PATH",
     .help =
         "The local chain's binary. By default the one of the source tree beside this binary's, "
         "else anvil from PATH. start.sh takes $ANVIL first.",
     .kind = NODE_OPTION_TEXT},
};
static const struct node_option_table testnet_table = {
    .command = "nftmesh testnet",
    .usage = "--nodes N --out DIR",
    .intro = "Writes a whole mesh on a local chain into a directory: keys, settings, and scripts "
             "that start and stop a chain, the contract, guest agents and nodes. Nothing is "
             "started.",
    .outro = "Example:\n  nftmesh testnet --nodes 4 --out ./mesh && ./mesh/start.sh\n",
    .options = testnet_options,
    .option_count = sizeof testnet_options / sizeof testnet_options[0],
};

struct testnet {
    size_t node_count;
    unsigned port;
    char dir[PATH_MAX];  /* absolute */
    char root[PATH_MAX]; /* of the source tree: two above the binary; may be no such thing */
    char binary[PATH_MAX];
    char anvil[PATH_MAX];
    struct base_privkey owner;
    struct base_eth_address owner_address, kms_root, contract;
    struct base_eth_address wallets[NODES_MAX];
};

static int fail(int status, const char *what, const char *why)
{
    return cli_error(status, "testnet", "%s: %s", what, why);
}

/* ---- files ---- */

/* Appends "<dir>/" and the name. BASE_ETOOBIG cannot be: dir is short. */
static void path_of(char out[PATH_MAX], const struct testnet *t, const char *format, size_t n)
{
    int len = snprintf(out, PATH_MAX, "%s/", t->dir);
    len = snprintf(out + len, PATH_MAX - (size_t)len, format, n);
    assert(len > 0);
}

static int write_file(const struct testnet *t, const char *format, size_t n, mode_t mode,
                      const struct base_buf *text)
{
    char path[PATH_MAX];
    path_of(path, t, format, n);
    if (text->failed) return fail(CLI_FAILED, path, "too large");
    FILE *f = fopen(path, "wxe");
    bool ok = f != NULL && fwrite(text->data, 1, text->len, f) == text->len &&
              fchmod(fileno(f), mode) == 0;
    if (f != NULL && fclose(f) != 0) ok = false;
    return ok ? CLI_OK : fail(CLI_FAILED, path, strerror(errno));
}

static int make_dir(const struct testnet *t, const char *format, size_t n)
{
    char path[PATH_MAX];
    path_of(path, t, format, n);
    return mkdir(path, 0700) == 0 ? CLI_OK : fail(CLI_FAILED, path, strerror(errno));
}

static bool dir_is_empty(const char *path)
{
    const struct dirent *entry;
    bool empty = true;
    DIR *dir = opendir(path);
    if (dir == NULL) return false;
    while (empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(dir);
    return empty;
}

/* Made, or empty already; absolute, and of letters that scripts and settings take as they are. */
static int open_dir(struct testnet *t, const char *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+";
    if (mkdir(out, 0700) != 0 && errno != EEXIST) return fail(CLI_FAILED, out, strerror(errno));
    if (realpath(out, t->dir) == NULL) return fail(CLI_FAILED, out, strerror(errno));
    if (!dir_is_empty(t->dir))
        return fail(CLI_FAILED, t->dir, "not an empty directory; name a new one");
    if (strlen(t->dir) > DIR_BYTES_MAX)
        return fail(CLI_USAGE, t->dir,
                    "longer than 80 bytes, so that sockets in it would have no valid path");
    if (strspn(t->dir, plain) != strlen(t->dir))
        return fail(CLI_USAGE, t->dir, "only letters, digits and / . _ - + may be in its path");
    return CLI_OK;
}

/* ---- the contract's deployment ---- */

static int read_artifact(json_t **out, const char *path)
{
    char why[BASE_JSON_WHY_BYTES], chunk[8192];
    struct base_buf text;
    size_t got;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return cli_error(CLI_FAILED, "testnet",
                         "%s: %s; compile the contract first, or name it with --artifact", path,
                         strerror(errno));
    base_buf_init(&text, ARTIFACT_BYTES_MAX);
    while ((got = fread(chunk, 1, sizeof chunk, f)) > 0 && !text.failed)
        base_buf_append(&text, chunk, got);
    fclose(f);
    int rv = base_json_parse(out, text.data, text.len, ARTIFACT_BYTES_MAX, why);
    base_buf_deinit(&text);
    return rv == BASE_OK ? CLI_OK : fail(CLI_FAILED, path, why);
}

/* Init code, then the constructor's arguments: name, symbol, root, app ids, seats. */
static int put_init_code(struct base_buf *out, const struct testnet *t, const char *path,
                         const json_t *artifact)
{
    static const char name[] = "nftmesh test seats", symbol[] = "SEAT";
    const char *hex =
        json_string_value(json_object_get(json_object_get(artifact, "bytecode"), "object"));
    uint8_t *code = malloc(CODE_BYTES_MAX);
    size_t len = 0;
    struct chain_abi_writer args, ids;
    if (code == NULL || hex == NULL ||
        base_hex_decode_var(code, &len, CODE_BYTES_MAX, hex) != BASE_OK || len == 0) {
        free(code);
        return fail(CLI_FAILED, path, "no bytecode in it: not a compiled contract of forge");
    }
    base_buf_append(out, code, len);
    free(code);
    chain_abi_writer_init(&args, 5);
    chain_abi_put_bytes(&args, name, sizeof name - 1);
    chain_abi_put_bytes(&args, symbol, sizeof symbol - 1);
    chain_abi_put_address(&args, &t->kms_root);
    chain_abi_writer_init(&ids, 1);
    chain_abi_put_bytes20(&ids, &app_id);
    chain_abi_put_array(&args, &ids, 1);
    chain_abi_put_u64(&args, MAX_NODES_ON_CHAIN);
    return chain_abi_writer_finish(&args, out) == BASE_OK ? CLI_OK
                                                          : fail(CLI_FAILED, path, "too large");
}

/* One of the owner's transactions, signed, as the nth request of a JSON-RPC batch. */
static int put_transaction(struct base_buf *text, const struct testnet *t, struct chain_tx *tx,
                           const struct base_buf *data, uint64_t nonce)
{
    struct base_buf raw;
    struct base_hash32 hash;
    base_buf_init(&raw, CHAIN_TX_BYTES_MAX);
    tx->type = CHAIN_TX_EIP1559;
    tx->chain_id = CHAIN_ID;
    tx->nonce = nonce;
    tx->gas_limit = DEPLOY_GAS;
    tx->max_priority_fee = base_u256_from_u64(GWEI);
    tx->max_fee = base_u256_from_u64(100 * GWEI);
    tx->data = (struct base_slice){(const uint8_t *)data->data, data->len};
    int rv = data->failed ? BASE_ETOOBIG : chain_tx_sign(&raw, &hash, tx, &t->owner);
    if (rv == BASE_OK) {
        base_buf_printf(text,
                        "%s{\"jsonrpc\":\"2.0\",\"id\":%" PRIu64
                        ",\"method\":\"eth_sendRawTransaction\",\"params\":[\"0x",
                        nonce == 0 ? "[" : ",\n", nonce);
        base_buf_hex(text, raw.data, raw.len);
        base_buf_puts(text, "\"]}");
    }
    base_buf_deinit(&raw);
    return rv;
}

/* The owner's first transaction: where it puts the contract follows from its address. The second
 * has it take any URL, since the nodes' are on loopback. */
static int put_deployment(struct base_buf *text, struct testnet *t, const char *path,
                          const json_t *artifact)
{
    struct chain_tx create = {.has_to = false}, setup = {.has_to = true};
    struct base_buf code, call;
    base_buf_init(&code, CHAIN_TX_BYTES_MAX);
    base_buf_init(&call, CHAIN_TX_BYTES_MAX);
    int status = put_init_code(&code, t, path, artifact);
    chain_tx_create_address(&t->contract, &t->owner_address, 0);
    setup.to = t->contract;
    chain_contract_call_set_dev_mode(&call, true);
    if (status == CLI_OK) {
        int rv = put_transaction(text, t, &create, &code, 0);
        if (rv == BASE_OK) rv = put_transaction(text, t, &setup, &call, 1);
        if (rv != BASE_OK) status = fail(CLI_FAILED, path, base_strerror(rv));
    }
    base_buf_puts(text, "]\n");
    base_buf_deinit(&call);
    base_buf_deinit(&code);
    return status;
}

static int write_deployment(struct testnet *t, const char *path)
{
    struct base_buf text;
    json_t *artifact = NULL;
    base_buf_init(&text, FILE_BYTES_MAX);
    int status = read_artifact(&artifact, path);
    if (status == CLI_OK) status = put_deployment(&text, t, path, artifact);
    if (status == CLI_OK) status = write_file(t, "chain/deploy.json", 0, 0600, &text);
    json_decref(artifact);
    base_buf_deinit(&text);
    return status;
}

static void put_funding(struct base_buf *text, size_t id, const struct base_eth_address *address)
{
    base_buf_printf(text,
                    "%s{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"anvil_setBalance\","
                    "\"params\":[\"0x",
                    id == 0 ? "[" : ",\n", id);
    base_buf_hex(text, address->bytes, sizeof address->bytes);
    base_buf_puts(text, "\",\"" ETHER_100_HEX "\"]}");
}

static int write_funding(const struct testnet *t)
{
    struct base_buf text;
    base_buf_init(&text, FILE_BYTES_MAX);
    put_funding(&text, 0, &t->owner_address);
    for (size_t i = 0; i < t->node_count; i++)
        put_funding(&text, i + 1, &t->wallets[i]);
    base_buf_puts(&text, "]\n");
    int status = write_file(t, "chain/fund.json", 0, 0600, &text);
    base_buf_deinit(&text);
    return status;
}

/* ---- keys, settings, scripts ---- */

static int make_key(const struct testnet *t, struct base_privkey *key,
                    struct base_eth_address *address, const char *format, size_t n)
{
    struct base_privkey ignored;
    char path[PATH_MAX];
    path_of(path, t, format, n);
    int rv = cli_key_make(key != NULL ? key : &ignored, address, path);
    base_memzero(&ignored, sizeof ignored);
    return rv == BASE_OK ? CLI_OK : fail(CLI_FAILED, path, strerror(errno));
}

static int write_settings(const struct testnet *t, size_t n)
{
    char contract[BASE_ADDRESS_TEXT_BYTES], root[BASE_ADDRESS_TEXT_BYTES];
    struct base_buf text;
    base_buf_init(&text, FILE_BYTES_MAX);
    base_address_format(contract, &t->contract);
    base_address_format(root, &t->kms_root);
    base_buf_printf(&text, "# Node %zu of a test network. `nftmesh node --help` explains each.\n",
                    n);
    base_buf_printf(&text, "name = node%zu\n", n);
    base_buf_printf(&text, "data_dir = \"%s/node%zu/data\"\n", t->dir, n);
    base_buf_printf(&text, "dstack = \"%s/node%zu/dstack.sock\"\n", t->dir, n);
    base_buf_printf(&text, "rpc = {\"http://127.0.0.1:%u\"}\nchain_id = %u\n", t->port, CHAIN_ID);
    base_buf_printf(&text, "contract = \"%s\"\nkms_root = {\"%s\"}\napp_id = {\"", contract, root);
    base_buf_hex(&text, app_id.bytes, sizeof app_id.bytes);
    base_buf_printf(&text, "\"}\nwallet_key_file = \"%s/node%zu/wallet\"\n", t->dir, n);
    base_buf_printf(&text, "listen = {\"tcp://127.0.0.1:%zu\"}\n", t->port + 2 * n - 1);
    base_buf_printf(&text, "http = \"127.0.0.1:%zu\"\nwait = true\ndev = true\n", t->port + 2 * n);
    int status = write_file(t, "node%zu/node.conf", n, 0600, &text);
    base_buf_deinit(&text);
    return status;
}

/* In single quotes, for a shell. */
static void put_quoted(struct base_buf *text, const char *value)
{
    base_buf_puts(text, "'");
    for (; *value != '\0'; value++) {
        if (*value == '\'')
            base_buf_puts(text, "'\\''");
        else
            base_buf_append(text, value, 1);
    }
    base_buf_puts(text, "'");
}

static int write_start(const struct testnet *t)
{
    char address[BASE_ADDRESS_TEXT_BYTES];
    struct base_buf text;
    base_buf_init(&text, FILE_BYTES_MAX);
    base_buf_puts(&text, "#!/usr/bin/env bash\n"
                         "# Starts this test network from nothing; README.md has more.\n"
                         "set -euo pipefail\ncd \"$(dirname \"$0\")\"\nnftmesh_is=");
    put_quoted(&text, t->binary);
    base_buf_puts(&text, "\nanvil_is=");
    put_quoted(&text, t->anvil);
    base_address_format(address, &t->contract);
    base_buf_printf(&text,
                    "\nNFTMESH=${NFTMESH:-$nftmesh_is}\nANVIL=${ANVIL:-$anvil_is}\n"
                    "PORT=%u\nCONTRACT=%s\nAPP_ID=",
                    t->port, address);
    base_buf_hex(&text, app_id.bytes, sizeof app_id.bytes);
    base_buf_puts(&text, "\nWALLETS=(\n");
    for (size_t i = 0; i < t->node_count; i++) {
        base_address_format(address, &t->wallets[i]);
        base_buf_printf(&text, "    %s\n", address);
    }
    base_buf_puts(&text, ")\n" TESTNET_START);
    int status = write_file(t, "start.sh", 0, 0700, &text);
    base_buf_deinit(&text);
    return status;
}

static int write_stop(const struct testnet *t)
{
    struct base_buf text;
    base_buf_init(&text, FILE_BYTES_MAX);
    base_buf_puts(&text, TESTNET_STOP);
    int status = write_file(t, "stop.sh", 0, 0700, &text);
    base_buf_deinit(&text);
    return status;
}

static int write_readme(const struct testnet *t)
{
    char contract[BASE_ADDRESS_TEXT_BYTES], root[BASE_ADDRESS_TEXT_BYTES];
    struct base_buf text;
    base_buf_init(&text, FILE_BYTES_MAX);
    base_address_format(contract, &t->contract);
    base_address_format(root, &t->kms_root);
    base_buf_printf(&text,
                    "# A mesh of %zu on a local chain\n\nChain %u at http://127.0.0.1:%u, contract "
                    "%s, KMS root\n%s. Node N listens on port %u + 2N and answers HTTP on\n"
                    "%u + 2N.\n",
                    t->node_count, CHAIN_ID, t->port, contract, root, t->port - 1, t->port);
    base_buf_puts(&text, TESTNET_README);
    int status = write_file(t, "README.md", 0, 0600, &text);
    base_buf_deinit(&text);
    return status;
}

/* ---- the whole ---- */

/* This binary, and the source tree it stands in: <root>/build/nftmesh. */
static int find_self(struct testnet *t, const struct node_options *options)
{
    const char *anvil = node_options_text(options, "anvil");
    ssize_t len = readlink("/proc/self/exe", t->binary, sizeof t->binary - 1);
    if (len <= 0) return fail(CLI_FAILED, "/proc/self/exe", strerror(errno));
    t->binary[len] = '\0';
    memcpy(t->root, t->binary, (size_t)len + 1);
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(t->root, '/');
        if (slash != NULL) *slash = '\0';
    }
    if (anvil != NULL) {
        if (realpath(anvil, t->anvil) == NULL) return fail(CLI_USAGE, anvil, strerror(errno));
        return CLI_OK;
    }
    int rv = snprintf(t->anvil, sizeof t->anvil, "%s/" ANVIL_NAME, t->root);
    if (rv < 0 || (size_t)rv >= sizeof t->anvil || access(t->anvil, X_OK) != 0)
        snprintf(t->anvil, sizeof t->anvil, "anvil");
    return CLI_OK;
}

static int write_keys(struct testnet *t)
{
    int status = make_dir(t, "chain", 0);
    if (status == CLI_OK) status = make_key(t, &t->owner, &t->owner_address, "owner.wallet", 0);
    if (status == CLI_OK) status = make_key(t, NULL, &t->kms_root, "kms.key", 0);
    for (size_t i = 0; status == CLI_OK && i < t->node_count; i++) {
        status = make_dir(t, "node%zu", i + 1);
        if (status == CLI_OK) status = make_key(t, NULL, &t->wallets[i], "node%zu/wallet", i + 1);
    }
    return status;
}

static int write_all(struct testnet *t, const char *artifact)
{
    int status = write_keys(t);
    if (status == CLI_OK) status = write_deployment(t, artifact);
    if (status == CLI_OK) status = write_funding(t);
    for (size_t i = 0; status == CLI_OK && i < t->node_count; i++)
        status = write_settings(t, i + 1);
    if (status == CLI_OK) status = write_start(t);
    if (status == CLI_OK) status = write_stop(t);
    if (status == CLI_OK) status = write_readme(t);
    return status;
}

int node_testnet(int argc, char **argv)
{
    struct node_options *options;
    struct testnet t = {0};
    char artifact[PATH_MAX];
    int status;
    if (!cli_parse(&options, &status, &testnet_table, argc, argv)) return status;
    const char *out = node_options_text(options, "out"),
               *given = node_options_text(options, "artifact");
    t.node_count = (size_t)node_options_u64(options, "nodes");
    t.port = (unsigned)node_options_u64(options, "base-port");
    status = out == NULL ? cli_error(CLI_USAGE, "testnet", "--out DIR is needed")
                         : find_self(&t, options);
    if (status == CLI_OK) {
        int len = given != NULL ? snprintf(artifact, sizeof artifact, "%s", given)
                                : snprintf(artifact, sizeof artifact, "%s/" ARTIFACT_NAME, t.root);
        if (len < 0 || (size_t)len >= sizeof artifact)
            status = fail(CLI_USAGE, "--artifact", "too long a path");
    }
    if (status == CLI_OK && access(artifact, R_OK) != 0)
        status = cli_error(CLI_FAILED, "testnet",
                           "%s: %s; compile the contract first, or name it with --artifact",
                           artifact, strerror(errno));
    if (status == CLI_OK) status = open_dir(&t, out);
    if (status == CLI_OK) status = write_all(&t, artifact);
    if (status == CLI_OK) printf("%s: %zu nodes; begin with %s/start.sh\n", out, t.node_count, out);
    base_memzero(&t.owner, sizeof t.owner);
    node_options_free(options);
    return status;
}
