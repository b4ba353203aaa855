/* Return data of the prototype's contract and of Multicall3: what an RPC endpoint says. The first
 * byte chooses the reader. No bytes can crash us, and what we accept is canonical: written back it
 * is the same bytes. */
#include "base/err.h"
#include "chain/contract.h"
#include "chain/prototype.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(struct chain_abi_writer *w, const uint8_t *data, size_t size)
{
    struct base_buf buf;
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    if (chain_abi_writer_finish(w, &buf) == BASE_OK &&
        (buf.len != size || memcmp(buf.data, data, size) != 0))
        abort();
    base_buf_deinit(&buf);
}

static void check_text(const char *text, size_t len, const uint8_t *data, size_t size)
{
    struct chain_abi_writer w;
    chain_abi_writer_init(&w, 1);
    chain_abi_put_bytes(&w, text, len);
    check_same(&w, data, size);
}

static void read_instance(const uint8_t *data, size_t size)
{
    struct base_eth_address instance;
    char text[CHAIN_PROTOTYPE_INSTANCE_BYTES + 1];
    int rv = chain_prototype_decode_instance(&instance, data, size);
    bool is_zero = base_is_zero(instance.bytes, sizeof instance.bytes);
    if (rv != BASE_OK && !is_zero) abort();
    if (is_zero) return;
    base_hex_encode(text, instance.bytes, sizeof instance.bytes);
    check_text(text, CHAIN_PROTOTYPE_INSTANCE_BYTES, data, size);
}

static void read_url(const uint8_t *data, size_t size)
{
    char url[CHAIN_URL_BYTES_MAX + 1];
    size_t len;
    bool too_long;
    int rv = chain_prototype_decode_url(url, &len, &too_long, data, size);
    if (len > CHAIN_URL_BYTES_MAX || url[len] != '\0') abort();
    if ((rv != BASE_OK || too_long) && len != 0) abort();
    if (rv == BASE_OK && !too_long) check_text(url, len, data, size);
}

static void read_bool(const uint8_t *data, size_t size)
{
    bool value;
    struct chain_abi_writer w;
    if (chain_contract_decode_bool(&value, data, size) != BASE_OK) return;
    chain_abi_writer_init(&w, 1);
    chain_abi_put_bool(&w, value);
    check_same(&w, data, size);
}

/* Into list, when it is not NULL. */
static int walk_results(struct chain_abi_writer *list, size_t count, const uint8_t *data,
                        size_t size)
{
    struct chain_multicall_reply r;
    int rv = chain_multicall_reply_init(&r, data, size, count);
    for (size_t i = 0; rv == BASE_OK && i < count; i++) {
        struct chain_abi_writer result;
        bool success;
        struct base_slice bytes;
        rv = chain_multicall_reply_next(&r, &success, &bytes);
        if (bytes.len > size) abort();
        if (list == NULL) continue;
        chain_abi_writer_init(&result, 2);
        chain_abi_put_bool(&result, success);
        chain_abi_put_bytes(&result, bytes.data, bytes.len);
        chain_abi_put_tuple(list, &result);
    }
    return rv == BASE_OK ? chain_multicall_reply_end(&r) : rv;
}

static void read_results(size_t count, const uint8_t *data, size_t size)
{
    struct chain_abi_writer w, list;
    if (walk_results(NULL, count, data, size) != BASE_OK) return;
    chain_abi_writer_init(&w, 1);
    chain_abi_writer_init(&list, count);
    if (walk_results(&list, count, data, size) != BASE_OK) abort();
    chain_abi_put_array(&w, &list, count);
    check_same(&w, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    uint8_t which = *data++;
    size--;
    switch (which % 4) {
    case 0:
        read_instance(data, size);
        break;
    case 1:
        read_url(data, size);
        break;
    case 2:
        read_bool(data, size);
        break;
    default:
        read_results(which / 4, data, size);
    }
    return 0;
}
