#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/err.h"

/* Kept free while fields are added, for the word that says some are missing and for the brace. */
#define TAIL_BYTES 32

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

const char *base_log_level_name(enum base_log_level level)
{
    assert((size_t)level < sizeof level_names / sizeof level_names[0]);
    return level_names[level];
}

int base_log_level_parse(enum base_log_level *out, const char *text)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum base_log_level)i;
            return BASE_OK;
        }
    }
    return BASE_EINVAL;
}

bool base_log_is_on(const struct base_log *log, enum base_log_level level)
{
    return log != NULL && level <= log->level;
}

/* ---- the time stamp ---- */

struct date {
    uint64_t year;
    unsigned month, day;
};

/* Gregorian date of a day counted from 1970-01-01. The year is taken to begin in March, so that
 * the leap day is its last. Source: Howard Hinnant, chrono-compatible date algorithms. */
static struct date date_from_days(uint64_t days)
{
    days += 719468; /* from 0000-03-01 */
    uint64_t era = days / 146097;
    unsigned day_of_era = (unsigned)(days % 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (5 * day_of_year + 2) / 153;
    struct date out = {
        .year = era * 400 + year_of_era,
        .month = march_month < 10 ? march_month + 3 : march_month - 9,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
    };
    if (out.month <= 2) out.year++;
    return out;
}

static void put_time(struct base_buf *buf, uint64_t wall_ms)
{
    uint64_t seconds = wall_ms / 1000;
    struct date date = date_from_days(seconds / 86400);
    unsigned second = (unsigned)(seconds % 86400);
    base_buf_printf(buf, "%04" PRIu64 "-%02u-%02uT%02u:%02u:%02u.%03uZ", date.year, date.month,
                    date.day, second / 3600, second / 60 % 60, second % 60,
                    (unsigned)(wall_ms % 1000));
}

/* ---- fields ---- */

static bool is_json(const struct base_log_line *line)
{
    return line->log->format == BASE_LOG_JSON;
}

static void put_key(struct base_log_line *line, const char *key)
{
    if (is_json(line))
        base_buf_printf(&line->buf, ",\"%s\":", key);
    else
        base_buf_printf(&line->buf, " %s=", key);
}

/* In logfmt a value without blanks, quotes and equal signs stands bare. */
static bool is_bare(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\') return false;
    }
    return len > 0;
}

static void put_string(struct base_log_line *line, const char *text, size_t len)
{
    if (!is_json(line) && is_bare(text, len))
        base_buf_append(&line->buf, text, len);
    else
        base_buf_json_string(&line->buf, text, len);
}

/* A field is there as a whole or not at all: take back what did not fit. */
static void finish_field(struct base_log_line *line, size_t start)
{
    if (!line->buf.failed) return;
    line->buf.failed = false;
    line->buf.len = start;
    if (line->buf.cap > 0) line->buf.data[start] = '\0';
    line->truncated = true;
}

static void put_head(struct base_log_line *line, uint64_t wall_ms)
{
    if (is_json(line)) {
        base_buf_printf(&line->buf, "{\"ts\":%" PRIu64 ".%03u", wall_ms / 1000,
                        (unsigned)(wall_ms % 1000));
    } else {
        base_buf_puts(&line->buf, "ts=");
        put_time(&line->buf, wall_ms);
    }
}

void base_log_begin(struct base_log_line *line, struct base_log *log, enum base_log_level level,
                    const char *mod, const char *ev)
{
    *line = (struct base_log_line){.level = level};
    if (!base_log_is_on(log, level)) return;
    line->log = log;
    base_buf_init(&line->buf, BASE_LOG_LINE_BYTES_MAX - TAIL_BYTES);
    put_head(line, log->wall_ms(log->ctx));
    bool has_head = !line->buf.failed;
    base_log_str(line, "level", base_log_level_name(level));
    base_log_str(line, "mod", mod);
    base_log_str(line, "ev", ev);
    if (!has_head || line->truncated) { /* a line that cannot say what it is about */
        base_buf_deinit(&line->buf);
        line->log = NULL;
    }
}

void base_log_str(struct base_log_line *line, const char *key, const char *value)
{
    base_log_strn(line, key, value, strlen(value));
}

void base_log_strn(struct base_log_line *line, const char *key, const char *value, size_t len)
{
    if (line->log == NULL) return;
    size_t start = line->buf.len;
    put_key(line, key);
    put_string(line, value, len);
    finish_field(line, start);
}

void base_log_u64(struct base_log_line *line, const char *key, uint64_t value)
{
    if (line->log == NULL) return;
    size_t start = line->buf.len;
    put_key(line, key);
    base_buf_printf(&line->buf, "%" PRIu64, value);
    finish_field(line, start);
}

void base_log_i64(struct base_log_line *line, const char *key, int64_t value)
{
    if (line->log == NULL) return;
    size_t start = line->buf.len;
    put_key(line, key);
    base_buf_printf(&line->buf, "%" PRId64, value);
    finish_field(line, start);
}

void base_log_f64(struct base_log_line *line, const char *key, double value)
{
    if (line->log == NULL) return;
    size_t start = line->buf.len;
    put_key(line, key);
    if (isfinite(value))
        base_buf_printf(&line->buf, "%.3f", value);
    else
        base_buf_puts(&line->buf, "null"); /* JSON has no other word for it */
    finish_field(line, start);
}

void base_log_bool(struct base_log_line *line, const char *key, bool value)
{
    if (line->log == NULL) return;
    size_t start = line->buf.len;
    put_key(line, key);
    base_buf_puts(&line->buf, value ? "true" : "false");
    finish_field(line, start);
}

void base_log_hex(struct base_log_line *line, const char *key, const void *data, size_t len)
{
    if (line->log == NULL) return;
    size_t start = line->buf.len;
    put_key(line, key);
    base_buf_puts(&line->buf, "\""); /* in logfmt too: 1e10 is not a number here */
    base_buf_hex(&line->buf, data, len);
    base_buf_puts(&line->buf, "\"");
    finish_field(line, start);
}

void base_log_address(struct base_log_line *line, const char *key,
                      const struct base_eth_address *addr)
{
    char text[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(text, addr);
    base_log_str(line, key, text);
}

void base_log_end(struct base_log_line *line)
{
    if (line->log == NULL) return;
    struct base_buf *buf = &line->buf;
    buf->max = BASE_LOG_LINE_BYTES_MAX;
    if (line->truncated) {
        put_key(line, "truncated");
        base_buf_puts(buf, "true");
    }
    if (is_json(line)) base_buf_puts(buf, "}");
    /* Without memory there is no line: half of one would be worse. */
    if (!buf->failed) line->log->sink(line->log->ctx, line->level, buf->data, buf->len);
    base_buf_deinit(buf);
    line->log = NULL;
}
