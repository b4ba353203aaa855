#ifndef NFTMESH_NODE_WALLET_WORK_H
#define NFTMESH_NODE_WALLET_WORK_H

#include <jansson.h>

#include "base/buf.h"
#include "node/url.h"

/* The routes that make a transaction with the node's wallet: what they are asked, whether it may
 * begin, and what they answer. Pure; node/mesh_wallet.c does the work, on a thread of its own. */
#define NODE_WALLET_WORK_LAST_BYTES 640

enum node_wallet_work_kind {
    NODE_WALLET_WORK_NONE = 0,
    NODE_WALLET_WORK_REGISTER,
    NODE_WALLET_WORK_MINT
};
const char *node_wallet_work_name(enum node_wallet_work_kind kind); /* "register", "mint", "" */

struct node_wallet_ask { /* a body, as read */
    bool has_token;      /* register: the seat; else the instance's, or a free one */
    struct base_u256 token;
    char url[NODE_URL_BYTES_MAX + 1]; /* register: empty for the configured one */
    bool has_to;                      /* mint: for whom; else for the wallet itself */
    struct base_eth_address to;
};
/* register takes {"token": 1, "url": "tcp://.."}, mint {"to": "0x.."}; every field may be missing,
 * none else may be there. BASE_EINVAL with one line in why. */
int node_wallet_ask_read(struct node_wallet_ask *out, enum node_wallet_work_kind kind,
                         const json_t *body, char *why, size_t cap);

struct node_wallet_state {
    bool has_key;      /* --wallet-key-file or PRIVATE_KEY */
    bool has_identity; /* the guest agent has answered */
    bool is_busy;      /* one at a time */
    bool is_leaving;
};
/* 0: it may begin. Else the HTTP status, and why in *detail (static). */
unsigned node_wallet_work_refusal(const char **detail, const struct node_wallet_state *state);

struct node_wallet_done {
    enum node_wallet_work_kind kind;
    bool stood_already; /* nothing had to be sent */
    bool has_tx;
    struct base_hash32 tx;
    uint64_t block;
    struct base_u256 token;
    struct base_eth_address owner, instance;
};
/* The answer of success. rich: /v1/register and /v1/mint, with token, transaction and block; else
 * the prototype's, field for field. wall_ms: now. */
void node_wallet_done_json(struct base_buf *out, const struct node_wallet_done *done, bool rich,
                           uint64_t wall_ms);

#endif
