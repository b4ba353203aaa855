#include "node/session_internal.h"

#include "base/ecdsa.h"
#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void remember_ephemeral(struct node_ephemerals *e, const uint8_t act1[ATTEST_ACT1_BYTES])
{
    memcpy(e->keys[e->next].bytes, act1 + 1, BASE_KEY33_BYTES);
    e->next = (e->next + 1) % NODE_SESSION_EPHEMERALS;
}

static bool is_own_ephemeral(const struct node_ephemerals *e, const struct base_key33 *key)
{
    for (size_t i = 0; i < NODE_SESSION_EPHEMERALS; i++)
        if (base_key33_equal(&e->keys[i], key)) return true;
    return false;
}

static void owe_act(struct node_session *s, size_t len)
{
    s->act_len = len;
    s->owes |= OWES_ACT;
}

static int dial(struct node_session *s, const struct base_key33 *remote)
{
    const struct node_identity *identity = s->env->identity;
    uint8_t prologue[ATTEST_PROLOGUE_BYTES];
    if (node_identity_owns(identity, remote)) return BASE_EINVAL;
    attest_prologue(prologue, identity->chain_id, &identity->contract);
    int rv = attest_noise_dial(&s->noise, s->act, prologue, sizeof prologue, remote, &s->ephemeral);
    if (rv != BASE_OK) return rv;
    remember_ephemeral(s->env->ephemerals, s->act);
    s->own = identity->keys.node_key;
    s->remote = *remote;
    s->phase = WAITS_ACT2;
    owe_act(s, ATTEST_ACT1_BYTES);
    return BASE_OK;
}

int node__session_open_link(struct node_session *s, const struct node_session_event *ev)
{
    assert(s->phase == IDLE);
    memcpy(s->ephemeral.bytes, ev->open.entropy, sizeof s->ephemeral.bytes);
    int rv = base_ecdsa_privkey_check(&s->ephemeral);
    if (rv != BASE_OK) return rv;
    s->dialed = ev->open.dialed;
    s->deadline_ms = s->now_ms + NODE_SESSION_HANDSHAKE_MS;
    if (s->dialed) {
        rv = dial(s, &ev->open.remote);
        if (rv != BASE_OK) return rv;
    } else {
        s->phase = WAITS_ACT1;
    }
    return BASE_OK;
}

static bool act1_is_over_budget(struct node_ephemerals *shared, uint64_t now_ms)
{
    if (now_ms - shared->act1_since_ms >= 1000) {
        shared->act1_since_ms = now_ms;
        shared->act1_count = 0;
    }
    if (shared->act1_count == NODE_SESSION_ACT1_PER_SECOND) return true;
    shared->act1_count++;
    return false;
}

/* Line 0. Bytes that are no act 1 are junk; an act 1 under another prologue, or to a key that we do
 * not have, is another mesh, or a key of ours that is gone. */
void node__session_read_act1(struct node_session *s, const uint8_t *data, size_t len,
                             struct node_session_actions *out)
{
    const struct node_identity *identity = s->env->identity;
    struct base_privkey locals[2] = {identity->keys.node_priv, identity->other.node_priv};
    uint8_t prologue[ATTEST_PROLOGUE_BYTES];
    size_t which = 0;
    if (len == ATTEST_ACT1_BYTES && act1_is_over_budget(s->env->ephemerals, s->now_ms)) {
        base_memzero(locals, sizeof locals);
        node__session_refuse_plain(s, NODE_REASON_BUSY, "too many handshakes in this second", out);
        return;
    }
    attest_prologue(prologue, identity->chain_id, &identity->contract);
    int rv = attest_noise_accept(&s->noise, &which, prologue, sizeof prologue, locals,
                                 identity->has_other ? 2 : 1, data, len);
    base_memzero(locals, sizeof locals);
    if (rv != BASE_OK) {
        bool foreign = rv == BASE_EAUTH;
        node__session_refuse_plain(s, foreign ? NODE_REASON_NOT_THIS_MESH : NODE_REASON_JUNK,
                                   base_strerror(rv), out);
        return;
    }
    s->own = which == 0 ? identity->keys.node_key : identity->other.node_key;
    s->met_ourselves = is_own_ephemeral(s->env->ephemerals, &s->noise.remote_ephemeral);
    rv = attest_noise_write_act2(&s->noise, s->act, &s->ephemeral);
    assert(rv == BASE_OK); /* the ephemeral key was checked at OPEN */
    s->deadline_ms = s->now_ms + NODE_SESSION_HANDSHAKE_MS;
    s->phase = WAITS_ACT3;
    owe_act(s, ATTEST_ACT2_BYTES);
}

static void take_keys(struct node_session *s, struct attest_noise_keys *keys)
{
    s->remote = keys->remote_static;
    s->peer.h = keys->h;
    s->proved = true;
    attest_cipher_init(&s->cipher, keys);
    attest_noise_keys_deinit(keys);
    attest_noise_deinit(&s->noise);
    base_memzero(&s->ephemeral, sizeof s->ephemeral);
    s->phase = WAITS_HELLO;
}

void node__session_read_act2(struct node_session *s, const uint8_t *data, size_t len,
                             struct node_session_actions *out)
{
    struct attest_noise_keys keys;
    const struct node_keyset *own = node__session_own_keys(s);
    int rv = own == NULL ? BASE_EKEY : attest_noise_read_act2(&s->noise, data, len);
    if (rv != BASE_OK) {
        node__session_refuse_plain(s, NODE_REASON_HANDSHAKE, base_strerror(rv), out);
        return;
    }
    attest_noise_write_act3(&s->noise, s->act, &keys, &own->node_priv);
    take_keys(s, &keys);
    owe_act(s, ATTEST_ACT3_BYTES);
    s->owes |= OWES_HELLO;
}

/* Line 1: only a seat's holder gets further. A node that cannot judge yet says so to a HELLO. */
void node__session_read_act3(struct node_session *s, const uint8_t *data, size_t len,
                             struct node_session_actions *out)
{
    struct attest_noise_keys keys;
    struct node_refusal refusal;
    int rv = attest_noise_read_act3(&s->noise, &keys, data, len);
    if (rv != BASE_OK) {
        node__session_refuse_plain(s, NODE_REASON_HANDSHAKE, base_strerror(rv), out);
        return;
    }
    take_keys(s, &keys);
    enum node_reason reason = node_admission_judge_static(
        &refusal, s->env->admission, s->env->identity, &s->remote, s->met_ourselves);
    bool ours = reason == NODE_REASON_SELF || reason == NODE_REASON_COPY;
    bool can_judge = s->env->ready || s->env->votes_only;
    if (!ours && (!can_judge || reason == NODE_REASON_NOT_READY)) return;
    if (reason != NODE_REASON_NONE && !node__session_may_vote(s, reason))
        node__session_refuse_with(s, &refusal, NULL, out);
    else if (s->env->busy)
        node__session_refuse_plain(s, NODE_REASON_BUSY, "over budget", out);
}

static void keep_peer(struct node_session *s, const struct attest_hello *hello)
{
    struct node_proof proof = {hello->proof_key, hello->app_id, hello->app_key, hello->app_sig,
                               hello->kms_sig};
    struct node_session_shown *shown = s->peer.shown;
    assert(hello->record.len <= sizeof shown->record.body);
    memcpy(shown->record.body, hello->record.data, hello->record.len);
    shown->record.body_len = hello->record.len;
    shown->record.sig = hello->record_sig;
    shown->has_bundle = hello->has_authorisation;
    node_proof_encode(shown->proof, &proof);
    memcpy(s->peer.boot_id, hello->boot_id, sizeof s->peer.boot_id);
    s->peer.start_incarnation = hello->start_incarnation;
    s->peer.wire_minor = hello->wire_minor;
    s->peer.features = hello->features;
    s->judged = true;
}

void node__session_read_hello(struct node_session *s, const struct attest_frame *frame,
                              struct node_session_actions *out)
{
    struct node_hello_input in = {
        .role = s->dialed ? BASE_ROLE_RESPONDER : BASE_ROLE_INITIATOR, /* the peer's */
        .h = s->peer.h,
        .node_key = s->remote,
        .data = frame->body,
        .len = frame->body_len,
    };
    struct attest_hello hello;
    struct node_refusal refusal;
    if (s->env->votes_only ? node__session_is_idle(s) : !s->env->ready) {
        node__session_refuse_plain(s, NODE_REASON_NOT_READY, "no seat of our own", out);
        return;
    }
    s->peer.shown = calloc(1, sizeof *s->peer.shown);
    if (s->peer.shown == NULL) {
        node__session_refuse_plain(s, NODE_REASON_BUSY, "out of memory", out);
        return;
    }
    enum node_reason reason = node_admission_judge_hello(
        &refusal, &hello, &s->peer.facts, &s->peer.shown->bundle, s->env->admission, &in);
    if (reason == NODE_REASON_NOT_YET || reason == NODE_REASON_VERIFYING)
        node__session_add(out, NODE_SESSION_WAITING)->bundle = &s->peer.shown->bundle;
    bool is_out = node__session_may_vote(s, reason);
    if (reason != NODE_REASON_NONE && !is_out) {
        node__session_refuse_with(s, &refusal, NULL, out);
        return;
    }
    if (is_out) /* the handshake has proved the key, which the epoch knows */
        s->peer.facts = (struct node_facts){s->remote, hello.proof_key, hello.token_id,
                                            hello.instance, hello.app_id};
    s->votes_only = is_out || s->env->votes_only;
    keep_peer(s, &hello);
    s->phase = WAITS_VERDICT;
    node__session_add(out, NODE_SESSION_JUDGED)->peer = &s->peer;
}

/* Proof that no peer can make up: signed with our own N, over this very handshake, by a process
 * that is not this one. */
static enum node_copy_proof judge_copy(const struct node_session *s,
                                       const struct node_refuse *refuse)
{
    const struct node_identity *identity = s->env->identity;
    const struct node_alive *alive = &refuse->alive;
    if (refuse->code != NODE_CODE_KEY_IN_USE || !refuse->has_alive) return NODE_COPY_NONE;
    if (memcmp(alive->boot_id, identity->boot_id, NODE_BOOT_ID_BYTES) == 0) return NODE_COPY_NONE;
    if (node_alive_verify(alive, &identity->domain, &s->peer.h, &s->own) != BASE_OK)
        return NODE_COPY_NONE;
    int order = node_alive_compare(identity->start_incarnation, identity->boot_id,
                                   alive->start_incarnation, alive->boot_id);
    return order > 0 ? NODE_COPY_YOUNGER : NODE_COPY_OLDER;
}

void node__session_read_refuse(struct node_session *s, const struct attest_frame *frame,
                               struct node_session_actions *out)
{
    struct node_refuse refuse;
    if (node_refuse_decode(&refuse, frame->body, frame->body_len) != BASE_OK) {
        node__session_break_off(s, "a REFUSE that does not follow its format", out);
        return;
    }
    struct node_session_action *action;
    if (s->phase == UP) { /* we are up and the peer, who waits for READY, has changed its mind */
        action = node__session_go_down(s, NODE_REASON_REFUSED, out);
        action->down.by_peer = true;
        action->down.code = refuse.code;
        memcpy(action->down.text, refuse.text, sizeof refuse.text);
        node__session_close_now(s, NODE_REASON_REFUSED, out);
        return;
    }
    enum node_copy_proof copy = judge_copy(s, &refuse);
    enum node_reason reason = copy == NODE_COPY_NONE ? NODE_REASON_REFUSED : NODE_REASON_KEY_IN_USE;
    action = node__session_add(out, NODE_SESSION_REFUSED);
    node_refusal_set(&action->refused.refusal, reason, 0);
    node_refusal_find(&action->refused.refusal, "code %u %s", (unsigned)refuse.code,
                      node_code_name(refuse.code));
    action->refused.by_peer = true;
    action->refused.code = refuse.code;
    action->refused.retry_s = refuse.retry_s;
    memcpy(action->refused.text, refuse.text, sizeof refuse.text);
    action->refused.copy = copy;
    if (copy != NODE_COPY_NONE) action->refused.alive = refuse.alive;
    node__session_close_now(s, reason, out);
}
