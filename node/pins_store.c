#include "node/pins_store.h"

#include <stdio.h>

#include "base/err.h"

int node_pins_load(struct attest_pins *pins, struct node_store *store, uint64_t chain_id,
                   const struct base_eth_address *contract, char why[NODE_STORE_WHY_BYTES])
{
    char text[ATTEST_PINS_BYTES_MAX], pins_why[ATTEST_PINS_WHY_BYTES];
    struct attest_pins_file file;
    size_t len;
    int rv = node_store_text_load(store, "pins", text, &len, sizeof text, why);
    if (rv == BASE_ENOTFOUND) return BASE_OK;
    if (rv != BASE_OK) return rv;
    rv = attest_pins_file_decode(&file, pins_why, text, len);
    if (rv != BASE_OK) {
        snprintf(why, NODE_STORE_WHY_BYTES, "%s/pins: %s", node_store_dir(store), pins_why);
        return rv;
    }
    if (file.chain_id != chain_id || !base_address_equal(&file.contract, contract)) {
        snprintf(why, NODE_STORE_WHY_BYTES,
                 "%s/pins belongs to another contract or chain: use a data-dir for each mesh",
                 node_store_dir(store));
        return BASE_EINVAL;
    }
    attest_pins_load(pins, &file);
    return BASE_OK;
}

int node_pins_save(const struct attest_pins *pins, struct node_store *store, uint64_t chain_id,
                   const struct base_eth_address *contract, char why[NODE_STORE_WHY_BYTES])
{
    struct attest_pins_file file = {.chain_id = chain_id, .contract = *contract};
    struct base_buf text;
    attest_pins_store(&file, pins);
    base_buf_init(&text, ATTEST_PINS_BYTES_MAX);
    attest_pins_file_encode(&text, &file);
    int rv = node_store_text_save(store, "pins", text.data, text.len, why);
    base_buf_deinit(&text);
    return rv;
}
