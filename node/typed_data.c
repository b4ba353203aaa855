#include "node/typed_data.h"

#include <inttypes.h>

void node_typed_domain(struct base_buf *out, uint64_t chain_id,
                       const struct base_eth_address *contract)
{
    base_buf_printf(out, "\"domain\":{\"name\":\"nftmesh\",\"version\":\"1\",\"chainId\":%" PRIu64,
                    chain_id);
    node_typed_address(out, "verifyingContract", contract);
    base_buf_puts(out, "}");
}

void node_typed_hex(struct base_buf *out, const char *name, const void *data, size_t len)
{
    base_buf_printf(out, ",\"%s\":\"0x", name);
    base_buf_hex(out, data, len);
    base_buf_puts(out, "\"");
}

void node_typed_address(struct base_buf *out, const char *name,
                        const struct base_eth_address *address)
{
    char text[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(text, address);
    base_buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

void node_typed_number(struct base_buf *out, const char *name, uint64_t value)
{
    base_buf_printf(out, ",\"%s\":\"%" PRIu64 "\"", name, value);
}
