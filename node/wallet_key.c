#include "node/wallet_key.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "node/keystore.h"
#include "node/store.h"

static int say(char *why, int rv, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int say(char *why, int rv, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, NODE_WALLET_KEY_WHY_BYTES, format, ap);
    va_end(ap);
    return rv;
}

/* ---- the secret's text ---- */

struct text {
    char data[NODE_KEYSTORE_BYTES_MAX + 1];
    size_t len;
    const char *where; /* for messages */
};

static int read_fd(struct text *t, int fd, char *why)
{
    while (t->len < sizeof t->data) {
        ssize_t got = read(fd, t->data + t->len, sizeof t->data - t->len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return say(why, BASE_EIO, "--wallet-key-fd %d cannot be read: %s", fd, strerror(errno));
        if (got == 0) break;
        t->len += (size_t)got;
    }
    return BASE_OK;
}

/* BASE_ENOTFOUND: nobody is there. */
static int ask_person(const struct node_wallet_key_source *source, enum node_wallet_secret what,
                      char *out, size_t cap, size_t *len, char *why)
{
    int rv = source->ask != NULL ? source->ask(what, out, cap, why) : BASE_ENOTFOUND;
    if (rv == BASE_OK) *len = strlen(out);
    return rv;
}

static int ask_key(struct text *t, const struct node_wallet_key_source *source, char *why)
{
    t->where = "the terminal";
    int rv = ask_person(source, NODE_WALLET_SECRET_KEY, t->data, sizeof t->data, &t->len, why);
    if (rv != BASE_ENOTFOUND) return rv;
    return say(why, BASE_EINVAL,
               "a wallet key is needed: give --wallet-key-file FILE (64 hex digits or a "
               "keystore), --wallet-key-fd N or the environment's PRIVATE_KEY%s",
               source->ask != NULL ? "; there is no terminal to ask for it" : "");
}

static int read_text(struct text *t, const struct node_wallet_key_source *source, char *why)
{
    char file_why[NODE_STORE_WHY_BYTES] = "";
    int rv = BASE_OK;
    t->len = 0;
    if (source->has_fd) {
        t->where = "--wallet-key-fd";
        rv = read_fd(t, source->fd, why);
    } else if (source->file != NULL) {
        t->where = "--wallet-key-file";
        rv = node_secret_load(t->data, &t->len, sizeof t->data, source->file, file_why);
        if (rv != BASE_OK) say(why, rv, "--wallet-key-file: %s", file_why);
    } else if (source->hex != NULL && source->hex[0] != '\0') {
        t->where = "PRIVATE_KEY";
        t->len = strlen(source->hex);
        if (t->len >= sizeof t->data) t->len = sizeof t->data;
        memcpy(t->data, source->hex, t->len);
    } else {
        rv = ask_key(t, source, why);
    }
    if (rv == BASE_OK && t->len >= sizeof t->data)
        rv = say(why, BASE_ETOOBIG, "%s: too long for a key or a keystore", t->where);
    return rv;
}

/* ---- a key in hex ---- */

static int take_hex(struct base_privkey *key, struct text *t, char *why)
{
    while (t->len > 0 && strchr("\r\n", t->data[t->len - 1]) != NULL && t->data[t->len - 1] != '\0')
        t->len--;
    t->data[t->len] = '\0';
    if (strlen(t->data) == t->len &&
        base_hex_decode_0x(key->bytes, sizeof key->bytes, t->data) == BASE_OK)
        return BASE_OK;
    return say(why, BASE_EINVAL, "%s: not a private key in 64 hex digits, and no keystore",
               t->where);
}

/* ---- a keystore ---- */

static int password_line(char *out, size_t *len, char *why, const char *where)
{
    char *end = memchr(out, '\n', *len);
    if (end != NULL) *len = (size_t)(end - out);
    if (*len > 0 && out[*len - 1] == '\r') --*len;
    if (*len <= NODE_WALLET_PASSWORD_MAX) return BASE_OK;
    return say(why, BASE_ETOOBIG, "%s: a password has at most %d bytes", where,
               NODE_WALLET_PASSWORD_MAX);
}

static int read_password(char *out, size_t *len, size_t cap,
                         const struct node_wallet_key_source *source, char *why)
{
    char file_why[NODE_STORE_WHY_BYTES] = "";
    *len = 0;
    if (source->password_file != NULL) {
        int rv = node_secret_load(out, len, cap, source->password_file, file_why);
        if (rv != BASE_OK) return say(why, rv, "--wallet-password-file: %s", file_why);
        return password_line(out, len, why, "--wallet-password-file");
    }
    if (source->password != NULL) {
        *len = strlen(source->password);
        if (*len >= cap) *len = cap - 1;
        memcpy(out, source->password, *len);
        return password_line(out, len, why, "NFTMESH_WALLET_PASSWORD");
    }
    int rv = ask_person(source, NODE_WALLET_SECRET_PASSWORD, out, cap, len, why);
    if (rv != BASE_ENOTFOUND) return rv;
    return say(why, BASE_EINVAL,
               "the wallet key is in a keystore%s: give its password by --wallet-password-file "
               "FILE or NFTMESH_WALLET_PASSWORD",
               source->ask != NULL ? " and there is no terminal to ask for it" : "");
}

static int take_keystore(struct base_privkey *key, const struct text *t,
                         const struct node_wallet_key_source *source, char *why)
{
    struct node_keystore keystore;
    char password[NODE_WALLET_PASSWORD_MAX + 2], text[NODE_KEYSTORE_WHY_BYTES] = "";
    size_t len;
    /* What is wrong with the file is said before anybody is asked for a password. */
    int rv = node_keystore_parse(&keystore, t->data, t->len, text);
    if (rv != BASE_OK) return say(why, rv, "%s: %s", t->where, text);
    rv = read_password(password, &len, sizeof password, source, why);
    if (rv == BASE_OK) {
        rv = node_keystore_open(key, &keystore, password, len, text);
        if (rv != BASE_OK) say(why, rv, "%s: %s", t->where, text);
    }
    base_memzero(password, sizeof password);
    return rv;
}

int node_wallet_key_read(struct base_privkey *key, struct base_eth_address *address,
                         const struct node_wallet_key_source *source,
                         char why[NODE_WALLET_KEY_WHY_BYTES])
{
    struct text t = {.where = ""};
    struct base_key33 pub;
    int rv = read_text(&t, source, why);
    if (rv == BASE_OK) {
        rv = node_keystore_is(t.data, t.len) ? take_keystore(key, &t, source, why)
                                             : take_hex(key, &t, why);
        if (rv == BASE_OK && (base_ecdsa_pubkey(&pub, key) != BASE_OK ||
                              base_ecdsa_address(address, &pub) != BASE_OK))
            rv = say(why, BASE_EKEY, "%s: these digits are no private key of the curve", t.where);
    }
    base_memzero(&t, sizeof t);
    if (rv != BASE_OK) base_memzero(key, sizeof *key);
    return rv;
}
