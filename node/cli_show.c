#include "node/cli_show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define GRID_COLUMNS_MAX 16
#define GRID_GAP         2

/* ---- values ---- */

void cli_text(struct base_buf *out, const char *text)
{
    struct base_buf quoted;
    if (text == NULL || *text == '\0') {
        base_buf_puts(out, "-");
        return;
    }
    base_buf_init(&quoted, 16 + 12 * strlen(text));
    base_buf_json_string(&quoted, text, strlen(text));
    if (!quoted.failed) base_buf_append(out, quoted.data + 1, quoted.len - 2);
    base_buf_deinit(&quoted);
}

static void put_number(struct base_buf *out, double value)
{
    base_buf_printf(out, "%.15g", value);
}

void cli_value(struct base_buf *out, const json_t *value)
{
    if (json_is_string(value))
        cli_text(out, json_string_value(value));
    else if (json_is_number(value))
        put_number(out, json_number_value(value));
    else if (json_is_boolean(value))
        base_buf_puts(out, json_is_true(value) ? "yes" : "no");
    else
        base_buf_puts(out, "-");
}

void cli_field(struct base_buf *out, const json_t *object, const char *key)
{
    cli_value(out, json_object_get(object, key));
}

void cli_duration(struct base_buf *out, double seconds)
{
    static const struct {
        const char *unit;
        double s, below;
    } units[] = {{"s", 1, 120}, {"min", 60, 7200}, {"h", 3600, 172800}, {"d", 86400, 0}};
    size_t i = 0;
    if (seconds < 0) seconds = 0;
    while (units[i].below > 0 && seconds >= units[i].below)
        i++;
    base_buf_printf(out, "%.0f %s", (double)(uint64_t)(seconds / units[i].s), units[i].unit);
}

void cli_age(struct base_buf *out, double then_s, double now_s)
{
    if (then_s <= 0)
        base_buf_puts(out, "-");
    else
        cli_duration(out, now_s - then_s);
}

void cli_bytes(struct base_buf *out, double bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    size_t i = 0;
    if (bytes < 1000) {
        base_buf_printf(out, "%.0f B", bytes);
        return;
    }
    for (bytes /= 1000; bytes >= 999.95 && i < 3; i++)
        bytes /= 1000;
    base_buf_printf(out, "%.1f %s", bytes, units[i]);
}

double cli_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- grids ---- */

void cli_pair(struct base_buf *rows, const char *label, const json_t *object, const char *key)
{
    base_buf_printf(rows, "%s\t", label);
    cli_field(rows, object, key);
    base_buf_puts(rows, "\n");
}

static void grid_measure(size_t widths[GRID_COLUMNS_MAX], const char *text)
{
    size_t column = 0, width = 0;
    for (; *text != '\0'; text++) {
        if (*text != '\t' && *text != '\n') {
            width++;
            continue;
        }
        /* The last cell of a row needs no width: nothing is to its right. */
        if (*text == '\t' && width > widths[column]) widths[column] = width;
        column = *text == '\n' ? 0 : column + (column + 1 < GRID_COLUMNS_MAX);
        width = 0;
    }
}

void cli_grid_print(const struct base_buf *rows)
{
    size_t widths[GRID_COLUMNS_MAX] = {0};
    size_t column = 0;
    const char *text = rows->failed || rows->data == NULL ? "" : rows->data;
    grid_measure(widths, text);
    while (*text != '\0') {
        size_t len = strcspn(text, "\t\n");
        printf("%.*s", (int)len, text);
        text += len;
        if (*text == '\t') {
            printf("%*s", (int)(widths[column] - len + GRID_GAP), "");
            column += column + 1 < GRID_COLUMNS_MAX;
        } else {
            putchar('\n');
            column = 0;
        }
        text += *text != '\0';
    }
}
