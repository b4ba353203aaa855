#include "node/contract_info.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "chain/abi.h"
#include "chain/contract.h"
#include "node/view.h"

#define VALUE_BYTES_MAX 256

enum call { CALL_OWNER = 0, CALL_MAX_NODES, CALL_SUPPLY, CALL_MINTING, CALL_PRICE, CALL_DEV_MODE };
static const char *const signatures[NODE_CONTRACT_INFO_CALLS] = {
    "owner()", "maxNodes()", "totalSupply()", "publicMinting()", "mintPrice()", "devMode()"};

bool node_contract_info_equal(const struct node_contract_info *a,
                              const struct node_contract_info *b)
{
    return a->has_owner == b->has_owner && a->has_max_nodes == b->has_max_nodes &&
           a->has_total_supply == b->has_total_supply &&
           a->has_public_minting == b->has_public_minting &&
           a->has_mint_price == b->has_mint_price && a->has_dev_mode == b->has_dev_mode &&
           base_address_equal(&a->owner, &b->owner) &&
           base_u256_equal(&a->max_nodes, &b->max_nodes) &&
           base_u256_equal(&a->total_supply, &b->total_supply) &&
           base_u256_equal(&a->mint_price, &b->mint_price) &&
           a->public_minting == b->public_minting && a->dev_mode == b->dev_mode;
}

void node_contract_info_ask(struct chain_rpc_request *request,
                            const struct base_eth_address *contract,
                            const struct base_hash32 *block_hash)
{
    for (size_t i = 0; i < NODE_CONTRACT_INFO_CALLS; i++) {
        uint8_t selector[CHAIN_ABI_SELECTOR_BYTES];
        chain_abi_selector(selector, signatures[i]);
        chain_rpc_ask_call_at(request, contract, selector, sizeof selector, block_hash);
    }
}

/* Return data of call index, BASE_OK; anything else leaves its value unknown. */
static int value_of(struct base_buf *data, const struct chain_rpc_reply *reply, enum call call)
{
    base_buf_clear(data);
    return chain_rpc_reply_data(data, reply, (size_t)call);
}

static bool u256_of(struct base_u256 *out, struct base_buf *data,
                    const struct chain_rpc_reply *reply, enum call call)
{
    return value_of(data, reply, call) == BASE_OK &&
           chain_contract_decode_u256(out, data->data, data->len) == BASE_OK;
}

static bool bool_of(bool *out, struct base_buf *data, const struct chain_rpc_reply *reply,
                    enum call call)
{
    struct base_u256 word;
    uint64_t small;
    if (!u256_of(&word, data, reply, call) || base_u256_to_u64(&small, &word) != BASE_OK ||
        small > 1)
        return false;
    *out = small == 1;
    return true;
}

static void read_values(struct node_contract_info *out, const struct chain_rpc_reply *reply)
{
    struct base_buf data;
    base_buf_init(&data, VALUE_BYTES_MAX);
    out->has_owner = value_of(&data, reply, CALL_OWNER) == BASE_OK &&
                     chain_contract_decode_address(&out->owner, data.data, data.len) == BASE_OK;
    out->has_max_nodes = u256_of(&out->max_nodes, &data, reply, CALL_MAX_NODES);
    out->has_total_supply = u256_of(&out->total_supply, &data, reply, CALL_SUPPLY);
    out->has_public_minting = bool_of(&out->public_minting, &data, reply, CALL_MINTING);
    out->has_mint_price = u256_of(&out->mint_price, &data, reply, CALL_PRICE);
    out->has_dev_mode = bool_of(&out->dev_mode, &data, reply, CALL_DEV_MODE);
    base_buf_deinit(&data);
}

int node_contract_info_parse(struct node_contract_info *out, const void *data, size_t len,
                             uint64_t first_id)
{
    struct chain_rpc_reply reply = {0};
    char why[BASE_JSON_WHY_BYTES];
    memset(out, 0, sizeof *out);
    int rv = chain_rpc_reply_parse(&reply, data, len, first_id, NODE_CONTRACT_INFO_CALLS, why);
    if (rv == BASE_OK) {
        read_values(out, &reply);
        if (!out->has_total_supply) rv = BASE_EREMOTE;
    }
    chain_rpc_reply_deinit(&reply);
    return rv;
}

void node_contract_votes_put(struct node_contract_votes *votes, uint32_t vote,
                             const struct node_contract_info *info)
{
    if (votes->count == NODE_CONTRACT_INFO_ANSWERS_MAX) return;
    votes->answers[votes->count].vote = vote;
    votes->answers[votes->count++].info = *info;
}

/* Different votes among the answers that equal answer index; 0 when an earlier one is equal. */
static uint32_t votes_for(const struct node_contract_votes *votes, size_t index)
{
    uint32_t count = 0;
    for (size_t i = 0; i < votes->count; i++) {
        bool is_new =
            node_contract_info_equal(&votes->answers[i].info, &votes->answers[index].info);
        for (size_t j = 0; is_new && j < i; j++)
            is_new =
                votes->answers[j].vote != votes->answers[i].vote ||
                !node_contract_info_equal(&votes->answers[j].info, &votes->answers[index].info);
        if (is_new) count++;
    }
    return count;
}

bool node_contract_votes_agreed(struct node_contract_info *out,
                                const struct node_contract_votes *votes, uint32_t agree)
{
    assert(agree > 0);
    for (size_t i = 0; i < votes->count; i++) {
        if (votes_for(votes, i) < agree) continue;
        *out = votes->answers[i].info;
        return true;
    }
    return false;
}

static void put_address(struct base_buf *out, const char *key,
                        const struct base_eth_address *address)
{
    char text[BASE_ADDRESS_TEXT_BYTES];
    base_address_format(text, address);
    base_buf_printf(out, "\"%s\":\"%s\"", key, text);
}

static void put_u256(struct base_buf *out, const char *key, bool has, const struct base_u256 *value)
{
    base_buf_printf(out, ",\"%s\":", key);
    if (has)
        node_json_u256(out, value);
    else
        base_buf_puts(out, "null");
}

static void put_bool(struct base_buf *out, const char *key, bool has, bool value)
{
    base_buf_printf(out, ",\"%s\":%s", key, !has ? "null" : value ? "true" : "false");
}

void node_contract_info_json(struct base_buf *out, const struct node_contract_frame *frame,
                             const struct node_contract_info *info, const char *detail)
{
    static const struct node_contract_info none;
    if (info == NULL) info = &none;
    base_buf_puts(out, "{");
    if (detail != NULL) {
        base_buf_puts(out, "\"detail\":");
        base_buf_json_string(out, detail, strlen(detail));
        base_buf_puts(out, ",");
    }
    put_address(out, "contract_address", &frame->contract);
    base_buf_printf(out, ",\"chain_id\":%llu,\"kind\":\"%s\",", (unsigned long long)frame->chain_id,
                    frame->kind);
    if (info->has_owner)
        put_address(out, "owner", &info->owner);
    else
        base_buf_puts(out, "\"owner\":null");
    base_buf_puts(out, ",");
    put_address(out, "kms_root_address", &frame->kms_root);
    put_u256(out, "max_nodes", info->has_max_nodes, &info->max_nodes);
    put_u256(out, "total_supply", info->has_total_supply, &info->total_supply);
    put_bool(out, "public_minting", info->has_public_minting, info->public_minting);
    put_u256(out, "mint_price", info->has_mint_price, &info->mint_price);
    put_bool(out, "dev_mode", info->has_dev_mode, info->dev_mode);
    base_buf_printf(out, ",\"block\":%llu}", (unsigned long long)frame->block);
}
