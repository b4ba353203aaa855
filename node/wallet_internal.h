#ifndef NFTMESH_NODE_WALLET_INTERNAL_H
#define NFTMESH_NODE_WALLET_INTERNAL_H

#include "node/wallet.h"

/* Shared by wallet.c (open, read) and wallet_send.c (transactions). */
void node__wallet_request_init(struct node_wallet *w, struct chain_rpc_request *request);
/* One round trip. reply is deinited by the caller whatever is returned. */
int node__wallet_ask(struct node_wallet *w, struct chain_rpc_reply *reply,
                     struct chain_rpc_request *request, char *why);
/* Why call index failed, in the contract's words where it has any. */
int node__wallet_explain(const struct chain_rpc_reply *reply, size_t index, const char *what,
                         char *why);

uint64_t node__wallet_monotonic_ms(void);

#endif
