/* What must hold after every step of every consensus core, over all epochs: consensus_check.h and
 * the reference model for each epoch by itself, told what its engines do; and what joins epochs,
 * the chain and the log. docs/simulation.md lists it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consensus/cluster_internal.h"
#include "consensus/engine_internal.h"
#include "sim_votes.h"

#define COMPARE_EACH 256

static unsigned long long number(uint64_t n)
{
    return n;
}

static void *grown(void *list, size_t count, size_t each)
{
    void *more = realloc(list, (count + 1) * each);
    assert(more != NULL);
    return more;
}

static void judge(struct sim *s, const struct sim__epoch *ep)
{
    if (check_failure(ep->check) != NULL)
        sim__fail(s, "epoch %llu: %s", number(ep->record.number), check_failure(ep->check));
}

/* ---- I11: epochs ---- */

struct sim__epoch *sim__epoch_find(const struct sim__votes *votes, const struct base_hash32 *id)
{
    for (size_t e = votes->epoch_count; e-- > 0;)
        if (base_hash32_equal(&votes->epochs[e]->id, id)) return votes->epochs[e];
    return NULL;
}

/* Liars that weigh a third are more than anybody promises to bear. */
static bool is_bearable(const struct sim *s, const struct sim__epoch *ep)
{
    uint64_t lying = 0, total = 0;
    for (size_t m = 0; m < ep->count; m++) {
        total += ep->voters[m].weight;
        uint32_t i = sim__index(s, &ep->voters[m].key);
        if (i < s->count && !sim__voter_is_honest(s, i)) lying += ep->voters[m].weight;
    }
    return 3 * lying < total;
}

/* The record against the chain itself: who has a seat at its block, with which weight. */
static void check_members(struct sim *s, const struct sim__epoch *ep)
{
    const struct sim__votes *votes = s->votes;
    const struct sim__block *block = NULL;
    for (size_t b = votes->block_count; b-- > 0 && block == NULL;)
        if (base_hash32_equal(&sim__block_snapshot(votes->blocks[b])->block.hash,
                              &ep->record.block.hash))
            block = votes->blocks[b];
    if (block == NULL || sim__block_snapshot(block)->block.number != ep->record.block.number) {
        sim__fail(s, "I11 epoch %llu is of a block that there never was",
                  number(ep->record.number));
        return;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        size_t at = consensus_epoch_find(&ep->record, &s->nodes[i].key);
        bool is_in = at < ep->count, has = sim__block_counts(block, i);
        if (is_in != has ||
            (is_in && ep->record.members[at].seat.weight != sim__block_weight(block, i)))
            sim__fail(s, "I11 epoch %llu: node %u %s at its block", number(ep->record.number), i,
                      is_in == has ? "weighs something else"
                      : is_in      ? "has no seat"
                                   : "has a seat, and is left out");
    }
}

/* Each follows from the end of the one before, and there is one of each number. */
static void check_sequence(struct sim *s, const struct sim__epoch *ep)
{
    const struct consensus_epoch *r = &ep->record;
    struct sim__epoch *before = sim__epoch_find(s->votes, &r->previous);
    if (r->number == 0) return;
    for (size_t e = 0; e < s->votes->epoch_count; e++)
        if (s->votes->epochs[e]->record.number == r->number && s->votes->epochs[e] != ep)
            sim__fail(s, "I11 two epochs %llu", number(r->number));
    if (before == NULL || before->record.number + 1 != r->number)
        sim__fail(s, "I11 epoch %llu follows one that nobody was in", number(r->number));
    else if (!model_is_final(before->model, r->closing_slot, &r->closing_hash))
        sim__fail(s, "I11 epoch %llu begins, and slot %llu is not final", number(r->number),
                  number(r->closing_slot));
}

static bool is_of_the_same(const struct sim__epoch *a, const struct sim__epoch *b)
{
    for (size_t m = 0; m < a->count && a->count == b->count; m++)
        if (!base_key33_equal(&a->voters[m].key, &b->voters[m].key) ||
            a->voters[m].weight != b->voters[m].weight)
            return false;
    return a->count == b->count;
}

/* Two first epochs may be founded; nothing may be final in both. But where the seats have changed
 * hands between them no quorum of one need know of the other: that is another cluster, and what
 * the two promise each other is nothing. */
static void check_rivals(struct sim *s, const struct sim__epoch *ep)
{
    for (size_t e = 0; e < s->votes->epoch_count; e++) {
        const struct sim__epoch *other = s->votes->epochs[e];
        if (other == ep || !other->has_final || other->record.number != ep->record.number) continue;
        if (!is_of_the_same(ep, other)) {
            s->votes->is_beyond = true;
            s->votes->figures.refounded = 1;
        } else if (ep->has_final) {
            sim__fail(s, "I11 two epochs %llu have something final", number(ep->record.number));
        }
    }
}

/* Who is given the first window out of turn has one more than its share. */
static void give_first(struct sim__epoch *ep)
{
    uint64_t total = 0;
    size_t first = consensus_epoch_find(&ep->record, &ep->record.first);
    if (first == ep->count) return;
    for (size_t m = 0; m < ep->count; m++)
        total += ep->leads[m].weight;
    struct consensus_lead *lead = &ep->leads[first];
    lead->priority += lead->priority < 0 ? -(int64_t)total : (int64_t)total;
}

static struct sim__epoch *epoch_new(struct sim *s, const struct consensus_cluster *c)
{
    struct sim__votes *votes = s->votes;
    struct sim__epoch *ep = calloc(1, sizeof *ep);
    assert(ep != NULL);
    int rv = consensus_epoch_copy(&ep->record, &c->epoch);
    if (rv == BASE_OK) rv = consensus_epoch_voters(&ep->record, &ep->voters, &ep->leads);
    assert(rv == BASE_OK);
    ep->id = c->epoch_id;
    ep->count = ep->record.member_count;
    give_first(ep);
    struct check_setup check = {.voters = ep->voters,
                                .leads = ep->leads,
                                .count = ep->count,
                                .window_slots = votes->setup.window_slots,
                                .epoch_id = &ep->id,
                                .verify = world_verify};
    struct model_setup model = {.voters = ep->voters,
                                .count = ep->count,
                                .window_slots = votes->setup.window_slots,
                                .epoch_id = &ep->id,
                                .genesis = &ep->id,
                                .verify = world_verify};
    ep->check = check_new(&check);
    ep->model = model_new(&model);
    votes->epochs = grown(votes->epochs, votes->epoch_count, sizeof(struct sim__epoch *));
    votes->epochs[votes->epoch_count++] = ep;
    votes->figures.epochs++;
    if (!is_bearable(s, ep)) {
        votes->is_beyond = true;
        votes->figures.is_beyond = 1;
    }
    return ep;
}

/* A liar may be in one first: with a vote of its own that it has told nobody. */
struct sim__epoch *sim__epoch_of(struct sim__voter *v, const struct consensus_cluster *c)
{
    struct sim__epoch *ep = sim__epoch_find(v->s->votes, &c->epoch_id);
    if (ep == NULL) ep = epoch_new(v->s, c);
    if (ep->is_checked || v->liar != NULL || v->s->votes->is_beyond) return ep;
    ep->is_checked = true;
    check_members(v->s, ep);
    check_sequence(v->s, ep);
    check_rivals(v->s, ep);
    return ep;
}

/* ---- what an engine does ---- */

static bool is_synced(const struct sim__voter *v, const struct base_vote *vote)
{
    for (size_t k = v->synced_count; k-- > 0;) {
        const struct base_vote *it = &v->synced[k];
        if (it->kind == vote->kind && it->first == vote->first &&
            base_hash32_equal(&it->hash, &vote->hash) &&
            base_hash32_equal(&it->epoch_id, &vote->epoch_id))
            return true;
    }
    return false;
}

void sim__judge_synced(struct sim__voter *v, const struct base_vote *vote)
{
    if (v->synced_count == v->synced_cap) {
        v->synced_cap = 2 * v->synced_cap + 64;
        v->synced = realloc(v->synced, v->synced_cap * sizeof *v->synced);
        assert(v->synced != NULL);
    }
    v->synced[v->synced_count++] = *vote;
}

static void trap(struct sim__voter *v)
{
    struct sim *s = v->s;
    if (!s->votes->is_trapped) return;
    s->votes->is_trapped = false;
    struct sim__event *ev = sim__event_new(SIM__VOTES_TRAP, v->i, v->i, 0);
    ev->process = s->nodes[v->i].process;
    sim__event_at(s, ev, s->now_ms + sim_random(s, 5));
}

static void own_cand(struct sim__voter *v, struct sim__epoch *ep, size_t self,
                     const struct consensus_candidate *cand)
{
    struct base_vote vote = {ep->id, BASE_VOTE_CAND, cand->slot, cand->slot, {{0}}};
    consensus_candidate_hash(&vote.hash, &ep->id, cand);
    if (world_verify(NULL, &vote, &cand->sig, &ep->voters[self].signer) != BASE_OK) return;
    check_vote(ep->check, self, &vote, is_synced(v, &vote));
    trap(v);
}

/* What it says in its own name, and the certificates that it holds. */
static void judge_said(struct sim__voter *v, struct sim__epoch *ep, size_t self,
                       const struct consensus_message *m)
{
    if (m->type == CONSENSUS_MSG_CERT) {
        check_cert(ep->check, self, &m->u.cert);
        v->s->votes->figures.skip_certs += m->u.cert.kind == BASE_VOTE_SKIP;
    }
    if (self == ep->count) return;
    if (m->type == CONSENSUS_MSG_VOTE && m->u.vote.voter == self)
        check_vote(ep->check, self, &m->u.vote.vote, is_synced(v, &m->u.vote.vote));
    if (m->type == CONSENSUS_MSG_CAND) own_cand(v, ep, self, &m->u.cand);
}

static void say_final(const struct sim__voter *v, const struct sim__epoch *ep,
                      const struct consensus_action *a)
{
    if (v->s->verbose == NULL) return;
    fprintf(v->s->verbose, "%8llu n%u: consensus: final, epoch %llu, slot %llu\n",
            number(v->s->now_ms), v->i, number(ep->record.number), number(a->u.final.slot));
}

static void judge_final(struct sim__voter *v, struct sim__epoch *ep, size_t self,
                        const struct consensus_action *a)
{
    uint64_t slot = a->u.final.slot;
    v->s->votes->figures.finals++;
    sim__trace(v->s, slot << 8 | v->i);
    say_final(v, ep, a);
    if (!ep->has_final) {
        ep->has_final = true;
        check_rivals(v->s, ep);
    }
    if (self < ep->count)
        check_final(ep->check, self, slot, a->u.final.parent_slot, &a->u.final.hash);
    if (!model_is_final(ep->model, slot, &a->u.final.hash))
        check_fail(ep->check, "model: node %u calls slot %llu final, and it is not", v->i,
                   number(slot));
}

static void judge_fault(struct sim__voter *v, struct sim__epoch *ep,
                        const struct consensus_action *a)
{
    uint32_t named = sim__index(v->s, &ep->voters[a->u.fault.voter].key);
    v->s->votes->figures.faults++;
    if (consensus_vote_fault(&a->u.fault.a, &a->u.fault.b, NULL) != a->u.fault.fault)
        check_fail(ep->check, "I10 node %u: evidence that proves something else", v->i);
    check_fault(ep->check, a->u.fault.voter, sim__voter_is_honest(v->s, named));
}

static void judge_one(struct sim__voter *v, struct sim__epoch *ep, struct consensus_engine *e,
                      const struct consensus_action *a)
{
    switch (a->type) {
    case CONSENSUS_ACT_STORE:
        if (a->u.store.record.cert != NULL) check_cert(ep->check, e->self, a->u.store.record.cert);
        break;
    case CONSENSUS_ACT_SEND:
        break; /* before all others */
    case CONSENSUS_ACT_FINAL:
        judge_final(v, ep, e->self, a);
        break;
    case CONSENSUS_ACT_FAULT:
        judge_fault(v, ep, a);
        break;
    case CONSENSUS_ACT_COPY:
        /* Others hold what it has forgotten. */
        if (!v->has_loss) check_fail(ep->check, "I7 node %u takes itself for two", v->i);
        break;
    case CONSENSUS_ACT_LEADER:
        for (uint64_t k = 0; k <= a->u.leader.window; k++)
            check_leader(ep->check, e->self, k, consensus_engine_leader(e, k));
        break;
    case CONSENSUS_ACT_WANT_STATE:
        break;
    }
}

static void note_stored(struct sim__voter *v, const struct consensus_actions *out)
{
    for (size_t i = 0; i < out->count; i++) {
        if (out->list[i].type != CONSENSUS_ACT_STORE) continue;
        v->fresh = grown(v->fresh, v->fresh_count, sizeof *v->fresh);
        v->fresh[v->fresh_count++] = out->list[i].u.store.record.vote;
    }
}

/* An honest member's statements go out before anybody can act on them: sends first, so that the
 * model has heard what a final candidate rests on. A liar's are heard as it says them. */
void sim__judge_engine(struct sim__voter *v, struct consensus_engine *e,
                       const struct consensus_actions *out)
{
    struct sim__epoch *ep = sim__epoch_of(v, e->host.ctx);
    note_stored(v, out);
    if (v->liar != NULL) return;
    for (size_t i = 0; i < out->count; i++)
        if (out->list[i].type == CONSENSUS_ACT_SEND) {
            if (!v->s->votes->is_beyond) judge_said(v, ep, e->self, &out->list[i].u.send.message);
            model_hear(ep->model, &out->list[i].u.send.message);
        }
    if (v->s->votes->is_beyond) return;
    for (size_t i = 0; i < out->count; i++)
        judge_one(v, ep, e, &out->list[i]);
    judge(v->s, ep);
}

/* It goes on from a state: others must have found final what it is as of. */
void sim__judge_state(struct sim__voter *v, const struct consensus_engine *e,
                      const struct consensus_event *event)
{
    struct sim__epoch *ep = sim__epoch_of(v, e->host.ctx);
    uint64_t slot = event->u.state.slot;
    v->s->votes->figures.states++;
    if (v->liar != NULL || v->s->votes->is_beyond || slot == CONSENSUS_NO_SLOT) return;
    if (e->final_slot != CONSENSUS_NO_SLOT && e->final_slot >= slot) return; /* not news */
    if (e->self < ep->count) check_state(ep->check, e->self, slot, &event->u.state.hash);
    judge(v->s, ep);
}

/* In the place of consensus_engine_step() in consensus/cluster.c. */
int sim_engine_step(struct consensus_engine *e, uint64_t now_ms,
                    const struct consensus_event *event, struct consensus_actions *out);
int sim_engine_step(struct consensus_engine *e, uint64_t now_ms,
                    const struct consensus_event *event, struct consensus_actions *out)
{
    const struct consensus_cluster *c = e->host.ctx;
    struct sim__voter *v = c->config.host.ctx;
    if (event->type == CONSENSUS_EV_STATE) sim__judge_state(v, e, event);
    int rv = consensus_engine_step(e, now_ms, event, out);
    assert(rv != BASE_ENOMEM);
    sim__judge_engine(v, e, out);
    return rv;
}

/* ---- the log ---- */

static uint64_t entry_digest(const struct consensus_cluster_action *a)
{
    const struct consensus_entry *entry = a->u.entry.entry;
    uint64_t digest = base_get_u64be(entry->submitter.bytes + 1);
    digest = (digest ^ entry->nonce) * UINT64_C(0x9e3779b97f4a7c15);
    digest = (digest ^ (uint64_t)a->u.entry.result.outcome) * UINT64_C(0x9e3779b97f4a7c15);
    return (digest ^ a->u.entry.result.value) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct sim__done *done_find(const struct sim__votes *votes, const struct sim__done *it)
{
    for (size_t k = votes->done_count; k-- > 0;) {
        struct sim__done *d = &votes->done[k];
        if (d->epoch == it->epoch && d->slot == it->slot && d->at == it->at) return d;
    }
    return NULL;
}

/* Everybody does the same entries in the same order, with the same result. */
static void judge_entry(struct sim__voter *v, const struct consensus_cluster_action *a)
{
    struct sim__votes *votes = v->s->votes;
    bool is_next = v->entry_epoch == a->u.entry.epoch && v->entry_slot == a->u.entry.slot;
    v->entry_at = is_next ? v->entry_at + 1 : 0;
    v->entry_epoch = a->u.entry.epoch;
    v->entry_slot = a->u.entry.slot;
    struct sim__done it = {v->entry_epoch, v->entry_slot, v->entry_at, entry_digest(a)};
    const struct sim__done *known = done_find(votes, &it);
    if (v->s->verbose != NULL)
        fprintf(v->s->verbose,
                "%8llu n%u: consensus: entry %llu of epoch %llu, slot %llu: %s, %llu\n",
                number(v->s->now_ms), v->i, number(it.at), number(it.epoch), number(it.slot),
                consensus_entry_name(a->u.entry.entry->kind), number(a->u.entry.result.value));
    sim__trace(v->s, it.digest);
    if (known != NULL && known->digest != it.digest)
        sim__fail(v->s, "I1 node %u: entry %llu of slot %llu is not what others have done", v->i,
                  number(it.at), number(it.slot));
    if (known != NULL) return;
    if (votes->done_count == votes->done_cap) {
        votes->done_cap = 2 * votes->done_cap + 64;
        votes->done = realloc(votes->done, votes->done_cap * sizeof *votes->done);
        assert(votes->done != NULL);
    }
    votes->done[votes->done_count++] = it;
    votes->figures.entries++;
}

/* What a client was told is so: each request once, and each has a number of its own. */
static void judge_told(struct sim__voter *v, const struct consensus_cluster_action *a)
{
    struct sim__votes *votes = v->s->votes;
    const struct consensus_result *r = &a->u.done.result;
    uint32_t request = UINT32_MAX;
    for (size_t k = 0; k < v->asked_count; k++)
        if (v->asked[k].tag == a->u.done.tag) request = v->asked[k].request;
    if (request == UINT32_MAX) return; /* its own evidence */
    if (r->outcome != CONSENSUS_DONE && r->outcome != CONSENSUS_REPEATED) return;
    struct sim__told *told = &votes->told[request];
    if (told->value != 0 && told->value != r->value)
        sim__fail(v->s, "V3 request %u was done twice: as %llu and %llu", request,
                  number(told->value), number(r->value));
    for (uint32_t other = 0; other < votes->requests; other++)
        if (other != request && votes->told[other].value == r->value)
            sim__fail(v->s, "V3 requests %u and %u were both counted as %llu", request, other,
                      number(r->value));
    if (told->value == 0) votes->figures.told++;
    *told = (struct sim__told){r->value, a->u.done.epoch, a->u.done.slot};
}

static void judge_note(struct sim__voter *v, const struct consensus_cluster_action *a)
{
    enum consensus_cluster_note note = a->u.note.note;
    bool is_wrong = (note == CONSENSUS_NOTE_COPY && !v->has_loss) || note == CONSENSUS_NOTE_MUTE ||
                    note == CONSENSUS_NOTE_STATE_DIFFERS;
    if (is_wrong) sim__fail(v->s, "I1 node %u: %s", v->i, consensus_cluster_note_name(note));
    if (v->s->verbose != NULL)
        fprintf(v->s->verbose, "%8llu n%u: consensus: %s, epoch %llu\n", number(v->s->now_ms), v->i,
                consensus_cluster_note_name(note), number(a->u.note.epoch));
}

void sim__judge_action(struct sim__voter *v, const struct consensus_cluster_action *a)
{
    struct sim *s = v->s;
    sim__trace(s,
               (uint64_t)a->type << 32 | (a->type == CONSENSUS_CLUSTER_ACT_SEND
                                              ? (uint64_t)a->u.send.body.len << 8 | a->u.send.type
                                              : 0));
    if (v->liar != NULL || s->votes->is_beyond) return;
    if (a->type == CONSENSUS_CLUSTER_ACT_ENTRY) judge_entry(v, a);
    if (a->type == CONSENSUS_CLUSTER_ACT_DONE) judge_told(v, a);
    if (a->type == CONSENSUS_CLUSTER_ACT_NOTE) judge_note(v, a);
}

/* ---- I9: leases, over all epochs ---- */

static void leases_new(struct sim__votes *votes)
{
    static const struct base_hash32 none;
    struct check_setup setup = {.voters = &votes->lease_voter,
                                .count = 1,
                                .window_slots = 1,
                                .epoch_id = &none,
                                .verify = world_verify};
    votes->leases = check_new(&setup);
}

static void look_at_leases(struct sim *s)
{
    size_t holders[SIM_NODES_MAX], count = 0;
    uint64_t tokens[SIM_NODES_MAX];
    struct sim__votes *votes = s->votes;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sim__voter *v = &votes->voters[i];
        uint64_t now = sim__local_ms(s, &s->nodes[i]);
        struct consensus_cluster_view view;
        if (v->cluster == NULL || v->liar != NULL) continue;
        if (!consensus_cluster_has_lease(v->cluster, now)) continue;
        consensus_cluster_view(&view, v->cluster, now);
        holders[count] = i;
        tokens[count++] = view.engine.leader == view.self ? view.token : UINT64_MAX;
        votes->figures.leases++;
    }
    if (count == 0) return;
    if (votes->leases == NULL) leases_new(votes);
    check_leases(votes->leases, holders, tokens, count);
    if (check_failure(votes->leases) != NULL) sim__fail(s, "%s", check_failure(votes->leases));
}

/* ---- now and then: what is inside ---- */

static void compare(struct sim__voter *v)
{
    const struct consensus_cluster *c = v->cluster;
    if (c == NULL || c->engine == NULL || v->liar != NULL) return;
    struct sim__epoch *ep = sim__epoch_of(v, c);
    look_at_engine(ep->check, ep->model, c->engine->self, c->engine);
    judge(v->s, ep);
}

static void compare_all(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        compare(&s->votes->voters[i]);
}

void sim__judge_step(struct sim__voter *v)
{
    struct sim *s = v->s;
    if (s->votes->is_beyond) return;
    look_at_leases(s);
    if (++s->votes->steps % COMPARE_EACH == 0) compare_all(s);
}

/* A process begins: what is final for it may begin again. */
void sim__judge_start(struct sim__voter *v)
{
    const struct consensus_cluster *c = v->cluster;
    v->entry_epoch = UINT64_MAX;
    if (!c->has_epoch || v->liar != NULL) return;
    struct sim__epoch *ep = sim__epoch_of(v, c);
    size_t self = consensus_epoch_find(&ep->record, &v->s->nodes[v->i].key);
    if (self < ep->count) check_start(ep->check, self);
}

/* ---- at the end ---- */

/* Has it done all that was final then? */
static bool has_come_to(struct sim *s, const struct sim__voter *v, const struct sim__told *told)
{
    struct consensus_cluster_view view;
    consensus_cluster_view(&view, v->cluster, sim__local_ms(s, &s->nodes[v->i]));
    if (!view.has_epoch || !view.has_state || view.epoch->number < told->epoch) return false;
    if (view.epoch->number > told->epoch) return true;
    return view.engine.final_slot != CONSENSUS_NO_SLOT && view.engine.final_slot >= told->slot;
}

static uint64_t counted_by(const struct sim__voter *v)
{
    const struct base_slice key = base_slice_text("n");
    const struct consensus_state *state = consensus_cluster_state(v->cluster);
    struct base_slice value;
    uint64_t counted = 0;
    if (state != NULL && consensus_state_get(state, &key, &value) == BASE_OK)
        for (size_t b = 0; b < value.len; b++)
            counted = 10 * counted + (uint64_t)(value.data[b] - '0');
    return counted;
}

static void judge_numbers(struct sim *s, const struct sim__voter *v)
{
    uint64_t counted = counted_by(v);
    for (uint32_t r = 0; r < s->votes->requests; r++) {
        const struct sim__told *told = &s->votes->told[r];
        if (told->value > counted && has_come_to(s, v, told))
            sim__fail(s, "V3 node %u has counted to %llu, and a client was told %llu", v->i,
                      number(counted), number(told->value));
    }
    if (counted > s->votes->requests)
        sim__fail(s, "V3 node %u has counted to %llu, of %u requests", v->i, number(counted),
                  s->votes->requests);
}

void sim_votes_judge_end(struct sim *s)
{
    if (s->votes == NULL || s->votes->is_beyond) return;
    compare_all(s);
    for (size_t e = 0; e < s->votes->epoch_count; e++) {
        const char *wrong = model_wrong(s->votes->epochs[e]->model);
        if (wrong != NULL)
            sim__fail(s, "epoch %llu: model: %s", number(s->votes->epochs[e]->record.number),
                      wrong);
    }
    for (uint32_t i = 0; i < s->count; i++)
        if (sim__voter_is_sound(s, i)) judge_numbers(s, &s->votes->voters[i]);
}

void sim__judge_free(struct sim *s)
{
    struct sim__votes *votes = s->votes;
    for (size_t e = 0; e < votes->epoch_count; e++) {
        struct sim__epoch *ep = votes->epochs[e];
        check_free(ep->check);
        model_free(ep->model);
        consensus_epoch_free(&ep->record);
        free(ep->voters);
        free(ep->leads);
        free(ep);
    }
    if (votes->leases != NULL) check_free(votes->leases);
    free(votes->epochs);
    free(votes->done);
}
