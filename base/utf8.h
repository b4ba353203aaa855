#ifndef NFTMESH_BASE_UTF8_H
#define NFTMESH_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF.
 * Source: Unicode 15, table 3-7. */

/* Reads the code point at data[0]. Returns how many bytes it took, 1 to 4, or 0 when there is no
 * valid one (len 0, say); *code is then untouched. */
size_t base_utf8_next(uint32_t *code, const uint8_t *data, size_t len);

bool base_utf8_is_valid(const void *data, size_t len);

#endif
