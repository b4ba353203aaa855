#include "node/mesh_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/authorise.h"
#include "node/bundle_store.h"
#include "node/metrics.h"

#define SAVE_GAP_MS     2000
#define GREETING_FRAMES 32   /* at once, of the session's queue of 64 */
#define WASTE_MAX       8192 /* of a link: statements of no use; who is new waits with one a seat */
#define WASTE_GAP_MS    250  /* .. and one of them is forgiven after so long */

/* ---- the world by which authorisations are judged ---- */

/* What the poller was asked for, and our own last references: these were agreed, and are forgotten
 * when one of them turns out to be no longer canonical. */
static bool find_block(void *ctx, uint64_t number, struct chain_block *out)
{
    const struct mesh *m = ctx;
    if (chain_poll_block(m->poll, number, out) == BASE_OK) return true;
    for (size_t i = 0; i < m->reference_count; i++) {
        *out = m->references[i];
        if (out->number == number) return true;
    }
    return false;
}

void mesh_authority_reference(struct mesh *m, const struct chain_block *block)
{
    if (m->reference_count < MESH_REFERENCES_MAX) m->reference_count++;
    memmove(&m->references[1], &m->references[0],
            (m->reference_count - 1) * sizeof m->references[0]);
    m->references[0] = *block;
}

bool mesh_authority_is_on(const struct mesh *m)
{
    return m->raw != NULL && m->raw->kind == CHAIN_KIND_PROTOTYPE;
}

/* The contract has no list: --app-id, else our own agent's. */
static void set_app_ids(struct mesh *m)
{
    struct node_authority_world *w = &m->authority_world;
    if (m->config->app_id_count > 0) {
        w->app_ids = m->config->app_ids;
        w->app_id_count = m->config->app_id_count;
    } else if (m->has_identity) {
        w->app_ids = &m->agent_info.app_id;
        w->app_id_count = 1;
    }
    chain_poll_set_app_ids(m->poll, w->app_ids, w->app_id_count);
}

struct attest_pins_seen mesh_authority_seen(struct mesh *m)
{
    const struct node_authority_world *w = &m->authority_world;
    if (!mesh_authority_is_on(m))
        return (struct attest_pins_seen){m->raw->kms_root, m->raw->app_ids, m->raw->app_id_count};
    set_app_ids(m);
    return (struct attest_pins_seen){m->raw->kms_root, w->app_ids, w->app_id_count};
}

/* ---- what follows from a new snapshot, or from a statement ---- */

static void want_block(void *ctx, uint64_t number)
{
    struct mesh *m = ctx;
    struct chain_block known;
    if (chain_poll_block(m->poll, number, &known) == BASE_ENOTFOUND)
        (void)chain_poll_want_block(m->poll, number);
}

static void want_blocks(struct mesh *m)
{
    node_authority_wants(m->authority, &m->authority_world, want_block, m);
}

/* HELLO shows the one that counts for our key. */
static void show_own(struct mesh *m)
{
    struct node_keyset *keys = &m->identity.keys;
    const struct node_bundle *own = node_authority_of_key(m->authority, &keys->node_key);
    keys->has_authorisation = m->has_identity && own != NULL;
    if (keys->has_authorisation) node_bundle_for_hello(&keys->authorisation, own);
}

size_t mesh_authority_own(const struct mesh *m, uint8_t *out, size_t cap)
{
    const struct node_bundle *own =
        m->has_identity ? node_authority_of_key(m->authority, &m->identity.keys.node_key) : NULL;
    assert(cap >= NODE_BUNDLE_BYTES_MAX);
    return own == NULL ? 0 : node_bundle_encode(out, own);
}

int mesh_authority_derive(struct chain_snapshot **out, struct mesh *m)
{
    struct chain_poll_status status;
    m->authority_world.raw = m->raw;
    m->authority_moved = false;
    chain_poll_status(m->poll, &status);
    m->blocks_answered = status.blocks_answered;
    node_authority_renew(m->authority, &m->authority_world);
    want_blocks(m);
    show_own(m);
    return node_authority_derive(out, m->authority, &m->authority_world);
}

/* ---- passing on ---- */

struct packer { /* frames in the making */
    uint8_t data[NODE_FRAME_AUTHORITY_BYTES];
    size_t len;
};

static bool fits(const struct packer *p)
{
    return p->len + NODE_BUNDLE_BYTES_MAX <= sizeof p->data;
}

static int queue_frame(struct mesh_conn *c, const struct packer *p)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_QUEUE};
    struct node_session_stats stats = node_session_stats(c->session);
    if (stats.queued >= GREETING_FRAMES) return BASE_EFULL;
    ev.queue.type = NODE_FRAME_AUTHORITY;
    ev.queue.body = p->data;
    ev.queue.len = p->len;
    mesh_conn_step(c, &ev);
    return BASE_OK;
}

/* All that count, from where the last time ended; what the queue has no room for goes later. */
void mesh_authority_greet(struct mesh_conn *c)
{
    struct mesh *m = c->mesh;
    struct packer p;
    bool more = true;
    c->authority_due = mesh_authority_is_on(m);
    while (c->authority_due && more) {
        struct node_authority_cursor cursor = c->authority_cursor;
        struct node_bundle bundle;
        p.len = 0;
        while (fits(&p) && (more = node_authority_next(&bundle, m->authority, &cursor)))
            p.len += node_bundle_encode(p.data + p.len, &bundle);
        if (p.len > 0 && queue_frame(c, &p) != BASE_OK) return;
        c->authority_cursor = cursor;
    }
    c->authority_due = false;
    c->authority_cursor = (struct node_authority_cursor){0};
}

/* Who cannot take it now is told everything again when he can. */
static void tell_all(struct mesh *m, const struct packer *p)
{
    for (struct mesh_conn *c = m->conns; c != NULL; c = c->next) {
        if (!c->is_up || c->is_closing || queue_frame(c, p) == BASE_OK) continue;
        c->authority_due = true;
        c->authority_cursor = (struct node_authority_cursor){0};
    }
}

static void log_news(struct mesh *m, const struct node_bundle *bundle)
{
    struct mesh_event e;
    char token[2 * sizeof bundle->token_id.bytes + 1];
    base_hex_encode(token, bundle->token_id.bytes, sizeof bundle->token_id.bytes);
    mesh_event_begin(&e, m, BASE_LOG_INFO, "authority", bundle->revokes ? "revoked" : "authorised");
    mesh_event_str(&e, "token", token + strspn(token, "0"));
    if (!bundle->revokes) {
        mesh_event_key(&e, "peer", &bundle->node_key);
        mesh_event_u64(&e, "not_after", bundle->not_after);
    }
    mesh_event_u64(&e, "issued_block", bundle->issued_block);
    mesh_event_u64(&e, "block", m->raw->block.number);
    mesh_event_end(&e);
}

static void spread_news(struct mesh *m)
{
    struct packer p = {.len = 0};
    struct node_bundle bundle;
    while (node_authority_take_news(m->authority, &bundle)) {
        log_news(m, &bundle);
        m->authorities_unsaved = true;
        if (!fits(&p)) {
            tell_all(m, &p);
            p.len = 0;
        }
        p.len += node_bundle_encode(p.data + p.len, &bundle);
    }
    if (p.len > 0) tell_all(m, &p);
}

/* ---- hearing ---- */

static void follow_up(struct mesh *m, const size_t verdicts[NODE_AUTHORITY_REFUSED + 1])
{
    for (int v = NODE_AUTHORITY_ACCEPTED; v <= NODE_AUTHORITY_REFUSED; v++)
        for (size_t i = 0; i < verdicts[v]; i++)
            node_metric_count(&m->metrics->authorisations,
                              node_authority_verdict_name((enum node_authority_verdict)v), NULL,
                              NULL);
    if (verdicts[NODE_AUTHORITY_ACCEPTED] > 0) m->authority_moved = true;
    if (verdicts[NODE_AUTHORITY_VERIFYING] > 0) want_blocks(m);
    if (verdicts[NODE_AUTHORITY_VERIFYING] + verdicts[NODE_AUTHORITY_NOT_YET] > 0)
        mesh_chain_wake(m);
}

enum node_authority_verdict mesh_authority_offer(struct mesh *m, struct node_refusal *refusal,
                                                 const struct node_bundle *bundle)
{
    size_t verdicts[NODE_AUTHORITY_REFUSED + 1] = {0};
    enum node_authority_verdict verdict =
        node_authority_offer(refusal, m->authority, &m->authority_world, bundle);
    verdicts[verdict] = 1;
    follow_up(m, verdicts);
    return verdict;
}

/* Has this link brought too much of no use lately? */
static bool wastes(struct mesh_conn *c)
{
    uint64_t now_ms = mesh_now(), forgiven = (now_ms - c->waste_since_ms) / WASTE_GAP_MS;
    c->waste_since_ms += forgiven * WASTE_GAP_MS;
    c->waste = forgiven < c->waste ? c->waste - forgiven : 0;
    return c->waste >= WASTE_MAX;
}

/* False: it broke the rules, and the link has to go. */
bool mesh_authority_frame(struct mesh_conn *c, const uint8_t *data, size_t len)
{
    struct mesh *m = c->mesh;
    struct node_authority_heard heard;
    if (!mesh_authority_is_on(m) || wastes(c)) return true;
    int rv = node_authority_hear(&heard, m->authority, &m->authority_world, data, len,
                                 WASTE_MAX - c->waste);
    follow_up(m, heard.verdicts);
    c->waste += heard.wasted;
    if (rv == BASE_ESIG)
        mesh_refused(m, &heard.refusal, node_session_remote(c->session), c->remote);
    else if (heard.verdicts[NODE_AUTHORITY_REFUSED] > 0)
        mesh_log(m, BASE_LOG_DEBUG, "authority", "refused", "%s: %s", c->remote,
                 node_reason_name(heard.refusal.reason));
    return rv == BASE_OK;
}

/* ---- disk ---- */

static void save(struct mesh *m)
{
    struct node_authority_cursor cursor = {0};
    struct node_bundle bundle;
    struct base_buf text;
    char why[NODE_STORE_WHY_BYTES];
    base_buf_init(&text, NODE_STORE_TEXT_BYTES_MAX);
    while (node_authority_next_kept(&bundle, m->authority, &cursor))
        node_bundles_add(&text, &bundle);
    if (node_bundles_save(m->store, &text, why) != BASE_OK)
        mesh_log(m, BASE_LOG_ERROR, "store", "authorities", "%s", why);
    base_buf_deinit(&text);
}

static int load_one(void *ctx, const struct node_bundle *bundle)
{
    return node_authority_load(ctx, bundle);
}

/* ---- what `nftmesh authorize` asks ---- */

/* A whole statement: it is judged, kept, and passed on to all. */
static void take_statement(struct mesh *m, struct node_command *command)
{
    struct node_bundle bundle;
    struct node_refusal refusal;
    struct base_buf text;
    char why[NODE_AUTHORISE_WHY_BYTES] = "";
    if (node_authorise_bundle(&bundle, command->body, why, sizeof why) != BASE_OK) {
        node_http_fail(command, 400, why);
        return;
    }
    enum node_authority_verdict verdict = mesh_authority_offer(m, &refusal, &bundle);
    bool waits = node_authority_is_aside(m->authority, &bundle);
    bool taken = waits || verdict == NODE_AUTHORITY_ACCEPTED || verdict == NODE_AUTHORITY_SAME;
    if (taken) save(m); /* the owner is told so only once it outlives us */
    base_buf_init(&text, 2048);
    if (taken) {
        base_buf_printf(&text, "{\"verdict\":\"%s\"}",
                        waits ? "waiting" : node_authority_verdict_name(verdict));
        node_http_complete(command, 200, text.data != NULL ? text.data : "{}",
                           text.data != NULL ? text.len : 2);
    } else {
        node_refusal_explain(&text, &refusal);
        node_http_fail(command, 409, text.data != NULL ? text.data : "refused");
    }
    base_buf_deinit(&text);
    mesh_authority_settle(m);
}

void mesh_authority_command(struct mesh *m, struct node_command *command)
{
    struct base_buf json;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    if (!m->has_identity || m->raw == NULL) {
        node_http_fail(command, 409, "the guest agent or the chain has not answered yet");
    } else if (!mesh_authority_is_on(m)) {
        node_http_fail(command, 409,
                       "this contract stores the keys itself: use `nftmesh register`");
    } else if (json_object_get(command->body, "bundle") != NULL) {
        take_statement(m, command);
    } else {
        base_buf_init(&json, 4096);
        if (node_authorise_answer(&json, &m->identity, command->body, why, sizeof why) == BASE_OK)
            node_http_complete(command, 200, json.data, json.len);
        else
            node_http_fail(command, 400, why);
        base_buf_deinit(&json);
    }
}

/* ---- birth, turns, death ---- */

int mesh_authority_new(struct mesh *m)
{
    struct node_authority_world *w = &m->authority_world;
    int rv = node_authority_new(&m->authority);
    if (rv != BASE_OK) return rv;
    w->pins = &m->pins;
    w->block = find_block;
    w->ctx = m;
    base_eip712_domain_init(&w->domain, m->config->chain_id, &m->config->contract);
    return node_bundles_load(m->store, load_one, m->authority, m->why);
}

void mesh_authority_settle(struct mesh *m)
{
    if (!m->authority_moved || m->session_depth > 0 || m->gossip_busy || m->stopping) return;
    spread_news(m); /* who loses his seat by it hears why, before the link to him ends */
    mesh_chain_judge_again(m);
    spread_news(m);
}

/* True when hashes of blocks have come in, or gone, since we looked. */
static bool blocks_have_moved(struct mesh *m)
{
    struct chain_poll_status status;
    chain_poll_status(m->poll, &status);
    return status.blocks_answered != m->blocks_answered;
}

void mesh_authority_step(struct mesh *m, uint64_t now_ms)
{
    if (!mesh_authority_is_on(m)) return;
    if (blocks_have_moved(m)) m->authority_moved = true;
    mesh_authority_settle(m);
    spread_news(m); /* of a new snapshot, too */
    for (struct mesh_conn *c = m->conns; c != NULL; c = c->next)
        if (c->authority_due && c->is_up && !c->is_closing) mesh_authority_greet(c);
    if (!m->authorities_unsaved || now_ms < m->authorities_save_ms) return;
    m->authorities_unsaved = false;
    m->authorities_save_ms = now_ms + SAVE_GAP_MS;
    save(m);
}

void mesh_authority_free(struct mesh *m)
{
    if (m->authorities_unsaved && m->store != NULL) save(m);
    node_authority_free(m->authority);
}
