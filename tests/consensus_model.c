/* What a quorum has said, and what is final because of it. docs/consensus.md; election.md, 3 and 7.
 */
#include "consensus_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct choice { /* who has voted for this candidate */
    struct base_hash32 hash;
    uint64_t voters; /* one bit each */
};
struct choices {
    struct choice *list;
    size_t count;
};
struct body { /* of a candidate */
    struct base_hash32 hash, parent_hash;
    uint64_t parent_slot;
    bool is_final;
};
struct slot {
    uint64_t slot;
    struct choices notars, finals;
    struct body *bodies;
    size_t body_count;
};
struct window { /* of each voter the first slot that it skips; UINT64_MAX: none */
    uint64_t number;
    uint64_t from[64];
};

struct model {
    struct model_setup set;
    uint64_t total;
    struct slot *slots; /* ascending */
    size_t slot_count;
    struct window *windows;
    size_t window_count;
    bool is_settled; /* what is final has been worked out */
    const char *wrong;
};

/* ---- sets ---- */

static void *grown(void *list, size_t count, size_t each)
{
    void *more = realloc(list, (count + 1) * each);
    assert(more != NULL);
    memset((char *)more + count * each, 0, each);
    return more;
}

static struct slot *slot_find(const struct model *m, uint64_t slot)
{
    for (size_t i = m->slot_count; i-- > 0 && m->slots[i].slot >= slot;)
        if (m->slots[i].slot == slot) return &m->slots[i];
    return NULL;
}

static struct slot *slot_get(struct model *m, uint64_t slot)
{
    size_t at = m->slot_count;
    struct slot *s = slot_find(m, slot);
    if (s != NULL) return s;
    m->slots = grown(m->slots, m->slot_count, sizeof *m->slots);
    while (at > 0 && m->slots[at - 1].slot > slot)
        at--;
    memmove(&m->slots[at + 1], &m->slots[at], (m->slot_count++ - at) * sizeof *m->slots);
    m->slots[at] = (struct slot){.slot = slot};
    return &m->slots[at];
}

static const struct window *window_find(const struct model *m, uint64_t number)
{
    for (size_t i = m->window_count; i-- > 0;)
        if (m->windows[i].number == number) return &m->windows[i];
    return NULL;
}

static struct window *window_get(struct model *m, uint64_t number)
{
    const struct window *known = window_find(m, number);
    if (known != NULL) return &m->windows[known - m->windows];
    m->windows = grown(m->windows, m->window_count, sizeof *m->windows);
    struct window *w = &m->windows[m->window_count++];
    w->number = number;
    for (size_t i = 0; i < 64; i++)
        w->from[i] = UINT64_MAX;
    return w;
}

static bool is_quorum(const struct model *m, uint64_t voters)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < m->set.count; i++)
        if ((voters >> i & 1) != 0) weight += m->set.voters[i].weight;
    return 3 * weight > 2 * m->total;
}

static bool has_quorum(const struct model *m, const struct choices *c,
                       const struct base_hash32 *hash)
{
    for (size_t i = 0; i < c->count; i++)
        if (base_hash32_equal(&c->list[i].hash, hash)) return is_quorum(m, c->list[i].voters);
    return false;
}

static struct body *body_find(const struct model *m, uint64_t slot, const struct base_hash32 *hash)
{
    struct slot *s = slot_find(m, slot);
    for (size_t i = 0; s != NULL && i < s->body_count; i++)
        if (base_hash32_equal(&s->bodies[i].hash, hash)) return &s->bodies[i];
    return NULL;
}

struct model *model_new(const struct model_setup *setup)
{
    struct model *m = calloc(1, sizeof *m);
    assert(m != NULL && setup->count <= 64);
    m->set = *setup;
    for (size_t i = 0; i < setup->count; i++)
        m->total += setup->voters[i].weight;
    return m;
}

void model_free(struct model *m)
{
    for (size_t i = 0; i < m->slot_count; i++) {
        free(m->slots[i].notars.list);
        free(m->slots[i].finals.list);
        free(m->slots[i].bodies);
    }
    free(m->slots);
    free(m->windows);
    free(m);
}

/* ---- what is heard ---- */

static void choose(struct choices *c, const struct base_hash32 *hash, size_t voter)
{
    size_t i = 0;
    while (i < c->count && !base_hash32_equal(&c->list[i].hash, hash))
        i++;
    if (i == c->count) {
        c->list = grown(c->list, c->count++, sizeof *c->list);
        c->list[i].hash = *hash;
    }
    c->list[i].voters |= UINT64_C(1) << voter;
}

/* A SKIP reaches to the end of the window that it begins in. */
static bool is_to_the_end(const struct model *m, const struct base_vote *vote)
{
    return vote->last == (vote->first / m->set.window_slots + 1) * m->set.window_slots - 1;
}

static void hear_vote(struct model *m, size_t voter, const struct base_vote *vote,
                      const struct base_sig65 *sig)
{
    if (voter >= m->set.count || !base_hash32_equal(&vote->epoch_id, m->set.epoch_id)) return;
    if (m->set.verify(m->set.verify_ctx, vote, sig, &m->set.voters[voter].signer) != BASE_OK)
        return;
    if (vote->kind == BASE_VOTE_NOTAR && vote->first == vote->last)
        choose(&slot_get(m, vote->first)->notars, &vote->hash, voter);
    if (vote->kind == BASE_VOTE_FINAL && vote->first == vote->last)
        choose(&slot_get(m, vote->first)->finals, &vote->hash, voter);
    if (vote->kind == BASE_VOTE_SKIP && is_to_the_end(m, vote)) {
        uint64_t *from = &window_get(m, vote->first / m->set.window_slots)->from[voter];
        if (vote->first < *from) *from = vote->first;
    }
    m->is_settled = false;
}

/* What it says is in its votes: no more is believed of it. */
static void hear_cert(struct model *m, const struct consensus_cert *cert)
{
    for (uint32_t i = 0; i < cert->count; i++) {
        struct base_vote vote = {.epoch_id = *m->set.epoch_id,
                                 .kind = cert->kind,
                                 .first = cert->votes[i].from,
                                 .last = cert->last,
                                 .hash = cert->hash};
        hear_vote(m, cert->votes[i].voter, &vote, &cert->votes[i].sig);
    }
}

/* Whoever sent it: a hash names all of a candidate, and only votes make one count. */
static void hear_cand(struct model *m, const struct consensus_candidate *c)
{
    struct base_hash32 hash;
    consensus_candidate_hash(&hash, m->set.epoch_id, c);
    if (body_find(m, c->slot, &hash) != NULL) return;
    struct slot *s = slot_get(m, c->slot);
    s->bodies = grown(s->bodies, s->body_count, sizeof *s->bodies);
    s->bodies[s->body_count++] = (struct body){hash, c->parent_hash, c->parent_slot, false};
    m->is_settled = false;
}

void model_hear(struct model *m, const struct consensus_message *message)
{
    if (!base_hash32_equal(&message->epoch_id, m->set.epoch_id)) return;
    switch (message->type) {
    case CONSENSUS_MSG_CAND:
        hear_cand(m, &message->u.cand);
        break;
    case CONSENSUS_MSG_VOTE:
        hear_vote(m, message->u.vote.voter, &message->u.vote.vote, &message->u.vote.sig);
        break;
    case CONSENSUS_MSG_CERT:
        hear_cert(m, &message->u.cert);
        break;
    case CONSENSUS_MSG_GET:
    case CONSENSUS_MSG_STATUS:
        break;
    }
}

/* ---- what follows ---- */

bool model_is_notarised(const struct model *m, uint64_t slot, const struct base_hash32 *hash)
{
    const struct slot *s = slot_find(m, slot);
    return s != NULL && has_quorum(m, &s->notars, hash);
}

bool model_has_final_cert(const struct model *m, uint64_t slot, const struct base_hash32 *hash)
{
    const struct slot *s = slot_find(m, slot);
    return s != NULL && has_quorum(m, &s->finals, hash);
}

bool model_is_skipped(const struct model *m, uint64_t slot)
{
    const struct window *w = window_find(m, slot / m->set.window_slots);
    uint64_t voters = 0;
    for (size_t i = 0; w != NULL && i < m->set.count; i++)
        if (w->from[i] <= slot) voters |= UINT64_C(1) << i;
    return is_quorum(m, voters);
}

/* One candidate, and all that it descends from, as far as anybody has shown it. */
static void finalise(struct model *m, uint64_t slot, struct base_hash32 hash)
{
    while (slot != CONSENSUS_NO_SLOT) {
        struct body *b = body_find(m, slot, &hash);
        if (b == NULL || b->is_final) return;
        b->is_final = true;
        slot = b->parent_slot;
        hash = b->parent_hash;
    }
    if (!base_hash32_equal(&hash, m->set.genesis)) m->wrong = "a final chain has another genesis";
}

static void settle(struct model *m)
{
    for (size_t i = 0; i < m->slot_count && !m->is_settled; i++) {
        const struct choices *finals = &m->slots[i].finals;
        for (size_t k = 0; k < finals->count; k++)
            if (is_quorum(m, finals->list[k].voters))
                finalise(m, m->slots[i].slot, finals->list[k].hash);
    }
    m->is_settled = true;
}

bool model_is_final(struct model *m, uint64_t slot, const struct base_hash32 *hash)
{
    settle(m);
    const struct body *b = body_find(m, slot, hash);
    return b != NULL && b->is_final;
}

bool model_top(struct model *m, uint64_t *slot, struct base_hash32 *hash)
{
    settle(m);
    for (size_t i = m->slot_count; i-- > 0;)
        for (size_t k = 0; k < m->slots[i].body_count; k++)
            if (m->slots[i].bodies[k].is_final) {
                *slot = m->slots[i].slot;
                *hash = m->slots[i].bodies[k].hash;
                return true;
            }
    return false;
}

size_t model_choices(const struct model *m, uint64_t slot)
{
    const struct slot *s = slot_find(m, slot);
    return s != NULL ? s->notars.count : 0;
}

/* ---- by its own account ---- */

static const char *slot_wrong(const struct model *m, const struct slot *s)
{
    size_t notarised = 0, finals = 0;
    for (size_t k = 0; k < s->notars.count; k++)
        if (is_quorum(m, s->notars.list[k].voters)) notarised++;
    for (size_t k = 0; k < s->body_count; k++)
        if (s->bodies[k].is_final) finals++;
    if (notarised > 1) return "two notarised candidates of one slot";
    if (finals > 1) return "two final candidates of one slot";
    for (size_t k = 0; k < s->finals.count; k++) {
        if (!is_quorum(m, s->finals.list[k].voters)) continue;
        if (model_is_skipped(m, s->slot)) return "a slot with a FINAL certificate is skipped";
        if (!model_is_notarised(m, s->slot, &s->finals.list[k].hash))
            return "a FINAL certificate without a NOTAR certificate";
    }
    return NULL;
}

/* N2: what a notarised candidate builds on is notarised, and all between is skipped. */
static const char *parents_wrong(const struct model *m, const struct slot *s)
{
    for (size_t k = 0; k < s->body_count; k++) {
        const struct body *b = &s->bodies[k];
        uint64_t at = b->parent_slot == CONSENSUS_NO_SLOT ? 0 : b->parent_slot + 1;
        if (!has_quorum(m, &s->notars, &b->hash)) continue;
        if (b->parent_slot != CONSENSUS_NO_SLOT &&
            !model_is_notarised(m, b->parent_slot, &b->parent_hash))
            return "a notarised candidate's parent is not notarised";
        for (; at < s->slot; at = (at / m->set.window_slots + 1) * m->set.window_slots)
            if (!model_is_skipped(m, at))
                return "a notarised candidate jumps over what nobody skips";
    }
    return NULL;
}

/* Walks down from the highest final candidate: every other final one has to be on its way. */
const char *model_wrong(struct model *m)
{
    uint64_t slot = 0;
    struct base_hash32 hash;
    size_t finals = 0, on_the_way = 0;
    bool is_any = model_top(m, &slot, &hash);
    for (size_t i = 0; i < m->slot_count && m->wrong == NULL; i++) {
        m->wrong = slot_wrong(m, &m->slots[i]);
        if (m->wrong == NULL) m->wrong = parents_wrong(m, &m->slots[i]);
        for (size_t k = 0; k < m->slots[i].body_count; k++)
            if (m->slots[i].bodies[k].is_final) finals++;
    }
    while (is_any && slot != CONSENSUS_NO_SLOT) {
        const struct body *b = body_find(m, slot, &hash);
        if (b == NULL || !b->is_final) break;
        on_the_way++;
        slot = b->parent_slot;
        hash = b->parent_hash;
    }
    if (m->wrong == NULL && on_the_way != finals) m->wrong = "two final chains";
    return m->wrong;
}
