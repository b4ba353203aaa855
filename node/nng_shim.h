#ifndef NFTMESH_NODE_NNG_SHIM_H
#define NFTMESH_NODE_NNG_SHIM_H

#include <stdbool.h>
#include <stdint.h>

/* accept(), which the executable puts between nng and the C library: a connection whose
 * descriptor is not below the limit is closed at once and reported as ECONNABORTED, which nng
 * passes over. So the descriptors above the limit are left for links that we open ourselves,
 * however many strangers hold one: nng keeps a stranger who is silent before the websocket
 * handshake for ever, and shows it to nobody.
 *
 * It works because the linker exports what the executable defines when a shared library that is
 * linked to it asks for the name; node_nng_shim_is_active() says whether that came true. */

/* Connections with a descriptor >= fd_max are not accepted any more. Any thread. */
void node_nng_shim_accept_limit(int fd_max);

/* Connections closed for that reason, since the process started. Any thread. */
uint64_t node_nng_shim_accept_refused_count(void);

/* Is our function the one that a shared library finds? */
bool node_nng_shim_is_active(void);

#endif
