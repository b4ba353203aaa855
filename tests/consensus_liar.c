/* What lying members have in common; each kind of lie has a file in tests/consensus_liars. */
#include "consensus_liar.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const struct world_liar_kind *const WORLD_LIARS[WORLD_LIARS_COUNT] = {
    &WORLD_LIAR_EQUIVOCATOR, &WORLD_LIAR_DOUBLE_VOTER, &WORLD_LIAR_SKIP_AND_FINAL,
    &WORLD_LIAR_WITHHOLDER,  &WORLD_LIAR_LATE_SENDER,  &WORLD_LIAR_OMITTER,
    &WORLD_LIAR_FORGER,      &WORLD_LIAR_WRONG_EPOCH,  &WORLD_LIAR_STALE,
    &WORLD_LIAR_LEASE,       &WORLD_LIAR_JUMPER};

void world_make_liar(struct world *w, size_t at, const struct world_liar_kind *kind)
{
    struct world_liar *l = calloc(1, sizeof *l);
    assert(l != NULL && w->nodes[at].engine == NULL && w->nodes[at].liar == NULL);
    *l = (struct world_liar){.kind = kind, .w = w, .at = at, .member = w->nodes[at].member};
    l->memory = calloc(1, kind->memory_bytes + 1);
    l->kept.list = calloc(LIAR_KEPT_MAX, sizeof(struct world_message *));
    assert(l->memory != NULL && l->kept.list != NULL);
    w->nodes[at].liar = l;
}

void world_liar_free(struct world_liar *l)
{
    if (l == NULL) return;
    for (size_t i = 0; i < l->kept.count; i++)
        world_message_drop(l->kept.list[i]);
    free(l->kept.list);
    free(l->memory);
    free(l);
}

uint64_t liar_random(struct world_liar *l, uint64_t below)
{
    return world_random(l->w, below);
}

size_t liar_peer(struct world_liar *l)
{
    size_t to = (size_t)liar_random(l, l->w->count - 1);
    return to >= l->at ? to + 1 : to;
}

bool liar_is_first_half(const struct world_liar *l, size_t to)
{
    return (to + l->at) % 2 == 0;
}

struct consensus_message liar_message(const struct world_liar *l, enum consensus_message_type type)
{
    return (struct consensus_message){.type = type, .epoch_id = l->w->epoch_id};
}

struct consensus_message liar_vote(struct world_liar *l, enum base_vote_kind kind, uint64_t slot,
                                   const struct base_hash32 *hash)
{
    struct consensus_message m = liar_message(l, CONSENSUS_MSG_VOTE);
    struct base_vote *v = &m.u.vote.vote;
    uint32_t window = l->w->params.window_slots;
    *v = (struct base_vote){.epoch_id = l->w->epoch_id, .kind = kind, .first = slot, .last = slot};
    if (hash != NULL)
        v->hash = *hash;
    else
        v->last = (slot / window + 1) * window - 1;
    m.u.vote.voter = (uint16_t)l->member;
    m.u.vote.sig = world_signature(&l->w->voters[l->member].signer, v);
    return m;
}

static struct base_vote cand_vote(const struct world_liar *l, const struct consensus_candidate *c)
{
    struct base_vote vote = {
        .epoch_id = l->w->epoch_id, .kind = BASE_VOTE_CAND, .first = c->slot, .last = c->slot};
    consensus_candidate_hash(&vote.hash, &l->w->epoch_id, c);
    return vote;
}

bool liar_is_own(const struct world_liar *l, const struct consensus_candidate *c)
{
    struct base_vote vote = cand_vote(l, c);
    return world_verify(NULL, &vote, &c->sig, &l->w->voters[l->member].signer) == 0;
}

struct base_hash32 liar_sign_cand(const struct world_liar *l, struct consensus_candidate *c)
{
    struct base_vote vote = cand_vote(l, c);
    c->sig = world_signature(&l->w->voters[l->member].signer, &vote);
    return vote.hash;
}

void liar_tell(struct world_liar *l, size_t to, const struct consensus_message *m)
{
    if (to != l->at) world_send(l->w, l->at, to, m);
}

void liar_tell_all(struct world_liar *l, const struct consensus_message *m)
{
    for (size_t to = 0; to < l->w->count; to++)
        liar_tell(l, to, m);
}

void liar_keep(struct world_liar *l, const struct consensus_message *m)
{
    struct world_message *copy = world_message_new(m);
    if (l->kept.count < LIAR_KEPT_MAX) {
        l->kept.list[l->kept.count++] = copy;
        return;
    }
    size_t at = (size_t)liar_random(l, LIAR_KEPT_MAX);
    world_message_drop(l->kept.list[at]);
    l->kept.list[at] = copy;
}

const struct consensus_message *liar_any(struct world_liar *l, enum consensus_message_type type)
{
    size_t first = l->kept.count > 0 ? (size_t)liar_random(l, l->kept.count) : 0;
    for (size_t i = 0; i < l->kept.count; i++) {
        const struct consensus_message *m = &l->kept.list[(first + i) % l->kept.count]->m;
        if (m->type == type) return m;
    }
    return NULL;
}

struct consensus_view liar_view(const struct world_liar *l)
{
    struct consensus_view view;
    consensus_engine_view(&view, l->w->nodes[l->at].engine);
    return view;
}
