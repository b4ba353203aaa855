#ifndef NFTMESH_NODE_URL_H
#define NFTMESH_NODE_URL_H

#include "base/bytes.h"

/* scheme://[userinfo@]host[:port][/path], strictly: at most 256 bytes of printable ASCII, scheme
 * [a-z+], host a name, an IPv4 literal or an [IPv6] literal, port 1..65535 (0 only where a caller
 * allows it: listening in tests). Nothing is resolved here. */
#define NODE_URL_BYTES_MAX  256
#define NODE_HOST_BYTES_MAX 253

struct node_url {
    char scheme[16];
    char userinfo[134];                 /* empty when absent */
    char host[NODE_HOST_BYTES_MAX + 1]; /* without the brackets of an IPv6 literal; lower case */
    bool is_ipv6;
    uint16_t port;
    bool has_port;
    char path[NODE_URL_BYTES_MAX + 1]; /* with its slash, query and fragment; may be empty */
};

/* BASE_EMALFORMED, BASE_ETOOBIG. */
int node_url_parse(struct node_url *out, const char *text);
/* "scheme://host:port": a URL as it may be shown, without user, path and query, which hold keys. */
void node_url_origin(char *out, size_t cap, const struct node_url *url);
/* localhost, 127.0.0.0/8, ::1. */
bool node_url_is_loopback(const struct node_url *url);

/* "host:port", ":port", "port": the last two mean 127.0.0.1. [v6]:port. BASE_EMALFORMED. */
struct node_endpoint {
    char host[NODE_HOST_BYTES_MAX + 1];
    uint16_t port;
};
int node_endpoint_parse(struct node_endpoint *out, const char *text);

/* An address range. IPv4 is kept as ::ffff:a.b.c.d with 96 more bits, so that one comparison
 * serves both. "10.0.0.0/8", "192.168.1.7", "fd00::/8"; host bits must be zero. */
struct node_cidr {
    uint8_t address[16];
    uint8_t bits;
};
int node_cidr_parse(struct node_cidr *out, const char *text);
bool node_cidr_contains(const struct node_cidr *range, const uint8_t address[16]);

#endif
