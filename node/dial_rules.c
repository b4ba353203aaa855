#include "node/dial_rules.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static const char *const unsafe_ranges[] = {
    "0.0.0.0/8",      "10.0.0.0/8",    "100.64.0.0/10", "127.0.0.0/8",
    "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",  "192.168.0.0/16",
    "198.18.0.0/15",  "224.0.0.0/4",   "240.0.0.0/4",   "::/128",
    "::1/128",        "fc00::/7",      "fe80::/10",     "ff00::/8",
};

/* As struct node_cidr keeps them: IPv4, also inside of NAT64, as ::ffff:a.b.c.d. */
static bool address_bytes(uint8_t out[16], const struct sockaddr *address)
{
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + sizeof mapped, &in.sin_addr, 4);
        return true;
    }
    if (address->sa_family != AF_INET6) return false;
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof in6);
    memcpy(out, &in6.sin6_addr, 16);
    if (memcmp(out, nat64, sizeof nat64) == 0) memcpy(out, mapped, sizeof mapped);
    return true;
}

bool node_dial_address_is_allowed(const struct sockaddr *address, const struct node_cidr *allow,
                                  size_t allow_count)
{
    uint8_t bytes[16];
    if (!address_bytes(bytes, address)) return false;
    for (size_t i = 0; i < allow_count; i++) {
        if (node_cidr_contains(&allow[i], bytes)) return true;
    }
    for (size_t i = 0; i < sizeof unsafe_ranges / sizeof unsafe_ranges[0]; i++) {
        struct node_cidr range;
        if (node_cidr_parse(&range, unsafe_ranges[i]) != BASE_OK) return false;
        if (node_cidr_contains(&range, bytes)) return false;
    }
    return true;
}

uint64_t node_dial_backoff_ms(struct base_prng *prng, unsigned failures, uint64_t min_ms,
                              uint64_t max_ms)
{
    uint64_t base_ms = min_ms;
    for (unsigned i = 1; i < failures && base_ms < max_ms; i++)
        base_ms *= 2;
    if (base_ms > max_ms) base_ms = max_ms;
    return base_ms - base_ms / 4 + base_prng_below(prng, base_ms / 2 + 1);
}

/* FNV-1a with a secret start and a secret last stir: to tell entries apart, not to hide them. */
static uint64_t hash(const uint64_t key[2], const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint64_t h = key[0] ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    h = (h ^ (h >> 31) ^ key[1]) * 0x9e3779b97f4a7c15u;
    return h == 0 ? 1 : h;
}

/* Its entry, or the one that was used longest ago, made its own. */
static struct node_dial_seen *seen_of(struct node_dial_seen *table, uint64_t what)
{
    struct node_dial_seen *oldest = &table[0];
    for (size_t i = 0; i < NODE_DIAL_SEEN_MAX; i++) {
        if (table[i].what == what) return &table[i];
        if (table[i].what == 0) {
            oldest = &table[i];
            break;
        }
        if (table[i].at_ms < oldest->at_ms) oldest = &table[i];
    }
    *oldest = (struct node_dial_seen){.what = what};
    return oldest;
}

uint64_t node_dial_hint_may_ms(struct node_dial_hints *hints, uint64_t now_ms, const char *url)
{
    struct node_url parsed;
    char where[NODE_HOST_BYTES_MAX + 8];
    if (node_url_parse(&parsed, url) != BASE_OK) return UINT64_MAX;
    int len = snprintf(where, sizeof where, "%s:%u", parsed.host, (unsigned)parsed.port);
    struct node_dial_seen *seen = seen_of(hints->urls, hash(hints->key, where, (size_t)len));
    if (seen->count > 0 && now_ms - seen->at_ms < NODE_DIAL_HINT_GAP_MS)
        return seen->at_ms + NODE_DIAL_HINT_GAP_MS;
    seen->at_ms = now_ms;
    seen->count = 1;
    return 0;
}

bool node_dial_hint_takes_address(struct node_dial_hints *hints, uint64_t now_ms,
                                  const struct sockaddr *address)
{
    uint8_t bytes[16];
    if (!address_bytes(bytes, address)) return false;
    struct node_dial_seen *seen = seen_of(hints->addresses, hash(hints->key, bytes, sizeof bytes));
    if (seen->count == 0 || now_ms - seen->at_ms >= NODE_DIAL_HINT_GAP_MS) {
        seen->at_ms = now_ms;
        seen->count = 0;
    }
    if (seen->count == NODE_DIAL_ADDRESS_MAX) return false;
    seen->count++;
    return true;
}
