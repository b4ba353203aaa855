#ifndef NFTMESH_NODE_TYPED_DATA_H
#define NFTMESH_NODE_TYPED_DATA_H

#include "base/buf.h"
#include "base/bytes.h"

/* Parts of EIP-712 typed data in the form that wallets take (eth_signTypedData_v4). */
#define NODE_TYPED_DOMAIN_TYPE                                                                     \
    "\"EIP712Domain\":[{\"name\":\"name\",\"type\":\"string\"},"                                   \
    "{\"name\":\"version\",\"type\":\"string\"},{\"name\":\"chainId\",\"type\":\"uint256\"},"      \
    "{\"name\":\"verifyingContract\",\"type\":\"address\"}]"

/* "domain":{..} of a contract of ours. */
void node_typed_domain(struct base_buf *out, uint64_t chain_id,
                       const struct base_eth_address *contract);
/* ,"name":"0x.." */
void node_typed_hex(struct base_buf *out, const char *name, const void *data, size_t len);
void node_typed_address(struct base_buf *out, const char *name,
                        const struct base_eth_address *address);
/* ,"name":"123": decimal text, since a number of JSON is not sure above 2^53. */
void node_typed_number(struct base_buf *out, const char *name, uint64_t value);

#endif
