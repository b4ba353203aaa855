/* Verbs by which an owner deals with seats: mint, deactivate, cancel, transfer, burn, weight. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/u256.h"
#include "chain/contract.h"
#include "chain/prototype.h"
#include "node/cli_wallet.h"
#include "node/mint_prototype.h"
#include "node/seat.h"
#include "node/seat_prototype.h"

#define WHY NODE_WALLET_WHY_BYTES

#define TOKEN_OPTION                                                                               \
    {                                                                                              \
        .name = "token", .argument = "N", .help = "The seat's token id.",                          \
        .check = cli_check_token, .kind = NODE_OPTION_TEXT                                         \
    }
#define SENDING CLI_CHAIN_OPTIONS, CLI_WALLET_OPTIONS, CLI_SEND_OPTIONS, CLI_FORMAT_OPTION

static const struct node_option mint_options[] = {
    {.name = "to",
     .argument = "0x..",
     .help = "Who gets the seat; the sender by default.",
     .check = cli_check_address,
     .kind = NODE_OPTION_TEXT},
    {.name = "once",
     .help = "Only when they have none yet: then it can be repeated, after a kill, say."},
    SENDING,
};
static const struct node_option_table mint_table = {
    .command = "nftmesh mint",
    .usage = "[--to 0x..] [--once] [options]",
    .intro = "Mints a seat. The contract's owner mints to anybody, free; others to themselves at "
             "the exact price of the moment, when minting is public.",
    .outro = "Example:\n  nftmesh mint --to 0x.. --rpc http://127.0.0.1:8545 --chain-id 31337 \\\n"
             "      --contract 0x.. --wallet-key-file owner.wallet --dry-run\n",
    .options = mint_options,
    .option_count = sizeof mint_options / sizeof mint_options[0],
    .passes_over = true,
};

static const struct node_option token_options[] = {TOKEN_OPTION, SENDING};
static const struct node_option transfer_options[] = {
    TOKEN_OPTION,
    {.name = "to",
     .argument = "0x..",
     .help = "The new owner.",
     .check = cli_check_address,
     .kind = NODE_OPTION_TEXT},
    SENDING,
};
static const struct node_option weight_options[] = {
    TOKEN_OPTION,
    {.name = "behind",
     .argument = "0x..",
     .help = "The instance whose seat gets the weight; its token must be the same wallet's.",
     .check = cli_check_address,
     .kind = NODE_OPTION_TEXT},
    {.name = "remove", .help = "Take the weight away again."},
    SENDING,
};

/* ---- one transaction about one token ---- */

struct order {
    struct base_u256 token;
    char number[BASE_U256_TEXT_BYTES];
    const struct node_options *options;
    const struct node_wallet *w;
    bool is_prototype;      /* its contract names instances, not tokens */
    struct chain_seat seat; /* as it stands, for a verb that asks */
};
struct token_verb {
    const char *name, *done;
    const struct node_option_table *table;
    const char *needs; /* one more option, or NULL */
    /* Is it so already? The same command, killed before, may have done it. NULL: none can tell. */
    bool (*stands)(const struct order *order);
    /* The call, and what it is for people. */
    void (*put)(struct base_buf *calldata, char what[NODE_WALLET_WHAT_BYTES],
                const struct order *order);
};

/* After what the wallet has pending. */
static int read_seat(struct node_wallet *w, struct order *order, char *why)
{
    static struct chain_cluster_state state;
    int rv = node_wallet_settle(w, why);
    if (rv == BASE_OK) rv = node_prototype_detect(w, &order->is_prototype, why);
    if (rv != BASE_OK) return rv;
    return order->is_prototype ? node_prototype_read(w, &order->seat, &order->token, why)
                               : node_seat_read(w, &order->seat, &state, &order->token, why);
}

static int send_put(struct node_wallet *w, struct node_wallet_sent *sent,
                    const struct token_verb *verb, const struct order *order, char *why)
{
    struct base_buf calldata;
    char what[NODE_WALLET_WHAT_BYTES] = "";
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    verb->put(&calldata, what, order);
    struct node_wallet_call call = {.calldata = &calldata, .what = what};
    int rv = node_wallet_send_call(w, sent, &call, why);
    base_buf_deinit(&calldata);
    return rv;
}

static void say_stands(bool json)
{
    puts(json ? "{\"stands\":true}" : "it is so already; nothing was sent");
}

static int send_order(struct node_wallet *w, const struct token_verb *verb,
                      const struct node_options *options)
{
    struct order order = {.options = options, .w = w};
    struct node_wallet_sent sent;
    const bool json = cli_is_json(options);
    char why[WHY] = "";
    (void)base_u256_parse(&order.token, node_options_text(options, "token"));
    base_u256_format(order.number, &order.token);
    int rv = verb->stands != NULL ? read_seat(w, &order, why) : BASE_OK;
    if (rv == BASE_OK && verb->stands != NULL && verb->stands(&order)) {
        say_stands(json);
        return CLI_OK;
    }
    if (rv == BASE_OK) rv = send_put(w, &sent, verb, &order, why);
    if (rv != BASE_OK) return cli_error(CLI_FAILED, verb->name, "%s", why);
    cli_sent_print(w, &sent, &order.token, verb->done, json);
    return CLI_OK;
}

static int run(const struct token_verb *verb, int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    int status;
    if (!cli_parse(&options, &status, verb->table, argc, argv)) return status;
    status = cli_need(options, verb->name, "token");
    if (status == CLI_OK && verb->needs != NULL)
        status = cli_need(options, verb->name, verb->needs);
    if (status == CLI_OK) status = cli_sender_open(&w, options, verb->name);
    if (status == CLI_OK) {
        status = send_order(&w, verb, options);
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}

/* ---- deactivate, cancel, burn ---- */

static const struct node_option_table deactivate_table = {
    .command = "nftmesh deactivate",
    .usage = "--token N [options]",
    .intro = "Takes a seat out of the mesh: its node is dropped by all others at their next "
             "reference block. `nftmesh register` brings it back.",
    .outro = "Example:\n  nftmesh deactivate --token 2 --config /etc/nftmesh.conf --dry-run\n",
    .options = token_options,
    .option_count = sizeof token_options / sizeof token_options[0],
    .passes_over = true,
};
static bool is_inactive(const struct order *order)
{
    const struct chain_seat *seat = &order->seat;
    /* with the prototype's contract nothing is left of an instance that was taken out */
    return order->is_prototype ? base_is_zero(seat->instance.bytes, BASE_ADDRESS_BYTES)
                               : seat->has_keys && !seat->active;
}
static void put_deactivate(struct base_buf *calldata, char *what, const struct order *order)
{
    char instance[2 * BASE_ADDRESS_BYTES + 1];
    base_hex_encode(instance, order->seat.instance.bytes, BASE_ADDRESS_BYTES);
    snprintf(what, NODE_WALLET_WHAT_BYTES, "deactivateInstance(token %s%s%s)", order->number,
             order->is_prototype ? ", instance " : "", order->is_prototype ? instance : "");
    if (order->is_prototype)
        chain_prototype_call_deactivate(calldata, &order->seat.instance);
    else
        chain_contract_call_deactivate(calldata, &order->token);
}
static int deactivate(int argc, char **argv)
{
    static const struct token_verb verb = {"deactivate", "deactivated", &deactivate_table,
                                           NULL,         is_inactive,   put_deactivate};
    return run(&verb, argc, argv);
}

static const struct node_option_table cancel_table = {
    .command = "nftmesh cancel",
    .usage = "--token N [options]",
    .intro = "Makes every statement worthless that was signed for this token and not yet used. The "
             "registration that stands is not touched.",
    .outro = "Example:\n  nftmesh cancel --token 2 --config /etc/nftmesh.conf\n",
    .options = token_options,
    .option_count = sizeof token_options / sizeof token_options[0],
    .passes_over = true,
};
static void put_cancel(struct base_buf *calldata, char *what, const struct order *order)
{
    snprintf(what, NODE_WALLET_WHAT_BYTES, "cancel(token %s)", order->number);
    chain_contract_call_cancel(calldata, &order->token);
}
static int cancel(int argc, char **argv)
{
    static const struct token_verb verb = {
        "cancel", "cancelled the statements of", &cancel_table, NULL, NULL, put_cancel};
    return run(&verb, argc, argv);
}

static const struct node_option_table burn_table = {
    .command = "nftmesh burn",
    .usage = "--token N [options]",
    .intro = "Ends a seat for good and frees its place in the cluster. Its number is never used "
             "again; nothing brings it back.",
    .outro = "Example:\n  nftmesh burn --token 2 --config /etc/nftmesh.conf --dry-run\n",
    .options = token_options,
    .option_count = sizeof token_options / sizeof token_options[0],
    .passes_over = true,
};
static void put_burn(struct base_buf *calldata, char *what, const struct order *order)
{
    snprintf(what, NODE_WALLET_WHAT_BYTES, "burn(token %s)", order->number);
    chain_contract_call_burn(calldata, &order->token);
}
static int burn(int argc, char **argv)
{
    static const struct token_verb verb = {"burn", "burned", &burn_table, NULL, NULL, put_burn};
    return run(&verb, argc, argv);
}

/* ---- transfer ---- */

static const struct node_option_table transfer_table = {
    .command = "nftmesh transfer",
    .usage = "--token N --to 0x.. [options]",
    .intro = "Gives a seat to another wallet. Registration and instance binding are cleared: the "
             "node on it is dropped by all others at their next reference block.",
    .outro = "Example:\n  nftmesh transfer --token 2 --to 0x.. --config /etc/nftmesh.conf\n",
    .options = transfer_options,
    .option_count = sizeof transfer_options / sizeof transfer_options[0],
    .passes_over = true,
};
static bool is_theirs(const struct order *order)
{
    struct base_eth_address to;
    (void)base_address_parse(&to, node_options_text(order->options, "to"));
    return base_address_equal(&order->seat.owner, &to) &&
           !base_address_equal(&order->w->address, &to); /* to oneself it clears the seat */
}
static void put_transfer(struct base_buf *calldata, char *what, const struct order *order)
{
    struct base_eth_address to;
    (void)base_address_parse(&to, node_options_text(order->options, "to"));
    snprintf(what, NODE_WALLET_WHAT_BYTES, "transferFrom(token %s, to %s)", order->number,
             node_options_text(order->options, "to"));
    chain_contract_call_transfer(calldata, &order->w->address, &to, &order->token);
}
static int transfer(int argc, char **argv)
{
    static const struct token_verb verb = {"transfer", "transferred", &transfer_table,
                                           "to",       is_theirs,     put_transfer};
    return run(&verb, argc, argv);
}

/* ---- weight ---- */

static const struct node_option_table weight_table = {
    .command = "nftmesh weight",
    .usage = "--token N (--behind 0x.. | --remove) [options]",
    .intro = "Puts a token's weight behind an instance's seat, where it counts in the election of "
             "the leader, or takes it away. One token counts behind one seat only, and nowhere "
             "once it is sold.",
    .outro = "Example:\n  nftmesh weight --token 5 --behind 0x.. --config /etc/nftmesh.conf\n"
             "  nftmesh weight --token 5 --remove --config /etc/nftmesh.conf\n",
    .options = weight_options,
    .option_count = sizeof weight_options / sizeof weight_options[0],
    .passes_over = true,
};
static void put_weight(struct base_buf *calldata, char *what, const struct order *order)
{
    struct base_eth_address instance;
    const char *behind = node_options_text(order->options, "behind");
    if (behind == NULL) {
        snprintf(what, NODE_WALLET_WHAT_BYTES, "unbindWeight(token %s)", order->number);
        chain_contract_call_unbind_weight(calldata, &order->token);
        return;
    }
    (void)base_address_parse(&instance, behind);
    snprintf(what, NODE_WALLET_WHAT_BYTES, "bindWeight(token %s, instance %s)", order->number,
             behind);
    chain_contract_call_bind_weight(calldata, &order->token, &instance);
}
static int weight(int argc, char **argv)
{
    static const struct token_verb verb = {
        "weight", "moved the weight of", &weight_table, NULL, NULL, put_weight};
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &weight_table, argc, argv)) return status;
    bool behind = node_options_count(options, "behind") > 0;
    bool both = behind == node_options_flag(options, "remove");
    node_options_free(options);
    if (both)
        return cli_error(
            CLI_USAGE, "weight",
            "give either --behind 0xINSTANCE or --remove; see `nftmesh weight --help`");
    return run(&verb, argc, argv);
}

/* ---- mint ---- */

/* After what the wallet has pending, which may be the mint of the same command before. */
static int has_seat(struct node_wallet *w, bool *out, const struct base_eth_address *owner,
                    char *why)
{
    struct base_buf calldata, data;
    struct base_u256 balance;
    base_buf_init(&calldata, 64);
    base_buf_init(&data, 256);
    chain_contract_call_balance_of(&calldata, owner);
    int rv = node_wallet_settle(w, why);
    if (rv == BASE_OK) rv = node_wallet_view(w, &data, &calldata, why);
    if (rv == BASE_OK && chain_contract_decode_u256(&balance, data.data, data.len) != BASE_OK) {
        snprintf(why, WHY, "balanceOf(): an answer of another form: is this our contract?");
        rv = BASE_EMALFORMED;
    }
    if (rv == BASE_OK) *out = !base_is_zero(balance.bytes, sizeof balance.bytes);
    base_buf_deinit(&data);
    base_buf_deinit(&calldata);
    return rv;
}

static int mint_to(struct node_wallet *w, struct node_wallet_sent *sent,
                   const struct base_eth_address *to, char *why)
{
    bool is_prototype;
    int rv = node_prototype_detect(w, &is_prototype, why);
    if (rv != BASE_OK) return rv;
    return is_prototype ? node_mint_prototype(w, sent, to, NULL, why)
                        : node_seat_mint(w, sent, to, why);
}

static int mint(int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    struct node_wallet_sent sent;
    struct base_eth_address to;
    char why[WHY] = "";
    int status;
    if (!cli_parse(&options, &status, &mint_table, argc, argv)) return status;
    status = cli_sender_open(&w, options, "mint");
    if (status == CLI_OK) {
        bool stands = false;
        int rv = BASE_OK;
        to = w.address;
        if (node_options_count(options, "to") > 0)
            (void)base_address_parse(&to, node_options_text(options, "to"));
        if (node_options_flag(options, "once")) rv = has_seat(&w, &stands, &to, why);
        if (rv == BASE_OK && !stands) rv = mint_to(&w, &sent, &to, why);
        if (rv != BASE_OK)
            status = cli_error(CLI_FAILED, "mint", "%s", why);
        else if (stands)
            say_stands(cli_is_json(options));
        else
            cli_sent_print(&w, &sent, sent.has_minted ? &sent.minted : NULL, "minted",
                           cli_is_json(options));
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}

const struct cli_verb cli_chain_verbs[] = {
    {"register", "register this node's keys for a seat", cli_register},
    {"renew", "move the end of a registration", cli_renew},
    {"authorize", "let a seat's owner say which keys stand for it, or take that back",
     cli_authorize},
    {"endpoint", "change the address of a registration", cli_endpoint},
    {"mint", "mint a seat", mint},
    {"deactivate", "take a seat out of the mesh", deactivate},
    {"cancel", "make signed, unused statements worthless", cancel},
    {"transfer", "give a seat to another wallet", transfer},
    {"burn", "end a seat for good", burn},
    {"weight", "put a token's weight behind a seat", weight},
    {"deploy", "show what stands at a contract's address", cli_deploy},
    {NULL, NULL, NULL},
};
