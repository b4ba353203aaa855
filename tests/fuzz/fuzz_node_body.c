/* Bodies that a peer writes: the first byte chooses REFUSE, BYE, ALIVE or the proof blob. What is
 * accepted is said back unchanged, so that each has one encoding. */
#include "base/err.h"
#include "node/session.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds) abort();
}

static void check_text(const char *text)
{
    check(strlen(text) <= NODE_SESSION_TEXT_BYTES_MAX);
    for (; *text != '\0'; text++)
        check(*text >= 0x20 && *text <= 0x7e);
}

static void fuzz_refuse(const uint8_t *data, size_t size)
{
    struct node_refuse refuse;
    uint8_t again[NODE_REFUSE_BYTES_MAX];
    if (node_refuse_decode(&refuse, data, size) != BASE_OK) return;
    check_text(refuse.text);
    check(node_refuse_encode(again, &refuse) == size && memcmp(again, data, size) == 0);
}

static void fuzz_bye(const uint8_t *data, size_t size)
{
    struct node_bye bye;
    uint8_t again[NODE_BYE_BYTES_MAX];
    if (node_bye_decode(&bye, data, size) != BASE_OK) return;
    check_text(bye.text);
    check(node_bye_encode(again, &bye) == size && memcmp(again, data, size) == 0);
}

static void fuzz_alive(const uint8_t *data, size_t size)
{
    struct node_alive alive;
    uint8_t again[NODE_ALIVE_BYTES];
    if (node_alive_decode(&alive, data, size) != BASE_OK) return;
    node_alive_encode(again, &alive);
    check(size == sizeof again && memcmp(again, data, size) == 0);
}

static void fuzz_proof(const uint8_t *data, size_t size)
{
    struct node_proof proof;
    uint8_t again[NODE_PROOF_BYTES];
    if (node_proof_decode(&proof, data, size) != BASE_OK) return;
    node_proof_encode(again, &proof);
    check(size == sizeof again && memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const fuzz[])(const uint8_t *, size_t) = {fuzz_refuse, fuzz_bye, fuzz_alive,
                                                            fuzz_proof};
    if (size > 0) fuzz[data[0] % 4](data + 1, size - 1);
    return 0;
}
