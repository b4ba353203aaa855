#include "node/options.h"

#include "base/err.h"
#include <assert.h>
#include <confuse.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_NAME_BYTES_MAX 48
#define OPTION_ENV_PREFIX     "NFTMESH_"
#define DURATION_MS_MAX       ((uint64_t)10 * 366 * 24 * 3600 * 1000)

struct option_values {
    enum node_option_source source;
    size_t count;
    char *texts[NODE_OPTION_VALUES_MAX];
    char *wheres[NODE_OPTION_VALUES_MAX];
};
struct node_options {
    const struct node_option_table *table;
    struct option_values *values; /* one an option of the table */
    char **args;                  /* copies */
    size_t arg_count;
};

/* ---- names ---- */

static void name_to_env(char out[OPTION_NAME_BYTES_MAX + 16], const char *name)
{
    size_t len = strlen(OPTION_ENV_PREFIX);
    memcpy(out, OPTION_ENV_PREFIX, len);
    for (; *name != '\0'; name++)
        out[len++] = *name == '-'                   ? '_'
                     : *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A')
                                                    : *name;
    out[len] = '\0';
}

static void name_to_key(char out[OPTION_NAME_BYTES_MAX], const char *name)
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

static size_t option_index(const struct node_option_table *table, const char *name)
{
    for (size_t i = 0; i < table->option_count; i++)
        if (strcmp(table->options[i].name, name) == 0) return i;
    return SIZE_MAX;
}

static const struct option_values *option_find(const struct node_options *options, const char *name)
{
    size_t i = option_index(options->table, name);
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
static int value_put(struct node_options *options, size_t index, enum node_option_source source,
                     const char *value, const char *where, char *why)
{
    const struct node_option *option = &options->table->options[index];
    struct option_values *values = &options->values[index];
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
    char where[OPTION_NAME_BYTES_MAX + 4];
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
        rv =
            value_put(options, index, NODE_OPTION_COMMAND_LINE,
                      table->options[index].kind == NODE_OPTION_FLAG ? "true" : optarg, where, why);
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
        rv = value_put(options, index, NODE_OPTION_ENVIRONMENT, word, where, why);
        text += len;
    }
    return rv;
}

static int environment_parse(struct node_options *options, node_option_env *env, void *ctx,
                             char *why)
{
    char name[OPTION_NAME_BYTES_MAX + 16];
    int rv = BASE_OK;
    for (size_t i = 0; rv == BASE_OK && i < options->table->option_count; i++) {
        const struct node_option *option = &options->table->options[i];
        if (option->scope == NODE_OPTION_COMMAND_LINE_ONLY) continue;
        if (options->values[i].source > NODE_OPTION_ENVIRONMENT) continue;
        name_to_env(name, option->name);
        const char *where = name;
        const char *value = env(ctx, name);
        if ((value == NULL || *value == '\0') && option->env_alias != NULL) {
            where = option->env_alias;
            value = env(ctx, option->env_alias);
        }
        if (value == NULL || *value == '\0') continue;
        rv = option->repeatable ? env_list_put(options, i, value, where, why)
                                : value_put(options, i, NODE_OPTION_ENVIRONMENT, value, where, why);
    }
    return rv;
}

/* ---- file ---- */

/* libconfuse gives its callbacks no context of ours, so the one parse that is running is here. */
static struct file_parse {
    struct node_options *options;
    const char *path;
    char *why;
    int rv;
} * file_parsing;

static void file_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    struct file_parse *parse = file_parsing;
    char text[NODE_OPTIONS_WHY_BYTES / 2];
    if (parse->rv != BASE_OK) return; /* the first one says what is wrong */
    vsnprintf(text, sizeof text, fmt, ap);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 127) *p = '?';
    const char *advice = strstr(text, "no such option") == NULL
                             ? ""
                             : ": keys are the flags with _ for - (--help lists them)";
    snprintf(parse->why, NODE_OPTIONS_WHY_BYTES, "%.200s:%d: %s%s", parse->path,
             cfg != NULL ? cfg->line : 0, text, advice);
    parse->rv = BASE_EINVAL;
}

static int file_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct file_parse *parse = file_parsing;
    const struct node_option_table *table = parse->options->table;
    char key[OPTION_NAME_BYTES_MAX], where[NODE_OPTIONS_WHY_BYTES / 2];
    size_t index = 0;
    for (; index < table->option_count; index++) {
        name_to_key(key, table->options[index].name);
        if (strcmp(key, opt->name) == 0) break;
    }
    assert(index < table->option_count);
    snprintf(where, sizeof where, "%.180s:%d: %s", parse->path, cfg->line, key);
    int rv = value_put(parse->options, index, NODE_OPTION_FILE, value, where, parse->why);
    if (rv != BASE_OK) {
        parse->rv = rv;
        return -1;
    }
    *(const char **)result = value;
    return 0;
}

static int file_text_parse(struct node_options *options, const char *path, const char *text,
                           size_t len, char *why)
{
    const struct node_option_table *table = options->table;
    char keys[NODE_OPTIONS_COUNT_MAX][OPTION_NAME_BYTES_MAX];
    cfg_opt_t opts[NODE_OPTIONS_COUNT_MAX + 1];
    struct file_parse parse = {options, path, why, BASE_OK};
    size_t count = 0;
    if (memchr(text, '\0', len) != NULL) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "%.200s: holds a zero byte: not a text file", path);
        return BASE_EINVAL;
    }
    if (strspn(text, " \t\r\n") == len) return BASE_OK; /* fmemopen() inside refuses nothing */
    for (size_t i = 0; i < table->option_count; i++) {
        if (table->options[i].scope != NODE_OPTION_EVERYWHERE) continue;
        name_to_key(keys[count], table->options[i].name);
        cfg_opt_t scalar = CFG_STR_CB(keys[count], NULL, CFGF_NODEFAULT, file_value);
        cfg_opt_t list = CFG_STR_LIST_CB(keys[count], NULL, CFGF_NODEFAULT, file_value);
        opts[count++] = table->options[i].repeatable ? list : scalar;
    }
    opts[count] = (cfg_opt_t)CFG_END();
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    if (cfg == NULL) return BASE_ENOMEM;
    file_parsing = &parse;
    cfg_set_error_function(cfg, file_error);
    int rv = cfg_parse_buf(cfg, text);
    file_parsing = NULL;
    cfg_free(cfg);
    if (parse.rv == BASE_OK && rv != CFG_SUCCESS) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "%.200s: cannot be parsed", path);
        parse.rv = BASE_EINVAL;
    }
    return parse.rv;
}

static int file_read(char **out, size_t *len, const char *path, char *why)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "--config: cannot open %.200s: %s", path,
                 strerror(errno));
        return BASE_EINVAL;
    }
    char *text = malloc(NODE_CONFIG_FILE_BYTES_MAX + 1);
    int rv = text == NULL ? BASE_ENOMEM : BASE_OK;
    if (rv == BASE_OK) {
        *len = fread(text, 1, NODE_CONFIG_FILE_BYTES_MAX + 1, file);
        if (ferror(file) != 0 || *len > NODE_CONFIG_FILE_BYTES_MAX) {
            snprintf(why, NODE_OPTIONS_WHY_BYTES, "--config: %.200s %s", path,
                     ferror(file) != 0 ? "cannot be read" : "is too large: at most 256 KiB");
            rv = BASE_EINVAL;
        }
    }
    fclose(file);
    if (rv != BASE_OK) {
        free(text);
        return rv;
    }
    text[*len] = '\0';
    *out = text;
    return BASE_OK;
}

static int file_parse(struct node_options *options, char *why)
{
    size_t index = option_index(options->table, "config");
    if (index == SIZE_MAX || options->values[index].count == 0) return BASE_OK;
    const char *path = options->values[index].texts[0];
    char *text;
    size_t len;
    int rv = file_read(&text, &len, path, why);
    if (rv != BASE_OK) return rv;
    rv = file_text_parse(options, path, text, len, why);
    free(text);
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
        rv = value_put(options, i, NODE_OPTION_DEFAULT, option->fallback, "default", why);
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
        if (rv == BASE_OK) rv = file_parse(options, why);
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
    rv = file_text_parse(options, path, text, len, why);
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
    const struct option_values *values = option_find(options, name);
    assert(index < values->count);
    return values->texts[index];
}

const char *node_options_where(const struct node_options *options, const char *name, size_t index)
{
    const struct option_values *values = option_find(options, name);
    assert(index < values->count);
    return values->wheres[index];
}

const char *node_options_text(const struct node_options *options, const char *name)
{
    const struct option_values *values = option_find(options, name);
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

/* ---- telling ---- */

#define HELP_COLUMNS 88

/* Words of text from column `indent` on, wrapped. */
static void help_wrap(struct base_buf *out, const char *text, size_t indent)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " \n");
        if (len > 0) {
            if (column > 0 && column + 1 + len > HELP_COLUMNS) column = 0;
            if (column == 0)
                base_buf_printf(out, "%s%*s",
                                out->len > 0 && out->data[out->len - 1] != '\n' ? "\n" : "",
                                (int)indent, "");
            else
                base_buf_puts(out, " ");
            base_buf_append(out, text, len);
            column = (column == 0 ? indent : column + 1) + len;
        }
        text += len;
        if (*text == '\n') {
            base_buf_puts(out, "\n");
            column = 0;
        }
        if (*text != '\0') text++;
    }
    base_buf_puts(out, "\n");
}

static void help_option(struct base_buf *out, const struct node_option *option)
{
    struct base_buf text;
    char env[OPTION_NAME_BYTES_MAX + 16];
    base_buf_init(&text, 8192);
    base_buf_printf(out, "  --%s%s%s%s\n", option->name, option->argument != NULL ? " " : "",
                    option->argument != NULL ? option->argument : "",
                    option->repeatable ? " ..." : "");
    base_buf_puts(&text, option->help);
    if (option->repeatable) base_buf_puts(&text, " May be given several times.");
    if (option->kind == NODE_OPTION_CHOICE) base_buf_printf(&text, " One of %s.", option->choices);
    if (option->fallback != NULL) base_buf_printf(&text, " Default: %s.", option->fallback);
    if (option->scope != NODE_OPTION_COMMAND_LINE_ONLY) {
        name_to_env(env, option->name);
        base_buf_printf(&text, " [%s", env);
        if (option->env_alias != NULL) base_buf_printf(&text, ", %s", option->env_alias);
        base_buf_puts(&text, "]");
    }
    if (!text.failed) help_wrap(out, text.data, 8);
    base_buf_deinit(&text);
}

void node_options_help(struct base_buf *out, const struct node_option_table *table)
{
    base_buf_printf(out, "Usage: %s %s\n", table->command, table->usage);
    if (table->intro != NULL) {
        base_buf_puts(out, "\n");
        help_wrap(out, table->intro, 0);
    }
    for (size_t i = 0; i < table->option_count; i++) {
        const char *group = table->options[i].group;
        if (group == NULL && i == 0) group = "Options";
        if (group != NULL) base_buf_printf(out, "\n%s:\n", group);
        help_option(out, &table->options[i]);
    }
    base_buf_puts(out, table->option_count == 0 ? "\nOptions:\n" : "");
    base_buf_puts(out, "  -h, --help\n        This text.\n");
    if (table->outro != NULL) base_buf_printf(out, "\n%s\n", table->outro);
}

static void print_quoted(struct base_buf *out, const char *text)
{
    base_buf_puts(out, "'"); /* single quotes: nothing is expanded inside */
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') base_buf_puts(out, "\\");
        base_buf_append(out, text, 1);
    }
    base_buf_puts(out, "'");
}

/* scheme://host and no more: user, path and query of such a URL hold keys. */
static void print_sensitive(struct base_buf *out, const char *text)
{
    const char *sep = strstr(text, "://");
    const char *host = sep == NULL ? text : sep + 3;
    size_t len = strcspn(host, "/?#");
    const char *at = memchr(host, '@', len);
    if (sep != NULL) base_buf_append(out, text, (size_t)(sep + 3 - text));
    if (at != NULL) {
        base_buf_puts(out, "...@");
        len -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    base_buf_append(out, host, len);
    if (host[len] != '\0') base_buf_puts(out, "/...");
}

static void print_option(struct base_buf *out, const struct node_options *options, size_t index)
{
    const struct node_option *option = &options->table->options[index];
    const struct option_values *values = &options->values[index];
    char key[OPTION_NAME_BYTES_MAX];
    name_to_key(key, option->name);
    base_buf_printf(out, "%s = %s", key, option->repeatable ? "{" : "");
    for (size_t k = 0; k < values->count; k++) {
        if (k > 0) base_buf_puts(out, ", ");
        if (option->sensitive) {
            base_buf_puts(out, "'");
            print_sensitive(out, values->texts[k]);
            base_buf_puts(out, "'");
        } else {
            print_quoted(out, values->texts[k]);
        }
    }
    base_buf_printf(out, "%s # %s\n", option->repeatable ? "}" : "", values->wheres[0]);
}

void node_options_print(struct base_buf *out, const struct node_options *options)
{
    for (size_t i = 0; i < options->table->option_count; i++)
        if (options->values[i].count > 0 &&
            options->table->options[i].scope == NODE_OPTION_EVERYWHERE)
            print_option(out, options, i);
}
