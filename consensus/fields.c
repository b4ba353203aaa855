#include "consensus/fields.h"

#include "base/err.h"

int consensus_fields_init(struct consensus_fields *f, const void *data, size_t len, uint32_t max)
{
    *f = (struct consensus_fields){0};
    base_unpacker_init(&f->u, data, len);
    return base_unpack_map(&f->u, &f->left, max);
}

bool consensus_fields_is_next(struct consensus_fields *f, uint64_t key)
{
    if (!f->has_key && f->left > 0) {
        if (base_unpack_u64(&f->u, &f->key) != BASE_OK) return false;
        f->has_key = true;
    }
    if (!f->has_key || f->key != key) return false;
    f->has_key = false;
    f->left--;
    return true;
}

int consensus_fields_u64(struct consensus_fields *f, uint64_t key, uint64_t *out)
{
    return consensus_fields_is_next(f, key) ? base_unpack_u64(&f->u, out) : BASE_EMALFORMED;
}

int consensus_fields_exact(struct consensus_fields *f, uint64_t key, void *out, size_t len)
{
    return consensus_fields_is_next(f, key) ? base_unpack_bin_exact(&f->u, out, len)
                                            : BASE_EMALFORMED;
}

int consensus_fields_bin(struct consensus_fields *f, uint64_t key, struct base_slice *out,
                         size_t max)
{
    return consensus_fields_is_next(f, key) ? base_unpack_bin(&f->u, out, max) : BASE_EMALFORMED;
}

int consensus_fields_array(struct consensus_fields *f, uint64_t key, uint32_t *count, uint32_t max)
{
    return consensus_fields_is_next(f, key) ? base_unpack_array(&f->u, count, max)
                                            : BASE_EMALFORMED;
}

bool consensus_fields_at_end(struct consensus_fields *f)
{
    return f->left == 0 && base_unpack_at_end(&f->u);
}

void consensus_put_u64(struct base_packer *p, uint64_t key, uint64_t value)
{
    base_pack_u64(p, key);
    base_pack_u64(p, value);
}

void consensus_put_bin(struct base_packer *p, uint64_t key, const void *data, size_t len)
{
    base_pack_u64(p, key);
    base_pack_bin(p, data, len);
}

void consensus_put_array(struct base_packer *p, uint64_t key, size_t count)
{
    base_pack_u64(p, key);
    base_pack_array(p, (uint32_t)count);
}
