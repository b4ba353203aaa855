#ifndef NFTMESH_ATTEST_CIPHER_H
#define NFTMESH_ATTEST_CIPHER_H

#include "attest/noise.h"

/* Frames after the handshake (docs/wire.md, frames):
 *
 *   counter (8) || highest counter received (8) || AEAD( type (1) || body )
 *
 * The 16-byte header is the associated data. Counters start at 0 and grow by one; a frame whose
 * counter is not exactly the next is refused, so there is nothing to skip and no epoch to guess.
 * "Highest received" is ATTEST_COUNTER_NONE before the first frame. */
#define ATTEST_FRAME_BYTES_MAX      65536
#define ATTEST_FRAME_HEADER_BYTES   16
#define ATTEST_FRAME_OVERHEAD_BYTES 33 /* header, type, tag */
#define ATTEST_FRAME_BODY_BYTES_MAX (ATTEST_FRAME_BYTES_MAX - ATTEST_FRAME_OVERHEAD_BYTES)
#define ATTEST_COUNTER_NONE         UINT64_MAX
#define ATTEST_ROTATION_FRAMES      1000

enum attest_frame_type {
    ATTEST_FRAME_HELLO = 1,
    ATTEST_FRAME_READY = 2,
    ATTEST_FRAME_REFUSE = 3,
    ATTEST_FRAME_ACK = 4,
    ATTEST_FRAME_BYE = 5,
    ATTEST_FRAME_COPY = 6,        /* "are you a copy?" and a challenge */
    ATTEST_FRAME_ALIVE = 7,       /* the answer */
    ATTEST_FRAME_GOSSIP = 0x10,   /* to 0x1f */
    ATTEST_FRAME_CONSENSUS = 0x20 /* to 0x2f */
};
/* The largest body of a type; of an unknown one what fits into a frame. */
size_t attest_frame_body_max(uint8_t type);

/* One direction's key schedule, BOLT 8's: the key of use number n is rotated before each n that is
 * a positive multiple of 1000, (ck, key) = HKDF(ck, key); nonce = 4 zero bytes || le64(n mod 1000).
 * What follows below builds frames on it; only tests need it bare. */
struct attest_cipher_key {
    struct base_hash32 ck, key;
    uint64_t next; /* the number of the next use */
};
/* out holds len + 16 and may be plain. Never fails: 2^64 uses do not happen (asserted). */
void attest_cipher_key_seal(struct attest_cipher_key *k, uint8_t *out, const uint8_t *ad,
                            size_t ad_len, const uint8_t *plain, size_t len);
/* BASE_EMALFORMED, BASE_EAUTH; *k has not changed then. out holds len - 16 and may be sealed. */
int attest_cipher_key_open(struct attest_cipher_key *k, uint8_t *out, const uint8_t *ad,
                           size_t ad_len, const uint8_t *sealed, size_t len);

struct attest_cipher { /* secret; zero with attest_cipher_deinit */
    struct attest_cipher_key send, recv;
    uint64_t acked; /* how many of our frames the peer has acknowledged: counters below this */
    bool broken;    /* the peer has broken a rule: nothing more is opened */
};
void attest_cipher_init(struct attest_cipher *cipher, const struct attest_noise_keys *keys);
void attest_cipher_deinit(struct attest_cipher *cipher);

/* Gives the next counter and encrypts: call it when the frame leaves the queue, no earlier.
 * out holds len + ATTEST_FRAME_OVERHEAD_BYTES; body may be NULL when len is 0, and must not
 * overlap out. A body above attest_frame_body_max is our mistake: an assert. */
void attest_cipher_seal(struct attest_cipher *cipher, uint8_t *out, size_t *out_len, uint8_t type,
                        const void *body, size_t len);

struct attest_frame {
    uint64_t counter;
    uint64_t acknowledged; /* highest of our counters that the peer has, or ATTEST_COUNTER_NONE */
    uint8_t type;          /* any: unknown types are the caller's to count and ignore */
    const uint8_t *body;   /* inside frame */
    size_t body_len;
};
/* Opens in place: frame is overwritten, *out points into it.
 *   BASE_EMALFORMED  shorter than an empty frame
 *   BASE_ETOOBIG     longer than ATTEST_FRAME_BYTES_MAX, or a body above its type's bound
 *   BASE_ESTATE      counter is not the last + 1: a replay, a gap, another order
 *   BASE_EINVAL      acknowledges what was not sent, or less than the frame before
 *   BASE_EAUTH       bad tag
 *   BASE_ECLOSED     there was an error before
 * Each is the end of the session: close. Sealing (a BYE, say) still works. */
int attest_cipher_open(struct attest_cipher *cipher, struct attest_frame *out, uint8_t *frame,
                       size_t len);

#endif
