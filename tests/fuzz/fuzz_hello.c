/* No bytes can crash us; and what we accept, we can say back unchanged. */
#include "attest/hello.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool slice_equal(struct base_slice a, struct base_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Equal but for where the slices point; the slices are cleared on the way. */
static bool hello_equal(struct attest_hello *a, struct attest_hello *b)
{
    static const struct base_slice none;

    if (!slice_equal(a->settings, b->settings) || !slice_equal(a->record, b->record)) return false;
    a->settings = a->record = b->settings = b->record = none;
    return memcmp(a, b, sizeof *a) == 0; /* decode zeroes the padding first */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct attest_hello once, twice;
    uint8_t wire[ATTEST_HELLO_BYTES_MAX];
    size_t wire_len;

    if (attest_hello_decode(&once, data, size) != BASE_OK) return 0;
    if (once.settings.len > ATTEST_SETTINGS_BYTES_MAX) abort();
    if (once.record.len > ATTEST_RECORD_BYTES_MAX) abort();
    if (attest_hello_encode(wire, &wire_len, sizeof wire, &once) != BASE_OK) abort();
    if (wire_len > size) abort(); /* only unknown keys are left out */
    if (attest_hello_decode(&twice, wire, wire_len) != BASE_OK) abort();
    if (!hello_equal(&once, &twice)) abort();
    return 0;
}
