#include <string.h>

#include "chain/chain_internal.h"

/* Who shares a vote: one per host, on loopback per host and port, and all plain http outside of
 * loopback together. */
#define HOST_BYTES_MAX 255

struct origin {
    char host[HOST_BYTES_MAX + 1]; /* lower case, no trailing dot */
    char port[6];
    bool is_plain, is_loopback;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* After "://"; NULL when it is no http(s) URL. */
static const char *skip_scheme(const char *url, bool *is_plain)
{
    static const char http[] = "http://", https[] = "https://";
    for (size_t i = 0; i < sizeof https - 1; i++) {
        if (lower(url[i]) != https[i]) break;
        if (i == sizeof https - 2) {
            *is_plain = false;
            return url + sizeof https - 1;
        }
    }
    for (size_t i = 0; i < sizeof http - 1; i++)
        if (lower(url[i]) != http[i]) return NULL;
    *is_plain = true;
    return url + sizeof http - 1;
}

/* Exactly four decimal numbers, the first 127: "127.evil.example" is somebody's name. */
static bool is_loopback4(const char *host)
{
    unsigned octets[4] = {0};
    size_t at = 0, i = 0;
    while (i < 4) {
        size_t digits = 0;
        while (host[at] >= '0' && host[at] <= '9' && digits < 3) {
            octets[i] = octets[i] * 10 + (unsigned)(host[at++] - '0');
            digits++;
        }
        if (digits == 0 || octets[i] > 255) return false;
        i++;
        if (i < 4 && host[at++] != '.') return false;
    }
    return host[at] == '\0' && octets[0] == 127;
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

/* The host and what follows it; NULL when it is no host. */
static const char *take_host(struct origin *origin, const char *text)
{
    size_t n = 0;
    bool is_ipv6 = *text == '[';
    if (is_ipv6) text++;
    for (; n < HOST_BYTES_MAX; n++, text++) {
        char c = lower(*text);
        bool fits = is_ipv6
                        ? (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.'
                        : is_host_char(c);
        if (!fits) break;
        origin->host[n] = c;
    }
    if (is_ipv6 && *text++ != ']') return NULL;
    while (!is_ipv6 && n > 0 && origin->host[n - 1] == '.')
        n--;
    origin->host[n] = '\0';
    return n > 0 ? text : NULL;
}

static bool take_port(struct origin *origin, const char *text)
{
    const char *port = origin->is_plain ? "80" : "443";
    size_t n = 0;
    if (*text == ':') {
        port = ++text;
        while (text[n] >= '0' && text[n] <= '9')
            n++;
        if (n == 0 || n > 5) return false;
        text += n;
    } else {
        n = strlen(port);
    }
    memcpy(origin->port, port, n);
    origin->port[n] = '\0';
    return *text == '\0' || *text == '/' || *text == '?';
}

static bool parse_origin(struct origin *origin, const char *url)
{
    const char *text = skip_scheme(url, &origin->is_plain);
    if (text == NULL) return false;
    size_t authority = strcspn(text, "/?#");
    for (size_t i = 0; i < authority; i++)
        if (text[i] == '@') { /* credentials: behind the last one is the host */
            text += i + 1;
            authority -= i + 1;
            i = (size_t)-1;
        }
    text = take_host(origin, text);
    if (text == NULL || !take_port(origin, text)) return false;
    if (strcmp(origin->host, "localhost") == 0) strcpy(origin->host, "127.0.0.1");
    origin->is_loopback = is_loopback4(origin->host) || strcmp(origin->host, "::1") == 0;
    return true;
}

static bool shares_vote(const struct origin *a, const struct origin *b)
{
    bool same_host = strcmp(a->host, b->host) == 0;
    if (a->is_loopback || b->is_loopback) return same_host && strcmp(a->port, b->port) == 0;
    return same_host || (a->is_plain && b->is_plain);
}

static void merge(struct chain__endpoint *endpoints, size_t count, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < count; i++)
        if (endpoints[i].vote == from) endpoints[i].vote = to;
}

uint32_t chain__vote_assign(struct chain__endpoint *endpoints, size_t count, size_t *bad)
{
    struct origin origins[CHAIN_POLL_ENDPOINTS_MAX];
    uint32_t votes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!parse_origin(&origins[i], endpoints[i].url)) {
            *bad = i;
            return 0;
        }
        endpoints[i].vote = (uint32_t)i;
        for (size_t k = 0; k < i; k++)
            if (shares_vote(&origins[i], &origins[k]) && endpoints[i].vote != endpoints[k].vote)
                merge(endpoints, i + 1, endpoints[i].vote, endpoints[k].vote);
    }
    for (uint32_t v = 0; v < count; v++) { /* number them without gaps */
        bool used = false;
        for (size_t i = 0; i < count; i++)
            used = used || endpoints[i].vote == v;
        if (used) merge(endpoints, count, v, votes++);
    }
    return votes;
}
