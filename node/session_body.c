#include "node/session.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

/* What we say is printable and bounded by our own hand; what we hear is checked. */
static size_t put_text(uint8_t *out, const char *text)
{
    size_t len = strlen(text);
    assert(len <= NODE_SESSION_TEXT_BYTES_MAX);
    out[0] = (uint8_t)len;
    memcpy(out + 1, text, len);
    return 1 + len;
}

/* Returns the bytes used, or 0: too short, too long, or not printable ASCII. */
static size_t get_text(char out[NODE_SESSION_TEXT_BYTES_MAX + 1], const uint8_t *data, size_t len)
{
    if (len < 1 || data[0] > NODE_SESSION_TEXT_BYTES_MAX || len - 1 < data[0]) return 0;
    for (size_t i = 0; i < data[0]; i++) {
        if (data[1 + i] < 0x20 || data[1 + i] > 0x7e) return 0;
        out[i] = (char)data[1 + i];
    }
    out[data[0]] = '\0';
    return 1 + (size_t)data[0];
}

size_t node_refuse_encode(uint8_t out[NODE_REFUSE_BYTES_MAX], const struct node_refuse *refuse)
{
    size_t len = 5;
    assert(refuse->code != NODE_CODE_NONE);
    assert(!refuse->has_alive || refuse->code == NODE_CODE_KEY_IN_USE);
    out[0] = refuse->code;
    base_put_u32be(out + 1, refuse->retry_s);
    len += put_text(out + len, refuse->text);
    if (!refuse->has_alive) return len;
    node_alive_encode(out + len, &refuse->alive);
    return len + NODE_ALIVE_BYTES;
}

int node_refuse_decode(struct node_refuse *out, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    memset(out, 0, sizeof *out);
    if (len < 6 || bytes[0] == NODE_CODE_NONE) return BASE_EMALFORMED;
    out->code = bytes[0];
    out->retry_s = base_get_u32be(bytes + 1);
    size_t text = get_text(out->text, bytes + 5, len - 5);
    if (text == 0) return BASE_EMALFORMED;
    if (len == 5 + text) return BASE_OK;
    out->has_alive = true;
    if (out->code != NODE_CODE_KEY_IN_USE) return BASE_EMALFORMED;
    return node_alive_decode(&out->alive, bytes + 5 + text, len - 5 - text);
}

size_t node_bye_encode(uint8_t out[NODE_BYE_BYTES_MAX], const struct node_bye *bye)
{
    out[0] = bye->code;
    return 1 + put_text(out + 1, bye->text);
}

int node_bye_decode(struct node_bye *out, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    memset(out, 0, sizeof *out);
    if (len < 2) return BASE_EMALFORMED;
    out->code = bytes[0];
    return get_text(out->text, bytes + 1, len - 1) == len - 1 ? BASE_OK : BASE_EMALFORMED;
}
