#ifndef NFTMESH_CONSENSUS_FIELDS_H
#define NFTMESH_CONSENSUS_FIELDS_H

#include "base/pack.h"

/* Maps with small numbers as keys, in ascending order: the one form of everything that consensus
 * sends, signs or stores. Reading is strict; a field that is missing, unknown or out of order
 * fails, and so does every later call. */
struct consensus_fields {
    struct base_unpacker u;
    uint32_t left; /* fields of the map */
    uint64_t key;  /* the next one's, when has_key */
    bool has_key;
};
/* A map of at most max fields. BASE_EMALFORMED, BASE_ETOOBIG. */
int consensus_fields_init(struct consensus_fields *f, const void *data, size_t len, uint32_t max);
/* Is the next field this one? Then its value follows in f->u. */
bool consensus_fields_is_next(struct consensus_fields *f, uint64_t key);
/* The next field has to be this one. BASE_EMALFORMED, BASE_ETOOBIG. */
int consensus_fields_u64(struct consensus_fields *f, uint64_t key, uint64_t *out);
int consensus_fields_exact(struct consensus_fields *f, uint64_t key, void *out, size_t len);
int consensus_fields_bin(struct consensus_fields *f, uint64_t key, struct base_slice *out,
                         size_t max); /* borrowed */
/* An array; its items follow in f->u. */
int consensus_fields_array(struct consensus_fields *f, uint64_t key, uint32_t *count, uint32_t max);
/* Nothing is left, in the map and behind it. */
bool consensus_fields_at_end(struct consensus_fields *f);

void consensus_put_u64(struct base_packer *p, uint64_t key, uint64_t value);
void consensus_put_bin(struct base_packer *p, uint64_t key, const void *data, size_t len);
void consensus_put_array(struct base_packer *p, uint64_t key, size_t count);

#endif
