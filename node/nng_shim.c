#include "node/nng_shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define REMOTES_MAX 65536 /* descriptors whose other end we remember */

typedef ssize_t (*sendmsg_fn)(int fd, const struct msghdr *message, int flags);
typedef int (*accept_fn)(int fd, struct sockaddr *address, socklen_t *len);
typedef int (*connect_fn)(int fd, const struct sockaddr *address, socklen_t len);

/* An address without what may differ between two views of it (flow label, padding). */
struct remote {
    uint8_t bytes[16]; /* IPv4: the first four */
    uint16_t port;     /* network order; 0: nothing remembered */
    uint16_t family;
};

static _Atomic(sendmsg_fn) next_sendmsg;
static _Atomic(accept_fn) next_accept;
static _Atomic(connect_fn) next_connect;
static atomic_int accept_fd_max = INT_MAX;
static atomic_uint_fast64_t accept_refused;

static pthread_mutex_t remotes_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct remote remotes[REMOTES_MAX];
static int remote_end; /* above the highest descriptor that has been remembered */

/* ISO C has no cast from an object pointer to a function pointer; POSIX promises equal bits. */
static void find_next(void *fn, const char *name)
{
    void *address = dlsym(RTLD_NEXT, name);
    memcpy(fn, &address, sizeof address);
}

static struct remote remote_of(const struct sockaddr *address)
{
    struct remote out = {.port = 0};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(out.bytes, &v4.sin_addr, sizeof v4.sin_addr);
        out.port = v4.sin_port;
        out.family = AF_INET;
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(out.bytes, &v6.sin6_addr, sizeof v6.sin6_addr);
        out.port = v6.sin6_port;
        out.family = AF_INET6;
    }
    return out;
}

static bool remote_equal(const struct remote *a, const struct remote *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void remember(int fd, const struct sockaddr *address)
{
    struct remote remote = remote_of(address);
    if (fd < 0 || fd >= REMOTES_MAX || remote.port == 0) return;
    pthread_mutex_lock(&remotes_lock);
    remotes[fd] = remote;
    if (fd >= remote_end) remote_end = fd + 1;
    pthread_mutex_unlock(&remotes_lock);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    sendmsg_fn next = atomic_load_explicit(&next_sendmsg, memory_order_acquire);
    ssize_t sent;
    if (next == NULL) { /* two threads may both look: they find the same */
        find_next(&next, "sendmsg");
        atomic_store_explicit(&next_sendmsg, next, memory_order_release);
    }
    sent = next(fd, message, flags);
    if (sent < 0 && errno == EPIPE) errno = ECONNRESET;
    return sent;
}

int accept(int fd, struct sockaddr *address, socklen_t *len)
{
    accept_fn next = atomic_load_explicit(&next_accept, memory_order_acquire);
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t storage_len = sizeof storage;
    bool is_own = address == NULL;
    int accepted;
    if (next == NULL) {
        find_next(&next, "accept");
        atomic_store_explicit(&next_accept, next, memory_order_release);
    }
    accepted =
        is_own ? next(fd, (struct sockaddr *)&storage, &storage_len) : next(fd, address, len);
    if (accepted >= atomic_load(&accept_fd_max)) {
        close(accepted);
        atomic_fetch_add(&accept_refused, 1);
        errno = ECONNABORTED;
        return -1;
    }
    if (is_own) remember(accepted, (struct sockaddr *)&storage); /* nng never asks for it */
    return accepted;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    connect_fn next = atomic_load_explicit(&next_connect, memory_order_acquire);
    if (next == NULL) {
        find_next(&next, "connect");
        atomic_store_explicit(&next_connect, next, memory_order_release);
    }
    if ((address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) ||
        (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)))
        remember(fd, address);
    return next(fd, address, len);
}

/* The table may be out of date: the descriptor itself has the last word. */
static bool is_between(int fd, const struct remote *local, const struct remote *remote)
{
    struct sockaddr_storage storage;
    struct remote found;
    socklen_t len = sizeof storage;
    if (getpeername(fd, (struct sockaddr *)&storage, &len) != 0) return false;
    found = remote_of((struct sockaddr *)&storage);
    if (!remote_equal(&found, remote)) return false;
    len = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0) return false;
    found = remote_of((struct sockaddr *)&storage);
    return remote_equal(&found, local);
}

int node_nng_shim_find(const struct sockaddr *local, const struct sockaddr *remote)
{
    struct remote local_wanted = remote_of(local);
    struct remote remote_wanted = remote_of(remote);
    int found = -1;
    pthread_mutex_lock(&remotes_lock);
    for (int fd = 0; fd < remote_end && found < 0; fd++) {
        if (!remote_equal(&remotes[fd], &remote_wanted)) continue;
        if (is_between(fd, &local_wanted, &remote_wanted)) found = fd;
    }
    pthread_mutex_unlock(&remotes_lock);
    return found;
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
    sendmsg_fn found_sendmsg;
    accept_fn found_accept;
    connect_fn found_connect;
    void *address = dlsym(RTLD_DEFAULT, "sendmsg");
    memcpy(&found_sendmsg, &address, sizeof address);
    address = dlsym(RTLD_DEFAULT, "accept");
    memcpy(&found_accept, &address, sizeof address);
    address = dlsym(RTLD_DEFAULT, "connect");
    memcpy(&found_connect, &address, sizeof address);
    return found_sendmsg == sendmsg && found_accept == accept && found_connect == connect;
}
