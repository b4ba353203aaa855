#include "attest/noise.h"

#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <assert.h>
#include <string.h>

static const char protocol_name[] = "Noise_XK_secp256k1_ChaChaPoly_SHA256";

void attest_prologue(uint8_t out[ATTEST_PROLOGUE_BYTES], uint64_t chain_id,
                     const struct base_eth_address *contract)
{
    static const char tag[9] = {'n', 'f', 't', 'm', 'e', 's', 'h', '/', '1'};
    struct base_u256 chain = base_u256_from_u64(chain_id);

    assert(out != NULL && contract != NULL);
    memcpy(out, tag, sizeof tag);
    memcpy(out + sizeof tag, chain.bytes, sizeof chain.bytes);
    memcpy(out + sizeof tag + sizeof chain.bytes, contract->bytes, sizeof contract->bytes);
}

/* Noise's MixHash. */
static void mix_hash(struct attest_noise *noise, const void *data, size_t len)
{
    base_sha256_2(&noise->h, noise->h.bytes, sizeof noise->h.bytes, data, len);
}

/* ck, k = HKDF(ck, ikm): 64 bytes, of which the first half is the new ck. */
static void hkdf_2(struct base_hash32 *ck, struct base_hash32 *k, const void *ikm, size_t ikm_len)
{
    uint8_t both[64];

    base_hkdf_sha256(both, sizeof both, ikm, ikm_len, ck->bytes, sizeof ck->bytes, NULL, 0);
    memcpy(ck->bytes, both, 32);
    memcpy(k->bytes, both + 32, 32);
    base_memzero(both, sizeof both);
}

/* Noise's MixKey with an ECDH result. BASE_EKEY when pub is not a point. */
static int mix_ecdh(struct attest_noise *noise, const struct base_key33 *pub,
                    const struct base_privkey *priv)
{
    struct base_hash32 shared;
    int rv = base_ecdsa_ecdh(&shared, pub, priv);

    if (rv != BASE_OK) return rv;
    hkdf_2(&noise->ck, &noise->temp_k, shared.bytes, sizeof shared.bytes);
    base_memzero(&shared, sizeof shared);
    return BASE_OK;
}

/* EncryptAndHash under temp_k; counter is 0 but for the static key's second use of temp_k2. */
static void seal_and_hash(struct attest_noise *noise, uint8_t *out, uint8_t counter,
                          const uint8_t *plain, size_t len)
{
    uint8_t nonce[BASE_AEAD_NONCE_BYTES] = {0};

    nonce[4] = counter;
    base_aead_seal(out, &noise->temp_k, nonce, noise->h.bytes, sizeof noise->h.bytes, plain, len);
    mix_hash(noise, out, len + BASE_AEAD_TAG_BYTES);
}

static int open_and_hash(struct attest_noise *noise, uint8_t *out, uint8_t counter,
                         const uint8_t *sealed, size_t len)
{
    uint8_t nonce[BASE_AEAD_NONCE_BYTES] = {0};
    int rv;

    nonce[4] = counter;
    rv = base_aead_open(out, &noise->temp_k, nonce, noise->h.bytes, sizeof noise->h.bytes, sealed,
                        len);
    if (rv != BASE_OK) return rv;
    mix_hash(noise, sealed, len);
    return BASE_OK;
}

/* What both ends do before the first byte moves. */
static void begin(struct attest_noise *noise, const void *prologue, size_t prologue_len,
                  const struct base_key33 *responder_static)
{
    memset(noise, 0, sizeof *noise);
    base_sha256(&noise->h, protocol_name, sizeof protocol_name - 1);
    noise->ck = noise->h;
    mix_hash(noise, prologue, prologue_len);
    mix_hash(noise, responder_static->bytes, sizeof responder_static->bytes);
}

/* Acts 1 and 2 are one shape: version, our ephemeral key, the tag of an empty message. */
static int write_ephemeral(struct attest_noise *noise, uint8_t act[50], const struct base_key33 *to,
                           const struct base_privkey *ephemeral)
{
    struct base_key33 e;
    int rv = base_ecdsa_pubkey(&e, ephemeral);

    if (rv != BASE_OK) return rv;
    noise->ephemeral = *ephemeral;
    mix_hash(noise, e.bytes, sizeof e.bytes);
    rv = mix_ecdh(noise, to, ephemeral);
    if (rv != BASE_OK) return rv;
    act[0] = 0;
    memcpy(act + 1, e.bytes, sizeof e.bytes);
    seal_and_hash(noise, act + 34, 0, NULL, 0);
    return BASE_OK;
}

static int read_ephemeral(struct attest_noise *noise, const uint8_t *act, size_t len,
                          const struct base_privkey *local)
{
    uint8_t nothing[1];
    int rv;

    if (len != ATTEST_ACT1_BYTES) return BASE_EMALFORMED;
    if (act[0] != 0) return BASE_EUNSUPPORTED;
    memcpy(noise->remote_ephemeral.bytes, act + 1, sizeof noise->remote_ephemeral.bytes);
    mix_hash(noise, noise->remote_ephemeral.bytes, sizeof noise->remote_ephemeral.bytes);
    rv = mix_ecdh(noise, &noise->remote_ephemeral, local);
    if (rv != BASE_OK) return rv; /* not a point */
    return open_and_hash(noise, nothing, 0, act + 34, BASE_AEAD_TAG_BYTES);
}

int attest_noise_dial(struct attest_noise *noise, uint8_t act1[ATTEST_ACT1_BYTES],
                      const void *prologue, size_t prologue_len,
                      const struct base_key33 *remote_static, const struct base_privkey *ephemeral)
{
    int rv;

    assert(noise != NULL && act1 != NULL && prologue != NULL);
    assert(remote_static != NULL && ephemeral != NULL);
    begin(noise, prologue, prologue_len, remote_static);
    noise->remote_static = *remote_static;
    rv = write_ephemeral(noise, act1, remote_static, ephemeral);
    if (rv != BASE_OK) {
        attest_noise_deinit(noise);
        return rv;
    }
    noise->step = ATTEST_NOISE_WANTS_ACT2;
    return BASE_OK;
}

int attest_noise_read_act2(struct attest_noise *noise, const void *act2, size_t len)
{
    int rv;

    assert(noise != NULL && act2 != NULL);
    assert(noise->step == ATTEST_NOISE_WANTS_ACT2);
    rv = read_ephemeral(noise, act2, len, &noise->ephemeral);
    if (rv != BASE_OK) {
        attest_noise_deinit(noise);
        return rv;
    }
    noise->step = ATTEST_NOISE_OWES_ACT3;
    return BASE_OK;
}

/* The end of act 3 at both ends: two keys out of ck, one a direction. */
static void split(struct attest_noise *noise, struct base_hash32 *initiators,
                  struct base_hash32 *responders)
{
    uint8_t both[64];

    base_hkdf_sha256(both, sizeof both, NULL, 0, noise->ck.bytes, sizeof noise->ck.bytes, NULL, 0);
    memcpy(initiators->bytes, both, 32);
    memcpy(responders->bytes, both + 32, 32);
    base_memzero(both, sizeof both);
}

void attest_noise_write_act3(struct attest_noise *noise, uint8_t act3[ATTEST_ACT3_BYTES],
                             struct attest_noise_keys *keys,
                             const struct base_privkey *local_static)
{
    struct base_key33 s;
    int rv;

    assert(noise != NULL && act3 != NULL && keys != NULL && local_static != NULL);
    assert(noise->step == ATTEST_NOISE_OWES_ACT3);
    rv = base_ecdsa_pubkey(&s, local_static);
    assert(rv == BASE_OK); /* our own key */
    act3[0] = 0;
    seal_and_hash(noise, act3 + 1, 1, s.bytes, sizeof s.bytes);
    rv = mix_ecdh(noise, &noise->remote_ephemeral, local_static);
    assert(rv == BASE_OK); /* act 2 was read: it is a point */
    (void)rv;
    seal_and_hash(noise, act3 + 50, 0, NULL, 0);
    keys->remote_static = noise->remote_static;
    keys->h = noise->h;
    keys->ck = noise->ck;
    split(noise, &keys->sk, &keys->rk);
    attest_noise_deinit(noise);
}

static int accept_under(struct attest_noise *noise, const void *prologue, size_t prologue_len,
                        const struct base_privkey *local, const void *act1, size_t len)
{
    struct base_key33 s;
    int rv = base_ecdsa_pubkey(&s, local);

    assert(rv == BASE_OK); /* our own key */
    begin(noise, prologue, prologue_len, &s);
    rv = read_ephemeral(noise, act1, len, local);
    if (rv != BASE_OK) attest_noise_deinit(noise);
    return rv;
}

int attest_noise_accept(struct attest_noise *noise, size_t *which, const void *prologue,
                        size_t prologue_len, const struct base_privkey *locals, size_t count,
                        const void *act1, size_t len)
{
    int rv;

    assert(noise != NULL && which != NULL && prologue != NULL && act1 != NULL);
    assert(locals != NULL && (count == 1 || count == 2));
    *which = 0;
    rv = accept_under(noise, prologue, prologue_len, &locals[0], act1, len);
    /* Only a bad tag can be cured by another key of ours. */
    if (rv == BASE_EAUTH && count == 2) {
        *which = 1;
        rv = accept_under(noise, prologue, prologue_len, &locals[1], act1, len);
    }
    if (rv != BASE_OK) return rv;
    noise->step = ATTEST_NOISE_OWES_ACT2;
    return BASE_OK;
}

int attest_noise_write_act2(struct attest_noise *noise, uint8_t act2[ATTEST_ACT2_BYTES],
                            const struct base_privkey *ephemeral)
{
    int rv;

    assert(noise != NULL && act2 != NULL && ephemeral != NULL);
    assert(noise->step == ATTEST_NOISE_OWES_ACT2);
    if (base_ecdsa_privkey_check(ephemeral) != BASE_OK) return BASE_EKEY;
    rv = write_ephemeral(noise, act2, &noise->remote_ephemeral, ephemeral);
    assert(rv == BASE_OK); /* act 1 was read: theirs is a point */
    (void)rv;
    noise->step = ATTEST_NOISE_WANTS_ACT3;
    return BASE_OK;
}

static int read_static(struct attest_noise *noise, const uint8_t *act, size_t len)
{
    uint8_t nothing[1];
    int rv;

    if (len != ATTEST_ACT3_BYTES) return BASE_EMALFORMED;
    if (act[0] != 0) return BASE_EUNSUPPORTED;
    rv = open_and_hash(noise, noise->remote_static.bytes, 1, act + 1,
                       BASE_KEY33_BYTES + BASE_AEAD_TAG_BYTES);
    if (rv != BASE_OK) return rv;
    rv = mix_ecdh(noise, &noise->remote_static, &noise->ephemeral);
    if (rv != BASE_OK) return rv; /* not a point */
    return open_and_hash(noise, nothing, 0, act + 50, BASE_AEAD_TAG_BYTES);
}

int attest_noise_read_act3(struct attest_noise *noise, struct attest_noise_keys *keys,
                           const void *act3, size_t len)
{
    int rv;

    assert(noise != NULL && keys != NULL && act3 != NULL);
    assert(noise->step == ATTEST_NOISE_WANTS_ACT3);
    memset(keys, 0, sizeof *keys);
    rv = read_static(noise, act3, len);
    if (rv == BASE_OK) {
        keys->remote_static = noise->remote_static;
        keys->h = noise->h;
        keys->ck = noise->ck;
        split(noise, &keys->rk, &keys->sk);
    }
    attest_noise_deinit(noise);
    return rv;
}

void attest_noise_deinit(struct attest_noise *noise)
{
    assert(noise != NULL);
    base_memzero(noise, sizeof *noise);
}

void attest_noise_keys_deinit(struct attest_noise_keys *keys)
{
    assert(keys != NULL);
    base_memzero(keys, sizeof *keys);
}
