/* One transaction, from the estimate to the last confirmation. */
#include "node/wallet_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/err.h"
#include "base/u256.h"
#include "chain/tx.h"

#define PAUSE_MS           250
#define GAS_MARGIN_PERCENT 20
#define GAS_LIMIT_MAX      UINT64_C(30000000)
#define GAS_LEAST          UINT64_C(21000) /* of any transaction */
#define ATTEMPTS_MAX       8               /* the first one and its replacements */
#define REPLACEMENTS       4               /* tries in wait_ms */
#define TAKEN_POLLS        12 /* the nonce is used and no receipt of ours: then it is another's */
#define CONFLICTS_MAX      3

struct flight { /* one nonce, and all that was sent with it */
    struct chain_tx tx;
    struct base_buf raw; /* the latest attempt, signed */
    struct base_hash32 hashes[ATTEMPTS_MAX];
    size_t count;
    bool accepted; /* the endpoint has the latest attempt */
    bool is_mined;
    struct chain_rpc_receipt receipt;
    size_t mined; /* which of hashes it is of */
    unsigned taken;
    uint64_t end_ms, replace_ms;
};

static int say(char *why, int rv, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int say(char *why, int rv, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, NODE_WALLET_WHY_BYTES, format, ap);
    va_end(ap);
    return rv;
}

static void tell(const struct node_wallet *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(const struct node_wallet *w, const char *format, ...)
{
    char line[NODE_WALLET_WHY_BYTES];
    va_list ap;
    if (w->told == NULL) return;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    w->told(w->told_ctx, line);
}

struct hash_text {
    char text[2 * BASE_HASH32_BYTES + 3];
};
static struct hash_text hash_text(const struct base_hash32 *hash)
{
    struct hash_text out = {"0x"};
    base_hex_encode(out.text + 2, hash->bytes, sizeof hash->bytes);
    return out;
}

uint64_t node__wallet_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- fees ---- */

struct fees {
    struct base_u256 max_fee, tip;
};

/* What the chain asks now, within the cap. */
static int judge_fees(struct fees *out, const struct node_wallet *w,
                      const struct base_u256 *base_fee, const struct base_u256 *tip, char *why)
{
    char is[BASE_ETHER_TEXT_BYTES], cap[BASE_ETHER_TEXT_BYTES];
    struct base_u256 twice = base_u256_times(base_fee, 2); /* stands some full blocks in a row */
    out->tip = *tip;
    out->max_fee = base_u256_add(&twice, tip);
    if (base_u256_compare(&out->max_fee, &w->max_fee) > 0) out->max_fee = w->max_fee;
    if (base_u256_compare(&out->tip, &out->max_fee) > 0) out->tip = out->max_fee;
    if (base_u256_compare(base_fee, &w->max_fee) <= 0) return BASE_OK;
    base_gwei_format(is, base_fee);
    base_gwei_format(cap, &w->max_fee);
    return say(why, BASE_EREFUSED,
               "the chain's base fee is %s gwei, above --max-fee-gwei %s: nothing was sent; wait, "
               "or raise it",
               is, cap);
}

static int read_fees(struct fees *out, struct node_wallet *w, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct base_u256 base_fee, tip;
    node__wallet_request_init(w, &request);
    chain_rpc_ask_fee_history(&request);
    chain_rpc_ask_priority_fee(&request);
    int rv = node__wallet_ask(w, &reply, &request, why);
    if (rv == BASE_OK) rv = chain_rpc_reply_base_fee(&base_fee, &reply, 0);
    if (rv == BASE_OK) rv = chain_rpc_reply_u256(&tip, &reply, 1);
    if (rv == BASE_OK) rv = judge_fees(out, w, &base_fee, &tip, why);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

/* At least an eighth more: what pools demand of a replacement. */
static struct base_u256 raised(const struct base_u256 *fee)
{
    uint64_t small;
    struct base_u256 more = base_u256_times(fee, 1125), one = base_u256_from_u64(1);
    /* Above 2^64 wei a gas no cap of ours (at most 2^50 wei) lets anything through. */
    if (base_u256_to_u64(&small, &more) != BASE_OK) return base_u256_times(fee, 2);
    more = base_u256_from_u64(small / 1000);
    return base_u256_add(&more, &one);
}

static struct base_u256 larger(struct base_u256 a, struct base_u256 b)
{
    return base_u256_compare(&a, &b) >= 0 ? a : b;
}

/* ---- before anything is sent ---- */

static int check_balance(const struct node_wallet *w, const struct base_u256 *balance,
                         const struct base_u256 *cost, bool is_least, char *why)
{
    char has[BASE_ETHER_TEXT_BYTES], needs[BASE_ETHER_TEXT_BYTES], lacks[BASE_ETHER_TEXT_BYTES];
    char address[BASE_ADDRESS_TEXT_BYTES];
    struct base_u256 missing = base_u256_sub(cost, balance);
    if (base_u256_compare(balance, cost) >= 0) return BASE_OK;
    base_ether_format(has, balance);
    base_ether_format(needs, cost);
    base_ether_format(lacks, &missing);
    base_address_format(address, &w->address);
    return say(why, BASE_EREFUSED,
               "%s ether are missing: the wallet %s has %s, and this %s %s; nothing was sent",
               lacks, address, has, is_least ? "costs more than" : "may cost up to", needs);
}

/* The answers of prepare() in their order. */
enum { ASK_NONCE, ASK_FEES, ASK_TIP, ASK_BALANCE, ASK_GAS };

static int read_plain(struct chain_tx *tx, struct fees *fees, struct base_u256 *balance,
                      const struct node_wallet *w, const struct chain_rpc_reply *reply, char *why)
{
    struct base_u256 base_fee, tip;
    if (chain_rpc_reply_u64(&tx->nonce, reply, ASK_NONCE) != BASE_OK)
        return node__wallet_explain(reply, ASK_NONCE, "nonce", why);
    if (chain_rpc_reply_base_fee(&base_fee, reply, ASK_FEES) != BASE_OK)
        return node__wallet_explain(reply, ASK_FEES, "fees", why);
    if (chain_rpc_reply_u256(&tip, reply, ASK_TIP) != BASE_OK)
        return node__wallet_explain(reply, ASK_TIP, "fees", why);
    if (chain_rpc_reply_u256(balance, reply, ASK_BALANCE) != BASE_OK)
        return node__wallet_explain(reply, ASK_BALANCE, "balance", why);
    return judge_fees(fees, w, &base_fee, &tip, why);
}

static int read_gas(struct chain_tx *tx, const struct chain_rpc_reply *reply, const char *what,
                    char *why)
{
    uint64_t gas;
    if (chain_rpc_reply_u64(&gas, reply, ASK_GAS) != BASE_OK)
        return node__wallet_explain(reply, ASK_GAS, what, why);
    if (gas > GAS_LIMIT_MAX)
        return say(why, BASE_EMALFORMED, "an estimate of %" PRIu64 " gas is no ours", gas);
    tx->gas_limit = gas + gas * GAS_MARGIN_PERCENT / 100;
    return BASE_OK;
}

static struct base_u256 cost_of(const struct chain_tx *tx)
{
    struct base_u256 gas = base_u256_times(&tx->max_fee, tx->gas_limit);
    return base_u256_add(&gas, &tx->value);
}

static int judge(struct chain_tx *tx, const struct node_wallet *w,
                 const struct chain_rpc_reply *reply, const char *what, char *why)
{
    struct fees fees;
    struct base_u256 balance, cost;
    int rv = read_plain(tx, &fees, &balance, w, reply, why);
    if (rv != BASE_OK) return rv;
    tx->max_fee = fees.max_fee;
    tx->max_priority_fee = fees.tip;
    rv = read_gas(tx, reply, what, why);
    if (rv != BASE_OK) tx->gas_limit = GAS_LEAST;
    cost = cost_of(tx);
    if (rv == BASE_OK) return check_balance(w, &balance, &cost, false, why);
    /* Some endpoints estimate nothing for an account that cannot pay: say that it cannot. */
    if (rv == BASE_EREMOTE) (void)check_balance(w, &balance, &cost, true, why);
    return rv == BASE_EREMOTE && base_u256_compare(&balance, &cost) < 0 ? BASE_EREFUSED : rv;
}

/* Nonce, fees, balance and gas, all as of now. */
static int prepare(struct node_wallet *w, struct chain_tx *tx, const char *what, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct chain_rpc_call call = {
        .from = w->address, .to = tx->to, .value = tx->value, .data = tx->data};
    node__wallet_request_init(w, &request);
    chain_rpc_ask_nonce(&request, &w->address);
    chain_rpc_ask_fee_history(&request);
    chain_rpc_ask_priority_fee(&request);
    chain_rpc_ask_balance(&request, &w->address);
    chain_rpc_ask_estimate_gas(&request, &call);
    int rv = node__wallet_ask(w, &reply, &request, why);
    if (rv == BASE_OK) rv = judge(tx, w, &reply, what, why);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

/* ---- handing it over ---- */

enum answer { ANSWER_SILENT = 0, ANSWER_TAKEN, ANSWER_NONCE_USED, ANSWER_UNDERPRICED, ANSWER_NO };

static bool says(const char *message, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(parts[i]);
        for (const char *p = message; *p != '\0'; p++)
            if (strncasecmp(p, parts[i], len) == 0) return true;
    }
    return false;
}

/* No standard says how a pool refuses: these are the words of geth, erigon, nethermind, besu, reth
 * and anvil. What is not known is a plain refusal. */
static enum answer judge_words(const char *message)
{
    static const char *const known[] = {"already known", "alreadyknown", "known transaction",
                                        "already imported", "already in"};
    static const char *const used[] = {"nonce too low", "nonce is too low", "nonce_too_low",
                                       "oldnonce"};
    static const char *const cheap[] = {"replacement", "could not replace"};
    if (says(message, known, sizeof known / sizeof known[0])) return ANSWER_TAKEN;
    if (says(message, used, sizeof used / sizeof used[0])) return ANSWER_NONCE_USED;
    if (says(message, cheap, sizeof cheap / sizeof cheap[0])) return ANSWER_UNDERPRICED;
    return ANSWER_NO;
}

static enum answer submit(struct node_wallet *w, const struct base_buf *raw, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct chain_rpc_error error;
    struct base_hash32 hash;
    enum answer answer = ANSWER_TAKEN;
    node__wallet_request_init(w, &request);
    chain_rpc_ask_send_raw(&request, raw->data, raw->len);
    if (node__wallet_ask(w, &reply, &request, why) != BASE_OK)
        answer = ANSWER_SILENT;
    else if (chain_rpc_reply_error(&error, &reply, 0) == BASE_OK) {
        answer = judge_words(error.message);
        node__wallet_explain(&reply, 0, "eth_sendRawTransaction", why);
    } else if (chain_rpc_reply_hash(&hash, &reply, 0) != BASE_OK) {
        answer = ANSWER_SILENT; /* it said something: it may well have taken it */
    }
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return answer;
}

static int sign(struct flight *f, const struct node_wallet *w, char *why)
{
    assert(f->count < ATTEMPTS_MAX);
    base_buf_clear(&f->raw);
    int rv = chain_tx_sign(&f->raw, &f->hashes[f->count], &f->tx, &w->key);
    if (rv != BASE_OK) return say(why, rv, "sign: %s", base_strerror(rv));
    f->count++;
    f->accepted = false;
    return BASE_OK;
}

static int conflict(const struct flight *f, char *why)
{
    return say(why, BASE_ESTATE,
               "another transaction of this wallet has nonce %" PRIu64
               ": this one will not be mined; look at the chain and try again",
               f->tx.nonce);
}

static int launch(struct flight *f, struct node_wallet *w, char *why)
{
    char fee[BASE_ETHER_TEXT_BYTES];
    int rv = sign(f, w, why);
    if (rv != BASE_OK) return rv;
    switch (submit(w, &f->raw, why)) {
    case ANSWER_TAKEN:
        f->accepted = true;
        break;
    case ANSWER_SILENT: /* the receipt will tell, and it is sent again */
        break;
    case ANSWER_NONCE_USED: /* maybe by these very bytes, which somebody on the way sent twice */
        f->accepted = true;
        return BASE_OK;
    case ANSWER_UNDERPRICED:
        return conflict(f, why);
    case ANSWER_NO:
        return BASE_EREMOTE;
    }
    base_gwei_format(fee, &f->tx.max_fee);
    tell(w, "sent %s with nonce %" PRIu64 ", at most %s gwei for a unit of gas",
         hash_text(&f->hashes[0]).text, f->tx.nonce, fee);
    return BASE_OK;
}

/* ---- waiting ---- */

/* A receipt of any attempt; *head and *mined_nonce as of the same moment. */
static int look(struct flight *f, struct node_wallet *w, uint64_t *head, uint64_t *mined_nonce)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    char why[NODE_WALLET_WHY_BYTES];
    bool found = false;
    node__wallet_request_init(w, &request);
    for (size_t i = 0; i < f->count; i++)
        chain_rpc_ask_receipt(&request, &f->hashes[i]);
    chain_rpc_ask_block_number(&request);
    chain_rpc_ask_nonce_mined(&request, &w->address);
    int rv = node__wallet_ask(w, &reply, &request, why), got = rv;
    for (size_t i = 0; rv == BASE_OK && i < f->count && !found; i++) {
        got = chain_rpc_reply_receipt(&f->receipt, &reply, i);
        found = got == BASE_OK;
        if (found) f->mined = i;
        if (got == BASE_ENOTFOUND || found) continue;
        rv = BASE_EREMOTE; /* busy: that is no "there is none" */
    }
    if (rv == BASE_OK) rv = chain_rpc_reply_u64(head, &reply, f->count);
    if (rv == BASE_OK) rv = chain_rpc_reply_u64(mined_nonce, &reply, f->count + 1);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    if (rv != BASE_OK) return rv;
    return found ? BASE_OK : BASE_ENOTFOUND;
}

/* The same nonce, dearer: at most one of all is mined. */
static void replace(struct flight *f, struct node_wallet *w)
{
    struct fees now;
    struct chain_tx before = f->tx;
    char why[NODE_WALLET_WHY_BYTES], fee[BASE_ETHER_TEXT_BYTES];
    if (f->count == ATTEMPTS_MAX || read_fees(&now, w, why) != BASE_OK) return;
    f->tx.max_fee = larger(raised(&f->tx.max_fee), now.max_fee);
    f->tx.max_priority_fee = larger(raised(&f->tx.max_priority_fee), now.tip);
    base_gwei_format(fee, &f->tx.max_fee);
    if (base_u256_compare(&f->tx.max_fee, &w->max_fee) > 0 ||
        base_u256_compare(&f->tx.max_priority_fee, &f->tx.max_fee) > 0) {
        f->tx = before;
        tell(w, "no receipt yet; a replacement at %s gwei would be above --max-fee-gwei", fee);
        return;
    }
    if (sign(f, w, why) != BASE_OK) {
        f->tx = before;
        return;
    }
    f->accepted = submit(w, &f->raw, why) == ANSWER_TAKEN;
    tell(w, "no receipt yet; replaced by %s at %s gwei", hash_text(&f->hashes[f->count - 1]).text,
         fee);
}

static int timed_out(const struct flight *f, const struct node_wallet *w, char *why)
{
    if (f->is_mined)
        return say(why, BASE_ETIMEOUT,
                   "transaction %s is in block %" PRIu64
                   ", but did not get %u confirmations in %u s: look again later",
                   hash_text(&f->hashes[f->mined]).text, f->receipt.block_number, w->confirmations,
                   w->wait_ms / 1000);
    return say(why, BASE_ETIMEOUT,
               "no receipt of transaction %s after %u s%s: it may still be mined; look before you "
               "send it again",
               hash_text(&f->hashes[f->count - 1]).text, w->wait_ms / 1000,
               f->count > 1 ? " (nor of the cheaper ones before it, with the same nonce)" : "");
}

/* What one look means: BASE_OK when all is done, BASE_ENOTFOUND to go on waiting. */
static int weigh(struct flight *f, struct node_wallet *w, int rv, uint64_t head,
                 uint64_t mined_nonce, char *why)
{
    if (rv == BASE_OK) {
        if (!f->is_mined)
            tell(w, "mined in block %" PRIu64 "%s", f->receipt.block_number,
                 w->confirmations > 1 ? "; waiting for confirmations" : "");
        f->is_mined = true;
        f->taken = 0;
        return head + 1 >= f->receipt.block_number + w->confirmations ? BASE_OK : BASE_ENOTFOUND;
    }
    if (rv != BASE_ENOTFOUND) return BASE_ENOTFOUND; /* no answer: ask again */
    if (f->is_mined) {
        tell(w, "a reorganisation dropped block %" PRIu64 ": sent again", f->receipt.block_number);
        f->is_mined = false;
        f->accepted = false;
    }
    if (mined_nonce <= f->tx.nonce)
        f->taken = 0;
    else if (++f->taken >= TAKEN_POLLS)
        return conflict(f, why);
    return BASE_ENOTFOUND;
}

static int wait_for(struct flight *f, struct node_wallet *w, char *why)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    for (;;) {
        char ignored[NODE_WALLET_WHY_BYTES];
        uint64_t head = 0, mined_nonce = 0, now_ms = node__wallet_monotonic_ms();
        int rv = look(f, w, &head, &mined_nonce);
        rv = weigh(f, w, rv, head, mined_nonce, why);
        if (rv != BASE_ENOTFOUND) return rv;
        if (now_ms >= f->end_ms || node_http_sync_is_cancelled(w->http))
            return timed_out(f, w, why);
        if (!f->is_mined && now_ms >= f->replace_ms) {
            f->replace_ms = now_ms + w->wait_ms / REPLACEMENTS;
            replace(f, w);
        } else if (!f->is_mined && !f->accepted) {
            f->accepted = submit(w, &f->raw, ignored) == ANSWER_TAKEN;
        }
        nanosleep(&pause, NULL);
    }
}

/* ---- what is under way already ---- */

static int read_nonces(struct node_wallet *w, uint64_t *pending, uint64_t *mined, char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    node__wallet_request_init(w, &request);
    chain_rpc_ask_nonce(&request, &w->address);
    chain_rpc_ask_nonce_mined(&request, &w->address);
    int rv = node__wallet_ask(w, &reply, &request, why);
    for (size_t i = 0; rv == BASE_OK && i < 2; i++)
        if (chain_rpc_reply_u64(i == 0 ? pending : mined, &reply, i) != BASE_OK)
            rv = node__wallet_explain(&reply, i, "nonce", why);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return rv;
}

int node_wallet_settle(struct node_wallet *w, char *why)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    uint64_t end_ms = node__wallet_monotonic_ms() + w->wait_ms;
    for (bool first = true;; first = false) {
        uint64_t pending = 0, mined = 0;
        int rv = read_nonces(w, &pending, &mined, why);
        w->has_next_nonce = rv == BASE_OK && pending == mined && !w->dry_run;
        w->next_nonce = pending;
        if (rv != BASE_OK || pending <= mined || w->dry_run) return rv;
        if (node__wallet_monotonic_ms() >= end_ms)
            return say(why, BASE_ETIMEOUT,
                       "a transaction of this wallet with nonce %" PRIu64 " has been pending for "
                       "%u s: nothing was sent; wait for it, or replace it",
                       mined, w->wait_ms / 1000);
        if (first)
            tell(w, "waiting for a pending transaction of this wallet, nonce %" PRIu64, mined);
        nanosleep(&pause, NULL);
    }
}

/* ---- the whole ---- */

/* Mined and reverted although the estimate went through: what does the contract say now? */
static int explain_revert(struct node_wallet *w, const struct flight *f, const char *what,
                          char *why)
{
    struct chain_rpc_request request;
    struct chain_rpc_reply reply;
    struct chain_rpc_call call = {
        .from = w->address, .to = f->tx.to, .value = f->tx.value, .data = f->tx.data};
    struct chain_rpc_error error;
    char now[NODE_WALLET_WHY_BYTES] = "", ignored[NODE_WALLET_WHY_BYTES];
    node__wallet_request_init(w, &request);
    chain_rpc_ask_call(&request, &call, CHAIN_RPC_LATEST);
    if (node__wallet_ask(w, &reply, &request, ignored) == BASE_OK &&
        chain_rpc_reply_error(&error, &reply, 0) == BASE_OK)
        node__wallet_explain(&reply, 0, what, now);
    chain_rpc_reply_deinit(&reply);
    chain_rpc_request_deinit(&request);
    return say(why, BASE_EREFUSED,
               "transaction %.66s was mined in block %" PRIu64 " and reverted; %.280s",
               hash_text(&f->hashes[f->mined]).text, f->receipt.block_number,
               now[0] != '\0' ? now
                              : "somebody was faster, or a deadline passed; look at the seat and "
                                "try again");
}

static void fill_sent(struct node_wallet_sent *sent, const struct node_wallet *w,
                      const struct chain_tx *tx)
{
    sent->nonce = tx->nonce;
    sent->value = tx->value;
    sent->max_fee = tx->max_fee;
    sent->max_cost = cost_of(tx);
    sent->gas_used = tx->gas_limit;
    sent->dry_run = w->dry_run;
}

static int fly(struct node_wallet *w, struct node_wallet_sent *sent, struct flight *f, char *why)
{
    uint64_t now_ms = node__wallet_monotonic_ms();
    f->end_ms = now_ms + w->wait_ms;
    f->replace_ms = now_ms + w->wait_ms / REPLACEMENTS;
    int rv = launch(f, w, why);
    sent->tx_hash = f->hashes[0];
    if (rv == BASE_OK) rv = wait_for(f, w, why);
    sent->replaced = f->count > 0 ? (unsigned)f->count - 1 : 0;
    sent->max_fee = f->tx.max_fee;
    sent->max_cost = cost_of(&f->tx);
    if (rv != BASE_OK) return rv;
    sent->tx_hash = f->hashes[f->mined];
    sent->block = f->receipt.block_number;
    sent->gas_used = f->receipt.gas_used;
    sent->has_minted =
        chain_rpc_receipt_minted(&sent->minted, &f->receipt, &w->contract, &w->mint_to) == BASE_OK;
    sent->reverted = !f->receipt.success;
    return sent->reverted ? explain_revert(w, f, sent->what, why) : BASE_OK;
}

int node_wallet_send_once(struct node_wallet *w, struct node_wallet_sent *sent,
                          const struct node_wallet_call *call, char *why)
{
    struct flight f = {.tx = {.type = CHAIN_TX_EIP1559,
                              .chain_id = w->chain_id,
                              .has_to = true,
                              .to = w->contract,
                              .value = call->value}};
    memset(sent, 0, sizeof *sent);
    snprintf(sent->what, sizeof sent->what, "%s", call->what != NULL ? call->what : "transaction");
    f.tx.data = (struct base_slice){(const uint8_t *)call->calldata->data, call->calldata->len};
    if (call->calldata->failed) return say(why, BASE_ETOOBIG, "the call is too large");
    bool bound = w->has_next_nonce;
    w->has_next_nonce = false;
    int rv = prepare(w, &f.tx, sent->what, why);
    if (rv == BASE_OK && bound && f.tx.nonce != w->next_nonce) {
        f.tx.nonce = w->next_nonce;
        rv = conflict(&f, why);
    }
    if (rv != BASE_OK) return rv;
    fill_sent(sent, w, &f.tx);
    if (w->dry_run) return BASE_OK;
    base_buf_init(&f.raw, CHAIN_TX_BYTES_MAX);
    rv = fly(w, sent, &f, why);
    base_buf_deinit(&f.raw);
    return rv;
}

int node_wallet_send_call(struct node_wallet *w, struct node_wallet_sent *sent,
                          const struct node_wallet_call *call, char *why)
{
    int rv = BASE_ESTATE;
    for (int i = 0; rv == BASE_ESTATE && i < CONFLICTS_MAX; i++) {
        if (i > 0) tell(w, "%s", why);
        rv = node_wallet_send_once(w, sent, call, why);
    }
    return rv;
}
