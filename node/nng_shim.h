#ifndef NFTMESH_NODE_NNG_SHIM_H
#define NFTMESH_NODE_NNG_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Three system calls that the executable puts between nng 1.5 and the C library.
 *
 * sendmsg  EPIPE becomes ECONNRESET. nng 1.5 takes EPIPE for "this socket was closed by us": a
 *          stranger who connects and resets before nng's greeting ends the accept loop, once and
 *          for all (nanomsg/nng#1518, fixed in 1.6; Debian 12 has 1.5.2).
 * accept   a connection whose descriptor is not below the limit is closed at once and reported
 *          as ECONNABORTED, which nng passes over. So the descriptors above the limit are left
 *          for links that we open ourselves, however many strangers hold one.
 * accept, connect
 *          remember whose descriptor it is, so that a link can be ended by shutting its
 *          connection down: closing the pipe itself is not safe (see node_link__shut()).
 *
 * They work because the linker exports what the executable defines when a shared library that is
 * linked to it asks for the name; node_nng_shim_is_active() says whether that came true. */

/* Connections with a descriptor >= fd_max are not accepted any more. Any thread. */
void node_nng_shim_accept_limit(int fd_max);

/* Connections closed for that reason, since the process started. */
uint64_t node_nng_shim_accept_refused_count(void);

/* The descriptor of the TCP connection between these two addresses; -1 if there is none. It may
 * be closed, and its number used again, as soon as nng closes the connection. Any thread. */
int node_nng_shim_find(const struct sockaddr *local, const struct sockaddr *remote);

/* Are our functions those that a shared library finds? */
bool node_nng_shim_is_active(void);

#endif
