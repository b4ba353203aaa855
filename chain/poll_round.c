#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* Targets, votes, and what becomes of an answer that K votes agree on. */

/* ---- votes ---- */

static uint32_t count_votes(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask != 0; mask &= mask - 1)
        count++;
    return count;
}

bool chain__endpoint_counts(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return e->up && poll->has_genesis && e->has_genesis &&
           base_hash32_equal(&e->genesis, &poll->genesis);
}

static bool same_block(const struct chain_block *a, const struct chain_block *b)
{
    return a->number == b->number && a->time_s == b->time_s &&
           base_hash32_equal(&a->hash, &b->hash) &&
           base_hash32_equal(&a->parent_hash, &b->parent_hash);
}

static bool same_header(const struct chain__read *a, const struct chain__read *b)
{
    return a->has_block && b->has_block && same_block(&a->block, &b->block) &&
           base_hash32_equal(&a->old_hash, &b->old_hash);
}

/* Does e stand on the header that K votes gave? */
static bool is_on_block(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    const struct chain__round *round = &poll->round;
    return round->active && round->has_block && e->read.has_block &&
           same_block(&e->read.block, &round->block) &&
           base_hash32_equal(&e->read.old_hash, &round->old_hash);
}

bool chain__wants_state(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return is_on_block(poll, e) && chain__endpoint_counts(poll, e) && !e->read.has_state &&
           !e->read.no_vote;
}

bool chain__wants_pages(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return is_on_block(poll, e) && chain__endpoint_counts(poll, e) && e->read.has_state &&
           !e->read.complete && !e->read.no_vote;
}

/* ---- genesis: first seen, but by K votes ---- */

static void pin_genesis(struct chain_poll *poll)
{
    if (poll->has_genesis) return;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        uint32_t mask = 0;
        if (!e->up || !e->has_genesis) continue;
        for (size_t k = 0; k < poll->endpoint_count; k++) {
            const struct chain__endpoint *other = &poll->endpoints[k];
            if (other->up && other->has_genesis && base_hash32_equal(&e->genesis, &other->genesis))
                mask |= UINT32_C(1) << other->vote;
        }
        if (count_votes(mask) < poll->agree) continue;
        poll->genesis = e->genesis;
        poll->has_genesis = true;
        chain__note(poll, CHAIN_POLL_NOTE_GENESIS, CHAIN_NONE, 0, "genesis block pinned");
        break;
    }
    for (size_t i = 0; poll->has_genesis && i < poll->endpoint_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        if (e->up && !chain__endpoint_counts(poll, e))
            chain__endpoint_bad(poll, e, "another genesis block: not our chain");
    }
}

/* ---- heights ---- */

static void sort_descending(uint64_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && values[k - 1] < values[k]; k--) {
            uint64_t swapped = values[k];
            values[k] = values[k - 1];
            values[k - 1] = swapped;
        }
}

/* The K-th largest of what each vote has: its largest height, or the time of its last one. */
static bool kth_largest(uint64_t *out, const struct chain_poll *poll, bool of_times)
{
    uint64_t best[CHAIN_POLL_ENDPOINTS_MAX] = {0}, values[CHAIN_POLL_ENDPOINTS_MAX];
    bool has[CHAIN_POLL_ENDPOINTS_MAX] = {false};
    size_t count = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        if (!chain__endpoint_counts(poll, e) || !e->has_height) continue;
        uint64_t value = of_times ? e->height_ms : e->height;
        if (!has[e->vote] || value > best[e->vote]) best[e->vote] = value;
        has[e->vote] = true;
    }
    for (size_t v = 0; v < poll->votes; v++)
        if (has[v]) values[count++] = best[v];
    if (count < poll->agree) return false;
    sort_descending(values, count);
    *out = values[poll->agree - 1];
    return true;
}

/* A head below the reference never replaces anything; one that stays there is an emergency. */
static void watch_head(struct chain_poll *poll, uint64_t head)
{
    if (!poll->has_reference || head >= poll->reference.number) {
        poll->is_stale = poll->stale_noted = false;
        return;
    }
    if (!poll->is_stale) poll->stale_since_ms = poll->now_ms;
    poll->is_stale = true;
    uint64_t since_ms = poll->now_ms - poll->stale_since_ms;
    if (!poll->stale_noted && since_ms >= CHAIN_POLL_KEEP * chain__interval_ms(poll)) {
        poll->stale_noted = true;
        chain__note(poll, CHAIN_POLL_NOTE_STALE_HEAD, CHAIN_NONE, head,
                    "agreed head %llu is below the reference %llu", (unsigned long long)head,
                    (unsigned long long)poll->reference.number);
    }
    if (!poll->went_back && since_ms >= CHAIN_POLL_WENT_BACK_MS) {
        poll->went_back = true;
        chain__note(poll, CHAIN_POLL_NOTE_WENT_BACK, CHAIN_NONE, head,
                    "agreed head %llu below the reference %llu for an hour",
                    (unsigned long long)head, (unsigned long long)poll->reference.number);
    }
}

/* K votes say that nothing is newer than what we have: that is news too. */
static void watch_good(struct chain_poll *poll, uint64_t head)
{
    uint64_t time_ms;
    if (poll->snapshot == NULL || head != poll->reference.number) return;
    if (!kth_largest(&time_ms, poll, true)) return;
    if (time_ms > poll->good_ms) poll->good_ms = time_ms;
}

static bool is_target(const struct chain_poll *poll, uint64_t head)
{
    if (poll->has_refused && head <= poll->refused) return false;
    if (!poll->has_reference || head > poll->reference.number) return true;
    /* After a restart the old reference itself will do: there may be no newer block for long. */
    return poll->snapshot == NULL && head == poll->reference.number;
}

/* At the very start everybody gets a moment to give a height: else the two fastest of three, of
 * which one is stuck in the past, would make us begin there. */
static bool have_spoken(const struct chain_poll *poll)
{
    if (poll->snapshot != NULL || poll->now_ms - poll->started_ms >= CHAIN_POLL_INTERVAL_MS)
        return true;
    for (size_t i = 0; i < poll->endpoint_count; i++)
        if (!poll->endpoints[i].has_reply && poll->endpoints[i].failures == 0) return false;
    return true;
}

static void begin_round(struct chain_poll *poll, uint64_t target)
{
    uint64_t serial = poll->round.serial + 1;
    poll->round = (struct chain__round){.active = true, .serial = serial, .target = target};
    poll->round.root_count = poll->root_count;
    memcpy(poll->round.roots, poll->roots, sizeof poll->roots);
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        chain__read_clear(&poll->endpoints[i].read);
        poll->endpoints[i].block_due = true;
    }
}

/* ---- the target's header ---- */

static uint32_t header_votes(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    uint32_t mask = 0;
    if (!e->read.has_block) return 0;
    for (size_t i = 0; i < poll->endpoint_count; i++)
        if (same_header(&e->read, &poll->endpoints[i].read))
            mask |= UINT32_C(1) << poll->endpoints[i].vote;
    return mask;
}

/* What endpoints have read of another block stays with that block: is_on_block() keeps it out. */
static void set_block(struct chain_poll *poll, const struct chain__read *read)
{
    struct chain__round *round = &poll->round;
    round->has_block = true;
    round->block = read->block;
    round->old_hash = read->old_hash;
    round->is_reorg =
        poll->has_reference && !base_hash32_equal(&read->old_hash, &poll->reference.hash);
    round->has_base = poll->snapshot != NULL;
    if (round->has_base) round->base_revision = poll->snapshot->revision;
    round->read_all =
        !round->has_base || round->is_reorg || poll->since_full + 1 >= CHAIN_POLL_FULL_EVERY;
}

static void agree_on_block(struct chain_poll *poll)
{
    const struct chain__endpoint *best = NULL;
    uint32_t best_votes = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        uint32_t votes = count_votes(header_votes(poll, e));
        if (votes < poll->agree) continue;
        if (is_on_block(poll, e)) return; /* what was agreed on still is */
        if (votes > best_votes) {
            best = e;
            best_votes = votes;
        }
    }
    if (best != NULL) set_block(poll, &best->read);
}

/* ---- an answer that K votes agree on ---- */

static bool is_member(const struct chain_seat *seat)
{
    return seat != NULL && seat->has_keys && seat->active;
}

static bool drops_third(const struct chain_snapshot *before, const struct chain_snapshot *after)
{
    size_t members = 0, dropped = 0;
    for (size_t i = 0; i < before->seat_count; i++) {
        if (!is_member(&before->seats[i])) continue;
        members++;
        if (!is_member(chain_snapshot_find_key(after, &before->seats[i].node_key))) dropped++;
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

static int build_snapshot(struct chain_snapshot **out, const struct chain_poll *poll,
                          const struct chain__read *read)
{
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

static void judge_endpoint(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct chain__read *read = &e->read;
    if (read->judged || !read->has_block) return;
    if (!is_on_block(poll, e)) {
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
        judge_endpoint(poll, e);
    }
}

/* ---- accept ---- */

static void accept(struct chain_poll *poll, const struct chain__read *read,
                   struct chain_snapshot *snapshot, struct chain_snapshot *given)
{
    struct chain__round *round = &poll->round;
    bool stood = read->seats == NULL && read->state.seat_count > 0;
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
    assert(poll->out->count < CHAIN_POLL_ACTIONS_MAX - CHAIN_POLL_ENDPOINTS_MAX);
    poll->out->items[poll->out->count++] = (struct chain_poll_action){
        .kind = CHAIN_POLL_SNAPSHOT, .endpoint = CHAIN_NONE, .snapshot = given};
    judge_endpoints(poll);
}

static void decide(struct chain_poll *poll, const struct chain__read *read, uint32_t votes)
{
    struct chain_snapshot *snapshot = NULL, *given = NULL;
    unsigned long long target = poll->round.target;
    if (poll->has_reference && poll->round.block.time_s < poll->reference.time_s) {
        chain__note(poll, CHAIN_POLL_NOTE_TIME, CHAIN_NONE, poll->round.target,
                    "block %llu is older than the reference", target);
        refuse(poll);
        return;
    }
    if (poll->round.drop_noted && votes < 2) return; /* still one vote's word */
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

static void agree_on_answer(struct chain_poll *poll)
{
    const struct chain__read *best = NULL;
    uint32_t best_votes = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        uint32_t mask = 0;
        if (!e->read.complete || !is_on_block(poll, e)) continue;
        for (size_t k = 0; k < poll->endpoint_count; k++) {
            const struct chain__endpoint *other = &poll->endpoints[k];
            if (other->read.complete && is_on_block(poll, other) &&
                base_hash32_equal(&e->read.digest, &other->read.digest))
                mask |= UINT32_C(1) << other->vote;
        }
        uint32_t votes = count_votes(mask);
        if (votes >= poll->agree && votes > best_votes) {
            best = &e->read;
            best_votes = votes;
        }
    }
    if (best != NULL) decide(poll, best, best_votes);
}

/* ---- the round's clock ---- */

/* A slow reading that may still succeed is not given up: K votes on the header, of which some
 * are still reading. */
static bool is_being_read(const struct chain_poll *poll)
{
    uint32_t mask = 0;
    bool is_reading = false;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        if (!is_on_block(poll, e) || e->read.no_vote) continue;
        if (!e->read.complete && e->kind != CHAIN__REQUEST_STATE && e->kind != CHAIN__REQUEST_PAGES)
            continue;
        mask |= UINT32_C(1) << e->vote;
        is_reading = is_reading || !e->read.complete;
    }
    return is_reading && count_votes(mask) >= poll->agree &&
           poll->round.polls < CHAIN__READ_POLLS_MAX;
}

void chain__round_tick(struct chain_poll *poll)
{
    struct chain__round *round = &poll->round;
    if (!round->active) return;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        if (!is_on_block(poll, e) && !e->read.judged) e->block_due = true;
    }
    if (round->done) return;
    round->polls++;
    if (round->polls < CHAIN_POLL_KEEP || is_being_read(poll)) return;
    chain__note(poll, CHAIN_POLL_NOTE_NO_AGREEMENT, CHAIN_NONE, round->target,
                "no %lu endpoints agreed on block %llu%s", (unsigned long)poll->agree,
                (unsigned long long)round->target, round->has_block ? "'s seats" : "");
    round->active = false;
}

void chain__round_advance(struct chain_poll *poll)
{
    uint64_t head = 0;
    pin_genesis(poll);
    bool has_head = kth_largest(&head, poll, false);
    if (has_head) {
        watch_head(poll, head);
        watch_good(poll, head);
    }
    if (poll->round.active && poll->round.done) {
        for (size_t i = 0; i < poll->endpoint_count; i++)
            judge_endpoint(poll, &poll->endpoints[i]);
    } else if (poll->round.active) {
        agree_on_block(poll);
        if (poll->round.has_block) agree_on_answer(poll);
    }
    if ((!poll->round.active || poll->round.done) && has_head && have_spoken(poll) &&
        is_target(poll, head))
        begin_round(poll, head);
}
