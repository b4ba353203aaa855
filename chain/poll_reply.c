#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "chain/chain_internal.h"

/* What an endpoint's answer means. Nothing here decides: poll_round.c counts votes. */

void chain__read_clear(struct chain__read *read)
{
    free(read->seats);
    *read = (struct chain__read){0};
}

void chain__describe(char text[CHAIN_POLL_TEXT_BYTES], const char *what, int error,
                     const struct chain_rpc_reply *reply, size_t index)
{
    struct chain_rpc_error remote;
    if (error == BASE_EREMOTE && chain_rpc_reply_error(&remote, reply, index) == BASE_OK)
        snprintf(text, CHAIN_POLL_TEXT_BYTES, "%s: error %lld: %.120s", what,
                 (long long)remote.code, remote.message);
    else
        snprintf(text, CHAIN_POLL_TEXT_BYTES, "%s: %s", what, base_strerror(error));
}

static void fail_call(struct chain_poll *poll, struct chain__endpoint *e, const char *what,
                      int error, const struct chain_rpc_reply *reply, size_t index)
{
    char why[CHAIN_POLL_TEXT_BYTES];
    chain__describe(why, what, error, reply, index);
    chain__endpoint_fail(poll, e, why);
}

/* ---- poll: [chain id, genesis, code,] height [, target [, reference]] ---- */

static bool has_other_genesis(const struct chain_poll *poll, const struct base_hash32 *genesis)
{
    return poll->has_genesis && !base_hash32_equal(genesis, &poll->genesis);
}

/* False: the endpoint has been failed or found bad. */
static bool check(struct chain_poll *poll, struct chain__endpoint *e,
                  const struct chain_rpc_reply *reply)
{
    uint64_t chain_id;
    struct chain_block genesis;
    size_t code_len;
    char why[CHAIN_POLL_TEXT_BYTES];
    int rv = chain_rpc_reply_u64(&chain_id, reply, 0);
    if (rv != BASE_OK) return fail_call(poll, e, "eth_chainId", rv, reply, 0), false;
    if (chain_id != poll->chain_id) {
        snprintf(why, sizeof why, "chain id is %llu, not %llu", (unsigned long long)chain_id,
                 (unsigned long long)poll->chain_id);
        return chain__endpoint_bad(poll, e, why), false;
    }
    rv = chain_rpc_reply_block(&genesis, reply, 1);
    if (rv == BASE_OK && genesis.number != 0) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return fail_call(poll, e, "block 0", rv, reply, 1), false;
    if (has_other_genesis(poll, &genesis.hash))
        return chain__endpoint_bad(poll, e, "another genesis block: not our chain"), false;
    rv = chain_rpc_reply_data_len(&code_len, reply, 2);
    if (rv != BASE_OK) return fail_call(poll, e, "eth_getCode", rv, reply, 2), false;
    if (code_len == 0)
        return chain__endpoint_bad(poll, e, "no code at the contract's address"), false;
    e->genesis = genesis.hash;
    e->has_genesis = true;
    return true;
}

static int get_height(uint64_t *out, const struct chain_poll *poll,
                      const struct chain_rpc_reply *reply, size_t index)
{
    struct chain_block block;
    int rv;
    if (poll->finality != CHAIN_FINALITY_LATEST) {
        rv = chain_rpc_reply_block(&block, reply, index);
        *out = block.number;
        return rv;
    }
    rv = chain_rpc_reply_u64(out, reply, index);
    if (rv == BASE_OK) *out = *out > poll->confirmations ? *out - poll->confirmations : 0;
    return rv;
}

/* The target's header and the hash at the reference's height. A block that the endpoint does not
 * have yet is no mistake: asked again with the next poll. */
static int get_blocks(struct chain_poll *poll, struct chain__endpoint *e,
                      const struct chain_rpc_reply *reply, size_t index)
{
    struct chain_block block, old = {0};
    int rv = chain_rpc_reply_block(&block, reply, index);
    if (rv == BASE_ENOTFOUND || rv == BASE_EREMOTE) return BASE_OK;
    if (rv == BASE_OK && block.number != poll->round.target) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return rv;
    if (e->with_old) {
        rv = chain_rpc_reply_block(&old, reply, index + 1);
        if (rv == BASE_OK && old.number != poll->round.old_number) rv = BASE_EMALFORMED;
        if (rv == BASE_ENOTFOUND || rv == BASE_EREMOTE)
            old = (struct chain_block){0};
        else if (rv != BASE_OK)
            return rv;
    } else if (poll->round.has_old) {
        old = block; /* the target is as high as the reference */
    }
    struct chain__read *read = &e->read;
    if (read->has_block && base_hash32_equal(&read->block.hash, &block.hash) &&
        base_hash32_equal(&read->old_hash, &old.hash))
        return BASE_OK; /* asked again, the same: what was read since stays */
    chain__read_clear(read);
    read->block = block;
    read->old_hash = old.hash;
    read->has_block = true;
    return BASE_OK;
}

static void poll_replied(struct chain_poll *poll, struct chain__endpoint *e,
                         const struct chain_rpc_reply *reply, bool is_current)
{
    size_t index = e->is_check ? 3 : 0;
    uint64_t height;
    if (e->is_check && !check(poll, e, reply)) return;
    int rv = get_height(&height, poll, reply, index);
    if (rv != BASE_OK) {
        fail_call(poll, e, "height", rv, reply, index);
        return;
    }
    if (e->with_block && is_current) {
        rv = get_blocks(poll, e, reply, index + 1);
        if (rv != BASE_OK) {
            fail_call(poll, e, "block by number", rv, reply, index + 1);
            return;
        }
    }
    rv = chain__head_replied(poll, e, reply, index);
    if (rv != BASE_OK) {
        fail_call(poll, e, "head", rv, reply, e->request.count - 1);
        return;
    }
    if (e->is_check)
        chain__note(poll, CHAIN_POLL_NOTE_ENDPOINT_UP, chain__endpoint_index(poll, e), height,
                    "answers, height %llu", (unsigned long long)height);
    e->up = e->has_height = true;
    e->failures_in_row = 0;
    e->height = height;
    e->height_ms = poll->now_ms;
    if (e->is_check) e->last_bad[0] = '\0';
    e->last_error[0] = '\0';
}

/* ---- state: clusterState, rootEpochOf .., [former references ..] [probe] ---- */

/* It answered, but with something that cannot be believed: no vote on this target. */
void chain__lose_vote(struct chain_poll *poll, struct chain__endpoint *e, const char *why)
{
    e->read.no_vote = true;
    snprintf(e->last_error, sizeof e->last_error, "%s", why);
    if (strcmp(e->last_bad, why) != 0)
        chain__note(poll, CHAIN_POLL_NOTE_ENDPOINT_BAD, chain__endpoint_index(poll, e),
                    poll->round.target, "%s", why);
    snprintf(e->last_bad, sizeof e->last_bad, "%s", why);
}

/* An error object: the block may just have left its canonical chain, or its state is pruned. Its
 * header is asked for again with the next poll. */
void chain__lose_block(struct chain_poll *poll, struct chain__endpoint *e, const char *what,
                       const struct chain_rpc_reply *reply, size_t index)
{
    char why[CHAIN_POLL_TEXT_BYTES];
    chain__describe(why, what, BASE_EREMOTE, reply, index);
    if (strcmp(e->last_bad, why) != 0)
        chain__note(poll, CHAIN_POLL_NOTE_ENDPOINT_BAD, chain__endpoint_index(poll, e),
                    poll->round.target, "%.110s%s", why,
                    poll->finality == CHAIN_FINALITY_LATEST
                        ? ""
                        : " (older blocks may need an archive endpoint)");
    snprintf(e->last_bad, sizeof e->last_bad, "%s", why);
    snprintf(e->last_error, sizeof e->last_error, "%s", why);
    chain__read_clear(&e->read);
}

/* Call index's raw bytes in buf (emptied first). False: the vote or the block is lost. */
static bool get_return(struct base_buf *buf, struct chain_poll *poll, struct chain__endpoint *e,
                       const char *what, const struct chain_rpc_reply *reply, size_t index)
{
    base_buf_clear(buf);
    int rv = chain_rpc_reply_data(buf, reply, index);
    if (rv == BASE_OK) return true;
    if (rv == BASE_EREMOTE) {
        chain__lose_block(poll, e, what, reply, index);
    } else {
        char why[CHAIN_POLL_TEXT_BYTES];
        chain__describe(why, what, rv, reply, index);
        chain__lose_vote(poll, e, why);
    }
    return false;
}

static bool take_state(struct chain_poll *poll, struct chain__endpoint *e,
                       const struct base_buf *buf)
{
    char why[CHAIN_POLL_TEXT_BYTES];
    struct chain_cluster_state *state = &e->read.state;
    int rv = chain_contract_decode_cluster_state(state, buf->data, buf->len);
    if (rv != BASE_OK) {
        snprintf(why, sizeof why, "clusterState: %s; not our contract?", base_strerror(rv));
        return chain__lose_vote(poll, e, why), false;
    }
    if (state->block_number != e->read.block.number ||
        !base_hash32_equal(&state->parent_hash, &e->read.block.parent_hash))
        return chain__lose_vote(poll, e,
                                "answers for another block than the one asked for by hash: ignores "
                                "EIP-1898, or block.number is another chain's"),
               false;
    base_keccak256(&e->read.state_hash, buf->data, buf->len);
    return true;
}

static bool take_roots(struct chain_poll *poll, struct chain__endpoint *e,
                       const struct chain_rpc_reply *reply, struct base_buf *buf)
{
    for (size_t i = 0; i < e->root_count; i++) {
        if (!get_return(buf, poll, e, "rootEpochOf", reply, 1 + i)) return false;
        if (chain_contract_decode_u64(&e->read.root_epochs[i], buf->data, buf->len) != BASE_OK)
            return chain__lose_vote(poll, e, "rootEpochOf: no number"), false;
        base_keccak256(&e->read.root_hashes[i], buf->data, buf->len);
    }
    return true;
}

/* How deep a reorg went, for the log: the newest former reference that still stands. */
static void take_past(struct chain_poll *poll, struct chain__endpoint *e,
                      const struct chain_rpc_reply *reply)
{
    size_t first = 1 + e->root_count;
    for (size_t i = 0; i < e->past_count && i < poll->past_count; i++) {
        struct chain_block block;
        if (chain_rpc_reply_block(&block, reply, first + i) != BASE_OK) continue;
        if (block.number != poll->past[i].number) continue;
        if (!base_hash32_equal(&block.hash, &poll->past[i].hash)) continue;
        e->read.has_common = true;
        e->read.common = block.number;
    }
}

/* digest = keccak256(chain id || contract || block hash || keccak256(clusterState) ||
 * keccak256(page) .. || keccak256(root epoch) ..), over raw return data. */
static void begin_digest(struct chain_poll *poll, struct chain__read *read)
{
    struct base_u256 chain_id = base_u256_from_u64(poll->chain_id);
    base_keccak256_init(&read->digesting);
    base_keccak256_update(&read->digesting, chain_id.bytes, sizeof chain_id.bytes);
    base_keccak256_update(&read->digesting, poll->contract.bytes, sizeof poll->contract.bytes);
    base_keccak256_update(&read->digesting, read->block.hash.bytes, sizeof read->block.hash.bytes);
    base_keccak256_update(&read->digesting, read->state_hash.bytes, sizeof read->state_hash.bytes);
}

static void complete(struct chain__endpoint *e)
{
    struct chain__read *read = &e->read;
    for (size_t i = 0; i < e->root_count; i++)
        base_keccak256_update(&read->digesting, read->root_hashes[i].bytes,
                              sizeof read->root_hashes[i].bytes);
    base_keccak256_final(&read->digesting, &read->digest);
    read->complete = true;
}

static bool seats_stand(const struct chain_poll *poll, const struct chain__read *read)
{
    return poll->kind == CHAIN_KIND_PROTOTYPE || /* another contract: refused whatever its seats */
           (!poll->round.read_all && poll->round.has_base &&
            base_hash32_equal(&read->state.revision, &poll->round.base_revision));
}

static void state_replied(struct chain_poll *poll, struct chain__endpoint *e,
                          const struct chain_rpc_reply *reply)
{
    if (chain__has_no_state(reply)) {
        take_past(poll, e, reply);
        if (e->with_probe)
            chain__probe_replied(poll, e, reply, 1 + e->root_count + e->past_count);
        else
            e->read.wants_probe = true;
        return;
    }
    struct base_buf buf;
    base_buf_init(&buf, CHAIN__PAGE_BYTES_MAX);
    bool ok = get_return(&buf, poll, e, "clusterState", reply, 0) && take_state(poll, e, &buf) &&
              take_roots(poll, e, reply, &buf);
    base_buf_deinit(&buf);
    if (!ok) return;
    take_past(poll, e, reply);
    struct chain__read *read = &e->read;
    read->kind = CHAIN_KIND_NFTMESH;
    read->has_state = true;
    begin_digest(poll, read);
    if (seats_stand(poll, read) || read->state.seat_count == 0) {
        complete(e);
        return;
    }
    read->seats = calloc((size_t)read->state.seat_count, sizeof *read->seats);
    if (read->seats == NULL) chain__endpoint_fail(poll, e, "no memory for its seats");
}

/* ---- pages ---- */

/* A page holds exactly the seats that clusterState promised for its place. */
static bool take_page(struct chain_poll *poll, struct chain__endpoint *e,
                      const struct base_buf *buf)
{
    struct chain__read *read = &e->read;
    struct chain_seat seats[CHAIN_PAGE_SEATS];
    size_t count, left = (size_t)read->state.seat_count - read->seat_count;
    int rv = chain_contract_decode_members(seats, &count, buf->data, buf->len);
    if (rv == BASE_OK && count != (left < CHAIN_PAGE_SEATS ? left : CHAIN_PAGE_SEATS))
        rv = BASE_EMALFORMED;
    if (rv != BASE_OK) {
        char why[CHAIN_POLL_TEXT_BYTES];
        snprintf(why, sizeof why, "membersPage: %s", base_strerror(rv));
        return chain__lose_vote(poll, e, why), false;
    }
    memcpy(read->seats + read->seat_count, seats, count * sizeof *seats);
    read->seat_count += count;
    struct base_hash32 hash;
    base_keccak256(&hash, buf->data, buf->len);
    base_keccak256_update(&read->digesting, hash.bytes, sizeof hash.bytes);
    return true;
}

static void pages_replied(struct chain_poll *poll, struct chain__endpoint *e,
                          const struct chain_rpc_reply *reply)
{
    struct base_buf buf;
    bool ok = true;
    base_buf_init(&buf, CHAIN__PAGE_BYTES_MAX);
    for (size_t i = 0; ok && i < e->page_count; i++)
        ok = get_return(&buf, poll, e, "membersPage", reply, i) && take_page(poll, e, &buf);
    base_buf_deinit(&buf);
    if (ok && e->read.seat_count == e->read.state.seat_count) complete(e);
}

/* ---- any ---- */

void chain__reply(struct chain_poll *poll, struct chain__endpoint *e, const void *data, size_t len)
{
    struct chain_rpc_reply reply;
    char why[BASE_JSON_WHY_BYTES], text[CHAIN_POLL_TEXT_BYTES];
    enum chain__request kind = e->kind;
    int rv = chain_rpc_reply_parse(&reply, data, len, e->request.first_id, e->request.count, why);
    if (rv != BASE_OK) {
        snprintf(text, sizeof text, "unusable reply: %.150s", why);
        chain__endpoint_fail(poll, e, text);
        return;
    }
    e->kind = CHAIN__REQUEST_NONE;
    e->has_reply = true;
    e->reply_ms = poll->now_ms;
    e->latency_ms = poll->now_ms - e->sent_ms;
    /* What was asked about a target that has been given up since is not looked at. */
    bool is_current = poll->round.active && e->round_serial == poll->round.serial;
    switch (kind) {
    case CHAIN__REQUEST_NONE:
        assert(false && "a reply to no request");
        break;
    case CHAIN__REQUEST_POLL:
        poll_replied(poll, e, &reply, is_current);
        break;
    case CHAIN__REQUEST_STATE:
        if (is_current && e->read.has_block && !e->read.has_state) state_replied(poll, e, &reply);
        break;
    case CHAIN__REQUEST_PAGES:
        if (is_current && e->read.has_state && !e->read.complete) pages_replied(poll, e, &reply);
        break;
    case CHAIN__REQUEST_SEATS:
        if (is_current && chain__wants_seats(poll, e)) chain__seats_replied(poll, e, &reply);
        break;
    case CHAIN__REQUEST_LOGS_UP:
        if (is_current && chain__wants_logs_up(poll, e)) chain__logs_up_replied(poll, e, &reply, 0);
        break;
    case CHAIN__REQUEST_LOGS_DOWN:
        if (chain__wants_logs_down(poll, e)) chain__logs_down_replied(poll, e, &reply);
        break;
    case CHAIN__REQUEST_RECEIPTS:
        chain__receipts_replied(poll, e, &reply);
        break;
    case CHAIN__REQUEST_BLOCKS:
        chain__blocks_replied(poll, e, &reply);
        break;
    }
    chain_rpc_reply_deinit(&reply);
}
