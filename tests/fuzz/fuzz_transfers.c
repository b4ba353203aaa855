/* No bytes can crash us; and what we accept, we can say back unchanged. */
#include "base/err.h"
#include "node/transfer_store.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chain_transfers transfers;
    struct base_buf text;
    if (node_transfers_decode(&transfers, data, size) != BASE_OK) return 0;
    base_buf_init(&text, NODE_STORE_TEXT_BYTES_MAX);
    node_transfers_encode(&text, &transfers);
    if (text.failed || text.len != size) abort();
    /* hex may be of either case on the way in */
    for (size_t i = 0; i < size; i++)
        if ((text.data[i] | 0x20) != ((char)data[i] | 0x20)) abort();
    base_buf_deinit(&text);
    chain_transfers_free(&transfers);
    return 0;
}
