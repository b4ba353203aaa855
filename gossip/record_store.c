#include "gossip/record_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/aead.h"
#include "base/err.h"

/* The greatest holds a head, GOSSIP_RECORD_BYTES_MAX and 256 bytes of proof. */
static const size_t class_bytes[GOSSIP__SIZE_CLASSES] = {256, 384, 512, 768, 1024, 1536};

int gossip__store_init(struct gossip__store *store, size_t count_max, uint64_t seed)
{
    size_t chains = 16, bytes = 0;
    *store = (struct gossip__store){.count_max = count_max, .seed = seed};
    while (chains < count_max)
        chains *= 2;
    for (size_t i = 0; i < GOSSIP__SIZE_CLASSES; i++)
        bytes += count_max * class_bytes[i];
    store->chain_mask = chains - 1;
    store->chains = calloc(chains, sizeof *store->chains);
    store->memory = malloc(bytes);
    if (store->chains == NULL || store->memory == NULL) return BASE_ENOMEM;
    store->regions[0] = store->memory;
    for (size_t i = 1; i < GOSSIP__SIZE_CLASSES; i++)
        store->regions[i] = store->regions[i - 1] + count_max * class_bytes[i - 1];
    return BASE_OK;
}

void gossip__store_deinit(struct gossip__store *store)
{
    free(store->chains);
    free(store->memory);
}

uint64_t gossip__digest_of(const struct base_key33 *key, uint64_t incarnation, uint64_t sequence,
                           uint64_t leave_incarnation, const struct base_slice *body)
{
    uint8_t text[BASE_KEY33_BYTES + 24 + BASE_HASH32_BYTES];
    struct base_hash32 hash = {0};
    if (body != NULL) base_sha256(&hash, body->data, body->len);
    memcpy(text, key->bytes, sizeof key->bytes);
    base_put_u64be(text + BASE_KEY33_BYTES, incarnation);
    base_put_u64be(text + BASE_KEY33_BYTES + 8, sequence);
    base_put_u64be(text + BASE_KEY33_BYTES + 16, leave_incarnation);
    memcpy(text + BASE_KEY33_BYTES + 24, hash.bytes, sizeof hash.bytes);
    base_sha256(&hash, text, sizeof text);
    return base_get_u64be(hash.bytes);
}

struct base_slice gossip__stored_body(const struct gossip__stored *stored)
{
    return (struct base_slice){stored->bytes, stored->body_len};
}

struct base_slice gossip__stored_proof(const struct gossip__stored *stored)
{
    return (struct base_slice){stored->bytes + stored->body_len, stored->proof_len};
}

/* The finalizer of MurmurHash3: all bits of the input move all of the output. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
    return x ^ x >> 33;
}

static uint64_t hash_of(const struct gossip__store *store, const struct base_slice *body)
{
    uint64_t hash = store->seed ^ body->len, word = 0;
    size_t at = 0;
    for (; at + sizeof word <= body->len; at += sizeof word) {
        memcpy(&word, body->data + at, sizeof word);
        hash = mix(hash ^ word);
    }
    for (word = 0; at < body->len; at++)
        word = word << 8 | body->data[at];
    return mix(hash ^ word);
}

static struct gossip__stored **chain_of(const struct gossip__store *store, uint64_t hash)
{
    return &store->chains[hash & store->chain_mask];
}

static bool is_slice(const uint8_t *bytes, size_t len, const struct base_slice *slice)
{
    return len == slice->len && (len == 0 || memcmp(bytes, slice->data, len) == 0);
}

static bool is_same_signed(const struct gossip__stored *s, uint64_t hash,
                           const struct base_slice *body, const struct base_sig65 *sig)
{
    return s->hash == hash && is_slice(s->bytes, s->body_len, body) &&
           memcmp(s->sig.bytes, sig->bytes, sizeof sig->bytes) == 0;
}

const struct gossip__stored *gossip__store_find(const struct gossip__store *store,
                                                const struct base_slice *body,
                                                const struct base_sig65 *sig)
{
    uint64_t hash = hash_of(store, body);
    const struct gossip__stored *s = *chain_of(store, hash);
    while (s != NULL && !is_same_signed(s, hash, body, sig))
        s = s->next;
    return s;
}

void gossip__stored_head(struct gossip_record *out, const struct gossip__stored *stored)
{
    out->node_key = stored->key;
    out->instance = stored->instance;
    out->incarnation = stored->incarnation;
    out->sequence = stored->sequence;
}

static struct gossip__stored *take(struct gossip__store *store, size_t bytes)
{
    uint8_t c = 0;
    while (class_bytes[c] < bytes)
        c++;
    struct gossip__stored *s = store->free[c];
    if (s != NULL) {
        store->free[c] = s->next;
    } else {
        s = (struct gossip__stored *)(void *)(store->regions[c] + store->region_used[c]);
        store->region_used[c] += class_bytes[c];
        store->bytes_used += class_bytes[c];
    }
    s->size_class = c;
    store->count++;
    return s;
}

const struct gossip__stored *gossip__store_put(struct gossip__store *store,
                                               const struct gossip__version *version)
{
    uint64_t hash = hash_of(store, &version->body);
    struct gossip__stored **chain = chain_of(store, hash);
    for (struct gossip__stored *s = *chain; s != NULL; s = s->next)
        if (is_same_signed(s, hash, &version->body, version->sig) &&
            is_slice(s->bytes + s->body_len, s->proof_len, &version->proof))
            return gossip__store_hold(s);
    if (store->count == store->count_max) return NULL;
    size_t len = version->body.len + version->proof.len;
    assert(sizeof(struct gossip__stored) + len <= class_bytes[GOSSIP__SIZE_CLASSES - 1]);
    struct gossip__stored *s = take(store, sizeof *s + len);
    s->next = *chain;
    *chain = s;
    s->hash = hash;
    s->hold_count = 1;
    s->key = version->record->node_key;
    s->instance = version->record->instance;
    s->incarnation = version->record->incarnation;
    s->sequence = version->record->sequence;
    s->digest = gossip__digest_of(&s->key, s->incarnation, s->sequence, 0, &version->body);
    s->sig = *version->sig;
    s->body_len = (uint16_t)version->body.len;
    s->proof_len = (uint16_t)version->proof.len;
    memcpy(s->bytes, version->body.data, version->body.len);
    if (version->proof.len > 0)
        memcpy(s->bytes + s->body_len, version->proof.data, version->proof.len);
    return s;
}

const struct gossip__stored *gossip__store_hold(const struct gossip__stored *stored)
{
    ((struct gossip__stored *)stored)->hold_count++; /* the store's own memory */
    return stored;
}

void gossip__store_release(struct gossip__store *store, const struct gossip__stored *stored)
{
    struct gossip__stored *s = (struct gossip__stored *)stored;
    if (s == NULL || --s->hold_count > 0) return;
    struct gossip__stored **at = chain_of(store, s->hash);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->next = store->free[s->size_class];
    store->free[s->size_class] = s;
    store->count--;
}
