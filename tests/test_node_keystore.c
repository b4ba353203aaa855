/* Keystores: the published vectors open, and each lie about them has its own sentence, told before
 * any work is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "json_vectors.h"
#include "node/keystore.h"
#include "node/wallet_key.h"

static char why[NODE_WALLET_KEY_WHY_BYTES];
static char dir[64], key_path[96], password_path[96];

static void assert_why(const char *part)
{
    if (strstr(why, part) == NULL) fail_msg("\"%s\" is not in: %s", part, why);
    assert_null(strchr(why, '\n'));
}

/* ---- the vectors ---- */

static void test_vector(void **state)
{
    const json_t *c = *state;
    struct node_keystore keystore;
    struct base_privkey key;
    char *text = json_dumps(json_object_get(c, "keystore"), 0), hex[65];
    const char *password = json_vectors_string(c, "password");
    assert_non_null(text);
    assert_true(node_keystore_is(text, strlen(text)));
    if (node_keystore_parse(&keystore, text, strlen(text), why) != BASE_OK) fail_msg("%s", why);
    if (node_keystore_open(&key, &keystore, password, strlen(password), why) != BASE_OK)
        fail_msg("%s", why);
    base_hex_encode(hex, key.bytes, sizeof key.bytes);
    assert_string_equal(hex, json_vectors_string(c, "private_key"));
    free(text);
}

/* The cheapest of the vectors, to change. */
static json_t *small(void)
{
    json_t *root = json_vectors_load("keystore.json");
    const json_t *cases = json_vectors_array(root, "cases");
    json_t *copy = json_deep_copy(json_object_get(json_array_get(cases, 4), "keystore"));
    json_decref(root);
    assert_non_null(copy);
    return copy;
}

static json_t *inside(json_t *keystore, const char *path)
{
    json_t *crypto = json_object_get(keystore, "crypto");
    if (crypto == NULL) crypto = json_object_get(keystore, "Crypto");
    return strcmp(path, "crypto") == 0 ? crypto : json_object_get(crypto, path);
}

static int parse(struct node_keystore *out, json_t *keystore)
{
    char *text = json_dumps(keystore, 0);
    assert_non_null(text);
    why[0] = '\0';
    int rv = node_keystore_parse(out, text, strlen(text), why);
    free(text);
    json_decref(keystore);
    return rv;
}

/* ---- what is refused ---- */

/* One member changed: where, its name, its new value (NULL: taken out), the error, its words. */
static const struct {
    const char *path, *name, *value;
    int rv;
    const char *words;
} lies[] = {
    {"", "version", "1", BASE_EUNSUPPORTED, "version 1: only 3"},
    {"", "version", "\"3\"", BASE_EMALFORMED, "\"version\""},
    {"", "version", NULL, BASE_EMALFORMED, "\"version\" is missing"},
    {"", "address", "\"00\"", BASE_EMALFORMED, "\"address\""},
    {"crypto", "cipher", "\"aes-256-gcm\"", BASE_EUNSUPPORTED, "aes-256-gcm: only aes-128-ctr"},
    {"crypto", "cipher", "7", BASE_EMALFORMED, "\"cipher\""},
    {"crypto", "kdf", "\"argon2id\"", BASE_EUNSUPPORTED, "argon2id: scrypt and pbkdf2"},
    {"crypto", "kdfparams", NULL, BASE_EMALFORMED, "\"kdfparams\" is missing"},
    {"crypto", "ciphertext", "\"00\"", BASE_EMALFORMED, "64 hex digits"},
    {"crypto", "mac", NULL, BASE_EMALFORMED, "\"mac\" is missing"},
    {"cipherparams", "iv", "\"\"", BASE_EMALFORMED, "32 hex digits"},
    {"kdfparams", "n", "1000", BASE_EMALFORMED, "power of two"},
    {"kdfparams", "n", "1", BASE_EMALFORMED, "power of two"},
    {"kdfparams", "n", "0", BASE_EMALFORMED, "power of two"},
    {"kdfparams", "n", "-2", BASE_EMALFORMED, "\"n\""},
    {"kdfparams", "n", "524288", BASE_ETOOBIG, "256 MiB"},
    {"kdfparams", "n", "4611686018427387904", BASE_ETOOBIG, "256 MiB"},
    {"kdfparams", "r", "0", BASE_EMALFORMED, "r and p"},
    {"kdfparams", "r", "1152921504606846976", BASE_ETOOBIG, "256 MiB"},
    {"kdfparams", "p", "0", BASE_EMALFORMED, "r and p"},
    {"kdfparams", "p", "9223372036854775807", BASE_ETOOBIG, "256 MiB"},
    {"kdfparams", "p", "1025", BASE_ETOOBIG, "too much work"}, /* 1024 * 8 * 1025 */
    {"kdfparams", "dklen", "31", BASE_EMALFORMED, "dklen"},
    {"kdfparams", "dklen", "65", BASE_EMALFORMED, "dklen"},
    {"kdfparams", "salt", "\"0g\"", BASE_EMALFORMED, "salt"},
};

static void test_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct node_keystore k;
        json_t *keystore = small();
        json_t *at = lies[i].path[0] == '\0' ? keystore : inside(keystore, lies[i].path);
        json_object_del(at, lies[i].name);
        if (lies[i].value != NULL)
            json_object_set_new(at, lies[i].name, json_loads(lies[i].value, JSON_DECODE_ANY, NULL));
        int rv = parse(&k, keystore);
        if (rv != lies[i].rv) fail_msg("%s=%s: %d, %s", lies[i].name, lies[i].value, rv, why);
        assert_why(lies[i].words);
        assert_int_equal(k.kdf, NODE_KEYSTORE_UNDECIDED);
    }
}

static json_t *small_pbkdf2(const char *prf, json_int_t c)
{
    json_t *keystore = small();
    json_object_set_new(inside(keystore, "crypto"), "kdf", json_string("pbkdf2"));
    json_object_set_new(inside(keystore, "kdfparams"), "prf", json_string(prf));
    json_object_set_new(inside(keystore, "kdfparams"), "c", json_integer(c));
    return keystore;
}

static void test_lies_of_pbkdf2(void **state)
{
    (void)state;
    struct node_keystore k;
    assert_int_equal(parse(&k, small_pbkdf2("hmac-sha256", 1)), BASE_OK);
    assert_int_equal(parse(&k, small_pbkdf2("hmac-sha512", 1)), BASE_EUNSUPPORTED);
    assert_why("hmac-sha512: only hmac-sha256");
    assert_int_equal(parse(&k, small_pbkdf2("hmac-sha256", 0)), BASE_EMALFORMED);
    assert_int_equal(parse(&k, small_pbkdf2("hmac-sha256", 10000000)), BASE_OK);
    assert_int_equal(parse(&k, small_pbkdf2("hmac-sha256", 10000001)), BASE_ETOOBIG);
    assert_why("too much work");
}

/* geth's own heaviest parameters are just within. */
static void test_the_edge_of_memory(void **state)
{
    (void)state;
    struct node_keystore k;
    json_t *keystore = small();
    json_object_set_new(inside(keystore, "kdfparams"), "n", json_integer(262144));
    assert_int_equal(parse(&k, keystore), BASE_OK);
    keystore = small();
    json_object_set_new(inside(keystore, "kdfparams"), "n", json_integer(262144));
    json_object_set_new(inside(keystore, "kdfparams"), "r", json_integer(9));
    assert_int_equal(parse(&k, keystore), BASE_ETOOBIG);
}

static void test_a_file_that_was_cut(void **state)
{
    (void)state;
    struct node_keystore k;
    json_t *keystore = small();
    char *text = json_dumps(keystore, 0);
    json_decref(keystore);
    assert_int_equal(node_keystore_parse(&k, text, strlen(text) / 2, why), BASE_EMALFORMED);
    assert_why("cut off");
    assert_int_equal(node_keystore_parse(&k, "", 0, why), BASE_EMALFORMED);
    free(text);
    static char large[NODE_KEYSTORE_BYTES_MAX + 1];
    memset(large, ' ', sizeof large);
    assert_int_equal(node_keystore_parse(&k, large, sizeof large, why), BASE_ETOOBIG);
}

static void test_a_capital_is_taken(void **state)
{
    (void)state;
    struct node_keystore k;
    json_t *keystore = small(), *crypto = json_incref(json_object_get(keystore, "crypto"));
    json_object_del(keystore, "crypto");
    json_object_set_new(keystore, "Crypto", crypto);
    assert_int_equal(parse(&k, keystore), BASE_OK);
}

/* ---- opening ---- */

static void test_a_wrong_password(void **state)
{
    (void)state;
    struct node_keystore k;
    struct base_privkey key;
    static const struct base_privkey none;
    memset(&key, 7, sizeof key);
    assert_int_equal(parse(&k, small()), BASE_OK);
    assert_int_equal(node_keystore_open(&key, &k, "x", 1, why), BASE_EAUTH);
    assert_why("password");
    assert_memory_equal(&key, &none, sizeof key);
    k.mac.bytes[31] ^= 1;
    assert_int_equal(node_keystore_open(&key, &k, "", 0, why), BASE_EAUTH);
    k.mac.bytes[31] ^= 1;
    assert_int_equal(node_keystore_open(&key, &k, "", 0, why), BASE_OK);
    k.address.bytes[0] ^= 1;
    assert_int_equal(node_keystore_open(&key, &k, "", 0, why), BASE_EMALFORMED);
    assert_why("address");
    assert_memory_equal(&key, &none, sizeof key);
}

static void test_what_we_write_opens(void **state)
{
    (void)state;
    struct node_keystore k;
    struct base_privkey key, back;
    struct base_buf text;
    base_buf_init(&text, NODE_KEYSTORE_BYTES_MAX);
    memset(&key, 0x42, sizeof key);
    assert_int_equal(node_keystore_make(&text, &key, "a b", 3, 13), BASE_EINVAL);
    assert_int_equal(node_keystore_make(&text, &key, "a b", 3, 19), BASE_EINVAL);
    assert_int_equal(node_keystore_make(&text, &key, "a b", 3, 14), BASE_OK);
    assert_null(
        strstr(text.data, "4242424242424242424242424242424242424242424242424242424242424242"));
    assert_int_equal(node_keystore_parse(&k, text.data, text.len, why), BASE_OK);
    assert_true(k.has_address);
    assert_int_equal(node_keystore_open(&back, &k, "a b", 3, why), BASE_OK);
    assert_memory_equal(&key, &back, sizeof key);
    memset(&key, 0xff, sizeof key);
    assert_int_equal(node_keystore_make(&text, &key, "a b", 3, 14), BASE_EKEY);
    base_buf_deinit(&text);
}

/* ---- where a wallet's key comes from ---- */

static void write_file(const char *path, const char *text, mode_t mode)
{
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static void write_keystore(void)
{
    json_t *root = json_vectors_load("keystore.json");
    const json_t *c = json_array_get(json_vectors_array(root, "cases"), 3);
    char *text = json_dumps(json_object_get(c, "keystore"), JSON_INDENT(1)); /* many lines */
    write_file(key_path, text, 0600);
    free(text);
    json_decref(root);
}

static int read_key(const struct node_wallet_key_source *source)
{
    static const struct base_privkey none;
    struct base_privkey key;
    struct base_eth_address address;
    uint8_t wanted[32];
    memset(wanted, 0x42, sizeof wanted);
    why[0] = '\0';
    int rv = node_wallet_key_read(&key, &address, source, why);
    assert_memory_equal(key.bytes, rv == BASE_OK ? wanted : none.bytes, sizeof wanted);
    return rv;
}

#define PASSWORD "a pass word \xc3\xa4"

static int answer(enum node_wallet_secret what, char *out, size_t cap,
                  char text[NODE_WALLET_KEY_WHY_BYTES])
{
    (void)text;
    assert_int_equal(what, NODE_WALLET_SECRET_PASSWORD);
    snprintf(out, cap, PASSWORD);
    return BASE_OK;
}

static int answer_wrongly(enum node_wallet_secret what, char *out, size_t cap,
                          char text[NODE_WALLET_KEY_WHY_BYTES])
{
    (void)what;
    (void)text;
    snprintf(out, cap, "hunter2");
    return BASE_OK;
}

static int answer_with_the_key(enum node_wallet_secret what, char *out, size_t cap,
                               char text[NODE_WALLET_KEY_WHY_BYTES])
{
    (void)text;
    assert_int_equal(what, NODE_WALLET_SECRET_KEY);
    memset(out, '4', 64);
    for (size_t i = 1; i < 64; i += 2)
        out[i] = '2';
    assert_true(cap > 64);
    out[64] = '\0';
    return BASE_OK;
}

static int nobody_is_there(enum node_wallet_secret what, char *out, size_t cap,
                           char text[NODE_WALLET_KEY_WHY_BYTES])
{
    (void)what;
    (void)out;
    (void)cap;
    (void)text;
    return BASE_ENOTFOUND;
}

/* Last of all, and only when somebody can be asked: the key itself. */
static void test_a_key_from_a_person(void **state)
{
    (void)state;
    struct node_wallet_key_source source = {.ask = answer_with_the_key};
    assert_int_equal(read_key(&source), BASE_OK);
    source.ask = answer_wrongly; /* no key */
    assert_int_equal(read_key(&source), BASE_EINVAL);
    assert_why("the terminal");
    assert_null(strstr(why, "hunter2"));
    source.ask = nobody_is_there;
    assert_int_equal(read_key(&source), BASE_EINVAL);
    assert_why("--wallet-key-file");
    assert_why("no terminal");
    source.ask = NULL;
    assert_int_equal(read_key(&source), BASE_EINVAL);
    assert_why("--wallet-key-file");
    write_file(key_path, "4242424242424242424242424242424242424242424242424242424242424242", 0600);
    source = (struct node_wallet_key_source){.file = key_path, .ask = answer_with_the_key};
    source.hex = "hunter2"; /* neither it nor the person: the file */
    assert_int_equal(read_key(&source), BASE_OK);
}

static void test_a_password_from_each_place(void **state)
{
    (void)state;
    write_keystore();
    struct node_wallet_key_source source = {.file = key_path};
    assert_int_equal(read_key(&source), BASE_EINVAL);
    assert_why("--wallet-password-file");
    source.ask = nobody_is_there;
    assert_int_equal(read_key(&source), BASE_EINVAL);
    assert_why("no terminal");
    source.ask = answer;
    assert_int_equal(read_key(&source), BASE_OK);
    source.ask = answer_wrongly;
    assert_int_equal(read_key(&source), BASE_EAUTH);
    assert_null(strstr(why, "hunter2"));
    source.password = PASSWORD; /* goes before the person */
    assert_int_equal(read_key(&source), BASE_OK);
    write_file(password_path, "hunter2\n", 0600);
    source.password_file = password_path; /* goes before both */
    assert_int_equal(read_key(&source), BASE_EAUTH);
    write_file(password_path, PASSWORD "\r\nsecond line\n", 0600);
    assert_int_equal(read_key(&source), BASE_OK);
    write_file(password_path, PASSWORD, 0644);
    assert_int_equal(read_key(&source), BASE_EINVAL);
    assert_why("--wallet-password-file");
    assert_why("0644");
}

/* What is wrong with the file is said before anybody is asked. */
static int must_not_be_asked(enum node_wallet_secret what, char *out, size_t cap,
                             char text[NODE_WALLET_KEY_WHY_BYTES])
{
    (void)what;
    (void)out;
    (void)cap;
    (void)text;
    fail_msg("asked for a password");
    return BASE_EIO;
}

static void test_a_broken_file_asks_nobody(void **state)
{
    (void)state;
    struct node_wallet_key_source source = {.file = key_path, .ask = must_not_be_asked};
    write_file(key_path, "{\"version\":4}", 0600);
    assert_int_equal(read_key(&source), BASE_EUNSUPPORTED);
    assert_why("--wallet-key-file");
    write_file(key_path, "{\"version\":3,", 0600);
    assert_int_equal(read_key(&source), BASE_EMALFORMED);
    write_file(key_path, "42", 0600);
    assert_int_equal(read_key(&source), BASE_EINVAL);
}

static void pipe_with(int fds[2], const char *text, size_t len)
{
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], text, len), len);
    close(fds[1]);
}

static void test_a_descriptor(void **state)
{
    (void)state;
    char hex[66];
    int fds[2];
    memset(hex, '2', sizeof hex);
    for (size_t i = 0; i < 64; i += 2)
        hex[i] = '4';
    hex[64] = '\n';
    pipe_with(fds, hex, 65);
    /* It goes before the file and the environment. */
    struct node_wallet_key_source source = {
        .has_fd = true, .fd = fds[0], .file = "/nonexistent", .hex = "11"};
    assert_int_equal(read_key(&source), BASE_OK);
    close(fds[0]);
    assert_int_equal(read_key(&source), BASE_EIO); /* closed */
    assert_why("--wallet-key-fd");
    pipe_with(fds, "4242", 4);
    source.fd = fds[0];
    assert_int_equal(read_key(&source), BASE_EINVAL);
    assert_why("--wallet-key-fd: not a private key");
    assert_null(strstr(why, "4242"));
    close(fds[0]);
    static char large[NODE_KEYSTORE_BYTES_MAX + 1];
    memset(large, '4', sizeof large);
    pipe_with(fds, large, sizeof large);
    source.fd = fds[0];
    assert_int_equal(read_key(&source), BASE_ETOOBIG);
    close(fds[0]);
}

static int group_setup(void **state)
{
    (void)state;
    if (base_aead_init() != BASE_OK || base_ecdsa_init() != BASE_OK) return -1;
    snprintf(dir, sizeof dir, "/tmp/nftmesh-keystore-XXXXXX");
    if (mkdtemp(dir) == NULL) return -1;
    snprintf(key_path, sizeof key_path, "%s/key", dir);
    snprintf(password_path, sizeof password_path, "%s/password", dir);
    return 0;
}

int main(void)
{
    struct json_vectors_tests tests = {0};
    json_t *root = json_vectors_load("keystore.json");
    const json_t *cases = json_vectors_array(root, "cases");
    if (group_setup(NULL) != 0) return 1;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        json_vectors_add(&tests, test_vector, c, "%s", json_vectors_string(c, "name"));
    }
    json_vectors_add(&tests, test_lies, NULL, "lies");
    json_vectors_add(&tests, test_lies_of_pbkdf2, NULL, "lies of pbkdf2");
    json_vectors_add(&tests, test_the_edge_of_memory, NULL, "the edge of memory");
    json_vectors_add(&tests, test_a_file_that_was_cut, NULL, "a file that was cut");
    json_vectors_add(&tests, test_a_capital_is_taken, NULL, "Crypto");
    json_vectors_add(&tests, test_a_wrong_password, NULL, "a wrong password");
    json_vectors_add(&tests, test_what_we_write_opens, NULL, "what we write opens");
    json_vectors_add(&tests, test_a_password_from_each_place, NULL, "a password from each place");
    json_vectors_add(&tests, test_a_key_from_a_person, NULL, "a key from a person");
    json_vectors_add(&tests, test_a_broken_file_asks_nobody, NULL, "a broken file asks nobody");
    json_vectors_add(&tests, test_a_descriptor, NULL, "a descriptor");
    int failed = json_vectors_run(&tests, "node_keystore", NULL);
    unlink(key_path);
    unlink(password_path);
    rmdir(dir);
    json_decref(root);
    return failed;
}
