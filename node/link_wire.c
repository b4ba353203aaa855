#include "node/link_wire.h"

#include <assert.h>
#include <string.h>

#define LENGTH_BYTES 8
#define ID_BYTES     4
#define ID_TOP_BIT   0x80000000u
#define REQUEST_ID   (ID_TOP_BIT | 1u) /* what we send; nobody looks at the rest */

void node_link_wire_greeting(uint8_t out[NODE_LINK_WIRE_GREETING_BYTES], uint8_t protocol)
{
    const uint8_t greeting[NODE_LINK_WIRE_GREETING_BYTES] = {0, 'S', 'P', 0, 0, protocol, 0, 0};
    memcpy(out, greeting, sizeof greeting);
}

bool node_link_wire_is_greeting(const uint8_t in[NODE_LINK_WIRE_GREETING_BYTES], uint8_t protocol)
{
    uint8_t expected[NODE_LINK_WIRE_GREETING_BYTES];
    node_link_wire_greeting(expected, protocol);
    return memcmp(in, expected, sizeof expected) == 0;
}

void node_link_wire_head(uint8_t out[NODE_LINK_WIRE_HEAD_BYTES], size_t frame_len)
{
    assert(frame_len <= NODE_LINK_WIRE_FRAME_MAX);
    base_put_u64be(out, frame_len + ID_BYTES);
    base_put_u32be(out + LENGTH_BYTES, REQUEST_ID);
}

enum node_link_wire_verdict node_link_wire_split(struct base_slice *frame, size_t *need,
                                                 const uint8_t *data, size_t len)
{
    uint64_t length;
    assert(frame != NULL);
    assert(need != NULL);
    assert(data != NULL || len == 0);
    *need = NODE_LINK_WIRE_HEAD_BYTES;
    if (len < LENGTH_BYTES) return NODE_LINK_WIRE_UNDECIDED;
    length = base_get_u64be(data);
    if (length < ID_BYTES || length > NODE_LINK_WIRE_FRAME_MAX + ID_BYTES)
        return NODE_LINK_WIRE_MALFORMED;
    if (len < NODE_LINK_WIRE_HEAD_BYTES) return NODE_LINK_WIRE_UNDECIDED;
    if ((base_get_u32be(data + LENGTH_BYTES) & ID_TOP_BIT) == 0) return NODE_LINK_WIRE_MALFORMED;
    *need = LENGTH_BYTES + (size_t)length;
    if (len < *need) return NODE_LINK_WIRE_UNDECIDED;
    frame->data = data + NODE_LINK_WIRE_HEAD_BYTES;
    frame->len = (size_t)length - ID_BYTES;
    return NODE_LINK_WIRE_FRAME;
}
