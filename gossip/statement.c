#include "gossip/statement.h"

#include <assert.h>

#include "base/err.h"
#include "base/pack.h"
#include "gossip/gossip.h"

#define KEY_MAX 63u

/* Where the fields of a kind go: in the order of their map keys, all required. */
struct fields {
    void *out[5];
    enum { FIELD_KEY33, FIELD_U64, FIELD_NAME, FIELD_PAYLOAD } type[5];
    uint32_t count;
};

static int read_number(struct base_unpacker *u, uint64_t *out)
{
    int rv = base_unpack_u64(u, out);
    if (rv != BASE_OK) return rv;
    return *out <= INT64_MAX ? BASE_OK : BASE_EMALFORMED;
}

static bool is_event_name(const struct base_slice *name)
{
    if (name->len == 0) return false;
    for (size_t i = 0; i < name->len; i++)
        if (name->data[i] < 0x20 || name->data[i] == 0x7f) return false;
    return true;
}

static int read_name(struct base_unpacker *u, struct base_slice *out)
{
    int rv = base_unpack_str(u, out, GOSSIP_EVENT_NAME_MAX);
    if (rv != BASE_OK) return rv;
    return is_event_name(out) ? BASE_OK : BASE_EMALFORMED;
}

static int read_field(struct base_unpacker *u, const struct fields *f, uint64_t key)
{
    struct base_slice skipped;
    if (key >= f->count) return base_unpack_skip(u, &skipped);
    switch (f->type[key]) {
    case FIELD_KEY33:
        return base_unpack_bin_exact(u, ((struct base_key33 *)f->out[key])->bytes,
                                     BASE_KEY33_BYTES);
    case FIELD_U64:
        return read_number(u, f->out[key]);
    case FIELD_NAME:
        return read_name(u, f->out[key]);
    case FIELD_PAYLOAD:
        return base_unpack_bin(u, f->out[key], GOSSIP_EVENT_PAYLOAD_MAX);
    }
    return BASE_EMALFORMED;
}

static int read_map(const struct fields *f, const void *body, size_t len, size_t max)
{
    struct base_unpacker u;
    uint32_t count = 0, required = 0;
    uint64_t key = 0, next = 0;
    if (len > max) return BASE_ETOOBIG;
    base_unpacker_init(&u, body, len);
    int rv = base_unpack_map(&u, &count, KEY_MAX + 1);
    for (uint32_t i = 0; i < count && rv == BASE_OK; i++) {
        rv = base_unpack_u64(&u, &key);
        if (rv == BASE_OK && (key < next || key > KEY_MAX)) rv = BASE_EMALFORMED;
        if (rv != BASE_OK) break;
        next = key + 1;
        if (key < f->count) required++;
        rv = read_field(&u, f, key);
    }
    if (rv != BASE_OK) return rv;
    return required == f->count && base_unpack_at_end(&u) ? BASE_OK : BASE_EMALFORMED;
}

static void pack_key33(struct base_packer *p, unsigned key, const struct base_key33 *value)
{
    base_pack_u64(p, key);
    base_pack_bin(p, value->bytes, sizeof value->bytes);
}

static void pack_u64(struct base_packer *p, unsigned key, uint64_t value)
{
    base_pack_u64(p, key);
    base_pack_u64(p, value);
}

int gossip_accusation_decode(struct gossip_accusation *out, const void *body, size_t len)
{
    struct fields f = {
        {&out->target, &out->incarnation, &out->accuser}, {FIELD_KEY33, FIELD_U64, FIELD_KEY33}, 3};
    return read_map(&f, body, len, GOSSIP_STATEMENT_BYTES_MAX);
}

size_t gossip_accusation_encode(void *body, const struct gossip_accusation *accusation)
{
    struct base_packer p;
    base_packer_init(&p, body, GOSSIP_STATEMENT_BYTES_MAX);
    base_pack_map(&p, 3);
    pack_key33(&p, 0, &accusation->target);
    pack_u64(&p, 1, accusation->incarnation);
    pack_key33(&p, 2, &accusation->accuser);
    assert(!p.failed);
    return p.len;
}

int gossip_leave_decode(struct gossip_leave *out, const void *body, size_t len)
{
    struct fields f = {{&out->key, &out->incarnation}, {FIELD_KEY33, FIELD_U64}, 2};
    return read_map(&f, body, len, GOSSIP_STATEMENT_BYTES_MAX);
}

size_t gossip_leave_encode(void *body, const struct gossip_leave *leave)
{
    struct base_packer p;
    base_packer_init(&p, body, GOSSIP_STATEMENT_BYTES_MAX);
    base_pack_map(&p, 2);
    pack_key33(&p, 0, &leave->key);
    pack_u64(&p, 1, leave->incarnation);
    assert(!p.failed);
    return p.len;
}

int gossip_refutation_decode(struct gossip_refutation *out, const void *body, size_t len)
{
    struct fields f = {{&out->key, &out->incarnation, &out->requester, &out->nonce},
                       {FIELD_KEY33, FIELD_U64, FIELD_KEY33, FIELD_U64},
                       4};
    return read_map(&f, body, len, GOSSIP_STATEMENT_BYTES_MAX);
}

size_t gossip_refutation_encode(void *body, const struct gossip_refutation *refutation)
{
    struct base_packer p;
    base_packer_init(&p, body, GOSSIP_STATEMENT_BYTES_MAX);
    base_pack_map(&p, 4);
    pack_key33(&p, 0, &refutation->key);
    pack_u64(&p, 1, refutation->incarnation);
    pack_key33(&p, 2, &refutation->requester);
    pack_u64(&p, 3, refutation->nonce);
    assert(!p.failed);
    return p.len;
}

int gossip_user_event_decode(struct gossip_user_event *out, const void *body, size_t len)
{
    struct fields f = {{&out->origin, &out->epoch, &out->sequence, &out->name, &out->payload},
                       {FIELD_KEY33, FIELD_U64, FIELD_U64, FIELD_NAME, FIELD_PAYLOAD},
                       5};
    return read_map(&f, body, len, GOSSIP_EVENT_BODY_BYTES_MAX);
}

size_t gossip_user_event_encode(void *body, const struct gossip_user_event *event)
{
    struct base_packer p;
    base_packer_init(&p, body, GOSSIP_EVENT_BODY_BYTES_MAX);
    base_pack_map(&p, 5);
    pack_key33(&p, 0, &event->origin);
    pack_u64(&p, 1, event->epoch);
    pack_u64(&p, 2, event->sequence);
    base_pack_u64(&p, 3);
    base_pack_str(&p, (const char *)event->name.data, event->name.len);
    base_pack_u64(&p, 4);
    base_pack_bin(&p, event->payload.data, event->payload.len);
    assert(!p.failed);
    return p.len;
}

int gossip_statement_check(enum base_statement kind, const void *body, size_t len)
{
    union {
        struct gossip_record record;
        struct gossip_accusation accusation;
        struct gossip_leave leave;
        struct gossip_refutation refutation;
        struct gossip_user_event event;
    } out;
    switch (kind) {
    case BASE_STATEMENT_RECORD:
        return gossip_record_decode(&out.record, body, len);
    case BASE_STATEMENT_ACCUSATION:
    case BASE_STATEMENT_CONFIRMATION:
        return gossip_accusation_decode(&out.accusation, body, len);
    case BASE_STATEMENT_REFUTATION:
        return gossip_refutation_decode(&out.refutation, body, len);
    case BASE_STATEMENT_LEAVE:
        return gossip_leave_decode(&out.leave, body, len);
    case BASE_STATEMENT_EVENT:
        return gossip_user_event_decode(&out.event, body, len);
    }
    return BASE_EMALFORMED;
}
