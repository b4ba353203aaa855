#include "node/seat_prototype.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/u256.h"
#include "chain/prototype.h"
#include "node/authority.h"
#include "node/mint_prototype.h"
#include "node/seat_internal.h"
#include "node/wallet_internal.h"

#define WHY                    NODE_WALLET_WHY_BYTES
#define CONFLICTS_MAX          3
#define REFERENCE_PAUSE_MS     2000
#define REFERENCE_PAUSE_DEV_MS 250
/* In a dry run, while the step before is missing: above what a contract of its form took, since the
 * deployed one cannot be measured beforehand. */
#define GUESS_BIND_GAS 200000
#define GUESS_PEER_GAS 250000

static void tell(const struct node_wallet *w, const char *line)
{
    if (w->told != NULL) w->told(w->told_ctx, line);
}

/* ---- reading ---- */

/* A view call whose calldata is made by the caller; frees it. */
static int view(struct node_wallet *w, struct base_buf *data, struct base_buf *calldata, char *why)
{
    base_buf_init(data, CHAIN_RPC_REPLY_BYTES_MAX);
    int rv = node_wallet_view(w, data, calldata, why);
    base_buf_deinit(calldata);
    return rv;
}

static int read_answer(int rv, struct base_buf *data, const char *what, char *why)
{
    if (rv != BASE_OK) node__seat_say(why, rv, "%s: an answer of another form", what);
    base_buf_deinit(data);
    return rv;
}

/* block NULL: the latest. */
static int read_owner(struct node_wallet *w, struct base_eth_address *out,
                      const struct base_u256 *token, const struct base_hash32 *block, char *why)
{
    struct base_buf calldata, data;
    char text[BASE_U256_TEXT_BYTES];
    base_u256_format(text, token);
    base_buf_init(&calldata, 256);
    base_buf_init(&data, 256);
    chain_prototype_call_owner_of(&calldata, token);
    int rv = block == NULL ? node_wallet_view(w, &data, &calldata, why)
                           : node_wallet_view_at(w, &data, &calldata, block, why);
    base_buf_deinit(&calldata);
    if (rv == BASE_EREFUSED) {
        base_buf_deinit(&data);
        return node__seat_say(why, BASE_EINVAL, "there is no token %s on this contract", text);
    }
    if (rv != BASE_OK) {
        base_buf_deinit(&data);
        return rv;
    }
    return read_answer(chain_contract_decode_address(out, data.data, data.len), &data, "ownerOf",
                       why);
}

static int read_instance(struct node_wallet *w, struct chain_seat *seat, char *why)
{
    struct base_buf calldata, data;
    base_buf_init(&calldata, 256);
    chain_prototype_call_token_to_instance(&calldata, &seat->token_id);
    int rv = view(w, &data, &calldata, why);
    if (rv == BASE_OK)
        return read_answer(chain_prototype_decode_instance(&seat->instance, data.data, data.len),
                           &data, "tokenToInstance", why);
    base_buf_deinit(&data);
    return rv;
}

static int read_activity(struct node_wallet *w, struct chain_seat *seat, char *why)
{
    struct base_buf calldata, data;
    base_buf_init(&calldata, 256);
    chain_prototype_call_active_instances(&calldata, &seat->instance);
    int rv = view(w, &data, &calldata, why);
    if (rv == BASE_OK)
        return read_answer(chain_contract_decode_bool(&seat->active, data.data, data.len), &data,
                           "activeInstances", why);
    base_buf_deinit(&data);
    return rv;
}

static int read_url(struct node_wallet *w, struct chain_seat *seat, char *why)
{
    struct base_buf calldata, data;
    base_buf_init(&calldata, 256);
    chain_prototype_call_instance_to_url(&calldata, &seat->instance);
    int rv = view(w, &data, &calldata, why);
    if (rv == BASE_OK)
        return read_answer(chain_prototype_decode_url(seat->url, &seat->url_len,
                                                      &seat->url_too_long, data.data, data.len),
                           &data, "instanceToConnectionUrl", why);
    base_buf_deinit(&data);
    return rv;
}

int node_prototype_read(struct node_wallet *w, struct chain_seat *out,
                        const struct base_u256 *token, char *why)
{
    memset(out, 0, sizeof *out);
    out->token_id = *token;
    int rv = read_owner(w, &out->owner, token, NULL, why);
    if (rv == BASE_OK) rv = read_instance(w, out, why);
    if (rv != BASE_OK || base_is_zero(out->instance.bytes, BASE_ADDRESS_BYTES)) return rv;
    rv = read_activity(w, out, why);
    return rv == BASE_OK ? read_url(w, out, why) : rv;
}

/* The token that the contract takes for the wallet's: it looks it up itself. */
static int read_token_of(struct node_wallet *w, struct base_u256 *out, char *why)
{
    struct base_buf calldata, data;
    base_buf_init(&calldata, 256);
    chain_prototype_call_wallet_to_token(&calldata, &w->address);
    int rv = view(w, &data, &calldata, why);
    if (rv == BASE_OK)
        return read_answer(chain_contract_decode_u256(out, data.data, data.len), &data,
                           "walletToTokenId", why);
    base_buf_deinit(&data);
    return rv;
}

/* Whether there is such a function. An endpoint's own trouble is no "no". */
static int answers(struct node_wallet *w, bool *does, void (*call)(struct base_buf *out), char *why)
{
    struct base_buf calldata, data;
    struct base_u256 word;
    base_buf_init(&calldata, 64);
    call(&calldata);
    int rv = view(w, &data, &calldata, why);
    *does = rv == BASE_OK && chain_contract_decode_u256(&word, data.data, data.len) == BASE_OK;
    base_buf_deinit(&data);
    return rv == BASE_EREFUSED ? BASE_OK : rv;
}

int node_prototype_detect(struct node_wallet *w, bool *is_prototype, char *why)
{
    struct base_buf calldata, data;
    base_buf_init(&calldata, 64);
    chain_contract_call_cluster_state(&calldata);
    int rv = view(w, &data, &calldata, why);
    bool ours = rv == BASE_OK && data.len > 0;
    base_buf_deinit(&data);
    *is_prototype = false;
    if (ours || (rv != BASE_OK && rv != BASE_EREFUSED)) return rv;
    rv = answers(w, is_prototype, chain_prototype_call_kms_root, why);
    if (rv == BASE_OK && *is_prototype)
        rv = answers(w, is_prototype, chain_prototype_call_total_supply, why);
    if (rv != BASE_OK || *is_prototype) return rv;
    return node__seat_say(
        why, BASE_EINVAL,
        "--contract: neither this project's contract nor the prototype's answers there");
}

/* ---- an authorisation ---- */

static int check_seat(const struct chain_seat *seat, const struct node_authorise_request *request,
                      char *why)
{
    char owner[BASE_ADDRESS_TEXT_BYTES], wallet[BASE_ADDRESS_TEXT_BYTES];
    if (base_address_equal(&seat->owner, &request->owner)) return BASE_OK;
    base_address_format(owner, &seat->owner);
    base_address_format(wallet, &request->owner);
    return node__seat_say(why, BASE_EINVAL, "the token belongs to %s, not to %s", owner, wallet);
}

/* Whoever bought it after the block at which he would issue has to wait until the node's reference
 * is beyond that: before the sale his word is nobody's. */
static int check_owner_at(struct node_wallet *w, const struct node_authorise_request *request,
                          const struct chain_block *block, char *why)
{
    struct base_eth_address owner;
    int rv = read_owner(w, &owner, &request->token, &block->hash, why);
    bool is_unborn = rv == BASE_EINVAL; /* no such token then, though there is one now */
    if (!is_unborn && (rv != BASE_OK || base_address_equal(&owner, &request->owner))) return rv;
    return node__seat_say(
        why, BASE_ESTATE,
        "at the node's reference block, %llu, the token was not this owner's yet: try again "
        "when `nftmesh status` shows a later one",
        (unsigned long long)block->number);
}

static int check_instance(const struct chain_seat *seat, const struct node_bundle *b, char *why)
{
    char bound[2 * BASE_ADDRESS_BYTES + 1], ours[2 * BASE_ADDRESS_BYTES + 1];
    base_hex_encode(bound, seat->instance.bytes, BASE_ADDRESS_BYTES);
    base_hex_encode(ours, b->instance.bytes, BASE_ADDRESS_BYTES);
    if (base_is_zero(seat->instance.bytes, BASE_ADDRESS_BYTES))
        return node__seat_say(
            why, BASE_EINVAL,
            "the token has no instance yet: `nftmesh register` binds %s, then authorises", ours);
    if (!base_address_equal(&seat->instance, &b->instance))
        return node__seat_say(
            why, BASE_EINVAL,
            "the token's instance is %s, this node's is %s: another machine's seat", bound, ours);
    if (!seat->active)
        return node__seat_say(why, BASE_EINVAL, "the instance is not active on the contract");
    return BASE_OK;
}

static int issue_at(struct node_wallet *w, struct node_seat_signer *s, struct chain_block *out,
                    char *why)
{
    uint64_t ignored;
    int rv = s != NULL ? node_seat_signer_reference(s, out, &ignored, why) : BASE_ENOTFOUND;
    return rv == BASE_ENOTFOUND ? node_wallet_latest(w, out, why) : rv;
}

/* What has been found out on the way to an authorisation. */
struct issue {
    bool has_seat;
    struct chain_seat seat;
    struct chain_block block;
    uint64_t early_block; /* there the token was not this owner's yet; 0: none */
};

static int issue_find(struct node_wallet *w, struct node_seat_signer *s, struct issue *issue,
                      const struct node_authorise_request *request, char *why)
{
    int rv = issue->has_seat ? BASE_OK : node_prototype_read(w, &issue->seat, &request->token, why);
    if (rv == BASE_OK) rv = check_seat(&issue->seat, request, why);
    issue->has_seat = rv == BASE_OK;
    if (rv == BASE_OK) rv = issue_at(w, s, &issue->block, why);
    if (rv != BASE_OK) return rv;
    if (issue->early_block == 0 || issue->block.number > issue->early_block)
        rv = check_owner_at(w, request, &issue->block, why);
    else
        rv = BASE_ESTATE;
    if (rv == BASE_ESTATE) issue->early_block = issue->block.number;
    return rv;
}

static int issue_make(struct node_seat_signer *s, struct node_bundle *out,
                      const struct issue *issue, const struct node_authorise_request *request,
                      char *why)
{
    *out = (struct node_bundle){
        .revokes = request->revoke,
        .token_id = request->token,
        .owner = request->owner,
        .issued_block = issue->block.number,
        .issued_block_hash = issue->block.hash,
        .not_after = issue->block.time_s + request->lasts_s,
    };
    if (request->revoke) return BASE_OK;
    int rv = node_seat_signer_authorisation(s, out, why);
    return rv == BASE_OK ? check_instance(&issue->seat, out, why) : rv;
}

int node_authorise_make(struct node_wallet *w, struct node_seat_signer *s, struct node_bundle *out,
                        const struct node_authorise_request *request, char *why)
{
    struct issue issue = {0};
    int rv = issue_find(w, s, &issue, request, why);
    return rv == BASE_OK ? issue_make(s, out, &issue, request, why) : rv;
}

int node_authorise_wait(struct node_wallet *w, struct node_seat_signer *s, struct node_bundle *out,
                        const struct node_authorise_request *request, char *why)
{
    const bool is_dev_chain = w->chain_id == 31337 || w->chain_id == 1337;
    const long pause_ms = is_dev_chain ? REFERENCE_PAUSE_DEV_MS : REFERENCE_PAUSE_MS;
    const struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000L};
    const uint64_t end_ms = node__wallet_monotonic_ms() + w->wait_ms;
    struct issue issue = {0};
    int told = BASE_OK;
    for (;;) {
        int rv = issue_find(w, s, &issue, request, why);
        if (rv == BASE_OK) return issue_make(s, out, &issue, request, why);
        if ((rv != BASE_ESTATE && rv != BASE_EREMOTE) || node__wallet_monotonic_ms() >= end_ms ||
            node_http_sync_is_cancelled(w->http))
            return rv;
        if (rv != told)
            tell(w, rv == BASE_EREMOTE ? why
                                       : "waiting for the node to read the block that made the "
                                         "seat this wallet's");
        told = rv;
        nanosleep(&pause, NULL);
    }
}

int node_authorise_with(struct node_wallet *w, struct node_bundle *bundle, char *why)
{
    struct base_eip712_domain domain;
    struct base_hash32 digest;
    char owner[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(owner, &bundle->owner);
    if (!base_address_equal(&w->address, &bundle->owner))
        return node__seat_say(why, BASE_EINVAL, "the wallet's key is not that of the owner %s",
                              owner);
    base_eip712_domain_init(&domain, w->chain_id, &w->contract);
    node_bundle_digest(&digest, &domain, bundle);
    return base_ecdsa_sign(&bundle->owner_sig, &digest, &w->key);
}

/* ---- register ---- */

struct work {
    struct node_wallet *w;
    struct node_seat_signer signer;
    struct node_seat_result *result;
    const struct node_seat_request *request;
    struct node_bundle keys; /* the node's own, in the form that it signs */
    struct chain_seat seat;
    enum node_seat_step failed; /* maybe since another hand of this wallet was faster */
};

static int mint(struct work *k, struct base_u256 *token, char *why)
{
    struct node_seat_done *done = &k->result->done[k->result->done_count];
    done->step = NODE_SEAT_MINT;
    int rv = node_mint_prototype(k->w, &done->sent, &k->w->address, NULL, why);
    if (rv != BASE_OK) return rv;
    k->result->sent = done->sent;
    k->result->done_count++;
    return k->w->dry_run ? BASE_OK : read_token_of(k->w, token, why);
}

/* In a dry run: the seat would be minted first, so there is nothing to read of it. */
static bool is_unminted(const struct work *k)
{
    return k->w->dry_run && k->result->done_count > 0 && k->result->done[0].step == NODE_SEAT_MINT;
}

static int choose_token(struct work *k, char *why)
{
    struct base_u256 known;
    char ours[BASE_U256_TEXT_BYTES], theirs[BASE_U256_TEXT_BYTES];
    int rv = read_token_of(k->w, &known, why);
    if (rv == BASE_OK && base_is_zero(known.bytes, sizeof known.bytes) && k->request->mint &&
        !k->request->has_token)
        rv = mint(k, &known, why);
    if (rv != BASE_OK || is_unminted(k)) return rv;
    k->result->token = k->request->has_token ? k->request->token : known;
    k->result->has_token = true;
    base_u256_format(ours, &k->result->token);
    base_u256_format(theirs, &known);
    if (base_is_zero(k->result->token.bytes, sizeof k->result->token.bytes))
        return node__seat_say(
            why, BASE_EINVAL,
            "this wallet has no seat on the contract: mint one first (`nftmesh mint`, or register "
            "with --mint)");
    if (base_u256_equal(&known, &k->result->token)) return BASE_OK;
    return node__seat_say(
        why, BASE_EINVAL,
        "the contract takes token %s for this wallet's, not %s: it knows one token a "
        "wallet, the last that came; move the other one away first",
        theirs, ours);
}

/* Keys and instance, by way of a statement that no owner has signed nor ever will: its block is no
 * block. */
static int learn(struct work *k, char *why)
{
    k->keys = (struct node_bundle){.token_id = k->result->token, .owner = k->w->address};
    return node_seat_signer_authorisation(&k->signer, &k->keys, why);
}

static int read_seat(struct work *k, char *why)
{
    char bound[2 * BASE_ADDRESS_BYTES + 1];
    struct node_authorise_request request = {.owner = k->w->address};
    if (is_unminted(k)) return BASE_OK;
    int rv = node_prototype_read(k->w, &k->seat, &k->result->token, why);
    if (rv == BASE_OK) rv = check_seat(&k->seat, &request, why);
    if (rv != BASE_OK || base_is_zero(k->seat.instance.bytes, BASE_ADDRESS_BYTES) ||
        base_address_equal(&k->seat.instance, &k->keys.instance))
        return rv;
    base_hex_encode(bound, k->seat.instance.bytes, BASE_ADDRESS_BYTES);
    return node__seat_say(why, BASE_EINVAL,
                          "the token holds instance %s, another machine's: deactivate that first",
                          bound);
}

static void add_step(struct work *k, enum node_seat_step step, const char *because)
{
    struct node_seat_plan *plan = &k->result->plan;
    plan->steps[plan->count].step = step;
    snprintf(plan->steps[plan->count++].because, NODE_SEAT_BECAUSE_BYTES, "%s", because);
}

/* Does an authorisation of these keys count, for half of its term at least? The node that runs says
 * it, else whoever asked us to register. */
static bool is_authorised(struct work *k)
{
    struct chain_block block;
    uint64_t until = 0;
    char ignored[WHY];
    if (k->result->authorised_until != 0) return true; /* before a conflict, just now */
    int rv = node_seat_signer_reference(&k->signer, &block, &until, ignored);
    if (rv == BASE_ENOTFOUND) {
        until = k->request->authorised_until;
        rv = until == 0 ? BASE_ENOTFOUND : node_wallet_latest(k->w, &block, ignored);
    }
    return rv == BASE_OK && until > block.time_s + NODE_AUTHORITY_TERM_S / 2;
}

/* The address comes last: who sees it on the chain asks there at once, and finds the owner's word.
 */
static void make_plan(struct work *k)
{
    const char *url = k->request->url != NULL ? k->request->url : k->seat.url;
    bool bound = !base_is_zero(k->seat.instance.bytes, BASE_ADDRESS_BYTES);
    k->result->plan.count = 0;
    if (!bound) add_step(k, NODE_SEAT_BIND, "no instance is bound");
    if (!bound || !is_authorised(k))
        add_step(k, NODE_SEAT_AUTHORISE, "the owner's word for this node's keys is missing");
    if (strcmp(k->seat.url, url) != 0) add_step(k, NODE_SEAT_PEER, "another address is registered");
}

/* ---- before anything is paid: would the contract take our keys and address? ---- */

static bool plan_has(const struct node_seat_plan *plan, enum node_seat_step step)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].step == step) return true;
    return false;
}

static int read_root(struct node_wallet *w, struct base_eth_address *out, char *why)
{
    struct base_buf calldata, data;
    base_buf_init(&calldata, 64);
    chain_prototype_call_kms_root(&calldata);
    int rv = view(w, &data, &calldata, why);
    if (rv == BASE_OK)
        return read_answer(chain_contract_decode_address(out, data.data, data.len), &data,
                           "kmsRootAddress", why);
    base_buf_deinit(&data);
    return rv;
}

/* Its check of the signature chain; app ids it has none. */
static int check_keys(struct work *k, char *why)
{
    const struct node_proof *proof = &k->keys.proof;
    struct node__seat_work like_ours = {.want = {.proof_key = proof->proof_key}};
    struct chain_register args = {
        .app_id = proof->app_id, .app_sig = proof->app_sig, .kms_sig = proof->kms_sig};
    like_ours.state.app_ids[0] = proof->app_id;
    like_ours.state.app_id_count = 1;
    int rv = read_root(k->w, &like_ours.state.kms_root, why);
    if (rv != BASE_OK) return rv;
    if (base_ecdsa_pubkey_xy(args.app_xy, &proof->app_key) != BASE_OK)
        return node__seat_say(why, BASE_EINVAL,
                              "the guest agent's app key is no point; nothing was sent");
    return node__seat_check_chain(&like_ours, &args, why);
}

static int check_url(struct work *k, char *why)
{
    struct base_buf calldata, data;
    bool dev_mode = false;
    if (!plan_has(&k->result->plan, NODE_SEAT_PEER) || strncmp(k->request->url, "https://", 8) == 0)
        return BASE_OK;
    base_buf_init(&calldata, 64);
    chain_prototype_call_dev_mode(&calldata);
    int rv = view(k->w, &data, &calldata, why);
    if (rv == BASE_OK)
        rv = read_answer(chain_contract_decode_bool(&dev_mode, data.data, data.len), &data,
                         "devMode", why);
    else
        base_buf_deinit(&data);
    if (rv != BASE_OK || dev_mode) return rv;
    return node__seat_say(
        why, BASE_EINVAL,
        "the prototype's contract takes https:// addresses alone, and not %.100s: give the "
        "application's by --url https://..; nothing was sent",
        k->request->url);
}

static int check_plan(struct work *k, char *why)
{
    const struct node_seat_plan *plan = &k->result->plan;
    if (!plan_has(plan, NODE_SEAT_BIND) && !plan_has(plan, NODE_SEAT_PEER)) return BASE_OK;
    int rv = check_keys(k, why);
    return rv == BASE_OK ? check_url(k, why) : rv;
}

/* ---- the steps ---- */

static int send_step(struct work *k, enum node_seat_step step, char *why)
{
    struct node_seat_result *result = k->result;
    struct node_seat_done *done = &result->done[result->done_count];
    struct base_buf calldata;
    const struct node_proof *proof = &k->keys.proof;
    struct chain_prototype_peer peer = {.instance = k->keys.instance,
                                        .derived_key = proof->proof_key,
                                        .app_key = proof->app_key,
                                        .app_sig = proof->app_sig,
                                        .kms_sig = proof->kms_sig,
                                        .url = k->request->url,
                                        .purpose = ATTEST_PURPOSE,
                                        .app_id = proof->app_id};
    if (result->done_count == NODE_SEAT_STEPS_MAX)
        return node__seat_say(
            why, BASE_ETIMEOUT,
            "the endpoint does not show what was mined: look again in a while, and run the "
            "same command; it goes on where this one stopped");
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    if (step == NODE_SEAT_BIND)
        chain_prototype_call_register_instance(&calldata, &k->keys.instance);
    else
        chain_prototype_call_register_peer(&calldata, &peer);
    struct node_wallet_call call = {.calldata = &calldata, .what = node_seat_step_name(step)};
    done->step = step;
    int rv = node_wallet_send_once(k->w, &done->sent, &call, why);
    base_buf_deinit(&calldata);
    k->failed = rv == BASE_ESTATE || rv == BASE_EREFUSED ? step : NODE_SEAT_NONE;
    if (rv != BASE_OK) return rv;
    result->sent = done->sent;
    result->done_count++;
    return BASE_OK;
}

/* A dry run's step that cannot be estimated while the one before it is missing. */
static void guess_step(struct work *k, enum node_seat_step step)
{
    struct node_seat_result *result = k->result;
    struct node_seat_done *done = &result->done[result->done_count++];
    *done = (struct node_seat_done){.step = step, .is_guess = true};
    done->sent.dry_run = true;
    done->sent.nonce = result->sent.nonce + 1;
    done->sent.max_fee = result->sent.max_fee;
    done->sent.gas_used = step == NODE_SEAT_BIND ? GUESS_BIND_GAS : GUESS_PEER_GAS;
    done->sent.max_cost = base_u256_times(&done->sent.max_fee, done->sent.gas_used);
    snprintf(done->sent.what, sizeof done->sent.what, "%s", node_seat_step_name(step));
    result->sent = done->sent;
}

static int authorise(struct work *k, char *why)
{
    struct node_authorise_request request = {
        .token = k->result->token, .lasts_s = NODE_AUTHORITY_TERM_S, .owner = k->w->address};
    struct node_bundle bundle;
    char verdict[NODE_SEAT_VERDICT_BYTES], line[128];
    int rv = node_authorise_wait(k->w, &k->signer, &bundle, &request, why);
    if (rv == BASE_OK) rv = node_authorise_with(k->w, &bundle, why);
    if (rv == BASE_OK) rv = node_seat_signer_hand_over(&k->signer, verdict, &bundle, why);
    if (rv != BASE_OK) return rv;
    k->result->authorised_until = bundle.not_after;
    snprintf(line, sizeof line, "authorised this node's keys until %llu: %s",
             (unsigned long long)bundle.not_after, verdict);
    tell(k->w, line);
    if (k->request->authorised != NULL) k->request->authorised(k->request->authorised_ctx, &bundle);
    return BASE_OK;
}

static int do_step(struct work *k, enum node_seat_step step, char *why)
{
    bool is_unbound = step == NODE_SEAT_PEER && plan_has(&k->result->plan, NODE_SEAT_BIND);
    if (step == NODE_SEAT_AUTHORISE) return k->w->dry_run ? BASE_OK : authorise(k, why);
    if (!k->w->dry_run || (!is_unbound && !is_unminted(k))) return send_step(k, step, why);
    guess_step(k, step);
    return BASE_OK;
}

/* What stands now, and what is missing. */
static int look(struct work *k, char *why)
{
    int rv = node_wallet_settle(k->w, why);
    if (rv == BASE_OK) rv = read_seat(k, why);
    if (rv == BASE_OK) make_plan(k);
    return rv;
}

/* Another command of this wallet may have been faster since the plan was made. */
static int do_if_missing(struct work *k, enum node_seat_step step, char *why)
{
    int rv = look(k, why);
    return rv == BASE_OK && plan_has(&k->result->plan, step) ? do_step(k, step, why) : rv;
}

static int do_plan(struct work *k, char *why)
{
    const struct node_seat_plan plan = k->result->plan;
    int rv = BASE_OK;
    for (size_t i = 0; rv == BASE_OK && i < plan.count; i++) {
        enum node_seat_step step = plan.steps[i].step;
        bool pays_later = i > 0 && step != NODE_SEAT_AUTHORISE && !k->w->dry_run;
        char line[NODE_SEAT_BECAUSE_BYTES + 64];
        snprintf(line, sizeof line, "%s: %s", node_seat_step_name(step), plan.steps[i].because);
        tell(k->w, line);
        rv = pays_later ? do_if_missing(k, step, why) : do_step(k, step, why);
    }
    k->result->plan = plan;
    return rv;
}

static int act(struct work *k, char *why)
{
    k->failed = NODE_SEAT_NONE;
    int rv = check_plan(k, why);
    return rv == BASE_OK ? do_plan(k, why) : rv;
}

/* A refusal of a step that is still missing is the answer; else somebody has done it. */
static bool is_worth_another_look(struct work *k, int rv)
{
    char ignored[WHY];
    return k->failed != NODE_SEAT_NONE && look(k, ignored) == BASE_OK &&
           !(rv == BASE_EREFUSED && plan_has(&k->result->plan, k->failed));
}

int node_seat_register_prototype(struct node_wallet *w, struct node_seat_result *result,
                                 const struct node_seat_request *request, char *why)
{
    struct work k = {.w = w, .result = result, .request = request};
    struct node_seat_source source = {request->data_dir, request->dstack, request->dev};
    memset(result, 0, sizeof *result);
    int rv = node_seat_signer_open(&k.signer, w, &source, why);
    if (rv == BASE_OK) rv = node_wallet_settle(w, why);
    if (rv == BASE_OK) rv = choose_token(&k, why);
    if (rv == BASE_OK) rv = learn(&k, why);
    if (rv == BASE_OK) rv = look(&k, why);
    if (rv == BASE_OK) {
        result->stood_already = result->plan.count == 0;
        rv = act(&k, why);
    }
    for (int i = 0; rv != BASE_OK && i < CONFLICTS_MAX && is_worth_another_look(&k, rv); i++) {
        tell(w, why);
        rv = act(&k, why);
    }
    node_seat_signer_close(&k.signer);
    return rv;
}
