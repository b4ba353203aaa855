#include "node/info.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "node/authorise.h"

static bool is_http(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

bool node_info_url(char out[NODE_INFO_URL_BYTES], const struct chain_seat *seat)
{
    size_t len = seat->url_len;
    if (!is_http(seat->url) || strlen(seat->url) != len) return false;
    if (seat->url[len - 1] == '/') len--;
    snprintf(out, NODE_INFO_URL_BYTES, "%.*s/info", (int)len, seat->url);
    return true;
}

int node_info_bundle(struct node_bundle *out, const void *data, size_t len,
                     char why[NODE_INFO_WHY_BYTES])
{
    json_t *json = NULL;
    char text[BASE_JSON_WHY_BYTES] = "", shape[NODE_AUTHORISE_WHY_BYTES] = "";
    int rv = base_json_parse(&json, data, len, NODE_INFO_BYTES_MAX, text);
    if (rv == BASE_OK && !json_is_object(json)) {
        rv = BASE_EMALFORMED;
        snprintf(text, sizeof text, "no object");
    }
    if (rv != BASE_OK) {
        snprintf(why, NODE_INFO_WHY_BYTES, "/info is no JSON object: %.100s", text);
    } else if (json_object_get(json, "bundle") == NULL) {
        rv = BASE_ENOTFOUND;
        snprintf(why, NODE_INFO_WHY_BYTES, "/info has no bundle");
    } else if (node_authorise_bundle(out, json, shape, sizeof shape) != BASE_OK) {
        rv = BASE_EMALFORMED;
        snprintf(why, NODE_INFO_WHY_BYTES, "/info: %.120s", shape);
    }
    json_decref(json);
    return rv;
}
