#include "node/options_internal.h"

#include "base/err.h"
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_ENV_PREFIX "NFTMESH_"
#define DURATION_MS_MAX   ((uint64_t)10 * 366 * 24 * 3600 * 1000)

/* ---- names ---- */

void node__option_env_name(char out[NODE__OPTION_NAME_BYTES_MAX + 16], const char *name)
{
    size_t len = strlen(OPTION_ENV_PREFIX);
    memcpy(out, OPTION_ENV_PREFIX, len);
    for (; *name != '\0'; name++)
        out[len++] = *name == '-'                   ? '_'
                     : *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A')
                                                    : *name;
    out[len] = '\0';
}

void node__option_key(char out[NODE__OPTION_NAME_BYTES_MAX], const char *name)
{
    for (; *name != '\0'; name++)
        *out++ = *name == '-' ? '_' : *name;
    *out = '\0';
}

const char *node_option_getenv(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

size_t node__option_index(const struct node_option_table *table, const char *name)
{
    for (size_t i = 0; i < table->option_count; i++)
        if (strcmp(table->options[i].name, name) == 0) return i;
    return SIZE_MAX;
}

static const struct node__option_values *option_find(const struct node_options *options,
                                                     const char *name)
{
    size_t i = node__option_index(options->table, name);
    assert(i != SIZE_MAX);
    return &options->values[i];
}

/* ---- values ---- */

int node_duration_parse(uint64_t *out_ms, const char *text)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    uint64_t value = 0;
    const char *p = text;
    assert(out_ms != NULL);
    assert(text != NULL);
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint64_t)(*p - '0');
        if (value > DURATION_MS_MAX) return BASE_ETOOBIG;
    }
    if (p == text) return BASE_EMALFORMED;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(p, units[i].unit) != 0) continue;
        if (value > DURATION_MS_MAX / units[i].ms) return BASE_ETOOBIG;
        *out_ms = value * units[i].ms;
        return BASE_OK;
    }
    return BASE_EMALFORMED;
}

static int number_parse(uint64_t *out, const char *text)
{
    uint64_t value = 0;
    if (*text == '\0') return BASE_EMALFORMED;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return BASE_EMALFORMED;
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10) return BASE_EMALFORMED;
        value = value * 10 + digit;
    }
    *out = value;
    return BASE_OK;
}

static int flag_parse(const char **out, const char *text)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(text, yes[i]) == 0) *out = "true";
        if (strcmp(text, no[i]) == 0) *out = "false";
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) return BASE_OK;
    }
    return BASE_EMALFORMED;
}

static bool choice_has(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *p = choices; p != NULL && len > 0; p = strchr(p, '|')) {
        if (*p == '|') p++;
        if (strncmp(p, text, len) == 0 && (p[len] == '|' || p[len] == '\0')) return true;
    }
    return false;
}

static int range_check(const struct node_option *option, uint64_t value, const char *unit,
                       char *why, size_t why_bytes)
{
    if (value >= option->min && (option->max == 0 || value <= option->max)) return BASE_OK;
    if (option->max == 0)
        snprintf(why, why_bytes, "is too small: at least %llu%s", (unsigned long long)option->min,
                 unit);
    else
        snprintf(why, why_bytes, "is out of range: %llu to %llu%s", (unsigned long long)option->min,
                 (unsigned long long)option->max, unit);
    return BASE_EINVAL;
}

static int text_check(const char *value, char *why, size_t why_bytes)
{
    size_t len = strlen(value);
    if (len == 0 || len > NODE_OPTION_BYTES_MAX) {
        snprintf(why, why_bytes, "%s",
                 len == 0 ? "is empty: give a value or leave it out" : "is too long");
        return BASE_EINVAL;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)value[i] >= ' ' && value[i] != 127) continue;
        snprintf(why, why_bytes, "holds a control character at byte %zu", i);
        return BASE_EINVAL;
    }
    return BASE_OK;
}

/* Half a sentence in why when the value is refused; *canonical is what is kept. */
static int value_check(const struct node_option *option, const char *value, const char **canonical,
                       char *why, size_t why_bytes)
{
    uint64_t number;
    int rv = text_check(value, why, why_bytes);
    *canonical = value;
    if (rv != BASE_OK) return rv;
    switch (option->kind) {
    case NODE_OPTION_FLAG:
        rv = flag_parse(canonical, value);
        if (rv != BASE_OK) snprintf(why, why_bytes, "is neither true nor false");
        break;
    case NODE_OPTION_TEXT:
        break;
    case NODE_OPTION_NUMBER:
        rv = number_parse(&number, value);
        if (rv == BASE_OK)
            rv = range_check(option, number, "", why, why_bytes);
        else
            snprintf(why, why_bytes, "is not a number: write decimal digits");
        break;
    case NODE_OPTION_DURATION:
        rv = node_duration_parse(&number, value);
        if (rv == BASE_OK)
            rv = range_check(option, number, "ms", why, why_bytes);
        else
            snprintf(why, why_bytes, "is not a duration: write 500ms, 30s, 10m, 24h or 7d");
        break;
    case NODE_OPTION_CHOICE:
        rv = choice_has(option->choices, value) ? BASE_OK : BASE_EINVAL;
        if (rv != BASE_OK) snprintf(why, why_bytes, "is none of %s", option->choices);
        break;
    }
    if (rv == BASE_OK && option->check != NULL) rv = option->check(value, why, why_bytes);
    return rv == BASE_OK || rv == BASE_ENOMEM ? rv : BASE_EINVAL;
}

/* Checks and keeps one value. A source weaker than the one that set the option is checked only. */
int node__option_put(struct node_options *options, size_t index, enum node_option_source source,
                     const char *value, const char *where, char *why)
{
    const struct node_option *option = &options->table->options[index];
    struct node__option_values *values = &options->values[index];
    const char *canonical;
    char half[NODE_OPTIONS_WHY_BYTES / 2] = "";
    int rv = value_check(option, value, &canonical, half, sizeof half);
    if (rv != BASE_OK) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "%s %s", where, half);
        return rv;
    }
    if (values->source > source) return BASE_OK;
    if (values->count > 0 && !option->repeatable) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "%s is given a second time: once is enough", where);
        return BASE_EINVAL;
    }
    if (values->count == NODE_OPTION_VALUES_MAX) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "%s is given too often: at most %d times", where,
                 NODE_OPTION_VALUES_MAX);
        return BASE_EINVAL;
    }
    char *text = strdup(canonical), *place = strdup(where);
    if (text == NULL || place == NULL) {
        free(text);
        free(place);
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "no memory for the options");
        return BASE_ENOMEM;
    }
    values->texts[values->count] = text;
    values->wheres[values->count++] = place;
    values->source = source;
    return BASE_OK;
}

/* ---- command line ---- */

static int usage_error(const struct node_option_table *table, char *why, const char *what,
                       const char *word)
{
    snprintf(why, NODE_OPTIONS_WHY_BYTES, "%s%.100s (`%s --help` lists what there is)", what, word,
             table->command);
    return BASE_EINVAL;
}

static int arg_put(struct node_options *options, const char *word, char *why)
{
    if (options->arg_count == options->table->arg_max)
        return usage_error(options->table, why, "unexpected word ", word);
    options->args[options->arg_count] = strdup(word);
    if (options->args[options->arg_count] == NULL) return BASE_ENOMEM;
    options->arg_count++;
    return BASE_OK;
}

static void long_options_fill(struct option *longs, const struct node_option_table *table)
{
    for (size_t i = 0; i < table->option_count; i++) {
        const struct node_option *option = &table->options[i];
        longs[i] = (struct option){.name = option->name,
                                   .has_arg = option->kind == NODE_OPTION_FLAG ? no_argument
                                                                               : required_argument,
                                   .val = (int)(256 + i)};
    }
    longs[table->option_count] = (struct option){.name = "help", .val = 'h'};
}

static int command_line_parse(struct node_options *options, enum node_options_verdict *verdict,
                              int argc, char **argv, char *why)
{
    const struct node_option_table *table = options->table;
    struct option longs[NODE_OPTIONS_COUNT_MAX + 2] = {0};
    char where[NODE__OPTION_NAME_BYTES_MAX + 4];
    int c, rv = BASE_OK;
    long_options_fill(longs, table);
    optind = 0; /* glibc: start anew, also after another table */
    opterr = 0;
    while (rv == BASE_OK && (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
        const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        if (c == 'h') {
            *verdict = NODE_OPTIONS_HELP;
            return BASE_OK;
        }
        if (c == ':') return usage_error(table, why, "a value is missing after ", word);
        if (c == '?' && optopt >= 256)
            return usage_error(table, why, "no value belongs to the flag ", word);
        if (c == '?') return usage_error(table, why, "unknown option ", word);
        size_t index = (size_t)(c - 256);
        snprintf(where, sizeof where, "--%s", table->options[index].name);
        rv = node__option_put(options, index, NODE_OPTION_COMMAND_LINE,
                              table->options[index].kind == NODE_OPTION_FLAG ? "true" : optarg,
                              where, why);
    }
    for (; rv == BASE_OK && optind < argc; optind++)
        rv = arg_put(options, argv[optind], why);
    if (rv == BASE_OK && options->arg_count < table->arg_min) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "too few words: usage is `%s %s`", table->command,
                 table->usage);
        rv = BASE_EINVAL;
    }
    return rv;
}

/* ---- environment ---- */

/* A repeatable option's variable holds several values, between commas or blanks. */
static int env_list_put(struct node_options *options, size_t index, const char *text,
                        const char *where, char *why)
{
    char word[NODE_OPTION_BYTES_MAX + 2];
    int rv = BASE_OK;
    while (rv == BASE_OK) {
        text += strspn(text, ", \t\n");
        size_t len = strcspn(text, ", \t\n");
        if (len == 0) break;
        size_t kept = len < sizeof word - 1 ? len : sizeof word - 1; /* too long is refused */
        memcpy(word, text, kept);
        word[kept] = '\0';
        rv = node__option_put(options, index, NODE_OPTION_ENVIRONMENT, word, where, why);
        text += len;
    }
    return rv;
}

static int environment_parse(struct node_options *options, node_option_env *env, void *ctx,
                             char *why)
{
    char name[NODE__OPTION_NAME_BYTES_MAX + 16];
    int rv = BASE_OK;
    for (size_t i = 0; rv == BASE_OK && i < options->table->option_count; i++) {
        const struct node_option *option = &options->table->options[i];
        if (option->scope == NODE_OPTION_COMMAND_LINE_ONLY ||
            option->scope == NODE_OPTION_NOT_IN_ENVIRONMENT)
            continue;
        if (options->values[i].source > NODE_OPTION_ENVIRONMENT) continue;
        node__option_env_name(name, option->name);
        const char *where = name;
        const char *value = env(ctx, name);
        if ((value == NULL || *value == '\0') && option->env_alias != NULL) {
            where = option->env_alias;
            value = env(ctx, option->env_alias);
        }
        if (value == NULL || *value == '\0') continue;
        rv = option->repeatable
                 ? env_list_put(options, i, value, where, why)
                 : node__option_put(options, i, NODE_OPTION_ENVIRONMENT, value, where, why);
    }
    return rv;
}

/* ---- the whole ---- */

static int options_new(struct node_options **out, const struct node_option_table *table)
{
    assert(table->option_count <= NODE_OPTIONS_COUNT_MAX);
    struct node_options *options = calloc(1, sizeof *options);
    if (options == NULL) return BASE_ENOMEM;
    options->table = table;
    options->values = calloc(table->option_count + 1, sizeof *options->values);
    options->args = calloc(table->arg_max + 1, sizeof *options->args);
    if (options->values == NULL || options->args == NULL) {
        node_options_free(options);
        return BASE_ENOMEM;
    }
    *out = options;
    return BASE_OK;
}

static int defaults_put(struct node_options *options, char *why)
{
    int rv = BASE_OK;
    for (size_t i = 0; rv == BASE_OK && i < options->table->option_count; i++) {
        const struct node_option *option = &options->table->options[i];
        if (options->values[i].source != NODE_OPTION_UNSET || option->fallback == NULL) continue;
        rv = node__option_put(options, i, NODE_OPTION_DEFAULT, option->fallback, "default", why);
        assert(rv == BASE_OK || rv == BASE_ENOMEM);
    }
    return rv;
}

int node_options_parse(struct node_options **out, enum node_options_verdict *verdict,
                       const struct node_option_table *table, int argc, char **argv,
                       node_option_env *env, void *env_ctx, char why[NODE_OPTIONS_WHY_BYTES])
{
    assert(out != NULL && verdict != NULL && table != NULL && argc > 0 && argv != NULL);
    assert(env != NULL && why != NULL);
    struct node_options *options;
    *out = NULL;
    *verdict = NODE_OPTIONS_UNDECIDED;
    snprintf(why, NODE_OPTIONS_WHY_BYTES, "no memory for the options");
    int rv = options_new(&options, table);
    if (rv != BASE_OK) return rv;
    rv = command_line_parse(options, verdict, argc, argv, why);
    if (rv == BASE_OK && *verdict == NODE_OPTIONS_UNDECIDED) {
        rv = environment_parse(options, env, env_ctx, why);
        if (rv == BASE_OK) rv = node__options_file(options, why);
        if (rv == BASE_OK) rv = defaults_put(options, why);
        if (rv == BASE_OK) *verdict = NODE_OPTIONS_RUN;
    }
    if (*verdict != NODE_OPTIONS_RUN) {
        node_options_free(options);
        return rv;
    }
    *out = options;
    return BASE_OK;
}

int node_options_parse_text(struct node_options **out, const struct node_option_table *table,
                            const char *path, const char *text, size_t len,
                            char why[NODE_OPTIONS_WHY_BYTES])
{
    assert(out != NULL && table != NULL && path != NULL && text != NULL && why != NULL);
    struct node_options *options;
    *out = NULL;
    snprintf(why, NODE_OPTIONS_WHY_BYTES, "no memory for the options");
    if (len > NODE_CONFIG_FILE_BYTES_MAX) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "%.200s is too large: at most 256 KiB", path);
        return BASE_ETOOBIG;
    }
    int rv = options_new(&options, table);
    if (rv != BASE_OK) return rv;
    rv = node__options_file_text(options, path, text, len, why);
    if (rv == BASE_OK) rv = defaults_put(options, why);
    if (rv != BASE_OK) {
        node_options_free(options);
        return rv;
    }
    *out = options;
    return BASE_OK;
}

void node_options_free(struct node_options *options)
{
    if (options == NULL) return;
    for (size_t i = 0; options->values != NULL && i < options->table->option_count; i++) {
        for (size_t k = 0; k < options->values[i].count; k++) {
            free(options->values[i].texts[k]);
            free(options->values[i].wheres[k]);
        }
    }
    for (size_t i = 0; i < options->arg_count; i++)
        free(options->args[i]);
    free(options->values);
    free(options->args);
    free(options);
}

/* ---- asking ---- */

enum node_option_source node_options_source(const struct node_options *options, const char *name)
{
    return option_find(options, name)->source;
}

size_t node_options_count(const struct node_options *options, const char *name)
{
    return option_find(options, name)->count;
}

const char *node_options_at(const struct node_options *options, const char *name, size_t index)
{
    const struct node__option_values *values = option_find(options, name);
    assert(index < values->count);
    return values->texts[index];
}

const char *node_options_where(const struct node_options *options, const char *name, size_t index)
{
    const struct node__option_values *values = option_find(options, name);
    assert(index < values->count);
    return values->wheres[index];
}

const char *node_options_text(const struct node_options *options, const char *name)
{
    const struct node__option_values *values = option_find(options, name);
    return values->count > 0 ? values->texts[0] : NULL;
}

bool node_options_flag(const struct node_options *options, const char *name)
{
    const char *text = node_options_text(options, name);
    return text != NULL && strcmp(text, "true") == 0;
}

uint64_t node_options_u64(const struct node_options *options, const char *name)
{
    uint64_t value = 0;
    const char *text = node_options_text(options, name);
    int rv = text == NULL ? BASE_OK : number_parse(&value, text);
    assert(rv == BASE_OK); /* checked when it was put */
    return value;
}

uint64_t node_options_ms(const struct node_options *options, const char *name)
{
    uint64_t value = 0;
    const char *text = node_options_text(options, name);
    int rv = text == NULL ? BASE_OK : node_duration_parse(&value, text);
    assert(rv == BASE_OK); /* checked when it was put */
    return value;
}

size_t node_options_arg_count(const struct node_options *options)
{
    return options->arg_count;
}

const char *node_options_arg(const struct node_options *options, size_t index)
{
    assert(index < options->arg_count);
    return options->args[index];
}
