#ifndef NFTMESH_TESTS_CHAIN_MUTATE_H
#define NFTMESH_TESTS_CHAIN_MUTATE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/prng.h"

/* Signature chains, and what can become of them between an honest agent and a verifier: bits,
 * bytes, lengths, numbers at the edges, other encodings, parts of other chains, other signers. */

#define CHAIN_PART_BYTES_MAX 160
#define CHAIN_BASES_MAX      64

/* The first three are the verifier's constants, of which the root and the allowed app id have a
 * fixed length; the rest is what a peer shows. */
enum chain_part {
    CHAIN_PURPOSE = 0,
    CHAIN_ROOT,
    CHAIN_ALLOWED,
    CHAIN_DERIVED,
    CHAIN_APP_KEY,
    CHAIN_APP_ID,
    CHAIN_APP_SIG,
    CHAIN_KMS_SIG,
    CHAIN_PARTS
};
struct chain_bytes {
    size_t len;
    uint8_t data[CHAIN_PART_BYTES_MAX];
};
struct chain {
    struct chain_bytes part[CHAIN_PARTS];
};

struct chain_mutator {
    struct base_prng prng;
    struct chain bases[CHAIN_BASES_MAX]; /* chains that hold */
    size_t base_count;
    struct base_privkey kms_root; /* a root whose key is known, to sign anew */
    char note[160];               /* what chain_mutate() did */
};

/* Ends the process with a sentence. */
_Noreturn void chain_give_up(const char *what);
void chain_put(struct chain_bytes *out, const void *data, size_t len);
/* X || Y of a compressed key; false when it is none. */
bool chain_xy(uint8_t out[64], const struct chain_bytes *key);

/* A chain that holds, of our own purpose, under kms_root or one that nobody knows. */
void chain_make(struct chain_mutator *m, struct chain *out);
/* One or two mutations of one of the bases, which *base then points to. The purpose stays text
 * without ':' and zero bytes: it is a constant of the verifier, in C a string. */
void chain_mutate(struct chain_mutator *m, struct chain *out, const struct chain **base);

#endif
