/* No bytes can crash us, make us wait for more than the bound, or be read differently when they
 * come in pieces. */
#include <stdlib.h>
#include <string.h>

#include "node/link_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used = 0;
    if (size >= NODE_LINK_WIRE_GREETING_BYTES &&
        node_link_wire_is_greeting(data, NODE_LINK_WIRE_REQ))
        used = NODE_LINK_WIRE_GREETING_BYTES;
    for (;;) {
        struct base_slice frame = {0}, part;
        size_t need, part_need;
        enum node_link_wire_verdict verdict =
            node_link_wire_split(&frame, &need, data + used, size - used);
        if (need > NODE_LINK_WIRE_HEAD_BYTES + NODE_LINK_WIRE_FRAME_MAX) abort();
        if (verdict == NODE_LINK_WIRE_UNDECIDED && need <= size - used) abort();
        if (verdict != NODE_LINK_WIRE_FRAME) return 0;
        if (need > size - used || frame.len > NODE_LINK_WIRE_FRAME_MAX) abort();
        if (frame.data + frame.len != data + used + need) abort();
        /* One byte less is never enough, and says so. */
        if (node_link_wire_split(&part, &part_need, data + used, need - 1) !=
            NODE_LINK_WIRE_UNDECIDED)
            abort();
        used += need;
    }
}
