/* Our contract's calls as calldata. */
#include "chain/contract.h"

#include "base/err.h"
#include "chain/abi.h"

/* ---- calls ---- */

void chain_contract_call_cluster_state(struct base_buf *out)
{
    chain_abi_call(out, "clusterState()");
}

void chain_contract_call_members_page(struct base_buf *out, uint64_t offset, uint64_t limit)
{
    struct chain_abi_writer w;
    chain_abi_call(out, "membersPage(uint256,uint256)");
    chain_abi_writer_init(&w, 2);
    chain_abi_put_u64(&w, offset);
    chain_abi_put_u64(&w, limit);
    chain_abi_writer_finish(&w, out);
}

void chain_contract_call_root_epoch_of(struct base_buf *out, const struct base_eth_address *root)
{
    chain_abi_call_address(out, "rootEpochOf(address)", root);
}

void chain_contract_call_owner_of(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "ownerOf(uint256)", token_id);
}

void chain_contract_call_nonce_of(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "nonceOf(uint256)", token_id);
}

void chain_contract_call_balance_of(struct base_buf *out, const struct base_eth_address *owner)
{
    chain_abi_call_address(out, "balanceOf(address)", owner);
}

void chain_contract_call_mint(struct base_buf *out, const struct base_eth_address *to)
{
    chain_abi_call_address(out, "mintNodeAccess(address)", to);
}

void chain_contract_call_register_instance(struct base_buf *out, const struct base_u256 *token_id,
                                           const struct base_eth_address *instance)
{
    struct chain_abi_writer w;
    chain_abi_call(out, "registerInstance(uint256,address)");
    chain_abi_writer_init(&w, 2);
    chain_abi_put_u256(&w, token_id);
    chain_abi_put_address(&w, instance);
    chain_abi_writer_finish(&w, out);
}

void chain_contract_call_deactivate(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "deactivateInstance(uint256)", token_id);
}

void chain_contract_call_cancel(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "cancel(uint256)", token_id);
}

void chain_contract_call_transfer(struct base_buf *out, const struct base_eth_address *from,
                                  const struct base_eth_address *to,
                                  const struct base_u256 *token_id)
{
    struct chain_abi_writer w;
    chain_abi_call(out, "transferFrom(address,address,uint256)");
    chain_abi_writer_init(&w, 3);
    chain_abi_put_address(&w, from);
    chain_abi_put_address(&w, to);
    chain_abi_put_u256(&w, token_id);
    chain_abi_writer_finish(&w, out);
}

void chain_contract_call_set_kms_root(struct base_buf *out, const struct base_eth_address *root)
{
    chain_abi_call_address(out, "setKmsRootAddress(address)", root);
}

/* ---- register() ---- */

#define REGISTER_SIGNATURE                                                                         \
    "register((uint256,address,address,bytes,bytes,string,uint64,uint64,uint64),bytes,bytes,"      \
    "(bytes,bytes20,bytes,bytes),bytes,bytes,bytes)"

/* The one place where v becomes 27 or 28. A v above 1 came from an agent: no calldata then. */
static void put_signature(struct chain_abi_writer *w, const struct base_sig65 *sig)
{
    struct base_sig65 shifted = *sig;
    if (shifted.bytes[64] > 1) w->tail.failed = true;
    shifted.bytes[64] = (uint8_t)(shifted.bytes[64] + 27);
    chain_abi_put_bytes(w, shifted.bytes, sizeof shifted.bytes);
}

/* An owner's, as it gave it: a contract that owns a token has a form of its own. Empty when the
 * owner sends. Too long for any wallet we know: no calldata. */
static void put_owner_signature(struct chain_abi_writer *w, const struct base_slice *sig)
{
    if (sig->len > CHAIN_OWNER_SIG_BYTES_MAX) w->tail.failed = true;
    chain_abi_put_bytes(w, sig->data, sig->len);
}

static void put_binding(struct chain_abi_writer *w, const struct base_binding *binding)
{
    struct chain_abi_writer b;
    chain_abi_writer_init(&b, 9);
    chain_abi_put_u256(&b, &binding->token_id);
    chain_abi_put_address(&b, &binding->owner);
    chain_abi_put_address(&b, &binding->instance);
    chain_abi_put_bytes(&b, binding->node_key.bytes, sizeof binding->node_key.bytes);
    chain_abi_put_bytes(&b, binding->proof_key.bytes, sizeof binding->proof_key.bytes);
    chain_abi_put_bytes(&b, binding->url, binding->url_len);
    chain_abi_put_u64(&b, binding->nonce);
    chain_abi_put_u64(&b, binding->expires_at);
    chain_abi_put_u64(&b, binding->deadline);
    chain_abi_put_tuple(w, &b);
}

static void put_chain(struct chain_abi_writer *w, const struct chain_register *args)
{
    struct chain_abi_writer c;
    chain_abi_writer_init(&c, 4);
    chain_abi_put_bytes(&c, args->app_xy, sizeof args->app_xy);
    chain_abi_put_bytes20(&c, &args->app_id);
    put_signature(&c, &args->app_sig);
    put_signature(&c, &args->kms_sig);
    chain_abi_put_tuple(w, &c);
}

void chain_contract_call_register(struct base_buf *out, const struct base_binding *binding,
                                  const struct chain_register *args)
{
    struct chain_abi_writer w;
    chain_abi_call(out, REGISTER_SIGNATURE);
    chain_abi_writer_init(&w, 7);
    put_binding(&w, binding);
    chain_abi_put_bytes(&w, args->node_xy, sizeof args->node_xy);
    chain_abi_put_bytes(&w, args->proof_xy, sizeof args->proof_xy);
    put_chain(&w, args);
    put_signature(&w, &args->node_sig);
    put_signature(&w, &args->proof_sig);
    put_owner_signature(&w, &args->owner_sig);
    chain_abi_writer_finish(&w, out);
}

/* ---- renew(), setEndpoint() ---- */

void chain_contract_call_renew(struct base_buf *out, const struct base_renewal *renewal,
                               const struct base_slice *owner_sig)
{
    struct chain_abi_writer w, r;
    chain_abi_call(out, "renew((uint256,bytes,uint64,uint64,uint64),bytes)");
    chain_abi_writer_init(&w, 2);
    chain_abi_writer_init(&r, 5);
    chain_abi_put_u256(&r, &renewal->token_id);
    chain_abi_put_bytes(&r, renewal->node_key.bytes, sizeof renewal->node_key.bytes);
    chain_abi_put_u64(&r, renewal->nonce);
    chain_abi_put_u64(&r, renewal->expires_at);
    chain_abi_put_u64(&r, renewal->deadline);
    chain_abi_put_tuple(&w, &r);
    put_owner_signature(&w, owner_sig);
    chain_abi_writer_finish(&w, out);
}

void chain_contract_call_set_endpoint(struct base_buf *out, const struct base_endpoint *endpoint,
                                      const struct base_sig65 *node_sig)
{
    struct chain_abi_writer w, e;
    chain_abi_call(out, "setEndpoint((uint256,bytes,string,uint64,uint64),bytes)");
    chain_abi_writer_init(&w, 2);
    chain_abi_writer_init(&e, 5);
    chain_abi_put_u256(&e, &endpoint->token_id);
    chain_abi_put_bytes(&e, endpoint->node_key.bytes, sizeof endpoint->node_key.bytes);
    chain_abi_put_bytes(&e, endpoint->url, endpoint->url_len);
    chain_abi_put_u64(&e, endpoint->nonce);
    chain_abi_put_u64(&e, endpoint->deadline);
    chain_abi_put_tuple(&w, &e);
    if (node_sig != NULL)
        put_signature(&w, node_sig);
    else
        chain_abi_put_bytes(&w, "", 0);
    chain_abi_writer_finish(&w, out);
}

/* ---- what else an owner does ---- */

void chain_contract_call_burn(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "burn(uint256)", token_id);
}

void chain_contract_call_bind_weight(struct base_buf *out, const struct base_u256 *token_id,
                                     const struct base_eth_address *instance)
{
    struct chain_abi_writer w;
    chain_abi_call(out, "bindWeight(uint256,address)");
    chain_abi_writer_init(&w, 2);
    chain_abi_put_u256(&w, token_id);
    chain_abi_put_address(&w, instance);
    chain_abi_writer_finish(&w, out);
}

void chain_contract_call_unbind_weight(struct base_buf *out, const struct base_u256 *token_id)
{
    chain_abi_call_u256(out, "unbindWeight(uint256)", token_id);
}

void chain_contract_call_set_dev_mode(struct base_buf *out, bool dev_mode)
{
    struct chain_abi_writer w;
    chain_abi_call(out, "setDevMode(bool)");
    chain_abi_writer_init(&w, 1);
    chain_abi_put_bool(&w, dev_mode);
    chain_abi_writer_finish(&w, out);
}
