/* No bytes can crash us; and what we accept, we can say back unchanged. First byte: the type. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/frame.h"
#include "gossip/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gossip_frame once, twice;
static uint8_t wire[GOSSIP_FRAME_BYTES_MAX], again[GOSSIP_FRAME_BYTES_MAX];

/* The bodies inside go through their own decoders, whatever their kind says. */
static void look_into_items(const struct gossip_frame *frame)
{
    for (uint32_t i = 0; i < frame->u.news.item_count; i++) {
        const struct gossip_item *item = &frame->u.news.items[i];
        for (int kind = BASE_STATEMENT_RECORD; kind <= BASE_STATEMENT_EVENT; kind++)
            (void)gossip_statement_check((enum base_statement)kind, item->body.data,
                                         item->body.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t wire_len, again_len;
    if (size < 1) return 0;
    if (gossip_frame_decode(&once, data[0], data + 1, size - 1) != BASE_OK) return 0;
    if (once.type == GOSSIP_FRAME_UPDATE || once.type == GOSSIP_FRAME_EVENT) look_into_items(&once);
    if (gossip_frame_encode(wire, &wire_len, sizeof wire, &once) != BASE_OK) abort();
    if (once.unknown_keys == 0 && (wire_len != size - 1 || memcmp(wire, data + 1, wire_len) != 0))
        abort(); /* one frame has one encoding */
    if (gossip_frame_decode(&twice, data[0], wire, wire_len) != BASE_OK) abort();
    if (twice.unknown_keys != 0) abort();
    if (gossip_frame_encode(again, &again_len, sizeof again, &twice) != BASE_OK) abort();
    if (again_len != wire_len || memcmp(again, wire, wire_len) != 0) abort();
    return 0;
}
