#ifndef NFTMESH_CONSENSUS_WIRE_H
#define NFTMESH_CONSENSUS_WIRE_H

#include "consensus/engine.h"

/* Messages as frames of a session, one type each. A body is one map; key 0 is the epoch's id, keys
 * ascend, and there are no others.
 *
 *   0x20 CAND    1 slot  2 parent slot (none: the genesis)  3 parent hash  4 payload  5 signature
 *   0x21 VOTE    1 voter  2 kind  3 first  4 last  5 hash (SKIP: none)  6 signature
 *   0x22 CERT    1 certificate, as consensus/cert.h has it
 *   0x23 GET     1 slot  2 hash
 *   0x24 STATUS  1 frontier  2 final slot (none yet: left out)  3 epoch  4 head */
#define CONSENSUS_FRAME_FIRST     0x20
#define CONSENSUS_FRAME_BYTES_MAX 61440

/* The frame's type, or 0 for a message that is none. */
uint8_t consensus_frame_type(enum consensus_message_type type);

/* BASE_ETOOBIG: cap is too small, or CONSENSUS_FRAME_BYTES_MAX. */
int consensus_message_encode(void *body, size_t *len, size_t cap,
                             const struct consensus_message *message);
/* BASE_EMALFORMED, BASE_ETOOBIG, BASE_EUNSUPPORTED (no such type), BASE_ENOMEM. A payload is
 * borrowed from body; consensus_message_free() frees the votes of a certificate. */
int consensus_message_decode(struct consensus_message *out, uint8_t frame_type, const void *body,
                             size_t len);
void consensus_message_free(struct consensus_message *message);

#endif
