/* What the table costs and how it stands up to its bounds: rows, agendas that come and go, records
 * kept once, keys that somebody chose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gossip/gossip_internal.h"
#include "sim.h"

static struct gossip_actions out;

static struct gossip *core_new(uint32_t i, uint32_t members_max, struct gossip_shared *shared)
{
    struct gossip_config cfg;
    struct gossip_crypto crypto = sim_crypto(i);
    struct gossip *g = NULL;
    sim_config_of(&cfg, i, 1);
    cfg.members_max = members_max;
    cfg.links_max = members_max;
    cfg.shared = shared;
    assert_int_equal(gossip_new(&g, &cfg, &crypto, 1000), BASE_OK);
    return g;
}

static int peer_up(struct gossip *g, uint64_t now_ms, uint32_t i, uint64_t incarnation)
{
    struct gossip_signed_record record;
    struct gossip_event ev = {.type = GOSSIP_EV_PEER_UP, .key = sim_key_of(i)};
    sim_record_of(&record, i, incarnation, 0);
    ev.u.peer_up.record = (struct base_slice){record.body, record.body_len};
    ev.u.peer_up.sig = record.sig;
    ev.u.peer_up.proof = (struct base_slice){(const uint8_t *)"proof", 5};
    return gossip_step(g, now_ms, &ev, &out);
}

/* Answers each ping of the last step, so that nobody is ever doubted. */
static void answer_pings(struct gossip *g, uint64_t now_ms)
{
    static struct gossip_frame ping, ack;
    static uint8_t body[GOSSIP_FRAME_BYTES_MAX];
    struct base_key33 asked[8];
    size_t len = 0, count = 0;
    uint64_t nonces[8];
    for (size_t i = 0; i < out.count && count < 8; i++) {
        const struct gossip_action *act = &out.items[i];
        if (act->type != GOSSIP_ACT_SEND || act->u.send.type != GOSSIP_FRAME_PING) continue;
        assert_int_equal(gossip_frame_decode(&ping, act->u.send.type, act->u.send.body.data,
                                             act->u.send.body.len),
                         BASE_OK);
        asked[count] = act->key;
        nonces[count++] = ping.u.ping.nonce;
    }
    for (size_t i = 0; i < count; i++) {
        memset(&ack, 0, sizeof ack);
        ack.type = GOSSIP_FRAME_ACK;
        ack.u.ping.nonce = nonces[i];
        gossip__digest(g, &ack.u.ping.digest);
        assert_int_equal(gossip_frame_encode(body, &len, sizeof body, &ack), BASE_OK);
        struct gossip_event ev = {.type = GOSSIP_EV_FRAME, .key = asked[i]};
        ev.u.frame.type = ack.type;
        ev.u.frame.body = (struct base_slice){body, len};
        assert_int_equal(gossip_step(g, now_ms, &ev, &out), BASE_OK);
    }
}

static uint64_t calm(struct gossip *g, uint64_t now_ms, uint64_t for_ms)
{
    struct gossip_event timer = {.type = GOSSIP_EV_TIMER};
    for (uint64_t end = now_ms + for_ms; now_ms < end;) {
        if (gossip_deadline_ms(g) > now_ms) now_ms = gossip_deadline_ms(g);
        assert_int_equal(gossip_step(g, now_ms, &timer, &out), BASE_OK);
        answer_pings(g, now_ms);
    }
    return now_ms;
}

static size_t agendas_open(const struct gossip *g)
{
    size_t open = 0;
    for (uint32_t i = 0; i < g->count; i++)
        open += g->members[g->sorted[i]].agenda_at != 0;
    return open;
}

/* Nothing is going on with whom we have a link to and who answers: 64 bytes, and its record. */
static void test_a_member_at_rest_costs_64_bytes(void **state)
{
    const uint32_t count = 2000;
    (void)state;
    struct gossip *g = core_new(0, 2048, NULL);
    for (uint32_t i = 1; i < count; i++) {
        assert_int_equal(peer_up(g, 1000, i, 1), BASE_OK);
        calm(g, 1000 + i, 0);
    }
    calm(g, 60000, 5000);
    assert_int_equal(gossip_member_count(g), count);
    assert_true(agendas_open(g) <= 4);
    struct gossip *alone = core_new(0, 2048, NULL);
    size_t agendas = g->agendas.top * sizeof(struct gossip__agenda);
    assert_true(gossip_bytes(g) - agendas - gossip_bytes(alone) <= 64 * (size_t)count);
    assert_true(gossip_shared_bytes(g->shared) <= 1024 * (size_t)count / 2);
    gossip_free(alone);
    gossip_free(g);
}

/* Every member lost and found again: what that took is free for the next time. */
static void test_agendas_are_given_back(void **state)
{
    (void)state;
    struct gossip *g = core_new(0, 64, NULL);
    uint16_t top = 0;
    for (uint64_t round = 0; round < 3; round++) {
        for (uint32_t i = 1; i < 50; i++)
            peer_up(g, 1000 + round, i, 1 + round);
        calm(g, 1000 + round, 0);
        for (uint32_t i = 1; i < 50; i++) {
            struct gossip_event down = {.type = GOSSIP_EV_PEER_DOWN, .key = sim_key_of(i)};
            assert_int_equal(gossip_step(g, 1000 + round, &down, &out), BASE_OK);
        }
        assert_int_equal(agendas_open(g), 49);
        if (top == 0) top = g->agendas.top;
        assert_int_equal(g->agendas.top, top);
    }
    for (uint32_t i = 1; i < 50; i++) {
        struct gossip_event evict = {.type = GOSSIP_EV_EVICT, .key = sim_key_of(i)};
        assert_int_equal(gossip_step(g, 2000, &evict, &out), BASE_OK);
    }
    assert_int_equal(agendas_open(g), 0);
    assert_int_equal(g->heap_count, 0);
    assert_int_equal(g->store->count, 1);
    gossip_free(g);
}

/* Many cores of one thread: each version of a record is there once, and goes with the last. */
static void test_shared_records_are_there_once(void **state)
{
    struct gossip_shared *shared = NULL;
    struct gossip *g[8];
    (void)state;
    assert_int_equal(gossip_shared_new(&shared, 64, 1), BASE_OK);
    for (uint32_t i = 0; i < 8; i++)
        g[i] = core_new(i, 16, shared);
    for (uint32_t i = 0; i < 8; i++)
        for (uint32_t j = 0; j < 8; j++)
            if (i != j) assert_int_equal(peer_up(g[i], 1000, j, 1), BASE_OK);
    assert_int_equal(shared->store.count, 8);
    assert_int_equal(peer_up(g[0], 1000, 1, 2), BASE_OK);
    assert_int_equal(shared->store.count, 9);
    for (uint32_t i = 0; i < 8; i++)
        gossip_free(g[i]);
    assert_int_equal(shared->store.count, 0);
    gossip_shared_free(shared);
}

/* A store that is too small for its cores refuses, says so, and nothing breaks. */
static void test_a_full_store_is_a_full_table(void **state)
{
    struct gossip_shared *shared = NULL;
    struct gossip_counters counters;
    (void)state;
    assert_int_equal(gossip_shared_new(&shared, 3, 1), BASE_OK);
    struct gossip *g = core_new(0, 16, shared);
    assert_int_equal(peer_up(g, 1000, 1, 1), BASE_OK);
    assert_int_equal(peer_up(g, 1000, 2, 1), BASE_OK);
    assert_int_equal(peer_up(g, 1000, 3, 1), BASE_EFULL);
    gossip_counters(&counters, g);
    assert_int_equal(counters.table_full, 1);
    assert_int_equal(peer_up(g, 1000, 2, 2), BASE_OK); /* linked; its newer version has no room */
    gossip_free(g);
    gossip_shared_free(shared);
}

/* All sizes, over and over: what is freed is used again, within its own size. */
static void test_the_stores_memory_is_bounded(void **state)
{
    struct gossip__store store;
    const struct gossip__stored *held[16];
    uint8_t body[GOSSIP_RECORD_BYTES_MAX] = {0};
    struct base_sig65 sig = {{0}};
    size_t used = 0;
    (void)state;
    assert_int_equal(gossip__store_init(&store, 16, 1), BASE_OK);
    for (uint64_t round = 0; round < 64; round++) {
        size_t len = (round % 16 + 1) * 64;
        for (uint64_t i = 0; i < 16; i++) {
            struct gossip_record record = {.incarnation = round, .sequence = i};
            body[0] = (uint8_t)i; /* as every body says whose and which it is */
            struct gossip__version version = {&record, {body, len}, {body, i}, &sig};
            held[i] = gossip__store_put(&store, &version);
            assert_non_null(held[i]);
            assert_ptr_equal(gossip__store_find(&store, &version.body, &sig), held[i]);
            assert_ptr_equal(gossip__store_put(&store, &version), held[i]);
            gossip__store_release(&store, held[i]);
        }
        struct gossip_record more = {.incarnation = round, .sequence = 99};
        struct gossip__version version = {&more, {body, len}, {NULL, 0}, &sig};
        body[0] = 99;
        assert_null(gossip__store_put(&store, &version));
        assert_null(gossip__store_find(&store, &version.body, &sig));
        for (size_t i = 0; i < 16; i++)
            gossip__store_release(&store, held[i]);
        if (round == 31) used = store.bytes_used;
    }
    assert_int_equal(store.count, 0);
    assert_int_equal(store.bytes_used, used);
    gossip__store_deinit(&store);
}

/* Keys that share their first bytes, or crowd at one end, are found all the same. */
static void test_chosen_keys_are_found(void **state)
{
    const uint32_t count = 600;
    (void)state;
    struct gossip *g = core_new(0, 1024, NULL);
    struct base_sig65 sig = {{0}};
    for (uint32_t i = 0; i < count; i++) {
        struct gossip_record record = {.incarnation = 1};
        record.node_key.bytes[0] = i % 3 == 0 ? 0 : 3;
        record.node_key.bytes[i % 4 == 0 ? 32 : 4] = (uint8_t)(i >> 8);
        record.node_key.bytes[i % 2 == 0 ? 3 : 31] = (uint8_t)i;
        struct gossip__version version = {&record, {record.node_key.bytes, 33}, {NULL, 0}, &sig};
        if (gossip__find(g, &record.node_key) != NULL) continue;
        struct gossip__member *m = gossip__member_add(g, &version);
        assert_ptr_equal(gossip__find(g, &record.node_key), m);
    }
    for (uint32_t i = 1; i < g->count; i++)
        assert_true(
            base_key33_compare(gossip__key(g, g->sorted[i - 1]), gossip__key(g, g->sorted[i])) < 0);
    for (uint32_t i = 0; i < g->count; i++)
        assert_ptr_equal(gossip__find(g, gossip__key(g, g->sorted[i])), &g->members[g->sorted[i]]);
    gossip_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_member_at_rest_costs_64_bytes),
        cmocka_unit_test(test_agendas_are_given_back),
        cmocka_unit_test(test_shared_records_are_there_once),
        cmocka_unit_test(test_a_full_store_is_a_full_table),
        cmocka_unit_test(test_the_stores_memory_is_bounded),
        cmocka_unit_test(test_chosen_keys_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
