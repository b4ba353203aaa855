#ifndef NFTMESH_GOSSIP_RECORD_H
#define NFTMESH_GOSSIP_RECORD_H

#include "base/bytes.h"

/* What a node says of itself: versioned, signed by its node key over the bytes as they are, so
 * unknown fields are kept, forwarded and stay under the signature (docs/wire.md, Record).
 * Higher (incarnation, sequence) wins. */
#define GOSSIP_RECORD_BYTES_MAX 1024
#define GOSSIP_NAME_BYTES_MAX   64
#define GOSSIP_URL_BYTES_MAX    256
#define GOSSIP_URLS_MAX         4
#define GOSSIP_TAGS_MAX         16
#define GOSSIP_TAG_BYTES_MAX    64

struct gossip_tag {
    struct base_slice key, value;
};
struct gossip_record { /* slices borrowed from the body */
    struct base_key33 node_key;
    uint64_t incarnation; /* grows with every refutation and restart */
    uint64_t sequence;    /* grows with every change of the rest */
    struct base_eth_address instance;
    struct base_slice name;                  /* UTF-8 without control characters, 1..64 bytes */
    struct base_slice urls[GOSSIP_URLS_MAX]; /* mesh endpoints, tcp:// ws:// wss:// */
    size_t url_count;
    struct base_slice app_url; /* may be empty; never dialled */
    struct base_slice version; /* software version, for operators */
    struct gossip_tag tags[GOSSIP_TAGS_MAX];
    size_t tag_count;
};

/* A record as it travels: body and signature. */
struct gossip_signed_record {
    uint8_t body[GOSSIP_RECORD_BYTES_MAX];
    size_t body_len;
    struct base_sig65 sig;
};

/* One map of ascending integer keys 0..63; keys that we do not know are stepped over and stay in
 * the body. out's slices point into body. BASE_EMALFORMED: the format, a missing field, control
 * characters in a text, a URL of another scheme, a tag twice, an incarnation or sequence above
 * INT64_MAX. BASE_ETOOBIG: above GOSSIP_RECORD_BYTES_MAX, or a field above its bound.
 * BASE_EUNSUPPORTED: a later version. */
int gossip_record_decode(struct gossip_record *out, const void *body, size_t len);
/* BASE_EINVAL: a value that gossip_record_decode() would refuse. BASE_ETOOBIG: cap, or
 * GOSSIP_RECORD_BYTES_MAX. */
int gossip_record_encode(void *body, size_t *len, size_t cap, const struct gossip_record *record);

#endif
