#include "mesh_fixture.h"

#include "attest/sigchain.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int rv)
{
    assert(rv == BASE_OK);
}

static struct base_hash32 hash_of(const char *label)
{
    struct base_hash32 hash;
    base_sha256_2(&hash, "mesh fixture: ", 14, label, strlen(label));
    return hash;
}

void mesh_fixture_address(struct base_eth_address *out, const char *label)
{
    struct base_hash32 hash = hash_of(label);
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
}

void mesh_fixture_privkey(struct base_privkey *out, const char *label)
{
    struct base_hash32 hash = hash_of(label);
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
    must(base_ecdsa_privkey_check(out));
}

void mesh_fixture_keys(const struct mesh_fixture *f, struct node_keyset *out, const char *label,
                       uint64_t token_id)
{
    char path[ATTEST_PATH_BYTES];
    struct base_hash32 seed = hash_of(label);
    memset(out, 0, sizeof *out);
    mesh_fixture_address(&out->instance, label);
    attest_proof_path(path, FIXTURE_CHAIN_ID, &f->head.contract, &out->instance);
    must(attest_derive_key(&out->proof_priv, &f->app_priv, path, strlen(path)));
    must(base_ecdsa_pubkey(&out->proof_key, &out->proof_priv));
    must(attest_derive_node_key(&out->node_priv, &out->proof_priv, seed.bytes));
    must(base_ecdsa_pubkey(&out->node_key, &out->node_priv));
    out->app_id = f->app_id;
    out->app_key = f->app_key;
    must(attest_sign_app(&out->app_sig, &f->app_priv, ATTEST_PURPOSE, strlen(ATTEST_PURPOSE),
                         out->proof_key.bytes, BASE_KEY33_BYTES));
    must(attest_sign_kms(&out->kms_sig, &f->kms_priv, &f->app_id, &f->app_key));
    out->token_id = base_u256_from_u64(token_id);
}

void mesh_fixture_record(struct gossip_signed_record *out, const struct node_keyset *keys,
                         const struct base_eth_address *instance, uint64_t incarnation,
                         const struct base_eip712_domain *domain)
{
    struct gossip_record record = {.node_key = keys->node_key, .incarnation = incarnation};
    struct base_hash32 digest;
    record.sequence = 1;
    record.instance = *instance;
    record.name = (struct base_slice){(const uint8_t *)"node", 4};
    record.version = (struct base_slice){(const uint8_t *)"0.1.0", 5};
    must(gossip_record_encode(out->body, &out->body_len, sizeof out->body, &record));
    base_eip712_statement(&digest, domain, BASE_STATEMENT_RECORD, out->body, out->body_len);
    must(base_ecdsa_sign(&out->sig, &digest, &keys->node_priv));
}

void mesh_fixture_register(struct chain_seat *seat, const struct node_keyset *keys)
{
    char label[32];
    memset(seat, 0, sizeof *seat);
    seat->token_id = keys->token_id;
    snprintf(label, sizeof label, "owner %u", keys->token_id.bytes[31]);
    mesh_fixture_address(&seat->owner, label);
    seat->bound_by = seat->owner;
    seat->instance = keys->instance;
    seat->has_keys = true;
    seat->node_key = keys->node_key;
    seat->proof_key = keys->proof_key;
    seat->app_id = keys->app_id;
    seat->root_epoch = 1;
    seat->expires_at = FIXTURE_TIME_S + 1000000;
    seat->active = true;
    seat->weight = 1;
}

static void init_chain(struct mesh_fixture *f)
{
    mesh_fixture_privkey(&f->kms_priv, "kms root");
    struct base_key33 root_key;
    must(base_ecdsa_pubkey(&root_key, &f->kms_priv));
    must(base_ecdsa_address(&f->kms_root, &root_key));
    mesh_fixture_address(&f->app_id, "app");
    must(attest_derive_app_key(&f->app_priv, &f->kms_priv, &f->app_id));
    must(base_ecdsa_pubkey(&f->app_key, &f->app_priv));
    must(attest_pins_set_flags(&f->pins, &f->kms_root, 1, &f->app_id, 1));
    f->head.chain_id = FIXTURE_CHAIN_ID;
    mesh_fixture_address(&f->head.contract, "contract");
    f->head.block.number = 100;
    f->head.block.time_s = FIXTURE_TIME_S;
    f->head.kms_root = f->kms_root;
    f->head.root_epoch = 1;
    f->head.app_ids[0] = f->app_id;
    f->head.app_id_count = 1;
    f->head.roots[0] = (struct chain_root){f->kms_root, 1};
    f->head.root_count = 1;
}

static void init_node(struct mesh_fixture *f, size_t i)
{
    struct fixture_node *n = &f->nodes[i];
    struct node_identity *id = &n->identity;
    char label[32];
    snprintf(label, sizeof label, "node %zu", i);
    mesh_fixture_keys(f, &id->keys, label, i + 1);
    node_identity_set_mesh(id, FIXTURE_CHAIN_ID, &f->head.contract);
    snprintf(label, sizeof label, "boot %zu", i);
    struct base_hash32 boot = hash_of(label);
    memcpy(id->boot_id, boot.bytes, sizeof id->boot_id);
    id->start_incarnation = FIXTURE_TIME_S + i;
    id->features = ATTEST_FEATURES;
    strcpy(id->settings, FIXTURE_SETTINGS);
    mesh_fixture_record(&n->record, &id->keys, &id->keys.instance, id->start_incarnation,
                        &id->domain);
    mesh_fixture_register(&f->seats[i], &id->keys);
    n->admission.pins = &f->pins;
    n->admission.chain_id = FIXTURE_CHAIN_ID;
    n->admission.contract = f->head.contract;
    n->admission.domain = id->domain;
    n->admission.settings = FIXTURE_SETTINGS;
    n->env = (struct node_session_env){.identity = &n->identity,
                                       .admission = &n->admission,
                                       .record = &n->record,
                                       .other_record = &n->other_record,
                                       .ephemerals = &n->ephemerals,
                                       .ready = true};
}

void mesh_fixture_init(struct mesh_fixture *f)
{
    must(base_aead_init());
    must(base_ecdsa_init());
    memset(f, 0, sizeof *f);
    init_chain(f);
    for (size_t i = 0; i < FIXTURE_NODES; i++)
        init_node(f, i);
    mesh_fixture_publish(f);
}

void mesh_fixture_deinit(struct mesh_fixture *f)
{
    for (size_t i = 0; i < f->snapshot_count; i++)
        chain_snapshot_free(f->snapshots[i]);
    node_authority_free(f->prototype.authority);
    memset(f, 0, sizeof *f);
}

struct chain_snapshot *mesh_fixture_snapshot(struct mesh_fixture *f)
{
    struct chain_snapshot *snapshot;
    assert(f->snapshot_count < FIXTURE_SNAPSHOTS);
    f->head.block.number++;
    if (f->prototype.on) f->head.block = mesh_fixture_block(f, f->head.block.number);
    must(chain_snapshot_new(&snapshot, &f->head, f->seats, FIXTURE_NODES));
    f->snapshots[f->snapshot_count++] = snapshot;
    return snapshot;
}

/* --- the prototype's contract ---------------------------------------------------------------- */

static bool know_block(void *ctx, uint64_t number, struct chain_block *out)
{
    const struct mesh_fixture *f = ctx;
    if (number == f->prototype.block_hidden) return false;
    *out = mesh_fixture_block(f, number);
    return true;
}

struct chain_block mesh_fixture_block(const struct mesh_fixture *f, uint64_t number)
{
    char label[48];
    bool forked = f->prototype.forked != 0 && number >= f->prototype.forked;
    struct chain_block block = {.number = number};
    snprintf(label, sizeof label, "block %llu%s", (unsigned long long)number, forked ? "b" : "");
    block.hash = hash_of(label);
    block.time_s = FIXTURE_TIME_S + 12 * number;
    return block;
}

void mesh_fixture_owner(struct base_privkey *out, uint64_t token_id)
{
    char label[32];
    snprintf(label, sizeof label, "wallet %llu", (unsigned long long)token_id);
    mesh_fixture_privkey(out, label);
}

static struct base_eth_address owner_address(uint64_t token_id)
{
    struct base_privkey priv;
    struct base_key33 key;
    struct base_eth_address address;
    mesh_fixture_owner(&priv, token_id);
    must(base_ecdsa_pubkey(&key, &priv));
    must(base_ecdsa_address(&address, &key));
    return address;
}

void mesh_fixture_to_prototype(struct mesh_fixture *f)
{
    struct fixture_prototype *p = &f->prototype;
    p->on = true;
    must(node_authority_new(&p->authority));
    f->head.kind = CHAIN_KIND_PROTOTYPE;
    f->head.transfers_from_block = 1;
    p->world = (struct node_authority_world){
        .pins = &f->pins,
        .domain = f->nodes[0].identity.domain,
        .app_ids = &f->app_id,
        .app_id_count = 1,
        .block = know_block,
        .ctx = f,
    };
    for (size_t i = 0; i < FIXTURE_NODES; i++) {
        f->seats[i] = (struct chain_seat){
            .token_id = f->nodes[i].identity.keys.token_id,
            .owner = owner_address(i + 1),
            .instance = f->nodes[i].identity.keys.instance,
            .active = true,
            .weight = 1,
        };
        f->nodes[i].admission.authority = p->authority;
        f->nodes[i].admission.world = &p->world;
    }
    mesh_fixture_publish(f);
}

void mesh_fixture_sign_bundle(const struct mesh_fixture *f, struct node_bundle *bundle,
                              const struct node_keyset *keys)
{
    struct base_privkey owner;
    struct base_hash32 digest;
    uint64_t token_id;
    must(base_u256_to_u64(&token_id, &bundle->token_id));
    mesh_fixture_owner(&owner, token_id);
    node_bundle_digest(&digest, &f->prototype.world.domain, bundle);
    must(base_ecdsa_sign(&bundle->owner_sig, &digest, &owner));
    if (bundle->revokes) return;
    must(base_ecdsa_sign(&bundle->node_sig, &digest, &keys->node_priv));
    must(base_ecdsa_sign(&bundle->proof_sig, &digest, &keys->proof_priv));
}

void mesh_fixture_bundle(const struct mesh_fixture *f, struct node_bundle *out,
                         const struct node_keyset *keys, uint64_t block)
{
    struct chain_block issued = mesh_fixture_block(f, block);
    uint64_t token_id;
    must(base_u256_to_u64(&token_id, &keys->token_id));
    *out = (struct node_bundle){
        .token_id = keys->token_id,
        .owner = owner_address(token_id),
        .issued_block = block,
        .issued_block_hash = issued.hash,
        .not_after = issued.time_s + NODE_AUTHORITY_TERM_S - 3600,
        .instance = keys->instance,
        .node_key = keys->node_key,
    };
    node_proof_of(&out->proof, keys);
    mesh_fixture_sign_bundle(f, out, keys);
}

void mesh_fixture_revocation(const struct mesh_fixture *f, struct node_bundle *out,
                             uint64_t token_id, uint64_t block)
{
    *out = (struct node_bundle){
        .revokes = true,
        .token_id = base_u256_from_u64(token_id),
        .owner = owner_address(token_id),
        .issued_block = block,
        .issued_block_hash = mesh_fixture_block(f, block).hash,
    };
    mesh_fixture_sign_bundle(f, out, NULL);
}

void mesh_fixture_publish(struct mesh_fixture *f)
{
    struct chain_snapshot *snapshot = mesh_fixture_snapshot(f);
    if (f->prototype.on) {
        assert(f->snapshot_count < FIXTURE_SNAPSHOTS);
        f->prototype.world.raw = snapshot;
        node_authority_renew(f->prototype.authority, &f->prototype.world);
        must(node_authority_derive(&snapshot, f->prototype.authority, &f->prototype.world));
        f->snapshots[f->snapshot_count++] = snapshot;
    }
    for (size_t i = 0; i < FIXTURE_NODES; i++)
        f->nodes[i].admission.snapshot = snapshot;
}

/* --- link ------------------------------------------------------------------------------------ */

static void init_end(struct fixture_end *end, const struct fixture_node *node)
{
    if (node == NULL) return;
    must(node_session_new(&end->session, &node->env));
    end->out = malloc(sizeof *end->out);
    assert(end->out != NULL);
}

void fixture_link_init(struct fixture_link *link, const struct fixture_node *dialer,
                       const struct fixture_node *acceptor)
{
    memset(link, 0, sizeof *link);
    link->now_ms = 1000000;
    init_end(&link->ends[0], dialer);
    init_end(&link->ends[1], acceptor);
}

void fixture_link_deinit(struct fixture_link *link)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture_end *end = &link->ends[i];
        for (size_t m = end->head; m < end->tail; m++)
            free(end->queue[m % FIXTURE_MESSAGES].data);
        node_session_free(end->session);
        free(end->out);
    }
    memset(link, 0, sizeof *link);
}

void fixture_link_put(struct fixture_link *link, size_t end, const void *data, size_t len)
{
    struct fixture_end *from = &link->ends[end];
    unsigned index = from->sends++;
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert(copy != NULL && from->tail - from->head < FIXTURE_MESSAGES);
    if (len > 0) memcpy(copy, data, len);
    bool lost = link->cut[end];
    if (!lost && link->tamper != NULL) lost = !link->tamper(link, end, index, copy, &len);
    if (lost) {
        free(copy);
        return;
    }
    from->queue[from->tail++ % FIXTURE_MESSAGES] = (struct fixture_message){copy, len};
}

bool fixture_link_take(struct fixture_link *link, size_t end, uint8_t *data, size_t *len)
{
    struct fixture_end *from = &link->ends[1 - end];
    if (from->head == from->tail) return false;
    struct fixture_message m = from->queue[from->head++ % FIXTURE_MESSAGES];
    assert(m.len <= ATTEST_FRAME_BYTES_MAX + 64);
    memcpy(data, m.data, m.len);
    *len = m.len;
    free(m.data);
    return true;
}

static void note_frame(struct fixture_end *end, const struct node_session_action *a)
{
    assert(a->frame.type < FIXTURE_FRAMES);
    end->frames[a->frame.type]++;
    end->frame_type = a->frame.type;
    end->frame_len = a->frame.len;
    memcpy(end->frame_body, a->frame.body,
           a->frame.len < sizeof end->frame_body ? a->frame.len : sizeof end->frame_body);
}

static void perform(struct fixture_link *link, size_t i, const struct node_session_action *a)
{
    struct fixture_end *end = &link->ends[i];
    assert(!end->pipe_closed); /* CLOSE is the last */
    switch (a->kind) {
    case NODE_SESSION_SEND:
        fixture_link_put(link, i, a->send.data, a->send.len);
        break;
    case NODE_SESSION_JUDGED:
        end->judged++;
        break;
    case NODE_SESSION_WAITING:
        end->waiting++;
        break;
    case NODE_SESSION_UP:
        assert(end->ups == 0 && end->refusals == 0);
        end->ups++;
        break;
    case NODE_SESSION_VOTES:
        end->votes++;
        break;
    case NODE_SESSION_DOWN:
        assert(end->ups == 1 && end->downs == 0);
        end->downs++;
        end->down = *a;
        break;
    case NODE_SESSION_REFUSED:
        assert(end->ups == 0 && end->refusals == 0);
        end->refusals++;
        end->refused = *a;
        break;
    case NODE_SESSION_FRAME:
        assert(end->ups == 1 && end->downs == 0);
        note_frame(end, a);
        break;
    case NODE_SESSION_ANSWER:
        assert(end->ups == 1 && end->downs == 0);
        end->answers++;
        end->answer = *a;
        break;
    case NODE_SESSION_RENEW:
        end->renewals++;
        break;
    case NODE_SESSION_CLOSE:
        assert(end->ups == end->downs);
        end->closes++;
        end->close = a->close;
        end->pipe_closed = true;
        break;
    }
}

/* What the rim does: performs the actions, takes the message, answers JUDGED. */
static int step_end(struct fixture_link *link, size_t i, const struct node_session_event *ev)
{
    struct fixture_end *end = &link->ends[i];
    bool sent = false, judged = false;
    if (end->pipe_closed) return BASE_ECLOSED;
    int rv = node_session_step(end->session, link->now_ms, ev, end->out);
    for (size_t a = 0; a < end->out->count; a++) {
        struct node_session_action action = end->out->list[a];
        perform(link, i, &action);
        if (action.kind == NODE_SESSION_SEND) sent = true;
        if (action.kind == NODE_SESSION_JUDGED) judged = true;
    }
    if (judged && !end->hold_verdict)
        step_end(link, i, &(struct node_session_event){.kind = NODE_SESSION_EV_ADMIT});
    if (sent && !end->hold_sent)
        step_end(link, i, &(struct node_session_event){.kind = NODE_SESSION_EV_SENT});
    return rv;
}

static bool deliver(struct fixture_link *link, size_t to)
{
    static uint8_t data[ATTEST_FRAME_BYTES_MAX + 64];
    struct fixture_end *end = &link->ends[to];
    size_t len;
    if (end->session == NULL) return false; /* the puppet takes for itself */
    if (!fixture_link_take(link, to, data, &len)) return false;
    struct node_session_event ev = {.kind = NODE_SESSION_EV_FRAME};
    ev.frame.data = data;
    ev.frame.len = len;
    step_end(link, to, &ev);
    return true;
}

/* A pipe closed by one end is gone for the other, once it has read what was sent before. */
static bool spread_close(struct fixture_link *link, size_t from)
{
    struct fixture_end *end = &link->ends[1 - from];
    if (!link->ends[from].pipe_closed || end->session == NULL || end->pipe_closed) return false;
    step_end(link, 1 - from, &(struct node_session_event){.kind = NODE_SESSION_EV_GONE});
    assert(end->pipe_closed);
    return true;
}

void fixture_link_run(struct fixture_link *link)
{
    if (link->paused) return;
    while (deliver(link, 1) || deliver(link, 0) || spread_close(link, 0) || spread_close(link, 1))
        continue;
}

int fixture_link_step(struct fixture_link *link, size_t end, const struct node_session_event *ev)
{
    int rv = step_end(link, end, ev);
    fixture_link_run(link);
    return rv;
}

int fixture_link_kind(struct fixture_link *link, size_t end, enum node_session_event_kind kind)
{
    return fixture_link_step(link, end, &(struct node_session_event){.kind = kind});
}

int fixture_link_queue(struct fixture_link *link, size_t end, uint8_t type, const void *body,
                       size_t len, uint32_t replace)
{
    struct node_session_event ev = {.kind = NODE_SESSION_EV_QUEUE};
    ev.queue.type = type;
    ev.queue.body = body;
    ev.queue.len = len;
    ev.queue.replace = replace;
    return fixture_link_step(link, end, &ev);
}

static void draw(struct fixture_link *link, uint8_t out[32])
{
    char label[32];
    snprintf(label, sizeof label, "entropy %u", link->entropy++);
    struct base_hash32 hash = hash_of(label);
    memcpy(out, hash.bytes, 32);
}

int fixture_link_open(struct fixture_link *link, const struct base_key33 *remote)
{
    int rv = BASE_OK;
    for (size_t i = 2; i-- > 0;) {
        if (link->ends[i].session == NULL) continue;
        struct node_session_event ev = {.kind = NODE_SESSION_EV_OPEN};
        ev.open.dialed = i == 0;
        if (i == 0) ev.open.remote = *remote;
        draw(link, ev.open.entropy);
        rv = step_end(link, i, &ev);
    }
    fixture_link_run(link);
    return rv;
}

void fixture_link_advance(struct fixture_link *link, uint64_t ms)
{
    uint64_t until = link->now_ms + ms;
    for (;;) {
        uint64_t next = until;
        for (size_t i = 0; i < 2; i++) {
            if (link->ends[i].session == NULL || link->ends[i].pipe_closed) continue;
            uint64_t at = node_session_deadline_ms(link->ends[i].session);
            if (at < next) next = at;
        }
        if (next > link->now_ms) link->now_ms = next;
        for (size_t i = 0; i < 2; i++) {
            if (link->ends[i].session == NULL || link->ends[i].pipe_closed) continue;
            if (node_session_deadline_ms(link->ends[i].session) > link->now_ms) continue;
            step_end(link, i, &(struct node_session_event){.kind = NODE_SESSION_EV_TIMER});
            /* A deadline that a TIMER does not move would spin the loop. */
            assert(link->ends[i].pipe_closed ||
                   node_session_deadline_ms(link->ends[i].session) > link->now_ms);
        }
        fixture_link_run(link);
        if (link->now_ms >= until) return;
    }
}

/* --- puppet ---------------------------------------------------------------------------------- */

static void take_keys(struct puppet *p, struct attest_noise_keys *keys)
{
    p->h = keys->h;
    p->remote = keys->remote_static;
    attest_cipher_init(&p->cipher, keys);
    attest_noise_keys_deinit(keys);
}

bool puppet_dial(struct puppet *p, struct fixture_link *link, const struct node_keyset *keys,
                 const struct base_key33 *remote, uint64_t chain_id,
                 const struct base_eth_address *contract)
{
    static uint8_t data[ATTEST_FRAME_BYTES_MAX + 64];
    uint8_t prologue[ATTEST_PROLOGUE_BYTES];
    struct base_privkey ephemeral;
    struct attest_noise_keys out;
    size_t len;
    memset(p, 0, sizeof *p);
    p->link = link;
    p->end = 0;
    attest_prologue(prologue, chain_id, contract);
    draw(link, ephemeral.bytes);
    must(attest_noise_dial(&p->noise, data, prologue, sizeof prologue, remote, &ephemeral));
    fixture_link_put(link, 0, data, ATTEST_ACT1_BYTES);
    fixture_link_run(link);
    if (!fixture_link_take(link, 0, data, &len)) return false;
    must(attest_noise_read_act2(&p->noise, data, len));
    attest_noise_write_act3(&p->noise, data, &out, &keys->node_priv);
    take_keys(p, &out);
    fixture_link_put(link, 0, data, ATTEST_ACT3_BYTES);
    fixture_link_run(link);
    return true;
}

bool puppet_accept(struct puppet *p, struct fixture_link *link, const struct node_keyset *keys)
{
    static uint8_t data[ATTEST_FRAME_BYTES_MAX + 64];
    uint8_t prologue[ATTEST_PROLOGUE_BYTES];
    struct base_privkey ephemeral;
    struct base_eth_address contract;
    struct attest_noise_keys out;
    size_t len, which;
    memset(p, 0, sizeof *p);
    p->link = link;
    p->end = 1;
    mesh_fixture_address(&contract, "contract");
    attest_prologue(prologue, FIXTURE_CHAIN_ID, &contract);
    draw(link, ephemeral.bytes);
    if (!fixture_link_take(link, 1, data, &len)) return false;
    must(attest_noise_accept(&p->noise, &which, prologue, sizeof prologue, &keys->node_priv, 1,
                             data, len));
    must(attest_noise_write_act2(&p->noise, data, &ephemeral));
    fixture_link_put(link, 1, data, ATTEST_ACT2_BYTES);
    fixture_link_run(link);
    if (!fixture_link_take(link, 1, data, &len)) return false;
    must(attest_noise_read_act3(&p->noise, &out, data, len));
    take_keys(p, &out);
    return true;
}

size_t puppet_seal(struct puppet *p, uint8_t *out, uint8_t type, const void *body, size_t len)
{
    size_t out_len;
    attest_cipher_seal(&p->cipher, out, &out_len, type, body, len);
    return out_len;
}

void puppet_send(struct puppet *p, uint8_t type, const void *body, size_t len)
{
    static uint8_t frame[ATTEST_FRAME_BYTES_MAX];
    size_t frame_len = puppet_seal(p, frame, type, body, len);
    fixture_link_put(p->link, p->end, frame, frame_len);
    fixture_link_run(p->link);
}

bool puppet_recv(struct puppet *p, uint8_t *type, uint8_t *body, size_t *len)
{
    static uint8_t data[ATTEST_FRAME_BYTES_MAX + 64];
    struct attest_frame frame;
    size_t data_len;
    if (!fixture_link_take(p->link, p->end, data, &data_len)) return false;
    must(attest_cipher_open(&p->cipher, &frame, data, data_len));
    *type = frame.type;
    *len = frame.body_len;
    if (frame.body_len > 0) memcpy(body, frame.body, frame.body_len);
    return true;
}

void puppet_hello(struct puppet *p, const struct fixture_node *node)
{
    uint8_t hello[ATTEST_HELLO_BYTES_MAX];
    size_t len;
    enum base_role role = p->end == 0 ? BASE_ROLE_INITIATOR : BASE_ROLE_RESPONDER;
    must(node_identity_hello(hello, &len, &node->identity, &node->identity.keys, &node->record,
                             role, &p->h));
    puppet_send(p, ATTEST_FRAME_HELLO, hello, len);
}
