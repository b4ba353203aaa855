/* Certificates: what we accept, we can say back, byte for byte; and checking one never reads past
 * what is there. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int believe(void *ctx, const struct base_vote *vote, const struct base_sig65 *sig,
                   const struct base_eth_address *signer)
{
    (void)ctx;
    (void)signer;
    return consensus_vote_is_valid(vote) && sig->bytes[0] != 0 ? BASE_OK : BASE_ESIG;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t body[CONSENSUS_CERT_BYTES_MAX];
    struct consensus_voter list[7] = {0};
    struct consensus_voters voters;
    struct consensus_cert cert;
    struct base_hash32 epoch = {{1}};
    size_t len = 0;
    for (uint8_t i = 0; i < 7; i++) {
        list[i].key.bytes[32] = i;
        list[i].weight = 1;
    }
    if (consensus_voters_init(&voters, list, 7) != BASE_OK) abort();
    if (size > sizeof body || consensus_cert_decode(&cert, data, size) != BASE_OK) return 0;
    if (consensus_cert_encode(body, &len, sizeof body, &cert) != BASE_OK) abort();
    if (len != size || memcmp(body, data, size) != 0) abort(); /* one form only */
    if (consensus_cert_check(&cert, &epoch, &voters, believe, NULL) == CONSENSUS_CERT_GOOD &&
        cert.count < voters.quorum)
        abort();
    consensus_cert_free(&cert);
    return 0;
}
