/* Votes in the names of others, signed with its own key, and certificates that are none: its own
 * vote many times over, too few, somebody else's vote for something else, SKIPs that cover less. */
#include <string.h>

#include "consensus_liar.h"

struct forgery {
    struct consensus_message m;
    struct consensus_cert_vote votes[WORLD_NODES];
};

/* About the slot that everybody is at, or the one before. */
static void begin(struct world_liar *l, struct forgery *f, enum base_vote_kind kind)
{
    uint64_t slot = liar_view(l).frontier;
    uint32_t window = l->w->params.window_slots;
    if (slot > 0 && liar_random(l, 2) == 0) slot--;
    f->m = liar_message(l, CONSENSUS_MSG_CERT);
    f->m.u.cert =
        (struct consensus_cert){.kind = kind, .first = slot, .last = slot, .votes = f->votes};
    if (kind == BASE_VOTE_SKIP) f->m.u.cert.last = (slot / window + 1) * window - 1;
    if (kind != BASE_VOTE_SKIP) f->m.u.cert.hash.bytes[0] = (uint8_t)(1 + liar_random(l, 255));
}

static void add(struct world_liar *l, struct forgery *f, uint16_t voter)
{
    struct consensus_cert *cert = &f->m.u.cert;
    struct base_vote vote = {l->w->epoch_id, cert->kind, cert->first, cert->last, cert->hash};
    f->votes[cert->count++] = (struct consensus_cert_vote){
        voter, cert->first, world_signature(&l->w->voters[l->member].signer, &vote)};
}

static void own_vote_again_and_again(struct world_liar *l, enum base_vote_kind kind)
{
    struct forgery f;
    begin(l, &f, kind);
    for (size_t i = 0; i < l->w->members; i++)
        add(l, &f, (uint16_t)l->member);
    liar_tell_all(l, &f.m);
}

static void all_in_its_own_hand(struct world_liar *l, enum base_vote_kind kind)
{
    struct forgery f;
    begin(l, &f, kind);
    for (size_t i = 0; i < l->w->members; i++)
        add(l, &f, (uint16_t)i);
    liar_tell_all(l, &f.m);
}

static void too_few(struct world_liar *l, enum base_vote_kind kind)
{
    struct forgery f;
    begin(l, &f, kind);
    add(l, &f, (uint16_t)l->member);
    liar_tell_all(l, &f.m);
}

/* A good one, turned into one for the slot after, or for FINAL, or with an earlier beginning. */
static void turned(struct world_liar *l)
{
    const struct consensus_message *good = liar_any(l, CONSENSUS_MSG_CERT);
    if (good == NULL) return;
    struct consensus_message m = *good;
    struct consensus_cert *cert = &m.u.cert;
    if (cert->kind == BASE_VOTE_NOTAR && liar_random(l, 2) == 0)
        cert->kind = BASE_VOTE_FINAL;
    else if (cert->kind == BASE_VOTE_SKIP)
        cert->first -= cert->first % l->w->params.window_slots; /* all of the window */
    else
        cert->hash.bytes[0] ^= 1;
    liar_tell_all(l, &m);
}

static void in_anothers_name(struct world_liar *l)
{
    const struct consensus_message *good = liar_any(l, CONSENSUS_MSG_VOTE);
    if (good == NULL) return;
    struct consensus_message m = *good;
    if (liar_random(l, 2) == 0)
        m.u.vote.voter = (uint16_t)liar_random(l, l->w->members + 1);
    else
        m.u.vote.vote.kind = BASE_VOTE_FINAL;
    if (liar_random(l, 2) == 0)
        m.u.vote.sig = world_signature(&l->w->voters[l->member].signer, &m.u.vote.vote);
    liar_tell_all(l, &m);
}

static void candidate_of_another(struct world_liar *l)
{
    const struct consensus_message *good = liar_any(l, CONSENSUS_MSG_CAND);
    if (good == NULL) return;
    struct consensus_message m = *good;
    m.u.cand.slot += liar_random(l, 2);
    m.u.cand.parent_slot = CONSENSUS_NO_SLOT;
    m.u.cand.parent_hash = l->w->genesis;
    liar_tell_all(l, &m);
}

static bool hears(struct world_liar *l, size_t from, const struct consensus_message *m)
{
    (void)from;
    if (m->type != CONSENSUS_MSG_STATUS && m->type != CONSENSUS_MSG_GET) liar_keep(l, m);
    return true;
}

static void acts(struct world_liar *l)
{
    enum base_vote_kind kind = (enum base_vote_kind)(BASE_VOTE_NOTAR + liar_random(l, 3));
    switch (liar_random(l, 6)) {
    case 0:
        own_vote_again_and_again(l, kind);
        break;
    case 1:
        all_in_its_own_hand(l, kind);
        break;
    case 2:
        too_few(l, kind);
        break;
    case 3:
        turned(l);
        break;
    case 4:
        in_anothers_name(l);
        break;
    case 5:
        candidate_of_another(l);
        break;
    }
}

const struct world_liar_kind WORLD_LIAR_FORGER = {
    .name = "forger",
    .lie = "votes in other names, certificates of one hand or with a voter twice",
    .period_ms = 300,
    .hears = hears,
    .acts = acts,
};
