#include "base/json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* What was wrong, in our own words: the parser's text quotes the input, which may be a peer's. */
static int refuse(int err, char why[BASE_JSON_WHY_BYTES], const char *what, size_t at_byte)
{
    if (why != NULL) snprintf(why, BASE_JSON_WHY_BYTES, "%s at byte %zu", what, at_byte);
    return err;
}

/* The byte at which nesting first exceeds the bound, or len when it never does. Knows strings,
 * and nothing else of the grammar: the parser behind it does. */
static size_t find_too_deep(const char *text, size_t len)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > BASE_JSON_DEPTH_MAX) return i;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return len;
}

static const char *error_sentence(enum json_error_code code)
{
    switch (code) {
    case json_error_invalid_utf8:
        return "invalid UTF-8";
    case json_error_premature_end_of_input:
        return "premature end";
    case json_error_end_of_input_expected:
        return "something after the value";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    case json_error_duplicate_key:
        return "a duplicate key";
    case json_error_numeric_overflow:
        return "a number out of range";
    default: /* the library's enum, which may grow */
        return "invalid syntax";
    }
}

int base_json_parse(json_t **out, const void *data, size_t len, size_t bytes_max,
                    char why[BASE_JSON_WHY_BYTES])
{
    json_error_t error;
    assert(out != NULL);
    if (len > bytes_max) return refuse(BASE_ETOOBIG, why, "too many bytes", bytes_max);
    size_t deep = find_too_deep(data, len);
    if (deep < len) return refuse(BASE_ETOOBIG, why, "nested too deeply", deep);
    json_t *value = json_loadb(len > 0 ? data : "", len, JSON_REJECT_DUPLICATES, &error);
    if (value != NULL) {
        *out = value;
        return BASE_OK;
    }
    size_t at_byte = error.position > 0 ? (size_t)error.position : 0;
    /* An allocation that fails mostly leaves no text; a real error always has one. */
    if (error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory)
        return refuse(BASE_ENOMEM, why, "out of memory", at_byte);
    return refuse(BASE_EMALFORMED, why, error_sentence(json_error_code(&error)), at_byte);
}

/* The member, or NULL with the reason in *rv. */
static const json_t *member(const json_t *obj, const char *key, int *rv)
{
    const json_t *value = json_object_get(obj, key);
    *rv = value != NULL ? BASE_OK : json_is_object(obj) ? BASE_ENOTFOUND : BASE_EMALFORMED;
    return value;
}

int base_json_get_string(const char **out, size_t *len, const json_t *obj, const char *key)
{
    int rv;
    const json_t *value = member(obj, key, &rv);
    if (value == NULL) return rv;
    if (!json_is_string(value)) return BASE_EMALFORMED;
    *out = json_string_value(value);
    if (len != NULL) *len = json_string_length(value);
    return BASE_OK;
}

int base_json_get_u64(uint64_t *out, const json_t *obj, const char *key)
{
    int rv;
    const json_t *value = member(obj, key, &rv);
    if (value == NULL) return rv;
    if (!json_is_integer(value) || json_integer_value(value) < 0) return BASE_EMALFORMED;
    *out = (uint64_t)json_integer_value(value);
    return BASE_OK;
}

int base_json_get_u256(struct base_u256 *out, const json_t *obj, const char *key)
{
    int rv;
    const json_t *value = member(obj, key, &rv);
    if (value == NULL) return rv;
    if (json_is_string(value)) return base_u256_parse(out, json_string_value(value));
    if (!json_is_integer(value) || json_integer_value(value) < 0) return BASE_EMALFORMED;
    *out = base_u256_from_u64((uint64_t)json_integer_value(value));
    return BASE_OK;
}

int base_json_get_bool(bool *out, const json_t *obj, const char *key)
{
    int rv;
    const json_t *value = member(obj, key, &rv);
    if (value == NULL) return rv;
    if (!json_is_boolean(value)) return BASE_EMALFORMED;
    *out = json_is_true(value);
    return BASE_OK;
}

int base_json_get_hex(void *out, size_t len, const json_t *obj, const char *key)
{
    const char *text;
    int rv = base_json_get_string(&text, NULL, obj, key);
    if (rv != BASE_OK) return rv;
    return base_hex_decode_0x(out, len, text);
}

int base_json_get_quantity(uint64_t *out, const json_t *obj, const char *key)
{
    const char *text;
    size_t len;
    struct base_u256 value;
    int rv = base_json_get_string(&text, &len, obj, key);
    if (rv != BASE_OK) return rv;
    if (len < 3 || len > 18 || text[0] != '0' || text[1] != 'x') return BASE_EMALFORMED;
    if (text[2] == '0' && len > 3) return BASE_EMALFORMED;
    rv = base_u256_parse(&value, text);
    if (rv != BASE_OK) return rv;
    return base_u256_to_u64(out, &value);
}
