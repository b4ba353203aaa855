#include "chain/prototype.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

/* ---- calls ---- */

/* An instance as the contract knows it: its 40 digits as text. */
static void put_instance(struct chain_abi_writer *w, const struct base_eth_address *instance)
{
    char text[CHAIN_PROTOTYPE_INSTANCE_BYTES + 1];
    base_hex_encode(text, instance->bytes, sizeof instance->bytes);
    chain_abi_put_bytes(w, text, CHAIN_PROTOTYPE_INSTANCE_BYTES);
}

static void call_instance(struct base_buf *out, const char *signature,
                          const struct base_eth_address *instance)
{
    struct chain_abi_writer w;
    chain_abi_call(out, signature);
    chain_abi_writer_init(&w, 1);
    put_instance(&w, instance);
    chain_abi_writer_finish(&w, out);
}

void chain_prototype_call_kms_root(struct base_buf *out)
{
    chain_abi_call(out, "kmsRootAddress()");
}

void chain_prototype_call_total_supply(struct base_buf *out)
{
    chain_abi_call(out, "totalSupply()");
}

void chain_prototype_call_public_minting(struct base_buf *out)
{
    chain_abi_call(out, "publicMinting()");
}

void chain_prototype_call_mint_price(struct base_buf *out)
{
    chain_abi_call(out, "mintPrice()");
}

void chain_prototype_call_dev_mode(struct base_buf *out)
{
    chain_abi_call(out, "devMode()");
}

void chain_prototype_call_owner_of(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "ownerOf(uint256)", token_id);
}

void chain_prototype_call_token_to_instance(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "tokenToInstance(uint256)", token_id);
}

void chain_prototype_call_wallet_to_token(struct base_buf *out,
                                          const struct base_eth_address *wallet)
{
    struct chain_abi_writer w;
    chain_abi_call(out, "walletToTokenId(address)");
    chain_abi_writer_init(&w, 1);
    chain_abi_put_address(&w, wallet);
    chain_abi_writer_finish(&w, out);
}

void chain_prototype_call_active_instances(struct base_buf *out,
                                           const struct base_eth_address *instance)
{
    call_instance(out, "activeInstances(string)", instance);
}

void chain_prototype_call_instance_to_url(struct base_buf *out,
                                          const struct base_eth_address *instance)
{
    call_instance(out, "instanceToConnectionUrl(string)", instance);
}

void chain_prototype_call_register_instance(struct base_buf *out,
                                            const struct base_eth_address *instance)
{
    call_instance(out, "registerInstance(string)", instance);
}

void chain_prototype_call_deactivate(struct base_buf *out, const struct base_eth_address *instance)
{
    call_instance(out, "deactivateInstance(string)", instance);
}

void chain_prototype_call_register_peer(struct base_buf *out,
                                        const struct chain_prototype_peer *peer)
{
    struct chain_abi_writer w;
    struct base_hash32 app_id = {{0}};
    memcpy(app_id.bytes, peer->app_id.bytes, sizeof peer->app_id.bytes);
    chain_abi_call(out, "registerPeer(string,bytes,bytes,bytes,bytes,string,string,bytes32)");
    chain_abi_writer_init(&w, 8);
    put_instance(&w, &peer->instance);
    chain_abi_put_bytes(&w, peer->derived_key.bytes, sizeof peer->derived_key.bytes);
    chain_abi_put_bytes(&w, peer->app_key.bytes, sizeof peer->app_key.bytes);
    chain_abi_put_bytes(&w, peer->app_sig.bytes, sizeof peer->app_sig.bytes);
    chain_abi_put_bytes(&w, peer->kms_sig.bytes, sizeof peer->kms_sig.bytes);
    chain_abi_put_bytes(&w, peer->url, strlen(peer->url));
    chain_abi_put_bytes(&w, peer->purpose, strlen(peer->purpose));
    chain_abi_put_hash32(&w, &app_id);
    chain_abi_writer_finish(&w, out);
}

void chain_prototype_call_mint(struct base_buf *out, const struct base_eth_address *to,
                               const struct base_eth_address *instance)
{
    struct chain_abi_writer w;
    chain_abi_call(out, "mintNodeAccess(address,string)");
    chain_abi_writer_init(&w, 2);
    chain_abi_put_address(&w, to);
    if (instance != NULL)
        put_instance(&w, instance);
    else
        chain_abi_put_bytes(&w, "", 0);
    chain_abi_writer_finish(&w, out);
}

/* ---- return data ---- */

/* Whoever pays for the gas may store a long one: it is left out, and must not make the rest
 * unreadable. */
#define STRING_BYTES_MAX ((size_t)1 << 20)

static int get_string(struct base_slice *out, const void *data, size_t len)
{
    struct chain_abi_reader r;
    chain_abi_reader_init(&r, data, len, 1);
    chain_abi_get_bytes(&r, out, STRING_BYTES_MAX);
    return chain_abi_reader_end(&r);
}

static bool is_lower_hex(struct base_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) return false;
    }
    return true;
}

int chain_prototype_decode_instance(struct base_eth_address *out, const void *data, size_t len)
{
    struct base_slice text;
    *out = (struct base_eth_address){{0}};
    int rv = get_string(&text, data, len);
    if (rv != BASE_OK) return rv;
    if (text.len != CHAIN_PROTOTYPE_INSTANCE_BYTES || !is_lower_hex(text)) return BASE_OK;
    return base_hex_decode(out->bytes, sizeof out->bytes, (const char *)text.data, text.len);
}

int chain_prototype_decode_url(char url[CHAIN_URL_BYTES_MAX + 1], size_t *url_len, bool *too_long,
                               const void *data, size_t len)
{
    struct base_slice text;
    url[0] = '\0';
    *url_len = 0;
    *too_long = false;
    int rv = get_string(&text, data, len);
    if (rv != BASE_OK) return rv;
    *too_long = text.len > CHAIN_URL_BYTES_MAX;
    if (*too_long || text.len == 0) return BASE_OK;
    memcpy(url, text.data, text.len);
    url[text.len] = '\0';
    *url_len = text.len;
    return BASE_OK;
}

/* ---- Multicall3 ---- */

const struct base_eth_address chain_multicall_address = {{0xca, 0x11, 0xbd, 0xe0, 0x59, 0x77, 0xb3,
                                                          0x63, 0x11, 0x67, 0x02, 0x88, 0x62, 0xbe,
                                                          0x2a, 0x17, 0x39, 0x76, 0xca, 0x11}};

void chain_multicall_init(struct chain_multicall *m, size_t count)
{
    chain_abi_writer_init(&m->list, count);
    m->count = count;
    m->added = 0;
}

void chain_multicall_add(struct chain_multicall *m, const struct base_eth_address *to,
                         const void *data, size_t len)
{
    struct chain_abi_writer call;
    chain_abi_writer_init(&call, 3);
    chain_abi_put_address(&call, to);
    chain_abi_put_bool(&call, true); /* allowFailure: one bad token spoils no other */
    chain_abi_put_bytes(&call, data, len);
    chain_abi_put_tuple(&m->list, &call);
    m->added++;
}

void chain_multicall_finish(struct chain_multicall *m, struct base_buf *out)
{
    struct chain_abi_writer w;
    assert(m->added == m->count);
    chain_abi_call(out, "aggregate3((address,bool,bytes)[])");
    chain_abi_writer_init(&w, 1);
    chain_abi_put_array(&w, &m->list, m->count);
    if (chain_abi_writer_finish(&w, out) != BASE_OK) out->failed = true;
}

void chain_multicall_call_block_number(struct base_buf *out)
{
    chain_abi_call(out, "getBlockNumber()");
}

void chain_multicall_call_last_block_hash(struct base_buf *out)
{
    chain_abi_call(out, "getLastBlockHash()");
}

int chain_multicall_reply_init(struct chain_multicall_reply *r, const void *data, size_t len,
                               size_t count)
{
    size_t found;
    chain_abi_reader_init(&r->ret, data, len, 1);
    r->error = chain_abi_get_array(&r->ret, &r->list, &found, count);
    if (r->error == BASE_OK && found != count) r->error = BASE_EMALFORMED;
    return r->error;
}

int chain_multicall_reply_next(struct chain_multicall_reply *r, bool *success,
                               struct base_slice *data)
{
    struct chain_abi_reader result;
    *success = false;
    *data = (struct base_slice){0};
    if (r->error != BASE_OK) return r->error;
    r->error = chain_abi_get_tuple(&r->list, &result, 2);
    if (r->error != BASE_OK) return r->error;
    chain_abi_get_bool(&result, success);
    chain_abi_get_bytes(&result, data, 2 * STRING_BYTES_MAX);
    r->error = chain_abi_leave(&r->list, &result);
    return r->error;
}

int chain_multicall_reply_end(struct chain_multicall_reply *r)
{
    if (r->error != BASE_OK) return r->error;
    r->error = chain_abi_leave(&r->ret, &r->list);
    if (r->error == BASE_OK) r->error = chain_abi_reader_end(&r->ret);
    return r->error;
}
