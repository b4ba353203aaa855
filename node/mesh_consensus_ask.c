/* What operators and applications are told of the cluster's consensus, and what they tell it.
 * Answered by the loop itself, so that a lease is looked at when the answer is written. */
#include "node/mesh_consensus.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/u256.h"
#include "node/consensus_told.h"

#define HEARD_MS        3000
#define WINDOWS_SHOWN   20
#define SUSPENDED_SHOWN 64

/* ---- pieces ---- */

void mesh_consensus_name(struct mesh *m, const struct base_key33 *key,
                         char out[GOSSIP_NAME_BYTES_MAX + 1])
{
    struct gossip_member_view view;
    struct gossip_record record;
    out[0] = '\0';
    if (node_identity_owns(&m->identity, key)) {
        snprintf(out, GOSSIP_NAME_BYTES_MAX + 1, "%s", m->name);
        return;
    }
    if (m->gossip == NULL || gossip_member_find(&view, m->gossip, key) != BASE_OK ||
        gossip_record_decode(&record, view.record.data, view.record.len) != BASE_OK)
        return;
    memcpy(out, record.name.data, record.name.len);
    out[record.name.len] = '\0';
}

static json_t *hex(const void *data, size_t len)
{
    struct base_buf text;
    base_buf_init(&text, 2 * len + 1);
    base_buf_hex(&text, data, len);
    json_t *json = text.failed ? NULL : json_stringn(text.data != NULL ? text.data : "", text.len);
    base_buf_deinit(&text);
    return json;
}

static json_t *hash(const struct base_hash32 *value)
{
    return hex(value->bytes, sizeof value->bytes);
}

static json_t *token(const struct base_u256 *value)
{
    char text[BASE_U256_TEXT_BYTES];
    uint64_t small;
    if (base_u256_to_u64(&small, value) == BASE_OK && small < UINT64_C(1) << 53)
        return json_integer((json_int_t)small);
    base_u256_format(text, value);
    return json_string(text);
}

/* A uint64_t that may be none. */
static json_t *slot(uint64_t value)
{
    return value == CONSENSUS_NO_SLOT ? json_null() : json_integer((json_int_t)value);
}

static json_t *member(struct mesh *m, const struct base_key33 *key)
{
    char name[GOSSIP_NAME_BYTES_MAX + 1];
    json_t *out = json_object();
    const struct chain_seat *seat =
        m->snapshot == NULL ? NULL : chain_snapshot_find_key(m->snapshot, key);
    mesh_consensus_name(m, key, name);
    json_object_set_new(out, "name", json_string(name));
    json_object_set_new(out, "node", hex(key->bytes, sizeof key->bytes));
    json_object_set_new(out, "token", seat != NULL ? token(&seat->token_id) : json_null());
    return out;
}

static const char *standing_name(enum consensus_standing standing)
{
    static const char *const names[] = {"stands", "benched", "suspended"};
    return names[standing];
}

/* Text when it is UTF-8; hex always, as anything may be in it. */
static void put_bytes(json_t *to, const char *key, const struct base_slice *bytes)
{
    char name[32];
    json_t *text = json_stringn((const char *)bytes->data, bytes->len);
    json_object_set_new(to, key, text != NULL ? text : json_null());
    snprintf(name, sizeof name, "%s_hex", key);
    if (text == NULL) json_object_set_new(to, name, hex(bytes->data, bytes->len));
}

static void answer(struct node_command *command, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (text != NULL)
        node_http_complete(command, 200, text, strlen(text));
    else
        node_http_fail(command, 500, "no memory");
    free(text);
    json_decref(json);
}

/* ---- who leads ---- */

static json_t *certificate(const struct consensus_cluster *c)
{
    const struct consensus_cert *cert = consensus_cluster_cert(c);
    size_t len;
    if (cert == NULL) return json_null();
    uint8_t *bytes = malloc(CONSENSUS_CERT_BYTES_MAX);
    json_t *out = NULL;
    if (bytes != NULL &&
        consensus_cert_encode(bytes, &len, CONSENSUS_CERT_BYTES_MAX, cert) == BASE_OK)
        out = hex(bytes, len);
    free(bytes);
    return out != NULL ? out : json_null();
}

static void put_leader(struct mesh *m, json_t *out, const struct consensus_cluster_view *v,
                       uint64_t now_ms)
{
    bool is_known = v->has_epoch && v->engine.window != CONSENSUS_NO_SLOT &&
                    v->engine.leader < v->epoch->member_count;
    json_object_set_new(out, "leader",
                        is_known ? member(m, &v->epoch->members[v->engine.leader].seat.key)
                                 : json_null());
    json_object_set_new(out, "self", json_boolean(is_known && v->engine.leader == v->self));
    json_object_set_new(out, "lease", json_boolean(v->has_lease));
    json_object_set_new(out, "lease_remaining_ms",
                        v->has_lease ? json_integer((json_int_t)(v->engine.lease_until_ms - now_ms))
                                     : json_null());
    json_object_set_new(out, "fencing_token",
                        is_known ? json_integer((json_int_t)v->token) : json_null());
    json_object_set_new(out, "window", is_known ? slot(v->engine.window) : json_null());
    json_object_set_new(out, "window_first", is_known ? slot(v->window_first) : json_null());
}

/* The engine of a later epoch knows nothing of it: there we do not vote from the beginning. */
static bool is_mute(const struct mesh *m, const struct consensus_cluster_view *v)
{
    return v->is_mute || (v->engine.is_mute && !v->is_lost) || mesh_consensus_mute(m)[0] != '\0';
}

/* Why it votes for nothing. NULL: it does vote. */
static const char *why_silent(const struct mesh *m, const struct consensus_cluster_view *v,
                              char *out, size_t cap)
{
    const char *why = NULL;
    if (mesh_consensus_mute(m)[0] != '\0') {
        snprintf(out, cap, "it signs nothing until it is started again: %s",
                 mesh_consensus_mute(m));
        return out;
    }
    if (is_mute(m, v))
        why = "it signs nothing more until it is restarted: its log says why";
    else if (mesh_consensus_loss(m, out, cap))
        return out;
    else if (!v->has_epoch)
        why = "no epoch is known here yet: it may wait for the nodes of other seats, "
              "see `nftmesh quorum` at a node that votes";
    else if (v->self == v->epoch->member_count)
        why = "it is not in this epoch: who has a seat is in the next one";
    else if (v->engine.abstains)
        why = "the RPC endpoints have been silent for longer than --rpc-grace";
    else if (v->engine.is_listening)
        why = "its log is new: others are asked first which votes of its key they hold";
    if (why != NULL) snprintf(out, cap, "%s", why);
    return why;
}

static void ask_leader(struct mesh *m, struct node_command *command)
{
    char why[NODE_STORE_WHY_BYTES + 64];
    struct consensus_cluster_view v;
    json_t *out = json_object();
    uint64_t now_ms = mesh_now();
    consensus_cluster_view(&v, m->consensus->cluster, now_ms);
    put_leader(m, out, &v, now_ms);
    json_object_set_new(out, "epoch",
                        v.has_epoch ? json_integer((json_int_t)v.epoch->number) : json_null());
    json_object_set_new(out, "slot", v.has_epoch ? slot(v.engine.frontier) : json_null());
    json_object_set_new(out, "final_slot", v.has_epoch ? slot(v.engine.final_slot) : json_null());
    json_object_set_new(
        out, "bft", json_boolean(v.has_epoch && v.epoch->member_count >= CONSENSUS_MEMBERS_SAFE));
    bool signs = why_silent(m, &v, why, sizeof why) == NULL;
    json_object_set_new(out, "signs", json_boolean(signs));
    json_object_set_new(out, "why", signs ? json_null() : json_string(why));
    if (command->wants_certificate)
        json_object_set_new(out, "certificate", certificate(m->consensus->cluster));
    answer(command, out);
}

static void ask_schedule(struct mesh *m, struct node_command *command)
{
    struct consensus_cluster_view v;
    json_t *list = json_array();
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    for (uint64_t i = 0; i < WINDOWS_SHOWN; i++) {
        struct base_key33 key;
        if (!consensus_cluster_leader_in(m->consensus->cluster, i, &key)) break;
        json_t *item = member(m, &key);
        json_object_set_new(item, "window", slot(v.engine.window + i));
        json_object_set_new(item, "first_slot",
                            slot((v.engine.window + i) * m->config->window_slots));
        json_array_append_new(list, item);
    }
    answer(command, json_pack("{s:o}", "windows", list));
}

/* ---- who votes ---- */

static size_t fewest_to_halt(const struct mesh *m, const struct consensus_cluster_view *v)
{
    uint64_t weights[CONSENSUS_MEMBERS_MAX];
    for (size_t i = 0; i < v->epoch->member_count; i++)
        weights[i] = consensus_cluster_weight(m->consensus->cluster, i);
    return consensus_fewest_to_halt(weights, v->epoch->member_count);
}

static json_t *voter(struct mesh *m, const struct consensus_cluster_view *v, size_t i,
                     bool is_heard)
{
    const struct consensus_member *it = &v->epoch->members[i];
    json_t *out = member(m, &it->seat.key);
    json_object_set_new(out, "token", token(&it->seat.token));
    json_object_set_new(out, "tokens_behind_it", json_integer((json_int_t)it->seat.weight));
    json_object_set_new(
        out, "weight",
        json_integer((json_int_t)consensus_cluster_weight(m->consensus->cluster, i)));
    json_object_set_new(out, "standing", json_string(standing_name(it->standing)));
    json_object_set_new(out, "sold",
                        json_boolean(consensus_cluster_is_out(m->consensus->cluster, i)));
    json_object_set_new(out, "heard", json_boolean(is_heard));
    json_object_set_new(out, "self", json_boolean(i == v->self));
    return out;
}

const char *mesh_consensus_lost(const struct mesh *m)
{
    return m->consensus == NULL ? "" : m->consensus->lost;
}

const char *mesh_consensus_mute(const struct mesh *m)
{
    return m->consensus == NULL ? "" : m->consensus->mute;
}

uint64_t mesh_consensus_absent(struct mesh *m, char *out, size_t cap)
{
    struct consensus_cluster_view v;
    uint64_t absent = 0;
    size_t len = 0;
    out[0] = '\0';
    if (m->consensus == NULL || m->consensus->cluster == NULL) return 0;
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    for (size_t i = 0; v.has_epoch && i < v.epoch->member_count; i++) {
        char text[BASE_U256_TEXT_BYTES];
        if (consensus_cluster_heard(m->consensus->cluster, i, HEARD_MS)) continue;
        absent += consensus_cluster_weight(m->consensus->cluster, i);
        base_u256_format(text, &v.epoch->members[i].seat.token);
        if (len < cap)
            len += (size_t)snprintf(out + len, cap - len, "%s%s", len == 0 ? "" : ", ", text);
    }
    return 3 * absent >= v.total ? absent : 0;
}

static int lower_token_first(const void *a, const void *b)
{
    const struct consensus_seat *x = a, *y = b;
    return base_u256_compare(&x->token, &y->token);
}

/* Seats that the next epoch waits for. */
static json_t *awaited(struct mesh *m, const struct consensus_cluster_view *v)
{
    json_t *list = json_array();
    const struct chain_snapshot *s = m->snapshot;
    struct consensus_seat *seats =
        v->is_awaiting && s != NULL ? calloc(s->by_key_count + 1, sizeof *seats) : NULL;
    size_t count = seats == NULL ? 0 : node_consensus_seats(seats, s);
    if (count > 0) qsort(seats, count, sizeof *seats, lower_token_first);
    for (size_t i = 0; i < count; i++)
        if (!consensus_cluster_is_here(m->consensus->cluster, &seats[i].key))
            json_array_append_new(list, token(&seats[i].token));
    free(seats);
    return list;
}

static void ask_quorum(struct mesh *m, struct node_command *command)
{
    struct consensus_cluster_view v;
    uint64_t present = 0;
    json_t *out = json_object(), *list = json_array(), *absent = json_array();
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    for (size_t i = 0; v.has_epoch && i < v.epoch->member_count; i++) {
        bool is_heard = consensus_cluster_heard(m->consensus->cluster, i, HEARD_MS);
        json_array_append_new(list, voter(m, &v, i, is_heard));
        if (is_heard)
            present += consensus_cluster_weight(m->consensus->cluster, i);
        else
            json_array_append_new(absent, token(&v.epoch->members[i].seat.token));
    }
    json_object_set_new(out, "total", json_integer((json_int_t)v.total));
    json_object_set_new(out, "needed", json_integer((json_int_t)v.quorum));
    json_object_set_new(out, "present", json_integer((json_int_t)present));
    json_object_set_new(out, "margin", json_integer((json_int_t)present - (json_int_t)v.quorum));
    json_object_set_new(out, "has_quorum", json_boolean(v.has_epoch && present >= v.quorum));
    json_object_set_new(
        out, "bft", json_boolean(v.has_epoch && v.epoch->member_count >= CONSENSUS_MEMBERS_SAFE));
    json_object_set_new(out, "fewest_to_halt",
                        json_integer(v.has_epoch ? (json_int_t)fewest_to_halt(m, &v) : 0));
    json_object_set_new(out, "absent", absent);
    json_object_set_new(out, "awaited", awaited(m, &v));
    json_object_set_new(out, "members", list);
    answer(command, out);
}

static void ask_epoch(struct mesh *m, struct node_command *command)
{
    struct consensus_cluster_view v;
    json_t *out = json_object(), *list = json_array();
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    if (!v.has_epoch) {
        json_decref(list);
        json_object_set_new(out, "number", json_null());
        answer(command, out);
        return;
    }
    for (size_t i = 0; i < v.epoch->member_count; i++) {
        json_t *it = voter(m, &v, i, consensus_cluster_heard(m->consensus->cluster, i, HEARD_MS));
        json_object_set_new(it, "priority", json_integer(v.epoch->members[i].priority));
        json_array_append_new(list, it);
    }
    json_object_set_new(out, "number", json_integer((json_int_t)v.epoch->number));
    json_object_set_new(out, "id", hash(&v.epoch_id));
    json_object_set_new(out, "previous", hash(&v.epoch->previous));
    json_object_set_new(out, "block",
                        json_pack("{s:I, s:o, s:I}", "number", (json_int_t)v.epoch->block.number,
                                  "hash", hash(&v.epoch->block.hash), "time",
                                  (json_int_t)v.epoch->block.time_s));
    json_object_set_new(out, "closing_slot", slot(v.epoch->closing_slot));
    json_object_set_new(out, "state", hash(&v.epoch->state));
    json_object_set_new(out, "has_state", json_boolean(v.has_state));
    json_object_set_new(out, "entries", json_integer((json_int_t)v.entries_applied));
    json_object_set_new(out, "members", list);
    answer(command, out);
}

/* ---- the log ---- */

static json_t *pair(const struct base_slice *key, const struct base_slice *value)
{
    json_t *out = json_object();
    put_bytes(out, "key", key);
    put_bytes(out, "value", value);
    return out;
}

static void ask_kv(struct mesh *m, struct node_command *command)
{
    const struct consensus_state *state = consensus_cluster_state(m->consensus->cluster);
    struct base_slice key = base_slice_text(command->key), value;
    if (state == NULL) {
        node_http_fail(command, 503, "the log's state is not known here yet: try again");
        return;
    }
    if (key.len > 0) {
        if (consensus_state_get(state, &key, &value) != BASE_OK)
            node_http_fail(command, 404, "no such key");
        else
            answer(command, pair(&key, &value));
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < consensus_state_key_count(state); i++) {
        consensus_state_key_at(state, i, &key, &value);
        json_array_append_new(list, pair(&key, &value));
    }
    answer(command, json_pack("{s:o}", "keys", list));
}

static json_t *challenge(struct mesh *m, const struct consensus_challenge *c,
                         const struct consensus_cluster_view *v)
{
    static const char *const verdicts[] = {"open", "upheld", "dismissed"};
    uint64_t yes = 0, no = 0;
    const struct base_slice note = {(const uint8_t *)c->note, c->note_len};
    json_t *out = json_object();
    for (size_t i = 0; i < v->epoch->member_count; i++) {
        bool is_yes;
        if (!consensus_challenge_has_voted(c, i, &is_yes)) continue;
        *(is_yes ? &yes : &no) += consensus_cluster_weight(m->consensus->cluster, i);
    }
    bool is_over = c->verdict == CONSENSUS_OPEN && v->engine.final_slot != CONSENSUS_NO_SLOT &&
                   v->engine.final_slot > c->slot + CONSENSUS_CHALLENGE_SLOTS;
    json_object_set_new(out, "id", json_integer((json_int_t)c->id));
    json_object_set_new(out, "challenger", member(m, &c->challenger));
    json_object_set_new(out, "target", member(m, &c->target));
    json_object_set_new(out, "kind", json_string(consensus_complaint_name(c->complaint)));
    put_bytes(out, "note", &note);
    json_object_set_new(out, "slot", slot(c->slot));
    json_object_set_new(out, "verdict", json_string(is_over ? "expired" : verdicts[c->verdict]));
    json_object_set_new(out, "yes", json_integer((json_int_t)yes));
    json_object_set_new(out, "no", json_integer((json_int_t)no));
    json_object_set_new(out, "needed", json_integer((json_int_t)v->quorum));
    return out;
}

static void ask_challenges(struct mesh *m, struct node_command *command)
{
    const struct consensus_state *state = consensus_cluster_state(m->consensus->cluster);
    struct consensus_cluster_view v;
    json_t *list = json_array();
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    for (size_t i = 0; state != NULL && i < consensus_state_challenge_count(state); i++)
        json_array_append_new(list, challenge(m, consensus_state_challenge_at(state, i), &v));
    answer(command, json_pack("{s:o}", "challenges", list));
}

static json_t *vote_json(const struct base_vote *vote, const struct base_sig65 *sig)
{
    json_t *out = json_object();
    json_object_set_new(out, "kind", json_integer((json_int_t)vote->kind));
    json_object_set_new(out, "name", json_string(consensus_vote_name(vote->kind)));
    json_object_set_new(out, "epoch_id", hash(&vote->epoch_id));
    json_object_set_new(out, "first", slot(vote->first));
    json_object_set_new(out, "last", slot(vote->last));
    json_object_set_new(out, "hash", hash(&vote->hash));
    json_object_set_new(out, "signature", hex(sig->bytes, sizeof sig->bytes));
    return out;
}

static json_t *proof(struct mesh *m, const struct consensus_fault_proof *f)
{
    json_t *out = json_object();
    json_object_set_new(out, "member", member(m, &f->key));
    json_object_set_new(out, "fault", json_string(consensus_fault_name(f->fault)));
    json_object_set_new(out, "a", vote_json(&f->a, &f->sig_a));
    json_object_set_new(out, "b", vote_json(&f->b, &f->sig_b));
    return out;
}

static void ask_evidence(struct mesh *m, struct node_command *command)
{
    const struct consensus_state *state = consensus_cluster_state(m->consensus->cluster);
    json_t *proofs = json_array(), *suspended = json_array();
    for (size_t i = 0; i < consensus_cluster_fault_count(m->consensus->cluster); i++)
        json_array_append_new(proofs,
                              proof(m, consensus_cluster_fault_at(m->consensus->cluster, i)));
    size_t count = state == NULL ? 0 : consensus_state_suspended_count(state);
    for (size_t i = 0; i < count && i < SUSPENDED_SHOWN; i++) {
        const struct consensus_penalty *p = consensus_state_suspended_at(state, i);
        json_t *item = member(m, &p->key);
        json_object_set_new(item, "until", json_integer((json_int_t)p->until_s));
        json_object_set_new(item, "offences", json_integer((json_int_t)p->offences));
        json_array_append_new(suspended, item);
    }
    answer(command, json_pack("{s:o, s:o}", "evidence", proofs, "suspended", suspended));
}

/* ---- what it is told ---- */

void mesh_consensus_done(struct mesh *m, const struct consensus_cluster_action *a)
{
    struct mesh_consensus *mc = m->consensus;
    const struct consensus_result *result = &a->u.done.result;
    for (size_t i = 0; i < mc->waiting_count; i++) {
        struct node_command *command = mc->waiting[i].command;
        if (mc->waiting[i].tag != a->u.done.tag) continue;
        mc->waiting[i] = mc->waiting[--mc->waiting_count];
        bool is_done = result->outcome == CONSENSUS_DONE || result->outcome == CONSENSUS_REPEATED;
        json_t *out = json_object();
        json_object_set_new(out, "result", json_string(consensus_outcome_name(result->outcome)));
        json_object_set_new(out, "value", json_integer((json_int_t)result->value));
        json_object_set_new(out, "epoch", json_integer((json_int_t)a->u.done.epoch));
        json_object_set_new(out, "slot", slot(a->u.done.slot));
        if (is_done) {
            answer(command, out);
        } else {
            char text[96];
            json_decref(out);
            snprintf(text, sizeof text, "%s: nothing was changed",
                     consensus_outcome_name(result->outcome));
            node_http_fail(command, 409, text);
        }
        return;
    }
}

void mesh_consensus_give_up(struct mesh *m)
{
    struct mesh_consensus *mc = m->consensus;
    for (size_t i = 0; i < mc->waiting_count; i++)
        node_http_fail(mc->waiting[i].command, 503,
                       "this node is stopping; what was asked for may still be done");
    mc->waiting_count = 0;
}

static void submit(struct mesh *m, struct node_command *command,
                   const struct consensus_entry *entry)
{
    struct mesh_consensus *mc = m->consensus;
    struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_SUBMIT};
    if (mc->waiting_count == MESH_CONSENSUS_COMMANDS_MAX) {
        node_http_fail(command, 503, "too many of this node's entries are under way: try again");
        return;
    }
    ev.u.submit.entry = entry;
    ev.u.submit.tag = ++mc->tags;
    mc->waiting[mc->waiting_count].tag = ev.u.submit.tag;
    mc->waiting[mc->waiting_count++].command = command;
    int rv = mesh_consensus_step(m, &ev);
    if (rv == BASE_OK) return;
    mc->waiting_count--;
    node_http_fail(command,
                   rv == BASE_ETOOBIG  ? 400
                   : rv == BASE_ESTATE ? 409
                                       : 503,
                   rv == BASE_ETOOBIG ? "a key takes 128 bytes, a value 1024, a request 64"
                   : rv == BASE_ESTATE
                       ? "this node has no seat in the current epoch: see `nftmesh epoch show`"
                   : rv == BASE_EFULL ? "too many of this node's entries are under way: try again"
                                      : base_strerror(rv));
}

static struct base_slice text_of(const json_t *body, const char *key)
{
    const json_t *value = json_object_get(body, key);
    return (struct base_slice){(const uint8_t *)json_string_value(value),
                               json_string_length(value)};
}

static void tell_kv(struct mesh *m, struct node_command *command)
{
    struct consensus_entry e = {0};
    struct base_slice op = text_of(command->body, "op");
    struct base_slice key = text_of(command->body, "key");
    const json_t *amount = json_object_get(command->body, "amount");
    if (op.len == 3 && memcmp(op.data, "put", 3) == 0) {
        e.kind = CONSENSUS_ENTRY_PUT;
        e.u.put.key = key;
        e.u.put.value = text_of(command->body, "value");
    } else if (op.len == 6 && memcmp(op.data, "delete", 6) == 0) {
        e.kind = CONSENSUS_ENTRY_DELETE;
        e.u.put.key = key;
    } else if (op.len == 3 && memcmp(op.data, "add", 3) == 0 &&
               (amount == NULL || (json_is_integer(amount) && json_integer_value(amount) >= 0))) {
        e.kind = CONSENSUS_ENTRY_ADD;
        e.u.add.key = key;
        e.u.add.request = text_of(command->body, "request");
        e.u.add.amount = amount == NULL ? 1 : (uint64_t)json_integer_value(amount);
    }
    if (e.kind == 0 || key.len == 0) {
        node_http_fail(
            command, 400,
            "the body needs {\"op\": \"put\", \"key\": \"..\", \"value\": \"..\"}, or op "
            "delete, or add with an amount of 0 or more and a request's name");
        return;
    }
    submit(m, command, &e);
}

/* A member of the epoch by its name, its token or the first digits of its key. */
static const struct consensus_member *find(struct mesh *m, const struct consensus_cluster_view *v,
                                           struct base_slice text)
{
    const struct consensus_member *found = NULL;
    for (size_t i = 0; v->has_epoch && i < v->epoch->member_count; i++) {
        const struct consensus_member *it = &v->epoch->members[i];
        char name[GOSSIP_NAME_BYTES_MAX + 1], digits[2 * BASE_KEY33_BYTES + 1];
        mesh_consensus_name(m, &it->seat.key, name);
        base_hex_encode(digits, it->seat.key.bytes, sizeof it->seat.key.bytes);
        bool is_name = strlen(name) == text.len && memcmp(name, text.data, text.len) == 0;
        bool is_key = text.len >= 4 && text.len <= 66 && memcmp(digits, text.data, text.len) == 0;
        if (!is_name && !is_key) continue;
        if (found != NULL) return NULL; /* two of them */
        found = it;
    }
    return found;
}

static void tell_challenge(struct mesh *m, struct node_command *command)
{
    struct consensus_cluster_view v;
    struct consensus_entry e = {.kind = CONSENSUS_ENTRY_CHALLENGE};
    const char *kind = json_string_value(json_object_get(command->body, "kind"));
    struct base_slice target = text_of(command->body, "target");
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    const struct consensus_member *it = target.len > 0 ? find(m, &v, target) : NULL;
    if (it == NULL) {
        node_http_fail(command, 400,
                       "target: a name, or the first digits of a node key, of one member of the "
                       "epoch");
        return;
    }
    if (kind == NULL || consensus_complaint_parse(&e.u.challenge.complaint, kind) != BASE_OK) {
        node_http_fail(command, 400, "kind: unresponsive, slow, invalid, censoring or stale-proof");
        return;
    }
    e.u.challenge.target = it->seat.key;
    e.u.challenge.note = text_of(command->body, "note");
    submit(m, command, &e);
}

static void tell_challenge_vote(struct mesh *m, struct node_command *command)
{
    struct consensus_entry e = {.kind = CONSENSUS_ENTRY_CHALLENGE_VOTE};
    const json_t *id = json_object_get(command->body, "id");
    struct base_slice says = text_of(command->body, "vote");
    bool is_yes = says.len == 3 && memcmp(says.data, "yes", 3) == 0;
    bool is_no = says.len == 2 && memcmp(says.data, "no", 2) == 0;
    if (!json_is_integer(id) || json_integer_value(id) < 0 || (!is_yes && !is_no)) {
        node_http_fail(command, 400, "the body needs {\"id\": 1, \"vote\": \"yes\"} or \"no\"");
        return;
    }
    e.u.vote.id = (uint64_t)json_integer_value(id);
    e.u.vote.is_yes = is_yes;
    submit(m, command, &e);
}

static void tell_transfer(struct mesh *m, struct node_command *command)
{
    const struct consensus_cluster_event ev = {.type = CONSENSUS_CLUSTER_EV_RESIGN};
    struct consensus_cluster_view v;
    consensus_cluster_view(&v, m->consensus->cluster, mesh_now());
    if (!v.has_epoch || v.engine.leader != v.self) {
        node_http_fail(command, 409,
                       "this node does not lead: ask the one that does, see"
                       " `nftmesh leader show`");
        return;
    }
    if (v.epoch->member_count == 1) {
        node_http_fail(command, 409, "there is nobody to hand the lead to");
        return;
    }
    (void)mesh_consensus_step(m, &ev);
    answer(command, json_pack("{s:b}", "resigned", 1));
}

/* ---- routes ---- */

void mesh_consensus_ask(struct mesh *m, struct node_command *command)
{
    static const struct {
        const char *path;
        bool is_post;
        void (*run)(struct mesh *m, struct node_command *command);
    } routes[] = {
        {"/v1/leader", false, ask_leader},
        {"/v1/schedule", false, ask_schedule},
        {"/v1/quorum", false, ask_quorum},
        {"/v1/epoch", false, ask_epoch},
        {"/v1/kv", false, ask_kv},
        {"/v1/kv/change", true, tell_kv},
        {"/v1/challenges", false, ask_challenges},
        {"/v1/challenges/open", true, tell_challenge},
        {"/v1/challenges/vote", true, tell_challenge_vote},
        {"/v1/evidence", false, ask_evidence},
        {"/v1/leader/transfer", true, tell_transfer},
    };
    bool is_post = command->kind == NODE_COMMAND_CONSENSUS_TELL;
    if (!m->config->consensus) {
        node_http_fail(command, 404, "this node takes no part in consensus (--consensus off)");
        return;
    }
    if (mesh_consensus_lost(m)[0] != '\0') {
        char why[NODE_STORE_WHY_BYTES + 64];
        snprintf(why, sizeof why, "this node takes no part in consensus: %s",
                 mesh_consensus_lost(m));
        node_http_fail(command, 503, why);
        return;
    }
    if (m->consensus == NULL || m->consensus->cluster == NULL) {
        node_http_fail(command, 503, "this node has no seat yet: nobody leads from here");
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (routes[i].is_post != is_post || strcmp(routes[i].path, command->path) != 0) continue;
        routes[i].run(m, command);
        return;
    }
    node_http_fail(command, 404, "no such route");
}

/* ---- figures ---- */

void mesh_consensus_figures(struct mesh *m)
{
    struct consensus_cluster_view v;
    struct node_metrics *x = m->metrics;
    uint64_t present = 0, sold = 0, now_ms = mesh_now();
    if (m->consensus == NULL) return;
    node_metric_set(&x->consensus_on, 1);
    if (m->consensus->cluster == NULL) {
        node_metric_set(&x->consensus_mute, 1);
        return;
    }
    consensus_cluster_view(&v, m->consensus->cluster, now_ms);
    for (size_t i = 0; v.has_epoch && i < v.epoch->member_count; i++) {
        uint64_t weight = consensus_cluster_weight(m->consensus->cluster, i);
        if (consensus_cluster_heard(m->consensus->cluster, i, HEARD_MS)) present += weight;
        if (consensus_cluster_is_out(m->consensus->cluster, i)) sold += weight;
    }
    node_metric_set(&x->epoch, v.has_epoch ? v.epoch->number : 0);
    node_metric_set(&x->slot, v.engine.frontier);
    node_metric_set(&x->final_slot,
                    v.engine.final_slot == CONSENSUS_NO_SLOT ? 0 : v.engine.final_slot);
    node_metric_set(&x->window, v.engine.window == CONSENSUS_NO_SLOT ? 0 : v.engine.window);
    node_metric_set(&x->is_leader, v.has_lease ? 1 : 0);
    node_metric_set(&x->lease_remaining_ms, v.has_lease ? v.engine.lease_until_ms - now_ms : 0);
    node_metric_set(&x->quorum_weight, v.quorum);
    node_metric_set(&x->voting_weight, v.total);
    node_metric_set(&x->voting_weight_heard, present);
    node_metric_set(&x->voting_weight_sold, sold);
    node_metric_set(&x->consensus_refused, v.refused + v.engine.refused);
    node_metric_set(&x->consensus_mute, is_mute(m, &v) ? 1 : 0);
    node_metric_set(&x->consensus_abstains, v.engine.abstains ? 1 : 0);
    node_metric_set(&x->consensus_lost, mesh_consensus_is_lost(m) ? 1 : 0);
}
