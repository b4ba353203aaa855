/* What consensus stores and hands on: records of epochs, entries, payloads, states, logged votes,
 * and records among them. The first byte says which. What we accept we can say back, byte for byte.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/state.h"
#include "consensus/votelog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[CONSENSUS_STATE_BYTES_MAX];

static void same(int rv, size_t len, const uint8_t *data, size_t size)
{
    if (rv != BASE_OK || len != size || (size > 0 && memcmp(out, data, size) != 0)) abort();
}

static void epoch(const uint8_t *data, size_t size)
{
    struct consensus_epoch e;
    struct consensus_voter *voters;
    struct consensus_lead *leads;
    size_t len;
    if (consensus_epoch_decode(&e, data, size) != BASE_OK) return;
    int rv = consensus_epoch_encode(out, &len, sizeof out, &e);
    same(rv, len, data, size);
    if (consensus_epoch_voters(&e, &voters, &leads) == BASE_OK) {
        free(voters);
        free(leads);
    }
    consensus_epoch_free(&e);
}

static void entry(const uint8_t *data, size_t size)
{
    struct consensus_entry e;
    size_t len;
    if (consensus_entry_decode(&e, data, size) != BASE_OK) return;
    int rv = consensus_entry_encode(out, &len, sizeof out, &e);
    same(rv, len, data, size);
}

static void payload(const uint8_t *data, size_t size)
{
    static struct consensus_payload p;
    size_t len;
    if (consensus_payload_decode(&p, data, size) != BASE_OK) return;
    int rv = consensus_payload_encode(out, &len, sizeof out, &p);
    same(rv, len, data, size);
}

static void state(const uint8_t *data, size_t size)
{
    struct consensus_state *s;
    struct base_slice bytes;
    if (consensus_state_decode(&s, data, size) != BASE_OK) return;
    int rv = consensus_state_encode(s, &bytes);
    memcpy(out, bytes.data, bytes.len);
    same(rv, bytes.len, data, size);
    consensus_state_turn(s, 9);
    consensus_state_free(s);
}

static void logged(const uint8_t *data, size_t size)
{
    static const struct base_hash32 epoch_id = {{1}};
    struct consensus_logged l;
    size_t len;
    if (consensus_votelog_decode(&l, &epoch_id, data, size) == BASE_OK) {
        int rv = consensus_votelog_encode(out, &len, sizeof out, &l.record);
        same(rv, len, data, size);
    }
    consensus_votelog_free(&l);
}

static void next(const uint8_t *data, size_t size)
{
    struct consensus_epoch e;
    size_t len;
    if (consensus_votelog_next_decode(&e, data, size) != BASE_OK) return;
    if (!consensus_votelog_is_next(data, size)) abort();
    int rv = consensus_votelog_next_encode(out, &len, sizeof out, &e);
    same(rv, len, data, size);
    consensus_epoch_free(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(const uint8_t *, size_t) = {epoch, entry,  payload,
                                                             state, logged, next};
    if (size == 0 || data[0] >= sizeof kinds / sizeof kinds[0]) return 0;
    kinds[data[0]](data + 1, size - 1);
    return 0;
}
