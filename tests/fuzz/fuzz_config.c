/* No file can crash us; and what a file says, said back by node_options_print(), is accepted and
 * says the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sensitive values are printed shortened: only then do the two differ. */
static bool has_sensitive(const struct node_options *options)
{
    for (size_t i = 0; i < node_config_table.option_count; i++)
        if (node_config_table.options[i].sensitive &&
            node_options_count(options, node_config_table.options[i].name) > 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct node_options *once, *twice;
    struct base_buf first;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    if (size > 8192) return 0;
    char *text = malloc(size + 1);
    if (text == NULL) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    int rv = node_options_parse_text(&once, &node_config_table, "fuzz", text, size, why);
    free(text);
    if (rv != BASE_OK && (why[0] == '\0' || strchr(why, '\n') != NULL)) abort();
    if (rv != BASE_OK) return 0;
    base_buf_init(&first, 1 << 20);
    node_options_print(&first, once);
    if (!has_sensitive(once)) {
        if (node_options_parse_text(&twice, &node_config_table, "fuzz", first.data, first.len,
                                    why) != BASE_OK)
            abort();
        for (size_t i = 0; i < node_config_table.option_count; i++) {
            const char *name = node_config_table.options[i].name;
            if (node_options_count(once, name) != node_options_count(twice, name)) abort();
            for (size_t k = 0; k < node_options_count(once, name); k++)
                if (strcmp(node_options_at(once, name, k), node_options_at(twice, name, k)) != 0)
                    abort();
        }
        node_options_free(twice);
    }
    base_buf_deinit(&first);
    node_options_free(once);
    return 0;
}
