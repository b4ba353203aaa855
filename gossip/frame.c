#include "gossip/frame.h"

#include <assert.h>

#include "base/err.h"
#include "base/pack.h"

#define KEY_MAX     63u
#define ID_FIELDS   4u
#define ENTRY_WORDS 4u
#define ITEM_WORDS  5u

/* ---- reading ---- */

static int read_key33(struct base_unpacker *u, struct base_key33 *out)
{
    return base_unpack_bin_exact(u, out->bytes, sizeof out->bytes);
}

static int read_count(struct base_unpacker *u, uint32_t *out, uint32_t max, uint32_t words)
{
    uint32_t flat = 0;
    int rv = base_unpack_array(u, &flat, max * words);
    if (rv != BASE_OK) return rv;
    if (flat % words != 0) return BASE_EMALFORMED;
    *out = flat / words;
    return BASE_OK;
}

/* A number that must fit what comes behind it. */
static int read_small(struct base_unpacker *u, uint64_t *out, uint64_t max)
{
    int rv = base_unpack_u64(u, out);
    if (rv != BASE_OK) return rv;
    return *out <= max ? BASE_OK : BASE_EMALFORMED;
}

static int read_ids(struct base_unpacker *u, struct gossip_event_id *ids, uint32_t *count,
                    uint32_t max)
{
    int rv = read_count(u, count, max, ID_FIELDS);
    for (uint32_t i = 0; i < *count && rv == BASE_OK; i++) {
        rv = read_key33(u, &ids[i].origin);
        if (rv == BASE_OK) rv = read_small(u, &ids[i].epoch, INT64_MAX);
        if (rv == BASE_OK) rv = read_small(u, &ids[i].sequence, INT64_MAX);
        if (rv == BASE_OK) rv = read_small(u, &ids[i].age_ms, INT64_MAX);
    }
    return rv;
}

static int read_sums(struct base_unpacker *u, struct gossip_frame *out)
{
    uint32_t count = 0;
    int rv = base_unpack_array(u, &count, GOSSIP_BUCKETS);
    if (rv != BASE_OK) return rv;
    if (count != 0 && count != GOSSIP_BUCKETS) return BASE_EMALFORMED;
    for (uint32_t i = 0; i < count && rv == BASE_OK; i++)
        rv = base_unpack_u64(u, &out->u.sync.sums[i]);
    out->u.sync.sum_count = count;
    return rv;
}

static int read_entries(struct base_unpacker *u, struct gossip_frame *out)
{
    uint64_t flags = 0;
    int rv = read_count(u, &out->u.list.entry_count, GOSSIP_ENTRIES_MAX, ENTRY_WORDS);
    for (uint32_t i = 0; i < out->u.list.entry_count && rv == BASE_OK; i++) {
        struct gossip_entry *entry = &out->u.list.entries[i];
        rv = read_key33(u, &entry->key);
        if (rv == BASE_OK) rv = read_small(u, &entry->incarnation, INT64_MAX);
        if (rv == BASE_OK) rv = read_small(u, &entry->sequence, INT64_MAX);
        if (rv == BASE_OK) rv = read_small(u, &flags, UINT8_MAX);
        entry->flags = (uint8_t)flags;
    }
    return rv;
}

static int read_keys(struct base_unpacker *u, struct gossip_frame *out)
{
    int rv = base_unpack_array(u, &out->u.pull.key_count, GOSSIP_KEYS_MAX);
    for (uint32_t i = 0; i < out->u.pull.key_count && rv == BASE_OK; i++)
        rv = read_key33(u, &out->u.pull.keys[i]);
    return rv;
}

/* UPDATE carries everything but events, which have a type of their own, and refutations, which
 * answer one question. */
static bool is_kind_of(uint8_t type, uint64_t kind)
{
    if (type == GOSSIP_FRAME_EVENT) return kind == BASE_STATEMENT_EVENT;
    return kind == BASE_STATEMENT_RECORD || kind == BASE_STATEMENT_ACCUSATION ||
           kind == BASE_STATEMENT_CONFIRMATION || kind == BASE_STATEMENT_LEAVE;
}

static int read_item(struct base_unpacker *u, struct gossip_item *item, uint8_t type)
{
    uint64_t kind = 0, flags = 0;
    int rv = base_unpack_u64(u, &kind);
    if (rv == BASE_OK && !is_kind_of(type, kind)) return BASE_EMALFORMED;
    item->kind = (enum base_statement)kind;
    if (rv == BASE_OK) rv = read_small(u, &flags, UINT8_MAX);
    item->flags = (uint8_t)flags;
    if (rv == BASE_OK) rv = base_unpack_bin(u, &item->body, GOSSIP_RECORD_BYTES_MAX);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(u, item->sig.bytes, sizeof item->sig.bytes);
    if (rv == BASE_OK) rv = base_unpack_bin(u, &item->proof, GOSSIP_PROOF_BYTES_MAX);
    if (rv == BASE_OK && kind != BASE_STATEMENT_RECORD && (item->proof.len > 0 || flags != 0))
        return BASE_EMALFORMED;
    return rv;
}

static int read_items(struct base_unpacker *u, struct gossip_frame *out)
{
    int rv = read_count(u, &out->u.news.item_count, GOSSIP_ITEMS_MAX, ITEM_WORDS);
    for (uint32_t i = 0; i < out->u.news.item_count && rv == BASE_OK; i++)
        rv = read_item(u, &out->u.news.items[i], out->type);
    return rv;
}

static int read_ping(struct base_unpacker *u, struct gossip_frame *out, uint64_t key)
{
    switch (key) {
    case 0:
        return read_small(u, &out->u.ping.nonce, INT64_MAX);
    case 1:
        return base_unpack_u64(u, &out->u.ping.digest.count);
    case 2:
        return base_unpack_u64(u, &out->u.ping.digest.sum);
    default:
        return read_ids(u, out->u.ping.ids, &out->u.ping.id_count, GOSSIP_EVENT_IDS_MAX);
    }
}

static int read_relay(struct base_unpacker *u, struct gossip_frame *out, uint64_t key)
{
    if (key == 0) return read_key33(u, &out->u.relay.key);
    return read_small(u, &out->u.relay.nonce, INT64_MAX);
}

static int read_refute(struct base_unpacker *u, struct gossip_frame *out, uint64_t key)
{
    struct base_sig65 *sig = &out->u.refute.sig;
    if (key == 0) return base_unpack_bin(u, &out->u.refute.body, GOSSIP_RECORD_BYTES_MAX);
    return base_unpack_bin_exact(u, sig->bytes, sizeof sig->bytes);
}

static int read_sync(struct base_unpacker *u, struct gossip_frame *out, uint64_t key)
{
    if (key == 0) return base_unpack_u64(u, &out->u.sync.mask);
    if (key == 1) return read_sums(u, out);
    if (key == 3) return read_small(u, &out->u.sync.within, GOSSIP_BUCKETS);
    return read_ids(u, out->u.sync.ids, &out->u.sync.id_count, GOSSIP_EVENT_IDS_MAX);
}

static int read_list(struct base_unpacker *u, struct gossip_frame *out, uint64_t key)
{
    if (key == 0) return base_unpack_u64(u, &out->u.list.mask);
    if (key == 1) return read_entries(u, out);
    if (key == 3) return read_small(u, &out->u.list.within, GOSSIP_BUCKETS);
    if (key == 4) return base_unpack_u64(u, &out->u.list.deep);
    return base_unpack_bool(u, &out->u.list.more);
}

static int read_pull(struct base_unpacker *u, struct gossip_frame *out, uint64_t key)
{
    if (key == 0) return read_keys(u, out);
    return read_ids(u, out->u.pull.ids, &out->u.pull.id_count, GOSSIP_EVENT_IDS_MAX);
}

static int read_news(struct base_unpacker *u, struct gossip_frame *out, uint64_t key)
{
    if (key == 0) return base_unpack_u64(u, &out->u.news.reach);
    if (key == 1) return base_unpack_bool(u, &out->u.news.repair);
    return read_items(u, out);
}

/* How many keys a type must have, the first ones; 0 for a type that we do not know. */
static uint64_t keys_of(uint8_t type)
{
    switch (type) {
    case GOSSIP_FRAME_PING:
    case GOSSIP_FRAME_ACK:
        return 4;
    case GOSSIP_FRAME_PING_REQ:
    case GOSSIP_FRAME_NACK:
    case GOSSIP_FRAME_CHALLENGE:
    case GOSSIP_FRAME_REFUTE:
    case GOSSIP_FRAME_PULL:
        return 2;
    case GOSSIP_FRAME_SYNC:
    case GOSSIP_FRAME_LIST:
    case GOSSIP_FRAME_UPDATE:
    case GOSSIP_FRAME_EVENT:
        return 3;
    case GOSSIP_FRAME_PART:
        return 1;
    default:
        return 0;
    }
}

/* And how many it may have. */
static uint64_t keys_known(uint8_t type)
{
    if (type == GOSSIP_FRAME_SYNC) return 4;
    if (type == GOSSIP_FRAME_LIST) return 5;
    return keys_of(type);
}

static int read_field(struct base_unpacker *u, struct gossip_frame *out, uint64_t key)
{
    switch ((enum gossip_frame_type)out->type) {
    case GOSSIP_FRAME_PING:
    case GOSSIP_FRAME_ACK:
        return read_ping(u, out, key);
    case GOSSIP_FRAME_PING_REQ:
    case GOSSIP_FRAME_NACK:
    case GOSSIP_FRAME_CHALLENGE:
        return read_relay(u, out, key);
    case GOSSIP_FRAME_REFUTE:
        return read_refute(u, out, key);
    case GOSSIP_FRAME_SYNC:
        return read_sync(u, out, key);
    case GOSSIP_FRAME_LIST:
        return read_list(u, out, key);
    case GOSSIP_FRAME_PULL:
        return read_pull(u, out, key);
    case GOSSIP_FRAME_UPDATE:
    case GOSSIP_FRAME_EVENT:
        return read_news(u, out, key);
    case GOSSIP_FRAME_PART:
        return read_small(u, &out->u.part.why, INT64_MAX);
    }
    return BASE_EMALFORMED;
}

/* The union's arrays need no zeroing, only their counts do; the counts sit in different places. */
static void frame_reset(struct gossip_frame *out, uint8_t type)
{
    out->type = type;
    out->unknown_keys = 0;
    out->u.ping.id_count = 0;
    switch ((enum gossip_frame_type)type) {
    case GOSSIP_FRAME_SYNC:
        out->u.sync.sum_count = 0;
        out->u.sync.id_count = 0;
        out->u.sync.within = 0;
        break;
    case GOSSIP_FRAME_LIST:
        out->u.list.entry_count = 0;
        out->u.list.within = 0;
        out->u.list.deep = 0;
        break;
    case GOSSIP_FRAME_PULL:
        out->u.pull.key_count = 0;
        out->u.pull.id_count = 0;
        break;
    case GOSSIP_FRAME_UPDATE:
    case GOSSIP_FRAME_EVENT:
        out->u.news.item_count = 0;
        break;
    case GOSSIP_FRAME_PING:
    case GOSSIP_FRAME_ACK:
    case GOSSIP_FRAME_PING_REQ:
    case GOSSIP_FRAME_NACK:
    case GOSSIP_FRAME_CHALLENGE:
    case GOSSIP_FRAME_REFUTE:
    case GOSSIP_FRAME_PART:
        break;
    }
}

int gossip_frame_decode(struct gossip_frame *out, uint8_t type, const void *body, size_t len)
{
    struct base_unpacker u;
    struct base_slice skipped;
    uint32_t count = 0;
    uint64_t key = 0, next = 0, known = 0;
    if (keys_of(type) == 0) return BASE_EUNSUPPORTED;
    if (len > GOSSIP_FRAME_BYTES_MAX) return BASE_ETOOBIG;
    frame_reset(out, type);
    base_unpacker_init(&u, body, len);
    int rv = base_unpack_map(&u, &count, KEY_MAX + 1);
    for (uint32_t i = 0; i < count && rv == BASE_OK; i++) {
        rv = base_unpack_u64(&u, &key);
        if (rv == BASE_OK && (key < next || key > KEY_MAX)) rv = BASE_EMALFORMED;
        if (rv != BASE_OK) break;
        next = key + 1;
        if (key < keys_known(type)) {
            rv = read_field(&u, out, key);
            known += key < keys_of(type);
        } else {
            rv = base_unpack_skip(&u, &skipped);
            out->unknown_keys++;
        }
    }
    if (rv != BASE_OK) return rv;
    return known == keys_of(type) && base_unpack_at_end(&u) ? BASE_OK : BASE_EMALFORMED;
}

/* ---- writing ---- */

static void pack_key33(struct base_packer *p, const struct base_key33 *key)
{
    base_pack_bin(p, key->bytes, sizeof key->bytes);
}

static void pack_ids(struct base_packer *p, unsigned key, const struct gossip_event_id *ids,
                     uint32_t count)
{
    base_pack_u64(p, key);
    base_pack_array(p, count * ID_FIELDS);
    for (uint32_t i = 0; i < count; i++) {
        pack_key33(p, &ids[i].origin);
        base_pack_u64(p, ids[i].epoch);
        base_pack_u64(p, ids[i].sequence);
        base_pack_u64(p, ids[i].age_ms);
    }
}

static void pack_ping(struct base_packer *p, const struct gossip_frame *frame)
{
    base_pack_u64(p, 0);
    base_pack_u64(p, frame->u.ping.nonce);
    base_pack_u64(p, 1);
    base_pack_u64(p, frame->u.ping.digest.count);
    base_pack_u64(p, 2);
    base_pack_u64(p, frame->u.ping.digest.sum);
    pack_ids(p, 3, frame->u.ping.ids, frame->u.ping.id_count);
}

static void pack_relay(struct base_packer *p, const struct gossip_frame *frame)
{
    base_pack_u64(p, 0);
    pack_key33(p, &frame->u.relay.key);
    base_pack_u64(p, 1);
    base_pack_u64(p, frame->u.relay.nonce);
}

static void pack_refute(struct base_packer *p, const struct gossip_frame *frame)
{
    base_pack_u64(p, 0);
    base_pack_bin(p, frame->u.refute.body.data, frame->u.refute.body.len);
    base_pack_u64(p, 1);
    base_pack_bin(p, frame->u.refute.sig.bytes, sizeof frame->u.refute.sig.bytes);
}

static void pack_optional(struct base_packer *p, unsigned key, uint64_t value)
{
    if (value == 0) return;
    base_pack_u64(p, key);
    base_pack_u64(p, value);
}

static void pack_sync(struct base_packer *p, const struct gossip_frame *frame)
{
    base_pack_u64(p, 0);
    base_pack_u64(p, frame->u.sync.mask);
    base_pack_u64(p, 1);
    base_pack_array(p, frame->u.sync.sum_count);
    for (uint32_t i = 0; i < frame->u.sync.sum_count; i++)
        base_pack_u64(p, frame->u.sync.sums[i]);
    pack_ids(p, 2, frame->u.sync.ids, frame->u.sync.id_count);
    pack_optional(p, 3, frame->u.sync.within);
}

static void pack_list(struct base_packer *p, const struct gossip_frame *frame)
{
    base_pack_u64(p, 0);
    base_pack_u64(p, frame->u.list.mask);
    base_pack_u64(p, 1);
    base_pack_array(p, frame->u.list.entry_count * ENTRY_WORDS);
    for (uint32_t i = 0; i < frame->u.list.entry_count; i++) {
        const struct gossip_entry *entry = &frame->u.list.entries[i];
        pack_key33(p, &entry->key);
        base_pack_u64(p, entry->incarnation);
        base_pack_u64(p, entry->sequence);
        base_pack_u64(p, entry->flags);
    }
    base_pack_u64(p, 2);
    base_pack_bool(p, frame->u.list.more);
    pack_optional(p, 3, frame->u.list.within);
    pack_optional(p, 4, frame->u.list.deep);
}

static void pack_pull(struct base_packer *p, const struct gossip_frame *frame)
{
    base_pack_u64(p, 0);
    base_pack_array(p, frame->u.pull.key_count);
    for (uint32_t i = 0; i < frame->u.pull.key_count; i++)
        pack_key33(p, &frame->u.pull.keys[i]);
    pack_ids(p, 1, frame->u.pull.ids, frame->u.pull.id_count);
}

static void pack_news(struct base_packer *p, const struct gossip_frame *frame)
{
    base_pack_u64(p, 0);
    base_pack_u64(p, frame->u.news.reach);
    base_pack_u64(p, 1);
    base_pack_bool(p, frame->u.news.repair);
    base_pack_u64(p, 2);
    base_pack_array(p, frame->u.news.item_count * ITEM_WORDS);
    for (uint32_t i = 0; i < frame->u.news.item_count; i++) {
        const struct gossip_item *item = &frame->u.news.items[i];
        base_pack_u64(p, item->kind);
        base_pack_u64(p, item->flags);
        base_pack_bin(p, item->body.data, item->body.len);
        base_pack_bin(p, item->sig.bytes, sizeof item->sig.bytes);
        base_pack_bin(p, item->proof.data, item->proof.len);
    }
}

static uint32_t optional_count(const struct gossip_frame *frame)
{
    if (frame->type == GOSSIP_FRAME_SYNC) return frame->u.sync.within != 0;
    if (frame->type == GOSSIP_FRAME_LIST)
        return (uint32_t)(frame->u.list.within != 0) + (uint32_t)(frame->u.list.deep != 0);
    return 0;
}

int gossip_frame_encode(void *body, size_t *len, size_t cap, const struct gossip_frame *frame)
{
    struct base_packer p;
    base_packer_init(&p, body, cap < GOSSIP_FRAME_BYTES_MAX ? cap : GOSSIP_FRAME_BYTES_MAX);
    assert(keys_of(frame->type) > 0);
    base_pack_map(&p, (uint32_t)keys_of(frame->type) + optional_count(frame));
    switch ((enum gossip_frame_type)frame->type) {
    case GOSSIP_FRAME_PING:
    case GOSSIP_FRAME_ACK:
        pack_ping(&p, frame);
        break;
    case GOSSIP_FRAME_PING_REQ:
    case GOSSIP_FRAME_NACK:
    case GOSSIP_FRAME_CHALLENGE:
        pack_relay(&p, frame);
        break;
    case GOSSIP_FRAME_REFUTE:
        pack_refute(&p, frame);
        break;
    case GOSSIP_FRAME_SYNC:
        pack_sync(&p, frame);
        break;
    case GOSSIP_FRAME_LIST:
        pack_list(&p, frame);
        break;
    case GOSSIP_FRAME_PULL:
        pack_pull(&p, frame);
        break;
    case GOSSIP_FRAME_UPDATE:
    case GOSSIP_FRAME_EVENT:
        pack_news(&p, frame);
        break;
    case GOSSIP_FRAME_PART:
        base_pack_u64(&p, 0);
        base_pack_u64(&p, frame->u.part.why);
        break;
    }
    if (p.failed) return BASE_ETOOBIG;
    *len = p.len;
    return BASE_OK;
}

size_t gossip_item_bytes(const struct gossip_item *item)
{
    /* kind 1, flags 2, three lengths of at most 3 bytes each */
    return 12 + item->body.len + sizeof item->sig.bytes + item->proof.len;
}
