#include "node/nng_shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int (*accept_fn)(int fd, struct sockaddr *address, socklen_t *len);

static _Atomic(accept_fn) next_accept;
static atomic_int accept_fd_max = INT_MAX;
static atomic_uint_fast64_t accept_refused;

/* ISO C has no cast from an object pointer to a function pointer; POSIX promises equal bits. */
static accept_fn find(void *handle)
{
    void *address = dlsym(handle, "accept");
    accept_fn out;
    memcpy(&out, &address, sizeof out);
    return out;
}

int accept(int fd, struct sockaddr *address, socklen_t *len)
{
    accept_fn next = atomic_load_explicit(&next_accept, memory_order_acquire);
    int accepted;
    if (next == NULL) { /* two threads may both look: they find the same */
        next = find(RTLD_NEXT);
        atomic_store_explicit(&next_accept, next, memory_order_release);
    }
    accepted = next(fd, address, len);
    if (accepted < atomic_load(&accept_fd_max)) return accepted;
    close(accepted);
    atomic_fetch_add(&accept_refused, 1);
    errno = ECONNABORTED;
    return -1;
}

void node_nng_shim_accept_limit(int fd_max)
{
    atomic_store(&accept_fd_max, fd_max);
}

uint64_t node_nng_shim_accept_refused_count(void)
{
    return atomic_load(&accept_refused);
}

bool node_nng_shim_is_active(void)
{
    return find(RTLD_DEFAULT) == accept;
}
