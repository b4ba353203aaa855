#ifndef NFTMESH_NODE_AGENT_SIM_H
#define NFTMESH_NODE_AGENT_SIM_H

#include "base/buf.h"
#include "base/bytes.h"

/* The DStack guest agent for development, as pure computation: a request in, an answer out. Keys
 * and signature chains are real, made from a KMS root key that is on this machine's disk; quotes
 * are a recording whose signature does not verify. node/simulator puts it on a socket.
 * Source: Dstack-TEE/dstack guest-agent, as docs/simulator.md describes it. */
#define NODE_AGENT_SIM_BODY_BYTES_MAX   ((size_t)1 << 20)
#define NODE_AGENT_SIM_ANSWER_BYTES_MAX ((size_t)1 << 20)

struct node_agent_sim { /* one instance; secret, zero with base_memzero */
    struct base_eth_address app_id, instance;
    struct base_privkey app_priv;
    struct base_key33 app_key;
    struct base_sig65 kms_sig;
    struct base_key33 kms_root; /* recovered from kms_sig */
    struct base_eth_address kms_root_address;
};

/* From a KMS root key: derives the app key and signs it. BASE_EKEY. */
int node_agent_sim_from_root(struct node_agent_sim *out, const struct base_privkey *root,
                             const struct base_eth_address *app_id,
                             const struct base_eth_address *instance);
/* From an appkeys.json of the official simulator (k256_key, k256_signature) and the app id that
 * it was issued for. BASE_EMALFORMED, BASE_EKEY, BASE_ESIG; why names the field. */
int node_agent_sim_from_appkeys(struct node_agent_sim *out, const void *json, size_t len,
                                const struct base_eth_address *app_id,
                                const struct base_eth_address *instance, char *why,
                                size_t why_bytes);

/* One call. path without the query, "/GetKey" or "/prpc/Tappd.Info"; body is a JSON object, or
 * empty, which means {}. A field that is missing has its default; one that is unknown is ignored.
 * Appends a JSON object, ASCII only, to answer and returns the HTTP status: 200, or 400 with
 * {"error": ..} for everything that goes wrong, as the agent does. */
unsigned node_agent_sim_answer(struct base_buf *answer, const struct node_agent_sim *agent,
                               const char *path, const void *body, size_t len);

#endif
