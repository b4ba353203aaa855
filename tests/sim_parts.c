/* What a simulated node is made of: a key, a keyed hash in the place of signatures, a record. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/aead.h"
#include "base/err.h"
#include "sim_internal.h"

const struct base_eth_address SIM__CONTRACT = {{0xc0, 1}}, SIM__ROOT = {{0x40, 2}},
                              SIM__APP = {{0xa0, 3}};

/* ---- crypto: a keyed hash ---- */

void sim__hash(struct base_hash32 *out, const char *what, uint32_t i)
{
    uint8_t number[4];
    base_put_u32be(number, i);
    base_sha256_2(out, what, strlen(what), number, sizeof number);
}

struct base_key33 sim_key_of(uint32_t i)
{
    struct base_hash32 hash;
    struct base_key33 key;
    sim__hash(&hash, "node key", i);
    key.bytes[0] = 2;
    memcpy(key.bytes + 1, hash.bytes, sizeof hash.bytes);
    return key;
}

const struct base_eip712_domain *sim__domain(void)
{
    static struct base_eip712_domain domain;
    static bool is_known;
    if (!is_known) base_eip712_domain_init(&domain, SIM__CHAIN_ID, &SIM__CONTRACT);
    is_known = true;
    return &domain;
}

/* The same statement is checked by every node that it reaches: its digest is made once, and looked
 * up by all of its bytes. What it is does not depend on that. */
#define DIGESTS    1024
#define BYTES_KEPT 512
void sim_eip712_statement(struct base_hash32 *digest, const struct base_eip712_domain *domain,
                          enum base_statement kind, const void *body, size_t len)
{
    static struct {
        enum base_statement kind;
        size_t len;
        uint8_t body[BYTES_KEPT];
        struct base_hash32 digest;
    } kept[DIGESTS];
    const uint8_t *bytes = body;
    uint32_t mix = (uint32_t)kind;
    for (size_t at = 0; at < len; at++)
        mix = (mix ^ bytes[at]) * 16777619u;
    size_t slot = (mix ^ mix >> 16) % DIGESTS;
    if (len > 0 && len == kept[slot].len && kind == kept[slot].kind &&
        memcmp(kept[slot].body, body, len) == 0) {
        *digest = kept[slot].digest;
        return;
    }
    base_eip712_statement(digest, domain, kind, body, len);
    if (len > BYTES_KEPT) return;
    kept[slot].kind = kind;
    kept[slot].len = len;
    memcpy(kept[slot].body, body, len);
    kept[slot].digest = *digest;
}

/* "Signed": who knows the key and the digest can make it, so honest code never does it for
 * another, and liars are handed their own index only. Names its key, so that it can be recovered.
 */
void sim__seal(struct base_sig65 *sig, const struct base_key33 *key,
               const struct base_hash32 *digest)
{
    struct base_hash32 hash;
    base_sha256_2(&hash, key->bytes, sizeof key->bytes, digest->bytes, sizeof digest->bytes);
    memcpy(sig->bytes, hash.bytes, sizeof hash.bytes);
    memcpy(sig->bytes + 32, key->bytes + 1, BASE_KEY33_BYTES - 1);
    sig->bytes[64] = key->bytes[0] & 1;
}

/* A record's is over what admission checks; the others' digests only need to differ. */
static void sign_as(const struct base_key33 *key, enum base_statement kind, const void *body,
                    size_t len, struct base_sig65 *sig)
{
    struct base_hash32 digest;
    uint8_t head = (uint8_t)kind;
    if (kind == BASE_STATEMENT_RECORD)
        sim_eip712_statement(&digest, sim__domain(), kind, body, len);
    else
        base_sha256_2(&digest, &head, sizeof head, body, len);
    sim__seal(sig, key, &digest);
}

int sim_sign(uint32_t i, enum base_statement kind, const void *body, size_t len,
             struct base_sig65 *sig)
{
    struct base_key33 key = sim_key_of(i);
    sign_as(&key, kind, body, len, sig);
    return BASE_OK;
}

static int crypto_sign(void *ctx, enum base_statement kind, const void *body, size_t len,
                       struct base_sig65 *sig)
{
    return sim_sign((uint32_t)(uintptr_t)ctx, kind, body, len, sig);
}

static int crypto_verify(void *ctx, enum base_statement kind, const void *body, size_t len,
                         const struct base_sig65 *sig, const struct base_key33 *key)
{
    struct base_sig65 right;
    (void)ctx;
    sign_as(key, kind, body, len, &right);
    return memcmp(right.bytes, sig->bytes, sizeof right.bytes) == 0 ? BASE_OK : BASE_ESIG;
}

struct gossip_crypto sim_crypto(uint32_t i)
{
    return (struct gossip_crypto){(void *)(uintptr_t)i, crypto_sign, crypto_verify};
}

/* ---- configurations and records ---- */

struct base_slice sim__slice(const char *text)
{
    return (struct base_slice){(const uint8_t *)text, strlen(text)};
}

void sim__record_fields(struct gossip_record *r, uint32_t i, uint64_t incarnation)
{
    static char name[16], url[64];
    snprintf(name, sizeof name, "n%u", i);
    snprintf(url, sizeof url, "tcp://10.0.%u.%u:7946", i / 256, i % 256);
    *r = (struct gossip_record){
        .node_key = sim_key_of(i),
        .incarnation = incarnation,
        .name = sim__slice(name),
        .urls = {sim__slice(url)},
        .url_count = 1,
        .version = sim__slice("sim"),
    };
    r->instance.bytes[0] = 1; /* not the zero address, which is nobody's */
    base_put_u32be(r->instance.bytes + 1, i);
}

void sim_config_of(struct gossip_config *cfg, uint32_t i, uint64_t incarnation)
{
    memset(cfg, 0, sizeof *cfg);
    gossip_config_default(cfg);
    sim__record_fields(&cfg->self, i, incarnation);
    cfg->proof = sim__slice("proof");
    cfg->seed = i;
    cfg->members_max = 64;
}

void sim_record_of(struct gossip_signed_record *out, uint32_t i, uint64_t incarnation,
                   uint64_t sequence)
{
    struct gossip_record r;
    sim__record_fields(&r, i, incarnation);
    r.sequence = sequence;
    int rv = gossip_record_encode(out->body, &out->body_len, sizeof out->body, &r);
    assert(rv == BASE_OK);
    sim_sign(i, BASE_STATEMENT_RECORD, out->body, out->body_len, &out->sig);
}
