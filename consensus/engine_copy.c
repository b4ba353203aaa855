/* What others hold of our votes. A log that was lost, or brought back from an older copy, lacks
 * votes that others have seen: they show us the last ones, and whoever begins with an empty log
 * signs nothing before as many have done so as it takes to certify anything. */
#include <stdlib.h>

#include "base/err.h"
#include "consensus/engine_internal.h"

static struct engine_last *last_of(const struct consensus_engine *e, size_t voter,
                                   enum base_vote_kind kind)
{
    return &e->lasts[voter * CONSENSUS_VOTE_KINDS + (size_t)(kind - BASE_VOTE_CAND)];
}

void engine_last_keep(struct consensus_engine *e, size_t voter, enum base_vote_kind kind,
                      uint64_t first, const struct base_hash32 *hash, const struct base_sig65 *sig)
{
    struct engine_last *last = last_of(e, voter, kind);
    if (last->is_held && first <= last->first) return;
    *last = (struct engine_last){.is_held = true, .first = first, .hash = *hash, .sig = *sig};
}

void engine_last_keep_cert(struct consensus_engine *e, const struct consensus_cert *cert)
{
    for (uint32_t i = 0; i < cert->count; i++)
        engine_last_keep(e, cert->votes[i].voter, cert->kind, cert->votes[i].from, &cert->hash,
                         &cert->votes[i].sig);
}

bool consensus_engine_last(const struct consensus_engine *e, size_t voter, enum base_vote_kind kind,
                           struct base_vote *vote, struct base_sig65 *sig)
{
    if (voter >= e->voters.count) return false;
    const struct engine_last *last = last_of(e, voter, kind);
    if (!last->is_held) return false;
    *vote = (struct base_vote){e->epoch_id, kind, last->first, last->first, last->hash};
    if (kind == BASE_VOTE_SKIP)
        vote->last = engine_window_last(e, engine_window_of(e, vote->first));
    *sig = last->sig;
    return true;
}

void engine_copy_found(struct consensus_engine *e)
{
    if (!e->is_mute) (void)engine_act(e, CONSENSUS_ACT_COPY);
    e->is_mute = true;
    e->lease_until_ms = 0;
}

/* Whoever listens has signed nothing in this epoch. */
void engine_copy_in_cert(struct consensus_engine *e, const struct consensus_cert *cert)
{
    for (uint32_t i = 0; e->is_listening && i < cert->count; i++)
        if (cert->votes[i].voter == e->self) engine_copy_found(e);
}

static uint64_t shown_weight(const struct consensus_engine *e)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < e->voters.count; i++)
        if (i == e->self || e->has_shown[i]) weight += e->voters.list[i].weight;
    return weight;
}

void engine_listen(struct consensus_engine *e)
{
    if (e->is_listening && shown_weight(e) >= e->voters.quorum) e->is_listening = false;
}

static bool is_above(uint64_t slot, uint64_t other)
{
    return other == CONSENSUS_NO_SLOT || slot > other;
}

/* What lies below the last final slot is forgotten here: who listens has made nothing of it, and of
 * our NOTARs in what was not final when we began we know the highest. */
static bool is_copy(const struct consensus_engine *e, const struct base_vote *vote)
{
    if (e->is_listening) return true;
    if (vote->kind == BASE_VOTE_NOTAR && is_above(vote->first, e->began_slot) &&
        is_above(vote->first, e->notar_top))
        return true;
    bool is_below = e->final_slot != CONSENSUS_NO_SLOT && vote->last <= e->final_slot;
    return !is_below && !engine_is_our_own(e, vote);
}

static bool is_form(const struct consensus_engine *e, const struct base_vote *vote)
{
    if (!consensus_vote_is_valid(vote) || !base_hash32_equal(&vote->epoch_id, &e->epoch_id))
        return false;
    return vote->kind != BASE_VOTE_SKIP ||
           vote->last == engine_window_last(e, engine_window_of(e, vote->first));
}

int engine_shown(struct consensus_engine *e, size_t from, const struct consensus_shown *shown)
{
    if (e->self >= e->voters.count || from >= e->voters.count) return BASE_OK;
    const struct base_eth_address *signer = &e->voters.list[e->self].signer;
    for (size_t i = 0; i < shown->count; i++) {
        const struct base_vote *vote = &shown->votes[i];
        if (!is_form(e, vote) ||
            e->host.verify(e->host.ctx, vote, &shown->sigs[i], signer) != BASE_OK)
            return BASE_EMALFORMED;
        if (is_copy(e, vote)) engine_copy_found(e);
    }
    e->has_shown[from] = true;
    engine_listen(e);
    return BASE_OK;
}
