#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"

#define FIRST_CAP 256

/* What data points to before the first append (cap 0): never written but for its own zero. */
static char empty[1];

void base_buf_init(struct base_buf *buf, size_t max_bytes)
{
    assert(max_bytes < SIZE_MAX / 2);
    *buf = (struct base_buf){.data = empty, .max = max_bytes};
}

void base_buf_deinit(struct base_buf *buf)
{
    if (buf->cap > 0) free(buf->data);
    base_buf_init(buf, buf->max);
}

void base_buf_clear(struct base_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->cap > 0) buf->data[0] = '\0';
}

/* Room for len more bytes and the NUL; otherwise failed, and what is there stays. */
static bool reserve(struct base_buf *buf, size_t len)
{
    if (buf->failed) return false;
    /* len may exceed max: an earlier append that was allowed is never more than max. */
    if (buf->len > buf->max || len > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + len + 1;
    if (need <= buf->cap) return true;
    size_t cap = buf->cap > 0 ? buf->cap : FIRST_CAP;
    while (cap < need)
        cap *= 2;
    if (cap > buf->max + 1) cap = buf->max + 1;
    char *data = realloc(buf->cap > 0 ? buf->data : NULL, cap);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void base_buf_append(struct base_buf *buf, const void *data, size_t len)
{
    if (!reserve(buf, len)) return;
    if (len > 0) memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void base_buf_puts(struct base_buf *buf, const char *text)
{
    base_buf_append(buf, text, strlen(text));
}

void base_buf_printf(struct base_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    if (reserve(buf, (size_t)len)) {
        vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

void base_buf_hex(struct base_buf *buf, const void *data, size_t len)
{
    if (len > buf->max) { /* before 2 * len may wrap */
        buf->failed = true;
        return;
    }
    if (!reserve(buf, 2 * len)) return;
    base_hex_encode(buf->data + buf->len, data, len);
    buf->len += 2 * len;
}

static void append_escaped(struct base_buf *buf, uint32_t code)
{
    if (code >= 0x10000) {
        uint32_t pair = code - 0x10000;
        base_buf_printf(buf, "\\u%04x\\u%04x", (unsigned)(0xd800 + (pair >> 10)),
                        (unsigned)(0xdc00 + (pair & 0x3ff)));
    } else if (code == '"' || code == '\\') {
        char text[2] = {'\\', (char)code};
        base_buf_append(buf, text, 2);
    } else {
        base_buf_printf(buf, "\\u%04x", (unsigned)code);
    }
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

void base_buf_json_string(struct base_buf *buf, const char *text, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t i = 0;
    base_buf_append(buf, "\"", 1);
    while (i < len && !buf->failed) {
        size_t run = i;
        while (run < len && is_plain(bytes[run]))
            run++;
        if (run > i) {
            base_buf_append(buf, bytes + i, run - i);
            i = run;
            continue;
        }
        uint32_t code = 0xfffd;
        size_t count = base_utf8_next(&code, bytes + i, len - i);
        append_escaped(buf, code);
        i += count > 0 ? count : 1;
    }
    base_buf_append(buf, "\"", 1);
}
