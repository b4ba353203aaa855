#ifndef NFTMESH_BASE_JSON_H
#define NFTMESH_BASE_JSON_H

#include "base/bytes.h"
#include <jansson.h>

/* JSON from outside, strictly: at most bytes_max bytes, nesting at most BASE_JSON_DEPTH_MAX
 * (checked before the parser allocates), duplicate keys refused, an object or an array and
 * nothing after it, no NUL in strings.
 * why (may be NULL) gets one line: what was wrong and at which byte. The caller owns *out and
 * gives it back with json_decref(). BASE_EMALFORMED, BASE_ETOOBIG, BASE_ENOMEM (the library does
 * not always tell that from bad syntax: BASE_EMALFORMED then). */
#define BASE_JSON_DEPTH_MAX 32
#define BASE_JSON_WHY_BYTES 160
int base_json_parse(json_t **out, const void *data, size_t len, size_t bytes_max,
                    char why[BASE_JSON_WHY_BYTES]);

/* Typed member look-ups that refuse a wrong type. Pointers borrowed from obj.
 * BASE_ENOTFOUND when absent, BASE_EMALFORMED when of another type or when obj is no object.
 * len may be NULL. */
int base_json_get_string(const char **out, size_t *len, const json_t *obj, const char *key);
int base_json_get_u64(uint64_t *out, const json_t *obj, const char *key); /* >= 0 integer */
/* An integer >= 0, or text in decimal or hex where it may be above 2^53. */
int base_json_get_u256(struct base_u256 *out, const json_t *obj, const char *key);
int base_json_get_bool(bool *out, const json_t *obj, const char *key);
/* A string of exactly len bytes of hex, with or without 0x. */
int base_json_get_hex(void *out, size_t len, const json_t *obj, const char *key);
/* An Ethereum quantity: "0x" and 1 to 16 digits without leading zeros. */
int base_json_get_quantity(uint64_t *out, const json_t *obj, const char *key);

#endif
