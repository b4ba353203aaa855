#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sdk/handle.h"

#define STRING(x)     #x
#define VERSION(a, b) STRING(a) "." STRING(b) ".0"

/* errno's way: it belongs to the thread, so that two threads with one handle do not read each
 * other's. */
static _Thread_local struct {
    nftmesh_status_t status;
    char text[SDK_WHY_BYTES];
} last;

static const char *const sentences[] = {
    [NFTMESH_OK] = "it went well",
    [NFTMESH_UNKNOWN] = "not known now: the chain or the node could not be asked",
    [NFTMESH_ERR_CONFIG] = "an argument, an option or an environment variable is wrong",
    [NFTMESH_ERR_AGENT] = "the DStack guest agent is not there, or answers what cannot be",
    [NFTMESH_ERR_CHAIN] = "the chain is not the one expected, or its endpoints disagree",
    [NFTMESH_ERR_WALLET] = "the wallet cannot do this: no key, not its token, or no funds",
    [NFTMESH_ERR_REFUSED] = "the contract, the node or a pin refuses",
    [NFTMESH_ERR_TIMEOUT] = "the deadline passed; what was begun may still come about",
    [NFTMESH_ERR_NOT_REGISTERED] = "this instance has no seat that counts",
    [NFTMESH_ERR_NODE] = "the node cannot be reached, or is none",
    [NFTMESH_ERR_BUSY] = "another call is doing this with this handle",
    [NFTMESH_ERR_MEMORY] = "no memory",
    [NFTMESH_ERR_STORE] = "the data directory cannot be used",
    [NFTMESH_ERR_UNSUPPORTED] = "not possible with this contract or this node",
};

const char *nftmesh_strerror(nftmesh_status_t status)
{
    size_t number = (size_t)(unsigned)status;
    return number < sizeof sentences / sizeof sentences[0] ? sentences[number]
                                                           : "a status that is not known";
}

const char *nftmesh_error(void)
{
    return last.text;
}

nftmesh_status_t nftmesh_last_status(void)
{
    return last.status;
}

const char *nftmesh_version(void)
{
    return VERSION(NFTMESH_VERSION_MAJOR, NFTMESH_VERSION_MINOR);
}

nftmesh_status_t sdk_ok(void)
{
    last.status = NFTMESH_OK;
    last.text[0] = '\0';
    return NFTMESH_OK;
}

nftmesh_status_t sdk_fail(nftmesh_status_t status, const char *format, ...)
{
    char text[SDK_WHY_BYTES];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    last.status = status;
    sdk_words(last.text, sizeof last.text, text);
    return status;
}

void sdk_words(char *out, size_t cap, const char *text)
{
    size_t len = 0;
    bool in_flag = false;
    for (const char *at = text; *at != '\0' && len + 1 < cap; at++) {
        bool starts = at[0] == '-' && at[1] == '-' && islower((unsigned char)at[2]) &&
                      (at == text || at[-1] == ' ' || at[-1] == '`');
        if (starts) {
            len += (size_t)snprintf(out + len, cap - len, "NFTMESH_");
            if (len >= cap) len = cap - 1;
            in_flag = true;
            at++;
            continue;
        }
        in_flag = in_flag && (islower((unsigned char)*at) || *at == '-');
        char c = in_flag ? (char)(*at == '-' ? '_' : toupper((unsigned char)*at)) : *at;
        out[len++] = c >= ' ' && c <= '~' ? c : '?';
    }
    out[len] = '\0';
}
