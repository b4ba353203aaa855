#ifndef NFTMESH_TESTS_JSON_VECTORS_H
#define NFTMESH_TESTS_JSON_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

/* Known answers from tests/vectors, and one CMocka test for each of them.
 *
 * Everything here ends the process with a sentence when a file or a member is not as expected:
 * a vector that is skipped silently is a test that lies. Decoding is this helper's own, so that
 * the code under test does not judge itself. */

/* tests/vectors/NAME. The caller owns it: json_decref(). */
json_t *json_vectors_load(const char *name);

/* Members; obj's key must exist and have this type. Pointers are borrowed. */
const json_t *json_vectors_array(const json_t *obj, const char *key);
const json_t *json_vectors_object(const json_t *obj, const char *key);
const char *json_vectors_string(const json_t *obj, const char *key);
bool json_vectors_has(const json_t *obj, const char *key);
/* An integer, or a string of decimal digits. */
uint64_t json_vectors_u64(const json_t *obj, const char *key);
/* A string of exactly len bytes of hex, 0x or not. */
void json_vectors_hex(void *out, size_t len, const json_t *obj, const char *key);
/* Hex of any length; free() it. Never NULL, even for no bytes. */
uint8_t *json_vectors_hex_new(size_t *len, const json_t *obj, const char *key);
/* The same for a text that is no member. */
uint8_t *json_vectors_decode_new(size_t *len, const char *text);

/* A list of tests made at run time. */
struct json_vectors_tests {
    struct CMUnitTest *items;
    size_t count;
};

/* Adds a test with a name made like printf does. Inside, *state is state: usually the case's own
 * json_t, borrowed until the run is over. */
void json_vectors_add(struct json_vectors_tests *tests, CMUnitTestFunction function,
                      const void *state, const char *name_format, ...)
    __attribute__((format(printf, 4, 5)));
/* Runs and frees them all; the number of failures, for main() to return. No tests is a failure. */
int json_vectors_run(struct json_vectors_tests *tests, const char *group, CMFixtureFunction setup);

#endif
