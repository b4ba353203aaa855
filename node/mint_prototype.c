#include "node/mint_prototype.h"

#include <stdio.h>

#include "base/err.h"
#include "chain/prototype.h"

#define ANSWER_BYTES_MAX 1024

static int read_price(struct node_wallet *w, struct base_u256 *price, char *why)
{
    struct base_buf calldata, data;
    bool is_public = false;
    base_buf_init(&calldata, 64);
    base_buf_init(&data, ANSWER_BYTES_MAX);
    chain_prototype_call_public_minting(&calldata);
    int rv = node_wallet_view(w, &data, &calldata, why);
    if (rv == BASE_OK) {
        rv = chain_contract_decode_bool(&is_public, data.data, data.len);
        if (rv != BASE_OK)
            snprintf(why, NODE_WALLET_WHY_BYTES, "publicMinting(): an answer of another form");
    }
    *price = base_u256_from_u64(0);
    if (rv == BASE_OK && is_public) {
        base_buf_clear(&calldata);
        base_buf_clear(&data);
        chain_prototype_call_mint_price(&calldata);
        rv = node_wallet_view(w, &data, &calldata, why);
        if (rv == BASE_OK && chain_contract_decode_u256(price, data.data, data.len) != BASE_OK) {
            rv = BASE_EMALFORMED;
            snprintf(why, NODE_WALLET_WHY_BYTES, "mintPrice(): an answer of another form");
        }
    }
    base_buf_deinit(&calldata);
    base_buf_deinit(&data);
    return rv;
}

int node_mint_prototype(struct node_wallet *w, struct node_wallet_sent *sent,
                        const struct base_eth_address *to, const struct base_eth_address *instance,
                        char *why)
{
    struct base_u256 price;
    struct base_buf calldata;
    char what[NODE_WALLET_WHAT_BYTES], text[BASE_ADDRESS_TEXT_BYTES];
    int rv = read_price(w, &price, why);
    if (rv != BASE_OK) return rv;
    base_address_format(text, to);
    snprintf(what, sizeof what, "mintNodeAccess(%s)", text);
    w->mint_to = *to;
    base_buf_init(&calldata, NODE_WALLET_DATA_BYTES);
    chain_prototype_call_mint(&calldata, to, instance);
    struct node_wallet_call call = {.calldata = &calldata, .value = price, .what = what};
    rv = node_wallet_send_call(w, sent, &call, why);
    base_buf_deinit(&calldata);
    return rv;
}
