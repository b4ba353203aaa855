/* Messages as bytes: there and back, and nothing else but what a writer makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "consensus/wire.h"

static struct consensus_cert_vote votes[3];

static struct base_hash32 hash_of(uint8_t byte)
{
    struct base_hash32 hash;
    memset(hash.bytes, byte, sizeof hash.bytes);
    return hash;
}

static struct base_sig65 sig_of(uint8_t byte)
{
    struct base_sig65 sig;
    memset(sig.bytes, byte, sizeof sig.bytes);
    return sig;
}

/* One of each form. */
#define FORMS 8
static struct consensus_message form(int which)
{
    struct consensus_message m = {.epoch_id = hash_of(1)};
    for (uint16_t i = 0; i < 3; i++)
        votes[i] = (struct consensus_cert_vote){i, 7, sig_of((uint8_t)(i + 1))};
    switch (which) {
    case 0:
    case 1:
        m.type = CONSENSUS_MSG_CAND;
        m.u.cand = (struct consensus_candidate){.slot = 7,
                                                .parent_slot = which == 0 ? 5 : CONSENSUS_NO_SLOT,
                                                .parent_hash = hash_of(2),
                                                .payload = base_slice_text("entries"),
                                                .sig = sig_of(3)};
        break;
    case 2:
    case 3:
        m.type = CONSENSUS_MSG_VOTE;
        m.u.vote.voter = 4;
        m.u.vote.vote = (struct base_vote){.epoch_id = hash_of(1),
                                           .kind = which == 2 ? BASE_VOTE_FINAL : BASE_VOTE_SKIP,
                                           .first = 7,
                                           .last = which == 2 ? 7 : 599};
        if (which == 2) m.u.vote.vote.hash = hash_of(5);
        m.u.vote.sig = sig_of(6);
        break;
    case 4:
        m.type = CONSENSUS_MSG_CERT;
        m.u.cert = (struct consensus_cert){BASE_VOTE_NOTAR, 7, 7, hash_of(8), 3, votes};
        break;
    case 5:
        m.type = CONSENSUS_MSG_GET;
        m.u.get.slot = 7;
        m.u.get.hash = hash_of(9);
        break;
    default:
        m.type = CONSENSUS_MSG_STATUS;
        m.u.status = (struct consensus_status){8, which == 6 ? 6 : CONSENSUS_NO_SLOT, 3, 1234};
        break;
    }
    return m;
}

static size_t encoded(uint8_t out[4096], const struct consensus_message *m)
{
    size_t len = 0;
    assert_int_equal(consensus_message_encode(out, &len, 4096, m), BASE_OK);
    return len;
}

static int decode(struct consensus_message *out, const struct consensus_message *m,
                  const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1); /* so that one byte too many is noticed */
    memcpy(exact, bytes, len);
    int rv = consensus_message_decode(out, consensus_frame_type(m->type), exact, len);
    uint8_t again[4096];
    if (rv == BASE_OK) {
        assert_int_equal(encoded(again, out), len); /* before what it borrows is gone */
        assert_memory_equal(again, exact, len);
    }
    free(exact);
    return rv;
}

static void test_there_and_back(void **state)
{
    uint8_t bytes[4096];
    (void)state;
    for (int which = 0; which < FORMS; which++) {
        struct consensus_message m = form(which), back;
        size_t len = encoded(bytes, &m), short_len;
        assert_int_equal(decode(&back, &m, bytes, len), BASE_OK);
        assert_int_equal(back.type, m.type);
        consensus_message_free(&back);
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_not_equal(decode(&back, &m, bytes, cut), BASE_OK);
            uint8_t part[4096];
            assert_int_equal(consensus_message_encode(part, &short_len, cut, &m), BASE_ETOOBIG);
        }
        bytes[len] = 0;
        assert_int_equal(decode(&back, &m, bytes, len + 1), BASE_EMALFORMED);
    }
}

static void test_types(void **state)
{
    struct consensus_message m = form(5), back;
    uint8_t bytes[4096];
    size_t len = encoded(bytes, &m);
    (void)state;
    assert_int_equal(consensus_frame_type(CONSENSUS_MSG_CAND), 0x20);
    assert_int_equal(consensus_frame_type(CONSENSUS_MSG_STATUS), 0x24);
    assert_int_equal(consensus_frame_type((enum consensus_message_type)0), 0);
    assert_int_equal(consensus_frame_type((enum consensus_message_type)6), 0);
    assert_int_equal(consensus_message_decode(&back, 0x1f, bytes, len), BASE_EUNSUPPORTED);
    assert_int_equal(consensus_message_decode(&back, 0x25, bytes, len), BASE_EUNSUPPORTED);
    assert_int_equal(consensus_message_decode(&back, 0x22, bytes, len), BASE_EMALFORMED);
    uint8_t *large = calloc(1, CONSENSUS_FRAME_BYTES_MAX + 1);
    assert_int_equal(consensus_message_decode(&back, 0x20, large, CONSENSUS_FRAME_BYTES_MAX + 1),
                     BASE_ETOOBIG);
    free(large);
}

/* Whatever is in them, they mean something that can be. */
static void test_what_no_honest_writer_makes(void **state)
{
    uint8_t bytes[4096];
    (void)state;
    struct consensus_message m = form(0), back;
    m.u.cand.parent_slot = 7; /* its own parent */
    assert_int_equal(consensus_message_decode(&back, 0x20, bytes, encoded(bytes, &m)),
                     BASE_EMALFORMED);
    m = form(2);
    m.u.vote.vote.last = 8;
    assert_int_equal(consensus_message_decode(&back, 0x21, bytes, encoded(bytes, &m)),
                     BASE_EMALFORMED);
    m = form(2);
    m.u.vote.vote.kind = BASE_VOTE_CAND; /* only inside of a candidate */
    assert_int_equal(consensus_message_decode(&back, 0x21, bytes, encoded(bytes, &m)),
                     BASE_EMALFORMED);
    m = form(2);
    m.u.vote.voter = CONSENSUS_MEMBERS_MAX;
    assert_int_equal(consensus_message_decode(&back, 0x21, bytes, encoded(bytes, &m)),
                     BASE_EMALFORMED);
    m = form(3);
    m.u.vote.vote.first = 600;
    assert_int_equal(consensus_message_decode(&back, 0x21, bytes, encoded(bytes, &m)),
                     BASE_EMALFORMED);
    m = form(6);
    m.u.status.final_slot = 8; /* not below its frontier */
    assert_int_equal(consensus_message_decode(&back, 0x24, bytes, encoded(bytes, &m)),
                     BASE_EMALFORMED);
    m = form(5);
    m.u.get.slot = CONSENSUS_NO_SLOT;
    assert_int_equal(consensus_message_decode(&back, 0x23, bytes, encoded(bytes, &m)),
                     BASE_EMALFORMED);
}

static void test_changed_bytes(void **state)
{
    uint8_t bytes[4096];
    (void)state;
    for (int which = 0; which < FORMS; which++) {
        struct consensus_message m = form(which), back;
        size_t len = encoded(bytes, &m);
        for (size_t at = 0; at < len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes[at] ^= (uint8_t)(1u << bit);
                if (decode(&back, &m, bytes, len) == BASE_OK) consensus_message_free(&back);
                bytes[at] ^= (uint8_t)(1u << bit);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_what_no_honest_writer_makes),
        cmocka_unit_test(test_changed_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
