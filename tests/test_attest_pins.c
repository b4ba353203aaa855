/* Pins: what is trusted whatever the contract says later, the rules of --dev, and the file. */
#include "json_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "attest/pins.h"
#include "base/err.h"

static struct base_eth_address addr(uint8_t byte)
{
    struct base_eth_address out;
    memset(&out, byte, sizeof out);
    return out;
}

static struct base_eth_address public_root(void)
{
    struct base_eth_address out;
    assert_int_equal(base_address_parse(&out, "0x8f2cF602C9695b23130367ed78d8F557554de7C5"),
                     BASE_OK);
    return out;
}

struct world { /* a chain that names root 1 and apps 0xa1, 0xa2 */
    struct base_eth_address apps[ATTEST_PIN_APP_IDS_MAX + 1];
    struct attest_pins_seen seen;
    struct attest_pins pins;
    bool changed;
};

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->apps[0] = addr(0xa1);
    w->apps[1] = addr(0xa2);
    w->seen.root = addr(1);
    w->seen.app_ids = w->apps;
    w->seen.app_id_count = 2;
}

static int see(struct world *w)
{
    return attest_pins_see(&w->pins, &w->changed, &w->seen, false);
}

static bool has_root(const struct world *w, uint8_t byte)
{
    struct base_eth_address root = addr(byte);
    return attest_pins_has_root(&w->pins, &root);
}

static bool allows(const struct world *w, uint8_t byte)
{
    struct base_eth_address app = addr(byte);
    return attest_pins_allows_app(&w->pins, &w->seen, &app);
}

static enum attest_pins_verdict judge(const struct world *w, uint8_t own)
{
    struct base_eth_address app = addr(own);
    return attest_pins_judge(&w->pins, &w->seen, &app);
}

/* ---- first seen, flags, accept ---- */

static void test_first_sight_pins(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    assert_int_equal(judge(&w, 0xa1), ATTEST_PINS_NOTHING_PINNED);
    assert_false(allows(&w, 0xa1));
    assert_int_equal(see(&w), BASE_OK);
    assert_true(w.changed);
    assert_int_equal(w.pins.root_source, ATTEST_PIN_FIRST_SEEN);
    assert_int_equal(w.pins.app_source, ATTEST_PIN_FIRST_SEEN);
    assert_true(has_root(&w, 1) && allows(&w, 0xa1) && allows(&w, 0xa2));
    assert_int_equal(judge(&w, 0xa1), ATTEST_PINS_AGREE);
    assert_int_equal(see(&w), BASE_OK);
    assert_false(w.changed);
}

static void test_second_sight_does_not_move_pins(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    assert_int_equal(see(&w), BASE_OK);
    w.seen.root = addr(2);
    w.apps[1] = addr(0xa3);
    assert_int_equal(see(&w), BASE_OK);
    assert_false(w.changed);
    assert_true(has_root(&w, 1) && !has_root(&w, 2));
    assert_true(allows(&w, 0xa1));
    assert_false(allows(&w, 0xa2)); /* taken off the chain: gone at once */
    assert_false(allows(&w, 0xa3)); /* on the chain, not pinned: not allowed */
}

static void test_flags_win_over_the_chain(void **state)
{
    struct world w;
    struct base_eth_address roots[2] = {addr(7), addr(8)}, app = addr(0xa2);
    (void)state;
    world_init(&w);
    assert_int_equal(attest_pins_set_flags(&w.pins, roots, 2, &app, 1), BASE_OK);
    assert_int_equal(see(&w), BASE_OK);
    assert_false(w.changed);
    assert_int_equal(w.pins.root_source, ATTEST_PIN_FLAG);
    assert_true(has_root(&w, 7) && has_root(&w, 8) && !has_root(&w, 1));
    assert_true(allows(&w, 0xa2) && !allows(&w, 0xa1));
    assert_int_equal(judge(&w, 0xa2), ATTEST_PINS_ROOT_CHANGED);
    w.seen.root = addr(8);
    assert_int_equal(judge(&w, 0xa2), ATTEST_PINS_APP_UNPINNED);
    assert_int_equal(judge(&w, 0xa1), ATTEST_PINS_OWN_APP);
}

static void test_a_flag_pins_its_kind_only(void **state)
{
    struct world w;
    struct base_eth_address root = addr(1);
    (void)state;
    world_init(&w);
    assert_int_equal(attest_pins_set_flags(&w.pins, &root, 1, NULL, 0), BASE_OK);
    assert_int_equal(see(&w), BASE_OK);
    assert_true(w.changed);
    assert_int_equal(w.pins.root_source, ATTEST_PIN_FLAG);
    assert_int_equal(w.pins.app_source, ATTEST_PIN_FIRST_SEEN);
    world_init(&w);
    assert_int_equal(attest_pins_set_flags(&w.pins, NULL, 0, w.apps, 1), BASE_OK);
    assert_int_equal(w.pins.root_source, ATTEST_PIN_NONE);
    assert_int_equal(see(&w), BASE_OK);
    assert_int_equal(w.pins.root_source, ATTEST_PIN_FIRST_SEEN);
    assert_int_equal(w.pins.app_source, ATTEST_PIN_FLAG);
}

static void test_flags_out_of_bounds(void **state)
{
    static const struct attest_pins none;
    struct base_eth_address many[ATTEST_PIN_APP_IDS_MAX + 1], twice[2] = {addr(3), addr(3)};
    struct base_eth_address zero = addr(0), good = addr(9);
    struct world w;
    (void)state;
    world_init(&w);
    for (uint8_t i = 0; i <= ATTEST_PIN_APP_IDS_MAX; i++)
        many[i] = addr((uint8_t)(i + 1));
    assert_int_equal(attest_pins_set_flags(&w.pins, &zero, 1, NULL, 0), BASE_EINVAL);
    assert_int_equal(attest_pins_set_flags(&w.pins, twice, 2, NULL, 0), BASE_EINVAL);
    assert_int_equal(attest_pins_set_flags(&w.pins, many, ATTEST_PIN_ROOTS_MAX + 1, NULL, 0),
                     BASE_ETOOBIG);
    assert_int_equal(attest_pins_set_flags(&w.pins, &good, 1, &zero, 1), BASE_EINVAL);
    assert_int_equal(attest_pins_set_flags(&w.pins, &good, 1, twice, 2), BASE_EINVAL);
    assert_int_equal(attest_pins_set_flags(&w.pins, &good, 1, many, ATTEST_PIN_APP_IDS_MAX + 1),
                     BASE_ETOOBIG);
    assert_memory_equal(&w.pins, &none, sizeof none);
    assert_int_equal(
        attest_pins_set_flags(&w.pins, many, ATTEST_PIN_ROOTS_MAX, many, ATTEST_PIN_APP_IDS_MAX),
        BASE_OK);
}

static void test_what_is_seen_may_be_unfit_to_pin(void **state)
{
    static const struct attest_pins none;
    struct world w;
    (void)state;
    world_init(&w);
    w.seen.root = addr(0);
    assert_int_equal(see(&w), BASE_EINVAL);
    assert_int_equal(attest_pins_see(&w.pins, &w.changed, &w.seen, true), BASE_EINVAL);
    w.seen.root = public_root();
    assert_int_equal(see(&w), BASE_EREFUSED);
    w.seen.root = addr(1);
    w.apps[1] = w.apps[0];
    assert_int_equal(see(&w), BASE_EINVAL);
    for (uint8_t i = 0; i <= ATTEST_PIN_APP_IDS_MAX; i++)
        w.apps[i] = addr((uint8_t)(i + 1));
    w.seen.app_id_count = ATTEST_PIN_APP_IDS_MAX + 1;
    assert_int_equal(see(&w), BASE_ETOOBIG);
    assert_memory_equal(&w.pins, &none, sizeof none);
    assert_false(w.changed);
    w.seen.app_id_count = ATTEST_PIN_APP_IDS_MAX;
    assert_int_equal(see(&w), BASE_OK);
}

static void test_public_root_is_pinned_in_dev_only(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    w.seen.root = public_root();
    assert_int_equal(attest_pins_see(&w.pins, &w.changed, &w.seen, true), BASE_OK);
    assert_true(attest_pins_has_root(&w.pins, &w.seen.root));
}

static void test_empty_list_pins_no_apps(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    w.seen.app_id_count = 0;
    assert_int_equal(see(&w), BASE_OK);
    assert_true(w.changed);
    assert_int_equal(w.pins.app_source, ATTEST_PIN_NONE);
    assert_int_equal(judge(&w, 0xa1), ATTEST_PINS_NOTHING_PINNED);
    w.seen.app_id_count = 2;
    assert_int_equal(see(&w), BASE_OK);
    assert_int_equal(w.pins.app_source, ATTEST_PIN_FIRST_SEEN);
}

static void test_accept_takes_what_the_chain_says(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    assert_int_equal(see(&w), BASE_OK);
    w.seen.root = addr(2);
    w.apps[1] = addr(0xa3);
    assert_int_equal(judge(&w, 0xa1), ATTEST_PINS_ROOT_CHANGED);
    assert_int_equal(attest_pins_accept(&w.pins, &w.changed, &w.seen, false), BASE_OK);
    assert_true(w.changed);
    assert_true(has_root(&w, 2) && has_root(&w, 1));
    assert_true(allows(&w, 0xa3));
    assert_int_equal(judge(&w, 0xa1), ATTEST_PINS_AGREE);
    assert_int_equal(attest_pins_accept(&w.pins, &w.changed, &w.seen, false), BASE_OK);
    assert_false(w.changed);
    w.seen.root = public_root();
    assert_int_equal(attest_pins_accept(&w.pins, &w.changed, &w.seen, false), BASE_EREFUSED);
    assert_true(has_root(&w, 2));
}

static void test_accept_keeps_the_newest_roots(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    assert_int_equal(see(&w), BASE_OK);
    for (uint8_t root = 2; root <= ATTEST_PIN_ROOTS_MAX + 1; root++) {
        w.seen.root = addr(root);
        assert_int_equal(attest_pins_accept(&w.pins, &w.changed, &w.seen, false), BASE_OK);
        assert_true(w.changed);
    }
    assert_int_equal(w.pins.root_count, ATTEST_PIN_ROOTS_MAX);
    assert_true(has_root(&w, ATTEST_PIN_ROOTS_MAX + 1) && has_root(&w, 2));
    assert_false(has_root(&w, 1));
}

static void test_accept_leaves_flags_alone(void **state)
{
    struct world w;
    struct base_eth_address root = addr(7);
    (void)state;
    world_init(&w);
    assert_int_equal(attest_pins_set_flags(&w.pins, &root, 1, NULL, 0), BASE_OK);
    assert_int_equal(attest_pins_accept(&w.pins, &w.changed, &w.seen, false), BASE_OK);
    assert_true(has_root(&w, 7) && !has_root(&w, 1));
    assert_int_equal(judge(&w, 0xa1), ATTEST_PINS_ROOT_CHANGED);
}

/* ---- judging ---- */

static void test_allowed_is_the_cut_of_both_lists(void **state)
{
    struct base_eth_address out[ATTEST_PIN_APP_IDS_MAX];
    struct base_eth_address pinned[3] = {addr(0xa3), addr(0xa1), addr(0xa9)};
    struct base_eth_address a1 = addr(0xa1), a3 = addr(0xa3);
    struct world w;
    (void)state;
    world_init(&w);
    assert_int_equal(attest_pins_set_flags(&w.pins, NULL, 0, pinned, 3), BASE_OK);
    w.apps[2] = addr(0xa3);
    w.apps[3] = addr(0xa1); /* a chain that repeats itself */
    w.seen.app_id_count = 4;
    assert_int_equal(attest_pins_allowed(out, &w.pins, &w.seen), 2);
    assert_true(base_address_equal(&out[0], &a1));
    assert_true(base_address_equal(&out[1], &a3));
    w.seen.app_id_count = 0;
    assert_int_equal(attest_pins_allowed(out, &w.pins, &w.seen), 0);
}

static void test_root_of_epoch(void **state)
{
    struct base_eth_address roots[2] = {addr(7), addr(8)};
    const uint64_t epochs[2] = {3, 0}; /* the contract never had the second */
    struct attest_pins pins = {0};
    (void)state;
    assert_int_equal(attest_pins_set_flags(&pins, roots, 2, NULL, 0), BASE_OK);
    assert_ptr_equal(attest_pins_root_of_epoch(&pins, epochs, 3), &pins.roots[0]);
    assert_null(attest_pins_root_of_epoch(&pins, epochs, 4));
    assert_null(attest_pins_root_of_epoch(&pins, epochs, 0));
    memset(&pins, 0, sizeof pins);
    assert_null(attest_pins_root_of_epoch(&pins, NULL, 3));
}

static void test_rules_of_dev(void **state)
{
    struct base_eth_address roots[2] = {addr(7), addr(8)};
    (void)state;
    assert_int_equal(attest_dev_judge(false, 1, roots, 2, "app"), ATTEST_DEV_OK);
    assert_int_equal(attest_dev_judge(false, 31337, roots, 2, NULL), ATTEST_DEV_OK);
    assert_int_equal(attest_dev_judge(true, 31337, roots, 2, NULL), ATTEST_DEV_OK);
    assert_int_equal(attest_dev_judge(true, 1337, NULL, 0, NULL), ATTEST_DEV_OK);
    assert_int_equal(attest_dev_judge(true, 1, NULL, 0, NULL), ATTEST_DEV_CHAIN_ID);
    assert_int_equal(attest_dev_judge(true, 8453, NULL, 0, NULL), ATTEST_DEV_CHAIN_ID);
    assert_int_equal(attest_dev_judge(true, 31338, NULL, 0, NULL), ATTEST_DEV_CHAIN_ID);
    assert_int_equal(attest_dev_judge(false, 31337, roots, 2, "nftmesh-simulator"),
                     ATTEST_DEV_SIMULATOR);
    assert_int_equal(attest_dev_judge(true, 31337, roots, 2, "nftmesh-simulator"), ATTEST_DEV_OK);
    roots[1] = public_root();
    assert_int_equal(attest_dev_judge(false, 31337, roots, 2, NULL), ATTEST_DEV_PUBLIC_ROOT);
    assert_int_equal(attest_dev_judge(false, 31337, roots, 1, NULL), ATTEST_DEV_OK);
    assert_int_equal(attest_dev_judge(true, 31337, roots, 2, NULL), ATTEST_DEV_OK);
    roots[1] = addr(0);
    assert_int_equal(attest_dev_judge(false, 31337, roots, 2, NULL), ATTEST_DEV_PUBLIC_ROOT);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(attest_pin_source_name(ATTEST_PIN_NONE), "none");
    assert_string_equal(attest_pin_source_name(ATTEST_PIN_FIRST_SEEN), "first_seen");
    assert_string_equal(attest_pin_source_name(ATTEST_PIN_FLAG), "flags");
    assert_string_equal(attest_pins_verdict_name(ATTEST_PINS_ROOT_CHANGED), "kms_root_changed");
    assert_string_equal(attest_dev_verdict_name(ATTEST_DEV_PUBLIC_ROOT), "public_kms_root");
}

/* ---- the file ---- */

#define HEAD     "nftmesh-pins 1\n"
#define CHAIN    "chain 31337\n"
#define GENESIS  "genesis 1111111111111111111111111111111111111111111111111111111111111111\n"
#define CONTRACT "contract 0x5fbdb2315678afecb367f032d93f642f64180aa3\n"
#define ROOT     "root 0x0707070707070707070707070707070707070707\n"
#define APP      "app a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1\n"
#define WHOLE    HEAD CHAIN GENESIS CONTRACT ROOT APP

static int decode(struct attest_pins_file *out, char *why, const char *text)
{
    size_t len = strlen(text);
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    int rv = attest_pins_file_decode(out, why, exact, len);
    free(exact);
    return rv;
}

static void assert_round_trip(const char *text)
{
    struct attest_pins_file file;
    struct base_buf out;
    assert_int_equal(decode(&file, NULL, text), BASE_OK);
    base_buf_init(&out, ATTEST_PINS_BYTES_MAX);
    attest_pins_file_encode(&out, &file);
    assert_false(out.failed);
    assert_string_equal(out.data, text);
    base_buf_deinit(&out);
}

static void test_file_round_trip(void **state)
{
    struct attest_pins_file file;
    struct base_eth_address seven = addr(7), a1 = addr(0xa1);
    (void)state;
    assert_round_trip(WHOLE);
    assert_round_trip(HEAD CHAIN CONTRACT);
    assert_round_trip(HEAD CHAIN CONTRACT APP);
    assert_round_trip(HEAD "chain 0\n" CONTRACT ROOT);
    assert_round_trip(HEAD "chain 18446744073709551615\n" CONTRACT ROOT);
    assert_int_equal(decode(&file, NULL, WHOLE), BASE_OK);
    assert_true(file.chain_id == 31337);
    assert_true(file.has_genesis);
    assert_int_equal(file.genesis.bytes[31], 0x11);
    assert_int_equal(file.contract.bytes[0], 0x5f);
    assert_int_equal(file.root_count, 1);
    assert_true(base_address_equal(&file.roots[0], &seven));
    assert_int_equal(file.app_id_count, 1);
    assert_true(base_address_equal(&file.app_ids[0], &a1));
}

static void test_largest_file(void **state)
{
    struct attest_pins_file file, again;
    struct base_buf out;
    (void)state;
    memset(&file, 0, sizeof file);
    file.chain_id = UINT64_MAX;
    file.has_genesis = true;
    for (uint8_t i = 0; i < ATTEST_PIN_ROOTS_MAX; i++)
        file.roots[file.root_count++] = addr((uint8_t)(i + 1));
    for (uint8_t i = 0; i < ATTEST_PIN_APP_IDS_MAX; i++)
        file.app_ids[file.app_id_count++] = addr((uint8_t)(i + 1));
    base_buf_init(&out, ATTEST_PINS_BYTES_MAX);
    attest_pins_file_encode(&out, &file);
    assert_false(out.failed);
    assert_int_equal(attest_pins_file_decode(&again, NULL, out.data, out.len), BASE_OK);
    assert_memory_equal(&again, &file, sizeof file);
    base_buf_puts(&out, "app eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\n"); /* the 65th */
    assert_int_equal(attest_pins_file_decode(&again, NULL, out.data, out.len), BASE_EMALFORMED);
    base_buf_deinit(&out);
}

static void test_malformed_files(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "line 1 "},
        {"nftmesh-pins 2\n" CHAIN CONTRACT, "line 1 "},
        {"nftmesh-pins 1", "line 1 "},
        {"nftmesh-pins 1\r\n" CHAIN CONTRACT, "line 1 "},
        {" " WHOLE, "line 1 "},
        {CHAIN HEAD CONTRACT, "line 1 "},
        {HEAD, "line 2 "},
        {HEAD CONTRACT, "line 2 "},
        {HEAD "chain \n" CONTRACT, "line 2 "},
        {HEAD "chain 031337\n" CONTRACT, "line 2 "},
        {HEAD "chain +1\n" CONTRACT, "line 2 "},
        {HEAD "chain 0x1\n" CONTRACT, "line 2 "},
        {HEAD "chain 1 \n" CONTRACT, "line 2 "},
        {HEAD "chain  1\n" CONTRACT, "line 2 "},
        {HEAD "chain 18446744073709551616\n" CONTRACT, "line 2 "},
        {HEAD CHAIN, "line 3 "},
        {HEAD CHAIN GENESIS GENESIS CONTRACT, "line 4 "},
        {HEAD CHAIN "genesis 11\n" CONTRACT, "line 3 "},
        {HEAD CHAIN "contract 5fbdb2315678afecb367f032d93f642f64180aa3\n", "line 3 "},
        {HEAD CHAIN "contract 0x5FbDB2315678afecb367f032d93F642f64180aa3\n", "line 3 "},
        {HEAD CHAIN "contract 0x5fbdb2315678afecb367f032d93f642f64180a\n", "line 3 "},
        {HEAD CHAIN "contract 0x5fbdb2315678afecb367f032d93f642f64180aa3", "line 3 "},
        {HEAD CHAIN CONTRACT CONTRACT, "line 4 "},
        {HEAD CHAIN CONTRACT GENESIS, "line 4 "},
        {HEAD CHAIN CONTRACT APP ROOT, "line 5 "},
        {HEAD CHAIN CONTRACT ROOT ROOT, "line 5 "},
        {HEAD CHAIN CONTRACT APP APP, "line 5 "},
        {HEAD CHAIN CONTRACT "root 0x0000000000000000000000000000000000000000\n", "line 4 "},
        {HEAD CHAIN CONTRACT "app 0000000000000000000000000000000000000000\n", "line 4 "},
        {HEAD CHAIN CONTRACT "app 0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1\n", "line 4 "},
        {HEAD CHAIN CONTRACT "app A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1\n", "line 4 "},
        {HEAD CHAIN CONTRACT ROOT "\n", "line 5 "},
        {HEAD CHAIN CONTRACT "\n" ROOT, "line 4 "},
        {HEAD CHAIN CONTRACT "# a comment\n" ROOT, "line 4 "},
        {WHOLE "x", "line 7 "},
        {WHOLE "owner 1\n", "line 7 "},
    };
    static const struct attest_pins_file zeroed;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct attest_pins_file file;
        char why[ATTEST_PINS_WHY_BYTES];
        assert_int_equal(decode(&file, why, cases[i].text), BASE_EMALFORMED);
        assert_memory_equal(&file, &zeroed, sizeof zeroed);
        if (strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("case %zu: %s, not %s", i, why, cases[i].why);
    }
}

static void test_fifth_root_is_refused(void **state)
{
    struct attest_pins_file file;
    struct base_buf text;
    (void)state;
    base_buf_init(&text, 1024);
    base_buf_puts(&text, HEAD CHAIN CONTRACT);
    for (unsigned i = 1; i <= 5; i++)
        base_buf_printf(&text, "root 0x000000000000000000000000000000000000000%u\n", i);
    assert_int_equal(decode(&file, NULL, text.data), BASE_EMALFORMED);
    base_buf_deinit(&text);
}

static void test_file_with_a_nul(void **state)
{
    static const char text[] = HEAD CHAIN "contract 0x5fbdb2315678afecb367f032d93f642f64180a\0a\n";
    struct attest_pins_file file;
    (void)state;
    assert_int_equal(attest_pins_file_decode(&file, NULL, text, sizeof text - 1), BASE_EMALFORMED);
    assert_int_equal(attest_pins_file_decode(&file, NULL, WHOLE, sizeof WHOLE), BASE_EMALFORMED);
}

static void test_file_too_big(void **state)
{
    static char text[ATTEST_PINS_BYTES_MAX + 1];
    struct attest_pins_file file;
    char why[ATTEST_PINS_WHY_BYTES];
    (void)state;
    memset(text, '\n', sizeof text);
    assert_int_equal(attest_pins_file_decode(&file, why, text, sizeof text), BASE_ETOOBIG);
    assert_int_equal(attest_pins_file_decode(&file, why, text, sizeof text - 1), BASE_EMALFORMED);
}

static void test_pins_go_through_the_file(void **state)
{
    struct attest_pins_file file;
    struct attest_pins pins = {0};
    struct world w;
    (void)state;
    world_init(&w);
    memset(&file, 0, sizeof file);
    assert_int_equal(see(&w), BASE_OK);
    attest_pins_store(&file, &w.pins);
    attest_pins_load(&pins, &file);
    assert_memory_equal(&pins, &w.pins, sizeof pins);
}

static void test_flags_are_neither_stored_nor_overwritten(void **state)
{
    struct base_eth_address root = addr(7), app = addr(0xa9);
    struct attest_pins_file file;
    struct attest_pins pins = {0};
    (void)state;
    assert_int_equal(decode(&file, NULL, WHOLE), BASE_OK);
    file.roots[0] = addr(3);
    assert_int_equal(attest_pins_set_flags(&pins, &root, 1, &app, 1), BASE_OK);
    attest_pins_load(&pins, &file);
    assert_true(attest_pins_has_root(&pins, &root));
    assert_int_equal(pins.root_count, 1);
    assert_true(base_address_equal(&pins.app_ids[0], &app));
    attest_pins_store(&file, &pins);
    root = addr(3);
    assert_true(base_address_equal(&file.roots[0], &root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_sight_pins),
        cmocka_unit_test(test_second_sight_does_not_move_pins),
        cmocka_unit_test(test_flags_win_over_the_chain),
        cmocka_unit_test(test_a_flag_pins_its_kind_only),
        cmocka_unit_test(test_flags_out_of_bounds),
        cmocka_unit_test(test_what_is_seen_may_be_unfit_to_pin),
        cmocka_unit_test(test_public_root_is_pinned_in_dev_only),
        cmocka_unit_test(test_empty_list_pins_no_apps),
        cmocka_unit_test(test_accept_takes_what_the_chain_says),
        cmocka_unit_test(test_accept_keeps_the_newest_roots),
        cmocka_unit_test(test_accept_leaves_flags_alone),
        cmocka_unit_test(test_allowed_is_the_cut_of_both_lists),
        cmocka_unit_test(test_root_of_epoch),
        cmocka_unit_test(test_rules_of_dev),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_file_round_trip),
        cmocka_unit_test(test_largest_file),
        cmocka_unit_test(test_malformed_files),
        cmocka_unit_test(test_fifth_root_is_refused),
        cmocka_unit_test(test_file_with_a_nul),
        cmocka_unit_test(test_file_too_big),
        cmocka_unit_test(test_pins_go_through_the_file),
        cmocka_unit_test(test_flags_are_neither_stored_nor_overwritten),
    };
    return cmocka_run_group_tests_name("attest_pins", tests, NULL, NULL);
}
