/* What is found out before anything is paid: whose signature a statement carries, whether the
 * contract would take keys and address; against an endpoint that says what a test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attest/sigchain.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "chain/tx.h"
#include "node/seat_internal.h"
#include "node/seat_offline.h"
#include "node/seat_prototype.h"
#include "rpc_server.h"

#define CHAIN_ID 31337
#define HASH     "0x1111111111111111111111111111111111111111111111111111111111111111"
#define GWEI     UINT64_C(1000000000)

#define BLOCK                                                                                      \
    "{\"number\":\"0x2a\",\"hash\":\"" HASH "\",\"parentHash\":\"" HASH                            \
    "\",\"timestamp\":\"0x6553f100\"}"

static struct rpc_server *server;
static struct node_wallet w;
static struct node_seat_result result;
static struct node_statement statement;
static struct base_privkey owner_key, payer_key;
static char why[NODE_WALLET_WHY_BYTES];

static void address_of(struct base_eth_address *out, const struct base_privkey *key)
{
    struct base_key33 pub;
    assert_int_equal(base_ecdsa_pubkey(&pub, key), BASE_OK);
    assert_int_equal(base_ecdsa_address(out, &pub), BASE_OK);
}

static void set_calldata(const char *method, const struct base_buf *data, bool first)
{
    struct base_buf text;
    base_buf_init(&text, 1 << 20);
    base_buf_puts(&text, "\"result\":\"0x");
    base_buf_hex(&text, data->data, data->len);
    base_buf_puts(&text, "\"");
    if (first)
        rpc_server_set(server, method, text.data);
    else
        rpc_server_then(server, method, text.data);
    base_buf_deinit(&text);
}

/* One seat, which is asked for again and again: state, page, state, page. */
static void set_seat(const struct chain_seat *seat)
{
    struct chain_cluster_state state = {.root_epoch = 1, .seat_count = 1, .block_number = 5};
    struct base_buf first, second;
    base_buf_init(&first, 1 << 16);
    base_buf_init(&second, 1 << 16);
    assert_int_equal(chain_contract_encode_cluster_state(&first, &state), BASE_OK);
    assert_int_equal(chain_contract_encode_members(&second, seat, 1), BASE_OK);
    for (int i = 0; i < 10; i++) {
        set_calldata("eth_call", &first, i == 0);
        set_calldata("eth_call", &second, false);
    }
    base_buf_deinit(&first);
    base_buf_deinit(&second);
}

static struct chain_seat seat_of_statement(void)
{
    const struct base_binding *b = &statement.binding;
    struct chain_seat seat = {.token_id = b->token_id,
                              .owner = b->owner,
                              .bound_by = b->owner,
                              .instance = b->instance,
                              .has_keys = true,
                              .node_key = b->node_key,
                              .proof_key = b->proof_key,
                              .expires_at = b->expires_at,
                              .active = true,
                              .weight = 1,
                              .nonce = b->nonce + 1,
                              .url_len = b->url_len};
    memcpy(seat.url, b->url, b->url_len + 1);
    return seat;
}

static void make_statement(void)
{
    memset(&statement, 0, sizeof statement);
    statement.kind = NODE_STATEMENT_BINDING;
    statement.chain_id = CHAIN_ID;
    memset(&statement.contract, 0xcc, sizeof statement.contract);
    address_of(&statement.owner, &owner_key);
    strcpy(statement.url, "tcp://a:1");
    statement.binding = (struct base_binding){.token_id = base_u256_from_u64(7),
                                              .owner = statement.owner,
                                              .url = statement.url,
                                              .url_len = 9,
                                              .nonce = 3,
                                              .expires_at = 2000000000,
                                              .deadline = 1900000000};
    memset(&statement.binding.instance, 0x11, sizeof statement.binding.instance);
    memset(&statement.binding.node_key, 0x02, sizeof statement.binding.node_key);
    memset(&statement.binding.proof_key, 0x03, sizeof statement.binding.proof_key);
}

static int setup(void **state)
{
    (void)state;
    struct base_eth_address contract;
    if (base_aead_init() != BASE_OK || base_ecdsa_init() != BASE_OK) return -1;
    memset(&owner_key, 0x31, sizeof owner_key);
    memset(&payer_key, 0x32, sizeof payer_key);
    memset(&contract, 0xcc, sizeof contract);
    server = rpc_server_new();
    rpc_server_set(server, "eth_chainId", "\"result\":\"0x7a69\"");
    rpc_server_set(server, "eth_getCode", "\"result\":\"0x6001\"");
    rpc_server_then(server, "eth_getCode", "\"result\":\"0x\"");
    rpc_server_set(server, "eth_getTransactionCount", "\"result\":\"0x7\"");
    rpc_server_set(server, "eth_feeHistory",
                   "\"result\":{\"baseFeePerGas\":[\"0x1\",\"0x77359400\"]}");
    rpc_server_set(server, "eth_maxPriorityFeePerGas", "\"result\":\"0x3b9aca00\"");
    rpc_server_set(server, "eth_estimateGas", "\"result\":\"0xc350\"");
    rpc_server_set(server, "eth_getBalance", "\"result\":\"0xde0b6b3a7640000\"");
    rpc_server_set(server, "eth_blockNumber", "\"result\":\"0x2a\"");
    rpc_server_set(server, "eth_sendRawTransaction", "\"result\":\"" HASH "\"");
    rpc_server_set(server, "eth_getTransactionReceipt",
                   "\"result\":{\"transactionHash\":\"" HASH "\",\"status\":\"0x1\","
                   "\"blockNumber\":\"0x2a\",\"blockHash\":\"" HASH
                   "\",\"gasUsed\":\"0xc350\",\"logs\":[]}");
    why[0] = '\0';
    if (node_wallet_open(&w, rpc_server_url(server), CHAIN_ID, &contract, NULL, why) != BASE_OK)
        return -1;
    w.key = payer_key;
    w.has_key = true;
    address_of(&w.address, &payer_key);
    w.max_fee = base_u256_from_u64(200 * GWEI);
    w.wait_ms = 20000; /* never to its end, but where that is the subject */
    make_statement();
    struct chain_seat seat = seat_of_statement();
    seat.has_keys = seat.active = false;
    set_seat(&seat);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    node_wallet_close(&w);
    rpc_server_free(server);
    return 0;
}

static void assert_why(const char *part)
{
    if (strstr(why, part) == NULL) fail_msg("\"%s\" is not in: %s", part, why);
    assert_null(strchr(why, '\n'));
}

static size_t sent(void)
{
    return rpc_server_count(server, "eth_sendRawTransaction");
}

static struct base_sig65 sign(const struct base_privkey *key)
{
    struct base_sig65 sig;
    struct base_hash32 digest;
    node_statement_digest(&digest, &statement);
    assert_int_equal(base_ecdsa_sign(&sig, &digest, key), BASE_OK);
    return sig;
}

static int submit(const void *sig, size_t len)
{
    return node_seat_submit(&w, &result, &statement, sig, len, why);
}

/* The last bytes of what was sent: the owner's signature, padded to words. */
static void assert_sent_signature(const uint8_t *wanted, size_t len)
{
    char hex[2 * 4096 + 1], *param = strdup(rpc_server_param(server, "eth_sendRawTransaction"));
    assert_true(len <= 4096);
    base_hex_encode(hex, wanted, len);
    if (strstr(param, hex) == NULL) fail_msg("the signature is not in what was sent");
    free(param);
}

/* ---- a statement with the owner's signature ---- */

static void test_a_keys_signature_in_both_forms(void **state)
{
    (void)state;
    struct base_sig65 sig = sign(&owner_key), contracts = sig;
    contracts.bytes[64] = (uint8_t)(contracts.bytes[64] + 27);
    if (submit(sig.bytes, 65) != BASE_OK) fail_msg("%s", why);
    assert_false(result.stood_already);
    assert_int_equal(sent(), 1);
    assert_sent_signature(contracts.bytes, 65); /* always as the contract takes it */
    assert_int_equal(submit(contracts.bytes, 65), BASE_OK);
    assert_sent_signature(contracts.bytes, 65);
}

static void test_anothers_signature_is_not_paid_for(void **state)
{
    (void)state;
    struct base_sig65 sig = sign(&payer_key);
    assert_int_equal(submit(sig.bytes, 65), BASE_EINVAL);
    assert_why("the signature is not of 0x");
    sig = sign(&owner_key);
    statement.binding.nonce++; /* another statement */
    assert_int_equal(submit(sig.bytes, 65), BASE_EINVAL);
    statement.binding.nonce--;
    assert_int_equal(submit(sig.bytes, 64), BASE_EINVAL);
    assert_int_equal(submit(sig.bytes, 0), BASE_EINVAL);
    assert_why("1 to 4096");
    assert_int_equal(sent(), 0);
}

/* A contract judges its own signatures: any bytes are passed on, within the bound. */
static void test_a_contracts_signature_is_passed_on(void **state)
{
    (void)state;
    static uint8_t sig[CHAIN_OWNER_SIG_BYTES_MAX + 1];
    memset(sig, 0xab, sizeof sig);
    rpc_server_set(server, "eth_getCode", "\"result\":\"0x6001\"");
    if (submit(sig, 500) != BASE_OK) fail_msg("%s", why);
    assert_sent_signature(sig, 500);
    assert_int_equal(submit(sig, sizeof sig), BASE_EINVAL);
    assert_why("1 to 4096");
    assert_int_equal(sent(), 1);
}

static void test_a_statement_of_another_mesh(void **state)
{
    (void)state;
    statement.chain_id++;
    struct base_sig65 sig = sign(&owner_key);
    assert_int_equal(submit(sig.bytes, 65), BASE_EINVAL);
    assert_why("another mesh");
    statement.chain_id--;
    statement.contract.bytes[0] ^= 1;
    sig = sign(&owner_key);
    assert_int_equal(submit(sig.bytes, 65), BASE_EINVAL);
    assert_why("another mesh");
    assert_int_equal(sent(), 0);
}

static void test_what_stands_is_not_paid_for_again(void **state)
{
    (void)state;
    struct base_sig65 sig = sign(&owner_key);
    struct chain_seat seat = seat_of_statement();
    set_seat(&seat);
    assert_int_equal(submit(sig.bytes, 65), BASE_OK);
    assert_true(result.stood_already);
    assert_int_equal(sent(), 0);
    /* Each difference alone is something to send. */
    for (int i = 0; i < 7; i++) {
        seat = seat_of_statement();
        if (i == 0) seat.active = false;
        if (i == 1) seat.node_key.bytes[32] ^= 1;
        if (i == 2) seat.proof_key.bytes[32] ^= 1;
        if (i == 3) seat.instance.bytes[0] ^= 1;
        if (i == 4) seat.bound_by.bytes[0] ^= 1;
        if (i == 5) seat.expires_at--;
        if (i == 6) seat.url[0] = 'x';
        set_seat(&seat);
        assert_int_equal(submit(sig.bytes, 65), BASE_OK);
        assert_false(result.stood_already);
        assert_int_equal(sent(), i + 1);
    }
}

/* ---- would the contract take the keys, and the address? ---- */

static struct node__seat_work work;
static struct chain_register args;

/* A chain of our own making: root, app key, derived key. */
static void make_chain(void)
{
    struct base_privkey root, app, derived;
    struct base_key33 app_pub;
    memset(&work, 0, sizeof work);
    memset(&args, 0, sizeof args);
    memset(&root, 0x55, sizeof root);
    memset(&args.app_id, 0xaa, sizeof args.app_id);
    work.w = &w;
    work.want.url = "";
    address_of(&work.state.kms_root, &root);
    work.state.app_ids[0] = args.app_id;
    work.state.app_id_count = 1;
    assert_int_equal(attest_derive_app_key(&app, &root, &args.app_id), BASE_OK);
    assert_int_equal(attest_derive_key(&derived, &app, "p", 1), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey(&work.want.proof_key, &derived), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey(&app_pub, &app), BASE_OK);
    assert_int_equal(base_ecdsa_pubkey_xy(args.app_xy, &app_pub), BASE_OK);
    assert_int_equal(attest_sign_app(&args.app_sig, &app, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                                     work.want.proof_key.bytes, 33),
                     BASE_OK);
    assert_int_equal(attest_sign_kms(&args.kms_sig, &root, &args.app_id, &app_pub), BASE_OK);
}

static void test_the_chain_is_judged_as_the_contract_does(void **state)
{
    (void)state;
    make_chain();
    assert_int_equal(node__seat_check_chain(&work, &args, why), BASE_OK);
    work.state.app_ids[0].bytes[0] ^= 1;
    assert_int_equal(node__seat_check_chain(&work, &args, why), BASE_EINVAL);
    assert_why("does not allow app aaaaaa");
    work.state.app_ids[0].bytes[0] ^= 1;
    work.state.kms_root.bytes[0] ^= 1;
    assert_int_equal(node__seat_check_chain(&work, &args, why), BASE_EINVAL);
    assert_why("KMS root 0x");
    work.state.kms_root.bytes[0] ^= 1;
    args.app_sig.bytes[3] ^= 1;
    assert_int_equal(node__seat_check_chain(&work, &args, why), BASE_EINVAL);
    assert_why("nothing was sent");
}

static void set_bools(const char *bools)
{
    static const char *const texts[] = {
        "\"result\":\"0x0000000000000000000000000000000000000000000000000000000000000000\"",
        "\"result\":\"0x0000000000000000000000000000000000000000000000000000000000000001\""};
    rpc_server_set(server, "eth_call", texts[bools[0] - '0']);
    for (const char *p = bools + 1; *p != '\0'; p++)
        rpc_server_then(server, "eth_call", texts[*p - '0']);
}

static void test_the_address_is_judged_as_the_contract_does(void **state)
{
    (void)state;
    make_chain();
    set_bools("0");
    assert_int_equal(node__seat_check_url(&work, why), BASE_OK); /* none is always taken */
    assert_int_equal(rpc_server_count(server, "eth_call"), 0);
    work.want.url = "tcp://a.mesh.example:9470";
    set_bools("1"); /* devMode */
    assert_int_equal(node__seat_check_url(&work, why), BASE_OK);
    set_bools("001"); /* a.mesh.example: no; mesh.example: yes */
    assert_int_equal(node__seat_check_url(&work, why), BASE_OK);
    assert_int_equal(rpc_server_count(server, "eth_call"), 3);
    set_bools("0");
    assert_int_equal(node__seat_check_url(&work, why), BASE_EINVAL);
    assert_why("\"a.mesh.example\"");
    assert_why("deploy status");
    assert_int_equal(rpc_server_count(server, "eth_call"), 4); /* and example */
    work.want.url = "tcp://A.mesh.example:9470";
    set_bools("0111"); /* the domains would be allowed, and the form is none */
    assert_int_equal(node__seat_check_url(&work, why), BASE_EINVAL);
    assert_why("no address of the form of tcp://A.mesh.example:9470");
    assert_int_equal(rpc_server_count(server, "eth_call"), 1);
}

/* The cases are those of contracts/test/Url.t.sol. */
static void test_a_url_is_read_as_the_contract_reads_it(void **state)
{
    static const struct {
        const char *url, *host; /* NULL: none */
    } cases[] = {{"tcp://example", "example"},
                 {"tcp://node.example", "node.example"},
                 {"tcp://node.example:7946", "node.example"},
                 {"https://a.b-1.c.example/path?query#fragment", "a.b-1.c.example"},
                 {"tls+tcp://node.example:65535/", "node.example"},
                 {"wss://0.example:1/@evil.org:80/", "0.example"},
                 {"tcp://127.0.0.1:7946", "127.0.0.1"},
                 {"", NULL},
                 {"node.example", NULL},
                 {"node.example:7946", NULL},
                 {"://node.example", NULL},
                 {"tcp:node.example", NULL},
                 {"tcp:/node.example", NULL},
                 {"TCP://node.example", NULL},
                 {" tcp://node.example", NULL},
                 {"t", NULL},
                 {"tcp:", NULL},
                 {"tcp:/", NULL},
                 {"//node.example", NULL},
                 {"tcp://", NULL},
                 {"tcp:///node.example", NULL},
                 {"tcp://:7946", NULL},
                 {"tcp://.example", NULL},
                 {"tcp://node..example", NULL},
                 {"tcp://node.example.", NULL},
                 {"tcp://Node.example", NULL},
                 {"tcp://evil.org@node.example", NULL},
                 {"tcp://node.example@evil.org", NULL},
                 {"tcp://node.example?@evil.org", NULL},
                 {"tcp://node.example#@evil.org", NULL},
                 {"tcp://node.example%2eevil.org", NULL},
                 {"tcp://node.example\n@evil.org", NULL},
                 {"tcp://[::1]", NULL},
                 {"tcp://[::1]:7946", NULL},
                 {"tcp://n\xc3\xb6"
                  "de.example",
                  NULL},
                 {"tcp://node_1.example", NULL},
                 {"tcp://node.example:", NULL},
                 {"tcp://node.example:/", NULL},
                 {"tcp://node.example:x", NULL},
                 {"tcp://node.example:123456", NULL},
                 {"tcp://node.example:1x", NULL},
                 {"tcp://user:pass@node.example", NULL}};
    char host[NODE__SEAT_HOST_BYTES], longest[NODE__SEAT_HOST_BYTES + 16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is_read = node__seat_url_host(host, cases[i].url);
        if (is_read != (cases[i].host != NULL)) fail_msg("another verdict: %s", cases[i].url);
        if (is_read) assert_string_equal(host, cases[i].host);
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "tcp://", 6);
    longest[6 + 253] = '\0';
    assert_true(node__seat_url_host(host, longest));
    assert_int_equal(strlen(host), 253);
    longest[6 + 253] = 'a';
    longest[6 + 254] = '\0';
    assert_false(node__seat_url_host(host, longest));
}

/* ---- what is not asked for stays as it is ---- */

static void read_with_url(const char *url)
{
    memset(&work, 0, sizeof work);
    memset(&result, 0, sizeof result);
    work.w = &w;
    work.result = &result;
    work.request = (struct node_seat_request){
        .has_token = true, .token = statement.binding.token_id, .url = url};
    work.want.owner = statement.owner;
    work.want.instance = statement.binding.instance;
    work.want.url = url != NULL ? url : "";
    if (node__seat_read_chain(&work, why) != BASE_OK) fail_msg("%s", why);
}

static void test_an_address_that_nobody_names_stays(void **state)
{
    (void)state;
    struct chain_seat seat = seat_of_statement();
    rpc_server_set(server, "eth_getBlockByNumber", "\"result\":" BLOCK);
    set_seat(&seat);
    read_with_url(NULL);
    assert_string_equal(work.want.url, "tcp://a:1");
    read_with_url("tcp://b:2");
    assert_string_equal(work.want.url, "tcp://b:2");
    seat.instance.bytes[0] ^= 1; /* another machine's address is not this one's */
    set_seat(&seat);
    read_with_url(NULL);
    assert_string_equal(work.want.url, "");
    seat = seat_of_statement();
    seat.has_keys = false;
    set_seat(&seat);
    read_with_url(NULL);
    assert_string_equal(work.want.url, "");
}

/* ---- which contract it is ---- */

static void test_an_endpoints_trouble_is_no_word_of_the_contract(void **state)
{
    (void)state;
    static const char *const troubles[] = {
        "\"error\":{\"code\":-32005,\"message\":\"rate limit exceeded\"}",
        "\"error\":{\"code\":-32603,\"message\":\"rate limit, internal\"}"};
    static const char refusal[] = "\"error\":{\"code\":3,\"message\":\"execution reverted\","
                                  "\"data\":\"0x\"}";
    static const char word[] = "\"result\":\"0x000000000000000000000000"
                               "1111111111111111111111111111111111111111\"";
    struct base_u256 token = base_u256_from_u64(7);
    struct chain_seat seat;
    bool is_prototype = true;
    const char *rpc = w.rpc;
    w.rpc = "http://127.0.0.1:1"; /* where nobody listens any more */
    assert_int_equal(node_prototype_detect(&w, &is_prototype, why), BASE_EREMOTE);
    assert_why("http://127.0.0.1:1");
    assert_false(is_prototype);
    assert_int_equal(node_prototype_read(&w, &seat, &token, why), BASE_EREMOTE);
    w.rpc = rpc;
    rpc_server_set(server, "eth_call", refusal);
    rpc_server_then(server, "eth_call", word);
    assert_int_equal(node_prototype_detect(&w, &is_prototype, why), BASE_OK);
    assert_true(is_prototype);
    for (size_t i = 0; i < 2; i++) {
        rpc_server_set(server, "eth_call", troubles[i]); /* of clusterState() */
        rpc_server_then(server, "eth_call", word);
        assert_int_equal(node_prototype_detect(&w, &is_prototype, why), BASE_EREMOTE);
        assert_why("rate limit");
        assert_false(is_prototype);
        rpc_server_set(server, "eth_call", refusal);
        rpc_server_then(server, "eth_call", troubles[i]); /* of kmsRootAddress() */
        assert_int_equal(node_prototype_detect(&w, &is_prototype, why), BASE_EREMOTE);
        assert_why("rate limit");
        rpc_server_set(server, "eth_call", troubles[i]); /* of ownerOf() */
        assert_int_equal(node_prototype_read(&w, &seat, &token, why), BASE_EREMOTE);
        assert_why("rate limit");
    }
    rpc_server_set(server, "eth_call", refusal);
    assert_int_equal(node_prototype_read(&w, &seat, &token, why), BASE_EINVAL);
    assert_why("no token 7");
    assert_int_equal(node_prototype_detect(&w, &is_prototype, why), BASE_EINVAL);
    assert_why("neither");
}

/* ---- an authorisation, right after a mint ---- */

#define BLOCK_OF(number)                                                                           \
    "\"result\":{\"number\":\"" number "\",\"hash\":\"" HASH "\",\"parentHash\":\"" HASH           \
    "\",\"timestamp\":\"0x6553f100\"}"

static void then_owner(const char *text, bool first)
{
    char member[128];
    snprintf(member, sizeof member, "\"result\":\"0x%024d%s\"", 0, text);
    if (first)
        rpc_server_set(server, "eth_call", member);
    else
        rpc_server_then(server, "eth_call", member);
}

/* The reference block is before the mint, then it is not; an endpoint that is busy meanwhile is
 * asked again; and nothing is asked twice that cannot have changed. */
static void test_the_reference_is_waited_for(void **state)
{
    static const char busy[] = "\"error\":{\"code\":-32005,\"message\":\"rate limit exceeded\"}";
    static const char unborn[] = "\"error\":{\"code\":3,\"message\":\"execution reverted\","
                                 "\"data\":\"0x\"}";
    struct node_authorise_request request = {.token = base_u256_from_u64(7), .revoke = true};
    struct node_bundle bundle;
    char owner[2 * BASE_ADDRESS_BYTES + 1], none[192];
    (void)state;
    address_of(&request.owner, &owner_key);
    base_hex_encode(owner, request.owner.bytes, BASE_ADDRESS_BYTES);
    snprintf(none, sizeof none, "\"result\":\"0x%064x%064x\"", 32u, 0u); /* an empty string */
    then_owner(owner, true);                                             /* now */
    rpc_server_then(server, "eth_call", none);
    rpc_server_then(server, "eth_call", busy);   /* at block 42 */
    rpc_server_then(server, "eth_call", unborn); /* at block 42 */
    then_owner(owner, false);                    /* at block 43 */
    rpc_server_set(server, "eth_getBlockByNumber", BLOCK_OF("0x2a"));
    for (int i = 0; i < 3; i++)
        rpc_server_then(server, "eth_getBlockByNumber", BLOCK_OF("0x2a"));
    rpc_server_then(server, "eth_getBlockByNumber", BLOCK_OF("0x2b"));
    int rv = node_authorise_wait(&w, NULL, &bundle, &request, why);
    if (rv != BASE_OK) fail_msg("%d: %s", rv, why);
    assert_int_equal(bundle.issued_block, 43);
    assert_int_equal(rpc_server_count(server, "eth_call"), 5);
    assert_int_equal(rpc_server_count(server, "eth_getBlockByNumber"), 5);
}

/* The time that the answers take counts as well as the pauses. */
static void test_the_wait_for_the_reference_ends(void **state)
{
    static const char busy[] = "\"error\":{\"code\":-32005,\"message\":\"rate limit exceeded\"}";
    struct node_authorise_request request = {.token = base_u256_from_u64(7), .revoke = true};
    struct node_bundle bundle;
    (void)state;
    rpc_server_set(server, "eth_call", busy);
    w.wait_ms = 600;
    assert_int_equal(node_authorise_wait(&w, NULL, &bundle, &request, why), BASE_EREMOTE);
    assert_why("rate limit");
    assert_true(rpc_server_count(server, "eth_call") <= 4);
}

/* ---- what an earlier command left behind ---- */

static void test_a_pending_transaction_is_waited_for(void **state)
{
    (void)state;
    /* pending, mined; pending, mined */
    rpc_server_set(server, "eth_getTransactionCount", "\"result\":\"0x8\"");
    rpc_server_then(server, "eth_getTransactionCount", "\"result\":\"0x7\"");
    rpc_server_then(server, "eth_getTransactionCount", "\"result\":\"0x8\"");
    assert_int_equal(node_wallet_settle(&w, why), BASE_OK);
    assert_int_equal(rpc_server_count(server, "eth_getTransactionCount"), 4);
    /* The next transaction is of this moment: another one between is a conflict, and unpaid. */
    struct base_buf calldata;
    struct node_wallet_call call = {.calldata = &calldata};
    base_buf_init(&calldata, 64);
    base_buf_append(&calldata, "abcd", 4);
    rpc_server_set(server, "eth_getTransactionCount", "\"result\":\"0x9\"");
    assert_int_equal(node_wallet_send_once(&w, &result.sent, &call, why), BASE_ESTATE);
    assert_why("nonce 8");
    assert_int_equal(sent(), 0);
    assert_int_equal(node_wallet_send_once(&w, &result.sent, &call, why), BASE_OK);
    base_buf_deinit(&calldata);
    rpc_server_set(server, "eth_getTransactionCount", "\"result\":\"0x8\"");
    for (int i = 0; i < 11; i++) {
        rpc_server_then(server, "eth_getTransactionCount", "\"result\":\"0x7\"");
        rpc_server_then(server, "eth_getTransactionCount", "\"result\":\"0x8\"");
    }
    w.wait_ms = 600;
    assert_int_equal(node_wallet_settle(&w, why), BASE_ETIMEOUT);
    assert_why("nonce 7");
    assert_why("nothing was sent");
}

/* ---- who signs ---- */

static void test_a_socket_that_a_killed_node_left_is_no_node(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char dir[] = "/tmp/nftmesh-seat-XXXXXX";
    struct node_seat_source source = {.data_dir = dir, .dstack = "/nonexistent/dstack.sock"};
    struct node_seat_signer signer;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", dir);
    node_seat_signer_attach(&signer, &w, &source);
    assert_false(signer.running);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    node_seat_signer_attach(&signer, &w, &source);
    assert_true(signer.running);
    close(fd);
    assert_int_equal(access(address.sun_path, R_OK | W_OK), 0);
    node_seat_signer_attach(&signer, &w, &source);
    assert_false(signer.running);
    assert_int_equal(node_seat_signer_open(&signer, &w, &source, why), BASE_EREFUSED);
    assert_why("no node runs here, and the guest agent");
    node_seat_signer_close(&signer);
    unlink(address.sun_path);
    rmdir(dir);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_keys_signature_in_both_forms),
        TEST(test_anothers_signature_is_not_paid_for),
        TEST(test_a_contracts_signature_is_passed_on),
        TEST(test_a_statement_of_another_mesh),
        TEST(test_what_stands_is_not_paid_for_again),
        TEST(test_the_chain_is_judged_as_the_contract_does),
        TEST(test_the_address_is_judged_as_the_contract_does),
        TEST(test_a_url_is_read_as_the_contract_reads_it),
        TEST(test_an_address_that_nobody_names_stays),
        TEST(test_an_endpoints_trouble_is_no_word_of_the_contract),
        TEST(test_the_reference_is_waited_for),
        TEST(test_the_wait_for_the_reference_ends),
        TEST(test_a_pending_transaction_is_waited_for),
        TEST(test_a_socket_that_a_killed_node_left_is_no_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
