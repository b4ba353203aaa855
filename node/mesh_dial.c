#include "node/mesh_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "node/info.h"

#define TARGET_LOOK_MS    5000
#define ANSWERED_FAILURES 3 /* in a row */

/* For addresses on strangers' word; the operator's own are dialled without asking. */
bool mesh_dial_allow(void *ctx, const struct sockaddr *address)
{
    struct mesh *m = ctx;
    if (m->config->dev) return true;
    return node_dial_address_is_allowed(address, m->config->dial_allow,
                                        m->config->dial_allow_count) &&
           node_dial_hint_takes_address(&m->hints, mesh_now(), address);
}

/* ---- targets ---- */

static bool is_mesh_url(const char *url)
{
    return strncmp(url, "tcp://", 6) == 0 || strncmp(url, "ws://", 5) == 0 ||
           strncmp(url, "wss://", 6) == 0;
}

/* The first address in a record that could be dialled. */
static bool record_url(char out[NODE_URL_BYTES_MAX + 1], const struct gossip_record *record)
{
    for (size_t i = 0; i < record->url_count; i++) {
        if (record->urls[i].len > NODE_URL_BYTES_MAX) continue;
        memcpy(out, record->urls[i].data, record->urls[i].len);
        out[record->urls[i].len] = '\0';
        if (is_mesh_url(out)) return true;
    }
    return false;
}

static struct mesh_target *target_find(struct mesh *m, const struct base_key33 *key)
{
    for (size_t i = 0; i < m->target_count; i++) {
        if (base_key33_equal(&m->targets[i].key, key)) return &m->targets[i];
    }
    return NULL;
}

/* One that nobody waits for, and of those the one that is due last; NULL: none. Those of the
 * registry do not push each other out: there may be more of them than there is room, each time. */
static struct mesh_target *target_spare(struct mesh *m, enum mesh_source source)
{
    struct mesh_target *spare = NULL;
    if (source == MESH_SOURCE_REGISTRY) return NULL;
    for (size_t i = 0; i < m->target_count; i++) {
        struct mesh_target *t = &m->targets[i];
        if (t->link != 0 || t->wanted || t->command != NULL || t->source == MESH_SOURCE_BOOTSTRAP)
            continue;
        if (spare == NULL || t->next_ms > spare->next_ms) spare = t;
    }
    return spare;
}

/* A target for a key; the strongest source's address stays. NULL when there is no room. */
static struct mesh_target *target_put(struct mesh *m, const struct base_key33 *key,
                                      enum mesh_source source, const char *url)
{
    struct mesh_target *t = target_find(m, key);
    if (!is_mesh_url(url) || strlen(url) > NODE_URL_BYTES_MAX) return t;
    if (t == NULL) {
        t = m->target_count < MESH_TARGETS_MAX ? &m->targets[m->target_count++]
                                               : target_spare(m, source);
        if (t == NULL) return NULL;
        memset(t, 0, sizeof *t);
        t->key = *key;
        t->source = source;
        snprintf(t->url, sizeof t->url, "%s", url);
    } else if (source >= t->source) {
        if (strcmp(t->url, url) != 0) { /* whoever answered there has not answered here */
            t->answered = false;
            if (source == MESH_SOURCE_REGISTRY && t->link == 0) t->next_ms = 0;
        }
        t->source = source;
        snprintf(t->url, sizeof t->url, "%s", url);
    }
    return t;
}

static uint64_t backoff_ms(struct mesh *m, unsigned failures, uint64_t max_ms)
{
    return node_dial_backoff_ms(&m->prng, failures, MESH_BACKOFF_MIN_MS, max_ms);
}

/* Gossip waits for an outcome, and there is none to come. */
static void want_failed(struct mesh *m, struct mesh_target *t)
{
    if (!t->wanted) return;
    t->wanted = false;
    mesh_gossip_later(m, GOSSIP_EV_DIAL_FAILED, &t->key, GOSSIP_UNDECIDED, 0);
}

static void answer_command(struct node_command **slot, unsigned status, const char *format,
                           const char *text)
{
    char json[512];
    if (*slot == NULL) return;
    if (status == 200) {
        int len = snprintf(json, sizeof json, format, text);
        node_http_complete(*slot, 200, json, (size_t)len);
    } else {
        snprintf(json, sizeof json, format, text);
        node_http_fail(*slot, status, json);
    }
    *slot = NULL;
}

/* Who does not answer any more may have handed its name to somebody else: a hint again. */
static void target_failed(struct mesh_target *t)
{
    if (++t->failures >= ANSWERED_FAILURES) t->answered = false;
}

/* Its seat is gone: whoever waits for it is told. */
static void target_drop(struct mesh *m, struct mesh_target *t)
{
    struct mesh_target gone = *t;
    *t = m->targets[--m->target_count];
    answer_command(&gone.command, 409, "%s", "its seat does not count any more");
    want_failed(m, &gone);
}

/* ---- sources ---- */

static void refuse_bootstrap(struct mesh *m, const struct base_key33 *key, const char *url,
                             const struct node_refusal *inner)
{
    struct node_refusal refusal = *inner;
    refusal.reason = NODE_REASON_BOOTSTRAP_NOT_A_MEMBER;
    mesh_refused(m, &refusal, key, url);
}

/* Where the contract stores no keys, a key that our operator names may be authorised without our
 * knowing yet: HELLO decides. */
static bool is_dialled_unjudged(const struct mesh *m, enum mesh_source source)
{
    return source == MESH_SOURCE_BOOTSTRAP && mesh_authority_is_on(m);
}

/* A key from a URL or from /info is looked up in the registry before any dial. */
static int bootstrap_key(struct mesh *m, const struct base_key33 *key, enum mesh_source source,
                         const char *dial_url, struct node_command *command, char *why, size_t cap)
{
    struct node_refusal refusal;
    struct mesh_target *t;
    if (node_identity_owns(&m->identity, key)) {
        snprintf(why, cap, "that is this node itself");
        return BASE_EINVAL;
    }
    if (!is_dialled_unjudged(m, source) &&
        node_admission_judge_key(&refusal, &m->admission, key) != NODE_REASON_NONE) {
        refuse_bootstrap(m, key, dial_url, &refusal);
        snprintf(why, cap, "bootstrap_not_a_member: its key stands on no active seat (%s)",
                 node_reason_name(refusal.reason));
        return BASE_EREFUSED;
    }
    t = target_put(m, key, source, dial_url);
    if (t == NULL) {
        snprintf(why, cap, "no room for another address");
        return BASE_EFULL;
    }
    if (t->link == 0) t->next_ms = mesh_now();
    if (mesh_conn_of(m, key) != NULL) {
        struct node_command *done = command;
        answer_command(&done, 200, "{\"joined\":true,\"msg\":\"%s\"}", "already linked");
    } else {
        answer_command(&t->command, 409, "%s", "another join took its place");
        t->command = command;
    }
    return BASE_OK;
}

/* A free one, or one that has given what it had to give. */
static struct mesh_bootstrap *bootstrap_slot(struct mesh *m)
{
    if (m->bootstrap_count < MESH_BOOTSTRAPS_MAX) return &m->bootstraps[m->bootstrap_count++];
    for (size_t i = 0; i < MESH_BOOTSTRAPS_MAX; i++) {
        if (m->bootstraps[i].done && !m->bootstraps[i].asking) return &m->bootstraps[i];
    }
    return NULL;
}

int mesh_dial_bootstrap(struct mesh *m, const char *url, struct node_command *command, char *why,
                        size_t cap)
{
    m->dial_moved = true;
    struct node_bootstrap parsed;
    int rv = node_bootstrap_parse(&parsed, url, why, cap);
    if (rv != BASE_OK) return rv;
    if (m->gossip == NULL) {
        snprintf(why, cap, "this node has no seat yet");
        return BASE_ESTATE;
    }
    if (parsed.kind == NODE_BOOTSTRAP_MESH)
        return bootstrap_key(m, &parsed.key, MESH_SOURCE_BOOTSTRAP, parsed.dial_url, command, why,
                             cap);
    for (size_t i = 0; i < m->bootstrap_count; i++) {
        struct mesh_bootstrap *b = &m->bootstraps[i];
        if (strcmp(b->url, parsed.dial_url) != 0) continue;
        answer_command(&b->command, 409, "%s", "another join took its place");
        b->command = command;
        b->done = false;
        b->next_ms = 0;
        return BASE_OK;
    }
    struct mesh_bootstrap *b = bootstrap_slot(m);
    if (b == NULL) {
        snprintf(why, cap, "no room for another bootstrap URL");
        return BASE_EFULL;
    }
    memset(b, 0, sizeof *b);
    snprintf(b->url, sizeof b->url, "%s", parsed.dial_url);
    b->command = command;
    if (strncmp(b->url, "http://", 7) == 0 && !m->config->dev)
        mesh_log(m, BASE_LOG_WARN, "dial", "plain_http",
                 "%s is read in clear: who sits between can choose whom we meet first (never whom "
                 "we admit); use https or mesh://",
                 b->url);
    return BASE_OK;
}

/* Configured, and no member yet: dialled when its seat counts, and nobody waits for it. */
static void await_seat(struct mesh *m, const struct base_key33 *key, const char *url)
{
    struct mesh_target *t = target_put(m, key, MESH_SOURCE_BOOTSTRAP, url);
    if (t != NULL) t->tried = true;
}

void mesh_dial_config(struct mesh *m)
{
    m->dial_moved = true;
    for (size_t i = 0; i < m->config->bootstrap_count; i++) {
        const struct node_bootstrap *from = &m->config->bootstrap[i];
        char why[256];
        int rv;
        if (from->kind == NODE_BOOTSTRAP_MESH) {
            rv = bootstrap_key(m, &from->key, MESH_SOURCE_BOOTSTRAP, from->dial_url, NULL, why,
                               sizeof why);
            if (rv == BASE_EREFUSED) await_seat(m, &from->key, from->dial_url);
        } else {
            rv = mesh_dial_bootstrap(m, from->dial_url, NULL, why, sizeof why);
        }
        if (rv != BASE_OK)
            mesh_log(m, BASE_LOG_WARN, "dial", "bootstrap", "%s: %s", from->dial_url, why);
    }
    mesh_dial_registry(m);
}

/* Seats that count are members to be; their registered address is a hint. The first draw is
 * spread by chance over all of them, so that no bootstrap chooses our neighbours. */
void mesh_dial_registry(struct mesh *m)
{
    m->dial_moved = true;
    if (m->gossip == NULL || m->snapshot == NULL || m->leaving) return;
    for (size_t i = 0; i < m->target_count;) {
        struct node_refusal refusal;
        struct mesh_target *t = &m->targets[i];
        bool counts =
            node_admission_judge_key(&refusal, &m->admission, &t->key) == NODE_REASON_NONE;
        if (counts || t->link != 0 || t->source == MESH_SOURCE_BOOTSTRAP)
            i++;
        else
            target_drop(m, t);
    }
    for (size_t i = 0; i < m->snapshot->by_key_count; i++) {
        const struct chain_seat *seat = &m->snapshot->seats[m->snapshot->by_key[i]];
        struct node_refusal refusal;
        bool known = target_find(m, &seat->node_key) != NULL;
        if (node_identity_owns(&m->identity, &seat->node_key)) continue;
        if (node_admission_judge_key(&refusal, &m->admission, &seat->node_key) != NODE_REASON_NONE)
            continue;
        struct mesh_target *t = target_put(m, &seat->node_key, MESH_SOURCE_REGISTRY, seat->url);
        if (t != NULL && !known)
            t->next_ms = mesh_now() + (m->bootstrap_count > 0 || m->config->bootstrap_count > 0
                                           ? 500 + base_prng_below(&m->prng, 1500)
                                           : base_prng_below(&m->prng, 200));
    }
}

void mesh_dial_want(struct mesh *m, const struct base_key33 *key)
{
    m->dial_moved = true;
    struct gossip_member_view view;
    struct gossip_record record;
    struct mesh_target *t = target_find(m, key);
    char url[NODE_URL_BYTES_MAX + 1];
    if (gossip_member_find(&view, m->gossip, key) == BASE_OK &&
        gossip_record_decode(&record, view.record.data, view.record.len) == BASE_OK &&
        record_url(url, &record))
        t = target_put(m, key, MESH_SOURCE_GOSSIP, url);
    if (t == NULL || m->leaving || !m->env.ready || mesh_budget_is_barred(m, key)) {
        mesh_gossip_later(m, GOSSIP_EV_DIAL_FAILED, key, GOSSIP_UNDECIDED, 0);
        return;
    }
    t->wanted = true;
    if (t->link == 0 && t->next_ms > mesh_now()) t->next_ms = mesh_now();
}

/* ---- outcomes ---- */

void mesh_dial_up(struct mesh *m, const struct base_key33 *key)
{
    m->dial_moved = true;
    struct mesh_target *t = target_find(m, key);
    if (t == NULL) return;
    char hex[2 * BASE_KEY33_BYTES + 1];
    base_hex_encode(hex, key->bytes, sizeof key->bytes);
    t->failures = 0;
    t->refusals = 0;
    t->tried = true;
    t->wanted = false;
    t->answered = true;
    t->link = 0;
    t->next_ms = mesh_now() + MESH_BACKOFF_MIN_MS;
    answer_command(&t->command, 200, "{\"joined\":true,\"node\":\"%s\"}", hex);
}

void mesh_dial_ended(struct mesh *m, node_link_id link, bool answered, uint8_t code,
                     uint32_t retry_s, const char *why)
{
    m->dial_moved = true;
    struct mesh_target *t = NULL;
    uint64_t wait_ms;
    for (size_t i = 0; i < m->target_count && t == NULL; i++) {
        if (m->targets[i].link == link) t = &m->targets[i];
    }
    if (t == NULL) return;
    t->link = 0;
    t->tried = true;
    if (answered) {
        t->answered = true;
        t->failures = 0;
        t->refusals++;
    } else {
        target_failed(t);
    }
    /* A peer's snapshot may lag behind ours: no_seat is asked again soon, at first. */
    if (code == NODE_CODE_NO_SEAT && t->refusals <= 3)
        wait_ms = (uint64_t)MESH_BACKOFF_MIN_MS << (t->refusals - 1);
    else
        wait_ms = backoff_ms(m, answered ? t->refusals : t->failures, MESH_BACKOFF_MAX_MS);
    if (wait_ms < (uint64_t)retry_s * 1000)
        wait_ms =
            retry_s < MESH_BACKOFF_MAX_MS / 1000 ? (uint64_t)retry_s * 1000 : MESH_BACKOFF_MAX_MS;
    t->next_ms = mesh_now() + wait_ms;
    mesh_log(m, BASE_LOG_DEBUG, "dial", "dial_ended", "%s: %s", t->url, why);
    answer_command(&t->command, 409, "%s", why);
    /* Who says no is alive: that is no hint of a death, and the dial goes on with its back-off. */
    if (!answered) want_failed(m, t);
}

void mesh_dial_give_up(struct mesh *m)
{
    for (size_t i = 0; i < m->target_count; i++)
        answer_command(&m->targets[i].command, 503, "%s", "this node is stopping");
    for (size_t i = 0; i < m->bootstrap_count; i++)
        answer_command(&m->bootstraps[i].command, 503, "%s", "this node is stopping");
}

bool mesh_dial_all_tried(const struct mesh *m)
{
    for (size_t i = 0; i < m->target_count; i++) {
        if (!m->targets[i].tried) return false;
    }
    for (size_t i = 0; i < m->bootstrap_count; i++) {
        if (!m->bootstraps[i].done && m->bootstraps[i].failures == 0) return false;
    }
    return true;
}

/* ---- http(s) bootstraps: /info gives a record, and no trust ---- */

static int info_record(struct gossip_signed_record *out, struct gossip_record *record,
                       const void *data, size_t len, char *why, size_t cap)
{
    json_t *json = NULL;
    const char *hex;
    size_t hex_len;
    char parse_why[BASE_JSON_WHY_BYTES] = "";
    int rv = base_json_parse(&json, data, len, 65536, parse_why);
    if (rv == BASE_OK) rv = base_json_get_string(&hex, &hex_len, json, "record");
    if (rv == BASE_OK) rv = base_hex_decode_var(out->body, &out->body_len, sizeof out->body, hex);
    if (rv == BASE_OK) rv = base_json_get_hex(out->sig.bytes, 65, json, "record_sig");
    if (rv == BASE_OK) rv = gossip_record_decode(record, out->body, out->body_len);
    if (rv != BASE_OK)
        snprintf(why, cap, "/info is not a node's: %s",
                 parse_why[0] != '\0' ? parse_why : base_strerror(rv));
    json_decref(json);
    return rv;
}

/* Where the contract stores no keys /info shows whose word they stand by; judged as any other. */
static void take_info_bundle(struct mesh *m, const void *data, size_t len)
{
    struct node_bundle bundle;
    struct node_refusal refusal;
    char why[NODE_INFO_WHY_BYTES];
    if (!mesh_authority_is_on(m) || node_info_bundle(&bundle, data, len, why) != BASE_OK) return;
    (void)mesh_authority_offer(m, &refusal, &bundle);
    mesh_authority_settle(m);
}

int mesh_dial_read_info(struct mesh *m, struct mesh_found *out, const void *data, size_t len,
                        char *why, size_t cap)
{
    struct gossip_signed_record signed_record;
    struct gossip_record record;
    struct base_hash32 digest;
    take_info_bundle(m, data, len);
    int rv = info_record(&signed_record, &record, data, len, why, cap);
    if (rv != BASE_OK) return rv;
    base_eip712_statement(&digest, &m->identity.domain, BASE_STATEMENT_RECORD, signed_record.body,
                          signed_record.body_len);
    if (base_ecdsa_verify(&digest, &signed_record.sig, &record.node_key) != BASE_OK) {
        snprintf(why, cap, "/info shows a record that its key did not sign for this mesh");
        return BASE_ESIG;
    }
    if (!record_url(out->url, &record)) {
        snprintf(why, cap,
                 "/info shows a record without a mesh address: start that node with --advertise");
        return BASE_EINVAL;
    }
    out->key = record.node_key;
    return BASE_OK;
}

int mesh_dial_found(struct mesh *m, const struct mesh_found *found, struct node_command *command,
                    char *why, size_t cap)
{
    m->dial_moved = true;
    return bootstrap_key(m, &found->key, MESH_SOURCE_INFO, found->url, command, why, cap);
}

static int take_info(struct mesh *m, struct mesh_bootstrap *b, const void *data, size_t len,
                     char *why, size_t cap)
{
    struct mesh_found found = {.url = ""};
    struct node_command *command = b->command;
    int rv = mesh_dial_read_info(m, &found, data, len, why, cap);
    if (rv != BASE_OK) return rv;
    b->command = NULL;
    rv = mesh_dial_found(m, &found, command, why, cap);
    if (rv != BASE_OK) b->command = command;
    return rv;
}

static void bootstrap_failed(struct mesh *m, struct mesh_bootstrap *b, const char *why)
{
    b->failures++;
    b->next_ms = mesh_now() + backoff_ms(m, b->failures, 30000);
    mesh_log(m, BASE_LOG_WARN, "dial", "bootstrap", "%s: %s", b->url, why);
    answer_command(&b->command, 409, "%s", why);
}

static void on_info(void *ctx, const struct node_http_answer *answer)
{
    struct mesh *m = ctx;
    struct mesh_bootstrap *b = NULL;
    char why[256];
    int rv = BASE_EREMOTE;
    m->dial_moved = true;
    if (m->stopping) return;
    for (size_t i = 0; i < m->bootstrap_count; i++) {
        if (m->bootstraps[i].asking) b = &m->bootstraps[i];
    }
    if (b == NULL) return;
    b->asking = false;
    if (answer->err != BASE_OK)
        snprintf(why, sizeof why, "%s", answer->text);
    else if (answer->status != 200)
        snprintf(why, sizeof why, "HTTP status %d", answer->status);
    else
        rv = take_info(m, b, answer->body, answer->body_len, why, sizeof why);
    b->done = rv == BASE_OK;
    if (rv == BASE_OK) return;
    bootstrap_failed(m, b, why);
}

/* One at a time, so that the answer needs no name. */
static void ask_bootstrap(struct mesh *m, struct mesh_bootstrap *b)
{
    char url[NODE_URL_BYTES_MAX + 8];
    struct node_http_request http = {.url = url, .answer_bytes_max = 65536, .timeout_ms = 5000};
    size_t len = strlen(b->url);
    snprintf(url, sizeof url, "%.*s/info", (int)(len > 0 && b->url[len - 1] == '/' ? len - 1 : len),
             b->url);
    int rv = node_http_client_get(m->client, NULL, &http, on_info, m);
    b->asking = rv == BASE_OK;
    if (rv != BASE_OK) bootstrap_failed(m, b, base_strerror(rv));
}

/* ---- the schedule ---- */

/* May it be dialled at all? A key that stands on no seat that counts is not, whoever named it; and
 * while the endpoints are silent only members are. */
static bool target_may(struct mesh *m, const struct mesh_target *t)
{
    struct node_refusal refusal;
    if (!m->chain_fresh && !mesh_member_is_listed(m, &t->key)) return false;
    return is_dialled_unjudged(m, t->source) ||
           node_admission_judge_key(&refusal, &m->admission, &t->key) == NODE_REASON_NONE;
}

/* Links to members that are alive are gossip's affair: it asks for those that it wants. */
static bool target_is_needed(struct mesh *m, const struct mesh_target *t)
{
    if (t->command != NULL) return true;
    if (mesh_budget_is_barred(m, &t->key)) return false;
    if (t->wanted) return true;
    if (m->env.votes_only) /* to those that our vote is for */
        return mesh_consensus_is_voter(m, &t->key) && mesh_conn_any(m, &t->key) == NULL;
    return !mesh_member_is_alive(m, &t->key) && mesh_conn_of(m, &t->key) == NULL;
}

/* On strangers' word only so often. Gossip goes on waiting meanwhile: a dial that was not made is
 * none that failed. */
static bool hint_waits(struct mesh *m, struct mesh_target *t, uint64_t now_ms)
{
    uint64_t may_ms;
    if (t->source == MESH_SOURCE_BOOTSTRAP || t->answered) return false;
    may_ms = node_dial_hint_may_ms(&m->hints, now_ms, t->url);
    if (may_ms == 0) return false;
    if (may_ms == UINT64_MAX) { /* no URL at all: until the registry has another */
        t->tried = true;
        may_ms = now_ms + MESH_BACKOFF_MAX_MS;
        want_failed(m, t);
    }
    t->next_ms = may_ms;
    return true;
}

static void dial(struct mesh *m, struct mesh_target *t, uint64_t now_ms)
{
    bool trusted = t->source == MESH_SOURCE_BOOTSTRAP;
    int rv;
    if (hint_waits(m, t, now_ms)) return;
    rv = mesh_conn_dial(m, &t->link, t->url, &t->key, trusted);
    t->next_ms = now_ms + MESH_BACKOFF_MIN_MS;
    if (rv == BASE_OK) return;
    if (rv != BASE_EFULL) { /* not for want of room: this address is none */
        t->tried = true;
        target_failed(t);
        t->next_ms = now_ms + backoff_ms(m, t->failures, MESH_BACKOFF_MAX_MS);
        answer_command(&t->command, 409, "%s", base_strerror(rv));
    }
    want_failed(m, t);
}

/* A target that nobody needs now is looked at again later, all of them in one turn. */
static void visit_target(struct mesh *m, struct mesh_target *t, uint64_t now_ms)
{
    bool may = target_may(m, t);
    if (may && target_is_needed(m, t)) {
        dial(m, t, now_ms);
        return;
    }
    t->next_ms = (now_ms / TARGET_LOOK_MS + 1) * TARGET_LOOK_MS;
    if (may) return;
    answer_command(&t->command, 409, "%s", "its seat does not count, or the chain is out of reach");
    want_failed(m, t);
}

/* Without a seat only for our vote. */
static bool may_dial(const struct mesh *m)
{
    return m->env.ready || m->env.votes_only;
}

static bool is_asking(const struct mesh *m)
{
    for (size_t i = 0; i < m->bootstrap_count; i++)
        if (m->bootstraps[i].asking) return true;
    return false;
}

void mesh_dial_step(struct mesh *m, uint64_t now_ms)
{
    m->dial_moved = true;
    bool asking = is_asking(m);
    if (m->gossip == NULL || m->leaving || m->stopping || !may_dial(m)) return;
    for (size_t i = 0; i < m->bootstrap_count && !asking; i++) {
        struct mesh_bootstrap *b = &m->bootstraps[i];
        if (b->done || b->next_ms > now_ms) continue;
        ask_bootstrap(m, b);
        asking = b->asking;
    }
    for (size_t i = 0; i < m->target_count; i++) {
        struct mesh_target *t = &m->targets[i];
        if (t->link == 0 && t->next_ms <= now_ms) visit_target(m, t, now_ms);
    }
}

static uint64_t look_for_due(const struct mesh *m)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < m->target_count; i++) {
        if (m->targets[i].link == 0 && m->targets[i].next_ms < first) first = m->targets[i].next_ms;
    }
    if (is_asking(m)) return first; /* the other bootstraps wait for that answer */
    for (size_t i = 0; i < m->bootstrap_count; i++) {
        const struct mesh_bootstrap *b = &m->bootstraps[i];
        if (!b->done && b->next_ms < first) first = b->next_ms;
    }
    return first;
}

/* Asked on every turn of the loop, and the answer seldom changes. */
uint64_t mesh_dial_deadline_ms(struct mesh *m)
{
    if (m->gossip == NULL || m->leaving || !may_dial(m)) return UINT64_MAX;
    if (m->dial_moved) m->dial_due_ms = look_for_due(m);
    m->dial_moved = false;
    return m->dial_due_ms;
}
