/* Consensus in a simulated mesh: what it does with the faults of the mesh, and for each checker
 * that it is wired to a history in which it must speak up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/cluster_internal.h"
#include "consensus/engine_internal.h"
#include "sim_seed.h"
#include "sim_votes.h"

static const struct base_hash32 OTHER = {{0xee}};

static struct sim *begun_with(uint64_t seed, uint32_t nodes, uint32_t skip_ms)
{
    const struct sim_votes_setup setup = {600, 3000, skip_ms, 5, 4};
    struct sim *s = sim_new(seed, nodes, &SIM_LAN);
    sim_votes(s, &setup);
    return s;
}

static struct sim *begun(uint64_t seed, uint32_t nodes)
{
    return begun_with(seed, nodes, 3000);
}

static void go_on(struct sim *s)
{
    assert_true(sim_votes_may_go_on(s));
    sim_votes_mark(s);
    if (!sim_until(s, sim_votes_go_on, 60 * SEC))
        fail_msg("%s", sim_failure(s) != NULL ? sim_failure(s) : "the log does not go on");
}

static struct sim *formed(uint64_t seed, uint32_t nodes)
{
    struct sim *s = begun(seed, nodes);
    sim_start_all(s);
    assert_true(sim_until(s, sim_all_right, 30 * SEC));
    go_on(s);
    sim_run(s, 3 * SEC);
    assert_null(sim_failure(s));
    return s;
}

static void assert_speaks(struct sim *s, const char *what)
{
    if (sim_failure(s) == NULL) fail_msg("nobody noticed; `%s` expected", what);
    if (strstr(sim_failure(s), what) == NULL) fail_msg("`%s`, not `%s`", sim_failure(s), what);
    sim_free(s);
}

static struct sim__voter *voter(struct sim *s, uint32_t i)
{
    return &s->votes->voters[i];
}

static struct consensus_engine *engine(struct sim *s, uint32_t i)
{
    return voter(s, i)->cluster->engine;
}

static uint32_t holder(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (voter(s, i)->cluster != NULL &&
            consensus_cluster_has_lease(voter(s, i)->cluster, sim__local_ms(s, &s->nodes[i])))
            return i;
    return s->count;
}

/* ---- what it does ---- */

static void test_a_mesh_has_a_log(void **state)
{
    struct sim *s = formed(1, 5);
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        sim_votes_count(s, i);
    sim_run(s, 3 * SEC);
    assert_int_equal(sim_votes_figures(s).told, s->votes->requests);
    assert_true(sim_votes_figures(s).finals > 5);
    assert_true(holder(s) < 5);
    sim_votes_judge_end(s);
    assert_null(sim_failure(s));
    sim_free(s);
}

/* Goal: a death in membership's tables hands the lead on, long before a silent leader's time. */
static void test_membership_is_told(void **state)
{
    struct sim *s = begun_with(9, 7, 40000);
    (void)state;
    sim_start_all(s);
    assert_true(sim_until(s, sim_all_right, 30 * SEC));
    go_on(s);
    uint32_t lead = holder(s);
    sim_crash(s, lead, true);
    sim_votes_mark(s);
    assert_true(sim_until(s, sim_votes_go_on, 15 * SEC));
    assert_true(holder(s) < 7 && holder(s) != lead);
    assert_null(sim_failure(s));
    sim_free(s);
}

/* Goal: a seat that is sold or bought changes who votes; one whose node is dead does not. */
static void test_the_chain_is_told(void **state)
{
    struct sim *s = formed(2, 7);
    uint32_t first = holder(s), seller = (first + 1) % 7;
    (void)state;
    sim_crash(s, first, true);
    assert_true(sim_until(s, sim_all_right, 10 * SEC));
    go_on(s);
    assert_int_not_equal(holder(s), first);
    sim_seat(s, seller, false);
    sim_run(s, 20 * SEC);
    go_on(s);
    uint32_t lead = holder(s);
    struct consensus_cluster_view v;
    consensus_cluster_view(&v, voter(s, lead)->cluster, sim__local_ms(s, &s->nodes[lead]));
    assert_int_equal(v.epoch->member_count, 6); /* the dead one has its seat */
    assert_int_equal(consensus_epoch_find(v.epoch, sim_key(s, seller)), 6);
    sim_seat(s, seller, true);
    sim_start(s, first, seller);
    sim_run(s, 30 * SEC);
    go_on(s);
    lead = holder(s);
    consensus_cluster_view(&v, voter(s, lead)->cluster, sim__local_ms(s, &s->nodes[lead]));
    assert_int_equal(v.epoch->member_count, 7);
    sim_votes_judge_end(s);
    assert_null(sim_failure(s));
    sim_free(s);
}

/* Goal: half of a mesh goes on without the other when it is two thirds of the weight, and none does
 * when it is not. */
static void test_a_quorum_goes_on(void **state)
{
    static const uint8_t most[7] = {0, 0, 0, 0, 0, 1, 1}, halves[7] = {0, 0, 0, 0, 1, 1, 1};
    struct sim *s = formed(3, 7);
    uint64_t before;
    (void)state;
    sim_partition(s, most);
    sim_run(s, 20 * SEC);
    before = sim_votes_figures(s).finals;
    sim_run(s, 10 * SEC);
    assert_true(sim_votes_figures(s).finals > before + 5);
    sim_calm(s);
    go_on(s);
    sim_partition(s, halves);
    sim_run(s, 20 * SEC);
    before = sim_votes_figures(s).finals;
    sim_votes_mark(s);
    assert_false(sim_until(s, sim_votes_go_on, 30 * SEC));
    assert_int_equal(sim_votes_figures(s).finals, before);
    sim_calm(s);
    go_on(s);
    assert_null(sim_failure(s));
    sim_free(s);
}

/* Goal: leaders die between their candidate and the votes for it; nothing is said twice. */
static void test_leaders_die_over_a_candidate(void **state)
{
    struct sim *s = formed(4, 5);
    (void)state;
    for (int n = 0; n < 20; n++) {
        sim_votes_trap(s);
        sim_run(s, 6 * SEC);
        sim_votes_count(s, (uint32_t)n % 5);
    }
    assert_true(sim_votes_figures(s).trapped > 10);
    assert_true(sim_votes_figures(s).lost_writes > 0);
    assert_true(sim_until(s, sim_all_right, 30 * SEC));
    if (sim_votes_figures(s).lost == 0) go_on(s);
    sim_votes_judge_end(s);
    assert_null(sim_failure(s));
    sim_free(s);
}

/* Goal: half a record is refused, and its node votes no more, but stays a member. */
static void test_a_torn_vote_is_refused(void **state)
{
    struct sim *s = formed(5, 5);
    struct sim__voter *v = voter(s, 3);
    (void)state;
    sim_crash(s, 3, true);
    assert_true(v->row_count > 0);
    v->is_torn = true;
    v->rows[v->row_count - 1].len /= 2;
    sim_start(s, 3, 0);
    assert_true(v->is_lost && v->cluster == NULL);
    assert_true(sim_until(s, sim_all_right, 10 * SEC));
    go_on(s);
    assert_null(sim_failure(s));
    sim_free(s);
}

static void test_silent_endpoints_abstain(void **state)
{
    struct sim *s = formed(6, 4);
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        sim_outage(s, i, true);
    sim_run(s, 30 * SEC);
    assert_false(sim_votes_may_go_on(s));
    assert_int_equal(holder(s), 4);
    for (uint32_t i = 0; i < 4; i++)
        sim_outage(s, i, false);
    sim_run(s, 3 * SEC);
    go_on(s);
    assert_null(sim_failure(s));
    sim_free(s);
}

/* Goal: each kind of liar lies here, too: what it says is heard, and the log goes on.
 * Method: one of seven; who can be proved guilty is. */
static void test_each_byzantine_kind(void **state)
{
    (void)state;
    for (size_t k = 0; k < WORLD_LIARS_COUNT; k++) {
        struct sim *s = begun(50 + k, 7);
        assert_true(sim_votes_make_liar(s, 6, WORLD_LIARS[k]->name));
        sim_start_all(s);
        assert_true(sim_until(s, sim_all_right, 30 * SEC));
        go_on(s);
        for (uint32_t i = 0; i < 6; i++) { /* so that it comes to lead, or is asked for votes */
            sim_votes_resign(s, i);
            sim_run(s, 10 * SEC);
        }
        go_on(s);
        bool is_provable = WORLD_LIARS[k] == &WORLD_LIAR_EQUIVOCATOR ||
                           WORLD_LIARS[k] == &WORLD_LIAR_DOUBLE_VOTER ||
                           WORLD_LIARS[k] == &WORLD_LIAR_SKIP_AND_FINAL;
        if (is_provable && sim_votes_figures(s).faults == 0)
            fail_msg("%s: nobody has proof", WORLD_LIARS[k]->name);
        sim_votes_judge_end(s);
        if (sim_failure(s) != NULL) fail_msg("%s: %s", WORLD_LIARS[k]->name, sim_failure(s));
        sim_free(s);
    }
}

static void test_a_third_is_beyond(void **state)
{
    struct sim *s = begun(8, 5);
    (void)state;
    for (uint32_t i = 3; i < 5; i++)
        assert_true(sim_votes_make_liar(s, i, "double-voter"));
    assert_false(sim_votes_make_liar(s, 0, "honest"));
    sim_start_all(s);
    sim_run(s, 20 * SEC);
    assert_int_equal(sim_votes_figures(s).is_beyond, 1);
    assert_false(sim_votes_may_go_on(s));
    sim_free(s);
}

/* ---- checkers: node 0 of a sound mesh is said to have done this ---- */

static void done(struct sim *s, const struct consensus_action *a)
{
    const struct consensus_actions out = {a, 1};
    assert_null(sim_failure(s));
    sim__judge_engine(voter(s, 0), engine(s, 0), &out);
}

static struct consensus_action final(struct sim *s, uint64_t ahead, const struct base_hash32 *hash)
{
    struct consensus_action a = {.type = CONSENSUS_ACT_FINAL};
    const struct consensus_engine *e = engine(s, 0);
    a.u.final.slot = e->final_slot + ahead;
    a.u.final.parent_slot = e->final_slot + ahead - 1;
    a.u.final.hash = *hash;
    return a;
}

static struct base_vote own_vote(struct sim *s, enum base_vote_kind kind, uint64_t slot)
{
    return (struct base_vote){engine(s, 0)->epoch_id, kind, slot, slot, OTHER};
}

static void test_sound_history_is_silent(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    sim__judge_step(voter(s, 0));
    sim_votes_judge_end(s);
    assert_null(sim_failure(s));
    sim_free(s);
}

static void test_checker_agreement(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = final(s, 0, &OTHER);
    (void)state;
    done(s, &a);
    assert_speaks(s, "I1 two final candidates");
}

static void test_checker_model(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = final(s, 1, &OTHER);
    (void)state;
    done(s, &a);
    assert_speaks(s, "and it is not");
}

static void test_checker_stored_first(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = {.type = CONSENSUS_ACT_SEND};
    (void)state;
    a.u.send.message.type = CONSENSUS_MSG_VOTE;
    a.u.send.message.epoch_id = engine(s, 0)->epoch_id;
    a.u.send.message.u.vote.voter = (uint16_t)engine(s, 0)->self;
    a.u.send.message.u.vote.vote = own_vote(s, BASE_VOTE_NOTAR, 1000);
    done(s, &a);
    assert_speaks(s, "I8 member");
}

/* Goal: the same, seen from the disk: a core that is told too early that something is stored says
 * it, and the checker knows better. */
static void test_checker_disk(void **state)
{
    struct sim *s = formed(1, 4);
    struct sim__voter *v = voter(s, holder(s));
    (void)state;
    for (int ms = 0; ms < 5000 && (v->op_count == 0 || v->ops[0].kind != CONSENSUS_STORE_VOTE);
         ms++)
        sim_run(s, 1);
    assert_true(v->op_count > 0);
    v->ops[0].vote.hash = OTHER; /* that is what gets there */
    sim_run(s, 100);
    assert_speaks(s, "I8 member");
}

static void test_checker_own_candidate(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = {.type = CONSENSUS_ACT_SEND};
    struct base_eth_address signer = sim__signer_of(sim_key(s, 0));
    struct base_vote vote = own_vote(s, BASE_VOTE_CAND, 1000);
    (void)state;
    a.u.send.message.type = CONSENSUS_MSG_CAND;
    a.u.send.message.u.cand = (struct consensus_candidate){.slot = 1000};
    consensus_candidate_hash(&vote.hash, &vote.epoch_id, &a.u.send.message.u.cand);
    a.u.send.message.u.cand.sig = world_signature(&signer, &vote);
    done(s, &a);
    assert_speaks(s, "I8 member");
}

static void test_checker_certificates(void **state)
{
    (void)state;
    for (int stored = 0; stored < 2; stored++) {
        struct sim *s = formed(1, 4);
        struct consensus_cert none = {.kind = BASE_VOTE_NOTAR, .first = 3, .last = 3};
        struct consensus_action a = {.type = stored ? CONSENSUS_ACT_STORE : CONSENSUS_ACT_SEND};
        if (stored) {
            a.u.store.record.cert = &none;
        } else {
            a.u.send.message.type = CONSENSUS_MSG_CERT;
            a.u.send.message.u.cert = none;
        }
        done(s, &a);
        assert_speaks(s, "with no quorum");
    }
}

static struct consensus_action fault(struct sim *s, uint32_t named)
{
    struct consensus_action a = {.type = CONSENSUS_ACT_FAULT};
    a.u.fault.voter = consensus_epoch_find(&voter(s, 0)->cluster->epoch, sim_key(s, named));
    a.u.fault.a = a.u.fault.b = own_vote(s, BASE_VOTE_NOTAR, 7);
    a.u.fault.b.hash.bytes[0] ^= 1;
    a.u.fault.fault = consensus_vote_fault(&a.u.fault.a, &a.u.fault.b, NULL);
    return a;
}

static void test_checker_honest_names(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = fault(s, 2);
    (void)state;
    done(s, &a);
    assert_speaks(s, "is honest and named in evidence");
}

static void test_checker_evidence(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = fault(s, 2);
    (void)state;
    a.u.fault.b.first = a.u.fault.b.last = 8;
    done(s, &a);
    assert_speaks(s, "evidence that proves something else");
}

static void test_checker_copies(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = {.type = CONSENSUS_ACT_COPY};
    (void)state;
    done(s, &a);
    assert_speaks(s, "I7 node 0 takes itself for two");
}

static void test_checker_leaders(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = {.type = CONSENSUS_ACT_LEADER};
    struct sim__epoch *ep = sim__epoch_of(voter(s, 0), voter(s, 0)->cluster);
    (void)state;
    for (size_t m = 0; m < ep->count; m++)
        ep->leads[m].weight = 0;
    done(s, &a);
    assert_speaks(s, "is led by nobody who may");
}

static void test_checker_states(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_event ev = {.type = CONSENSUS_EV_STATE};
    (void)state;
    ev.u.state.slot = engine(s, 0)->final_slot + 5;
    ev.u.state.hash = OTHER;
    sim__judge_state(voter(s, 0), engine(s, 0), &ev);
    assert_speaks(s, "which is not final so");
}

static void test_checker_leases(void **state)
{
    struct sim *s = formed(1, 4);
    uint32_t lead = holder(s);
    (void)state;
    engine(s, (lead + 1) % 4)->lease_until_ms = UINT64_MAX;
    sim__judge_step(voter(s, 0));
    assert_speaks(s, "hold a lease at once");
}

static void test_checker_tokens(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    check_leases(s->votes->leases, &(size_t){0}, &(uint64_t){UINT64_C(9) << 32}, 1);
    sim__judge_step(voter(s, 0));
    assert_speaks(s, "the fencing token goes back");
}

static void test_checker_insides(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    engine(s, 2)->final_slot++;
    sim_votes_judge_end(s);
    assert_speaks(s, "model: member");
}

/* An epoch that another core is said to be in. */
static void enter(struct sim *s, void (*change)(struct consensus_epoch *epoch))
{
    struct consensus_cluster c = *voter(s, 0)->cluster;
    assert_int_equal(consensus_epoch_copy(&c.epoch, &voter(s, 0)->cluster->epoch), BASE_OK);
    c.epoch_id = OTHER;
    change(&c.epoch);
    assert_null(sim_failure(s));
    (void)sim__epoch_of(voter(s, 0), &c);
    consensus_epoch_free(&c.epoch);
}

static void heavier(struct consensus_epoch *epoch)
{
    epoch->members[1].seat.weight++;
}

static void fewer(struct consensus_epoch *epoch)
{
    epoch->member_count--;
}

static void of_no_block(struct consensus_epoch *epoch)
{
    epoch->block.hash = OTHER;
}

static void after_nothing(struct consensus_epoch *epoch)
{
    epoch->number++;
}

static void test_checker_epochs(void **state)
{
    static const struct {
        void (*change)(struct consensus_epoch *epoch);
        const char *what;
    } wrong[] = {{heavier, "weighs something else at its block"},
                 {fewer, "has a seat, and is left out at its block"},
                 {of_no_block, "is of a block that there never was"},
                 {after_nothing, "follows one that nobody was in"}};
    (void)state;
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        struct sim *s = formed(1, 4);
        enter(s, wrong[k].change);
        assert_speaks(s, wrong[k].what);
    }
}

static struct base_hash32 before;

static void unfinished(struct consensus_epoch *epoch)
{
    epoch->number++;
    epoch->previous = before;
    epoch->closing_slot = 2;
    epoch->closing_hash = OTHER;
}

static void test_checker_epochs_end(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    before = voter(s, 0)->cluster->epoch_id;
    enter(s, unfinished);
    assert_speaks(s, "begins, and slot 2 is not final");
}

static void same_number(struct consensus_epoch *epoch)
{
    (void)epoch;
}

static void test_checker_one_of_each_number(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    sim_weight(s, 1, 2);
    sim_run(s, 20 * SEC);
    assert_true(voter(s, 0)->cluster->epoch.number > 0);
    enter(s, same_number);
    assert_speaks(s, "I11 two epochs 1");
}

static void test_checker_two_foundings(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = final(s, 1, &OTHER);
    struct sim__epoch *ep = sim__epoch_of(voter(s, 0), voter(s, 0)->cluster);
    (void)state;
    enter(s, same_number);
    assert_null(sim_failure(s));
    s->votes->epochs[1]->has_final = true;
    ep->has_final = false;
    done(s, &a);
    assert_speaks(s, "I11 two epochs 0 have something final");
}

/* Of other members it may be: then nothing is judged any more. */
static void test_founded_anew(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_action a = final(s, 1, &OTHER);
    (void)state;
    enter(s, same_number);
    s->votes->epochs[1]->has_final = true;
    s->votes->epochs[1]->voters[2].weight++;
    s->votes->epochs[0]->has_final = false;
    a.u.final.hash = engine(s, 0)->final_hash;
    a.u.final.slot--;
    a.u.final.parent_slot--;
    check_start(s->votes->epochs[0]->check, engine(s, 0)->self);
    done(s, &a);
    assert_null(sim_failure(s));
    assert_int_equal(sim_votes_figures(s).refounded, 1);
    assert_false(sim_votes_may_go_on(s));
    sim_free(s);
}

static void test_checker_log(void **state)
{
    struct sim *s = formed(1, 4);
    struct consensus_entry entry = {.kind = CONSENSUS_ENTRY_ADD, .submitter = *sim_key(s, 1)};
    struct consensus_cluster_action a = {.type = CONSENSUS_CLUSTER_ACT_ENTRY};
    (void)state;
    a.u.entry.entry = &entry;
    a.u.entry.slot = 4;
    sim__judge_action(voter(s, 0), &a);
    sim__judge_action(voter(s, 1), &a);
    assert_null(sim_failure(s));
    a.u.entry.result.value = 1;
    sim__judge_action(voter(s, 2), &a);
    assert_speaks(s, "is not what others have done");
}

static void test_checker_clients(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct sim *s = formed(1, 4);
        struct consensus_cluster_action a = {.type = CONSENSUS_CLUSTER_ACT_DONE};
        struct sim__voter *v = voter(s, 0);
        s->votes->requests = 2;
        v->asked[0] = (struct sim__asked){7, 0};
        v->asked[1] = (struct sim__asked){8, 1};
        v->asked_count = 2;
        a.u.done.tag = 7;
        a.u.done.result.value = 1;
        sim__judge_action(v, &a);
        sim__judge_action(v, &a);
        assert_null(sim_failure(s));
        if (what == 0) a.u.done.result.value = 2;
        if (what == 1) a.u.done.tag = 8;
        if (what == 2)
            sim_votes_judge_end(s);
        else
            sim__judge_action(v, &a);
        assert_speaks(s, what == 0   ? "was done twice"
                         : what == 1 ? "were both counted"
                                     : "a client was told 1");
    }
}

static void test_checker_notes(void **state)
{
    static const enum consensus_cluster_note wrong[] = {CONSENSUS_NOTE_COPY, CONSENSUS_NOTE_MUTE,
                                                        CONSENSUS_NOTE_STATE_DIFFERS};
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct sim *s = formed(1, 4);
        struct consensus_cluster_action a = {.type = CONSENSUS_CLUSTER_ACT_NOTE};
        a.u.note.note = wrong[k];
        sim__judge_action(voter(s, 0), &a);
        assert_speaks(s, consensus_cluster_note_name(wrong[k]));
    }
}

static void test_checker_torn_is_taken(void **state)
{
    struct sim *s = formed(1, 4);
    struct sim__voter *v = voter(s, 2);
    (void)state;
    sim_crash(s, 2, true);
    v->is_torn = true; /* and it is not */
    sim_start(s, 2, 0);
    assert_speaks(s, "half a vote was taken for one");
}

static void test_checker_stored_is_taken(void **state)
{
    struct sim *s = formed(1, 4);
    (void)state;
    sim_crash(s, 2, true);
    voter(s, 2)->rows[0].body[0] ^= 0xff;
    sim_start(s, 2, 0);
    assert_speaks(s, "what it stored is not taken");
}

static void test_checker_timer(void **state)
{
    struct sim *s = formed(1, 4);
    struct sim__voter *v = voter(s, 2);
    (void)state;
    v->spins = 100000;
    v->spin_ms = s->now_ms;
    v->timer_ms = s->now_ms;
    struct sim__event ev = {.what = SIM__VOTES_TIMER, .node = 2, .peer = 2};
    ev.process = s->nodes[2].process;
    sim__votes_happen(s, &ev);
    assert_speaks(s, "its consensus timer spins");
}

/* ---- seeds ---- */

static struct sim_seed_result run(uint64_t seed, uint32_t nodes, bool votes)
{
    struct sim_seed_options o;
    struct sim_seed_result r;
    sim_seed_options_default(&o);
    o.seed = seed;
    o.nodes = nodes;
    o.votes = votes;
    sim_seed_run(&r, &o);
    if (!r.ok) fail_msg("seed %llu of %u: %s", (unsigned long long)seed, nodes, r.wrong);
    return r;
}

static void test_same_seed_same_trace(void **state)
{
    (void)state;
    assert_int_equal(run(1, 6, true).trace, run(1, 6, true).trace);
    assert_int_not_equal(run(1, 6, true).trace, run(2, 6, true).trace);
    assert_int_not_equal(run(1, 6, true).trace, run(1, 6, false).trace);
}

static void test_seeds(void **state)
{
    struct sim_votes_figures all = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_seed_result r = run(seed, 4 + (uint32_t)seed % 5, true);
        all.finals += r.votes.finals;
        all.epochs += r.votes.epochs;
        all.told += r.votes.told;
        all.trapped += r.votes.trapped;
        all.skip_certs += r.votes.skip_certs;
    }
    assert_true(all.finals > 1000 && all.epochs > 40 && all.told > 20 && all.trapped > 5);
    assert_true(all.skip_certs > 0);
}

/* All start again between the votes for an epoch's end and the moment when it is final, and seats
 * change meanwhile. */
static void test_seed_all_restart_as_an_epoch_ends(void **state)
{
    (void)state;
    (void)run(356, 8, true);
}

/* One that is needed starts again with an epoch and without its state, while another does not know
 * its votes. */
static void test_seed_an_epoch_without_its_state(void **state)
{
    (void)state;
    (void)run(426, 5, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mesh_has_a_log),
        cmocka_unit_test(test_membership_is_told),
        cmocka_unit_test(test_the_chain_is_told),
        cmocka_unit_test(test_a_quorum_goes_on),
        cmocka_unit_test(test_leaders_die_over_a_candidate),
        cmocka_unit_test(test_a_torn_vote_is_refused),
        cmocka_unit_test(test_silent_endpoints_abstain),
        cmocka_unit_test(test_each_byzantine_kind),
        cmocka_unit_test(test_a_third_is_beyond),
        cmocka_unit_test(test_sound_history_is_silent),
        cmocka_unit_test(test_checker_agreement),
        cmocka_unit_test(test_checker_model),
        cmocka_unit_test(test_checker_stored_first),
        cmocka_unit_test(test_checker_disk),
        cmocka_unit_test(test_checker_own_candidate),
        cmocka_unit_test(test_checker_certificates),
        cmocka_unit_test(test_checker_honest_names),
        cmocka_unit_test(test_checker_evidence),
        cmocka_unit_test(test_checker_copies),
        cmocka_unit_test(test_checker_leaders),
        cmocka_unit_test(test_checker_states),
        cmocka_unit_test(test_checker_leases),
        cmocka_unit_test(test_checker_tokens),
        cmocka_unit_test(test_checker_insides),
        cmocka_unit_test(test_checker_epochs),
        cmocka_unit_test(test_checker_epochs_end),
        cmocka_unit_test(test_checker_one_of_each_number),
        cmocka_unit_test(test_checker_two_foundings),
        cmocka_unit_test(test_founded_anew),
        cmocka_unit_test(test_checker_log),
        cmocka_unit_test(test_checker_clients),
        cmocka_unit_test(test_checker_notes),
        cmocka_unit_test(test_checker_torn_is_taken),
        cmocka_unit_test(test_checker_stored_is_taken),
        cmocka_unit_test(test_checker_timer),
        cmocka_unit_test(test_same_seed_same_trace),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_seed_all_restart_as_an_epoch_ends),
        cmocka_unit_test(test_seed_an_epoch_without_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
