/* What all verbs share that go to the chain: options in force, wallet, password. */
#include "node/cli_wallet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "base/u256.h"
#include "node/view.h"

#define WHY  NODE_WALLET_WHY_BYTES
#define GWEI UINT64_C(1000000000)

int cli_check_address(const char *value, char *why, size_t why_bytes)
{
    struct base_eth_address address;
    if (base_address_parse(&address, value) == BASE_OK) return BASE_OK;
    snprintf(why, why_bytes,
             "is not an address: 0x and 40 digits, with a right check sum if "
             "mixed case");
    return BASE_EINVAL;
}

int cli_check_token(const char *value, char *why, size_t why_bytes)
{
    struct base_u256 token;
    if (base_u256_parse(&token, value) == BASE_OK) return BASE_OK;
    snprintf(why, why_bytes, "is not a token id: a number");
    return BASE_EINVAL;
}

int cli_need(const struct node_options *options, const char *verb, const char *name)
{
    if (node_options_count(options, name) > 0) return CLI_OK;
    return cli_error(CLI_USAGE, verb, "--%s is needed; see `nftmesh %s --help`", name, verb);
}

/* ---- files that are named by an option ---- */

int cli_read_file(struct base_buf *out, const char *path)
{
    char chunk[4096];
    size_t got;
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    if (f == NULL) return BASE_EIO;
    while ((got = fread(chunk, 1, sizeof chunk, f)) > 0 && !out->failed)
        base_buf_append(out, chunk, got);
    int rv = ferror(f) ? BASE_EIO : out->failed ? BASE_ETOOBIG : BASE_OK;
    if (f != stdin) fclose(f);
    return rv;
}

int cli_load(struct base_buf *out, const struct node_options *options, const char *verb,
             const char *name)
{
    const char *path = node_options_text(options, name);
    errno = 0;
    int rv = cli_read_file(out, path);
    if (rv == BASE_OK) return CLI_OK;
    return cli_error(CLI_USAGE, verb, "--%s %s: %s", name, path,
                     rv == BASE_EIO && errno != 0 ? strerror(errno) : base_strerror(rv));
}

/* ---- a secret, from a person ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

/* One byte when there is one. Signals come in while it waits and at no other time, so that none
 * falls between the look at `interrupted` and the wait. */
static int read_byte(int fd, char *out, const sigset_t *waiting)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!interrupted) {
        int ready = ppoll(&p, 1, NULL, waiting);
        if (ready < 0 && errno == EINTR) continue;
        return ready == 1 && read(fd, out, 1) == 1 ? BASE_OK : BASE_EIO;
    }
    return BASE_EIO;
}

static int read_line(int fd, char *out, size_t cap, const sigset_t *waiting)
{
    size_t len = 0;
    for (;;) {
        char c;
        if (read_byte(fd, &c, waiting) != BASE_OK) return BASE_EIO;
        if (c == '\n') break;
        if (len + 1 >= cap) return BASE_ETOOBIG;
        out[len++] = c;
    }
    out[len] = '\0';
    return BASE_OK;
}

/* Without echo; whatever ends it, the terminal is put back, and then the signal has its effect. */
static int ask_quietly(int fd, char *out, size_t cap)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    enum { SIGNALS = sizeof signals / sizeof signals[0] };
    struct sigaction action = {.sa_handler = on_signal}, before[SIGNALS];
    struct termios now, quiet;
    sigset_t held, waiting;
    if (tcgetattr(fd, &now) != 0) return BASE_EIO;
    quiet = now;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    interrupted = 0;
    sigemptyset(&held);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&held, signals[i]);
    pthread_sigmask(SIG_BLOCK, &held, &waiting);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
    int rv = tcsetattr(fd, TCSAFLUSH, &quiet) == 0 ? read_line(fd, out, cap, &waiting) : BASE_EIO;
    (void)tcsetattr(fd, TCSAFLUSH, &now);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    pthread_sigmask(SIG_SETMASK, &waiting, NULL);
    if (interrupted) raise(interrupted);
    return rv;
}

int cli_ask_secret(enum node_wallet_secret what, char *out, size_t cap,
                   char why[NODE_WALLET_KEY_WHY_BYTES])
{
    bool is_key = what == NODE_WALLET_SECRET_KEY;
    const char *prompt = is_key ? "Private key of the wallet, 64 hex digits: "
                                : "Password of the wallet's keystore: ";
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return BASE_ENOTFOUND;
    bool shown = write(fd, prompt, strlen(prompt)) > 0;
    int rv = ask_quietly(fd, out, cap);
    if (shown && write(fd, "\n", 1) < 0) rv = BASE_EIO;
    close(fd);
    if (rv != BASE_OK) {
        base_memzero(out, cap);
        snprintf(why, NODE_WALLET_KEY_WHY_BYTES, "no %s was read from the terminal",
                 is_key ? "key" : "password");
    }
    return rv;
}

/* ---- opening ---- */

int cli_chain_open(struct node_wallet *w, const struct node_options *options, const char *verb)
{
    struct base_eth_address contract;
    char why[WHY] = "";
    int status = cli_need(options, verb, "rpc");
    if (status == CLI_OK) status = cli_need(options, verb, "chain-id");
    if (status == CLI_OK) status = cli_need(options, verb, "contract");
    if (status != CLI_OK) return status;
    (void)base_address_parse(&contract, node_options_text(options, "contract"));
    int rv = node_wallet_open(w, node_options_at(options, "rpc", 0),
                              node_options_u64(options, "chain-id"), &contract,
                              node_options_text(options, "tls-ca"), why);
    return rv == BASE_OK ? CLI_OK : cli_error(CLI_FAILED, verb, "%s", why);
}

int cli_wallet_key(struct node_wallet *w, const struct node_options *options, const char *verb)
{
    char why[WHY] = "";
    struct node_wallet_key_source source = {
        .has_fd = node_options_count(options, "wallet-key-fd") > 0,
        .fd = (int)node_options_u64(options, "wallet-key-fd"),
        .file = node_options_text(options, "wallet-key-file"),
        .hex = getenv("PRIVATE_KEY"),
        .password_file = node_options_text(options, "wallet-password-file"),
        .password = getenv("NFTMESH_WALLET_PASSWORD"),
        .ask = cli_ask_secret,
    };
    int rv = node_wallet_key_from(w, &source, why);
    return rv == BASE_OK ? CLI_OK : cli_error(CLI_USAGE, verb, "%s", why);
}

int cli_wallet_open(struct node_wallet *w, const struct node_options *options, const char *verb)
{
    int status = cli_chain_open(w, options, verb);
    if (status != CLI_OK) return status;
    status = cli_wallet_key(w, options, verb);
    if (status != CLI_OK) node_wallet_close(w);
    return status;
}

static void on_told(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
    fflush(stdout); /* a person watches while it takes its time */
}

int cli_sender_open(struct node_wallet *w, const struct node_options *options, const char *verb)
{
    int status = cli_wallet_open(w, options, verb);
    if (status != CLI_OK) return status;
    w->max_fee = base_u256_from_u64(node_options_u64(options, "max-fee-gwei") * GWEI);
    w->wait_ms = (uint32_t)node_options_ms(options, "receipt-timeout");
    w->dry_run = node_options_flag(options, "dry-run");
    if (node_options_count(options, "confirmations") > 0)
        w->confirmations = (uint32_t)node_options_u64(options, "confirmations");
    if (!cli_is_json(options)) w->told = on_told;
    return CLI_OK;
}

/* ---- what came of it ---- */

void cli_sent_json(struct base_buf *out, const struct node_wallet_sent *sent)
{
    base_buf_puts(out, "\"what\":");
    base_buf_json_string(out, sent->what, strlen(sent->what));
    base_buf_puts(out, sent->dry_run ? ",\"tx\":null" : ",\"tx\":\"0x");
    if (!sent->dry_run) {
        base_buf_hex(out, sent->tx_hash.bytes, sizeof sent->tx_hash.bytes);
        base_buf_puts(out, "\"");
    }
    base_buf_printf(out, ",\"nonce\":%llu,\"block\":%llu,\"gas_used\":%llu,\"max_fee_wei\":",
                    (unsigned long long)sent->nonce, (unsigned long long)sent->block,
                    (unsigned long long)sent->gas_used);
    node_json_u256(out, &sent->max_fee);
    base_buf_puts(out, ",\"value_wei\":");
    node_json_u256(out, &sent->value);
    base_buf_puts(out, ",\"max_cost_wei\":");
    node_json_u256(out, &sent->max_cost);
    base_buf_printf(out, ",\"replaced\":%u,\"dry_run\":%s", sent->replaced,
                    sent->dry_run ? "true" : "false");
}

void cli_sent_line(struct base_buf *out, const struct node_wallet *w,
                   const struct node_wallet_sent *sent, bool is_guess)
{
    char to[BASE_ADDRESS_TEXT_BYTES], fee[BASE_ETHER_TEXT_BYTES], cost[BASE_ETHER_TEXT_BYTES];
    char value[BASE_ETHER_TEXT_BYTES];
    base_address_format(to, &w->contract);
    base_gwei_format(fee, &sent->max_fee);
    base_ether_format(cost, &sent->max_cost);
    base_ether_format(value, &sent->value);
    base_buf_printf(out, "%s to %s: %s%llu gas at up to %s gwei", sent->what, to,
                    is_guess ? "about " : "", (unsigned long long)sent->gas_used, fee);
    if (!base_is_zero(sent->value.bytes, sizeof sent->value.bytes))
        base_buf_printf(out, ", with %s ether", value);
    base_buf_printf(out, ", at most %s ether", cost);
}

void cli_sent_print(const struct node_wallet *w, const struct node_wallet_sent *sent,
                    const struct base_u256 *token, const char *what, bool json)
{
    char tx[2 * BASE_HASH32_BYTES + 1], number[BASE_U256_TEXT_BYTES] = "";
    struct base_buf text;
    base_buf_init(&text, 4096);
    if (token != NULL) base_u256_format(number, token);
    if (json) {
        base_buf_puts(&text, "{\"token\":");
        if (token != NULL)
            node_json_u256(&text, token);
        else
            base_buf_puts(&text, "null");
        base_buf_puts(&text, ",");
        cli_sent_json(&text, sent);
        base_buf_puts(&text, "}");
    } else if (sent->dry_run) {
        base_buf_puts(&text, "would send ");
        cli_sent_line(&text, w, sent, false);
        base_buf_puts(&text, "; nothing was sent");
    } else {
        base_hex_encode(tx, sent->tx_hash.bytes, sizeof sent->tx_hash.bytes);
        base_buf_printf(&text, "%s%s%s: transaction 0x%s, block %llu, %llu gas", what,
                        token != NULL ? " token " : "", number, tx, (unsigned long long)sent->block,
                        (unsigned long long)sent->gas_used);
    }
    printf("%s\n", text.data != NULL ? text.data : "");
    base_buf_deinit(&text);
}
