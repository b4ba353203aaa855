/* clusterState()'s return data, and revert data, which takes any bytes at all. */
#include "base/err.h"
#include "chain/abi.h"
#include "chain/contract.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_revert(const uint8_t *data, size_t size)
{
    struct chain_abi_revert revert;
    chain_abi_revert_decode(&revert, data, size, chain_contract_errors, chain_contract_error_count);
    if (memchr(revert.text, '\0', sizeof revert.text) == NULL) abort();
    for (size_t i = 0; revert.text[i] != '\0'; i++)
        if (revert.text[i] < 0x20 || revert.text[i] > 0x7e) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chain_cluster_state state;
    struct base_buf buf;
    check_revert(data, size);
    if (chain_contract_decode_cluster_state(&state, data, size) != BASE_OK) {
        if (!base_is_zero(&state, sizeof state)) abort();
        return 0;
    }
    if (state.app_id_count > CHAIN_APP_IDS_MAX || state.seat_count > CHAIN_SEATS_MAX) abort();
    base_buf_init(&buf, CHAIN_ABI_CALL_BYTES_MAX);
    if (chain_contract_encode_cluster_state(&buf, &state) != BASE_OK) abort();
    if (buf.len != size || memcmp(buf.data, data, size) != 0) abort();
    base_buf_deinit(&buf);
    return 0;
}
