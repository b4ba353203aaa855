/* Act 3 from whoever got through act 1: refused and forgotten, or a static key that is a point. */
#include "fuzz/fuzz_noise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A responder that has just written act 2 to BOLT 8's initiator. */
static void meet(struct attest_noise *noise)
{
    struct base_privkey local = fuzz_key(0x21), ephemeral = fuzz_key(0x22);
    struct base_privkey remote_ephemeral = fuzz_key(0x12);
    struct attest_noise initiator;
    struct base_key33 pub;
    uint8_t act1[ATTEST_ACT1_BYTES], act2[ATTEST_ACT2_BYTES];
    size_t which;

    fuzz_check(base_ecdsa_pubkey(&pub, &local) == BASE_OK);
    fuzz_check(attest_noise_dial(&initiator, act1, fuzz_prologue, sizeof fuzz_prologue, &pub,
                                 &remote_ephemeral) == BASE_OK);
    fuzz_check(attest_noise_accept(noise, &which, fuzz_prologue, sizeof fuzz_prologue, &local, 1,
                                   act1, sizeof act1) == BASE_OK);
    fuzz_check(attest_noise_write_act2(noise, act2, &ephemeral) == BASE_OK);
    attest_noise_deinit(&initiator);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct attest_noise_keys nothing;
    static struct attest_noise met;
    struct attest_noise noise;
    struct attest_noise_keys keys;
    int rv;

    fuzz_init();
    if (met.step == ATTEST_NOISE_UNUSED) meet(&met);
    noise = met;
    rv = attest_noise_read_act3(&noise, &keys, data, size);
    if (rv != BASE_OK) {
        fuzz_check_refusal(rv, &noise);
        fuzz_check(memcmp(&keys, &nothing, sizeof nothing) == 0);
        return 0;
    }
    fuzz_check(size == ATTEST_ACT3_BYTES && data[0] == 0);
    fuzz_check(base_ecdsa_pubkey_check(&keys.remote_static) == BASE_OK);
    attest_noise_keys_deinit(&keys);
    return 0;
}
