#include "base/pack.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

#define SKIP_DEPTH_MAX 4

/* ---- writing: msgpack-c, into the caller's bytes ---- */

static int write_bounded(void *ctx, const char *data, size_t len)
{
    struct base_packer *p = ctx;
    if (p->failed || len > p->cap - p->len) {
        p->failed = true;
        return -1;
    }
    if (len > 0) memcpy(p->data + p->len, data, len);
    p->len += len;
    return 0;
}

static msgpack_packer writer(struct base_packer *p)
{
    msgpack_packer w;
    msgpack_packer_init(&w, p, write_bounded);
    return w;
}

void base_packer_init(struct base_packer *p, void *data, size_t cap)
{
    *p = (struct base_packer){.data = data, .cap = cap};
}

void base_pack_map(struct base_packer *p, uint32_t count)
{
    msgpack_packer w = writer(p);
    msgpack_pack_map(&w, count);
}

void base_pack_array(struct base_packer *p, uint32_t count)
{
    msgpack_packer w = writer(p);
    msgpack_pack_array(&w, count);
}

void base_pack_u64(struct base_packer *p, uint64_t value)
{
    msgpack_packer w = writer(p);
    msgpack_pack_uint64(&w, value);
}

void base_pack_bool(struct base_packer *p, bool value)
{
    msgpack_packer w = writer(p);
    if (value)
        msgpack_pack_true(&w);
    else
        msgpack_pack_false(&w);
}

void base_pack_bin(struct base_packer *p, const void *data, size_t len)
{
    msgpack_packer w = writer(p);
    assert(len <= UINT32_MAX);
    msgpack_pack_bin(&w, len);
    msgpack_pack_bin_body(&w, data, len);
}

void base_pack_str(struct base_packer *p, const char *text, size_t len)
{
    msgpack_packer w = writer(p);
    assert(len <= UINT32_MAX);
    msgpack_pack_str(&w, len);
    msgpack_pack_str_body(&w, text, len);
}

/* ---- reading: a cursor ---- */

enum kind { KIND_NONE = 0, KIND_UINT, KIND_BOOL, KIND_BIN, KIND_STR, KIND_ARRAY, KIND_MAP };

/* What the first bytes of a value say: its kind, and its number, length or count. */
struct head {
    enum kind kind;
    uint64_t value;
};

/* For lead bytes that carry a big-endian number behind them: its width in bytes, and the least
 * value that needs this form rather than the next shorter one. */
struct form {
    enum kind kind;
    uint8_t width;
    uint64_t least;
};

static struct form wide_form(uint8_t lead)
{
    switch (lead) {
    case 0xc4:
        return (struct form){KIND_BIN, 1, 0};
    case 0xc5:
        return (struct form){KIND_BIN, 2, 0x100};
    case 0xc6:
        return (struct form){KIND_BIN, 4, 0x10000};
    case 0xcc:
        return (struct form){KIND_UINT, 1, 0x80};
    case 0xcd:
        return (struct form){KIND_UINT, 2, 0x100};
    case 0xce:
        return (struct form){KIND_UINT, 4, 0x10000};
    case 0xcf:
        return (struct form){KIND_UINT, 8, 0x100000000};
    case 0xd9:
        return (struct form){KIND_STR, 1, 0x20};
    case 0xda:
        return (struct form){KIND_STR, 2, 0x100};
    case 0xdb:
        return (struct form){KIND_STR, 4, 0x10000};
    case 0xdc:
        return (struct form){KIND_ARRAY, 2, 0x10};
    case 0xdd:
        return (struct form){KIND_ARRAY, 4, 0x10000};
    case 0xde:
        return (struct form){KIND_MAP, 2, 0x10};
    case 0xdf:
        return (struct form){KIND_MAP, 4, 0x10000};
    default: /* nil, ext, floats, negative integers, and the byte that is never used */
        return (struct form){KIND_NONE, 0, 0};
    }
}

/* The kinds whose number sits in the lead byte itself. */
static bool head_from_lead(struct head *out, uint8_t lead)
{
    if (lead <= 0x7f)
        *out = (struct head){KIND_UINT, lead};
    else if (lead <= 0x8f)
        *out = (struct head){KIND_MAP, lead & 0x0fu};
    else if (lead <= 0x9f)
        *out = (struct head){KIND_ARRAY, lead & 0x0fu};
    else if (lead <= 0xbf)
        *out = (struct head){KIND_STR, lead & 0x1fu};
    else if (lead == 0xc2 || lead == 0xc3)
        *out = (struct head){KIND_BOOL, lead & 0x01u};
    else
        return false;
    return true;
}

static int fail(struct base_unpacker *u, int err)
{
    u->failed = true;
    return err;
}

static size_t left(const struct base_unpacker *u)
{
    return u->len - u->pos;
}

static int read_head(struct base_unpacker *u, struct head *out)
{
    if (u->failed) return BASE_EMALFORMED;
    if (left(u) == 0) return fail(u, BASE_EMALFORMED);
    uint8_t lead = u->data[u->pos++];
    if (head_from_lead(out, lead)) return BASE_OK;
    struct form form = wide_form(lead);
    if (form.kind == KIND_NONE || left(u) < form.width) return fail(u, BASE_EMALFORMED);
    *out = (struct head){form.kind, 0};
    for (size_t i = 0; i < form.width; i++)
        out->value = out->value << 8 | u->data[u->pos++];
    return out->value >= form.least ? BASE_OK : fail(u, BASE_EMALFORMED);
}

static int read_head_of(struct base_unpacker *u, uint64_t *value, enum kind kind)
{
    struct head head;
    int rv = read_head(u, &head);
    if (rv != BASE_OK) return rv;
    if (head.kind != kind) return fail(u, BASE_EMALFORMED);
    *value = head.value;
    return BASE_OK;
}

/* A count of entries of at least entry_bytes each: one that the remaining bytes cannot hold is
 * refused here, so that nobody ever allocates for a claim. */
static int read_count(struct base_unpacker *u, uint32_t *count, uint32_t max, enum kind kind)
{
    uint64_t value;
    size_t entry_bytes = kind == KIND_MAP ? 2 : 1;
    int rv = read_head_of(u, &value, kind);
    if (rv != BASE_OK) return rv;
    if (value > max) return fail(u, BASE_ETOOBIG);
    if (value > left(u) / entry_bytes) return fail(u, BASE_EMALFORMED);
    *count = (uint32_t)value;
    return BASE_OK;
}

static int take(struct base_unpacker *u, struct base_slice *out, uint64_t len)
{
    if (len > left(u)) return fail(u, BASE_EMALFORMED);
    *out = (struct base_slice){u->data + u->pos, (size_t)len};
    u->pos += (size_t)len;
    return BASE_OK;
}

static int take_str(struct base_unpacker *u, struct base_slice *out, uint64_t len)
{
    struct base_slice text;
    int rv = take(u, &text, len);
    if (rv != BASE_OK) return rv;
    if (!base_utf8_is_valid(text.data, text.len)) return fail(u, BASE_EMALFORMED);
    *out = text;
    return BASE_OK;
}

void base_unpacker_init(struct base_unpacker *u, const void *data, size_t len)
{
    static const uint8_t nothing; /* so that no pointer arithmetic ever meets NULL */
    *u = (struct base_unpacker){.data = len > 0 ? data : &nothing, .len = len};
}

int base_unpack_map(struct base_unpacker *u, uint32_t *count, uint32_t max)
{
    return read_count(u, count, max, KIND_MAP);
}

int base_unpack_array(struct base_unpacker *u, uint32_t *count, uint32_t max)
{
    return read_count(u, count, max, KIND_ARRAY);
}

int base_unpack_u64(struct base_unpacker *u, uint64_t *value)
{
    return read_head_of(u, value, KIND_UINT);
}

int base_unpack_bool(struct base_unpacker *u, bool *value)
{
    uint64_t bit;
    int rv = read_head_of(u, &bit, KIND_BOOL);
    if (rv == BASE_OK) *value = bit != 0;
    return rv;
}

int base_unpack_bin(struct base_unpacker *u, struct base_slice *out, size_t max)
{
    uint64_t len;
    int rv = read_head_of(u, &len, KIND_BIN);
    if (rv != BASE_OK) return rv;
    if (len > max) return fail(u, BASE_ETOOBIG);
    return take(u, out, len);
}

int base_unpack_bin_exact(struct base_unpacker *u, void *out, size_t len)
{
    uint64_t have;
    struct base_slice bytes;
    int rv = read_head_of(u, &have, KIND_BIN);
    if (rv != BASE_OK) return rv;
    if (have != len) return fail(u, BASE_EMALFORMED);
    rv = take(u, &bytes, have);
    if (rv == BASE_OK && len > 0) memcpy(out, bytes.data, len);
    return rv;
}

int base_unpack_str(struct base_unpacker *u, struct base_slice *out, size_t max)
{
    uint64_t len;
    int rv = read_head_of(u, &len, KIND_STR);
    if (rv != BASE_OK) return rv;
    if (len > max) return fail(u, BASE_ETOOBIG);
    return take_str(u, out, len);
}

static int skip_value(struct base_unpacker *u, unsigned depth_left);

static int skip_entries(struct base_unpacker *u, uint64_t count, unsigned depth_left)
{
    if (depth_left == 0) return fail(u, BASE_ETOOBIG);
    for (uint64_t i = 0; i < count; i++) {
        int rv = skip_value(u, depth_left - 1);
        if (rv != BASE_OK) return rv;
    }
    return BASE_OK;
}

static int skip_value(struct base_unpacker *u, unsigned depth_left)
{
    struct head head;
    struct base_slice body;
    int rv = read_head(u, &head);
    if (rv != BASE_OK) return rv;
    switch (head.kind) {
    case KIND_NONE: /* read_head() gives none of these */
    case KIND_UINT:
    case KIND_BOOL:
        return BASE_OK;
    case KIND_BIN:
        return take(u, &body, head.value);
    case KIND_STR:
        return take_str(u, &body, head.value);
    case KIND_ARRAY:
        return skip_entries(u, head.value, depth_left);
    case KIND_MAP:
        return skip_entries(u, 2 * head.value, depth_left);
    }
    return fail(u, BASE_EMALFORMED);
}

int base_unpack_skip(struct base_unpacker *u, struct base_slice *out)
{
    size_t start = u->pos;
    int rv = skip_value(u, SKIP_DEPTH_MAX);
    if (rv == BASE_OK && out != NULL) *out = (struct base_slice){u->data + start, u->pos - start};
    return rv;
}

bool base_unpack_at_end(const struct base_unpacker *u)
{
    return !u->failed && u->pos == u->len;
}
