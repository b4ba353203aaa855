#include "node/keystore.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "base/keccak256.h"

#define SCRYPT_R 8
#define SCRYPT_P 1

static int say(char *why, int rv, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int say(char *why, int rv, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, NODE_KEYSTORE_WHY_BYTES, format, ap);
    va_end(ap);
    return rv;
}

/* ---- reading the file ---- */

bool node_keystore_is(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0') return text[i] == '{';
    }
    return false;
}

static int missing(char *why, int rv, const char *name, const char *shape)
{
    return say(why, BASE_EMALFORMED, "the keystore's \"%s\" is %s: it must be %s", name,
               rv == BASE_ENOTFOUND ? "missing" : "of another form", shape);
}

static int get_hex(void *out, size_t len, const json_t *object, const char *name, char *why)
{
    char shape[32];
    int rv = base_json_get_hex(out, len, object, name);
    if (rv == BASE_OK) return BASE_OK;
    snprintf(shape, sizeof shape, "%zu hex digits", 2 * len);
    return missing(why, rv, name, shape);
}

static int get_number(uint64_t *out, const json_t *object, const char *name, char *why)
{
    int rv = base_json_get_u64(out, object, name);
    return rv == BASE_OK ? BASE_OK : missing(why, rv, name, "a number");
}

static int get_object(const json_t **out, const json_t *object, const char *name, char *why)
{
    *out = json_object_get(object, name);
    if (json_is_object(*out)) return BASE_OK;
    return missing(why, *out == NULL ? BASE_ENOTFOUND : BASE_EMALFORMED, name, "an object");
}

/* A word that must be the one that we read; shown cut, and only where it is harmless. */
static int get_word(const char **out, const json_t *object, const char *name, char *why)
{
    int rv = base_json_get_string(out, NULL, object, name);
    if (rv != BASE_OK) return missing(why, rv, name, "a word");
    for (const char *p = *out; *p != '\0'; p++)
        if (*p < '!' || *p > '~') return missing(why, BASE_EMALFORMED, name, "a word");
    return BASE_OK;
}

static int get_salt(struct node_keystore *k, const json_t *params, char *why)
{
    const char *text;
    int rv = base_json_get_string(&text, NULL, params, "salt");
    if (rv == BASE_OK) rv = base_hex_decode_var(k->salt, &k->salt_len, sizeof k->salt, text);
    return rv == BASE_OK ? BASE_OK : missing(why, rv, "salt", "hex digits, at most 128");
}

static int check_scrypt(const struct node_keystore *k, char *why)
{
    if (k->n < 2 || (k->n & (k->n - 1)) != 0)
        return say(why, BASE_EMALFORMED, "the keystore's scrypt n is no power of two above 1");
    if (k->r < 1 || k->p < 1)
        return say(why, BASE_EMALFORMED, "the keystore's scrypt r and p must be at least 1");
    /* Divided, not multiplied: no product of the file's numbers is made before it is bounded. */
    if (k->n > NODE_KEYSTORE_MEMORY_MAX / 128 / k->r ||
        k->p > NODE_KEYSTORE_BLOCKS_MAX / 128 / k->r)
        return say(why, BASE_ETOOBIG,
                   "the keystore asks for more than %u MiB of memory (scrypt n, r and p): refused",
                   (unsigned)(NODE_KEYSTORE_MEMORY_MAX >> 20));
    if (k->n * k->r > NODE_KEYSTORE_WORK_MAX / k->p)
        return say(why, BASE_ETOOBIG,
                   "the keystore asks for too much work (scrypt n * r * p above %llu): refused",
                   (unsigned long long)NODE_KEYSTORE_WORK_MAX);
    return BASE_OK;
}

static int read_scrypt(struct node_keystore *k, const json_t *params, char *why)
{
    int rv = get_number(&k->n, params, "n", why);
    k->kdf = NODE_KEYSTORE_SCRYPT;
    if (rv == BASE_OK) rv = get_number(&k->r, params, "r", why);
    if (rv == BASE_OK) rv = get_number(&k->p, params, "p", why);
    return rv == BASE_OK ? check_scrypt(k, why) : rv;
}

static int read_pbkdf2(struct node_keystore *k, const json_t *params, char *why)
{
    const char *prf;
    int rv = get_word(&prf, params, "prf", why);
    k->kdf = NODE_KEYSTORE_PBKDF2;
    if (rv == BASE_OK && strcmp(prf, "hmac-sha256") != 0)
        return say(why, BASE_EUNSUPPORTED, "the keystore's prf is %.40s: only hmac-sha256 is read",
                   prf);
    if (rv == BASE_OK) rv = get_number(&k->c, params, "c", why);
    if (rv == BASE_OK && k->c < 1)
        return say(why, BASE_EMALFORMED, "the keystore's pbkdf2 c must be at least 1");
    if (rv == BASE_OK && k->c > NODE_KEYSTORE_ROUNDS_MAX)
        return say(why, BASE_ETOOBIG,
                   "the keystore asks for too much work (pbkdf2 c above %u): refused",
                   NODE_KEYSTORE_ROUNDS_MAX);
    return rv;
}

static int read_kdf(struct node_keystore *k, const json_t *crypto, char *why)
{
    const json_t *params;
    const char *kdf;
    int rv = get_word(&kdf, crypto, "kdf", why);
    if (rv == BASE_OK) rv = get_object(&params, crypto, "kdfparams", why);
    if (rv == BASE_OK && strcmp(kdf, "scrypt") == 0)
        rv = read_scrypt(k, params, why);
    else if (rv == BASE_OK && strcmp(kdf, "pbkdf2") == 0)
        rv = read_pbkdf2(k, params, why);
    else if (rv == BASE_OK)
        rv = say(why, BASE_EUNSUPPORTED, "the keystore's kdf is %.40s: scrypt and pbkdf2 are read",
                 kdf);
    if (rv == BASE_OK) rv = get_number(&k->dklen, params, "dklen", why);
    if (rv == BASE_OK && (k->dklen < 32 || k->dklen > NODE_KEYSTORE_DKLEN_MAX))
        rv = say(why, BASE_EMALFORMED, "the keystore's dklen is out of range: 32 to %d",
                 NODE_KEYSTORE_DKLEN_MAX);
    return rv == BASE_OK ? get_salt(k, params, why) : rv;
}

static int read_crypto(struct node_keystore *k, const json_t *json, char *why)
{
    const json_t *crypto, *params;
    const char *cipher;
    /* MyEtherWallet writes it with a capital. */
    int rv = get_object(&crypto, json,
                        json_object_get(json, "crypto") != NULL ? "crypto" : "Crypto", why);
    if (rv == BASE_OK) rv = get_word(&cipher, crypto, "cipher", why);
    if (rv == BASE_OK && strcmp(cipher, "aes-128-ctr") != 0)
        return say(why, BASE_EUNSUPPORTED,
                   "the keystore's cipher is %.40s: only aes-128-ctr is read", cipher);
    if (rv == BASE_OK) rv = get_object(&params, crypto, "cipherparams", why);
    if (rv == BASE_OK) rv = get_hex(k->iv, sizeof k->iv, params, "iv", why);
    if (rv == BASE_OK) rv = get_hex(k->ciphertext, sizeof k->ciphertext, crypto, "ciphertext", why);
    if (rv == BASE_OK) rv = get_hex(k->mac.bytes, sizeof k->mac.bytes, crypto, "mac", why);
    return rv == BASE_OK ? read_kdf(k, crypto, why) : rv;
}

static int read_all(struct node_keystore *k, const json_t *json, char *why)
{
    uint64_t version;
    int rv = get_number(&version, json, "version", why);
    if (rv == BASE_OK && version != 3)
        return say(why, BASE_EUNSUPPORTED, "the keystore is of version %llu: only 3 is read",
                   (unsigned long long)version);
    if (rv == BASE_OK) rv = read_crypto(k, json, why);
    k->has_address = json_object_get(json, "address") != NULL;
    if (rv == BASE_OK && k->has_address)
        rv = get_hex(k->address.bytes, sizeof k->address.bytes, json, "address", why);
    return rv;
}

int node_keystore_parse(struct node_keystore *out, const char *text, size_t len,
                        char why[NODE_KEYSTORE_WHY_BYTES])
{
    char json_why[BASE_JSON_WHY_BYTES] = "";
    json_t *json;
    *out = (struct node_keystore){0};
    int rv = base_json_parse(&json, text, len, NODE_KEYSTORE_BYTES_MAX, json_why);
    if (rv != BASE_OK)
        return say(why, rv, "not a whole keystore: %s; is the file cut off?", json_why);
    rv = read_all(out, json, why);
    json_decref(json);
    if (rv != BASE_OK) *out = (struct node_keystore){0};
    return rv;
}

/* ---- the work ---- */

static bool derive(uint8_t out[NODE_KEYSTORE_DKLEN_MAX], const struct node_keystore *k,
                   const char *password, size_t password_len)
{
    switch (k->kdf) {
    case NODE_KEYSTORE_SCRYPT:
        return base_scrypt(out, k->dklen, password, password_len, k->salt, k->salt_len, k->n,
                           (uint32_t)k->r, (uint32_t)k->p) == BASE_OK;
    case NODE_KEYSTORE_PBKDF2:
        return PKCS5_PBKDF2_HMAC(password, (int)password_len, k->salt, (int)k->salt_len, (int)k->c,
                                 EVP_sha256(), (int)k->dklen, out) == 1;
    case NODE_KEYSTORE_UNDECIDED:
        return false;
    }
    return false;
}

/* The same both ways. */
static bool crypt(uint8_t out[32], const uint8_t in[32], const uint8_t key[16],
                  const uint8_t iv[16])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0;
    bool ok = ctx != NULL && EVP_EncryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, key, iv) == 1 &&
              EVP_EncryptUpdate(ctx, out, &len, in, 32) == 1 && len == 32;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static void mac_of(struct base_hash32 *mac, const uint8_t derived[NODE_KEYSTORE_DKLEN_MAX],
                   const uint8_t ciphertext[32])
{
    uint8_t text[16 + 32];
    memcpy(text, derived + 16, 16);
    memcpy(text + 16, ciphertext, 32);
    base_keccak256(mac, text, sizeof text);
    base_memzero(text, sizeof text);
}

static int address_of(struct base_eth_address *out, const struct base_privkey *key)
{
    struct base_key33 pub;
    int rv = base_ecdsa_pubkey(&pub, key);
    return rv == BASE_OK ? base_ecdsa_address(out, &pub) : rv;
}

static int decrypt(struct base_privkey *key, const struct node_keystore *k,
                   const uint8_t derived[NODE_KEYSTORE_DKLEN_MAX], char *why)
{
    struct base_eth_address address;
    struct base_hash32 mac;
    mac_of(&mac, derived, k->ciphertext);
    if (!base_memequal(mac.bytes, k->mac.bytes, sizeof mac.bytes))
        return say(why, BASE_EAUTH, "the password does not open this keystore");
    if (!crypt(key->bytes, k->ciphertext, derived, k->iv))
        return say(why, BASE_ENOMEM, "no memory to decrypt the keystore");
    if (address_of(&address, key) != BASE_OK)
        return say(why, BASE_EKEY, "the keystore opens, but holds no private key");
    if (k->has_address && !base_address_equal(&address, &k->address))
        return say(why, BASE_EMALFORMED,
                   "the keystore opens, but its key is not of the address that it names");
    return BASE_OK;
}

int node_keystore_open(struct base_privkey *key, const struct node_keystore *keystore,
                       const char *password, size_t password_len, char why[NODE_KEYSTORE_WHY_BYTES])
{
    uint8_t derived[NODE_KEYSTORE_DKLEN_MAX] = {0};
    int rv = derive(derived, keystore, password, password_len)
                 ? decrypt(key, keystore, derived, why)
                 : say(why, BASE_ENOMEM, "no memory for the keystore's key derivation");
    base_memzero(derived, sizeof derived);
    if (rv != BASE_OK) base_memzero(key, sizeof *key);
    return rv;
}

/* ---- writing one ---- */

static void put_json(struct base_buf *out, const struct node_keystore *k)
{
    uint8_t id[16];
    char hex[33];
    base_random(id, sizeof id);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    base_hex_encode(hex, id, sizeof id);
    base_buf_puts(out, "{\"version\":3,\"id\":\"");
    base_buf_printf(out, "%.8s-%.4s-%.4s-%.4s-%.12s\",\"address\":\"", hex, hex + 8, hex + 12,
                    hex + 16, hex + 20);
    base_buf_hex(out, k->address.bytes, sizeof k->address.bytes);
    base_buf_puts(out, "\",\"crypto\":{\"cipher\":\"aes-128-ctr\",\"cipherparams\":{\"iv\":\"");
    base_buf_hex(out, k->iv, sizeof k->iv);
    base_buf_puts(out, "\"},\"ciphertext\":\"");
    base_buf_hex(out, k->ciphertext, sizeof k->ciphertext);
    base_buf_printf(out,
                    "\",\"kdf\":\"scrypt\",\"kdfparams\":{\"dklen\":%llu,\"n\":%llu,\"p\":%llu,"
                    "\"r\":%llu,\"salt\":\"",
                    (unsigned long long)k->dklen, (unsigned long long)k->n,
                    (unsigned long long)k->p, (unsigned long long)k->r);
    base_buf_hex(out, k->salt, k->salt_len);
    base_buf_puts(out, "\"},\"mac\":\"");
    base_buf_hex(out, k->mac.bytes, sizeof k->mac.bytes);
    base_buf_puts(out, "\"}}\n");
}

int node_keystore_make(struct base_buf *out, const struct base_privkey *key, const char *password,
                       size_t password_len, unsigned log_n)
{
    struct node_keystore k = {.kdf = NODE_KEYSTORE_SCRYPT,
                              .r = SCRYPT_R,
                              .p = SCRYPT_P,
                              .dklen = 32,
                              .salt_len = 32,
                              .has_address = true};
    uint8_t derived[NODE_KEYSTORE_DKLEN_MAX] = {0};
    if (log_n < 14 || log_n > 18) return BASE_EINVAL;
    k.n = UINT64_C(1) << log_n;
    if (address_of(&k.address, key) != BASE_OK) return BASE_EKEY;
    base_random(k.salt, k.salt_len);
    base_random(k.iv, sizeof k.iv);
    bool ok = derive(derived, &k, password, password_len) &&
              crypt(k.ciphertext, key->bytes, derived, k.iv);
    mac_of(&k.mac, derived, k.ciphertext);
    base_memzero(derived, sizeof derived);
    if (ok) put_json(out, &k);
    return ok && !out->failed ? BASE_OK : BASE_ENOMEM;
}
