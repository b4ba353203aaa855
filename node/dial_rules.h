#ifndef NFTMESH_NODE_DIAL_RULES_H
#define NFTMESH_NODE_DIAL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/prng.h"
#include "node/url.h"

/* Where strangers may send us, and how often (docs/wire.md, Addresses). Pure: no clock, no socket.
 *
 * A stranger is whoever wrote an address into the registry, a record or an /info: it shall not make
 * us connect to what only we can reach, nor make a crowd of us knock at somebody's door. */

/* Not allowed, whatever the name resolved to: this network, private ranges, shared address space,
 * loopback, link-local, benchmarks, multicast, reserved; the same inside of ::ffff:0:0/96 and
 * 64:ff9b::/96; ::, ::1, fc00::/7, fe80::/10, ff00::/8. A range of `allow` (--dial-allow) wins.
 * Only IPv4 and IPv6 are addresses. */
bool node_dial_address_is_allowed(const struct sockaddr *address, const struct node_cidr *allow,
                                  size_t allow_count);

/* How long to wait after the failures-th failure in a row: min_ms doubling up to max_ms, a quarter
 * more or less. failures 0 counts as 1. */
uint64_t node_dial_backoff_ms(struct base_prng *prng, unsigned failures, uint64_t min_ms,
                              uint64_t max_ms);

/* Dials on strangers' word: one per host and port in NODE_DIAL_HINT_GAP_MS, and
 * NODE_DIAL_ADDRESS_MAX per address in the same time. What was seen longest ago makes room; zeroed
 * memory is empty. */
#define NODE_DIAL_HINT_GAP_MS 10000
#define NODE_DIAL_ADDRESS_MAX 10
#define NODE_DIAL_SEEN_MAX    1024
struct node_dial_seen {
    uint64_t what; /* host and port, or an address, hashed under the key; 0: free */
    uint64_t at_ms;
    unsigned count;
};
struct node_dial_hints {
    uint64_t key[2]; /* random: nobody can aim at another's entry */
    struct node_dial_seen urls[NODE_DIAL_SEEN_MAX], addresses[NODE_DIAL_SEEN_MAX];
};
/* 0: now, and it counts. Else not before this time. UINT64_MAX: no URL. */
uint64_t node_dial_hint_may_ms(struct node_dial_hints *hints, uint64_t now_ms, const char *url);
/* One more to this address? */
bool node_dial_hint_takes_address(struct node_dial_hints *hints, uint64_t now_ms,
                                  const struct sockaddr *address);

#endif
