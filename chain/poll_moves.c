#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* Transfers: which tokens changed hands, and when, as far back as it matters. An endpoint's logs
 * are its word only: a transfer counts with K votes behind it, and a block is covered when K votes
 * have shown all of its logs and none of what any endpoint shows there is in doubt. */

#define ALONE_MS         5000 /* then also those are asked that have not come to the block */
#define LOGS_RETRY_MS    250
#define SPAN_GROWS_AFTER 4

static struct base_hash32 transfer_topic(void)
{
    static const char signature[] = "Transfer(address,address,uint256)";
    struct base_hash32 out;
    base_keccak256(&out, signature, sizeof signature - 1);
    return out;
}

static uint32_t bit_of(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return UINT32_C(1) << chain__endpoint_index(poll, e);
}

/* ---- transfers that count ---- */

static struct chain__token_moves *moves_of(struct chain_poll *poll, uint32_t token)
{
    struct chain__moves *m = &poll->moves;
    if (m->tokens == NULL) m->tokens = calloc(CHAIN__TOKENS_MAX, sizeof *m->tokens);
    return m->tokens == NULL ? NULL : &m->tokens[token];
}

static bool has_move(const struct chain_poll *poll, uint32_t token, uint64_t block)
{
    if (poll->moves.tokens == NULL) return false;
    const struct chain__token_moves *t = &poll->moves.tokens[token];
    for (uint8_t i = 0; i < t->count; i++)
        if (t->blocks[i] == block) return true;
    return t->more && block < t->blocks[CHAIN__MOVES_KEPT - 1];
}

/* False: no memory. */
static bool add_move(struct chain_poll *poll, uint32_t token, uint64_t block)
{
    if (has_move(poll, token, block)) return true;
    struct chain__token_moves *t = moves_of(poll, token);
    if (t == NULL) return false;
    uint8_t place = 0;
    while (place < t->count && t->blocks[place] > block)
        place++;
    /* What the running round finds above the reference is given with its own snapshot. */
    if (poll->moves.to != CHAIN_BLOCK_NONE && block <= poll->moves.to) poll->moves.changed = true;
    if (place == CHAIN__MOVES_KEPT) {
        t->more = true;
        return true;
    }
    if (t->count == CHAIN__MOVES_KEPT)
        t->more = true;
    else
        t->count++;
    memmove(t->blocks + place + 1, t->blocks + place,
            (size_t)(t->count - 1 - place) * sizeof t->blocks[0]);
    t->blocks[place] = block;
    return true;
}

/* When all that were kept are gone, and older ones had been let go, the newest of these was at
 * block or before: at block is the safe thing to say. */
static void cut_token(struct chain__token_moves *t, uint64_t block)
{
    uint8_t gone = 0;
    while (gone < t->count && t->blocks[gone] > block)
        gone++;
    if (gone == 0) return;
    t->count = (uint8_t)(t->count - gone);
    memmove(t->blocks, t->blocks + gone, t->count * sizeof t->blocks[0]);
    if (t->count > 0 || !t->more) {
        t->more = t->more && t->count == CHAIN__MOVES_KEPT;
        return;
    }
    t->blocks[0] = block;
    t->count = 1;
    t->more = false;
}

/* ---- candidates ---- */

static bool is_same_log(const struct chain_rpc_logged *a, const struct chain_rpc_logged *b)
{
    return a->block_number == b->block_number &&
           base_hash32_equal(&a->block_hash, &b->block_hash) &&
           base_hash32_equal(&a->tx_hash, &b->tx_hash) &&
           memcmp(a->log.topics, b->log.topics, sizeof a->log.topics) == 0;
}

static struct chain__candidate *find_candidate(struct chain_poll *poll,
                                               const struct chain_rpc_logged *logged)
{
    for (size_t i = 0; i < poll->moves.candidate_count; i++)
        if (is_same_log(&poll->moves.candidates[i].logged, logged))
            return &poll->moves.candidates[i];
    return NULL;
}

static size_t shown_alone(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    size_t count = 0;
    for (size_t i = 0; i < poll->moves.candidate_count; i++)
        count += poll->moves.candidates[i].shown == bit_of(poll, e) ? 1 : 0;
    return count;
}

static int add_candidate(struct chain_poll *poll, const struct chain__endpoint *e, uint32_t token,
                         const struct chain_rpc_logged *logged)
{
    struct chain__moves *m = &poll->moves;
    struct chain__candidate *c = find_candidate(poll, logged);
    if (c != NULL) {
        c->shown |= bit_of(poll, e);
        return BASE_OK;
    }
    if (has_move(poll, token, logged->block_number)) return BASE_OK;
    if (shown_alone(poll, e) >= CHAIN__SHOWN_ALONE_MAX) return BASE_EFULL;
    if (m->candidate_count == m->candidate_room) {
        size_t room = m->candidate_room == 0 ? 64 : 2 * m->candidate_room;
        void *grown = realloc(m->candidates, room * sizeof *m->candidates);
        if (grown == NULL) return BASE_ENOMEM;
        m->candidates = grown;
        m->candidate_room = room;
    }
    m->candidates[m->candidate_count++] = (struct chain__candidate){.logged = *logged,
                                                                    .token = token,
                                                                    .serial = m->next_serial++,
                                                                    .since_ms = poll->now_ms,
                                                                    .shown = bit_of(poll, e)};
    return BASE_OK;
}

static void remove_candidate(struct chain_poll *poll, size_t i)
{
    struct chain__moves *m = &poll->moves;
    m->candidates[i] = m->candidates[--m->candidate_count];
}

/* ---- memory; forgetting ---- */

int chain__moves_new(struct chain_poll *poll, const struct chain_transfers *kept)
{
    struct chain__moves *m = &poll->moves;
    m->from = m->to = CHAIN_BLOCK_NONE;
    if (kept == NULL || kept->from_block > kept->to_block || kept->count > CHAIN_POLL_TRANSFERS_MAX)
        return BASE_OK;
    m->kept = calloc(kept->count + 1, sizeof *m->kept);
    if (m->kept == NULL) return BASE_ENOMEM;
    for (size_t i = 0; i < kept->count; i++)
        if (kept->items[i].token < CHAIN__TOKENS_MAX) m->kept[m->kept_count++] = kept->items[i];
    m->has_kept = true;
    m->kept_from = kept->from_block;
    m->kept_to = kept->to_block;
    m->kept_hash = kept->to_hash;
    return chain_poll_want_block(poll, m->kept_to);
}

static void drop_kept(struct chain__moves *m)
{
    free(m->kept);
    m->kept = NULL;
    m->kept_count = 0;
    m->has_kept = m->is_kept_true = false;
}

void chain__moves_free(struct chain_poll *poll)
{
    free(poll->moves.kept);
    free(poll->moves.tokens);
    free(poll->moves.candidates);
}

void chain__moves_clear(struct chain_poll *poll)
{
    struct chain__moves *m = &poll->moves;
    drop_kept(m);
    free(m->tokens);
    m->tokens = NULL;
    m->candidate_count = 0;
    m->from = m->to = CHAIN_BLOCK_NONE;
    m->done = m->done_noted = false;
    m->changed = true;
    for (size_t i = 0; i < poll->endpoint_count; i++)
        poll->endpoints[i].logs.has = poll->endpoints[i].logs.done = false;
}

static void cut_endpoint(struct chain__logs *logs, uint64_t block)
{
    if (!logs->has || logs->to <= block) return;
    logs->to = block;
    if (logs->from > block) logs->has = logs->done = false;
}

void chain__moves_cut(struct chain_poll *poll, uint64_t block)
{
    struct chain__moves *m = &poll->moves;
    for (size_t i = 0; i < poll->endpoint_count; i++)
        cut_endpoint(&poll->endpoints[i].logs, block);
    for (size_t t = 0; m->tokens != NULL && t < CHAIN__TOKENS_MAX; t++)
        cut_token(&m->tokens[t], block);
    for (size_t i = m->candidate_count; i-- > 0;)
        if (m->candidates[i].logged.block_number > block) remove_candidate(poll, i);
    if (m->has_kept && m->kept_to > block) {
        m->kept_to = block;
        if (!m->is_kept_true || m->kept_from > block) drop_kept(m);
    }
    if (m->to == CHAIN_BLOCK_NONE || m->to <= block) return;
    m->to = block;
    m->changed = true;
    if (m->from > block) m->from = CHAIN_BLOCK_NONE;
}

/* ---- what is to be asked ---- */

void chain__moves_begin(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct chain__logs *logs = &e->logs;
    if (logs->span == 0) logs->span = CHAIN_POLL_LOG_BLOCKS;
    if (logs->has) return;
    logs->has = true;
    logs->done = false;
    logs->to = poll->moves.to < poll->round.target ? poll->moves.to : poll->round.target;
    logs->from = logs->to + 1;
}

bool chain__logs_are_read(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    uint64_t from = poll->moves.to < poll->round.target ? poll->moves.to : poll->round.target;
    return e->logs.has && e->logs.from <= from + 1 && e->logs.to >= poll->round.target;
}

bool chain__logs_fit(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return poll->kind == CHAIN_KIND_PROTOTYPE && !poll->round.is_reorg && e->logs.has &&
           !e->logs.barred && e->logs.to < poll->round.target &&
           poll->round.target - e->logs.to <= e->logs.span && poll->now_ms >= e->logs.retry_ms;
}

bool chain__wants_logs_up(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return chain__is_on_block(poll, e) && chain__endpoint_counts(poll, e) && e->read.has_state &&
           e->read.kind == CHAIN_KIND_PROTOTYPE && poll->kind != CHAIN_KIND_NFTMESH &&
           !e->read.no_vote && !e->read.complete && e->logs.has && !e->logs.barred &&
           e->logs.to < poll->round.target && (!poll->round.is_reorg || poll->round.is_cut);
}

bool chain__wants_logs_down(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    return poll->kind == CHAIN_KIND_PROTOTYPE && chain__endpoint_counts(poll, e) && e->logs.has &&
           !e->logs.barred && !e->logs.done && poll->has_reference &&
           e->logs.from <= poll->reference.number + 1;
}

static void ask_range(struct chain_poll *poll, struct chain__endpoint *e, uint64_t from,
                      uint64_t to, const struct base_hash32 *topic)
{
    e->logs.ask_from = from;
    e->logs.ask_to = to;
    chain_rpc_ask_logs(&e->request, &poll->contract, from, to, topic);
}

/* All that the contract has logged: transfers, and whether its seats still stand. */
void chain__ask_logs_up(struct chain_poll *poll, struct chain__endpoint *e)
{
    uint64_t from = e->logs.to + 1, to = poll->round.target;
    if (to - from >= e->logs.span) to = from + e->logs.span - 1;
    ask_range(poll, e, from, to, NULL);
}

/* Each transfer of this contract is of one of its tokens: a list of their ids as fourth topic would
 * find the same logs, and be refused where it is long. */
void chain__ask_logs_down(struct chain_poll *poll, struct chain__endpoint *e)
{
    struct base_hash32 topic = transfer_topic();
    uint64_t to = e->logs.from - 1, from = to >= e->logs.span ? to - e->logs.span + 1 : 0;
    ask_range(poll, e, from, to, &topic);
    chain_rpc_ask_block(&e->request, from);
}

/* ---- logs ---- */

/* BASE_ENOTFOUND: a log, but no transfer of a token that could have a seat. */
static int take_log(struct chain_rpc_logged *logged, uint32_t *token, const struct chain_poll *poll,
                    const struct chain__endpoint *e, const struct base_hash32 *topic)
{
    uint64_t id;
    struct base_u256 wide;
    if (!base_address_equal(&logged->log.address, &poll->contract) ||
        logged->block_number < e->logs.ask_from || logged->block_number > e->logs.ask_to)
        return BASE_EMALFORMED;
    if (logged->removed || logged->log.topic_count != 4 ||
        !base_hash32_equal(&logged->log.topics[0], topic))
        return BASE_ENOTFOUND;
    memcpy(wide.bytes, logged->log.topics[3].bytes, sizeof wide.bytes);
    if (base_u256_to_u64(&id, &wide) != BASE_OK || id >= CHAIN__TOKENS_MAX) return BASE_ENOTFOUND;
    *token = (uint32_t)id;
    return BASE_OK;
}

/* All logs of one answer, or an error: then the range is not covered, whatever was taken of it. */
static int take_logs(struct chain_poll *poll, struct chain__endpoint *e,
                     const struct chain_rpc_reply *reply, size_t index, size_t *count)
{
    struct base_hash32 topic = transfer_topic();
    int rv = chain_rpc_reply_log_count(count, reply, index);
    for (size_t i = 0; rv == BASE_OK && i < *count; i++) {
        struct chain_rpc_logged logged;
        uint32_t token = 0;
        rv = chain_rpc_reply_log(&logged, reply, index, i);
        if (rv == BASE_OK) rv = take_log(&logged, &token, poll, e, &topic);
        if (rv == BASE_OK) rv = add_candidate(poll, e, token, &logged);
        if (rv == BASE_ENOTFOUND) rv = BASE_OK;
    }
    return rv;
}

static void range_taken(struct chain__logs *logs)
{
    logs->failures = 0;
    logs->noted = false;
    if (++logs->successes < SPAN_GROWS_AFTER) return;
    logs->successes = 0;
    logs->span = 2 * logs->span < CHAIN_POLL_LOG_BLOCKS ? 2 * logs->span : CHAIN_POLL_LOG_BLOCKS;
}

/* Refused, or too much: half of it next time; where that does not help, after a while that grows.
 */
void chain__logs_failed(struct chain_poll *poll, struct chain__endpoint *e, const char *why)
{
    struct chain__logs *logs = &e->logs;
    uint64_t wait_ms = (uint64_t)LOGS_RETRY_MS << (logs->failures < 8 ? logs->failures : 8);
    if (wait_ms > CHAIN_POLL_BACKOFF_MS) wait_ms = CHAIN_POLL_BACKOFF_MS;
    if (logs->span <= 1 && why != NULL && !logs->noted) {
        logs->noted = true;
        chain__note(poll, CHAIN_POLL_NOTE_ENDPOINT_BAD, chain__endpoint_index(poll, e),
                    logs->ask_from, "%s", why);
    }
    logs->retry_ms = poll->now_ms + wait_ms;
    logs->successes = 0;
    if (logs->span > 1)
        logs->span /= 2;
    else
        logs->failures++;
}

static void describe_failure(struct chain_poll *poll, struct chain__endpoint *e, int rv,
                             const struct chain_rpc_reply *reply, size_t index)
{
    char why[CHAIN_POLL_TEXT_BYTES];
    if (rv == BASE_EFULL) { /* others will come to confirm or deny; no smaller range helps */
        e->logs.retry_ms = poll->now_ms + LOGS_RETRY_MS;
        return;
    }
    chain__describe(why, "eth_getLogs", rv, reply, index);
    chain__logs_failed(poll, e, why);
}

void chain__logs_up_replied(struct chain_poll *poll, struct chain__endpoint *e,
                            const struct chain_rpc_reply *reply, size_t index)
{
    size_t count;
    int rv = take_logs(poll, e, reply, index, &count);
    if (rv != BASE_OK) {
        describe_failure(poll, e, rv, reply, index);
        return;
    }
    if (!e->logs.has || e->logs.to + 1 != e->logs.ask_from) return; /* cut meanwhile */
    e->logs.to = e->logs.ask_to;
    range_taken(&e->logs);
    if (count > 0) chain__seats_unsettle(poll);
    chain__prototype_settle(poll, e);
}

static bool is_far_back(const struct chain_poll *poll, uint64_t number, uint64_t time_s)
{
    return number == 0 || time_s + CHAIN_POLL_TRANSFERS_S <= poll->reference.time_s;
}

void chain__logs_down_replied(struct chain_poll *poll, struct chain__endpoint *e,
                              const struct chain_rpc_reply *reply)
{
    struct chain__logs *logs = &e->logs;
    struct chain_block block;
    size_t count;
    int rv = take_logs(poll, e, reply, 0, &count);
    if (rv != BASE_OK) {
        describe_failure(poll, e, rv, reply, 0);
        return;
    }
    rv = chain_rpc_reply_block(&block, reply, 1);
    if (rv == BASE_OK && block.number != logs->ask_from) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) {
        describe_failure(poll, e, rv, reply, 1);
        return;
    }
    if (!logs->has || logs->from != logs->ask_to + 1) return; /* cut meanwhile */
    logs->from = logs->ask_from;
    logs->from_time_s = block.time_s;
    logs->done = is_far_back(poll, block.number, block.time_s);
    range_taken(logs);
}

/* ---- receipts: of what not all endpoints show ---- */

/* Whoever has come to its block without showing it, and after a while everybody. */
static bool is_to_be_asked(const struct chain_poll *poll, const struct chain__endpoint *e,
                           const struct chain__candidate *c)
{
    uint64_t block = c->logged.block_number;
    uint32_t said = c->shown | c->confirmed | c->denied | c->asked;
    if ((said & bit_of(poll, e)) != 0) return false;
    bool has_come = e->logs.has && e->logs.from <= block && block <= e->logs.to;
    return has_come || poll->now_ms - c->since_ms >= ALONE_MS;
}

bool chain__wants_receipts(const struct chain_poll *poll, const struct chain__endpoint *e)
{
    if (!chain__endpoint_counts(poll, e)) return false;
    for (size_t i = 0; i < poll->moves.candidate_count; i++)
        if (is_to_be_asked(poll, e, &poll->moves.candidates[i])) return true;
    return false;
}

void chain__ask_receipts(struct chain_poll *poll, struct chain__endpoint *e)
{
    e->asked_count = 0;
    for (size_t i = 0; i < poll->moves.candidate_count && e->asked_count < CHAIN__RECEIPTS_MAX;
         i++) {
        struct chain__candidate *c = &poll->moves.candidates[i];
        if (!is_to_be_asked(poll, e, c)) continue;
        c->asked |= bit_of(poll, e);
        e->asked[e->asked_count++] = c->serial;
        chain_rpc_ask_receipt(&e->request, &c->logged.tx_hash);
    }
}

void chain__receipts_replied(struct chain_poll *poll, struct chain__endpoint *e,
                             const struct chain_rpc_reply *reply)
{
    for (size_t k = 0; k < e->asked_count; k++)
        for (size_t i = 0; i < poll->moves.candidate_count; i++) {
            struct chain__candidate *c = &poll->moves.candidates[i];
            bool shows;
            if (c->serial != e->asked[k]) continue;
            if (chain_rpc_reply_receipt_shows(&shows, reply, k, &c->logged) != BASE_OK) continue;
            if (shows)
                c->confirmed |= bit_of(poll, e);
            else
                c->denied |= bit_of(poll, e);
        }
}

/* What was not answered is asked again. */
void chain__moves_tick(struct chain_poll *poll)
{
    for (size_t i = 0; i < poll->moves.candidate_count; i++)
        poll->moves.candidates[i].asked = 0;
}

/* ---- what counts, what is covered ---- */

/* It has shown what is not there: what it showed around that is not to be relied on either. */
static void blame(struct chain_poll *poll, struct chain__endpoint *e, uint64_t block)
{
    bool is_reading = poll->round.active && !poll->round.done && e->read.has_state &&
                      e->read.kind == CHAIN_KIND_PROTOTYPE;
    if (e->logs.has && e->logs.from <= block && block <= e->logs.to)
        cut_endpoint(&e->logs, block > 0 ? block - 1 : 0);
    if (is_reading) {
        e->read.complete = false;
        chain__moves_begin(poll, e);
    }
    if (e->logs.barred || ++e->logs.false_logs < CHAIN__FALSE_LOGS_MAX) return;
    e->logs.barred = true;
    e->logs.has = e->logs.done = false;
    e->read.no_vote = e->read.no_vote || is_reading;
    chain__note(poll, CHAIN_POLL_NOTE_ENDPOINT_BAD, chain__endpoint_index(poll, e), block,
                "shows transfers that the other endpoints deny: no longer counted");
}

/* False: not resolved yet. */
static bool resolve(struct chain_poll *poll, const struct chain__candidate *c)
{
    if (chain__endpoint_votes(poll, c->shown | c->confirmed) >= poll->agree)
        return add_move(poll, c->token, c->logged.block_number);
    if (chain__endpoint_votes(poll, c->denied) < poll->agree) return false;
    for (size_t i = 0; i < poll->endpoint_count; i++)
        if ((c->shown >> i & 1) != 0) blame(poll, &poll->endpoints[i], c->logged.block_number);
    return true;
}

/* The lowest block from which on K votes have shown all logs, up to what is covered already. */
static bool kth_from(uint64_t *out, const struct chain_poll *poll)
{
    bool found = false;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__logs *logs = &poll->endpoints[i].logs;
        uint32_t mask = 0;
        if (!logs->has) continue;
        for (size_t k = 0; k < poll->endpoint_count; k++) {
            const struct chain__logs *other = &poll->endpoints[k].logs;
            if (other->has && other->from <= logs->from && other->to + 1 >= poll->moves.from)
                mask |= UINT32_C(1) << k;
        }
        if (chain__endpoint_votes(poll, mask) < poll->agree) continue;
        if (!found || logs->from < *out) *out = logs->from;
        found = true;
    }
    return found;
}

/* Do K votes say that what is covered begins 30 days ago? */
static bool are_done(const struct chain_poll *poll)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        const struct chain__logs *logs = &poll->endpoints[i].logs;
        if (logs->has && logs->done && logs->from <= poll->moves.from) mask |= UINT32_C(1) << i;
    }
    return chain__endpoint_votes(poll, mask) >= poll->agree;
}

/* False: something is in doubt still. */
static bool advance_from(struct chain_poll *poll)
{
    struct chain__moves *m = &poll->moves;
    uint64_t from = 0;
    if (!kth_from(&from, poll)) return false;
    uint64_t shown_from = from;
    for (size_t i = 0; i < m->candidate_count; i++) { /* in doubt: not covered */
        uint64_t block = m->candidates[i].logged.block_number;
        if (block >= from && block < m->from && block <= m->to) from = block + 1;
    }
    if (from < m->from) {
        m->from = from;
        m->changed = true;
    }
    return from == shown_from;
}

/* What an earlier run has covered is covered, if K votes still have the block where it ended. */
static void judge_kept(struct chain_poll *poll)
{
    struct chain__moves *m = &poll->moves;
    struct chain_block block;
    if (!m->has_kept || m->is_kept_true) return;
    int rv = chain_poll_block(poll, m->kept_to, &block);
    if (rv == BASE_ESTATE) return;
    m->is_kept_true = rv == BASE_OK && base_hash32_equal(&block.hash, &m->kept_hash);
    for (size_t i = 0; m->is_kept_true && i < m->kept_count; i++) {
        uint64_t at = m->kept[i].block;
        if (at <= m->kept_to && !add_move(poll, m->kept[i].token, at)) m->is_kept_true = false;
    }
    if (!m->is_kept_true) {
        drop_kept(m);
        return;
    }
    for (size_t i = 0; m->tokens != NULL && i < CHAIN__TOKENS_MAX; i++)
        m->tokens[i].more = m->tokens[i].more || m->tokens[i].count == CHAIN__MOVES_KEPT;
}

static void use_kept(struct chain_poll *poll)
{
    const struct chain__moves *m = &poll->moves;
    for (size_t i = 0; m->is_kept_true && i < poll->endpoint_count; i++) {
        struct chain__logs *logs = &poll->endpoints[i].logs;
        if (logs->has && logs->from <= m->kept_to + 1 && logs->from > m->kept_from)
            logs->from = m->kept_from;
        if (logs->has && logs->from == 0) logs->done = true;
    }
}

void chain__moves_advance(struct chain_poll *poll)
{
    struct chain__moves *m = &poll->moves;
    if (poll->kind != CHAIN_KIND_PROTOTYPE && m->candidate_count == 0) return;
    for (size_t i = m->candidate_count; i-- > 0;) {
        struct chain__candidate c = m->candidates[i]; /* blaming may move the others */
        if (resolve(poll, &c)) remove_candidate(poll, i);
    }
    if (m->to == CHAIN_BLOCK_NONE) return;
    judge_kept(poll);
    use_kept(poll);
    m->done = advance_from(poll) && m->from <= m->to && are_done(poll);
    if (!m->done || m->done_noted) return;
    m->done_noted = true;
    chain__note(poll, CHAIN_POLL_NOTE_TRANSFERS, CHAIN_NONE, m->from,
                "transfers of the last 30 days are known, from block %llu",
                (unsigned long long)m->from);
}

bool chain__moves_hold(const struct chain_poll *poll)
{
    const struct chain__moves *m = &poll->moves;
    if (m->to == CHAIN_BLOCK_NONE) return false;
    for (size_t i = 0; i < m->candidate_count; i++) {
        uint64_t block = m->candidates[i].logged.block_number;
        if (block > m->to && block <= poll->round.target) return true;
    }
    return false;
}

void chain__moves_accept(struct chain_poll *poll)
{
    struct chain__moves *m = &poll->moves;
    m->to = poll->round.target;
    if (m->from == CHAIN_BLOCK_NONE) {
        m->from = m->to + 1;
        m->done = m->done_noted = false;
    }
    for (size_t i = 0; i < poll->endpoint_count; i++) {
        struct chain__logs *logs = &poll->endpoints[i].logs;
        if (logs->false_logs > 0 && !logs->barred) logs->false_logs--;
    }
    chain__moves_advance(poll);
}
