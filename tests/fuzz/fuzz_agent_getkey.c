/* GetKey's answer, of either service: refused with one line that says why, or a key that is one
 * and an app key that is a point. */
#include "attest/agent.h"
#include "base/ecdsa.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds) abort();
}

static void try_reply(enum attest_agent_api api, long status, const uint8_t *data, size_t size)
{
    static const struct attest_agent_key zeroed;
    struct attest_agent_key key;
    struct base_key33 pub;
    char why[ATTEST_AGENT_WHY_BYTES];
    int rv = attest_agent_key_parse(&key, why, api, "ethereum", status, data, size);

    check(memchr(why, '\0', sizeof why) != NULL);
    for (size_t i = 0; why[i] != '\0'; i++)
        check(why[i] >= 0x20 && why[i] <= 0x7e);
    if (rv != BASE_OK) {
        check(memcmp(&key, &zeroed, sizeof zeroed) == 0);
        return;
    }
    check(status == 200);
    check(base_ecdsa_pubkey(&pub, &key.priv) == BASE_OK && base_key33_equal(&pub, &key.pub));
    check(base_ecdsa_pubkey_check(&key.app_key) == BASE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(base_ecdsa_init() == BASE_OK);
    try_reply(ATTEST_AGENT_DSTACK, 200, data, size);
    try_reply(ATTEST_AGENT_TAPPD, 200, data, size);
    try_reply(ATTEST_AGENT_DSTACK, 400, data, size);
    return 0;
}
