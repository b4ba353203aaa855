/* Log lines: both formats, whole fields only, and no way for a peer's bytes to get out of theirs.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/err.h"
#include "base/log.h"

static bool out_of_memory;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_realloc(void *old, size_t size)
{
    return out_of_memory ? NULL : __real_realloc(old, size);
}

struct sink {
    uint64_t wall_ms;
    unsigned lines;
    enum base_log_level level;
    size_t len;
    char text[BASE_LOG_LINE_BYTES_MAX + 1];
};

static uint64_t sink_wall_ms(void *ctx)
{
    return ((struct sink *)ctx)->wall_ms;
}

static void sink_line(void *ctx, enum base_log_level level, const char *line, size_t len)
{
    struct sink *sink = ctx;
    assert_true(len <= BASE_LOG_LINE_BYTES_MAX);
    assert_int_equal(strlen(line), len);
    for (size_t i = 0; i < len; i++)
        assert_in_range(line[i], 0x20, 0x7e);
    memcpy(sink->text, line, len + 1);
    sink->len = len;
    sink->level = level;
    sink->lines++;
}

static struct base_log log_to(struct sink *sink, enum base_log_format format)
{
    memset(sink, 0, sizeof *sink);
    sink->wall_ms = 1795369380123; /* 2026-11-22T17:43:00.123Z */
    return (struct base_log){.level = BASE_LOG_INFO,
                             .format = format,
                             .wall_ms = sink_wall_ms,
                             .sink = sink_line,
                             .ctx = sink};
}

static void every_kind(struct base_log *log)
{
    static const struct base_eth_address addr = {{0xf3, 0x9f, 0xd6, 0xe5, 0x1a, 0xad, 0x88,
                                                  0xf6, 0xf4, 0xce, 0x6a, 0xb8, 0x82, 0x72,
                                                  0x79, 0xcf, 0xff, 0xb9, 0x22, 0x66}};
    struct base_log_line line;
    base_log_begin(&line, log, BASE_LOG_INFO, "gossip", "up");
    base_log_str(&line, "bare", "tcp://a:1");
    base_log_str(&line, "blank", "a b");
    base_log_strn(&line, "part", "abcdef", 3);
    base_log_str(&line, "empty", "");
    base_log_u64(&line, "u", UINT64_MAX);
    base_log_i64(&line, "i", INT64_MIN);
    base_log_f64(&line, "f", 0.4);
    base_log_f64(&line, "inf", INFINITY);
    base_log_f64(&line, "nan", NAN);
    base_log_bool(&line, "t", true);
    base_log_bool(&line, "n", false);
    base_log_hex(&line, "hex", "\x1e\x10", 2);
    base_log_address(&line, "owner", &addr);
    base_log_end(&line);
}

static void test_json(void **state)
{
    struct sink sink;
    struct base_log log = log_to(&sink, BASE_LOG_JSON);
    (void)state;
    every_kind(&log);
    assert_int_equal(sink.lines, 1);
    assert_int_equal(sink.level, BASE_LOG_INFO);
    assert_string_equal(
        sink.text, "{\"ts\":1795369380.123,\"level\":\"info\",\"mod\":\"gossip\",\"ev\":\"up\","
                   "\"bare\":\"tcp://a:1\",\"blank\":\"a b\",\"part\":\"abc\",\"empty\":\"\","
                   "\"u\":18446744073709551615,\"i\":-9223372036854775808,\"f\":0.400,\"inf\":null,"
                   "\"nan\":null,\"t\":true,\"n\":false,\"hex\":\"1e10\","
                   "\"owner\":\"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\"}");
}

static void test_logfmt(void **state)
{
    struct sink sink;
    struct base_log log = log_to(&sink, BASE_LOG_LOGFMT);
    (void)state;
    every_kind(&log);
    assert_string_equal(sink.text,
                        "ts=2026-11-22T17:43:00.123Z level=info mod=gossip ev=up bare=tcp://a:1 "
                        "blank=\"a b\" part=abc empty=\"\" u=18446744073709551615 "
                        "i=-9223372036854775808 f=0.400 inf=null nan=null t=true n=false "
                        "hex=\"1e10\" owner=0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
}

/* What a peer would send to end a line, forge a field, or paint the terminal. */
static const char *const attacks[] = {
    "\n",           "\r\nlevel=error",
    "\x1b[2J",      "\x7f",
    "\xc2\x9b[m",   "\",\"ev\":\"down",
    "x ev=down",    "\\",
    "\\\"",         "a=b",
    "\xff\xfe",     "\xe2\x80\xa8",
    "\xe2\x80\xae", "\"",
};

static void test_attacks_json(void **state)
{
    struct sink sink;
    struct base_log log = log_to(&sink, BASE_LOG_JSON);
    (void)state;
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        struct base_log_line line;
        base_log_begin(&line, &log, BASE_LOG_WARN, "node", "refused");
        base_log_str(&line, "peer", attacks[i]);
        base_log_end(&line);
        json_t *obj = json_loadb(sink.text, sink.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(obj);
        assert_int_equal(json_object_size(obj), 5);
        assert_string_equal(json_string_value(json_object_get(obj, "ev")), "refused");
        if (attacks[i][0] != '\xff')
            assert_string_equal(json_string_value(json_object_get(obj, "peer")), attacks[i]);
        json_decref(obj);
    }
}

static void test_attacks_logfmt(void **state)
{
    struct sink sink;
    struct base_log log = log_to(&sink, BASE_LOG_LOGFMT);
    (void)state;
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        static const char head[] =
            "ts=2026-11-22T17:43:00.123Z level=warn mod=node ev=refused peer=";
        struct base_log_line line;
        base_log_begin(&line, &log, BASE_LOG_WARN, "node", "refused");
        base_log_str(&line, "peer", attacks[i]);
        base_log_end(&line);
        assert_memory_equal(sink.text, head, strlen(head));
        /* Quoted, and the quote that ends it is the line's last character. */
        const char *value = sink.text + strlen(head);
        assert_int_equal(value[0], '"');
        json_t *back = json_loads(value, JSON_DECODE_ANY, NULL);
        assert_true(json_is_string(back));
        if (attacks[i][0] != '\xff') assert_string_equal(json_string_value(back), attacks[i]);
        json_decref(back);
    }
}

static void test_levels(void **state)
{
    struct sink sink;
    struct base_log log = log_to(&sink, BASE_LOG_JSON);
    (void)state;
    for (int on = BASE_LOG_ERROR; on <= BASE_LOG_TRACE; on++) {
        log.level = (enum base_log_level)on;
        for (int level = BASE_LOG_ERROR; level <= BASE_LOG_TRACE; level++) {
            struct base_log_line line;
            sink.lines = 0;
            base_log_begin(&line, &log, (enum base_log_level)level, "node", "x");
            base_log_str(&line, "a", "b");
            base_log_strn(&line, "a", "b", 1);
            base_log_u64(&line, "a", 1);
            base_log_i64(&line, "a", 1);
            base_log_f64(&line, "a", 1);
            base_log_bool(&line, "a", true);
            base_log_hex(&line, "a", "b", 1);
            base_log_address(&line, "a", &(struct base_eth_address){{0}});
            base_log_end(&line);
            assert_int_equal(sink.lines, level <= on ? 1 : 0);
            assert_int_equal(base_log_is_on(&log, (enum base_log_level)level), level <= on);
        }
    }
    struct base_log_line line;
    base_log_begin(&line, NULL, BASE_LOG_ERROR, "node", "x");
    base_log_str(&line, "a", "b");
    base_log_end(&line);
    assert_false(base_log_is_on(NULL, BASE_LOG_ERROR));
}

static void test_level_names(void **state)
{
    (void)state;
    for (int i = BASE_LOG_ERROR; i <= BASE_LOG_TRACE; i++) {
        enum base_log_level level = (enum base_log_level)99;
        const char *name = base_log_level_name((enum base_log_level)i);
        assert_int_equal(base_log_level_parse(&level, name), BASE_OK);
        assert_int_equal(level, i);
    }
    enum base_log_level untouched = BASE_LOG_WARN;
    assert_int_equal(base_log_level_parse(&untouched, ""), BASE_EINVAL);
    assert_int_equal(base_log_level_parse(&untouched, "INFO"), BASE_EINVAL);
    assert_int_equal(base_log_level_parse(&untouched, "info "), BASE_EINVAL);
    assert_int_equal(base_log_level_parse(&untouched, "inf"), BASE_EINVAL);
    assert_int_equal(untouched, BASE_LOG_WARN);
}

/* Leap days, ends of centuries, the last second of a year. */
static void test_dates(void **state)
{
    static const struct {
        uint64_t wall_ms;
        const char *want;
    } cases[] = {
        {0, "ts=1970-01-01T00:00:00.000Z "},
        {951782399999, "ts=2000-02-28T23:59:59.999Z "},
        {951782400000, "ts=2000-02-29T00:00:00.000Z "},
        {951868800000, "ts=2000-03-01T00:00:00.000Z "},
        {1709164800000, "ts=2024-02-29T00:00:00.000Z "},
        {1767225599001, "ts=2025-12-31T23:59:59.001Z "},
        {1767225600000, "ts=2026-01-01T00:00:00.000Z "},
        {4107542400000, "ts=2100-03-01T00:00:00.000Z "}, /* 2100 has no leap day */
        {4107456000000, "ts=2100-02-28T00:00:00.000Z "},
        {253402300799999, "ts=9999-12-31T23:59:59.999Z "},
        {UINT64_MAX, "ts=584556019-04-03T14:25:51.615Z "},
    };
    struct sink sink;
    struct base_log log = log_to(&sink, BASE_LOG_LOGFMT);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct base_log_line line;
        sink.wall_ms = cases[i].wall_ms;
        base_log_begin(&line, &log, BASE_LOG_INFO, "node", "x");
        base_log_end(&line);
        assert_memory_equal(sink.text, cases[i].want, strlen(cases[i].want));
    }
}

/* A field that does not fit is left out whole, the rest is there, and the line says so. */
static void test_too_long(void **state)
{
    static char text[BASE_LOG_LINE_BYTES_MAX + 100];
    struct sink sink;
    struct base_log log = log_to(&sink, BASE_LOG_JSON);
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t len = BASE_LOG_LINE_BYTES_MAX - 200; len < sizeof text; len++) {
        struct base_log_line line;
        base_log_begin(&line, &log, BASE_LOG_INFO, "node", "x");
        base_log_strn(&line, "long", text, len);
        base_log_u64(&line, "after", 7);
        base_log_end(&line);
        json_t *obj = json_loadb(sink.text, sink.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(obj);
        bool whole = json_object_get(obj, "long") != NULL && json_object_get(obj, "after") != NULL;
        assert_int_equal(json_object_get(obj, "truncated") != NULL, !whole);
        if (json_object_get(obj, "long") != NULL)
            assert_int_equal(json_string_length(json_object_get(obj, "long")), len);
        else
            assert_int_equal(json_integer_value(json_object_get(obj, "after")), 7);
        json_decref(obj);
    }
    assert_int_equal(sink.lines, 300);
    log.format = BASE_LOG_LOGFMT;
    struct base_log_line line;
    base_log_begin(&line, &log, BASE_LOG_INFO, "node", "x");
    base_log_strn(&line, "long", text, sizeof text);
    base_log_hex(&line, "long", text, sizeof text);
    base_log_end(&line);
    assert_string_equal(sink.text,
                        "ts=2026-11-22T17:43:00.123Z level=info mod=node ev=x truncated=true");
}

/* Half a line would lie: without memory for it there is none, and the next one is whole again. */
static void test_no_memory(void **state)
{
    struct sink sink;
    struct base_log log = log_to(&sink, BASE_LOG_JSON);
    (void)state;
    out_of_memory = true;
    every_kind(&log);
    out_of_memory = false;
    assert_int_equal(sink.lines, 0);
    struct base_log_line line;
    out_of_memory = true;
    base_log_begin(&line, &log, BASE_LOG_INFO, "node", "x");
    out_of_memory = false; /* too late for a line without its head */
    base_log_str(&line, "a", "b");
    base_log_end(&line);
    assert_int_equal(sink.lines, 0);
    every_kind(&log);
    assert_int_equal(sink.lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),         cmocka_unit_test(test_logfmt),
        cmocka_unit_test(test_attacks_json), cmocka_unit_test(test_attacks_logfmt),
        cmocka_unit_test(test_levels),       cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_dates),        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
