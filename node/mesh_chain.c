#include "node/mesh_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/pins_store.h"
#include "node/transfer_store.h"

#define REFERENCE_SAVE_MS 60000 /* the stored reference may be so old after a crash */

/* ---- a new reference block ---- */

/* What was first seen or accepted outlives a restart. */
static int save_pins(struct mesh *m, char why[NODE_STORE_WHY_BYTES])
{
    return node_pins_save(&m->pins, m->store, m->config->chain_id, &m->config->contract, why);
}

static void see_pins(struct mesh *m)
{
    bool changed = false;
    struct attest_pins_seen seen = mesh_authority_seen(m);
    int rv = attest_pins_see(&m->pins, &changed, &seen, m->config->dev);
    if (rv == BASE_EREFUSED) {
        mesh_fail(m, 1,
                  "the contract names a KMS root whose private key is public (a simulator's): "
                  "anybody could join; pin the right one with --kms-root, or use --dev on a "
                  "development chain");
    } else if (rv != BASE_OK) {
        mesh_fail(m, 1, "the contract's KMS root or app ids cannot be trusted: %s",
                  base_strerror(rv));
    } else if (changed) {
        char why[NODE_STORE_WHY_BYTES];
        if (save_pins(m, why) != BASE_OK) mesh_log(m, BASE_LOG_ERROR, "store", "pins", "%s", why);
        mesh_log(m, BASE_LOG_WARN, "trust", "first_seen",
                 "pinned what the contract says now; for production give --kms-root and --app-id");
    }
    chain_poll_set_roots(m->poll, m->pins.roots, m->pins.root_count);
}

/* With the prototype's contract. At the same moments as the reference: a restart reads on there. */
static void save_transfers(struct mesh *m)
{
    struct chain_transfers transfers;
    char why[NODE_STORE_WHY_BYTES];
    if (!mesh_authority_is_on(m) || chain_poll_transfers(m->poll, &transfers) != BASE_OK) return;
    if (node_transfers_save(m->store, &transfers, why) != BASE_OK)
        mesh_log(m, BASE_LOG_ERROR, "store", "transfers", "%s", why);
    chain_transfers_free(&transfers);
}

static void save_reference(struct mesh *m)
{
    struct node_store_reference ref = {m->snapshot->block.number, m->snapshot->block.hash};
    char why[NODE_STORE_WHY_BYTES];
    if (m->reference_saved_ms != 0 && mesh_now() - m->reference_saved_ms < REFERENCE_SAVE_MS)
        return;
    m->reference_saved_ms = mesh_now();
    save_transfers(m);
    if (node_store_reference_save(m->store, &ref, why) != BASE_OK)
        mesh_log(m, BASE_LOG_ERROR, "store", "reference", "%s", why);
}

static bool refresh(struct mesh *m);

/* From m->raw the snapshot by which we judge, the pins having seen it. */
static bool adopt_raw(struct mesh *m)
{
    struct chain_snapshot *derived = m->raw;
    see_pins(m);
    if (mesh_authority_is_on(m) && mesh_authority_derive(&derived, m) != BASE_OK) {
        mesh_fail(m, 1, "out of memory");
        return false;
    }
    m->snapshot = derived;
    m->admission.snapshot = derived;
    return true;
}

static void judge_all(struct mesh *m)
{
    (void)refresh(m);
    mesh_members_recheck(m);
    mesh_dial_registry(m);
    mesh_consensus_chain(m);
    mesh_dirty(m);
}

/* All of it happens before the next frame is looked at: swap, judge again, evict. */
static void take_snapshot(struct mesh *m, struct chain_snapshot *raw)
{
    struct chain_snapshot *old = m->raw, *old_derived = m->snapshot != old ? m->snapshot : NULL;
    bool seats_moved = old == NULL || !base_hash32_equal(&old->revision, &raw->revision);
    m->raw = raw;
    mesh_authority_reference(m, &raw->block);
    node_metric_set(&m->metrics->chain_ref_block, raw->block.number);
    mesh_log(m, seats_moved ? BASE_LOG_INFO : BASE_LOG_DEBUG, "chain", "snapshot",
             "block %" PRIu64 ", %zu seats", raw->block.number, raw->seat_count);
    if (adopt_raw(m)) {
        save_reference(m);
        judge_all(m);
    }
    chain_snapshot_free(old_derived);
    chain_snapshot_free(old);
}

void mesh_chain_judge_again(struct mesh *m)
{
    struct chain_snapshot *old_derived = m->snapshot != m->raw ? m->snapshot : NULL;
    if (m->raw == NULL) return;
    if (adopt_raw(m)) judge_all(m);
    chain_snapshot_free(old_derived);
}

static void take_note(struct mesh *m, const struct chain_poll_action *a)
{
    struct mesh_event e;
    bool quiet = a->note == CHAIN_POLL_NOTE_ENDPOINT_UP || a->note == CHAIN_POLL_NOTE_GENESIS ||
                 a->note == CHAIN_POLL_NOTE_KIND || a->note == CHAIN_POLL_NOTE_TRANSFERS;
    if (a->note == CHAIN_POLL_NOTE_REORG) {
        node_metrics_reorg(m->metrics, a->value);
        m->reference_count = 0;
    }
    if (a->note == CHAIN_POLL_NOTE_GENESIS) {
        struct chain_poll_status status;
        char why[NODE_STORE_WHY_BYTES];
        chain_poll_status(m->poll, &status);
        if (node_store_genesis_save(m->store, &status.genesis, why) != BASE_OK)
            mesh_log(m, BASE_LOG_ERROR, "store", "genesis", "%s", why);
    }
    mesh_event_begin(&e, m, quiet ? BASE_LOG_INFO : BASE_LOG_WARN, "chain",
                     chain_poll_note_name(a->note));
    if (a->endpoint != CHAIN_NONE) {
        char origin[NODE_HTTP_ORIGIN_BYTES];
        node_http_origin(origin, m->config->rpc[a->endpoint]);
        mesh_event_str(&e, "rpc", origin);
    }
    if (a->value != 0) mesh_event_u64(&e, "value", a->value);
    mesh_event_str(&e, "msg", a->text);
    mesh_event_end(&e);
    mesh_dirty(m);
}

static void on_snapshot(void *ctx, struct chain_snapshot *snapshot)
{
    take_snapshot(ctx, snapshot);
}

static void on_note(void *ctx, const struct chain_poll_action *note)
{
    take_note(ctx, note);
}

static void on_quiet(void *ctx)
{
    mesh_chain_refresh(ctx);
}

static void on_reply(void *ctx, const char *url, bool ok, uint64_t took_ms)
{
    struct mesh *m = ctx;
    char origin[NODE_HTTP_ORIGIN_BYTES];
    node_http_origin(origin, url);
    node_metrics_rpc(m->metrics, origin, "batch", ok ? "ok" : "failed", took_ms);
}

void mesh_chain_step(struct mesh *m, const struct chain_poll_event *event)
{
    if (m->chain == NULL || m->stopping) return;
    int rv = node_chain_client_step(m->chain, event);
    if (rv != BASE_OK) mesh_log(m, BASE_LOG_ERROR, "chain", "poll", "%s", base_strerror(rv));
}

void mesh_chain_wake(struct mesh *m)
{
    m->poll_wake = true; /* taken at the end of the turn: we may be inside of a step of it */
}

uint64_t mesh_chain_lag_blocks(const struct mesh *m)
{
    uint64_t head = 0;
    for (size_t i = 0; i < chain_poll_endpoint_count(m->poll); i++) {
        struct chain_poll_endpoint endpoint;
        chain_poll_endpoint(m->poll, i, &endpoint);
        if (endpoint.has_height && endpoint.agreement == CHAIN_POLL_AGREEMENT_AGREES &&
            endpoint.height > head)
            head = endpoint.height;
    }
    return m->snapshot != NULL && head > m->snapshot->block.number
               ? head - m->snapshot->block.number
               : 0;
}

/* ---- what follows from chain and pins, judged again after each step ---- */

static enum mesh_seat judge_seat(struct mesh *m)
{
    struct node_facts facts = {
        .node_key = m->identity.keys.node_key,
        .proof_key = m->identity.keys.proof_key,
        .instance = m->identity.keys.instance,
        .app_id = m->identity.keys.app_id,
    };
    const struct chain_seat *seat;
    if (m->snapshot == NULL || !m->has_identity) return MESH_SEAT_UNKNOWN;
    if (node_admission_judge_key(&m->seat_refusal, &m->admission, &facts.node_key) !=
        NODE_REASON_NONE)
        return MESH_SEAT_MISSING;
    seat = chain_snapshot_find_key(m->snapshot, &facts.node_key);
    facts.token_id = seat->token_id;
    if (node_admission_recheck(&m->seat_refusal, &m->admission, &facts) != NODE_REASON_NONE)
        return MESH_SEAT_MISSING;
    m->identity.keys.token_id = seat->token_id;
    return MESH_SEAT_OK;
}

static void say_seat(struct mesh *m)
{
    struct mesh_event e;
    char advice[MESH_COMMAND_BYTES + 256];
    if (m->seat == MESH_SEAT_OK) {
        mesh_event_begin(&e, m, BASE_LOG_INFO, "admission", "seat");
        mesh_event_u64(&e, "block", m->snapshot->block.number);
        mesh_event_end(&e);
        return;
    }
    mesh_boot_advice(m, advice, sizeof advice);
    mesh_refusal_keep(m, &m->seat_refusal, &m->identity.keys.node_key, "ourselves");
    mesh_event_begin(&e, m, BASE_LOG_WARN, "admission", "no_seat");
    mesh_event_str(&e, "reason", node_reason_name(m->seat_refusal.reason));
    mesh_event_u64(&e, "block", m->seat_refusal.block);
    mesh_event_str(&e, "found", m->seat_refusal.found);
    mesh_event_str(&e, "msg", advice);
    mesh_event_end(&e);
    if (m->gossip == NULL && !m->config->wait && !m->config->register_seat)
        mesh_fail(m, 3, "%s", advice);
}

static void judge_pins(struct mesh *m)
{
    struct attest_pins_seen seen;
    enum attest_pins_verdict was = m->pins_verdict;
    if (m->snapshot == NULL || !m->has_identity) return;
    seen = mesh_authority_seen(m);
    m->pins_verdict = attest_pins_judge(&m->pins, &seen, &m->agent_info.app_id);
    if (was == m->pins_verdict) return;
    mesh_dirty(m);
    if (m->pins_verdict != ATTEST_PINS_AGREE) {
        struct mesh_event e;
        char root[BASE_ADDRESS_TEXT_BYTES];
        base_address_format(root, &m->snapshot->kms_root);
        mesh_event_begin(&e, m, BASE_LOG_WARN, "trust", "trust");
        mesh_event_str(&e, "reason", attest_pins_verdict_name(m->pins_verdict));
        mesh_event_str(&e, "kms_root", root);
        mesh_event_u64(&e, "block", m->snapshot->block.number);
        mesh_event_end(&e);
    }
}

/* True when the sessions' env has changed. */
static bool refresh(struct mesh *m)
{
    struct chain_poll_status status;
    enum mesh_seat was = m->seat;
    bool ready = m->env.ready, fresh, known;
    chain_poll_status(m->poll, &status);
    known = m->snapshot != NULL && status.has_good && !status.went_back;
    fresh = known && mesh_now() - status.good_ms < MESH_CHAIN_STALE_MS;
    if (fresh != m->chain_fresh) {
        m->chain_fresh = fresh;
        mesh_log(m, fresh ? BASE_LOG_INFO : BASE_LOG_WARN, "chain", fresh ? "rpc_back" : "rpc_lost",
                 fresh ? "the endpoints agree again"
                       : "no agreed answer from the RPC endpoints: members stay, admissions wait");
        mesh_dirty(m);
    }
    judge_pins(m);
    m->seat = judge_seat(m);
    if (m->seat != was && m->seat != MESH_SEAT_UNKNOWN) say_seat(m);
    mesh_expiry_judge(m);
    if (m->seat == MESH_SEAT_OK && m->gossip == NULL && !m->stopping) {
        int rv = mesh_boot_gossip(m);
        if (rv != BASE_OK) return false;
    }
    bool is_late = status.has_good && mesh_now() - status.good_ms >= m->config->rpc_grace_ms;
    mesh_consensus_grace(m, is_late);
    /* While the endpoints are silent members may still find each other again, for --rpc-grace;
     * that nobody else comes in is seen to when a session is judged. */
    m->env.ready = m->seat == MESH_SEAT_OK && m->gossip != NULL && !m->leaving && known && !is_late;
    bool votes_only = m->env.votes_only;
    bool is_moved = mesh_consensus_voters(m, &m->env.voters, &m->env.voter_count);
    m->env.votes_only = m->seat == MESH_SEAT_MISSING && !m->leaving && known && !is_late &&
                        node_admission_is_seat_gone(m->seat_refusal.reason) &&
                        mesh_consensus_is_voter(m, &m->identity.keys.node_key);
    if (ready == m->env.ready && votes_only == m->env.votes_only && !is_moved) return false;
    mesh_dirty(m);
    return true;
}

void mesh_chain_refresh(struct mesh *m)
{
    if (refresh(m)) mesh_conns_snapshot(m);
}

int mesh_chain_trust_accept(struct mesh *m, char *why, size_t cap)
{
    bool changed = false;
    struct attest_pins_seen seen;
    if (m->snapshot == NULL) {
        snprintf(why, cap, "the chain has not been read yet: try again when /readyz shows chain");
        return BASE_ESTATE;
    }
    seen = mesh_authority_seen(m);
    int rv = attest_pins_accept(&m->pins, &changed, &seen, m->config->dev);
    if (rv != BASE_OK) {
        snprintf(why, cap, "%s",
                 rv == BASE_EREFUSED ? "the contract's KMS root has a public private key"
                                     : base_strerror(rv));
        return rv;
    }
    /* While the endpoints agree with what we know there is nothing to forget; and without blocks
     * and transfers no authorisation counts, our own neither, until all are read again. */
    if (!mesh_authority_is_on(m) || !m->chain_fresh) {
        chain_poll_accept(m->poll);
        m->reference_count = 0; /* they may be of a chain that went back */
    }
    if (changed) {
        rv = save_pins(m, why);
        if (rv != BASE_OK) return rv;
    }
    chain_poll_set_roots(m->poll, m->pins.roots, m->pins.root_count);
    mesh_log(m, BASE_LOG_WARN, "trust", "accepted", "the operator accepted what the chain says");
    mesh_chain_judge_again(m);
    return BASE_OK;
}

/* ---- birth ---- */

static int load_pins(struct mesh *m)
{
    char why[NODE_STORE_WHY_BYTES];
    int rv = attest_pins_set_flags(&m->pins, m->config->kms_roots, m->config->kms_root_count,
                                   m->config->app_ids, m->config->app_id_count);
    if (rv != BASE_OK) {
        snprintf(m->why, sizeof m->why, "--kms-root, --app-id: %s", base_strerror(rv));
        return rv;
    }
    rv = node_pins_load(&m->pins, m->store, m->config->chain_id, &m->config->contract, why);
    if (rv != BASE_OK) snprintf(m->why, sizeof m->why, "%s", why);
    return rv;
}

static void load_reference(struct mesh *m, struct chain_poll_config *poll)
{
    char why[NODE_STORE_WHY_BYTES];
    struct node_store_reference ref;
    int rv = node_store_genesis_load(m->store, &poll->genesis, why);
    poll->has_genesis = rv == BASE_OK;
    if (rv != BASE_OK && rv != BASE_ENOTFOUND)
        mesh_log(m, BASE_LOG_ERROR, "store", "genesis", "%s", why);
    rv = node_store_reference_load(m->store, &ref, why);
    if (rv == BASE_OK) {
        poll->has_reference = true;
        poll->reference.number = ref.number;
        poll->reference.hash = ref.hash;
    } else if (rv != BASE_ENOTFOUND) {
        mesh_log(m, BASE_LOG_ERROR, "store", "reference", "%s", why);
    }
}

/* One that is damaged costs a reading of the logs, no more. */
static void load_transfers(struct mesh *m, struct chain_transfers *transfers,
                           struct chain_poll_config *poll)
{
    char why[NODE_STORE_WHY_BYTES];
    int rv = node_transfers_load(transfers, m->store, why);
    if (rv == BASE_OK)
        poll->transfers = transfers;
    else if (rv != BASE_ENOTFOUND)
        mesh_log(m, BASE_LOG_WARN, "store", "transfers", "%s", why);
}

int mesh_chain_new(struct mesh *m)
{
    struct chain_transfers transfers;
    struct node_chain_client_config config = {
        .http = m->client,
        .now_ms = mesh_now,
        .ctx = m,
        .on_snapshot = on_snapshot,
        .on_note = on_note,
        .on_quiet = on_quiet,
        .on_reply = on_reply,
        .poll = {.urls = (const char *const *)m->config->rpc,
                 .url_count = m->config->rpc_count,
                 .agree = (uint32_t)m->config->rpc_agree,
                 .confirmations = (uint32_t)m->config->finality.depth,
                 .chain_id = m->config->chain_id,
                 .contract = m->config->contract},
    };
    struct chain_poll_config *poll = &config.poll;
    char why[CHAIN_POLL_TEXT_BYTES];
    poll->finality = m->config->finality.kind == NODE_FINALITY_SAFE ? CHAIN_FINALITY_SAFE
                     : m->config->finality.kind == NODE_FINALITY_FINALIZED
                         ? CHAIN_FINALITY_FINALIZED
                         : CHAIN_FINALITY_LATEST;
    int rv = load_pins(m);
    if (rv != BASE_OK) return rv;
    for (size_t i = 0; i < m->pins.root_count && i < CHAIN_ROOTS_MAX; i++)
        poll->roots[poll->root_count++] = m->pins.roots[i];
    load_reference(m, poll);
    for (size_t i = 0; i < m->config->app_id_count && i < CHAIN_APP_IDS_MAX; i++)
        poll->app_ids[poll->app_id_count++] = m->config->app_ids[i];
    load_transfers(m, &transfers, poll);
    rv = node_chain_client_new(&m->chain, &config, why);
    chain_transfers_free(&transfers);
    if (rv != BASE_OK)
        snprintf(m->why, sizeof m->why, "--rpc: %s", why);
    else
        m->poll = node_chain_client_poll(m->chain);
    return rv;
}
