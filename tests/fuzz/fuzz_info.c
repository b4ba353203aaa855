/* What a stranger's /info says: no bytes can crash us, each refusal has a printable word, and a
 * bundle that we take is one that we can say back. */
#include "base/err.h"
#include "node/info.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct node_bundle once, twice;
    uint8_t bytes[NODE_BUNDLE_BYTES_MAX];
    char why[NODE_INFO_WHY_BYTES] = "";
    size_t used;
    if (node_info_bundle(&once, data, size, why) != BASE_OK) {
        if (why[0] == '\0') abort();
        for (size_t i = 0; why[i] != '\0'; i++)
            if (why[i] < ' ' || why[i] > '~') abort();
        return 0;
    }
    size_t len = node_bundle_encode(bytes, &once);
    if (node_bundle_decode(&twice, &used, bytes, len) != BASE_OK || used != len ||
        !node_bundle_equal(&once, &twice))
        abort();
    return 0;
}
