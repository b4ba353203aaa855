/* Frames of a session. The first byte chooses who speaks:
 *   even  a stranger: the rest is the frame as it came
 *   odd   a member gone bad, with the session's keys: the rest is a header of its choice, then the
 *         type and body that it seals under it, so that everything behind the tag is reached too */
#include "attest/cipher.h"
#include "base/aead.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds) abort();
}

/* A session in which each side has sent three frames and we have acknowledged two of theirs. */
static void session_init(struct attest_cipher *ours, struct attest_cipher *theirs)
{
    struct attest_noise_keys keys;
    struct attest_frame got;
    uint8_t frame[64];
    size_t len;

    memset(&keys, 0x5a, sizeof keys);
    attest_cipher_init(ours, &keys);
    attest_cipher_init(theirs, &keys); /* sk equals rk here, so the mirror is the same */
    for (int i = 0; i < 3; i++) {
        attest_cipher_seal(ours, frame, &len, ATTEST_FRAME_GOSSIP, "x", 1);
        check(attest_cipher_open(theirs, &got, frame, len) == BASE_OK);
        attest_cipher_seal(theirs, frame, &len, ATTEST_FRAME_GOSSIP, "y", 1);
        check(attest_cipher_open(ours, &got, frame, len) == BASE_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct attest_frame nothing;
    struct attest_cipher ours, theirs, before;
    struct attest_frame got;

    if (size == 0) return 0;
    check(base_aead_init() == BASE_OK);
    session_init(&ours, &theirs);
    bool insider = (data[0] & 1) != 0;
    size_t len = size - 1;
    uint8_t *frame = malloc(len + BASE_AEAD_TAG_BYTES);
    check(frame != NULL);
    memcpy(frame, data + 1, len);
    if (insider && len > ATTEST_FRAME_HEADER_BYTES) {
        attest_cipher_key_seal(&theirs.send, frame + 16, frame, 16, frame + 16, len - 16);
        len += BASE_AEAD_TAG_BYTES;
    }
    before = ours;
    int rv = attest_cipher_open(&ours, &got, frame, len);
    if (rv == BASE_OK) {
        check(insider && got.counter == before.recv.next && ours.recv.next == got.counter + 1);
        check(ours.acked >= before.acked && ours.acked <= ours.send.next);
        check(got.body == frame + 17 && got.body_len == len - ATTEST_FRAME_OVERHEAD_BYTES);
        check(got.body_len <= attest_frame_body_max(got.type));
    } else {
        check(ours.broken && memcmp(&got, &nothing, sizeof nothing) == 0);
        check(attest_cipher_open(&ours, &got, frame, len) == BASE_ECLOSED);
    }
    free(frame);
    return 0;
}
