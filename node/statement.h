#ifndef NFTMESH_NODE_STATEMENT_H
#define NFTMESH_NODE_STATEMENT_H

#include "base/buf.h"
#include "chain/contract.h"

/* What an owner signs whose key never enters this machine: a Binding or a Renewal as EIP-712 typed
 * data, in the JSON form that eth_signTypedData_v4 takes (types, primaryType, domain, message).
 * One member more, "nftmesh", has what register() takes besides; wallets leave it aside. */
#define NODE_STATEMENT_BYTES_MAX ((size_t)32 << 10)
#define NODE_STATEMENT_WHY_BYTES 256

enum node_statement_kind {
    NODE_STATEMENT_NONE = 0,
    NODE_STATEMENT_BINDING,
    NODE_STATEMENT_RENEWAL
};
struct node_statement {
    enum node_statement_kind kind;
    uint64_t chain_id;
    struct base_eth_address contract;
    struct base_eth_address owner;
    struct base_binding binding; /* its url is url[]: set again after a copy */
    struct chain_register args;  /* without the owner's signature */
    struct base_renewal renewal;
    char url[CHAIN_URL_BYTES_MAX + 1];
};

void node_statement_encode(struct base_buf *out, const struct node_statement *statement);
/* Strict in what is read: domain, message and "nftmesh" complete and of their form; other members
 * are left aside. BASE_EMALFORMED, BASE_ETOOBIG; why: one line that names the member. */
int node_statement_decode(struct node_statement *out, const void *data, size_t len,
                          char why[NODE_STATEMENT_WHY_BYTES]);
/* What the owner's wallet signs. */
void node_statement_digest(struct base_hash32 *out, const struct node_statement *statement);

#endif
