#include "tools/chain_mutate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"

static const char *const part_names[CHAIN_PARTS] = {"purpose", "root",   "allowed", "derived",
                                                    "app_key", "app_id", "app_sig", "kms_sig"};

static const uint8_t n_order[32] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
static const uint8_t half_n[32] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4,
                                   0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};
static const uint8_t p_field[32] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xfc, 0x2f};

_Noreturn void chain_give_up(const char *what)
{
    fprintf(stderr, "nftmesh-chain-mutations: %s\n", what);
    exit(1);
}

static void must(int rv, const char *what)
{
    if (rv != BASE_OK) chain_give_up(what);
}

static size_t below(struct chain_mutator *m, size_t bound)
{
    return (size_t)base_prng_below(&m->prng, bound);
}

static bool coin(struct chain_mutator *m)
{
    return below(m, 2) == 1;
}

static void note(struct chain_mutator *m, const char *part, const char *what)
{
    size_t used = strlen(m->note);
    (void)snprintf(m->note + used, sizeof m->note - used, "%s%s %s", used > 0 ? ", " : "", part,
                   what);
}

void chain_put(struct chain_bytes *out, const void *data, size_t len)
{
    if (len > CHAIN_PART_BYTES_MAX) chain_give_up("a part is too long for this tool");
    memcpy(out->data, data, len);
    out->len = len;
}

static void random_privkey(struct chain_mutator *m, struct base_privkey *key)
{
    do {
        for (size_t i = 0; i < sizeof key->bytes; i++)
            key->bytes[i] = (uint8_t)below(m, 256);
    } while (base_ecdsa_privkey_check(key) != BASE_OK);
}

static void put_pubkey(struct chain_bytes *out, const struct base_privkey *key)
{
    struct base_key33 pub;
    must(base_ecdsa_pubkey(&pub, key), "public key");
    chain_put(out, pub.bytes, sizeof pub.bytes);
}

static void put_address(struct chain_bytes *out, const struct base_privkey *key)
{
    struct base_key33 pub;
    struct base_eth_address address;
    must(base_ecdsa_pubkey(&pub, key), "public key");
    must(base_ecdsa_address(&address, &pub), "address");
    chain_put(out, address.bytes, sizeof address.bytes);
}

static void sign_app(struct chain *c, const struct base_privkey *key)
{
    struct base_sig65 sig;
    if (c->part[CHAIN_DERIVED].len > BASE_KEY33_BYTES) return; /* nobody signs that */
    must(attest_sign_app(&sig, key, c->part[CHAIN_PURPOSE].data, c->part[CHAIN_PURPOSE].len,
                         c->part[CHAIN_DERIVED].data, c->part[CHAIN_DERIVED].len),
         "app signature");
    chain_put(&c->part[CHAIN_APP_SIG], sig.bytes, sizeof sig.bytes);
}

static void sign_kms(struct chain *c, const struct base_privkey *root)
{
    struct base_eth_address app_id;
    struct base_key33 app_key;
    struct base_sig65 sig;
    if (c->part[CHAIN_APP_ID].len != sizeof app_id.bytes ||
        c->part[CHAIN_APP_KEY].len != sizeof app_key.bytes)
        return;
    memcpy(app_id.bytes, c->part[CHAIN_APP_ID].data, sizeof app_id.bytes);
    memcpy(app_key.bytes, c->part[CHAIN_APP_KEY].data, sizeof app_key.bytes);
    must(attest_sign_kms(&sig, root, &app_id, &app_key), "KMS signature");
    chain_put(&c->part[CHAIN_KMS_SIG], sig.bytes, sizeof sig.bytes);
}

void chain_make(struct chain_mutator *m, struct chain *c)
{
    struct base_privkey derived, app, root = m->kms_root;
    if (coin(m)) random_privkey(m, &root);
    random_privkey(m, &derived);
    random_privkey(m, &app);
    chain_put(&c->part[CHAIN_PURPOSE], ATTEST_PURPOSE, strlen(ATTEST_PURPOSE));
    put_address(&c->part[CHAIN_ROOT], &root);
    put_address(&c->part[CHAIN_APP_ID], &app); /* any 20 bytes */
    c->part[CHAIN_ALLOWED] = c->part[CHAIN_APP_ID];
    put_pubkey(&c->part[CHAIN_DERIVED], &derived);
    put_pubkey(&c->part[CHAIN_APP_KEY], &app);
    sign_app(c, &app);
    sign_kms(c, &root);
}

/* ---- mutations ------------------------------------------------------------------------------ */

/* Constants of the verifier have a fixed size in C and in the contract. */
static bool has_fixed_length(enum chain_part p)
{
    return p == CHAIN_ROOT || p == CHAIN_ALLOWED;
}

static enum chain_part any_part(struct chain_mutator *m)
{
    return (enum chain_part)below(m, CHAIN_PARTS);
}

static enum chain_part any_shown_part(struct chain_mutator *m)
{
    return (enum chain_part)(CHAIN_DERIVED + below(m, CHAIN_PARTS - CHAIN_DERIVED));
}

static enum chain_part any_key(struct chain_mutator *m)
{
    return coin(m) ? CHAIN_DERIVED : CHAIN_APP_KEY;
}

static enum chain_part any_signature(struct chain_mutator *m)
{
    return coin(m) ? CHAIN_APP_SIG : CHAIN_KMS_SIG;
}

static void flip_bit(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_part(m);
    struct chain_bytes *b = &c->part[p];
    if (b->len == 0) return;
    b->data[below(m, b->len)] ^= (uint8_t)(1u << below(m, 8));
    note(m, part_names[p], "bit flip");
}

static void set_byte(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_part(m);
    struct chain_bytes *b = &c->part[p];
    if (b->len == 0) return;
    b->data[below(m, b->len)] = coin(m) ? (uint8_t)below(m, 256) : coin(m) ? 0x00 : 0xff;
    note(m, part_names[p], "byte set");
}

static void truncate_part(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_part(m);
    struct chain_bytes *b = &c->part[p];
    if (has_fixed_length(p) || b->len == 0) return;
    b->len -= coin(m) ? 1 : 1 + below(m, b->len);
    note(m, part_names[p], "truncated");
}

static void extend_part(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_part(m);
    struct chain_bytes *b = &c->part[p];
    if (has_fixed_length(p)) return;
    for (size_t more = 1 + below(m, 3); more > 0 && b->len < CHAIN_PART_BYTES_MAX; more--)
        b->data[b->len++] = coin(m) ? 0 : (uint8_t)below(m, 256);
    note(m, part_names[p], "extended");
}

static void fill_part(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_part(m);
    memset(c->part[p].data, coin(m) ? 0x00 : 0xff, c->part[p].len);
    note(m, part_names[p], "filled");
}

static void swap_parts(struct chain_mutator *m, struct chain *c)
{
    enum chain_part a = any_shown_part(m), b = any_shown_part(m);
    if (coin(m)) { /* the two that look alike */
        a = CHAIN_APP_SIG;
        b = CHAIN_KMS_SIG;
    }
    struct chain_bytes kept = c->part[a];
    c->part[a] = c->part[b];
    c->part[b] = kept;
    note(m, part_names[a], part_names[b]);
}

static void take_from_another(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_part(m);
    c->part[p] = m->bases[below(m, m->base_count)].part[p];
    note(m, part_names[p], "of another chain");
}

/* Each part of one of two chains. */
static void mix(struct chain_mutator *m, struct chain *c)
{
    const struct chain *other = &m->bases[below(m, m->base_count)];
    for (int p = 0; p < CHAIN_PARTS; p++)
        if (coin(m)) c->part[p] = other->part[p];
    note(m, "mixed", "with another chain");
}

static void set_v(struct chain_mutator *m, struct chain *c)
{
    static const uint8_t values[] = {0, 1, 2, 3, 4, 26, 27, 28, 29, 35, 37, 128, 229, 230, 255};
    enum chain_part p = any_signature(m);
    struct chain_bytes *b = &c->part[p];
    if (b->len == 0) return;
    b->data[b->len - 1] = values[below(m, sizeof values)];
    note(m, part_names[p], "v");
}

/* n - s, with v turned or not: the same signer in another encoding, if it is turned. */
static void turn_s(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_signature(m);
    struct chain_bytes *b = &c->part[p];
    if (b->len != BASE_SIG65_BYTES) return;
    int borrow = 0;
    for (size_t i = 32; i-- > 0;) {
        int digit = (int)n_order[i] - b->data[32 + i] - borrow;
        borrow = digit < 0;
        b->data[32 + i] = (uint8_t)(digit + (borrow ? 256 : 0));
    }
    if (coin(m)) b->data[64] ^= 1;
    note(m, part_names[p], "n - s");
}

/* Adds a small number, possibly negative, to 32 bytes. */
static void add_small(uint8_t number[32], int small)
{
    for (size_t i = 32; i-- > 0 && small != 0;) {
        int digit = number[i] + small;
        number[i] = (uint8_t)(digit & 0xff);
        small = digit < 0 ? -1 : digit > 0xff ? 1 : 0;
    }
}

/* A number at an edge: 0, n/2, n, p, and what is next to them. */
static void edge_number(struct chain_mutator *m, uint8_t out[32])
{
    static const uint8_t zero[32] = {0};
    const uint8_t *const edges[] = {zero, half_n, n_order, p_field};
    memcpy(out, edges[below(m, 4)], 32);
    add_small(out, (int)below(m, 5) - 2); /* below zero it is 2^256 - 1 and - 2 */
}

static void edge_in_signature(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_signature(m);
    if (c->part[p].len != BASE_SIG65_BYTES) return;
    edge_number(m, c->part[p].data + (coin(m) ? 0 : 32));
    note(m, part_names[p], "number at an edge");
}

/* EIP-2098: the bit of v in the top of s, 64 bytes. */
static void make_compact(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_signature(m);
    struct chain_bytes *b = &c->part[p];
    if (b->len != BASE_SIG65_BYTES) return;
    if (b->data[64] == 1) b->data[32] |= 0x80;
    b->len = 64;
    note(m, part_names[p], "compact");
}

static void set_prefix(struct chain_mutator *m, struct chain *c)
{
    static const uint8_t values[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0xff};
    enum chain_part p = any_key(m);
    if (c->part[p].len == 0) return;
    c->part[p].data[0] = values[below(m, sizeof values)];
    note(m, part_names[p], "prefix");
}

static void edge_in_key(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_key(m);
    if (c->part[p].len != BASE_KEY33_BYTES) return;
    edge_number(m, c->part[p].data + 1);
    note(m, part_names[p], "x at an edge");
}

bool chain_xy(uint8_t out[64], const struct chain_bytes *key)
{
    struct base_key33 pub;
    if (key->len != sizeof pub.bytes) return false;
    memcpy(pub.bytes, key->data, sizeof pub.bytes);
    return base_ecdsa_pubkey_xy(out, &pub) == BASE_OK;
}

/* SEC1's other forms of a point: uncompressed, hybrid; and x alone. */
static void encode_otherwise(struct chain_mutator *m, struct chain *c)
{
    enum chain_part p = any_key(m);
    struct chain_bytes *b = &c->part[p];
    uint8_t xy[64];
    if (!chain_xy(xy, b)) return;
    memcpy(b->data + 1, xy, sizeof xy);
    switch (below(m, 3)) {
    case 0:
        b->data[0] = 0x04;
        b->len = 65;
        break;
    case 1:
        b->data[0] = (uint8_t)(0x06 | (xy[63] & 1));
        b->len = 65;
        break;
    default:
        memmove(b->data, xy, 32);
        b->len = 32;
        break;
    }
    note(m, part_names[p], "in another encoding");
}

/* The app signature by a stranger, whose key is shown as the app's or not. */
static void sign_app_as_stranger(struct chain_mutator *m, struct chain *c)
{
    struct base_privkey stranger;
    random_privkey(m, &stranger);
    sign_app(c, &stranger);
    if (coin(m)) put_pubkey(&c->part[CHAIN_APP_KEY], &stranger);
    note(m, "app_sig", "by a stranger");
}

/* The KMS signature anew: by the published root or a stranger, who is trusted or not. */
static void sign_kms_again(struct chain_mutator *m, struct chain *c)
{
    struct base_privkey root = m->kms_root;
    if (coin(m)) random_privkey(m, &root);
    sign_kms(c, &root);
    if (coin(m)) put_address(&c->part[CHAIN_ROOT], &root);
    note(m, "kms_sig", "again");
}

static void allow_what_is_shown(struct chain_mutator *m, struct chain *c)
{
    if (c->part[CHAIN_APP_ID].len != BASE_ADDRESS_BYTES) return;
    c->part[CHAIN_ALLOWED] = c->part[CHAIN_APP_ID];
    note(m, "allowed", "as shown");
}

typedef void mutation(struct chain_mutator *m, struct chain *c);
static mutation *const mutations[] = {
    flip_bit,
    flip_bit,
    set_byte,
    truncate_part,
    extend_part,
    fill_part,
    swap_parts,
    take_from_another,
    mix,
    set_v,
    turn_s,
    edge_in_signature,
    make_compact,
    set_prefix,
    edge_in_key,
    encode_otherwise,
    sign_app_as_stranger,
    sign_kms_again,
    allow_what_is_shown,
};

/* A purpose is the verifier's constant: text without ':', which C ends with a zero. */
static void mend_purpose(struct chain_bytes *purpose)
{
    for (size_t i = 0; i < purpose->len; i++)
        if (purpose->data[i] == '\0' || purpose->data[i] == ':') purpose->data[i] = '.';
}

void chain_mutate(struct chain_mutator *m, struct chain *out, const struct chain **base)
{
    *base = &m->bases[below(m, m->base_count)];
    *out = **base;
    m->note[0] = '\0';
    for (size_t i = coin(m) ? 1 : 2; i > 0; i--)
        mutations[below(m, sizeof mutations / sizeof mutations[0])](m, out);
    if (m->note[0] == '\0') flip_bit(m, out);
    mend_purpose(&out->part[CHAIN_PURPOSE]);
}
