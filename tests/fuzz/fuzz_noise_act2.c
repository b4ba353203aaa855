/* Act 2 from whoever listens at an address: refused and forgotten, or answered. */
#include "fuzz/fuzz_noise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct attest_noise dialled;
    struct base_privkey local = fuzz_key(0x11), ephemeral = fuzz_key(0x12);
    struct attest_noise noise;
    struct attest_noise_keys keys;
    uint8_t act1[ATTEST_ACT1_BYTES], act3[ATTEST_ACT3_BYTES];

    fuzz_init();
    if (dialled.step == ATTEST_NOISE_UNUSED) {
        struct base_privkey remote_priv = fuzz_key(0x21);
        struct base_key33 remote;
        fuzz_check(base_ecdsa_pubkey(&remote, &remote_priv) == BASE_OK);
        fuzz_check(attest_noise_dial(&dialled, act1, fuzz_prologue, sizeof fuzz_prologue, &remote,
                                     &ephemeral) == BASE_OK);
    }
    noise = dialled;
    int rv = attest_noise_read_act2(&noise, data, size);
    if (rv != BASE_OK) {
        fuzz_check_refusal(rv, &noise);
        return 0;
    }
    fuzz_check(size == ATTEST_ACT2_BYTES && data[0] == 0);
    attest_noise_write_act3(&noise, act3, &keys, &local);
    attest_noise_keys_deinit(&keys);
    return 0;
}
