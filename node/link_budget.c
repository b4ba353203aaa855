#include "node/link_budget.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

/* False for a family without addresses that we could count. */
static bool key_of(uint8_t key[16], const struct sockaddr *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memset(key, 0, 16);
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(key, mapped, sizeof mapped);
        memcpy(key + sizeof mapped, &v4.sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        /* A dual-stack listener shows IPv4 peers so: they count as what they are. */
        memcpy(key, &v6.sin6_addr, memcmp(&v6.sin6_addr, mapped, sizeof mapped) == 0 ? 16 : 8);
        return true;
    }
    return false;
}

static struct node_link_budget_entry *find(struct node_link_budget *budget, const uint8_t key[16])
{
    for (size_t i = 0; i < budget->entry_count; i++) {
        if (memcmp(budget->entries[i].key, key, 16) == 0) return &budget->entries[i];
    }
    return NULL;
}

/* The entry of this key, if need be in the place of the idle one whose proof is oldest. */
static struct node_link_budget_entry *find_or_add(struct node_link_budget *budget,
                                                  const uint8_t key[16])
{
    struct node_link_budget_entry *entry = find(budget, key);
    if (entry != NULL) return entry;
    if (budget->entry_count < NODE_LINK_BUDGET_ADDRESSES) {
        entry = &budget->entries[budget->entry_count++];
    } else {
        for (size_t i = 0; i < budget->entry_count; i++) {
            struct node_link_budget_entry *idle = &budget->entries[i];
            if (idle->unproved_count > 0) continue;
            if (entry == NULL || idle->known_until_ms < entry->known_until_ms) entry = idle;
        }
        assert(entry != NULL); /* unproved_max is below the number of entries */
    }
    memset(entry, 0, sizeof *entry);
    memcpy(entry->key, key, 16);
    return entry;
}

void node_link_budget_init(struct node_link_budget *budget, uint32_t unproved_max,
                           uint32_t address_max)
{
    assert(budget != NULL);
    assert(unproved_max >= 1 && unproved_max <= NODE_LINK_BUDGET_ADDRESSES / 2);
    assert(address_max >= 1);
    memset(budget, 0, sizeof *budget);
    budget->unproved_max = unproved_max;
    budget->address_max = address_max;
}

enum node_link_budget_verdict node_link_budget_admit(struct node_link_budget *budget,
                                                     struct node_link_ticket *ticket,
                                                     uint64_t now_ms,
                                                     const struct sockaddr *address)
{
    struct node_link_budget_entry *entry;
    uint8_t key[16];
    bool is_known;
    assert(budget != NULL);
    assert(ticket != NULL);
    assert(address != NULL);
    memset(ticket, 0, sizeof *ticket);
    if (!key_of(key, address)) return NODE_LINK_BUDGET_REFUSE_ADDRESS;
    entry = find(budget, key);
    is_known = entry != NULL && entry->known_until_ms > now_ms;
    if (entry != NULL && entry->unproved_count >= budget->address_max)
        return NODE_LINK_BUDGET_REFUSE_ADDRESS;
    if (budget->stranger_count + budget->known_count >= budget->unproved_max)
        return NODE_LINK_BUDGET_REFUSE_TOTAL;
    if (!is_known && budget->stranger_count >= (budget->unproved_max + 1) / 2)
        return NODE_LINK_BUDGET_REFUSE_TOTAL;

    entry = find_or_add(budget, key);
    entry->unproved_count++;
    if (is_known)
        budget->known_count++;
    else
        budget->stranger_count++;
    memcpy(ticket->key, key, sizeof ticket->key);
    ticket->is_counted = true;
    ticket->is_stranger = !is_known;
    return NODE_LINK_BUDGET_ADMIT;
}

void node_link_budget_release(struct node_link_budget *budget, struct node_link_ticket *ticket)
{
    struct node_link_budget_entry *entry;
    uint32_t *count;
    assert(budget != NULL);
    assert(ticket != NULL);
    if (!ticket->is_counted) return;
    entry = find(budget, ticket->key);
    count = ticket->is_stranger ? &budget->stranger_count : &budget->known_count;
    assert(entry != NULL && entry->unproved_count > 0);
    assert(*count > 0);
    entry->unproved_count--;
    (*count)--;
    ticket->is_counted = false;
    /* An entry that says nothing any more makes room for the last one. */
    if (entry->unproved_count == 0 && entry->known_until_ms == 0)
        *entry = budget->entries[--budget->entry_count];
}

void node_link_budget_mark_known(struct node_link_budget *budget, uint64_t now_ms,
                                 const struct sockaddr *address)
{
    uint8_t key[16];
    assert(budget != NULL);
    assert(address != NULL);
    if (!key_of(key, address)) return;
    find_or_add(budget, key)->known_until_ms = now_ms + NODE_LINK_BUDGET_KNOWN_MS;
}

uint32_t node_link_budget_unproved_count(const struct node_link_budget *budget)
{
    assert(budget != NULL);
    return budget->stranger_count + budget->known_count;
}
