/* Would the contract take this address? Asked before anything is paid. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "chain/abi.h"
#include "node/seat_internal.h"

#define WHY            NODE_WALLET_WHY_BYTES
#define HOST_BYTES_MAX 253
#define DIGITS         "0123456789"
#define LABEL          DIGITS "abcdefghijklmnopqrstuvwxyz-"

/* Labels, none empty, joined by dots. */
static bool is_host(const char *text, size_t len)
{
    if (len == 0 || len > HOST_BYTES_MAX || text[0] == '.' || text[len - 1] == '.') return false;
    for (size_t i = 1; i < len; i++)
        if (text[i] == '.' && text[i - 1] == '.') return false;
    return true;
}

bool node__seat_url_host(char host[NODE__SEAT_HOST_BYTES], const char *url)
{
    size_t scheme = strspn(url, LABEL "+.");
    if (scheme == 0 || strncmp(url + scheme, "://", 3) != 0) return false;
    const char *from = url + scheme + 3;
    size_t len = strspn(from, LABEL ".");
    const char *end = from + len;
    if (!is_host(from, len)) return false;
    if (*end == ':') {
        size_t digits = strspn(end + 1, DIGITS);
        if (digits == 0 || digits > 5) return false;
        end += 1 + digits;
    }
    if (*end != '\0' && *end != '/') return false;
    memcpy(host, from, len);
    host[len] = '\0';
    return true;
}

static int read_bool(struct node_wallet *w, bool *out, const struct base_buf *calldata, char *why)
{
    struct base_buf data;
    *out = false;
    base_buf_init(&data, 1024);
    int rv = node_wallet_view(w, &data, calldata, why);
    if (rv == BASE_OK && chain_contract_decode_bool(out, data.data, data.len) != BASE_OK) {
        snprintf(why, WHY, "devMode(): an answer of another form: is this our contract?");
        rv = BASE_EMALFORMED;
    }
    base_buf_deinit(&data);
    return rv;
}

static int is_allowed(struct node_wallet *w, bool *out, const char *domain, char *why)
{
    struct chain_abi_writer args;
    struct base_buf calldata;
    base_buf_init(&calldata, 1024);
    chain_abi_call(&calldata, "allowedBaseDomains(string)");
    chain_abi_writer_init(&args, 1);
    chain_abi_put_bytes(&args, domain, strlen(domain));
    chain_abi_writer_finish(&args, &calldata);
    int rv = read_bool(w, out, &calldata, why);
    base_buf_deinit(&calldata);
    return rv;
}

/* The host, and each domain that it is under. */
static int is_under_any(struct node_wallet *w, bool *out, const char *host, char *why)
{
    int rv = BASE_OK;
    *out = false;
    while (rv == BASE_OK && !*out && host != NULL) {
        rv = is_allowed(w, out, host, why);
        host = strchr(host, '.');
        if (host != NULL) host++;
    }
    return rv;
}

int node__seat_check_url(struct node__seat_work *k, char *why)
{
    struct base_buf calldata;
    char host[NODE__SEAT_HOST_BYTES];
    bool dev_mode = false, allowed = false;
    if (k->want.url[0] == '\0') return BASE_OK;
    base_buf_init(&calldata, 64);
    chain_abi_call(&calldata, "devMode()");
    int rv = read_bool(k->w, &dev_mode, &calldata, why);
    base_buf_deinit(&calldata);
    if (rv != BASE_OK || dev_mode) return rv;
    if (!node__seat_url_host(host, k->want.url))
        return node__seat_say(
            why, BASE_EINVAL,
            "the contract takes no address of the form of %.100s: scheme://host[:port][/..] with a "
            "host of lower case letters, digits, hyphens and dots; nothing was sent",
            k->want.url);
    rv = is_under_any(k->w, &allowed, host, why);
    if (rv != BASE_OK || allowed) return rv;
    return node__seat_say(
        why, BASE_EINVAL,
        "the contract allows no address at \"%.100s\": the host must be under one of its base "
        "domains (nftmesh deploy status lists them); nothing was sent",
        host);
}
