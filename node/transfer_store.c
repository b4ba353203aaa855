#include "node/transfer_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define FILE_NAME  "transfers"
#define HEAD       "nftmesh-transfers 1\ncovered "
#define DIGITS_MAX 20

void node_transfers_encode(struct base_buf *out, const struct chain_transfers *transfers)
{
    base_buf_printf(out, HEAD "%" PRIu64 " %" PRIu64 " ", transfers->from_block,
                    transfers->to_block);
    base_buf_hex(out, transfers->to_hash.bytes, BASE_HASH32_BYTES);
    base_buf_puts(out, "\n");
    for (size_t i = 0; i < transfers->count; i++)
        base_buf_printf(out, "%" PRIu32 " %" PRIu64 "\n", transfers->items[i].token,
                        transfers->items[i].block);
}

struct reader {
    const char *at, *end;
    bool failed;
};

static uint64_t read_number(struct reader *r, char after)
{
    uint64_t value = 0;
    const char *first = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        uint64_t digit = (uint64_t)(*r->at - '0');
        if (r->at - first == DIGITS_MAX || value > (UINT64_MAX - digit) / 10) r->failed = true;
        value = value * 10 + digit;
    }
    size_t digits = (size_t)(r->at - first);
    if (digits == 0 || (digits > 1 && *first == '0') || r->at == r->end || *r->at != after)
        r->failed = true;
    else
        r->at++;
    return value;
}

static void read_head(struct reader *r, struct chain_transfers *out)
{
    const size_t head = strlen(HEAD), hash = (size_t)2 * BASE_HASH32_BYTES;
    if ((size_t)(r->end - r->at) < head || memcmp(r->at, HEAD, head) != 0) {
        r->failed = true;
        return;
    }
    r->at += head;
    out->from_block = read_number(r, ' ');
    out->to_block = read_number(r, ' ');
    if (r->failed || (size_t)(r->end - r->at) < hash + 1 || r->at[hash] != '\n' ||
        base_hex_decode(out->to_hash.bytes, BASE_HASH32_BYTES, r->at, hash) != BASE_OK ||
        out->from_block > out->to_block)
        r->failed = true;
    else
        r->at += hash + 1;
}

/* By token, each token's newest first, all of them covered. */
static bool follows(const struct chain_transfers *t, const struct chain_transfer *item)
{
    if (item->block < t->from_block || item->block > t->to_block) return false;
    if (t->count == 0) return true;
    const struct chain_transfer *last = &t->items[t->count - 1];
    return item->token > last->token || (item->token == last->token && item->block < last->block);
}

static int read_items(struct reader *r, struct chain_transfers *out)
{
    out->items = calloc(CHAIN_POLL_TRANSFERS_MAX, sizeof *out->items);
    if (out->items == NULL) return BASE_ENOMEM;
    while (r->at < r->end && !r->failed) {
        uint64_t token = read_number(r, ' '), block = read_number(r, '\n');
        struct chain_transfer item = {(uint32_t)token, block};
        if (r->failed || token > UINT32_MAX || !follows(out, &item)) return BASE_EMALFORMED;
        if (out->count == CHAIN_POLL_TRANSFERS_MAX) return BASE_ETOOBIG;
        out->items[out->count++] = item;
    }
    return BASE_OK;
}

int node_transfers_decode(struct chain_transfers *out, const void *data, size_t len)
{
    struct reader r = {data, (const char *)data + len, false};
    memset(out, 0, sizeof *out);
    read_head(&r, out);
    int rv = r.failed ? BASE_EMALFORMED : read_items(&r, out);
    if (rv == BASE_OK) return BASE_OK;
    chain_transfers_free(out);
    memset(out, 0, sizeof *out);
    return rv;
}

int node_transfers_load(struct chain_transfers *out, struct node_store *store,
                        char why[NODE_STORE_WHY_BYTES])
{
    char *text = malloc(NODE_STORE_TEXT_BYTES_MAX + 1);
    size_t len = 0;
    memset(out, 0, sizeof *out);
    if (text == NULL) {
        snprintf(why, NODE_STORE_WHY_BYTES, "no memory");
        return BASE_ENOMEM;
    }
    int rv = node_store_text_load(store, FILE_NAME, text, &len, NODE_STORE_TEXT_BYTES_MAX + 1, why);
    if (rv == BASE_OK) {
        rv = node_transfers_decode(out, text, len);
        if (rv != BASE_OK)
            snprintf(why, NODE_STORE_WHY_BYTES, "%.200s/" FILE_NAME ": %s: move it away",
                     node_store_dir(store), base_strerror(rv));
    }
    free(text);
    return rv;
}

int node_transfers_save(struct node_store *store, const struct chain_transfers *transfers,
                        char why[NODE_STORE_WHY_BYTES])
{
    struct base_buf text;
    int rv = BASE_ENOMEM;
    base_buf_init(&text, NODE_STORE_TEXT_BYTES_MAX);
    node_transfers_encode(&text, transfers);
    if (text.failed)
        snprintf(why, NODE_STORE_WHY_BYTES, "no memory");
    else
        rv = node_store_text_save(store, FILE_NAME, text.data, text.len, why);
    base_buf_deinit(&text);
    return rv;
}
