#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "node/link_wire.h"

/* nng 1.5.2's own bytes, taken from a REQ socket that sends "hi". */
static const uint8_t nng_greeting[] = {0x00, 'S', 'P', 0x00, 0x00, 0x30, 0x00, 0x00};
static const uint8_t nng_message[] = {0,    0, 0, 0, 0,   0,  0, 6, /* length */
                                      0x80, 0, 0, 1, 'h', 'i'};

static void test_greeting_is_that_of_nng(void **state)
{
    uint8_t greeting[NODE_LINK_WIRE_GREETING_BYTES];
    (void)state;
    node_link_wire_greeting(greeting, NODE_LINK_WIRE_REQ);
    assert_memory_equal(greeting, nng_greeting, sizeof nng_greeting);
    assert_true(node_link_wire_is_greeting(greeting, NODE_LINK_WIRE_REQ));
    assert_false(node_link_wire_is_greeting(greeting, NODE_LINK_WIRE_REP));
    for (size_t i = 0; i < sizeof greeting; i++) {
        greeting[i] ^= 1; /* each byte counts */
        assert_false(node_link_wire_is_greeting(greeting, NODE_LINK_WIRE_REQ));
        greeting[i] ^= 1;
    }
}

static void test_head_is_that_of_nng(void **state)
{
    uint8_t head[NODE_LINK_WIRE_HEAD_BYTES];
    (void)state;
    node_link_wire_head(head, 2);
    assert_memory_equal(head, nng_message, sizeof head);
}

/* Whatever part of a message is there, the answer names a length beyond it, until it is whole. */
static void test_split_of_each_prefix(void **state)
{
    struct base_slice frame;
    size_t need;
    (void)state;
    for (size_t len = 0; len < sizeof nng_message; len++) {
        assert_int_equal(node_link_wire_split(&frame, &need, nng_message, len),
                         NODE_LINK_WIRE_UNDECIDED);
        assert_true(need > len && need <= sizeof nng_message);
    }
    assert_int_equal(node_link_wire_split(&frame, &need, nng_message, sizeof nng_message),
                     NODE_LINK_WIRE_FRAME);
    assert_int_equal(need, sizeof nng_message);
    assert_int_equal(frame.len, 2);
    assert_memory_equal(frame.data, "hi", 2);
}

static enum node_link_wire_verdict split_claim(uint64_t length, uint32_t id)
{
    uint8_t data[NODE_LINK_WIRE_HEAD_BYTES];
    struct base_slice frame;
    size_t need;
    enum node_link_wire_verdict verdict;
    base_put_u64be(data, length);
    base_put_u32be(data + 8, id);
    verdict = node_link_wire_split(&frame, &need, data, sizeof data);
    assert_true(need <= NODE_LINK_WIRE_HEAD_BYTES + NODE_LINK_WIRE_FRAME_MAX);
    return verdict;
}

static void test_lengths_at_their_bounds(void **state)
{
    const uint32_t id = 0x80000001u;
    (void)state;
    for (uint64_t length = 0; length < 4; length++)
        assert_int_equal(split_claim(length, id), NODE_LINK_WIRE_MALFORMED);
    assert_int_equal(split_claim(4, id), NODE_LINK_WIRE_FRAME); /* an empty frame */
    assert_int_equal(split_claim(NODE_LINK_WIRE_FRAME_MAX + 4, id), NODE_LINK_WIRE_UNDECIDED);
    assert_int_equal(split_claim(NODE_LINK_WIRE_FRAME_MAX + 5, id), NODE_LINK_WIRE_MALFORMED);
    assert_int_equal(split_claim(UINT32_MAX, id), NODE_LINK_WIRE_MALFORMED);
    assert_int_equal(split_claim(1ull << 32 | 4, id), NODE_LINK_WIRE_MALFORMED);
    assert_int_equal(split_claim(UINT64_MAX, id), NODE_LINK_WIRE_MALFORMED);
    assert_int_equal(split_claim(UINT64_MAX - 7, id), NODE_LINK_WIRE_MALFORMED);
}

static void test_too_long_is_said_before_the_id_has_come(void **state)
{
    const uint8_t length[] = {0, 0, 0, 0, 0, 1, 0, 5};
    struct base_slice frame;
    size_t need;
    (void)state;
    assert_int_equal(node_link_wire_split(&frame, &need, length, sizeof length),
                     NODE_LINK_WIRE_MALFORMED);
}

static void test_hops_are_refused(void **state)
{
    (void)state;
    assert_int_equal(split_claim(4, 0x7fffffffu), NODE_LINK_WIRE_MALFORMED);
    assert_int_equal(split_claim(4, 0x80000000u), NODE_LINK_WIRE_FRAME);
    assert_int_equal(split_claim(4, 0xffffffffu), NODE_LINK_WIRE_FRAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting_is_that_of_nng),
        cmocka_unit_test(test_head_is_that_of_nng),
        cmocka_unit_test(test_split_of_each_prefix),
        cmocka_unit_test(test_lengths_at_their_bounds),
        cmocka_unit_test(test_too_long_is_said_before_the_id_has_come),
        cmocka_unit_test(test_hops_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
