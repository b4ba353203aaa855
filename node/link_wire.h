#ifndef NFTMESH_NODE_LINK_WIRE_H
#define NFTMESH_NODE_LINK_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* What a link says on its connection: SP over TCP, as nng's REQ and REP sockets do, so that an
 * nng socket can be at the other end. Over ws and wss the same bytes travel as a stream.
 *
 *   greeting  00 'S' 'P' 00, protocol (2), 00 00; both ends at once. Who dials is REQ, who
 *             listens is REP.
 *   message   length of what follows (8), request id (4), frame
 *
 * Integers are big-endian. SP lets a message carry a list of hops in front of its request id, each
 * with a zero top bit; we are no device and talk to none, so the first word must be the id. Pure.
 * Source  nanomsg/rfc: sp-tcp-mapping-01, sp-request-reply-01 */
#define NODE_LINK_WIRE_GREETING_BYTES 8
#define NODE_LINK_WIRE_HEAD_BYTES     12
#define NODE_LINK_WIRE_FRAME_MAX      65536
#define NODE_LINK_WIRE_REQ            0x30
#define NODE_LINK_WIRE_REP            0x31

/* protocol: NODE_LINK_WIRE_REQ or NODE_LINK_WIRE_REP, the sender's. */
void node_link_wire_greeting(uint8_t out[NODE_LINK_WIRE_GREETING_BYTES], uint8_t protocol);
bool node_link_wire_is_greeting(const uint8_t in[NODE_LINK_WIRE_GREETING_BYTES], uint8_t protocol);

/* frame_len at most NODE_LINK_WIRE_FRAME_MAX. */
void node_link_wire_head(uint8_t out[NODE_LINK_WIRE_HEAD_BYTES], size_t frame_len);

enum node_link_wire_verdict {
    NODE_LINK_WIRE_UNDECIDED = 0, /* *need bytes from the beginning are needed to go on */
    NODE_LINK_WIRE_FRAME,         /* *frame is set, and uses up *need bytes */
    NODE_LINK_WIRE_MALFORMED,     /* too short, too long, or with hops: close */
};

/* Looks at the beginning of what has come. *need is at most NODE_LINK_WIRE_HEAD_BYTES +
 * NODE_LINK_WIRE_FRAME_MAX, whatever the bytes claim. *frame is borrowed from data. */
enum node_link_wire_verdict node_link_wire_split(struct base_slice *frame, size_t *need,
                                                 const uint8_t *data, size_t len);

#endif
