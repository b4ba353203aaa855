/* No bytes can crash the cursor or lead it out of them; and what it accepts has no other form:
 * read kind by kind and written again, it is the same bytes, and msgpack-c reads as many. */
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) abort();
}

static void copy_value(struct base_packer *p, struct base_unpacker *u);

static void copy_entries(struct base_packer *p, struct base_unpacker *u, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        copy_value(p, u);
}

/* One value from u to p. It was skipped over before, so that each reader must succeed. */
static void copy_value(struct base_packer *p, struct base_unpacker *u)
{
    struct base_slice slice;
    uint64_t number;
    uint32_t count;
    bool truth;
    uint8_t lead = u->data[u->pos];
    if (lead <= 0x7f || (lead >= 0xcc && lead <= 0xcf)) {
        expect(base_unpack_u64(u, &number) == BASE_OK);
        base_pack_u64(p, number);
    } else if (lead <= 0x8f || lead >= 0xde) {
        expect(base_unpack_map(u, &count, UINT32_MAX) == BASE_OK);
        base_pack_map(p, count);
        copy_entries(p, u, 2 * (uint64_t)count);
    } else if (lead <= 0x9f || lead >= 0xdc) {
        expect(base_unpack_array(u, &count, UINT32_MAX) == BASE_OK);
        base_pack_array(p, count);
        copy_entries(p, u, count);
    } else if (lead <= 0xbf || lead >= 0xd9) {
        expect(base_unpack_str(u, &slice, SIZE_MAX) == BASE_OK);
        base_pack_str(p, (const char *)slice.data, slice.len);
    } else if (lead >= 0xc4) {
        expect(base_unpack_bin(u, &slice, SIZE_MAX) == BASE_OK);
        base_pack_bin(p, slice.data, slice.len);
    } else {
        expect(base_unpack_bool(u, &truth) == BASE_OK);
        base_pack_bool(p, truth);
    }
}

static void check_accepted(struct base_slice value)
{
    struct base_unpacker u;
    struct base_packer p;
    uint8_t *again = malloc(value.len);
    msgpack_unpacked oracle;
    size_t at = 0;
    expect(again != NULL);
    base_unpacker_init(&u, value.data, value.len);
    base_packer_init(&p, again, value.len);
    copy_value(&p, &u);
    expect(base_unpack_at_end(&u));
    expect(!p.failed && p.len == value.len);
    expect(memcmp(again, value.data, value.len) == 0);
    msgpack_unpacked_init(&oracle);
    expect(msgpack_unpack_next(&oracle, (const char *)value.data, value.len, &at) ==
           MSGPACK_UNPACK_SUCCESS);
    expect(at == value.len);
    msgpack_unpacked_destroy(&oracle);
    free(again);
}

/* Each reader by itself at the first byte: in bounds or failed, and failed for good. */
static void check_readers(const uint8_t *data, size_t size)
{
    for (unsigned reader = 0; reader < 7; reader++) {
        struct base_unpacker u;
        struct base_slice slice = {data, 0};
        uint8_t exact[4];
        uint64_t number;
        uint32_t count = 0;
        bool truth;
        int rv = BASE_OK;
        base_unpacker_init(&u, data, size);
        if (reader == 0) rv = base_unpack_u64(&u, &number);
        if (reader == 1) rv = base_unpack_bool(&u, &truth);
        if (reader == 2) rv = base_unpack_bin(&u, &slice, 300);
        if (reader == 3) rv = base_unpack_str(&u, &slice, 300);
        if (reader == 4) rv = base_unpack_array(&u, &count, 300);
        if (reader == 5) rv = base_unpack_map(&u, &count, 300);
        if (reader == 6) rv = base_unpack_bin_exact(&u, exact, sizeof exact);
        expect(u.pos <= u.len && u.failed == (rv != BASE_OK));
        expect(rv == BASE_OK || base_unpack_skip(&u, NULL) == BASE_EMALFORMED);
        expect(count <= 300 && count <= size - (rv == BASE_OK ? u.pos : 0));
        expect(slice.len <= 300 && slice.len <= size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_unpacker u;
    struct base_slice value;
    check_readers(data, size);
    base_unpacker_init(&u, data, size);
    while (!base_unpack_at_end(&u)) {
        if (base_unpack_skip(&u, &value) != BASE_OK) {
            expect(u.failed && u.pos <= u.len);
            return 0;
        }
        check_accepted(value);
    }
    return 0;
}
