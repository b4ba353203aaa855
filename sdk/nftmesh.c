#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "sdk/handle.h"

static uint64_t deadline(const nftmesh_t *m)
{
    return sdk_now_ms() + m->config.timeout_ms;
}

static nftmesh_status_t no_handle(void)
{
    return sdk_fail(NFTMESH_ERR_CONFIG, "the handle is NULL: did nftmesh_open() fail?");
}

/* ---- open and close ---- */

static const char *environment(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

/* The curve's tables, once a process, whichever thread opens first. */
static pthread_once_t curve_once = PTHREAD_ONCE_INIT;
static int curve_rv;

static void curve_begin(void)
{
    curve_rv = base_ecdsa_init();
}

nftmesh_t *nftmesh_open(const char *mesh, const char *url, const nftmesh_options_t *options)
{
    nftmesh_t *m = calloc(1, sizeof *m);
    char why[SDK_WHY_BYTES];
    if (m == NULL) {
        sdk_fail(NFTMESH_ERR_MEMORY, "no memory for the handle");
        return NULL;
    }
    pthread_once(&curve_once, curve_begin);
    if (curve_rv != BASE_OK) {
        sdk_fail(NFTMESH_ERR_MEMORY, "no memory or no entropy: %s", base_strerror(curve_rv));
        free(m);
        return NULL;
    }
    int rv = sdk_config_parse(&m->config, mesh, url, options, environment, NULL, why);
    if (rv != BASE_OK) {
        sdk_fail(rv == BASE_ENOMEM ? NFTMESH_ERR_MEMORY : NFTMESH_ERR_CONFIG, "%s", why);
        free(m);
        return NULL;
    }
    base_address_format(m->contract, &m->config.contract);
    rv = sdk_known_init(&m->known, m->config.stale_ms);
    if (rv == BASE_OK) {
        pthread_mutex_init(&m->registering, NULL);
        pthread_mutex_init(&m->disk, NULL);
        rv = sdk_worker_start(m);
        if (rv == BASE_OK) {
            sdk_ok();
            return m;
        }
        pthread_mutex_destroy(&m->registering);
        pthread_mutex_destroy(&m->disk);
        sdk_known_deinit(&m->known);
    }
    if (rv == BASE_EINVAL)
        sdk_fail(NFTMESH_ERR_CONFIG, "NFTMESH_KMS_ROOT or NFTMESH_APP_ID names a value twice, or "
                                     "the zero address");
    else
        sdk_fail(NFTMESH_ERR_MEMORY, "the background thread cannot start: %s", base_strerror(rv));
    sdk_config_deinit(&m->config);
    free(m);
    return NULL;
}

void nftmesh_close(nftmesh_t *m)
{
    if (m == NULL) return;
    sdk_worker_stop(m);
    sdk_known_deinit(&m->known);
    pthread_mutex_destroy(&m->registering);
    pthread_mutex_destroy(&m->disk);
    sdk_config_deinit(&m->config);
    free(m);
}

/* ---- who we are ---- */

nftmesh_status_t sdk_wait_agent(nftmesh_t *m, uint64_t deadline_ms)
{
    struct sdk_known *k = &m->known;
    bool in_time = true;
    pthread_mutex_lock(&k->mutex);
    while (in_time && k->agent == NFTMESH_UNKNOWN && !k->trouble_is_final)
        in_time = sdk_known_wait(k, deadline_ms);
    nftmesh_status_t status =
        k->agent == NFTMESH_OK        ? sdk_ok()
        : k->agent != NFTMESH_UNKNOWN ? sdk_fail(k->agent, "%s", k->agent_text)
        : k->trouble_text[0] != '\0'
            ? sdk_fail(k->trouble, "%s", k->trouble_text)
            : sdk_fail(NFTMESH_ERR_TIMEOUT, "the guest agent has not answered in time");
    pthread_mutex_unlock(&k->mutex);
    return status;
}

const char *nftmesh_instance_id(nftmesh_t *m)
{
    if (m == NULL) {
        no_handle();
        return NULL;
    }
    return sdk_wait_agent(m, deadline(m)) == NFTMESH_OK ? m->known.instance : NULL;
}

uint64_t nftmesh_chain_id(const nftmesh_t *m)
{
    uint64_t id;
    if (m == NULL) return 0;
    struct sdk_known *k = (struct sdk_known *)&m->known;
    pthread_mutex_lock(&k->mutex);
    id = k->chain_id != 0 ? k->chain_id : m->config.chain_id;
    pthread_mutex_unlock(&k->mutex);
    return id;
}

const char *nftmesh_contract(const nftmesh_t *m)
{
    return m != NULL ? m->contract : "";
}

nftmesh_status_t nftmesh_register(nftmesh_t *m)
{
    if (m == NULL) return no_handle();
    if (pthread_mutex_trylock(&m->registering) != 0)
        return sdk_fail(NFTMESH_ERR_BUSY, "another thread registers with this handle");
    nftmesh_status_t status =
        m->config.node_url != NULL ? sdk_register_node(m) : sdk_register_chain(m);
    pthread_mutex_unlock(&m->registering);
    return status;
}

/* What we put on the chain ourselves stands, until the reference block is there and says else. */
static nftmesh_status_t own_status(const struct sdk_known *k)
{
    bool ahead = k->registered_block != 0 && k->own_block < k->registered_block;
    return ahead ? NFTMESH_OK : k->own;
}

nftmesh_status_t sdk_wait_own(nftmesh_t *m, uint64_t deadline_ms)
{
    struct sdk_known *k = &m->known;
    bool in_time = true;
    pthread_mutex_lock(&k->mutex);
    while (in_time && own_status(k) == NFTMESH_UNKNOWN && !k->trouble_is_final &&
           (k->agent == NFTMESH_UNKNOWN || k->agent == NFTMESH_OK))
        in_time = sdk_known_wait(k, deadline_ms);
    nftmesh_status_t own = own_status(k);
    nftmesh_status_t status =
        own == NFTMESH_OK        ? sdk_ok()
        : own != NFTMESH_UNKNOWN ? sdk_fail(own, "%s", k->own_text)
        : k->agent != NFTMESH_OK && k->agent != NFTMESH_UNKNOWN
            ? sdk_fail(k->agent, "%s", k->agent_text)
            : sdk_fail(k->trouble, "%s",
                       k->trouble_text[0] != '\0' ? k->trouble_text
                       : k->own_text[0] != '\0'   ? k->own_text
                                                  : "the chain has not been read in time");
    pthread_mutex_unlock(&k->mutex);
    return status;
}

nftmesh_status_t nftmesh_registered(nftmesh_t *m)
{
    return m == NULL ? no_handle() : sdk_wait_own(m, deadline(m));
}

/* ---- /info ---- */

void sdk_info_format(char out[NFTMESH_INFO_BYTES], uint64_t chain_id, const char *contract,
                     const char *instance, const char *more)
{
    snprintf(out, NFTMESH_INFO_BYTES,
             "{\"instance_id\":\"%s\",\"chain_id\":%llu,\"contract_address\":\"%s\"%s}", instance,
             (unsigned long long)chain_id, contract, more);
}

void sdk_info_bundle(char out[NFTMESH_INFO_BYTES], uint64_t chain_id, const char *contract,
                     const char *instance, const struct node_bundle *bundle)
{
    uint8_t data[NODE_BUNDLE_BYTES_MAX];
    char hex[2 * NODE_BUNDLE_BYTES_MAX + 1], more[sizeof hex + 16];
    base_hex_encode(hex, data, node_bundle_encode(data, bundle));
    snprintf(more, sizeof more, ",\"bundle\":\"%s\"", hex);
    sdk_info_format(out, chain_id, contract, instance, more);
}

nftmesh_status_t nftmesh_info(nftmesh_t *m, char out[NFTMESH_INFO_BYTES])
{
    if (out == NULL) return sdk_fail(NFTMESH_ERR_CONFIG, "out is NULL");
    out[0] = '\0';
    if (m == NULL) return no_handle();
    pthread_mutex_lock(&m->known.mutex);
    nftmesh_status_t status = m->known.info;
    if (status == NFTMESH_OK) memcpy(out, m->known.info_text, sizeof m->known.info_text);
    pthread_mutex_unlock(&m->known.mutex);
    if (status == NFTMESH_OK) return sdk_ok();
    return sdk_fail(status, "%s",
                    status == NFTMESH_ERR_NOT_REGISTERED
                        ? "no authorisation of this instance's keys counts: call nftmesh_register()"
                        : "guest agent and chain, or the node, have not answered yet");
}

/* ---- peers ---- */

nftmesh_peers_t *nftmesh_peers(nftmesh_t *m)
{
    if (m == NULL) {
        no_handle();
        return NULL;
    }
    struct sdk_known *k = &m->known;
    uint64_t deadline_ms = deadline(m);
    bool in_time = true;
    pthread_mutex_lock(&k->mutex);
    while (in_time && k->list == NULL && !k->trouble_is_final)
        in_time = sdk_known_wait(k, deadline_ms);
    nftmesh_peers_t *copy = sdk_known_copy(k);
    if (k->list != NULL && copy == NULL)
        sdk_fail(NFTMESH_ERR_MEMORY, "no memory for the peers");
    else if (copy == NULL)
        sdk_fail(k->trouble, "%s",
                 k->trouble_text[0] != '\0' ? k->trouble_text
                                            : "neither chain nor node has answered in time");
    else if (copy->state == NFTMESH_LIST_FRESH)
        sdk_ok();
    else
        sdk_fail(NFTMESH_UNKNOWN, "the list is %llu ms old: %s", (unsigned long long)copy->age_ms,
                 copy->why);
    pthread_mutex_unlock(&k->mutex);
    return copy;
}

void nftmesh_peers_free(nftmesh_peers_t *peers)
{
    free(peers);
}

int nftmesh_peer_is_usable(const nftmesh_peer_t *peer)
{
    return peer != NULL &&
           (peer->state == NFTMESH_PEER_VERIFIED || peer->state == NFTMESH_PEER_ALIVE ||
            peer->state == NFTMESH_PEER_SUSPECT);
}

/* ---- changes ---- */

nftmesh_status_t nftmesh_monitor(nftmesh_t *m, nftmesh_change_fn fn, void *ctx)
{
    if (m == NULL) return no_handle();
    struct sdk_known *k = &m->known;
    pthread_mutex_lock(&k->mutex);
    k->fn = fn;
    k->fn_ctx = ctx;
    k->seen = k->version - 1; /* the list as it is now is news to it */
    sdk_known_signal(k);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->mutex);
    return sdk_ok();
}

int nftmesh_fd(nftmesh_t *m)
{
    return m != NULL ? m->known.fd : -1;
}

/* Without the mutex: the callback may call us. */
static void tell(nftmesh_t *m, nftmesh_peers_t *copy, nftmesh_change_fn fn, void *ctx)
{
    pthread_mutex_unlock(&m->known.mutex);
    fn(ctx, m, copy);
    nftmesh_peers_free(copy);
    pthread_mutex_lock(&m->known.mutex);
}

static nftmesh_status_t dispatch(nftmesh_t *m, uint64_t deadline_ms)
{
    struct sdk_known *k = &m->known;
    bool in_time = true;
    if (k->dispatching) return sdk_fail(NFTMESH_ERR_BUSY, "nftmesh_dispatch() is running already");
    if (k->fn == NULL) return sdk_fail(NFTMESH_ERR_CONFIG, "no callback: call nftmesh_monitor()");
    k->dispatching = true;
    while (in_time && k->fn != NULL && !sdk_known_is_due(k))
        in_time = sdk_known_wait(k, deadline_ms);
    bool due = sdk_known_is_due(k);
    nftmesh_peers_t *copy = due ? sdk_known_copy(k) : NULL;
    if (copy != NULL) {
        k->seen = k->version;
        tell(m, copy, k->fn, k->fn_ctx);
    }
    k->dispatching = false;
    sdk_known_signal(k);
    if (copy != NULL) return sdk_ok();
    return due ? sdk_fail(NFTMESH_ERR_MEMORY, "no memory for the peers")
               : sdk_fail(NFTMESH_ERR_TIMEOUT, "nothing has changed in this time");
}

nftmesh_status_t nftmesh_dispatch(nftmesh_t *m, int timeout_ms)
{
    if (m == NULL) return no_handle();
    uint64_t deadline_ms = timeout_ms < 0 ? UINT64_MAX : sdk_now_ms() + (uint64_t)timeout_ms;
    pthread_mutex_lock(&m->known.mutex);
    nftmesh_status_t status = dispatch(m, deadline_ms);
    pthread_mutex_unlock(&m->known.mutex);
    return status;
}
