/* Info's answer: an agent's, or that of whoever has put a socket in its place. */
#include "attest/agent.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text, size_t cap)
{
    if (memchr(text, '\0', cap) == NULL) abort();
    for (size_t i = 0; text[i] != '\0'; i++)
        if (text[i] < 0x20 || text[i] > 0x7e) abort();
}

static void try_status(const uint8_t *data, size_t size, long status)
{
    static const struct attest_agent_info zeroed;
    struct attest_agent_info info;
    char why[ATTEST_AGENT_WHY_BYTES];
    int rv = attest_agent_info_parse(&info, why, status, data, size);

    check_line(why, sizeof why);
    check_line(info.app_name, sizeof info.app_name);
    if (rv != BASE_OK && memcmp(&info, &zeroed, sizeof zeroed) != 0) abort();
    if (rv == BASE_OK && status != 200) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_status(data, size, 200);
    try_status(data, size, 400);
    return 0;
}
