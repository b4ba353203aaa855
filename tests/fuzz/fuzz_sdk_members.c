/* What a node answers to the library. First byte: 'm' members, 's' status, 'i' /info, 'l' who
 * leads, else a stream of events, counted whole and byte by byte. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sdk/members.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text, size_t cap)
{
    if (memchr(text, '\0', cap) == NULL) abort();
}

static void check_list(const nftmesh_peers_t *list)
{
    nftmesh_peers_t *copy = sdk_list_copy(list, NFTMESH_LIST_FRESH, 1, "");
    if (copy == NULL || !sdk_list_equal(list, copy)) abort();
    for (size_t i = 0; i < copy->n; i++) {
        const nftmesh_peer_t *peer = &copy->peer[i];
        if (strlen(peer->node) != 66 || strlen(peer->instance) != 40) abort();
        for (const char *at = peer->url; *at != '\0'; at++)
            if (*at < ' ' || *at > '~') abort();
    }
    nftmesh_peers_free(copy);
}

static void take_members(const uint8_t *data, size_t size)
{
    char why[SDK_MEMBERS_WHY_BYTES] = "";
    struct sdk_builder b;
    sdk_builder_init(&b);
    if (sdk_members_parse(&b, data, size, why) == BASE_OK) {
        nftmesh_peers_t *list = sdk_builder_finish(&b, 1);
        if (list != NULL) check_list(list);
        nftmesh_peers_free(list);
    }
    check_line(why, sizeof why);
    sdk_builder_deinit(&b);
}

static void take_status(const uint8_t *data, size_t size)
{
    char why[SDK_MEMBERS_WHY_BYTES] = "";
    struct sdk_node_status status;
    if (sdk_node_status_parse(&status, data, size, why) == BASE_OK && status.chain_id == 0) abort();
    check_line(status.chain_why, sizeof status.chain_why);
    check_line(status.instance, sizeof status.instance);
}

static void take_info(const uint8_t *data, size_t size)
{
    char why[SDK_MEMBERS_WHY_BYTES] = "", out[SDK_NODE_INFO_BYTES];
    if (sdk_node_info_parse(out, data, size, why) == BASE_OK) check_line(out, sizeof out);
}

static void take_leader(const uint8_t *data, size_t size)
{
    char why[SDK_MEMBERS_WHY_BYTES] = "", detail[SDK_MEMBERS_WHY_BYTES];
    struct sdk_node_leader l;
    if (sdk_node_leader_parse(&l, data, size, why) == BASE_OK) {
        if (l.has_leader && strlen(l.node) != 66) abort();
        if (l.has_lease && (!l.is_self || !l.has_leader || l.lease_ms > SDK_LEASE_MS_MAX)) abort();
    }
    check_line(l.name, sizeof l.name);
    check_line(l.token, sizeof l.token);
    check_line(why, sizeof why);
    sdk_node_detail(detail, data, size);
    check_line(detail, sizeof detail);
}

static void take_events(const uint8_t *data, size_t size)
{
    struct sdk_events whole = {0}, parts = {0};
    size_t count = sdk_events_take(&whole, data, size), sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += sdk_events_take(&parts, data + i, 1);
    if (count != sum) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    if (data[0] == 'm')
        take_members(data + 1, size - 1);
    else if (data[0] == 's')
        take_status(data + 1, size - 1);
    else if (data[0] == 'i')
        take_info(data + 1, size - 1);
    else if (data[0] == 'l')
        take_leader(data + 1, size - 1);
    else
        take_events(data + 1, size - 1);
    return 0;
}
