#include "chain/rlp.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

enum { STRING = 0x80, LIST = 0xc0, SHORT_MAX = 55 };

/* ---- writing ---- */

static void put_header(struct base_buf *out, uint8_t kind, size_t len)
{
    uint8_t header[9];
    if (len <= SHORT_MAX) {
        header[0] = (uint8_t)(kind + len);
        base_buf_append(out, header, 1);
        return;
    }
    uint8_t be[8];
    size_t skip = 0;
    base_put_u64be(be, len);
    while (be[skip] == 0)
        skip++;
    header[0] = (uint8_t)(kind + SHORT_MAX + (8 - skip));
    memcpy(header + 1, be + skip, 8 - skip);
    base_buf_append(out, header, 9 - skip);
}

void chain_rlp_put_bytes(struct base_buf *out, const void *data, size_t len)
{
    assert(data != NULL || len == 0);
    if (len != 1 || *(const uint8_t *)data >= STRING) put_header(out, STRING, len);
    base_buf_append(out, data, len);
}

static void put_integer(struct base_buf *out, const uint8_t *be, size_t len)
{
    size_t skip = 0;
    while (skip < len && be[skip] == 0)
        skip++;
    chain_rlp_put_bytes(out, be + skip, len - skip);
}

void chain_rlp_put_u64(struct base_buf *out, uint64_t value)
{
    uint8_t be[8];
    base_put_u64be(be, value);
    put_integer(out, be, sizeof be);
}

void chain_rlp_put_u256(struct base_buf *out, const struct base_u256 *value)
{
    put_integer(out, value->bytes, sizeof value->bytes);
}

void chain_rlp_put_list(struct base_buf *out, const void *items, size_t len)
{
    put_header(out, LIST, len);
    base_buf_append(out, items, len);
}

/* ---- reading ---- */

/* The length after a long header: lead bytes, no leading zero, above SHORT_MAX. */
static int get_long_length(size_t *out, const uint8_t *data, size_t left, size_t lead)
{
    if (lead > left || data[0] == 0) return BASE_EMALFORMED;
    uint64_t len = 0;
    assert(lead <= 8);
    for (size_t i = 0; i < lead; i++)
        len = len << 8 | data[i];
    if (len <= SHORT_MAX || len > left - lead) return BASE_EMALFORMED;
    *out = (size_t)len;
    return BASE_OK;
}

int chain_rlp_next(struct base_slice *in, struct chain_rlp_item *out)
{
    *out = (struct chain_rlp_item){0};
    if (in->len == 0) return BASE_EMALFORMED;
    const uint8_t *data = in->data;
    size_t left = in->len - 1, lead = 0, len;
    uint8_t first = data[0];
    if (first < STRING) {
        *out = (struct chain_rlp_item){.data = data, .len = 1};
        *in = (struct base_slice){.data = data + 1, .len = left};
        return BASE_OK;
    }
    uint8_t kind = first >= LIST ? LIST : STRING;
    data++;
    if (first - kind <= SHORT_MAX) {
        len = (size_t)(first - kind);
        if (len > left) return BASE_EMALFORMED;
    } else {
        lead = (size_t)(first - kind - SHORT_MAX);
        int rv = get_long_length(&len, data, left, lead);
        if (rv != BASE_OK) return rv;
    }
    if (kind == STRING && lead == 0 && len == 1 && data[0] < STRING) return BASE_EMALFORMED;
    *out = (struct chain_rlp_item){.is_list = kind == LIST, .data = data + lead, .len = len};
    *in = (struct base_slice){.data = data + lead + len, .len = left - lead - len};
    return BASE_OK;
}

static int check_items(struct base_slice items, size_t depth)
{
    if (depth > CHAIN_RLP_DEPTH_MAX) return BASE_ETOOBIG;
    while (items.len > 0) {
        struct chain_rlp_item item;
        int rv = chain_rlp_next(&items, &item);
        if (rv == BASE_OK && item.is_list)
            rv = check_items((struct base_slice){.data = item.data, .len = item.len}, depth + 1);
        if (rv != BASE_OK) return rv;
    }
    return BASE_OK;
}

int chain_rlp_decode(struct chain_rlp_item *out, const void *data, size_t len)
{
    struct base_slice in = {.data = data, .len = len};
    int rv = chain_rlp_next(&in, out);
    if (rv == BASE_OK && in.len != 0) rv = BASE_EMALFORMED;
    if (rv == BASE_OK && out->is_list)
        rv = check_items((struct base_slice){.data = out->data, .len = out->len}, 1);
    return rv;
}

int chain_rlp_item_u256(struct base_u256 *out, const struct chain_rlp_item *item)
{
    if (item->is_list) return BASE_EMALFORMED;
    if (item->len > sizeof out->bytes) return BASE_ETOOBIG;
    if (item->len > 0 && item->data[0] == 0) return BASE_EMALFORMED;
    memset(out, 0, sizeof *out);
    if (item->len > 0) memcpy(out->bytes + sizeof out->bytes - item->len, item->data, item->len);
    return BASE_OK;
}

int chain_rlp_item_u64(uint64_t *out, const struct chain_rlp_item *item)
{
    struct base_u256 wide;
    int rv = chain_rlp_item_u256(&wide, item);
    return rv == BASE_OK ? base_u256_to_u64(out, &wide) : rv;
}
