#include "attest/hello.h"

#include "base/err.h"
#include "base/pack.h"

#include <assert.h>
#include <string.h>

/* The keys of the map (docs/wire.md, HELLO). Everything but settings is a bin of exactly the
 * field's bytes, numbers big-endian, so that a HELLO has one encoding. */
enum hello_key {
    KEY_WIRE_MINOR = 0,
    KEY_FEATURES,
    KEY_CHAIN_ID,
    KEY_CONTRACT,
    KEY_SETTINGS,
    KEY_TOKEN_ID,
    KEY_INSTANCE,
    KEY_BOOT, /* boot id || start incarnation */
    KEY_RECORD,
    KEY_RECORD_SIG,
    KEY_PROOF_KEY,
    KEY_APP_ID,
    KEY_APP_KEY,
    KEY_APP_SIG,
    KEY_KMS_SIG,
    KEY_POP,
    KEY_AUTHORISATION
};
#define KEY_MAX             63
#define KEYS_NEEDED         ((1u << KEY_AUTHORISATION) - 1) /* 0 to 15 */
#define BOOT_BYTES          24
#define AUTHORISATION_SIGS  (8 + 32 + 8)
#define AUTHORISATION_BYTES (AUTHORISATION_SIGS + 3 * BASE_SIG65_BYTES)

static int unpack_u16(struct base_unpacker *u, uint16_t *out)
{
    uint8_t bytes[2];
    int rv = base_unpack_bin_exact(u, bytes, sizeof bytes);

    if (rv == BASE_OK) *out = base_get_u16be(bytes);
    return rv;
}

static int unpack_u64(struct base_unpacker *u, uint64_t *out)
{
    uint8_t bytes[8];
    int rv = base_unpack_bin_exact(u, bytes, sizeof bytes);

    if (rv == BASE_OK) *out = base_get_u64be(bytes);
    return rv;
}

static int unpack_settings(struct base_unpacker *u, struct base_slice *out)
{
    int rv = base_unpack_str(u, out, ATTEST_SETTINGS_BYTES_MAX);

    if (rv != BASE_OK) return BASE_EMALFORMED;
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] < 0x20 || out->data[i] > 0x7e) return BASE_EMALFORMED;
    return BASE_OK;
}

static int unpack_boot(struct base_unpacker *u, struct attest_hello *out)
{
    uint8_t bytes[BOOT_BYTES];
    int rv = base_unpack_bin_exact(u, bytes, sizeof bytes);

    if (rv != BASE_OK) return rv;
    memcpy(out->boot_id, bytes, sizeof out->boot_id);
    out->start_incarnation = base_get_u64be(bytes + sizeof out->boot_id);
    return BASE_OK;
}

/* issued block || its hash || not after || signatures of owner, N and D */
static int unpack_authorisation(struct base_unpacker *u, struct attest_hello *out)
{
    struct attest_authorisation *a = &out->authorisation;
    uint8_t bytes[AUTHORISATION_BYTES], *at = bytes + AUTHORISATION_SIGS;
    int rv = base_unpack_bin_exact(u, bytes, sizeof bytes);

    if (rv != BASE_OK) return rv;
    out->has_authorisation = true;
    a->issued_block = base_get_u64be(bytes);
    memcpy(a->issued_block_hash.bytes, bytes + 8, BASE_HASH32_BYTES);
    a->not_after = base_get_u64be(bytes + 8 + BASE_HASH32_BYTES);
    memcpy(a->owner_sig.bytes, at, BASE_SIG65_BYTES);
    memcpy(a->node_sig.bytes, at + BASE_SIG65_BYTES, BASE_SIG65_BYTES);
    memcpy(a->proof_sig.bytes, at + 2 * BASE_SIG65_BYTES, BASE_SIG65_BYTES);
    return BASE_OK;
}

static int unpack_value(struct base_unpacker *u, struct attest_hello *out, enum hello_key key)
{
    switch (key) {
    case KEY_WIRE_MINOR:
        return unpack_u16(u, &out->wire_minor);
    case KEY_FEATURES:
        return unpack_u64(u, &out->features);
    case KEY_CHAIN_ID:
        return unpack_u64(u, &out->chain_id);
    case KEY_CONTRACT:
        return base_unpack_bin_exact(u, out->contract.bytes, sizeof out->contract.bytes);
    case KEY_SETTINGS:
        return unpack_settings(u, &out->settings);
    case KEY_TOKEN_ID:
        return base_unpack_bin_exact(u, out->token_id.bytes, sizeof out->token_id.bytes);
    case KEY_INSTANCE:
        return base_unpack_bin_exact(u, out->instance.bytes, sizeof out->instance.bytes);
    case KEY_BOOT:
        return unpack_boot(u, out);
    case KEY_RECORD:
        return base_unpack_bin(u, &out->record, ATTEST_RECORD_BYTES_MAX);
    case KEY_RECORD_SIG:
        return base_unpack_bin_exact(u, out->record_sig.bytes, sizeof out->record_sig.bytes);
    case KEY_PROOF_KEY:
        return base_unpack_bin_exact(u, out->proof_key.bytes, sizeof out->proof_key.bytes);
    case KEY_APP_ID:
        return base_unpack_bin_exact(u, out->app_id.bytes, sizeof out->app_id.bytes);
    case KEY_APP_KEY:
        return base_unpack_bin_exact(u, out->app_key.bytes, sizeof out->app_key.bytes);
    case KEY_APP_SIG:
        return base_unpack_bin_exact(u, out->app_sig.bytes, sizeof out->app_sig.bytes);
    case KEY_KMS_SIG:
        return base_unpack_bin_exact(u, out->kms_sig.bytes, sizeof out->kms_sig.bytes);
    case KEY_POP:
        return base_unpack_bin_exact(u, out->pop.bytes, sizeof out->pop.bytes);
    case KEY_AUTHORISATION:
        return unpack_authorisation(u, out);
    }
    return BASE_EMALFORMED;
}

/* One key and its value. *least is the smallest key that may come now: ascending, none twice. */
static int unpack_entry(struct base_unpacker *u, struct attest_hello *out, uint64_t *least,
                        uint32_t *seen)
{
    uint64_t key;
    int rv = base_unpack_u64(u, &key);

    if (rv != BASE_OK) return rv;
    if (key < *least || key > KEY_MAX) return BASE_EMALFORMED;
    *least = key + 1;
    if (key > KEY_AUTHORISATION) return base_unpack_skip(u, NULL);
    *seen |= 1u << key;
    return unpack_value(u, out, (enum hello_key)key);
}

static int unpack_hello(struct attest_hello *out, struct base_unpacker *u)
{
    uint64_t least = 0;
    uint32_t count, seen = 0;

    if (base_unpack_map(u, &count, KEY_MAX + 1) != BASE_OK) return BASE_EMALFORMED;
    for (uint32_t i = 0; i < count; i++)
        if (unpack_entry(u, out, &least, &seen) != BASE_OK) return BASE_EMALFORMED;
    if ((seen & KEYS_NEEDED) != KEYS_NEEDED) return BASE_EMALFORMED;
    return base_unpack_at_end(u) ? BASE_OK : BASE_EMALFORMED;
}

int attest_hello_decode(struct attest_hello *out, const void *data, size_t len)
{
    struct base_unpacker u;
    int rv;

    assert(out != NULL && (data != NULL || len == 0));
    memset(out, 0, sizeof *out);
    if (len > ATTEST_HELLO_BYTES_MAX) return BASE_ETOOBIG;
    base_unpacker_init(&u, data, len);
    rv = unpack_hello(out, &u);
    if (rv != BASE_OK) memset(out, 0, sizeof *out);
    return rv;
}

/* ---- encoding ---- */

static void pack_bytes(struct base_packer *p, enum hello_key key, const void *data, size_t len)
{
    base_pack_u64(p, (uint64_t)key);
    base_pack_bin(p, data, len);
}

static void pack_u64(struct base_packer *p, enum hello_key key, uint64_t value)
{
    uint8_t bytes[8];

    base_put_u64be(bytes, value);
    pack_bytes(p, key, bytes, sizeof bytes);
}

/* Keys 0 to 7: who and where. */
static void pack_place(struct base_packer *p, const struct attest_hello *hello)
{
    uint8_t minor[2], boot[BOOT_BYTES];

    base_put_u16be(minor, hello->wire_minor);
    memcpy(boot, hello->boot_id, sizeof hello->boot_id);
    base_put_u64be(boot + sizeof hello->boot_id, hello->start_incarnation);
    pack_bytes(p, KEY_WIRE_MINOR, minor, sizeof minor);
    pack_u64(p, KEY_FEATURES, hello->features);
    pack_u64(p, KEY_CHAIN_ID, hello->chain_id);
    pack_bytes(p, KEY_CONTRACT, hello->contract.bytes, sizeof hello->contract.bytes);
    base_pack_u64(p, KEY_SETTINGS);
    base_pack_str(p, (const char *)hello->settings.data, hello->settings.len);
    pack_bytes(p, KEY_TOKEN_ID, hello->token_id.bytes, sizeof hello->token_id.bytes);
    pack_bytes(p, KEY_INSTANCE, hello->instance.bytes, sizeof hello->instance.bytes);
    pack_bytes(p, KEY_BOOT, boot, sizeof boot);
}

/* Keys 8 to 15: what proves it. */
static void pack_proofs(struct base_packer *p, const struct attest_hello *hello)
{
    pack_bytes(p, KEY_RECORD, hello->record.data, hello->record.len);
    pack_bytes(p, KEY_RECORD_SIG, hello->record_sig.bytes, sizeof hello->record_sig.bytes);
    pack_bytes(p, KEY_PROOF_KEY, hello->proof_key.bytes, sizeof hello->proof_key.bytes);
    pack_bytes(p, KEY_APP_ID, hello->app_id.bytes, sizeof hello->app_id.bytes);
    pack_bytes(p, KEY_APP_KEY, hello->app_key.bytes, sizeof hello->app_key.bytes);
    pack_bytes(p, KEY_APP_SIG, hello->app_sig.bytes, sizeof hello->app_sig.bytes);
    pack_bytes(p, KEY_KMS_SIG, hello->kms_sig.bytes, sizeof hello->kms_sig.bytes);
    pack_bytes(p, KEY_POP, hello->pop.bytes, sizeof hello->pop.bytes);
}

/* Key 16 */
static void pack_authorisation(struct base_packer *p, const struct attest_authorisation *a)
{
    uint8_t bytes[AUTHORISATION_BYTES], *at = bytes + AUTHORISATION_SIGS;

    base_put_u64be(bytes, a->issued_block);
    memcpy(bytes + 8, a->issued_block_hash.bytes, BASE_HASH32_BYTES);
    base_put_u64be(bytes + 8 + BASE_HASH32_BYTES, a->not_after);
    memcpy(at, a->owner_sig.bytes, BASE_SIG65_BYTES);
    memcpy(at + BASE_SIG65_BYTES, a->node_sig.bytes, BASE_SIG65_BYTES);
    memcpy(at + 2 * BASE_SIG65_BYTES, a->proof_sig.bytes, BASE_SIG65_BYTES);
    pack_bytes(p, KEY_AUTHORISATION, bytes, sizeof bytes);
}

int attest_hello_encode(void *out, size_t *out_len, size_t cap, const struct attest_hello *hello)
{
    struct base_packer p;

    assert(out != NULL && out_len != NULL && hello != NULL);
    assert(hello->settings.len <= ATTEST_SETTINGS_BYTES_MAX);
    assert(hello->record.len <= ATTEST_RECORD_BYTES_MAX);
    base_packer_init(&p, out, cap);
    base_pack_map(&p, hello->has_authorisation ? KEY_AUTHORISATION + 1 : KEY_AUTHORISATION);
    pack_place(&p, hello);
    pack_proofs(&p, hello);
    if (hello->has_authorisation) pack_authorisation(&p, &hello->authorisation);
    if (p.failed) return BASE_ETOOBIG;
    *out_len = p.len;
    return BASE_OK;
}
