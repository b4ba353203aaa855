#include "chain/abi.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"

void chain_abi_selector(uint8_t out[CHAIN_ABI_SELECTOR_BYTES], const char *signature)
{
    struct base_hash32 hash;
    base_keccak256(&hash, signature, strlen(signature));
    memcpy(out, hash.bytes, CHAIN_ABI_SELECTOR_BYTES);
}

/* ---- reading ---- */

static int fail(struct chain_abi_reader *r, int error)
{
    if (r->error == BASE_OK) r->error = error;
    return r->error;
}

void chain_abi_reader_init(struct chain_abi_reader *r, const void *data, size_t len,
                           size_t head_words)
{
    assert(data != NULL || len == 0);
    assert(head_words <= SIZE_MAX / CHAIN_ABI_WORD_BYTES);
    *r = (struct chain_abi_reader){.data = data, .len = len, .error = BASE_OK};
    r->head_end = head_words * CHAIN_ABI_WORD_BYTES;
    r->tail = r->head_end;
    if (r->head_end > len) r->error = BASE_EMALFORMED;
}

/* The next head word; NULL after an error. Reading more words than the head has is our mistake. */
static const uint8_t *next_word(struct chain_abi_reader *r)
{
    if (r->error != BASE_OK) return NULL;
    assert(r->head < r->head_end);
    const uint8_t *word = r->data + r->head;
    r->head += CHAIN_ABI_WORD_BYTES;
    return word;
}

/* A head word that is a number below 2^(8 * bytes): padding must be zero. */
static int get_uint(struct chain_abi_reader *r, uint64_t *out, size_t bytes)
{
    *out = 0;
    const uint8_t *word = next_word(r);
    if (word == NULL) return r->error;
    if (!base_is_zero(word, CHAIN_ABI_WORD_BYTES - bytes)) return fail(r, BASE_EMALFORMED);
    *out = base_get_u64be(word + CHAIN_ABI_WORD_BYTES - 8);
    return BASE_OK;
}

int chain_abi_get_u256(struct chain_abi_reader *r, struct base_u256 *out)
{
    memset(out, 0, sizeof *out);
    const uint8_t *word = next_word(r);
    if (word == NULL) return r->error;
    memcpy(out->bytes, word, sizeof out->bytes);
    return BASE_OK;
}

int chain_abi_get_u64(struct chain_abi_reader *r, uint64_t *out)
{
    return get_uint(r, out, 8);
}

int chain_abi_get_u32(struct chain_abi_reader *r, uint32_t *out)
{
    uint64_t value;
    int rv = get_uint(r, &value, 4);
    *out = (uint32_t)value;
    return rv;
}

int chain_abi_get_bool(struct chain_abi_reader *r, bool *out)
{
    uint64_t value;
    *out = false;
    int rv = get_uint(r, &value, 1);
    if (rv != BASE_OK) return rv;
    if (value > 1) return fail(r, BASE_EMALFORMED);
    *out = value == 1;
    return BASE_OK;
}

int chain_abi_get_address(struct chain_abi_reader *r, struct base_eth_address *out)
{
    memset(out, 0, sizeof *out);
    const uint8_t *word = next_word(r);
    if (word == NULL) return r->error;
    if (!base_is_zero(word, 12)) return fail(r, BASE_EMALFORMED); /* dirty padding */
    memcpy(out->bytes, word + 12, sizeof out->bytes);
    return BASE_OK;
}

int chain_abi_get_bytes20(struct chain_abi_reader *r, struct base_eth_address *out)
{
    memset(out, 0, sizeof *out);
    const uint8_t *word = next_word(r);
    if (word == NULL) return r->error;
    if (!base_is_zero(word + 20, 12)) return fail(r, BASE_EMALFORMED); /* bytesN pad right */
    memcpy(out->bytes, word, sizeof out->bytes);
    return BASE_OK;
}

int chain_abi_get_hash32(struct chain_abi_reader *r, struct base_hash32 *out)
{
    memset(out, 0, sizeof *out);
    const uint8_t *word = next_word(r);
    if (word == NULL) return r->error;
    memcpy(out->bytes, word, sizeof out->bytes);
    return BASE_OK;
}

/* Follows a head word to its tail, which must begin exactly at r->tail. */
static int follow_offset(struct chain_abi_reader *r)
{
    uint64_t offset;
    int rv = get_uint(r, &offset, 8);
    if (rv != BASE_OK) return rv;
    if (offset != r->tail) return fail(r, BASE_EMALFORMED);
    return BASE_OK;
}

/* A length word at r->tail, which moves behind it. */
static int get_length(struct chain_abi_reader *r, size_t *out, size_t max)
{
    *out = 0;
    if (r->len - r->tail < CHAIN_ABI_WORD_BYTES) return fail(r, BASE_EMALFORMED);
    const uint8_t *word = r->data + r->tail;
    if (!base_is_zero(word, CHAIN_ABI_WORD_BYTES - 8)) return fail(r, BASE_ETOOBIG);
    uint64_t length = base_get_u64be(word + CHAIN_ABI_WORD_BYTES - 8);
    if (length > max) return fail(r, BASE_ETOOBIG);
    r->tail += CHAIN_ABI_WORD_BYTES;
    *out = (size_t)length;
    return BASE_OK;
}

int chain_abi_get_bytes(struct chain_abi_reader *r, struct base_slice *out, size_t max)
{
    assert(max < SIZE_MAX - CHAIN_ABI_WORD_BYTES);
    *out = (struct base_slice){0};
    size_t len;
    if (follow_offset(r) != BASE_OK || get_length(r, &len, max) != BASE_OK) return r->error;
    size_t padded = (len + CHAIN_ABI_WORD_BYTES - 1) / CHAIN_ABI_WORD_BYTES * CHAIN_ABI_WORD_BYTES;
    if (padded > r->len - r->tail) return fail(r, BASE_EMALFORMED);
    if (!base_is_zero(r->data + r->tail + len, padded - len)) return fail(r, BASE_EMALFORMED);
    *out = (struct base_slice){.data = r->data + r->tail, .len = len};
    r->tail += padded;
    return BASE_OK;
}

static void enter(struct chain_abi_reader *r, struct chain_abi_reader *child, size_t head_words)
{
    chain_abi_reader_init(child, r->data + r->tail, r->len - r->tail, head_words);
    if (child->error != BASE_OK) fail(r, child->error);
}

int chain_abi_get_array(struct chain_abi_reader *r, struct chain_abi_reader *child, size_t *count,
                        size_t max)
{
    *count = 0;
    *child = (struct chain_abi_reader){.error = BASE_EMALFORMED};
    size_t length;
    if (follow_offset(r) != BASE_OK || get_length(r, &length, max) != BASE_OK) return r->error;
    if (length > (r->len - r->tail) / CHAIN_ABI_WORD_BYTES) return fail(r, BASE_EMALFORMED);
    enter(r, child, length);
    if (r->error == BASE_OK) *count = length;
    return r->error;
}

int chain_abi_get_tuple(struct chain_abi_reader *r, struct chain_abi_reader *child,
                        size_t head_words)
{
    *child = (struct chain_abi_reader){.error = BASE_EMALFORMED};
    if (follow_offset(r) != BASE_OK) return r->error;
    enter(r, child, head_words);
    return r->error;
}

int chain_abi_leave(struct chain_abi_reader *r, const struct chain_abi_reader *child)
{
    if (r->error != BASE_OK) return r->error;
    if (child->error != BASE_OK) return fail(r, child->error);
    assert(child->head == child->head_end);
    r->tail += child->tail;
    return BASE_OK;
}

int chain_abi_reader_end(const struct chain_abi_reader *r)
{
    if (r->error != BASE_OK) return r->error;
    assert(r->head == r->head_end);
    return r->tail == r->len ? BASE_OK : BASE_EMALFORMED;
}

/* ---- writing ---- */

void chain_abi_writer_init(struct chain_abi_writer *w, size_t head_words)
{
    base_buf_init(&w->head, CHAIN_ABI_CALL_BYTES_MAX);
    base_buf_init(&w->tail, CHAIN_ABI_CALL_BYTES_MAX);
    w->head_bytes = head_words * CHAIN_ABI_WORD_BYTES;
}

static const uint8_t zeros[CHAIN_ABI_WORD_BYTES];

static void put_padded_left(struct base_buf *buf, const void *data, size_t len)
{
    base_buf_append(buf, zeros, CHAIN_ABI_WORD_BYTES - len);
    base_buf_append(buf, data, len);
}

static void put_number(struct base_buf *buf, uint64_t value)
{
    uint8_t bytes[8];
    base_put_u64be(bytes, value);
    put_padded_left(buf, bytes, sizeof bytes);
}

void chain_abi_put_u256(struct chain_abi_writer *w, const struct base_u256 *value)
{
    base_buf_append(&w->head, value->bytes, sizeof value->bytes);
}

void chain_abi_put_u64(struct chain_abi_writer *w, uint64_t value)
{
    put_number(&w->head, value);
}

void chain_abi_put_bool(struct chain_abi_writer *w, bool value)
{
    put_number(&w->head, value ? 1 : 0);
}

void chain_abi_put_address(struct chain_abi_writer *w, const struct base_eth_address *value)
{
    put_padded_left(&w->head, value->bytes, sizeof value->bytes);
}

void chain_abi_put_bytes20(struct chain_abi_writer *w, const struct base_eth_address *value)
{
    base_buf_append(&w->head, value->bytes, sizeof value->bytes);
    base_buf_append(&w->head, zeros, CHAIN_ABI_WORD_BYTES - sizeof value->bytes);
}

void chain_abi_put_hash32(struct chain_abi_writer *w, const struct base_hash32 *value)
{
    base_buf_append(&w->head, value->bytes, sizeof value->bytes);
}

static void put_offset(struct chain_abi_writer *w)
{
    put_number(&w->head, w->head_bytes + w->tail.len);
}

void chain_abi_put_bytes(struct chain_abi_writer *w, const void *data, size_t len)
{
    put_offset(w);
    put_number(&w->tail, len);
    base_buf_append(&w->tail, data, len);
    size_t rest = len % CHAIN_ABI_WORD_BYTES;
    if (rest != 0) base_buf_append(&w->tail, zeros, CHAIN_ABI_WORD_BYTES - rest);
}

void chain_abi_put_tuple(struct chain_abi_writer *w, struct chain_abi_writer *child)
{
    put_offset(w);
    if (chain_abi_writer_finish(child, &w->tail) != BASE_OK) w->tail.failed = true;
}

void chain_abi_put_array(struct chain_abi_writer *w, struct chain_abi_writer *child, size_t count)
{
    put_offset(w);
    put_number(&w->tail, count);
    if (chain_abi_writer_finish(child, &w->tail) != BASE_OK) w->tail.failed = true;
}

int chain_abi_writer_finish(struct chain_abi_writer *w, struct base_buf *out)
{
    bool failed = w->head.failed || w->tail.failed;
    if (!failed) {
        assert(w->head.len == w->head_bytes);
        base_buf_append(out, w->head.data, w->head.len);
        base_buf_append(out, w->tail.data, w->tail.len);
    }
    base_buf_deinit(&w->head);
    base_buf_deinit(&w->tail);
    if (failed) out->failed = true;
    return out->failed ? BASE_ETOOBIG : BASE_OK;
}

void chain_abi_call(struct base_buf *out, const char *signature)
{
    uint8_t selector[CHAIN_ABI_SELECTOR_BYTES];
    chain_abi_selector(selector, signature);
    base_buf_append(out, selector, sizeof selector);
}

void chain_abi_call_u256(struct base_buf *out, const char *signature, const struct base_u256 *value)
{
    struct chain_abi_writer w;
    chain_abi_call(out, signature);
    chain_abi_writer_init(&w, 1);
    chain_abi_put_u256(&w, value);
    chain_abi_writer_finish(&w, out);
}

void chain_abi_call_address(struct base_buf *out, const char *signature,
                            const struct base_eth_address *value)
{
    struct chain_abi_writer w;
    chain_abi_call(out, signature);
    chain_abi_writer_init(&w, 1);
    chain_abi_put_address(&w, value);
    chain_abi_writer_finish(&w, out);
}
