/* No bytes can crash us; and what we accept, we can say back unchanged. The input is a frame
 * AUTHORITY: bundles one after the other. */
#include "base/err.h"
#include "node/bundle.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used;
    for (size_t at = 0; at < size; at += used) {
        struct node_bundle bundle;
        uint8_t again[NODE_BUNDLE_BYTES_MAX];
        if (node_bundle_decode(&bundle, &used, data + at, size - at) != BASE_OK) return 0;
        if (used == 0 || used > size - at) abort();
        if (node_bundle_encode(again, &bundle) != used) abort();
        if (memcmp(again, data + at, used) != 0) abort();
    }
    return 0;
}
