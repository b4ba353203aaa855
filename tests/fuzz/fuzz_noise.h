#ifndef NFTMESH_TESTS_FUZZ_NOISE_H
#define NFTMESH_TESTS_FUZZ_NOISE_H

#include "attest/noise.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

/* The keys of BOLT 8's handshake vectors, so that those are seeds. */
static const char fuzz_prologue[9] = {'l', 'i', 'g', 'h', 't', 'n', 'i', 'n', 'g'};

static inline struct base_privkey fuzz_key(uint8_t byte)
{
    struct base_privkey key;
    memset(&key, byte, sizeof key);
    return key;
}

static inline void fuzz_check(bool holds)
{
    if (!holds) abort();
}

static inline void fuzz_init(void)
{
    fuzz_check(base_ecdsa_init() == BASE_OK && base_aead_init() == BASE_OK);
}

/* A refusal leaves no secret behind, and is one of the four. */
static inline void fuzz_check_refusal(int rv, const struct attest_noise *noise)
{
    static const struct attest_noise zeroed;
    fuzz_check(rv == BASE_EMALFORMED || rv == BASE_EUNSUPPORTED || rv == BASE_EKEY ||
               rv == BASE_EAUTH);
    fuzz_check(memcmp(noise, &zeroed, sizeof zeroed) == 0);
}

#endif
