#include "node/seat_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/sigchain.h"
#include "base/err.h"
#include "base/u256.h"
#include "chain/abi.h"
#include "node/seat_prototype.h"

#define WHY        NODE_WALLET_WHY_BYTES
#define ROUNDS_MAX 16  /* plan, step, plan, ..: conflicts and lagging endpoints included */
#define FAILS_MAX  4   /* rounds whose step failed */
#define PAUSE_MS   500 /* until an endpoint shows what was mined */
/* Not estimated in a dry run while the step before is missing: the contract's own figures, with
 * 21,000 and the calldata, rounded up. */
#define GUESS_BIND_GAS     90000
#define GUESS_REGISTER_GAS 420000

int node__seat_say(char why[NODE_WALLET_WHY_BYTES], int rv, const char *format, ...)
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
    char line[WHY];
    va_list ap;
    if (w->told == NULL) return;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    w->told(w->told_ctx, line);
}

uint64_t node_seat_expiry(uint64_t now_s, uint64_t expires_ms)
{
    uint64_t expires_s = expires_ms / 1000, most = NODE_SEAT_EXPIRES_MAX_S - NODE_SEAT_DEADLINE_S;
    return now_s + (expires_s < most ? expires_s : most);
}

/* ---- reading ---- */

static const struct chain_seat *find_token(const struct chain_seat *seats, size_t count,
                                           const struct base_u256 *token)
{
    for (size_t i = 0; i < count; i++) {
        if (base_u256_equal(&seats[i].token_id, token)) return &seats[i];
    }
    return NULL;
}

int node_seat_read(struct node_wallet *w, struct chain_seat *out, struct chain_cluster_state *state,
                   const struct base_u256 *token, char *why)
{
    struct chain_seat *seats;
    size_t count;
    char text[BASE_U256_TEXT_BYTES];
    int rv = node_wallet_seats(w, state, &seats, &count, why);
    if (rv != BASE_OK) return rv;
    const struct chain_seat *seat = find_token(seats, count, token);
    if (seat != NULL) *out = *seat;
    free(seats);
    base_u256_format(text, token);
    return seat != NULL
               ? BASE_OK
               : node__seat_say(why, BASE_EINVAL,
                                "there is no token %s on this contract: mint a seat first", text);
}

static int judge_seat(struct node__seat_work *k, const struct chain_seat *seat, char *why)
{
    char owner[BASE_ADDRESS_TEXT_BYTES];
    k->has_seat = seat != NULL;
    if (seat == NULL && k->has_minted) return BASE_OK; /* the endpoint does not show it yet */
    if (seat == NULL && k->request.has_token)
        return node__seat_say(why, BASE_EINVAL,
                              "no such token on this contract: mint a seat first");
    if (seat == NULL && !k->request.mint)
        return node__seat_say(
            why, BASE_EINVAL,
            "this wallet has no free seat: mint one first (`nftmesh mint`, or register with "
            "--mint), or name the token that is meant");
    if (seat == NULL) return BASE_OK;
    base_address_format(owner, &seat->owner);
    if (!base_address_equal(&seat->owner, &k->want.owner))
        return node__seat_say(why, BASE_EINVAL, "the token belongs to %s, not to this wallet",
                              owner);
    k->seat = *seat;
    k->result->token = seat->token_id;
    k->result->has_token = true;
    return BASE_OK;
}

static bool is_anothers(const struct node__seat_work *k, const struct chain_seat *seat)
{
    return seat != NULL && !base_is_zero(seat->instance.bytes, BASE_ADDRESS_BYTES) &&
           !base_address_equal(&seat->instance, &k->want.instance);
}

/* Nobody named an address: the one that stands with this machine's keys stays. */
static void keep_url(struct node__seat_work *k)
{
    if (k->request.url != NULL) return;
    bool is_ours =
        k->has_seat && k->seat.has_keys && base_address_equal(&k->seat.instance, &k->want.instance);
    k->want.url = is_ours ? k->seat.url : "";
}

int node__seat_read_chain(struct node__seat_work *k, char *why)
{
    struct chain_seat *seats;
    size_t count;
    int rv = node_wallet_time(k->w, &k->now_s, why);
    if (rv == BASE_OK) rv = node_wallet_seats(k->w, &k->state, &seats, &count, why);
    if (rv != BASE_OK) return rv;
    if (k->has_minted && is_anothers(k, find_token(seats, count, &k->request.token))) {
        k->has_minted = k->request.has_token = false;
        k->result->done_count = 0; /* a machine of the same wallet has taken it: mint again */
    }
    rv = judge_seat(k,
                    k->request.has_token ? find_token(seats, count, &k->request.token)
                                         : node_seat_choose(&k->want, seats, count),
                    why);
    free(seats);
    if (rv == BASE_OK) keep_url(k);
    return rv;
}

/* ---- before anything is paid: would the contract take our keys? ---- */

static void compress(struct base_key33 *out, const uint8_t xy[64])
{
    out->bytes[0] = (uint8_t)(2 + (xy[63] & 1));
    memcpy(out->bytes + 1, xy, 32);
}

static struct base_slice slice(const void *data, size_t len)
{
    return (struct base_slice){data, len};
}

int node__seat_check_chain(const struct node__seat_work *k, const struct chain_register *args,
                           char *why)
{
    static const char purpose[] = ATTEST_PURPOSE;
    enum attest_verdict verdict;
    struct base_key33 app_key;
    char root[BASE_ADDRESS_TEXT_BYTES], app[2 * BASE_ADDRESS_BYTES + 1];
    compress(&app_key, args->app_xy);
    struct attest_trust trust = {.purpose = purpose,
                                 .kms_root = k->state.kms_root,
                                 .app_ids = k->state.app_ids,
                                 .app_id_count = k->state.app_id_count};
    struct attest_sigchain chain = {
        .purpose = slice(purpose, sizeof purpose - 1),
        .derived_key = slice(k->want.proof_key.bytes, sizeof k->want.proof_key.bytes),
        .app_key = slice(app_key.bytes, sizeof app_key.bytes),
        .app_sig = slice(args->app_sig.bytes, sizeof args->app_sig.bytes),
        .kms_sig = slice(args->kms_sig.bytes, sizeof args->kms_sig.bytes),
        .app_id = slice(args->app_id.bytes, sizeof args->app_id.bytes)};
    attest_sigchain_verify(&verdict, &chain, &trust);
    base_address_format(root, &k->state.kms_root);
    base_hex_encode(app, args->app_id.bytes, sizeof args->app_id.bytes);
    if (verdict == ATTEST_ACCEPT) return BASE_OK;
    if (verdict == ATTEST_REJECT_APP_ID)
        return node__seat_say(
            why, BASE_EINVAL,
            "the contract does not allow app %s: its owner must add it; nothing was sent", app);
    if (verdict == ATTEST_REJECT_KMS_ROOT)
        return node__seat_say(
            why, BASE_EINVAL,
            "this VM's keys do not descend from the contract's KMS root %s: another KMS, or "
            "the root was rotated; nothing was sent",
            root);
    return node__seat_say(why, BASE_EINVAL,
                          "the guest agent's signature chain fails at %s; nothing was sent",
                          attest_verdict_name(verdict));
}

int node__seat_learn(struct node__seat_work *k, struct chain_register *args, char *why)
{
    struct base_binding probe = {
        .owner = k->want.owner, .url = k->want.url, .url_len = strlen(k->want.url)};
    int rv = node_seat_signer_binding(&k->signer, &probe, args, why);
    k->want.instance = probe.instance;
    k->want.node_key = probe.node_key;
    k->want.proof_key = probe.proof_key;
    return rv;
}

/* ---- minting ---- */

static int read_word(struct node_wallet *w, struct base_u256 *out, const char *signature, char *why)
{
    struct base_buf calldata, data;
    base_buf_init(&calldata, 64);
    base_buf_init(&data, 1024);
    chain_abi_call(&calldata, signature);
    int rv = node_wallet_view(w, &data, &calldata, why);
    if (rv == BASE_OK) {
        rv = chain_contract_decode_u256(out, data.data, data.len);
        if (rv != BASE_OK) node__seat_say(why, rv, "%s: an answer of another form", signature);
    }
    base_buf_deinit(&calldata);
    base_buf_deinit(&data);
    return rv;
}

static int mint(struct node_wallet *w, struct node_wallet_sent *sent,
                const struct base_eth_address *to, bool once, char *why)
{
    struct base_u256 owner, price;
    struct base_buf calldata;
    char what[NODE_WALLET_WHAT_BYTES], text[BASE_ADDRESS_TEXT_BYTES];
    int rv = read_word(w, &owner, "owner()", why);
    if (rv == BASE_OK) rv = read_word(w, &price, "mintPrice()", why);
    if (rv != BASE_OK) return rv;
    bool is_owner = memcmp(owner.bytes + 12, w->address.bytes, BASE_ADDRESS_BYTES) == 0;
    base_address_format(text, to);
    snprintf(what, sizeof what, "mintNodeAccess(%s)", text);
    w->mint_to = *to;
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    chain_contract_call_mint(&calldata, to);
    struct node_wallet_call call = {.calldata = &calldata, .what = what};
    if (!is_owner) call.value = price;
    rv = once ? node_wallet_send_once(w, sent, &call, why)
              : node_wallet_send_call(w, sent, &call, why);
    base_buf_deinit(&calldata);
    return rv;
}

int node_seat_mint(struct node_wallet *w, struct node_wallet_sent *sent,
                   const struct base_eth_address *to, char *why)
{
    return mint(w, sent, to, false, why);
}

/* ---- the steps ---- */

static int send_step(struct node__seat_work *k, struct node_wallet_sent *sent,
                     const struct base_buf *calldata, const char *what, char *why)
{
    struct node_wallet_call call = {.calldata = calldata, .what = what};
    return node_wallet_send_once(k->w, sent, &call, why);
}

static int call_bind(struct node__seat_work *k, struct base_buf *calldata, char *what)
{
    char token[BASE_U256_TEXT_BYTES], instance[2 * BASE_ADDRESS_BYTES + 1];
    base_u256_format(token, &k->seat.token_id);
    base_hex_encode(instance, k->want.instance.bytes, sizeof k->want.instance.bytes);
    snprintf(what, NODE_WALLET_WHAT_BYTES, "registerInstance(token %s, instance %s)", token,
             instance);
    chain_contract_call_register_instance(calldata, &k->seat.token_id, &k->want.instance);
    return BASE_OK;
}

static int call_register(struct node__seat_work *k, struct base_buf *calldata, char *what,
                         char *why)
{
    struct chain_register args;
    char token[BASE_U256_TEXT_BYTES], key[9];
    struct base_binding b = {.owner = k->want.owner,
                             .token_id = k->seat.token_id,
                             .url = k->want.url,
                             .url_len = strlen(k->want.url),
                             .nonce = k->seat.nonce,
                             .expires_at = node_seat_expiry(k->now_s, k->request.expires_ms),
                             .deadline = k->now_s + NODE_SEAT_DEADLINE_S};
    memset(&args, 0, sizeof args);
    int rv = node_seat_signer_binding(&k->signer, &b, &args, why);
    if (rv != BASE_OK) return rv;
    base_u256_format(token, &b.token_id);
    base_hex_encode(key, b.node_key.bytes, 4);
    snprintf(what, NODE_WALLET_WHAT_BYTES, "register(token %s, node %s.., %s)", token, key,
             b.url_len > 0 ? b.url : "no address");
    chain_contract_call_register(calldata, &b, &args);
    return BASE_OK;
}

static int call_endpoint(struct node__seat_work *k, struct base_buf *calldata, char *what)
{
    char token[BASE_U256_TEXT_BYTES];
    struct base_endpoint e = {.token_id = k->seat.token_id,
                              .node_key = k->want.node_key,
                              .url = k->want.url,
                              .url_len = strlen(k->want.url),
                              .nonce = k->seat.nonce,
                              .deadline = k->now_s + NODE_SEAT_DEADLINE_S};
    base_u256_format(token, &e.token_id);
    snprintf(what, NODE_WALLET_WHAT_BYTES, "setEndpoint(token %s, %s)", token,
             e.url_len > 0 ? e.url : "no address");
    chain_contract_call_set_endpoint(calldata, &e, NULL); /* the owner sends */
    return BASE_OK;
}

static int call_renew(struct node__seat_work *k, struct base_buf *calldata, char *what)
{
    static const struct base_slice none = {NULL, 0};
    char token[BASE_U256_TEXT_BYTES];
    struct base_renewal r = {.token_id = k->seat.token_id,
                             .node_key = k->want.node_key,
                             .nonce = k->seat.nonce,
                             .expires_at = node_seat_expiry(k->now_s, k->request.expires_ms),
                             .deadline = k->now_s + NODE_SEAT_DEADLINE_S};
    base_u256_format(token, &r.token_id);
    snprintf(what, NODE_WALLET_WHAT_BYTES, "renew(token %s, until %llu)", token,
             (unsigned long long)r.expires_at);
    chain_contract_call_renew(calldata, &r, &none); /* the owner sends */
    return BASE_OK;
}

static int do_step(struct node__seat_work *k, struct node_wallet_sent *sent,
                   enum node_seat_step step, char *why)
{
    struct base_buf calldata;
    char what[NODE_WALLET_WHAT_BYTES] = "";
    int rv = BASE_OK;
    memset(sent, 0, sizeof *sent);
    if (step == NODE_SEAT_MINT) return mint(k->w, sent, &k->w->address, true, why);
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    switch (step) {
    case NODE_SEAT_BIND:
        rv = call_bind(k, &calldata, what);
        break;
    case NODE_SEAT_REGISTER:
        rv = call_register(k, &calldata, what, why);
        break;
    case NODE_SEAT_ENDPOINT:
        rv = call_endpoint(k, &calldata, what);
        break;
    case NODE_SEAT_RENEW:
        rv = call_renew(k, &calldata, what);
        break;
    case NODE_SEAT_MINT:
    case NODE_SEAT_NONE:
    case NODE_SEAT_PEER:
    case NODE_SEAT_AUTHORISE:
        break;
    }
    if (rv == BASE_OK) rv = send_step(k, sent, &calldata, what, why);
    base_buf_deinit(&calldata);
    return rv;
}

/* ---- a dry run: every step of the plan with what it would cost ---- */

static void guess(struct node__seat_work *k, struct node_seat_done *done)
{
    const struct node_wallet_sent *before = &k->result->sent;
    done->is_guess = true;
    done->sent = (struct node_wallet_sent){.dry_run = true, .max_fee = before->max_fee};
    snprintf(done->sent.what, sizeof done->sent.what, "%s", node_seat_step_name(done->step));
    done->sent.nonce = before->nonce + 1;
    done->sent.gas_used = done->step == NODE_SEAT_BIND ? GUESS_BIND_GAS : GUESS_REGISTER_GAS;
    done->sent.max_cost = base_u256_times(&done->sent.max_fee, done->sent.gas_used);
}

static bool follows(const struct node_seat_plan *plan, size_t i)
{
    if (i == 0) return false;
    enum node_seat_step before = plan->steps[i - 1].step;
    return before == NODE_SEAT_MINT || before == NODE_SEAT_BIND;
}

static int dry_run(struct node__seat_work *k, char *why)
{
    struct node_seat_result *result = k->result;
    int rv = BASE_OK;
    for (size_t i = 0; rv == BASE_OK && i < result->plan.count; i++) {
        struct node_seat_done *done = &result->done[i];
        done->step = result->plan.steps[i].step;
        if (follows(&result->plan, i))
            guess(k, done);
        else
            rv = do_step(k, &done->sent, done->step, why);
        if (rv != BASE_OK) break;
        result->sent = done->sent;
        result->done_count++;
    }
    return rv;
}

/* ---- plan, step, plan ---- */

static void tell_plan(const struct node__seat_work *k)
{
    const struct node_seat_plan *plan = &k->result->plan;
    char token[BASE_U256_TEXT_BYTES];
    base_u256_format(token, &k->seat.token_id);
    if (plan->count > 0)
        tell(k->w, "plan%s%s: %zu transaction%s", k->has_seat ? " for token " : "",
             k->has_seat ? token : "", plan->count, plan->count > 1 ? "s" : "");
    for (size_t i = 0; i < plan->count; i++)
        tell(k->w, "  %zu. %s: %s", i + 1, node_seat_step_name(plan->steps[i].step),
             plan->steps[i].because);
}

static bool was_done(const struct node_seat_result *result, enum node_seat_step step)
{
    for (size_t i = 0; i < result->done_count; i++)
        if (result->done[i].step == step) return true;
    return false;
}

static void note_done(struct node__seat_work *k, enum node_seat_step step,
                      const struct node_wallet_sent *sent)
{
    struct node_seat_result *result = k->result;
    result->sent = *sent;
    result->done[result->done_count++] = (struct node_seat_done){.step = step, .sent = *sent};
    if (step != NODE_SEAT_MINT || !sent->has_minted) return;
    k->has_minted = k->request.has_token = true; /* this one, and no other */
    k->request.token = sent->minted;
}

/* Another hand may have been faster, or another transaction of this wallet: the chain says. */
static bool is_worth_another_look(int rv)
{
    return rv == BASE_ESTATE || rv == BASE_EREFUSED;
}

/* BASE_ENOTFOUND: read and plan again. */
static int advance(struct node__seat_work *k, const struct node_seat_plan *plan, int *fails,
                   char *why)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    struct node_wallet_sent sent;
    enum node_seat_step step = plan->steps[0].step;
    if (was_done(k->result, step)) { /* mined, and this endpoint does not show it yet */
        nanosleep(&pause, NULL);
        return BASE_ENOTFOUND;
    }
    int rv = do_step(k, &sent, step, why);
    if (rv == BASE_OK) {
        note_done(k, step, &sent);
        return BASE_ENOTFOUND;
    }
    if (!is_worth_another_look(rv) || ++*fails >= FAILS_MAX) return rv;
    /* A refusal of the same step at the same seat is the answer: of a seat as it stands, since an
     * endpoint may have judged with what is pending. */
    struct chain_seat before = k->seat;
    struct node_seat_plan now;
    char ignored[WHY];
    if (node_wallet_settle(k->w, ignored) != BASE_OK ||
        node__seat_read_chain(k, ignored) != BASE_OK)
        return rv;
    node_seat_plan(&now, &k->want, k->has_seat ? &k->seat : NULL, k->state.root_epoch, k->now_s);
    bool same = now.count > 0 && now.steps[0].step == step && k->seat.nonce == before.nonce;
    if (rv == BASE_EREFUSED && same) return rv;
    tell(k->w, "%s", why);
    return BASE_ENOTFOUND;
}

static int register_with(struct node__seat_work *k, char *why)
{
    struct chain_register args;
    struct node_seat_plan plan;
    int fails = 0, rv = node__seat_learn(k, &args, why);
    for (int round = 0; rv == BASE_OK && round < ROUNDS_MAX; round++) {
        rv = node_wallet_settle(k->w, why);
        if (rv == BASE_OK) rv = node__seat_read_chain(k, why);
        if (rv != BASE_OK) return rv;
        node_seat_plan(&plan, &k->want, k->has_seat ? &k->seat : NULL, k->state.root_epoch,
                       k->now_s);
        if (round == 0) {
            k->result->plan = plan;
            k->result->stood_already = plan.count == 0;
            tell_plan(k);
        }
        if (plan.count == 0) return BASE_OK;
        if (round == 0) rv = node__seat_check_chain(k, &args, why);
        if (rv == BASE_OK && round == 0) rv = node__seat_check_url(k, why);
        if (rv != BASE_OK) return rv;
        if (k->w->dry_run) return dry_run(k, why);
        rv = advance(k, &plan, &fails, why);
        if (rv == BASE_ENOTFOUND) rv = BASE_OK;
    }
    if (rv == BASE_OK)
        rv = node__seat_say(
            why, BASE_ETIMEOUT,
            "the endpoint does not show what was mined: look again in a while, and run the "
            "same command; it goes on where this one stopped");
    return rv;
}

int node__seat_open(struct node__seat_work *k, struct node_wallet *w,
                    struct node_seat_result *result, const struct node_seat_request *request,
                    const struct base_eth_address *owner, char *why)
{
    struct node_seat_source source = {
        .data_dir = request->data_dir, .dstack = request->dstack, .dev = request->dev};
    memset(result, 0, sizeof *result);
    memset(k, 0, sizeof *k);
    k->w = w;
    k->request = *request;
    k->result = result;
    k->want.owner = *owner;
    k->want.url = request->url != NULL ? request->url : "";
    k->want.expires_s = request->expires_ms / 1000;
    k->want.may_mint = request->mint;
    return node_seat_signer_open(&k->signer, w, &source, why);
}

int node_seat_register(struct node_wallet *w, struct node_seat_result *result,
                       const struct node_seat_request *request, char *why)
{
    struct node__seat_work k;
    bool is_prototype;
    int rv = node_prototype_detect(w, &is_prototype, why);
    if (rv != BASE_OK) return rv;
    if (is_prototype) return node_seat_register_prototype(w, result, request, why);
    rv = node__seat_open(&k, w, result, request, &w->address, why);
    if (rv == BASE_OK) rv = register_with(&k, why);
    node_seat_signer_close(&k.signer);
    return rv;
}
