#include "node/url.h"

#include "base/err.h"
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* A DNS name or an IPv4 literal: labels of letters, digits, '-' and '_', none empty. */
static int host_name_parse(char *out, const char *text, size_t len)
{
    if (len == 0 || len > NODE_HOST_BYTES_MAX) return BASE_EMALFORMED;
    size_t label_len = 0;
    for (size_t i = 0; i < len; i++) {
        char c = to_lower(text[i]);
        out[i] = c;
        if (c == '.') {
            if (label_len == 0) return BASE_EMALFORMED;
            label_len = 0;
            continue;
        }
        if (!is_lower(c) && !is_digit(c) && c != '_' && c != '-') return BASE_EMALFORMED;
        if (c == '-' && label_len == 0) return BASE_EMALFORMED;
        if (++label_len > 63) return BASE_EMALFORMED;
    }
    out[len] = '\0';
    return label_len > 0 ? BASE_OK : BASE_EMALFORMED;
}

static int host_ipv6_parse(char *out, const char *text, size_t len)
{
    uint8_t address[16];
    if (len == 0 || len >= INET6_ADDRSTRLEN) return BASE_EMALFORMED;
    for (size_t i = 0; i < len; i++)
        out[i] = to_lower(text[i]);
    out[len] = '\0';
    return inet_pton(AF_INET6, out, address) == 1 ? BASE_OK : BASE_EMALFORMED;
}

/* Decimal without leading zeros, 0 to 65535. */
static int port_parse(uint16_t *out, const char *text, size_t len)
{
    uint32_t value = 0;
    if (len == 0 || len > 5 || (len > 1 && text[0] == '0')) return BASE_EMALFORMED;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) return BASE_EMALFORMED;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    if (value > UINT16_MAX) return BASE_EMALFORMED;
    *out = (uint16_t)value;
    return BASE_OK;
}

/* host, host:port, [v6] or [v6]:port */
static int authority_parse(struct node_url *out, const char *text, size_t len)
{
    const char *port = NULL;
    size_t port_len = 0;
    int rv;
    if (len > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        if (end == NULL) return BASE_EMALFORMED;
        out->is_ipv6 = true;
        rv = host_ipv6_parse(out->host, text + 1, (size_t)(end - text) - 1);
        size_t rest = len - (size_t)(end - text) - 1;
        if (rest > 0 && end[1] != ':') return BASE_EMALFORMED;
        if (rest > 0) {
            port = end + 2;
            port_len = rest - 1;
        }
    } else {
        const char *colon = memchr(text, ':', len);
        size_t host_len = colon == NULL ? len : (size_t)(colon - text);
        rv = host_name_parse(out->host, text, host_len);
        if (colon != NULL) {
            port = colon + 1;
            port_len = len - host_len - 1;
        }
    }
    if (rv != BASE_OK) return rv;
    if (port == NULL) return BASE_OK;
    out->has_port = true;
    return port_parse(&out->port, port, port_len);
}

int node_url_parse(struct node_url *out, const char *text)
{
    assert(out != NULL);
    assert(text != NULL);
    memset(out, 0, sizeof *out);
    size_t len = strnlen(text, NODE_URL_BYTES_MAX + 1);
    if (len > NODE_URL_BYTES_MAX) return BASE_ETOOBIG;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~') return BASE_EMALFORMED;
    const char *sep = strstr(text, "://");
    if (sep == NULL || sep == text || (size_t)(sep - text) >= sizeof out->scheme)
        return BASE_EMALFORMED;
    for (const char *p = text; p < sep; p++)
        if (!is_lower(*p) && *p != '+') return BASE_EMALFORMED;
    memcpy(out->scheme, text, (size_t)(sep - text));

    const char *authority = sep + 3;
    size_t authority_len = strcspn(authority, "/?#");
    memcpy(out->path, authority + authority_len, strlen(authority + authority_len));
    const char *at = memchr(authority, '@', authority_len);
    if (at != NULL) {
        size_t userinfo_len = (size_t)(at - authority);
        if (userinfo_len == 0 || userinfo_len >= sizeof out->userinfo) return BASE_EMALFORMED;
        memcpy(out->userinfo, authority, userinfo_len);
        authority_len -= userinfo_len + 1;
        authority = at + 1;
    }
    return authority_parse(out, authority, authority_len);
}

void node_url_origin(char *out, size_t cap, const struct node_url *url)
{
    const char *open = url->is_ipv6 ? "[" : "", *close = url->is_ipv6 ? "]" : "";
    if (url->has_port)
        snprintf(out, cap, "%s://%s%s%s:%u", url->scheme, open, url->host, close, url->port);
    else
        snprintf(out, cap, "%s://%s%s%s", url->scheme, open, url->host, close);
}

bool node_url_is_loopback(const struct node_url *url)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcmp(url->host, "localhost") == 0) return true;
    if (url->is_ipv6) return inet_pton(AF_INET6, url->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return inet_pton(AF_INET, url->host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

int node_endpoint_parse(struct node_endpoint *out, const char *text)
{
    assert(out != NULL);
    assert(text != NULL);
    struct node_url url = {0};
    memset(out, 0, sizeof *out);
    size_t len = strnlen(text, NODE_URL_BYTES_MAX + 1);
    if (len > NODE_URL_BYTES_MAX) return BASE_ETOOBIG;
    const char *port = text[0] == ':' ? text + 1 : text;
    if (port_parse(&out->port, port, strlen(port)) == BASE_OK) {
        memcpy(out->host, "127.0.0.1", sizeof "127.0.0.1");
        return BASE_OK;
    }
    int rv = authority_parse(&url, text, len);
    if (rv != BASE_OK) return rv;
    if (!url.has_port) return BASE_EMALFORMED;
    memcpy(out->host, url.host, sizeof out->host);
    out->port = url.port;
    return BASE_OK;
}

static void cidr_mask(uint8_t out[16], uint8_t bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = bits > i * 8 ? bits - i * 8 : 0;
        out[i] = (uint8_t)(kept >= 8 ? 0xffu : 0xff00u >> kept);
    }
}

int node_cidr_parse(struct node_cidr *out, const char *text)
{
    static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char address[INET6_ADDRSTRLEN];
    uint8_t mask[16];
    uint16_t bits, bits_max = 128;
    assert(out != NULL);
    assert(text != NULL);
    memset(out, 0, sizeof *out);
    size_t len = strcspn(text, "/");
    if (len == 0 || len >= sizeof address) return BASE_EMALFORMED;
    memcpy(address, text, len);
    address[len] = '\0';
    bool is_v4 = inet_pton(AF_INET, address, out->address + 12) == 1;
    if (is_v4) {
        memcpy(out->address, v4_prefix, sizeof v4_prefix);
        bits_max = 32;
    } else if (inet_pton(AF_INET6, address, out->address) != 1) {
        return BASE_EMALFORMED;
    }
    bits = bits_max;
    if (text[len] == '/') {
        const char *tail = text + len + 1;
        int rv = port_parse(&bits, tail, strnlen(tail, 6)); /* the same digits, a lower bound */
        if (rv != BASE_OK || bits > bits_max) return BASE_EMALFORMED;
    }
    out->bits = (uint8_t)(is_v4 ? bits + 96 : bits);
    cidr_mask(mask, out->bits);
    for (unsigned i = 0; i < 16; i++)
        if ((out->address[i] & (uint8_t)~mask[i]) != 0) return BASE_EMALFORMED;
    return BASE_OK;
}

bool node_cidr_contains(const struct node_cidr *range, const uint8_t address[16])
{
    uint8_t mask[16];
    cidr_mask(mask, range->bits);
    for (unsigned i = 0; i < 16; i++)
        if ((address[i] & mask[i]) != range->address[i]) return false;
    return true;
}
