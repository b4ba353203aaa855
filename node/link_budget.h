#ifndef NFTMESH_NODE_LINK_BUDGET_H
#define NFTMESH_NODE_LINK_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* How many strangers may hold a link at once: so many in all, so many from one address, and half
 * of all only from addresses where a member was proved in the last 24 hours. So a flood from
 * elsewhere can never keep a member out that has been here before.
 *
 * Pure: time comes in, nothing is locked. One address is one IPv4 address, or one IPv6 /64, since
 * that much is handed to a single customer. */
#define NODE_LINK_BUDGET_KNOWN_MS (24u * 3600u * 1000u)
#define NODE_LINK_BUDGET_ADDRESSES                                                                 \
    1024 /* remembered at most; then the oldest proof is forgotten                                 \
          */

enum node_link_budget_verdict {
    NODE_LINK_BUDGET_UNDECIDED = 0,
    NODE_LINK_BUDGET_ADMIT,
    NODE_LINK_BUDGET_REFUSE_TOTAL,   /* too many strangers */
    NODE_LINK_BUDGET_REFUSE_ADDRESS, /* too many from this address, or no address at all */
};

struct node_link_budget_entry {
    uint8_t key[16]; /* IPv4 as ::ffff:a.b.c.d; IPv6 with its lower half zero */
    uint32_t unproved_count;
    uint64_t known_until_ms; /* 0: no member was proved from there */
};

struct node_link_budget {
    uint32_t unproved_max;
    uint32_t address_max;
    uint32_t stranger_count; /* unproved, admitted while their address was not known */
    uint32_t known_count;    /* unproved, admitted while it was */
    size_t entry_count;
    struct node_link_budget_entry entries[NODE_LINK_BUDGET_ADDRESSES];
};

/* What one link holds of the budget. Zeroed: nothing. */
struct node_link_ticket {
    uint8_t key[16];
    bool is_counted;
    bool is_stranger;
};

/* unproved_max at most NODE_LINK_BUDGET_ADDRESSES / 2, so that there is always an entry left. */
void node_link_budget_init(struct node_link_budget *budget, uint32_t unproved_max,
                           uint32_t address_max);

/* May another link come from this address? On ADMIT the ticket is filled and must be released. */
enum node_link_budget_verdict node_link_budget_admit(struct node_link_budget *budget,
                                                     struct node_link_ticket *ticket,
                                                     uint64_t now_ms,
                                                     const struct sockaddr *address);

/* The link ended, or was proved; once more does nothing. */
void node_link_budget_release(struct node_link_budget *budget, struct node_link_ticket *ticket);

/* A member was proved at this address. */
void node_link_budget_mark_known(struct node_link_budget *budget, uint64_t now_ms,
                                 const struct sockaddr *address);

/* Links that are not proved yet. */
uint32_t node_link_budget_unproved_count(const struct node_link_budget *budget);

#endif
