#include "node/options_internal.h"

#include <string.h>

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
    char env[NODE__OPTION_NAME_BYTES_MAX + 16];
    base_buf_init(&text, 8192);
    base_buf_printf(out, "  --%s%s%s%s\n", option->name, option->argument != NULL ? " " : "",
                    option->argument != NULL ? option->argument : "",
                    option->repeatable ? " ..." : "");
    base_buf_puts(&text, option->help);
    if (option->repeatable) base_buf_puts(&text, " May be given several times.");
    if (option->kind == NODE_OPTION_CHOICE) base_buf_printf(&text, " One of %s.", option->choices);
    if (option->fallback != NULL) base_buf_printf(&text, " Default: %s.", option->fallback);
    if (option->scope != NODE_OPTION_COMMAND_LINE_ONLY &&
        option->scope != NODE_OPTION_NOT_IN_ENVIRONMENT) {
        node__option_env_name(env, option->name);
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
    const struct node__option_values *values = &options->values[index];
    char key[NODE__OPTION_NAME_BYTES_MAX];
    node__option_key(key, option->name);
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
            (options->table->options[i].scope == NODE_OPTION_EVERYWHERE ||
             options->table->options[i].scope == NODE_OPTION_NOT_IN_ENVIRONMENT))
            print_option(out, options, i);
}
