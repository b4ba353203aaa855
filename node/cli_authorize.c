/* authorize: the owner's word for a node's keys, where the contract stores none. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/u256.h"
#include "node/authorise.h"
#include "node/cli_wallet.h"
#include "node/seat_prototype.h"

#define WHY NODE_WALLET_WHY_BYTES

static const struct node_option authorize_options[] = {
    {.name = "token",
     .argument = "N",
     .help = "The seat's token id.",
     .check = cli_check_token,
     .kind = NODE_OPTION_TEXT},
    {.name = "not-after",
     .argument = "TIME",
     .help = "How long it shall count, from the block at which it is issued; at most 30d.",
     .fallback = "30d",
     .min = 60000,
     .max = (uint64_t)NODE_AUTHORITY_TERM_S * 1000,
     .kind = NODE_OPTION_DURATION},
    {.name = "revoke", .help = "Take back what was authorised for the seat before."},
    {.name = "print",
     .help = "Write what the owner has to sign, as EIP-712 typed data, and do nothing else: for an "
             "owner whose key is elsewhere.",
     .group = "Owner elsewhere"},
    {.name = "owner",
     .argument = "0x..",
     .help = "With --print: the wallet that owns the seat.",
     .check = cli_check_address,
     .kind = NODE_OPTION_TEXT},
    {.name = "statement",
     .argument = "FILE",
     .help = "Hand over what --print wrote (- is standard input), with the owner's signature.",
     .kind = NODE_OPTION_TEXT},
    {.name = "owner-signature-file",
     .argument = "FILE",
     .help = "The owner's signature, 65 bytes in hex.",
     .kind = NODE_OPTION_TEXT},
    CLI_NODE_OPTIONS,
    CLI_CHAIN_OPTIONS,
    CLI_WALLET_OPTIONS,
    {.name = "dry-run", .help = "Say what would be handed over; hand over nothing."},
    CLI_FORMAT_OPTION,
};
static const struct node_option_table authorize_table = {
    .command = "nftmesh authorize",
    .usage = "--token N [options]",
    .intro = "With the prototype's contract, which stores no keys: the seat's owner, the node key "
             "and the app proof key sign which keys stand for the seat, for at most 30 days. The "
             "running node takes it, shows it to every peer and passes it on; a later one takes "
             "the place of what was there. No transaction, no gas.",
    .outro = "Examples:\n  nftmesh authorize --token 7 --config /etc/nftmesh.conf "
             "--wallet-key-file alice.wallet\n"
             "  nftmesh authorize --revoke --token 7 --config /etc/nftmesh.conf "
             "--wallet-key-file alice.wallet\n"
             "  nftmesh authorize --print --owner 0x.. --token 7 "
             "--config /etc/nftmesh.conf >statement.json\n"
             "  nftmesh authorize --statement statement.json --owner-signature-file sig.hex "
             "--config /etc/nftmesh.conf\n",
    .options = authorize_options,
    .option_count = sizeof authorize_options / sizeof authorize_options[0],
    .passes_over = true,
};

static int failed(const char *why)
{
    return cli_error(CLI_FAILED, "authorize", "%s", why);
}

static int open_chain(struct node_wallet *w, const struct node_options *options, bool with_key)
{
    char why[WHY] = "";
    bool is_prototype = false;
    int status = with_key ? cli_wallet_open(w, options, "authorize")
                          : cli_chain_open(w, options, "authorize");
    if (status != CLI_OK) return status;
    int rv = node_prototype_detect(w, &is_prototype, why);
    if (rv == BASE_OK && is_prototype) return CLI_OK;
    if (rv == BASE_OK)
        status = cli_error(CLI_USAGE, "authorize",
                           "this contract stores the keys itself: use `nftmesh register`");
    else
        status = failed(why);
    node_wallet_close(w);
    return status;
}

static struct node_seat_source source_of(const struct node_options *options)
{
    return (struct node_seat_source){node_options_text(options, "data-dir"),
                                     node_options_text(options, "dstack"),
                                     node_options_flag(options, "dev")};
}

static int hand_over(struct node_seat_signer *s, char verdict[NODE_SEAT_VERDICT_BYTES],
                     const struct node_bundle *bundle, const struct node_options *options,
                     char *why)
{
    if (!node_options_flag(options, "dry-run"))
        return node_seat_signer_hand_over(s, verdict, bundle, why);
    snprintf(verdict, NODE_SEAT_VERDICT_BYTES, "dry run");
    return BASE_OK;
}

static void print_done(const struct node_bundle *bundle, const char *verdict, bool json)
{
    char token[BASE_U256_TEXT_BYTES];
    unsigned long long block = bundle->issued_block, until = bundle->not_after;
    base_u256_format(token, &bundle->token_id);
    if (json)
        printf("{\"token\":\"%s\",\"revoked\":%s,\"issued_block\":%llu,\"not_after\":%llu,"
               "\"verdict\":\"%s\"}\n",
               token, bundle->revokes ? "true" : "false", block, until, verdict);
    else if (bundle->revokes)
        printf("revoked what was authorised for token %s up to block %llu: %s\n", token, block,
               verdict);
    else
        printf("authorised for token %s at block %llu, until %llu: %s\n", token, block, until,
               verdict);
}

/* ---- with the owner's key, or for one that is elsewhere ---- */

static int make(struct node_wallet *w, struct node_seat_signer *s, struct node_bundle *bundle,
                const struct node_options *options, const struct base_eth_address *owner, char *why)
{
    struct node_authorise_request request = {
        .lasts_s = node_options_ms(options, "not-after") / 1000,
        .revoke = node_options_flag(options, "revoke"),
        .owner = *owner,
    };
    struct node_seat_source source = source_of(options);
    (void)base_u256_parse(&request.token, node_options_text(options, "token"));
    int rv = BASE_OK;
    if (request.revoke)
        node_seat_signer_attach(s, w, &source); /* nobody's keys take part in it */
    else
        rv = node_seat_signer_open(s, w, &source, why);
    return rv == BASE_OK ? node_authorise_make(w, s, bundle, &request, why) : rv;
}

static int authorise_here(const struct node_options *options)
{
    struct node_wallet w;
    struct node_seat_signer signer;
    struct node_bundle bundle;
    char why[WHY] = "", verdict[NODE_SEAT_VERDICT_BYTES] = "";
    int status = cli_need(options, "authorize", "token");
    if (status == CLI_OK) status = open_chain(&w, options, true);
    if (status != CLI_OK) return status;
    int rv = make(&w, &signer, &bundle, options, &w.address, why);
    if (rv == BASE_OK) rv = node_authorise_with(&w, &bundle, why);
    if (rv == BASE_OK) rv = hand_over(&signer, verdict, &bundle, options, why);
    if (rv == BASE_OK)
        print_done(&bundle, verdict, cli_is_json(options));
    else
        status = failed(why);
    node_seat_signer_close(&signer);
    node_wallet_close(&w);
    return status;
}

static int print_statement(const struct node_options *options)
{
    struct node_wallet w;
    struct node_seat_signer signer;
    struct node_bundle bundle;
    struct base_eth_address owner;
    struct base_buf text;
    char why[WHY] = "";
    int status = cli_need(options, "authorize", "token");
    if (status == CLI_OK) status = cli_need(options, "authorize", "owner");
    if (status == CLI_OK) status = open_chain(&w, options, false);
    if (status != CLI_OK) return status;
    (void)base_address_parse(&owner, node_options_text(options, "owner"));
    int rv = make(&w, &signer, &bundle, options, &owner, why);
    base_buf_init(&text, NODE_AUTHORISE_BYTES_MAX);
    if (rv == BASE_OK) node_authorise_print(&text, w.chain_id, &w.contract, &bundle);
    if (rv != BASE_OK)
        status = failed(why);
    else
        fputs(text.data != NULL ? text.data : "", stdout);
    base_buf_deinit(&text);
    node_seat_signer_close(&signer);
    node_wallet_close(&w);
    return status;
}

/* ---- with a signature from elsewhere ---- */

static int load_statement(struct node_bundle *bundle, const struct node_wallet *w,
                          const struct node_options *options)
{
    struct base_buf text;
    char why[NODE_AUTHORISE_WHY_BYTES] = "";
    base_buf_init(&text, NODE_AUTHORISE_BYTES_MAX);
    int status = cli_load(&text, options, "authorize", "statement");
    if (status == CLI_OK &&
        node_authorise_read(bundle, w->chain_id, &w->contract, text.data, text.len, why) != BASE_OK)
        status = cli_error(CLI_USAGE, "authorize", "--statement: %s", why);
    base_buf_deinit(&text);
    return status;
}

static int load_signature(struct node_bundle *bundle, const struct node_wallet *w,
                          const struct node_options *options)
{
    struct base_buf text;
    struct base_sig65 sig;
    struct base_eip712_domain domain;
    base_buf_init(&text, 1024);
    int status = cli_load(&text, options, "authorize", "owner-signature-file");
    while (text.len > 0 && strchr("\r\n ", text.data[text.len - 1]) != NULL)
        text.data[--text.len] = '\0';
    base_eip712_domain_init(&domain, w->chain_id, &w->contract);
    if (status == CLI_OK &&
        (text.len == 0 || base_hex_decode_0x(sig.bytes, sizeof sig.bytes, text.data) != BASE_OK))
        status = cli_error(CLI_USAGE, "authorize",
                           "--owner-signature-file: not 65 bytes in hex (130 digits)");
    if (status == CLI_OK && node_authorise_sign(bundle, &domain, &sig) != BASE_OK)
        status = cli_error(CLI_USAGE, "authorize",
                           "--owner-signature-file: not the owner's signature of this statement");
    base_buf_deinit(&text);
    return status;
}

static int hand_over_statement(const struct node_options *options)
{
    struct node_wallet w;
    struct node_seat_signer signer;
    struct node_bundle bundle;
    struct node_seat_source source = source_of(options);
    char why[WHY] = "", verdict[NODE_SEAT_VERDICT_BYTES] = "";
    int status = cli_need(options, "authorize", "owner-signature-file");
    if (status == CLI_OK) status = open_chain(&w, options, false);
    if (status != CLI_OK) return status;
    status = load_statement(&bundle, &w, options);
    if (status == CLI_OK) status = load_signature(&bundle, &w, options);
    if (status == CLI_OK) {
        node_seat_signer_attach(&signer, &w, &source);
        int rv = hand_over(&signer, verdict, &bundle, options, why);
        if (rv == BASE_OK)
            print_done(&bundle, verdict, cli_is_json(options));
        else
            status = failed(why);
        node_seat_signer_close(&signer);
    }
    node_wallet_close(&w);
    return status;
}

int cli_authorize(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &authorize_table, argc, argv)) return status;
    bool print = node_options_flag(options, "print");
    bool given = node_options_count(options, "statement") > 0;
    if (print && given)
        status = cli_error(CLI_USAGE, "authorize",
                           "--print writes a statement and --statement hands one over: give one");
    else if (print)
        status = print_statement(options);
    else if (given)
        status = hand_over_statement(options);
    else
        status = authorise_here(options);
    node_options_free(options);
    return status;
}
