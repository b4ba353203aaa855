#include "node/voter_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define VOTERS_FILE  "voters"
#define LINE         ((size_t)2 * BASE_KEY33_BYTES + 1) /* with its newline */
#define VOTERS_BYTES (NODE_VOTERS_MAX * LINE)

static void line_of(char out[LINE + 1], const struct base_key33 *key)
{
    base_hex_encode(out, key->bytes, sizeof key->bytes);
    out[LINE - 1] = '\n';
    out[LINE] = '\0';
}

/* Room for one more, terminated; none yet is an empty text. */
static int load(struct node_store *store, char **text, size_t *len, char *why)
{
    *len = 0;
    *text = calloc(1, VOTERS_BYTES + LINE + 1);
    if (*text == NULL) {
        snprintf(why, NODE_STORE_WHY_BYTES, "no memory");
        return BASE_ENOMEM;
    }
    int rv = node_store_text_load(store, VOTERS_FILE, *text, len, VOTERS_BYTES + 1, why);
    return rv == BASE_ENOTFOUND ? BASE_OK : rv;
}

/* Lines are of one length: a key begins where one does. */
static bool is_in(const char *text, size_t len, const struct base_key33 *key)
{
    char line[LINE + 1];
    line_of(line, key);
    for (size_t at = 0; at + LINE <= len; at += LINE)
        if (memcmp(text + at, line, LINE) == 0) return true;
    return false;
}

int node_voters_find(struct node_store *store, const struct base_key33 *key,
                     char why[NODE_STORE_WHY_BYTES])
{
    assert(store != NULL && key != NULL && why != NULL);
    char *text;
    size_t len;
    int rv = load(store, &text, &len, why);
    if (rv == BASE_OK && !is_in(text, len, key)) rv = BASE_ENOTFOUND;
    free(text);
    return rv;
}

int node_voters_add(struct node_store *store, const struct base_key33 *key,
                    char why[NODE_STORE_WHY_BYTES])
{
    assert(store != NULL && key != NULL && why != NULL);
    char *text;
    size_t len, from = 0;
    int rv = load(store, &text, &len, why);
    if (rv == BASE_OK && !is_in(text, len, key)) {
        line_of(text + len, key);
        len += LINE;
        if (len > VOTERS_BYTES) from = len - VOTERS_BYTES;
        rv = node_store_text_save(store, VOTERS_FILE, text + from, len - from, why);
    }
    free(text);
    return rv;
}
