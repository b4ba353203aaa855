/* Frames as bytes: every type there and back, every cut and every excess refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "base/pack.h"
#include "gossip/frame.h"

static struct gossip_frame frame, back;
static uint8_t body[GOSSIP_FRAME_BYTES_MAX + 1], again[GOSSIP_FRAME_BYTES_MAX];

static void fill(uint8_t type)
{
    static const uint8_t bytes[] = "statement";
    memset(&frame, 0, sizeof frame);
    frame.type = type;
    switch ((enum gossip_frame_type)type) {
    case GOSSIP_FRAME_PING:
    case GOSSIP_FRAME_ACK:
        frame.u.ping.nonce = INT64_MAX;
        frame.u.ping.digest = (struct gossip_digest){3, UINT64_MAX};
        frame.u.ping.id_count = 2;
        frame.u.ping.ids[1] = (struct gossip_event_id){{{2, 1}}, 4, 5, 6};
        break;
    case GOSSIP_FRAME_PING_REQ:
    case GOSSIP_FRAME_NACK:
    case GOSSIP_FRAME_CHALLENGE:
        frame.u.relay.key.bytes[0] = 3;
        frame.u.relay.nonce = 77;
        break;
    case GOSSIP_FRAME_REFUTE:
        frame.u.refute.body = (struct base_slice){bytes, sizeof bytes};
        break;
    case GOSSIP_FRAME_SYNC:
        frame.u.sync.mask = UINT64_MAX;
        frame.u.sync.sum_count = GOSSIP_BUCKETS;
        frame.u.sync.sums[63] = 12345678901234567u;
        frame.u.sync.id_count = GOSSIP_EVENT_IDS_MAX;
        frame.u.sync.within = GOSSIP_BUCKETS;
        break;
    case GOSSIP_FRAME_LIST:
        frame.u.list.mask = 5;
        frame.u.list.more = true;
        frame.u.list.within = 1;
        frame.u.list.deep = UINT64_MAX;
        frame.u.list.entry_count = GOSSIP_ENTRIES_MAX;
        for (size_t i = 0; i < GOSSIP_ENTRIES_MAX; i++)
            frame.u.list.entries[i] = (struct gossip_entry){{{2}}, INT64_MAX, INT64_MAX, 255};
        break;
    case GOSSIP_FRAME_PULL:
        frame.u.pull.key_count = GOSSIP_KEYS_MAX;
        frame.u.pull.id_count = 1;
        break;
    case GOSSIP_FRAME_UPDATE:
        frame.u.news.reach = 9;
        frame.u.news.item_count = 2;
        frame.u.news.items[0] = (struct gossip_item){.kind = BASE_STATEMENT_RECORD,
                                                     .flags = GOSSIP_ENTRY_FAILED,
                                                     .body = {bytes, sizeof bytes},
                                                     .proof = {bytes, 3}};
        frame.u.news.items[1] =
            (struct gossip_item){.kind = BASE_STATEMENT_LEAVE, .body = {bytes, sizeof bytes}};
        break;
    case GOSSIP_FRAME_PART:
        frame.u.part.why = 1;
        break;
    case GOSSIP_FRAME_EVENT:
        frame.u.news.repair = true;
        frame.u.news.item_count = 1;
        frame.u.news.items[0] =
            (struct gossip_item){.kind = BASE_STATEMENT_EVENT, .body = {bytes, sizeof bytes}};
        break;
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    for (uint8_t type = GOSSIP_FRAME_PING; type <= GOSSIP_FRAME_PART; type++) {
        size_t len = 0, len_again = 0;
        fill(type);
        assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &frame), BASE_OK);
        assert_true(len <= GOSSIP_FRAME_BYTES_MAX);
        assert_int_equal(gossip_frame_decode(&back, type, body, len), BASE_OK);
        assert_int_equal(gossip_frame_encode(again, &len_again, sizeof again, &back), BASE_OK);
        assert_int_equal(len_again, len);
        assert_memory_equal(again, body, len);
    }
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    for (uint8_t type = GOSSIP_FRAME_PING; type <= GOSSIP_FRAME_PART; type++) {
        size_t len = 0;
        fill(type);
        assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &frame), BASE_OK);
        for (size_t cut = 0; cut < len; cut += 1 + cut / 50)
            assert_int_not_equal(gossip_frame_decode(&back, type, body, cut), BASE_OK);
        body[len] = 0xc0;
        assert_int_equal(gossip_frame_decode(&back, type, body, len + 1),
                         len < GOSSIP_FRAME_BYTES_MAX ? BASE_EMALFORMED : BASE_ETOOBIG);
        assert_int_equal(gossip_frame_encode(body, &len, len - 1, &frame), BASE_ETOOBIG);
    }
}

static void test_too_long_and_unknown(void **state)
{
    (void)state;
    memset(body, 0, sizeof body);
    assert_int_equal(gossip_frame_decode(&back, GOSSIP_FRAME_PING, body, sizeof body),
                     BASE_ETOOBIG);
    assert_int_equal(gossip_frame_decode(&back, 0x0f, body, 1), BASE_EUNSUPPORTED);
    assert_int_equal(gossip_frame_decode(&back, 0x1c, body, 1), BASE_EUNSUPPORTED);
    assert_int_equal(gossip_frame_decode(&back, 0x20, body, 1), BASE_EUNSUPPORTED);
}

static void test_unknown_keys_are_counted(void **state)
{
    struct base_packer p;
    (void)state;
    base_packer_init(&p, body, sizeof body);
    base_pack_map(&p, 4);
    base_pack_u64(&p, 0);
    base_pack_bin(&p, frame.u.relay.key.bytes, 33);
    base_pack_u64(&p, 1);
    base_pack_u64(&p, 5);
    base_pack_u64(&p, 2);
    base_pack_str(&p, "later", 5);
    base_pack_u64(&p, 63);
    base_pack_bool(&p, true);
    assert_int_equal(gossip_frame_decode(&back, GOSSIP_FRAME_NACK, body, p.len), BASE_OK);
    assert_int_equal(back.unknown_keys, 2);
    assert_int_equal(back.u.relay.nonce, 5);
}

/* Keys out of order, twice, or missing. */
static void test_maps_are_strict(void **state)
{
    static const uint8_t orders[][2] = {{1, 0}, {0, 0}, {0, 2}, {0, 64}};
    struct base_packer p;
    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        base_packer_init(&p, body, sizeof body);
        base_pack_map(&p, 2);
        for (int k = 0; k < 2; k++) {
            base_pack_u64(&p, orders[i][k]);
            if (orders[i][k] == 1)
                base_pack_u64(&p, 5);
            else
                base_pack_bin(&p, frame.u.relay.key.bytes, 33);
        }
        assert_int_equal(gossip_frame_decode(&back, GOSSIP_FRAME_NACK, body, p.len),
                         BASE_EMALFORMED);
    }
}

/* Encodes a frame whose count is then raised above its bound: the claim alone is refused. */
static void test_counts_are_bounded_before_reading(void **state)
{
    static const uint8_t many[] = {0x83, 0x00, 0x00, 0x01, 0xc2, 0x02,
                                   0xdd, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t uneven[] = {0x83, 0x00, 0x00, 0x01, 0xc2, 0x02, 0x91, 0x00};
    (void)state;
    assert_int_equal(gossip_frame_decode(&back, GOSSIP_FRAME_UPDATE, many, sizeof many),
                     BASE_ETOOBIG);
    assert_int_equal(gossip_frame_decode(&back, GOSSIP_FRAME_UPDATE, uneven, sizeof uneven),
                     BASE_EMALFORMED);
}

static void refuse_item(uint8_t type, const struct gossip_item *item)
{
    size_t len = 0;
    fill(type);
    frame.u.news.item_count = 1;
    frame.u.news.items[0] = *item;
    assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &frame), BASE_OK);
    assert_int_equal(gossip_frame_decode(&back, type, body, len), BASE_EMALFORMED);
}

static void test_items_are_of_their_frame(void **state)
{
    static const uint8_t byte;
    struct base_slice one = {&byte, 1};
    (void)state;
    refuse_item(GOSSIP_FRAME_UPDATE, &(struct gossip_item){.kind = BASE_STATEMENT_EVENT});
    refuse_item(GOSSIP_FRAME_UPDATE, &(struct gossip_item){.kind = BASE_STATEMENT_REFUTATION});
    refuse_item(GOSSIP_FRAME_EVENT, &(struct gossip_item){.kind = BASE_STATEMENT_RECORD});
    refuse_item(GOSSIP_FRAME_UPDATE,
                &(struct gossip_item){.kind = BASE_STATEMENT_LEAVE, .proof = one});
    refuse_item(GOSSIP_FRAME_UPDATE,
                &(struct gossip_item){.kind = BASE_STATEMENT_ACCUSATION, .flags = 1});
    refuse_item(GOSSIP_FRAME_UPDATE, &(struct gossip_item){.kind = (enum base_statement)77});
}

static void test_sums_are_all_or_none(void **state)
{
    size_t len = 0;
    (void)state;
    fill(GOSSIP_FRAME_SYNC);
    frame.u.sync.sum_count = GOSSIP_BUCKETS - 1;
    assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &frame), BASE_OK);
    assert_int_equal(gossip_frame_decode(&back, GOSSIP_FRAME_SYNC, body, len), BASE_EMALFORMED);
    frame.u.sync.sum_count = 0;
    assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &frame), BASE_OK);
    assert_int_equal(gossip_frame_decode(&back, GOSSIP_FRAME_SYNC, body, len), BASE_OK);
}

static void test_nonces_are_bounded(void **state)
{
    size_t len = 0;
    (void)state;
    fill(GOSSIP_FRAME_PING);
    frame.u.ping.nonce = (uint64_t)INT64_MAX + 1;
    assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &frame), BASE_OK);
    assert_int_equal(gossip_frame_decode(&back, GOSSIP_FRAME_PING, body, len), BASE_EMALFORMED);
}

/* A full UPDATE never exceeds the frame when filled by the bytes that we count. */
static void test_item_bytes_are_an_upper_bound(void **state)
{
    static uint8_t record[GOSSIP_RECORD_BYTES_MAX], proof[GOSSIP_PROOF_BYTES_MAX];
    size_t len = 0, bytes = GOSSIP_NEWS_HEAD_BYTES;
    struct gossip_item item = {.kind = BASE_STATEMENT_RECORD,
                               .flags = 255,
                               .body = {record, sizeof record},
                               .proof = {proof, sizeof proof}};
    (void)state;
    fill(GOSSIP_FRAME_UPDATE);
    frame.u.news.reach = UINT64_MAX;
    frame.u.news.item_count = 0;
    while (bytes + gossip_item_bytes(&item) <= GOSSIP_FRAME_BYTES_MAX) {
        bytes += gossip_item_bytes(&item);
        frame.u.news.items[frame.u.news.item_count++] = item;
    }
    assert_int_equal(frame.u.news.item_count, 12);
    assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &frame), BASE_OK);
    assert_true(len <= bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_too_long_and_unknown),
        cmocka_unit_test(test_unknown_keys_are_counted),
        cmocka_unit_test(test_maps_are_strict),
        cmocka_unit_test(test_counts_are_bounded_before_reading),
        cmocka_unit_test(test_items_are_of_their_frame),
        cmocka_unit_test(test_sums_are_all_or_none),
        cmocka_unit_test(test_nonces_are_bounded),
        cmocka_unit_test(test_item_bytes_are_an_upper_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
