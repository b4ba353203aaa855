/* Verbs that need no node and no chain: keygen, verify-chain. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/sigchain.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "node/cli.h"
#include "node/keystore.h"
#include "node/store.h"
#include "node/wallet_key.h"

#define INPUT_BYTES_MAX ((size_t)64 << 10)
#define FIELD_BYTES_MAX 512
#define KEYSTORE_LOG_N  18 /* what geth writes: about a second and 256 MiB */

/* ---- keygen ---- */

static const struct node_option keygen_options[] = {
    {.name = "out",
     .argument = "FILE",
     .help = "Where the key goes, mode 0600; never overwritten.",
     .kind = NODE_OPTION_TEXT},
    {.name = "keystore", .help = "Write a v3 keystore (scrypt) under a password, not bare digits."},
    {.name = "password-file",
     .argument = "FILE",
     .help = "With --keystore: its password, mode 0600, one line.",
     .kind = NODE_OPTION_TEXT},
    CLI_FORMAT_OPTION,
};
static const struct node_option_table keygen_table = {
    .command = "nftmesh keygen",
    .usage = "--out FILE [--keystore --password-file FILE]",
    .intro = "Makes a wallet key: what owns seats and pays for transactions. A node itself needs "
             "none: its keys come from the guest agent and its data-dir.",
    .outro = "Example:\n  nftmesh keygen --out alice.wallet\n"
             "  nftmesh keygen --keystore --password-file password --out alice.json\n",
    .options = keygen_options,
    .option_count = sizeof keygen_options / sizeof keygen_options[0],
};

static bool write_all(int fd, const char *text, size_t len)
{
    size_t done = 0;
    ssize_t n;
    while (done < len && (n = write(fd, text + done, len - done)) > 0)
        done += (size_t)n;
    return done == len;
}

/* Whole, or not there: on a full disk a part of it would only be in the way of the next. BASE_EIO
 * with errno. */
static int write_secret(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return BASE_EIO;
    bool ok = write_all(fd, text, len) && fsync(fd) == 0;
    if (close(fd) != 0) ok = false;
    int saved = errno;
    if (!ok) unlink(path);
    errno = saved;
    return ok ? BASE_OK : BASE_EIO;
}

static void make_key(struct base_privkey *key, struct base_eth_address *address)
{
    struct base_key33 pub;
    do {
        base_random(key->bytes, sizeof key->bytes);
    } while (base_ecdsa_pubkey(&pub, key) != BASE_OK ||
             base_ecdsa_address(address, &pub) != BASE_OK);
}

int cli_key_make(struct base_privkey *key, struct base_eth_address *address, const char *path)
{
    char text[2 * sizeof key->bytes + 2];
    make_key(key, address);
    base_hex_encode(text, key->bytes, sizeof key->bytes);
    text[2 * sizeof key->bytes] = '\n';
    int rv = write_secret(path, text, sizeof text - 1);
    base_memzero(text, sizeof text);
    return rv;
}

/* The same in a keystore. An exit status; says itself what is wrong. */
static int keystore_make(struct base_privkey *key, struct base_eth_address *address,
                         const char *path, const char *password_path)
{
    char password[NODE_WALLET_PASSWORD_MAX + 2], why[NODE_STORE_WHY_BYTES] = "";
    struct base_buf text;
    size_t len = 0;
    if (password_path == NULL)
        return cli_error(CLI_USAGE, "keygen", "--keystore needs --password-file FILE");
    if (node_secret_load(password, &len, sizeof password, password_path, why) != BASE_OK)
        return cli_error(CLI_USAGE, "keygen", "--password-file: %s", why);
    while (len > 0 && (password[len - 1] == '\n' || password[len - 1] == '\r'))
        len--;
    int status = CLI_OK;
    base_buf_init(&text, NODE_KEYSTORE_BYTES_MAX);
    make_key(key, address);
    if (len == 0 || len > NODE_WALLET_PASSWORD_MAX || memchr(password, '\n', len) != NULL)
        status = cli_error(CLI_USAGE, "keygen", "--password-file: one line of 1 to %d bytes",
                           NODE_WALLET_PASSWORD_MAX);
    else if (node_keystore_make(&text, key, password, len, KEYSTORE_LOG_N) != BASE_OK)
        status = cli_error(CLI_FAILED, "keygen", "no memory for the key derivation");
    else if (write_secret(path, text.data, text.len) != BASE_OK)
        status = cli_error(CLI_FAILED, "keygen", "%s: %s%s", path, strerror(errno),
                           errno == EEXIST ? ": a key is never overwritten" : "");
    base_memzero(password, sizeof password);
    base_buf_deinit(&text);
    return status;
}

static int keygen(int argc, char **argv)
{
    struct node_options *options;
    struct base_privkey key = {{0}};
    struct base_eth_address address;
    char text[BASE_ADDRESS_TEXT_BYTES];
    int status;
    if (!cli_parse(&options, &status, &keygen_table, argc, argv)) return status;
    const char *path = node_options_text(options, "out");
    bool json = cli_is_json(options);
    if (path == NULL) {
        status = cli_error(CLI_USAGE, "keygen", "--out FILE is needed: a key is never printed");
    } else if (node_options_flag(options, "keystore")) {
        status = keystore_make(&key, &address, path, node_options_text(options, "password-file"));
    } else if (cli_key_make(&key, &address, path) != BASE_OK) {
        status = cli_error(CLI_FAILED, "keygen", "%s: %s%s", path, strerror(errno),
                           errno == EEXIST ? ": a key is never overwritten" : "");
    } else {
        status = CLI_OK;
    }
    if (status == CLI_OK) {
        base_address_format(text, &address);
        printf(json ? "{\"address\":\"%s\"}\n" : "%s\n", text);
    }
    base_memzero(&key, sizeof key);
    node_options_free(options);
    return status;
}

/* ---- verify-chain ---- */

static const struct node_option_table verify_table = {
    .command = "nftmesh verify-chain",
    .usage = "FILE",
    .intro =
        "Checks one DStack signature chain: KMS root -> app key -> derived key. FILE (- is "
        "standard input) is one JSON object with the chain (app_id, "
        "derived_public_key, app_public_key, app_signature, kms_signature) and the "
        "verifier's own constants (purpose, kms_root_address, allowed_app_id); all bytes in hex.",
    .outro = "Prints `accept`, or `reject: CHECK`. Exit codes: 0 accept, 1 reject, 2 not such an "
             "input.\n",
    .options = NULL,
    .option_count = 0,
    .arg_min = 1,
    .arg_max = 1,
};

struct chain_input {
    struct attest_sigchain chain;
    struct attest_trust trust;
    struct base_eth_address allowed;
    uint8_t bytes[5][FIELD_BYTES_MAX];
};

/* Hex of any length: a wrong length is the check's to refuse, not the reader's. */
static int read_hex(struct base_slice *out, uint8_t *bytes, const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    size_t len;
    if (text == NULL || base_hex_decode_var(bytes, &len, FIELD_BYTES_MAX, text) != BASE_OK)
        return BASE_EMALFORMED;
    *out = (struct base_slice){bytes, len};
    return BASE_OK;
}

/* Returns the name of the field that is wrong, NULL when all are read. */
static const char *read_input(struct chain_input *in, const json_t *json)
{
    const char *purpose = json_string_value(json_object_get(json, "purpose"));
    const char *root = json_string_value(json_object_get(json, "kms_root_address"));
    const char *allowed = json_string_value(json_object_get(json, "allowed_app_id"));
    if (purpose == NULL) return "purpose";
    in->chain.purpose = (struct base_slice){(const uint8_t *)purpose, strlen(purpose)};
    in->trust.purpose = purpose;
    if (root == NULL || base_address_parse(&in->trust.kms_root, root) != BASE_OK)
        return "kms_root_address";
    if (allowed == NULL ||
        base_hex_decode_0x(in->allowed.bytes, sizeof in->allowed.bytes, allowed) != BASE_OK)
        return "allowed_app_id";
    in->trust.app_ids = &in->allowed;
    in->trust.app_id_count = 1;
    if (read_hex(&in->chain.app_id, in->bytes[0], json, "app_id") != BASE_OK) return "app_id";
    if (read_hex(&in->chain.derived_key, in->bytes[1], json, "derived_public_key") != BASE_OK)
        return "derived_public_key";
    if (read_hex(&in->chain.app_key, in->bytes[2], json, "app_public_key") != BASE_OK)
        return "app_public_key";
    if (read_hex(&in->chain.app_sig, in->bytes[3], json, "app_signature") != BASE_OK)
        return "app_signature";
    if (read_hex(&in->chain.kms_sig, in->bytes[4], json, "kms_signature") != BASE_OK)
        return "kms_signature";
    return NULL;
}

static int verify_text(const char *path, const struct base_buf *text)
{
    struct chain_input in = {0};
    enum attest_verdict verdict = ATTEST_UNDECIDED;
    char why[BASE_JSON_WHY_BYTES];
    json_t *json = NULL;
    int rv = base_json_parse(&json, text->data, text->len, INPUT_BYTES_MAX, why);
    if (rv != BASE_OK) return cli_error(CLI_USAGE, "verify-chain", "%s: %s", path, why);
    const char *bad = read_input(&in, json);
    if (bad == NULL) attest_sigchain_verify(&verdict, &in.chain, &in.trust);
    json_decref(json);
    if (bad != NULL)
        return cli_error(CLI_USAGE, "verify-chain", "%s: %s: missing, or not of its form", path,
                         bad);
    if (verdict == ATTEST_ACCEPT)
        puts("accept");
    else
        printf("reject: %s\n", attest_verdict_name(verdict));
    return verdict == ATTEST_ACCEPT ? CLI_OK : CLI_FAILED;
}

static int verify_chain(int argc, char **argv)
{
    struct node_options *options;
    struct base_buf text;
    int status;
    if (!cli_parse(&options, &status, &verify_table, argc, argv)) return status;
    const char *path = node_options_arg(options, 0);
    base_buf_init(&text, INPUT_BYTES_MAX);
    int rv = cli_read_file(&text, path);
    if (rv == BASE_OK)
        status = verify_text(path, &text);
    else
        status = cli_error(CLI_USAGE, "verify-chain", "%s: %s", path,
                           rv == BASE_EIO ? strerror(errno) : base_strerror(rv));
    base_buf_deinit(&text);
    node_options_free(options);
    return status;
}

const struct cli_verb cli_local_verbs[] = {
    {"keygen", "make a wallet key", keygen},
    {"verify-chain", "check one signature chain from a file", verify_chain},
    {NULL, NULL, NULL},
};
