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
