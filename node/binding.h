#ifndef NFTMESH_NODE_BINDING_H
#define NFTMESH_NODE_BINDING_H

#include <jansson.h>

#include "base/buf.h"
#include "node/identity.h"

/* Signs a Binding with N and D: what `nftmesh register` asks a node for, so that neither key
 * leaves the process that holds it.
 *
 * body  {"token":N,"owner":"0x..","url":"..","nonce":N,"expires_at":s,"deadline":s}. Instance and
 *       keys are this node's own: nothing else is ever signed.
 *       With "statement":"endpoint" (and neither owner nor expires_at): an Endpoint, by N alone.
 * json  gets the Binding's fields and everything else that register() takes: node_xy, proof_xy,
 *       app_xy, app_id, app_sig, kms_sig, node_sig, proof_sig. Of an Endpoint: token, node_key,
 *       url, nonce, deadline, node_sig.
 * BASE_EINVAL with one line in why; BASE_EKEY. */
int node_binding_answer(struct base_buf *json, const struct node_identity *identity,
                        const json_t *body, char *why, size_t cap);

#endif
