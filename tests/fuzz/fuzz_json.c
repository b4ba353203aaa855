/* No bytes can crash the parser or make it nest further than it says; and what it accepts, it
 * can say back and read again. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"

#define BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t depth_of(const json_t *value)
{
    size_t deepest = 0, i;
    const char *key;
    json_t *child;
    if (json_is_array(value)) {
        json_array_foreach((json_t *)value, i, child)
        {
            size_t depth = depth_of(child);
            if (depth > deepest) deepest = depth;
        }
        return deepest + 1;
    }
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, child)
        {
            size_t depth = depth_of(child);
            if (depth > deepest) deepest = depth;
        }
        return deepest + 1;
    }
    return 0;
}

static void check_why(const char *why)
{
    if (strlen(why) >= BASE_JSON_WHY_BYTES) abort();
    for (; *why != '\0'; why++)
        if (*why < 0x20 || *why > 0x7e) abort();
}

/* The typed look-ups, each on each kind of value. */
static void look_up(const json_t *obj)
{
    const char *key, *text;
    uint64_t number;
    uint8_t bytes[20];
    bool truth;
    size_t len;
    json_t *ignored;
    json_object_foreach((json_t *)obj, key, ignored)
    {
        base_json_get_string(&text, &len, obj, key);
        base_json_get_u64(&number, obj, key);
        base_json_get_bool(&truth, obj, key);
        base_json_get_hex(bytes, sizeof bytes, obj, key);
        base_json_get_quantity(&number, obj, key);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *once, *twice;
    char why[BASE_JSON_WHY_BYTES] = "";
    int rv = base_json_parse(&once, data, size, BYTES_MAX, why);
    if (rv != BASE_OK) {
        check_why(why);
        return 0;
    }
    if (!json_is_array(once) && !json_is_object(once)) abort();
    if (depth_of(once) > BASE_JSON_DEPTH_MAX) abort();
    look_up(once);
    char *text = json_dumps(once, JSON_COMPACT);
    if (text == NULL) abort();
    if (base_json_parse(&twice, text, strlen(text), 16 * BYTES_MAX, why) != BASE_OK) abort();
    if (!json_equal(once, twice)) abort();
    free(text);
    json_decref(twice);
    json_decref(once);
    return 0;
}
