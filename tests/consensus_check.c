/* The conscience of a simulated cluster: consensus_check.h lists it. */
#include "consensus_check.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define KINDS 3 /* CAND, NOTAR, FINAL of one member for one slot */

struct said { /* by one member about one slot */
    bool is_said[KINDS];
    struct base_hash32 hash[KINDS];
};
struct slot {
    uint64_t slot;
    bool is_notarised, is_certified, is_final;
    struct base_hash32 notarised, certified, final;
    struct said said[]; /* by member */
};
struct window {
    uint64_t number, skipped_from; /* UINT64_MAX: not certified */
    size_t leader;                 /* count: nobody has said yet */
    uint64_t from[];               /* by member: its own SKIP; UINT64_MAX: none */
};
struct place { /* where a member's own log of final candidates ends */
    uint64_t slot;
    bool is_anew; /* it has started since */
};

struct check {
    struct check_setup set;
    uint64_t total;
    struct slot **slots; /* ascending, as the windows are */
    size_t slot_count;
    struct window **windows;
    size_t window_count;
    struct place *places;
    uint64_t token;  /* first slot of the window of the last lease */
    uint64_t active; /* the highest window that anybody honest has reached */
    char failure[160];
};

struct check *check_new(const struct check_setup *setup)
{
    struct check *c = calloc(1, sizeof *c);
    assert(c != NULL);
    c->set = *setup;
    c->places = calloc(setup->count, sizeof *c->places);
    assert(c->places != NULL);
    for (size_t i = 0; i < setup->count; i++) {
        c->total += setup->voters[i].weight;
        c->places[i].slot = CONSENSUS_NO_SLOT;
    }
    return c;
}

void check_free(struct check *c)
{
    for (size_t i = 0; i < c->slot_count; i++)
        free(c->slots[i]);
    for (size_t i = 0; i < c->window_count; i++)
        free(c->windows[i]);
    free(c->slots);
    free(c->windows);
    free(c->places);
    free(c);
}

const char *check_failure(const struct check *c)
{
    return c->failure[0] != 0 ? c->failure : NULL;
}

void check_fail(struct check *c, const char *format, ...)
{
    va_list args;
    if (c->failure[0] != 0) return;
    va_start(args, format);
    vsnprintf(c->failure, sizeof c->failure, format, args);
    va_end(args);
}

static unsigned long long number(uint64_t n)
{
    return n;
}

/* ---- tables ---- */

static void *list_grown(void *list, size_t count)
{
    if ((count & (count - 1)) != 0) return list; /* room is a power of two */
    void *more = realloc(list, (count == 0 ? 1 : 2 * count) * sizeof(void *));
    assert(more != NULL);
    return more;
}

/* Where it is or belongs. */
static size_t slot_index(const struct check *c, uint64_t slot)
{
    size_t at = c->slot_count;
    while (at > 0 && c->slots[at - 1]->slot >= slot)
        at--;
    return at;
}

static struct slot *slot_find(const struct check *c, uint64_t slot)
{
    size_t at = slot_index(c, slot);
    return at < c->slot_count && c->slots[at]->slot == slot ? c->slots[at] : NULL;
}

static struct slot *slot_get(struct check *c, uint64_t slot)
{
    size_t at = slot_index(c, slot);
    if (at < c->slot_count && c->slots[at]->slot == slot) return c->slots[at];
    struct slot *s = calloc(1, sizeof *s + c->set.count * sizeof s->said[0]);
    assert(s != NULL);
    s->slot = slot;
    c->slots = list_grown(c->slots, c->slot_count);
    memmove(&c->slots[at + 1], &c->slots[at], (c->slot_count++ - at) * sizeof *c->slots);
    return c->slots[at] = s;
}

static struct window *window_find(const struct check *c, uint64_t number_)
{
    size_t at = c->window_count;
    while (at > 0 && c->windows[at - 1]->number > number_)
        at--;
    return at > 0 && c->windows[at - 1]->number == number_ ? c->windows[at - 1] : NULL;
}

static struct window *window_get(struct check *c, uint64_t number_)
{
    size_t at = c->window_count;
    struct window *w = window_find(c, number_);
    if (w != NULL) return w;
    w = calloc(1, sizeof *w + c->set.count * sizeof w->from[0]);
    assert(w != NULL);
    w->number = number_;
    w->skipped_from = UINT64_MAX;
    w->leader = c->set.count;
    for (size_t i = 0; i < c->set.count; i++)
        w->from[i] = UINT64_MAX;
    while (at > 0 && c->windows[at - 1]->number > number_)
        at--;
    c->windows = list_grown(c->windows, c->window_count);
    memmove(&c->windows[at + 1], &c->windows[at], (c->window_count++ - at) * sizeof *c->windows);
    return c->windows[at] = w;
}

static uint64_t window_of(const struct check *c, uint64_t slot)
{
    return slot / c->set.window_slots;
}

bool check_is_skipped(const struct check *c, uint64_t slot)
{
    const struct window *w = window_find(c, window_of(c, slot));
    return w != NULL && w->skipped_from <= slot;
}

bool check_is_final(const struct check *c, uint64_t slot, const struct base_hash32 *hash)
{
    const struct slot *s = slot_find(c, slot);
    return s != NULL && s->is_final && base_hash32_equal(&s->final, hash);
}

size_t check_honest_choices(const struct check *c, uint64_t slot)
{
    const struct slot *s = slot_find(c, slot);
    size_t choices = 0;
    for (size_t i = 0; s != NULL && i < c->set.count; i++) {
        const struct said *said = &s->said[i];
        bool is_new = said->is_said[BASE_VOTE_NOTAR - 1];
        for (size_t k = 0; k < i && is_new; k++)
            is_new = !s->said[k].is_said[BASE_VOTE_NOTAR - 1] ||
                     !base_hash32_equal(&s->said[k].hash[BASE_VOTE_NOTAR - 1],
                                        &said->hash[BASE_VOTE_NOTAR - 1]);
        choices += is_new;
    }
    return choices;
}

/* ---- I7, I8: what honest members say ---- */

static bool is_other(const struct said *said, enum base_vote_kind kind,
                     const struct base_hash32 *hash)
{
    size_t k = (size_t)kind - 1;
    return said->is_said[k] && !base_hash32_equal(&said->hash[k], hash);
}

/* E1 to E5, against all that it has ever said. */
static const char *contradicts(const struct check *c, size_t member, const struct base_vote *vote)
{
    const struct window *w = window_find(c, window_of(c, vote->first));
    if (vote->kind == BASE_VOTE_SKIP) {
        for (size_t i = slot_index(c, vote->first);
             i < c->slot_count && c->slots[i]->slot <= vote->last; i++)
            if (c->slots[i]->said[member].is_said[BASE_VOTE_FINAL - 1]) return "E3";
        return NULL;
    }
    const struct slot *s = slot_find(c, vote->first);
    if (vote->kind == BASE_VOTE_FINAL && w != NULL && w->from[member] <= vote->first) return "E3";
    if (s == NULL) return NULL;
    if (is_other(&s->said[member], vote->kind, &vote->hash))
        return vote->kind == BASE_VOTE_CAND ? "E1" : vote->kind == BASE_VOTE_NOTAR ? "E2" : "E4";
    if (vote->kind == BASE_VOTE_NOTAR && is_other(&s->said[member], BASE_VOTE_FINAL, &vote->hash))
        return "E5";
    if (vote->kind == BASE_VOTE_FINAL && is_other(&s->said[member], BASE_VOTE_NOTAR, &vote->hash))
        return "E5";
    return NULL;
}

static bool is_notarised(const struct check *c, uint64_t slot, const struct base_hash32 *hash)
{
    const struct slot *s = slot_find(c, slot);
    return s != NULL && s->is_notarised && base_hash32_equal(&s->notarised, hash);
}

void check_vote(struct check *c, size_t member, const struct base_vote *vote, bool is_stored)
{
    const char *pair = contradicts(c, member, vote);
    if (pair != NULL)
        check_fail(c, "I7 member %zu says a pair %s, slot %llu", member, pair, number(vote->first));
    if (!is_stored)
        check_fail(c, "I8 member %zu says what is not on its disk, slot %llu", member,
                   number(vote->first));
    if (vote->kind == BASE_VOTE_FINAL && !is_notarised(c, vote->first, &vote->hash))
        check_fail(c, "I5 member %zu says FINAL without a NOTAR certificate, slot %llu", member,
                   number(vote->first));
    if (vote->kind == BASE_VOTE_SKIP) {
        struct window *w = window_get(c, window_of(c, vote->first));
        if (vote->first < w->from[member]) w->from[member] = vote->first;
        return;
    }
    struct said *said = &slot_get(c, vote->first)->said[member];
    said->is_said[vote->kind - 1] = true;
    said->hash[vote->kind - 1] = vote->hash;
}

void check_fault(struct check *c, size_t named, bool is_honest)
{
    if (is_honest) check_fail(c, "I7 member %zu is honest and named in evidence", named);
}

/* ---- I3 to I6: certificates ---- */

static const char *cert_wrong(const struct check *c, const struct consensus_cert *cert)
{
    uint64_t weight = 0, voters = 0;
    for (uint32_t i = 0; i < cert->count; i++) {
        size_t voter = cert->votes[i].voter;
        if (voter >= c->set.count) return "a voter that there is not";
        if ((voters >> voter & 1) != 0) return "a voter twice";
        if (cert->votes[i].from > cert->first) return "a SKIP that covers less";
        struct base_vote vote = {.epoch_id = *c->set.epoch_id,
                                 .kind = cert->kind,
                                 .first = cert->votes[i].from,
                                 .last = cert->last,
                                 .hash = cert->hash};
        if (c->set.verify(c->set.verify_ctx, &vote, &cert->votes[i].sig,
                          &c->set.voters[voter].signer) != BASE_OK)
            return "a signature that is not its voter's";
        voters |= UINT64_C(1) << voter;
        weight += c->set.voters[voter].weight;
    }
    return 3 * weight > 2 * c->total ? NULL : "no quorum";
}

static void check_notarised(struct check *c, const struct consensus_cert *cert)
{
    struct slot *s = slot_get(c, cert->first);
    if (s->is_notarised && !base_hash32_equal(&s->notarised, &cert->hash))
        check_fail(c, "I4 two notarised candidates of slot %llu", number(cert->first));
    s->is_notarised = true;
    s->notarised = cert->hash;
}

static void check_certified(struct check *c, const struct consensus_cert *cert)
{
    struct slot *s = slot_get(c, cert->first);
    if (s->is_certified && !base_hash32_equal(&s->certified, &cert->hash))
        check_fail(c, "I1 two FINAL certificates of slot %llu", number(cert->first));
    if (!is_notarised(c, cert->first, &cert->hash))
        check_fail(c, "I5 a FINAL certificate of slot %llu, and no NOTAR certificate",
                   number(cert->first));
    if (check_is_skipped(c, cert->first))
        check_fail(c, "I3 slot %llu is skipped and has a FINAL certificate", number(cert->first));
    s->is_certified = true;
    s->certified = cert->hash;
}

static void check_skipped(struct check *c, const struct consensus_cert *cert)
{
    struct window *w = window_get(c, window_of(c, cert->first));
    if (cert->first >= w->skipped_from) return;
    w->skipped_from = cert->first;
    for (size_t i = slot_index(c, cert->first);
         i < c->slot_count && c->slots[i]->slot <= cert->last; i++)
        if (c->slots[i]->is_certified)
            check_fail(c, "I3 slot %llu has a FINAL certificate and is skipped",
                       number(c->slots[i]->slot));
}

void check_cert(struct check *c, size_t member, const struct consensus_cert *cert)
{
    const char *wrong = cert_wrong(c, cert);
    if (wrong != NULL)
        check_fail(c, "I6 member %zu holds a certificate with %s, slot %llu", member, wrong,
                   number(cert->first));
    if (cert->kind == BASE_VOTE_NOTAR) check_notarised(c, cert);
    if (cert->kind == BASE_VOTE_FINAL) check_certified(c, cert);
    if (cert->kind == BASE_VOTE_SKIP) check_skipped(c, cert);
}

/* ---- I1, I2: what is final ---- */

/* Everything between a final candidate and its parent is skipped, and nothing of it final. */
static void check_gap(struct check *c, uint64_t parent_slot, uint64_t slot)
{
    uint64_t at = parent_slot == CONSENSUS_NO_SLOT ? 0 : parent_slot + 1;
    for (size_t i = slot_index(c, at); i < c->slot_count && c->slots[i]->slot < slot; i++)
        if (c->slots[i]->is_final)
            check_fail(c, "I2 slot %llu is final, between slot %llu and its parent",
                       number(c->slots[i]->slot), number(slot));
    while (at < slot) { /* SKIPs reach to the end of a window */
        if (!check_is_skipped(c, at))
            check_fail(c, "I2 slot %llu is jumped over and not skipped", number(at));
        at = (window_of(c, at) + 1) * c->set.window_slots;
    }
}

void check_final(struct check *c, size_t member, uint64_t slot, uint64_t parent_slot,
                 const struct base_hash32 *hash)
{
    struct place *place = &c->places[member];
    struct slot *s = slot_get(c, slot);
    if (s->is_final && !base_hash32_equal(&s->final, hash))
        check_fail(c, "I1 two final candidates of slot %llu", number(slot));
    if (place->slot != parent_slot && !place->is_anew)
        check_fail(c, "I1 member %zu: final slot %llu does not follow the last one", member,
                   number(slot));
    const struct slot *parent = slot_find(c, parent_slot);
    if (parent_slot != CONSENSUS_NO_SLOT && (parent == NULL || !parent->is_final))
        check_fail(c, "I2 slot %llu is final, and its parent is not", number(slot));
    if (!s->is_final) check_gap(c, parent_slot, slot);
    s->is_final = true;
    s->final = *hash;
    *place = (struct place){slot, false};
}

void check_start(struct check *c, size_t member)
{
    c->places[member].is_anew = true;
}

void check_state(struct check *c, size_t member, uint64_t slot, const struct base_hash32 *hash)
{
    if (!check_is_final(c, slot, hash))
        check_fail(c, "I1 member %zu goes on from slot %llu, which is not final so", member,
                   number(slot));
    if (c->places[member].slot == CONSENSUS_NO_SLOT || slot > c->places[member].slot)
        c->places[member] = (struct place){slot, false};
}

/* ---- I9, I13: leaders ---- */

void check_leases(struct check *c, const size_t *holders, const uint64_t *windows, size_t count)
{
    if (count > 1)
        check_fail(c, "I9 members %zu and %zu hold a lease at once", holders[0], holders[1]);
    for (size_t i = 0; i < count; i++) {
        if (windows[i] == UINT64_MAX) continue;
        uint64_t token = windows[i] * c->set.window_slots;
        if (token < c->token)
            check_fail(c, "I9 the fencing token goes back, to %llu", number(token));
        c->token = token;
    }
}

/* So many of the windows so far, where all leaders are known. Whoever starts far behind leaves its
 * windows to the others: the bound goes by the largest priority, not by one's own. */
static void check_share(struct check *c, size_t leader)
{
    uint64_t total = 0, led = 0, windows = 0, start = 0;
    const struct consensus_lead *lead = &c->set.leads[leader];
    for (size_t i = 0; i < c->set.count; i++) {
        int64_t priority = c->set.leads[i].priority;
        uint64_t far = priority < 0 ? (uint64_t)-priority : (uint64_t)priority;
        total += c->set.leads[i].weight;
        if (c->set.leads[i].weight > 0 && far > start) start = far;
    }
    while (windows < c->window_count && c->windows[windows]->number == windows &&
           c->windows[windows]->leader < c->set.count)
        led += c->windows[windows++]->leader == leader;
    uint64_t due = windows * lead->weight, bound = 2 * total + start;
    if (led * total > due + bound || due > led * total + bound)
        check_fail(c, "I13 member %zu leads %llu of the first %llu windows", leader, number(led),
                   number(windows));
}

void check_leader(struct check *c, size_t member, uint64_t window, size_t leader)
{
    struct window *w = window_get(c, window);
    if (leader >= c->set.count || c->set.leads[leader].weight == 0) {
        check_fail(c, "I13 member %zu: window %llu is led by nobody who may", member,
                   number(window));
        return;
    }
    if (window > c->active) c->active = window;
    if (w->leader == leader) return;
    if (w->leader < c->set.count) check_fail(c, "I13 two leaders of window %llu", number(window));
    w->leader = leader;
    for (size_t i = 0; i < c->set.count; i++)
        check_share(c, i);
}

/* ---- I15: what is held ---- */

/* To the end of the window after the active one, as far as anybody honest has come: a restart goes
 * back, and knows from its log what was ahead. */
void check_held(struct check *c, size_t member, const struct check_held *held)
{
    uint64_t end = (c->active + 2) * c->set.window_slots;
    if (held->finals > CONSENSUS_KEPT_FINAL)
        check_fail(c, "I15 member %zu keeps %zu final candidates", member, held->finals);
    if (held->slots > 0 && held->highest >= end)
        check_fail(c, "I15 member %zu holds slot %llu, beyond its windows", member,
                   number(held->highest));
    if (held->slots > 0 && held->slots > held->highest - held->lowest + 1)
        check_fail(c, "I15 member %zu holds %zu slots", member, held->slots);
    if (held->windows > c->active + 2)
        check_fail(c, "I15 member %zu holds %zu windows", member, held->windows);
    if (held->votes_most > 2 * c->set.count)
        check_fail(c, "I15 member %zu holds %zu votes of a kind for one slot", member,
                   held->votes_most);
}
