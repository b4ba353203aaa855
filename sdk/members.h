#ifndef NFTMESH_SDK_MEMBERS_H
#define NFTMESH_SDK_MEMBERS_H

#include "base/json.h"
#include "base/u256.h"
#include "sdk/list.h"

/* What a node answers, read strictly: it is our own operator's, yet whoever listens at that address
 * may be anybody. Pure. */
#define SDK_MEMBERS_BYTES_MAX ((size_t)8 << 20)
#define SDK_MEMBERS_WHY_BYTES 256

/* /v1/status */
struct sdk_node_status {
    uint64_t chain_id;
    struct base_eth_address contract;
    char instance[41]; /* "" while the node has not heard from its guest agent */
    bool has_block;
    uint64_t block;
    bool chain_ok, seat_ok;
    char chain_why[SDK_MEMBERS_WHY_BYTES], seat_why[SDK_MEMBERS_WHY_BYTES];
};
/* BASE_EMALFORMED with one line in why, BASE_ETOOBIG, BASE_ENOMEM. */
int sdk_node_status_parse(struct sdk_node_status *out, const void *data, size_t len,
                          char why[SDK_MEMBERS_WHY_BYTES]);

/* /v1/members: every member but the node itself. Errors as above. */
int sdk_members_parse(struct sdk_builder *out, const void *data, size_t len,
                      char why[SDK_MEMBERS_WHY_BYTES]);

/* Of a node's /info what an application may serve too, as JSON members to be appended to an object:
 * `,"bundle":"..","record":"..","record_sig":".."`, each where it is there and well formed. At most
 * SDK_NODE_INFO_BYTES with the end. Errors as above. */
#define SDK_NODE_INFO_BYTES 3500
int sdk_node_info_parse(char out[SDK_NODE_INFO_BYTES], const void *data, size_t len,
                        char why[SDK_MEMBERS_WHY_BYTES]);

/* /v1/leader: who leads, as far as the node knows, and whether it may act as the leader itself. A
 * lease comes with a leader that is the node, a fencing token and a time, else nothing is taken. */
#define SDK_LEADER_NAME_BYTES 128
#define SDK_LEASE_MS_MAX      60000 /* a node takes no longer one for its --lease */
struct sdk_node_leader {
    bool has_leader; /* for the next six */
    char node[2 * BASE_KEY33_BYTES + 1];
    char name[SDK_LEADER_NAME_BYTES]; /* "" when there is none, or none to be shown */
    char token[BASE_U256_TEXT_BYTES]; /* "" when the chain shows no seat of its any more */
    uint64_t fencing_token, epoch;
    bool is_self;
    bool has_lease;
    uint64_t lease_ms; /* left of it when the node answered */
};
/* Errors as above. */
int sdk_node_leader_parse(struct sdk_node_leader *out, const void *data, size_t len,
                          char why[SDK_MEMBERS_WHY_BYTES]);

/* The sentence of an answer that says no, {"detail": ".."}; "" when there is none. */
void sdk_node_detail(char out[SDK_MEMBERS_WHY_BYTES], const void *data, size_t len);

/* Counts the events in a stream of server-sent events: lines `data: ..`. Zeroed at first. */
struct sdk_events {
    char line[8];
    size_t line_len;
};
size_t sdk_events_take(struct sdk_events *events, const uint8_t *data, size_t len);

#endif
