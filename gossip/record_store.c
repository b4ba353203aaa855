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
                           uint64_t leave_incarnation)
{
    uint8_t text[BASE_KEY33_BYTES + 24];
    struct base_hash32 hash;
    memcpy(text, key->bytes, sizeof key->bytes);
    base_put_u64be(text + BASE_KEY33_BYTES, incarnation);
    base_put_u64be(text + BASE_KEY33_BYTES + 8, sequence);
    base_put_u64be(text + BASE_KEY33_BYTES + 16, leave_incarnation);
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

static struct gossip__stored **chain_of(const struct gossip__store *store,
                                        const struct gossip_record *record)
{
    uint64_t hash = store->seed;
    for (size_t i = 1; i + 8 <= BASE_KEY33_BYTES; i += 8)
        hash = mix(hash ^ base_get_u64be(record->node_key.bytes + i));
    hash = mix(mix(hash ^ record->incarnation) ^ record->sequence);
    return &store->chains[hash & store->chain_mask];
}

static bool is_slice(const uint8_t *bytes, size_t len, const struct base_slice *slice)
{
    return len == slice->len && (len == 0 || memcmp(bytes, slice->data, len) == 0);
}

static bool is_same_signed(const struct gossip__stored *s, const struct base_slice *body,
                           const struct base_sig65 *sig)
{
    return is_slice(s->bytes, s->body_len, body) &&
           memcmp(s->sig.bytes, sig->bytes, sizeof sig->bytes) == 0;
}

bool gossip__store_has(const struct gossip__store *store, const struct gossip_record *record,
                       const struct base_slice *body, const struct base_sig65 *sig)
{
    for (const struct gossip__stored *s = *chain_of(store, record); s != NULL; s = s->next)
        if (is_same_signed(s, body, sig)) return true;
    return false;
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
    struct gossip__stored **chain = chain_of(store, version->record);
    for (struct gossip__stored *s = *chain; s != NULL; s = s->next)
        if (is_same_signed(s, &version->body, version->sig) &&
            is_slice(s->bytes + s->body_len, s->proof_len, &version->proof))
            return gossip__store_hold(s);
    if (store->count == store->count_max) return NULL;
    size_t len = version->body.len + version->proof.len;
    assert(sizeof(struct gossip__stored) + len <= class_bytes[GOSSIP__SIZE_CLASSES - 1]);
    struct gossip__stored *s = take(store, sizeof *s + len);
    s->next = *chain;
    *chain = s;
    s->hold_count = 1;
    s->key = version->record->node_key;
    s->instance = version->record->instance;
    s->incarnation = version->record->incarnation;
    s->sequence = version->record->sequence;
    s->digest = gossip__digest_of(&s->key, s->incarnation, s->sequence, 0);
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
    const struct gossip_record name = {
        .node_key = s->key, .incarnation = s->incarnation, .sequence = s->sequence};
    struct gossip__stored **at = chain_of(store, &name);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->next = store->free[s->size_class];
    store->free[s->size_class] = s;
    store->count--;
}
