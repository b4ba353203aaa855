#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* Targets, votes, and what becomes of an answer that K votes agree on. */

/* ---- votes ---- */

uint32_t chain__count_votes(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask != 0; mask &= mask - 1)
        count++;
    return count;
}

uint32_t chain__endpoint_votes(const struct chain_poll *poll, uint32_t endpoints)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++)
        if ((endpoints >> i & 1) != 0) mask |= UINT32_C(1) << poll->endpoints[i].vote;
    return chain__count_votes(mask);
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
bool chain__is_on_block(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    const struct chain__round *round = &poll->round;
    return round->active && round->has_block && e->read.has_block &&
           same_block(&e->read.block, &round->block) &&
           base_hash32_equal(&e->read.old_hash, &round->old_hash);
}

bool chain__wants_state(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return chain__is_on_block(poll, e) && chain__endpoint_counts(poll, e) && !e->read.has_state &&
           !e->read.no_vote;
}

bool chain__wants_pages(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return chain__is_on_block(poll, e) && chain__endpoint_counts(poll, e) && e->read.has_state &&
           e->read.kind == CHAIN_KIND_NFTMESH && !e->read.complete && !e->read.no_vote;
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
        if (chain__count_votes(mask) < poll->agree) continue;
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

static bool figure_of(uint64_t *out, const struct chain__endpoint *e, enum chain__figure figure)
{
    switch (figure) {
    case CHAIN__FIGURE_HEIGHT:
        *out = e->height;
        return e->has_height;
    case CHAIN__FIGURE_TIME:
        *out = e->height_ms;
        return e->has_height;
    case CHAIN__FIGURE_HEAD:
        *out = e->head;
        return e->has_head;
    }
    return false;
}

bool chain__kth_largest(uint64_t *out, const struct chain_poll *poll, enum chain__figure figure)
{
    uint64_t best[CHAIN_POLL_ENDPOINTS_MAX] = {0}, values[CHAIN_POLL_ENDPOINTS_MAX];
    bool has[CHAIN_POLL_ENDPOINTS_MAX] = {false};
    size_t count = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        uint64_t value;
        if (!chain__endpoint_counts(poll, e) || !figure_of(&value, e, figure)) continue;
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
    if (!chain__kth_largest(&time_ms, poll, CHAIN__FIGURE_TIME)) return;
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
    /* What a target that came to nothing has told us of blocks above the reference is forgotten. */
    if (poll->has_reference && poll->snapshot != NULL)
        chain__moves_cut(poll, poll->reference.number);
    poll->round = (struct chain__round){.active = true, .serial = serial, .target = target};
    poll->round.has_old = poll->has_reference;
    poll->round.old_number = poll->reference.number;
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

/* What endpoints have read of another block stays with that block: chain__is_on_block() keeps it
 * out. */
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
    bool is_due = poll->since_full + 1 >= CHAIN_POLL_FULL_EVERY;
    if (poll->kind == CHAIN_KIND_PROTOTYPE)
        is_due = poll->now_ms - poll->seats_read_ms >= poll->seats_ms;
    round->read_all = !round->has_base || round->is_reorg || is_due;
    round->is_cut = false;
}

static void agree_on_block(struct chain_poll *poll)
{
    const struct chain__endpoint *best = NULL;
    uint32_t best_votes = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        uint32_t votes = chain__count_votes(header_votes(poll, e));
        if (votes < poll->agree) continue;
        if (chain__is_on_block(poll, e)) return; /* what was agreed on still is */
        if (votes > best_votes) {
            best = e;
            best_votes = votes;
        }
    }
    if (best != NULL) set_block(poll, &best->read);
}

/* ---- a reorg: how far down everything is forgotten ---- */

/* The highest former reference that K votes still stand by. False: none. */
static bool find_common(uint64_t *out, const struct chain_poll *poll)
{
    bool found = false;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__read *read = &poll->endpoints[i].read;
        uint32_t mask = 0;
        if (!chain__is_on_block(poll, &poll->endpoints[i]) || !read->has_common) continue;
        for (size_t k = 0; k < poll->endpoint_count; k++) {
            const struct chain__endpoint *e = &poll->endpoints[k];
            if (chain__is_on_block(poll, e) && e->read.has_common && e->read.common >= read->common)
                mask |= UINT32_C(1) << e->vote;
        }
        if (chain__count_votes(mask) < poll->agree || (found && read->common <= *out)) continue;
        *out = read->common;
        found = true;
    }
    return found;
}

/* Once K votes have told how far down they go: what is known of blocks above that is of a branch
 * that lost. */
static void cut(struct chain_poll *poll)
{
    uint32_t mask = 0;
    uint64_t common = 0;
    if (!poll->round.is_reorg || poll->round.is_cut) return;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        if (chain__is_on_block(poll, e) && e->read.has_state) mask |= UINT32_C(1) << e->vote;
    }
    if (chain__count_votes(mask) < poll->agree) return;
    poll->round.is_cut = true;
    bool found = find_common(&common, poll);
    if (found) {
        chain__moves_cut(poll, common);
        chain__blocks_cut(poll, common);
    } else if (poll->snapshot != NULL) {
        chain__moves_clear(poll);
        chain__blocks_clear(poll);
    }
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        if (!e->read.has_state || e->read.kind != CHAIN_KIND_PROTOTYPE) continue;
        if (!e->logs.barred) chain__moves_begin(poll, e);
        chain__prototype_settle(poll, e);
    }
}

/* ---- an answer that K votes agree on ---- */

static void agree_on_answer(struct chain_poll *poll)
{
    const struct chain__read *best = NULL;
    uint32_t best_votes = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__endpoint *e = &poll->endpoints[i];
        uint32_t mask = 0;
        if (!e->read.complete || !chain__is_on_block(poll, e)) continue;
        for (size_t k = 0; k < poll->endpoint_count; k++) {
            const struct chain__endpoint *other = &poll->endpoints[k];
            if (other->read.complete && chain__is_on_block(poll, other) &&
                base_hash32_equal(&e->read.digest, &other->read.digest))
                mask |= UINT32_C(1) << other->vote;
        }
        uint32_t votes = chain__count_votes(mask);
        if (votes >= poll->agree && votes > best_votes) {
            best = &e->read;
            best_votes = votes;
        }
    }
    if (best != NULL) chain__decide(poll, best, best_votes);
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
        if (!chain__is_on_block(poll, e) || e->read.no_vote) continue;
        bool reads = e->kind == CHAIN__REQUEST_STATE || e->kind == CHAIN__REQUEST_PAGES ||
                     e->kind == CHAIN__REQUEST_SEATS || e->kind == CHAIN__REQUEST_LOGS_UP;
        if (!e->read.complete && !reads) continue;
        mask |= UINT32_C(1) << e->vote;
        is_reading = is_reading || !e->read.complete;
    }
    return is_reading && chain__count_votes(mask) >= poll->agree &&
           poll->round.polls < CHAIN__READ_POLLS_MAX;
}

void chain__round_tick(struct chain_poll *poll)
{
    struct chain__round *round = &poll->round;
    if (!round->active) return;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        struct chain__endpoint *e = &poll->endpoints[i];
        if (!chain__is_on_block(poll, e) && !e->read.judged) e->block_due = true;
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
    chain__moves_advance(poll);
    bool has_head = chain__kth_largest(&head, poll, CHAIN__FIGURE_HEIGHT);
    if (has_head) {
        watch_head(poll, head);
        watch_good(poll, head);
    }
    if (poll->round.active && poll->round.done) {
        for (size_t i = 0; i < poll->endpoint_count; i++)
            chain__judge_endpoint(poll, &poll->endpoints[i]);
    } else if (poll->round.active) {
        agree_on_block(poll);
        cut(poll);
        if (poll->round.has_block) agree_on_answer(poll);
    }
    if ((!poll->round.active || poll->round.done) && has_head && have_spoken(poll) &&
        is_target(poll, head))
        begin_round(poll, head);
    chain__give_again(poll);
}
