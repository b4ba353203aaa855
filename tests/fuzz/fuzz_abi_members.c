/* membersPage()'s return data: what an RPC endpoint says. No bytes can crash us, and what we
 * accept is canonical: written back it is the same bytes. */
#include "base/err.h"
#include "chain/abi.h"
#include "chain/contract.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chain_seat seats[CHAIN_PAGE_SEATS];
    struct base_buf buf;
    size_t count;
    int rv = chain_contract_decode_members(seats, &count, data, size);
    if (rv != BASE_OK && count != 0) abort();
    if (rv != BASE_OK) return 0;
    if (count > CHAIN_PAGE_SEATS) abort();
    for (size_t i = 0; i < count; i++)
        if (seats[i].url_len > CHAIN_URL_BYTES_MAX || seats[i].url[seats[i].url_len] != '\0')
            abort();
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    if (chain_contract_encode_members(&buf, seats, count) != BASE_OK) abort();
    if (buf.len != size || memcmp(buf.data, data, size) != 0) abort();
    base_buf_deinit(&buf);
    return 0;
}
