/* deploy status: what stands at a contract's address, read at the latest block. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/u256.h"
#include "chain/abi.h"
#include "node/cli_wallet.h"
#include "node/view.h"

#define WHY          NODE_WALLET_WHY_BYTES
#define DOMAINS_MAX  64
#define DOMAIN_BYTES 256
#define RETURN_BYTES ((size_t)64 << 10)
#define STATUS_BYTES ((size_t)64 << 10)

static const struct node_option deploy_options[] = {CLI_CHAIN_OPTIONS, CLI_FORMAT_OPTION};
static const struct node_option_table deploy_table = {
    .command = "nftmesh deploy",
    .usage = "status [options]",
    .intro =
        "Shows what stands at --contract: which contract it is, its owner, KMS root and epoch, "
        "app ids, seats, minting, the domains that it allows in addresses. Exit code 1 when "
        "no contract of a mesh stands there.",
    .outro = "Example:\n  nftmesh deploy status --rpc https://rpc.example --chain-id 8453 "
             "--contract 0x..\n",
    .options = deploy_options,
    .option_count = sizeof deploy_options / sizeof deploy_options[0],
    .arg_min = 1,
    .arg_max = 1,
    .passes_over = true,
};

struct found { /* has_..: the contract has such a function */
    enum chain_kind kind;
    struct chain_cluster_state state; /* ours */
    struct base_u256 owner, root, max_nodes, minting, price, dev_mode, supply;
    bool has_owner, has_root, has_max_nodes, has_minting, has_price, has_dev_mode, has_supply;
    char domains[DOMAINS_MAX][DOMAIN_BYTES];
    size_t domain_count;
    bool has_domains;
    uint64_t block;
    struct base_hash32 code;
};

/* ---- reading ---- */

static int view(struct node_wallet *w, struct base_buf *data, const char *signature, char *why)
{
    struct base_buf calldata;
    base_buf_init(&calldata, 64);
    base_buf_clear(data);
    chain_abi_call(&calldata, signature);
    int rv = node_wallet_view(w, data, &calldata, why);
    base_buf_deinit(&calldata);
    return rv;
}

/* Whether there is such a function: the contract's refusal and an answer of another form are both
 * "no", an endpoint's own trouble is not. */
static int word(struct node_wallet *w, bool *has, struct base_u256 *out, const char *signature,
                char *why)
{
    struct base_buf data;
    base_buf_init(&data, RETURN_BYTES);
    int rv = view(w, &data, signature, why);
    *has = rv == BASE_OK && chain_contract_decode_u256(out, data.data, data.len) == BASE_OK;
    base_buf_deinit(&data);
    return rv == BASE_EREFUSED ? BASE_OK : rv;
}

static int read_domains(struct node_wallet *w, struct found *f, char *why)
{
    struct base_buf data;
    struct chain_abi_reader r, list;
    size_t count = 0;
    base_buf_init(&data, RETURN_BYTES);
    int rv = view(w, &data, "baseDomains()", why);
    if (rv == BASE_OK) {
        chain_abi_reader_init(&r, data.data, data.len, 1);
        chain_abi_get_array(&r, &list, &count, DOMAINS_MAX);
        for (size_t i = 0; i < count; i++) {
            struct base_slice text;
            chain_abi_get_bytes(&list, &text, DOMAIN_BYTES - 1);
            if (text.len > 0) memcpy(f->domains[i], text.data, text.len);
            f->domains[i][text.len] = '\0';
        }
        chain_abi_leave(&r, &list);
        f->has_domains = chain_abi_reader_end(&r) == BASE_OK;
        f->domain_count = f->has_domains ? count : 0;
    }
    base_buf_deinit(&data);
    return rv == BASE_EREFUSED ? BASE_OK : rv;
}

/* What both contracts have, and what only one of them does. */
static int read_settings(struct node_wallet *w, struct found *f, char *why)
{
    const struct {
        const char *signature;
        bool *has;
        struct base_u256 *value;
    } settings[] = {{"owner()", &f->has_owner, &f->owner},
                    {"maxNodes()", &f->has_max_nodes, &f->max_nodes},
                    {"publicMinting()", &f->has_minting, &f->minting},
                    {"mintPrice()", &f->has_price, &f->price},
                    {"devMode()", &f->has_dev_mode, &f->dev_mode},
                    {"totalSupply()", &f->has_supply, &f->supply}};
    int rv = BASE_OK;
    for (size_t i = 0; rv == BASE_OK && i < sizeof settings / sizeof settings[0]; i++)
        rv = word(w, settings[i].has, settings[i].value, settings[i].signature, why);
    return rv == BASE_OK ? read_domains(w, f, why) : rv;
}

static int read_kind(struct node_wallet *w, struct found *f, char *why)
{
    struct base_buf data;
    base_buf_init(&data, RETURN_BYTES);
    int rv = view(w, &data, "clusterState()", why);
    if (rv == BASE_OK &&
        chain_contract_decode_cluster_state(&f->state, data.data, data.len) == BASE_OK)
        f->kind = CHAIN_KIND_NFTMESH;
    base_buf_deinit(&data);
    if (rv == BASE_OK || rv == BASE_EREFUSED)
        rv = word(w, &f->has_root, &f->root, "kmsRootAddress()", why);
    if (rv == BASE_OK && f->kind == CHAIN_KIND_UNKNOWN && f->has_root)
        f->kind = CHAIN_KIND_PROTOTYPE;
    if (rv != BASE_OK || f->kind != CHAIN_KIND_UNKNOWN) return rv;
    snprintf(why, WHY,
             "the contract at this address is none of a mesh: it has neither "
             "clusterState() nor kmsRootAddress()");
    return BASE_EINVAL;
}

static int read_all(struct node_wallet *w, struct found *f, char *why)
{
    int rv = node_wallet_head(w, &f->block, &f->code, why);
    if (rv == BASE_OK) rv = read_kind(w, f, why);
    return rv == BASE_OK ? read_settings(w, f, why) : rv;
}

/* ---- showing ---- */

static bool truth(const struct base_u256 *value)
{
    return !base_is_zero(value->bytes, sizeof value->bytes);
}

static void address_text(char out[BASE_ADDRESS_TEXT_BYTES], const struct base_u256 *word_)
{
    struct base_eth_address address;
    memcpy(address.bytes, word_->bytes + 12, sizeof address.bytes);
    base_address_format(out, &address);
}

static void json_address(struct base_buf *out, const char *key, bool has,
                         const struct base_u256 *value)
{
    char text[BASE_ADDRESS_TEXT_BYTES];
    address_text(text, value);
    base_buf_printf(out, has ? ",\"%s\":\"%s\"" : ",\"%s\":null", key, text);
}

static void json_number(struct base_buf *out, const char *key, bool has,
                        const struct base_u256 *value)
{
    base_buf_printf(out, ",\"%s\":", key);
    if (has)
        node_json_u256(out, value);
    else
        base_buf_puts(out, "null");
}

static void json_bool(struct base_buf *out, const char *key, bool has,
                      const struct base_u256 *value)
{
    base_buf_printf(out, ",\"%s\":%s", key, !has ? "null" : truth(value) ? "true" : "false");
}

static void json_lists(struct base_buf *out, const struct found *f)
{
    base_buf_puts(out, ",\"app_ids\":");
    base_buf_puts(out, f->kind == CHAIN_KIND_NFTMESH ? "[" : "null");
    for (size_t i = 0; i < f->state.app_id_count; i++) {
        base_buf_puts(out, i > 0 ? ",\"" : "\"");
        base_buf_hex(out, f->state.app_ids[i].bytes, BASE_ADDRESS_BYTES);
        base_buf_puts(out, "\"");
    }
    base_buf_puts(out,
                  f->kind == CHAIN_KIND_NFTMESH ? "],\"base_domains\":" : ",\"base_domains\":");
    base_buf_puts(out, f->has_domains ? "[" : "null");
    for (size_t i = 0; i < f->domain_count; i++) {
        base_buf_puts(out, i > 0 ? "," : "");
        base_buf_json_string(out, f->domains[i], strlen(f->domains[i]));
    }
    base_buf_puts(out, f->has_domains ? "]" : "");
}

static void show_json(struct base_buf *out, const struct node_wallet *w, const struct found *f)
{
    char contract[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(contract, &w->contract);
    base_buf_printf(out, "{\"contract\":\"%s\",\"chain_id\":%llu,\"kind\":\"%s\",\"block\":%llu",
                    contract, (unsigned long long)w->chain_id, chain_kind_name(f->kind),
                    (unsigned long long)f->block);
    json_address(out, "owner", f->has_owner, &f->owner);
    json_address(out, "kms_root", f->has_root, &f->root);
    if (f->kind == CHAIN_KIND_NFTMESH)
        base_buf_printf(out, ",\"root_epoch\":%llu", (unsigned long long)f->state.root_epoch);
    else
        base_buf_puts(out, ",\"root_epoch\":null");
    json_number(out, "seats", f->has_supply, &f->supply);
    json_number(out, "max_nodes", f->has_max_nodes, &f->max_nodes);
    json_bool(out, "public_minting", f->has_minting, &f->minting);
    json_number(out, "mint_price", f->has_price, &f->price);
    json_bool(out, "dev_mode", f->has_dev_mode, &f->dev_mode);
    json_lists(out, f);
    base_buf_puts(out, ",\"code_hash\":\"0x");
    base_buf_hex(out, f->code.bytes, sizeof f->code.bytes);
    base_buf_puts(out, "\"}\n");
}

static void row(struct base_buf *out, const char *label, bool has, const char *value)
{
    base_buf_printf(out, "  %-15s %s\n", label, has ? value : "-");
}

static void show_minting(struct base_buf *out, const struct found *f)
{
    char price[BASE_ETHER_TEXT_BYTES], text[BASE_ETHER_TEXT_BYTES + 32];
    base_ether_format(price, &f->price);
    snprintf(text, sizeof text, "public, for %s ether", f->has_price ? price : "?");
    row(out, "minting", f->has_minting, truth(&f->minting) ? text : "by the contract's owner");
}

static void show_lists(struct base_buf *out, const struct found *f)
{
    char hex[2 * BASE_ADDRESS_BYTES + 1];
    for (size_t i = 0; i < f->state.app_id_count; i++) {
        base_hex_encode(hex, f->state.app_ids[i].bytes, BASE_ADDRESS_BYTES);
        row(out, i == 0 ? "app ids" : "", true, hex);
    }
    for (size_t i = 0; i < f->domain_count; i++) {
        struct base_buf name; /* a stranger's bytes: escaped */
        base_buf_init(&name, 4096);
        base_buf_json_string(&name, f->domains[i], strlen(f->domains[i]));
        row(out, i == 0 ? "base domains" : "", name.data != NULL, name.data);
        base_buf_deinit(&name);
    }
    if (f->has_domains && f->domain_count == 0)
        row(out, "base domains", true, "none: no address can be registered but with devMode");
}

static void show_text(struct base_buf *out, const struct node_wallet *w, const struct found *f)
{
    char text[BASE_U256_TEXT_BYTES + 160], supply[BASE_U256_TEXT_BYTES], most[BASE_U256_TEXT_BYTES];
    char hex[2 * BASE_HASH32_BYTES + 1];
    base_address_format(text, &w->contract);
    base_buf_printf(out, "%s on chain %llu, block %llu\n", text, (unsigned long long)w->chain_id,
                    (unsigned long long)f->block);
    row(out, "kind", true, chain_kind_name(f->kind));
    address_text(text, &f->owner);
    row(out, "owner", f->has_owner, text);
    address_text(text, &f->root);
    if (f->kind == CHAIN_KIND_NFTMESH)
        snprintf(text + strlen(text), 40, " (epoch %llu)", (unsigned long long)f->state.root_epoch);
    row(out, "KMS root", f->has_root, text);
    base_u256_format(supply, &f->supply);
    base_u256_format(most, &f->max_nodes);
    snprintf(text, sizeof text, "%s of %s", f->has_supply ? supply : "?",
             f->has_max_nodes ? most : "?");
    row(out, "seats", true, text);
    show_minting(out, f);
    row(out, "devMode", f->has_dev_mode, truth(&f->dev_mode) ? "on: for development only" : "off");
    show_lists(out, f);
    base_hex_encode(hex, f->code.bytes, sizeof f->code.bytes);
    snprintf(text, sizeof text, "0x%s", hex);
    row(out, "code hash", true, text);
}

static int show(struct node_wallet *w, const struct node_options *options)
{
    static struct found f;
    struct base_buf text;
    char why[WHY] = "";
    int rv = read_all(w, &f, why);
    if (rv != BASE_OK) return cli_error(CLI_FAILED, "deploy status", "%s", why);
    base_buf_init(&text, STATUS_BYTES);
    if (cli_is_json(options))
        show_json(&text, w, &f);
    else
        show_text(&text, w, &f);
    fputs(text.data != NULL ? text.data : "", stdout);
    base_buf_deinit(&text);
    return CLI_OK;
}

int cli_deploy(int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    int status;
    if (!cli_parse(&options, &status, &deploy_table, argc, argv)) return status;
    if (strcmp(node_options_arg(options, 0), "status") != 0)
        status = cli_error(CLI_USAGE, "deploy", "no \"%.40s\": `nftmesh deploy status`",
                           node_options_arg(options, 0));
    else
        status = cli_chain_open(&w, options, "deploy");
    if (status == CLI_OK) {
        status = show(&w, options);
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}
