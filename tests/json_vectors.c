#include "json_vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 200

static _Noreturn void give_up(const char *what, const char *which)
{
    fprintf(stderr, "json_vectors: %s: %s\n", what, which);
    exit(1);
}

json_t *json_vectors_load(const char *name)
{
    char path[1024];
    json_error_t error;
    snprintf(path, sizeof path, "%s/vectors/%s", NFTMESH_TESTS_DIR, name);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) give_up(error.text, path);
    return root;
}

static const json_t *member(const json_t *obj, const char *key)
{
    const json_t *value = json_object_get(obj, key);
    if (value == NULL) give_up("no such member", key);
    return value;
}

bool json_vectors_has(const json_t *obj, const char *key)
{
    return json_object_get(obj, key) != NULL;
}

const json_t *json_vectors_array(const json_t *obj, const char *key)
{
    const json_t *value = member(obj, key);
    if (!json_is_array(value) || json_array_size(value) == 0) give_up("not a filled array", key);
    return value;
}

const json_t *json_vectors_object(const json_t *obj, const char *key)
{
    const json_t *value = member(obj, key);
    if (!json_is_object(value)) give_up("not an object", key);
    return value;
}

const char *json_vectors_string(const json_t *obj, const char *key)
{
    const json_t *value = member(obj, key);
    if (!json_is_string(value)) give_up("not a string", key);
    return json_string_value(value);
}

uint64_t json_vectors_u64(const json_t *obj, const char *key)
{
    const json_t *value = member(obj, key);
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        return (uint64_t)json_integer_value(value);
    const char *text = json_vectors_string(obj, key);
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || strlen(text) > 20)
        give_up("not a number", key);
    return strtoull(text, NULL, 10);
}

static unsigned digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;
    if (at == NULL) give_up("not hex", (char[]){c, '\0'});
    return (unsigned)(at - digits);
}

uint8_t *json_vectors_decode_new(size_t *len, const char *text)
{
    if (strncmp(text, "0x", 2) == 0) text += 2;
    if (strlen(text) % 2 != 0) give_up("odd number of hex digits", text);
    *len = strlen(text) / 2;
    uint8_t *out = malloc(*len + 1);
    if (out == NULL) give_up("out of memory", text);
    for (size_t i = 0; i < *len; i++)
        out[i] = (uint8_t)(digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
    return out;
}

uint8_t *json_vectors_hex_new(size_t *len, const json_t *obj, const char *key)
{
    return json_vectors_decode_new(len, json_vectors_string(obj, key));
}

void json_vectors_hex(void *out, size_t len, const json_t *obj, const char *key)
{
    size_t have;
    uint8_t *bytes = json_vectors_hex_new(&have, obj, key);
    if (have != len) give_up("hex of another length", key);
    memcpy(out, bytes, len);
    free(bytes);
}

void json_vectors_add(struct json_vectors_tests *tests, CMUnitTestFunction function,
                      const void *state, const char *name_format, ...)
{
    va_list args;
    char *name = malloc(NAME_BYTES_MAX);
    struct CMUnitTest *items = realloc(tests->items, (tests->count + 1) * sizeof *items);
    if (name == NULL || items == NULL) give_up("out of memory", name_format);
    va_start(args, name_format);
    vsnprintf(name, NAME_BYTES_MAX, name_format, args);
    va_end(args);
    /* CMocka's state is not const; ours is only ever read. */
    union {
        const void *borrowed;
        void *state;
    } cast = {.borrowed = state};
    tests->items = items;
    tests->items[tests->count++] =
        (struct CMUnitTest){.name = name, .test_func = function, .initial_state = cast.state};
}

static void free_names(struct json_vectors_tests *tests)
{
    for (size_t i = 0; i < tests->count; i++) {
        union {
            const char *borrowed;
            char *owned;
        } cast = {.borrowed = tests->items[i].name};
        free(cast.owned);
    }
}

int json_vectors_run(struct json_vectors_tests *tests, const char *group, CMFixtureFunction setup)
{
    if (tests->count == 0) give_up("no tests", group);
    int failures = _cmocka_run_group_tests(group, tests->items, tests->count, setup, NULL);
    free_names(tests);
    free(tests->items);
    *tests = (struct json_vectors_tests){0};
    return failures;
}
