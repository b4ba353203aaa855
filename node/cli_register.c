/* register, renew, endpoint: what makes a seat a node's, and keeps it so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/u256.h"
#include "node/cli_wallet.h"
#include "node/config_internal.h"
#include "node/seat_offline.h"

#define WHY NODE_WALLET_WHY_BYTES

static int check_url(const char *value, char *why, size_t why_bytes)
{
    struct node_url url;
    if (node_url_parse(&url, value) == BASE_OK && url.userinfo[0] == '\0' &&
        strlen(value) <= CHAIN_URL_BYTES_MAX &&
        (strcmp(url.scheme, "http") == 0 || strcmp(url.scheme, "https") == 0))
        return BASE_OK;
    return node__config_check_advertise(value, why, why_bytes);
}

#define TOKEN_OPTION                                                                               \
    {                                                                                              \
        .name = "token", .argument = "N",                                                          \
        .help = "The seat's token id. By default the one that the instance is bound to, else the " \
                "wallet's first that is free.",                                                    \
        .check = cli_check_token, .kind = NODE_OPTION_TEXT                                         \
    }
#define URL_OPTIONS                                                                                \
    {.name = "url",                                                                                \
     .argument = "URL",                                                                            \
     .help =                                                                                       \
         "Where peers reach this node: tcp://, ws:// or wss://; or its application's address, "    \
         "http:// or https://, whose /info leads to it. By default --advertise, else the "         \
         "first --listen that names a host.",                                                      \
     .check = check_url,                                                                           \
     .kind = NODE_OPTION_TEXT},                                                                    \
        {.name = "advertise",                                                                      \
         .argument = "URL",                                                                        \
         .help = "The same, as the node's configuration calls it.",                                \
         .env_alias = "CONNECTION_URL",                                                            \
         .check = node__config_check_advertise,                                                    \
         .kind = NODE_OPTION_TEXT},                                                                \
    {                                                                                              \
        .name = "listen", .argument = "URL",                                                       \
        .help = "Where the node listens, as its configuration has it.", .repeatable = true,        \
        .kind = NODE_OPTION_TEXT                                                                   \
    }
#define EXPIRES_OPTION                                                                             \
    {                                                                                              \
        .name = "expires", .argument = "TIME",                                                     \
        .help = "How long the registration shall stand; at most 400d.", .fallback = "365d",        \
        .min = 3600000, .kind = NODE_OPTION_DURATION                                               \
    }
#define SENDING CLI_CHAIN_OPTIONS, CLI_WALLET_OPTIONS, CLI_SEND_OPTIONS, CLI_FORMAT_OPTION

static const struct node_option register_options[] = {
    TOKEN_OPTION,
    URL_OPTIONS,
    EXPIRES_OPTION,
    {.name = "mint", .help = "Mint a seat first when the wallet has none that is free."},
    {.name = "print",
     .help = "Write what the owner has to sign, as EIP-712 typed data, and send nothing: for an "
             "owner whose key is elsewhere.",
     .group = "Owner elsewhere"},
    {.name = "owner",
     .argument = "0x..",
     .help = "With --print: the wallet that owns the seat.",
     .check = cli_check_address,
     .kind = NODE_OPTION_TEXT},
    {.name = "statement",
     .argument = "FILE",
     .help = "Send what --print wrote (- is standard input), with the owner's signature; the "
             "wallet here only pays.",
     .kind = NODE_OPTION_TEXT},
    {.name = "owner-signature-file",
     .argument = "FILE",
     .help = "The owner's signature in hex: 65 bytes of a key, or what the owner's contract "
             "(EIP-1271) takes.",
     .kind = NODE_OPTION_TEXT},
    CLI_NODE_OPTIONS,
    SENDING,
};
static const struct node_option_table register_table = {
    .command = "nftmesh register",
    .usage = "[--token N] [options]",
    .intro = "Registers a node's keys for a seat. Reads the chain, prints what is missing and does "
             "only that, in order: the instance is bound to the token, then both keys with their "
             "signature chain are checked and stored by the contract; of a registration that "
             "stands, only the address or the end is changed. What stands there already is "
             "success, and a run that was cut off is completed by the next. Without --url an "
             "address that stands stays.",
    .outro = "Examples:\n  nftmesh register --token 1 --data-dir /var/lib/nftmesh \\\n"
             "      --rpc https://rpc.example --chain-id 8453 --contract 0x.. \\\n"
             "      --url tcp://me.example:9470 --wallet-key-file alice.wallet --dry-run\n"
             "  nftmesh register --print --owner 0x.. --config /etc/nftmesh.conf >statement.json\n"
             "  nftmesh register --statement statement.json --owner-signature-file sig.hex \\\n"
             "      --config /etc/nftmesh.conf --wallet-key-file anybody.wallet\n",
    .options = register_options,
    .option_count = sizeof register_options / sizeof register_options[0],
    .passes_over = true,
};

/* As `nftmesh node` finds it, so that both register the same. */
static const char *own_url(const struct node_options *options)
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

static int failed(const char *verb, const char *why)
{
    return cli_error(CLI_FAILED, verb, "%s", why);
}

/* ---- what came of it ---- */

static void put_steps(struct base_buf *out, const struct node_seat_result *result)
{
    base_buf_puts(out, ",\"plan\":[");
    for (size_t i = 0; i < result->plan.count; i++) {
        base_buf_printf(out, "%s{\"step\":\"%s\",\"because\":", i > 0 ? "," : "",
                        node_seat_step_name(result->plan.steps[i].step));
        base_buf_json_string(out, result->plan.steps[i].because,
                             strlen(result->plan.steps[i].because));
        base_buf_puts(out, "}");
    }
    base_buf_puts(out, "],\"steps\":[");
    for (size_t i = 0; i < result->done_count; i++) {
        base_buf_printf(out, "%s{\"step\":\"%s\",\"estimated\":%s,", i > 0 ? "," : "",
                        node_seat_step_name(result->done[i].step),
                        result->done[i].is_guess ? "false" : "true");
        cli_sent_json(out, &result->done[i].sent);
        base_buf_puts(out, "}");
    }
    base_buf_puts(out, "]");
}

static void print_json(const struct node_seat_result *result)
{
    struct base_buf text;
    base_buf_init(&text, 16384);
    base_buf_puts(&text, "{\"token\":");
    if (result->has_token)
        node_json_u256(&text, &result->token);
    else
        base_buf_puts(&text, "null");
    if (result->authorised_until != 0)
        base_buf_printf(&text, ",\"authorised_until\":%llu,\"transactions\":%zu",
                        (unsigned long long)result->authorised_until, result->done_count);
    if (result->done_count > 0) {
        base_buf_puts(&text, ",");
        cli_sent_json(&text, &result->sent);
    }
    put_steps(&text, result);
    base_buf_puts(&text, "}");
    printf("%s\n", text.data != NULL ? text.data : "");
    base_buf_deinit(&text);
}

static void print_dry(const struct node_wallet *w, const struct node_seat_result *result)
{
    struct base_u256 total = base_u256_from_u64(0);
    char ether[BASE_ETHER_TEXT_BYTES];
    for (size_t i = 0; i < result->done_count; i++) {
        struct base_buf line;
        base_buf_init(&line, 2048);
        cli_sent_line(&line, w, &result->done[i].sent, result->done[i].is_guess);
        printf("would send %zu. %s\n", i + 1, line.data != NULL ? line.data : "");
        base_buf_deinit(&line);
        total = base_u256_add(&total, &result->done[i].sent.max_cost);
    }
    base_ether_format(ether, &total);
    printf("at most %s ether in all; nothing was sent\n", ether);
}

static void print_result(const struct node_wallet *w, const struct node_seat_result *result,
                         const char *what, bool json)
{
    if (result->stood_already)
        printf(json ? "{\"stands\":true}\n"
                    : "stands already, with this node's keys and address\n");
    else if (json)
        print_json(result);
    else if (w->dry_run)
        print_dry(w, result);
    else if (result->authorised_until != 0)
        printf("authorised until %llu, after %zu transactions\n",
               (unsigned long long)result->authorised_until, result->done_count);
    else
        cli_sent_print(w, &result->sent, &result->token, what, false);
}

/* ---- register ---- */

static struct node_seat_request request_of(const struct node_options *options)
{
    const char *token = node_options_text(options, "token");
    struct node_seat_request request = {
        .url = own_url(options),
        .expires_ms = node_options_ms(options, "expires"),
        .data_dir = node_options_text(options, "data-dir"),
        .dstack = node_options_text(options, "dstack"),
        .dev = node_options_flag(options, "dev"),
        .mint = node_options_flag(options, "mint"),
        .has_token = token != NULL,
    };
    if (token != NULL) (void)base_u256_parse(&request.token, token);
    return request;
}

static int register_here(const struct node_options *options)
{
    struct node_wallet w;
    struct node_seat_result result;
    struct node_seat_request request = request_of(options);
    char why[WHY] = "";
    int status = cli_sender_open(&w, options, "register");
    if (status != CLI_OK) return status;
    int rv = node_seat_register(&w, &result, &request, why);
    if (rv == BASE_OK)
        print_result(&w, &result, "registered", cli_is_json(options));
    else
        status = failed("register", why);
    node_wallet_close(&w);
    return status;
}

/* ---- register for an owner elsewhere ---- */

static void print_wanted(const struct node_wallet *w, const struct node_seat_wanted *wanted)
{
    struct base_buf text;
    char to[BASE_ADDRESS_TEXT_BYTES];
    base_buf_init(&text, (size_t)1 << 18);
    base_address_format(to, &w->contract);
    if (wanted->has_bind) {
        base_buf_hex(&text, wanted->bind.data, wanted->bind.len);
        fprintf(stderr,
                "nftmesh register: first the owner must send %s itself, with this call to %s: "
                "0x%s\n",
                wanted->bind_what, to, text.data != NULL ? text.data : "");
        base_buf_clear(&text);
    }
    if (wanted->has_statement) {
        node_statement_encode(&text, &wanted->statement);
        fputs(text.data != NULL ? text.data : "", stdout);
    }
    base_buf_deinit(&text);
}

static int print_statement(const struct node_options *options)
{
    struct node_wallet w;
    struct node_seat_wanted wanted;
    struct node_seat_request request = request_of(options);
    struct base_eth_address owner;
    char why[WHY] = "";
    int status = cli_need(options, "register", "owner");
    if (status == CLI_OK) status = cli_chain_open(&w, options, "register");
    if (status != CLI_OK) return status;
    (void)base_address_parse(&owner, node_options_text(options, "owner"));
    int rv = node_seat_state(&w, &wanted, &request, &owner, why);
    if (rv != BASE_OK)
        status = failed("register", why);
    else if (wanted.plan.count == 0)
        status = cli_error(CLI_FAILED, "register", "it stands already: there is nothing to sign");
    else if (!wanted.has_statement)
        status = cli_error(CLI_FAILED, "register",
                           "only the address differs, which the node itself may change: `nftmesh "
                           "endpoint` with any wallet");
    else
        print_wanted(&w, &wanted);
    base_buf_deinit(&wanted.bind);
    node_wallet_close(&w);
    return status;
}

static int load_statement(struct node_statement *statement, const struct node_options *options)
{
    struct base_buf text;
    char why[NODE_STATEMENT_WHY_BYTES] = "";
    base_buf_init(&text, NODE_STATEMENT_BYTES_MAX);
    int status = cli_load(&text, options, "register", "statement");
    if (status == CLI_OK && node_statement_decode(statement, text.data, text.len, why) != BASE_OK)
        status = cli_error(CLI_USAGE, "register", "--statement: %s", why);
    base_buf_deinit(&text);
    return status;
}

static int load_signature(uint8_t *sig, size_t *len, const struct node_options *options)
{
    struct base_buf text;
    base_buf_init(&text, 2 * CHAIN_OWNER_SIG_BYTES_MAX + 16);
    int status = cli_load(&text, options, "register", "owner-signature-file");
    while (text.len > 0 && strchr("\r\n ", text.data[text.len - 1]) != NULL)
        text.data[--text.len] = '\0';
    if (status == CLI_OK &&
        (text.len == 0 ||
         base_hex_decode_var(sig, len, CHAIN_OWNER_SIG_BYTES_MAX, text.data) != BASE_OK))
        status = cli_error(CLI_USAGE, "register",
                           "--owner-signature-file: not a signature in hex of 1 to %d bytes",
                           CHAIN_OWNER_SIG_BYTES_MAX);
    base_buf_deinit(&text);
    return status;
}

static int submit_statement(const struct node_options *options)
{
    static struct node_statement statement;
    static uint8_t sig[CHAIN_OWNER_SIG_BYTES_MAX];
    struct node_wallet w;
    struct node_seat_result result;
    char why[WHY] = "";
    size_t sig_len = 0;
    int status = cli_need(options, "register", "owner-signature-file");
    if (status == CLI_OK) status = load_statement(&statement, options);
    if (status == CLI_OK) status = load_signature(sig, &sig_len, options);
    if (status == CLI_OK) status = cli_sender_open(&w, options, "register");
    if (status != CLI_OK) return status;
    int rv = node_seat_submit(&w, &result, &statement, sig, sig_len, why);
    if (rv != BASE_OK)
        status = failed("register", why);
    else if (result.stood_already)
        print_result(&w, &result, "registered", cli_is_json(options));
    else
        cli_sent_print(&w, &result.sent, &result.token, "registered", cli_is_json(options));
    node_wallet_close(&w);
    return status;
}

int cli_register(int argc, char **argv)
{
    struct node_options *options;
    int status;
    if (!cli_parse(&options, &status, &register_table, argc, argv)) return status;
    bool print = node_options_flag(options, "print");
    bool submit = node_options_count(options, "statement") > 0;
    if (print && submit)
        status =
            cli_error(CLI_USAGE, "register",
                      "--print writes a statement and --statement sends one: give one of them");
    else if (print)
        status = print_statement(options);
    else if (submit)
        status = submit_statement(options);
    else
        status = register_here(options);
    node_options_free(options);
    return status;
}

/* ---- renew ---- */

static const struct node_option renew_options[] = {TOKEN_OPTION, EXPIRES_OPTION, SENDING};
static const struct node_option_table renew_table = {
    .command = "nftmesh renew",
    .usage = "--token N [options]",
    .intro = "Moves the end of a registration that stands; keys and address stay. Sent by the "
             "token's owner, without the node.",
    .outro = "Example:\n  nftmesh renew --token 1 --expires 365d --config /etc/nftmesh.conf\n",
    .options = renew_options,
    .option_count = sizeof renew_options / sizeof renew_options[0],
    .passes_over = true,
};

static int send_renewal(struct node_wallet *w, struct node_wallet_sent *sent,
                        const struct chain_seat *seat, uint64_t expires_at, uint64_t deadline,
                        char *why)
{
    static const struct base_slice none = {NULL, 0};
    struct base_buf calldata;
    char what[NODE_WALLET_WHAT_BYTES], token[BASE_U256_TEXT_BYTES];
    struct base_renewal r = {.token_id = seat->token_id,
                             .node_key = seat->node_key,
                             .nonce = seat->nonce,
                             .expires_at = expires_at,
                             .deadline = deadline};
    base_u256_format(token, &seat->token_id);
    snprintf(what, sizeof what, "renew(token %s, until %llu)", token,
             (unsigned long long)expires_at);
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    chain_contract_call_renew(&calldata, &r, &none);
    struct node_wallet_call call = {.calldata = &calldata, .what = what};
    int rv = node_wallet_send_call(w, sent, &call, why);
    base_buf_deinit(&calldata);
    return rv;
}

static int renew_seat(struct node_wallet *w, const struct node_options *options)
{
    struct chain_cluster_state state;
    struct chain_seat seat;
    struct node_wallet_sent sent;
    struct base_u256 token;
    uint64_t now_s = 0;
    char why[WHY] = "";
    (void)base_u256_parse(&token, node_options_text(options, "token"));
    int rv = node_wallet_time(w, &now_s, why);
    if (rv == BASE_OK) rv = node_seat_read(w, &seat, &state, &token, why);
    if (rv != BASE_OK) return failed("renew", why);
    if (!seat.has_keys || !seat.active)
        return cli_error(CLI_FAILED, "renew",
                         "no registration stands on this seat: `nftmesh register` makes one");
    rv = send_renewal(w, &sent, &seat, node_seat_expiry(now_s, node_options_ms(options, "expires")),
                      now_s + NODE_SEAT_DEADLINE_S, why);
    if (rv != BASE_OK) return failed("renew", why);
    cli_sent_print(w, &sent, &token, "renewed", cli_is_json(options));
    return CLI_OK;
}

int cli_renew(int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    int status;
    if (!cli_parse(&options, &status, &renew_table, argc, argv)) return status;
    status = cli_need(options, "renew", "token");
    if (status == CLI_OK) status = cli_sender_open(&w, options, "renew");
    if (status == CLI_OK) {
        status = renew_seat(&w, options);
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}

/* ---- endpoint ---- */

static const struct node_option endpoint_options[] = {URL_OPTIONS, CLI_NODE_OPTIONS, SENDING};
static const struct node_option_table endpoint_table = {
    .command = "nftmesh endpoint",
    .usage = "[--url URL] [options]",
    .intro = "Changes the address of this node's registration; keys and end stay. The node signs "
             "it, so any wallet with some ether may send it: the owner's key is not needed.",
    .outro = "Example:\n  nftmesh endpoint --url tcp://new.example:9470 --config /etc/nftmesh.conf "
             "\\\n      --wallet-key-file anybody.wallet\n",
    .options = endpoint_options,
    .option_count = sizeof endpoint_options / sizeof endpoint_options[0],
    .passes_over = true,
};

static int change_endpoint(struct node_wallet *w, const struct node_options *options)
{
    struct node_seat_result result;
    struct node_seat_request request = {.url = own_url(options),
                                        .data_dir = node_options_text(options, "data-dir"),
                                        .dstack = node_options_text(options, "dstack"),
                                        .dev = node_options_flag(options, "dev")};
    char why[WHY] = "";
    int rv = node_seat_move(w, &result, &request, why);
    if (rv != BASE_OK) return failed("endpoint", why);
    if (result.stood_already)
        print_result(w, &result, "moved", cli_is_json(options));
    else
        cli_sent_print(w, &result.sent, &result.token, "moved", cli_is_json(options));
    return CLI_OK;
}

int cli_endpoint(int argc, char **argv)
{
    struct node_options *options;
    struct node_wallet w;
    int status;
    if (!cli_parse(&options, &status, &endpoint_table, argc, argv)) return status;
    status = own_url(options) != NULL ? CLI_OK : cli_need(options, "endpoint", "url");
    if (status == CLI_OK) status = cli_sender_open(&w, options, "endpoint");
    if (status == CLI_OK) {
        status = change_endpoint(&w, options);
        node_wallet_close(&w);
    }
    node_options_free(options);
    return status;
}
