/* Verbs that go to the contract: mint, register, deactivate, transfer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/cli_wallet.h"
#include "node/config_internal.h"
#include "node/register.h"
#include "node/seat.h"

#define WHY NODE_WALLET_WHY_BYTES

static const struct node_option mint_options[] = {
    {.name = "to",
     .argument = "0x..",
     .help = "Who gets the seat; the sender by default.",
     .check = cli_check_address,
     .kind = NODE_OPTION_TEXT},
    CLI_CHAIN_OPTIONS,
    CLI_WALLET_OPTIONS,
    CLI_SEND_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table mint_table = {
    .command = "nftmesh mint",
    .usage = "--to 0x.. [options]",
    .intro = "Mints a seat. The contract's owner may mint to anybody; others to themselves, when "
             "minting is public.",
    .outro = "Example:\n  nftmesh mint --to 0x.. --rpc http://127.0.0.1:8545 --chain-id 31337 \\\n"
             "      --contract 0x.. --wallet-key-file owner.wallet\n",
    .options = mint_options,
    .option_count = sizeof mint_options / sizeof mint_options[0],
    .passes_over = true,
};

static const struct node_option seat_options[] = {
    {.name = "token",
     .argument = "N",
     .help = "The seat's token id.",
     .check = cli_check_token,
     .kind = NODE_OPTION_TEXT},
    CLI_CHAIN_OPTIONS,
    CLI_WALLET_OPTIONS,
    CLI_SEND_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table deactivate_table = {
    .command = "nftmesh deactivate",
    .usage = "--token N [options]",
    .intro = "Takes a seat out of the mesh: its node is dropped by all others at their next "
             "reference block. `nftmesh register` brings it back.",
    .options = seat_options,
    .option_count = sizeof seat_options / sizeof seat_options[0],
    .passes_over = true,
};

static const struct node_option transfer_options[] = {
    {.name = "token",
     .argument = "N",
     .help = "The seat's token id.",
     .check = cli_check_token,
     .kind = NODE_OPTION_TEXT},
    {.name = "to",
     .argument = "0x..",
     .help = "The new owner.",
     .check = cli_check_address,
     .kind = NODE_OPTION_TEXT},
    CLI_CHAIN_OPTIONS,
    CLI_WALLET_OPTIONS,
    CLI_SEND_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table transfer_table = {
    .command = "nftmesh transfer",
    .usage = "--token N --to 0x.. [options]",
    .intro = "Gives a seat to another wallet. Registration and instance binding are cleared: the "
             "node on it is dropped by all others at their next reference block.",
    .options = transfer_options,
    .option_count = sizeof transfer_options / sizeof transfer_options[0],
    .passes_over = true,
};

static const struct node_option register_options[] = {
    {.name = "token",
     .argument = "N",
     .help = "The seat's token id. By default the one that the instance is bound to, else the "
             "wallet's first that is free.",
     .check = cli_check_token,
     .kind = NODE_OPTION_TEXT},
    {.name = "url",
     .argument = "URL",
     .help = "Where peers reach this node: tcp://, ws:// or wss://. By default --advertise, else "
             "the first --listen that names a host.",
     .check = node__config_check_advertise,
     .kind = NODE_OPTION_TEXT},
    {.name = "advertise",
     .argument = "URL",
     .help = "The same, as the node's configuration calls it.",
     .env_alias = "CONNECTION_URL",
     .check = node__config_check_advertise,
     .kind = NODE_OPTION_TEXT},
    {.name = "listen",
     .argument = "URL",
     .help = "Where the node listens, as its configuration has it.",
     .repeatable = true,
     .kind = NODE_OPTION_TEXT},
    {.name = "expires",
     .argument = "TIME",
     .help = "How long the registration shall stand; at most 400d.",
     .fallback = "365d",
     .kind = NODE_OPTION_DURATION},
    {.name = "data-dir",
     .argument = "DIR",
     .help = "The node's data directory: a running node is asked for its signatures through the "
             "control socket in it; without one, the keys are made here from its seed.",
     .group = "Node",
     .fallback = "/var/lib/nftmesh",
     .kind = NODE_OPTION_TEXT},
    {.name = "dstack",
     .argument = "PATH",
     .help = "Socket of the guest agent, when no node runs.",
     .env_alias = "DSTACK_SOCKET",
     .fallback = "/var/run/dstack.sock",
     .kind = NODE_OPTION_TEXT},
    {.name = "dev", .help = "Development: the simulator is accepted."},
    CLI_CHAIN_OPTIONS,
    CLI_WALLET_OPTIONS,
    CLI_SEND_OPTIONS,
    CLI_FORMAT_OPTION,
};
static const struct node_option_table register_table = {
    .command = "nftmesh register",
    .usage = "[--token N] [options]",
    .intro = "Registers a node's keys for a seat, in up to two transactions: the instance is bound "
             "to the token, then both keys with their signature chain are checked and stored by "
             "the contract. What stands there already is success.",
    .outro = "Example:\n  nftmesh register --token 1 --data-dir /var/lib/nftmesh \\\n"
             "      --rpc https://rpc.example --chain-id 8453 --contract 0x.. \\\n"
             "      --url tcp://me.example:9470 --wallet-key-file alice.wallet\n",
    .options = register_options,
    .option_count = sizeof register_options / sizeof register_options[0],
    .passes_over = true,
};

/* Wei as ether, for people: 18 decimals are too many to read. */
static double ether_of(const struct base_u256 *wei)
{
    double value = 0;
    for (size_t i = 0; i < sizeof wei->bytes; i++)
        value = value * 256 + wei->bytes[i];
    return value / 1e18;
}

static void print_sent_json(const struct node_wallet_sent *sent, const struct base_u256 *token)
{
    struct base_buf text;
    base_buf_init(&text, 1024);
    base_buf_puts(&text, "{\"token\":");
    node_json_u256(&text, token);
    base_buf_puts(&text, sent->dry_run ? ",\"tx\":null" : ",\"tx\":\"0x");
    if (!sent->dry_run) {
        base_buf_hex(&text, sent->tx_hash.bytes, sizeof sent->tx_hash.bytes);
        base_buf_puts(&text, "\"");
    }
    base_buf_printf(&text, ",\"block\":%llu,\"gas_used\":%llu,\"max_cost_wei\":",
                    (unsigned long long)sent->block, (unsigned long long)sent->gas_used);
    node_json_u256(&text, &sent->max_cost);
    base_buf_printf(&text, ",\"dry_run\":%s}", sent->dry_run ? "true" : "false");
    printf("%s\n", text.data);
    base_buf_deinit(&text);
}

static void print_sent(const struct node_wallet_sent *sent, const struct base_u256 *token,
                       const char *what, bool json)
{
    char tx[65];
    struct base_buf text;
    if (json) {
        print_sent_json(sent, token);
        return;
    }
    base_buf_init(&text, 1024);
    node_json_u256(&text, token);
    base_hex_encode(tx, sent->tx_hash.bytes, sizeof sent->tx_hash.bytes);
    if (sent->dry_run)
        printf("%s token %s: would take up to %llu gas, at most %.9f ether; nothing was sent\n",
               what, text.data, (unsigned long long)sent->gas_used, ether_of(&sent->max_cost));
    else
        printf("%s token %s: transaction 0x%s, block %llu, %llu gas\n", what, text.data, tx,
               (unsigned long long)sent->block, (unsigned long long)sent->gas_used);
    base_buf_deinit(&text);
}

/* ---- the verbs ---- */

static int send_simple(struct node_wallet *w, const struct node_options *options, const char *verb,
                       const char *what, const struct base_buf *calldata,
                       const struct base_u256 *token)
{
    struct node_wallet_sent sent;
    char why[WHY] = "";
    if (node_wallet_send(w, &sent, calldata, why) != BASE_OK)
        return cli_error(CLI_FAILED, verb, "%s", why);
    print_sent(&sent, sent.has_minted ? &sent.minted : token, what, cli_is_json(options));
    return CLI_OK;
}

static int mint(int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    struct base_buf calldata;
    struct base_u256 none = {{0}};
    int status;
    if (!cli_parse(&options, &status, &mint_table, argc, argv)) return status;
    status = cli_sender_open(&w, options, "mint");
    if (status == CLI_OK) {
        const char *to = node_options_text(options, "to");
        w.mint_to = w.address;
        if (to != NULL) (void)base_address_parse(&w.mint_to, to);
        base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
        chain_contract_call_mint(&calldata, &w.mint_to);
        status = send_simple(&w, options, "mint", "minted", &calldata, &none);
        base_buf_deinit(&calldata);
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}

static int deactivate(int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    struct base_buf calldata;
    struct base_u256 token;
    int status;
    if (!cli_parse(&options, &status, &deactivate_table, argc, argv)) return status;
    status = cli_need(options, "deactivate", "token");
    if (status == CLI_OK) status = cli_sender_open(&w, options, "deactivate");
    if (status == CLI_OK) {
        (void)base_u256_parse(&token, node_options_text(options, "token"));
        base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
        chain_contract_call_deactivate(&calldata, &token);
        status = send_simple(&w, options, "deactivate", "deactivated", &calldata, &token);
        base_buf_deinit(&calldata);
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}

static int transfer(int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    struct base_buf calldata;
    struct base_u256 token;
    struct base_eth_address to;
    int status;
    if (!cli_parse(&options, &status, &transfer_table, argc, argv)) return status;
    status = cli_need(options, "transfer", "token");
    if (status == CLI_OK) status = cli_need(options, "transfer", "to");
    if (status == CLI_OK) status = cli_sender_open(&w, options, "transfer");
    if (status == CLI_OK) {
        (void)base_u256_parse(&token, node_options_text(options, "token"));
        (void)base_address_parse(&to, node_options_text(options, "to"));
        base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
        chain_contract_call_transfer(&calldata, &w.address, &to, &token);
        status = send_simple(&w, options, "transfer", "transferred", &calldata, &token);
        base_buf_deinit(&calldata);
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}

/* As `nftmesh node` finds it, so that both register the same. */
static const char *register_url(const struct node_options *options)
{
    char why[NODE_OPTIONS_WHY_BYTES];
    const char *url = node_options_text(options, "url");
    if (url == NULL) url = node_options_text(options, "advertise");
    for (size_t i = 0; url == NULL && i < node_options_count(options, "listen"); i++) {
        const char *listen = node_options_at(options, "listen", i);
        if (node__config_check_advertise(listen, why, sizeof why) == BASE_OK) url = listen;
    }
    return url;
}

static int register_verb(int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    struct node_seat_result result;
    char why[WHY] = "";
    int status;
    if (!cli_parse(&options, &status, &register_table, argc, argv)) return status;
    status = cli_sender_open(&w, options, "register");
    if (status == CLI_OK) {
        const char *token = node_options_text(options, "token");
        struct node_seat_request request = {
            .url = register_url(options),
            .expires_ms = node_options_ms(options, "expires"),
            .data_dir = node_options_text(options, "data-dir"),
            .dstack = node_options_text(options, "dstack"),
            .dev = node_options_flag(options, "dev"),
            .has_token = token != NULL,
        };
        if (token != NULL) (void)base_u256_parse(&request.token, token);
        int rv = node_seat_register(&w, &result, &request, why);
        if (rv != BASE_OK) {
            status = cli_error(rv == BASE_EINVAL ? CLI_USAGE : CLI_FAILED, "register", "%s", why);
        } else if (result.stood_already) {
            printf(cli_is_json(options) ? "{\"stands\":true}\n"
                                        : "stands already, with this node's keys and address\n");
        } else {
            print_sent(&result.sent, &result.token, "registered", cli_is_json(options));
        }
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}

const struct cli_verb cli_chain_verbs[] = {
    {"register", "register this node's keys for a seat", register_verb},
    {"mint", "mint a seat", mint},
    {"deactivate", "take a seat out of the mesh", deactivate},
    {"transfer", "give a seat to another wallet", transfer},
    {NULL, NULL, NULL},
};
