#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* Blocks that somebody wants to know by number: which one is canonical there, by K votes. */

static size_t find_place(const struct chain_poll *poll, uint64_t number)
{
    size_t low = 0, high = poll->wanted_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (poll->wanted[mid].block.number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_at(const struct chain_poll *poll, size_t place, uint64_t number)
{
    return place < poll->wanted_count && poll->wanted[place].block.number == number;
}

static void remove_oldest(struct chain_poll *poll)
{
    size_t oldest = 0;
    for (size_t i = 1; i < poll->wanted_count; i++)
        if (poll->wanted[i].serial < poll->wanted[oldest].serial) oldest = i;
    if (!poll->wanted[oldest].is_known) poll->unknown_count--;
    poll->wanted_count--;
    memmove(poll->wanted + oldest, poll->wanted + oldest + 1,
            (poll->wanted_count - oldest) * sizeof *poll->wanted);
}

int chain_poll_want_block(struct chain_poll *poll, uint64_t number)
{
    size_t place = find_place(poll, number);
    if (is_at(poll, place, number)) {
        poll->wanted[place].serial = ++poll->wanted_serial;
        return BASE_OK;
    }
    if (poll->wanted == NULL) poll->wanted = calloc(CHAIN_POLL_BLOCKS_MAX, sizeof *poll->wanted);
    if (poll->wanted == NULL) return BASE_ENOMEM;
    if (poll->wanted_count == CHAIN_POLL_BLOCKS_MAX) {
        remove_oldest(poll);
        place = find_place(poll, number);
    }
    memmove(poll->wanted + place + 1, poll->wanted + place,
            (poll->wanted_count - place) * sizeof *poll->wanted);
    poll->wanted[place] =
        (struct chain__wanted){.block.number = number, .serial = ++poll->wanted_serial};
    poll->wanted_count++;
    poll->unknown_count++;
    return BASE_OK;
}

int chain_poll_block(const struct chain_poll *poll, uint64_t number, struct chain_block *out)
{
    size_t place = find_place(poll, number);
    if (!is_at(poll, place, number)) return BASE_ENOTFOUND;
    if (!poll->wanted[place].is_known) return BASE_ESTATE;
    *out = poll->wanted[place].block;
    return BASE_OK;
}

/* ---- asking ---- */

static bool is_to_be_asked(const struct chain_poll *poll, const struct chain__endpoint *e,
                           const struct chain__wanted *w)
{
    return !w->is_known && w->block.number <= poll->reference.number &&
           (w->asked >> chain__endpoint_index(poll, e) & 1) == 0;
}

bool chain__wants_blocks(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    if (poll->unknown_count == 0 || !poll->has_reference || !chain__endpoint_counts(poll, e))
        return false;
    for (size_t i = 0; i < poll->wanted_count; i++)
        if (is_to_be_asked(poll, e, &poll->wanted[i])) return true;
    return false;
}

void chain__ask_blocks(struct chain_poll *poll, struct chain__endpoint *e)
{
    e->asked_count = 0;
    for (size_t i = 0; i < poll->wanted_count && e->asked_count < CHAIN__WANTED_MAX; i++) {
        struct chain__wanted *w = &poll->wanted[i];
        if (!is_to_be_asked(poll, e, w)) continue;
        if (w->asked == 0) w->retry_ms = poll->now_ms + ((uint64_t)2000 << w->tries);
        w->asked |= UINT32_C(1) << chain__endpoint_index(poll, e);
        e->asked[e->asked_count++] = w->block.number;
        chain_rpc_ask_block(&e->request, w->block.number);
    }
}

/* ---- answers ---- */

static bool is_same(const struct chain_block *a, const struct chain_block *b)
{
    return a->time_s == b->time_s && base_hash32_equal(&a->hash, &b->hash) &&
           base_hash32_equal(&a->parent_hash, &b->parent_hash);
}

/* Where an answer is kept: with those who say the same, else in a free place, else instead of the
 * one that the fewest say. Whose answer is pushed out is asked again later. */
static size_t place_answer(const struct chain_poll *poll, const struct chain__wanted *w,
                           const struct chain_block *block)
{
    size_t place = 0;
    for (size_t i = 0; i < CHAIN__ANSWERS; i++) {
        if (w->said_by[i] != 0 && is_same(&w->answers[i], block)) return i;
        if (chain__endpoint_votes(poll, w->said_by[i]) <
            chain__endpoint_votes(poll, w->said_by[place]))
            place = i;
    }
    return place;
}

static void take_answer(struct chain_poll *poll, struct chain__wanted *w, size_t endpoint,
                        const struct chain_block *block)
{
    size_t place = place_answer(poll, w, block);
    if (w->said_by[place] == 0 || !is_same(&w->answers[place], block)) {
        w->answers[place] = *block;
        w->said_by[place] = 0;
    }
    w->said_by[place] |= UINT32_C(1) << endpoint;
    if (chain__endpoint_votes(poll, w->said_by[place]) < poll->agree) return;
    w->block = *block;
    w->is_known = true;
    poll->unknown_count--;
    poll->blocks_answered++;
}

void chain__blocks_replied(struct chain_poll *poll, struct chain__endpoint *e,
                           const struct chain_rpc_reply *reply)
{
    size_t endpoint = chain__endpoint_index(poll, e);
    for (size_t k = 0; k < e->asked_count; k++) {
        struct chain_block block;
        size_t place = find_place(poll, e->asked[k]);
        if (!is_at(poll, place, e->asked[k]) || poll->wanted[place].is_known) continue;
        /* Asked before a reorg took the question back: to be asked again. */
        if ((poll->wanted[place].asked >> endpoint & 1) == 0) continue;
        if (chain_rpc_reply_block(&block, reply, k) != BASE_OK) continue;
        if (block.number != e->asked[k]) continue;
        take_answer(poll, &poll->wanted[place], endpoint, &block);
    }
}

/* ---- again ---- */

/* No agreement yet: an endpoint may have been behind, or on another branch. */
void chain__blocks_tick(struct chain_poll *poll)
{
    for (size_t i = 0; poll->unknown_count > 0 && i < poll->wanted_count; i++) {
        struct chain__wanted *w = &poll->wanted[i];
        if (w->is_known || w->asked == 0 || poll->now_ms < w->retry_ms) continue;
        w->asked = 0;
        memset(w->said_by, 0, sizeof w->said_by);
        if (w->tries < 6) w->tries++;
    }
}

static void forget(struct chain_poll *poll, struct chain__wanted *w)
{
    if (w->is_known) {
        poll->unknown_count++;
        poll->blocks_answered++;
    }
    *w = (struct chain__wanted){.block.number = w->block.number, .serial = w->serial};
}

void chain__blocks_cut(struct chain_poll *poll, uint64_t block)
{
    for (size_t i = 0; i < poll->wanted_count; i++)
        if (poll->wanted[i].block.number > block) forget(poll, &poll->wanted[i]);
}

void chain__blocks_clear(struct chain_poll *poll)
{
    for (size_t i = 0; i < poll->wanted_count; i++)
        forget(poll, &poll->wanted[i]);
}
