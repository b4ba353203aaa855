/* Act 1 from anybody, to a responder in a rotation: refused and forgotten, or answered. */
#include "fuzz/fuzz_noise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct base_privkey locals[2];
    struct base_privkey ephemeral = fuzz_key(0x22);
    struct attest_noise noise;
    uint8_t act2[ATTEST_ACT2_BYTES];
    size_t which;
    int rv;

    fuzz_init();
    locals[0] = fuzz_key(0x21);
    locals[1] = fuzz_key(0x31);
    rv = attest_noise_accept(&noise, &which, fuzz_prologue, sizeof fuzz_prologue, locals, 2, data,
                             size);
    if (rv != BASE_OK) {
        fuzz_check_refusal(rv, &noise);
        return 0;
    }
    fuzz_check(size == ATTEST_ACT1_BYTES && data[0] == 0 && which < 2);
    fuzz_check(attest_noise_write_act2(&noise, act2, &ephemeral) == BASE_OK);
    attest_noise_deinit(&noise);
    return 0;
}
