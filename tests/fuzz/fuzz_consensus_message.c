/* Consensus messages, the frame's type before each: what we accept, we say back byte for byte. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t body[CONSENSUS_FRAME_BYTES_MAX];
    struct consensus_message message;
    size_t len = 0;
    if (size == 0) return 0;
    if (consensus_message_decode(&message, data[0], data + 1, size - 1) != BASE_OK) return 0;
    if (consensus_frame_type(message.type) != data[0]) abort();
    if (consensus_message_encode(body, &len, sizeof body, &message) != BASE_OK) abort();
    if (len != size - 1 || memcmp(body, data + 1, len) != 0) abort();
    consensus_message_free(&message);
    return 0;
}
