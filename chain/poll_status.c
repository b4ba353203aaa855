#include <assert.h>

#include "chain/chain_internal.h"

/* Read-outs and names. */

void chain_poll_status(const struct chain_poll *poll, struct chain_poll_status *out)
{
    enum chain_poll_trust trust = CHAIN_POLL_MAJORITY;
    if (poll->votes == 1)
        trust = CHAIN_POLL_SINGLE;
    else if (poll->agree <= poll->votes / 2)
        trust = CHAIN_POLL_ANY;
    *out = (struct chain_poll_status){
        .trust = trust,
        .votes = poll->votes,
        .agree = poll->agree,
        .has_reference = poll->has_reference,
        .reference = poll->reference,
        .has_snapshot = poll->snapshot != NULL,
        .has_good = poll->has_good,
        .good_ms = poll->good_ms,
        .went_back = poll->went_back,
        .has_genesis = poll->has_genesis,
        .genesis = poll->genesis,
        .has_target = poll->round.active && !poll->round.done,
        .target = poll->round.target,
        .poll_ms = chain__interval_ms(poll),
        .kind = poll->kind,
        .references = poll->references,
        .full_reads = poll->full_reads,
        .reorgs = poll->reorgs,
        .blocks_answered = poll->blocks_answered,
    };
    chain__moves_status(poll, out);
}

size_t chain_poll_endpoint_count(const struct chain_poll *poll)
{
    return poll->endpoint_count;
}

void chain_poll_endpoint(const struct chain_poll *poll, size_t index,
                         struct chain_poll_endpoint *out)
{
    assert(index < poll->endpoint_count);
    const struct chain__endpoint *e = &poll->endpoints[index];
    *out = (struct chain_poll_endpoint){
        .url = e->url,
        .vote = e->vote,
        .up = e->up,
        .has_height = e->has_height,
        .height = e->height,
        .agreement = e->agreement,
        .requests = e->requests,
        .failures = e->failures,
        .has_reply = e->has_reply,
        .reply_ms = e->reply_ms,
        .latency_ms = e->latency_ms,
        .last_error = e->last_error,
    };
}

const char *chain_poll_trust_name(enum chain_poll_trust trust)
{
    switch (trust) {
    case CHAIN_POLL_SINGLE:
        return "single";
    case CHAIN_POLL_MAJORITY:
        return "majority";
    case CHAIN_POLL_ANY:
        return "any";
    }
    assert(false && "a trust of ours");
    return "";
}

const char *chain_poll_note_name(enum chain_poll_note note)
{
    switch (note) {
    case CHAIN_POLL_NOTE_ENDPOINT_BAD:
        return "endpoint_bad";
    case CHAIN_POLL_NOTE_ENDPOINT_FAILED:
        return "endpoint_failed";
    case CHAIN_POLL_NOTE_ENDPOINT_UP:
        return "endpoint_up";
    case CHAIN_POLL_NOTE_DISAGREEMENT:
        return "disagreement";
    case CHAIN_POLL_NOTE_NO_AGREEMENT:
        return "no_agreement";
    case CHAIN_POLL_NOTE_REORG:
        return "reorg";
    case CHAIN_POLL_NOTE_STALE_HEAD:
        return "stale_head";
    case CHAIN_POLL_NOTE_WENT_BACK:
        return "chain_went_back";
    case CHAIN_POLL_NOTE_TIME:
        return "time";
    case CHAIN_POLL_NOTE_DROPS_THIRD:
        return "drops_third";
    case CHAIN_POLL_NOTE_SNAPSHOT_BAD:
        return "snapshot_bad";
    case CHAIN_POLL_NOTE_GENESIS:
        return "genesis_pinned";
    case CHAIN_POLL_NOTE_KIND:
        return "contract_kind";
    case CHAIN_POLL_NOTE_KIND_CHANGED:
        return "contract_kind_changed";
    case CHAIN_POLL_NOTE_TRANSFERS:
        return "transfers_verified";
    }
    assert(false && "a note of ours");
    return "";
}
