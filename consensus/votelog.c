#include "consensus/votelog.h"

#include <stdlib.h>

#include "base/err.h"
#include "consensus/fields.h"

#define KIND_NEXT (CONSENSUS_RECORD_CERT + 1)

static void put_vote(struct base_packer *p, const struct base_vote *vote)
{
    consensus_put_array(p, 1, 4);
    base_pack_u64(p, (uint64_t)vote->kind);
    base_pack_u64(p, vote->first);
    base_pack_u64(p, vote->last);
    base_pack_bin(p, vote->hash.bytes, sizeof vote->hash.bytes);
}

void consensus_candidate_pack(struct base_packer *p, const struct consensus_candidate *c)
{
    base_pack_array(p, 5);
    base_pack_u64(p, c->slot);
    base_pack_u64(p, c->parent_slot + 1); /* CONSENSUS_NO_SLOT becomes 0 */
    base_pack_bin(p, c->parent_hash.bytes, sizeof c->parent_hash.bytes);
    base_pack_bin(p, c->payload.data, c->payload.len);
    base_pack_bin(p, c->sig.bytes, sizeof c->sig.bytes);
}

int consensus_votelog_encode(void *out, size_t *len, size_t cap, const struct consensus_record *r)
{
    struct base_packer p;
    bool has_vote = r->kind != CONSENSUS_RECORD_CERT;
    base_packer_init(&p, out, cap);
    base_pack_map(&p, 1u + (has_vote ? 2u : 0u) + (r->cand != NULL ? 1u : 0u) +
                          (r->cert != NULL ? 1u : 0u));
    consensus_put_u64(&p, 0, (uint64_t)r->kind);
    if (has_vote) {
        put_vote(&p, &r->vote);
        consensus_put_bin(&p, 2, r->sig.bytes, sizeof r->sig.bytes);
    }
    if (r->cand != NULL) {
        base_pack_u64(&p, 3);
        consensus_candidate_pack(&p, r->cand);
    }
    if (r->cert != NULL) {
        base_pack_u64(&p, 4);
        consensus_cert_pack(&p, r->cert);
    }
    *len = p.len;
    return p.failed ? BASE_ETOOBIG : BASE_OK;
}

static int get_items(struct consensus_fields *f, uint64_t key, uint32_t wanted)
{
    uint32_t items = 0;
    int rv = consensus_fields_array(f, key, &items, wanted);
    return rv == BASE_OK && items != wanted ? BASE_EMALFORMED : rv;
}

static int get_vote(struct consensus_fields *f, struct consensus_record *r)
{
    uint64_t kind = 0;
    int rv = get_items(f, 1, 4);
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &kind);
    if (rv == BASE_OK && (kind < BASE_VOTE_CAND || kind > BASE_VOTE_SKIP)) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return rv;
    r->vote.kind = (enum base_vote_kind)kind;
    rv = base_unpack_u64(&f->u, &r->vote.first);
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &r->vote.last);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, r->vote.hash.bytes, BASE_HASH32_BYTES);
    if (rv == BASE_OK) rv = consensus_fields_exact(f, 2, r->sig.bytes, sizeof r->sig.bytes);
    return rv == BASE_OK && !consensus_vote_is_valid(&r->vote) ? BASE_EMALFORMED : rv;
}

int consensus_candidate_unpack(struct base_unpacker *u, struct consensus_candidate *c)
{
    uint64_t parent = 0;
    uint32_t items = 0;
    int rv = base_unpack_array(u, &items, 5);
    if (rv == BASE_OK && items != 5) rv = BASE_EMALFORMED;
    if (rv == BASE_OK) rv = base_unpack_u64(u, &c->slot);
    if (rv == BASE_OK && c->slot == CONSENSUS_NO_SLOT) rv = BASE_EMALFORMED;
    if (rv == BASE_OK) rv = base_unpack_u64(u, &parent);
    c->parent_slot = parent - 1;
    if (rv == BASE_OK) rv = base_unpack_bin_exact(u, c->parent_hash.bytes, BASE_HASH32_BYTES);
    if (rv == BASE_OK) rv = base_unpack_bin(u, &c->payload, CONSENSUS_PAYLOAD_MAX);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(u, c->sig.bytes, sizeof c->sig.bytes);
    return rv == BASE_OK && parent > c->slot ? BASE_EMALFORMED : rv;
}

static enum base_vote_kind vote_kind(enum consensus_record_kind kind)
{
    switch (kind) {
    case CONSENSUS_RECORD_CAND:
        return BASE_VOTE_CAND;
    case CONSENSUS_RECORD_NOTAR:
        return BASE_VOTE_NOTAR;
    case CONSENSUS_RECORD_FINAL:
        return BASE_VOTE_FINAL;
    case CONSENSUS_RECORD_SKIP:
    case CONSENSUS_RECORD_CERT:
        break;
    }
    return BASE_VOTE_SKIP;
}

static int get_parts(struct consensus_fields *f, struct consensus_logged *out)
{
    struct consensus_record *r = &out->record;
    int rv = BASE_OK;
    if (r->kind != CONSENSUS_RECORD_CERT) {
        rv = get_vote(f, r);
        if (rv == BASE_OK && r->vote.kind != vote_kind(r->kind)) rv = BASE_EMALFORMED;
    }
    if (rv == BASE_OK && consensus_fields_is_next(f, 3)) {
        r->cand = &out->cand;
        rv = consensus_candidate_unpack(&f->u, &out->cand);
    }
    if (rv == BASE_OK && consensus_fields_is_next(f, 4)) {
        rv = consensus_cert_unpack(&f->u, &out->cert);
        if (rv == BASE_OK) r->cert = &out->cert;
    }
    return rv;
}

/* What each kind needs, and nothing that it has no use for. */
static bool is_whole(const struct consensus_record *r)
{
    switch (r->kind) {
    case CONSENSUS_RECORD_CAND:
    case CONSENSUS_RECORD_NOTAR:
        return r->cand != NULL && r->cert == NULL && r->cand->slot == r->vote.first;
    case CONSENSUS_RECORD_FINAL:
    case CONSENSUS_RECORD_CERT:
        return r->cand == NULL && r->cert != NULL;
    case CONSENSUS_RECORD_SKIP:
        return r->cand == NULL && r->cert == NULL;
    }
    return false;
}

int consensus_votelog_decode(struct consensus_logged *out, const struct base_hash32 *epoch_id,
                             const void *data, size_t len)
{
    struct consensus_fields f;
    uint64_t kind = 0;
    *out = (struct consensus_logged){0};
    if (len > CONSENSUS_LOG_BYTES_MAX) return BASE_ETOOBIG;
    int rv = consensus_fields_init(&f, data, len, 5);
    if (rv == BASE_OK) rv = consensus_fields_u64(&f, 0, &kind);
    if (rv == BASE_OK && (kind < CONSENSUS_RECORD_CAND || kind > CONSENSUS_RECORD_CERT))
        rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return rv;
    out->record.kind = (enum consensus_record_kind)kind;
    out->record.vote.epoch_id = *epoch_id;
    rv = get_parts(&f, out);
    if (rv == BASE_OK && (!consensus_fields_at_end(&f) || !is_whole(&out->record)))
        rv = BASE_EMALFORMED;
    return rv;
}

void consensus_votelog_free(struct consensus_logged *logged)
{
    consensus_cert_free(&logged->cert);
    *logged = (struct consensus_logged){0};
}

/* ---- the next epoch ---- */

int consensus_votelog_next_encode(void *out, size_t *len, size_t cap,
                                  const struct consensus_epoch *next)
{
    struct base_packer p;
    uint8_t *record = malloc(CONSENSUS_EPOCH_BYTES_MAX);
    if (record == NULL) return BASE_ENOMEM;
    int rv = consensus_epoch_encode(record, len, CONSENSUS_EPOCH_BYTES_MAX, next);
    if (rv == BASE_OK) {
        base_packer_init(&p, out, cap);
        base_pack_map(&p, 2);
        consensus_put_u64(&p, 0, KIND_NEXT);
        consensus_put_bin(&p, 5, record, *len);
        *len = p.len;
        if (p.failed) rv = BASE_ETOOBIG;
    }
    free(record);
    return rv;
}

static int open_next(struct consensus_fields *f, const void *data, size_t len)
{
    uint64_t kind = 0;
    int rv = consensus_fields_init(f, data, len, 2);
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 0, &kind);
    return rv == BASE_OK && kind != KIND_NEXT ? BASE_EMALFORMED : rv;
}

bool consensus_votelog_is_next(const void *data, size_t len)
{
    struct consensus_fields f;
    return open_next(&f, data, len) == BASE_OK;
}

int consensus_votelog_next_decode(struct consensus_epoch *out, const void *data, size_t len)
{
    struct consensus_fields f;
    struct base_slice record;
    *out = (struct consensus_epoch){0};
    if (len > CONSENSUS_LOG_BYTES_MAX) return BASE_ETOOBIG;
    int rv = open_next(&f, data, len);
    if (rv == BASE_OK) rv = consensus_fields_bin(&f, 5, &record, CONSENSUS_EPOCH_BYTES_MAX);
    if (rv == BASE_OK && !consensus_fields_at_end(&f)) rv = BASE_EMALFORMED;
    if (rv == BASE_OK) rv = consensus_epoch_decode(out, record.data, record.len);
    if (rv != BASE_OK) return rv;
    if (out->number > 0 && base_is_zero(out->closing_hash.bytes, sizeof out->closing_hash))
        return BASE_OK;
    consensus_epoch_free(out);
    return BASE_EMALFORMED;
}
