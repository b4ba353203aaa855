#include "node/bundle_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define FILE_NAME "authorities"

static int read_line(struct node_bundle *out, const char *line, size_t len)
{
    uint8_t data[NODE_BUNDLE_BYTES_MAX];
    size_t used = 0;
    if (len % 2 != 0 || len / 2 > sizeof data) return BASE_EMALFORMED;
    int rv = base_hex_decode(data, len / 2, line, len);
    if (rv == BASE_OK) rv = node_bundle_decode(out, &used, data, len / 2);
    return rv == BASE_OK && used != len / 2 ? BASE_EMALFORMED : rv;
}

int node_bundles_load(struct node_store *store,
                      int (*each)(void *ctx, const struct node_bundle *bundle), void *ctx,
                      char why[NODE_STORE_WHY_BYTES])
{
    char *text = malloc(NODE_STORE_TEXT_BYTES_MAX + 1);
    size_t len = 0;
    if (text == NULL) {
        snprintf(why, NODE_STORE_WHY_BYTES, "no memory");
        return BASE_ENOMEM;
    }
    int rv = node_store_text_load(store, FILE_NAME, text, &len, NODE_STORE_TEXT_BYTES_MAX + 1, why);
    bool found = rv != BASE_ENOTFOUND;
    for (size_t at = 0; rv == BASE_OK && at < len;) {
        struct node_bundle bundle;
        size_t line = strcspn(text + at, "\n");
        rv = read_line(&bundle, text + at, line);
        if (rv == BASE_OK) rv = each(ctx, &bundle);
        at += line + 1;
        if (rv != BASE_OK)
            snprintf(why, NODE_STORE_WHY_BYTES, "%.200s/" FILE_NAME ": %s", node_store_dir(store),
                     base_strerror(rv));
    }
    free(text);
    return found ? rv : BASE_OK;
}

void node_bundles_add(struct base_buf *text, const struct node_bundle *bundle)
{
    uint8_t data[NODE_BUNDLE_BYTES_MAX];
    base_buf_hex(text, data, node_bundle_encode(data, bundle));
    base_buf_puts(text, "\n");
}

int node_bundles_save(struct node_store *store, const struct base_buf *text,
                      char why[NODE_STORE_WHY_BYTES])
{
    if (text->failed) {
        snprintf(why, NODE_STORE_WHY_BYTES, "%.200s/" FILE_NAME ": no memory",
                 node_store_dir(store));
        return BASE_ENOMEM;
    }
    return node_store_text_save(store, FILE_NAME, text->len > 0 ? text->data : "", text->len, why);
}

struct copying {
    struct base_buf text;
    const struct base_u256 *but; /* of this token */
};

static int copy(void *ctx, const struct node_bundle *bundle)
{
    struct copying *c = ctx;
    if (!base_u256_equal(&bundle->token_id, c->but)) node_bundles_add(&c->text, bundle);
    return BASE_OK;
}

int node_bundles_put(const char *data_dir, const struct node_bundle *bundle,
                     char why[NODE_STORE_WHY_BYTES])
{
    struct copying c = {.but = &bundle->token_id};
    struct node_store *store;
    int rv = node_store_open(&store, data_dir, why);
    if (rv != BASE_OK) return rv;
    base_buf_init(&c.text, NODE_STORE_TEXT_BYTES_MAX);
    rv = node_bundles_load(store, copy, &c, why);
    node_bundles_add(&c.text, bundle);
    if (rv == BASE_OK) rv = node_bundles_save(store, &c.text, why);
    base_buf_deinit(&c.text);
    node_store_close(store);
    return rv;
}
