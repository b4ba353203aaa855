#ifndef NFTMESH_ATTEST_NOISE_H
#define NFTMESH_ATTEST_NOISE_H

#include "base/bytes.h"

/* The handshake: Noise_XK_secp256k1_ChaChaPoly_SHA256 as BOLT 8 has it. The initiator knows the
 * responder's static key beforehand; the responder learns the initiator's from act 3, under
 * encryption, and names itself to nobody who does not know its key already.
 *
 *   initiator                              responder
 *   attest_noise_dial        -- act 1 -->  attest_noise_accept
 *   attest_noise_read_act2   <-- act 2 --  attest_noise_write_act2
 *   attest_noise_write_act3  -- act 3 -->  attest_noise_read_act3
 *
 * Nothing random is made in here: ephemeral keys come from the rim, 32 fresh random bytes for each
 * handshake, never used twice. What a caller does out of order is an assert; what the peer does
 * wrong is an error, after which the state is zeroed and only good for _deinit:
 *   BASE_EMALFORMED    not the act's length
 *   BASE_EUNSUPPORTED  version byte is not 0
 *   BASE_EKEY          not a point on the curve
 *   BASE_EAUTH         a tag that does not verify: another mesh, or a key that is not ours
 * Memory: none allocated. Source: lightning/bolts 08-transport.md; the Noise framework, rev. 34. */
#define ATTEST_ACT1_BYTES     50
#define ATTEST_ACT2_BYTES     50
#define ATTEST_ACT3_BYTES     66
#define ATTEST_PROLOGUE_BYTES 61 /* "nftmesh/1" || chain id (32) || contract (20) */

/* Both ends must bring the same: nodes of another mesh fail at act 1. */
void attest_prologue(uint8_t out[ATTEST_PROLOGUE_BYTES], uint64_t chain_id,
                     const struct base_eth_address *contract);

enum attest_noise_step {
    ATTEST_NOISE_UNUSED = 0, /* also: failed, or finished */
    ATTEST_NOISE_WANTS_ACT2, /* initiator, act 1 written */
    ATTEST_NOISE_OWES_ACT3,  /* initiator, act 2 read */
    ATTEST_NOISE_OWES_ACT2,  /* responder, act 1 read */
    ATTEST_NOISE_WANTS_ACT3  /* responder, act 2 written */
};
struct attest_noise { /* secret: give it to attest_noise_deinit when done */
    enum attest_noise_step step;
    struct base_hash32 h, ck, temp_k;
    struct base_privkey ephemeral;
    struct base_key33 remote_ephemeral; /* valid from OWES_ACT2 (or OWES_ACT3) on */
    struct base_key33 remote_static;    /* initiator only */
};

/* What a finished handshake gives. Secret; zero with attest_noise_keys_deinit. */
struct attest_noise_keys {
    struct base_key33 remote_static;
    struct base_hash32 h;  /* of every byte of all three acts; equal at both ends, public */
    struct base_hash32 ck; /* both directions start their rotations from it */
    struct base_hash32 sk; /* encrypts what we send */
    struct base_hash32 rk; /* decrypts what we receive */
};

/* The initiator's side. BASE_EKEY: ephemeral is zero or >= n (draw again), or remote_static is not
 * a point. local_static must be a valid key: it is ours. */
int attest_noise_dial(struct attest_noise *noise, uint8_t act1[ATTEST_ACT1_BYTES],
                      const void *prologue, size_t prologue_len,
                      const struct base_key33 *remote_static, const struct base_privkey *ephemeral);
int attest_noise_read_act2(struct attest_noise *noise, const void *act2, size_t len);
void attest_noise_write_act3(struct attest_noise *noise, uint8_t act3[ATTEST_ACT3_BYTES],
                             struct attest_noise_keys *keys,
                             const struct base_privkey *local_static);

/* The responder's side. Reads act 1 under locals[0], then, while a rotation lasts, under
 * locals[1]: count is 1 or 2, locals are valid keys. *which says under which it was.
 * noise->remote_ephemeral then holds the peer's: equal to one that we dialled with means that we
 * have met ourselves. Without a match: the error of locals[0]. Cost: one ECDH a key tried. */
int attest_noise_accept(struct attest_noise *noise, size_t *which, const void *prologue,
                        size_t prologue_len, const struct base_privkey *locals, size_t count,
                        const void *act1, size_t len);
/* BASE_EKEY: ephemeral is zero or >= n; noise has not changed then, draw again. */
int attest_noise_write_act2(struct attest_noise *noise, uint8_t act2[ATTEST_ACT2_BYTES],
                            const struct base_privkey *ephemeral);
/* keys->remote_static is the initiator's, proven: now decide whether it may come in. */
int attest_noise_read_act3(struct attest_noise *noise, struct attest_noise_keys *keys,
                           const void *act3, size_t len);

void attest_noise_deinit(struct attest_noise *noise);
void attest_noise_keys_deinit(struct attest_noise_keys *keys);

#endif
