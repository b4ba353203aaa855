#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "sdk/handle.h"

uint64_t sdk_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int sdk_known_init(struct sdk_known *k, uint64_t stale_ms)
{
    pthread_condattr_t attr;
    memset(k, 0, sizeof *k);
    k->stale_ms = stale_ms;
    k->trouble = k->agent = k->own = k->info = NFTMESH_UNKNOWN;
    k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (k->fd < 0) return BASE_EIO;
    pthread_mutex_init(&k->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->changed, &attr);
    pthread_condattr_destroy(&attr);
    return BASE_OK;
}

void sdk_known_deinit(struct sdk_known *k)
{
    free(k->list);
    close(k->fd);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->mutex);
}

/* ---- with the mutex held ---- */

bool sdk_known_is_fresh(const struct sdk_known *k)
{
    return k->list != NULL && !k->doubted && sdk_now_ms() - k->confirmed_ms < k->stale_ms;
}

nftmesh_peers_t *sdk_known_copy(const struct sdk_known *k)
{
    bool fresh = sdk_known_is_fresh(k);
    const char *why = fresh                        ? ""
                      : k->trouble_text[0] != '\0' ? k->trouble_text
                                                   : "no answer for too long";
    if (k->list == NULL) return NULL;
    return sdk_list_copy(k->list, fresh ? NFTMESH_LIST_FRESH : NFTMESH_LIST_STALE,
                         sdk_now_ms() - k->confirmed_ms, why);
}

bool sdk_known_is_due(const struct sdk_known *k)
{
    return k->fn != NULL && k->list != NULL && k->seen != k->version;
}

void sdk_known_signal(struct sdk_known *k)
{
    uint64_t count = 1;
    ssize_t done = sdk_known_is_due(k) ? write(k->fd, &count, sizeof count)
                                       : read(k->fd, &count, sizeof count);
    (void)done; /* full is readable, empty is not: both are as they should be */
}

bool sdk_known_wait(struct sdk_known *k, uint64_t deadline_ms)
{
    struct timespec at = {(time_t)(deadline_ms / 1000), (long)(deadline_ms % 1000) * 1000000};
    if (deadline_ms == UINT64_MAX) return pthread_cond_wait(&k->changed, &k->mutex) == 0;
    return pthread_cond_timedwait(&k->changed, &k->mutex, &at) != ETIMEDOUT;
}

/* Something has changed: callers that wait look again, and callbacks are told when it concerns
 * the list or its freshness. */
static void announce(struct sdk_known *k, bool list_changed)
{
    bool fresh = sdk_known_is_fresh(k);
    if (list_changed || fresh != k->told_fresh) k->version++;
    k->told_fresh = fresh;
    sdk_known_signal(k);
    pthread_cond_broadcast(&k->changed);
}

/* ---- for the worker ---- */

static void clear_trouble(struct sdk_known *k)
{
    k->doubted = false;
    k->trouble = NFTMESH_UNKNOWN;
    k->trouble_is_final = false;
    k->trouble_text[0] = '\0';
}

void sdk_known_list(struct sdk_known *k, nftmesh_peers_t *list, uint64_t confirmed_ms)
{
    pthread_mutex_lock(&k->mutex);
    bool changed = !sdk_list_equal(k->list, list);
    free(k->list);
    k->list = list;
    k->confirmed_ms = confirmed_ms;
    clear_trouble(k);
    announce(k, changed);
    pthread_mutex_unlock(&k->mutex);
}

void sdk_known_confirm(struct sdk_known *k, uint64_t confirmed_ms)
{
    pthread_mutex_lock(&k->mutex);
    k->confirmed_ms = confirmed_ms;
    clear_trouble(k);
    announce(k, false);
    pthread_mutex_unlock(&k->mutex);
}

void sdk_known_trouble(struct sdk_known *k, nftmesh_status_t status, bool is_final,
                       const char *format, ...)
{
    char text[SDK_WHY_BYTES];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    pthread_mutex_lock(&k->mutex);
    k->trouble = status;
    k->trouble_is_final = is_final;
    sdk_words(k->trouble_text, sizeof k->trouble_text, text);
    k->doubted = true;
    announce(k, false);
    pthread_mutex_unlock(&k->mutex);
}

void sdk_known_agent(struct sdk_known *k, nftmesh_status_t status, const char *text,
                     const char *instance)
{
    pthread_mutex_lock(&k->mutex);
    k->agent = status;
    sdk_words(k->agent_text, sizeof k->agent_text, text);
    if (instance != NULL) snprintf(k->instance, sizeof k->instance, "%s", instance);
    announce(k, false);
    pthread_mutex_unlock(&k->mutex);
}

void sdk_known_own(struct sdk_known *k, nftmesh_status_t status, uint64_t block, const char *text)
{
    pthread_mutex_lock(&k->mutex);
    k->own = status;
    k->own_block = block;
    sdk_words(k->own_text, sizeof k->own_text, text);
    announce(k, false);
    pthread_mutex_unlock(&k->mutex);
}

void sdk_known_chain(struct sdk_known *k, uint64_t chain_id)
{
    pthread_mutex_lock(&k->mutex);
    k->chain_id = chain_id;
    announce(k, false);
    pthread_mutex_unlock(&k->mutex);
}

void sdk_known_info(struct sdk_known *k, nftmesh_status_t status, const char *text)
{
    bool fits = text == NULL || strlen(text) < sizeof k->info_text;
    pthread_mutex_lock(&k->mutex);
    k->info = fits ? status : NFTMESH_UNKNOWN;
    snprintf(k->info_text, sizeof k->info_text, "%s", fits && text != NULL ? text : "");
    pthread_mutex_unlock(&k->mutex);
}

void sdk_known_authorised(struct sdk_known *k, uint64_t until)
{
    pthread_mutex_lock(&k->mutex);
    k->authorised_until = until;
    announce(k, false);
    pthread_mutex_unlock(&k->mutex);
}

bool sdk_known_take_issued(struct sdk_known *k, struct node_bundle *out)
{
    pthread_mutex_lock(&k->mutex);
    bool has = k->has_issued;
    if (has) *out = k->issued;
    k->has_issued = false;
    pthread_mutex_unlock(&k->mutex);
    return has;
}

uint64_t sdk_known_tick(struct sdk_known *k)
{
    pthread_mutex_lock(&k->mutex);
    bool fresh = sdk_known_is_fresh(k);
    if (fresh != k->told_fresh) announce(k, false);
    uint64_t at_ms = fresh ? k->confirmed_ms + k->stale_ms : UINT64_MAX;
    pthread_mutex_unlock(&k->mutex);
    return at_ms;
}
