#ifndef NFTMESH_BASE_BUF_H
#define NFTMESH_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Growing bytes with a bound. A failed append (no memory, or beyond max) marks the buffer and
 * later appends do nothing, so that callers check once, at the end. Always terminated by a NUL
 * that len does not count. */
struct base_buf {
    char *data;
    size_t len, cap, max;
    bool failed;
};

void base_buf_init(struct base_buf *buf, size_t max_bytes);
void base_buf_deinit(struct base_buf *buf);
void base_buf_clear(struct base_buf *buf); /* keeps the memory, clears failed */
void base_buf_append(struct base_buf *buf, const void *data, size_t len);
void base_buf_puts(struct base_buf *buf, const char *text);
void base_buf_printf(struct base_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void base_buf_hex(struct base_buf *buf, const void *data, size_t len);
/* A JSON string with its quotes: ASCII only, everything else escaped as \uXXXX (invalid UTF-8
 * becomes U+FFFD), so that no peer's bytes can break a line or a terminal. */
void base_buf_json_string(struct base_buf *buf, const char *text, size_t len);

#endif
