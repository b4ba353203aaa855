/* Keystores: whatever a file holds, its parameters are bounded before any work is done. */
#include "base/err.h"
#include "node/keystore.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct node_keystore *k)
{
    if (k->dklen < 32 || k->dklen > NODE_KEYSTORE_DKLEN_MAX) abort();
    if (k->salt_len > NODE_KEYSTORE_SALT_BYTES_MAX) abort();
    switch (k->kdf) {
    case NODE_KEYSTORE_SCRYPT:
        if (k->n < 2 || (k->n & (k->n - 1)) != 0 || k->r == 0 || k->p == 0) abort();
        if (k->n > NODE_KEYSTORE_MEMORY_MAX || k->r > NODE_KEYSTORE_MEMORY_MAX) abort();
        if (128 * k->n * k->r > NODE_KEYSTORE_MEMORY_MAX) abort();
        if (k->p > NODE_KEYSTORE_BLOCKS_MAX || 128 * k->r * k->p > NODE_KEYSTORE_BLOCKS_MAX)
            abort();
        if (k->n * k->r * k->p > NODE_KEYSTORE_WORK_MAX) abort();
        return;
    case NODE_KEYSTORE_PBKDF2:
        if (k->c < 1 || k->c > NODE_KEYSTORE_ROUNDS_MAX) abort();
        return;
    case NODE_KEYSTORE_UNDECIDED:
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct node_keystore keystore;
    char why[NODE_KEYSTORE_WHY_BYTES] = "";
    (void)node_keystore_is((const char *)data, size);
    if (node_keystore_parse(&keystore, (const char *)data, size, why) != BASE_OK) {
        if (why[0] == '\0' || memchr(why, '\0', sizeof why) == NULL) abort();
        for (const char *p = why; *p != '\0'; p++)
            if (*p < 0x20 || *p > 0x7e) abort();
        return 0;
    }
    check_bounds(&keystore);
    return 0;
}
