#ifndef NFTMESH_TESTS_RPC_SERVER_H
#define NFTMESH_TESTS_RPC_SERVER_H

#include <stddef.h>

/* An Ethereum endpoint that says what a test wants: per method a list of answers, of which the last
 * one stays. Batches are answered call by call. On 127.0.0.1, with a thread of its own. */
struct rpc_server;
struct rpc_server *rpc_server_new(void);
void rpc_server_free(struct rpc_server *server);
const char *rpc_server_url(const struct rpc_server *server); /* with a path that is a secret */

/* member is "\"result\":.." or "\"error\":{..}". _set forgets what the method had. */
void rpc_server_set(struct rpc_server *server, const char *method, const char *member);
void rpc_server_then(struct rpc_server *server, const char *method, const char *member);
/* From the calls-th call of other on, method says member alone: a receipt for what was sent often
 * enough, however long that takes. */
void rpc_server_after(struct rpc_server *server, const char *method, const char *other,
                      size_t calls, const char *member);
/* Every HTTP answer from now on: this status and body (NULL: as usual). */
void rpc_server_break(struct rpc_server *server, unsigned status, const char *body);

size_t rpc_server_count(struct rpc_server *server, const char *method); /* calls so far */
/* The last call's first parameter, as JSON text in static memory; "" for none. */
const char *rpc_server_param(struct rpc_server *server, const char *method);

#endif
