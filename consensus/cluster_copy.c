/* Votes of ours that our log may lack: what others hold of them, and what we hold of theirs. */
#include "consensus/cluster_internal.h"

#include <string.h>

#include "base/err.h"
#include "consensus/fields.h"
#include "consensus/wire.h"

#define ASK_GAP_MS 300

/* ---- may we vote? ---- */

bool cluster_is_lost(const struct consensus_cluster *c)
{
    return c->config.is_log_lost && c->epoch.block.number <= c->config.lost_block;
}

/* No vote that is lost can be of an epoch whose block is above the chain's head of now. */
void cluster_lost(struct consensus_cluster *c, uint64_t head)
{
    if (!c->config.is_log_lost || c->config.lost_block != CONSENSUS_LOST_NOW) return;
    if (c->has_epoch && c->epoch.block.number > head) head = c->epoch.block.number;
    c->config.lost_block = head;
    c->seat_ms = c->seat_ms > 0 ? c->now_ms : 0; /* others may have lost theirs, too */
}

/* The first time it may be our log that was lost. Again it is somebody else. */
void cluster_copy_found(struct consensus_cluster *c)
{
    if (c->has_copy) c->is_mute = true;
    c->has_copy = true;
    c->config.is_log_lost = true;
    c->config.lost_block = CONSENSUS_LOST_NOW;
    cluster_note(c, CONSENSUS_NOTE_COPY, NULL);
}

/* ---- asking ---- */

static bool is_listening(const struct consensus_cluster *c)
{
    struct consensus_view view;
    consensus_engine_view(&view, c->engine);
    return view.is_listening;
}

static bool may_vote_here(const struct consensus_cluster *c)
{
    return c->engine != NULL && c->self < c->epoch.member_count && !c->is_mute &&
           !cluster_is_lost(c);
}

void cluster_votes_ask(struct consensus_cluster *c, const struct base_key33 *to)
{
    uint8_t body[48];
    struct base_packer p;
    base_packer_init(&p, body, sizeof body);
    base_pack_map(&p, 1);
    consensus_put_bin(&p, 0, c->epoch_id.bytes, sizeof c->epoch_id.bytes);
    if (!p.failed) cluster_send(c, to, CONSENSUS_FRAME_VOTES, body, p.len);
}

void cluster_votes_begin(struct consensus_cluster *c)
{
    if (may_vote_here(c) && is_listening(c)) cluster_votes_ask(c, NULL);
}

/* It is in our epoch. Each is asked once a session, and by who listens until it has answered. */
void cluster_votes_wanted(struct consensus_cluster *c, struct cluster_peer *peer)
{
    if (!may_vote_here(c) || consensus_epoch_find(&c->epoch, &peer->key) == c->epoch.member_count)
        return;
    if (peer->shown_run == c->run || (peer->shown_run != 0 && !is_listening(c))) return;
    if (peer->votes_ms != 0 && c->now_ms < peer->votes_ms + ASK_GAP_MS) return;
    peer->votes_ms = c->now_ms > 0 ? c->now_ms : 1;
    cluster_votes_ask(c, &peer->key);
}

/* ---- answering ---- */

static void pack_vote(struct base_packer *p, const struct base_vote *vote,
                      const struct base_sig65 *sig)
{
    base_pack_array(p, 5);
    base_pack_u64(p, (uint64_t)vote->kind);
    base_pack_u64(p, vote->first);
    base_pack_u64(p, vote->last);
    base_pack_bin(p, vote->hash.bytes, sizeof vote->hash.bytes);
    base_pack_bin(p, sig->bytes, sizeof sig->bytes);
}

static int answer(struct consensus_cluster *c, const struct base_key33 *to, size_t voter)
{
    struct consensus_shown held = {.count = 0};
    struct base_packer p;
    uint8_t body[1024];
    for (int kind = BASE_VOTE_CAND; kind <= BASE_VOTE_SKIP; kind++)
        if (consensus_engine_last(c->engine, voter, (enum base_vote_kind)kind,
                                  &held.votes[held.count], &held.sigs[held.count]))
            held.count++;
    base_packer_init(&p, body, sizeof body);
    base_pack_map(&p, 2);
    consensus_put_bin(&p, 0, c->epoch_id.bytes, sizeof c->epoch_id.bytes);
    consensus_put_array(&p, 1, held.count);
    for (size_t i = 0; i < held.count; i++)
        pack_vote(&p, &held.votes[i], &held.sigs[i]);
    if (!p.failed) cluster_send(c, to, CONSENSUS_FRAME_VOTES, body, p.len);
    return BASE_OK;
}

/* ---- being shown ---- */

static int unpack_vote(struct base_unpacker *u, const struct base_hash32 *epoch_id,
                       struct base_vote *vote, struct base_sig65 *sig)
{
    uint32_t items = 0;
    uint64_t kind = 0;
    int rv = base_unpack_array(u, &items, 5);
    if (rv == BASE_OK && items != 5) rv = BASE_EMALFORMED;
    if (rv == BASE_OK) rv = base_unpack_u64(u, &kind);
    if (rv == BASE_OK && (kind < BASE_VOTE_CAND || kind > BASE_VOTE_SKIP)) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return rv;
    vote->epoch_id = *epoch_id;
    vote->kind = (enum base_vote_kind)kind;
    rv = base_unpack_u64(u, &vote->first);
    if (rv == BASE_OK) rv = base_unpack_u64(u, &vote->last);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(u, vote->hash.bytes, sizeof vote->hash.bytes);
    return rv == BASE_OK ? base_unpack_bin_exact(u, sig->bytes, sizeof sig->bytes) : rv;
}

static int read_shown(struct consensus_fields *f, const struct base_hash32 *epoch_id,
                      struct consensus_shown *out)
{
    uint32_t count = 0;
    int rv = consensus_fields_array(f, 1, &count, CONSENSUS_VOTE_KINDS);
    for (out->count = 0; out->count < count && rv == BASE_OK; out->count++)
        rv = unpack_vote(&f->u, epoch_id, &out->votes[out->count], &out->sigs[out->count]);
    return rv == BASE_OK && !consensus_fields_at_end(f) ? BASE_EMALFORMED : rv;
}

int cluster_votes_in(struct consensus_cluster *c, const struct base_key33 *from,
                     const struct base_slice *body)
{
    struct consensus_fields f;
    struct consensus_shown shown;
    struct base_hash32 id;
    struct consensus_event ev = {.type = CONSENSUS_EV_SHOWN, .u.shown = &shown};
    int rv = consensus_fields_init(&f, body->data, body->len, 2);
    if (rv == BASE_OK) rv = consensus_fields_exact(&f, 0, id.bytes, sizeof id.bytes);
    bool is_question = rv == BASE_OK && consensus_fields_at_end(&f);
    if (rv == BASE_OK && !is_question) rv = read_shown(&f, &id, &shown);
    if (rv != BASE_OK || c->engine == NULL || !base_hash32_equal(&id, &c->epoch_id)) return rv;
    size_t voter = consensus_epoch_find(&c->epoch, from);
    struct cluster_peer *peer = cluster_peer(c, from);
    if (voter == c->epoch.member_count) return BASE_OK;
    if (is_question) return answer(c, from, voter);
    ev.from = voter;
    cluster_engine_step(c, &ev, &rv);
    if (rv == BASE_OK && peer != NULL) peer->shown_run = c->run;
    return rv;
}
