/* A statement from a wallet elsewhere: no bytes can crash us; and what we accept, we can say back.
 */
#include "base/err.h"
#include "node/authorise.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_ID 31337

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_eth_address contract;
    struct node_bundle once, twice;
    struct base_buf text;
    char why[NODE_AUTHORISE_WHY_BYTES] = "";
    if (base_address_parse(&contract, "0x5FbDB2315678afecb367f032d93F642f64180aa3") != BASE_OK)
        abort();
    if (node_authorise_read(&once, CHAIN_ID, &contract, data, size, why) != BASE_OK) {
        if (why[0] == '\0') abort(); /* a refusal without a word */
        return 0;
    }
    base_buf_init(&text, NODE_AUTHORISE_BYTES_MAX);
    node_authorise_print(&text, CHAIN_ID, &contract, &once);
    if (text.failed ||
        node_authorise_read(&twice, CHAIN_ID, &contract, text.data, text.len, why) != BASE_OK ||
        !node_bundle_equal(&once, &twice))
        abort();
    base_buf_deinit(&text);
    return 0;
}
