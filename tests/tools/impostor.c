/* A node that lies: dials a member and shows whatever it was told to show. For the demo and the
 * end-to-end tests; built, never installed. The lies come as one JSON object on standard input:
 *
 *   url, target            where, and whose node key is expected there
 *   chain_id, contract     the mesh it claims to be of
 *   settings               as a node of that mesh would send them
 *   node_priv, proof_priv  its own keys, 64 hex digits each
 *   proof_key              the app proof key it claims (default: of proof_priv)
 *   app_id, app_sig, kms_sig  the signature chain it shows
 *   foreign_kms            instead of the two: a KMS root of its own signs, for the same app id
 *   token, instance        the seat it claims
 *   flood, seat, kms_root  a member that floods once it is up: with `bytes`, frames of a type that
 *                          nobody knows, or with `forgeries`, one a frame; or that sends `votes`:
 *                          two that contradict each other. seat is the target's, as the chain has
 *                          it (token, owner, instance, node_key, proof_key), by which it takes the
 *                          target for a member
 *   votes                  of which epoch, voter and slot: {"epoch_id","voter","slot"}
 *
 * Prints one JSON object: {"outcome":"refused","code":1,"text":".."}, {"outcome":"closed"} when
 * the pipe was closed without a word, or {"outcome":"let_in"}; after a flood how it was ended,
 * {"outcome":"ended","code":5,"flood_ms":..,"frames":..}; after votes {"outcome":"voted"}. Exit 0
 * when it was kept out. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "attest/sigchain.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/wire.h"
#include "gossip/frame.h"
#include "gossip/gossip.h"
#include "node/inbox.h"
#include "node/link_nng.h"
#include "node/nng_shim.h"
#include "node/session.h"

#define DEADLINE_MS 15000
/* A session's window of these fits into a socket's buffer: what is measured is the budget, and not
 * how TCP comes back from a window that was closed. Bytes are used up sooner than frames. */
#define FLOOD_BYTES_EACH 3000

#define VOTED_MS 500 /* they are on their way: then it goes */

enum flood { FLOOD_NONE = 0, FLOOD_BYTES, FLOOD_FORGERIES, FLOOD_VOTES };

struct impostor {
    uv_loop_t loop;
    uv_timer_t timer;
    struct node_inbox *inbox;
    struct node_links *links;
    node_link_id link;
    struct node_session *session;
    struct node_session_env env;
    struct node_session_actions out;
    struct node_identity identity;
    struct node_admission admission;
    struct attest_pins pins;
    struct gossip_signed_record record;
    struct node_ephemerals ephemerals;
    struct base_key33 target;
    char url[257];
    bool done, let_in;
    enum flood flood;
    bool is_judged;          /* the target is a member: let it in */
    uint64_t flood_since_ms; /* 0: it is not up yet */
    uint64_t flood_frames;
    struct consensus_message votes[2];
    struct chain_snapshot *snapshot;
};

static void fail(const char *what)
{
    fprintf(stderr, "impostor: %s\n", what);
    exit(2);
}

static void take_hex(void *out, size_t len, const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (text == NULL || base_hex_decode_0x(out, len, text) != BASE_OK) fail(key);
}

/* A chain that is right in form, from a root of one's own. */
static void sign_foreign(struct node_keyset *keys, const json_t *json)
{
    struct base_privkey root, app;
    take_hex(root.bytes, 32, json, "foreign_kms");
    if (attest_derive_app_key(&app, &root, &keys->app_id) != BASE_OK ||
        base_ecdsa_pubkey(&keys->app_key, &app) != BASE_OK ||
        attest_sign_app(&keys->app_sig, &app, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                        keys->proof_key.bytes, sizeof keys->proof_key.bytes) != BASE_OK ||
        attest_sign_kms(&keys->kms_sig, &root, &keys->app_id, &keys->app_key) != BASE_OK)
        fail("foreign_kms");
}

static void copy_chain(struct node_keyset *keys, const json_t *json)
{
    struct base_hash32 digest;
    char message[128], hex[2 * BASE_KEY33_BYTES + 1];
    take_hex(keys->app_sig.bytes, 65, json, "app_sig");
    take_hex(keys->kms_sig.bytes, 65, json, "kms_sig");
    base_hex_encode(hex, keys->proof_key.bytes, sizeof keys->proof_key.bytes);
    int len = snprintf(message, sizeof message, "%s:%s", ATTEST_PURPOSE, hex);
    base_keccak256(&digest, message, (size_t)len);
    if (base_ecdsa_recover(&keys->app_key, &digest, &keys->app_sig) != BASE_OK) fail("app_sig");
}

static void make_record(struct impostor *im)
{
    struct gossip_record record = {.node_key = im->identity.keys.node_key,
                                   .incarnation = im->identity.start_incarnation,
                                   .instance = im->identity.keys.instance};
    struct base_hash32 digest;
    record.name = (struct base_slice){(const uint8_t *)"impostor", 8};
    record.version = (struct base_slice){(const uint8_t *)"0", 1};
    if (gossip_record_encode(im->record.body, &im->record.body_len, sizeof im->record.body,
                             &record) != BASE_OK)
        fail("record");
    base_eip712_statement(&digest, &im->identity.domain, BASE_STATEMENT_RECORD, im->record.body,
                          im->record.body_len);
    (void)base_ecdsa_sign(&im->record.sig, &digest, &im->identity.keys.node_priv);
}

/* One seat, one root, one app: all that is needed to find the target in order. */
static void make_snapshot(struct impostor *im, const json_t *json)
{
    const json_t *told = json_object_get(json, "seat");
    struct base_eth_address root;
    struct chain_snapshot head = {.kind = CHAIN_KIND_NFTMESH,
                                  .chain_id = im->identity.chain_id,
                                  .contract = im->identity.contract,
                                  .root_epoch = 1,
                                  .app_id_count = 1,
                                  .root_count = 1};
    struct chain_seat seat = {
        .has_keys = true, .root_epoch = 1, .expires_at = UINT32_MAX, .active = true, .weight = 1};
    take_hex(root.bytes, 20, json, "kms_root");
    head.block.number = 1;
    head.block.time_s = 1;
    head.kms_root = root;
    head.app_ids[0] = im->identity.keys.app_id;
    head.roots[0] = (struct chain_root){root, 1};
    seat.token_id =
        base_u256_from_u64((uint64_t)json_integer_value(json_object_get(told, "token")));
    take_hex(seat.owner.bytes, 20, told, "owner");
    take_hex(seat.instance.bytes, 20, told, "instance");
    take_hex(seat.node_key.bytes, 33, told, "node_key");
    take_hex(seat.proof_key.bytes, 33, told, "proof_key");
    seat.bound_by = seat.owner;
    seat.app_id = im->identity.keys.app_id;
    if (attest_pins_set_flags(&im->pins, &root, 1, &seat.app_id, 1) != BASE_OK ||
        chain_snapshot_new(&im->snapshot, &head, &seat, 1) != BASE_OK)
        fail("seat");
}

/* For two candidates of one slot, as nobody does who keeps the rules. */
static void make_votes(struct impostor *im, const json_t *told)
{
    for (uint8_t i = 0; i < 2; i++) {
        struct consensus_message *m = &im->votes[i];
        struct base_vote *vote = &m->u.vote.vote;
        struct base_hash32 digest;
        m->type = CONSENSUS_MSG_VOTE;
        take_hex(m->epoch_id.bytes, 32, told, "epoch_id");
        m->u.vote.voter = (uint16_t)json_integer_value(json_object_get(told, "voter"));
        vote->epoch_id = m->epoch_id;
        vote->kind = BASE_VOTE_NOTAR;
        vote->first = vote->last = (uint64_t)json_integer_value(json_object_get(told, "slot"));
        vote->hash.bytes[0] = (uint8_t)(i + 1);
        base_eip712_vote(&digest, &im->identity.domain, vote);
        if (base_ecdsa_sign(&m->u.vote.sig, &digest, &im->identity.keys.node_priv) != BASE_OK)
            fail("votes");
    }
}

static void read_flood(struct impostor *im, const json_t *json)
{
    const char *flood = json_string_value(json_object_get(json, "flood"));
    if (flood == NULL) return;
    im->flood = strcmp(flood, "forgeries") == 0 ? FLOOD_FORGERIES
                : strcmp(flood, "votes") == 0   ? FLOOD_VOTES
                                                : FLOOD_BYTES;
    make_snapshot(im, json);
    if (im->flood == FLOOD_VOTES) make_votes(im, json_object_get(json, "votes"));
}

static void read_lies(struct impostor *im)
{
    json_error_t error;
    json_t *json = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
    struct node_keyset *keys = &im->identity.keys;
    struct base_eth_address contract;
    if (json == NULL) fail(error.text);
    take_hex(im->target.bytes, 33, json, "target");
    take_hex(contract.bytes, 20, json, "contract");
    take_hex(keys->node_priv.bytes, 32, json, "node_priv");
    take_hex(keys->proof_priv.bytes, 32, json, "proof_priv");
    take_hex(keys->app_id.bytes, 20, json, "app_id");
    take_hex(keys->instance.bytes, 20, json, "instance");
    keys->token_id =
        base_u256_from_u64((uint64_t)json_integer_value(json_object_get(json, "token")));
    node_identity_set_mesh(
        &im->identity, (uint64_t)json_integer_value(json_object_get(json, "chain_id")), &contract);
    snprintf(im->url, sizeof im->url, "%s", json_string_value(json_object_get(json, "url")));
    snprintf(im->identity.settings, sizeof im->identity.settings, "%s",
             json_string_value(json_object_get(json, "settings")));
    if (base_ecdsa_pubkey(&keys->node_key, &keys->node_priv) != BASE_OK ||
        base_ecdsa_pubkey(&keys->proof_key, &keys->proof_priv) != BASE_OK)
        fail("node_priv, proof_priv");
    if (json_object_get(json, "proof_key") != NULL)
        take_hex(keys->proof_key.bytes, 33, json, "proof_key");
    if (json_object_get(json, "foreign_kms") != NULL)
        sign_foreign(keys, json);
    else
        copy_chain(keys, json);
    im->identity.start_incarnation = (uint64_t)time(NULL) + 600; /* above what its node has had */
    base_random(im->identity.boot_id, sizeof im->identity.boot_id);
    read_flood(im, json);
    json_decref(json);
    make_record(im);
}

static void finish(struct impostor *im)
{
    if (im->done) return;
    im->done = true;
    uv_close((uv_handle_t *)&im->timer, NULL);
    node_link_close(im->links, im->link, NODE_LINK_WHY_LOCAL);
}

/* A record of ours that is ever newer, and that we did not sign. */
static size_t forge(struct impostor *im, uint8_t *body, size_t cap)
{
    static struct gossip_frame frame;
    struct gossip_record record;
    uint8_t changed[GOSSIP_RECORD_BYTES_MAX];
    size_t len, changed_len;
    if (gossip_record_decode(&record, im->record.body, im->record.body_len) != BASE_OK) return 0;
    record.sequence = im->flood_frames + 1;
    if (gossip_record_encode(changed, &changed_len, sizeof changed, &record) != BASE_OK) return 0;
    frame.type = GOSSIP_FRAME_UPDATE;
    frame.u.news.item_count = 1;
    frame.u.news.items[0] = (struct gossip_item){
        .kind = BASE_STATEMENT_RECORD, .body = {changed, changed_len}, .sig = im->record.sig};
    return gossip_frame_encode(body, &len, cap, &frame) == BASE_OK ? len : 0;
}

static void step(struct impostor *im, const struct node_session_event *ev);

static void send_votes(struct impostor *im)
{
    static uint8_t body[CONSENSUS_FRAME_BYTES_MAX];
    struct node_session_event ev = {.kind = NODE_SESSION_EV_QUEUE};
    for (; im->flood_frames < 2; im->flood_frames++) {
        const struct consensus_message *m = &im->votes[im->flood_frames];
        if (consensus_message_encode(body, &ev.queue.len, sizeof body, m) != BASE_OK) fail("votes");
        ev.queue.type = consensus_frame_type(m->type);
        ev.queue.body = body;
        step(im, &ev);
    }
    if (im->done || uv_hrtime() / 1000000 < im->flood_since_ms + VOTED_MS) return;
    printf("{\"outcome\":\"voted\"}\n");
    finish(im);
}

/* As much as the session takes; the next SENT or FRAME makes room for more. */
static void flood(struct impostor *im)
{
    static uint8_t body[GOSSIP_FRAME_BYTES_MAX];
    struct node_session_event ev = {.kind = NODE_SESSION_EV_QUEUE};
    if (im->flood_since_ms == 0 || im->done) return;
    if (im->flood == FLOOD_VOTES) {
        send_votes(im);
        return;
    }
    while (!im->done && node_session_stats(im->session).queued < 8) {
        ev.queue.type = GOSSIP_FRAME_TYPE_LAST;
        ev.queue.body = body;
        ev.queue.len = FLOOD_BYTES_EACH;
        if (im->flood == FLOOD_FORGERIES) {
            ev.queue.type = GOSSIP_FRAME_UPDATE;
            ev.queue.len = forge(im, body, sizeof body);
            if (ev.queue.len == 0) fail("forge");
        }
        im->flood_frames++;
        step(im, &ev);
    }
}

static void flood_ended(struct impostor *im, const struct node_session_action *a)
{
    if (im->done || im->flood_since_ms == 0) return;
    printf("{\"outcome\":\"ended\",\"code\":%u,\"flood_ms\":%llu,\"frames\":%llu}\n",
           a->down.by_peer ? a->down.code : 0,
           (unsigned long long)(uv_hrtime() / 1000000 - im->flood_since_ms),
           (unsigned long long)im->flood_frames);
    finish(im);
}

static void perform(struct impostor *im, const struct node_session_action *a)
{
    switch (a->kind) {
    case NODE_SESSION_SEND:
        (void)node_link_send(im->links, im->link, a->send.data, a->send.len);
        break;
    case NODE_SESSION_REFUSED:
        if (im->done) break;
        if (a->refused.by_peer) {
            printf("{\"outcome\":\"refused\",\"code\":%u,\"text\":\"%s\"}\n", a->refused.code,
                   a->refused.text);
        } else if (a->refused.refusal.reason == NODE_REASON_CLOSED ||
                   a->refused.refusal.reason == NODE_REASON_TIMEOUT ||
                   a->refused.refusal.reason == NODE_REASON_HANDSHAKE) {
            printf("{\"outcome\":\"closed\"}\n");
        } else { /* it showed us its HELLO: so it had accepted ours */
            im->let_in = true;
            printf("{\"outcome\":\"let_in\",\"then\":\"%s\"}\n",
                   node_reason_name(a->refused.refusal.reason));
        }
        finish(im);
        break;
    case NODE_SESSION_JUDGED:
        if (im->flood != FLOOD_NONE) {
            im->is_judged = true;
            break;
        }
        im->let_in = true;
        if (!im->done) printf("{\"outcome\":\"let_in\"}\n");
        finish(im);
        break;
    case NODE_SESSION_UP:
        im->let_in = true;
        if (im->flood != FLOOD_NONE) {
            im->flood_since_ms = uv_hrtime() / 1000000;
            break;
        }
        if (!im->done) printf("{\"outcome\":\"let_in\"}\n");
        finish(im);
        break;
    case NODE_SESSION_CLOSE:
        if (!im->done) printf("{\"outcome\":\"closed\"}\n");
        finish(im);
        break;
    case NODE_SESSION_DOWN:
        flood_ended(im, a);
        break;
    case NODE_SESSION_VOTES:
    case NODE_SESSION_WAITING:
    case NODE_SESSION_FRAME:
    case NODE_SESSION_ANSWER:
    case NODE_SESSION_RENEW:
        break;
    }
}

static void step(struct impostor *im, const struct node_session_event *ev)
{
    if (im->session == NULL || im->done) return;
    if (node_session_step(im->session, uv_hrtime() / 1000000, ev, &im->out) != BASE_OK) return;
    for (size_t i = 0; i < im->out.count; i++)
        perform(im, &im->out.list[i]);
}

static void go_on(struct impostor *im)
{
    struct node_session_event admit = {.kind = NODE_SESSION_EV_ADMIT};
    if (im->is_judged) {
        im->is_judged = false;
        step(im, &admit);
    }
    flood(im);
}

static void on_up(void *ctx, node_link_id id, bool dialed, const char *remote)
{
    struct impostor *im = ctx;
    struct node_session_event ev = {.kind = NODE_SESSION_EV_OPEN};
    (void)id;
    (void)dialed;
    (void)remote;
    if (node_session_new(&im->session, &im->env) != BASE_OK) fail("no memory");
    ev.open.dialed = true;
    ev.open.remote = im->target;
    base_random(ev.open.entropy, sizeof ev.open.entropy);
    step(im, &ev);
}

static void on_frame(void *ctx, node_link_id id, const uint8_t *frame, size_t len)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_FRAME};
    (void)id;
    ev.frame.data = frame;
    ev.frame.len = len;
    step(ctx, &ev);
    go_on(ctx);
}

static void on_sent(void *ctx, node_link_id id)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_SENT};
    (void)id;
    step(ctx, &ev);
    go_on(ctx);
}

static void on_inbox_closed(void *ctx)
{
    (void)ctx;
}

static void on_links_closed(void *ctx)
{
    struct impostor *im = ctx;
    node_inbox_close(im->inbox, on_inbox_closed, im);
}

static void on_down(void *ctx, node_link_id id, enum node_link_why why)
{
    struct impostor *im = ctx;
    struct node_session_event ev = {.kind = NODE_SESSION_EV_GONE};
    (void)id;
    step(im, &ev);
    if (!im->done) printf("{\"outcome\":\"closed\",\"why\":\"%s\"}\n", node_link_why_name(why));
    finish(im);
    node_links_close(im->links, on_links_closed, im);
}

static void on_timer(uv_timer_t *timer)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_TIMER};
    step(timer->data, &ev);
    go_on(timer->data);
}

int main(void)
{
    struct impostor *im = calloc(1, sizeof *im);
    struct node_links_events events = {
        .ctx = im, .up = on_up, .frame = on_frame, .sent = on_sent, .down = on_down};
    struct node_links_config config = {0};
    if (im == NULL || base_aead_init() != BASE_OK || base_ecdsa_init() != BASE_OK) fail("start");
    read_lies(im);
    im->admission = (struct node_admission){.snapshot = im->snapshot,
                                            .pins = &im->pins,
                                            .chain_id = im->identity.chain_id,
                                            .contract = im->identity.contract,
                                            .domain = im->identity.domain,
                                            .settings = im->identity.settings,
                                            .dev = true};
    im->env = (struct node_session_env){.identity = &im->identity,
                                        .admission = &im->admission,
                                        .record = &im->record,
                                        .ephemerals = &im->ephemerals,
                                        .ready = true};
    if (uv_loop_init(&im->loop) != 0 || node_inbox_new(&im->inbox, &im->loop) != BASE_OK ||
        node_links_new(&im->links, &im->loop, im->inbox, &config, &events) != BASE_OK ||
        uv_timer_init(&im->loop, &im->timer) != 0)
        fail("loop");
    im->timer.data = im;
    uv_timer_start(&im->timer, on_timer, 100, 100);
    if (node_link_dial(im->links, &im->link, im->url) != BASE_OK) fail("url");
    uv_run(&im->loop, UV_RUN_DEFAULT);
    return im->let_in ? 1 : 0;
}
