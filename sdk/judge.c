#include "sdk/judge.h"

#include <stdio.h>
#include <string.h>

#include "base/u256.h"

#define SENTENCE_BYTES 1024

struct texts {
    char owner[BASE_ADDRESS_TEXT_BYTES], node[2 * BASE_KEY33_BYTES + 1];
    char instance[2 * BASE_ADDRESS_BYTES + 1], token[BASE_U256_TEXT_BYTES];
};

/* A node registers where peers dial it, an application where it answers. */
static bool is_mesh_url(const char *url)
{
    return strncmp(url, "tcp://", 6) == 0 || strncmp(url, "ws://", 5) == 0 ||
           strncmp(url, "wss://", 6) == 0;
}

/* Bytes of strangers: whoever owns a seat writes its URL. */
static const char *plain_url(const struct chain_seat *seat)
{
    for (size_t i = 0; i < seat->url_len; i++)
        if (seat->url[i] <= ' ' || seat->url[i] > '~') return "";
    return seat->url;
}

static void put_texts(struct texts *t, nftmesh_peer_t *peer, const struct chain_seat *seat)
{
    const char *url = plain_url(seat);
    base_address_format(t->owner, &seat->owner);
    base_u256_format(t->token, &seat->token_id);
    peer->owner = t->owner;
    peer->token = t->token;
    *(is_mesh_url(url) ? &peer->mesh_url : &peer->url) = url;
    if (seat->has_keys) {
        base_hex_encode(t->node, seat->node_key.bytes, sizeof seat->node_key.bytes);
        peer->node = t->node;
    }
    if (!base_is_zero(&seat->instance, sizeof seat->instance)) {
        base_hex_encode(t->instance, seat->instance.bytes, sizeof seat->instance.bytes);
        peer->instance = t->instance;
    }
}

static void judge(struct node_refusal *refusal, const struct node_admission *admission,
                  const struct chain_seat *seat, const struct sdk_keyless *keyless)
{
    if (seat->has_keys) {
        (void)node_admission_judge_key(refusal, admission, &seat->node_key);
    } else if (keyless != NULL) {
        keyless->explain(keyless->ctx, refusal, seat);
    } else {
        node_refusal_set(refusal, NODE_REASON_NO_SEAT, admission->snapshot->block.number);
        node_refusal_expect(refusal, "keys registered for this seat");
        node_refusal_find(refusal, "none");
    }
}

static bool is_self(const struct sdk_self *self, const struct chain_seat *seat)
{
    return (self->has_instance && base_address_equal(&seat->instance, &self->instance)) ||
           (self->has_keys && seat->has_keys && base_key33_equal(&seat->node_key, &self->node_key));
}

static void add(struct sdk_builder *out, const struct node_admission *admission,
                const struct chain_seat *seat, const struct sdk_keyless *keyless)
{
    nftmesh_peer_t peer = {.weight = seat->weight,
                           .verified_block = admission->snapshot->block.number,
                           .state = NFTMESH_PEER_VERIFIED,
                           .rtt_ms = -1};
    struct node_refusal refusal;
    struct base_buf sentence;
    struct texts texts;
    base_buf_init(&sentence, SENTENCE_BYTES);
    put_texts(&texts, &peer, seat);
    judge(&refusal, admission, seat, keyless);
    if (refusal.reason != NODE_REASON_NONE) {
        node_refusal_explain(&sentence, &refusal);
        peer.state = NFTMESH_PEER_UNKNOWN;
        peer.reason = node_reason_name(refusal.reason);
        peer.explanation = sentence.data;
    }
    sdk_builder_add(out, &peer);
    base_buf_deinit(&sentence);
}

void sdk_judge_peers(struct sdk_builder *out, const struct node_admission *admission,
                     const struct sdk_self *self, const struct sdk_keyless *keyless)
{
    const struct chain_snapshot *snapshot = admission->snapshot;
    for (size_t i = 0; i < snapshot->seat_count; i++) {
        const struct chain_seat *seat = &snapshot->seats[i];
        bool stands = seat->has_keys || !base_is_zero(&seat->instance, sizeof seat->instance);
        if (stands && !is_self(self, seat)) add(out, admission, seat, keyless);
    }
}

nftmesh_status_t sdk_judge_self(char *why, size_t cap, const struct node_admission *admission,
                                const struct sdk_self *self)
{
    const struct chain_snapshot *snapshot = admission->snapshot;
    struct node_refusal refusal;
    const struct chain_seat *seat = chain_snapshot_find_key(snapshot, &self->node_key);
    if (seat == NULL) {
        seat = chain_snapshot_find_instance(snapshot, &self->instance);
        snprintf(why, cap, "%s",
                 seat == NULL ? "no seat on the contract is bound to this instance: call "
                                "nftmesh_register() with the key of a wallet that owns one"
                 : snapshot->kind == CHAIN_KIND_PROTOTYPE
                     ? "this contract stores no keys, and no authorisation of this data "
                       "directory's, by the seat's present owner, counts: call nftmesh_register()"
                 : seat->has_keys
                     ? "this instance's seat holds other keys than this data directory's: call "
                       "nftmesh_register() to put these on the chain, or use the directory that "
                       "registered"
                     : "this instance is bound to a seat but no keys are registered for it: call "
                       "nftmesh_register()");
        return NFTMESH_ERR_NOT_REGISTERED;
    }
    if (node_admission_judge_key(&refusal, admission, &self->node_key) != NODE_REASON_NONE) {
        snprintf(why, cap, "this instance's seat does not count: %s (%s)",
                 node_reason_name(refusal.reason), refusal.found);
        return NFTMESH_ERR_NOT_REGISTERED;
    }
    if (base_address_equal(&seat->instance, &self->instance) &&
        base_key33_equal(&seat->proof_key, &self->proof_key))
        return NFTMESH_OK;
    snprintf(why, cap,
             "the seat with this node key names another instance or app proof key: call "
             "nftmesh_register()");
    return NFTMESH_ERR_NOT_REGISTERED;
}
