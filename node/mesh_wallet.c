#include "node/mesh_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/mint_prototype.h"
#include "node/seat.h"
#include "node/wallet_work.h"

#define EXPIRES_MS     (UINT64_C(365) * 86400 * 1000)
#define MAX_FEE_GWEI   UINT64_C(200)
#define GWEI           UINT64_C(1000000000)
#define JSON_BYTES_MAX 4096

/* The wallet's routes. The work blocks (requests, receipts), so it runs on one of libuv's threads;
 * one job at a time. That thread reads the job and the configuration, which does not change, and
 * nothing else of the mesh; the key is read for the job and zeroed with it. When the node stops,
 * what the job waits for is given up: whatever was sent is on its way, and the same request after
 * the restart reads the chain first. */
struct mesh_job {
    uv_work_t work;
    struct mesh *mesh;
    struct node_command *command; /* the loop's */
    bool rich;
    bool is_prototype; /* the contract */
    const struct node_config *config;
    struct node_wallet_ask ask;
    /* Under the mutex: what to give up when the node stops. */
    pthread_mutex_t mutex;
    struct node_http_sync *http;
    bool is_cancelled;
    /* Written by the work, read by the loop after it. */
    int rv;
    struct node_wallet_done done;
    char why[NODE_WALLET_WHY_BYTES];
};

/* ---- on the worker's thread ---- */

static void http_set(struct mesh_job *job, struct node_http_sync *http)
{
    pthread_mutex_lock(&job->mutex);
    job->http = http;
    if (http != NULL && job->is_cancelled) node_http_sync_cancel(http);
    pthread_mutex_unlock(&job->mutex);
}

/* A step, on its way to the loop. */
struct step {
    struct node_inbox_item item;
    struct mesh *mesh;
    char line[NODE_WALLET_WORK_LAST_BYTES];
};

static void on_step(struct node_inbox_item *item)
{
    struct step *step = item->ptr;
    struct mesh *m = step->mesh;
    struct mesh_event e;
    snprintf(m->wallet.step, sizeof m->wallet.step, "%s", step->line);
    mesh_event_begin(&e, m, BASE_LOG_INFO, "wallet", "wallet");
    mesh_event_str(&e, "state", "step");
    mesh_event_str(&e, "msg", step->line);
    mesh_event_end(&e);
    mesh_dirty(m);
    free(step);
}

/* Nothing is posted once the job is given up: the inbox may be closed from then on. */
static void on_told(void *ctx, const char *line)
{
    struct mesh_job *job = ctx;
    struct step *step = calloc(1, sizeof *step);
    if (step == NULL) return;
    step->mesh = job->mesh;
    step->item.handle = on_step;
    step->item.ptr = step;
    snprintf(step->line, sizeof step->line, "%s", line);
    pthread_mutex_lock(&job->mutex);
    bool is_posted =
        !job->is_cancelled && node_inbox_post(job->mesh->inbox, &step->item) == BASE_OK;
    pthread_mutex_unlock(&job->mutex);
    if (!is_posted) free(step);
}

static void sent_note(struct mesh_job *job, const struct node_wallet_sent *sent)
{
    job->done.has_tx = true;
    job->done.tx = sent->tx_hash;
    job->done.block = sent->block;
}

static int do_register(struct mesh_job *job, struct node_wallet *w)
{
    const struct node_config *config = job->config;
    struct node_seat_result result;
    struct node_seat_request request = {.has_token = job->ask.has_token,
                                        .token = job->ask.token,
                                        .url = job->ask.url[0] != '\0' ? job->ask.url
                                                                       : config->advertise,
                                        .expires_ms = EXPIRES_MS,
                                        .data_dir = config->data_dir,
                                        .dstack = config->dstack,
                                        .dev = config->dev};
    int rv = node_seat_register(w, &result, &request, job->why);
    if (rv != BASE_OK) return rv;
    job->done.token = result.token;
    job->done.owner = w->address;
    job->done.stood_already = result.stood_already;
    if (result.done_count > 0) sent_note(job, &result.sent); /* an authorisation is none */
    return BASE_OK;
}

static int do_mint(struct mesh_job *job, struct node_wallet *w)
{
    struct node_wallet_sent sent;
    struct base_eth_address to = job->ask.has_to ? job->ask.to : w->address;
    int rv = job->is_prototype ? node_mint_prototype(w, &sent, &to, &job->done.instance, job->why)
                               : node_seat_mint(w, &sent, &to, job->why);
    if (rv != BASE_OK) return rv;
    if (!sent.has_minted) {
        snprintf(job->why, sizeof job->why,
                 "the transaction was mined in block %" PRIu64 ", but its receipt shows no token "
                 "for this address: is this a contract of seats?",
                 sent.block);
        return BASE_EREMOTE;
    }
    job->done.token = sent.minted;
    job->done.owner = to;
    sent_note(job, &sent);
    return BASE_OK;
}

static void on_work(uv_work_t *work)
{
    struct mesh_job *job = work->data;
    const struct node_config *config = job->config;
    const struct node_wallet_key_source key = {.file = config->wallet_key_file,
                                               .hex = config->wallet_key_hex,
                                               .password_file = config->wallet_password_file,
                                               .password = getenv("NFTMESH_WALLET_PASSWORD")};
    struct node_wallet w;
    job->rv = node_wallet_init(&w, config->rpc[0], config->chain_id, &config->contract,
                               config->tls_ca, job->why);
    if (job->rv == BASE_OK) {
        http_set(job, w.http);
        w.told = on_told;
        w.told_ctx = job;
        w.max_fee = base_u256_from_u64(MAX_FEE_GWEI * GWEI);
        job->rv = node_wallet_check(&w, job->why);
    }
    if (job->rv == BASE_OK) job->rv = node_wallet_key_from(&w, &key, job->why);
    if (job->rv == BASE_OK)
        job->rv = job->done.kind == NODE_WALLET_WORK_MINT ? do_mint(job, &w) : do_register(job, &w);
    http_set(job, NULL);
    node_wallet_close(&w);
}

/* ---- on the loop ---- */

static void say(struct mesh *m, const struct mesh_job *job)
{
    struct mesh_event e;
    struct mesh_wallet *wallet = &m->wallet;
    bool ok = job->rv == BASE_OK;
    struct base_buf token;
    base_buf_init(&token, 128);
    node_json_u256(&token, &job->done.token);
    const char *name = node_wallet_work_name(job->done.kind);
    if (!ok)
        snprintf(wallet->last, sizeof wallet->last, "%s failed: %s", name, job->why);
    else
        snprintf(wallet->last, sizeof wallet->last, "%s: token %s%s", name, token.data,
                 job->done.stood_already ? " stood already" : "");
    base_buf_deinit(&token);
    mesh_event_begin(&e, m, ok ? BASE_LOG_INFO : BASE_LOG_WARN, "wallet", "wallet");
    mesh_event_str(&e, "state", ok ? "done" : "failed");
    if (job->done.has_tx) mesh_event_hex(&e, "tx", job->done.tx.bytes, sizeof job->done.tx.bytes);
    mesh_event_str(&e, "msg", wallet->last);
    mesh_event_end(&e);
}

static void answer(struct mesh *m, const struct mesh_job *job)
{
    struct base_buf json;
    if (job->rv != BASE_OK) {
        bool gave_up = job->is_cancelled;
        node_http_fail(job->command,
                       gave_up                  ? 503
                       : job->rv == BASE_EINVAL ? 400
                                                : 500,
                       gave_up ? "this node is stopping; what was sent may still be mined"
                               : job->why);
        return;
    }
    base_buf_init(&json, JSON_BYTES_MAX);
    node_wallet_done_json(&json, &job->done, job->rich, mesh_wall());
    if (json.failed)
        node_http_fail(job->command, 500, "no memory");
    else
        node_http_complete(job->command, 200, json.data, json.len);
    base_buf_deinit(&json);
    if (!m->stopping) mesh_chain_wake(m); /* the seats have moved: look now */
}

static void on_done(uv_work_t *work, int status)
{
    struct mesh_job *job = work->data;
    struct mesh *m = job->mesh;
    if (status != 0) {
        job->rv = BASE_ECLOSED;
        snprintf(job->why, sizeof job->why, "it was not begun: the node is stopping");
    }
    say(m, job);
    answer(m, job);
    m->wallet.job = NULL;
    mesh_dirty(m);
    pthread_mutex_destroy(&job->mutex);
    free(job);
}

static int job_start(struct mesh *m, struct mesh_job *job)
{
    struct mesh_event e;
    job->work.data = job;
    pthread_mutex_init(&job->mutex, NULL);
    if (uv_queue_work(&m->loop, &job->work, on_work, on_done) != 0) {
        pthread_mutex_destroy(&job->mutex);
        return BASE_ENOMEM;
    }
    m->wallet.job = job;
    m->wallet.kind = job->done.kind;
    m->wallet.since_wall_ms = mesh_wall();
    m->wallet.step[0] = '\0';
    mesh_event_begin(&e, m, BASE_LOG_INFO, "wallet", "wallet");
    mesh_event_str(&e, "state", "begun");
    mesh_event_str(&e, "what", node_wallet_work_name(job->done.kind));
    mesh_event_end(&e);
    mesh_dirty(m);
    return BASE_OK;
}

void mesh_wallet_ask(struct mesh *m, struct node_command *command)
{
    struct mesh_job *job = calloc(1, sizeof *job);
    const struct node_wallet_state state = {.has_key = m->config->wallet_key_file != NULL ||
                                                       m->config->wallet_key_hex[0] != '\0',
                                            .has_identity = m->has_identity,
                                            .is_busy = m->wallet.job != NULL,
                                            .is_leaving = m->leaving};
    const char *detail;
    if (job == NULL) {
        node_http_fail(command, 500, "no memory");
        return;
    }
    job->done.kind =
        command->kind == NODE_COMMAND_MINT ? NODE_WALLET_WORK_MINT : NODE_WALLET_WORK_REGISTER;
    unsigned status = node_wallet_work_refusal(&detail, &state);
    if (status == 0 && node_wallet_ask_read(&job->ask, job->done.kind, command->body, job->why,
                                            sizeof job->why) != BASE_OK) {
        status = 400;
        detail = job->why;
    }
    job->mesh = m;
    job->command = command;
    job->config = m->config;
    job->is_prototype = m->snapshot != NULL && m->snapshot->kind == CHAIN_KIND_PROTOTYPE;
    job->rich = strncmp(command->path, "/v1/", 4) == 0;
    job->done.instance = m->identity.keys.instance;
    if (status == 0 && job_start(m, job) == BASE_OK) return;
    node_http_fail(command, status != 0 ? status : 500, status != 0 ? detail : "no memory");
    free(job);
}

void mesh_wallet_give_up(struct mesh *m)
{
    struct mesh_job *job = m->wallet.job;
    if (job == NULL) return;
    pthread_mutex_lock(&job->mutex);
    job->is_cancelled = true;
    if (job->http != NULL) node_http_sync_cancel(job->http);
    pthread_mutex_unlock(&job->mutex);
    (void)uv_cancel((uv_req_t *)&job->work); /* not begun yet: then it never is */
}
