#ifndef NFTMESH_BASE_PACK_H
#define NFTMESH_BASE_PACK_H

#include "base/bytes.h"

/* MessagePack, the strict half: writing through msgpack-c, reading by a cursor over the bytes
 * that allocates nothing and takes the shortest form only (no longer integer or length than
 * needed, no floats, no ext, no nil, no negative numbers). A count that the remaining bytes
 * cannot hold is refused before anybody allocates for it. Whether keys repeat is the caller's to
 * see: the cursor remembers nothing. The one file that includes <msgpack.h>.
 * docs/decisions/0002 says why reading is not msgpack-c's. */
struct base_packer { /* writes into the caller's buffer; overflow is remembered in failed */
    uint8_t *data;
    size_t len, cap;
    bool failed;
};
void base_packer_init(struct base_packer *p, void *data, size_t cap);
void base_pack_map(struct base_packer *p, uint32_t count);
void base_pack_array(struct base_packer *p, uint32_t count);
void base_pack_u64(struct base_packer *p, uint64_t value);
void base_pack_bool(struct base_packer *p, bool value);
void base_pack_bin(struct base_packer *p, const void *data, size_t len);
void base_pack_str(struct base_packer *p, const char *text, size_t len);

struct base_unpacker { /* reads; after an error every later call fails too */
    const uint8_t *data;
    size_t len, pos;
    bool failed;
};
void base_unpacker_init(struct base_unpacker *u, const void *data, size_t len);
/* Each: BASE_OK or BASE_EMALFORMED; BASE_ETOOBIG when count or len is above max. */
int base_unpack_map(struct base_unpacker *u, uint32_t *count, uint32_t max);
int base_unpack_array(struct base_unpacker *u, uint32_t *count, uint32_t max);
int base_unpack_u64(struct base_unpacker *u, uint64_t *value);
int base_unpack_bool(struct base_unpacker *u, bool *value);
int base_unpack_bin(struct base_unpacker *u, struct base_slice *out, size_t max); /* borrowed */
int base_unpack_bin_exact(struct base_unpacker *u, void *out, size_t len);
int base_unpack_str(struct base_unpacker *u, struct base_slice *out,
                    size_t max); /* UTF-8 checked */
/* Steps over one value of any allowed kind, nesting at most 4 (beyond: BASE_ETOOBIG): for unknown
 * keys that are kept. out may be NULL. */
int base_unpack_skip(struct base_unpacker *u, struct base_slice *out);
bool base_unpack_at_end(const struct base_unpacker *u);

#endif
