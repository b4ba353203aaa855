#ifndef NFTMESH_NODE_INFO_H
#define NFTMESH_NODE_INFO_H

#include "node/bundle.h"

/* Where the contract stores no keys, whose word a seat's keys stand by may be asked at the address
 * that stands on the chain: GET <url>/info, a JSON object with the bundle (node/bundle.h) in hex as
 * its member "bundle". A stranger may have written that address: it is asked rarely, never where
 * only we can reach (node/dial_rules.h), no redirect is followed, the answer is bounded, and what
 * it says is judged as if anybody had said it. Pure. */
#define NODE_INFO_GAP_MS     600000 /* one seat is asked so often at most */
#define NODE_INFO_BYTES_MAX  65536
#define NODE_INFO_TIMEOUT_MS 5000
#define NODE_INFO_URL_BYTES  (CHAIN_URL_BYTES_MAX + 8)
#define NODE_INFO_WHY_BYTES  160

/* "<url>/info", one slash between. False: no http or https URL, or a zero byte inside; then it
 * cannot be asked. */
bool node_info_url(char out[NODE_INFO_URL_BYTES], const struct chain_seat *seat);
/* The bundle in such an answer. BASE_ENOTFOUND: an object without one. BASE_EMALFORMED,
 * BASE_ETOOBIG: no JSON object, or what is called bundle is none. why: one line, printable. */
int node_info_bundle(struct node_bundle *out, const void *data, size_t len,
                     char why[NODE_INFO_WHY_BYTES]);

#endif
