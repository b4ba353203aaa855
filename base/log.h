#ifndef NFTMESH_BASE_LOG_H
#define NFTMESH_BASE_LOG_H

#include "base/buf.h"
#include "base/bytes.h"

/* One line an event, key=value or JSON, handed to a sink that the rim gives. The time comes from
 * the rim too (a function of its own), so that cores which never log stay free of clocks.
 *
 *   struct base_log_line line;
 *   base_log_begin(&line, log, BASE_LOG_INFO, "gossip", "up");
 *   base_log_str(&line, "peer", text);  base_log_u64(&line, "incarnation", 3);
 *   base_log_end(&line);
 *
 * JSON: {"ts":1732300000.123,"level":"info","mod":"gossip","ev":"up","peer":"..",...}
 * logfmt: ts=2026-11-22T17:43:00.123Z level=info mod=gossip ev=up peer=.. incarnation=3
 * Strings are escaped so that no peer's bytes can break a line or a terminal. Keys are our own
 * words and are written as they are. A field that no longer fits is left out as a whole, and the
 * line ends with truncated=true; without memory there is no line at all. */
enum base_log_level {
    BASE_LOG_ERROR = 0,
    BASE_LOG_WARN,
    BASE_LOG_INFO,
    BASE_LOG_DEBUG,
    BASE_LOG_TRACE
};
enum base_log_format { BASE_LOG_LOGFMT = 0, BASE_LOG_JSON };

struct base_log {
    enum base_log_level level;
    enum base_log_format format;
    /* Milliseconds since 1970, for the ts field. */
    uint64_t (*wall_ms)(void *ctx);
    /* One whole line, without the newline. */
    void (*sink)(void *ctx, enum base_log_level level, const char *line, size_t len);
    void *ctx;
};
#define BASE_LOG_LINE_BYTES_MAX 8192

struct base_log_line {
    struct base_log *log; /* NULL when the level is off: the calls below do nothing */
    enum base_log_level level;
    bool truncated; /* a field did not fit */
    struct base_buf buf;
};

bool base_log_is_on(const struct base_log *log, enum base_log_level level);
void base_log_begin(struct base_log_line *line, struct base_log *log, enum base_log_level level,
                    const char *mod, const char *ev);
void base_log_str(struct base_log_line *line, const char *key, const char *value);
void base_log_strn(struct base_log_line *line, const char *key, const char *value, size_t len);
void base_log_u64(struct base_log_line *line, const char *key, uint64_t value);
void base_log_i64(struct base_log_line *line, const char *key, int64_t value);
void base_log_f64(struct base_log_line *line, const char *key, double value); /* 3 decimals */
void base_log_bool(struct base_log_line *line, const char *key, bool value);
void base_log_hex(struct base_log_line *line, const char *key, const void *data, size_t len);
void base_log_address(struct base_log_line *line, const char *key,
                      const struct base_eth_address *addr);
void base_log_end(struct base_log_line *line);

/* "error" .. "trace"; BASE_EINVAL for another word. */
int base_log_level_parse(enum base_log_level *out, const char *text);
const char *base_log_level_name(enum base_log_level level);

#endif
