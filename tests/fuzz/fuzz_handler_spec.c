/* The setting of an event handler. What is accepted has a command and an event; what is not has
 * one line why. And no bytes of a member give its line a second newline or a fourth tab. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/handler_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_of(const char *text, size_t len, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += text[i] == c ? 1u : 0u;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct node_handler_spec spec;
    struct base_buf line;
    char why[256] = "", *text = malloc(size + 1);
    if (text == NULL) return 0;
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    if (node_handler_spec_parse(&spec, text, why, sizeof why) == BASE_OK) {
        if (spec.command[0] == '\0' || (spec.events == 0 && spec.name_count == 0)) abort();
    } else if (why[0] == '\0') {
        abort();
    }
    free(text);

    const struct base_slice half = {data, size / 2}, rest = {data + size / 2, size - size / 2};
    const struct node_handler_tag tag = {half, rest};
    base_buf_init(&line, 6 * size + 16);
    node_handler_member_line(&line, half, rest, &tag, 1);
    if (line.failed || count_of(line.data, line.len, '\n') != 1 ||
        count_of(line.data, line.len, '\t') != 3 || line.data[line.len - 1] != '\n')
        abort();
    base_buf_deinit(&line);
    return 0;
}
