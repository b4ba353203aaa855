/* The body of a route that makes a transaction. First byte: which route. What is accepted names a
 * seat, an address that can be dialled, a wallet that is somebody's; what is not has one line why.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "node/wallet_work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct node_wallet_ask ask;
    char why[512] = "", json_why[BASE_JSON_WHY_BYTES];
    json_t *body;
    if (size == 0) return 0;
    enum node_wallet_work_kind kind =
        data[0] == 'm' ? NODE_WALLET_WORK_MINT : NODE_WALLET_WORK_REGISTER;
    if (base_json_parse(&body, data + 1, size - 1, 65536, json_why) != BASE_OK) return 0;
    if (!json_is_object(body)) {
        json_decref(body);
        return 0;
    }
    if (node_wallet_ask_read(&ask, kind, body, why, sizeof why) == BASE_OK) {
        if (kind == NODE_WALLET_WORK_MINT && (ask.has_token || ask.url[0] != '\0')) abort();
        if (kind == NODE_WALLET_WORK_REGISTER && ask.has_to) abort();
        if (ask.has_to && base_is_zero(ask.to.bytes, sizeof ask.to.bytes)) abort();
        if (ask.url[0] != '\0' && strstr(ask.url, "://") == NULL) abort();
    } else if (why[0] == '\0' || strchr(why, '\n') != NULL) {
        abort();
    }
    json_decref(body);
    return 0;
}
