#include <signal.h>
#include <time.h>

#include "sdk/handle.h"

void sdk_quiet_begin(struct sdk_quiet *q)
{
    sigset_t pipe, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    q->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &q->before);
}

void sdk_quiet_end(struct sdk_quiet *q)
{
    sigset_t pipe;
    struct timespec now = {0};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!q->was_pending)
        while (sigtimedwait(&pipe, NULL, &now) == SIGPIPE) {
        }
    pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}
