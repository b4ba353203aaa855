#include "sdk/members.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "node/bundle.h"

#define TEXT_BYTES_MAX 512

static int malformed(char *why, const char *what)
{
    snprintf(why, SDK_MEMBERS_WHY_BYTES, "it answers something else than a node: %s", what);
    return BASE_EMALFORMED;
}

static int parse(json_t **out, const void *data, size_t len, char *why)
{
    char json_why[BASE_JSON_WHY_BYTES];
    int rv = base_json_parse(out, data, len, SDK_MEMBERS_BYTES_MAX, json_why);
    if (rv != BASE_OK) (void)malformed(why, json_why);
    return rv;
}

/* A string of printable ASCII; NULL when it is missing, another type, too long or unprintable. */
static const char *text_of(const json_t *obj, const char *key)
{
    const char *text;
    size_t len;
    if (base_json_get_string(&text, &len, obj, key) != BASE_OK || len > TEXT_BYTES_MAX) return NULL;
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~') return NULL;
    return text;
}

/* ---- /v1/status ---- */

static void take_check(struct sdk_node_status *out, const json_t *check)
{
    const char *name = text_of(check, "name"), *reason = text_of(check, "reason");
    bool ok = false;
    if (name == NULL || base_json_get_bool(&ok, check, "ok") != BASE_OK) return;
    if (reason == NULL) reason = "";
    if (strcmp(name, "chain") == 0) {
        out->chain_ok = ok;
        snprintf(out->chain_why, sizeof out->chain_why, "%s", reason);
    } else if (strcmp(name, "seat") == 0) {
        out->seat_ok = ok;
        snprintf(out->seat_why, sizeof out->seat_why, "%s", reason);
    }
}

static int take_status(struct sdk_node_status *out, const json_t *json, char *why)
{
    const char *contract = text_of(json, "contract"), *instance = text_of(json, "instance");
    const json_t *checks = json_object_get(json, "checks"), *block = json_object_get(json, "block");
    uint8_t id[BASE_ADDRESS_BYTES];
    if (base_json_get_u64(&out->chain_id, json, "chain_id") != BASE_OK || out->chain_id == 0)
        return malformed(why, "no chain_id");
    if (contract == NULL || base_address_parse(&out->contract, contract) != BASE_OK)
        return malformed(why, "no contract");
    if (!json_is_array(checks)) return malformed(why, "no checks");
    for (size_t i = 0; i < json_array_size(checks); i++)
        take_check(out, json_array_get(checks, i));
    out->has_block = base_json_get_u64(&out->block, block, "number") == BASE_OK;
    if (instance != NULL && base_hex_decode(id, sizeof id, instance, strlen(instance)) == BASE_OK &&
        !base_is_zero(id, sizeof id))
        base_hex_encode(out->instance, id, sizeof id);
    return BASE_OK;
}

int sdk_node_status_parse(struct sdk_node_status *out, const void *data, size_t len,
                          char why[SDK_MEMBERS_WHY_BYTES])
{
    json_t *json = NULL;
    memset(out, 0, sizeof *out);
    int rv = parse(&json, data, len, why);
    if (rv == BASE_OK) rv = take_status(out, json, why);
    json_decref(json);
    return rv;
}

/* ---- /v1/members ---- */

static nftmesh_peer_state_t state_of(const char *name)
{
    static const struct {
        const char *name;
        nftmesh_peer_state_t state;
    } states[] = {{"alive", NFTMESH_PEER_ALIVE},
                  {"suspect", NFTMESH_PEER_SUSPECT},
                  {"failed", NFTMESH_PEER_FAILED},
                  {"left", NFTMESH_PEER_LEFT}};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i].name, name) == 0) return states[i].state;
    return NFTMESH_PEER_UNKNOWN;
}

/* A JSON number or, above 2^53, a string of decimals. */
static int token_of(char out[BASE_U256_TEXT_BYTES], const json_t *member)
{
    struct base_u256 token;
    uint64_t number;
    const char *text = text_of(member, "token");
    int rv =
        text != NULL ? base_u256_parse(&token, text) : base_json_get_u64(&number, member, "token");
    if (rv == BASE_OK && text == NULL) token = base_u256_from_u64(number);
    if (rv == BASE_OK) base_u256_format(out, &token);
    return rv;
}

static bool is_hex(const char *text, size_t bytes)
{
    return text != NULL && strlen(text) == 2 * bytes &&
           strspn(text, "0123456789abcdef") == 2 * bytes;
}

static int take_member(struct sdk_builder *out, const json_t *member, char *why)
{
    char token[BASE_U256_TEXT_BYTES], owner[BASE_ADDRESS_TEXT_BYTES];
    struct base_eth_address address;
    const char *state = text_of(member, "state"), *given = text_of(member, "owner");
    const json_t *rtt = json_object_get(member, "rtt_ms");
    nftmesh_peer_t peer = {.url = text_of(member, "app_url"),
                           .mesh_url = text_of(member, "url"),
                           .name = text_of(member, "name"),
                           .node = text_of(member, "node"),
                           .instance = text_of(member, "instance"),
                           .token = token,
                           .owner = owner,
                           .rtt_ms = json_is_number(rtt) ? json_number_value(rtt) : -1};
    uint64_t weight = 0;
    bool self = false;
    (void)base_json_get_bool(&self, member, "self");
    if (self) return BASE_OK;
    if (!is_hex(peer.node, BASE_KEY33_BYTES)) return malformed(why, "a member without a node key");
    if (!is_hex(peer.instance, BASE_ADDRESS_BYTES))
        return malformed(why, "a member without an instance");
    if (state == NULL) return malformed(why, "a member without a state");
    if (token_of(token, member) != BASE_OK) return malformed(why, "a member without a token");
    if (given == NULL || base_address_parse(&address, given) != BASE_OK)
        return malformed(why, "a member without an owner");
    if (base_json_get_u64(&weight, member, "weight") != BASE_OK || weight > UINT32_MAX ||
        base_json_get_u64(&peer.verified_block, member, "verified_block") != BASE_OK)
        return malformed(why, "a member without weight and verified_block");
    base_address_format(owner, &address);
    peer.weight = (uint32_t)weight;
    peer.state = state_of(state);
    if (peer.state == NFTMESH_PEER_UNKNOWN) {
        peer.reason = "state_unknown";
        peer.explanation = "The node gives a state that this library does not know.";
    }
    sdk_builder_add(out, &peer);
    return BASE_OK;
}

int sdk_members_parse(struct sdk_builder *out, const void *data, size_t len,
                      char why[SDK_MEMBERS_WHY_BYTES])
{
    json_t *json = NULL;
    int rv = parse(&json, data, len, why);
    const json_t *members = rv == BASE_OK ? json_object_get(json, "members") : NULL;
    if (rv == BASE_OK && !json_is_array(members)) rv = malformed(why, "no members");
    if (rv == BASE_OK && json_array_size(members) > SDK_PEERS_MAX) {
        rv = BASE_ETOOBIG;
        snprintf(why, SDK_MEMBERS_WHY_BYTES, "more than %d members", SDK_PEERS_MAX);
    }
    for (size_t i = 0; rv == BASE_OK && i < json_array_size(members); i++)
        rv = take_member(out, json_array_get(members, i), why);
    json_decref(json);
    return rv;
}

/* ---- /info ---- */

int sdk_node_info_parse(char out[SDK_NODE_INFO_BYTES], const void *data, size_t len,
                        char why[SDK_MEMBERS_WHY_BYTES])
{
    static const struct {
        const char *name;
        size_t bytes_max;
    } members[] = {{"bundle", NODE_BUNDLE_BYTES_MAX},
                   {"record", GOSSIP_RECORD_BYTES_MAX},
                   {"record_sig", BASE_SIG65_BYTES}};
    json_t *json = NULL;
    size_t used = 0;
    int rv = parse(&json, data, len, why);
    out[0] = '\0';
    for (size_t i = 0; rv == BASE_OK && i < sizeof members / sizeof members[0]; i++) {
        const char *hex;
        size_t digits;
        if (base_json_get_string(&hex, &digits, json, members[i].name) != BASE_OK || digits == 0 ||
            digits > 2 * members[i].bytes_max || !is_hex(hex, digits / 2))
            continue;
        used += (size_t)snprintf(out + used, SDK_NODE_INFO_BYTES - used, ",\"%s\":\"%s\"",
                                 members[i].name, hex);
    }
    json_decref(json);
    return rv;
}

/* ---- /v1/leader ---- */

static int take_leader(struct sdk_node_leader *out, const json_t *json, char *why)
{
    const json_t *leader = json_object_get(json, "leader");
    const char *node = text_of(leader, "node"), *name = text_of(leader, "name");
    if (leader == NULL) return malformed(why, "no leader");
    if (json_is_null(leader)) return BASE_OK;
    if (!is_hex(node, BASE_KEY33_BYTES)) return malformed(why, "a leader without a node key");
    if (!json_is_null(json_object_get(leader, "token")) && token_of(out->token, leader) != BASE_OK)
        return malformed(why, "a leader without a token");
    if (base_json_get_u64(&out->fencing_token, json, "fencing_token") != BASE_OK)
        return malformed(why, "a leader without a fencing token");
    if (base_json_get_u64(&out->epoch, json, "epoch") != BASE_OK)
        return malformed(why, "a leader without an epoch");
    memcpy(out->node, node, strlen(node) + 1);
    if (name != NULL && strlen(name) < sizeof out->name) memcpy(out->name, name, strlen(name) + 1);
    out->has_leader = true;
    return BASE_OK;
}

/* What contradicts itself may not make anybody act. */
static int take_lease(struct sdk_node_leader *out, const json_t *json, char *why)
{
    bool has_lease;
    if (base_json_get_bool(&out->is_self, json, "self") != BASE_OK ||
        base_json_get_bool(&has_lease, json, "lease") != BASE_OK)
        return malformed(why, "no self and lease");
    if (out->is_self && !out->has_leader) return malformed(why, "it leads, and nobody does");
    if (!has_lease) return BASE_OK;
    if (!out->is_self) return malformed(why, "a lease, and it does not lead");
    if (base_json_get_u64(&out->lease_ms, json, "lease_remaining_ms") != BASE_OK ||
        out->lease_ms > SDK_LEASE_MS_MAX)
        return malformed(why, "a lease without its time");
    out->has_lease = true;
    return BASE_OK;
}

int sdk_node_leader_parse(struct sdk_node_leader *out, const void *data, size_t len,
                          char why[SDK_MEMBERS_WHY_BYTES])
{
    json_t *json = NULL;
    memset(out, 0, sizeof *out);
    int rv = parse(&json, data, len, why);
    if (rv == BASE_OK) rv = take_leader(out, json, why);
    if (rv == BASE_OK) rv = take_lease(out, json, why);
    json_decref(json);
    if (rv != BASE_OK) memset(out, 0, sizeof *out);
    return rv;
}

void sdk_node_detail(char out[SDK_MEMBERS_WHY_BYTES], const void *data, size_t len)
{
    char why[SDK_MEMBERS_WHY_BYTES];
    json_t *json = NULL;
    const char *detail = parse(&json, data, len, why) == BASE_OK ? text_of(json, "detail") : NULL;
    snprintf(out, SDK_MEMBERS_WHY_BYTES, "%s", detail != NULL ? detail : "");
    json_decref(json);
}

/* ---- /v1/events ---- */

size_t sdk_events_take(struct sdk_events *events, const uint8_t *data, size_t len)
{
    static const char field[] = "data:";
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            events->line_len = 0;
        } else if (events->line_len < sizeof field - 1) {
            events->line[events->line_len++] = (char)data[i];
            if (events->line_len == sizeof field - 1 &&
                memcmp(events->line, field, sizeof field - 1) == 0)
                count++;
        }
    }
    return count;
}
