/* The cluster's consensus and its world: sessions, the chain, membership, the disk. What operators
 * and applications are told of it is in mesh_consensus_ask.c. */
#include "node/mesh_consensus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/wire.h"
#include "node/consensus_told.h"

#define FOUND_MS       3000
#define FORMER_MS      10000                /* whose seat is gone learns how its last epoch ended */
#define REPLACE_STATUS UINT32_C(0x24000001) /* a newer one makes an older one useless */
#define SHOWN_BYTES    128                  /* of a key or value, in an event */
#define PATH_BYTES     NODE_STORE_PATH_BYTES

/* ---- signatures ---- */

static int sign(void *ctx, const struct base_vote *vote, struct base_sig65 *sig)
{
    const struct mesh *m = ctx;
    struct base_hash32 digest;
    base_eip712_vote(&digest, &m->identity.domain, vote);
    return base_ecdsa_sign(sig, &digest, &m->identity.keys.node_priv);
}

static int verify(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                  const struct base_eth_address *signer)
{
    const struct mesh *m = ctx;
    struct base_hash32 digest;
    struct base_eth_address found;
    base_eip712_vote(&digest, &m->identity.domain, vote);
    int rv = base_ecdsa_recover_address(&found, &digest, sig);
    return rv == BASE_OK && !base_address_equal(&found, signer) ? BASE_ESIG : rv;
}

static int sign_entry(void *ctx, const struct base_slice *body, struct base_sig65 *sig)
{
    const struct mesh *m = ctx;
    struct base_hash32 digest;
    base_eip712_entry(&digest, &m->identity.domain, body->data, body->len);
    return base_ecdsa_sign(sig, &digest, &m->identity.keys.node_priv);
}

static int verify_entry(void *ctx, const struct base_slice *body, const struct base_sig65 *sig,
                        const struct base_key33 *submitter)
{
    const struct mesh *m = ctx;
    struct base_hash32 digest;
    base_eip712_entry(&digest, &m->identity.domain, body->data, body->len);
    return base_ecdsa_verify(&digest, sig, submitter);
}

/* ---- what it wants done ---- */

static bool is_in(const struct base_key33 *list, size_t count, const struct base_key33 *key)
{
    for (size_t i = 0; i < count; i++)
        if (base_key33_equal(&list[i], key)) return true;
    return false;
}

/* Who voted in the epoch before is told how it ended, and of nothing that came after it. */
static bool is_former(const struct mesh_consensus *mc, const struct base_key33 *key)
{
    return !is_in(mc->voters, mc->voter_count, key);
}

static bool may_go(const struct mesh *m, const struct mesh_conn *c, const struct base_key33 *key,
                   uint8_t type)
{
    if (!node_session_is_for_votes(c->session) || !is_former(m->consensus, key)) return true;
    return type == CONSENSUS_FRAME_EPOCH || type == consensus_frame_type(CONSENSUS_MSG_STATUS);
}

static void send_to(struct mesh *m, const struct base_key33 *key,
                    const struct consensus_cluster_action *a)
{
    struct mesh_conn *c = mesh_conn_any(m, key);
    struct node_session_event ev = {.kind = NODE_SESSION_EV_QUEUE};
    if (c == NULL || !may_go(m, c, key, a->u.send.type)) return;
    ev.queue.type = a->u.send.type;
    ev.queue.body = a->u.send.body.data;
    ev.queue.len = a->u.send.body.len;
    if (a->u.send.type == consensus_frame_type(CONSENSUS_MSG_STATUS))
        ev.queue.replace = REPLACE_STATUS;
    node_metric_inc(&m->metrics->consensus_sent);
    mesh_conn_step(c, &ev);
}

/* By key: a step may close a link, and frees none. */
static void on_send(struct mesh *m, const struct consensus_cluster_action *a)
{
    if (!a->u.send.is_to_all) {
        send_to(m, &a->u.send.to, a);
        return;
    }
    for (size_t i = 0; i < m->member_count; i++) {
        struct base_key33 key = m->members[i].key;
        if (!node_identity_owns(&m->identity, &key)) send_to(m, &key, a);
    }
}

/* Until a restart, in later epochs, too. The first cause counts. */
static void mute(struct mesh *m, const char *why)
{
    struct mesh_consensus *mc = m->consensus;
    if (mc->mute[0] == '\0') snprintf(mc->mute, sizeof mc->mute, "%s", why);
    mesh_dirty(m);
}

static void store_failed(struct mesh *m, const char *why)
{
    m->consensus->is_store_lost = true;
    mute(m, why);
    mesh_log(m, BASE_LOG_ERROR, "consensus", "store_failed",
             "%s: this node signs nothing more until it is restarted", why);
}

static void on_store(struct mesh *m, const struct consensus_cluster_action *a)
{
    struct node_consensus_op op = {.row = {.epoch = a->u.store.epoch, .body = a->u.store.body}};
    struct mesh_consensus *mc = m->consensus;
    switch (a->u.store.kind) {
    case CONSENSUS_STORE_VOTE:
    case CONSENSUS_STORE_NEXT:
        if (a->u.store.kind == CONSENSUS_STORE_VOTE) mesh_consensus_voted(m);
        op.kind = NODE_CONSENSUS_PUT_VOTE;
        op.row.first = a->u.store.first;
        op.row.last = a->u.store.last;
        break;
    case CONSENSUS_STORE_STATE:
        op.kind = NODE_CONSENSUS_PUT_STATE;
        op.row.first = a->u.store.first;
        break;
    case CONSENSUS_STORE_EPOCH:
        op.kind = NODE_CONSENSUS_PUT_EPOCH;
        break;
    }
    int rv = node_consensus_writer_put(mc->writer, a->u.store.number, &op);
    mc->put_number = a->u.store.number;
    if (rv == BASE_OK || mc->is_store_lost) return;
    char why[NODE_STORE_WHY_BYTES];
    snprintf(why, sizeof why, "a vote could not be stored: %s", base_strerror(rv));
    store_failed(m, why);
}

static void event_leader(struct mesh_event *e, struct mesh *m, const struct base_key33 *key)
{
    char name[GOSSIP_NAME_BYTES_MAX + 1];
    mesh_consensus_name(m, key, name);
    if (name[0] != '\0') mesh_event_str(e, "name", name);
    mesh_event_key(e, "peer", key);
}

static void on_leader(struct mesh *m, const struct consensus_cluster_action *a)
{
    struct mesh_event e;
    struct mesh_consensus *mc = m->consensus;
    bool is_same =
        mc->has_leader == a->u.leader.has_leader && base_key33_equal(&mc->leader, &a->u.leader.key);
    mc->has_leader = a->u.leader.has_leader;
    mc->leader = a->u.leader.key;
    mesh_dirty(m);
    if (!is_same) node_metric_inc(&m->metrics->leader_changes);
    if (is_same)
        mesh_event_begin_quietly(&e, m, "consensus", "leader");
    else
        mesh_event_begin(&e, m, BASE_LOG_INFO, "consensus", "leader");
    if (a->u.leader.has_leader) event_leader(&e, m, &a->u.leader.key);
    mesh_event_u64(&e, "epoch", a->u.leader.epoch);
    mesh_event_u64(&e, "window", a->u.leader.window);
    mesh_event_u64(&e, "fencing_token", a->u.leader.token);
    mesh_event_end(&e);
    if (!is_same && a->u.leader.has_leader)
        mesh_handler_leader(m, NODE_HANDLER_LEADER_CHANGE, &a->u.leader.key);
}

static void on_lease(struct mesh *m, const struct consensus_cluster_action *a)
{
    struct mesh_event e;
    mesh_event_begin(&e, m, BASE_LOG_INFO, "consensus",
                     a->u.lease.is_held ? "lease" : "lease_lost");
    mesh_event_u64(&e, "epoch", a->u.lease.epoch);
    mesh_event_u64(&e, "fencing_token", a->u.lease.token);
    mesh_event_end(&e);
    mesh_handler_leader(m, a->u.lease.is_held ? NODE_HANDLER_LEASE : NODE_HANDLER_LEASE_LOST,
                        &m->identity.keys.node_key);
    mesh_dirty(m);
}

static struct base_slice shown(struct base_slice text)
{
    if (text.len > SHOWN_BYTES) text.len = SHOWN_BYTES;
    return text;
}

static void on_entry(struct mesh *m, const struct consensus_cluster_action *a)
{
    struct mesh_event e;
    const struct consensus_entry *entry = a->u.entry.entry;
    node_metric_count(&m->metrics->log_entries, consensus_entry_name(entry->kind), NULL, NULL);
    mesh_event_begin_quietly(&e, m, "consensus", "entry");
    mesh_event_str(&e, "kind", consensus_entry_name(entry->kind));
    mesh_event_u64(&e, "epoch", a->u.entry.epoch);
    mesh_event_u64(&e, "slot", a->u.entry.slot);
    mesh_event_key(&e, "peer", &entry->submitter);
    switch (entry->kind) {
    case CONSENSUS_ENTRY_PUT:
        mesh_event_strn(&e, "key", shown(entry->u.put.key));
        mesh_event_strn(&e, "value", shown(entry->u.put.value));
        break;
    case CONSENSUS_ENTRY_DELETE:
        mesh_event_strn(&e, "key", shown(entry->u.put.key));
        break;
    case CONSENSUS_ENTRY_ADD:
        mesh_event_strn(&e, "key", shown(entry->u.add.key));
        mesh_event_u64(&e, "value", a->u.entry.result.value);
        break;
    case CONSENSUS_ENTRY_EVIDENCE:
        mesh_event_key(&e, "target", &entry->u.evidence.voter);
        break;
    case CONSENSUS_ENTRY_CHALLENGE:
        mesh_event_key(&e, "target", &entry->u.challenge.target);
        mesh_event_u64(&e, "challenge", a->u.entry.result.value);
        break;
    case CONSENSUS_ENTRY_CHALLENGE_VOTE:
        mesh_event_u64(&e, "challenge", entry->u.vote.id);
        break;
    }
    mesh_event_end(&e);
}

static void on_fault(struct mesh *m, const struct consensus_fault_proof *fault)
{
    struct mesh_event e;
    node_metric_inc(&m->metrics->evidence);
    mesh_event_begin(&e, m, BASE_LOG_WARN, "consensus", "equivocation");
    event_leader(&e, m, &fault->key);
    mesh_event_str(&e, "fault", consensus_fault_name(fault->fault));
    mesh_event_u64(&e, "slot", fault->a.first);
    mesh_event_str(&e, "msg",
                   "two votes that contradict each other: `nftmesh evidence list` shows them");
    mesh_event_end(&e);
}

static enum base_log_level note_level(enum consensus_cluster_note note)
{
    switch (note) {
    case CONSENSUS_NOTE_FOUNDED:
    case CONSENSUS_NOTE_EPOCH:
        return BASE_LOG_INFO;
    case CONSENSUS_NOTE_COPY:
    case CONSENSUS_NOTE_MUTE:
        return BASE_LOG_ERROR;
    case CONSENSUS_NOTE_STATE_DIFFERS:
    case CONSENSUS_NOTE_OTHER_CLUSTER:
    case CONSENSUS_NOTE_EPOCH_DIFFERS:
    case CONSENSUS_NOTE_TOO_MANY:
    case CONSENSUS_NOTE_AWAITS:
        break;
    }
    return BASE_LOG_WARN;
}

/* The first is of a log that is lost; one more in this run, of somebody else who has the key. */
static void on_copy(struct mesh *m)
{
    struct consensus_cluster_view v;
    mesh_consensus_copy(m);
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    if (v.is_mute)
        mute(m, "votes of this node's key are seen that it did not make: end whatever else runs"
                " with this key, then start again");
}

/* Another epoch: those that are not in it any more go behind. */
static void voters_take(struct mesh *m)
{
    struct consensus_cluster_view v;
    struct mesh_consensus *mc = m->consensus;
    size_t count = 0;
    consensus_cluster_view(&v, mc->cluster, mesh_now());
    if (!v.has_epoch || base_hash32_equal(&v.epoch_id, &mc->voters_of)) return;
    struct base_key33 *former = calloc(mc->voter_count + 1, sizeof *former);
    if (former == NULL) {
        mesh_fail(m, 1, "out of memory");
        return;
    }
    memcpy(former, mc->voters, mc->voter_count * sizeof *former);
    for (size_t i = 0; i < v.epoch->member_count; i++)
        if (consensus_cluster_weight(mc->cluster, i) > 0)
            mc->voters[count++] = v.epoch->members[i].seat.key;
    mc->former_count = 0;
    for (size_t i = 0; i < mc->voter_count; i++)
        if (!is_in(mc->voters, count, &former[i]))
            mc->voters[count + mc->former_count++] = former[i];
    mc->voter_count = count;
    mc->voters_of = v.epoch_id;
    mc->former_until_ms = mesh_now() + FORMER_MS;
    mc->voters_moved = true;
    free(former);
}

bool mesh_consensus_voters(struct mesh *m, const struct base_key33 **list, size_t *count)
{
    struct mesh_consensus *mc = m->consensus;
    if (mc == NULL || mc->cluster == NULL) return false;
    bool is_over = mc->former_count > 0 && mesh_now() >= mc->former_until_ms;
    bool is_moved = mc->voters_moved || is_over;
    if (is_over) mc->former_count = 0;
    mc->voters_moved = false;
    *list = mc->voters;
    *count = mc->voter_count + mc->former_count;
    return is_moved;
}

bool mesh_consensus_is_voter(const struct mesh *m, const struct base_key33 *key)
{
    const struct mesh_consensus *mc = m->consensus;
    return mc != NULL && is_in(mc->voters, mc->voter_count + mc->former_count, key);
}

/* Some are true at each heartbeat of a peer: told once until something else is. */
static void on_note(struct mesh *m, const struct consensus_cluster_action *a)
{
    struct mesh_event e;
    struct mesh_consensus *mc = m->consensus;
    bool is_news = a->u.note.note == CONSENSUS_NOTE_EPOCH || mc->last_note != a->u.note.note;
    mc->last_note = a->u.note.note;
    if (a->u.note.note == CONSENSUS_NOTE_MUTE) return; /* told with its cause */
    if (a->u.note.note == CONSENSUS_NOTE_EPOCH) voters_take(m);
    mesh_dirty(m);
    if (a->u.note.note == CONSENSUS_NOTE_COPY) on_copy(m);
    if (!is_news) return;
    mesh_event_begin(&e, m, note_level(a->u.note.note), "consensus",
                     consensus_cluster_note_name(a->u.note.note));
    mesh_event_key(&e, "peer", &a->u.note.key);
    mesh_event_u64(&e, "epoch", a->u.note.epoch);
    if (a->u.note.note == CONSENSUS_NOTE_AWAITS)
        mesh_event_str(&e, "msg",
                       "the nodes of more than a third of the seats on chain are not here: the "
                       "next epoch waits for them, and this one goes on; `nftmesh quorum` names "
                       "them");
    mesh_event_end(&e);
}

static void perform(struct mesh *m, const struct consensus_cluster_action *a)
{
    switch (a->type) {
    case CONSENSUS_CLUSTER_ACT_SEND:
        on_send(m, a);
        break;
    case CONSENSUS_CLUSTER_ACT_STORE:
        on_store(m, a);
        break;
    case CONSENSUS_CLUSTER_ACT_LEADER:
        on_leader(m, a);
        break;
    case CONSENSUS_CLUSTER_ACT_LEASE:
        on_lease(m, a);
        break;
    case CONSENSUS_CLUSTER_ACT_DONE:
        mesh_consensus_done(m, a);
        break;
    case CONSENSUS_CLUSTER_ACT_ENTRY:
        on_entry(m, a);
        break;
    case CONSENSUS_CLUSTER_ACT_FAULT:
        on_fault(m, a->u.fault);
        break;
    case CONSENSUS_CLUSTER_ACT_NOTE:
        on_note(m, a);
        break;
    }
}

/* ---- steps ---- */

static int step_one(struct mesh *m, const struct consensus_cluster_event *ev)
{
    struct consensus_cluster_actions out;
    struct mesh_consensus *mc = m->consensus;
    int rv = consensus_cluster_step(mc->cluster, mesh_now(), ev, &out);
    if (rv == BASE_ENOMEM) {
        mesh_fail(m, 1, "out of memory");
        return rv;
    }
    for (size_t i = 0; i < out.count; i++)
        perform(m, &out.list[i]);
    if (mc->is_store_lost && !mc->is_store_told) {
        const struct consensus_cluster_event failed = {.type = CONSENSUS_CLUSTER_EV_STORE_FAILED};
        mc->is_store_told = true;
        (void)step_one(m, &failed);
    }
    return rv;
}

/* The core is not re-entrant: what a sent frame brings about comes after it. */
static void later(struct mesh *m, const struct consensus_cluster_event *ev)
{
    struct mesh_consensus *mc = m->consensus;
    struct consensus_cluster_event *grown =
        realloc(mc->later, (mc->later_count + 1) * sizeof *mc->later);
    if (grown == NULL) {
        mesh_fail(m, 1, "out of memory");
        return;
    }
    mc->later = grown;
    mc->later[mc->later_count++] = *ev;
}

int mesh_consensus_step(struct mesh *m, const struct consensus_cluster_event *ev)
{
    struct mesh_consensus *mc = m->consensus;
    if (mc == NULL || mc->cluster == NULL || m->stopping) return BASE_ESTATE;
    if (mc->is_busy) { /* of peers and members only: nothing in it is borrowed */
        later(m, ev);
        return BASE_OK;
    }
    mc->is_busy = true;
    int rv = step_one(m, ev);
    for (size_t i = 0; i < mc->later_count; i++) {
        struct consensus_cluster_event next = mc->later[i];
        (void)step_one(m, &next);
    }
    mc->later_count = 0;
    mc->is_busy = false;
    return rv;
}

void mesh_consensus_frame(struct mesh *m, const struct base_key33 *key, uint8_t type,
                          const uint8_t *body, size_t len)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_FRAME, .key = *key};
    ev.u.frame.type = type;
    ev.u.frame.body = (struct base_slice){body, len};
    node_metric_inc(&m->metrics->consensus_received);
    (void)mesh_consensus_step(m, &ev);
}

void mesh_consensus_peer(struct mesh *m, const struct base_key33 *key, bool is_up)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_PEER, .key = *key};
    ev.u.is_up = is_up;
    if (is_up && m->consensus != NULL && !m->consensus->is_busy &&
        !m->consensus->has_looked) { /* and found somebody */
        m->consensus->has_looked = true;
        mesh_consensus_chain(m);
    }
    (void)mesh_consensus_step(m, &ev);
}

void mesh_consensus_state(struct mesh *m, const struct gossip_action *a)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_DEAD, .key = a->key};
    if (node_consensus_is_news(&ev.u.is_dead, a->u.state.to)) (void)mesh_consensus_step(m, &ev);
}

void mesh_consensus_timer(struct mesh *m, uint64_t now_ms)
{
    const struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_TIMER};
    mesh_consensus_lost_step(m);
    if (mesh_consensus_deadline_ms(m) <= now_ms) (void)mesh_consensus_step(m, &ev);
}

uint64_t mesh_consensus_deadline_ms(const struct mesh *m)
{
    const struct mesh_consensus *mc = m->consensus;
    return mc == NULL || mc->cluster == NULL ? UINT64_MAX
                                             : consensus_cluster_deadline_ms(mc->cluster);
}

static void on_written(void *ctx, uint64_t number, int rv, const char *why)
{
    struct mesh *m = ctx;
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_STORED};
    ev.u.stored = number;
    (void)mesh_consensus_step(m, &ev);
    if (rv == BASE_OK) return;
    store_failed(m, why);
    m->consensus->is_store_told = true;
    ev.type = CONSENSUS_CLUSTER_EV_STORE_FAILED;
    (void)mesh_consensus_step(m, &ev);
}

/* ---- the chain ---- */

/* Nobody founds a cluster before it has looked for one. */
static bool has_looked(const struct mesh *m)
{
    return mesh_alive_others(m) > 0 || mesh_dial_all_tried(m);
}

void mesh_consensus_chain(struct mesh *m)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_CHAIN};
    const struct chain_snapshot *s = m->snapshot;
    struct mesh_consensus *mc = m->consensus;
    if (mc == NULL || mc->cluster == NULL || s == NULL) return;
    if (!mc->has_looked && !has_looked(m)) return;
    mc->has_looked = true;
    if (mc->chain_seen == s->block.number && base_hash32_equal(&mc->revision_seen, &s->revision) &&
        mc->seats_seen == s->by_key_count)
        return;
    struct consensus_seat *seats = calloc(s->by_key_count + 1, sizeof *seats);
    if (seats == NULL) return; /* the next block brings it */
    ev.u.chain.seat_count = node_consensus_seats(seats, s);
    ev.u.chain.seats = seats;
    ev.u.chain.block = (struct consensus_block){s->block.number, s->block.hash, s->block.time_s};
    mc->chain_seen = s->block.number;
    mc->revision_seen = s->revision;
    mc->seats_seen = s->by_key_count;
    (void)mesh_consensus_step(m, &ev);
    free(seats);
}

/* Weights that are too old decide nothing. */
void mesh_consensus_grace(struct mesh *m, bool is_over)
{
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_ABSTAIN};
    struct mesh_consensus *mc = m->consensus;
    if (mc == NULL || mc->cluster == NULL || mc->abstains == is_over) return;
    mc->abstains = ev.u.abstains = is_over;
    if (is_over) {
        mesh_consensus_leave(m); /* others may hear better */
        mesh_log(
            m, BASE_LOG_WARN, "consensus", "abstains",
            "the RPC endpoints have been silent for longer than --rpc-grace: this node neither "
            "votes nor leads until they answer");
    } else {
        mesh_log(m, BASE_LOG_INFO, "consensus", "votes_again",
                 "the RPC endpoints answer: this node votes again");
    }
    (void)mesh_consensus_step(m, &ev);
}

/* ---- birth ---- */

static struct base_hash32 settings_hash(const struct mesh *m)
{
    struct base_hash32 hash;
    base_keccak256(&hash, m->identity.settings, strlen(m->identity.settings));
    return hash;
}

static int cluster_new(struct mesh *m)
{
    struct consensus_cluster_config config = {
        .self = m->identity.keys.node_key,
        .settings = settings_hash(m),
        .chain_id = m->config->chain_id,
        .contract = m->config->contract,
        .gap_s = m->config->epoch_gap_ms / 1000,
        .found_ms = FOUND_MS,
        .nonce = node_consensus_nonce(m->start_incarnation),
        .is_log_fresh = !m->consensus->has_voted,
        .is_log_lost = m->consensus->has_loss,
        .lost_block = m->consensus->loss.block,
        .host = {m, sign, verify, sign_entry, verify_entry},
    };
    node_consensus_params(&config.params, (uint32_t)m->config->window_slots,
                          (uint32_t)m->config->lease_ms, (uint32_t)m->config->skip_ms);
    return consensus_cluster_new(&m->consensus->cluster, &config, mesh_now());
}

struct loading {
    struct mesh *mesh;
    struct base_buf epoch;
    bool has_epoch;
    uint64_t votes;
    int rv; /* the core's */
};

static int load_epoch(void *ctx, const struct node_consensus_row *row)
{
    struct loading *l = ctx;
    base_buf_clear(&l->epoch);
    base_buf_append(&l->epoch, row->body.data, row->body.len);
    l->has_epoch = true;
    return l->epoch.failed ? BASE_ENOMEM : BASE_OK;
}

static int load_vote(void *ctx, const struct node_consensus_row *row)
{
    struct loading *l = ctx;
    l->votes++;
    l->rv = consensus_cluster_restore_vote(l->mesh->consensus->cluster, row->epoch, &row->body);
    return l->rv;
}

static int load_state(struct loading *l, char why[NODE_STORE_WHY_BYTES])
{
    struct mesh_consensus *mc = l->mesh->consensus;
    struct base_buf body;
    uint64_t epoch, first;
    base_buf_init(&body, NODE_CONSENSUS_STATE_MAX);
    int rv = node_consensus_store_state(mc->store, &epoch, &first, &body, why);
    if (rv == BASE_OK) {
        const struct base_slice slice = {(const uint8_t *)body.data, body.len};
        l->rv = rv = consensus_cluster_restore_state(mc->cluster, epoch, first, &slice);
    }
    base_buf_deinit(&body);
    return rv == BASE_ENOTFOUND ? BASE_OK : rv;
}

static int load(struct mesh *m, char why[NODE_STORE_WHY_BYTES])
{
    struct mesh_consensus *mc = m->consensus;
    struct loading l = {.mesh = m};
    base_buf_init(&l.epoch, NODE_CONSENSUS_BODY_MAX);
    int rv = node_consensus_store_epochs(mc->store, load_epoch, &l, why);
    if (rv == BASE_OK && l.has_epoch) {
        const struct base_slice slice = {(const uint8_t *)l.epoch.data, l.epoch.len};
        l.rv = rv = consensus_cluster_restore_epoch(mc->cluster, &slice);
        if (rv == BASE_OK) rv = load_state(&l, why);
        if (rv == BASE_OK) rv = node_consensus_store_votes(mc->store, 0, load_vote, &l, why);
    }
    base_buf_deinit(&l.epoch);
    if (l.rv == BASE_EINVAL)
        snprintf(why, NODE_STORE_WHY_BYTES,
                 "the stored epoch is of other settings: start with those that it was made with");
    else if (l.rv != BASE_OK)
        snprintf(why, NODE_STORE_WHY_BYTES, "what is stored cannot be read: %s",
                 base_strerror(l.rv));
    if (rv == BASE_OK && l.has_epoch)
        mesh_log(m, BASE_LOG_INFO, "consensus", "restored", "%" PRIu64 " votes", l.votes);
    return rv;
}

/* One log a node key: another key is another voter, and none of its votes are ours. */
static int store_open(struct mesh *m, char why[NODE_STORE_WHY_BYTES])
{
    char path[PATH_BYTES], name[40], key[17];
    uint8_t cluster[8 + BASE_ADDRESS_BYTES + BASE_KEY33_BYTES];
    const struct base_slice whose = {cluster, sizeof cluster};
    base_hex_encode(key, m->identity.keys.node_key.bytes + 1, 8);
    snprintf(name, sizeof name, "votes-%s.db", key);
    base_put_u64be(cluster, m->config->chain_id);
    memcpy(cluster + 8, m->config->contract.bytes, BASE_ADDRESS_BYTES);
    memcpy(cluster + 8 + BASE_ADDRESS_BYTES, m->identity.keys.node_key.bytes, BASE_KEY33_BYTES);
    int rv = node_store_path(path, sizeof path, m->store, name);
    if (rv != BASE_OK) {
        snprintf(why, NODE_STORE_WHY_BYTES, "the path of the vote log is too long");
        return rv;
    }
    bool has_run = mesh_consensus_has_run(m);
    rv = node_consensus_store_open(&m->consensus->store, path, &whose, has_run, why);
    if (rv == BASE_OK) rv = mesh_consensus_remember(m, why);
    return rv == BASE_OK ? mesh_consensus_lost_load(m, why) : rv;
}

/* Whoever does not know what it voted for may contradict itself: a member, but no voter. */
static void votes_lost(struct mesh *m, const char *why)
{
    struct mesh_consensus *mc = m->consensus;
    snprintf(mc->lost, sizeof mc->lost, "%s", why);
    consensus_cluster_free(mc->cluster);
    mc->cluster = NULL;
    mesh_log(m, BASE_LOG_ERROR, "consensus", "votes_lost",
             "this node is a member and takes no part in consensus: %s", why);
    mesh_dirty(m);
}

int mesh_consensus_new(struct mesh *m)
{
    char why[NODE_STORE_WHY_BYTES] = "";
    if (!m->config->consensus || m->consensus != NULL) return BASE_OK;
    m->consensus = calloc(1, sizeof *m->consensus);
    int rv = m->consensus == NULL ? BASE_ENOMEM : store_open(m, why);
    if (rv == BASE_OK)
        rv = node_consensus_writer_new(&m->consensus->writer, &m->loop, m->consensus->store,
                                       on_written, m);
    if (rv == BASE_OK) rv = cluster_new(m);
    if (rv == BASE_OK) rv = load(m, why);
    if (rv == BASE_EMALFORMED) {
        votes_lost(m, why);
        return BASE_OK;
    }
    if (rv != BASE_OK) {
        mesh_fail(m, 1, "consensus: %s", why[0] != '\0' ? why : base_strerror(rv));
        return rv;
    }
    mesh_consensus_lost_start(m);
    voters_take(m); /* as restored */
    mesh_consensus_chain(m);
    return BASE_OK;
}

void mesh_consensus_leave(struct mesh *m)
{
    const struct consensus_cluster_event resign = {.type = CONSENSUS_CLUSTER_EV_RESIGN};
    struct consensus_cluster_view v;
    if (m->consensus == NULL || m->consensus->cluster == NULL) return;
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    if (v.has_epoch && v.engine.leader == v.self) (void)mesh_consensus_step(m, &resign);
}

/* The writer may still be writing: it is closed with the loop's other handles. */
void mesh_consensus_close(struct mesh *m)
{
    struct mesh_consensus *mc = m->consensus;
    if (mc == NULL) return;
    mesh_consensus_give_up(m);
    if (mc->writer != NULL) node_consensus_writer_close(mc->writer, NULL, NULL);
    mc->writer = NULL;
}

void mesh_consensus_free(struct mesh *m)
{
    struct mesh_consensus *mc = m->consensus;
    if (mc == NULL) return;
    consensus_cluster_free(mc->cluster);
    node_consensus_store_close(mc->store);
    free(mc->later);
    free(mc);
    m->consensus = NULL;
}
