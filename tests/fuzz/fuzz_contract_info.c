/* What an endpoint says of the contract: no bytes can crash us, what is accepted has a supply, and
 * its rendering is JSON with every field. */
#include <jansson.h>
#include <stdlib.h>

#include "base/err.h"
#include "node/contract_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct node_contract_frame frame = {.chain_id = 1, .kind = "nftmesh", .block = 2};
    struct node_contract_votes votes = {.count = 0};
    struct node_contract_info info, agreed;
    struct base_buf out;
    if (node_contract_info_parse(&info, data, size, 1) != BASE_OK) return 0;
    if (!info.has_total_supply) abort();
    node_contract_votes_put(&votes, 1, &info);
    if (node_contract_votes_agreed(&agreed, &votes, 2)) abort();
    node_contract_votes_put(&votes, 2, &info);
    if (!node_contract_votes_agreed(&agreed, &votes, 2)) abort();
    if (!node_contract_info_equal(&agreed, &info)) abort();
    base_buf_init(&out, 4096);
    node_contract_info_json(&out, &frame, &info, NULL);
    json_t *json = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL || json_object_size(json) != 11) abort();
    json_decref(json);
    base_buf_deinit(&out);
    return 0;
}
