#include "attest/cipher.h"

#include "base/aead.h"
#include "base/err.h"

#include <assert.h>
#include <string.h>

size_t attest_frame_body_max(uint8_t type)
{
    if ((type & 0xf0) == ATTEST_FRAME_GOSSIP) return 16384;
    if ((type & 0xf0) == ATTEST_FRAME_CONSENSUS) return 61440;
    switch (type) { /* a byte from outside, hence the default */
    case ATTEST_FRAME_HELLO:
        return 4000;
    case ATTEST_FRAME_READY:
        return 0;
    case ATTEST_FRAME_REFUSE:
        return 320;
    case ATTEST_FRAME_ACK:
        return 0;
    case ATTEST_FRAME_BYE:
        return 130;
    case ATTEST_FRAME_COPY:
        return 32;
    case ATTEST_FRAME_ALIVE:
        return 89;
    default:
        return ATTEST_FRAME_BODY_BYTES_MAX;
    }
}

/* The schedule for use number k->next: itself, or one rotation further. */
static void key_for_next(struct attest_cipher_key *out, const struct attest_cipher_key *k)
{
    uint8_t both[64];

    *out = *k;
    if (k->next == 0 || k->next % ATTEST_ROTATION_FRAMES != 0) return;
    base_hkdf_sha256(both, sizeof both, k->key.bytes, sizeof k->key.bytes, k->ck.bytes,
                     sizeof k->ck.bytes, NULL, 0);
    memcpy(out->ck.bytes, both, 32);
    memcpy(out->key.bytes, both + 32, 32);
    base_memzero(both, sizeof both);
}

static void nonce_for(uint8_t nonce[BASE_AEAD_NONCE_BYTES], uint64_t number)
{
    uint64_t n = number % ATTEST_ROTATION_FRAMES;

    memset(nonce, 0, BASE_AEAD_NONCE_BYTES);
    nonce[4] = (uint8_t)(n & 0xff); /* little-endian */
    nonce[5] = (uint8_t)(n >> 8);
}

void attest_cipher_key_seal(struct attest_cipher_key *k, uint8_t *out, const uint8_t *ad,
                            size_t ad_len, const uint8_t *plain, size_t len)
{
    uint8_t nonce[BASE_AEAD_NONCE_BYTES];
    struct attest_cipher_key now;

    assert(k != NULL && k->next != ATTEST_COUNTER_NONE);
    key_for_next(&now, k);
    nonce_for(nonce, now.next);
    base_aead_seal(out, &now.key, nonce, ad, ad_len, plain, len);
    now.next++;
    *k = now;
    base_memzero(&now, sizeof now);
}

int attest_cipher_key_open(struct attest_cipher_key *k, uint8_t *out, const uint8_t *ad,
                           size_t ad_len, const uint8_t *sealed, size_t len)
{
    uint8_t nonce[BASE_AEAD_NONCE_BYTES];
    struct attest_cipher_key now;
    int rv;

    assert(k != NULL && k->next != ATTEST_COUNTER_NONE);
    key_for_next(&now, k);
    nonce_for(nonce, now.next);
    rv = base_aead_open(out, &now.key, nonce, ad, ad_len, sealed, len);
    now.next++;
    if (rv == BASE_OK) *k = now;
    base_memzero(&now, sizeof now);
    return rv;
}

void attest_cipher_init(struct attest_cipher *cipher, const struct attest_noise_keys *keys)
{
    assert(cipher != NULL && keys != NULL);
    memset(cipher, 0, sizeof *cipher);
    cipher->send.ck = keys->ck;
    cipher->send.key = keys->sk;
    cipher->recv.ck = keys->ck;
    cipher->recv.key = keys->rk;
}

void attest_cipher_deinit(struct attest_cipher *cipher)
{
    assert(cipher != NULL);
    base_memzero(cipher, sizeof *cipher);
}

void attest_cipher_seal(struct attest_cipher *cipher, uint8_t *out, size_t *out_len, uint8_t type,
                        const void *body, size_t len)
{
    assert(cipher != NULL && out != NULL && out_len != NULL && (body != NULL || len == 0));
    assert(len <= attest_frame_body_max(type));
    base_put_u64be(out, cipher->send.next);
    base_put_u64be(out + 8, cipher->recv.next - 1); /* wraps to ATTEST_COUNTER_NONE at first */
    out[ATTEST_FRAME_HEADER_BYTES] = type;
    if (len > 0) memcpy(out + ATTEST_FRAME_HEADER_BYTES + 1, body, len);
    attest_cipher_key_seal(&cipher->send, out + ATTEST_FRAME_HEADER_BYTES, out,
                           ATTEST_FRAME_HEADER_BYTES, out + ATTEST_FRAME_HEADER_BYTES, len + 1);
    *out_len = len + ATTEST_FRAME_OVERHEAD_BYTES;
}

/* The header's rules: they cost nothing, so they come before the tag. What passes here with a
 * forged header still fails at the tag. */
static int check_header(const struct attest_cipher *cipher, const uint8_t *frame)
{
    /* As a count, "none" (2^64 - 1) is 0 by wrapping, and the rules become two comparisons. */
    uint64_t acked = base_get_u64be(frame + 8) + 1;

    if (base_get_u64be(frame) != cipher->recv.next) return BASE_ESTATE;
    if (acked > cipher->send.next) return BASE_EINVAL; /* never sent */
    if (acked < cipher->acked) return BASE_EINVAL;     /* taken back */
    return BASE_OK;
}

static int open_frame(struct attest_cipher *cipher, struct attest_frame *out, uint8_t *frame,
                      size_t len)
{
    uint8_t *sealed = frame + ATTEST_FRAME_HEADER_BYTES;
    int rv;

    if (len < ATTEST_FRAME_OVERHEAD_BYTES) return BASE_EMALFORMED;
    if (len > ATTEST_FRAME_BYTES_MAX) return BASE_ETOOBIG;
    rv = check_header(cipher, frame);
    if (rv != BASE_OK) return rv;
    rv = attest_cipher_key_open(&cipher->recv, sealed, frame, ATTEST_FRAME_HEADER_BYTES, sealed,
                                len - ATTEST_FRAME_HEADER_BYTES);
    if (rv != BASE_OK) return rv;
    out->counter = base_get_u64be(frame);
    out->acknowledged = base_get_u64be(frame + 8);
    out->type = sealed[0];
    out->body = sealed + 1;
    out->body_len = len - ATTEST_FRAME_OVERHEAD_BYTES;
    if (out->body_len > attest_frame_body_max(out->type)) return BASE_ETOOBIG;
    cipher->acked = out->acknowledged + 1;
    return BASE_OK;
}

int attest_cipher_open(struct attest_cipher *cipher, struct attest_frame *out, uint8_t *frame,
                       size_t len)
{
    int rv;

    assert(cipher != NULL && out != NULL && frame != NULL);
    memset(out, 0, sizeof *out);
    if (cipher->broken) return BASE_ECLOSED;
    rv = open_frame(cipher, out, frame, len);
    if (rv != BASE_OK) {
        cipher->broken = true;
        memset(out, 0, sizeof *out);
    }
    return rv;
}
