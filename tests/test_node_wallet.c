/* A wallet against an endpoint that says what it likes: what is sent, for how much at most, and
 * what is never sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/u256.h"
#include "chain/abi.h"
#include "chain/tx.h"
#include "node/wallet.h"
#include "rpc_server.h"

#define CHAIN_ID 31337
/* anvil's first account, which everybody has. */
#define KEY     "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
#define ADDRESS "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
#define GWEI    UINT64_C(1000000000)
#define HASH    "0x1111111111111111111111111111111111111111111111111111111111111111"
#define RECEIPT                                                                                    \
    "\"result\":{\"transactionHash\":\"" HASH "\",\"status\":\"0x%x\",\"blockNumber\":\"0x2a\","   \
    "\"blockHash\":\"" HASH "\",\"gasUsed\":\"0xc350\",\"logs\":[%s]}"

static struct rpc_server *server;
static struct node_wallet w;
static struct base_eth_address contract;
static struct base_buf calldata;
static char why[NODE_WALLET_WHY_BYTES], dir[64], path[96];

static void set_receipt(unsigned status, const char *logs)
{
    char text[1024];
    snprintf(text, sizeof text, RECEIPT, status, logs);
    rpc_server_set(server, "eth_getTransactionReceipt", text);
}

static int setup(void **state)
{
    (void)state;
    if (base_ecdsa_init() != BASE_OK) return -1;
    memset(&contract, 0xcc, sizeof contract);
    server = rpc_server_new();
    rpc_server_set(server, "eth_chainId", "\"result\":\"0x7a69\"");
    rpc_server_set(server, "eth_getCode", "\"result\":\"0x6001\"");
    rpc_server_set(server, "eth_getTransactionCount", "\"result\":\"0x7\"");
    rpc_server_set(server, "eth_feeHistory",
                   "\"result\":{\"baseFeePerGas\":[\"0x1\",\"0x77359400\"]}"); /* 2 gwei */
    rpc_server_set(server, "eth_maxPriorityFeePerGas", "\"result\":\"0x3b9aca00\"");
    rpc_server_set(server, "eth_estimateGas", "\"result\":\"0xc350\"");           /* 50,000 */
    rpc_server_set(server, "eth_getBalance", "\"result\":\"0xde0b6b3a7640000\""); /* one ether */
    rpc_server_set(server, "eth_blockNumber", "\"result\":\"0x2a\"");
    rpc_server_set(server, "eth_sendRawTransaction", "\"result\":\"" HASH "\"");
    set_receipt(1, "");
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    base_buf_append(&calldata, "\x12\x34\x56\x78", 4);
    snprintf(dir, sizeof dir, "/tmp/nftmesh-wallet-XXXXXX");
    if (mkdtemp(dir) == NULL) return -1;
    snprintf(path, sizeof path, "%s/key", dir);
    memset(&w, 0, sizeof w);
    why[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    node_wallet_close(&w);
    base_buf_deinit(&calldata);
    rpc_server_free(server);
    unlink(path);
    rmdir(dir);
    return 0;
}

static void assert_why(const char *part)
{
    if (strstr(why, part) == NULL) fail_msg("\"%s\" is not in: %s", part, why);
    assert_null(strchr(why, '\n'));
    assert_null(strstr(why, "hunter2")); /* the URL's path is often a key */
}

static int open_it(void)
{
    return node_wallet_open(&w, rpc_server_url(server), CHAIN_ID, &contract, NULL, why);
}

static void open_with_key(void)
{
    if (open_it() != BASE_OK) fail_msg("%s", why);
    assert_int_equal(node_wallet_key(&w, NULL, KEY, why), BASE_OK);
    w.max_fee = base_u256_from_u64(200 * GWEI);
    w.wait_ms = 20000; /* never to its end, but where that is the subject */
}

/* ---- opening ---- */

static void test_an_endpoint_of_the_right_chain(void **state)
{
    (void)state;
    assert_int_equal(open_it(), BASE_OK);
    assert_int_equal(w.wait_ms, NODE_WALLET_WAIT_MS);
    assert_string_equal(rpc_server_param(server, "eth_getCode"),
                        "\"0xcccccccccccccccccccccccccccccccccccccccc\"");
}

static void test_another_chain_is_refused(void **state)
{
    (void)state;
    rpc_server_set(server, "eth_chainId", "\"result\":\"0x1\"");
    assert_int_equal(open_it(), BASE_EINVAL);
    assert_why("chain 1");
    assert_why("31337");
}

static void test_an_address_without_a_contract_is_refused(void **state)
{
    (void)state;
    rpc_server_set(server, "eth_getCode", "\"result\":\"0x\"");
    assert_int_equal(open_it(), BASE_EINVAL);
    assert_why("--contract");
}

static void test_endpoints_of_no_use(void **state)
{
    (void)state;
    rpc_server_set(server, "eth_chainId", "\"result\":17");
    assert_true(open_it() < 0);
    assert_why("eth_chainId");
    rpc_server_set(server, "eth_chainId",
                   "\"error\":{\"code\":-32005,\"message\":\"rate limited\"}");
    assert_true(open_it() < 0);
    assert_why("rate limited");
    rpc_server_break(server, 500, "hunter2");
    assert_int_equal(open_it(), BASE_EREMOTE);
    assert_why("HTTP status 500");
    rpc_server_break(server, 200, "<html>hunter2</html>");
    assert_int_equal(open_it(), BASE_EMALFORMED);
    assert_why("http://127.0.0.1:");
    assert_int_equal(
        node_wallet_open(&w, "http://127.0.0.1:1/hunter2", CHAIN_ID, &contract, NULL, why),
        BASE_EREMOTE); /* not REFUSED: that is the contract's word */
    assert_why("http://127.0.0.1:1");
}

/* ---- the key ---- */

static void write_key(const char *text, mode_t mode)
{
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static void assert_key_is_anvils(void)
{
    char address[BASE_ADDRESS_TEXT_BYTES];
    assert_true(w.has_key);
    base_address_format(address, &w.address);
    assert_string_equal(address, ADDRESS);
}

static void test_a_key_of_a_file(void **state)
{
    (void)state;
    write_key(KEY "\n", 0600);
    assert_int_equal(node_wallet_key(&w, path, NULL, why), BASE_OK);
    assert_key_is_anvils();
    memset(&w, 0, sizeof w);
    write_key("0x" KEY, 0400);
    assert_int_equal(node_wallet_key(&w, path, NULL, why), BASE_OK);
    assert_key_is_anvils();
}

static void test_a_file_goes_before_the_environment(void **state)
{
    (void)state;
    write_key(KEY "\n", 0600);
    assert_int_equal(node_wallet_key(&w, path, "11", why), BASE_OK);
    assert_key_is_anvils();
    memset(&w, 0, sizeof w);
    assert_int_equal(node_wallet_key(&w, NULL, "0x" KEY, why), BASE_OK);
    assert_key_is_anvils();
}

static void test_keys_that_are_none(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "11",
        KEY "00",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", /* the order */
        "zz0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_key(texts[i], 0600);
        assert_true(node_wallet_key(&w, path, NULL, why) < 0);
        assert_false(w.has_key);
        assert_why("--wallet-key-file");
        if (strlen(texts[i]) > 2) assert_null(strstr(why, texts[i])); /* never shown */
    }
    assert_true(node_wallet_key(&w, NULL, NULL, why) < 0);
    assert_why("--wallet-key-file");
}

static void test_a_key_that_others_can_read_is_refused(void **state)
{
    (void)state;
    write_key(KEY "\n", 0640);
    assert_true(node_wallet_key(&w, path, NULL, why) < 0);
    assert_false(w.has_key);
    assert_why(path);
    unlink(path);
    assert_true(node_wallet_key(&w, path, NULL, why) < 0);
    assert_why(path);
}

/* ---- what is sent ---- */

static void sent_transaction(struct chain_tx *tx, struct base_eth_address *from)
{
    static uint8_t raw[CHAIN_TX_BYTES_MAX];
    struct chain_tx_access access[CHAIN_TX_ACCESS_MAX];
    struct base_sig65 sig;
    size_t len;
    char hex[4096];
    const char *param = rpc_server_param(server, "eth_sendRawTransaction");
    assert_true(strlen(param) > 2 && strlen(param) < sizeof hex);
    snprintf(hex, sizeof hex, "%.*s", (int)strlen(param) - 2, param + 1);
    assert_int_equal(base_hex_decode_var(raw, &len, sizeof raw, hex), BASE_OK);
    assert_int_equal(chain_tx_decode(tx, access, &sig, from, raw, len), BASE_OK);
}

static void assert_wei(const struct base_u256 *is, uint64_t wei)
{
    struct base_u256 wanted = base_u256_from_u64(wei);
    assert_true(base_u256_equal(is, &wanted));
}

static int send_calldata(struct node_wallet *from, struct node_wallet_sent *sent,
                         const struct base_buf *data, char *reason)
{
    struct node_wallet_call call = {.calldata = data};
    return node_wallet_send_call(from, sent, &call, reason);
}

static void test_a_transaction_as_it_should_be(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct chain_tx tx;
    struct base_eth_address from;
    open_with_key();
    if (send_calldata(&w, &sent, &calldata, why) != BASE_OK) fail_msg("%s", why);
    assert_int_equal(sent.block, 42);
    assert_int_equal(sent.gas_used, 50000);
    assert_false(sent.dry_run || sent.has_minted);
    sent_transaction(&tx, &from);
    assert_true(base_address_equal(&from, &w.address));
    assert_int_equal(tx.type, CHAIN_TX_EIP1559);
    assert_int_equal(tx.chain_id, CHAIN_ID);
    assert_int_equal(tx.nonce, 7);
    assert_int_equal(tx.gas_limit, 60000);
    assert_wei(&tx.max_fee, 5 * GWEI); /* twice the base fee, and the tip */
    assert_wei(&tx.max_priority_fee, GWEI);
    assert_true(tx.has_to);
    assert_true(base_address_equal(&tx.to, &contract));
    assert_int_equal(tx.data.len, 4);
    assert_memory_equal(tx.data.data, "\x12\x34\x56\x78", 4);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 1);
}

static void test_the_fee_has_a_bound(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct chain_tx tx;
    struct base_eth_address from;
    rpc_server_set(server, "eth_feeHistory",
                   "\"result\":{\"baseFeePerGas\":[\"0x1\",\"0x22ecb25c00\"]}"); /* 150 gwei */
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    sent_transaction(&tx, &from);
    assert_wei(&tx.max_fee, 200 * GWEI);
    assert_wei(&sent.max_cost, 60000 * 200 * GWEI);
}

/* An endpoint that asks for a fortune as a tip gets the bound, no more. */
static void test_the_tip_has_the_same_bound(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct chain_tx tx;
    struct base_eth_address from;
    rpc_server_set(server, "eth_maxPriorityFeePerGas", "\"result\":\"0xde0b6b3a7640000\"");
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    sent_transaction(&tx, &from);
    assert_wei(&tx.max_fee, 200 * GWEI);
    assert_wei(&tx.max_priority_fee, 200 * GWEI);
}

static void assert_nothing_sent(int rv, const char *part)
{
    struct node_wallet_sent sent;
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), rv);
    assert_why(part);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 0);
}

static void test_a_base_fee_above_the_bound(void **state)
{
    (void)state;
    rpc_server_set(server, "eth_feeHistory",
                   "\"result\":{\"baseFeePerGas\":[\"0x1\",\"0x2ecc889a01\"]}"); /* 201 gwei */
    assert_nothing_sent(BASE_EREFUSED, "--max-fee-gwei");
}

/* Twice this is a small number again, modulo 2^256. */
static void test_a_base_fee_beyond_all_numbers(void **state)
{
    (void)state;
    rpc_server_set(server, "eth_feeHistory",
                   "\"result\":{\"baseFeePerGas\":[\"0x1\",\"0x80000000000000000000000000000000"
                   "00000000000000000000000000000000\"]}");
    assert_nothing_sent(BASE_EREFUSED, "--max-fee-gwei");
}

static void test_gas_beyond_reason(void **state)
{
    (void)state;
    rpc_server_set(server, "eth_estimateGas", "\"result\":\"0xffffffffffffffff\"");
    assert_nothing_sent(BASE_EMALFORMED, "gas");
}

static void test_a_revert_is_told_in_the_contracts_words(void **state)
{
    (void)state;
    char text[256];
    uint8_t selector[4];
    chain_abi_selector(selector, "MintingPrivate()");
    snprintf(text, sizeof text,
             "\"error\":{\"code\":3,\"message\":\"execution reverted\",\"data\":"
             "\"0x%02x%02x%02x%02x\"}",
             selector[0], selector[1], selector[2], selector[3]);
    rpc_server_set(server, "eth_estimateGas", text);
    assert_nothing_sent(BASE_EREFUSED, "MintingPrivate");
}

static void test_answers_of_another_form(void **state)
{
    static const char *const methods[] = {"eth_getTransactionCount", "eth_feeHistory",
                                          "eth_maxPriorityFeePerGas", "eth_estimateGas"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct node_wallet_sent sent;
        teardown(NULL);
        setup(NULL);
        open_with_key();
        rpc_server_set(server, methods[i], "\"result\":\"many\"");
        assert_true(send_calldata(&w, &sent, &calldata, why) < 0);
        assert_why("another form");
        assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 0);
    }
}

static void test_a_dry_run_sends_nothing(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    open_with_key();
    w.dry_run = true;
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    assert_true(sent.dry_run);
    assert_int_equal(sent.gas_used, 60000);
    assert_wei(&sent.max_cost, 60000 * 5 * GWEI);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 0);
}

static void test_a_call_that_is_too_large(void **state)
{
    (void)state;
    calldata.failed = true;
    assert_nothing_sent(BASE_ETOOBIG, "too large");
}

static void test_an_endpoint_that_does_not_take_it(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    rpc_server_set(server, "eth_sendRawTransaction",
                   "\"error\":{\"code\":-32000,\"message\":\"insufficient funds for gas\"}");
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_EREMOTE);
    assert_why("insufficient funds");
    assert_int_equal(rpc_server_count(server, "eth_getTransactionReceipt"), 0);
}

/* ---- receipts ---- */

static void test_a_receipt_takes_its_time(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    char text[1024];
    snprintf(text, sizeof text, RECEIPT, 1, "");
    rpc_server_set(server, "eth_getTransactionReceipt", "\"result\":null");
    rpc_server_then(server, "eth_getTransactionReceipt",
                    "\"error\":{\"code\":-32000,\"message\":\"busy\"}");
    rpc_server_then(server, "eth_getTransactionReceipt", text);
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    assert_int_equal(rpc_server_count(server, "eth_getTransactionReceipt"), 3);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 1);
}

static void test_no_receipt_at_all(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    char hash[67];
    rpc_server_set(server, "eth_getTransactionReceipt", "\"result\":null");
    open_with_key();
    w.wait_ms = 400;
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_ETIMEOUT);
    assert_why("look before you send it again");
    snprintf(hash, sizeof hash, "%.66s", rpc_server_param(server, "eth_getTransactionReceipt") + 1);
    assert_why(hash);
    assert_int_equal(sent.replaced + 1, rpc_server_count(server, "eth_sendRawTransaction"));
}

static void test_a_transaction_that_reverted(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    set_receipt(0, "");
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_EREFUSED);
    assert_why("reverted");
    assert_why("42");
}

/* ---- what the wallet has ---- */

static void test_a_wallet_that_cannot_pay(void **state)
{
    (void)state;
    /* 60,000 gas at 5 gwei are 0.0003 ether. */
    rpc_server_set(server, "eth_getBalance", "\"result\":\"0x5af3107a4000\""); /* 0.0001 */
    assert_nothing_sent(BASE_EREFUSED, "0.0002 ether are missing");
    assert_why(ADDRESS);
    assert_why("has 0.0001");
    assert_why("up to 0.0003");
}

/* An endpoint that estimates nothing for the poor: it is said that they are poor. */
/* Nothing to pay but gas, and an endpoint that estimates nothing for an empty account. */
static void test_gas_that_cannot_be_paid(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    rpc_server_set(server, "eth_getBalance", "\"result\":\"0x0\"");
    rpc_server_set(
        server, "eth_estimateGas",
        "\"error\":{\"code\":-32000,\"message\":\"gas required exceeds allowance (0)\"}");
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_EREFUSED);
    assert_why("0.000105 ether are missing"); /* 21,000 at 5 gwei */
    assert_why("costs more than");
    assert_why("nothing was sent");
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 0);
}

static void test_a_price_that_cannot_be_paid(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct node_wallet_call call = {.calldata = &calldata,
                                    .value = base_u256_from_u64(UINT64_C(2000000000000000000))};
    rpc_server_set(server, "eth_estimateGas",
                   "\"error\":{\"code\":-32000,\"message\":\"gas required exceeds allowance\"}");
    open_with_key();
    assert_int_equal(node_wallet_send_call(&w, &sent, &call, why), BASE_EREFUSED);
    assert_why("1.000105 ether are missing");
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 0);
}

static void test_value_goes_along(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct chain_tx tx;
    struct base_eth_address from;
    struct node_wallet_call call = {
        .calldata = &calldata, .value = base_u256_from_u64(GWEI), .what = "mint"};
    open_with_key();
    assert_int_equal(node_wallet_send_call(&w, &sent, &call, why), BASE_OK);
    sent_transaction(&tx, &from);
    assert_wei(&tx.value, GWEI);
    assert_wei(&sent.value, GWEI);
    assert_wei(&sent.max_cost, 60000 * 5 * GWEI + GWEI);
    assert_string_equal(sent.what, "mint");
}

/* ---- no receipt: the same nonce, dearer ---- */

static void set_receipts_after(size_t nulls)
{
    char text[1024];
    snprintf(text, sizeof text, RECEIPT, 1, "");
    rpc_server_set(server, "eth_getTransactionReceipt", "\"result\":null");
    for (size_t i = 1; i < nulls; i++)
        rpc_server_then(server, "eth_getTransactionReceipt", "\"result\":null");
    rpc_server_then(server, "eth_getTransactionReceipt", text);
}

/* No receipt before method was called so often; a replacement comes after two seconds. */
static void set_receipt_after(const char *method, size_t times)
{
    char text[1024];
    snprintf(text, sizeof text, RECEIPT, 1, "");
    rpc_server_set(server, "eth_getTransactionReceipt", "\"result\":null");
    rpc_server_after(server, "eth_getTransactionReceipt", method, times, text);
    w.wait_ms = 8000;
}

static void test_a_transaction_that_nobody_mines_is_replaced(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct chain_tx tx;
    struct base_eth_address from;
    open_with_key();
    set_receipt_after("eth_sendRawTransaction", 2);
    if (send_calldata(&w, &sent, &calldata, why) != BASE_OK) fail_msg("%s", why);
    assert_true(sent.replaced >= 1);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), sent.replaced + 1);
    sent_transaction(&tx, &from);
    assert_int_equal(tx.nonce, 7);
    assert_int_equal(tx.gas_limit, 60000);
    /* 12.5 % and one wei more, each time. */
    struct base_u256 least = base_u256_from_u64(5 * GWEI * 9 / 8),
                     tip = base_u256_from_u64(GWEI * 9 / 8);
    assert_true(base_u256_compare(&tx.max_fee, &least) > 0);
    assert_true(base_u256_compare(&tx.max_priority_fee, &tip) > 0);
    assert_true(base_u256_equal(&tx.max_fee, &sent.max_fee));
}

static void test_a_replacement_has_the_same_bound(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct chain_tx tx;
    struct base_eth_address from;
    rpc_server_set(server, "eth_getTransactionReceipt", "\"result\":null");
    open_with_key();
    w.max_fee = base_u256_from_u64(5 * GWEI + GWEI / 2);
    w.wait_ms = 1200;
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_ETIMEOUT);
    assert_int_equal(sent.replaced, 0);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 1);
    sent_transaction(&tx, &from);
    assert_wei(&tx.max_fee, 5 * GWEI);
}

/* ---- nonces ---- */

#define REFUSES(text) "\"error\":{\"code\":-32000,\"message\":\"" text "\"}"

static void test_what_is_known_already_is_sent(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    rpc_server_set(server, "eth_sendRawTransaction", REFUSES("already known"));
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 1);
}

static void assert_conflict(const char *words)
{
    struct node_wallet_sent sent;
    struct node_wallet_call call = {.calldata = &calldata};
    rpc_server_set(server, "eth_sendRawTransaction", words);
    assert_int_equal(node_wallet_send_once(&w, &sent, &call, why), BASE_ESTATE);
    assert_why("nonce 7");
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 1);
}

static void test_a_nonce_that_another_took(void **state)
{
    (void)state;
    open_with_key();
    assert_conflict(REFUSES("replacement transaction underpriced"));
}

/* Somebody on the way sent our bytes twice, and the second time was answered: they are mined. */
static void test_a_used_nonce_may_be_our_own(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    set_receipts_after(2);
    rpc_server_set(server, "eth_sendRawTransaction",
                   REFUSES("nonce too low: next nonce 8, tx nonce 7"));
    open_with_key();
    if (send_calldata(&w, &sent, &calldata, why) != BASE_OK) fail_msg("%s", why);
    assert_int_equal(sent.nonce, 7);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 1);
}

/* Or it is another's: then no receipt of ours comes. */
static void test_a_used_nonce_of_another(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct node_wallet_call call = {.calldata = &calldata};
    rpc_server_set(server, "eth_getTransactionCount", "\"result\":\"0x7\"");
    rpc_server_then(server, "eth_getTransactionCount", "\"result\":\"0x8\"");
    rpc_server_set(server, "eth_getTransactionReceipt", "\"result\":null");
    rpc_server_set(server, "eth_sendRawTransaction", REFUSES("nonce too low"));
    open_with_key();
    w.wait_ms = 32000;
    assert_int_equal(node_wallet_send_once(&w, &sent, &call, why), BASE_ESTATE);
    assert_why("nonce 7");
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 1);
}

/* Some pools want more than an eighth: the next one offers more again. */
static void test_a_replacement_that_was_too_cheap_is_raised(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct chain_tx tx;
    struct base_eth_address from;
    rpc_server_set(server, "eth_sendRawTransaction", "\"result\":\"" HASH "\"");
    rpc_server_then(server, "eth_sendRawTransaction",
                    REFUSES("replacement transaction underpriced"));
    open_with_key();
    set_receipt_after("eth_feeHistory", 3); /* asked before the first one and each replacement */
    if (send_calldata(&w, &sent, &calldata, why) != BASE_OK) fail_msg("%s", why);
    assert_true(sent.replaced >= 2);
    sent_transaction(&tx, &from);
    struct base_u256 least = base_u256_from_u64(5 * GWEI * 9 / 8 * 9 / 8),
                     cost = base_u256_times(&tx.max_fee, tx.gas_limit);
    assert_true(base_u256_compare(&tx.max_fee, &least) > 0);
    assert_true(base_u256_equal(&sent.max_cost, &cost)); /* of the dearest */
}

/* What is right whoever else sends is estimated and sent anew, with the next nonce. */
static void test_a_conflict_is_read_and_sent_anew(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct chain_tx tx;
    struct base_eth_address from;
    rpc_server_set(server, "eth_getTransactionCount", "\"result\":\"0x7\"");
    rpc_server_then(server, "eth_getTransactionCount", "\"result\":\"0x8\"");
    rpc_server_set(server, "eth_sendRawTransaction",
                   REFUSES("replacement transaction underpriced"));
    rpc_server_then(server, "eth_sendRawTransaction", "\"result\":\"" HASH "\"");
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    assert_int_equal(rpc_server_count(server, "eth_estimateGas"), 2);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 2);
    sent_transaction(&tx, &from);
    assert_int_equal(tx.nonce, 8);
}

/* Accepted, and then another one with the same nonce was mined: ours never will be. */
static void test_a_nonce_that_is_used_while_we_wait(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    struct node_wallet_call call = {.calldata = &calldata};
    rpc_server_set(server, "eth_getTransactionCount", "\"result\":\"0x7\"");
    rpc_server_then(server, "eth_getTransactionCount", "\"result\":\"0x8\"");
    rpc_server_set(server, "eth_getTransactionReceipt", "\"result\":null");
    open_with_key();
    w.wait_ms = 32000;
    assert_int_equal(node_wallet_send_once(&w, &sent, &call, why), BASE_ESTATE);
    assert_why("nonce 7");
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 1);
}

/* ---- an endpoint that breaks off ---- */

static void test_silence_is_no_refusal(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    set_receipts_after(2);
    rpc_server_set(server, "eth_sendRawTransaction", "\"result\":17");
    rpc_server_then(server, "eth_sendRawTransaction", "\"result\":\"" HASH "\"");
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    assert_int_equal(sent.replaced, 0); /* the same bytes again */
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 2);
}

/* ---- confirmations ---- */

static void test_confirmations_by_chain(void **state)
{
    (void)state;
    assert_int_equal(open_it(), BASE_OK);
    assert_int_equal(w.confirmations, 1);
    node_wallet_close(&w);
    rpc_server_set(server, "eth_chainId", "\"result\":\"0x2105\"");
    assert_int_equal(node_wallet_open(&w, rpc_server_url(server), 8453, &contract, NULL, why),
                     BASE_OK);
    assert_int_equal(w.confirmations, 2);
}

static void test_confirmations_are_waited_for(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    rpc_server_set(server, "eth_blockNumber", "\"result\":\"0x2a\"");
    rpc_server_then(server, "eth_blockNumber", "\"result\":\"0x2b\"");
    rpc_server_then(server, "eth_blockNumber", "\"result\":\"0x2c\"");
    open_with_key();
    w.confirmations = 3;
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    assert_int_equal(rpc_server_count(server, "eth_blockNumber"), 3);
    rpc_server_set(server, "eth_blockNumber", "\"result\":\"0x2b\"");
    w.wait_ms = 300;
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_ETIMEOUT);
    assert_why("block 42");
    assert_why("3 confirmations");
}

static void test_a_reorganisation_is_noticed(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    char text[1024];
    snprintf(text, sizeof text, RECEIPT, 1, "");
    rpc_server_set(server, "eth_getTransactionReceipt", text);
    rpc_server_then(server, "eth_getTransactionReceipt", "\"result\":null");
    rpc_server_then(server, "eth_getTransactionReceipt", text);
    rpc_server_set(server, "eth_blockNumber", "\"result\":\"0x2a\"");
    rpc_server_then(server, "eth_blockNumber", "\"result\":\"0x2a\"");
    rpc_server_then(server, "eth_blockNumber", "\"result\":\"0x2b\"");
    open_with_key();
    w.confirmations = 2;
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    assert_int_equal(rpc_server_count(server, "eth_getTransactionReceipt"), 3);
    assert_int_equal(rpc_server_count(server, "eth_sendRawTransaction"), 2); /* the same again */
    assert_int_equal(sent.replaced, 0);
}

/* ---- mints, and words for a revert on the chain ---- */

static void test_a_revert_on_the_chain_is_explained(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    char text[256];
    uint8_t selector[4];
    chain_abi_selector(selector, "MintingPrivate()");
    snprintf(text, sizeof text,
             "\"error\":{\"code\":3,\"message\":\"execution reverted\",\"data\":"
             "\"0x%02x%02x%02x%02x\"}",
             selector[0], selector[1], selector[2], selector[3]);
    rpc_server_set(server, "eth_call", text);
    set_receipt(0, "");
    open_with_key();
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_EREFUSED);
    assert_true(sent.reverted);
    assert_why("MintingPrivate");
}

static void test_a_mint_names_its_token(void **state)
{
    (void)state;
    struct node_wallet_sent sent;
    const char *log = "{\"address\":\"0x%s\",\"topics\":["
                      "\"0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef\","
                      "\"0x0000000000000000000000000000000000000000000000000000000000000000\","
                      "\"0x000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266\","
                      "\"0x0000000000000000000000000000000000000000000000000000000000000009\"],"
                      "\"data\":\"0x\"}";
    char text[1024];
    open_with_key();
    w.mint_to = w.address;
    snprintf(text, sizeof text, log, "cccccccccccccccccccccccccccccccccccccccc");
    set_receipt(1, text);
    if (send_calldata(&w, &sent, &calldata, why) != BASE_OK) fail_msg("%s", why);
    assert_true(sent.has_minted);
    assert_wei(&sent.minted, 9);
    /* Another contract's token is none of ours. */
    snprintf(text, sizeof text, log, "dddddddddddddddddddddddddddddddddddddddd");
    set_receipt(1, text);
    assert_int_equal(send_calldata(&w, &sent, &calldata, why), BASE_OK);
    assert_false(sent.has_minted);
}

/* ---- reading ---- */

static void set_call(const struct base_buf *data, bool first)
{
    struct base_buf text;
    base_buf_init(&text, 1 << 20);
    base_buf_puts(&text, "\"result\":\"0x");
    base_buf_hex(&text, data->data, data->len);
    base_buf_puts(&text, "\"");
    if (first)
        rpc_server_set(server, "eth_call", text.data);
    else
        rpc_server_then(server, "eth_call", text.data);
    base_buf_deinit(&text);
}

static void set_state(uint64_t seats)
{
    struct chain_cluster_state state = {.root_epoch = 1, .seat_count = seats, .block_number = 5};
    struct base_buf data;
    base_buf_init(&data, 1 << 16);
    assert_int_equal(chain_contract_encode_cluster_state(&data, &state), BASE_OK);
    set_call(&data, true);
    base_buf_deinit(&data);
}

static void add_page(uint64_t from, size_t count)
{
    struct chain_seat *seats = calloc(CHAIN_PAGE_SEATS, sizeof *seats);
    struct base_buf data;
    assert_non_null(seats);
    for (size_t i = 0; i < count; i++) {
        seats[i].token_id = base_u256_from_u64(from + i);
        seats[i].owner.bytes[0] = 1;
    }
    base_buf_init(&data, 1 << 18);
    assert_int_equal(chain_contract_encode_members(&data, seats, count), BASE_OK);
    set_call(&data, false);
    base_buf_deinit(&data);
    free(seats);
}

static void test_seats_come_page_by_page(void **state)
{
    (void)state;
    struct chain_cluster_state cluster;
    struct chain_seat *seats;
    size_t count;
    open_with_key();
    set_state(40);
    add_page(1, 32);
    add_page(33, 8);
    if (node_wallet_seats(&w, &cluster, &seats, &count, why) != BASE_OK) fail_msg("%s", why);
    assert_int_equal(count, 40);
    for (size_t i = 0; i < count; i++)
        assert_wei(&seats[i].token_id, i + 1);
    free(seats);
    /* Some were burned between two pages. */
    set_state(40);
    add_page(1, 30);
    add_page(1, 0);
    assert_int_equal(node_wallet_seats(&w, &cluster, &seats, &count, why), BASE_OK);
    assert_int_equal(count, 30);
    free(seats);
}

static void test_a_contract_that_is_not_ours(void **state)
{
    (void)state;
    struct chain_cluster_state cluster;
    struct chain_seat *seats;
    size_t count;
    open_with_key();
    rpc_server_set(server, "eth_call", "\"result\":\"0x\"");
    assert_true(node_wallet_seats(&w, &cluster, &seats, &count, why) < 0);
    assert_why("is this our contract?");
    assert_null(seats);
    set_state(1);
    rpc_server_then(server, "eth_call", "\"result\":\"0x00\"");
    assert_true(node_wallet_seats(&w, &cluster, &seats, &count, why) < 0);
    assert_why("membersPage");
    assert_null(seats);
    rpc_server_set(server, "eth_call", "\"error\":{\"code\":3,\"message\":\"execution reverted\"}");
    assert_true(node_wallet_seats(&w, &cluster, &seats, &count, why) < 0);
    assert_why("reverted");
}

static void test_closing_forgets_the_key(void **state)
{
    (void)state;
    static const struct node_wallet none;
    open_with_key();
    node_wallet_close(&w);
    assert_memory_equal(&w, &none, sizeof none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_endpoint_of_the_right_chain),
        TEST(test_another_chain_is_refused),
        TEST(test_an_address_without_a_contract_is_refused),
        TEST(test_endpoints_of_no_use),
        TEST(test_a_key_of_a_file),
        TEST(test_a_file_goes_before_the_environment),
        TEST(test_keys_that_are_none),
        TEST(test_a_key_that_others_can_read_is_refused),
        TEST(test_a_transaction_as_it_should_be),
        TEST(test_the_fee_has_a_bound),
        TEST(test_the_tip_has_the_same_bound),
        TEST(test_a_base_fee_above_the_bound),
        TEST(test_a_base_fee_beyond_all_numbers),
        TEST(test_gas_beyond_reason),
        TEST(test_a_revert_is_told_in_the_contracts_words),
        TEST(test_answers_of_another_form),
        TEST(test_a_dry_run_sends_nothing),
        TEST(test_a_call_that_is_too_large),
        TEST(test_an_endpoint_that_does_not_take_it),
        TEST(test_a_receipt_takes_its_time),
        TEST(test_no_receipt_at_all),
        TEST(test_a_transaction_that_reverted),
        TEST(test_a_mint_names_its_token),
        TEST(test_a_wallet_that_cannot_pay),
        TEST(test_gas_that_cannot_be_paid),
        TEST(test_a_price_that_cannot_be_paid),
        TEST(test_value_goes_along),
        TEST(test_a_transaction_that_nobody_mines_is_replaced),
        TEST(test_a_replacement_has_the_same_bound),
        TEST(test_what_is_known_already_is_sent),
        TEST(test_a_nonce_that_another_took),
        TEST(test_a_used_nonce_may_be_our_own),
        TEST(test_a_used_nonce_of_another),
        TEST(test_a_replacement_that_was_too_cheap_is_raised),
        TEST(test_a_conflict_is_read_and_sent_anew),
        TEST(test_a_nonce_that_is_used_while_we_wait),
        TEST(test_silence_is_no_refusal),
        TEST(test_confirmations_by_chain),
        TEST(test_confirmations_are_waited_for),
        TEST(test_a_reorganisation_is_noticed),
        TEST(test_a_revert_on_the_chain_is_explained),
        TEST(test_seats_come_page_by_page),
        TEST(test_a_contract_that_is_not_ours),
        TEST(test_closing_forgets_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
