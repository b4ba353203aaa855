#ifndef NFTMESH_NODE_MINT_PROTOTYPE_H
#define NFTMESH_NODE_MINT_PROTOTYPE_H

#include "node/wallet.h"

/* Mints a seat of the prototype's contract: node_seat_mint() for that one. When minting is public
 * everybody pays the price of the moment, the contract's owner too; else the owner alone mints.
 * instance: the text that goes along, which that contract ignores. Errors as
 * node_wallet_send_call(). */
int node_mint_prototype(struct node_wallet *w, struct node_wallet_sent *sent,
                        const struct base_eth_address *to, const struct base_eth_address *instance,
                        char *why);

#endif
