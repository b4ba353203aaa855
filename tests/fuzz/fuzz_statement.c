/* Statements for an owner elsewhere: whatever the file holds; and what is read can be written and
 * read again with the same digest. */
#include "base/err.h"
#include "node/statement.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct node_statement once, twice;
    struct base_hash32 first, second;
    struct base_buf text;
    char why[NODE_STATEMENT_WHY_BYTES] = "";
    if (node_statement_decode(&once, data, size, why) != BASE_OK) {
        if (why[0] == '\0' || memchr(why, '\0', sizeof why) == NULL) abort();
        return 0;
    }
    /* Escapes make text longer than it was read. */
    base_buf_init(&text, 2 * NODE_STATEMENT_BYTES_MAX);
    node_statement_encode(&text, &once);
    if (text.failed) abort();
    if (node_statement_decode(&twice, text.data, text.len, why) != BASE_OK) abort();
    node_statement_digest(&first, &once);
    node_statement_digest(&second, &twice);
    if (!base_hash32_equal(&first, &second) || once.kind != twice.kind) abort();
    base_buf_deinit(&text);
    return 0;
}
