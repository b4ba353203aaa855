#ifndef NFTMESH_NODE_AGENT_CLIENT_H
#define NFTMESH_NODE_AGENT_CLIENT_H

#include "attest/agent.h"
#include "node/http_client.h"

/* Asks the DStack guest agent who we are and for our app proof key, on the loop: one question,
 * one answer. Who asks again, and when, is the caller's to say. */
struct node_agent_answer {
    /* BASE_OK; BASE_ENOTFOUND: it gives no instance id, for good; else it did not answer, or not
     * what it should: worth another try. */
    int err;
    char why[NODE_HTTP_TEXT_BYTES]; /* one line, "" when BASE_OK */
    struct attest_agent_info info;
    struct attest_agent_key key; /* zeroed after the callback; the caller zeroes its copies */
};
typedef void (*node_agent_fn)(void *ctx, const struct node_agent_answer *answer);

/* socket, contract: copied. fn comes once, later; after the HTTP client was closed with
 * BASE_ECLOSED. BASE_OK, BASE_ENOMEM, BASE_EINVAL (the path of the socket): then fn never comes. */
int node_agent_ask(struct node_http_client *http, const char *socket, uint64_t chain_id,
                   const struct base_eth_address *contract, node_agent_fn fn, void *ctx);

#endif
