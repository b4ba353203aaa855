#include "node/options_internal.h"

#include "base/err.h"
#include <assert.h>
#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The configuration file, by libconfuse: all values are texts to it, and each is checked while its
 * line is known. */

struct file_parse {
    struct node_options *options;
    const char *path;
    char *why;
    int rv;
};
/* libconfuse gives its callbacks no context of ours: the one parse that is running. */
static struct file_parse *file_parsing;

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
    snprintf(parse->why, NODE_OPTIONS_WHY_BYTES, "%.180s:%d: %.200s%s", parse->path,
             cfg != NULL ? cfg->line : 0, text, advice);
    parse->rv = BASE_EINVAL;
}

static int file_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct file_parse *parse = file_parsing;
    const struct node_option_table *table = parse->options->table;
    char key[NODE__OPTION_NAME_BYTES_MAX], where[NODE_OPTIONS_WHY_BYTES / 2];
    size_t index = 0;
    for (; index < table->option_count; index++) {
        node__option_key(key, table->options[index].name);
        if (strcmp(key, opt->name) == 0) break;
    }
    assert(index < table->option_count);
    snprintf(where, sizeof where, "%.180s:%d: %s", parse->path, cfg->line, key);
    int rv = node__option_put(parse->options, index, NODE_OPTION_FILE, value, where, parse->why);
    if (rv != BASE_OK) {
        parse->rv = rv;
        return -1;
    }
    *(const char **)result = value;
    return 0;
}

int node__options_file_text(struct node_options *options, const char *path, const char *text,
                            size_t len, char *why)
{
    const struct node_option_table *table = options->table;
    char keys[NODE_OPTIONS_COUNT_MAX][NODE__OPTION_NAME_BYTES_MAX];
    cfg_opt_t opts[NODE_OPTIONS_COUNT_MAX + 1];
    struct file_parse parse = {options, path, why, BASE_OK};
    size_t count = 0;
    if (memchr(text, '\0', len) != NULL) {
        snprintf(why, NODE_OPTIONS_WHY_BYTES, "%.200s: holds a zero byte: not a text file", path);
        return BASE_EINVAL;
    }
    if (strspn(text, " \t\r\n") == len) return BASE_OK; /* fmemopen() inside refuses nothing */
    for (size_t i = 0; i < table->option_count; i++) {
        if (table->options[i].scope != NODE_OPTION_EVERYWHERE &&
            table->options[i].scope != NODE_OPTION_NOT_IN_ENVIRONMENT)
            continue;
        node__option_key(keys[count], table->options[i].name);
        cfg_opt_t scalar = CFG_STR_CB(keys[count], NULL, CFGF_NODEFAULT, file_value);
        cfg_opt_t list = CFG_STR_LIST_CB(keys[count], NULL, CFGF_NODEFAULT, file_value);
        opts[count++] = table->options[i].repeatable ? list : scalar;
    }
    opts[count] = (cfg_opt_t)CFG_END();
    cfg_t *cfg = cfg_init(opts, table->passes_over ? CFGF_IGNORE_UNKNOWN : CFGF_NONE);
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

int node__options_file(struct node_options *options, char *why)
{
    size_t index = node__option_index(options->table, "config");
    if (index == SIZE_MAX || options->values[index].count == 0) return BASE_OK;
    const char *path = options->values[index].texts[0];
    char *text;
    size_t len;
    int rv = file_read(&text, &len, path, why);
    if (rv != BASE_OK) return rv;
    rv = node__options_file_text(options, path, text, len, why);
    free(text);
    return rv;
}
