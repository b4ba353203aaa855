#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* What becomes of an answer that K votes agree on: refused, held back, or the new snapshot. */

#define GIVEN_AGAIN_MS 1000

static bool is_member(const struct chain_seat *seat)
{
    return seat != NULL && seat->has_keys && seat->active;
}

/* The prototype's seats have no keys: an instance on the same token is what keys stand on. */
static bool is_instance(const struct chain_seat *seat)
{
    return seat->active && !base_is_zero(seat->instance.bytes, sizeof seat->instance.bytes);
}

static bool keeps_instance(const struct chain_snapshot *after, const struct chain_seat *before)
{
    const struct chain_seat *seat = chain_snapshot_find_token(after, &before->token_id);
    return seat != NULL && is_instance(seat) && base_address_equal(&seat->owner, &before->owner) &&
           base_address_equal(&seat->instance, &before->instance);
}

static bool drops_third(const struct chain_snapshot *before, const struct chain_snapshot *after)
{
    size_t members = 0, dropped = 0;
    for (size_t i = 0; i < before->seat_count; i++) {
        const struct chain_seat *seat = &before->seats[i];
        bool is_prototype = before->kind == CHAIN_KIND_PROTOTYPE;
        if (is_prototype ? !is_instance(seat) : !is_member(seat)) continue;
        members++;
        if (is_prototype ? !keeps_instance(after, seat)
                         : !is_member(chain_snapshot_find_key(after, &seat->node_key)))
            dropped++;
    }
    return dropped * 3 > members;
}

static void refuse(struct chain_poll *poll)
{
    poll->has_refused = true;
    poll->refused = poll->round.target;
    poll->round.active = false;
}

/* One vote's word is not enough to drop many: a second one must say so, or, where there is none,
 * three references in a row. True: wait or refuse. */
static bool is_held_back(struct chain_poll *poll, const struct chain_snapshot *after,
                         uint32_t votes)
{
    if (poll->snapshot == NULL || votes >= 2 || !drops_third(poll->snapshot, after)) return false;
    if (poll->votes == 1) {
        if (poll->drop_count == 0) poll->drop_since_ms = poll->now_ms;
        poll->drop_count++;
        if (poll->drop_count >= CHAIN__DROP_REFERENCES &&
            poll->now_ms - poll->drop_since_ms >= CHAIN__DROP_MS)
            return false;
    }
    if (!poll->round.drop_noted)
        chain__note(poll, CHAIN_POLL_NOTE_DROPS_THIRD, CHAIN_NONE, poll->round.target,
                    "block %llu would drop more than a third of the members on one vote's word",
                    (unsigned long long)poll->round.target);
    poll->round.drop_noted = true;
    if (poll->votes == 1) refuse(poll);
    return true;
}

static int build_prototype(struct chain_snapshot **out, const struct chain_poll *poll,
                           const struct chain__read *read)
{
    const struct chain__round *round = &poll->round;
    struct chain_snapshot head = {.kind = CHAIN_KIND_PROTOTYPE,
                                  .chain_id = poll->chain_id,
                                  .contract = poll->contract,
                                  .block = round->block,
                                  .kms_root = read->state.kms_root,
                                  .root_epoch = 1,
                                  .app_id_count = poll->app_id_count,
                                  .root_count = round->root_count,
                                  .revision = read->state.revision,
                                  .transfers_from_block = CHAIN_BLOCK_NONE};
    memcpy(head.app_ids, poll->app_ids, sizeof head.app_ids);
    for (size_t i = 0; i < round->root_count; i++)
        head.roots[i] = (struct chain_root){.root = round->roots[i], .epoch = 1};
    if (read->stage == CHAIN__STAGE_STANDS)
        return chain_snapshot_new(out, &head, poll->snapshot->seats, poll->snapshot->seat_count);
    return chain_snapshot_new(out, &head, read->seats, read->seat_count);
}

static int build_snapshot(struct chain_snapshot **out, const struct chain_poll *poll,
                          const struct chain__read *read)
{
    if (read->kind == CHAIN_KIND_PROTOTYPE) return build_prototype(out, poll, read);
    const struct chain__round *round = &poll->round;
    struct chain_snapshot head = {.kind = CHAIN_KIND_NFTMESH,
                                  .chain_id = poll->chain_id,
                                  .contract = poll->contract,
                                  .block = round->block,
                                  .kms_root = read->state.kms_root,
                                  .root_epoch = read->state.root_epoch,
                                  .app_id_count = read->state.app_id_count,
                                  .root_count = round->root_count,
                                  .revision = read->state.revision};
    memcpy(head.app_ids, read->state.app_ids, sizeof head.app_ids);
    for (size_t i = 0; i < round->root_count; i++)
        head.roots[i] = (struct chain_root){.root = round->roots[i], .epoch = read->root_epochs[i]};
    if (read->seats != NULL || read->state.seat_count == 0)
        return chain_snapshot_new(out, &head, read->seats, (size_t)read->state.seat_count);
    if (poll->snapshot->seat_count != read->state.seat_count) return BASE_EMALFORMED;
    return chain_snapshot_new(out, &head, poll->snapshot->seats, poll->snapshot->seat_count);
}

static void remember_block_time(struct chain_poll *poll, const struct chain_block *next)
{
    const struct chain_block *before = &poll->reference;
    if (!poll->has_reference || next->number <= before->number || next->time_s < before->time_s)
        return;
    uint64_t seconds = next->time_s - before->time_s;
    if (seconds > 86400) seconds = 86400;
    poll->block_times_ms[poll->block_time_next] = seconds * 1000 / (next->number - before->number);
    poll->block_time_next = (poll->block_time_next + 1) % CHAIN__BLOCK_TIMES;
    if (poll->block_time_count < CHAIN__BLOCK_TIMES) poll->block_time_count++;
}

static void remember_reference(struct chain_poll *poll)
{
    if (!poll->has_reference || poll->reference.number == poll->round.target) return;
    if (poll->past_count == CHAIN__PAST_MAX) {
        memmove(poll->past, poll->past + 1, (CHAIN__PAST_MAX - 1) * sizeof *poll->past);
        poll->past_count--;
    }
    poll->past[poll->past_count++] =
        (struct chain__past){.number = poll->reference.number, .hash = poll->reference.hash};
}

static void note_reorg(struct chain_poll *poll, const struct chain__read *read)
{
    uint64_t depth = 1;
    const char *bound = "at least";
    if (read->has_common) {
        depth = poll->reference.number - read->common;
        bound = "at most";
    } else if (poll->past_count > 0) {
        depth = poll->reference.number - poll->past[0].number;
        bound = "more than";
    }
    poll->reorgs++;
    chain__note(poll, CHAIN_POLL_NOTE_REORG, CHAIN_NONE, depth,
                "reference %llu is no longer canonical: a reorg of %s %llu blocks",
                (unsigned long long)poll->reference.number, bound, (unsigned long long)depth);
    while (poll->past_count > 0 &&
           (!read->has_common || poll->past[poll->past_count - 1].number > read->common))
        poll->past_count--;
}

/* ---- agreement, endpoint by endpoint ---- */

static void differ(struct chain_poll *poll, struct chain__endpoint *e, const char *what)
{
    if (e->agreement != CHAIN_POLL_AGREEMENT_DIFFERS && !e->read.no_vote)
        chain__note(poll, CHAIN_POLL_NOTE_DISAGREEMENT, chain__endpoint_index(poll, e),
                    poll->round.target, "%s at block %llu than the others agree on", what,
                    (unsigned long long)poll->round.target);
    e->agreement = CHAIN_POLL_AGREEMENT_DIFFERS;
    e->read.judged = true;
}

void chain__judge_endpoint(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct chain__read *read = &e->read;
    if (read->judged || !read->has_block) return;
    if (!chain__is_on_block(poll, e)) {
        differ(poll, e, "another block hash");
    } else if (read->no_vote) {
        differ(poll, e, "nothing usable");
    } else if (read->complete && !base_hash32_equal(&read->digest, &poll->round.digest)) {
        differ(poll, e, "another answer");
    } else if (read->complete) {
        read->judged = true;
        if (e->up) e->agreement = CHAIN_POLL_AGREEMENT_AGREES;
        e->last_bad[0] = '\0';
    }
    if (!read->judged) return;
    free(read->seats);
    read->seats = NULL;
}

static void judge_endpoints(struct chain_poll *poll)
{
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        if (!e->read.has_block && chain__endpoint_counts(poll, e) &&
            e->agreement != CHAIN_POLL_AGREEMENT_DIFFERS)
            e->agreement = CHAIN_POLL_AGREEMENT_BEHIND;
        chain__judge_endpoint(poll, e);
    }
}

/* ---- accept ---- */

/* What stays of an agreed reading of the prototype's contract. */
static void keep_prototype(struct chain_poll *poll, const struct chain__read *read)
{
    if (read->stage == CHAIN__STAGE_READ) poll->seats_read_ms = poll->now_ms;
    poll->supply_hash = read->supply_hash;
    poll->seats_hash = read->seats_hash;
    chain__moves_accept(poll);
}

static void keep_kind(struct chain_poll *poll, enum chain_kind kind)
{
    poll->kind_noted = false;
    if (poll->kind != CHAIN_KIND_UNKNOWN) return;
    poll->kind = kind;
    chain__note(poll, CHAIN_POLL_NOTE_KIND, CHAIN_NONE, (uint64_t)kind, "%s",
                kind == CHAIN_KIND_PROTOTYPE
                    ? "the prototype's contract: keys come from the owners' authorisations"
                    : "an nftmesh contract");
}

static void give(struct chain_poll *poll, struct chain_snapshot *given)
{
    if (poll->kind == CHAIN_KIND_PROTOTYPE) chain__moves_fill(poll, given);
    poll->moves.changed = false;
    poll->given_ms = poll->now_ms;
    assert(poll->out->count < CHAIN_POLL_ACTIONS_MAX - CHAIN_POLL_ENDPOINTS_MAX);
    poll->out->items[poll->out->count++] = (struct chain_poll_action){
        .kind = CHAIN_POLL_SNAPSHOT, .endpoint = CHAIN_NONE, .snapshot = given};
}

static void accept(struct chain_poll *poll, const struct chain__read *read,
                   struct chain_snapshot *snapshot, struct chain_snapshot *given)
{
    struct chain__round *round = &poll->round;
    bool is_prototype = read->kind == CHAIN_KIND_PROTOTYPE;
    bool stood = is_prototype ? read->stage == CHAIN__STAGE_STANDS
                              : read->seats == NULL && read->state.seat_count > 0;
    if (round->is_reorg) {
        note_reorg(poll, read);
    } else {
        remember_reference(poll);
        remember_block_time(poll, &round->block);
    }
    poll->since_full = stood ? poll->since_full + 1 : 0;
    poll->full_reads += stood ? 0 : 1;
    poll->references++;
    poll->has_reference = true;
    poll->reference = round->block;
    poll->has_refused = false;
    poll->drop_count = 0;
    poll->has_good = true;
    poll->good_ms = poll->now_ms;
    chain_snapshot_free(poll->snapshot);
    poll->snapshot = snapshot;
    round->done = true;
    round->digest = read->digest;
    keep_kind(poll, read->kind);
    if (is_prototype) keep_prototype(poll, read);
    give(poll, given);
    judge_endpoints(poll);
}

/* The same block, of whose past more is known now. */
void chain__give_again(struct chain_poll *poll)
{
    struct chain_snapshot *given;
    if (poll->kind != CHAIN_KIND_PROTOTYPE || poll->snapshot == NULL || !poll->moves.changed ||
        poll->moves.to != poll->reference.number || poll->now_ms - poll->given_ms < GIVEN_AGAIN_MS)
        return;
    const struct chain_snapshot *s = poll->snapshot;
    if (chain_snapshot_new(&given, s, s->seats, s->seat_count) != BASE_OK)
        poll->error = BASE_ENOMEM;
    else
        give(poll, given);
}

/* The contract is another one than at the first snapshot: nothing of that is believed. */
static bool is_other_kind(struct chain_poll *poll, enum chain_kind kind)
{
    if (poll->kind == CHAIN_KIND_UNKNOWN || poll->kind == kind) return false;
    if (!poll->kind_noted)
        chain__note(poll, CHAIN_POLL_NOTE_KIND_CHANGED, CHAIN_NONE, (uint64_t)kind,
                    "block %llu: the contract is of kind %s now, not %s: refused",
                    (unsigned long long)poll->round.target, chain_kind_name(kind),
                    chain_kind_name(poll->kind));
    poll->kind_noted = true;
    refuse(poll);
    return true;
}

void chain__decide(struct chain_poll *poll, const struct chain__read *read, uint32_t votes)
{
    struct chain_snapshot *snapshot = NULL, *given = NULL;
    unsigned long long target = poll->round.target;
    if (poll->has_reference && poll->round.block.time_s < poll->reference.time_s) {
        chain__note(poll, CHAIN_POLL_NOTE_TIME, CHAIN_NONE, poll->round.target,
                    "block %llu is older than the reference", target);
        refuse(poll);
        return;
    }
    if (is_other_kind(poll, read->kind)) return;
    if (poll->round.drop_noted && votes < 2) return; /* still one vote's word */
    if (read->kind == CHAIN_KIND_PROTOTYPE && chain__moves_hold(poll)) return;
    int rv = build_snapshot(&snapshot, poll, read);
    if (rv == BASE_OK && is_held_back(poll, snapshot, votes)) {
        chain_snapshot_free(snapshot);
        return;
    }
    if (rv == BASE_OK)
        rv = chain_snapshot_new(&given, snapshot, snapshot->seats, snapshot->seat_count);
    if (rv == BASE_OK) {
        accept(poll, read, snapshot, given);
        return;
    }
    chain_snapshot_free(snapshot);
    if (rv == BASE_ENOMEM) {
        poll->error = rv;
        return;
    }
    chain__note(poll, CHAIN_POLL_NOTE_SNAPSHOT_BAD, CHAIN_NONE, poll->round.target,
                "block %llu: agreed, but no registry: %s", target, base_strerror(rv));
    refuse(poll);
}
