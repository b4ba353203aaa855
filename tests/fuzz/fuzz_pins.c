/* The pins file: whatever lies on the disk; what we accept, we write back byte for byte. */
#include "attest/pins.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct attest_pins_file file;
    struct base_buf out;
    char why[ATTEST_PINS_WHY_BYTES];

    if (attest_pins_file_decode(&file, why, data, size) != BASE_OK) {
        if (memchr(why, '\0', sizeof why) == NULL) abort();
        return 0;
    }
    base_buf_init(&out, ATTEST_PINS_BYTES_MAX);
    attest_pins_file_encode(&out, &file);
    if (out.failed || out.len != size || memcmp(out.data, data, size) != 0) abort();
    base_buf_deinit(&out);
    return 0;
}
