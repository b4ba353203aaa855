#include "base/utf8.h"

#include <assert.h>

/* How many bytes a lead byte announces, 0 when it is none, and the least code point that needs
 * as many. */
static size_t lead_bytes(uint8_t lead, uint32_t *least, uint32_t *bits)
{
    if (lead < 0x80) {
        *least = 0;
        *bits = lead;
        return 1;
    }
    if ((lead & 0xe0) == 0xc0) {
        *least = 0x80;
        *bits = lead & 0x1fu;
        return 2;
    }
    if ((lead & 0xf0) == 0xe0) {
        *least = 0x800;
        *bits = lead & 0x0fu;
        return 3;
    }
    if ((lead & 0xf8) == 0xf0) {
        *least = 0x10000;
        *bits = lead & 0x07u;
        return 4;
    }
    return 0;
}

size_t base_utf8_next(uint32_t *code, const uint8_t *data, size_t len)
{
    uint32_t least, value;
    assert(code != NULL);
    if (len == 0) return 0;
    size_t count = lead_bytes(data[0], &least, &value);
    if (count == 0 || count > len) return 0;
    for (size_t i = 1; i < count; i++) {
        if ((data[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (data[i] & 0x3fu);
    }
    if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 0;
    *code = value;
    return count;
}

bool base_utf8_is_valid(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint32_t code;
    while (len > 0) {
        size_t count = base_utf8_next(&code, bytes, len);
        if (count == 0) return false;
        bytes += count;
        len -= count;
    }
    return true;
}
