#include "gossip/record.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/pack.h"
#include "base/utf8.h"

/* Keys of the map. */
enum {
    KEY_FORMAT = 0,
    KEY_NODE,
    KEY_INCARNATION,
    KEY_SEQUENCE,
    KEY_INSTANCE,
    KEY_NAME,
    KEY_URLS,
    KEY_APP_URL,
    KEY_VERSION,
    KEY_TAGS,
    KEY_MAX = 63
};
#define FORMAT        1u
#define KEYS_REQUIRED 7u /* KEY_FORMAT .. KEY_URLS */

/* Texts end up in logs and terminals: no C0, no DEL, no C1. */
static bool is_plain_text(const struct base_slice *text)
{
    size_t at = 0;
    while (at < text->len) {
        uint32_t code = 0;
        size_t step = base_utf8_next(&code, text->data + at, text->len - at);
        if (step == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
        at += step;
    }
    return true;
}

static bool is_printable_ascii(const struct base_slice *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (text->data[i] <= 0x20 || text->data[i] >= 0x7f) return false;
    return true;
}

static bool has_prefix(const struct base_slice *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text->len > len && memcmp(text->data, prefix, len) == 0;
}

static bool is_mesh_url(const struct base_slice *url)
{
    if (!is_printable_ascii(url)) return false;
    return has_prefix(url, "tcp://") || has_prefix(url, "ws://") || has_prefix(url, "wss://");
}

static int read_number(struct base_unpacker *u, uint64_t *out)
{
    int rv = base_unpack_u64(u, out);
    if (rv != BASE_OK) return rv;
    return *out <= INT64_MAX ? BASE_OK : BASE_EMALFORMED;
}

static int read_text(struct base_unpacker *u, struct base_slice *out, size_t min, size_t max)
{
    int rv = base_unpack_str(u, out, max);
    if (rv != BASE_OK) return rv;
    return out->len >= min && is_plain_text(out) ? BASE_OK : BASE_EMALFORMED;
}

static int read_urls(struct base_unpacker *u, struct gossip_record *out)
{
    uint32_t count = 0;
    int rv = base_unpack_array(u, &count, GOSSIP_URLS_MAX);
    if (rv != BASE_OK) return rv;
    for (size_t i = 0; i < count; i++) {
        rv = base_unpack_str(u, &out->urls[i], GOSSIP_URL_BYTES_MAX);
        if (rv != BASE_OK) return rv;
        if (!is_mesh_url(&out->urls[i])) return BASE_EMALFORMED;
    }
    out->url_count = count;
    return BASE_OK;
}

static bool has_tag(const struct gossip_record *record, size_t count, const struct base_slice *key)
{
    for (size_t i = 0; i < count; i++)
        if (record->tags[i].key.len == key->len &&
            memcmp(record->tags[i].key.data, key->data, key->len) == 0)
            return true;
    return false;
}

static int read_tags(struct base_unpacker *u, struct gossip_record *out)
{
    uint32_t count = 0;
    int rv = base_unpack_array(u, &count, 2 * GOSSIP_TAGS_MAX);
    if (rv != BASE_OK) return rv;
    if (count % 2 != 0) return BASE_EMALFORMED;
    for (size_t i = 0; i < count / 2; i++) {
        rv = read_text(u, &out->tags[i].key, 1, GOSSIP_TAG_BYTES_MAX);
        if (rv != BASE_OK) return rv;
        if (has_tag(out, i, &out->tags[i].key)) return BASE_EMALFORMED;
        rv = read_text(u, &out->tags[i].value, 0, GOSSIP_TAG_BYTES_MAX);
        if (rv != BASE_OK) return rv;
    }
    out->tag_count = count / 2;
    return BASE_OK;
}

static int read_format(struct base_unpacker *u)
{
    uint64_t format = 0;
    int rv = base_unpack_u64(u, &format);
    if (rv != BASE_OK) return rv;
    return format == FORMAT ? BASE_OK : BASE_EUNSUPPORTED;
}

static int read_app_url(struct base_unpacker *u, struct gossip_record *out)
{
    int rv = base_unpack_str(u, &out->app_url, GOSSIP_URL_BYTES_MAX);
    if (rv != BASE_OK) return rv;
    return is_printable_ascii(&out->app_url) ? BASE_OK : BASE_EMALFORMED;
}

static int read_field(struct base_unpacker *u, struct gossip_record *out, uint64_t key)
{
    struct base_slice skipped;
    switch (key) {
    case KEY_FORMAT:
        return read_format(u);
    case KEY_NODE:
        return base_unpack_bin_exact(u, out->node_key.bytes, sizeof out->node_key.bytes);
    case KEY_INCARNATION:
        return read_number(u, &out->incarnation);
    case KEY_SEQUENCE:
        return read_number(u, &out->sequence);
    case KEY_INSTANCE:
        return base_unpack_bin_exact(u, out->instance.bytes, sizeof out->instance.bytes);
    case KEY_NAME:
        return read_text(u, &out->name, 1, GOSSIP_NAME_BYTES_MAX);
    case KEY_URLS:
        return read_urls(u, out);
    case KEY_APP_URL:
        return read_app_url(u, out);
    case KEY_VERSION:
        return read_text(u, &out->version, 0, GOSSIP_NAME_BYTES_MAX);
    case KEY_TAGS:
        return read_tags(u, out);
    default:
        return base_unpack_skip(u, &skipped);
    }
}

int gossip_record_decode(struct gossip_record *out, const void *body, size_t len)
{
    struct base_unpacker u;
    uint32_t count = 0;
    uint64_t key = 0, next = 0, required = 0;
    assert(out != NULL);
    if (len > GOSSIP_RECORD_BYTES_MAX) return BASE_ETOOBIG;
    *out = (struct gossip_record){0};
    base_unpacker_init(&u, body, len);
    int rv = base_unpack_map(&u, &count, KEY_MAX + 1);
    for (uint32_t i = 0; i < count && rv == BASE_OK; i++) {
        rv = base_unpack_u64(&u, &key);
        if (rv == BASE_OK && (key < next || key > KEY_MAX)) rv = BASE_EMALFORMED;
        if (rv != BASE_OK) break;
        next = key + 1;
        if (key < KEYS_REQUIRED) required++;
        rv = read_field(&u, out, key);
    }
    if (rv != BASE_OK) return rv;
    return required == KEYS_REQUIRED && base_unpack_at_end(&u) ? BASE_OK : BASE_EMALFORMED;
}

static void pack_text(struct base_packer *p, const struct base_slice *text)
{
    base_pack_str(p, (const char *)text->data, text->len);
}

static void pack_optional(struct base_packer *p, unsigned key, const struct base_slice *text)
{
    if (text->len == 0) return;
    base_pack_u64(p, key);
    pack_text(p, text);
}

static void pack_required(struct base_packer *p, const struct gossip_record *record)
{
    base_pack_u64(p, KEY_FORMAT);
    base_pack_u64(p, FORMAT);
    base_pack_u64(p, KEY_NODE);
    base_pack_bin(p, record->node_key.bytes, sizeof record->node_key.bytes);
    base_pack_u64(p, KEY_INCARNATION);
    base_pack_u64(p, record->incarnation);
    base_pack_u64(p, KEY_SEQUENCE);
    base_pack_u64(p, record->sequence);
    base_pack_u64(p, KEY_INSTANCE);
    base_pack_bin(p, record->instance.bytes, sizeof record->instance.bytes);
    base_pack_u64(p, KEY_NAME);
    pack_text(p, &record->name);
    base_pack_u64(p, KEY_URLS);
    base_pack_array(p, (uint32_t)record->url_count);
    for (size_t i = 0; i < record->url_count; i++)
        pack_text(p, &record->urls[i]);
}

int gossip_record_encode(void *body, size_t *len, size_t cap, const struct gossip_record *record)
{
    struct base_packer p;
    struct gossip_record check;
    if (record->url_count > GOSSIP_URLS_MAX || record->tag_count > GOSSIP_TAGS_MAX)
        return BASE_EINVAL;
    base_packer_init(&p, body, cap < GOSSIP_RECORD_BYTES_MAX ? cap : GOSSIP_RECORD_BYTES_MAX);
    base_pack_map(&p, KEYS_REQUIRED + (record->app_url.len > 0) + (record->version.len > 0) +
                          (record->tag_count > 0));
    pack_required(&p, record);
    pack_optional(&p, KEY_APP_URL, &record->app_url);
    pack_optional(&p, KEY_VERSION, &record->version);
    if (record->tag_count > 0) {
        base_pack_u64(&p, KEY_TAGS);
        base_pack_array(&p, (uint32_t)(2 * record->tag_count));
    }
    for (size_t i = 0; i < record->tag_count; i++) {
        pack_text(&p, &record->tags[i].key);
        pack_text(&p, &record->tags[i].value);
    }
    if (p.failed) return BASE_ETOOBIG;
    *len = p.len;
    /* One set of rules: what our own decoder refuses was a wrong value. */
    return gossip_record_decode(&check, body, p.len) == BASE_OK ? BASE_OK : BASE_EINVAL;
}
