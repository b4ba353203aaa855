/* Records: what we accept, we can say back; and what we say back is what we accepted. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct base_slice *a, const struct base_slice *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool is_equal(const struct gossip_record *a, const struct gossip_record *b)
{
    if (!base_key33_equal(&a->node_key, &b->node_key) || a->incarnation != b->incarnation ||
        a->sequence != b->sequence || !base_address_equal(&a->instance, &b->instance) ||
        !is_same(&a->name, &b->name) || !is_same(&a->app_url, &b->app_url) ||
        !is_same(&a->version, &b->version) || a->url_count != b->url_count ||
        a->tag_count != b->tag_count)
        return false;
    for (size_t i = 0; i < a->url_count; i++)
        if (!is_same(&a->urls[i], &b->urls[i])) return false;
    for (size_t i = 0; i < a->tag_count; i++)
        if (!is_same(&a->tags[i].key, &b->tags[i].key) ||
            !is_same(&a->tags[i].value, &b->tags[i].value))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gossip_record once, twice;
    uint8_t body[GOSSIP_RECORD_BYTES_MAX];
    size_t len;
    if (gossip_record_decode(&once, data, size) != BASE_OK) return 0;
    /* Never longer than what we were given: unknown keys fall away. */
    if (gossip_record_encode(body, &len, sizeof body, &once) != BASE_OK || len > size) abort();
    if (gossip_record_decode(&twice, body, len) != BASE_OK) abort();
    if (!is_equal(&once, &twice)) abort();
    return 0;
}
