/* A mesh of more members than links: what nobody may do to one member because all would, and how
 * tables of thousands are compared. */
#include "gossip_rig.h"

#include <string.h>

#include "base/err.h"

#define LINKS 4

static int setup_sparse(void **state)
{
    struct gossip_config cfg;
    (void)state;
    rig_config(&cfg);
    cfg.links_max = LINKS;
    cfg.members_max = 8192;
    rig_start(&cfg);
    return 0;
}
#define SPARSE(test) cmocka_unit_test_setup_teardown(test, setup_sparse, teardown)

/* Peers 1 and 2 linked; the others up to n learned through 1. */
static void sparse_mesh(uint32_t n)
{
    mesh(2);
    for (uint32_t i = 3; i <= n; i++) {
        tell_record(1, i, 1, 0);
        verdict(i, GOSSIP_OK, 1);
    }
}

static void answer_all(void)
{
    for (uint32_t i = 1; i < 64; i++)
        if (was_sent(i, GOSSIP_FRAME_PING)) answer(i, sent.u.ping.nonce);
}

/* Whoever learns of a member does not dial it: half of links_max, drawn at random, are enough. */
static void test_learned_members_are_not_dialled(void **state)
{
    size_t wants = 0;
    (void)state;
    sparse_mesh(30);
    for (uint64_t end = rig.now + 2200; rig.now < end;) {
        rig.now = gossip_deadline_ms(rig.g) > rig.now ? gossip_deadline_ms(rig.g) : rig.now + 1;
        timer();
        wants += count(GOSSIP_ACT_WANT_LINK);
        answer_all();
    }
    assert_true(wants <= 1); /* there are two links already; the first tick asks far away */
    for (uint32_t i = 3; i <= 30; i++)
        assert_false(gossip__find(rig.g, &rig.key[i])->agenda_at != 0 &&
                     !gossip__find(rig.g, &rig.key[i])->dialing);
}

/* In a full mesh too everybody has a few links first, and the others one after the other: a hundred
 * who start at once need their time for their tables. */
static void test_a_full_mesh_closes_step_by_step(void **state)
{
    size_t at_once = 0, soon = 0;
    (void)state;
    sparse_mesh(30);
    for (uint64_t start = rig.now; rig.now < start + 20000;) {
        rig.now = gossip_deadline_ms(rig.g) > rig.now ? gossip_deadline_ms(rig.g) : rig.now + 1;
        timer();
        for (uint32_t i = 3; i <= 30; i++) {
            if (find(GOSSIP_ACT_WANT_LINK, i) == NULL) continue;
            if (rig.now < start + 400) at_once++;
            if (rig.now < start + 4000) soon++;
        }
        answer_all();
        for (uint32_t i = 3; i <= 30; i++)
            if (gossip__find(rig.g, &rig.key[i])->dialing) peer_up(i);
    }
    assert_in_range(at_once, 1, 8);
    assert_in_range(soon, 8, 8 + 8 + 4); /* two a second, and whom a probe is for */
    assert_int_equal(rig.g->link_count, 30);
}

/* While its links are being made, too, nobody makes others dial, nor dials, for each who is
 * accused. */
static void test_few_links_of_a_full_mesh_are_spared(void **state)
{
    (void)state;
    sparse_mesh(29);
    uint64_t slow = rig.g->dial_paced_ms = rig.now + 9000;
    tell_record(1, 30, 1, 0);
    verdict(30, GOSSIP_OK, 1);
    assert_int_equal(rig.g->dial_paced_ms, slow); /* a newcomer makes nobody faster */
    for (uint32_t i = 3; i <= 10; i++)
        peer_up(i);
    assert_true(gossip__is_thin(rig.g) && !gossip__is_sparse(rig.g));
    tell_accusation(1, 20, 1);
    assert_null(find(GOSSIP_ACT_WANT_LINK, 20));
    gossip__probe_start(rig.g, gossip__find(rig.g, &rig.key[21]));
    assert_int_equal(gossip__agenda(rig.g, gossip__find(rig.g, &rig.key[21]))->probe.asked, 0);
    for (uint32_t i = 11; i <= 19; i++)
        peer_up(i);
    assert_false(gossip__is_thin(rig.g));
    tell_accusation(1, 22, 1);
    assert_non_null(find(GOSSIP_ACT_WANT_LINK, 22));
}

/* Meanwhile a routine question is for those who have a link: asking the others would make one. */
static void test_routine_questions_make_no_links(void **state)
{
    (void)state;
    sparse_mesh(30);
    for (uint32_t i = 3; i <= 8; i++)
        peer_up(i);
    uint64_t end = rig.g->dial_paced_ms = rig.now + 30000;
    while (rig.now < end - 1) {
        rig.now = gossip_deadline_ms(rig.g) < end ? gossip_deadline_ms(rig.g) : end - 1;
        timer();
        for (uint32_t i = 9; i <= 30; i++)
            assert_false(gossip__is_probing(rig.g, gossip__find(rig.g, &rig.key[i])));
        answer_all();
    }
    assert_int_equal(rig.g->link_count, 8);
}

/* Who comes back among dead ones that it takes for alive finds that out by dialling them. Neither
 * they nor those known to be dead, who are dialled for ever, hold up the next. */
static void test_dials_in_vain_hold_nobody_up(void **state)
{
    (void)state;
    sparse_mesh(30);
    for (uint32_t i = 3; i <= 8; i++)
        peer_up(i);
    struct gossip__member *alive = gossip__find(rig.g, &rig.key[9]);
    struct gossip__member *failed = gossip__find(rig.g, &rig.key[10]);
    gossip__state(rig.g, failed, GOSSIP_FAILED, GOSSIP_WHY_TIMEOUT);
    rig.g->dial_paced_ms = rig.now;
    gossip__dial_due(rig.g, alive);
    assert_true(alive->dialing);
    uint64_t next = rig.g->dial_paced_ms;
    assert_int_equal(next, rig.now + 1000);
    gossip__want_link(rig.g, failed);
    rig.now += 300;
    dial_failed(10);
    dial_failed(9);
    assert_int_equal(rig.g->dial_paced_ms, next);
    assert_true(gossip__is_probing(rig.g, alive));
    gossip__want_link(rig.g, gossip__find(rig.g, &rig.key[11]));
    rig.now += 200;
    peer_up(11); /* one that is made shows how fast we are */
    assert_int_equal(rig.g->dial_paced_ms, rig.now + 16 * 200);
    gossip__want_link(rig.g, gossip__find(rig.g, &rig.key[12]));
    rig.now += 2000;
    peer_up(12); /* or what the path lost */
    assert_int_equal(rig.g->dial_paced_ms, rig.now + 4000);
}

static void test_lonely_nodes_look_for_links(void **state)
{
    (void)state;
    sparse_mesh(30);
    struct gossip__member *m = gossip__find(rig.g, &rig.key[2]);
    m->parting = true;
    peer_down(2);
    gossip__find(rig.g, &rig.key[1])->parting = true;
    peer_down(1);
    size_t wants = 0;
    for (uint64_t end = rig.now + 1100; rig.now < end;) {
        rig.now = gossip_deadline_ms(rig.g) > rig.now ? gossip_deadline_ms(rig.g) : rig.now + 1;
        timer();
        wants += count(GOSSIP_ACT_WANT_LINK);
    }
    assert_true(wants >= LINKS / 2 && wants <= LINKS);
}

/* Links beyond links_max go back, and the peer is told that it means nothing. */
static void test_surplus_links_are_given_back(void **state)
{
    size_t dropped = 0;
    (void)state;
    sparse_mesh(30);
    for (uint32_t i = 3; i <= 12; i++)
        peer_up(i);
    for (uint64_t end = rig.now + 6000; rig.now < end;) {
        rig.now = gossip_deadline_ms(rig.g) > rig.now ? gossip_deadline_ms(rig.g) : rig.now + 1;
        timer();
        for (uint32_t i = 1; i <= 12; i++)
            if (find(GOSSIP_ACT_DROP_LINK, i) != NULL) {
                assert_true(was_sent(i, GOSSIP_FRAME_PART));
                dropped |= (size_t)1 << i;
            }
        answer_all();
        for (uint32_t i = 1; i <= 12; i++)
            if ((dropped >> i & 1) != 0 && gossip__find(rig.g, &rig.key[i])->linked) peer_down(i);
    }
    assert_true(rig.g->link_count <= LINKS + 1);
    for (uint32_t i = 1; i <= 12; i++)
        assert_int_equal(state_of(i), GOSSIP_ALIVE);
}

/* A link that its peer closes with PART is no hint of a death; without it, it is. */
static void test_part(void **state)
{
    (void)state;
    sparse_mesh(30);
    frame.type = GOSSIP_FRAME_PART;
    frame.u.part.why = 0;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    uint64_t probes = counters().probes;
    peer_down(1);
    assert_int_equal(count(GOSSIP_ACT_WANT_LINK), 0);
    assert_int_equal(counters().probes, probes);
    peer_down(2);
    assert_non_null(find(GOSSIP_ACT_WANT_LINK, 2));
    assert_int_equal(counters().probes, probes + 1);
}

/* Accused far away: it has an interval to answer for itself. */
static void test_who_is_accused_far_away_may_answer_first(void **state)
{
    (void)state;
    sparse_mesh(30);
    tell_accusation(1, 20, 1);
    assert_null(find(GOSSIP_ACT_WANT_LINK, 20));
    uint64_t start = rig.now;
    while (find(GOSSIP_ACT_WANT_LINK, 20) == NULL && rig.now < start + 3100) {
        rig.now = gossip_deadline_ms(rig.g) > rig.now ? gossip_deadline_ms(rig.g) : rig.now + 1;
        timer();
        answer_all();
    }
    assert_in_range(rig.now - start, 1000, 3000);
    tell_accusation(1, 21, 1);
    tell_record(1, 21, 2, 0);
    assert_true(gossip__agenda(rig.g, gossip__find(rig.g, &rig.key[21]))->reprobe_ms == 0);
}

/* Our own dial comes first; relays, who would have to dial as well, when it was in vain. */
static void test_relays_are_asked_after_our_own_dial(void **state)
{
    (void)state;
    sparse_mesh(30);
    gossip__probe_start(rig.g, gossip__find(rig.g, &rig.key[20]));
    pass(0);
    assert_false(was_sent(1, GOSSIP_FRAME_PING_REQ));
    dial_failed(20);
    assert_true(was_sent(1, GOSSIP_FRAME_PING_REQ));
    assert_true(was_sent(2, GOSSIP_FRAME_PING_REQ));
    assert_int_equal(agenda(gossip__slot(rig.g, gossip__find(rig.g, &rig.key[20])))->probe.phase,
                     GOSSIP__INDIRECT);
}

/* ---- large tables ---- */

/* Members whose keys fall into bucket 5, the leaves of which are all over. */
static uint32_t crowd[96];

static void fill_bucket(uint32_t count_wanted)
{
    uint32_t found = 0;
    for (uint32_t i = 64; found < count_wanted; i++) {
        struct base_key33 key = sim_key_of(i);
        struct gossip_signed_record record;
        struct gossip_event yes = {.type = GOSSIP_EV_VERDICT, .key = key};
        if (gossip__bucket(&key) != 5) continue;
        crowd[found++] = i;
        sim_record_of(&record, i, 1, 0);
        assert_int_equal(feed_record(1, &record, "proof"), BASE_OK);
        yes.u.verdict.verdict = GOSSIP_OK;
        assert_int_equal(feed(yes), BASE_OK);
    }
}

/* A bucket of many is not listed whole: asked within, only the leaves that differ are. */
static void test_large_buckets_are_answered_by_leaf(void **state)
{
    (void)state;
    sparse_mesh(10);
    fill_bucket(GOSSIP__DEEP + 20);
    memset(&frame, 0, sizeof frame);
    frame.type = GOSSIP_FRAME_SYNC;
    frame.u.sync.mask = (uint64_t)1 << 5;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_LIST));
    assert_int_equal(sent.u.list.entry_count, 0);
    assert_int_equal(sent.u.list.deep, (uint64_t)1 << 5);
    struct base_key33 key = sim_key_of(crowd[7]);
    unsigned leaf = gossip__leaf(&key);
    frame.u.sync.mask = UINT64_MAX;
    frame.u.sync.within = 6;
    frame.u.sync.sum_count = GOSSIP_BUCKETS;
    for (unsigned i = 0; i < GOSSIP_BUCKETS; i++)
        frame.u.sync.sums[i] = rig.g->leaf_sums[5 + GOSSIP_BUCKETS * i];
    frame.u.sync.sums[leaf / GOSSIP_BUCKETS]++;
    assert_int_equal(feed_frame(1, &frame), BASE_OK);
    assert_true(was_sent(1, GOSSIP_FRAME_LIST));
    assert_int_equal(sent.u.list.within, 6);
    assert_int_equal(sent.u.list.mask, (uint64_t)1 << leaf / GOSSIP_BUCKETS);
    assert_in_range(sent.u.list.entry_count, 1, 10);
    bool found = false;
    for (uint32_t i = 0; i < sent.u.list.entry_count; i++)
        found = found || base_key33_equal(&sent.u.list.entries[i].key, &key);
    assert_true(found);
}

static void differing_ack(uint32_t from)
{
    answer_greeting(from, (struct gossip_digest){5000, 9});
}

static void list_in(uint32_t from, uint64_t within, uint64_t mask, uint64_t deep)
{
    memset(&frame.u, 0, sizeof frame.u);
    frame.type = GOSSIP_FRAME_LIST;
    frame.u.list.within = within;
    frame.u.list.mask = mask;
    frame.u.list.deep = deep;
    frame.u.list.entry_count = within != 0 ? 1 : 0;
    frame.u.list.entries[0] = (struct gossip_entry){sim_key_of(crowd[0]), 2, 0, 0};
    assert_int_equal(feed_frame(from, &frame), BASE_OK);
}

/* The asking side: one bucket after the other, from one peer, and only what it answers. */
static void test_large_buckets_are_asked_for_by_leaf(void **state)
{
    (void)state;
    sparse_mesh(10);
    fill_bucket(3);
    rig.now += 5000;
    differing_ack(1);
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
    assert_int_equal(sent.u.sync.within, 0);
    list_in(1, 0, 0, (uint64_t)1 << 5 | (uint64_t)1 << 9);
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
    assert_int_equal(sent.u.sync.within, 6);
    assert_int_equal(sent.u.sync.sum_count, GOSSIP_BUCKETS);
    differing_ack(2); /* while that goes on nobody else is asked */
    assert_false(was_sent(2, GOSSIP_FRAME_SYNC));
    list_in(2, 6, UINT64_MAX, 0);
    assert_int_equal(rig.out.count, 0);
    list_in(1, 6, UINT64_MAX, 0);
    assert_true(was_sent(1, GOSSIP_FRAME_PULL));
    assert_int_equal(sent.u.pull.key_count, 1);
    assert_true(was_sent(1, GOSSIP_FRAME_UPDATE)); /* the two that it does not have */
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
    assert_int_equal(sent.u.sync.within, 10);
    list_in(1, 10, 0, 0);
    assert_false(was_sent(1, GOSSIP_FRAME_SYNC));
    differing_ack(2);
    assert_true(was_sent(2, GOSSIP_FRAME_SYNC));
}

/* Nobody keeps others from repairing us, by answering as late as it may: the exchange as a whole
 * has an end, and then it is another's turn. */
static void test_a_slow_answerer_stops_no_repair(void **state)
{
    (void)state;
    sparse_mesh(10);
    fill_bucket(3);
    rig.now += 5000;
    differing_ack(1);
    list_in(1, 0, 0, UINT64_MAX);
    uint64_t start = rig.now;
    while (was_sent(1, GOSSIP_FRAME_SYNC) && rig.now < start + 60000) {
        assert_int_equal(sent.u.sync.within, rig.g->deep_bucket + 1);
        rig.now += 1900;
        list_in(1, rig.g->deep_bucket + 1u, 0, 0);
    }
    assert_in_range(rig.now - start, 4000, GOSSIP__DEEP_TIMES * 1000 + 1900);
    differing_ack(1);
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC)); /* a first question does no harm */
    list_in(1, 0, 0, UINT64_MAX);
    assert_false(was_sent(1, GOSSIP_FRAME_SYNC));
    differing_ack(2);
    assert_true(was_sent(2, GOSSIP_FRAME_SYNC));
    list_in(2, 0, 0, (uint64_t)1 << 5);
    assert_true(was_sent(2, GOSSIP_FRAME_SYNC));
    list_in(2, 6, 0, 0);
    rig.now += 1000;
    differing_ack(1);
    list_in(1, 0, 0, UINT64_MAX); /* its turn again */
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
}

/* In a small mesh no comparison leaf by leaf stands in the way of an ordinary one. */
static void test_a_small_mesh_waits_for_no_leaves(void **state)
{
    (void)state;
    mesh(2);
    rig.now += 5000;
    differing_ack(1);
    list_in(1, 0, 0, UINT64_MAX);
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
    differing_ack(2);
    assert_true(was_sent(2, GOSSIP_FRAME_SYNC));
}

/* A digest that answers no question of ours makes us ask nothing. */
static void test_a_digest_unasked_starts_nothing(void **state)
{
    (void)state;
    mesh(2);
    rig.now += 5000;
    frame.type = GOSSIP_FRAME_ACK;
    frame.u.ping.digest = (struct gossip_digest){5000, 9};
    frame.u.ping.id_count = 0;
    for (frame.u.ping.nonce = 0; frame.u.ping.nonce < 3; frame.u.ping.nonce++) {
        assert_int_equal(feed_frame(1, &frame), BASE_OK);
        assert_false(was_sent(1, GOSSIP_FRAME_SYNC));
    }
    struct gossip_signed_record record;
    sim_record_of(&record, 3, 1, 0);
    struct gossip_event dialed = up_event(3, &record);
    dialed.u.peer_up.dialed = true;
    assert_int_equal(feed(dialed), BASE_OK);
    frame.u.ping.nonce = 0;
    assert_int_equal(feed_frame(3, &frame), BASE_OK);
    assert_true(was_sent(3, GOSSIP_FRAME_SYNC));
    rig.now += 5000;
    assert_int_equal(feed_frame(3, &frame), BASE_OK); /* one answer a question */
    assert_false(was_sent(3, GOSSIP_FRAME_SYNC));
}

/* While news come in, digests that differ by a few are let be; a table half empty is not. */
static void test_digests_settle_before_they_are_repaired(void **state)
{
    (void)state;
    sparse_mesh(30);
    rig.now += 5000;
    differing_ack(1);
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
    list_in(1, 0, 0, 0);
    rig.now += 1000;
    tell_record(1, 20, 2, 0);
    answer_greeting(1, (struct gossip_digest){gossip_member_count(rig.g) + 1, 0});
    assert_false(was_sent(1, GOSSIP_FRAME_SYNC));
    answer_greeting(1, (struct gossip_digest){2 * gossip_member_count(rig.g), 0});
    assert_true(was_sent(1, GOSSIP_FRAME_SYNC));
}

/* As if there were so many more, of weight 1. */
static void crowd_add(void)
{
    rig.g->order_count += 3 * GOSSIP__CROWD;
    rig.g->weight_total += 3 * GOSSIP__CROWD;
}

static void crowd_remove(void)
{
    rig.g->order_count -= 3 * GOSSIP__CROWD;
    rig.g->weight_total -= 3 * GOSSIP__CROWD;
}

/* Where a third is a crowd some voices alert, and more are not even read. */
static void test_a_crowd_is_alerted_by_few(void **state)
{
    (void)state;
    sparse_mesh(30);
    crowd_add();
    for (uint32_t i = 3; i < 3 + 2 * GOSSIP__SAID_MAX; i++) {
        struct lie honest = {i, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_ACCUSATION};
        tell_accusation_as(1, i, 2, 1, &honest);
    }
    assert_int_equal(counters().statements_duplicate, GOSSIP__SAID_MAX);
    crowd_remove();
}

static void accused_by_few(void)
{
    for (uint32_t i = 3; i < 3 + GOSSIP__SAID_MAX; i++) {
        struct lie honest = {i, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_ACCUSATION};
        tell_accusation_as(1, i, 2, 1, &honest);
    }
}

/* Who weighs as much as many is heard all the same: a third of the weight confirms, whoever spoke
 * first. */
static void test_a_crowd_does_not_silence_the_heavy(void **state)
{
    (void)state;
    sparse_mesh(30);
    crowd_add();
    verdict(20, GOSSIP_OK, 4 * GOSSIP__CROWD);
    accused_by_few();
    struct lie heavy = {20, BASE_STATEMENT_ACCUSATION, BASE_STATEMENT_ACCUSATION};
    tell_accusation_as(1, 20, 2, 1, &heavy);
    assert_int_equal(counters().statements_duplicate, 0);
    assert_true(3 * agenda(2)->accused_weight > rig.g->weight_total);
    crowd_remove();
}

/* Nor is anybody alone whom a crowd has alerted: its suspicion takes the full time and no more. */
static void test_a_crowd_prolongs_nothing(void **state)
{
    (void)state;
    sparse_mesh(30);
    struct gossip__member *m = gossip__find(rig.g, &rig.key[2]);
    accused_by_few();
    gossip__suspect(rig.g, m);
    crowd_add();
    rig.g->weight_total -= 3 * GOSSIP__CROWD; /* the others that we know could say otherwise */
    rig.g->awareness = 8;
    rig.now = rig.g->now_ms = agenda(2)->suspect_end_ms;
    assert_true(m->linked);
    gossip__suspicion_due(rig.g, m);
    assert_int_equal(state_of(2), GOSSIP_FAILED);
    rig.g->weight_total += 3 * GOSSIP__CROWD;
    crowd_remove();
}

static int ask_relay(uint32_t target)
{
    frame.type = GOSSIP_FRAME_PING_REQ;
    frame.u.relay.key = rig.key[target];
    frame.u.relay.nonce = 70 + target;
    return feed_frame(1, &frame);
}

/* A relay dials for others as far as it has links to spare. */
static void test_relays_dial_within_their_links(void **state)
{
    (void)state;
    sparse_mesh(30);
    for (uint32_t i = 0; i < LINKS - 2; i++) {
        assert_int_equal(ask_relay(10 + i), BASE_OK);
        assert_non_null(find(GOSSIP_ACT_WANT_LINK, 10 + i));
    }
    assert_int_equal(ask_relay(20), BASE_OK);
    assert_null(find(GOSSIP_ACT_WANT_LINK, 20));
    assert_true(was_sent(1, GOSSIP_FRAME_NACK));
    assert_int_equal(ask_relay(2), BASE_OK); /* where there is a link it costs none */
    assert_true(was_sent(2, GOSSIP_FRAME_CHALLENGE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPARSE(test_learned_members_are_not_dialled),
        RIG(test_a_full_mesh_closes_step_by_step),
        RIG(test_few_links_of_a_full_mesh_are_spared),
        RIG(test_routine_questions_make_no_links),
        RIG(test_dials_in_vain_hold_nobody_up),
        SPARSE(test_lonely_nodes_look_for_links),
        SPARSE(test_surplus_links_are_given_back),
        SPARSE(test_part),
        SPARSE(test_who_is_accused_far_away_may_answer_first),
        SPARSE(test_relays_are_asked_after_our_own_dial),
        SPARSE(test_large_buckets_are_answered_by_leaf),
        SPARSE(test_large_buckets_are_asked_for_by_leaf),
        SPARSE(test_a_slow_answerer_stops_no_repair),
        SPARSE(test_a_small_mesh_waits_for_no_leaves),
        SPARSE(test_a_digest_unasked_starts_nothing),
        SPARSE(test_digests_settle_before_they_are_repaired),
        SPARSE(test_a_crowd_is_alerted_by_few),
        SPARSE(test_a_crowd_does_not_silence_the_heavy),
        SPARSE(test_a_crowd_prolongs_nothing),
        SPARSE(test_relays_dial_within_their_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
