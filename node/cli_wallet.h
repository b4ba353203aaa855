#ifndef NFTMESH_NODE_CLI_WALLET_H
#define NFTMESH_NODE_CLI_WALLET_H

#include "node/cli.h"
#include "node/wallet.h"

/* What every verb takes that goes to the chain, and what it opens with that. A table that has
 * CLI_CHAIN_OPTIONS can ask; with CLI_WALLET_OPTIONS after them it can sign and send, with
 * CLI_SEND_OPTIONS after those it says how. The options are those of the node's configuration file
 * under the same names, so `--config node.conf` is enough where a table passes_over.
 *
 *   static const struct node_option mint_options[] = {
 *       {.name = "to", ..},
 *       CLI_CHAIN_OPTIONS,
 *       CLI_WALLET_OPTIONS,
 *       CLI_SEND_OPTIONS,
 *       CLI_FORMAT_OPTION,
 *   };
 *   ..
 *   status = cli_sender_open(&w, options, "mint");
 *   if (status != CLI_OK) return status;
 *   ..
 *   node_wallet_close(&w); */
cli_verb_fn cli_register, cli_renew, cli_endpoint; /* cli_register.c */
cli_verb_fn cli_authorize;                         /* cli_authorize.c */
cli_verb_fn cli_deploy;                            /* cli_deploy.c */

int cli_check_address(const char *value, char *why, size_t why_bytes);
int cli_check_token(const char *value, char *why, size_t why_bytes);

/* CLI_OK, or says on standard error that --name is missing. */
int cli_need(const struct node_options *options, const char *verb, const char *name);
/* The file that option names (- is standard input), appended to out, which has the bound. Says
 * itself what is wrong. */
int cli_load(struct base_buf *out, const struct node_options *options, const char *verb,
             const char *name);
/* Endpoint and contract, checked; no key. Says itself what is wrong; returns an exit status.
 * CLI_USAGE for what the command line lacks, CLI_FAILED for what the chain says. */
int cli_chain_open(struct node_wallet *w, const struct node_options *options, const char *verb);
/* The same with the wallet's key: CLI_WALLET_OPTIONS. Signs; sends nothing by itself. */
int cli_wallet_open(struct node_wallet *w, const struct node_options *options, const char *verb);
/* The same with what CLI_SEND_OPTIONS say. */
int cli_sender_open(struct node_wallet *w, const struct node_options *options, const char *verb);
/* The key alone, into w: from a file, keystore, descriptor or PRIVATE_KEY; asks for it, or for a
 * keystore's password, on the terminal when nothing else has it. */
int cli_wallet_key(struct node_wallet *w, const struct node_options *options, const char *verb);
/* For node_wallet_key_source: on /dev/tty, without echo. */
int cli_ask_secret(enum node_wallet_secret what, char *out, size_t cap,
                   char why[NODE_WALLET_KEY_WHY_BYTES]);

/* What a transaction did, or would do (dry run), and of which token (NULL: none) as a line or as
 * an object. what: "minted", the verb's own word. */
void cli_sent_print(const struct node_wallet *w, const struct node_wallet_sent *sent,
                    const struct base_u256 *token, const char *what, bool json);
/* The members of that object, without braces. */
void cli_sent_json(struct base_buf *out, const struct node_wallet_sent *sent);
/* "what to 0x..: 90000 gas at up to 3 gwei, at most 0.00027 ether" for a dry run's list. */
void cli_sent_line(struct base_buf *out, const struct node_wallet *w,
                   const struct node_wallet_sent *sent, bool is_guess);

#define CLI_CHAIN_OPTIONS                                                                          \
    {.name = "rpc",                                                                                \
     .argument = "URL",                                                                            \
     .help = "Endpoint to ask and to send to; the first one is used.",                             \
     .env_alias = "RPC_URL",                                                                       \
     .repeatable = true,                                                                           \
     .sensitive = true,                                                                            \
     .group = "Chain",                                                                             \
     .kind = NODE_OPTION_TEXT},                                                                    \
        {.name = "chain-id",                                                                       \
         .argument = "N",                                                                          \
         .help = "The chain's id; an endpoint of another one is refused.",                         \
         .min = 1,                                                                                 \
         .kind = NODE_OPTION_NUMBER},                                                              \
        {.name = "contract",                                                                       \
         .argument = "0x..",                                                                       \
         .help = "The contract's address.",                                                        \
         .env_alias = "CONTRACT_ADDRESS",                                                          \
         .check = cli_check_address,                                                               \
         .kind = NODE_OPTION_TEXT},                                                                \
        {.name = "tls-ca",                                                                         \
         .argument = "FILE",                                                                       \
         .help = "CA certificates instead of the system's.",                                       \
         .kind = NODE_OPTION_TEXT},                                                                \
    {                                                                                              \
        .name = "config", .argument = "FILE",                                                      \
        .help = "A node's configuration file, for what is not given here.",                        \
        .scope = NODE_OPTION_NOT_IN_FILE, .kind = NODE_OPTION_TEXT                                 \
    }

/* Where the node's keys are. */
#define CLI_NODE_OPTIONS                                                                           \
    {.name = "data-dir",                                                                           \
     .argument = "DIR",                                                                            \
     .help = "The node's data directory: a running node is asked for its signatures through the "  \
             "control socket in it; without one, the keys are made here from its seed.",           \
     .group = "Node",                                                                              \
     .fallback = "/var/lib/nftmesh",                                                               \
     .kind = NODE_OPTION_TEXT},                                                                    \
        {.name = "dstack",                                                                         \
         .argument = "PATH",                                                                       \
         .help = "Socket of the guest agent, when no node runs.",                                  \
         .env_alias = "DSTACK_SOCKET",                                                             \
         .fallback = "/var/run/dstack.sock",                                                       \
         .kind = NODE_OPTION_TEXT},                                                                \
    {                                                                                              \
        .name = "dev", .help = "Development: the simulator is accepted."                           \
    }

#define CLI_WALLET_OPTIONS                                                                         \
    {.name = "wallet-key-file",                                                                    \
     .argument = "FILE",                                                                           \
     .help = "The wallet's private key, mode 0600: 64 hex digits, or a v3 keystore (scrypt or "    \
             "pbkdf2). Without it the environment's PRIVATE_KEY is taken, else you are asked. "    \
             "A key is never an argument.",                                                        \
     .group = "Wallet",                                                                            \
     .kind = NODE_OPTION_TEXT},                                                                    \
        {.name = "wallet-key-fd",                                                                  \
         .argument = "N",                                                                          \
         .help = "The same, read from an inherited descriptor: `.. --wallet-key-fd 3 3< <(pass "   \
                 "show wallet)`.",                                                                 \
         .max = 1048576,                                                                           \
         .scope = NODE_OPTION_COMMAND_LINE_ONLY,                                                   \
         .kind = NODE_OPTION_NUMBER},                                                              \
    {                                                                                              \
        .name = "wallet-password-file", .argument = "FILE",                                        \
        .help = "A keystore's password, mode 0600, one line. Else NFTMESH_WALLET_PASSWORD, else "  \
                "you are asked.",                                                                  \
        .kind = NODE_OPTION_TEXT                                                                   \
    }

#define CLI_SEND_OPTIONS                                                                           \
    {.name = "max-fee-gwei",                                                                       \
     .argument = "N",                                                                              \
     .help = "The most that is paid for a unit of gas, replacements included; above it nothing "   \
             "is sent.",                                                                           \
     .fallback = "200",                                                                            \
     .min = 1,                                                                                     \
     .max = 1000000,                                                                               \
     .group = "Sending",                                                                           \
     .kind = NODE_OPTION_NUMBER},                                                                  \
        {.name = "confirmations",                                                                  \
         .argument = "N",                                                                          \
         .help = "Blocks that a receipt must have, its own counted. Default: 1 on a development "  \
                 "chain, 2 elsewhere.",                                                            \
         .min = 1,                                                                                 \
         .max = 1000,                                                                              \
         .kind = NODE_OPTION_NUMBER},                                                              \
        {.name = "receipt-timeout",                                                                \
         .argument = "TIME",                                                                       \
         .help = "How long a receipt is waited for. At each quarter of it the transaction is "     \
                 "replaced by one that pays more, within --max-fee-gwei.",                         \
         .fallback = "3m",                                                                         \
         .min = 1000,                                                                              \
         .max = 86400000,                                                                          \
         .kind = NODE_OPTION_DURATION},                                                            \
    {                                                                                              \
        .name = "dry-run", .help = "Say what would be sent and what it would cost; send nothing."  \
    }

#endif
